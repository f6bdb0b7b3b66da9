"""ResNet-50: He and others (arXiv 1512.03385), with a head for the classes at hand."""

from __future__ import annotations

from collections.abc import Sequence

import keras

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
    """Backbone, mean of each map, dense layers with dropout, softmax.

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
    backbone = load_backbone("ResNet50", input_size, weights=weights, frozen=frozen, pooling=True)
    outputs = add_head(backbone.output, classes, dense=dense, dropout=dropout)
    return keras.Model(backbone.input, outputs, name="resnet50")
