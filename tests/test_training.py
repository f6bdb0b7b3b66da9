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
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib import splits, training
from alllib.architectures import ARCHITECTURES, Architecture
from alllib.datasets import DATASETS, load_cells
from alllib.errors import (
    DataError,
    DiskError,
    ImageError,
    ParameterError,
    RecipeError,
    RecordError,
    SplitError,
    TrainingError,
)
from alllib.feeding import Pictures, scale_images
from alllib.files import workspace
from alllib.recipes import Recipe, load_recipe, split_by_recipe
from alllib.records import REQUIRED, list_records, read_record
from alllib.smears import SmearDesign, make_smears
from alllib.splits import Split, make_split, scored_part
from alllib.store import open_store
from alllib.training import RunSettings, class_probabilities, describe_appearance, train_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
SETTINGS = RunSettings(input_size=16, epochs=2, samples=40)
THIN = {"filters": [4, 4, 6, 6, 8, 8], "dense": [16, 8]}


def small_recipe(*, learning_rate: float | None = None, **changes) -> Recipe:
    """The recipe with a thin network, so that a run takes a second."""
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


def tiny_recipe(*, learning_rate: float = 0.01, **changes) -> Recipe:
    """The poster's recipe, four filters wide: no augmentation, one output unit."""
    recipe = load_recipe("unnithan2021-2x2")
    settings = {**recipe.architecture.settings, "filters": 4, "dense": 8, "dropout": 0.0}
    optimizer = {**recipe.training.optimizer, "learning_rate": learning_rate}
    return replace(
        recipe,
        architecture=replace(recipe.architecture, settings=settings),
        training=replace(recipe.training, **({"batch": 8, "optimizer": optimizer} | changes)),
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
    assert run["parameters"]["batch"] == 8 and run["parameters"]["precision"] == "float32"
    assert run["classes"] == ["ALL", "HEM"] and (run["epochs"], run["pictures"]) == (4, 40)
    assert (run["weights"], run["backbone"]) == ("none", "trained")
    assert run["images_per_second"] == pytest.approx(160 / run["seconds"], rel=0.01)
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
    assert list(record.history) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    assert np.isfinite(record.history).all(axis=None)


def test_the_saved_model_gives_the_recorded_probabilities(record, split):
    import keras

    network = keras.models.load_model(record.path / "model.keras")
    store = open_store(split.cells, size=16, crop=20)
    part = split.part("test")
    found = network.predict_on_batch(scale_images(store.images[store.rows(part.image)]))
    # Another number of images in a batch may change the last digits.
    recorded = record.predictions[["p_ALL", "p_HEM"]].to_numpy()
    np.testing.assert_allclose(found, recorded, rtol=1e-5, atol=1e-6)
    assert network.count_params() == record.run["model_parameters"]
    assert getattr(network, "optimizer", None) is None, "the optimiser's state would only take room"


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


@pytest.mark.parametrize("protocol", DATASETS["cnmc2019"].protocols)
def test_no_part_but_train_is_trained_on(cells, protocol, monkeypatch):
    fed, real = [], training.still_pictures

    def still(table, store, **rest):
        fed.append(set(table.image))
        return real(table, store, **rest)

    def feed(take, targets, **rest):
        pictures = take.__self__
        fed.append(set(pictures.store.index.image.iloc[pictures.rows]))
        raise InterruptedError

    split = make_split(cells, protocol)
    monkeypatch.setattr(training, "still_pictures", still)
    monkeypatch.setattr(training, "make_feed", feed)
    with pytest.raises(InterruptedError):
        train(split, f"spied-{protocol}")
    assert fed[0] == set(split.part("validation").image)
    assert fed[1] <= set(split.part("train").image) and len(fed[1]) > 10 and len(fed) == 2


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
    + [{"epochs": True}, {"seed": -1}, {"seed": "1"}, {"seed": 2**32}]
    + [{"batch": 0}, {"batch": 2.0}, {"precision": "float16"}, {"precision": None}],
)
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        replace(SETTINGS, **wrong).filled(load_recipe("mir2019-proposed"))


@pytest.mark.parametrize("wrong", [{"weights": "imagnet"}, {"backbone": "frosen"}])
def test_unknown_words_are_refused_with_the_nearest(split, wrong):
    (word,) = wrong.values()
    with pytest.raises((ParameterError, RecipeError), match=f"{word}.*is not known") as caught:
        train(split, "refused", **wrong)
    assert caught.value.remedy in ("Did you mean 'imagenet'?", "Did you mean 'frozen'?")


@pytest.mark.parametrize("wrong", [{"weights": "imagenet"}, {"backbone": "frozen"}])
def test_a_network_without_a_backbone_takes_no_weights(split, wrong):
    with pytest.raises(RecipeError, match="no pretrained backbone"):
        train(split, "refused", **wrong)
    assert not (workspace() / "runs" / "refused").exists()


