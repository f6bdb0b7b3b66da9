"""The race of optimisers in a browser: its sliders move, its numbers are those of Python."""

from __future__ import annotations

import re
from functools import partial

import numpy as np
import pytest

from alllib.interactive import interactive_html
from alllib.lessons import descent, rates

BOWL = rates.make_bowl((1.0, 50.0), 25)
START = np.array([-4.4, -1.2])
DATA = {
    "hessian": BOWL.tolist(), "start": START.tolist(), "window": [-5.2, 5.2, -3.4, 3.4],
    "steps": 100, "rates": [-3, 0, -1.5], "momentum": 0.9,
    "rho": 0.9, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7,
}  # fmt: skip


def expected(rate: float, momentum: float, steps: int) -> dict[str, np.ndarray]:
    """Losses of each optimiser after each step."""
    rules = {
        "plain descent": descent.plain_step,
        "momentum": partial(descent.momentum_step, momentum=momentum),
        "RMSprop": descent.rmsprop_step,
        "Adam": descent.adam_step,
    }
    found = {}
    for name, rule in rules.items():
        step = partial(rule, learning_rate=rate)
        path = descent.descend(step, lambda w: BOWL @ w, START, steps=steps)
        found[name] = np.einsum("ti,ij,tj->t", path, BOWL, path) / 2
    return found


@pytest.fixture(scope="module")
def page(chromium, tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api")
    file = tmp_path_factory.mktemp("race") / "race.html"
    html = interactive_html("race", DATA, text="Four optimisers on a bowl.")
    file.write_text(f"<!doctype html><meta charset='utf-8'><body>{html}</body>", "utf-8")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.faults = []
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.goto(file.as_uri())
        yield page
        browser.close()


def move(page, place: int, value: float) -> None:
    """Set a slider as a reader does who moves it."""
    slider = page.locator("input[type=range]").nth(place)
    slider.evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }",
        value,
    )


def table(page) -> dict[str, tuple[str, str]]:
    rows = page.locator("table tr").all()[1:]
    cells = [row.locator("th, td").all_inner_texts() for row in rows]
    return {name: (loss, first) for name, loss, first in cells}


@pytest.mark.browser
@pytest.mark.parametrize(
    ("power", "momentum", "steps"),
    [(-1.5, 0.9, 100), (-2, 0.0, 40), (-1.7, 0.5, 60), (-3, 0.99, 100), (-0.6, 0.9, 30)],
)
def test_losses_are_those_of_python(page, power, momentum, steps):
    for place, value in enumerate((power, momentum, steps)):
        move(page, place, value)
    found = table(page)
    for name, losses in expected(10**power, momentum, steps).items():
        said, first = found[name]
        if losses[-1] < 1e6:
            assert float(said) == pytest.approx(losses[-1], rel=1e-3)
        else:
            assert said == "diverges"
        below = np.flatnonzero(losses < losses[0] / 100)
        assert first == (str(below[0]) if len(below) else "not reached")
    best = min(found, key=lambda name: expected(10**power, momentum, steps)[name][-1])
    told = page.locator("p[aria-live=polite]").inner_text()
    assert f"After {steps} steps {best} has the lowest loss" in told
    limits = [float(value) for value in re.findall(r"(?:of|above) (\d\.\d+)", told)]
    assert limits == pytest.approx([2 / 50, 2 * (1 + momentum) / 50], rel=1e-2)
    assert page.faults == []


@pytest.mark.browser
def test_without_momentum_two_paths_are_one(page):
    move(page, 1, 0)
    lines = page.locator("svg polyline[stroke-width]").all()
    points = [line.get_attribute("points") for line in lines]
    assert len(points) == 4 and points[0] == points[1] and points[2] != points[3]


@pytest.mark.browser
def test_sliders_have_names_and_answer_to_keys(page):
    sliders = page.locator("input[type=range]")
    assert sliders.count() == 3
    for name in ("learning rate", "momentum", "steps"):
        assert page.get_by_label(name, exact=False).count() >= 1
    move(page, 2, 50)
    sliders.nth(2).focus()
    page.keyboard.press("ArrowLeft")
    assert "After 49 steps" in page.locator("p[aria-live=polite]").inner_text()
    assert page.locator("div.interactive p").last.inner_text() == "Four optimisers on a bowl."
