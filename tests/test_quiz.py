"""Quizzes: strict files, feedback for each answer, plain HTML."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup

from alllib.errors import ParameterError
from alllib.quiz import list_quizzes, load_quiz, quiz_html, read_quiz

ONE = """
[[question]]
text = "Is `a < b`?"
[[question.answer]]
text = "yes"
right = true
feedback = "It is."
[[question.answer]]
text = "no"
right = false
feedback = "Look again."
"""


@pytest.mark.parametrize("topic", list_quizzes())
def test_every_quiz_can_be_read_and_says_why(topic):
    questions = load_quiz(topic)
    assert len(questions) >= 3
    for question in questions:
        assert question.text.rstrip().endswith(("?", "."))
        assert all(len(answer.feedback) > 10 for answer in question.answers)
        assert len({answer.feedback for answer in question.answers}) == len(question.answers)
        assert not all(answer.right for answer in question.answers)


def test_an_answer_unfolds_to_its_verdict_and_nothing_is_markup():
    tree = BeautifulSoup(quiz_html(read_quiz(ONE)), "html.parser")
    assert tree.li.p.get_text() == "Is a < b?" and tree.li.code.get_text() == "a < b"
    right, wrong = tree.find_all("details")
    assert right.summary.get_text() == "yes" and "Right. It is." in right.get_text()
    assert wrong.summary.get_text() == "no" and "Not so. Look again." in wrong.get_text()


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("right = true", "right = 1", "'right' is missing or no bool"),
        ("right = true", "right = false", "one that is right"),
        ('text = "no"', 'text = "yes"', "each of its own"),
        ('feedback = "It is."', "", "'feedback' is missing"),
        ('feedback = "It is."', 'feedback = ""', "'feedback' is missing"),
        ('feedback = "It is."', 'feedback = "It is."\npoints = 3', "'points' is not known"),
        ("[[question]]", "[[questions]]", "'question' is missing"),
        ('text = "yes"', "text = yes", "no TOML"),
    ],
)
def test_a_wrong_quiz_is_refused_with_its_place(before, after, told):
    with pytest.raises(ParameterError, match=re.escape(told)) as caught:
        read_quiz(ONE.replace(before, after, 1), origin="here.toml")
    assert str(caught.value.where).startswith("here.toml")


def test_a_question_needs_two_answers():
    text = ONE[: ONE.rindex("[[question.answer]]")]
    with pytest.raises(ParameterError, match="two answers or more"):
        read_quiz(text)


def test_an_unknown_topic_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match="splitting"):
        load_quiz("spliting")
