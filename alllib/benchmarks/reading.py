"""How fast an epoch of our feed is read, and how that grows with the number of images."""

from __future__ import annotations

import itertools
import statistics

from .feeds import directory_feed, read_feed, training_feed
from .scene import Scene

__all__ = ["bench_epoch_scaling", "bench_read"]


def bench_read(scene: Scene, *, size: int, passes: int = 5) -> dict:
    """Images/s of epochs of our feed against a pass over Keras's directory reader.

    Both are ready: the store is built, the directory is listed. An epoch of ours is so short
    that a round takes several.
    """
    cells = scene.cells()
    feed = training_feed(cells, size)
    directory = directory_feed(scene.linked(cells), size, augmented=False)
    epochs = itertools.count()

    def ours() -> None:
        for _ in range(passes):
            read_feed(feed, next(epochs))

    def peer() -> None:
        for _ in directory:
            pass

    found = scene.measure(
        ours, peer, passes * len(cells), peer_amount=len(cells), unit="images/s", warm=True
    )
    feed.close()
    return found | {"scale": f"{len(cells):,} images"}


def bench_epoch_scaling(
    scene: Scene, *, size: int = 64, images: int = 5000, factor: int = 4
) -> dict:
    """Time per image of an epoch of `factor` times the images against one of the images."""
    feeds = {
        "ours": training_feed(scene.noise(factor * images, size), size),
        "peer": training_feed(scene.noise(images, size), size),
    }
    epochs = itertools.count()
    times = scene.measure_times(
        {name: lambda feed=feed: read_feed(feed, next(epochs)) for name, feed in feeds.items()},
        warm=True, rounds=7,
    )  # fmt: skip
    for feed in feeds.values():
        feed.close()
    amounts = {"ours": factor * images, "peer": images}
    taken = {name: 1e6 * statistics.median(times[name]) / amounts[name] for name in times}
    return {
        "value": taken["ours"] / taken["peer"], **taken, "unit": "µs/image",
        "scale": f"{factor * images:,} and {images:,} images of {size} pixels",
    }  # fmt: skip
