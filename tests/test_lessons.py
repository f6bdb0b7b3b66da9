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
    source = read_source(plain_step).replace(": np.ndarray", "").replace(": Memory", "")
    exec(source, found)  # our own source
    assert found["plain_step"](3.0, 2.0, {}, learning_rate=0.5) == (2.0, {})


def test_source_is_displayed_as_python(monkeypatch):
    seen = []
    monkeypatch.setattr("alllib.lessons.display", seen.append)
    show_source(plain_step)
    assert seen[0].data.startswith("```python\ndef plain_step(") and seen[0].data.endswith("\n```")
