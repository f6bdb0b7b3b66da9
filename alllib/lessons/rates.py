"""How fast descent goes on a quadratic, and schedules of the learning rate."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["cosine_rate", "exponential_rate", "least_curvature", "make_bowl", "remaining",
           "stair_rate", "steps_to_shrink", "warmup_rate"]  # fmt: skip


def remaining(learning_rate: float, curvature, steps: float):
    """Share of the distance to the minimum that is left on a quadratic, without momentum.

    Parameters
    ----------
    learning_rate : float
    curvature : float or numpy.ndarray
        Second derivative of the loss in this direction.
    steps : float

    Returns
    -------
    float or numpy.ndarray
        Its size; above 1 the descent diverges.
    """
    return np.abs(1 - learning_rate * np.asarray(curvature)) ** steps


def steps_to_shrink(learning_rate: float, curvature: float, share: float) -> float:
    """Steps until this share of the distance to the minimum is left, without momentum.

    Returns
    -------
    float
        Infinite where the descent does not converge.
    """
    factor = abs(1 - learning_rate * curvature)
    if factor >= 1:
        return math.inf
    return math.log(share) / math.log(factor) if factor else 1.0


def least_curvature(learning_rate: float, steps: float, share: float) -> float:
    """Curvature of a direction in which so many steps leave this share of the distance.

    In every flatter direction more is left.
    """
    return (1 - share ** (1 / steps)) / learning_rate


def exponential_rate(step, *, start: float, rate: float, every: int):
    """Learning rate that is multiplied by `rate` over each `every` steps, evenly."""
    return start * rate ** (np.asarray(step) / every)


def stair_rate(step, *, start: float, rate: float, every: int):
    """Learning rate that is multiplied by `rate` at once after each `every` steps."""
    return start * rate ** (np.asarray(step) // every)


def cosine_rate(step, *, start: float, steps: int, floor: float = 0.0):
    """Learning rate that falls along half a cosine to the share `floor` (Loshchilov and
    Hutter 2017, one round)."""
    share = np.minimum(np.asarray(step) / steps, 1)
    return start * (floor + (1 - floor) * (1 + np.cos(np.pi * share)) / 2)


def warmup_rate(step, *, target: float, warmup: int, steps: int):
    """Learning rate that rises from zero over `warmup` steps, and falls along half a cosine
    until `steps`."""
    step = np.asarray(step)
    falling = cosine_rate(step - warmup, start=target, steps=steps - warmup)
    return np.where(step < warmup, target * step / warmup, falling)


def make_bowl(curvatures: tuple[float, float], angle: float) -> np.ndarray:
    """Second derivatives of a quadratic loss of two weights.

    Parameters
    ----------
    curvatures : tuple of float
        The two main curvatures.
    angle : float
        Between the first weight and the direction of the first curvature, in degrees.

    Returns
    -------
    numpy.ndarray
        Shape (2, 2), symmetric.
    """
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    turn = np.array([[cos, -sin], [sin, cos]])
    return turn @ np.diag(curvatures) @ turn.T
