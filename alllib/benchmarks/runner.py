"""Runs benchmarks one after the other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec

from tqdm import tqdm

from ..errors import AlllibError
from .registry import Benchmark, find_benchmarks
from .scene import Scene

__all__ = ["run_benchmarks"]

_log = logging.getLogger(__name__)
NOTHING = {"value": None, "ours": None, "peer": None, "unit": ""}


def run_benchmarks(
    names: Iterable[str] | None = None,
    progress: bool = True,
    *,
    rounds: int | None = None,
    images: int = 2000,
    sizes: dict[str, dict] | None = None,
) -> dict[str, dict]:
    """Measure benchmarks, in the order of the registry.

    Parameters
    ----------
    names : iterable of str, optional
        Keys of the registry; all when not given.
    progress : bool
        Show on stderr which one is measured, and which of its runs.
    rounds : int, optional
        Rounds of each; its own number when not given.
    images : int
        Synthetic 450x450 BMP images that most are measured on.
    sizes : dict of str to dict, optional
        Keyword arguments of single benchmarks, by key, beside those of the registry; tests use
        them.

    Returns
    -------
    dict of str to dict
        Key to `value`, `ours`, `peer`, `unit`, and more where it helps. Of one that could not be
        measured these are None; `lacks` names the package that the other way needs, or
        `failed` says what went wrong.

    Raises
    ------
    ParameterError
        When a key is unknown.
    DiskError
        When there is no room for the images.
    """
    wanted = find_benchmarks(names)
    found = {}
    shown = progress and sys.stderr.isatty()
    with (
        tqdm(total=len(wanted), unit="benchmark", disable=not shown) as bar,
        Scene(rounds=rounds, images=images, told=bar.set_postfix_str) as scene,
    ):
        for number, entry in enumerate(wanted, start=1):
            bar.set_description(entry.key)
            if progress and not shown:  # no terminal: a line each
                _log.info("benchmark %d of %d: %s", number, len(wanted), entry.key)
            try:
                found[entry.key] = _measured(entry, scene, (sizes or {}).get(entry.key, {}))
            except AlllibError as error:  # what the others took minutes for is not lost
                found[entry.key] = NOTHING | {"failed": str(error)}
                _log.warning("%s failed: %s", entry.key, error)
            bar.update()
    return found


def _measured(entry: Benchmark, scene: Scene, settings: dict) -> dict:
    if entry.needs and find_spec(entry.needs) is None:
        return NOTHING | {"lacks": entry.needs}
    module, function = entry.place.split(":")
    measure = getattr(import_module(f"alllib.benchmarks.{module}"), function)
    return measure(scene, **(entry.settings | settings))
