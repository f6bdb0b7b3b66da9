"""Figures of the statistics show what the tables say."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from alllib.charts import (
    plot_coverage,
    plot_distribution,
    plot_protocols,
    plot_reliability,
    plot_seeds,
    plot_subjects,
)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def row(system: str, protocol: str, scheme: str, value: float, half: float | None) -> dict:
    ends = (None, None) if half is None else (value - half, value + half)
    metric = {"value": value, "low": ends[0], "high": ends[1]}
    return {"system": system, "title": system, "protocol": protocol, "scheme": scheme,
            "metrics": {"accuracy": metric}}  # fmt: skip


def test_distribution_draws_shares_by_class():
    figure = plot_distribution(
        {"number": "area", "edges": [0, 1000, 2000], "counts": {"ALL": [1, 3], "HEM": [2, 0]}}
    )
    axis = figure.axes[0]
    drawn = [patch.get_data().values.tolist() for patch in axis.patches]
    assert [25.0, 75.0] in drawn and [100.0, 0.0] in drawn
    assert "thousand pixels" in axis.get_xlabel()
    assert [t.get_text() for t in axis.get_legend().get_texts()] == ["ALL", "HEM"]


def test_protocols_show_pooled_values_and_folds():
    rows = [
        row("a", "image", "pooled", 0.9, 0.02), row("a", "image", "fold", 0.88, 0.05),
        row("a", "image", "published", 0.5, 0.1), row("a", "group", "pooled", 0.8, None),
        row("b", "group", "pooled", 0.7, 0.1),
    ]  # fmt: skip
    figure = plot_protocols(rows, {"group": "by group", "image": "by image", "folds": "no"})
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["by group", "by image"]
    drawn = {float(x) for line in axis.lines for x in np.atleast_1d(line.get_xdata())}
    assert {0.9, 0.88, 0.8, 0.7} <= drawn and 0.5 not in drawn


def test_subjects_have_a_panel_per_class_and_the_worst_first():
    table = pd.DataFrame(
        [("s1", "ALL", 4, 4, 1.0, 0.5, 1.0), ("s2", "ALL", 2, 1, 0.5, 0.1, 0.9),
         ("h", "HEM", 5, 2, 0.4, 0.1, 0.8)],
        columns=["subject", "label", "images", "right", "accuracy", "low", "high"],
    )  # fmt: skip
    figure = plot_subjects(table)
    assert [axis.get_title() for axis in figure.axes] == ["ALL: 2 subjects", "HEM: 1 subjects"]
    marks = figure.axes[0].collections[-1].get_offsets()
    assert marks[:, 1].tolist() == [0.5, 1.0]


def test_coverage_leaves_out_a_method_that_was_not_simulated():
    table = pd.DataFrame(
        [("3 + 3", "t", 0.95, 0.9, 0.97), ("all: 9 + 9", "t", 0.7, 0.65, 0.74)],
        columns=["design", "method", "coverage", "low", "high"],
    )
    figure = plot_coverage(table, {"t": "Student's t", "none": "never tried"})
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_xticklabels()] == ["3 + 3", "all\n9 + 9"]
    assert "never tried" not in [t.get_text() for t in figure.legends[0].get_texts()]
    assert axis.get_ylim()[0] < 0.65


def test_reliability_and_seeds_draw_every_series():
    curve = pd.DataFrame({"confidence": [0.6, 0.9], "accuracy": [0.5, 0.95]})
    figure = plot_reliability({"before": curve, "after": curve * 0.9})
    assert len(figure.axes[0].lines) == 3  # and the diagonal
    figure = plot_seeds({"one": [0.8, 0.9], "two": [0.7, 0.7, 0.7]})
    axis = figure.axes[0]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["one", "two"]
    assert axis.lines[1].get_xdata()[0] == pytest.approx(0.85)
