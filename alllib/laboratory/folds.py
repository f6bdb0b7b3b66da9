"""Folds by image and by subject group, and what a forest says of each fold."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from ..layouts import image_number
from ..splits import split_blocks, split_groups

__all__ = ["FOLDS", "cross_folds", "deal_images", "deal_out", "name_stretches", "predict_folds"]

FOLDS = 5
TREES = 100
SERIAL_BELOW = 1000  # rows: threads would take longer to start than to work
RUNS = 20  # stretches of neighbouring numbers per class, where no subject is named


def deal_out(cells: pd.DataFrame, seed: int) -> np.ndarray:
    """Fold of each row, by subject group or, where there is none, by blocks of numbers."""
    fold = pd.Series(-1, index=cells.image)
    split = split_groups if cells.subject.notna().all() else split_blocks
    for number in range(FOLDS):
        fold[split(cells, folds=FOLDS, seed=seed, fold=number).part("test").image] = number
    return fold.to_numpy()


def deal_images(images: int, seed: int) -> np.ndarray:
    """Fold of each of some images, dealt at random."""
    return np.random.default_rng(seed).permutation(images) % FOLDS


def cross_folds(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Number of each pair of folds: images of one number had the same classifier both times."""
    return first * FOLDS + second


def name_stretches(cells: pd.DataFrame) -> pd.Series:
    """Names of stretches of neighbouring file numbers, the same count in each class."""
    number = cells.image.map(image_number)
    place = number.groupby(cells.label).rank(method="first") - 1
    size = cells.groupby("label").image.transform("size")
    stretch = (place * RUNS // size).astype(int).astype("string")
    return cells.label.astype("string") + " " + stretch


def predict_folds(
    numbers: pd.DataFrame | np.ndarray,
    target: np.ndarray,
    fold: np.ndarray,
    *,
    seed: int,
    trees: int = TREES,
) -> np.ndarray:
    """Probabilities of a random forest for each row, learned from the other folds.

    Parameters
    ----------
    numbers : pandas.DataFrame or numpy.ndarray
        Shape (n, numbers).
    target : numpy.ndarray
        Shape (n,): classes 0, 1, ...
    fold : numpy.ndarray
        Shape (n,).
    seed, trees : int

    Returns
    -------
    numpy.ndarray
        Shape (n, classes), float32.
    """
    values = np.asarray(numbers, "f4")
    workers = 1 if len(values) < SERIAL_BELOW else -1
    found = np.zeros((len(values), target.max() + 1), "f4")
    for number in np.unique(fold):
        held = fold == number
        forest = RandomForestClassifier(
            trees, min_samples_leaf=2, random_state=seed, n_jobs=workers
        )
        forest.fit(values[~held], target[~held])
        forest.n_jobs = 1  # threads would add up the trees in another order each time
        found[np.ix_(held, forest.classes_)] = forest.predict_proba(values[held])
    return found
