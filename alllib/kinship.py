"""What shared cells say of the subjects: who shares with whom, and what a split makes of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2

from .datasets import DATASETS
from .downloads import official_cells
from .duplicates import KINDS, Duplicates, describe_duplicates, merge_subjects
from .layouts import subject_groups
from .splits import make_split

__all__ = [
    "compare_groups",
    "count_likeness",
    "expect_chance",
    "join_groups",
    "leak_rows",
    "measure_duplicates",
    "shared_rows",
]

DIFFERENT = 0.6  # likeness below which a pair surely shows two cells
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
        `leak_rows`), `likeness` (see `count_likeness`), `chance` (see `expect_chance`),
        `classes` (pairs within and across
        classes), `fields` (pairs within one field, in two fields of one subject, under two
        subjects; None without subjects), `images_in_pairs`; of C-NMC 2019 also `agreement` (see
        `compare_groups`) and `joined`: the subject `names` of the whole training set, the
        number of `groups` that they are by the shipped table and these pairs together, and
        the `merged` ones.
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
        **(_against_table(duplicates) if cells.attrs.get("dataset") == "cnmc2019" else {}),
        "leaks": leak_rows(duplicates, cells),
        "likeness": count_likeness(duplicates),
        "chance": expect_chance(duplicates),
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
        the subject), `share`, `pairs`, `kinds` (pairs by kind), `likeness` (the best of these
        pairs); both directions of each couple, the most images first.
    """
    cross = duplicates.cross_subject_pairs
    flipped = cross.rename(columns={
        "first": "second", "second": "first", "first_subject": "second_subject",
        "second_subject": "first_subject",
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
            "pairs": len(part), "kinds": {k: int(kinds.get(k, 0)) for k in KINDS},
            "likeness": round(float(part.likeness.max()), 3),
        })  # fmt: skip
    return sorted(rows, key=lambda row: (-row["images"], row["subject"], row["other"]))


def compare_groups(duplicates: Duplicates) -> list[dict]:
    """The merges found beside those of the table that ships with the package.

    Returns
    -------
    list of dict
        One for each group of either, where the table has two of its subjects at all:
        `subjects`, `here` (those of the table), `joined` (sets of them that pairs join),
        `kinds` (of these pairs), `state` and `shipped`. The state of a group of the table is
        `confirmed`, `confirmed in part`, `not seen` (its subjects are here and no pair joins
        them) or `not here` (fewer than two of its subjects are); of one found it is `new` or, where
        it joins whole groups or further subjects to one of the table, `wider`.
    """
    shipped = _members(subject_groups())
    here, found = set(duplicates.groups), _members(duplicates.groups)
    rows = []
    for who in shipped:
        present = who & here
        joined = [group & who for group in found if group & who]
        if len(present) < 2:
            state = "not here"
        elif len(joined) == 1:
            state = "confirmed"
        else:
            state = "not seen" if all(len(part) == 1 for part in joined) else "confirmed in part"
        rows.append(_group_row(who, here, joined, duplicates) | {"state": state, "shipped": True})
    for who in found:
        inside = [group for group in shipped if who <= group]
        if len(who) > 1 and not inside:
            wider = any(len(group & who) > 1 for group in shipped)
            state = "wider" if wider else "new"
            row = _group_row(who, here, [who], duplicates)
            rows.append(row | {"state": state, "shipped": False})
    return rows


def _group_row(who: set[str], here: set[str], joined: list[set], duplicates: Duplicates) -> dict:
    pairs = duplicates.cross_subject_pairs
    inside = pairs[pairs.first_subject.isin(who) & pairs.second_subject.isin(who)]
    kinds = inside.kind.value_counts()
    return {
        "subjects": sorted(who),
        "here": sorted(who & here),
        "joined": sorted(sorted(part) for part in joined if len(part) > 1),
        "kinds": {kind: int(kinds.get(kind, 0)) for kind in KINDS},
    }


def join_groups(duplicates: Duplicates) -> dict[str, str]:
    """Group of each subject by the shipped table and the pairs found, taken together.

    Returns
    -------
    dict of str to str
        For the subjects of the whole training set, of the shipped table and of the pairs.
    """
    links = [*subject_groups().items(), *duplicates.groups.items()]
    pairs = pd.DataFrame(links, columns=["first_subject", "second_subject"])
    names = {*official_cells().subject, *pairs.first_subject, *pairs.second_subject}
    return merge_subjects(pd.DataFrame({"subject": sorted(names)}), pairs)


def _against_table(duplicates: Duplicates) -> dict:
    joined = join_groups(duplicates)
    names = set(official_cells().subject)
    merged = [sorted(who) for who in _members(joined) if len(who) > 1]
    count = len({joined[name] for name in names})
    return {
        "agreement": compare_groups(duplicates),
        "joined": {"names": len(names), "groups": count, "merged": merged},
    }


def _members(groups: dict[str, str]) -> list[set[str]]:
    members: dict[str, set[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, set()).add(name)
    return [members[name] for name in sorted(members)]


def leak_rows(duplicates: Duplicates, cells: pd.DataFrame) -> list[dict]:
    """Images of the scored part that show a cell of the training part, under each protocol.

    The last row splits by the groups that were found, instead of those of the table.

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
    return [
        {"protocol": title, **_leak(make_split(table, name).cells, duplicates)}
        for title, name, table in tables
    ]


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


def expect_chance(duplicates: Duplicates) -> dict | None:
    """How many near pairs are to be expected by chance, where nobody turned an image.

    Different cells fit best in any of eight orientations; the plainly different pairs tell
    how many fit as they are for each one that fits turned or mirrored. The near pairs that
    are turned, times that, are the chance ones among the others.

    Returns
    -------
    dict or None
        `turned` (near pairs), `factor`, `expected`, and `at_most`, the upper end of a
        one-sided 95 % interval (Poisson); None where too few different pairs were compared.
    """
    compared = duplicates.compared[duplicates.compared.likeness < DIFFERENT]
    turned = int((compared.symmetry != 0).sum())
    if turned < 30:
        return None
    factor = (len(compared) - turned) / turned
    seen = int((duplicates.near_pairs.symmetry != 0).sum())
    highest = float(chi2.ppf(0.95, 2 * (seen + 1)) / 2)
    return {
        "turned": seen,
        "factor": round(factor, 3),
        "expected": round(factor * seen, 2),
        "at_most": round(factor * highest, 2),
    }
