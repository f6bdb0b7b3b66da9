"""What the search for duplicates costs: time by the clock, time of the cores, memory."""

from __future__ import annotations

import time

import pandas as pd
import psutil
from joblib import cpu_count

from .backend import peak_memory
from .duplicates import LIMITS, find_duplicates
from .studies import Study, save_study

__all__ = ["measure_cost", "record_cost", "tell_cost"]

TOPIC = "duplicate-cost"


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


def record_cost(cells: pd.DataFrame, *, made: pd.DataFrame | None = None) -> Study:
    """Measure the search on a data set, and keep it with the book.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table of the data set; its `attrs` name it.
    made : pandas.DataFrame, optional
        Cell table of synthetic images that are searched with it, to make up the number.

    Returns
    -------
    Study
        Written to `results/study/duplicate-cost-<dataset>.json`.

    Raises
    ------
    DiskError
        When the disk is full or read-only. And see `measure_cost`.
    """
    tables = {t.attrs.get("dataset", ""): t for t in (cells, made) if t is not None}
    both = pd.concat(tables.values(), ignore_index=True)
    both.attrs = dict(cells.attrs)
    of = {name: len(table) for name, table in tables.items()}
    return save_study(TOPIC, both, {**measure_cost(both), "of": of}, settings=LIMITS)


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
