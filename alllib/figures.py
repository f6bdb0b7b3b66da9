"""Figures with caption and alternative text, in colours that everyone can tell apart."""

from __future__ import annotations

import io
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from IPython.display import Markdown, display
from matplotlib.figure import Figure

__all__ = ["COLOURS", "plot_confusion", "plot_filters", "plot_grids", "plot_history",
           "plot_intervals", "plot_losses", "plot_montage", "say", "set_style",
           "show"]  # fmt: skip

# Okabe and Ito's palette (doi 10.1038/nmeth.1618): told apart by colour-blind readers.
COLOURS = {"ALL": "#D55E00", "HEM": "#0072B2", "train": "#009E73", "validation": "#E69F00",
           "test": "#CC79A7"}  # fmt: skip


def set_style() -> None:
    """Set seaborn's theme for all figures of a notebook, and leave showing them to `show`.

    A notebook's own backend would display every open figure at the end of its cell, without
    caption or alternative text.
    """
    plt.switch_backend("agg")
    sns.set_theme(style="ticks", context="notebook", font_scale=0.9)
    plt.rcParams.update(
        {"figure.facecolor": "white", "axes.spines.top": False, "axes.spines.right": False}
    )


def show(figure: Figure, *, caption: str, alt: str) -> None:
    """Display a figure with its caption and its alternative text, then close it.

    The book turns both into a numbered figure; in a notebook the caption stands below.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    caption : str
        What the figure is, and what it is of.
    alt : str
        What it shows, for a reader who cannot see it; with numbers where it depends on
        data.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144, bbox_inches="tight", metadata={"Software": None})
    width = round(96 * figure.get_figwidth())  # pixels on a page, where there is room
    plt.close(figure)
    display(
        {"image/png": buffer.getvalue(), "text/plain": alt},
        metadata={"image/png": {"alt": alt, "caption": caption, "width": width}},
        raw=True,
    )
    display(Markdown(f"*{caption}*"), metadata={"alllib": "caption"})


def say(text: str) -> None:
    """Display a sentence whose numbers were computed, as Markdown."""
    display(Markdown(text))


def plot_montage(
    images: Sequence[np.ndarray], titles: Sequence[str], *, columns: int = 6
) -> Figure:
    """Images side by side with a title each.

    Parameters
    ----------
    images : sequence of numpy.ndarray
        Shape (height, width, 3), uint8.
    titles : sequence of str
    columns : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.6 * columns, 1.85 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image)
        axis.set_title(title, fontsize=8)
    figure.tight_layout()
    return figure


