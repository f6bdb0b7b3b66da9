"""Training of a recipe's network from the store, and the record that it leaves."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from .architectures import build_network, feature_layer, image_scale, inference_model
from .backend import describe_device, load_keras, package_versions, peak_memory
from .datasets import data_fingerprint, get_dataset
from .errors import AlllibError, ParameterError, RecipeError, SplitError, TrainingError, suggest
from .evaluation import score_predictions
from .feeding import (
    Pictures,
    cache_features,
    compute_features,
    make_feed,
    one_hot,
    predict_batches,
    still_pictures,
    training_pictures,
)
from .files import hash_json
from .parallel import progress_bar
from .recipes import Recipe
from .records import Record, check_run, git_commit, save_record
from .splits import Split, check_certificate, scored_part
from .store import Store, open_store

__all__ = ["PRECISIONS", "RunSettings", "check_classes", "class_probabilities", "train_recipe"]

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
# Up to so many steps TensorFlow runs operation by operation: building the graph of a deep
# network takes longer (DenseNet-201: most of a minute) than it saves.
FEW_STEPS = 40
# Words of the backends for a device or a machine without memory left.
SHORTAGE = (
    "resource_exhausted",
    "resourceexhausted",
    "resource exhausted",
    "out of memory",
    "oom when",
    "failed to allocate",
    "can't allocate memory",
    "bad_alloc",
)


@dataclass(frozen=True)
class RunSettings:
    """What a run may set differently from its recipe; None means as in the recipe.

    Attributes
    ----------
    input_size : int
        Side of the network's input in pixels.
    epochs : int
    samples : int
        Augmented pictures, drawn once and used in every epoch; only for recipes that draw
        them, the others use each training image once an epoch.
    batch : int
        Images per step.
    weights : {"imagenet", "none"}
        Initial weights.
    backbone : {"trained", "frozen"}
    precision : {"float32", "mixed_float16", "mixed_bfloat16"}
        Keras's policy for the numbers of the network.
    seed : int
        Seed of initial weights, dropout, order and of what is varied from epoch to epoch.
    """

    input_size: int | None = None
    epochs: int | None = None
    samples: int | None = None
    batch: int | None = None
    weights: str | None = None
    backbone: str | None = None
    precision: str = "float32"
    seed: int = 1

    def filled(self, recipe: Recipe) -> RunSettings:
        """The same with the recipe's values in place of None.

        Raises
        ------
        ParameterError
            When a value is ill-typed, out of range or without effect.
        """
        drawn = recipe.augmentation.kind == "augmentor"
        if self.samples is not None and not drawn:
            raise ParameterError(
                f"samples = {self.samples!r} has no effect: {recipe.name} draws no pictures.",
                where="samples",
                remedy="Leave it out; an epoch shows each training image once.",
            )
        published = {
            "input_size": recipe.images.input,
            "epochs": recipe.training.epochs,
            "batch": recipe.training.batch,
            "weights": recipe.architecture.weights,
            "backbone": recipe.architecture.backbone,
        } | ({"samples": recipe.augmentation.samples} if drawn else {})
        open_ones = {k: value for k, value in published.items() if getattr(self, k) is None}
        full = replace(self, **open_ones)
        least = {"input_size": 1, "epochs": 1, "batch": 1, "seed": 0} | (
            {"samples": 1} if drawn else {}
        )
        for name, lowest in least.items():
            value = getattr(full, name)
            if type(value) is not int or not lowest <= value < 2**32:
                raise ParameterError(
                    f"{name} = {value!r} cannot be used.",
                    where=name,
                    remedy=f"Give a whole number, {lowest} or more.",
                )
        if full.precision not in PRECISIONS:
            raise ParameterError(
                f"precision = {full.precision!r} is not known.",
                where="precision",
                remedy=suggest(str(full.precision), PRECISIONS),
            )
        return full


def train_recipe(
    recipe: Recipe,
    split: Split,
    *,
    settings: RunSettings | None = None,
    run_id: str | None = None,
    progress: bool = True,
) -> Record:
    """Train a recipe's network on a split, score the chosen epoch, write the record.

    Parameters
    ----------
    recipe : Recipe
    split : Split
        Its certificate must fit its table.
    settings : RunSettings, optional
        What differs from the recipe.
    run_id : str, optional
        Name of the record; made from recipe, protocol, seed and parameters when not given.
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
        When `run_id` is taken by a run with other parameters.
    RecipeError
        When the data has other classes than the recipe, or the network cannot be built.
    FetchError
        When ImageNet weights are wanted and cannot be had.
    TrainingError
        When the memory does not suffice.
    StoreError, ImageError, DiskError
        From the store, and from writing the record.
    """
    check_certificate(split.cells, split.certificate)
    check_classes(recipe, split.certificate["dataset"])
    full = (settings or RunSettings()).filled(recipe)
    parameters = _parameters(recipe, split, full)
    run_id = run_id or _run_id(recipe, split, full, parameters)
    check_run(run_id, parameters)
    classes = get_dataset(split.certificate["dataset"]).classes
    if split.part("validation").empty:
        raise SplitError(
            "The split has no validation part to choose the checkpoint on.",
            remedy="Use a protocol with a validation part.",
        )
    store = open_store(split.cells, size=full.input_size, crop=parameters["crop"] or None)
    started = time.monotonic()
    with clear_shortage(full.batch):
        network = _build(recipe, full, len(classes))
        pictures = training_pictures(
            recipe, split.part("train"), store, samples=full.samples or 0, scale=parameters["scale"]
        )
        best, history = _fit(network, recipe, split, pictures, full, progress=progress)
        seconds = time.monotonic() - started
        network.set_weights(best)
        final = inference_model(network)
        final.run_eagerly = len(history) * -(-len(pictures) // full.batch) <= FEW_STEPS
        predictions = _predict(final, split, store, parameters["scale"])
    run = _describe(recipe, split, full, parameters, predictions, run_id=run_id)
    run |= {
        "seconds": round(seconds, 2),
        "images_per_second": round(len(pictures) * len(history) / seconds, 2),
        "epochs": len(history),
        "pictures": len(pictures),
        "model_parameters": int(final.count_params()),
        "appearance": describe_appearance(split.part("train"), store),
        "peak_memory": peak_memory(),
    }
    # A model of the same layers that was not compiled: no optimiser is saved with it.
    bare = load_keras().Model(final.input, final.outputs[0], name=final.name)
    return save_record(run, predictions, history, bare.save)


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
    return asdict(settings) | {
        "crop": _crop(recipe, split.cells),
        "scale": image_scale(recipe, settings.weights),
        "recipe": recipe.digest(),
        "certificate": split.certificate["hash"],
        "data": data_fingerprint(split.cells),
    }


def _run_id(recipe: Recipe, split: Split, settings: RunSettings, parameters: dict) -> str:
    protocol, digest = split.certificate["protocol"], hash_json(parameters)[:8]
    return f"{recipe.name}-{protocol}-{settings.input_size}px-s{settings.seed}-{digest}"


@contextlib.contextmanager
def clear_shortage(batch: int) -> Iterator[None]:
    """Turn a backend's lack of memory into an error that says which batch to try.

    Raises
    ------
    TrainingError
        When memory is short.
    """
    try:
        yield
    except AlllibError:
        raise
    except Exception as error:  # each backend has a class of its own for it
        text = f"{type(error).__name__} {error}".lower()
        if not isinstance(error, MemoryError) and not any(word in text for word in SHORTAGE):
            raise
        remedy = (
            f"Try a batch of {batch // 2} (`--batch {batch // 2}`), or a smaller input."
            if batch > 1
            else "Use a smaller input (`--input-size`), or a machine with more memory."
        )
        raise TrainingError(
            f"The memory does not suffice for a batch of {batch}.", where="batch", remedy=remedy
        ) from error


def _build(recipe: Recipe, settings: RunSettings, classes: int):
    """Network under the wanted precision, with penalties, from the run's seed."""
    keras = load_keras()
    # Weights, dropout and order repeat from this seed, because nothing else draws from
    # Keras's generator between here and the end of the training.
    keras.utils.set_random_seed(settings.seed)
    with _policy(settings.precision):
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


