"""Networks of the ImageNet challenge: printed errors, counted costs, slopes by depth."""

from __future__ import annotations

import json
import tomllib
from functools import lru_cache
from importlib.resources import files as package_files
from typing import Any

import numpy as np

from ..architectures import build_network
from ..backend import gradient, load_keras
from ..errors import ParameterError, suggest
from ..layers import count_flops
from ..recipes import load_recipe

__all__ = ["CLASSES", "NETWORKS", "SIDE", "count_cost", "imagenet_facts", "kept_costs",
           "slopes_by_depth", "top_error"]  # fmt: skip

SIDE, CLASSES = 224, 1000  # pixels and classes that all networks are counted with
NETWORKS = ("AlexNet", "VGG16", "VGG19", "ResNet50", "InceptionV3", "DenseNet121", "DenseNet201")


@lru_cache
def imagenet_facts() -> dict[str, Any]:
    """What papers and Keras print, from `data/imagenet.toml`: per cent, as printed.

    Returns
    -------
    dict
        Lists `result`, `winner` and `weights`; tables `human`, `runner_up` and `lenet`.
    """
    text = (package_files("alllib") / "data" / "imagenet.toml").read_text("utf-8")
    return tomllib.loads(text)


def top_error(probabilities: np.ndarray, labels: np.ndarray, k: int = 5) -> float:
    """Share of examples whose class is not among the k likeliest.

    Parameters
    ----------
    probabilities : numpy.ndarray
        Shape (n, classes).
    labels : numpy.ndarray
        Shape (n,), integers.
    k : int
        Guesses allowed.

    Returns
    -------
    float
        From 0 to 1.
    """
    own = np.take_along_axis(probabilities, labels[:, None], axis=1)
    rank = (probabilities > own).sum(axis=1)  # classes that are likelier than the right one
    return float((rank >= k).mean())


def count_cost(name: str, *, side: int = SIDE) -> dict[str, int]:
    """Build a network with random weights, and count it.

    Parameters
    ----------
    name : str
        One of `NETWORKS`. AlexNet is this project's, the others are Keras's, with the dense
        layers of their papers and 1,000 classes.
    side : int
        Side of the input in pixels.

    Returns
    -------
    dict of str to int
        `parameters`; `operations` (floating-point, one image forwards, see
        `alllib.layers.count_flops`).

    Raises
    ------
    ParameterError
        When the name is not known.
    """
    if name not in NETWORKS:
        raise ParameterError(
            f"There is no network {name!r} here.", where="name", remedy=suggest(name, NETWORKS)
        )
    keras = load_keras()
    keras.utils.clear_session()
    if name == "AlexNet":
        network = build_network(load_recipe("mir2019-alexnet"), classes=CLASSES, input_size=side)
    else:
        build = getattr(keras.applications, name)
        network = build(weights=None, input_shape=(side, side, 3), classes=CLASSES)
    return {"parameters": network.count_params(), "operations": count_flops(network)}


def kept_costs() -> dict[str, dict[str, int]]:
    """The counts of `count_cost` for all networks, kept because building them takes minutes.

    Returns
    -------
    dict of str to dict
        Name to `side` (of the input that its published accuracy is for); `parameters` and
        `operations_there`, counted with it; `operations` at 224 pixels.
    """
    text = (package_files("alllib") / "data" / "imagenet_costs.json").read_text("utf-8")
    return json.loads(text)


def slopes_by_depth(
    depth: int,
    *,
    shortcut: bool,
    normalised: bool,
    channels: int = 8,
    side: int = 12,
    images: int = 8,
    every: int = 5,
    seed: int = 1,
) -> dict[int, float]:
    """How large the slope of the loss is behind each layer of a stack of 3x3 convolutions.

    Each layer is convolution, layer normalisation where asked for, and ReLU, with Keras's own
    random start; with a shortcut its result is added to what entered. The loss is the sum of
    the last maps, weighted by fixed random numbers.

    Parameters
    ----------
    depth : int
        Number of layers.
    shortcut, normalised : bool
    channels, side, images : int
        Shape of the maps: (images, side, side, channels).
    every : int
        Measured behind every so many layers.
    seed : int
        Of weights, input and the loss's weights.

    Returns
    -------
    dict of int to float
        Number of layers passed (0: the input, `depth`: the end) to the root mean square of the
        slope there, relative to that at the end.
    """
    keras = load_keras()
    layers = [_unit(keras, channels, seed + k, normalised) for k in range(depth)]
    rng = np.random.default_rng(seed)
    shape = (images, side, side, channels)
    values, weights = rng.normal(size=shape).astype("float32"), rng.normal(size=shape)
    weights = weights.astype("float32")

    def forward(x, first):
        for layer in layers[first:]:
            y = layer(x, training=False)
            x = x + y if shortcut else y
        return x

    found = {}
    for first in range(depth + 1):
        if first % every == 0 or first == depth:
            slopes = gradient(lambda x, first=first: forward(x, first) * weights, values)
            found[first] = float(np.sqrt((slopes**2).mean()))
        if first < depth:
            new = keras.ops.convert_to_numpy(layers[first](values, training=False))
            values = values + new if shortcut else new
    return {layer: slope / found[depth] for layer, slope in found.items()}


def _unit(keras: Any, channels: int, seed: int, normalised: bool) -> Any:
    """One layer of the stack; normalisation is per image, so that no batch is needed."""
    start = keras.initializers.GlorotUniform(seed=seed)
    parts = [keras.layers.Conv2D(channels, 3, padding="same", kernel_initializer=start)]
    if normalised:
        parts.append(keras.layers.LayerNormalization(axis=(1, 2, 3)))
    return keras.Sequential([*parts, keras.layers.ReLU()])
