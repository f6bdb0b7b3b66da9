"""Measurements that claims rest on: outlines of nuclei by class, and images as they are fed."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from .cropping import find_nucleus
from .errors import DataError
from .images import read_image
from .parallel import map_images
from .splits import require_subjects

__all__ = ["OUTLINES", "measure_inputs", "measure_outlines", "rate_outlines"]

OUTLINES = ("circularity", "solidity")


def measure_outlines(cells: pd.DataFrame) -> pd.DataFrame:
    """Roundness of the nucleus of each image.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table of C-NMC or synthetic cells.

    Returns
    -------
    pandas.DataFrame
        Index as in `cells`; `circularity`, 4 pi area / perimeter squared, 1 for a disc;
        `solidity`, area / area of the convex hull, 1 without clefts.

    Raises
    ------
    DataError, ImageError
        When an image shows no nucleus or cannot be read.
    """
    rows = list(map_images(_outline, list(cells.path), title="outlines"))
    return pd.DataFrame(rows, columns=list(OUTLINES), index=cells.index)


def _outline(path: str) -> list[float]:
    import cv2

    mask = find_nucleus(read_image(path)).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not found:
        raise DataError(
            "This image shows nothing but background.", where=path, remedy="Leave it out."
        )
    largest = max(found, key=cv2.contourArea)
    area, length = cv2.contourArea(largest), cv2.arcLength(largest, True)
    hull = cv2.contourArea(cv2.convexHull(largest))
    return [4 * np.pi * area / length**2, area / hull]


def rate_outlines(cells: pd.DataFrame, *, resamples: int = 1000, seed: int = 2019) -> dict:
    """How well roundness tells HEM from ALL.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with groups; rows without a label are left out.
    resamples : int
        Of the groups of each class, for the intervals.
    seed : int

    Returns
    -------
    dict
        For each of `OUTLINES` the area under the curve `auc`, its 95 % interval `low` and
        `high`, and the quartiles of `ALL` and `HEM`.

    Raises
    ------
    SplitError
        When an image names no subject.
    DataError, ImageError
        As `measure_outlines`.
    """
    table = require_subjects(cells[cells.label.notna()].reset_index(drop=True))
    values, normal = measure_outlines(table), (table.label == "HEM").to_numpy()
    rng = np.random.default_rng(seed)
    return {
        name: _separation(values[name].to_numpy(), normal, table.group.to_numpy(), resamples, rng)
        for name in OUTLINES
    }


def _separation(
    values: np.ndarray,
    normal: np.ndarray,
    groups: np.ndarray,
    resamples: int,
    rng: np.random.Generator,
) -> dict:
    """Area under the curve with its interval from resampled groups, and quartiles by class."""
    rows = {name: np.flatnonzero(groups == name) for name in np.unique(groups)}
    names = [np.unique(groups[normal == kind]) for kind in (True, False)]
    draws = []
    for _ in range(resamples):
        drawn = [rows[g] for kind in names for g in rng.choice(kind, len(kind))]
        taken = np.concatenate(drawn)
        draws.append(roc_auc_score(normal[taken], values[taken]))
    low, high = np.quantile(draws, [0.025, 0.975])
    quartiles = {
        label: [round(float(q), 4) for q in np.quantile(values[normal == kind], [0.25, 0.5, 0.75])]
        for label, kind in (("ALL", False), ("HEM", True))
    }
    auc = float(roc_auc_score(normal, values))
    return {"auc": round(auc, 4), "low": round(float(low), 4), "high": round(float(high), 4),
            **quartiles}  # fmt: skip


def measure_inputs(cells: pd.DataFrame) -> dict:
    """Size and colour of images in the range 0 to 1.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    dict
        `mean` and `deviation` of R, G, B over all pixels, `sides` (widths and heights that
        occur), `classes` (images of each).

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    rows = np.array(list(map_images(_colours, list(cells.path), title="inputs")))
    mean = rows[:, :3].mean(axis=0)
    deviation = np.sqrt(rows[:, 3:6].mean(axis=0) - mean**2)
    sides = sorted({(int(width), int(height)) for width, height in rows[:, 6:]})
    return {
        "mean": [round(float(value), 4) for value in mean],
        "deviation": [round(float(value), 4) for value in deviation],
        "sides": [list(pair) for pair in sides],
        "classes": {str(k): int(n) for k, n in cells.label.value_counts().sort_index().items()},
    }


def _colours(path: str) -> list[float]:
    image = read_image(path).astype(np.float64) / 255
    height, width = image.shape[:2]
    return [*image.mean(axis=(0, 1)), *(image**2).mean(axis=(0, 1)), width, height]
