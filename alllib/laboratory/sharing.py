"""Subjects, images or copies on both sides of a split."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.neighbors import KNeighborsClassifier

from ..augmentation import apply_symmetries
from ..recipes import load_recipe
from ..splits import require_subjects
from .effects import Effect, measure_effect, rate_accuracy, rate_areas
from .folds import cross_folds
from .looks import thumbnails
from .scene import FOLDS, Scene, describe_repeats, predict_folds, require_networks

__all__ = ["explain_counts", "multiply_images", "nearest_neighbour", "oversample_first",
           "oversample_rows", "split_by_image"]  # fmt: skip

TREES = 40  # of forests over multiplied images
TIMES = 4  # pictures of each image, where all are multiplied
REPEATS = 5


def split_by_image(scene: Scene) -> list[Effect]:
    """Cross-validation by image against by subject group; the same images are scored.

    The AUC compares two images only where one forest judged both, under either split: pairs of
    the same fold of groups and the same fold of images.
    """
    by_image, apart = scene.forest["image"], scene.forest["apart"]
    rows = [
        {"honest": a.argmax(1) == scene.target, "mistaken": b.argmax(1) == scene.target}
        for a, b in zip(apart, by_image, strict=True)
    ]
    if scene.has_subjects:
        kind, said = f"{scene.numbers.shape[1]} numbers", "The same images, each scored once."
    else:
        kind = "six colour numbers"
        said = (
            "Patients are not named: the honest split is by blocks of file numbers, and what is "
            "drawn are stretches of them. If one patient's images fill several of them, the "
            "effect may be larger than this, and the interval is too narrow."
        )
    named = {"system": f"forest on {kind}", "draw_repeats": True}
    found = [
        measure_effect(
            "image_split", describe_repeats(scene, rows), rate_accuracy, note=said, **named
        )
    ]
    if not scene.has_subjects:
        return found
    rows = [
        {"honest": a[:, 0], "mistaken": b[:, 0], "part": cross_folds(*dealt)}
        for a, b, *dealt in zip(
            apart, by_image, scene.folds["apart"], scene.folds["image"], strict=True
        )
    ]
    table = describe_repeats(scene, rows)
    rate = rate_areas(table, (table.label == scene.classes[0]).to_numpy())
    said = "Two images are compared only where one forest judged both, under either split."
    found.append(measure_effect("image_split", table, rate, unit="AUC", note=said, **named))
    return found + ([_split_network(scene)] if scene.trainings else [])


def _split_network(scene: Scene) -> Effect:
    columns = []
    for one in require_networks(scene):
        rows = one.test[one.scored]
        ill = scene.target[rows] == 0
        honest = (one.outputs["test"][-1][one.scored] > 0.5) == ill
        columns.append({"rows": rows, "honest": honest, "mistaken": (one.twin > 0.5) == ill})
    return measure_effect(
        "image_split", describe_repeats(scene, columns), rate_accuracy, system="small network",
        draw_repeats=True,
        note="The same images. The twin learned from the other half of each test subject's "
        "images, in place of as many images of the same class of others.",
    )  # fmt: skip


def oversample_rows(target: np.ndarray, seed: int) -> np.ndarray:
    """Rows of all images, then copies of the smaller class until the classes are even.

    Parameters
    ----------
    target : numpy.ndarray
        Shape (n,): 0 or 1.
    seed : int
        Of the draw of what is copied.

    Returns
    -------
    numpy.ndarray
        Shape (2 x images of the larger class,), int64.
    """
    counts = np.bincount(target)
    smaller = np.flatnonzero(target == counts.argmin())
    copies = np.random.default_rng(seed).choice(smaller, counts.max() - counts.min())
    return np.concatenate([np.arange(len(target)), copies])


def multiply_images(images: int, times: int) -> np.ndarray:
    """Rows of all images, each `times` times."""
    return np.tile(np.arange(images), times)


def nearest_neighbour(values: np.ndarray, target: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Class of the nearest row of the other folds, shape (n,)."""
    found = np.empty_like(target)
    for number in np.unique(fold):
        held = fold == number
        model = KNeighborsClassifier(1, algorithm="brute").fit(values[~held], target[~held])
        found[held] = model.predict(values[held])
    return found


