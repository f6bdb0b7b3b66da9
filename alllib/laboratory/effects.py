"""The size of a mistake: two values of one number, and an interval for their difference.

Cells of one subject resemble each other, so subject groups are drawn, not images, and within
the classes. Where a mistake acts through training, the repeats (seeds) are drawn as well. Both
values of a draw come from the same drawn images: what is hard about them cancels. What was chosen
by its score is chosen again in each draw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from ..errors import DataError

__all__ = ["Effect", "draw_weights", "measure_effect", "rate_accuracy", "rate_area", "rate_areas",
           "rate_choices"]  # fmt: skip

RESAMPLES = 1000
NOTHING = 1e-9  # width of an interval that is rounding alone
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
        What is compared, and what a reader must know of it.
    one_sided : bool
        Whether the difference cannot change its sign by the way it is made: then the interval
        tells its size, and cannot tell whether there is any.
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
    one_sided: bool = False

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
    one_sided: bool = False,
    draw_repeats: bool = False,
    scored: np.ndarray | None = None,
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
    system, unit, note, one_sided : optional
        See `Effect`.
    draw_repeats : bool
        Draw repeats too, because the mistake acts through training. Where repeats score different
        groups, the chance of the groups then counts twice: the interval is rather too wide.
    scored : numpy.ndarray, optional
        Shape (rows,), bool: rows that count as images of the number; all when not given.
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
    if several and high - low < NOTHING:  # all draws alike: how groups differ is not known
        low = high = None
    repeats = int(table["repeat"].nunique())
    what = table.attrs.get("unit", "subject groups")
    return Effect(
        key=key, dataset=table.attrs.get("dataset", ""), system=system, unit=unit,
        honest=float(honest), mistaken=float(mistaken), difference=float(mistaken - honest),
        low=None if low is None else float(low), high=None if high is None else float(high),
        images=int(table.image[slice(None) if scored is None else scored].nunique()),
        groups=int(table.group.nunique()), repeats=repeats,
        resampled=what + (" and repeats" if draw_repeats and repeats > 1 else ""), note=note,
        one_sided=one_sided,
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
    """Rating by the area under the ROC curve within the parts of a table.

    Outputs of two networks are no values on one scale. So a case and a control are compared
    where one classifier judged both, and the area is the share of these pairs that it orders
    rightly: the mean of the parts' areas, each with the weight of its pairs.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns `honest`, `mistaken` (higher for the positive class) and `repeat`, and
        `part` where several classifiers judged the images of one repeat: rows with the same
        part of the same repeat had the same honest, and the same mistaken classifier.
    positive : numpy.ndarray
        Shape (rows,), bool.

    Returns
    -------
    callable
        For `measure_effect`, and this table alone: the order of the values is found once. NaN
        where no part holds a case and a control.
    """
    names = ["repeat"] + (["part"] if "part" in table else [])
    part = table.groupby(names, sort=False).ngroup().to_numpy()
    orders = [_order(table[name].to_numpy(float), part) for name in ("honest", "mistaken")]

    def rate(_: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
        cases, controls = (np.bincount(part, weights * side) for side in (positive, ~positive))
        pairs = cases @ controls
        if not pairs:
            return np.nan, np.nan
        before = np.cumsum(controls) - controls  # controls of all earlier parts
        honest, mistaken = (
            _ordered(place, home, before, weights, positive) / pairs for place, home in orders
        )
        return float(honest), float(mistaken)

    return rate


def _order(values: np.ndarray, part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Place of each row among the different values, part after part; and the part of a place."""
    pairs, place = np.unique(np.stack([part, values], axis=1), axis=0, return_inverse=True)
    return place.reshape(-1), pairs[:, 0].astype(int)


def _ordered(place, home, before, weights, positive) -> float:
    """Pairs of a case and a lower control in the same part; ties count half."""
    cases, controls = (
        np.bincount(place, weights * side, minlength=len(home)) for side in (positive, ~positive)
    )
    return cases @ (np.cumsum(controls) - controls / 2 - before[home])


def rate_choices(table: pd.DataFrame, right: np.ndarray, *, exchange: bool = False) -> Rating:
    """Rating of the checkpoint that was best on one part, on the images of that part.

    The checkpoint is chosen anew among the drawn images each time, by the first of the highest
    accuracies: a draw that kept the choice would leave out the chance of choosing.

    Parameters
    ----------
    table : pandas.DataFrame
        With columns `repeat` (one network each) and `tested`: True for rows of the test part,
        False for those of the validation part.
    right : numpy.ndarray
        Shape (rows, epochs), bool: whether the network was right after each epoch.
    exchange : bool
        Score the validation part too, with the roles of the two parts exchanged.

    Returns
    -------
    callable
        For `measure_effect`, and this table alone. Accuracy of the scored images after the epoch
        that the other part chose (honest), and after the one that they chose themselves.
    """
    tested, turn = table.tested.to_numpy(bool), table["repeat"].to_numpy()
    right, roles = right.astype(float), []
    for number in np.unique(turn):
        test, held = (np.flatnonzero((turn == number) & kind) for kind in (tested, ~tested))
        roles += [(test, held), (held, test)] if exchange else [(test, held)]

    def rate(_: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
        honest = mistaken = total = 0.0
        for own, other in roles:
            drawn = weights[own].sum()
            if not drawn or not weights[other].sum():
                continue
            hits, told = weights[own] @ right[own], weights[other] @ right[other]
            honest, mistaken = honest + hits[told.argmax()], mistaken + hits.max()
            total += drawn
        return (honest / total, mistaken / total) if total else (np.nan, np.nan)

    return rate
