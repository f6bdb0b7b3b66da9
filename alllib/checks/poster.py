"""Checks of the poster: its counts, its network, its split and its test labels.

The official list of files (`alllib.downloads.official_files`) holds all that they need: which
image has which class, in which order a folder lists them, and which subject they show.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..comparison import recorded_runs
from ..datasets import DATASETS
from ..downloads import official_cells, official_files
from ..layouts import subject_groups
from ..recipes import load_recipe
from ..splits import Split, split_images
from ..studies import read_study
from .finding import Finding

__all__ = [
    "activations", "all_images", "carried_out", "chance_agreement", "constant_loss",
    "imbalance", "input_side", "joined_labels", "kernel", "kinds_of_layer", "label_agreement",
    "longer_training", "majority", "named_subjects", "numbers_of_layers", "part_counts",
    "part_size", "pool", "positives", "printed_confusion", "recall_class", "rounder",
    "row_sums", "shared_subjects", "shared_with_test", "stride", "systems_tried",
    "test_confusion", "total", "trained_subjects", "training_majority", "two_runs", "units",
    "unrelated_accuracy", "usable", "usable_tool",
]  # fmt: skip

RECIPE = "unnithan2021-2x2"
CLASSES = ("all", "hem")
# How the recipe's names of printed figures begin.
PREFIX = {"train": "train_", "validation": "val_", "test": ""}


def all_images() -> int:
    """Images of all three official phases."""
    return len(official_files())


def named_subjects(phase: str) -> Finding | list[int]:
    """Subject names of a phase: ALL, HEM, both together."""
    files = official_files().query(f"phase == '{phase}'")
    if files.subject.isna().all():
        return Finding(
            None,
            reason="The files of the final phase carry neither subject nor class, and neither was "
            "published, so the row rests on the organisers' word alone.",
        )
    each = [int(files.subject[files["class"] == name].nunique()) for name in CLASSES]
    return [*each, sum(each)]


@functools.cache
def listed_split() -> Split:
    """The public code's split of the official training images, folders listed by name."""
    data = load_recipe(RECIPE).data
    return split_images(official_cells(), shares=tuple(data.shares), order=data.order)


def part_counts(part: str) -> list[int]:
    """Images of a part: both classes, HEM, ALL; `train` and `validation` are cut by the
    public code's rule, `test` is the preliminary phase."""
    labels = prelim_labels().str.upper() if part == "test" else listed_split().part(part).label
    counts = labels.value_counts()
    return [len(labels), int(counts["HEM"]), int(counts["ALL"])]


def part_size(part: str) -> int:
    """Images of a part, see `part_counts`."""
    return part_counts(part)[0]


def total(numbers: list[int]) -> int:
    """Sum of printed numbers."""
    return sum(numbers)


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


def prelim_labels() -> pd.Series:
    """Classes (`all`, `hem`) of the preliminary phase by the number that names the image."""
    files = official_files().query("phase == 'test_prelim'")
    number = files.path.str.extract(r"(\d+)\.bmp$", expand=False).astype(int)
    return pd.Series(files["class"].to_numpy(), index=number.to_numpy()).sort_index().astype(str)


def joined_labels(order: str = "listed", seed: int = 0) -> pd.DataFrame:
    """True classes beside those that a join by position gives.

    Parameters
    ----------
    order : {"listed", "random"}
        How the folder lists its files: by name (1, 10, 100, ...), or in no order.
    seed : int
        Of the random order.

    Returns
    -------
    pandas.DataFrame
        `image` (number), `true` and `joined`, one row per image in the order of the folder.
    """
    truth = prelim_labels()
    names = sorted(truth.index, key=str)
    if order == "random":
        random.Random(seed).shuffle(names)
    return pd.DataFrame({"image": names, "true": truth[names].to_numpy(), "joined": list(truth)})


def label_agreement() -> Finding:
    """Share of test images whose joined class is the true one, the folder listed by name."""
    table = joined_labels()
    right = int((table.true == table.joined).sum())
    return Finding(
        right / len(table),
        agrees=right == len(table),
        note=f"{right:,} of {len(table):,} images. This is the highest score that a faultless "
        "network could reach in that test.",
    )


