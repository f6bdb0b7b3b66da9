"""Run records: the interface between a training run and the tables of the book.

A record is a folder `runs/<run id>/` with `run.json`, `predictions.parquet`,
`validation.parquet` where another part than that was scored, `history.csv` and the trained
model. It is written under a temporary name and renamed, so that it exists whole or not at all;
`baselines.json`, what systems without a CNN scored on the same split, may join it later.
`results/` holds the recorded runs that the book cites, without their models. Tables and figures
read records and never a model.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from .datasets import DATASETS
from .errors import RecordError
from .files import hash_json, locked, restore_folder, whole_folder, workspace, write_json

__all__ = ["Record", "check_parameters", "list_records", "read_record", "run_folder",
           "save_record"]  # fmt: skip

_log = logging.getLogger(__name__)
FILES = ("run.json", "predictions.parquet", "history.csv")
REQUIRED = (
    *("id", "status", "preset", "recipe", "recipe_text", "dataset", "classes", "protocol"),
    *("parameters", "seed", "weights", "backbone", "epochs", "pictures", "appearance"),
    *("images", "scored", "certificate", "data", "metrics", "device", "versions", "commit"),
    *("seconds", "images_per_second", "peak_memory", "finished"),
)


@dataclass(frozen=True)
class Record:
    """A finished run.

    Attributes
    ----------
    path : pathlib.Path
        Folder of the record.
    run : dict
        Contents of `run.json`.
    predictions : pandas.DataFrame
        One row per scored image: `image, subject, group, label` and `p_<class>`.
    history : pandas.DataFrame
        One row per epoch: `epoch` and the metrics of training and validation.
    validation : pandas.DataFrame or None
        The same of the validation part, on which thresholds and temperatures are chosen;
        None for a record of before it was kept.
    recorded : bool
        True for a run of `results/`, which the book cites; False for one of `runs/`.
    baselines : tuple of dict
        What `baseline_runs.score_beside` found on the same split; empty before it was asked.
    """

    path: Path
    run: dict
    predictions: pd.DataFrame
    history: pd.DataFrame
    recorded: bool = False
    validation: pd.DataFrame | None = None
    baselines: tuple[dict, ...] = ()


def run_folder(run_id: str) -> Path:
    """Folder of a run.

    Raises
    ------
    RecordError
        When the id is not a plain name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}", run_id):
        raise RecordError(
            f"{run_id!r} cannot be the id of a run.",
            remedy="Use at most 200 letters, digits, '-', '_' and '.', and no leading dot.",
        )
    return workspace() / "runs" / run_id


def check_parameters(before: dict, now: dict, folder: Path, what: str) -> None:
    """Refuse to go on with, or to replace, a run that had other parameters.

    Raises
    ------
    RecordError
        When they differ.
    """
    if hash_json(before) != hash_json(now):
        differs = sorted(key for key in before | now if before.get(key) != now.get(key))
        raise RecordError(
            f"{what} is there already, with other {', '.join(differs)}.",
            where=folder,
            remedy="Choose another run id, or remove the folder if the run is of no use.",
        )


def save_record(
    run: dict,
    predictions: pd.DataFrame,
    history: pd.DataFrame,
    save_model: Callable[[Path], None],
    *,
    validation: pd.DataFrame | None = None,
) -> Record:
    """Write a record whole or not at all; an older one of the same id is replaced.

    Parameters
    ----------
    run : dict
        Contents of `run.json`; every key of `REQUIRED` must be there.
    predictions, history, validation : pandas.DataFrame
        See `Record`; `validation` is not written where that part is the scored one.
    save_model : callable
        Writes the model to the path that it is given.

    Raises
    ------
    RecordError
        When a key is missing.
    DiskError
        When the disk is full or read-only; the older record stays.
    """
    missing = [key for key in REQUIRED if key not in run]
    if missing:
        raise RecordError(
            f"The record lacks {', '.join(missing)}.", remedy="Give every required key."
        )
    folder = run_folder(run["id"])
    with locked(folder), whole_folder(folder) as partial:
        write_json(partial / "run.json", run)
        predictions.to_parquet(partial / "predictions.parquet", index=False)
        if validation is not None and run["scored"] != "validation":
            validation.to_parquet(partial / "validation.parquet", index=False)
        history.to_csv(partial / "history.csv", index=False)
        save_model(partial / "model.keras")
    return read_record(folder)


