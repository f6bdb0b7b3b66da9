"""What shared cells say of the subjects: who shares with whom, and what a split makes of it."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd

from .chance import expect_chance
from .datasets import DATASETS
from .downloads import official_files
from .duplicates import KINDS, Duplicates, describe_duplicates
from .errors import SplitError
from .merges import against_table
from .splits import make_split

__all__ = [
    "count_likeness",
    "leak_rows",
    "measure_duplicates",
    "phase_rows",
    "shared_rows",
]

_log = logging.getLogger(__name__)
BINS = np.round(np.linspace(-0.2, 1, 61), 2)  # of the likeness of compared pairs


def measure_duplicates(cells: pd.DataFrame, duplicates: Duplicates) -> dict:
    """All that the study keeps of a search, as plain data.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    duplicates : Duplicates
        Found in it.

    Returns
    -------
    dict
        As `describe_duplicates`, and `shared` (see `shared_rows`), `leaks` (see
        `leak_rows`), `likeness` (see `count_likeness`), `chance` (see
        `alllib.chance.expect_chance`), `classes` (pairs within and across
        classes), `fields` (pairs within one field, in two fields of one subject, under two
        subjects; None without subjects), `images_in_pairs`; of C-NMC 2019 also `agreement` (see
        `compare_groups`) and `joined`: the subject `names` of the whole training set, the
        number of `groups` that they are by the shipped table and these pairs together,
        the `merged` ones, and `merges` (see `merge_rows`).

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    found = describe_duplicates(duplicates)
    pairs = duplicates.pairs
    label = cells.set_index("image").label
    same_class = pairs["first"].map(label).eq(pairs["second"].map(label))
    subject = _equal(pairs.first_subject, pairs.second_subject)
    field = _equal(pairs.first_field, pairs.second_field)
    return {
        **found,
        "shared": shared_rows(duplicates, cells),
        **(against_table(duplicates, cells) if cells.attrs.get("dataset") == "cnmc2019" else {}),
        "leaks": leak_rows(duplicates, cells),
        "likeness": count_likeness(duplicates),
        "chance": expect_chance(cells, duplicates),
        "classes": {"within": int(same_class.sum()), "across": int((~same_class).sum())},
        "fields": {
            "one field": int((subject & field).sum()),
            "two fields of a subject": int((subject & ~field).sum()),
            "two subjects": found["cross_subject_pairs"],
        }
        if duplicates.groups
        else None,
        "images_in_pairs": len(set(pairs["first"]) | set(pairs["second"])),
    }


def _equal(one: pd.Series, two: pd.Series) -> pd.Series:
    """Where both are known and the same."""
    return one.notna() & (one.astype(object).fillna("") == two.astype(object).fillna(""))


def shared_rows(duplicates: Duplicates, cells: pd.DataFrame) -> list[dict]:
    """How many of a subject's images show a cell that stands under another name too.

    Returns
    -------
    list of dict
        `subject, other, images` (of the subject, in a pair with the other), `of` (images of
        the subject), `share`, `fields` (of the subject, with such an image), `pairs`, `most`
        (pairs between one field of either), `kinds` (pairs by kind), `likeness` (the best of
        these pairs); both directions of each couple, the most images first.
    """
    cross = duplicates.cross_subject_pairs
    flipped = cross.rename(columns={
        **{f"first{end}": f"second{end}" for end in ("", "_subject", "_field")},
        **{f"second{end}": f"first{end}" for end in ("", "_subject", "_field")},
    })  # fmt: skip
    both = pd.concat([cross, flipped], ignore_index=True)
    sizes = cells.subject.value_counts()
    rows = []
    for (subject, other), part in both.groupby(["first_subject", "second_subject"]):
        kinds = part.kind.value_counts()
        rows.append({
            "subject": str(subject), "other": str(other),
            "images": int(part["first"].nunique()), "of": int(sizes[subject]),
            "share": round(part["first"].nunique() / int(sizes[subject]), 3),
            "fields": int(part.first_field.nunique()), "pairs": len(part),
            "most": int(part.groupby(["first_field", "second_field"]).size().max()),
            "kinds": {k: int(kinds.get(k, 0)) for k in KINDS},
            "likeness": round(float(part.likeness.max()), 3),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["images"], row["subject"], row["other"]))


