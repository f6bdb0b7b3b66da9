"""What the chapters build from scratch: small functions that are taught, shown and tested."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown, display

__all__ = ["read_source", "show_source"]


def read_source(*functions: Callable | type) -> str:
    """Source of functions or classes, each docstring cut down to its first paragraph.

    Parameters
    ----------
    *functions : callable or type
        Written in Python.

    Returns
    -------
    str
        In the order given, with two blank lines between.
    """
    return "\n\n\n".join(
        _shorten(textwrap.dedent(inspect.getsource(function))).strip() for function in functions
    )


def _shorten(source: str) -> str:
    lines = source.splitlines()
    found = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node)
    ]
    for node in sorted(found, key=lambda node: -node.lineno):
        first = node.body[0]
        summary = " ".join(ast.get_docstring(node).split("\n\n")[0].split())
        told = f'{" " * first.col_offset}"""{summary}"""'
        lines[first.lineno - 1 : first.end_lineno] = [told]
    return "\n".join(lines)


def show_source(*functions: Callable | type) -> None:
    """Display the source of functions or classes as a block of Python, see `read_source`."""
    display(Markdown(f"```python\n{read_source(*functions)}\n```"))
