"""Pictures described and changed: colour, size, and what a crop leaves of a nucleus."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from ..cropping import crop_center, find_nucleus
from ..features import COLOURS
from ..images import resize
from ..parallel import map_images

__all__ = ["CHANGES", "alter_pictures", "crop_numbers", "edge_contact",
           "same_colour", "same_size", "thumbnails", "to_grey", "typical_look"]  # fmt: skip

SHAPE = ("area", "box_width", "box_height", "edge")


def thumbnails(pictures: np.ndarray, side: int = 16) -> np.ndarray:
    """Pictures shrunk to a few pixels, shape (n, side, side, 3), uint8."""
    return np.stack([resize(picture, side) for picture in pictures])


def crop_numbers(pictures: np.ndarray, side: int) -> pd.DataFrame:
    """Ten numbers of what a centred crop shows of each nucleus.

    Parameters
    ----------
    pictures : numpy.ndarray
        Shape (n, height, width, 3), uint8.
    side : int
        Of the crop in pixels of the pictures.

    Returns
    -------
    pandas.DataFrame
        Area, sides of the box and contact with the crop's edge in pixels; mean and deviation
        of each channel over the nucleus in grey levels.
    """
    work = partial(_describe_crop, side=side)
    rows = list(map_images(work, pictures, title="describing crops", threads=True))
    return pd.DataFrame(rows, columns=[*SHAPE, *COLOURS])


def _describe_crop(picture: np.ndarray, side: int) -> list[float]:
    shown = crop_center(picture, side)
    mask = find_nucleus(shown)
    box = [np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (0, 1) if mask.any()]
    pixels = shown[mask] if mask.any() else np.zeros((1, 3))
    colours = [*pixels.mean(axis=0), *pixels.std(axis=0)]
    return [float(n) for n in (mask.sum(), *(box or (0, 0)), edge_contact(mask), *colours)]


def edge_contact(mask: np.ndarray) -> int:
    """Pixels of a mask on the border of its square."""
    return int(mask[0].sum() + mask[-1].sum() + mask[1:-1, 0].sum() + mask[1:-1, -1].sum())


def typical_look(pictures: np.ndarray) -> tuple[float, np.ndarray]:
    """Median area in pixels, and mean colour, of the nuclei of some pictures.

    Returns
    -------
    area : float
    colour : numpy.ndarray
        Shape (3,), grey levels.
    """
    rows = np.array([_look(picture) for picture in pictures])
    return float(np.median(rows[:, 0])), rows[:, 1:].mean(axis=0)


def _look(picture: np.ndarray) -> tuple[float, ...]:
    mask = find_nucleus(picture)
    return (float(mask.sum()), *picture[mask].mean(axis=0))


def same_size(picture: np.ndarray, area: float) -> np.ndarray:
    """Nucleus scaled to an area and moved to the centre, on black.

    Parameters
    ----------
    picture : numpy.ndarray
        Shape (side, side, 3), uint8.
    area : float
        Wanted area in pixels.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `picture`.
    """
    import cv2

    mask = find_nucleus(picture)
    down, across = (float(places.mean()) for places in np.nonzero(mask))
    factor, middle = np.sqrt(area / mask.sum()), (picture.shape[0] - 1) / 2
    move = np.array([[factor, 0, middle - factor * across], [0, factor, middle - factor * down]])
    return cv2.warpAffine(np.ascontiguousarray(picture), move, picture.shape[1::-1])


def same_colour(picture: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Nucleus with its mean colour moved to a common one; its texture and shape stay.

    Parameters
    ----------
    picture : numpy.ndarray
        Shape (side, side, 3), uint8.
    colour : numpy.ndarray
        Shape (3,), grey levels.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `picture`.
    """
    mask, changed = find_nucleus(picture), picture.copy()
    moved = picture[mask] + (colour - picture[mask].mean(axis=0))
    changed[mask] = np.clip(np.rint(moved), 0, 255)
    return changed


def to_grey(picture: np.ndarray) -> np.ndarray:
    """Luminance in all three channels (weights of ITU-R BT.601), shape of `picture`, uint8."""
    grey = np.rint(picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


# Title of each change to what is done to one picture, given the typical area and colour.
CHANGES = {
    "nuclei scaled to one area": lambda picture, look: same_size(picture, look[0]),
    "mean colour removed": lambda picture, look: same_colour(picture, look[1]),
    "grey": lambda picture, look: to_grey(picture),
}


def alter_pictures(pictures: np.ndarray, look: tuple[float, np.ndarray]) -> dict[str, np.ndarray]:
    """All pictures with each change of `CHANGES`.

    Parameters
    ----------
    pictures : numpy.ndarray
        Shape (n, side, side, 3), uint8.
    look : tuple
        As `typical_look` gives.

    Returns
    -------
    dict of str to numpy.ndarray
    """
    return {
        kind: np.stack([change(picture, look) for picture in pictures])
        for kind, change in CHANGES.items()
    }
