"""Tables and figures of the audit pages: what the checks say of one source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .claims import STATUSES, show_value
from .figures import COLOURS

__all__ = ["find_claim", "plot_counts", "plot_digits", "plot_listing", "plot_placements",
           "plot_possible", "plot_scores", "plot_spread", "status_counts",
           "status_table"]  # fmt: skip

HOLDING = ("confirmed", "reproduced")
LONGEST = 70  # characters of a value in a table; the ledger has it whole


def find_claim(rows: Iterable[dict], name: str) -> dict:
    """The row of a claim by its id.

    Raises
    ------
    KeyError
        When there is none.
    """
    return {row["id"]: row for row in rows}[name]


def status_counts(rows: Iterable[dict]) -> pd.DataFrame:
    """Number of claims of each status that occurs, by kind: rows kinds, columns statuses; and
    how many of them are implied, that is not said by the source."""
    table = pd.DataFrame(rows)
    counts = pd.crosstab(table.kind, table.status)
    counts = counts[[status for status in STATUSES if status in counts]]
    counts["all"] = counts.sum(axis=1)
    counts["of these implied"] = table.groupby("kind").implied.sum()
    counts.loc["all kinds"] = counts.sum()
    return counts.rename_axis("kind", axis=0).rename_axis(None, axis=1).reset_index()


def status_table(rows: Iterable[dict], *statuses: str) -> pd.DataFrame:
    """Claims of some statuses, for a reader of an audit page.

    Parameters
    ----------
    rows : iterable of dict
        As `alllib.claims.claim_rows` gives.
    *statuses : str

    Returns
    -------
    pandas.DataFrame
        `statement, place, printed, computed, status`, and `what follows` where a claim says
        more than that it holds.
    """
    chosen = [row for row in rows if row["status"] in statuses]
    table = pd.DataFrame(
        {
            "statement": [_statement(row) for row in chosen],
            "place": [row["place"] for row in chosen],
            "printed": [_short(row["published"]) for row in chosen],
            "computed": [_short(row["computed"]) for row in chosen],
            "status": [row["status"] for row in chosen],
            "what follows": [_words(row) for row in chosen],
        }
    )
    return table.drop(columns="what follows") if {*statuses} <= {*HOLDING} else table


def _statement(row: Mapping) -> str:
    return ("Implied: " if row["implied"] else "") + row["statement"]


def _short(value: object) -> str:
    text = show_value(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip(" ,;") + "…"


def _words(row: Mapping) -> str:
    return " ".join(row[name] for name in ("reason", "note") if row[name]).replace("`", "")


def plot_scores(scores: Mapping[str, float], *, printed: Sequence[str] = ()) -> Figure:
    """Some scores on one line each, the printed ones as diamonds.

    Parameters
    ----------
    scores : mapping of str to float
        Name to a value from 0 to 1.
    printed : sequence of str
        Names whose value a source printed.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.8 + 0.42 * len(scores)), layout="constrained")
    low = min(scores.values())
    for place, (name, value) in enumerate(reversed(scores.items())):
        own = name in printed
        axis.hlines(place, 0, value, color="#BBBBBB", linewidth=1)
        axis.plot(value, place, "D" if own else "o", color=COLOURS["ALL" if own else "HEM"],
                  markersize=8)  # fmt: skip
        axis.annotate(f"  {value:.3f}", (value, place), va="center", fontsize=9)
    axis.set_yticks(range(len(scores)), list(reversed(scores)))
    axis.set(xlim=(max(0, low - 0.08), min(1.06, max(scores.values()) + 0.08)), xlabel="score")
    axis.margins(y=0.12)
    return figure


def plot_listing(table: pd.DataFrame) -> Figure:
    """Which image stands beside which row of a label file, when a folder is listed by name.

    Parameters
    ----------
    table : pandas.DataFrame
        As `alllib.checks.poster_scores.joined_labels` gives.

    Returns
    -------
    matplotlib.figure.Figure
    """
    rows = np.arange(1, len(table) + 1)
    figure, axis = plt.subplots(figsize=(7.2, 3.8), layout="constrained")
    axis.plot(rows, rows, "--", color="#777777", label="the row's own image")
    axis.plot(rows, table.image, ".", color=COLOURS["ALL"], markersize=4,
              label="the image that stands beside it")  # fmt: skip
    axis.set(xlabel="row of the label file", ylabel="number of the image")
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside upper center",
                  markerscale=2)  # fmt: skip
    return figure


