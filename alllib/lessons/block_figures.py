"""Figures of the chapter on networks: blocks as boxes and arrows, errors, costs, slopes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

__all__ = ["plot_costs", "plot_errors", "plot_inception", "plot_skips", "plot_slopes",
           "plot_windows"]  # fmt: skip

# Okabe and Ito's palette; hatches, markers and dashes tell kinds apart without colour.
BLUE, ORANGE, GREEN, YELLOW, PINK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7"
# Where a name stands beside its mark: right (1) or left (-1), and points up.
_BESIDE = {"DenseNet121": (-1, -6), "DenseNet201": (-1, 3), "VGG19": (1, 0), "ResNet50": (1, -3)}
PAINT = {"values": "#EEEEEE", "layer": "#BBD9EA", "meet": "#F6D9A8", "gate": "#EBCBDD"}


def _box(axis: Axes, x: float, y: float, text: str, kind: str, width: float = 1.5) -> None:
    """A box of height 0.5 around (x, y)."""
    shape = FancyBboxPatch(
        (x - width / 2, y - 0.25), width, 0.5, boxstyle="round,pad=0,rounding_size=0.1",
        facecolor=PAINT[kind], edgecolor="black", linewidth=1,
    )  # fmt: skip
    axis.add_patch(shape)
    axis.text(x, y, text, ha="center", va="center", fontsize=8, color="black")


def _arrow(axis: Axes, start: tuple, end: tuple, bend: float = 0.0, style: str = "-") -> None:
    axis.annotate(
        "", end, start,
        arrowprops={
            "arrowstyle": "-|>", "color": "black", "linestyle": style, "linewidth": 1.2,
            "connectionstyle": f"arc3,rad={bend}", "shrinkA": 0, "shrinkB": 0,
        },
    )  # fmt: skip


def _panel(axis: Axes, title: str, x: tuple[float, float], y: tuple[float, float]) -> None:
    axis.set(xlim=x, ylim=y, aspect="equal", title=title)
    axis.title.set_fontsize(9)
    axis.axis("off")


def plot_skips() -> Figure:
    """Plain, residual, highway and dense connections side by side, from top to bottom.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = plt.subplots(
        1, 4, figsize=(8.6, 3.9), layout="constrained", width_ratios=(2.4, 3.2, 3.6, 3.6)
    )
    for axis, draw in zip(axes, (_plain, _residual, _highway, _dense), strict=True):
        draw(axis)
    return figure


def _column(axis: Axes, entries: Sequence[tuple[float, str, str]]) -> None:
    for y, text, kind in entries:
        _box(axis, 0, y, text, kind)
    for (above, *_), (below, *_) in zip(entries, entries[1:], strict=False):
        _arrow(axis, (0, above - 0.25), (0, below + 0.25))


def _plain(axis: Axes) -> None:
    _panel(axis, "plain", (-1.2, 1.2), (-0.5, 4.5))
    _column(axis, [(4, "x", "values"), (3, "conv, ReLU", "layer"), (2, "conv, ReLU", "layer"),
                   (0, "y = F(x)", "values")])  # fmt: skip


def _residual(axis: Axes) -> None:
    _panel(axis, "residual: add", (-1.0, 2.2), (-0.5, 4.5))
    _column(axis, [(4, "x", "values"), (3, "conv, ReLU", "layer"), (2, "conv", "layer"),
                   (1, "+, ReLU", "meet"), (0, "y", "values")])  # fmt: skip
    axis.plot([0.75, 1.4, 1.4], [4, 4, 1], color="black", linewidth=1.2)
    _arrow(axis, (1.4, 1), (0.75, 1))
    axis.text(1.5, 2.5, "x, as it is", rotation=90, va="center", fontsize=8)


def _highway(axis: Axes) -> None:
    _panel(axis, "highway: mix by a gate", (-1.9, 1.9), (-0.5, 4.5))
    _box(axis, 0, 4, "x", "values")
    _box(axis, -1, 2.6, "H(x)", "layer", 1.1)
    _box(axis, 1, 2.6, "gate T(x)", "gate", 1.4)
    _box(axis, 0, 1.1, "T H + (1 - T) x", "meet", 2.6)
    _box(axis, 0, 0, "y", "values")
    _arrow(axis, (-0.3, 3.75), (-1, 2.85))
    _arrow(axis, (0.3, 3.75), (1, 2.85))
    _arrow(axis, (0, 3.75), (0, 1.35))
    _arrow(axis, (-1, 2.35), (-0.6, 1.35))
    _arrow(axis, (1, 2.35), (0.6, 1.35), style="--")
    _arrow(axis, (0, 0.85), (0, 0.25))


def _dense(axis: Axes) -> None:
    _panel(axis, "dense: put side by side", (-1.0, 2.7), (-0.5, 4.5))
    rows = [(4, "x", "values"), (2.9, "layer 1", "layer"), (1.8, "layer 2", "layer"),
            (0.7, "x, 1 and 2", "meet")]  # fmt: skip
    _column(axis, rows)
    for start, end, out in ((4, 1.8, 1.25), (4, 0.7, 1.7), (2.9, 0.7, 1.05)):
        axis.plot([0.75, out, out], [start, start, end], color="black", linewidth=1.1)
        _arrow(axis, (out, end), (0.75, end))
    axis.text(1.85, 2.3, "every earlier map", rotation=90, va="center", fontsize=8)


