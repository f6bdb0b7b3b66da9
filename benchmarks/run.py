"""Speed figures, each a ratio of two ways to the same end, measured in one run.

Absolute times of a shared machine say little; two ways taken in turns meet the same noise.
Run `make bench`; it prints one row per ratio, ours against the other way.
"""

from __future__ import annotations

import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

from alllib.augmentation import OPERATIONS, plan_augmentation
from alllib.cropping import crop_center
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.evaluation import score_predictions
from alllib.images import read_image
from alllib.store import open_store, resize

ROUNDS = 5


def measure(ours: Callable[[], object], other: Callable[[], object], amount: int) -> dict:
    """Rates of both ways, taken in turns; the ratio is that of the medians."""
    taken: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(ROUNDS):
        for name, way in (("ours", ours), ("peer", other)):
            started = time.perf_counter()
            way()
            taken[name].append(time.perf_counter() - started)
    rates = {name: amount / statistics.median(times) for name, times in taken.items()}
    return {"value": rates["ours"] / rates["peer"], **rates}


def bench_store(cells: pd.DataFrame) -> dict:
    """Images/s from the store against decoding, cropping and resizing them again."""
    store = open_store(cells, size=64, crop=400)
    rows = np.random.default_rng(1).permutation(len(cells))
    paths = list(cells.path)

    def decode() -> list[np.ndarray]:
        return [resize(crop_center(read_image(paths[row]), 400), 64) for row in rows]

    return measure(lambda: np.array(store.images[rows]), decode, len(rows)) | {"unit": "images/s"}


def bench_plan(cells: pd.DataFrame) -> dict:
    """Augmented pictures/s: a drawn plan against Augmentor's own files."""
    from Augmentor import Pipeline

    samples = 200
    with tempfile.TemporaryDirectory() as folder:
        for row in cells.head(40).itertuples():
            Image.open(row.path).save(Path(folder) / f"{row.image}.png")
        with contextlib.redirect_stdout(sys.stderr):
            pipeline = Pipeline(folder)
        for operation in OPERATIONS:
            getattr(pipeline, operation)(probability=0.5)
        random.seed(7)
        return measure(
            lambda: plan_augmentation(cells, samples=samples),
            lambda: pipeline.sample(samples, multi_threaded=False),
            samples,
        ) | {"unit": "pictures/s"}


def bench_bootstrap() -> dict:
    """Resamples/s of all metrics against a loop over scikit-learn."""
    draw, resamples = np.random.default_rng(1), 20
    positive = draw.random(2000)
    table = pd.DataFrame(
        {
            "label": np.where(draw.random(2000) < positive, "ALL", "HEM"),
            "group": draw.integers(0, 60, 2000).astype(str),
            "p_ALL": positive,
            "p_HEM": 1 - positive,
        }
    )

    def loop() -> None:
        groups = table.group.unique()
        for _ in range(resamples):
            chosen = draw.choice(groups, len(groups))
            sample = pd.concat([table[table.group == name] for name in chosen])
            guess = np.where(sample.p_ALL > 0.5, "ALL", "HEM")
            accuracy_score(sample.label, guess)
            f1_score(sample.label, guess, average="weighted")
            recall_score(sample.label, guess, pos_label="ALL")
            roc_auc_score(sample.label == "ALL", sample.p_ALL)

    scale = 2000 // resamples  # ours draws this many times more, so that its start weighs little
    found = measure(
        lambda: score_predictions(table, positive="ALL", resamples=resamples * scale),
        loop,
        resamples,
    )
    found["ours"], found["value"] = found["ours"] * scale, found["value"] * scale
    return found | {"unit": "resamples/s"}


def main() -> None:
    """Measure everything and print one JSON object."""
    cells = load_cells(prepare_data("synthetic", images=300))
    found = {
        "store_read_vs_decode": bench_store(cells),
        "plan_vs_augmentor_files": bench_plan(cells),
        "bootstrap_vs_sklearn_loop": bench_bootstrap(),
    }
    json.dump(found, sys.stdout, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
