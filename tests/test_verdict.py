"""The verdict: every number of it comes from a recipe, a record or a kept study."""

from __future__ import annotations

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from fabricated import answers, write_run

from alllib import verdict
from alllib.claims import claim_rows
from alllib.downloads import official_files
from alllib.laboratory.study import kept_effects
from alllib.recipes import load_recipe
from alllib.settings import RunSettings
from alllib.verdict import (
    HEADLINES,
    MISTAKES,
    OTHER_IMAGES,
    REASONS,
    subject_results,
    verdict_rows,
    verdict_table,
)
from alllib.verdict_figures import plot_verdict


@pytest.fixture
def nothing_kept(monkeypatch):
    for name, empty in {"kept_baselines": [], "kept_effects": [], "recorded_runs": []}.items():
        monkeypatch.setattr(verdict, name, lambda *_, found=empty: found)


def test_published_numbers_are_those_of_the_recipes():
    rows = verdict_rows()
    assert [row["recipe"] for row in rows] == list(HEADLINES)
    for row in rows:
        assert row["published"] == load_recipe(row["recipe"]).published["accuracy"]
        assert row["low"] is None or row["low"] < row["published"] < row["high"]
    assert set(REASONS) == set(MISTAKES) == set(HEADLINES)


def test_every_experiment_that_stands_for_a_mistake_is_kept():
    for recipe, wanted in MISTAKES.items():
        if wanted is None:
            continue
        key, *systems = wanted
        kept = kept_effects(load_recipe(recipe).data.dataset)
        assert {s for s in systems if s} <= {e.system for e in kept if e.key == key}
    rows = {row["recipe"]: row["mistake"] for row in verdict_rows()}
    assert rows["unnithan2021-2x2"] is None and rows["garg2021-vgg19"]["upper"] is not None
    for found in filter(None, rows.values()):
        assert found["honest"] < found["value"] < (found["upper"] or 1)


def test_the_poster_answers_no_better_than_blindly():
    poster = verdict_rows()[0]
    assert poster["published"] == pytest.approx(poster["blind"], abs=0.02)
    assert all(row["blind"] is None for row in verdict_rows()[1:])


def test_a_score_on_validation_images_stands_apart_from_one_on_test_images():
    poster, *rest = verdict_rows()
    assert poster["plain_published"] is None and poster["ours_published"] is None
    printed = load_recipe(poster["recipe"]).published["val_accuracy"]
    assert poster["validation"]["published"] == printed
    assert all(row["validation"] is None for row in rest)
    assert all(row["plain_published"] is not None for row in rest)
    column = verdict_table([poster, *rest])["a handful of numbers, its split"]
    assert column[0] == OTHER_IMAGES and OTHER_IMAGES not in set(column[1:])


def test_the_commonest_class_and_the_join_are_counted_from_the_official_list():
    poster = verdict_rows()[0]
    labels = official_files().query("phase == 'test_prelim'")["class"]
    assert poster["majority"] == pytest.approx(labels.value_counts(normalize=True).max())
    # Sorted by name, "10.bmp" stands before "2.bmp"; sorted by number it does not.
    numbers = range(1, len(labels) + 1)
    listed = sorted(numbers, key=lambda number: f"{number}.bmp")
    by_number = dict(zip(numbers, _labels_by_number(), strict=True))
    agree = [by_number[a] == by_number[b] for a, b in zip(listed, numbers, strict=True)]
    assert poster["perfect"] == pytest.approx(sum(agree) / len(agree))
    assert poster["published"] < poster["majority"]
    assert [row["perfect"] for row in verdict_rows()[1:]] == [None] * 3


def _labels_by_number() -> list[str]:
    files = official_files().query("phase == 'test_prelim'")
    number = files.path.str.extract(r"(\d+)\.bmp$", expand=False).astype(int)
    return list(files["class"].iloc[number.argsort().to_numpy()])


