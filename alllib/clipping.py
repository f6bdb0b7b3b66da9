"""What a centred crop cuts off the nuclei of a data set."""

from __future__ import annotations

import pandas as pd
from scipy.stats import rankdata

from .cropping import count_clipped, crop_center, find_nucleus, measure_nuclei
from .images import read_image

__all__ = ["measure_clipping"]

FEW = 50  # pixels: less may be noise of the compression and not nucleus


def measure_clipping(cells: pd.DataFrame, crop: int = 400) -> dict:
    """How many nuclei a centred crop clips, and how much of each.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with two classes.
    crop : int
        Side of the crop in pixels.

    Returns
    -------
    dict
        `images`, `clipped` (nuclei with a pixel outside the crop), `clipped_more` (with at
        least 50), `clipped_share`; `classes`: for each class `images`, `clipped`, `share`,
        `median_area` (pixels); `largest_reach` (side of the smallest centred square that
        holds every nucleus, pixels); `median_loss` (share of its pixels that a clipped
        nucleus loses); `area_auc` (AUC of the nucleus area, the larger being the first class).

    Raises
    ------
    ImageError, DataError
        See `alllib.cropping.measure_nuclei`.
    """
    nuclei = measure_nuclei(cells)
    clipped = nuclei[nuclei.reach > crop]
    lost = pd.Series(
        [_lost(cells.path[row], crop) for row in clipped.index], clipped.index, dtype=float
    )
    areas = nuclei.groupby("label", observed=True).area.median()
    classes = {
        row.label: {
            "images": row.images,
            "clipped": row.clipped,
            "share": round(row.share, 5),
            "median_area": float(areas[row.label]),
        }
        for row in count_clipped(nuclei, [crop]).itertuples()
    }
    return {
        "images": len(nuclei),
        "clipped": len(clipped),
        "clipped_more": int((lost >= FEW).sum()),
        "clipped_share": round(len(clipped) / len(nuclei), 5),
        "classes": classes,
        "largest_reach": int(nuclei.reach.max()),
        "median_loss": round(float((lost / clipped.area).median()), 5) if len(clipped) else 0.0,
        "area_auc": round(_auc(nuclei), 4),
    }


def _lost(path: str, crop: int) -> int:
    """Pixels of a nucleus outside the crop."""
    mask = find_nucleus(read_image(path))
    return int(mask.sum() - crop_center(mask[..., None], crop).sum())


def _auc(nuclei: pd.DataFrame) -> float:
    """AUC of the area: the probability that a cell of the first class has the larger nucleus."""
    first = (nuclei.label == sorted(nuclei.label.unique())[0]).to_numpy()
    ranks, number = rankdata(nuclei.area), int(first.sum())
    wins = ranks[first].sum() - number * (number + 1) / 2
    return float(wins / (number * (len(nuclei) - number)))
