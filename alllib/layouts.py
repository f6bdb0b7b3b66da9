"""Folders of the data sets as their downloads lay them out: a row per image file.

What must be read from the files themselves is added in `alllib.datasets`.
"""

from __future__ import annotations

import logging
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files as package_files
from pathlib import Path
from typing import NoReturn

import pandas as pd

from .errors import DataError
from .synthetic import read_manifest

__all__ = [
    "FINAL",
    "PRELIMINARY",
    "PRELIMINARY_LABELS",
    "find_labels",
    "folders_named",
    "image_number",
    "images_in",
    "list_ball",
    "list_classes",
    "list_cnmc",
    "list_subtypes",
    "list_synthetic",
    "preliminary_names",
    "require_folder",
    "subject_groups",
]

_log = logging.getLogger(__name__)
SUFFIXES = (".bmp", ".png", ".jpg", ".jpeg", ".webp")
CNMC_NAME = re.compile(r"UID_(?P<subject>[Hh]?\d+)_(?P<field>\d+)_(?P<cell>\d+)_(?P<label>all|hem)")
BALL_NAME = re.compile(r"WBC-(?:Malignant-)?(?P<label>Benign|Early|Pre|Pro)-(?P<number>\d+)")
PRELIMINARY = "C-NMC_test_prelim_phase_data"
PRELIMINARY_LABELS = "C-NMC_test_prelim_phase_data_labels.csv"
FINAL = "C-NMC_test_final_phase_data"


def require_folder(root: Path) -> None:
    """Refuse a path that is no folder.

    Raises
    ------
    DataError
        When nothing is there, or a file.
    """
    if root.is_dir():
        return
    if root.exists():
        raise DataError(
            "This is a file, and a folder is needed.",
            where=root,
            remedy="Unpack it if it is an archive, and give the folder that holds the images.",
        )
    raise DataError(
        "There is no such folder.", where=root, remedy="Check the spelling of the path."
    )