def plot_confusion(confusion: Sequence[Sequence[int]], classes: Sequence[str]) -> Figure:
    """Confusion matrix with counts, and the share of each true class.

    Parameters
    ----------
    confusion : sequence of sequence of int
        Rows true, columns predicted.
    classes : sequence of str

    Returns
    -------
    matplotlib.figure.Figure
    """
    counts = np.asarray(confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    labels = np.char.add(
        np.char.add(counts.astype(str), "\n"), np.char.mod("%.0f %%", 100 * shares)
    )
    figure, axis = plt.subplots(figsize=(3.6, 3.2))
    sns.heatmap(
        shares, annot=labels, fmt="", cmap="cividis", vmin=0, vmax=1, cbar=False, square=True,
        xticklabels=classes, yticklabels=classes, ax=axis,
    )  # fmt: skip
    axis.set(xlabel="predicted class", ylabel="true class")
    return figure


def plot_history(histories: dict[str, pd.DataFrame]) -> Figure:
    """Loss and accuracy by epoch, training (dashed) and validation, one colour per run.

    Parameters
    ----------
    histories : dict of str to pandas.DataFrame
        Name of a run to its history.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(1, 2, figsize=(8.5, 3.2))
    palette = sns.color_palette("colorblind", len(histories))
    for colour, (name, history) in zip(palette, histories.items(), strict=True):
        for axis, metric in zip(axes, ("loss", "accuracy"), strict=True):
            axis.plot(history.epoch, history[metric], "--", marker=".", color=colour)
            axis.plot(history.epoch, history[f"val_{metric}"], marker="o", color=colour, label=name)
            axis.set(xlabel="epoch", ylabel=metric)
            axis.xaxis.get_major_locator().set_params(integer=True)
    axes[0].set_title("dashed: training, solid: validation", fontsize=9)
    axes[1].legend(frameon=False, fontsize=9)
    figure.tight_layout()
    return figure


def plot_intervals(rows: pd.DataFrame) -> Figure:
    """Accuracies with intervals, beside published values and those without a CNN.

    Parameters
    ----------
    rows : pandas.DataFrame
        `name` (str), `value`, `low`, `high` (between 0 and 1, or missing), and where
        there is one `published` and `baseline` (float or missing): the source's value, and
        that of a classifier without a CNN on the same split.

    Returns
    -------
    matplotlib.figure.Figure
    """
    columns = ["value", "low", "high", "published", "baseline"]
    numbers = rows.reindex(columns=columns).astype(float)
    figure, axis = plt.subplots(figsize=(7.2, 1 + 0.4 * len(rows)), layout="constrained")
    places = np.arange(len(rows))[::-1]
    spread = [(numbers.value - numbers.low).clip(0), (numbers.high - numbers.value).clip(0)]
    axis.errorbar(numbers.value, places, xerr=spread, fmt="o", color=COLOURS["HEM"],
                  capsize=4, label="value, 95 % interval")  # fmt: skip
    if numbers.published.notna().any():
        axis.plot(numbers.published, places, "D", color=COLOURS["ALL"], label="published")
    if numbers.baseline.notna().any():
        axis.plot(numbers.baseline, places - 0.22, "s", color=COLOURS["train"], markersize=5,
                  label="without a CNN, the same split")  # fmt: skip
    axis.set_yticks(places, list(rows["name"]))
    least = numbers.min(axis=None)
    axis.set(xlim=(max(0, least - 0.05), 1.02), xlabel="accuracy", ylim=(-0.6, len(rows) - 0.4))
    figure.legend(frameon=False, fontsize=9, loc="outside upper center", ncols=2)
    return figure


def plot_losses(
    histories: dict[str, pd.DataFrame],
    *,
    label: str = "epoch",
    highest: float | None = None,
    columns: int = 4,
) -> Figure:
    """Training and validation loss of several runs, one panel each, all on one scale.

    The first run is what the others are compared with: its validation loss is drawn in grey
    in every panel.

    Parameters
    ----------
    histories : dict of str to pandas.DataFrame
        Title to `epoch` (number), `loss`, `val_loss`.
    label : str
        Of the horizontal axes.
    highest : float, optional
        Upper end of the scale; curves above it are cut. The highest loss when not given.
    columns : int

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = -(-(len(histories) + 1) // columns)  # the last panel holds the legend
    figure, axes = plt.subplots(
        rows, columns, figsize=(2.4 * columns, 2.1 * rows + 0.2), squeeze=False, sharex=True,
        sharey=True, layout="constrained",
    )  # fmt: skip
    first = next(iter(histories.values()))
    for axis, (title, history) in zip(axes.flat, histories.items(), strict=False):
        axis.plot(first.epoch, first.val_loss, color="#999999", linewidth=4, alpha=0.5,
                  label="validation, first panel")  # fmt: skip
        axis.plot(history.epoch, history.loss, "--", marker=".", color=COLOURS["train"],
                  label="training")  # fmt: skip
        axis.plot(history.epoch, history.val_loss, marker=".", color=COLOURS["ALL"],
                  label="validation")  # fmt: skip
        axis.set_title(title, fontsize=9)
    axes[0, 0].set_ylim(0, highest)
    axes[0, 0].xaxis.get_major_locator().set_params(integer=True)
    for axis in axes.flat[len(histories) :]:
        axis.axis("off")
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("loss", fontsize=9)
    axes.flat[-1].legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, fontsize=8,
                         loc="center")  # fmt: skip
    return figure


def plot_grids(grids: dict[str, np.ndarray], *, columns: int = 3, side: float = 2.6) -> Figure:
    """Pictures with a title each, large enough to see what they are made of.

    Parameters
    ----------
    grids : dict of str to numpy.ndarray
        Title to a picture: (height, width) uint8 in grey, or (height, width, 3) in colour,
        uint8 or float from 0 to 1.
    columns : int
    side : float
        Width of a picture in inches.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = -(-len(grids) // columns)
    tallest = max(grid.shape[0] / grid.shape[1] for grid in grids.values())
    size = (side * columns, (side * tallest + 0.3) * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (title, grid) in zip(axes.flat, grids.items(), strict=False):
        axis.imshow(grid, cmap="gray", vmin=0, vmax=255)
        axis.set_title(title, fontsize=9)
    return figure


def plot_filters(kernels: dict[str, np.ndarray], *, columns: int = 8) -> Figure:
    """Filters of a first convolution as small colour pictures, one panel per network.

    Each filter is scaled by itself: its lowest weight is 0 and its highest 1, so that shades
    can be compared within a filter and not between filters.

    Parameters
    ----------
    kernels : dict of str to numpy.ndarray
        Title to a kernel, shape (height, width, 3, filters).
    columns : int
        Filters in a row.

    Returns
    -------
    matplotlib.figure.Figure
    """
    return plot_grids(
        {title: _tile_filters(kernel, columns) for title, kernel in kernels.items()},
        columns=len(kernels), side=3.4,
    )  # fmt: skip


def _tile_filters(kernel: np.ndarray, columns: int) -> np.ndarray:
    """Filters side by side with white gaps, float from 0 to 1."""
    lowest, highest = kernel.min(axis=(0, 1, 2)), kernel.max(axis=(0, 1, 2))
    scaled = (kernel - lowest) / np.where(highest > lowest, highest - lowest, 1)
    tiles = np.pad(scaled.transpose(3, 0, 1, 2), ((0, 0), (0, 1), (0, 1), (0, 0)),
                   constant_values=1)  # fmt: skip
    rows = -(-len(tiles) // columns)
    whole = np.ones((rows * columns, *tiles.shape[1:]))
    whole[: len(tiles)] = tiles
    height, width = tiles.shape[1:3]
    return (
        whole.reshape(rows, columns, height, width, 3)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width, 3)
    )
