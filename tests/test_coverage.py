"""Intervals from few groups, and simulations of what they cover."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alllib.coverage import METHODS, accuracy_interval, simulate_coverage, within_correlation
from alllib.errors import DataError
from alllib.evaluation import score_predictions

CLASSES = {"accuracy": {"ALL": 0.9, "HEM": 0.7}, "correlation": {"ALL": 0.1, "HEM": 0.15}}
SIZES = {"ALL": [40, 10, 25, 80], "HEM": [60, 20, 15]}


def random_table(seed: int, groups: int = 5, spread: float = 0.15) -> pd.DataFrame:
    """Cells of `groups` groups a class, each with an accuracy of its own."""
    generator = np.random.default_rng(seed)
    rows = []
    for label in ("ALL", "HEM"):
        for number in range(groups):
            own = np.clip(0.8 + generator.normal(0, spread), 0.05, 0.95)
            right = generator.binomial(1, own, generator.integers(2, 30))
            rows += [(f"{label}{number}", label, r) for r in right]
    table = pd.DataFrame(rows, columns=["group", "label", "right"])
    sure = np.where(table.right == 1, 0.9, 0.2)
    table["p_ALL"] = np.where(table.label == "ALL", sure, 1 - sure)
    return table.assign(p_HEM=1 - table.p_ALL).drop(columns="right")


TABLES = st.builds(random_table, st.integers(0, 10**6), st.integers(2, 7), st.floats(0, 0.3))


@given(TABLES)
@settings(max_examples=40)
def test_percentiles_are_those_of_the_metrics(table):
    found = accuracy_interval(table, method="percentile", resamples=300, seed=4)
    expected = score_predictions(table, resamples=300, seed=4).metrics["accuracy"]
    if expected.low is None:
        assert found.low is None
    else:
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.value, expected.low, expected.high)
        )


@given(TABLES, st.sampled_from(list(METHODS)))
@settings(max_examples=60)
def test_intervals_lie_about_the_value_between_0_and_1(table, method):
    found = accuracy_interval(table, method=method, resamples=200)
    if found.low is not None:
        assert 0 <= found.low < found.high <= 1
        if method in ("logit-t", "jackknife"):
            assert found.low < found.value < found.high


def test_jackknife_by_hand_for_equal_groups():
    """Equal groups of equal classes: the variance is that of two means."""
    table = pd.DataFrame(
        [
            (f"{label}{n}", label, answer)
            for label, hits in (("ALL", (4, 3, 2)), ("HEM", (1, 3, 3)))
            for n, h in enumerate(hits)
            for answer in [1] * h + [0] * (4 - h)
        ],
        columns=["group", "label", "right"],
    )
    sure = np.where(table.right == 1, 0.9, 0.2)
    table["p_ALL"] = np.where(table.label == "ALL", sure, 1 - sure)
    table["p_HEM"] = 1 - table.p_ALL
    from scipy import stats
    from scipy.special import expit, logit

    shares = [np.array(h) / 4 for h in ((4, 3, 2), (1, 3, 3))]
    parts = [s.var(ddof=1) / 3 / 4 for s in shares]  # each class weighs one half
    value = np.mean(np.concatenate(shares))
    free = sum(parts) ** 2 / sum(v**2 / 2 for v in parts)
    half = stats.t.ppf(0.975, free) * np.sqrt(sum(parts)) / (value * (1 - value))
    expected = expit(logit(value) + np.array([-half, half]))
    for method in ("jackknife", "logit-t"):  # the same where groups are equal
        found = accuracy_interval(table, method=method)
        assert (found.low, found.high) == pytest.approx(tuple(expected))


def test_corrected_interval_is_wider_with_few_groups():
    table = random_table(3, groups=3)
    narrow, wide = (accuracy_interval(table, method=m) for m in ("percentile", "jackknife"))
    assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)


@pytest.mark.parametrize("method", METHODS)
def test_no_interval_from_one_group_or_from_answers_that_agree(method):
    table = random_table(1)
    alone = table[(table.label == "ALL") | (table.group == "HEM0")]
    assert accuracy_interval(alone, method=method).low is None
    perfect = table.assign(p_ALL=(table.label == "ALL") * 1.0)
    found = accuracy_interval(perfect.assign(p_HEM=1 - perfect.p_ALL), method=method)
    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_unknown_method_is_refused():
    with pytest.raises(DataError, match="no method 'jacknife'") as caught:
        accuracy_interval(random_table(1), method="jacknife")
    assert "jackknife" in caught.value.remedy


def test_correlation_of_alike_and_of_independent_answers():
    generator = np.random.default_rng(5)
    alike, loose = [], []
    for number in range(60):
        same = generator.random() < 0.7
        alike += [(number, same)] * 20
        loose += [(number, right) for right in generator.random(20) < 0.7]
    found = []
    for rows in (alike, loose):
        table = pd.DataFrame(rows, columns=["group", "right"])
        table = table.assign(label="ALL", p_ALL=table.right * 1.0, p_HEM=1 - table.right)
        found.append(within_correlation(table).correlation[0])
    assert found[0] == pytest.approx(1) and found[1] < 0.05


def test_correlation_is_found_again():
    generator = np.random.default_rng(2)
    own = generator.beta(0.8 * 4, 0.2 * 4, 400)  # correlation 1 / (1 + 4)
    rows = [
        (n, r) for n, p in enumerate(own) for r in generator.random(generator.integers(5, 60)) < p
    ]
    table = pd.DataFrame(rows, columns=["group", "right"])
    table = table.assign(label="ALL", p_ALL=table.right * 1.0, p_HEM=1 - table.right)
    assert within_correlation(table).correlation[0] == pytest.approx(0.2, abs=0.03)


def test_correlation_needs_names():
    with pytest.raises(DataError, match="no groups"):
        within_correlation(random_table(1).assign(group=None))


def test_simulation_repeats_and_follows_its_seed():
    settings_ = {"groups": 3, "repeats": 40, "resamples": 50}
    first = simulate_coverage(SIZES, **CLASSES, **settings_)
    pd.testing.assert_frame_equal(first, simulate_coverage(SIZES, **CLASSES, **settings_))
    assert not first.equals(simulate_coverage(SIZES, **CLASSES, **settings_, seed=2))
    assert first.method.to_list() == list(METHODS)
    assert ((first.low <= first.coverage) & (first.coverage <= first.high)).all()
    missed = 1 - first.coverage - first.missed_low - first.missed_high - first.none
    assert missed.abs().max() < 1e-12


def test_independent_cells_of_many_groups_are_covered():
    sizes = {"ALL": [20] * 60, "HEM": [20] * 60}
    found = simulate_coverage(
        sizes, accuracy=CLASSES["accuracy"], correlation={"ALL": 0.001, "HEM": 0.001},
        repeats=400, resamples=300,
    )  # fmt: skip
    assert found.coverage.between(0.92, 0.98).all()


def test_answers_that_are_alike_within_each_class_give_no_interval():
    """Nothing is known of how groups differ; rounding must not make an interval of it."""
    table = pd.DataFrame({"label": ["ALL"] * 700 + ["HEM"] * 303, "group": None})
    table["p_ALL"], table["p_HEM"] = 0.7, 0.3
    found = accuracy_interval(table)
    assert found.value == pytest.approx(700 / 1003) and found.low is None and found.high is None


def test_the_jackknife_holds_in_every_kept_design():
    path = Path(__file__).parents[1] / "results" / "study" / "coverage-cnmc2019.json"
    table = pd.DataFrame(json.loads(path.read_text())["found"]["rows"])
    held = table[table.method == "jackknife"]
    assert len(held) == table.design.nunique() >= 9
    assert held.coverage.between(0.92, 0.98).all()


@pytest.mark.parametrize("factor", [2, 3])
def test_answers_that_are_more_alike_are_covered_too(factor):
    alike = {label: factor * value for label, value in CLASSES["correlation"].items()}
    found = simulate_coverage(
        SIZES, accuracy=CLASSES["accuracy"], correlation=alike, groups=6, repeats=1500,
        methods=("jackknife",),
    )  # fmt: skip
    assert found.coverage.between(0.92, 0.98).all()


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 6, 13])
def test_with_few_uneven_groups_the_jackknife_holds_and_percentiles_do_not(groups):
    sizes = {"ALL": [757, 400, 200, 100, 60, 30, 20], "HEM": [405, 385, 373, 100, 30, 10]}
    found = simulate_coverage(sizes, **CLASSES, groups=groups, repeats=800, resamples=300)
    of = found.set_index("method").coverage
    assert 0.92 < of["jackknife"] < 0.985 and of["percentile"] < of["jackknife"] - 0.02


@pytest.mark.parametrize(
    "change, why",
    [
        ({"groups": 1}, "single group"),
        ({"accuracy": {"ALL": 1.0, "HEM": 0.5}}, "ALL"),
        ({"correlation": {"ALL": 0.1}}, "HEM"),
        ({"methods": ("none",)}, "no method"),
    ],
)
def test_impossible_designs_are_refused(change, why):
    with pytest.raises(DataError, match=why):
        simulate_coverage(SIZES, **CLASSES | {"groups": 3, "repeats": 2} | change)


@given(TABLES, st.integers(2, 4), st.sampled_from(list(METHODS)), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_accuracy_of_several_trainings_is_their_mean(table, repeats, method, random):
    table = table.assign(image=[f"i{n:04}" for n in range(len(table))])
    tables = [table]
    for seed in range(1, repeats):
        sure = np.random.default_rng(seed).uniform(0.1, 0.9, len(table))
        tables.append(table.assign(p_ALL=sure, p_HEM=1 - sure))
    found = accuracy_interval(tables, method=method, resamples=100)
    each = [accuracy_interval(one, method=method, resamples=100).value for one in tables]
    assert found.value == pytest.approx(np.mean(each))
    mixed = [one.sample(frac=1, random_state=random.randrange(2**32)) for one in tables]
    random.shuffle(mixed)
    other = accuracy_interval(mixed, method=method, resamples=100)
    if found.low is None:
        assert other.low is None
    else:
        assert (other.value, other.low, other.high) == pytest.approx(
            (found.value, found.low, found.high)
        )


def test_one_training_and_copies_of_it_have_the_same_interval():
    table = random_table(3).assign(image=lambda table: [f"i{n:04}" for n in range(len(table))])
    alone = accuracy_interval(table)
    assert accuracy_interval([table]) == alone and alone.low is not None
    thrice = accuracy_interval([table, table, table])
    assert (thrice.value, thrice.low, thrice.high) == pytest.approx(
        (alone.value, alone.low, alone.high)
    )
