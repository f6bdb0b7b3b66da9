"""Training of a recipe's network from the store, and the record that it leaves."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from .architectures import build_network, image_scale, inference_model
from .backend import (
    best_precision,
    data_parallel,
    describe_device,
    load_keras,
    make_deterministic,
    package_versions,
    peak_memory,
    set_seed,
)
from .checkpoints import State, load_state, remove_state, state_folder
from .datasets import data_fingerprint, get_dataset
from .energy import EnergyMeter
from .errors import RecipeError, RecordError, SplitError
from .evaluation import score_predictions
from .extensions import describe_extensions, own_code
from .feeding import predict_batches
from .files import hash_json, locked, restore_folder
from .fitting import Resources, class_probabilities, few_steps, fit, policy
from .memory import clear_shortage
from .pictures import still_pictures, training_pictures
from .provenance import code_digest, git_commit
from .recipes import Recipe
from .records import (
    Record,
    check_parameters,
    read_record,
    run_folder,
    save_record,
)
from .settings import RunSettings
from .splits import Split, check_certificate, scored_part
from .store import Store, open_store

__all__ = ["RunSettings", "check_classes", "describe_appearance", "train_recipe"]

# What must be the same for a run that was not named to count as the same one.
DECISIVE = ("code", "backend")
_log = logging.getLogger(__name__)


def train_recipe(
    recipe: Recipe,
    split: Split,
    *,
    settings: RunSettings | None = None,
    run_id: str | None = None,
    resources: Resources | None = None,
    again: bool = False,
    progress: bool = True,
) -> Record:
    """Train a recipe's network on a split, score the chosen epoch, write the record.

    A run that was interrupted goes on after its last whole epoch and ends as if nothing had
    happened. A finished run is not run again: its record is returned. That holds for a run
    with a name of its own (`run_id`) whatever has changed in the code since, with a warning;
    one that is named by its parameters is trained anew when code or backend differ. A run may
    also go on on another device or with other versions of packages; it is said and noted in
    the record, because the last digits may then differ.

    Parameters
    ----------
    recipe : Recipe
    split : Split
        Its certificate must fit its table.
    settings : RunSettings, optional
        What differs from the recipe.
    run_id : str, optional
        Name of the record; made from recipe, protocol, seed and parameters when not given.
    resources : Resources, optional
        With what it runs.
    again : bool
        Train from the first epoch, whatever there is; a finished record stays until the new
        one replaces it.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Record

    Raises
    ------
    SplitError
        When the certificate is missing or belongs to other data.
    RecordError
        When `run_id` is taken by a run with other parameters, or a state is damaged.
    RecipeError
        When the data has other classes than the recipe, or the network cannot be built.
    FetchError
        When ImageNet weights are wanted and cannot be had.
    TrainingError
        When the memory does not suffice, or the loss is no number.
    StoreError, ImageError, DiskError
        From the store, and from writing state and record.
    """
    check_certificate(split.cells, split.certificate)
    check_classes(recipe, split.certificate["dataset"])
    full = (settings or RunSettings()).filled(recipe)
    resources = (resources or Resources()).checked()
    if split.part("validation").empty:
        raise SplitError(
            "The split has no validation part to choose the checkpoint on.",
            remedy="Use a protocol with a validation part.",
        )
    identity = {"parameters": _parameters(recipe, split, full)} | _origin(recipe)
    named = run_id is not None
    run_id = run_id or _run_id(recipe, split, full, identity["parameters"])
    folder = state_folder(run_id)
    with data_parallel(resources.devices), locked(folder):
        finished = _find_record(run_id, identity, again=again)
        state = _find_state(folder, identity, named=named, again=again, finished=finished)
        kept = finished is not None and not again and state is None
        what = f"The finished run {run_id}"
        if kept and _continues(finished.run, identity, named=named, what=what):
            remove_state(folder)
            _log.info("Run %s is finished already; its record is kept.", run_id)
            return finished
        if state is None:
            remove_state(folder)
            state = _new_state(identity, finished, again=again)
        full = replace(full, precision=state.precision)
        meter = EnergyMeter()
        try:
            record = _train(
                recipe, split, full, resources, state, run_id, meter=meter, progress=progress
            )
        finally:
            meter.stop()
        remove_state(folder)
    return record


def _find_record(run_id: str, identity: dict, *, again: bool) -> Record | None:
    """Record of the same run, where there is one.

    Raises
    ------
    RecordError
        When the id is taken by a run with other parameters, or, save where the run is to be
        trained `again`, when the record cannot be read.
    """
    folder = run_folder(run_id)
    restore_folder(folder)
    if not folder.exists():
        return None
    try:
        record = read_record(folder)
    except RecordError:
        if again:
            return None
        raise
    check_parameters(record.run["parameters"], identity["parameters"], folder, f"Run {run_id!r}")
    return record


def _find_state(
    folder: Path, identity: dict, *, named: bool, again: bool, finished: Record | None
) -> State | None:
    """State to go on from, where there is one.

    Beside a finished record only that of a training `again` counts, which goes on too.
    """
    try:
        state = load_state(folder)
    except RecordError:
        if again or finished is not None:
            return None
        raise
    if state is None or (finished is not None and state.replaces != finished.run["finished"]):
        return None
    if again and state.replaces is None:
        return None
    what = f"The unfinished run {folder.name[1:].removesuffix('.training')}"
    check_parameters(state.identity["parameters"], identity["parameters"], folder, what)
    if not _continues(state.identity, identity, named=named, what=what):
        return None
    _log.info("%s goes on after epoch %d.", what, state.epoch)
    return state


def _new_state(identity: dict, finished: Record | None, *, again: bool) -> State:
    wanted = identity["parameters"]["precision"]
    precision = best_precision() if wanted == "auto" else wanted
    replaces = finished.run["finished"] if finished is not None else "" if again else None
    return State(identity=identity, precision=precision, replaces=replaces)


def _continues(before: dict, now: dict, *, named: bool, what: str) -> bool:
    """Whether a run of before is this one; what differs is said."""
    differs = [key for key in DECISIVE if before.get(key) != now[key]]
    if differs:
        then = "it is kept, because it was named" if named else "it is trained from the start"
        _log.warning("%s was made with other %s; %s.", what, " and ".join(differs), then)
    elsewhere = [key for key in ("machine", "versions") if before.get(key) != now[key]]
    if elsewhere and (named or not differs):
        where = " and ".join(elsewhere)
        _log.warning("%s was made with other %s: last digits may differ.", what, where)
    return named or not differs


def _origin(recipe: Recipe) -> dict[str, Any]:
    """What a result depends on besides the parameters, as far as it shows."""
    device = describe_device()
    code, own = code_digest("alllib.training"), own_code(recipe.architecture.name)
    return {
        "code": hash_json([code, own])[:16] if own else code,
        "backend": device["backend"],
        "machine": {key: device[key] for key in ("device", "threads")},
        "versions": package_versions(),
    }


def _train(
    recipe: Recipe,
    split: Split,
    settings: RunSettings,
    resources: Resources,
    state: State,
    run_id: str,
    *,
    meter: EnergyMeter,
    progress: bool,
) -> Record:
    parameters = state.identity["parameters"]
    store = open_store(split.cells, size=settings.input_size, crop=parameters["crop"] or None)
    started, before = time.monotonic(), sum(state.seconds)
    if resources.deterministic:
        make_deterministic()
    with clear_shortage(settings.batch):
        network = _build(recipe, settings, len(get_dataset(split.certificate["dataset"]).classes))
        pictures = training_pictures(
            recipe,
            split.part("train"),
            store,
            samples=settings.samples or 0,
            scale=parameters["scale"],
        )
        fit(
            network,
            recipe,
            split,
            pictures,
            settings=settings,
            resources=resources,
            state=state,
            folder=state_folder(run_id),
            progress=progress,
        )
        seconds = before + time.monotonic() - started
        final = inference_model(network)
        final.run_eagerly = few_steps(state.epoch * -(-len(pictures) // settings.batch))
        found = {
            part: _predict(
                final, split, part, store, scale=parameters["scale"], devices=resources.devices
            )
            for part in {scored_part(split), "validation"}
        }
    predictions = found[scored_part(split)]
    run = _describe(recipe, split, settings, parameters, predictions, run_id=run_id)
    # Where and with what it was begun; `device` and `versions` are those of its end.
    run |= {key: state.identity[key] for key in (*DECISIVE, "machine")}
    run |= {
        "seconds": round(seconds, 2),
        "images_per_second": round(len(pictures) * state.epoch / seconds, 2),
        "epoch_seconds": state.seconds,
        "epochs": state.epoch,
        "chosen_epoch": state.best_epoch or state.epoch,
        "sessions": state.sessions,
        "precision": settings.precision,
        "resources": {"devices": resources.devices, "deterministic": resources.deterministic},
        "pictures": len(pictures),
        "model_parameters": int(final.count_params()),
        "appearance": describe_appearance(split.part("train"), store),
        "peak_memory": peak_memory(),
    }
    own = describe_extensions(recipe.architecture.name, split.certificate["dataset"])
    if own:
        run["extensions"] = own
    energy = meter.stop()
    if energy and state.sessions == 1:  # what an earlier session took is not known
        run["energy"] = energy
    # A model of the same layers that was not compiled: no optimiser is saved with it.
    bare = load_keras().Model(final.input, final.outputs[0], name=final.name)
    history = pd.DataFrame(state.history)
    return save_record(run, predictions, history, bare.save, validation=found["validation"])


def check_classes(recipe: Recipe, dataset: str) -> None:
    """A recipe runs on its own data set and on one with the same classes, its twin.

    Raises
    ------
    RecipeError
        When the data set has other classes.
    """
    wanted, given = get_dataset(recipe.data.dataset), get_dataset(dataset)
    if wanted.classes != given.classes:
        raise RecipeError(
            f"{recipe.name} tells {' and '.join(wanted.classes)} apart; {given.title} has "
            f"{', '.join(given.classes)}.",
            where=recipe.name,
            remedy=f"Train it on {wanted.title}, or choose a recipe made for {given.title}.",
        )


def _crop(recipe: Recipe, cells: pd.DataFrame) -> int:
    """The recipe's crop, 0 for none. Where every image of the data set is smaller, images are
    used whole; one that alone is too small is an error of the store, and shrinks no other."""
    return min(recipe.images.crop, int(cells[["width", "height"]].min(axis=1).max()))


def _parameters(recipe: Recipe, split: Split, settings: RunSettings) -> dict[str, Any]:
    """Everything that decides the result, besides the machine and the versions."""
    chosen = asdict(settings)
    if settings.patience == recipe.training.patience:
        del chosen["patience"]  # the recipe tells it
    return chosen | {
        "crop": _crop(recipe, split.cells),
        "scale": image_scale(recipe, settings.weights),
        "recipe": recipe.digest(),
        "certificate": split.certificate["hash"],
        "data": data_fingerprint(split.cells),
    }


def _run_id(recipe: Recipe, split: Split, settings: RunSettings, parameters: dict) -> str:
    protocol, digest = split.certificate["protocol"], hash_json(parameters)[:8]
    return f"{recipe.name}-{protocol}-{settings.input_size}px-s{settings.seed}-{digest}"


def _build(recipe: Recipe, settings: RunSettings, classes: int):
    """Network under the wanted precision, with penalties, from the run's seed."""
    keras = load_keras()
    # Weights, dropout and order repeat from this seed, because nothing else draws from
    # Keras's generator between here and the end of the training.
    set_seed(settings.seed)
    with policy(settings.precision):
        network = build_network(
            recipe, classes=classes, input_size=settings.input_size, weights=settings.weights,
            backbone=settings.backbone,
        )  # fmt: skip
    if recipe.training.l1 or recipe.training.l2:
        penalty = keras.regularizers.L1L2(l1=recipe.training.l1, l2=recipe.training.l2)
        for variable in network.trainable_variables:
            if variable.name == "kernel":  # the weights W of the penalty; no bias, no norm
                variable.regularizer = penalty
    return network


