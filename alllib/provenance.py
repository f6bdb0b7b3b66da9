"""Which code a result comes from: the modules behind it, their hash, the commit."""

from __future__ import annotations

import ast
import functools
import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

__all__ = ["PACKAGE", "bare_code", "code_digest", "files_below", "git_commit", "import_closure",
           "imported_names", "module_files"]  # fmt: skip

PACKAGE = Path(__file__).resolve().parent
# Modules that a training uses and that change no result of it.
ASIDE = ("__init__", "benchmarks", "checkpoints", "downloads", "errors", "files", "memory",
         "parallel", "provenance", "records")  # fmt: skip


def import_closure(cells: Iterable[str]) -> list[Path]:
    """Files of `alllib` that code uses: modules it imports, and theirs, and their data.

    A package counts with all files below it, because its registry may load any of them.

    Parameters
    ----------
    cells : iterable of str
        Source text.

    Returns
    -------
    list of pathlib.Path
        Sorted.
    """
    found: set[Path] = set()
    waiting = [name for text in cells for name in imported_names(text, "")]
    while waiting:
        for path in module_files(waiting.pop()):
            if path in found:
                continue
            found.add(path)
            if path.suffix == ".py":
                parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
                package = ".".join(parts[:-1])
                waiting += imported_names(path.read_text(encoding="utf-8"), package)
    if found:
        found.update(files_below(PACKAGE / "data"))
    return sorted(found)


def imported_names(text: str, package: str) -> list[str]:
    """Absolute dotted names within `alllib` that a text imports, members included."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        # An indented magic was the whole body of a block; the name may be anything.
        return ["alllib.*"] if "alllib" in text else []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [node.module])])
            names += [f"{base}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == PACKAGE.name]


def module_files(name: str) -> list[Path]:
    """Files behind a dotted name; the last parts may be members of a module."""
    files, place = [PACKAGE / "__init__.py"], PACKAGE
    for part in name.split(".")[1:]:
        if part == "*":
            return files + files_below(place)
        place = place / part
        if place.is_dir():
            return files + files_below(place)
        if place.with_suffix(".py").is_file():
            return [*files, place.with_suffix(".py")]
    return files


def files_below(folder: Path) -> list[Path]:
    """All files below a folder, without hidden and compiled ones."""
    return [
        path
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]


@functools.cache  # the code of a running process does not change
def code_digest(module: str) -> str:
    """Hash of the code that decides what a module computes.

    Comments, docstrings and layout do not count, nor do modules that change no result.

    Parameters
    ----------
    module : str
        Like `alllib.training`.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for path in import_closure([f"import {module}"]):
        place = path.relative_to(PACKAGE)
        if place.suffix != ".py" or place.parts[0].removesuffix(".py") in ASIDE:
            continue
        digest.update(f"{place}\n{bare_code(path.read_text('utf-8'))}\n".encode())
    return digest.hexdigest()[:16]


def bare_code(text: str) -> str:
    """Syntax tree of a module as text, without docstrings."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            del node.body[0]
    return ast.dump(tree)


def git_commit() -> str | None:
    """Commit of the checkout that this package lies in; with `+` where files differ from
    it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        # An installed copy may lie inside somebody else's checkout, whose commit is not ours.
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        head = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no", "--", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
