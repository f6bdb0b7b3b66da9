"""Rows of results: what stands in them, where it comes from, and the verdict of each."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import answers, subtypes, write_run
from sklearn import metrics as sk

from alllib.baseline_runs import kept_baselines
from alllib.cli import main
from alllib.files import write_json
from alllib.pools import choose_pools, pool_folds, pool_seeds
from alllib.recipes import load_recipe
from alllib.records import Record, list_records
from alllib.result_rows import (
    VAGUE,
    answers_one_class,
    baseline_rows,
    fold_rows,
    judge,
    network_rows,
    pooled_rows,
    published_here,
)
from alllib.settings import RunSettings
from alllib.tables import pooled_table

REPOSITORY = Path(__file__).resolve().parents[1]
# What the issue asks of a row.
KEYS = {
    *("recipe", "dataset", "protocol", "seeds", "epochs", "input", "images", "pretrained"),
    *("device", "metrics", "published", "verdict", "recorded"),
}
WORDS = {
    *("reproduced", "not reproduced", "cannot tell", "published above", "published within"),
    *("published below", "one answer only", "nothing published"),
}
PROPOSED = "mir2019-proposed"


@pytest.fixture
def place(workspace):
    return workspace


def share_of(
    right: float, *, groups: int = 8, cells: int = 50, seed: int = 1, apart: int = 3
) -> pd.DataFrame:
    """Predictions of which this share is right; groups lie apart by cells, seeds by one."""
    table = answers(seed, groups=groups, cells=cells)
    group, cell = np.divmod(np.arange(len(table)), cells)
    few = np.where(group % 2, apart, -apart) if groups > 1 else 0
    sure = np.where(cell < round(right * cells) + few, 0.9, 0.2)
    sure[-seed] = 0.9
    table["p_ALL"] = np.where(table.label == "ALL", sure, 1 - sure)
    return table.assign(p_HEM=1 - table.p_ALL)


def as_asked(table: pd.DataFrame, seed: int = 1, **options) -> Record:
    """The report's proposed network with every setting of its recipe."""
    recipe = load_recipe(PROPOSED)
    published = recipe.published
    total = sum(
        published.get(f"{part}_images_log", published.get(f"{part}_images", 0))
        for part in ("train", "validation", "scored")
    )
    options = {"settings": RunSettings(precision="float32"), "total": total} | options
    return write_run(
        f"asked-{seed}", table, recipe=PROPOSED, seed=seed, scored="validation",
        protocol=recipe.data.published_protocol, split={"shares": [0.8, 0.2]}, **options
    )  # fmt: skip


def only(records) -> dict:
    (row,) = network_rows(choose_pools(records))
    return row


# Rows ----------------------------------------------------------------------------------


def test_a_row_holds_what_it_must_and_is_plain(place):
    row = only([write_run("one", answers(1))])
    assert set(row) >= KEYS and json.loads(json.dumps(row)) == row
    assert row["kind"] == "network" and row["runs"] == ["one"] and row["seeds"] == [1]
    assert (row["input"], row["epochs"], row["pretrained"]) == (16, 3, False)
    assert (row["images"], row["scored_images"], row["trained_images"]) == (58, 24, 10)
    assert row["device"] == "some processor" and row["date"] == "2026-11-21"
    assert row["groups"] == {"ALL": 3, "HEM": 3} and row["data"] == "d" * 64
    assert row["seed_deviation"] is None and row["recorded"] is False


