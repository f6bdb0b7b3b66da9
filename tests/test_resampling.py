"""Groups of a table, drawn as the metrics draw them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alllib.errors import DataError
from alllib.resampling import find_groups


def table(groups: list, labels: str) -> pd.DataFrame:
    return pd.DataFrame({"group": groups, "label": list(labels)})


def test_groups_sums_and_strata():
    found = find_groups(table(["b", "a", "b", "c"], "ABAB"))
    assert len(found) == 3 and found.named and found.several is False
    assert found.sums([1, 2, 3, 4]).tolist() == [2, 4, 4]
    assert [s.tolist() for s in found.strata()] == [[1], [0, 2]]


def test_a_group_of_two_classes_makes_one_stratum():
    found = find_groups(table(["a", "a", "b", "b"], "ABAB"))
    assert [s.tolist() for s in found.strata()] == [[0, 1]] and found.several


def test_images_stand_for_groups_that_are_not_named():
    found = find_groups(table([None] * 4, "AABB"))
    assert len(found) == 4 and not found.named and found.several


def test_draws_stay_within_the_classes_and_repeat():
    found = find_groups(table(list("abcde"), "AABBB"))
    weights = found.weights(200, 1)
    assert weights.shape == (200, 5)
    assert (weights[:, :2].sum(1) == 2).all() and (weights[:, 2:].sum(1) == 3).all()
    assert np.array_equal(weights, found.weights(200, 1))
    assert not np.array_equal(weights, found.weights(200, 2))


def test_an_empty_table_is_refused():
    with pytest.raises(DataError, match="no prediction"):
        find_groups(table([], ""))
