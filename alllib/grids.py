"""The grid of recorded results: which runs, on which splits, from which seeds, at what scale."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from .errors import ParameterError, suggest
from .recipes import Recipe, load_recipe, split_by_recipe
from .records import Record
from .settings import RunSettings

__all__ = ["Grid", "GridRun", "choose_scale", "grid_runs", "missing_runs", "read_grid"]

SCALES = ("cpu", "gpu")
# What a scale may set; a system may set each of them anew, for one scale.
SETTINGS = ("input", "epochs", "samples", "weights", "precision", "patience", "seeds")


@dataclass(frozen=True)
class GridRun:
    """One run of a grid.

    Attributes
    ----------
    id : str
        Name of its record.
    recipe : str
    protocol : str
        `published`, or the name of a protocol.
    fold : int or None
        The fold to test on; None for the recipe's.
    settings : RunSettings
        What differs from the recipe; filled, so that nothing in it is None.
    complete : bool
        Whether it needs the complete official download of its data set.
    """

    id: str
    recipe: str
    protocol: str
    fold: int | None
    settings: RunSettings
    complete: bool

    @property
    def dataset(self) -> str:
        """Data set of the recipe."""
        return load_recipe(self.recipe).data.dataset

    def words(self, data: str | Path) -> list[str]:
        """Words of the command `alllib` that trains it.

        Parameters
        ----------
        data : path-like
            Folder of the data set.
        """
        chosen, recipe = self.settings, load_recipe(self.recipe)
        words = ["train", self.recipe, "--protocol", self.protocol, "--run", self.id]
        words += ["--data", str(data), "--seed", str(chosen.seed)]
        if self.fold is not None:
            words += ["--fold", str(self.fold)]
        plain = replace(RunSettings(), seed=chosen.seed).filled(recipe)
        for name in ("input_size", "epochs", "samples", "weights", "precision", "patience"):
            if getattr(chosen, name) != getattr(plain, name):
                words += [f"--{name.replace('_', '-')}", str(getattr(chosen, name))]
        return words

    def fingerprint(self, cells: pd.DataFrame) -> str:
        """Fingerprint of the images of its split, which may leave some of a data set out: those
        of the organisers' test phases, or of a fold that is held in part.

        Parameters
        ----------
        cells : pandas.DataFrame
            Cell table of the data set.
        """
        split = split_by_recipe(load_recipe(self.recipe), cells, self.protocol, fold=self.fold)
        return split.certificate["data"]

    def fits(self, record: Record, data: str | None = None) -> bool:
        """Whether a record is of this run: recipe, data, split and every setting.

        Parameters
        ----------
        record : Record
        data : str, optional
            Fingerprint of the images of its split; any when not given.
        """
        run, recipe = record.run, load_recipe(self.recipe)
        protocol = recipe.data.published_protocol if self.protocol == "published" else self.protocol
        named = (self.id, self.recipe, recipe.data.dataset, protocol)
        fold = run["certificate"]["settings"].get("fold")
        # A record names its patience only where that is not the recipe's.
        done = {"patience": recipe.training.patience} | run["parameters"]
        return (
            tuple(run[key] for key in ("id", "recipe", "dataset", "protocol")) == named
            and self.fold in (None, fold)
            and data in (None, run["data"])
            and run["parameters"]["recipe"] == recipe.digest()
            and all(done.get(name) == value for name, value in vars(self.settings).items())
        )


@dataclass(frozen=True)
class Grid:
    """A grid as its file states it.

    Attributes
    ----------
    scales : dict of str to dict
        Settings of each scale, and `prefix` of the names of its runs.
    systems : list of dict
        `recipe, name, splits`, and settings by scale.
    """

    scales: dict[str, dict[str, Any]]
    systems: list[dict[str, Any]]


def read_grid(path: str | Path) -> Grid:
    """Grid of a file.

    Parameters
    ----------
    path : path-like
        A TOML file: a table for each of the scales, `[scale.cpu]` and `[scale.gpu]`, and
        `[[system]]` tables.

    Returns
    -------
    Grid

    Raises
    ------
    ParameterError
        When the file cannot be read, or a key is missing or not known.
    RecipeError
        When there is no such recipe.
    """
    try:
        whole = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ParameterError(
            f"The grid cannot be read ({error}).", where=path, remedy="Give a grid's TOML file."
        ) from error
    _check_keys(whole, ("scale", "system"), ("scale", "system"), f"{path}")
    _check_keys(whole["scale"], SCALES, SCALES, f"{path}: scale")
    for name, scale in whole["scale"].items():
        place = f"{path}: scale.{name}"
        _check_keys(scale, ("prefix", "seeds"), ("prefix", *SETTINGS), place)
        _check_seeds(scale["seeds"], place)
    if not isinstance(whole["system"], list):
        raise ParameterError(
            "'system' is one table.", where=f"{path}", remedy="Write `[[system]]`, in two brackets."
        )
    for system in whole["system"]:
        place = f"{path}: system {system.get('name')}"
        needed = ("recipe", "name", "splits")
        _check_keys(system, needed, (*needed, *SCALES), place)
        load_recipe(system["recipe"])
        for name in SCALES:
            _check_keys(system.get(name, {}), (), SETTINGS, f"{place}: {name}")
        for table in (system.get(name, {}) for name in SCALES):
            _check_seeds(table.get("seeds", [1]), place)
        for split in system["splits"]:
            known = ("protocol", "fold", "seeds", "complete")
            _check_seeds(split.get("seeds", [1]), f"{place}: splits")
            _check_keys(split, ("protocol",), known, f"{place}: splits")
    return Grid(whole["scale"], whole["system"])


def _check_seeds(seeds: Any, where: str) -> None:
    if not (isinstance(seeds, list) and seeds and all(type(seed) is int for seed in seeds)):
        raise ParameterError(
            f"seeds = {seeds!r} cannot be used.", where=where, remedy="Give a list: `seeds = [1]`."
        )


def _check_keys(table: Mapping, needed: Sequence[str], known: Sequence[str], where: str) -> None:
    for key in needed:
        if key not in table:
            raise ParameterError(f"{key!r} is missing.", where=where, remedy=f"Add `{key} = ...`.")
    for key in table:
        if key not in known:
            raise ParameterError(
                f"{key!r} is not known here.", where=where, remedy=suggest(key, known)
            )


def choose_scale(word: str = "auto") -> str:
    """Scale for this machine: `gpu` where there is an accelerator, else `cpu`.

    Raises
    ------
    ParameterError
        When the word is none of `auto`, `cpu`, `gpu`.
    """
    if word not in ("auto", *SCALES):
        raise ParameterError(
            f"There is no scale {word!r}.",
            where="scale",
            remedy=suggest(word, ("auto", *SCALES)),
        )
    if word != "auto":
        return word
    from .backend import describe_device

    return "cpu" if describe_device()["kind"] == "cpu" else "gpu"


def grid_runs(
    grid: Grid, scale: str, *, datasets: Iterable[str] | None = None, complete: bool = False
) -> list[GridRun]:
    """The runs of a grid at a scale, in the order in which they are worth training.

    Parameters
    ----------
    grid : Grid
    scale : {"cpu", "gpu"}
    datasets : iterable of str, optional
        Only the runs on these.
    complete : bool
        Also those that need the complete official download.

    Returns
    -------
    list of GridRun
        First one seed of everything, then the next.

    Raises
    ------
    ParameterError
        When a setting cannot be used, or two runs have one name.
    """
    wanted = None if datasets is None else set(datasets)
    dated = []
    for system in grid.systems:
        recipe = load_recipe(system["recipe"])
        if wanted is not None and recipe.data.dataset not in wanted:
            continue
        chosen = grid.scales[scale] | system.get(scale, {})
        for split in system["splits"]:
            if complete or not split.get("complete"):
                dated += [
                    (turn, _run(system, split, recipe, chosen | {"seed": seed}))
                    for turn, seed in enumerate(split.get("seeds", chosen["seeds"]))
                ]
    runs = [run for _, run in sorted(dated, key=lambda entry: entry[0])]
    names = [run.id for run in runs]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ParameterError(
            f"Two runs are called {min(twice)}.", where="the grid", remedy="Rename a system."
        )
    return runs


def _run(system: dict, split: dict, recipe: Recipe, chosen: dict) -> GridRun:
    size = chosen.get("input")
    drawn = recipe.augmentation.kind == "augmentor"
    settings = RunSettings(
        input_size=max(size, recipe.architecture.minimum_input) if size else None,
        epochs=chosen.get("epochs"),
        samples=chosen.get("samples") if drawn else None,
        weights=chosen.get("weights"),
        precision=chosen.get("precision", "auto"),
        patience=chosen.get("patience"),
        seed=chosen["seed"],
    ).filled(recipe)
    fold = split.get("fold")
    place = split["protocol"] + ("" if fold is None else f"-fold{fold}")
    name = f"{chosen['prefix']}-{system['name']}-{place}-s{chosen['seed']}"
    return GridRun(
        name, recipe.name, split["protocol"], fold, settings, bool(split.get("complete"))
    )


def missing_runs(
    runs: Iterable[GridRun],
    records: Iterable[Record],
    cells: Mapping[str, pd.DataFrame] | None = None,
) -> list[GridRun]:
    """Those of a grid's runs that no record is of.

    Parameters
    ----------
    runs : iterable of GridRun
    records : iterable of Record
    cells : mapping, optional
        Cell table of each data set: records of other images do not count.
    """
    kept = {record.run["id"]: record for record in records}
    prints: dict[tuple, str] = {}  # all seeds and folds of a split are of the same images

    def is_kept(run: GridRun) -> bool:
        if run.id not in kept or not run.fits(kept[run.id]):
            return False
        if cells is None:
            return True
        key = run.recipe, run.protocol
        if key not in prints:
            prints[key] = run.fingerprint(cells[run.dataset])
        return run.fits(kept[run.id], prints[key])

    return [run for run in runs if not is_kept(run)]
