"""Facts, costs and slopes of the chapter on networks."""

from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib.errors import ParameterError
from alllib.lessons import block_figures
from alllib.lessons.imagenet import (
    NETWORKS,
    SIDE,
    count_cost,
    imagenet_facts,
    kept_costs,
    slopes_by_depth,
    top_error,
)
from alllib.recipes import load_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
KEYS = set(re.findall(r"^@\w+\{(.+?),", (REPOSITORY / "book/references.bib").read_text(), re.M))


def test_every_printed_figure_has_a_source_in_the_bibliography():
    facts = imagenet_facts()
    rows = [*facts["result"], *facts["winner"], *facts["weights"], facts["human"],
            facts["runner_up"], facts["lenet"]]  # fmt: skip
    assert {row["cite"] for row in rows} <= KEYS


def test_results_say_what_was_scored_by_how_many():
    for row in imagenet_facts()["result"]:
        assert row["set"] in ("test", "validation") and row["models"] >= 1
        assert 0 < row["top5"] < row.get("top1", 100) and row["place"] and row["note"]
        # What the report gives is the row's figure, as far as it has digits.
        if "printed" in row:
            digits = len(str(row["printed"]).partition(".")[2])
            assert round(row["top5"], digits) == row["printed"] and row["models"] > 1
    assert [row["printed"] for row in imagenet_facts()["result"] if "printed" in row] == [
        15.3, 7.3, 6.67, 3.6]  # fmt: skip


def test_winners_stand_in_order_and_err_less_each_year():
    winners = imagenet_facts()["winner"]
    assert [w["year"] for w in winners] == sorted({w["year"] for w in winners})
    errors = [w["top5"] for w in winners]
    assert errors == sorted(errors, reverse=True)


def test_kept_counts_are_whole_and_those_of_the_recipes_literature():
    kept = kept_costs()
    assert tuple(kept) == NETWORKS
    for entry in imagenet_facts()["weights"]:
        assert kept[entry["network"]]["side"] == entry["input"]
    for name, recipe in (("AlexNet", "mir2019-alexnet"), ("VGG16", "mir2019-vgg16"),
                         ("VGG19", "garg2021-vgg19"), ("ResNet50", "mir2019-resnet50"),
                         ("InceptionV3", "mir2019-inception_v3")):  # fmt: skip
        assert kept[name]["parameters"] == load_recipe(recipe).literature["parameters"]


@pytest.mark.parametrize(
    "name",
    [
        "AlexNet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in NETWORKS if n != "AlexNet"),
    ],
)
def test_kept_counts_come_out_again(name):
    kept = kept_costs()[name]
    assert count_cost(name)["operations"] == kept["operations"]
    if kept["side"] == SIDE:
        assert count_cost(name)["parameters"] == kept["parameters"]
    else:
        again = count_cost(name, side=kept["side"])
        assert again == {"parameters": kept["parameters"], "operations": kept["operations_there"]}


def test_an_unknown_network_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match="ResNet50"):
        count_cost("ResNet05")


@given(classes=st.integers(1, 8), k=st.integers(1, 8), seed=st.integers(0, 99))
def test_the_top_error_is_that_of_keras(classes, k, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=(20, classes)), rng.integers(classes, size=20)
    hits = keras.ops.convert_to_numpy(keras.ops.in_top_k(labels, scores, k=min(k, classes)))
    assert top_error(scores, labels, k) == pytest.approx(1 - hits.mean(), abs=1e-6)


def test_slopes_vanish_in_a_plain_stack_and_not_beside_shortcuts():
    small = {"channels": 4, "side": 6, "images": 2, "every": 6}
    plain = slopes_by_depth(12, shortcut=False, normalised=False, **small)
    both = slopes_by_depth(12, shortcut=True, normalised=True, **small)
    assert list(plain) == [0, 6, 12] and plain[12] == both[12] == 1
    assert plain[0] < 0.1 < plain[6] * 5 and 0.5 < both[0] < 20
    assert slopes_by_depth(12, shortcut=False, normalised=False, **small) == plain


def test_figures_are_drawn():
    facts, kept = imagenet_facts(), kept_costs()
    rows = [{"network": n, "top1": 70.0, "parameters": kept[n]["parameters"],
             "operations": kept[n]["operations"]} for n in NETWORKS]  # fmt: skip
    figures = [
        block_figures.plot_skips(), block_figures.plot_inception(), block_figures.plot_windows(),
        block_figures.plot_errors(facts["winner"], 5.1), block_figures.plot_costs(rows),
        block_figures.plot_slopes({"plain": {0: 0.1, 5: 1.0}}),
    ]  # fmt: skip
    assert [len(figure.axes) for figure in figures] == [4, 1, 1, 1, 1, 1]
    bars = [patch.get_height() for patch in figures[3].axes[0].patches]
    assert bars[: len(facts["winner"])] == [w["top5"] for w in facts["winner"]]
