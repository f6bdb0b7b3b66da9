"""Parameters of notebooks: what a notebook declares, and which values it is run with."""

from __future__ import annotations

import ast
import io
import math
import tokenize
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from .errors import NotebookError, ParameterError, suggest

__all__ = [
    "Parameter",
    "code_cells",
    "load_preset",
    "load_presets",
    "parse_override",
    "read_notebook",
    "read_parameters",
    "resolve_parameters",
]

PRESETS = Path(__file__).with_name("presets.toml")
Value = str | int | float | bool
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """One statement of a parameters cell: name, default value, and what it means."""

    name: str
    value: Value
    comment: str


def read_notebook(path: str | Path) -> NotebookNode:
    """Read a py:percent source or an `.ipynb`.

    Raises
    ------
    NotebookError
        If the file is missing or no notebook can be read from it.
    """
    path = Path(path)
    if not path.is_file():
        near = suggest(path.stem, (found.stem for found in path.parent.glob("*.py")))
        raise NotebookError("There is no such notebook.", where=path, remedy=near)
    try:
        return jupytext.read(path)
    except Exception as error:
        raise NotebookError(
            f"This file cannot be read as a notebook ({error}).",
            where=path,
            remedy="Restore it from version control.",
        ) from error


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """Code cells of a notebook in order, without the one that papermill injects."""
    return [
        cell
        for cell in notebook.cells
        if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", [])
    ]


def read_parameters(path: str | Path) -> dict[str, Parameter]:
    """Read what a notebook declares in its parameters cell, and check it.

    Every statement must be `name = <str, int, float or bool literal>  # comment`, every
    name must be read by another cell and assigned by none.

    Parameters
    ----------
    path : path-like
        py:percent source of the notebook.

    Returns
    -------
    dict of str to Parameter
        In the order of the cell.

    Raises
    ------
    NotebookError
        Naming the cell and the line that breaks a rule.
    """
    cells = code_cells(read_notebook(path))
    tagged = [cell for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    if len(tagged) != 1:
        raise NotebookError(
            f"A notebook has exactly one cell tagged `parameters`; this one has {len(tagged)}.",
            where=path,
            remedy='Start that cell with `# %% tags=["parameters"]`.',
        )
    declared = _declarations(tagged[0].source, path)
    _check_use(declared, [cell for cell in cells if cell is not tagged[0]], path)
    return declared


def _declarations(source: str, path: str | Path) -> dict[str, Parameter]:
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    declared: dict[str, Parameter] = {}
    for statement in _tree(source, path, "the parameters cell").body:
        text = ast.get_source_segment(source, statement) or ""
        name, value = _literal(statement)
        if name is None:
            raise _broken(path, text, "is not `name = <str, int, float or bool literal>`")
        if name in declared:
            raise _broken(path, text, "declares a parameter for the second time")
        # A formatter may have wrapped the statement, and moved the comment inside.
        lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
        comment = " ".join(comments[line] for line in lines if comments.get(line))
        if not comment:
            raise _broken(path, text, "has no comment behind it")
        declared[name] = Parameter(name, value, comment)
    return declared


def _literal(statement: ast.stmt) -> tuple[str | None, Value]:
    """Name and value of `name = <plain literal>`; the name is None for all else."""
    if not isinstance(statement, ast.Assign) or len(statement.targets) != 1:
        return None, ""
    target = statement.targets[0]
    try:
        value = ast.literal_eval(statement.value)
    except ValueError:
        return None, ""
    if not isinstance(target, ast.Name) or type(value) not in (str, int, float, bool):
        return None, ""
    return target.id, value


def _broken(path: str | Path, text: str, fault: str) -> NotebookError:
    return NotebookError(
        f"In the parameters cell, `{text}` {fault}.",
        where=path,
        remedy="Write each parameter as `name = literal  # what it means`.",
    )


def _tree(source: str, path: str | Path, cell: str) -> ast.Module:
    """Syntax tree of a cell, IPython's magics included."""
    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError as error:
        raise NotebookError(
            f"There is a syntax error in {cell}: {error.msg}, line {error.lineno} of the cell.",
            where=path,
            remedy="Mend that line.",
        ) from error


def _check_use(
    declared: Mapping[str, Parameter], cells: Iterable[NotebookNode], path: str | Path
) -> None:
    read: set[str] = set()
    bound: dict[str, int] = {}
    for number, cell in enumerate(cells, start=1):
        tree = _tree(cell.source, path, f"code cell {number} (parameters not counted)")
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                read.add(node.id)
            for name in _bound_names(node):
                bound.setdefault(name, number)
    for name in declared:
        if name in bound:
            raise NotebookError(
                f"The parameter `{name}` is given another value in code cell {bound[name]} "
                "(parameters not counted).",
                where=path,
                remedy="Use another name there: a parameter keeps the value it was run with.",
            )
        if name not in read:
            raise NotebookError(
                f"The parameter `{name}` is declared and used by no other cell.",
                where=path,
                remedy="Use it or delete it.",
            )


def _bound_names(node: ast.AST) -> list[str]:
    """Names that a syntax node gives a value to."""
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.alias):
        return [(node.asname or node.name).split(".")[0]]
    if isinstance(node, ast.ExceptHandler) and node.name:
        return [node.name]
    return []


