"""Inception-v3: Szegedy and others (arXiv 1512.00567), with the report's auxiliary classifier."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from .heads import add_head, load_backbone

__all__ = ["build"]

# The last maps before the second reduction: 17x17x768 at 299 pixels. Inception-v3's own side
# classifier sits there too.
SIDE = "mixed7"


def build(
    input_size: int,
    classes: int,
    *,
    dense: Sequence[int],
    dropout: float,
    auxiliary: bool,
    auxiliary_filters: int,
    auxiliary_dense: int,
    auxiliary_dropout: float,
    auxiliary_weight: float,
    weights: str,
    frozen: bool,
) -> keras.Model:
    """Backbone, mean of each map, softmax; and the auxiliary classifier of section 3.4.4.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels: 75 or more, with the auxiliary classifier 107.
    classes : int
        Number of outputs.
    dense, dropout
        See `add_head`.
    auxiliary : bool
        Add the auxiliary classifier as a second output.
    auxiliary_filters, auxiliary_dense, auxiliary_dropout
        Filters of its 1x1 convolution, units of its dense layer, share dropped.
    auxiliary_weight : float
        Weight of its loss beside the loss of the main output; read by the training.
    weights, frozen
        See `load_backbone`.

    Returns
    -------
    keras.Model
        Output (n, classes) float32; with the auxiliary classifier a list of two such.
    """
    backbone = load_backbone(
        "InceptionV3", input_size, weights=weights, frozen=frozen, pooling=True
    )
    outputs = [add_head(backbone.output, classes, dense=dense, dropout=dropout)]
    if auxiliary:
        # 5x5 windows every 3 pixels; the report's 4x4x512 result is GoogLeNet's.
        side = layers.AveragePooling2D(5, strides=3, name="auxiliary_pool")(
            backbone.get_layer(SIDE).output
        )
        side = layers.Conv2D(auxiliary_filters, 1, activation="relu", name="auxiliary_conv")(side)
        side = layers.Flatten(name="auxiliary_flatten")(side)
        side = layers.Dense(auxiliary_dense, activation="relu", name="auxiliary_dense")(side)
        side = layers.Dropout(auxiliary_dropout, name="auxiliary_dropout")(side)
        side = layers.Dense(classes, activation="softmax", dtype="float32", name="auxiliary")(side)
        outputs.append(side)
    return keras.Model(backbone.input, outputs if auxiliary else outputs[0], name="inception_v3")
