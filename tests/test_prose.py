"""Prose of the book: plain, exact and short, as far as a rule can see it."""

from __future__ import annotations

import re

import pytest
from course_pages import REPOSITORY, markdown_of, prose_of

from alllib.pages import toc_entries
from alllib.quiz import list_quizzes, load_quiz

PAGES = toc_entries(REPOSITORY / "_toc.yml")
# Words that say nothing, flatter the reader or belittle what he or she finds hard.
EMPTY = re.compile(
    r"\b(?:simply|obviously|clearly|of course|needless to say|basically|actually|very unique"
    r"|it is worth noting|it should be noted|please note|in order to|leverag(?:e|es|ing)"
    r"|utili[sz](?:e|es|ing)|state[- ]of[- ]the[- ]art|cutting[- ]edge|delve|trivially?)\b",
    re.IGNORECASE,
)
DOUBLED = re.compile(r"\b([a-z]+)(?: |\n)\1\b", re.IGNORECASE)
LONGEST = 60  # words of a sentence


def sentences(prose: str) -> list[str]:
    """Sentences of running text: no table rows, headings, or list marks."""
    lines = [line for line in prose.split("\n") if not re.match(r"\s*(?:\||#)", line)]
    blocks = re.split(r"\n\s*\n|\n\s*[-*:]\s|\n\s*\d+\.\s", "\n".join(lines))
    return [part for block in blocks for part in re.split(r"(?<=[.?:;])\s+", block)]


def faults(prose: str) -> list[str]:
    """What is wrong with a text, in words."""
    found = [f"doubled: {hit[0]!r}" for hit in DOUBLED.finditer(prose)]
    found += [f"says nothing: {hit[0]!r}" for hit in EMPTY.finditer(prose)]
    found += [f"exclamation: {hit[0]!r}" for hit in re.finditer(r"\w+!(?!\w|=|\[)", prose)]
    for sentence in sentences(prose):
        words = re.findall(r"[A-Za-z]+", sentence)
        if len(words) > LONGEST:
            found.append(f"{len(words)} words: {' '.join(words[:8])} ...")
    return found


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_plain(page):
    assert faults(prose_of(markdown_of(page))) == []


@pytest.mark.parametrize("topic", list_quizzes())
def test_a_quiz_is_plain(topic):
    for question in load_quiz(topic):
        texts = [question.text, *(t for a in question.answers for t in (a.text, a.feedback))]
        assert [fault for text in texts for fault in faults(text)] == []


@pytest.mark.parametrize(
    "text", ["It is is so.", "Simply run it.", "It works!", " ".join(["word", "more"] * 31) + "."]
)
def test_what_is_not_plain_is_found(text):
    assert len(faults(text)) == 1


def test_what_is_plain_passes():
    # A term of the glossary and the definition below it may begin alike.
    text = "The loss falls. A second one, too: it fell.\n\n- One\n- Two\n\nloss\n  Loss of a step."
    assert faults(text) == []
