"""Measurements of the statistics chapter: coverage of intervals, and deviation between seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict

import pandas as pd

from .agreement import Spread, seed_spread
from .baselines import get_baseline, predict_baseline
from .calibration import (
    Threshold,
    apply_temperature,
    calibration_error,
    choose_threshold,
    fit_temperature,
    reliability,
    score_threshold,
)
from .coverage import METHODS, simulate_coverage, within_correlation
from .datasets import get_dataset
from .errors import DataError
from .evaluation import score_predictions
from .files import hash_json
from .records import Record
from .splits import make_split, scored_part

__all__ = ["GROUPS", "calibrate", "calibrate_forest", "coverage_table", "forest_seeds",
           "group_sizes", "measure_coverage", "network_seeds", "seed_row",
           "training_cells"]  # fmt: skip

GROUPS = (2, 3, 6, 13, 26)  # of each class, in simulated studies
LEAST = 0.005  # least correlation simulated; a beta distribution has none of 0


def group_sizes(cells: pd.DataFrame) -> dict[str, list[int]]:
    """Images of each subject group, by class, in falling order.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; images without label or group are left out.

    Returns
    -------
    dict of str to list of int

    Raises
    ------
    DataError
        When no image names its group.
    """
    named = cells[cells.label.notna() & cells.group.notna()]
    if named.empty:
        raise DataError("No image names its group.", remedy="Use data with subjects.")
    counts = named.groupby(["label", "group"]).size()
    return {
        str(label): sorted(map(int, counts[label]), reverse=True)
        for label in counts.index.unique("label")
    }


def coverage_table(
    sizes: Mapping[str, list[int]],
    predictions: pd.DataFrame,
    *,
    groups: Iterable[int] = GROUPS,
    designs: Mapping[str, Mapping[str, list[int]]] | None = None,
    methods: Iterable[str] = tuple(METHODS),
    repeats: int = 1000,
    resamples: int = 500,
    seed: int = 1,
) -> pd.DataFrame:
    """Coverage of each method for several numbers of groups.

    Parameters
    ----------
    sizes : mapping
        Images of each group, by class; sizes of simulated groups are drawn from these.
    predictions : pandas.DataFrame
        A system whose accuracy and correlation by class the made-up studies have, see
        `coverage.within_correlation`.
    groups : iterable of int
        Numbers of groups of each class.
    designs : mapping, optional
        Title to group sizes by class that are taken as they are.
    methods, repeats, resamples, seed
        As of `coverage.simulate_coverage`.

    Returns
    -------
    pandas.DataFrame
        `design` (text) and the columns of `coverage.simulate_coverage`.

    Raises
    ------
    DataError
        As `coverage.simulate_coverage`.
    """
    found = within_correlation(predictions).set_index("label")
    settings = {
        "accuracy": found.accuracy.to_dict(),
        "correlation": found.correlation.clip(LEAST, 1 - LEAST).to_dict(),
        "methods": tuple(methods), "repeats": repeats, "resamples": resamples, "seed": seed,
    }  # fmt: skip
    tables = [
        simulate_coverage(sizes, groups=count, **settings).assign(design=f"{count} + {count}")
        for count in groups
    ]
    for title, held in (designs or {}).items():
        tables.append(simulate_coverage(held, **settings).assign(design=title))
    table = pd.concat(tables, ignore_index=True)
    return table[["design", *(name for name in table if name != "design")]]


def measure_coverage(
    cells: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    repeats: int = 4000,
    resamples: int = 500,
    seed: int = 1,
) -> dict:
    """Coverage on the group sizes of a data set.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table, of which no image is needed: `downloads.official_cells()` will do. The
        images of `training_cells` are taken.
    predictions : pandas.DataFrame
        As of `coverage_table`.
    repeats, resamples, seed : int

    Returns
    -------
    dict
        `rows` of `coverage_table`, `setting` (accuracy and correlation by class), `sizes`.

    Raises
    ------
    DataError
        As `group_sizes` and `coverage_table`.
    """
    cells = training_cells(cells)
    sizes = group_sizes(cells)
    designs = {}
    for fold, part in cells.groupby("fold"):
        held = group_sizes(part)
        designs[f"{fold}: " + " + ".join(str(len(held[label])) for label in sizes)] = held
    designs["all: " + " + ".join(str(len(held)) for held in sizes.values())] = sizes
    table = coverage_table(
        sizes, predictions, designs=designs, repeats=repeats, resamples=resamples, seed=seed
    )
    setting = within_correlation(predictions).to_dict("records")
    return {"rows": _plain(table), "setting": setting, "sizes": sizes}


def training_cells(cells: pd.DataFrame) -> pd.DataFrame:
    """Labelled images of the official folds, without those of the test phases.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    pandas.DataFrame
        With the `attrs` of `cells`.
    """
    chosen = cells[cells.label.notna() & ~cells.fold.isin(["preliminary", "final"])]
    chosen = chosen.reset_index(drop=True)
    chosen.attrs = dict(cells.attrs)
    return chosen


def _plain(table: pd.DataFrame) -> list[dict]:
    """Rows with numbers of six decimals."""
    return table.round(6).astype(object).where(table.notna(), None).to_dict("records")


def forest_seeds(
    cells: pd.DataFrame,
    numbers: pd.DataFrame,
    protocol: str,
    *,
    seeds: Iterable[int] = range(1, 11),
) -> dict:
    """Accuracy of the forest on nineteen numbers with several seeds, on one split.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    numbers : pandas.DataFrame
        As `baselines.measure_numbers(cells)`.
    protocol : str
    seeds : iterable of int

    Returns
    -------
    dict
        As `seed_row`.

    Raises
    ------
    DataError, SplitError
        As `baselines.predict_baseline`.
    """
    split, baseline = make_split(cells, protocol), get_baseline("nineteen")
    values = []
    for seed in seeds:
        found = predict_baseline(baseline, split, numbers, seed=seed)
        scored = found[found.part == scored_part(split)].reset_index(drop=True)
        values.append(score_predictions(scored, resamples=2).metrics["accuracy"].value)
    return seed_row(
        "forest", baseline.title, values,
        scale="300 trees", protocol=protocol, certificate=split.certificate["hash"],
    )  # fmt: skip


def network_seeds(records: Iterable[Record], dataset: str) -> list[dict]:
    """Rows of the study `seeds` from runs that differ in nothing but the seed.

    Parameters
    ----------
    records : iterable of Record
    dataset : str
        Runs on other images are left out.

    Returns
    -------
    list of dict
        As `seed_row`, one for each system, split and scale with three seeds or more.
    """
    sets: dict[str, list[dict]] = {}
    for run in (record.run for record in records):
        same = {name: value for name, value in run["parameters"].items() if name != "seed"}
        if run["dataset"] == dataset:
            sets.setdefault(hash_json([run["recipe"], same]), []).append(run)
    return [_network_row(runs) for runs in sets.values() if len({r["seed"] for r in runs}) > 2]


def _network_row(runs: list[dict]) -> dict:
    run = runs[0]
    by_seed = {one["seed"]: one["metrics"]["metrics"]["accuracy"]["value"] for one in runs}
    return seed_row(
        run["recipe"], run["recipe_text"]["title"], [by_seed[seed] for seed in sorted(by_seed)],
        scale=f"{run['parameters']['input_size']} px, {run['parameters']['epochs']} epochs",
        protocol=run["protocol"], certificate=run["certificate"]["hash"],
    )  # fmt: skip


def seed_row(system: str, title: str, values: Iterable[float], **facts) -> dict:
    """Row of the study `seeds`: `system`, `title`, `values` (one a seed), `spread`, and what
    else is given (`scale`, `protocol`, `certificate`)."""
    values = list(map(float, values))
    spread: Spread = seed_spread(values)
    return {"system": system, "title": title, "values": values, "spread": spread.as_dict()} | facts


def calibrate(predictions: pd.DataFrame, positive: str, *, sensitivity: float = 0.95) -> dict:
    """Temperature and thresholds fitted on the validation part, and what they do in the test part.

    Parameters
    ----------
    predictions : pandas.DataFrame
        `label, group, part` and `p_<class>` of two classes, of validation and test part.
    positive : str
        Class of the disease.
    sensitivity : float
        Wanted by the second threshold.

    Returns
    -------
    dict
        `temperature`; `curves`, `errors` and `validation_errors`, each with `before` and `after`
        (reliability curve and expected calibration error of the test part, the latter of the
        validation part too); `thresholds`, rows with `rule`, `value`, `validation` and `test`
        (sensitivity, specificity, balanced accuracy).

    Raises
    ------
    DataError
        When a part is missing, or see `calibration.fit_temperature`.
    """
    test = predictions[predictions.part == "test"].reset_index(drop=True)
    if test.empty:
        raise DataError(
            "There is no image of the test part to try the fit on.",
            remedy="Use a split with three parts, such as 'group'.",
        )
    temperature = fit_temperature(predictions)
    tables = {"before": test, "after": apply_temperature(test, temperature)}
    held = predictions[predictions.part == "validation"].reset_index(drop=True)
    fitted = {"before": held, "after": apply_temperature(held, temperature)}
    thresholds = [
        Threshold(0.5, positive, "one half, chosen by nobody", *_rates(held, positive)),
        choose_threshold(predictions, positive),
        choose_threshold(predictions, positive, sensitivity=sensitivity),
    ]
    return {
        "temperature": temperature,
        "curves": {k: reliability(t).to_dict("records") for k, t in tables.items()},
        "errors": {k: asdict(calibration_error(t)) for k, t in tables.items()},
        "validation_errors": {k: asdict(calibration_error(t)) for k, t in fitted.items()},
        "thresholds": [_tried(threshold, test) for threshold in thresholds],
    }


def _rates(table: pd.DataFrame, positive: str) -> tuple[float, float]:
    """Sensitivity and specificity at one half."""
    found = score_predictions(table.drop(columns="part"), positive=positive, resamples=2).metrics
    return found["sensitivity"].value, found["specificity"].value


def _tried(threshold: Threshold, test: pd.DataFrame) -> dict:
    found = score_threshold(test, threshold).metrics
    names = {"sensitivity": "sensitivity", "specificity": "specificity", "auroc": "balanced"}
    return {
        "rule": threshold.rule,
        "value": threshold.value,
        "validation": {
            "sensitivity": threshold.sensitivity,
            "specificity": threshold.specificity,
        },
        "test": {title: asdict(found[name]) for name, title in names.items()},
    }


def calibrate_forest(
    cells: pd.DataFrame, numbers: pd.DataFrame, *, protocol: str = "group", seed: int = 1
) -> dict:
    """Calibrate the forest on nineteen numbers on one split.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    numbers : pandas.DataFrame
        As `baselines.measure_numbers(cells)`.
    protocol : str
        With three parts.
    seed : int
        Of the forest.

    Returns
    -------
    dict
        See `calibrate`; with `protocol`, `certificate` and `groups`, the number of subject
        groups of each class in the validation and the test part.

    Raises
    ------
    DataError, SplitError
        As `calibrate` and `baselines.predict_baseline`.
    """
    split = make_split(cells, protocol)
    predictions = predict_baseline(get_baseline("nineteen"), split, numbers, seed=seed)
    positive = get_dataset(cells.attrs["dataset"]).positive
    counts = predictions.groupby(["part", "label"]).group.nunique().unstack()
    return calibrate(predictions, positive) | {
        "protocol": protocol,
        "certificate": split.certificate["hash"],
        "groups": {part: {k: int(n) for k, n in row.items()} for part, row in counts.iterrows()},
    }