def leak_rows(duplicates: Duplicates, cells: pd.DataFrame) -> list[dict]:
    """Images of the scored part that show a cell of the training part, under each protocol.

    The last row splits by the groups that were found, instead of those of the table. A
    protocol that needs more groups or fields than there are has no row, and a warning says why.

    Returns
    -------
    list of dict
        `protocol, images` (of the part after training), `with_twin` (those that show a
        cell trained on), `exact` (those whose very file is trained on), `share`.
    """
    entry = DATASETS.get(cells.attrs.get("dataset", ""))
    protocols = entry.protocols if entry else ("image",)
    tables = [(name, name, cells) for name in protocols if name != "folds"]
    if "group" in protocols:
        regrouped = cells.assign(group=cells.subject.map(duplicates.groups).astype("string"))
        regrouped.attrs = dict(cells.attrs)
        tables.append(("group found here", "group", regrouped))
    rows = []
    for title, name, table in tables:
        try:
            split = make_split(table, name)
        except SplitError as error:  # a search of hours must not be lost for it
            _log.warning("No leaks are counted for the split by %s: %s", title, error.what)
            continue
        rows.append({"protocol": title, **_leak(split.cells, duplicates)})
    return rows


def phase_rows() -> list[dict]:
    """Files of the test phases of C-NMC 2019 against its training set, by the official list.

    A list of checksums knows identical files alone; copies in other bytes need the images.

    Returns
    -------
    list of dict
        For each test phase `protocol` (its name), `images`, `exact` (those whose very file is
        in the training set), `with_twin` and `share` (None: not known), and `same_length`
        (files that have as many bytes as some training file; of no others can the checksum
        agree).
    """
    files = official_files()
    train = files[files.phase == "train"]
    titles = {"test_prelim": "official training and preliminary test",
              "test_final": "official training and final test"}  # fmt: skip
    rows = []
    for phase, title in titles.items():
        part = files[files.phase == phase]
        rows.append({
            "protocol": title, "images": len(part), "with_twin": None,
            "exact": int(part.sha256.isin(train.sha256).sum()), "share": None,
            "same_length": int(part.bytes.isin(train.bytes).sum()),
        })  # fmt: skip
    return rows


def _leak(split: pd.DataFrame, duplicates: Duplicates) -> dict:
    part = split.set_index("image").part
    counts = {}
    for name, pairs in (("with_twin", duplicates.pairs), ("exact", duplicates.exact_pairs)):
        ends = [pairs[end].map(part) for end in ("first", "second")]
        hit = set(pairs["first"][(ends[0] != "train") & (ends[1] == "train")])
        hit |= set(pairs["second"][(ends[1] != "train") & (ends[0] == "train")])
        counts[name] = len(hit & set(part.index))
    rest = int((part != "train").sum())
    return {"images": rest, **counts, "share": round(counts["with_twin"] / max(rest, 1), 4)}


def count_likeness(duplicates: Duplicates) -> dict:
    """How alike the compared pairs are, apart for those that fit as they are and turned.

    Returns
    -------
    dict
        `bins` (edges, one more than counts), `as they are`, `turned` (counts).
    """
    compared = duplicates.compared
    turned = compared.symmetry.to_numpy() != 0
    inside = compared.likeness.clip(BINS[0], BINS[-1]).to_numpy()
    return {
        "bins": BINS.tolist(),
        "as they are": np.histogram(inside[~turned], BINS)[0].tolist(),
        "turned": np.histogram(inside[turned], BINS)[0].tolist(),
    }
