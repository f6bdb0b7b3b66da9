"""Recipes: one TOML file per published system, read strictly into frozen dataclasses."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from importlib.resources import files as package_files
from types import MappingProxyType
from typing import Any, get_type_hints

from ..datasets import DATASETS
from ..errors import RecipeError, suggest
from ..splits import PROTOCOLS

__all__ = ["Recipe", "list_recipes", "load_recipe", "read_recipe", "resolve_protocol"]

# What the package can do where a recipe names a way of doing it. A recipe that asks for
# anything else is refused when it is read, not after hours of training.
KNOWN = {
    "data.dataset": tuple(DATASETS),
    "data.published_protocol": PROTOCOLS,
    "data.honest_protocol": PROTOCOLS,
    "images.scale": ("unit",),
    "architecture.weights": ("none",),
    "training.optimizer": ("SGD",),
    "training.loss": ("categorical_crossentropy",),
    "training.checkpoint": ("val_accuracy",),
}
POSITIVE = (
    *("images.crop", "images.input", "augmentation.samples", "augmentation.probability"),
    *("architecture.minimum_input", "training.learning_rate", "training.batch"),
    "training.epochs",
)


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
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_recipe(name: str) -> Recipe:
    """Recipe by name.

    Raises
    ------
    RecipeError
        When there is none of that name (the nearest is suggested), or its file is wrong.
    """
    if name not in list_recipes():
        raise RecipeError(f"There is no recipe {name!r}.", remedy=suggest(name, list_recipes()))
    file = f"{name}.toml"
    text = (package_files("alllib") / "recipes" / file).read_text("utf-8")
    recipe = read_recipe(text, origin=file)
    if recipe.name != name:
        raise RecipeError(
            f"The recipe calls itself {recipe.name!r}.",
            where=f"{file}: name",
            remedy="Give the file and the recipe one name: records are listed by it.",
        )
    return recipe


def read_recipe(text: str, *, origin: str = "recipe") -> Recipe:
    """Recipe from the text of a TOML file.

    Parameters
    ----------
    text : str
        Contents of the file.
    origin : str
        Name of the file, for messages.

    Returns
    -------
    Recipe

    Raises
    ------
    RecipeError
        When the text is no TOML, a key is unknown or missing, a value has the wrong type or
        is out of range, or something named (data set, protocol, optimiser, parameter of a
        choice) does not exist here.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(
            f"The recipe is not valid TOML: {error}.", where=origin, remedy="Mend that place."
        ) from error
    recipe = _filled(Recipe, raw, f"{origin}: ")
    _check_values(recipe.as_dict(), origin)
    return recipe


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


def _filled(kind: type, raw: Any, place: str) -> Any:
    """Instance of a dataclass from a TOML table, every key and type checked."""
    if not isinstance(raw, dict):
        raise _ill_typed(raw, "a table", place.removesuffix("."))
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
            raise RecipeError(f"Parameter {key!r} is missing.", where=place + key, remedy="Add it.")
    return kind(**values)


def _converted(hint: Any, value: Any, place: str) -> Any:
    if hasattr(hint, "__dataclass_fields__"):
        return _filled(hint, value, f"{place}.")
    if hint == tuple[Choice, ...]:
        if not isinstance(value, list):
            raise _ill_typed(value, "a list of tables", place)
        return tuple(_filled(Choice, entry, f"{place}.") for entry in value)
    if hint == Mapping[str, Any]:
        if not isinstance(value, dict):
            raise _ill_typed(value, "a table", place)
        return MappingProxyType(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        raise _ill_typed(
            value, {int: "a whole number", float: "a number", str: "text"}[hint], place
        )
    return value


def _ill_typed(value: Any, wanted: str, place: str) -> RecipeError:
    return RecipeError(f"{value!r} is not {wanted}.", where=place, remedy=f"Write {wanted} here.")


def _check_values(plain: dict, origin: str) -> None:
    """Refuse what the package cannot do, and numbers out of range."""
    for dotted, known in KNOWN.items():
        value = _parameter(plain, dotted)
        if value not in known:
            raise RecipeError(
                f"{value!r} is not known.",
                where=f"{origin}: {dotted}",
                remedy=suggest(value, known),
            )
    for dotted in POSITIVE:
        if _parameter(plain, dotted) <= 0:
            raise RecipeError(
                f"{_parameter(plain, dotted)} is not positive.",
                where=f"{origin}: {dotted}",
                remedy="Give a positive number.",
            )
    for entry in plain["choice"]:
        try:
            _parameter(plain, entry["parameter"])
        except KeyError:
            raise RecipeError(
                f"A choice names parameter {entry['parameter']!r}, which the recipe lacks.",
                where=f"{origin}: choice",
                remedy="Name a parameter by its dotted place, like 'training.momentum'.",
            ) from None


def _parameter(plain: dict, dotted: str) -> Any:
    """Value at a dotted place; KeyError where there is none."""
    here: Any = plain
    for key in dotted.split("."):
        if not isinstance(here, dict):
            raise KeyError(dotted)
        here = here[key]
    return here
