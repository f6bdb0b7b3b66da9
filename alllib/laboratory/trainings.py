"""Small networks on splits by subject group, each with a twin that knows the subjects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..images import resize
from ..parallel import map_images
from ..splits import split_groups
from .folds import FOLDS
from .looks import alter_pictures, same_size, typical_look
from .network import predict, predict_with_dropout, train_small

__all__ = ["Training", "train_all"]

DRAWS = 5  # passes with dropout on


@dataclass(frozen=True)
class Training:
    """One small network, trained on a split by subject group, and its twin.

    The test part is halved at random within each subject: `scored` is scored, and the twin
    was trained with `known`, the other half, in place of as many images of the same class of
    other subjects. So the two networks differ in nothing but whether they know the subjects.

    Attributes
    ----------
    seed, fold : int
    validation, test : numpy.ndarray
        Rows of the scene.
    scored : numpy.ndarray
        Places within `test` of the half that is scored.
    outputs : dict of str to numpy.ndarray
        `validation` and `test`: shape (epochs, rows), probability of ALL.
    twin : numpy.ndarray
        Shape (rows of `scored`,): output of the twin after the last epoch.
    dropped : numpy.ndarray
        Shape (draws, rows of `test`): outputs with dropout on.
    altered : dict of str to numpy.ndarray
        Kind of change to outputs for the changed test images.
    refitted : numpy.ndarray
        Shape (rows of `test`,): outputs after the last epoch of a network that was trained and
        scored on nuclei scaled to one area.
    """

    seed: int
    fold: int
    validation: np.ndarray
    test: np.ndarray
    scored: np.ndarray
    outputs: dict[str, np.ndarray]
    twin: np.ndarray
    dropped: np.ndarray
    altered: dict[str, np.ndarray]
    refitted: np.ndarray


def train_all(
    cells: pd.DataFrame, pictures: np.ndarray, seeds: Sequence[int], epochs: int, size: int
) -> tuple[Training, ...]:
    """One `Training` per seed; the test fold is the seed modulo 5.

    Parameters
    ----------
    cells : pandas.DataFrame
        Labelled cells with subject groups.
    pictures : numpy.ndarray
        Shape (n, side, side, 3), uint8, in the order of `cells`.
    seeds : sequence of int
    epochs, size : int
        Passes over the training images, and side of the input in pixels.

    Returns
    -------
    tuple of Training
    """
    if not seeds:
        return ()
    look = typical_look(pictures)
    scaled = map_images(
        partial(same_size, area=look[0]), pictures, title="scaling nuclei", threads=True
    )
    bench = _Bench(cells, pictures, look, _shrunk(pictures, size), _shrunk(list(scaled), size))
    return tuple(_train(bench, seed, epochs) for seed in seeds)


@dataclass(frozen=True)
class _Bench:
    """What all trainings share: pictures, and what the networks see of them (`inputs`), and of
    nuclei scaled to one area."""

    cells: pd.DataFrame
    pictures: np.ndarray
    look: tuple[float, np.ndarray]
    inputs: np.ndarray
    scaled: np.ndarray


def _shrunk(pictures: Sequence[np.ndarray], size: int) -> np.ndarray:
    shrink = partial(resize, size=size)
    return np.stack(list(map_images(shrink, pictures, title="shrinking", threads=True)))


def _train(bench: _Bench, seed: int, epochs: int) -> Training:
    train, validation, test = _parts(bench.cells, seed)
    target = (bench.cells.label == "ALL").to_numpy(int)
    scored = _halve(bench.cells.group.to_numpy(str)[test], seed)
    fit = partial(train_small, target=target, epochs=epochs, seed=seed)
    network, outputs = fit(
        bench.inputs, train=train, watch={"validation": validation, "test": test}
    )
    dropped = predict_with_dropout(network, bench.inputs[test], draws=DRAWS)
    altered = {
        kind: predict(network, _shrunk(changed, bench.inputs.shape[1]))
        for kind, changed in alter_pictures(bench.pictures[test], bench.look).items()
    }
    swapped = _swap(train, np.delete(test, scored), target, seed)
    _, twin = fit(bench.inputs, train=swapped, watch={"scored": test[scored]})
    _, refitted = fit(bench.scaled, train=train, watch={"test": test})
    return Training(
        seed=seed, fold=seed % FOLDS, validation=validation, test=test, scored=scored,
        outputs=outputs, twin=twin["scored"][-1], dropped=dropped, altered=altered,
        refitted=refitted["test"][-1],
    )  # fmt: skip


def _parts(cells: pd.DataFrame, seed: int) -> list[np.ndarray]:
    """Rows of the training, validation and test part of a split by subject group."""
    split = split_groups(cells, folds=FOLDS, fold=seed % FOLDS)
    place = pd.Series(np.arange(len(cells)), index=cells.image)
    return [
        np.sort(place[split.part(part).image].to_numpy())
        for part in ("train", "validation", "test")
    ]


def _halve(group: np.ndarray, seed: int) -> np.ndarray:
    """Places of a random half of each group, sorted."""
    generator = np.random.default_rng(seed)
    halves = []
    for name in np.unique(group):
        members = generator.permutation(np.flatnonzero(group == name))
        halves.append(members[: -(-len(members) // 2)])
    return np.sort(np.concatenate(halves))


def _swap(train: np.ndarray, known: np.ndarray, target: np.ndarray, seed: int) -> np.ndarray:
    """Training rows with as many of each class replaced by `known` ones, in their places."""
    swapped, generator = train.copy(), np.random.default_rng(seed)
    for label in np.unique(target[known]):
        coming = known[target[known] == label]
        places = np.flatnonzero(target[train] == label)
        gone = generator.choice(places, min(len(coming), len(places)), replace=False)
        swapped[gone] = coming[: len(gone)]
    return swapped
