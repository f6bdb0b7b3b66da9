"""The report's augmentation: a plan of (image, symmetry) pairs, drawn by Augmentor.

Augmentor's two rotations and two flips can only give the eight symmetries of the square.
So twenty thousand pictures need not be written: a plan that says which image appears in
which of its eight forms is the same data set, and fits any store. The draws come from
Augmentor itself, run on a probe of 2 by 2 pixels in one thread on a sorted list, which
makes them repeatable.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import cpu_count
from PIL import Image

from .errors import AugmentationError, DiskError
from .files import locked, whole_folder
from .images import read_bmp_rows
from .parallel import map_images

__all__ = [
    "OPERATIONS",
    "SYMMETRIES",
    "apply_symmetries",
    "apply_symmetry",
    "copy_probability",
    "draw_change",
    "firing_probability",
    "measure_firing",
    "plan_augmentation",
    "plan_balance",
    "vary_image",
    "write_augmented",
]

SYMMETRIES = (
    "identity", "rotate 90", "rotate 180", "rotate 270",
    "mirror", "mirror, rotate 90", "mirror, rotate 180", "mirror, rotate 270",
)  # fmt: skip
OPERATIONS = ("rotate90", "rotate270", "flip_left_right", "flip_top_bottom")
_BMP_HEADER = 54  # bytes


def apply_symmetry(image: np.ndarray, symmetry: int) -> np.ndarray:
    """Mirror left to right if `symmetry` is 4 or more, then turn counter-clockwise.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (..., side, side, channels): one square image or a batch.
    symmetry : int
        0 to 7, a place in `SYMMETRIES`.

    Returns
    -------
    numpy.ndarray
        Same shape and dtype; a view.
    """
    mirrored = image[..., ::-1, :] if symmetry >= 4 else image
    return np.rot90(mirrored, k=symmetry % 4, axes=(-3, -2))


def apply_symmetries(images: np.ndarray, symmetries: np.ndarray) -> np.ndarray:
    """Apply to each image of a batch its own symmetry.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (n, side, side, channels).
    symmetries : numpy.ndarray
        Shape (n,), integers 0 to 7.

    Returns
    -------
    numpy.ndarray
        Same shape and dtype, a copy.
    """
    images = np.asarray(images)  # each picture of a memory map would be one itself, which costs
    turned = np.empty(images.shape, images.dtype)
    turn = _turn_bytes if images.dtype == np.uint8 and images.shape[-1] == 3 else _turn
    for image, target, symmetry in zip(images, turned, symmetries.tolist(), strict=True):
        turn(image, target, symmetry)
    return turned


def _turn(image: np.ndarray, target: np.ndarray, symmetry: int) -> None:
    target[:] = apply_symmetry(image, symmetry)


def _turn_bytes(image: np.ndarray, target: np.ndarray, symmetry: int) -> None:
    """The same for RGB pictures, in a fifth of the time."""
    import cv2

    if symmetry == 0:
        target[:] = image
    elif symmetry in (4, 6):
        cv2.flip(image, 1 if symmetry == 4 else 0, target)
    elif symmetry == 5:
        cv2.transpose(image, target)
    elif symmetry == 7:
        cv2.flip(cv2.transpose(image), -1, target)
    else:
        turns = (cv2.ROTATE_90_COUNTERCLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)
        cv2.rotate(image, turns[symmetry - 1], target)


def plan_augmentation(
    cells: pd.DataFrame, *, samples: int = 20_000, probability: float = 0.5, seed: int = 7
) -> pd.DataFrame:
    """Draw the report's augmented training set without writing a picture.

    Parameters
    ----------
    cells : pandas.DataFrame
        Rows to augment; with a column `part` they must all be `train`, because a copy of
        a validation image in the training set would be the image itself.
    samples : int
        Number of pictures, drawn with replacement.
    probability : float
        Nominal probability of each of the four operations, above 0 and at most 1.
    seed : int
        Seed of Augmentor.

    Returns
    -------
    pandas.DataFrame
        `image` (str) and `symmetry` (uint8, see `SYMMETRIES`), one row per picture.

    Raises
    ------
    AugmentationError
        When there is nothing to augment, a parameter is out of range, or an image is not
        of the training part.

    Notes
    -----
    Source: figure 11 of the report (`mir2019report`).
    """
    _check_plan(cells, samples, probability)
    names = sorted(cells.image)
    pipeline = _report_pipeline(len(names), probability)
    forms = {_key(apply_symmetry(_probe(), number)): number for number in range(8)}
    with _seeded(seed):
        # The order of draws is that of Augmentor's own `sample`: first all images, then
        # the operations picture by picture.
        pictures = [random.choice(pipeline.augmentor_images) for _ in range(samples)]
        results = [np.asarray(pipeline._execute(p, save_to_disk=False)) for p in pictures]
    plan = pd.DataFrame(
        {
            "image": [names[picture.class_label_int] for picture in pictures],
            "symmetry": [forms[_key(result)] for result in results],
        }
    )
    return plan.astype({"image": "string", "symmetry": "uint8"})


def plan_balance(cells: pd.DataFrame, *, seed: int = 7) -> pd.DataFrame:
    """Fill the smaller classes of a training part up, so that all have as many pictures.

    Each image stands once as it is. A class that lacks pictures gets its images again in an
    order drawn from the seed, each time under another of the seven symmetries that change
    them, so that no picture comes twice before each image has been shown in all eight.

    Parameters
    ----------
    cells : pandas.DataFrame
        Rows of the training part; with a column `part` they must all be `train`.
    seed : int
        Seed of the draws.

    Returns
    -------
    pandas.DataFrame
        As `plan_augmentation`.

    Raises
    ------
    AugmentationError
        When there is no image, or one is not of the training part.

    Notes
    -----
    Source: the poster names it as future work (`unnithan2021poster`). Done before a split it
    would put copies of one cell on both sides.
    """
    _check_plan(cells, 1, 1.0)
    most = cells.label.value_counts().max()
    generator = np.random.default_rng(seed)
    plans = []
    for _, names in cells.sort_values("image").groupby("label").image:
        turns = [generator.permutation(np.arange(1, 8)) for _ in names]
        order = generator.permutation(len(names))
        more = np.resize(order, most - len(names))
        rounds = np.arange(len(more)) // len(names)
        symmetries = [turns[row][turn % 7] for row, turn in zip(more, rounds, strict=True)]
        plans.append(pd.DataFrame({"image": names, "symmetry": 0}))
        plans.append(pd.DataFrame({"image": names.to_numpy()[more], "symmetry": symmetries}))
    plan = pd.concat(plans, ignore_index=True)
    return plan.astype({"image": "string", "symmetry": "uint8"})


def _check_plan(cells: pd.DataFrame, samples: int, probability: float) -> None:
    if "part" in cells and not (cells.part == "train").all():
        raise AugmentationError(
            "Images outside the training part would be augmented.",
            where=cells.image[cells.part != "train"].iloc[0],
            remedy="Pass `split.part('train')` only.",
        )
    if samples < 1 or cells.empty:
        raise AugmentationError(
            f"{samples} pictures cannot be drawn from {len(cells)} images.",
            remedy="Ask for at least one picture of at least one image.",
        )
    if not 0 < probability <= 1:
        raise AugmentationError(
            f"{probability} is no probability that Augmentor accepts.",
            remedy="Choose a number above 0 and at most 1.",
        )


def _probe() -> np.ndarray:
    """2x2 picture whose four pixels differ, so that each symmetry shows."""
    return np.arange(12, dtype=np.uint8).reshape(2, 2, 3)


def _key(image: np.ndarray) -> bytes:
    return np.ascontiguousarray(image).tobytes()


def _report_pipeline(images: int, probability: float):
    """Augmentor's pipeline as the report set it up, over numbered probes."""
    from Augmentor import Pipeline
    from Augmentor.ImageUtilities import AugmentorImage

    pipeline = Pipeline()
    probe = Image.fromarray(_probe())
    pipeline.augmentor_images = [
        AugmentorImage(None, None, pil_images=probe, class_label_int=row) for row in range(images)
    ]
    for operation in OPERATIONS:
        getattr(pipeline, operation)(probability=probability)
    return pipeline


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's global generator, which Augmentor draws from, and give it back."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def vary_image(
    image: np.ndarray,
    generator: np.random.Generator,
    *,
    brightness: float,
    contrast: float,
    rotation: float,
    flips: bool,
) -> np.ndarray:
    """Image turned, mirrored and changed in brightness and contrast at random.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (side, side, 3), uint8.
    generator : numpy.random.Generator
        Source of the draws.
    brightness, contrast : float
        All grey levels, and their distance from the image's mean, are multiplied by a
        factor drawn from 1 - share to 1 + share.
    rotation : float
        Largest angle in degrees, to either side. What a turn uncovers is filled by
        mirroring.
    flips : bool
        Mirror left-right and top-bottom, each with probability 1/2.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `image`.

    Notes
    -----
    Source: kinds of change from the sheet `ball2023densenet`, which gives no amounts.
    """
    angle, bright, contrasting, *mirror = draw_change(
        generator, brightness=brightness, contrast=contrast, rotation=rotation, flips=flips
    )
    varied = _turned(image, angle) if rotation else image
    varied = varied[:: -1 if mirror[0] else 1, :: -1 if mirror[1] else 1]
    levels = varied.astype(np.float32) * np.float32(bright)
    mean = levels.mean()
    levels = mean + (levels - mean) * np.float32(contrasting)
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)


