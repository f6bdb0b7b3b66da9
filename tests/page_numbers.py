"""Numbers that a page prints, and whether they are those that are expected there.

Expected is a list of values in the order of the text. A value fits a printed number when it
lies within half a unit of its last printed digit; a share fits a per cent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup

# A date, a commit after its word, or a number with its sign, separators and per cent.
TOKEN = re.compile(
    r"\d{4}-\d{2}-\d{2}|(?<=commit )[0-9a-f]{7}"
    r"|(?:(?<![^\s(])[+-])?\d+(?:,\d{3})*(?:\.\d+)?%?"
)
Value = float | int | str


@dataclass(frozen=True)
class Said:
    """A sentence with `phrase` has these numbers, in order."""

    phrase: str
    values: Sequence[Value]


@dataclass(frozen=True)
class Listed:
    """A list, parted by semicolons: each part begins with a name and has its numbers."""

    phrase: str
    parts: Sequence[tuple[str, Sequence[Value]]]


@dataclass(frozen=True)
class Page:
    """What an executed page shows: tables by caption, and texts."""

    tables: dict[str, list[dict[str, str]]]
    texts: list[str]


@dataclass
class Expected:
    """Rows of each table, by caption, and what sentences say; names may hold digits."""

    tables: dict[str, list[dict[str, str | Sequence[Value]]]] = field(default_factory=dict)
    said: list[Said | Listed] = field(default_factory=list)
    names: set[str] = field(default_factory=set)


def read_page(path: Path) -> Page:
    """Tables, computed sentences, captions and alternative texts of an executed notebook."""
    tables, texts = {}, []
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", []):
            data, note = output.get("data", {}), output.get("metadata", {})
            if "text/html" in data:
                tables.update(_read_table(data["text/html"]))
            elif "image/png" in data:
                texts.append(note["image/png"]["alt"])
            elif data:
                texts.append(data.get("text/markdown") or data["text/plain"])
            else:
                texts.append(output.get("text", ""))
    return Page(tables, texts)


def _read_table(html: str) -> dict[str, list[dict[str, str]]]:
    found = {}
    for table in BeautifulSoup(html, "html.parser").find_all("table"):
        heads = [cell.get_text(strip=True) for cell in table.thead.find_all("th")]
        rows = [[cell.get_text(strip=True) for cell in row.find_all("td")]
                for row in table.tbody.find_all("tr")]  # fmt: skip
        found[table.caption.get_text(strip=True)] = [
            dict(zip(heads, row, strict=True)) for row in rows
        ]
    return found


def blank_names(text: str, names: Iterable[str]) -> str:
    """The text with names crossed out, so that every digit left is one of a number."""
    pattern = _any_of(frozenset(filter(None, names)))
    return pattern.sub(lambda hit: "·" * len(hit[0]), text) if pattern else text


@lru_cache
def _any_of(names: frozenset[str]) -> re.Pattern | None:
    longest = sorted(map(re.escape, names), key=len, reverse=True)
    return re.compile(rf"(?<![\w.-])(?:{'|'.join(longest)})(?![\w-])") if names else None


def tokens(text: str, names: Iterable[str] = ()) -> list[str]:
    return TOKEN.findall(blank_names(text, names))


def fits(token: str, value: Value) -> bool:
    """Whether a printed number is this value, as far as it has digits."""
    if isinstance(value, str):
        return token == value
    plain = token.rstrip("%").replace(",", "")
    if not re.fullmatch(r"[+-]?[\d.]+", plain):
        return False
    digits = len(plain.partition(".")[2])
    wanted = 100 * value if token.endswith("%") else value
    return abs(float(plain) - wanted) <= 0.5 * 10**-digits * (1 + 1e-9) + 1e-12


def same_numbers(text: str, values: Sequence[Value], names: Iterable[str]) -> bool:
    found = tokens(text, names)
    return len(found) == len(values) and all(map(fits, found, values))


def text_fits(text: str, expected: Expected) -> bool:
    """Whether a text has no number, or those of an expectation whose phrase it has."""
    if not tokens(text, expected.names):
        return True
    return any(_fits_one(text, one, expected.names) for one in expected.said if one.phrase in text)


def _fits_one(text: str, one: Said | Listed, names: set[str]) -> bool:
    if isinstance(one, Said):
        return same_numbers(text, one.values, names)
    rest = list(one.parts)
    head, body = text.split(one.phrase, 1) if one.phrase else ("", text)
    for clause in body.strip(" :.").split("; "):
        hit = next((part for part in rest if _begins(clause, part[0])
                    and same_numbers(clause[len(part[0]) :], part[1], names)), None)  # fmt: skip
        if hit is None:
            return False
        rest.remove(hit)
    return not rest and not tokens(head, names)


def _begins(clause: str, name: str) -> bool:
    return clause.startswith(name) and not clause[len(name) : len(name) + 1].isalnum()


def row_fits(row: dict[str, str], wanted: dict, names: set[str]) -> bool:
    """Whether every cell is as expected: a text as it stands, or its numbers in order."""
    if set(row) != set(wanted):
        return False
    return all(
        row[name] == value if isinstance(value, str) else same_numbers(row[name], value, names)
        for name, value in wanted.items()
    )


def faults(page: Page, expected: Expected) -> list[str]:
    """What on a page is not as the records have it."""
    found = [f"text: {text}" for text in page.texts if not text_fits(text, expected)]
    for caption, rows in page.tables.items():
        rest = list(expected.tables.get(caption, []))
        for row in rows:
            hit = next((one for one in rest if row_fits(row, one, expected.names)), None)
            if hit is None:
                found.append(f"{caption} {row}")
            else:
                rest.remove(hit)
        found += [f"{caption} lacks {row}" for row in rest]
    found += [f"no table {caption}" for caption in expected.tables if caption not in page.tables]
    return found


def mutate(text: str, names: Iterable[str]) -> Iterator[str]:
    """The text again and again, each time with another number one off in its last digit."""
    for token in TOKEN.finditer(blank_names(text, names)):
        place = max(k for k in range(token.start(), token.end()) if text[k] in "0123456789")
        digit = str((int(text[place]) + 1) % 10)
        yield text[:place] + digit + text[place + 1 :]


def found_out(page: Page, expected: Expected) -> tuple[int, int]:
    """Of how many numbers a change is noticed, and of how many there are."""
    noticed = []
    for text in page.texts:
        noticed += [not text_fits(other, expected) for other in mutate(text, expected.names)]
    for caption, rows in page.tables.items():
        wanted = expected.tables.get(caption, [])
        for row in rows:
            for name, cell in row.items():
                for other in mutate(cell, expected.names):
                    changed = row | {name: other}
                    noticed.append(not any(row_fits(changed, w, expected.names) for w in wanted))
    return sum(noticed), len(noticed)
