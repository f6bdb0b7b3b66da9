"""Figures of the chapter on convolution, pooling and dense layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .activation_figures import DASHES, GREY, MARKERS, SERIES

__all__ = ["plot_costs", "plot_field", "plot_maps", "plot_numbers", "plot_places", "plot_shifts",
           "plot_slide"]  # fmt: skip

BOX = "#D55E00"


def _grid(axis: Axes, values: np.ndarray, title: str, *, form: str = "{:.0f}", size: float = 8,
          signed: bool = False) -> None:  # fmt: skip
    """A small matrix as coloured squares with its numbers: grey levels, or, where signs matter,
    blue below zero, white at zero and red above."""
    least, most = float(values.min()), float(values.max())
    if signed:
        most = max(abs(least), abs(most)) or 1
        least = -most
    axis.imshow(values, cmap="RdBu_r" if signed else "gray", vmin=least,
                vmax=most if most > least else least + 1)  # fmt: skip
    for (row, column), value in np.ndenumerate(values):
        dark = abs(value) > 0.6 * most if signed else (value - least) < 0.5 * (most - least)
        axis.text(column, row, form.format(value), ha="center", va="center", fontsize=size,
                  color="white" if dark else "black")  # fmt: skip
    axis.set_title(title, fontsize=9)
    axis.set(xticks=[], yticks=[])


def _box(axis: Axes, top: float, left: float, side: float, colour: str = BOX) -> None:
    axis.add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, edgecolor=colour,
                             linewidth=2.5))  # fmt: skip


def plot_numbers(image: np.ndarray, top: int, left: int, side: int) -> Figure:
    """A grey image with a box, and the numbers in the box.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width), grey levels from 0 to 255.
    top, left, side : int
        The box.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.7), layout="constrained")
    axes[0].imshow(image, cmap="gray", vmin=0, vmax=255)
    axes[0].set(xticks=[], yticks=[])
    axes[0].set_title(f"{image.shape[0]} x {image.shape[1]} pixels", fontsize=9)
    _box(axes[0], top, left, side)
    _grid(axes[1], image[top : top + side, left : left + side], "the numbers in the box")
    return figure


def plot_slide(
    image: np.ndarray, kernel: np.ndarray, found: np.ndarray, place: tuple[int, int]
) -> Figure:
    """One step of a sliding filter: tile, filter, products, and the map with their sum.

    Parameters
    ----------
    image, kernel, found : numpy.ndarray
        Image, filter and finished map; two axes each.
    place : tuple of int
        Row and column of the step.

    Returns
    -------
    matplotlib.figure.Figure
    """
    row, column = place
    side = kernel.shape[0]
    tile = image[row : row + side, column : column + side]
    figure, axes = plt.subplots(1, 4, figsize=(7.4, 2.5), layout="constrained",
                                width_ratios=(len(image), side, side, len(found)))  # fmt: skip
    _grid(axes[0], image, "image")
    _box(axes[0], row, column, side)
    _grid(axes[1], kernel, "filter", form="{:g}", signed=True)
    products = tile * kernel
    _grid(axes[2], products, f"products,\nsum {products.sum():.0f}", signed=True)
    _grid(axes[3], found, "map", signed=True)
    _box(axes[3], row, column, 1)
    return figure


def plot_places(side: int, rows: Mapping[str, Sequence[int]], window: int) -> Figure:
    """Where windows lie along a row of pixels, one band per setting.

    Parameters
    ----------
    side : int
        Pixels of the row.
    rows : mapping
        Title to the first pixel of each window; below 0 in the padding.
    window : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.3 + 0.7 * len(rows)), layout="constrained")
    for band, (title, starts) in enumerate(rows.items()):
        base = -1.35 * band
        for pixel in range(min(0, *starts), max(side, starts[-1] + window)):
            inside = 0 <= pixel < side
            axis.add_patch(Rectangle((pixel, base), 0.94, 0.3, edgecolor=GREY, linewidth=0.8,
                                     facecolor="#BBBBBB" if inside else "white",
                                     linestyle="-" if inside else ":"))  # fmt: skip
        for number, start in enumerate(starts):
            height = base + 0.4 + 0.13 * (number % 3)
            axis.plot([start + 0.05, start + window - 0.1], [height] * 2, linewidth=3,
                      color=SERIES[number % 3], solid_capstyle="butt")  # fmt: skip
        axis.text(-1.4, base + 0.35, f"{title}: {len(starts)}", ha="right", va="center",
                  fontsize=9)  # fmt: skip
    axis.set(xlim=(-4.8, side + 1.5), ylim=(-1.35 * (len(rows) - 1) - 0.2, 0.85))
    axis.axis("off")
    return figure


def plot_maps(image: np.ndarray, maps: Mapping[str, np.ndarray], *, columns: int = 4) -> Figure:
    """An image and maps made of it; negative values blue, positive ones red, zero white.

    Parameters
    ----------
    image : numpy.ndarray
        Grey or colour.
    maps : mapping
        Title to a map, shape (height, width).
    columns : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = -(-(len(maps) + 1) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.85 * columns, 2.1 * rows),
                                layout="constrained", squeeze=False)  # fmt: skip
    for axis in axes.flat:
        axis.axis("off")
    axes.flat[0].imshow(image, cmap="gray")
    axes.flat[0].set_title("image", fontsize=9)
    for axis, (title, found) in zip(axes.flat[1:], maps.items(), strict=False):
        most = float(np.abs(found).max()) or 1
        axis.imshow(found, cmap="RdBu_r", vmin=-most, vmax=most)
        axis.set_title(title, fontsize=9)
    return figure


