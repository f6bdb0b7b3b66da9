"""Smaller studies can be measured again by anybody, one command each."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from alllib import measurements
from alllib.agreement import kept_spread
from alllib.cli import main
from alllib.datasets import load_cells
from alllib.errors import ParameterError, RecordError
from alllib.measurements import MEASUREMENTS, get_measurement
from alllib.records import Record
from alllib.statistic_studies import network_seeds
from alllib.studies import read_study, study_folder
from alllib.synthetic import SyntheticDesign, make_dataset


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    design = SyntheticDesign(images=144, subjects=36, size=32, format="png")
    return make_dataset(tmp_path_factory.mktemp("cells") / "data", design, progress=False)


def run_of(seed: int, value: float, **changes) -> Record:
    run = {
        "id": f"s{seed}", "recipe": "small", "recipe_text": {"title": "small network"},
        "dataset": "cnmc2019", "protocol": "group", "seed": seed,
        "parameters": {"input_size": 64, "epochs": 8, "seed": seed} | changes,
        "metrics": {"metrics": {"accuracy": {"value": value, "low": None, "high": None}}},
        "certificate": {"hash": "c"},
    }  # fmt: skip
    return Record(None, run, pd.DataFrame(), pd.DataFrame())


def test_every_study_of_the_results_has_a_command():
    others = {"baselines", "laboratory", "duplicates", "planted", "groups"}  # commands of their own
    kept = {path.stem.rpartition("-")[0] for path in study_folder().glob("*.json")}
    assert kept and kept - others == set(MEASUREMENTS)


def test_runs_that_differ_in_the_seed_alone_make_a_row():
    runs = [run_of(3, 0.7), run_of(1, 0.8), run_of(2, 0.9), run_of(4, 0.1, epochs=9)]
    (row,) = network_seeds(runs, "cnmc2019")
    assert row["values"] == [0.8, 0.9, 0.7] and row["scale"] == "64 px, 8 epochs"
    assert row["spread"]["deviation"] == pytest.approx(0.1)
    assert network_seeds(runs[:2], "cnmc2019") == []  # two tell too little of a deviation
    assert network_seeds([runs[0], replace(runs[0]), runs[1]], "cnmc2019") == []
    assert network_seeds(runs, "ball2021") == []


@pytest.mark.parametrize("topic", ["crops", "calibration", "seeds", "outlines"])
def test_a_study_is_measured_and_kept(tiny, place, topic, capsys):
    assert main(["study", topic, str(tiny)]) == 0
    assert "Measured on 144 images" in capsys.readouterr().out
    study = read_study(topic, "synthetic")
    assert study.found and study.images == len(load_cells(tiny))
    if topic == "seeds":
        assert {row["protocol"] for row in study.found["rows"]} == {"image", "group"}
        assert kept_spread("synthetic", "forest").deviation >= 0


def test_coverage_without_baselines_says_what_to_run(tiny, place):
    with pytest.raises(RecordError, match="baselines cannot be read") as caught:
        get_measurement("coverage").record(load_cells(tiny))
    assert "alllib baselines" in caught.value.remedy


def test_the_cost_is_one_of_both_sets(tiny, place, monkeypatch):
    monkeypatch.setattr(measurements, "MADE", 60)
    cells = load_cells(tiny)
    cells.attrs["dataset"] = "cnmc2019"
    found = get_measurement("duplicate-cost").record(cells).found
    assert found["of"] == {"cnmc2019": len(cells), "synthetic": 60}
    kept = json.loads((study_folder() / "duplicate-cost-cnmc2019.json").read_text())
    assert kept["found"]["images"] == len(cells) + 60


def test_a_wrong_word_lists_the_topics(capsys):
    with pytest.raises(ParameterError, match="no study 'seed'") as caught:
        get_measurement("seed")
    assert "seeds" in caught.value.remedy
    assert main(["study", "seed", "nowhere"]) == 1
    assert "seeds" in capsys.readouterr().err
