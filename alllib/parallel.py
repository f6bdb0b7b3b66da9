"""One function over many images, on all cores, in order, with a progress bar."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from .errors import DataError

__all__ = ["map_images", "progress_bar"]

# Below this many items the start of worker processes costs more than they save.
SERIAL_BELOW = 64
# Items that a thread takes at once: handing over one by one costs a tenth of a small image.
THREAD_BATCH = 16


def progress_bar(items: Iterable | None = None, *, shown: bool = True, **options: Any) -> tqdm:
    """Bar that counts images, with rate and time left.

    Parameters
    ----------
    items : iterable, optional
        What is passed through; without it, call `update` on the bar.
    shown : bool
        When true, `TQDM_DISABLE` still hides it: notebooks run in a batch show none.
    **options
        Passed on to tqdm.

    Returns
    -------
    tqdm.tqdm
    """
    if not shown:
        options["disable"] = True  # tqdm reads TQDM_DISABLE only where this is not given
    return tqdm(items, unit="image", mininterval=0.5, **options)


def map_images(
    function: Callable[[Any], Any],
    items: Sequence,
    *,
    title: str,
    workers: int | None = None,
    threads: bool = False,
    done: int = 0,
) -> Iterator[Any]:
    """Yield `function(item)` for each item, in the order of the items.

    Parameters
    ----------
    function : callable
        Of one argument; importable from a module, so that worker processes find it.
    items : sequence
        Arguments.
    title : str
        What the progress bar says.
    workers : int, optional
        Number of processes or threads; all cores that this process may use when not given.
    threads : bool
        Work in threads, which start at once and end with the process. They suit functions that
        leave nearly all time to Pillow, OpenCV or the disk, which let other threads run.
    done : int
        Items finished before, which the progress bar counts.

    Yields
    ------
    object
        Results. An error of a worker is raised here.

    Raises
    ------
    DataError
        When a worker process was killed.
    """
    workers = workers or cpu_count()
    bar = {"total": done + len(items), "initial": done, "desc": title, "shown": len(items) > 1}
    try:
        with contextlib.closing(_results(function, items, workers, threads=threads)) as results:
            yield from progress_bar(results, **bar)
    except BrokenProcessPool as error:
        raise DataError(
            "A worker process was killed, perhaps because memory ran out.",
            where=title,
            remedy="Close other programs and run the same command again.",
        ) from error


def _results(
    function: Callable[[Any], Any], items: Sequence, workers: int, *, threads: bool
) -> Iterator[Any]:
    if workers == 1 or len(items) < (2 if threads else SERIAL_BELOW):
        yield from map(function, items)
    elif threads:
        yield from _in_threads(function, items, workers)
    else:
        pool = Parallel(n_jobs=workers, return_as="generator", batch_size="auto")
        yield from pool(delayed(_call)(function, item, os.getpid()) for item in items)


def _in_threads(function: Callable[[Any], Any], items: Sequence, workers: int) -> Iterator[Any]:
    """Results in order; after an error or Ctrl-C only the items already begun are finished."""
    batch = max(1, min(THREAD_BATCH, len(items) // (2 * workers)))
    ended = threading.Event()

    def work(start: int) -> list:
        # `ended` stops a batch at its next item: an interrupt waits for one image, not for many.
        return [function(item) for item in items[start : start + batch] if not ended.is_set()]

    with ThreadPoolExecutor(workers) as pool:
        try:
            for results in pool.map(work, range(0, len(items), batch)):
                yield from results
        finally:
            ended.set()
            pool.shutdown(cancel_futures=True)


def _call(function: Callable[[Any], Any], item: Any, parent: int) -> Any:
    if os.getppid() == parent:
        _follow(parent)
    return function(item)


@functools.cache  # once a process
def _follow(parent: int) -> None:
    """Let this worker process end with its parent, and not write on into a repeat."""

    def leave():
        while os.getppid() == parent:
            time.sleep(0.1)
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
