"""The form of the course, held on the sources of the pages: nothing is executed here."""

from __future__ import annotations

import ast
import re
from collections import Counter
from functools import lru_cache

import pytest
import yaml
from course_pages import (
    BOOK,
    REPOSITORY,
    chapters,
    glossary_terms,
    markdown_of,
    phrase_pattern,
    prose_of,
    uses_of,
)
from course_senses import FREQUENT, OTHER_SENSES, WITHOUT_ADDRESS

from alllib import __version__
from alllib.pages import toc_entries
from alllib.parameters import read_notebook
from alllib.quiz import list_quizzes, load_quiz

CONTENTS = toc_entries(REPOSITORY / "_toc.yml")
NOTEBOOKS = [page for page in CONTENTS if page.startswith("notebooks/")]


@lru_cache
def cells_of(page: str) -> list:
    return read_notebook(REPOSITORY / f"{page}.py").cells


def code_of(page: str, tag: str) -> list[str]:
    cells = [cell for cell in cells_of(page) if cell.cell_type == "code"]
    return [cell.source for cell in cells if tag in cell.metadata.get("tags", [])]


# --- the form of a page ------------------------------------------------------------------


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_page_says_what_it_asks_teaches_needs_and_takes(page):
    opening = cells_of(page)[0].source
    assert re.match(r"# \S.*\n\n\*[^*]+\?\*", opening), "a title, and a question in italics"
    (box,) = re.findall(r":::\{admonition\} Before you start\n(.*?)\n:::", opening, re.DOTALL)
    parts = re.split(r"\*\*(You will learn|You need|Reading time)\*\*", box)
    assert parts[1::2] == ["You will learn", "You need", "Reading time"]
    learn, need, time = (" ".join(part.split()) for part in parts[2::2])
    assert len(learn) > 40 and learn.endswith(".")
    assert "GPU" in need, "says what hardware it needs"
    assert re.fullmatch(r": about [a-z-]+ minutes(?:, and [^.]+)?\.", time)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_page_has_exercises_with_hidden_solutions_and_code_that_checks_itself(page):
    text = markdown_of(page)
    asked = re.findall(r"```\{exercise\}\n:label: (\S+)\n(?!:|```)", text)
    solved = re.findall(r"```\{solution(?:-start)?\} (\S+)\n:class: dropdown\n```", text)
    solved += re.findall(r"```\{solution\} (\S+)\n:class: dropdown\n(?!:|```)", text)
    assert len(asked) >= 2
    assert sorted(asked) == sorted(solved), "each has one solution that unfolds"
    assert len(asked) == text.count("{exercise}")
    run = code_of(page, "solution")
    assert run and all("assert" in source for source in run)
    started = text.count("```{solution-start}")
    assert started == text.count("```{solution-end}\n```") and len(run) >= started


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_solution_in_code_stands_between_its_marks(page):
    inside = False
    for cell in cells_of(page):
        if cell.cell_type == "markdown":
            for mark in re.findall(r"\{solution-(start|end)\}", cell.source):
                assert inside == (mark == "end"), cell.source
                inside = mark == "start"
        else:
            assert inside == ("solution" in cell.metadata.get("tags", [])), cell.source
    assert not inside


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_a_page_ends_with_exercises_a_quiz_a_summary_and_what_comes_next(page):
    text = markdown_of(page)
    ends = text[text.index("\n## Exercises\n") :]
    assert re.findall(r"^## (.*)$", ends, re.MULTILINE) == ["Exercises", "Quiz", "Summary"]
    assert ends.count("{exercise}") == text.count("{exercise}")
    summary, after = ends[ends.index("\n## Summary\n") :].split("\n**Next**: ")
    assert "](" in after
    assert 2 <= len(re.findall(r"^- ", summary, re.MULTILINE)) <= 6
    topic = page.removeprefix("notebooks/")
    code = [cell.source for cell in cells_of(page) if cell.cell_type == "code"]
    assert sum(source.count(f'show_quiz("{topic}")') for source in code) == 1
    assert len(load_quiz(topic)) >= 3


def test_every_quiz_belongs_to_a_page():
    assert {f"notebooks/{topic}" for topic in list_quizzes()} == set(NOTEBOOKS)


