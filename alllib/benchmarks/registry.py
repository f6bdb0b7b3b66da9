"""What is measured, in which unit, and what it should reach: the one place that says so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import ParameterError, suggest

__all__ = ["BENCHMARKS", "GPU_TARGETS", "Benchmark", "find_benchmarks", "meets"]


@dataclass(frozen=True)
class Benchmark:
    """A figure of the book's page on speed.

    Attributes
    ----------
    key : str
        Its name on the command line and in JSON.
    measured : str
        What `value` is: ours against what.
    sense : {"at least", "at most", "above"}
    target : float
        In `unit_of_value`.
    place : str
        `module:function` below `alllib.benchmarks`; called with a `Scene`.
    settings : dict
        Keyword arguments of the function.
    needs : str
        Package that the other way needs, where that is no dependency of ours.
    unit_of_value : str
        "times" for a ratio, else the unit of `value`.
    """

    key: str
    measured: str
    sense: str
    target: float
    place: str
    settings: dict = field(default_factory=dict)
    needs: str = ""
    unit_of_value: str = "times"

    def met(self, value: float) -> bool:
        """Whether a value reaches the target; see `meets`."""
        return meets(value, self.sense, self.target)


def meets(value: float, sense: str, target: float) -> bool:
    """Whether a value reaches a target; one that is not finite never does.

    Parameters
    ----------
    value : float
    sense : {"at least", "at most", "above"}
    target : float
    """
    if not math.isfinite(value):
        return False
    return {
        "at least": value >= target, "at most": value <= target, "above": value > target,
    }[sense]  # fmt: skip


_DIRECTORY = "keras.utils.image_dataset_from_directory"
BENCHMARKS = (
    Benchmark(
        "store_build_vs_decode_limit",
        "images/s of building the store (450x450 BMP, crop 400, antialiased resize to 224) "
        "against the same decoding, cropping and resizing in a bare loop on all cores that "
        "writes nothing",
        "at least", 0.90, "stores:bench_store_build",
    ),
    *(
        Benchmark(
            f"read_vs_keras_directory_{size}",
            f"images/s of our feed from the store at {size} pixels, shuffled and augmented, "
            f"against one pass of {_DIRECTORY} over the same 450x450 BMP files",
            "at least", target, "reading:bench_read", {"size": size}, "tensorflow",
        )
        for size, target in ((64, 20), (224, 3))
    ),
    *(
        Benchmark(
            f"fit_vs_resident_batch_{size}",
            f"images/s of fit through our feed with augmentation at {size} pixels against "
            "fit on one batch in memory, over and over; the same small network",
            "at least", target, "fitting:bench_fit_resident", {"size": size},
        )
        for size, target in ((64, 0.90), (224, 0.95))
    ),
    *(
        Benchmark(
            f"fit_vs_keras_directory_{size}",
            f"images/s of fit through our feed with augmentation at {size} pixels against "
            f"fit on {_DIRECTORY} with Keras's augmentation layers; the same small network",
            "above", 1.0, "fitting:bench_fit_directory", {"size": size}, "tensorflow",
        )
        for size in (64, 224)
    ),
    Benchmark(
        "augment_offline_vs_augmentor",
        "pictures/s of our offline augmentation, files written, against Augmentor as the "
        "report ran it",
        "at least", 3, "stores:bench_augment_offline",
    ),
    Benchmark(
        "augment_online_vs_augmentor",
        "augmented 150x150 training images/s over 10 epochs, drawn anew in each, the store's "
        "build included, against the report's way to as many: Augmentor's files, decoded, "
        "cropped and resized",
        "at least", 10, "augmenting:bench_augment_online",
    ),
    Benchmark(
        "bootstrap_vs_sklearn_loop",
        "resamples/s of all metrics, subjects drawn, against a loop over scikit-learn",
        "at least", 50, "resampling:bench_bootstrap",
    ),
    Benchmark(
        "peak_memory_ratio",
        "peak resident memory of an epoch over 20,000 images at 150x150, less what the "
        "imports take, against the report's float32 array of these images",
        "at most", 0.35, "memory:bench_peak_memory",
    ),
    Benchmark(
        "epoch_scaling",
        "time per image of an epoch with four times the images against that with the images",
        "at most", 1.10, "reading:bench_epoch_scaling",
    ),
    Benchmark(
        "batch_overhead",
        "seconds that a notebook takes in a batch beyond its cells' own time",
        "at most", 3, "batches:bench_batch_overhead", unit_of_value="s",
    ),
)  # fmt: skip

# Of `alllib bench --gpu`, for each architecture: name of the figure, sense, target, and the
# recipe that it is asked of (empty: every one).
GPU_TARGETS = (
    ("value", "at least", 3.0, ""),
    ("input_wait", "at most", 0.03, ""),
    ("ours", "at least", 2400.0, "mir2019-resnet50"),
)


def find_benchmarks(keys: Iterable[str] | None = None) -> list[Benchmark]:
    """Benchmarks by key, in the order of the registry; all when none is named.

    Raises
    ------
    ParameterError
        When a key is unknown; the nearest is suggested.
    """
    known = {entry.key: entry for entry in BENCHMARKS}
    wanted = list(keys or known)
    for key in wanted:
        if key not in known:
            raise ParameterError(
                f"There is no benchmark {key!r}.",
                where="alllib bench",
                remedy=suggest(key, known),
            )
    return [entry for entry in BENCHMARKS if entry.key in wanted]
