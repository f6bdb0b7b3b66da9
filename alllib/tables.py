"""Tables made from run records and split certificates; no number is typed anywhere."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

import pandas as pd

from .baseline_runs import find_forest
from .evaluation import METRICS
from .files import hash_json
from .records import Record

__all__ = ["OUTCOME", "SCALE", "crossing_table", "interval", "metric_table", "part_table",
           "pooled_table", "run_rows", "run_table", "span", "style", "tell_recorded"]  # fmt: skip

# Columns of `pooled_table` that say what came out, and those that say of what scale it is.
OUTCOME = ("system", "data", "split", "published", "our accuracy", "our AUC", "verdict",
           "without a CNN", "scored on")  # fmt: skip
SCALE = ("system", "data", "split", "seeds", "input", "epochs", "pretrained", "trained on",
         "measured")  # fmt: skip
METRIC_TITLES = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted F1",
    "auroc": "AUC",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "precision": "precision",
}
# Characteristic words of a protocol for a reader of a table.
PROTOCOL_TITLES = {
    "image": "by image",
    "field": "by field of view",
    "subject": "by subject name",
    "group": "by subject group",
    "folds": "by official folds",
    "blocks": "by blocks of numbers",
}


def interval(estimate: dict) -> str:
    """Value and 95 % interval of a metric as text, like `0.812 (0.774 to 0.850)`."""
    if pd.isna(estimate["value"]):
        return "not defined"
    if pd.isna(estimate["low"]):
        return f"{estimate['value']:.3f} (no interval)"
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def span(values: Iterable[float], form: str = "{:,}") -> str:
    """Least and largest of some numbers as text, like `8 to 40`; one where they are the same."""
    found = list(dict.fromkeys(form.format(value) for value in sorted(values)))
    return found[0] if len(found) == 1 else f"{found[0]} to {found[-1]}"


def tell_recorded(rows: Iterable[dict]) -> str:
    """Sentence on when, on what and by which code some results were recorded.

    Parameters
    ----------
    rows : iterable of dict
        With lists of `dates`, `devices` and `commits`.
    """
    rows = list(rows)
    dates, devices, commits = (
        sorted({value for row in rows for value in row[key]})
        for key in ("dates", "devices", "commits")
    )
    return (
        f"Recorded on the real images, {span(dates, '{}')}, on {', '.join(devices)}, "
        f"{', '.join(f'commit {commit[:7]}' for commit in commits)}."
    )


def part_table(certificate: dict) -> pd.DataFrame:
    """Images by part (rows) and class (columns), with totals."""
    table = pd.DataFrame(certificate["parts"]).T.fillna(0).astype(int)
    table["all images"] = table.sum(axis=1)
    return table.rename_axis("part").reset_index()


def crossing_table(certificate: dict) -> pd.DataFrame:
    """What stands in two parts at once: one row per pair of parts and kind."""
    rows = []
    for pair, kinds in certificate["crossing"].items():
        first, second = pair.split("/")
        total = sum(certificate["parts"][second].values())
        for kind, found in kinds.items():
            values = "not known" if found is None else found["values"]
            share = "not known" if found is None else f"{found['images'] / total:.1%}"
            rows.append((f"{first} and {second}", kind, values, share))
    names = ["parts", "shared", "values in both", "images of the second part concerned"]
    return pd.DataFrame(rows, columns=names)


def metric_table(records: Iterable[Record], *, beside: Iterable[dict] = ()) -> pd.DataFrame:
    """Metrics with intervals: one column per record, named by its protocol, and by the run
    too where two records have the same protocol; then one per system without a CNN.

    Parameters
    ----------
    records : iterable of Record
    beside : iterable of dict
        Rows of baselines, as `baseline_runs.score_beside` gives them for the same split,
        learned from the same training part.
    """
    runs = [record.run for record in records]
    titles = [PROTOCOL_TITLES.get(run["protocol"], run["protocol"]) for run in runs]
    columns = {
        title if titles.count(title) == 1 else f"{title} ({run['id']})": {
            METRIC_TITLES[name]: interval(run["metrics"]["metrics"][name]) for name in METRICS
        }
        for title, run in zip(titles, runs, strict=True)
    } | {
        row["title"]: {METRIC_TITLES[name]: interval(row["metrics"][name]) for name in METRICS}
        for row in beside
    }
    return pd.DataFrame(columns).rename_axis("metric").reset_index()


def run_rows(records: Iterable[Record]) -> list[dict]:
    """One plain row per record, for `alllib results --runs --json`.

    Returns
    -------
    list of dict
        `run, recipe, title, dataset, protocol, seed, images` (trained on), `scored` (part),
        `scored_images`, `input` (pixels), `epochs` (done), `batch`, `pictures` (shown in an
        epoch), `pretrained, backbone, precision, device, backend, metrics, published`
        (accuracy or None), `baseline` (`title, accuracy, auroc, same_split` of
        `baseline_runs.find_forest`), `certificate` (hash), `seconds, seconds_per_epoch,
        finished`.
    """
    return [_row(record) for record in records]


def _row(record: Record) -> dict:
    run = record.run
    # The recipe as it was trained: it may be a variant made in a notebook, which no file names.
    recipe, settings = run["recipe_text"], run["parameters"]
    own = run["dataset"] == recipe["data"]["dataset"]
    same = ("recipe", "dataset", "protocol", "seed", "scored", "epochs", "pictures", "backbone")
    return {
        "run": run["id"],
        **{name: run[name] for name in same},
        "title": recipe["title"],
        "images": run["images"]["train"],
        "scored_images": run["metrics"]["images"],
        "input": settings["input_size"],
        "batch": settings["batch"],
        # Runs of before it could be chosen by the device say it among their parameters alone.
        "precision": run.get("precision", settings["precision"]),
        "pretrained": run["weights"] != "none",
        "device": run["device"]["device"],
        "backend": run["device"]["backend"],
        "metrics": run["metrics"]["metrics"],
        # A published number stands beside results on its own data set only.
        "published": recipe["published"].get("accuracy") if own else None,
        "baseline": _forest(record),
        "certificate": run["certificate"]["hash"],
        "seconds": run["seconds"],
        "seconds_per_epoch": _pace(run),
        "finished": run["finished"],
    }


def _forest(record: Record) -> dict | None:
    run = record.run
    row = find_forest(
        run["dataset"], run["protocol"], run["certificate"]["hash"], own=record.baselines
    )
    if row is None:
        return None
    metrics = row["metrics"]
    found = {"title": row["title"], "accuracy": metrics["accuracy"], "auroc": metrics["auroc"]}
    return found | {"same_split": row["same_split"]}


def _pace(run: dict) -> float:
    """Seconds of an epoch: the median, which leaves out the first one's start; of older runs,
    which do not tell them apart, the mean."""
    if "epoch_seconds" in run:
        return round(median(run["epoch_seconds"]), 2)
    return round(run["seconds"] / run["epochs"], 2)


def run_table(records: Iterable[Record]) -> pd.DataFrame:
    """Result table for readers: the published number beside ours, and what ours is of."""
    rows = []
    for row in run_rows(records):
        published = "" if row["published"] is None else f"{row['published']:.4f}"
        rows.append(
            {
                "system": row["title"],
                "data": row["dataset"],
                "split": PROTOCOL_TITLES.get(row["protocol"], row["protocol"]),
                "published accuracy": published,
                "our accuracy": interval(row["metrics"]["accuracy"]),
                "our AUC": interval(row["metrics"]["auroc"]),
                "accuracy without a CNN": _beside(row["baseline"]),
                "scored on": f"{row['scored_images']} {row['scored']} images",
                "trained on": f"{row['images']} images",
                "input": f"{row['input']} px",
                "epochs": row["epochs"],
                "seed": row["seed"],
                "pretrained": ("yes" if row["pretrained"] else "no")
                + (", backbone frozen" if row["backbone"] == "frozen" else ""),
                "seconds per epoch": round(row["seconds_per_epoch"], 1),
                "device": row["device"],
            }
        )
    return pd.DataFrame(rows)


def _beside(baseline: dict | None) -> str:
    if baseline is None:
        return "not measured"
    return interval(baseline["accuracy"]) + ("" if baseline["same_split"] else ", other draws")


def pooled_table(rows: Iterable[dict]) -> pd.DataFrame:
    """Rows of `result_rows` for readers: one line per system, data set and split.

    The interval of the accuracy leaves subject groups out in turn; that of the AUC is the
    percentiles of drawn groups. Both are of the mean over the seeds.
    """
    return pd.DataFrame([_pooled_line(row) for row in rows])


def _pooled_line(row: dict) -> dict:
    published = row["published"]
    device = f"{row['device']}, {row['date']}, {row['commit'][:7]}".rstrip(", ")
    line = {
        "system": row["title"],
        "data": row["dataset"],
        "split": _tell_split(row),
        "published": "" if published is None else f"{published:.4f}",
        "our accuracy": interval(row["metrics"]["accuracy"]),
        "our AUC": interval(row["metrics"]["auroc"]),
        "verdict": row["verdict"],
    }
    if row["kind"] != "baseline":
        line["without a CNN"] = _beside(row["baseline"])
    line["scored on"] = f"{row['scored_images']:,} {row['scored']} images"
    if row["kind"] == "baseline":
        return line | {"numbers": row["numbers"], "trained on": row["trained_images"],
                       "measured": device}  # fmt: skip
    start = "yes" if row["pretrained"] else "no"
    frozen = ", backbone frozen" if row["backbone"] == "frozen" else ""
    return line | {
        "seeds": len(row["seeds"]),
        "input": f"{row['input']} px",
        "epochs": row["epochs"],
        "pretrained": start + frozen,
        "trained on": f"{row['trained_images']:,} images",
        "measured": device,
    }


def _tell_split(row: dict) -> str:
    split = PROTOCOL_TITLES.get(row["protocol"], row["protocol"])
    if row["published_split"]:
        return f"{split}, as in the source"
    if row["folds"] == "all" or (len(row["folds"]) > 1 and row["protocol"] != "folds"):
        return f"{split}, all folds"
    if len(row["folds"]) > 1:  # of the organisers' folds some images may lack
        return f"{split}, {' and '.join(map(str, row['folds']))} in turn"
    return split


def style(table: pd.DataFrame, caption: str):
    """Table for a page: caption, no index, numbers with separators.

    Parameters
    ----------
    table : pandas.DataFrame
    caption : str
        One sentence that says what the table shows.

    Returns
    -------
    pandas.io.formats.style.Styler
    """
    # pandas would draw a random id, and the same page would differ from build to build.
    styled = table.style.hide(axis="index").set_caption(caption)
    return styled.format(precision=3, thousands=",").set_uuid(f"t{hash_json(caption)[:8]}")
