"""What a score may rest on that is not the morphology: a crop's edge, size, colour."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ..features import CORNER
from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy, rate_areas
from .looks import CHANGES, crop_numbers
from .scene import BASE, Scene, describe_repeats, predict_folds, require_networks

__all__ = ["clip_one_class", "lean_on_looks"]

CROPS = (400, 224)  # pixels of 450: the report's, and a tempting one
FULL = 450
SIZE = ("area", "box_width", "box_height", "perimeter")


def clip_one_class(scene: Scene) -> list[Effect]:
    """What two centred crops clip by class, what the clipping alone tells, and what it costs.

    Raises
    ------
    SplitError
        When the data set names no subjects.
    """
    require_subjects(scene.cells)
    effects = []
    for crop in CROPS:
        table = describe_repeats(scene, [{"clipped": (scene.nuclei.reach > crop).to_numpy()}])
        rate = partial(_rate_classes, first=scene.classes[0])
        effects.append(
            measure_effect(
                "crop", table, rate, unit="share clipped", system=f"crop {crop}",
                note="Not two ways of working but two classes: first the share of "
                f"{scene.classes[1]}, then that of {scene.classes[0]}.",
            )
        )  # fmt: skip
    whole, narrow = (
        crop_numbers(scene.pictures, round(side * BASE / FULL)) for side in (FULL, CROPS[1])
    )
    ill = scene.target == 0
    table = describe_repeats(
        scene, [{"honest": whole.edge.to_numpy(), "mistaken": narrow.edge.to_numpy()}]
    )
    effects.append(
        measure_effect(
            "crop", table, rate_areas(table, ill), unit="AUC",
            system=f"pixels on the edge alone, crop {CROPS[1]}",
            note="The same images, first whole and then cropped; no classifier is trained.",
        )
    )  # fmt: skip
    columns = []
    for seed, dealt in enumerate(scene.folds["apart"]):
        called = (
            predict_folds(numbers, scene.target, dealt, seed=seed).argmax(1)
            for numbers in (whole, narrow)
        )
        right = [found == scene.target for found in called]
        columns.append({"honest": right[0], "mistaken": right[1]})
    effects.append(
        measure_effect(
            "crop", describe_repeats(scene, columns), rate_accuracy, draw_repeats=True,
            system=f"forest on ten numbers, crop {CROPS[1]}",
            note="The same images and folds by subject group, first whole and then cropped.",
        )
    )  # fmt: skip
    return effects


def _rate_classes(table: pd.DataFrame, weights: np.ndarray, *, first: str) -> tuple[float, float]:
    """Share of clipped images of the other class, and of the first."""
    ill, clipped = (table.label == first).to_numpy(bool), table.clipped.to_numpy(float)
    totals = weights[~ill].sum(), weights[ill].sum()
    if not all(totals):
        return np.nan, np.nan
    counted = weights * clipped
    return float(counted[~ill].sum() / totals[0]), float(counted[ill].sum() / totals[1])


def lean_on_looks(scene: Scene) -> list[Effect]:
    """What size and colour alone reach, and what a network loses without them.

    The first kind compares with a classifier that knows nothing; the second scores the same
    network on the same test images, changed and as they are.
    """
    if not scene.has_subjects:
        return _colour_of_smears(scene)
    ill = scene.target == 0
    colours = [name for name in scene.numbers if name not in SIZE]
    effects = []
    colour = f"colour alone, {len(colours)} numbers"
    for system, names in (("area alone", ["area"]), (colour, colours)):
        columns = [
            {
                "honest": np.zeros(len(ill)),
                "mistaken": predict_folds(scene.numbers[names], scene.target, dealt, seed=n)[:, 0],
                "part": dealt,
            }
            for n, dealt in enumerate(scene.folds["apart"])
        ]
        table = describe_repeats(scene, columns)
        effects.append(
            measure_effect(
                "shortcuts", table, rate_areas(table, np.tile(ill, len(columns))), unit="AUC",
                system=f"forest, {system}", draw_repeats=True,
                note="First the AUC without knowledge, one half. Folds by subject group; two "
                "images are compared only where one forest judged both.",
            )
        )  # fmt: skip
    if not scene.trainings:
        return effects
    unfamiliar = "The network has seen no such images, and a part of the loss may be due to that."
    for kind in CHANGES:
        changed = [one.altered[kind] for one in scene.trainings]
        effects.append(_change_looks(scene, changed, kind, unfamiliar))
    refitted = [one.refitted for one in scene.trainings]
    familiar = (
        "This network has learned from such images. Scaling also centres the nucleus and makes it "
        "sharper or softer, so not all of the difference need be size."
    )
    return [
        *effects,
        _change_looks(scene, refitted, "trained and tested at one area", familiar),
    ]


def _change_looks(scene: Scene, changed: list[np.ndarray], kind: str, note: str) -> Effect:
    """AUC of the networks as they are, against that without some of the looks."""
    networks = require_networks(scene)
    columns = [
        {"rows": one.test, "honest": without, "mistaken": one.outputs["test"][-1]}
        for one, without in zip(networks, changed, strict=True)
    ]
    ill = np.concatenate([scene.target[one.test] == 0 for one in networks])
    table = describe_repeats(scene, columns)
    return measure_effect(
        "shortcuts", table, rate_areas(table, ill), unit="AUC", system=f"small network, {kind}",
        draw_repeats=True, note=f"The same test images, first changed and then as they are. {note}",
    )  # fmt: skip


def _colour_of_smears(scene: Scene) -> list[Effect]:
    """Colours of whole images, and of a corner of background, against the commonest class."""
    commonest = np.bincount(scene.target).argmax()
    corner = [
        predict_folds(scene.numbers[list(CORNER)], scene.target, dealt, seed=seed)
        for seed, dealt in enumerate(scene.folds["apart"])
    ]
    effects = []
    for system, outputs in (("six colour numbers", scene.forest["apart"]),
                            ("six numbers of a corner", corner)):  # fmt: skip
        columns = [
            {"honest": scene.target == commonest, "mistaken": found.argmax(1) == scene.target}
            for found in outputs
        ]
        effects.append(
            measure_effect(
                "shortcuts", describe_repeats(scene, columns), rate_accuracy, draw_repeats=True,
                system=f"forest on {system}",
                note="First the commonest class for all. Folds by blocks of file numbers, which "
                "stand in for patients.",
            )
        )  # fmt: skip
    return effects
