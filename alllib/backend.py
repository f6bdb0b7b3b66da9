"""What must be known of the machine and of Keras's backend; the only place that asks it."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import subprocess
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

__all__ = ["best_precision", "data_parallel", "describe_device", "device_memory",
           "double_precision", "gradient",
           "load_keras", "make_deterministic", "package_versions", "peak_memory", "processor_name",
           "set_epoch_seed", "set_seed", "set_tensor_float", "thread_count"]  # fmt: skip

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
        "device": gpu or processor_name(),
        "threads": thread_count(),
        "system": platform.system(),
    }


def best_precision() -> str:
    """Keras's policy that suits the device: half precision where its matrix units have it.

    Returns
    -------
    str
        "mixed_bfloat16" on GPUs of compute capability 8.0 or more (A100, L4, H100) and on
        TPUs, "mixed_float16" from 7.0 on (V100, T4), else "float32".
    """
    keras = load_keras()
    if keras.backend.backend() == "jax" and import_module("jax").default_backend() == "tpu":
        return "mixed_bfloat16"
    capability = _CAPABILITIES[keras.backend.backend()]()
    if capability is None or capability < (7, 0):
        return "float32"
    return "mixed_bfloat16" if capability >= (8, 0) else "mixed_float16"


def _tensorflow_capability() -> tuple[int, int] | None:
    config = import_module("tensorflow").config
    found = [
        config.experimental.get_device_details(device).get("compute_capability")
        for device in config.list_physical_devices("GPU")
    ]
    return min(filter(None, found), default=None)


def _jax_capability() -> tuple[int, int] | None:
    devices = [d for d in import_module("jax").devices() if d.platform == "gpu"]
    found = [str(getattr(device, "compute_capability", "0.0")).split(".") for device in devices]
    return min(((int(major), int(minor)) for major, minor in found), default=None)


def _torch_capability() -> tuple[int, int] | None:
    cuda = import_module("torch").cuda
    return cuda.get_device_capability(0) if cuda.is_available() else None


_CAPABILITIES = {
    "tensorflow": _tensorflow_capability, "jax": _jax_capability, "torch": _torch_capability,
}  # fmt: skip


def device_memory() -> int | None:
    """Memory of the accelerator in bytes; None where there is none, or it cannot be asked."""
    backend = load_keras().backend.backend()
    if _gpu_name(backend) is None:
        return None
    if backend == "jax":
        return (import_module("jax").devices()[0].memory_stats() or {}).get("bytes_limit")
    if backend == "torch":
        return import_module("torch").cuda.mem_get_info()[1]
    # TensorFlow tells what it has taken, not what there is.
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60)
        return min(int(line) for line in done.stdout.split()) << 20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def make_deterministic() -> None:
    """Let a GPU compute the same bits each time, at some cost in speed; a processor does anyway.

    Raises
    ------
    DependencyError
        When JAX runs already and was started without it.
    """
    backend = load_keras().backend.backend()
    if backend == "tensorflow":
        import_module("tensorflow").config.experimental.enable_op_determinism()
    elif backend == "torch":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        import_module("torch").use_deterministic_algorithms(True)
    elif _gpu_name(backend) and "--xla_gpu_deterministic_ops=true" not in os.environ.get(
        "XLA_FLAGS", ""
    ):
        raise DependencyError(
            "JAX reads at its start whether it shall be deterministic.",
            remedy="Set XLA_FLAGS=--xla_gpu_deterministic_ops=true in the environment and run "
            "the same command again.",
        )


def set_seed(seed: int) -> None:
    """Seed Python, NumPy, Keras and its backend."""
    keras = load_keras()
    # Keras seeds TensorFlow too where that is installed, and loads it for this.
    with _quiet_start() if "tensorflow" not in sys.modules else contextlib.nullcontext():
        keras.utils.set_random_seed(seed)


def set_epoch_seed(seed: int, epoch: int) -> None:
    """Let what PyTorch's dropout draws in an epoch follow from seed and epoch.

    It draws from a generator of the process. With the other backends each dropout layer has a
    state of its own, which is saved with the network.
    """
    if load_keras().backend.backend() == "torch":
        import_module("torch").manual_seed(
            int(np.random.default_rng([seed, epoch]).integers(2**31))
        )


@contextlib.contextmanager
def set_tensor_float(allowed: bool) -> Iterator[None]:
    """Let float32 products on a GPU use TF32's shorter fractions, or not, in the block."""
    backend = load_keras().backend.backend()
    if backend == "tensorflow":
        config = import_module("tensorflow").config.experimental
        before = config.tensor_float_32_execution_enabled()
        config.enable_tensor_float_32_execution(allowed)
        try:
            yield
        finally:
            config.enable_tensor_float_32_execution(before)
    elif backend == "jax":
        with import_module("jax").default_matmul_precision(
            "tensorfloat32" if allowed else "highest"
        ):
            yield
    else:
        backends = import_module("torch").backends
        places = (backends.cuda.matmul, backends.cudnn)
        before = [place.allow_tf32 for place in places]
        for place in places:
            place.allow_tf32 = allowed
        try:
            yield
        finally:
            for place, kept in zip(places, before, strict=True):
                place.allow_tf32 = kept


@contextlib.contextmanager
def data_parallel(devices: int) -> Iterator[None]:
    """Share each batch of what is built and trained in the block among several devices.

    Keras's own data parallelism, which it has for JAX alone; a network's batch statistics are
    those of the whole batch.

    Parameters
    ----------
    devices : int
        1 changes nothing.

    Raises
    ------
    DependencyError
        When the backend cannot, or has fewer devices.
    """
    if devices == 1:
        yield
        return
    keras = load_keras()
    if keras.backend.backend() != "jax":
        raise DependencyError(
            f"Keras trains on several devices with JAX, not with {keras.backend.backend()}.",
            where="devices",
            remedy="Set KERAS_BACKEND=jax, or use one device.",
        )
    found = keras.distribution.list_devices()
    if len(found) < devices:
        raise DependencyError(
            f"{devices} devices are wanted, and there are {len(found)}.",
            where="devices",
            remedy=f"Ask for at most {len(found)}.",
        )
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=found[:devices], auto_shard_dataset=False)
    )
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


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


def processor_name() -> str:
    """Name of the processor."""
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


@contextlib.contextmanager
def double_precision() -> Iterator[None]:
    """Let JAX compute in double precision, which it cuts to single unless it is told; the other
    backends need no telling. A context manager, and a decorator.
    """
    if load_keras().backend.backend() != "jax":
        yield
        return
    jax = import_module("jax")
    place = jax if hasattr(jax, "enable_x64") else import_module("jax.experimental")
    with place.enable_x64(True):
        yield
