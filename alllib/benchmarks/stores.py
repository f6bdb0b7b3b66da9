"""What is written once: the store, and the files of the offline augmentation."""

from __future__ import annotations

import contextlib
import io
import os
import random
import shutil
import statistics
from concurrent.futures import ThreadPoolExecutor

from joblib import Parallel, cpu_count, delayed

from ..augmentation import OPERATIONS, plan_augmentation, write_augmented
from ..images import read_square
from ..parallel import THREAD_BATCH
from ..store import open_store, stores_folder
from .scene import Scene

__all__ = ["bench_augment_offline", "bench_store_build"]

SIZE, CROP = 224, 400
# The report drew 20,000 pictures from 8,480 images: one in twenty of both.
IMAGES, PICTURES = 424, 1000


def bench_store_build(
    scene: Scene, *, images: int | None = None, size: int = SIZE, crop: int = CROP, rounds: int = 9
) -> dict:
    """Images/s of building a store against decoding, cropping and resizing alone.

    The other way is a bare loop over the files on all cores that keeps nothing: in threads, and
    in processes that have been started before. The faster one counts.

    Parameters
    ----------
    scene : Scene
    images : int, optional
        Number of images; all of the scene when not given.
    size, crop : int
        Sides in pixels.
    rounds : int

    Returns
    -------
    dict
        Beside the rest, in images/s: `threads` and `processes`, the two bare loops.
    """
    cells = scene.cells(images)
    paths = list(cells.path)
    batches = [paths[start : start + THREAD_BATCH] for start in range(0, len(paths), THREAD_BATCH)]

    def in_threads() -> None:
        with ThreadPoolExecutor(cpu_count()) as pool:
            list(pool.map(lambda batch: _decode(batch, size, crop), batches))

    with Parallel(n_jobs=cpu_count()) as pool:
        times = scene.measure_times(
            {
                "ours": lambda: open_store(cells, size=size, crop=crop),
                "threads": in_threads,
                "processes": lambda: pool(delayed(_decode)(batch, size, crop) for batch in batches),
            },
            rounds=rounds, warm=True, before=_clear_stores,
        )  # fmt: skip
    _clear_stores()
    rates = {name: len(paths) / statistics.median(taken) for name, taken in times.items()}
    peer = max(rates["threads"], rates["processes"])
    return {"value": rates["ours"] / peer, "peer": peer, "unit": "images/s", **rates}


def _decode(paths: list[str], size: int, crop: int) -> None:
    for path in paths:
        read_square(path, size=size, crop=crop)


def _clear_stores() -> None:
    """Remove the store, and let the disk come to rest."""
    shutil.rmtree(stores_folder(), ignore_errors=True)
    os.sync()


def bench_augment_offline(
    scene: Scene, *, images: int = IMAGES, pictures: int = PICTURES, rounds: int = 7
) -> dict:
    """Pictures/s of the augmentation with files written against Augmentor's.

    Both draw the pictures and write them as BMP files of full size. Augmentor runs as in
    figure 11 of the report: four operations, its own threads.

    Parameters
    ----------
    scene : Scene
    images, pictures : int
        Number of images, and of pictures drawn from them.
    rounds : int
    """
    cells = scene.cells(images)
    source, written = scene.linked(cells), scene.folder / "augmented"

    def write() -> None:
        write_augmented(cells, plan_augmentation(cells, samples=pictures), written)

    def clear() -> None:
        for folder in (written, source / "output"):
            shutil.rmtree(folder, ignore_errors=True)
        os.sync()

    try:
        return scene.measure(
            write, lambda: _run_augmentor(source, pictures), pictures,
            unit="pictures/s", rounds=rounds, warm=True, before=clear,
        )  # fmt: skip
    finally:
        clear()
        shutil.rmtree(source)


def _run_augmentor(source: os.PathLike, pictures: int) -> None:
    from Augmentor import Pipeline

    quiet, state = io.StringIO(), random.getstate()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        pipeline = Pipeline(str(source))
        pipeline.set_seed(7)
        for operation in OPERATIONS:
            getattr(pipeline, operation)(probability=0.5)
        pipeline.sample(pictures)
    random.setstate(state)
