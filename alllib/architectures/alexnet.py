"""AlexNet in one tower: Krizhevsky and others, 2012 (doi 10.1145/3065386)."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import layers, ops

from .heads import add_head

__all__ = ["LocalResponseNormalization", "build"]


@keras.saving.register_keras_serializable(package="alllib")
class LocalResponseNormalization(layers.Layer):
    """Divide each value by the activity of its neighbours in the channel direction.

    ``y_i = x_i / (bias + alpha * sum_j x_j**2) ** beta`` over the `depth` channels around
    i, with the constants of the paper (section 3.3). Shape and dtype stay.

    Parameters
    ----------
    depth : int
        Odd number of channels summed over.
    bias, alpha, beta : float
    """

    def __init__(self, depth=5, bias=2.0, alpha=1e-4, beta=0.75, **settings):
        super().__init__(**settings)
        self.depth, self.bias, self.alpha, self.beta = depth, bias, alpha, beta

    def call(self, maps):
        reach, channels = self.depth // 2, maps.shape[-1]
        # Scaled before they are squared: in 16 bits the square of 256 is infinite.
        scaled = ops.square(maps * self.alpha**0.5)
        padded = ops.pad(scaled, [[0, 0], [0, 0], [0, 0], [reach, reach]])
        activity = sum(padded[..., k : k + channels] for k in range(self.depth))
        return maps / ops.power(self.bias + activity, self.beta)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        constants = {"depth": self.depth, "bias": self.bias, "alpha": self.alpha, "beta": self.beta}
        return super().get_config() | constants


def build(
    input_size: int,
    classes: int,
    *,
    filters: Sequence[int],
    kernels: Sequence[int],
    pooled: Sequence[int],
    normalized: Sequence[int],
    dense: Sequence[int],
    dropout: float,
) -> keras.Model:
    """Five convolutions, overlapping pools of 3x3 every 2 pixels, dense layers, softmax.

    Parameters
    ----------
    input_size : int
        Side of the input in pixels, 67 or more.
    classes : int
        Number of outputs.
    filters, kernels : sequence of int
        Filters and window side of each convolution. The first has stride 4 and no
        padding.
    pooled, normalized : sequence of int
        Convolutions, counted from 1, followed by a pool, and by local response
        normalisation before it.
    dense, dropout
        See `add_head`.

    Returns
    -------
    keras.Model
        Output (n, classes) float32.
    """
    inputs = keras.Input((input_size, input_size, 3), name="image")
    maps = inputs
    for number, (width, kernel) in enumerate(zip(filters, kernels, strict=True), start=1):
        stride, padding = (4, "valid") if number == 1 else (1, "same")
        maps = layers.Conv2D(
            width, kernel, strides=stride, padding=padding, activation="relu", name=f"conv{number}"
        )(maps)
        if number in normalized:
            maps = LocalResponseNormalization(name=f"norm{number}")(maps)
        if number in pooled:
            maps = layers.MaxPooling2D(3, strides=2, name=f"pool{number}")(maps)
    values = layers.Flatten(name="flatten")(maps)
    outputs = add_head(values, classes, dense=dense, dropout=dropout)
    return keras.Model(inputs, outputs, name="alexnet")
