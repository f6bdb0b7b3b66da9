"""What all experiments share: images, numbers, forests and small networks, prepared once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..cropping import measure_nuclei
from ..datasets import get_dataset
from ..errors import SplitError
from ..features import COLOURS, describe_colours, describe_images
from ..splits import require_subjects
from ..store import open_store
from .folds import FOLDS, deal_images, deal_out, name_stretches, predict_folds
from .inputs import require_settings, usable_cells
from .trainings import Training, train_all

__all__ = ["BASE", "FOLDS", "Scene", "Training", "describe_repeats", "predict_folds",
           "prepare_scene", "require_networks"]  # fmt: skip

BASE = 150  # side in pixels of the pictures that are cropped and altered: a third of 450


@dataclass(frozen=True)
class Scene:
    """Images at hand, and what was computed of them; rows of all arrays are those of `cells`.

    Attributes
    ----------
    cells : pandas.DataFrame
        Labelled training cells. `group` holds subject groups, or where the data set names no
        subject, stretches of neighbouring file numbers, as `attrs["unit"]` says.
    classes : tuple of str
    numbers : pandas.DataFrame
        As `alllib.features` gives: 19 numbers of the nucleus, or colours and those of a corner,
        which `forest` does not see.
    nuclei : pandas.DataFrame or None
        As `alllib.cropping.measure_nuclei` gives.
    pictures : numpy.ndarray
        Shape (n, 150, 150, 3), uint8; empty where there are no subjects.
    folds : dict of str to numpy.ndarray
        `image` and `apart` (by subject group, or blocks): shape (repeats, n).
    forest : dict of str to numpy.ndarray
        The same keys; shape (repeats, n, classes): out-of-fold probabilities.
    trainings : tuple of Training
        Empty where there are no subjects.
    """

    cells: pd.DataFrame
    classes: tuple[str, ...]
    numbers: pd.DataFrame
    nuclei: pd.DataFrame | None
    pictures: np.ndarray
    folds: dict[str, np.ndarray]
    forest: dict[str, np.ndarray]
    trainings: tuple[Training, ...] = field(default=())

    @property
    def target(self) -> np.ndarray:
        """Place of each row's class in `classes`, shape (n,), int64."""
        return pd.Index(self.classes).get_indexer(self.cells.label)

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.cells.attrs["dataset"]

    @property
    def has_subjects(self) -> bool:
        """Whether the data set names its subjects."""
        return bool(self.cells.subject.notna().all())


def prepare_scene(
    cells: pd.DataFrame,
    *,
    seeds: Sequence[int] = (1, 2, 3, 4, 5),
    repeats: int = 5,
    epochs: int = 8,
    size: int = 32,
) -> Scene:
    """Read, describe and learn what the experiments need.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; rows without label and of test phases are left out.
    seeds : sequence of int
        One small network, and its twin, each; the test fold is the seed modulo 5. Not used where
        there are no subjects, as `epochs` and `size`.
    repeats : int
        Cross-validations of the forest.
    epochs : int
        Of the networks.
    size : int
        Side of their input in pixels.

    Returns
    -------
    Scene

    Raises
    ------
    ParameterError
        When a size or the seeds make no sense.
    SplitError
        When subjects or groups are too few.
    ImageError, DataError
        When there are no images of two classes, or one of them cannot be used.
    """
    table = usable_cells(cells)
    classes = get_dataset(cells.attrs["dataset"]).classes
    named = bool(table.subject.notna().all())
    require_settings(seeds, repeats=repeats, epochs=epochs, size=size, networks=named)
    # The deals come first: they fail at once where groups are too few.
    folds = {
        "image": np.stack([deal_images(len(table), seed) for seed in range(repeats)]),
        "apart": np.stack([deal_out(table, seed) for seed in range(repeats)]),
    }
    numbers = describe_images(table) if named else describe_colours(table)
    nuclei = measure_nuclei(table) if named else None
    # The store is in the order of the names, as the table is.
    pictures = open_store(table, size=BASE).images if named else np.empty((0, BASE, BASE, 3), "u1")
    table.attrs["unit"] = "subject groups"
    if not named:
        table["group"] = name_stretches(table)
        table.attrs["unit"] = "stretches of neighbouring numbers"
    target = pd.Index(classes).get_indexer(table.label)
    seen = numbers if named else numbers[list(COLOURS)]
    forest = {
        kind: np.stack(
            [predict_folds(seen, target, dealt, seed=n) for n, dealt in enumerate(found)]
        )
        for kind, found in folds.items()
    }
    trainings = train_all(table, pictures, seeds, epochs, size) if named else ()
    return Scene(table, classes, numbers, nuclei, pictures, folds, forest, trainings)


def describe_repeats(scene: Scene, columns: Sequence[dict]) -> pd.DataFrame:
    """Table for `measure_effect`: one part per repeat, each a dictionary of columns that are
    as long as the scene, or hold `rows` of it."""
    parts = []
    for number, given in enumerate(columns):
        rows = given.get("rows", np.arange(len(scene.cells)))
        part = scene.cells.loc[rows, ["image", "label", "group"]].reset_index(drop=True)
        values = {name: value for name, value in given.items() if name != "rows"}
        parts.append(part.assign(repeat=number, **values))
    table = pd.concat(parts, ignore_index=True)
    table.attrs = {"dataset": scene.dataset, "unit": scene.cells.attrs["unit"]}
    return table


def require_networks(scene: Scene) -> tuple[Training, ...]:
    """The trained networks of a scene.

    Raises
    ------
    SplitError
        When the data set names no subjects, or the scene holds no network.
    """
    require_subjects(scene.cells)
    if not scene.trainings:
        raise SplitError(
            "This experiment needs a trained network, and none was trained.",
            remedy="Prepare the scene with at least one seed.",
        )
    return scene.trainings
