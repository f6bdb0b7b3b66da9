"""Identical images, cells shown again, and the subject groups that follow from them."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alllib.alignment import measure_pair
from alllib.augmentation import SYMMETRIES, apply_symmetry
from alllib.cropping import BACKGROUND
from alllib.datasets import COLUMNS, load_cells
from alllib.downloads import official_cells, official_files
from alllib.duplicates import (
    KINDS,
    describe_duplicates,
    duplicate_table,
    find_duplicates,
    identical_files,
    merge_subjects,
    subject_table,
)
from alllib.errors import ImageError, ParameterError
from alllib.nuclei import draw_light, draw_nucleus, draw_stain
from alllib.perceptual import DARK, find_candidates, sketch_images, turn_grid
from alllib.planting import change_image, measure_search, plant_duplicates, score_planted
from alllib.synthetic import SyntheticDesign, make_dataset, read_manifest

# Pairs of identical files in the official training list by the two subjects.
OFFICIAL = {
    ("20", "21"): 71, ("51", "78"): 11, ("51", "75"): 10, ("H10", "H10"): 5, ("H2", "H4"): 3,
    ("H2", "H5"): 2, ("H2", "H6"): 1, ("H10", "h3"): 1,
}  # fmt: skip


def nucleus(seed: int, size: int = 224) -> np.ndarray:
    """Synthetic nucleus; another seed is another cell of the same person."""
    stain = draw_stain(np.random.default_rng(1))
    light = draw_light(np.random.default_rng(2))
    return draw_nucleus(np.random.default_rng(seed), "ALL", stain, light, size=size)


def write_table(folder, pictures: dict, *, suffix: str = "png", subjects=None) -> pd.DataFrame:
    """Cell table of images written to a folder: name to pixels, or to bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (name, picture) in enumerate(pictures.items()):
        path = folder / f"{name}.{suffix}"
        if isinstance(picture, bytes):
            path.write_bytes(picture)
            picture = np.zeros((8, 8, 3), np.uint8)
        else:
            Image.fromarray(picture).save(path)
        subject = subjects[number] if subjects else str(number)
        rows.append((name, str(path), "ALL", subject, subject, f"{subject}_1", "fold_0",
                     picture.shape[1], picture.shape[0],
                     hashlib.sha256(path.read_bytes()).hexdigest()))  # fmt: skip
    return pd.DataFrame(rows, columns=COLUMNS)


@pytest.fixture(scope="module")
def cells(tmp_path_factory) -> pd.DataFrame:
    """Forty different synthetic cells of twenty subjects."""
    pictures = {f"cell{n}": nucleus(n) for n in range(40)}
    subjects = [f"{n // 2}" for n in range(40)]
    return write_table(tmp_path_factory.mktemp("cells"), pictures, subjects=subjects)


# Identical files, from the official list alone ----------------------------------------


def test_official_list_has_104_identical_pairs():
    cells = official_cells()
    found = find_duplicates(cells, near=False)
    described = describe_duplicates(found)
    assert described["images"] == 10_661
    assert described["exact_pairs"] == 104
    assert described["near_pairs"] == 0
    assert described["cross_subject_pairs"] == 99
    table = subject_table(found)
    pairs = zip(table.first_subject, table.second_subject, strict=True)
    assert dict(zip(pairs, table.pairs, strict=True)) == OFFICIAL
    fold = cells.set_index("image").fold
    ends = [found.pairs[end].map(fold) for end in ("first", "second")]
    assert (ends[0] != ends[1]).sum() == 94
    assert cells.sha256.nunique() == 10_557


def test_official_groups_by_checksum_alone():
    found = describe_duplicates(find_duplicates(official_cells(), near=False))
    assert found["subjects"] == 73
    groups = {one["name"]: one["subjects"] for one in found["groups"]}
    assert groups == {
        "20": ["20", "21"], "51": ["51", "75", "78"], "H10": ["H10", "h3"],
        "H2": ["H2", "H4", "H5", "H6"],
    }  # fmt: skip
    # The shipped table knows H7 and the preliminary subject 55 besides, by pixels.
    assert found["subject_groups"] == official_cells().group.nunique() + 1


