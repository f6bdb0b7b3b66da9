"""What pairs say of subjects and splits, and the figures of pairs."""

from __future__ import annotations

import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.datasets import COLUMNS
from alllib.downloads import official_cells
from alllib.duplicates import KINDS, Duplicates, find_duplicates, merge_subjects
from alllib.kinship import (
    count_likeness,
    leak_rows,
    measure_duplicates,
    phase_rows,
    shared_rows,
)
from alllib.merges import compare_groups, join_groups, merge_rows, merge_table
from alllib.pair_figures import choose_pairs, plot_likeness, plot_pairs, tell_pair
from alllib.pairs import PAIR_COLUMNS


def table(names: list[str]) -> pd.DataFrame:
    """Cell table of the subjects named, one row each; the row number is the image."""
    rows = [
        (f"i{n}", f"{n}.png", "HEM" if s.lower().startswith("h") else "ALL", s, s, f"{s}_{n // 2}",
         "fold_0", 8, 8, f"{n:064x}")
        for n, s in enumerate(names)
    ]  # fmt: skip
    cells = pd.DataFrame(rows, columns=COLUMNS)
    cells.attrs["dataset"] = "cnmc2019"
    return cells


def pair(cells: pd.DataFrame, one: int, two: int, kind: str = KINDS[3], **seen) -> dict:
    values = {"symmetry": 0, "likeness": 0.9, "detail": 0.8, "down": 0, "right": 0, "gain": 1.0,
              "difference": 1.0, "overlap": 1.0} | seen  # fmt: skip
    ends = {"first": one, "second": two}
    names = {f"{end}_{c}": cells[c][row] for end, row in ends.items() for c in ("subject", "field")}
    images = {end: cells.image[row] for end, row in ends.items()}
    return {**values, **names, **images, "kind": kind}


def duplicates(cells: pd.DataFrame, *rows: dict) -> Duplicates:
    pairs = pd.DataFrame(list(rows), columns=list(PAIR_COLUMNS))
    return Duplicates(pairs=pairs, groups=merge_subjects(cells, pairs), images=len(cells))


def test_shared_images_are_counted_from_both_sides():
    cells = table(["51", "51", "51", "78", "78"])
    found = duplicates(cells, pair(cells, 0, 3), pair(cells, 0, 4), pair(cells, 1, 2))
    rows = {(row["subject"], row["other"]): (row["images"], row["of"], row["pairs"])
            for row in shared_rows(found, cells)}  # fmt: skip
    assert rows == {("78", "51"): (2, 2, 2), ("51", "78"): (1, 3, 2)}


def test_states_of_the_shipped_and_the_found_groups():
    # Shipped are 20+21, 51+55+75+78, H10+h3 and H2+H4+H5+H6+H7.
    cells = table(["20", "21", "51", "75", "78", "H10", "h3", "H2", "43", "44", "17"])
    found = duplicates(cells, pair(cells, 0, 1), pair(cells, 2, 3), pair(cells, 8, 9),
                       pair(cells, 10, 0))  # fmt: skip
    rows = {tuple(row["subjects"]): row for row in compare_groups(found)}
    assert rows["51", "55", "75", "78"]["here"] == ["51", "75", "78"]
    assert rows["51", "55", "75", "78"]["joined"] == [["51", "75"]]
    assert rows["17", "20", "21"]["kinds"][KINDS[3]] == 2
    state = {who: row["state"] for who, row in rows.items()}
    assert state == {
        ("20", "21"): "confirmed",
        ("51", "55", "75", "78"): "confirmed in part",
        ("H10", "h3"): "not seen",
        ("H2", "H4", "H5", "H6", "H7"): "not here",
        ("43", "44"): "new",
        ("17", "20", "21"): "wider",
    }


def test_official_list_confirms_the_table_as_far_as_checksums_go():
    state = [row["state"] for row in compare_groups(find_duplicates(official_cells(), near=False))]
    assert state == ["confirmed", "confirmed", "confirmed", "confirmed in part"]


def test_joined_groups_count_the_whole_training_set(no_images):
    cells = wide(table(["17", "20", "H14", "H24", "H4"]))
    found = duplicates(cells, pair(cells, 0, 1), pair(cells, 2, 3))
    joined = join_groups(found)
    assert {joined[name] for name in ("17", "20", "21")} == {"17"}
    assert joined["H14"] == joined["H24"] != joined["H4"] == joined["H2"]
    measured = measure_duplicates(cells, found)["joined"]
    # Of 73 names and 65 groups, two merges more.
    assert (measured["names"], measured["groups"]) == (73, 63)
    assert ["H14", "H24"] in measured["merged"]


def wide(cells: pd.DataFrame) -> pd.DataFrame:
    """The same with enough other subjects to be split."""
    more = table([s for n in range(900, 920) for s in (f"{n}", f"H{n}") for _ in range(3)])
    more = more.assign(image="x" + more.image, sha256="x" + more.sha256)
    both = pd.concat([cells, more], ignore_index=True)
    both.attrs = dict(cells.attrs)
    return both


