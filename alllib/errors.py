"""Errors that say what is wrong, where, and what to do about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "OWN_FILE",
    "AlllibError",
    "AugmentationError",
    "ClaimError",
    "DataError",
    "DependencyError",
    "DiskError",
    "ExtensionError",
    "FetchError",
    "ImageError",
    "NotebookError",
    "ParameterError",
    "RecipeError",
    "RecordError",
    "SplitError",
    "StoreError",
    "TrainingError",
    "suggest",
]

# Ends a remedy where a name may be one that a reader's own file registers.
OWN_FILE = "What is your own needs its file first: `alllib --with FILE.py ...`."


class AlllibError(Exception):
    """Base of every error that a user can cause and mend.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : object, optional
        The file, row or parameter concerned.
    remedy : str
        What to do.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str):
        self.what, self.where, self.remedy = what, where, remedy
        lines = [what]
        if where is not None:
            lines.append(f"  where: {where}")
        lines.append(f"  remedy: {remedy}")
        super().__init__("\n".join(lines))

    def __reduce__(self):
        # The default pickling would call the class with the message alone, and an
        # error raised in a worker process would then break the pool.
        return _rebuild, (type(self), self.what, self.where, self.remedy)


def _rebuild(kind: type[AlllibError], what: str, where: object, remedy: str) -> AlllibError:
    return kind(what, where=where, remedy=remedy)


class DataError(AlllibError):
    """A folder or a table is not the data set that it should be."""


class ImageError(DataError):
    """One image cannot be used: unreadable, truncated, or not RGB."""


class FetchError(AlllibError):
    """A download did not succeed."""


class SplitError(AlllibError):
    """A split is impossible, or lacks a certificate that fits it."""


class AugmentationError(AlllibError):
    """An augmentation plan does not fit its data."""


class StoreError(AlllibError):
    """An image store is damaged or does not fit its cell table."""


class RecipeError(AlllibError):
    """A recipe or an architecture is unknown, or states something impossible."""


class ClaimError(AlllibError):
    """A claim of the ledger is written wrongly, or names what does not exist."""


class ParameterError(AlllibError):
    """A parameter or preset is unknown, unused or of the wrong type."""


class TrainingError(AlllibError):
    """A training cannot go on: memory is short."""


class RecordError(AlllibError):
    """A run record is missing, damaged or would be overwritten."""


class NotebookError(AlllibError):
    """A notebook failed while it ran, or is not written as the runner needs it."""


class DiskError(AlllibError):
    """The disk is full or a folder cannot be written."""


class ExtensionError(AlllibError):
    """A file of a reader's own cannot be loaded, or registers what cannot be used."""


class DependencyError(AlllibError):
    """An optional package is needed and not installed."""


def suggest(name: str, known: Iterable[str]) -> str:
    """Sentence that names the nearest known spelling, or lists them all.

    Parameters
    ----------
    name : str
        What was typed.
    known : iterable of str
        What would have been understood.

    Returns
    -------
    str
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    return "Known are: " + (", ".join(known) or "none") + "."
