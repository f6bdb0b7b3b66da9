"""Classifiers without a CNN: what a handful of numbers per image already achieves."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier

from .cropping import find_nucleus
from .errors import DataError
from .images import read_image
from .parallel import map_images
from .splits import Split, check_certificate

__all__ = ["FEATURES", "describe_images", "predict_forest"]

QUANTILES = (0.1, 0.5, 0.9)
FEATURES = (
    "area", "box_width", "box_height", "perimeter",
    *(f"{what}_{channel}" for channel in "rgb" for what in ("mean", "deviation")),
    *(f"q{int(q * 100)}_{channel}" for channel in "rgb" for q in QUANTILES),
)  # fmt: skip


def describe_images(cells: pd.DataFrame) -> pd.DataFrame:
    """Nineteen numbers per image: size and outline of the nucleus, and its colours.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    pandas.DataFrame
        Index as in `cells`, columns `FEATURES`: area and perimeter in pixels, sides of
        the bounding box in pixels, mean, deviation and three quantiles of each colour
        channel over the nucleus in grey levels.

    Raises
    ------
    ImageError, DataError
        When an image cannot be read or shows no nucleus.
    """
    rows = list(map_images(_describe, list(cells.path), title="describing images"))
    return pd.DataFrame(rows, columns=list(FEATURES), index=cells.index)


def _describe(path: str) -> list[float]:
    image = read_image(path)
    mask = find_nucleus(image)
    if not mask.any():
        raise DataError(
            "This image shows nothing but background.", where=path, remedy="Leave it out."
        )
    down, across = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    edge = mask & ~ndimage.binary_erosion(mask)
    numbers = [mask.sum(), np.ptp(across) + 1, np.ptp(down) + 1, edge.sum()]
    pixels = image[mask]
    for channel in range(3):
        numbers += [pixels[:, channel].mean(), pixels[:, channel].std()]
    for channel in range(3):
        numbers += list(np.quantile(pixels[:, channel], QUANTILES))
    return [float(number) for number in numbers]


def predict_forest(split: Split, features: pd.DataFrame, *, seed: int = 1) -> pd.DataFrame:
    """Random forest on the training part, its probabilities on the other parts.

    Parameters
    ----------
    split : Split
        Its certificate must fit its table.
    features : pandas.DataFrame
        Numbers of each image, indexed by image name.
    seed : int
        Seed of the forest.

    Returns
    -------
    pandas.DataFrame
        `image, subject, group, label, part` and `p_<class>` of each image that was not
        trained on.

    Raises
    ------
    SplitError
        When the certificate is missing or belongs to other data.
    """
    check_certificate(split.cells, split.certificate)
    train, rest = split.part("train"), split.cells[split.cells.part != "train"]
    forest = RandomForestClassifier(300, min_samples_leaf=2, random_state=seed, n_jobs=-1)
    forest.fit(features.loc[train.image].to_numpy(), train.label.astype(str))
    # Threads would add up the trees in whatever order they finish: other last digits.
    forest.n_jobs = 1
    found = forest.predict_proba(features.loc[rest.image].to_numpy())
    table = rest[["image", "subject", "group", "label", "part"]].reset_index(drop=True)
    return pd.concat(
        [table, pd.DataFrame(found, columns=[f"p_{c}" for c in forest.classes_])], axis=1
    )