def test_text_and_data_tell_the_same():
    found = find_duplicates(official_cells(), near=False)
    described = describe_duplicates(found)
    assert json.loads(json.dumps(described)) == described
    text = duplicate_table(found)
    assert "104 pairs: identical files" in text
    assert "99 of them under two subject names" in text
    assert "51: 51, 75, 78" in text


def test_final_test_has_two_identical_pairs():
    final = official_files().query("phase == 'test_final'")
    names = final.original_name.str.removesuffix(".bmp").to_numpy()
    found = {frozenset(names[list(pair)]) for pair in identical_files(final.sha256)}
    assert found == {frozenset({"972", "2217"}), frozenset({"914", "581"})}


def test_three_copies_are_three_pairs():
    assert identical_files(["a", "b", "a", None, "a", None]) == [(0, 2), (0, 4), (2, 4)]


# Cells shown again --------------------------------------------------------------------


def planted(cells, folder, **change):
    """What is found once a changed copy of one image is there under another subject."""
    quality = change.pop("quality", None)
    picture = change_image(np.asarray(Image.open(cells.path[7])), **change)
    name = "copy.jpg" if quality else "copy.png"
    folder.mkdir(exist_ok=True)
    Image.fromarray(picture).save(folder / name, **({"quality": quality} if quality else {}))
    row = cells.iloc[[7]].assign(image="copy", path=str(folder / name), sha256="f", subject="new")
    return find_duplicates(pd.concat([cells, row], ignore_index=True))


@pytest.mark.parametrize(
    "change",
    [
        {"down": 10, "right": -7}, {"symmetry": 5}, {"quality": 80}, {"gain": 1.05},
        {"gain": 0.95, "symmetry": 3, "down": -10, "right": 10, "quality": 80},
    ],
)  # fmt: skip
def test_each_change_is_found_and_named(cells, tmp_path, change):
    found = planted(cells, tmp_path / "copies", **change)
    assert found.pairs[["first", "second"]].to_numpy().tolist() == [["cell7", "copy"]]
    pair = found.pairs.iloc[0]
    if "quality" not in change:  # a small pale cell loses its finest detail in a JPEG file
        assert pair.kind == "same photograph"
    assert pair.symmetry == change.get("symmetry", 0)
    assert abs(pair.down - change.get("down", 0)) <= 1
    assert abs(pair.right - change.get("right", 0)) <= 1
    assert pair.gain == pytest.approx(change.get("gain", 1), abs=0.02)
    assert pair.difference < 4
    assert found.groups["new"] == found.groups["3"] == "3"


def test_identical_pixels_in_another_format(cells, tmp_path):
    picture = Image.open(cells.path[3])
    picture.save(tmp_path / "copy.bmp")
    row = cells.iloc[[3]].assign(image="copy", path=str(tmp_path / "copy.bmp"), sha256="f")
    found = find_duplicates(pd.concat([cells, row], ignore_index=True))
    assert found.pairs[["first", "second", "kind"]].to_numpy().tolist() == [
        ["cell3", "copy", "identical pixels"]
    ]
    assert len(found.pixel_pairs) == 1
    assert not len(found.near_pairs)


def test_different_cells_of_one_person_are_no_pair(cells):
    found = find_duplicates(cells)
    assert not len(found.pairs)
    assert found.candidates > len(cells)
    assert found.groups == {subject: subject for subject in set(cells.subject)}


def test_a_copy_of_a_copy_joins_both(cells, tmp_path):
    picture = np.asarray(Image.open(cells.path[0]))
    copies = {"a": picture, "b": change_image(picture, symmetry=2), "c": nucleus(99)}
    table = write_table(tmp_path, copies, subjects=["x", "y", "z"])
    found = find_duplicates(pd.concat([cells, table], ignore_index=True))
    ends = found.pairs[["first", "second"]].to_numpy().tolist()
    assert sorted(ends) == [["a", "b"], ["cell0", "a"], ["cell0", "b"]]
    assert sorted(found.pairs.kind) == ["identical files", "same photograph", "same photograph"]


