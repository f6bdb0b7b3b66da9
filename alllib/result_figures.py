"""Figures of the recorded results: gaps, learning curves, confusion, agreement and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from .figures import COLOURS

__all__ = [
    "plot_confusions",
    "plot_cost",
    "plot_failures",
    "plot_gaps",
    "plot_groups",
    "plot_kappas",
    "plot_learning",
]

COLUMNS = 4  # panels in a row


def plot_gaps(rows: Sequence[Mapping]) -> Figure:
    """Difference between two splits with its interval, one line per system.

    Parameters
    ----------
    rows : sequence of mapping
        `name`, and of `gaps.split_gaps` `difference`, `low`, `high` (shares), and `more` where
        there is one. Intervals that leave the axis are cut.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.4, 0.9 + 0.42 * len(rows)), layout="constrained")
    axis.axvline(0, color="#555555", linewidth=1)
    for place, row in enumerate(rows):
        _draw_gap(axis, row, place, fmt="o", color=COLOURS["HEM"], label="images of the test part")
        if "more" in row:
            _draw_gap(axis, row["more"], place + 0.28, fmt="s", color=COLOURS["validation"],
                      label="images of the validation part too")  # fmt: skip
    axis.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axis.set(xlim=(-40, 40), ylim=(len(rows) - 0.4, -0.6),
             xlabel="points of accuracy that the published split adds")  # fmt: skip
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), frameon=False, fontsize=9, ncols=2,
                  loc="outside upper center")  # fmt: skip
    return figure


def _draw_gap(axis, row: Mapping, place: float, **style) -> None:
    value, spread = 100 * row["difference"], None
    if row["low"] is not None:
        spread = [[value - 100 * row["low"]], [100 * row["high"] - value]]
    axis.errorbar([value], [place], xerr=spread, capsize=4, markersize=5, **style)


def plot_learning(histories: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Training (dashed) and validation accuracy by epoch, one panel per system.

    Parameters
    ----------
    histories : mapping
        Title to the histories by name of the split, the same names for all.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = sorted({name for found in histories.values() for name in found}, reverse=True)
    colours = dict(zip(names, (COLOURS["ALL"], COLOURS["HEM"], COLOURS["train"]), strict=False))
    figure, axes = _panels(len(histories), sharey=True)
    for axis, (title, found) in zip(axes, histories.items(), strict=False):
        for name, history in found.items():
            axis.plot(history.epoch, history.accuracy, "--", color=colours[name], linewidth=1.2)
            axis.plot(history.epoch, history.val_accuracy, color=colours[name], label=name)
        axis.set_title(title, fontsize=9)
        axis.xaxis.get_major_locator().set_params(integer=True)
    figure.supxlabel("epoch; dashed: on pictures trained on, solid: validation part", fontsize=9)
    figure.supylabel("accuracy", fontsize=9)
    handles = {
        label: handle
        for axis in axes
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), frameon=False, fontsize=9, ncols=3,
                  loc="outside upper center")  # fmt: skip
    return figure


def plot_confusions(found: Mapping[str, tuple[Sequence, Sequence[str]]]) -> Figure:
    """Confusion matrices as shares of each true class, one panel per system.

    Parameters
    ----------
    found : mapping
        Title to confusion (rows true, columns predicted) and classes.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels(len(found), side=2.1)
    for axis, (title, (confusion, classes)) in zip(axes, found.items(), strict=False):
        counts = np.asarray(confusion, float)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        sns.heatmap(
            shares, annot=True, fmt=".0%", cmap="cividis", vmin=0, vmax=1, cbar=False,
            square=True, xticklabels=classes, yticklabels=classes, ax=axis,
            annot_kws={"fontsize": 9 if len(classes) < 3 else 7},
        )  # fmt: skip
        axis.set_title(title, fontsize=9)
        axis.tick_params(labelsize=8)
    figure.supxlabel("predicted class", fontsize=9)
    figure.supylabel("true class", fontsize=9)
    return figure


def plot_groups(table: pd.DataFrame) -> Figure:
    """Accuracy of each system on the cells of each subject group, as a heat map.

    Parameters
    ----------
    table : pandas.DataFrame
        As `failures.group_accuracies`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [f"{label} {group}\n{images}" for label, group, images in table.index]
    size = (2.6 + 0.62 * len(table), 1.2 + 0.36 * table.shape[1])
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    sns.heatmap(
        table.T.to_numpy(float), annot=True, fmt=".2f", cmap="cividis", vmin=0, vmax=1,
        cbar=False, xticklabels=names, yticklabels=list(table.columns), ax=axis,
        annot_kws={"fontsize": 8},
    )  # fmt: skip
    edges = np.flatnonzero(np.diff(pd.factorize(table.index.get_level_values("label"))[0])) + 1
    for edge in edges:
        axis.axvline(edge, color="white", linewidth=4)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("class and subject group, number of cells", fontsize=9)
    return figure