def chance_agreement() -> float:
    """Expected share of right classes when they are joined in a random order."""
    shares = prelim_labels().value_counts(normalize=True)
    return float((shares**2).sum())


def majority() -> float:
    """Accuracy of always answering with the commonest class of the preliminary phase."""
    return float(prelim_labels().value_counts(normalize=True).max())


def test_confusion(accuracy: float, recall: float) -> list[list[int]]:
    """The counts that give the printed accuracy and recall of HEM on the preliminary phase.

    Returns
    -------
    list of list of int
        Rows true ALL, true HEM; columns called ALL, called HEM.
    """
    images, healthy, ill = part_counts("test")
    found = round(recall * healthy)
    right = round(accuracy * images)
    return [[right - found, ill - right + found], [healthy - found, found]]


def printed_confusion() -> np.ndarray:
    """`test_confusion` of the printed result row."""
    published = load_recipe(RECIPE).published
    return np.array(test_confusion(published["accuracy"], published["recall"]))


def positives() -> list[float]:
    """Accuracy and recall that the only fitting counts give."""
    counts = printed_confusion()
    return [counts.trace() / counts.sum(), counts[1, 1] / counts[1].sum()]


def unrelated_accuracy(published: float) -> Finding:
    """Accuracy to expect from the same number of calls, were they unrelated to the labels."""
    counts = printed_confusion()
    total = counts.sum()
    value = float((counts.sum(axis=0) * counts.sum(axis=1)).sum() / total**2)
    spread = math.sqrt(value * (1 - value) / total)
    called = int(counts[:, 1].sum())
    return Finding(
        value,
        agrees=published > value + 2 * spread,
        note=f"{called} of {total:,} images were called HEM. Dealt out blindly, as many calls "
        f"give a recall of {called / total:.3f} and this accuracy, give or take {spread:.3f}.",
    )


def recall_class(published: float, part: str) -> Finding:
    """Class that a printed recall can be of, beside the printed accuracy of the same part.

    A class with n images of N and recall r leaves n r right answers, and between none and
    N - n of the other class.
    """
    images, healthy, ill = part_counts(part)
    accuracy = load_recipe(RECIPE).published[PREFIX[part] + "accuracy"]
    able = [
        name
        for name, size in (("ALL", ill), ("HEM", healthy))
        if 0 <= accuracy * images - published * size <= images - size
    ]
    most = (published * ill + healthy) / images
    return Finding(
        " or ".join(able) or "neither",
        agrees=able == ["ALL"],
        note=f"Were it that of ALL, the accuracy could be at most {most:.3f}, and {accuracy} is "
        "printed.",
    )


def shares(part: str) -> np.ndarray:
    """Shares of HEM and ALL in a part."""
    images, *counts = part_counts(part)
    return np.array(counts) / images


def constant_loss(published: float, part: str) -> Finding:
    """Cross-entropy of answering every image with the class shares of its part."""
    each = shares(part)
    value = float(-(each * np.log(each)).sum())
    return Finding(round(value, 4), agrees=published < value)


def training_majority(published: float, part: str) -> Finding:
    """What can be said of a printed accuracy whose run is not published: the commonest
    class beside it."""
    return Finding(
        round(float(shares(part).max()), 4),
        reason="The run is not published. A run of the recipe on all images would be compared "
        "with it by the tolerance rule.",
        note=f"Always answering ALL would score this; {published} is printed.",
    )


def usable(published: float) -> Finding:
    """Whether an accuracy is above that of the commonest class."""
    return Finding(round(majority(), 6), agrees=published > majority())


def usable_tool() -> Finding:
    """Printed test accuracy less that of the commonest class, in points."""
    gain = load_recipe(RECIPE).published["accuracy"] - majority()
    return Finding(round(100 * gain, 2), agrees=gain > 0)


def two_runs() -> Finding:
    """Difference of the two training accuracies that are printed, in points."""
    published = load_recipe(RECIPE).published
    first, second = published["train_accuracy"], published["train_accuracy_100_epochs"]
    return Finding(round(100 * (second - first), 2), agrees=first == second)


