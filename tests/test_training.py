"""Training on tiny images: what the record says is what was trained, twice the same, and the
same whatever interrupts it."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tiny import (
    SETTINGS,
    digest,
    run_python,
    small_recipe,
    stand_in,
    tiny_recipe,
    weights_of,
    write_cells,
)

from alllib import fitting, splits, training
from alllib.backend import describe_device
from alllib.checkpoints import load_state, state_folder
from alllib.datasets import DATASETS, load_cells
from alllib.errors import (
    DiskError,
    ImageError,
    ParameterError,
    RecipeError,
    RecordError,
    SplitError,
    TrainingError,
)
from alllib.evaluation import METRICS
from alllib.files import workspace
from alllib.fitting import Resources
from alllib.pictures import scale_images
from alllib.recipes import Recipe, change_recipe, load_recipe, split_by_recipe
from alllib.records import REQUIRED, list_records, read_record
from alllib.smears import SmearDesign, make_smears
from alllib.splits import Split, make_split, scored_part
from alllib.store import open_store
from alllib.training import RunSettings, describe_appearance, train_recipe

REPOSITORY = Path(__file__).resolve().parents[1]


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


def train(split, run_id, *, again=False, **changes):
    return train_recipe(
        small_recipe(),
        split,
        settings=replace(SETTINGS, **changes),
        run_id=run_id,
        again=again,
        progress=False,
    )


# The record ------------------------------------------------------------------------


def test_the_record_is_whole(record, split):
    assert record.path == workspace() / "runs" / "first"
    names = {path.name for path in record.path.iterdir()}
    assert names == {
        *("run.json", "predictions.parquet", "validation.parquet", "history.csv", "model.keras")
    }
    # What thresholds are chosen on is kept beside what is scored, and is not the same.
    assert list(record.validation.image) == list(split.part("validation").image)
    assert list(record.predictions.image) == list(split.part("test").image)
    assert list(record.validation) == list(record.predictions)
    run = json.loads((record.path / "run.json").read_text())
    assert run == record.run and set(REQUIRED) <= set(run)
    assert run["status"] == "finished" and run["scored"] == "test"
    assert run["certificate"] == split.certificate
    assert run["images"] == split.cells.part.value_counts().to_dict()
    assert run["recipe_text"]["training"]["batch"] == 8
    assert run["parameters"]["epochs"] == 4 and run["parameters"]["crop"] == 20
    assert run["parameters"]["batch"] == 8
    assert run["parameters"]["precision"] == "auto" and run["precision"] == "float32"
    assert run["classes"] == ["ALL", "HEM"] and (run["epochs"], run["pictures"]) == (4, 40)
    assert (run["weights"], run["backbone"]) == ("none", "trained")
    assert run["images_per_second"] == pytest.approx(160 / run["seconds"], rel=0.01)
    assert len(run["epoch_seconds"]) == 4 and sum(run["epoch_seconds"]) < run["seconds"]
    assert run["sessions"] == 1 and 1 <= run["chosen_epoch"] <= 4
    assert run["resources"] == {"devices": 1, "deterministic": False}
    assert re.fullmatch("[0-9a-f]{16}", run["code"])
    assert run["machine"] == {key: run["device"][key] for key in ("device", "threads")}
    assert run["backend"] == run["device"]["backend"]
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
    first = ["epoch", "accuracy", "loss", "val_loss"]
    assert list(record.history) == [*first, *(f"val_{name}" for name in METRICS), "learning_rate"]
    always = [*first, "val_accuracy", "learning_rate"]
    assert np.isfinite(record.history[always]).all(axis=None)


def test_nothing_but_the_record_is_left(record):
    names = {path.name for path in record.path.parent.iterdir() if "first" in path.name}
    assert names <= {"first", ".first.lock", "..first.training.lock"}


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
    fed, real = [], fitting.still_pictures

    def still(table, store, **rest):
        fed.append(set(table.image))
        return real(table, store, **rest)

    def feed(take, targets, **rest):
        pictures = take.func.__self__
        fed.append(set(pictures.store.index.image.iloc[pictures.rows]))
        raise InterruptedError

    split = make_split(cells, protocol)
    monkeypatch.setattr(fitting, "still_pictures", still)
    monkeypatch.setattr(fitting, "make_feed", feed)
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
        backbone="trained", precision="auto", patience=0, seed=1,
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
    with pytest.raises(TrainingError, match="not a finite number after batch .* in epoch 1") as c:
        train_recipe(
            small_recipe(learning_rate=1e30),
            split,
            settings=SETTINGS,
            run_id="diverged",
            progress=False,
        )
    assert "images UID_" in c.value.where and "learning rate" in c.value.remedy
    assert not (workspace() / "runs" / "diverged").exists()
    assert load_state(state_folder("diverged")) is None


# One run id, twice -----------------------------------------------------------------


def test_the_same_parameters_give_the_same_bits(split, taken):
    """A second run of the same seed is the same run, down to the last bit."""
    again = train(split, "taken-again")
    assert again.run["parameters"] == taken.run["parameters"]
    pd.testing.assert_frame_equal(taken.predictions, again.predictions, check_exact=True)
    pd.testing.assert_frame_equal(taken.history, again.history, check_exact=True)
    pairs = list(zip(weights_of(taken), weights_of(again), strict=True))
    assert len(pairs) > 60 and all(np.array_equal(a, b) for a, b in pairs)


def files_of(record) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in record.path.iterdir()}


def written(record) -> int:
    """When its record was written, in nanoseconds."""
    return (record.path / "run.json").stat().st_mtime_ns


def test_a_finished_run_is_not_run_again(split, taken, monkeypatch, caplog):
    before = files_of(taken)
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))
    monkeypatch.setattr(training, "open_store", lambda *_, **__: pytest.fail("images were read"))
    caplog.set_level("INFO", "alllib")
    found = train(split, "taken")
    assert found.run == taken.run and files_of(found) == before
    assert "finished already" in caplog.text and not state_folder("taken").exists()


def test_what_a_kill_left_beside_a_finished_run_is_removed(split, taken):
    """Killed between the record and the removal of its state."""
    folder = state_folder("taken")
    folder.mkdir()
    for name in ("state.json", "epoch-00002.npz"):
        (folder / name).write_text("left")
    train(split, "taken")
    assert not folder.exists()


def test_a_finished_run_is_run_again_on_request(split, monkeypatch):
    first = train(split, "again")
    before, made = files_of(first), written(first)
    with monkeypatch.context() as patch:
        patch.setattr(training, "fit", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            train(split, "again", again=True)
    assert files_of(read_record(first.path)) == before, "it stays until the new one is there"
    (first.path / "stray.txt").write_text("of the first one")
    second = train(split, "again", again=True)
    assert not (second.path / "stray.txt").exists() and digest(second) == digest(first)
    assert written(second) > made
    with pytest.raises(RecordError, match="with other epochs"):
        train(split, "again", again=True, epochs=1)


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


def test_a_full_disk_leaves_the_older_record(split, monkeypatch):
    import keras

    def full(self, path, **rest):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    record = train(split, "full")
    before = files_of(record)
    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", full)
        with pytest.raises(DiskError, match="disk is full"):
            train(split, "full", again=True)
    assert files_of(read_record(record.path)) == before
    assert not [path for path in record.path.parent.iterdir() if "partial" in path.name]
    monkeypatch.setattr(fitting, "_train", lambda *_, **__: pytest.fail("trained anew"))
    folder = state_folder("full")
    assert load_state(folder).epoch == 2, "what was trained is not lost"
    shutil.rmtree(record.path)
    assert digest(train(split, "full")) == digest(record) and not folder.exists()


# An unfinished run -----------------------------------------------------------------


def stop_after(epoch: int, *given, **rest):
    """Begin a run and end it, as Ctrl-C does, after an epoch."""
    save = fitting.save_state

    def saving(folder, state, variables):
        save(folder, state, variables)
        if state.epoch == epoch:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "save_state", saving)
        with pytest.raises(KeyboardInterrupt):
            train_recipe(*given, progress=False, **rest)


QUICK = RunSettings(input_size=16, epochs=3, batch=20)


def finish(split, *, recipe=None, settings=QUICK, **rest):
    return train_recipe(recipe or tiny_recipe(), split, settings=settings, progress=False, **rest)


def unfinished(split, run_id: str | None = None, **rest) -> Path:
    """Folder of a state after the first epoch."""
    before = set(workspace().glob("runs/.*.training"))
    stop_after(1, tiny_recipe(), split, settings=QUICK, run_id=run_id, **rest)
    (folder,) = set(workspace().glob("runs/.*.training")) - before
    return folder


def test_an_unfinished_run_is_no_record_and_goes_on_by_itself(split, caplog):
    whole = finish(split, run_id="went-whole")
    folder = unfinished(split, "went")
    assert "went" not in [record.path.name for record in list_records()]
    caplog.set_level("INFO", "alllib")
    found = finish(split, run_id="went")
    assert "The unfinished run went goes on after epoch 1." in caplog.text
    assert found.run["sessions"] == 2 and digest(found) == digest(whole) and not folder.exists()
    assert len(found.run["epoch_seconds"]) == 3
    assert sum(found.run["epoch_seconds"]) < found.run["seconds"], "of both sessions"


def test_a_run_without_a_name_goes_on_too(split, workspace_of_its_own):
    folder = unfinished(split)
    found = finish(split)
    assert folder.name == f".{found.path.name}.training" and found.run["sessions"] == 2


@pytest.fixture
def workspace_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "own"))


def test_an_unfinished_run_of_other_parameters_is_refused(split):
    folder = unfinished(split, "half")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for change in ({"settings": replace(QUICK, epochs=4)}, {"recipe": tiny_recipe(l2=0.1)}):
        with pytest.raises(RecordError, match="The unfinished run half is there already") as c:
            finish(split, run_id="half", **change)
        assert c.value.where == folder and "Choose another run id" in c.value.remedy
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    anew = finish(split, run_id="half", settings=replace(QUICK, epochs=1), again=True)
    assert anew.run["epochs"] == anew.run["sessions"] == 1 and not folder.exists()


CHANGES = {
    "code": ("code_digest", lambda module: "f" * 16),
    "backend": ("describe_device", lambda: describe_device() | {"backend": "another"}),
    "versions": ("package_versions", lambda: {"keras": "9"}),
    "machine": ("describe_device", lambda: describe_device() | {"device": "H100", "threads": 3}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_finished_run_of_other_code_is_kept_if_it_was_named(split, monkeypatch, caplog, what):
    named = finish(split, run_id=f"named-{what}", settings=replace(QUICK, epochs=1))
    before = files_of(named)
    monkeypatch.setattr(training, *CHANGES[what])
    monkeypatch.setattr(training, "fit", lambda *_, **__: pytest.fail("trained"))
    found = finish(split, run_id=f"named-{what}", settings=replace(QUICK, epochs=1))
    assert files_of(found) == before
    (warning,) = [entry for entry in caplog.records if entry.levelname == "WARNING"]
    kept = "; it is kept" if what in training.DECISIVE else ": last digits may differ"
    assert f"other {what}{kept}" in warning.getMessage()


def test_a_finished_run_of_other_code_is_trained_anew_if_it_was_not_named(
    split, monkeypatch, caplog, workspace_of_its_own
):
    settings = replace(QUICK, epochs=1)
    first = finish(split, settings=settings)
    same = finish(split, settings=settings)
    assert same.run == first.run, "nothing changed, nothing is trained"
    for what in ("versions", "machine"):
        with monkeypatch.context() as patch:
            patch.setattr(training, *CHANGES[what])
            caplog.clear()
            assert finish(split, settings=settings).run == first.run
            assert f"with other {what}: last digits may differ" in caplog.text
    for what in training.DECISIVE:
        monkeypatch.setattr(training, *CHANGES[what])
        caplog.clear()
        made = written(same)
        later = finish(split, settings=settings)
        assert later.path == first.path and written(later) > made
        assert f"with other {what}; it is trained from the start" in caplog.text
        assert finish(split, settings=settings).run == later.run
        same = later
    assert later.run["code"] == "f" * 16


def test_an_unfinished_run_of_other_code_goes_on_if_it_was_named(split, monkeypatch, caplog):
    unfinished(split, "named-half")
    monkeypatch.setattr(training, *CHANGES["code"])
    found = finish(split, run_id="named-half")
    assert found.run["sessions"] == 2 and "other code; it is kept" in caplog.text
    assert found.run["code"] != "f" * 16, "what began it"


def test_an_unfinished_run_of_other_code_begins_anew_if_it_was_not_named(
    split, monkeypatch, caplog, workspace_of_its_own
):
    folder = unfinished(split)
    monkeypatch.setattr(training, *CHANGES["code"])
    found = finish(split)
    assert found.run["sessions"] == 1 and "trained from the start" in caplog.text
    assert found.run["code"] == "f" * 16 and not folder.exists()


def test_an_unfinished_run_goes_on_elsewhere_and_says_so(
    split, monkeypatch, caplog, workspace_of_its_own
):
    """A pre-empted job that comes back on another node must not lose its epochs."""
    unfinished(split)
    for what in ("versions", "machine"):
        monkeypatch.setattr(training, *CHANGES[what])
    found = finish(split)
    assert found.run["sessions"] == 2
    assert "other machine and versions: last digits may differ" in caplog.text
    assert found.run["machine"] == {key: describe_device()[key] for key in ("device", "threads")}
    assert found.run["device"]["device"] == "H100" and found.run["versions"] == {"keras": "9"}


@pytest.mark.parametrize("asked_again", [False, True])
def test_a_training_again_that_was_interrupted_goes_on(split, asked_again):
    run_id = f"renewed-{asked_again}"
    first = finish(split, run_id=run_id)
    before, made = files_of(first), written(first)
    stop_after(2, tiny_recipe(), split, settings=QUICK, run_id=run_id, again=True)
    assert files_of(read_record(first.path)) == before, "the older record stays"
    second = finish(split, run_id=run_id, again=asked_again)
    assert second.run["sessions"] == 2 and digest(second) == digest(first)
    assert written(second) > made


def test_a_run_is_trained_again_where_its_record_cannot_be_read(split):
    first = finish(split, run_id="unreadable")
    (first.path / "run.json").write_text("{}")
    with pytest.raises(RecordError, match="lacks"):
        finish(split, run_id="unreadable")
    stop_after(1, tiny_recipe(), split, settings=QUICK, run_id="unreadable", again=True)
    second = finish(split, run_id="unreadable", again=True)
    assert second.run["sessions"] == 2 and digest(second) == digest(first)


def test_training_again_begins_with_the_first_epoch(split):
    unfinished(split, "begun-anew")
    assert finish(split, run_id="begun-anew", again=True).run["sessions"] == 1


def test_a_warmup_that_never_ends_is_refused(split):
    recipe = change_recipe(
        load_recipe("mir2019-proposed"), "slow",
        {"training.schedule": {"name": "cosine", "warmup": 3, "floor": 0.0}},
    )  # fmt: skip
    assert RunSettings(epochs=4).filled(recipe).epochs == 4
    with pytest.raises(ParameterError, match="rise for 3 epochs, and there are 3"):
        RunSettings(epochs=3).filled(recipe)


def test_a_precision_that_was_chosen_for_the_device_is_kept(split, monkeypatch):
    monkeypatch.setattr(training, "best_precision", lambda: "mixed_bfloat16")
    unfinished(split, "precise")
    monkeypatch.setattr(training, "best_precision", lambda: "float32")
    found = finish(split, run_id="precise")
    assert found.run["precision"] == "mixed_bfloat16" and found.run["sessions"] == 2
    assert found.run["parameters"]["precision"] == "auto"
    later = finish(split, run_id="precise-later")
    assert later.run["precision"] == "float32"
    assert finish(split, run_id="precise").run == found.run, "and it is the same run on any device"


@pytest.mark.parametrize("name", ["state.json", "epoch-00001.npz"])
def test_a_damaged_state_is_refused_and_again_begins_anew(split, name):
    run_id = f"damaged-{name.partition('.')[0]}"
    folder = unfinished(split, run_id)
    (folder / name).write_bytes(b"no")
    with pytest.raises(RecordError, match="cannot be read") as caught:
        finish(split, run_id=run_id)
    assert caught.value.where == folder / name and str(folder) in caught.value.remedy
    assert finish(split, run_id=run_id, again=True).run["sessions"] == 1


def test_resources_may_change_while_a_run_is_unfinished(split):
    """Turned pictures are the same wherever they are made."""
    recipe = replace(tiny_recipe(), augmentation=small_recipe().augmentation)
    settings = replace(QUICK, samples=40)
    whole = finish(split, recipe=recipe, settings=settings, run_id="resources-whole")
    stop_after(1, recipe, split, settings=settings, run_id="resources")
    resources = Resources(feed="resident")
    found = finish(split, recipe=recipe, settings=settings, run_id="resources",
                   resources=resources)  # fmt: skip
    assert found.run["sessions"] == 2 and digest(found) == digest(whole)


# Precision and memory --------------------------------------------------------------


def test_the_precision_is_given_back_after_an_error(split):
    import keras

    with pytest.raises(RecipeError, match="at least 16"):
        train(split, "refused", input_size=8, precision="mixed_float16")
    assert keras.config.dtype_policy().name == "float32"


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


def test_no_scale_of_a_normalisation_is_penalised():
    recipe = small_recipe(l2=0.1)
    settings = RunSettings(input_size=16, precision="float32").filled(recipe)
    network = training._build(recipe, settings, 2)
    named = {v.path: v.regularizer for v in network.trainable_variables}
    assert any(path.endswith("gamma") for path in named)
    for path, penalty in named.items():
        assert (penalty is not None) == path.endswith("kernel"), path


@pytest.mark.parametrize("step", ["_build", "_predict"])
def test_short_memory_outside_the_steps_names_half_the_batch(split, monkeypatch, step):
    error = RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    def fail(*_, **__):
        raise error

    monkeypatch.setattr(training, step, fail)
    settings = RunSettings(input_size=16, epochs=1, batch=9)
    with pytest.raises(TrainingError, match="a batch of 9") as caught:
        finish(split, settings=settings, run_id="short")
    assert "Try a batch of 4" in caught.value.remedy and caught.value.__cause__ is error
    assert not (workspace() / "runs" / "short").exists()


def test_other_errors_stay_what_they_are(split, monkeypatch):
    for error in (ValueError("shapes do not fit"), KeyboardInterrupt()):

        def fail(*_, error=error, **__):
            raise error

        monkeypatch.setattr(training, "fit", fail)
        with pytest.raises(type(error)) as caught:
            train(split, "failed", epochs=1)
        assert caught.value is error


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
    assert np.isfinite(record.history[["loss", "val_loss", "val_auroc"]]).all(axis=None)


# Processes of their own ------------------------------------------------------------

SCRIPT = """
from tiny import SETTINGS, digest, online_recipe, small_recipe
from alllib.datasets import load_cells
from alllib.splits import make_split
from alllib.training import train_recipe
split = make_split(load_cells({data!r}), "group")
record = train_recipe(small_recipe(), split, settings=SETTINGS, run_id={run!r}, progress=False)
print(record.run["device"]["backend"], record.run["sessions"], digest(record))
"""


def trained_elsewhere(place: Path, run: str, **environment) -> list[str]:
    """Backend, sessions and digest of a run in a process of its own."""
    text = SCRIPT.format(data=str(place / "data"), run=run)
    return run_python(text, **environment).split()


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_two_processes_give_the_same_bits(cells, place, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    first, second = (
        trained_elsewhere(place, f"{backend}-{run}", KERAS_BACKEND=backend) for run in "ab"
    )
    assert first == second and first[0] == backend


DETERMINISTIC = """
from tiny import digest, small_recipe, SETTINGS
from alllib.datasets import load_cells
from alllib.fitting import Resources
from alllib.splits import make_split
from alllib.training import train_recipe
split = make_split(load_cells({data!r}), "group")
for run in "ab":
    record = train_recipe(small_recipe(), split, settings=SETTINGS, run_id="fixed-" + run,
                          resources=Resources(deterministic=True), progress=False)
    print(record.run["resources"]["deterministic"], digest(record))
