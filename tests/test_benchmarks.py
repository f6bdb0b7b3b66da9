"""Speed figures: how they are taken, what they should reach, and where they are kept."""

from __future__ import annotations

import inspect
import json
import math
import os
import subprocess
import sys
import types
from importlib import import_module
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nbformat
import pytest

from alllib import backend
from alllib.benchmarks import (
    BENCHMARKS,
    Benchmark,
    find_benchmarks,
    machines,
    measure,
    report,
    run_benchmarks,
    run_gpu_benchmarks,
    runner,
    timing,
)
from alllib.benchmarks.batches import cell_seconds
from alllib.benchmarks.machines import (
    describe_machine,
    list_machines,
    machine_name,
    read_machine,
    record_figures,
)
from alllib.benchmarks.registry import GPU_TARGETS, meets
from alllib.benchmarks.scene import PREFIX, Scene
from alllib.benchmarks.timing import measure_times
from alllib.cli import main
from alllib.errors import DependencyError, ParameterError, RecordError, TrainingError
from alllib.files import workspace
from alllib.notebooks import run_notebook

REPOSITORY = Path(__file__).resolve().parents[1]
# The table of what must be shown: key, sense, target.
WANTED = {
    "store_build_vs_decode_limit": ("at least", 0.90),
    "read_vs_keras_directory_64": ("at least", 20),
    "read_vs_keras_directory_224": ("at least", 3),
    "fit_vs_resident_batch_64": ("at least", 0.90),
    "fit_vs_resident_batch_224": ("at least", 0.95),
    "fit_vs_keras_directory_64": ("above", 1.0),
    "fit_vs_keras_directory_224": ("above", 1.0),
    "augment_offline_vs_augmentor": ("at least", 3),
    "augment_online_vs_augmentor": ("at least", 10),
    "bootstrap_vs_sklearn_loop": ("at least", 50),
    "peak_memory_ratio": ("at most", 0.35),
    "epoch_scaling": ("at most", 1.10),
    "batch_overhead": ("at most", 3),
}
FIGURE = {"value": 12.5, "ours": 25000.0, "peer": 2000.0, "unit": "images/s"}
GPU_FIGURE = {
    "value": 3.5, "ours": 2000.0, "peer": 571.4, "unit": "images/s", "peak_share": 0.21,
    "input_wait": 0.01, "resident": 2010.0, "size": 224, "batch": 30,
    "precision": "mixed_bfloat16", "matrix_peak": 700.0,
}  # fmt: skip
MACHINE = {
    "processor": "Some(R) Processor CPU @ 2.20GHz", "cores": 2, "memory": 8 * 2**30,
    "system": "Linux 6.1, x86_64", "accelerator": None, "backend": "tensorflow",
    "python": "3.12.1", "versions": {"keras": "3.9", "tensorflow-cpu": "2.20"},
    "commit": "0123456789abcdef", "date": "2026-11-21T08:00:00+00:00",
}  # fmt: skip


