"""What was chosen on a set says too much of that set."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy
from .scene import Scene, describe_repeats, require_networks

__all__ = ["best_epoch", "choose_on_reported", "report_validation"]

SHARE = 0.2  # of the learned subjects' images that validate
TREES = 100


def best_epoch(outputs: np.ndarray, ill: np.ndarray) -> int:
    """Epoch (from 0) with the highest accuracy, the first of several.

    Parameters
    ----------
    outputs : numpy.ndarray
        Shape (epochs, n): probability of ALL.
    ill : numpy.ndarray
        Shape (n,), bool: true class is ALL.

    Returns
    -------
    int
    """
    return int(((outputs > 0.5) == ill).mean(axis=1).argmax())


def choose_on_reported(scene: Scene) -> list[Effect]:
    """Checkpoint chosen on the test images themselves, against on the validation part."""
    columns = []
    for one in require_networks(scene):
        validation, test = one.outputs["validation"], one.outputs["test"]
        ill = scene.target[one.test] == 0
        honest = best_epoch(validation, scene.target[one.validation] == 0)
        mistaken = best_epoch(test, ill)
        columns.append(
            {
                "rows": one.test,
                "honest": (test[honest] > 0.5) == ill,
                "mistaken": (test[mistaken] > 0.5) == ill,
            }
        )
    epochs = len(scene.trainings[0].outputs["test"])
    return [
        measure_effect(
            "checkpoint", describe_repeats(scene, columns), rate_accuracy, draw_repeats=True,
            system="small network", note=f"Best of {epochs} epochs; more epochs give more choice.",
        )
    ]  # fmt: skip


def report_validation(scene: Scene) -> list[Effect]:
    """The validation part's score told as the test part's.

    Two systems: the networks, whose checkpoint was chosen on the validation part and whose
    three parts share no subject; and forests whose validation images are of the subjects that
    they learned from, as where images are split before anybody is held back.
    """
    columns = []
    for one in require_networks(scene):
        ill = scene.target[one.validation] == 0
        epoch = best_epoch(one.outputs["validation"], ill)
        columns.append(_both_parts(scene, one.outputs["validation"][epoch] > 0.5, one.validation,
                                   one.outputs["test"][epoch] > 0.5, one.test))  # fmt: skip
    note = "Not the same images: the interval holds the chance between two sets of subjects."
    return [
        measure_effect(
            "validation", describe_repeats(scene, columns), rate_parts, draw_repeats=True,
            system="small network, subjects apart", note=note,
        ),
        measure_effect(
            "validation", describe_repeats(scene, _validate_forests(scene)), rate_parts,
            draw_repeats=True, system="forest, validation of learned subjects", note=note,
        ),
    ]  # fmt: skip


def _both_parts(
    scene: Scene,
    held: np.ndarray,
    validation: np.ndarray,
    found: np.ndarray,
    test: np.ndarray,
) -> dict:
    """Rows of both parts with whether each was called rightly."""
    rows = np.concatenate([validation, test])
    right = np.concatenate([held, found]) == (scene.target[rows] == 0)
    tested = np.arange(len(rows)) >= len(validation)
    return {"rows": rows, "right": right, "tested": tested}


def _validate_forests(scene: Scene) -> list[dict]:
    """One forest per fold by subject group, each with validation images of learned subjects."""
    require_subjects(scene.cells)
    values, columns = scene.numbers.to_numpy("f4"), []
    for fold in np.unique(scene.folds["apart"][0]):
        test = np.flatnonzero(scene.folds["apart"][0] == fold)
        learned = np.flatnonzero(scene.folds["apart"][0] != fold)
        learned = np.random.default_rng(int(fold)).permutation(learned)
        held, train = np.split(learned, [int(SHARE * len(learned))])
        forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=1)
        forest.fit(values[train], scene.target[train] == 0)
        columns.append(
            _both_parts(scene, forest.predict(values[held]), held, forest.predict(values[test]),
                        test)
        )  # fmt: skip
    return columns


def rate_parts(table: pd.DataFrame, weights: np.ndarray) -> tuple[float, float]:
    """Accuracy of the test rows, and of the others; NaN where one was not drawn."""
    right, tested = table.right.to_numpy(float), table.tested.to_numpy(bool)
    totals = weights[tested].sum(), weights[~tested].sum()
    if not all(totals):
        return np.nan, np.nan
    hits = weights * right
    return float(hits[tested].sum() / totals[0]), float(hits[~tested].sum() / totals[1])