def test_values_are_means_over_the_seeds(place):
    tables = {seed: answers(seed) for seed in (1, 2, 3)}
    row = only([write_run(f"s{seed}", table, seed=seed) for seed, table in tables.items()])
    each = {"accuracy": [], "weighted_f1": [], "sensitivity": [], "precision": [], "auroc": []}
    for table in tables.values():
        case, said = table.label == "ALL", table.p_ALL >= table.p_HEM
        names = np.where(said, "ALL", "HEM")
        each["accuracy"].append(sk.accuracy_score(case, said))
        each["weighted_f1"].append(sk.f1_score(table.label, names, average="weighted"))
        each["sensitivity"].append(sk.recall_score(case, said))
        each["precision"].append(sk.precision_score(case, said))
        each["auroc"].append(sk.roc_auc_score(case, table.p_ALL))
    for name, values in each.items():
        assert row["metrics"][name]["value"] == pytest.approx(np.mean(values)), name
    assert row["seed_deviation"] == pytest.approx(np.std(each["accuracy"], ddof=1))
    assert row["seeds"] == [1, 2, 3] and np.sum(row["confusion"]) == 72
    assert (row["seconds"], row["seconds_per_epoch"]) == (30, 3)
    assert row["images_per_second"] == pytest.approx(40 / 3, abs=0.1)


def test_one_row_for_each_recipe_data_set_and_split(place):
    runs = [
        *(write_run(f"g{seed}", answers(seed), seed=seed) for seed in (1, 2)),
        write_run("old", answers(5), seed=1, finished="2026-01-01T00:00:00+00:00"),
        as_asked(share_of(0.8)),
        write_run("b", subtypes(1), recipe="ball2023-densenet201", protocol="blocks"),
    ]
    rows = pooled_rows(runs)
    keys = [(row["recipe"], row["dataset"], row["protocol"]) for row in rows]
    assert len(keys) == len(set(keys)) == 3 and all(row["kind"] == "network" for row in rows)
    assert pooled_rows([]) == []
    assert [row["published_split"] for row in rows] == [False, True, False]


def test_folds_are_rows_of_their_own_kind(place):
    runs = [
        write_run(f"f{fold}", answers(fold, first=3 * fold), total=72,
                  split={"folds": 3, "seed": 1, "fold": fold})
        for fold in range(3)
    ]  # fmt: skip
    (row,) = fold_rows(runs)
    assert row["kind"] == "cross-validation" and row["folds"] == [0, 1, 2]
    assert row["scored_images"] == 72 and row["runs"] == ["f0", "f1", "f2"]
    assert row["metrics"]["accuracy"]["value"] == pytest.approx(
        np.mean([run.run["metrics"]["metrics"]["accuracy"]["value"] for run in runs])
    )
    # Alone they are the row of the network; beside more seeds of one fold they are a second.
    assert [r["kind"] for r in pooled_rows(runs)] == ["network"]
    seeds = [write_run(f"s{seed}", answers(1), total=72, seed=seed) for seed in (1, 2)]
    recorded = [replace(run, recorded=True) for run in (*runs, *seeds)]
    assert [r["kind"] for r in pooled_rows(recorded)] == ["network", "cross-validation"]
    assert pooled_table([row]).loc[0, "split"].endswith("all folds")


def test_without_groups_none_are_told(place):
    row = only([write_run("b", subtypes(1), recipe="ball2023-densenet201", protocol="blocks")])
    assert row["groups"] is None and row["dataset"] == "ball2021"
    assert len(row["confusion"]) == 4


# Baselines -----------------------------------------------------------------------------


def kept_row(scheme: str, accuracy: float, **changes) -> dict:
    estimate = {"value": accuracy, "low": accuracy - 0.1, "high": accuracy + 0.1}
    return {
        "scheme": scheme, "classifier": "forest", "system": "forest-19", "numbers": 19,
        "title": "nineteen numbers", "dataset": "cnmc2019", "protocol": "group", "recipes": [],
        "images": 60, "scored": "test", "scored_images": 24, "groups": {"ALL": 3, "HEM": 3},
        "resampled": "group", "by_groups": estimate, "confusion": [[10, 2], [2, 10]],
        "metrics": {"accuracy": estimate, "auroc": estimate}, "certificate": scheme,
    } | changes  # fmt: skip


