"""Whether two images show the same cell: laid over each other and compared pixel by pixel."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import fft

from .images import read_image
from .parallel import map_images
from .perceptual import Sketches, band_texture, grey_and_cover, turn_grid

__all__ = ["Fit", "Match", "confirm_pairs", "measure_pair", "screen_pairs"]

REACH = 10  # pixels of a texture that two centres may lie apart
SCREEN = 0.40  # correlation of textures below which a pair is not looked at closer
_LEAST = 100  # pixels of the final comparison that must overlap to say anything
_NEAR = 4  # pixels of the final comparison that the coarse shift may be wrong by


@dataclass(frozen=True)
class Match:
    """Two images laid over each other.

    Attributes
    ----------
    first, second : int
        Rows of the cell table.
    symmetry : int
        Place in `alllib.augmentation.SYMMETRIES` of what turns the first into the second.
    down, right : int
        Pixels by which the turned first image is moved then.
    likeness : float
        Correlation of the chromatin's structure in the overlap, -1 to 1.
    detail : float
        The same with the finest detail, in which two photographs of a cell differ.
    gain : float
        Brightness of the second over that of the first.
    difference : float
        Mean absolute difference in the overlap, in grey levels, after that gain.
    overlap : float
        Share of the smaller nucleus that lies on the other one.
    """

    first: int
    second: int
    symmetry: int
    down: int
    right: int
    likeness: float
    detail: float
    gain: float
    difference: float
    overlap: float


class Fit(NamedTuple):
    """How the small textures of two images lie on each other.

    `first` and `second` are rows, `symmetry` turns the first, `down` and `right` then move
    its centre onto that of the second, in pixels of the textures; `likeness` is the
    correlation there.
    """

    first: int
    second: int
    symmetry: int
    down: int
    right: int
    likeness: float


def screen_pairs(sketches: Sketches, pairs: np.ndarray) -> list[Fit]:
    """Pairs whose small textures fit in some orientation and position.

    Parameters
    ----------
    sketches : Sketches
    pairs : numpy.ndarray
        As `alllib.perceptual.find_candidates` gives them.

    Returns
    -------
    list of Fit
    """
    starts = np.flatnonzero(np.diff(pairs[:, 0], prepend=-1))
    batches = np.split(pairs, starts[1:])
    work = functools.partial(_screen, sketches)
    found = map_images(work, batches, title="comparing sketches", threads=True)
    return [pair for batch in found for pair in batch]


def _screen(sketches: Sketches, pairs: np.ndarray) -> list[Fit]:
    """Those of one image's pairs that fit."""
    first = int(pairs[0, 0]) if len(pairs) else 0
    texture = sketches.textures[first].astype(np.float32)
    waves: dict[int, np.ndarray] = {}
    fits = []
    for _, second, turn in pairs.tolist():
        other = sketches.textures[second].astype(np.float32)
        there = np.conj(fft.rfft2(other, _padded(other.shape)))
        tried = []
        for symmetry in (turn, turn + 2):
            if symmetry not in waves:
                turned = np.ascontiguousarray(turn_grid(texture, symmetry))
                waves[symmetry] = fft.rfft2(turned, _padded(turned.shape))
            tried.append((*_peak(waves[symmetry] * there, other.shape, REACH), symmetry))
        top, down, right, symmetry = max(tried)
        size = float(np.linalg.norm(texture) * np.linalg.norm(other))
        if size and top / size >= SCREEN:
            fits.append(Fit(first, second, symmetry, down, right, top / size))
    return fits


