"""The grid of recorded results: its file, its runs, their commands, and which are recorded."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from fabricated import answers, write_run
from tiny import write_cells

from alllib import backend, cli
from alllib.datasets import data_fingerprint, get_dataset, load_cells
from alllib.errors import ParameterError, RecipeError
from alllib.grids import Grid, choose_scale, grid_runs, missing_runs, read_grid
from alllib.recipes import load_recipe
from alllib.records import list_records
from alllib.settings import RunSettings

REPOSITORY = Path(__file__).resolve().parents[1]
GRID = REPOSITORY / "workflow" / "grids" / "results.toml"
SYSTEMS = {
    *("mir2019-proposed", "mir2019-proposed-300", "mir2019-alexnet", "mir2019-resnet50"),
    *("mir2019-vgg16", "mir2019-inception_v3", "garg2021-vgg19", "unnithan2021-2x2"),
    "ball2023-densenet201",
}
SMALL = """\
[scale.cpu]
prefix = "try"
weights = "none"
input = 20
epochs = 3
samples = 40
seeds = [1]

[scale.gpu]
prefix = "whole"
patience = 4
seeds = [1, 2]

[[system]]
recipe = "mir2019-alexnet"
name = "alexnet"
splits = [{ protocol = "published" }, { protocol = "group", fold = 2, seeds = [5] }]
cpu = { seeds = [1, 2, 3] }

[[system]]
recipe = "unnithan2021-2x2"
name = "2x2"
splits = [{ protocol = "group" }, { protocol = "folds", fold = 2, complete = true }]
cpu = { epochs = 6, precision = "float32", patience = 2 }

