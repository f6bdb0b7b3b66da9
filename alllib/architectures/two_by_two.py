"""The poster's network: two blocks of two convolutions, one dense layer, one sigmoid unit."""

from __future__ import annotations

import keras
from keras import layers

from ..errors import RecipeError

__all__ = ["build"]


def build(
    input_size: int,
    classes: int,
    *,
    blocks: int,
    convolutions: int,
    filters: int,
    dense: int,
    dropout: float,
    batch_normalization: bool,
) -> keras.Model:
    """Blocks of 3x3 convolutions without padding and with stride 1, as the table implies.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels.
    classes : int
        Must be 2: one unit tells two classes apart.
    blocks, convolutions : int
        Number of blocks, and of convolutions in each.
    filters, dense : int
        Filters of each convolution, units of the dense layer.
    dropout : float
        Share dropped after each block and after the dense layer while training.
    batch_normalization : bool
        Normalise after each convolution.

    Returns
    -------
    keras.Model
        Output (n, 1) float32: probability of the second class.

    Raises
    ------
    RecipeError
        When there are other than two classes.

    Notes
    -----
    Source: layer table of `unnithan2021poster`, whose text says stride 3.
    """
    if classes != 2:
        raise RecipeError(
            f"One output unit tells two classes apart, not {classes}.",
            where="two_by_two",
            remedy="Train it on data with two classes.",
        )
    inputs = keras.Input((input_size, input_size, 3), name="image")
    maps = inputs
    for block in range(1, blocks + 1):
        for number in range(1, convolutions + 1):
            name = f"block{block}_conv{number}"
            maps = layers.Conv2D(filters, 3, activation="relu", name=name)(maps)
            if batch_normalization:
                maps = layers.BatchNormalization(name=f"block{block}_norm{number}")(maps)
        maps = layers.MaxPooling2D(2, name=f"block{block}_pool")(maps)
        maps = layers.Dropout(dropout, name=f"block{block}_dropout")(maps)
    values = layers.Flatten(name="flatten")(maps)
    values = layers.Dense(dense, activation="relu", name="dense_1")(values)
    values = layers.Dropout(dropout, name="dropout_1")(values)
    # Probabilities stay float32 under mixed precision.
    last = layers.Dense(1, activation="sigmoid", dtype="float32", name="predictions")
    return keras.Model(inputs, last(values), name="two_by_two")
