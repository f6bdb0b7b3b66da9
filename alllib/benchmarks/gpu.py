"""Each architecture on an accelerator: the sources' float32 against our settings."""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from tqdm import tqdm

from ..architectures import build_network, inference_model
from ..backend import best_precision, describe_device, load_keras, set_tensor_float
from ..datasets import get_dataset
from ..errors import DependencyError, TrainingError
from ..fitting import policy
from ..layers import count_flops
from ..memory import clear_shortage
from ..recipes import Recipe, list_recipes, load_recipe
from ..transforms import picture_model
from .feeds import TrainingFeed, training_feed
from .scene import Scene

__all__ = ["bench_recipe", "matrix_peak", "run_gpu_benchmarks"]

IMAGES = 512  # of the store
BACKWARD = 3  # operations of a training step for each of the forward pass


def run_gpu_benchmarks(
    recipes: Iterable[str] | None = None,
    *,
    progress: bool = True,
    anywhere: bool = False,
    matrix: int = 8192,
    **sizes: int,
) -> dict[str, dict]:
    """Training speed of each recipe's network at its own input and batch.

    Parameters
    ----------
    recipes : iterable of str, optional
        All when not given.
    progress : bool
        Show on stderr which one is measured.
    anywhere : bool
        Also where there is no accelerator; tests use it.
    matrix : int
        Side of the matrices that the peak is measured with.
    **sizes
        See `bench_recipe`.

    Returns
    -------
    dict of str to dict
        `gpu_<recipe>` to what `bench_recipe` gives.

    Raises
    ------
    RecipeError
        When a recipe is unknown.
    DependencyError
        When there is no accelerator.
    """
    device = describe_device()
    if device["kind"] == "cpu" and not anywhere:
        raise DependencyError(
            f"Keras with the backend {device['backend']!r} sees no GPU here.",
            where="alllib bench --gpu",
            remedy="Run it on a machine with a GPU, and set KERAS_BACKEND to a backend that was "
            "installed for it (tensorflow, jax or torch).",
        )
    wanted = [load_recipe(name) for name in recipes or list_recipes()]
    peaks = {kind: matrix_peak(kind, side=matrix) for kind in ("float32", best_precision())}
    found = {}
    with (
        tqdm(total=len(wanted), unit="recipe", disable=None if progress else True) as bar,
        Scene(told=bar.set_postfix_str) as scene,
    ):
        for recipe in wanted:
            bar.set_description(recipe.name)
            try:
                measured = bench_recipe(scene, recipe, peaks, **sizes)
            except TrainingError as error:  # what the others reach is worth having all the same
                measured = {"value": None, "ours": None, "peer": None, "unit": "images/s"}
                measured["failed"] = str(error)
            found[f"gpu_{recipe.name}"] = measured
            bar.update()
    return found


def bench_recipe(
    scene: Scene,
    recipe: Recipe,
    peaks: dict[str, float],
    *,
    size: int = 0,
    batch: int = 0,
    steps: int = 100,
    rounds: int = 3,
) -> dict:
    """Images/s of `fit`, all weights trained, from random ones.

    Parameters
    ----------
    scene : Scene
    recipe : Recipe
    peaks : dict of str to float
        Operations/s of large products by policy, see `matrix_peak`.
    size, batch : int
        0 for the recipe's own.
    steps : int
        Of a call of `fit`.
    rounds : int

    Returns
    -------
    dict
        `ours` (images/s in our precision, compiled), `peer` (float32 without TF32, on one batch
        in memory), `value`, `unit`; `peak_share` (of the measured peak of matrix products in
        our precision), `input_wait` (share of the time in which `fit` waits for a batch),
        `resident` (images/s of ours on one batch in memory), `size`, `batch`, `precision`,
        `matrix_peak` (TFLOP/s).
    """
    size, batch = size or recipe.images.input, batch or recipe.training.batch
    precision = best_precision()
    cells = scene.noise(IMAGES, size, get_dataset(recipe.data.dataset).classes)
    feed = training_feed(cells, size, samples=steps * batch, recipe=recipe, batch=batch)
    with clear_shortage(batch):
        with set_tensor_float(True):
            network = _compiled(recipe, feed, size, precision, jit="auto")
            flops = BACKWARD * count_flops(inference_model(network.network))
            through = [_rate(network, feed, steps, keep=False) for _ in range(rounds + 1)][1:]
            resident = [_rate(network, feed, steps, keep=True) for _ in range(rounds + 1)][1:]
        del network
        _free()
        scene.told("float32")
        with set_tensor_float(False):
            # JAX without compilation would run each operation by itself, as no source did.
            jit = load_keras().backend.backend() == "jax"
            network = _compiled(recipe, feed, size, "float32", jit=jit)
            plain = [_rate(network, feed, steps, keep=True) for _ in range(rounds + 1)][1:]
        del network
        _free()
    feed.close()
    ours, wait = (statistics.median(column) for column in zip(*through, strict=True))
    peer = statistics.median(rate for rate, _ in plain)
    return {
        "value": ours / peer, "ours": ours, "peer": peer, "unit": "images/s",
        "peak_share": ours * flops / peaks[precision], "input_wait": wait,
        "resident": statistics.median(rate for rate, _ in resident),
        "size": size, "batch": batch, "precision": precision,
        "matrix_peak": peaks[precision] / 1e12,
    }  # fmt: skip


