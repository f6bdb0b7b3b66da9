"""VGG19: VGG19 with a head of its own, as Garg froze and trained it (figure 7)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers

from .heads import add_head, load_backbone

__all__ = ["build"]


def build(
    input_size: int,
    classes: int,
    *,
    dense: Sequence[int],
    dropout: float,
    weights: str,
    frozen: bool,
) -> keras.Model:
    """Backbone, flatten, dense layers with dropout, softmax.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels, 32 or more.
    classes : int
        Number of outputs.
    dense, dropout
        See `add_head`.
    weights, frozen
        See `load_backbone`.

    Returns
    -------
    keras.Model
        Output (n, classes) float32.
    """
    backbone = load_backbone("VGG19", input_size, weights=weights, frozen=frozen)
    values = layers.Flatten(name="flatten")(backbone.output)
    outputs = add_head(values, classes, dense=dense, dropout=dropout)
    return keras.Model(backbone.input, outputs, name="vgg19")
