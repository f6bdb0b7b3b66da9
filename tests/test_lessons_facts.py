"""Facts behind the first chapters: strict rows, sources in the bibliography, no contradiction."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alllib.claims import load_claims
from alllib.errors import DataError
from alllib.lessons import facts
from alllib.lessons.facts import (
    LOOKED_UP,
    Threshold,
    cited_keys,
    fact_table,
    load_agreements,
    load_counts,
    load_fab_types,
    load_findings,
    load_leukemias,
    load_shares,
    load_tests,
    load_works,
    read_facts,
)

REPOSITORY = Path(__file__).resolve().parents[1]
LOADERS = sorted(name for name in facts.__all__ if name.startswith("load_"))
KEYS = set(re.findall(r"@\w+\{([^,]+),", (REPOSITORY / "book/references.bib").read_text("utf-8")))
CHAPTER = {"disease": "disease", "learning": "learning"}
CLAIMS = {claim.id: claim for claim in load_claims()}
ONE = """
[[threshold]]
name = "remission"
share = 0.05
meaning = "few blasts"
cite = ["hunger2015acute"]
"""


def prose(topic: str) -> str:
    return (REPOSITORY / "notebooks" / f"{topic}.py").read_text("utf-8")


def cited_in(text: str) -> set[str]:
    found = re.findall(r"\{cite:[pt]\}`([^`]+)`", text.replace("\n# ", " "))
    return {key.strip() for keys in found for key in keys.split(",")}


@pytest.mark.parametrize("name", LOADERS)
def test_every_fact_has_sources_of_the_bibliography(name):
    rows = getattr(facts, name)()
    assert rows
    assert set(cited_keys(rows)) <= KEYS


@pytest.mark.parametrize("name", LOADERS)
def test_every_source_of_a_table_is_cited_in_its_chapter(name):
    rows = getattr(facts, name)()
    cited = cited_in(prose("disease")) | cited_in(prose("learning"))
    assert set(cited_keys(rows)) <= cited


@pytest.mark.parametrize("topic", CHAPTER)
def test_a_chapter_cites_only_what_the_bibliography_has(topic):
    assert cited_in(prose(topic)) <= KEYS


def test_rows_are_read_and_the_source_is_kept():
    (row,) = read_facts(ONE, "threshold", Threshold, origin="here")
    assert (row.share, row.cite) == (0.05, ("hunger2015acute",))


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("share = 0.05", 'share = "0.05"', "'share' is missing or no float"),
        ("share = 0.05", "share = true", "'share' is missing or no float"),
        ("share = 0.05\n", "", "'share' is missing"),
        ('name = "remission"', 'name = " "', "'name' is missing"),
        ('cite = ["hunger2015acute"]', "cite = []", "'cite' is missing"),
        ('cite = ["hunger2015acute"]', "cite = [1]", "'cite' is missing"),
        ("share = 0.05", "share = 0.05\nshares = 1", "'shares' is not known"),
        ("[[threshold]]", "[[thresholds]]", "no table 'threshold'"),
        ("0.05", "0,05", "no TOML"),
    ],
)
def test_a_wrong_row_is_refused_with_its_place(before, after, told):
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_facts(ONE.replace(before, after, 1), "threshold", Threshold, origin="here.toml")
    assert str(caught.value.where).startswith("here.toml")


def test_how_far_a_fact_was_followed_is_one_of_three_words():
    text = """
    [[finding]]
    what = "specimens"
    part = 1
    whole = 2
    looked_up = "somewhere"
    cite = ["a"]
    """
    with pytest.raises(DataError, match="does not say how far"):
        read_facts(text, "finding", facts.Finding, origin="here")
    assert len(LOOKED_UP) == 3


def test_truth_values_are_words_in_a_table():
    told = fact_table(load_tests(), {"name": "test", "report": "in the report"})
    assert set(told["in the report"]) == {"yes", "no"}


# --- the facts agree with the ledger of claims


def test_the_four_leukemias_are_the_two_by_two_of_the_paper():
    rows = load_leukemias()
    assert {(row.speed, row.line) for row in rows} == {
        (speed, line) for speed in ("acute", "chronic") for line in ("lymphoid", "myeloid")
    }
    assert all(row.printed.split()[0].lower() == row.speed for row in rows)


@pytest.mark.parametrize("row", load_fab_types(), ids=lambda row: row.name)
def test_fab_types_are_as_the_claims_have_them(row):
    claim = CLAIMS[f"report-fab-{row.name.lower()}"]
    small = "small" if row.printed_cells.startswith("Small") else "large"
    assert claim.published.split()[0] == small
    defined = claim.arguments["value"]  # such as "large and uniform"
    assert ("alike" in row.cells) == ("uniform" in defined)
    lineages = CLAIMS["report-fab-cells"].published
    assert row.printed_lineage == lineages[int(row.name[1]) - 1]


def test_shares_of_the_sources_are_those_of_the_claims():
    printed = {row.cite[0]: row.value for row in load_shares() if row.looked_up == "source"}
    assert printed == {
        "unnithan2021poster": CLAIMS["poster-share-of-cancers"].published,
        "garg2021transfer": CLAIMS["transfer-share-of-cancers"].published,
    }


def test_shares_lie_between_nought_and_one_and_fall_with_age():
    values = {(row.source, row.disease, row.ages): row.value for row in load_shares()}
    assert all(0 < value < 1 for value in values.values())
    young = values["SEER monograph", "all leukemias", "0 to 14"]
    assert young > values["SEER monograph", "all leukemias", "0 to 19"]
    assert all(0 < row.share < 1 for row in load_agreements())
    assert all(row.value < 1 for row in load_findings())


def test_counts_of_the_burden_study_are_those_of_the_claims():
    found = {row.what.split()[0]: row.value for row in load_counts() if row.year == "2015"}
    assert found["deaths"] == CLAIMS["report-all-deaths-2015"].arguments["value"]
    assert f"{found['new']:,}" in CLAIMS["report-all-cases-2015"].reason


def test_scores_of_surveyed_works_are_those_of_the_claims():
    scores = {row.cite[0]: row.score for row in load_works()}
    assert scores["laosai2016markers"] == CLAIMS["report-laosai-markers"].published
    assert scores["laosai2014svm"] == CLAIMS["report-laosai-svm"].published
    assert scores["sahlol2017elephant"] == CLAIMS["report-sahlol"].published
    assert scores["asadi2017backpropagation"] == pytest.approx(
        CLAIMS["report-asadi-mean"].published / 100
    )
    assert scores["vogado2016unsupervised"] is None and scores["fatma2014identification"] is None
