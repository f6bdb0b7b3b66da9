"""The machine and Keras's backend: clear errors, and nothing else that asks TensorFlow."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from alllib.backend import (
    describe_device,
    gradient,
    load_keras,
    package_versions,
    peak_memory,
    thread_count,
)

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
    text = path.read_text("utf-8")
    assert path.name == "backend.py" or not [
        word for word in ("tf.", "torch.") if f" {word}" in text
    ]
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
