"""Calibration: what is fitted, on what, and what it may not change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alllib.calibration import (
    TEMPERATURES,
    Threshold,
    apply_temperature,
    calibration_error,
    choose_threshold,
    fit_temperature,
    part_predictions,
    reliability,
    score_threshold,
)
from alllib.errors import DataError
from alllib.records import Record


def calibrated(seed: int, rows: int = 4000, classes: int = 2, sharp: float = 1.0) -> pd.DataFrame:
    """Labels drawn from the very probabilities, which are then made `sharp` times as sure."""
    generator = np.random.default_rng(seed)
    names = ("ALL", "HEM") if classes == 2 else ("Benign", "Early", "Pre", "Pro")
    logs = generator.normal(0, 1.5, (rows, classes))
    true = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    drawn = (true.cumsum(axis=1) < generator.random((rows, 1))).sum(axis=1)
    shown = np.exp(sharp * logs) / np.exp(sharp * logs).sum(axis=1, keepdims=True)
    table = pd.DataFrame(shown, columns=[f"p_{n}" for n in names])
    table["label"] = np.array(names)[drawn.clip(0, classes - 1)]
    table["group"] = [f"{label}{n % 20}" for n, label in enumerate(table.label)]
    return table.assign(part="validation")


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("equal_mass", [False, True])
def test_error_of_calibrated_predictions_is_chance_alone(classes, equal_mass):
    table = calibrated(1, rows=20000, classes=classes)
    assert calibration_error(table, equal_mass=equal_mass, resamples=2).value < 0.015
    sharp = calibrated(1, rows=20000, classes=classes, sharp=3.0)
    assert calibration_error(sharp, equal_mass=equal_mass, resamples=2).value > 0.08


def test_error_by_hand():
    table = pd.DataFrame(
        {
            "p_ALL": [0.9, 0.9, 0.6, 0.6],
            "p_HEM": [0.1, 0.1, 0.4, 0.4],
            "label": ["ALL", "HEM", "ALL", "ALL"],
            "group": list("abcd"),
        }
    )
    curve = reliability(table, bins=2)
    assert curve.images.to_list() == [2, 2]
    assert curve.confidence.to_list() == pytest.approx([0.6, 0.9])
    assert curve.accuracy.to_list() == [1.0, 0.5]
    assert calibration_error(table, bins=2).value == pytest.approx((0.4 + 0.4) / 2)


@given(st.integers(0, 10**6), st.integers(1, 20), st.booleans(), st.sampled_from([2, 4]))
@settings(max_examples=40)
def test_curve_holds_every_image_once(seed, bins, equal_mass, classes):
    table = calibrated(seed, rows=57, classes=classes)
    curve = reliability(table, bins=bins, equal_mass=equal_mass)
    assert curve.images.sum() == 57 and len(curve) <= bins
    inside = (curve.low - 1e-9 <= curve.confidence) & (curve.confidence <= curve.high + 1e-9)
    assert inside.all()
    error = (curve.images * (curve.accuracy - curve.confidence).abs()).sum() / 57
    found = calibration_error(table, bins=bins, equal_mass=equal_mass, resamples=2)
    assert found.value == pytest.approx(error)


def test_bins_of_equal_mass_hold_equally_many():
    curve = reliability(calibrated(2, rows=1000), bins=10, equal_mass=True)
    assert curve.images.between(99, 101).all()
    tied = calibrated(2, rows=10).assign(p_ALL=0.75, p_HEM=0.25)
    assert len(reliability(tied, bins=5, equal_mass=True)) == 1


def test_interval_of_the_error_draws_groups_and_needs_several():
    table = calibrated(3, rows=600, sharp=2.0)
    found = calibration_error(table, resamples=300)
    assert found.low < found.high and found == calibration_error(table, resamples=300)
    alone = table.assign(group=table.label)
    assert calibration_error(alone).low is None
    by_image = calibration_error(table.assign(group=None), resamples=300)
    assert by_image.low is not None


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("sharp", [0.5, 1.0, 2.5])
def test_temperature_is_found_again(classes, sharp):
    assert fit_temperature(calibrated(5, classes=classes, sharp=sharp)) == pytest.approx(
        sharp, rel=0.1
    )


@given(st.integers(0, 10**6), st.floats(*TEMPERATURES), st.sampled_from([2, 4]))
@settings(max_examples=60)
def test_temperature_leaves_ranking_and_decisions_unchanged(seed, temperature, classes):
    table = calibrated(seed, rows=40, classes=classes)
    after = apply_temperature(table, temperature)
    names = [n for n in table if n.startswith("p_")]
    before_values, values = table[names].to_numpy(), after[names].to_numpy()
    assert np.allclose(values.sum(axis=1), 1)
    assert (values.argmax(1) == before_values.argmax(1)).all()
    if classes == 2:  # with more, images may change places, classes of an image may not
        order = np.argsort(table.p_ALL.to_numpy())
        assert (np.diff(values[order, 0]) >= -1e-12).all()
    assert (after.label == table.label).all()


def test_temperature_1_changes_nothing_and_zero_is_no_temperature():
    table = calibrated(1, rows=20)
    pd.testing.assert_frame_equal(apply_temperature(table, 1.0), table)
    for wrong in (0, -1.0, float("nan"), float("inf")):
        with pytest.raises(DataError, match="temperature"):
            apply_temperature(table, wrong)


def test_a_sure_and_wrong_prediction_leaves_a_finite_temperature():
    table = calibrated(1, rows=200)
    table.loc[0, ["p_ALL", "p_HEM", "label"]] = [0.0, 1.0, "ALL"]
    assert TEMPERATURES[0] < fit_temperature(table) < TEMPERATURES[1]


@pytest.mark.parametrize("fit", [fit_temperature, lambda table: choose_threshold(table, "ALL")])
def test_nothing_is_fitted_on_the_test_part(fit):
    table = calibrated(4, rows=300)
    with pytest.raises(DataError, match="which part"):
        fit(table.drop(columns="part"))
    with pytest.raises(DataError, match="no image of the validation part"):
        fit(table.assign(part="test"))
    # Labels of the test part, whatever they are, change nothing.
    test = calibrated(9, rows=300).assign(part="test")
    wrong = test.assign(label=np.where(test.label == "ALL", "HEM", "ALL"))
    assert fit(pd.concat([table, test])) == fit(pd.concat([table, wrong])) == fit(table)


def test_parts_of_a_record_are_named_and_must_be_two():
    held, test = calibrated(1, rows=30), calibrated(2, rows=20)
    whole = Record(
        Path("x"), {"id": "x", "scored": "test"}, test.drop(columns="part"), pd.DataFrame(),
        validation=held.drop(columns="part"),
    )  # fmt: skip
    found = part_predictions(whole)
    assert found.part.value_counts().to_dict() == {"validation": 30, "test": 20}
    assert fit_temperature(found) == fit_temperature(held)
    for alone in (
        replace(whole, validation=None),
        replace(whole, run={"id": "x", "scored": "validation"}),
    ):
        with pytest.raises(DataError, match="no predictions of a validation part"):
            part_predictions(alone)


def best_by_trial(table: pd.DataFrame) -> float:
    """Largest sensitivity + specificity of any threshold."""
    case = table.label == "ALL"
    tried = np.r_[0, np.unique(table.p_ALL), 1.1]
    sums = [((table.p_ALL >= t) & case).sum() / case.sum()
            + ((table.p_ALL < t) & ~case).sum() / (~case).sum() for t in tried]  # fmt: skip
    return max(sums)


@given(st.integers(0, 10**6))
@settings(max_examples=40)
def test_threshold_is_the_best_of_all(seed):
    table = calibrated(seed, rows=40).round({"p_ALL": 1})
    if table.label.nunique() < 2:
        return
    table["p_HEM"] = 1 - table.p_ALL
    found = choose_threshold(table, "ALL")
    assert found.sensitivity + found.specificity == pytest.approx(best_by_trial(table))
    called = table.p_ALL >= found.value
    assert called[table.label == "ALL"].mean() == pytest.approx(found.sensitivity)
    assert (~called)[table.label == "HEM"].mean() == pytest.approx(found.specificity)


@pytest.mark.parametrize("wanted", [0.0, 0.5, 0.9, 0.99, 1.0])
def test_threshold_reaches_the_wanted_sensitivity_and_not_a_higher_one(wanted):
    table = calibrated(8, rows=500)
    found = choose_threshold(table, "ALL", sensitivity=wanted)
    assert found.sensitivity >= wanted and f"{wanted:g}" in found.rule
    higher = np.unique(table.p_ALL[table.p_ALL > found.value])
    if len(higher) > 1:
        above = (higher[0] + higher[1]) / 2
        assert (table.p_ALL[table.label == "ALL"] >= above).mean() < wanted + 1e-9 or wanted == 0


def test_scores_of_a_threshold():
    table = calibrated(6, rows=400)
    half = score_threshold(table, Threshold(0.5, "ALL", "", 0, 0), resamples=100)
    rate = ((table.p_ALL >= 0.5) & (table.label == "ALL")).sum() / (table.label == "ALL").sum()
    assert half.metrics["sensitivity"].value == pytest.approx(rate)
    everyone = score_threshold(table, Threshold(0.0, "ALL", "", 0, 0), resamples=100).metrics
    assert everyone["sensitivity"].value == 1 and everyone["specificity"].value == 0
    found = half.metrics
    balanced = (found["sensitivity"].value + found["specificity"].value) / 2
    assert found["auroc"].value == pytest.approx(balanced)
    assert found["sensitivity"].low < rate < found["sensitivity"].high


def test_thresholds_are_for_two_classes():
    with pytest.raises(DataError, match="two classes"):
        choose_threshold(calibrated(1, rows=50, classes=4), "Benign")
    table = calibrated(1, rows=50)
    with pytest.raises(DataError, match="two classes"):
        choose_threshold(table[table.label == "ALL"], "ALL")


def test_tables_that_cannot_be_calibrated_are_refused():
    table = calibrated(1, rows=20)
    with pytest.raises(DataError, match="no predicted probabilities"):
        reliability(table[["label"]])
    with pytest.raises(DataError, match="no predicted probabilities"):
        reliability(table.iloc[:0])
    with pytest.raises(DataError, match="'Pre' has no probabilities"):
        reliability(table.assign(label="Pre"))
    with pytest.raises(DataError, match="0 bins"):
        reliability(table, bins=0)
