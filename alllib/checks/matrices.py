"""Checks of printed results: what a confusion matrix or a share of images implies."""

from __future__ import annotations

import math

from ..recipes import load_recipe
from ..uncertainty import wilson
from .finding import Finding

__all__ = [
    "as_per_cent",
    "class_scores",
    "class_totals",
    "correct_counts",
    "fits_a_count",
    "gives_accuracy",
    "metric",
    "per_cent",
    "remaining",
    "scored_part",
]


def metric(recipe: str, name: str, positive: int = 0, digits: int = 6) -> Finding:
    """A metric of the recipe's published confusion matrix.

    Parameters
    ----------
    recipe : str
    name : str
        `accuracy`, `precision`, `recall`, `f1`, `specificity`, or `total` (images),
        `majority` (share of the commoner class).
    positive : int
        Class that counts as the finding: 0 is the first row.
    digits : int
        Decimals kept.
    """
    matrix = [list(row) for row in load_recipe(recipe).published["confusion"]]
    found = _metrics(matrix, positive)
    value, note = found[name], ""
    if name == "accuracy":
        low, high = wilson(found["correct"], found["total"])
        note = (
            f"95 % interval {low:.3f} to {high:.3f} if the images were independent, which they "
            f"are not; always the commoner class would score {found['majority']:.3f}."
        )
    return Finding(value if name == "total" else round(value, digits), note)


def _metrics(matrix: list[list[int]], positive: int) -> dict[str, float]:
    """Metrics of a matrix of two classes; rows are true, columns predicted."""
    other = 1 - positive
    hit, missed = matrix[positive][positive], matrix[positive][other]
    false, right = matrix[other][positive], matrix[other][other]
    total, correct = hit + missed + false + right, hit + right
    return {
        "total": total,
        "correct": correct,
        "accuracy": correct / total,
        "majority": max(hit + missed, false + right) / total,
        "precision": hit / (hit + false),
        "recall": hit / (hit + missed),
        "specificity": right / (right + false),
        "f1": 2 * hit / (2 * hit + false + missed),
    }


def class_scores(published: float, recipe: str, name: str, defined: int = 0) -> Finding:
    """A metric for the class that the source defines as positive, and for the other.

    The claim holds when the printed value, with its decimals, is that of the class `defined`.
    """
    names = ("ALL", "HEM")
    matrix = [list(row) for row in load_recipe(recipe).published["confusion"]]
    values = [_metrics(matrix, positive)[name] for positive in (0, 1)]
    places = _decimals(published)
    matches = [names[k] for k in (0, 1) if round(values[k], places) == published]
    told = " and ".join(matches) or "neither class"
    note = (
        ", ".join(f"{names[k]}: {values[k]:.4f}" for k in (0, 1))
        + f"; the printed value is that of {told}."
    )
    return Finding(round(values[defined], 4), note, agrees=names[defined] in matches)


def _decimals(value: float) -> int:
    """Decimals with which a number was printed, at least two for a share."""
    return max(2, len(str(value).partition(".")[2]))


def correct_counts(published: list, total: int, others: list[int]) -> Finding:
    """Numbers of right answers among `total` images that give the printed shares exactly.

    `others` are totals for which the same is tried, to see whether they are excluded.
    """
    counts = [_count(share, total, _decimals(share)) for share in published]
    out = [n for n in others if None in [_count(share, n, _decimals(share)) for share in published]]
    told = " and ".join(f"{n:,}" for n in out) or "none"
    return Finding(
        counts, f"Of other totals tried, excluded by the digits: {told}.", agrees=None not in counts
    )


def _count(share: float, total: int, places: int) -> int | None:
    """The number of images whose share of the total rounds to `share`."""
    near = (math.floor(share * total), math.ceil(share * total))
    return next((k for k in near if round(k / total, places) == round(share, places)), None)


def fits_a_count(published: float, totals: list[int], others: tuple[int, ...] = ()) -> Finding:
    """Totals of images of which a printed accuracy, rounded or cut, can be a share.

    `others` are totals of other parts, which are named in the note and decide nothing.
    """
    fits = [total for total in totals if _share_of(published, total)]
    value = ", ".join(f"{total:,}" for total in fits) or "none of them"
    note = f"Tried: {', '.join(f'{n:,}' for n in totals)} images."
    if others:
        told = ", ".join(
            f"{n:,} {'would fit' if _share_of(published, n) else 'would not fit either'}"
            f"{_told_count(published, n)}"
            for n in others
        )
        near = range(min(totals) - 500, max(totals) + 500)
        chance = sum(_share_of(published, n) for n in near) / len(near)
        note += f" Of another part: {told}; {chance:.0%} of the totals near by fit by chance."
    return Finding(value, note, agrees=bool(fits))


def _told_count(share: float, total: int) -> str:
    """The number of right answers that gives a printed share, in brackets."""
    count = _count(share, total, _decimals(share))
    return "" if count is None else f" ({count:,} right answers)"


def _share_of(share: float, total: int) -> bool:
    """Whether a printed share, rounded or cut, can be one of so many images."""
    places = _decimals(share)
    near = range(math.floor(share * total) - 1, math.ceil(share * total) + 2)
    cut = [math.floor(k / total * 10**places + 1e-9) / 10**places for k in near]
    return round(share, places) in [round(k / total, places) for k in near] + cut


def gives_accuracy(published: list, recipe: str) -> Finding:
    """Accuracy of a printed matrix, beside the one that is printed with it."""
    value = _metrics([list(row) for row in published], 0)["accuracy"]
    wanted = load_recipe(recipe).published["accuracy"]
    return Finding(round(value, 6), agrees=round(value, _decimals(wanted)) == wanted)


def remaining(done: int, total: int, rate: float) -> int:
    """Whole seconds that a progress bar should still show."""
    return int((total - done) / rate)


def per_cent(done: int, total: int) -> int:
    """Per cent done, as a progress bar rounds it."""
    return round(100 * done / total)


def as_per_cent(recipe: str, name: str, positive: int) -> str:
    """A metric of the published confusion matrix in per cent, in words."""
    return f"{100 * metric(recipe, name, positive).value:.0f} %"


def class_totals(recipe: str) -> Finding:
    """Row sums of the published matrix against the recipe's split of the official list."""
    from .counts import listed_classes

    printed = [sum(row) for row in load_recipe(recipe).published["confusion"]]
    listed = listed_classes(recipe, "validation")
    short = ", ".join(f"{one - other}" for one, other in zip(listed, printed, strict=True))
    note = f"Images of each class: the printed rows hold {printed}, short by {short}."
    return Finding(listed, note)


def scored_part(recipe: str) -> Finding:
    """Whether the matrix has as many images as the part that the log validates on."""
    total = _metrics([list(row) for row in load_recipe(recipe).published["confusion"]], 0)["total"]
    same = total == load_recipe(recipe).published["scored_images_log"]
    value = "validation part" if same else "part of another size"
    return Finding(value, f"The matrix holds {total:,} images.")
