"""Numbers that were typed into prose: where they stand, and which of them may.

Prose is what a reader sees and no code computed: markdown cells, the literals of code cells (of an
f-string all but its values), hand-written pages and quizzes. What is no number of data is crossed
out first: code, mathematics, targets of links, names, places in a source, years, levels of
intervals, the ends 0 and 1 of a scale.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alllib.parameters import read_notebook

HIDDEN = "·"  # stands for what was crossed out
FENCE = r"^(?P<fence>`{3,}|~{3,}){kind}[^\n]*\n.*?^(?P=fence)"
MATHEMATICS = (
    FENCE.replace("{kind}", r"\{math\}"),
    r"\$\$.*?\$\$",
    r"(?<![\\$])\$[^$]+\$",
)
HIDING = (
    r"<!--.*?-->",
    FENCE.replace("{kind}", r"(?!\{)"),
    FENCE.replace("{kind}", r"\{(?:code|code-block|bibliography|toctree)\}"),
    r"^:[\w-]+:.*?$",  # an option of a directive
    r"^`{3,}.*?$",
    r"^\([\w-]+\)=$",
    r"\{[\w:-]+\}`[^`]*`",  # a citation, a term, a reference
    r"`[^`]*`",
    r"\]\([^)]*\)",
    r"<https?://[^>]*>",
    r"^\s*\d+\. ",  # a numbered list
)
# Numbers that are no data: parts of a name, an ordinal, a date, a level, the ends of a scale.
PLACE = "chapter|equation|figure|page|section|table|block"
ORDINAL = "class|fold|group|image|layer|pool|row|score|seed|step|stride|subject"
ONE = r"\d+(?:\.\d+)*"
NAMED = tuple(
    re.compile(pattern)
    for pattern in (
        r"C-NMC 2019",
        r"(?<![\w.])(?:[A-Za-z][A-Za-z_.-]*-?v?\d[\w.-]*)",  # VGG16, ResNet-50, L1, F1, H10
        r"\b\d+[x×]\d+(?:[x×]\d+)*\b",  # 3x3, the size of a window
        rf"\b(?i:{PLACE})s? {ONE}(?:(?:, | and | or | to |, and ){ONE})*\b(?! ?%)",
        rf"\b(?i:{ORDINAL}) \d{{1,2}}\b(?! ?%|[.,]\d)",
        r"\b(?:CC BY|Python|version) \d+(?:\.\d+)+(?: to \d+(?:\.\d+)+)?",
        r"\bdoi:10\.\S+",
        r"\b(?:1[5-9]|20)\d\ds?\b(?![,.]\d| ?%| [a-z]+s\b)",  # a year; counts have a comma
        r"\b95 %(?= (?:confidence |bootstrap )?(?:intervals?|confidence))",
        r"\*\*Reading time\*\*: about [\w-]+ minutes",
        r"(?<![\d.,/-])[01](?![\d/]|[.,]\d)(?! ?%)",
        r"\b[A-Za-zµ] = \d+(?:\.\d+)?\b(?! ?%)|\bln 2\b|\b2/\(?[A-Z]",  # mathematics
    )
)
NUMBER = re.compile(r"(?<![\w.])[-+]?[.]?\d+(?:[.,]\d+)*(?:e-?\d+)?(?: ?%)?")
_UNITS = "three|four|five|six|seven|eight|nine"
_TENS = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
WORD = (
    rf"(?:(?:{_TENS})(?:-(?:one|two|{_UNITS}))?|{_UNITS}|ten|eleven|twelve|thirteen|fourteen|fifteen"
    r"|sixteen|seventeen|eighteen|nineteen)(?: (?:hundred|thousand|million))?"
)
COUNTED = (
    "accuracies|claims|convolutions|epochs|images|mistakes|networks|numbers|papers|patients"
    "|phases|photographs|pictures|recipes|sources|studies|subjects|subtypes|systems|works"
)
COUNT = re.compile(rf"\b(?i:{WORD}) (?:(?!times)[a-z-]+ ){{0,2}}(?:{COUNTED})\b")
GIVEN = re.compile(
    r"^(?P<fence>`{3,})\{(?:exercise|solution)\}.*?^(?P=fence)", re.MULTILINE | re.DOTALL
)

# A literal that is a program or a file of settings.
PROGRAM = re.compile(
    r"^(?:import |from \w+ import |def |@\w|\w+ = |\[+\w+[\w.]*\]+$)", re.MULTILINE
)
SOLUTION = re.compile(r"(^`{3,}\{solution-(?:start|end)\}[^\n]*$)", re.MULTILINE)


@dataclass(frozen=True)
class Prose:
    """A typed text; `given` where its numbers are made up for an exercise or a quiz."""

    page: str
    text: str
    given: bool = False


def read_prose(path: Path) -> Iterator[Prose]:
    """Typed texts of a notebook's source, a hand-written page or a quiz."""
    if path.suffix == ".toml":
        yield from (Prose(f"quiz {path.stem}", text, given=True) for text in _quiz_texts(path))
    elif path.suffix == ".md":
        yield Prose(path.stem, path.read_text("utf-8"))
    else:
        yield from _notebook_texts(path)


