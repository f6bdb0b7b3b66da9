"""Measurements of the study that are no training: kept with the book, one file each.

A study is what a command measured on one data set: duplicates, baselines, mistakes. Its file
says on what images, when, and with which code, so that a page can show figures of the real
images to a reader who does not have them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from . import __version__
from .backend import processor_name
from .datasets import DATASETS, data_fingerprint
from .errors import RecordError
from .files import workspace, write_json
from .provenance import git_commit

__all__ = ["Study", "list_studies", "read_study", "save_study", "study_folder", "tell_study"]

REQUIRED = ("topic", "dataset", "images", "data", "settings", "found", "finished", "commit")


@dataclass(frozen=True)
class Study:
    """One measurement.

    Attributes
    ----------
    topic : str
        What was measured, like `duplicates`.
    dataset : str
        Name of the data set.
    images : int
        How many images of it.
    data : str
        Their fingerprint.
    settings : dict
        Seeds and sizes that the figures depend on.
    found : dict
        The figures; plain numbers, texts, lists and dictionaries.
    finished : str
        UTC, ISO 8601.
    commit : str
        Of the code, empty where unknown.
    machine : str
        Name of the processor.
    version : str
        Of the package.
    """

    topic: str
    dataset: str
    images: int
    data: str
    settings: dict[str, Any]
    found: dict[str, Any]
    finished: str
    commit: str
    machine: str = ""
    version: str = ""


def study_folder() -> Path:
    """Where studies are kept."""
    return workspace() / "results" / "study"


def save_study(
    topic: str, cells: pd.DataFrame, found: dict, *, settings: dict | None = None
) -> Study:
    """Write `results/study/<topic>-<dataset>.json`, whole or not at all.

    Parameters
    ----------
    topic : str
        A plain word.
    cells : pandas.DataFrame
        Cell table of the images measured.
    found, settings : dict
        See `Study`.

    Raises
    ------
    DiskError
        When the disk is full or read-only; an older file stays.
    """
    dataset = cells.attrs.get("dataset", "")
    study = Study(
        topic=topic, dataset=dataset, images=len(cells), data=data_fingerprint(cells),
        settings=settings or {}, found=found,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=git_commit() or "", machine=processor_name(), version=__version__,
    )  # fmt: skip
    folder = study_folder()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / f"{topic}-{dataset}.json", vars(study))
    return study


def read_study(topic: str, dataset: str) -> Study | None:
    """A kept measurement, or None where none is.

    Raises
    ------
    RecordError
        When its file is damaged.
    """
    path = study_folder() / f"{topic}-{dataset}.json"
    return _read(path) if path.is_file() else None


def list_studies() -> list[Study]:
    """All kept measurements, sorted by file name."""
    folder = study_folder()
    return [_read(path) for path in sorted(folder.glob("*.json"))] if folder.is_dir() else []


def _read(path: Path) -> Study:
    try:
        text = json.loads(path.read_text("utf-8"))
        missing = [key for key in REQUIRED if key not in text]
        if not missing:
            return Study(**text)
        why = f"it lacks {', '.join(missing)}"
    except (OSError, ValueError, TypeError) as error:
        why = str(error)
    raise RecordError(f"This is no readable study ({why}).", where=path, remedy="Measure it again.")


def tell_study(study: Study) -> str:
    """Sentence on what was measured, on what, when and where."""
    title = DATASETS[study.dataset].title if study.dataset in DATASETS else study.dataset
    return (
        f"Measured on {study.images:,} images of {title} on {study.finished[:10]}"
        + (f" ({study.machine})" if study.machine else "")
        + (f", code {study.commit[:9]}" if study.commit else "")
        + (" with uncommitted changes" if study.commit.endswith("+") else "")
        + "."
    )
