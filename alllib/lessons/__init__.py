"""What the chapters build from scratch: small functions that are taught, shown and tested."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable

from IPython.display import Markdown, display

__all__ = ["read_source", "show_source"]

WIDTH = 76  # characters of a line that a page shows without scrolling


def read_source(*functions: Callable | type) -> str:
    """Source of functions or classes as a page shows it: each docstring cut down to its first
    paragraph, and without annotations.

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
    """The source with short docstrings, each signature written anew."""
    lines = source.splitlines()
    kinds = (ast.FunctionDef, ast.ClassDef)
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    for node in sorted(found, key=lambda node: -node.lineno):
        first = node.body[0]
        text = ast.get_docstring(node)
        if text:
            lines[first.lineno - 1 : first.end_lineno] = _summary(text, first.col_offset)
        if isinstance(node, ast.FunctionDef) and first.lineno > node.lineno:
            lines[node.lineno - 1 : first.lineno - 1] = _signature(node)
    return "\n".join(lines)


def _summary(text: str, indent: int) -> list[str]:
    """A docstring of the first paragraph alone."""
    said = " ".join(text.split("\n\n")[0].split())
    parts = textwrap.wrap(f'"""{said}', WIDTH - indent - 3, break_on_hyphens=False)
    return [" " * indent + part for part in [*parts[:-1], parts[-1] + '"""']]


def _signature(node: ast.FunctionDef) -> list[str]:
    """First lines of a function, without annotations."""
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    start = " " * node.col_offset + f"def {node.name}("
    whole = f"{start}{ast.unparse(node.args)}):".replace("'", '"')
    if len(whole) <= WIDTH:
        return [whole]
    return textwrap.wrap(whole, WIDTH, subsequent_indent=" " * len(start))


def show_source(*functions: Callable | type) -> None:
    """Display the source of functions or classes as a block of Python, see `read_source`."""
    display(Markdown(f"```python\n{read_source(*functions)}\n```"))
