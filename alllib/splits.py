"""Splits into train, validation and test, each with a certificate of what crosses them."""

from __future__ import annotations

import random
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import accumulate, combinations

import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold

from .datasets import DATASETS, data_fingerprint, get_dataset
from .errors import SplitError, suggest
from .files import hash_json
from .layouts import image_number

__all__ = [
    "PARTS",
    "PROTOCOLS",
    "Split",
    "check_certificate",
    "make_split",
    "require_subjects",
    "scored_part",
    "split_blocks",
    "split_folds",
    "split_groups",
    "split_images",
    "split_random",
]

PARTS = ("train", "validation", "test")
PROTOCOLS = ("image", "field", "subject", "group", "folds", "blocks")
_TOGETHER = ("field", "subject", "group")  # columns whose values can be kept in one part
_ORDERS = ("shuffled", "listed")
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
    cells: pd.DataFrame,
    protocol: str,
    *,
    seed: int | None = None,
    folds: int = 5,
    fold: int | None = None,
    shares: tuple[float, ...] | None = None,
    order: str | None = None,
    official_test: bool | None = None,
) -> Split:
    """Split the labelled training images of a data set by a named protocol.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table. Rows without label and rows of the official test phases are left out.
    protocol : {"image", "field", "subject", "group", "folds", "blocks"}
        `image` is what the sources did; `field`, `subject` and `group` keep together what
        their name says; `folds` tests on one of the organisers' folds; `blocks` keeps
        neighbouring numbers together where the data set names no subjects.
    seed : int, optional
        The report's 120 for `image`, else 2019.
    folds : int
        One of `folds` equal parts is the test part, another the validation part; not used
        by `image`. With protocol `folds` it sizes the validation part alone.
    fold : int, optional
        Which of the parts is the test part, counted from 0; drawn from the seed when not
        given. With protocol `folds` it is the number of the official fold.
    shares, order, official_test : optional
        Of `split_images`, for protocol `image` alone.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When the protocol is unknown or none of the data set's, a setting belongs to
        another protocol, the data does not name subjects, or there are too few of them.
    """
    _check_protocol(cells, protocol)
    given = {"shares": shares, "order": order, "official_test": official_test}
    given = {name: value for name, value in given.items() if value is not None}
    if protocol == "image" and fold is not None:
        raise SplitError(
            "Protocol 'image' has no folds to choose from.",
            remedy="Leave the fold out, or use another protocol.",
        )
    if protocol == "image":
        return split_images(cells, seed=120 if seed is None else seed, **given)
    if given:
        raise SplitError(
            f"Protocol {protocol!r} has no {' and no '.join(given)}.",
            remedy="Leave that out, or use protocol 'image'.",
        )
    seed = 2019 if seed is None else seed
    if protocol == "folds":
        return split_folds(cells, parts=folds, seed=seed, fold=fold)
    if protocol == "blocks":
        return split_blocks(cells, folds=folds, seed=seed, fold=fold)
    return split_groups(cells, by=protocol, folds=folds, seed=seed, fold=fold)


def _check_protocol(cells: pd.DataFrame, protocol: str) -> None:
    """Refuse a protocol that does not exist, or that the table's data set lacks."""
    if protocol not in PROTOCOLS:
        raise SplitError(
            f"There is no split protocol {protocol!r}.", remedy=suggest(protocol, PROTOCOLS)
        )
    entry = DATASETS.get(cells.attrs.get("dataset", ""))
    if entry is not None and protocol not in entry.protocols:
        has = _join(map(repr, entry.protocols))
        raise SplitError(
            f"{entry.title} cannot be split by {protocol!r}.",
            where=f"data set {entry.name}",
            remedy=f"Use one of {has}.",
        )


