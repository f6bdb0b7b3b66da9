"""Class probabilities of new images with a trained run; research software, no diagnosis."""

from __future__ import annotations

import json
import logging
import math
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from .activations import grad_cam, overlay
from .architectures import ARCHITECTURES, build_network, inference_model
from .backend import load_keras, package_versions
from .cropping import BACKGROUND, crop_center
from .errors import OWN_FILE, AlllibError, ImageError, ParameterError, RecordError, suggest
from .extensions import is_own_layer
from .feeding import predict_batches
from .files import clear_errors, restore_folder, whole_file, workspace
from .fitting import class_probabilities
from .images import read_image
from .parallel import progress_bar
from .pictures import scale_images
from .recipes import Recipe
from .recipes.schema import filled
from .records import read_record, run_folder
from .store import resize

if TYPE_CHECKING:
    import keras

__all__ = [
    "NOTICE",
    "TrainedRun",
    "image_warnings",
    "load_run",
    "predict_images",
    "predictions_as_dict",
    "predictions_as_text",
    "run_warnings",
]

_log = logging.getLogger(__name__)
NOTICE = "This is research software, not a medical device: nothing here is a diagnosis."

BATCH = 32  # images in memory at a time; one step of `predict_batches`
CAM_BATCH = 4  # images whose gradients are in memory at a time
CAM_SIDE = 224  # least side of a Grad-CAM picture in pixels
MEAN_MARGIN = 5  # grey levels; see `image_warnings`
SCALES = ("unit", "caffe", "tf", "torch")
# Kinds of objects that carry code, or load some from elsewhere. Keras refuses them in safe
# mode too, but a program can switch that off for its whole process.
UNSAFE = ("Lambda", "__lambda__", "__typespec__", "TorchModuleWrapper", "TFSMLayer", "JaxLayer",
          "FlaxLayer")  # fmt: skip
LARGEST_CONFIG = 2**26  # bytes; the largest network of the recipes has less than 1 % of it


@dataclass(frozen=True)
class TrainedRun:
    """A finished run with its network.

    Attributes
    ----------
    path : pathlib.Path
        Folder of the run.
    run : dict
        Contents of its `run.json`.
    model : keras.Model
        Input (n, size, size, 3), output (n, classes) or (n, 1); see `class_probabilities`.
    note : str
        What a reader must know of where it comes from, in sentences; empty for an own run.
    """

    path: Path
    run: dict
    model: keras.Model
    note: str = ""


def load_run(run: str | Path) -> TrainedRun:
    """A run's record and its network, which is loaded in safe mode.

    Parameters
    ----------
    run : str or path-like
        Id of a run of this workspace, or path of a run's folder.

    Returns
    -------
    TrainedRun

    Raises
    ------
    RecordError
        When there is no such run, its record cannot be used, its model is missing, damaged,
        of another version or holds code, or record and model do not fit each other.
    DependencyError
        When Keras or its backend is not installed.
    """
    folder = _find_folder(run)
    if not (folder / "run.json").is_file():
        raise RecordError(
            "This folder holds no run: it has no run.json.",
            where=folder,
            remedy="Give the id of a run, or the folder that `alllib train` printed.",
        )
    described = read_record(folder).run
    _check_record(described, folder)
    file = folder / "model.keras"
    if not file.is_file():
        raise RecordError(
            "This run has no model (recorded runs are kept without theirs).",
            where=file,
            remedy=f"Train it again and use the run that is printed: `{_command(described)}`.",
        )
    model = _load_model(file, described)
    _check_model(model, described, file)
    return TrainedRun(folder, described, model)


