"""Augmented images of a training: drawn as they are needed, and the report's way by files."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..augmentation import OPERATIONS
from ..cropping import crop_center
from ..images import read_image
from ..recipes import load_recipe
from ..store import open_store, resize
from .feeds import BATCH, RECIPE, read_feed, training_feed
from .scene import Scene

__all__ = ["augmentor_files", "bench_augment_online"]

SIZE, CROP = 150, 400  # of the report
# The report drew 20,000 pictures from 8,480 images; both ways take time in proportion.
FULL_IMAGES, FULL_PICTURES, EPOCHS = 8480, 20_000, 10
MADE = "augmentor-"  # folders of the report's way


def augmentor_files(cells: pd.DataFrame, pictures: int, folder: Path) -> list[Path]:
    """Files that Augmentor writes as the report ran it: four operations, its own threads.

    Parameters
    ----------
    cells : pandas.DataFrame
    pictures : int
    folder : pathlib.Path
        New; the files lie below it.
    """
    from Augmentor import Pipeline

    source = folder / "source"
    source.mkdir(parents=True)
    for path in cells.path:
        (source / Path(path).name).symlink_to(path)
    quiet = io.StringIO()  # it prints to stdout and draws a bar on stderr
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        pipeline = Pipeline(str(source))
        for operation in OPERATIONS:
            getattr(pipeline, operation)(probability=0.5)
        random.seed(7)
        pipeline.sample(pictures)
    return sorted((source / "output").iterdir())


def bench_augment_online(scene: Scene, *, share: int = 10, rounds: int = 3) -> dict:
    """Augmented images/s of ten epochs: a store and draws against files.

    Both ways give pictures drawn anew in each epoch. The report showed the same pictures in
    each; what the ways cost then stands beside it.

    Parameters
    ----------
    scene : Scene
    share : int
        One in so many of the report's images and pictures.
    rounds : int

    Returns
    -------
    dict
        Beside the rest, in images/s: `steady` (ours once the store is built), and for ten epochs
        of the same pictures `same_ours`, `same_files` (the report's files, decoded in each
        epoch) and `same_array` (decoded once, and kept as a float32 array).
    """
    cells, pictures = scene.cells(FULL_IMAGES // share), FULL_PICTURES // share
    spent: dict[str, list[float]] = {
        name: [] for name in ("store", "epoch", "drawn epoch", "written", "decoded", "array")
    }
    times = scene.measure_times(
        {
            "ours": lambda: _our_way(cells, pictures, spent),
            "peer": lambda: _report_way(cells, pictures, scene.folder, spent),
        },
        rounds=rounds, before=lambda: _clear(scene.folder),
    )  # fmt: skip
    _clear(scene.folder)
    total = EPOCHS * pictures
    middle = {name: statistics.median(taken) for name, taken in (times | spent).items()}
    made = middle["written"] + middle["decoded"]  # of one epoch; ten take ten times as long
    ours, peer = total / middle["ours"], pictures / made
    return {
        "value": ours / peer, "ours": ours, "peer": peer, "unit": "images/s",
        "steady": pictures / middle["drawn epoch"],
        "same_ours": total / (middle["store"] + EPOCHS * middle["epoch"]),
        "same_files": total / (middle["written"] + EPOCHS * middle["decoded"]),
        "same_array": total / (made + EPOCHS * middle["array"]),
        "scale": f"{len(cells):,} images and {pictures:,} pictures an epoch, one in {share} of "
        "the report's",
    }  # fmt: skip


def _our_way(cells: pd.DataFrame, pictures: int, spent: dict) -> None:
    """The store, and ten epochs of pictures, each drawn anew."""
    started = time.perf_counter()
    store = open_store(cells, size=SIZE, crop=CROP)
    spent["store"].append(time.perf_counter() - started)
    recipe = load_recipe(RECIPE)
    for epoch in range(EPOCHS):
        started = time.perf_counter()
        other = replace(recipe, augmentation=replace(recipe.augmentation, seed=7 + epoch))
        feed = training_feed(cells, SIZE, samples=pictures, store=store, recipe=other)
        drawn = time.perf_counter()
        read_feed(feed, epoch)
        done = time.perf_counter()
        feed.close()
        spent["drawn epoch"].append(done - started)
        spent["epoch"].append(done - drawn)


def _report_way(cells: pd.DataFrame, pictures: int, folder: Path, spent: dict) -> None:
    """Augmentor to the disk, all files decoded, cropped and resized; one epoch of them."""
    started = time.perf_counter()
    target = Path(tempfile.mkdtemp(prefix=MADE, dir=folder)) / "run"
    files = augmentor_files(cells, pictures, target)
    written = time.perf_counter()
    images = np.empty((len(files), SIZE, SIZE, 3), np.float32)
    for row, path in enumerate(files):
        images[row] = resize(crop_center(read_image(path), CROP), SIZE)
    images /= 255
    decoded = time.perf_counter()
    order = np.random.default_rng(1).permutation(len(files))
    for start in range(0, len(order), BATCH):
        images[order[start : start + BATCH]]
    spent["written"].append(written - started)
    spent["decoded"].append(decoded - written)
    spent["array"].append(time.perf_counter() - decoded)


def _clear(folder: Path) -> None:
    """Remove what either way left, and let the disk come to rest."""
    shutil.rmtree(folder / "_build" / "stores", ignore_errors=True)
    for left in folder.glob(f"{MADE}*"):
        shutil.rmtree(left)
    os.sync()