def test_same_input_same_pairs(cells, tmp_path):
    one, two = (planted(cells, tmp_path / "copies", symmetry=6) for _ in range(2))
    pd.testing.assert_frame_equal(one.pairs, two.pairs)


# Edge cases ---------------------------------------------------------------------------


def test_black_images_are_counted_and_no_near_pair(tmp_path):
    black = np.zeros((64, 64, 3), np.uint8)
    other = black.copy()
    other[0, 0] = 1  # darker than any nucleus
    found = find_duplicates(write_table(tmp_path, {"a": black, "b": other, "c": nucleus(1, 64)}))
    assert found.blank == 2
    assert not len(found.pairs)


def test_one_image_and_none(tmp_path):
    table = write_table(tmp_path, {"only": nucleus(1, 64)})
    assert describe_duplicates(find_duplicates(table))["near_pairs"] == 0
    empty = describe_duplicates(find_duplicates(table.iloc[:0]))
    assert empty["images"] == empty["exact_pairs"] == 0


def test_two_images_of_other_sizes(tmp_path):
    small = nucleus(4)
    large = np.zeros((300, 260, 3), np.uint8)
    large[60:284, 20:244] = small
    found = find_duplicates(write_table(tmp_path, {"small": small, "large": large}))
    assert found.pairs.kind.tolist() == ["same photograph"]
    assert (found.pairs.down[0], found.pairs.right[0]) == (60, 20)


def test_unreadable_file_is_named(tmp_path):
    table = write_table(tmp_path, {"good": nucleus(1, 64), "bad": b"no image"})
    with pytest.raises(ImageError, match="bad.png"):
        find_duplicates(table)


def test_no_subjects_no_groups(tmp_path):
    table = write_table(tmp_path, {"a": nucleus(1, 64), "b": nucleus(2, 64)})
    table[["subject", "group", "field"]] = pd.NA
    found = find_duplicates(table)
    assert describe_duplicates(found)["cross_subject_pairs"] is None
    assert "names no subjects" in duplicate_table(found)


def test_description_is_plain_data_with_the_agreed_keys(cells):
    found = describe_duplicates(find_duplicates(cells))
    assert json.loads(json.dumps(found)) == found
    assert {"images", "exact_pairs", "near_pairs", "cross_subject_pairs", "groups"} <= set(found)
    assert list(found["kinds"]) == list(KINDS)


def test_background_and_turns_are_those_of_the_package():
    assert DARK == BACKGROUND
    image = np.random.default_rng(1).integers(0, 255, (5, 5, 3))
    for symmetry in range(len(SYMMETRIES)):
        expected = apply_symmetry(image, symmetry)[..., 0]
        assert np.array_equal(turn_grid(image[..., 0], symmetry), expected)


# Properties ---------------------------------------------------------------------------

CELL, *OTHERS = (nucleus(seed) for seed in (5, 50, 51, 52))


@settings(max_examples=40)
@given(symmetry=st.integers(0, 7), down=st.integers(-10, 10), right=st.integers(-10, 10))
def test_any_symmetry_and_shift_is_undone(symmetry, down, right):
    moved = change_image(CELL, symmetry=symmetry, down=down, right=right)
    found = measure_pair(CELL, moved, symmetry, (down + 3, right - 2))
    assert found[:2] == (down, right)
    assert min(found[2:4]) > 0.99


@settings(max_examples=20)
@given(symmetry=st.integers(0, 7), down=st.integers(-10, 10), right=st.integers(-10, 10))
def test_spectra_do_not_mind_symmetry_and_shift(tmp_path_factory, symmetry, down, right):
    moved = change_image(CELL, symmetry=symmetry, down=down, right=right)
    folder = tmp_path_factory.mktemp("pair")
    others = {f"other{n}": OTHERS[n] for n in range(3)}
    table = write_table(folder, {"one": CELL, "two": moved, **others})
    pairs = find_candidates(sketch_images(table).spectra, neighbours=1)
    assert [0, 1] in pairs[:, :2].tolist()