def plot_costs(names: Sequence[str], weights: Sequence[int], operations: Sequence[int]) -> Figure:
    """Share of each layer in the weights and in the operations of a network.

    Parameters
    ----------
    names : sequence of str
    weights, operations : sequence of int
        One for each layer.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.8, 0.9 + 0.3 * len(names)), layout="constrained")
    places = np.arange(len(names))
    for shift, values, place, title in ((-0.2, weights, 0, "weights"),
                                        (0.2, operations, 1, "operations")):  # fmt: skip
        axis.barh(places + shift, 100 * np.asarray(values) / np.sum(values), 0.38,
                  color=SERIES[place], hatch=("", "///")[place], edgecolor="white",
                  label=title)  # fmt: skip
    axis.set_yticks(places, names, fontsize=9)
    axis.invert_yaxis()
    axis.set(xlabel="share of the network's total (%)")
    axis.margins(y=0.01)
    axis.legend(frameon=False, loc="center right")
    return figure


def plot_shifts(
    left: Mapping[str, Sequence[float]], right: Mapping[str, Sequence[float]], titles: Sequence[str]
) -> Figure:
    """Relative change of maps by the shift of the image, two panels.

    Parameters
    ----------
    left, right : mapping
        Name to a value for each shift, from 0 pixels on.
    titles : sequence of str
        Of the two panels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 4.1), layout="constrained")
    for axis, curves, title in zip(axes, (left, right), titles, strict=True):
        for place, (name, values) in enumerate(curves.items()):
            axis.plot(range(len(values)), values, color=SERIES[place], linestyle=DASHES[place],
                      marker=MARKERS[place], markersize=5, label=name)  # fmt: skip
        axis.set(xlabel="shift in pixels", ylim=(-0.03, None))
        axis.set_title(title, fontsize=10)
        axis.xaxis.get_major_locator().set_params(integer=True)
        axis.legend(frameon=False, fontsize=9, ncols=2, columnspacing=1, loc="upper center",
                    bbox_to_anchor=(0.5, -0.18))  # fmt: skip
    axes[0].set_ylabel("change (1: as long as the map itself)")
    return figure


def plot_field(slopes: np.ndarray, box: tuple[int, int], field: int) -> Figure:
    """How strongly one value of a network depends on each pixel, with the computed field.

    Parameters
    ----------
    slopes : numpy.ndarray
        Shape (height, width), not negative; zero is left white.
    box : tuple of int
        First row and column of the computed receptive field.
    field : int
        Its side.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(7.4, 3.5), layout="constrained")
    shown = np.ma.masked_equal(slopes, 0)
    most = float(slopes.max())
    axes[0].set_facecolor("white")
    picture = axes[0].imshow(shown, cmap="cividis", norm=LogNorm(most / 1e4, most))
    _box(axes[0], *box, field)
    axes[0].set(xlabel="column of the input", ylabel="row of the input")
    figure.colorbar(picture, ax=axes[0], label="size of the gradient", shrink=0.85)
    row = slopes[box[0] : box[0] + field].sum(axis=0)
    axes[1].plot(row / row.sum(), color=SERIES[0], marker="o", markersize=4)
    for edge in (box[1] - 0.5, box[1] + field - 0.5):
        axes[1].axvline(edge, color=BOX, linewidth=2)
    axes[1].set(xlabel="column of the input", ylabel="share of the gradient", ylim=(0, None))
    return figure
