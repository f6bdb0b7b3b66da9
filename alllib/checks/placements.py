"""Where the convolutions of the report's network can stand: by arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from ..recipes import load_recipe
from .finding import Finding

__all__ = ["count_of_convolutions", "input_sides", "weighted_layers"]


def _weights(repeats: Sequence[int], filters: Sequence[int]) -> tuple[int, int]:
    """All weights, and those that no gradient moves, of 3x3 convolutions with bias and
    normalisation."""
    total = unmoved = 0
    depth = 3
    for number, width in zip(repeats, filters, strict=True):
        for _ in range(number):
            total += (9 * depth + 1) * width + 4 * width
            unmoved += 2 * width
            depth = width
    return total, unmoved


def _fitting(recipe: str, convolutions: int) -> tuple[int, list[tuple[int, ...]]]:
    """How many ways there are to place so many convolutions, and those that fit the totals."""
    known = load_recipe(recipe)
    filters, published = known.architecture.settings["filters"], known.published
    wanted = (
        published["convolutional_parameters"],
        published["convolutional_parameters"] - published["convolutional_trainable"],
    )
    longest = convolutions - len(filters) + 1
    ways = [
        way
        for way in product(range(1, longest + 1), repeat=len(filters))
        if sum(way) == convolutions
    ]
    return len(ways), [way for way in ways if _weights(way, filters) == wanted]


def count_of_convolutions(published: int, recipe: str) -> Finding:
    """The number of convolutions for which the printed totals of weights come out."""
    fits = {number: _fitting(recipe, number) for number in range(6, published + 2)}
    numbers = [number for number, (_, found) in fits.items() if found]
    placed = "; ".join(", ".join(map(str, way)) for n in numbers for way in fits[n][1])
    tried, found = fits[published]
    note = (
        f"Of the {tried:,} ways to place {published} convolutions in six blocks, {len(found)} "
        f"give the printed totals; what fits is {placed} in blocks 1 to 6."
    )
    return Finding(numbers[0] if len(numbers) == 1 else numbers, note)


def weighted_layers(recipe: str) -> int:
    """Convolutions that fit the printed totals, and the dense layers."""
    known = load_recipe(recipe)
    settings = known.architecture.settings
    number = count_of_convolutions(known.published["convolutions_text"], recipe).value
    return number + len(settings["dense"]) + 1


def input_sides(side: int, pools: int) -> list[int]:
    """Smallest and largest input that so many poolings by two, rounded up, make `side` wide."""
    smallest = largest = side
    for _ in range(pools):
        smallest, largest = 2 * smallest - 1, 2 * largest
    return [smallest, largest]
