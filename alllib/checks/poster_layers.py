"""Checks of the poster's layer table: what its rows say of each other."""

from __future__ import annotations

import math

from ..recipes import load_recipe
from .finding import Finding
from .poster import RECIPE

__all__ = [
    "input_side", "kernel", "kinds_of_layer", "numbers_of_layers", "pool",
    "stride", "units",
]  # fmt: skip


def rows_printed() -> list[list]:
    """Rows of the layer table as printed: name, output shape, parameters."""
    return load_recipe(RECIPE).published["layers"]


def kinds_of_layer(kind: str) -> int:
    """Rows of the layer table whose name begins like this."""
    return sum(name.startswith(kind) for name, *_ in rows_printed())


def input_side() -> int:
    """Side of the input: a 3x3 window without padding takes two pixels away."""
    return rows_printed()[0][1][0] + 2


def stride() -> int:
    """Stride of the second convolution, from the two sides that the table prints.

    A 3x3 window without padding gives (side - 3) // stride + 1; a side shrinks to a third
    where the stride is 3.
    """
    before, after = (rows_printed()[place][1][0] for place in (0, 1))
    fits = [step for step in range(1, 10) if (before - 3) // step + 1 == after]
    return fits[0]


def kernel() -> list[int]:
    """Filters and side of their window, from the parameters of the first convolution."""
    _, (_, _, filters), number = rows_printed()[0]
    return [filters, math.isqrt((number // filters - 1) // 3)]


def pool() -> int:
    """Side of the pooling window, from the sides that the table prints."""
    return rows_printed()[1][1][0] // rows_printed()[2][1][0]


def units() -> list[int]:
    """Length of the flattened features, and parameters of the two dense layers."""
    rows = rows_printed()
    side, _, channels = rows[7][1]
    flat = side * side * channels
    hidden = rows[9][1][0]
    return [flat, (flat + 1) * hidden, hidden + 1]


def numbers_of_layers() -> Finding:
    """Whether printed layer names are the numbers of a whole session of one Keras process.

    A fresh session counts from 1 (the first layer of a kind has no number).
    """
    kinds: dict[str, list[int]] = {}
    for name, *_ in rows_printed():
        kind, _, number = name.rpartition("_")
        kind, number = (kind, number) if number.isdigit() else (name, "0")
        kinds.setdefault(kind, []).append(int(number))
    first = {kind: min(found) for kind, found in kinds.items()}
    return Finding(
        [f"{kind} from {number}" for kind, number in first.items()],
        agrees=min(first.values()) > 0,
        note="Keras numbers the layers of a session as they are built, so that others were built "
        "before these. The numbers have no other meaning, and `renamed` in the recipe maps them "
        "to ours.",
    )
