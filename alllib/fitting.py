"""One training: the loop over epochs with all that a trainer expects of it.

It goes on from a saved state, saves its own after each epoch, chooses the epoch on the
validation part, lowers the learning rate, stops early, and stops at the first loss that is no
number.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .architectures import feature_layer, inference_model
from .backend import describe_device, device_memory, load_keras, set_epoch_seed
from .checkpoints import State, load_variables, save_state
from .datasets import get_dataset
from .errors import DependencyError, ParameterError, RecordError, TrainingError, suggest
from .evaluation import METRICS, score_predictions
from .feeding import (
    AHEAD,
    cache_features,
    compute_features,
    make_feed,
    predict_batches,
)
from .files import clear_errors
from .layers import state_slots, training_memory
from .memory import check_memory, clear_shortage
from .parallel import progress_bar
from .pictures import PLACES, Pictures, one_hot, still_pictures
from .recipes import Recipe
from .settings import RunSettings
from .splits import Split
from .transforms import picture_layer, picture_model

if TYPE_CHECKING:
    import keras

__all__ = ["Resources", "class_probabilities", "few_steps", "fit", "policy"]

_log = logging.getLogger(__name__)
# Up to so many steps TensorFlow runs operation by operation: building the graph of a deep
# network takes longer (DenseNet-201: most of a minute) than it saves.
FEW_STEPS = 40
# A store is kept on the device where it takes at most this share of its memory.
RESIDENT_SHARE = 0.25


@dataclass(frozen=True)
class Resources:
    """With what a training runs; nothing here changes its result by more than a rounding.

    Attributes
    ----------
    feed : {"auto", "host", "device", "resident"}
        Where pictures are made, see `pictures.PLACES`; "auto" takes the device's memory where
        the store fits there, the device where there is one, else the processor.
    devices : int
        Number of devices that share each batch; see `backend.data_parallel`.
    deterministic : bool
        On a GPU, the same bits each time, at some cost in speed.
    tensorboard : pathlib.Path or None
        Folder for TensorBoard's logs.
    """

    feed: str = "auto"
    devices: int = 1
    deterministic: bool = False
    tensorboard: Path | None = None

    def checked(self) -> Resources:
        """The same.

        Raises
        ------
        ParameterError
            When a value is unknown or out of range.
        """
        places = ("auto", *PLACES)
        if self.feed not in places:
            raise ParameterError(
                f"feed = {self.feed!r} is not known.",
                where="feed",
                remedy=suggest(str(self.feed), places),
            )
        if type(self.devices) is not int or self.devices < 1:
            raise ParameterError(
                f"devices = {self.devices!r} cannot be used.",
                where="devices",
                remedy="Give a whole number, 1 or more.",
            )
        return self


@contextlib.contextmanager
def policy(precision: str) -> Iterator[None]:
    """Keras's policy for what is built in the block; the one before returns."""
    keras = load_keras()
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


@dataclass(frozen=True)
class _Course:
    """What is trained, and how it is fed and asked.

    `core` holds the variables; `trained` takes what the feed sends, `asked` gives outputs for
    what `seen` takes of the validation part, which has `targets`.
    """

    core: keras.Model
    trained: keras.Model
    asked: keras.Model
    feed: Any
    seen: Callable
    targets: np.ndarray
    positive: str
    classes: tuple[str, ...]
    devices: int


def fit(
    network: keras.Model,
    recipe: Recipe,
    split: Split,
    pictures: Pictures,
    *,
    settings: RunSettings,
    resources: Resources,
    state: State,
    folder: Path,
    progress: bool,
) -> None:
    """Train a network from a state to its end; it is left with the chosen epoch's weights.

    Parameters
    ----------
    network : keras.Model
        Newly built from the run's seed.
    recipe : Recipe
    split : Split
    pictures : Pictures
        Of the training part.
    settings : RunSettings
        None of its fields open.
    resources : Resources
    state : State
        Where to go on from; changed in place.
    folder : pathlib.Path
        Where the state is saved after each epoch.
    progress : bool
        Show a progress bar.

    Raises
    ------
    TrainingError
        When the loss is no number, or the memory does not suffice.
    RecordError
        When the saved state does not fit the network.
    DiskError
        When the state cannot be saved; the one before stays.
    """
    course = _plan(network, recipe, split, pictures, settings, resources, progress)
    if describe_device()["kind"] == "cpu":
        slots = state_slots(recipe.training.optimizer)
        batch = min(settings.batch, len(pictures))
        check_memory(lambda images: training_memory(course.core, images, slots), batch)
    _compile(course, recipe, settings)
    if state.epoch:
        _restore(course, load_variables(folder, state.epoch), folder)
    if state.epoch < settings.epochs and not state.stopped:
        shown = {"total": len(pictures) * settings.epochs, "initial": len(pictures) * state.epoch}
        with (
            progress_bar(shown=progress, **shown) as bar,
            _tensorboard(resources.tensorboard) as log,
        ):
            watch = _watch(
                course, recipe, settings, state, pictures=pictures, folder=folder, bar=bar, log=log
            )
            _train(course, watch, settings, first=state.epoch)
    if state.best_epoch not in (None, state.epoch):
        _restore(course, load_variables(folder, state.best_epoch), folder)


