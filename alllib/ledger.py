"""The claims ledger for readers: a figure of the counts, and a table with filters.

The table is plain HTML that is complete without JavaScript; a short script of its own adds the
filters. Nothing is loaded from anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .claims import KINDS, SOURCES, STATUSES, show_value

__all__ = ["SOURCE_TITLES", "count_statuses", "ledger_html", "plot_statuses"]

SOURCE_TITLES = {
    "mir2019article": "the article",
    "mir2019report": "the report",
    "unnithan2021poster": "the poster",
    "garg2021transfer": "the transfer-learning paper",
    "ball2023densenet": "the project sheet",
}
# Okabe and Ito's palette, and a sign, so that no status is told by colour alone.
MARKS = {
    "confirmed": ("#009E73", "\u2713"),
    "contradicted": ("#D55E00", "\u2717"),
    "inconsistent": ("#E69F00", "\u2260"),
    "reproduced": ("#0072B2", "\u21bb"),
    "not reproduced": ("#CC79A7", "\u2205"),
    "cannot be known": ("#767676", "?"),
}
HATCHES = ("", "//", "..", "--", "xx", "")

STYLE = """
#ledger { container-type: inline-size; color: var(--pst-color-text-base, inherit); }
#ledger [hidden] { display: none !important; }
#ledger form { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: end; margin: 1rem 0; }
#ledger label { display: block; font-size: 0.85em; margin-bottom: 0.2rem; }
#ledger input, #ledger select, #ledger button { font: inherit; max-width: 100%;
  box-sizing: border-box; height: 2.2rem; padding: 0 0.5rem; border-radius: 0.25rem;
  border: 1px solid var(--pst-color-text-muted, #767676);
  color: var(--pst-color-text-base, inherit); background: var(--pst-color-background, Canvas); }
#ledger table { width: 100%; border-collapse: collapse; }
#ledger th, #ledger td { text-align: left; vertical-align: top; padding: 0.4rem 0.8rem 0.4rem 0;
  border: 0; border-bottom: 1px solid var(--pst-color-border, #ccc); white-space: normal;
  overflow-wrap: anywhere; }
