"""Figures of the chapter on data sets."""

from __future__ import annotations

import pandas as pd

from alllib.lessons.dataset_figures import plot_folds, plot_sets


def test_each_piece_of_a_bar_is_a_subject_the_largest_first():
    rows = [("fold_0", "ALL", "1")] * 2 + [("fold_0", "ALL", "2")] * 5 + [("fold_0", "HEM", "H1")]
    axis = plot_folds(pd.DataFrame(rows, columns=["fold", "label", "subject"])).axes[0]
    assert [patch.get_width() for patch in axis.patches] == [5, 2, 1]
    assert [patch.get_x() for patch in axis.patches] == [0, 5, 0]
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["fold_0, ALL", "fold_0, HEM"]
    assert [text.get_text() for text in axis.texts] == ["2 subjects", "1 subjects"]


def test_shares_of_a_set_fill_its_bar():
    counts = {"a": {"ALL": 3, "HEM": 1}, "b": {"Benign": 1, "Early": 1, "Pre": 1, "Pro": 1}}
    axis = plot_sets(counts).axes[0]
    assert [patch.get_width() for patch in axis.patches] == [75, 25, 25, 25, 25, 25]
