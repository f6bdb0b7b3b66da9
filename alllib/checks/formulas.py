"""Checks of formulas: each is computed as printed and held against its definition."""

from __future__ import annotations

import numpy as np

from .finding import Finding

__all__ = ["convolved_side", "dead_unit", "dense_against_convolution", "log_loss",
           "log_loss_high", "max_pooling", "mean_of", "penalty", "penalty_shrinks",
           "pooled_weights", "relu", "softmax", "translation"]  # fmt: skip

SEED = 7


def softmax() -> Finding:
    """Mean sum of the softmax of random scores, as printed; None where it breaks its rules."""
    scores = np.random.default_rng(SEED).normal(size=(1000, 5))
    powers = np.exp(scores)
    shares = powers / powers.sum(axis=1, keepdims=True)
    kept = (shares.argmax(axis=1) == scores.argmax(axis=1)).all() and (shares > 0).all()
    total = round(float(shares.sum(axis=1).mean()), 12)
    return Finding(
        total if kept else None,
        "Mean over 1,000 random score vectors; every share is positive, and the largest score "
        "has the largest share.",
    )


def log_loss(probability: float, label: int) -> float:
    """Cross-entropy of one answer as printed, natural logarithm."""
    other = 1 - probability
    return round(float(-(label * np.log(probability) + (1 - label) * np.log(other))), 3)


def log_loss_high(probability: float) -> Finding:
    """The loss of such an answer, and whether it is above that of a toss-up."""
    value, even = log_loss(probability, 1), log_loss(0.5, 1)
    return Finding(value, f"A toss-up costs {even}.", agrees=value > even)


def relu() -> list[float]:
    """max(0, x) at -2, 0 and 3."""
    return [float(max(0.0, x)) for x in (-2, 0, 3)]


def max_pooling(side: int, window: int, step: int) -> Finding:
    """How often each pixel of a map is seen by a pooling: once each, without overlap."""
    seen = np.zeros((side, side), int)
    for top in range(0, side - window + 1, step):
        for left in range(0, side - window + 1, step):
            seen[top : top + window, left : left + window] += 1
    return Finding(sorted(set(seen.ravel().tolist())), "Windows that a pixel falls into.")


def penalty(power: int) -> Finding:
    """How the sum of |w|^power / 2 pulls on weights of 1, 2 and 3, in words."""
    step, weights = 1e-6, (1.0, 2.0, 3.0)
    pulls = [((w + step) ** power - (w - step) ** power) / (4 * step) for w in weights]
    words = {0: "with one force", 1: "in proportion to its size"}
    value = next(
        (
            word
            for exponent, word in words.items()
            if np.allclose(pulls, [pulls[0] * w**exponent for w in weights])
        ),
        "otherwise",
    )
    told = ", ".join(f"{pull:.3g}" for pull in pulls)
    return Finding(value, f"Pull on a weight of 1, 2 and 3, in units of lambda / N: {told}.")


def penalty_shrinks(power: int, strengths: tuple[float, ...] = (0, 0.3, 1)) -> Finding:
    """Length of the weights that fit random data, with penalties of growing strength."""
    rng = np.random.default_rng(SEED)
    inputs = rng.normal(size=(60, 8))
    target = inputs @ rng.normal(size=8) + rng.normal(size=60)
    norms = [float(np.linalg.norm(_fit(inputs, target, power, one))) for one in strengths]
    return Finding(
        [round(norm, 3) for norm in norms],
        "Length of the weights of a linear fit without, with a weak and with a strong penalty.",
        agrees=all(one > other for one, other in zip(norms, norms[1:], strict=False)),
    )


def _fit(inputs: np.ndarray, target: np.ndarray, power: int, weight: float) -> np.ndarray:
    """Weights of a linear fit with a penalty, by many small steps."""
    found = np.zeros(inputs.shape[1])
    for _ in range(4000):
        slope = inputs.T @ (inputs @ found - target) / len(target)
        found -= 0.02 * (slope + weight * (np.sign(found) if power == 1 else found))
    return found


def convolved_side(side: int, window: int) -> Finding:
    """Lengths of a row of pixels after a convolution, without and with padding."""
    row, kernel = np.ones(side), np.ones(window)
    bare, padded = (np.convolve(row, kernel, mode).size for mode in ("valid", "same"))
    return Finding(
        [bare, padded],
        f"Without and with padding, of {side} pixels.",
        agrees=bare < side == padded,
    )


def dead_unit(bias: float) -> Finding:
    """Largest slope of a ReLU unit with such a bias on random inputs, and of a leaky one."""
    inputs = np.random.default_rng(SEED).normal(size=(10000, 8))
    scores = inputs @ np.full(8, 1 / np.sqrt(8)) + bias
    slopes = [float(np.where(scores > 0, 1.0, low).max()) for low in (0.0, 0.01)]
    return Finding(
        slopes,
        f"Of a unit whose bias has become {bias:g}, on 10,000 inputs of deviation 1: ReLU passes "
        "no gradient on, so that no step can bring the unit back; a leaky ReLU passes on a little.",
        agrees=slopes[0] == 0 < slopes[1],
    )


def dense_against_convolution(side: int, filters: int, window: int) -> Finding:
    """Weights of a first layer that connects every pixel, as a multiple of a convolution's."""
    values = side * side
    dense = (3 * values + 1) * filters * values
    convolution = (3 * window * window + 1) * filters
    note = f"{dense:,} against {convolution:,}, for the same maps."
    return Finding(round(dense / convolution), note, agrees=dense > convolution)


def pooled_weights(side: int, depth: int, units: int) -> Finding:
    """Weights of the first dense layer with and without the last pooling."""
    after = (-(-side // 2)) ** 2 * depth * units + units
    before = side * side * depth * units + units
    return Finding([before, after], "Without and with the pooling.", agrees=after < before)


def translation(side: int = 12) -> Finding:
    """What a convolution makes of a shifted image: the same map, shifted with it."""
    rng = np.random.default_rng(SEED)
    image, kernel = rng.normal(size=(side, side)), rng.normal(size=(3, 3))
    shifted = np.roll(image, 1, axis=1)
    plain, moved = _convolve(image, kernel), _convolve(shifted, kernel)
    same = bool(np.allclose(plain, moved))
    follows = bool(np.allclose(np.roll(plain, 1, axis=1), moved))
    value = "invariant" if same else ("equivariant" if follows else "neither")
    note = "Equivariant: the map shifts with the image. Invariant: the map stays as it is."
    return Finding(value, note)


def _convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Convolution with edges that meet, so that a shift loses nothing."""
    turns = ((down, across) for down in range(3) for across in range(3))
    return sum(
        kernel[down, across] * np.roll(image, (1 - down, 1 - across), (0, 1))
        for down, across in turns
    )


def mean_of(values: list) -> float:
    """Arithmetic mean."""
    return round(float(np.mean(values)), 4)
