"""What the search for duplicates costs: time by the clock, time of the cores, memory."""

from __future__ import annotations

import time

import pandas as pd
import psutil
from joblib import cpu_count

from .backend import peak_memory
from .duplicates import find_duplicates

__all__ = ["join_tables", "measure_cost", "tell_cost"]


def measure_cost(cells: pd.DataFrame) -> dict:
    """Search a cell table for duplicates, and measure what that takes.

    Call it in a process of its own: memory is that of the process at its highest.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with at least one row.

    Returns
    -------
    dict
        `images`, `pairs`, `seconds` (by the clock), `processor_seconds` (of all cores, for
        this search), `cores` (that the process may use), `other_cores` (how many cores of the
        machine were busy with something else, on average over that time), `peak_mib`.

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    machine, own, began = _busy(), time.process_time(), time.monotonic()
    found = find_duplicates(cells)
    seconds = max(time.monotonic() - began, 1e-9)
    spent = time.process_time() - own
    other = max(0.0, _busy() - machine - spent) / seconds
    return {
        "images": len(cells),
        "pairs": len(found.pairs),
        "seconds": round(seconds, 3),
        "processor_seconds": round(spent, 3),
        "cores": cpu_count(),
        "other_cores": round(other, 2),
        "peak_mib": round(peak_memory() / 2**20),
    }


def _busy() -> float:
    """Seconds that all cores of the machine have worked, for anyone, since it started."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0)


def join_tables(cells: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
    """Both cell tables as one, so that a search is of more images.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table of the data set; the result has its `attrs`.
    made : pandas.DataFrame
        Cell table of another data set, whose images have other names.

    Returns
    -------
    pandas.DataFrame
    """
    both = pd.concat([cells, made], ignore_index=True)
    both.attrs = dict(cells.attrs)
    return both


def tell_cost(found: dict) -> str:
    """What `measure_cost` found, in two sentences.

    Returns
    -------
    str
    """
    of = " and ".join(f"{count:,} of {name}" for name, count in found.get("of", {}).items())
    images = f"{found['images']:,} images" + (f" ({of})" if of else "")
    beside = (
        f"; {found['other_cores']:.1f} cores were busy with other work at the same time"
        if found["other_cores"] >= 0.05
        else "; nothing else was at work"
    )
    return (
        f"The search of {images} took {found['seconds']:.0f} s by the clock on "
        f"{found['cores']} cores and {found['processor_seconds']:.0f} s of processor time, "
        f"which is {found['processor_seconds'] / found['cores']:.0f} s for each core{beside}. "
        f"Memory: {found['peak_mib']:,} MiB at most."
    )
