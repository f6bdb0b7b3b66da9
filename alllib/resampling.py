"""Subject groups drawn or left out, the same for every statistic of the same table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .errors import DataError
from .evaluation import draw_groups

__all__ = ["Groups", "add_variances", "effective_groups", "find_groups", "leave_out"]


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


def leave_out(sums: np.ndarray, images: np.ndarray, stratum: np.ndarray) -> np.ndarray:
    """Ratio sums / images with each group of a class left out; the others of the class count
    for it.

    Parameters
    ----------
    sums, images : numpy.ndarray
        Shape (groups,): what is added up (right answers, say), and the number of images.
    stratum : numpy.ndarray
        The groups of one class, two or more.

    Returns
    -------
    numpy.ndarray
        Shape (groups of the class,).
    """
    scale = len(stratum) / (len(stratum) - 1)
    left = [
        values.sum() + (scale - 1) * values[stratum].sum() - scale * values[stratum]
        for values in (sums, images)
    ]
    return left[0] / left[1]


def effective_groups(images: np.ndarray, stratum: np.ndarray) -> float:
    """Number of groups of equal size that would weigh as those of a class do (Kish): a group
    with most of the images decides nearly alone."""
    held = images[stratum]
    return float(held.sum() ** 2 / (held**2).sum())


def add_variances(
    variances: Iterable[float], images: np.ndarray, strata: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Variance of a ratio over all classes, and its degrees of freedom.

    Parameters
    ----------
    variances : iterable of float
        What each class adds.
    images : numpy.ndarray
        Shape (groups,).
    strata : sequence of numpy.ndarray
        Groups of each class.

    Returns
    -------
    tuple of float
        Variance, and the degrees of freedom by Satterthwaite (doi 10.2307/3002019) from the
        effective number of groups of each class, less one; infinite where nothing varies.
    """
    variances = list(variances)
    total = float(sum(variances))
    if total == 0:
        return 0.0, float("inf")
    freedoms = [max(1.0, effective_groups(images, stratum) - 1) for stratum in strata]
    return total, float(total**2 / sum(v**2 / f for v, f in zip(variances, freedoms, strict=True)))
