"""Data sets and networks of a reader's own, registered by one Python file of theirs.

`alllib --with mine.py train mine.toml --data FOLDER` runs the file first. What it registers is then
known by name to every command, as if it came with the package.
"""

from __future__ import annotations

import functools
import inspect
import linecache
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .architectures import ARCHITECTURES, Architecture
from .backend import load_keras
from .datasets import DATASETS, Dataset
from .errors import AlllibError, ExtensionError, RecipeError, suggest
from .files import hash_json
from .layouts import list_classes
from .memory import is_shortage
from .provenance import bare_code
from .recipes.schema import check_name
from .splits import PROTOCOLS

if TYPE_CHECKING:
    import keras

__all__ = [
    "Extension",
    "describe_extensions",
    "is_own_layer",
    "load_extension",
    "own_code",
    "own_images",
    "register_architecture",
    "register_dataset",
]

TOLERANCE = 1e-2  # by which the probabilities of an image may miss 1, for half precision


@dataclass(frozen=True)
class Extension:
    """A reader's file, and what it registered.

    Attributes
    ----------
    path : pathlib.Path
    code : str
        Digest of its code without comments and layout.
    datasets, architectures : list of str
        Names.
    """

    path: Path
    code: str
    datasets: list[str] = field(default_factory=list)
    architectures: list[str] = field(default_factory=list)

    @property
    def module(self) -> str:
        """Name of the module that the file became."""
        return f"alllib_own_{hash_json(str(self.path))[:8]}"


_loaded: dict[Path, Extension] = {}
_running: list[Extension] = []  # the file that is being run, if any


def load_extension(path: str | Path) -> Extension:
    """Run a reader's file, which registers data sets and networks; all of it or nothing.

    A file that was loaded before and has changed since is loaded anew, in place of the older one.

    Parameters
    ----------
    path : path-like
        Python file that calls `register_dataset` or `register_architecture`.

    Returns
    -------
    Extension

    Raises
    ------
    ExtensionError
        When it cannot be read, raises an error, or registers nothing or what cannot be used.
    """
    path = Path(path).expanduser().resolve()
    text, code = _read(path)
    before = _loaded.get(path)
    if before is not None and before.code == code:
        return before
    if before is not None:
        _withdraw(before)
    found = Extension(path, code)
    _running.append(found)
    try:
        _run(text, found)
        if not found.datasets + found.architectures:
            raise ExtensionError(
                "This file registers nothing.",
                where=path,
                remedy="Call `register_dataset` in it, or put `@register_architecture(NAME)` "
                "above a function.",
            )
    except BaseException:
        _withdraw(found)
        raise
    finally:
        _running.pop()
    _loaded[path] = found
    return found


def _read(path: Path) -> tuple[str, str]:
    """Text and digest of a file that can be compiled."""
    try:
        text = path.read_text("utf-8")
        return text, hash_json(bare_code(text))[:16]
    except (OSError, UnicodeDecodeError) as error:
        raise ExtensionError(
            f"This file cannot be read ({getattr(error, 'strerror', None) or error}).",
            where=path,
            remedy="Give a Python file.",
        ) from error
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        raise ExtensionError(
            f"This is no valid Python: {getattr(error, 'msg', error)}.",
            where=f"{path}, line {line}" if line else path,
            remedy="Mend that line.",
        ) from error


def _run(text: str, extension: Extension) -> None:
    """Run the text as a module, by hand: Python's own cache may miss a change within a second."""
    module = ModuleType(extension.module)
    module.__file__ = str(extension.path)
    sys.modules[module.__name__] = module
    linecache.checkcache(module.__file__)
    try:
        exec(compile(text, module.__file__, "exec"), vars(module))
    except AlllibError as error:
        place = _line(error, extension.path)
        raise ExtensionError(error.what, where=place, remedy=error.remedy) from error
    except (Exception, SystemExit) as error:
        raise _told("This file", error, extension.path) from error


def _told(what: str, error: BaseException, path: Path) -> ExtensionError:
    said = (str(error).strip().splitlines() or [""])[0]
    return ExtensionError(
        f"{what} raised {type(error).__name__}{': ' if said else ''}{said}",
        where=_line(error, path),
        remedy="Mend that line.",
    )


