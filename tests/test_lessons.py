"""Source as pages show it."""

from __future__ import annotations

import ast

from alllib.lessons import read_source, show_source
from alllib.lessons.descent import momentum_step, plain_step
from alllib.lessons.tape import Number


def test_source_keeps_the_code_and_the_first_paragraph_alone():
    text = read_source(momentum_step, Number)
    assert '"""One step with momentum (Polyak 1964), as' in text
    assert "Parameters" not in text and "Attributes" not in text
    shown = ast.parse(text)
    kinds = [type(node).__name__ for node in shown.body]
    assert kinds == ["FunctionDef", "ClassDef"]
    names = [node.name for node in shown.body[1].body if isinstance(node, ast.FunctionDef)]
    assert names[:3] == ["__init__", "__add__", "__mul__"] and "backward" in names


def test_shown_code_does_the_same():
    found = {}
    source = read_source(plain_step)
    exec(source, {}, found)
    assert found["plain_step"](3.0, 2.0, {}, learning_rate=0.5) == (2.0, {})


def test_source_is_displayed_as_python(monkeypatch):
    seen = []
    monkeypatch.setattr("alllib.lessons.display", seen.append)
    show_source(plain_step)
    assert seen[0].data.startswith("```python\ndef plain_step(") and seen[0].data.endswith("\n```")


def long_one(first: int, second: str = "relu", *, third: float = 0.5, fourth: int = 7) -> dict:
    """A summary that is so long that it has to be broken in two where it is shown on a page.

    Parameters
    ----------
    """
    return {"all": (first, second, third, fourth)}


def short_one(value): return value  # fmt: skip


def test_long_lines_are_broken_and_mean_the_same():
    text = read_source(long_one, short_one)
    assert max(map(len, text.splitlines())) <= 76 and "----" not in text and ": int" not in text
    assert text.count("def ") == 2 and 'second="relu"' in text
    found = {}
    exec(text, found)
    assert found["long_one"](1, fourth=2) == long_one(1, fourth=2)
    assert found["short_one"](3) == 3
