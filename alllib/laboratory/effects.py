"""The size of a mistake: two values of one number, and an interval for their difference.

Cells of one subject resemble each other, so subject groups are drawn, not images, and within
the classes. Where a mistake acts through training, the repeats (seeds) are drawn as well. Both
values of a draw come from the same drawn images: what is hard about them cancels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ..errors import DataError

__all__ = ["Effect", "draw_weights", "measure_effect", "rate_accuracy", "rate_area", "rate_areas"]

RESAMPLES = 1000
# Both values of an experiment for rows of its table that count `weights` times.
Rating = Callable[[pd.DataFrame, np.ndarray], tuple[float, float]]


@dataclass(frozen=True)
class Effect:
    """What one mistake does to one number.

    Attributes
    ----------
    key : str
        Of the mistake, see `registry.MISTAKES`.
    dataset, system : str
        On what it was measured, and with what.
    unit : str
        The number: accuracy, F1, AUC, share.
    honest, mistaken, difference : float
        Without the mistake, with it, and the second less the first.
    low, high : float or None
        95 % interval of the difference; None where nothing is known of how groups differ.
    images : int
        Different images that the number is of.
    groups : int
        Units that were drawn.
    repeats : int
        Seeds, numberings or simulations.
    resampled : str
        What was drawn for the interval.
    note : str
        What a reader must know of it.
    """

    key: str
    dataset: str
    system: str
    unit: str
    honest: float
    mistaken: float
    difference: float
    low: float | None
    high: float | None
    images: int
    groups: int
    repeats: int
    resampled: str
    note: str = ""

    def as_dict(self) -> dict:
        """Plain values, as a kept study holds them."""
        return asdict(self)


def measure_effect(
    key: str,
    table: pd.DataFrame,
    rate: Rating,
    *,
    system: str,
    unit: str = "accuracy",
    note: str = "",
    draw_repeats: bool = False,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Effect:
    """Difference of two values, with a 95 % percentile interval.

    Parameters
    ----------
    key : str
        Of the mistake.
    table : pandas.DataFrame
        One row per scored image and repeat: `image, label, group, repeat`, and what `rate`
        needs. `attrs` may hold `dataset` and `unit` (what a group is; "subject groups" if not).
    rate : callable
        Honest and mistaken value for the table and an array of counts, one a row.
    system, unit, note : str
        See `Effect`.
    draw_repeats : bool
        Draw repeats too, because the mistake acts through training.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Effect

    Raises
    ------
    DataError
        When a row names no group.
    """
    if table.empty or table.group.isna().any():
        raise DataError(
            "An effect needs images, and the group of each of them.",
            where=f"mistake {key}",
            remedy="Use C-NMC 2019 or synthetic cells; B-ALL names no subjects.",
        )
    honest, mistaken = rate(table, np.ones(len(table), int))
    drawn = draw_weights(table, repeats=draw_repeats, resamples=resamples, seed=seed)
    found = np.array([np.subtract(*rate(table, weights)[::-1]) for weights in drawn])
    found = found[np.isfinite(found)]
    several = table.groupby("label").group.nunique().min() > 1 and len(found) > resamples // 2
    low, high = np.quantile(found, [0.025, 0.975]) if several else (None, None)
    if low == high:  # every draw is alike: nothing is known of how groups differ
        low = high = None
    repeats = int(table["repeat"].nunique())
    what = table.attrs.get("unit", "subject groups")
    return Effect(
        key=key, dataset=table.attrs.get("dataset", ""), system=system, unit=unit,
        honest=float(honest), mistaken=float(mistaken), difference=float(mistaken - honest),
        low=None if low is None else float(low), high=None if high is None else float(high),
        images=int(table.image.nunique()), groups=int(table.group.nunique()), repeats=repeats,
        resampled=what + (" and repeats" if draw_repeats and repeats > 1 else ""), note=note,
    )  # fmt: skip


def draw_weights(
    table: pd.DataFrame, *, repeats: bool = False, resamples: int = RESAMPLES, seed: int = 1
):
    """How often each row counts in each resample.

    Parameters
    ----------
    table : pandas.DataFrame
        `label, group, repeat`.
    repeats : bool
        Draw repeats too.
    resamples, seed : int

    Yields
    ------
    numpy.ndarray
        Shape (rows,), int64. Where each group holds one class, groups are drawn within the
        classes.
    """
    generator = np.random.default_rng(seed)
    names, group = np.unique(table.group.to_numpy(str), return_inverse=True)
    label = pd.factorize(table.label.to_numpy(), sort=True)[0]
    rounds, turn = np.unique(table["repeat"].to_numpy(), return_inverse=True)
    first = np.zeros(len(names), int)
    first[group] = label
    strata = first if (first[group] == label).all() else np.zeros(len(names), int)
    members = [np.flatnonzero(strata == stratum) for stratum in np.unique(strata)]
    for _ in range(resamples):
        count = np.zeros(len(names), int)
        for stratum in members:
            np.add.at(count, generator.choice(stratum, len(stratum)), 1)
        weights = count[group]
        if repeats and len(rounds) > 1:
            chosen = generator.integers(0, len(rounds), len(rounds))
            weights = weights * np.bincount(chosen, minlength=len(rounds))[turn]
        yield weights


def rate_accuracy(table: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
    """Means of the columns `honest` and `mistaken`; NaN where nothing was drawn."""
    total = weights.sum()
    if total == 0:
        return np.nan, np.nan
    both = weights @ table[["honest", "mistaken"]].to_numpy(float) / total
    return float(both[0]), float(both[1])


def rate_area(values: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> float:
    """Area under the ROC curve with weights; ties count half.

    Parameters
    ----------
    values : numpy.ndarray
        Shape (n,): higher for the positive class; int64 for places in their order, from 0.
    positive : numpy.ndarray
        Shape (n,), bool.
    weights : numpy.ndarray
        Shape (n,).

    Returns
    -------
    float
        NaN where a class was not drawn.
    """
    place = values if values.dtype == np.int64 else np.unique(values, return_inverse=True)[1]
    most = place.max(initial=-1) + 1
    cases = np.bincount(place, weights * positive, minlength=most)
    controls = np.bincount(place, weights * ~positive, minlength=most)
    pairs = cases.sum() * controls.sum()
    below = np.cumsum(controls) - controls / 2
    return float(cases @ below / pairs) if pairs else float("nan")


def rate_areas(table: pd.DataFrame, positive: np.ndarray) -> Rating:
    """Rating by the area under the ROC curve, of each repeat by itself and then their mean.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns `honest`, `mistaken` (higher for the positive class) and `repeat`.
    positive : numpy.ndarray
        Shape (rows,), bool.

    Returns
    -------
    callable
        For `measure_effect`, and this table alone: the order of the values is found once.
    """
    parts = [np.flatnonzero(table["repeat"] == number) for number in table["repeat"].unique()]
    places = {
        name: [np.unique(table[name].to_numpy()[rows], return_inverse=True)[1] for rows in parts]
        for name in ("honest", "mistaken")
    }

    def rate(_: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
        drawn = np.array([weights[rows].sum() for rows in parts])
        areas = [
            np.array(
                [
                    rate_area(place, positive[rows], weights[rows])
                    for place, rows in zip(found, parts, strict=True)
                ]
            )
            for found in places.values()
        ]
        kept = (drawn > 0) & np.isfinite(areas[0]) & np.isfinite(areas[1])
        if not kept.any():
            return np.nan, np.nan
        honest, mistaken = (float(np.average(found[kept], weights=drawn[kept])) for found in areas)
        return honest, mistaken

    return rate
