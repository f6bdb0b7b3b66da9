"""A handful of numbers per image: size, outline and colours of the nucleus, or colours alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage

from .cropping import find_nucleus
from .errors import DataError, ImageError
from .images import read_image
from .parallel import map_images

__all__ = ["COLOURS", "CORNER", "CORNER_SIDE", "FEATURES", "describe_colours", "describe_images"]

QUANTILES = (0.1, 0.5, 0.9)
COLOURS = tuple(f"{what}_{channel}" for what in ("mean", "deviation") for channel in "rgb")
CORNER = tuple(f"corner_{name}" for name in COLOURS)
CORNER_SIDE = 20  # pixels
FEATURES = (
    "area", "box_width", "box_height", "perimeter",
    *(f"{what}_{channel}" for channel in "rgb" for what in ("mean", "deviation")),
    *(f"q{int(q * 100)}_{channel}" for channel in "rgb" for q in QUANTILES),
)  # fmt: skip


def describe_images(cells: pd.DataFrame) -> pd.DataFrame:
    """Nineteen numbers per image: size and outline of the nucleus, and its colours.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    pandas.DataFrame
        Index as in `cells`, columns `FEATURES`: area and perimeter in pixels, sides of
        the bounding box in pixels, mean, deviation and three quantiles of each colour
        channel over the nucleus in grey levels.

    Raises
    ------
    ImageError, DataError
        When an image cannot be read or shows no nucleus.
    """
    rows = list(map_images(_describe, list(cells.path), title="describing images"))
    return pd.DataFrame(rows, columns=list(FEATURES), index=cells.index)


def _describe(path: str) -> list[float]:
    image = read_image(path)
    mask = find_nucleus(image)
    if not mask.any():
        raise DataError(
            "This image shows nothing but background.", where=path, remedy="Leave it out."
        )
    down, across = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    edge = mask & ~ndimage.binary_erosion(mask)
    numbers = [mask.sum(), np.ptp(across) + 1, np.ptp(down) + 1, edge.sum()]
    pixels = image[mask]
    for channel in range(3):
        numbers += [pixels[:, channel].mean(), pixels[:, channel].std()]
    for channel in range(3):
        numbers += list(np.quantile(pixels[:, channel], QUANTILES))
    return [float(number) for number in numbers]


def describe_colours(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean and deviation of each colour, of the whole image and of its top left corner.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    pandas.DataFrame
        Index as in `cells`, columns `COLOURS` and `CORNER` (of the square of `CORNER_SIDE`
        pixels at the top left), in grey levels.

    Raises
    ------
    ImageError
        When an image cannot be read, or is smaller than the corner.
    """
    rows = list(map_images(_describe_colours, list(cells.path), title="describing colours"))
    return pd.DataFrame(rows, columns=[*COLOURS, *CORNER], index=cells.index)


def _describe_colours(path: str) -> list[float]:
    image = read_image(path)
    if min(image.shape[:2]) < CORNER_SIDE:
        raise ImageError(
            f"This image is smaller than a corner of {CORNER_SIDE} pixels.",
            where=path,
            remedy="Leave it out.",
        )
    corner = image[:CORNER_SIDE, :CORNER_SIDE]
    parts = [(part.mean((0, 1)), part.std((0, 1))) for part in (image, corner)]
    return [float(number) for pair in parts for values in pair for number in values]