def _plan(network, recipe, split, pictures, settings, resources, progress) -> _Course:
    validation = still_pictures(split.part("validation"), pictures.store, scale=pictures.scale)
    backbone = _fixed_part(network, recipe, settings)
    if backbone is None:
        place = _place(resources, pictures)
        _log.debug("pictures are made: %s", place)
        kept = pictures.store.images if place == "resident" else None
        layer, core = picture_layer(pictures.scale, kept), network
        trained, asked = (picture_model(layer, n) for n in (network, inference_model(network)))
        take, seen = (partial(shown.inputs, place=place) for shown in (pictures, validation))
    else:
        place = "features"
        core = trained = load_keras().Model(backbone.output, network.output)
        asked = inference_model(trained)
        take, seen = (
            cache_features(
                compute_features(backbone, shown, progress=progress, devices=resources.devices),
                shown,
            )
            for shown in (pictures, validation)
        )
    dataset = get_dataset(split.certificate["dataset"])
    targets = one_hot(pictures.labels, dataset.classes)
    feed = make_feed(
        take,
        targets[:, -core.outputs[0].shape[-1] :],
        batch=settings.batch,
        seed=settings.seed,
        outputs=len(core.outputs),
        weights=_balance(targets) if recipe.training.class_weights == "balanced" else None,
        devices=resources.devices,
        ahead=AHEAD if place in ("host", "device") else 0,
    )
    wanted = one_hot(validation.labels, dataset.classes)
    return _Course(
        core, trained, asked, feed, seen, wanted, dataset.positive, dataset.classes,
        resources.devices,
    )  # fmt: skip


def _fixed_part(network, recipe: Recipe, settings: RunSettings):
    """Frozen backbone whose outputs can be computed once; None where they change from epoch
    to epoch, or where a second output starts inside it."""
    fixed = settings.backbone == "frozen" and recipe.augmentation.kind != "online"
    if not fixed or len(network.outputs) > 1:
        return None
    return load_keras().Model(network.input, network.get_layer(feature_layer(recipe)).output)


def _place(resources: Resources, pictures: Pictures) -> str:
    if resources.feed != "auto":
        return resources.feed
    if describe_device()["kind"] == "cpu":
        return "host"
    fits = pictures.store.images.nbytes <= RESIDENT_SHARE * (device_memory() or 0)
    return "resident" if fits else "device"


def _balance(targets: np.ndarray) -> np.ndarray:
    """Weight of each picture by which every class has the same sum, and the mean is 1."""
    counts = targets.sum(axis=0)
    present = counts > 0
    weights = np.zeros(len(counts), np.float32)
    weights[present] = len(targets) / (present.sum() * counts[present])
    return weights[targets.argmax(axis=1)]


def _compile(course: _Course, recipe: Recipe, settings: RunSettings) -> None:
    keras, steps = load_keras(), len(course.feed)
    optimizer = _optimizer(recipe, steps, settings.epochs)
    if settings.precision == "mixed_float16":  # small gradients would become zero
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    several, units = len(course.core.outputs) > 1, course.core.outputs[0].shape[-1]
    auxiliary = recipe.architecture.settings["auxiliary_weight"] if several else None
    eager = few_steps(steps * settings.epochs)
    course.trained.compile(
        optimizer,
        loss=[recipe.training.loss] * 2 if several else recipe.training.loss,
        loss_weights=[1.0, auxiliary] if several else None,
        weighted_metrics=[[_accuracy(units)], []] if several else [_accuracy(units)],
        jit_compile="auto",  # not by TensorFlow on a processor, where it costs time (measured)
        run_eagerly=eager,
    )
    course.asked.run_eagerly = eager


def _accuracy(units: int):
    """Accuracy over the pictures that count, each the same, whatever it counts in the loss."""
    keras = load_keras()
    kind = keras.metrics.BinaryAccuracy if units == 1 else keras.metrics.CategoricalAccuracy

    class Accuracy(kind):
        def update_state(self, y_true, y_pred, sample_weight=None):
            if sample_weight is not None:
                sample_weight = keras.ops.cast(sample_weight > 0, "float32")
            return super().update_state(y_true, y_pred, sample_weight)

    return Accuracy(name="accuracy")


