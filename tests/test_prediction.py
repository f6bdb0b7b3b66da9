"""Predictions of new images: the run's own preprocessing, clear refusals, plain warnings."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from alllib import prediction
from alllib.datasets import load_cells
from alllib.errors import DiskError, ImageError, ParameterError, RecordError
from alllib.images import read_image
from alllib.prediction import (
    NOTICE,
    TrainedRun,
    image_warnings,
    load_run,
    predict_images,
    predictions_as_dict,
    predictions_as_text,
    run_warnings,
)
from alllib.recipes import change_recipe, load_recipe, split_by_recipe
from alllib.store import open_store
from alllib.synthetic import SyntheticDesign, make_dataset
from alllib.training import RunSettings, describe_appearance, train_recipe

SIDE, CROP = 64, 48  # of the synthetic images, and of what the network sees of them


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Workspace of this module, so that one training serves all tests."""
    folder = tmp_path_factory.mktemp("prediction")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def cells(place):
    design = SyntheticDesign(images=90, subjects=18, size=SIDE, format="png")
    return load_cells(make_dataset(place / "data", design))


@pytest.fixture(scope="module")
def record(cells):
    recipe = change_recipe(load_recipe("unnithan2021-2x2"), "cropped", {"images.crop": CROP})
    settings = RunSettings(input_size=16, epochs=2, batch=16)
    split = split_by_recipe(recipe, cells)
    return train_recipe(recipe, split, settings=settings, run_id="tiny", progress=False)


@pytest.fixture(scope="module")
def trained(record):
    return load_run("tiny")


@pytest.fixture
def image(cells):
    """Path of an image that is like the training data."""
    return cells.path[0]


@pytest.fixture
def copied(record, place):
    """`copied(**changes)`: path of a copy of the run, with changes to its `run.json`."""
    folder = place / "runs" / "copy"

    def make(**changes):
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(record.path, folder)
        (folder / "run.json").write_text(json.dumps(record.run | changes))
        return folder

    yield make
    shutil.rmtree(folder, ignore_errors=True)


