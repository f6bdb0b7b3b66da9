"""The table of the sources' equations: complete, cited, and each stands in the book."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alllib.claims import load_claims
from alllib.lessons.equations import (
    FORMS,
    VERDICTS,
    equation_counts,
    equation_table,
    load_equations,
)
from alllib.parameters import read_notebook

REPOSITORY = Path(__file__).resolve().parents[1]
ROWS = load_equations()
LABELLED = re.compile(
    r"\$\$(?P<formula>(?:(?!\$\$).)+)\$\$ \((?P<label>eq-[a-z0-9-]+)\)", re.DOTALL
)


def labels_of(page: str) -> list[str]:
    """Labels of the equations in a page's prose."""
    cells = read_notebook(REPOSITORY / "notebooks" / f"{page}.py").cells
    prose = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return [hit["label"] for hit in LABELLED.finditer(prose)]


@pytest.mark.parametrize("page", sorted({row.page for row in ROWS}))
def test_each_equation_stands_on_the_page_that_the_table_names(page):
    assert {row.label for row in ROWS if row.page == page} <= set(labels_of(page))


def test_a_label_stands_once_in_the_book():
    pages = [path.stem for path in (REPOSITORY / "notebooks").glob("*.py")]
    labels = [label for page in pages for label in labels_of(page)]
    assert len(labels) == len(set(labels)) and {row.label for row in ROWS} <= set(labels)


def test_a_row_says_what_was_wrong_unless_all_is_right():
    for row in ROWS:
        assert row.form in FORMS and row.holds in VERDICTS, row
        assert bool(row.wrong) == (row.holds != "right"), row


def test_each_source_has_rows_and_no_row_stands_twice():
    assert {row.source for row in ROWS} == {claim.source for claim in load_claims()}
    assert len({(row.source, row.place, row.says) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize(
    ("source", "place"),
    [
        *(("mir2019report", f"section 3.1.{part}") for part in range(3, 9)),
        *(("mir2019report", f"section 3.5.2, {part}") for part in ("cost", "L1", "L2")),
        ("mir2019report", "section 4.1"),
        *(("garg2021transfer", f"figure {number}") for number in (2, 3, 8)),
    ],
)
def test_the_printed_formulas_are_all_there(source, place):
    assert [row for row in ROWS if row.source == source and place in row.place]


def test_every_work_cited_is_in_the_bibliography():
    known = (REPOSITORY / "book" / "references.bib").read_text("utf-8")
    for key in {key for row in ROWS for key in (row.source, *row.cite)}:
        assert f"{{{key}," in known, key


def test_the_tables_have_all_rows():
    assert len(equation_table(ROWS)) == len(ROWS)
    counts = equation_counts(ROWS)
    assert list(counts["given as"]) == list(FORMS)
    assert int(counts[list(VERDICTS)].to_numpy().sum()) == len(ROWS)
