"""Reporting guidelines as tables: what each item asks, and where this book answers it."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from importlib.resources import files as package_files

from ..errors import ParameterError, suggest

__all__ = ["CHECKLISTS", "Item", "checklist_markdown", "count_items", "load_checklist"]

CHECKLISTS = ("claim2024", "tripodai")


@dataclass(frozen=True)
class Item:
    """One item of a guideline.

    Attributes
    ----------
    number : str
        As in the guideline, like `3a`.
    asks : str
        In our words.
    page : str
        Page of the contents that answers it, or empty.
    says : str
        What stands there.
    why : str
        Where the question does not apply: what follows "not applicable, because".
    open : str
        Where it applies and no page answers it: why not.
    """

    number: str
    asks: str
    page: str = ""
    says: str = ""
    why: str = ""
    open: str = ""


def load_checklist(name: str) -> list[Item]:
    """Items of a guideline, in its order, from `data/checklists.toml`.

    Parameters
    ----------
    name : {"claim2024", "tripodai"}

    Raises
    ------
    ParameterError
        When there is no such guideline, or an item has not exactly one of page, `why` and
        `open`.
    """
    if name not in CHECKLISTS:
        raise ParameterError(
            f"There is no checklist {name!r}.", where="name", remedy=suggest(name, CHECKLISTS)
        )
    items = [Item(**entry) for entry in _tables()[name]["item"]]
    for item in items:
        given = bool(item.page) + bool(item.why) + bool(item.open)
        if given != 1 or bool(item.page) != bool(item.says):
            raise ParameterError(
                "An item needs a page with what it says, or one reason.",
                where=f"checklists.toml: {name} {item.number}",
                remedy="Give `page` and `says`, or `why`, or `open`.",
            )
    return items


def count_items(name: str) -> dict[str, int]:
    """How many items a guideline has, and how they are answered.

    Returns
    -------
    dict of str to int
        `main` (numbers without their letters), `rows`, `answered` (by a page), `apart` (not
        applicable), `open`.
    """
    items = load_checklist(name)
    main = {item.number.rstrip("abcdefg") for item in items}
    return {
        "main": len(main),
        "rows": len(items),
        "answered": sum(bool(item.page) for item in items),
        "apart": sum(bool(item.why) for item in items),
        "open": sum(bool(item.open) for item in items),
    }


def checklist_markdown(name: str, *, source: str = "notebooks/reporting") -> str:
    """A guideline as a table in Markdown, with links that lead from a page of this book.

    Parameters
    ----------
    name : str
        See `load_checklist`.
    source : str
        Page that shows the table.
    """
    head = "| item | asks for | answered in | how |\n| :-- | :-- | :-- | :-- |"
    rows = [head]
    for item in load_checklist(name):
        if item.page:
            rows.append(
                f"| {item.number} | {item.asks} | {_link(item.page, source)} | {item.says} |"
            )
        else:
            why = f"open: {item.open}" if item.open else f"not applicable, because {item.why}"
            rows.append(f"| {item.number} | {item.asks} | | {why} |")
    return "\n".join(rows)


def _link(page: str, source: str) -> str:
    if page == source:
        return "this page"
    ending = ".ipynb" if page.startswith("notebooks/") else ".md"
    place = os.path.relpath(page + ending, os.path.dirname(source)).replace(os.sep, "/")
    return f"[{page.rpartition('/')[2].replace('_', ' ')}]({place})"


def _tables() -> dict:
    text = (package_files("alllib") / "data" / "checklists.toml").read_text("utf-8")
    return tomllib.loads(text)
