"""Twins: the `.ipynb` of each notebook for Colab, in plain Markdown and without outputs."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from .colab import install_cell, repository_address
from .files import write_text
from .parameters import read_notebook

__all__ = ["plain_markdown", "twin", "write_twins"]

_FENCE = re.compile(r"^(?P<fence>:{3,}|`{3,})(?:\{(?P<name>[\w:-]+)\}(?P<title>.*))?")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_ROLE = re.compile(r"\{([\w:+-]+)\}`([^`]+)`")
_TARGET = re.compile(r"^\([\w.:-]+\)=\s*$")
_BARE_LINK = re.compile(r"(?<!!)\[\]\(([^)]+)\)")
_LABELLED = re.compile(r"^\$\$ *\([\w.:-]+\)\s*$")
_BOXES = {
    "admonition", "attention", "caution", "danger", "error", "hint", "important", "note",
    "seealso", "tip", "warning",
}  # fmt: skip
_SILENT = {"bibliography", "exercise-end", "solution-end", "tableofcontents"}


def write_twins(folder: str | Path) -> list[Path]:
    """Write the twin of every notebook source in a folder, where it is not up to date.

    Parameters
    ----------
    folder : path-like
        Folder of the `.py` sources; `_config.yml` lies beside it.

    Returns
    -------
    list of pathlib.Path
        The files that were written anew.
    """
    folder = Path(folder)
    repository = repository_address(folder.parent / "_config.yml")
    written = []
    for source in sorted(folder.glob("*.py")):
        path, text = source.with_suffix(".ipynb"), twin(source, repository)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            written.append(path)
    return written


def twin(source: str | Path, repository: str) -> str:
    """Text of a notebook's twin; the same for the same source.

    Parameters
    ----------
    source : path-like
        py:percent source.
    repository : str
        Address that the first cell installs the package from.
    """
    notebook = read_notebook(source)
    first = nbformat.v4.new_code_cell(install_cell(repository))
    first.metadata["tags"] = ["remove-cell", "colab"]
    cells = [first, *notebook.cells]
    for index, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{Path(source).stem}/{index}".encode()).hexdigest()[:12]
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    metadata = {
        "colab": {"provenance": []},
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    made = NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)
    return nbformat.writes(made).rstrip("\n") + "\n"


def plain_markdown(text: str) -> str:
    """Turn MyST's directives and roles into what any Markdown reader shows."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_plain(text.splitlines()))).strip()


def _plain(lines: list[str]) -> list[str]:
    out: list[str] = []
    index = 0
    while index < len(lines):
        found = _FENCE.match(lines[index])
        if found is None:
            if not _TARGET.match(lines[index]) and not lines[index].startswith("% "):
                out.append(_inline(lines[index]))
            index += 1
            continue
        end = _closing(lines, index, found["fence"])
        if found["name"] is None:
            out += lines[index : end + 1]
        else:
            out += _directive(found["name"], found["title"].strip(), lines[index + 1 : end])
        index = end + 1
    return out


def _closing(lines: list[str], start: int, fence: str) -> int:
    """Index of the line that closes a fence, or of the last one."""
    for index in range(start + 1, len(lines)):
        text = lines[index].strip()
        if text and set(text) == {fence[0]} and len(text) >= len(fence):
            return index
    return len(lines) - 1 if len(lines) > start + 1 else start


def _directive(name: str, title: str, lines: list[str]) -> list[str]:
    options: dict[str, str] = {}
    while lines and (found := _OPTION.match(lines[0])):
        options[found[1]] = found[2]
        lines = lines[1:]
    if name in _SILENT:
        return []
    if name == "math":
        return ["$$", *lines, "$$"]
    if name in ("code", "code-block", "code-cell", "sourcecode"):
        return [f"```{title}", *lines, "```"]
    body, title = _plain(lines), _inline(title)
    if name in _BOXES:
        quoted = [f"**{title if name == 'admonition' else name.capitalize()}**", ""]
        quoted += [title, *body] if title and name != "admonition" else body
        return ["", *(f"> {line}".rstrip() for line in quoted), ""]
    return ["", *_BLOCKS.get(name, _titled)(title, options, body), ""]


def _titled(title: str, options: dict[str, str], body: list[str]) -> list[str]:
    return [f"**{title}**", "", *body] if title else body


def _exercise(title: str, options: dict[str, str], body: list[str]) -> list[str]:
    return [f"### Exercise: {title}" if title else "### Exercise", "", *body]


def _hidden(summary: str, body: list[str]) -> list[str]:
    return ["<details>", f"<summary>{summary}</summary>", "", *body, "", "</details>"]


def _figure(path: str, options: dict[str, str], body: list[str]) -> list[str]:
    return [f"![{options.get('alt', '')}]({path})", "", *body]


_BLOCKS: dict[str, Callable[[str, dict[str, str], list[str]], list[str]]] = {
    "dropdown": lambda title, options, body: _hidden(title or "More", body),
    "exercise": _exercise,
    "exercise-start": _exercise,
    "figure": _figure,
    "image": _figure,
    "solution": lambda title, options, body: _hidden("Solution", body),
    "solution-start": lambda title, options, body: ["**Solution**", "", *body],
}


def _inline(line: str) -> str:
    line = _ROLE.sub(lambda found: _role(found[1], found[2]), line)
    line = _BARE_LINK.sub(lambda found: _words(found[1]), line)
    return "$$" if _LABELLED.match(line) else line


def _role(name: str, text: str) -> str:
    if name.startswith("cite"):
        return f"[{text}]"
    if name == "math":
        return f"${text}$"
    if name in ("sub", "sup"):
        return f"<{name}>{text}</{name}>"
    if name == "eq":
        return "the equation"
    titled = re.match(r"(.*?)\s*<[^<>]*>$", text)
    if name == "numref":
        return "the figure" if titled is None or "%" in titled[1] else titled[1]
    if titled:
        return titled[1]
    return _words(text) if name in ("doc", "ref", "prf:ref") else text


def _words(target: str) -> str:
    """A readable name for a page or label: `../book/running.md` becomes `running`."""
    name = target.rsplit("/", 1)[-1].removeprefix("#").split(".")[0]
    return re.sub(r"[-_]", " ", name)
