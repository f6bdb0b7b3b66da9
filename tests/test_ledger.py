"""The ledger for readers: complete without scripts, filtered with them, safe and repeatable."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup

from alllib.claims import STATUSES
from alllib.ledger import SOURCE_TITLES, count_statuses, ledger_html, plot_statuses


def row(number: int, **changed) -> dict:
    """A row of the ledger; every third is of another source and status."""
    sources, place = list(SOURCE_TITLES), number % 3
    return {
        "id": f"report-claim-{number}",
        "source": sources[place],
        "place": f"figure {number}",
        "kind": ("count", "result", "formula")[place],
        "statement": f"There are {number} things.",
        "implied": number == 4,
        "check": "" if place == 2 else "counts:official_images",
        "published": number,
        "computed": None if place == 2 else number * 1000,
        "status": ("confirmed", "contradicted", "cannot be known")[place],
        "reason": "Run `alllib train x`." if place == 2 else "",
        "note": "A note with <b>marks</b> & signs.",
        "cite": ["siegel2019cancer"] if place == 0 else [],
    } | changed


ROWS = [row(number) for number in range(12)]


@pytest.fixture
def tree() -> BeautifulSoup:
    return BeautifulSoup(ledger_html(ROWS, bibliography="b.html"), "html.parser")


def test_every_claim_stands_in_the_table_without_a_script(tree):
    found = tree.select("tbody tr")
    assert [line["id"] for line in found] == [f"claim-{entry['id']}" for entry in ROWS]
    assert not any(line.has_attr("hidden") for line in found)
    assert tree.form.has_attr("hidden")  # filters that would do nothing are not shown
    for entry, line in zip(ROWS, found, strict=True):
        text = line.get_text()
        assert entry["statement"] in text
        assert entry["place"] in text
        assert entry["status"] in text
        assert entry["reason"].replace("`", "") in text
        assert (entry["check"] or "no check") in text


def test_what_a_source_implies_is_marked_before_the_statement(tree):
    marked = {line["id"] for line in tree.select("tbody tr") if line.select(".implied")}
    assert marked == {"claim-report-claim-4"}
    text = tree.find(id="claim-report-claim-4").get_text()
    assert text.startswith("implied: There are 4 things.")


def test_what_is_written_is_escaped_and_commands_are_code(tree):
    assert tree.find("b") is None
    assert "<b>marks</b> & signs" in tree.select_one("tbody tr").get_text()
    assert tree.find("code").get_text() == "alllib train x"
    evil = row(1, statement="<script>alert(1)</script>", id='x" onclick="y', place="</td>")
    spoiled = BeautifulSoup(ledger_html([evil]), "html.parser")
    assert len(spoiled.find_all("script")) == 1
    assert "onclick" not in spoiled.select_one("tbody tr").attrs


def test_a_status_is_told_in_words_and_a_sign_and_not_by_colour_alone(tree):
    cells = tree.select("td.status")
    assert {cell.span.get_text().strip() for cell in cells} == {"\u2713", "\u2717", "?"}
    assert all(cell.span["aria-hidden"] == "true" for cell in cells)


def test_cited_works_lead_to_the_bibliography(tree):
    links = tree.select("tbody a")
    assert {link["href"] for link in links} == {"b.html"}
    assert links[0].get_text() == "Siegel 2019"
    assert "<a " not in ledger_html(ROWS)


def test_the_filters_offer_what_is_there(tree):
    for name in ("source", "kind", "status"):
        values = [option["value"] for option in tree.select(f"select[name={name}] option")]
        assert values[0] == ""
        assert set(values[1:]) == {entry[name] for entry in ROWS}
    labelled = {label["for"] for label in tree.select("label")}
    assert {control["id"] for control in tree.select("select, input")} == labelled


def test_nothing_is_loaded_and_the_same_rows_give_the_same_text():
    text = ledger_html(ROWS)
    assert text == ledger_html([dict(entry) for entry in ROWS])
    assert not re.search(r"https?:|url\(|@import|<link|<img|\bsrc=|fetch\(|innerHTML", text)


def test_the_table_of_counts_adds_up():
    table = count_statuses(ROWS)
    assert list(table) == ["source", *STATUSES, "all"]
    assert table["all"].sum() == len(ROWS)
    assert table.set_index("source").loc["the article", "confirmed"] == 4


def test_the_bars_are_as_long_as_the_counts():
    figure = plot_statuses(ROWS)
    widths = [patch.get_width() for patch in figure.axes[0].patches]
    assert sum(widths) == len(ROWS)
    assert len(figure.axes[0].get_legend().get_texts()) == len(STATUSES)
    plt.close(figure)


@pytest.fixture
def page(chromium, tmp_path):
    """Function that opens the ledger at a width, with the tail of its address."""
    playwright = pytest.importorskip("playwright.sync_api")
    file = Path(tmp_path) / "ledger.html"
    head = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    )
    file.write_text(f"{head}<body>{ledger_html(ROWS)}", "utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])

        def opened(tail: str = "", width: int = 1000, scripts: bool = True):
            context = browser.new_context(
                viewport={"width": width, "height": 800}, java_script_enabled=scripts
            )
            sheet = context.new_page()
            faults: list[str] = []
            sheet.on("pageerror", lambda error: faults.append(str(error)))
            sheet.goto(file.as_uri() + tail)
            assert faults == []
            return sheet

        yield opened
        browser.close()


@pytest.mark.browser
def test_the_filters_work_by_keyboard_and_are_counted(page):
    sheet = page()
    shown = sheet.locator("tbody tr:visible")
    assert shown.count() == len(ROWS)
    assert sheet.locator("output").inner_text() == "12 of 12 claims shown"
    sheet.keyboard.press("Tab")
    sheet.keyboard.type("THINGS figure 11")
    assert shown.count() == 1
    assert sheet.locator("output").inner_text() == "1 of 12 claims shown"
    sheet.get_by_label("words", exact=True).fill("11000")  # written 11,000 in the table
    assert shown.count() == 0  # figure 11 cannot be known, and has no such value
    sheet.get_by_label("words", exact=True).fill("10000")
    assert shown.count() == 1
    sheet.get_by_role("button", name="show all").press("Enter")
    sheet.wait_for_function("document.querySelectorAll('tbody tr[hidden]').length === 0")
    assert shown.count() == len(ROWS)
    sheet.get_by_label("status", exact=True).select_option("cannot be known")
    assert shown.count() == 4
    sheet.get_by_label("source", exact=True).select_option("mir2019article")
    assert shown.count() == 0


@pytest.mark.browser
def test_an_address_opens_it_filtered(page):
    sheet = page("?status=contradicted&words=figure+1&unknown=3")
    assert sheet.locator("tbody tr:visible").count() == 2  # figures 1 and 10
    assert sheet.get_by_label("status", exact=True).input_value() == "contradicted"


@pytest.mark.browser
def test_it_is_whole_without_scripts(page):
    sheet = page(scripts=False)
    assert sheet.locator("tbody tr:visible").count() == len(ROWS)
    assert not sheet.locator("form").is_visible()


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 390, 1000])
def test_it_fits_the_screen(page, width):
    sheet = page(width=width)
    over = sheet.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert over <= 0
    narrow = width < 500
    assert (sheet.locator("tbody td").first.evaluate("e => getComputedStyle(e).display")) == (
        "block" if narrow else "table-cell"
    )
    share = sheet.locator("tbody td").first.bounding_box()["width"] / width
    assert share > 0.8 if narrow else 0.3 < share < 0.8
    assert sheet.get_by_role("row").count() == len(ROWS) + 1  # still a table for a reader's voice