@settings(max_examples=25)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=12), st.integers(1, 16))
def test_candidates_kept_apart_have_two_values(values, neighbours):
    spectra = np.random.default_rng(1).random((len(values), 17, 17), np.float32)
    apart = np.array(values)
    pairs = find_candidates(spectra, neighbours=neighbours, apart=apart)
    assert (apart[pairs[:, 0]] != apart[pairs[:, 1]]).all()
    if neighbours == 16:  # more than there are images: all such pairs
        wanted = sum(a != b for n, a in enumerate(values) for b in values[:n])
        assert len({tuple(ends) for ends in pairs[:, :2].tolist()}) == wanted


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_groups_are_the_connected_subjects(links):
    names = [f"s{n}" for n in range(10)]
    cells = pd.DataFrame({"subject": names})
    ends = [[f"s{a}", f"s{b}"] for a, b in links]
    pairs = pd.DataFrame(ends, columns=["first_subject", "second_subject"], dtype="object")
    groups = merge_subjects(cells, pairs)
    assert set(groups) == set(names)
    assert all(groups[a] == groups[b] for a, b in ends)
    # As many groups as a forest of these links has trees.
    trees = {name: {name} for name in names}
    for a, b in ends:
        joined = trees[a] | trees[b]
        trees.update(dict.fromkeys(joined, joined))
    assert len(set(groups.values())) == len({frozenset(tree) for tree in trees.values()})


# Planted copies -----------------------------------------------------------------------


def test_planting_too_many_is_refused(cells, tmp_path):
    with pytest.raises(ParameterError, match="41 copies"):
        plant_duplicates(cells, tmp_path, count=41)


