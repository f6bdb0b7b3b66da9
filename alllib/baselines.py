"""Classifiers without a CNN: what a handful of numbers per image already achieves.

Each system of `BASELINES` is a choice of numbers and one of three plain classifiers, with
settings that were fixed before the first score and never tuned. None of them chooses anything
on a validation part, so it may learn from that part too; a network uses it for its checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .datasets import is_own
from .errors import DataError, SplitError, suggest
from .features import COLOURS, CORNER, FEATURES, describe_colours, describe_images
from .splits import Split, check_certificate, scored_part

__all__ = [
    "BASELINES",
    "FEATURES",
    "Baseline",
    "baselines_for",
    "describe_images",
    "get_baseline",
    "measure_numbers",
    "predict_baseline",
    "predict_forest",
]

_CELLS = ("cnmc2019", "synthetic")
_SUBTYPES = ("ball2021", "synthetic-subtypes")
# What describes the images of each data set.
_DESCRIBE: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    **dict.fromkeys(_CELLS, describe_images),
    **dict.fromkeys(_SUBTYPES, describe_colours),
}


@dataclass(frozen=True)
class Baseline:
    """A system without a CNN.

    Attributes
    ----------
    name, title : str
    datasets : tuple of str
        Where it is used.
    numbers : tuple of str
        Columns of `measure_numbers` that it sees.
    classifier : {"forest", "logistic", "majority"}
        A random forest of 300 trees; logistic regression on standardised numbers; or the
        shares of the classes in the training part for every image.
    """

    name: str
    title: str
    datasets: tuple[str, ...]
    numbers: tuple[str, ...]
    classifier: str


# One number has one threshold: logistic regression keeps the order of the areas, where a forest
# would cut them into steps. Both find nearly the same threshold.
BASELINES = {
    entry.name: entry
    for entry in (
        Baseline("nineteen", "nineteen numbers, random forest", _CELLS, FEATURES, "forest"),
        Baseline("area", "nucleus area alone, logistic regression", _CELLS, ("area",), "logistic"),
        Baseline("six", "six colour numbers, random forest", _SUBTYPES, COLOURS, "forest"),
        Baseline("mean", "mean colour, random forest", _SUBTYPES, COLOURS[:3], "forest"),
        Baseline("corner", "corner of background, random forest", _SUBTYPES, CORNER, "forest"),
        Baseline("majority", "commonest class", _CELLS + _SUBTYPES, (), "majority"),
    )
}


def get_baseline(name: str) -> Baseline:
    """Entry of the registry.

    Raises
    ------
    DataError
        When there is none of that name.
    """
    if name not in BASELINES:
        raise DataError(f"There is no baseline {name!r}.", remedy=suggest(name, BASELINES))
    return BASELINES[name]


def baselines_for(dataset: str) -> list[Baseline]:
    """Systems without a CNN for a data set.

    Raises
    ------
    DataError
        When there is none.
    """
    found = [entry for entry in BASELINES.values() if _kind(dataset) in entry.datasets]
    if not found:
        raise DataError(
            f"There is no baseline for the data set {dataset!r}.",
            remedy=suggest(dataset, _DESCRIBE),
        )
    return found


def _kind(dataset: str) -> str:
    """The data set whose systems serve: a reader's images are described by colours alone, because
    nothing is known of what they show."""
    return _SUBTYPES[0] if is_own(dataset) else dataset


def measure_numbers(cells: pd.DataFrame) -> pd.DataFrame:
    """The numbers that the baselines of a data set see, one row per image name.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; its `attrs` name the data set.

    Returns
    -------
    pandas.DataFrame
        Index `image`; see `features.describe_images` and `features.describe_colours`.

    Raises
    ------
    DataError, ImageError
        When the data set has no baselines, or an image cannot be described.
    """
    dataset = cells.attrs.get("dataset", "")
    baselines_for(dataset)
    return _DESCRIBE[_kind(dataset)](cells).set_index(cells.image.to_numpy()).rename_axis("image")


def predict_baseline(
    baseline: Baseline,
    split: Split,
    numbers: pd.DataFrame,
    *,
    seed: int = 1,
    learn: tuple[str, ...] = ("train",),
) -> pd.DataFrame:
    """Train a baseline on some parts of a split; its probabilities on the other parts.

    Parameters
    ----------
    baseline : Baseline
    split : Split
        Its certificate must fit its table.
    numbers : pandas.DataFrame
        Numbers of each image, indexed by image name; the baseline's own are taken.
    seed : int
        Seed of the forest; the others draw nothing.
    learn : tuple of str
        Parts that it learns from; the part that is scored may not be among them.

    Returns
    -------
    pandas.DataFrame
        `image, subject, group, label, part` and `p_<class>` of each image that was not
        trained on.

    Raises
    ------
    SplitError
        When the certificate is missing or belongs to other data, or the scored part would be
        learned from.
    DataError
        When a number or an image is missing.
    """
    if scored_part(split) in learn:
        raise SplitError(
            f"A baseline may not learn from the {scored_part(split)} part: it is scored there.",
            remedy="Learn from the training part, or from training and validation part.",
        )
    lacking = [name for name in baseline.numbers if name not in numbers]
    if lacking:
        raise DataError(
            f"The numbers lack {', '.join(lacking)}.",
            where=baseline.name,
            remedy="Measure them with `alllib.baselines.measure_numbers`.",
        )
    seen = numbers[list(baseline.numbers)]
    return _predict(_classifier(baseline.classifier, seed), split, seen, learn)


def predict_forest(split: Split, features: pd.DataFrame, *, seed: int = 1) -> pd.DataFrame:
    """Random forest on the training part, its probabilities on the other parts.

    Parameters
    ----------
    split : Split
        Its certificate must fit its table.
    features : pandas.DataFrame
        Numbers of each image, indexed by image name.
    seed : int
        Seed of the forest.

    Returns
    -------
    pandas.DataFrame
        `image, subject, group, label, part` and `p_<class>` of each image that was not
        trained on.

    Raises
    ------
    SplitError
        When the certificate is missing or belongs to other data.
    DataError
        When an image has no numbers.
    """
    return _predict(_classifier("forest", seed), split, features)


def _classifier(name: str, seed: int):
    if name == "forest":
        return RandomForestClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=-1)
    if name == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression())
    return DummyClassifier(strategy="prior")


def _predict(
    classifier, split: Split, numbers: pd.DataFrame, learn: tuple[str, ...] = ("train",)
) -> pd.DataFrame:
    check_certificate(split.cells, split.certificate)
    learned = split.cells.part.isin(learn)
    train, rest = split.cells[learned], split.cells[~learned]
    classifier.fit(_rows(numbers, train.image), train.label.astype(str))
    if isinstance(classifier, RandomForestClassifier):
        # Threads would add up the trees in whatever order they finish: other last digits.
        classifier.n_jobs = 1
    found = classifier.predict_proba(_rows(numbers, rest.image))
    table = rest[["image", "subject", "group", "label", "part"]].reset_index(drop=True)
    return pd.concat(
        [table, pd.DataFrame(found, columns=[f"p_{c}" for c in classifier.classes_])], axis=1
    )


def _rows(numbers: pd.DataFrame, images: Iterable[str]) -> np.ndarray:
    """Numbers of some images, in their order, shape (images, numbers)."""
    missing = pd.Index(images).difference(numbers.index)
    if len(missing):
        raise DataError(
            f"{len(missing)} images have no numbers.",
            where=missing[0],
            remedy="Measure the images of the whole split.",
        )
    return numbers.loc[list(images)].to_numpy()
