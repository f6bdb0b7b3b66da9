"""Recorded results: what `results/` keeps of a run, its manifest, and whether all of it agrees."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from .datasets import get_dataset
from .errors import AlllibError, RecordError
from .evaluation import METRICS, score_predictions
from .files import hash_json, locked, whole_folder, workspace, write_json
from .records import Record, read_record, run_folder

__all__ = ["LARGEST", "check_results", "keep_runs", "seal_results"]

# Files of a run that are kept: no model, no picture.
KEPT = ("run.json", "predictions.parquet", "validation.parquet", "history.csv", "baselines.json")
MANIFEST = "manifest.json"
LARGEST = 25 * 2**20  # bytes of all files together
ROUNDING = 1e-9  # by which a metric that is computed again may differ
# Validation accuracy as it was during the training beside that of the kept predictions: another
# batch size changes last digits, and with them an image on the border.
BORDER = 3  # images


def results_folder() -> Path:
    """Where recorded runs are kept."""
    return workspace() / "results"


def keep_runs(runs: Iterable[str]) -> list[Path]:
    """Copy finished runs of this workspace to `results/`, without their models.

    Parameters
    ----------
    runs : iterable of str
        Ids.

    Returns
    -------
    list of pathlib.Path
        Folders of the records; the manifest is written anew.

    Raises
    ------
    RecordError
        When there is no such run, or its record does not agree with itself; nothing is kept then.
    DiskError
        When the disk is full or read-only.
    """
    records = [read_record(run_folder(run)) for run in runs]
    for record in records:
        wrong = _check_record(record)
        if wrong:
            raise RecordError(
                f"The record does not agree with itself: {wrong[0]}",
                where=record.path,
                remedy="Train the run again with `--again`.",
            )
    kept = []
    for record in records:
        folder = results_folder() / record.run["id"]
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(folder), whole_folder(folder) as partial:
            for name in KEPT:
                if (record.path / name).is_file():
                    shutil.copyfile(record.path / name, partial / name)
        kept.append(folder)
    seal_results()
    return kept


def seal_results() -> Path:
    """Write the manifest of `results/`: size and SHA-256 of each file.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    DiskError
        When the disk is full or read-only; the older manifest stays.
    """
    path = results_folder() / MANIFEST
    with locked(path):
        files = _describe(results_folder())
        write_json(path, {"bytes": sum(f["bytes"] for f in files.values()), "files": files})
    return path


def _describe(folder: Path) -> dict[str, dict]:
    """Size and checksum of each file below a folder but the manifest, by its path there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in Path(name).parts)
        if path.is_file() and not hidden and name != MANIFEST:
            whole = path.read_bytes()
            found[name] = {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    return found


def check_results(folder: str | Path | None = None) -> list[str]:
    """What does not agree in a folder of recorded results.

    Manifest against files, and in each run: predictions against metrics, split certificate and
    history. Metrics are computed again from the predictions.

    Parameters
    ----------
    folder : path-like, optional
        `results/` of this workspace when not given.

    Returns
    -------
    list of str
        One sentence per disagreement; empty where all is well.

    Raises
    ------
    RecordError
        When there is no manifest, or it cannot be read.
    """
    folder = Path(folder) if folder is not None else results_folder()
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        listed = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecordError(
            f"The manifest of the recorded results cannot be read ({error}).",
            where=folder / MANIFEST,
            remedy="Write it with `alllib results --seal`.",
        ) from error
    found = _describe(folder)
    wrong = [f"{name}: listed in the manifest, not there" for name in listed if name not in found]
    wrong += [f"{name}: not listed in the manifest" for name in found if name not in listed]
    wrong += [
        f"{name}: not the file that the manifest lists"
        for name in found
        if name in listed and found[name] != listed[name]
    ]
    size = sum(file["bytes"] for file in found.values())
    if size > LARGEST:
        wrong.append(f"all files together have {size:,} bytes, more than {LARGEST:,}")
    for path in sorted(folder.glob("*/run.json")):
        wrong += [f"{path.parent.name}: {problem}" for problem in _check_run(path.parent)]
    return wrong


def _check_run(folder: Path) -> list[str]:
    others = sorted(path.name for path in folder.iterdir() if path.name not in KEPT)
    wrong = [f"{name} does not belong to a recorded run" for name in others]
    try:
        record = read_record(folder)
    except AlllibError as error:
        return [*wrong, str(error)]
    if record.run["id"] != folder.name:
        wrong.append(f"the run calls itself {record.run['id']}")
    return wrong + _check_record(record)


def _check_record(record: Record) -> list[str]:
    """What does not agree within a record."""
    run = record.run
    certificate, parameters = run["certificate"], run["parameters"]
    wrong = []
    if hash_json({k: v for k, v in certificate.items() if k != "hash"}) != certificate["hash"]:
        wrong.append("the split certificate was altered")
    named = (parameters["certificate"], parameters["data"], run["data"])
    if named != (certificate["hash"], certificate["data"], certificate["data"]):
        wrong.append("the split certificate is that of another run")
    parts = {run["scored"]: record.predictions, "validation": record.validation}
    for part, table in parts.items():
        if table is not None:
            wrong += _check_part(table, certificate["parts"].get(part, {}), part, run["classes"])
    if not wrong:
        wrong += _check_metrics(record) + _check_history(record)
    return wrong


def _check_part(table: pd.DataFrame, counts: dict, part: str, classes: list[str]) -> list[str]:
    wrong = []
    if table.image.duplicated().any():
        wrong.append(f"an image stands twice among the predictions of the {part} part")
    if table.label.value_counts().to_dict() != counts:
        wrong.append(f"the predictions are not of the {part} part of the certificate")
    shares = table[[f"p_{name}" for name in classes]].to_numpy(float)
    if not (np.isfinite(shares).all() and np.allclose(shares.sum(axis=1), 1, atol=1e-2)):
        wrong.append(f"the probabilities of the {part} part do not add up to 1")
    return wrong


def _check_metrics(record: Record) -> list[str]:
    run = record.run
    again = score_predictions(record.predictions, positive=get_dataset(run["dataset"]).positive)
    told = run["metrics"]
    wrong = []
    if again.confusion != told["confusion"]:
        wrong.append("the confusion matrix is not that of the predictions")
    for name in METRICS:
        for key, value in vars(again.metrics[name]).items():
            kept = told["metrics"][name][key]
            if (value is None) != (kept is None) or (
                value is not None and abs(value - kept) > ROUNDING
            ):
                wrong.append(f"{name} ({key}) is {kept}, and {value} by the predictions")
    return wrong


def _check_history(record: Record) -> list[str]:
    run, history = record.run, record.history
    if history.epoch.tolist() != list(range(1, run["epochs"] + 1)):
        return [f"the history does not hold the {run['epochs']} epochs of the run"]
    if "chosen_epoch" not in run or record.validation is None:
        return []  # of before it was noted
    chosen = history.iloc[run["chosen_epoch"] - 1]
    table = record.validation
    names = np.array(run["classes"])
    likeliest = names[table[[f"p_{name}" for name in names]].to_numpy(float).argmax(axis=1)]
    right = int((likeliest == table.label.to_numpy(str)).sum())
    if abs(right - chosen.val_accuracy * len(table)) > BORDER:
        return [
            f"the history gives the chosen epoch a validation accuracy of "
            f"{chosen.val_accuracy:.4f}, the predictions {right / len(table):.4f}"
        ]
    return []