def few_steps(steps: int) -> bool:
    """Whether a training is so short that TensorFlow runs it operation by operation."""
    return load_keras().backend.backend() == "tensorflow" and steps <= FEW_STEPS


def _optimizer(recipe: Recipe, steps: int, epochs: int):
    """Optimiser of a recipe, its learning rate constant or one of Keras's schedules."""
    keras, chosen = load_keras(), recipe.training
    given = {key: value for key, value in chosen.optimizer.items() if key != "name"}
    schedule, rate = chosen.schedule, given["learning_rate"]
    if schedule["name"] == "cosine":
        warmup = schedule["warmup"] * steps
        course = {"warmup_target": rate, "warmup_steps": warmup} if warmup else {}
        given["learning_rate"] = keras.optimizers.schedules.CosineDecay(
            0.0 if warmup else rate, max(1, epochs * steps - warmup), schedule["floor"], **course
        )
    elif schedule["name"] == "step":
        given["learning_rate"] = keras.optimizers.schedules.ExponentialDecay(
            rate, schedule["every"] * steps, schedule["rate"], staircase=True
        )
    return getattr(keras.optimizers, chosen.optimizer["name"])(**given)


def _variables(course: _Course) -> list:
    """All that a training changes: weights, averages, states of dropout, the optimiser's."""
    optimizer = course.trained.optimizer
    if not optimizer.built:
        optimizer.build(course.trained.trainable_variables)
    return [*course.core.variables, *optimizer.variables]


def _restore(course: _Course, saved: list[np.ndarray], folder: Path) -> None:
    variables = _variables(course)
    if [v.shape for v in saved] != [tuple(v.shape) for v in variables]:
        raise RecordError(
            "The saved state of this training does not fit its network.",
            where=folder,
            remedy="The code has changed since; remove the folder and run the same command again.",
        )
    for variable, value in zip(variables, saved, strict=True):
        variable.assign(value)


def _train(course: _Course, watch, settings: RunSettings, *, first: int) -> None:
    feed, trained = course.feed, course.trained

    def step(batch: int) -> None:
        # JAX takes the values out of a network for the time of an epoch, and loses them with
        # a step that fails. Here any values do.
        for variable in (*trained.variables, *trained.optimizer.variables):
            variable.assign(np.zeros(variable.shape, variable.dtype))
        trained.train_on_batch(*feed.gather(np.resize(feed.order, batch)))

    feed.shuffle(first)
    try:
        with clear_shortage(settings.batch, step=step):
            trained.fit(
                feed, initial_epoch=first, epochs=settings.epochs, shuffle=False, verbose=0,
                callbacks=[watch],
            )  # fmt: skip
    finally:
        feed.close()


