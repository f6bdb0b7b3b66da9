"""Decoding of one image, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .errors import ImageError

__all__ = ["check_rgb", "clear_image_errors", "read_image"]


def read_image(path: str | Path) -> np.ndarray:
    """Decode one RGB image.

    Parameters
    ----------
    path : path-like
        BMP, PNG, JPEG or WebP file.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, 3), uint8, in the order red, green, blue.

    Raises
    ------
    ImageError
        When the file is missing, empty, truncated, no image, or not 8-bit RGB.
    """
    with clear_image_errors(path), Image.open(path) as image:
        check_rgb(image, path)
        return np.asarray(image)


class clear_image_errors:
    """Turn Pillow's and the system's reading errors into an `ImageError`."""

    def __init__(self, path: str | Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        # A damaged header may promise a picture of any size.
        broken = (UnidentifiedImageError, Image.DecompressionBombError, SyntaxError, ValueError)
        if isinstance(error, (*broken, OSError)):
            cause = str(error).replace(str(self.path), "the file")
            raise ImageError(
                f"This image cannot be read ({cause}).",
                where=self.path,
                remedy="Download it again, or delete the file if it is no part of the data set.",
            ) from error


def check_rgb(image: Image.Image, path: str | Path) -> None:
    if image.mode != "RGB":
        raise ImageError(
            f"This image is not RGB with 8 bits a channel (its mode is {image.mode!r}).",
            where=path,
            remedy="Download the original again, or convert it with Pillow's "
            "`image.convert('RGB')` if you know that its colours are right.",
        )
