"""The machine and Keras's backend: clear errors, and nothing else that asks TensorFlow."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from alllib import backend
from alllib.backend import (
    best_precision,
    data_parallel,
    describe_device,
    device_memory,
    gradient,
    load_keras,
    make_deterministic,
    package_versions,
    peak_memory,
    set_tensor_float,
    thread_count,
)
from alllib.errors import DependencyError

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = REPOSITORY / "alllib"


def run(text: str, **environment) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", text],
        cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip


def test_keras_is_loaded_once():
    keras = load_keras()
    assert keras is load_keras() and keras.backend.backend() == "tensorflow"


def test_loading_keras_says_nothing():
    done = run("from alllib.backend import load_keras; load_keras(); print('done')")
    assert done.returncode == 0 and done.stdout == "done\n" and done.stderr == ""


def test_errors_after_loading_are_seen():
    done = run("import sys\nfrom alllib.backend import load_keras\nload_keras()\nsys.exit('seen')")
    assert "seen" in done.stderr and done.returncode == 1


@pytest.mark.parametrize("backend", ["torch", "jax", "nonsense"])
def test_a_backend_that_is_not_there_is_said_clearly(backend):
    if backend != "nonsense" and find_spec(backend):
        pytest.skip(f"{backend} is installed")
    text = (
        "from alllib.backend import load_keras\nfrom alllib.errors import DependencyError\n"
        "for _ in range(2):\n"  # the second time too, though modules were left half loaded
        "    try: load_keras()\n    except DependencyError as error: print(error)"
    )
    done = run(text, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"backend '{backend}'") == 2
    assert done.stdout.count("alllib[training]") == 2


def test_the_device_is_described_in_plain_words():
    device = describe_device()
    assert set(device) == {"backend", "kind", "device", "threads", "system"}
    assert device["kind"] in ("cpu", "gpu") and device["device"]
    assert device["threads"] == thread_count() >= 1
    assert json.loads(json.dumps(device)) == device


def test_versions_name_what_a_result_depends_on():
    versions = package_versions()
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"keras", "numpy", "pandas", "scikit-learn", "Augmentor"} <= set(versions)
    assert "tensorflow" in versions or "tensorflow-cpu" in versions


def test_peak_memory_grows_with_use_and_is_in_bytes():
    text = (
        "from alllib.backend import peak_memory\nbefore = peak_memory()\n"
        "block = b'x' * 300_000_000\nprint(peak_memory() - before)"
    )
    assert 250_000_000 < int(run(text).stdout) < 400_000_000
    assert peak_memory() > 10_000_000


def test_the_gradient_is_that_of_the_sum():
    keras = load_keras()
    values = np.array([[1.0, -2.0], [0.5, 3.0]])
    cubes = gradient(lambda inputs: inputs**3, values)
    np.testing.assert_allclose(cubes, 3 * values**2, rtol=1e-5)
    assert cubes.dtype == np.float32 and cubes.flags.writeable
    product = gradient(lambda inputs: keras.ops.prod(inputs, axis=1), values)
    np.testing.assert_allclose(product, values[:, ::-1], rtol=1e-5)
    np.testing.assert_array_equal(gradient(lambda inputs: inputs[:1] * 2, [[1], [7]]), [[2], [0]])


def test_the_gradient_passes_a_network_in_inference():
    """Normalisation by the moving mean 1 and variance 3, and no dropout."""
    keras = load_keras()
    layers = [keras.layers.BatchNormalization(epsilon=1), keras.layers.Dropout(0.9)]
    model = keras.Sequential([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    ones = np.ones(2)
    model.set_weights([ones, 0 * ones, ones, 3 * ones, np.array([[4], [-6]]), np.ones(1)])
    before = model.get_weights()
    slopes = gradient(lambda inputs: model(inputs, training=False), np.eye(2))
    np.testing.assert_allclose(slopes, [[2, -3]] * 2, rtol=1e-5)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)


def test_the_gradient_is_zero_where_nothing_depends_on_the_values():
    keras = load_keras()
    for function in (
        lambda inputs: keras.ops.ones((3,)),
        lambda inputs: keras.ops.stop_gradient(inputs),
    ):
        np.testing.assert_array_equal(gradient(function, np.ones((2, 2))), np.zeros((2, 2)))


def test_the_gradient_passes_16_bits():
    keras = load_keras()
    slopes = gradient(lambda inputs: 3 * keras.ops.cast(inputs, "float16"), np.ones(4))
    assert slopes.dtype == np.float32
    np.testing.assert_array_equal(slopes, np.full(4, 3))


# Precision and devices ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("capability", "wanted"),
    [
        (None, "float32"),  # no GPU
        ((6, 1), "float32"),  # P4, P40: no matrix units
        ((7, 0), "mixed_float16"),  # V100
        ((7, 5), "mixed_float16"),  # T4
        ((8, 0), "mixed_bfloat16"),  # A100
        ((8, 9), "mixed_bfloat16"),  # L4
        ((9, 0), "mixed_bfloat16"),  # H100
        ((10, 0), "mixed_bfloat16"),
        ((12, 0), "mixed_bfloat16"),
    ],
)
def test_the_precision_suits_the_device(monkeypatch, capability, wanted):
    monkeypatch.setitem(backend._CAPABILITIES, "tensorflow", lambda: capability)
    assert best_precision() == wanted


def test_a_processor_keeps_full_precision():
    if describe_device()["kind"] == "gpu":
        pytest.skip("there is a GPU here")
    assert best_precision() == "float32" and device_memory() is None


def fake_library(monkeypatch, name: str, library) -> None:
    """Let the module that asks a backend's library get this one."""
    real = backend.import_module
    monkeypatch.setattr(
        backend, "import_module", lambda wanted: library if wanted == name else real(wanted)
    )


