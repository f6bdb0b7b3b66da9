"""Result rows: what came out for each system, data set and split, seeds pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

from .baseline_runs import find_forest
from .comparison import deviation_table
from .evaluation import METRICS
from .pools import Pool, choose_pools, pool_folds
from .records import Record
from .studies import Study, read_study
from .uncertainty import kept_spread, same_result, seed_spread

__all__ = [
    "answers_one_class",
    "baseline_rows",
    "fold_rows",
    "judge",
    "network_rows",
    "pooled_rows",
    "published_here",
]

# Settings of `deviation_table` that are no difference in scale: a precision changes last digits.
EQUIVALENT = ("precision",)
VAGUE = 0.4  # an interval as wide as this tells nothing apart
WORDS = {"same": "reproduced", "different": "not reproduced", "cannot tell": "cannot tell"}


def pooled_rows(records: Iterable[Record]) -> list[dict]:
    """Rows of `alllib results --json`: networks, cross-validations, and kept baselines.

    Parameters
    ----------
    records : iterable of Record

    Returns
    -------
    list of dict
        `kind`: `network` (one row for each recipe, data set and protocol), `cross-validation`
        (where all folds were tested, unless that is the row of the network) or `baseline`
        (classifiers without a network), and the keys of `network_rows`; what does not apply is
        None.
    """
    records = list(records)
    networks = network_rows(choose_pools(records))
    shown = {tuple(row["runs"]) for row in networks}
    whole = [row for row in fold_rows(records) if tuple(row["runs"]) not in shown]
    return [*networks, *whole, *baseline_rows()]


def network_rows(pools: Iterable[Pool], *, kind: str = "network") -> list[dict]:
    """One plain row per pool.

    Parameters
    ----------
    pools : iterable of Pool
    kind : str

    Returns
    -------
    list of dict
        `kind, recipe, title, dataset, protocol, published_split` (whether it is the source's),
        `runs` (ids), `seeds, folds, epochs` (done, the most of any seed), `input` (pixels),
        `batch, pictures` (shown in an epoch), `precision, backbone, pretrained, images` (of the
        data set), `trained_images, scored` (part), `scored_images, groups` (by class, scored),
        `device, backend, metrics` (`value, low, high`; of the accuracy the interval of
        `coverage.accuracy_interval`, of the others percentiles), `confusion` (seeds added up),
        `seed_deviation` (of the accuracy; None for one seed), `published` (accuracy or None),
        `difference` (ours less published), `verdict, reason, baseline` (title, accuracy,
        same_split), `certificate` (hash), `data` (fingerprint), `recorded, date, commit,
        seconds` (of all runs), `seconds_per_epoch, images_per_second`.
    """
    return [_row(pool, kind) for pool in pools]


def fold_rows(records: Iterable[Record]) -> list[dict]:
    """Rows of whole cross-validations, as `network_rows`."""
    return network_rows(pool_folds(records), kind="cross-validation")


def _row(pool: Pool, kind: str) -> dict:
    run = pool.run
    recipe, settings = run["recipe_text"], run["parameters"]
    protocol = run["protocol"]
    official = protocol == recipe["data"]["published_protocol"] and not pool.folds
    official = official and bool(recipe["source"])  # a reader's own recipe has none
    runs = [record.run for record in pool.records]
    seconds = [sum(r.get("epoch_seconds", [r["seconds"]])) for r in runs]
    pictures = sum(r["pictures"] * r["epochs"] for r in runs)
    each = [table.label.size for table in pool.repeats]
    published = published_here(run, official=official)
    return {
        "kind": kind,
        "recipe": run["recipe"],
        "title": recipe["title"],
        "dataset": run["dataset"],
        "protocol": protocol,
        "published_split": official,
        "runs": [r["id"] for r in runs],
        "seeds": list(pool.seeds),
        "folds": list(pool.folds),
        "epochs": max(r["epochs"] for r in runs),
        "input": settings["input_size"],
        "batch": settings["batch"],
        "pictures": run["pictures"],
        "precision": run.get("precision", settings["precision"]),
        "backbone": run["backbone"],
        "pretrained": run["weights"] != "none",
        "images": sum(run["images"].values()),
        "trained_images": round(sum(r["images"]["train"] for r in runs) / len(runs)),
        "scored": run["scored"],
        "scored_images": each[0],
        "groups": pool.scores.groups if pool.scores.resampled == "group" else None,
        "device": run["device"]["device"],
        "backend": run["device"]["backend"],
        "metrics": {name: asdict(pool.scores.metrics[name]) for name in METRICS}
        | {"accuracy": pool.accuracy},
        "confusion": pool.scores.confusion,
        "seed_deviation": _spread(pool).deviation if len(pool.seeds) > 1 else None,
        "published": published,
        **judge(pool, published, official=official),
        "baseline": _baseline(pool),
        "certificate": pool.certificate,
        "data": run["data"],
        "recorded": pool.records[0].recorded,
        "date": pool.finished[:10],
        "commit": run["commit"],
        "seconds": round(sum(r["seconds"] for r in runs), 1),
        "seconds_per_epoch": round(
            median(s for r in runs for s in r.get("epoch_seconds", [r["seconds"] / r["epochs"]])),
            2,
        ),
        "images_per_second": round(pictures / sum(seconds), 1),
    }


def _spread(pool: Pool):
    per_seed = len(pool.records) // len(pool.seeds)
    values = [
        sum(pool.accuracies[k : k + per_seed]) / per_seed
        for k in range(0, len(pool.records), per_seed)
    ]
    return seed_spread(values)


def published_here(run: Mapping, *, official: bool) -> float | None:
    """Published accuracy to set beside a run: None on other data than the source's.

    Where the source scored official test images that its split does not hold, its accuracy on
    the validation part stands beside a run that was scored on that part.

    Parameters
    ----------
    run : mapping
        Contents of `run.json`.
    official : bool
        Whether the run is on the source's split.
    """
    recipe = run["recipe_text"]
    if run["dataset"] != recipe["data"]["dataset"]:
        return None
    printed = recipe["published"]
    if official and run["scored"] == "validation" and printed.get("scored") != "validation":
        return printed.get("val_accuracy", printed.get("accuracy"))
    return printed.get("accuracy")


def judge(pool: Pool, published: float | None, *, official: bool) -> dict[str, Any]:
    """What the result says of the published number.

    Parameters
    ----------
    pool : Pool
    published : float, optional
    official : bool
        Whether the pool is on the source's split.

    Returns
    -------
    dict
        `difference` (ours less published), `verdict` and `reason`. With every setting of the
        recipe, the answer of `uncertainty.same_result` in other words: `reproduced`,
        `not reproduced`, `cannot tell`. With other settings nothing is reproduced or refuted,
        and the verdict says only where the published number lies: `published above`,
        `published within` or `published below` our interval, `cannot tell` without one or with
        one wider than `VAGUE`, `one answer only` where every image gets the same class.
    """
    if published is None:
        return {"difference": None, "verdict": "nothing published", "reason": ""}
    ours, recipe = pool.accuracy, pool.run["recipe_text"]
    difference = ours["value"] - published
    apart = _differences(pool, official)
    if not apart:
        images = recipe["published"].get("scored_images")
        spread = _spread(pool) if len(pool.seeds) > 1 else kept_spread(pool.run["dataset"])
        rule = same_result(published, ours, images=images, spread=spread)
        return {"difference": difference, "verdict": WORDS[rule.verdict], "reason": rule.reason}
    reason = f"Done otherwise than published: {'; '.join(apart)}."
    if answers_one_class(pool):
        word = "one answer only"
        reason = f"Every image gets the same class. {reason}"
    elif ours["low"] is None or ours["high"] - ours["low"] > VAGUE:
        word = "cannot tell"
    elif published > ours["high"]:
        word = "published above"
    else:
        word = "published below" if published < ours["low"] else "published within"
    return {"difference": difference, "verdict": word, "reason": reason}


def answers_one_class(pool: Pool) -> bool:
    """Whether a system gives every image the same answer, in each training."""
    shares = [[name for name in table if name.startswith("p_")] for table in pool.repeats]
    answers = [
        table[names].to_numpy(float).argmax(axis=1)
        for table, names in zip(pool.repeats, shares, strict=True)
    ]
    return all(len(set(found.tolist())) == 1 for found in answers)


def _differences(pool: Pool, official: bool) -> list[str]:
    """Settings that are not the source's, like `input 64 px, not 150 px`."""
    found = []
    for row in deviation_table(pool.records[0]).itertuples():
        if row.setting in EQUIVALENT or row.same != "no":
            continue
        found.append(f"{row.setting} {row[3]}, not {row.recipe}")
    if not official and not any(text.startswith("split ") for text in found):
        found.append(f"split {pool.run['protocol']}, by folds")
    return found


def _baseline(pool: Pool) -> dict | None:
    """Accuracy of a handful of numbers on the same split, or on other draws by its protocol."""
    own = () if len(pool.folds) > 1 else pool.records[0].baselines
    row = find_forest(pool.run["dataset"], pool.run["protocol"], pool.certificate, own=own)
    if row is None:
        return None
    accuracy = row.get("by_groups", row["metrics"]["accuracy"])
    return {"title": row["title"], "accuracy": accuracy, "same_split": row["same_split"]}


def baseline_rows() -> list[dict]:
    """Kept baselines of the real images: one row per classifier, split and draw, as the rows of
    networks; single folds are left out."""
    found = []
    for dataset in ("cnmc2019", "ball2021"):
        study = read_study("baselines", dataset)
        for row in study.found["rows"] if study else []:
            if row["scheme"] != "fold":
                found.append(_baseline_row(row, study))
    return found


def _baseline_row(row: Mapping, study: Study) -> dict:
    nothing = dict.fromkeys(
        ("epochs", "input", "batch", "pictures", "precision", "backbone", "backend", "published",
         "difference", "seed_deviation", "baseline", "seconds", "seconds_per_epoch",
         "images_per_second")
    )  # fmt: skip
    return nothing | {
        "kind": "baseline",
        "recipe": row["system"],
        "title": row["title"],
        "dataset": row["dataset"],
        "protocol": row["protocol"],
        "published_split": row["scheme"] == "published",
        "sources": list(row["recipes"]),
        "runs": [],
        "seeds": [study.settings["forest_seed"]],
        "folds": "all" if row["scheme"] == "pooled" else [],
        "numbers": row["numbers"],
        "pretrained": False,
        "images": study.images,
        "trained_images": row["images"],
        "scored": row["scored"],
        "scored_images": row["scored_images"],
        "groups": row["groups"] if row["resampled"] == "group" else None,
        "device": study.machine,
        "metrics": row["metrics"] | {"accuracy": row["by_groups"]},
        "confusion": row["confusion"],
        "verdict": "nothing published",
        "reason": "",
        "certificate": row["certificate"],
        "data": study.data,
        "recorded": True,
        "date": study.finished[:10],
        "commit": study.commit,
    }
