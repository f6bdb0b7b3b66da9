"""Checks of the transfer-learning paper: its layer table, its one result, its formulas."""

from __future__ import annotations

import math

from ..downloads import official_files
from ..recipes import load_recipe
from .finding import Finding

__all__ = [
    "accuracy_formula", "cheaper_systems", "class_sizes", "even_matrix",
    "final_classes", "labelled_images", "matrix_total", "more_than", "phase_size",
    "right_of_class", "same_for", "tested_parts", "types",
]  # fmt: skip

RECIPE = "garg2021-vgg19"
PHASES = ("train", "test_prelim", "test_final")


def phase_sizes() -> list[int]:
    """Images of the three official phases, and of all."""
    counts = official_files().phase.value_counts()
    each = [int(counts[phase]) for phase in PHASES]
    return [*each, sum(each)]


def phase_size(phase: str) -> int:
    """Images of an official phase, or of `all`."""
    return dict(zip((*PHASES, "all"), phase_sizes(), strict=True))[phase]


def labelled_images(phase: str) -> int:
    """Images of a phase whose class was published."""
    files = official_files()
    return int(files["class"][files.phase == phase].notna().sum())


def matrix() -> list[list[int]]:
    """The printed confusion matrix; rows true, columns predicted, ALL first."""
    return [list(row) for row in load_recipe(RECIPE).published["confusion"]]


def matrix_total() -> Finding:
    """Images of the confusion matrix, beside the sums of official phases."""
    total = sum(map(sum, matrix()))
    _, prelim, final, _ = phase_sizes()
    return Finding(
        total,
        agrees=total == prelim + final,
        note=f"It equals {prelim:,} + {final:,}, the sizes of both test phases together.",
    )


def class_sizes() -> Finding:
    """ALL and HEM images among those test images whose class is known."""
    files = official_files()
    known = files["class"][files.phase == "test_prelim"].value_counts()
    rows = [sum(row) for row in matrix()]
    value = [int(known["all"]), int(known["hem"])]
    lack = sum(rows) - sum(value)
    return Finding(
        value,
        agrees=rows == value,
        note=f"The matrix has {rows[0]:,} and {rows[1]:,}. Of its {sum(rows):,} images {lack:,} "
        "would be of the final phase, whose classes were never published.",
    )


def final_classes() -> Finding:
    """ALL and HEM images that the final phase would need to fill the matrix."""
    need = [sum(row) - known for row, known in zip(matrix(), class_sizes().value, strict=True)]
    return Finding(
        need,
        agrees=labelled_images("test_final") == sum(need),
        note=f"So many labels would be needed and {labelled_images('test_final')} are there. "
        "Two classes that differ by one image are what drawing equally many of each gives: "
        "images of the larger class left out, or of the smaller one copied before the split. "
        "Which of them it was, if either, cannot be known.",
    )


def right_of_class(label: str) -> list[int]:
    """Right answers and images of a class."""
    row = ("ALL", "HEM").index(label)
    return [matrix()[row][row], sum(matrix()[row])]


def same_for(published: float) -> Finding:
    """Metrics of the matrix that round to the printed one, among those in common use."""
    (hit, missed), (false, right) = matrix()
    ill, well = hit + missed, false + right
    values = {
        "accuracy": (hit + right) / (ill + well),
        "sensitivity": hit / ill,
        "specificity": right / well,
        "precision": hit / (hit + false),
        "F1": 2 * hit / (2 * hit + false + missed),
        "balanced accuracy": (hit / ill + right / well) / 2,
    }
    same = [name for name, value in values.items() if round(value, 4) == round(published, 4)]
    told = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    return Finding(
        ", ".join(same),
        agrees=len(same) > 1,
        note=f"One metric is reported. Computed from the matrix: {told}. Several agree because "
        "the two classes of the matrix are of one size.",
    )


def tested_parts(published: int) -> Finding:
    """Images that the paper names as testing data, beside those of its matrix."""
    named = load_recipe(RECIPE).published["test_images"]
    return Finding(
        named,
        agrees=named > published,
        note="The matrix can exceed that only by counting the validation images, which the paper "
        "says it judged the training by, as test images.",
    )


def more_than(published: int, key: str) -> Finding:
    """A published number of images, beside a round one that it is said to exceed."""
    number = load_recipe(RECIPE).published[key]
    return Finding(number, agrees=number > published)


def even_matrix() -> Finding:
    """Share of ALL in the matrix, beside that of all images with a published class."""
    ill, well = (sum(row) for row in matrix())
    known = official_files()["class"].dropna()
    share = float((known == "all").mean())
    total = ill + well
    spread = math.sqrt(share * (1 - share) / total)
    return Finding(
        round(ill / total, 4),
        agrees=abs(ill / total - share) < 3 * spread,
        note=f"Of the images with a published class {share:.1%} are ALL; a random part of "
        f"{total:,} would stray from that by {spread:.1%}.",
    )


def accuracy_formula(above: tuple[int, int] = (0, 3)) -> Finding:
    """The formula with the four printed counts, held against answers counted one by one.

    `above` are the places of the counts above the line, of those right, missed, false, right.
    """
    counts = [number for row in matrix() for number in row]
    value = sum(counts[place] for place in above) / sum(counts)
    pairs = [(true, called) for true in "AH" for called in "AH"]
    answers = [pair for pair, n in zip(pairs, counts, strict=True) for _ in range(n)]
    share = sum(true == called for true, called in answers) / len(answers)
    return Finding(round(value, 6), agrees=math.isclose(value, share))


def cheaper_systems(others: list[str]) -> Finding:
    """How many other systems of this study need fewer operations for an image."""
    from .networks import describe

    own = describe(RECIPE).flops
    cheaper = [name for name in others if describe(name).flops < own]
    return Finding(
        f"{len(cheaper)} of {len(others)} others need less",
        reason="No time and no other process is given to compare with. A time for each image, "
        "for this network and for the process meant, would settle it.",
        note=f"One image takes {own / 1e9:.0f} billion operations.",
    )


def types() -> list[str]:
    """Types that two speeds and two cell lines make."""
    speeds, lines = ("acute", "chronic"), ("lymphocytic", "myelogenous")
    return [f"{speed} {line}" for line in lines for speed in speeds]
