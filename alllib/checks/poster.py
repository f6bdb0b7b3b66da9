"""Checks of the poster: its counts, its network, its split and its test labels.

The official list of files (`alllib.downloads.official_files`) holds all that they need: which
image has which class, in which order a folder lists them, and which subject they show.
"""

from __future__ import annotations

import functools

import pandas as pd

from ..downloads import official_cells, official_files
from ..layouts import subject_groups
from ..recipes import load_recipe
from ..splits import Split, split_images
from ..studies import read_study, tell_study
from .finding import Finding

__all__ = [
    "all_images", "imbalance", "named_subjects", "overlap", "part_counts", "part_size", "rounder",
    "row_sums", "shared_subjects", "shared_with_test", "total", "trained_subjects",
]  # fmt: skip

RECIPE = "unnithan2021-2x2"
CLASSES = ("all", "hem")
# How the recipe's names of printed figures begin.
PREFIX = {"train": "train_", "validation": "val_", "test": ""}


def all_images() -> int:
    """Images of all three official phases."""
    return len(official_files())


def named_subjects(phase: str) -> list[int]:
    """Subject names of a phase: ALL, HEM, both together."""
    files = official_files().query(f"phase == '{phase}'")
    each = [int(files.subject[files["class"] == name].nunique()) for name in CLASSES]
    return [*each, sum(each)]


@functools.cache
def listed_split() -> Split:
    """The public code's split of the official training images, folders listed by name."""
    data = load_recipe(RECIPE).data
    return split_images(official_cells(), shares=tuple(data.shares), order=data.order)


def prelim_labels() -> pd.Series:
    """Classes (`all`, `hem`) of the preliminary phase by the number that names the image."""
    files = official_files().query("phase == 'test_prelim'")
    number = files.path.str.extract(r"(\d+)\.bmp$", expand=False).astype(int)
    return pd.Series(files["class"].to_numpy(), index=number.to_numpy()).sort_index().astype(str)


def part_counts(part: str) -> list[int]:
    """Images of a part: both classes, HEM, ALL; `train` and `validation` are cut by the
    public code's rule, `test` is the preliminary phase."""
    labels = prelim_labels().str.upper() if part == "test" else listed_split().part(part).label
    counts = labels.value_counts()
    return [len(labels), int(counts["HEM"]), int(counts["ALL"])]


def part_size(part: str) -> int:
    """Images of a part, see `part_counts`."""
    return part_counts(part)[0]


def total(numbers: list[int]) -> Finding:
    """Sum of printed numbers of patients, and how many of them the files name."""
    named = sum(named_subjects(phase)[-1] for phase in ("train", "test_prelim"))
    return Finding(sum(numbers), f"{named} names stand in the files of the official list.")


def row_sums(rows: list[list[int]]) -> list[int]:
    """Sum of each row."""
    return [sum(row) for row in rows]


def trained_subjects() -> Finding:
    """Subject names in the training, validation and test parts as they were cut."""
    parts = [set(listed_split().part(name).subject) for name in ("train", "validation")]
    prelim = named_subjects("test_prelim")[-1]
    return Finding(
        [*map(len, parts), prelim],
        note=f"Of the {len(parts[0] | parts[1])} subjects of the training phase, the first quarter "
        "of each class, which lies within fold 0, went to validation; the preliminary phase is "
        "the test part, and the final one was not used.",
    )


def shared_subjects() -> Finding:
    """Subject names that stand in training and validation at once."""
    found = listed_split().certificate["crossing"]["train/validation"]
    names, copies = found["subjects"], found["identical images"]
    shuffled = within_folds(seed=2021)
    return Finding(
        names["values"],
        note=f"{names['images']:,} of {part_counts('validation')[0]:,} validation images show "
        f"such a subject and {copies['images']} are byte for byte in the training part. That "
        "holds where a folder lists its files by name; the function of the public code promises "
        f"no order, and in a random one {shuffled['values']} subjects with "
        f"{shuffled['images']:,} validation images cross.",
    )


def within_folds(seed: int) -> dict[str, int]:
    """What crosses where each folder lists its files in a random order."""
    cells = official_cells()
    cells = cells.sample(frac=1, random_state=seed).sort_values("fold", kind="stable")
    place = cells.groupby("label").cumcount()
    size = cells.groupby("label").image.transform("size")
    held = place < (size * load_recipe(RECIPE).data.shares[1]).astype(int)
    both = cells.subject[held].isin(set(cells.subject[~held]))
    return {"values": int(cells.subject[held][both].nunique()), "images": int(both.sum())}


def rounder() -> Finding:
    """Whether normal nuclei are the rounder ones, by the kept measurement of outlines."""
    study = read_study("outlines", "cnmc2019")
    if study is None:
        return Finding(None, reason="No measurement of nucleus outlines is kept.")
    found = study.found
    value = [found[name]["auc"] for name in ("circularity", "solidity")]
    return Finding(
        value,
        agrees=min(value) > 0.5,
        note="Areas under the curve for telling HEM from ALL by roundness (4 pi area / "
        "perimeter squared) and by solidity (area / area of the convex hull), on "
        f"{study.images:,} images; 0.5 would be chance.",
    )


def overlap() -> Finding:
    """Whether the roundness of the classes is apart, by the kept quartiles."""
    study = read_study("outlines", "cnmc2019")
    if study is None:
        return Finding(None, reason="No measurement of nucleus outlines is kept.")
    found = study.found["circularity"]
    value = [found["HEM"][0], found["ALL"][2]]
    return Finding(
        value,
        agrees=value[0] > value[1],
        note="Roundness that a quarter of the HEM nuclei stay below, and that a quarter of the "
        f"ALL nuclei exceed. {tell_study(study)}",
    )


def shared_with_test() -> Finding:
    """Subject names that stand in the training phase and in the test part."""
    train, prelim = (
        set(official_files().query(f"phase == '{phase}'").subject.dropna())
        for phase in ("train", "test_prelim")
    )
    both = len(train & prelim)
    groups = subject_groups()
    same = sorted({groups.get(name, name) for name in prelim} & {groups.get(n, n) for n in train})
    return Finding(
        "test" if not both else "not apart",
        note=f"{both} names of the preliminary phase stand in training. By groups of subjects that "
        f"share cells, {len(same)} does, that of subject {', '.join(same)}.",
    )


def imbalance() -> Finding:
    """Images of the commoner class for each of the other, in the training part."""
    _, healthy, ill = part_counts("train")
    return Finding(round(ill / healthy, 2), agrees=ill != healthy)
