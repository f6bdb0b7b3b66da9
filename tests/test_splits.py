"""Splits: the report's listing, groups that stay whole, and certificates that tell."""

from __future__ import annotations

import json
import os
import random
import shutil
from fractions import Fraction
from itertools import combinations, groupby

import pandas as pd
import pytest
from conftest import CNMC_CELLS
from hypothesis import event, given, settings
from hypothesis import strategies as st

from alllib.datasets import COLUMNS, DATASETS, load_cells
from alllib.downloads import official_cells, official_files
from alllib.errors import SplitError
from alllib.files import hash_json
from alllib.splits import (
    PARTS,
    PROTOCOLS,
    Split,
    check_certificate,
    make_split,
    require_subjects,
    scored_part,
    split_blocks,
    split_folds,
    split_groups,
    split_images,
    split_random,
)

BY_SUBJECT = DATASETS["cnmc2019"].protocols


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
    cells = make_cells(rows)
    return cells.assign(fold=("fold_" + (cells.group.str[1:].astype(int) % 3).astype(str)))


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


def counted_cells(**counts: int) -> pd.DataFrame:
    """So many images of each class, one subject a class."""
    rows = [(x, x[0].lower(), "1", f"{x}{n}") for x, count in counts.items() for n in range(count)]
    return make_cells(rows)


@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 2**32), st.integers(50, 99))
def test_sizes_are_those_of_the_formula(n_all, n_hem, seed, percent):
    shares = (percent / 100, 1 - percent / 100)
    split = split_images(counted_cells(ALL=n_all, HEM=n_hem), shares=shares, seed=seed)
    counts = split.certificate["parts"]
    for label, n in (("ALL", n_all), ("HEM", n_hem)):
        assert counts["train"][label] == percent * n // 100
        assert counts["validation"][label] == n - percent * n // 100


@given(
    st.integers(0, 2**32),
    st.lists(st.integers(1, 97), min_size=2, max_size=3).filter(lambda p: sum(p) < 100),
    st.sampled_from(["shuffled", "listed"]),
    st.lists(st.integers(90, 130), min_size=2, max_size=2),
)
def test_parts_are_disjoint_complete_and_cut_where_they_should_be(seed, percents, order, sizes):
    percents = [*percents[:-1], 100 - sum(percents[:-1])]
    cells = counted_cells(ALL=sizes[0], HEM=sizes[1])
    shares = tuple(percent / 100 for percent in percents)
    try:
        split = split_images(cells, shares=shares, order=order, seed=seed)
    except SplitError as error:
        assert min(percents) < 3 and "left without class" in error.what
        return
    event(f"{order}, {len(shares)} parts")
    check_certificate(split.cells, json.loads(json.dumps(split.certificate)))
    assert sorted(split.cells.image) == sorted(cells.image)
    first, second = PARTS[:2] if order == "shuffled" else PARTS[1::-1]
    cut = percents[PARTS.index(first)]
    for label, n in zip(("ALL", "HEM"), sizes, strict=True):
        rows = split.cells[split.cells.label == label].sort_values(["fold", "image"])
        counts = rows.part.value_counts()
        assert counts[first] == cut * n // 100
        assert counts[first] + counts[second] == sum(percents[:2]) * n // 100
        if order == "listed":
            assert [part for part, _ in groupby(rows.part)] == ["validation", "train", "test"][
                : len(shares)
            ]


def test_shares_that_floats_do_not_sum_exactly():
    """.64 + .16 is .8000000000000001 in floats, and .1 + .7 is .7999999999999999."""
    for shares, sizes in (((0.64, 0.16, 0.2), (64, 16, 20)), ((0.1, 0.7, 0.2), (10, 70, 20))):
        split = split_images(counted_cells(ALL=100, HEM=200), shares=shares)
        for part, size in zip(PARTS, sizes, strict=True):
            assert split.certificate["parts"][part] == {"ALL": size, "HEM": 2 * size}
    third = split_images(counted_cells(ALL=3, HEM=6), shares=(1 / 3, 1 / 3, 1 / 3))
    assert {tuple(one.items()) for one in third.certificate["parts"].values()} == {
        (("ALL", 1), ("HEM", 2))
    }
    exact = split_images(counted_cells(ALL=5, HEM=5), shares=(Fraction(4, 5), Fraction(1, 5)))
    assert exact.certificate == split_images(counted_cells(ALL=5, HEM=5)).certificate


