"""One synthetic lymphoid nucleus: how it is stained, shaped and drawn.

All lengths are in pixels of the 450-pixel crop and are scaled to the size asked for.
Mean sizes and colours follow what was measured on C-NMC 2019; stain and magnification
differ more between persons than there, and light less within one (see `synthetic`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import fft, ndimage

__all__ = ["Stain", "draw_light", "draw_nucleus", "draw_piece", "draw_stain"]

_FULL = 450
_TURN = 2048  # samples of an outline
_OWN_LIGHT = 0.03  # spread of the log brightness of the nuclei of one field
_LARGEST = np.log(50_500.0)  # the real set holds no larger nucleus


def _cause(*change: float) -> np.ndarray:
    return np.array(change, "f4").reshape(3, 1, 1)


# Changes of (log red, log green, log blue) per unit of each cause.
_THINNER = _cause(1.1, 1.5, 0.65)  # less dye in the light's path
_PINKER = _cause(1.0, 0.25, -0.5)  # eosin against azure
_RIM = _cause(0.26, 0.62, 0.38)  # light that leaks in over the edge
_SHELL = _cause(-0.19, -0.12, -0.01)  # denser, bluer chromatin below the membrane
_PLASMA = _cause(0.05, 0.50, 0.05)  # a shred of cytoplasm
_FRINGE = _cause(1.3, 0.3, -1.1)  # the lens focuses red and blue apart


@dataclass(frozen=True)
class _Kind:
    """What tells the classes apart: means, in units of the functions below."""

    area: float  # log square pixels
    spread: float  # of log area within a subject
    waviness: float
    clefts: float  # per nucleus
    nucleoli: float  # share of nuclei that show any
    grain: float  # chromatin contrast
    clump: float  # wavelength of the chromatin's main structure
    light: float  # log brightness


_KINDS = {
    "ALL": _Kind(10.49, 0.185, 0.078, 0.9, 0.45, 0.104, 20.0, 0.015),
    "HEM": _Kind(10.14, 0.245, 0.056, 0.25, 0.10, 0.074, 26.0, -0.015),
    # Of whole smears (`smears`), relative to the two above: small dense lymphocytes, then
    # blasts from the coarse and folded to the large and pale.
    "Benign": _Kind(9.95, 0.42, 0.050, 0.25, 0.06, 0.060, 80.0, -0.02),
    "Early": _Kind(10.38, 0.20, 0.085, 0.95, 0.30, 0.105, 75.0, 0.0),
    "Pre": _Kind(10.47, 0.22, 0.060, 0.45, 0.40, 0.080, 85.0, 0.0),
    "Pro": _Kind(10.27, 0.18, 0.060, 0.45, 0.60, 0.065, 110.0, 0.02),
}


@dataclass(frozen=True)
class Stain:
    """What all cells of one person share: slide preparation and microscope.

    Attributes
    ----------
    colour : tuple of float
        Logarithm of the mean red, green and blue (0 to 255).
    area : float
        Shift of log area: magnification, and how large this person's cells are.
    contrast, clump, waviness : float
        Factors on the class values.
    blur, noise : float
        Standard deviations, in pixels and in grey levels.
    fringe : tuple of float
        Lateral colour error, along y and x.
    """

    colour: tuple[float, float, float]
    area: float
    contrast: float
    clump: float
    waviness: float
    blur: float
    noise: float
    fringe: tuple[float, float]


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw a person's stain and microscope; neither depends on the class.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    Stain
    """
    density, hue, saturation = rng.normal(0, (0.14, 0.08, 0.07))
    colour = (
        np.log([70.0, 29.5, 81.0])
        + density * np.array([0.95, 1.1, 0.8])
        + hue * np.array([1.0, 0.2, -0.8])
        + saturation * np.array([-0.1, 1.0, -0.2])
    )
    contrast, clump, waviness = np.exp(rng.normal(0, (0.14, 0.12, 0.15)))
    turn = rng.uniform(0, 2 * np.pi)
    reach = rng.uniform(0.2, 1.3)
    return Stain(
        colour=tuple(colour.tolist()),
        area=float(rng.normal(0, 0.15)),
        contrast=float(contrast),
        clump=float(clump),
        waviness=float(waviness),
        blur=float(rng.uniform(0.7, 1.4)),
        noise=float(rng.uniform(0.5, 1.0)),
        fringe=(float(reach * np.sin(turn)), float(reach * np.cos(turn))),
    )