def plot_kappas(table: pd.DataFrame) -> Figure:
    """Cohen's kappa of the errors of each two systems, below the diagonal.

    Parameters
    ----------
    table : pandas.DataFrame
        As `failures.error_kappas`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    side = 2.4 + 0.5 * len(table)
    figure, axis = plt.subplots(figsize=(side + 0.8, side - 0.6), layout="constrained")
    shown = table.iloc[1:, :-1]
    hidden = np.triu(np.ones(shown.shape, bool), k=1) | shown.isna().to_numpy()
    sns.heatmap(
        shown, mask=hidden, annot=True, fmt=".2f", cmap="cividis", vmin=0, vmax=1, cbar=False,
        ax=axis, annot_kws={"fontsize": 8},
    )  # fmt: skip
    axis.tick_params(labelsize=8)
    plt.setp(axis.get_xticklabels(), rotation=40, ha="right")
    return figure


def plot_failures(table: pd.DataFrame) -> Figure:
    """Images by the number of systems that fail on them, stacked by class.

    Parameters
    ----------
    table : pandas.DataFrame
        As `failures.common_errors`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 3.2), layout="constrained")
    base = np.zeros(len(table))
    hatches = dict(zip(table.columns, ("", "//", "..", "xx"), strict=False))
    for label in table.columns:
        axis.bar(table.index, table[label], bottom=base, label=label, edgecolor="white",
                 color=COLOURS.get(label), hatch=hatches[label])  # fmt: skip
        base += table[label].to_numpy()
    axis.set(xlabel="systems that classify the image wrongly", ylabel="images",
             xticks=list(table.index))  # fmt: skip
    axis.legend(frameon=False)
    return figure


def plot_cost(rows: Sequence[Mapping]) -> Figure:
    """Accuracy against the time that training took, with a number at each mark.

    Parameters
    ----------
    rows : sequence of mapping
        `name`, `seconds` (of one training), `value`, `low`, `high` (accuracy).

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.4, 4.2), layout="constrained")
    for number, row in enumerate(rows, start=1):
        spread = None
        if row["low"] is not None:
            spread = [[row["value"] - row["low"]], [row["high"] - row["value"]]]
        mark = "s" if row["plain"] else "o"
        colour = COLOURS["train"] if row["plain"] else COLOURS["HEM"]
        axis.errorbar([row["seconds"] / 60], [row["value"]], yerr=spread, fmt=mark, color=colour,
                      capsize=3, label=f"{number}  {row['name']}")  # fmt: skip
        axis.annotate(str(number), (row["seconds"] / 60, row["value"]), xytext=(6, 4),
                      textcoords="offset points", fontsize=9)  # fmt: skip
    axis.set(xscale="log", xlabel="minutes of one training", ylabel="accuracy")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.xaxis.set_minor_formatter(lambda value, _: "")
    figure.legend(frameon=False, fontsize=8, loc="outside right upper", handlelength=0.8)
    return figure


def _panels(count: int, *, side: float = 2.0, sharey: bool = False) -> tuple[Figure, list]:
    """Axes of a grid of panels; those that are not used are hidden."""
    columns = min(COLUMNS, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.15 * columns, side * rows + 0.6), squeeze=False,
        sharey=sharey, layout="constrained",
    )  # fmt: skip
    flat = list(axes.flat)
    for axis in flat[count:]:
        axis.set_visible(False)
    return figure, flat[:count]
