"""Batches for training and prediction, from pictures or from features computed once.

Every batch of every epoch follows from (seed, epoch, number) alone; feeding needs no
TensorFlow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pandas as pd

from .backend import load_keras
from .files import clear_errors, reserve_space, workspace
from .memory import is_shortage
from .parallel import progress_bar
from .pictures import Pictures

__all__ = ["cache_features", "compute_features", "make_feed", "predict_batches"]

# Images per step of a prediction: one shape, so that a network is compiled once for it.
STEP = 32
# Batches made beforehand, and the threads that make them: enough to hide a slow moment.
AHEAD, THREADS = 4, 2


def make_feed(
    take: Callable[[np.ndarray, tuple[int, int]], np.ndarray | dict[str, np.ndarray]],
    targets: np.ndarray,
    *,
    batch: int,
    seed: int,
    outputs: int = 1,
    weights: np.ndarray | None = None,
    devices: int = 1,
    ahead: int = 0,
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
    weights : numpy.ndarray, optional
        Shape (n,), float32: how much each picture counts in the loss.
    devices : int
        A batch that cannot be dealt out evenly is filled up with pictures that do not count.
    ahead : int
        Batches that threads make beforehand.

    Returns
    -------
    keras.utils.PyDataset
        `shuffle(epoch)` sets the order; the callback of the training calls it. Its own
        `on_epoch_end` would not do: Keras calls that before the first epoch too, and a
        training that goes on would count anew.
        `gather(chosen)` gives a batch of any positions.
    """
    keras = load_keras()

    class Feed(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=1)
            self.batches = -(-len(targets) // batch)
            self.threads = ThreadPoolExecutor(THREADS) if ahead else None
            self.waiting: dict[int, Future] = {}
            self.shuffle(0)

        def __len__(self) -> int:
            return self.batches

        def __getitem__(self, number: int):
            if self.threads is None:
                return self.gather(self.chosen(number))
            for coming in range(number, min(number + ahead + 1, self.batches)):
                if coming not in self.waiting:
                    self.waiting[coming] = self.threads.submit(self.gather, self.chosen(coming))
            return self.waiting.pop(number).result()

        def chosen(self, number: int) -> np.ndarray:
            return self.order[number * batch : (number + 1) * batch]

        def gather(self, chosen: np.ndarray):
            counts = None if weights is None else weights[chosen]
            if devices > 1:  # always with counts: the batches of an epoch must be of one form
                missing = -len(chosen) % devices
                counts = np.ones(len(chosen), np.float32) if counts is None else counts
                # The loss is a mean over all that is sent: it must stay that over the real ones.
                share = np.float32((len(chosen) + missing) / len(chosen))
                counts = np.concatenate([counts * share, np.zeros(missing, np.float32)])
                chosen = np.concatenate([chosen, np.resize(chosen, missing)])
            wanted, inputs = targets[chosen], take(chosen, (seed, self.epoch))
            sent = (inputs, wanted if outputs == 1 else (wanted,) * outputs)
            if counts is None:
                return sent
            return (*sent, counts if outputs == 1 else (counts,) * outputs)

        def shuffle(self, epoch: int) -> None:
            for late in self.waiting.values():
                late.cancel()
            self.waiting = {}
            self.epoch, self.order = epoch, np.arange(len(targets))
            np.random.default_rng([seed, epoch]).shuffle(self.order)

        def close(self) -> None:
            if self.threads is not None:
                self.threads.shutdown(wait=False, cancel_futures=True)

    return Feed()


def predict_batches(
    network, take: Callable, count: int, *, devices: int = 1
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield positions and outputs of a network, shapes (k,) and (k, units), float32.

    The last step is filled up to the size of the others, so that one shape is compiled. A
    step for which the memory does not suffice is halved, and so are those after it.

    Parameters
    ----------
    network : keras.Model
    take : callable
        Gives inputs, an array or a dictionary of arrays, for positions and a seed.
    count : int
        Number of pictures.
    devices : int
        Number of devices that share a step.
    """
    step, start = -(-STEP // devices) * devices, 0
    while start < count:
        chosen = np.arange(start, min(start + step, count))
        inputs = take(np.resize(chosen, step) if len(chosen) < step else chosen, (0, 0))
        try:
            outputs = np.asarray(network.predict_on_batch(inputs), dtype=np.float32)
        except Exception as error:
            if step <= devices or not is_shortage(error):
                raise
            step = max(1, step // (2 * devices)) * devices
            continue
        yield chosen, outputs[: len(chosen)]
        start += len(chosen)


def compute_features(
    backbone, pictures: Pictures, *, progress: bool, devices: int = 1
) -> np.ndarray:
    """Outputs of a frozen backbone, each distinct picture computed once.

    Parameters
    ----------
    backbone : keras.Model
    pictures : Pictures
        Not varied from epoch to epoch.
    progress : bool
        Show a bar.
    devices : int
        Number of devices that share a step.

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
        found = predict_batches(backbone, distinct.take, len(rows), devices=devices)
        for chosen, outputs in found:
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
