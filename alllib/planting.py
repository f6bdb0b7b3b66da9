"""Copies planted on purpose, to measure what the search for duplicates finds and misses."""

from __future__ import annotations

import functools
import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from scipy.stats import binomtest

from .augmentation import apply_symmetry
from .duplicates import Duplicates, find_duplicates
from .errors import ParameterError
from .files import whole_file, workspace
from .images import read_image
from .parallel import map_images

__all__ = ["CHANGES", "PlantedResult", "change_image", "measure_search", "plant_duplicates",
           "score_planted"]  # fmt: skip

CHANGES = ("shift", "symmetry", "jpeg", "brightness", "all four")
ORIGINALS = 2000  # images that copies are planted among, where there are so many
SEED = 2019  # of the draw, the choice and the changes
SHIFT = 10  # pixels, the most in each direction
QUALITY = 80  # of a re-encoded copy
BRIGHTNESS = 0.05  # brighter or darker by this share


@dataclass(frozen=True)
class PlantedResult:
    """How well planted copies were found.

    Attributes
    ----------
    planted, found : int
        Copies, and those found as a pair with their original.
    before : int
        Pairs among the originals that were known or found before anything was planted.
    pairs : int
        Pairs judged: those found with the copies there, without the ones of `before` and
        what follows from them (a copy and the other image of its original's pair).
    wrong : int
        Those of them that were not planted. Such a pair may show one cell all the same, which
        the first search missed; nobody has looked, so it counts against the search.
    recall, precision : tuple of float
        Value, and the ends of its 95 % interval (Wilson).
    by_change : dict
        Change to `planted` and `found`.
    """

    planted: int
    found: int
    before: int
    pairs: int
    wrong: int
    recall: tuple[float, float, float]
    precision: tuple[float, float, float]
    by_change: dict[str, dict[str, int]]


def measure_search(
    cells: pd.DataFrame,
    known: Duplicates,
    *,
    count: int = 500,
    originals: int = ORIGINALS,
    seed: int = SEED,
) -> PlantedResult:
    """Plant copies among images as they come, and search for them.

    The originals are searched first, alone: what is found there was not planted and is
    neither right nor wrong.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    known : Duplicates
        Found in all of it; its pairs are known before, too.
    count, originals : int
        Copies, and images that they are planted among: all, or so many drawn.
    seed : int
        Of the draw, the choice and the changes.

    Returns
    -------
    PlantedResult

    Raises
    ------
    ParameterError
        When there are fewer images than copies to be made.
    """
    check_count(cells, count, originals=originals)
    drawn = cells
    if len(cells) > originals:
        drawn = cells.sample(originals, random_state=seed).sort_index()
    drawn = drawn.reset_index(drop=True)
    folder = workspace() / "_build" / "planted" / cells.attrs.get("dataset", "images")
    both, plan = plant_duplicates(drawn, folder, count=count, seed=seed)
    alone = find_duplicates(drawn)
    inside = known.pairs["first"].isin(drawn.image) & known.pairs["second"].isin(drawn.image)
    before = pd.concat([alone.pairs, known.pairs[inside]])[["first", "second"]]
    return score_planted(find_duplicates(both), plan, known=before)


def check_count(
    cells: pd.DataFrame, count: int, *, originals: int = ORIGINALS, where: str = "count"
) -> None:
    """Refuse a number of copies that cannot be planted, before anything is searched.

    `where` is the name under which the number was given.

    Raises
    ------
    ParameterError
        When there are fewer images than copies to be made, or none is asked for.
    """
    among = min(len(cells), originals)
    if not 1 <= count <= among:
        raise ParameterError(
            f"{count} copies cannot be planted among {among} images.",
            where=where,
            remedy=f"Give a number from 1 to {among}.",
        )


