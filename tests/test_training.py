"""Training on tiny images: what the record says is what was trained, and twice the same."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib import training
from alllib.augmentation import apply_symmetry
from alllib.datasets import load_cells
from alllib.errors import (
    DataError,
    DiskError,
    ImageError,
    ParameterError,
    RecipeError,
    RecordError,
    SplitError,
)
from alllib.files import workspace
from alllib.recipes import load_recipe
from alllib.records import REQUIRED, list_records, read_record
from alllib.splits import PROTOCOLS, Split, make_split
from alllib.store import open_store
from alllib.training import RunSettings, scale_images, scored_part, train_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = RunSettings(input_size=16, epochs=2, samples=40)


def small_recipe(**training_changes):
    """The recipe with a thin network, so that a run takes a second."""
    recipe = load_recipe("mir2019-proposed")
    thin = {**recipe.architecture.settings, "filters": [4, 4, 6, 6, 8, 8], "dense": [16, 8]}
    return replace(
        recipe,
        architecture=replace(recipe.architecture, settings=thin),
        training=replace(recipe.training, batch=8, **training_changes),
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


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Workspace of this module, so that stores are built once."""
    folder = tmp_path_factory.mktemp("training")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def cells(place):
    return load_cells(write_cells(place / "data"))


@pytest.fixture(scope="module")
def split(cells):
    return make_split(cells, "group")


@pytest.fixture(scope="module")
def record(split):
    """One run under the split by group; fast learning, so that epochs differ."""
    return train_recipe(
        small_recipe(learning_rate=0.05),
        split,
        settings=replace(SETTINGS, epochs=4),
        run_id="first",
        progress=False,
    )


@pytest.fixture(scope="module")
def taken(split):
    """A run under the id `taken`."""
    return train(split, "taken")


def train(split, run_id, **changes):
    return train_recipe(
        small_recipe(),
        split,
        settings=replace(SETTINGS, **changes),
        run_id=run_id,
        progress=False,
    )


# The record ------------------------------------------------------------------------


def test_the_record_is_whole(record, split):
    assert record.path == workspace() / "runs" / "first"
    names = {path.name for path in record.path.iterdir()}
    assert names == {"run.json", "predictions.parquet", "history.csv", "model.keras"}
    run = json.loads((record.path / "run.json").read_text())
    assert run == record.run and set(REQUIRED) <= set(run)
    assert run["status"] == "finished" and run["scored"] == "test"
    assert run["certificate"] == split.certificate
    assert run["images"] == split.cells.part.value_counts().to_dict()
    assert run["recipe_text"]["training"]["batch"] == 8
    assert run["parameters"]["epochs"] == 4 and run["parameters"]["crop"] == 20
    assert run["seconds"] > 0 and run["images_per_second"] > 0 and run["peak_memory"] > 10**7
    assert run["device"]["backend"] == "tensorflow" and run["versions"]["keras"]


def test_each_image_of_the_scored_part_is_predicted_once(record, split):
    part = split.part("test")
    assert list(record.predictions.columns) == [
        *("image", "subject", "group", "label"),
        *("p_ALL", "p_HEM"),
    ]
    assert list(record.predictions.image) == list(part.image)
    assert list(record.predictions.label) == list(part.label)
    assert list(record.predictions.group) == list(part.group)
    sums = record.predictions[["p_ALL", "p_HEM"]].sum(axis=1)
    np.testing.assert_allclose(sums, 1, rtol=1e-5)


