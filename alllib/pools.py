"""Runs of one system that belong together: the same split from other seeds, or its other folds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain

import pandas as pd

from .coverage import accuracy_interval
from .datasets import get_dataset
from .evaluation import Scores, score_repeats
from .files import hash_json
from .records import Record

__all__ = ["Pool", "choose_pools", "pool_folds", "pool_seeds"]


@dataclass(frozen=True)
class Pool:
    """Runs that differ in nothing but seed and fold.

    Attributes
    ----------
    records : tuple of Record
        By seed, then by fold.
    seeds : tuple of int
    folds : tuple of int
        Folds that were tested, all of them for each seed; empty where the split has none.
    repeats : tuple of pandas.DataFrame
        Predictions of each seed, of all folds together.
    """

    records: tuple[Record, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    repeats: tuple[pd.DataFrame, ...]

    @property
    def run(self) -> dict:
        """`run.json` of the first run: what all of them share."""
        return self.records[0].run

    @property
    def certificate(self) -> str:
        """Hash of the split's certificate; of several folds the hash of theirs."""
        hashes = list(dict.fromkeys(r.run["certificate"]["hash"] for r in self.records))
        return hashes[0] if len(hashes) == 1 else hash_json(hashes)

    @property
    def finished(self) -> str:
        """When the last of them ended; UTC, ISO 8601."""
        return max(record.run["finished"] for record in self.records)

    @property
    def images(self) -> int:
        """Images that were scored, each once."""
        return len(self.repeats[0])

    @cached_property
    def scores(self) -> Scores:
        """Metrics, each the mean over the seeds; percentile intervals by subject group."""
        positive = get_dataset(self.run["dataset"]).positive
        return score_repeats(self.repeats, positive=positive)

    @cached_property
    def accuracy(self) -> dict[str, float | None]:
        """Mean accuracy over the seeds: `value, low, high` of `coverage.accuracy_interval`."""
        return asdict(accuracy_interval(self.repeats))

    @property
    def accuracies(self) -> list[float]:
        """Accuracy of each run, in the order of `records`."""
        return [r.run["metrics"]["metrics"]["accuracy"]["value"] for r in self.records]


def _settings(record: Record) -> tuple:
    """What runs that belong together share besides the split."""
    run = record.run
    rest = {k: v for k, v in run["parameters"].items() if k not in ("seed", "certificate")}
    rest["precision"] = run.get("precision", rest.get("precision"))
    return record.recorded, run["recipe"], run["dataset"], run["protocol"], hash_json(rest)


def _sort(
    records: Iterable[Record], split: Callable[[dict], str]
) -> list[dict[int, dict[int | None, Record]]]:
    """Sets of runs with the same settings and the same `split(certificate)`, each by seed and by
    fold; of two of one seed and fold the newer counts."""
    sets: dict[tuple, dict[int, dict[int | None, Record]]] = {}
    for record in sorted(records, key=lambda record: record.run["finished"]):
        run, certificate = record.run, record.run["certificate"]
        by_seed = sets.setdefault((*_settings(record), split(certificate)), {})
        by_seed.setdefault(run["seed"], {})[certificate["settings"].get("fold")] = record
    return [sets[key] for key in sorted(sets)]


def _pool(by_seed: Mapping[int, Mapping[int | None, Record]]) -> Pool:
    """Pool of runs by seed and fold, the same folds for each seed."""
    seeds = sorted(by_seed)
    folds = sorted(by_seed[seeds[0]], key=lambda fold: -1 if fold is None else fold)
    rows = [[by_seed[seed][fold] for fold in folds] for seed in seeds]
    tables = [pd.concat([r.predictions for r in row], ignore_index=True) for row in rows]
    tested = tuple(fold for fold in folds if fold is not None)
    return Pool(tuple(chain.from_iterable(rows)), tuple(seeds), tested, tuple(tables))


def pool_seeds(records: Iterable[Record]) -> list[Pool]:
    """Runs on the same split that differ in their seed alone.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    list of Pool
        In the order of the systems' names; of two runs from one seed the newer counts.
    """
    return [_pool(found) for found in _sort(records, lambda certificate: certificate["hash"])]


def pool_folds(records: Iterable[Record]) -> list[Pool]:
    """Cross-validations among some records: every fold of a split tested once.

    Each image is then scored once, by a network that was not trained on it, and all of them
    together say more than one fold, which is one draw of a few subjects.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    list of Pool
        Those seeds of a system for which all folds are there, the same folds for each.
    """

    def split(certificate: dict) -> str:
        leave = ("fold", "validation")
        return hash_json({k: v for k, v in certificate["settings"].items() if k not in leave})

    tested = [
        record
        for record in records
        if record.run["certificate"]["settings"].get("fold") is not None
        and record.run["scored"] == "test"
    ]
    pools = []
    for found in _sort(tested, split):
        whole = {seed: folds for seed, folds in found.items() if _all(folds)}
        most = max(whole.values(), key=len, default={})
        if most:
            pools.append(_pool({k: v for k, v in whole.items() if v.keys() == most.keys()}))
    return pools


def _all(folds: dict[int, Record]) -> bool:
    """Whether the test parts of several folds hold every image of the data once.

    Of the organisers' folds a part of the data set may hold some only in part, which cannot be
    tested: there two or more are enough.
    """
    if len(folds) < 2:
        return False
    run = next(iter(folds.values())).run
    names = pd.concat([record.predictions.image for record in folds.values()])
    whole = run["protocol"] == "folds" or len(names) == sum(run["images"].values())
    return whole and not names.duplicated().any()


def choose_pools(records: Iterable[Record]) -> list[Pool]:
    """One pool for each system, data set and split: what a table of results shows.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    list of Pool
        Of recorded runs the one with the most seeds, then with the most scored images, then
        the newest; of the others the newest.
    """
    records = list(records)
    found: dict[tuple, Pool] = {}
    for pool in [*pool_seeds(records), *pool_folds(records)]:
        recorded = pool.records[0].recorded
        key = (not recorded, pool.run["recipe"], pool.run["dataset"], pool.run["protocol"])
        best = found.get(key)
        if best is None or _rank(pool, recorded) > _rank(best, recorded):
            found[key] = pool
    return [found[key] for key in sorted(found)]


def _rank(pool: Pool, recorded: bool) -> tuple:
    size = (len(pool.seeds), pool.images) if recorded else ()
    return (*size, pool.finished, pool.images)
