"""Pairs of images that show the same cell, and the subject groups that follow from them.

Subjects between whose names a cell is shared are one *group*: a split that puts them in two
parts trains and tests on the same cell.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["COMPARED", "KINDS", "PAIR_COLUMNS", "Duplicates", "describe_duplicates",
           "duplicate_table", "merge_subjects", "subject_table"]  # fmt: skip

# From the strictest to the widest; a pair is of the first kind that it fits.
KINDS = ("identical files", "identical pixels", "same photograph", "same cell")
PAIR_COLUMNS = (
    "first", "second", "kind", "symmetry", "down", "right", "likeness", "detail", "gain",
    "difference", "overlap", "first_subject", "second_subject", "first_field", "second_field",
)  # fmt: skip
COMPARED = ("first", "second", "symmetry", "likeness", "detail", "overlap")


@dataclass(frozen=True)
class Duplicates:
    """Pairs of images that show the same cell.

    Attributes
    ----------
    pairs : pandas.DataFrame
        One row a pair, each pair once: `first`, `second` (names of images), `kind` (see
        `KINDS`), `symmetry` (0 to 7, turns the first into the second), `down`, `right`
        (pixels the turned first is moved), `likeness`, `detail`, `gain`, `difference`,
        `overlap` (see `alllib.alignment.Match`), `first_subject`, `second_subject`,
        `first_field`, `second_field`.
    groups : dict of str to str
        Subject to the name of its group, for each subject of the table.
    images : int
        Rows of the table.
    blank : int
        Images that show nothing but background; not compared.
    candidates : int
        Pairs alike in their spectra.
    compared : pandas.DataFrame
        Those compared pixel by pixel, found the same or not: `first`, `second` (names of
        images), `symmetry`, `likeness`, `detail`, `overlap`.
    seconds, processor_seconds : float
        How long the search took by the clock, and in time of all processor cores.
    """

    pairs: pd.DataFrame
    groups: dict[str, str]
    images: int
    blank: int = 0
    candidates: int = 0
    compared: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=list(COMPARED), dtype=float)
    )
    seconds: float = 0.0
    processor_seconds: float = 0.0

    @property
    def exact_pairs(self) -> pd.DataFrame:
        """Byte for byte the same file."""
        return self.pairs[self.pairs.kind == KINDS[0]]

    @property
    def pixel_pairs(self) -> pd.DataFrame:
        """The same pixels in files that differ."""
        return self.pairs[self.pairs.kind == KINDS[1]]

    @property
    def near_pairs(self) -> pd.DataFrame:
        """The same cell in other pixels."""
        return self.pairs[self.pairs.kind.isin(KINDS[2:])]

    @property
    def cross_subject_pairs(self) -> pd.DataFrame:
        """Pairs of any kind under two subject names."""
        known = self.pairs.dropna(subset=["first_subject", "second_subject"])
        return known[known.first_subject.astype(object) != known.second_subject.astype(object)]


def merge_subjects(cells: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, str]:
    """Group of each subject: subjects that share a cell, directly or over others, are one.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    pairs : pandas.DataFrame
        With `first_subject` and `second_subject`.

    Returns
    -------
    dict of str to str
        A group is called by that of its subjects whose name sorts first.
    """
    names = sorted(cells.subject.dropna().unique())
    place = {name: number for number, name in enumerate(names)}
    known = pairs.dropna(subset=["first_subject", "second_subject"])
    ends = [known[f"{end}_subject"].map(place).to_numpy(int) for end in ("first", "second")]
    links = coo_array((np.ones(len(known)), ends), shape=(len(names), len(names)))
    labels = connected_components(links, directed=False)[1] if names else []
    chief: dict[int, str] = {}
    return {name: chief.setdefault(int(label), name)
            for name, label in zip(names, labels, strict=True)}  # fmt: skip


def subject_table(duplicates: Duplicates) -> pd.DataFrame:
    """Pairs by the two subject names, most first.

    Returns
    -------
    pandas.DataFrame
        `first_subject`, `second_subject` (sorted; equal within a subject), `pairs`, one
        column for each of `KINDS`, and `images` (of either subject that are in a pair).
    """
    columns = ["first_subject", "second_subject", "pairs", *KINDS, "images"]
    known = duplicates.pairs.dropna(subset=["first_subject", "second_subject"])
    rows = []
    ends = known[["first_subject", "second_subject"]].astype(str).to_numpy()
    key = pd.Series(["\n".join(sorted(pair)) for pair in ends], index=known.index, dtype="object")
    for name, part in known.groupby(key):
        kinds = part.kind.value_counts()
        images = len(set(part["first"]) | set(part["second"]))
        rows.append([*name.split("\n"), len(part), *(int(kinds.get(k, 0)) for k in KINDS), images])
    table = pd.DataFrame(rows, columns=columns)
    order = ["pairs", "first_subject", "second_subject"]
    return table.sort_values(order, ascending=[False, True, True], ignore_index=True)


def describe_duplicates(duplicates: Duplicates) -> dict:
    """What was found as plain data, for `alllib data duplicates --json`.

    Returns
    -------
    dict
        `images`, `exact_pairs`, `pixel_pairs`, `near_pairs`, `cross_subject_pairs`
        (counts, the last None where no subject is named), `groups` (those of several
        subjects: `name`, `subjects`), `subjects`, `subject_groups` (counts), `kinds`,
        `subject_pairs` (see `subject_table`), `blank`, `turned_pairs` (near pairs that fit
        only turned or mirrored; by chance there are seven such for each that fits as it
        is), `candidates`, `compared`, `seconds`,
        `processor_seconds`.
    """
    near = duplicates.near_pairs
    members: dict[str, list[str]] = {}
    for name, group in duplicates.groups.items():
        members.setdefault(group, []).append(name)
    merged = {name: sorted(who) for name, who in members.items() if len(who) > 1}
    kinds = duplicates.pairs.kind.value_counts()
    return {
        "images": duplicates.images,
        "exact_pairs": len(duplicates.exact_pairs),
        "pixel_pairs": len(duplicates.pixel_pairs),
        "near_pairs": len(near),
        "cross_subject_pairs": len(duplicates.cross_subject_pairs) if members else None,
        "groups": [{"name": name, "subjects": merged[name]} for name in sorted(merged)],
        "subjects": len(duplicates.groups),
        "subject_groups": len(members),
        "kinds": {kind: int(kinds.get(kind, 0)) for kind in KINDS},
        "subject_pairs": subject_table(duplicates).to_dict("records"),
        "turned_pairs": int((near.symmetry != 0).sum()),
        "blank": duplicates.blank,
        "candidates": duplicates.candidates,
        "compared": len(duplicates.compared),
        "seconds": duplicates.seconds,
        "processor_seconds": duplicates.processor_seconds,
    }


def duplicate_table(duplicates: Duplicates) -> str:
    """The same as lines of text, for `alllib data duplicates`."""
    found = describe_duplicates(duplicates)
    lines = [f"{found['images']:,} images, compared in {found['seconds']:.0f} s."]
    lines += [f"{count:>7,} pairs: {kind}" for kind, count in found["kinds"].items()]
    if found["cross_subject_pairs"] is None:
        return "\n".join([*lines, "The data set names no subjects, so no groups can be made."])
    lines.append(f"{found['cross_subject_pairs']:>7,} of them under two subject names")
    lines.append(f"{found['subjects']} subject names are {found['subject_groups']} groups:")
    lines += [f"  {one['name']}: {', '.join(one['subjects'])}" for one in found["groups"]]
    return "\n".join(lines)
