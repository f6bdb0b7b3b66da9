"""The demonstration: a small network that is shipped with its record and trained again in minutes.

It is trained on synthetic cells only. `alllib predict` uses it where no run is named; it serves
to try things out, and says nothing about real cells.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path

from .baseline_runs import score_beside
from .datasets import load_cells
from .downloads import prepare_data
from .errors import RecordError
from .files import whole_folder
from .prediction import TrainedRun, load_run
from .recipes import load_recipe, split_by_recipe
from .records import Record, read_record, run_folder
from .splits import Split
from .tables import interval
from .training import RunSettings, train_recipe

__all__ = [
    "DEMONSTRATION",
    "KEPT",
    "NOTE",
    "Demonstration",
    "demonstration_folder",
    "demonstration_text",
    "keep_demonstration",
    "load_predictor",
    "split_demonstration",
    "train_demonstration",
]


@dataclass(frozen=True)
class Demonstration:
    """What the demonstration is trained with; its recipe says the rest, input and epochs too.

    Attributes
    ----------
    run : str
        Id of its record.
    recipe : str
        A small variant, see its reason in the recipe's file.
    data : str
        Name of the data set.
    images, images_seed : int
        Number of synthetic images, and the seed that they are drawn from.
    protocol : str
        No subject group stands in two parts.
    seed : int
        Of the training.
    precision : str
        Keras's policy, the same on every device.
    largest : int
        Most bytes that its model may take.
    """

    run: str = "demo"
    recipe: str = "unnithan2021-2x2.small"
    data: str = "synthetic"
    images: int = 600
    images_seed: int = 2019
    protocol: str = "group"
    seed: int = 1
    precision: str = "float32"
    largest: int = 2_000_000


DEMONSTRATION = Demonstration()
KEPT = ("run.json", "predictions.parquet", "validation.parquet", "history.csv", "baselines.json",
        "model.keras")  # fmt: skip
NOTE = (
    "This is the demonstration network that comes with alllib: a small one, trained on synthetic "
    "cells only. `--run ID` uses a run of your own; `alllib demo` trains the demonstration again."
)


def demonstration_folder() -> Path:
    """Folder of the shipped record, with its model."""
    return Path(str(package_files("alllib") / "data" / "demo"))


def load_predictor(run: str | Path | None = None) -> TrainedRun:
    """Run to predict with: the shipped demonstration where none is named.

    Parameters
    ----------
    run : str or path-like, optional
        Id of a run of this workspace, or path of a run's folder. The demonstration's own id
        means the run of this workspace where there is one, else the shipped one.

    Returns
    -------
    TrainedRun

    Raises
    ------
    RecordError, DependencyError
        See `load_run`.
    """
    named = run is not None and str(run) != DEMONSTRATION.run
    if named or (run is not None and run_folder(DEMONSTRATION.run).is_dir()):
        return load_run(run)
    shipped = load_run(demonstration_folder())
    return TrainedRun(shipped.path, shipped.run, shipped.model, NOTE)


def split_demonstration(*, demonstration: Demonstration = DEMONSTRATION) -> Split:
    """The demonstration's images, made where they are not there yet, in its parts."""
    folder = prepare_data(
        demonstration.data, images=demonstration.images, seed=demonstration.images_seed
    )
    recipe = load_recipe(demonstration.recipe)
    return split_by_recipe(recipe, load_cells(folder), demonstration.protocol)


def train_demonstration(
    *, demonstration: Demonstration = DEMONSTRATION, again: bool = False, progress: bool = True
) -> Record:
    """Make the images, train the network, and score it and the baselines on unseen groups.

    Parameters
    ----------
    demonstration : Demonstration
    again : bool
        Train from the first epoch, also where the run is there already.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Record
        Of the run in `runs/`.

    Raises
    ------
    RecordError, TrainingError, StoreError, ImageError, DiskError
        See `train_recipe`.
    """
    split = split_demonstration(demonstration=demonstration)
    settings = RunSettings(seed=demonstration.seed, precision=demonstration.precision)
    record = train_recipe(
        load_recipe(demonstration.recipe), split, settings=settings, run_id=demonstration.run,
        again=again, progress=progress,
    )  # fmt: skip
    score_beside(split, record=record)
    return read_record(record.path)


def keep_demonstration(record: Record, folder: str | Path | None = None) -> Path:
    """Copy a record of the demonstration, with its model, into the package.

    Parameters
    ----------
    record : Record
        As `train_demonstration` gives it.
    folder : path-like, optional
        Where to; the package's own folder when not given.

    Returns
    -------
    pathlib.Path
        The folder. What stood there before is replaced.

    Raises
    ------
    RecordError
        When the record names no commit that its code can be found in again, lacks a file, or
        its model is too large.
    DiskError
        When the folder cannot be written.
    """
    target = demonstration_folder() if folder is None else Path(folder)
    commit = record.run["commit"]
    if not commit or commit.endswith("+"):
        raise RecordError(
            "The run comes from code that no commit holds.",
            where=record.path,
            remedy="Commit the changes in a checkout, then train and keep it: "
            "`alllib demo --again --keep`.",
        )
    missing = [name for name in KEPT if not (record.path / name).is_file()]
    if missing:
        raise RecordError(
            f"The record lacks {', '.join(missing)}.",
            where=record.path,
            remedy="Train it again: `alllib demo --again --keep`.",
        )
    size = (record.path / "model.keras").stat().st_size
    if size > DEMONSTRATION.largest:
        raise RecordError(
            f"The model takes {size:,} bytes, more than {DEMONSTRATION.largest:,}.",
            where=record.path / "model.keras",
            remedy="Give the recipe's variant fewer filters or units, or a smaller input.",
        )
    with whole_folder(target) as partial:
        for name in KEPT:
            shutil.copyfile(record.path / name, partial / name)
    return target


def demonstration_text(record: Record) -> str:
    """What a record of the demonstration shows, beside what needs no network, in lines."""
    run, size = record.run, (record.path / "model.keras").stat().st_size
    groups = sum(run["metrics"]["groups"].values())
    lines = [
        str(record.path),
        f"trained in {run['seconds']:.0f} s ({run['epochs']} epochs, weights of epoch "
        f"{run['chosen_epoch']}); the model takes {size:,} bytes",
        f"accuracy {interval(run['metrics']['metrics']['accuracy'])} on "
        f"{run['metrics']['images']} images of {groups} unseen subject groups",
    ]
    lines += [
        f"  without a network, {row['title']}: {interval(row['metrics']['accuracy'])}"
        for row in record.baselines
    ]
    return "\n".join(
        [*lines, "The images are synthetic: none of this says anything of real cells."]
    )
