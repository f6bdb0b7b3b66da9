"""Batches for training and prediction, from the store or from features computed once.

Every batch of every epoch follows from (seed, epoch, row) alone; feeding needs no TensorFlow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .augmentation import apply_symmetries, plan_augmentation, vary_image
from .backend import load_keras
from .errors import DataError
from .files import clear_errors, reserve_space, workspace
from .parallel import progress_bar
from .recipes import Recipe
from .store import Store

__all__ = [
    "Pictures",
    "cache_features",
    "compute_features",
    "make_feed",
    "one_hot",
    "predict_batches",
    "scale_images",
    "still_pictures",
    "training_pictures",
]

# Images per step of a prediction: one shape, so that a network is compiled once for it.
STEP = 32


def scale_images(images: np.ndarray, mode: str = "unit") -> np.ndarray:
    """Grey levels as a network expects them.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (..., 3), uint8.
    mode : {"unit", "caffe", "tf", "torch"}
        "unit" gives 0..1; the others are those of Keras's `preprocess_input`.

    Returns
    -------
    numpy.ndarray
        Same shape, float32.
    """
    if mode == "unit":
        return images.astype(np.float32) / np.float32(255)
    scaled = load_keras().applications.imagenet_utils.preprocess_input(
        images.astype(np.float32), data_format="channels_last", mode=mode
    )
    return np.asarray(scaled, dtype=np.float32)


def one_hot(labels: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Targets of shape (n, classes), float32.

    Raises
    ------
    DataError
        When a label is none of the classes.
    """
    targets = pd.Index(classes).get_indexer(labels)
    if (targets < 0).any():
        raise DataError(
            f"Class {labels.iloc[int(np.argmax(targets < 0))]!r} is none of the data set's.",
            where=f"classes {', '.join(classes)}",
            remedy="Split the cell table of one data set, as `load_cells` gives it.",
        )
    return np.eye(len(classes), dtype=np.float32)[targets]


