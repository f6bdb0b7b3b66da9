"""Figures of the chapter on reporting: predictive values, curves, net benefit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from sklearn.metrics import auc

from .medicine import count_decisions as count
from .medicine import net_benefit, predictive_values
from .medicine import precision_recall as recall_curve
from .medicine import roc_points as roc_curve

__all__ = ["benefit_curves", "plot_benefit", "plot_curves", "plot_f_scores", "plot_predictive"]

BLUE, ORANGE, GREEN, PINK = "#0072B2", "#D55E00", "#009E73", "#CC79A7"


def plot_predictive(sensitivity: float, specificity: float, marks: Mapping[str, float]) -> Figure:
    """Predictive values against the share of the disease, on a logarithmic scale.

    Parameters
    ----------
    sensitivity, specificity : float
    marks : mapping
        Name to share, drawn as vertical lines.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.6), layout="constrained")
    shares = np.geomspace(5e-5, 0.95, 200)
    positive, negative = predictive_values(sensitivity, specificity, shares)
    axis.plot(shares, positive, color=ORANGE, linewidth=2, label="positive predictive value")
    axis.plot(shares, negative, "--", color=BLUE, linewidth=2, label="negative predictive value")
    for number, (name, share) in enumerate(marks.items()):
        axis.axvline(share, color="#777777", linestyle=":", linewidth=1)
        found, _ = predictive_values(sensitivity, specificity, share)
        axis.plot(share, found, "o", color=ORANGE)
        late = share > 0.003  # a name stands on the side that has room
        axis.text(share * (0.92 if late else 1.08), 0.26 + 0.13 * number, name, fontsize=8,
                  ha="right" if late else "left")  # fmt: skip
    axis.set(xscale="log", ylim=(-0.02, 1.03), ylabel="share that is right",
             xlabel="share of the disease among the cells")  # fmt: skip
    axis.set_xlim(5e-5, 1.2)
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(0.0, 0.78))
    return figure


def plot_curves(scores: np.ndarray, positive: np.ndarray, threshold: float) -> Figure:
    """ROC curve, and precision against sensitivity, with the point of one threshold.

    Parameters
    ----------
    scores, positive : numpy.ndarray
        See `medicine.count_decisions`.
    threshold : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.5), layout="constrained")
    point = count(scores, positive, threshold)
    alarms, hits = roc_curve(scores, positive)
    axes[0].plot(alarms, hits, color=BLUE, linewidth=2)
    axes[0].plot([0, 1], [0, 1], "--", color="#777777", linewidth=1)
    axes[0].plot(1 - point.specificity, point.sensitivity, "o", color=ORANGE, markersize=8)
    axes[0].set(xlabel="false alarms (1 - specificity)", ylabel="sensitivity",
                title=f"ROC, area {auc(alarms, hits):.3f}")  # fmt: skip
    recall, precision = recall_curve(scores, positive)
    axes[1].plot(recall, precision, color=BLUE, linewidth=2)
    axes[1].axhline(point.prevalence, color="#777777", linestyle="--", linewidth=1)
    called = point.hits + point.alarms
    if called:
        axes[1].plot(point.sensitivity, point.hits / called, "o", color=ORANGE, markersize=8)
    axes[1].set(xlabel="sensitivity (recall)", ylabel="precision", title="precision and recall")
    for axis in axes:
        axis.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.03), aspect="equal")
        axis.title.set_fontsize(10)
    return figure


def plot_f_scores(sensitivity: float, specificity: float, own: float) -> Figure:
    """F1 of the positive class by prevalence: of the classifier, and of calling all positive.

    Parameters
    ----------
    sensitivity, specificity : float
    own : float
        Prevalence among the images scored, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
    shares = np.linspace(0.01, 0.99, 99)
    for name, rates, colour, dash in (
        ("this classifier", (sensitivity, specificity), BLUE, "-"),
        ("calling every cell positive", (1.0, 0.0), ORANGE, "--"),
    ):
        right = rates[0] * shares
        called = right + (1 - rates[1]) * (1 - shares)
        axis.plot(shares, 2 * right / (called + shares), dash, color=colour, linewidth=2,
                  label=name)  # fmt: skip
    axis.axvline(own, color="#777777", linestyle=":", linewidth=1)
    axis.text(own - 0.01, 0.05, "images scored", fontsize=8, ha="right")
    axis.set(xlabel="share of the positive class", ylabel="F1 of the positive class",
             ylim=(0, 1.03), xlim=(0, 1))  # fmt: skip
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def benefit_curves(
    scores: np.ndarray, positive: np.ndarray, thresholds: Sequence[float]
) -> dict[str, np.ndarray]:
    """Net benefit by threshold: of acting by the classifier, on every cell, and on none.

    Parameters
    ----------
    scores, positive : numpy.ndarray
        See `medicine.count_decisions`.
    thresholds : sequence of float
        Each below 1.

    Returns
    -------
    dict of str to numpy.ndarray
        `by the classifier`, `on every cell`, `on none`.
    """
    cuts = np.asarray(thresholds, float)
    counts = [count(scores, positive, cut) for cut in cuts]
    share = float(positive.mean())
    rates = np.array([(c.sensitivity, c.specificity) for c in counts]).T
    act = net_benefit(rates[0], rates[1], prevalence=share, threshold=cuts)
    every = net_benefit(1.0, 0.0, prevalence=share, threshold=cuts)
    return {"by the classifier": act, "on every cell": every, "on none": np.zeros(len(cuts))}


def plot_benefit(curves: Mapping[str, np.ndarray], thresholds: Sequence[float]) -> Figure:
    """Decision curve of `benefit_curves`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.3), layout="constrained")
    looks = zip((BLUE, ORANGE, "#555555"), ("-", "--", ":"), strict=True)
    for (name, values), (colour, dash) in zip(curves.items(), looks, strict=True):
        axis.plot(thresholds, values, dash, color=colour, linewidth=2, label=f"act {name}")
    top = max(float(np.max(values)) for values in curves.values())
    axis.set(xlabel="probability from which on one acts", ylabel="net benefit of a cell",
             ylim=(-0.15, 1.1 * top))  # fmt: skip
    axis.legend(frameon=False, fontsize=9)
    return figure
