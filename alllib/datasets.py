"""Data sets as one table with a row per cell image.

The *cell table* is the object that travels through the project. Its columns are

========== ======= ==========================================================
`image`    str     official name without extension; the key of every join
`path`     str     where the file lies
`label`    str     class name; missing where the organisers published none
`subject`  str     subject name; missing where the data set gives none
`group`    str     subjects known to share cells carry one group name
`field`    str     field of view, `<subject>_<number>`
`fold`     str     official fold or phase
`width`    int     pixels
`height`   int     pixels
`sha256`   str     of the file's bytes, hexadecimal
========== ======= ==========================================================
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from PIL import Image

from .errors import OWN_FILE, DataError, ImageError, RecipeError, suggest
from .files import hash_json, whole_file, workspace
from .images import check_rgb, clear_image_errors
from .layouts import (
    folders_named,
    list_ball,
    list_cnmc,
    list_subtypes,
    list_synthetic,
    require_folder,
)
from .parallel import progress_bar
from .synthetic import read_manifest

__all__ = [
    "COLUMNS",
    "DATASETS",
    "Dataset",
    "data_fingerprint",
    "detect_dataset",
    "get_dataset",
    "is_own",
    "load_cells",
]

COLUMNS = "image path label subject group field fold width height sha256".split()  # noqa: SIM905


@dataclass(frozen=True)
class Dataset:
    """What is fixed about a data set.

    `classes` is the order of the network's outputs and of confusion matrices (the
    alphabetical order of the class folders, as in the report); `positive` the disease;
    `protocols` the ways in which `alllib.splits` can split it; `folds` the number of images
    of each official fold, where the organisers published it. `fits` tells whether a folder has
    the layout of a data set that a reader registered (`alllib.extensions`).
    """

    name: str
    title: str
    classes: tuple[str, ...]
    positive: str
    licence: str
    kaggle: str | None
    cite: str
    protocols: tuple[str, ...]
    list_files: Callable[[Path], pd.DataFrame]
    folds: Mapping[str, int] = field(default_factory=dict)
    fits: Callable[[Path], bool] | None = None


_BY_SUBJECT = ("image", "field", "subject", "group", "folds")
_BY_NUMBER = ("image", "blocks")  # no subjects, but numbered files
_SUBTYPES = ("Benign", "Early", "Pre", "Pro")

DATASETS = {
    entry.name: entry
    for entry in (
        Dataset("cnmc2019", "C-NMC 2019", ("ALL", "HEM"), "ALL", "CC BY 3.0",
                "andrewmvd/leukemia-classification", "mourya2019cnmc", _BY_SUBJECT, list_cnmc,
                {"fold_0": 3527, "fold_1": 3581, "fold_2": 3553}),
        Dataset("ball2021", "B-ALL", _SUBTYPES, "",
                "not settled; the authors ask not to pass it on",
                "mehradaria/leukemia", "aria2021ball", _BY_NUMBER, list_ball),
        Dataset("synthetic", "synthetic cells", ("ALL", "HEM"), "ALL", "CC BY 4.0",
                None, "", _BY_SUBJECT, list_synthetic),
        Dataset("synthetic-subtypes", "synthetic subtypes", _SUBTYPES, "", "CC BY 4.0",
                None, "", _BY_NUMBER, list_subtypes),
    )
}  # fmt: skip
_SHIPPED = frozenset(DATASETS)


def get_dataset(name: str) -> Dataset:
    """Entry of the registry.

    Raises
    ------
    RecipeError
        When there is no data set of that name.
    """
    if name not in DATASETS:
        raise RecipeError(
            f"There is no data set {name!r}.", remedy=f"{suggest(name, DATASETS)} {OWN_FILE}"
        )
    return DATASETS[name]


def is_own(name: str) -> bool:
    """Whether a data set was registered by a reader and does not come with the package."""
    return name in DATASETS and name not in _SHIPPED


def detect_dataset(root: str | Path) -> str:
    """Name of the data set whose layout a folder has.

    Raises
    ------
    DataError
        When the folder does not exist, is a file, or has no known layout.
    """
    root = Path(root)
    require_folder(root)
    manifest = read_manifest(root)
    if manifest is not None:
        return manifest["dataset"]
    own = [entry.name for entry in DATASETS.values() if entry.fits and entry.fits(root)]
    if len(own) > 1:
        raise DataError(
            f"This folder has the layout of several data sets: {', '.join(own)}.",
            where=root,
            remedy="Train a recipe, which names one of them; elsewhere register only one.",
        )
    if own:
        return own[0]
    if folders_named(root, r"fold_\d+"):
        return "cnmc2019"
    if all(folders_named(root, label) for label in DATASETS["ball2021"].classes):
        return "ball2021"
    raise DataError(
        "This folder has the layout of none of the known data sets.",
        where=root,
        remedy="C-NMC 2019 has folders fold_0, fold_1, fold_2 with all and hem in each; B-ALL "
        f"has Benign, Early, Pre and Pro. Give the folder that holds these. {OWN_FILE}",
    )


def load_cells(root: str | Path, dataset: str | None = None) -> pd.DataFrame:
    """Cell table of a data set folder.

    Every image is decoded once; sizes and hashes are kept below `_build/cells` until a
    file changes.

    Parameters
    ----------
    root : path-like
        Folder of the data set, at the level of the download or up to three above.
    dataset : str, optional
        Name in the registry; found from the layout when not given.

    Returns
    -------
    pandas.DataFrame
        Columns `COLUMNS`, sorted by fold, label and image; `attrs` hold `dataset`.

    Raises
    ------
    DataError, ImageError
        When the folder is not the data set, a name is wrong, a class is empty, an image
        has two classes or two files, or a file is empty, truncated, no image or not RGB.
    """
    root = Path(root).expanduser().resolve()
    require_folder(root)
    entry = get_dataset(dataset or detect_dataset(root))
    table = entry.list_files(root)
    _check_names(table, entry)
    table = _measured(table, root)
    _check_identical(table)
    table["path"] = table.path.astype(str)
    text = {name: "string" for name in COLUMNS if name not in ("width", "height")}
    table = table.astype(text)[COLUMNS].sort_values(["fold", "label", "image"], kind="stable")
    table = table.reset_index(drop=True)
    table.attrs["dataset"] = entry.name
    return table


def _check_names(table: pd.DataFrame, entry: Dataset) -> None:
    twice = table[table.image.duplicated(keep=False)].sort_values("image")
    if len(twice):
        first = twice[twice.image == twice.image.iloc[0]]
        classes = first.label.dropna().unique()
        what = "has two classes" if len(classes) > 1 else "is there twice"
        raise DataError(
            f"Image {first.image.iloc[0]!r} {what} ({twice.image.nunique()} such names).",
            where=" and ".join(map(str, first.path)),
            remedy="Keep the file that the official list names and remove the other.",
        )
    lacking = set(entry.classes) - set(table.label.dropna())
    if lacking:
        raise DataError(
            f"There is no image of class {' or '.join(sorted(lacking))}.",
            where=table.path.iloc[0].parent.parent,
            remedy="Download the data set again; all its classes are needed.",
        )


def _check_identical(table: pd.DataFrame) -> None:
    """Refuse the same bytes under two classes: one of the labels must be wrong."""
    labelled = table.dropna(subset=["label"])
    classes = labelled.groupby("sha256").label.nunique()
    for digest in classes.index[classes > 1]:
        rows = labelled[labelled.sha256 == digest]
        raise DataError(
            f"One image has two classes, {' and '.join(rows.label)}, under two names.",
            where=" and ".join(map(str, rows.path)),
            remedy="Find out which class is right and remove the other file.",
        )


def _measured(table: pd.DataFrame, root: Path) -> pd.DataFrame:
    """Add width, height and SHA-256, from the cache where no file has changed."""
    stats = [_stat(path) for path in table.path]
    listing = [
        [os.path.relpath(path, root), stat.st_size, stat.st_mtime_ns]
        for path, stat in zip(table.path, stats, strict=True)
    ]
    cache = workspace() / "_build" / "cells" / f"{hash_json([str(root), listing])[:20]}.parquet"
    measured = _cached(cache, len(table))
    if measured is None:
        measured = pd.DataFrame(
            _measure_all(list(table.path)), columns=["width", "height", "sha256"]
        )
        with whole_file(cache) as partial:
            measured.to_parquet(partial)
    return pd.concat([table.reset_index(drop=True), measured], axis=1)


def _stat(path: Path) -> os.stat_result:
    """Size and time of a file; a link that leads nowhere is an image that lacks."""
    with clear_image_errors(path):
        return os.stat(path)


def _measure_all(paths: list[Path]) -> list[tuple[int, int, str]]:
    """Measure every image, in order; the first one that is broken ends the work."""
    with ThreadPoolExecutor() as pool:
        try:
            found = pool.map(_measure, paths)
            # A small set is read before anybody waits, and shows no bar.
            bar = progress_bar(found, total=len(paths), desc="reading images", delay=1.0)
            return list(bar)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _cached(cache: Path, rows: int) -> pd.DataFrame | None:
    """What was measured before; None where that is missing or damaged."""
    try:
        measured = pd.read_parquet(cache)
    except (OSError, ValueError):
        return None
    fits = list(measured) == ["width", "height", "sha256"] and len(measured) == rows
    return measured if fits else None


def _measure(path: Path) -> tuple[int, int, str]:
    with clear_image_errors(path):
        data = path.read_bytes()
        if not data:
            raise ImageError(
                "This file is empty (0 bytes).",
                where=path,
                remedy="Download it again, or delete it if it is no part of the data set.",
            )
        with Image.open(path) as image:
            check_rgb(image, path)
            image.load()  # the header alone does not tell that the rest is missing
            width, height = image.size
    return width, height, hashlib.sha256(data).hexdigest()


def data_fingerprint(cells: pd.DataFrame) -> str:
    """Digest of what the images are, wherever they lie: names, classes and bytes.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    rows: Iterable = zip(cells.image, cells.label.fillna(""), cells.sha256, strict=True)
    return hash_json(sorted(map(list, rows)))
