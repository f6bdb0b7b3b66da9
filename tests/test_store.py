"""The store: what it holds, when it is built, and that no damaged one is ever used."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import draw_picture
from PIL import Image

from alllib import store as module
from alllib.cropping import crop_center
from alllib.datasets import load_cells
from alllib.errors import DiskError, ImageError, StoreError
from alllib.images import read_image
from alllib.store import open_store, resize


@pytest.fixture
def cells(tmp_path, write_cnmc, workspace) -> pd.DataFrame:
    return load_cells(write_cnmc(tmp_path / "data"))


def stamp(store) -> list[int]:
    return [path.stat().st_mtime_ns for path in sorted(store.path.iterdir())]


def stores(workspace: Path) -> list[str]:
    """Names of finished stores."""
    return [p.name for p in (workspace / "_build/stores").glob("*") if p.name[0] != "."]


def leftovers(workspace: Path) -> list[str]:
    """What lies beside finished stores, locks left out."""
    return [p.name for p in (workspace / "_build/stores").glob(".*") if p.suffix != ".lock"]


# What it holds ------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "crop"), [(8, 20), (20, 20), (24, None), (7, 13), (32, None)])
def test_images_are_cropped_and_resized(cells, size, crop):
    store = open_store(cells, size=size, crop=crop)
    assert store.images.shape == (len(cells), size, size, 3) and store.size == size
    assert store.images.dtype == np.uint8 and not store.images.flags.writeable
    for row, path in zip(store.rows(cells.image), cells.path, strict=True):
        image = crop_center(read_image(path), crop or 24)
        picture = Image.fromarray(np.ascontiguousarray(image))
        expected = picture.resize((size, size), Image.Resampling.BILINEAR)
        assert np.array_equal(store.images[row], np.asarray(expected))


def test_rows_find_images_by_name(cells):
    store = open_store(cells, size=8)
    names = cells.image.sample(frac=1, random_state=1)
    assert store.index.image.iloc[store.rows(names)].to_list() == names.to_list()
    assert store.rows([]).shape == (0,)
    sums = cells.set_index("image").sha256
    assert (store.index.sha256.to_numpy() == sums[store.index.image].to_numpy()).all()
    with pytest.raises(StoreError, match="'UID_404_1_1_all' is not in the store") as caught:
        store.rows([names.iloc[0], "UID_404_1_1_all"])
    assert str(store.path) in str(caught.value) and caught.value.remedy


def test_without_a_crop_the_shorter_side_is_taken(tmp_path, workspace, cells):
    path = Path(cells.path[0])
    Image.fromarray(draw_picture("wide", 30)[:24]).save(path)
    cells = load_cells(tmp_path / "data")
    store = open_store(cells, size=24)
    (row,) = store.rows([path.stem])
    assert np.array_equal(store.images[row], draw_picture("wide", 30)[:24, 3:27])


def test_store_in_worker_processes_is_the_same(tmp_path, write_cnmc, workspace, monkeypatch):
    names = [("fold_0", x, f"UID_{'H' * (x == 'hem')}1_{n}_1_{x}") for x in ("all", "hem")
             for n in range(40)]  # fmt: skip
    cells = load_cells(write_cnmc(tmp_path / "data", cells=names))
    many = np.array(open_store(cells, size=9, crop=20).images)
    monkeypatch.setattr("alllib.parallel.SERIAL_BELOW", 10**9)
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "other"))
    assert np.array_equal(open_store(cells, size=9, crop=20).images, many) and many.any()


def test_resize_of_the_right_size_changes_nothing():
    image = draw_picture("a")
    assert np.array_equal(resize(image, 24), image)
    assert resize(np.rot90(image), 12).shape == (12, 12, 3)


# When it is built ---------------------------------------------------------------------


def test_store_is_built_once_for_the_same_images(cells, write_cnmc, tmp_path):
    store = open_store(cells, size=8, crop=20)
    before = stamp(store)
    again = open_store(cells.sample(frac=1, random_state=1), size=8, crop=20)
    assert again.path == store.path and stamp(again) == before
    elsewhere = load_cells(write_cnmc(tmp_path / "copy", top=""))
    assert open_store(elsewhere, size=8, crop=20).path == store.path
    assert stamp(store) == before


def test_other_images_or_settings_have_another_store(cells):
    stores = [
        open_store(cells, size=8, crop=20),
        open_store(cells, size=8, crop=18),
        open_store(cells, size=8),
        open_store(cells, size=9, crop=20),
        open_store(cells.iloc[1:], size=8, crop=20),
        open_store(cells.assign(sha256=cells.sha256 + "x"), size=8, crop=20),
    ]
    assert len({store.path for store in stores}) == len(stores)


DAMAGES = {
    "images truncated": ("images.npy", lambda data: data[:-1]),
    "images empty": ("images.npy", lambda data: b""),
    "images' header": ("images.npy", lambda data: b"\x93NUMPY" + b"?" * 200),
    "images of another shape": ("images.npy", lambda data: data.replace(b"8, 8, 3", b"4,16, 3")),
    "images of another type": ("images.npy", lambda data: data.replace(b"|u1", b"|i1")),
    "description truncated": ("store.json", lambda data: data[:20]),
    "description empty": ("store.json", lambda data: b""),
    "description of another crop": ("store.json", lambda data: data.replace(b"20", b"18")),
    "index truncated": ("index.parquet", lambda data: data[:-9]),
    "index rubbish": ("index.parquet", lambda data: b"PAR1" + b"x" * 99 + b"PAR1"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damaged_store_is_built_anew(cells, kind, workspace):
    store = open_store(cells, size=8, crop=20)
    good, (name, spoil) = np.array(store.images), DAMAGES[kind]
    whole = (store.path / name).read_bytes()
    (store.path / name).write_bytes(spoil(whole))
    assert (store.path / name).read_bytes() != whole
    again = open_store(cells, size=8, crop=20)
    assert np.array_equal(again.images, good) and (again.path / name).read_bytes() == whole
    assert again.rows(cells.image).size == len(cells) and not leftovers(workspace)


@pytest.mark.parametrize("name", ["images.npy", "store.json", "index.parquet"])
def test_store_that_lacks_a_file_is_built_anew(cells, name):
    store = open_store(cells, size=8)
    (store.path / name).unlink()
    assert open_store(cells, size=8).images.any() and (store.path / name).is_file()


def test_index_of_other_images_is_built_anew(cells):
    store = open_store(cells, size=8)
    store.index.iloc[::-1].to_parquet(store.path / "index.parquet", index=False)
    again = open_store(cells, size=8)
    assert again.index.image.to_list() == sorted(cells.image)


# Bad input ----------------------------------------------------------------------------


def test_truncated_image_is_named_and_a_repeat_works(cells, workspace):
    path = Path(cells.path[5])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError, match="cannot be read") as caught:
        open_store(cells, size=8)
    assert str(path) in str(caught.value) and caught.value.remedy
    assert not stores(workspace) and not leftovers(workspace)
    path.write_bytes(whole)
    assert open_store(cells, size=8).images[5].any()


def test_image_too_small_for_the_crop_is_named(cells, workspace):
    with pytest.raises(ImageError, match="24x24 pixels, too small for a crop of 25") as caught:
        open_store(cells, size=8, crop=25)
    assert str(caught.value.where) in set(cells.path) and "smaller crop" in caught.value.remedy
    assert not leftovers(workspace)


@pytest.mark.parametrize(("size", "crop"), [(0, None), (-1, None), (8, 0), (8, -3)])
def test_impossible_sizes_are_refused(cells, size, crop):
    with pytest.raises(StoreError, match="cannot be stored") as caught:
        open_store(cells, size=size, crop=crop)
    assert "one pixel" in caught.value.remedy


def test_no_image_at_all_is_refused(cells):
    with pytest.raises(StoreError, match="0 images"):
        open_store(cells.iloc[:0], size=8)


def refuse(code):
    def raising(*_, **__):
        raise OSError(code, os.strerror(code))

    return raising


@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        ("posix_fallocate", errno.ENOSPC, "disk is full"),
        ("posix_fallocate", errno.EDQUOT, "disk is full"),
        ("replace", errno.ENOSPC, "disk is full"),
        ("replace", errno.EROFS, "cannot be written"),
        ("mkdir", errno.EACCES, "cannot be written"),
    ],
)
def test_disk_that_refuses_is_named_and_a_repeat_works(
    cells, monkeypatch, workspace, call, code, said
):
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse(code))
        with pytest.raises(DiskError, match=said) as caught:
            open_store(cells, size=8)
    assert "stores" in str(caught.value.where) and "same command again" in caught.value.remedy
    assert not stores(workspace) and not leftovers(workspace)
    assert open_store(cells, size=8).images.any()


def test_file_system_that_cannot_reserve_space_is_good_enough(cells, monkeypatch):
    monkeypatch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
    assert open_store(cells, size=8).images.any()


def test_old_store_stays_while_the_new_one_fails(cells, monkeypatch):
    store = open_store(cells, size=8)
    (store.path / "store.json").write_text("{}")
    monkeypatch.setattr(module, "_allocate", refuse(errno.ENOSPC))
    with pytest.raises(DiskError):
        open_store(cells, size=8)
    assert (store.path / "images.npy").is_file() and (store.path / "store.json").is_file()


# Kills and company --------------------------------------------------------------------

BUILDER = """
import sys, time
from alllib import store
from alllib.datasets import load_cells
wait, slow = float(sys.argv[2]), store.read_image
def read(path):
    time.sleep(wait)
    return slow(path)