def test_listed_order_is_that_of_keras_on_the_official_list(official):
    """7,996 and 2,665 images, as `unnithan2021` found; validation is fold 0 alone."""
    split = split_images(official, shares=(0.75, 0.25), order="listed")
    assert split.certificate["parts"] == {
        "train": {"ALL": 5454, "HEM": 2542}, "validation": {"ALL": 1818, "HEM": 847}
    }  # fmt: skip
    assert len(split.part("train")) == 7996 and len(split.part("validation")) == 2665
    assert set(split.part("validation").fold) == {"fold_0"}
    paths = official_files().query("phase == 'train'").path
    for kind in ("all", "hem"):
        listed = sorted(path for path in paths if f"/{kind}/" in path)
        names = [path.rsplit("/", 1)[-1].removesuffix(".bmp") for path in listed]
        ours = split.part("validation").query(f"label == '{kind.upper()}'").image
        assert set(ours) == set(names[: int(0.25 * len(names))])
    assert split.certificate["settings"]["seed"] is None
    again = split_images(official, shares=(0.75, 0.25), order="listed", seed=1)
    assert again.certificate == split.certificate, "a seed shuffles nothing here"
    assert split.certificate["crossing"]["train/validation"]["subjects"]["images"] > 0


@pytest.mark.parametrize(
    "shares",
    [(0.8,), (0.8, 0.3), (1.0, 0.0), (1.2, -0.2), (0.4, 0.3, 0.2, 0.1), (), 0.8, None,
     (float("nan"), 0.2), (float("inf"), 0.2), ("much", 0.2)],
)  # fmt: skip
def test_shares_that_do_not_cut_are_refused(shares):
    with pytest.raises(SplitError, match="shares of") as caught:
        split_images(counted_cells(ALL=9, HEM=9), shares=shares)
    assert "sum to 1" in caught.value.remedy


def test_unknown_order_is_refused():
    with pytest.raises(SplitError, match="no order 'list'") as caught:
        make_split(counted_cells(ALL=9, HEM=9), "image", order="list")
    assert "'listed'" in caught.value.remedy


# The official test phase --------------------------------------------------------------


def phased_cells() -> pd.DataFrame:
    """Even cells; ten of each class are of the preliminary phase, two of the final one."""
    cells = even_cells()
    for label in ("ALL", "HEM"):
        rows = cells.index[cells.label == label]
        cells.loc[rows[:10], "fold"] = "preliminary"
        cells.loc[rows[10:12], "fold"] = "final"
    return cells


@pytest.mark.parametrize("order", ["shuffled", "listed"])
def test_preliminary_phase_becomes_the_test_part_when_asked_for(order):
    cells = phased_cells()
    split = split_images(cells, order=order, official_test=True)
    check_certificate(split.cells, json.loads(json.dumps(split.certificate)))
    assert set(split.part("test").image) == set(cells.image[cells.fold == "preliminary"])
    assert scored_part(split) == "test" and not (split.cells.fold == "final").any()
    assert split.certificate["settings"]["official_test"] is True
    assert split.certificate["parts"]["test"] == {"ALL": 10, "HEM": 10}
    without = split_images(cells, order=order)
    assert without.certificate["settings"]["official_test"] is False
    assert not (without.cells.fold == "preliminary").any()
    for part in ("train", "validation"):
        assert set(without.part(part).image) == set(split.part(part).image)


def test_certificate_says_where_there_is_no_preliminary_phase():
    for cells in (even_cells(), even_cells().assign(fold=pd.NA)):
        split = split_images(cells, official_test=True)
        assert split.certificate["settings"]["official_test"] is False
        assert split.certificate == split_images(cells).certificate
        assert scored_part(split) == "validation"


def test_unlabelled_preliminary_images_stay_out_and_half_a_phase_is_refused():
    cells = phased_cells()
    held = cells.fold == "preliminary"
    unlabelled = cells.assign(label=cells.label.mask(held))
    assert not split_images(unlabelled, official_test=True).certificate["settings"]["official_test"]
    half = cells[~held | (cells.label == "ALL")]
    with pytest.raises(SplitError, match="test part is left without class HEM"):
        split_images(half, official_test=True)


