"""State of a training on disk: a whole one at every moment, and no more than two of them."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st

from alllib import checkpoints, files
from alllib.checkpoints import (
    State,
    load_state,
    load_variables,
    remove_state,
    save_state,
    state_folder,
)
from alllib.errors import DiskError, RecordError

REPOSITORY = Path(__file__).resolve().parents[1]
IDENTITY = {"parameters": {"seed": 1}, "code": "abc", "versions": {"keras": "3"}}


def state_after(epoch: int, **changes) -> State:
    history = [{"epoch": n + 1, "loss": 1 / (n + 3), "val_auroc": None} for n in range(epoch)]
    return State(
        **({"identity": IDENTITY, "precision": "float32", "epoch": epoch, "history": history}
           | changes)
    )  # fmt: skip


def variables_after(epoch: int) -> list[np.ndarray]:
    """Of every kind that Keras has: kernels, scalars, whole numbers, seeds, empty ones."""
    generator = np.random.default_rng(epoch)
    return [
        generator.random((3, 3, 2, 4)).astype(np.float32),
        np.float32(generator.random()),
        np.array(epoch, np.int64),
        generator.integers(0, 2**32, 2, dtype=np.uint32),
        np.zeros((0, 4), np.float32),
        np.array([np.nextafter(np.float32(1), 2), -0.0, 1e-45], np.float32),
    ]


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def same(found: list[np.ndarray], wanted: list[np.ndarray]) -> bool:
    return len(found) == len(wanted) and all(
        a.dtype == b.dtype and a.shape == np.shape(b) and a.tobytes() == b.tobytes()
        for a, b in zip(found, wanted, strict=True)
    )


# Saved and loaded --------------------------------------------------------------------


def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path):
    state = state_after(3, best=-0.1, best_epoch=3, waited=1, slow=2, seconds=[1.5, 2.25, 0.1],
                        sessions=2, stopped=True, precision="mixed_float16")  # fmt: skip
    save_state(tmp_path / "state", state, variables_after(3))
    assert load_state(tmp_path / "state") == state
    assert same(load_variables(tmp_path / "state", 3), variables_after(3))


def test_numbers_of_a_history_come_back_exactly(tmp_path):
    values = [0.1 + 0.2, 1 / 3, 5e-324, 1e308, float(np.float32(0.7)), None]
    state = state_after(1, history=[{"loss": value} for value in values], best=0.1 + 0.2)
    save_state(tmp_path, state, [])
    assert load_state(tmp_path) == state


def test_where_there_is_no_state_there_is_none(tmp_path):
    assert load_state(tmp_path / "none") is None
    (tmp_path / "epoch-00001.npz").write_bytes(b"half")  # killed before its state was written
    assert load_state(tmp_path) is None


def test_the_folder_of_a_state_is_hidden_beside_its_record(workspace):
    assert state_folder("first-run") == workspace / "runs" / ".first-run.training"
    with pytest.raises(RecordError, match="cannot be the id"):
        state_folder("../elsewhere")


def test_a_state_holds_all_fields_and_plain_values_alone(tmp_path):
    save_state(tmp_path, state_after(1), [])
    saved = json.loads((tmp_path / "state.json").read_text())
    assert saved == asdict(state_after(1))


# Room on the disk ----------------------------------------------------------------------


@pytest.mark.parametrize("bests", [(1, 1, 1, 1, 1), (1, 2, 3, 4, 5), (1, 1, 3, 3, 5), (None,) * 5])
def test_after_each_epoch_the_last_and_the_best_are_kept_and_no_others(tmp_path, bests):
    for epoch, best in enumerate(bests, 1):
        save_state(tmp_path, state_after(epoch, best_epoch=best), variables_after(epoch))
        kept = {epoch, best} - {None}
        wanted = [f"epoch-{number:05d}.npz" for number in sorted(kept)] + ["state.json"]
        assert names_in(tmp_path) == wanted and len(kept) <= 2
        for number in kept:
            assert same(load_variables(tmp_path, number), variables_after(number))


def test_while_an_epoch_is_saved_there_are_at_most_three(tmp_path, monkeypatch):
    """The last, the best, and the one that is being written."""
    most, real = [], os.replace

    def spy(*names):
        most.append(len([name for name in names_in(tmp_path) if name.endswith(".npz")]))
        real(*names)

    monkeypatch.setattr(files.os, "replace", spy)
    for epoch in range(1, 6):
        save_state(tmp_path, state_after(epoch, best_epoch=1), variables_after(epoch))
    assert max(most) == 3


def test_a_state_is_removed_with_all_that_lies_there(tmp_path):
    folder = tmp_path / ".run.training"
    save_state(folder, state_after(2, best_epoch=1), variables_after(2))
    (folder / ".epoch-00003.999999999.partial.npz").write_bytes(b"left by a killed process")
    remove_state(folder)
    assert names_in(tmp_path) == []
    remove_state(folder)  # nothing there is no error


def test_a_removal_that_is_cut_short_leaves_no_state(tmp_path, monkeypatch):
    save_state(tmp_path, state_after(2), variables_after(2))
    monkeypatch.setattr(checkpoints.shutil, "rmtree", lambda *_, **__: None)
    remove_state(tmp_path)
    assert load_state(tmp_path) is None and names_in(tmp_path) == ["epoch-00002.npz"]


def test_leftovers_of_a_killed_writer_are_swept_by_the_next(tmp_path):
    for name in (".epoch-00002.999999999.partial.npz", ".state.999999999.partial.json"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "epoch-00007.npz").write_bytes(b"of an epoch whose state was never written")
    save_state(tmp_path, state_after(2), variables_after(2))
    assert names_in(tmp_path) == ["epoch-00002.npz", "state.json"]


# Damage ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"3", b"null", b"\xff\xfe", b'{"epoch": 2}', b"\x00" * 40,
     b'{"identity": {}, "precision": "float32", "epoch": 1, "more": 2}'],
)  # fmt: skip
def test_a_damaged_state_is_named_with_a_remedy(tmp_path, text):
    save_state(tmp_path, state_after(2), variables_after(2))
    (tmp_path / "state.json").write_bytes(text)
    with pytest.raises(RecordError, match="cannot be read") as caught:
        load_state(tmp_path)
    assert caught.value.where == tmp_path / "state.json"
    assert f"Remove the folder {tmp_path}" in caught.value.remedy


def test_a_state_of_another_version_is_named_as_such(tmp_path):
    save_state(tmp_path, state_after(2), variables_after(2))
    saved = json.loads((tmp_path / "state.json").read_text())
    for changed in ({**saved, "later": 1}, {k: v for k, v in saved.items() if k != "slow"}):
        (tmp_path / "state.json").write_text(json.dumps(changed))
        with pytest.raises(RecordError, match="another version"):
            load_state(tmp_path)


def test_missing_variables_are_named(tmp_path):
    save_state(tmp_path, state_after(2), variables_after(2))
    (tmp_path / "epoch-00002.npz").unlink()
    with pytest.raises(RecordError, match="cannot be read") as caught:
        load_variables(tmp_path, 2)
    assert caught.value.where == tmp_path / "epoch-00002.npz"


@pytest.mark.parametrize("keep", [0, 1, 30, 200, -1])
def test_cut_off_variables_are_named(tmp_path, keep):
    save_state(tmp_path, state_after(2), variables_after(2))
    path = tmp_path / "epoch-00002.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordError, match="Remove the folder"):
        load_variables(tmp_path, 2)


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    save_state(folder, state_after(2), variables_after(2))
    return folder


@chosen(max_examples=400)
@given(data=st.data())
def test_a_changed_byte_is_seen_or_harmless(saved, data):
    """Never other numbers than were saved, and never another kind of error. The last of them
    may be missing; then they do not fit the network, and that is said."""
    whole = (saved / "epoch-00002.npz").read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255))
    (saved / "epoch-00009.npz").write_bytes(changed)
    try:
        found = load_variables(saved, 9)
    except RecordError:
        return
    assert same(found, variables_after(2)[: len(found)])


# A disk that refuses -------------------------------------------------------------------


def refuse(code: int):
    def raising(*_, **__):
        raise OSError(code, os.strerror(code))

    return raising


def half_then_refuse(code: int):
    """`np.savez` on a disk that fills up while it writes."""

    def raising(path, *variables):
        Path(path).write_bytes(b"half")
        raise OSError(code, os.strerror(code))

    return raising


SAID = {errno.ENOSPC: "disk is full", errno.EDQUOT: "disk is full", errno.EROFS: "written to"}
STEPS = {
    "variables": (np, "savez", half_then_refuse),
    "flush": (files.os, "fsync", refuse),
    "rename": (files.os, "replace", refuse),
    "text": (Path, "write_text", refuse),
}


@pytest.mark.parametrize("code", SAID)
@pytest.mark.parametrize("step", STEPS)
def test_a_refused_write_leaves_the_state_before_and_nothing_half(
    tmp_path, monkeypatch, step, code
):
    before = state_after(2, best_epoch=1)
    save_state(tmp_path, state_after(1, best_epoch=1), variables_after(1))
    save_state(tmp_path, before, variables_after(2))
    owner, name, make = STEPS[step]
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, make(code))
        with pytest.raises(DiskError, match=SAID[code]):
            save_state(tmp_path, state_after(3, best_epoch=3), variables_after(3))
    assert load_state(tmp_path) == before
    for epoch in (1, 2):
        assert same(load_variables(tmp_path, epoch), variables_after(epoch))
    assert not [name for name in names_in(tmp_path) if "partial" in name]
    save_state(tmp_path, state_after(3, best_epoch=3), variables_after(3))
    assert names_in(tmp_path) == ["epoch-00003.npz", "state.json"]


def test_a_refused_second_rename_leaves_the_state_before(tmp_path, monkeypatch):
    """The variables are there, and their state is not yet."""
    save_state(tmp_path, state_after(1), variables_after(1))
    calls, real = [], os.replace

    def second(*names):
        calls.append(names)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(*names)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "replace", second)
        with pytest.raises(DiskError, match="disk is full"):
            save_state(tmp_path, state_after(2), variables_after(2))
    assert load_state(tmp_path) == state_after(1)
    assert same(load_variables(tmp_path, 1), variables_after(1))
    save_state(tmp_path, state_after(2), variables_after(2))
    assert names_in(tmp_path) == ["epoch-00002.npz", "state.json"]


# Kills -------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
import numpy as np
sys.path.insert(0, {tests!r})
import test_checkpoints as t
from alllib import files

calls = []
real = getattr({owner}, {name!r})

def spy(*given, **rest):
    calls.append(1)
    if len(calls) == {call}:
        if {after}:
            real(*given, **rest)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*given, **rest)

setattr({owner}, {name!r}, spy)
t.save_state(t.Path({folder!r}), t.state_after(3, best_epoch=3), t.variables_after(3))
"""
MOMENTS = [
    ("np", "savez", 1, False),
    ("np", "savez", 1, True),
    ("files.os", "replace", 1, True),
    ("files.os", "replace", 2, False),
    ("files.os", "replace", 2, True),
    ("t.Path", "unlink", 1, False),
    ("t.Path", "unlink", 3, True),
]


@pytest.mark.parametrize(("owner", "name", "call", "after"), MOMENTS)
def test_whenever_it_is_killed_a_whole_state_is_there(tmp_path, owner, name, call, after):
    old, new = state_after(2, best_epoch=1), state_after(3, best_epoch=3)
    save_state(tmp_path, state_after(1, best_epoch=1), variables_after(1))
    save_state(tmp_path, old, variables_after(2))
    text = KILLED.format(
        tests=str(Path(__file__).parent), owner=owner, name=name, call=call, after=after,
        folder=str(tmp_path),
    )  # fmt: skip
    done = subprocess.run([sys.executable, "-c", text], cwd=REPOSITORY)
    assert done.returncode == -signal.SIGKILL, "the moment was not reached"
    found = load_state(tmp_path)
    assert found in (old, new)
    for epoch in {found.epoch, found.best_epoch}:
        assert same(load_variables(tmp_path, epoch), variables_after(epoch))
    save_state(tmp_path, new, variables_after(3))
    assert names_in(tmp_path) == ["epoch-00003.npz", "state.json"], "no stray file"
