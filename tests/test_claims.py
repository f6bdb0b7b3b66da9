"""The claims ledger: how claims are judged, that none is left out, and what they must show."""

from __future__ import annotations

import json
import re
import tomllib
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import alllib.checks.copies as copies
import alllib.checks.counts as counts
from alllib import claims as ledger
from alllib.checks import (
    Finding,
    elsewhere,
    find_check,
    kept,
    listings,
    matrices,
    networks,
    operations,
    placements,
)
from alllib.claims import (
    SOURCES,
    STATUSES,
    claim_rows,
    claim_table,
    judge_claim,
    load_claims,
    read_claims,
    show_value,
)
from alllib.coverage import accuracy_interval
from alllib.errors import ClaimError
from alllib.recipes import list_recipes

REPOSITORY = Path(__file__).resolve().parents[1]
RECIPES = REPOSITORY / "alllib" / "recipes"
CLAIMS = {claim.id: claim for claim in load_claims()}
NETWORKS = ("networks", "placements")  # modules of checks that build networks, or take seconds

GOOD = """
[[claim]]
id = "report-size"
source = "mir2019report"
place = "section 3.2"
kind = "count"
statement = "There are {published} images."
published = 10661
check = "counts:official_images"
with = { phase = "train" }
compare = "equal"
otherwise = "contradicted"
"""
# Our own words in [published], which nobody printed: which part was scored by its use, where a
# figure comes from, and how printed names and misprints go with our layers.
ANNOTATIONS = ("scored", "origin", "renamed", "misprints")
# Published entries that no claim uses, each with its reason.
EXEMPT = {
    ("mir2019-inception_v3", "auxiliary.auxiliary_flatten"): "says that nothing was printed",
}


@pytest.fixture(scope="module")
def fast() -> dict[str, dict]:
    """Rows of all claims whose check builds no network, by id."""
    chosen = [c for c in CLAIMS.values() if c.check.partition(":")[0] not in NETWORKS]
    chosen = [c for c in chosen if c.source.startswith("mir2019")]
    return {row["id"]: row for row in claim_rows(claims=chosen)}


@pytest.fixture(scope="module")
def every() -> dict[str, dict]:
    """Rows of all claims, by id."""
    return {row["id"]: row for row in claim_rows()}


# --- judging


@pytest.mark.parametrize(
    ("finding", "compare", "status"),
    [
        (Finding(3), "equal", "contradicted"),
        (Finding(10661), "equal", "confirmed"),
        (Finding(10661.0), "equal", "confirmed"),
        (Finding("10661"), "equal", "contradicted"),
        (Finding([10661]), "equal", "contradicted"),
        (Finding(None), "equal", "contradicted"),
        (Finding(10660.5), "within", "confirmed"),
        (Finding(10659), "within", "contradicted"),
        (Finding(10661, reason="Not yet."), "equal", "cannot be known"),
        (Finding(3, agrees=True), "itself", "confirmed"),
        (Finding(3, agrees=False), "itself", "contradicted"),
        (Finding(3, agrees=True), "reproduced", "reproduced"),
        (Finding(3, agrees=False), "reproduced", "not reproduced"),
        (Finding(3, reason="Not yet."), "reproduced", "cannot be known"),
    ],
)
def test_the_comparison_gives_the_status(monkeypatch, finding, compare, status):
    (claim,) = read_claims(GOOD)
    tolerance = 1.0 if compare == "within" else 0.0
    claim = replace(claim, compare=compare, tolerance=tolerance)
    monkeypatch.setattr(ledger, "bind_check", lambda *_, **__: lambda: finding)
    assert judge_claim(claim)["status"] == status


def test_a_check_without_a_verdict_is_an_error(monkeypatch):
    (claim,) = read_claims(GOOD)
    monkeypatch.setattr(ledger, "bind_check", lambda *_, **__: lambda: Finding(3))
    with pytest.raises(ClaimError, match="report-size"):
        judge_claim(replace(claim, compare="itself"))


def test_values_are_shown_for_readers():
    shown = {10661: "10,661", 0.5: "0.5", None: "", "a": "a", True: "yes", 0.0002: "0.0002"}
    assert {value: show_value(value) for value in shown} == shown
    assert show_value([1, [2, 3]]) == "[1, [2, 3]]"
    assert show_value([["conv", [3, 3], 1000]]) == "conv 3 x 3: 1,000"
    assert show_value([["conv", None, None]]) == "conv no such layer: "


