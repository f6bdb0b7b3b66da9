"""Where systems agree and where they fail, on images that all of them were scored on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score

from .calibration import apply_temperature, calibration_error, fit_temperature, part_predictions
from .errors import DataError
from .pools import Pool, pool_seeds
from .records import Record
from .result_rows import answers_one_class
from .uncertainty import share_right

__all__ = [
    "calibrate_pools",
    "common_errors",
    "error_kappas",
    "group_accuracies",
    "pools_beside",
    "right_table",
]

KEYS = ("image", "group", "label")


def pools_beside(records: Iterable[Record], dataset: str, protocol: str) -> list[Pool]:
    """Pools of recorded runs that were scored on the very same images: those of the split that
    most systems share.

    Parameters
    ----------
    records : iterable of Record
    dataset, protocol : str

    Returns
    -------
    list of Pool
        One per recipe, the one with the most seeds, then the newest; recipes with a published
        number only, so that a system does not count once more for each of its variants.
    """
    here = [
        record
        for record in records
        if record.recorded
        and (record.run["dataset"], record.run["protocol"]) == (dataset, protocol)
        and "accuracy" in record.run["recipe_text"]["published"]
    ]
    pools = pool_seeds(here)
    splits = Counter()
    for certificate, _ in {(pool.certificate, pool.run["recipe"]) for pool in pools}:
        splits[certificate] += 1
    if not splits:
        return []
    # Of splits with equally many systems always the same one.
    certificate = min(splits, key=lambda name: (-splits[name], name))
    best: dict[str, Pool] = {}
    for pool in pools:
        if pool.certificate == certificate:
            known = best.get(pool.run["recipe"])
            if known is None or _rank(pool) > _rank(known):
                best[pool.run["recipe"]] = pool
    return [best[name] for name in sorted(best)]


def _rank(pool: Pool) -> tuple[int, str]:
    return len(pool.seeds), pool.finished


def right_table(systems: Mapping[str, Pool | pd.DataFrame]) -> pd.DataFrame:
    """How often each image was classified rightly by each system.

    Parameters
    ----------
    systems : mapping
        Title to a pool, or to a table of predictions.

    Returns
    -------
    pandas.DataFrame
        Index `image`; columns `group`, `label`, and a share from 0 to 1 for each title.

    Raises
    ------
    DataError
        When there is no system, or no image that all of them scored.
    """
    tables = [
        share_right(found.repeats if isinstance(found, Pool) else found)
        .set_index("image")
        .rename(columns={"right": title})
        for title, found in systems.items()
    ]
    if not tables:
        raise DataError("There is no system to compare.", remedy="Give one or more.")
    rights = pd.concat([table.iloc[:, -1] for table in tables], axis=1, join="inner")
    if rights.empty:
        raise DataError("The systems have no image in common.", remedy="Compare runs on one split.")
    return tables[0][["group", "label"]].join(rights, how="right").sort_index()


def _mark_wrong(rights: pd.DataFrame, titles: Sequence[str]) -> pd.DataFrame:
    """Whether fewer than half of the trainings of each system were right on an image."""
    return rights[list(titles)].lt(0.5)


def error_kappas(rights: pd.DataFrame, titles: Sequence[str]) -> pd.DataFrame:
    """Cohen's kappa of the errors of each two systems: 1 where they fail on the same images, 0
    where they meet as often as by chance.

    Parameters
    ----------
    rights : pandas.DataFrame
        As `right_table`; a share of one half or more counts as right.
    titles : sequence of str
        Columns to compare.

    Returns
    -------
    pandas.DataFrame
        Square, by title; missing where one of the two makes no error, or nothing else.
    """
    wrong = _mark_wrong(rights, titles)
    found = pd.DataFrame(np.nan, index=list(titles), columns=list(titles))
    for first in titles:
        for second in titles:
            if wrong[first].nunique() > 1 and wrong[second].nunique() > 1:
                found.loc[first, second] = cohen_kappa_score(wrong[first], wrong[second])
    return found


def common_errors(rights: pd.DataFrame, titles: Sequence[str]) -> pd.DataFrame:
    """Images by class and by the number of systems that classify them wrongly.

    Parameters
    ----------
    rights, titles
        As `error_kappas`.

    Returns
    -------
    pandas.DataFrame
        Index: number of systems, 0 to all; one column of counts for each class.
    """
    failed = _mark_wrong(rights, titles).sum(axis=1)
    counts = pd.crosstab(failed, rights.label)
    return counts.reindex(range(len(titles) + 1), fill_value=0).rename_axis("systems that fail")


def group_accuracies(rights: pd.DataFrame, titles: Sequence[str]) -> pd.DataFrame:
    """Accuracy of each system on the cells of each subject group.

    Parameters
    ----------
    rights, titles
        As `error_kappas`.

    Returns
    -------
    pandas.DataFrame
        Index `label`, `group`, `images` (classes in turn, the most images first); a column for
        each title.
    """
    found = rights.groupby(["label", "group"], observed=True)[list(titles)].mean()
    sizes = rights.groupby(["label", "group"], observed=True).size().rename("images")
    found = found.join(sizes).reset_index()
    found = found.sort_values(["label", "images", "group"], ascending=[True, False, True])
    return found.set_index(["label", "group", "images"])


def calibrate_pools(pools: Iterable[Pool]) -> list[dict]:
    """How well the probabilities of each system are calibrated, before and after a temperature
    that is fitted on the validation part.

    Parameters
    ----------
    pools : iterable of Pool
        Of splits with a validation part beside the scored one; the first seed of each counts.

    Returns
    -------
    list of dict
        `title, before, after` (expected calibration error on the scored part), `temperature`,
        `varied` (whether the system gives more than one answer).
    """
    rows = []
    for pool in pools:
        table = part_predictions(pool.records[0])
        temperature = fit_temperature(table[table.part == "validation"])
        test = table[table.part != "validation"]
        rows.append(
            {
                "title": pool.run["recipe_text"]["title"],
                "before": calibration_error(test).value,
                "temperature": temperature,
                "after": calibration_error(apply_temperature(test, temperature)).value,
                "varied": not answers_one_class(pool),
            }
        )
    return rows