def draw_light(rng: np.random.Generator) -> tuple[float, float, float]:
    """Draw the illumination of one field of view.

    Parameters
    ----------
    rng : numpy.random.Generator

    Returns
    -------
    tuple of float
        Shift of log red, green and blue.
    """
    return tuple((rng.normal(0, 0.025) + rng.normal(0, 0.012, 3)).tolist())


def draw_nucleus(
    rng: np.random.Generator,
    label: str,
    stain: Stain,
    light: tuple[float, float, float],
    *,
    size: int = _FULL,
) -> np.ndarray:
    """Draw one nucleus on exactly black ground, its bounding box roughly centred.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    label : {"ALL", "HEM"}
    stain : Stain
        Of the person.
    light : tuple of float
        Of the field, see `draw_light`.
    size : int
        Side of the picture in pixels.

    Returns
    -------
    numpy.ndarray
        uint8, (size, size, 3), RGB.
    """
    return _place(rng, draw_piece(rng, label, stain, light, scale=size / _FULL), size)


def draw_piece(
    rng: np.random.Generator,
    label: str,
    stain: Stain,
    light: tuple[float, float, float],
    *,
    scale: float,
) -> np.ndarray:
    """Draw one nucleus in the smallest box that holds it, exactly black around it.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    label : {"ALL", "HEM", "Benign", "Early", "Pre", "Pro"}
    stain : Stain
        Of the person.
    light : tuple of float
        Of the field, see `draw_light`.
    scale : float
        Size relative to the 450-pixel crop.

    Returns
    -------
    numpy.ndarray
        uint8, (rows, columns, 3), RGB.
    """
    kind = _KINDS[label]
    radius, shred = _draw_outline(rng, kind, stain), _draw_shred(rng)
    inside, whole = _fill(radius * scale, shred * scale)
    texture = _draw_texture(rng, kind, stain, scale, whole.shape)
    logs, outer = _shade(inside, texture, stain, scale)
    logs += _draw_nucleoli(rng, kind, radius.mean() * scale, inside) * _THINNER
    logs += outer * _PLASMA
    own = kind.light + rng.normal(0, _OWN_LIGHT) + rng.normal(0, 0.012, 3)
    logs += _cause(*np.array(stain.colour) + light + own)
    colours = np.exp(logs)
    colours[:, whole & ~ndimage.binary_erosion(whole)] *= np.float32(0.85)
    colours += rng.standard_normal(colours.shape, "f4") * np.float32(stain.noise)
    colours = np.clip(np.rint(colours), 1, 255).astype("u1") * whole
    return colours.transpose(1, 2, 0)