@pytest.fixture(autouse=True)
def space(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    yield tmp_path
    plt.close("all")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when a way says so: `clock(seconds)`."""
    now = [100.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def pass_time(seconds: float) -> None:
        now[0] += seconds

    return pass_time


@pytest.fixture
def machine(monkeypatch):
    """What the machine of the test is said to be; change it at will."""
    said = dict(MACHINE)
    monkeypatch.setattr(machines, "describe_machine", lambda: json.loads(json.dumps(said)))
    return said


@pytest.fixture
def fake(monkeypatch):
    """Function that makes the registry hold benchmarks of this test only."""

    def register(**functions):
        module = types.ModuleType("alllib.benchmarks.fake")
        for name, function in functions.items():
            setattr(module, name, function)
        monkeypatch.setitem(sys.modules, "alllib.benchmarks.fake", module)
        entries = [Benchmark(n, n, "at least", 1, f"fake:{n}") for n in functions]
        monkeypatch.setattr(runner, "find_benchmarks", lambda names: entries)

    return register


# Two ways, taken in turns ------------------------------------------------------------------


def test_a_ratio_is_that_of_the_median_rates(clock):
    ours = iter([1.0, 50.0, 2.0, 1.5, 1.0])  # median 1.5; one round was disturbed
    peer = iter([3.0, 3.0, 60.0, 3.0, 2.0])
    found = measure(lambda: clock(next(ours)), lambda: clock(next(peer)), 30, unit="images/s")
    assert found == {"value": 2.0, "ours": 20.0, "peer": 10.0, "unit": "images/s"}


def test_the_ways_take_turns_and_what_comes_before_is_not_timed(clock):
    called = []

    def way(name: str):
        def run() -> None:
            called.append(name)
            clock(1)

        return run

    def before() -> None:
        called.append("before")
        clock(1000)

    times = measure_times({"a": way("a"), "b": way("b")}, rounds=2, warm=True, before=before)
    assert called == ["before", "a", "before", "b"] * 3
    assert times == {"a": [1, 1], "b": [1, 1]}, "the first round only warms up"


def test_a_peer_that_does_less_is_compared_by_its_rate(clock):
    found = measure(
        lambda: clock(1), lambda: clock(2), 100, unit="x/s", rounds=1, peer_amount=10
    )  # fmt: skip
    assert (found["ours"], found["peer"], found["value"]) == (100, 5, 20)


# What is measured --------------------------------------------------------------------------


def test_every_figure_of_the_table_is_there_with_its_target():
    assert {entry.key: (entry.sense, entry.target) for entry in BENCHMARKS} == WANTED
    assert [entry.key for entry in BENCHMARKS] == list(WANTED)


@pytest.mark.parametrize("entry", BENCHMARKS, ids=lambda entry: entry.key)
def test_every_figure_has_a_function_that_takes_its_settings(entry):
    module, name = entry.place.split(":")
    function = getattr(import_module(f"alllib.benchmarks.{module}"), name)
    inspect.signature(function).bind(object(), **entry.settings)
    assert len(entry.measured) > 30 and "`" not in entry.measured


@pytest.mark.parametrize(
    ("value", "sense", "met"),
    [(3, "at least", True), (2.999, "at least", False), (3, "at most", True),
     (3.001, "at most", False), (3, "above", False), (3.001, "above", True),
     (math.nan, "at least", False), (math.nan, "at most", False), (math.inf, "above", False)],
)  # fmt: skip
def test_a_target_is_met_or_not(value, sense, met):
    assert meets(value, sense, 3) is met


def test_the_targets_of_gpus_are_those_of_the_table():
    assert ("value", "at least", 3.0, "") in GPU_TARGETS
    assert ("input_wait", "at most", 0.03, "") in GPU_TARGETS
    assert ("ours", "at least", 2400.0, "mir2019-resnet50") in GPU_TARGETS


def test_benchmarks_are_found_by_key_in_the_order_of_the_registry():
    keys = ["epoch_scaling", "store_build_vs_decode_limit"]
    assert [entry.key for entry in find_benchmarks(keys)] == keys[::-1]
    assert find_benchmarks() == find_benchmarks([]) == list(BENCHMARKS)
    with pytest.raises(ParameterError, match="Did you mean 'epoch_scaling'"):
        find_benchmarks(["epoch_scalin"])


def test_the_package_loads_no_backend_and_no_notebook_runner():
    heavy = "{'keras', 'tensorflow', 'jax', 'torch', 'papermill'}"
    code = (
        "import sys, alllib.benchmarks, alllib.benchmarks.machines, alllib.benchmarks.report;"
        f"sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True)
    assert done.returncode == 0, done.stderr


# The scene ---------------------------------------------------------------------------------


def test_a_scene_is_a_workspace_that_goes(space):
    with Scene() as scene:
        assert workspace() == scene.folder and scene.folder.parent == space / "_build"
        (scene.folder / "large").write_bytes(b"x")
    assert workspace() == space and not list((space / "_build").iterdir())
    with pytest.raises(ZeroDivisionError), Scene():
        raise ZeroDivisionError
    assert workspace() == space and not list((space / "_build").iterdir())


def test_a_scene_removes_what_killed_ones_left_and_no_other(space):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (space / "_build" / f"{PREFIX}{pid}-x" for pid in (ended.pid, os.getppid()))
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    with Scene():
        assert not dead.exists() and alive.exists()


def test_images_of_a_scene_are_linked_by_class(space):
    with Scene(images=24) as scene:
        cells = scene.cells(10)
        assert len(cells) == 10 and cells.image.is_unique and set(cells.label) == {"ALL", "HEM"}
        assert scene.cells(10).equals(cells), "the same ones each time"
        root = scene.linked(cells)
        found = {path.name: path.parent.name.upper() for path in root.glob("*/*.bmp")}
        assert found == {Path(row.path).name: row.label for row in cells.itertuples()}
        assert all(path.read_bytes()[:2] == b"BM" for path in root.glob("*/*.bmp"))


def test_noise_images_are_many_names_of_few_files(space):
    with Scene() as scene:
        cells = scene.noise(50, 8, ("a", "b", "c"))
        assert len(cells) == 50 and cells.image.is_unique and cells.sha256.is_unique
        assert cells.path.nunique() < 50 and set(cells.label) == {"a", "b", "c"}
        assert all(Path(path).is_file() for path in cells.path)


def test_a_scene_says_what_runs_and_can_shorten_it(clock):
    told: list[str] = []
    with Scene(rounds=2, told=told.append) as scene:
        scene.measure(lambda: clock(1), lambda: clock(1), 1, unit="x", rounds=9)
    assert told == ["ours, run 1", "peer, run 1", "ours, run 2", "peer, run 2"]


# Running them ------------------------------------------------------------------------------


def test_what_fails_or_lacks_a_package_does_not_lose_the_others(fake, caplog, monkeypatch):
    def broken(scene):
        raise TrainingError("It broke.", remedy="Mend it.")

    fake(good=lambda scene: dict(FIGURE), broken=broken, later=lambda scene: dict(FIGURE))
    found = run_benchmarks(progress=False)
    assert list(found) == ["good", "broken", "later"] and found["later"] == FIGURE
    assert found["broken"]["value"] is None and "It broke." in found["broken"]["failed"]
    assert "It broke." in caplog.text
    lacking = [Benchmark("a", "a", "at least", 1, "fake:good", needs="no_such_package_here")]
    monkeypatch.setattr(runner, "find_benchmarks", lambda names: lacking)
    assert run_benchmarks(progress=False)["a"]["lacks"] == "no_such_package_here"


def test_settings_of_a_run_go_before_those_of_the_registry(fake):
    fake(sized=lambda scene, size=1: FIGURE | {"value": size})
    assert run_benchmarks(progress=False)["sized"]["value"] == 1
    assert run_benchmarks(progress=False, sizes={"sized": {"size": 7}})["sized"]["value"] == 7


def test_an_error_that_is_no_refusal_is_not_swallowed(fake, space):
    fake(wrong=lambda scene: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run_benchmarks(progress=False)
    assert workspace() == space


# The command line --------------------------------------------------------------------------


def test_the_command_prints_a_table_and_a_missed_target_is_no_error(fake, capsys, monkeypatch):
    key = "read_vs_keras_directory_64"
    monkeypatch.setattr(
        "alllib.benchmarks.run_benchmarks", lambda keys: {k: dict(FIGURE) for k in keys}
    )
    assert main(["bench", key]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["key", "value", "target", "met", "ours", "peer", "unit"]
    assert row.split() == [key, "12.5", "at", "least", "20", "no", "25,000", "2,000", "images/s"]


def test_json_is_one_object_and_nothing_else_on_stdout(fake, capfd, caplog):
    def chatty(scene):
        print("Initialised with 3 images")
        return dict(FIGURE)

    fake(chatty=chatty)
    assert main(["bench", "--json"]) == 0
    said = capfd.readouterr()
    assert json.loads(said.out) == {"chatty": FIGURE}
    assert "benchmark 1 of 1: chatty" in caplog.text and "Initialised" in said.err


def test_the_command_records_and_says_where(fake, machine, space, capsys):
    fake(good=lambda scene: dict(FIGURE))
    assert main(["bench", "--record"]) == 0
    place = space / "results" / "benchmarks" / "some-processor-2-cores.json"
    assert capsys.readouterr().out.splitlines()[-1] == str(place)
    assert main(["bench", "--record", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {"good": FIGURE} and str(place) in said.err


def test_a_failed_benchmark_is_an_error_of_the_command(fake, caplog):
    def broken(scene):
        raise TrainingError("It broke.", remedy="Mend it.")

    fake(broken=broken)
    assert main(["bench"]) == 1 and "It broke." in caplog.text


@pytest.mark.parametrize("words", [["epoch_scalin"], ["--gpu"]])
def test_one_clear_error_for_a_wrong_key_and_for_no_gpu(words, capsys, monkeypatch):
    monkeypatch.setattr(backend, "_gpu_name", lambda name: None)
    assert main(["bench", *words]) == 1
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and "\n  remedy: " in said.err
    assert ("'epoch_scaling'" if words[0] != "--gpu" else "KERAS_BACKEND") in said.err


# What is kept ------------------------------------------------------------------------------


def test_a_record_names_machine_date_and_commit(machine, space):
    path = record_figures({"epoch_scaling": FIGURE})
    assert path == space / "results" / "benchmarks" / "some-processor-2-cores.json"
    found = read_machine(path)
    assert found["machine"] == MACHINE
    kept = found["figures"]["epoch_scaling"]
    assert FIGURE.items() <= kept.items()
    assert (kept["date"], kept["commit"]) == (MACHINE["date"], MACHINE["commit"])
    assert kept["versions"]["python"] == "3.12.1" and kept["versions"]["keras"] == "3.9"


def test_a_partial_run_changes_its_own_figures_only(machine):
    record_figures({"epoch_scaling": FIGURE, "batch_overhead": FIGURE})
    machine |= {"date": "2027-01-01T00:00:00+00:00", "commit": "fedcba98765"}
    nothing = runner.NOTHING | {"lacks": "tensorflow"}
    path = record_figures({"batch_overhead": FIGURE | {"value": 1.0}, "epoch_scaling": nothing})
    figures = read_machine(path)["figures"]
    assert list(figures) == ["epoch_scaling", "batch_overhead"]
    assert figures["epoch_scaling"]["value"] == 12.5
    assert figures["epoch_scaling"]["commit"] == MACHINE["commit"]
    assert figures["batch_overhead"]["value"] == 1.0
    assert figures["batch_overhead"]["commit"] == "fedcba98765"
    assert read_machine(path)["machine"]["date"][:4] == "2027"


def test_a_record_is_written_whole_or_not_at_all(machine):
    path = record_figures({"epoch_scaling": FIGURE})
    before = path.read_bytes()
    with pytest.raises(ValueError, match="JSON"):
        record_figures({"epoch_scaling": FIGURE | {"value": math.nan}})
    assert path.read_bytes() == before
    assert {p.name for p in path.parent.iterdir()} <= {path.name, f".{path.name}.lock"}


@pytest.mark.parametrize("text", ["", "[]", '{"machine": {}}', '{"machine": 1, "figures": 2}'])
def test_a_damaged_record_is_named_and_left_out(text, machine, space, caplog):
    good = record_figures({"epoch_scaling": FIGURE})
    bad = good.with_name("other.json")
    bad.write_text(text)
    with pytest.raises(RecordError, match="no record of benchmarks"):
        read_machine(bad)
    assert [one["name"] for one in list_machines()] == ["some-processor-2-cores"]
    assert "other.json" in caplog.text
    good.write_text(text)
    with pytest.raises(RecordError):
        record_figures({"epoch_scaling": FIGURE})
    assert good.read_text() == text, "a damaged record is not written over"


def test_nothing_recorded_is_an_empty_list(machine, space):
    assert list_machines() == []
    record_figures({"epoch_scaling": runner.NOTHING | {"lacks": "tensorflow"}})
    assert list_machines() == []


def test_names_of_machines_tell_them_apart():
    named = machine_name(MACHINE)
    assert named == "some-processor-2-cores"
    for change in ({"cores": 4}, {"accelerator": "Tesla T4"}, {"backend": "jax"},
                   {"processor": "Another"}):  # fmt: skip
        assert machine_name(MACHINE | change) != named
    strange = machine_name(MACHINE | {"processor": "Ünï/cøde ../../x"})
    assert strange.replace("-", "").isalnum() and strange.isascii()


def test_this_machine_is_described():
    found = describe_machine()
    assert set(found) == set(MACHINE)
    assert found["cores"] >= 1 and found["memory"] > 2**28
    assert found["python"].count(".") == 2 and "keras" in found["versions"]
    json.dumps(found, allow_nan=False)


def test_recorded_figures_are_whole_and_named_by_their_machine():
    for path in (REPOSITORY / "results" / "benchmarks").glob("*.json"):
        found = read_machine(path)
        assert machine_name(found["machine"]) == path.stem
        own = {key for key in found["figures"] if not key.startswith("gpu_")}
        assert own <= set(WANTED), path
        for one in found["figures"].values():
            assert all(math.isfinite(one[name]) for name in ("value", "ours")) and one["unit"]


# Tables, sentences, figure -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, ""), (0.8996, "0.900"), (0.8993, "0.899"), (12.34, "12.3"), (2201.8, "2,202"),
     (math.inf, "inf")],
)  # fmt: skip
def test_numbers_are_short(number, text):
    assert report.short(number) == text


def test_the_table_says_plainly_whether_a_target_is_met():
    figures = {
        "batch_overhead": FIGURE | {"value": 1.5, "unit": "s"},
        "read_vs_keras_directory_64": FIGURE,
        "read_vs_keras_directory_224": runner.NOTHING | {"lacks": "tensorflow"},
        "epoch_scaling": runner.NOTHING | {"failed": "It broke."},
    }
    table = report.figure_table(figures).set_index("key")
    assert list(table.index) == [key for key in WANTED if key in figures]
    assert table.met.to_dict() == {
        "read_vs_keras_directory_64": "no", "read_vs_keras_directory_224": "needs tensorflow",
        "epoch_scaling": "failed", "batch_overhead": "yes",
    }  # fmt: skip
    assert table.target["batch_overhead"] == "at most 3 s"
    assert table.target["read_vs_keras_directory_64"] == "at least 20"


def test_sentences_name_what_is_missed_and_what_was_not_measured():
    met = {"batch_overhead": FIGURE | {"value": 1.5}}
    text = report.tell_targets(met | {"read_vs_keras_directory_64": FIGURE})
    assert "**1 of 2** targets" in text
    assert "`read_vs_keras_directory_64` is 12.5, and should be at least 20" in text
    assert "Not measured here:" in text and "`epoch_scaling`" in text
    assert "`batch_overhead`" not in text
    everything = {key: FIGURE | {"value": 1e6} for key, (sense, _) in WANTED.items()
                  if sense != "at most"}  # fmt: skip
    everything |= {k: FIGURE | {"value": 0.1} for k, (s, _) in WANTED.items() if s == "at most"}
    assert report.tell_targets(everything).strip().endswith("are met on this machine.")
    assert report.tell_targets({"gpu_x": GPU_FIGURE}) == ""


def test_a_machine_is_told_with_the_dates_of_its_figures():
    stamps = [("2026-11-21T08:00:00", "aaaaaaaaaaaa"), ("2026-12-01T08:00:00", None)]
    figures = {n: FIGURE | {"date": d, "commit": c} for n, (d, c) in zip("ab", stamps, strict=True)}
    text = report.tell_machine(MACHINE, figures)
    for part in ("Some(R) Processor", "2 cores", "8 GiB", "no GPU", "Keras 3.9", "2.20",
                 "2026-11-21 to 2026-12-01", "commit aaaaaaaaaa."):  # fmt: skip
        assert part in text, part


def test_the_readings_of_online_augmentation_are_told():
    one = FIGURE | {"steady": 23000.0, "same_ours": 20000.0, "same_files": 1000.0,
                    "same_array": 5000.0}  # fmt: skip
    text = report.tell_augmentation({"augment_online_vs_augmentor": one})
    assert (
        "23,000 augmented images/s" in text and "it is 20.0;" in text and "memory, 4.000." in text
    )
    assert report.tell_augmentation({}) == ""


def test_a_gpu_has_a_row_per_recipe_and_its_misses_are_named():
    table = report.gpu_table(
        {"gpu_mir2019-resnet50": GPU_FIGURE, "gpu_mir2019-vgg16": GPU_FIGURE,
         "gpu_slow": GPU_FIGURE | {"value": 2.0, "input_wait": 0.2}, "epoch_scaling": FIGURE}
    ).set_index("recipe")  # fmt: skip
    assert table.targets["mir2019-vgg16"] == "met"
    assert table.targets["mir2019-resnet50"] == "missed: ours at least 2400"
    assert table.targets["slow"] == "missed: value at least 3; input_wait at most 0.03"
    assert report.gpu_table({"epoch_scaling": FIGURE}).empty
    assert "mir2019-vgg16" in report.figure_text({"gpu_mir2019-vgg16": GPU_FIGURE})


def test_the_figure_shows_every_ratio_and_its_target():
    figures = {
        "read_vs_keras_directory_64": FIGURE,
        "epoch_scaling": FIGURE | {"value": 1.01},
        "batch_overhead": FIGURE | {"value": 1.5},
        "read_vs_keras_directory_224": runner.NOTHING | {"lacks": "tensorflow"},
    }
    figure = report.plot_ratios(figures)
    (axis,) = figure.axes
    assert axis.get_xscale() == "log"
    named = [text.get_text() for text in axis.get_yticklabels()]
    assert named == ["epoch_scaling", "read_vs_keras_directory_64"]
    points = {(line.get_marker(), *line.get_xydata()[0]) for line in axis.lines
              if len(line.get_xydata()) == 1}  # fmt: skip
    assert points == {(">", 20, 1), ("<", 1.1, 0), ("o", 12.5, 1), ("o", 1.01, 0)}
    hollow = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "o"
              and len(line.get_xydata())]  # fmt: skip
    assert sorted(colour == "white" for colour in hollow) == [False, True]
    text = report.tell_ratios(figures)
    assert "read_vs_keras_directory_64 12.5 (target at least 20)" in text
    assert "batch_overhead" not in text
    figure.canvas.draw()


# The page ----------------------------------------------------------------------------------


def shown(path: Path) -> str:
    outputs = [o for cell in nbformat.read(path, 4).cells for o in cell.get("outputs", [])]
    return "\n".join(
        o.data.get("text/markdown") or o.data.get("text/html") or o.data.get("text/plain", "")
        for o in outputs
        if "data" in o
    )


def test_the_page_says_how_to_record_where_nothing_is():
    text = shown(run_notebook(REPOSITORY / "notebooks" / "benchmarks.py"))
    assert "alllib bench --record" in text and "No figures of a GPU" in text
    assert "at most 3 s" in text, "what is measured is told all the same"


def test_the_page_shows_what_is_recorded(machine):
    record_figures({"read_vs_keras_directory_64": FIGURE, "gpu_mir2019-vgg16": GPU_FIGURE})
    text = shown(run_notebook(REPOSITORY / "notebooks" / "benchmarks.py"))
    assert "Figures of **1** machine are kept here." in text
    assert "Some(R) Processor" in text and "`read_vs_keras_directory_64` is 12.5" in text
    assert "read_vs_keras_directory_64 12.5 (target at least 20)" in text
    assert "mir2019-vgg16" in text and "No figures" not in text


# For real, at tiny sizes -------------------------------------------------------------------


def test_seconds_of_cells_are_read_from_what_papermill_noted(tmp_path):
    notebook = nbformat.v4.new_notebook()
    times = {"start_time": "2026-11-21T08:00:00.000", "end_time": "2026-11-21T08:00:01.500"}
    for noted in (times, times, {"start_time": None, "end_time": None}, None):
        cell = nbformat.v4.new_code_cell("1")
        if noted:
            cell.metadata["papermill"] = noted
        notebook.cells.append(cell)
    nbformat.write(notebook, tmp_path / "done.ipynb")
    assert cell_seconds(tmp_path / "done.ipynb") == 3.0


SIZES = {
    "store_build_vs_decode_limit": {"images": 16, "size": 24},
    "read_vs_keras_directory_64": {"size": 16},
    "read_vs_keras_directory_224": {"size": 24},
    "fit_vs_resident_batch_64": {"size": 16, "images": 40},
    "fit_vs_resident_batch_224": {"size": 24, "images": 40},
    "fit_vs_keras_directory_64": {"size": 16, "images": 40},
    "fit_vs_keras_directory_224": {"size": 24, "images": 40},
    "augment_offline_vs_augmentor": {"images": 8, "pictures": 10},
    "augment_online_vs_augmentor": {"share": 500},
    "bootstrap_vs_sklearn_loop": {"resamples": 100, "looped": 2},
    "peak_memory_ratio": {"images": 100, "size": 16},
    "epoch_scaling": {"images": 40, "size": 16},
}


@pytest.mark.slow
def test_every_figure_is_really_measured(space):
    found = run_benchmarks(progress=False, rounds=1, images=48, sizes=SIZES)
    assert list(found) == list(WANTED)
    for key, one in found.items():
        assert "failed" not in one, (key, one)
        assert one["value"] > 0 and one["ours"] > 0 and one["peer"] > 0, (key, one)
        assert math.isfinite(one["value"]) and one["unit"], (key, one)
        if key not in ("peak_memory_ratio", "epoch_scaling", "batch_overhead"):
            assert one["value"] == pytest.approx(one["ours"] / one["peer"])
    assert found["augment_online_vs_augmentor"]["steady"] > 0
    assert report.figure_table(found).met.isin(["yes", "no"]).all()
    assert not list((space / "_build").glob(f"{PREFIX}*")), "nothing large is left"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "size"),  # one unit; two outputs; pictures varied in each epoch
    [("unnithan2021-2x2", 32), ("mir2019-inception_v3", 107), ("ball2023-densenet201", 32)],
)
def test_the_gpu_runner_runs_anywhere_at_a_tiny_size(recipe, size, space):
    found = run_gpu_benchmarks(
        [recipe], progress=False, anywhere=True, matrix=64, size=size, batch=2, steps=2, rounds=1
    )
    (one,) = found.values()
    assert list(found) == [f"gpu_{recipe}"]
    assert one["value"] == pytest.approx(one["ours"] / one["peer"])
    assert one["peak_share"] > 0 and 0 <= one["input_wait"] < 1
    assert (one["size"], one["batch"]) == (size, 2)
    assert len(report.gpu_table(found)) == 1


def test_the_gpu_runner_refuses_a_machine_without_one(monkeypatch):
    monkeypatch.setattr(backend, "_gpu_name", lambda name: None)
    with pytest.raises(DependencyError, match="sees no GPU"):
        run_gpu_benchmarks()