def test_samples_are_refused_where_none_are_drawn(split):
    for name in ("unnithan2021-2x2", "ball2023-densenet201"):
        with pytest.raises(ParameterError, match="samples = 40 has no effect") as caught:
            RunSettings(samples=40).filled(load_recipe(name))
        assert name in str(caught.value) and caught.value.where == "samples"
        assert RunSettings().filled(load_recipe(name)).samples is None


def test_settings_left_open_are_the_recipes():
    recipe = load_recipe("mir2019-proposed")
    full = RunSettings(
        input_size=150, epochs=100, samples=20_000, batch=30, weights="none",
        backbone="trained", precision="float32", seed=1,
    )  # fmt: skip
    assert RunSettings().filled(recipe) == full
    assert RunSettings(epochs=3, batch=4).filled(recipe) == replace(full, epochs=3, batch=4)
    frozen = RunSettings().filled(load_recipe("garg2021-vgg19"))
    assert (frozen.weights, frozen.backbone, frozen.samples) == ("imagenet", "frozen", None)


def test_a_split_without_a_validation_part_is_refused_before_images_are_read(cells, monkeypatch):
    table = cells.assign(part="train")
    monkeypatch.setattr(training, "open_store", lambda *_, **__: pytest.fail("images were read"))
    with pytest.raises(SplitError, match="no validation part"):
        train(splits._certified(table, "image", {}), "refused")


def test_an_input_below_the_minimum_is_refused(split):
    with pytest.raises(RecipeError, match="at least 16"):
        train(split, "refused", input_size=8)


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


