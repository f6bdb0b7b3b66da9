"""All effects of the laboratory in one figure."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from ..figures import COLOURS
from .effects import Effect
from .registry import get_mistake

__all__ = ["plot_effects", "tell_effects"]

_MARKS = ("o", "D")
_SHADES = (COLOURS["ALL"], COLOURS["HEM"])


def plot_effects(effects: dict[str, Sequence[Effect]]) -> Figure:
    """Differences with 95 % intervals, grouped by mistake, one mark per kind of images.

    A difference without an interval has a hollow mark: how sure it is, is not known.

    Parameters
    ----------
    effects : dict of str to sequence of Effect
        Title of up to two kinds of images (say, real and synthetic) to their effects.

    Returns
    -------
    matplotlib.figure.Figure
    """
    heights, ticks = _places(_rows(effects))
    figure, axis = plt.subplots(figsize=(8.2, 0.9 + 0.25 * len(ticks)), layout="constrained")
    axis.axvline(0, color="#777777", linewidth=0.9)
    for kind, (title, found) in enumerate(effects.items()):
        shift = 0.0 if len(effects) == 1 else 0.15 * (1 - 2 * kind)
        _draw(axis, found, heights, shift=shift, mark=_MARKS[kind], colour=_SHADES[kind],
              title=title)  # fmt: skip
    axis.set_yticks(-np.arange(len(ticks)), ticks, fontsize=7.5)
    for place, label in enumerate(axis.get_yticklabels()):
        label.set_fontweight("normal" if -place in heights.values() else "bold")
    axis.set(
        ylim=(min(heights.values()) - 0.7, 0.7),
        xlabel="with the mistake less without it (accuracy, AUC, F1, recall or share)",
    )
    axis.tick_params(axis="y", length=0)
    figure.legend(frameon=False, fontsize=9, loc="outside upper center", ncols=2)
    return figure


def _rows(effects: dict[str, Sequence[Effect]]) -> list[tuple[str, str, str]]:
    """Mistake, system and unit of each row, in the order of their first appearance."""
    every = [one for found in effects.values() for one in found]
    order = list(dict.fromkeys(one.key for one in every))
    rows = dict.fromkeys((one.key, one.system, one.unit) for one in every)
    return sorted(rows, key=lambda row: order.index(row[0]))


def _places(names: Sequence[tuple[str, str, str]]) -> tuple[dict, list[str]]:
    """Height of each row, and the labels from the top down: titles of mistakes, and rows."""
    heights: dict[tuple[str, str, str], int] = {}
    ticks: list[str] = []
    before = None
    for name in names:
        key, system, unit = name
        if key != before:
            ticks.append(get_mistake(key).title)
            before = key
        heights[name] = -len(ticks)
        ticks.append(f"{system}: {unit}")
    return heights, ticks


def _draw(axis, found: Sequence[Effect], heights: dict, *, shift, mark, colour, title) -> None:
    for one in found:
        height = heights[one.key, one.system, one.unit] + shift
        if one.low is not None:
            axis.plot([one.low, one.high], [height, height], color=colour, linewidth=1.6)
        axis.plot(one.difference, height, mark, color=colour, markersize=4.5,
                  markerfacecolor="none" if one.low is None else colour)  # fmt: skip
    axis.plot([], [], mark, color=colour, markersize=4.5, label=title)


def tell_effects(effects: Sequence[Effect]) -> str:
    """Alternative text: the largest effect of each mistake."""
    largest: dict[str, Effect] = {}
    for one in effects:
        if one.key not in largest or abs(one.difference) > abs(largest[one.key].difference):
            largest[one.key] = one
    said = [
        f"{get_mistake(key).title.lower()} {one.difference:+.2f} ({one.unit}, {one.system})"
        for key, one in largest.items()
    ]
    return "Largest effect of each mistake: " + "; ".join(said) + "."
