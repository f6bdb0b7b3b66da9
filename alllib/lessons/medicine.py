"""What a decision at a threshold is worth: counts, rates, predictive values, net benefit."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files as package_files

import numpy as np
import pandas as pd

from ..demonstration import demonstration_folder
from ..errors import DataError, ParameterError
from ..records import Record, list_records, read_record

__all__ = [
    "Counts",
    "count_decisions",
    "example_record",
    "f_score",
    "likelihood_ratios",
    "matthews",
    "net_benefit",
    "precision_recall",
    "predictive_values",
    "prevalence_facts",
    "roc_points",
    "scores_of",
]


@dataclass(frozen=True)
class Counts:
    """Decisions at one threshold.

    Attributes
    ----------
    hits, misses : int
        Positive cells called positive, and called negative.
    alarms, clear : int
        Negative cells called positive, and called negative.
    """

    hits: int
    misses: int
    alarms: int
    clear: int

    @property
    def sensitivity(self) -> float:
        return self.hits / (self.hits + self.misses)

    @property
    def specificity(self) -> float:
        return self.clear / (self.clear + self.alarms)

    @property
    def prevalence(self) -> float:
        return (self.hits + self.misses) / (self.hits + self.misses + self.alarms + self.clear)

    @property
    def accuracy(self) -> float:
        return (self.hits + self.clear) / (self.hits + self.misses + self.alarms + self.clear)


def count_decisions(scores: np.ndarray, positive: np.ndarray, threshold: float = 0.5) -> Counts:
    """Count what happens when every score from the threshold on is called positive.

    Parameters
    ----------
    scores : numpy.ndarray
        Shape (n,), probabilities of the positive class.
    positive : numpy.ndarray
        Shape (n,), bool: the truth.
    threshold : float
    """
    called = scores >= threshold
    return Counts(
        hits=int((called & positive).sum()), misses=int((~called & positive).sum()),
        alarms=int((called & ~positive).sum()), clear=int((~called & ~positive).sum()),
    )  # fmt: skip


def predictive_values(
    sensitivity: float, specificity: float, prevalence: float | np.ndarray
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Positive and negative predictive value at a prevalence, by Bayes' rule.

    Parameters
    ----------
    sensitivity, specificity : float
    prevalence : float or numpy.ndarray
        Share of the positive class, between 0 and 1 exclusive.

    Returns
    -------
    tuple
        Share of the positives among those called positive, and of the negatives among those
        called negative; NaN where nobody is called so.

    Notes
    -----
    Altman and Bland, 1994 (doi 10.1136/bmj.309.6947.102).
    """
    right, wrong = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    clear, missed = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    with np.errstate(invalid="ignore", divide="ignore"):
        positive = np.divide(right, right + wrong)
        negative = np.divide(clear, clear + missed)
    return positive, negative


def likelihood_ratios(sensitivity: float, specificity: float) -> tuple[float, float]:
    """By what factor a positive and a negative answer change the odds of the disease.

    Returns
    -------
    tuple of float
        `sensitivity / (1 - specificity)` and `(1 - sensitivity) / specificity`; infinite where
        a denominator is zero.

    Notes
    -----
    Deeks and Altman, 2004 (doi 10.1136/bmj.329.7458.168).
    """
    up = sensitivity / (1 - specificity) if specificity < 1 else np.inf
    down = (1 - sensitivity) / specificity if specificity > 0 else np.inf
    return float(up), float(down)


def f_score(counts: Counts) -> float:
    """Harmonic mean of precision and sensitivity of the positive class; `clear` has no part."""
    return 2 * counts.hits / (2 * counts.hits + counts.alarms + counts.misses)


def matthews(counts: Counts) -> float:
    """Correlation of decision and truth, from -1 to 1; 0 where one class is never called."""
    hits, misses, alarms, clear = counts.hits, counts.misses, counts.alarms, counts.clear
    sides = (hits + misses) * (hits + alarms) * (clear + misses) * (clear + alarms)
    return (hits * clear - misses * alarms) / sides**0.5 if sides else 0.0


