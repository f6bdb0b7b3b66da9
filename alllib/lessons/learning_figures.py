"""Figures of the chapter on learning from examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..figures import COLOURS
from .facts import Work
from .learning import Found, World, hoeffding_margin

__all__ = ["STATED", "plot_chosen", "plot_complexity", "plot_fold_scores", "plot_parts",
           "plot_regions", "plot_risk", "plot_stated", "plot_tasks"]  # fmt: skip

GREY = "#555555"
# What one would want to be told of a work, and its title in a figure.
STATED = {"score": "score", "by_class": "score of\neach class", "data": "data set",
          "images": "number of\nimages", "people": "number of\npeople", "split": "split",
          "interval": "interval"}  # fmt: skip
ROLES = {"train": "fits the weights", "validation": "chooses among fits", "test": "is asked once"}


def plot_tasks(picture: np.ndarray, cells: Sequence[Found], mask: np.ndarray, label: str) -> Figure:
    """One smear four times: classified, localised, detected, segmented."""
    figure, axes = plt.subplots(1, 4, figsize=(8.6, 2.6), layout="constrained")
    titles = ("classification", "localisation", "detection", "segmentation")
    for axis, title in zip(axes, titles, strict=True):
        axis.imshow(picture)
        axis.set_title(title, fontsize=10)
        axis.set(xticks=[], yticks=[])
    axes[0].set_xlabel(f'"{label}"', fontsize=10)
    axes[1].set_xlabel(f'"{label}", and where', fontsize=10)
    axes[2].set_xlabel(f"{len(cells)} boxes", fontsize=10)
    axes[3].set_xlabel("every pixel", fontsize=10)
    for axis, chosen in ((axes[1], cells[:1]), (axes[2], cells)):
        for cell in chosen:
            axis.add_patch(Rectangle((cell.left, cell.top), cell.right - cell.left,
                                     cell.bottom - cell.top, fill=False, lw=2,
                                     edgecolor=COLOURS["ALL"]))  # fmt: skip
    axes[3].contour(mask > 0, [0.5], colors=[COLOURS["ALL"]], linewidths=1.6)
    axes[3].imshow(np.where(mask > 0, 0.0, np.nan), cmap="gray", alpha=0.45)
    return figure


def plot_parts(counts: pd.DataFrame) -> Figure:
    """Images and people of the three parts, and what each part is for.

    Parameters
    ----------
    counts : pandas.DataFrame
        Index train, validation, test; columns `images`, `people`.
    """
    figure, axis = plt.subplots(figsize=(7.4, 1.9), layout="constrained")
    start = 0
    for part, hatch in zip(ROLES, ("", "//", ".."), strict=True):
        images, people = counts.loc[part]
        axis.barh(0, images, left=start, color=COLOURS[part], edgecolor="black", hatch=hatch,
                  height=0.7, alpha=0.75)  # fmt: skip
        axis.text(start + images / 2, 0.52, f"{part}\n{ROLES[part]}", ha="center", va="bottom",
                  fontsize=9)  # fmt: skip
        axis.text(start + images / 2, 0, f"{images} images\n{people} people", ha="center",
                  va="center", fontsize=9,
                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 2})  # fmt: skip
        start += images
    axis.set(xlim=(0, start), ylim=(-0.45, 1.15))
    axis.axis("off")
    return figure


def plot_risk(
    world: World, threshold: float, paths: np.ndarray, *, few: tuple[np.ndarray, np.ndarray]
) -> Figure:
    """Empirical risk against risk: of one rule as images are added, and of all thresholds.

    Parameters
    ----------
    world : World
    threshold : float
        Of the one rule.
    paths : numpy.ndarray
        Losses, shape (samples, images), each row an independent sample.
    few : tuple of numpy.ndarray
        Numbers and labels of a small sample, for the right panel.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.2, 3.4), layout="constrained")
    images = np.arange(1, paths.shape[1] + 1)
    for row in paths:
        left.plot(images, row.cumsum() / images, color=COLOURS["HEM"], lw=0.9, alpha=0.7)
    left.plot([], [], color=COLOURS["HEM"], label="empirical risk of a sample")
    margin = np.array([hoeffding_margin(int(n)) for n in images])
    risk = world.risk(threshold)
    left.fill_between(images, risk - margin, risk + margin, color=COLOURS["validation"], alpha=0.25,
                      label="Hoeffding's margin, 95 %")  # fmt: skip
    left.axhline(risk, color="black", linestyle="--", label="risk")
    left.set(xscale="log", xlim=(5, images[-1]), ylim=(0, 0.7), xlabel="images",
             ylabel="share wrong", title="one rule, more images")  # fmt: skip
    left.legend(frameon=False, fontsize=8.5)
    grid = np.linspace(-1.5, 3.5, 251)
    numbers, labels = few
    seen = np.array([np.mean((numbers > t) != labels) for t in grid])
    truth = np.array([world.risk(t) for t in grid])
    right.plot(grid, truth, "--", color="black", label="risk")
    right.plot(grid, seen, color=COLOURS["HEM"], label=f"empirical risk, {len(labels)} images")
    for curve, colour, mark in ((truth, "black", "v"), (seen, COLOURS["HEM"], "o")):
        right.plot(grid[curve.argmin()], curve.min(), mark, color=colour, markersize=8)
    right.set(xlabel="threshold", ylim=(0, 0.7), title="all rules, few images")
    right.legend(frameon=False, fontsize=8.5)
    return figure


