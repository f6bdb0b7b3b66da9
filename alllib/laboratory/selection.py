"""What was chosen on a set says too much of that set."""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy, rate_choices
from .folds import FOLDS
from .scene import Scene, describe_repeats, require_networks

__all__ = ["best_epoch", "choose_on_reported", "deal_validation", "report_validation"]

TREES = 100
AGAIN = (
    "The checkpoint is chosen again in each draw, which adds chance of its own: the interval may "
    "lie too high. The difference cannot be below zero."
)


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
    epochs = len(require_networks(scene)[0].outputs["test"])
    return [
        _choose(
            scene, "checkpoint", "small network", exchange=False,
            note=f"The same test images, after that of {epochs} epochs which the validation part "
            f"chose and after that which they chose themselves; more epochs give more choice. "
            f"{AGAIN}",
        )
    ]  # fmt: skip


def report_validation(scene: Scene) -> list[Effect]:
    """The validation part's score told as the test part's.

    Validation and test hold different people, and a part of the difference between their scores
    is who these are. So each image is scored in both roles. Two systems: networks whose three
    parts share no subject, where the two parts change places; and forests whose validation
    images are of subjects that they learned from, as where images are split one by one.
    """
    return [
        _choose(
            scene, "validation", "small network, subjects apart", exchange=True,
            note="Validation and test part take both roles in turn, so that who stands in which "
            "cancels. The same images: first after the epoch that the other part chose, as test, "
            f"then after the one that they chose themselves, as validation. {AGAIN}",
        ),
        measure_effect(
            "validation", describe_repeats(scene, _validate_forests(scene)), rate_accuracy,
            draw_repeats=True, system="forest, validation of learned subjects",
            note="The same images: first as test of a forest that has not seen their subjects, "
            "then as validation of one that learned from other images of them, and from about as "
            "many in all.",
        ),
    ]  # fmt: skip


def _choose(scene: Scene, key: str, system: str, *, exchange: bool, note: str) -> Effect:
    columns, right = [], []
    for one in require_networks(scene):
        rows = np.concatenate([one.validation, one.test])
        outputs = np.concatenate([one.outputs["validation"], one.outputs["test"]], axis=1)
        right.append(((outputs > 0.5) == (scene.target[rows] == 0)).T)
        columns.append({"rows": rows, "tested": np.arange(len(rows)) >= len(one.validation)})
    table = describe_repeats(scene, columns)
    rate = rate_choices(table, np.concatenate(right), exchange=exchange)
    return measure_effect(
        key, table, rate, system=system, note=note, one_sided=True, draw_repeats=True,
        scored=None if exchange else table.tested.to_numpy(),
    )  # fmt: skip


def deal_validation(fold: np.ndarray, seed: int) -> np.ndarray:
    """Fold whose forest each image validates: any but its own, at random, shape of `fold`."""
    generator = np.random.default_rng(seed)
    return (fold + 1 + generator.permutation(len(fold)) % (FOLDS - 1)) % FOLDS


def _validate_forests(scene: Scene) -> list[dict]:
    """Each image once as test and once as validation image, of the five forests of a repeat."""
    require_subjects(scene.cells)
    values, columns = scene.numbers.to_numpy("f4"), []
    for seed, fold in enumerate(scene.folds["apart"]):
        judge = deal_validation(fold, seed)
        right = {name: np.zeros(len(fold), bool) for name in ("honest", "mistaken")}
        for number in np.unique(fold):
            train = (fold != number) & (judge != number)
            forest = RandomForestClassifier(TREES, min_samples_leaf=2, random_state=seed)
            forest.fit(values[train], scene.target[train])
            for name, part in (("honest", fold == number), ("mistaken", judge == number)):
                right[name][part] = forest.predict(values[part]) == scene.target[part]
        columns.append(right)
    return columns
