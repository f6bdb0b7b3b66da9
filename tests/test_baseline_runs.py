"""Baselines under every protocol: each image scored once, by who has not seen its part."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from alllib.baseline_runs import (
    baseline_table,
    count_distribution,
    kept_baselines,
    kept_distribution,
    kept_predictions,
    record_baselines,
    run_baselines,
    score_beside,
)
from alllib.baseline_splits import list_schemes
from alllib.baselines import FEATURES, get_baseline, measure_numbers, predict_baseline
from alllib.datasets import get_dataset, load_cells
from alllib.errors import RecordError, SplitError
from alllib.evaluation import score_predictions
from alllib.features import COLOURS, CORNER
from alllib.recipes import list_recipes, load_recipe
from alllib.records import REQUIRED, read_record, save_record
from alllib.splits import check_certificate, make_split, split_random


def make_cells(subjects: int = 7, each: int = 6) -> pd.DataFrame:
    """Cells of `subjects` subjects a class in three official folds; nothing lies on a disk."""
    rows = [
        (label, f"{label[0]}{s}", f"fold_{s % 3}", n)
        for label in ("ALL", "HEM")
        for s in range(subjects)
        for n in range(each)
    ]
    cells = pd.DataFrame(rows, columns=["label", "subject", "fold", "n"])
    cells["image"] = [f"UID_{s}_{n}_1_{label.lower()}" for label, s, _, n in rows]
    cells = cells.assign(
        group=cells.subject, field=cells.subject + "_" + (cells.n // 2).astype(str)
    )
    cells = cells.assign(path=cells.image, sha256=cells.image, width=9, height=9).drop(columns="n")
    cells.attrs["dataset"] = "synthetic"
    return cells


def make_numbers(cells: pd.DataFrame, names: tuple[str, ...] = FEATURES) -> pd.DataFrame:
    """Numbers that tell the class a little, and the subject well."""
    generator = np.random.default_rng(1)
    told = pd.factorize(cells.label)[0] + pd.factorize(cells.image)[0] % 7
    values = told[:, None] + generator.normal(0, 1.0, (len(cells), len(names)))
    return pd.DataFrame(values, columns=list(names), index=cells.image.to_numpy())


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    return make_cells()


@pytest.fixture(scope="module")
def run(cells):
    return run_baselines(cells, numbers=make_numbers(cells), folds=3)


def test_every_protocol_of_the_data_set_has_folds_and_a_pooled_value(cells, run):
    for protocol in get_dataset("synthetic").protocols:
        for system in ("nineteen", "area", "majority"):
            rows = [r for r in run.rows if (r["protocol"], r["system"]) == (protocol, system)]
            schemes = [row["scheme"] for row in rows]
            assert schemes.count("fold") == 3 and schemes[-1] == "pooled"
            folds = [row for row in rows if row["scheme"] == "fold"]
            assert [row["fold"] for row in folds] == [0, 1, 2]
            assert sum(row["scored_images"] for row in folds) == len(cells)
            assert rows[-1]["scored_images"] == len(cells)
            assert len({row["certificate"] for row in rows}) == len(rows)


def test_published_splits_are_those_of_the_recipes(run):
    rows = [r for r in run.rows if r["scheme"] == "published" and r["system"] == "area"]
    named = {name for row in rows for name in row["recipes"]}
    classes = get_dataset("synthetic").classes
    same = [r for r in map(load_recipe, list_recipes()) if
            get_dataset(r.data.dataset).classes == classes]  # fmt: skip
    assert named == {recipe.name for recipe in same}
    assert {row["protocol"] for row in rows} == {"image"}
    shares = {row["scored_images"] / (row["scored_images"] + row["images"]) for row in rows}
    assert any(abs(share - 0.2) < 0.05 for share in shares)


def test_rows_are_plain_and_say_what_was_learned_from(cells, run):
    json.dumps(run.rows, allow_nan=False)
    for row in run.rows:
        assert row["scored"] not in row["learned"]
        if row["scheme"] == "fold":
            assert row["learned"] == ["train", "validation"]
            assert row["images"] + row["scored_images"] == len(cells)


def test_pooled_predictions_give_the_pooled_row(cells, run):
    for system, protocol in (("nineteen", "group"), ("area", "folds")):
        table = run.predictions.query(
            f"system == '{system}' and protocol == '{protocol}' and scheme == 'pooled'"
        )
        assert sorted(table.image) == sorted(cells.image)
        row = next(
            r for r in run.rows
            if (r["system"], r["protocol"], r["scheme"]) == (system, protocol, "pooled")
        )  # fmt: skip
        scores = score_predictions(table[["label", "group", "p_ALL", "p_HEM"]], positive="ALL")
        assert scores.as_dict()["metrics"] == row["metrics"]
    assert "majority" not in set(run.predictions.system)


def test_pooled_commonest_class_orders_nothing(run):
    for row in run.rows:
        if row["system"] == "majority":
            assert row["metrics"]["auroc"]["value"] == 0.5


def test_runs_repeat_and_other_seeds_are_other_forests(cells, run):
    numbers = make_numbers(cells)
    chosen = {"numbers": numbers, "folds": 3, "systems": ("nineteen",)}
    again = run_baselines(cells, ("group",), **chosen)
    first = [r for r in run.rows if (r["system"], r["protocol"]) == ("nineteen", "group")]
    assert again.rows == first
    other = run_baselines(cells, ("group",), **chosen, forest_seed=2)
    assert not other.predictions.p_ALL.equals(again.predictions.p_ALL)


def test_random_folds_hold_each_image_once_with_the_class_shares(cells):
    tested = []
    for fold in range(5):
        split = split_random(cells, fold=fold)
        check_certificate(split.cells, split.certificate)
        test, held = split.part("test"), split.part("validation")
        tested += list(test.image)
        assert abs((test.label == "ALL").mean() - 0.5) < 0.1
        assert not set(test.image) & set(held.image)
        assert split.certificate["protocol"] == "image"
        shuffled = cells.sample(frac=1, random_state=1)
        shuffled.attrs["dataset"] = "synthetic"
        assert split_random(shuffled, fold=fold).certificate == split.certificate
    assert sorted(tested) == sorted(cells.image)


def test_a_protocol_that_the_data_does_not_allow_is_an_error(cells):
    with pytest.raises(SplitError):
        list(list_schemes(cells, "blocks"))
    with pytest.raises(SplitError):
        list(list_schemes(cells.assign(group=None), "group"))


def test_baselines_stand_beside_a_network_on_its_very_split(cells):
    numbers = make_numbers(cells)
    split = make_split(cells, "group", folds=3)
    rows = score_beside(split, numbers=numbers)
    assert [row["system"] for row in rows] == ["nineteen", "area", "majority"]
    for row in rows:
        assert row["scheme"] == "given" and row["certificate"] == split.certificate["hash"]
        assert row["scored_images"] == len(split.part("test"))
        # From what the network learns from; folds without a network learn from validation too.
        assert row["learned"] == ["train"] and row["images"] == len(split.part("train"))
    folds = run_baselines(cells, ("group",), numbers=numbers, folds=3).rows
    same = [r for r in folds if r["certificate"] == rows[0]["certificate"]]
    assert all(r["images"] > rows[0]["images"] for r in same)
    found = predict_baseline(get_baseline("nineteen"), split, numbers)
    scores = score_predictions(found[found.part == "test"].drop(columns="part"), positive="ALL")
    assert scores.as_dict()["metrics"] == rows[0]["metrics"]
    assert rows[0]["scored_images"] == scores.images


def test_table_has_a_line_per_split_and_the_range_of_the_folds(run):
    table = baseline_table(run.rows)
    assert len(table) == sum(row["scheme"] != "fold" for row in run.rows)
    folds = [
        row["metrics"]["accuracy"]["value"] for row in run.rows
        if (row["system"], row["protocol"], row["scheme"]) == ("area", "group", "fold")
    ]  # fmt: skip
    line = table[(table.split == "group, 3 folds pooled") & table.system.str.contains("area")]
    assert line["single folds"].item() == f"{min(folds):.3f} to {max(folds):.3f}"
    assert table.split.str.contains("mir2019report").any()
    assert baseline_table([]).empty


def test_distribution_counts_every_labelled_image(cells):
    found = count_distribution(cells, make_numbers(cells), bins=7)
    assert found["number"] == "area" and len(found["edges"]) == 8
    assert {k: sum(v) for k, v in found["counts"].items()} == {"ALL": 42, "HEM": 42}
    json.dumps(found)


def test_kept_rows_and_predictions_come_back(workspace, cells):
    assert kept_baselines("synthetic") == [] and kept_distribution("synthetic") is None
    with pytest.raises(RecordError, match="cannot be read"):
        kept_predictions("synthetic")
    study = record_baselines(
        cells, numbers=make_numbers(cells), folds=3, protocols=("group", "folds")
    )
    assert study.settings["folds"] == 3 and study.images == len(cells)
    rows = kept_baselines("synthetic")
    assert rows == study.found["rows"]
    assert {row["protocol"] for row in kept_baselines("synthetic", "folds")} == {"folds"}
    assert kept_distribution("synthetic")["number"] == "area"
    table = kept_predictions("synthetic")
    pooled = table[(table.system == "area") & (table.protocol == "group") & (table.fold >= 0)]
    row = next(
        r for r in rows if (r["system"], r["protocol"], r["scheme"]) == ("area", "group", "pooled")
    )
    right = np.where(pooled.p_ALL > pooled.p_HEM, "ALL", "HEM") == pooled.label
    assert right.mean() == pytest.approx(row["metrics"]["accuracy"]["value"])


def test_subtypes_without_subjects_have_blocks():
    names = ("Benign", "Early", "Pre", "Pro")
    rows = [(label, f"WBC-Malignant-{label}-{n:03d}") for label in names for n in range(12)]
    cells = pd.DataFrame(rows, columns=["label", "image"]).assign(
        subject=None, group=None, field=None, fold=None, width=9, height=9
    )
    cells = cells.assign(path=cells.image, sha256=cells.image)
    cells.attrs["dataset"] = "ball2021"
    numbers = make_numbers(cells, (*COLOURS, *CORNER))
    run = run_baselines(cells, ("blocks",), numbers=numbers, folds=3)
    assert {row["system"] for row in run.rows} == {"six", "mean", "corner", "majority"}
    assert {row["resampled"] for row in run.rows} == {"image"}


@pytest.mark.slow
def test_six_numbers_tell_the_real_subtypes_apart(real_root):
    cells = load_cells(real_root / "B-ALL")
    run = run_baselines(cells, ("image",), systems=("six",), numbers=measure_numbers(cells))
    assert run.rows[-1]["scheme"] == "pooled"
    assert run.rows[-1]["metrics"]["accuracy"]["value"] > 0.96


def test_what_is_scored_beside_a_run_is_kept_with_it_once(cells, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    split, numbers = make_split(cells, "group", folds=3), make_numbers(cells)
    run = dict.fromkeys(REQUIRED, "x") | {"id": "one", "certificate": split.certificate}
    table = pd.DataFrame({"image": ["a"], "label": ["ALL"]})
    record = save_record(run, table, table, lambda path: path.write_bytes(b""))
    assert record.baselines == ()
    rows = score_beside(split, record=record, numbers=numbers)
    assert list(read_record(record.path).baselines) == rows
    # The second time nothing is measured: these numbers could not be.
    assert score_beside(split, record=record, numbers=numbers.iloc[:0]) == rows
    other = make_split(
        cells, "group", folds=3, fold=(split.certificate["settings"]["fold"] + 1) % 3
    )
    with pytest.raises(RecordError, match="another split"):
        score_beside(other, record=record, numbers=numbers)
