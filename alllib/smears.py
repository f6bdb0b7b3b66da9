"""Synthetic blood smears in the layout of B-ALL: whole fields of four classes, no download.

Each *person* has a stain, a tint of the ground and a microscope of their own, and appears
in a run of consecutive numbers of one class; nothing names the person, as in the real set,
and a few images of class Pro follow their own copy, as there. Red cells are discs in the
light's path, nuclei are drawn by `nuclei`.

Mean colours, spreads and shares of the classes follow what was measured on B-ALL (Aria et
al., Kaggle, doi 10.34740/KAGGLE/DSV/2175623), so that a few colour numbers tell the
classes apart too well here as they do there. No pixel is from a real image.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from .errors import ParameterError
from .files import locked, whole_folder
from .nuclei import Stain, draw_light, draw_piece, draw_stain
from .parallel import map_images
from .synthetic import holds_design, open_stream, write_manifest

__all__ = ["Person", "SmearDesign", "draw_person", "draw_smear", "make_smears"]

GENERATOR = 1  # raise it when the same design no longer gives the same bytes
_FULL = 224
_RUN = (4, 13)  # consecutive images of one person, from and below
_TWINS = 0.1  # share of the pairs of class Pro that are one picture
_QUALITY = 95  # of the JPEG files
_PEOPLE, _PERSON, _FIELD, _TWIN = range(4)  # first spawn key of each stream of chance

# Changes of (log red, log green, log blue) per unit of each cause.
_RED_CELL = np.array([0.34, 0.25, 0.10], "f4").reshape(3, 1, 1)
_PLASMA = np.array([0.16, 0.24, 0.03], "f4").reshape(3, 1, 1)
_PLATELET = np.array([0.45, 0.70, 0.15], "f4").reshape(3, 1, 1)


@dataclass(frozen=True)
class _Look:
    """What tells the classes apart; lengths in pixels of a 224-pixel field."""

    share: int  # images of this class in B-ALL
    nuclei: float  # per field
    width: float  # of a nucleus of the mean area of class ALL
    colour: tuple[float, float, float]  # mean red, green and blue of a nucleus
    others: float  # share of large pale nuclei, of other cells
    red_cells: float  # per field
    ground: tuple[float, float, float]  # mean red, green and blue between the cells
    spread: float  # of the tint between persons


_LOOKS = {
    "Benign": _Look(504, 8.0, 27.0, (128, 86, 196), 0.35, 84, (249, 248, 243), 0.026),
    "Early": _Look(985, 8.0, 28.5, (148, 100, 208), 0.06, 70, (243, 249, 253), 0.014),
    "Pre": _Look(963, 15.0, 28.5, (128, 98, 212), 0.12, 62, (234, 246, 254), 0.018),
    "Pro": _Look(804, 6.5, 26.5, (200, 132, 218), 0.08, 56, (250, 251, 251), 0.010),
}


@dataclass(frozen=True)
class SmearDesign:
    """What a set of synthetic smears is made of; the same design gives the same bytes.

    Image k depends on seed, size and k alone: a small set is the start of a large one.

    Attributes
    ----------
    images : int
        Number of files, at least 20; class shares are those of B-ALL.
    seed : int
        Start of every stream of chance, 0 or more.
    size : int
        Side of an image in pixels, 32 to 1024.

    Raises
    ------
    ParameterError
        When a value is of the wrong type or out of its range.
    """

    images: int = 1000
    seed: int = 2019
    size: int = _FULL

    def __post_init__(self):
        for name, least, most, why in (
            ("images", 20, 10**6, "Each class needs a few images."),
            ("seed", 0, 2**63 - 1, "A seed is a whole number."),
            ("size", 32, 1024, "The real images have 224 pixels a side."),
        ):
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise ParameterError(
                    f"Synthetic smears cannot be made with {name}={value!r}.",
                    where=name,
                    remedy=f"Give a whole number from {least} to {most}. {why}",
                )


@dataclass(frozen=True)
class Person:
    """What all fields of one person share: slide, stain and microscope.

    Attributes
    ----------
    stain : alllib.nuclei.Stain
        Of the nuclei.
    ground : tuple of float
        Logarithm of red, green and blue between the cells (1 is white).
    crowd, red_cells, dye : float
        Factors on the number of nuclei, the number of red cells, and their colour.
    pallor : float
        How pale red cells are in the middle, 0 to 1.
    focus : float
        Standard deviation of the blur, in pixels of a 224-pixel field.
    """

    stain: Stain
    ground: tuple[float, float, float]
    crowd: float
    red_cells: float
    dye: float
    pallor: float
    focus: float


class _Task(NamedTuple):
    """One picture to draw, and its file."""

    path: str
    label: str
    number: int  # which picture of its class; a copy has that of its original
    person: int
    seed: int
    size: int


def make_smears(
    root: str | Path, design: SmearDesign | None = None, *, workers: int | None = None
) -> Path:
    """Write a set of synthetic smears in the layout of B-ALL, whole or not at all.

    The bytes depend on the design alone, not on the number of workers (on one machine
    with one set of package versions). A second process waits for the first. Where the
    same design stands already, nothing is written.

    Parameters
    ----------
    root : path-like
        Folder to make; absent, empty, or holding the same design.
    design : SmearDesign, optional
        What to make; 1,000 images when not given.
    workers : int, optional
        Processes; when not given, one for each core, or none for a small set.

    Returns
    -------
    pathlib.Path
        `root`, which holds `{Benign,Early,Pre,Pro}/WBC-<class>-<number>.jpg` and a
        manifest (see `alllib.synthetic.read_manifest`).

    Raises
    ------
    DataError
        When `root` holds something else, lacks files, or a worker process died.
    DiskError
        When the disk is full or `root` cannot be written.
    ParameterError
        When `workers` is not a positive number.
    """
    root, design = Path(root), design or SmearDesign()
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ParameterError(
            f"Images cannot be drawn by workers={workers!r}.",
            where="workers",
            remedy="Give a whole number from 1 up.",
        )
    named, values = "synthetic-subtypes", asdict(design)
    with locked(root):
        if not holds_design(root, named, values, GENERATOR, pattern="*/WBC-*.jpg"):
            tasks, duplicates = _plan(design)
            with whole_folder(root) as part:
                for label in _LOOKS:
                    (part / label).mkdir()
                draw = partial(_write_smear, str(part))
                for _ in map_images(draw, tasks, title="synthetic smears", workers=workers):
                    pass
                write_manifest(part, {
                    "dataset": named, "design": values, "generator": GENERATOR,
                    "duplicates": duplicates, "files": len(tasks),
                })  # fmt: skip
    return root


# The plan: which picture is whose ------------------------------------------------------


def _plan(design: SmearDesign) -> tuple[list[_Task], list[list[str]]]:
    """Drawing tasks in the order of k, and the pairs of paths that show one picture."""
    labels = _deal_classes(design.images)
    tasks, duplicates = [], []
    for which, label in enumerate(_LOOKS):
        count = int((labels == which).sum())
        people = _deal_people(design.seed, which, count)
        for number in range(count):
            path = _path(label, number)
            shown = number - (label == "Pro" and _is_copy(design.seed, number))
            if shown != number:
                duplicates.append([_path(label, shown), path])
            tasks.append(_Task(path, label, shown, people[shown], design.seed, design.size))
    return tasks, duplicates


def _path(label: str, number: int) -> str:
    return f"{label}/WBC-{label}-{number + 1:03d}.jpg"


def _deal_classes(images: int) -> np.ndarray:
    """Class number of image 0, 1, 2, ...: at every length the shares are those of B-ALL."""
    shares = np.array([look.share for look in _LOOKS.values()])
    counts = images * shares // shares.sum() + 2
    at = np.concatenate([(np.arange(n) + 0.5) / s for n, s in zip(counts, shares, strict=True)])
    return np.repeat(np.arange(len(shares)), counts)[np.argsort(at, kind="stable")][:images]


def _deal_people(seed: int, which: int, count: int) -> list[int]:
    """Person of each image of a class, in the order of its numbers."""
    # One stream for lengths alone: a longer class begins as a shorter one does.
    lengths = open_stream(seed, _PEOPLE, which).integers(*_RUN, size=count)
    return np.repeat(np.arange(count), lengths)[:count].tolist()


def _is_copy(seed: int, number: int) -> bool:
    """Whether an image shows the picture of the number before it."""
    return number % 2 == 1 and open_stream(seed, _TWIN, number).random() < _TWINS


# The drawing ---------------------------------------------------------------------------


def _write_smear(root: str, task: _Task) -> None:
    which = list(_LOOKS).index(task.label)
    person = draw_person(open_stream(task.seed, _PERSON, which, task.person), task.label)
    rng = open_stream(task.seed, _FIELD, which, task.number)
    picture = draw_smear(rng, task.label, person, size=task.size)
    Image.fromarray(picture).save(Path(root, task.path), quality=_QUALITY)


def draw_person(rng: np.random.Generator, label: str) -> Person:
    """Draw a person's slide and microscope around the means of a class.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    label : {"Benign", "Early", "Pre", "Pro"}

    Returns
    -------
    Person
    """
    look, stain = _LOOKS[label], draw_stain(rng)
    tone = rng.normal(0, (0.05, 0.04, 0.02)) + rng.normal(0, 0.05)
    tint = rng.normal(0, look.spread) * np.array([1.0, 0.5, -0.6])
    ground = np.log(np.array(look.ground) / 255) + tint + rng.normal(0, 0.6 * look.spread)
    crowd, red_cells, dye = np.exp(rng.normal(0, (0.20, 0.18, 0.14)))
    return Person(
        stain=replace(stain, colour=tuple((np.log(look.colour) + tone).tolist())),
        ground=tuple(ground.tolist()),
        crowd=float(crowd),
        red_cells=float(red_cells),
        dye=float(dye),
        pallor=float(rng.uniform(0.25, 0.8)),
        focus=float(rng.uniform(0.35, 0.9)),
    )


def draw_smear(
    rng: np.random.Generator, label: str, person: Person, *, size: int = _FULL
) -> np.ndarray:
    """Draw one field of a smear: red cells, platelets and stained nuclei on pale ground.

    Parameters
    ----------
    rng : numpy.random.Generator
        The only source of chance.
    label : {"Benign", "Early", "Pre", "Pro"}
    person : Person
        Whose slide it is.
    size : int
        Side of the picture in pixels; it shows the same field at every size.

    Returns
    -------
    numpy.ndarray
        uint8, (size, size, 3), RGB.
    """
    look, unit, light = _LOOKS[label], size / _FULL, draw_light(rng)
    logs = _draw_ground(rng, person, size) + np.float32(light).reshape(3, 1, 1) * 0.3
    taken: list[tuple[float, float, float]] = []
    pieces = _draw_nuclei(rng, label, person, light, unit=unit)
    places = [_find_place(rng, max(piece.shape) / unit / 2, taken) for piece, _ in pieces]
    for _ in range(rng.poisson(look.red_cells * person.red_cells)):
        _add_red_cell(rng, logs, person, taken, unit)
    for _ in range(rng.poisson(5)):
        spot = (*rng.uniform(0, _FULL, 2), rng.uniform(0.7, 1.7))
        _add_disc(logs, spot, _PLATELET * np.float32(rng.uniform(0.2, 0.9)), unit)
    for (_, alpha), place in zip(pieces, places, strict=True):
        _add_plasma(logs, alpha, place, unit)
    picture = np.exp(logs.clip(max=0)) * 255
    for (piece, alpha), place in zip(pieces, places, strict=True):
        _lay_over(picture, piece, alpha, place, unit)
    picture = ndimage.gaussian_filter(picture, (0, person.focus * unit, person.focus * unit))
    picture += rng.standard_normal(picture.shape, "f4") * np.float32(1.3)
    return np.clip(np.rint(picture), 0, 255).astype("u1").transpose(1, 2, 0)


def _draw_ground(rng: np.random.Generator, person: Person, size: int) -> np.ndarray:
    """Log of the light between the cells: tinted, cloudy, darker to one side."""
    y, x = np.mgrid[-1 : 1 : size * 1j, -1 : 1 : size * 1j].astype("f4")
    slope_y, slope_x = rng.normal(0, 0.015, 2).astype("f4")
    shade = slope_y * y + slope_x * x - np.float32(0.02) * (y * y + x * x)
    cloud = ndimage.zoom(rng.normal(0, 0.012, (6, 6)).astype("f4"), size / 6, order=1)
    tint = np.float32(person.ground) + rng.normal(0, 0.004, 3).astype("f4")
    return tint.reshape(3, 1, 1) + (shade + cloud[:size, :size])


def _draw_nuclei(
    rng: np.random.Generator,
    label: str,
    person: Person,
    light: tuple[float, float, float],
    *,
    unit: float,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Colour (3, rows, columns) and cover (0 to 1) of each nucleus of a field."""
    look, pieces = _LOOKS[label], []
    # The class ALL has a median of 36,000 square pixels, 214 across.
    scale = look.width / 214 * unit
    paler = np.array(person.stain.colour) + (0.32, 0.36, 0.14)
    for _ in range(max(1, rng.poisson(look.nuclei * person.crowd))):
        other = rng.random() < look.others
        stain, grown = person.stain, 1.0
        if other:
            stain = replace(stain, colour=tuple(paler.tolist()))
            grown = rng.uniform(1.05, 1.5)
        piece = draw_piece(rng, label, stain, light, scale=2 * scale * grown)
        pieces.append(_halve(piece))
    return pieces


