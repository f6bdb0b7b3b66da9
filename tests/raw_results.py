"""The files of `results/`, read and pooled anew: what the pages of the book are held against.

Nothing here comes from the code that makes the pages, save the intervals (`coverage`,
`evaluation`, `uncertainty`), which have tests of their own.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from alllib.areas import compare_areas
from alllib.coverage import accuracy_interval
from alllib.evaluation import score_repeats
from alllib.files import hash_json
from alllib.uncertainty import compare_shares

RECIPES = Path(__file__).resolve().parents[1] / "alllib" / "recipes"
POSITIVE = {"cnmc2019": "ALL", "ball2021": ""}


@lru_cache
def read_recipes() -> dict[str, dict]:
    """The sources' recipes by name, from their TOML; what one inherits is filled in."""
    raw = [tomllib.loads(path.read_text("utf-8")) for path in sorted(RECIPES.glob("*.toml"))]
    by_name = {recipe["name"]: recipe for recipe in raw}

    def whole(recipe: dict) -> dict:
        parent = by_name.get(recipe.get("extends", ""))
        return _merge(whole(parent), recipe) if parent else recipe

    return {name: whole(recipe) for name, recipe in by_name.items()}


def _merge(below: dict, above: dict) -> dict:
    both = {k: _merge(below[k], v) for k, v in above.items() if isinstance(v, dict) and k in below}
    return below | above | both


@dataclass(frozen=True)
class Trained:
    """One run: its folder, `run.json`, and tables."""

    folder: Path
    run: dict

    @cached_property
    def predictions(self) -> pd.DataFrame:
        return pd.read_parquet(self.folder / "predictions.parquet")

    @cached_property
    def history(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / "history.csv")

    @property
    def beside(self) -> list[dict]:
        path = self.folder / "baselines.json"
        return json.loads(path.read_text("utf-8")) if path.is_file() else []

    @property
    def fold(self) -> int | None:
        return self.run["certificate"]["settings"].get("fold")

    @property
    def settings(self) -> str:
        given = self.run["parameters"]
        rest = {k: v for k, v in given.items() if k not in ("seed", "certificate")}
        rest["precision"] = self.run.get("precision", given["precision"])
        return json.dumps(rest, sort_keys=True)

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.run["recipe"], self.run["dataset"], self.run["protocol"]


@dataclass(frozen=True)
class Together:
    """Runs that differ in seed or fold alone; a table of predictions for each seed."""

    runs: tuple[Trained, ...]
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    tables: tuple[pd.DataFrame, ...]

    @property
    def run(self) -> dict:
        return self.runs[0].run

    @property
    def title(self) -> str:
        return self.run["recipe_text"]["title"]

    @property
    def finished(self) -> str:
        return max(one.run["finished"] for one in self.runs)

    @property
    def certificate(self) -> str:
        found = list(dict.fromkeys(one.run["certificate"]["hash"] for one in self.runs))
        return found[0] if len(found) == 1 else hash_json(found)

    @property
    def on_source(self) -> bool:
        own = self.run["recipe_text"]["data"]["published_protocol"]
        return not self.folds and self.run["protocol"] == own

    @cached_property
    def accuracy(self) -> list[float]:
        return accuracy_of(self.tables)

    @cached_property
    def auroc(self) -> list[float]:
        return auroc_of(self.tables, POSITIVE[self.run["dataset"]])

    @property
    def flat(self) -> bool:
        """Whether each training gives one answer only."""
        return all(len(set(answers(table))) == 1 for table in self.tables)

    @property
    def trained(self) -> int:
        """Images trained on, mean over the runs."""
        return round(np.mean([one.run["images"]["train"] for one in self.runs]))


def classes_of(table: pd.DataFrame) -> list[str]:
    return [name.removeprefix("p_") for name in table if name.startswith("p_")]


def shares_of(table: pd.DataFrame) -> np.ndarray:
    return table[[f"p_{name}" for name in classes_of(table)]].to_numpy(float)


def answers(table: pd.DataFrame) -> np.ndarray:
    return np.array(classes_of(table))[shares_of(table).argmax(axis=1)]


def right(table: pd.DataFrame) -> np.ndarray:
    return answers(table) == table.label.to_numpy(str)


def accuracy_of(tables: Iterable[pd.DataFrame]) -> list[float]:
    """Mean accuracy, and its interval where there is one."""
    tables = list(tables)
    value = float(np.mean([right(table).mean() for table in tables]))
    found = accuracy_interval(tables)
    return [value] if found.low is None else [value, found.low, found.high]


