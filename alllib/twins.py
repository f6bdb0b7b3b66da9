"""Twins: the `.ipynb` of each notebook for Colab, in plain Markdown and without outputs."""

from __future__ import annotations

import functools
import hashlib
import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import nbformat
import yaml
from nbformat import NotebookNode

from .colab import Repository, install_cell, read_repository
from .errors import DependencyError, NotebookError, suggest
from .files import write_text
from .parameters import read_notebook

__all__ = ["Surroundings", "plain_markdown", "twin", "write_twins"]

_FENCE = re.compile(r"^(?P<fence>:{3,}|`{3,})(?:\{(?P<name>[\w:-]+)\}(?P<title>.*))?")
_OPTION = re.compile(r"^:([\w-]+):\s*(.*)$")
_ROLE = re.compile(r"\{([\w:+-]+)\}`([^`]+)`")
_TARGET = re.compile(r"^\([\w.:-]+\)=\s*$")
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)")
_LABELLED = re.compile(r"^\$\$ *\([\w.:-]+\)[ \t]*$", re.MULTILINE)
_BOXES = {
    "admonition", "attention", "caution", "danger", "error", "hint", "important", "note",
    "seealso", "tip", "warning",
}  # fmt: skip
_SILENT = {"bibliography", "exercise-end", "solution-end", "tableofcontents"}


@dataclass(frozen=True)
class Surroundings:
    """What the prose of a notebook refers to, as far as it lies outside the notebook.

    Attributes
    ----------
    repository : Repository
        Where the linked pages lie on the network.
    bibliography : tuple of pathlib.Path
        BibTeX files.
    folder : str
        Folder of the notebook below the root of the repository.
    """

    repository: Repository
    bibliography: tuple[Path, ...] = ()
    folder: str = "notebooks"

    @classmethod
    def read(cls, config: str | Path) -> Surroundings:
        """From the book's `_config.yml`."""
        settings = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
        files = settings.get("bibtex_bibfiles") or []
        return cls(read_repository(config), tuple(Path(config).parent / name for name in files))

    def address(self, target: str) -> str:
        """Address on the network of what a relative link names; any other link as it is."""
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or not parts.path:
            return target
        path = posixpath.normpath(posixpath.join(self.folder, parts.path))
        stem, suffix = posixpath.splitext(path)
        if suffix in ("", ".py", ".md", ".ipynb"):
            path = stem + (".ipynb" if path.startswith(f"{self.folder}/") else ".md")
        return self.repository.page(path) + (f"#{parts.fragment}" if parts.fragment else "")

    @functools.cached_property
    def _entries(self) -> dict[str, Any]:
        try:
            from pybtex.database import parse_file
        except ImportError as error:
            raise DependencyError(
                "The package pybtex is needed to name the authors of a citation.",
                remedy="Install the extra `book`: pip install 'alllib[book]'.",
            ) from error
        return {key: e for f in self.bibliography for key, e in parse_file(f).entries.items()}

    def source(self, key: str) -> tuple[str, str]:
        """Authors and year of a source, such as `Mir and Un Nissa` and `2019`.

        Raises
        ------
        NotebookError
            When the bibliography has no such key.
        """
        if key not in self._entries:
            raise NotebookError(
                f"The source {key!r} is cited and not in the bibliography.",
                where=", ".join(map(str, self.bibliography)) or "no file",
                remedy=suggest(key, self._entries),
            )
        entry = self._entries[key]
        people = entry.persons.get("author") or entry.persons.get("editor") or []
        names = [_family(person) for person in people]
        if len(names) > 2 or "others" in names:
            names = [f"{names[0]} et al."]
        return " and ".join(names) or key, entry.fields.get("year", "no year")


def _family(person: Any) -> str:
    return " ".join(str(part) for part in [*person.rich_prelast_names, *person.rich_last_names])


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
    around = Surroundings.read(folder.parent / "_config.yml")
    written = []
    for source in sorted(folder.glob("*.py")):
        path, text = source.with_suffix(".ipynb"), twin(source, around)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
            written.append(path)
    return written


