"""Baselines without a CNN under every protocol of a data set, kept beside the book.

One fold is one draw of a few subjects, so each protocol is also scored as a whole: every fold
serves as the test part once, and the pooled value scores each image once, by a classifier that
has not seen its part. Each learns from all that is not scored, in folds from training and
validation part, as five-fold cross-validation does. Beside a network (`score_beside`) it learns
from the training part alone, as the network does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .baseline_splits import Scheme, list_schemes
from .baselines import Baseline, baselines_for, get_baseline, measure_numbers, predict_baseline
from .coverage import accuracy_interval
from .datasets import get_dataset
from .errors import RecordError
from .evaluation import score_predictions
from .files import hash_json, whole_file, write_json
from .recipes import load_recipe
from .records import Record, read_record
from .splits import PARTS, Split, scored_part
from .studies import Study, read_study, save_study, study_folder

__all__ = [
    "BaselineRun",
    "baseline_table",
    "count_distribution",
    "kept_baselines",
    "kept_distribution",
    "kept_predictions",
    "record_baselines",
    "run_baselines",
    "score_beside",
]

TOPIC = "baselines"
# The number that a figure shows by class.
SHOWN = {"ALL": "area", "Benign": "mean_g"}


@dataclass(frozen=True)
class BaselineRun:
    """What baselines scored.

    Attributes
    ----------
    rows : list of dict
        One per system, protocol and scheme: `system`, `title`, `numbers` (how many),
        `classifier`, `dataset`, `protocol`, `scheme` (`published`, `fold` or `pooled`),
        `fold` (number or None), `recipes` (those whose source split so), `seed`,
        `learned` (parts), `images` (learned from; of pooled folds the mean), `scored`
        (part), `scored_images`, `groups` (per class), `resampled`, `metrics` (value, low,
        high of each), `by_groups` (the accuracy again, with the interval of
        `coverage.accuracy_interval`), `confusion`, `certificate` (hash; of pooled folds the
        hash of theirs).
    predictions : pandas.DataFrame
        `system, protocol, scheme, fold, image, subject, group, label, p_<class>` of the
        published splits and of the pooled folds; without the commonest class.
    """

    rows: list[dict]
    predictions: pd.DataFrame


def run_baselines(
    cells: pd.DataFrame,
    protocols: Iterable[str] | None = None,
    *,
    numbers: pd.DataFrame | None = None,
    systems: Iterable[str] | None = None,
    folds: int = 5,
    seed: int = 2019,
    forest_seed: int = 1,
) -> BaselineRun:
    """Score every baseline of a data set under its protocols.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; its `attrs` name the data set.
    protocols : iterable of str, optional
        All of the data set when not given.
    numbers : pandas.DataFrame, optional
        As `measure_numbers(cells)`; measured when not given.
    systems : iterable of str, optional
        Names of baselines; all of the data set when not given.
    folds : int
        Number of folds; protocol `folds` has those of the organisers.
    seed : int
        Seed of the splits, where their source set none.
    forest_seed : int
        Seed of the forests.

    Returns
    -------
    BaselineRun

    Raises
    ------
    DataError, ImageError
        When the data set has no baselines, or an image cannot be described.
    SplitError
        When the data does not allow a protocol.
    """
    entry = get_dataset(cells.attrs.get("dataset", ""))
    numbers = measure_numbers(cells) if numbers is None else numbers
    chosen = baselines_for(entry.name) if systems is None else list(map(get_baseline, systems))
    rows, tables = [], []
    for protocol in protocols or entry.protocols:
        schemes = list(list_schemes(cells, protocol, folds=folds, seed=seed))
        for baseline in chosen:
            found, predictions = _run_protocol(baseline, schemes, numbers, forest_seed)
            rows += found
            tables += [predictions] if baseline.classifier != "majority" else []
    predictions = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    return BaselineRun(rows, predictions)


def score_beside(
    split: Split,
    *,
    record: Record | None = None,
    numbers: pd.DataFrame | None = None,
    forest_seed: int = 1,
) -> list[dict]:
    """What the baselines of a data set score on one split, to stand beside a network.

    They learn from the training part alone, as the network does: the validation part only
    chooses its checkpoint.

    Parameters
    ----------
    split : Split
        That of the network.
    record : Record, optional
        Run of the network: what is found is kept in its folder, so that every table of
        results can show it, and what is kept there already is not computed again.
    numbers : pandas.DataFrame, optional
        Numbers of its images, see `measure_numbers`; measured when not given.
    forest_seed : int
        Seed of the forests.

    Returns
    -------
    list of dict
        As `BaselineRun.rows`, with `scheme` `given` and `learned` the training part.

    Raises
    ------
    SplitError, DataError, ImageError
        As `run_baselines`.
    RecordError
        When the record is of a run on another split.
    DiskError
        When the disk is full or read-only.
    """
    certificate = split.certificate
    kept = read_record(record.path).baselines if record is not None else ()
    if record is not None and record.run["certificate"]["hash"] != certificate["hash"]:
        raise RecordError(
            "The run is on another split than the one given.",
            where=record.path,
            remedy="Give the split that the network was trained on.",
        )
    if kept:
        return list(kept)
    if numbers is None:
        cells = split.cells.copy()
        cells.attrs["dataset"] = certificate["dataset"]
        numbers = measure_numbers(cells)
    scheme = Scheme(certificate["protocol"], "given", split, certificate["settings"].get("fold"))
    rows = [
        _score(baseline, scheme, numbers, seed=forest_seed, learn=("train",))[0]
        for baseline in baselines_for(certificate["dataset"])
    ]
    if record is not None:
        write_json(record.path / "baselines.json", rows)
    return rows


def _score(
    baseline: Baseline, scheme: Scheme, numbers: pd.DataFrame, *, seed: int, learn: tuple[str, ...]
) -> tuple[dict, pd.DataFrame]:
    """Row and predictions of one baseline on the scored part of a split."""
    found = predict_baseline(baseline, scheme.split, numbers, seed=seed, learn=learn)
    found = found[found.part == scored_part(scheme.split)].reset_index(drop=True)
    return _row(baseline, scheme, found, seed=seed, learn=learn), found


def _run_protocol(
    baseline: Baseline, schemes: list[Scheme], numbers: pd.DataFrame, seed: int
) -> tuple[list[dict], pd.DataFrame]:
    """Rows and predictions of one baseline under one protocol."""
    rows, published, folds = [], [], []
    for scheme in schemes:
        learn = _learned(scheme.split)
        row, found = _score(baseline, scheme, numbers, seed=seed, learn=learn)
        rows.append(row)
        place = {"system": baseline.name, "protocol": scheme.protocol, "scheme": scheme.name}
        place |= {"fold": -1 if scheme.fold is None else scheme.fold}
        (published if scheme.name == "published" else folds).append(found.assign(**place))
    pooled = pd.concat(folds, ignore_index=True).assign(scheme="pooled")
    rows.append(_pooled_row(baseline, rows, schemes, pooled))
    tables = pd.concat([*published, pooled], ignore_index=True).drop(columns="part")
    first = ["system", "protocol", "scheme", "fold"]
    return rows, tables[first + [name for name in tables if name not in first]]


def _learned(split: Split) -> tuple[str, ...]:
    """Every part but the scored one."""
    return tuple(part for part in PARTS if part != scored_part(split))


def _row(
    baseline: Baseline,
    scheme: Scheme,
    found: pd.DataFrame,
    *,
    seed: int,
    learn: tuple[str, ...],
) -> dict:
    certificate = scheme.split.certificate
    return _describe(baseline, found, certificate["dataset"]) | {
        "protocol": scheme.protocol,
        "scheme": scheme.name,
        "fold": scheme.fold,
        "recipes": list(scheme.recipes),
        "seed": seed,
        "learned": [part for part in learn if part in certificate["parts"]],
        "images": sum(sum(certificate["parts"].get(part, {}).values()) for part in learn),
        "scored": scored_part(scheme.split),
        "certificate": certificate["hash"],
    }


def _pooled_row(
    baseline: Baseline, rows: list[dict], schemes: list[Scheme], pooled: pd.DataFrame
) -> dict:
    folds = [row for row in rows if row["scheme"] == "fold"]
    if baseline.classifier == "majority":
        # Shares differ a little from fold to fold, which would order images by their fold.
        shares = [name for name in pooled if name.startswith("p_")]
        pooled = pooled.assign(**pooled[shares].mean())
    return folds[0] | _describe(baseline, pooled, schemes[0].split.certificate["dataset"]) | {
        "scheme": "pooled",
        "fold": None,
        "images": round(float(np.mean([row["images"] for row in folds]))),
        "certificate": hash_json([row["certificate"] for row in folds]),
    }  # fmt: skip


def _describe(baseline: Baseline, found: pd.DataFrame, dataset: str) -> dict:
    """Who was scored, on how many images, and what came out."""
    keep = [name for name in found if name in ("label", "group") or name.startswith("p_")]
    scores = score_predictions(found[keep], positive=get_dataset(dataset).positive)
    return {
        "system": baseline.name,
        "title": baseline.title,
        "numbers": len(baseline.numbers),
        "classifier": baseline.classifier,
        "dataset": dataset,
        "scored_images": scores.images,
        "groups": scores.groups,
        "resampled": scores.resampled,
        "metrics": {name: asdict(value) for name, value in scores.metrics.items()},
        "by_groups": asdict(accuracy_interval(found[keep])),
        "confusion": scores.confusion,
    }


def _classes(cells: pd.DataFrame) -> Sequence[str]:
    return get_dataset(cells.attrs["dataset"]).classes


def baseline_table(rows: Iterable[Mapping]) -> pd.DataFrame:
    """Rows of baselines for readers: one per system and split, folds in one cell.

    Parameters
    ----------
    rows : iterable of mapping
        As `BaselineRun.rows`.

    Returns
    -------
    pandas.DataFrame
        `split`, `system`, `numbers`, `accuracy` (interval of `coverage.accuracy_interval`),
        `AUC` (percentile interval), `single folds`
        (least and largest accuracy), `learned from`, `scored on` (images).
    """
    rows = list(rows)
    table = []
    for row in (row for row in rows if row["scheme"] != "fold"):
        folds = [
            other["metrics"]["accuracy"]["value"]
            for other in rows
            if other["scheme"] == "fold"
            and all(other[key] == row[key] for key in ("system", "protocol", "dataset"))
        ]
        pooled = row["scheme"] == "pooled"
        table.append(
            {
                "split": _tell_scheme(row, len(folds)),
                "system": row["title"],
                "numbers": row["numbers"],
                "accuracy": _tell(row["by_groups"]),
                "AUC": _tell(row["metrics"]["auroc"]),
                "single folds": f"{min(folds):.3f} to {max(folds):.3f}" if pooled else "",
                "learned from": row["images"],
                "scored on": row["scored_images"],
            }
        )
    return pd.DataFrame(table)


def _tell_scheme(row: Mapping, folds: int) -> str:
    if row["scheme"] == "pooled":
        return f"{row['protocol']}, {folds} folds pooled"
    sources = sorted({load_recipe(name).source for name in row["recipes"]})
    return row["protocol"] + (f", as in {', '.join(sources)}" if sources else "")


def _tell(estimate: Mapping) -> str:
    """Value and interval as text; the tables of pages stand above this module."""
    if estimate["value"] is None:
        return "not defined"
    if estimate["low"] is None:
        return f"{estimate['value']:.3f} (no interval)"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def count_distribution(cells: pd.DataFrame, numbers: pd.DataFrame, *, bins: int = 40) -> dict:
    """Images by class in equal bins of the number that the figure shows.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    numbers : pandas.DataFrame
        As `measure_numbers(cells)`.
    bins : int

    Returns
    -------
    dict
        `number` (its name), `edges` (bins + 1 values), `counts` and `median` (by class).
    """
    labelled = cells[cells.label.notna()]
    name = SHOWN[_classes(cells)[0]]
    values = numbers.loc[list(labelled.image), name].to_numpy()
    edges = np.histogram_bin_edges(values, bins)
    by_class = {c: values[(labelled.label == c).to_numpy()] for c in _classes(cells)}
    return {
        "number": name,
        "edges": edges.round(3).tolist(),
        "counts": {c: np.histogram(v, edges)[0].tolist() for c, v in by_class.items()},
        "median": {c: float(np.median(v)) for c, v in by_class.items()},
    }


def record_baselines(
    cells: pd.DataFrame, *, numbers: pd.DataFrame | None = None, **settings
) -> Study:
    """Run all baselines and keep rows, distribution and predictions with the book.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table of the real images.
    numbers : pandas.DataFrame, optional
        As `measure_numbers(cells)`.
    **settings
        `protocols`, `folds`, `seed`, `forest_seed` of `run_baselines`.

    Returns
    -------
    Study
        Written to `results/study/baselines-<dataset>.json`, the predictions beside it.

    Raises
    ------
    DiskError
        When the disk is full or read-only; older files stay. And see `run_baselines`.
    """
    numbers = measure_numbers(cells) if numbers is None else numbers
    run = run_baselines(cells, numbers=numbers, **settings)
    path = _predictions_path(cells.attrs["dataset"])
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        _compact(run.predictions).to_parquet(partial, index=False, compression="zstd")
    found = {"rows": run.rows, "distribution": count_distribution(cells, numbers)}
    chosen = {"folds": 5, "seed": 2019, "forest_seed": 1} | settings
    return save_study(TOPIC, cells, found, settings=chosen)


def _predictions_path(dataset: str) -> Path:
    return study_folder() / f"{TOPIC}-{dataset}.parquet"


def _compact(predictions: pd.DataFrame) -> pd.DataFrame:
    """The same with short floats, and texts as categories."""
    texts = ("system", "protocol", "scheme", "image", "subject", "group", "label")
    kinds = {name: "category" for name in texts} | {"fold": "int8"}
    kinds |= {name: "float32" for name in predictions if name.startswith("p_")}
    return predictions.astype(kinds)


def kept_baselines(dataset: str, protocol: str | None = None) -> list[dict]:
    """Kept rows of a data set, to stand beside the result of a network.

    Parameters
    ----------
    dataset : str
    protocol : str, optional
        One protocol alone; all when not given.

    Returns
    -------
    list of dict
        As `BaselineRun.rows`; empty where nothing was kept.
    """
    study = read_study(TOPIC, dataset)
    rows = study.found["rows"] if study else []
    return [row for row in rows if protocol in (None, row["protocol"])]


def find_forest(
    dataset: str, protocol: str, certificate: str, *, own: Iterable[dict] = ()
) -> dict | None:
    """What a handful of numbers scored under a split, to stand beside a network.

    Parameters
    ----------
    dataset, protocol : str
    certificate : str
        Hash of the split; of a whole cross-validation the hash of those of its folds.
    own : iterable of dict
        Rows that were scored with the run itself; they come first.

    Returns
    -------
    dict or None
        Row of the fullest forest, and `same_split`: whether it is the very split, or another
        draw by the same protocol (all folds pooled). None where neither is there.
    """
    rows = [r for r in (*own, *kept_baselines(dataset, protocol)) if r["classifier"] == "forest"]
    same = [row for row in rows if row["certificate"] == certificate]
    pooled = [row for row in rows if row["scheme"] == "pooled"]
    if not same + pooled:
        return None
    return (same + pooled)[0] | {"same_split": bool(same)}  # the fullest one is named first


def kept_distribution(dataset: str) -> dict | None:
    """Kept distribution of a data set, see `count_distribution`; None where there is none."""
    study = read_study(TOPIC, dataset)
    return study.found["distribution"] if study else None


def kept_predictions(dataset: str) -> pd.DataFrame:
    """Kept predictions of the baselines, as `BaselineRun.predictions`, texts as plain text.

    Raises
    ------
    RecordError
        When there are none, or the file is damaged.
    """
    path = _predictions_path(dataset)
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise RecordError(
            f"The predictions of the baselines cannot be read ({error}).",
            where=path,
            remedy=f"Measure them again: `alllib baselines FOLDER --record` ({dataset}).",
        ) from error
    texts = [name for name in table if isinstance(table[name].dtype, pd.CategoricalDtype)]
    return table.astype(dict.fromkeys(texts, "string"))