def oversample_first(scene: Scene) -> list[Effect]:
    """Multiplied by copies and turns before the split, against after it.

    Both times the same pictures are scored, each once, in five random folds, and the classifier
    learns from the rest of the same pictures. Before: folds of pictures, so that a picture may
    stand in training as another copy of its image. After: folds of images, which all their
    pictures follow. Nothing differs but which of the two steps comes first.

    Raises
    ------
    SplitError
        When the data set names no subjects, from which the interval comes.
    """
    require_subjects(scene.cells)
    values = scene.numbers.to_numpy(float)
    spread = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(spread > 0, spread, 1)
    small = thumbnails(scene.pictures)

    def forest(rows, dealt, seed, turned):
        found = predict_folds(values[rows], scene.target[rows], dealt, seed=seed, trees=TREES)
        return found.argmax(axis=1)

    def neighbour(rows, dealt, seed, turned):
        return nearest_neighbour(values[rows].astype("f4"), scene.target[rows], dealt)

    def thumbnail(rows, dealt, seed, turned):
        shown = apply_symmetries(small[rows], turned).reshape(len(rows), -1).astype("f4")
        return nearest_neighbour(shown, scene.target[rows], dealt)

    balance = lambda seed: oversample_rows(scene.target, seed)  # noqa: E731
    multiply = lambda seed: multiply_images(len(scene.cells), TIMES)  # noqa: E731
    told = f"every image {TIMES} times"
    return [
        _multiplied(scene, forest, balance, "forest, smaller class copied"),
        _multiplied(scene, neighbour, balance, "nearest neighbour, smaller class copied"),
        _multiplied(scene, thumbnail, balance, "nearest thumbnail, smaller class turned"),
        _multiplied(scene, forest, multiply, f"forest, {told}"),
        _multiplied(scene, neighbour, multiply, f"nearest neighbour, {told}"),
    ]


def _multiplied(scene: Scene, classify, choose, system: str) -> Effect:
    columns = []
    for seed in range(REPEATS):
        rows, generator = choose(seed), np.random.default_rng(seed)
        turned = generator.integers(1, 8, len(rows))
        turned[: len(scene.cells)] = 0  # the images themselves
        by_picture = generator.permutation(len(rows)) % FOLDS
        by_image = (generator.permutation(len(scene.cells)) % FOLDS)[rows]
        right = {
            name: classify(rows, dealt, seed, turned) == scene.target[rows]
            for name, dealt in (("honest", by_image), ("mistaken", by_picture))
        }
        columns.append({"rows": rows, **right})
    return measure_effect(
        "oversampling", describe_repeats(scene, columns), rate_accuracy, system=system,
        draw_repeats=True, note="The same pictures are scored. Subjects are shared both times; "
        "without the mistake an image and its copies stand in one fold.",
    )  # fmt: skip


def explain_counts(official: pd.DataFrame) -> dict[str, int]:
    """The class counts that the transfer-learning paper tested on, and where they could be from.

    Parameters
    ----------
    official : pandas.DataFrame
        As `alllib.downloads.official_files` gives.

    Returns
    -------
    dict
        `total` and `rows` of the published confusion matrix; `halves` of the total; `natural`,
        the classes in as many images drawn in the shares of the training set; `phases`, the
        sizes of the two official test phases, and their `sum`.
    """
    rows = [sum(row) for row in load_recipe("garg2021-vgg19").published["confusion"]]
    total = sum(rows)
    phase = official.phase.value_counts()
    training = official[official.phase == "train"]["class"].value_counts(normalize=True)
    natural = round(total * training["all"])
    phases = [int(phase["test_prelim"]), int(phase["test_final"])]
    return {
        "total": total, "rows": rows, "halves": [-(-total // 2), total // 2],
        "natural": [natural, total - natural], "phases": phases, "sum": sum(phases),
    }  # fmt: skip
