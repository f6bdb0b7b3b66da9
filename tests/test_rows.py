"""Rows of a store that is being built: what counts as finished."""

from __future__ import annotations

import os

import numpy as np
import pytest

from alllib.rows import CHECKSUMS, IMAGES, RowFile, count_finished


@pytest.fixture
def rows(tmp_path):
    RowFile.create(tmp_path, 5, 3)  # 27 bytes a row, no multiple of 8
    opened = RowFile(tmp_path, 5, 3)
    yield opened
    opened.close()


def picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)


def test_rows_are_written_in_any_order(rows, tmp_path):
    assert not rows.finished().any() and count_finished(tmp_path) == 0
    for row in (3, 0, 4):
        rows.write(row, picture(row))
    rows.sync()
    assert rows.finished().tolist() == [True, False, False, True, True]
    assert count_finished(tmp_path) == 3
    images = np.load(tmp_path / IMAGES)
    assert images.shape == (5, 3, 3, 3) and images.dtype == np.uint8
    for row in range(5):
        assert np.array_equal(images[row], picture(row) if row in (0, 3, 4) else 0 * picture(1))


def test_image_that_lies_scattered_in_memory_is_the_same_row(rows, tmp_path):
    rows.write(1, np.rot90(picture(1)))
    assert rows.finished()[1]
    assert np.array_equal(np.load(tmp_path / IMAGES)[1], np.rot90(picture(1)))


def test_black_image_counts_once_it_is_written(rows):
    assert not rows.finished()[2]
    rows.write(2, np.zeros((3, 3, 3), np.uint8))
    assert rows.finished()[2]


@pytest.mark.parametrize("place", [0, 1, 7, 8, 15, 24, 26])
def test_one_wrong_byte_is_found(rows, tmp_path, place):
    rows.write(4, picture(4))
    with (tmp_path / IMAGES).open("r+b") as file:
        file.seek(place - 27, os.SEEK_END)
        byte = file.read(1)[0]
        file.seek(place - 27, os.SEEK_END)
        file.write(bytes([byte ^ 1]))
    assert not rows.finished()[4] and count_finished(tmp_path) == 1


def test_words_in_another_order_are_found(rows, tmp_path):
    image = picture(4).reshape(-1)
    rows.write(4, image.reshape(3, 3, 3))
    swapped = np.concatenate([image[8:16], image[:8], image[16:]])
    with (tmp_path / IMAGES).open("r+b") as file:
        file.seek(-27, os.SEEK_END)
        file.write(swapped.tobytes())
    assert not rows.finished()[4]


def test_closed_files_are_not_written(rows):
    rows.close()
    with pytest.raises(ValueError):
        rows.write(0, picture(0))
    rows.close()


@pytest.mark.parametrize(("count", "size"), [(4, 3), (6, 3), (5, 2)])
def test_files_of_another_shape_are_refused(rows, tmp_path, count, size):
    with pytest.raises(ValueError, match="shape"):
        RowFile(tmp_path, count, size)


def test_files_of_another_type_are_refused(rows, tmp_path):
    np.save(tmp_path / CHECKSUMS, np.zeros(5, np.int64))
    with pytest.raises(ValueError, match="int64"):
        RowFile(tmp_path, 5, 3)


def test_nothing_is_finished_where_there_are_no_checksums(tmp_path):
    assert count_finished(tmp_path) == 0
    (tmp_path / CHECKSUMS).write_bytes(b"\x93NUMPY")
    assert count_finished(tmp_path) == 0
    with pytest.raises(OSError):
        RowFile(tmp_path, 5, 3)
