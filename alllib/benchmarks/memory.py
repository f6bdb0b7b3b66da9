"""Peak memory of an epoch, measured in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

from ..errors import TrainingError
from .scene import Scene

__all__ = ["bench_peak_memory"]

REPORT_SIZE = 150  # pixels; the report kept its images as float32 of three colours
PACKAGE_PARENT = Path(__file__).resolve().parents[2]


def bench_peak_memory(scene: Scene, *, images: int = 20_000, size: int = REPORT_SIZE) -> dict:
    """Peak resident memory of `fit` over an epoch, imports taken off, against a float32 array.

    The store is built before, in this process; the epoch has a process of its own.

    Returns
    -------
    dict
        `ours` and `peer` in GB (1e9 bytes).
    """
    scene.told("building a store")
    cells = scene.noise(images, size)
    table = scene.folder / "cells.parquet"
    from .feeds import training_feed

    training_feed(cells, size)  # leaves its store
    cells.to_parquet(table)
    scene.told(f"an epoch of {images:,} images")
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, "-m", __name__, str(table), str(size)],
        capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}, check=False,
    )  # fmt: skip
    if done.returncode:
        raise TrainingError(
            "The process of the memory benchmark failed: " + done.stderr.strip()[-300:],
            remedy="Close other programs and run it again.",
        )
    found = json.loads(done.stdout.splitlines()[-1])
    array = images * size * size * 3 * 4
    ours = found["peak"] - found["imports"]
    return {
        "value": ours / array, "ours": ours / 1e9, "peer": array / 1e9, "unit": "GB",
        "imports": found["imports"] / 1e9, "scale": f"{images:,} images of {size} pixels",
    }  # fmt: skip


def _epoch(table: str, size: int) -> dict[str, int]:
    """Bytes after the imports, and at the peak of an epoch."""
    from ..backend import load_keras, peak_memory
    from .feeds import fit_feed, small_network, training_feed

    cells = pd.read_parquet(table)
    cells.attrs["dataset"] = "synthetic"
    load_keras()
    imports = peak_memory()
    feed = training_feed(cells, size)
    fit_feed(small_network(size, feed=feed), feed, 0)
    return {"imports": imports, "peak": peak_memory()}


if __name__ == "__main__":
    json.dump(_epoch(sys.argv[1], int(sys.argv[2])), sys.stdout)