@pytest.fixture
def keep(place):
    """`keep(rows)`: the kept baselines of the workspace."""

    def write(*rows):
        folder = place / "results" / "study"
        folder.mkdir(parents=True, exist_ok=True)
        study = {
            "topic": "baselines", "dataset": "cnmc2019", "images": 7569, "data": "d" * 64,
            "settings": {"forest_seed": 7}, "found": {"rows": list(rows)},
            "finished": "2026-11-20T00:00:00+00:00", "commit": "b" * 40, "machine": "a machine",
        }  # fmt: skip
        write_json(folder / "baselines-cnmc2019.json", study)

    return write


def test_baselines_are_counted_apart_without_single_folds(keep):
    keep(kept_row("fold", 0.6), kept_row("pooled", 0.7),
         kept_row("published", 0.8, protocol="image"))  # fmt: skip
    rows = pooled_rows([write_run("one", answers(1))])
    assert [row["kind"] for row in rows] == ["network", "baseline", "baseline"]
    pooled, published = rows[1:]
    assert pooled == baseline_rows()[0] and set(pooled) >= KEYS
    assert pooled["metrics"]["accuracy"]["value"] == 0.7 and pooled["folds"] == "all"
    assert published["published_split"] and not pooled["published_split"]
    assert pooled["seeds"] == [7] and pooled["verdict"] == "nothing published"
    assert pooled["recorded"] and pooled["images"] == 7569 and pooled["device"] == "a machine"
    assert json.loads(json.dumps(rows)) == rows


def test_beside_a_network_stands_a_baseline_of_its_split_or_of_all_draws(keep):
    run = write_run("one", answers(1))
    keep(kept_row("fold", 0.6, certificate="other"), kept_row("pooled", 0.7))
    assert only([run])["baseline"] == {
        "title": "nineteen numbers", "same_split": False,
        "accuracy": {"value": 0.7, "low": 0.6, "high": pytest.approx(0.8)},
    }  # fmt: skip
    mine = run.run["certificate"]["hash"]
    keep(kept_row("pooled", 0.7), kept_row("fold", 0.65, certificate=mine),
         kept_row("fold", 0.5, certificate=mine, classifier="majority"))  # fmt: skip
    found = only([run])["baseline"]
    assert found["same_split"] and found["accuracy"]["value"] == 0.65
    beside = replace(run, baselines=(kept_row("own", 0.66, certificate=mine),))
    assert only([beside])["baseline"]["accuracy"]["value"] == 0.66
    keep(kept_row("pooled", 0.7, protocol="image"))
    assert only([run])["baseline"] is None


# Verdicts ------------------------------------------------------------------------------


def test_a_result_with_every_setting_of_the_recipe_is_reproduced_or_not(place):
    said = load_recipe(PROPOSED).published["accuracy"]
    near = [as_asked(share_of(said, seed=seed, apart=1), seed) for seed in (1, 2, 3)]
    row = only(near)
    assert row["published_split"] and row["published"] == said
    assert row["verdict"] == "reproduced", row["reason"]
    far = [as_asked(share_of(0.5, seed=seed), seed) for seed in (1, 2, 3)]
    assert only(far)["verdict"] == "not reproduced"
    assert only(far)["difference"] == pytest.approx(
        only(far)["metrics"]["accuracy"]["value"] - said
    )
    few = [as_asked(share_of(said, groups=1, seed=seed), seed) for seed in (1, 2, 3)]
    assert only(few)["verdict"] == "cannot tell"
    # One seed, and no deviation between seeds was kept: that one cannot be told either.
    assert only(near[:1])["verdict"] == "cannot tell"


