"""Recipes: one TOML file per published system, read strictly into frozen dataclasses."""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import RecipeError, suggest
from ..splits import PROTOCOLS, Split, make_split
from .schema import (
    AUGMENTATIONS,
    Choice,
    Recipe,
    Variant,
    check_name,
    check_values,
    filled,
    parameter,
    plain,
)

__all__ = [
    "Choice",
    "Recipe",
    "Variant",
    "change_recipe",
    "list_recipes",
    "load_recipe",
    "read_recipe",
    "resolve_protocol",
    "split_by_recipe",
]

# Tables that a recipe which extends another takes over whole or not at all: half of the
# figures of one network beside half of another's would belong to neither.
WHOLE = ("published", "literature", "architecture", "variant")
# What a reader's own recipe need not say, and takes from no other.
UNSAID = {"source": "", "place": "", "published": {}, "literature": {}, "choice": [],
          "variant": []}  # fmt: skip
_OWN = re.compile(r"(?P<file>.+\.toml)(?:(?P<dot>\.)(?P<variant>[^./]*))?")
# What a variant may change; a change of anything else would have no effect.
CHANGEABLE = ("data", "images", "augmentation", "architecture", "training")


def list_recipes() -> list[str]:
    """Names of all recipes, sorted, without their variants."""
    folder = package_files("alllib") / "recipes"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_recipe(name: str | Path) -> Recipe:
    """Recipe by name.

    Parameters
    ----------
    name : str or path-like
        Like `unnithan2021-2x2`, or with one of its variants `unnithan2021-2x2.adam`; or a file
        of your own, `mine.toml`, and one of its variants, `mine.toml.adam`.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        When there is none of that name (the nearest is suggested), or its file is wrong.
    """
    own = _OWN.fullmatch(str(name))
    if own:
        base, file = Path(own["file"]).stem, own["file"]
        dot, variant = own["dot"], own["variant"]
        recipe = read_recipe(_own_text(Path(file)), origin=file, own=True)
    else:
        base, dot, variant = str(name).partition(".")
        if base not in list_recipes():
            raise RecipeError(
                f"There is no recipe {name!r}.",
                remedy=f"{suggest(base, list_recipes())} One of your own is given as a file: "
                "`mine.toml`.",
            )
        file = f"{base}.toml"
        text = (package_files("alllib") / "recipes" / file).read_text("utf-8")
        recipe = read_recipe(text, origin=file)
    if recipe.name != base:
        raise RecipeError(
            f"The recipe calls itself {recipe.name!r}.",
            where=f"{file}: name",
            remedy="Give the file and the recipe one name: records are listed by it.",
        )
    if not dot:
        return recipe
    known = {entry.name: entry for entry in recipe.variant}
    if variant not in known:
        raise RecipeError(
            f"Recipe {base!r} has no variant {variant!r}.", remedy=suggest(variant, known)
        )
    return change_recipe(recipe, variant, known[variant].changes)


def _own_text(file: Path) -> str:
    """Text of a reader's recipe, whose name must be its own: records are listed by it."""
    if file.stem in list_recipes():
        raise RecipeError(
            f"A recipe {file.stem!r} comes with the package.", where=file,
            remedy="Give yours, and its file, another name.",
        )  # fmt: skip
    check_name(file.stem, "a recipe", where=file)
    try:
        return file.expanduser().read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(
            f"The recipe cannot be read ({getattr(error, 'strerror', None) or error}).",
            where=file,
            remedy="Check the spelling of the path; it must be a text file.",
        ) from error


def read_recipe(text: str, *, origin: str = "recipe", own: bool = False) -> Recipe:
    """Recipe from the text of a TOML file.

    Parameters
    ----------
    text : str
        Contents of the file. With `extends = "<recipe>"` it takes from that recipe what it
        does not say itself; the tables `architecture`, `published`, `literature` and
        `variant` whole, the others key by key, save an augmentation or an optimiser that it
        names anew.
    origin : str
        Name of the file, for messages.
    own : bool
        The recipe is a reader's: it need not name a source, and takes from the recipe that
        it extends the settings alone, none of what was published or said of it.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        When the text is no TOML, a key is unknown, missing or without effect, a value has
        the wrong type or is out of range, or something named (data set, protocol,
        optimiser, parameter of a choice) does not exist here.
    """
    tables = _tables(text, origin, own=own)
    recipe = filled(Recipe, tables, f"{origin}: ")
    check_values(plain(recipe), tables, origin)
    return recipe


