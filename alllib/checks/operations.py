"""Checks of what a network computes: its operations written out, and held against a library's."""

from __future__ import annotations

import numpy as np
from scipy.signal import correlate2d

from .finding import Finding

__all__ = ["dense_as_convolution", "dense_layer", "descent", "finer", "input_values",
           "slopes_through", "tile_sums"]  # fmt: skip

SEED = 7
WINDOW = 3


def tile_sums(side: int = 12) -> float:
    """Largest difference of a convolution, tile by tile as the report describes it, to SciPy's."""
    rng = np.random.default_rng(SEED)
    image, kernel = rng.normal(size=(side, side)), rng.normal(size=(WINDOW, WINDOW))
    return _difference(_slide(image, kernel), correlate2d(image, kernel, "valid"))


def _slide(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Each tile times the filter, entry by entry, added up."""
    places = range(len(image) - len(kernel) + 1)
    return np.array(
        [[(image[y : y + WINDOW, x : x + WINDOW] * kernel).sum() for x in places] for y in places]
    )


def _difference(one: np.ndarray, other: np.ndarray) -> float:
    return round(float(np.abs(one - other).max()), 12)


def dense_as_convolution(side: int) -> Finding:
    """Whether a dense layer on the pixels falls short of a convolution, given its weights.

    Column k of the dense weights is what the convolution makes of an image whose pixel k is 1.
    """
    rng = np.random.default_rng(SEED)
    kernel = rng.normal(size=(WINDOW, WINDOW))
    units = np.eye(side * side).reshape(-1, side, side)
    weights = np.stack([correlate2d(unit, kernel, "same").ravel() for unit in units], axis=1)
    image = rng.normal(size=(side, side))
    value = _difference(weights @ image.ravel(), correlate2d(image, kernel, "same").ravel())
    return Finding(
        value,
        f"Largest difference of a dense layer on {side} x {side} pixels to the convolution that "
        "it was given the weights of.",
        agrees=value > 0,
    )


def dense_layer(inputs: int = 20, units: int = 5) -> float:
    """Largest difference of neurons computed one by one to a matrix product with a bias."""
    rng = np.random.default_rng(SEED)
    values, bias = rng.normal(size=inputs), rng.normal(size=units)
    weights = rng.normal(size=(units, inputs))
    each = [
        sum(w * x for w, x in zip(row, values, strict=True)) + b
        for row, b in zip(weights, bias, strict=True)
    ]
    return _difference(np.array(each), weights @ values + bias)


def input_values(side: int) -> Finding:
    """Pixels of a square image."""
    pixels = side * side
    note = f"Three times as many values, {3 * pixels:,}, with its colours."
    return Finding(pixels, note, agrees=pixels >= 2000)


def slopes_through(layers: int) -> Finding:
    """What is left of a gradient after so many layers by the activations' slopes alone.

    The geometric mean of the slopes at 10,000 random scores, to the power of the layers; of ReLU
    at those scores at which the unit is active.
    """
    scores = np.random.default_rng(SEED).normal(size=10000)
    bent = 1 / (1 + np.exp(-scores))
    slopes = {
        "sigmoid": bent * (1 - bent),
        "tanh": 1 - np.tanh(scores) ** 2,
        "ReLU": np.ones(int((scores > 0).sum())),
    }
    left = [float(f"{np.exp(layers * np.log(slope).mean()):.3g}") for slope in slopes.values()]
    return Finding(
        left,
        f"What {layers} layers of {', '.join(slopes)} leave of a gradient of 1, by the slopes at "
        "random scores and without the weights.",
        agrees=max(left[:2]) < left[2],
    )


def descent(rate: float, steps: int = 20) -> Finding:
    """A squared error before and after some steps against its gradient."""
    rng = np.random.default_rng(SEED)
    inputs = rng.normal(size=(60, 4))
    target = inputs @ rng.normal(size=4)
    weights, errors = np.zeros(4), []
    for _ in range(steps + 1):
        rest = inputs @ weights - target
        errors.append(float((rest**2).mean()))
        weights -= rate * 2 * inputs.T @ rest / len(target)
    falls = all(after < before for before, after in zip(errors, errors[1:], strict=False))
    return Finding(
        [round(errors[0], 3), round(errors[-1], 3)],
        f"Error of a linear fit at the start and after {steps} steps, each below the last.",
        agrees=falls,
    )


def finer(before: int, after: int) -> Finding:
    """How many times as long a nucleus becomes where borders are cut off before resizing."""
    value = before / after
    return Finding(value, agrees=value > 1)