def _draw_outline(rng: np.random.Generator, kind: _Kind, stain: Stain) -> np.ndarray:
    """Radius of the nucleus by angle: an oval with waves, clefts, knobs and flat sides."""
    turn = _turns()
    order = np.arange(2, 64)
    wave = kind.waviness * stain.waviness * np.exp(rng.normal(0, 0.35))
    oval = 1 + 0.5 * (order == 2)
    fringe = 0.03 * (order > 9) * (order / 10.0) ** -0.8
    height = wave * (oval * (order / 2.0) ** -1.9 + fringe)
    spectrum = np.zeros(_TURN // 2 + 1, complex)
    spectrum[2:64] = height * (rng.normal(size=62) + 1j * rng.normal(size=62)) * _TURN / 4
    shape = 1 + np.fft.irfft(spectrum, _TURN)
    for _ in range(rng.poisson(kind.clefts * stain.waviness)):
        depth, width = rng.uniform(0.05, 0.24), rng.uniform(0.06, 0.28)
        shape *= 1 - depth * _bell(turn, rng.uniform(0, 2 * np.pi), width)
    for _ in range(rng.poisson(0.5)):
        rise, width = rng.uniform(0.02, 0.07), rng.uniform(0.025, 0.07)
        shape *= 1 + rise * _bell(turn, rng.uniform(0, 2 * np.pi), width)
    if rng.random() < 0.35:  # pressed flat by a neighbour
        flat = rng.uniform(0.82, 0.94) / np.maximum(np.cos(turn - rng.uniform(0, 2 * np.pi)), 0.1)
        shape = np.where(flat < shape, flat + 0.15 * (shape - flat), shape)
        shape = ndimage.gaussian_filter1d(shape, 22, mode="wrap")
    shape = np.clip(shape, 0.5, 1.6)
    area = kind.area + stain.area + rng.normal(0, kind.spread)
    area = min(area, 2 * _LARGEST - area)
    return shape * np.sqrt(np.exp(area) / np.pi / np.mean(shape**2))


def _draw_shred(rng: np.random.Generator) -> np.ndarray:
    """Thickness by angle of the cytoplasm that hangs on the nucleus; mostly none."""
    if rng.random() >= 0.22:
        return np.zeros(_TURN)
    width = rng.uniform(0.15, 0.5)
    shred = rng.uniform(3, 12) * _bell(_turns(), rng.uniform(0, 2 * np.pi), width)
    ragged = ndimage.gaussian_filter1d(rng.normal(size=_TURN), 18, mode="wrap")
    return np.maximum(shred * (1 + 3 * ragged) - 1.2, 0)


def _turns() -> np.ndarray:
    return np.linspace(0, 2 * np.pi, _TURN, endpoint=False)


def _bell(turn: np.ndarray, centre: float, width: float) -> np.ndarray:
    return np.exp((np.cos(turn - centre) - 1) / width**2)


def _fill(radius: np.ndarray, shred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Masks, in the smallest box: the nucleus, and all that is drawn."""
    reach = int(np.ceil((radius + shred).max())) + 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1].astype("f4")
    distance, angle = np.hypot(y, x), np.arctan2(y, x)
    at = (angle * np.float32(_TURN / (2 * np.pi))).astype("i4") & (_TURN - 1)
    inside = distance < radius.astype("f4")[at]
    whole = distance < (radius + shred).astype("f4")[at]
    rows, columns = np.flatnonzero(whole.any(1)), np.flatnonzero(whole.any(0))
    box = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return inside[box], whole[box]


@lru_cache(maxsize=8)
def _frequencies(side: int) -> np.ndarray:
    """Cycles per pixel of each bin of a square transform; float32, (side, side)."""
    steps = np.fft.fftfreq(side)
    values = np.hypot(steps[:, None], steps[None, :]).astype("f4")
    values[0, 0] = 0.5 / side
    values.flags.writeable = False
    return values


def _draw_texture(
    rng: np.random.Generator, kind: _Kind, stain: Stain, scale: float, shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Dye and hue over the nucleus: Gaussian fields of two spectra, one of them skewed."""
    # A nucleus broader than the tile sees it repeat.
    side = fft.next_fast_len(max(16, min(max(shape), round(300 * scale))))
    cycles = _frequencies(side) * np.float32(scale)  # as if at 450 pixels
    octaves = np.log(cycles * np.float32(kind.clump * stain.clump))
    sharp = np.exp(-2 * (np.pi * stain.blur * cycles) ** 2)
    band = np.exp(-((octaves / 0.75) ** 2)) / cycles
    cloud = (cycles**2 + np.float32(1 / 110) ** 2) ** np.float32(-0.95)
    first, second = (_field(rng, part * sharp, side) for part in (band, cloud))
    grain = (np.exp(0.4 * first.real) - 1.083) * 2.2
    contrast = kind.grain * stain.contrast * np.exp(rng.normal(0, 0.22))
    dye = np.float32(contrast) * (np.float32(0.42) * grain + np.float32(0.90) * second.real)
    hue = np.float32(0.022) * second.imag + np.float32(0.010) * first.imag
    rows, columns = np.arange(shape[0]) % side, np.arange(shape[1]) % side
    return dye[np.ix_(rows, columns)], hue[np.ix_(rows, columns)]


def _field(rng: np.random.Generator, spectrum: np.ndarray, side: int) -> np.ndarray:
    """Two independent unit-variance fields of one spectrum: real and imaginary part."""
    noise = rng.standard_normal((side, 2 * side), "f4").view("c8")
    field = fft.ifft2(noise * spectrum)
    return field / np.float32(field.real.std())


def _shade(
    inside: np.ndarray, texture: tuple[np.ndarray, np.ndarray], stain: Stain, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    """Log colour relative to the stain (3, rows, columns), and how far outside (0 to 1)."""
    pad = int(np.ceil(6 * scale))
    mask = np.pad(inside, pad).astype("f4")
    near = ndimage.gaussian_filter(mask, 4.0 * scale, truncate=2.5)
    deep = ndimage.uniform_filter(ndimage.uniform_filter(mask, 2 * pad + 1), 2 * pad + 1)
    core = np.s_[pad : pad + inside.shape[0], pad : pad + inside.shape[1]]
    dye, hue = texture
    logs = dye * _THINNER + hue * _PINKER
    logs += np.clip(2 - 2 * near[core], 0, 1) * _RIM
    logs += np.clip(2 - 2 * deep[core], 0, 1) * _SHELL
    slope = sum(way * step[core] for way, step in zip(stain.fringe, np.gradient(near), strict=True))
    logs += (slope * scale) * _FRINGE
    return logs, np.clip(1 - 2 * near[core], 0, 1)


def _draw_nucleoli(
    rng: np.random.Generator, kind: _Kind, radius: float, inside: np.ndarray
) -> np.ndarray:
    """Paler round spots; float32, zero elsewhere."""
    pale = np.zeros(inside.shape, "f4")
    if rng.random() >= kind.nucleoli:
        return pale
    middle = np.array(ndimage.center_of_mass(inside))
    for _ in range(rng.integers(1, 4)):
        way, out = rng.uniform(0, 2 * np.pi), 0.62 * radius * np.sqrt(rng.random())
        y, x = middle + out * np.array([np.sin(way), np.cos(way)])
        width = radius * rng.uniform(0.09, 0.17)
        up = np.exp(-(((np.arange(inside.shape[0]) - y) / width) ** 2))
        along = np.exp(-(((np.arange(inside.shape[1]) - x) / width / rng.uniform(0.7, 1.4)) ** 2))
        pale += (rng.uniform(0.08, 0.24) * np.outer(up, along) ** 0.8).astype("f4")
    return pale


def _place(rng: np.random.Generator, piece: np.ndarray, size: int) -> np.ndarray:
    """Put the box into the middle of black ground, give or take a pixel; cut what is over.

    A few lie off the middle, as where a neighbour that touched was cut away.
    """
    picture = np.zeros((size, size, 3), "u1")
    away = rng.uniform(45, 100) if rng.random() < 0.04 else 0.0
    way = rng.uniform(0, 2 * np.pi)
    into, out = [], []
    for have, aside in zip(
        piece.shape[:2], away * np.array([np.sin(way), np.cos(way)]), strict=True
    ):
        shift = round((rng.normal(0, 0.8) + aside) * size / _FULL)
        start = (size - have) // 2 + shift
        into.append(slice(max(start, 0), min(start + have, size)))
        out.append(slice(into[-1].start - start, into[-1].stop - start))
    picture[tuple(into)] = piece[tuple(out)]
    return picture
