"""Figures of a machine, kept with its description in `results/benchmarks/`."""

from __future__ import annotations

import json
import logging
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

import psutil

from ..backend import describe_device, package_versions, processor_name, thread_count
from ..errors import RecordError
from ..files import locked, workspace, write_json
from ..provenance import git_commit

__all__ = ["describe_machine", "list_machines", "machine_name", "read_machine", "record_figures"]

_log = logging.getLogger(__name__)


def describe_machine() -> dict:
    """What a speed depends on.

    Returns
    -------
    dict
        `processor`, `cores` (that this process may use), `memory` (bytes), `system`,
        `accelerator` (name, or None), `backend`, `python`, `versions` (of packages), `commit`,
        `date`.
    """
    device, versions = describe_device(), package_versions()
    return {
        "processor": processor_name(),
        "cores": thread_count(),
        "memory": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release().split('-')[0]}, {platform.machine()}",
        "accelerator": device["device"] if device["kind"] != "cpu" else None,
        "backend": device["backend"],
        "python": versions.pop("python"),
        "versions": versions,
        "commit": git_commit(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def machine_name(machine: dict) -> str:
    """Name of a machine's file, without suffix: letters, digits and hyphens.

    Machines that differ in accelerator, processor, number of cores or backend have names of
    their own.
    """
    processor = re.sub(r"\((R|TM)\)|\bCPU\b|@.*", " ", machine["processor"])
    parts = [processor, f"{machine['cores']} cores", machine["accelerator"] or ""]
    if machine["backend"] != "tensorflow":
        parts.append(machine["backend"])
    words = re.findall(r"[a-z0-9]+", " ".join(parts).lower())
    return "-".join(words)


def record_figures(found: dict[str, dict], folder: str | Path | None = None) -> Path:
    """Keep the figures of this machine; those of other keys stay as they are.

    Parameters
    ----------
    found : dict of str to dict
        As `run_benchmarks` gives it; figures without a value are left out.
    folder : path-like, optional
        `results/benchmarks` of the workspace when not given.

    Returns
    -------
    pathlib.Path
        The file, written whole or not at all: `machine` (see `describe_machine`, as it was at
        the last recording) and `figures`, each with the `date`, `commit`, `backend` and
        `versions` that it was measured with.

    Raises
    ------
    RecordError
        When the file of this machine is damaged.
    DiskError
        When it cannot be written.
    """
    machine = describe_machine()
    path = _folder(folder) / f"{machine_name(machine)}.json"
    stamp = {name: machine[name] for name in ("date", "commit", "backend", "versions")}
    stamp["versions"] = {"python": machine["python"], **stamp["versions"]}
    fresh = {key: one | stamp for key, one in found.items() if one["value"] is not None}
    with locked(path):
        kept = read_machine(path)["figures"] if path.exists() else {}
        write_json(path, {"machine": machine, "figures": kept | fresh})
    return path


def read_machine(path: str | Path) -> dict:
    """Figures of a machine, as `record_figures` wrote them.

    Raises
    ------
    RecordError
        When the file is not such a record.
    """
    try:
        found = json.loads(Path(path).read_text("utf-8"))
        wanted = [found["machine"]["processor"], found["machine"]["cores"]]
        wanted += [(one["value"], one["unit"], one["date"]) for one in found["figures"].values()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RecordError(
            f"This is no record of benchmarks ({type(error).__name__}: {error}).",
            where=path,
            remedy="Remove the file and run `alllib bench --record` on that machine.",
        ) from error
    return found


def list_machines(folder: str | Path | None = None) -> list[dict]:
    """Records of all machines, by name of file; damaged ones are left out with a warning, and
    those without a figure.

    Parameters
    ----------
    folder : path-like, optional
        `results/benchmarks` of the workspace when not given.

    Returns
    -------
    list of dict
        `name`, `machine`, `figures`.
    """
    machines = []
    for path in sorted(_folder(folder).glob("*.json")):
        try:
            found = read_machine(path)
        except RecordError as error:
            _log.warning("A record of benchmarks is left out: %s", error)
        else:
            machines += [{"name": path.stem, **found}] if found["figures"] else []
    return machines


def _folder(folder: str | Path | None) -> Path:
    return Path(folder) if folder else workspace() / "results" / "benchmarks"