def load_presets(path: str | Path = PRESETS) -> dict[str, dict[str, object]]:
    """All presets by name."""
    with Path(path).open("rb") as file:
        return tomllib.load(file)


def load_preset(name: str, path: str | Path = PRESETS) -> dict[str, object]:
    """One preset: values for all notebooks, and one table per notebook with its own.

    Raises
    ------
    ParameterError
        If there is no preset of that name.
    """
    presets = load_presets(path)
    if name not in presets:
        raise ParameterError(
            f"There is no preset {name!r}.", where=path, remedy=suggest(name, presets)
        )
    return presets[name]


def parse_override(text: str, declared: Mapping[str, Parameter]) -> tuple[str, Value]:
    """Turn `KEY=VALUE` from a command line into a name and a value of the declared type.

    Raises
    ------
    ParameterError
        If there is no `=`, the name is not declared, or the value does not fit its type.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals:
        raise ParameterError(
            f"{text!r} is not of the form KEY=VALUE.", remedy="For example: -p images=200."
        )
    _known(name, declared, "the command line")
    kind = type(declared[name].value)
    if kind is str:
        return name, value
    try:
        parsed = _TRUTH[value.strip().lower()] if kind is bool else kind(value)
    except (KeyError, ValueError):
        raise _ill_typed(name, value, declared[name], "the command line") from None
    return name, _fitted(name, parsed, declared[name], "the command line")


def resolve_parameters(
    source: str | Path,
    preset: str = "sample",
    overrides: Mapping[str, Value] | None = None,
    *,
    presets: str | Path = PRESETS,
) -> dict[str, Value]:
    """Values that a notebook is run with: its own, then the preset's, then the overrides.

    Parameters
    ----------
    source : path-like
        py:percent source of the notebook.
    preset : str
        Name of a preset.
    overrides : mapping of str to value, optional
        Values of the right type, see `parse_override` for those of a command line.
    presets : path-like
        File of the presets.

    Returns
    -------
    dict of str to value
        One for each declared parameter.

    Raises
    ------
    ParameterError
        For an unknown preset or name, or a value of the wrong type.
    NotebookError
        If the notebook's parameters cell breaks a rule.
    """
    topic = Path(source).stem
    declared = read_parameters(source)
    table = load_preset(preset, presets)
    general = {key: value for key, value in table.items() if not isinstance(value, dict)}
    own = table.get(topic)
    own = own if isinstance(own, dict) else {}
    values = {name: parameter.value for name, parameter in declared.items()}
    origin = f"preset {preset}"
    for name, value in general.items():
        if name in declared:
            values[name] = _fitted(name, value, declared[name], origin)
    for name, value in own.items():
        _known(name, declared, f"{origin}, table {topic}")
        values[name] = _fitted(name, value, declared[name], f"{origin}, table {topic}")
    for name, value in (overrides or {}).items():
        _known(name, declared, f"parameters of {topic}")
        values[name] = _fitted(name, value, declared[name], f"parameters of {topic}")
    return values


def _known(name: str, declared: Mapping[str, Parameter], origin: str) -> None:
    if name not in declared:
        raise ParameterError(
            f"The notebook has no parameter {name!r}.", where=origin, remedy=suggest(name, declared)
        )


def _fitted(name: str, value: object, parameter: Parameter, origin: str) -> Value:
    """The value in its declared type; an int serves as a float, a bool never as an int."""
    kind = type(parameter.value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (kind is float and not math.isfinite(value)):
        raise _ill_typed(name, value, parameter, origin)
    return value


def _ill_typed(name: str, value: object, parameter: Parameter, origin: str) -> ParameterError:
    kind = type(parameter.value).__name__
    return ParameterError(
        f"The parameter {name!r} takes a value of type {kind}; {value!r} is none.",
        where=origin,
        remedy=f"Give one like {parameter.value!r} ({parameter.comment}).",
    )
