"""Checks against other print: another place of the same source, a recipe, or the literature."""

from __future__ import annotations

from typing import Any

from ..recipes import load_recipe
from ..recipes.schema import parameter, plain
from .counts import official_images
from .finding import Finding

__all__ = ["accuracies", "cited", "edition", "few_hundred", "in_recipe", "increasing", "margin",
           "other_result", "printed"]  # fmt: skip


def cited(value: Any) -> Any:
    """What the cited work says."""
    return value


def edition(published: Any, value: Any, reason: str) -> Finding:
    """What a cited work says, where the source may follow another edition of it."""
    return Finding(value, reason="" if value == published else reason)


def printed(value: Any) -> Any:
    """What another place of the same source says, or the source that is written after it."""
    return value


def in_recipe(recipe: str, key: str) -> Any:
    """What a recipe holds, by its dotted place: it may be of another source."""
    return plain(parameter(load_recipe(recipe).as_dict(), key))


def increasing(published: list) -> Finding:
    """Whether each printed value is above the one before."""
    rises = all(one < other for one, other in zip(published, published[1:], strict=False))
    return Finding("each above the last" if rises else "not rising", agrees=rises)


def accuracies(recipes: list[str]) -> list[float]:
    """Published accuracies of some recipes."""
    return [load_recipe(recipe).published["accuracy"] for recipe in recipes]


def other_result(recipe: str) -> Finding:
    """The accuracy that another source reports, beside that of the commoner class."""
    accuracy = load_recipe(recipe).published["accuracy"]
    every, ill = official_images("train"), official_images("train", "all")
    usual = max(ill, every - ill) / every
    return Finding(
        f"reach {accuracy}",
        f"Always the commoner class would reach {usual:.3f} of the training images.",
        agrees=accuracy <= usual,
    )


def margin(published: float, better: float, worse: float) -> Finding:
    """Whether two cited values lie further apart than was printed."""
    value = round(worse - better, 2)
    return Finding(value, agrees=value > published)


def few_hundred(numbers: list) -> Finding:
    """Whether cited numbers of images add up to some hundreds."""
    total = sum(numbers)
    return Finding(total, agrees=200 <= total < 1000)