def test_the_history_has_a_row_per_epoch(record):
    assert list(record.history.epoch) == [1, 2, 3, 4]
    measured = {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert measured <= set(record.history) and np.isfinite(record.history).all(axis=None)


def test_the_saved_model_gives_the_recorded_probabilities(record, split):
    import keras

    network = keras.models.load_model(record.path / "model.keras")
    store = open_store(split.cells, size=16, crop=20)
    part = split.part("test")
    found = network.predict_on_batch(scale_images(store.images[store.rows(part.image)]))
    assert np.array_equal(found, record.predictions[["p_ALL", "p_HEM"]].to_numpy())
    assert network.count_params() == record.run["model_parameters"]


def test_metrics_are_those_of_the_recorded_predictions(record):
    table = record.predictions
    named = np.where(table.p_ALL >= table.p_HEM, "ALL", "HEM")
    stated = record.run["metrics"]
    assert stated["metrics"]["accuracy"]["value"] == pytest.approx((named == table.label).mean())
    assert stated["images"] == len(table) and stated["resampled"] == "group"


def test_a_published_split_is_scored_on_validation_and_says_so(cells):
    """Checkpoint and score come from the same images: the best epoch's accuracy returns."""
    split = make_split(cells, "image")
    assert scored_part(split) == "validation"
    record = train_recipe(
        small_recipe(learning_rate=0.05),
        split,
        settings=replace(SETTINGS, epochs=4),
        run_id="published",
        progress=False,
    )
    assert record.run["scored"] == "validation" and record.run["protocol"] == "image"
    assert list(record.predictions.image) == list(split.part("validation").image)
    stated = record.run["metrics"]["metrics"]["accuracy"]["value"]
    assert stated == pytest.approx(record.history.val_accuracy.max(), abs=1e-6)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_part_but_train_is_trained_on(cells, protocol, monkeypatch):
    fed = {}

    def spy(store, rows, targets, symmetries, recipe, seed):
        fed[seed is not None] = set(store.index.image.iloc[rows])
        raise InterruptedError if len(fed) == 2 else None

    split = make_split(cells, protocol)
    real = training._feed

    def both(*arguments):
        try:
            spy(*arguments)
        except TypeError:
            return real(*arguments)

    monkeypatch.setattr(training, "_feed", both)
    with pytest.raises(InterruptedError):
        train(split, f"spied-{protocol}")
    assert fed[True] <= set(split.part("train").image)
    assert fed[False] == set(split.part("validation").image)


# Refusals --------------------------------------------------------------------------


def test_data_without_a_certificate_is_refused(split):
    with pytest.raises(SplitError, match="no split certificate"):
        train(Split(split.cells, {}), "refused")
    with pytest.raises(SplitError, match="no split certificate"):
        train(Split(split.cells, None), "refused")
    with pytest.raises(SplitError, match="which part"):
        train(Split(split.cells.drop(columns="part"), split.certificate), "refused")
    assert not (workspace() / "runs" / "refused").exists()


def test_a_foreign_certificate_is_refused(cells, split):
    other = make_split(cells, "image")
    with pytest.raises(SplitError, match="belongs to other data"):
        train(Split(split.cells, other.certificate), "refused")
    moved = split.cells.copy()
    moved.loc[moved.index[moved.part == "test"][0], "part"] = "train"
    with pytest.raises(SplitError, match="belongs to other data"):
        train(Split(moved, split.certificate), "refused")
    altered = split.certificate | {"protocol": "subject"}
    with pytest.raises(SplitError, match="altered"):
        train(Split(split.cells, altered), "refused")


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"samples": 0}, {"input_size": 0}, {"epochs": -1}, {"samples": 1.5}]
    + [{"epochs": True}, {"seed": -1}, {"seed": "1"}, {"seed": 2**32}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        replace(SETTINGS, **wrong).filled(load_recipe("mir2019-proposed"))


def test_settings_left_open_are_the_recipes():
    recipe = load_recipe("mir2019-proposed")
    assert RunSettings().filled(recipe) == RunSettings(150, 100, 20_000, 1)
    assert RunSettings(epochs=3).filled(recipe) == RunSettings(150, 3, 20_000, 1)


def test_an_input_below_the_minimum_is_refused(split):
    with pytest.raises(RecipeError, match="at least 16"):
        train(split, "refused", input_size=8)


def test_a_class_that_the_data_set_does_not_have_is_refused():
    with pytest.raises(DataError, match="'AML'"):
        training._one_hot(pd.Series(["ALL", "AML"]), ("ALL", "HEM"))


def test_one_small_image_does_not_shrink_the_crop_of_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    root = write_cells(tmp_path / "data")
    small = root / "fold_1" / "all" / "UID_1_1_1_all.png"
    Image.new("RGB", (12, 12)).save(small)
    with pytest.raises(ImageError, match="12x12") as caught:
        train(make_split(load_cells(root), "image"), "refused")
    assert small.name in str(caught.value)


def test_images_are_cropped_to_the_recipes_size(split):
    cells = split.cells.assign(width=450, height=450)
    assert training._crop(load_recipe("mir2019-proposed"), cells) == 400
    assert training._crop(load_recipe("mir2019-proposed"), split.cells) == 20


def test_a_diverged_network_is_reported_and_leaves_no_record(split, monkeypatch):
    real = training._best_keeper

    def diverged(metric):
        keeper = real(metric)
        keep = keeper.on_epoch_end

        def on_epoch_end(epoch, logs=None):
            keep(epoch, logs)
            keeper.weights = [np.full_like(weight, np.nan) for weight in keeper.weights]

        keeper.on_epoch_end = on_epoch_end
        return keeper

    monkeypatch.setattr(training, "_best_keeper", diverged)
    with pytest.raises(DataError, match="not a finite number.*\n.*\n.*learning rate"):
        train(split, "diverged", epochs=1)
    assert not (workspace() / "runs" / "diverged").exists()


# One run id, twice -----------------------------------------------------------------


def test_the_same_parameters_give_the_same_bits_and_replace(split, taken):
    """A second run of the same seed is the same run, down to the last bit."""
    weights = weights_of(taken)
    again = train(split, "taken")
    assert again.path == taken.path and again.run["parameters"] == taken.run["parameters"]
    pd.testing.assert_frame_equal(taken.predictions, again.predictions, check_exact=True)
    pd.testing.assert_frame_equal(taken.history, again.history, check_exact=True)
    pairs = list(zip(weights, weights_of(again), strict=True))
    assert len(pairs) > 60 and all(np.array_equal(a, b) for a, b in pairs)


def test_another_seed_gives_another_run(split, taken):
    other = train(split, "seed-2", seed=2)
    assert not taken.predictions.equals(other.predictions)


def test_a_run_id_taken_by_other_parameters_is_refused(split, taken):
    before = (taken.path / "run.json").read_bytes()
    with pytest.raises(RecordError, match="with other epochs"):
        train(split, "taken", epochs=1)
    with pytest.raises(RecordError, match="with other .*recipe"):
        train_recipe(
            small_recipe(learning_rate=0.1),
            split,
            settings=SETTINGS,
            run_id="taken",
            progress=False,
        )
    assert (taken.path / "run.json").read_bytes() == before


def test_runs_without_an_id_are_named_by_what_they_are(split):
    def named(recipe, **changes):
        full = replace(SETTINGS, **changes).filled(recipe)
        return training._run_id(recipe, split, full, training._parameters(recipe, split, full))

    assert named(small_recipe()).startswith("mir2019-proposed-group-16px-s1-")
    assert named(small_recipe(), seed=2).startswith("mir2019-proposed-group-16px-s2-")
    changed = [{"seed": 2}, {"epochs": 9}, {"samples": 9}]
    names = [named(small_recipe()), named(small_recipe(learning_rate=0.1))]
    names += [named(small_recipe(), **change) for change in changed]
    assert len(set(names)) == 5 and named(small_recipe()) == names[0]


def test_a_full_disk_leaves_the_older_record(split, taken, monkeypatch):
    import keras

    def full(self, path, **rest):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    model = (taken.path / "model.keras").read_bytes()
    monkeypatch.setattr(keras.Model, "save", full)
    with pytest.raises(DiskError, match="disk is full"):
        train(split, "taken")
    pd.testing.assert_frame_equal(read_record(taken.path).predictions, taken.predictions)
    assert (taken.path / "model.keras").read_bytes() == model
    assert not [path for path in taken.path.parent.iterdir() if "partial" in path.name]


# Repeatability ---------------------------------------------------------------------


def weights_of(record) -> list[np.ndarray]:
    import keras

    return keras.models.load_model(record.path / "model.keras").get_weights()


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from test_training import digest, small_recipe, SETTINGS
from alllib.datasets import load_cells
from alllib.splits import make_split
from alllib.training import train_recipe
split = make_split(load_cells({data!r}), "group")
record = train_recipe(small_recipe(), split, settings=SETTINGS, run_id={run!r}, progress=False)
print(record.run["device"]["backend"], digest(record))
"""


def digest(record) -> str:
    """Of the weights and the predictions."""
    found = hashlib.sha256()
    for weights in weights_of(record):
        found.update(weights.tobytes())
    found.update(record.predictions[["p_ALL", "p_HEM"]].to_numpy().tobytes())
    return found.hexdigest()


def trained_elsewhere(place: Path, run: str, **environment) -> list[str]:
    """Backend and digest of a run in a process of its own."""
    text = SCRIPT.format(tests=str(Path(__file__).parent), data=str(place / "data"), run=run)
    done = subprocess.run(
        [sys.executable, "-c", text],
        cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.split()


@pytest.mark.slow
def test_two_processes_give_the_same_bits(cells, place):
    first, second = (trained_elsewhere(place, run) for run in ("process-a", "process-b"))
    assert first == second and first[0] == "tensorflow"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_run_the_same_code(cells, place, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert trained_elsewhere(place, f"on-{backend}", KERAS_BACKEND=backend)[0] == backend
    record = read_record(place / "runs" / f"on-{backend}")
    assert len(record.history) == SETTINGS.epochs and record.run["device"]["kind"] in ("cpu", "gpu")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_leaves_no_record_and_can_be_repeated(cells, place, number):
    words = [
        *(sys.executable, "-m", "alllib.cli", "train", "mir2019-proposed"),
        *("--data", str(place / "data"), "--input-size", "16", "--samples", "60"),
        *("--run", f"stopped-{number.name}"),
    ]
    log = place / f"{number.name}.txt"
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*words, "--epochs", "5000"], cwd=REPOSITORY, stdout=errors, stderr=errors
        )
        try:
            deadline = time.monotonic() + 120
            while b"epoch 2/" not in log.read_bytes():
                assert process.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.2)
            process.send_signal(number)
            code = process.wait(60)
        finally:
            process.kill()
    assert code == (130 if number == signal.SIGINT else -number)
    assert f"stopped-{number.name}" not in [record.path.name for record in list_records()]
    if number == signal.SIGINT:
        last = log.read_text().splitlines()[-1]
        assert last.startswith("interrupted") and "Traceback" not in log.read_text()
    done = subprocess.run([*words, "--epochs", "1"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"stopped-{number.name}" in done.stdout


# Feeding ---------------------------------------------------------------------------


class FakeStore:
    images = np.random.default_rng(3).integers(0, 256, (7, 4, 4, 3)).astype(np.uint8)


def feed_of(seed, rows=(0, 3, 3, 6, 2, 5, 1, 4, 0, 2)):
    rows = np.array(rows)
    targets = np.eye(7, dtype=np.float32)[rows]
    symmetries = np.arange(len(rows)) % 8
    recipe = replace(small_recipe(), training=replace(small_recipe().training, batch=4))
    return training._feed(FakeStore, rows, targets, symmetries, recipe, seed), rows, symmetries


def test_an_epoch_shows_each_picture_once_in_its_own_form():
    feed, rows, symmetries = feed_of(seed=1)
    batches = [feed[number] for number in range(len(feed))]
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    images = np.concatenate([images for images, _ in batches])
    targets = np.concatenate([targets for _, targets in batches])
    assert images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 1
    assert sorted(feed.order) == list(range(len(rows)))
    for place, image, target in zip(feed.order, images, targets, strict=True):
        wanted = apply_symmetry(FakeStore.images[rows[place]], int(symmetries[place]))
        np.testing.assert_array_equal(image, scale_images(wanted))
        assert target.argmax() == rows[place]


def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = feed_of(1)[0], feed_of(1)[0], feed_of(2)[0]
    orders = []
    for epoch in range(3):
        for feed in (first, other):
            feed.shuffle(epoch)
        assert not np.array_equal(first.order, other.order)
        orders.append(tuple(first.order))
    assert len(set(orders)) == 3
    again.shuffle(2)  # as in a training that goes on from its third epoch
    assert tuple(again.order) == orders[2]


def test_validation_keeps_its_order():
    feed, rows, _ = feed_of(None)
    feed.shuffle(1)
    assert list(feed.order) == list(range(len(rows)))


def test_each_epoch_takes_each_batch_of_its_own_order(split, monkeypatch):
    """Keras must not take a batch before the epoch's order is set, nor one from the next."""
    asked, orders, real = [], {}, training._feed

    def spying(*arguments):
        feed = real(*arguments)
        if arguments[-1] is not None:
            plain = type(feed).__getitem__

            def getitem(self, number):
                asked.append((self.order.tobytes(), number))
                return plain(self, number)

            monkeypatch.setattr(type(feed), "__getitem__", getitem)
            for epoch in (2, 1, 0):
                feed.shuffle(epoch)
                orders[epoch] = feed.order.tobytes()
        return feed

    monkeypatch.setattr(training, "_feed", spying)
    train(split, "asked", epochs=3)
    batches = math.ceil(SETTINGS.samples / 8)
    wanted = [(orders[epoch], number) for epoch in range(3) for number in range(batches)]
    # Keras looks at two batches beforehand to learn their shape.
    assert asked[-len(wanted) :] == wanted and set(asked[: -len(wanted)]) <= set(wanted[:2])


def test_grey_levels_are_scaled_exactly():
    levels = np.arange(256, dtype=np.uint8)
    scaled = scale_images(levels)
    assert scaled.dtype == np.float32 and scaled[0] == 0 and scaled[-1] == 1
    assert np.array_equal(np.rint(scaled * 255).astype(np.uint8), levels)


# The checkpoint --------------------------------------------------------------------


def test_the_weights_of_the_best_epoch_are_kept():
    import keras

    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    keeper = training._best_keeper("val_accuracy")
    keeper.set_model(network)
    for epoch, accuracy in enumerate([0.5, 0.9, 0.7, 0.9]):
        network.set_weights([np.full((1, 1), epoch, np.float32)])
        keeper.on_epoch_end(epoch, {"val_accuracy": accuracy})
    # Of equals the first, as Keras's checkpoint with "max" does.
    assert keeper.best == 0.9 and keeper.weights[0].item() == 1


def test_the_run_is_scored_with_the_kept_weights(split, taken, monkeypatch):
    """With the second of three epochs declared the best, it scores as one of two epochs
    whose second is."""
    real = training._best_keeper

    def second_only(metric):
        keeper = real(metric)
        plain = keeper.on_epoch_end
        keeper.on_epoch_end = lambda epoch, logs=None: plain(epoch, logs) if epoch == 1 else None
        return keeper

    monkeypatch.setattr(training, "_best_keeper", second_only)
    two, three = (train(split, f"second-of-{epochs}", epochs=epochs) for epochs in (2, 3))
    pd.testing.assert_frame_equal(two.predictions, three.predictions, check_exact=True)


def test_the_recipe_itself_trains_at_32_pixels(split):
    """The real network of 13.8 million parameters at this size, one epoch."""
    recipe = load_recipe("mir2019-proposed")
    record = train_recipe(
        recipe,
        split,
        settings=RunSettings(input_size=32, epochs=1, samples=30),
        progress=False,
    )
    assert record.run["model_parameters"] == 7_535_040 + 513 * 4096 + 4097 * 1000 + 1001 * 2


def test_recipe_refuses_data_of_other_classes():
    """B-ALL has four classes, and a published number for two would stand beside it."""
    with pytest.raises(RecipeError, match="tells ALL and HEM apart"):
        training._check_classes(load_recipe("mir2019-proposed"), "ball2021")
    training._check_classes(load_recipe("mir2019-proposed"), "synthetic")