def split_images(
    cells: pd.DataFrame,
    *,
    shares: tuple[float, ...] = (0.8, 0.2),
    order: str = "shuffled",
    seed: int = 120,
    official_test: bool = False,
) -> Split:
    """Split image by image, as the sources did, so that subjects stand in several parts.

    `shuffled`: per class the names are sorted, shuffled by Python's `random` with the same
    seed, and cut: train first, then validation, then test. `listed`: per class the names
    are sorted by fold and name, not shuffled, and validation is cut off first, then train,
    then test. Cuts lie at `int(share * n)`, computed exactly, where `share` is the sum of
    the shares so far. With two shares there is no test part; the report calls its second
    part test set and chooses the checkpoint on it, so it is named `validation` here.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    shares : tuple of float
        Of train and validation, or of train, validation and test; together 1.
    order : {"shuffled", "listed"}
        Order in which the images of a class are cut.
    seed : int
        Seed set anew for each class; without effect where the order is `listed`.
    official_test : bool
        Make the labelled images of the official preliminary phase the test part, where
        the table holds any; the certificate says whether it did.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When the shares do not sum to 1, the order is unknown, there would be two test
        parts, or a class has too few images to stand in every part.

    Notes
    -----
    Sources: `shuffled` is figure 9 of the report (`mir2019report`); `listed` is what
    `ImageDataGenerator(validation_split=...)` of Keras does (`unnithan2021`).
    """
    exact = _exact_shares(shares)
    if order not in _ORDERS:
        raise SplitError(f"There is no order {order!r}.", remedy=suggest(order, _ORDERS))
    if official_test and len(exact) == 3:
        raise SplitError(
            "There cannot be two test parts, a share and the official one.",
            remedy="Give two shares, or leave official_test out.",
        )
    table = _usable(cells, phases=("final",) if official_test else ("preliminary", "final"))
    held = table.fold.isin(["preliminary"])
    listed = table[~held].sort_values(["fold", "image"] if order == "listed" else "image")
    part = dict.fromkeys(table.image[held], "test")
    for _, names in listed.groupby("label").image:
        part |= _cut(list(names), exact, order, seed)
    table["part"] = table.image.map(part)
    _require_classes(table, "image", PARTS if held.any() else PARTS[: len(exact)])
    settings = {
        "shares": list(map(float, shares)),
        "order": order,
        "seed": seed if order == "shuffled" else None,
        "official_test": bool(held.any()),
    }
    return _certified(table, "image", settings)


def _exact_shares(shares: Iterable[float]) -> list[Fraction]:
    """Shares as the fractions that were meant: .64 and .16 are .8, which floats are not."""
    try:
        exact = [Fraction(share).limit_denominator(10**6) for share in shares]
    except (TypeError, ValueError, OverflowError):
        exact = []
    if len(exact) not in (2, 3) or min(exact) <= 0 or sum(exact) != 1:
        raise SplitError(
            f"The images cannot be cut into shares of {shares!r}.",
            remedy="Give two or three positive shares (train, validation, test) that sum to 1.",
        )
    return exact


def _cut(names: list[str], shares: list[Fraction], order: str, seed: int) -> dict[str, str]:
    """Part of each of the sorted names of one class."""
    parts = list(zip(PARTS, shares, strict=False))
    if order == "shuffled":
        random.Random(seed).shuffle(names)
    else:
        parts[:2] = parts[1::-1]
    ends = [int(share * len(names)) for share in accumulate(share for _, share in parts)]
    return {
        name: part
        for (part, _), start, end in zip(parts, [0, *ends], ends, strict=False)
        for name in names[start:end]
    }


def split_random(cells: pd.DataFrame, *, folds: int = 5, seed: int = 2019, fold: int = 0) -> Split:
    """Split image by image into folds with equal class shares, to score each image once.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    folds, seed, fold : int
        As of `split_groups`; the fold after the test part is the validation part.

    Returns
    -------
    Split
        By protocol `image`.

    Raises
    ------
    SplitError
        When there are fewer than three folds or there is no such fold, the images are of
        one class, or a class has fewer images than folds.
    """
    _check_folds(folds, fold)
    table = _usable(cells)
    _require_several(table.label.value_counts(), "images", folds)
    dealt = _deal(table, "image", folds, seed)
    table["part"] = "train"
    table.loc[dealt[fold], "part"] = "test"
    table.loc[dealt[(fold + 1) % folds], "part"] = "validation"
    return _certified(table, "image", {"folds": folds, "seed": seed, "fold": fold})


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
    if by not in _TOGETHER:
        raise SplitError(f"Nothing is kept together by {by!r}.", remedy=suggest(by, _TOGETHER))
    _check_folds(folds, fold)
    table = _usable(cells)
    if table[by].isna().any():
        raise SplitError(
            f"The data set does not name the {by} of each image.",
            where=table.image[table[by].isna()].iloc[0],
            remedy="Use protocol 'image' (or 'blocks', where files are numbered), and say beside "
            "the result that patients may be shared.",
        )
    _require_several(table.groupby("label")[by].nunique(), f"{by}s", folds)
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


