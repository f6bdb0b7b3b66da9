"""What an image looks like in a few numbers, and which images look alike enough to compare.

Each image is reduced to a small *texture* (grey levels between two scales, the outline left
out) and to the low frequencies of its *spectrum*. The size of a spectrum does not change when
the picture is shifted, and turns with the picture when it is turned or mirrored; so the
nearest neighbours of four turned spectra hold every image that shows the same cell again.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .images import read_image
from .parallel import map_images

__all__ = ["DARK", "Sketches", "band_texture", "find_candidates", "grey_and_cover",
           "sketch_images", "turn_grid"]  # fmt: skip

DARK = 20  # brightest channel of background, in grey levels; the same as in `cropping`
_SIDE = 225  # pixels that an image is reduced to for the final comparison, about
_WAVES = 8  # frequencies kept in each direction
_TURNS = (0, 1, 4, 5)  # a spectrum is the same after half a turn
_ROWS = 1000  # spectra compared with all others at once


@dataclass(frozen=True)
class Sketches:
    """The images of a cell table in small, row by row.

    Attributes
    ----------
    pixels : list of str
        SHA-256 of size and decoded pixels, hexadecimal.
    spectra : numpy.ndarray
        Shape (n, 17, 17), float32: roots of amplitudes, lowest frequency in the middle.
    textures : numpy.ndarray
        Shape (n, side, side), int8, centred on the nucleus.
    centres : numpy.ndarray
        Shape (n, 2), float32: middle of the nucleus, row and column in pixels.
    areas : numpy.ndarray
        Shape (n,), share of the image that is no background.
    factor : int
        Pixels of an image to a pixel of the final comparison; a texture is twice as coarse.
    """

    pixels: list[str]
    spectra: np.ndarray
    textures: np.ndarray
    centres: np.ndarray
    areas: np.ndarray
    factor: int


def sketch_images(cells: pd.DataFrame) -> Sketches:
    """Read each image once.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with at least one row.

    Returns
    -------
    Sketches

    Raises
    ------
    ImageError
        When an image cannot be read; the message names it.
    """
    usual = float(np.median(np.maximum(cells.width, cells.height)))
    factor = max(1, round(usual / _SIDE))
    side = max(8, round(usual / (2 * factor)))
    work = functools.partial(_sketch, factor=factor, side=side)
    spectra = np.zeros((len(cells), 2 * _WAVES + 1, 2 * _WAVES + 1), np.float32)
    textures = np.zeros((len(cells), side, side), np.int8)
    centres, areas = np.zeros((len(cells), 2), np.float32), np.zeros(len(cells), np.float32)
    pixels = []
    found = map_images(work, list(cells.path), title="sketching images", threads=True)
    for row, (digest, *seen) in enumerate(found):
        pixels.append(digest)
        spectra[row], textures[row], centres[row], areas[row] = seen
    return Sketches(pixels, spectra, textures, centres, areas, factor)


def _sketch(path: str, *, factor: int, side: int) -> tuple:
    import cv2

    image = read_image(path)
    digest = hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
    grey, cover = grey_and_cover(image, 2 * factor)
    total = float(cover.sum())
    if not total:  # nothing but background
        empty = np.zeros((2 * _WAVES + 1,) * 2, np.float32)
        return digest, empty, np.zeros((side, side), np.int8), (0, 0), 0
    rows, columns = (np.arange(n, dtype=np.float32) for n in cover.shape)
    y = float(cover.sum(axis=1) @ rows) / total
    x = float(cover.sum(axis=0) @ columns) / total
    middle = (side - 1) / 2
    shift = np.float32([[1, 0, middle - x], [0, 1, middle - y]])
    grey, cover = (cv2.warpAffine(grid, shift, (side, side)) for grid in (grey, cover))
    texture, inside = band_texture(grey, cover, low=0.5, high=2.0)
    spread = float(texture[inside].std()) if inside.any() else 0.0
    if spread:
        texture = np.clip(texture * (30 / spread), -127, 127)
    scale = [image.shape[axis] / size for axis, size in enumerate(_reduced(image, 2 * factor))]
    centre = ((y + 0.5) * scale[0] - 0.5, (x + 0.5) * scale[1] - 0.5)
    return digest, _spectrum(grey), texture.astype(np.int8), centre, total / cover.size


def _reduced(image: np.ndarray, factor: int) -> tuple[int, int]:
    """Height and width of an image made smaller by about a factor."""
    return max(1, round(image.shape[0] / factor)), max(1, round(image.shape[1] / factor))


def grey_and_cover(image: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Grey levels, 0 outside the nucleus, and share of each pixel that is nucleus, reduced.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width, 3), uint8. Where it has no black background, as a field of a
        smear, all of it counts as nucleus.
    factor : int
        How many times smaller the result is.

    Returns
    -------
    tuple of numpy.ndarray
        Two grids of float32, about height/factor by width/factor.
    """
    import cv2

    mask = (cv2.max(cv2.max(image[..., 0], image[..., 1]), image[..., 2]) > DARK).view(np.uint8)
    # Re-encoding leaves specks beside a nucleus.
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) * mask
    size = _reduced(image, factor)[::-1]
    grey, mask = (
        cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        for grid in (grey, mask)
    )
    return grey, mask


