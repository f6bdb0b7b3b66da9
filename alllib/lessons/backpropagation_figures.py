"""Figures of backpropagation: the graph with both passes, agreement, and what was learned."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

__all__ = ["plot_agreement", "plot_graph", "plot_regions"]

_FORWARD, _BACKWARD = "#0072B2", "#D55E00"  # Okabe and Ito
_CLASSES = (("#0072B2", "o"), ("#D55E00", "s"))


def plot_graph(
    places: Mapping[str, tuple[float, float]],
    edges: Mapping[tuple[str, str], str],
    *,
    values: Mapping[str, float],
    slopes: Mapping[str, float],
) -> Figure:
    """A calculation as a graph: values on the way forward, derivatives on the way back.

    Parameters
    ----------
    places : mapping of str to tuple of float
        Name of each number to column and row.
    edges : mapping of tuple of str to str
        From one number to the next, with the local derivative as text.
    values, slopes : mapping of str to float
        Value of each number, and the derivative of the last one by it.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = [x for x, _ in places.values()]
    figure, axis = plt.subplots(figsize=(1.55 * (max(columns) + 1), 3.6), layout="constrained")
    for (first, second), text in edges.items():
        (x0, y0), (x1, y1) = places[first], places[second]
        axis.annotate("", (x1 - 0.3, y1), (x0 + 0.3, y0),
                      arrowprops={"arrowstyle": "->", "color": "#777777"})  # fmt: skip
        share = 0.5 if y0 == y1 else 0.3
        spot = (x0 + 0.3 + share * (x1 - x0 - 0.6), y0 + share * (y1 - y0))
        axis.text(*spot, text, fontsize=8, color="#333333", ha="center", va="center",
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8})  # fmt: skip
    for name, (x, y) in places.items():
        axis.text(x, y + 0.21, name, ha="center", va="center", fontsize=10, style="italic")
        axis.text(x, y, f"\N{BLACK RIGHT-POINTING SMALL TRIANGLE} {values[name]:.3g}", ha="center",
                  va="center", fontsize=9, color=_FORWARD)  # fmt: skip
        axis.text(x, y - 0.21, f"\N{BLACK LEFT-POINTING SMALL TRIANGLE} {slopes[name]:.3g}",
                  ha="center", va="center", fontsize=9, color=_BACKWARD)  # fmt: skip
        axis.add_patch(plt.Rectangle((x - 0.29, y - 0.34), 0.58, 0.68, facecolor="none",
                                     edgecolor="#555555", linewidth=1))  # fmt: skip
    rows = [y for _, y in places.values()]
    axis.set(
        xlim=(min(columns) - 0.45, max(columns) + 0.45), ylim=(min(rows) - 0.5, max(rows) + 0.5)
    )
    axis.axis("off")
    return figure


def plot_agreement(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Gradients of two origins against each other, one panel each, with the diagonal.

    Parameters
    ----------
    pairs : mapping of str to tuple of numpy.ndarray
        Title to ours and theirs, each in one row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, len(pairs), figsize=(3.4 * len(pairs), 3.1), squeeze=False,
                                layout="constrained")  # fmt: skip
    for axis, (title, (ours, theirs)) in zip(axes.flat, pairs.items(), strict=True):
        ends = np.array([min(ours.min(), theirs.min()), max(ours.max(), theirs.max())])
        axis.plot(ends, ends, color="#999999", linewidth=1)
        axis.plot(ours, theirs, "o", color=_FORWARD, markersize=4, alpha=0.6)
        axis.set(xlabel="ours", ylabel="Keras")
        axis.set_title(title, fontsize=9)
    return figure


def plot_regions(
    panels: Mapping[str, tuple[Callable, np.ndarray, np.ndarray]],
    *,
    names: Sequence[Sequence[str]],
    classes: Sequence[Sequence[str]],
) -> Figure:
    """Probability over a plane, with the examples on it.

    Parameters
    ----------
    panels : mapping of str to tuple
        Title to a function from points, shape (n, 2), to the probability of the second class,
        shape (n,); the examples, shape (n, 2); and their classes, 0 or 1, shape (n,).
    names : sequence of sequence of str
        Of the two axes of each panel.
    classes : sequence of sequence of str
        Of the two classes of each panel.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(4.1 * len(panels), 3.4), squeeze=False,
                                layout="constrained")  # fmt: skip
    whole = zip(axes.flat, panels.items(), names, classes, strict=True)
    for axis, (title, (chance, x, label)), told, kinds in whole:
        low, high = x.min(axis=0), x.max(axis=0)
        margin = 0.15 * (high - low)
        across, up = (np.linspace(low[k] - margin[k], high[k] + margin[k], 121) for k in (0, 1))
        grid = np.stack(np.meshgrid(across, up), axis=-1)
        shares = chance(grid.reshape(-1, 2)).reshape(121, 121)
        drawn = axis.pcolormesh(across, up, shares, cmap="Greys", vmin=0, vmax=1, alpha=0.6)
        axis.contour(across, up, shares, levels=[0.5], colors="black", linewidths=1.5)
        for number, (colour, marker) in enumerate(_CLASSES):
            axis.plot(*x[label == number].T, marker, color=colour, markeredgecolor="white",
                      markersize=6, linestyle="none", label=kinds[number])  # fmt: skip
        axis.set(xlabel=told[0], ylabel=told[1])
        axis.set_title(title, fontsize=9, pad=22)
        axis.legend(fontsize=8, frameon=False, ncols=2, loc="lower center",
                    bbox_to_anchor=(0.5, 0.98))  # fmt: skip
    figure.colorbar(drawn, ax=axes, label="probability of the second class")
    return figure