def test_two_test_parts_are_refused():
    with pytest.raises(SplitError, match="two test parts"):
        split_images(phased_cells(), shares=(0.6, 0.2, 0.2), official_test=True)


# The organisers' folds ----------------------------------------------------------------


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_one_official_fold_is_the_test_part_and_no_group_is_validated_and_trained_on(
    official, fold
):
    split = split_folds(official, fold=fold)
    assert set(split.part("test").fold) == {f"fold_{fold}"}
    assert f"fold_{fold}" not in set(split.cells.fold[split.cells.part != "test"])
    assert len(split.cells) == len(official)
    assert split.certificate["crossing"]["train/validation"]["groups"]["values"] == 0
    both = {"train": set(split.part("train").label), "validation": set(split.part("test").label)}
    assert both["train"] == both["validation"] == {"ALL", "HEM"}


def test_the_official_folds_share_people_and_the_certificate_counts_them(official):
    shared = {fold: split_folds(official, fold=fold).certificate["crossing"] for fold in (0, 1, 2)}
    copies = [
        sum(pair["identical images"]["images"] for name, pair in crossing.items() if "test" in name)
        for crossing in shared.values()
    ]
    # Each of the pairs that stand in two folds is counted from both its ends.
    pairs = official[official.sha256.duplicated(keep=False)].groupby("sha256").fold.nunique()
    assert sum(copies) == 2 * (pairs > 1).sum() > 0


def test_a_fold_held_in_part_is_left_out_and_the_certificate_says_so(official):
    lacking = official.drop(official.index[official.fold == "fold_2"][10:])
    lacking.attrs["dataset"] = "cnmc2019"
    split = split_folds(lacking, fold=1)
    assert split.certificate["settings"]["used"] == ["fold_0", "fold_1"]
    assert set(split.part("train").fold) == {"fold_0"}
    with pytest.raises(SplitError, match="no whole official fold 2"):
        split_folds(lacking, fold=2)


def test_where_no_fold_is_whole_all_are_used(official):
    lacking = official.groupby("fold", group_keys=False)[official.columns].apply(
        lambda rows: rows.iloc[5:]
    )
    lacking.attrs["dataset"] = "cnmc2019"
    assert len(split_folds(lacking, fold=0).certificate["settings"]["used"]) == 3


def test_one_fold_is_none_to_split_by():
    with pytest.raises(SplitError, match="at least two"):
        split_folds(even_cells().assign(fold="fold_0"))
    with pytest.raises(SplitError, match="at least two"):
        split_folds(even_cells().assign(fold="all of it"))


def test_the_fold_is_drawn_from_the_seed_and_can_be_chosen():
    cells = even_cells()
    drawn = {split_folds(cells, seed=seed).certificate["settings"]["fold"] for seed in range(12)}
    assert drawn == {0, 1, 2}
    for protocol in ("field", "subject", "group", "folds"):
        tests = [set(make_split(cells, protocol, fold=fold).part("test").image) for fold in (0, 1)]
        assert not tests[0] & tests[1]
    with pytest.raises(SplitError, match="no folds to choose from"):
        make_split(cells, "image", fold=1)


# The choice of a protocol -------------------------------------------------------------


def test_make_split_passes_the_settings_of_the_image_protocol_on():
    cells = phased_cells()
    asked = {"shares": (0.7, 0.3), "order": "listed", "official_test": True}
    assert make_split(cells, "image", **asked).certificate == (
        split_images(cells, **asked).certificate
    )
    for name, value in asked.items():
        for protocol in PROTOCOLS[1:]:
            with pytest.raises(SplitError, match=f"{protocol!r} has no {name}"):
                make_split(cells, protocol, **{name: value})


@pytest.mark.parametrize("name", DATASETS)
def test_protocols_that_a_data_set_lacks_are_refused_and_those_it_has_named(name):
    cells, entry = even_cells(), DATASETS[name]
    cells.attrs["dataset"] = name
    assert set(entry.protocols) < set(PROTOCOLS)
    for protocol in set(PROTOCOLS) - set(entry.protocols):
        with pytest.raises(SplitError, match=f"{entry.title} cannot be split by {protocol!r}"):
            make_split(cells, protocol)
        try:
            make_split(cells, protocol)
        except SplitError as error:
            assert all(repr(has) in error.remedy for has in entry.protocols)
            assert repr(protocol) not in error.remedy


# Every protocol -----------------------------------------------------------------------


def test_split_is_the_same_for_every_order_of_the_table(official):
    cells = official.groupby(["label", "fold"]).head(400)
    for protocol in BY_SUBJECT:
        first = make_split(cells, protocol)
        for state in (1, 2):
            again = make_split(cells.sample(frac=1, random_state=state), protocol)
            assert again.certificate == first.certificate
            ours, theirs = (s.cells.set_index("image").part for s in (first, again))
            assert ours.equals(theirs.loc[ours.index])


def test_seeds_differ():
    cells = even_cells()
    for protocol in BY_SUBJECT:
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
@given(tables(), st.sampled_from(BY_SUBJECT[1:]), st.integers(3, 6), st.integers(0, 9))
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
    for protocol in BY_SUBJECT:
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


# Blocks -------------------------------------------------------------------------------


def numbered_cells(sizes: dict[str, int], *, twins: int = 0, first: int = 1) -> pd.DataFrame:
    """Numbered images without subjects; every `twins`-th shows its neighbour's bytes."""
    rows = []
    for label, size in sizes.items():
        for n in range(first, first + size):
            shown = n - 1 if twins and n > first and n % twins == 0 else n
            rows.append((f"WBC-Malignant-{label}-{n:03d}", label, f"{label}{shown}"))
    table = pd.DataFrame(rows, columns=["image", "label", "sha256"])
    table = table.assign(path=table.image, width=224, height=224)
    table = table.reindex(columns=COLUMNS)
    table = table.astype({name: "string" for name in COLUMNS if name not in ("width", "height")})
    table.attrs["dataset"] = "ball2021"
    return table


SIZES = st.dictionaries(
    st.sampled_from(["Benign", "Early", "Pre", "Pro"]), st.integers(1, 1200), min_size=2
)


def crossing_pairs(split: Split) -> int:
    """Pairs of identical images whose two files stand in different parts."""
    return int((split.cells.groupby("sha256").part.nunique() > 1).sum())


