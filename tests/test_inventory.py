"""Stores on the disk: their states, and that only those of no use are removed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alllib.datasets import load_cells
from alllib.errors import DiskError, ParameterError
from alllib.files import locked
from alllib.inventory import list_stores, prune_stores, store_rows, store_table
from alllib.sources import compare_sources
from alllib.store import open_store, partial_folder


@pytest.fixture
def cells(tmp_path, write_cnmc, workspace) -> pd.DataFrame:
    return load_cells(write_cnmc(tmp_path / "data"))


def states() -> dict[str, str]:
    return {entry.path.name: entry.said for entry in list_stores()}


def folders(workspace: Path) -> set[str]:
    return {path.name for path in (workspace / "_build/stores").iterdir()}


def leave_unfinished(store, finished: int = 3) -> Path:
    """Turn a store into what a killed build leaves."""
    begun = partial_folder(store.path)
    store.path.rename(begun)
    sums = np.load(begun / "checksums.npy", mmap_mode="r+")
    sums[finished:] = 0
    return begun


# What is listed -------------------------------------------------------------------------


def test_no_store_is_an_empty_list(workspace):
    assert list_stores() == [] and prune_stores(everything=True) == []
    assert store_rows([]) == [] and store_table([]).empty and not workspace.exists()


def test_whole_store_is_described(cells):
    before = time.time() - 2
    store = open_store(cells, size=8, crop=20)
    (entry,) = list_stores()
    assert (entry.name, entry.path) == (store.path.name, store.path)
    assert (entry.state, entry.detail, entry.said) == ("whole", "", "whole")
    assert (entry.images, entry.size, entry.crop) == (24, 8, 20)
    assert entry.bytes == sum(path.stat().st_size for path in store.path.iterdir()) > 24 * 192
    for stamp in (entry.made, entry.used):
        assert before <= pd.Timestamp(stamp).timestamp() <= time.time() + 1
    os.utime(store.path / "images.npy", (10**9, 10**9))
    os.utime(store.path / "store.json", (11 * 10**8, 11 * 10**8))
    (entry,) = list_stores()
    assert entry.made == "2001-09-09T01:46:40+00:00" and entry.used.startswith("2004-11-09")


def test_listing_writes_nothing(cells, workspace):
    leave_unfinished(open_store(cells, size=9))
    open_store(cells, size=8)
    files = {path: path.stat().st_mtime_ns for path in workspace.rglob("*") if path.is_file()}
    list_stores()
    assert files == {path: path.stat().st_mtime_ns for path in workspace.rglob("*")
                     if path.is_file()}  # fmt: skip


def spoil(path: Path, old: bytes, new: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(old, new))


DAMAGES = {
    "no images": lambda folder: (folder / "images.npy").unlink(),
    "images truncated": lambda folder: os.truncate(folder / "images.npy", 200),
    "no description": lambda folder: (folder / "store.json").unlink(),
    "description rubbish": lambda folder: (folder / "store.json").write_text("{"),
    "another size": lambda folder: spoil(folder / "store.json", b'"size": 8', b'"size": 9'),
    "no index": lambda folder: (folder / "index.parquet").unlink(),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_store_is_seen(cells, kind):
    store = open_store(cells, size=8)
    DAMAGES[kind](store.path)
    assert states() == {store.path.name: "damaged"}


def test_store_of_another_format_is_seen(cells):
    store = open_store(cells, size=8)
    spoil(store.path / "store.json", b'"format": 2', b'"format": 3')
    assert states() == {store.path.name: "other format"}
    described = {"crop": 20, "size": 8, "data": "x", "filter": "bilinear"}  # before formats
    (store.path / "store.json").write_text(json.dumps(described))
    assert states() == {store.path.name: "other format"}


def test_unfinished_store_says_how_many_rows_it_has(cells):
    begun = leave_unfinished(open_store(cells, size=8))
    assert states() == {begun.name: "unfinished (3 of 24)"}
    (begun / "store.json").unlink()
    assert states() == {begun.name: "unfinished"}


def test_store_that_is_being_built_is_seen(cells):
    store = open_store(cells, size=8)
    begun = leave_unfinished(store)
    with locked(store.path):
        assert states() == {begun.name: "being built (3 of 24)"}
    assert states() == {begun.name: "unfinished (3 of 24)"}


def test_images_gone_or_changed_make_a_store_stale(cells):
    store = open_store(cells, size=8)
    paths = [Path(path) for path in cells.path]
    os.utime(paths[0], (1, 1))
    assert states() == {store.path.name: "stale (1 image changed)"}
    with paths[1].open("ab") as file:
        file.write(b"more")
    paths[2].unlink()
    assert states() == {store.path.name: "stale (1 image gone and 2 images changed)"}
    assert compare_sources(store.path) == (1, 2)
    shutil.rmtree(paths[0].parents[3])
    assert states() == {store.path.name: "stale (24 images gone)"}


def test_images_seen_elsewhere_make_it_whole_again(cells, tmp_path, write_cnmc):
    store = open_store(cells, size=8)
    shutil.rmtree(tmp_path / "data")
    moved = load_cells(write_cnmc(tmp_path / "moved", top=""))
    assert states() == {store.path.name: "stale (24 images gone)"}
    assert open_store(moved, size=8).path == store.path
    assert states() == {store.path.name: "whole"}
    os.utime(moved.path[3])  # touched, and used again
    open_store(moved, size=8)
    assert states() == {store.path.name: "whole"}


@pytest.mark.parametrize("data", [None, b"", b"PAR1"])
def test_store_of_unknown_images_counts_as_whole(cells, data):
    store = open_store(cells, size=8)
    sources = store.path / "sources.parquet"
    sources.unlink() if data is None else sources.write_bytes(data)
    assert states() == {store.path.name: "whole"}
    open_store(cells, size=8)
    Path(cells.path[0]).unlink()
    assert states() == {store.path.name: "stale (1 image gone)"}


def test_table_and_json_show_the_same(cells):
    begun = leave_unfinished(open_store(cells, size=9))
    (begun / "store.json").unlink()
    open_store(cells, size=8, crop=20)
    entries = list_stores()
    table = store_table(entries)
    assert list(table) == ["store", "images", "pixels", "crop", "MB", "made", "used", "state"]
    assert table.state.to_list() == ["whole", "unfinished"]
    assert table.crop.to_list() == ["20", "-"] and table.MB.iloc[0] == "0.0"
    rows = json.loads(json.dumps(store_rows(entries)))
    assert [row["path"] for row in rows] == [str(entry.path) for entry in entries]
    assert rows[1]["images"] is None and rows[1]["used"] is None


# What is removed ------------------------------------------------------------------------


@pytest.fixture
def crowd(cells, tmp_path, write_cnmc) -> dict[str, str]:
    """A store of each state; the name of its folder by state."""
    names = [("fold_0", x, f"UID_{'H' * (x == 'hem')}9_{n}_1_{x}") for x in ("all", "hem")
             for n in range(3)]  # fmt: skip
    others = load_cells(write_cnmc(tmp_path / "others", cells=names))
    found = {
        "whole": open_store(cells, size=8).path,
        "damaged": open_store(cells, size=9).path,
        "other format": open_store(cells, size=10).path,
        "stale": open_store(others, size=8).path,
        "unfinished": leave_unfinished(open_store(cells, size=11)),
    }
    (found["damaged"] / "images.npy").unlink()
    spoil(found["other format"] / "store.json", b"format", b"formed")
    Path(others.path[0]).unlink()
    assert {entry.path: entry.state for entry in list_stores()} == {
        path: state for state, path in found.items()
    }
    return {state: path.name for state, path in found.items()}


def test_what_is_of_no_use_is_removed(crowd, workspace):
    free = sum(entry.bytes for entry in list_stores() if entry.state != "whole")
    removed = prune_stores()
    assert {entry.state for entry in removed} == set(crowd) - {"whole"}
    assert sum(entry.bytes for entry in removed) == free
    whole = crowd["whole"]
    assert folders(workspace) == {whole, f".{whole}.lock"}
    assert prune_stores() == [] and states() == {whole: "whole"}


def test_a_dry_run_removes_nothing(crowd, workspace):
    before = folders(workspace)
    assert len(prune_stores(dry_run=True)) == 4
    assert len(prune_stores(everything=True, dry_run=True)) == 5
    assert folders(workspace) == before


def test_everything_is_removed_on_request(crowd, workspace):
    assert len(prune_stores(everything=True)) == 5
    assert folders(workspace) == set()


def test_stores_not_used_for_long_are_removed(cells, workspace):
    old, new = open_store(cells, size=8), open_store(cells, size=9)
    week = time.time() - 7 * 86_400
    os.utime(old.path / "store.json", (week, week))
    assert prune_stores() == [] and prune_stores(days=8) == []
    assert [entry.path for entry in prune_stores(days=6.5)] == [old.path]
    assert states() == {new.path.name: "whole"}
    assert len(prune_stores(days=0)) == 1 and folders(workspace) == set()


@pytest.mark.parametrize("days", [-1, float("nan")])
def test_impossible_days_are_refused(cells, days):
    open_store(cells, size=8)
    with pytest.raises(ParameterError, match="no number of days"):
        prune_stores(days=days)
    assert len(list_stores()) == 1


def test_store_in_work_is_let_be(cells, workspace):
    store = open_store(cells, size=8)
    begun = leave_unfinished(store)
    with locked(store.path):
        assert prune_stores(everything=True) == []
        assert begun.is_dir()
    assert len(prune_stores()) == 1 and folders(workspace) == set()


def test_store_finished_since_it_was_listed_is_let_be(cells, monkeypatch):
    store = open_store(cells, size=8)
    begun = leave_unfinished(store, finished=24)
    entries = list_stores()
    begun.rename(store.path)
    monkeypatch.setattr("alllib.inventory.list_stores", lambda: entries)
    assert prune_stores() == [] and store.path.is_dir()


def test_removed_store_is_built_anew_and_read_on_meanwhile(cells):
    store = open_store(cells, size=8)
    images = np.array(store.images)
    prune_stores(everything=True)
    assert np.array_equal(store.images, images)
    assert np.array_equal(open_store(cells, size=8).images, images)


def test_folder_that_cannot_be_removed_is_named(cells, monkeypatch):
    store = open_store(cells, size=8)

    def refuse(path, **_):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(DiskError, match="cannot be written") as caught:
        prune_stores(everything=True)
    assert caught.value.where == store.path


def test_locks_left_alone_are_removed(cells, workspace):
    Path(cells.path[0]).write_bytes(b"BM")
    with pytest.raises(Exception, match="cannot be read"):
        open_store(cells, size=8)
    assert len(folders(workspace)) == 1  # the lock of the failed build
    prune_stores()
    assert folders(workspace) == set()


BUILDER = """
import sys, time
from alllib import rows, store
from alllib.datasets import load_cells
write = rows.RowFile.write
def slow(*given):
    time.sleep(0.1)
    write(*given)
rows.RowFile.write = slow
store.open_store(load_cells(sys.argv[1]), size=8)
"""


@pytest.mark.slow
def test_store_that_another_process_builds_is_let_be_until_that_is_killed(
    tmp_path, cells, workspace
):
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "data")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while not any("built (" in said for said in states().values()):
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        assert prune_stores(everything=True) == []
        process.kill()
    (said,) = states().values()
    assert said.startswith("unfinished (") and said.endswith(" of 24)")
    assert len(prune_stores()) == 1 and folders(workspace) == set()