def predict_images(
    trained: TrainedRun,
    paths: Iterable[str | Path],
    *,
    cam_folder: str | Path | None = None,
    progress: bool = True,
) -> list[dict]:
    """Class probabilities of images, prepared as the run prepared its own.

    Parameters
    ----------
    trained : TrainedRun
    paths : iterable of path-like
        RGB images, one cell each.
    cam_folder : path-like, optional
        Where to write for each image `<name>-cam.png`: the image as the network sees it,
        enlarged, with the Grad-CAM map of the predicted class over it. Images of one name
        are numbered.
    progress : bool
        Show a bar when it takes more than a second.

    Returns
    -------
    list of dict
        In the order of `paths`: `path` (str), `predicted` (class), `probabilities` (class to
        float), `warnings` (list of str) and `cam` (path of the picture, or None).

    Raises
    ------
    ParameterError
        When no image is given, or a picture is there already.
    ImageError
        When an image cannot be read or is too small for the run's crop.
    RecordError
        When the network gives numbers that are no probabilities.
    DiskError
        When pictures cannot be written.
    """
    paths = _checked_paths(paths)
    targets: list[Path | None] = [None] * len(paths)
    if cam_folder is not None:
        targets = list(_cam_paths(paths, Path(cam_folder)))
        _check_targets(targets, Path(cam_folder))
        for path in paths:  # no picture is written before all images are known to be good
            _prepare(path, trained.run["parameters"])
        with clear_errors(cam_folder):
            Path(cam_folder).mkdir(parents=True, exist_ok=True)
    found = []
    with progress_bar(total=len(paths), shown=progress, desc="predicting", delay=1.0) as bar:
        for start in range(0, len(paths), BATCH):
            chosen = slice(start, start + BATCH)
            found += _predict_some(trained, paths[chosen], targets[chosen])
            bar.update(len(paths[chosen]))
    return found


def predictions_as_dict(trained: TrainedRun, predictions: Sequence[dict]) -> dict:
    """Predictions with what they come from, ready for JSON.

    Returns
    -------
    dict
        `notice`, `note` (of the run, may be empty), `run`, `recipe`, `dataset`, `classes`,
        `warnings` (of the run), `versions` (here), `trained_with` (versions of the run) and
        `predictions`.
    """
    run = trained.run
    return {
        "notice": NOTICE,
        "note": trained.note,
        "run": run["id"],
        "recipe": run["recipe"],
        "dataset": run["dataset"],
        "classes": list(run["classes"]),
        "warnings": run_warnings(run),
        "versions": package_versions(),
        "trained_with": run["versions"],
        "predictions": list(predictions),
    }


def predictions_as_text(trained: TrainedRun, predictions: Sequence[dict]) -> str:
    """Predictions for readers; the last line is `NOTICE`."""
    run = trained.run
    size = run["parameters"]["input_size"]
    lines = [f"run {run['id']}: {run['recipe']} at {size} px, trained on {run['dataset']}"]
    lines += [trained.note] if trained.note else []
    lines += [f"warning: {text}" for text in run_warnings(run)]
    for row in predictions:
        shares = ", ".join(f"{name} {value:.3f}" for name, value in row["probabilities"].items())
        lines.append(f"{_printable(row['path'])}: {row['predicted']} ({shares})")
        lines += [f"  warning: {text}" for text in row["warnings"]]
        if row["cam"]:
            lines.append(f"  Grad-CAM: {_printable(row['cam'])}")
    return "\n".join([*lines, NOTICE])


def run_warnings(run: dict) -> list[str]:
    """What a reader of a run's predictions must know of the run, in sentences.

    Parameters
    ----------
    run : dict
        Contents of `run.json`.

    Returns
    -------
    list of str
    """
    found = []
    if run["dataset"].startswith("synthetic"):
        found.append("The run was trained on synthetic images: it says nothing about real cells.")
    rows = [sum(row) for row in run["metrics"]["confusion"]]
    share, commonest = max(rows) / sum(rows), run["metrics"]["classes"][int(np.argmax(rows))]
    accuracy = run["metrics"]["metrics"]["accuracy"]
    against = f"always answering {commonest} gives {share:.3f}"
    if accuracy["value"] <= share:
        found.append(
            f"The run has learned nothing of use: its own accuracy is {accuracy['value']:.3f}, "
            f"and {against}."
        )
    elif accuracy["low"] is not None and accuracy["low"] <= share:
        found.append(
            f"The run may have learned nothing of use: its own accuracy has the 95 % interval "
            f"{accuracy['low']:.3f} to {accuracy['high']:.3f}, and {against}."
        )
    return found