def test_of_several_gpus_the_least_able_decides(monkeypatch):
    """A batch is shared by all of them."""
    details = {"a": {"compute_capability": (9, 0)}, "b": {"compute_capability": (7, 5)}, "c": {}}
    config = SimpleNamespace(
        list_physical_devices=lambda kind: list(details),
        experimental=SimpleNamespace(get_device_details=details.get),
    )
    fake_library(monkeypatch, "tensorflow", SimpleNamespace(config=config))
    assert backend._tensorflow_capability() == (7, 5)
    details.clear()
    assert backend._tensorflow_capability() is None


def test_jax_names_capabilities_as_text(monkeypatch):
    devices = [
        SimpleNamespace(platform="gpu", compute_capability="10.0"),
        SimpleNamespace(platform="gpu", compute_capability="9.0"),
        SimpleNamespace(platform="cpu"),
    ]
    fake_library(monkeypatch, "jax", SimpleNamespace(devices=lambda: devices))
    assert backend._jax_capability() == (9, 0), "compared as numbers, not as text"
    del devices[:2]
    assert backend._jax_capability() is None


def test_torch_is_asked_only_where_it_has_a_gpu(monkeypatch):
    cuda = SimpleNamespace(is_available=lambda: False, get_device_capability=lambda number: (8, 6))
    fake_library(monkeypatch, "torch", SimpleNamespace(cuda=cuda))
    assert backend._torch_capability() is None
    cuda.is_available = lambda: True
    assert backend._torch_capability() == (8, 6)


def test_a_tpu_has_bfloat16(monkeypatch):
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setattr(backend, "load_keras", lambda: keras)
    fake_library(monkeypatch, "jax", SimpleNamespace(default_backend=lambda: "tpu"))
    assert best_precision() == "mixed_bfloat16"


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("16384\n", 16384 << 20), ("81559\n16384\n", 16384 << 20), ("", None), ("[N/A]\n", None)],
)
def test_the_memory_of_a_gpu_is_the_smallest_that_the_driver_tells(monkeypatch, said, wanted):
    monkeypatch.setattr(backend, "_gpu_name", lambda name: "T4")
    done = SimpleNamespace(stdout=said)
    monkeypatch.setattr(backend.subprocess, "run", lambda *_, **__: done)
    assert device_memory() == wanted


def test_a_missing_driver_tool_is_no_error(monkeypatch):
    def lacking(*_, **__):
        raise FileNotFoundError("nvidia-smi")

    monkeypatch.setattr(backend, "_gpu_name", lambda name: "T4")
    monkeypatch.setattr(backend.subprocess, "run", lacking)
    assert device_memory() is None


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("allowed", [True, False])
def test_short_fractions_are_set_in_the_block_and_given_back(before, allowed):
    import tensorflow

    config = tensorflow.config.experimental
    first = config.tensor_float_32_execution_enabled()
    config.enable_tensor_float_32_execution(before)
    try:
        with set_tensor_float(allowed):
            assert config.tensor_float_32_execution_enabled() is allowed
        assert config.tensor_float_32_execution_enabled() is before
        with pytest.raises(KeyError), set_tensor_float(allowed):
            raise KeyError
        assert config.tensor_float_32_execution_enabled() is before
    finally:
        config.enable_tensor_float_32_execution(first)


