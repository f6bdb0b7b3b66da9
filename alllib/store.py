"""Images decoded, cropped and resized once, kept as one uint8 memory map.

A store lies in a folder named by what it holds (data fingerprint, crop, size, filter):

=================== ===================================================================
`images.npy`        uint8, n x size x size x 3
`checksums.npy`     uint64, one a row (see `alllib.rows`)
`index.parquet`     `image` and `sha256`, in the order of the rows
`sources.parquet`   `path`, `bytes` and `time` of the image files, as last opened
`store.json`        format and settings; its time in the file system is that of the last use
=================== ===================================================================

It is filled under a hidden name and renamed when it is whole. A build that was killed goes
on with the rows that lack. Training and plots look images up by row.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import PIL

from .datasets import data_fingerprint
from .errors import AlllibError, StoreError
from .files import clear_errors, hash_json, locked, workspace, write_json
from .images import read_square, resize
from .parallel import map_images
from .rows import IMAGES, RowFile
from .sources import note_sources, write_table

__all__ = ["DESCRIPTION", "FORMAT", "Store", "describe_store", "open_store", "partial_folder",
           "read_store", "resize", "stores_folder"]  # fmt: skip

FORMAT = 2  # of the folder; a store of another one is built anew
DESCRIPTION, _INDEX = "store.json", "index.parquet"
_SYNC_EVERY = 128  # rows; the disk writes while others are decoded


@dataclass(frozen=True)
class Store:
    """Decoded images by row.

    Attributes
    ----------
    path : pathlib.Path
        Folder of the store.
    images : numpy.ndarray
        Memory map, shape (n, size, size, 3), uint8, read only.
    index : pandas.DataFrame
        `image`, `sha256`; row k describes `images[k]`.
    """

    path: Path
    images: np.ndarray
    index: pd.DataFrame

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.images.shape[1]

    def rows(self, names: Iterable[str]) -> np.ndarray:
        """Rows of images by name, shape (n,), int64.

        Raises
        ------
        StoreError
            When an image is not in the store.
        """
        positions = pd.Index(self.index.image).get_indexer(pd.Index(list(names)))
        if (positions < 0).any():
            missing = list(names)[int(np.argmax(positions < 0))]
            raise StoreError(
                f"Image {missing!r} is not in the store.",
                where=self.path,
                remedy="Open the store with the cell table that is trained on.",
            )
        return positions


def open_store(cells: pd.DataFrame, *, size: int, crop: int | None = None) -> Store:
    """Store of a cell table's images; built if it is not there, or damaged.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    size : int
        Side of the stored images in pixels.
    crop : int, optional
        Side of the centred crop taken first, in pixels. Without it the shorter side of
        each image is taken.

    Returns
    -------
    Store

    Raises
    ------
    ImageError
        When an image cannot be decoded or is not RGB.
    DataError
        When an image is smaller than the crop.
    DiskError
        When the disk is full or read-only. Nothing half-built is left.
    StoreError
        When there is no image, or a size is below one pixel.
    """
    if cells.empty or size < 1 or (crop is not None and crop < 1):
        raise StoreError(
            f"{len(cells)} images cannot be stored at {size} pixels from a crop of {crop}.",
            remedy="Pass at least one image, and sizes of at least one pixel.",
        )
    settings = {"crop": crop, "size": size, "data": data_fingerprint(cells), "filter": "bilinear"}
    folder = stores_folder() / f"{size}px-{hash_json(settings)[:16]}"
    ordered = cells.sort_values("image")
    with locked(folder):
        store = _load(folder, ordered, settings)
        if store is None:
            _build(folder, ordered, settings)
            store = _load(folder, ordered, settings)
        if store is None:
            raise StoreError(
                "The store was written and cannot be read back.",
                where=folder,
                remedy="Check the disk, delete the folder and run the same command again.",
            )
        _note_use(folder, ordered)
    return store


def stores_folder() -> Path:
    """Folder that stores lie in."""
    return workspace() / "_build" / "stores"


def partial_folder(folder: Path) -> Path:
    """Folder in which a store is built before it is renamed to `folder`."""
    return folder.with_name(f".{folder.name}.partial")


def describe_store(folder: Path) -> dict | None:
    """What `store.json` says; None where there is no such file or it is damaged."""
    try:
        described = json.loads((folder / DESCRIPTION).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return described if isinstance(described, dict) else None


def read_store(folder: Path) -> Store | None:
    """A store as it lies in a folder, if it is of this format and its files fit together."""
    described = describe_store(folder)
    try:
        index = pd.read_parquet(folder / _INDEX)
        images = np.load(folder / IMAGES, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    if described is None or described.get("format") != FORMAT:
        return None
    size = described.get("size")
    if images.shape != (len(index), size, size, 3) or images.dtype != np.uint8:
        return None
    return Store(folder, images, index) if list(index) == ["image", "sha256"] else None


def _load(folder: Path, ordered: pd.DataFrame, settings: dict) -> Store | None:
    """The store, or None where it is missing or damaged and must be built."""
    store = read_store(folder)
    if store is None or not settings.items() <= describe_store(folder).items():
        return None
    same = store.index.to_numpy().tolist() == ordered[["image", "sha256"]].to_numpy().tolist()
    return store if same else None


def _note_use(folder: Path, ordered: pd.DataFrame) -> None:
    """Remember where the images lie now, and that the store was used."""
    # A store that may only be read is good enough to train from.
    with contextlib.suppress(OSError, AlllibError):
        note_sources(folder, ordered.path)
        os.utime(folder / DESCRIPTION)


def _build(folder: Path, ordered: pd.DataFrame, settings: dict) -> None:
    """Fill the partial folder, from where a killed build left it, and rename it."""
    begun = partial_folder(folder)
    with clear_errors(folder):
        try:
            # Another version of the decoder might give other bits.
            described = {
                "format": FORMAT, **settings, "images": len(ordered), "pillow": PIL.__version__
            }  # fmt: skip
            rows = _begun_rows(begun, ordered, described) or _begin(begun, ordered, described)
            with contextlib.closing(rows):
                _fill(rows, ordered, settings)
            if folder.exists():
                shutil.rmtree(folder)  # damaged: a whole one is not built anew
            os.replace(begun, folder)
        except (AlllibError, OSError):
            # The repeat may be of other images, which would never ask for what is left here.
            shutil.rmtree(begun, ignore_errors=True)
            raise


def _begun_rows(begun: Path, ordered: pd.DataFrame, described: dict) -> RowFile | None:
    """Rows of a killed build of the same images, or None where there is none to go on with."""
    if describe_store(begun) != described or _load(begun, ordered, described) is None:
        return None
    try:
        return RowFile(begun, len(ordered), described["size"])
    except (OSError, ValueError):
        return None


def _begin(begun: Path, ordered: pd.DataFrame, described: dict) -> RowFile:
    shutil.rmtree(begun, ignore_errors=True)
    begun.mkdir(parents=True)
    write_table(ordered[["image", "sha256"]], begun / _INDEX)
    RowFile.create(begun, len(ordered), described["size"])
    write_json(begun / DESCRIPTION, described)  # last: with it the folder can be gone on with
    return RowFile(begun, len(ordered), described["size"])


def _fill(rows: RowFile, ordered: pd.DataFrame, settings: dict) -> None:
    finished = rows.finished()
    items = [(row, path) for row, path in enumerate(ordered.path) if not finished[row]]
    write = partial(_write_row, rows, settings["crop"], settings["size"])
    title, done = f"storing at {settings['size']} px", len(ordered) - len(items)
    stored = map_images(write, items, title=title, threads=True, done=done)
    with contextlib.closing(stored):  # no thread may write on when the files are closed
        for number, _ in enumerate(stored, 1):
            if number % _SYNC_EVERY == 0:  # here nothing else is to do, and the threads work on
                rows.sync_images()
    rows.sync()


def _write_row(rows: RowFile, crop: int | None, size: int, item: tuple[int, str]) -> None:
    row, path = item
    rows.write(row, read_square(path, size=size, crop=crop))