def image_warnings(size: tuple[int, int], picture: np.ndarray, appearance: dict) -> list[str]:
    """How an image differs from those that a run was trained on, in sentences.

    Parameters
    ----------
    size : tuple of int
        Width and height of the image in pixels, before the crop.
    picture : numpy.ndarray
        The image as the network sees it, shape (side, side, 3), uint8.
    appearance : dict
        See `describe_appearance`.

    Returns
    -------
    list of str

    Notes
    -----
    A colour is unlike when a channel lies further outside the training images' 1 % and 99 %
    quantiles than a quarter of what is between them: quantiles of few images, or of other
    patients, differ that much. The least margin is 5 grey levels for the mean, and for the
    edge `BACKGROUND`, up to which a re-encoded black border still counts as black. Measured
    at 64 px with the quantiles of four fifths of the subjects (B-ALL: blocks of numbers):
    of the others' images at most 8 in 1,000 are unlike, on average below 3, both in C-NMC
    2019 and in B-ALL; every image of B-ALL is unlike those of C-NMC 2019.
    """
    found = []
    sides = list(zip(("width", "height"), size, strict=True))
    if any(not appearance[name][0] <= side <= appearance[name][1] for name, side in sides):
        seen = " and ".join(f"{name}s of {_span(*appearance[name])}" for name, _ in sides)
        found.append(
            f"The image is {size[0]}x{size[1]} pixels; the training images had {seen} pixels."
        )
    rim = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    for name, values, least, title in (
        ("edge", rim, BACKGROUND, "background (its outermost pixels)"),
        ("mean", picture.reshape(-1, 3), MEAN_MARGIN, "mean colour"),
    ):
        colour, (low, high) = values.mean(axis=0), np.array(appearance[name])
        margin = np.maximum(least, (high - low) / 4)
        if ((colour < low - margin) | (colour > high + margin)).any():
            found.append(
                f"The image's {title} has red, green, blue {_colour(colour)}; in nearly all "
                f"training images it lay between {_colour(low)} and {_colour(high)}."
            )
    return found


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _colour(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:.0f}" for value in values) + ")"


# Finding and reading a run ----------------------------------------------------------


def _find_folder(run: str | Path) -> Path:
    """Folder of a run by id, own runs before recorded ones, or by path."""
    text = str(run)
    places = [workspace() / "runs", workspace() / "results"]
    if _can_be_id(text):
        for place in places:
            restore_folder(place / text)
            if (place / text).is_dir():
                return place / text
    # pathlib's raise where a name is too long.
    if os.path.isdir(text):
        return Path(text)
    if os.path.isfile(text):
        raise RecordError(
            "This is a file, not the folder of a run.",
            where=text,
            remedy="Give the id of a run, or the folder that `alllib train` printed.",
        )
    known = {p.name for place in places if place.is_dir() for p in place.glob("*/")}
    known = {name for name in known if not name.startswith(".")}
    remedy = suggest(text, known) if known else "`alllib train mir2019-proposed` makes one."
    raise RecordError(f"There is no run {text!r}.", where=places[0], remedy=remedy)


def _can_be_id(text: str) -> bool:
    try:
        run_folder(text)
    except RecordError:
        return False
    return True


