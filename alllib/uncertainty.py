"""How sure a result is: by subject, against another system, and against a published one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from .agreement import (
    WIDEST,
    Spread,
    Verdict,
    kept_spread,
    same_result,
    same_rounded,
    seed_spread,
    wilson,
)
from .errors import DataError
from .evaluation import sort_alike
from .resampling import Groups, add_variances, find_groups, leave_out

__all__ = [
    "WIDEST",
    "Comparison",
    "Spread",
    "Verdict",
    "compare_paired",
    "compare_shares",
    "kept_spread",
    "mark_right",
    "same_result",
    "same_rounded",
    "seed_spread",
    "share_right",
    "subject_accuracy",
    "wilson",
]

EXACT = 12  # groups up to which every pattern of signs is tried


@dataclass(frozen=True)
class Comparison:
    """Two systems on the same images.

    Attributes
    ----------
    difference : float
        Accuracy of the first less that of the second.
    low, high : float or None
        95 % interval of Student's t, groups left out in turn; None where a class has a single
        group, and without width where every group gains alike.
    freedom : float or None
        Its degrees of freedom; None where there is no such interval.
    p : float
        How often a difference at least as large comes out when the two systems change places
        at random, group by group.
    images, groups : int
        In common.
    first_only, second_only : int
        Images that one of the two classified rightly, or in more of its trainings.
    left_out : int
        Images that only one of the tables has.
    resampled : str
        `group` or `image`.
    """

    difference: float
    low: float | None
    high: float | None
    freedom: float | None
    p: float
    images: int
    groups: int
    first_only: int
    second_only: int
    left_out: int
    resampled: str

    def as_dict(self) -> dict:
        """Plain dictionary."""
        return asdict(self)


def mark_right(predictions: pd.DataFrame) -> np.ndarray:
    """Whether the likeliest class of each row is the true one.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label` and `p_<class>`.

    Returns
    -------
    numpy.ndarray
        Shape (rows,), bool.

    Raises
    ------
    DataError
        When there is no column of probabilities.
    """
    names = [name for name in predictions if name.startswith("p_")]
    if not names:
        raise DataError("There are no predicted probabilities.", remedy="Give columns p_<class>.")
    classes = np.array([name.removeprefix("p_") for name in names])
    likeliest = classes[predictions[names].to_numpy(float).argmax(axis=1)]
    return likeliest == predictions.label.to_numpy(str)


def share_right(predictions: pd.DataFrame | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """How often each image was classified rightly by one or several trainings of a system.

    Parameters
    ----------
    predictions : pandas.DataFrame or sequence of pandas.DataFrame
        Of each training, `image`, `label`, `group` and `p_<class>`; all of the same images.

    Returns
    -------
    pandas.DataFrame
        `image, subject, group, label` as far as given, and `right`: a share from 0 to 1.

    Raises
    ------
    DataError
        When the trainings were not scored on the same images.
    """
    repeats = [predictions] if isinstance(predictions, pd.DataFrame) else list(predictions)
    tables = sort_alike(repeats)
    names = [name for name in ("image", "subject", "group", "label") if name in tables[0]]
    right = np.mean([mark_right(table) for table in tables], axis=0)
    return tables[0][names].assign(right=right)


def subject_accuracy(
    predictions: pd.DataFrame, *, by: str = "subject", level: float = 0.95
) -> pd.DataFrame:
    """Accuracy of each subject, with Wilson's interval of its cells.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label`, the column `by`, and `p_<class>`.
    by : {"subject", "group"}
    level : float

    Returns
    -------
    pandas.DataFrame
        One row per subject and class: `by`, `label`, `images`, `right`, `accuracy`, `low`,
        `high`; by class, the most images first. The interval says how well the accuracy of
        this one subject is known, and nothing of other subjects.

    Raises
    ------
    DataError
        When the data set names no subjects.
    """
    if predictions[by].isna().any():
        raise DataError(
            f"The predictions do not name the {by} of each image.",
            remedy="Use C-NMC 2019 or the synthetic cells; B-ALL names no subjects.",
        )
    table = predictions[[by, "label"]].assign(right=mark_right(predictions))
    found = table.groupby([by, "label"], observed=True).right.agg(images="size", right="sum")
    found = found.reset_index().astype({by: str, "label": str})
    found["accuracy"] = found.right / found.images
    limits = [
        wilson(int(right), int(images), level=level)
        for right, images in zip(found.right, found.images, strict=True)
    ]
    found[["low", "high"]] = np.array(limits).reshape(-1, 2)
    ordered = found.sort_values(["label", "images", by], ascending=[True, False, True])
    return ordered.reset_index(drop=True)


def compare_paired(
    first: pd.DataFrame | Sequence[pd.DataFrame],
    second: pd.DataFrame | Sequence[pd.DataFrame],
    *,
    permutations: int = 10000,
    seed: int = 1,
) -> Comparison:
    """Difference in accuracy of two systems on their common images, by group.

    Parameters
    ----------
    first, second : pandas.DataFrame or sequence of pandas.DataFrame
        `image, group, label` and `p_<class>`; of a system that was trained several times, those
        of each training, whose mean is compared.
    permutations : int
        Random patterns of signs; with `EXACT` groups or fewer all patterns are tried.
    seed : int
        Of these patterns.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        When an image stands twice in a table, no image is in both, or a label differs.

    Notes
    -----
    The interval: each group is left out in turn, within the classes where each group holds one
    (jackknife), with Student's t as of `coverage.accuracy_interval`, on the scale of the
    difference itself. Percentiles of drawn groups would be too narrow here as they are there.

    The test: were the systems alike, the images that a group gains or loses could as well
    have the other sign. Groups, not images, change sign, as groups are what is independent.
    With six groups, no difference has a p below 2 / 64. The test asks whether the two differ
    at all, the interval by how much on other people, so the two need not agree.
    """
    return compare_shares(
        share_right(first), share_right(second), permutations=permutations, seed=seed
    )


def compare_shares(
    first: pd.DataFrame, second: pd.DataFrame, *, permutations: int = 10000, seed: int = 1
) -> Comparison:
    """The same from how often each system classified each image rightly.

    Parameters
    ----------
    first, second : pandas.DataFrame
        `image, group, label, right` of `share_right`; how many trainings scored an image may
        differ from image to image.
    permutations, seed : int
        As `compare_paired`.

    Returns
    -------
    Comparison

    Raises
    ------
    DataError
        As `compare_paired`.
    """
    table = _common(first, second)
    groups = find_groups(table)
    gain, images = groups.sums(table["first"] - table.second), groups.sums(np.ones(len(table)))
    low, high, freedom = _student(gain, images, groups)
    return Comparison(
        difference=float(gain.sum() / images.sum()), low=low, high=high, freedom=freedom,
        p=_sign_flips(gain, permutations, seed), images=len(table), groups=len(groups),
        first_only=int((table["first"] > table.second).sum()),
        second_only=int((table["first"] < table.second).sum()),
        left_out=len(first) + len(second) - 2 * len(table),
        resampled="group" if groups.named else "image",
    )  # fmt: skip


def _common(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Images of both: `image, group, label`, and how often each system was right."""
    for table in (first, second):
        twice = table.image[table.image.duplicated()]
        if len(twice):
            raise DataError(
                "An image was predicted twice by one system.",
                where=twice.iloc[0],
                remedy="Compare one prediction per image.",
            )
    ours = first[["image", "group", "label", "right"]].rename(columns={"right": "first"})
    theirs = second[["image", "label", "right"]].rename(columns={"right": "second"})
    both = ours.merge(theirs, on="image", suffixes=("", "_second"), validate="one_to_one")
    if both.empty:
        raise DataError(
            "The two systems have no image in common.",
            remedy="Score both on the same part of the same split.",
        )
    other = both.label.astype(str) != both.label_second.astype(str)
    if other.any():
        raise DataError(
            "The two tables give one image two labels.",
            where=both.image[other].iloc[0],
            remedy="Score both systems on the same data set.",
        )
    return both.sort_values("image").reset_index(drop=True)