def area_of(tables: Iterable[pd.DataFrame], positive: str) -> float:
    """Mean area under the curve, of several classes one against the rest."""
    areas = []
    for table in tables:
        names = [positive] if positive else classes_of(table)
        areas.append(np.mean([roc_auc_score(table.label == k, table[f"p_{k}"]) for k in names]))
    return float(np.mean(areas))


def auroc_of(tables: Iterable[pd.DataFrame], positive: str) -> list[float]:
    """The same with its interval where there is one."""
    tables = list(tables)
    found = score_repeats(tables, positive=positive).metrics["auroc"]
    value = area_of(tables, positive)
    return [value] if found.low is None else [value, found.low, found.high]


def read_runs(results: Path) -> list[Trained]:
    folders = sorted(path.parent for path in results.glob("*/run.json"))
    return [Trained(one, json.loads((one / "run.json").read_text("utf-8"))) for one in folders]


def by_seed(runs: Iterable[Trained]) -> list[Together]:
    """Runs on one split that differ in their seed; of two from one seed the newer."""
    sets: dict[tuple, dict[int, Trained]] = {}
    for one in sorted(runs, key=lambda one: one.run["finished"]):
        key = (*one.kind, one.settings, one.run["certificate"]["hash"])
        sets.setdefault(key, {})[one.run["seed"]] = one
    found = []
    for seeds in sets.values():
        each = tuple(seeds[seed] for seed in sorted(seeds))
        folds = () if each[0].fold is None else (each[0].fold,)
        tables = tuple(one.predictions for one in each)
        found.append(Together(each, tuple(sorted(seeds)), folds, tables))
    return found


def by_fold(runs: Iterable[Trained]) -> list[Together]:
    """Whole cross-validations: every image scored once, by each seed."""
    sets: dict[tuple, dict[int, dict[int, Trained]]] = {}
    for one in sorted(runs, key=lambda one: one.run["finished"]):
        if one.fold is None or one.run["scored"] != "test":
            continue
        settings = dict(one.run["certificate"]["settings"])
        split = {k: v for k, v in settings.items() if k not in ("fold", "validation")}
        key = (*one.kind, one.settings, json.dumps(split, sort_keys=True))
        sets.setdefault(key, {}).setdefault(one.run["seed"], {})[one.fold] = one
    found = []
    for seeds in sets.values():
        whole = {seed: seeds[seed] for seed in sorted(seeds) if _whole(seeds[seed])}
        if whole:
            runs_of = {seed: [folds[k] for k in sorted(folds)] for seed, folds in whole.items()}
            each = tuple(one for folds in runs_of.values() for one in folds)
            tables = tuple(pd.concat([o.predictions for o in folds]) for folds in runs_of.values())
            tables = tuple(table.reset_index(drop=True) for table in tables)
            folds = tuple(sorted(next(iter(whole.values()))))
            found.append(Together(each, tuple(whole), folds, tables))
    return found


def _whole(folds: dict[int, Trained]) -> bool:
    if len(folds) < 2:
        return False
    images = [name for one in folds.values() for name in one.predictions.image]
    run = next(iter(folds.values())).run
    held = sum(run["images"].values())
    return len(set(images)) == len(images) and (run["protocol"] == "folds" or len(images) == held)


def shown(runs: Iterable[Trained]) -> list[Together]:
    """For each system, data set and split the most seeds, then images, then the newest."""
    runs, found = list(runs), {}
    for one in [*by_seed(runs), *by_fold(runs)]:
        found.setdefault(one.runs[0].kind, []).append(one)

    def rank(one: Together) -> tuple:
        return len(one.seeds), len(one.tables[0]), one.finished

    return [max(found[kind], key=rank) for kind in sorted(found)]


