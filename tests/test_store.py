"""The store: what it holds, when it is built, and that no damaged one is ever used."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
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
from alllib.rows import RowFile, count_finished
from alllib.store import open_store, partial_folder, resize


@pytest.fixture
def cells(tmp_path, write_cnmc, workspace) -> pd.DataFrame:
    return load_cells(write_cnmc(tmp_path / "data"))


def stamp(store) -> dict[str, int]:
    """Times of the files that nothing but a build writes."""
    files = {path.name: path.stat().st_mtime_ns for path in store.path.iterdir()}
    del files["store.json"], files["sources.parquet"]  # note the last use
    return files


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


def test_store_built_in_threads_is_the_same(tmp_path, write_cnmc, workspace, monkeypatch):
    names = [("fold_0", x, f"UID_{'H' * (x == 'hem')}1_{n}_1_{x}") for x in ("all", "hem")
             for n in range(40)]  # fmt: skip
    cells = load_cells(write_cnmc(tmp_path / "data", cells=names))
    many = np.array(open_store(cells, size=9, crop=20).images)
    monkeypatch.setattr("alllib.parallel.cpu_count", lambda: 1)
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
    "description of no format": ("store.json", lambda data: data.replace(b"format", b"formed")),
    "description of another kind": ("store.json", lambda data: b"[]"),
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
    monkeypatch.setattr(module.RowFile, "create", refuse(errno.ENOSPC))
    with pytest.raises(DiskError):
        open_store(cells, size=8)
    assert (store.path / "images.npy").is_file() and (store.path / "store.json").is_file()


def test_disk_that_fills_up_half_way_leaves_nothing(cells, monkeypatch, workspace):
    """Where space cannot be reserved, only the writing of a row tells."""
    real, written = os.pwrite, []

    def fills_up(file, data, offset):
        written.append(len(data))
        if len(written) > 20:
            refuse(errno.ENOSPC)()
        return real(file, data[:100], offset)  # and takes rows in parts

    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", refuse(errno.EOPNOTSUPP))
        patch.setattr(os, "pwrite", fills_up)
        with pytest.raises(DiskError, match="disk is full") as caught:
            open_store(cells, size=8)
    assert "nothing half-written" in caught.value.remedy
    assert not stores(workspace) and not leftovers(workspace)
    assert open_store(cells, size=8).images.any()


# Use ------------------------------------------------------------------------------------


def test_use_is_noted_and_nothing_else_is_written(cells):
    store = open_store(cells, size=8)
    noted = store.path / "store.json"
    os.utime(noted, (0, 0))
    before = {path: path.stat().st_mtime_ns for path in store.path.iterdir() if path != noted}
    open_store(cells, size=8)
    assert time.time() - noted.stat().st_mtime < 60
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_store_that_may_only_be_read_is_opened(cells, monkeypatch):
    store = open_store(cells, size=8)
    (store.path / "sources.parquet").unlink()
    monkeypatch.setattr(os, "utime", refuse(errno.EROFS))
    monkeypatch.setattr("alllib.store.note_sources", refuse(errno.EROFS))
    assert open_store(cells, size=8).path == store.path


# A build that goes on -------------------------------------------------------------------


@pytest.fixture
def decoded(monkeypatch) -> list[str]:
    """Names of the images that are decoded, as they are."""
    names, real = [], module.read_square

    def read(path, **sizes):
        image = real(path, **sizes)
        names.append(Path(path).stem)
        return image

    monkeypatch.setattr(module, "read_square", read)
    return names


def interrupt(cells, monkeypatch, *, after: int, **sizes) -> Path:
    """Partial folder of a build that was interrupted after so many rows."""
    real, done = RowFile.write, []

    def write(rows, row, image):
        if len(done) >= after:
            raise KeyboardInterrupt
        real(rows, row, image)
        done.append(row)

    with monkeypatch.context() as patch:
        patch.setattr("alllib.parallel.cpu_count", lambda: 1)
        patch.setattr(RowFile, "write", write)
        with pytest.raises(KeyboardInterrupt):
            open_store(cells, **sizes)
    return next((Path(os.environ["ALLLIB_WORKSPACE"]) / "_build/stores").glob(".*.partial"))


@pytest.fixture
def uninterrupted(cells, tmp_path, monkeypatch) -> dict[str, bytes]:
    """Files of the store (8 pixels from a crop of 20), built elsewhere in one go."""
    with monkeypatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "elsewhere"))
        return contents(open_store(cells, size=8, crop=20).path)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("after", [0, 1, 9, 24])
def test_interrupted_build_goes_on(cells, monkeypatch, workspace, decoded, uninterrupted, after):
    first = sorted(cells.image)[:after]
    if after < len(cells):
        interrupt(cells, monkeypatch, after=after, size=8, crop=20)
    else:  # between the last row and the new name
        with monkeypatch.context() as patch:
            patch.setattr(RowFile, "sync", lambda _: signal.raise_signal(signal.SIGINT))
            with pytest.raises(KeyboardInterrupt):
                open_store(cells, size=8, crop=20)
    assert not stores(workspace)
    decoded.clear()
    store = open_store(cells, size=8, crop=20)
    assert sorted(decoded) == sorted(set(cells.image) - set(first))
    assert contents(store.path) == uninterrupted and not leftovers(workspace)


def test_no_thread_writes_on_after_an_interrupt(cells, monkeypatch, workspace):
    real, threads = module.read_square, threading.active_count()

    def slow(path, **sizes):
        time.sleep(0.02)
        return real(path, **sizes)

    def sync(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("alllib.parallel.cpu_count", lambda: 4)
        patch.setattr(module, "read_square", slow)
        patch.setattr(module, "_SYNC_EVERY", 1)
        patch.setattr(RowFile, "sync_images", sync)
        with pytest.raises(KeyboardInterrupt) as caught:
            open_store(cells, size=8, crop=20)
        assert threading.active_count() == threads and caught.value
    (begun,) = (workspace / "_build/stores").glob(".*.partial")
    assert 0 < count_finished(begun) < len(cells)


def spoiled_data(begun: Path) -> None:
    """What a power loss may leave: the checksum reached the disk, a part of the row did not."""
    with (begun / "images.npy").open("r+b") as file:
        file.seek(-24 * 192 + 3 * 192 + 100, os.SEEK_END)
        file.write(bytes(64))


def spoiled_sum(begun: Path) -> None:
    with (begun / "checksums.npy").open("r+b") as file:
        file.seek(-24 * 8 + 3 * 8, os.SEEK_END)
        file.write(b"?")


def lost_sum(begun: Path) -> None:
    with (begun / "checksums.npy").open("r+b") as file:
        file.seek(-24 * 8 + 3 * 8, os.SEEK_END)
        file.write(bytes(8))


@pytest.mark.parametrize("spoil", [spoiled_data, spoiled_sum, lost_sum])
def test_row_without_its_checksum_is_decoded_again(
    cells, monkeypatch, decoded, uninterrupted, spoil
):
    spoil(interrupt(cells, monkeypatch, after=9, size=8, crop=20))
    decoded.clear()
    store = open_store(cells, size=8, crop=20)
    names = sorted(cells.image)
    assert sorted(decoded) == sorted([names[3], *names[9:]])
    assert contents(store.path) == uninterrupted


BEGUN_DAMAGES = {
    "no images": ("images.npy", None),
    "images truncated": ("images.npy", lambda data: data[:-1]),
    "no checksums": ("checksums.npy", None),
    "checksums truncated": ("checksums.npy", lambda data: data[:-8]),
    "no description": ("store.json", None),
    "another decoder": ("store.json", lambda data: data.replace(b'"pillow": "', b'"pillow": "0')),
    "other images": ("index.parquet", None),
}


@pytest.mark.parametrize("kind", BEGUN_DAMAGES)
def test_begun_build_that_is_damaged_starts_anew(
    cells, monkeypatch, workspace, decoded, uninterrupted, kind
):
    begun = interrupt(cells, monkeypatch, after=9, size=8, crop=20)
    name, spoil = BEGUN_DAMAGES[kind]
    whole = (begun / name).read_bytes()
    (begun / name).unlink()
    if spoil:
        (begun / name).write_bytes(spoil(whole))
    decoded.clear()
    store = open_store(cells, size=8, crop=20)
    assert sorted(decoded) == sorted(cells.image)
    assert contents(store.path) == uninterrupted and not leftovers(workspace)


def test_begun_build_of_an_older_version_starts_anew(cells, workspace, uninterrupted):
    store = open_store(cells, size=8, crop=20)
    store.path.rename(store.path.with_name(f".{store.path.name}.partial"))
    (partial_folder(store.path) / "checksums.npy").unlink()
    assert contents(open_store(cells, size=8, crop=20).path) == uninterrupted
    assert not leftovers(workspace)


def test_bad_image_leaves_nothing_of_a_begun_build(cells, monkeypatch, workspace):
    interrupt(cells, monkeypatch, after=9, size=8, crop=20)
    Path(sorted(cells.path)[-1]).write_bytes(b"BM")
    with pytest.raises(ImageError, match="cannot be read"):
        open_store(cells, size=8, crop=20)
    assert not stores(workspace) and not leftovers(workspace)


# Kills and company --------------------------------------------------------------------

BUILDER = """
import os, sys, time
from pathlib import Path
from alllib import store
from alllib.datasets import load_cells
wait, slow = float(sys.argv[2]), store.read_square
log = os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def read(path, **sizes):
    time.sleep(wait)
    os.write(log, (Path(path).stem + "\\n").encode())
    return slow(path, **sizes)
