"""Quizzes of the chapters: questions with feedback for each answer, without a kernel.

A quiz is data, `alllib/quizzes/<topic>.toml`. It is shown in plain HTML whose parts unfold, so it
works in the rendered book, in JupyterLab and on Colab alike, with a keyboard and without scripts.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from html import escape
from importlib.resources import files as package_files

from IPython.display import HTML, display

from .errors import ParameterError, suggest

__all__ = ["Answer", "Question", "list_quizzes", "load_quiz", "quiz_html", "read_quiz", "show_quiz"]


@dataclass(frozen=True)
class Answer:
    """One answer: its text, whether it is right, and what is said of it."""

    text: str
    right: bool
    feedback: str


@dataclass(frozen=True)
class Question:
    """A question and two answers or more, of which one or more are right."""

    text: str
    answers: tuple[Answer, ...]


def list_quizzes() -> list[str]:
    """Topics that have a quiz, sorted."""
    folder = package_files("alllib") / "quizzes"
    names = (entry.name for entry in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_quiz(topic: str) -> list[Question]:
    """Questions of a topic.

    Parameters
    ----------
    topic : str
        Name of a notebook.

    Returns
    -------
    list of Question

    Raises
    ------
    ParameterError
        When the topic has no quiz, or its file is wrong.
    """
    if topic not in list_quizzes():
        raise ParameterError(
            f"There is no quiz {topic!r}.", where="topic", remedy=suggest(topic, list_quizzes())
        )
    text = (package_files("alllib") / "quizzes" / f"{topic}.toml").read_text("utf-8")
    return read_quiz(text, origin=f"{topic}.toml")


def read_quiz(text: str, *, origin: str = "the quiz") -> list[Question]:
    """Questions of a TOML text: `[[question]]` with `text`, and `[[question.answer]]` with
    `text`, `right` and `feedback`.

    Raises
    ------
    ParameterError
        When it is no TOML, a key is missing, unknown or ill-typed, a question has fewer than two
        answers or none that is right, or an answer stands twice.
    """
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(
            f"The quiz is no TOML ({error}).", where=origin, remedy="Mend the line that it names."
        ) from error
    _check(whole, {"question": list}, origin)
    return [
        _question(entry, f"{origin}: question {number}")
        for number, entry in enumerate(whole["question"], start=1)
    ]


def _question(entry: dict, place: str) -> Question:
    _check(entry, {"text": str, "answer": list}, place)
    for given in entry["answer"]:
        _check(given, {"text": str, "right": bool, "feedback": str}, place)
    answers = tuple(Answer(**given) for given in entry["answer"])
    texts = {answer.text for answer in answers}
    if len(answers) < 2 or len(texts) < len(answers) or not any(a.right for a in answers):
        raise ParameterError(
            "A question needs two answers or more, each of its own, and one that is right.",
            where=place,
            remedy="Add an answer, or mark the right one with `right = true`.",
        )
    return Question(entry["text"], answers)


def _check(table: dict, wanted: dict[str, type], place: str) -> None:
    for key, kind in wanted.items():
        if type(table.get(key)) is not kind or not (kind is bool or table[key]):
            raise ParameterError(
                f"{key!r} is missing or no {kind.__name__}.", where=place, remedy=f"Give `{key}`."
            )
    for key in table:
        if key not in wanted:
            raise ParameterError(
                f"{key!r} is not known here.", where=place, remedy=suggest(key, wanted)
            )


def quiz_html(questions: list[Question]) -> str:
    """The quiz as HTML: each answer unfolds and says whether it is right, and why.

    Text in backticks is set as code; everything else is escaped.
    """
    items = []
    for question in questions:
        answers = "".join(_answer_html(answer) for answer in question.answers)
        items.append(f"<li><p>{_marked(question.text)}</p>{answers}</li>")
    return f'<div class="quiz"><ol>{"".join(items)}</ol></div>'


def _answer_html(answer: Answer) -> str:
    verdict = "&#10003; Right." if answer.right else "&#10007; Not so."
    return (
        f'<details style="margin:0.2em 0 0.2em 1em"><summary>{_marked(answer.text)}</summary>'
        f'<p style="margin:0.2em 0 0.6em 1.2em"><strong>{verdict}</strong> '
        f"{_marked(answer.feedback)}</p></details>"
    )


def _marked(text: str) -> str:
    parts = escape(text, quote=False).split("`")
    return "".join(f"<code>{p}</code>" if n % 2 else p for n, p in enumerate(parts))


def show_quiz(topic: str) -> None:
    """Display the quiz of a topic.

    Raises
    ------
    ParameterError
        See `load_quiz`.
    """
    display(HTML(quiz_html(load_quiz(topic))))