def _quiz_texts(path: Path) -> Iterator[str]:
    for question in tomllib.loads(path.read_text("utf-8"))["question"]:
        yield question["text"]
        for answer in question["answer"]:
            yield from (answer["text"], answer["feedback"])


def _notebook_texts(path: Path) -> Iterator[Prose]:
    solving = False  # between the start and the end of a solution
    for cell in read_notebook(path).cells:
        tags = cell.metadata.get("tags", [])
        if cell.cell_type == "code" and "parameters" not in tags:
            for text in code_texts(cell.source):
                yield Prose(path.stem, text, given="solution" in tags)
        elif cell.cell_type == "markdown":
            for part in SOLUTION.split(cell.source):
                if SOLUTION.fullmatch(part):
                    solving = "-start" in part
                    continue
                yield from (Prose(path.stem, hit[0], given=True) for hit in GIVEN.finditer(part))
                yield Prose(path.stem, GIVEN.sub(" ", part), given=solving)


def code_texts(source: str) -> Iterator[str]:
    """Literals of a cell that are prose: they hold a space and are no program; values as `{}`.

    What picks an entry (`table["a b"]`, a name in a call inside an f-string) is a key, not prose.
    """
    tree = ast.parse(source)
    passed = {id(part) for node in ast.walk(tree) for part in _unread_parts(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and id(node) not in passed:
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}"
                           for part in node.values)  # fmt: skip
        elif _is_text(node) and id(node) not in passed:
            text = re.sub(r"\{[^{}]*\}", "{}", node.value)
        else:
            continue
        if re.search(r"\S\s+\S", text) and not PROGRAM.search(text):
            yield text


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _unread_parts(node: ast.AST) -> Iterator[ast.AST]:
    """Literals below a node that are no prose of their own."""
    if isinstance(node, ast.JoinedStr):
        yield from node.values  # read with their f-string
    elif isinstance(node, ast.Subscript):
        yield from ast.walk(node.slice)
    elif isinstance(node, ast.FormattedValue):
        if node.format_spec is not None:
            yield from ast.walk(node.format_spec)
        for call in ast.walk(node.value):
            if isinstance(call, ast.Call):
                yield from filter(_is_text, call.args)


def plain(text: str, *, mathematics: bool = False) -> str:
    """The text on one line, without what is not read; with `mathematics` formulas are read."""
    text = re.sub(r"\{term\}`([^`<]*[^`<\s])(?:\s*<[^>]*>)?`", r"\1", text)  # its words are read
    for pattern in (*(() if mathematics else MATHEMATICS), *HIDING):
        text = re.sub(pattern, f" {HIDDEN} ", text, flags=re.MULTILINE | re.DOTALL)
    return " ".join(text.split())


def typed_numbers(text: str) -> list[str]:
    """Numbers in digits that are no part of a name, a place, a date or a scale.

    Takes what `plain` gives.
    """
    for pattern in NAMED:
        text = pattern.sub(HIDDEN, text)
    return NUMBER.findall(text)


def typed_counts(text: str) -> list[str]:
    """Counts in words of what a registry or a source counts, such as "nine systems"."""
    return [hit[0] for hit in COUNT.finditer(text)]