def test_the_course_is_as_large_as_it_promises():
    exercises = sum(markdown_of(page).count("{exercise}") for page in NOTEBOOKS)
    questions = sum(len(load_quiz(topic)) for topic in list_quizzes())
    assert exercises >= 40 and questions >= 40
    assert len(glossary_terms()) >= 80
    assert sum(map(shown_figures, NOTEBOOKS)) >= 30


def shown_figures(page: str) -> int:
    """Calls of `show` in the code of a page; one in a loop counts once."""
    code = [cell.source for cell in cells_of(page) if cell.cell_type == "code"]
    calls = [node for node in ast.walk(ast.parse("\n".join(code))) if isinstance(node, ast.Call)]
    return sum(isinstance(call.func, ast.Name) and call.func.id == "show" for call in calls)


# --- the glossary ------------------------------------------------------------------------


@lru_cache
def uses(page: str) -> dict:
    return uses_of(markdown_of(page), glossary_terms(), OTHER_SENSES)


def unlinked_first_uses() -> list[str]:
    missing, seen = [], set()
    for page in chapters():
        for term, places in uses(page).items():
            if not places or (term in FREQUENT and term in seen):
                continue
            seen.add(term)
            if not places[0].linked:
                start = places[0].start
                around = " ".join(markdown_of(page)[max(0, start - 40) : start + 40].split())
                missing.append(f"{page}: {term!r} in: {around}")
    return missing


def test_each_term_is_linked_where_a_page_first_uses_it():
    assert unlinked_first_uses() == [], (
        "link it there, or list the phrase in tests/course_senses.py if it is another sense"
    )


def test_every_term_is_used_and_none_stands_twice():
    terms = glossary_terms()
    assert [term for term, times in Counter(terms).items() if times > 1] == []
    unused = [term for term in terms if not any(uses(page)[term] for page in chapters())]
    assert unused == []


def test_the_reviewed_senses_are_of_terms_and_still_in_the_book():
    assert set(FREQUENT) | set(OTHER_SENSES) <= set(glossary_terms())
    prose = [prose_of(markdown_of(page)) for page in chapters()]
    stale = [
        phrase
        for phrases in OTHER_SENSES.values()
        for phrase in phrases
        if not any(phrase_pattern(phrase).search(text) for text in prose)
    ]
    assert stale == []


MIXED = """# A cell
a cell, `cell`, $cell$, [cell](cell.md) and {term}`cell`
```
cell
```
```{exercise}
:label: cell
One cell
is enough.
```
$$ cell $$
{cite:p}`cell` <cell> Cells"""


def test_what_is_no_prose_is_blanked():
    prose = prose_of(MIXED)
    assert len(prose) == len(MIXED)
    assert " ".join(re.findall(r"\w+", prose)) == "a cell and One cell is enough Cells"
    found = uses_of(MIXED, ("cell", "cell table"), {"cell": ("One cell",)})["cell"]
    assert [(use.words, use.linked) for use in found] == [
        ("cell", False), ("cell", True), ("Cells", False),
    ]  # fmt: skip


def test_a_term_is_found_in_its_plural_over_a_line_and_not_within_another():
    terms = ("gradient", "gradient descent", "ALL", "nucleus", "batch")
    found = uses_of("all gradient\ndescents of mini-batch nuclei, ALL batches", terms, {})
    assert {term: [use.words for use in places] for term, places in found.items()} == {
        "gradient": [], "gradient descent": ["gradient\ndescents"], "ALL": ["ALL"],
        "nucleus": ["nuclei"], "batch": ["batches"],
    }  # fmt: skip


# --- the bibliography --------------------------------------------------------------------


