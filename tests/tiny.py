"""Recipes, networks and images so small that a training takes a second."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from alllib.architectures import ARCHITECTURES, Architecture
from alllib.recipes import Recipe, load_recipe
from alllib.records import Record
from alllib.training import RunSettings

TESTS = Path(__file__).resolve().parent
SETTINGS = RunSettings(input_size=16, epochs=2, samples=40)
THIN = {"filters": [4, 4, 6, 6, 8, 8], "dense": [16, 8]}


def small_recipe(*, learning_rate: float | None = None, **changes) -> Recipe:
    """The report's recipe with a thin network: normalisation, dropout, drawn pictures."""
    recipe = load_recipe("mir2019-proposed")
    rate = {} if learning_rate is None else {"learning_rate": learning_rate}
    return replace(
        recipe,
        architecture=replace(
            recipe.architecture, settings={**recipe.architecture.settings, **THIN}
        ),
        training=replace(
            recipe.training,
            **({"batch": 8, "optimizer": {**recipe.training.optimizer, **rate}} | changes),
        ),
    )


def tiny_recipe(*, learning_rate: float = 0.01, dropout: float = 0.0, **changes) -> Recipe:
    """The poster's recipe, four filters wide: no augmentation, one output unit."""
    recipe = load_recipe("unnithan2021-2x2")
    settings = {**recipe.architecture.settings, "filters": 4, "dense": 8, "dropout": dropout}
    optimizer = {**recipe.training.optimizer, "learning_rate": learning_rate}
    return replace(
        recipe,
        architecture=replace(recipe.architecture, settings=settings),
        training=replace(recipe.training, **({"batch": 8, "optimizer": optimizer} | changes)),
    )


def online_recipe(**changes) -> Recipe:
    """The same, its pictures varied anew in each epoch."""
    online = load_recipe("ball2023-densenet201").augmentation
    return replace(tiny_recipe(**changes), augmentation=online)


def stand_in(
    patch: pytest.MonkeyPatch, *, side: bool = False, scale: str = "unit", norm: bool = True
) -> Recipe:
    """Recipe of a thin network with a backbone, and an auxiliary classifier where wanted."""
    import keras
    from keras import layers

    def build(input_size, classes, *, weights, frozen, auxiliary_weight=0.3):
        image = keras.Input((input_size, input_size, 3), name="image")
        maps = layers.Conv2D(4, 3, strides=2, activation="elu", name="backbone_conv")(image)
        if norm:
            maps = layers.BatchNormalization(name="backbone_norm")(maps)
        pool = layers.GlobalAveragePooling2D if norm else layers.Flatten
        features = pool(name="features")(maps)
        backbone = keras.Model(image, features)
        for layer in backbone.layers:
            layer.trainable = not frozen

        def head(values, name):
            dense = layers.Dense(classes, activation="softmax", dtype="float32", name=name)
            return dense(values)

        outputs = [head(features, "predictions")]
        if side:
            values = layers.Flatten(name="auxiliary_flatten")(maps)
            outputs.append(head(layers.Dropout(0.5)(values), "auxiliary"))
        return keras.Model(image, outputs if side else outputs[0], name="stand_in")

    module = ModuleType("alllib.architectures.stand_in")
    module.build = build
    patch.setitem(sys.modules, module.__name__, module)
    patch.setitem(ARCHITECTURES, "stand_in", Architecture("stand_in", "features", scale))
    settings = {"auxiliary_weight": 0.25} if side else {}
    recipe = tiny_recipe(loss="categorical_crossentropy")
    return replace(
        recipe,
        architecture=replace(recipe.architecture, name="stand_in", settings=settings),
    )


def write_cells(root: Path, *, size: int = 20) -> Path:
    """Official layout with 10 + 10 subjects of three images: blots of a class's own shade."""
    generator = np.random.default_rng(5)
    for number in range(1, 11):
        for label, subject, level in (("all", number, 90), ("hem", f"H{number}", 160)):
            folder = root / f"fold_{number % 3}" / label
            folder.mkdir(parents=True, exist_ok=True)
            for cell in range(1, 4):
                pixels = generator.integers(level - 60, level + 60, (size, size, 3))
                name = f"UID_{subject}_{cell}_1_{label}.png"
                Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    return root


def weights_of(record: Record) -> list[np.ndarray]:
    """Weights of the model of a record."""
    import keras

    return keras.models.load_model(record.path / "model.keras").get_weights()


def digest(record: Record) -> str:
    """Of weights, predictions and history: all that a run computes."""
    found = hashlib.sha256()
    for weights in weights_of(record):
        found.update(weights.tobytes())
    values = record.predictions.filter(like="p_").to_numpy()
    found.update(values.tobytes() + record.history.to_csv().encode())
    return found.hexdigest()


def run_python(text: str, **environment: str) -> str:
    """What a script prints in a process of its own, which finds this module."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\nsys.path.insert(0, {str(TESTS)!r})\n{text}"],
        cwd=TESTS.parent, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
