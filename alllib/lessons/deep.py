"""A deep network of dense layers in NumPy, to watch gradients and units layer by layer."""

from __future__ import annotations

import numpy as np

from .activations import (
    leaky_relu,
    leaky_relu_slope,
    relu,
    relu_slope,
    sigmoid,
    sigmoid_slope,
    tanh,
    tanh_slope,
)
from .losses import binary_cross_entropy, binary_cross_entropy_gradient

__all__ = ["BENDS", "backward", "descend", "draw_layers", "forward", "layer_norms",
           "silent_share"]  # fmt: skip

# Name to function and slope.
BENDS = {
    "sigmoid": (sigmoid, sigmoid_slope),
    "tanh": (tanh, tanh_slope),
    "ReLU": (relu, relu_slope),
    "leaky ReLU": (leaky_relu, leaky_relu_slope),
}


def draw_layers(sides, rng, gain=1.0):
    """Random weights of variance gain / inputs and biases of 0, for layers of these widths."""
    return [
        (rng.normal(size=(a, b)) * np.sqrt(gain / a), np.zeros(b))
        for a, b in zip(sides, sides[1:], strict=False)
    ]


def forward(layers, inputs, bend):
    """Sums of each layer before the bend, and what each layer is given."""
    function, _ = BENDS[bend]
    given, sums = [inputs], []
    for weights, bias in layers:
        sums.append(given[-1] @ weights + bias)
        given.append(function(sums[-1]))
    return sums, given[:-1]  # the sums of the last layer are the scores


def backward(layers, sums, given, labels, bend):
    """Gradient of the binary cross-entropy by weights and biases."""
    _, slope = BENDS[bend]
    arriving = binary_cross_entropy_gradient(labels, sums[-1][:, 0])[:, None]
    found = []
    for place in range(len(layers) - 1, -1, -1):
        found.append((given[place].T @ arriving, arriving.sum(axis=0)))
        if place:
            arriving = arriving @ layers[place][0].T * slope(sums[place - 1])
    return found[::-1]


def layer_norms(layers, inputs, labels, bend):
    """Length of the gradient by the weights of each layer."""
    sums, given = forward(layers, inputs, bend)
    slopes = backward(layers, sums, given, labels, bend)
    return np.array([np.linalg.norm(weights) for weights, _ in slopes])


def silent_share(sums):
    """Share of the hidden units whose sum is positive for no input."""
    return np.concatenate([np.all(layer <= 0, axis=0) for layer in sums[:-1]]).mean()


def descend(layers, inputs, labels, bend, *, rates):
    """Plain gradient descent on all inputs at once, one step for each learning rate.

    Returns the layers, and before each step the loss and the share of silent units.
    """
    losses, silent = [], []
    for rate in rates:
        sums, given = forward(layers, inputs, bend)
        losses.append(binary_cross_entropy(labels, sums[-1][:, 0]))
        silent.append(silent_share(sums))
        slopes = backward(layers, sums, given, labels, bend)
        layers = [
            (w - rate * dw, b - rate * db) for (w, b), (dw, db) in zip(layers, slopes, strict=True)
        ]
    return layers, np.array(losses), np.array(silent)