def band_texture(
    grey: np.ndarray, cover: np.ndarray, *, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Structure between two scales inside the nucleus: neither noise nor shape nor shading.

    All nuclei are round and darker to one side; only the pattern of the chromatin tells one
    cell from another.

    Parameters
    ----------
    grey, cover : numpy.ndarray
        As `grey_and_cover` gives them.
    low, high : float
        Standard deviations in pixels of the blurs whose difference is taken; with `low` 0,
        the finest detail stays.

    Returns
    -------
    tuple of numpy.ndarray
        The difference (float32, mean 0 over the inside, 0 elsewhere) and the inside (bool).
    """
    import cv2

    def blurred(spread: float) -> np.ndarray:
        if not spread:
            return grey / np.maximum(cover, 1e-2)
        weight = cv2.GaussianBlur(cover, (0, 0), spread)
        return cv2.GaussianBlur(grey, (0, 0), spread) / np.maximum(weight, 1e-3)

    reach = 2 * round(high / 2) + 1
    inside = cv2.erode((cover > 0.99).astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0
    band = blurred(low) - blurred(high)
    band[~inside] = 0
    if inside.any():
        band[inside] -= band[inside].mean()
    return band, inside


def _spectrum(grey: np.ndarray) -> np.ndarray:
    """Root of the amplitudes of the lowest frequencies, shape (17, 17)."""
    window = np.hanning(len(grey)).astype(np.float32)
    waves = np.fft.fftshift(np.fft.fft2(grey * np.outer(window, window), s=(64, 64)
                                        if len(grey) < 64 else None))  # fmt: skip
    middle = len(waves) // 2
    kept = slice(middle - _WAVES, middle + _WAVES + 1)
    return np.sqrt(np.abs(waves[kept, kept])).astype(np.float32)


def turn_grid(grid: np.ndarray, symmetry: int) -> np.ndarray:
    """Turn the last two axes as `alllib.augmentation.apply_symmetry` turns an image; a view."""
    mirrored = grid[..., ::-1] if symmetry >= 4 else grid
    return np.rot90(mirrored, k=symmetry % 4, axes=(-2, -1))


def find_candidates(
    spectra: np.ndarray, *, neighbours: int = 16, apart: np.ndarray | None = None
) -> np.ndarray:
    """Pairs of images whose spectra are alike in some orientation.

    Parameters
    ----------
    spectra : numpy.ndarray
        Shape (n, 17, 17); rows of zeros are left out.
    neighbours : int
        How many nearest ones of each image are taken.
    apart : numpy.ndarray, optional
        Shape (n,): only images with two different values here are paired.

    Returns
    -------
    numpy.ndarray
        Shape (pairs, 3), int64: two rows, the first smaller, and the symmetry (0, 1, 4 or
        5, each also half a turn further) that turns the first into the second.
    """
    rows = np.flatnonzero(spectra.any(axis=(1, 2)))
    count = min(neighbours, len(rows) - 1)
    if count < 1:
        return np.zeros((0, 3), np.int64)
    kept = spectra[rows]
    plain = _unit(kept).T.copy()
    turned = [_unit(turn_grid(kept, symmetry)) for symmetry in _TURNS]
    pairs = []
    for start in range(0, len(rows), _ROWS):
        likeness = np.stack([one[start : start + _ROWS] @ plain for one in turned])
        turn, best = likeness.argmax(axis=0), likeness.max(axis=0)
        here = np.arange(len(best))
        best[here, start + here] = -2
        if apart is not None:
            best[apart[rows[start + here], None] == apart[None, rows]] = -2
        nearest = np.argpartition(-best, count - 1, axis=1)[:, :count]
        first = np.repeat(start + here, count)
        second = nearest.ravel()
        allowed = best[first - start, second] > -2  # there may be fewer than `count`
        first, second = first[allowed], second[allowed]
        pairs.append(np.stack([first, second, turn[first - start, second]], axis=1))
    found = np.concatenate(pairs)
    ends = rows[np.sort(found[:, :2], axis=1)]
    # Turned back, an image needs the same entry of `_TURNS`: a quarter back is a quarter and
    # half a turn, and mirrored ones undo themselves.
    turns = np.array(_TURNS)[found[:, 2]]
    return np.unique(np.column_stack([ends, turns]), axis=0)


def _unit(grids: np.ndarray) -> np.ndarray:
    flat = grids.reshape(len(grids), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-9)
