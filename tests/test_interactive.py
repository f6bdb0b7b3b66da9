"""Interactive figures: script, data and text in one piece of HTML."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup

from alllib.errors import ParameterError
from alllib.interactive import interactive_html, list_interactive

DATA = {"positive": "ALL", "negative": "HEM", "scores": {"positive": [0.9], "negative": [0.2]}}


@pytest.mark.parametrize("name", list_interactive())
def test_every_script_defines_render_and_asks_no_network(name):
    html = interactive_html(name, {}, text="What it shows.")
    assert re.search(r"function render\(place, data\)", html)
    assert not re.search(r"https?://|import\s|fetch\(|require\(", html)
    assert "console.log" not in html


def test_the_text_stays_where_no_script_runs_and_data_cannot_end_the_script():
    html = interactive_html("threshold", DATA | {"note": "</script><b>"}, text="A table.")
    tree = BeautifulSoup(html, "html.parser")
    assert tree.find("div", class_="interactive").p.get_text() == "A table."
    assert len(tree.find_all("script")) == 1 and not tree.find("b")
    assert interactive_html("threshold", DATA, text="A") == interactive_html(
        "threshold", DATA, text="A"
    )


def test_an_unknown_figure_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match="threshold"):
        interactive_html("treshold", DATA, text="A table.")