def test_a_diverged_network_is_reported_and_leaves_no_record(split):
    with pytest.raises(DataError, match="not a finite number.*\n.*\n.*learning rate"):
        train_recipe(
            small_recipe(learning_rate=1e30),
            split,
            settings=SETTINGS,
            run_id="diverged",
            progress=False,
        )
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
    changed = [{"seed": 2}, {"epochs": 9}, {"samples": 9}, {"batch": 9}]
    changed += [{"precision": "mixed_float16"}]
    names = [named(small_recipe()), named(small_recipe(learning_rate=0.1))]
    names += [named(small_recipe(), **change) for change in changed]
    assert len(set(names)) == 7 and named(small_recipe()) == names[0]


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
    # The bar tells how far the run is.
    shown = {key: value for key, value in os.environ.items() if key != "TQDM_DISABLE"}
    with log.open("wb") as errors:
        process = subprocess.Popen(
            [*words, "--epochs", "5000"], cwd=REPOSITORY, stdout=errors, stderr=errors, env=shown
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


# Order -----------------------------------------------------------------------------


def test_each_epoch_takes_each_batch_of_its_own_order(split, monkeypatch):
    """Keras must not take a batch before the epoch's order is set, nor one from the next."""
    asked, orders, real = [], {}, training.make_feed

    def spying(*arguments, **rest):
        feed = real(*arguments, **rest)
        plain = type(feed).__getitem__

        def getitem(self, number):
            asked.append((self.order.tobytes(), number))
            return plain(self, number)

        monkeypatch.setattr(type(feed), "__getitem__", getitem)
        for epoch in (2, 1, 0):
            feed.shuffle(epoch)
            orders[epoch] = feed.order.tobytes()
        return feed

    monkeypatch.setattr(training, "make_feed", spying)
    train(split, "asked", epochs=3)
    batches = math.ceil(SETTINGS.samples / 8)
    wanted = [(orders[epoch], number) for epoch in range(3) for number in range(batches)]
    # Keras looks at two batches beforehand to learn their shape.
    assert asked[-len(wanted) :] == wanted and set(asked[: -len(wanted)]) <= set(wanted[:2])


def test_the_batch_of_the_settings_is_that_of_the_steps(split, monkeypatch):
    sizes, real = [], Pictures.take

    def take(self, chosen, seed):
        sizes.append((len(chosen), seed))
        return real(self, chosen, seed)

    monkeypatch.setattr(Pictures, "take", take)
    train(split, "batch-15", batch=15, epochs=1, seed=9)
    steps = [size for size, seed in sizes if seed == (9, 0)]
    assert steps[-3:] == [15, 15, 10]


class Rig:
    """What varied pictures a run was fed, by epoch."""

    def __init__(self, monkeypatch):
        self.shown, real = {}, training.make_feed

        def spying(take, targets, **rest):
            def spy(chosen, seed):
                images = take(chosen, seed)
                for place, image in zip(chosen, images, strict=True):
                    key = hashlib.sha256(image.tobytes()).hexdigest()
                    self.shown.setdefault(seed, {})[int(place)] = key
                return images

            self.targets = targets
            return real(spy, targets, **rest)

        monkeypatch.setattr(training, "make_feed", spying)


def online_recipe() -> Recipe:
    online = load_recipe("ball2023-densenet201").augmentation
    return replace(tiny_recipe(), augmentation=online)


def test_online_variation_differs_between_epochs_and_repeats_between_runs(split, monkeypatch):
    settings = RunSettings(input_size=16, epochs=3)
    runs = []
    for number in range(2):
        rig = Rig(monkeypatch)
        record = train_recipe(
            online_recipe(), split, settings=settings, run_id=f"online-{number}", progress=False
        )
        runs.append((rig.shown, record))
        monkeypatch.undo()
        monkeypatch.setenv("ALLLIB_WORKSPACE", str(record.path.parents[1]))
    (first, one), (second, two) = runs
    assert first == second and set(first) == {(1, 0), (1, 1), (1, 2)}
    count = len(split.part("train"))
    assert one.run["pictures"] == count and one.run["parameters"]["samples"] is None
    for epoch in (1, 2):
        assert len(first[1, epoch]) == count
        same = [first[1, 0][place] == first[1, epoch][place] for place in range(count)]
        assert not any(same)
    pd.testing.assert_frame_equal(one.predictions, two.predictions, check_exact=True)
    pairs = zip(weights_of(one), weights_of(two), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


# The checkpoint --------------------------------------------------------------------

LOSSES, ACCURACIES = (0.3, 0.6, 0.5, 0.4), (0.5, 0.9, 0.7, 0.9)


def scripted(monkeypatch, losses=LOSSES, accuracies=ACCURACIES):
    """Let the validation part score as written, epoch by epoch."""
    rows = iter({"val_accuracy": a, "val_loss": b} for a, b in zip(accuracies, losses, strict=True))
    monkeypatch.setattr(training, "_validation_scores", lambda *_: next(rows))


def train_still(split, run_id, *, epochs, **changes):
    return train_recipe(
        tiny_recipe(**changes),
        split,
        settings=RunSettings(input_size=16, epochs=epochs),
        run_id=run_id,
        progress=False,
    )


@pytest.fixture(scope="module")
def after(split):
    """Predictions after each of four epochs."""
    runs = [
        train_still(split, f"after-{epochs}", epochs=epochs, checkpoint="last")
        for epochs in (1, 2, 3, 4)
    ]
    frames = [run.predictions for run in runs]
    assert not any(a.equals(b) for a, b in zip(frames, frames[1:], strict=False))
    return frames


@pytest.mark.parametrize(
    ("metric", "chosen"),
    # Of equals the first, as Keras's checkpoint with "max" does.
    [("val_loss", 1), ("val_accuracy", 2), ("last", 4)],
)
def test_the_checkpoint_is_the_epoch_that_the_rule_says(split, after, monkeypatch, metric, chosen):
    scripted(monkeypatch)
    record = train_still(split, f"chosen-by-{metric}", epochs=4, checkpoint=metric)
    pd.testing.assert_frame_equal(record.predictions, after[chosen - 1], check_exact=True)
    assert list(record.history.val_loss) == list(LOSSES)
    assert list(record.history.val_accuracy) == list(ACCURACIES)


def test_training_stops_when_nothing_improves_and_keeps_the_best(split, after, monkeypatch):
    scripted(monkeypatch, losses=(0.5, 0.4, 0.41, 0.4, 0.1, 0.1), accuracies=(0.5,) * 6)
    record = train_still(split, "stopped", epochs=6, checkpoint="val_loss", patience=2)
    assert list(record.history.epoch) == [1, 2, 3, 4], "an equal loss is no improvement"
    assert record.run["epochs"] == 4 and record.run["parameters"]["epochs"] == 6
    pd.testing.assert_frame_equal(record.predictions, after[1], check_exact=True)
    expected = 4 * record.run["pictures"] / record.run["seconds"]
    assert record.run["images_per_second"] == pytest.approx(expected, rel=0.02)


def test_patience_counts_from_the_last_improvement(split, monkeypatch):
    scripted(monkeypatch, losses=(0.5, 0.6, 0.4, 0.5, 0.3, 0.9), accuracies=(0.5,) * 6)
    record = train_still(split, "patient", epochs=6, checkpoint="val_loss", patience=2)
    assert record.run["epochs"] == 6


def test_validation_scores_are_accuracy_and_cross_entropy():
    probabilities = np.array([[0.8, 0.2], [0.4, 0.6], [1.0, 0.0]])
    targets = np.array([[1, 0], [1, 0], [0, 1]])
    found = training._validation_scores(probabilities, targets)
    assert found["val_accuracy"] == pytest.approx(1 / 3)
    assert found["val_loss"] == pytest.approx(-np.log([0.8, 0.4, 1e-7]).mean())


def test_the_recorded_scores_are_those_of_the_validation_part(cells):
    """The last epoch's validation row fits the recorded predictions of the same images."""
    split = make_split(cells, "image")
    record = train_still(split, "scores", epochs=2, checkpoint="last")
    table, last = record.predictions, record.history.iloc[-1]
    right = np.where(table.label == "ALL", table.p_ALL, table.p_HEM)
    assert last.val_loss == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert last.val_accuracy == pytest.approx((right > 0.5).mean())


# Penalties -------------------------------------------------------------------------


def one_step(penalties: dict) -> tuple[list, list, float]:
    """Variables before and after one step on all of a fixed batch, and its loss."""
    recipe = load_recipe("unnithan2021-2x2")
    sgd = {"name": "SGD", "learning_rate": 0.1, "momentum": 0.0, "nesterov": False}
    recipe = replace(
        recipe,
        architecture=replace(
            recipe.architecture,
            settings={**recipe.architecture.settings, "filters": 4, "dense": 6, "dropout": 0.0},
        ),
        training=replace(recipe.training, optimizer=sgd, **penalties),
    )
    network = training._build(recipe, RunSettings(input_size=16).filled(recipe), 2)
    training._compile(network, recipe)
    before = [(v.path, v.numpy().astype(np.float64)) for v in network.trainable_variables]
    generator = np.random.default_rng(0)
    images = generator.random((8, 16, 16, 3)).astype(np.float32)
    targets = np.array([[0.0], [1.0]] * 4, np.float32)
    loss = network.fit(images, targets, batch_size=8, verbose=0).history["loss"][0]
    after = [v.numpy().astype(np.float64) for v in network.trainable_variables]
    return before, after, loss


@pytest.mark.parametrize("penalties", [{"l1": 0.01}, {"l2": 0.02}, {"l1": 0.003, "l2": 0.05}])
def test_penalties_add_exactly_their_terms_and_move_kernels_alone(penalties):
    before, plain, loss = one_step({})
    again, penalised, larger = one_step(penalties)
    l1, l2 = penalties.get("l1", 0.0), penalties.get("l2", 0.0)
    kernels = [values for path, values in before if path.endswith("kernel")]
    assert len(kernels) == 6 and len(before) == 12
    added = sum(l1 * np.abs(w).sum() + l2 * (w**2).sum() for w in kernels)
    assert added > 0.1 and larger - loss == pytest.approx(added, rel=1e-4)
    for (path, start), (_, same), one, two in zip(before, again, plain, penalised, strict=True):
        np.testing.assert_array_equal(start, same)
        drift = -0.1 * (2 * l2 * start + l1 * np.sign(start))
        wanted = drift if path.endswith("kernel") else 0.0 * start
        np.testing.assert_allclose(two - one, wanted, atol=2e-7, err_msg=path)


def test_no_scale_of_a_normalisation_is_penalised():
    recipe = small_recipe(l2=0.1)
    network = training._build(recipe, RunSettings(input_size=16).filled(recipe), 2)
    named = {v.path: v.regularizer for v in network.trainable_variables}
    assert any(path.endswith("gamma") for path in named)
    for path, penalty in named.items():
        assert (penalty is not None) == path.endswith("kernel"), path


# One output unit -------------------------------------------------------------------


def test_one_unit_is_the_second_class(split, monkeypatch):
    rig = Rig(monkeypatch)
    record = train_recipe(
        tiny_recipe(), split, settings=RunSettings(input_size=16, epochs=20), progress=False
    )
    labels = split.part("train").label
    assert rig.targets.shape == (len(labels), 1)
    assert list(rig.targets[:, 0]) == list((labels == "HEM").astype(float))
    table = record.predictions
    np.testing.assert_allclose(table.p_ALL + table.p_HEM, 1, rtol=1e-6)
    # The shades of the two classes are far apart: a swapped column would be all wrong.
    assert table.p_HEM[table.label == "HEM"].mean() > table.p_HEM[table.label == "ALL"].mean() + 0.2
    assert record.history.val_accuracy.iloc[-1] > 0.8


def test_outputs_become_probabilities_of_each_class():
    several = np.array([[0.2, 0.8], [0.5, 0.5]], np.float32)
    assert class_probabilities(several) is several
    single = class_probabilities(np.array([[0.25], [1.0]], np.float32))
    assert single.tolist() == [[0.75, 0.25], [0.0, 1.0]] and single.dtype == np.float32


# Networks of the test's own --------------------------------------------------------


def stand_in(monkeypatch, *, side: bool = False, scale: str = "unit", norm: bool = True) -> Recipe:
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
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(ARCHITECTURES, "stand_in", Architecture("stand_in", "features", scale))
    settings = {"auxiliary_weight": 0.25} if side else {}
    recipe = tiny_recipe(loss="categorical_crossentropy")
    return replace(
        recipe,
        architecture=replace(recipe.architecture, name="stand_in", settings=settings),
    )


def test_a_side_classifier_teaches_and_is_gone_afterwards(split, monkeypatch):
    import keras

    recipe = stand_in(monkeypatch, side=True)
    compiled, real = [], training._compile

    def spy(network, recipe, **settings):
        real(network, recipe, **settings)
        side = network.get_layer("auxiliary").trainable_variables
        compiled.append((network, [v.numpy() for v in side]))

    monkeypatch.setattr(training, "_compile", spy)
    record = train_recipe(
        recipe, split, settings=RunSettings(input_size=16, epochs=3), run_id="side", progress=False
    )
    ((network, before),) = compiled
    side = network.get_layer("auxiliary").trainable_variables
    moved = [not np.array_equal(a, b.numpy()) for a, b in zip(before, side, strict=True)]
    assert all(moved), "the auxiliary classifier was trained"
    assert list(record.history) == ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
    saved = keras.models.load_model(record.path / "model.keras")
    assert len(saved.outputs) == 1 and not [x for x in saved.layers if "auxiliary" in x.name]
    assert record.run["model_parameters"] == saved.count_params()
    assert saved.count_params() == 3 * 9 * 4 + 4 + 16 + 10


def test_the_side_loss_counts_with_its_weight(split, monkeypatch):
    recipe = stand_in(monkeypatch, side=True)
    network = training._build(recipe, RunSettings(input_size=16).filled(recipe), 2)
    training._compile(network, recipe)
    images = np.random.default_rng(0).random((8, 16, 16, 3)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[[0, 1] * 4]
    logs = network.test_on_batch(images, (targets, targets), return_dict=True)
    main, side = (
        -np.log((outputs * targets).sum(axis=1)).mean()
        for outputs in network.predict_on_batch(images)
    )
    assert logs["loss"] == pytest.approx(main + 0.25 * side, rel=1e-4)


# Frozen backbones ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stand-in", "vgg19"])
def test_a_head_on_cached_features_learns_what_the_frozen_network_would(split, monkeypatch, kind):
    """Same weights and history, though the backbone runs once for each image."""
    if kind == "vgg19":
        recipe, size = load_recipe("garg2021-vgg19"), 32
        settings = {"dense": [16], "dropout": 0.0}
        recipe = replace(recipe, architecture=replace(recipe.architecture, settings=settings))
    else:
        recipe, size = stand_in(monkeypatch), 16
    sgd = {"name": "SGD", "learning_rate": 0.5, "momentum": 0.0, "nesterov": False}
    recipe = replace(recipe, training=replace(recipe.training, batch=8, optimizer=sgd))
    settings = RunSettings(input_size=size, epochs=3, weights="none", backbone="frozen")
    calls, real = [], training.compute_features

    def counted(*arguments, **rest):
        calls.append(1)
        return real(*arguments, **rest)

    monkeypatch.setattr(training, "compute_features", counted)
    cached = train_recipe(recipe, split, settings=settings, run_id=f"cached-{kind}", progress=False)
    assert len(calls) == 2, "of the training and of the validation part"
    assert sorted(p.name for p in (workspace() / "_build").iterdir()) == ["cells", "stores"]
    monkeypatch.setattr(training, "_fixed_part", lambda *_: None)
    full = train_recipe(recipe, split, settings=settings, run_id=f"full-{kind}", progress=False)
    assert len(calls) == 2
    start = training._build(recipe, settings.filled(recipe), 2).get_weights()
    one, two = weights_of(cached), weights_of(full)
    head = 4 if kind == "vgg19" else 2
    for a, b in zip(one[:-head] + two[:-head], 2 * start[:-head], strict=True):
        np.testing.assert_array_equal(a, b, "the backbone stays as it was")
    moved = max(np.abs(a - b).max() for a, b in zip(one[-head:], start[-head:], strict=True))
    for a, b in zip(one[-head:], two[-head:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * moved)
    np.testing.assert_allclose(cached.history, full.history, rtol=1e-4)
    probabilities = [run.predictions[["p_ALL", "p_HEM"]] for run in (cached, full)]
    np.testing.assert_allclose(*probabilities, atol=1e-5)


def test_drawn_pictures_reuse_the_features_of_their_form(split, monkeypatch):
    """40 pictures of few images hold copies, and each is computed once."""
    recipe = replace(stand_in(monkeypatch), augmentation=small_recipe().augmentation)
    seen, real = [], Pictures.take

    def take(self, chosen, seed):
        seen.append(len(chosen))
        return real(self, chosen, seed)

    monkeypatch.setattr(Pictures, "take", take)
    settings = RunSettings(input_size=16, epochs=5, samples=400, backbone="frozen")
    record = train_recipe(recipe, split, settings=settings, run_id="forms", progress=False)
    images = {part: len(split.part(part)) for part in ("train", "validation", "test")}
    scored = images["validation"] + images["test"]
    distinct = sum(seen) - scored
    assert images["train"] < distinct <= 8 * images["train"] and distinct < 400
    assert record.run["pictures"] == 400 and record.run["backbone"] == "frozen"


def test_a_frozen_backbone_under_online_variation_is_run_in_each_epoch(split, monkeypatch):
    recipe = replace(stand_in(monkeypatch), augmentation=online_recipe().augmentation)
    monkeypatch.setattr(training, "compute_features", lambda *_, **__: pytest.fail("cached"))
    settings = RunSettings(input_size=16, epochs=1, backbone="frozen")
    start = training._build(recipe, settings.filled(recipe), 2).get_weights()
    record = train_recipe(recipe, split, settings=settings, progress=False)
    found = weights_of(record)
    for a, b in zip(found[:-2], start[:-2], strict=True):
        np.testing.assert_array_equal(a, b, "statistics of the normalisation included")
    assert not np.array_equal(found[-2], start[-2])


def test_pictures_are_scaled_for_the_weights_they_meet(split, monkeypatch):
    recipe = stand_in(monkeypatch, scale="torch")
    recipe = replace(recipe, images=replace(recipe.images, scale="pretrained"))
    scales = {}
    for weights in ("imagenet", "none"):
        settings = RunSettings(input_size=16, epochs=1, weights=weights)
        record = train_recipe(recipe, split, settings=settings, progress=False)
        scales[weights] = record.run["parameters"]["scale"]
        assert record.run["weights"] == weights
    assert scales == {"imagenet": "torch", "none": "unit"}


# Precision -------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_gives_full_probabilities(split, monkeypatch, precision):
    import keras

    optimizers, real = [], training._compile

    def spy(network, recipe, **settings):
        real(network, recipe, **settings)
        optimizers.append(network.optimizer)

    monkeypatch.setattr(training, "_compile", spy)
    settings = RunSettings(input_size=16, epochs=1, precision=precision)
    record = train_recipe(tiny_recipe(), split, settings=settings, run_id=precision, progress=False)
    saved = keras.models.load_model(record.path / "model.keras")
    assert saved.get_layer("block1_conv1").compute_dtype == precision.removeprefix("mixed_")
    assert saved.output.dtype == "float32"
    assert record.predictions[["p_ALL", "p_HEM"]].dtypes.unique() == [np.float32]
    assert keras.config.dtype_policy().name == "float32", "given back"
    scaled = isinstance(optimizers[0], keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16"), "small gradients vanish in 16 bits"


def test_a_head_on_cached_features_keeps_its_loss_scaled(split, monkeypatch):
    import keras

    optimizers, real = [], training._compile

    def spy(network, recipe, **settings):
        real(network, recipe, **settings)
        optimizers.append(network.optimizer)

    recipe = stand_in(monkeypatch)
    monkeypatch.setattr(training, "_compile", spy)
    settings = RunSettings(input_size=16, epochs=1, backbone="frozen", precision="mixed_float16")
    record = train_recipe(recipe, split, settings=settings, progress=False)
    assert isinstance(optimizers[0], keras.optimizers.LossScaleOptimizer)
    assert record.predictions[["p_ALL", "p_HEM"]].dtypes.unique() == [np.float32]
    assert keras.config.dtype_policy().name == "float32"


def test_the_precision_is_given_back_after_an_error(split):
    import keras

    with pytest.raises(RecipeError, match="at least 16"):
        train(split, "refused", input_size=8, precision="mixed_float16")
    assert keras.config.dtype_policy().name == "float32"


# Memory ----------------------------------------------------------------------------


class ResourceExhaustedError(Exception):
    """Stands for the one that a backend raises."""


SHORT = [
    MemoryError(),
    ResourceExhaustedError("Graph execution error"),
    ValueError("OOM when allocating tensor with shape[30,64,254,254]"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12884901888 bytes."),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
]


@pytest.mark.parametrize("error", SHORT, ids=lambda error: type(error).__name__ + str(error)[:12])
@pytest.mark.parametrize("step", ["_build", "_fit", "_predict"])
def test_short_memory_names_half_the_batch(split, monkeypatch, error, step):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(training, step, fail)
    settings = RunSettings(input_size=16, epochs=1, batch=9)
    with pytest.raises(TrainingError, match="a batch of 9") as caught:
        train_recipe(tiny_recipe(), split, settings=settings, run_id="short", progress=False)
    assert "--batch 4" in caught.value.remedy and caught.value.__cause__ is error
    assert not [p for p in (workspace() / "runs").glob("*short*")]


def test_short_memory_at_a_batch_of_one_has_another_remedy(split, monkeypatch):
    def fail(*_, **__):
        raise MemoryError

    monkeypatch.setattr(training, "_fit", fail)
    with pytest.raises(TrainingError, match="a batch of 1") as caught:
        train(split, "short", batch=1)
    assert "--batch" not in caught.value.remedy and "--input-size" in caught.value.remedy


def test_short_memory_inside_a_step_is_said_too(split, monkeypatch):
    """The error comes through Keras, which runs the feed in a thread of its own."""
    real = Pictures.take

    def take(self, chosen, seed):
        if seed == (1, 1):  # the second epoch
            raise MemoryError
        return real(self, chosen, seed)

    monkeypatch.setattr(Pictures, "take", take)
    with pytest.raises(TrainingError, match="a batch of 8"):
        train(split, "short", epochs=3)
    assert not [p for p in (workspace() / "runs").glob("*short*")]


def test_other_errors_stay_what_they_are(split, monkeypatch):
    for error in (ValueError("shapes do not fit"), KeyboardInterrupt()):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(training, "_fit", fail)
        with pytest.raises(type(error)):
            train(split, "failed", epochs=1)


# Four classes ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def smears(place):
    return load_cells(make_smears(place / "smears", SmearDesign(images=80, size=48)))


def four_class_recipe(monkeypatch) -> Recipe:
    """The sheet's recipe, every setting but network and rate."""
    recipe = load_recipe("ball2023-densenet201")
    optimizer = {**recipe.training.optimizer, "learning_rate": 0.01}
    return replace(
        recipe,
        architecture=stand_in(monkeypatch, norm=False).architecture,
        training=replace(recipe.training, optimizer=optimizer),
    )


@pytest.mark.parametrize("protocol", ["image", "blocks"])
def test_four_classes_train_and_are_scored_with_intervals(smears, protocol, monkeypatch):
    recipe = four_class_recipe(monkeypatch)
    split = split_by_recipe(recipe, smears, protocol)
    settings = RunSettings(input_size=16, epochs=2)
    record = train_recipe(
        recipe, split, settings=settings, run_id=f"four-{protocol}", progress=False
    )
    run, columns = record.run, ["p_Benign", "p_Early", "p_Pre", "p_Pro"]
    assert run["dataset"] == "synthetic-subtypes" and run["scored"] == "test"
    assert run["classes"] == ["Benign", "Early", "Pre", "Pro"]
    assert list(record.predictions.columns[4:]) == columns
    np.testing.assert_allclose(record.predictions[columns].sum(axis=1), 1, rtol=1e-5)
    share = {part: n / len(smears) for part, n in run["images"].items()}
    if protocol == "image":
        wanted = {"train": 0.64, "validation": 0.16, "test": 0.2}
        assert all(abs(share[part] - wanted[part]) < 0.05 for part in wanted)
    assert set(share) == {"train", "validation", "test"}
    assert run["metrics"]["resampled"] == "image", "no subjects are named"
    estimate = run["metrics"]["metrics"]["accuracy"]
    assert estimate["low"] < estimate["value"] < estimate["high"]
    assert np.array(run["metrics"]["confusion"]).shape == (4, 4)
    assert sum(map(sum, run["metrics"]["confusion"])) == len(split.part("test"))


def test_four_classes_are_learnt(place, monkeypatch):
    """Each has its colour, so a swapped column or target would show."""
    generator = np.random.default_rng(1)
    colours = {"Benign": (200, 60, 60), "Early": (60, 200, 60), "Pre": (60, 60, 200)}
    for label, colour in (colours | {"Pro": (200, 200, 60)}).items():
        folder = place / "colours" / label
        folder.mkdir(parents=True)
        for number in range(1, 16):
            pixels = np.array(colour) + generator.integers(-50, 51, (20, 20, 3))
            name = f"WBC-{'' if label == 'Benign' else 'Malignant-'}{label}-{number:03d}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name)
    recipe = replace(four_class_recipe(monkeypatch), augmentation=tiny_recipe().augmentation)
    split = split_by_recipe(recipe, load_cells(place / "colours"), "honest")
    record = train_recipe(
        recipe, split, settings=RunSettings(input_size=16, epochs=12), progress=False
    )
    assert record.run["dataset"] == "ball2021" and record.run["protocol"] == "blocks"
    assert record.history.accuracy.iloc[-1] > 0.9 and record.history.val_accuracy.iloc[-1] > 0.9
    assert np.diag(record.run["metrics"]["confusion"]).sum() > 0.9 * record.run["metrics"]["images"]


def test_a_network_for_two_classes_refuses_four(smears, monkeypatch):
    two = load_recipe("unnithan2021-2x2").architecture
    recipe = replace(four_class_recipe(monkeypatch), architecture=two)
    with pytest.raises(RecipeError, match="two classes apart, not 4"):
        train_recipe(
            recipe,
            split_by_recipe(recipe, smears, "image"),
            settings=RunSettings(input_size=16, epochs=1),
            run_id="refused",
            progress=False,
        )
    assert not (workspace() / "runs" / "refused").exists()


# Appearance ------------------------------------------------------------------------


def appearance_of(images: np.ndarray, **sizes) -> dict:
    names = [f"i{number}" for number in range(len(images))]
    store = SimpleNamespace(images=images, rows=lambda wanted: np.array(
        [names.index(name) for name in wanted]
    ))  # fmt: skip
    cells = pd.DataFrame({"image": names[::-1], "width": 24, "height": 20} | sizes)
    return describe_appearance(cells, store)


def test_appearance_tells_edge_from_inside_by_colour():
    images = np.zeros((5, 10, 10, 3), np.uint8) + np.array([10, 20, 30], np.uint8)
    images[:, 1:-1, 1:-1] = [110, 120, 130]
    found = appearance_of(images)
    assert found == {
        "width": [24, 24],
        "height": [20, 20],
        "edge": [[10.0, 20.0, 30.0]] * 2,
        "mean": [[74.0, 84.0, 94.0]] * 2,  # 36 pixels of 100 lie at the edge
    }
    assert json.loads(json.dumps(found)) == found


def test_appearance_is_a_range_of_quantiles():
    levels = np.arange(101, dtype=np.uint8)[:, None, None, None]
    images = np.broadcast_to(levels, (101, 4, 4, 3)).copy()
    found = appearance_of(images, width=np.arange(101) + 50)
    assert found["width"] == [50, 150]
    assert found["mean"] == found["edge"] == [[1.0] * 3, [99.0] * 3]


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001, 2500])
def test_appearance_of_any_number_of_images(count):
    images = np.full((count, 1, 1, 3), 7, np.uint8)
    assert appearance_of(images)["mean"] == [[7.0] * 3] * 2


def test_appearance_looks_at_images_from_everywhere():
    """A data set larger than the sample: its first, last and middle images are looked at."""
    images = np.zeros((3000, 1, 1, 3), np.uint8)
    images[::2] = 100
    low, high = appearance_of(images)["mean"]
    assert low == [0.0] * 3 and high == [100.0] * 3


def test_the_record_holds_the_appearance_of_the_training_part_alone(split, record):
    store = open_store(split.cells, size=16, crop=20)
    assert record.run["appearance"] == describe_appearance(split.part("train"), store)
    assert record.run["appearance"]["width"] == [20, 20]


# The recipes themselves ------------------------------------------------------------


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
        training.check_classes(load_recipe("mir2019-proposed"), "ball2021")
    training.check_classes(load_recipe("mir2019-proposed"), "synthetic")


@pytest.mark.slow
def test_inception_trains_with_its_side_classifier(split):
    import keras

    settings = RunSettings(input_size=107, epochs=1, samples=8, batch=4, weights="none")
    record = train_recipe(
        load_recipe("mir2019-inception_v3"), split, settings=settings, progress=False
    )
    assert np.isfinite(record.history[["loss", "accuracy"]]).all(axis=None)
    saved = keras.models.load_model(record.path / "model.keras")
    assert len(saved.outputs) == 1 and not [x for x in saved.layers if "auxiliary" in x.name]


@pytest.fixture(scope="module")
def real_split(real_root):
    """400 real cells, the same share of each class in the folders that hold them."""
    cells = load_cells(real_root / "C-NMC_Leukemia")
    labelled = cells[cells.label.notna() & ~cells.fold.isin(("preliminary", "final"))]
    chosen = labelled.groupby("label").sample(200, random_state=1)
    chosen.attrs = cells.attrs
    return make_split(chosen.reset_index(drop=True), "image")


@pytest.mark.slow
def test_the_two_by_two_network_learns_from_real_cells(real_split):
    settings = RunSettings(input_size=32, epochs=2)
    record = train_recipe(
        load_recipe("unnithan2021-2x2"), real_split, settings=settings, progress=False
    )
    assert record.run["dataset"] == "cnmc2019" and record.run["images"]["train"] == 320
    assert record.history.loss[1] < record.history.loss[0]


@pytest.mark.slow
def test_the_frozen_vgg19_trains_on_real_cells(real_split):
    settings = RunSettings(input_size=32, epochs=1, weights="none")
    record = train_recipe(
        load_recipe("garg2021-vgg19"), real_split, settings=settings, progress=False
    )
    assert record.run["backbone"] == "frozen" and len(record.history) == 1
    assert np.isfinite(record.history).all(axis=None)