@lru_cache
def references() -> dict[str, str]:
    """Entries of the bibliography by key."""
    text = (BOOK / "references.bib").read_text("utf-8")
    entries = re.findall(r"^@\w+\{([^,\s]+),\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(re.findall(r"^@", text, re.MULTILINE)) == len(dict(entries))
    return dict(entries)


def address_of(entry: str) -> str | None:
    """DOI or stable address of an entry."""
    doi = re.search(r"^ *doi *= *\{(10\.\d{4,9}/\S+)\}", entry, re.MULTILINE)
    url = re.search(r"\{(?:\\url\{)?(https://[^\s}]+)\}", entry)
    return doi[1] if doi else url[1] if url else None


def test_references_have_an_address_of_their_own():
    addresses = {key: address_of(entry) for key, entry in references().items()}
    assert {key for key, address in addresses.items() if not address} == set(WITHOUT_ADDRESS)
    given = [address for address in addresses.values() if address]
    assert len(given) >= 60
    assert [address for address, times in Counter(given).items() if times > 1] == []


def test_every_reference_is_cited_and_every_citation_known():
    cited = set()
    for page in CONTENTS:
        for keys in re.findall(r"\{cite:\w+\}`([^`]+)`", markdown_of(page)):
            cited |= {key.strip() for key in keys.split(",")}
    assert cited == set(references())


# --- symbols, and how to cite ------------------------------------------------------------

MATH = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$(?!\s)([^$]+?)(?<![\s\\])\$", re.DOTALL)
TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|[^\s]")


def formulas(markdown: str) -> list[list[str]]:
    """Formulas of a text, each as its tokens."""
    found = (first or second for first, second in MATH.findall(markdown))
    return [TOKEN.findall(formula) for formula in found]


def contains(formula: list[str], symbol: list[str]) -> bool:
    starts = range(len(formula) - len(symbol) + 1)
    return any(formula[start : start + len(symbol)] == symbol for start in starts)


def symbol_rows() -> list[tuple[str, str]]:
    """First cell of each row of the page of symbols, and the rest."""
    text = (BOOK / "symbols.md").read_text("utf-8")
    return re.findall(r"^\| (\$[^|]+?\$) \| (.+) \|$", text, re.MULTILINE)


def test_each_symbol_stands_on_the_pages_that_are_linked_for_it():
    rows = symbol_rows()
    assert len(rows) > 60
    for first, rest in rows:
        links = re.findall(r"\]\(\.\./(notebooks/\w+)\)", rest)
        assert links and set(links) <= set(CONTENTS), first
        where = [formula for link in links for formula in formulas(markdown_of(link))]
        for symbol in formulas(first):
            assert any(contains(formula, symbol) for formula in where), f"{first}: {links}"


def letters(formula: str) -> set[str]:
    """Letters of a formula, Latin and Greek, without words and operators."""
    formula = re.sub(r"\\(?:text|operatorname|mathrm)\s*\{[^}]*\}", " ", formula)
    greek = "alpha beta delta Delta epsilon varepsilon eta theta kappa lambda mu pi rho sigma omega"
    found = re.findall(r"\\([a-zA-Z]+)|([A-Za-z])", re.sub(r"\\(?:begin|end)\{\w+\}", "", formula))
    return {name for name, _ in found if name in greek.split()} | {one for _, one in found} - {""}


def test_every_letter_of_a_displayed_formula_is_explained():
    known = {letter for first, _ in symbol_rows() for letter in letters(first)}
    # Numbers that count, the base of the logarithm, and d of nothing.
    known |= {"i", "j", "l", "b", "u"}
    unknown = {
        (page, letter)
        for page in chapters()
        for formula in re.findall(r"\$\$(.+?)\$\$", markdown_of(page), re.DOTALL)
        for letter in letters(formula) - known
    }
    assert unknown == set()


def test_the_page_on_citing_names_the_version_and_the_title():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text("utf-8"))
    (entry,) = re.findall(r"```bibtex\n(.*?)```", markdown_of("book/cite"), re.DOTALL)
    fields = dict(re.findall(r"(\w+)\s*=\s*\{+(.*?)\}+,?$", entry, re.MULTILINE | re.DOTALL))
    assert fields["version"] == str(citation["version"]) == __version__
    config = yaml.safe_load((REPOSITORY / "_config.yml").read_text("utf-8"))
    released = str(citation.get("date-released", "not yet released"))
    newest = re.search(r"^## (.*)$", markdown_of("book/changelog"), re.MULTILINE)
    assert newest[1] == f"{__version__} ({released})"
    assert fields["year"] == (released[:4] if "date-released" in citation else config["copyright"])
    assert " ".join(fields["title"].split()) == citation["title"]
    assert fields["author"] == " and ".join(author["name"] for author in citation["authors"])
    assert fields["url"] == citation["repository-code"] == config["repository"]["url"]