store.read_square = read
cells = load_cells(sys.argv[1])
print("ready", flush=True)
print(store.open_store(cells, size=8, crop=20).images.sum())
"""


def start_builder(tmp_path: Path, wait: float) -> subprocess.Popen:
    """Process that builds the store of `tmp_path/data`, in a group of its own; see its log."""
    words = [str(tmp_path / "data"), str(wait), str(tmp_path / "decoded.txt")]
    pipes = dict(stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    command = [sys.executable, "-c", BUILDER, *words]
    process = subprocess.Popen(command, start_new_session=True, **pipes)
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
    assert not stores(workspace) and len(leftovers(workspace)) == 1
    store = open_store(cells, size=8, crop=20)
    image = crop_center(read_image(cells.path[0]), 20)
    assert np.array_equal(store.images[store.rows([cells.image[0]])[0]], resize(image, 8))
    assert not leftovers(workspace)


@pytest.mark.slow
def test_build_killed_again_and_again_ends_as_if_nothing_had_happened(
    tmp_path, write_cnmc, workspace, monkeypatch
):
    """Twelve kills at random moments; what was finished before one is not decoded after it."""
    names = [("fold_0", x, f"UID_{'H' * (x == 'hem')}1_{n}_1_{x}") for x in ("all", "hem")
             for n in range(75)]  # fmt: skip
    cells = load_cells(write_cnmc(tmp_path / "data", cells=names))
    moments = np.random.default_rng(3).uniform(0, 0.25, 12)
    finished: set[str] = set()
    hit, log = 0, tmp_path / "decoded.txt"
    for moment in moments:
        log.write_text("")
        with start_builder(tmp_path, 0.03) as process:
            time.sleep(moment)
            os.killpg(process.pid, signal.SIGKILL)
            assert process.wait(timeout=30) == -signal.SIGKILL, "the build was not killed"
        assert not finished & set(log.read_text().split()), "decoded what was finished"
        hit += bool(log.read_text())
        finished = finished_rows(workspace, cells)
    assert hit >= 6 and 20 < len(finished) < 150
    log.write_text("")
    with start_builder(tmp_path, 0) as process:
        assert process.wait(timeout=60) == 0
    assert sorted(log.read_text().split()) == sorted(set(cells.image) - finished)
    store = open_store(cells, size=8, crop=20)
    left = {path.name for path in store.path.parent.iterdir()}
    assert left == {store.path.name, f".{store.path.name}.lock"}
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "elsewhere"))
    assert contents(store.path) == contents(open_store(cells, size=8, crop=20).path)


def finished_rows(workspace: Path, cells: pd.DataFrame) -> set[str]:
    """Names of the images that a killed build has finished."""
    begun = list((workspace / "_build/stores").glob(".*.partial"))
    if not begun or not (begun[0] / "store.json").exists():
        return set()
    with contextlib.closing(RowFile(begun[0], len(cells), 8)) as rows:
        return set(np.sort(cells.image.to_numpy(str))[rows.finished()])


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
    assert sorted((tmp_path / "decoded.txt").read_text().split()) == sorted(cells.image)
