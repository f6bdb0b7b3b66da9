"""The network that Mir and Un Nissa proposed (report, section 3.5, figures 17 to 19)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

__all__ = ["build", "build_convolutional_part"]


def build_convolutional_part(
    input_size: int,
    *,
    convolutions: Sequence[int],
    filters: Sequence[int],
    pooled: Sequence[int],
) -> keras.Model:
    """Six blocks of 3x3 convolutions, each followed by batch normalisation.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels.
    convolutions, filters : sequence of int
        Number of convolutions in each block, and of filters in each of them.
    pooled : sequence of int
        Blocks, counted from 1, that end in a 2x2 max pooling. Padding is `same`: only so
        do maps of 75 become 38 and maps of 19 become 10, as in figure 18.

    Returns
    -------
    keras.Model
        Output (n, side, side, filters[-1]) float.
    """
    inputs = keras.Input((input_size, input_size, 3), name="image")
    maps, count = inputs, 0
    for block, (repeats, width) in enumerate(zip(convolutions, filters, strict=True), start=1):
        for repeat in range(1, repeats + 1):
            count += 1
            maps = _convolution(maps, width, f"block{block}_conv{repeat}")
            # Figure 18 counts one more from block 4 on: it has eight normalisations before
            # that block, where its parameter total leaves room for seven.
            maps = layers.BatchNormalization(name=f"batch_normalization_{count}")(maps)
        if block in pooled:
            maps = layers.MaxPooling2D(2, padding="same", name=f"block{block}_pool1")(maps)
    return keras.Model(inputs, maps, name="model_1")


def _convolution(maps: keras.KerasTensor, filters: int, name: str) -> keras.KerasTensor:
    return layers.Conv2D(filters, 3, padding="same", activation="relu", name=name)(maps)


def build(
    input_size: int,
    classes: int,
    *,
    convolutions: Sequence[int],
    filters: Sequence[int],
    pooled: Sequence[int],
    dense: Sequence[int],
    dropout: float,
) -> keras.Model:
    """Convolutional part, dense layers with dropout, softmax.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels.
    classes : int
        Number of outputs.
    convolutions, filters, pooled
        See `build_convolutional_part`.
    dense : sequence of int
        Units of the hidden dense layers.
    dropout : float
        Share of units dropped after each of them while training.

    Returns
    -------
    keras.Model
        Input (n, input_size, input_size, 3) float in 0..1, output (n, classes) float32.
    """
    part = build_convolutional_part(
        input_size, convolutions=convolutions, filters=filters, pooled=pooled
    )
    inputs = keras.Input((input_size, input_size, 3), name="image")
    values = layers.Flatten(name="flatten_1")(part(inputs))
    for number, units in enumerate(dense, start=1):
        values = layers.Dense(units, activation="relu", name=f"dense_{number}")(values)
        values = layers.Dropout(dropout, name=f"dropout_{number}")(values)
    # Probabilities stay float32 under mixed precision, where a softmax would lose digits.
    last = f"dense_{len(dense) + 1}"
    outputs = layers.Dense(classes, activation="softmax", dtype="float32", name=last)(values)
    return keras.Model(inputs, outputs, name="proposed")
