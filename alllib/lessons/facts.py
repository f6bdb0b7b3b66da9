"""Tables of facts behind the first chapters, each row with the source that it is from.

A table is data, `alllib/data/<topic>.toml`; a row of it is one of the classes below. Keys are
strict: a missing, unknown or ill-typed one is an error, and so is a row without a source. That
every key of a source is in the bibliography is a test's business.
"""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, fields
from importlib.resources import files as package_files
from typing import Any, TypeVar

import pandas as pd

from ..errors import DataError, suggest

__all__ = ["Agreement", "Count", "Entity", "FabType", "Finding", "Harm", "Leukemia", "Review",
           "Share", "Task", "Test", "Threshold", "Use", "Work", "cited_keys", "fact_table",
           "load_agreements", "load_counts", "load_entities", "load_fab_types", "load_findings",
           "load_harms", "load_leukemias", "load_reviews", "load_shares", "load_tasks",
           "load_tests", "load_thresholds", "load_uses", "load_works", "read_facts"]  # fmt: skip

# How far a fact was followed: read in one of the five sources, in the abstract of the work, or on
# the page that prints it.
LOOKED_UP = ("source", "abstract", "page")


@dataclass(frozen=True)
class Leukemia:
    """One of the four main leukemias: `speed` acute or chronic, `line` lymphoid or myeloid."""

    name: str
    short: str
    speed: str
    line: str
    printed: str
    multiplies: str
    patients: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class FabType:
    """A type of the FAB classification: as the report prints it, as it was, what became of it."""

    name: str
    printed_lineage: str
    printed_cells: str
    cells: str
    lineage: str
    became: str
    correction: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Entity:
    """A type of ALL as it is named today: the change of genes that defines it."""

    name: str
    change: str
    meaning: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Finding:
    """How many of `whole` were as `what` says: `part`, in the same units."""

    what: str
    part: float
    whole: float
    looked_up: str
    cite: tuple[str, ...]

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.part / self.whole


@dataclass(frozen=True)
class Agreement:
    """How often observers gave the same FAB type to a slide: `share` from 0 to 1."""

    study: str
    observers: int
    rule: str
    share: float
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Test:
    """A test on the way to a diagnosis; `report` says whether the report names it."""

    __test__ = False  # not one of pytest's

    name: str
    looks_at: str
    tells: str
    leaves_open: str
    report: bool
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Share:
    """What part of all cancers of an age group is `disease`: `part` of `whole`, same units."""

    disease: str
    ages: str
    where: str
    part: float
    whole: float
    source: str
    looked_up: str
    cite: tuple[str, ...]

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.part / self.whole


@dataclass(frozen=True)
class Count:
    """How many people fall ill or die, where and when."""

    what: str
    where: str
    year: str
    source: str
    looked_up: str
    cite: tuple[str, ...]
    value: int


@dataclass(frozen=True)
class Threshold:
    """A share of blasts in the marrow at which something is decided, from 0 to 1."""

    name: str
    share: float
    meaning: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Use:
    """A question that one may want to ask a classifier of single cells."""

    question: str
    answer: str
    needs: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Harm:
    """What may go wrong around such a system, and what is done about it here."""

    matter: str
    danger: str
    here: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """A task of computer vision: what is asked, what the answer is, what a label costs."""

    name: str
    question: str
    answer: str
    label: str
    cite: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """A work that the report surveys, as the report tells of it.

    The truth values say what the report's own text states of it; `score` is the printed share of
    right answers from 0 to 1, None where none is printed.
    """

    name: str
    task: str
    method: str
    data: bool
    images: bool
    people: bool
    split: bool
    by_class: bool
    interval: bool
    missing: str
    cite: tuple[str, ...]
    score: float | None = None


@dataclass(frozen=True)
class Review:
    """A review of many works: how many it read, and how many passed what it asked for."""

    name: str
    field: str
    works: int
    asked: str
    found: str
    looked_up: str
    cite: tuple[str, ...]


Row = TypeVar("Row")


def load_leukemias() -> tuple[Leukemia, ...]:
    """The four main leukemias."""
    return _load("disease", "leukemia", Leukemia)


def load_fab_types() -> tuple[FabType, ...]:
    """Types L1 to L3 of the FAB classification."""
    return _load("disease", "fab", FabType)


def load_entities() -> tuple[Entity, ...]:
    """Some types of ALL as they are named today."""
    return _load("disease", "entity", Entity)


def load_findings() -> tuple[Finding, ...]:
    """How often hematogones were found in marrow."""
    return _load("disease", "finding", Finding)


