"""Checks of the poster's scores: test labels joined by position, and what they leave."""

from __future__ import annotations

import math
import random

import numpy as np
import pandas as pd

from ..recipes import load_recipe
from .finding import Finding
from .poster import PREFIX, RECIPE, part_counts, prelim_labels

__all__ = [
    "chance_agreement", "constant_loss", "joined_labels", "label_agreement", "longer_training",
    "majority", "printed_confusion", "recall_class", "rounded_test", "test_confusion",
    "training_majority", "two_runs", "unrelated_accuracy", "usable", "usable_tool",
]  # fmt: skip


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
        reason="The run is not published. A run at the settings of the poster could contradict "
        f"the figure (`alllib train {RECIPE} --protocol published`), and can hardly confirm it, "
        "see the page on uncertainty; the record of the poster's own run, or its predictions, "
        "would settle it.",
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


def longer_training(part: str) -> Finding:
    """Points of accuracy that 100 epochs add over the result row, in one part."""
    published = load_recipe(RECIPE).published
    name = f"{PREFIX[part]}accuracy"
    gain = round(100 * (published[f"{name}_100_epochs"] - published[name]), 2)
    return Finding(gain, agrees=gain > 0)


def rounded_test() -> Finding:
    """The test accuracy of the result row in whole per cent, rounded, beside the other one."""
    published = load_recipe(RECIPE).published
    row, whole = published["accuracy"], published["accuracy_100_epochs"]
    rounded, cut = round(row, 2), math.floor(100 * row) / 100
    same = rounded == whole
    return Finding(
        rounded,
        agrees=same,
        reason=""
        if same or cut != whole
        else f"Rounded, {row} gives {rounded}; cut off it gives {cut}, which is printed. The "
        "training accuracies beside them are of two runs. The unrounded figure, or the record of "
        "the longer run, would settle it.",
    )
