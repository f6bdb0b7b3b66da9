"""What a recipe may say: frozen dataclasses, and the checks of their values."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from types import MappingProxyType
from typing import Any, get_args, get_origin, get_type_hints

from ..datasets import DATASETS
from ..errors import OWN_FILE, RecipeError, suggest
from ..files import hash_json
from ..splits import PROTOCOLS

# What the package can do where a recipe names a way of doing it. A recipe that asks for
# anything else is refused when it is read, not after hours of training.
KNOWN = {
    "data.dataset": DATASETS,  # a reader may add to it
    "data.published_protocol": PROTOCOLS,
    "data.honest_protocol": PROTOCOLS,
    "data.order": ("shuffled", "listed"),
    "images.scale": ("unit", "pretrained"),
    "augmentation.kind": ("none", "augmentor", "online", "balanced"),
    "architecture.weights": ("none", "imagenet"),
    "architecture.backbone": ("trained", "frozen"),
    "training.optimizer.name": ("SGD", "RMSprop", "Adam"),
    "training.loss": ("categorical_crossentropy", "binary_crossentropy"),
    "training.checkpoint": (
        *("val_loss", "val_accuracy", "val_weighted_f1", "val_auroc", "val_sensitivity"),
        *("val_specificity", "val_precision", "last"),
    ),
    "training.class_weights": ("none", "balanced"),
}
# Every setting must be given, so that no default of a library decides in silence.
OPTIMIZERS = {
    "SGD": ("learning_rate", "momentum", "nesterov"),
    "RMSprop": ("learning_rate", "rho", "momentum", "epsilon", "centered"),
    "Adam": ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad"),
}
# Course of the learning rate, in epochs. "cosine" rises to the rate of the optimiser in `warmup`
# epochs and falls to the share `floor` of it at the end; "step" multiplies it by `rate` after
# every `every` epochs; "plateau" does when nothing has improved for `patience` epochs.
SCHEDULES = {
    "constant": (),
    "cosine": ("warmup", "floor"),
    "step": ("every", "rate"),
    "plateau": ("patience", "rate"),
}
CONSTANT = {"name": "constant"}
SWITCHES = ("nesterov", "centered", "amsgrad")  # the settings that are no numbers
AUGMENTATIONS = {
    "none": (),
    "augmentor": ("samples", "probability", "seed"),
    "online": ("brightness", "contrast", "rotation", "flips"),
    "balanced": ("seed",),
}
POSITIVE = (
    *("images.input", "architecture.minimum_input", "training.batch", "training.epochs"),
    *("training.optimizer.learning_rate", "augmentation.samples", "augmentation.probability"),
)
NOT_NEGATIVE = (
    *("images.crop", "training.l1", "training.l2", "training.patience", "data.split_seed"),
    *("augmentation.brightness", "augmentation.contrast", "augmentation.rotation"),
)


@dataclass(frozen=True)
class DataSettings:
    """Data set, the split that the source used, and the honest protocol beside it.

    `shares` of train, validation and, where there is one, test; `order` of the images of a
    class before they are dealt out; `official_test`: the organisers' test phase was scored.
    """

    dataset: str
    published_protocol: str
    honest_protocol: str
    shares: tuple[float, ...]
    order: str
    split_seed: int
    official_test: bool = False


@dataclass(frozen=True)
class ImageSettings:
    """Centred crop (0: whole images) and network input in pixels.

    `scale` "unit" maps 0..255 to 0..1; "pretrained" scales as the ImageNet weights expect,
    and to 0..1 where training starts from random weights.
    """

    crop: int
    input: int
    scale: str


@dataclass(frozen=True)
class AugmentationSettings:
    """How training images are varied.

    `augmentor` draws `samples` pictures once by Augmentor, each of four operations with
    nominal `probability`; `online` varies each image anew in each epoch: brightness and
    contrast by a factor of at most 1 +- the given share, rotation by at most so many
    degrees, and both mirrors where `flips`; `balanced` fills the smaller classes of the
    training part up with turned and mirrored images, drawn once.
    """

    kind: str
    samples: int = 0
    probability: float = 0.0
    seed: int = 0
    brightness: float = 0.0
    contrast: float = 0.0
    rotation: float = 0.0
    flips: bool = False


@dataclass(frozen=True)
class ArchitectureSettings:
    """Network by name, its settings, initial weights and smallest input in pixels.

    `backbone` "frozen" trains the head alone.
    """

    name: str
    weights: str
    backbone: str
    minimum_input: int
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class TrainingSettings:
    """Optimiser with every setting, loss, penalties and schedule.

    `checkpoint` is the validation metric that chooses the epoch, or "last"; `l1` and `l2`
    multiply the sums of absolute and of squared kernel weights; training stops when the
    checkpoint's metric has not improved for `patience` epochs (0: it never stops early).
    `schedule` is one of `SCHEDULES`, by name. `class_weights` "balanced" lets each class count
    the same in the loss, however many images it has.
    """

    optimizer: Mapping[str, Any]
    loss: str
    l1: float
    l2: float
    batch: int
    epochs: int
    checkpoint: str
    patience: int
    schedule: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType(CONSTANT))
    class_weights: str = "none"


@dataclass(frozen=True)
class Choice:
    """A parameter that the source leaves open, and the reason for our value."""

    parameter: str
    reason: str


@dataclass(frozen=True)
class Variant:
    """The recipe with some parameters changed, as the source tried it or as a test of it.

    `changes` maps dotted parameters to values.
    """

    name: str
    reason: str
    changes: Mapping[str, Any]


@dataclass(frozen=True)
class Recipe:
    """One published system: how it was trained and what was reported.

    `published` holds the source's own figures under their own names; they are compared
    with, never computed from. `literature` holds the parameter count of the same network
    elsewhere, with its number of classes and input.
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
    literature: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    choice: tuple[Choice, ...] = ()
    variant: tuple[Variant, ...] = ()

    def as_dict(self) -> dict:
        """The recipe as plain dictionaries and lists."""
        return plain(self)

    def digest(self) -> str:
        """Hash of what decides a training, without titles, published figures and reasons.

        The data is left out too: a split's certificate speaks for it. Equal numbers count
        as one, written 0 or 0.0.
        """
        parts = ("images", "augmentation", "architecture", "training")
        decides = {name: plain(getattr(self, name)) for name in parts}
        del decides["architecture"]["minimum_input"]  # it refuses, and changes nothing
        # A recipe that leaves these out is the one that it was before they existed.
        for key, unchanged in (("schedule", CONSTANT), ("class_weights", "none")):
            if decides["training"][key] == unchanged:
                del decides["training"][key]
        return hash_json(_evened(decides))


