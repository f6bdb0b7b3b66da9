"""Images of one's own: laid out as a camera leaves them, and what more of them would tell."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from ..files import whole_folder

__all__ = [
    "effective_images",
    "lay_out",
    "listen",
    "plot_effective",
    "plot_shared",
    "shared_subjects",
]

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
MARKS, DASHES = ("o", "s", "^", "D"), ("-", "--", "-.", ":")


def lay_out(cells: pd.DataFrame, folder: str | Path, names: dict[str, str]) -> Path:
    """Copy images into a folder per class, under names that tell nothing, and list their subjects.

    Parameters
    ----------
    cells : pandas.DataFrame
        `image, path, label, subject`.
    folder : path-like
        What is there already is replaced.
    names : dict of str to str
        Class to the name of its folder.

    Returns
    -------
    pathlib.Path
        The folder, with the file `subjects.csv` in it.
    """
    folder = Path(folder)
    lines = []
    with whole_folder(folder) as partial:
        for label, part in cells.sort_values("image").groupby("label"):
            (partial / names[label]).mkdir(parents=True)
            for number, row in enumerate(part.itertuples(), start=1):
                name = f"{names[label]}/{number:04}{Path(row.path).suffix}"
                shutil.copyfile(row.path, partial / name)
                lines.append({"image": name, "subject": row.subject})
        pd.DataFrame(lines).to_csv(partial / "subjects.csv", index=False)
    return folder


def effective_images(
    subjects: float | np.ndarray, each: float | np.ndarray, alike: float
) -> float | np.ndarray:
    """Independent images that say as much as several of each subject.

    Parameters
    ----------
    subjects, each : float or numpy.ndarray
        Number of subjects, and of images of each.
    alike : float
        Intraclass correlation of right answers, from 0 to 1.

    Returns
    -------
    float or numpy.ndarray
    """
    return subjects * each / (1 + (each - 1) * alike)


def shared_subjects(certificate: dict, part: str = "test") -> float | None:
    """Share of a part's images whose subject is trained on too; None where nobody can know."""
    found = certificate["crossing"][f"train/{part}"]["subjects"]
    total = sum(certificate["parts"][part].values())
    return None if found is None else found["images"] / total


def plot_shared(shares: dict[str, float | None]) -> Figure:
    """Share of test images whose subject is trained on, one bar per split.

    Parameters
    ----------
    shares : dict of str to float or None
        Title of a split to the share; None is drawn as a hatched bar over the whole range.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.45 * len(shares)), layout="constrained")
    for place, share in enumerate(shares.values()):
        if share is None:
            axis.barh(place, 1, color="none", edgecolor="#777777", hatch="//", height=0.6)
            axis.text(0.5, place, "not known: from none to all", va="center", ha="center",
                      fontsize=9, bbox={"facecolor": "white", "edgecolor": "none"})  # fmt: skip
            continue
        axis.barh(place, share, color=SERIES[0], height=0.6)
        axis.annotate(f"{share:.0%}", (share, place), xytext=(4, 0), va="center",
                      textcoords="offset points", fontsize=9)  # fmt: skip
    axis.set_yticks(range(len(shares)), list(shares))
    axis.set(xlim=(0, 1.08), ylim=(len(shares) - 0.4, -0.6))
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.set_xlabel("test images whose subject is trained on too")
    return figure


def plot_effective(subjects: int, largest: int, likenesses: Iterable[float]) -> Figure:
    """Effective number of images by the number of images of each subject.

    Parameters
    ----------
    subjects : int
    largest : int
        Most images of a subject.
    likenesses : iterable of float
        Intraclass correlations, one curve each; at most four.

    Returns
    -------
    matplotlib.figure.Figure
    """
    each = np.arange(1, largest + 1)
    figure, axis = plt.subplots(figsize=(6.6, 3.4), layout="constrained")
    for alike, colour, mark, dash in zip(likenesses, SERIES, MARKS, DASHES, strict=False):
        values = effective_images(subjects, each, alike)
        axis.plot(each, values, dash, color=colour, marker=mark, markevery=max(1, largest // 8))
        axis.annotate(f"{alike:g}", (largest, values[-1]), xytext=(6, 0), va="center",
                      textcoords="offset points", color=colour, fontsize=9)  # fmt: skip
    axis.set(xlabel="images of each subject", ylabel="effective images", yscale="log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_title(f"{subjects} subjects; at the end of a curve its correlation", fontsize=9)
    return figure


@contextlib.contextmanager
def listen() -> Iterator[list[str]]:
    """Collect what the package warns of, which a terminal would show."""
    told: list[str] = []
    handler, logger = logging.Handler(), logging.getLogger("alllib")
    handler.emit = lambda record: told.append(record.getMessage())
    logger.addHandler(handler)
    try:
        yield told
    finally:
        logger.removeHandler(handler)