def plot_inception() -> Figure:
    """An Inception module with 1x1 convolutions before the larger windows, from left to right.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.4, 3.2), layout="constrained")
    _panel(axis, "", (-0.9, 8.3), (-0.5, 3.5))
    _box(axis, 0, 1.5, "maps", "values", 1.1)
    _box(axis, 7.3, 1.5, "side by side", "meet", 1.6)
    rows = (
        (3, None, "1x1"), (2, "1x1, few maps", "3x3"), (1, "1x1, few maps", "5x5"),
        (0, "3x3 pooling", "1x1"),
    )  # fmt: skip
    for y, first, second in rows:
        if first:
            _box(axis, 2.5, y, first, "gate", 1.9)
            _arrow(axis, (0.55, 1.5 + (y - 1.5) * 0.12), (1.55, y))
            _arrow(axis, (3.45, y), (4.45, y))
        else:
            axis.plot([0, 0], [1.75, y], color="black", linewidth=1.2)
            _arrow(axis, (0, y), (4.45, y))
        _box(axis, 5, y, second, "layer", 1.1)
        _arrow(axis, (5.55, y), (6.5, 1.5 + (y - 1.5) * 0.12))
    return figure


def plot_windows() -> Figure:
    """Why two 3x3 windows one behind the other see 5x5 pixels, along one line of pixels.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.2, 2.3), layout="constrained")
    titles = ("input", "after the first 3x3", "after the second 3x3")
    lit = ({1, 2, 3, 4, 5}, {2, 3, 4}, {3})
    for row, (title, marked) in enumerate(zip(titles, lit, strict=True)):
        height = -1.6 * row
        for column in range(7):
            seen = column in marked
            axis.add_patch(
                Rectangle(
                    (column, height), 0.9, 0.8, edgecolor="black",
                    facecolor=YELLOW if seen else "#F4F4F4", hatch="//" if seen else "",
                )
            )  # fmt: skip
        axis.text(7.3, height + 0.4, title, va="center", fontsize=9)
    for row, marked in enumerate(lit[1:]):
        for column in marked:
            for reach in (-1, 0, 1):
                ends = [column + reach + 0.45, column + 0.45]
                axis.plot(ends, [-1.6 * row, -1.6 * row - 0.8], color="black", linewidth=0.8)
    axis.set(xlim=(-0.2, 11), ylim=(-3.4, 1), aspect="equal")
    axis.axis("off")
    return figure


def plot_errors(winners: Sequence[Mapping], person: float) -> Figure:
    """Top-5 error of the best entry of each year, and of one person.

    Parameters
    ----------
    winners : sequence of mapping
        `year, team, top5` (per cent), `network` (bool).
    person : float
        Per cent.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.4), layout="constrained")
    for entry in winners:
        deep = entry["network"]
        axis.bar(
            entry["year"], entry["top5"], color=BLUE if deep else YELLOW, width=0.7,
            hatch="" if deep else "//", edgecolor="black",
        )  # fmt: skip
        axis.text(entry["year"], entry["top5"] + 0.5, f"{entry['team']}\n{entry['top5']:.3g}",
                  ha="center", fontsize=8, zorder=3,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})  # fmt: skip
    axis.axhline(person, color="black", linestyle="--", linewidth=1)
    last = max(entry["year"] for entry in winners)
    axis.text(last - 1, person + 0.4, f"one person:\n{person:g}", ha="center", fontsize=8)
    axis.bar([0], [0], color=YELLOW, hatch="//", edgecolor="black", label="hand-made features")
    axis.bar([0], [0], color=BLUE, edgecolor="black", label="convolutional network")
    first = min(entry["year"] for entry in winners)
    axis.set(xlim=(first - 0.6, last + 0.6), ylim=(0, 33), ylabel="top-5 error (%)",
             xticks=range(first, last + 1))  # fmt: skip
    axis.legend(frameon=False, fontsize=9)
    return figure


def plot_costs(rows: Sequence[Mapping]) -> Figure:
    """Top-1 accuracy against operations of one image; the area of a mark grows with parameters.

    Parameters
    ----------
    rows : sequence of mapping
        `network`, `operations` (of the input that the accuracy is for), `parameters`, `top1`
        (per cent).

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.6, 3.6), layout="constrained")
    for entry in rows:
        x, y = entry["operations"] / 1e9, entry["top1"]
        axis.scatter(x, y, s=4 * entry["parameters"] / 1e6 + 8, color=BLUE, alpha=0.6,
                     edgecolor="black")  # fmt: skip
        radius = (4 * entry["parameters"] / 1e6 + 8) ** 0.5 / 2
        side, lift = _BESIDE.get(entry["network"], (1, 0))
        axis.annotate(
            entry["network"], (x, y), xytext=(side * (radius + 3), lift), va="center", fontsize=8,
            textcoords="offset points", ha="left" if side > 0 else "right",
        )  # fmt: skip
    axis.set(xlabel="operations for one image (thousand millions)",
             ylabel="top-1 accuracy (%)", xlim=(-3, 47), ylim=(56, 82))  # fmt: skip
    return figure


def plot_slopes(curves: Mapping[str, Mapping[int, float]]) -> Figure:
    """Slope behind each layer of stacks of one depth, relative to the end.

    Parameters
    ----------
    curves : mapping
        Title to layer to slope, as `imagenet.slopes_by_depth` gives.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.4), layout="constrained")
    looks = zip((ORANGE, BLUE, GREEN, PINK), ("--", "-", ":", "-."), "osD^", strict=True)
    for (title, found), (colour, dash, marker) in zip(curves.items(), looks, strict=False):
        axis.plot(list(found), list(found.values()), dash, marker=marker, color=colour,
                  label=title)  # fmt: skip
    axis.set(yscale="log", xlabel="layers passed, from the input", ylabel="slope, the end is 1")
    axis.legend(frameon=False, fontsize=9, loc="best")
    return figure
