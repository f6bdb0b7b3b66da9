"""The claims of the poster, the transfer-learning paper and the sheet, and the audit pages."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib import audits
from alllib.checks import (
    placements,
    poster,
    poster_layers,
    poster_scores,
    sheet,
    sheet_batches,
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
    slow = ("poster_layers:activations", "transfer:cheaper_systems")
    return claim.check.partition(":")[0] not in SLOW and claim.check not in slow


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


COMPARED = [
    claim
    for claim in CLAIMS.values()
    if claim.check and fast(claim) and claim.compare in ("equal", "within")
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
    for name in ("poster-round", "sheet-images", "sheet-resize", "sheet-normalised",
                 "sheet-morphology"):  # fmt: skip
        assert row(name)["status"] == "cannot be known"


def test_kept_measurements_bear_their_claims():
    assert row("poster-round")["status"] == "confirmed"
    assert row("sheet-images")["computed"] == 3_256
    assert row("sheet-morphology")["computed"] >= 0.96


# --- tables and figures


def rows() -> list[dict]:
    names = ("poster-images", "poster-input", "poster-stride", "poster-optimiser")
    return [row(name) for name in names]


def test_tables_sort_claims_by_status():
    counts = audits.status_counts(rows())
    assert counts["all"].iloc[-1] == 4
    assert list(counts.columns)[1:-1] == [
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
