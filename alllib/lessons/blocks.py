"""The ideas of the networks of the ImageNet challenge, each as a block of a few lines of Keras.

Every function takes a tensor of maps and returns one, as the layers of Keras's functional style
do. Weights and channels are counted as in the papers; tests hold the blocks equal to those inside
Keras's own networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..backend import load_keras

if TYPE_CHECKING:
    import keras

__all__ = [
    "auxiliary_head",
    "bottleneck_block",
    "conv_stack",
    "convolve",
    "dense_block",
    "highway_layer",
    "inception_module",
    "lenet5",
    "residual_block",
]

SMALL = 1.001e-5  # what Keras's residual and dense networks add to a variance


def lenet5(input_size: int = 32, classes: int = 10) -> keras.Model:
    """LeNet-5 as it is read today: two convolutions, two poolings, three dense layers.

    LeCun and others, 1998 (doi 10.1109/5.726791), figure 2. The original joins each map of its
    second convolution to some of the maps before it, learns a factor and a shift in its
    poolings, and ends in radial units.

    Parameters
    ----------
    input_size : int
        Side of the grey image in pixels.
    classes : int

    Returns
    -------
    keras.Model
        Input (n, input_size, input_size, 1), output (n, classes) probabilities.
    """
    layers = load_keras().layers
    start = layers.Input((input_size, input_size, 1))
    x = layers.Conv2D(6, 5, activation="tanh", name="c1")(start)
    x = layers.AveragePooling2D(2, name="s2")(x)
    x = layers.Conv2D(16, 5, activation="tanh", name="c3")(x)
    x = layers.AveragePooling2D(2, name="s4")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(120, activation="tanh", name="c5")(x)
    x = layers.Dense(84, activation="tanh", name="f6")(x)
    end = layers.Dense(classes, activation="softmax", name="output")(x)
    return load_keras().Model(start, end, name="lenet5")


def conv_stack(
    x: keras.KerasTensor, filters: int, *, kernel: int = 3, count: int = 2
) -> keras.KerasTensor:
    """Convolutions that keep the size of the maps, each with ReLU: a stage of VGG.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, channels).
    filters : int
        Maps of each convolution.
    kernel : int
        Side of the windows.
    count : int
        How many convolutions.

    Returns
    -------
    keras.KerasTensor
        Shape (n, height, width, filters).
    """
    layers = load_keras().layers
    for _ in range(count):
        x = layers.Conv2D(filters, kernel, padding="same", activation="relu")(x)
    return x


def convolve(
    x: keras.KerasTensor, filters: int, kernel: int, *, normalised: bool = True
) -> keras.KerasTensor:
    """Convolution, batch normalisation with a shift alone, ReLU: the unit of Inception-v3.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, channels).
    filters, kernel : int
        Maps, and side of the window.
    normalised : bool
        False for a convolution with bias and ReLU, as in the Inception of 2014.
    """
    layers = load_keras().layers
    x = layers.Conv2D(filters, kernel, padding="same", use_bias=not normalised)(x)
    if normalised:
        x = layers.BatchNormalization(scale=False)(x)
    return layers.ReLU()(x)


def inception_module(
    x: keras.KerasTensor,
    branches: Sequence[Sequence[tuple[int, int]]],
    *,
    pooled: int,
    pool: str = "average",
    normalised: bool = True,
) -> keras.KerasTensor:
    """Branches with windows of several sizes side by side, their maps one behind the other.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, channels).
    branches : sequence
        Each a sequence of (filters, kernel), one convolution after the other. A first 1x1
        convolution makes few maps of many, so that the larger windows cost less.
    pooled : int
        Maps of the 1x1 convolution behind a 3x3 pooling; 0 for the pooled maps as they are.
    pool : {"average", "max"}
        Kind of that pooling: the mean in Inception-v3, the maximum in 2014.
    normalised : bool
        See `convolve`.

    Returns
    -------
    keras.KerasTensor
        Shape (n, height, width, sum of the branches' last filters).
    """
    layers = load_keras().layers
    ends = []
    for branch in branches:
        y = x
        for filters, kernel in branch:
            y = convolve(y, filters, kernel, normalised=normalised)
        ends.append(y)
    kind = layers.AveragePooling2D if pool == "average" else layers.MaxPooling2D
    y = kind(3, strides=1, padding="same")(x)
    ends.append(convolve(y, pooled, 1, normalised=normalised) if pooled else y)
    return layers.Concatenate()(ends)


def auxiliary_head(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    """Second output in the middle of GoogLeNet, for training only.

    Szegedy and others, 2015 (doi 10.1109/CVPR.2015.7298594), section 5; the report's section
    3.4.4 lists the same layers.

    Parameters
    ----------
    x : keras.KerasTensor
        Maps in the middle; there 14 x 14, with 512 or 528 channels.
    classes : int

    Returns
    -------
    keras.KerasTensor
        Shape (n, classes), probabilities.
    """
    layers = load_keras().layers
    x = layers.AveragePooling2D(5, strides=3)(x)
    x = layers.Conv2D(128, 1, activation="relu")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation="relu")(x)
    x = layers.Dropout(0.7)(x)
    return layers.Dense(classes, activation="softmax")(x)


def highway_layer(x: keras.KerasTensor, *, gate_bias: float = -2.0) -> keras.KerasTensor:
    """`y = T(x) H(x) + (1 - T(x)) x`: a gate decides how much of the input is replaced.

    Srivastava and others, 2015 (arXiv 1505.00387), equation 3.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, units).
    gate_bias : float
        Where the gate's bias starts. A negative one lets a new layer copy its input.

    Returns
    -------
    keras.KerasTensor
        Shape (n, units).
    """
    keras = load_keras()
    units, start = x.shape[-1], keras.initializers.Constant(gate_bias)
    new = keras.layers.Dense(units, activation="relu")(x)
    gate = keras.layers.Dense(units, activation="sigmoid", bias_initializer=start)(x)
    return gate * new + (1 - gate) * x


def residual_block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    """`y = ReLU(x + F(x))` with two 3x3 convolutions for F: the block of ResNet-18 and -34.

    He and others, 2016 (doi 10.1109/CVPR.2016.90), equation 1 and figure 5, left.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, channels).
    filters : int
        Maps that leave. Where x has another number, a 1x1 convolution brings it to this.

    Returns
    -------
    keras.KerasTensor
        Shape (n, height, width, filters).
    """
    layers = load_keras().layers
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
    y = layers.BatchNormalization()(y)
    y = layers.ReLU()(y)
    y = layers.Conv2D(filters, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization()(y)
    if x.shape[-1] != filters:
        x = layers.Conv2D(filters, 1, use_bias=False)(x)
    return layers.ReLU()(layers.Add()([x, y]))


def bottleneck_block(x: keras.KerasTensor, narrow: int) -> keras.KerasTensor:
    """Residual block of ResNet-50 and deeper: 1x1 to few maps, 3x3, and 1x1 back again.

    He and others, 2016, figure 5, right; with biases and the constant of Keras's ResNet-50.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, 4 * narrow).
    narrow : int
        Maps of the first two convolutions.

    Returns
    -------
    keras.KerasTensor
        Shape (n, height, width, 4 * narrow).
    """
    layers, y = load_keras().layers, x
    for filters, kernel in ((narrow, 1), (narrow, 3), (4 * narrow, 1)):
        y = layers.Conv2D(filters, kernel, padding="same")(y)
        y = layers.BatchNormalization(epsilon=SMALL)(y)
        if filters == narrow:
            y = layers.ReLU()(y)
    return layers.ReLU()(layers.Add()([x, y]))


def dense_block(x: keras.KerasTensor, *, count: int, growth: int) -> keras.KerasTensor:
    """Each layer sees the maps of all layers before it and adds `growth` maps of its own.

    Huang and others, 2017 (doi 10.1109/CVPR.2017.243), equation 2, with the 1x1 convolution to
    `4 * growth` maps of DenseNet-B.

    Parameters
    ----------
    x : keras.KerasTensor
        Shape (n, height, width, channels).
    count, growth : int
        Number of layers; maps that each adds.

    Returns
    -------
    keras.KerasTensor
        Shape (n, height, width, channels + count * growth).
    """
    layers = load_keras().layers
    for _ in range(count):
        y = x
        for filters, kernel in ((4 * growth, 1), (growth, 3)):
            y = layers.BatchNormalization(epsilon=SMALL)(y)
            y = layers.ReLU()(y)
            y = layers.Conv2D(filters, kernel, padding="same", use_bias=False)(y)
        x = layers.Concatenate()([x, y])
    return x
