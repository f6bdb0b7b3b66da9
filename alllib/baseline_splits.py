"""Splits that a baseline is scored on: those of the sources, and every fold of a protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from .datasets import get_dataset
from .recipes import list_recipes, load_recipe, split_by_recipe
from .splits import Split, make_split, split_random

__all__ = ["Scheme", "list_schemes"]


@dataclass(frozen=True)
class Scheme:
    """One split of a protocol, and what it stands for.

    Attributes
    ----------
    protocol : str
    name : {"published", "fold", "given"}
    split : Split
    fold : int or None
    recipes : tuple of str
        Those whose source split so.
    """

    protocol: str
    name: str
    split: Split
    fold: int | None = None
    recipes: tuple[str, ...] = ()


def list_schemes(
    cells: pd.DataFrame, protocol: str, *, folds: int = 5, seed: int = 2019
) -> Iterator[Scheme]:
    """Published splits of a protocol first, then its folds.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; its `attrs` name the data set.
    protocol : str
    folds, seed : int
        As of `splits.make_split`; protocol `folds` has the organisers' number of folds.

    Yields
    ------
    Scheme

    Raises
    ------
    SplitError
        When the data does not allow the protocol.
    """
    by_hash: dict[str, tuple[Split, list[str]]] = {}
    for recipe in map(load_recipe, list_recipes()):
        same = (
            get_dataset(recipe.data.dataset).classes == get_dataset(cells.attrs["dataset"]).classes
        )
        if same and recipe.data.published_protocol == protocol:
            split = split_by_recipe(recipe, cells, "published")
            by_hash.setdefault(split.certificate["hash"], (split, []))[1].append(recipe.name)
    for split, recipes in by_hash.values():
        yield Scheme(protocol, "published", split, recipes=tuple(recipes))
    if protocol == "image":
        for fold in range(folds):
            split = split_random(cells, folds=folds, seed=seed, fold=fold)
            yield Scheme(protocol, "fold", split, fold)
        return
    numbers = range(folds)
    if protocol == "folds":
        used = make_split(cells, protocol, seed=seed).certificate["settings"]["used"]
        numbers = [int(name.rpartition("_")[2]) for name in used]
    for fold in numbers:
        split = make_split(cells, protocol, seed=seed, folds=folds, fold=fold)
        yield Scheme(protocol, "fold", split, fold)
