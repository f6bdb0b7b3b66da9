"""Pages of the book: when one must be executed again, and what it is made of."""

from __future__ import annotations

import ast
import hashlib
import html
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from .errors import NotebookError
from .files import clear_errors, hash_json, whole_file, whole_folder, workspace, write_text
from .parameters import code_cells, read_notebook, read_parameters, resolve_parameters
from .provenance import PACKAGE, files_below, import_closure, imported_names, module_files

__all__ = [
    "folder_fingerprint",
    "merge",
    "page_key",
    "records_fingerprint",
    "render",
    "toc_entries",
    "write_if_changed",
]

COMPUTE = ("keras", "numpy", "pandas", "pillow", "scikit-learn", "tensorflow", "tensorflow-cpu")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Functions that read what is kept with the book: recorded runs, studies, claims checked on them.
CITING = re.compile(
    r"\b(recorded_runs|read_study|list_studies|claim_rows|verdict_rows|run_table|forest_gap"
    r"|baseline_rows|kept_\w+)\("
)
SITE_PARTS = ("_config.yml", "_toc.yml", "book", "vendor")


def toc_entries(toc: str | Path) -> list[str]:
    """Pages that a table of contents names, in its order, the root first.

    Parameters
    ----------
    toc : path-like
        `_toc.yml` of the format `jb-book`.
    """
    entries: list[str] = []

    def walk(node: object) -> None:
        if isinstance(node, list):
            for item in node:
                walk(item)
        elif isinstance(node, dict):
            entries.extend(str(node[key]) for key in ("root", "file") if key in node)
            for value in node.values():
                walk(value)

    walk(yaml.safe_load(Path(toc).read_text(encoding="utf-8")))
    return entries


def page_key(
    source: str | Path,
    *,
    preset: str,
    data: str = "",
) -> dict[str, object]:
    """Everything that a page's outputs depend on; its prose is not among it.

    For a notebook that imports `alllib.records` itself, the records of this workspace count;
    for one that calls a function that `CITING` names, what is kept with the book.

    Parameters
    ----------
    source : path-like
        py:percent source.
    preset : str
        Name of a preset.
    data : str
        Folder of images, for a notebook with a parameter `data`; empty for none.

    Returns
    -------
    dict
        Plain values, fit for JSON.
    """
    declared = read_parameters(source)
    overrides = {"data": data} if data and "data" in declared else {}
    cells = [cell.source for cell in code_cells(read_notebook(source))]
    files = import_closure(cells)
    # Only a notebook that imports it itself lists records; most modules merely know their form.
    direct = [path for cell in cells for n in imported_names(cell, "") for path in module_files(n)]
    lists_records = PACKAGE / "records.py" in direct
    cites_records = any(CITING.search(cell) for cell in cells)
    shows_speeds = any("list_machines(" in cell for cell in cells)
    records = ""
    if lists_records or cites_records:
        records = records_fingerprint(workspace(), own=lists_records)
    return {
        "code": hash_json(cells),
        "package": {str(path.relative_to(PACKAGE)): _hash_file(path) for path in files},
        "parameters": resolve_parameters(source, preset, overrides),
        "data": folder_fingerprint(data) if overrides else "",
        "records": records,
        "speeds": speeds_fingerprint(workspace()) if shows_speeds else "",
        "versions": _versions(),
    }


