"""The command line: each command, its JSON, and errors as one message with exit code 1."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

import alllib
from alllib import cli
from alllib.cli import main
from alllib.datasets import load_cells
from alllib.recipes import list_recipes, load_recipe
from alllib.records import list_records
from alllib.store import open_store
from alllib.synthetic import SyntheticDesign, make_dataset

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    monkeypatch.chdir(REPOSITORY)
    return tmp_path


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Synthetic cells of 32 pixels: 24 subjects, 96 images."""
    design = SyntheticDesign(images=96, subjects=24, size=32, format="png")
    return make_dataset(tmp_path_factory.mktemp("cells") / "data", design, progress=False)


def refused(capsys, *words: str) -> str:
    """Message of a command that must fail with one clear error."""
    assert main(words) == 1
    said = capsys.readouterr()
    assert said.out == "", "nothing may be printed before the error"
    told = re.sub(r"\r[^\n]*\n", "", said.err)  # without progress bars
    assert told.startswith("error: ") and "\n  remedy: " in told
    assert "Traceback" not in told
    return told


def train_words(data, *rest: str) -> list[str]:
    sizes = ["--input-size", "16", "--epochs", "1", "--samples", "30"]
    return ["train", "mir2019-proposed", "--data", str(data), *sizes, *rest]


# Help and words that are none ------------------------------------------------------


def test_help_and_version(capsys):
    for words, said in ((["--help"], "COMMAND"), (["--version"], alllib.__version__)):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 0 and said in capsys.readouterr().out