def test_what_was_not_measured_is_said_and_drawn_as_nothing(nothing_kept):
    rows = verdict_rows()
    table = verdict_table(rows)
    assert not [name for name in table if "our run" in name or "handful" in name]
    assert OTHER_IMAGES not in table.to_numpy()
    assert list(table["published"]) == [f"{row['published']:.2%}" for row in rows]
    rows[0]["ours_honest"] = {"value": 0.5, "low": None, "high": None, "scale": "9 px"}
    told = verdict_table(rows)["our run, honest split"].tolist()
    assert told == ["0.500 (no interval); 9 px", *["not measured"] * 3]
    rows[0]["ours_honest"] = None
    assert rows[3]["majority"] is None
    figure = plot_verdict(rows, subject_results())
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert "published" in labels and not any("our run" in label for label in labels)
    plt.close(figure)


def test_runs_that_are_too_short_or_from_other_weights_explain_nothing(
    nothing_kept, monkeypatch, workspace
):
    recipe = load_recipe(HEADLINES[0])
    start = recipe.architecture.weights
    table = answers(3)
    right = ((table.p_ALL > 0.5) == (table.label == "ALL")).mean()

    def runs(epochs: int, weights: str, seeds: int = 1) -> list:
        settings = RunSettings(input_size=16, epochs=epochs, weights=weights)
        return [
            write_run(f"r{seed}", table, recipe=recipe.name, seed=seed, settings=settings)
            for seed in range(1, seeds + 1)
        ]

    other = "imagenet" if start == "none" else "none"
    for epochs, weights, shown in ((8, start, True), (7, start, False), (9, other, False)):
        monkeypatch.setattr(verdict, "recorded_runs", lambda _, of=(epochs, weights): runs(*of))
        (row,) = verdict_rows(HEADLINES[:1])
        assert (row["ours_honest"] is not None) == shown
        if shown:
            assert row["ours_honest"]["value"] == pytest.approx(right)
            assert row["ours_honest"]["scale"] == "16 px, 8 epochs, 24 scored"
    monkeypatch.setattr(verdict, "recorded_runs", lambda _: runs(8, start, 3))
    (row,) = verdict_rows(HEADLINES[:1])
    assert row["ours_honest"]["scale"] == "16 px, 8 epochs, 3 seeds, 24 scored"


def test_kept_rows_of_the_right_split_are_taken(nothing_kept, monkeypatch):
    def row(scheme, value, recipes=(), classifier="forest"):
        estimate = {"value": value, "low": value, "high": value}
        half = {"value": value / 2, "low": 0.0, "high": value}
        return {"scheme": scheme, "recipes": recipes, "classifier": classifier,
                "by_groups": estimate, "metrics": {"weighted_f1": half}}  # fmt: skip

    kept = {
        ("cnmc2019", "image"): [
            row("published", 0.1, ("another",)),
            row("published", 0.2, (HEADLINES[0],), "majority"),
            row("published", 0.3, (HEADLINES[0],)),
        ],
        ("cnmc2019", "group"): [row("fold", 0.4), row("pooled", 0.5)],
    }
    monkeypatch.setattr(verdict, "kept_baselines", lambda *key: kept.get(key, []))
    (found,) = verdict_rows(HEADLINES[:1])
    assert found["plain_published"] is None and found["validation"]["plain"]["value"] == 0.3
    assert found["plain_honest"]["value"] == 0.5 and found["plain_f1"]["value"] == 0.25


def test_each_reason_rests_on_claims_that_do_not_hold():
    ids = {claim: reason[1] for reason in REASONS.values() for claim in reason[1]}
    status = {row["id"]: row["status"] for row in claim_rows() if row["id"] in ids}
    assert set(status) == set(ids) and len(ids) >= 8
    assert set(status.values()) <= {"contradicted", "inconsistent"}
    assert all(row["claims"] == list(REASONS[row["recipe"]][1]) for row in verdict_rows())


def test_results_of_others_are_cited():
    table = subject_results()
    assert {"work", "cite", "metric", "value", "scored", "split"} <= set(table)
    assert table.value.between(0, 1).all() and not table.isna().any(axis=None)
    with open("book/references.bib", encoding="utf-8") as bib:
        text = bib.read()
    assert all(f"{{{key}," in text for key in table.cite)
    assert isinstance(table, pd.DataFrame)
