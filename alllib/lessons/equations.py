"""The equations of the five sources: where each is printed, whether it holds, and its place here.

They are data, `alllib/data/equations.toml`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files as package_files

import pandas as pd

from ..ledger import SOURCE_TITLES
from .facts import read_facts

__all__ = ["FORMS", "VERDICTS", "Equation", "equation_counts", "equation_table", "load_equations"]

FORMS = ("formula", "listing", "table", "picture", "words")
VERDICTS = ("right", "completed", "corrected")


@dataclass(frozen=True)
class Equation:
    """One equation of a source: `form` is one of `FORMS`, `holds` one of `VERDICTS`; `wrong` says
    what was corrected or lacked; `page` and `label` name the equation of the book."""

    source: str
    place: str
    form: str
    says: str
    holds: str
    page: str
    label: str
    cite: tuple[str, ...]
    wrong: str = ""


def load_equations() -> tuple[Equation, ...]:
    """All equations, source by source in the order of their places."""
    text = (package_files("alllib") / "data" / "equations.toml").read_text("utf-8")
    return read_facts(text, "equation", Equation, origin="equations.toml")


def equation_table(rows: tuple[Equation, ...]) -> pd.DataFrame:
    """Equations for a page: source, place, form, what it says, whether it holds, and a link."""
    return pd.DataFrame(
        {
            "source": [SOURCE_TITLES[row.source] for row in rows],
            "place": [row.place for row in rows],
            "given as": [row.form for row in rows],
            "what it says": [row.says for row in rows],
            "it is": [row.holds for row in rows],
            "what was wrong or lacked": [row.wrong for row in rows],
            "in the book": [
                f'<a href="{row.page}.html#equation-{row.label}">{row.page.replace("_", " ")}</a>'
                for row in rows
            ],
        }
    )


def equation_counts(rows: tuple[Equation, ...]) -> pd.DataFrame:
    """How many equations of each form (rows) are right, completed and corrected (columns)."""
    table = pd.crosstab([row.form for row in rows], [row.holds for row in rows])
    table = table.reindex(index=FORMS, columns=VERDICTS, fill_value=0)
    return table.rename_axis("given as").rename_axis(None, axis=1).reset_index()
