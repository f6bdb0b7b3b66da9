"""Intervals of an accuracy from few subjects, and how often they hold what they promise.

A 95 % interval should contain the true value in 95 of 100 studies. With few groups the
percentiles of the bootstrap do not keep that: groups that were not seen cannot be drawn, and
what is drawn varies too little. `simulate_coverage` measures by how much, for four methods, on
group sizes as uneven as the real ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import expit, logit

from .agreement import wilson
from .errors import DataError, suggest
from .evaluation import Estimate
from .resampling import add_variances, find_groups, leave_out
from .uncertainty import mark_right, share_right

__all__ = ["METHODS", "accuracy_interval", "simulate_coverage", "within_correlation"]

# What each method does, for a reader of a table.
ROUNDING = 1e-9  # an interval as narrow is one of width zero
METHODS = {
    "percentile": "percentiles of the group bootstrap",
    "bca": "bootstrap, corrected for bias and acceleration",
    "logit-t": "t interval of the log odds, linearised",
    "jackknife": "t interval of the log odds, groups left out in turn",
}


@dataclass(frozen=True)
class _Sample:
    """Right answers and images of each group, and the groups of each class."""

    hits: np.ndarray
    images: np.ndarray
    strata: Sequence[np.ndarray]

    @property
    def share(self) -> float:
        return float(self.hits.sum() / self.images.sum())

    def without(self, stratum: np.ndarray) -> np.ndarray:
        """Accuracy with each group of a class left out."""
        return leave_out(self.hits, self.images, stratum)


def accuracy_interval(
    predictions: pd.DataFrame | Sequence[pd.DataFrame],
    *,
    method: str = "jackknife",
    resamples: int = 2000,
    seed: int = 1,
) -> Estimate:
    """Accuracy with a 95 % interval by group, by one of several methods.

    Parameters
    ----------
    predictions : pandas.DataFrame or sequence of pandas.DataFrame
        `label`, `group` (may be missing throughout) and `p_<class>`; of several trainings of
        one system, on the same images, a table each: the accuracy is their mean.
    method : {"percentile", "bca", "logit-t", "jackknife"}
        `percentile` is what `evaluation.score_predictions` does.
    resamples, seed : int
        Of the two bootstraps.

    Returns
    -------
    Estimate
        No interval where a class has a single group, or all answers are right or wrong.

    Raises
    ------
    DataError
        When there is no row or no such method.

    Notes
    -----
    `logit-t` and `jackknife`: variance v_c of the accuracy from the groups of class c, by
    linearisation of the ratio (hits / images) or from leaving each group out in turn; the
    interval is that of Student's t on the scale of log odds. Degrees of freedom by Satterthwaite
    (doi 10.2307/3002019) from the effective number of groups (Kish) of each class, less one.
    """
    _check_methods([method])
    found = share_right(predictions)
    groups, right = find_groups(found), found.right.to_numpy()
    sample = _Sample(groups.sums(right), groups.sums(np.ones(len(right))), groups.strata())
    if not groups.several:
        return Estimate(sample.share, None, None)
    weights = groups.weights(resamples, seed) if method in ("percentile", "bca") else None
    low, high = _interval(sample, method, weights)
    return Estimate(sample.share, low, high)


def _check_methods(methods: Iterable[str]) -> None:
    for method in methods:
        if method not in METHODS:
            raise DataError(f"There is no method {method!r}.", remedy=suggest(method, METHODS))


def _interval(
    sample: _Sample, method: str, weights: np.ndarray | None
) -> tuple[float, float] | tuple[None, None]:
    """Limits, or None twice where the groups do not differ at all."""
    if not 0 < sample.share < 1:
        return None, None
    if weights is not None:
        drawn = (weights @ sample.hits) / (weights @ sample.images)
        shares = [0.025, 0.975] if method == "percentile" else _corrected(sample, drawn)
        low, high = map(float, np.quantile(drawn, shares))
    else:
        low, high = _student(sample, method)
    return (low, high) if high - low > ROUNDING else (None, None)


def _corrected(sample: _Sample, drawn: np.ndarray) -> np.ndarray:
    """Shares of the draws that the BCa method takes (doi 10.1080/01621459.1987.10478410)."""
    below = ((drawn < sample.share).mean() + (drawn <= sample.share).mean()) / 2
    bias = stats.norm.ppf(np.clip(below, 0.5 / len(drawn), 1 - 0.5 / len(drawn)))
    moved = np.concatenate(
        [values.mean() - values for values in map(sample.without, sample.strata)]
    )
    spread = (moved**2).sum() ** 1.5
    acceleration = (moved**3).sum() / (6 * spread) if spread else 0.0
    ends = bias + stats.norm.ppf([0.025, 0.975])
    return stats.norm.cdf(bias + ends / (1 - acceleration * ends))


def _student(sample: _Sample, method: str) -> tuple[float, float]:
    variances = []
    rest = (sample.hits - sample.share * sample.images) / sample.images.sum()
    for stratum in sample.strata:
        count = len(stratum)
        if method == "jackknife":
            values, factor = sample.without(stratum), (count - 1) / count
        else:
            values, factor = rest[stratum], count / (count - 1)
        variances.append(factor * ((values - values.mean()) ** 2).sum())
    total, free = add_variances(variances, sample.images, sample.strata)
    if total == 0:
        return sample.share, sample.share
    half = stats.t.ppf(0.975, free) * np.sqrt(total) / (sample.share * (1 - sample.share))
    middle = logit(sample.share)
    return float(expit(middle - half)), float(expit(middle + half))


def within_correlation(predictions: pd.DataFrame) -> pd.DataFrame:
    """How alike the answers on cells of one group are, by class.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label`, `group` and `p_<class>`.

    Returns
    -------
    pandas.DataFrame
        One row per class: `label`, `groups`, `images`, `accuracy`, `correlation` (between 0 and
        1; missing where the class has a single group).

    Raises
    ------
    DataError
        When the table names no groups.

    Notes
    -----
    Intraclass correlation of right answers by analysis of variance with uneven groups
    (doi 10.1111/j.0006-341X.1999.00137.x); a negative estimate counts as 0.
    """
    if predictions.group.isna().any():
        raise DataError("The table names no groups.", remedy="Use data with subjects.")
    table = predictions[["label", "group"]].astype(str).assign(right=mark_right(predictions))
    rows = []
    for label, part in table.groupby("label"):
        counts = part.groupby("group").right.agg(["sum", "size"]).to_numpy(float)
        rows.append((label, len(counts), len(part), part.right.mean(), _correlation(*counts.T)))
    names = ["label", "groups", "images", "accuracy", "correlation"]
    return pd.DataFrame(rows, columns=names)


def _correlation(hits: np.ndarray, images: np.ndarray) -> float:
    groups, total = len(images), images.sum()
    if groups < 2 or total <= groups:
        return float("nan")
    share = hits.sum() / total
    between = (images * (hits / images - share) ** 2).sum() / (groups - 1)
    within = (hits * (1 - hits / images)).sum() / (total - groups)
    size = (total - (images**2).sum() / total) / (groups - 1)
    below = between + (size - 1) * within
    return float(max(0.0, (between - within) / below)) if below else 0.0


def simulate_coverage(
    sizes: Mapping[str, Sequence[int]],
    *,
    accuracy: Mapping[str, float],
    correlation: Mapping[str, float],
    groups: int | None = None,
    methods: Iterable[str] = tuple(METHODS),
    repeats: int = 1000,
    resamples: int = 500,
    seed: int = 1,
) -> pd.DataFrame:
    """How often each method's interval contains the truth, in studies that are made up.

    In every study each group has an accuracy of its own, drawn from a beta distribution with
    the mean and the correlation of its class, and its cells are right or wrong by that.

    Parameters
    ----------
    sizes : mapping
        Images of each group, by class.
    accuracy, correlation : mapping
        By class, strictly between 0 and 1; see `within_correlation`.
    groups : int, optional
        So many groups of each class in a study, their sizes drawn from `sizes` anew each
        time. When not given, each study has the groups of `sizes`.
    methods : iterable of str
    repeats : int
        Number of studies.
    resamples : int
        Of a bootstrap.
    seed : int

    Returns
    -------
    pandas.DataFrame
        One row per method: `method`, `coverage`, `low`, `high` (Wilson's interval of the
        coverage, from the number of studies), `width` (mean), `missed_low` and `missed_high`
        (share of studies whose interval lay below or above the truth), `none` (share without an
        interval; they count as not covering).

    Raises
    ------
    DataError
        When a method is unknown, a share is not between 0 and 1, or a class has fewer than
        two groups.
    """
    methods = tuple(methods)
    _check_methods(methods)
    _check_design(sizes, accuracy, correlation, groups)
    generator = np.random.default_rng(seed)
    truth = _truth(sizes, accuracy, groups)
    found: dict[str, list] = {method: [] for method in methods}
    for _ in range(repeats):
        sample = _draw_study(generator, sizes, accuracy, correlation, groups)
        weights = _draw_weights(generator, sample, resamples)
        for method in methods:
            drawn = weights if method in ("percentile", "bca") else None
            found[method].append(_interval(sample, method, drawn))
    return pd.DataFrame([_covered(method, limits, truth) for method, limits in found.items()])


def _check_design(sizes: Mapping, accuracy: Mapping, correlation: Mapping, groups: int | None):
    for label, images in sizes.items():
        shares = accuracy.get(label, -1), correlation.get(label, -1)
        if not all(0 < share < 1 for share in shares):
            raise DataError(
                f"Accuracy and correlation of class {label} are {shares}.",
                remedy="Give shares strictly between 0 and 1.",
            )
        if (len(images) if groups is None else groups) < 2:
            raise DataError(
                f"Class {label} has a single group, which gives no interval.",
                remedy="Use at least two groups of each class.",
            )


def _truth(sizes: Mapping, accuracy: Mapping, groups: int | None) -> float:
    """Right answers per image if every study were added up."""
    images = {
        label: np.sum(held) if groups is None else groups * np.mean(held)
        for label, held in sizes.items()
    }
    return float(sum(images[k] * accuracy[k] for k in images) / sum(images.values()))


def _draw_study(
    generator: np.random.Generator,
    sizes: Mapping,
    accuracy: Mapping,
    correlation: Mapping,
    groups: int | None,
) -> _Sample:
    hits, images, strata = [], [], []
    for label, held in sizes.items():
        held = np.asarray(held)
        drawn = held if groups is None else generator.choice(held, groups)
        both = 1 / correlation[label] - 1  # sum of the two parameters of the beta distribution
        own = generator.beta(accuracy[label] * both, (1 - accuracy[label]) * both, len(drawn))
        start = sum(map(len, images))
        strata.append(np.arange(start, start + len(drawn)))
        hits.append(generator.binomial(drawn, own))
        images.append(drawn)
    return _Sample(np.concatenate(hits).astype(float), np.concatenate(images).astype(float), strata)


def _draw_weights(generator: np.random.Generator, sample: _Sample, resamples: int) -> np.ndarray:
    weights = np.zeros((resamples, len(sample.hits)))
    for stratum in sample.strata:
        share = np.full(len(stratum), 1 / len(stratum))
        weights[:, stratum] = generator.multinomial(len(stratum), share, size=resamples)
    return weights


def _covered(method: str, limits: list, truth: float) -> dict:
    ends = np.array([pair for pair in limits if pair[0] is not None], float).reshape(-1, 2)
    inside = int(((ends[:, 0] <= truth) & (truth <= ends[:, 1])).sum())
    low, high = wilson(inside, len(limits))
    return {
        "method": method,
        "coverage": inside / len(limits),
        "low": low,
        "high": high,
        "width": float((ends[:, 1] - ends[:, 0]).mean()) if len(ends) else None,
        "missed_low": float((ends[:, 1] < truth).sum() / len(limits)),
        "missed_high": float((ends[:, 0] > truth).sum() / len(limits)),
        "none": 1 - len(ends) / len(limits),
    }