@dataclass(frozen=True)
class Kept:
    """The study `baselines` of one data set: rows, and predictions of each row."""

    study: dict
    predictions: pd.DataFrame

    def rows(self, **wanted) -> list[dict]:
        rows = [row for row in self.study["found"]["rows"] if row["scheme"] != "fold"]
        return [row for row in rows if all(row[k] == v for k, v in wanted.items())]

    def table(self, row: dict) -> pd.DataFrame:
        """Predictions behind a row; the commonest class is dealt out here."""
        if row["classifier"] == "majority":
            alike = next(r for r in self.rows(protocol=row["protocol"], scheme=row["scheme"])
                         if r["certificate"] == row["certificate"] and r is not row)  # fmt: skip
            table = self.table(alike).copy()
            names = [name for name in table if name.startswith("p_")]
            table[names] = 0.0
            return table.assign(**{f"p_{table.label.value_counts().idxmax()}": 1.0})
        whole = self.predictions
        for name in ("system", "protocol", "scheme"):
            whole = whole[whole[name] == row[name]]
        before = 0  # the published splits of one protocol follow each other
        for other in self.rows(**{k: row[k] for k in ("system", "protocol", "scheme")}):
            if other is row:
                return whole.iloc[before : before + row["scored_images"]].reset_index(drop=True)
            before += other["scored_images"]
        raise AssertionError("the row is none of this study")


def read_kept(results: Path, dataset: str) -> Kept | None:
    path = results / "study" / f"baselines-{dataset}.json"
    if not path.is_file():
        return None
    study = json.loads(path.read_text("utf-8"))
    table = pd.read_parquet(path.with_suffix(".parquet"))
    wanted = [f"p_{k}" for k in ("ALL", "HEM", "Benign", "Early", "Pre", "Pro")]
    columns = [name for name in table if name not in wanted or table[name].notna().any()]
    return Kept(study, table[columns])


def image_means(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """How often each image was classified rightly: `image, group, label, right`."""
    whole = pd.concat(
        [t[["image", "group", "label"]].astype(object).assign(right=right(t)) for t in tables]
    )
    first = whole.drop_duplicates("image").set_index("image")[["group", "label"]]
    return first.assign(right=whole.groupby("image").right.mean()).reset_index()


@dataclass(frozen=True)
class Gap:
    """Points between two splits on common images."""

    points: list[float]
    p: float
    images: int
    groups: int | None


def gap_between(first: Iterable[pd.DataFrame], second: Iterable[pd.DataFrame]) -> Gap:
    """Difference on the images that both scored; interval and p are the package's."""
    one, two = image_means(first), image_means(second)
    both = one.merge(two[["image", "right"]], on="image", suffixes=("", "_other"))
    # Rounded, because a mean that is 0 may come out a little below it, and change its sign.
    difference = round(float((both.right - both.right_other).mean()), 12) + 0.0
    found = compare_shares(one, two)
    limits = [] if found.low is None or found.low == found.high else [found.low, found.high]
    named = both.group.notna().all()
    return Gap(
        [100 * value for value in (difference, *limits)],
        found.p,
        len(both),
        both.group.nunique() if named else None,
    )


def area_gap_between(first: list[pd.DataFrame], second: list[pd.DataFrame]) -> list[float]:
    """Difference of the areas on common images in points; the interval is the package's."""
    values, weights = [], []
    ours = set(first[0].image)
    met = [other for other in second if other.label[other.image.isin(ours)].nunique()
           == len(classes_of(other))]  # fmt: skip
    scored = pd.concat([other.image for other in met]).value_counts()
    for other in met:
        common = sorted(set(first[0].image) & set(other.image))
        cut = [table.set_index("image").loc[common].reset_index() for table in [*first, other]]
        positive = "ALL" if "p_ALL" in other else ""
        values.append(np.mean([area_of([t], positive) for t in cut[:-1]])
                      - area_of([cut[-1]], positive))  # fmt: skip
        weights.append((1 / scored.loc[common]).sum())  # an image counts once
    difference = round(float(np.average(values, weights=weights)), 12) + 0.0
    found = compare_areas(first, second)
    limits = [] if found.low is None else [found.low, found.high]
    return [100 * value for value in (difference, *limits)]


def other_splits(first: Together, runs: Iterable[Trained]) -> dict[str, list[Together]]:
    """The same system with the same settings on other splits, by protocol."""
    found: dict[str, list[Together]] = {}
    for one in by_seed(runs):
        same = one.runs[0].kind[:2] == first.runs[0].kind[:2]
        if same and one.run["protocol"] != first.run["protocol"] and _scale(one) == _scale(first):
            found.setdefault(one.run["protocol"], []).append(one)
    return dict(sorted(found.items()))


def _scale(one: Together) -> dict:
    leave = ("seed", "certificate", "data")  # the organisers' folds leave images out
    return {k: v for k, v in one.run["parameters"].items() if k not in leave}
