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

from .errors import DataError
from .evaluation import weighted_areas
from .resampling import Groups, add_variances, find_groups

__all__ = ["AreaGap", "compare_areas"]


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
        images that it has in common with the first system, and counts by their number; an image
        that several trainings scored counts once, in equal shares.

    Returns
    -------
    AreaGap

    Raises
    ------
    DataError
        When no image is in common, or no training meets every class there.

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
    pairs = [pair for pair in pairs if pair[1].label.nunique() == _count_classes(pair[1])]
    if not pairs:
        raise DataError(
            "No training meets every class among the common images.",
            remedy="Compare on parts that hold every class.",
        )
    scored = pd.concat([theirs[["image", "group", "label"]] for _, theirs in pairs])
    whole = scored.drop_duplicates("image").sort_values("image").reset_index(drop=True)
    groups = find_groups(whole)
    of_image = pd.Series(groups.codes, index=whole.image)
    share = 1 / scored.image.value_counts()  # of an image, in each training that scored it
    # The sample itself, then each group left out.
    weights = np.vstack([np.ones(len(groups)), 1 - np.eye(len(groups))])
    values, sizes = zip(*(_gains(*pair, of_image, share, weights) for pair in pairs), strict=True)
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        gains = np.where(known, values, 0) * sizes
        gains = gains.sum(axis=0) / np.where(known, sizes, 0).sum(axis=0)
    low, high = _student(gains[0], gains[1:], groups)
    return AreaGap(float(gains[0]), low, high, len(whole), len(groups))


def _count_classes(table: pd.DataFrame) -> int:
    return sum(name.startswith("p_") for name in table)


def _pair(first: Sequence[pd.DataFrame], other: pd.DataFrame) -> tuple[list, pd.DataFrame]:
    """Both systems on their common images, in one order."""
    common = sorted(set(other.image) & set(first[0].image))
    theirs = other.set_index("image").loc[common].reset_index()
    return [table.set_index("image").loc[common].reset_index() for table in first], theirs


def _gains(
    ours: list[pd.DataFrame],
    theirs: pd.DataFrame,
    of_image: pd.Series,
    share: pd.Series,
    weights: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Difference of the areas for each row of weights, and how much it counts."""
    present, codes = np.unique(of_image.loc[theirs.image], return_inverse=True)
    weights = weights[:, present]
    mean = np.mean([weighted_areas(table, codes, weights) for table in ours], axis=0)
    size = weights @ np.bincount(codes, share.loc[theirs.image])
    return mean - weighted_areas(theirs, codes, weights), size


def _student(
    difference: float, without: np.ndarray, groups: Groups
) -> tuple[float, float] | tuple[None, None]:
    """Limits from the differences without each group."""
    if not groups.several:
        return None, None
    strata, moved = groups.strata(), []
    for stratum in strata:
        left = without[stratum][np.isfinite(without[stratum])]
        if len(left) < 2:
            return None, None
        moved.append((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
    images = groups.sums(np.ones(len(groups.codes)))
    variance, freedom = add_variances(moved, images, strata)
    if variance == 0:
        return None, None
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    return float(difference - half), float(difference + half)
