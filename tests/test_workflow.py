"""The workflow on a tiny project: what runs again, and what a failure or a kill leaves."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from fabricated import answers, write_run
from tiny import write_cells

from alllib.datasets import data_fingerprint, load_cells
from alllib.keeping import keep_runs
from alllib.settings import RunSettings

REPOSITORY = Path(__file__).resolve().parents[1]
NOTEBOOK = """\
# %% [markdown]
# # The {topic} page
# A sentence.

# %% tags=["parameters"]
data = ""  # folder of images

# %%
import alllib.{module}
{code}
print("topic {topic}", repr(data))
"""
MODULES = {"first": "files", "second": "errors"}


class Project:
    """A copy of what the workflow needs, with two small notebooks."""

    def __init__(self, root: Path):
        self.root = root
        ignore = shutil.ignore_patterns("__pycache__")
        for name in ("alllib", "workflow"):
            shutil.copytree(REPOSITORY / name, root / name, ignore=ignore)
        shutil.copy(REPOSITORY / "_config.yml", root)
        (root / "book" / "_static").mkdir(parents=True)
        (root / "vendor").mkdir()
        (root / "vendor" / "empty.txt").touch()
        for name in ("references.bib", "_static/custom.css"):
            shutil.copy(REPOSITORY / "book" / name, root / "book" / name)
        (root / "book" / "index.md").write_text("# Title\n\nSee [](../notebooks/first).\n")
        (root / "_toc.yml").write_text(
            "format: jb-book\nroot: book/index\nchapters:\n"
            "- file: notebooks/first\n- file: notebooks/second\n"
        )
        (root / "notebooks").mkdir()
        for topic in MODULES:
            self.write(topic)

    def write(self, topic: str, code: str = "") -> None:
        text = NOTEBOOK.format(topic=topic, module=MODULES[topic], code=code)
        (self.root / "notebooks" / f"{topic}.py").write_text(text)

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def command(self, data: str = "''", preset: str = "sample") -> list[str]:
        return [
            sys.executable, "-m", "snakemake", "-s", "workflow/Snakefile",
            "--profile", "workflow/profiles/local", "--nolock", "--cores", "2",
            "--config", f"preset='{preset}'", f"data={data}",
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        environment.pop("ALLLIB_WORKSPACE", None)
        return environment

    def build(self, **options: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            self.command(**options), cwd=self.root, env=self.environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip

    def executed(self) -> dict[str, int]:
        folder = self.root / "_build" / "executed"
        return {path.stem: path.stat().st_mtime_ns for path in folder.glob("*.ipynb")}

    def page(self, name: str) -> str:
        return (self.root / "_build/site/_build/html" / f"{name}.html").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


def test_only_what_changed_is_executed(project):
    done = project.build()
    assert done.returncode == 0, done.stderr
    first = project.executed()
    assert set(first) == {"first", "second"}
    assert "topic second" in project.page("notebooks/second")

    started = time.monotonic()
    assert project.build().returncode == 0
    assert time.monotonic() - started < 30
    assert project.executed() == first

    project.edit("notebooks/first.py", "A sentence.", "Another one.")
    assert project.build().returncode == 0
    assert project.executed() == first
    assert "Another one." in project.page("notebooks/first")

    project.edit("alllib/errors.py", "The disk is full or", "The disk is quite full or")
    project.edit("notebooks/second.py", "topic second", "theme second")
    project.edit("alllib/files.py", "Files that exist whole", "Files which exist whole")
    assert project.build().returncode == 0
    both = project.executed()
    assert both["first"] > first["first"] and both["second"] > first["second"]

    project.edit("alllib/files.py", "Files which exist whole", "Files that exist whole")
    assert project.build().returncode == 0
    only = project.executed()
    assert only["first"] > both["first"] and only["second"] == both["second"]


def test_data_reaches_the_notebooks_and_its_change_executes_them(project):
    data = project.root.parent / "im agés"
    (data / "fold_0" / "all").mkdir(parents=True)
    (data / "a.bmp").write_bytes(b"a")
    given = str(data)
    assert project.build(data=given).returncode == 0
    notebook = nbformat.read(project.root / "_build/executed/first.ipynb", as_version=4)
    assert notebook.metadata["alllib"]["parameters"] == {"data": str(data)}
    shown = project.page("notebooks/first")
    assert data.name in shown and str(data) not in shown, "a place of this machine is shown"
    before = project.executed()
    (data / "b.bmp").write_bytes(b"b")
    assert project.build(data=given).returncode == 0
    after = project.executed()
    assert all(after[topic] > before[topic] for topic in MODULES)


def test_failures_are_told_and_leave_no_whole_page(project):
    project.write("second", "1 / 0")
    done = project.build()
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr and "code cell 2" in done.stderr
    assert "RuleException" not in done.stderr and "CalledProcessError" not in done.stderr
    assert not (project.root / "_build/site/_build/html").exists()
    assert (project.root / "_build/failed/second.ipynb").is_file()

    project.write("second")
    project.edit("book/index.md", "notebooks/first", "notebooks/none")
    for _ in range(2):  # a warning must not be forgotten by the second attempt
        done = project.build()
        assert done.returncode != 0 and "notebooks/none" in done.stderr, done.stderr
        assert not (project.root / "_build/site/_build/html/book/index.html").exists()
    good = project.executed()

    project.edit("book/index.md", "notebooks/none", "notebooks/first")
    project.edit("_toc.yml", "- file: notebooks/second\n", "")
    assert project.build().returncode == 0
    assert project.executed() == good
    assert project.page("book/index")
    assert not (project.root / "_build/site/_build/html/notebooks/second.html").exists()

    done = project.build(preset="smaple")
    assert done.returncode != 0 and "Did you mean 'sample'" in done.stderr


def test_a_folder_of_something_else_is_one_error_before_anything_runs(project):
    data = project.root.parent / "holiday"
    data.mkdir()
    for place in (data, data / "none"):
        done = project.build(data=str(place))
        assert done.returncode != 0
        assert done.stderr.count("error:") == 1 and f"where: {place}" in done.stderr
        assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert not (project.root / "_build").exists()


def test_a_runner_that_is_killed_is_not_passed_over_in_silence(project):
    project.edit("alllib/cli.py", "def _run_notebook(", "def _another(")
    path = project.root / "alllib" / "cli.py"
    path.write_text(
        path.read_text().replace(
            "\nif __name__",
            "\ndef _run_notebook(given):\n    os.kill(os.getpid(), 9)\n\n\nif __name__",
        )
    )
    done = project.build()
    assert done.returncode != 0 and "CalledProcessError" in done.stderr


def test_a_new_training_and_a_recorded_run_execute_the_page_of_results_once(project):
    code = "from alllib.records import list_records\nprint(len(list_records()), 'records')"
    project.write("second", code)
    assert project.build().returncode == 0
    before = project.executed()
    for place in ("runs/trained", "results/cited"):
        folder = project.root / place
        folder.mkdir(parents=True)
        (folder / "run.json").write_text('{"preset": null}')
        assert project.build().returncode == 0
        after = project.executed()
        assert after["second"] > before["second"] and after["first"] == before["first"], place
        assert project.build().returncode == 0
        assert project.executed() == after
        before = after
    made_by_a_page = project.root / "runs" / "page"
    made_by_a_page.mkdir()
    (made_by_a_page / "run.json").write_text('{"preset": "sample"}')
    assert project.build().returncode == 0
    assert project.executed() == before


@pytest.mark.slow
def test_a_killed_batch_leaves_no_kernel_and_goes_on_where_it_was(project):
    flag, pids = project.root / "go", project.root / "pids"
    project.write(
        "second",
        "import os, time\nfrom pathlib import Path\n"
        f"Path({str(pids)!r}).write_text(f'{{os.getpid()}} {{os.getppid()}} ')\n"
        f"while not Path({str(flag)!r}).exists(): time.sleep(0.1)",
    )
    batch = subprocess.Popen(
        project.command(), cwd=project.root, env=project.environment, stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    end = time.monotonic() + 90
    unfinished = project.root / ".snakemake" / "incomplete"
    while not (
        pids.is_file()
        and pids.read_text().endswith(" ")
        and "first" in project.executed()
        and len(list(unfinished.iterdir())) == 1
    ):
        assert time.monotonic() < end and batch.poll() is None
        time.sleep(0.1)
    first = project.executed()["first"]
    batch.kill()  # this process alone, not its group
    batch.wait()
    end = time.monotonic() + 20
    while any(psutil.pid_exists(int(pid)) for pid in pids.read_text().split()):
        assert time.monotonic() < end, "a notebook runs on"
        time.sleep(0.1)

    flag.touch()
    done = project.build()
    assert done.returncode == 0, done.stderr
    assert project.executed()["first"] == first
    assert "topic second" in project.page("notebooks/second")


# Recorded results ----------------------------------------------------------------------

GRID = """\
[scale.cpu]
prefix = "try"
weights = "none"
input = 16
epochs = 3
precision = "float32"
seeds = [1, 2]

