"""Difference of two areas under the curve on the same images, with an interval by group.

An accuracy says nothing of a network that gives every image the same answer; its area under the
curve (AUC) still says how well it orders them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.stats import rankdata

from .errors import DataError
from .resampling import add_variances, find_groups

__all__ = ["AreaGap", "area", "compare_areas"]


@dataclass(frozen=True)
class AreaGap:
    """Two systems on the same images.

    Attributes
    ----------
    difference : float
        AUC of the first less that of the second.
    low, high : float or None
        95 % interval of Student's t, groups left out in turn; None where a class has a single
        group, or no image is ordered otherwise.
    images, groups : int
        In common, of trainings that met every class among them.
    """

    difference: float
    low: float | None
    high: float | None
    images: int
    groups: int


def area(table: pd.DataFrame, rows: np.ndarray | None = None) -> float:
    """Area under the curve; of several classes the mean of each against the rest.

    Parameters
    ----------
    table : pandas.DataFrame
        `label` and `p_<class>`.
    rows : numpy.ndarray, optional
        Which rows count, shape (rows,), bool; all when not given.

    Returns
    -------
    float
        NaN where a class is missing.
    """
    names = [name for name in table if name.startswith("p_")]
    labels = table.label.to_numpy(str)
    chosen = slice(None) if rows is None else rows
    found = []
    for name in names[: 1 if len(names) == 2 else None]:  # of two classes both areas are one
        case = labels[chosen] == name.removeprefix("p_")
        number = int(case.sum())
        if number in (0, len(case)):
            return float("nan")
        ranks = rankdata(table[name].to_numpy(float)[chosen])
        found.append(
            (ranks[case].sum() - number * (number + 1) / 2) / (number * (len(case) - number))
        )
    return float(np.mean(found))


def compare_areas(first: Sequence[pd.DataFrame], second: Sequence[pd.DataFrame]) -> AreaGap:
    """Difference of the areas of two systems on their common images, by group.

    Parameters
    ----------
    first : sequence of pandas.DataFrame
        Predictions of the trainings of the first system, all of the same images: `image, group,
        label` and `p_<class>`.
    second : sequence of pandas.DataFrame
        Of the second system; its trainings may be of different images, such as folds. What
        networks say is only ordered within one network, so each training is compared on the
        images that it has in common with the first system, and counts by their number.

    Returns
    -------
    AreaGap

    Raises
    ------
    DataError
        When no image is in common, or there no training meets every class.

    Notes
    -----
    Each group is left out in turn, within its class where every group holds one (jackknife), with
    the degrees of freedom of `resampling.add_variances`.
    """
    pairs = [_pair(first, other) for other in second]
    pairs = [(ours, theirs) for ours, theirs in pairs if len(theirs)]
    if not pairs:
        raise DataError(
            "The two systems have no image in common.",
            remedy="Score both on the same part of the same split.",
        )
    pairs = [pair for pair in pairs if np.isfinite(area(pair[1]))]
    if not pairs:
        raise DataError(
            "No training meets every class among the common images.",
            remedy="Compare on parts that hold every class.",
        )
    whole = pd.concat([theirs[["image", "group", "label"]] for _, theirs in pairs])
    whole = whole.drop_duplicates("image").sort_values("image").reset_index(drop=True)
    groups = find_groups(whole)
    of_image = pd.Series(groups.codes, index=whole.image)
    codes = [of_image.loc[theirs.image].to_numpy() for _, theirs in pairs]
    difference = _difference(pairs, codes, None)
    low, high = _student(pairs, codes, groups, difference)
    return AreaGap(difference, low, high, len(whole), len(groups))


def _pair(first: Sequence[pd.DataFrame], other: pd.DataFrame) -> tuple[list, pd.DataFrame]:
    """Both systems on their common images, in one order."""
    common = sorted(set(other.image) & set(first[0].image))
    theirs = other.set_index("image").loc[common].reset_index()
    return [table.set_index("image").loc[common].reset_index() for table in first], theirs


def _difference(pairs: list, codes: list[np.ndarray], without: int | None) -> float:
    """Mean difference over the trainings of the second system, weighted by images."""
    values, weights = [], []
    for (ours, theirs), groups in zip(pairs, codes, strict=True):
        rows = np.ones(len(theirs), bool) if without is None else groups != without
        if not rows.any():
            continue
        value = np.mean([area(table, rows) for table in ours]) - area(theirs, rows)
        if np.isfinite(value):
            values.append(value)
            weights.append(rows.sum())
    return float(np.average(values, weights=weights)) if values else float("nan")


def _student(pairs, codes, groups, difference) -> tuple[float, float] | tuple[None, None]:
    if not groups.several:
        return None, None
    strata, moved = groups.strata(), []
    for stratum in strata:
        left = np.array([_difference(pairs, codes, group) for group in stratum])
        left = left[np.isfinite(left)]
        if len(left) < 2:
            return None, None
        moved.append((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    images = groups.sums(np.ones(len(groups.codes)))
    variance, freedom = add_variances(moved, images, strata)
    if variance == 0:
        return None, None
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    return difference - half, difference + half