@dataclass(frozen=True)
class Pictures:
    """What is shown to a network in an epoch: rows of a store, each in one form.

    Attributes
    ----------
    store : Store
    rows : numpy.ndarray
        Shape (n,), row of each picture in the store.
    symmetries : numpy.ndarray
        Shape (n,), uint8, see `augmentation.SYMMETRIES`.
    labels : pandas.Series
        Shape (n,), class names.
    scale : str
        See `scale_images`.
    varied : dict or None
        Settings of `vary_image`, drawn anew in each epoch; None for still pictures.
    """

    store: Store
    rows: np.ndarray
    symmetries: np.ndarray
    labels: pd.Series
    scale: str
    varied: dict | None = None

    def take(self, chosen: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
        """Pictures of an epoch, shape (k, size, size, 3), float32; `seed` is (seed, epoch)."""
        images = apply_symmetries(self.store.images[self.rows[chosen]], self.symmetries[chosen])
        if self.varied is not None:
            images = np.stack(
                [
                    vary_image(image, np.random.default_rng([*seed, int(row)]), **self.varied)
                    for image, row in zip(images, chosen, strict=True)
                ]
            )
        return scale_images(images, self.scale)

    def __len__(self) -> int:
        return len(self.rows)


def training_pictures(
    recipe: Recipe, cells: pd.DataFrame, store: Store, *, samples: int, scale: str
) -> Pictures:
    """Pictures of the training part as the recipe's augmentation gives them.

    Parameters
    ----------
    recipe : Recipe
    cells : pandas.DataFrame
        Rows of the training part.
    store : Store
    samples : int
        Pictures that Augmentor draws; not used by other kinds of augmentation.
    scale : str
        See `scale_images`.

    Returns
    -------
    Pictures
    """
    chosen = recipe.augmentation
    if chosen.kind != "augmentor":
        varied = None
        if chosen.kind == "online":
            names = ("brightness", "contrast", "rotation", "flips")
            varied = {name: getattr(chosen, name) for name in names}
        return still_pictures(cells, store, scale=scale, varied=varied)
    plan = plan_augmentation(
        cells, samples=samples, probability=chosen.probability, seed=chosen.seed
    )
    labels = cells.set_index("image").label[plan.image]
    return Pictures(store, store.rows(plan.image), plan.symmetry.to_numpy(), labels, scale)


def still_pictures(
    cells: pd.DataFrame, store: Store, *, scale: str, varied: dict | None = None
) -> Pictures:
    """Each image of a table once, as it is in the store."""
    symmetries = np.zeros(len(cells), np.uint8)
    return Pictures(store, store.rows(cells.image), symmetries, cells.label, scale, varied)


def make_feed(
    take: Callable[[np.ndarray, tuple[int, int]], np.ndarray],
    targets: np.ndarray,
    *,
    batch: int,
    seed: int,
    outputs: int = 1,
):
    """Shuffled batches for Keras's `fit`.

    Parameters
    ----------
    take : callable
        Gives inputs for an array of positions and a (seed, epoch) pair.
    targets : numpy.ndarray
        Shape (n, units), float32.
    batch : int
        Images per step.
    seed : int
        The order of an epoch depends on (seed, epoch) alone.
    outputs : int
        Number of outputs of the network that learn the same targets.

    Returns
    -------
    keras.utils.PyDataset
        `shuffle(epoch)` sets the order; the callback of the training calls it. Its own
        `on_epoch_end` would not do: Keras calls that before the first epoch too, and a
        training that goes on would count anew.
    """
    keras = load_keras()

    class Feed(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=1)
            self.batches = -(-len(targets) // batch)
            self.shuffle(0)

        def __len__(self) -> int:
            return self.batches

        def __getitem__(self, number: int):
            chosen = self.order[number * batch : (number + 1) * batch]
            wanted = targets[chosen]
            inputs = take(chosen, (seed, self.epoch))
            return inputs, wanted if outputs == 1 else (wanted,) * outputs

        def shuffle(self, epoch: int) -> None:
            self.epoch, self.order = epoch, np.arange(len(targets))
            np.random.default_rng([seed, epoch]).shuffle(self.order)

    return Feed()


def predict_batches(network, take: Callable, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and outputs of a network, shapes (k,) and (k, units), float32.

    The last step is filled up to the size of the others, so that one shape is compiled.
    """
    for start in range(0, count, STEP):
        chosen = np.arange(start, min(start + STEP, count))
        inputs = take(chosen, (0, 0))
        if len(chosen) < STEP:
            fill = np.repeat(inputs[-1:], STEP - len(chosen), axis=0)
            inputs = np.concatenate([inputs, fill])
        outputs = _plain(network.predict_on_batch(inputs))
        yield chosen, outputs[: len(chosen)]


def _plain(outputs) -> np.ndarray:
    return np.asarray(outputs, dtype=np.float32)


def compute_features(backbone, pictures: Pictures, *, progress: bool) -> np.ndarray:
    """Outputs of a frozen backbone, each distinct picture computed once.

    Parameters
    ----------
    backbone : keras.Model
    pictures : Pictures
        Not varied from epoch to epoch.
    progress : bool
        Show a bar.

    Returns
    -------
    numpy.ndarray
        Shape (distinct pictures, ...), float32, in the order of `np.unique` of
        (row, symmetry); on disk, in a file that ends with the process.

    Raises
    ------
    DiskError
        When the disk is full.
    """
    keys = np.unique(_keys(pictures))
    rows, symmetries = keys // 8, (keys % 8).astype(np.uint8)
    distinct = Pictures(
        pictures.store, rows, symmetries, pd.Series([""] * len(rows)), pictures.scale
    )
    features = _disk_array((len(rows), *backbone.output.shape[1:]))
    with progress_bar(total=len(rows), shown=progress, desc="features") as bar:
        for chosen, outputs in predict_batches(backbone, distinct.take, len(rows)):
            features[chosen] = outputs
            bar.update(len(chosen))
    return features


def cache_features(features: np.ndarray, pictures: Pictures) -> Callable:
    """`take` function that looks the features of pictures up; see `compute_features`."""
    keys = _keys(pictures)
    places = np.searchsorted(np.unique(keys), keys)
    return lambda chosen, seed: features[places[chosen]]


def _keys(pictures: Pictures) -> np.ndarray:
    return pictures.rows.astype(np.int64) * 8 + pictures.symmetries


def _disk_array(shape: tuple[int, ...]) -> np.ndarray:
    """Array in a file without a name: it takes no memory, and a kill leaves nothing."""
    folder = workspace() / "_build"
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            size = 4 * int(np.prod(shape))
            file.truncate(size)
            # Reserved first: a memory map on a full disk would kill the process.
            reserve_space(file.fileno(), size)
            return np.memmap(file, np.float32, "r+", shape=shape)
