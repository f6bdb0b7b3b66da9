"""The interactive threshold in a browser: its counts and rates are those of Python."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from alllib.demonstration import demonstration_folder
from alllib.interactive import interactive_html
from alllib.lessons.medicine import count_decisions, predictive_values, scores_of
from alllib.records import read_record

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def rounded() -> tuple[np.ndarray, np.ndarray]:
    scores, positive = scores_of(read_record(demonstration_folder()).predictions, "ALL")
    return np.round(scores, 3), positive


@pytest.fixture(scope="module")
def page(chromium, rounded, tmp_path_factory) -> Iterator:
    playwright = pytest.importorskip("playwright.sync_api")
    scores, positive = rounded
    data = {
        "positive": "ALL", "negative": "HEM",
        "scores": {"positive": scores[positive].tolist(), "negative": scores[~positive].tolist()},
    }  # fmt: skip
    html = interactive_html("threshold", data, text="What it shows.")
    file = tmp_path_factory.mktemp("threshold") / "page.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'><body>{html}</body>", "utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page()
        opened.faults = []
        opened.on("pageerror", lambda error: opened.faults.append(str(error)))
        opened.goto(file.as_uri())
        yield opened
        browser.close()


def move(page, number: int, value: float) -> None:
    slider = page.locator("input[type=range]").nth(number)
    slider.evaluate(
        "(node, value) => { node.value = value; node.dispatchEvent(new Event('input')); }",
        str(value),
    )


def shown_counts(page) -> list[int]:
    return [int(text) for text in page.locator("td").all_inner_texts()]


def shown_rates(page) -> list[float | None]:
    text = page.locator("[aria-live]").inner_text()
    found = re.findall(r"(-?[\d.]+) %|(not defined)", text)
    return [float(number) / 100 if number else None for number, _ in found]


@pytest.mark.parametrize("share", [0.5, 0.05])
@pytest.mark.parametrize("threshold", [0.0, 0.13, 0.5, 0.87, 1.0])
def test_counts_and_rates_are_those_of_python(page, rounded, threshold, share):
    move(page, 0, threshold)
    move(page, 1, share)
    wanted = count_decisions(*rounded, threshold)
    assert shown_counts(page) == [wanted.hits, wanted.misses, wanted.alarms, wanted.clear]
    values = predictive_values(wanted.sensitivity, wanted.specificity, share)
    for shown, value in zip(
        shown_rates(page), (wanted.sensitivity, wanted.specificity, *values), strict=True
    ):
        if shown is None:
            assert np.isnan(value)
        else:
            assert shown == pytest.approx(value, abs=0.00051)
    assert page.faults == []


def test_sliders_have_labels_and_take_the_keyboard(page, rounded):
    move(page, 0, 0.5)
    slider = page.get_by_role("slider", name="threshold")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert float(slider.input_value()) == pytest.approx(0.51)
    wanted = count_decisions(*rounded, 0.51)
    assert shown_counts(page) == [wanted.hits, wanted.misses, wanted.alarms, wanted.clear]
    assert page.get_by_role("slider", name="share of the disease").count() == 1


def test_the_text_for_those_without_scripts_stays(page):
    assert page.get_by_text("What it shows.").count() == 1