def _line(error: BaseException, path: Path) -> str:
    """Last line of the reader's file that an error passed through."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if frame.filename == str(path)]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _withdraw(extension: Extension) -> None:
    """Forget what a file registered."""
    for name in extension.datasets:
        del DATASETS[name]
    for name in extension.architectures:
        del ARCHITECTURES[name]
    sys.modules.pop(extension.module, None)
    _loaded.pop(extension.path, None)


def _current(what: str) -> Extension:
    if not _running:
        raise ExtensionError(
            f"{what} can be registered only while its file is loaded.",
            remedy="Write it into a file and use `alllib --with FILE.py ...`; in a notebook "
            "`load_extension(FILE)`.",
        )
    return _running[-1]


def _check_new(name: object, what: str, known: dict) -> None:
    check_name(name, what)
    if name in known:
        raise ExtensionError(
            f"There is {what} {name!r} already.", remedy="Choose another name for yours."
        )


# Data sets --------------------------------------------------------------------------


def own_images(
    name: str,
    *,
    title: str,
    classes: Sequence[str],
    positive: str = "",
    subjects: str | None = None,
) -> Dataset:
    """Entry for images of your own, in a folder per class; see `layouts.list_classes`.

    Parameters
    ----------
    name : str
        By which recipes call it.
    title : str
        For tables.
    classes : sequence of str
        Names of the folders, in the order of the network's outputs.
    positive : str
        The class that sensitivity is of; empty where none is.
    subjects : str, optional
        Name of a CSV file in the folder that names the subject of each image. Without it only
        protocol `image` is possible.

    Returns
    -------
    Dataset
        For `register_dataset`.
    """
    classes = (classes,) if isinstance(classes, str) else tuple(classes)
    needed = [*classes, *([subjects] if subjects else [])]
    return Dataset(
        name, title, classes, positive, "the reader's own", None, "",
        ("image", "subject", "group") if subjects else ("image",),
        partial(list_classes, classes=classes, subjects=subjects),
        fits=lambda root: all((root / entry).exists() for entry in needed),
    )  # fmt: skip


def register_dataset(entry: Dataset) -> Dataset:
    """Make a data set known by its name.

    Parameters
    ----------
    entry : Dataset
        From `own_images`; or with a `list_files` of your own, for another layout.

    Returns
    -------
    Dataset
        The same.

    Raises
    ------
    ExtensionError, RecipeError
        When the name is taken or no plain word, classes or protocols are no use, or no file
        is being loaded.
    """
    extension = _current("A data set")
    if not isinstance(entry, Dataset):
        raise ExtensionError(
            f"{entry!r} is no data set.", remedy="Give what `own_images(...)` returns."
        )
    _check_new(entry.name, "a data set", DATASETS)
    wrong = _wrong_classes(entry)
    if wrong:
        raise ExtensionError(f"{entry.name}: {wrong[0]}.", remedy=wrong[1])
    for protocol in entry.protocols:
        if protocol not in PROTOCOLS:
            raise ExtensionError(
                f"There is no split protocol {protocol!r}.", remedy=suggest(protocol, PROTOCOLS)
            )
    DATASETS[entry.name] = entry
    extension.datasets.append(entry.name)
    return entry


def _wrong_classes(entry: Dataset) -> tuple[str, str] | None:
    """What is wrong with the classes of a data set, and what to do; None where nothing is."""
    names = entry.classes
    if len(names) < 2 or len(set(names)) < len(names):
        return f"{', '.join(map(str, names))} are not two or more classes", "Name each once."
    plain = all(isinstance(n, str) and n and n not in (".", "..") and "/" not in n for n in names)
    if not plain:
        return "a class is not the name of a folder", "Name folders, without '/'."
    if entry.positive and entry.positive not in names:
        return f"{entry.positive!r} is no class", suggest(entry.positive, names)
    return None


# Networks ---------------------------------------------------------------------------


def register_architecture(
    name: str, *, features: str | None = None, scale: str = "unit"
) -> Callable[[Callable], Callable]:
    """Decorator that makes a function known as the builder of an architecture.

    The function takes `input_size` and `classes`, and by name the recipe's
    `architecture.settings`; it returns a Keras model of images (n, input_size, input_size, 3) to
    probabilities: (n, classes), or (n, 1) that of the second of two classes.

    Parameters
    ----------
    name : str
        By which recipes call it.
    features, scale : str
        For one with ImageNet weights, see `architectures.Architecture`. Its function then also
        takes `weights` and `frozen`.

    Returns
    -------
    callable
        The decorator, which returns the function itself.

    Raises
    ------
    ExtensionError, RecipeError
        When the name is taken or no plain word, what is decorated is no function, or no file
        is being loaded. What the function returns is checked when a network is built.
    """
    extension = _current("A network")
    if callable(name):
        raise ExtensionError(
            "The name of the architecture lacks.", remedy='Write `@register_architecture("mine")`.'
        )
    _check_new(name, "an architecture", ARCHITECTURES)

    def register(build: Callable) -> Callable:
        if not inspect.isfunction(build):
            raise ExtensionError(
                f"{build!r} is no function.", remedy="Decorate a function that returns a model."
            )
        checked = _checked(build, name, extension.path)
        ARCHITECTURES[name] = Architecture("", features, scale, checked)
        extension.architectures.append(name)
        return build

    return register


def _checked(build: Callable, name: str, path: Path) -> Callable[..., keras.Model]:
    """The same builder, whose errors and results are told in the reader's terms."""

    @functools.wraps(build)
    def checked(input_size: int, classes: int, **settings: object) -> keras.Model:
        try:
            network = build(input_size, classes, **settings)
        except AlllibError:
            raise
        except Exception as error:
            if is_shortage(error):
                raise  # said with the largest batch that fits
            raise _told(f"The builder of {name!r}", error, path) from error
        wrong = _wrong_network(network, input_size, classes)
        if wrong:
            line = inspect.getsourcelines(build)[1]
            raise RecipeError(
                f"The network {name!r} cannot be used: {wrong[0]}.",
                where=f"{path}, line {line}", remedy=wrong[1],
            )  # fmt: skip
        return network

    return checked


