"""Where the convolutions of the report's network can stand: by arithmetic alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from ..recipes import load_recipe
from .finding import Finding

__all__ = ["count_of_convolutions", "filters_that_fit", "halved_sides", "output_units",
           "printed_rows", "weighted_layers", "windows_that_fit"]  # fmt: skip

LARGEST = 7  # side of the windows that are tried


def _weights(repeats: Sequence[int], filters: Sequence[int], window: int = 3) -> tuple[int, int]:
    """All weights, and those that no gradient moves, of convolutions with bias and
    normalisation."""
    total = unmoved = 0
    depth = 3
    for number, width in zip(repeats, filters, strict=True):
        for _ in range(number):
            total += (window * window * depth + 1) * width + 4 * width
            unmoved += 2 * width
            depth = width
    return total, unmoved


def _printed(recipe: str) -> tuple[int, int]:
    """Printed totals of the convolutional part: all weights, and those not trained."""
    published = load_recipe(recipe).published
    total = published["convolutional_parameters"]
    return total, total - published["convolutional_trainable"]


def _ways(convolutions: int, blocks: int) -> list[tuple[int, ...]]:
    """Ways to place so many convolutions in blocks of at least one."""
    longest = convolutions - blocks + 1
    every = product(range(1, longest + 1), repeat=blocks)
    return [way for way in every if sum(way) == convolutions]


def _fitting(recipe: str, convolutions: int) -> tuple[int, list[tuple[int, ...]]]:
    """How many ways there are to place so many convolutions, and those that fit the totals."""
    filters, wanted = load_recipe(recipe).architecture.settings["filters"], _printed(recipe)
    ways = _ways(convolutions, len(filters))
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


def windows_that_fit(recipe: str) -> list[int]:
    """Sides of convolution windows for which some placement gives the printed totals."""
    filters, wanted = load_recipe(recipe).architecture.settings["filters"], _printed(recipe)
    ways = [way for number in range(6, 16) for way in _ways(number, len(filters))]
    return [
        window
        for window in range(1, LARGEST + 1)
        if any(_weights(way, filters, window) == wanted for way in ways)
    ]


def filters_that_fit(published: list, recipe: str) -> Finding:
    """Numbers of filters for which the printed totals come out: as printed, or one of the
    blocks above the printed rows halved or doubled."""
    wanted, rows = _printed(recipe), load_recipe(recipe).published["layers"]
    known = {int(name[5]): shape[-1] for name, shape, _ in rows if "_conv" in name}
    repeats = tuple(sum(f"block{number}_conv" in row[0] for row in rows) for number in known)
    hidden = [place for place in range(len(published)) if place + 1 not in known]
    tried = [[known.get(place + 1, width) for place, width in enumerate(published)]]
    for place in hidden:
        for factor in (0.5, 2):
            other = list(tried[0])
            other[place] = int(other[place] * factor)
            tried.append(other)
    ways = [(*first, *repeats) for first in product(range(1, 10), repeat=len(hidden))]
    fits = [one for one in tried if any(_weights(way, one) == wanted for way in ways)]
    note = f"Of {len(tried)} lists tried above the printed rows, {len(fits)} give the totals."
    return Finding(fits[0] if len(fits) == 1 else fits, note)


def printed_rows(recipe: str, name: str) -> int:
    """Rows of the printed layer table whose name begins so."""
    rows = load_recipe(recipe).published["layers"]
    return sum(row[0].startswith(f"{name}_") for row in rows)


def output_units(recipe: str) -> int:
    """Width of the last row of the printed layer table."""
    return load_recipe(recipe).published["layers"][-1][1][0]


def halved_sides(recipe: str, step: int = 2) -> Finding:
    """Sides of the maps below each printed pooling, from the first printed side."""
    rows = load_recipe(recipe).published["layers"]
    side = next(shape[0] for name, shape, _ in rows if "_conv" in name)
    sides = []
    for _ in range(sum("_pool" in name for name, *_ in rows)):
        side = -(-side // step)
        sides.append(side)
    return Finding(
        sides,
        f"What a window with step {step} leaves where it pads. Sides depend on the step alone "
        "then: a larger window with the same step would leave the same.",
    )