store.read_image = read
cells = load_cells(sys.argv[1])
print("ready", flush=True)
print(store.open_store(cells, size=8, crop=20).images.sum())
"""


def start_builder(tmp_path: Path, wait: float) -> subprocess.Popen:
    command = [sys.executable, "-c", BUILDER, str(tmp_path / "data"), str(wait)]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    process = subprocess.Popen(command, **pipes)
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_build_is_never_taken_for_a_store(tmp_path, cells, workspace, sent):
    process = start_builder(tmp_path, 0.2)
    folder, deadline = workspace / "_build/stores", time.monotonic() + 30
    while not list(folder.glob(".*.partial/images.npy")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)  # in the midst of the rows
    with process:
        process.send_signal(sent)
        assert process.wait(timeout=30) != 0
    assert not stores(workspace)
    store = open_store(cells, size=8, crop=20)
    image = crop_center(read_image(cells.path[0]), 20)
    assert np.array_equal(store.images[store.rows([cells.image[0]])[0]], resize(image, 8))
    assert not leftovers(workspace)


@pytest.mark.slow
def test_two_processes_build_one_store(tmp_path, cells, workspace):
    processes = [start_builder(tmp_path, 0.05) for _ in range(2)]
    sums = []
    for process in processes:
        with process:
            sums.append(int(process.stdout.read()))
            assert process.wait(timeout=30) == 0
    store = open_store(cells, size=8, crop=20)
    assert sums == [int(store.images.sum())] * 2 and not leftovers(workspace)
