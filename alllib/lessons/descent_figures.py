"""Figures of gradient descent: surfaces, paths, rates and schedules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

__all__ = ["plot_fit", "plot_lines", "plot_parabolas", "plot_paths", "plot_threshold"]

# Okabe and Ito's palette; markers and dashes tell series apart without colour.
_SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000",
           "#777777")  # fmt: skip
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
_DASHES = ("-", "--", "-.", (0, (1, 1)), (0, (5, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (6, 2)),
           (0, (2, 2)))  # fmt: skip


def _contours(axis: Axes, loss: Callable, window: Sequence[float]) -> None:
    """Lines of equal loss, closer together near the minimum."""
    left, right, low, high = window
    across, up = np.meshgrid(np.linspace(left, right, 121), np.linspace(low, high, 121))
    heights = np.array([[loss(np.array(w)) for w in zip(*row, strict=True)]
                        for row in zip(across, up, strict=True)])  # fmt: skip
    least = heights.min()
    levels = least + (heights.max() - least) * np.geomspace(0.002, 1, 12)
    axis.contour(across, up, heights, levels=levels, colors="#999999", linewidths=0.7)
    axis.set(xlim=(left, right), ylim=(low, high))


def plot_fit(x, y, loss: Callable, best, *, window: Sequence[float], names: Sequence[str]):
    """Examples with the best line, and the loss of every line as contours.

    Parameters
    ----------
    x, y : numpy.ndarray
        Examples, shape (n,).
    loss : callable
        Of an array of intercept and slope.
    best : numpy.ndarray
        Intercept and slope of the best line.
    window : sequence of float
        Least and largest intercept, least and largest slope to draw.
    names : sequence of str
        What stands at x and at y.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2), layout="constrained")
    left.plot(x, y, "o", color=_SERIES[0], markersize=4, alpha=0.6, label="a nucleus")
    ends = np.array([x.min(), x.max()])
    left.plot(ends, best[0] + best[1] * ends, color=_SERIES[1], linewidth=2, label="best line")
    left.set(xlabel=names[0], ylabel=names[1])
    left.legend(frameon=False, fontsize=9)
    _contours(right, loss, window)
    right.plot(*best, "*", color=_SERIES[1], markersize=14, label="least loss")
    right.set(xlabel="intercept", ylabel="slope")
    right.legend(fontsize=9)
    return figure


