"""Figures of the chapter on activations and losses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["plot_bends", "plot_descents", "plot_likelihood", "plot_loss_slopes", "plot_norms",
           "plot_prices", "plot_temperatures"]  # fmt: skip

# Okabe and Ito's palette; dashes and markers tell series apart without colour.
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)))
MARKERS = ("o", "s", "D", "^", "v", "P")
GREY = "#777777"


def _line(axis: Axes, x, y, place: int, label: str, **more) -> None:
    axis.plot(x, y, color=SERIES[place], linestyle=DASHES[place], linewidth=2, label=label, **more)


def _panels(count: int = 2, *, width: float = 8.4, height: float = 3.3):
    return plt.subplots(1, count, figsize=(width, height), layout="constrained")


def plot_bends(bends: Mapping[str, tuple[Callable, Callable]], *, reach: float = 4) -> Figure:
    """Activation functions on the left, their slopes on the right.

    Parameters
    ----------
    bends : mapping
        Name to function and slope, as `deep.BENDS`.
    reach : float
        Inputs go from minus this to this.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels()
    x = np.linspace(-reach, reach, 801)
    for place, (name, functions) in enumerate(bends.items()):
        for axis, function in zip(axes, functions, strict=True):
            _line(axis, x, function(x), place, name)
    axes[0].set(title="what is passed on", ylim=(-1.2, 2.5), xlabel="sum z of a unit")
    axes[1].set(title="slope", ylim=(-0.05, 1.1), xlabel="sum z of a unit")
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=len(bends),
                  loc="outside lower center")  # fmt: skip
    return figure


def plot_norms(norms: Mapping[str, np.ndarray]) -> Figure:
    """Length of the gradient of each layer, several draws of weights: median and range.

    Parameters
    ----------
    norms : mapping
        Name to lengths, shape (draws, layers), first layer first.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.6), layout="constrained")
    for place, (name, found) in enumerate(norms.items()):
        layers = np.arange(1, found.shape[1] + 1)
        axis.fill_between(layers, found.min(axis=0), found.max(axis=0), color=SERIES[place],
                          alpha=0.2)  # fmt: skip
        _line(axis, layers, np.median(found, axis=0), place, name, marker=MARKERS[place],
              markersize=5)  # fmt: skip
    axis.set(yscale="log", xlabel="layer, counted from the input", ylabel="length of the gradient")
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    return figure


def plot_descents(
    silent: Mapping[str, Sequence[float]], losses: Mapping[str, Sequence[float]], floor: float
) -> Figure:
    """Share of silent units in trainings on the left, losses from a dead start on the right.

    Parameters
    ----------
    silent, losses : mapping
        Name to a value for each step.
    floor : float
        Loss of an answer that is the same for all inputs, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels()
    for axis, curves in zip(axes, (silent, losses), strict=True):
        for place, (name, values) in enumerate(curves.items()):
            steps = np.arange(len(values))
            _line(axis, steps, values, place, name, marker=MARKERS[place],
                  markevery=max(1, len(values) // 8))  # fmt: skip
        axis.legend(frameon=False, fontsize=9)
        axis.set(xlabel="step")
    axes[0].set(ylabel="share of silent units", ylim=(-0.03, 1.03))
    axes[1].axhline(floor, color=GREY, linestyle=":", linewidth=1)
    axes[1].set(ylabel="loss", ylim=(0, 1.25 * floor))
    return figure


def plot_likelihood(tried: np.ndarray, curves: Mapping[str, np.ndarray], best: float) -> Figure:
    """Negative log likelihood of labels by the probability that a model gives.

    Parameters
    ----------
    tried : numpy.ndarray
        Probabilities.
    curves : mapping
        Name to values, one for each.
    best : float
        Where the least value is expected, drawn as a line.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(5.6, 3.3), layout="constrained")
    for place, (name, values) in enumerate(curves.items()):
        _line(axis, tried, values, place, name)
    axis.axvline(best, color=GREY, linewidth=1)
    top = 1.1 * max(values[len(values) // 20] for values in curves.values())
    axis.set(xlabel="probability that the model gives to ALL", ylabel="loss per cell",
             ylim=(0, top))  # fmt: skip
    axis.legend(frameon=False, fontsize=9)
    return figure


def plot_loss_slopes(
    scores: np.ndarray, losses: Mapping[str, np.ndarray], slopes: Mapping[str, np.ndarray]
) -> Figure:
    """Losses of one image of the positive class by its score, and their slopes.

    Parameters
    ----------
    scores : numpy.ndarray
    losses, slopes : mapping
        Name to a value for each score.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels(height=3.5)
    for axis, curves, title in zip(axes, (losses, slopes), ("loss", "slope"), strict=True):
        axis.axvline(0, color=GREY, linewidth=0.8)
        for place, (name, values) in enumerate(curves.items()):
            _line(axis, scores, values, place, name)
        axis.set(xlabel="score z of an image of the positive class", title=title)
    axes[0].set_ylim(-0.1, 6)
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, ncols=len(losses),
                  loc="outside lower center")  # fmt: skip
    return figure


def plot_prices(margins: np.ndarray, curves: Mapping[str, np.ndarray]) -> Figure:
    """Losses by how far the score of the true class leads, with their least points marked.

    Parameters
    ----------
    margins : numpy.ndarray
    curves : mapping
        Name to a loss for each margin.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(5.8, 3.3), layout="constrained")
    for place, (name, values) in enumerate(curves.items()):
        _line(axis, margins, values, place, name)
        least = int(np.argmin(values))
        if 0 < least < len(values) - 1:
            axis.plot(margins[least], values[least], MARKERS[place], color=SERIES[place])
    axis.set(xlabel="lead of the true class's score", ylabel="loss", ylim=(0, None))
    axis.legend(frameon=False, fontsize=9)
    return figure


def plot_temperatures(
    scores: np.ndarray, shares: Mapping[str, np.ndarray], curves: Mapping[str, pd.DataFrame]
) -> Figure:
    """Probability by score at several temperatures, and reliability before and after.

    Parameters
    ----------
    scores : numpy.ndarray
    shares : mapping
        Name to a probability for each score.
    curves : mapping
        Name to a table as `calibration.reliability` gives.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = _panels(height=3.6)
    for place, (name, values) in enumerate(shares.items()):
        _line(axes[0], scores, values, place, name)
    axes[0].axhline(0.5, color=GREY, linewidth=0.8)
    axes[0].set(xlabel="score", ylabel="probability")
    for place, (name, curve) in enumerate(curves.items()):
        _line(axes[1], curve.confidence, curve.accuracy, place, name, marker=MARKERS[place])
    axes[1].plot([0.5, 1], [0.5, 1], color=GREY, linewidth=1, label="says what it means")
    axes[1].set(xlabel="mean confidence of the bin", ylabel="accuracy in the bin")
    for axis in axes:
        axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure
