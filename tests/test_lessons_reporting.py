"""Metrics for medicine, the model card and the checklists."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from alllib.demonstration import demonstration_folder
from alllib.errors import DataError, ParameterError
from alllib.lessons import medicine, reporting_figures
from alllib.lessons.checklists import (
    CHECKLISTS,
    checklist_markdown,
    count_items,
    load_checklist,
)
from alllib.lessons.model_card import model_card
from alllib.pages import toc_entries
from alllib.records import read_record

REPOSITORY = Path(__file__).resolve().parents[1]
# Pages of the course that are written beside this one.
NEW = {"disease", "learning", "gradient_descent", "backpropagation", "activations_losses",
       "convolution", "imagenet_networks", "reporting"}  # fmt: skip
KEYS = set(re.findall(r"^@\w+\{(.+?),", (REPOSITORY / "book/references.bib").read_text(), re.M))
RATE = st.floats(0.01, 0.99)


@pytest.fixture(scope="module")
def demonstration():
    return read_record(demonstration_folder())


def draw(seed, n=60, steps=8):
    rng = np.random.default_rng(seed)
    return np.round(rng.uniform(size=n) * steps) / steps, rng.uniform(size=n) < 0.4


@settings(max_examples=30)
@given(seed=st.integers(0, 500), threshold=st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0, 1.1]))
def test_counts_and_scores_are_those_of_scikit_learn(seed, threshold):
    scores, positive = draw(seed)
    found = medicine.count_decisions(scores, positive, threshold)
    called = scores >= threshold
    matrix = reference.confusion_matrix(positive, called, labels=[True, False])
    assert [[found.hits, found.misses], [found.alarms, found.clear]] == matrix.tolist()
    assert found.sensitivity == pytest.approx(reference.recall_score(positive, called))
    assert found.specificity == pytest.approx(reference.recall_score(~positive, ~called))
    assert found.accuracy == pytest.approx((called == positive).mean())
    assert found.prevalence == positive.mean()
    assert medicine.f_score(found) == pytest.approx(reference.f1_score(positive, called))
    correlation = reference.matthews_corrcoef(positive, called)
    assert medicine.matthews(found) == pytest.approx(correlation, abs=1e-12)


@settings(max_examples=30)
@given(seed=st.integers(0, 500))
def test_curves_and_areas_are_those_of_scikit_learn(seed):
    scores, positive = draw(seed)
    assume(positive.any() and not positive.all())
    alarms, hits = medicine.roc_points(scores, positive)
    theirs = reference.roc_curve(positive, scores, drop_intermediate=False)
    np.testing.assert_allclose(alarms, theirs[0])
    np.testing.assert_allclose(hits, theirs[1])
    assert reference.auc(alarms, hits) == pytest.approx(reference.roc_auc_score(positive, scores))
    recall, precision = medicine.precision_recall(scores, positive)
    theirs = reference.precision_recall_curve(positive, scores)
    np.testing.assert_allclose(recall, theirs[1][::-1])
    np.testing.assert_allclose(precision, theirs[0][::-1])


@given(sensitivity=RATE, specificity=RATE, prevalence=RATE)
def test_predictive_values_are_those_of_counted_cells(sensitivity, specificity, prevalence):
    n = 10**6
    hits, misses = sensitivity * prevalence * n, (1 - sensitivity) * prevalence * n
    alarms = (1 - specificity) * (1 - prevalence) * n
    clear = specificity * (1 - prevalence) * n
    positive, negative = medicine.predictive_values(sensitivity, specificity, prevalence)
    assert positive == pytest.approx(hits / (hits + alarms))
    assert negative == pytest.approx(clear / (clear + misses))
    up, down = medicine.likelihood_ratios(sensitivity, specificity)
    odds = prevalence / (1 - prevalence)
    assert positive / (1 - positive) == pytest.approx(odds * up)
    assert (1 - negative) / negative == pytest.approx(odds * down)


def test_extremes_are_said_and_not_hidden():
    assert medicine.likelihood_ratios(1.0, 1.0) == (np.inf, 0)
    assert medicine.likelihood_ratios(1.0, 0.0) == (1, np.inf)
    assert np.isnan(medicine.predictive_values(0.0, 1.0, 0.5)[0])
    assert medicine.matthews(medicine.Counts(3, 0, 2, 0)) == 0


@given(seed=st.integers(0, 200), threshold=st.floats(0.05, 0.9))
def test_net_benefit_is_hits_less_weighted_alarms(seed, threshold):
    scores, positive = draw(seed)
    assume(positive.any() and not positive.all())
    counts = medicine.count_decisions(scores, positive, threshold)
    n = len(scores)
    wanted = counts.hits / n - counts.alarms / n * threshold / (1 - threshold)
    curves = reporting_figures.benefit_curves(scores, positive, [threshold])
    assert curves["by the classifier"][0] == pytest.approx(wanted)
    share = positive.mean()
    every = share - (1 - share) * threshold / (1 - threshold)
    assert curves["on every cell"][0] == pytest.approx(every) and curves["on none"][0] == 0


def test_the_example_is_a_recorded_run_with_most_people_or_the_demonstration(
    workspace, monkeypatch, demonstration
):
    assert medicine.example_record().run["id"] == "demo"
    assert medicine.example_record("unnithan2021-2x2").run["id"] == "demo"

    def named(name, recipe="x", **people):
        run = demonstration.run | {"id": name, "recipe": recipe}
        run = run | {"metrics": run["metrics"] | {"groups": people}}
        return replace(demonstration, run=run, recorded=True)

    kept = [named("a", ALL=9, HEM=1), named("c", ALL=5, HEM=2), named("b", ALL=5, HEM=2),
            named("d", ALL=4, HEM=2), named("e", recipe="y", ALL=9, HEM=9)]  # fmt: skip
    monkeypatch.setattr(medicine, "list_records", lambda: kept)
    assert medicine.example_record("x").run["id"] == "b"
    with pytest.raises(DataError, match="p_HEX"):
        medicine.scores_of(demonstration.predictions, "HEX")


def test_scores_give_the_recorded_sensitivity(demonstration):
    scores, positive = medicine.scores_of(demonstration.predictions, "ALL")
    counts = medicine.count_decisions(scores, positive)
    recorded = demonstration.run["metrics"]["metrics"]
    assert counts.sensitivity == pytest.approx(recorded["sensitivity"]["value"])
    assert counts.specificity == pytest.approx(recorded["specificity"]["value"])


def test_the_model_card_has_its_sections_and_the_figures_of_the_record(demonstration):
    card = model_card(demonstration)
    titles = re.findall(r"^#+ (.+)$", card, re.M)
    assert titles[0] == f"Model card: {demonstration.run['recipe_text']['title']}"
    assert titles[1:] == ["Model details", "Intended use", "Factors", "Metrics",
                          "Training and evaluation data", "Results", "Caveats"]  # fmt: skip
    run = demonstration.run
    accuracy = run["metrics"]["metrics"]["accuracy"]
    assert f"accuracy: {accuracy['value']:.3f} ({accuracy['low']:.3f}" in card
    assert run["data"][:12] in card and run["commit"][:9] in card
    assert "no identical images, no fields, no subjects, no groups" in card
    assert "drawn by a program" in card and "no medical device" in card
    bold = model_card(demonstration, level=0)
    assert "#" not in bold and bold.count("**") == 2 * len(titles)


def test_the_model_card_follows_its_record(demonstration):
    run = demonstration.run
    crossing = {"train/test": {"identical images": {"values": 7, "images": 9}, "fields": None}}
    changed = run | {
        "dataset": "cnmc2019",
        "certificate": run["certificate"] | {"crossing": crossing},
    }
    card = model_card(replace(demonstration, run=changed))
    assert "share 7 identical images." in card and "CC BY 3.0" in card
    assert "drawn by a program" not in card
    measured = re.findall(r"\d\.\d{3}", card)
    metrics = run["metrics"]["metrics"] | {"accuracy": {"value": 0.111, "low": None, "high": None}}
    other = run | {"metrics": run["metrics"] | {"metrics": metrics}}
    assert "0.111 (no interval)" in model_card(replace(demonstration, run=other)) and measured


@pytest.mark.parametrize("name", CHECKLISTS)
def test_every_item_has_a_page_of_the_book_or_a_reason(name):
    pages = set(toc_entries(REPOSITORY / "_toc.yml")) | {f"notebooks/{topic}" for topic in NEW}
    pages |= {"book/index"}
    items = load_checklist(name)
    assert {item.page for item in items if item.page} <= pages
    assert len({item.number for item in items}) == len(items)
    for item in items:
        assert len(item.asks) > 4 and (item.says or item.why or item.open)
        assert not (item.says + item.why + item.open).endswith(".")


def test_checklists_have_as_many_items_as_the_guidelines():
    text = tomllib.loads((REPOSITORY / "alllib/data/checklists.toml").read_text("utf-8"))
    for name in CHECKLISTS:
        assert count_items(name)["main"] == text[name]["items"]
        assert text[name]["cite"] in KEYS
    with pytest.raises(ParameterError, match="claim2024"):
        load_checklist("claim2025")


def test_the_table_links_each_page_from_where_it_stands():
    table = checklist_markdown("claim2024").splitlines()
    assert len(table) == 2 + count_items("claim2024")["rows"]
    assert "[splitting](splitting.ipynb)" in table[21]
    assert "[index](../book/index.md)" in table[2] and "this page" in "".join(table)
    count = count_items("claim2024")
    assert sum("not applicable, because" in row for row in table) == count["apart"]
    assert sum("| open: " in row for row in table) == count["open"]
    assert all(row.count("|") == 5 for row in table)


def test_prevalences_have_sources():
    for fact in medicine.prevalence_facts():
        assert 0 < fact["share"] < 1 and fact["name"] and fact["means"] and fact["cite"] in KEYS


def test_figures_are_drawn(demonstration):
    scores, positive = medicine.scores_of(demonstration.predictions, "ALL")
    cuts = np.linspace(0.05, 0.9, 18)
    curves = reporting_figures.benefit_curves(scores, positive, cuts)
    figures = [
        reporting_figures.plot_predictive(0.9, 0.8, {"here": 0.5}),
        reporting_figures.plot_curves(scores, positive, 0.5),
        reporting_figures.plot_f_scores(0.9, 0.8, 0.66),
        reporting_figures.plot_benefit(curves, cuts),
    ]
    assert [len(figure.axes) for figure in figures] == [1, 2, 1, 1]
    drawn = figures[3].axes[0].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, curves["by the classifier"])
