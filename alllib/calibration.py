"""Calibration: does a probability of 0.8 come true eight times in ten?

The *confidence* of a prediction is its largest probability. Whatever is fitted here
(temperature, threshold) is fitted on the validation part and on nothing else: a table without
a column `part`, or without rows of the validation part, is refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar

from .errors import DataError
from .evaluation import Estimate, Scores, score_predictions
from .records import Record
from .resampling import find_groups

__all__ = [
    "Threshold",
    "apply_temperature",
    "calibration_error",
    "choose_threshold",
    "fit_temperature",
    "part_predictions",
    "reliability",
    "score_threshold",
]

# Least probability before a logarithm: a forest may say exactly 0, and one such image would
# then outweigh all others. About the resolution of a float32 near 1.
FLOOR = 1e-6
TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True)
class Threshold:
    """Probability of the positive class from which on an image counts as positive.

    `rule` says how it was chosen; `sensitivity` and `specificity` are those of the validation
    part, which chose it, and therefore too good.
    """

    value: float
    positive: str
    rule: str
    sensitivity: float
    specificity: float


def part_predictions(record: Record) -> pd.DataFrame:
    """Predictions of a run's scored part and of its validation part, as the functions here
    take them.

    Parameters
    ----------
    record : Record

    Returns
    -------
    pandas.DataFrame
        `image, subject, group, label, part` and `p_<class>`.

    Raises
    ------
    DataError
        When the run has no validation part beside the scored one: what is fitted on a part
        cannot be tried on it.
    """
    if record.validation is None or record.run["scored"] == "validation":
        raise DataError(
            "This run has no predictions of a validation part beside those of the scored one.",
            where=record.run["id"],
            remedy="Train under a split with three parts, such as 'group'.",
        )
    parts = {"validation": record.validation, record.run["scored"]: record.predictions}
    return pd.concat([table.assign(part=part) for part, table in parts.items()], ignore_index=True)


def reliability(
    predictions: pd.DataFrame, *, bins: int = 10, equal_mass: bool = False
) -> pd.DataFrame:
    """Reliability curve: confidence and accuracy of images of like confidence.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label` and one column `p_<class>` for each class.
    bins : int
    equal_mass : bool
        Bins with equally many images, where confidences are not tied; else bins of equal
        width from 1 / classes, the least possible confidence, to 1.

    Returns
    -------
    pandas.DataFrame
        One row per bin that holds images: `low`, `high` (limits of the confidence),
        `images`, `confidence` (mean), `accuracy`.

    Raises
    ------
    DataError
        When there is no row, no column of probabilities or fewer than one bin.

    Notes
    -----
    Source: doi 10.48550/arXiv.1706.04599, section 2.
    """
    confidence, right = _confidences(predictions)
    edges = _edges(confidence, len(_columns(predictions)), bins, equal_mass)
    place = _bins(confidence, edges)
    table = pd.DataFrame({"place": place, "confidence": confidence, "accuracy": right})
    found = table.groupby("place").agg(
        images=("accuracy", "size"),
        confidence=("confidence", "mean"),
        accuracy=("accuracy", "mean"),
    )
    found.insert(0, "low", edges[found.index])
    found.insert(1, "high", edges[found.index + 1])
    return found.reset_index(drop=True)


def calibration_error(
    predictions: pd.DataFrame,
    *,
    bins: int = 10,
    equal_mass: bool = False,
    resamples: int = 2000,
    seed: int = 1,
) -> Estimate:
    """Expected calibration error: mean distance of accuracy and confidence over the bins.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label`, `group` (may be missing throughout) and `p_<class>`.
    bins, equal_mass
        As of `reliability`; the bins of the sample serve all resamples.
    resamples, seed : int
        Bootstrap by group, as of `evaluation.score_predictions`.

    Returns
    -------
    Estimate
        No interval where a class has a single group.

    Raises
    ------
    DataError
        As `reliability`.

    Notes
    -----
    Distances do not cancel, so chance alone makes the error positive, the more the fewer
    images a bin holds; and a resample adds its own chance. The interval is therefore shifted
    upwards, and its lower limit never reaches 0.
    """
    confidence, right = _confidences(predictions)
    edges = _edges(confidence, len(_columns(predictions)), bins, equal_mass)
    groups = find_groups(predictions)
    gaps = np.zeros((len(groups), len(edges) - 1))  # right answers less confidence
    np.add.at(gaps, (groups.codes, _bins(confidence, edges)), right - confidence)
    images = groups.sums(np.ones(len(predictions)))
    value = float(np.abs(gaps.sum(axis=0)).sum() / images.sum())
    if not groups.several:
        return Estimate(value, None, None)
    weights = groups.weights(resamples, seed)
    drawn = np.abs(weights @ gaps).sum(axis=1) / (weights @ images)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def fit_temperature(predictions: pd.DataFrame) -> float:
    """Temperature that makes the validation part likeliest.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label`, `part` and `p_<class>`; the rows of the validation part are used.

    Returns
    -------
    float
        Above 1 where the probabilities were too sure; limited to `TEMPERATURES`.

    Raises
    ------
    DataError
        When there is no column `part`, or no row of the validation part.

    Notes
    -----
    Probabilities become softmax(log p / T); the mean negative log-likelihood is minimised.
    Source: doi 10.48550/arXiv.1706.04599, section 4.2.
    """
    table = _validation(predictions)
    logs = np.log(np.maximum(_probabilities(table), FLOOR))
    true = _true(table)

    def loss(log_temperature: float) -> float:
        scaled = logs / math.exp(log_temperature)
        chosen = scaled[np.arange(len(true)), true]
        return float((np.logaddexp.reduce(scaled, axis=1) - chosen).mean())

    limits = tuple(map(math.log, TEMPERATURES))
    return math.exp(minimize_scalar(loss, bounds=limits, method="bounded").x)


def apply_temperature(predictions: pd.DataFrame, temperature: float) -> pd.DataFrame:
    """The same table with probabilities softmax(log p / temperature).

    The predicted class of an image does not change, only how sure it is.

    Parameters
    ----------
    predictions : pandas.DataFrame
        With columns `p_<class>`.
    temperature : float
        Positive.

    Raises
    ------
    DataError
        When the temperature is not positive.
    """
    if not temperature > 0 or not math.isfinite(temperature):
        raise DataError(
            f"A temperature of {temperature!r} cannot be used.", remedy="Give a positive number."
        )
    scaled = np.log(np.maximum(_probabilities(predictions), FLOOR)) / temperature
    values = np.exp(scaled - np.logaddexp.reduce(scaled, axis=1)[:, None])
    return predictions.assign(**dict(zip(_columns(predictions), values.T, strict=True)))


def choose_threshold(
    predictions: pd.DataFrame, positive: str, *, sensitivity: float | None = None
) -> Threshold:
    """Threshold of two classes, chosen on the validation part.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label`, `part` and `p_<class>` of two classes.
    positive : str
        The class whose probability is compared with the threshold.
    sensitivity : float, optional
        Least sensitivity wanted: then the highest threshold that reaches it. Without it,
        the largest sum of sensitivity and specificity (Youden's index, and so the largest
        balanced accuracy); of several such thresholds the one nearest to one half.

    Returns
    -------
    Threshold

    Raises
    ------
    DataError
        When there are not two classes with images of both in the validation part, or see
        `fit_temperature`.
    """
    table = _validation(predictions)
    score, case = _scores(table, positive)
    values = np.unique(score)
    places = np.r_[0.0, (values[1:] + values[:-1]) / 2]  # 0 calls every image positive
    cases, controls = np.sort(score[case]), np.sort(score[~case])
    found = 1 - np.searchsorted(cases, places) / len(cases)
    spared = np.searchsorted(controls, places) / len(controls)
    if sensitivity is None:
        best = np.flatnonzero(np.isclose(found + spared, (found + spared).max()))
        place = best[np.argmin(np.abs(places[best] - 0.5))]
        rule = "largest balanced accuracy on the validation part"
    else:
        place = np.flatnonzero(found >= min(sensitivity, 1.0) - 1e-12)[-1]
        rule = f"highest threshold with a sensitivity of {sensitivity:g} on the validation part"
    return Threshold(
        float(places[place]), positive, rule, float(found[place]), float(spared[place])
    )


def score_threshold(predictions: pd.DataFrame, threshold: Threshold, **settings) -> Scores:
    """Metrics of the decisions that a threshold makes, with intervals by group.

    Parameters
    ----------
    predictions : pandas.DataFrame
        Of the scored part: `label`, `group`, `p_<class>` of two classes.
    threshold : Threshold
    **settings
        `resamples`, `seed` of `evaluation.score_predictions`.

    Returns
    -------
    Scores
        Of decisions, which know no degrees: `auroc` is the balanced accuracy.

    Raises
    ------
    DataError
        When there are not two classes, or see `evaluation.score_predictions`.
    """
    score, _ = _scores(predictions, threshold.positive)
    called = (score >= threshold.value).astype(float)
    decided = {
        name: called if name == f"p_{threshold.positive}" else 1 - called
        for name in _columns(predictions)
    }
    table = predictions[["label", "group"]].assign(**decided)
    return score_predictions(table, positive=threshold.positive, **settings)


def _columns(predictions: pd.DataFrame) -> list[str]:
    names = [name for name in predictions if name.startswith("p_")]
    if not names or predictions.empty:
        raise DataError(
            "There are no predicted probabilities.", remedy="Give columns p_<class>, and a row."
        )
    return names


def _probabilities(predictions: pd.DataFrame) -> np.ndarray:
    return predictions[_columns(predictions)].to_numpy(float)


def _true(predictions: pd.DataFrame) -> np.ndarray:
    """Number of the true class of each row."""
    classes = [name.removeprefix("p_") for name in _columns(predictions)]
    true = pd.Index(classes).get_indexer(predictions.label)
    if (true < 0).any():
        raise DataError(
            f"Label {predictions.label.iloc[int(np.argmax(true < 0))]!r} has no probabilities.",
            remedy="Give a column p_<class> for each class.",
        )
    return true


def _confidences(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Largest probability of each row, and whether its class is the true one (1 or 0)."""
    values = _probabilities(predictions)
    return values.max(axis=1), (values.argmax(axis=1) == _true(predictions)).astype(float)