def change_recipe(recipe: Recipe, variant: str, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with other values, named `<recipe>.<variant>`.

    It carries no published figures, because none were published for it, and no reasons for
    parameters that it changes.

    Parameters
    ----------
    recipe : Recipe
    variant : str
        Short name.
    changes : mapping of str to object
        Dotted parameters, like `training.l2`, or whole tables, like `augmentation`, to
        values.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        When a parameter is unknown, or a value is ill-typed or out of range.
    """
    tables, name = _given(recipe), f"{recipe.name}.{variant}"
    for dotted, value in changes.items():
        table, _, key = dotted.rpartition(".")
        try:
            if dotted.partition(".")[0] not in CHANGEABLE:
                raise KeyError(dotted)
            parameter(recipe.as_dict(), dotted)
            (parameter(tables, table) if table else tables)[key] = plain(value)
        except KeyError:
            raise RecipeError(
                f"The recipe has no parameter {dotted!r} to change.",
                where=name,
                remedy="Name a parameter by its dotted place, like 'training.batch'.",
            ) from None
    tables |= {"name": name, "title": f"{recipe.title}, {variant}"}
    tables |= {"published": {}, "literature": {}, "variant": []}
    tables["choice"] = [entry for entry in tables["choice"] if not _touched(entry, changes)]
    changed = filled(Recipe, tables, f"{name}: ")
    check_values(plain(changed), tables, name)
    return changed


def resolve_protocol(recipe: Recipe, protocol: str) -> str:
    """Protocol's own name: `published` and `honest` are aliases that a recipe resolves.

    Raises
    ------
    RecipeError
        When there is no such protocol or alias.
    """
    names = {
        "published": recipe.data.published_protocol,
        "honest": recipe.data.honest_protocol,
    } | {name: name for name in PROTOCOLS}
    if protocol not in names:
        raise RecipeError(
            f"There is no split protocol {protocol!r}.",
            where="protocol",
            remedy=suggest(protocol, names),
        )
    return names[protocol]


def split_by_recipe(
    recipe: Recipe,
    cells: pd.DataFrame,
    protocol: str = "honest",
    *,
    seed: int | None = None,
    fold: int | None = None,
) -> Split:
    """Split a cell table by a protocol, or by the one that the recipe's source used.

    Parameters
    ----------
    recipe : Recipe
    cells : pandas.DataFrame
        Cell table.
    protocol : str
        A protocol, `honest`, or `published`: then shares, order and seed are the source's.
    seed : int, optional
        Seed of the split; not used by `published`, whose seed is part of it.
    fold : int, optional
        Which fold is the test part, see `splits.make_split`.

    Returns
    -------
    Split

    Raises
    ------
    RecipeError, SplitError
        When there is no such protocol, or the data does not allow it.
    """
    name = resolve_protocol(recipe, protocol)
    if name != recipe.data.published_protocol:
        return make_split(cells, name, seed=seed, fold=fold)
    chosen = recipe.data
    return make_split(
        cells, name, seed=chosen.split_seed, fold=fold, shares=chosen.shares, order=chosen.order,
        official_test=chosen.official_test,
    )  # fmt: skip


def _tables(text: str, origin: str, *, own: bool) -> dict:
    """Tables of a recipe's text, with those of the recipe that it extends."""
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"The recipe is not valid TOML: {error}.", where=origin, remedy="Mend that place."
        ) from error
    if "extends" not in tables:
        return {**UNSAID, **tables} if own else tables
    parent = _given(_parent(tables, f"{origin}: extends")) | (UNSAID if own else {})
    del tables["extends"]
    merged, said = _merged(parent, tables), tables.get("choice", [])
    if isinstance(said, list):  # what is none is refused where types are checked
        told = [entry.get("parameter") for entry in said if isinstance(entry, dict)]
        kept = [
            entry
            for entry in parent["choice"]
            if entry["parameter"] not in told and not _touched(entry, _leaves(tables))
        ]
        merged["choice"] = kept + said
    return merged


def _parent(tables: dict, place: str) -> Recipe:
    """The recipe that another extends."""
    name = str(tables["extends"])
    known = [entry for entry in list_recipes() if entry != tables.get("name")]
    if name.partition(".")[0] not in known:
        what = "A recipe cannot extend itself." if name == tables.get("name") else (
            f"There is no recipe {name!r} to extend."
        )  # fmt: skip
        raise RecipeError(what, where=place, remedy=suggest(name, known))
    return load_recipe(name)


def _given(recipe: Recipe) -> dict:
    """Tables of a recipe as a file would give them, without defaults that have no effect."""
    tables = copy.deepcopy(recipe.as_dict())
    kept = ("kind", *AUGMENTATIONS[recipe.augmentation.kind])
    tables["augmentation"] = {key: tables["augmentation"][key] for key in kept}
    return tables


def _merged(parent: dict, child: dict, place: str = "") -> dict:
    merged = dict(parent)
    for key, value in child.items():
        both = isinstance(value, dict) and isinstance(parent.get(key), dict)
        by_key = both and not _taken_whole(place + key, value)
        merged[key] = _merged(parent[key], value, f"{place}{key}.") if by_key else value
    return merged


def _leaves(tables: dict, place: str = "") -> list[str]:
    """Dotted places that a file gives; a table that is taken over whole counts as one."""
    found = []
    for key, value in tables.items():
        deeper = isinstance(value, dict) and not _taken_whole(place + key, value)
        found += _leaves(value, f"{place}{key}.") if deeper else [place + key]
    return found


def _taken_whole(place: str, table: dict) -> bool:
    """Whether nothing of the other recipe's table stays: so too for an augmentation or an
    optimiser named anew, to which the other's settings mean nothing."""
    return place in WHOLE or "kind" in table or "name" in table


def _touched(choice: dict, places: Any) -> bool:
    """Whether the parameter of a choice is at, below or above one of the places."""
    mine = choice["parameter"]
    return any(mine == p or mine.startswith(f"{p}.") or p.startswith(f"{mine}.") for p in places)
