"""Accuracy per subject, and two systems on the same images."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alllib.errors import DataError
from alllib.evaluation import score_predictions
from alllib.uncertainty import (
    compare_paired,
    compare_shares,
    mark_right,
    share_right,
    subject_accuracy,
)


def predictions(right: dict[str, list[int]]) -> pd.DataFrame:
    """One row per answer; subjects that start with H are HEM, the others ALL."""
    rows = [
        (f"{name}_{n}", name, "HEM" if name[0] == "H" else "ALL", answer)
        for name, answers in right.items()
        for n, answer in enumerate(answers)
    ]
    table = pd.DataFrame(rows, columns=["image", "subject", "label", "right"])
    sure = np.where(table.right == 1, 0.8, 0.3)
    table["p_ALL"] = np.where(table.label == "ALL", sure, 1 - sure)
    table["p_HEM"] = 1 - table.p_ALL
    return table.assign(group=table.subject).drop(columns="right")


@st.composite
def pairs(draw):
    """Answers of two systems on the same images of two or more subjects a class."""
    names = [f"{k}{n}" for k in ("a", "H") for n in range(draw(st.integers(2, 4)))]
    sizes = {name: draw(st.integers(1, 6)) for name in names}
    answers = st.integers(0, 1)
    return tuple(
        predictions({k: draw(st.lists(answers, min_size=n, max_size=n)) for k, n in sizes.items()})
        for _ in range(2)
    )


def test_each_subject_has_its_accuracy_and_interval():
    found = subject_accuracy(predictions({"a1": [1, 1, 1, 0], "a2": [0], "H1": [1, 1]}))
    assert found.subject.to_list() == ["a1", "a2", "H1"]
    assert found.images.to_list() == [4, 1, 2] and found.right.to_list() == [3, 0, 2]
    assert found.accuracy.to_list() == [0.75, 0, 1]
    assert ((found.low <= found.accuracy) & (found.accuracy <= found.high)).all()
    assert found.high[1] > 0.7  # one cell says next to nothing


def test_subjects_that_are_not_named_are_refused():
    with pytest.raises(DataError, match="do not name the subject"):
        subject_accuracy(predictions({"a1": [1], "H1": [1]}).assign(subject=None))


def test_without_probabilities_nothing_is_right():
    with pytest.raises(DataError, match="no predicted probabilities"):
        mark_right(pd.DataFrame({"label": ["ALL"]}))


def test_difference_by_hand():
    first = predictions({"a1": [1, 1, 1], "a2": [1, 0], "H1": [1], "H2": [0, 0]})
    second = predictions({"a1": [1, 0, 0], "a2": [1, 1], "H1": [1], "H2": [0, 0]})
    found = compare_paired(first, second)
    assert (found.images, found.groups, found.left_out) == (8, 4, 0)
    assert (found.first_only, found.second_only) == (2, 1)
    assert found.difference == pytest.approx(1 / 8)
    assert found.low <= found.difference <= found.high and found.resampled == "group"
    # Gains of +2 and -1: of four patterns of signs all four are at least as far from 0.
    assert found.p == 1.0


@given(pairs())
@settings(max_examples=60)
def test_exchanging_the_systems_changes_signs_and_nothing_else(pair):
    first, second = pair
    there, back = compare_paired(first, second), compare_paired(second, first)
    assert back.difference == -there.difference and back.p == there.p
    assert (back.low, back.high) == (-there.high, -there.low)
    assert (back.first_only, back.second_only) == (there.second_only, there.first_only)


@given(pairs())
@settings(max_examples=40)
def test_difference_is_that_of_the_two_accuracies(pair):
    found = compare_paired(*pair)
    apart = [score_predictions(t, resamples=2).metrics["accuracy"].value for t in pair]
    assert found.difference == pytest.approx(apart[0] - apart[1])


@given(pairs())
@settings(max_examples=40)
def test_sign_flips_by_brute_force(pair):
    first, second = pair
    gain = (
        pd.Series(mark_right(first).astype(int) - mark_right(second).astype(int))
        .groupby(first.group)
        .sum()
        .to_numpy()
    )
    sums = [abs(np.dot(signs, gain)) for signs in product((-1, 1), repeat=len(gain))]
    expected = np.mean([s >= abs(gain.sum()) for s in sums])
    assert compare_paired(first, second).p == pytest.approx(expected)


def test_a_system_against_itself():
    table = predictions({"a1": [1, 0], "a2": [1], "H1": [1, 0], "H2": [0]})
    found = compare_paired(table, table)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_many_groups_are_drawn_and_a_clear_difference_is_seen():
    names = [f"{k}{n}" for k in ("a", "H") for n in range(15)]
    generator = np.random.default_rng(1)
    good, poor = (
        predictions({name: list(generator.binomial(1, p, 20)) for name in names})
        for p in (0.9, 0.7)
    )
    found = compare_paired(good, poor)
    assert found.low > 0 and found.p < 0.01
    assert found == compare_paired(good, poor.sample(frac=1, random_state=2))


def test_interval_by_hand_for_equal_groups():
    """Equal groups of equal classes: the variance is that of two means."""
    hits = {"a1": (4, 2), "a2": (3, 3), "a3": (4, 1), "H1": (2, 2), "H2": (3, 1), "H3": (1, 2)}
    first, second = (
        predictions({name: [1] * pair[n] + [0] * (4 - pair[n]) for name, pair in hits.items()})
        for n in (0, 1)
    )
    found = compare_paired(first, second)
    gains = [[(hits[f"{k}{n}"][0] - hits[f"{k}{n}"][1]) / 4 for n in (1, 2, 3)] for k in "aH"]
    parts = [np.var(g, ddof=1) / 3 / 4 for g in gains]  # each class weighs one half
    free = sum(parts) ** 2 / sum(v**2 / 2 for v in parts)
    half = stats.t.ppf(0.975, free) * np.sqrt(sum(parts))
    assert found.difference == pytest.approx(np.mean(gains))
    assert found.freedom == pytest.approx(free)
    assert (found.low, found.high) == pytest.approx(
        (found.difference - half, found.difference + half)
    )


def test_a_group_with_most_images_leaves_little_freedom():
    """As many groups, but one of them nearly alone: t instead of percentiles."""
    for sizes, free in (([10, 10, 10, 10, 10], 4), ([10, 10, 10, 10, 200], 1)):
        alike = {"a1": [1], "a2": [1]}  # gain nothing, so that the other class decides
        varied = {f"H{n}": [n % 2] * size for n, size in enumerate(sizes)}
        ones = {name: [1] * len(held) for name, held in varied.items()}
        found = compare_paired(predictions(alike | ones), predictions(alike | varied))
        assert found.freedom == pytest.approx(free)


def test_false_alarms_of_test_and_interval_are_rare():
    generator = np.random.default_rng(7)
    names = [f"{k}{n}" for k in ("a", "H") for n in range(8)]
    alarms = []
    for _ in range(150):
        # Each system has its own good and bad subjects, as strong as each other.
        both = [
            predictions(
                {name: list(generator.binomial(1, generator.beta(4, 2), 12)) for name in names}
            )
            for _ in range(2)
        ]
        found = compare_paired(*both, permutations=400)
        alarms.append((found.p < 0.05, not found.low <= 0 <= found.high))
    assert (np.mean(alarms, axis=0) < 0.11).all()


def test_one_group_of_a_class_gives_no_interval():
    table = predictions({"a1": [1, 0], "a2": [1], "H1": [1, 0]})
    found = compare_paired(table, predictions({"a1": [1, 1], "a2": [1], "H1": [1, 1]}))
    assert found.low is None and found.high is None and found.difference < 0


def test_images_without_groups_are_drawn_by_image():
    table = predictions({"a1": [1, 0], "H1": [1, 0]}).assign(group=None)
    found = compare_paired(table, table)
    assert found.resampled == "image" and found.groups == 4


def test_only_common_images_count():
    table = predictions({"a1": [1, 0, 1], "a2": [1], "H1": [1, 0], "H2": [1]})
    found = compare_paired(table, table.iloc[2:])
    assert found.images == 5 and found.left_out == 2


def test_no_image_in_common_is_an_error():
    one = predictions({"a1": [1], "H1": [1]})
    with pytest.raises(DataError, match="no image in common"):
        compare_paired(one, one.assign(image=["x", "y"]))


def test_two_labels_or_two_predictions_of_an_image_are_errors():
    one = predictions({"a1": [1, 1], "H1": [1]})
    with pytest.raises(DataError, match="two labels"):
        compare_paired(one, one.assign(label=["ALL", "HEM", "HEM"]))
    with pytest.raises(DataError, match="predicted twice"):
        compare_paired(pd.concat([one, one]), one)


# Several trainings ---------------------------------------------------------------------


def told(found) -> dict:
    """A comparison as numbers that may differ in their last digits."""
    return {k: v for k, v in vars(found).items() if not isinstance(v, str) and v is not None}


@given(pairs(), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_the_order_of_trainings_and_rows_plays_no_part(pair, random):
    first, second = pair
    other = first.assign(p_ALL=first.p_HEM, p_HEM=first.p_ALL)
    found = compare_paired([first, other, first], [second, second])
    mixed = [t.sample(frac=1, random_state=random.randrange(2**32)) for t in (first, other, first)]
    random.shuffle(mixed)
    again = compare_paired(mixed, second.sample(frac=1, random_state=1))
    assert told(again) == pytest.approx(told(found)) and again.resampled == found.resampled
    share = (2 * mark_right(first) + mark_right(other)) / 3
    assert found.difference == pytest.approx(float((share - mark_right(second)).mean()))


@given(pairs())
@settings(max_examples=30)
def test_one_training_in_a_list_compares_as_itself(pair):
    first, second = pair
    alone = compare_paired(first, second)
    assert compare_paired([first], [second]) == alone
    assert compare_shares(share_right(first), share_right(second)) == alone
    assert told(compare_paired([first] * 3, [second] * 2)) == pytest.approx(told(alone))


def test_shares_are_means_over_the_trainings():
    first = predictions({"a1": [1, 1], "H1": [1, 0]})
    second = predictions({"a1": [1, 0], "H1": [0, 0]})
    found = share_right([first, second.iloc[::-1]]).set_index("image").right
    assert found.to_dict() == {"a1_0": 1, "a1_1": 0.5, "H1_0": 0.5, "H1_1": 0}
    assert share_right(first).right.to_list() == [1, 1, 1, 0]
    assert list(share_right(first)) == ["image", "subject", "group", "label", "right"]


def test_an_image_counts_for_the_system_that_was_right_more_often():
    first = [predictions({"a1": [1, 1, 0], "H1": [0]}), predictions({"a1": [1, 0, 0], "H1": [0]})]
    second = [predictions({"a1": [0, 1, 0], "H1": [1]}), predictions({"a1": [1, 0, 0], "H1": [0]})]
    found = compare_paired(first, second)
    assert (found.first_only, found.second_only, found.difference) == (1, 1, 0)


def test_trainings_on_other_images_are_refused():
    first, second = predictions({"a1": [1, 1], "H1": [1]}), predictions({"a2": [1, 1], "H1": [1]})
    with pytest.raises(DataError, match="same images"):
        compare_paired([first, second], first)
    with pytest.raises(DataError, match="no training"):
        share_right([])