@settings(max_examples=40)
@given(SIZES, st.integers(3, 8), st.integers(0, 2**32), st.integers(2, 9))
def test_blocks_are_contiguous_equal_and_complete(sizes, folds, seed, twins):
    cells = numbered_cells(sizes, twins=twins, first=995)  # names of four digits sort first
    try:
        split = make_split(cells.sample(frac=1, random_state=1), "blocks", folds=folds, seed=seed)
    except SplitError as error:
        assert min(sizes.values()) < folds and "too few for" in error.what
        return
    event("split")
    assert sorted(split.cells.image) == sorted(cells.image)
    chosen = split.certificate["settings"]
    assert chosen["fold"] != chosen["validation"]
    numbers = split.cells.image.str.rsplit("-", n=1).str[1].astype(int)
    for label, size in sizes.items():
        rows = split.cells[split.cells.label == label]
        parts = rows.part.loc[numbers[rows.index].sort_values().index].to_list()
        runs = [part for part, _ in groupby(parts)]
        assert runs.count("test") == runs.count("validation") == 1 and set(runs) == set(PARTS)
        for part in ("test", "validation"):
            assert parts.count(part) in (size // folds, -(-size // folds))
        first = parts.index("test")
        assert abs(first - chosen["fold"] * size / folds) < 1
    # Of neighbours only the two at an edge can be parted, and four edges lie around a block.
    assert crossing_pairs(split) <= 4 * len(sizes)
    check_certificate(split.cells, json.loads(json.dumps(split.certificate)))


def test_twins_cross_at_an_edge_alone():
    cells = numbered_cells({"Early": 100, "Pro": 100})
    for number, crosses in ((20, 0), (21, 1), (50, 0), (41, 1)):
        other, one = f"Pro{number - 1}", f"Pro{number}"
        twin = cells.assign(sha256=cells.sha256.replace({one: other}))
        split = split_blocks(twin, fold=1)  # numbers 21 to 40 of each class
        assert set(split.part("test").image.str[-3:].astype(int)) == set(range(21, 41))
        assert crossing_pairs(split) == crosses, number


def test_drawn_blocks_follow_the_seed_and_every_block_is_drawn():
    cells = numbered_cells({"Benign": 10, "Pre": 23})
    chosen = set()
    for seed in range(40):
        split = split_blocks(cells, seed=seed)
        settings = split.certificate["settings"]
        assert split_blocks(cells, seed=seed).certificate == split.certificate
        again = split_blocks(cells, seed=seed, fold=settings["fold"])
        assert again.certificate == split.certificate
        chosen.add((settings["fold"], settings["validation"]))
    assert len(chosen) > 12 and {fold for fold, _ in chosen} == set(range(5))
    default = make_split(cells, "blocks").certificate
    assert default == split_blocks(cells, seed=2019).certificate


def test_each_block_in_turn_tests_every_image_once():
    cells = numbered_cells({"Benign": 7, "Pre": 23, "Pro": 5})
    tested = [split_blocks(cells, fold=fold).part("test").image for fold in range(5)]
    assert sorted(pd.concat(tested)) == sorted(cells.image)


def test_impossible_blocks_are_refused():
    with pytest.raises(SplitError, match="are not numbered") as caught:
        split_blocks(even_cells())
    assert caught.value.where == even_cells().image[0]
    with pytest.raises(SplitError, match="Class Pro has 4 images, too few for 5 folds") as caught:
        split_blocks(numbered_cells({"Pre": 9, "Pro": 4}))
    assert "at most 4 folds" in caught.value.remedy
    with pytest.raises(SplitError, match="at least 3 folds"):
        split_blocks(numbered_cells({"Pre": 9}), folds=2)
    with pytest.raises(SplitError, match="no fold 5 of 5"):
        split_blocks(numbered_cells({"Pre": 9}), fold=5)
    with pytest.raises(SplitError, match="no labelled image"):
        split_blocks(numbered_cells({"Pre": 9}).assign(label=pd.NA))


@pytest.mark.real
@pytest.mark.usefixtures("workspace")
def test_real_ball_in_blocks(real_root):
    cells = load_cells(real_root / "B-ALL")
    assert len(cells) == 3256
    twins = cells[cells.sha256.duplicated(keep=False)]
    assert (twins.groupby("sha256").size() == 2).all() and twins.sha256.nunique() == 40
    blocks = [split_blocks(cells, fold=fold) for fold in range(5)]
    images = [make_split(cells, "image", seed=seed) for seed in range(5)]
    assert sorted(pd.concat([one.part("test").image for one in blocks])) == sorted(cells.image)
    for one in (*blocks, *images):
        check_certificate(one.cells, one.certificate)
    # Twins are neighbours: by image many pairs are parted, by blocks one at an edge at most.
    assert max(map(crossing_pairs, blocks)) <= 4 < min(map(crossing_pairs, images))
    crossing = make_split(cells, "blocks").certificate["crossing"]
    assert all(pair["subjects"] is pair["groups"] is None for pair in crossing.values())
    with pytest.raises(SplitError, match="B-ALL cannot be split by 'group'") as caught:
        make_split(cells, "group")
    assert "'blocks'" in caught.value.remedy


# Certificates -------------------------------------------------------------------------


@settings(max_examples=40)
@given(tables(), st.sampled_from(BY_SUBJECT), st.integers(0, 3))
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


@pytest.mark.parametrize("protocol", ["image", "group", "folds"])
def test_images_of_one_class_cannot_be_split(protocol):
    cells = phased_cells()
    cells = cells[cells.label != "HEM"]
    with pytest.raises(SplitError, match="of one class, ALL"):
        make_split(cells, protocol)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"folds": 2}, "2 folds cannot give"),
        ({"fold": 5}, "no fold 5 of 5"),
        ({"fold": -1}, "no fold -1 of 5"),
        ({"folds": 10**4}, "too few for 10000 folds"),
    ],
)
def test_random_folds_that_cannot_be_are_refused(asked, said):
    with pytest.raises(SplitError) as caught:
        split_random(phased_cells(), **asked)
    assert said in caught.value.what


def test_a_validation_part_is_at_most_half_of_the_other_folds():
    with pytest.raises(SplitError, match="one of 1 parts"):
        split_folds(phased_cells(), parts=1)
