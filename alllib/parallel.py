"""One function over many images, on all cores, in order, with a progress bar."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

from .errors import DataError

__all__ = ["map_images", "progress_bar"]

# Below this many items the start of worker processes costs more than they save.
SERIAL_BELOW = 64


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
    function: Callable[[Any], Any], items: Sequence, *, title: str, workers: int | None = None
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
        Number of processes; all cores when not given.

    Yields
    ------
    object
        Results. An error of a worker is raised here.

    Raises
    ------
    DataError
        When a worker process was killed.
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(items) < SERIAL_BELOW:
        results = map(function, items)
    else:
        pool = Parallel(n_jobs=workers, return_as="generator", batch_size="auto")
        results = pool(delayed(_call)(function, item, os.getpid()) for item in items)
    try:
        yield from progress_bar(results, total=len(items), desc=title, shown=len(items) > 1)
    except BrokenProcessPool as error:
        raise DataError(
            "A worker process was killed, perhaps because memory ran out.",
            where=title,
            remedy="Close other programs and run the same command again.",
        ) from error


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