# --- the claims of the file


def test_there_are_at_least_ninety_claims_of_all_five_sources():
    number = Counter(claim.source for claim in CLAIMS.values())
    assert len(CLAIMS) >= 90
    assert set(number) == set(SOURCES)
    assert number["mir2019report"] + number["mir2019article"] >= 55


def test_an_id_begins_with_its_source_and_is_plain():
    short = dict(zip(SOURCES, ("article", "report", "poster", "transfer", "sheet"), strict=True))
    for claim in CLAIMS.values():
        assert re.fullmatch(rf"{short[claim.source]}(-[a-z0-9]+)+", claim.id), claim.id


def test_claims_stand_in_the_section_of_their_source():
    text = (REPOSITORY / "alllib" / "claims.toml").read_text("utf-8")
    sections = re.split(r"^# === (\w+) ===$", text, flags=re.M)[1:]
    assert sections[::2] == list(SOURCES)
    for source, part in zip(sections[::2], sections[1::2], strict=True):
        assert {claim["source"] for claim in tomllib.loads(part)["claim"]} == {source}


def test_statements_are_sentences_and_cannot_be_known_says_what_would_settle_it():
    for claim in CLAIMS.values():
        assert claim.statement[0].isupper() or claim.statement.startswith("{"), claim.id
        assert claim.statement.endswith("."), claim.id
        assert not claim.status or len(claim.reason.split()) >= 8, claim.id
        assert not claim.status or re.search("settle|would", claim.reason), claim.id


def used_places() -> set[tuple[str, str]]:
    """Recipe and dotted place of every published entry that a claim uses."""
    used = set()
    for claim in CLAIMS.values():
        if claim.recipe and claim.key.startswith("published."):
            place = claim.key.removeprefix("published.")
            used |= {(claim.recipe, f"{place}:{row}") for row in claim.rows} or {
                (claim.recipe, place)
            }
    return used