@contextlib.contextmanager
def _policy(precision: str) -> Iterator[None]:
    """Keras's policy for what is built in the block; the one before returns."""
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _compile(network, recipe: Recipe, *, steps: int = FEW_STEPS + 1) -> None:
    keras = load_keras()
    chosen = recipe.training
    settings = {key: value for key, value in chosen.optimizer.items() if key != "name"}
    optimizer = getattr(keras.optimizers, chosen.optimizer["name"])(**settings)
    # On a CPU TensorFlow's XLA costs time (measured); without compilation JAX would run
    # every operation by itself.
    device = describe_device()
    jit = False if (device["backend"], device["kind"]) == ("tensorflow", "cpu") else "auto"
    several = len(network.outputs) > 1
    network.compile(
        optimizer,
        loss=[chosen.loss] * len(network.outputs) if several else chosen.loss,
        loss_weights=[1.0, recipe.architecture.settings["auxiliary_weight"]] if several else None,
        metrics=[["accuracy"], []] if several else ["accuracy"],
        jit_compile=jit,
        run_eagerly=device["backend"] == "tensorflow" and steps <= FEW_STEPS,
    )


def _fit(
    network, recipe: Recipe, split: Split, pictures: Pictures, settings: RunSettings,
    *, progress: bool,
) -> tuple[list[np.ndarray], pd.DataFrame]:  # fmt: skip
    """Train; return the weights of the chosen epoch and the history."""
    validation = still_pictures(split.part("validation"), pictures.store, scale=pictures.scale)
    trained, inputs, seen = network, pictures.take, validation.take
    backbone = _fixed_part(network, recipe, settings)
    if backbone is not None:
        with _policy(settings.precision):  # by it Keras scales the loss for half precision
            trained = load_keras().Model(backbone.output, network.output)
        inputs, seen = (
            cache_features(compute_features(backbone, shown, progress=progress), shown)
            for shown in (pictures, validation)
        )
    _compile(trained, recipe, steps=settings.epochs * -(-len(pictures) // settings.batch))
    classes = get_dataset(split.certificate["dataset"]).classes
    units = trained.outputs[0].shape[-1]
    feed = make_feed(
        inputs, one_hot(pictures.labels, classes)[:, -units:], batch=settings.batch,
        seed=settings.seed, outputs=len(trained.outputs),
    )  # fmt: skip
    targets = one_hot(validation.labels, classes)

    def score() -> dict[str, float]:
        outputs = [found for _, found in predict_batches(final, seen, len(targets))]
        return _validation_scores(class_probabilities(np.concatenate(outputs)), targets)

    final = inference_model(trained)
    final.run_eagerly = trained.run_eagerly
    with progress_bar(total=len(pictures) * settings.epochs, shown=progress) as bar:
        watch = _watch(recipe, score, feed, bar, settings, len(pictures))
        trained.fit(feed, epochs=settings.epochs, shuffle=False, verbose=0, callbacks=[watch])
    if watch.kept is not None:
        trained.set_weights(watch.kept)  # which `network` shares
    return network.get_weights(), pd.DataFrame(watch.history)


def _fixed_part(network, recipe: Recipe, settings: RunSettings):
    """Frozen backbone whose outputs can be computed once; None where they change from epoch
    to epoch, or where a second output starts inside it."""
    fixed = settings.backbone == "frozen" and recipe.augmentation.kind != "online"
    if not fixed or len(network.outputs) > 1:
        return None
    return load_keras().Model(network.input, network.get_layer(feature_layer(recipe)).output)


def _watch(recipe: Recipe, score: Callable, feed, bar, settings: RunSettings, pictures: int):
    """Callback that sets the order of each epoch, scores the validation part after it, keeps
    the best weights, stops early and moves the bar."""
    keras = load_keras()
    metric, patience = recipe.training.checkpoint, recipe.training.patience

    class Watch(keras.callbacks.Callback):
        best, kept, waited = -np.inf, None, 0

        def __init__(self):
            super().__init__()
            self.history = []

        def on_epoch_begin(self, epoch, logs=None):
            feed.shuffle(epoch)

        def on_train_batch_end(self, number, logs=None):
            bar.update(min(settings.batch, pictures - number * settings.batch))

        def on_epoch_end(self, epoch, logs=None):
            found = score()
            # A network with an auxiliary classifier names its metrics by output.
            own = {k.removeprefix("predictions_"): float(v) for k, v in (logs or {}).items()}
            row = {"epoch": epoch + 1, "accuracy": own["accuracy"], "loss": own["loss"]}
            self.history.append(row | found)
            done, accuracy = f"{epoch + 1}/{settings.epochs}", found["val_accuracy"]
            bar.set_description(f"epoch {done}, validation accuracy {accuracy:.3f}")
            if metric != "last":
                self.judge(-found["val_loss"] if metric == "val_loss" else found[metric])

        def judge(self, value):
            if value > self.best:
                self.best, self.kept, self.waited = value, None, 0  # two copies need more memory
                self.kept = self.model.get_weights()
                return
            self.waited += 1
            if patience and self.waited >= patience:
                self.model.stop_training = True

    return Watch()


def _validation_scores(probabilities: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Mean cross-entropy, without penalties, and accuracy."""
    true = targets.argmax(axis=1)
    right = np.clip(probabilities[np.arange(len(true)), true], 1e-7, 1)
    return {
        "val_accuracy": float((probabilities.argmax(axis=1) == true).mean()),
        "val_loss": float(-np.log(right).mean()),
    }


def class_probabilities(outputs: np.ndarray) -> np.ndarray:
    """Probability of each class: outputs as they are, or both sides of a single unit.

    Parameters
    ----------
    outputs : numpy.ndarray
        Shape (n, classes), or (n, 1) with the probability of the second of two classes.

    Returns
    -------
    numpy.ndarray
        Shape (n, classes).
    """
    return np.hstack([1 - outputs, outputs]) if outputs.shape[1] == 1 else outputs


def _predict(final, split: Split, store: Store, scale: str) -> pd.DataFrame:
    """Probabilities of each scored image, in the order of the cell table."""
    classes = get_dataset(split.certificate["dataset"]).classes
    part = split.part(scored_part(split))
    pictures = still_pictures(part, store, scale=scale)
    outputs = np.concatenate([o for _, o in predict_batches(final, pictures.take, len(part))])
    table = part[["image", "subject", "group", "label"]].reset_index(drop=True)
    found = pd.DataFrame(class_probabilities(outputs), columns=[f"p_{c}" for c in classes])
    return pd.concat([table, found], axis=1)


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