[scale.gpu]
prefix = "whole"
patience = 2
seeds = [1]

[[system]]
recipe = "unnithan2021-2x2"
name = "2x2"
splits = [
    { protocol = "published" },
    { protocol = "group", fold = 2 },
    { protocol = "folds", fold = 2, seeds = [1], complete = true },
]

[[system]]
recipe = "ball2023-densenet201"
name = "densenet"
splits = [{ protocol = "blocks" }]
"""


@pytest.fixture
def record(tmp_path, workspace):
    """`record(cnmc2019=folder, scale=...)`: what `make results` would do."""
    grid = tmp_path / "grid.toml"
    grid.write_text(GRID)

    def dry_run(**config) -> subprocess.CompletedProcess:
        words = [
            f"{name}={value}" for name, value in {"grid": grid, "scale": "cpu", **config}.items()
        ]
        return subprocess.run(
            [sys.executable, "-m", "snakemake", "-s", "workflow/results.smk", "--profile",
             "workflow/profiles/local", "--nolock", "--cores", "1", "-n", "--quiet", "host",
             "--config", *words],
            cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return dry_run


def test_results_are_recorded_of_given_data_of_that_kind_alone(record, tmp_path, workspace):
    ball = tmp_path / "ball"
    for name in ("Benign", "Early", "Pre", "Pro"):
        (ball / name).mkdir(parents=True)
    (tmp_path / "holiday").mkdir()
    refused = (
        ({}, "no data set was given"),
        ({"cnmc2019": ball}, f"{ball} does not hold C-NMC 2019"),
        ({"cnmc2019": tmp_path / "holiday"}, "none of the known data sets"),
        ({"cnmc2019": tmp_path / "nowhere"}, "no such folder"),
    )
    for config, said in refused:
        done = record(**config)
        assert done.returncode != 0 and done.stderr.count("error:") == 1, done.stderr
        assert said in done.stderr and "Traceback" not in done.stderr, done.stderr
    assert not (workspace / "results").exists() and not (workspace / "runs").exists()


def test_what_is_not_recorded_yet_is_trained_seed_by_seed(record, tmp_path, workspace):
    data = write_cells(tmp_path / "im agés")
    done = record(cnmc2019=data)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 runs are still to be recorded" in done.stderr
    told = done.stdout + done.stderr
    names = ("published-s1", "group-fold2-s1", "published-s2", "group-fold2-s2")
    for name in names:
        assert f"try-2x2-{name}.done" in told, name
    assert "baselines-cnmc2019.done" in told
    # No fold is whole here, and there is no B-ALL.
    assert "folds-fold2" not in told and "densenet" not in told
    assert not (workspace / "results").exists() and not (workspace / "runs").exists()

    settings = RunSettings(input_size=16, epochs=3, weights="none", precision="float32")
    fingerprint = data_fingerprint(load_cells(data))
    same = {"settings": settings, "data": fingerprint}
    write_run("try-2x2-group-fold2-s1", answers(1), **same)
    longer = RunSettings(input_size=16, epochs=4, weights="none", precision="float32")
    write_run("try-2x2-group-fold2-s2", answers(2), seed=2, settings=longer, data=fingerprint)
    # Of other images, though its id and its settings are those of the grid.
    write_run("try-2x2-published-s1", answers(3), protocol="image", settings=settings)
    keep_runs([f"try-2x2-{name}" for name in ("group-fold2-s1", "group-fold2-s2", "published-s1")])
    done = record(cnmc2019=data)
    told = done.stdout + done.stderr
    assert done.returncode == 0 and "3 of 4 runs are still to be recorded" in done.stderr
    assert "try-2x2-group-fold2-s1.done" not in told
    for name in ("group-fold2-s2", "published-s1", "published-s2"):
        assert f"try-2x2-{name}.done" in told, name


def test_a_wrong_scale_of_recorded_results_is_told(record, tmp_path):
    done = record(cnmc2019=write_cells(tmp_path / "cells"), scale="gpus")
    assert done.returncode != 0 and "Did you mean 'gpu'" in done.stderr
    assert "Traceback" not in done.stderr
