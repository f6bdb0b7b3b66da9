"""Training of a recipe's network from the store, and the record that it leaves."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from .architectures import build_network
from .augmentation import apply_symmetries, plan_augmentation
from .backend import describe_device, load_keras, package_versions, peak_memory
from .datasets import data_fingerprint, get_dataset
from .errors import DataError, ParameterError, RecipeError, SplitError
from .evaluation import score_predictions
from .files import hash_json
from .parallel import progress_bar
from .recipes import Recipe
from .records import Record, check_run, git_commit, save_record
from .splits import Split, check_certificate, scored_part
from .store import Store, open_store

__all__ = ["RunSettings", "scale_images", "train_recipe"]


@dataclass(frozen=True)
class RunSettings:
    """What a run may set differently from its recipe; None means as in the recipe.

    Attributes
    ----------
    input_size : int
        Side of the network's input in pixels.
    epochs : int
    samples : int
        Augmented pictures, drawn once and used in every epoch.
    seed : int
        Seed of initial weights, dropout and order.
    """

    input_size: int | None = None
    epochs: int | None = None
    samples: int | None = None
    seed: int = 1

    def filled(self, recipe: Recipe) -> RunSettings:
        """The same with the recipe's values in place of None.

        Raises
        ------
        ParameterError
            When a value is no whole number or out of range.
        """
        published = {
            "input_size": recipe.images.input,
            "epochs": recipe.training.epochs,
            "samples": recipe.augmentation.samples,
        }
        open_ones = {
            name: value for name, value in published.items() if getattr(self, name) is None
        }
        full = replace(self, **open_ones)
        for name, least in {**dict.fromkeys(published, 1), "seed": 0}.items():
            value = getattr(full, name)
            if type(value) is not int or not least <= value < 2**32:
                raise ParameterError(
                    f"{name} = {value!r} cannot be used.",
                    where=name,
                    remedy=f"Give a whole number, {least} or more.",
                )
        return full


def scale_images(images: np.ndarray) -> np.ndarray:
    """Grey levels 0..255 (uint8) to 0..1 (float32), same shape."""
    return images.astype(np.float32) / np.float32(255)


def train_recipe(
    recipe: Recipe,
    split: Split,
    *,
    settings: RunSettings | None = None,
    run_id: str | None = None,
    progress: bool = True,
) -> Record:
    """Train a recipe's network on a split, score the best checkpoint, write the record.

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
    StoreError, ImageError, DiskError
        From the store, and from writing the record.
    """
    check_certificate(split.cells, split.certificate)
    _check_classes(recipe, split.certificate["dataset"])
    full = (settings or RunSettings()).filled(recipe)
    parameters = _parameters(recipe, split, full)
    run_id = run_id or _run_id(recipe, split, full, parameters)
    check_run(run_id, parameters)
    # Weights, dropout and order repeat from this seed, because nothing else draws from
    # Keras's generator between here and the end of the training.
    keras = load_keras()
    keras.utils.set_random_seed(full.seed)
    dataset = get_dataset(split.certificate["dataset"])
    network = build_network(recipe, classes=len(dataset.classes), input_size=full.input_size)
    _compile(network, recipe)
    store = open_store(split.cells, size=full.input_size, crop=parameters["crop"])
    started = time.monotonic()
    best, history = _fit(network, recipe, split, store, full, progress=progress)
    seconds = time.monotonic() - started
    network.set_weights(best)
    predictions = _predict(network, split, store, dataset.classes)
    run = _describe(recipe, split, full, parameters, predictions, run_id=run_id)
    run |= {
        "seconds": round(seconds, 2),
        "images_per_second": round(full.samples * full.epochs / seconds, 2),
        "model_parameters": int(network.count_params()),
        "peak_memory": peak_memory(),
    }
    return save_record(run, predictions, history, network.save)


def _crop(recipe: Recipe, cells: pd.DataFrame) -> int:
    """The recipe's crop. Where every image of the data set is smaller, images are used
    whole; one that alone is too small is an error of the store, and shrinks no other."""
    return min(recipe.images.crop, int(cells[["width", "height"]].min(axis=1).max()))


def _check_classes(recipe: Recipe, dataset: str) -> None:
    """A recipe runs on its own data set and on one with the same classes, its twin."""
    wanted, given = get_dataset(recipe.data.dataset), get_dataset(dataset)
    if wanted.classes != given.classes:
        raise RecipeError(
            f"{recipe.name} tells {' and '.join(wanted.classes)} apart; {given.title} has "
            f"{', '.join(given.classes)}.",
            where=recipe.name,
            remedy=f"Train it on {wanted.title}, or choose a recipe made for {given.title}.",
        )


def _parameters(recipe: Recipe, split: Split, settings: RunSettings) -> dict[str, Any]:
    """Everything that decides the result, besides the machine and the versions."""
    return asdict(settings) | {
        "crop": _crop(recipe, split.cells),
        "recipe": hash_json(recipe.as_dict()),
        "certificate": split.certificate["hash"],
        "data": data_fingerprint(split.cells),
    }


def _run_id(recipe: Recipe, split: Split, settings: RunSettings, parameters: dict) -> str:
    protocol, digest = split.certificate["protocol"], hash_json(parameters)[:8]
    return f"{recipe.name}-{protocol}-{settings.input_size}px-s{settings.seed}-{digest}"


def _compile(network, recipe: Recipe) -> None:
    keras = load_keras()
    chosen = recipe.training
    optimizer = getattr(keras.optimizers, chosen.optimizer)(
        learning_rate=chosen.learning_rate, momentum=chosen.momentum
    )
    # On a CPU TensorFlow's XLA costs time (measured); without compilation JAX would run
    # every operation by itself.
    device = describe_device()
    jit = False if (device["backend"], device["kind"]) == ("tensorflow", "cpu") else "auto"
    network.compile(optimizer, loss=chosen.loss, metrics=["accuracy"], jit_compile=jit)


def _fit(
    network, recipe: Recipe, split: Split, store: Store, settings: RunSettings, *, progress: bool
) -> tuple[list[np.ndarray], pd.DataFrame]:
    """Train; return the weights of the best epoch and the history."""
    classes = get_dataset(split.certificate["dataset"]).classes
    plan = plan_augmentation(
        split.part("train"),
        samples=settings.samples,
        probability=recipe.augmentation.probability,
        seed=recipe.augmentation.seed,
    )
    labels = split.cells.set_index("image").label
    rows, targets = store.rows(plan.image), _one_hot(labels[plan.image], classes)
    train = _feed(store, rows, targets, plan.symmetry.to_numpy(), recipe, settings.seed)
    part = split.part("validation")
    if part.empty:
        raise SplitError(
            "The split has no validation part to choose the checkpoint on.",
            remedy="Use a protocol with a validation part.",
        )
    still = np.zeros(len(part), np.uint8)
    validation = _feed(
        store, store.rows(part.image), _one_hot(part.label, classes), still, recipe, None
    )
    keeper = _best_keeper(recipe.training.checkpoint)
    total = settings.samples * settings.epochs
    # Closed by `with`, so that an interrupt does not leave the bar behind its message.
    with progress_bar(total=total, shown=progress) as bar:
        fitted = network.fit(
            train, validation_data=validation, epochs=settings.epochs, shuffle=False, verbose=0,
            callbacks=[_shuffler(train), keeper, _progress(bar, train, settings)],
        )  # fmt: skip
    history = pd.DataFrame(fitted.history)
    history.insert(0, "epoch", range(1, len(history) + 1))
    return keeper.weights, history


def _one_hot(labels: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    targets = pd.Index(classes).get_indexer(labels)
    if (targets < 0).any():
        raise DataError(
            f"Class {labels.iloc[int(np.argmax(targets < 0))]!r} is none of the data set's.",
            where=f"classes {', '.join(classes)}",
            remedy="Split the cell table of one data set, as `load_cells` gives it.",
        )
    return np.eye(len(classes), dtype=np.float32)[targets]


def _feed(store, rows, targets, symmetries, recipe: Recipe, seed: int | None):
    """Batches from the store. `shuffle` sets the order of an epoch, which depends on
    (seed, epoch) alone; without a seed the order is that of the rows."""
    keras = load_keras()

    class Feed(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=1)
            self.batch = recipe.training.batch
            self.batches = -(-len(rows) // self.batch)
            self.shuffle(0)

        def __len__(self) -> int:
            return self.batches

        def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
            chosen = self.order[number * self.batch : (number + 1) * self.batch]
            images = apply_symmetries(store.images[rows[chosen]], symmetries[chosen])
            return scale_images(images), targets[chosen]

        def shuffle(self, epoch: int) -> None:
            self.order = np.arange(len(rows))
            if seed is not None:
                np.random.default_rng([seed, epoch]).shuffle(self.order)

    return Feed()


def _shuffler(feed):
    """Callback that sets the feed's order. The feed's own `on_epoch_end` would not do: Keras
    calls it before the first epoch too, and a training that goes on would count anew."""
    keras = load_keras()

    class Shuffler(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            feed.shuffle(epoch)

    return Shuffler()


def _best_keeper(metric: str):
    """Callback that keeps the weights of the epoch with the highest `metric`."""
    keras = load_keras()

    class BestKeeper(keras.callbacks.Callback):
        best, weights = -np.inf, None

        def on_epoch_end(self, epoch, logs=None):
            if logs[metric] > self.best:
                self.best, self.weights = logs[metric], None  # two copies need twice the memory
                self.weights = self.model.get_weights()

    return BestKeeper()


def _progress(bar, feed, settings: RunSettings):
    """Callback that moves a bar over all epochs: images/s and time left."""
    keras = load_keras()

    class Progress(keras.callbacks.Callback):
        def on_train_batch_end(self, number, logs=None):
            bar.update(min(feed.batch, settings.samples - number * feed.batch))

        def on_epoch_end(self, epoch, logs=None):
            done, accuracy = f"{epoch + 1}/{settings.epochs}", logs["val_accuracy"]
            bar.set_description(f"epoch {done}, validation accuracy {accuracy:.3f}")

    return Progress()


def _predict(network, split: Split, store: Store, classes: tuple[str, ...]) -> pd.DataFrame:
    """Probabilities of each scored image, in the order of the cell table."""
    part = split.part(scored_part(split))
    rows, found = store.rows(part.image), []
    for start in range(0, len(rows), 64):
        images = scale_images(store.images[rows[start : start + 64]])
        found.append(np.asarray(network.predict_on_batch(images), dtype=np.float32))
    table = part[["image", "subject", "group", "label"]].reset_index(drop=True)
    probabilities = pd.DataFrame(np.concatenate(found), columns=[f"p_{c}" for c in classes])
    return pd.concat([table, probabilities], axis=1)


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
        "protocol": split.certificate["protocol"],
        "parameters": parameters,
        "seed": settings.seed,
        "weights": recipe.architecture.weights,
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
