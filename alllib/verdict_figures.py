"""The figure of the verdict: published numbers and what explains them, on one axis."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .datasets import get_dataset
from .figures import COLOURS

__all__ = ["plot_verdict"]


def plot_verdict(rows: list[dict], others: pd.DataFrame) -> Figure:
    """All headline numbers and what explains them, on one axis.

    Parameters
    ----------
    rows : list of dict
        Of `verdict_rows`.
    others : pandas.DataFrame
        Of `subject_results`; those in weighted F1 are drawn in a line of their own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(8.4, 1.6 + 1.15 * len(rows)), layout="constrained")
    places = [1.25 * number for number in range(len(rows), 0, -1)]
    for place, row in zip(places, rows, strict=True):
        _draw_row(axis, place, row)
    scored = others[others.metric == "weighted F1"]
    axis.plot(scored.value, [0] * len(scored), "P", color="#555555", markersize=8,
              label="other works, unseen subjects (weighted F1)")  # fmt: skip
    plain = next((row["plain_f1"] for row in rows if row["dataset"] == "cnmc2019"), None)
    if plain is not None:
        _draw_estimate(axis, -0.16, plain, "s", COLOURS["train"],
                       "a handful of numbers, honest split")  # fmt: skip
    names = [f"{row['title']}\n{get_dataset(row['dataset']).title}" for row in rows]
    axis.set_yticks([*places, 0], [*names, "weighted F1, C-NMC 2019:\nother works"])
    axis.axhline(0.6, color="black", linewidth=0.6)  # another number below it
    axis.set(xlim=(0.25, 1.01), ylim=(-0.6, places[0] + 0.75),
             xlabel="accuracy; weighted F1 below the line")  # fmt: skip
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.grid(axis="x", alpha=0.3)
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), frameon=False, fontsize=8.5, ncols=2,
                  loc="outside upper center")  # fmt: skip
    return figure


def _draw_row(axis, place: float, row: dict) -> None:
    """Marks of one work; what has an interval gets its line."""
    marks = (
        ("plain_published", 0.0, "o", COLOURS["validation"], "a handful of numbers, its split"),
        ("plain_honest", -0.16, "s", COLOURS["train"], "a handful of numbers, honest split"),
        (
            "ours_published",
            0.16,
            "^",
            COLOURS["test"],
            "our run of the network at a small scale, its split",
        ),
        (
            "ours_honest",
            -0.32,
            "v",
            COLOURS["HEM"],
            "our run of the network at a small scale, honest split",
        ),
    )
    for key, shift, mark, colour, title in marks:
        estimate = row[key]
        if estimate is not None:
            _draw_estimate(axis, place + shift, estimate, mark, colour, title)
    if row["majority"] is not None:
        axis.plot([row["majority"]] * 2, [place - 0.4, place + 0.4], color="black",
                  linestyle=":", label="always the commonest class")  # fmt: skip
    if row["mistake"] is not None:
        axis.plot(row["mistake"]["value"], place - 0.4, "*", color="#56B4E9", markersize=11,
                  label="laboratory: a handful of numbers with this work's mistake")  # fmt: skip
        if row["mistake"]["upper"] is not None:
            axis.plot(row["mistake"]["upper"], place - 0.4, "*", markerfacecolor="none",
                      markeredgecolor="#56B4E9", markersize=11,
                      label="laboratory: a stronger form, which no source describes")  # fmt: skip
    if row["perfect"] is not None:
        axis.plot(row["perfect"], place + 0.3, "X", color="black", markersize=8,
                  label="a faultless network, labels joined as there")  # fmt: skip
    axis.plot(row["published"], place + 0.3, "D", color=COLOURS["ALL"], markersize=8,
              label="published")  # fmt: skip
    axis.annotate(f"{row['published']:.2%}", (row["published"], place + 0.3), fontsize=9,
                  xytext=(0, 7), textcoords="offset points", ha="center")  # fmt: skip


def _draw_estimate(axis, place: float, estimate: dict, mark: str, colour: str, title: str) -> None:
    """A mark, and a line for its interval where it has one."""
    low, high = (estimate["value"] if estimate[key] is None else estimate[key]
                 for key in ("low", "high"))  # fmt: skip
    axis.plot([low, high], [place] * 2, color=colour, linewidth=1.4)
    axis.plot(estimate["value"], place, mark, color=colour, label=title)
