"""Learning from examples, from scratch: risk, nearest neighbours, guessing, finding cells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

__all__ = ["Found", "World", "choose_best_guess", "classification_error", "empirical_risk",
           "expected_best", "find_cells", "fitting_counts", "hoeffding_margin", "nearest_vote",
           "zero_one_loss"]  # fmt: skip


def zero_one_loss(answers: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """One for each wrong answer, zero for each right one; float64, shape of the labels."""
    return (np.asarray(answers) != np.asarray(labels)).astype(float)


def empirical_risk(
    rule: Callable[[np.ndarray], np.ndarray],
    inputs: np.ndarray,
    labels: np.ndarray,
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray] = zero_one_loss,
) -> float:
    """Mean loss of a rule on examples.

    Parameters
    ----------
    rule : callable
        Inputs to answers.
    inputs : numpy.ndarray
        First axis: examples.
    labels : numpy.ndarray
        One for each example.
    loss : callable
        Answers and labels to one loss for each example.
    """
    return float(loss(rule(inputs), labels).mean())


def classification_error(confusion: Iterable[Iterable[int]]) -> float:
    """Empirical risk under zero-one loss from a confusion matrix: one minus the accuracy."""
    counts = np.asarray(confusion)
    return float(1 - np.trace(counts) / counts.sum())


def hoeffding_margin(images: int, *, confidence: float = 0.95, rules: int = 1) -> float:
    """How far risk and empirical risk may lie apart, for losses from 0 to 1.

    With probability `confidence` at least, no one of `rules` rules that were fixed before the
    examples were seen is farther off. The examples are independent. Source: Hoeffding, doi
    10.1080/01621459.1963.10500830, and one sum over the rules.

    Parameters
    ----------
    images : int
        Number of examples.
    confidence : float
    rules : int
    """
    return float(np.sqrt(np.log(2 * rules / (1 - confidence)) / (2 * images)))


@dataclass(frozen=True)
class World:
    """A made-up world in which the risk is known: one number for each cell.

    Healthy cells have it from a normal distribution around 0, blasts around `apart`, both with
    deviation 1; `blasts` is their share.
    """

    apart: float = 1.5
    blasts: float = 0.5

    def draw(self, images: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (float64) and labels (bool, whether a blast) of independent cells."""
        labels = rng.random(images) < self.blasts
        return rng.normal(self.apart * labels, 1.0), labels

    def risk(self, threshold: float) -> float:
        """Share of all cells that the rule `number > threshold` gets wrong."""
        missed = stats.norm.cdf(threshold - self.apart)
        return self.blasts * missed + (1 - self.blasts) * stats.norm.sf(threshold)


def nearest_vote(
    train: np.ndarray, labels: np.ndarray, points: np.ndarray, neighbours: int
) -> np.ndarray:
    """Share of the nearest training examples that are blasts.

    Parameters
    ----------
    train : numpy.ndarray
        Shape (examples, numbers), all numbers on one scale.
    labels : numpy.ndarray
        Shape (examples,), whether a blast.
    points : numpy.ndarray
        Shape (points, numbers).
    neighbours : int
        How many vote.

    Returns
    -------
    numpy.ndarray
        float64, shape (points,).
    """
    gaps = np.linalg.norm(points[:, None, :] - train[None, :, :], axis=2)
    nearest = np.argsort(gaps, axis=1, kind="stable")[:, :neighbours]
    return np.asarray(labels, float)[nearest].mean(axis=1)


def choose_best_guess(images: int, tries: int, rng: np.random.Generator) -> tuple[float, float]:
    """Accuracy of the best of many coin-tossing classifiers: where it was chosen, and elsewhere.

    Parameters
    ----------
    images : int
        Of the part on which it is chosen, and of the fresh part.
    tries : int
        Classifiers; each tosses a coin for every image.
    rng : numpy.random.Generator
    """
    chosen_on = rng.integers(0, 2, (tries, images)).mean(axis=1)
    fresh = rng.integers(0, 2, (tries, images)).mean(axis=1)
    best = chosen_on.argmax()
    return float(chosen_on[best]), float(fresh[best])


def expected_best(images: int, tries: int, *, accuracy: float = 0.5) -> float:
    """Expected accuracy of the best of `tries` equally good classifiers on `images` images.

    All have the same true accuracy and err independently. The chance that none gets more than m
    right is that of one, to the power of `tries`.
    """
    right = np.arange(images)
    at_most = stats.binom.cdf(right, images, accuracy) ** tries
    return float((1 - at_most).sum() / images)


def fitting_counts(printed: str, largest: int = 100) -> list[int]:
    """Numbers of cases for which some whole number of hits prints as this percentage.

    Parameters
    ----------
    printed : str
        Per cent as printed, like `93.3`; its digits count.
    largest : int
    """
    digits = len(printed.partition(".")[2])
    return [
        cases
        for cases in range(1, largest + 1)
        if any(
            f"{100 * hits / cases:.{digits}f}" == f"{float(printed):.{digits}f}"
            for hits in range(cases + 1)
        )
    ]


@dataclass(frozen=True)
class Found:
    """A stained nucleus found in a picture: its box, in pixels, and its area."""

    top: int
    left: int
    bottom: int
    right: int
    area: int


def find_cells(
    picture: np.ndarray, *, least: int = 300, redder: int = 12
) -> tuple[list[Found], np.ndarray]:
    """Find stained nuclei by colour: red well above green, joined pixels, large enough.

    Nuclei that touch count as one. It is a rule for the synthetic smears of this package, where
    red cells are greener than red; real stains differ.

    Parameters
    ----------
    picture : numpy.ndarray
        uint8, (rows, columns, 3), RGB.
    least : int
        Smallest area in pixels.
    redder : int
        Grey levels by which red must exceed green.

    Returns
    -------
    cells : list of Found
        Largest first.
    mask : numpy.ndarray
        int32, (rows, columns): 0 outside, else the number of the cell in the list, from 1.
    """
    values = ndimage.gaussian_filter(picture.astype(float), (1, 1, 0))
    parts, count = ndimage.label(ndimage.binary_opening(values[..., 0] - values[..., 1] > redder))
    areas = ndimage.sum_labels(np.ones(parts.shape), parts, np.arange(1, count + 1)).astype(int)
    boxes = ndimage.find_objects(parts)
    order = [i for i in np.argsort(-areas, kind="stable") if areas[i] >= least]
    mask = np.zeros(parts.shape, "i4")
    for number, i in enumerate(order, start=1):
        mask[parts == i + 1] = number
    cells = [Found(boxes[i][0].start, boxes[i][1].start, boxes[i][0].stop, boxes[i][1].stop,
                   int(areas[i])) for i in order]  # fmt: skip
    return cells, mask