def twin(source: str | Path, around: Surroundings) -> str:
    """Text of a notebook's twin; the same for the same source.

    Parameters
    ----------
    source : path-like
        py:percent source.
    around : Surroundings
        The repository that the first cell installs the package from and links lead to, and
        the bibliography.

    Raises
    ------
    NotebookError
        When a source is cited that the bibliography lacks.
    DependencyError
        When a source is cited and pybtex is not installed.
    """
    notebook = read_notebook(source)
    first = nbformat.v4.new_code_cell(install_cell(around.repository.url))
    first.metadata["tags"] = ["remove-cell", "colab"]
    cells = [first, *notebook.cells]
    for index, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{Path(source).stem}/{index}".encode()).hexdigest()[:12]
        if cell.cell_type == "markdown":
            cell.source = plain_markdown(cell.source, around)
        elif cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            if "solution" in cell.metadata.get("tags", []):  # folded until the reader asks
                cell.metadata |= {"cellView": "form", "jupyter": {"source_hidden": True}}
    metadata = {
        "colab": {"provenance": []},
        "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
        "language_info": {"name": "python"},
    }
    made = NotebookNode(nbformat=4, nbformat_minor=5, metadata=metadata, cells=cells)
    return nbformat.writes(made).rstrip("\n") + "\n"


def plain_markdown(text: str, around: Surroundings) -> str:
    """Turn MyST's directives and roles into what any Markdown reader shows anywhere."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_plain(text.splitlines(), around))).strip()


def _plain(lines: list[str], around: Surroundings) -> list[str]:
    out: list[str] = []
    index = 0
    while index < len(lines):
        found = _FENCE.match(lines[index])
        if found is None:
            end = index + 1
            while end < len(lines) and lines[end].strip() and not _FENCE.match(lines[end]):
                end += 1
            kept = [x for x in lines[index:end] if not (_TARGET.match(x) or x.startswith("% "))]
            # A paragraph at once: a link or role may go over the end of a line.
            out += _inline("\n".join(kept), around).split("\n") if kept else []
            index = end
            continue
        end = _closing(lines, index, found["fence"])
        if found["name"] is None:
            out += lines[index : end + 1]
        else:
            title, inner = found["title"].strip(), lines[index + 1 : end]
            out += _directive(found["name"], title, inner, around)
        index = end + 1
    return out


def _closing(lines: list[str], start: int, fence: str) -> int:
    """Index of the line that closes a fence, or of the last one."""
    for index in range(start + 1, len(lines)):
        text = lines[index].strip()
        if text and set(text) == {fence[0]} and len(text) >= len(fence):
            return index
    return len(lines) - 1 if len(lines) > start + 1 else start


def _directive(name: str, title: str, lines: list[str], around: Surroundings) -> list[str]:
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
    if name in ("figure", "image"):
        path = around.address(title)
        path += "?raw=true" if path != title else ""  # the picture, not the page about it
        return ["", *_figure(path, options, _plain(lines, around)), ""]
    body, title = _plain(lines, around), _inline(title, around)
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
    "solution": lambda title, options, body: _hidden("Solution", body),
    "solution-start": lambda title, options, body: ["**Solution**", "", *body],
}


def _inline(text: str, around: Surroundings) -> str:
    text = _LINK.sub(lambda found: _linked(found[1], found[2], around), text)
    text = _ROLE.sub(lambda found: _role(found[1], found[2], around), text)
    return _LABELLED.sub("$$", text)


def _linked(text: str, target: str, around: Surroundings) -> str:
    """A link that leads somewhere from anywhere; a label of the book leads nowhere here."""
    text = text or _words(target)
    return text if target.startswith("#") else f"[{text}]({around.address(target)})"


def _cited(name: str, keys: str, around: Surroundings) -> str:
    """`Author and Author (year)`, or in brackets `(Author and Author, year)`."""
    sources = [around.source(key.strip()) for key in keys.split(",")]
    if name in ("cite:t", "cite:ts", "cite:ct"):
        return "; ".join(f"{authors} ({year})" for authors, year in sources)
    return "(" + "; ".join(f"{authors}, {year}" for authors, year in sources) + ")"


def _role(name: str, text: str, around: Surroundings) -> str:
    if name.startswith("cite"):
        return _cited(name, text, around)
    if name == "math":
        return f"${text}$"
    if name in ("sub", "sup"):
        return f"<{name}>{text}</{name}>"
    if name == "eq":
        return "the equation"
    titled = re.match(r"(.*?)\s*<[^<>]*>$", text)
    if name == "numref":
        return "the figure" if titled is None or "%" in titled[1] else titled[1]
    if name == "doc":
        title, target = (titled[1], text[titled.end(1) :].strip(" <>")) if titled else ("", text)
        return _linked(title, target, around)
    if titled:
        return titled[1]
    return _words(text) if name in ("ref", "prf:ref") else text


def _words(target: str) -> str:
    """A readable name for a page or label: `../book/running.md` becomes `running`."""
    name = target.rsplit("/", 1)[-1].removeprefix("#").split(".")[0]
    return re.sub(r"[-_]", " ", name)
