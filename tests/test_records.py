"""Run records: whole or not at all, and never taken for what they are not."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from alllib import files, records
from alllib.datasets import get_dataset
from alllib.errors import DiskError, RecordError
from alllib.evaluation import score_predictions
from alllib.recipes import list_recipes, load_recipe
from alllib.records import (
    REQUIRED,
    check_parameters,
    list_records,
    read_record,
    run_folder,
    save_record,
)

REPOSITORY = Path(__file__).resolve().parents[1]
PREDICTIONS = pd.DataFrame(
    {"image": ["a", "b"], "subject": ["1", "H1"], "group": ["1", None], "label": ["ALL", "HEM"]}
).assign(p_ALL=[0.75, 0.1], p_HEM=[0.25, 0.9])
HISTORY = pd.DataFrame({"epoch": [1, 2], "loss": [0.7, 0.1 + 0.2], "val_accuracy": [0.5, 1 / 3]})


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    return tmp_path


def run_of(run_id: str = "one", **changes) -> dict:
    run = dict.fromkeys(REQUIRED, "x") | {"id": run_id, "parameters": {"seed": 1, "epochs": 2}}
    return run | changes


def save(run_id: str = "one", **changes):
    return save_record(
        run_of(run_id, **changes), PREDICTIONS, HISTORY, lambda p: p.write_bytes(b"M")
    )


def test_what_was_saved_is_read_back(place):
    record = save(seconds=1.5)
    assert record.path == place / "runs" / "one"
    again = read_record(record.path)
    assert again.run == run_of(seconds=1.5)
    pd.testing.assert_frame_equal(again.predictions, PREDICTIONS)
    pd.testing.assert_frame_equal(again.history, HISTORY)
    assert (record.path / "model.keras").read_bytes() == b"M"


@pytest.mark.parametrize("scored", ["test", "validation"])
def test_predictions_of_the_validation_part_stand_beside_those_of_another(scored):
    kept = PREDICTIONS.iloc[:1].reset_index(drop=True)
    record = save_record(
        run_of(scored=scored), PREDICTIONS, HISTORY, lambda path: None, validation=kept
    )
    wanted = kept if scored == "test" else PREDICTIONS
    pd.testing.assert_frame_equal(record.validation, wanted)
    assert (record.path / "validation.parquet").exists() == (scored == "test")


def test_a_record_of_before_they_were_kept_has_none():
    assert save(scored="test").validation is None


def test_a_record_without_its_model_can_be_read():
    """`results/` carries records without the 256 MB of their networks."""
    record = save()
    (record.path / "model.keras").unlink()
    assert read_record(record.path).run == record.run


def test_an_older_record_is_replaced_whole():
    old = save(finished="before")
    (old.path / "stray.txt").write_text("x")
    new = save(finished="after")
    assert new.run["finished"] == "after" and not (new.path / "stray.txt").exists()


@pytest.mark.parametrize("name", REQUIRED)
def test_a_record_that_lacks_a_key_is_neither_written_nor_read(name, place):
    run = {key: value for key, value in run_of().items() if key != name}
    with pytest.raises(RecordError, match=f"lacks {name}"):
        save_record(run, PREDICTIONS, HISTORY, lambda path: None)
    assert not (place / "runs").exists()
    record = save()
    (record.path / "run.json").write_text(json.dumps(run))
    with pytest.raises(RecordError, match=f"lacks {name}") as caught:
        read_record(record.path)
    assert str(record.path / "run.json") in str(caught.value)


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full"), (errno.EROFS, "written to")],
)
@pytest.mark.parametrize("step", ["model", "predictions", "run.json", "rename"])
def test_a_refused_write_leaves_the_older_record(monkeypatch, step, number, said):
    old = save(finished="before")

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    def half(path):
        path.write_bytes(b"half")
        refuse()

    targets = {
        "predictions": (pd.DataFrame, "to_parquet"),
        "run.json": (records, "write_json"),
        "rename": (files.os, "replace"),
    }
    with monkeypatch.context() as patch:
        if step in targets:
            patch.setattr(*targets[step], refuse)
        model = half if step == "model" else lambda path: path.write_bytes(b"N")
        with pytest.raises(DiskError, match=said):
            save_record(run_of(finished="after"), PREDICTIONS, HISTORY, model)
    assert [record.run["finished"] for record in list_records()] == ["before"]
    assert (old.path / "model.keras").read_bytes() == b"M"
    assert not [path.name for path in old.path.parent.iterdir() if path.suffix == ".partial"]
    assert save(finished="after").run["finished"] == "after"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError()])
def test_any_other_failure_leaves_nothing_half(error, place):
    def fail(path):
        path.write_bytes(b"half")
        raise error

    with pytest.raises(type(error)):
        save_record(run_of(), PREDICTIONS, HISTORY, fail)
    assert list_records() == []
    assert not [path for path in (place / "runs").iterdir() if path.is_dir()]


KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import test_records as t
t.save_record(t.run_of(finished="after"), t.PREDICTIONS, t.HISTORY,
              lambda path: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_killed_writer_leaves_the_older_record_and_can_be_repeated():
    save(finished="before")
    done = subprocess.run(
        [sys.executable, "-c", KILLED.format(tests=str(Path(__file__).parent))], cwd=REPOSITORY
    )
    assert done.returncode == -signal.SIGKILL
    folder = run_folder("one").parent
    assert [path for path in folder.iterdir() if path.suffix == ".partial"], "nothing was cut off"
    assert [record.run["finished"] for record in list_records()] == ["before"]
    save(finished="after")
    assert [record.run["finished"] for record in list_records()] == ["after"]
    assert [path.name for path in folder.iterdir() if path.is_dir()] == ["one"]


# Damaged records -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("run.json", ""),
        ("run.json", '{"id": "one"'),
        ("run.json", "3"),
        ("run.json", "[]"),
        ("run.json", "\xff"),
        ("predictions.parquet", ""),
        ("predictions.parquet", "PAR1 no"),
        ("history.csv", ""),
    ],
)
def test_a_damaged_file_is_named_with_a_remedy(name, text):
    record = save()
    (record.path / name).write_bytes(text.encode("latin-1"))
    with pytest.raises(RecordError, match="train again") as caught:
        read_record(record.path)
    assert str(record.path) in str(caught.value)


@pytest.mark.parametrize("name", records.FILES)
def test_a_missing_file_is_named(name):
    record = save()
    (record.path / name).unlink()
    with pytest.raises(RecordError, match=name):
        read_record(record.path)


def test_a_truncated_table_is_refused():
    record = save()
    path = record.path / "predictions.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(RecordError):
        read_record(record.path)


# Listing ---------------------------------------------------------------------------


def test_listing_is_sorted_and_skips_what_a_killed_run_left(place):
    for name in ("b", "a", "c"):
        save(name)
    (place / "runs" / ".d.partial").mkdir()
    (place / "runs" / "notes.txt").write_text("x")
    assert [record.run["id"] for record in list_records()] == ["a", "b", "c"]


def test_a_damaged_or_older_record_is_skipped_with_a_notice_that_names_it(place, caplog):
    save("good")
    (save("older").path / "run.json").write_text('{"id": "older"}')
    (save("torn").path / "history.csv").write_text("")
    assert [record.run["id"] for record in list_records()] == ["good"]
    assert [record.run["id"] for record in list_records(place / "runs")] == ["good"]
    for name in ("older", "torn"):
        assert str(place / "runs" / name) in caplog.text
        with pytest.raises(RecordError):
            read_record(place / "runs" / name)


def test_recorded_runs_are_listed_first_and_their_copies_once(place):
    save("cited", finished="then")
    (place / "results").mkdir()
    (place / "runs" / "cited").rename(place / "results" / "cited")
    save("cited", finished="then")  # the copy that was recorded
    save("another", finished="now")
    assert [(r.run["id"], r.recorded) for r in list_records()] == [
        ("cited", True),
        ("another", False),
    ]
    assert [r.recorded for r in list_records(place / "results")] == [True]
    save("cited", finished="later")  # the same id, trained anew
    assert len(list_records()) == 3


def test_a_workspace_without_runs_lists_nothing():
    assert list_records() == []


def test_a_folder_that_was_named_must_be_there(place):
    with pytest.raises(RecordError, match="no such folder"):
        list_records(place / "resluts")
    (place / "file").write_text("no record")
    with pytest.raises(RecordError, match="This is a file") as caught:
        list_records(place / "file")
    assert caught.value.where == place / "file"
    (place / "results").mkdir()
    assert list_records(place / "results") == []


# Ids -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    ["", ".", "..", ".hidden", "a/b", "../a", "/a", "a\\b", "a b", "a\0b", "a\n", "x" * 201],
)
def test_an_id_that_is_no_plain_name_is_refused(wrong):
    for use in (run_folder, save):
        with pytest.raises(RecordError, match="cannot be the id"):
            use(wrong)


def test_ids_that_training_makes_are_plain_names(place):
    name = "mir2019-proposed-group-150px-s1-0123abcd"
    assert run_folder(name) == place / "runs" / name


def test_a_taken_id_is_refused_with_what_differs():
    before = {"epochs": 2, "seed": 1}
    check_parameters(before, dict(before), Path("runs/one"), "Run 'one'")
    with pytest.raises(RecordError, match="Run 'one' .*with other epochs, samples") as caught:
        check_parameters(
            before, {"epochs": 3, "seed": 1, "samples": 4}, Path("runs/one"), "Run 'one'"
        )
    assert "another run id" in caught.value.remedy and caught.value.where == Path("runs/one")


def test_what_an_unfinished_run_was_is_refused_in_the_same_words(place):
    check_parameters({"seed": 1, "batch": 2}, {"batch": 2, "seed": 1}, place, "The run")
    with pytest.raises(RecordError, match="^The run is there already, with other batch, seed") as c:
        check_parameters({"seed": 1}, {"seed": 2, "batch": 2}, place, "The run")
    assert c.value.where == place and "remove the folder" in c.value.remedy


def test_a_folder_that_holds_no_record_is_passed_over_in_silence(place, caplog):
    """`results/benchmarks` lies beside the recorded runs."""
    save("good")
    (place / "results" / "benchmarks").mkdir(parents=True)
    (place / "results" / "benchmarks" / "one.json").write_text("{}")
    (place / "runs" / ".good.training").mkdir()
    (place / "runs" / ".good.training" / "state.json").write_text("{}")
    assert [record.run["id"] for record in list_records()] == ["good"] and caplog.text == ""


# The records that the book cites ----------------------------------------------------

RECORDED = sorted(path.parent for path in (REPOSITORY / "results").glob("*/run.json"))


@pytest.mark.parametrize("folder", RECORDED, ids=lambda folder: folder.name)
def test_a_recorded_run_agrees_with_itself(folder):
    record = read_record(folder)
    run = record.run
    again = score_predictions(record.predictions, positive=get_dataset(run["dataset"]).positive)
    assert again.as_dict() == run["metrics"]
    assert len(record.predictions) == run["images"][run["scored"]]
    assert len(record.history) == run["epochs"]
    assert record.history.loss.iloc[-1] < record.history.loss.iloc[0], "the loss falls"
    assert not (folder / "model.keras").exists(), "models are not kept here"


def test_every_system_has_a_run_on_the_real_images():
    runs = [read_record(folder).run for folder in RECORDED]
    own = {r["recipe"] for r in runs if r["dataset"] == load_recipe(r["recipe"]).data.dataset}
    assert set(list_recipes()) <= own
