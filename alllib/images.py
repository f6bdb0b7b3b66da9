"""Decoding and resizing of one image, with errors that name the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from .errors import ImageError

__all__ = [
    "check_rgb",
    "clear_image_errors",
    "read_bmp_rows",
    "read_image",
    "read_square",
    "resize",
]


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


def read_square(path: str | Path, *, size: int, crop: int | None = None) -> np.ndarray:
    """Decode an RGB image, cut out the centred square and resize that.

    The same bits as `resize(crop_center(read_image(path), crop), size)` in two thirds of the
    time: nothing is copied to NumPy and back in between.

    Parameters
    ----------
    path : path-like
        BMP, PNG, JPEG or WebP file.
    size : int
        Side of the result in pixels.
    crop : int, optional
        Side of the square in pixels; the shorter side of the image when not given.

    Returns
    -------
    numpy.ndarray
        Shape (size, size, 3), uint8, read only.

    Raises
    ------
    ImageError
        When the image cannot be read, is not 8-bit RGB or is smaller than the square.
    """
    with clear_image_errors(path), Image.open(path) as image:
        check_rgb(image, path)
        width, height = image.size
        side = crop or min(width, height)
        if side > min(width, height):
            raise ImageError(
                f"This image is {width}x{height} pixels, too small for a crop of {crop}.",
                where=path,
                remedy="Choose a smaller crop, or leave the image out.",
            )
        left, top = (width - side) // 2, (height - side) // 2  # as `crop_center` cuts
        return np.asarray(_resized(image.crop((left, top, left + side, top + side)), size))


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
    image = np.ascontiguousarray(image)
    if image.shape[:2] == (size, size):
        return image
    return np.asarray(_resized(Image.fromarray(image), size))


def _resized(picture: Image.Image, size: int) -> Image.Image:
    # Pillow's filter and no other: recorded results were made with it, and those of OpenCV
    # differ in the last bits.
    if picture.size == (size, size):
        return picture
    return picture.resize((size, size), Image.Resampling.BILINEAR)


def read_bmp_rows(path: str | Path) -> np.ndarray:
    """Pixels of an RGB image as a BMP file keeps them: from the bottom up, blue first.

    Parameters
    ----------
    path : path-like
        BMP, PNG, JPEG or WebP file; from a BMP file the bytes are taken as they are.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, 3), uint8; the rows may lie apart in memory.

    Raises
    ------
    ImageError
        See `read_image`.
    """
    with clear_image_errors(path), Image.open(path) as image:
        check_rgb(image, path)
        rows = _stored_rows(image)
    return np.ascontiguousarray(read_image(path)[::-1, :, ::-1]) if rows is None else rows


def _stored_rows(image: Image.Image) -> np.ndarray | None:
    """Rows of an opened BMP file; None for other formats, rarer kinds and truncated files."""
    width, height = image.size
    codec, box, start, details = image.tile[0]
    if image.format != "BMP" or codec != "raw" or box != (0, 0, width, height):
        return None
    mode, stride, direction = details
    if mode != "BGR" or direction != -1:
        return None
    image.fp.seek(start)
    data = image.fp.read(stride * height)
    if len(data) < stride * height:
        return None
    rows = np.frombuffer(data, np.uint8).reshape(height, stride)
    return rows[:, : 3 * width].reshape(height, width, 3)


class clear_image_errors:
    """Turn Pillow's and the system's reading errors into an `ImageError`."""

    def __init__(self, path: str | Path):
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind, error, trace) -> None:
        if isinstance(error, FileNotFoundError):
            raise ImageError(
                "There is no such image file, or it is a link that leads nowhere.",
                where=self.path,
                remedy="Check the path; if the file was moved or removed, read the folder again.",
            ) from error
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
