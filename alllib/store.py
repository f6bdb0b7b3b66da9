"""Images decoded, cropped and resized once, kept as one uint8 memory map.

A store lies in a folder named by what it holds (data fingerprint, crop, size): `images.npy`
(uint8, n x size x size x 3), `index.parquet` (image and SHA-256, in the order of the rows)
and `store.json`. Training and plots look images up by row.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from .cropping import crop_center
from .datasets import data_fingerprint
from .errors import ImageError, StoreError
from .files import (
    clear_errors,
    hash_json,
    locked,
    reserve_space,
    whole_folder,
    workspace,
    write_json,
)
from .images import read_image
from .parallel import map_images

__all__ = ["Store", "open_store", "resize"]


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


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resize a square image with antialiasing (bilinear; the report names no filter).

    Parameters
    ----------
    image : numpy.ndarray
        Shape (side, side, 3), uint8.
    size : int
        New side in pixels.

    Returns
    -------
    numpy.ndarray
        Shape (size, size, 3), uint8.
    """
    if image.shape[:2] == (size, size):
        return np.ascontiguousarray(image)
    picture = Image.fromarray(np.ascontiguousarray(image))
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR))


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
    folder = workspace() / "_build" / "stores" / f"{size}px-{hash_json(settings)[:16]}"
    with locked(folder):
        store = _load(folder, cells, settings)
        if store is None:
            _build(folder, cells, settings)
            store = _load(folder, cells, settings)
    if store is None:
        raise StoreError(
            "The store was written and cannot be read back.",
            where=folder,
            remedy="Check the disk, delete the folder and run the same command again.",
        )
    return store


def _load(folder: Path, cells: pd.DataFrame, settings: dict) -> Store | None:
    """The store, or None where it is missing or damaged and must be built."""
    try:
        described = json.loads((folder / "store.json").read_text("utf-8"))
        index = pd.read_parquet(folder / "index.parquet")
        images = np.load(folder / "images.npy", mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    size = settings["size"]
    shape = (len(cells), size, size, 3)
    if described != settings or images.shape != shape or images.dtype != np.uint8:
        return None
    expected = cells.sort_values("image")[["image", "sha256"]].to_numpy().tolist()
    if list(index) != ["image", "sha256"] or index.to_numpy().tolist() != expected:
        return None
    return Store(folder, images, index)


def _build(folder: Path, cells: pd.DataFrame, settings: dict) -> None:
    ordered = cells.sort_values("image")
    shape = (len(ordered), settings["size"], settings["size"], 3)
    with whole_folder(folder) as partial_folder:
        target = partial_folder / "images.npy"
        _allocate(target, shape)
        write = partial(_write_row, str(target), settings["crop"], settings["size"])
        items = list(enumerate(ordered.path))
        for _ in map_images(write, items, title=f"storing at {settings['size']} px"):
            pass
        np.lib.format.open_memmap(target, mode="r+").flush()
        ordered[["image", "sha256"]].to_parquet(partial_folder / "index.parquet", index=False)
        write_json(partial_folder / "store.json", settings)


def _allocate(path: Path, shape: tuple[int, ...]) -> None:
    """Reserve the whole file first: a memory map on a full disk would kill the process."""
    with clear_errors(path):
        images = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
        del images
        with path.open("r+b") as file:
            reserve_space(file.fileno(), os.fstat(file.fileno()).st_size)


def _write_row(target: str, crop: int | None, size: int, item: tuple[int, str]) -> None:
    row, path = item
    image = read_image(path)
    try:
        image = crop_center(image, crop or min(image.shape[:2]))
    except Exception as error:
        raise ImageError(
            f"This image is {image.shape[1]}x{image.shape[0]} pixels, too small for a crop "
            f"of {crop}.",
            where=path,
            remedy="Choose a smaller crop, or leave the image out.",
        ) from error
    np.lib.format.open_memmap(target, mode="r+")[row] = resize(image, size)