def test_leaks_follow_the_pairs():
    names = [f"{n}" for n in range(1, 13) for _ in range(4)]
    names += [f"H{n}" for n in range(11, 23) for _ in range(4)]
    cells = table(names)
    # Every image of subject 1 is shown under subject 2 again, as a file or as a cell.
    rows = [pair(cells, n, n + 4, KINDS[0] if n < 2 else KINDS[3]) for n in range(4)]
    rows += [pair(cells, n, n + 1) for n in range(8, 40, 4)]
    found = duplicates(cells, *rows)
    leaks = {row["protocol"]: row for row in leak_rows(found, cells)}
    assert list(leaks)[-1] == "group found here"
    assert leaks["group found here"]["with_twin"] == 0
    assert leaks["image"]["with_twin"] > 0
    assert leaks["image"]["images"] == 20  # a fifth of 48 images of each class, rounded up
    assert all(row["exact"] <= row["with_twin"] <= row["images"] for row in leaks.values())


def test_a_protocol_that_a_set_is_too_small_for_has_no_row_and_a_warning(caplog):
    cells = table(["1", "2", "3", "4", "H1", "H2", "H3", "H4"])
    rows = leak_rows(duplicates(cells, pair(cells, 0, 1)), cells)
    assert [row["protocol"] for row in rows] == ["image"]
    assert "split by group: Class ALL has 4 groups, too few" in caplog.text


def test_likeness_is_counted_apart_for_turned_pairs():
    cells = table(["1", "2"])
    compared = pd.DataFrame({"symmetry": [0, 3, 5, 0], "likeness": [0.95, 0.4, -0.9, 1.0],
                             "detail": 0.5, "overlap": 1.0})  # fmt: skip
    found = Duplicates(duplicates(cells).pairs, {}, 2, compared=compared)
    counts = count_likeness(found)
    assert sum(counts["as they are"]) == sum(counts["turned"]) == 2
    assert counts["turned"][0] == 1  # below the scale: in the first bin
    assert counts["as they are"][-1] == 1
    assert len(counts["bins"]) == len(counts["turned"]) + 1


@pytest.fixture
def no_images(monkeypatch):
    """The tables of these tests have no images to compare across classes."""
    monkeypatch.setattr("alllib.chance.search_across", lambda cells: None)


def test_fields_of_shared_cells_are_counted():
    # Fields hold two images each: i0 and i1 are one field of 51, i2 the next.
    cells = table(["51", "51", "51", "51", "78", "78", "78", "78"])
    found = duplicates(cells, pair(cells, 0, 4), pair(cells, 1, 5), pair(cells, 2, 6))
    rows = {row["subject"]: row for row in shared_rows(found, cells)}
    assert (rows["51"]["fields"], rows["51"]["most"]) == (2, 2)
    one = duplicates(cells, pair(cells, 0, 4), pair(cells, 1, 6), pair(cells, 2, 5))
    rows = {row["subject"]: row for row in shared_rows(one, cells)}
    assert (rows["78"]["fields"], rows["78"]["most"]) == (2, 1)


def test_a_merge_that_rests_on_one_cell_is_seen_as_such():
    cells = table(["16", "16", "20", "20", "21", "21", "43", "43", "44", "44"])
    # 21 holds the files of 20; 20 and 21 are one group of the shipped table.
    cells.loc[[4, 5], "sha256"] = cells.sha256[[2, 3]].to_numpy()
    found = duplicates(cells, pair(cells, 2, 4, KINDS[0]), pair(cells, 0, 2, likeness=0.85),
                       pair(cells, 0, 4, likeness=0.85), pair(cells, 6, 8),
                       pair(cells, 9, 7, likeness=0.95))  # fmt: skip
    rows = merge_rows(found, cells)
    assert rows == [
        {"names": ["43"], "others": ["44"], "pairs": 2, "fields": 1, "other_fields": 1,
         "field_pairs": 1, "most": 2, "of": 2, "likeness": [0.9, 0.95]},
        {"names": ["16"], "others": ["20", "21"], "pairs": 1, "fields": 1, "other_fields": 1,
         "field_pairs": 1, "most": 1, "of": 2, "likeness": [0.85, 0.85]},
    ]  # fmt: skip
    shown = merge_table(rows)
    assert shown.others.tolist() == ["44", "20, 21"]
    assert shown[["likeness from", "to"]].to_numpy().tolist() == [[0.9, 0.95], [0.85, 0.85]]


def test_nothing_beyond_the_table_is_no_merge():
    cells = table(["20", "21", "51", "51"])
    assert merge_table([]).empty
    assert list(merge_table([]))[:3] == ["names", "others", "pairs"]
    assert merge_rows(duplicates(cells, pair(cells, 0, 1), pair(cells, 2, 3)), cells) == []
    assert merge_rows(duplicates(cells), cells) == []