"""


@pytest.mark.slow
def test_a_deterministic_run_is_one(cells, place):
    """TensorFlow refuses operations then of which it knows that they are not."""
    first, second = run_python(DETERMINISTIC.format(data=str(place / "data"))).splitlines()
    assert first == second and first.startswith("True")


@pytest.mark.slow
def test_another_process_gives_the_bits_of_this_one(cells, place, split):
    here = train(split, "here")
    there = trained_elsewhere(place, "there")
    assert there == ["tensorflow", "1", digest(here)]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_run_the_same_code(cells, place, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    assert trained_elsewhere(place, f"on-{backend}", KERAS_BACKEND=backend)[0] == backend
    record = read_record(place / "runs" / f"on-{backend}")
    assert len(record.history) == SETTINGS.epochs and record.run["device"]["kind"] in ("cpu", "gpu")


@pytest.mark.slow
def test_of_two_processes_with_one_run_id_one_trains_and_the_other_waits(cells, place):
    """Both return the same record, and the second says that it waited or came too late."""
    text = SCRIPT.format(data=str(place / "data"), run="both")
    text = "import logging\nlogging.basicConfig(level=20)\n" + text
    with ThreadPoolExecutor(2) as pool:
        first, second = (line.split() for line in pool.map(run_python, [text, text]))
    assert first == second and first[1] == "1", "trained once"
    assert read_record(place / "runs" / "both").run["sessions"] == 1


# Kills -----------------------------------------------------------------------------

EPOCHS = 14
# 39 pictures in batches of 8: 70 steps, so that a graph is built. Each epoch is saved, the
# best one stays, and dropout and RMSprop carry their state from epoch to epoch.
COMMAND = (
    *("train", "unnithan2021-2x2", "--input-size", "16", "--epochs", str(EPOCHS), "--batch", "8"),
    *("--set", "architecture.settings.filters=16", "--set", "training.checkpoint=val_loss"),
    *("--set", 'training.schedule={name = "cosine", warmup = 1, floor = 0.1}'),
)


@pytest.fixture(scope="module")
def killing(tmp_path_factory) -> Path:
    """Workspace of the kills, with the images in it."""
    folder = tmp_path_factory.mktemp("kills")
    write_cells(folder / "data")
    return folder


def start(folder: Path, run_id: str, log: Path) -> subprocess.Popen:
    words = [sys.executable, "-m", "alllib.cli", *COMMAND, "--data", str(folder / "data")]
    environment = {key: value for key, value in os.environ.items() if key != "TQDM_DISABLE"}
    with log.open("ab") as said:
        return subprocess.Popen(
            [*words, "--run", run_id], cwd=REPOSITORY, stdout=said, stderr=said,
            env=environment | {"ALLLIB_WORKSPACE": str(folder)},
        )  # fmt: skip


def names_below(folder: Path, run_id: str) -> list[str]:
    """Everything in `runs/` that belongs to a run, without its name."""
    found = (folder / "runs").rglob(f"*{run_id}*")
    names = [path.name for path in found] + [p.name for p in (folder / "runs" / run_id).iterdir()]
    return sorted(name.replace(run_id, "RUN") for name in names)


@pytest.fixture(scope="module")
def undisturbed(killing) -> tuple[str, list[str], float]:
    """Digest and files of the run that nothing interrupts, and seconds from its first epoch to
    its last."""
    assert start(killing, "whole", killing / "whole.txt").wait(300) == 0, (
        killing / "whole.txt"
    ).read_text()
    record = read_record(killing / "runs" / "whole")
    assert len(record.history) == EPOCHS and record.run["sessions"] == 1
    assert len(set(record.history.val_loss)) > EPOCHS / 2, "epochs differ"
    return digest(record), names_below(killing, "whole"), sum(record.run["epoch_seconds"][1:])


def state_epoch(folder: Path) -> int:
    try:
        return json.loads((folder / "state.json").read_text())["epoch"]
    except (OSError, ValueError):
        return 0


def kill_at_a_moment(process: subprocess.Popen, folder: Path, delay: float) -> None:
    """After a delay that counts from the first epoch that this process saves."""
    before, deadline = state_epoch(folder), time.monotonic() + 120
    while state_epoch(folder) == before:
        if process.poll() is not None:
            return
        assert time.monotonic() < deadline
        time.sleep(0.005)
    time.sleep(delay)
    process.kill()


def kill_while_writing(process: subprocess.Popen, folder: Path, epoch: int) -> None:
    """As soon as a file is being written, in the epoch after the given one or later."""
    deadline = time.monotonic() + 120
    while process.poll() is None:
        assert time.monotonic() < deadline
        if half_written(folder) and state_epoch(folder) >= epoch:
            process.kill()
            return


def kill_at_the_record(process: subprocess.Popen, folder: Path) -> None:
    """As soon as the record is being written."""
    record, deadline = (
        folder.with_name(folder.name.replace("training", "partial")),
        time.monotonic(),
    )
    while process.poll() is None:
        assert time.monotonic() < deadline + 120
        if record.exists():
            process.kill()
            return


def half_written(folder: Path) -> bool:
    try:
        return any(".partial" in name for name in os.listdir(folder))
    except OSError:  # the folder is not there, or just went
        time.sleep(0.005)
        return False


def killed_and_finished(folder: Path, number: int, span: float) -> tuple[list[int], int, int]:
    """Kill a run once or twice and finish it: epochs reached, kills that left something half
    written, and kills that came before the end."""
    run_id = f"killed-{number:02d}"
    state, log = folder / "runs" / f".{run_id}.training", folder / f"{run_id}.txt"
    generator = np.random.default_rng([2019, number])
    reached, torn, hit = [], 0, 0
    for _ in range(1 + (number in (7, 9))):
        process = start(folder, run_id, log)
        done = reached[-1] if reached else 0
        try:
            if number % 3 == 0:
                kill_while_writing(
                    process, state, min(done + int(generator.integers(8)), EPOCHS - 1)
                )
            elif number % 7 == 5:
                kill_at_the_record(process, state)
            else:
                left = span * (1 - (done + 1) / EPOCHS)
                kill_at_a_moment(process, state, float(generator.uniform(0, 0.9 * left)))
            hit += process.wait(60) == -signal.SIGKILL
        finally:
            process.kill()
        torn += half_written(state) or state.with_name(f".{run_id}.partial").exists()
        reached.append(state_epoch(state))
    process = start(folder, run_id, log)
    assert process.wait(300) == 0, log.read_text()[-3000:]
    return reached, torn, hit


@pytest.mark.slow
def test_killed_runs_end_with_the_same_bits_and_leave_nothing(killing, undisturbed):
    """20 runs, two at a time: SIGKILL at random moments, at some while a file is written."""
    wanted, names, span = undisturbed
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda number: killed_and_finished(killing, number, span), range(20)))
    for number in range(20):
        run_id = f"killed-{number:02d}"
        record = read_record(killing / "runs" / run_id)
        assert digest(record) == wanted, (run_id, found[number])
        whole = (killing / "runs" / "whole" / "history.csv").read_bytes()
        assert (record.path / "history.csv").read_bytes() == whole
        assert names_below(killing, run_id) == names, run_id
    left = {path.name for path in (killing / "runs").iterdir()}
    assert not [name for name in left if "partial" in name or name.endswith(".training")]
    # The test would show nothing if the kills came too late, too early, or never in a file.
    epochs = [epoch for reached, _, _ in found for epoch in reached]
    assert sum(hit for _, _, hit in found) >= 20 and len(set(epochs)) >= 6
    assert sum(torn for _, torn, _ in found) >= 4
    assert sum(0 < epoch < EPOCHS for epoch in epochs) >= 12


@pytest.mark.slow
def test_an_interrupted_run_says_so_and_goes_on(killing, undisturbed):
    """Ctrl-C: one line, no traceback, and the same end."""
    wanted, names, _ = undisturbed
    log, state = killing / "interrupted.txt", killing / "runs" / ".interrupted.training"
    process, deadline = start(killing, "interrupted", log), time.monotonic() + 120
    try:
        while state_epoch(state) < 2:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, log.read_text()
    finally:
        process.kill()
    said = log.read_text()
    assert said.splitlines()[-1].startswith("interrupted") and "Traceback" not in said
    log.unlink()
    assert start(killing, "interrupted", log).wait(300) == 0
    assert "goes on after epoch" in log.read_text()
    assert digest(read_record(killing / "runs" / "interrupted")) == wanted
    assert names_below(killing, "interrupted") == names
