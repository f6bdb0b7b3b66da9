"""The claims ledger: what the five sources state, and what a check says of each statement.

A check of `alllib.checks` computes its own value of a statement of `claims.toml`, or names the
other print that the statement is set beside; the comparison of the two gives the status.
Rows that are `implied` are not said by the source: its numbers, code or tables imply them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from .checks import Finding, bind_check
from .errors import ClaimError
from .parallel import progress_bar
from .statements import (
    KINDS,
    SOURCES,
    STATUSES,
    Claim,
    load_claims,
    published_value,
    read_claims,
)

__all__ = ["KINDS", "SOURCES", "STATUSES", "Claim", "claim_rows", "claim_table", "judge_claim",
           "load_claims", "published_value", "read_claims", "show_value"]  # fmt: skip

# What a row takes from its claim as it is.
ROW = ("id", "source", "place", "kind", "statement", "implied", "check")


def claim_rows(
    source: str | None = None,
    progress: bool = False,
    *,
    claims: Iterable[Claim] | None = None,
) -> list[dict]:
    """Every claim with its computed value and status, for `alllib claims`.

    Parameters
    ----------
    source : str, optional
        Key of one source; all when not given.
    progress : bool
        Show a bar.
    claims : iterable of Claim, optional
        Judge these instead of those of the file.

    Returns
    -------
    list of dict
        `id, source, place, kind, statement, implied, check, published, computed, status,
        reason, note, cite`; None where nothing is published or computed, and `check` empty
        where there is none.

    Raises
    ------
    ClaimError
        When the source is unknown or a claim is written wrongly.
    """
    chosen = load_claims(source) if claims is None else list(claims)
    return [judge_claim(claim) for claim in progress_bar(chosen, shown=progress, desc="claims")]


def judge_claim(claim: Claim) -> dict:
    """The row of one claim, see `claim_rows`."""
    published = published_value(claim)
    row = {key: getattr(claim, key) for key in ROW}
    row |= {"published": published, "computed": None}
    told = {"status": claim.status, "reason": claim.reason, "note": claim.note}
    if claim.check:
        found = bind_check(claim.check, claim.arguments, published, where=claim.id)()
        finding = found if isinstance(found, Finding) else Finding(found)
        row["computed"] = _plain(finding.value)
        told = {
            "status": _status(claim, published, finding),
            "reason": finding.reason,
            "note": " ".join(filter(None, (claim.note, finding.note))),
        }
    row |= told | {"cite": list(claim.cite)}
    shown = {f"{{{name}}}": show_value(row[name]) for name in ("published", "computed")}
    shown["{tolerance}"] = show_value(claim.tolerance)
    for name in ("statement", "reason", "note"):
        for mark, value in shown.items():
            row[name] = row[name].replace(mark, value)
    return row


def _plain(value: Any) -> Any:
    """Numpy's numbers and tuples as plain numbers and lists, so that JSON takes them."""
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value.item() if hasattr(value, "item") else value


def _status(claim: Claim, published: Any, finding: Finding) -> str:
    if finding.reason:
        return "cannot be known"
    if claim.compare in ("itself", "reproduced"):
        if finding.agrees is None:
            raise ClaimError(
                "The check gives no verdict of its own.",
                where=claim.id,
                remedy="Let it set `agrees` or `reason`, or choose another comparison.",
            )
        if claim.compare == "reproduced":
            return "reproduced" if finding.agrees else "not reproduced"
        return "confirmed" if finding.agrees else claim.otherwise
    return "confirmed" if _same(published, _plain(finding.value), claim.tolerance) else (
        claim.otherwise
    )  # fmt: skip


def _same(published: Any, computed: Any, tolerance: float) -> bool:
    """Whether two values, or two lists entry by entry, are the same within a tolerance."""
    if isinstance(published, list):
        return isinstance(computed, list) and len(published) == len(computed) and all(
            _same(one, other, tolerance) for one, other in zip(published, computed, strict=True)
        )  # fmt: skip
    if isinstance(published, str) or isinstance(computed, str | list) or computed is None:
        return published == computed
    return abs(published - computed) <= tolerance + 1e-12


def claim_table(rows: Iterable[dict], *, width: int = 40) -> pd.DataFrame:
    """Rows of `claim_rows` for a terminal: `id, source, published, computed, status`.

    Parameters
    ----------
    rows : iterable of dict
    width : int
        Characters of a value; the rest is cut off.
    """
    names = ("id", "source", "published", "computed", "status")
    shown = [{name: show_value(row[name]) for name in names} for row in rows]
    for row in shown:
        for name in ("published", "computed"):
            row[name] = row[name] if len(row[name]) <= width else row[name][: width - 3] + "..."
    return pd.DataFrame(shown, columns=list(names))


def show_value(value: Any) -> str:
    """A published or computed value as text: thousands separated, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return _show_list(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _show_list(values: list) -> str:
    """Numbers in brackets; rows of a layer table as `name 38 x 38 x 256: 295,168`."""
    if values and all(isinstance(row, list) and isinstance(row[0], str) for row in values):
        rows = ((name, shape or ["no such layer"], number) for name, shape, number in values)
        return "; ".join(
            f"{name} {' x '.join(map(str, shape))}: {show_value(number)}"
            for name, shape, number in rows
        )
    return "[" + ", ".join(map(show_value, values)) + "]"
