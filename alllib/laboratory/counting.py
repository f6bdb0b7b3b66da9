"""Right predictions, wrongly counted."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy
from .scene import Scene, describe_repeats, predict_folds, require_networks

__all__ = ["average_batches", "leave_dropout_on", "praise_majority", "score_batches"]

BATCH = 16  # of the sheet
RESAMPLES = 500


def score_batches(
    true: np.ndarray, predicted: np.ndarray, batch: int, *, classes: int = 2
) -> dict[str, float]:
    """Metrics of each batch by itself, then their mean.

    Parameters
    ----------
    true, predicted : numpy.ndarray
        Shape (n,): classes 0, 1, ...
    batch : int
        Images in a batch; the last one may be smaller. With `n` it is the true score.
    classes : int
        With two, recall and F1 are those of class 0; with more, means over the classes.

    Returns
    -------
    dict of str to float
        `accuracy`, `recall`, `F1`. A class that a batch lacks counts 0 in it, as usual where
        a program must not divide by zero.
    """
    starts = np.arange(0, len(true), batch)
    each = np.arange(classes)
    is_true, is_called = true[:, None] == each, predicted[:, None] == each
    hits, have, called = (
        np.add.reduceat(found.astype(float), starts, axis=0)
        for found in (is_true & is_called, is_true, is_called)
    )
    recall = hits / np.maximum(have, 1)
    balance = 2 * hits / np.maximum(have + called, 1)
    counted = slice(0, 1) if classes == 2 else slice(None)
    return {
        "accuracy": float((hits.sum(axis=1) / have.sum(axis=1)).mean()),
        "recall": float(recall[:, counted].mean()),
        "F1": float(balance[:, counted].mean()),
    }


def average_batches(scene: Scene) -> list[Effect]:
    """Metrics averaged over batches of 16, shuffled and in the order of the classes."""
    if scene.has_subjects:
        columns = [
            {"rows": one.test, "called": (one.outputs["test"][-1] <= 0.5).astype(int)}
            for one in require_networks(scene)
        ]
        system = "small network"
        wanted = (("accuracy", False), ("recall", False), ("F1", False), ("recall", True),
                  ("F1", True))  # fmt: skip
    else:
        columns = [{"called": found.argmax(axis=1)} for found in scene.forest["image"]]
        system, wanted = "forest on six colour numbers", (("accuracy", False), ("F1", False))
    table = describe_repeats(scene, columns)
    table["true"] = pd.Index(scene.classes).get_indexer(table.label)
    return [
        measure_effect(
            "batch_metrics", table,
            partial(_rate_batches, metric=metric, ordered=ordered, classes=len(scene.classes)),
            unit=metric if len(scene.classes) == 2 or metric == "accuracy" else f"macro {metric}",
            system=f"{system}, {'class after class' if ordered else 'shuffled'}",
            note=f"The same predictions. Batches of {BATCH}; in one that lacks a class, that class "
            "counts 0. Each draw is held at the number of images, so that the last batch keeps its "
            "size.",
            draw_repeats=True, resamples=RESAMPLES,
        )
        for metric, ordered in wanted
    ]  # fmt: skip


def _rate_batches(
    table: pd.DataFrame, weights: np.ndarray, *, metric: str, ordered: bool, classes: int
) -> tuple[float, float]:
    """Metric of all images at once, and mean of the batches; both are means of the repeats."""
    true, called = table.true.to_numpy(), table.called.to_numpy()
    rounds, found, counts = table["repeat"].to_numpy(), [], []
    for number in np.unique(rounds):
        own = np.flatnonzero(rounds == number)
        times = np.gcd.reduce(weights[own])  # a repeat that was drawn twice counts twice
        if not times:
            continue
        rows = np.repeat(own, weights[own] // times)
        rows = _hold_size(rows, len(own), np.random.default_rng(number))
        if classes == 2 and len(np.unique(true[rows])) < 2:
            continue
        counts.append(times)
        if ordered:
            rows = rows[np.argsort(true[rows], kind="stable")]
        found.append(
            [
                score_batches(true[rows], called[rows], batch, classes=classes)[metric]
                for batch in (len(rows), BATCH)
            ]
        )
    return tuple(np.average(found, axis=0, weights=counts)) if found else (np.nan, np.nan)


def _hold_size(rows: np.ndarray, size: int, generator: np.random.Generator) -> np.ndarray:
    """Rows in random order, so many of them: some left out, or some taken again.

    Groups differ in size, so that a draw of groups has more or fewer images than there are.
    With its number the size of the last batch would change, which counts as much as a whole
    one; the draws would then be of another thing than the value that they belong to.
    """
    return np.resize(generator.permutation(rows), size)


def leave_dropout_on(scene: Scene) -> list[Effect]:
    """Networks scored as if they still trained, against dropout switched off."""
    columns = []
    for one in require_networks(scene):
        ill = scene.target[one.test] == 0
        columns.append(
            {
                "rows": one.test,
                "honest": (one.outputs["test"][-1] > 0.5) == ill,
                "mistaken": ((one.dropped > 0.5) == ill).mean(axis=0),
            }
        )
    return [
        measure_effect(
            "dropout", describe_repeats(scene, columns), rate_accuracy, draw_repeats=True,
            system="small network",
            note="The same networks and images. Dropout after both blocks and the dense layer, as "
            f"in the poster's network; mean of {len(scene.trainings[0].dropped)} passes.",
        )
    ]  # fmt: skip


def praise_majority(scene: Scene) -> list[Effect]:
    """Accuracy of classifiers that have learned nothing, beside the mean of class recalls."""
    require_subjects(scene.cells)
    commonest = np.bincount(scene.target).argmax()
    always = [{"called": np.full(len(scene.cells), commonest)}]
    shuffled = []
    for seed, dealt in enumerate(scene.folds["apart"]):
        mixed = np.random.default_rng(seed).permutation(scene.target)
        found = predict_folds(scene.numbers, mixed, dealt, seed=seed)
        shuffled.append({"called": found.argmax(axis=1)})
    effects = []
    for system, columns in (("always the commoner class", always),
                            ("forest trained on shuffled labels", shuffled)):  # fmt: skip
        table = describe_repeats(scene, columns)
        table["true"] = pd.Index(scene.classes).get_indexer(table.label)
        effects.append(
            measure_effect(
                "majority", table, _rate_recalls, system=system, draw_repeats=True,
                note="The same predictions. Without the mistake: mean of the two class recalls, "
                "which is one half where nothing is learned.",
            )
        )  # fmt: skip
    return effects


def _rate_recalls(table: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
    """Mean of the class recalls, and accuracy."""
    true = table.true.to_numpy()
    hits = weights * (table.called.to_numpy() == true)
    have = np.bincount(true, weights)
    if not have.all():
        return np.nan, np.nan
    return float((np.bincount(true, hits) / have).mean()), float(hits.sum() / have.sum())
