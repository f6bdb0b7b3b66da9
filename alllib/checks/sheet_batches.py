"""Checks of the project sheet's metrics: what a mean over batches leaves in the digits."""

from __future__ import annotations

import math
from itertools import combinations_with_replacement

from ..recipes import load_recipe
from .finding import Finding
from .sheet import RECIPE, RELEASED, classes, part_sizes

__all__ = [
    "attainable", "batch_count", "batch_counts", "batch_means", "batches", "expected_recall",
    "faultless_epoch", "faultless_recall", "fitting_parts", "harmonic", "shares_in_log",
    "specificity_of_two", "test_part",
]  # fmt: skip


def batches(images: int) -> list[int]:
    """Sizes of the batches that so many images make."""
    size = load_recipe(RECIPE).training.batch
    return [size] * (images // size) + ([images % size] if images % size else [])


def batch_means(images: int, *, mistakes: int = 30) -> dict[float, list[int]]:
    """Accuracies, averaged over batches, that some mistakes can give.

    Parameters
    ----------
    images : int
        Of the part.
    mistakes : int
        At most so many.

    Returns
    -------
    dict of float to list of int
        Accuracy to mistakes in full batches and in the last, smaller one.
    """
    sizes = batches(images)
    full, last = sizes[0], sizes[-1]
    most = min(mistakes, last) if last < full else 0
    return {
        1 - (a / full + b / last) / len(sizes): [a, b]
        for a in range(mistakes + 1)
        for b in range(most + 1)
    }


def attainable(value: float, images: int) -> list[str]:
    """Ways in which an accuracy of five decimals can come from a part of so many images."""
    ways = []
    if round(round(value * images) / images, 5) == round(value, 5):
        ways.append("share of images")
    for mean, (full, last) in batch_means(images).items():
        if round(mean, 5) == round(value, 5):
            ways.append(f"mean of batches, {full} mistakes in full batches and {last} in the last")
    return ways


def fitting_parts(published: float) -> Finding:
    """Parts that the printed accuracy can be of."""
    sizes = {part: sum(sizes.values()) for part, sizes in part_sizes().items() if part != "train"}
    fits = {part: attainable(published, images) for part, images in sizes.items()}
    told = "; ".join(
        f"{part} ({sizes[part]} images): {' or '.join(ways) or 'impossible'}"
        for part, ways in fits.items()
    )
    found = [part for part, ways in fits.items() if ways]
    return Finding(", ".join(found) or "none", agrees=found == ["test"], note=f"{told}.")


def test_part() -> Finding:
    """The part that the printed accuracy can be of."""
    found = fitting_parts(load_recipe(RECIPE).published["accuracy"])
    return Finding(
        found.value,
        agrees=found.value == "test",
        note="The log has all five figures, to the last digit, in the validation row of its last "
        "epoch, and no row of a test; the test cell of the public notebook has no output.",
    )


def expected_recall(part: str = "validation") -> float:
    """Recall of a faultless network, averaged over classes and batches, to be expected.

    A class that lacks in a batch counts 0 there, as in the public code; images are dealt to
    batches at random.
    """
    counts = part_sizes()[part]
    total, sizes = sum(counts.values()), batches(sum(counts.values()))
    absent = sum(
        math.comb(total - number, size) / math.comb(total, size)
        for number in counts.values()
        for size in sizes
    )
    return 1 - absent / (len(counts) * len(sizes))


def faultless_recall(published: float) -> Finding:
    """`expected_recall` of the validation part, beside the printed value."""
    value = expected_recall()
    return Finding(
        round(value, 5),
        agrees=published < value - 0.01,
        note="A network without a mistake would be expected to score this, because a class that "
        "lacks in a batch of 16 counts as a recall of 0 there. The printed value says nothing of "
        "images that were missed.",
    )


def specificity_of_two(published: float) -> Finding:
    """Whether two mistakes, in batches that hold 8 to 16 images of other classes, give it."""
    entries = classes() * len(batches(sum(part_sizes()["validation"].values())))
    pairs = [
        pair
        for pair in combinations_with_replacement(range(8, 17), 2)
        if round(1 - sum(1 / others for others in pair) / entries, 5) == round(published, 5)
    ]
    return Finding(
        [list(pair) for pair in pairs],
        agrees=bool(pairs),
        note="Each pair is the number of images of other classes in the two batches concerned.",
    )


def harmonic() -> float:
    """F1 that belongs to the printed precision and recall."""
    published = load_recipe(RECIPE).published
    precision, recall = published["precision"], published["recall"]
    return round(2 * precision * recall / (precision + recall), 5)


def faultless_epoch(published: list) -> Finding:
    """Missing classes that a recall below 1 beside an accuracy of 1 tells of.

    Parameters
    ----------
    published : list of float
        Accuracy and recall of an epoch in the public log.
    """
    entries = classes() * len(batches(sum(part_sizes()["validation"].values())))
    accuracy, recall = published
    lacking = (1 - recall) * entries
    return Finding(
        [1.0, round(1 - round(lacking) / entries, 5)],
        agrees=accuracy == 1 and math.isclose(lacking, round(lacking), abs_tol=0.001),
        note=f"All images right, and a recall that is {round(lacking)} whole entries of {entries} "
        "short: a class that no image of a batch has counts 0 there.",
    )


def batch_count(part: str) -> int:
    """Batches of a part."""
    return len(batches(sum(part_sizes()[part].values())))


def shares_in_log(published: list, logged: list[int]) -> Finding:
    """Whether each share is among those for which so many batches are logged.

    Parameters
    ----------
    published : list of float
        Shares of training, validation and test part.
    logged : list of int
        Batches of an epoch in training and in validation.
    """
    size, total = load_recipe(RECIPE).training.batch, sum(RELEASED.values())
    sizes = [(size * (number - 1) + 1, size * number) for number in logged]
    rest = [total - sum(high for _, high in sizes), total - sum(low for low, _ in sizes)]
    spans = [(low / total, high / total) for low, high in [*sizes, rest]]
    return Finding(
        ", ".join(f"{low:.3f} to {high:.3f}" for low, high in spans),
        agrees=all(low <= one <= high for one, (low, high) in zip(published, spans, strict=True)),
    )


def batch_counts() -> list[int]:
    """Batches of an epoch in training and in validation."""
    return [batch_count("train"), batch_count("validation")]
