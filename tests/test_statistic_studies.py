"""Measurements of the statistics chapter."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_baseline_runs import make_cells, make_numbers
from test_calibration import calibrated

from alllib.agreement import kept_spread
from alllib.baselines import get_baseline, predict_baseline
from alllib.downloads import official_cells
from alllib.errors import DataError
from alllib.splits import make_split
from alllib.statistic_studies import (
    calibrate,
    calibrate_forest,
    coverage_table,
    forest_seeds,
    group_sizes,
    measure_coverage,
    seed_row,
    training_cells,
)
from alllib.studies import save_study


@pytest.fixture(scope="module")
def cells() -> pd.DataFrame:
    return make_cells()


@pytest.fixture(scope="module")
def predictions(cells) -> pd.DataFrame:
    split = make_split(cells, "group")
    return predict_baseline(get_baseline("area"), split, make_numbers(cells))


def test_sizes_of_groups_by_class():
    cells = pd.DataFrame(
        {
            "label": ["ALL", "ALL", "ALL", "HEM", None, "HEM"],
            "group": ["a", "b", "a", "h", "a", None],
        }
    )
    assert group_sizes(cells) == {"ALL": [2, 1], "HEM": [1]}
    with pytest.raises(DataError, match="names its group"):
        group_sizes(cells.assign(group=None))


def test_official_list_has_three_subjects_of_one_class_in_a_fold():
    cells = official_cells()
    held = group_sizes(cells[cells.fold == "fold_1"])
    assert {label: len(sizes) for label, sizes in held.items()} == {"ALL": 11, "HEM": 3}


def test_coverage_has_a_row_per_design_and_method(predictions):
    sizes = {"ALL": [6, 9, 12], "HEM": [5, 7]}
    table = coverage_table(
        sizes, predictions, groups=(2, 4), designs={"all": sizes}, repeats=20, resamples=20,
        methods=("percentile", "jackknife"),
    )  # fmt: skip
    assert table.design.drop_duplicates().to_list() == ["2 + 2", "4 + 4", "all"]
    assert len(table) == 6 and table.coverage.between(0, 1).all()


def test_coverage_of_the_official_groups(predictions):
    cells = official_cells()
    assert len(training_cells(cells)) == 10661
    found = measure_coverage(cells, predictions, repeats=4, resamples=20)
    assert json.loads(json.dumps(found)) == found
    designs = {row["design"] for row in found["rows"]}
    assert {"3 + 3", "fold_1: 11 + 3"} <= designs and any(d.startswith("all") for d in designs)


def test_seeds_of_the_forest_and_of_a_network(workspace, cells):
    row = forest_seeds(cells, make_numbers(cells), "group", seeds=(1, 2, 3))
    assert len(row["values"]) == 3 and row["spread"]["seeds"] == 3
    assert row["certificate"] == make_split(cells, "group").certificate["hash"]
    named = cells.copy()
    named.attrs["dataset"] = "cnmc2019"
    rows = [row, seed_row("network", "a network", [0.5, 0.9], scale="tiny")]
    save_study("seeds", named, {"rows": rows})
    assert kept_spread().deviation == pytest.approx(np.std([0.5, 0.9], ddof=1))


def test_calibration_is_fitted_on_validation_and_tried_on_test():
    held, test = calibrated(1, rows=2000, sharp=2.0), calibrated(2, rows=2000, sharp=2.0)
    both = pd.concat([held, test.assign(part="test")], ignore_index=True)
    found = calibrate(both, "ALL")
    assert found["temperature"] == pytest.approx(2, rel=0.1)
    for errors in (found["errors"], found["validation_errors"]):
        assert errors["after"]["value"] < errors["before"]["value"]
    half, balanced, sensitive = found["thresholds"]
    assert half["value"] == 0.5 and sensitive["validation"]["sensitivity"] >= 0.95
    assert balanced["test"]["balanced"]["value"] > sensitive["test"]["balanced"]["value"]
    json.dumps(found)
    with pytest.raises(DataError, match="no image of the test part"):
        calibrate(held, "ALL")
    with pytest.raises(DataError, match="validation part"):
        calibrate(test.assign(part="test"), "ALL")


def test_calibration_of_the_forest(cells):
    found = calibrate_forest(cells, make_numbers(cells))
    assert found["certificate"] == make_split(cells, "group").certificate["hash"]
    assert set(found["groups"]) == {"test", "validation"}
    assert found["temperature"] > 0