def _check_record(run: dict, folder: Path) -> None:
    """Raise the error of the first entry that a prediction needs and cannot use."""
    settings, classes = run["parameters"], run["classes"]

    def whole(name: str, least: int) -> bool:
        value = settings.get(name)
        return type(value) is int and value >= least

    try:
        wrong = {
            "parameters.input_size": not whole("input_size", 1),
            "parameters.crop": not whole("crop", 0),
            "parameters.scale": settings.get("scale") not in SCALES,
            "classes": len(set(classes)) != len(classes) or len(classes) < 2,
            "appearance": not _is_appearance(run["appearance"]),
            "recipe_text": run["recipe_text"]["architecture"]["name"] not in ARCHITECTURES
            and not run.get("extensions"),  # the model of a reader's own network may be enough
        }
        run_warnings(run)
    except (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        wrong = {f"{type(error).__name__}: {error}": True}
    bad = [name for name, is_wrong in wrong.items() if is_wrong]
    if bad:
        raise RecordError(
            f"The record cannot be used for predictions ({bad[0]}).",
            where=folder / "run.json",
            remedy="It was changed, or written by another version; train again.",
        )


def _is_appearance(found: dict) -> bool:
    shapes = {"width": (2,), "height": (2,), "edge": (2, 3), "mean": (2, 3)}
    values = {name: np.asarray(found[name], float) for name in shapes}
    return all(
        values[name].shape == shape and np.isfinite(values[name]).all()
        for name, shape in shapes.items()
    )


def _command(run: dict) -> str:
    """Command that trains the run again."""
    settings = run["parameters"]
    given = {
        "protocol": run["protocol"],
        "seed": run["seed"],
        "input-size": settings["input_size"],
        "epochs": settings.get("epochs"),
        "samples": settings.get("samples"),
        "batch": settings.get("batch"),
        "weights": run["weights"],
        "backbone": run["backbone"],
        "precision": settings.get("precision"),
        "data": run["dataset"],
    }
    options = " ".join(f"--{key} {value}" for key, value in given.items() if value is not None)
    files = "".join(f" --with {entry['file']}" for entry in run.get("extensions", []))
    own = ".toml" if run["recipe_text"].get("source") == "" else ""
    return f"alllib{files} train {run['recipe']}{own} {options}"


# Loading a model --------------------------------------------------------------------


def _load_model(file: Path, run: dict) -> keras.Model:
    """Model of a file that was checked to hold nothing but Keras's objects and ours."""
    saved = _read_archive(file)
    _refuse_code(saved["config.json"], file)
    keras = load_keras()
    # Registers the layers that are ours.
    entry = ARCHITECTURES.get(run["recipe_text"]["architecture"]["name"])
    if entry and not entry.build:
        import_module(f"{__package__}.architectures.{entry.module}")
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except (AlllibError, MemoryError):
        raise
    except Exception as error:  # Keras raises nearly every kind
        told = _unreadable(file, run, saved["metadata.json"], error)
        if saved["metadata.json"].get("keras_version") == keras.__version__:
            raise told from error
        return _rebuilt(file, run, told)


def _rebuilt(file: Path, run: dict, told: RecordError) -> keras.Model:
    """Network of the record's recipe with the weights of a model file.

    An older Keras refuses a description in which a newer one wrote a setting that it does not
    know, even where that setting has no effect; names and shapes of weights stay the same.

    Raises
    ------
    RecordError
        `told`, when recipe and weights do not fit each other either.
    """
    try:
        recipe = filled(Recipe, run["recipe_text"], "recipe_text.")
        network = build_network(
            recipe, classes=len(run["classes"]), input_size=run["parameters"]["input_size"],
            weights="none",
        )  # fmt: skip
        model = inference_model(network)
        model.load_weights(file)
    except MemoryError:
        raise
    except Exception as error:  # Keras raises nearly every kind
        raise told from error
    _log.warning(
        "The model was saved by another version of Keras: its network was built from the recipe "
        "of the record, with the weights of the file."
    )
    return model


def _read_archive(file: Path) -> dict[str, dict]:
    """Description and origin of the network in a model file whose checksums are right."""
    try:
        with zipfile.ZipFile(file) as archive:
            broken = archive.testzip()
            if broken is not None:
                raise ValueError(f"{broken} has a wrong checksum")
            found = {}
            for name in ("config.json", "metadata.json"):
                if archive.getinfo(name).file_size > LARGEST_CONFIG:
                    raise ValueError(f"{name} is too large")
                found[name] = json.loads(archive.read(name))
                if not isinstance(found[name], dict):
                    raise ValueError(f"{name} is no description")
    except (
        *(OSError, ValueError, KeyError, RecursionError, RuntimeError, EOFError),
        *(zipfile.BadZipFile, zlib.error, NotImplementedError),
    ) as error:
        raise _damaged(file, error) from error
    return found


def _refuse_code(config: dict, file: Path) -> None:
    """Raise when a network's description asks for more than Keras's objects and ours."""
    waiting = [{**config, "compile_config": None}]  # which is not read
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
            if "class_name" in node and not _is_known(node):
                raise RecordError(
                    f"The model holds {node['class_name']!r}, an object that may run code of "
                    "its own; it is not loaded.",
                    where=file,
                    remedy="Use models that you trained here: `alllib train` makes them without. "
                    f"{OWN_FILE}",
                )
        elif isinstance(node, list):
            waiting += node


def _is_known(node: dict) -> bool:
    name, registered = str(node["class_name"]), str(node.get("registered_name") or "")
    package = str(node.get("module") or "keras").split(".")[0]
    own = package == "keras" or (package == __package__ and registered.startswith("alllib>"))
    known = own or is_own_layer(registered)
    return known and name not in UNSAFE and registered.split(">")[-1] not in UNSAFE


def _damaged(file: Path, error: Exception) -> RecordError:
    return RecordError(
        f"The model file is damaged ({_first_line(error)}).",
        where=file,
        remedy="Remove the folder of the run and train again.",
    )


def _unreadable(file: Path, run: dict, metadata: dict, error: Exception) -> RecordError:
    """The error of a file that is whole: of another version, where versions differ."""
    keras = load_keras()
    here = (keras.__version__, keras.backend.backend())
    trained = run["versions"].get("keras"), run["device"].get("backend")
    saved = str(metadata.get("keras_version") or trained[0]), trained[1]
    if saved == here:
        return _damaged(file, error)
    return RecordError(
        f"The model was saved by Keras {saved[0]} with backend {saved[1]} and cannot be read "
        f"by Keras {here[0]} with backend {here[1]} ({_first_line(error)}).",
        where=file,
        remedy=f"Install Keras {saved[0]} and set KERAS_BACKEND={saved[1]}, or train again here: "
        f"`{_command(run)}`.",
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip().split("\n")[0] or type(error).__name__
    return text if len(text) <= 160 else text[:157] + "..."


def _check_model(model: keras.Model, run: dict, file: Path) -> None:
    """Raise when input or outputs of a model are not those of its record."""
    size, classes = run["parameters"]["input_size"], len(run["classes"])
    inputs = [tuple(given.shape)[1:] for given in getattr(model, "inputs", None) or []]
    outputs = [tuple(given.shape)[1:] for given in getattr(model, "outputs", None) or []]
    if inputs != [(size, size, 3)]:
        what = f"inputs {inputs}, and its record asks for one of {(size, size, 3)}"
    elif outputs != [(classes,)] and (outputs, classes) != ([(1,)], 2):
        what = f"outputs {outputs}, and its record has {classes} classes"
    else:
        return
    raise RecordError(
        f"The model does not fit its record: it has {what}.",
        where=file,
        remedy="The files of two runs were mixed; train again.",
    )


# Predicting -------------------------------------------------------------------------


def _checked_paths(paths: Iterable[str | Path]) -> list[Path]:
    found = [Path(path) for path in paths]
    if not found:
        raise ParameterError("No image is given.", remedy="Give at least one file.")
    for path in found:
        if os.path.isdir(path):  # pathlib's raises where a name is too long
            raise ImageError(
                "This is a folder, not an image.",
                where=path,
                remedy=f"Give the images in it, like {path / '*.png'}.",
            )
        if not os.path.exists(path):
            raise ImageError(
                "There is no such file.", where=path, remedy="Check the spelling of the path."
            )
    return found


def _prepare(path: Path, settings: dict) -> tuple[np.ndarray, tuple[int, int]]:
    """Picture as the network sees it, (side, side, 3) uint8, and the image's size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # large is no fault
        image = read_image(path)
    height, width = image.shape[:2]
    crop = settings["crop"] or min(width, height)
    if min(width, height) < crop:
        raise ImageError(
            f"This image is {width}x{height} pixels, too small for the run's crop of {crop}.",
            where=path,
            remedy=f"Give an image of at least {crop} pixels a side, or use a run that was "
            "trained on images like this one.",
        )
    return resize(crop_center(image, crop), settings["input_size"]), (width, height)


def _predict_some(
    trained: TrainedRun, paths: Sequence[Path], targets: Sequence[Path | None]
) -> list[dict]:
    run, classes = trained.run, trained.run["classes"]
    prepared = [_prepare(path, run["parameters"]) for path in paths]
    pictures = np.stack([picture for picture, _ in prepared])
    scaled = scale_images(pictures, run["parameters"]["scale"])
    batches = predict_batches(trained.model, lambda chosen, seed: scaled[chosen], len(paths))
    probabilities = class_probabilities(np.concatenate([outputs for _, outputs in batches]))
    if not np.isfinite(probabilities).all():
        raise RecordError(
            "The network gives no finite probabilities.",
            where=trained.path,
            remedy="Its training failed; train again with a smaller learning rate.",
        )
    predicted = probabilities.argmax(axis=1)
    if targets[0] is not None:
        _write_cams(trained, pictures, scaled, predicted=predicted, targets=targets)
    return [
        {
            "path": str(path),
            "predicted": classes[best],
            "probabilities": {c: float(p) for c, p in zip(classes, row, strict=True)},
            "warnings": image_warnings(size, picture, run["appearance"]),
            "cam": None if target is None else str(target),
        }
        for path, target, (picture, size), row, best in zip(
            paths, targets, prepared, probabilities, predicted, strict=True
        )
    ]


# Grad-CAM pictures ------------------------------------------------------------------


def _cam_paths(paths: Iterable[Path], folder: Path) -> Iterator[Path]:
    """A picture's path per image, none twice, also where letter case does not count."""
    taken: set[str] = set()
    for path in paths:
        # Short enough for a temporary name of `whole_file` within 255 bytes.
        stem = path.stem.encode("utf-8", "replace")[:160].decode("utf-8", "ignore")
        name, number = f"{stem}-cam.png", 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}-cam.png"
        taken.add(name.casefold())
        yield folder / name


def _check_targets(targets: Iterable[Path], folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ParameterError(
            "A file stands where the folder of Grad-CAM pictures shall be.",
            where=folder,
            remedy="Give another folder.",
        )
    for target in targets:
        if target.exists():
            raise ParameterError(
                "This picture is there already and is not replaced.",
                where=target,
                remedy="Give another folder, or remove the file.",
            )


def _write_cams(
    trained: TrainedRun, pictures: np.ndarray, scaled: np.ndarray, *,
    predicted: np.ndarray, targets: Sequence[Path],
) -> None:  # fmt: skip
    classes = trained.run["classes"]
    for start in range(0, len(pictures), CAM_BATCH):
        part = slice(start, start + CAM_BATCH)
        cams = grad_cam(trained.model, scaled[part], predicted[part])
        for picture, cam, best, target in zip(
            pictures[part], cams, predicted[part], targets[part], strict=True
        ):
            note = PngInfo()  # a picture may be passed on without the text beside it
            note.add_text("Title", f"Grad-CAM of {classes[best]}, run {trained.run['id']}")
            note.add_text("Comment", NOTICE)
            with whole_file(target) as partial:
                Image.fromarray(_enlarged(picture, cam)).save(partial, pnginfo=note)


def _enlarged(picture: np.ndarray, cam: np.ndarray) -> np.ndarray:
    """Overlay whose pixels are a whole number of times as wide as the picture's."""
    side = len(picture) * math.ceil(CAM_SIDE / len(picture))
    large = Image.fromarray(picture).resize((side, side), Image.Resampling.NEAREST)
    smooth = Image.fromarray(cam).resize((side, side), Image.Resampling.BILINEAR)
    return overlay(np.asarray(large), np.asarray(smooth))


def _printable(text: str) -> str:
    """A file's name as it can be printed on one line."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