def entries(table: dict, place: str = ""):
    """Dotted places of a [published] table; rows of a layer table one by one."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from entries(value, f"{place}{key}.")
        elif key == "layers":
            yield from (f"layers:{row[0]}" for row in value)
        else:
            yield place + key


@pytest.mark.parametrize("recipe", list_recipes())
def test_every_published_number_has_a_claim(recipe):
    own = tomllib.loads((RECIPES / f"{recipe}.toml").read_text("utf-8")).get("published", {})
    own = {key: value for key, value in own.items() if key not in ANNOTATIONS}
    used = {place for name, place in used_places() if name == recipe}
    left = [
        place
        for place in entries(own)
        if place not in used
        and place.partition(":")[0] not in used
        and (recipe, place) not in EXEMPT
    ]
    assert not left


def test_exemptions_are_needed_and_exist():
    for recipe, place in EXEMPT:
        own = tomllib.loads((RECIPES / f"{recipe}.toml").read_text("utf-8"))["published"]
        assert place in list(entries(own))
        assert (recipe, place) not in used_places()


def test_cited_works_are_in_the_bibliography():
    known = set(
        re.findall(r"^@\w+\{(\w+),", (REPOSITORY / "book/references.bib").read_text(), re.M)
    )
    assert {key for claim in CLAIMS.values() for key in claim.cite} <= known


def test_a_cited_value_names_its_work():
    for claim in CLAIMS.values():
        assert claim.check != "elsewhere:cited" or claim.cite, claim.id


def test_every_check_that_can_be_named_is_used_and_documented():
    used = {claim.check for claim in CLAIMS.values() if claim.check}
    for place in used:
        assert find_check(place, where="test").__doc__, place
    # Modules of one source may offer more to the page of its audit.
    for module in ("copies", "counts", "elsewhere", "formulas", "kept", "listings", "matrices",
                   "networks", "operations", "placements"):  # fmt: skip
        listed = __import__(f"alllib.checks.{module}", fromlist=["x"]).__all__
        assert {f"{module}:{name}" for name in listed} <= used


# Rows that no source says: what its numbers, code or tables imply.
IMPLIED = ("poster-any-order", "transfer-matrix-labels", "poster-train-recall", "poster-two-runs",
           "poster-validation-recall", "poster-test-recall", "poster-unrelated",
           "transfer-misprints", "report-split-twins", "report-split-fields",
           "sheet-accuracy-part", "sheet-neighbours")  # fmt: skip


def test_what_no_source_says_is_marked_as_implied():
    assert all(CLAIMS[name].implied for name in IMPLIED)
    assert not any(CLAIMS[name].implied for name in ("report-accuracy", "poster-test-accuracy"))
    assert "sheet-morphology" not in CLAIMS
    assert sum(claim.implied for claim in CLAIMS.values()) < len(CLAIMS) / 5


def test_a_figure_of_another_edition_is_not_confirmed(fast):
    for name in ("report-cancer-deaths", "report-all-deaths-2015"):
        row = fast[name]
        assert row["published"] != row["computed"]
        assert row["status"] == "cannot be known"
        assert judge_claim(replace(CLAIMS[name], published=row["computed"]))["status"] == (
            "confirmed"
        )
    assert judge_claim(CLAIMS["poster-share-of-cancers"])["status"] == "cannot be known"


def test_a_confirmed_row_prints_the_tolerance_that_it_needed(fast):
    within = [claim for claim in CLAIMS.values() if claim.compare == "within"]
    assert within
    for claim in within:
        assert show_value(claim.tolerance) in judge_claim(claim)["note"], claim.id


# --- the rows


def test_rows_have_their_keys_and_plain_values(fast):
    keys = ("id", "source", "place", "kind", "statement", "implied", "check", "published",
            "computed", "status", "reason", "note", "cite")  # fmt: skip
    for row in fast.values():
        assert tuple(row) == keys
        assert row["status"] in STATUSES
        assert "{published}" not in str(row)
        assert "{computed}" not in str(row)
        assert bool(row["reason"]) == (row["status"] == "cannot be known"), row["id"]
    assert json.loads(json.dumps(list(fast.values()))) == list(fast.values())
    table = claim_table(fast.values())
    assert list(table) == ["id", "source", "published", "computed", "status"]
    assert len(table) == len(fast)
    long = [{**row, "published": "x" * 50} for row in fast.values()]
    assert set(claim_table(long).published) == {"x" * 37 + "..."}


def test_the_images_that_were_counted(fast):
    assert fast["report-dataset-size"]["computed"] == 10661
    assert "61 short" in fast["report-dataset-size"]["note"]
    assert fast["report-train-images"]["computed"] == 8479
    row = fast["report-scored-images-log"]
    assert (row["published"], row["computed"], row["status"]) == (2121, 2133, "contradicted")
    assert fast["report-train-images-log"]["computed"] == 8528


def test_the_class_sizes_that_fit_the_split_function(fast):
    """By hand: 7,231 less int(0.8 * 7,231) is 1,447, and 3,369 less int(0.8 * 3,369) is 674."""
    assert 7231 - int(0.8 * 7231) == 1447
    assert 3369 - int(0.8 * 3369) == 674
    row = fast["report-split-function-counts"]
    assert row["computed"] == "7,231 to 7,234 ALL and 3,366 to 3,369 HEM"


def test_what_crosses_the_split(fast):
    assert fast["report-split-unbiased"]["computed"] == 1
    assert 0.93 < fast["report-split-fields"]["computed"] < 0.95
    assert 30 <= fast["report-split-twins"]["computed"] * 2133 <= 40


def test_the_confusion_matrix_and_its_classes(fast):
    row = fast["report-accuracy-formula"]
    assert (row["computed"], row["status"]) == (0.9302, "confirmed")
    assert "0.919 to 0.940" in row["note"]
    precision, recall = fast["report-precision"], fast["report-recall"]
    assert precision["computed"] == round(1370 / 1441, 4)
    assert recall["computed"] == round(1370 / 1447, 4)
    assert f"HEM: {603 / 680:.4f}" in precision["note"]
    assert f"HEM: {603 / 674:.4f}" in recall["note"]
    assert {precision["status"], recall["status"]} == {"inconsistent"}
    assert fast["report-precision-hem"]["status"] == "confirmed"
    assert fast["report-recall-hem"]["status"] == "confirmed"
    assert fast["report-matrix-total"]["computed"] == 2121


def test_the_shares_of_exact_copies(fast):
    assert fast["report-copies-nominal"]["computed"] == 0.125
    assert fast["report-copies-true"]["computed"] == pytest.approx(0.1023, abs=1e-4)
    drawn = fast["report-copies-drawn"]
    assert drawn["computed"] == pytest.approx(0.1023, abs=0.006)  # three deviations of 20,000
    assert "12.5%" in drawn["note"]
    assert fast["report-probability"]["computed"] == 0.55


def test_the_log_was_made_with_2121_images(fast):
    row = fast["report-log-counts"]
    assert row["computed"] == [1536, 1800]
    assert round(1536 / 2121, 5) == 0.72419
    assert round(1800 / 2121, 5) == 0.84866
    assert "2,120 and 2,133" in row["note"]


def test_one_accuracy_of_the_table_is_no_share_of_the_test_images(fast):
    assert fast["report-alexnet-count"]["status"] == "inconsistent"
    near = [k / n for n in (2120, 2121) for k in range(1729, 1734)]
    assert all(round(value, 4) != 0.8162 and int(value * 1e4) != 8162 for value in near)
    for name in ("vgg16", "resnet50", "inception"):
        assert fast[f"report-{name}-count"]["status"] == "confirmed"


def test_the_kept_measurement_of_the_crop_bears_the_claim(fast):
    row = fast["report-crop-harmless"]
    assert (row["published"], row["status"]) == (0, "contradicted")
    assert row["computed"] > 0
    assert "Measured on 7,569 images" in row["note"]


def test_without_measurements_and_runs_nothing_is_known(workspace):
    for name in ("report-crop-harmless", "report-accuracy", "report-classes-alike"):
        row = judge_claim(CLAIMS[name])
        assert row["status"] == "cannot be known"
        assert row["computed"] is None
        assert row["reason"]


def test_a_run_at_a_smaller_scale_neither_confirms_nor_refutes(fast):
    row = fast["report-alexnet-accuracy"]
    assert "Kept run" in row["note"]
    assert re.search(r"numbers and a forest 0\.\d{3}; the commonest class 0\.\d{3}", row["note"])
    assert row["status"] == "cannot be known"
    assert row["computed"] is None
    assert "otherwise than published" in row["reason"]


def test_the_accuracy_of_a_run_gets_the_interval_that_leaves_groups_out(monkeypatch):
    runs = [r for r in kept.recorded_runs("mir2019-alexnet") if r.run["protocol"] == "image"]
    run = min(runs, key=lambda run: run.run["id"])  # the nearest to what the source did
    seen = {}

    def rule(published, scores, **settings):
        seen.update(scores)
        return SimpleNamespace(verdict="same", reason="")

    monkeypatch.setattr(kept, "same_result", rule)
    assert kept.recorded(0.8162, "mir2019-alexnet").agrees
    wanted = accuracy_interval(run.predictions)
    assert seen == {"value": wanted.value, "low": wanted.low, "high": wanted.high}
    percentile = run.run["metrics"]["metrics"]["accuracy"]
    assert seen["value"] == pytest.approx(percentile["value"])
    assert seen["high"] != pytest.approx(percentile["high"])


def test_other_prints_are_told_from_computations():
    """A check of the second kind is named so that a reader of the row sees it."""
    other = [claim for claim in CLAIMS.values() if claim.check in ANOTHER_PRINT]
    assert 20 < len(other) < len(CLAIMS) / 4
    for claim in other:
        found = judge_claim(replace(claim, recipe="", key="", rows=[], published=["x"]))
        assert found["status"] == claim.otherwise


def test_figure_9_and_figure_21_are_run():
    assert listings.existing_folder().value == "FileExistsError"
    assert listings.existing_folder().agrees is False
    # Where the folder is new, one of the two readings works.
    assert listings.existing_folder(kept=False).agrees
    assert CLAIMS["report-split-exists"].otherwise == "contradicted"
    assert listings.named_maps("mir2019-proposed").value == 0
    assert "batch_normalization_9 stand under the name block4_conv1" in (
        listings.named_maps("mir2019-proposed").note
    )
    assert listings.named_maps("mir2019-proposed", skipped=0).agrees


def test_sides_of_maps_follow_from_the_step_of_the_poolings():
    """By hand: 38 / 2 = 19, 19 / 2 rounded up is 10, 10 / 2 = 5."""
    assert placements.halved_sides("mir2019-proposed").value == [19, 10, 5]
    assert placements.halved_sides("mir2019-proposed", step=3).value == [13, 5, 2]


def test_totals_of_another_part_are_named_and_decide_nothing():
    found = matrices.fits_a_count(0.8162, [2120, 2121], [2133])
    assert round(1741 / 2133, 4) == 0.8162
    assert found.agrees is False
    assert "2,133 would fit (1,741 right answers)" in found.note
    assert "2,120 would not fit either" in matrices.fits_a_count(0.8162, [2133], [2120]).note


def test_a_result_below_the_majority_would_not_contradict_another(monkeypatch):
    assert elsewhere.other_result("garg2021-vgg19").agrees is False
    known = counts.load_recipe("garg2021-vgg19")
    low = replace(known, published={**known.published, "accuracy": 0.68})
    monkeypatch.setattr(elsewhere, "load_recipe", lambda _: low)
    assert elsewhere.other_result("garg2021-vgg19").agrees is True


@pytest.mark.slow
def test_what_is_built_is_what_is_said_of_it():
    assert networks.pooled_convolutions("mir2019-alexnet").value == "3 of 5"
    assert networks.pooled_convolutions("mir2019-resnet50").agrees is True
    assert networks.sides_kept("mir2019-vgg16").agrees is True
    # The poster's convolutions do not pad: 256 becomes 254.
    assert networks.sides_kept("unnithan2021-2x2").agrees is False
    assert networks.outputs("mir2019-inception_v3").value == [2, 1]
    assert networks.outputs("mir2019-vgg16").agrees is False
    assert networks.output_activations(["unnithan2021-2x2"]) == ["sigmoid"]


@pytest.mark.slow
def test_all_rows_are_judged(every):
    assert len(every) >= 90
    assert all(row["status"] in STATUSES for row in every.values())
    assert all(
        bool(row["reason"]) == (row["status"] == "cannot be known") for row in every.values()
    )
    json.dumps(list(every.values()))


@pytest.mark.slow
def test_the_networks_that_were_counted(every):
    row = every["report-convolutions"]
    assert (row["published"], row["computed"], row["status"]) == (14, 13, "inconsistent")
    assert "1,287 ways" in row["note"]
    assert "3, 2, 2, 2, 2, 2" in row["note"]
    assert every["report-total-parameters"]["computed"] == 64066938
    assert every["report-trainable"]["computed"] == 64061370
    assert every["report-not-trainable"]["computed"] == 5568
    assert every["report-convolutional-parameters"]["computed"] == 7535040
    assert every["report-counter"]["computed"] == 8
    assert every["report-side-pool"]["computed"].endswith("5x5x768")
    tables = [row for name, row in every.items() if name.startswith("report-table-")]
    assert len(tables) == 10
    assert {row["status"] for row in tables} == {"confirmed"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "value", [30595265, 26447682, 4453, 0.5597, 0.6529], ids=lambda value: f"value {value}"
)
def test_what_the_ledger_must_show_of_the_other_sources(every, value):
    """30,595,265; 26,447,682; 4,453 images; 55.97 % agreement; the majority of .653."""

    def shown(found) -> bool:
        if isinstance(found, list):
            return any(map(shown, found))
        return type(found) in (int, float) and abs(found - value) <= 6e-4 * (value < 1)

    assert any(shown(row["computed"]) for row in every.values())


# --- a check can fail

# Arguments under which a check that judges by itself says no; what it says of the claim is yes.
NO = {
    "elsewhere:few_hundred": {"numbers": [10]},
    "formulas:convolved_side": {"window": 1},
    "formulas:dead_unit": {"bias": 0.0},
    "formulas:dense_against_convolution": {"side": 1},
    "formulas:log_loss_high": {"probability": 0.9},
    "formulas:penalty_shrinks": {"strengths": [1, 0]},
    "formulas:pooled_weights": {"side": 1},
    "matrices:fits_a_count": {"totals": [7]},
    "operations:descent": {"rate": 3.0},
    "operations:finer": {"before": 400},
    "operations:input_values": {"side": 10},
    "operations:slopes_through": {"layers": 0},
}
OWN_TEST = ("counts:sizes_that_fit", "copies:forms")  # of a test each, below


def mutated(value):
    """A published value that is another one; a list rising turns falling."""
    if isinstance(value, list):
        last = value[-1]
        if isinstance(last, float):
            return [*value[:-1], last - 0.5]
        return [*value[:-1], mutated(last)]
    if isinstance(value, str):
        return value + " and more"
    return value + 1 if isinstance(value, int) else round(value + 0.117, 6)


# Another print, typed into the claim: the comparison alone can be tried, and the tests of
# `judge_claim` above do that. To mutate each of them would show the same thing again.
ANOTHER_PRINT = ("elsewhere:cited", "elsewhere:printed", "elsewhere:in_recipe")

FAST = [
    claim
    for claim in CLAIMS.values()
    if claim.check
    and claim.check.partition(":")[0] not in NETWORKS
    and claim.source.startswith("mir2019")
]


@pytest.mark.parametrize(
    "claim",
    [c for c in FAST if c.compare in ("equal", "within") and c.check not in ANOTHER_PRINT],
    ids=lambda claim: claim.id,
)
def test_another_published_value_has_another_status(claim):
    """What is confirmed fails when the source had printed something else, and what fails is
    confirmed when it had printed what was computed."""
    row = judge_claim(claim)
    fails = row["status"] != "confirmed"
    other = row["computed"] if fails else mutated(row["published"])
    changed = replace(claim, recipe="", key="", rows=[], published=other)
    assert judge_claim(changed)["status"] == ("confirmed" if fails else claim.otherwise)


@pytest.mark.parametrize(
    "claim", [c for c in FAST if c.compare == "itself"], ids=lambda claim: claim.id
)
def test_a_check_that_judges_by_itself_can_say_no(claim):
    row = judge_claim(claim)
    if row["status"] != "confirmed":
        return  # it does
    if claim.check in NO:
        changed = replace(claim, arguments=claim.arguments | NO[claim.check])
    elif row["published"] is not None:
        other = mutated(row["published"])
        changed = replace(claim, recipe="", key="", rows=[], published=other)
    else:
        assert claim.check in OWN_TEST, claim.check
        return
    assert judge_claim(changed)["status"] == claim.otherwise


def test_counts_that_the_split_function_cannot_give_are_told(monkeypatch):
    known = counts.load_recipe("mir2019-proposed")
    # 9,999 ALL images would leave 2,000 for scoring, and so could not be among 10,600.
    printed = {**known.published, "confusion": [[1923, 77], [71, 603]]}
    monkeypatch.setattr(counts, "load_recipe", lambda _: replace(known, published=printed))
    assert counts.sizes_that_fit("mir2019-proposed").agrees is False


def test_an_augmentation_that_changes_nothing_is_told(monkeypatch):
    plan = copies._plan("mir2019-proposed")
    monkeypatch.setattr(copies, "_plan", lambda _: plan[plan.symmetry == 0])
    assert copies.forms("mir2019-proposed").agrees is False


def test_operations_are_those_of_the_textbooks():
    """By hand: 3 x 3 tiles of ones give 9; a slope of sigmoid is at most a quarter."""
    assert operations._slide(np.ones((4, 4)), np.ones((3, 3))).tolist() == [[9, 9], [9, 9]]
    assert operations.tile_sums() == operations.dense_layer() == 0
    assert operations.dense_as_convolution(5).agrees is False
    sigmoid, tanh, relu = operations.slopes_through(2).value
    assert sigmoid <= 1 / 16 < tanh < relu == 1
    start, end = operations.descent(0.1).value
    assert end < start


def test_a_dense_layer_that_fell_short_would_be_told(monkeypatch):
    monkeypatch.setattr(operations, "_difference", lambda *_: 0.1)
    assert operations.dense_as_convolution(5).agrees is True


def test_a_metric_is_that_of_its_class():
    for positive, row in enumerate(([1370, 77], [71, 603])):
        recall = matrices.metric("mir2019-proposed", "recall", positive, 6).value
        assert recall == pytest.approx(row[positive] / sum(row), abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "claim",
    [
        claim
        for claim in CLAIMS.values()
        if claim.check
        and claim not in FAST
        and claim.compare in ("equal", "within")
        and claim.check not in ANOTHER_PRINT
    ],
    ids=lambda claim: claim.id,
)
def test_another_published_value_has_another_status_elsewhere(claim, every):
    row = every[claim.id]
    if row["reason"]:
        return  # nothing is compared
    fails = row["status"] != "confirmed"
    other = row["computed"] if fails else mutated(row["published"])
    changed = replace(claim, recipe="", key="", rows=[], published=other)
    assert judge_claim(changed)["status"] == ("confirmed" if fails else claim.otherwise)
