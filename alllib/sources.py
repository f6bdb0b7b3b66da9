"""Where the images of a store lie, and whether they still do, unchanged."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from .files import whole_file

__all__ = ["compare_sources", "note_sources", "write_table"]

_SOURCES = "sources.parquet"


def note_sources(folder: Path, paths: Iterable[str]) -> None:
    """Remember size and time of change of image files; nothing is written where these are known.

    Parameters
    ----------
    folder : pathlib.Path
        Of a store.
    paths : iterable of str
        Its images.

    Raises
    ------
    DiskError
        When the folder cannot be written.
    """
    facts, known = _file_facts(paths), _read(folder)
    if known is None or not facts.equals(known.astype(facts.dtypes)):
        write_table(facts, folder / _SOURCES)


def compare_sources(folder: Path) -> tuple[int, int]:
    """How many images of a store are gone, and how many changed, since it was last opened.

    Their bytes are not read: a file counts as changed when its size or time has.

    Parameters
    ----------
    folder : pathlib.Path
        Of a store.

    Returns
    -------
    tuple of int
        Number of images gone, number changed; (0, 0) where it is not known what they were.
    """
    known = _read(folder)
    if known is None:
        return 0, 0
    facts = _file_facts(known.path)
    gone = facts.bytes == -1
    changed = ~gone & ((facts.bytes != known.bytes) | (facts.time != known.time))
    return int(gone.sum()), int(changed.sum())


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table in Parquet, whole or not at all."""
    with whole_file(path) as partial:
        table.to_parquet(partial, index=False)


def _read(folder: Path) -> pd.DataFrame | None:
    """What was remembered; None where that is missing or damaged."""
    try:
        known = pd.read_parquet(folder / _SOURCES)
    except (OSError, ValueError):
        return None
    return known if list(known) == ["path", "bytes", "time"] else None


def _file_facts(paths: Iterable[str]) -> pd.DataFrame:
    """`path`, `bytes` and `time` (of change, in ns) of files; -1 for those that are gone."""
    facts = []
    for path in map(str, paths):
        try:
            found = os.stat(path)
            facts.append((path, found.st_size, found.st_mtime_ns))
        except OSError:
            facts.append((path, -1, -1))
    return pd.DataFrame(facts, columns=["path", "bytes", "time"])