def check_name(name: object, what: str, *, where: object = None) -> None:
    """Refuse what cannot name a recipe, a data set or an architecture of a reader's own.

    Raises
    ------
    RecipeError
        When it is no short plain word: names become parts of file names.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,59}", name):
        raise RecipeError(
            f"{name!r} cannot be the name of {what}.",
            where=where,
            remedy="Use at most 60 letters, digits, '-' and '_'.",
        )


def plain(value: Any) -> Any:
    """Dataclasses and read-only mappings as dictionaries, tuples as lists."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    return value


def _evened(value: Any) -> Any:
    """Whole numbers among the floats of plain tables as integers."""
    if isinstance(value, dict):
        return {key: _evened(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_evened(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def filled(kind: type, raw: Any, place: str) -> Any:
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
        elif spec.default is MISSING and spec.default_factory is MISSING:
            raise RecipeError(f"Parameter {key!r} is missing.", where=place + key, remedy="Add it.")
    return kind(**values)


def _converted(hint: Any, value: Any, place: str) -> Any:
    if is_dataclass(hint):
        return filled(hint, value, f"{place}.")
    if get_origin(hint) is tuple:
        entry = get_args(hint)[0]
        if not isinstance(value, list):
            raise _ill_typed(value, "a list", place)
        return tuple(_converted(entry, item, place) for item in value)
    if hint == Mapping[str, Any]:
        if not isinstance(value, dict):
            raise _ill_typed(value, "a table", place)
        return MappingProxyType(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint or (hint is float and not math.isfinite(value)):
        names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
        raise _ill_typed(value, names[hint], place)
    return value


def _ill_typed(value: Any, wanted: str, place: str) -> RecipeError:
    return RecipeError(f"{value!r} is not {wanted}.", where=place, remedy=f"Write {wanted} here.")


def check_values(whole: dict, given: dict, origin: str) -> None:
    """Refuse what the package cannot do, numbers out of range, and keys without effect.

    Parameters
    ----------
    whole : dict
        The recipe as plain dictionaries, defaults filled in.
    given : dict
        The tables as they were written.
    origin : str
        Name of the file, for messages.
    """
    for dotted, known in KNOWN.items():
        value = _present(whole, dotted, origin)
        if value not in known:
            remedy = suggest(str(value), known)
            raise RecipeError(
                f"{value!r} is not known.", where=f"{origin}: {dotted}",
                remedy=f"{remedy} {OWN_FILE}" if known is DATASETS else remedy,
            )  # fmt: skip
    _check_protocols(whole["data"], f"{origin}: data")
    kind = whole["augmentation"]["kind"]
    _check_keys(given["augmentation"], ("kind", *AUGMENTATIONS[kind]), f"{origin}: augmentation")
    _check_optimizer(whole["training"]["optimizer"], f"{origin}: training.optimizer")
    _check_schedule(whole["training"]["schedule"], f"{origin}: training.schedule")
    for dotted in (*POSITIVE, *NOT_NEGATIVE):
        table, _, key = dotted.rpartition(".")
        if table == "augmentation" and key not in AUGMENTATIONS[kind]:
            continue
        value = parameter(whole, dotted)
        if value < 0 or (dotted in POSITIVE and value == 0):
            wanted = "a positive number" if dotted in POSITIVE else "0 or more"
            raise _out_of_range(value, wanted, f"{origin}: {dotted}")
    if whole["augmentation"]["probability"] > 1:
        place = f"{origin}: augmentation.probability"
        raise _out_of_range(whole["augmentation"]["probability"], "1 or less", place)
    _check_shares(whole["data"], f"{origin}: data.shares")
    _check_patience(whole["training"], f"{origin}: training.patience")
    _check_references(whole, origin)


def _out_of_range(value: Any, wanted: str, place: str) -> RecipeError:
    return RecipeError(f"{value!r} is not {wanted}.", where=place, remedy=f"Give {wanted}.")


def _check_optimizer(optimizer: dict, place: str) -> None:
    _check_keys(optimizer, ("name", *OPTIMIZERS[optimizer["name"]]), place)
    for key in OPTIMIZERS[optimizer["name"]]:
        value, here = optimizer[key], f"{place}.{key}"
        if key in SWITCHES:
            if type(value) is not bool:
                raise _ill_typed(value, "true or false", here)
        elif type(value) not in (int, float) or not math.isfinite(value):
            raise _ill_typed(value, "a number", here)
        elif value < 0:
            raise _out_of_range(value, "0 or more", here)


def _check_schedule(schedule: dict, place: str) -> None:
    name = _present(schedule, "name", place)
    if name not in SCHEDULES:
        raise RecipeError(
            f"{name!r} is not known.", where=f"{place}.name", remedy=suggest(str(name), SCHEDULES)
        )
    _check_keys(schedule, ("name", *SCHEDULES[name]), place)
    for key in SCHEDULES[name]:
        value, here = schedule[key], f"{place}.{key}"
        share = key in ("floor", "rate")
        if type(value) is not int and not (share and type(value) is float):
            raise _ill_typed(value, "a number" if share else "a whole number", here)
        if share and not 0 <= value <= 1:
            raise _out_of_range(value, "a share from 0 to 1", here)
        if not share and value < (0 if key == "warmup" else 1):
            least = "0 or more" if key == "warmup" else "1 or more"
            raise _out_of_range(value, f"{least} epochs", here)


def _check_protocols(data: dict, place: str) -> None:
    """Both protocols must be ones that the data set can be split by."""
    known = DATASETS[data["dataset"]].protocols
    for key in ("published_protocol", "honest_protocol"):
        if data[key] not in known:
            raise RecipeError(
                f"{data['dataset']} cannot be split by {data[key]!r}.",
                where=f"{place}.{key}", remedy=suggest(data[key], known),
            )  # fmt: skip


def _check_shares(data: dict, place: str) -> None:
    shares, parts = data["shares"], (2,) if data["official_test"] else (2, 3)
    right = len(shares) in parts and min(shares) > 0 and math.isclose(sum(shares), 1)
    if not right:
        number = "two" if data["official_test"] else "two or three"
        raise _out_of_range(shares, f"{number} positive shares that sum to 1", place)


def _check_patience(training: dict, place: str) -> None:
    if training["patience"] and training["checkpoint"] == "last":
        raise RecipeError(
            "'patience' has no effect where the checkpoint is the last epoch.",
            where=place,
            remedy="Choose a validation metric as the checkpoint, or a patience of 0.",
        )


def _present(whole: dict, dotted: str, origin: str) -> Any:
    try:
        return parameter(whole, dotted)
    except KeyError:
        raise RecipeError(
            f"Parameter {dotted.rpartition('.')[2]!r} is missing.",
            where=f"{origin}: {dotted}", remedy="Add it.",
        ) from None  # fmt: skip


def _check_keys(table: dict, wanted: tuple[str, ...], place: str) -> None:
    """Exactly the keys that this kind takes: one more would have no effect."""
    for key in table:
        if key not in wanted:
            raise RecipeError(
                f"{key!r} has no effect here.", where=place, remedy=suggest(key, wanted)
            )
    for key in wanted:
        if key not in table:
            raise RecipeError(f"Parameter {key!r} is missing.", where=place, remedy="Add it.")


def _check_references(whole: dict, origin: str) -> None:
    named = [("choice", entry["parameter"]) for entry in whole["choice"]]
    named += [("variant", dotted) for entry in whole["variant"] for dotted in entry["changes"]]
    for kind, dotted in named:
        try:
            parameter(whole, dotted)
        except KeyError:
            raise RecipeError(
                f"A {kind} names parameter {dotted!r}, which the recipe lacks.",
                where=f"{origin}: {kind}",
                remedy="Name a parameter by its dotted place, like 'training.batch'.",
            ) from None
    names = [entry["name"] for entry in whole["variant"]]
    if len(set(names)) < len(names):
        raise RecipeError(
            "Two variants have one name.", where=f"{origin}: variant", remedy="Rename one."
        )


def parameter(tables: dict, dotted: str) -> Any:
    """Value at a dotted place; KeyError where there is none."""
    here: Any = tables
    for key in dotted.split("."):
        if not isinstance(here, dict):
            raise KeyError(dotted)
        here = here[key]
    return here