[[system]]
recipe = "ball2023-densenet201"
name = "densenet"
splits = [{ protocol = "blocks" }]
"""


@pytest.fixture
def write(tmp_path):
    """`write(old, new)`: path of the small grid, with some words exchanged."""

    def file(old: str = "", new: str = "") -> Path:
        assert old in SMALL
        path = tmp_path / "grid.toml"
        path.write_text(SMALL.replace(old, new, 1))
        return path

    return file


@pytest.fixture
def small(write) -> Grid:
    return read_grid(write())


@pytest.fixture(scope="module")
def grid() -> Grid:
    return read_grid(GRID)


# The file ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('prefix = "try"', 'prefx = "try"', "'prefix' is missing"),
        ("seeds = [1]\n\n[scale.gpu]", "\n[scale.gpu]", "'seeds' is missing"),
        ("samples = 40", "sample = 40", "'sample' is not known"),
        ("samples = 40", "batch = 4", "'batch' is not known"),
        ("[scale.gpu]", "[scale.tpu]", "'gpu' is missing"),
        ('name = "alexnet"', "", "'name' is missing"),
        ('name = "2x2"', 'nam = "2x2"', "'name' is missing"),
        ('{ protocol = "group" }', "{ fold = 1 }", "'protocol' is missing"),
        ("fold = 2, seeds", "fld = 2, seeds", "'fld' is not known"),
        ("cpu = { epochs = 6", "cpu = { epoch = 6", "'epoch' is not known"),
        ("cpu = { seeds", "cpus = { seeds", "'cpus' is not known"),
        ("[scale.cpu]", "[other]\n[scale.cpu]", "'other' is not known"),
        ("[scale.cpu]", "[scale.cpu", "cannot be read"),
    ],
)
def test_a_wrong_key_is_one_clear_error(write, old, new, said):
    path = write(old, new)
    with pytest.raises(ParameterError) as error:
        read_grid(path)
    assert said in str(error.value) and str(path) in str(error.value)
    assert "remedy" in str(error.value)


def test_a_misspelled_key_is_suggested_and_its_place_named(write):
    with pytest.raises(ParameterError, match="Did you mean 'samples'") as error:
        read_grid(write("samples = 40", "sampels = 40"))
    assert "scale.cpu" in str(error.value)
    with pytest.raises(ParameterError, match="system 2x2"):
        read_grid(write("cpu = { epochs = 6", "cpu = { epoch = 6"))


def test_a_recipe_and_a_file_that_are_not_there_are_refused(write, tmp_path):
    with pytest.raises(RecipeError, match="mir2019-alexnet"):
        read_grid(write("mir2019-alexnet", "mir2019-alexnot"))
    with pytest.raises(ParameterError, match="cannot be read"):
        read_grid(tmp_path / "none.toml")


# Runs ----------------------------------------------------------------------------------


def test_one_seed_of_everything_comes_first(small):
    runs = grid_runs(small, "cpu")
    assert [run.id for run in runs] == [
        "try-alexnet-published-s1",
        "try-alexnet-group-fold2-s5",
        "try-2x2-group-s1",
        "try-densenet-blocks-s1",
        "try-alexnet-published-s2",
        "try-alexnet-published-s3",
    ]
    whole = [run.id for run in grid_runs(small, "gpu")]
    assert whole[:3] == ["whole-alexnet-published-s1", "whole-alexnet-group-fold2-s5",
                         "whole-2x2-group-s1"]  # fmt: skip
    assert whole[-1] == "whole-densenet-blocks-s2"


def test_runs_are_chosen_by_data_set_and_completeness(small):
    names = {run.id for run in grid_runs(small, "cpu", datasets=["ball2021"])}
    assert names == {"try-densenet-blocks-s1"}
    some = {run.id for run in grid_runs(small, "cpu", datasets=["cnmc2019"])}
    every = {run.id for run in grid_runs(small, "cpu", complete=True)}
    assert every - some - names == {"try-2x2-folds-fold2-s1"}
    assert grid_runs(small, "cpu", datasets=[]) == []
    assert all(
        run.dataset == load_recipe(run.recipe).data.dataset for run in grid_runs(small, "cpu")
    )


def test_settings_are_those_of_scale_and_system(small):
    alexnet, _, plain, dense, *_ = grid_runs(small, "cpu")
    least = load_recipe("mir2019-alexnet").architecture.minimum_input
    assert alexnet.settings.input_size == least > 20  # a network's least, where that is more
    assert (alexnet.settings.epochs, alexnet.settings.samples) == (3, 40)
    assert (plain.settings.input_size, plain.settings.epochs, plain.settings.samples) == (
        20,
        6,
        None,
    )
    assert (plain.settings.precision, plain.settings.patience) == ("float32", 2)
    assert dense.settings.input_size == 32 and dense.settings.precision == "auto"
    for run in grid_runs(small, "gpu"):
        plain = RunSettings(patience=4, seed=run.settings.seed).filled(load_recipe(run.recipe))
        assert run.settings == plain


def test_two_runs_of_one_name_are_refused(write):
    two = read_grid(write('name = "2x2"', 'name = "alexnet"').with_name("grid.toml"))
    assert len({run.id for run in grid_runs(two, "cpu")}) == 6  # other splits, other names
    same = read_grid(
        write('{ protocol = "group" }', '{ protocol = "group" }, { protocol = "group" }')
    )
    with pytest.raises(ParameterError, match="Two runs are called try-2x2-group-s1"):
        grid_runs(same, "cpu")


def test_settings_that_cannot_be_used_are_refused(write):
    with pytest.raises(ParameterError, match="epochs = 0"):
        grid_runs(read_grid(write("epochs = 3", "epochs = 0")), "cpu")
    with pytest.raises(ParameterError, match="precision"):
        grid_runs(read_grid(write('precision = "float32"', 'precision = "float8"')), "cpu")


def test_the_scale_is_that_of_the_machine_or_the_one_given(monkeypatch):
    for kind, scale in (("cpu", "cpu"), ("gpu", "gpu"), ("tpu", "gpu")):
        monkeypatch.setattr(backend, "describe_device", lambda kind=kind: {"kind": kind})
        assert choose_scale() == choose_scale("auto") == scale
        assert choose_scale("cpu") == "cpu" and choose_scale("gpu") == "gpu"
    with pytest.raises(ParameterError, match="Did you mean 'cpu'"):
        choose_scale("cpus")


# Commands ------------------------------------------------------------------------------


class Asked(Exception):
    """What `alllib train` was about to train."""


@pytest.fixture
def asked(monkeypatch):
    """What the words of a command ask for: recipe, data, protocol, fold, settings, run."""
    found: dict = {}

    def split(recipe, cells, protocol, *, fold):
        found.update(recipe=recipe.name, protocol=protocol, fold=fold)

    def train(recipe, split, *, settings, run_id, **_):
        raise Asked(settings.filled(recipe), run_id)

    def prepare(folder, **_):
        found["data"] = folder

    def ask(words: list[str]) -> dict:
        with pytest.raises(Asked) as error:
            cli._run_command(words)
        settings, run_id = error.value.args
        return found | {"settings": settings, "run": run_id}

    empty = pd.DataFrame()
    empty.attrs["dataset"] = "cnmc2019"
    monkeypatch.setattr("alllib.downloads.prepare_data", prepare)
    monkeypatch.setattr("alllib.datasets.load_cells", lambda *_: empty)
    monkeypatch.setattr("alllib.training.check_classes", lambda *_: None)
    monkeypatch.setattr("alllib.recipes.split_by_recipe", split)
    monkeypatch.setattr("alllib.training.train_recipe", train)
    return ask


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_the_command_of_each_run_asks_for_just_that_run(grid, small, asked, scale):
    for run in [*grid_runs(grid, scale, complete=True), *grid_runs(small, scale, complete=True)]:
        found = asked(run.words("/some folder/C-NMC"))
        assert found == {
            "recipe": run.recipe, "protocol": run.protocol, "fold": run.fold, "run": run.id,
            "data": "/some folder/C-NMC", "settings": run.settings,
        }, run.id  # fmt: skip


# Recorded or not -----------------------------------------------------------------------


@pytest.fixture
def run(write, workspace):
    """The 2x2 run by subject group, on any fold."""
    grid = read_grid(write('{ protocol = "group" }', '{ protocol = "group", fold = 2 }'))
    return next(run for run in grid_runs(grid, "cpu") if run.id == "try-2x2-group-fold2-s1")


def record_of(run, **options):
    options = {"settings": run.settings, "seed": run.settings.seed, "recipe": run.recipe} | options
    return write_run(options.pop("id", run.id), answers(1), **options)


def test_a_record_of_just_this_run_fits(run):
    record = record_of(run)
    assert run.fits(record) and missing_runs([run], [record]) == []
    assert missing_runs([run], []) == [run]


@pytest.mark.parametrize(
    "other",
    [
        {"id": "another"},
        {"recipe": "unnithan2021-2x2.balanced"},
        {"protocol": "image"},
        {"dataset": "synthetic"},
        {"split": {"folds": 5, "seed": 2019, "fold": 3}},
        {"parameters": {"seed": 2}},
        {"parameters": {"epochs": 7}},
        {"parameters": {"input_size": 24}},
        {"parameters": {"batch": 8}},
        {"parameters": {"weights": "imagenet"}},
        {"parameters": {"backbone": "frozen"}},
        {"parameters": {"precision": "mixed_float16"}},
        {"parameters": {"samples": 40}},
        {"parameters": {"patience": 3}},
    ],
)
def test_a_record_of_anything_else_does_not_fit(run, other):
    record = record_of(run, **other)
    assert not run.fits(record) and missing_runs([run], [record]) == [run]


def test_only_the_images_of_the_split_have_to_be_those_of_the_record(run, tmp_path):
    cells = load_cells(write_cells(tmp_path / "cells"))
    test_phase = cells.iloc[:3].assign(fold="final", label=None)
    held = pd.concat([cells, test_phase.assign(image="t" + test_phase.image)], ignore_index=True)
    held.attrs = cells.attrs
    record = record_of(run, data=data_fingerprint(cells))
    assert data_fingerprint(held) != data_fingerprint(cells) == run.fingerprint(held)
    for table in (cells, held):
        assert missing_runs([run], [record], {"cnmc2019": table}) == []
    assert missing_runs([run], [record_of(run)], {"cnmc2019": held}) == [run]  # of other images


def test_a_record_that_names_no_patience_has_the_recipes(run):
    record = record_of(run)
    assert record.run["parameters"].pop("patience") == 2
    assert not run.fits(record)
    patient = replace(run, settings=replace(run.settings, patience=0))
    assert load_recipe(run.recipe).training.patience == 0 and patient.fits(record)


def test_any_fold_fits_where_none_is_asked_and_published_is_the_recipes_protocol(run):
    record = record_of(run, split={"folds": 5, "seed": 2019, "fold": 4})
    assert replace(run, fold=None).fits(record) and not run.fits(record)
    theirs = record_of(run, protocol="image", split={"shares": [0.75, 0.25]})
    assert replace(run, fold=None, protocol="published").fits(theirs)
    assert not replace(run, fold=None, protocol="published").fits(record)


# The committed grid --------------------------------------------------------------------


def by_recipe(runs):
    found: dict[str, list] = {}
    for run in runs:
        found.setdefault(run.recipe, []).append(run)
    return found


def seeds(runs, protocol: str) -> set[int]:
    return {run.settings.seed for run in runs if run.protocol == protocol}


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_all_nine_systems_run_on_the_published_and_on_the_honest_split(grid, scale):
    runs = by_recipe(grid_runs(grid, scale))
    assert set(runs) >= SYSTEMS and len(SYSTEMS) == 9
    for recipe in SYSTEMS:
        honest = load_recipe(recipe).data.honest_protocol
        assert honest == ("blocks" if recipe.startswith("ball") else "group")
        assert {"published", honest} <= {run.protocol for run in runs[recipe]}, recipe
        several = {"mir2019-proposed", "unnithan2021-2x2"} | (
            {"mir2019-alexnet"} if scale == "cpu" else {"mir2019-resnet50", "ball2023-densenet201"}
        )
        for protocol in ("published", honest):
            assert len(seeds(runs[recipe], protocol)) >= (3 if recipe in several else 1), recipe


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_official_folds_are_tested_both_ways_the_third_only_on_the_complete_data(grid, scale):
    for complete, wanted in ((False, {0, 1}), (True, {0, 1, 2})):
        runs = by_recipe(grid_runs(grid, scale, complete=complete))
        for recipe in ("mir2019-proposed", "mir2019-resnet50"):
            assert {run.fold for run in runs[recipe] if run.protocol == "folds"} == wanted


def test_without_an_accelerator_the_grid_is_small_but_not_too_small(grid):
    for run in grid_runs(grid, "cpu", complete=True):
        recipe, chosen = load_recipe(run.recipe), run.settings
        least = recipe.architecture.minimum_input
        assert least <= chosen.input_size and 64 <= chosen.input_size <= max(96, least)
        assert chosen.epochs >= (40 if run.recipe == "garg2021-vgg19" else 8)
        assert chosen.weights == "none" and chosen.batch == recipe.training.batch
        assert run.id.startswith("real-")


def test_with_an_accelerator_everything_is_as_in_the_recipe(grid):
    for run in grid_runs(grid, "gpu", complete=True):
        recipe, chosen = load_recipe(run.recipe), run.settings
        plain = RunSettings(seed=chosen.seed, patience=chosen.patience).filled(recipe)
        assert chosen == plain and chosen.patience > 0, run.id
        assert run.id.startswith("full-")


@pytest.mark.parametrize("scale", ["cpu", "gpu"])
def test_protocols_and_folds_of_the_grid_exist(grid, scale):
    for run in grid_runs(grid, scale, complete=True):
        assert run.protocol in ("published", *get_dataset(run.dataset).protocols), run.id
        assert run.fold is None or 0 <= run.fold < (3 if run.protocol == "folds" else 5)
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", run.id)


def test_each_recorded_run_is_of_the_grid(grid):
    runs = {
        run.id: run for scale in ("cpu", "gpu") for run in grid_runs(grid, scale, complete=True)
    }
    kept = list_records(REPOSITORY / "results")
    assert len(kept) > 30
    for record in kept:
        assert runs[record.run["id"]].fits(record), record.run["id"]
    lacking = missing_runs(runs.values(), kept)
    assert {run.id for run in lacking} == set(runs) - {record.run["id"] for record in kept}