#ledger th, #ledger td.status { white-space: nowrap; }
#ledger td:first-child { border-left: 0.3rem solid var(--mark); padding-left: 0.6rem; width: 52%; }
#ledger td p { margin: 0.2rem 0 0; }
#ledger .small { font-size: 0.85em; color: var(--pst-color-text-muted, inherit); }
#ledger .implied { font-variant: small-caps; margin-right: 0.4em; }
#ledger tr:target td { background: var(--pst-color-target, #fbe54e33); }
@container (max-width: 36rem) {
  #ledger thead { position: absolute; clip-path: inset(50%); height: 1px; overflow: hidden; }
  #ledger table, #ledger tbody, #ledger tr, #ledger td { display: block; }
  #ledger tr { margin-bottom: 1rem; border-left: 0.3rem solid var(--mark); }
  #ledger td, #ledger td:first-child { border: 0; padding: 0.1rem 0.6rem; width: auto; }
  #ledger td[data-label]::before { content: attr(data-label) ": "; font-weight: 600; }
  #ledger td.empty { display: none; }
}
"""

SCRIPT = """
(function () {
  var root = document.getElementById("ledger");
  var form = root.querySelector("form"), told = root.querySelector("output");
  var rows = Array.from(root.querySelectorAll("tbody tr"));
  var names = ["source", "kind", "status"];
  function filter() {
    var words = form.elements.words.value.toLowerCase().split(/\\s+/);
    var shown = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      text += text.replace(/(\\d),(?=\\d{3})/g, "$1"); // 10,661 is found as 10661 too
      var fits = words.every(function (word) { return text.includes(word); }) &&
        names.every(function (name) {
          return !form.elements[name].value || form.elements[name].value === row.dataset[name];
        });
      row.hidden = !fits;
      if (fits) { shown += 1; }
    });
    told.textContent = shown + " of " + rows.length + " claims shown";
  }
  new URLSearchParams(window.location.search).forEach(function (value, name) {
    if (names.concat("words").includes(name)) { form.elements[name].value = value; }
  });
  form.addEventListener("input", filter);
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  form.addEventListener("reset", function () { window.setTimeout(filter); });
  form.hidden = false;
  filter();
})();
"""


def ledger_html(rows: Sequence[dict], *, bibliography: str = "") -> str:
    """The ledger as HTML: a table of all claims, and filters where scripts run.

    Parameters
    ----------
    rows : sequence of dict
        As `alllib.claims.claim_rows` gives; those that are implied begin with that word.
    bibliography : str
        Address of the page that cited works are listed on; no link when empty.

    Returns
    -------
    str
        The same for the same rows. A row has the anchor `claim-<id>`; a page's address with
        `?source=...&kind=...&status=...&words=...` opens it filtered.
    """
    body = "\n".join(_row(row, bibliography) for row in rows)
    heads = "".join(
        f'<th scope="col" role="columnheader">{head}</th>'
        for head in ("claim", "published", "computed", "status")
    )
    return (
        f'<div id="ledger">\n<style>{STYLE}</style>\n{_controls(rows)}\n'
        f'<table role="table" aria-label="Claims of the five sources">\n'
        f'<thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}\n</tbody>\n</table>\n<script>{SCRIPT}</script>\n</div>'
    )


def _controls(rows: Sequence[dict]) -> str:
    """The form; hidden until the script shows it, because it does nothing without."""
    known = {"source": SOURCES, "kind": KINDS, "status": STATUSES}
    selects = []
    for name, values in known.items():
        present = [value for value in values if any(row[name] == value for row in rows)]
        options = "".join(
            f'<option value="{escape(value)}">{escape(SOURCE_TITLES.get(value, value))}</option>'
            for value in present
        )
        selects.append(
            f'<div><label for="ledger-{name}">{name}</label><select id="ledger-{name}" '
            f'name="{name}"><option value="">all</option>{options}</select></div>'
        )
    return (
        '<form role="search" aria-label="Filter the claims" hidden>'
        '<div><label for="ledger-words">words</label>'
        '<input id="ledger-words" type="search" name="words" autocomplete="off"></div>'
        f'{"".join(selects)}<button type="reset">show all</button>'
        '<output aria-live="polite"></output></form>'
    )


def _row(row: dict, bibliography: str) -> str:
    colour, sign = MARKS[row["status"]]
    title = SOURCE_TITLES[row["source"]]
    check = f"check: {row['check']}" if row["check"] else "no check"
    place = f"{title}, {row['place']}; {row['kind']}; {row['id']}; {check}"
    words = [_text(row[name]) for name in ("reason", "note") if row[name]]
    words += [_cited(row["cite"], bibliography)] if row["cite"] else []
    told = "".join(f'\n<p class="small">{text}</p>' for text in words)
    data = "".join(f' data-{name}="{escape(row[name])}"' for name in ("source", "kind", "status"))
    where = f'<p class="small">{escape(place)}</p>'
    implied = '<em class="implied">implied:</em> ' if row["implied"] else ""
    return (
        f'<tr role="row" id="claim-{escape(row["id"])}" style="--mark: {colour}"{data}>'
        f'<td role="cell">{implied}{_text(row["statement"])}\n{where}{told}</td>'
        f"{_value(row, 'published')}{_value(row, 'computed')}"
        f'\n<td role="cell" class="status" data-label="status"><span aria-hidden="true">{sign} '
        f"</span>{escape(row['status'])}</td></tr>"
    )


def _value(row: dict, name: str) -> str:
    text = show_value(row[name])
    kind = "" if text else ' class="empty"'
    return f'\n<td role="cell"{kind} data-label="{name}">{escape(text)}</td>'


def _text(text: str) -> str:
    """Escaped, with commands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _cited(keys: Iterable[str], bibliography: str) -> str:
    """Cited works by first author and year, as `Siegel 2019`."""
    names = []
    for key in keys:
        match = re.match(r"([a-z]+)(\d{4})", key)
        name = escape(f"{match[1].capitalize()} {match[2]}" if match else key)
        names.append(f'<a href="{escape(bibliography)}">{name}</a>' if bibliography else name)
    return f"Source: {', '.join(names)}."


def count_statuses(rows: Iterable[dict]) -> pd.DataFrame:
    """Number of claims of each status (columns) by source (rows, in words), with totals."""
    table = pd.DataFrame(0, index=list(SOURCE_TITLES), columns=list(STATUSES))
    for row in rows:
        table.loc[row["source"], row["status"]] += 1
    table["all"] = table.sum(axis=1)
    return table.rename(index=SOURCE_TITLES).rename_axis("source").reset_index()


def plot_statuses(rows: Iterable[dict]) -> Figure:
    """Claims by source and status, as bars that lie end to end.

    Parameters
    ----------
    rows : iterable of dict
        As `alllib.claims.claim_rows` gives.

    Returns
    -------
    matplotlib.figure.Figure
    """
    table = count_statuses(rows)
    figure, axes = plt.subplots(figsize=(7.2, 3.4))
    left = pd.Series(0, index=table.index)
    for status, hatch in zip(STATUSES, HATCHES, strict=True):
        axes.barh(
            table.source, table[status], left=left, color=MARKS[status][0], hatch=hatch,
            edgecolor="white", linewidth=0.5, label=status,
        )  # fmt: skip
        left = left + table[status]
    for place, total in enumerate(left):
        axes.annotate(f" {total}", (total, place), va="center", fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("claims")
    axes.legend(loc="upper center", bbox_to_anchor=(0.4, -0.2), ncols=3, frameon=False)
    return figure
