"""Recipes: one TOML file per published system, read strictly into frozen dataclasses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib.resources import files as package_files
from types import MappingProxyType
from typing import Any, get_type_hints

from ..datasets import get_dataset
from ..errors import RecipeError, suggest
from ..splits import PROTOCOLS

__all__ = ["Recipe", "list_recipes", "load_recipe", "read_recipe", "resolve_protocol"]


@dataclass(frozen=True)
class DataSettings:
    """Data set, the protocol that the source used, and the honest one beside it."""

    dataset: str
    published_protocol: str
    honest_protocol: str


@dataclass(frozen=True)
class ImageSettings:
    """Centred crop and network input in pixels; `scale` "unit" maps 0..255 to 0..1."""

    crop: int
    input: int
    scale: str


@dataclass(frozen=True)
class AugmentationSettings:
    """Pictures drawn, nominal probability of each operation, and Augmentor's seed."""

    samples: int
    probability: float
    seed: int


@dataclass(frozen=True)
class ArchitectureSettings:
    """Network by name, its settings, initial weights and smallest input in pixels."""

    name: str
    weights: str
    minimum_input: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser, loss and schedule; `checkpoint` is the validation metric that chooses."""

    optimizer: str
    learning_rate: float
    momentum: float
    loss: str
    batch: int
    epochs: int
    checkpoint: str


@dataclass(frozen=True)
class Choice:
    """A parameter that the source leaves open, and the reason for our value."""

    parameter: str
    reason: str


@dataclass(frozen=True)
class Recipe:
    """One published system: how it was trained and what was reported.

    `published` holds the source's own figures under their own names; they are compared
    with, never computed from.
    """

    name: str
    title: str
    source: str
    place: str
    data: DataSettings
    images: ImageSettings
    augmentation: AugmentationSettings
    architecture: ArchitectureSettings
    training: TrainingSettings
    published: Mapping[str, Any]
    choice: tuple[Choice, ...] = field(default=())

    def as_dict(self) -> dict:
        """The recipe as plain dictionaries and lists."""
        whole = {f.name: getattr(self, f.name) for f in fields(self)}
        whole["architecture"] = asdict_mapping(self.architecture)
        whole["published"] = dict(self.published)
        whole["choice"] = [asdict(entry) for entry in self.choice]
        for name in ("data", "images", "augmentation", "training"):
            whole[name] = asdict(whole[name])
        return whole


def asdict_mapping(settings: ArchitectureSettings) -> dict:
    """`dataclasses.asdict` for a dataclass that holds a read-only mapping."""
    plain = {f.name: getattr(settings, f.name) for f in fields(settings)}
    return plain | {"settings": dict(settings.settings)}


def list_recipes() -> list[str]:
    """Names of all recipes, sorted."""
    folder = package_files("alllib") / "recipes"
    return sorted(e.name.removesuffix(".toml") for e in folder.iterdir() if e.suffix == ".toml")


def load_recipe(name: str) -> Recipe:
    """Recipe by name.

    Raises
    ------
    RecipeError
        When there is none of that name (the nearest is suggested), or its file is wrong.
    """
    if name not in list_recipes():
        raise RecipeError(f"There is no recipe {name!r}.", remedy=suggest(name, list_recipes()))
    return read_recipe((package_files("alllib") / "recipes" / f"{name}.toml").read_text("utf-8"))


def read_recipe(text: str) -> Recipe:
    """Recipe from the text of a TOML file.

    Raises
    ------
    RecipeError
        When the text is no TOML, a key is unknown or missing, a value has the wrong type,
        or a data set, protocol or chosen parameter does not exist.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"The recipe is not valid TOML: {error}.", remedy="Mend it.") from error
    recipe = _filled(Recipe, raw, "")
    get_dataset(recipe.data.dataset)
    for key in ("published_protocol", "honest_protocol"):
        protocol = getattr(recipe.data, key)
        if protocol not in PROTOCOLS:
            raise RecipeError(
                f"There is no split protocol {protocol!r}.",
                where=f"data.{key}",
                remedy=suggest(protocol, PROTOCOLS),
            )
    for entry in recipe.choice:
        _require_parameter(recipe.as_dict(), entry.parameter)
    return recipe


def resolve_protocol(recipe: Recipe, protocol: str) -> str:
    """Protocol's own name: `published` and `honest` are aliases that a recipe resolves."""
    aliases = {
        "published": recipe.data.published_protocol,
        "honest": recipe.data.honest_protocol,
    }
    return aliases.get(protocol, protocol)


def _filled(kind: type, raw: Any, place: str) -> Any:
    """Instance of a dataclass from a TOML table, every key and type checked."""
    if not isinstance(raw, dict):
        raise RecipeError("A table is expected here.", where=place, remedy="Write a table.")
    hints, known = get_type_hints(kind), {f.name: f for f in fields(kind)}
    for key in raw:
        if key not in known:
            raise RecipeError(
                f"Unknown parameter {key!r}.", where=place + key, remedy=suggest(key, known)
            )
    values = {}
    for key, spec in known.items():
        if key in raw:
            values[key] = _converted(hints[key], raw[key], place + key)
        elif spec.default is MISSING:
            raise RecipeError(
                f"Parameter {key!r} is missing.", where=place or "top level", remedy="Add it."
            )
    return kind(**values)


def _converted(hint: Any, value: Any, place: str) -> Any:
    if hasattr(hint, "__dataclass_fields__"):
        return _filled(hint, value, f"{place}.")
    if hint == tuple[Choice, ...]:
        return tuple(_filled(Choice, entry, f"{place}.") for entry in value)
    if hint == Mapping[str, Any]:
        return MappingProxyType(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise RecipeError(
            f"{value!r} is not of type {hint.__name__}.",
            where=place,
            remedy=f"Give a value of type {hint.__name__}.",
        )
    return value


def _require_parameter(plain: dict, dotted: str) -> None:
    here: Any = plain
    for key in dotted.split("."):
        if not isinstance(here, dict) or key not in here:
            raise RecipeError(
                f"A choice names parameter {dotted!r}, which the recipe does not have.",
                where="choice",
                remedy="Name a parameter by its dotted place, like 'training.momentum'.",
            )
        here = here[key]