def _watch(course: _Course, recipe: Recipe, settings: RunSettings, state: State, **parts):
    """Callback of a training: order, judgement and state of each epoch."""
    keras, chosen = load_keras(), recipe.training
    folder, bar, log = parts["folder"], parts["bar"], parts["log"]
    pictures, steps = parts["pictures"], len(course.feed)

    class Watch(keras.callbacks.Callback):
        # On an accelerator the next steps need not wait for this one's loss.
        async_safe = describe_device()["kind"] != "cpu"

        def on_train_begin(self, logs=None):
            state.sessions += 1

        def on_epoch_begin(self, epoch, logs=None):
            course.feed.shuffle(epoch)
            # PyTorch's dropout draws from a generator of the process, whose state is not
            # saved: it follows from seed and epoch.
            set_epoch_seed(settings.seed, epoch)
            self.started, self.first_rate = time.monotonic(), self.rate()
            self.means = {}

        def on_train_batch_end(self, number, logs=None):
            bar.update(len(course.feed.chosen(number)))
            self.means[number] = logs["loss"]
            if not np.isfinite(logs["loss"]):
                raise self.diverged(number)

        def on_epoch_end(self, epoch, logs=None):
            loss = logs["loss"] if course.devices == 1 else _mean_loss(course, self.means)
            row = {"epoch": epoch + 1, "accuracy": float(logs["accuracy"]), "loss": float(loss)}
            scores = _validate(course)
            if scores is None:
                raise self.diverged(steps - 1)
            row |= scores | {"learning_rate": self.rate()}
            taken = time.monotonic() - self.started
            state.epoch, state.seconds = epoch + 1, [*state.seconds, round(taken, 3)]
            state.history.append(row)
            self.judge(row)
            save_state(folder, state, [keras.ops.convert_to_numpy(v) for v in _variables(course)])
            log(row)
            bar.set_description(
                f"epoch {epoch + 1}/{settings.epochs}, "
                f"validation accuracy {row['val_accuracy']:.3f}"
            )

        def diverged(self, number: int) -> TrainingError:
            # On an accelerator a later batch may be seen first.
            bad = [n for n, mean in list(self.means.items()) if not np.isfinite(mean)]
            number = min([number, *bad])
            names = pictures.store.index.image.iloc[pictures.rows[course.feed.chosen(number)]]
            return TrainingError(
                f"The loss is not a finite number after batch {number + 1} of {steps} in epoch "
                f"{state.epoch + 1}, which began at a learning rate of {self.first_rate:g}.",
                where=f"images {', '.join(names.iloc[:3])}{' ...' * (len(names) > 3)}",
                remedy="Lower the learning rate; if it is mixed_float16, try another precision.",
            )

        def rate(self) -> float:
            return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

        def judge(self, row):
            """Whether this is the best epoch; else lower the learning rate, or stop."""
            metric = "val_loss" if chosen.checkpoint == "last" else chosen.checkpoint
            value = _defined(row, metric)
            if state.best is None or value > state.best:
                state.best, state.waited, state.slow = value, 0, 0
                state.best_epoch = None if chosen.checkpoint == "last" else state.epoch
                return
            state.waited, state.slow = state.waited + 1, state.slow + 1
            schedule = chosen.schedule
            if schedule["name"] == "plateau" and state.slow >= schedule["patience"]:
                inner = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
                inner.learning_rate = self.rate() * schedule["rate"]
                state.slow = 0
            if settings.patience and state.waited >= settings.patience:
                state.stopped = self.model.stop_training = True

    return Watch()


def _mean_loss(course: _Course, means: dict[int, float]) -> float:
    """Mean loss over the pictures of an epoch, from Keras's running means after each batch:
    in these a batch counts by its size, and so with what only fills it up."""
    sizes = np.array([len(course.feed.chosen(number)) for number in sorted(means)])
    sent = sizes + -sizes % course.devices
    sums = np.diff([means[number] for number in sorted(means)] * sent.cumsum(), prepend=0)
    return float(np.average(sums / sent, weights=sizes))


def _defined(row: dict[str, float], metric: str) -> float:
    """Value of the metric that chooses the epoch; the larger the better."""
    if row[metric] is None:
        raise TrainingError(
            f"{metric} is not defined on the validation part, so it cannot choose an epoch.",
            where="training.checkpoint",
            remedy="Choose another metric, or a split whose validation part has every class.",
        )
    return -row[metric] if metric == "val_loss" else row[metric]


def _validate(course: _Course) -> dict[str, float | None] | None:
    """Mean cross-entropy, without penalties, and all metrics of the validation part, None
    where one is not defined; None where an output is no number."""
    found = predict_batches(course.asked, course.seen, len(course.targets), devices=course.devices)
    probabilities = class_probabilities(np.concatenate([outputs for _, outputs in found]))
    if not np.isfinite(probabilities).all():
        return None
    true = course.targets.argmax(axis=1)
    right = np.clip(probabilities[np.arange(len(true)), true], 1e-7, 1)
    table = pd.DataFrame(probabilities, columns=[f"p_{name}" for name in course.classes])
    table["label"], table["group"] = np.array(course.classes)[true], "all"
    scores = score_predictions(table, positive=course.positive, resamples=0).metrics
    values = {f"val_{name}": scores[name].value for name in METRICS}
    return {"val_loss": float(-np.log(right).mean())} | values


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


@contextlib.contextmanager
def _tensorboard(folder: Path | None) -> Iterator[Callable[[dict[str, float]], None]]:
    """Function that writes an epoch's row for TensorBoard; without a folder, nothing."""
    if folder is None:
        yield lambda row: None
        return
    try:
        from tensorboard.summary import Writer
    except ImportError as error:
        raise DependencyError(
            "TensorBoard's logs need a package that is not installed.",
            where="tensorboard",
            remedy="Install it with `pip install tensorboard`.",
        ) from error
    with clear_errors(folder):
        Path(folder).mkdir(parents=True, exist_ok=True)
        writer = Writer(str(folder))

    def log(row: dict[str, float]) -> None:
        for name, value in row.items():
            if name != "epoch" and value is not None:
                writer.add_scalar(name, value, int(row["epoch"]))

    try:
        yield log
    finally:
        writer.close()