def _edges(confidence: np.ndarray, classes: int, bins: int, equal_mass: bool) -> np.ndarray:
    """Limits of the bins, shape (bins + 1,) or shorter where confidences are tied."""
    if bins < 1:
        raise DataError(f"{bins} bins hold nothing.", remedy="Use at least one bin.")
    if not equal_mass:
        return np.linspace(1 / classes, 1, bins + 1)
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)))
    return edges if len(edges) > 1 else np.array([edges[0], edges[0]])


def _bins(confidence: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each confidence; one on an inner limit belongs to the upper bin."""
    return np.searchsorted(edges[1:-1], confidence, side="right")


def _validation(predictions: pd.DataFrame) -> pd.DataFrame:
    if "part" not in predictions:
        raise DataError(
            "The table does not say which part its images belong to.",
            remedy="Fit on validation predictions, and say so in a column `part`.",
        )
    chosen = predictions[predictions.part == "validation"]
    if chosen.empty:
        raise DataError(
            "There is no image of the validation part; nothing is fitted on any other.",
            where=f"parts: {', '.join(map(str, predictions.part.unique())) or 'none'}",
            remedy="Keep the predictions of the validation part too.",
        )
    return chosen


def _scores(predictions: pd.DataFrame, positive: str) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the positive class, and whether it is the true one."""
    names, case = _columns(predictions), (predictions.label == positive).to_numpy(bool)
    if len(names) != 2 or f"p_{positive}" not in names or case.all() or not case.any():
        raise DataError(
            f"A threshold on {positive!r} needs two classes, with images of both.",
            where=f"columns {', '.join(names)}",
            remedy="Use it on C-NMC 2019 or the synthetic cells.",
        )
    return predictions[f"p_{positive}"].to_numpy(float), case