def rewrite(file: Path, change) -> None:
    """Change the JSON members of a model file; `change(name, value)` returns the new value."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name in ("config.json", "metadata.json"):
        members[name] = json.dumps(change(name, json.loads(members[name]))).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def write_image(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def blot(size: int = SIDE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


# Predictions ------------------------------------------------------------------------


def test_the_run_s_own_images_are_predicted_as_in_its_record(trained, record, cells):
    scored = record.predictions
    paths = cells.set_index("image").path[scored.image]
    found = predict_images(trained, paths, progress=False)
    assert [row["path"] for row in found] == list(paths)
    names = [f"p_{name}" for name in record.run["classes"]]
    ours = pd.DataFrame([row["probabilities"] for row in found]).to_numpy()
    assert list(found[0]["probabilities"]) == record.run["classes"]
    # A short run is scored operation by operation, this one by a graph: the last digit may differ.
    np.testing.assert_allclose(ours, scored[names].to_numpy(), rtol=0, atol=1e-6)
    best = np.array(record.run["classes"])[scored[names].to_numpy().argmax(axis=1)]
    assert [row["predicted"] for row in found] == list(best)
    assert len({round(row["probabilities"]["ALL"], 6) for row in found}) > 1


def test_many_images_in_another_order_give_the_same(trained, cells, monkeypatch):
    assert len(cells) > 2 * prediction.BATCH and len(cells) % prediction.BATCH
    once = predict_images(trained, cells.path, progress=False)
    turned = predict_images(trained, list(cells.path)[::-1], progress=False)[::-1]
    assert [row["path"] for row in turned] == [row["path"] for row in once] == list(cells.path)
    a, b = ([row["probabilities"]["ALL"] for row in rows] for rows in (once, turned))
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert [row["warnings"] for row in once] == [row["warnings"] for row in turned]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(9, 40), height=st.integers(9, 40), crop=st.sampled_from([0, 1, 8, 9]),
    size=st.integers(1, 24),
)  # fmt: skip
def test_an_image_is_prepared_as_the_store_does_it(tmp_path, width, height, crop, size):
    pixels = np.random.default_rng(width * height).integers(0, 256, (height, width, 3))
    path = write_image(tmp_path / "x.png", pixels.astype(np.uint8))
    row = {"image": "x", "path": str(path), "label": "ALL", "sha256": f"{width}-{height}"}
    store = open_store(pd.DataFrame([row]), size=size, crop=crop or None)
    picture, given_size = prediction._prepare(path, {"crop": crop, "input_size": size})
    np.testing.assert_array_equal(picture, store.images[0])
    assert given_size == (width, height)


def test_a_network_with_a_unit_per_class_and_a_layer_of_ours(copied, image, monkeypatch, tmp_path):
    keras = pytest.importorskip("keras")
    from alllib.architectures import build_network

    recipe = load_recipe("mir2019-alexnet")
    thin = {"filters": [4] * 5, "dense": [4, 4]}
    changes = {f"architecture.settings.{key}": value for key, value in thin.items()}
    recipe = change_recipe(recipe, "thin", changes)
    model = build_network(recipe, classes=2, input_size=67)
    folder = copied(recipe_text=recipe.as_dict())
    run = json.loads((folder / "run.json").read_text())
    run["parameters"]["input_size"] = 67
    (folder / "run.json").write_text(json.dumps(run))
    model.save(folder / "model.keras")
    # As in a new process: nobody has imported the network's module, which registers its layer.
    name = "alllib>LocalResponseNormalization"
    monkeypatch.delitem(keras.saving.get_custom_objects(), name)
    monkeypatch.delitem(sys.modules, "alllib.architectures.alexnet")
    (row,) = predict_images(load_run(folder), [image], cam_folder=tmp_path / "cams")
    picture = prediction._prepare(Path(image), run["parameters"])[0][None] / np.float32(255)
    wanted = np.asarray(model.predict_on_batch(picture))[0]
    np.testing.assert_allclose(list(row["probabilities"].values()), wanted, atol=1e-6)
    with Image.open(row["cam"]) as picture:
        assert picture.size == (4 * 67, 4 * 67)


def test_the_network_s_own_scale_is_used(trained, image):
    run = copy.deepcopy(trained.run)
    run["parameters"]["scale"] = "caffe"
    (ours,) = predict_images(trained, [image])
    (other,) = predict_images(TrainedRun(trained.path, run, trained.model), [image])
    assert ours["probabilities"] != other["probabilities"]


def test_a_network_gone_wrong_predicts_nothing(trained, image):
    keras = pytest.importorskip("keras")
    broken = keras.models.clone_model(trained.model)
    broken.set_weights([np.full_like(values, np.nan) for values in broken.get_weights()])
    with pytest.raises(RecordError, match="no finite probabilities"):
        predict_images(TrainedRun(trained.path, trained.run, broken), [image])


# Finding the run --------------------------------------------------------------------


def test_a_run_is_found_by_id_and_by_path(trained, record, monkeypatch):
    assert trained.path == record.path and trained.run == record.run
    for given_path in (record.path, str(record.path), f"{record.path}/"):
        assert load_run(given_path).run["id"] == "tiny"
    monkeypatch.chdir(record.path.parent.parent)
    assert load_run("runs/tiny").run["id"] == "tiny"


@pytest.mark.parametrize("name", ["tini", "", "nothing/of/the/kind", ".hidden", "a b\n", "x" * 999])
def test_an_unknown_run(record, name):
    with pytest.raises(RecordError, match="There is no run"):
        load_run(name)


def test_the_nearest_run_is_suggested(record):
    with pytest.raises(RecordError, match="Did you mean 'tiny'"):
        load_run("tinny")


def test_no_run_at_all(workspace):
    with pytest.raises(RecordError, match="alllib train"):
        load_run("tiny")


def test_a_folder_without_record_and_a_file(tmp_path, record):
    with pytest.raises(RecordError, match=r"no run\.json"):
        load_run(tmp_path)
    with pytest.raises(RecordError, match="a file, not the folder"):
        load_run(record.path / "model.keras")


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null", "\x00"])
def test_a_damaged_record(copied, text):
    folder = copied()
    (folder / "run.json").write_text(text)
    with pytest.raises(RecordError):
        load_run(folder)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("parameters", {}),
        ("parameters", None),
        ("parameters", {"input_size": 16, "crop": -1, "scale": "unit"}),
        ("parameters", {"input_size": "16", "crop": 0, "scale": "unit"}),
        ("parameters", {"input_size": 16, "crop": 0, "scale": "other"}),
        ("classes", ["ALL"]),
        ("classes", ["ALL", "ALL"]),
        ("classes", 2),
        ("appearance", {}),
        ("appearance", {"width": [1], "height": [1, 2], "edge": [], "mean": []}),
        ("recipe_text", {"architecture": {"name": "other"}}),
        ("recipe_text", {}),
        ("metrics", {"confusion": [[0, 0], [0, 0]]}),
        ("dataset", 5),
    ],
)
def test_a_record_that_cannot_serve(copied, key, value):
    with pytest.raises(RecordError, match="cannot be used for predictions"):
        load_run(copied(**{key: value}))


def test_a_recorded_run_has_no_model(record, place):
    folder = place / "results" / "recorded"
    shutil.copytree(record.path, folder, ignore=shutil.ignore_patterns("model.keras"))
    command = (
        "alllib train unnithan2021-2x2.cropped --protocol group --seed 1 --input-size 16 "
        "--epochs 2 --batch "
    )
    with pytest.raises(RecordError, match=command):
        load_run("recorded")


# Models that are not loaded ----------------------------------------------------------


def test_a_truncated_model(copied):
    folder = copied()
    data = (folder / "model.keras").read_bytes()
    for part in (b"", b"no model", data[: len(data) // 2], data[:-10]):
        (folder / "model.keras").write_bytes(part)
        with pytest.raises(RecordError, match="damaged"):
            load_run(folder)


def test_a_changed_weight_is_seen(copied):
    folder = copied()
    data = bytearray((folder / "model.keras").read_bytes())
    with zipfile.ZipFile(folder / "model.keras") as archive:
        weights = archive.getinfo("model.weights.h5")
    data[weights.header_offset + weights.file_size // 2] ^= 1
    (folder / "model.keras").write_bytes(data)
    with pytest.raises(RecordError, match=r"damaged.*checksum"):
        load_run(folder)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_gives_another_error(copied, data):
    folder = copied()
    content = bytearray((folder / "model.keras").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        # Near both ends, where the directory of the archive and the description are.
        place = data.draw(st.integers(0, 400)) * data.draw(st.sampled_from([1, -1]))
        content[place] ^= data.draw(st.integers(1, 255))
    (folder / "model.keras").write_bytes(content)
    try:
        load_run(folder)
    except RecordError as error:
        assert error.remedy


@pytest.mark.parametrize("member", ["config.json", "metadata.json"])
@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000])
def test_a_model_file_with_a_damaged_description(copied, member, text):
    folder = copied()
    with zipfile.ZipFile(folder / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "model.keras", "w") as archive:
        for name, data in (members | {member: text}).items():
            archive.writestr(name, data)
    with pytest.raises(RecordError, match="damaged"):
        load_run(folder)


def newer(name, value):
    """Model file as a Keras of the future writes it."""
    if name == "metadata.json":
        return value | {"keras_version": "9.9.9"}
    value["config"]["layers"][1]["config"]["setting_of_the_future"] = None
    return value


def test_a_model_of_another_version_is_built_from_its_recipe(copied, trained, image, caplog):
    folder = copied()
    rewrite(folder / "model.keras", newer)
    found = load_run(folder)
    assert "another version of Keras" in caplog.text
    (ours,), (wanted,) = predict_images(found, [image]), predict_images(trained, [image])
    assert ours["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-6)


def test_a_model_of_another_version_that_does_not_fit_its_recipe(copied, record):
    other = change_recipe(
        load_recipe("unnithan2021-2x2"), "x", {"architecture.settings.filters": 8}
    )
    for recipe_text in (other.as_dict(), {"architecture": {"name": "two_by_two"}}):
        folder = copied(
            versions=record.run["versions"] | {"keras": "9.9.9"},
            device=record.run["device"] | {"backend": "jax"}, recipe_text=recipe_text,
        )  # fmt: skip
        rewrite(folder / "model.keras", newer)
        keras = pytest.importorskip("keras")
        here = rf"Keras {keras.__version__} with backend {keras.backend.backend()}"
        said = rf"saved by Keras 9\.9\.9 with backend jax.*by {here}"
        with pytest.raises(RecordError, match=said):
            load_run(folder)


def test_a_description_that_keras_of_this_version_cannot_read(copied):
    folder = copied()

    def spoil(name, value):
        if name == "config.json":
            value["config"]["layers"][1]["class_name"] = "NoSuchLayer"
        return value

    rewrite(folder / "model.keras", spoil)
    with pytest.raises(RecordError, match="damaged"):
        load_run(folder)


def test_a_lambda_is_refused_before_keras_sees_it(copied, monkeypatch):
    keras = pytest.importorskip("keras")
    inputs = keras.Input((16, 16, 3))
    values = keras.layers.Lambda(lambda x: x[:, 0, 0, :1])(inputs)
    folder = copied()
    keras.Model(inputs, keras.layers.Dense(1)(values)).save(folder / "model.keras")
    with pytest.raises(RecordError, match="'Lambda'.*not loaded"):
        load_run(folder)
    monkeypatch.setattr(keras.saving, "load_model", lambda *a, **k: pytest.fail("Keras saw it"))
    with pytest.raises(RecordError, match="'Lambda'.*not loaded"):
        load_run(folder)


@pytest.mark.parametrize(
    "evil",
    [
        {"module": "os", "class_name": "system", "config": {}},
        {"module": "builtins", "class_name": "function", "config": "eval"},
        {"module": "keras.layers", "class_name": "TorchModuleWrapper", "config": {}},
        {"module": None, "class_name": "__lambda__", "config": {"value": "x"}},
        {"module": "os", "class_name": "x", "config": {}, "registered_name": "alllib>x"},
        {"module": "kerasother.layers", "class_name": "Dense", "config": {}},
        {"module": "keras.layers", "class_name": "Other", "registered_name": "x>Lambda"},
    ],
)
def test_foreign_objects_are_refused_wherever_they_stand(copied, evil, monkeypatch):
    keras = pytest.importorskip("keras")
    monkeypatch.setattr(keras.saving, "load_model", lambda *a, **k: pytest.fail("Keras saw it"))
    folder = copied()

    def hide(name, value):
        if name == "config.json":
            value["config"]["layers"][1]["config"]["kernel_regularizer"] = [{"deep": evil}]
        return value

    rewrite(folder / "model.keras", hide)
    with pytest.raises(RecordError, match="not loaded"):
        load_run(folder)


def test_models_are_loaded_in_safe_mode_and_without_optimizer(record, monkeypatch):
    keras = pytest.importorskip("keras")
    load, seen = keras.saving.load_model, []

    def watch(file, **options):
        seen.append(options)
        return load(file, **options)

    monkeypatch.setattr(keras.saving, "load_model", watch)
    load_run("tiny")
    assert seen == [{"compile": False, "safe_mode": True}]


@pytest.mark.parametrize(("shape", "units"), [((17, 17, 3), 2), ((16, 16, 1), 2), ((16, 16, 3), 3)])
def test_a_model_of_another_record(copied, shape, units):
    keras = pytest.importorskip("keras")
    inputs = keras.Input(shape)
    outputs = keras.layers.Dense(units)(keras.layers.Flatten()(inputs))
    folder = copied()
    keras.Model(inputs, outputs).save(folder / "model.keras")
    with pytest.raises(RecordError, match="does not fit its record"):
        load_run(folder)


def test_one_unit_does_not_tell_four_classes(copied):
    with pytest.raises(RecordError, match="4 classes"):
        load_run(copied(classes=["Benign", "Early", "Pre", "Pro"]))


# Images that cannot be used -----------------------------------------------------------


def test_images_that_cannot_be_read(trained, tmp_path, image, capfd):
    empty, text = tmp_path / "empty.png", tmp_path / "text.png"
    empty.touch()
    text.write_text("no image")
    cut = tmp_path / "cut.png"
    cut.write_bytes(Path(image).read_bytes()[:-500])
    grey = write_image(tmp_path / "grey.png", blot()[..., 0])
    missing = tmp_path / "missing.png"
    capfd.readouterr()
    for path in (empty, text, cut, grey, missing, tmp_path / ("x" * 999)):
        with pytest.raises(ImageError, match=path.name):
            predict_images(trained, [image, path])
    assert capfd.readouterr() == ("", "")


def test_a_very_large_image_is_no_warning(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100 * 60)  # Pillow warns above this
    (row,) = predict_images(trained, [write_image(tmp_path / "large.png", blot(100))])
    assert row["predicted"] in trained.run["classes"]


def test_a_folder_and_nothing(trained, tmp_path):
    with pytest.raises(ImageError, match=r"a folder, not an image[\s\S]*\*\.png"):
        predict_images(trained, [tmp_path])
    with pytest.raises(ParameterError, match="No image"):
        predict_images(trained, [])


@pytest.mark.parametrize("shape", [(CROP - 1, SIDE), (SIDE, CROP - 1)])
def test_too_small_for_the_crop(trained, tmp_path, shape):
    path = write_image(tmp_path / "small.png", np.zeros((*shape, 3), np.uint8))
    with pytest.raises(ImageError, match=rf"small\.png[\s\S]*at least {CROP} pixels"):
        predict_images(trained, [path])


# What does not look like the training data ---------------------------------------------


def test_training_images_look_like_the_training_data(trained, cells, record):
    rows = predict_images(trained, cells.path, progress=False)
    assert sum(bool(row["warnings"]) for row in rows) <= len(rows) // 20


@pytest.mark.parametrize("level", [0, 128, 255])
def test_plain_pictures_are_unlike(trained, tmp_path, level):
    path = write_image(tmp_path / "plain.png", np.full((SIDE, SIDE, 3), level, np.uint8))
    (row,) = predict_images(trained, [path])
    told = " ".join(row["warnings"])
    assert "mean colour" in told and ("background" in told) == (level > 0)
    assert "pixels;" not in told


def appearance(**changes):
    return {
        "width": [400, 450], "height": [450, 450],
        "edge": [[0, 0, 0], [10, 10, 10]], "mean": [[50, 60, 70], [90, 100, 110]],
    } | changes  # fmt: skip


def painted(edge, inside, side=10):
    picture = np.full((side, side, 3), edge, np.uint8)
    picture[1:-1, 1:-1] = inside
    return picture


LIKE = painted(0, 125)  # mean 80


@pytest.mark.parametrize(
    ("size", "unlike"),
    [((450, 450), 0), ((400, 450), 0), ((399, 450), 1), ((451, 450), 1), ((450, 449), 1)],
)
def test_size(size, unlike):
    told = image_warnings(size, LIKE, appearance())
    assert len(told) == unlike
    if unlike:
        assert f"{size[0]}x{size[1]} pixels" in told[0]
        assert "widths of 400 to 450 and heights of 450 pixels" in told[0]


@pytest.mark.parametrize(
    ("edge", "unlike"), [((30, 30, 30), False), ((0, 31, 0), True), ((31, 0, 0), True)]
)
def test_background(edge, unlike):
    wide = appearance(mean=[[0, 0, 0], [255, 255, 255]])
    told = image_warnings((450, 450), painted(edge, 125), wide)
    assert [("background" in text) for text in told] == [True] * unlike


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize(("beyond", "unlike"), [(-11, True), (-9, False), (49, False), (51, True)])
def test_mean_colour(channel, beyond, unlike):
    # A quarter of the 40 grey levels between the quantiles is the margin: 10.
    colour = np.array([80, 80, 80])
    colour[channel] = 50 + 10 * channel + beyond
    wide = appearance(edge=[[0, 0, 0], [255, 255, 255]])
    told = image_warnings((450, 450), painted(colour, colour), wide)
    assert [("mean colour" in text) for text in told] == [True] * unlike


def test_narrow_quantiles_keep_a_margin():
    narrow = appearance(edge=[[0] * 3, [0] * 3], mean=[[80] * 3, [80] * 3])
    assert not image_warnings((450, 450), painted(0, 128), narrow)  # mean 81.9, edge 0
    assert len(image_warnings((450, 450), painted(0, 134), narrow)) == 1  # mean 85.8


@given(
    colours=st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=2, max_size=2),
    side=st.integers(1, 12),
)
def test_what_lies_between_the_quantiles_is_never_unlike(colours, side):
    low, high = np.min(colours, axis=0).tolist(), np.max(colours, axis=0).tolist()
    found = appearance(edge=[low, high], mean=[low, high])
    assert not image_warnings((450, 450), np.full((side, side, 3), colours[0], np.uint8), found)


def test_real_images_of_another_kind_are_unlike(trained, real_root):
    paths = sorted((real_root / "B-ALL" / "Original").glob("*/*.jpg"))[::400]
    assert len(paths) > 5
    for row in predict_images(trained, paths, progress=False):
        told = " ".join(row["warnings"])
        assert "224x224" in told and "background" in told and "mean colour" in told


def test_real_colours_of_other_patients_are_like(real_root):
    """Quantiles of one fold; images of another."""
    root = real_root / "C-NMC_Leukemia" / "training_data"

    def table(fold):
        paths = sorted(p for p in (root / fold).rglob("*") if p.is_file())[::12]
        rows = [(p.stem, str(p), p.parent.name, p.stem, *read_image(p).shape[1::-1]) for p in paths]
        return pd.DataFrame(rows, columns=["image", "path", "label", "sha256", "width", "height"])

    own, others = table("fold_0"), table("fold_2")
    found = describe_appearance(own, open_store(own, size=32))
    store = open_store(others, size=32)
    told = [
        image_warnings((row.width, row.height), picture, found)
        for row, picture in zip(
            others.itertuples(), store.images[store.rows(others.image)], strict=True
        )
    ]
    assert len(told) > 30 and sum(map(bool, told)) <= len(told) // 20


# The run ------------------------------------------------------------------------------


def scored(value, low, high, *, dataset="cnmc2019", confusion=((60, 0), (40, 0))):
    metrics = {"accuracy": {"value": value, "low": low, "high": high}}
    return {
        "dataset": dataset,
        "metrics": {"metrics": metrics, "confusion": list(confusion), "classes": ["ALL", "HEM"]},
    }


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (scored(0.9, 0.8, 0.95), []),
        (scored(0.9, None, None), []),
        (scored(0.6, 0.5, 0.7), ["learned nothing of use"]),
        (scored(0.3, None, None), ["always answering ALL gives 0.600"]),
        (scored(0.7, 0.6, 0.8), ["may have learned nothing"]),
        (scored(0.9, 0.8, 0.95, dataset="synthetic-subtypes"), ["nothing about real cells"]),
        (
            scored(0.5, 0.4, 0.6, dataset="synthetic", confusion=((0, 40), (0, 60))),
            ["nothing about real cells", "always answering HEM gives 0.600"],
        ),
    ],
)
def test_what_is_said_of_the_run(run, words):
    told = run_warnings(run)
    assert len(told) == len(words)
    assert all(word in text for word, text in zip(words, told, strict=True))


def test_text_and_json(trained, image, tmp_path):
    odd = write_image(tmp_path / "two\nlines\x1b.png", np.zeros((SIDE, SIDE, 3), np.uint8))
    rows = predict_images(trained, [image, odd])
    lines = predictions_as_text(trained, rows).split("\n")
    assert lines[-1] == NOTICE and "not a medical device" in NOTICE and "diagnosis" in NOTICE
    assert "tiny" in lines[0] and "unnithan2021-2x2" in lines[0]
    assert any("nothing about real cells" in line for line in lines[1:4])
    assert sum(line.startswith(image) for line in lines) == 1
    assert r"two\nlines\x1b.png: " in "\n".join(lines) and "  warning: " in "\n".join(lines)

    told = json.loads(json.dumps(predictions_as_dict(trained, rows), allow_nan=False))
    assert told["notice"] == NOTICE and told["run"] == "tiny"
    assert told["recipe"] == "unnithan2021-2x2.cropped" and told["versions"]["keras"]
    assert told["predictions"] == rows and told["warnings"] == run_warnings(trained.run)
    assert set(rows[0]) == {"path", "predicted", "probabilities", "warnings", "cam"}
    assert sum(rows[0]["probabilities"].values()) == pytest.approx(1)


# Grad-CAM -----------------------------------------------------------------------------


def test_pictures(trained, cells, tmp_path):
    paths = list(cells.path[:6])
    rows = predict_images(trained, paths, cam_folder=tmp_path / "new" / "cams")
    assert [row["cam"] for row in rows] == [
        str(tmp_path / "new" / "cams" / f"{Path(path).stem}-cam.png") for path in paths
    ]
    assert sorted(p.name for p in (tmp_path / "new" / "cams").iterdir()) == sorted(
        Path(row["cam"]).name for row in rows
    )
    plain = predict_images(trained, paths)
    assert [row["probabilities"] for row in plain] == [row["probabilities"] for row in rows]
    assert all(row["cam"] is None for row in plain)
    with Image.open(rows[0]["cam"]) as picture:
        assert picture.size == (224, 224) and picture.mode == "RGB"
        assert picture.text["Comment"] == NOTICE and "tiny" in picture.text["Title"]
    text = predictions_as_text(trained, rows)
    assert text.count("Grad-CAM: ") == 6 and text.endswith(NOTICE)


def test_the_picture_is_that_of_the_predicted_class(trained, image, tmp_path):
    from alllib.activations import grad_cam, overlay

    (row,) = predict_images(trained, [image], cam_folder=tmp_path)
    picture = prediction._prepare(Path(image), trained.run["parameters"])[0]
    best = trained.run["classes"].index(row["predicted"])
    cam = grad_cam(trained.model, picture[None] / np.float32(255), best)[0]
    large = np.repeat(np.repeat(picture, 14, axis=0), 14, axis=1)
    smooth = np.asarray(Image.fromarray(cam).resize((224, 224), Image.Resampling.BILINEAR))
    with Image.open(row["cam"]) as found:
        np.testing.assert_array_equal(np.asarray(found), overlay(large, smooth))


def test_no_picture_is_replaced(trained, cells, tmp_path):
    mine = tmp_path / f"{Path(cells.path[1]).stem}-cam.png"
    mine.write_text("mine")
    with pytest.raises(ParameterError, match=rf"{mine.name}[\s\S]*another folder"):
        predict_images(trained, cells.path[:3], cam_folder=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [mine.name]
    assert mine.read_text() == "mine"


def test_images_of_one_name_have_a_picture_each(trained, tmp_path, image):
    paths = [
        write_image(tmp_path / folder / name, blot(seed=seed))
        for seed, (folder, name) in enumerate(
            [("a", "x.png"), ("b", "x.png"), ("a", "x.bmp"), ("a", "x-2.png"), ("a", "X.png")]
        )
    ]
    rows = predict_images(trained, [*paths, paths[0]], cam_folder=tmp_path / "cams")
    assert len({row["cam"].casefold() for row in rows}) == 6
    assert all(Path(row["cam"]).is_file() for row in rows)


@given(st.lists(st.text(st.characters(exclude_characters="/\x00"), min_size=1), max_size=30))
def test_pictures_never_share_a_name(names):
    paths = [Path("f", name) for name in names]
    targets = list(prediction._cam_paths(paths, Path("cams")))
    assert len({target.name.casefold() for target in targets}) == len(names)
    assert all(target.parent == Path("cams") for target in targets)
    assert all(len(target.name.encode()) <= 220 for target in targets)


def test_no_picture_is_written_when_an_image_is_bad(trained, cells, tmp_path):
    with pytest.raises(ImageError):
        predict_images(
            trained, [*cells.path[:2], tmp_path / "none.png"], cam_folder=tmp_path / "cams"
        )
    assert not (tmp_path / "cams").exists()


def test_pictures_need_a_folder(trained, image, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="another folder"):
        predict_images(trained, [image], cam_folder=tmp_path / "file")
    with pytest.raises(DiskError):
        predict_images(trained, [image], cam_folder=tmp_path / "file" / "below")


# Cost ---------------------------------------------------------------------------------


def test_the_module_loads_without_keras():
    code = "import sys, alllib.prediction; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_few_pictures_are_held_at_a_time(trained, cells, monkeypatch):
    held, make = [], prediction.scale_images

    def watch(pictures, mode):
        held.append(len(pictures))
        return make(pictures, mode)

    monkeypatch.setattr(prediction, "scale_images", watch)
    predict_images(trained, list(cells.path) * 2, progress=False)
    assert sum(held) == 2 * len(cells) and max(held) == prediction.BATCH