def test_same_seed_same_copies(cells, tmp_path):
    one, two = (plant_duplicates(cells, tmp_path, count=6, seed=3)[0] for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    other = plant_duplicates(cells, tmp_path, count=6, seed=4)[0]
    assert set(other.sha256) != set(one.sha256)


def test_planted_copies_are_found(cells, tmp_path):
    both, plan = plant_duplicates(cells, tmp_path, count=20)
    score = score_planted(find_duplicates(both), plan)
    assert (score.planted, score.found, score.wrong) == (20, 20, 0)
    assert score.recall[0] == score.precision[0] == 1
    assert score.recall[1] < 0.9  # twenty copies prove little


def test_scoring_counts_misses_errors_and_what_was_known(cells, tmp_path):
    _, plan = plant_duplicates(cells, tmp_path, count=5)
    found = find_duplicates(cells)
    first = plan.iloc[0]
    rows = [(first["image"], first["copy"]), ("cell1", "cell2"), ("cell3", "cell4")]
    pairs = pd.DataFrame(rows, columns=["first", "second"])
    known = pd.DataFrame([("cell4", "cell3")], columns=["first", "second"])
    given_pairs = type(found)(pairs=pairs, groups={}, images=45)
    score = score_planted(given_pairs, plan, known=known)
    assert (score.planted, score.found, score.pairs, score.wrong) == (5, 1, 2, 1)
    assert score.precision[0] == 0.5


def test_pairs_of_the_originals_are_counted_and_not_judged(cells, tmp_path, workspace):
    again = {"again": change_image(np.asarray(Image.open(cells.path[0])), symmetry=3)}
    both = pd.concat([cells, write_table(tmp_path, again, subjects=["x"])], ignore_index=True)
    found = measure_search(both, find_duplicates(both), count=41)
    assert (found.before, found.planted, found.found, found.wrong) == (1, 41, 41, 0)
    # The copies of either image of that pair are like the other one, which is no error.
    assert found.pairs == 41


def test_known_pairs_of_images_that_were_not_drawn_do_not_count(cells, workspace):
    everywhere = pd.DataFrame([("cell0", "cell1"), ("gone", "cell2")], columns=["first", "second"])
    known = type(find_duplicates(cells, near=False))(pairs=everywhere, groups={}, images=40)
    found = measure_search(cells, known, count=5)
    assert found.before == 1


def test_a_pair_that_only_the_copies_bring_up_counts_as_wrong(cells, tmp_path):
    _, plan = plant_duplicates(cells, tmp_path, count=5)
    copy = plan["copy"][0]
    other = "cell39" if plan["image"][0] != "cell39" else "cell38"
    pairs = pd.DataFrame([(copy, other)], columns=["first", "second"])
    found = type(find_duplicates(cells, near=False))(pairs=pairs, groups={}, images=45)
    assert score_planted(found, plan).wrong == 1


def test_planting_among_nothing_and_scoring_nothing_are_refused(cells, tmp_path, workspace):
    none = find_duplicates(cells.iloc[:0])
    with pytest.raises(ParameterError, match="among 0 images"):
        measure_search(cells.iloc[:0], none, count=1)
    _, plan = plant_duplicates(cells, tmp_path, count=1)
    with pytest.raises(ParameterError, match="Nothing was planted"):
        score_planted(none, plan.iloc[:0])


def test_one_image_can_be_planted_and_found(tmp_path, workspace):
    table = write_table(tmp_path, {"only": nucleus(1)})
    found = measure_search(table, find_duplicates(table), count=1)
    assert (found.planted, found.found, found.before, found.wrong) == (1, 1, 0, 0)


@pytest.mark.slow
def test_planted_copies_among_many_synthetic_cells(workspace, tmp_path):
    design = SyntheticDesign(images=400, format="png")
    cells = load_cells(make_dataset(tmp_path / "made", design, progress=False))
    both, plan = plant_duplicates(cells, tmp_path / "copies", count=100)
    alone = find_duplicates(cells)
    manifest = read_manifest(tmp_path / "made")
    assert len(alone.pairs) == len(alone.exact_pairs) == len(manifest["duplicates"])
    score = score_planted(find_duplicates(both), plan, known=alone.pairs)
    assert score.recall[0] >= 0.95
    assert score.precision[0] >= 0.99


# Real images --------------------------------------------------------------------------


def test_ball_has_forty_identical_pairs_all_in_pro(real_root, workspace):
    cells = load_cells(real_root / "B-ALL")
    found = find_duplicates(cells, near=False)
    assert len(found.pairs) == 40
    label = cells.set_index("image").label
    assert set(found.pairs["first"].map(label)) == {"Pro"}
    assert set(found.pairs["second"].map(label)) == {"Pro"}


@pytest.mark.slow
def test_planted_copies_among_real_cells(real_root, workspace, tmp_path):
    cells = load_cells(real_root / "C-NMC_Leukemia").sample(400, random_state=1)
    cells = cells.reset_index(drop=True)
    both, plan = plant_duplicates(cells, tmp_path, count=100)
    score = score_planted(find_duplicates(both), plan, known=find_duplicates(cells).pairs)
    assert score.recall[0] >= 0.95
    assert score.precision[0] >= 0.99


@pytest.mark.slow
def test_ball_fields_photographed_again(real_root, workspace):
    cells = load_cells(real_root / "B-ALL")
    some = cells[cells.label == "Benign"].reset_index(drop=True)
    found = find_duplicates(some)
    assert len(found.near_pairs) > 10
    assert (found.near_pairs.symmetry == 0).all()
    assert found.groups == {}


@pytest.mark.slow
def test_subjects_that_share_cells_on_real_images(real_root, workspace):
    cells = load_cells(real_root / "C-NMC_Leukemia")
    some = cells[cells.subject.isin(["51", "75", "H10", "h3", "1", "2"])].reset_index(drop=True)
    found = find_duplicates(some)
    groups = found.groups
    assert groups["75"] == groups["51"]
    assert groups["h3"] == groups["H10"]
    assert len({groups[name] for name in ("51", "H10", "1", "2")}) == 4
    assert (found.near_pairs.symmetry == 0).all()
