"""The rule for when two results count as the same, and the numbers that it needs."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from alllib.agreement import (
    WIDEST,
    Spread,
    kept_spread,
    same_result,
    same_rounded,
    seed_spread,
    wilson,
)
from alllib.errors import DataError
from alllib.evaluation import Estimate
from alllib.studies import save_study

KEPT = Path(__file__).parents[1] / "results" / "study"
SHARES = st.floats(0.05, 0.95)


def estimate(value: float, half: float = 0.02) -> dict:
    return {"value": value, "low": value - half, "high": value + half}


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_agrees_with_scipy(hits, images):
    assume(hits <= images)
    theirs = stats.binomtest(hits, images).proportion_ci(method="wilson")
    assert wilson(hits, images) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@pytest.mark.parametrize("hits, images", [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(hits, images):
    with pytest.raises(DataError, match="no share"):
        wilson(hits, images)


def test_spread_is_the_deviation_with_its_interval():
    spread = seed_spread([0.80, 0.82, 0.84])
    assert spread.deviation == pytest.approx(0.02) and spread.mean == pytest.approx(0.82)
    assert spread.seeds == 3
    assert spread.low < spread.deviation < spread.high
    assert spread.high / spread.deviation == pytest.approx(6.285, abs=0.001)  # chi-squared, 2


def test_interval_of_the_deviation_covers_the_true_one():
    generator = np.random.default_rng(1)
    found = [seed_spread(generator.normal(0.8, 0.01, 5)) for _ in range(2000)]
    assert np.mean([s.low <= 0.01 <= s.high for s in found]) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize("values", [[], [0.9], [0.9, float("nan")]])
def test_too_few_seeds_are_refused(values):
    with pytest.raises(DataError, match="no deviation"):
        seed_spread(values)


@pytest.mark.parametrize(
    "ours, expected",
    [
        (estimate(0.925, half=0.015), "same"),
        (estimate(0.85), "different"),
        (estimate(0.925, half=0.03), "cannot tell"),  # nearly as wide as a leak
        (estimate(0.90, half=0.09), "cannot tell"),  # too wide to say the same
        (estimate(0.70, half=0.09), "different"),  # too wide, and still too far
    ],
)
def test_verdicts(ours, expected):
    found = same_result(0.9302, ours, images=2121, spread=0.004)
    assert found.verdict == expected
    assert found.difference == pytest.approx(ours["value"] - 0.9302)
    assert f"{abs(found.difference):.3f}" in found.reason


def test_the_widest_tolerance_is_less_than_what_the_split_by_image_adds():
    rows = json.loads((KEPT / "baselines-cnmc2019.json").read_text())["found"]["rows"]
    of = {
        row["protocol"]: row["metrics"]["accuracy"]["value"]
        for row in rows
        if (row["system"], row["scheme"]) == ("nineteen", "pooled")
    }
    assert 0.01 < WIDEST < of["image"] - of["group"]
    # Two runs that differ by that much are never called the same, however wide the intervals.
    for half in (0.005, 0.02, 0.05):
        ours = estimate(of["group"], half)
        found = same_result(of["image"], ours, images=7569, spread=0.002)
        assert found.verdict != "same"


def test_tolerance_adds_squares_of_three_half_widths():
    low, high = wilson(930.2, 1000)
    spread = Spread(0.01, 0.005, 0.02, 4, 0.9)
    found = same_result(0.9302, estimate(0.92, half=0.03), images=1000, spread=spread)
    seeds = math.sqrt(2) * stats.t.ppf(0.975, 3) * 0.01
    assert found.parts == pytest.approx(
        {"ours": 0.03, "published": (high - low) / 2, "seeds": seeds}
    )
    assert found.tolerance == pytest.approx(math.hypot(*found.parts.values()))
    assert same_result(0.93, estimate(0.92), images=9, spread=0.01).parts["seeds"] == (
        pytest.approx(0.01 * 2 * math.sqrt(2))
    )


def test_the_side_that_faces_the_published_value_counts():
    ours = {"value": 0.9, "low": 0.8, "high": 0.92}
    assert same_result(0.95, ours, images=100, spread=0.0).parts["ours"] == pytest.approx(0.02)
    assert same_result(0.85, ours, images=100, spread=0.0).parts["ours"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "change, lacking",
    [
        ({"images": None}, "published"),
        ({"spread": None}, "seeds"),
        ({"ours": Estimate(0.93, None, None)}, "ours"),
    ],
)
def test_without_a_piece_nothing_can_be_told(change, lacking):
    given_ = {"ours": estimate(0.93), "images": 2121, "spread": 0.01} | change
    found = same_result(0.9302, given_.pop("ours"), **given_)
    assert found.verdict == "cannot tell" and found.tolerance is None and lacking in found.reason


def test_what_was_done_otherwise_confirms_and_contradicts_nothing():
    for value in (0.93, 0.1):
        found = same_result(
            0.9302, estimate(value), images=2121, spread=0.01, differences=["input 64 px"]
        )
        assert found.verdict == "cannot tell" and "input 64 px" in found.reason


@given(SHARES, SHARES, st.floats(0.001, 0.04), st.integers(50, 5000), st.floats(0, 0.01))
def test_a_smaller_difference_is_never_less_alike(published, value, half, images, spread):
    ours = estimate(value, half)
    nearer = estimate((value + published) / 2, half)
    far = same_result(published, ours, images=images, spread=spread)
    near = same_result(published, nearer, images=images, spread=spread)
    order = {"different": 0, "cannot tell": 1, "same": 1}
    assert order[near.verdict] >= order[far.verdict]
    if far.verdict == "same":
        assert far.tolerance <= WIDEST


def test_percentages_are_refused():
    with pytest.raises(DataError, match="cannot be compared"):
        same_result(93.02, estimate(0.93), images=2121)
    with pytest.raises(DataError, match="cannot be compared"):
        same_result(0.93, Estimate(None, None, None), images=2121)


def test_two_equal_runs_are_the_same_in_95_of_100(monkeypatch):
    generator = np.random.default_rng(3)
    true, images, seed_deviation = 0.9, 4000, 0.006
    verdicts = []
    for _ in range(1500):
        ours, theirs = (
            generator.binomial(images, min(1, true + generator.normal(0, seed_deviation))) / images
            for _ in range(2)
        )
        low, high = wilson(ours * images, images)
        found = same_result(
            theirs, {"value": ours, "low": low, "high": high}, images=images, spread=seed_deviation
        )
        verdicts.append(found.verdict)
    assert verdicts.count("same") / len(verdicts) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize(
    "published, value, digits, same",
    [
        ("93.02", 93.0221, None, True),
        ("93.02", 93.03, None, False),
        (0.62, 0.617, None, True),
        ("0.620", 0.617, None, False),
        (0.617, 0.62, 2, True),
        ("2.5", 2.55, None, True),
        (64066938, 64066938, None, True),
        (64066938, 64066939, None, False),
    ],
)
def test_printed_digits(published, value, digits, same):
    assert same_rounded(published, value, digits=digits) is same


def test_the_kept_spread_is_the_largest_or_that_of_a_system(workspace):
    assert kept_spread() is None
    cells = pd.DataFrame({"image": ["a"], "label": ["ALL"], "sha256": ["0"]})
    cells.attrs["dataset"] = "cnmc2019"
    spreads = {"forest": seed_spread([0.9, 0.91]), "network": seed_spread([0.8, 0.9])}
    rows = [{"system": name, "spread": s.as_dict()} for name, s in spreads.items()]
    save_study("seeds", cells, {"rows": rows})
    assert kept_spread() == spreads["network"]
    assert kept_spread(system="forest") == spreads["forest"]
    assert kept_spread(system="none") is None
    assert "origin" not in seed_spread([1, 2]).as_dict()


def test_on_the_same_images_the_seeds_alone_decide():
    wide = estimate(0.93, half=0.2)
    spread = Spread(0.004, 0.002, 0.01, 10, 0.9)
    found = same_result(0.935, wide, images=None, spread=spread, same_images=True)
    assert found.verdict == "same" and found.tolerance == pytest.approx(spread.half)
    assert same_result(0.935, wide, images=2000, spread=spread).verdict == "cannot tell"
    assert same_result(0.97, wide, images=None, spread=spread, same_images=True).verdict == (
        "different"
    )
    assert same_result(0.935, wide, images=9, same_images=True).verdict == "cannot tell"


def test_two_seeds_on_the_same_images_are_the_same_in_95_of_100():
    generator = np.random.default_rng(5)
    values = 0.9 + generator.normal(0, 0.004, (1500, 2))
    found = [
        same_result(a, {"value": b, "low": None, "high": None}, images=None, spread=0.004,
                    same_images=True).verdict
        for a, b in values
    ]  # fmt: skip
    assert found.count("same") / len(found) == pytest.approx(0.95, abs=0.02)


def test_the_reason_says_whose_seeds_were_measured(workspace):
    cells = pd.DataFrame({"image": ["a"], "label": ["ALL"], "sha256": ["0"]})
    cells.attrs["dataset"] = "cnmc2019"
    row = {"system": "small", "title": "small network", "scale": "32 px",
           "spread": seed_spread([0.9, 0.901, 0.902]).as_dict()}  # fmt: skip
    save_study("seeds", cells, {"rows": [row]})
    told = "of another run (small network, 32 px, 3 seeds)"
    for value in (0.93, 0.5):
        found = same_result(0.93, estimate(value), images=4000, spread=kept_spread())
        assert found.reason.endswith(f"{told}.")
    found = same_result(
        0.93, estimate(0.93), images=4000, spread=kept_spread(), differences=["input"]
    )
    assert told not in found.reason  # seeds played no part
