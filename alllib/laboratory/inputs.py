"""What the laboratory can work with, said before an image is read."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral

import pandas as pd

from ..datasets import get_dataset
from ..errors import DataError, ParameterError
from .network import small_recipe

__all__ = ["require_settings", "usable_cells"]


def usable_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Labelled rows that are of no test phase, sorted by name.

    Raises
    ------
    DataError
        When there is none, or none of a second class.
    """
    if cells.empty:
        raise DataError("There is no image to work with.", remedy="Check the folder.")
    usable = cells.label.notna() & ~cells.fold.isin(["preliminary", "final"])
    table = cells[usable].sort_values("image").reset_index(drop=True)
    classes = get_dataset(cells.attrs["dataset"]).classes
    found = table.label.nunique()
    if found < 2:
        raise DataError(
            f"Of {len(cells):,} images {len(table):,} can be used here, of {found} "
            f"{'class' if found == 1 else 'classes'}: labelled, and of no test phase.",
            remedy=f"Give labelled training images of {' and '.join(classes)}.",
        )
    return table


def require_settings(
    seeds: Sequence[int], *, repeats: int, epochs: int, size: int, networks: bool
) -> None:
    """Check the sizes of a laboratory.

    Parameters
    ----------
    seeds : sequence of int
        One network each.
    repeats, epochs, size : int
        See `prepare_scene`.
    networks : bool
        Whether networks are trained at all; without, only `repeats` matters.

    Raises
    ------
    ParameterError
        When a number is no whole one or too small, or seeds are lacking or stand twice.
    """
    _require_whole("repeats", repeats, 1)
    if not networks:
        return
    _require_whole("epochs", epochs, 1)
    _require_whole("size", size, small_recipe().architecture.minimum_input)
    for seed in seeds:
        _require_whole("seeds", seed, 0)
    if not len(seeds) or len(set(seeds)) < len(seeds):
        raise ParameterError(
            "A network needs a seed of its own"
            + (", and one stands twice." if len(seeds) else ", and there is none."),
            where="seeds",
            remedy="Give different whole numbers, like 1, 2, 3, 4, 5.",
        )


def _require_whole(name: str, value: object, least: int) -> None:
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ParameterError(
            f"{name} must be whole and at least {least}, not {value!r}.",
            where=name,
            remedy=f"Choose {least} or more.",
        )
