"""The figure with nine weights, in a browser, against NumPy."""

from __future__ import annotations

import re

import numpy as np
import pytest

from alllib.interactive import interactive_html
from alllib.lessons.convolution import slide

SIDE = 12
PRESETS = {
    "nothing": {"weights": [0, 0, 0, 0, 1, 0, 0, 0, 0], "divisor": 1},
    "blur": {"weights": [1] * 9, "divisor": 9},
    "edges": {"weights": [-1, -1, -1, -1, 8, -1, -1, -1, -1], "divisor": 1},
}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (SIDE, SIDE))


@pytest.fixture
def page(chromium, image, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api")
    data = {"side": SIDE, "grey": image.ravel().tolist(), "presets": PRESETS}
    shown = interactive_html("filter", data, text="A filter.")
    path = tmp_path / "filter.html"
    path.write_text(f"<!doctype html><title>filter</title>{shown}")
    faults = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 390, "height": 800})
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.goto(path.as_uri())
        yield opened
        browser.close()
    assert faults == []


def told(page) -> list[float]:
    """Sum of the weights; smallest, largest and mean value of the map."""
    text = page.locator("p[aria-live]").text_content().replace(f"{SIDE - 2} by {SIDE - 2}", "")
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def expected(image, weights, divisor) -> np.ndarray:
    return slide(image, np.reshape(weights, (3, 3))) / divisor


def pixels(page) -> np.ndarray:
    values = page.evaluate(
        "() => { const c = document.querySelectorAll('canvas')[1];"
        "return Array.from(c.getContext('2d').getImageData(0, 0, c.width, c.height).data); }"
    )
    return np.reshape(values, (SIDE - 2, SIDE - 2, 4))


def assert_shown(page, image, weights, divisor, *, middle):
    found = expected(image, weights, divisor)
    numbers = [sum(weights) / divisor, found.min(), found.max(), found.mean()]
    assert np.allclose(told(page), numbers, atol=0.06)
    shown = pixels(page)
    drawn = np.clip(128 + found / 2 if middle else found, 0, 255)
    assert (np.abs(shown[..., 0] - drawn) <= 0.51).all()
    assert (shown[..., 0] == shown[..., 2]).all() and (shown[..., 3] == 255).all()


@pytest.mark.browser
def test_presets_and_sliders_give_the_map_that_numpy_gives(page, image):
    assert_shown(page, image, PRESETS["nothing"]["weights"], 1, middle=False)
    for name in ("blur", "edges"):
        page.get_by_role("button", name=name).click()
        assert_shown(page, image, **PRESETS[name], middle=name == "edges")
    weights = list(PRESETS["edges"]["weights"])
    slider = page.get_by_label("row 1, column 3")
    slider.focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        weights[2] += 1
    assert_shown(page, image, weights, 1, middle=True)
    page.get_by_label("all divided by").fill("4")
    assert_shown(page, image, weights, 4, middle=True)
    page.get_by_label("show zero as grey").uncheck()
    assert_shown(page, image, weights, 4, middle=False)


@pytest.mark.browser
def test_it_fits_a_narrow_screen_and_each_input_has_a_name(page):
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.get_by_role("slider").count() == 10
    for slider in page.get_by_role("slider").all():
        assert slider.evaluate("node => node.labels.length") == 1
    assert "46" not in page.locator("canvas").nth(1).get_attribute("aria-label")
    assert "10 by 10" in page.locator("canvas").nth(1).get_attribute("aria-label")
