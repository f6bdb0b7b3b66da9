"""Figures of the chapter on data sets: people behind the folds, classes of the sets."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import COLOURS

__all__ = ["plot_folds", "plot_sets"]

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
HATCHES = ("", "//", "..", "xx", "\\\\", "++")


def plot_folds(cells: pd.DataFrame) -> Figure:
    """Images of each fold and class as a bar, cut into its subjects, the largest first.

    Parameters
    ----------
    cells : pandas.DataFrame
        `fold, label, subject`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = cells.groupby(["fold", "label", "subject"], observed=True).size()
    bars = sorted({(fold, label) for fold, label, _ in counts.index})
    figure, axis = plt.subplots(figsize=(7.4, 0.9 + 0.4 * len(bars)), layout="constrained")
    for place, (fold, label) in enumerate(bars):
        left = 0
        for images in counts[fold, label].sort_values(ascending=False):
            axis.barh(place, images, left=left, color=COLOURS[label], edgecolor="white",
                      linewidth=0.8)  # fmt: skip
            left += images
        people = len(counts[fold, label])
        axis.text(left + 20, place, f"{people} subjects", va="center", fontsize=8)
    axis.set_yticks(range(len(bars)), [f"{fold}, {label}" for fold, label in bars])
    axis.set(xlabel="images; each piece of a bar is one subject", ylim=(len(bars) - 0.4, -0.6))
    axis.set_xlim(0, 1.14 * counts.groupby(level=[0, 1], observed=True).sum().max())
    return figure


def plot_sets(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Share of each class in several sets.

    Parameters
    ----------
    counts : mapping
        Title of a set to class to number of images.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.5 * len(counts)), layout="constrained")
    for place, classes in enumerate(counts.values()):
        whole, left = sum(classes.values()), 0.0
        for number, (label, images) in enumerate(classes.items()):
            share = 100 * images / whole
            axis.barh(place, share, left=left, color=COLOURS.get(label, SERIES[number]), alpha=0.75,
                      hatch=HATCHES[number], edgecolor="white")  # fmt: skip
            axis.text(left + share / 2, place, f"{label}\n{images:,}", ha="center", va="center",
                      fontsize=8, color="black",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
            left += share
    axis.set_yticks(range(len(counts)), list(counts))
    axis.set(xlabel="share of the images (%)", xlim=(0, 100), ylim=(len(counts) - 0.4, -0.6))
    return figure
