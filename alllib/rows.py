"""Rows of a store while it is built: written in any order, found again after a kill."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from .files import clear_errors, reserve_space

__all__ = ["CHECKSUMS", "IMAGES", "RowFile", "count_finished"]

IMAGES, CHECKSUMS = "images.npy", "checksums.npy"


class RowFile:
    """Images of a store, and beside them a checksum for each row.

    A row is finished when its checksum stands in its file and fits what stands in the other.
    So neither a kill, nor a power loss, after which any part of both files may be as it was
    before, lets half a row pass.

    Parameters
    ----------
    folder : pathlib.Path
        Where `images.npy` (uint8, rows x size x size x 3) and `checksums.npy` (uint64, rows;
        0 for a row that is not written) lie.
    rows, size : int
        Number of images, and their side in pixels.

    Raises
    ------
    OSError
        When the files are not there or cannot be written.
    ValueError
        When they are of another shape.
    """

    def __init__(self, folder: Path, rows: int, size: int):
        self.shape = (rows, size, size, 3)
        words = -(-(size * size * 3) // 8)
        # Odd multiples of the golden ratio: words that change places change the sum.
        self._factors = np.arange(1, words + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        self._factors |= np.uint64(1)
        self._images = _opened(folder / IMAGES, self.shape, np.uint8)
        self._sums = _opened(folder / CHECKSUMS, (rows,), np.uint64)
        self._files = [os.open(folder / name, os.O_RDWR) for name in (IMAGES, CHECKSUMS)]

    @staticmethod
    def create(folder: Path, rows: int, size: int) -> None:
        """Make both files, with no row finished; their space is reserved.

        Raises
        ------
        DiskError
            When the disk is too small or cannot be written.
        """
        _make(folder / IMAGES, (rows, size, size, 3), np.uint8)
        _make(folder / CHECKSUMS, (rows,), np.uint64)

    def write(self, row: int, image: np.ndarray) -> None:
        """Write an image (uint8, size x size x 3), then its checksum.

        Raises
        ------
        OSError
            When the disk refuses.
        """
        flat = np.ascontiguousarray(image).reshape(-1)
        images, sums = self._files
        _write_at(images, flat, self._images.offset + row * flat.size)
        _write_at(sums, self._sum(flat)[None], self._sums.offset + row * 8)

    def finished(self) -> np.ndarray:
        """Whether each row is finished, shape (rows,), bool; the rows written so far are read."""
        found = np.zeros(len(self._images), bool)
        for row in np.flatnonzero(self._sums):
            found[row] = self._sums[row] == self._sum(self._images[row].reshape(-1))
        return found

    def sync_images(self) -> None:
        """Wait until the disk has the images that were written."""
        _sync(self._files[0])

    def sync(self) -> None:
        """Wait until the disk has all that was written."""
        for file in self._files:
            _sync(file)

    def close(self) -> None:
        """Close the files; what was written stays."""
        while self._files:
            os.close(self._files.pop())

    def _sum(self, flat: np.ndarray) -> np.uint64:
        """Sum of products modulo 2^64: three times as fast as CRC-32 in zlib; never 0."""
        if flat.size % 8:
            flat = np.concatenate([flat, np.zeros(-flat.size % 8, np.uint8)])
        return np.dot(flat.view(np.uint64), self._factors) or np.uint64(1)


def count_finished(folder: Path) -> int:
    """Number of rows that have a checksum, not verified; 0 where there are no checksums."""
    try:
        return int(np.count_nonzero(np.load(folder / CHECKSUMS, mmap_mode="r")))
    except (OSError, ValueError, EOFError):
        return 0


def _opened(path: Path, shape: tuple[int, ...], dtype: type) -> np.memmap:
    opened = np.load(path, mmap_mode="r")
    if opened.shape != shape or opened.dtype != dtype:
        raise ValueError(f"{path} has shape {opened.shape} and type {opened.dtype}")
    return opened


def _make(path: Path, shape: tuple[int, ...], dtype: type) -> None:
    # Space is reserved first, so that a disk that is too small is said before work is lost.
    with clear_errors(path):
        made = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        del made
        with path.open("r+b") as file:
            reserve_space(file.fileno(), os.fstat(file.fileno()).st_size)


def _sync(file: int) -> None:
    # Without the file's times, which no reading needs; macOS lacks that call.
    getattr(os, "fdatasync", os.fsync)(file)


def _write_at(file: int, data: np.ndarray, offset: int) -> None:
    left = memoryview(data).cast("B")
    while left:  # a disk that is nearly full takes a part, and refuses the rest
        written = os.pwrite(file, left, offset)
        left, offset = left[written:], offset + written