def draw_change(
    generator: np.random.Generator,
    *,
    brightness: float,
    contrast: float,
    rotation: float,
    flips: bool,
) -> np.ndarray:
    """What `vary_image` does to one image, drawn at random; see there.

    Returns
    -------
    numpy.ndarray
        Shape (5,), float64: angle in degrees (counter-clockwise), factor of brightness,
        factor of contrast, and 1 where the image is mirrored top to bottom and left to
        right, else 0.
    """
    angle, bright, contrasting = generator.uniform(-1, 1, 3)
    mirror = generator.integers(0, 2, 2) if flips else (0, 0)
    return np.array(
        [angle * rotation, 1 + bright * brightness, 1 + contrasting * contrast, *mirror]
    )


def _turned(image: np.ndarray, degrees: float) -> np.ndarray:
    side = image.shape[0]
    edge = min(side - 1, -(-side * 21 // 100))  # a turn by 45 degrees needs 0.21 of the side
    wide = np.pad(image, ((edge, edge), (edge, edge), (0, 0)), mode="reflect")
    turned = Image.fromarray(wide).rotate(degrees, Image.Resampling.BILINEAR)
    return np.asarray(turned)[edge : edge + side, edge : edge + side]


def firing_probability(probability: float) -> float:
    """Probability with which Augmentor really applies an operation.

    It compares a uniform number *rounded to one decimal* with the nominal probability, so
    that each tenth from 0.1 to 0.9 stands for an interval of width 0.1, while 0 and 1
    stand for half of one.

    Parameters
    ----------
    probability : float
        Nominal probability, between 0 and 1.

    Returns
    -------
    float
    """
    tenths = int(np.floor(probability * 10 + 1e-9))
    return 1.0 if tenths >= 10 else tenths / 10 + 0.05


def copy_probability(probability: float) -> float:
    """Probability that the report's four operations leave a picture as it was.

    The two rotations must both fire or both stay, and no mirror may fire.

    Parameters
    ----------
    probability : float
        True probability with which each operation fires, between 0 and 1.

    Returns
    -------
    float
    """
    stay = 1 - probability
    return (probability**2 + stay**2) * stay**2


def measure_firing(probability: float, *, draws: int = 20_000, seed: int = 7) -> float:
    """Share of draws in which Augmentor applied an operation of nominal `probability`.

    Parameters
    ----------
    probability : float
        Nominal probability, above 0 and at most 1.
    draws : int
        Number of draws.
    seed : int
        Seed of Augmentor.

    Returns
    -------
    float
    """
    from Augmentor import Pipeline
    from Augmentor.ImageUtilities import AugmentorImage

    pipeline = Pipeline()
    pipeline.flip_left_right(probability=probability)
    picture = AugmentorImage(None, None, pil_images=Image.fromarray(_probe()))
    untouched = _key(_probe())
    with _seeded(seed):
        fired = [
            _key(np.asarray(pipeline._execute(picture, save_to_disk=False))) != untouched
            for _ in range(draws)
        ]
    return float(np.mean(fired))


def write_augmented(cells: pd.DataFrame, plan: pd.DataFrame, folder: str | Path) -> Path:
    """Write the pictures of a plan as BMP files, as the report's notebook did.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table that holds every image of the plan.
    plan : pandas.DataFrame
        As `plan_augmentation` gives.
    folder : path-like
        New folder; class folders `all`, `hem`, ... are made in it. Names are
        `<number>_<image>_s<symmetry>.bmp`, so that the same plan writes the same files.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    AugmentationError
        When the folder exists, or an image of the plan is not in the table or has no class.
    DiskError
        When the disk is too small (checked first) or cannot be written.
    """
    folder = Path(folder)
    chosen = _chosen(cells, plan)
    with locked(folder):
        if folder.exists():
            raise AugmentationError(
                "The folder for the augmented pictures exists already.",
                where=folder,
                remedy="Remove it or choose another one; nothing is overwritten.",
            )
        _require_space(folder, _bytes_as_bmp(chosen))
        with whole_folder(folder) as partial_folder:
            for label in chosen.label.unique():
                (partial_folder / label.lower()).mkdir()
            items = _pictures_by_image(chosen, plan, partial_folder)
            # More threads than cores, as Python's own pools have: some wait for the disk.
            workers = min(32, cpu_count() + 4)
            written = map_images(
                _write_pictures, items, title="augmenting", threads=True, workers=workers
            )
            for _ in written:
                pass
    return folder


def _chosen(cells: pd.DataFrame, plan: pd.DataFrame) -> pd.DataFrame:
    """Row of the cell table for each picture of the plan, indexed by image."""
    rows = cells[cells.label.notna()].set_index("image")
    unknown = sorted(set(plan.image) - set(rows.index))
    if unknown:
        raise AugmentationError(
            "The plan names an image that the cell table lacks, or that has no class.",
            where=unknown[0],
            remedy="Draw the plan from the labelled images of this table.",
        )
    return rows.loc[plan.image]


def _bytes_as_bmp(chosen: pd.DataFrame) -> int:
    """Disk space of 24-bit BMP files: a header, and rows filled up to four bytes."""
    row = (chosen.width * 3 + 3) // 4 * 4
    return int((row * chosen.height + _BMP_HEADER).sum())


def _pictures_by_image(
    chosen: pd.DataFrame, plan: pd.DataFrame, folder: Path
) -> list[tuple[str, list[tuple[Path, int]]]]:
    """Path of each image with the files to make of it, so that it is read once."""
    pictures: dict[str, list[tuple[Path, int]]] = {}
    rows = zip(chosen.index, chosen.path, chosen.label, plan.symmetry, strict=True)
    for number, (name, path, label, symmetry) in enumerate(rows):
        target = folder / label.lower() / f"{number:06d}_{name}_s{symmetry}.bmp"
        pictures.setdefault(path, []).append((target, int(symmetry)))
    return list(pictures.items())


def _write_pictures(item: tuple[str, list[tuple[Path, int]]]) -> None:
    path, pictures = item
    rows = read_bmp_rows(path)
    height, width = rows.shape[:2]
    upright, lying = _empty_bmp(width, height), _empty_bmp(height, width)
    for target, symmetry in pictures:
        data, pixels = lying if symmetry % 2 else upright
        _turn_rows(rows, symmetry, pixels)
        with target.open("xb") as file:
            file.write(data)


def _empty_bmp(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes of a black 24-bit BMP file, the same as Pillow's, and a view of its pixels."""
    stride = (width * 3 + 3) // 4 * 4  # rows are filled up to four bytes
    size, per_metre = stride * height, 3780  # 96 dots per inch
    header = struct.pack(
        "<2sIIIIiiHHIIiiII", b"BM", _BMP_HEADER + size, 0, _BMP_HEADER,
        40, width, height, 1, 24, 0, size, per_metre, per_metre, 0, 0,
    )  # fmt: skip
    data = np.zeros(_BMP_HEADER + size, np.uint8)
    data[:_BMP_HEADER] = np.frombuffer(header, np.uint8)
    rows = data[_BMP_HEADER:].reshape(height, stride)[:, : 3 * width]
    return data, rows.reshape(height, width, 3)


def _turn_rows(rows: np.ndarray, symmetry: int, into: np.ndarray) -> None:
    """Fill `into` with an image in one of its forms; the first row of both is the lowest."""
    import cv2  # ten times as fast as NumPy with pixels of three bytes

    if symmetry % 2:
        rows = cv2.transpose(rows, dst=into)
    # About the horizontal axis (0), the vertical one (1) or both (-1).
    axis = (None, 1, -1, 0, 1, -1, 0, None)[symmetry]
    if axis is not None:
        cv2.flip(rows, axis, dst=into)
    elif symmetry == 0:
        into[:] = rows


def _require_space(folder: Path, needed: int) -> None:
    place = next(parent for parent in folder.absolute().parents if parent.exists())
    free = shutil.disk_usage(place).free
    if needed > free:
        raise DiskError(
            f"The pictures need {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free.",
            where=folder,
            remedy="Free some space, write fewer pictures, or train from the plan, which "
            "needs none.",
        )