def _student(
    gain: np.ndarray, images: np.ndarray, groups: Groups
) -> tuple[float, float, float | None] | tuple[None, None, None]:
    """Limits of the difference and their degrees of freedom."""
    if not groups.several:
        return None, None, None
    strata, difference = groups.strata(), float(gain.sum() / images.sum())
    left = [leave_out(gain, images, stratum) for stratum in strata]
    moved = [(len(v) - 1) / len(v) * ((v - v.mean()) ** 2).sum() for v in left]
    variance, freedom = add_variances(moved, images, strata)
    if variance == 0:
        return difference, difference, None
    half = float(stats.t.ppf(0.975, freedom) * np.sqrt(variance))
    return difference - half, difference + half, freedom


def _sign_flips(gain: np.ndarray, permutations: int, seed: int) -> float:
    """Two-sided p of the sign-flip test; the sample itself counts among the patterns."""
    seen, moved = abs(gain.sum()), gain[gain != 0]
    if len(moved) == 0:
        return 1.0
    if len(moved) <= EXACT:
        signs = np.array(list(product((-1, 1), repeat=len(moved))))
        return float((np.abs(signs @ moved) >= seen - 1e-9).mean())
    generator = np.random.default_rng(seed)
    signs = generator.choice(np.array([-1, 1], np.int8), (permutations, len(moved)))
    return float((1 + (np.abs(signs @ moved) >= seen - 1e-9).sum()) / (permutations + 1))
