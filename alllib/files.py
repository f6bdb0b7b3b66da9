"""Files that exist whole or not at all, and the folder that runs write to."""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
from filelock import FileLock, Timeout

from .errors import DiskError

__all__ = [
    "clear_errors",
    "hash_json",
    "locked",
    "reserve_space",
    "restore_folder",
    "whole_file",
    "whole_folder",
    "workspace",
    "write_json",
    "write_text",
]

_log = logging.getLogger(__name__)
_PARTIAL = ".partial"
_REPLACED = ".replaced"


def workspace() -> Path:
    """Folder below which `runs/` and `_build/` are written.

    It is `$ALLLIB_WORKSPACE` where that is set, else the checkout that the current
    folder lies in, else the current folder (Colab).

    Returns
    -------
    pathlib.Path
    """
    if chosen := os.environ.get("ALLLIB_WORKSPACE"):
        return Path(chosen).expanduser().resolve()
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "_toc.yml").is_file() and (folder / "alllib").is_dir():
            return folder
    return here


@contextlib.contextmanager
def clear_errors(path: str | Path) -> Iterator[None]:
    """Turn the operating system's refusals to write `path` into a clear error.

    Raises
    ------
    DiskError
        When the disk is full, the quota used up, the folder read-only, a file or folder in
        the way, or a file or folder not there.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskError(
                "The disk is full.",
                where=path,
                remedy="Free some space (`make clean` removes what builds wrote) and run the "
                "same command again; nothing half-written was left behind.",
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise DiskError(
                "This place cannot be written to.",
                where=path,
                remedy="Give yourself write permission, or set ALLLIB_WORKSPACE to a folder "
                "that you may write to, and run the same command again.",
            ) from error
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            raise DiskError(
                "A file stands where a folder is needed.",
                where=error.filename or path,
                remedy="Move the file away, or set ALLLIB_WORKSPACE to another folder, and run "
                "the same command again.",
            ) from error
        if error.errno == errno.EISDIR:
            raise DiskError(
                "A folder stands where a file is needed.",
                where=error.filename or path,
                remedy="Move the folder away and run the same command again.",
            ) from error
        if error.errno == errno.ENOENT:
            raise DiskError(
                "A file or folder that is needed here is not there, or was removed meanwhile.",
                where=error.filename or path,
                remedy="Check the spelling of the path and that no link points nowhere, and run "
                "the same command again.",
            ) from error
        raise


@contextlib.contextmanager
def whole_file(path: str | Path) -> Iterator[Path]:
    """Write to a temporary name; rename to `path` only if the block succeeds.

    Parameters
    ----------
    path : path-like
        Where the file shall be.

    Yields
    ------
    pathlib.Path
        The temporary name to write to, in the same folder and with the same suffix.

    Raises
    ------
    DiskError
        See `clear_errors`.
    """
    path = Path(path)
    partial = path.with_name(f".{path.stem}.{os.getpid()}{_PARTIAL}{path.suffix}")
    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        try:
            yield partial
            with partial.open("rb") as written:
                os.fsync(written.fileno())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)


def _sweep(path: Path) -> None:
    """Remove what killed writers of this file left behind; living ones are let be."""
    for left in path.parent.glob(
        f".{glob.escape(path.stem)}.*{_PARTIAL}{glob.escape(path.suffix)}"
    ):
        writer = left.name.removesuffix(path.suffix).removesuffix(_PARTIAL).rsplit(".", 1)[-1]
        if writer.isdigit() and not psutil.pid_exists(int(writer)):
            left.unlink(missing_ok=True)


def restore_folder(path: str | Path) -> None:
    """Bring back the old folder where a writer was killed between its two renames.

    Call it before a folder is read that `whole_folder` may be replacing.
    """
    path = Path(path)
    replaced = path.with_name(f".{path.name}{_REPLACED}")
    if replaced.exists() and not path.exists():
        with locked(path):
            if replaced.exists() and not path.exists():
                os.replace(replaced, path)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` in UTF-8, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def hash_json(value: Any) -> str:
    """SHA-256 (64 hexadecimal digits) of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def reserve_space(file: int, size: int) -> None:
    """Reserve `size` bytes of an open file: a memory map on a full disk kills its process.

    Raises
    ------
    OSError
        When the disk is full; `clear_errors` makes it clear.
    """
    try:
        os.posix_fallocate(file, 0, size)
    except (AttributeError, OSError) as error:
        # Not every system and file system can reserve; only a full disk matters.
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
            raise


@contextlib.contextmanager
def locked(path: str | Path) -> Iterator[None]:
    """Hold the lock of `path` against other processes; it falls with the process."""
    path = Path(path)
    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.with_name(f".{path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Another process works on %s; waiting for it.", path)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """Fill a temporary folder; it becomes `path` only if the block succeeds.

    What stood at `path` before is replaced, and stays if the block fails. Leftovers of
    a killed process are cleared. Call it under `locked(path)` where two processes may
    write the same folder.

    Parameters
    ----------
    path : path-like
        Where the folder shall be.

    Yields
    ------
    pathlib.Path
        The temporary folder to fill, beside `path`.

    Raises
    ------
    DiskError
        See `clear_errors`.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}{_PARTIAL}")
    replaced = path.with_name(f".{path.name}{_REPLACED}")
    with clear_errors(path):
        _recover(path, partial, replaced)
        partial.mkdir(parents=True)
        try:
            yield partial
            if path.exists():
                os.replace(path, replaced)
            os.replace(partial, path)
        except BaseException:
            _recover(path, partial, replaced)
            raise
        shutil.rmtree(replaced, ignore_errors=True)


def _recover(path: Path, partial: Path, replaced: Path) -> None:
    """Undo what a failed or killed writer left: the old folder back, the new one gone."""
    if replaced.exists():
        if path.exists():
            shutil.rmtree(replaced)
        else:
            os.replace(replaced, path)
    shutil.rmtree(partial, ignore_errors=True)