def test_with_other_settings_only_the_place_of_the_published_number_is_told(place):
    said = load_recipe("unnithan2021-2x2").published["accuracy"]
    for right, word in ((said - 0.3, "published above"), (said, "published within"),
                        (said + 0.25, "published below")):  # fmt: skip
        row = only([write_run("one", share_of(right))])
        assert row["verdict"] == word and row["published"] == said
        assert "input 16 px, not 256 px" in row["reason"] and "split group" in row["reason"]
    row = only([write_run("one", share_of(said, groups=1))])
    assert row["metrics"]["accuracy"]["low"] is None and row["verdict"] == "cannot tell"
    wide = only([write_run("one", answers(3, groups=2, cells=2))])
    accuracy = wide["metrics"]["accuracy"]
    assert accuracy["high"] - accuracy["low"] > VAGUE and wide["verdict"] == "cannot tell"


def test_a_network_that_gives_one_answer_reproduces_nothing(place):
    table = answers(1).assign(p_ALL=0.7, p_HEM=0.3)
    runs = [write_run(f"s{seed}", table, seed=seed) for seed in (1, 2)]
    assert only(runs)["verdict"] == "one answer only"
    assert answers_one_class(pool_seeds(runs)[0])
    mixed = [runs[0], write_run("s2", answers(2), seed=2)]
    assert not answers_one_class(pool_seeds(mixed)[0])
    assert only(mixed)["verdict"] != "one answer only"


def test_on_other_data_and_without_a_number_nothing_is_published(place):
    row = only([write_run("one", answers(1), dataset="synthetic")])
    assert (row["published"], row["difference"]) == (None, None)
    assert row["verdict"] == "nothing published"
    text = load_recipe("unnithan2021-2x2").as_dict()
    bare = only([write_run("one", answers(1), recipe_text=text | {"published": {}})])
    assert bare["verdict"] == "nothing published" and bare["published"] is None


def test_folds_by_the_published_protocol_are_not_its_split(place):
    recipe = load_recipe("unnithan2021-2x2")
    runs = [
        write_run(f"f{fold}", answers(fold, first=3 * fold), protocol="image", total=48,
                  settings=RunSettings(precision="float32"),
                  split={"folds": 2, "seed": 1, "fold": fold})
        for fold in range(2)
    ]  # fmt: skip
    assert recipe.data.published_protocol == "image"
    (pool,) = pool_folds(runs)
    found = judge(pool, 0.6, official=False)
    assert "split image, by folds" in found["reason"]
    assert fold_rows(runs)[0]["published_split"] is False


def test_on_the_source_s_validation_part_its_validation_accuracy_stands():
    text = load_recipe("unnithan2021-2x2").as_dict()
    run = {"dataset": "cnmc2019", "recipe_text": text, "scored": "validation"}
    printed = text["published"]
    assert printed["val_accuracy"] != printed["accuracy"]
    assert published_here(run, official=True) == printed["val_accuracy"]
    assert published_here(run, official=False) == printed["accuracy"]
    assert published_here(run | {"scored": "test"}, official=True) == printed["accuracy"]
    assert published_here(run | {"dataset": "synthetic"}, official=True) is None


# The command and the table -------------------------------------------------------------


