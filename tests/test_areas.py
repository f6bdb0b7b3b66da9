"""Difference of two areas on the same images: against scikit-learn, groups left out by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score

from alllib.areas import compare_areas
from alllib.errors import DataError
from alllib.evaluation import weighted_areas
from alllib.resampling import add_variances


def table(seed: int, *, groups: int = 6, cells: int = 8, named: bool = True) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    names = np.repeat([f"g{n}" for n in range(groups)], cells)
    labels = np.where(np.repeat(np.arange(groups), cells) % 2, "HEM", "ALL")
    score = np.round(generator.random(len(names)) + 0.4 * (labels == "ALL"), 2)  # with ties
    score = score / 1.5
    return pd.DataFrame(
        {
            "image": [f"i{n:03d}" for n in range(len(names))],
            "group": names if named else None,
            "label": labels,
            "p_ALL": score,
            "p_HEM": 1 - score,
        }
    )


def sklearn_area(found: pd.DataFrame) -> float:
    return roc_auc_score(found.label == "ALL", found.p_ALL)


def area(found: pd.DataFrame) -> float:
    return weighted_areas(found, np.zeros(len(found), int), np.ones((1, 1)))[0]


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_area_is_that_of_scikit_learn(seed):
    found = table(seed)
    assert area(found) == pytest.approx(sklearn_area(found))
    codes, weights = pd.factorize(found.group)[0], np.array([2, 0, 1, 1, 3, 0])
    repeated = found.loc[found.index.repeat(weights[codes])]
    (weighted,) = weighted_areas(found, codes, weights[None].astype(float))
    assert weighted == pytest.approx(sklearn_area(repeated))


def test_several_classes_count_alike():
    generator = np.random.default_rng(3)
    shares = generator.dirichlet(np.ones(3), 40)
    labels = np.array(["a", "b", "c"])[generator.integers(0, 3, 40)]
    found = pd.DataFrame(shares, columns=["p_a", "p_b", "p_c"]).assign(label=labels)
    wanted = roc_auc_score(labels, shares, multi_class="ovr", average="macro")
    assert area(found) == pytest.approx(wanted)
    assert np.isnan(area(found[found.label != "c"]))


def test_the_difference_is_of_the_common_images_alone():
    first, second = table(1), table(2).iloc[8:]
    found = compare_areas([first], [second])
    assert found.images == len(second) and found.groups == 5
    wanted = sklearn_area(first.iloc[8:]) - sklearn_area(second)
    assert found.difference == pytest.approx(wanted)


def test_the_interval_leaves_each_group_out_within_its_class():
    first, second = table(1), table(2)
    found = compare_areas([first], [second])
    moved, strata = [], []
    for label in ("ALL", "HEM"):
        names = sorted(first.group[first.label == label].unique())
        left = np.array(
            [
                sklearn_area(first[first.group != name])
                - sklearn_area(second[second.group != name])
                for name in names
            ]
        )
        moved.append((len(left) - 1) / len(left) * ((left - left.mean()) ** 2).sum())
        strata.append(np.array([int(name[1:]) for name in names]))
    variance, freedom = add_variances(moved, np.full(6, 8.0), strata)
    half = stats.t.ppf(0.975, freedom) * np.sqrt(variance)
    assert (found.low, found.high) == (
        pytest.approx(found.difference - half),
        pytest.approx(found.difference + half),
    )


def test_trainings_of_other_images_are_compared_one_by_one():
    first = table(1)
    folds = [table(2).iloc[:24], table(3).iloc[24:]]
    found = compare_areas([first], folds)
    each = [sklearn_area(first.loc[fold.index]) - sklearn_area(fold) for fold in folds]
    assert found.difference == pytest.approx(np.mean(each)) and found.images == 48


def test_a_fold_that_was_trained_from_several_seeds_counts_once():
    first, seeds = table(1), [table(2).iloc[:24], table(5).iloc[:24]]
    fold = table(3).iloc[24:]
    found = compare_areas([first], [*seeds, fold])
    each = [sklearn_area(first.loc[one.index]) - sklearn_area(one) for one in (*seeds, fold)]
    assert found.difference == pytest.approx((np.mean(each[:2]) + each[2]) / 2)
    assert found.images == 48


def test_seeds_of_the_first_system_are_averaged_and_order_plays_no_part():
    firsts, second = [table(1), table(4)], table(2)
    found = compare_areas(firsts, [second])
    wanted = np.mean([sklearn_area(one) for one in firsts]) - sklearn_area(second)
    assert found.difference == pytest.approx(wanted)
    mixed = compare_areas(
        [one.sample(frac=1, random_state=5) for one in firsts],
        [second.sample(frac=1, random_state=6)],
    )
    assert mixed == found


def test_without_groups_each_image_is_one_and_equal_systems_have_no_interval():
    found = compare_areas([table(1, named=False)], [table(2, named=False)])
    assert found.groups == found.images == 48 and found.low < found.difference < found.high
    same = compare_areas([table(1)], [table(1)])
    assert (same.difference, same.low, same.high) == (0, None, None)


def test_a_class_with_one_group_gives_no_interval():
    first, second = table(1, groups=3), table(2, groups=3)
    found = compare_areas([first], [second])
    assert found.low is None and found.difference == pytest.approx(
        sklearn_area(first) - sklearn_area(second)
    )


def test_nothing_in_common_and_a_single_class_are_refused():
    first, second = table(1), table(2).assign(image=lambda t: "x" + t.image)
    with pytest.raises(DataError, match="no image in common"):
        compare_areas([first], [second])
    with pytest.raises(DataError, match="every class"):
        compare_areas([first], [table(2).query("label == 'ALL'")])


def test_a_training_that_meets_one_class_only_does_not_count():
    first, whole, single = table(1), table(2).iloc[:24], table(3).query("label == 'ALL'")
    found = compare_areas([first], [whole, single])
    assert found == compare_areas([first], [whole])