def test_no_test_file_of_the_official_list_is_a_training_file():
    prelim, final = phase_rows()
    assert (prelim["images"], final["images"]) == (1867, 2586)
    assert prelim["exact"] == final["exact"] == 0
    # The headers differ in length, so the checksum could not agree in any case.
    assert prelim["same_length"] == final["same_length"] == 0
    assert prelim["with_twin"] is None  # not known without the images


def test_a_test_file_that_is_a_training_file_is_counted(monkeypatch):
    files = pd.DataFrame({
        "phase": ["train", "train", "test_prelim", "test_prelim", "test_final"],
        "sha256": ["a", "b", "b", "c", "d"], "bytes": [10, 10, 10, 10, 11],
    })  # fmt: skip
    monkeypatch.setattr("alllib.kinship.official_files", lambda: files)
    prelim, final = phase_rows()
    assert (prelim["exact"], prelim["same_length"], prelim["images"]) == (1, 2, 2)
    assert (final["exact"], final["same_length"], final["images"]) == (0, 0, 1)


def test_measurement_is_plain_data(no_images):
    cells = table(["1"] * 10 + ["2"] * 10 + ["H1"] * 10 + ["H3"] * 10 + ["3"] * 10 + ["4"] * 10
                  + ["H8"] * 10 + ["H9"] * 10 + ["5"] * 10 + ["H20"] * 10 + ["6"] * 4)  # fmt: skip
    found = duplicates(cells, pair(cells, 0, 1), pair(cells, 2, 6), pair(cells, 3, 12))
    measured = measure_duplicates(cells, found)
    assert json.loads(json.dumps(measured)) == measured
    assert measured["fields"] == {
        "one field": 1, "two fields of a subject": 1, "two subjects": 1,
    }  # fmt: skip
    assert measured["classes"] == {"within": 3, "across": 0}
    assert measured["images_in_pairs"] == 6


def test_measurement_of_a_set_without_subjects(no_images):
    cells = table(["1"] * 20)
    cells[["subject", "group", "field"]] = pd.NA
    cells["label"] = ["Early", "Pre", "Pro", "Benign"] * 5
    cells["image"] = [f"WBC-{label}-{n:03}" for n, label in enumerate(cells.label)]
    cells.attrs["dataset"] = "ball2021"
    measured = measure_duplicates(cells, duplicates(cells, pair(cells, 0, 4), pair(cells, 1, 2)))
    assert measured["cross_subject_pairs"] is None
    assert measured["shared"] == []
    assert measured["fields"] is None
    assert measured["classes"] == {"within": 1, "across": 1}
    assert [row["protocol"] for row in measured["leaks"]] == ["image", "blocks"]
    assert choose_pairs(duplicates(cells, pair(cells, 0, 4)).pairs)["first"].tolist() == [
        cells.image[0]
    ]


# Figures ------------------------------------------------------------------------------


def test_pairs_under_two_names_are_shown_first_and_no_image_twice():
    cells = table(["1", "1", "1", "2", "2", "3", "3"])
    found = duplicates(cells, pair(cells, 0, 1), pair(cells, 1, 2), pair(cells, 2, 3),
                       pair(cells, 2, 4), pair(cells, 5, 6))  # fmt: skip
    chosen = choose_pairs(found.pairs, 3)
    assert chosen[["first", "second"]].to_numpy().tolist() == [
        ["i2", "i3"], ["i0", "i1"], ["i5", "i6"],
    ]  # fmt: skip
    assert not len(choose_pairs(found.pairs.iloc[:0]))


@pytest.fixture
def closed():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def test_figure_shows_both_images_of_each_pair(tmp_path, closed):
    cells = table(["1", "2", "3", "4"])
    cells["path"] = [str(tmp_path / name) for name in cells.path]
    for n, path in enumerate(cells.path):
        Image.fromarray(np.full((8, 8, 3), 40 + n, np.uint8)).save(path)
    found = duplicates(cells, pair(cells, 0, 1), pair(cells, 2, 3))
    figure = plot_pairs(found.pairs, cells)
    shown = [axis.images[0].get_array()[0, 0, 0] for axis in figure.axes]
    assert shown == [40, 42, 41, 43]


def test_likeness_figure_has_a_hill_for_each_kind(closed):
    counts = {"bins": [0, 0.5, 1], "as they are": [1, 5], "turned": [4, 0]}
    axis = plot_likeness(counts).axes[0]
    assert [patch.get_data().values.tolist() for patch in axis.patches] == [[1, 5], [4, 0]]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        "fit as they are", "fit turned or mirrored",
    ]  # fmt: skip


def test_a_pair_in_words_names_its_symmetry():
    cells = table(["1", "2"])
    found = duplicates(cells, pair(cells, 0, 1, symmetry=5))
    (row,) = found.pairs.itertuples()
    assert tell_pair(row) == "i0 and i1 (same cell, mirror, rotate 90, likeness 0.90)"
