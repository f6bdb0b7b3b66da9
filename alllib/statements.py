"""The statements of the five sources, read strictly from `claims.toml`.

A number that a recipe has stands in the recipe alone; a claim names its place. A claim is
`implied` where the source does not say it: its numbers, code or tables imply it, or the name
that it gives to a thing, as a test part is one that stands apart.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from importlib.resources import files as package_files
from typing import Any

from .checks import bind_check
from .errors import ClaimError, suggest
from .recipes import load_recipe
from .recipes.schema import parameter, plain

__all__ = ["KINDS", "SOURCES", "STATUSES", "Claim", "load_claims", "published_value",
           "read_claims"]  # fmt: skip

SOURCES = ("mir2019article", "mir2019report", "unnithan2021poster", "garg2021transfer",
           "ball2023densenet")  # fmt: skip
KINDS = ("count", "ratio", "architecture", "parameters", "formula", "hyperparameter", "result",
         "procedure", "statement", "future")  # fmt: skip
STATUSES = ("confirmed", "contradicted", "inconsistent", "reproduced", "not reproduced",
            "cannot be known")  # fmt: skip
COMPARISONS = ("equal", "within", "reproduced", "itself")
# What a claim may be called when its comparison fails.
FAILURES = ("contradicted", "inconsistent")
TYPES = {str: "text", dict: "a table", list: "a list of text", float: "a number", bool: "true"}


@dataclass(frozen=True)
class Claim:
    """One checkable statement of a source, see the head of `claims.toml`."""

    id: str
    source: str
    place: str
    kind: str
    statement: str
    implied: bool = False
    published: Any = None
    recipe: str = ""
    key: str = ""
    rows: list = field(default_factory=list)
    check: str = ""
    arguments: dict = field(default_factory=dict)
    compare: str = ""
    tolerance: float = 0.0
    otherwise: str = ""
    status: str = ""
    reason: str = ""
    note: str = ""
    cite: list = field(default_factory=list)


def load_claims(source: str | None = None) -> list[Claim]:
    """All claims, or those of one source, in the order of the file.

    Raises
    ------
    ClaimError
        When the source is unknown, or see `read_claims`.
    """
    if source is not None and source not in SOURCES:
        raise ClaimError(f"There is no source {source!r}.", remedy=_near_sources(source))
    text = (package_files("alllib") / "claims.toml").read_text("utf-8")
    claims = read_claims(text, origin="claims.toml")
    return [claim for claim in claims if source in (None, claim.source)]


def _near_sources(typed: str) -> str:
    """All sources that begin as was typed, where some do; else the nearest one."""
    begun = [name for name in SOURCES if typed and name.startswith(typed)]
    if begun:
        return f"Did you mean {' or '.join(map(repr, begun))}?"
    return suggest(typed, SOURCES)


def read_claims(text: str, *, origin: str = "claims") -> list[Claim]:
    """Claims from the text of a TOML file.

    Parameters
    ----------
    text : str
        Tables `[[claim]]`.
    origin : str
        Name of the file, for messages.

    Returns
    -------
    list of Claim

    Raises
    ------
    ClaimError
        When the text is no TOML; a key is unknown, missing, ill-typed or without effect; an
        id stands twice; or a source, kind, recipe, check or argument does not exist.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ClaimError(
            f"The claims are not valid TOML: {error}.", where=origin, remedy="Mend that place."
        ) from error
    if set(tables) != {"claim"} or not isinstance(tables["claim"], list):
        raise ClaimError(
            "The file holds something else than claims.",
            where=f"{origin}: {', '.join(sorted(tables)) or 'empty'}",
            remedy="Write tables [[claim]] only.",
        )
    claims, seen = [], set()
    for number, table in enumerate(tables["claim"], start=1):
        claim = _filled(table, f"{origin}: {table.get('id', f'claim number {number}')}")
        if claim.id in seen:
            raise _wrong(claim.id, "Two claims have this id.", "Rename one of them.", origin)
        seen.add(claim.id)
        _check(claim, origin)
        claims.append(claim)
    return claims


def _filled(table: Mapping[str, Any], where: str) -> Claim:
    """Claim from its table, every key and type checked; `with` gives the arguments."""
    given = {("arguments" if key == "with" else key): value for key, value in table.items()}
    known = {entry.name: entry for entry in fields(Claim)}
    for key in table:
        if key == "arguments" or ("arguments" if key == "with" else key) not in known:
            names = [*known, "with"]
            names.remove("arguments")
            raise ClaimError(f"Unknown key {key!r}.", where=where, remedy=suggest(key, names))
    for key, entry in known.items():
        if key not in given:
            if entry.default is MISSING and entry.default_factory is MISSING:
                raise ClaimError(f"The key {key!r} is missing.", where=where, remedy="Add it.")
            continue
        _check_type(key, given[key], where)
    return Claim(**given)


