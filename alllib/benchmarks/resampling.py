"""Bootstrap of all metrics against a loop over scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    f1_score,
    precision_score,
    recall_score,
    roc_auc_score,
)

from ..evaluation import score_predictions
from .scene import Scene

__all__ = ["bench_bootstrap"]

IMAGES, SUBJECTS = 2000, 60


def bench_bootstrap(scene: Scene, *, resamples: int = 2000, looped: int = 40) -> dict:
    """Resamples/s of all metrics: all at once against one after the other.

    Parameters
    ----------
    scene : Scene
    resamples : int
        Of a call of ours.
    looped : int
        Of a call of the loop, whose time grows in proportion.
    """
    table = _predictions()
    rows = [np.flatnonzero(table.group == name) for name in table.group.unique()]
    positive = table.p_ALL.to_numpy()
    labels, draw = table.label.to_numpy(object), np.random.default_rng(2)

    def loop() -> None:
        for _ in range(looped):
            chosen = np.concatenate([rows[k] for k in draw.integers(0, len(rows), len(rows))])
            _all_metrics(labels[chosen], positive[chosen])

    found = scene.measure(
        lambda: score_predictions(table, positive="ALL", resamples=resamples), loop,
        resamples, peer_amount=looped, unit="resamples/s", warm=True,
    )  # fmt: skip
    return found | {"scale": f"{IMAGES:,} images of {SUBJECTS} subjects"}


def _predictions() -> pd.DataFrame:
    draw = np.random.default_rng(1)
    positive = draw.random(IMAGES)
    return pd.DataFrame(
        {
            "label": np.where(draw.random(IMAGES) < positive, "ALL", "HEM"),
            "group": draw.integers(0, SUBJECTS, IMAGES).astype(str),
            "p_ALL": positive,
            "p_HEM": 1 - positive,
        }
    )


def _all_metrics(labels: np.ndarray, positive: np.ndarray) -> tuple[float, ...]:
    """The six metrics of `evaluation.METRICS`, each by scikit-learn's function for it."""
    guess = np.where(positive > 0.5, "ALL", "HEM").astype(object)
    return (
        accuracy_score(labels, guess),
        f1_score(labels, guess, average="weighted"),
        roc_auc_score(labels == "ALL", positive),
        recall_score(labels, guess, pos_label="ALL"),
        recall_score(labels, guess, pos_label="HEM"),
        precision_score(labels, guess, pos_label="ALL"),
    )
