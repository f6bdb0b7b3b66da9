"""Splits: the report's listing, groups that stay whole, and certificates that tell."""

from __future__ import annotations

import json
import os
import random
import shutil
from itertools import combinations

import pandas as pd
import pytest
from conftest import CNMC_CELLS
from hypothesis import event, given, settings
from hypothesis import strategies as st

from alllib.datasets import COLUMNS, load_cells
from alllib.downloads import official_cells
from alllib.errors import SplitError
from alllib.files import hash_json
from alllib.splits import (
    PARTS,
    PROTOCOLS,
    Split,
    check_certificate,
    make_split,
    require_subjects,
    split_groups,
    split_images,
)


def make_cells(rows: list[tuple[str, str, str, str]]) -> pd.DataFrame:
    """Cell table from (label, group, field, bytes); one subject a group and class."""
    table = pd.DataFrame(rows, columns=["label", "group", "field", "sha256"])
    names = [f"UID_{g}_{f}_{n}_{x.lower()}" for n, (x, g, f, _) in enumerate(rows)]
    table = table.assign(image=names, path=names, subject=table.group + "s", fold="fold_0")
    table = table.assign(width=450, height=450, field=table.group + "_" + table.field)
    text = {name: "string" for name in COLUMNS if name not in ("width", "height")}
    return table.astype(text)[COLUMNS]


def even_cells(groups: int = 10, images: int = 6) -> pd.DataFrame:
    """Each class with `groups` groups of `images` images, two in a field."""
    rows = [
        (label, f"{label[0]}{group}", str(image // 2), f"{label}{group}{image}")
        for label in ("ALL", "HEM")
        for group in range(groups)
        for image in range(images)
    ]
    return make_cells(rows)


@pytest.fixture(scope="module")
def official() -> pd.DataFrame:
    return official_cells()


# The report's split -------------------------------------------------------------------


def split_as_the_report(dataset_path, output_path, split_ratio, seed=120):
    """Figure 9 of the report, told again: it copies the files of each class."""
    for category in os.listdir(dataset_path):
        images = os.listdir(os.path.join(dataset_path, category))
        images.sort()
        random.seed(seed)
        random.shuffle(images)
        train = images[: int(split_ratio * len(images))]
        for part, chosen in (("train", train), ("validation", images[len(train) :])):
            os.makedirs(os.path.join(output_path, part, category))
            for image in chosen:
                source = os.path.join(dataset_path, category, image)
                shutil.copy(source, os.path.join(output_path, part, category, image))


@pytest.mark.usefixtures("workspace")
def test_equals_the_files_that_the_listing_copies(tmp_path, write_cnmc):
    cells = [("", label, name) for _, label, name in CNMC_CELLS]
    pooled = write_cnmc(tmp_path / "pooled", top="", cells=cells)
    state = random.getstate()
    split_as_the_report(pooled, tmp_path / "out", 0.8)
    random.setstate(state)
    split = split_images(load_cells(write_cnmc(tmp_path / "data")))
    assert random.getstate() == state, "the global generator is left alone"
    for part in ("train", "validation"):
        copied = {path.stem for path in (tmp_path / "out" / part).rglob("*.bmp")}
        assert set(split.part(part).image) == copied
    assert len(split.part("test")) == 0


def test_equals_the_listing_on_the_official_names(official):
    split = split_images(official)
    for label, seed in (("ALL", 120), ("HEM", 120)):
        names = [f"{name}.bmp" for name in official.image[official.label == label]]
        names.sort()
        random.Random(seed).shuffle(names)
        train = {name.removesuffix(".bmp") for name in names[: int(0.8 * len(names))]}
        ours = split.part("train")
        assert set(ours.image[ours.label == label]) == train
    assert split.certificate["parts"] == {
        "train": {"ALL": 5817, "HEM": 2711}, "validation": {"ALL": 1455, "HEM": 678}
    }  # fmt: skip


def test_what_crosses_the_reports_split(official):
    crossing = split_images(official).certificate["crossing"]["train/validation"]
    assert crossing["subjects"]["images"] == crossing["groups"]["images"] == 2133
    assert 0.93 < crossing["fields"]["images"] / 2133 < 0.95
    assert crossing["identical images"] == {"values": 38, "images": 38}


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32), st.floats(0.5, 0.99))
def test_sizes_are_those_of_the_formula(n_all, n_hem, seed, ratio):
    rows = [("ALL", "a", "1", f"a{n}") for n in range(n_all)]
    rows += [("HEM", "h", "1", f"h{n}") for n in range(n_hem)]
    split = split_images(make_cells(rows), ratio=ratio, seed=seed)
    counts = split.certificate["parts"]
    for label, n in (("ALL", n_all), ("HEM", n_hem)):
        assert counts["train"][label] == int(ratio * n)
        assert counts["validation"][label] == n - int(ratio * n)


