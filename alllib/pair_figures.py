"""Figures of images that show the same cell."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .augmentation import SYMMETRIES
from .duplicates import SAME
from .figures import COLOURS
from .images import read_image

__all__ = ["choose_pairs", "plot_likeness", "plot_pairs", "tell_pair"]


def plot_likeness(counts: dict) -> Figure:
    """How alike compared pairs are: those that fit as they are, and those turned or mirrored.

    Parameters
    ----------
    counts : dict
        As `alllib.kinship.count_likeness` gives them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    edges = np.asarray(counts["bins"])
    figure, axis = plt.subplots(figsize=(7.2, 3), layout="constrained")
    for name, colour, hatch in (("as they are", COLOURS["HEM"], None),
                                ("turned", COLOURS["ALL"], "///")):  # fmt: skip
        axis.stairs(counts[name], edges, fill=hatch is None, alpha=0.75 if hatch is None else 1,
                    hatch=hatch, color=colour, edgecolor=colour,
                    label=f"fit {name}" + (" or mirrored" if hatch else ""))  # fmt: skip
    axis.axvline(SAME, color="#555555", linestyle="--")
    axis.annotate("counted as\nthe same cell", (SAME, 0.99), (6, 0), va="top", fontsize=9,
                  xycoords=("data", "axes fraction"), textcoords="offset points")  # fmt: skip
    counted = np.add(counts["as they are"], counts["turned"])
    first = edges[:-1][counted > 0].min(initial=edges[-2])
    axis.set(xlabel="likeness (correlation of the chromatin's structure)", ylabel="pairs",
             yscale="symlog", xlim=(first - 0.02, edges[-1]))  # fmt: skip
    axis.set_ylim(0, 20 * max(counted.max(), 1))  # room for the words
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure


def choose_pairs(pairs: pd.DataFrame, count: int = 6) -> pd.DataFrame:
    """Pairs to show, by a fixed rule: of every kind, and under two names before under one.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Of an `alllib.duplicates.Duplicates`.
    count : int

    Returns
    -------
    pandas.DataFrame
        At most `count` rows, no image twice.
    """
    ends = pairs[["first_subject", "second_subject"]].astype(str).to_numpy().tolist()
    cross = np.array([one != two for one, two in ends], bool)
    ranked = pairs.assign(cross=~cross, names=[frozenset(two) for two in ends])
    # The first pair of each kind and couple of names, then the second, and so on.
    ranked["turn"] = ranked.groupby(["kind", "names"], sort=False).cumcount()
    ranked = ranked.sort_values(["cross", "turn"], kind="stable")
    seen: set[str] = set()
    rows = []
    for row in ranked.itertuples():
        if len(rows) < count and not {row.first, row.second} & seen:
            seen |= {row.first, row.second}
            rows.append(row.Index)
    return pairs.loc[rows]


def plot_pairs(pairs: pd.DataFrame, cells: pd.DataFrame) -> Figure:
    """Each pair in a column, as its files show it.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Of an `alllib.duplicates.Duplicates`; at least one.
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    matplotlib.figure.Figure
    """
    path = cells.set_index("image").path
    figure, axes = plt.subplots(2, len(pairs), figsize=(1.75 * len(pairs), 4), squeeze=False,
                                layout="constrained")  # fmt: skip
    for column, row in zip(axes.T, pairs.itertuples(), strict=True):
        for axis, name in zip(column, (row.first, row.second), strict=True):
            axis.imshow(read_image(path[name]))
            axis.set_title(_short(name), fontsize=8)
            axis.axis("off")
        column[1].text(0.5, -0.04, row.kind, transform=column[1].transAxes, ha="center", va="top",
                       fontsize=8)  # fmt: skip
    return figure


def _short(name: str) -> str:
    """What fits above a small picture."""
    for needless in ("UID_", "WBC-Malignant-", "WBC-"):
        name = name.replace(needless, "")
    return name


def tell_pair(row) -> str:
    """One pair in words, for a text that stands for the picture.

    Parameters
    ----------
    row : named tuple
        Of `pairs.itertuples()`.

    Returns
    -------
    str
    """
    how = "" if not row.symmetry else f", {SYMMETRIES[row.symmetry]}"
    return f"{row.first} and {row.second} ({row.kind}{how}, likeness {row.likeness:.2f})"