@pytest.mark.parametrize(
    "command",
    [
        *("data", "data check", "data make", "data duplicates", "run", "train", "systems"),
        *("predict", "demo", "results", "claims", "baselines", "laboratory"),
    ],
)
def test_each_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0 and "usage: alllib " + command in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["trian"], ["data"], ["train"], ["train", "x", "--epoch"]])
def test_wrong_words_are_refused_with_the_usage(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2 and "usage:" in capsys.readouterr().err


def test_the_installed_command_is_this_one(place):
    done = subprocess.run(
        [sys.executable, "-m", "alllib.cli", "results"],
        cwd=REPOSITORY, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0 and "no finished run" in done.stdout and done.stderr == ""
    failed = subprocess.run(
        [sys.executable, "-m", "alllib.cli", "train", "nothing"],
        cwd=REPOSITORY, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert failed.returncode == 1 and failed.stderr.startswith("error: There is no recipe")


def test_an_interrupt_ends_with_130_and_a_sentence(monkeypatch, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_show_results", interrupt)
    assert main(["results"]) == 130
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("interrupted") and said.err.count("\n") == 1


# Data ------------------------------------------------------------------------------


def test_data_make_writes_a_synthetic_set_and_says_where(place, capsys):
    target = place / "cells"
    assert main(["data", "make", str(target), "--images", "50", "--seed", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(target)
    assert len(list(target.rglob("*.bmp"))) == 50
    assert main(["data", "make", str(target), "--images", "50", "--seed", "3"]) == 0


def test_data_make_without_a_folder_writes_below_the_workspace(place, capsys):
    assert main(["data", "make", "--images", "48"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_relative_to(place / "_build")


def test_data_make_refuses_too_few_images_and_foreign_folders(place, capsys):
    assert "images" in refused(capsys, "data", "make", str(place / "a"), "--images", "3")
    (place / "b").mkdir()
    (place / "b" / "thesis.txt").write_text("mine")
    assert str(place / "b") in refused(capsys, "data", "make", str(place / "b"))
    assert (place / "b" / "thesis.txt").read_text() == "mine"


def test_data_fetch_refuses_what_is_not_on_kaggle(capsys):
    assert "alllib data make" in refused(capsys, "data", "fetch", "synthetic")
    assert "'cnmc2019'" in refused(capsys, "data", "fetch", "cnmc2091")


def test_data_check_names_what_is_wrong_as_text_and_as_json(place, capsys):
    folder = place / "C-NMC_Leukemia" / "training_data" / "fold_0" / "all"
    folder.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folder / "UID_11_10_1_all.bmp")
    (folder / "UID_11_11_1_all.bmp").write_bytes(b"")
    assert main(["data", "check", str(place), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["complete"] is False and report["expected"] == 15_114
    assert report["identical"] == 0 and len(report["missing"]) > 15_000
    assert len(report["unreadable"]) == 1 and "UID_11_11_1_all" in report["unreadable"][0]
    assert main(["data", "check", str(place)]) == 1
    text = capsys.readouterr().out
    assert "0 of 15114" in text and "UID_11_11_1_all" in text and "not complete" in text


def test_data_check_refuses_a_folder_that_is_not_there(place, capsys):
    assert str(place / "no") in refused(capsys, "data", "check", str(place / "no"))


# Train and results -----------------------------------------------------------------


def test_train_and_results_from_end_to_end(tiny, place, capsys):
    assert main(["results", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(train_words(tiny, "--run", "mine", "--seed", "5")) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == str(place / "runs" / "mine")
    assert said[1].startswith("accuracy ") and said[1].endswith("on the test part")
    # No network without what a handful of numbers scores on its very split.
    assert "nineteen numbers" in said[2] and "commonest class" in said[-1]
    assert main(["results", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["runs"], row["seeds"], row["epochs"], row["input"]) == (["mine"], [5], 1, 16)
    assert (row["protocol"], row["scored"], row["dataset"]) == ("group", "test", "synthetic")
    assert row["published"] is None, "the published number is one of C-NMC"
    assert row["baseline"]["same_split"]
    assert 0 <= row["metrics"]["accuracy"]["value"] <= 1
    assert main(["results"]) == 0
    table = capsys.readouterr().out
    assert "by subject group" in table and f"{row['scored_images']} test images" in table
    # The same id with other parameters is refused before anything is trained.
    assert "other epochs" in refused(
        capsys, *train_words(tiny, "--run", "mine", "--seed", "5", "--epochs", "2")
    )
    # Under the report's protocol, and listed from any folder.
    assert main(train_words(tiny, "--protocol", "published", "--run", "theirs")) == 0
    assert "on the validation part" in capsys.readouterr().out
    assert main(["results", str(place / "runs"), "--runs", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["run"], row["scored"]) for row in rows] == [
        ("mine", "test"),
        ("theirs", "validation"),
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["train", "mir2019-propsed"], "Did you mean 'mir2019-proposed'?"),
        (["train", "mir2019-proposed", "--protocol", "grup"], "Did you mean 'group'?"),
        (["train", "mir2019-proposed", "--epochs", "0"], "epochs"),
        (["train", "mir2019-proposed", "--samples", "-3"], "samples"),
        (["train", "mir2019-proposed", "--input-size", "8"], "at least 16"),
        (["train", "mir2019-proposed", "--seed", "-1"], "seed"),
        (["train", "mir2019-proposed", "--patience", "-1"], "patience"),
        (["train", "mir2019-proposed", "--run", "a/b"], "'a/b' cannot be the id"),
        (["train", "mir2019-proposed", "--data", "/no/such/folder"], "no such folder"),
    ],
)
def test_train_refuses_what_cannot_be(tiny, change, said, capsys):
    data = [] if "--data" in change else ["--data", str(tiny)]
    assert said in refused(capsys, *change, *data)
    assert list_records() == []


def test_train_refuses_a_folder_of_something_else(place, capsys):
    (place / "holiday").mkdir()
    assert str(place / "holiday") in refused(capsys, *train_words(place / "holiday"))


def test_train_refuses_an_image_that_is_not_rgb_and_names_it(tiny, place, capsys):
    import shutil

    data = place / "data"
    shutil.copytree(tiny, data)
    wrong = next(data.rglob("*.png"))
    Image.new("L", (32, 32)).save(wrong)
    assert str(wrong) in refused(capsys, *train_words(data))
    shutil.copy(tiny / wrong.relative_to(data), wrong)
    assert main(train_words(data, "--run", "again")) == 0


def test_results_refuses_a_folder_that_is_not_there(place, capsys):
    assert str(place / "resluts") in refused(capsys, "results", str(place / "resluts"))


def test_results_of_a_file_says_that_it_is_one(capsys):
    said = refused(capsys, "results", "README.md")
    assert "This is a file" in said and "README.md" in said


def test_results_leaves_out_a_damaged_record_and_names_it(place):
    (place / "runs" / "broken").mkdir(parents=True)
    done = subprocess.run(
        [sys.executable, "-m", "alllib.cli", "results", "--json"],
        cwd=REPOSITORY, capture_output=True, text=True, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0 and json.loads(done.stdout) == []
    assert str(place / "runs" / "broken") in done.stderr and "remedy" in done.stderr


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [["results"], ["--help"]])
def test_a_reader_that_leaves_is_no_error(place, words, unbuffered):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "alllib.cli", *words],
        cwd=REPOSITORY, stdout=writer, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )  # fmt: skip
    os.close(writer)
    # argparse itself passes over a help that nobody reads.
    assert done.returncode in ((141,) if words == ["results"] else (0, 141))
    assert done.stderr == ""


def test_a_broken_pipe_of_another_kind_is_an_error(monkeypatch):
    def broken(_):
        raise BrokenPipeError

    monkeypatch.setattr(cli, "_show_results", broken)
    with pytest.raises(BrokenPipeError):
        main(["results"])


# Notebooks -------------------------------------------------------------------------

NOTEBOOK = """# %% [markdown]
# # A page
# %% tags=["parameters"]
number = 2  # a number
# %%
from pathlib import Path
Path("{mark}").write_text(str(number))
"""


def test_run_executes_a_notebook_with_a_changed_parameter(place, capsys):
    source, mark = place / "page.py", place / "mark.txt"
    source.write_text(NOTEBOOK.format(mark=mark))
    out = place / "page.ipynb"
    assert main(["run", str(source), "-p", "number=7", "--output", str(out)]) == 0
    assert mark.read_text() == "7" and out.is_file() and str(out) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        (["--preset", "sampel"], "sample"),
        (["-p", "nubmer=7"], "number"),
        (["-p", "number=x"], "number"),
        (["-p", "number"], "number"),
        (["-p", "number=7", "-p", "number=8"], "given twice"),
        (["--output", "."], "a folder is"),
        (["--output", "LICENSE/page.ipynb"], "a file stands"),
    ],
)
def test_run_refuses_a_wrong_parameter_before_anything_runs(place, rest, said, capsys):
    source, mark = place / "page.py", place / "mark.txt"
    source.write_text(NOTEBOOK.format(mark=mark))
    assert said in refused(capsys, "run", str(source), *rest).replace("A file", "a file")
    assert not mark.exists()


def test_run_suggests_the_nearest_notebook(capsys):
    assert "splitting" in refused(capsys, "run", "spliting")


def test_notebooks_writes_a_twin_of_each_source(place, capsys):
    folder = place / "notebooks"
    folder.mkdir()
    (folder / "page.py").write_text(NOTEBOOK.format(mark="x"))
    (place / "_config.yml").write_bytes((REPOSITORY / "_config.yml").read_bytes())
    assert main(["notebooks", str(folder)]) == 0
    twin = folder / "page.ipynb"
    assert str(twin) in capsys.readouterr().out
    assert json.loads(twin.read_text())["nbformat"] == 4


# Systems ---------------------------------------------------------------------------


def test_systems_prints_one_object_a_recipe_and_agrees(capsys):
    names = ["mir2019-alexnet", "unnithan2021-2x2"]
    assert main(["systems", *names, "--json"]) == 0
    alexnet, poster = json.loads(capsys.readouterr().out)
    keys = "recipe source parameters parameters_published trainable trainable_published input match"
    assert set(keys.split()) <= set(poster)
    assert poster["match"] is True and poster["parameters"] == poster["parameters_published"]
    assert alexnet["match"] is None and alexnet["parameters_published"] is None
    assert main(["systems", *names]) == 0
    told = capsys.readouterr().out
    assert "12 of 12" in told and "nothing published" in told


def test_systems_ends_with_1_where_a_network_differs(monkeypatch, capsys):
    from alllib import systems

    def differing(name):
        recipe = load_recipe(name)
        return replace(recipe, published={**recipe.published, "parameters": 1})

    monkeypatch.setattr(systems, "load_recipe", differing)
    assert main(["systems", "unnithan2021-2x2", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)[0]["match"] is False


def test_systems_suggests_the_nearest_recipe(capsys):
    assert "unnithan2021-2x2" in refused(capsys, "systems", "unnithan2021-2x")


@pytest.mark.parametrize("name", list_recipes())
def test_the_preset_for_one_gpu_fits_its_memory(name):
    """15 GiB, of which the estimate leaves out what a backend keeps for itself."""
    from alllib.systems import describe_system

    assert describe_system(load_recipe(name))["memory"] < 10 * 2**30


# New images ------------------------------------------------------------------------


def test_train_with_every_setting_then_predict(tiny, place, capsys):
    words = ["--input-size", "16", "--epochs", "1", "--batch", "8", "--seed", "3"]
    recipe = ["train", "unnithan2021-2x2.adam", "--data", str(tiny), *words, "--run", "mine"]
    assert main([*recipe, "--weights", "none", "--backbone", "trained"]) == 0
    run = json.loads((place / "runs" / "mine" / "run.json").read_text())
    assert run["recipe"] == "unnithan2021-2x2.adam" and run["parameters"]["batch"] == 8
    capsys.readouterr()
    pictures = [str(path) for path in sorted(tiny.rglob("*.png"))[:2]]
    assert main(["predict", *pictures, "--run", "mine", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["predictions"]) == 2 and "diagnosis" in told["notice"]
    assert main(["predict", pictures[0], "--run", "mine", "--cam", str(place / "cams")]) == 0
    assert "diagnosis" in capsys.readouterr().out.splitlines()[-1]
    assert len(list((place / "cams").glob("*.png"))) == 1


def test_predict_refuses_a_run_that_is_not_there(tiny, capsys):
    picture = str(next(tiny.rglob("*.png")))
    refused(capsys, "predict", picture, "--run", "nothing-here")


def test_train_refuses_pictures_that_have_no_effect_and_a_wrong_precision(tiny, capsys):
    start = ["train", "unnithan2021-2x2", "--data", str(tiny), "--input-size", "16"]
    assert "no effect" in refused(capsys, *start, "--samples", "10")
    assert "mixed_float16" in refused(capsys, *start, "--precision", "mixed_float15")


def test_train_refuses_data_of_other_classes_before_it_splits_them(tiny, capsys):
    told = refused(capsys, "train", "ball2023-densenet201", "--data", str(tiny))
    assert "tells Benign and Early and Pre and Pro apart" in told


def test_data_make_makes_the_subtypes_too(place, capsys):
    words = ["--dataset", "synthetic-subtypes", "--images", "20"]
    assert main(["data", "make", str(place / "subtypes"), *words]) == 0
    assert len(list((place / "subtypes").rglob("WBC-*"))) == 20
    capsys.readouterr()
    told = refused(capsys, "data", "make", str(place / "x"), "--dataset", "synthetic-subtype")
    assert "synthetic-subtypes" in told


# Stores ----------------------------------------------------------------------------


@pytest.fixture
def store(tiny, place, monkeypatch):
    """A store of 8 pixels from the tiny cells."""
    return open_store(load_cells(tiny), size=8)


@pytest.mark.parametrize("command", ["store", "store list", "store prune"])
def test_each_store_command_has_help(command, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--help"])
    assert stop.value.code == 0 and "usage: alllib " + command in capsys.readouterr().out


def test_store_list_says_what_there_is(store, capsys):
    assert main(["store", "list"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["store", "images", "pixels", "crop", "MB", "made", "used", "state"]
    assert row.split()[:4] == [store.path.name, "96", "8", "-"] and row.endswith(" whole")
    assert main(["store", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["state"], entry["images"]) == (store.path.name, "whole", 96)
    assert entry["path"] == str(store.path) and entry["crop"] is None


def test_store_list_without_a_store(place, capsys):
    assert main(["store", "list"]) == 0
    assert capsys.readouterr().out.startswith("no store;")
    assert main(["store", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["store", "prune", "--all"]) == 0
    assert capsys.readouterr().out == "no store removed, 0.0 MB came free\n"


def test_store_prune_says_what_it_removes(store, capsys):
    assert main(["store", "prune"]) == 0
    assert capsys.readouterr().out == "no store removed, 0.0 MB came free\n"
    (store.path / "images.npy").unlink()
    assert main(["store", "prune", "--dry-run"]) == 0
    row, total = capsys.readouterr().out.splitlines()
    assert row.startswith(f"{store.path.name}: damaged, ") and store.path.exists()
    assert total.startswith("1 store would be removed, ") and total.endswith("would come free")
    assert main(["store", "prune"]) == 0
    assert "\n1 store removed, " in capsys.readouterr().out
    assert not list(store.path.parent.iterdir())


def test_store_prune_by_days_or_all(tiny, store, capsys):
    assert main(["store", "prune", "--days", "1"]) == 0
    assert store.path.exists()
    os.utime(store.path / "store.json", (10**9, 10**9))
    assert main(["store", "prune", "--days", "1"]) == 0
    assert "whole, 0.0 MB, last used 2001-09-09" in capsys.readouterr().out
    open_store(load_cells(tiny), size=8)
    assert main(["store", "prune", "--all"]) == 0
    assert not store.path.exists()
    capsys.readouterr()
    assert "no number of days" in refused(capsys, "store", "prune", "--days", "-1")


# The study -----------------------------------------------------------------------------


def test_claims_of_a_source_as_text_and_as_json(capsys):
    assert main(["claims", "--source", "garg2021transfer", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"id", "source", "place", "statement", "published", "computed", "status"} <= set(rows[0])
    assert {row["source"] for row in rows} == {"garg2021transfer"}
    assert main(["claims", "--source", "garg2021transfer"]) == 0
    assert rows[0]["id"] in capsys.readouterr().out


def test_claims_of_no_source_are_refused(capsys):
    assert "garg2021transfer" in refused(capsys, "claims", "--source", "garg2021")


def test_duplicates_are_found_and_kept(tiny, place, capsys, monkeypatch):
    assert main(["data", "duplicates", str(tiny), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"images", "exact_pairs", "near_pairs", "cross_subject_pairs", "groups"} <= set(found)
    assert found["images"] == len(load_cells(tiny))
    assert not (place / "results").exists()
    assert main(["data", "duplicates", str(tiny), "--record"]) == 0
    assert f"{found['images']:,} images" in capsys.readouterr().out
    kept = json.loads((place / "results" / "study" / "duplicates-synthetic.json").read_text())
    assert kept["found"]["exact_pairs"] == found["exact_pairs"]
    assert main(["results", "--json"]) == 0  # a study is no run
    capsys.readouterr()
    assert main(["data", "duplicates", str(tiny), "--planted", "5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["planted"]["planted"] == 5
    assert main(["data", "duplicates", str(tiny), "--groups", "--record", "--json"]) == 0
    groupings = json.loads(capsys.readouterr().out)["groupings"]
    assert [row["groups"] for row in groupings["rows"]][0] == load_cells(tiny).subject.nunique()
    kept = json.loads((place / "results" / "study" / "groups-synthetic.json").read_text())
    assert kept["found"] == groupings
    assert main(["data", "duplicates", str(tiny), "--groups"]) == 0
    assert "groups by" in capsys.readouterr().out
    words = ("data", "duplicates", str(tiny), "--planted")
    monkeypatch.setattr("alllib.duplicates.find_duplicates", None)  # said before any search
    assert "5000 copies" in refused(capsys, *words, "5000")
    for wrong in ("-1", "0"):
        said = refused(capsys, *words, wrong)
        assert f"{wrong} copies" in said and "where: --planted" in said


def test_baselines_are_scored_and_kept(tiny, place, capsys):
    assert main(["baselines", str(tiny), "--json", "--record"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["protocol"] for row in rows} == {"image", "field", "subject", "group", "folds"}
    kept = json.loads((place / "results" / "study" / "baselines-synthetic.json").read_text())
    assert kept["found"]["rows"] == rows


def test_duplicates_of_a_small_set_are_kept_without_the_splits_it_is_too_small_for(place, capsys):
    few = SyntheticDesign(images=48, subjects=12, size=32, format="png")
    root = make_dataset(place / "few", few, progress=False)
    assert main(["data", "duplicates", str(root), "--record"]) == 0
    kept = json.loads((place / "results" / "study" / "duplicates-synthetic.json").read_text())
    assert kept["found"]["images"] == 48
    counted = [row["protocol"] for row in kept["found"]["leaks"]]
    assert "image" in counted and "group" not in counted


@pytest.mark.parametrize("command", [["data", "duplicates"], ["baselines"], ["laboratory"]])
def test_a_study_of_a_folder_that_is_none_is_refused(command, place, capsys):
    assert str(place / "nowhere") in refused(capsys, *command, str(place / "nowhere"))


def test_laboratory_prints_and_keeps_what_it_measured(tiny, place, monkeypatch, capsys):
    from alllib import laboratory

    effect = laboratory.Effect(
        key="copies", dataset="synthetic", system="a plan", unit="share", honest=0.125,
        mistaken=0.1, difference=-0.025, low=-0.03, high=-0.02, images=96, groups=24, repeats=3,
        resampled="plans",
    )  # fmt: skip
    monkeypatch.setattr(laboratory, "run_laboratory", lambda cells: [effect])
    assert main(["laboratory", str(tiny), "--record"]) == 0
    assert "-0.025" in capsys.readouterr().out
    assert main(["laboratory", str(tiny), "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    kept = json.loads((place / "results" / "study" / "laboratory-synthetic.json").read_text())
    assert kept["found"]["effects"] == [row]


@pytest.mark.parametrize("fold", [0, 2])
def test_a_recipe_runs_on_a_fold_of_a_protocol(tiny, place, fold, capsys):
    words = train_words(tiny, "--protocol", "folds", "--fold", str(fold), "--run", f"fold{fold}")
    assert main(words) == 0
    run = json.loads((place / "runs" / f"fold{fold}" / "run.json").read_text())
    assert run["protocol"] == "folds" and run["certificate"]["settings"]["fold"] == fold
    capsys.readouterr()
    assert "fold" in refused(capsys, *train_words(tiny, "--protocol", "image", "--fold", "1"))
    assert "no whole official fold 7" in refused(
        capsys, *train_words(tiny, "--protocol", "folds", "--fold", "7")
    )