def _hash_file(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _versions() -> dict[str, str]:
    """Versions of what computes; packages that are not installed are left out."""
    versions = {"python": ".".join(map(str, sys.version_info[:2]))}
    for name in COMPUTE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def folder_fingerprint(folder: str | Path) -> str:
    """SHA-256 over the names, sizes and times of change of all files below a folder.

    Raises
    ------
    NotebookError
        If there is no such folder.
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotebookError(
            "The folder of images does not exist.",
            where=root,
            remedy="Give the folder that holds the images, as in `make book DATA=<folder>`.",
        )
    rows = []
    for place, folders, files in os.walk(root, followlinks=True):
        folders.sort()
        for name in sorted(files):
            path = Path(place) / name
            state = path.lstat()
            rows.append([str(path.relative_to(root)), state.st_size, state.st_mtime_ns])
    return hash_json(rows)


def records_fingerprint(space: str | Path, *, own: bool = True) -> str:
    """SHA-256 over the records of a workspace that no page makes.

    These are the recorded runs and studies (`results/`) and the runs of `alllib train` in
    `runs/`, which have no preset. What pages train follows from their own keys, and would
    change this one while the book is built.

    Parameters
    ----------
    space : path-like
        Folder of `results/` and `runs/`.
    own : bool
        Count those of `runs/` too.
    """
    found = sorted(Path(space).glob("results/[!.]*"))
    folders = [path for path in found if path.is_dir() and path.name != "benchmarks"]
    if own:
        folders += [p for p in sorted(Path(space).glob("runs/[!.]*")) if _made_by_hand(p)]
    rows = [
        [str(path.relative_to(space)), _hash_file(path)]
        for folder in folders
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix != ".keras"  # no table or figure reads a network
    ]
    return hash_json(rows)


def speeds_fingerprint(space: str | Path) -> str:
    """SHA-256 over the recorded speed figures of a workspace."""
    paths = sorted(Path(space).glob("results/benchmarks/[!.]*.json"))
    return hash_json([[path.name, _hash_file(path)] for path in paths])


def _made_by_hand(folder: Path) -> bool:
    """Whether a folder is a record without a preset; what cannot be read is none."""
    try:
        run = json.loads((folder / "run.json").read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(run, dict) and run.get("preset") is None


def write_if_changed(path: str | Path, text: str) -> bool:
    """Write a text unless the file holds it already, so that its time tells of change."""
    path = Path(path)
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def merge(executed: str | Path, source: str | Path, out: str | Path) -> None:
    """Put the outputs of an executed notebook into the current prose of its source.

    The parameters cell shows the values that were used. Of a folder that was given as a
    parameter, the page shows the name alone, because its place is of one machine only.

    Raises
    ------
    NotebookError
        If the code is no longer the code that was executed.
    """
    done = nbformat.read(executed, as_version=4)
    page = read_notebook(source)
    new, old = code_cells(page), code_cells(done)
    if [cell.source for cell in new] != [cell.source for cell in old]:
        raise NotebookError(
            "The code of this notebook is not the code that was executed.",
            where=source,
            remedy=f"Delete {executed} and build again.",
        )
    stamp = done.metadata.get("alllib", {})
    places = _absolute_folders(stamp.get("parameters", {}))
    stamp = _without_places(stamp, places)
    for cell, ran in zip(new, old, strict=True):
        outputs = _without_places(ran.outputs, places)
        cell.outputs, cell.execution_count = _with_captions(cell, outputs), ran.execution_count
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = _with_values(cell.source, stamp.get("parameters", {}))
    if stamp:
        page.cells.append(nbformat.v4.new_markdown_cell(_provenance(stamp)))
    for index, cell in enumerate(page.cells):
        cell["id"] = hashlib.sha256(f"{Path(source).stem}/{index}".encode()).hexdigest()[:12]
    page.metadata = NotebookNode(
        kernelspec=done.metadata.get("kernelspec", {}),
        language_info=done.metadata.get("language_info", {}),
        alllib=stamp,
    )
    with whole_file(out) as partial:
        nbformat.write(page, partial)


def _with_captions(cell: NotebookNode, outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Outputs without the captions that `alllib.figures.show` displays below its figures:
    here they become the numbered caption, and the alternative text that of the image."""
    for output in outputs:
        told = output.get("metadata", {}).get("image/png", {})
        if "alt" in told:
            cell.metadata["mystnb"] = {
                "image": {"alt": told["alt"], "width": f"{told['width']}px"},
                "figure": {"caption": told["caption"]},
            }
    kept = [output for output in outputs if output.get("name") != "stderr"]  # notices, bars
    return [output for output in kept if output.get("metadata", {}).get("alllib") != "caption"]


def _absolute_folders(values: Mapping[str, object]) -> dict[str, str]:
    """Absolute paths among values, as texts and pages write them, with the last name of each."""
    paths = {value for value in values.values() if isinstance(value, str)}
    paths = {path.rstrip("/") for path in paths if os.path.isabs(path) and path.strip("/")}
    shown = {path: Path(path).name for path in sorted(paths, key=len, reverse=True)}
    return shown | {html.escape(path): html.escape(name) for path, name in shown.items()}


def _without_places(node: Any, places: Mapping[str, str]) -> Any:
    """A tree of plain values in which each place of this machine is its last name alone."""
    if isinstance(node, str):
        for path, name in places.items():
            node = re.sub(rf"(?<![\w.-]){re.escape(path)}(?![\w-])", lambda _, n=name: n, node)
        return node
    if isinstance(node, list):
        return [_without_places(item, places) for item in node]
    if isinstance(node, dict):
        binary = ("image/png", "image/jpeg")  # base64 has slashes of its own
        changed = {
            key: value if key in binary and isinstance(value, str)
            else _without_places(value, places)
            for key, value in node.items()
        }  # fmt: skip
        return nbformat.from_dict(changed)
    return node


def _with_values(source: str, values: Mapping[str, object]) -> str:
    """The parameters cell with the literals replaced by the values that were used."""
    lines = source.splitlines()
    for statement in reversed(ast.parse(source).body):
        name = statement.targets[0].id
        if name not in values or ast.literal_eval(statement.value) == values[name]:
            continue
        first, last = statement.value.lineno - 1, statement.value.end_lineno - 1
        before = lines[first].encode()[: statement.value.col_offset].decode()
        after = lines[last].encode()[statement.value.end_col_offset :].decode()
        lines[first : last + 1] = [before + repr(values[name]) + after]
    return "\n".join(lines)


def _provenance(stamp: Mapping[str, object]) -> str:
    commit = f", commit {str(stamp['commit'])[:10]}" if stamp.get("commit") else ""
    return (
        f"---\n\n*Executed on {str(stamp['date'])[:10]} in {stamp['seconds']:.0f} s with the "
        f"preset `{stamp['preset']}` (alllib {stamp['alllib']}{commit}, "
        f"Python {stamp['python']}).*"
    )


def render(root: str | Path, site: str | Path, html: str | Path) -> None:
    """Render the book from nothing; the former one is replaced only by a whole new one.

    Parameters
    ----------
    root : path-like
        Folder of `_config.yml`, `_toc.yml`, `book/` and `vendor/`.
    site : path-like
        Folder of the site's source, which holds the merged notebooks.
    html : path-like
        Folder that the pages go to.

    Raises
    ------
    NotebookError
        If Jupyter Book fails or warns, or a page of the contents is missing.
    """
    root, site, html = Path(root), Path(site).resolve(), Path(html).resolve()
    _copy_parts(root, site)
    entries = toc_entries(site / "_toc.yml")
    build = site.parent / "render"
    shutil.rmtree(build, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build"]
    command += [str(site), "-W", "-n", "--keep-going", "--path-output", str(build)]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "NO_COLOR": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    made = build / "_build" / "html"
    missing = [entry for entry in entries if not (made / f"{entry}.html").is_file()]
    if done.returncode or missing:
        raise _render_failed(done.stderr + done.stdout, missing)
    with whole_folder(html) as partial:
        shutil.copytree(made, partial, dirs_exist_ok=True)
    shutil.rmtree(build, ignore_errors=True)


def _render_failed(log: str, missing: list[str]) -> NotebookError:
    lines = [_COLOUR.sub("", line) for line in log.splitlines()]
    told = [line for line in lines if "WARNING" in line or "ERROR" in line]
    told += [f"no page was made for the entry {entry}" for entry in missing]
    return NotebookError(
        "The book could not be rendered without a warning:\n"
        + "\n".join("    " + line for line in told or lines[-15:]),
        remedy="Mend the prose that the lines name, and build again; no notebook runs again.",
    )


def _copy_parts(root: Path, site: Path) -> None:
    """Copy the hand-written parts where their bytes differ; drop what is gone."""
    wanted = {
        path.relative_to(root): path
        for part in SITE_PARTS
        for path in ([root / part] if (root / part).is_file() else files_below(root / part))
    }
    with clear_errors(site):
        for place in files_below(site):
            name = place.relative_to(site)
            if name not in wanted and name.parts[0] in SITE_PARTS:
                place.unlink()
        for name, path in wanted.items():
            place = site / name
            if not place.is_file() or place.read_bytes() != path.read_bytes():
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)
        pages = {f"{entry}.ipynb" for entry in toc_entries(root / "_toc.yml")}
        for place in (site / "notebooks").glob("*.ipynb"):
            if f"notebooks/{place.name}" not in pages:
                place.unlink()
