"""Sources of the book's pages as a reader meets them: prose, and where a term is used or linked."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from alllib.pages import toc_entries
from alllib.parameters import read_notebook

REPOSITORY = Path(__file__).resolve().parents[1]
BOOK = REPOSITORY / "book"

# What is no prose, in the order in which it is taken out: each may hide what follows it.
NOT_PROSE = [
    re.compile(r"^#+ .*$", re.MULTILINE),  # headings
    re.compile(r"^\([\w:-]+\)= *$", re.MULTILINE),  # labels
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"\$\$.*?\$\$", re.DOTALL),
    re.compile(r"(?:\{[\w:-]+\})?(`+)(?!`).*?(?<!`)\1(?!`)", re.DOTALL),  # roles and code
    re.compile(r"(?<![\\$])\$(?!\s)[^$]+?(?<![\s\\])\$"),
    re.compile(r"!?\[[^\]]*\](?:\([^)]*\)|\{[^}]*\})"),  # links and pictures
    re.compile(r"</?[a-zA-Z][^>]*>|https?://\S+"),
]
FENCE = re.compile(r" *(`{3,}|:{3,})(.*)")
# Directives whose inside is no prose.
VERBATIM = re.compile(r"\{(?:math|bibliography|tableofcontents|code[\w-]*|eval-rst)\}")
TERM_LINK = re.compile(r"\{term\}`([^`]+)`")


@dataclass(frozen=True)
class Use:
    """A place of a term: where it begins, the words there, and whether they are a link."""

    start: int
    words: str
    linked: bool


@lru_cache
def markdown_of(page: str) -> str:
    """Markdown of a page of the contents; cells of a notebook parted by an empty line."""
    notebook = REPOSITORY / f"{page}.py"
    if notebook.is_file():
        cells = read_notebook(notebook).cells
        return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return (REPOSITORY / f"{page}.md").read_text("utf-8")


@lru_cache
def prose_of(markdown: str) -> str:
    """The text in which all that is no prose is blanked, character for character."""
    markdown = _without_fences(markdown)
    for pattern in NOT_PROSE:
        markdown = pattern.sub(lambda found: _blank(found[0]), markdown)
    return markdown


def _blank(text: str) -> str:
    return re.sub(r"[^\n]", "\0", text)


def _without_fences(markdown: str) -> str:
    """Blanks code blocks, and of a directive its fences and options."""
    lines, opened, options = [], [], False
    for line in markdown.split("\n"):
        fence = FENCE.fullmatch(line)
        verbatim = bool(opened) and opened[-1][1]
        closes = bool(fence and opened) and fence.groups() == (opened[-1][0], "")
        if closes:
            opened.pop()
        elif fence and not verbatim:
            code = not fence[2].lstrip().startswith("{")
            opened.append((fence[1], code or bool(VERBATIM.match(fence[2]))))
        options = (fence is not None and not closes) or (options and bool(re.match(r" *:\w", line)))
        lines.append(_blank(line) if fence or verbatim or options else line)
    assert not opened, f"a fence is not closed: {opened}"
    return "\n".join(lines)


def link_target(inside: str) -> tuple[str, str]:
    """Shown words and term of the inside of a `{term}` role."""
    named = re.fullmatch(r"(.+?)\s*<([^>]+)>", inside, re.DOTALL)
    shown, term = named.groups() if named else (inside, inside)
    return " ".join(shown.split()), " ".join(term.split())


@lru_cache
def glossary_terms() -> tuple[str, ...]:
    """Terms of the glossary, in its order."""
    text = (BOOK / "glossary.md").read_text("utf-8")
    parts = re.findall(r"^:::\{glossary\}\n(.*?)^:::", text, re.MULTILINE | re.DOTALL)
    return tuple(line for part in parts for line in part.splitlines() if re.match(r"\S", line))


def pattern_of(term: str) -> re.Pattern[str]:
    """A term as it stands in prose: with plural, over a line's end, any case.

    An abbreviation keeps its capitals: `ALL` is not `all`, nor `CLAIM` a claim.
    """
    words = [re.escape(word) for word in term.split()]
    last = words[-1]
    if term[-1] == "y" and term[-2] not in "aeiou":
        last = f"{last[:-1]}(?:y|ies)"
    elif last.endswith(("leus", "lus")):
        last = f"{last[:-2]}(?:us|i)"
    else:
        last = f"{last}(?:e?s)?"
    flags = 0 if sum(letter.isupper() for letter in term) > 1 else re.IGNORECASE
    joined = r"\s+".join([*words[:-1], last])
    return re.compile(rf"(?<![\w-]){joined}(?![\w-])(?!\.\w)", flags)


def phrase_pattern(phrase: str) -> re.Pattern[str]:
    """A phrase, which may run over the end of a line or of a quoted one."""
    return re.compile(r"\s+".join(map(re.escape, phrase.split())))


def uses_of(
    markdown: str, terms: tuple[str, ...], other_senses: dict[str, tuple[str, ...]]
) -> dict[str, list[Use]]:
    """Uses of each term in the prose of a page, in order.

    Where one term holds another, as `gradient descent` holds `gradient`, the longer counts.
    A word within one of the phrases that are its other senses is no use of the term.
    """
    prose = prose_of(markdown)
    found: dict[str, list[Use]] = {term: [] for term in terms}
    for link in TERM_LINK.finditer(markdown):
        shown, term = link_target(link[1])
        same = [other for other in terms if other.lower() == term.lower()]
        assert same, f"the glossary has no {term!r}"
        found[term if term in same else same[0]].append(Use(link.start(), shown, linked=True))
    for term in sorted(terms, key=len, reverse=True):
        elsewhere = {
            place
            for phrase in other_senses.get(term, ())
            for other in phrase_pattern(phrase).finditer(prose)
            for place in range(*other.span())
        }
        for use in pattern_of(term).finditer(prose):
            if use.start() in elsewhere:
                continue
            found[term].append(Use(use.start(), use[0], linked=False))
            prose = prose[: use.start()] + _blank(use[0]) + prose[use.end() :]
    return {term: sorted(uses, key=lambda use: use.start) for term, uses in found.items()}


@lru_cache
def chapters() -> tuple[str, ...]:
    """Pages before the part Reference, in the order of the contents."""
    pages = toc_entries(REPOSITORY / "_toc.yml")
    return tuple(pages[: pages.index("book/glossary")])
