"""How much of the speed of `fit` is left when images come through a feed."""

from __future__ import annotations

import itertools

from .feeds import (
    TrainingFeed,
    directory_feed,
    fit_feed,
    resident_batch,
    small_network,
    training_feed,
)
from .scene import Scene

__all__ = ["bench_fit_directory", "bench_fit_resident"]

# Fewer images where a step takes longer: some seconds an epoch on two cores.
IMAGES = {64: 2000, 224: 256}


def bench_fit_resident(scene: Scene, *, size: int, images: int | None = None) -> dict:
    """Images/s of `fit` through our feed, augmented, against one batch over and over."""
    feed = training_feed(scene.cells(images or IMAGES[size]), size)
    return _fitted(scene, feed, size, resident_batch(feed))


def bench_fit_directory(scene: Scene, *, size: int, images: int | None = None) -> dict:
    """Images/s of `fit` through our feed, augmented, against Keras's directory reader with its
    augmentation layers."""
    cells = scene.cells(images or IMAGES[size])
    other = directory_feed(scene.linked(cells), size, augmented=True)
    return _fitted(scene, training_feed(cells, size), size, other)


def _fitted(scene: Scene, feed: TrainingFeed, size: int, other) -> dict:
    """`fit` of the same network, through our feed and on something else that Keras takes."""
    ours, peer, epochs = small_network(size, feed=feed), small_network(size), itertools.count()
    images = len(feed.pictures)
    found = scene.measure(
        lambda: fit_feed(ours, feed, next(epochs)),
        lambda: peer.fit(other, shuffle=False, verbose=0),
        images, unit="images/s", warm=True,
    )  # fmt: skip
    feed.close()
    return found | {"scale": f"{images:,} images an epoch"}