def test_the_command_prints_the_rows(place, capsys):
    for seed in (1, 2):
        write_run(f"s{seed}", answers(seed), seed=seed)
    assert main(["results", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == pooled_rows(list_records())[0] and row["seeds"] == [1, 2]
    assert main(["results"]) == 0
    assert "network (1 rows)" in capsys.readouterr().out
    assert main(["results", "--runs", "--json"]) == 0
    assert [r["run"] for r in json.loads(capsys.readouterr().out)] == ["s1", "s2"]


def test_a_line_of_the_table_follows_its_row(keep):
    keep(kept_row("pooled", 0.7))
    rows = pooled_rows([write_run(f"s{seed}", answers(seed), seed=seed) for seed in (1, 2)])
    network = pooled_table(rows[:1]).loc[0]
    assert network["our accuracy"].startswith(f"{rows[0]['metrics']['accuracy']['value']:.3f}")
    assert network["published"] == "0.6170" and network["verdict"] == rows[0]["verdict"]
    assert (network["seeds"], network["input"], network["pretrained"]) == (2, "16 px", "no")
    assert (
        network["without a CNN"].startswith("0.700") and "other draws" in network["without a CNN"]
    )
    assert network["measured"] == "some processor, 2026-11-21, aaaaaaa"
    bare = pooled_table(rows[1:]).loc[0]
    assert bare["numbers"] == 19 and bare["split"].endswith("all folds")
    assert "seeds" not in bare and bare["published"] == ""
    assert pooled_table([]).empty


# The recorded results of the book ------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    """Records and rows of the checkout."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(REPOSITORY))
        records = list_records(REPOSITORY / "results")
        return records, pooled_rows(records)


def test_recorded_rows_say_everything(recorded):
    records, rows = recorded
    assert records and all(record.recorded for record in records)
    for row in rows:
        place = f"{row['title']}, {row['protocol']}"
        assert set(row) >= KEYS and row["recorded"] and row["verdict"] in WORDS, place
        accuracy = row["metrics"]["accuracy"]
        assert 0 <= accuracy["value"] <= 1
        for metric in row["metrics"].values():
            if metric["low"] is not None:
                assert metric["low"] <= metric["value"] <= metric["high"], place
        assert len(row["certificate"]) == len(row["data"]) == 64, place
        assert row["dataset"] in ("cnmc2019", "ball2021") and row["seeds"] and row["device"]
        assert np.sum(row["confusion"]) == row["scored_images"] * max(
            1, len(row["runs"]) and len(row["seeds"])
        )
        assert len(row["date"]) == 10 and row["commit"] and row["images"] in (7569, 3256, 7108)


def test_recorded_networks_have_one_row_each_with_all_seeds(recorded):
    records, rows = recorded
    networks = [row for row in rows if row["kind"] == "network"]
    keys = [(row["recipe"], row["dataset"], row["protocol"]) for row in networks]
    named = {tuple(r.run[k] for k in ("recipe", "dataset", "protocol")) for r in records}
    assert len(keys) == len(set(keys)) and set(keys) == named
    by_key = dict(zip(keys, networks, strict=True))
    poster = by_key["unnithan2021-2x2", "cnmc2019", "group"]
    assert len(poster["seeds"]) >= 3 and len(poster["runs"]) == len(poster["seeds"])
    for row in networks:
        for run in row["runs"]:
            assert any(record.run["id"] == run for record in records)
    whole = [row for row in rows if row["kind"] == "cross-validation"]
    runs = [tuple(row["runs"]) for row in rows if row["runs"]]
    assert len(runs) == len(set(runs)), "a row is there twice"
    assert ("unnithan2021-2x2", 7569) in {(row["recipe"], row["scored_images"]) for row in whole}


def test_recorded_values_are_means_of_their_predictions(recorded):
    records, rows = recorded
    tables = {record.run["id"]: record.predictions for record in records}
    for row in rows:
        if row["kind"] != "network":
            continue
        found = []
        # Folds score images together, seeds one after the other.
        together = [row["runs"]] if row["folds"] else [[run] for run in row["runs"]]
        for runs in together:
            table = pd.concat([tables[run] for run in runs])
            names = [name for name in table if name.startswith("p_")]
            said = table[names].idxmax(axis=1).str.removeprefix("p_")
            found.append(sk.accuracy_score(table.label, said))
        assert row["metrics"]["accuracy"]["value"] == pytest.approx(np.mean(found)), row["runs"]


def test_recorded_baselines_are_the_kept_ones(recorded, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(REPOSITORY))
    _, rows = recorded
    found = [row for row in rows if row["kind"] == "baseline"]
    kept = [row for name in ("cnmc2019", "ball2021") for row in kept_baselines(name)]
    assert len(found) == sum(row["scheme"] != "fold" for row in kept) >= 8
