"""Files and folders are whole or absent, whatever goes wrong while they are written."""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from alllib import errors, files
from alllib.errors import AlllibError, DiskError, suggest

REFUSALS = {
    errno.ENOSPC: "disk is full",
    errno.EDQUOT: "disk is full",
    errno.EROFS: "cannot be written",
    errno.EACCES: "cannot be written",
    errno.EPERM: "cannot be written",
}


def refuse(code: int):
    def raising(*_, **__):
        raise OSError(code, os.strerror(code))

    return raising


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Errors -------------------------------------------------------------------------------


KINDS = [kind for name in errors.__all__ if isinstance(kind := getattr(errors, name), type)]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_says_what_where_and_the_remedy_and_survives_pickling(kind):
    error = kind("It broke.", where=Path("a/b.bmp"), remedy="Mend it.")
    again = pickle.loads(pickle.dumps(error))
    assert str(error) == "It broke.\n  where: a/b.bmp\n  remedy: Mend it."
    assert type(again) is kind and str(again) == str(error) and again.where == Path("a/b.bmp")
    assert isinstance(error, AlllibError)


def test_suggest_names_the_nearest_or_all():
    assert suggest("smople", ["sample", "paper"]) == "Did you mean 'sample'?"
    assert suggest("qqq", ["sample", "paper"]) == "Known are: paper, sample."
    assert suggest("qqq", []) == "Known are: none."


# The workspace ------------------------------------------------------------------------


def test_workspace_is_the_variable_else_the_checkout_else_here(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "chosen"))
    assert files.workspace() == tmp_path / "chosen"
    monkeypatch.delenv("ALLLIB_WORKSPACE")
    checkout = tmp_path / "checkout"
    (checkout / "alllib").mkdir(parents=True)
    (checkout / "_toc.yml").touch()
    (checkout / "notebooks").mkdir()
    monkeypatch.chdir(checkout / "notebooks")
    assert files.workspace() == checkout
    (checkout / "_toc.yml").unlink()
    assert files.workspace() == checkout / "notebooks"


# One file -----------------------------------------------------------------------------


def test_whole_file_appears_only_when_the_block_succeeds(tmp_path):
    path = tmp_path / "new" / "a.json"
    files.write_json(path, {"x": 1})
    with pytest.raises(RuntimeError), files.whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"x": 1}
    assert names_in(path.parent) == ["a.json"]


def test_interrupted_file_leaves_nothing(tmp_path):
    with pytest.raises(KeyboardInterrupt), files.whole_file(tmp_path / "a.txt") as partial:
        partial.write_text("half")
        raise KeyboardInterrupt
    assert names_in(tmp_path) == []


def test_not_a_number_is_refused_and_the_old_file_stays(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, 1)
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(path, math.nan)
    assert path.read_text() == "1\n" and names_in(tmp_path) == ["a.json"]


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_refused_file_names_itself_leaves_the_old_one_and_can_be_repeated(
    tmp_path, monkeypatch, code, call
):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(code))
        with pytest.raises(DiskError, match=REFUSALS[code]) as caught:
            files.write_text(path, "new")
    assert str(path) in str(caught.value) and "run the same command again" in caught.value.remedy
    assert path.read_text() == "old" and names_in(tmp_path) == ["a.txt"]
    files.write_text(path, "new")
    assert path.read_text() == "new"


def test_other_system_errors_are_not_taken_for_a_full_disk(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "replace", refuse(errno.EIO))
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.write_text(tmp_path / "a.txt", "x")
    assert names_in(tmp_path) == []


