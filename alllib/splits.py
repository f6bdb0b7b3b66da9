"""Splits into train, validation and test, each with a certificate of what crosses them."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from .datasets import data_fingerprint
from .errors import SplitError, suggest
from .files import hash_json

__all__ = [
    "PARTS",
    "PROTOCOLS",
    "Split",
    "check_certificate",
    "make_split",
    "require_subjects",
    "scored_part",
    "split_groups",
    "split_images",
]

PARTS = ("train", "validation", "test")
PROTOCOLS = ("image", "field", "subject", "group")
# What may be shared between two parts: the certificate's word and the table's column.
SHARED = {"identical images": "sha256", "fields": "field", "subjects": "subject", "groups": "group"}


@dataclass(frozen=True)
class Split:
    """A cell table with a column `part`, and the certificate that belongs to it."""

    cells: pd.DataFrame
    certificate: dict

    def part(self, name: str) -> pd.DataFrame:
        """Rows of one part."""
        return self.cells[self.cells.part == name]


def make_split(
    cells: pd.DataFrame, protocol: str, *, seed: int | None = None, folds: int = 5
) -> Split:
    """Split the labelled training images of a data set by a named protocol.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table. Rows without label and rows of the official test phases are left out.
    protocol : {"image", "field", "subject", "group"}
        `image` is the report's split; the others keep together what their name says.
    seed : int, optional
        The report's 120 for `image`, else 2019.
    folds : int
        One of `folds` equal parts is the test part, the next the validation part.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When the protocol is unknown, the data does not name subjects, or there are too
        few of them.
    """
    if protocol not in PROTOCOLS:
        raise SplitError(
            f"There is no split protocol {protocol!r}.", remedy=suggest(protocol, PROTOCOLS)
        )
    if protocol == "image":
        return split_images(cells, seed=120 if seed is None else seed)
    return split_groups(cells, by=protocol, folds=folds, seed=2019 if seed is None else seed)


def split_images(cells: pd.DataFrame, *, ratio: float = 0.8, seed: int = 120) -> Split:
    """The report's split: image by image, so that subjects stand in both parts.

    Per class the file names are sorted, shuffled by Python's `random` with the same seed,
    and cut at `int(ratio * n)`. There are two parts; the report calls the second one test
    set and chooses the checkpoint on it, so it is named `validation` here.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    ratio : float
        Share of the first part.
    seed : int
        Seed set anew for each class.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When a class has too few images to stand in both parts.

    Notes
    -----
    Source: figure 9 of the report (`mir2019report`).
    """
    table = _usable(cells)
    part = {}
    for label in sorted(table.label.unique()):
        names = sorted(table.image[table.label == label])
        random.Random(seed).shuffle(names)
        cut = int(ratio * len(names))
        part |= dict.fromkeys(names[:cut], "train") | dict.fromkeys(names[cut:], "validation")
    table["part"] = table.image.map(part)
    _require_classes(table, "image", PARTS[:2])
    return _certified(table, "image", {"ratio": ratio, "seed": seed})


def split_groups(
    cells: pd.DataFrame,
    *,
    by: str = "group",
    folds: int = 5,
    seed: int = 2019,
    fold: int | None = None,
) -> Split:
    """Split so that no group crosses parts, with class shares as equal as groups allow.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    by : {"group", "subject", "field"}
        Column whose values stay together.
    folds : int
        Number of equal parts: one is the test part, one the validation part.
    seed : int
        Seed of the assignment.
    fold : int, optional
        Which fold becomes the test part, counted from 0; drawn from the seed when not
        given.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When the column is empty, there are fewer than three folds or there is no such
        fold, a class has fewer groups than `folds`, or a part is left without a class.
    """
    if by not in PROTOCOLS[1:]:
        raise SplitError(f"Nothing is kept together by {by!r}.", remedy=suggest(by, PROTOCOLS[1:]))
    if folds < 3:
        raise SplitError(
            f"{folds} folds cannot give a training, a validation and a test part.",
            remedy="Use at least 3 folds.",
        )
    if fold not in (None, *range(folds)):
        raise SplitError(
            f"There is no fold {fold} of {folds}.",
            remedy=f"Choose one from 0 to {folds - 1}.",
        )
    table = _usable(cells)
    if table[by].isna().any():
        raise SplitError(
            f"The data set does not name the {by} of each image.",
            where=table.image[table[by].isna()].iloc[0],
            remedy="Use protocol 'image', and say beside the result that patients may be shared.",
        )
    counts = table.groupby("label")[by].nunique()
    if counts.min() < folds:
        raise SplitError(
            f"Class {counts.idxmin()} has {counts.min()} {by}s, too few for {folds} folds.",
            remedy="Use more data."
            if counts.min() < 3
            else f"Use at most {counts.min()} folds, or more data.",
        )
    table["part"] = "train"
    dealt = _deal(table, by, folds, seed)
    chosen = _draw_fold(table, by, dealt, seed) if fold is None else fold
    table.loc[dealt[chosen], "part"] = "test"
    _require_classes(table, by, ("train", "test"))
    # The validation part chooses checkpoints, so its class shares must be nearest to all's.
    rest = _deal(table[table.part == "train"], by, folds - 1, seed)
    table.loc[min(rest, key=partial(_imbalance, table.label)), "part"] = "validation"
    _require_classes(table, by)
    return _certified(table, by, {"folds": folds, "seed": seed, "fold": chosen})


def require_subjects(cells: pd.DataFrame) -> pd.DataFrame:
    """The same table, where it names the subject of every labelled image.

    Raises
    ------
    SplitError
        When it does not, as for B-ALL.
    """
    unnamed = cells.label.notna() & cells.subject.isna()
    if unnamed.any():
        raise SplitError(
            f"This needs to know the subject of each image, and {unnamed.sum()} name none.",
            where=cells.path[unnamed].iloc[0],
            remedy="Use C-NMC 2019 or synthetic cells here; B-ALL names no subjects.",
        )
    return cells


def _usable(cells: pd.DataFrame) -> pd.DataFrame:
    phases = cells.fold.isin(["preliminary", "final"])
    table = cells[cells.label.notna() & ~phases].reset_index(drop=True)
    if table.empty:
        raise SplitError("There is no labelled image to split.", remedy="Check the data set.")
    return table


def _deal(table: pd.DataFrame, by: str, folds: int, seed: int) -> list[pd.Index]:
    """Rows of each fold; the order of the table plays no part."""
    ordered = table.sort_values("image")
    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class with fewer images than folds may lack in a part: `_require_classes` looks.
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        try:
            dealt = list(splitter.split(ordered, ordered.label, ordered[by]))
        except ValueError as error:
            raise SplitError(
                f"{len(ordered)} images cannot be cut into {folds} folds ({error}).",
                remedy="Use fewer folds, or more data.",
            ) from error
    return [ordered.index[rows] for _, rows in dealt]


def _draw_fold(table: pd.DataFrame, by: str, dealt: list[pd.Index], seed: int) -> int:
    """Number of the fold that becomes the test part.

    It is drawn, because large groups are dealt out first and fold 0 always holds the
    largest one; and drawn among the folds with two groups or more of each class, where
    there are such, because one group alone gives no interval.
    """
    classes = table.label.nunique()
    several = []
    for number, rows in enumerate(dealt):
        groups = table.loc[rows].groupby("label")[by].nunique()
        if len(groups) == classes and groups.min() > 1:
            several.append(number)
    return random.Random(seed).choice(several or list(range(len(dealt))))


def _imbalance(labels: pd.Series, rows: pd.Index) -> float:
    """How far the class shares of some rows are from those of all."""
    wanted = labels.value_counts(normalize=True)
    have = labels[rows].value_counts(normalize=True).reindex(wanted.index, fill_value=0)
    return float((have - wanted).abs().sum())


def _require_classes(table: pd.DataFrame, by: str, parts: Iterable[str] = PARTS) -> None:
    for part in parts:
        lacking = set(table.label) - set(table.label[table.part == part])
        if lacking:
            raise SplitError(
                f"The {part} part is left without class {', '.join(sorted(lacking))}: "
                f"the {by}s are too few or too uneven.",
                remedy="Use another seed, fewer folds, or more data.",
            )


def _certified(table: pd.DataFrame, protocol: str, settings: dict) -> Split:
    return Split(table, _certify(table, protocol, settings, table.attrs.get("dataset", "")))


def _certify(table: pd.DataFrame, protocol: str, settings: dict, dataset: str) -> dict:
    """State what the parts hold and what crosses them, and sign it with a hash."""
    present = [part for part in PARTS if (table.part == part).any()]
    counts = {
        part: table.label[table.part == part].value_counts().sort_index().to_dict()
        for part in present
    }
    certificate = {
        "dataset": dataset,
        "protocol": protocol,
        "settings": settings,
        "data": data_fingerprint(table),
        "parts": {part: {label: int(n) for label, n in c.items()} for part, c in counts.items()},
        "crossing": {f"{a}/{b}": _crossing(table, a, b) for a, b in combinations(present, 2)},
        "assignment": hash_json(sorted(map(list, zip(table.image, table.part, strict=True)))),
    }
    return certificate | {"hash": hash_json(certificate)}


def _crossing(table: pd.DataFrame, first: str, second: str) -> dict:
    """Per kind: how many values stand in both parts, and how many images of the second
    part share one with the first; None where the data set does not say."""
    crossing = {}
    for kind, column in SHARED.items():
        if table[column].isna().any():
            crossing[kind] = None
            continue
        ours = table[column][table.part == first]
        theirs = table[column][table.part == second]
        both = theirs.isin(set(ours))
        crossing[kind] = {"values": int(theirs[both].nunique()), "images": int(both.sum())}
    return crossing


def scored_part(split: Split) -> str:
    """The part that a classifier is scored on: `test`, or `validation` where a published
    split has no other, so that checkpoint and score come from the same images."""
    return "test" if (split.cells.part == "test").any() else "validation"


def check_certificate(cells: pd.DataFrame, certificate: dict | None) -> None:
    """Refuse data whose parts are not those that the certificate was made for.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with a column `part`.
    certificate : dict
        As `Split.certificate`.

    Raises
    ------
    SplitError
        When there is no certificate, it was altered, or it belongs to other data.
    """
    if not certificate:
        raise SplitError(
            "The data has no split certificate.", remedy="Split it with `alllib.splits.make_split`."
        )
    if "part" not in cells or not cells.part.isin(PARTS).all():
        raise SplitError(
            "The cell table does not say of each image which part it belongs to.",
            remedy="Pass the table of the Split that the certificate belongs to.",
        )
    signed = {key: value for key, value in certificate.items() if key != "hash"}
    if hash_json(signed) != certificate.get("hash"):
        raise SplitError(
            "The split certificate was altered: its hash does not fit its text.",
            remedy="Split the data again.",
        )
    stated = (certificate.get(key) for key in ("protocol", "settings", "dataset"))
    fresh = _certify(cells, *stated)
    wrong = [key for key in fresh if fresh[key] != certificate.get(key)]
    if wrong:
        raise SplitError(
            f"The split certificate belongs to other data (it differs in {_join(wrong)}).",
            remedy="Split this data again, or pass the table that was split.",
        )


def _join(names: Iterable[str]) -> str:
    return ", ".join(names)