def _predict(
    final, split: Split, name: str, store: Store, *, scale: str, devices: int
) -> pd.DataFrame:
    """Probabilities of each image of a part, in the order of the cell table."""
    classes = get_dataset(split.certificate["dataset"]).classes
    part = split.part(name)
    pictures = still_pictures(part, store, scale=scale)
    found = predict_batches(final, pictures.take, len(part), devices=devices)
    outputs = np.concatenate([output for _, output in found])
    table = part[["image", "subject", "group", "label"]].reset_index(drop=True)
    values = pd.DataFrame(class_probabilities(outputs), columns=[f"p_{c}" for c in classes])
    return pd.concat([table, values], axis=1)


def describe_appearance(cells: pd.DataFrame, store: Store) -> dict[str, list]:
    """What training images look like, so that a prediction can tell an image unlike them.

    Returns
    -------
    dict
        `width`, `height` (smallest and largest, pixels), `edge` and `mean` (for each
        colour, the 1 % and the 99 % quantile of the mean grey level of the outermost
        pixels and of the whole image; of at most 1,000 images).
    """
    rows = store.rows(cells.image)
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), 1000)).astype(int))
    images = store.images[np.sort(rows[chosen])]
    edges = np.concatenate([images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1)
    quantiles = [0.01, 0.99]
    return {
        "width": [int(cells.width.min()), int(cells.width.max())],
        "height": [int(cells.height.min()), int(cells.height.max())],
        "edge": np.quantile(edges.mean(axis=1), quantiles, axis=0).round(2).tolist(),
        "mean": np.quantile(images.mean(axis=(1, 2)), quantiles, axis=0).round(2).tolist(),
    }


def _describe(
    recipe: Recipe, split: Split, settings: RunSettings, parameters: dict,
    predictions: pd.DataFrame, *, run_id: str,
) -> dict:  # fmt: skip
    dataset = get_dataset(split.certificate["dataset"])
    scores = score_predictions(predictions, positive=dataset.positive)
    return {
        "id": run_id,
        "status": "finished",
        "preset": os.environ.get("ALLLIB_PRESET"),
        "recipe": recipe.name,
        "recipe_text": recipe.as_dict(),
        "dataset": dataset.name,
        "classes": list(dataset.classes),
        "protocol": split.certificate["protocol"],
        "parameters": parameters,
        "seed": settings.seed,
        "weights": settings.weights,
        "backbone": settings.backbone,
        "images": {part: sum(n.values()) for part, n in split.certificate["parts"].items()},
        "scored": scored_part(split),
        "certificate": split.certificate,
        "data": parameters["data"],
        "metrics": scores.as_dict(),
        "device": describe_device(),
        "versions": package_versions(),
        "commit": git_commit(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
