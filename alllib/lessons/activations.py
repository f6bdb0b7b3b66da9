"""Activation functions and their slopes in NumPy, as the chapter on them teaches.

Each function takes an array of any shape and gives one of the same shape. The package trains
with Keras's own; tests hold these here equal to them.
"""

from __future__ import annotations

import numpy as np

__all__ = ["leaky_relu", "leaky_relu_slope", "naive_softmax", "relu", "relu_slope", "sigmoid",
           "sigmoid_slope", "softmax", "softmax_slopes", "tanh", "tanh_slope"]  # fmt: skip

LEAK = 0.2  # slope below zero, that of keras.activations.leaky_relu; Maas and others took 0.01


def relu(x):
    """Pass on what is positive: max(0, x) (Nair and Hinton 2010)."""
    return np.maximum(x, 0)


def relu_slope(x):
    """1 where x is positive, else 0; by convention 0 at 0."""
    return np.where(x > 0, 1.0, 0.0)


def leaky_relu(x, leak=LEAK):
    """Like ReLU, but a share of what is negative passes (Maas 2013)."""
    return np.where(x > 0, x, leak * x)


def leaky_relu_slope(x, leak=LEAK):
    """1 where x is positive, else the leak."""
    return np.where(x > 0, 1.0, leak)


def sigmoid(x):
    """1 / (1 + exp(-x)), with no exponential of a large number."""
    shrunk = np.exp(-np.abs(x))  # between 0 and 1
    return np.where(x >= 0, 1, shrunk) / (1 + shrunk)


def sigmoid_slope(x):
    """s (1 - s), where s is the sigmoid."""
    return sigmoid(x) * sigmoid(-x)  # 1 - s would round to 0 early


def tanh(x):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), a sigmoid from -1 to 1."""
    return 2 * sigmoid(2 * np.asarray(x)) - 1


def tanh_slope(x):
    """1 - tanh(x)^2."""
    return 4 * sigmoid_slope(2 * np.asarray(x))


def naive_softmax(scores):
    """Softmax as the equation has it: fails for large scores."""
    powers = np.exp(scores)
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax(scores):
    """Shares of the classes from their scores, along the last axis."""
    shifted = scores - np.max(scores, axis=-1, keepdims=True)
    powers = np.exp(shifted)  # the largest is exp(0) = 1
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_slopes(scores):
    """Slope of each share by each score: p_j (1 if j = k, else 0, less p_k).

    One more axis than the scores: the last but one counts shares, the last scores.
    """
    shares = softmax(scores)
    own = np.eye(shares.shape[-1])
    return shares[..., :, None] * (own - shares[..., None, :])
