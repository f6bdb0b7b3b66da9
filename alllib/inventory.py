"""Stores on the disk: what each holds, whether it is of use, and removal of those that are not."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from .errors import ParameterError
from .files import clear_errors
from .rows import IMAGES, count_finished
from .sources import compare_sources
from .store import DESCRIPTION, FORMAT, describe_store, read_store, stores_folder

__all__ = ["StoreEntry", "list_stores", "prune_stores", "store_rows", "store_table"]

_DAY = 86_400  # seconds


@dataclass(frozen=True)
class StoreEntry:
    """A folder of a store.

    Attributes
    ----------
    name : str
        Of the store.
    path : pathlib.Path
        Its folder; of one that is not finished, the hidden folder that it is built in.
    state : {"whole", "being built", "unfinished", "damaged", "other format", "stale"}
        A stale one is whole, and its image files are gone or changed.
    detail : str
        Numbers to the state, like `130 of 2000`.
    images, size, crop : int or None
        Number of images, side in pixels, and side of the crop; None where unknown or not cropped.
    bytes : int
        Space on the disk.
    made, used : str or None
        Time of the last row written, and of the last use (ISO 8601, UTC).
    """

    name: str
    path: Path
    state: str
    detail: str
    images: int | None
    size: int | None
    crop: int | None
    bytes: int
    made: str | None
    used: str | None

    @property
    def said(self) -> str:
        """State with its numbers, for people."""
        return f"{self.state} ({self.detail})" if self.detail else self.state


def list_stores() -> list[StoreEntry]:
    """Stores of the workspace, finished or not, by name; nothing is written or decoded.

    Returns
    -------
    list of StoreEntry
    """
    entries = [_examine(path, free=None) for path in _folders()]
    return sorted((entry for entry in entries if entry), key=lambda one: (one.name, one.path))


def prune_stores(
    *, days: float | None = None, everything: bool = False, dry_run: bool = False
) -> list[StoreEntry]:
    """Remove stores that are stale, damaged, unfinished or of another format.

    One that a living process builds or opens at the moment is let be. A training that reads a
    removed store reads on; a later one builds it anew.

    Parameters
    ----------
    days : float, optional
        Remove also those that were not used for so many days.
    everything : bool
        Remove all.
    dry_run : bool
        Remove nothing.

    Returns
    -------
    list of StoreEntry
        What was removed, or would be.

    Raises
    ------
    ParameterError
        When the number of days is below 0.
    DiskError
        When a folder cannot be removed.
    """
    if days is not None and not days >= 0:
        raise ParameterError(
            f"{days} is no number of days.", where="days", remedy="Give a number from 0 up."
        )
    removed = []
    for entry in list_stores():
        with _lock_if_free(entry.path) as free:
            # Another process may have finished or removed it since it was listed.
            now = _examine(entry.path, free=free)
            if free and now and _is_unwanted(now, days, everything):
                removed.append(now)
                if not dry_run:
                    _remove(now.path)
    if not dry_run:
        _remove_stray_locks()
    return removed


def store_rows(entries: list[StoreEntry]) -> list[dict]:
    """Entries as plain values for JSON."""
    return [asdict(entry) | {"path": str(entry.path)} for entry in entries]


def store_table(entries: list[StoreEntry]) -> pd.DataFrame:
    """Entries as a table to print: sizes in MB, times to the minute."""
    rows = [
        {
            "store": entry.name,
            "images": _shown(entry.images),
            "pixels": _shown(entry.size),
            "crop": _shown(entry.crop),
            "MB": f"{entry.bytes / 1e6:.1f}",
            "made": _shown(entry.made and entry.made[:16].replace("T", " ")),
            "used": _shown(entry.used and entry.used[:16].replace("T", " ")),
            "state": entry.said,
        }
        for entry in entries
    ]
    return pd.DataFrame(rows)


def _shown(value: object) -> str:
    return "-" if value is None else str(value)


def _examine(path: Path, *, free: bool | None) -> StoreEntry | None:
    """Entry of a folder; None where it is gone. `free`: its lock is held here; None asks."""
    if not path.is_dir():
        return None
    begun = path.name.startswith(".")
    described = describe_store(path) or {}
    if begun:
        state, detail = _begun_state(path, described, free)
    else:
        state, detail = _finished_state(path, described)
    return StoreEntry(
        name=_name(path),
        path=path,
        state=state,
        detail=detail,
        images=_number(described.get("images")),
        size=_number(described.get("size")),
        crop=_number(described.get("crop")),
        bytes=_bytes(path),
        made=_changed(path / IMAGES),
        used=_changed(path / DESCRIPTION),
    )


def _name(path: Path) -> str:
    """Name of the store that a folder is, or shall become: `.NAME.partial`."""
    return path.name[1:].rsplit(".", 1)[0] if path.name.startswith(".") else path.name


def _begun_state(path: Path, described: dict, free: bool | None) -> tuple[str, str]:
    if free is None:
        with _lock_if_free(path) as free:
            pass
    detail = f"{count_finished(path)} of {described['images']}" if "images" in described else ""
    return ("unfinished" if free else "being built"), detail


def _finished_state(path: Path, described: dict) -> tuple[str, str]:
    if described and described.get("format") != FORMAT:
        return "other format", ""
    if read_store(path) is None:
        return "damaged", ""
    gone, changed = compare_sources(path)
    if not gone and not changed:
        return "whole", ""
    found = [
        f"{number} image{'s' * (number != 1)} {word}"
        for number, word in ((gone, "gone"), (changed, "changed"))
        if number
    ]
    return "stale", " and ".join(found)


def _is_unwanted(entry: StoreEntry, days: float | None, everything: bool) -> bool:
    if everything or entry.state != "whole":
        return True
    if days is None:
        return False
    return time.time() - datetime.fromisoformat(entry.used).timestamp() >= days * _DAY


def _remove(path: Path) -> None:
    with clear_errors(path):
        shutil.rmtree(path)


@contextmanager
def _lock_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of a store (see `files.locked`) if nobody else does; says whether."""
    lock = FileLock(_lock_file(_name(path)))
    with clear_errors(path):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
    try:
        yield True
    finally:
        lock.release()


def _lock_file(name: str) -> Path:
    return stores_folder() / f".{name}.lock"


def _remove_stray_locks() -> None:
    """Remove lock files of stores that are no more."""
    for lock in stores_folder().glob(".*.lock"):
        name = lock.name[1:].removesuffix(".lock")
        with _lock_if_free(stores_folder() / name) as free:
            # Who waits for it meanwhile sees that the file is gone, and makes another.
            if free and name not in map(_name, _folders()):
                lock.unlink(missing_ok=True)


def _folders() -> list[Path]:
    return [path for path in stores_folder().glob("*") if path.is_dir()]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _changed(path: Path) -> str | None:
    try:
        time_of_change = path.stat().st_mtime
    except OSError:
        return None
    return datetime.fromtimestamp(time_of_change, UTC).isoformat(timespec="seconds")


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
