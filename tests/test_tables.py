"""Tables: every number comes from a record, a certificate or a recipe."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alllib.baseline_runs import find_forest
from alllib.evaluation import METRICS
from alllib.recipes import change_recipe, load_recipe
from alllib.records import Record
from alllib.tables import (
    crossing_table,
    interval,
    metric_table,
    part_table,
    run_rows,
    run_table,
    style,
)

CERTIFICATE = {
    "dataset": "cnmc2019",
    "protocol": "image",
    "parts": {"train": {"ALL": 80, "HEM": 40}, "validation": {"ALL": 15}},
    "crossing": {"train/validation": {"subjects": {"values": 3, "images": 12}, "fields": None}},
    "hash": "c" * 64,
}


def record_of(run_id: str = "one", *, protocol: str = "image", value: float = 0.8125) -> Record:
    estimate = {"value": value, "low": 0.7004, "high": 0.9}
    run = {
        "id": run_id,
        "recipe": "mir2019-proposed",
        "recipe_text": load_recipe("mir2019-proposed").as_dict(),
        "dataset": "cnmc2019",
        "protocol": protocol,
        "seed": 4,
        "images": {"train": 120, "validation": 15},
        "scored": "validation",
        # Two of five epochs were not needed: the training stopped early.
        "parameters": {"input_size": 64, "epochs": 5, "batch": 30, "precision": "float32"},
        "weights": "none",
        "backbone": "trained",
        "epochs": 3,
        "pictures": 900,
        "device": {"device": "some processor", "backend": "tensorflow"},
        "metrics": {"images": 15, "metrics": dict.fromkeys(METRICS, estimate)},
        "certificate": CERTIFICATE,
        "seconds": 30.0,
        "finished": "2026-11-21T00:00:00+00:00",
    }
    return Record(Path("runs") / run_id, run, pd.DataFrame(), pd.DataFrame())


def kept_row(scheme: str, value: float, certificate: str = "", classifier: str = "forest") -> dict:
    """Row of a baseline as it is kept with the book."""
    estimate = {"value": value, "low": value - 0.05, "high": value + 0.05}
    return {
        "title": "nineteen numbers",
        "dataset": "cnmc2019",
        "protocol": "image",
        "scheme": scheme,
        "classifier": classifier,
        "certificate": certificate,
        "metrics": dict.fromkeys(METRICS, estimate),
    }


@pytest.fixture
def kept(monkeypatch):
    """The kept rows of baselines, to be filled by a test."""
    rows = []
    monkeypatch.setattr(
        "alllib.baseline_runs.kept_baselines",
        lambda dataset, protocol: [
            row for row in rows if (row["dataset"], row["protocol"]) == (dataset, protocol)
        ],
    )
    return rows


def test_no_network_stands_without_what_a_handful_of_numbers_scored(kept):
    assert find_forest("cnmc2019", "image", CERTIFICATE["hash"]) is None
    assert run_table([record_of()])["accuracy without a CNN"].tolist() == ["not measured"]
    kept += [kept_row("fold", 0.7, "other"), kept_row("pooled", 0.75)]
    told = run_table([record_of()])["accuracy without a CNN"].tolist()
    assert told == ["0.750 (0.700 to 0.800), other draws"]
    # The commonest class is no classifier of images; the very split is worth more than others.
    kept += [kept_row("fold", 0.6, CERTIFICATE["hash"], "majority")]
    kept += [kept_row("fold", 0.8, CERTIFICATE["hash"])]
    assert find_forest("cnmc2019", "image", CERTIFICATE["hash"])["same_split"]
    told = run_table([record_of()])["accuracy without a CNN"].tolist()
    assert told == ["0.800 (0.750 to 0.850)"]
    assert run_rows([record_of()])[0]["baseline"]["accuracy"]["value"] == 0.8


def test_baselines_of_another_protocol_stand_beside_nothing(kept):
    kept += [kept_row("pooled", 0.75)]
    assert find_forest("cnmc2019", "group", CERTIFICATE["hash"]) is None


def test_what_was_scored_with_the_run_itself_comes_first(kept):
    kept += [kept_row("fold", 0.8, CERTIFICATE["hash"])]
    same = CERTIFICATE["hash"]
    own = (kept_row("given", 0.9, same, "majority"), kept_row("given", 0.7, same))
    record = replace(record_of(), baselines=own)
    found = run_rows([record])[0]["baseline"]
    assert found["accuracy"]["value"] == 0.7 and found["same_split"]


def test_metrics_of_baselines_are_columns_of_their_own():
    table = metric_table([record_of()], beside=[kept_row("fold", 0.6)])
    assert list(table) == ["metric", "by image", "nineteen numbers"]
    assert table["nineteen numbers"][0] == "0.600 (0.550 to 0.650)"


def test_intervals_as_text():
    assert interval({"value": 0.8125, "low": 0.7004, "high": 0.9}) == "0.812 (0.700 to 0.900)"
    assert interval({"value": 0.8, "low": None, "high": None}) == "0.800 (no interval)"
    assert interval({"value": None, "low": None, "high": None}) == "not defined"
    assert interval({"value": 0.0, "low": 0.0, "high": 0.0}) == "0.000 (0.000 to 0.000)"


def test_parts_are_counted_by_class_with_totals():
    table = part_table(CERTIFICATE)
    assert table.to_dict("records") == [
        {"part": "train", "ALL": 80, "HEM": 40, "all images": 120},
        {"part": "validation", "ALL": 15, "HEM": 0, "all images": 15},
    ]


def test_what_crosses_is_a_share_of_the_second_part():
    table = crossing_table(CERTIFICATE)
    assert table.values.tolist() == [
        ["train and validation", "subjects", 3, "80.0%"],
        ["train and validation", "fields", "not known", "not known"],
    ]


def test_metrics_have_a_column_per_record():
    records = [record_of("a", protocol="image"), record_of("b", protocol="group", value=0.5)]
    table = metric_table(records)
    assert list(table.columns) == ["metric", "by image", "by subject group"]
    assert len(table) == len(METRICS)
    assert set(table["by subject group"]) == {"0.500 (0.700 to 0.900)"}


def test_two_records_of_one_protocol_are_both_shown():
    table = metric_table([record_of("a", value=0.5), record_of("b", value=0.6)])
    assert list(table.columns) == ["metric", "by image (a)", "by image (b)"]
    assert table["by image (a)"][0] != table["by image (b)"][0]


def test_a_row_says_everything_that_a_number_needs_beside_it(kept):
    (row,) = run_rows([record_of()])
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    estimate = {"value": 0.8125, "low": 0.7004, "high": 0.9}
    assert row == {
        "run": "one",
        "recipe": "mir2019-proposed",
        "title": "Proposed network, 150 px",
        "dataset": "cnmc2019",
        "protocol": "image",
        "seed": 4,
        "images": 120,
        "scored": "validation",
        "scored_images": 15,
        "input": 64,
        "epochs": 3,
        "batch": 30,
        "pictures": 900,
        "pretrained": False,
        "backbone": "trained",
        "precision": "float32",
        "device": "some processor",
        "backend": "tensorflow",
        "metrics": dict.fromkeys(METRICS, estimate),
        "published": load_recipe("mir2019-proposed").published["accuracy"],
        "baseline": None,
        "certificate": "c" * 64,
        "seconds": 30.0,
        "seconds_per_epoch": 10.0,
        "finished": "2026-11-21T00:00:00+00:00",
    }


def test_a_variant_that_no_file_names_has_its_row():
    """The page on overfitting trains recipes that it makes up."""
    recipe = change_recipe(load_recipe("mir2019-proposed"), "made-up", {"training.l2": 0.01})
    record = record_of()
    record.run.update(recipe=recipe.name, recipe_text=recipe.as_dict())
    (row,) = run_rows([record])
    assert row["recipe"] == "mir2019-proposed.made-up"
    assert row["title"] == "Proposed network, 150 px, made-up"
    assert row["published"] is None, "nothing was published for it"
    (shown,) = run_table([record]).to_dict("records")
    assert shown["system"] == row["title"] and shown["published accuracy"] == ""


def test_a_published_number_is_the_one_that_the_record_knew():
    record = record_of()
    record.run["recipe_text"]["published"]["accuracy"] = 0.5
    assert run_rows([record])[0]["published"] == 0.5


def test_four_classes_and_undefined_metrics_have_their_row():
    record = record_of(protocol="blocks")
    record.run["recipe_text"] = load_recipe("ball2023-densenet201").as_dict()
    record.run["dataset"] = "ball2021"
    record.run["metrics"]["metrics"] = dict.fromkeys(
        METRICS, {"value": None, "low": None, "high": None}
    )
    (row,) = run_table([record]).to_dict("records")
    assert row["split"] == "by blocks of numbers" and row["our AUC"] == "not defined"
    assert row["published accuracy"] == "0.9962"


def test_the_result_table_sets_published_beside_ours():
    (row,) = run_table([record_of()]).to_dict("records")
    assert row["published accuracy"] == "0.9302"
    assert row["our accuracy"] == row["our AUC"] == "0.812 (0.700 to 0.900)"
    assert row["scored on"] == "15 validation images" and row["trained on"] == "120 images"
    assert row["split"] == "by image" and row["data"] == "cnmc2019" and row["input"] == "64 px"
    assert row["pretrained"] == "no" and row["seconds per epoch"] == 10.0


def test_no_published_number_stands_beside_a_result_on_other_data():
    elsewhere = record_of()
    elsewhere.run["dataset"] = "synthetic"
    (row,) = run_table([elsewhere]).to_dict("records")
    assert row["published accuracy"] == ""


def test_every_entry_of_the_result_table_follows_the_record(kept):
    """Change the record, and nothing of the table stays but words."""
    kept += [kept_row("pooled", 0.75)]
    other = record_of("two", protocol="group", value=0.1)
    other.run.update(seed=5, scored="test", seconds=8.0, dataset="ball2021", epochs=2)
    other.run["recipe_text"] = load_recipe("ball2023-densenet201").as_dict()
    other.run["images"]["train"], other.run["metrics"]["images"] = 7, 6
    other.run["parameters"].update(input_size=32)
    other.run["certificate"] = {**CERTIFICATE, "protocol": "group"}
    other.run["device"]["device"], other.run["weights"] = "a GPU", "imagenet"
    for estimate in other.run["metrics"]["metrics"].values():
        estimate.update(value=0.2)
    before, after = run_table([record_of()]).iloc[0], run_table([other]).iloc[0]
    assert [name for name in before.index if before[name] == after[name]] == []


def test_a_recipe_without_a_published_accuracy_shows_none():
    record = record_of()
    del record.run["recipe_text"]["published"]["accuracy"]
    assert run_rows([record])[0]["published"] is None
    assert run_table([record])["published accuracy"][0] == ""


def test_no_records_give_an_empty_table():
    assert run_rows([]) == [] and run_table([]).empty


def test_no_figure_of_the_study_is_typed_in_the_modules_that_show_results():
    import re

    folder = Path(__file__).resolve().parents[1] / "alllib"
    published = re.compile(
        r"93\.02|9302|\.617\b|\.99621|\.9919|0\.89\b|1,?370|64,?066,?938|7,?535,?040|2,?121\b|8,?479"
    )
    for name in ("tables", "figures", "evaluation", "training", "feeding", "records", "cli"):
        assert not published.findall((folder / f"{name}.py").read_text("utf-8")), name


def html(caption: str = "What it shows.") -> str:
    table = pd.DataFrame({"name": ["a", "<b>"], "images": [10661, 3], "share": [0.12345, 1.0]})
    return style(table, caption).to_html()


def test_a_styled_table_has_caption_and_separators_and_no_index():
    text = html()
    assert "<caption>What it shows.</caption>" in text
    assert "10,661" in text and "0.123" in text and "0.12345" not in text
    assert "row_heading" not in text


def test_a_styled_table_is_the_same_in_each_build():
    assert html() == html() and html() != html("Another one.")


@pytest.mark.parametrize("caption", ["One.", "Two, with 1,000 images."])
def test_ids_of_styled_tables_start_with_a_letter(caption):
    import re

    ids = re.findall(r'id="([^"]+)"', html(caption))
    assert ids and all(re.match("T_t[0-9a-f]{8}", name) for name in ids)
