"""Figures of the chapter on the disease."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from ..figures import COLOURS
from .blood import apparent_share, draw_cell
from .facts import Leukemia, Share, Test

__all__ = ["LINEAGE", "Node", "describe_lineage", "plot_apparent", "plot_cells", "plot_four",
           "plot_lineage", "plot_shares", "plot_tests"]  # fmt: skip

GREY = "#555555"


@dataclass(frozen=True)
class Node:
    """A kind of cell in the tree: where it stands, where it comes from, what arises there."""

    name: str
    x: float
    y: float
    parent: str = ""
    leukemia: str = ""
    in_data: str = ""  # class of C-NMC whose cells it is


LINEAGE = (
    Node("stem cell", 4.9, 4.0, leukemia="CML"),
    Node("lymphoid\nprogenitor", 2.2, 3.0, "stem cell"),
    Node("myeloid\nprogenitor", 7.4, 3.0, "stem cell", "AML"),
    Node("B precursor\n(hematogone)", 1.0, 2.0, "lymphoid\nprogenitor", "ALL (B)", "HEM"),
    Node("T precursor\n(in the thymus)", 2.9, 2.0, "lymphoid\nprogenitor", "ALL (T)"),
    Node("red cell\nprecursor", 5.1, 2.0, "myeloid\nprogenitor"),
    Node("megakaryocyte", 6.7, 2.0, "myeloid\nprogenitor"),
    Node("myeloblast", 8.2, 2.0, "myeloid\nprogenitor"),
    Node("monoblast", 9.6, 2.0, "myeloid\nprogenitor"),
    Node("B lymphocyte", 1.0, 0.7, "B precursor\n(hematogone)", "CLL"),
    Node("T lymphocyte", 2.9, 0.7, "T precursor\n(in the thymus)"),
    Node("red cell", 5.1, 0.7, "red cell\nprecursor"),
    Node("platelets", 6.7, 0.7, "megakaryocyte"),
    Node("granulocyte", 8.2, 0.7, "myeloblast"),
    Node("monocyte", 9.6, 0.7, "monoblast"),
)


def plot_lineage() -> Figure:
    """Family tree of the blood cells, with where the four main leukemias arise."""
    figure, axis = plt.subplots(figsize=(8.2, 4.9), layout="constrained")
    at = {node.name: node for node in LINEAGE}
    for node in LINEAGE:
        if node.parent:
            parent = at[node.parent]
            axis.annotate("", (node.x, node.y + 0.16), (parent.x, _foot(parent)),
                          arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.1})  # fmt: skip
    for node in LINEAGE:
        line = COLOURS["ALL"] if node.leukemia else GREY
        fill = COLOURS["HEM"] if node.in_data else "white"
        axis.add_patch(Circle((node.x, node.y), 0.13, facecolor=fill, edgecolor=line,
                              lw=2.6 if node.leukemia else 1.2, zorder=3))  # fmt: skip
        axis.text(node.x, node.y - 0.19, node.name, ha="center", va="top", fontsize=8.5)
        if node.leukemia:
            # Beside the cell, on the side where no arrow comes in.
            left = node.y < 3 and node.parent and at[node.parent].x > node.x
            axis.text(node.x + (-0.19 if left else 0.19), node.y + 0.06, node.leukemia,
                      ha="right" if left else "left", va="bottom", fontsize=9, weight="bold",
                      color="#A04000")  # fmt: skip
    axis.axhline(1.12, color=GREY, linestyle=":", lw=1.2)
    axis.text(4.0, 1.17, "bone marrow", ha="center", va="bottom", fontsize=8, color=GREY)
    axis.text(4.0, 1.07, "blood", ha="center", va="top", fontsize=8, color=GREY)
    axis.set(xlim=(-0.2, 10.6), ylim=(0.15, 4.35), aspect="equal")
    axis.axis("off")
    return figure


def _foot(node: Node) -> float:
    """Height below the name of a kind of cell, where arrows start."""
    return node.y - 0.45 - 0.2 * node.name.count("\n")


def describe_lineage() -> str:
    """The tree in words: what comes from what, and which leukemia arises where."""
    plain = {node.name: node.name.replace("\n", " ") for node in LINEAGE}
    parts = []
    for node in LINEAGE:
        children = [plain[n.name] for n in LINEAGE if n.parent == node.name]
        if children:
            parts.append(f"from the {plain[node.name]} come {', '.join(children)}")
    arise = [f"{n.leukemia} at the {plain[n.name]}" for n in LINEAGE if n.leukemia]
    return (
        "Tree of blood cells: " + "; ".join(parts) + ". Leukemias arise: " + ", ".join(arise)
        + ". The last row is in the blood, the others in the marrow, T precursors in the thymus."
    )  # fmt: skip


def plot_cells(seed: int = 3) -> Figure:
    """A lymphocyte, a hematogone and a blast side by side, with what to look at."""
    notes = {
        "lymphocyte": ("mature lymphocyte", "small; chromatin in coarse clumps;\nno nucleolus"),
        "hematogone": (
            "hematogone",
            "small to middling; chromatin dense\nand even; hardly any rim",
        ),
        "blast": ("blast", "larger; chromatin fine; paler spots\n(nucleoli); outline often uneven"),
    }
    figure, axes = plt.subplots(1, 3, figsize=(7.6, 3.1), layout="constrained")
    for axis, (kind, (title, note)) in zip(axes, notes.items(), strict=True):
        axis.imshow(draw_cell(kind, seed=seed))
        axis.set_title(title, fontsize=11)
        axis.set_xlabel(note, fontsize=8.5)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    return figure


def plot_four(leukemias: Sequence[Leukemia]) -> Figure:
    """The four main leukemias as a table of speed and cell line."""
    figure, axis = plt.subplots(figsize=(7.4, 3.7), layout="constrained")
    columns, rows = ("lymphoid", "myeloid"), ("acute", "chronic")
    for entry in leukemias:
        x, y = columns.index(entry.line), 1 - rows.index(entry.speed)
        ours = entry.short == "ALL"
        paint = {"facecolor": "#FDEBDD" if ours else "#F4F4F4",
                 "edgecolor": COLOURS["ALL"] if ours else GREY}  # fmt: skip
        _box(axis, x * 1.05, y * 1.05, paint, lw=2.6 if ours else 1.0)
        middle = x * 1.05 + 0.5
        axis.text(middle, y * 1.05 + 0.80, entry.short, ha="center", va="center", fontsize=14,
                  weight="bold", color="black")  # fmt: skip
        axis.text(middle, y * 1.05 + 0.62, entry.name, ha="center", fontsize=8.5, color="black")
        text = "\n".join((*textwrap.wrap(entry.multiplies, 38), "",
                          *textwrap.wrap(entry.patients, 38)))  # fmt: skip
        axis.text(middle, y * 1.05 + 0.52, text, ha="center", va="top", fontsize=8, color="black")
    for place, name in enumerate(columns):
        axis.text(place * 1.05 + 0.5, 2.12, name, ha="center", fontsize=10)
    for place, name in enumerate(rows):
        axis.text(-0.06, (1 - place) * 1.05 + 0.5, name, ha="center", va="center", rotation=90,
                  fontsize=10)  # fmt: skip
    axis.set(xlim=(-0.15, 2.1), ylim=(-0.05, 2.25))
    axis.axis("off")
    return figure


def _box(axis: Axes, x: float, y: float, paint: Mapping[str, str], *, lw: float,
         width: float = 1.0, height: float = 1.0) -> None:  # fmt: skip
    axis.add_patch(FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.04",
                                  lw=lw, **paint))  # fmt: skip


def plot_tests(tests: Sequence[Test]) -> Figure:
    """The way to a diagnosis, step by step; a thick border where single cells are looked at,
    dashes where the report does not name the step."""
    figure, axis = plt.subplots(figsize=(7.6, 4.1), layout="constrained")
    columns = 4
    for number, test in enumerate(tests):
        row, column = divmod(number, columns)
        x, y = column * 1.16, -row * 1.3
        shape = "shapes of stained" in test.looks_at
        paint = {"facecolor": "#FDEBDD" if shape else "#F4F4F4",
                 "edgecolor": COLOURS["ALL"] if shape else GREY,
                 "linestyle": "-" if test.report else "--"}  # fmt: skip
        _box(axis, x, y, paint, lw=2.4 if shape else 1.3)
        axis.text(x + 0.5, y + 0.86, f"{number + 1}. {test.name}", ha="center", va="center",
                  fontsize=8.5, weight="bold", color="black")  # fmt: skip
        axis.text(x + 0.5, y + 0.73, textwrap.fill(test.looks_at, 24), ha="center", va="top",
                  fontsize=7.5, style="italic", color="black")  # fmt: skip
        axis.text(x + 0.5, y + 0.40, textwrap.fill(test.tells, 24), ha="center", va="top",
                  fontsize=7.5, color="black")  # fmt: skip
        if number + 1 < len(tests) and column + 1 < columns:
            axis.annotate("", (x + 1.155, y + 0.5), (x + 1.0, y + 0.5),
                          arrowprops={"arrowstyle": "-|>", "color": GREY})  # fmt: skip
    axis.set(xlim=(-0.03, columns * 1.16 - 0.1), ylim=(-1.35, 1.05))
    axis.axis("off")
    return figure


def plot_shares(shares: Sequence[Share]) -> Figure:
    """What part of childhood cancers is leukemia: by disease (shape) and age (colour)."""
    paint = {"childhood": COLOURS["validation"], "0 to 14": COLOURS["HEM"],
             "0 to 19": COLOURS["train"]}  # fmt: skip
    marks = {"ALL": "o", "all leukemias": "s"}
    figure, axis = plt.subplots(figsize=(7.4, 4.0), layout="constrained")
    order = sorted(shares, key=lambda s: (s.looked_up != "source", s.disease, s.ages, s.value))
    for place, share in enumerate(reversed(order)):
        axis.plot(share.value * 100, place, marks[share.disease], color=paint[share.ages],
                  markersize=10, markeredgecolor="black", markeredgewidth=0.8)  # fmt: skip
        if share.looked_up == "source":
            axis.axvline(share.value * 100, color=GREY, linestyle=":", lw=1, zorder=0)
    places = range(len(order) - 1, -1, -1)
    axis.set_yticks(list(places), [f"{s.source}: {s.disease}" for s in order], fontsize=8.5)
    for disease, mark in marks.items():
        axis.plot([], [], mark, color="white", markeredgecolor="black", label=disease)
    for ages, colour in paint.items():
        told = "age not said" if ages == "childhood" else f"ages {ages}"
        axis.plot([], [], "D", color=colour, markeredgecolor="black", label=told)
    axis.set(xlim=(0, 40), xlabel="per cent of all cancers of that age")
    figure.legend(frameon=False, fontsize=8.5, loc="outside upper center", ncols=5)
    return figure


def plot_apparent(
    classifiers: Mapping[str, tuple[float, float]], limits: Mapping[str, float]
) -> Figure:
    """Share of cells called blasts against the true share, for several classifiers.

    Parameters
    ----------
    classifiers : mapping of str to (float, float)
        Name to sensitivity and specificity.
    limits : mapping of str to float
        Shares at which something is decided.
    """
    figure, axis = plt.subplots(figsize=(7.2, 4.0), layout="constrained")
    share = np.linspace(0, 0.3, 61)
    axis.plot(100 * share, 100 * share, ":", color=GREY, label="no mistakes")
    styles = ("-", "--", "-.")
    colours = (COLOURS["ALL"], COLOURS["HEM"], COLOURS["train"])
    for (name, rates), dash, colour in zip(classifiers.items(), styles, colours, strict=False):
        axis.plot(100 * share, 100 * apparent_share(share, *rates), dash, color=colour, lw=2,
                  label=name)  # fmt: skip
    for name, value in limits.items():
        axis.axhline(100 * value, color="black", lw=0.9)
        axis.text(29.8, 100 * value + 0.4, name, ha="right", va="bottom", fontsize=8.5)
    axis.set(xlabel="cells that are blasts (%)", ylabel="cells called blasts (%)", xlim=(0, 30),
             ylim=(0, 38))  # fmt: skip
    axis.legend(frameon=False, fontsize=9, loc="upper left")
    return figure
