"""Crops about the image centre, and a check of how many nuclei they clip."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .errors import DataError
from .images import read_image
from .parallel import map_images

__all__ = ["BACKGROUND", "count_clipped", "crop_center", "find_nucleus", "measure_nuclei"]

# Brightest channel of background pixels, in grey levels. The official background is
# exactly 0; re-encoded copies have a faint border that must not count as nucleus.
BACKGROUND = 20


def crop_center(image: np.ndarray, size: int) -> np.ndarray:
    """Cut the centred square out of an image.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width, channels).
    size : int
        Side of the square in pixels. Where the margins are odd, the extra pixel is cut
        at the right and at the bottom.

    Returns
    -------
    numpy.ndarray
        Shape (size, size, channels), a view of `image`.

    Raises
    ------
    DataError
        When the image is smaller than the square.
    """
    height, width = image.shape[:2]
    if size < 1 or height < size or width < size:
        raise DataError(
            f"A {width}x{height} image has no centred crop of {size} pixels.",
            remedy="Choose a crop no larger than the smallest image.",
        )
    top, left = (height - size) // 2, (width - size) // 2
    return image[top : top + size, left : left + size]


def find_nucleus(image: np.ndarray, threshold: int = BACKGROUND) -> np.ndarray:
    """Mask of the nucleus: pixels with a channel brighter than the black background.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width, 3), uint8.
    threshold : int
        Grey levels up to which a pixel is background.

    Returns
    -------
    numpy.ndarray
        Shape (height, width), bool.
    """
    return image.max(axis=2) > threshold


def measure_nuclei(cells: pd.DataFrame) -> pd.DataFrame:
    """Area and bounding box of each nucleus.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    pandas.DataFrame
        Index and rows as in `cells`: `image`, `label`, `area` (pixels), `left`, `top`,
        `right`, `bottom` (pixels, the last two exclusive), `box` (longer side, pixels),
        `reach` (side in pixels of the smallest centred square that holds the nucleus).

    Raises
    ------
    ImageError
        When an image cannot be read.
    DataError
        When an image shows no nucleus at all.
    """
    rows = list(map_images(_measure, list(cells.path), title="measuring nuclei"))
    names = ["area", "left", "top", "right", "bottom", "box", "reach"]
    measured = pd.DataFrame(rows, columns=names, index=cells.index)
    return pd.concat([cells[["image", "label"]], measured], axis=1)


def _measure(path: str) -> tuple[int, ...]:
    mask = find_nucleus(read_image(path))
    if not mask.any():
        raise DataError(
            "This image shows nothing but background.",
            where=path,
            remedy="Download it again, or leave it out of the data set.",
        )
    height, width = mask.shape
    across, down = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    left, right = int(across[0]), int(across[-1]) + 1
    top, bottom = int(down[0]), int(down[-1]) + 1
    # Margins as `crop_center` cuts them: the left one is rounded down, so that one pixel
    # less of a square does where the margins are odd.
    need_across = max(width - 2 * left - 1, 2 * right - width)
    need_down = max(height - 2 * top - 1, 2 * bottom - height)
    box = max(right - left, bottom - top)
    return int(mask.sum()), left, top, right, bottom, box, max(need_across, need_down)


def count_clipped(nuclei: pd.DataFrame, sizes: list[int]) -> pd.DataFrame:
    """How many nuclei a centred crop clips, by class.

    Parameters
    ----------
    nuclei : pandas.DataFrame
        As `measure_nuclei` gives.
    sizes : list of int
        Sides of the crops in pixels.

    Returns
    -------
    pandas.DataFrame
        One row per crop and class: `crop`, `label`, `images`, `clipped` (count), `share`
        (between 0 and 1).
    """
    rows = []
    for size in sizes:
        for label, group in nuclei.groupby("label", observed=True):
            clipped = int((group.reach > size).sum())
            rows.append((size, label, len(group), clipped, clipped / len(group)))
    return pd.DataFrame(rows, columns=["crop", "label", "images", "clipped", "share"])