def read_record(folder: str | Path) -> Record:
    """Record in a folder.

    Raises
    ------
    RecordError
        When a file is missing or damaged, or a key is missing.
    """
    folder = Path(folder)
    restore_folder(folder)
    try:
        run = json.loads((folder / "run.json").read_text("utf-8"))
        predictions = pd.read_parquet(folder / "predictions.parquet")
        history = pd.read_csv(folder / "history.csv")
        kept = folder / "validation.parquet"
        validation = pd.read_parquet(kept) if kept.is_file() else None
        beside = folder / "baselines.json"
        baselines = tuple(json.loads(beside.read_text("utf-8"))) if beside.is_file() else ()
    except (OSError, ValueError) as error:
        raise RecordError(
            f"This is no readable run record ({error}).",
            where=folder,
            remedy=f"A record holds {', '.join(FILES)}. Remove the folder and train again.",
        ) from error
    missing = [key for key in REQUIRED if not isinstance(run, dict) or key not in run]
    if missing:
        raise RecordError(
            f"The record lacks {', '.join(missing)}.",
            where=folder / "run.json",
            remedy="It was written by another version; train again.",
        )
    recorded = folder.resolve().parent == workspace() / "results"
    if run["scored"] == "validation":
        validation = predictions
    return Record(folder, run, predictions, history, recorded, validation, baselines)


def list_records(folder: str | Path | None = None) -> list[Record]:
    """All finished records below a folder, sorted by id.

    Folders that a killed run left are skipped: their names start with a dot. A record that
    is damaged, of another version, or of a reader's data set that is not registered now is
    skipped too, with a warning that names it; what reads it by itself (`read_record`) raises
    where it is damaged.

    Parameters
    ----------
    folder : path-like, optional
        When not given, the recorded runs of this workspace (`results/`) and then its own
        (`runs/`), without copies of the recorded ones.

    Returns
    -------
    list of Record

    Raises
    ------
    RecordError
        When the folder was given and is not there, or is a file.
    """
    if folder is None:
        recorded = _records_below(workspace() / "results")
        known = {(record.run["id"], record.run["finished"]) for record in recorded}
        own = _records_below(workspace() / "runs")
        return recorded + [r for r in own if (r.run["id"], r.run["finished"]) not in known]
    if Path(folder).is_file():
        raise RecordError(
            "This is a file, and a folder is needed.",
            where=folder,
            remedy="Give the folder that holds the folders of the runs.",
        )
    if not Path(folder).is_dir():
        raise RecordError(
            "There is no such folder.", where=folder, remedy="Check the spelling of the path."
        )
    return _records_below(Path(folder))


def _records_below(folder: Path) -> list[Record]:
    if not folder.is_dir():
        return []
    for left in folder.glob(".*.replaced"):
        restore_folder(folder / left.name.removeprefix(".").removesuffix(".replaced"))
    found = []
    for path in sorted(p for p in folder.iterdir() if p.is_dir() and p.name[0] != "."):
        if path.name in ("benchmarks", "study") and not (path / "run.json").exists():
            continue  # figures of speed and of the study: no runs
        try:
            record = read_record(path)
            _check_dataset(record)
        except RecordError as error:
            _log.warning("A run record is left out: %s", error)
        else:
            found.append(record)
    return found


def _check_dataset(record: Record) -> None:
    """Refuse a run on a reader's own images where the file that registers them is not loaded:
    which class is positive, and what the data set is called, is not known then."""
    name = record.run["dataset"]
    files = [e["file"] for e in record.run.get("extensions", ()) if name in e["datasets"]]
    if name in DATASETS or not files:
        return
    raise RecordError(
        f"It is of the data set {name!r}, which is not known here.",
        where=record.path,
        remedy=f"Give the file that registers it: `alllib --with {files[0]} ...`.",
    )
