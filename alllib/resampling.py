"""Draws of subject groups, the same for every statistic of the same table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import DataError
from .evaluation import draw_groups

__all__ = ["Groups", "find_groups"]


@dataclass(frozen=True)
class Groups:
    """Which group each row of a table belongs to.

    Attributes
    ----------
    codes : numpy.ndarray
        Shape (rows,), group of each row, from 0.
    classes : numpy.ndarray
        Shape (rows,), class of each row, from 0.
    named : bool
        False where the table names no groups: then each image is a group of its own.
    several : bool
        Whether every class has two groups or more. With one there is no interval: drawn
        again and again, it would give one without width.
    """

    codes: np.ndarray
    classes: np.ndarray
    named: bool
    several: bool

    def __len__(self) -> int:
        return int(self.codes.max()) + 1

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Sum of the rows' values by group, shape (groups,)."""
        return np.bincount(self.codes, weights=np.asarray(values, float), minlength=len(self))

    def strata(self) -> list[np.ndarray]:
        """Groups of each class; one stratum of all where a group holds several classes."""
        first = np.zeros(len(self), int)
        first[self.codes] = self.classes
        if (first[self.codes] != self.classes).any():
            return [np.arange(len(self))]
        return [np.flatnonzero(first == label) for label in np.unique(first)]

    def weights(self, resamples: int, seed: int) -> np.ndarray:
        """How often each group is drawn, shape (resamples, groups), as
        `evaluation.score_predictions` draws."""
        return draw_groups(self.codes, self.classes, resamples, seed, within=self.named)


def find_groups(table: pd.DataFrame) -> Groups:
    """Groups of a table of predictions.

    Parameters
    ----------
    table : pandas.DataFrame
        `label`, and `group` (may be missing throughout).

    Returns
    -------
    Groups

    Raises
    ------
    DataError
        When the table has no row.
    """
    if table.empty:
        raise DataError("There is no prediction here.", remedy="Give at least one image.")
    named = bool(table.group.notna().all())
    names = table.group.to_numpy() if named else np.arange(len(table))
    codes = pd.factorize(names, sort=True)[0]
    classes = pd.factorize(table.label.to_numpy(), sort=True)[0]
    held = pd.DataFrame({"code": codes, "label": classes}).groupby("label").code.nunique()
    return Groups(codes, classes, named, bool(held.min() > 1))