def plant_duplicates(
    cells: pd.DataFrame, folder: str | Path, *, count: int, seed: int = SEED
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write changed copies of some images, and the cell table that holds both.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    folder : path-like
        Where the copies are written; files of the same names are replaced.
    count : int
        Number of copies, each of another image; the five `CHANGES` in turn.
    seed : int
        Of the choice and of the changes.

    Returns
    -------
    tuple of pandas.DataFrame
        The table with the copies below, and the plan: `image` (of the original), `copy`,
        `change`, `symmetry` (0 to 7), `down`, `right` (pixels), `jpeg` (bool), `gain`.

    Raises
    ------
    ParameterError
        When there are fewer images than copies to be made.
    """
    check_count(cells, count, originals=len(cells))
    rng = np.random.default_rng(seed)
    chosen = cells.iloc[np.sort(rng.choice(len(cells), count, replace=False))]
    plan = pd.DataFrame([_draw(rng, number) for number in range(count)])
    plan.insert(0, "image", chosen.image.to_numpy())
    plan.insert(1, "copy", [f"copy{number}_{name}" for number, name in enumerate(plan["image"])])
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    items = list(zip(chosen.path, plan.to_dict("records"), strict=True))
    write = functools.partial(_write_copy, str(folder))
    written = pd.DataFrame(map_images(write, items, title="planting copies", threads=True))
    copies = chosen.assign(image=plan["copy"].to_numpy(), **{
        name: written[name].to_numpy() for name in ("path", "width", "height", "sha256")
    })  # fmt: skip
    both = pd.concat([cells, copies.astype(cells.dtypes)], ignore_index=True)
    both.attrs = dict(cells.attrs)
    return both, plan


def _draw(rng: np.random.Generator, number: int) -> dict:
    """One change: a kind alone, or all of them."""
    change = CHANGES[number % len(CHANGES)]
    every = change == CHANGES[-1]
    down, right = rng.integers(-SHIFT, SHIFT + 1, 2).tolist()
    symmetry, sign = int(rng.integers(1, 8)), int(rng.choice((-1, 1)))
    moved = every or change == "shift"
    return {
        "change": change,
        "symmetry": symmetry if every or change == "symmetry" else 0,
        "down": down if moved else 0,
        "right": right if moved else 0,
        "jpeg": every or change == "jpeg",
        "gain": 1 + sign * BRIGHTNESS if every or change == "brightness" else 1.0,
    }


def change_image(
    image: np.ndarray, *, symmetry: int = 0, down: int = 0, right: int = 0, gain: float = 1.0
) -> np.ndarray:
    """Turn, move and brighten an image.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (side, side, 3), uint8.
    symmetry : int
        0 to 7, see `alllib.augmentation.SYMMETRIES`.
    down, right : int
        Pixels; what enters at the edge is the edge mirrored, black on a black ground.
    gain : float
        Factor on all grey levels.

    Returns
    -------
    numpy.ndarray
        Same shape, uint8.
    """
    height, width = image.shape[:2]
    frame = [(abs(down),) * 2, (abs(right),) * 2, (0, 0)]
    wide = np.pad(apply_symmetry(image, symmetry), frame, mode="symmetric")
    top, left = abs(down) - down, abs(right) - right
    moved = wide[top : top + height, left : left + width]
    return np.clip(np.rint(moved * gain), 0, 255).astype(np.uint8)


def _write_copy(folder: str, item: tuple[str, dict]) -> dict:
    path, plan = item
    changed = {name: plan[name] for name in ("symmetry", "down", "right", "gain")}
    picture = Image.fromarray(change_image(read_image(path), **changed))
    buffer = io.BytesIO()
    if plan["jpeg"]:
        picture.save(buffer, format="JPEG", quality=QUALITY)
    else:
        picture.save(buffer, format="PNG", compress_level=1)
    target = Path(folder, plan["copy"] + (".jpg" if plan["jpeg"] else ".png"))
    with whole_file(target) as partial:
        partial.write_bytes(buffer.getvalue())
    return {"path": str(target), "width": picture.width, "height": picture.height,
            "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}  # fmt: skip


def score_planted(
    duplicates: Duplicates, plan: pd.DataFrame, *, known: pd.DataFrame | None = None
) -> PlantedResult:
    """Compare what was found with what was planted.

    Parameters
    ----------
    duplicates : Duplicates
        Found in the table with the copies.
    plan : pandas.DataFrame
        As `plant_duplicates` gives it.
    known : pandas.DataFrame, optional
        Pairs (`first`, `second`) found before anything was planted. They and what follows
        from them count neither as right nor as wrong.

    Returns
    -------
    PlantedResult

    Raises
    ------
    ParameterError
        When nothing was planted.
    """
    if plan.empty:
        raise ParameterError(
            "Nothing was planted, so nothing can be scored.",
            where="plan",
            remedy="Plant at least one copy.",
        )
    origin = dict(zip(plan["copy"], plan["image"], strict=True))
    before = set() if known is None else {
        frozenset(pair) for pair in known[["first", "second"]].to_numpy().tolist()
    }  # fmt: skip
    pairs = duplicates.pairs[["first", "second"]].to_numpy().tolist()
    roots = [frozenset(origin.get(name, name) for name in pair) for pair in pairs]
    judged = [root for root in roots if root not in before]
    wrong = sum(len(root) > 1 for root in judged)
    # A pair with one root is a copy and its original: each image is copied once.
    seen = {frozenset(pair) for pair in pairs}
    hits = [frozenset(pair) in seen for pair in zip(plan["copy"], plan["image"], strict=True)]
    counts = plan.assign(hit=hits).groupby("change", sort=False).hit.agg(["size", "sum"])
    return PlantedResult(
        planted=len(plan), found=sum(hits), before=len(before), pairs=len(judged), wrong=wrong,
        recall=_share(sum(hits), len(plan)),
        precision=_share(len(judged) - wrong, len(judged)),
        by_change={str(name): {"planted": int(row["size"]), "found": int(row["sum"])}
                   for name, row in counts.iterrows()},
    )  # fmt: skip


def _share(part: int, whole: int) -> tuple[float, float, float]:
    """Share with its 95 % interval after Wilson; not defined where there is nothing."""
    if not whole:
        return (float("nan"),) * 3
    ends = binomtest(part, whole).proportion_ci(0.95, method="wilson")
    return part / whole, float(ends.low), float(ends.high)
