"""How the claims of `claims.toml` are read: strictly, with errors that name the claim."""

from __future__ import annotations

from dataclasses import replace

import pytest

from alllib.claims import claim_rows
from alllib.errors import ClaimError
from alllib.statements import SOURCES, load_claims, published_value, read_claims

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
OPEN = """
[[claim]]
id = "report-open"
source = "mir2019report"
place = "section 5"
kind = "statement"
statement = "It is so."
status = "cannot be known"
reason = "Nobody looked."
"""


def test_a_claim_is_read_and_judged():
    (row,) = claim_rows(claims=read_claims(GOOD))
    assert row["statement"] == "There are 10,661 images."
    assert (row["published"], row["computed"], row["status"]) == (10661, 10661, "confirmed")


def test_what_is_implied_and_how_wide_a_tolerance_is_stands_in_the_row():
    (row,) = claim_rows(claims=read_claims(GOOD))
    assert row["implied"] is False
    note = 'implied = true\ntolerance = 500\nnote = "Within {tolerance}."\ncompare = "within"'
    (row,) = claim_rows(claims=read_claims(GOOD.replace('compare = "equal"', note)))
    assert row["implied"] is True
    assert row["note"] == "Within 500."


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("mir2019", {"mir2019article", "mir2019report"}),
        ("unni", {"unnithan2021poster"}),
        ("garg2021transfor", {"garg2021transfer"}),
    ],
)
def test_an_unknown_source_names_all_that_begin_so(typed, told):
    with pytest.raises(ClaimError) as caught:
        claim_rows(typed)
    assert {name for name in SOURCES if name in caught.value.remedy} == told


def test_a_claim_without_a_check_keeps_its_reason():
    (row,) = claim_rows(claims=read_claims(OPEN))
    assert (row["status"], row["reason"], row["computed"]) == (
        "cannot be known", "Nobody looked.", None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("compare =", "comparison =", "Unknown key 'comparison'"),
        ('kind = "count"\n', "", "'kind' is missing"),
        ('"count"', '"counts"', "no kind 'counts'"),
        ('"mir2019report"', '"mir2020report"', "no source"),
        ("compare =", "implied = false\ncompare =", "False is not true"),
        ("compare =", 'implied = "yes"\ncompare =', "'yes' is not true"),
        ('"equal"', '"within"\ntolerance = 1', "belong in the note"),
        ('"equal"', '"equal"\nnote = "Within {tolerance}."', "belong in the note"),
        ("published = 10661", "published = {}", "{} is not a number, text or a list"),
        ("published = 10661", "published = true", "True is not"),
        ("published = 10661", "published = nan", "nan is not"),
        ("published = 10661\n", "", "Nothing published"),
        ('place = "section 3.2"', "place = 3.2", "3.2 is not text"),
        ('place = "section 3.2"', 'place = ""', "'' is not text"),
        ("counts:official_images", "counts:official_image", "no check"),
        ("counts:official_images", "count:official_images", "no module of checks 'count'"),
        ("counts:official_images", "counts:isqrt", "no check"),
        ("counts:official_images", "finding:Finding", "no module of checks"),
        ("phase =", "phases =", "cannot be called like this"),
        ("compare =", 'status = "confirmed"\ncompare =', "no effect beside a check"),
        ("compare =", "tolerance = 1\ncompare =", "`tolerance` and compare"),
        ('compare = "equal"', 'compare = "within"', "`tolerance` and compare"),
        ('compare = "equal"', 'compare = "same"', "no comparison 'same'"),
        ('compare = "equal"', 'compare = "reproduced"', "no status of a failed comparison"),
        ('"contradicted"', '"confirmed"', "no status of a failed comparison"),
        ("published =", 'rows = ["a"]\npublished =', "no effect without `recipe`"),
        ("published =", 'recipe = "mir2019-proposed"\npublished =', "go together"),
        ("published =", 'recipe = "mir2019-proposed"\nkey = "published.recall"\npublished =',
         "given twice"),
        ("published = 10661", 'recipe = "mir2019-proposed"\nkey = "published.colour"',
         "has no 'published.colour'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_error_that_names_the_claim(old, new, told):
    assert old in GOOD
    with pytest.raises(ClaimError) as caught:
        read_claims(GOOD.replace(old, new))
    assert told in caught.value.what
    assert "report-size" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('reason = "Nobody looked."\n', "", "needs status and reason"),
        ('"cannot be known"', '"confirmed"', "needs status and reason"),
        ("reason =", 'compare = "equal"\nreason =', "no effect without a check"),
        ("reason =", "with = { a = 1 }\nreason =", "no effect without a check"),
    ],
)
def test_a_claim_without_a_check_says_no_more_than_it_can(old, new, told):
    with pytest.raises(ClaimError, match="report-open") as caught:
        read_claims(OPEN.replace(old, new))
    assert told in caught.value.what


def test_two_claims_of_one_id_are_refused():
    with pytest.raises(ClaimError, match="report-size"):
        read_claims(GOOD + GOOD)


@pytest.mark.parametrize("text", ["[[claim]", "[other]\na = 1", "", "claim = 3"])
def test_a_file_of_something_else_is_refused(text):
    with pytest.raises(ClaimError):
        read_claims(text)


def test_an_unknown_source_suggests_the_nearest():
    with pytest.raises(ClaimError, match="mir2019report"):
        load_claims("mir2019reports")


def test_the_published_value_is_given_to_a_check_that_asks_for_it_once():
    text = GOOD.replace("counts:official_images", "counts:lacking")
    (row,) = claim_rows(claims=read_claims(text.replace("10661", "10600")))
    assert "61 short" in row["note"]
    with pytest.raises(ClaimError, match="given twice"):
        read_claims(text.replace("{ phase", "{ published = 3, phase"))


def test_rows_of_a_layer_table_are_picked_in_the_order_of_the_source():
    claim = next(c for c in load_claims() if c.id == "report-table-block-4")
    assert [row[0] for row in published_value(claim)] == claim.rows
    with pytest.raises(ClaimError, match="lacks a row"):
        published_value(replace(claim, rows=["block9_conv1"]))
