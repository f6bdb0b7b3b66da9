"""Backbones of Keras with the heads that recipes put on them."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from ..errors import FetchError

__all__ = ["add_head", "load_backbone"]


def load_backbone(
    name: str, input_size: int, *, weights: str, frozen: bool, pooling: bool = False
) -> keras.Model:
    """Backbone of `keras.applications`, without its 1,000-class head.

    Parameters
    ----------
    name : str
        Like `VGG16`.
    input_size : int
        Side of the input in pixels.
    weights : {"imagenet", "none"}
    frozen : bool
        Train none of its layers. Batch normalisation then uses its stored averages.
    pooling : bool
        End in the mean of each map, in a layer `avg_pool`.

    Returns
    -------
    keras.Model
        Input (n, input_size, input_size, 3) float32.

    Raises
    ------
    FetchError
        When the weights cannot be downloaded or do not fit the network.
    """
    make = getattr(keras.applications, name)
    settings = {"include_top": False, "input_tensor": _image(input_size)}
    try:
        backbone = make(weights=None if weights == "none" else weights, **settings)
    except Exception as error:  # Keras raises bare `Exception` where a download fails
        if weights == "none" or isinstance(error, MemoryError):
            raise
        raise FetchError(
            f"The ImageNet weights of {name} could not be loaded ({error}).",
            where="~/.keras/models",
            remedy="Check the network; or put the file that Keras names there by hand; or start "
            'from random weights: `--weights none`, in a notebook `weights = "none"`.',
        ) from error
    maps = backbone.output
    if pooling:
        maps = layers.GlobalAveragePooling2D(name="avg_pool")(maps)
    # Keras puts the input of its own into a list, and would warn at each call without one.
    backbone = keras.Model(backbone.inputs[0], maps, name=backbone.name)
    for layer in backbone.layers:
        layer.trainable = not frozen
    return backbone


def _image(input_size: int) -> keras.KerasTensor:
    return keras.Input((input_size, input_size, 3), name="image")


def add_head(
    values: keras.KerasTensor, classes: int, *, dense: Sequence[int], dropout: float
) -> keras.KerasTensor:
    """Dense layers with ReLU, each followed by dropout, then softmax.

    Parameters
    ----------
    values : keras.KerasTensor
        Shape (n, features).
    classes : int
    dense : sequence of int
        Units of the hidden layers.
    dropout : float
        Share of units dropped after each of them while training; 0 adds no layer.

    Returns
    -------
    keras.KerasTensor
        Shape (n, classes), float32.
    """
    for number, units in enumerate(dense, start=1):
        values = layers.Dense(units, activation="relu", name=f"dense_{number}")(values)
        if dropout:
            values = layers.Dropout(dropout, name=f"dropout_{number}")(values)
    # Probabilities stay float32 under mixed precision, where a softmax would lose digits.
    return layers.Dense(classes, activation="softmax", dtype="float32", name="predictions")(values)
