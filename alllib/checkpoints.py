"""State of an unfinished training on disk, so that it goes on where it was.

A folder `runs/.<run id>.training/` holds the variables after the last epoch and after the
best one (`epoch-00012.npz`) and `state.json`, which names both. The variables are written
first, `state.json` replaces its older self by one rename, and only then files that it no
longer names are removed: whenever a process is killed, a whole state is there. The folder goes
when the record of the run is written.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from .errors import RecordError
from .files import clear_errors, whole_file, write_json
from .records import run_folder

__all__ = ["State", "load_state", "load_variables", "remove_state", "save_state", "state_folder"]


@dataclass
class State:
    """Where a training is.

    Attributes
    ----------
    identity : dict
        What the training is: its parameters, code, versions and machine.
    precision : str
        Keras's policy; a training that goes on elsewhere keeps it.
    epoch : int
        Epochs done.
    history : list of dict
        One row per epoch.
    best : float or None
        Best value so far of what chooses the checkpoint; larger is better.
    best_epoch : int or None
        Epoch whose variables are kept; None while there is none, or the last counts.
    waited, slow : int
        Epochs without improvement, and those since the learning rate was last lowered.
    seconds : list of float
        Time of each epoch.
    sessions : int
        How many times it was begun or taken up again and finished an epoch.
    stopped : bool
        Whether it ended before its last epoch because nothing improved.
    replaces : str or None
        Of a training from the start on request: when the record that it replaces was finished,
        empty where there is none. None for every other.
    """

    identity: dict[str, Any]
    precision: str
    epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best: float | None = None
    best_epoch: int | None = None
    waited: int = 0
    slow: int = 0
    seconds: list[float] = field(default_factory=list)
    sessions: int = 0
    stopped: bool = False
    replaces: str | None = None


def state_folder(run_id: str) -> Path:
    """Folder of the state of a run.

    Raises
    ------
    RecordError
        When the id is not a plain name.
    """
    folder = run_folder(run_id)
    return folder.with_name(f".{folder.name}.training")


def load_state(folder: Path) -> State | None:
    """State in a folder; None where there is none.

    Raises
    ------
    RecordError
        When it is damaged.
    """
    try:
        saved = json.loads((folder / "state.json").read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _damaged(folder / "state.json", error) from error
    known = {entry.name for entry in fields(State)}
    if not isinstance(saved, dict) or set(saved) != known:
        raise _damaged(folder / "state.json", "written by another version")
    return State(**saved)


def save_state(folder: Path, state: State, variables: Sequence[np.ndarray]) -> None:
    """Write the variables after the state's epoch, and the state, whole or not at all.

    Raises
    ------
    DiskError
        When the disk is full or read-only; the state before stays.
    """
    with whole_file(_variable_file(folder, state.epoch)) as partial:
        np.savez(partial, *variables)
    write_json(folder / "state.json", asdict(state))
    named = {_variable_file(folder, epoch) for epoch in (state.epoch, state.best_epoch) if epoch}
    for file in set(folder.glob("epoch-*.npz")) - named:
        file.unlink(missing_ok=True)


def load_variables(folder: Path, epoch: int) -> list[np.ndarray]:
    """Variables after an epoch, in the order in which they were saved.

    Raises
    ------
    RecordError
        When the file is missing or damaged.
    """
    path = _variable_file(folder, epoch)
    try:
        with path.open("rb") as file, np.load(file) as saved:
            return [saved[f"arr_{number}"] for number in range(len(saved.files))]
    except Exception as error:  # damage shows in many ways: encrypted, patched, no zip
        raise _damaged(path, error) from error


def remove_state(folder: Path) -> None:
    """Remove a state that is no longer needed, and what a killed process left beside it."""
    with clear_errors(folder):
        # First what makes it a state: a process killed here leaves none that is not whole.
        (folder / "state.json").unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def _variable_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:05d}.npz"


def _damaged(path: Path, cause: object) -> RecordError:
    return RecordError(
        f"The state of an unfinished training cannot be read ({cause}).",
        where=path,
        remedy=f"Remove the folder {path.parent} and run the same command again: the training "
        "then starts from its first epoch.",
    )