def _wrong_network(network: object, size: int, classes: int) -> tuple[str, str] | None:
    """What is wrong with what a builder returned, and what to do; None where nothing is."""
    keras = load_keras()
    if not isinstance(network, keras.Model):
        what = f"its builder returned {type(network).__name__}, no Keras model"
        return what, "End it with `return keras.Model(inputs, outputs)`."
    inputs = [tuple(x.shape)[1:] for x in getattr(network, "inputs", None) or []]
    if inputs != [(size, size, 3)]:
        what = f"its inputs are {inputs}, and one of {(size, size, 3)} is needed"
        return what, "Begin with `keras.Input((input_size, input_size, 3))`."
    outputs = [tuple(x.shape)[1:] for x in network.outputs]
    if outputs != [(classes,)] and (outputs, classes) != ([(1,)], 2):
        what = f"its outputs are {outputs}, and one of {(classes,)} is needed"
        return what, 'End with `layers.Dense(classes, activation="softmax", dtype="float32")`.'
    if network.outputs[0].dtype != "float32":
        what = f"its output is {network.outputs[0].dtype}, too coarse for probabilities"
        return what, 'Give the last layer `dtype="float32"`.'
    return _wrong_layer(network) or _wrong_shares(network, size)


def _wrong_layer(network: keras.Model) -> tuple[str, str] | None:
    """A layer that training would take, and `alllib predict` refuse later."""
    saving, waiting = load_keras().saving, list(network.layers)
    while waiting:
        layer = waiting.pop()
        waiting += getattr(layer, "layers", [])
        kind = type(layer)
        if kind.__name__ == "Lambda":
            what = f"its layer {layer.name!r} is a Lambda, whose code no saved model may hold"
            return what, "Use `keras.ops` on the values, or write a layer of your own."
        if kind.__module__.split(".")[0] in ("keras", "alllib"):
            continue
        if saving.get_registered_object(saving.get_registered_name(kind)) is not kind:
            what = f"its layer {kind.__name__} is not registered, and a saved model not readable"
            return what, "Put `@keras.saving.register_keras_serializable()` above the class."
    return None


def _wrong_shares(network: keras.Model, size: int) -> tuple[str, str] | None:
    """Outputs that are no probabilities, found by showing two random images."""
    images = np.random.default_rng(0).random((2, size, size, 3), "float32")
    found = load_keras().ops.convert_to_numpy(network(images, training=False))
    sums = found.sum(axis=1) if found.shape[1] > 1 else np.ones(len(found))
    inside = np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    if inside and np.abs(sums - 1).max() <= TOLERANCE:
        return None
    what = "its outputs are no probabilities: of two random images they are " + " and ".join(
        "(" + ", ".join(f"{value:.2f}" for value in row) + ")" for row in found
    )
    return what, "End in a softmax, or, with one unit for two classes, in a sigmoid."


# What others ask of loaded files ----------------------------------------------------


def own_code(architecture: str) -> str | None:
    """Digest of the file that registered an architecture; None for one of the package."""
    found = [e.code for e in _loaded.values() if architecture in e.architectures]
    return found[0] if found else None


def describe_extensions(architecture: str, dataset: str) -> list[dict]:
    """Files that a run takes its network or its data set from, for its record.

    Returns
    -------
    list of dict
        `file` (name), `code` (digest), `datasets` and `architectures` (names that it registered).
    """
    return [
        {
            "file": entry.path.name,
            "code": entry.code,
            "datasets": list(entry.datasets),
            "architectures": list(entry.architectures),
        }
        for entry in _loaded.values()
        if architecture in entry.architectures or dataset in entry.datasets
    ]


def is_own_layer(registered: str) -> bool:
    """Whether a name that Keras knows belongs to a class of a loaded file."""
    found = load_keras().saving.get_registered_object(registered) if registered else None
    return getattr(found, "__module__", None) in {entry.module for entry in _loaded.values()}
