"""Checks of what the transfer-learning paper says of learning, and of its formulas."""

from __future__ import annotations

import re

import numpy as np
from scipy import ndimage

from .finding import Finding

__all__ = [
    "free_symbols", "mean_for_expectation", "memorised", "pooled_changes",
]  # fmt: skip

SEED = 2021


def free_symbols(published: str, minimised: str) -> Finding:
    """Whether the symbol that is minimised over stands in the printed function."""
    symbols = set(re.findall(r"[^\W\d_]+", published))
    return Finding(
        ", ".join(sorted(symbols)),
        agrees=minimised in symbols,
        note=f"The function depends on m and not on {minimised}; one letter for the weights in "
        "both places makes it right.",
    )


def mean_for_expectation(subjects: int = 0) -> Finding:
    """Error of a mean of n draws, for growing n: it falls with the root of n.

    With `subjects`, all draws of one subject are alike, and only so many subjects are drawn.
    """
    rng = np.random.default_rng(SEED)
    sizes = [min(n, subjects) if subjects else n for n in (10, 100, 1000)]
    errors = [float(rng.exponential(size=(400, n)).mean(axis=1).std()) for n in sizes]
    return Finding(
        [round(error, 3) for error in errors],
        agrees=errors[0] > 2 * errors[1] > 4 * errors[2],
        note="Spread of means of 10, 100 and 1,000 losses drawn at random. It holds for "
        "independent draws: cells of few subjects are not.",
    )


def memorised(rule: bool = False) -> Finding:
    """Accuracy of a nearest neighbour on random labels: on what it learnt, and on new draws.

    With `rule` the labels follow from the inputs, and learning them is no learning by heart.
    """
    rng = np.random.default_rng(SEED)
    inputs, labels = rng.normal(size=(2, 300, 5)), rng.integers(0, 2, (2, 300))
    if rule:
        labels = (inputs[..., 0] > 0).astype(int)
    distance = ((inputs[1][:, None] - inputs[0][None]) ** 2).sum(axis=2)
    held = float((labels[0][distance.argmin(axis=1)] == labels[1]).mean())
    return Finding(
        [1.0, round(held, 3)],
        agrees=held < 0.6,
        note="Labels without any rule: what is learnt by heart scores 1 on the images learnt, and "
        "chance on others.",
    )


def pooled_changes() -> Finding:
    """Relative change of pooled feature maps when a picture is shifted by a pixel, or turned.

    Random 3x3 filters and a pooling by two, on a smooth random picture of 64 pixels.
    """
    rng = np.random.default_rng(SEED)
    picture = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2, mode="wrap")
    picture /= picture.std()
    filters = rng.normal(size=(8, 3, 3))
    plain = _pooled(picture, filters)
    changes = [
        float(np.linalg.norm(_pooled(other, filters) - plain) / np.linalg.norm(plain))
        for other in (np.roll(picture, 1, axis=1), np.rot90(picture))
    ]
    return Finding(
        [round(change, 2) for change in changes],
        agrees=max(changes) < 0.1,
        note="Change after a shift by one pixel, and after a quarter turn. Pooling softens a small "
        "shift and does nothing for a turn; that is learnt, from turned images if from any.",
    )


def _pooled(picture: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Maps of some filters, without negative values, pooled by two."""
    maps = [np.maximum(ndimage.convolve(picture, kernel, mode="wrap"), 0) for kernel in filters]
    side = picture.shape[0] // 2
    return np.stack(maps).reshape(len(filters), side, 2, side, 2).max(axis=(2, 4))