def _halve(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A piece drawn at twice the size as colours and cover: its outline becomes smooth."""
    rows, columns = (n // 2 * 2 + 2 for n in piece.shape[:2])
    whole = np.zeros((rows, columns, 3), "f4")
    whole[: piece.shape[0], : piece.shape[1]] = piece
    fours = whole.reshape(rows // 2, 2, columns // 2, 2, 3)
    cover = fours.any(4).mean((1, 3), dtype="f4")
    colours = fours.mean((1, 3)) / np.maximum(cover, 0.25)[..., None]
    return colours.transpose(2, 0, 1), cover


def _find_place(
    rng: np.random.Generator, radius: float, taken: list[tuple[float, float, float]]
) -> tuple[float, float, float]:
    """Middle (y, x) and radius of a cell that hardly overlaps others, where there is room."""
    others = np.array(taken, "f4").reshape(-1, 3)
    for _ in range(12):
        y, x = rng.uniform(-0.5 * radius, _FULL + 0.5 * radius, 2)
        gaps = np.hypot(others[:, 0] - y, others[:, 1] - x) - 0.85 * (others[:, 2] + radius)
        if not len(gaps) or gaps.min() > 0:
            break
    taken.append((y, x, radius))
    return taken[-1]


def _add_red_cell(
    rng: np.random.Generator,
    logs: np.ndarray,
    person: Person,
    taken: list[tuple[float, float, float]],
    unit: float,
) -> None:
    place = _find_place(rng, rng.normal(8.3, 0.6), taken)
    dye = _RED_CELL * np.float32(person.dye * np.exp(rng.normal(0, 0.15)))
    pallor = np.clip(person.pallor + rng.normal(0, 0.15), 0, 0.9)
    _add_disc(logs, place, dye, unit, pallor=pallor, oval=rng.normal(0, 0.06))


def _add_disc(
    logs: np.ndarray,
    place: tuple[float, float, float],
    dye: np.ndarray,
    unit: float,
    *,
    pallor: float = 0.0,
    oval: float = 0.0,
) -> None:
    """Darken a round cell in place, less in its middle, most in the ring around that."""
    y, x, radius = (value * unit for value in place)
    box = _box(y, x, radius + 2, logs.shape[1])
    rows, columns = np.ogrid[box]
    off = np.hypot((rows - y) * (1 + oval), (columns - x) * (1 - oval)).astype("f4")
    edge = np.clip((radius - off) / max(unit, 0.5) + 0.5, 0, 1)
    hollow = 1 - np.float32(pallor) * np.exp(-((off / (0.5 * radius)) ** 2))
    logs[:, *box] -= dye * (edge * hollow)


def _box(y: float, x: float, reach: float, size: int) -> tuple[slice, slice]:
    """Rows and columns around a point that lie in the picture."""
    return tuple(
        slice(min(max(int(middle - reach), 0), size), min(max(int(middle + reach) + 1, 0), size))
        for middle in (y, x)
    )


def _add_plasma(
    logs: np.ndarray, alpha: np.ndarray, place: tuple[float, float, float], unit: float
) -> None:
    """A narrow hem of cytoplasm around a nucleus."""
    pad = int(np.ceil(4 * unit))
    wide = ndimage.gaussian_filter(np.pad(alpha, pad), 1.6 * unit)
    into, out = _overlap(wide.shape, place, unit, logs.shape[1])
    logs[:, *into] -= _PLASMA * np.clip(4 * wide[out], 0, 1)


def _lay_over(
    picture: np.ndarray,
    piece: np.ndarray,
    alpha: np.ndarray,
    place: tuple[float, float, float],
    unit: float,
) -> None:
    into, out = _overlap(alpha.shape, place, unit, picture.shape[1])
    cover = alpha[out]
    picture[:, *into] += cover * (piece[:, *out] - picture[:, *into])


def _overlap(
    shape: tuple[int, ...], place: tuple[float, float, float], unit: float, size: int
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where a piece around `place` meets the picture: slices of the picture and of the piece."""
    into, out = [], []
    for have, middle in zip(shape, place[:2], strict=True):
        start = round(middle * unit - have / 2)
        low = min(max(start, 0), size)
        high = max(min(start + have, size), low)
        into.append(slice(low, high))
        out.append(slice(low - start, high - start))
    return tuple(into), tuple(out)