def longer_training() -> Finding:
    """What 100 epochs add over the result row: training, validation, test, in points."""
    published = load_recipe(RECIPE).published
    gains = [
        round(100 * (published[f"{part}accuracy_100_epochs"] - published[f"{part}accuracy"]), 2)
        for part in PREFIX.values()
    ]
    return Finding(gains, agrees=gains[-1] > 0)


def rows_printed() -> list[list]:
    """Rows of the layer table as printed: name, output shape, parameters."""
    return load_recipe(RECIPE).published["layers"]


def kinds_of_layer(kind: str) -> int:
    """Rows of the layer table whose name begins like this."""
    return sum(name.startswith(kind) for name, *_ in rows_printed())


def input_side() -> int:
    """Side of the input: a 3x3 window without padding takes two pixels away."""
    return rows_printed()[0][1][0] + 2


def stride() -> int:
    """Stride of the second convolution, from the two sides that the table prints.

    A 3x3 window without padding gives (side - 3) // stride + 1; a side shrinks to a third
    where the stride is 3.
    """
    before, after = (rows_printed()[place][1][0] for place in (0, 1))
    fits = [step for step in range(1, 10) if (before - 3) // step + 1 == after]
    return fits[0]


def kernel() -> list[int]:
    """Filters and side of their window, from the parameters of the first convolution."""
    _, (_, _, filters), number = rows_printed()[0]
    return [filters, math.isqrt((number // filters - 1) // 3)]


def activations() -> str:
    """Activations of the convolutions of our network, which follows the public code."""
    from .networks import describe

    return ", ".join(sorted({row["activation"] for row in describe(RECIPE).of_kind("Conv2D")}))


def pool() -> int:
    """Side of the pooling window, from the sides that the table prints."""
    return rows_printed()[1][1][0] // rows_printed()[2][1][0]


def units() -> list[int]:
    """Length of the flattened features, and parameters of the two dense layers."""
    rows = rows_printed()
    side, _, channels = rows[7][1]
    flat = side * side * channels
    hidden = rows[9][1][0]
    return [flat, (flat + 1) * hidden, hidden + 1]


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


def carried_out(variants: Iterable[str] = (), protocols: Iterable[str] = ()) -> Finding:
    """Whether variants of the recipe and protocols of its data set exist here."""
    recipe = load_recipe(RECIPE)
    known = [*(entry.name for entry in recipe.variant), *DATASETS[recipe.data.dataset].protocols]
    wanted = [*variants, *protocols]
    runs = recorded_runs(*(f"{RECIPE}.{name}" for name in variants))
    kept = ", ".join(run.run["id"] for run in runs) or "none yet"
    return Finding(
        ", ".join(name for name in wanted if name in known),
        agrees=all(name in known for name in wanted),
        note="`alllib train` takes them."
        + (f" Kept runs of such a variant: {kept}." if variants else ""),
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


def systems_tried(recipes: Iterable[str]) -> Finding:
    """Which of some recipes there are on the poster's data set."""
    own = load_recipe(RECIPE).data.dataset
    found = [name for name in recipes if load_recipe(name).data.dataset == own]
    return Finding(", ".join(found), agrees=len(found) == len(list(recipes)))


def imbalance() -> Finding:
    """Images of the commoner class for each of the other, in the training part."""
    _, healthy, ill = part_counts("train")
    return Finding(round(ill / healthy, 2), agrees=ill != healthy)


def numbers_of_layers() -> Finding:
    """Whether printed layer names are the numbers of a whole session of one Keras process.

    A fresh session counts from 1 (the first layer of a kind has no number).
    """
    kinds: dict[str, list[int]] = {}
    for name, *_ in rows_printed():
        kind, _, number = name.rpartition("_")
        kinds.setdefault(kind, []).append(int(number))
    first = {kind: min(found) for kind, found in kinds.items()}
    return Finding(
        [f"{kind} from {number}" for kind, number in first.items()],
        agrees=min(first.values()) > 0,
        note="The network was built about a dozen times in that session; the numbers have no "
        "other meaning, and `renamed` in the recipe maps them to ours.",
    )