def _check_type(key: str, value: Any, where: str) -> None:
    """`published` is a number, text or list; every other key has one type and is not empty."""
    if key == "published":
        right, wanted = type(value) in (int, float, str, list), "a number, text or a list"
    else:
        kinds = {"arguments": dict, "rows": list, "cite": list, "tolerance": float}
        kind = (kinds | {"implied": bool}).get(key, str)
        wanted = TYPES[kind]
        right = type(value) is kind or (kind is float and type(value) is int)
        right = right and (kind is not list or all(isinstance(entry, str) for entry in value))
    if (
        not right
        or value in ("", [], {})
        or value is False
        or (type(value) is float and not math.isfinite(value))
    ):
        name = "with" if key == "arguments" else key
        raise ClaimError(
            f"{value!r} is not {wanted}.", where=f"{where}: {name}",
            remedy=f"Write {wanted} here, or leave the key out.",
        )  # fmt: skip


def _wrong(name: str, what: str, remedy: str, origin: str = "claims.toml") -> ClaimError:
    return ClaimError(what, where=f"{origin}: {name}", remedy=remedy)


def _check(claim: Claim, origin: str) -> None:
    """Names that must exist, and keys that have an effect together only."""
    for key, known in (("source", SOURCES), ("kind", KINDS)):
        value = getattr(claim, key)
        if value not in known:
            raise _wrong(claim.id, f"There is no {key} {value!r}.", suggest(value, known), origin)
    if bool(claim.recipe) != bool(claim.key):
        raise _wrong(claim.id, "`recipe` and `key` go together.", "Give both or none.", origin)
    if claim.recipe and claim.published is not None:
        raise _wrong(claim.id, "The published value is given twice.",
                     "Leave `published` out: the recipe has it.", origin)  # fmt: skip
    if claim.rows and not claim.recipe:
        raise _wrong(claim.id, "`rows` has no effect without `recipe`.", "Leave it out.", origin)
    published = published_value(claim)
    if claim.check:
        _check_comparison(claim, published, origin)
        bind_check(claim.check, claim.arguments, published, where=f"{origin}: {claim.id}")
    else:
        _check_unchecked(claim, origin)


def _check_comparison(claim: Claim, published: Any, origin: str) -> None:
    if claim.compare not in COMPARISONS:
        remedy = suggest(claim.compare, COMPARISONS)
        raise _wrong(claim.id, f"There is no comparison {claim.compare!r}.", remedy, origin)
    if claim.compare != "itself" and published is None:
        raise _wrong(claim.id, "Nothing published is there to compare with.",
                     'Give it, or let the check judge: compare = "itself".', origin)  # fmt: skip
    if (claim.compare == "within") != bool(claim.tolerance):
        raise _wrong(claim.id, '`tolerance` and compare = "within" go together.',
                     "Give both or none.", origin)  # fmt: skip
    if bool(claim.tolerance) != ("{tolerance}" in claim.note):
        raise _wrong(claim.id, "A tolerance, and why it is so wide, belong in the note.",
                     "Name it there as {tolerance}, where there is one.", origin)  # fmt: skip
    # A result that is compared by the tolerance rule has but one way to fail.
    wanted = ("",) if claim.compare == "reproduced" else FAILURES
    if claim.otherwise not in wanted:
        raise _wrong(claim.id, f"{claim.otherwise!r} is no status of a failed comparison here.",
                     f"Write otherwise = {' or '.join(map(repr, wanted))}.", origin)  # fmt: skip
    if claim.status or claim.reason:
        raise _wrong(claim.id, "`status` and `reason` have no effect beside a check.",
                     "Leave them out, or the check.", origin)  # fmt: skip


def _check_unchecked(claim: Claim, origin: str) -> None:
    if claim.status != "cannot be known" or not claim.reason:
        remedy = 'Write status = "cannot be known" and the reason, or a check.'
        raise _wrong(claim.id, "A claim without a check needs status and reason.", remedy, origin)
    for key in ("arguments", "compare", "tolerance", "otherwise"):
        if getattr(claim, key):
            raise _wrong(claim.id, f"{key!r} has no effect without a check.",
                         "Leave it out.", origin)  # fmt: skip


def published_value(claim: Claim) -> Any:
    """What the source printed: of the claim itself, or of its recipe.

    Raises
    ------
    ClaimError
        When the recipe does not have what the claim names.
    """
    if not claim.recipe:
        return claim.published
    try:
        value = parameter(load_recipe(claim.recipe).as_dict(), claim.key)
    except KeyError:
        remedy = "Name a field by its dotted place, like 'published.accuracy'."
        what = f"Recipe {claim.recipe!r} has no {claim.key!r}."
        raise _wrong(claim.id, what, remedy) from None
    if not claim.rows:
        return plain(value)
    found = [row for row in value if row[0] in claim.rows]
    if len(found) != len(claim.rows):
        raise _wrong(claim.id, f"{claim.key!r} lacks a row of `rows`.", "Name rows as printed.")
    return plain(found)