def test_torch_gives_back_both_of_its_switches(monkeypatch):
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "torch"))
    monkeypatch.setattr(backend, "load_keras", lambda: keras)
    matmul, cudnn = SimpleNamespace(allow_tf32=False), SimpleNamespace(allow_tf32=True)
    places = SimpleNamespace(cuda=SimpleNamespace(matmul=matmul), cudnn=cudnn)
    fake_library(monkeypatch, "torch", SimpleNamespace(backends=places))
    for allowed in (True, False):
        with pytest.raises(KeyError), set_tensor_float(allowed):
            assert matmul.allow_tf32 is cudnn.allow_tf32 is allowed
            raise KeyError
        assert (matmul.allow_tf32, cudnn.allow_tf32) == (False, True)


def test_one_device_changes_nothing():
    with data_parallel(1):
        assert load_keras().distribution.distribution() is None


def test_several_devices_are_refused_where_keras_has_no_parallelism():
    with pytest.raises(DependencyError, match="not with tensorflow") as caught, data_parallel(2):
        pytest.fail("entered")
    assert caught.value.where == "devices" and "KERAS_BACKEND=jax" in caught.value.remedy


ON_JAX = """
import jax, keras
from alllib import backend
from alllib.errors import DependencyError
with backend.data_parallel(2):
    assert len(keras.distribution.distribution().device_mesh.devices.flatten()) == 2
assert keras.distribution.distribution() is None
try:
    with backend.data_parallel(2): raise KeyError
except KeyError:
    assert keras.distribution.distribution() is None
try:
    with backend.data_parallel(3): print("entered")
except DependencyError as error:
    print(error)
def precision(): return jax.config.jax_default_matmul_precision
before = precision()
with backend.set_tensor_float(True): assert precision() == "tensorfloat32"
with backend.set_tensor_float(False): assert precision() == "highest"
assert precision() == before
assert backend.best_precision() == "float32" and backend.device_memory() is None
backend.make_deterministic()  # a processor is, and needs nothing
"""


@pytest.mark.slow
def test_devices_and_precision_on_jax():
    flags = "--xla_force_host_platform_device_count=2"
    done = run(ON_JAX, KERAS_BACKEND="jax", XLA_FLAGS=flags)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 devices are wanted, and there are 2.")
    assert "at most 2" in done.stdout and "entered" not in done.stdout


def test_tensorflow_is_asked_to_be_deterministic(monkeypatch):
    asked = []
    experimental = SimpleNamespace(enable_op_determinism=lambda: asked.append(1))
    library = SimpleNamespace(config=SimpleNamespace(experimental=experimental))
    fake_library(monkeypatch, "tensorflow", library)
    make_deterministic()
    assert asked == [1]


@pytest.mark.parametrize("flags", ["", "--xla_gpu_autotune_level=0"])
def test_jax_on_a_gpu_must_be_started_deterministic(monkeypatch, flags):
    keras = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "jax"))
    monkeypatch.setattr(backend, "load_keras", lambda: keras)
    monkeypatch.setattr(backend, "_gpu_name", lambda name: "H100")
    monkeypatch.setenv("XLA_FLAGS", flags)
    with pytest.raises(DependencyError, match="at its start") as caught:
        make_deterministic()
    assert "XLA_FLAGS=--xla_gpu_deterministic_ops=true" in caught.value.remedy
    monkeypatch.setenv("XLA_FLAGS", f"{flags} --xla_gpu_deterministic_ops=true")
    make_deterministic()


# Imports ---------------------------------------------------------------------------


def imported(path: Path, *, everywhere: bool) -> set[str]:
    """First names of what a module imports, at its top or anywhere in it."""
    tree = ast.parse(path.read_text("utf-8"))
    names = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.split(".")[0])
    return names


MODULES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_asks_a_backend_by_itself(path):
    """Keras 3 alone, so that JAX and PyTorch run the same code."""
    assert not imported(path, everywhere=True) & {"tensorflow", "jax", "torch"}
    names = {n.id for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Name)}
    assert path.name == "backend.py" or not names & {"tf", "tensorflow", "jax", "torch"}
    if path.parent.name != "architectures":
        assert "keras" not in imported(path, everywhere=False)


def test_importing_the_package_loads_neither_keras_nor_a_backend():
    modules = [
        ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
        for path in MODULES
        if path.parent.name != "architectures" or path.name == "__init__.py"
    ]
    lines = "\n".join(f"import {name}" for name in modules)
    heavy = "{'keras', 'tensorflow', 'jax', 'torch'}"
    done = run(f"import sys\n{lines}\nprint(sorted({heavy} & set(sys.modules)))")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"
