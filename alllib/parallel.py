"""One function over many images, on all cores, in order, with a progress bar."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import Parallel, delayed
from tqdm import tqdm

__all__ = ["map_images"]

# Below this many items the start of worker processes costs more than they save.
SERIAL_BELOW = 64


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
    """
    workers = workers or os.cpu_count() or 1
    if workers == 1 or len(items) < SERIAL_BELOW:
        results = map(function, items)
    else:
        pool = Parallel(n_jobs=workers, return_as="generator", batch_size="auto")
        results = pool(delayed(function)(item) for item in items)
    yield from tqdm(results, total=len(items), desc=title, unit="image", disable=len(items) < 2)
