"""Memory that does not suffice: how it shows, and the largest batch that fits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from .errors import AlllibError, TrainingError

__all__ = ["check_memory", "clear_shortage", "free_memory", "is_shortage", "largest_batch"]

# Words of the backends for a device or a machine without memory left.
SHORTAGE = (
    "resource_exhausted",
    "resourceexhausted",
    "resource exhausted",
    "out of memory",
    "oom when",
    "failed to allocate",
    "can't allocate memory",
    "bad_alloc",
)


def is_shortage(error: BaseException, *, after: BaseException | None = None) -> bool:
    """Whether an error of a backend, each of which has a class of its own, means a lack of
    memory; `after` is one that was being handled when it came, and says nothing of it."""
    seen: BaseException | None = error
    while seen is not None and seen is not after and not isinstance(seen, AlllibError):
        text = f"{type(seen).__name__} {seen}".lower()
        if isinstance(seen, MemoryError) or any(word in text for word in SHORTAGE):
            return True
        seen = seen.__cause__ or seen.__context__  # another error may come of it
    return False


def largest_batch(fits: Callable[[int], bool], batch: int) -> int:
    """Largest number of images below `batch` for which a step fits into memory.

    Parameters
    ----------
    fits : callable
        Whether a step with so many images succeeds.
    batch : int
        A number for which it does not.

    Returns
    -------
    int
        0 where not even one image fits.
    """
    low, high = batch // 2, batch
    while low and not fits(low):
        low, high = low // 2, low
    while low and high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def check_memory(needed: Callable[[int], int], batch: int) -> None:
    """Refuse a training that this machine's free memory does not suffice for by far.

    A processor's system does not refuse: it ends the process without a word.

    Parameters
    ----------
    needed : callable
        Estimated bytes of a step with so many images.
    batch : int
        Images per step.

    Raises
    ------
    TrainingError
        When the estimate exceeds what is free.
    """
    free = free_memory()
    if needed(batch) > free:
        found = largest_batch(lambda images: needed(images) <= free, batch)
        raise TrainingError(
            f"A batch of {batch} needs about {needed(batch) / 2**30:.1f} GiB of memory, and "
            f"{free / 2**30:.1f} GiB are free.",
            where="batch",
            remedy=_smaller(found, "By this estimate the largest that fits is"),
        )


def free_memory(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this process may still take, from the system and from its control group, in
    which clusters and containers set their limits.

    Parameters
    ----------
    group : pathlib.Path
        Folder of the control group.
    """
    free = psutil.virtual_memory().available
    try:
        limit = int((group / "memory.max").read_text())  # "max" where there is none
        used = int((group / "memory.current").read_text())
        kept = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return free
    # Files that were read are given up when memory is short.
    return max(0, min(free, limit - used + int(kept.get("inactive_file", 0))))


def _smaller(batch: int, words: str) -> str:
    """Remedy that names a batch, or, where none fits, what else can be done."""
    if not batch:
        return (
            "Not even one image fits: use a smaller input (`--input-size`), or a machine with "
            "more memory."
        )
    return (
        f"{words} a batch of {batch} (`--batch {batch}`); or use a smaller input "
        "(`--input-size`), or half precision on a GPU."
    )


@contextlib.contextmanager
def clear_shortage(batch: int, *, step: Callable[[int], object] | None = None) -> Iterator[None]:
    """Turn a backend's lack of memory into an error that names the largest batch that fits.

    Parameters
    ----------
    batch : int
        Images per step in the block.
    step : callable, optional
        Runs a step with so many images. Without it, or where it fails for another reason, half
        the batch is named as the one to try.

    Raises
    ------
    TrainingError
        When memory is short.
    """
    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        cause = error.with_traceback(None)  # its frames hold the memory that the search needs
    else:
        return

    def fits(number: int) -> bool:
        try:
            step(number)
        except Exception as error:
            if is_shortage(error, after=cause):
                return False
            raise
        return True

    found, words = batch // 2, "Try"
    if step is not None:
        with contextlib.suppress(Exception):  # a device may be in disorder after a shortage
            found, words = largest_batch(fits, batch), "The largest that fits is"
    raise TrainingError(
        f"The memory does not suffice for a batch of {batch}.",
        where="batch",
        remedy=_smaller(found, words),
    ) from cause
