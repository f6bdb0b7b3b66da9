"""Subject groups that pairs join, beside those of the table that ships with the package."""

from __future__ import annotations

import pandas as pd

from .downloads import official_cells
from .duplicates import KINDS, Duplicates, merge_subjects
from .layouts import subject_groups

__all__ = ["against_table", "compare_groups", "join_groups", "merge_rows", "merge_table"]


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


def merge_rows(duplicates: Duplicates, cells: pd.DataFrame) -> list[dict]:
    """What each merge that goes beyond the shipped table rests on, the thinnest last.

    Images that are one file count once: of a cell that stands under two names of a shipped
    group there is one pair with a third name, not two.

    Parameters
    ----------
    duplicates : Duplicates
    cells : pandas.DataFrame
        Cell table that they were found in.

    Returns
    -------
    list of dict
        `names` and `others` (subjects of two shipped groups, or single ones, that pairs
        join), `pairs`, `fields` and `other_fields` (with an image in such a pair),
        `field_pairs` (couples of fields joined), `most` (pairs between one field and one
        other) and `of` (images of the smaller of these two), `likeness` (lowest and highest).
    """
    shipped = subject_groups()
    cross = duplicates.cross_subject_pairs
    table = cross.assign(
        one=cross.first_subject.astype(str).map(lambda name: shipped.get(name, name)),
        two=cross.second_subject.astype(str).map(lambda name: shipped.get(name, name)),
    )
    table = table[table.one != table.two]
    same = cells.drop_duplicates("sha256").set_index("sha256").image
    stands = dict(zip(cells.image, cells.sha256.map(same), strict=True))
    sizes = cells.groupby("field").size()
    parts: dict[tuple, list] = {}
    for row in table.itertuples(index=False):
        ends = [(row.one, row.first_subject, row.first_field, stands[row.first]),
                (row.two, row.second_subject, row.second_field, stands[row.second])]  # fmt: skip
        (one, *left), (two, *right) = sorted(ends)
        parts.setdefault((one, two), []).append((*left, *right, row.likeness))
    rows = [_merge_row(pd.DataFrame(part), sizes) for part in parts.values()]
    return sorted(rows, key=lambda row: (-row["pairs"], row["names"], row["others"]))


def _merge_row(part: pd.DataFrame, sizes: pd.Series) -> dict:
    """One row; columns are subject, field and image of either side, and the likeness."""
    names, others = (sorted(set(part[column].astype(str))) for column in (0, 3))
    # One cell under two names: the first row of each couple of images stands for all.
    part = part.sort_values([1, 4], kind="stable").drop_duplicates([2, 5])
    couples = part.groupby([1, 4]).size().sort_values(ascending=False, kind="stable")
    best = couples.index[0]
    return {
        "names": names,
        "others": others,
        "pairs": len(part),
        "fields": int(part[1].nunique()),
        "other_fields": int(part[4].nunique()),
        "field_pairs": len(couples),
        "most": int(couples.iloc[0]),
        "of": int(min(sizes[field] for field in best)),
        "likeness": [round(float(v), 3) for v in (part[6].min(), part[6].max())],
    }


def against_table(duplicates: Duplicates, cells: pd.DataFrame) -> dict:
    """What the pairs say beside the shipped table, as plain data.

    Returns
    -------
    dict
        `agreement` (see `compare_groups`) and `joined`: the subject `names` of the whole
        training set, the number of `groups` that they are by the table and the pairs
        together, the `merged` ones, and `merges` (see `merge_rows`).
    """
    joined = join_groups(duplicates)
    names = set(official_cells().subject)
    merged = [sorted(who) for who in _members(joined) if len(who) > 1]
    count = len({joined[name] for name in names})
    return {
        "agreement": compare_groups(duplicates),
        "joined": {"names": len(names), "groups": count, "merged": merged,
                   "merges": merge_rows(duplicates, cells)},
    }  # fmt: skip


def _members(groups: dict[str, str]) -> list[set[str]]:
    members: dict[str, set[str]] = {}
    for name, group in groups.items():
        members.setdefault(group, set()).add(name)
    return [members[name] for name in sorted(members)]


def merge_table(rows: list[dict]) -> pd.DataFrame:
    """Rows of `merge_rows` for readers: names as text, likeness in two columns.

    Returns
    -------
    pandas.DataFrame
        `names`, `others`, `pairs`, `fields`, `other_fields`, `field_pairs`, `most`, `of`,
        `likeness from`, `to`; these columns without a row where there is none.
    """
    columns = ["names", "others", "pairs", "fields", "other_fields", "field_pairs", "most", "of"]
    table = pd.DataFrame(rows, columns=[*columns, "likeness"])
    for side in columns[:2]:
        table[side] = table[side].str.join(", ") if rows else table[side].astype(str)
    ends = {"likeness from": 0, "to": 1}
    for name, end in ends.items():
        table[name] = [row["likeness"][end] for row in rows]
    return table[[*columns, *ends]]
