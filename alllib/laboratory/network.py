"""The small network of the laboratory, trained on arrays, its outputs kept epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..architectures import build_network
from ..backend import load_keras, set_seed
from ..recipes import Recipe, load_recipe

__all__ = ["predict_with_dropout", "small_recipe", "train_small"]

BATCH = 32


def small_recipe(*, filters: int = 24, dense: int = 64) -> Recipe:
    """The poster's network with fewer filters, so that many trainings take minutes."""
    recipe = load_recipe("unnithan2021-2x2")
    thin = {**recipe.architecture.settings, "filters": filters, "dense": dense}
    return replace(recipe, architecture=replace(recipe.architecture, settings=thin))


def train_small(
    pictures: np.ndarray,
    target: np.ndarray,
    *,
    train: np.ndarray,
    watch: dict[str, np.ndarray],
    epochs: int,
    seed: int,
) -> tuple[Callable, dict[str, np.ndarray]]:
    """Train from random weights, and predict some images after each epoch.

    Parameters
    ----------
    pictures : numpy.ndarray
        Shape (n, side, side, 3), uint8.
    target : numpy.ndarray
        Shape (n,), 1 for ALL.
    train : numpy.ndarray
        Rows to train on.
    watch : dict of str to numpy.ndarray
        Name to rows that are predicted after each epoch.
    epochs, seed : int

    Returns
    -------
    network : keras.Model
    outputs : dict of str to numpy.ndarray
        Name to shape (epochs, rows), float32: probability of ALL.
    """
    keras = load_keras()
    set_seed(seed)
    network = build_network(small_recipe(), classes=2, input_size=pictures.shape[1])
    network.compile(keras.optimizers.RMSprop(1e-3), "binary_crossentropy", jit_compile=False)
    outputs = {name: np.empty((epochs, len(rows)), "f4") for name, rows in watch.items()}
    everything = np.concatenate(list(watch.values()))
    ends = np.cumsum([len(rows) for rows in watch.values()])[:-1]

    def note(epoch: int, logs: dict) -> None:
        found = predict(network, pictures[everything])
        for name, part in zip(watch, np.split(found, ends), strict=True):
            outputs[name][epoch] = part

    network.fit(
        scaled(pictures[train]), target[train].astype("f4"), batch_size=BATCH, epochs=epochs,
        verbose=0, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=note)],
    )  # fmt: skip
    return network, outputs


def scaled(pictures: np.ndarray) -> np.ndarray:
    """Grey levels as float32 from 0 to 1."""
    return pictures.astype("f4") / np.float32(255)


def predict(network: Callable, pictures: np.ndarray) -> np.ndarray:
    """Probability of ALL, shape (n,), float32."""
    return network.predict(scaled(pictures), batch_size=256, verbose=0)[:, 0]


def predict_with_dropout(network: Callable, pictures: np.ndarray, *, draws: int) -> np.ndarray:
    """Outputs of a network in its training mode, where dropout still acts.

    Parameters
    ----------
    network : keras.Model
    pictures : numpy.ndarray
        Shape (n, side, side, 3), uint8.
    draws : int
        Passes over the images.

    Returns
    -------
    numpy.ndarray
        Shape (draws, n), float32.
    """
    to_numpy = load_keras().ops.convert_to_numpy
    found = np.empty((draws, len(pictures)), "f4")
    for draw in range(draws):
        for start in range(0, len(pictures), 256):
            part = network(scaled(pictures[start : start + 256]), training=True)
            found[draw, start : start + 256] = to_numpy(part)[:, 0]
    return found