def plot_paths(
    paths: Mapping[str, np.ndarray],
    loss: Callable,
    *,
    window: Sequence[float],
    names: Sequence[str] = ("intercept", "slope"),
    best: Sequence[float] | None = None,
) -> Figure:
    """Ways down on the contours of a loss of two weights, one panel each.

    Parameters
    ----------
    paths : mapping of str to numpy.ndarray
        Title to weights, shape (steps + 1, 2).
    loss : callable
        Of an array of two weights.
    window : sequence of float
        Least and largest of the first weight, least and largest of the second.
    names : sequence of str
        Of the two weights.
    best : sequence of float, optional
        Where the loss is least.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = min(len(paths), 3)
    rows = -(-len(paths) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.4 * columns, 2.5 * rows + 0.2), squeeze=False, sharex=True,
        sharey=True, layout="constrained",
    )  # fmt: skip
    for axis in axes.flat[len(paths) :]:
        axis.axis("off")
    for axis, colour, (title, path) in zip(axes.flat, _SERIES, paths.items(), strict=False):
        _contours(axis, loss, window)
        axis.plot(*path.T, "-", color=colour, linewidth=1.3)
        axis.plot(*path.T, ".", color=colour, markersize=5)
        axis.plot(*path[0], "o", color="black", markersize=7)
        if best is not None:
            axis.plot(*best, "*", color="black", markersize=11)
        axis.set_title(title, fontsize=9)
    figure.supxlabel(names[0], fontsize=9)
    figure.supylabel(names[1], fontsize=9)
    return figure


def plot_lines(
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    labels: Sequence[str],
    scales: Sequence[str] = ("linear", "linear"),
    marks: Mapping[str, float] | None = None,
    every: int | None = None,
) -> Figure:
    """Curves, told apart by colour, dashes and markers, with a legend beside them.

    Parameters
    ----------
    lines : mapping of str to tuple
        Title to horizontal and vertical values.
    labels, scales : sequence of str
        Of the two axes; scales are linear or log.
    marks : mapping of str to float, optional
        Levels to draw as thin horizontal lines with their text.
    every : int, optional
        A marker at each so manieth point; about ten a line when not given.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    axis.set(xlabel=labels[0], ylabel=labels[1], xscale=scales[0], yscale=scales[1])
    _few_ticks(axis.xaxis, [x for x, _ in lines.values()])
    _few_ticks(axis.yaxis, [y for _, y in lines.values()])
    for place, (title, (x, y)) in enumerate(lines.items()):
        axis.plot(
            x, y, color=_SERIES[place % len(_SERIES)], linestyle=_DASHES[place % len(_DASHES)],
            marker=_MARKERS[place % len(_MARKERS)], markevery=every or max(1, len(x) // 10),
            markersize=5, linewidth=1.6, label=title,
        )  # fmt: skip
    for text, level in (marks or {}).items():
        axis.axhline(level, color="#555555", linewidth=1)
        axis.annotate(text, (1, level), xycoords=("axes fraction", "data"), fontsize=8, ha="right",
                      va="bottom", color="#333333")  # fmt: skip
    figure.legend(*axis.get_legend_handles_labels(), frameon=False, fontsize=9,
                  loc="outside right center")  # fmt: skip
    return figure


def _few_ticks(axis: Axis, values: Sequence[Sequence[float]]) -> None:
    """Ticks at 1, 2 and 5 on a logarithmic axis that has few powers of ten."""
    if axis.get_scale() != "log":
        axis.set_major_locator(MaxNLocator(steps=(1, 2, 5, 10)))
        return
    axis.set_minor_formatter(NullFormatter())
    if max(map(max, values)) < 300 * min(map(min, values)):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:,g}"))


def plot_parabolas(paths: Mapping[str, np.ndarray], *, curvature: float) -> Figure:
    """Steps of descent on a parabola with its minimum at 0, one panel for each learning rate.

    Parameters
    ----------
    paths : mapping of str to numpy.ndarray
        Title to one weight after each step, shape (steps + 1,).
    curvature : float
        Second derivative of the parabola.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, len(paths), figsize=(1.8 * len(paths), 2.6), sharey=True,
                                layout="constrained")  # fmt: skip
    reach = 2.1 * abs(next(iter(paths.values()))[0])
    grid = np.linspace(-reach, reach, 101)
    for axis, colour, (title, path) in zip(axes, _SERIES, paths.items(), strict=False):
        axis.plot(grid, curvature * grid**2 / 2, color="#999999", linewidth=1)
        inside = path[np.abs(path) <= reach]
        axis.plot(inside, curvature * inside**2 / 2, "-o", color=colour, markersize=4, linewidth=1)
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("weight", fontsize=9)
    axes[0].set_ylabel("loss", fontsize=9)
    return figure


def plot_threshold(rates, found, *, threshold: float, start: float) -> Figure:
    """Loss after some steps for many learning rates, and the rate at which descent diverges.

    Parameters
    ----------
    rates, found : sequence of float
        Learning rates, and the loss after the same number of steps with each.
    threshold : float
        Two over the largest curvature.
    start : float
        Loss before the first step.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.4, 3.3), layout="constrained")
    axis.plot(rates, found, "o-", color=_SERIES[0], markersize=4, label="loss after the steps")
    axis.axvline(threshold, color=_SERIES[1], linestyle="--", linewidth=2,
                 label="two over the largest curvature")  # fmt: skip
    axis.axhline(start, color="#555555", linestyle=":", label="loss before the first step")
    axis.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="loss above the least")
    axis.set_ylim(min(found) / 2, 30 * start)
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure
