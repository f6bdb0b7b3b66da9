"""What another table of subject groups would change: forest of 19 numbers, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from .baseline_runs import run_baselines
from .baselines import measure_numbers
from .datasets import get_dataset
from .duplicates import Duplicates, merge_subjects
from .errors import DataError
from .evaluation import score_predictions
from .studies import Study, save_study
from .uncertainty import compare_paired, mark_right

__all__ = ["GROUPINGS", "compare_groupings", "grouping_table", "join_found", "record_groupings"]

TOPIC = "groups"
SYSTEM = "nineteen"
# From the finest to the widest.
GROUPINGS = ("names", "table", "table and pairs")
TITLES = ("subject names", "the table that ships", "the table and the pairs found")
PROTOCOL = "group"
SEEDS = (2019, 2020, 2021, 2022, 2023)  # of the folds; the first gives the figures


def join_found(cells: pd.DataFrame, duplicates: Duplicates) -> pd.Series:
    """Group of each image when the table's groups that share a cell are joined too.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with `subject` and `group`.
    duplicates : Duplicates
        Found in it.

    Returns
    -------
    pandas.Series
        Strings, in the order of the table.
    """
    named = cells.dropna(subset=["subject", "group"])
    links = [*zip(named.subject, named.group, strict=True), *duplicates.groups.items()]
    pairs = pd.DataFrame(links, columns=["first_subject", "second_subject"])
    # A group is called after one of its subjects, who need not be here.
    everyone = pd.DataFrame({"subject": pd.unique(pairs.to_numpy(object).ravel())})
    groups = merge_subjects(everyone, pairs.astype(object))
    return cells.subject.map(groups).astype("string")


def compare_groupings(
    cells: pd.DataFrame,
    duplicates: Duplicates,
    *,
    numbers: pd.DataFrame | None = None,
    folds: int = 5,
    seeds: Sequence[int] = SEEDS,
    forest_seed: int = 1,
) -> dict:
    """Split by groups three times, by three tables of groups, and score the same forest.

    Every image is scored once, in the fold that holds its group, by a forest that has learned
    from all other folds.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with subjects and groups; its `attrs` name the data set.
    duplicates : Duplicates
        Found in it.
    numbers : pandas.DataFrame, optional
        As `alllib.baselines.measure_numbers(cells)`; measured when not given.
    folds, forest_seed : int
        As of `alllib.baseline_runs.run_baselines`.
    seeds : sequence of int
        Of the folds. The first gives the figures; all give `dealings`, since other groups are
        also dealt otherwise, and that alone changes the accuracy.

    Returns
    -------
    dict
        `rows`: for each of `GROUPINGS` (every name its own group, the groups of the table, and
        those joined further by the pairs) `grouping`, `groups` (that the images at hand
        have), `images`, `accuracy` and `auroc` (value, low, high), `with_twin` (scored images
        that show a cell that was learned from), `exact` (those whose very file was), `share`
        and `dealings` (accuracy with each of the seeds). `difference`: accuracy by the joined
        groups minus that by the table (`difference`, `low`, `high`, `groups`; see
        `alllib.uncertainty.compare_paired`).

    Raises
    ------
    DataError
        When the table names no subjects, or a number is missing.
    SplitError
        When there are too few groups for the folds.
    """
    if cells.subject.isna().any() or cells.group.isna().any():
        raise DataError(
            "Groupings can be compared only where every image has a subject and a group.",
            where=cells.attrs.get("dataset", ""),
            remedy="Use C-NMC 2019 or the synthetic cells.",
        )
    numbers = measure_numbers(cells) if numbers is None else numbers
    choices = (cells.subject, cells.group, join_found(cells, duplicates))
    rows, scored = [], {}
    for grouping, group in zip(GROUPINGS, choices, strict=True):
        table = cells.assign(group=group.astype("string"))
        table.attrs = dict(cells.attrs)
        runs = [
            run_baselines(table, [PROTOCOL], numbers=numbers, systems=[SYSTEM], folds=folds,
                          seed=seed, forest_seed=forest_seed).predictions
            for seed in seeds
        ]  # fmt: skip
        pooled = [predictions[predictions.scheme == "pooled"] for predictions in runs]
        scored[grouping] = pooled[0]
        dealings = [round(float(mark_right(one).mean()), 4) for one in pooled]
        rows.append(_row(grouping, group, pooled[0], duplicates) | {"dealings": dealings})
    # Groups that share a cell are not independent: the widest grouping is what is drawn.
    wide, table = (scored[name] for name in reversed(GROUPINGS[1:]))
    return {"rows": rows, "difference": asdict(compare_paired(wide, table))}


def _row(
    grouping: str, group: pd.Series, predictions: pd.DataFrame, duplicates: Duplicates
) -> dict:
    keep = [n for n in predictions if n in ("label", "group") or n.startswith("p_")]
    positive = get_dataset("cnmc2019").positive  # the synthetic cells have the same classes
    metrics = score_predictions(predictions[keep], positive=positive).metrics
    fold = predictions.set_index("image").fold
    twins = _crossing(duplicates.pairs, fold)
    return {
        "grouping": grouping,
        "groups": int(group.nunique()),
        "images": len(predictions),
        "accuracy": asdict(metrics["accuracy"]),
        "auroc": asdict(metrics["auroc"]),
        "with_twin": twins,
        "exact": _crossing(duplicates.exact_pairs, fold),
        "share": round(twins / max(len(predictions), 1), 4),
    }


def _crossing(pairs: pd.DataFrame, fold: pd.Series) -> int:
    """Images in a pair with an image of another fold: that one was learned from."""
    ends = [pairs[end].map(fold) for end in ("first", "second")]
    across = pairs[ends[0].notna() & ends[1].notna() & (ends[0] != ends[1])]
    return len(set(across["first"]) | set(across["second"]))


def grouping_table(found: dict) -> pd.DataFrame:
    """Rows of `compare_groupings` for readers.

    Returns
    -------
    pandas.DataFrame
        `groups by`, `groups`, `accuracy`, `from`, `to` (95 % interval), `least`, `most` (over
        all dealings), `images`, `twins`, `share` (text), `exact`.
    """
    titles = dict(zip(GROUPINGS, TITLES, strict=True))
    rows = [
        {
            "groups by": titles[row["grouping"]],
            "groups": row["groups"],
            "accuracy": row["accuracy"]["value"],
            "from": row["accuracy"]["low"],
            "to": row["accuracy"]["high"],
            "least": min(row["dealings"]),
            "most": max(row["dealings"]),
            "images": row["images"],
            "twins": row["with_twin"],
            "share": f"{row['share']:.2%}",
            "exact": row["exact"],
        }
        for row in found["rows"]
    ]
    return pd.DataFrame(rows)


def record_groupings(
    cells: pd.DataFrame, duplicates: Duplicates, *, numbers: pd.DataFrame | None = None, **settings
) -> Study:
    """Compare the groupings, and keep that with the book.

    Parameters
    ----------
    cells, duplicates, numbers, **settings
        See `compare_groupings`.

    Returns
    -------
    Study
        Written to `results/study/groups-<dataset>.json`.

    Raises
    ------
    DiskError
        When the disk is full or read-only. And see `compare_groupings`.
    """
    found = compare_groupings(cells, duplicates, numbers=numbers, **settings)
    chosen = {"folds": 5, "seeds": list(SEEDS), "forest_seed": 1} | settings
    return save_study(TOPIC, cells, found, settings={"system": SYSTEM, **chosen})
