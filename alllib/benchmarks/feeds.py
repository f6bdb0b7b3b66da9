"""What is fed to networks here: our feed from the store, and Keras's from a directory.

The only module of the benchmarks that knows how our feed is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..architectures import image_scale
from ..backend import describe_device, load_keras
from ..datasets import get_dataset
from ..feeding import AHEAD, make_feed
from ..pictures import Pictures, one_hot, training_pictures
from ..recipes import Recipe, load_recipe
from ..store import Store, open_store
from ..transforms import picture_layer, picture_model

__all__ = ["BATCH", "directory_feed", "fit_feed", "read_feed", "resident_batch", "small_network",
           "training_feed"]  # fmt: skip

BATCH = 32
RECIPE = "mir2019-proposed"  # its augmentation: eight symmetries, drawn by Augmentor's rules


@dataclass(frozen=True)
class TrainingFeed:
    """A feed as `train_recipe` makes it, and the layer that turns what it sends into pictures.

    Attributes
    ----------
    batches : keras.utils.PyDataset
        See `feeding.make_feed`.
    pictures : Pictures
    place : str
        Where pictures are made, see `pictures.PLACES`.
    batch, classes : int
    """

    batches: Any
    pictures: Pictures
    place: str
    batch: int
    classes: int

    def __len__(self) -> int:
        return len(self.batches)

    def layer(self):
        """New layer for a network that is fed with this; see `transforms.picture_layer`."""
        kept = self.pictures.store.images if self.place == "resident" else None
        return picture_layer(self.pictures.scale, kept)

    def close(self) -> None:
        """End the threads that make batches beforehand."""
        self.batches.close()


def training_feed(
    cells: pd.DataFrame,
    size: int,
    *,
    samples: int | None = None,
    store: Store | None = None,
    recipe: Recipe | None = None,
    batch: int = BATCH,
    place: str = "",
) -> TrainingFeed:
    """Feed of a training, shuffled and augmented; the store is built where it is not there.

    Parameters
    ----------
    cells : pandas.DataFrame
    size : int
        Side of the images in pixels.
    samples : int, optional
        Augmented pictures of an epoch; as many as images when not given.
    store : Store, optional
        Of these images; opened when not given, from their whole area.
    recipe : Recipe, optional
        Its augmentation and scaling are used; the report's when not given.
    batch : int
    place : str
        One of `pictures.PLACES`; empty for the one that a training here would take by itself.
    """
    recipe = recipe or load_recipe(RECIPE)
    store = store or open_store(cells, size=size)
    if recipe.augmentation.kind != "augmentor" and samples:  # as many by repeating images
        cells = cells.iloc[np.arange(samples) % len(cells)]
    pictures = training_pictures(
        recipe, cells, store, samples=samples or len(cells), scale=image_scale(recipe, "none")
    )
    classes = get_dataset(recipe.data.dataset).classes
    # Small as they are, the stores of benchmarks always fit on an accelerator.
    place = place or ("host" if describe_device()["kind"] == "cpu" else "resident")
    batches = make_feed(
        partial(pictures.inputs, place=place), one_hot(pictures.labels, classes),
        batch=batch, seed=1, ahead=AHEAD if place != "resident" else 0,
    )  # fmt: skip
    return TrainingFeed(batches, pictures, place, batch, len(classes))


def read_feed(feed: TrainingFeed, epoch: int) -> None:
    """One epoch of our feed, each batch really made: turned, and where it lies in the end."""
    feed.batches.shuffle(epoch)
    layer = None if feed.place == "host" else feed.layer()
    for number in range(len(feed)):
        made = feed.batches[number][0]
        if layer is not None:
            made = layer(made)
    if layer is not None:
        np.asarray(made[0, 0, 0])  # waits for the device


def fit_feed(network, feed: TrainingFeed, epoch: int) -> None:
    """One epoch of `fit` through our feed."""
    feed.batches.shuffle(epoch)
    network.fit(feed.batches, shuffle=False, verbose=0)


def resident_batch(feed: TrainingFeed):
    """The first batch of a feed, ready as float32 in memory, as often as the feed has batches."""
    keras = load_keras()
    chosen = np.arange(min(BATCH, len(feed.pictures)))
    ready = feed.pictures.take(chosen, (1, 0)), feed.batches.gather(chosen)[1]

    class Resident(keras.utils.PyDataset):
        def __len__(self) -> int:
            return len(feed)

        def __getitem__(self, number: int):
            return ready

    return Resident()


def directory_feed(root: str | Path, size: int, *, augmented: bool):
    """What Keras reads from a folder of class folders, shuffled.

    Parameters
    ----------
    root : path-like
    size : int
        Side that images are resized to.
    augmented : bool
        Give float32 from 0 to 1, mirrored and turned at random by Keras's layers. They know no
        turn by a right angle alone, so that any angle is drawn.

    Returns
    -------
    tf.data.Dataset
        Of batches of 32 images and one-hot targets.
    """
    keras = load_keras()
    images = keras.utils.image_dataset_from_directory(
        root, label_mode="categorical", image_size=(size, size), batch_size=BATCH, verbose=False
    )
    if not augmented:
        return images
    layers = [
        keras.layers.Rescaling(1 / 255),
        keras.layers.RandomFlip("horizontal_and_vertical"),
        keras.layers.RandomRotation(0.5),
    ]

    def vary(batch, targets):
        for layer in layers:
            batch = layer(batch, training=True)
        return batch, targets

    # As Keras's own guide has it: varied in parallel on the processor, and prefetched.
    return images.map(vary, num_parallel_calls=-1).prefetch(-1)


def small_network(size: int, *, feed: TrainingFeed | None = None):
    """Three blocks of a 3x3 convolution and a pooling, then the mean of each map; compiled.

    With a feed, the network takes what that sends; without one, float32 images from 0 to 1.
    """
    keras = load_keras()
    layers = [keras.Input((size, size, 3))]
    for filters in (32, 64, 128):
        layers.append(keras.layers.Conv2D(filters, 3, padding="same", activation="relu"))
        layers.append(keras.layers.MaxPooling2D())
    layers.append(keras.layers.GlobalAveragePooling2D())
    layers.append(keras.layers.Dense(2, activation="softmax"))
    network = keras.Sequential(layers)
    if feed is not None:
        network = picture_model(feed.layer(), network)
    network.compile("sgd", "categorical_crossentropy")
    return network