def test_split_is_the_same_for_every_order_of_the_table(official):
    cells = official.groupby("label").head(600)
    for protocol in PROTOCOLS:
        first = make_split(cells, protocol)
        for state in (1, 2):
            again = make_split(cells.sample(frac=1, random_state=state), protocol)
            assert again.certificate == first.certificate
            ours, theirs = (s.cells.set_index("image").part for s in (first, again))
            assert ours.equals(theirs.loc[ours.index])


def test_seeds_differ():
    cells = even_cells()
    for protocol in PROTOCOLS:
        parts = [make_split(cells, protocol, seed=seed).cells.part for seed in (1, 2, 1)]
        assert not parts[0].equals(parts[1]) and parts[0].equals(parts[2])
    default = make_split(cells, "image").certificate
    assert default == split_images(cells, seed=120).certificate


def test_class_too_small_to_stand_in_both_parts():
    rows = [("ALL", "a", "1", f"a{n}") for n in range(10)]
    rows += [("HEM", "h", "1", f"h{n}") for n in range(1)]
    with pytest.raises(SplitError, match="train part is left without class HEM"):
        split_images(make_cells(rows))


# Groups -------------------------------------------------------------------------------


@st.composite
def tables(draw) -> pd.DataFrame:
    """Cell table of any size with groups of very different sizes, some in both classes."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    groups, images = draw(st.integers(1, 30)), draw(st.integers(1, 150))
    weights = [chance.random() ** 3 for _ in range(groups)]
    mixed = draw(st.booleans())
    rows = []
    for group in chance.choices(range(groups), weights, k=images):
        label = chance.choice(["ALL", "HEM"]) if mixed else ("ALL", "HEM")[group % 2]
        rows.append((label, f"g{group}", str(chance.randrange(3)), str(chance.randrange(images))))
    return make_cells(rows)


@settings(max_examples=60)
@given(tables(), st.sampled_from(PROTOCOLS[1:]), st.integers(3, 6), st.integers(0, 9))
def test_groups_never_cross_or_the_error_is_clear(cells, by, folds, seed):
    try:
        split = split_groups(cells, by=by, folds=folds, seed=seed)
    except SplitError as error:
        assert error.remedy
        return
    event("split")
    assert split.cells.groupby(by).part.nunique().max() == 1
    assert sorted(split.cells.image) == sorted(cells.image) and split.cells.part.isin(PARTS).all()
    for part in PARTS:
        assert set(split.part(part).label) == set(cells.label)
    check_certificate(split.cells, split.certificate)


def test_each_fold_in_turn_tests_every_image_once(official):
    for cells, folds in ((even_cells(), 5), (official, 5)):
        tested = [split_groups(cells, folds=folds, fold=k).part("test").image for k in range(folds)]
        assert sorted(pd.concat(tested)) == sorted(cells.image)
    for fold in (-1, 5):
        with pytest.raises(SplitError, match=f"no fold {fold} of 5"):
            split_groups(even_cells(), fold=fold)


def test_drawn_fold_is_stated_and_gives_the_same_split_when_asked_for():
    drawn = split_groups(even_cells(), seed=4)
    fold = drawn.certificate["settings"]["fold"]
    assert split_groups(even_cells(), seed=4, fold=fold).certificate == drawn.certificate
    folds = {split_groups(even_cells(), seed=n).certificate["settings"]["fold"] for n in range(30)}
    assert folds == set(range(5))


def test_official_groups(official):
    split = make_split(official, "group")
    crossing = split.certificate["crossing"]
    assert set(crossing) == {"train/validation", "train/test", "validation/test"}
    for pair in crossing.values():
        assert all(kind == {"values": 0, "images": 0} for kind in pair.values())
    shares = split.cells.part.value_counts(normalize=True)
    assert shares["train"] > 0.5 and shares["test"] > 0.1 and shares["validation"] > 0.1


def test_split_by_subject_name_still_leaks(official):
    crossing = make_split(official, "subject").certificate["crossing"]
    assert all(pair["subjects"]["images"] == 0 for pair in crossing.values())
    assert sum(pair["groups"]["images"] for pair in crossing.values()) > 0


def test_test_phases_and_unlabelled_images_are_left_out():
    cells = even_cells()
    cells.loc[0, "fold"] = "preliminary"
    cells.loc[1, ["fold", "label"]] = ["final", pd.NA]
    cells.loc[2, "label"] = pd.NA
    for protocol in PROTOCOLS:
        split = make_split(cells, protocol)
        assert not set(split.cells.image) & set(cells.image[:3])
        assert len(split.cells) == len(cells) - 3


def test_impossible_splits_are_refused():
    cells = even_cells()
    with pytest.raises(SplitError, match="no split protocol 'grup'") as caught:
        make_split(cells, "grup")
    assert "'group'" in caught.value.remedy
    with pytest.raises(SplitError, match="kept together by 'sha256'"):
        split_groups(cells, by="sha256")
    for folds in (-1, 0, 1, 2):
        with pytest.raises(SplitError, match="at least 3 folds"):
            split_groups(cells, folds=folds)
    few = cells[~((cells.label == "HEM") & cells.group.isin(["H0", "H1", "H2", "H3", "H4", "H5"]))]
    with pytest.raises(SplitError, match="Class HEM has 4 groups, too few for 5") as caught:
        split_groups(few)
    assert "at most 4 folds" in caught.value.remedy
    split_groups(few, folds=4)
    with pytest.raises(SplitError, match="no labelled image"):
        make_split(cells.assign(label=pd.NA), "image")


def test_data_without_subjects_has_only_the_image_protocol():
    cells = even_cells().assign(subject=pd.NA, group=pd.NA, field=pd.NA)
    for protocol in ("field", "subject", "group"):
        with pytest.raises(SplitError, match=f"does not name the {protocol}") as caught:
            make_split(cells, protocol)
        assert "'image'" in caught.value.remedy
    crossing = make_split(cells, "image").certificate["crossing"]["train/validation"]
    assert crossing["subjects"] is crossing["groups"] is crossing["fields"] is None
    assert crossing["identical images"] == {"values": 0, "images": 0}


# Certificates -------------------------------------------------------------------------


@settings(max_examples=40)
@given(tables(), st.sampled_from(PROTOCOLS), st.integers(0, 3))
def test_certificate_counts_equal_brute_force(cells, protocol, seed):
    try:
        split = make_split(cells, protocol, seed=seed, folds=3)
    except SplitError:
        return
    by_part = {part: split.cells[split.cells.part == part] for part in PARTS}
    present = [part for part in PARTS if len(by_part[part])]
    assert list(split.certificate["parts"]) == present
    for part in present:
        counts = split.certificate["parts"][part]
        assert sum(counts.values()) == len(by_part[part])
    columns = {"identical images": "sha256", "fields": "field", "subjects": "subject",
               "groups": "group"}  # fmt: skip
    for a, b in combinations(present, 2):
        for kind, column in columns.items():
            shared = [v for v in by_part[b][column] if v in set(by_part[a][column])]
            expected = {"values": len(set(shared)), "images": len(shared)}
            assert split.certificate["crossing"][f"{a}/{b}"][kind] == expected


@pytest.fixture
def split() -> Split:
    return make_split(even_cells(), "group")


def test_certificate_survives_json(split):
    check_certificate(split.cells, json.loads(json.dumps(split.certificate)))
    check_certificate(split.cells.sample(frac=1, random_state=1), split.certificate)


@pytest.mark.parametrize("none", [None, {}])
def test_no_certificate_is_refused(split, none):
    with pytest.raises(SplitError, match="no split certificate") as caught:
        check_certificate(split.cells, none)
    assert "make_split" in caught.value.remedy


def test_every_altered_entry_is_noticed(split):
    for key in split.certificate:
        altered = split.certificate | {key: "something else"}
        with pytest.raises(SplitError, match="was altered"):
            check_certificate(split.cells, altered)
        lacking = {k: v for k, v in split.certificate.items() if k != key}
        with pytest.raises(SplitError, match="was altered"):
            check_certificate(split.cells, lacking)


def test_certificate_signed_anew_over_a_lie_is_refused(split):
    for key, value in (("crossing", {}), ("parts", {}), ("assignment", "0" * 64), ("data", "0")):
        lie = {k: v for k, v in split.certificate.items() if k != "hash"} | {key: value}
        with pytest.raises(SplitError, match=f"other data .*{key}"):
            check_certificate(split.cells, lie | {"hash": hash_json(lie)})


ALTERATIONS = {
    "a row less": lambda cells: cells.iloc[1:],
    "another part": lambda cells: cells.assign(
        part=cells.part.replace({"test": "train", "train": "test"})
    ),
    "another label": lambda cells: cells.assign(label=cells.label.where(cells.index != 0, "HEM")),
    "other bytes": lambda cells: cells.assign(sha256=cells.sha256 + "x"),
    "other groups": lambda cells: cells.assign(group="one"),
}


@pytest.mark.parametrize("kind", ALTERATIONS)
def test_other_data_is_refused(split, kind):
    with pytest.raises(SplitError, match="belongs to other data"):
        check_certificate(ALTERATIONS[kind](split.cells), split.certificate)


def test_table_that_does_not_say_the_parts(split):
    unsaid = split.cells.assign(part=split.cells.part.where(split.cells.index != 3))
    for cells in (split.cells.drop(columns="part"), unsaid, split.cells.assign(part="trian")):
        with pytest.raises(SplitError, match="which part"):
            check_certificate(cells, split.certificate)


def dealt_cells(sizes: dict[str, list[int]]) -> pd.DataFrame:
    """One row per image of groups whose sizes are given by class."""
    rows = [
        (label, f"{label}{number}", copy)
        for label, all_sizes in sizes.items()
        for number, size in enumerate(all_sizes)
        for copy in range(size)
    ]
    table = pd.DataFrame(rows, columns=["label", "group", "number"])
    table["image"] = table.group + "_" + table.number.astype(str)
    table["sha256"] = [hash_json(name) for name in table.image]
    return table.assign(subject=table.group, field=table.group, fold="fold_0", path=table.image)


def test_drawn_test_part_has_two_groups_of_each_class_where_a_fold_has():
    cells = dealt_cells({"ALL": [60, 5, 5, 5, 5, 5, 5, 5], "HEM": [20, 4, 4, 4, 4, 4]})
    for seed in range(12):
        test = make_split(cells, "group", seed=seed, folds=3).part("test")
        assert test.groupby("label").group.nunique().min() > 1


def test_validation_part_is_the_fold_nearest_in_class_shares(official):
    split = make_split(official, "group", seed=3)
    share = (split.part("validation").label == "ALL").mean()
    assert abs(share - (split.cells.label == "ALL").mean()) < 0.01


def test_data_without_subjects_is_refused_where_a_page_needs_them():
    cells = even_cells()
    assert require_subjects(cells) is cells
    with pytest.raises(SplitError, match="subject of each image"):
        require_subjects(cells.assign(subject=pd.NA))
