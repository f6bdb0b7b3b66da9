"""What must be known of the machine and of Keras's backend; the only place that asks it."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from .errors import DependencyError

if TYPE_CHECKING:
    import keras

__all__ = ["describe_device", "gradient", "load_keras", "package_versions", "peak_memory",
           "thread_count"]  # fmt: skip

PACKAGES = ("keras", "tensorflow", "tensorflow-cpu", "jax", "torch", "numpy", "pandas",
            "pillow", "scikit-learn", "Augmentor")  # fmt: skip


def load_keras() -> ModuleType:
    """Import Keras with the backend that `KERAS_BACKEND` names, TensorFlow otherwise.

    Raises
    ------
    DependencyError
        When Keras or its backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" in sys.modules:
        return sys.modules["keras"]
    try:
        with _quiet_start():
            return import_module("keras")
    except (ImportError, ValueError) as error:  # ValueError: the backend's name is not known
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise DependencyError(
            f"Keras cannot be loaded with backend {backend!r}: {error}.",
            remedy="Install it with `pip install 'alllib[training]'`, or set KERAS_BACKEND to "
            "jax or torch where one of these is installed.",
        ) from error


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Hide what TensorFlow's C++ part prints while it loads, which no setting silences and
    which would stand on every page. Exceptions are not touched."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def gradient(
    function: Callable[[keras.KerasTensor], keras.KerasTensor], values: np.ndarray
) -> np.ndarray:
    """Gradient of the sum of `function(values)` with respect to `values`.

    Keras leaves differentiation to its backend; this is the one place that asks for it.

    Parameters
    ----------
    function : callable
        Takes a tensor of the active backend and returns one, through `keras.ops` and layers
        called with `training=False` alone.
    values : numpy.ndarray
        Any shape; taken as float32.

    Returns
    -------
    numpy.ndarray
        Shape of `values`, float32; zero where the function does not depend on them.

    Raises
    ------
    DependencyError
        When Keras or its backend is not installed, or is one that has no gradient here.
    """
    keras = load_keras()
    backend = keras.backend.backend()
    if backend not in _GRADIENTS:
        raise DependencyError(
            f"Gradients are not to be had with backend {backend!r}.",
            remedy=f"Set KERAS_BACKEND to one of {', '.join(_GRADIENTS)}.",
        )

    def total(inputs):
        return keras.ops.sum(function(inputs))

    return _GRADIENTS[backend](total, np.asarray(values, np.float32))


def _tensorflow_gradient(total: Callable, values: np.ndarray) -> np.ndarray:
    tensorflow = import_module("tensorflow")
    inputs = tensorflow.constant(values)
    # Not the network's weights: a tape that watches them keeps every map of the network.
    with tensorflow.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        result = total(inputs)
    slopes = tape.gradient(result, inputs, unconnected_gradients="zero")
    return tensorflow.convert_to_tensor(slopes).numpy()


def _jax_gradient(total: Callable, values: np.ndarray) -> np.ndarray:
    jax = import_module("jax")
    return np.array(jax.grad(total)(jax.numpy.asarray(values)))  # a copy: JAX's is read-only


def _torch_gradient(total: Callable, values: np.ndarray) -> np.ndarray:
    torch = import_module("torch")
    inputs = load_keras().ops.convert_to_tensor(values).detach().clone().requires_grad_()
    with torch.enable_grad():
        result = total(inputs)
    if not result.requires_grad:  # the function used no input
        return np.zeros_like(values)
    (slopes,) = torch.autograd.grad(result, inputs, allow_unused=True)
    return np.zeros_like(values) if slopes is None else slopes.cpu().numpy()


_GRADIENTS = {
    "tensorflow": _tensorflow_gradient, "jax": _jax_gradient, "torch": _torch_gradient,
}  # fmt: skip


def describe_device() -> dict[str, str | int]:
    """Backend and device that a network is trained on.

    Returns
    -------
    dict
        `backend`, `device` (name of the GPU, else of the processor), `kind` ("gpu" or
        "cpu"), `threads`, `system`.
    """
    keras = load_keras()
    gpu = _gpu_name(keras.backend.backend())
    return {
        "backend": keras.backend.backend(),
        "kind": "gpu" if gpu else "cpu",
        "device": gpu or _processor_name(),
        "threads": thread_count(),
        "system": platform.system(),
    }


def _gpu_name(backend: str) -> str | None:
    library = sys.modules.get({"torch": "torch", "jax": "jax"}.get(backend, "tensorflow"))
    if library is None:
        return None
    if backend == "torch":
        return library.cuda.get_device_name(0) if library.cuda.is_available() else None
    if backend == "jax":
        device = library.devices()[0]
        return device.device_kind if device.platform == "gpu" else None
    devices = library.config.list_physical_devices("GPU")
    if not devices:
        return None
    return library.config.experimental.get_device_details(devices[0]).get("device_name", "GPU")


def _processor_name() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    except OSError:
        names = []
    return names[0] if names else platform.processor() or platform.machine()


def thread_count() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result depends on."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes."""
    # `getrusage` would do, but on Linux a process inherits there the peak of the one that
    # started it: a small notebook started by a large process would be credited with that.
    with contextlib.suppress(OSError, StopIteration), open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