def _padded(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(fft.next_fast_len(n + REACH, real=True) for n in shape)


def _peak(product: np.ndarray, shape: Sequence[int], reach: int) -> tuple[float, int, int]:
    """Highest correlation near no shift, and that shift of the first onto the second."""
    values = fft.irfft2(product, _padded(shape))
    near = np.roll(values, (reach, reach), (0, 1))[: 2 * reach + 1, : 2 * reach + 1]
    row, column = np.unravel_index(near.argmax(), near.shape)
    return float(near[row, column]), reach - int(row), reach - int(column)


def confirm_pairs(paths: Sequence[str], sketches: Sketches, fits: Sequence[Fit]) -> list[Match]:
    """Compare pairs at the size of the final comparison.

    Parameters
    ----------
    paths : sequence of str
        One for each row.
    sketches : Sketches
    fits : sequence of Fit
        As `screen_pairs` gives them.

    Returns
    -------
    list of Match
        One for each pair, whether it fits or not; pairs without overlap are left out.

    Raises
    ------
    ImageError
        When an image cannot be read any more.
    """
    batches: dict[int, list[Fit]] = {}
    for fit in fits:
        batches.setdefault(fit.first, []).append(fit)
    work = functools.partial(_confirm, paths, sketches)
    found = map_images(work, list(batches.values()), title="comparing pixels", threads=True)
    return [match for batch in found for match in batch]


def _confirm(paths: Sequence[str], sketches: Sketches, fits: list[Fit]) -> list[Match]:
    image = read_image(paths[fits[0].first])
    matches = []
    for first, second, symmetry, down, right, _ in fits:
        other = read_image(paths[second])
        turned = _turned_centre(sketches.centres[first], image.shape, symmetry)
        apart = sketches.centres[second] - turned
        start = [
            round((float(gap) + 2 * sketches.factor * steps) / sketches.factor)
            for gap, steps in zip(apart, (down, right), strict=True)
        ]
        match = measure_pair(image, other, symmetry, start, factor=sketches.factor)
        if match is not None:
            matches.append(Match(first, second, symmetry, *match))
    return matches


def _turned_centre(centre: np.ndarray, shape: Sequence[int], symmetry: int) -> np.ndarray:
    """Where a point of an image lies after a symmetry."""
    (y, x), (height, width) = map(float, centre), shape[:2]
    if symmetry >= 4:
        x = width - 1 - x
    for _ in range(symmetry % 4):  # a quarter turn counter-clockwise
        y, x, height, width = width - 1 - x, y, width, height
    return np.array([y, x])


def measure_pair(
    first: np.ndarray, second: np.ndarray, symmetry: int, start: Sequence[int], *, factor: int = 1
) -> tuple | None:
    """Lay one image over another and measure how far they agree.

    Parameters
    ----------
    first, second : numpy.ndarray
        Shape (height, width, 3), uint8; sizes may differ.
    symmetry : int
        What turns the first.
    start : sequence of int
        Shift down and right to start from, in pixels divided by `factor`.
    factor : int
        How much smaller the images are made.

    Returns
    -------
    tuple or None
        `down, right, likeness, detail, gain, difference, overlap` as in `Match`; None
        where hardly anything overlaps.
    """
    one = [np.ascontiguousarray(turn_grid(grid, symmetry)) for grid in
           grey_and_cover(first, factor)]  # fmt: skip
    two = grey_and_cover(second, factor)
    down, right = _refined(one, two, start)
    grids = [_window(grid, down, right, inverse) for grid, inverse in
             ((one[0], False), (one[1], False), (two[0], True), (two[1], True))]  # fmt: skip
    rows, columns = (min(a, b) for a, b in zip(grids[0].shape, grids[2].shape, strict=True))
    grey, cover, other, behind = (grid[:rows, :columns] for grid in grids)
    both = np.minimum(cover, behind)
    if both.sum() < _LEAST:
        return None
    likeness = _correlation(grey, cover, other, behind, low=1.0)
    detail = _correlation(grey, cover, other, behind, low=0.0)
    inside = both > 0.99
    gain = float(other[inside].mean() / max(grey[inside].mean(), 1e-6)) if inside.any() else 1.0
    gap = np.abs(gain * grey - other)[inside]
    overlap = float(both.sum() / min(one[1].sum(), two[1].sum()))
    difference = float(gap.mean()) if len(gap) else 255.0
    return down * factor, right * factor, likeness, detail, gain, difference, overlap


def _refined(one: Sequence, two: Sequence, start: Sequence[int]) -> tuple[int, int]:
    """Best shift within a few pixels of the start."""
    shape = [max(a, b) + abs(s) for a, b, s in zip(one[0].shape, two[0].shape, start, strict=True)]
    grids = []
    # A negative shift of the first is a positive one of the second.
    for (grey, cover), sign in ((one, 1), (two, -1)):
        texture, _ = band_texture(grey, cover, low=1.0, high=4.0)
        grid = np.zeros(shape, np.float32)
        top, left = (max(0, sign * gap) for gap in start)
        grid[top : top + texture.shape[0], left : left + texture.shape[1]] = texture
        grids.append(fft.rfft2(grid, _padded(shape)))
    _, down, right = _peak(grids[0] * np.conj(grids[1]), shape, _NEAR)
    return start[0] + down, start[1] + right


def _window(grid: np.ndarray, down: int, right: int, inverse: bool) -> np.ndarray:
    """The part of a grid from where the other one begins."""
    top, left = (max(0, down), max(0, right)) if inverse else (max(0, -down), max(0, -right))
    return grid[top:, left:]


def _correlation(
    grey: np.ndarray, cover: np.ndarray, other: np.ndarray, behind: np.ndarray, *, low: float
) -> float:
    """Correlation of two textures where both have an inside; 0 where there is none."""
    both = np.minimum(cover, behind)
    seen = (both > 0.99).astype(np.float32)
    a, inside = band_texture(grey * seen / np.maximum(cover, 0.01), seen, low=low, high=4.0)
    b, _ = band_texture(other * seen / np.maximum(behind, 0.01), seen, low=low, high=4.0)
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not size or inside.sum() < _LEAST:
        return 0.0
    return float((a * b).sum() / size)
