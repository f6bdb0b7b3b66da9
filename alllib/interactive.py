"""Interactive figures that need no kernel: data computed here, moved by the reader's browser.

A figure is a script `alllib/browser/<name>.js` that defines one function, `render(place, data)`.
Script and data go into the page itself, so that it works in the rendered book without a network,
in JupyterLab and on Colab. Where no script runs, the text stays.
"""

from __future__ import annotations

import json
from importlib.resources import files as package_files
from typing import Any

from IPython.display import HTML, display

from .errors import ParameterError, suggest
from .files import hash_json

__all__ = ["interactive_html", "list_interactive", "show_interactive"]


def list_interactive() -> list[str]:
    """Names of the interactive figures, sorted."""
    names = (entry.name for entry in (package_files("alllib") / "browser").iterdir())
    return sorted(name.removesuffix(".js") for name in names if name.endswith(".js"))


def interactive_html(name: str, data: dict[str, Any], *, text: str) -> str:
    """HTML of an interactive figure.

    Parameters
    ----------
    name : str
        One of `list_interactive`.
    data : dict
        Plain values for its `render`; fit for JSON.
    text : str
        What the figure shows, for a reader who cannot see it or has no scripts.

    Raises
    ------
    ParameterError
        When there is no such figure.
    """
    if name not in list_interactive():
        raise ParameterError(
            f"There is no interactive figure {name!r}.",
            where="name",
            remedy=suggest(name, list_interactive()),
        )
    script = (package_files("alllib") / "browser" / f"{name}.js").read_text("utf-8")
    place = f"{name}-{hash_json(data)[:8]}"  # the same in each build
    # `</` would end the script early, wherever it stands in the data.
    values = json.dumps(data, allow_nan=False).replace("</", "<\\/")
    return (
        f'<div class="interactive" id="{place}" role="group" aria-label="{name}">'
        f"<p>{text}</p></div>"
        f"<script>(() => {{\n{script}\n"
        f'render(document.getElementById("{place}"), {values});\n}})();</script>'
    )


def show_interactive(name: str, data: dict[str, Any], *, text: str) -> None:
    """Display an interactive figure, see `interactive_html`."""
    display(HTML(interactive_html(name, data, text=text)))