def plot_regions(
    numbers: np.ndarray,
    labels: np.ndarray,
    rules: Mapping[str, Callable[[np.ndarray], np.ndarray]],
    *,
    names: tuple[str, str],
) -> Figure:
    """Training cells by two numbers, and where each rule calls a cell a blast.

    Parameters
    ----------
    numbers : numpy.ndarray
        Shape (cells, 2).
    labels : numpy.ndarray
        Whether a blast.
    rules : mapping of str to callable
        Title to a rule: points (n, 2) to the share of votes for blasts.
    names : tuple of str
        Of the two numbers.
    """
    figure, axes = plt.subplots(1, len(rules), figsize=(2.9 * len(rules), 3.0), sharey=True,
                                layout="constrained")  # fmt: skip
    low, high = numbers.min(axis=0), numbers.max(axis=0)
    pad = 0.05 * (high - low)
    x, y = (np.linspace(a, b, 90) for a, b in zip(low - pad, high + pad, strict=True))
    points = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    for axis, (title, rule) in zip(axes, rules.items(), strict=True):
        votes = rule(points).reshape(len(y), len(x))
        axis.contourf(x, y, votes, levels=[-0.01, 0.5, 1.01], colors=["#D6E6F2", "#FBE3D3"])
        axis.contour(x, y, votes, levels=[0.5], colors="black", linewidths=1)
        for blast, mark, colour in ((False, "o", COLOURS["HEM"]), (True, "^", COLOURS["ALL"])):
            axis.plot(*numbers[labels == blast].T, mark, color=colour, markersize=3.5,
                      label="ALL" if blast else "HEM")  # fmt: skip
        axis.set(xlabel=names[0], title=title)
        axis.title.set_fontsize(10)
    axes[0].set_ylabel(names[1])
    figure.legend(*axes[0].get_legend_handles_labels(), frameon=False, fontsize=9, ncols=2,
                  loc="outside upper center")  # fmt: skip
    return figure


def plot_complexity(errors: pd.DataFrame) -> Figure:
    """Training and validation error by the number of neighbours; few neighbours stand right.

    Parameters
    ----------
    errors : pandas.DataFrame
        `neighbours`, `fold`, `training`, `validation` (shares wrong).
    """
    figure, axis = plt.subplots(figsize=(7.0, 3.7), layout="constrained")
    for name, dash, mark in (("training", "--", "s"), ("validation", "-", "o")):
        colour = COLOURS["train" if name == "training" else "validation"]
        for _, fold in errors.groupby("fold"):
            axis.plot(fold.neighbours, fold[name], dash, color=colour, lw=0.8, alpha=0.45)
        mean = errors.groupby("neighbours")[name].mean()
        axis.plot(mean.index, mean, dash, marker=mark, color=colour, lw=2.2, label=name,
                  markeredgecolor="black", markersize=6)  # fmt: skip
    axis.set(xscale="log", ylabel="share wrong", ylim=(0, None),
             xlabel="neighbours that vote (rules become more complex to the right)")  # fmt: skip
    ticks = sorted(errors.neighbours.unique())
    axis.set_xticks(ticks, [str(n) for n in ticks])
    axis.minorticks_off()
    axis.invert_xaxis()
    axis.legend(frameon=False, title="mean of the folds (thin: each)", title_fontsize=9, fontsize=9)
    return figure