def test_a_file_in_the_place_of_a_folder_is_named(tmp_path):
    (tmp_path / "runs").write_text("a file")
    for write in (files.locked, files.whole_folder, files.whole_file):
        with pytest.raises(DiskError, match="A file stands") as caught, write(tmp_path / "runs/a"):
            pass
        assert str(tmp_path / "runs") in str(caught.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (errno.ENOENT, "is not there"),
        (errno.ENOTDIR, "A file stands"),
        (errno.EISDIR, "A folder stands"),
    ],
)
def test_what_lacks_or_stands_in_the_way_is_named_with_a_remedy(tmp_path, code, said):
    with pytest.raises(DiskError, match=said) as caught, files.clear_errors(tmp_path / "a"):
        raise OSError(code, os.strerror(code))
    assert caught.value.where == tmp_path / "a"
    assert "run the same command again" in caught.value.remedy
    with pytest.raises(DiskError, match=said) as caught, files.clear_errors(tmp_path / "a"):
        raise OSError(code, os.strerror(code), str(tmp_path / "b"))
    assert caught.value.where == str(tmp_path / "b")


def test_a_folder_in_the_place_of_a_file_and_a_link_to_nowhere_are_named(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(DiskError, match="A folder stands"):
        files.write_text(tmp_path / "a.txt", "x")
    assert names_in(tmp_path) == ["a.txt"]
    with pytest.raises(DiskError, match="is not there"), files.clear_errors(tmp_path):
        (tmp_path / "nothing").read_bytes()


def test_hash_json_does_not_depend_on_the_order_of_keys():
    assert files.hash_json({"a": 1, "b": [2]}) == files.hash_json({"b": [2], "a": 1})
    assert files.hash_json({"a": 1}) != files.hash_json({"a": 2})
    assert len(files.hash_json(None)) == 64


# One folder ---------------------------------------------------------------------------


def fill(path: Path, text: str) -> None:
    with files.whole_folder(path) as partial:
        (partial / "a.txt").write_text(text)


def test_whole_folder_replaces_the_old_one(tmp_path):
    path = tmp_path / "deep" / "store"
    fill(path, "old")
    (path / "stale.txt").touch()
    fill(path, "new")
    assert (path / "a.txt").read_text() == "new"
    assert names_in(path) == ["a.txt"] and names_in(path.parent) == ["store"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failed_folder_leaves_the_old_one(tmp_path, error):
    path = tmp_path / "store"
    fill(path, "old")
    with pytest.raises(error), files.whole_folder(path) as partial:
        (partial / "a.txt").write_text("half")
        raise error
    assert (path / "a.txt").read_text() == "old" and names_in(tmp_path) == ["store"]


@pytest.mark.parametrize("code", REFUSALS)
@pytest.mark.parametrize("failing", [1, 2])
def test_refused_folder_leaves_the_old_one_and_can_be_repeated(
    tmp_path, monkeypatch, code, failing
):
    path, replace, calls = tmp_path / "store", os.replace, []
    fill(path, "old")

    def second_fails(source, target):
        calls.append(source)
        if len(calls) == failing:
            raise OSError(code, os.strerror(code))
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", second_fails)
        with pytest.raises(DiskError, match=REFUSALS[code]) as caught:
            fill(path, "new")
    assert str(path) in str(caught.value) and len(calls) >= failing
    assert (path / "a.txt").read_text() == "old" and names_in(tmp_path) == ["store"]
    fill(path, "new")
    assert (path / "a.txt").read_text() == "new"


def test_read_only_place_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", refuse(errno.EROFS))
    for write in (files.whole_folder, files.whole_file, files.locked):
        with pytest.raises(DiskError, match="cannot be written") as caught, write(tmp_path / "a"):
            pass
        assert str(tmp_path / "a") in str(caught.value)


def test_lock_that_cannot_be_made_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(files.FileLock, "acquire", refuse(errno.EROFS))
    with pytest.raises(DiskError, match="cannot be written"), files.locked(tmp_path / "store"):
        pass


# The states that a killed writer can leave: before the old folder is moved, between the two
# renames, and before the old one is deleted.
KILLED = {
    "filling": ({"store": "old", ".store.partial": "half"}, "old"),
    "filling the first": ({".store.partial": "half"}, None),
    "between renames": ({".store.replaced": "old", ".store.partial": "new"}, "old"),
    "before deletion": ({"store": "new", ".store.replaced": "old"}, "new"),
}


@pytest.mark.parametrize("state", KILLED)
@pytest.mark.parametrize("again", ["succeeds", "fails"])
def test_repeat_after_a_kill(tmp_path, state, again):
    left, stands = KILLED[state]
    for name, text in left.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text(text)
    path = tmp_path / "store"
    if again == "succeeds":
        fill(path, "repeated")
        stands = "repeated"
    else:
        with pytest.raises(RuntimeError), files.whole_folder(path):
            raise RuntimeError
    assert names_in(tmp_path) == ([] if stands is None else ["store"])
    if stands is not None:
        assert (path / "a.txt").read_text() == stands


WRITER = """
import sys, time
from alllib.files import locked, whole_folder
with locked(sys.argv[1]), whole_folder(sys.argv[1]) as partial:
    (partial / "a.txt").write_text("half")
    print("ready", flush=True)
    time.sleep(float(sys.argv[2]))
    (partial / "a.txt").write_text("whole")
"""


def start_writer(path: Path, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", WRITER, str(path), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_killed_process_leaves_no_folder_and_no_lock(tmp_path, sent):
    path = tmp_path / "store"
    with start_writer(path, 60) as process:
        process.send_signal(sent)
        assert process.wait(timeout=20) != 0
    assert not path.exists()
    with files.locked(path):
        fill(path, "repeated")
    assert (path / "a.txt").read_text() == "repeated"
    assert [name for name in names_in(tmp_path) if not name.endswith(".lock")] == ["store"]


@pytest.mark.slow
def test_second_process_waits_for_the_first_and_says_so(tmp_path, caplog):
    path = tmp_path / "store"
    caplog.set_level("INFO", "alllib")
    with start_writer(path, 1.5) as process:
        started = time.monotonic()
        with files.locked(path):
            assert (path / "a.txt").read_text() == "whole"
        assert time.monotonic() - started > 0.3
        assert process.wait(timeout=20) == 0
    assert caplog.messages == [f"Another process works on {path}; waiting for it."]


def test_a_lock_that_is_free_is_taken_without_a_word(tmp_path, caplog):
    caplog.set_level("INFO", "alllib")
    for _ in range(2):  # the second time too, when its file is there
        with files.locked(tmp_path / "new" / "store"):
            pass
    assert caplog.messages == []


@pytest.mark.parametrize("failing", [False, True])
def test_a_thread_waits_for_another_and_the_lock_falls_with_an_error(tmp_path, caplog, failing):
    caplog.set_level("INFO", "alllib")
    path, order, inside = tmp_path / "store", [], threading.Event()

    def second():
        inside.wait(20)
        with files.locked(path):
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with contextlib.suppress(KeyError), files.locked(path):
        inside.set()
        deadline = time.monotonic() + 20
        while not caplog.messages and time.monotonic() < deadline:
            time.sleep(0.01)
        order.append("first")
        if failing:
            raise KeyError
    thread.join(20)
    assert order == ["first", "second"] and len(caplog.messages) == 1
    assert "waiting for it" in caplog.text and str(path) in caplog.text


def test_locks_of_different_paths_do_not_wait_for_each_other(tmp_path):
    with files.locked(tmp_path / "a"), files.locked(tmp_path / "b"):
        pass
    # A run, its state and its record each have a lock; one process holds two of them.
    with files.locked(tmp_path / "run"), files.locked(tmp_path / ".run.training"):
        pass


def test_reader_gets_the_old_folder_after_a_kill_between_the_renames(tmp_path):
    """`whole_folder` renames twice; killed in between, the old one has the other name."""
    replaced = tmp_path / ".run.replaced"
    replaced.mkdir()
    (replaced / "kept").write_text("yes")
    files.restore_folder(tmp_path / "run")
    assert (tmp_path / "run" / "kept").read_text() == "yes" and not replaced.exists()


def test_leftovers_of_dead_writers_are_swept_and_of_living_ones_are_not(tmp_path):
    dead, living = (
        tmp_path / ".a.999999999.partial.json",
        tmp_path / f".a.{os.getppid()}.partial.json",
    )
    for left in (dead, living):
        left.write_text("half")
    files.write_json(tmp_path / "a.json", {"whole": True})
    assert not dead.exists() and living.exists()
