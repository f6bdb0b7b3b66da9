"""Figures of the statistics: distributions, protocols, subjects, coverage and calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .figures import COLOURS

__all__ = ["plot_coverage", "plot_distribution", "plot_protocols", "plot_reliability",
           "plot_seeds", "plot_subjects"]  # fmt: skip

# Okabe and Ito's palette; markers and dashes tell series apart without colour.
_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "D", "^", "v", "P")
_DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
_NUMBERS = {
    "area": "nucleus area in thousand pixels",
    "mean_g": "mean green of the image in grey levels",
}


def plot_distribution(distribution: Mapping) -> Figure:
    """Share of the images of each class by one number, as outlines.

    Parameters
    ----------
    distribution : mapping
        As `baseline_runs.count_distribution` gives: `number`, `edges`, `counts`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    name = distribution["number"]
    edges = np.asarray(distribution["edges"]) / (1000 if name == "area" else 1)
    figure, axis = plt.subplots(figsize=(6.4, 3.2), layout="constrained")
    for place, (label, counts) in enumerate(distribution["counts"].items()):
        colour = COLOURS.get(label, _SERIES[place])
        shares = 100 * np.asarray(counts) / max(sum(counts), 1)
        axis.stairs(shares, edges, color=colour, linestyle=_DASHES[place], linewidth=2, label=label)
        axis.stairs(shares, edges, color=colour, alpha=0.15, fill=True)
    axis.set(xlabel=_NUMBERS.get(name, name), ylabel="images of the class (%)")
    axis.legend(frameon=False)
    return figure


def plot_protocols(
    rows: Sequence[Mapping], titles: Mapping[str, str], *, metric: str = "accuracy"
) -> Figure:
    """Pooled value with interval for each system and protocol, and each fold as a small mark.

    Parameters
    ----------
    rows : sequence of mapping
        As `baseline_runs.BaselineRun.rows`.
    titles : mapping
        What the axis calls each protocol; its order is the order of the rows from above.
    metric : str

    Returns
    -------
    matplotlib.figure.Figure
    """
    systems = {row["system"]: row["title"] for row in rows}
    protocols = [name for name in titles if any(row["protocol"] == name for row in rows)]
    size = (7.2, 1.2 + 0.24 * len(systems) * len(protocols))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    for number, (system, title) in enumerate(systems.items()):
        own = [row for row in rows if row["system"] == system]
        shift = (number - (len(systems) - 1) / 2) * 0.8 / len(systems)
        colour, marker = _SERIES[number % 6], _MARKERS[number % 6]
        for place, protocol in enumerate(protocols):
            height = place + shift
            found = [row for row in own if row["protocol"] == protocol]
            folds = [r["metrics"][metric]["value"] for r in found if r["scheme"] == "fold"]
            axis.plot(folds, [height] * len(folds), "x", color=colour, markersize=5, alpha=0.7)
            for row in (row for row in found if row["scheme"] == "pooled"):
                _draw_estimate(axis, row["metrics"][metric], height, colour, marker)
        axis.plot([], [], marker, color=colour, label=title)
    axis.plot([], [], "x", color="#555555", markersize=5, label="single folds")
    axis.set_yticks(range(len(protocols)), [titles[name] for name in protocols])
    axis.set(xlabel=metric, ylim=(len(protocols) - 0.5, -0.5))
    for place in range(1, len(protocols)):
        axis.axhline(place - 0.5, color="#cccccc", linewidth=0.8)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=2)
    return figure


def _draw_estimate(axis, estimate: Mapping, height: float, colour: str, marker: str) -> None:
    value = estimate["value"]
    spread = None
    if estimate["low"] is not None:
        spread = [[value - estimate["low"]], [estimate["high"] - value]]
    axis.errorbar([value], [height], xerr=spread, fmt=marker, color=colour, capsize=3)


def plot_subjects(table: pd.DataFrame) -> Figure:
    """Accuracy of each subject with its interval, one panel per class.

    Parameters
    ----------
    table : pandas.DataFrame
        As `uncertainty.subject_accuracy` gives.

    Returns
    -------
    matplotlib.figure.Figure
        Area of a mark by number of images; a dashed line at the accuracy of all images.
    """
    classes = list(dict.fromkeys(table.label))
    counts = [int((table.label == label).sum()) for label in classes]
    figure, axes = plt.subplots(
        1, len(classes), figsize=(7.4, 3.4), sharey=True, layout="constrained",
        width_ratios=[max(count, 6) for count in counts], squeeze=False,
    )  # fmt: skip
    for axis, label in zip(axes[0], classes, strict=True):
        part = table[table.label == label].sort_values("accuracy").reset_index(drop=True)
        colour = COLOURS.get(label, _SERIES[0])
        spread = [(part.accuracy - part.low).clip(0), (part.high - part.accuracy).clip(0)]
        axis.errorbar(part.index, part.accuracy, yerr=spread, fmt="none", color=colour, alpha=0.6)
        axis.scatter(part.index, part.accuracy, s=16 + part.images / 4, color=colour, zorder=3,
                     edgecolor="white", linewidth=0.5)  # fmt: skip
        axis.axhline(part.right.sum() / part.images.sum(), color="#555555", linestyle="--")
        axis.set(title=f"{label}: {len(part)} subjects", xticks=[], ylim=(-0.03, 1.03))
    axes[0, 0].set_ylabel("accuracy on the subject's cells")
    figure.supxlabel("subjects, the worst first; a larger mark has more cells", fontsize=9)
    return figure


def plot_coverage(table: pd.DataFrame, titles: Mapping[str, str]) -> Figure:
    """Coverage of each method's interval by the number of groups of each class.

    Parameters
    ----------
    table : pandas.DataFrame
        `design` (text, in the order of the figure), `method`, `coverage`, `low`, `high`.
    titles : mapping
        What the legend calls each method.

    Returns
    -------
    matplotlib.figure.Figure
        With the nominal 95 % and a band of three points about it.
    """
    designs = list(dict.fromkeys(table.design))
    figure, axis = plt.subplots(figsize=(7.2, 3.9), layout="constrained")
    axis.axhspan(0.92, 0.98, color="#999999", alpha=0.2, label="within 3 points of 95 %")
    axis.axhline(0.95, color="#555555", linewidth=1)
    for number, (method, title) in enumerate(titles.items()):
        part = table[table.method == method].set_index("design").reindex(designs)
        if part.coverage.isna().all():
            continue
        places = np.arange(len(designs)) + (number - 1.5) * 0.15
        spread = [part.coverage - part.low, part.high - part.coverage]
        axis.errorbar(places, part.coverage, yerr=spread, fmt=_MARKERS[number], capsize=2,
                      color=_SERIES[number], label=title)  # fmt: skip
    axis.set_xticks(range(len(designs)), [name.replace(": ", "\n") for name in designs])
    axis.set(
        ylabel="share of intervals with the truth", ylim=(min(0.75, table.low.min()) - 0.01, 1)
    )
    figure.legend(frameon=False, fontsize=8.5, loc="outside upper center", ncols=2)
    return figure


def plot_reliability(curves: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy against confidence, beside the diagonal of perfect calibration.

    Parameters
    ----------
    curves : mapping
        Title to a table as `calibration.reliability` gives.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(4.6, 4.2), layout="constrained")
    least = min(curve.confidence.min() for curve in curves.values())
    axis.plot([least, 1], [least, 1], color="#555555", linewidth=1, label="perfect calibration")
    for number, (title, curve) in enumerate(curves.items()):
        axis.plot(curve.confidence, curve.accuracy, marker=_MARKERS[number],
                  linestyle=_DASHES[number], color=_SERIES[number], label=title)  # fmt: skip
    axis.set(xlabel="mean confidence of the bin", ylabel="accuracy in the bin")
    figure.legend(frameon=False, fontsize=9, loc="outside upper center", ncols=2)
    return figure


def plot_seeds(values: Mapping[str, Sequence[float]]) -> Figure:
    """The metric of each seed, one row per system.

    Parameters
    ----------
    values : mapping
        Title to the values of its seeds.

    Returns
    -------
    matplotlib.figure.Figure
        A bar marks the mean of a row.
    """
    size = (7.2, 1 + 0.45 * len(values))
    figure, axis = plt.subplots(figsize=size, layout="constrained")
    for place, found in enumerate(values.values()):
        axis.plot(found, [place] * len(found), _MARKERS[place % 6], color=_SERIES[place % 6],
                  alpha=0.6)  # fmt: skip
        axis.plot([np.mean(found)], [place], "|", color="black", markersize=18)
    axis.set_yticks(range(len(values)), list(values))
    axis.set(xlabel="accuracy", ylim=(len(values) - 0.5, -0.5))
    return figure