def plot_digits(rows: Sequence[tuple[str, int, int]]) -> Figure:
    """Printed above exact numbers, the digits that differ in colour and underlined.

    Parameters
    ----------
    rows : sequence of tuple
        Name, printed number, exact number.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.35 + 0.75 * len(rows)))
    axis.axis("off")
    for place, (name, printed, exact) in enumerate(rows):
        top = len(rows) - place
        axis.text(0, top - 0.3, name, fontsize=11, va="center")
        pair = f"{printed:>11,}", f"{exact:>11,}"
        for line, (text, other) in enumerate((pair, pair[::-1])):
            axis.text(4.4, top - 0.1 - 0.42 * line, ("printed", "exact")[line], fontsize=9,
                      color="#555555", va="center")  # fmt: skip
            for column, (digit, twin) in enumerate(zip(text, other, strict=True)):
                wrong = digit != twin
                colour = COLOURS["ALL" if line == 0 else "HEM"] if wrong else "#222222"
                axis.text(5.5 + 0.22 * column, top - 0.1 - 0.42 * line, digit, color=colour,
                          family="monospace", fontsize=15 if wrong else 12, va="center",
                          ha="center", weight="bold" if wrong else "normal")  # fmt: skip
    axis.set(xlim=(0, 8.2), ylim=(0, len(rows) + 0.2))
    return figure


def plot_spread(draws: Sequence[float], *, marks: Mapping[str, float], label: str) -> Figure:
    """Histogram of simulated values, with lines at some values.

    Parameters
    ----------
    draws : sequence of float
    marks : mapping of str to float
        Name to the value where a line stands.
    label : str
        Of the horizontal axis.

    Returns
    -------
    matplotlib.figure.Figure
    """
    values, counts = np.unique(np.round(draws, 6), return_counts=True)
    if len(values) > 40:  # nearly continuous
        counts, edges = np.histogram(draws, bins=30)
        values = (edges[1:] + edges[:-1]) / 2
    figure, axis = plt.subplots(figsize=(7.2, 3.0), layout="constrained")
    step = np.diff(values).min() if len(values) > 1 else 0.01
    axis.bar(values, counts / len(draws), width=0.8 * step, color="#9AA5B1")
    styles = zip(("-", "--", ":"), (COLOURS["ALL"], COLOURS["HEM"], "#222222"), strict=True)
    for (name, value), (line, colour) in zip(marks.items(), styles, strict=False):
        axis.axvline(value, color=colour, linestyle=line, linewidth=2, label=f"{name}: {value:.5g}")
    axis.set(xlabel=label, ylabel="share of simulations")
    figure.legend(frameon=False, fontsize=9, ncols=3, loc="outside upper center")
    return figure


def plot_possible(possible: Mapping[str, Sequence[float]], printed: float) -> Figure:
    """Values that a score can take on some parts, and the printed one as a line.

    Parameters
    ----------
    possible : mapping of str to sequence of float
        Name of a part to its possible scores.
    printed : float

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 1.0 + 0.55 * len(possible)), layout="constrained")
    for place, values in enumerate(possible.values()):
        near = [value for value in values if abs(value - printed) < 0.005]
        axis.plot(near, [place] * len(near), "|", color=COLOURS["HEM"], markersize=18,
                  markeredgewidth=2)  # fmt: skip
    axis.axvline(printed, color=COLOURS["ALL"], linewidth=7, alpha=0.35,
                 zorder=0, label=f"printed: {printed}")  # fmt: skip
    axis.set_yticks(range(len(possible)), list(possible))
    axis.set(ylim=(-0.6, len(possible) - 0.4), xlabel="possible accuracies")
    axis.ticklabel_format(axis="x", useOffset=False)
    figure.legend(frameon=False, fontsize=9, loc="outside upper center")
    return figure


def plot_placements(found: pd.DataFrame, wanted: tuple[int, int]) -> Figure:
    """Ways to place convolutions in blocks, by the two totals of parameters that each gives;
    drawn is what lies near the printed totals.

    Parameters
    ----------
    found : pandas.DataFrame
        `convolutions`, `parameters`, `unmoved` (not trainable), one row per way.
    wanted : tuple of int
        The two printed totals.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 3.6), layout="constrained")
    styles = (("^", COLOURS["HEM"]), ("s", COLOURS["validation"]), ("v", COLOURS["train"]))
    for (number, part), (mark, colour) in zip(found.groupby("convolutions"), styles, strict=False):
        axis.plot(part.parameters / 1e6, part.unmoved, mark, color=colour, markersize=6,
                  alpha=0.8, label=f"{number} convolutions")  # fmt: skip
    axis.plot(wanted[0] / 1e6, wanted[1], "o", markersize=16, markerfacecolor="none",
              markeredgewidth=2, color=COLOURS["ALL"], label="printed")  # fmt: skip
    axis.set(xlabel="parameters (million)", ylabel="parameters that are not trained",
             xlim=(0.96 * wanted[0] / 1e6, 1.04 * wanted[0] / 1e6),
             ylim=(wanted[1] - 650, wanted[1] + 650))  # fmt: skip
    figure.legend(frameon=False, fontsize=9, ncols=4, loc="outside upper center")
    return figure


def plot_counts(bars: Mapping[str, Mapping[str, int]]) -> Figure:
    """Images of each class in some sets, as bars that lie end to end.

    Parameters
    ----------
    bars : mapping of str to mapping of str to int
        Name of a set to the number of images of `ALL`, `HEM` and `no class published`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    colours = {"ALL": COLOURS["ALL"], "HEM": COLOURS["HEM"], "no class published": "#BBBBBB"}
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.5 * len(bars)), layout="constrained")
    for place, counts in enumerate(bars.values()):
        left = 0
        for name, number in counts.items():
            axis.barh(place, number, left=left, color=colours[name], edgecolor="white")
            dark = name != "no class published"
            axis.text(left + number / 2, place, f"{number:,}", ha="center", va="center",
                      fontsize=9, color="white" if dark else "#222222",
                      weight="bold")  # fmt: skip
            left += number
    axis.set_yticks(range(len(bars)), list(bars))
    axis.invert_yaxis()
    axis.set_xlabel("images")
    handles = [plt.Rectangle((0, 0), 1, 1, facecolor=colours[n]) for n in colours]
    figure.legend(handles, list(colours), frameon=False, fontsize=9, ncols=3,
                  loc="outside upper center")  # fmt: skip
    return figure