def split_folds(
    cells: pd.DataFrame, *, fold: int | None = None, parts: int = 5, seed: int = 2019
) -> Split:
    """Split by the organisers' folds: one is the test part, the others are learned from.

    The validation part is cut from the other folds by subject group, so that it shares no
    group with the training part. The test fold is taken as it is: where the organisers let a
    subject under two names stand in two folds, the certificate counts what crosses.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table. A fold that is held in part only is left out, where two whole ones stay;
        the certificate names those that were used.
    fold : int, optional
        Number of the test fold; drawn from the seed when not given.
    parts : int
        The validation part is one of so many parts of the other folds.
    seed : int
        Seed of the validation part and of the draw.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When there are fewer than two folds or there is no such fold, `parts` is less than
        two, or the groups are too few for a validation part.
    """
    if parts < 2:
        raise SplitError(
            f"A validation part cannot be one of {parts} parts of the other folds.",
            remedy="Use at least 2 parts.",
        )
    table = _usable(cells)
    counts = table.fold.value_counts().sort_index()
    whole = get_dataset(table.attrs["dataset"]).folds if "dataset" in table.attrs else {}
    complete = [name for name in counts.index if counts[name] == whole.get(name, counts[name])]
    used = complete if len(complete) > 1 else list(counts.index)
    numbers = {int(name.rpartition("_")[2]): name for name in used if re.search(r"_\d+$", name)}
    if len(numbers) < 2:
        raise SplitError(
            f"The images stand in {len(numbers)} official fold; at least two are needed.",
            remedy="Use protocol 'group', or more of the data.",
        )
    chosen = random.Random(seed).choice(sorted(numbers)) if fold is None else fold
    if chosen not in numbers:
        raise SplitError(
            f"There is no whole official fold {chosen} here.",
            remedy=f"Choose one of {_join(map(str, sorted(numbers)))}.",
        )
    table = table[table.fold.isin(used)].reset_index(drop=True)
    table["part"] = (table.fold == numbers[chosen]).map({True: "test", False: "train"})
    rest = table[table.part == "train"]
    _require_several(rest.groupby("label").group.nunique(), "groups", 2)
    dealt = _deal(rest, "group", parts, seed)
    table.loc[min(dealt, key=partial(_imbalance, table.label)), "part"] = "validation"
    _require_classes(table, "group")
    settings = {"fold": chosen, "used": used, "parts": parts, "seed": seed}
    return _certified(table, "folds", settings)


def split_blocks(
    cells: pd.DataFrame, *, folds: int = 5, seed: int = 2019, fold: int | None = None
) -> Split:
    """Split so that images with neighbouring numbers stay together.

    Per class the images, in the order of the numbers in their names, are cut into `folds`
    contiguous blocks of equal size; one block is the test part and another the validation
    part, the same of each class. Where a data set names no patients but was numbered
    patient by patient, as B-ALL seems to be, this is the nearest to a split by patient; a
    patient may still stand on both sides of an edge between blocks.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table whose image names end in a number.
    folds : int
        Number of blocks.
    seed : int
        Seed of the draw of the two blocks.
    fold : int, optional
        Which block becomes the test part, counted from 0; drawn when not given.

    Returns
    -------
    Split

    Raises
    ------
    SplitError
        When images have no number, there are fewer than three blocks or there is no such
        block, or a class has fewer images than blocks.
    """
    _check_folds(folds, fold)
    table = _usable(cells)
    number = table.image.map(image_number)
    if number.isna().any():
        raise SplitError(
            "The images of this data set are not numbered, so there are no blocks of them.",
            where=table.image[number.isna()].iloc[0],
            remedy="Use protocol 'group', or 'image'.",
        )
    _require_several(table.label.value_counts(), "images", folds)
    drawn = random.Random(seed).sample(range(folds), folds)
    test = drawn[0] if fold is None else fold
    validation = next(block for block in drawn if block != test)
    ordered = table.assign(number=number).sort_values(["number", "image"])
    place = ordered.groupby("label").cumcount()
    block = place * folds // ordered.groupby("label").image.transform("size")
    table["part"] = block.map({test: "test", validation: "validation"}).fillna("train")
    settings = {"folds": folds, "seed": seed, "fold": test, "validation": validation}
    return _certified(table, "blocks", settings)


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


def _usable(
    cells: pd.DataFrame, phases: tuple[str, ...] = ("preliminary", "final")
) -> pd.DataFrame:
    """Rows with a label, without those of some official test phases."""
    table = cells[cells.label.notna() & ~cells.fold.isin(phases)].reset_index(drop=True)
    if table.empty:
        raise SplitError("There is no labelled image to split.", remedy="Check the data set.")
    if table.label.nunique() == 1:
        raise SplitError(
            f"All {len(table):,} labelled images are of one class, {table.label.iloc[0]}.",
            where=table.image.iloc[0],
            remedy="Give images of every class; nothing can be told apart in one.",
        )
    return table


def _check_folds(folds: int, fold: int | None) -> None:
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


def _require_several(counts: pd.Series, what: str, folds: int) -> None:
    """Refuse a class with fewer of `what` than folds."""
    if counts.min() < folds:
        raise SplitError(
            f"Class {counts.idxmin()} has {counts.min()} {what}, too few for {folds} folds.",
            remedy="Use more data."
            if counts.min() < 3
            else f"Use at most {counts.min()} folds, or more data.",
        )


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
