"""Cells drawn for the first chapter, and what counting them with an imperfect classifier gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage, stats

from ..cropping import find_nucleus
from ..nuclei import draw_light, draw_nucleus, draw_stain

__all__ = ["apparent_share", "chance_of_calls", "draw_cell", "draw_riddle", "true_share"]


@dataclass(frozen=True)
class _Sketch:
    """What tells the kinds of cells apart; lengths as shares of the picture's side."""

    radius: float  # of the nucleus
    rim: float  # width of the cytoplasm
    waves: float  # unevenness of the outline
    clump: float  # size of the chromatin's clumps
    contrast: float
    nucleoli: int


CELLS = {
    "lymphocyte": _Sketch(0.23, 0.055, 0.015, 0.035, 0.20, 0),
    "hematogone": _Sketch(0.27, 0.025, 0.020, 0.030, 0.07, 0),
    "blast": _Sketch(0.34, 0.070, 0.075, 0.010, 0.11, 2),
}
_GROUND = np.array([250, 249, 247.0])
_PLASMA = np.array([196, 205, 236.0])
_NUCLEUS = np.array([112, 62, 158.0])


def apparent_share(share: float, sensitivity: float, specificity: float) -> float:
    """Share of cells that a classifier calls blasts, when `share` of them are blasts.

    True blasts are called so with the sensitivity, the others by mistake with one minus the
    specificity.

    Parameters
    ----------
    share : float or numpy.ndarray
        From 0 to 1.
    sensitivity, specificity : float
    """
    return share * sensitivity + (1 - share) * (1 - specificity)


def true_share(apparent: float, sensitivity: float, specificity: float) -> float:
    """Share of blasts behind an apparent one, cut to the range 0 to 1.

    Source: Rogan and Gladen, doi 10.1093/oxfordjournals.aje.a112510.

    Parameters
    ----------
    apparent : float or numpy.ndarray
    sensitivity, specificity : float
        Together more than 1: else the calls say nothing of the cells.
    """
    found = (apparent + specificity - 1) / (sensitivity + specificity - 1)
    return np.clip(found, 0, 1)


def chance_of_calls(cells: int, specificity: float, least: int) -> float:
    """Chance that of `cells` healthy cells at least `least` are called blasts.

    The cells are taken to be judged independently; cells of one person are not, so that the
    truth is more uneven.
    """
    return float(stats.binom.sf(least - 1, cells, 1 - specificity))


def draw_cell(kind: str, *, seed: int = 3, size: int = 260) -> np.ndarray:
    """Draw a schematic cell on pale ground, by the rules of `CELLS`: no photograph.

    Parameters
    ----------
    kind : {"lymphocyte", "hematogone", "blast"}
    seed : int
    size : int
        Side of the picture in pixels.

    Returns
    -------
    numpy.ndarray
        uint8, (size, size, 3), RGB.
    """
    sketch, rng = CELLS[kind], np.random.default_rng([seed, list(CELLS).index(kind)])
    y, x = np.mgrid[:size, :size] / size - 0.5
    turn, off = np.arctan2(y, x), np.hypot(y, x)
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = sum(np.cos(k * turn + phase) / k for k, phase in zip((2, 3, 5), phases, strict=True))
    nucleus = _soft(sketch.radius * (1 + sketch.waves * waves) - off, size)
    cell = _soft(sketch.radius + sketch.rim - np.hypot(y, x + 0.3 * sketch.rim), size)
    grain = ndimage.gaussian_filter(rng.normal(size=(size, size)), sketch.clump * size)
    light = 1 + sketch.contrast * grain / grain.std()
    for _ in range(sketch.nucleoli):
        way, out = rng.uniform(0, 2 * np.pi), 0.5 * sketch.radius
        spot = np.hypot(y - out * np.sin(way), x - out * np.cos(way))
        light += 0.45 * _soft(0.17 * sketch.radius - spot, size)
    picture = _GROUND + cell[..., None] * (_PLASMA - _GROUND)
    picture += nucleus[..., None] * (_NUCLEUS * light[..., None] - picture)
    return np.clip(np.rint(picture), 0, 255).astype("u1")


def _soft(inside: np.ndarray, size: int) -> np.ndarray:
    """Cover, 0 to 1, of what is inside where the distance to the edge is positive."""
    return np.clip(inside * size / 2 + 0.5, 0, 1)


def draw_riddle(
    seed: int, *, pairs: int = 3, drawn: int = 40
) -> tuple[list[np.ndarray], list[str]]:
    """Synthetic nuclei of both classes that hardly differ in size, in random order.

    Parameters
    ----------
    seed : int
    pairs : int
        Nuclei of each class.
    drawn : int
        Nuclei of each class among which the pairs nearest in area are sought.

    Returns
    -------
    pictures : list of numpy.ndarray
        uint8, (225, 225, 3).
    labels : list of str
    """
    rng = np.random.default_rng(seed)
    pictures = {
        label: [
            draw_nucleus(rng, label, draw_stain(rng), draw_light(rng), size=225)
            for _ in range(drawn)
        ]
        for label in ("ALL", "HEM")
    }
    area = {k: np.array([find_nucleus(p).sum() for p in v]) for k, v in pictures.items()}
    gaps = np.abs(np.subtract.outer(area["ALL"], area["HEM"])).astype(float)
    chosen = []
    for _ in range(pairs):
        one, other = np.unravel_index(gaps.argmin(), gaps.shape)
        gaps[one], gaps[:, other] = np.inf, np.inf
        chosen += [(pictures["ALL"][one], "ALL"), (pictures["HEM"][other], "HEM")]
    order = rng.permutation(len(chosen))
    return [chosen[i][0] for i in order], [chosen[i][1] for i in order]