def roc_points(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False alarm rate and sensitivity at every threshold, from the highest to the lowest.

    Returns
    -------
    tuple of numpy.ndarray
        Both from 0 to 1, one value for each distinct score and one before.
    """
    hits, alarms = _cumulated(scores, positive)
    return alarms / alarms[-1], hits / hits[-1]


def precision_recall(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sensitivity (recall) and precision at every threshold, from the highest to the lowest.

    Returns
    -------
    tuple of numpy.ndarray
        One value for each distinct score; before them sensitivity 0 with precision 1.
    """
    hits, alarms = _cumulated(scores, positive)
    precision = np.append(1.0, hits[1:] / (hits[1:] + alarms[1:]))
    return hits / hits[-1], precision


def _cumulated(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives called positive, at each distinct score from the highest on."""
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(positive[order])[ends]
    return np.append(0, hits), np.append(0, ends + 1 - hits)


def net_benefit(
    sensitivity: float | np.ndarray,
    specificity: float | np.ndarray,
    *,
    prevalence: float,
    threshold: float | np.ndarray,
) -> float | np.ndarray:
    """Hits less alarms, each alarm weighted by the odds of the threshold, for one cell.

    Parameters
    ----------
    sensitivity, specificity : float or numpy.ndarray
        At the threshold.
    prevalence : float
    threshold : float or numpy.ndarray
        Probability from which on one acts; its odds say how many alarms one hit is worth.

    Notes
    -----
    Vickers and Elkin, 2006 (doi 10.1177/0272989X06295361).
    """
    odds = threshold / (1 - threshold)
    return sensitivity * prevalence - (1 - specificity) * (1 - prevalence) * odds


def scores_of(predictions: pd.DataFrame, positive: str) -> tuple[np.ndarray, np.ndarray]:
    """Probability of the positive class and the truth, from a table of predictions.

    Raises
    ------
    DataError
        When there is no column for the class.
    """
    if f"p_{positive}" not in predictions:
        raise DataError(
            f"There are no probabilities of {positive!r}.",
            remedy=f"Give a table with a column p_{positive}.",
        )
    return (
        predictions[f"p_{positive}"].to_numpy(float),
        (predictions.label == positive).to_numpy(),
    )


def example_record(recipe: str = "", *, protocol: str = "group") -> Record:
    """A recorded run of a recipe, scored on people it has not seen; else the demonstration.

    Parameters
    ----------
    recipe : str
        Name of a recipe; empty for the demonstration.
    protocol : str

    Returns
    -------
    Record
        Of several, one with a validation part, and with groups of the rarer class as many as
        possible; the first by id.

    Raises
    ------
    ParameterError
        When the run has more classes than two.
    """
    found = [
        record
        for record in (list_records() if recipe else [])
        if record.recorded
        and record.run["recipe"] == recipe
        and record.run["protocol"] == protocol
        and record.run["scored"] == "test"
        and record.validation is not None
    ]
    if not found:
        return read_record(demonstration_folder())
    chosen = min(found, key=_fewest_people)
    if len(chosen.run["classes"]) != 2:
        raise ParameterError(
            "Predictive values are shown for two classes.", where=recipe,
            remedy="Name a recipe for C-NMC 2019.",
        )  # fmt: skip
    return chosen


def _fewest_people(record: Record) -> tuple:
    """Sorts records: the most groups of the rarer class first, then the most groups, then id."""
    people = record.run["metrics"]["groups"].values()
    return -min(people), -sum(people), record.run["id"]


def prevalence_facts() -> list[dict]:
    """Shares of leukemic cells that matter at the bedside, from `data/prevalences.toml`.

    Returns
    -------
    list of dict
        `name`, `share` (0 to 1), `means`, `cite`.
    """
    text = (package_files("alllib") / "data" / "prevalences.toml").read_text("utf-8")
    return tomllib.loads(text)["setting"]
