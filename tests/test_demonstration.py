"""The demonstration: its shipped record and model, and the command that trains it again."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alllib.cli import main
from alllib.datasets import get_dataset
from alllib.demonstration import (
    DEMONSTRATION,
    KEPT,
    NOTE,
    demonstration_folder,
    demonstration_text,
    keep_demonstration,
    load_predictor,
    split_demonstration,
    train_demonstration,
)
from alllib.errors import RecordError
from alllib.evaluation import score_predictions
from alllib.prediction import NOTICE, load_run, predict_images
from alllib.recipes import load_recipe
from alllib.records import REQUIRED, read_record

PLAIN = {"InputLayer", "Conv2D", "MaxPooling2D", "Dropout", "Flatten", "Dense"}


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Workspace of this module, so that the images are made once."""
    folder = tmp_path_factory.mktemp("demonstration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def split(place):
    return split_demonstration()


@pytest.fixture(scope="module")
def shipped():
    return read_record(demonstration_folder())


@pytest.fixture(scope="module")
def trained():
    return load_predictor()


@pytest.fixture(scope="module")
def short(place):
    """The command's function with a recipe and images that take seconds."""
    patch = pytest.MonkeyPatch()
    small = replace(load_recipe(DEMONSTRATION.recipe), name="short")
    small = replace(small, training=replace(small.training, epochs=1))
    patch.setattr("alllib.demonstration.load_recipe", lambda name: small)
    with patch.context():
        record = train_demonstration(
            demonstration=replace(DEMONSTRATION, run="short", images=80), progress=False
        )
    patch.undo()
    return record


# The shipped record ----------------------------------------------------------------------


def test_the_shipped_record_is_whole_and_small(shipped):
    folder = demonstration_folder()
    assert {path.name for path in folder.iterdir()} == set(KEPT)
    assert all(key in shipped.run for key in REQUIRED)
    assert 0 < (folder / "model.keras").stat().st_size <= DEMONSTRATION.largest <= 2_000_000
    assert sum((folder / name).stat().st_size for name in KEPT) < 3_000_000


def test_the_shipped_record_has_the_settings_of_the_module(shipped):
    run, recipe = shipped.run, load_recipe(DEMONSTRATION.recipe)
    assert run["id"] == DEMONSTRATION.run and run["recipe"] == DEMONSTRATION.recipe
    assert run["parameters"]["recipe"] == recipe.digest(), "train and keep it again"
    assert run["dataset"] == DEMONSTRATION.data and run["protocol"] == DEMONSTRATION.protocol
    assert sum(run["images"].values()) == DEMONSTRATION.images and run["scored"] == "test"
    assert run["seed"] == DEMONSTRATION.seed and run["precision"] == DEMONSTRATION.precision
    assert run["parameters"]["input_size"] == recipe.images.input <= 64
    assert run["epochs"] == recipe.training.epochs == len(shipped.history)
    assert run["seconds"] < 180, "three minutes"


def test_the_shipped_record_names_a_commit_and_no_path(shipped):
    commit = shipped.run["commit"]
    assert len(commit) == 40 and set(commit) <= set("0123456789abcdef")
    for name in ("run.json", "baselines.json", "history.csv"):
        text = (demonstration_folder() / name).read_text("utf-8")
        assert not any(word in text for word in ("/home", "/root", "/tmp", "/work", "Users"))


def test_its_metrics_are_those_of_its_predictions(shipped):
    positive = get_dataset(shipped.run["dataset"]).positive
    again = score_predictions(shipped.predictions, positive=positive).as_dict()
    told = shipped.run["metrics"]
    assert again["confusion"] == told["confusion"] and again["groups"] == told["groups"]
    for name, estimate in told["metrics"].items():
        assert again["metrics"][name] == pytest.approx(estimate, abs=1e-9), name


def test_it_knows_more_than_the_commonest_class(shipped):
    rows = {row["system"]: row["metrics"]["accuracy"]["value"] for row in shipped.baselines}
    metrics = shipped.run["metrics"]["metrics"]
    assert metrics["accuracy"]["value"] > rows["majority"] + 0.05
    assert metrics["auroc"]["low"] > 0.5, "not by chance"


# The shipped model ---------------------------------------------------------------------------


def test_the_model_has_plain_layers_only(trained):
    assert {type(layer).__name__ for layer in trained.model.layers} <= PLAIN
    activations = {getattr(layer, "activation", None) for layer in trained.model.layers}
    names = {function.__name__ for function in activations if function is not None}
    assert names <= {"relu", "sigmoid", "softmax"}
    assert trained.model.count_params() == trained.run["model_parameters"]


def test_the_images_made_anew_are_those_of_the_record(split, shipped):
    assert split.certificate["hash"] == shipped.run["certificate"]["hash"]
    assert set(split.part("test").image) == set(shipped.predictions.image)


def test_the_model_gives_its_recorded_probabilities(split, shipped, trained):
    for part, table in (("test", shipped.predictions), ("validation", shipped.validation)):
        paths = split.part(part).set_index("image").path[table.image]
        found = predict_images(trained, paths, progress=False)
        ours = pd.DataFrame([row["probabilities"] for row in found]).add_prefix("p_")
        wanted = table[list(ours)]
        np.testing.assert_allclose(ours.to_numpy(), wanted.to_numpy(), rtol=0, atol=1e-4)
        assert np.ptp(ours.p_ALL) > 0.5, "no constant"


# `alllib predict` without a run -----------------------------------------------------------


@pytest.fixture
def picture(split):
    return str(split.part("test").path.iloc[0])


def test_predict_needs_no_run_and_says_what_it_is(picture, workspace, capsys):
    assert main(["predict", picture]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert NOTE in lines and lines[-1] == NOTICE
    assert "demonstration" in NOTE and "synthetic cells only" in NOTE
    assert any("says nothing about real cells" in line for line in lines)
    assert any(line.startswith(f"{picture}: ") for line in lines)
    assert not workspace.exists(), "predicting writes nothing"


def test_predict_says_it_in_json_too(picture, workspace, capsys):
    assert main(["predict", picture, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["note"] == NOTE and told["notice"] == NOTICE and told["run"] == DEMONSTRATION.run
    assert any("synthetic" in text for text in told["warnings"])


def test_its_own_id_is_a_run_of_the_workspace_where_there_is_one(picture, workspace, capsys):
    assert load_predictor(DEMONSTRATION.run).path == demonstration_folder()
    own = workspace / "runs" / DEMONSTRATION.run
    shutil.copytree(demonstration_folder(), own)
    found = load_predictor(DEMONSTRATION.run)
    assert found.path == own and found.note == ""
    assert load_predictor().path == demonstration_folder()
    assert main(["predict", picture, "--run", DEMONSTRATION.run]) == 0
    assert NOTE not in capsys.readouterr().out
    with pytest.raises(RecordError, match="There is no run 'dem'"):
        load_predictor("dem")


# Training it again --------------------------------------------------------------------------


def test_the_function_trains_with_the_settings_and_scores_the_baselines(short):
    assert short.run["precision"] == DEMONSTRATION.precision
    assert short.run["protocol"] == DEMONSTRATION.protocol and short.run["scored"] == "test"
    assert sum(short.run["images"].values()) == 80
    assert {row["system"] for row in short.baselines} >= {"majority", "nineteen"}
    told = demonstration_text(short)
    assert "commonest class" in told and "unseen subject groups" in told
    assert f"{(short.path / 'model.keras').stat().st_size:,} bytes" in told


def test_keeping_asks_for_a_commit_a_whole_record_and_a_small_model(short, tmp_path, monkeypatch):
    target = tmp_path / "kept"
    for commit in (None, "0" * 40 + "+"):
        with pytest.raises(RecordError, match="no commit"):
            keep_demonstration(replace(short, run=short.run | {"commit": commit}), target)
    clean = replace(short, run=short.run | {"commit": "0" * 40})
    assert keep_demonstration(clean, target) == target
    assert {path.name for path in target.iterdir()} == set(KEPT)
    assert read_record(target).predictions.equals(short.predictions)
    assert load_run(target).model.count_params() == short.run["model_parameters"]
    monkeypatch.setattr("alllib.demonstration.DEMONSTRATION", replace(DEMONSTRATION, largest=1000))
    with pytest.raises(RecordError, match=r"more than 1,000"):
        keep_demonstration(clean, target)
    lacking = replace(clean, path=tmp_path)
    with pytest.raises(RecordError, match=r"lacks run\.json"):
        keep_demonstration(lacking, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_the_command_trains_keeps_and_says_where(short, monkeypatch, capsys, tmp_path):
    asked = []
    monkeypatch.setattr(
        "alllib.demonstration.train_demonstration", lambda **given: asked.append(given) or short
    )
    monkeypatch.setattr("alllib.demonstration.keep_demonstration", lambda record: tmp_path)
    assert main(["demo"]) == 0
    assert str(tmp_path) not in capsys.readouterr().out.splitlines()
    assert main(["demo", "--again", "--keep"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path)
    assert asked == [{"again": False}, {"again": True}]


@pytest.mark.slow
def test_trained_again_it_is_nearly_the_shipped_one(split, shipped):
    record = train_demonstration(progress=False)
    assert record.run["parameters"] == shipped.run["parameters"]
    assert record.run["certificate"] == shipped.run["certificate"]
    here, there = (r.run["metrics"]["metrics"] for r in (record, shipped))
    near = 0.03 if record.run["device"]["backend"] == shipped.run["device"]["backend"] else 0.1
    for name in ("accuracy", "auroc", "weighted_f1"):
        assert here[name]["value"] == pytest.approx(there[name]["value"], abs=near), name
