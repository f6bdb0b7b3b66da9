"""Smaller studies can be measured again by anybody, one command each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alllib import measurements
from alllib.agreement import kept_spread
from alllib.cli import main
from alllib.datasets import load_cells
from alllib.errors import DataError, ParameterError, RecordError
from alllib.measurements import MEASUREMENTS, get_measurement, measured_text, run_measurement
from alllib.records import Record
from alllib.smears import SmearDesign, make_smears
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


@pytest.fixture(scope="module")
def smears(tmp_path_factory):
    return make_smears(tmp_path_factory.mktemp("smears") / "data", SmearDesign(images=40, size=48))


@pytest.mark.parametrize("topic", ["crops", "calibration", "seeds", "outlines", "inputs"])
def test_a_study_is_measured_and_kept_when_asked(tiny, place, topic, capsys):
    assert main(["study", topic, str(tiny), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not (place / "results").exists()  # measured, and nothing written
    assert main(["study", topic, str(tiny), "--record"]) == 0
    said = capsys.readouterr().out
    assert "Measured on 144 images" in said and all(f"{name}:" in said for name in found)
    study = read_study(topic, "synthetic")
    assert study.found == found and study.images == len(load_cells(tiny))
    if topic == "seeds":
        assert {row["protocol"] for row in study.found["rows"]} == {"image", "group"}
        assert kept_spread("synthetic", "forest").deviation >= 0


@pytest.mark.parametrize("topic", ["crops", "calibration", "seeds", "outlines", "coverage"])
def test_a_study_of_subjects_refuses_data_that_name_none(smears, place, topic):
    with pytest.raises(DataError, match=f"'{topic}' .* 'synthetic subtypes' names none"):
        run_measurement(topic, load_cells(smears))


def test_studies_of_any_images_take_data_without_subjects(smears, place):
    found = run_measurement("inputs", load_cells(smears)).found
    assert set(found["classes"]) == {"Benign", "Early", "Pre", "Pro"}


@pytest.mark.parametrize("topic", sorted(MEASUREMENTS))
@pytest.mark.parametrize("kind", ["empty", "missing", "file"])
def test_no_topic_takes_a_folder_that_is_none(place, topic, kind, capsys):
    root = place / kind
    if kind == "empty":
        root.mkdir()
    elif kind == "file":
        root.write_text("no image")
    assert main(["study", topic, str(root)]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and str(root) in said.err


@pytest.mark.parametrize("dataset", ["synthetic", "cnmc2019"])
def test_coverage_is_of_the_data_set_at_hand(tiny, monkeypatch, dataset):
    rows = {"system": "nineteen", "protocol": "group", "scheme": "pooled", "label": "ALL"}
    monkeypatch.setattr("alllib.baseline_runs.kept_predictions", lambda name: pd.DataFrame([rows]))
    monkeypatch.setattr("alllib.statistic_studies.measure_coverage", lambda *_, **given: given)
    cells = load_cells(tiny)
    cells.attrs["dataset"] = dataset
    study = run_measurement("coverage", cells)
    assert study.cells.attrs["dataset"] == dataset and study.found == study.settings
    # Of C-NMC 2019 the official list is taken, whatever part of the images is at hand.
    assert len(study.cells) == (len(cells) if dataset == "synthetic" else 10661)


def test_settings_are_those_of_the_kept_files(tiny, place, monkeypatch):
    repository = Path(__file__).resolve().parents[1]
    kept = json.loads((repository / "results/study/outlines-cnmc2019.json").read_text())
    study = run_measurement("outlines", load_cells(tiny))
    assert study.settings == kept["settings"] and set(study.found) == set(kept["found"])
    kept = json.loads((repository / "results/study/crops-cnmc2019.json").read_text())
    study = run_measurement("crops", load_cells(tiny))
    assert study.settings == kept["settings"] and set(study.found) == set(kept["found"])


def test_text_has_a_line_for_a_name_and_a_table_for_rows():
    rows = [{"rule": "half", "test": {"a": 0.25}}, {"rule": "best", "test": {"a": 1 / 3}}]
    text = measured_text({"share": 1 / 3, "sides": [[4, 5]], "of": {"ALL": 2}, "rows": rows})
    assert text.split("\n")[:5] == ["share: 0.3333", "sides: [[4, 5]]", "of:", "  ALL: 2", "rows:"]
    assert [line.split() for line in text.split("\n")[5:]] == [
        ["rule", "test.a"], ["half", "0.25"], ["best", "0.3333"],
    ]  # fmt: skip


def test_coverage_without_baselines_says_what_to_run(tiny, place):
    with pytest.raises(RecordError, match="baselines cannot be read") as caught:
        run_measurement("coverage", load_cells(tiny))
    assert "alllib baselines" in caught.value.remedy


def test_the_cost_is_one_of_both_sets(tiny, place, monkeypatch):
    monkeypatch.setattr(measurements, "MADE", 60)
    cells = load_cells(tiny)
    cells.attrs["dataset"] = "cnmc2019"
    study = run_measurement("duplicate-cost", cells)
    assert study.found["of"] == {"cnmc2019": len(cells), "synthetic": 60}
    assert study.found["images"] == len(study.cells) == len(cells) + 60
    own = run_measurement("duplicate-cost", load_cells(tiny))  # these bear the same names
    assert own.found["of"] == {"synthetic": len(cells)} and len(own.cells) == len(cells)


def test_a_wrong_word_lists_the_topics(capsys):
    with pytest.raises(ParameterError, match="no study 'seed'") as caught:
        get_measurement("seed")
    assert "seeds" in caught.value.remedy
    with pytest.raises(SystemExit):
        main(["study", "--help"])
    said = capsys.readouterr().out
    assert all(name in said and study.title in said for name, study in MEASUREMENTS.items())
    assert main(["study", "seed", "nowhere"]) == 1
    assert "seeds" in capsys.readouterr().err
