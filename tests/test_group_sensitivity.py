"""What another table of subject groups would change."""

from __future__ import annotations

import functools
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from test_kinship import duplicates, pair, table

from alllib.baselines import FEATURES
from alllib.errors import DataError
from alllib.evaluation import score_predictions
from alllib.group_sensitivity import (
    GROUPINGS,
    compare_groupings,
    grouping_table,
    join_found,
    record_groupings,
)
from alllib.studies import read_study


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A classifier that learns in no time, and few draws: these tests are about groups."""
    monkeypatch.setattr("alllib.baselines._classifier", lambda name, seed: LogisticRegression())
    few = functools.partial(score_predictions, resamples=50)
    for module in ("baseline_runs", "group_sensitivity"):
        monkeypatch.setattr(f"alllib.{module}.score_predictions", few)


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    """Six subjects of either class with five images each; 20 and 21 are one group."""
    names = ["20", "21", "1", "2", "3", "4", "5", "H1", "H9", "H11", "H12", "H13", "H14"]
    cells = table([name for name in names for _ in range(5)])
    return cells.assign(group=cells.subject.replace({"21": "20"}))


@pytest.fixture(scope="module")
def numbers(people) -> pd.DataFrame:
    """Numbers that tell the classes apart, with errors."""
    rng = np.random.default_rng(1)
    values = rng.normal((people.label == "ALL").to_numpy()[:, None], 4, (len(people), 19))
    return pd.DataFrame(values, columns=list(FEATURES), index=people.image)


def shared(people: pd.DataFrame):
    """Subjects 20 and 1 share five cells, and 20 and 21 a file."""
    rows = [pair(people, n, 10 + n) for n in range(5)]
    return duplicates(people, *rows, pair(people, 0, 5, "identical files"))


def test_joined_groups_are_wider_than_those_of_the_table(people):
    groups = join_found(people, shared(people))
    by_name = dict(zip(people.subject, groups, strict=True))
    assert by_name["20"] == by_name["21"] == by_name["1"]
    assert people.group.nunique() - groups.nunique() == 1
    # What no pair joins stays with the table, though no pair was found in it.
    alone = dict(zip(people.subject, join_found(people, duplicates(people)), strict=True))
    assert alone["20"] == alone["21"] != alone["1"]


def test_twins_are_counted_under_each_grouping(people, numbers):
    found = compare_groupings(people, shared(people), numbers=numbers, folds=3, seeds=[2])
    assert json.loads(json.dumps(found)) == found
    rows = {row["grouping"]: row for row in found["rows"]}
    assert tuple(rows) == GROUPINGS
    assert [row["groups"] for row in found["rows"]] == [13, 12, 11]
    assert all(row["images"] == len(people) for row in found["rows"])
    assert rows["table and pairs"]["with_twin"] == rows["table and pairs"]["exact"] == 0
    assert rows["table"]["exact"] == 0
    # These folds part 1 from 20 and 21: both ends of its five near pairs are scored by a forest
    # that has seen the other end.
    assert rows["table"]["with_twin"] == 10
    assert (rows["names"]["with_twin"], rows["names"]["exact"]) == (11, 2)
    for row in found["rows"]:
        assert row["accuracy"]["low"] <= row["accuracy"]["value"] <= row["accuracy"]["high"]
        assert row["share"] == round(row["with_twin"] / len(people), 4)
    gap = rows["table and pairs"]["accuracy"]["value"] - rows["table"]["accuracy"]["value"]
    assert found["difference"]["difference"] == pytest.approx(gap)
    assert found["difference"]["groups"] == 11


def test_first_seed_gives_the_figures_and_all_give_dealings(people, numbers, workspace):
    study = record_groupings(people, shared(people), numbers=numbers, folds=3, seeds=[5, 6])
    assert read_study("groups", "cnmc2019").found == study.found
    assert study.settings["seeds"] == [5, 6]
    for row in study.found["rows"]:
        assert len(row["dealings"]) == 2
        assert row["dealings"][0] == pytest.approx(row["accuracy"]["value"], abs=1e-4)
    shown = grouping_table(study.found)
    assert shown["groups by"].tolist()[1] == "the table that ships"
    assert (shown.least <= shown.most).all()
    assert shown.twins.tolist() == [row["with_twin"] for row in study.found["rows"]]


def test_a_set_without_subjects_is_refused(people, numbers):
    nameless = people.assign(subject=pd.NA)
    with pytest.raises(DataError, match="every image has a subject"):
        compare_groupings(nameless, duplicates(people), numbers=numbers)
