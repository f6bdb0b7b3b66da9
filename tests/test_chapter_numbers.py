"""Every number of the chapters made from records is found again in the records.

The pages are executed on a copy of `results/`, their tables, computed sentences, captions and
alternative texts are read, and each number is held against one computed here from the files of
the runs. That nobody typed one by hand is held by `test_typed_numbers`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import pytest
from expected_pages import (
    CLOSE,
    DATA,
    expect_behaviour,
    expect_cost,
    expect_results,
    expect_split_effect,
    expect_verdict,
)
from filelock import FileLock
from page_numbers import (
    Expected,
    Listed,
    Page,
    Said,
    faults,
    fits,
    found_out,
    read_page,
    text_fits,
    tokens,
)
from raw_results import POSITIVE, auroc_of, read_kept, read_recipes, read_runs

from alllib.architectures import build_network, inference_model
from alllib.backend import load_keras
from alllib.notebooks import read_parameters
from alllib.recipes import load_recipe

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOKS = REPOSITORY / "notebooks"
# Share of changed digits that have to be noticed; a value half way between two printed numbers
# fits both.
LEAST = 0.9


@pytest.fixture(scope="session")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Page, Path]]:
    """`executed(topic, keep=)`: the page and the results that it was made from, made once."""
    base = tmp_path_factory.getbasetemp()
    base = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base

    def execute(topic: str, *, keep: str = "all") -> tuple[Page, Path]:
        space = base / f"chapter-numbers-{keep}"
        with FileLock(base / f"{space.name}.lock"):
            if not space.exists():
                copy_results(space, keep)
        page = space / "_build" / "executed" / f"{topic}.ipynb"
        with FileLock(base / f"{space.name}-{topic}.lock"):
            if not page.exists():
                run_page(topic, space)
        return read_page(page), space / "results"

    return execute


def copy_results(space: Path, keep: str) -> None:
    """A workspace with all recorded runs, with every second one, or with none."""
    partial = space.with_name(f"{space.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(REPOSITORY / "results", partial / "results")
    folders = [one.folder for one in read_runs(partial / "results")]
    for folder in {"all": [], "half": folders[::2], "none": folders}[keep]:
        shutil.rmtree(folder)
    partial.rename(space)


def run_page(topic: str, space: Path) -> None:
    command = [sys.executable, "-m", "alllib.cli", "run", str(NOTEBOOKS / f"{topic}.py")]
    # The page shall read this checkout and its own copy of the results, and train nothing.
    environment = {**os.environ, "ALLLIB_WORKSPACE": str(space), "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, env=environment, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]


def count_operations(run: dict) -> int:
    """Operations of the convolutions and dense layers of a run's network, by hand."""
    layers = load_keras().layers
    load_keras().utils.clear_session()
    network = build_network(
        load_recipe(run["recipe"]), classes=len(run["classes"]), weights="none",
        input_size=run["parameters"]["input_size"], backbone=run["backbone"],
    )  # fmt: skip
    total = 0
    for layer in inference_model(network)._flatten_layers():  # as it is used, without what trains
        if isinstance(layer, layers.Conv2D):
            height, width = layer.output.shape[1:3]
            total += 2 * height * width * prod(layer.kernel.shape)
        elif isinstance(layer, layers.Dense):
            total += 2 * prod(layer.kernel.shape)
    return total


def parameter(topic: str, name: str):
    return read_parameters(NOTEBOOKS / f"{topic}.py")[name].value


def expect(topic: str, results: Path) -> Expected:
    if topic == "verdict":
        return expect_verdict(results, parameter(topic, "least_epochs"))
    if topic in ("results", "split_effect"):
        return {"results": expect_results, "split_effect": expect_split_effect}[topic](results)
    chosen = parameter(topic, "dataset"), parameter(topic, "protocol")
    if topic == "behaviour":
        return expect_behaviour(results, *chosen)
    return expect_cost(results, *chosen, count_operations)