def _compiled(recipe: Recipe, feed: TrainingFeed, size: int, precision: str, *, jit):
    keras = load_keras()
    with policy(precision):
        network = build_network(
            recipe, classes=feed.classes, input_size=size, weights="none", backbone="trained"
        )
    optimizer = keras.optimizers.SGD(1e-4)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    loss = [recipe.training.loss] * len(network.outputs)
    model = picture_model(feed.layer(), network)
    model.compile(optimizer, loss if len(loss) > 1 else loss[0], jit_compile=jit)
    return model


def _rate(network, feed: TrainingFeed, steps: int, *, keep: bool) -> tuple[float, float]:
    """Images/s of a call of `fit`, and the share of its time spent on waiting for batches."""
    keras = load_keras()
    feed.batches.shuffle(0)
    units, several = network.network.outputs[0].shape[-1], len(network.network.outputs)
    first = _fitted_targets(feed.batches[0], units, several) if keep else None
    if keep:
        feed.batches.shuffle(0)
    waited = [0.0]

    class Watched(keras.utils.PyDataset):
        def __len__(self) -> int:
            return steps

        def __getitem__(self, number: int) -> Any:
            started = time.perf_counter()
            made = first or _fitted_targets(feed.batches[number], units, several)
            waited[0] += time.perf_counter() - started
            return made

    started = time.perf_counter()
    network.fit(Watched(workers=1), shuffle=False, verbose=0)
    taken = time.perf_counter() - started
    return steps * feed.batch / taken, waited[0] / taken


def _fitted_targets(sent: tuple, units: int, several: int) -> tuple:
    """A feed's batch with targets as the network's outputs want them."""
    wanted = sent[1][:, -units:]
    return sent[0], wanted if several == 1 else (wanted,) * several


def _free() -> None:
    """Give the device's memory back before the next network."""
    load_keras().utils.clear_session()
    gc.collect()


def matrix_peak(precision: str, *, side: int = 8192, products: int = 20, rounds: int = 5) -> float:
    """Operations/s of large matrix products, the best of several rounds.

    Parameters
    ----------
    precision : str
        A policy; "mixed_bfloat16" stands for bfloat16. float32 is measured without TF32.
    side : int
    products, rounds : int
        Products of a round, each of the one before, and rounds.

    Returns
    -------
    float
    """
    ops, kind = load_keras().ops, precision.removeprefix("mixed_")
    # Of such a size that products of products stay in the range of float16.
    draw = np.random.default_rng(1).standard_normal((side, side), np.float32)
    matrix = ops.cast(ops.convert_to_tensor(draw / (2 * np.sqrt(side))), kind)
    best = 0.0
    with set_tensor_float(False) if kind == "float32" else contextlib.nullcontext():
        for number in range(rounds + 1):
            started, product = time.perf_counter(), matrix
            for _ in range(products):
                product = ops.matmul(matrix, product)
            float(ops.convert_to_numpy(ops.cast(product[0, 0], "float32")))  # waits
            if number:
                best = max(best, 2 * side**3 * products / (time.perf_counter() - started))
    return best