def images_in(folder: Path) -> Iterator[Path]:
    """Image files of one folder in sorted order, litter left out.

    Archives made on a Mac carry an unreadable `._*` twin of every file.

    Raises
    ------
    DataError
        When the folder cannot be listed.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        _refuse_folder(error)
    for path in paths:
        if not path.name.startswith(".") and path.suffix.lower() in SUFFIXES:
            yield path


def _refuse_folder(error: OSError) -> NoReturn:
    raise DataError(
        f"This folder cannot be listed ({error.strerror}).",
        where=error.filename,
        remedy="Give yourself permission to read it, or unpack the download again.",
    ) from error


def folders_named(root: Path, pattern: str, depth: int = 3) -> list[Path]:
    """Folders below `root` whose name matches, at most `depth` levels down."""
    found = []
    # Without `onerror` a folder that cannot be read would pass for an empty one.
    for folder, below, _ in os.walk(root, onerror=_refuse_folder):
        below[:] = sorted(b for b in below if not b.startswith((".", "__MACOSX")))
        here = Path(folder)
        found += [here / name for name in below if re.fullmatch(pattern, name)]
        if len(here.relative_to(root).parts) >= depth:
            below.clear()
    return found


def list_cnmc(root: Path) -> pd.DataFrame:
    """Rows of a C-NMC 2019 folder, without what must be read from the files.

    Understands the two Kaggle archives (with and without `training_data`), takes the
    preliminary and the final test phase where they are present.
    """
    rows = [row for fold in folders_named(root, r"fold_\d+") for row in _fold_rows(fold)]
    _require(rows, root, "C-NMC 2019", "fold_0/all and fold_0/hem")
    rows += [row for folder in folders_named(root, PRELIMINARY) for row in _preliminary(folder)]
    rows += [
        dict(image=f"final_{path.stem}", path=path, fold="final")
        for folder in folders_named(root, FINAL)
        for path in images_in(folder)
    ]
    table = pd.DataFrame(rows, columns=["image", "path", "label", "subject", "field", "fold"])
    merged = subject_groups()
    table["group"] = table.subject.map(lambda name: merged.get(name, name), na_action="ignore")
    return table


def _fold_rows(fold: Path) -> Iterator[dict]:
    for folder in folders_named(fold, r".*", depth=0):
        if folder.name not in ("all", "hem") and any(images_in(folder)):
            raise DataError(
                f"This folder holds images and is none of the classes of {fold.name}.",
                where=folder,
                remedy="Rename it to 'all' or 'hem' if that is what it holds, or move it out "
                "of the fold.",
            )
    for label in ("all", "hem"):
        folder = fold / label
        if not folder.is_dir():
            continue
        paths = list(images_in(folder))
        if not paths:
            raise DataError(
                "This class folder holds no image.",
                where=folder,
                remedy="Download the data set again, or remove the folder if the fold really "
                "has no image of the class.",
            )
        yield from (_cnmc_row(path, label, fold.name) for path in paths)


def _cnmc_row(path: Path, label: str, fold: str) -> dict:
    parts = _matched(CNMC_NAME, path, label, "UID_<subject>_<field>_<cell>_<all|hem>")
    return dict(
        image=path.stem, path=path, label=label.upper(), subject=parts["subject"],
        field=f"{parts['subject']}_{parts['field']}", fold=fold,
    )  # fmt: skip


def _preliminary(folder: Path) -> Iterator[dict]:
    """Join the preliminary phase to its labels by `new_names`, never by position."""
    labels_file = find_labels(folder)
    names = preliminary_names(labels_file)
    for path in images_in(folder):
        key = f"{path.stem}.bmp"
        if key not in names:
            raise DataError(
                f"The label file has no row for {key!r}.",
                where=path,
                remedy=f"Compare with {labels_file}; download the data set again if rows lack.",
            )
        original = labels_file / names[key]  # an error names the label file too
        row = _cnmc_row(original, original.stem.rsplit("_", 1)[-1], "preliminary")
        yield row | dict(path=path)


def find_labels(folder: Path) -> Path:
    """Label file of the preliminary phase, in its folder or beside it.

    Raises
    ------
    DataError
        When there is none.
    """
    candidates = [folder / PRELIMINARY_LABELS, folder.parent / PRELIMINARY_LABELS]
    labels_file = next((c for c in candidates if c.is_file()), None)
    if labels_file is None:
        raise DataError(
            "The label file of the preliminary test phase is missing.",
            where=candidates[1],
            remedy="Download it with the data set, or remove the folder of that phase.",
        )
    return labels_file


def preliminary_names(labels_file: Path) -> dict[str, str]:
    """Official name of each file of the preliminary phase, from the label file.

    Raises
    ------
    DataError
        When the file cannot be read, or names an image twice or two classes for it.
    """
    try:
        table = pd.read_csv(labels_file, dtype="string")
        names, originals = table.new_names, table.Patient_ID
        classes = table.labels.map({"1": "all", "0": "hem"})
    except (AttributeError, OSError, ValueError) as error:
        raise DataError(
            "This label file cannot be read (columns Patient_ID, new_names, labels).",
            where=labels_file,
            remedy="Download it again with the data set.",
        ) from error
    said = originals.str.extract(r"_([a-z]+)\.bmp$", expand=False)
    wrong = names.isna() | names.duplicated(keep=False) | ~(said == classes).fillna(False)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        raise DataError(
            f"Row {row + 1} of this label file names an image twice, or two classes for it: "
            f"{', '.join(table.iloc[row].fillna('').astype(str))}.",
            where=labels_file,
            remedy="Download it again with the data set.",
        )
    return dict(zip(names, originals, strict=True))


def subject_groups() -> dict[str, str]:
    """Group name of each C-NMC subject that shares cells with another name.

    Returns
    -------
    dict
        Subject name to group name; a subject that is not in it is its own group.
    """
    text = (package_files("alllib") / "data" / "cnmc2019_groups.toml").read_text("utf-8")
    merged = tomllib.loads(text)["group"]
    return {subject: entry["name"] for entry in merged for subject in entry["subjects"]}


def list_synthetic(root: Path) -> pd.DataFrame:
    """Rows of a synthetic folder: the layout of C-NMC, the groups of its own manifest."""
    manifest = _manifest_of(root, "synthetic", "Run `alllib data make` to write one.")
    table = _all_promised(list_cnmc(root), manifest, root)
    groups = {entry["subject"]: entry["group"] for entry in manifest["subjects"]}
    return table.assign(group=table.subject.map(groups))


def list_subtypes(root: Path) -> pd.DataFrame:
    """Rows of a folder of synthetic smears: the class folders and names of B-ALL."""
    remedy = "Name `synthetic-subtypes` as the data, and it is made."
    manifest = _manifest_of(root, "synthetic-subtypes", remedy)
    return _all_promised(list_ball(root), manifest, root)


def _manifest_of(root: Path, dataset: str, remedy: str) -> dict:
    manifest = read_manifest(root)
    if manifest is None or manifest["dataset"] != dataset:
        raise DataError(
            f"This folder holds no finished data set {dataset!r}.", where=root, remedy=remedy
        )
    return manifest


def _all_promised(table: pd.DataFrame, manifest: dict, root: Path) -> pd.DataFrame:
    """The same rows, where they are as many as the manifest says."""
    if len(table) != manifest["files"]:
        raise DataError(
            f"The manifest promises {manifest['files']} images, {len(table)} are here.",
            where=root,
            remedy="Delete the folder and run the same command again.",
        )
    return table


def list_ball(root: Path) -> pd.DataFrame:
    """Rows of a B-ALL folder; it names no subject, so `subject` and `group` are missing."""
    rows = []
    for label in ("Benign", "Early", "Pre", "Pro"):
        for folder in folders_named(root, label):
            if "Segmented" in folder.parts:
                continue
            for path in images_in(folder):
                _matched(BALL_NAME, path, label, "WBC-[Malignant-]<class>-<number>")
                rows.append(dict(image=path.stem, path=path, label=label))
    _require(rows, root, "B-ALL", "Original/Benign, Early, Pre and Pro")
    return pd.DataFrame(rows).assign(subject=None, group=None, field=None, fold=None)


def list_classes(root: Path, classes: Sequence[str], subjects: str | None = None) -> pd.DataFrame:
    """Rows of a reader's own images: a folder for each class, directly below `root`.

    Parameters
    ----------
    root : pathlib.Path
    classes : sequence of str
        Names of the folders.
    subjects : str, optional
        Name of a CSV file below `root` with the columns `image` (`<class>/<file>`), `subject`
        and, where some subjects belong together, `group`.

    Returns
    -------
    pandas.DataFrame
        `image` is `<class>/<file without ending>`; `subject` and `group` are missing where no
        file names them.

    Raises
    ------
    DataError
        When a class folder lacks or is empty, images lie elsewhere, or the CSV file cannot be
        read, lacks an image, names one twice or one that is not there.
    """
    rows = []
    for label in classes:
        folder = root / label
        require_folder(folder)
        paths = list(images_in(folder))
        if not paths:
            raise DataError(
                "This class folder holds no image.",
                where=folder,
                remedy=f"Put its images there ({', '.join(SUFFIXES)}), or leave the class out.",
            )
        rows += [dict(image=f"{label}/{p.stem}", path=p, label=label) for p in paths]
    _no_others(root, classes)
    table = pd.DataFrame(rows).assign(field=None, fold=None)
    if subjects is None:
        _log.warning(
            "No file names the subjects of %s: whether one person stands in two parts cannot be "
            "known. Only protocol 'image' is possible, and it may promise too much.", root.name,
        )  # fmt: skip
        return table.assign(subject=None, group=None)
    named = _read_subjects(root / subjects)
    keys = [path.relative_to(root).as_posix() for path in table.path]
    _same_images(keys, named.index, root / subjects)
    named = named.loc[keys].reset_index(drop=True)
    return table.assign(subject=named.subject, group=named.group)


def _no_others(root: Path, classes: Sequence[str]) -> None:
    """Refuse images that would be left out in silence."""
    below = [folder for label in classes for folder in folders_named(root / label, ".*", depth=0)]
    beside = [folder for folder in folders_named(root, ".*", depth=0) if folder.name not in classes]
    for folder in [root, *beside, *below]:
        if any(images_in(folder)):
            raise DataError(
                f"Images lie in a folder that is none of the classes {', '.join(classes)}.",
                where=folder,
                remedy="Put each image directly into the folder of its class, or move it away.",
            )
    for label in classes:
        others = [
            path.name
            for path in sorted((root / label).iterdir())
            if path.is_file() and path.name[0] != "." and path.suffix.lower() not in SUFFIXES
        ]
        if others:
            _log.warning("%d files of %s are not read, %s first: images end in %s.",
                         len(others), label, others[0], ", ".join(SUFFIXES))  # fmt: skip


def _read_subjects(file: Path) -> pd.DataFrame:
    """Subject and group of each image, by its place below the folder of the data set."""
    try:
        table = pd.read_csv(file, dtype="string", skipinitialspace=True)
        table = table.assign(group=table.get("group", table.subject))[["image", "subject", "group"]]
    except (AttributeError, KeyError, OSError, ValueError) as error:
        raise DataError(
            "The file of the subjects cannot be read, or lacks the columns image and subject.",
            where=file,
            remedy="Write a CSV file with the header `image,subject`, and a line for each image "
            "like `blast/001.png,patient7`.",
        ) from error
    if table.isna().any(axis=None) or table.image.duplicated().any():
        bad = table.isna().any(axis=1) | table.image.duplicated()
        raise DataError(
            f"Line {int(bad.to_numpy().argmax()) + 2} has an empty entry, or names an image for "
            "the second time.",
            where=file,
            remedy="Give each image one line, with its subject.",
        )
    return table.set_index("image")


def _same_images(held: Sequence[str], named: Iterable[str], file: Path) -> None:
    """Refuse a list of subjects that is not of the images that are there."""
    for lacking, what, remedy in (
        (set(held) - set(named), "has no line for", "Add their lines: every image needs one."),
        (set(named) - set(held), "names, and nowhere is,",
         "Write each image as `<class>/<file>`, as it is spelt on the disk."),
    ):  # fmt: skip
        if lacking:
            count = f" ({len(lacking)} such images)" if len(lacking) > 1 else ""
            raise DataError(
                f"The file of the subjects {what} {min(lacking)!r}{count}.",
                where=file,
                remedy=remedy,
            )


def image_number(name: str) -> int | None:
    """Number in the name of a B-ALL or synthetic smear; None where there is none."""
    match = BALL_NAME.fullmatch(name)
    return int(match["number"]) if match else None


def _matched(pattern: re.Pattern, path: Path, label: str, wanted: str) -> dict[str, str]:
    """Parts of a file name, which must name the class of its folder."""
    match = pattern.fullmatch(path.stem)
    if match is None:
        raise DataError(
            f"This file name does not have the form {wanted}.",
            where=path,
            remedy="Rename the file if you know its subject and class, or move it elsewhere.",
        )
    if match["label"] != label:
        raise DataError(
            f"The name says class {match['label']!r}, the folder says {label!r}.",
            where=path,
            remedy="Move the file to the folder of its class, or download the data set again.",
        )
    return match.groupdict()


def _require(rows: list, root: Path, title: str, wanted: str) -> None:
    if not rows:
        raise DataError(
            f"This folder is not a {title} data set: no images in {wanted}.",
            where=root,
            remedy="Give the folder that the download was unpacked to, or run "
            "`alllib data fetch NAME`.",
        )
