"""Metrics of a classifier, with intervals resampled by subject group.

Cells of one subject resemble each other, so a set of 2,000 cells of 20 subjects says less
than 2,000 cells of 2,000 subjects. The bootstrap therefore draws groups, not images. All
metrics of all resamples come from two small arrays: counts of (true, predicted) class per
group, and for the area under the curve the number of correctly ordered pairs per pair of
groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd

from .errors import DataError

__all__ = ["METRICS", "Estimate", "Scores", "confusion_matrix", "draw_groups",
           "score_predictions", "score_repeats", "sort_alike", "weighted_areas"]  # fmt: skip

METRICS = ("accuracy", "weighted_f1", "auroc", "sensitivity", "specificity", "precision")


@dataclass(frozen=True)
class Estimate:
    """Value of a metric and its 95 % interval; None where it is not defined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Scores:
    """Metrics of one set of predictions.

    Attributes
    ----------
    metrics : dict of str to Estimate
        `sensitivity`, `specificity` and `precision` are those of the positive class where
        there is one, else means over the classes.
    confusion : list of list of int
        Rows true, columns predicted, in the order of `classes`.
    classes : list of str
    images : int
    groups : dict of str to int
        Number of groups that carry images of each class.
    resampled : str
        What was drawn: `group` or `image`.
    resamples : int
    """

    metrics: dict[str, Estimate]
    confusion: list[list[int]]
    classes: list[str]
    images: int
    groups: dict[str, int]
    resampled: str
    resamples: int

    def as_dict(self) -> dict:
        """Plain dictionaries and lists."""
        return asdict(self)


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts of true (rows) against predicted (columns) classes.

    Parameters
    ----------
    true, predicted : numpy.ndarray
        Shape (n,), integers from 0 to classes - 1.
    classes : int

    Returns
    -------
    numpy.ndarray
        Shape (classes, classes), int64.
    """
    return np.bincount(true * classes + predicted, minlength=classes**2).reshape(classes, classes)


def score_predictions(
    predictions: pd.DataFrame, *, positive: str = "", resamples: int = 2000, seed: int = 1
) -> Scores:
    """All metrics of a table of predictions.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label` (true class), `group` (may be missing throughout) and one column
        `p_<class>` for each class, in the order of the network's outputs.
    positive : str
        Class of the disease; empty for none.
    resamples : int
        Bootstrap resamples.
    seed : int
        Their seed.

    Returns
    -------
    Scores

    Raises
    ------
    DataError
        When there is no row, a label or `positive` has no column, or a probability is not
        finite.

    Notes
    -----
    Weighted F1 is the metric of the C-NMC challenge. Percentile intervals; where every
    group holds one class, groups are drawn within the classes. Where a class has a single
    group, or all draws agree, there is no interval: nothing is known of how groups differ.
    """
    return score_repeats([predictions], positive=positive, resamples=resamples, seed=seed)


def score_repeats(
    repeats: Sequence[pd.DataFrame], *, positive: str = "", resamples: int = 2000, seed: int = 1
) -> Scores:
    """Metrics of a system that was trained several times, from different seeds.

    Parameters
    ----------
    repeats : sequence of pandas.DataFrame
        Predictions of each training, as `score_predictions` takes them; all of the same images.
    positive : str
        Class of the disease; empty for none.
    resamples, seed : int
        Of the bootstrap.

    Returns
    -------
    Scores
        Each value is the mean over the trainings, and the interval that of this mean: it says
        how sure the mean is over other subjects, and nothing of other seeds. `confusion` adds
        the trainings up; `images` counts each image once.

    Raises
    ------
    DataError
        As `score_predictions`, and when the trainings were not scored on the same images.
    """
    tables = sort_alike(repeats)
    first = tables[0]
    classes = [name.removeprefix("p_") for name in first if name.startswith("p_")]
    true = pd.Index(classes).get_indexer(first.label)
    probabilities = [table[[f"p_{name}" for name in classes]].to_numpy(float) for table in tables]
    for values in probabilities:
        _check_predictions(first, values, true)
    by_group = first.group.notna().all()
    names = first.group if by_group else pd.Series(range(len(first)))
    group = pd.factorize(names.to_numpy(), sort=True)[0]
    weights = draw_groups(group, true, resamples, seed, within=by_group)
    weights = np.vstack([np.ones(weights.shape[1]), weights])  # row 0: the sample itself
    chosen = _positive(classes, positive)
    each = [_metrics(weights, _Counts(group, true, values), chosen) for values in probabilities]
    values = {name: np.mean([metrics[name] for metrics in each], axis=0) for name in METRICS}
    seen = pd.DataFrame({"group": group, "label": first.label.to_numpy()})
    groups = {k: int(n) for k, n in seen.groupby("label").group.nunique().items()}
    # One group of a class, drawn again and again, would give an interval without width.
    several = min(groups.values()) > 1
    confusions = [confusion_matrix(true, p.argmax(1), len(classes)) for p in probabilities]
    return Scores(
        metrics={name: _estimate(values[name], interval=several) for name in METRICS},
        confusion=np.sum(confusions, axis=0).tolist(),
        classes=classes,
        images=len(first),
        groups=groups,
        resampled="group" if by_group else "image",
        resamples=resamples,
    )


def sort_alike(repeats: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Predictions of several trainings in one order of images; a single table as it is.

    Parameters
    ----------
    repeats : sequence of pandas.DataFrame
        Each with `image` and `label`.

    Raises
    ------
    DataError
        When there is none, or the images or labels differ.
    """
    if not repeats:
        raise DataError("There is no training to score.", remedy="Give one or more.")
    if len(repeats) == 1:
        return list(repeats)
    tables = [table.sort_values("image").reset_index(drop=True) for table in repeats]
    names = [table[["image", "label"]].astype(str) for table in tables]
    if not all(other.equals(names[0]) for other in names[1:]):
        raise DataError(
            "The trainings were not scored on the same images.",
            remedy="Pool trainings that differ in their seed alone.",
        )
    return tables


def _check_predictions(table: pd.DataFrame, probabilities: np.ndarray, true: np.ndarray) -> None:
    if table.empty:
        raise DataError("There is no prediction to score.", remedy="Score at least one image.")
    if (true < 0).any():
        raise DataError(
            f"Label {table.label.iloc[int(np.argmax(true < 0))]!r} has no column of probabilities.",
            remedy="Score predictions of a network trained on the same classes.",
        )
    if not np.isfinite(probabilities).all():
        row = int(np.argmax(~np.isfinite(probabilities).all(axis=1)))
        raise DataError(
            "A predicted probability is not a finite number.",
            where=f"row {row}",
            remedy="The training diverged; lower the learning rate.",
        )


def _positive(classes: list[str], positive: str) -> int | None:
    if positive and positive not in classes:
        raise DataError(
            f"The positive class {positive!r} has no column of probabilities.",
            remedy=f"Name one of {', '.join(classes)}, or none.",
        )
    return classes.index(positive) if positive else None


@dataclass(frozen=True)
class _Counts:
    """What a resample needs to know of the predictions, per group."""

    group: np.ndarray
    true: np.ndarray
    probabilities: np.ndarray

    def confusions(self) -> np.ndarray:
        """Shape (groups, classes, classes)."""
        classes = self.probabilities.shape[1]
        predicted = self.probabilities.argmax(axis=1)
        flat = (self.group * classes + self.true) * classes + predicted
        counts = np.bincount(flat, minlength=(self.group.max() + 1) * classes**2)
        return counts.reshape(-1, classes, classes).astype(float)

    def ordered_pairs(self, label: int) -> np.ndarray:
        """Shape (groups, groups): pairs of a case in the row's group and a control in the
        column's group that the probability of `label` orders rightly; ties count half."""
        score = self.probabilities[:, label]
        cases, n_groups = self.true == label, self.group.max() + 1
        pairs = np.zeros((n_groups, n_groups))
        case_score, case_group = score[cases], self.group[cases]
        for column in np.unique(self.group[~cases]):
            controls = np.sort(score[~cases & (self.group == column)])
            below = np.searchsorted(controls, case_score, side="left")
            upto = np.searchsorted(controls, case_score, side="right")
            pairs[:, column] = np.bincount(case_group, (below + upto) / 2, minlength=n_groups)
        return pairs


def draw_groups(
    group: np.ndarray, true: np.ndarray, resamples: int, seed: int, *, within: bool
) -> np.ndarray:
    """How often each group is drawn in each resample of a bootstrap.

    Parameters
    ----------
    group, true : numpy.ndarray
        Shape (images,), integers: group and class of each image.
    resamples, seed : int
    within : bool
        Draw within the classes, where every group holds one class.

    Returns
    -------
    numpy.ndarray
        Shape (resamples, groups), float64.
    """
    generator = np.random.default_rng(seed)
    n_groups = group.max() + 1
    first = np.full(n_groups, -1)
    first[group] = true
    pure = within and (first[group] == true).all()
    drawn = np.zeros((resamples, n_groups))
    for stratum in np.unique(first) if pure else [None]:
        members = np.flatnonzero(first == stratum) if pure else np.arange(n_groups)
        share = np.full(len(members), 1 / len(members))
        drawn[:, members] = generator.multinomial(len(members), share, size=resamples)
    return drawn


def _metrics(weights: np.ndarray, counts: _Counts, positive: int | None) -> dict:
    """Each metric for each row of weights, shape (rows,); NaN where it is not defined."""
    confusions = np.einsum("bg,gij->bij", weights, counts.confusions())
    hits = np.einsum("bii->bi", confusions)
    true, predicted, total = confusions.sum(2), confusions.sum(1), confusions.sum((1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = hits / true
        precision = hits / predicted
        negatives = total[:, None] - true
        specificity = (negatives - (predicted - hits)) / negatives
        f1 = 2 * hits / (true + predicted)
        weighted = np.nansum(np.where(true > 0, f1 * true, 0), axis=1) / total
        auroc = _auroc(weights, counts, true, negatives)
        chosen = slice(None) if positive is None else [positive]
        return {
            "accuracy": hits.sum(1) / total,
            "weighted_f1": weighted,
            "auroc": auroc[:, chosen].mean(axis=1),
            "sensitivity": recall[:, chosen].mean(axis=1),
            "specificity": specificity[:, chosen].mean(axis=1),
            "precision": precision[:, chosen].mean(axis=1),
        }


def _auroc(
    weights: np.ndarray, counts: _Counts, cases: np.ndarray, controls: np.ndarray
) -> np.ndarray:
    """One-against-rest area under the curve per class, shape (rows, classes)."""
    areas = np.empty_like(cases)
    for label in range(cases.shape[1]):
        right = ((weights @ counts.ordered_pairs(label)) * weights).sum(axis=1)
        areas[:, label] = right / (cases[:, label] * controls[:, label])
    return areas


def weighted_areas(table: pd.DataFrame, group: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the curve where each group counts as often as a weight says; of several classes
    the mean of each against the rest.

    Parameters
    ----------
    table : pandas.DataFrame
        `label` and `p_<class>`.
    group : numpy.ndarray
        Shape (rows,), integers: group of each row of the table.
    weights : numpy.ndarray
        Shape (samples, groups).

    Returns
    -------
    numpy.ndarray
        Shape (samples,); NaN where a class is missing.
    """
    classes = [name.removeprefix("p_") for name in table if name.startswith("p_")]
    probabilities = table[[f"p_{name}" for name in classes]].to_numpy(float)
    counts = _Counts(group, pd.Index(classes).get_indexer(table.label), probabilities)
    cases = weights @ counts.confusions().sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        areas = _auroc(weights, counts, cases, cases.sum(axis=1, keepdims=True) - cases)
    return areas[:, 0] if len(classes) == 2 else areas.mean(axis=1)  # both areas of two are one


def _estimate(values: np.ndarray, *, interval: bool) -> Estimate:
    value, drawn = values[0], values[1:][np.isfinite(values[1:])]
    if not np.isfinite(value):
        return Estimate(None, None, None)
    low, high = np.quantile(drawn, [0.025, 0.975]) if interval and len(drawn) else (0, 0)
    if low == high:  # every draw is alike: the resampling says nothing of the uncertainty
        return Estimate(float(value), None, None)
    return Estimate(float(value), float(low), float(high))