def plot_chosen(found: pd.DataFrame, expected: Mapping[int, float]) -> Figure:
    """Accuracy of the best of many guessers, where it was chosen and on fresh images.

    Parameters
    ----------
    found : pandas.DataFrame
        `tries`, `chosen`, `fresh`: one row for each repetition.
    expected : mapping of int to float
        Tries to the expectation where it was chosen.
    """
    figure, axis = plt.subplots(figsize=(6.8, 3.5), layout="constrained")
    for name, title, colour, mark in (
        ("chosen", "on the part that chose it", COLOURS["test"], "o"),
        ("fresh", "on fresh images", COLOURS["HEM"], "s"),
    ):
        table = found.groupby("tries")[name].quantile([0.1, 0.5, 0.9]).unstack()
        spread = [table[0.5] - table[0.1], table[0.9] - table[0.5]]
        axis.errorbar(table.index, table[0.5], yerr=spread, fmt=mark, color=colour, capsize=4,
                      label=title)  # fmt: skip
    axis.plot(list(expected), list(expected.values()), "--", color=GREY, label="expected, exactly")
    axis.axhline(0.5, color="black", lw=0.9)
    axis.set(xscale="log", xlabel="coin-tossing classifiers tried", ylabel="accuracy of the best")
    axis.legend(frameon=False, fontsize=9)
    return figure


def plot_fold_scores(scores: pd.DataFrame) -> Figure:
    """Accuracy of several systems on each fold, with their means.

    Parameters
    ----------
    scores : pandas.DataFrame
        `system`, `fold`, `accuracy`, and `majority` (the share of the commoner class).
    """
    systems = list(dict.fromkeys(scores.system))
    figure, axis = plt.subplots(figsize=(7.2, 0.9 + 0.55 * len(systems)), layout="constrained")
    marks = "osD^v"
    for fold, table in scores.groupby("fold"):
        places = [systems[::-1].index(name) for name in table.system]
        axis.plot(table.accuracy, places, marks[fold % len(marks)] + "-", color=GREY, lw=0.6,
                  alpha=0.8, markersize=6, label=f"fold {fold + 1}")  # fmt: skip
    means = scores.groupby("system").accuracy.mean()
    axis.plot([means[name] for name in systems[::-1]], range(len(systems)), "|",
              color=COLOURS["ALL"], markersize=22, markeredgewidth=3, label="mean")  # fmt: skip
    common = scores.majority.mean()
    axis.axvline(common, color="black", linestyle=":", lw=1)
    axis.text(common, len(systems) - 0.45, "commoner class", fontsize=8, ha="center")
    axis.set_yticks(range(len(systems)), systems[::-1])
    axis.set(xlabel="accuracy on people not trained on", ylim=(-0.5, len(systems) - 0.3))
    figure.legend(frameon=False, fontsize=8.5, loc="outside upper center", ncols=6)
    return figure


def plot_stated(works: Sequence[Work]) -> Figure:
    """What the report tells of each work that it surveys: filled where it is told."""
    figure, axis = plt.subplots(figsize=(7.6, 2.9), layout="constrained")
    for row, work in enumerate(reversed(works)):
        for column, name in enumerate(STATED):
            told = getattr(work, name) not in (None, False)
            axis.plot(column, row, "o", markersize=13, markeredgecolor=GREY,
                      color=COLOURS["HEM"] if told else "white")  # fmt: skip
    axis.set_yticks(range(len(works)), [work.name for work in reversed(works)], fontsize=9)
    axis.set_xticks(range(len(STATED)), list(STATED.values()), fontsize=8.5)
    axis.xaxis.tick_top()
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set(xlim=(-0.6, len(STATED) - 0.4), ylim=(-0.6, len(works) - 0.4))
    return figure
