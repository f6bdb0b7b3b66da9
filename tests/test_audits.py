"""The claims of the poster, the transfer-learning paper and the sheet, and the audit pages."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib import audits
from alllib.checks import (
    placements,
    poster,
    poster_future,
    poster_layers,
    poster_scores,
    sheet,
    sheet_batches,
    sheet_neighbours,
    transfer,
    transfer_formulas,
    transfer_layers,
)
from alllib.claims import judge_claim, load_claims
from alllib.downloads import official_cells
from alllib.figures import plt

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = ("unnithan2021poster", "garg2021transfer", "ball2023densenet")
CLAIMS = {claim.id: claim for source in SOURCES for claim in load_claims(source)}
# Checks of these modules build networks or need a kept run.
SLOW = ("networks", "kept")
PAGES = ("article", "report", "poster", "transfer", "sheet")


def fast(claim) -> bool:
    return claim.check.partition(":")[0] not in SLOW and claim.check != "transfer:cheaper_systems"


def row(name: str) -> dict:
    return judge_claim(CLAIMS[name])


# --- what must be shown


def test_there_are_at_least_forty_claims_of_all_kinds():
    assert len(CLAIMS) >= 40
    assert {claim.source for claim in CLAIMS.values()} == set(SOURCES)
    assert sum(claim.kind == "future" for claim in CLAIMS.values()) >= 4


@pytest.mark.slow
def test_the_networks_have_their_printed_parameters():
    for name, number in (
        ("poster-parameters", 30_595_265),
        ("transfer-trainable", 6_423_298),
        ("transfer-frozen", 20_024_384),
    ):
        found = row(name)
        assert (found["computed"], found["status"]) == (number, "confirmed")


def test_a_join_by_position_gives_56_of_100_images_their_class():
    assert row("poster-label-order")["computed"] == pytest.approx(0.5597, abs=5e-5)
    assert row("poster-above-majority")["computed"] == pytest.approx(0.6529, abs=5e-5)
    assert row("poster-above-majority")["status"] == "contradicted"
    assert poster_scores.chance_agreement() == pytest.approx(0.653**2 + 0.347**2, abs=1e-3)


def test_a_join_keeps_images_and_classes():
    table = poster_scores.joined_labels()
    assert list(table.image[:4]) == [1, 10, 100, 1000]
    assert sorted(table.image) == list(range(1, 1868))
    assert sorted(table.true) == sorted(table.joined)
    shuffled = poster_scores.joined_labels("random", seed=1)
    assert not shuffled.equals(poster_scores.joined_labels("random", seed=2))


def test_the_printed_row_of_the_poster_has_one_matrix_and_its_calls_are_blind():
    counts = poster_scores.printed_confusion()
    assert counts.sum(axis=1).tolist() == [1219, 648]
    assert round(counts.trace() / counts.sum(), 3) == 0.617
    assert round(counts[1, 1] / counts[1].sum(), 3) == 0.108
    blind = poster_scores.unrelated_accuracy(0.617)
    assert blind.value == pytest.approx(0.619, abs=5e-4)
    assert not blind.agrees
    assert poster_scores.unrelated_accuracy(0.7).agrees


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_recalls_of_the_poster_are_those_of_the_normal_cells(part):
    name = poster.PREFIX[part] + "recall"
    recall = poster_scores.load_recipe(poster.RECIPE).published[name]
    assert poster_scores.recall_class(recall, part).value == "HEM"


def test_the_class_of_a_recall_can_be_either_or_neither():
    assert poster_scores.recall_class(0.95, "train").value == "ALL or HEM"
    assert poster_scores.recall_class(0.1, "train").value == "neither"


def test_the_parts_of_the_poster_are_those_of_its_code():
    assert poster.part_counts("train") == [7996, 2542, 5454]
    assert poster.part_counts("validation") == [2665, 847, 1818]
    assert poster.part_counts("test") == [1867, 648, 1219]
    assert poster.trained_subjects().value == [51, 24, 28]
    assert row("poster-images")["computed"] == 15_114
    assert row("poster-test-classes")["status"] == "contradicted"


def test_listed_by_name_few_patients_cross_and_in_no_order_nearly_all():
    named, shuffled = poster.shared_subjects().value, poster.within_folds(seed=3)
    assert named == 2
    assert shuffled["values"] > 10 * named
    fold = official_cells().query("fold == 'fold_0'")
    assert set(poster.listed_split().part("validation").image) < set(fold.image)


def test_the_layer_table_of_the_poster_steps_by_one_and_normalises_nothing():
    assert poster_layers.stride() == 1
    assert poster_layers.kernel() == [64, 3]
    assert poster_layers.kinds_of_layer("batch_normalization") == 0
    assert poster_layers.units() == [238_144, 30_482_560, 129]
    assert sum(number for *_, number in poster_layers.rows_printed()) == 30_595_265


def test_three_numbers_are_misprinted_in_eleven_rows():
    wrong = transfer_layers.misprinted_rows()
    printed = {name: number for name, _, number in transfer_layers.printed_rows()}
    pairs = {(printed[name], transfer_layers.exact_row(name)) for name in wrong}
    assert len(wrong) == 11
    assert pairs == {(590_880, 590_080), (1_188_160, 1_180_160), (2_359_888, 2_359_808)}
    assert transfer_layers.exact_total() == 26_447_682
    assert transfer_layers.exact_total("backbone") == 20_024_384
    assert transfer_layers.printed_total("backbone").value == 20_035_344


def test_the_matrix_of_the_paper_is_of_images_without_a_class():
    assert transfer.matrix_total().value == 4_453
    assert transfer.labelled_images("test_final") == 0
    assert transfer.final_classes().value == [1_008, 1_578]
    for name in ("transfer-confusion", "transfer-matrix-labels", "transfer-matrix-even"):
        assert row(name)["status"] == "contradicted"


def test_the_metrics_of_an_even_matrix_agree():
    assert transfer.same_for(0.9919).value == "accuracy, F1, balanced accuracy"
    assert not transfer.same_for(0.9937).agrees


def test_a_formula_whose_symbols_match_is_right():
    assert not transfer_formulas.free_symbols("l(θ(x; m), y)", "ω").agrees
    assert transfer_formulas.free_symbols("l(θ(x; ω), y)", "ω").agrees


def test_densenet_counted_by_its_blocks():
    assert sheet.walk() == (1_920, 18_321_984)
    assert sheet.head([64, 64]) == 1_921 * 64 + 65 * 64 + 65 * 4


def test_the_accuracy_of_the_sheet_excludes_its_test_part():
    found = sheet_batches.fitting_parts(0.99621)
    assert found.value == "validation"
    assert "2 mistakes in full batches and 0 in the last" in found.note
    # 653 of 655 images: a figure that the test part could have given.
    assert sheet_batches.fitting_parts(round(653 / 655, 5)).agrees


def test_parts_of_the_sheet_hold_every_image_once():
    sizes = sheet.part_sizes()
    for name, number in sheet.RELEASED.items():
        assert sum(part[name] for part in sizes.values()) == number
    assert sum(sheet.RELEASED.values()) == 3_256
    assert sheet_batches.batch_counts() == [131, 33]


def test_the_expected_recall_is_that_of_dealt_images():
    sizes = sheet.part_sizes()["validation"]
    labels = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    edges = np.cumsum(sheet_batches.batches(len(labels)))[:-1]
    rng = np.random.default_rng(1)
    dealt = [
        np.mean([len(set(p.tolist())) for p in np.split(rng.permutation(labels), edges)]) / 4
        for _ in range(600)
    ]
    spread = np.std(dealt) / math.sqrt(len(dealt))
    assert sheet_batches.expected_recall() == pytest.approx(np.mean(dealt), abs=4 * spread)


@given(st.integers(20, 700), st.integers(0, 8), st.integers(0, 3))
def test_any_mean_over_batches_is_found_again(images, full, last):
    sizes = sheet_batches.batches(images)
    full, last = min(full, sizes[0]), min(last, sizes[-1]) if sizes[-1] < sizes[0] else 0
    value = 1 - (full / sizes[0] + last / sizes[-1]) / len(sizes)
    ways = sheet_batches.attainable(round(value, 5), images)
    assert any(way.startswith("mean of batches") for way in ways)


# --- a claim can fail


def mutated(value):
    """A published value that is another one."""
    if isinstance(value, list):
        return [*value[:-1], mutated(value[-1])]
    if isinstance(value, str):
        return value + " and more"
    return value + 1 if isinstance(value, int) else round(value + 0.7, 6)


# Another print, typed into the claim: to mutate it would try the comparison alone, which
# tests/test_claims.py does.
ANOTHER_PRINT = ("elsewhere:cited", "elsewhere:printed", "elsewhere:in_recipe")

COMPARED = [
    claim
    for claim in CLAIMS.values()
    if claim.check
    and fast(claim)
    and claim.compare in ("equal", "within")
    and claim.check not in ANOTHER_PRINT
]


@pytest.mark.parametrize("claim", COMPARED, ids=lambda claim: claim.id)
def test_another_published_value_has_another_status(claim):
    found = judge_claim(claim)
    if found["status"] == "cannot be known":
        return
    fails = found["status"] != "confirmed"
    other = found["computed"] if fails else mutated(found["published"])
    changed = replace(claim, recipe="", key="", rows=[], published=other)
    assert judge_claim(changed)["status"] == ("confirmed" if fails else claim.otherwise)


@pytest.mark.parametrize("claim", [c for c in CLAIMS.values() if fast(c)], ids=lambda c: c.id)
def test_every_claim_has_a_verdict_or_a_reason_and_no_number_is_lost(claim):
    found = judge_claim(claim)
    assert found["status"] != "cannot be known" or len(found["reason"].split()) >= 8
    for text in (found["statement"], found["note"], found["reason"]):
        assert not re.search(r"\{\w*\}", text)


def test_without_measurements_the_checks_that_need_them_say_so(workspace):
    for name in ("poster-round", "poster-round-each", "sheet-images", "sheet-resize",
                 "sheet-normalised", "sheet-neighbours", "poster-future-stopping",
                 "poster-future-balance", "poster-future-cross-validation",
                 "poster-future-networks"):  # fmt: skip
        assert row(name)["status"] == "cannot be known"


def test_kept_measurements_bear_their_claims():
    assert row("poster-round")["status"] == "confirmed"
    assert row("poster-round-each")["status"] == "contradicted"
    assert row("sheet-scaling")["status"] == "cannot be known"  # the sheet does not say it
    assert row("sheet-images")["computed"] == 3_256
    beside = row("sheet-neighbours")
    assert beside["computed"] == pytest.approx(1 - 0.36**2, abs=0.005)  # two neighbours each
    assert beside["status"] == "contradicted"
    assert sheet.error_ratio() == pytest.approx((1 - 0.9619) / (1 - 0.99621), abs=0.05)
    assert row("sheet-normalised")["status"] == "confirmed"
    assert "[1.48, 1.78, 2.37]" in row("sheet-scaling")["note"]


def test_neighbours_in_training_are_counted_as_by_hand():
    """Of 1, 2, 4 one is drawn: 1 and 2 meet with 1 of 2, 4 has no neighbour."""
    assert sheet_neighbours.expected_share([1, 2, 4], 1) == pytest.approx((0.5 + 0.5 + 0) / 3)
    assert sheet_neighbours.expected_share([1, 2, 3], 2) == 1
    assert sheet_neighbours.expected_share(range(0, 20, 2), 5) == 0
    assert sheet_neighbours.expected_share(range(9), 0) == 0


def test_longer_training_is_judged_part_by_part():
    assert row("poster-epochs-training")["status"] == "confirmed"
    assert row("poster-epochs-test")["status"] == "inconsistent"
    assert row("poster-epochs-test")["computed"] < 0


def test_shares_that_the_log_excludes_are_told():
    assert sheet_batches.shares_in_log([0.64, 0.16, 0.2], [131, 33]).agrees
    assert not sheet_batches.shares_in_log([0.6, 0.2, 0.2], [131, 33]).agrees


# How a claim that the check judges by itself, and confirms, is made to fail: another printed
# value, other arguments, or other facts in the place of what the check reads.
PRINTED = {
    "poster-train-loss": 0.9,
    "poster-validation-loss": 0.9,
    "sheet-parts": [0.7, 0.1, 0.2],
    "transfer-various-metrics": 0.9937,
    "transfer-trained-over": 20_000,
    "sheet-specificity": 0.5,
    "sheet-log": [1.0, 0.98],
}
ARGUED = {
    "transfer-mean-loss": {"subjects": 5},
    "transfer-metric": {"rule": True},
    "transfer-formula": {"above": [0, 1]},
}
OUTLINES = {"circularity": {"auc": 0.6}, "solidity": {"auc": 0.4}}
BYTES = {"mean": [210.0, 218.0, 239.0]}
ONE_FOLD = [{"scheme": "fold", "protocol": "group", "fold": 0}]
FACTS = {
    "poster-imbalance": {"poster.part_counts": [10, 5, 5]},
    "poster-round": {"poster.read_study": SimpleNamespace(found=OUTLINES, images=2)},
    "poster-layer-names": {
        "poster_layers.rows_printed": [["conv2d", [2], 0], ["conv2d_1", [2], 0]]
    },
    **dict.fromkeys(("poster-epochs-training", "poster-epochs-validation"), {
        "poster_scores.load_recipe": SimpleNamespace(
            published={
                f"{part}accuracy{run}": 0.8
                for part in ("train_", "val_", "")
                for run in ("", "_100_epochs")
            }
        )
    }),
    "poster-future-cross-validation": {
        "poster_future.real_runs": [],
        "baseline_runs.kept_baselines": ONE_FOLD,
    },
    "transfer-fewer-parameters": {
        "transfer_layers.printed_rows": [
            ["input_1", [1, 1, 3], 0], ["block1_conv1", [1, 1, 64], 1792],
        ]
    },
    "transfer-layer-names": {
        "transfer_layers.printed_rows": [["dense", [256], 0], ["dense_1", [2], 0]]
    },
    "transfer-matrix-total": {"transfer.matrix": [[1, 1], [1, 1]]},
    "transfer-weights": {"transfer_layers.exact_total": 1},
    "sheet-normalised": {
        "sheet.read_study": SimpleNamespace(found=BYTES), "sheet.tell_study": "",
    },
}  # fmt: skip
JUDGED = [claim for claim in CLAIMS.values() if claim.compare == "itself" and fast(claim)]


@pytest.mark.parametrize("claim", JUDGED, ids=lambda claim: claim.id)
def test_a_check_that_judges_by_itself_can_say_no(claim, monkeypatch):
    if judge_claim(claim)["status"] != "confirmed":
        return  # it does, or says that nothing can be known
    if claim.check == "poster_future:carried_out":
        return  # without a run it says that nothing can be known; the tests below show it
    assert claim.id in PRINTED.keys() | ARGUED.keys() | FACTS.keys()
    changed = claim
    if claim.id in PRINTED:
        changed = replace(claim, recipe="", key="", published=PRINTED[claim.id])
    if claim.id in ARGUED:
        changed = replace(claim, arguments=claim.arguments | ARGUED[claim.id])
    for place, fact in FACTS.get(claim.id, {}).items():
        module = "alllib." if place.startswith("baseline_runs") else "alllib.checks."
        monkeypatch.setattr(module + place, lambda *_, fact=fact, **__: fact)
    assert judge_claim(changed)["status"] == claim.otherwise


# --- future work is confirmed by runs and not by what is built in


def variant_run(name: str, accuracy: float, *, epochs: int = 8, patience: int = 0, **changed):
    """As much of a kept run as the checks of future work read."""
    known = {
        "id": name,
        "recipe": "unnithan2021-2x2",
        "dataset": "cnmc2019",
        "protocol": "group",
        "scored": "test",
        "weights": "none",
        "parameters": {"epochs": epochs, "input_size": 64},
        "recipe_text": {"data": {"dataset": "cnmc2019"}, "training": {"patience": patience}},
        "certificate": {"hash": "fold 0", "settings": {"fold": 0, "folds": 5}},
        "metrics": {"metrics": {"accuracy": {"value": accuracy}}},
    }
    labels = pd.DataFrame({"label": ["ALL", "ALL", "ALL", "HEM"]})
    forest = {
        "classifier": "forest",
        "numbers": 19,
        "certificate": (known | changed)["certificate"]["hash"],
        "metrics": {"accuracy": {"value": 0.876}},
    }
    return SimpleNamespace(
        run=known | changed, history=range(epochs), predictions=labels, baselines=(forest,)
    )


def keep(monkeypatch, runs: dict[str, list]) -> None:
    monkeypatch.setattr(
        poster_future, "real_runs", lambda *names: [run for n in names for run in runs.get(n, [])]
    )


def test_a_variant_that_no_run_is_kept_of_is_not_confirmed(monkeypatch):
    keep(monkeypatch, {})
    found = judge_claim(CLAIMS["poster-future-balance"])
    assert found["status"] == "cannot be known"
    assert "alllib train unnithan2021-2x2.balanced" in found["reason"]


def test_a_run_of_a_variant_stands_beside_the_recipe_on_the_same_fold(monkeypatch):
    other = variant_run("base-1", 0.9, certificate={"hash": "fold 1", "settings": {"fold": 1}})
    short = variant_run("base-short", 0.6, epochs=2)
    bases = [other, short, variant_run("base-0", 0.71)]
    runs = {poster.RECIPE: bases, "unnithan2021-2x2.balanced": [variant_run("new", 0.734)]}
    keep(monkeypatch, runs)
    found = judge_claim(CLAIMS["poster-future-balance"])
    assert found["status"] == "confirmed"
    assert "new: accuracy 0.734" in found["note"]
    assert "19 numbers and a forest 0.876; the commonest class 0.750" in found["note"]
    assert "base-0 of the unchanged recipe on the same images: 0.710." in found["note"]
    keep(monkeypatch, runs | {poster.RECIPE: [other, short]})
    assert "0.600 (with other epochs)" in judge_claim(CLAIMS["poster-future-balance"])["note"]


def test_a_run_that_could_not_stop_early_does_not_confirm_early_stopping(monkeypatch):
    name = "unnithan2021-2x2.early-stopping"
    keep(monkeypatch, {name: [variant_run("new", 0.7, patience=10)]})
    found = judge_claim(CLAIMS["poster-future-stopping"])
    assert found["status"] == "cannot be known"
    assert "patience is 10 epochs" in found["reason"]
    keep(monkeypatch, {name: [variant_run("new", 0.7, patience=2)]})
    assert judge_claim(CLAIMS["poster-future-stopping"])["status"] == "confirmed"


def test_a_network_is_tried_when_it_starts_from_the_weights_that_it_needs(monkeypatch):
    runs = {
        name: [variant_run(name, 0.8, weights=weights)]
        for name, weights in (("mir2019-alexnet", "none"), ("garg2021-vgg19", "none"))
    }
    keep(monkeypatch, runs)
    found = judge_claim(CLAIMS["poster-future-networks"])
    assert found["status"] == "cannot be known"
    assert "mir2019-alexnet --protocol" not in found["reason"]
    assert "garg2021-vgg19 --protocol group --weights imagenet" in found["reason"]
    runs["garg2021-vgg19"] = [variant_run("v", 0.8, weights="imagenet")]
    keep(monkeypatch, runs)
    assert judge_claim(CLAIMS["poster-future-networks"])["status"] == "confirmed"


# --- tables and figures


def rows() -> list[dict]:
    names = ("poster-images", "poster-input", "poster-stride", "poster-optimiser")
    return [row(name) for name in names]


def test_tables_sort_claims_by_status():
    counts = audits.status_counts(rows())
    assert counts["all"].iloc[-1] == 4
    assert list(counts["of these implied"]) == [0] * len(counts)
    marked = [{**entry, "implied": True} for entry in rows()]
    assert audits.status_counts(marked)["of these implied"].iloc[-1] == 4
    assert audits.status_table(marked, "confirmed").statement[0].startswith("Implied: ")
    assert list(counts.columns)[1:-2] == [
        "confirmed", "contradicted", "inconsistent", "cannot be known",
    ]  # fmt: skip
    open_ones = audits.status_table(rows(), "contradicted", "inconsistent")
    assert list(open_ones.status) == ["contradicted", "inconsistent"]
    assert "what follows" in open_ones
    assert "what follows" not in audits.status_table(rows(), "confirmed")


def test_long_values_are_cut_in_tables():
    long = {**row("poster-images"), "published": list(range(100))}
    assert len(audits.status_table([long], "contradicted").printed[0]) == audits.LONGEST


def test_a_claim_is_found_by_its_id():
    assert audits.find_claim(rows(), "poster-stride")["computed"] == 1
    with pytest.raises(KeyError):
        audits.find_claim(rows(), "poster-strides")


def test_figures_show_what_they_are_given():
    found = audits.plot_scores({"a": 0.5, "b": 0.7}, printed=["b"])
    assert [text.get_text().strip() for text in found.axes[0].texts] == ["0.700", "0.500"]
    listed = audits.plot_listing(poster_scores.joined_labels())
    assert sum(len(line.get_xdata()) for line in listed.axes[0].lines) == 2 * 1867
    digits = audits.plot_digits([("x", 590_880, 590_080)])
    bold = [t.get_text() for t in digits.axes[0].texts if t.get_weight() == "bold"]
    assert bold == ["8", "0"]
    bars = audits.plot_counts({"a": {"ALL": 3, "HEM": 2}, "b": {"no class published": 4}})
    assert [text.get_text() for text in bars.axes[0].texts] == ["3", "2", "4"]
    for draws in ([0.1, 0.2, 0.2, 0.3], np.linspace(0, 1, 500)):
        spread = audits.plot_spread(draws, marks={"m": 0.2}, label="x")
        assert sum(bar.get_height() for bar in spread.axes[0].patches) == pytest.approx(1)
    possible = audits.plot_possible({"a": [0.9, 0.99], "b": [0.991]}, 0.99)
    assert [len(line.get_xdata()) for line in possible.axes[0].lines[:2]] == [1, 1]
    plt.close("all")


def test_the_function_that_a_page_teaches_is_that_of_the_package():
    text = (REPOSITORY / "notebooks" / "audit_report.py").read_text("utf-8")
    (source,) = re.findall(r"^def weights\(.*?^    return total, unmoved$", text, re.M | re.S)
    space: dict = {}
    exec(source, space)
    for repeats in ((3, 2, 2, 2, 2, 2), (1, 1, 1, 1, 1, 9)):
        widths = (32, 64, 128, 256, 384, 512)
        assert space["weights"](repeats, widths) == placements._weights(repeats, widths)


@pytest.mark.parametrize("page", PAGES)
def test_pages_end_with_a_verdict_an_exercise_and_a_way_on(page):
    text = Path(REPOSITORY / "notebooks" / f"audit_{page}.py").read_text("utf-8")
    for part in ("Before you start", "What we checked", "What is good about it", "What stays open",
                 "Verdict", "## Summary", "{exercise}", "{solution}", "**Next**"):  # fmt: skip
        assert part in text, part