def load_agreements() -> tuple[Agreement, ...]:
    """How well observers agreed on FAB types."""
    return _load("disease", "agreement", Agreement)


def load_tests() -> tuple[Test, ...]:
    """Tests on the way to a diagnosis, in their usual order."""
    return _load("disease", "test", Test)


def load_shares() -> tuple[Share, ...]:
    """What part of the cancers of children is leukemia, or ALL."""
    return _load("disease", "share", Share)


def load_counts() -> tuple[Count, ...]:
    """How many people fall ill with or die of ALL or leukemia."""
    return _load("disease", "count", Count)


def load_thresholds() -> tuple[Threshold, ...]:
    """Shares of blasts at which something is decided, largest first."""
    return _load("disease", "threshold", Threshold)


def load_uses() -> tuple[Use, ...]:
    """What a classifier of single cells could and could not be asked."""
    return _load("disease", "use", Use)


def load_harms() -> tuple[Harm, ...]:
    """What may go wrong around such a system."""
    return _load("disease", "harm", Harm)


def load_tasks() -> tuple[Task, ...]:
    """Tasks of computer vision on a picture of cells."""
    return _load("learning", "task", Task)


def load_works() -> tuple[Work, ...]:
    """Works that the report surveys, in its order."""
    return _load("learning", "work", Work)


def load_reviews() -> tuple[Review, ...]:
    """Reviews of works of this kind."""
    return _load("learning", "review", Review)


def _load(topic: str, table: str, kind: type[Row]) -> tuple[Row, ...]:
    text = (package_files("alllib") / "data" / f"{topic}.toml").read_text("utf-8")
    return read_facts(text, table, kind, origin=f"{topic}.toml")


def read_facts(text: str, table: str, kind: type[Row], *, origin: str) -> tuple[Row, ...]:
    """Rows of one table of a TOML text.

    Parameters
    ----------
    text : str
    table : str
        Name of an array of tables.
    kind : type
        One of the classes of this module.
    origin : str
        What an error names as the place.

    Raises
    ------
    DataError
        When the text is no TOML, the table lacks, or a row has a missing, unknown or ill-typed
        key or names no source.
    """
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DataError(
            f"The facts are no TOML ({error}).", where=origin, remedy="Mend the line it names."
        ) from error
    if table not in whole:
        raise DataError(f"There is no table {table!r}.", where=origin, remedy=suggest(table, whole))
    return tuple(
        _row(entry, kind, f"{origin}: {table} {number}")
        for number, entry in enumerate(whole[table], start=1)
    )


def _row(entry: dict[str, Any], kind: type[Row], place: str) -> Row:
    known = {field.name: field for field in fields(kind)}
    for key in entry:
        if key not in known:
            raise DataError(f"{key!r} is not known here.", where=place, remedy=suggest(key, known))
    for name, field in known.items():
        if name not in entry and field.default is not MISSING:
            continue
        if name not in entry or not _fits(entry[name], str(field.type)):
            raise DataError(
                f"{name!r} is missing or no {field.type}.", where=place, remedy=f"Give `{name}`."
            )
    if entry.get("looked_up", LOOKED_UP[0]) not in LOOKED_UP:
        raise DataError(
            f"{entry['looked_up']!r} does not say how far a fact was followed.",
            where=place,
            remedy=f"Choose one of {', '.join(LOOKED_UP)}.",
        )
    return kind(**entry | {"cite": tuple(entry["cite"])})


def _fits(value: Any, wanted: str) -> bool:
    if wanted.startswith("tuple"):
        return isinstance(value, list) and bool(value) and all(_fits(v, "str") for v in value)
    if wanted == "str":
        return isinstance(value, str) and bool(value.strip())
    if wanted.startswith("bool"):
        return isinstance(value, bool)
    numbers = (int, float) if wanted.startswith("float") else (int,)
    return isinstance(value, numbers) and not isinstance(value, bool)


def cited_keys(rows: tuple[Any, ...]) -> list[str]:
    """Keys of the sources of some rows, each once, in their order."""
    return list(dict.fromkeys(key for row in rows for key in row.cite))


def fact_table(rows: tuple[Any, ...], columns: dict[str, str]) -> pd.DataFrame:
    """Rows as a table for a page.

    Parameters
    ----------
    rows : tuple
        As a loader gives them.
    columns : dict of str to str
        Attribute of a row to the title of its column. Truth values become yes and no.
    """
    return pd.DataFrame(
        [[_shown(getattr(row, name)) for name in columns] for row in rows],
        columns=list(columns.values()),
    )


def _shown(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