def shown_part(topic: str, page: Page) -> Page:
    """The whole page; of the verdict the column and the sentences on gaps."""
    if topic != "verdict":
        return page
    column = "its split adds, same images"
    rows = page.tables["Published accuracies and what explains them."]
    titles = [recipe["title"] for recipe in read_recipes().values()]
    cut = [
        {"system": next(t for t in titles if row["system"].startswith(f"{t}, ")),
         column: row.get(column, "not measured")}
        for row in rows
    ]  # fmt: skip
    phrases = ("At a smaller scale that was done", "The same of the other works' networks")
    texts = [text for text in page.texts if any(phrase in text for phrase in phrases)]
    return Page({column: cut}, texts)


def check_page(topic: str, keep: str, executed: Callable) -> None:
    page, results = executed(topic, keep=keep)
    page, expected = shown_part(topic, page), expect(topic, results)
    assert faults(page, expected) == []
    noticed, numbers = found_out(page, expected)
    print(f"{topic} ({keep}): {numbers} numbers, {noticed} changes noticed")
    assert noticed >= LEAST * numbers
    if keep == "all" and read_runs(results):
        assert numbers >= {"results": 300, "verdict": 1}.get(topic, 10)


@pytest.mark.parametrize("topic", ["results", "split_effect", "behaviour"])
def test_every_number_of_a_chapter_is_found_again_in_the_records(executed, topic):
    check_page(topic, "all", executed)


@pytest.mark.slow
@pytest.mark.parametrize("topic", ["cost", "verdict"])
def test_every_number_of_a_longer_chapter_is_found_again_in_the_records(executed, topic):
    check_page(topic, "all", executed)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["half", "none"])
@pytest.mark.parametrize("topic", ["results", "split_effect", "behaviour", "cost", "verdict"])
def test_that_holds_for_any_set_of_recorded_runs(executed, topic, keep):
    check_page(topic, keep, executed)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", DATA)
def test_the_kept_intervals_of_the_area_are_those_of_the_kept_predictions(dataset):
    study = read_kept(REPOSITORY / "results", dataset)
    for row in study.rows():
        found = auroc_of([study.table(row)], POSITIVE[dataset])
        kept = [value for value in row["metrics"]["auroc"].values() if value is not None]
        assert found == pytest.approx(kept, abs=CLOSE), (row["title"], row["protocol"])


def test_a_number_fits_within_half_a_unit_of_its_last_digit():
    assert fits("0.830", 0.8304) and not fits("0.830", 0.8306) and not fits("0.831", 0.8304)
    assert fits("7,569", 7569) and not fits("7,569", 7570) and fits("58%", 0.584)
    assert fits("-0.3", -0.26) and not fits("+0.3", -0.26) and fits("2026-11-21", "2026-11-21")
    assert not fits("2026-11-21", 2026) and not fits("0.830", "2026-11-21")


def test_numbers_are_read_with_sign_and_separators_and_names_are_not():
    text = "VGG19 of 2x2 network, 1,497 images: +6.5 (-1.5 to +11.4), commit 9658d56, 2026-11-21."
    names = {"VGG19", "2x2 network"}
    assert tokens(text, names) == ["1,497", "+6.5", "-1.5", "+11.4", "9658d56", "2026-11-21"]
    assert tokens(text)[:3] == ["19", "2", "2"]


def test_a_wrong_a_missing_and_an_unknown_number_are_faults():
    wanted = {"system": "A", "accuracy": [0.83, 0.7, 0.9]}
    expected = Expected({"T": [wanted]}, [Said("images", [5]), Listed("All", [("A:", [0.5])])])
    row = {"system": "A", "accuracy": "0.830 (0.700 to 0.900)"}
    good = Page({"T": [row]}, ["Of 5 images.", "No number.", "All: A: 0.50."])
    assert faults(good, expected) == [] and found_out(good, expected) == (5, 5)
    for cell in ("0.831 (0.700 to 0.900)", "0.830 (0.700)", "0.830 (0.700 to 0.900) 1"):
        assert len(faults(Page({"T": [row | {"accuracy": cell}]}, []), expected)) == 2
    assert faults(Page({}, []), expected) == ["no table T"]
    assert faults(Page({"T": [row, row]}, []), expected)
    for text in ("Of 6 images.", "Of 5 cells.", "Of 5 images, 5.", "All: B: 0.50.", "All: A: 0.6"):
        assert not text_fits(text, expected), text
