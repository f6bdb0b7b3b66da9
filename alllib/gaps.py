"""What the split alone does to a system: the same images, met by subject or not in training."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from .areas import compare_areas
from .baseline_runs import kept_predictions
from .pools import Pool, choose_pools, pool_folds, pool_seeds
from .records import Record
from .result_rows import answers_one_class
from .studies import read_study
from .tables import PROTOCOL_TITLES, interval
from .uncertainty import Comparison, compare_shares, share_right

__all__ = ["forest_gap", "gap_table", "image_shares", "signed", "split_gaps", "tell_p"]


def split_gaps(records: Iterable[Record]) -> list[dict]:
    """Accuracy under the published split less that under another one, on the same images.

    A system that was trained on the published split scored some images; trained on a split that
    keeps subjects apart it scored others. On the images that both scored, what differs is what
    was trained on, and nothing else.

    Parameters
    ----------
    records : iterable of Record
        Those that are not recorded are left out.

    Returns
    -------
    list of dict
        One row per recipe and other protocol: `recipe, title, dataset, published_protocol,
        protocol, published, other` (mean accuracy on all images that each scored: `value, low,
        high`), `trained` (images trained on, two numbers), `trainings` (two numbers: seeds and
        folds), `input, epochs, pretrained`, and those of `uncertainty.Comparison` on the common
        images of the test part: `difference, low, high, p, images, groups, resampled`. Every
        seed counts: how often an image was classified rightly is the mean over the trainings that
        scored it.
        `more`: the same with the images of the other split's validation part as well, which chose
        the epoch there, as the scored part does on the source's split; it has more subjects.
        `auroc`, in both: the same of the area under the curve, see `areas.AreaGap`.
        `one_answer`: whether each training gives every image the same class, so that nothing
        can change between the splits. `swing`: how far the validation accuracy still moved in the
        second half of a training, where the recipe keeps the last epoch, whatever it is; the
        largest of all trainings. `dates, devices, commits` of all trainings.
    """
    recorded = [record for record in records if record.recorded]
    rows = []
    for first in choose_pools(recorded):
        data = first.run["recipe_text"]["data"]
        if first.folds or first.run["protocol"] != data["published_protocol"]:
            continue
        for protocol, others in _others(first, recorded).items():
            rows.append(_row(first, protocol, others))
    return rows


def _others(first: Pool, records: list[Record]) -> dict[str, list[Pool]]:
    """Pools of the same system and settings on other protocols."""
    found: dict[str, list[Pool]] = {}
    for pool in pool_seeds(records):
        same = all(pool.run[key] == first.run[key] for key in ("recipe", "dataset"))
        alike = _scale(pool) == _scale(first)
        if same and alike and pool.run["protocol"] != first.run["protocol"]:
            found.setdefault(pool.run["protocol"], []).append(pool)
    return found


def _scale(pool: Pool) -> dict:
    # The organisers' folds leave images out, so that their data have another fingerprint.
    leave = ("seed", "certificate", "data")
    return {k: v for k, v in pool.run["parameters"].items() if k not in leave}


def image_shares(pools: Iterable[Pool], *, validation: bool = False) -> pd.DataFrame:
    """How often each image was classified rightly, over all trainings that scored it.

    Parameters
    ----------
    pools : iterable of Pool
        Of one system and protocol: seeds and folds.
    validation : bool
        Count the images of the validation part too.

    Returns
    -------
    pandas.DataFrame
        `image, group, label, right`; one row per image.
    """
    tables = [share_right(table) for table in _tables(pools, validation=validation)]
    whole = pd.concat(tables, ignore_index=True)
    whole["group"] = whole.group.astype(object)
    mean = whole.groupby("image", sort=True).right.mean()
    kept = whole.drop_duplicates("image").set_index("image").loc[mean.index]
    return kept[["group", "label"]].assign(right=mean).reset_index()


def _tables(pools: Iterable[Pool], *, validation: bool = False) -> list[pd.DataFrame]:
    """Predictions of each training; with those of its validation part where they are wanted."""
    found = []
    for record in (record for pool in pools for record in pool.records):
        parts = [record.predictions]
        if validation and record.run["scored"] != "validation" and record.validation is not None:
            parts.append(record.validation)
        found.append(pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0])
    return found


def _row(first: Pool, protocol: str, others: list[Pool]) -> dict:
    run = first.run
    runs = [record.run for pool in (first, *others) for record in pool.records]
    # What a table of results shows of the other split: all folds where they are there.
    whole = pool_folds([record for pool in others for record in pool.records])
    shown = whole[0] if whole else max(others, key=lambda pool: (len(pool.seeds), pool.images))
    own = image_shares([first])
    found = compare_shares(own, image_shares(others))
    more = compare_shares(own, image_shares(others, validation=True))
    areas = {
        chosen: vars(compare_areas(first.repeats, _tables(others, validation=chosen)))
        for chosen in (False, True)
    }
    return {
        "recipe": run["recipe"],
        "title": run["recipe_text"]["title"],
        "dataset": run["dataset"],
        "published_protocol": run["protocol"],
        "protocol": protocol,
        "published": first.accuracy,
        "other": shown.accuracy,
        "trained": [_trained(first), _trained(shown)],
        "trainings": [len(first.records), sum(len(pool.records) for pool in others)],
        "folds": sorted({fold for pool in others for fold in pool.folds}),
        "input": run["parameters"]["input_size"],
        "epochs": run["epochs"],
        "pretrained": run["weights"] != "none",
        "one_answer": all(map(answers_one_class, (first, *others))),
        "swing": max(_swing(record) for pool in (first, *others) for record in pool.records),
        "dates": sorted({r["finished"][:10] for r in runs}),
        "devices": sorted({r["device"]["device"] for r in runs}),
        "commits": sorted({r["commit"] for r in runs}),
        **_paired(found),
        "auroc": areas[False],
        "more": _paired(more) | {"auroc": areas[True]},
    }


def _swing(record: Record) -> float:
    if record.run["recipe_text"]["training"]["checkpoint"] != "last":
        return 0.0
    late = record.history.val_accuracy.iloc[len(record.history) // 2 :]
    return float(late.max() - late.min())


def _trained(pool: Pool) -> int:
    """Images trained on, of several folds the mean."""
    counts = [record.run["images"]["train"] for record in pool.records]
    return round(sum(counts) / len(counts))


def _paired(found: Comparison) -> dict:
    names = ("difference", "low", "high", "p", "images", "groups", "resampled")
    return {name: getattr(found, name) for name in names}


def forest_gap(dataset: str) -> dict | None:
    """The same of the fullest classifier without a network: all folds by image against all
    folds of the honest protocol, from the kept predictions.

    Parameters
    ----------
    dataset : str

    Returns
    -------
    dict or None
        Keys of `split_gaps` as far as they apply; None where nothing is kept.
    """
    study = read_study("baselines", dataset)
    rows = study.found["rows"] if study else []
    forests = [r for r in rows if r["classifier"] == "forest" and r["scheme"] == "pooled"]
    if not forests:
        return None
    system = forests[0]["system"]
    honest = "group" if any(row["protocol"] == "group" for row in forests) else "blocks"
    found = {row["protocol"]: row for row in forests if row["system"] == system}
    if not {"image", honest} <= set(found):
        return None
    first, other = found["image"], found[honest]
    table = kept_predictions(dataset)
    table = table[(table.system == system) & (table.scheme == "pooled")]
    shares = [share_right(table[table.protocol == name]) for name in ("image", honest)]
    return {
        "recipe": system,
        "title": first["title"],
        "dataset": dataset,
        "published_protocol": "image",
        "protocol": honest,
        "published": first["by_groups"],
        "other": other["by_groups"],
        "trained": [first["images"], other["images"]],
        "trainings": [study.settings["folds"]] * 2,
        **_paired(compare_shares(*shares)),
    }


def gap_table(rows: Iterable[dict]) -> pd.DataFrame:
    """Gaps for readers, one line per system and other split."""
    return pd.DataFrame(
        [
            {
                "system": row["title"],
                "data": row["dataset"],
                "its split": interval(row["published"]),
                "other split": f"{interval(row['other'])}, {PROTOCOL_TITLES[row['protocol']]}",
                "gap, test images": signed(row),
                "p": tell_p(row["p"]),
                "images": f"{row['images']:,}",
                "groups": row["groups"] if row["resampled"] == "group" else "not known",
                "gap of the AUC": signed(row["auroc"]) if "auroc" in row else "",
                "gap, validation images too": signed(row["more"]) if "more" in row else "",
                "of the AUC too": signed(row["more"]["auroc"]) if "more" in row else "",
                "images and groups": _tell_size(row["more"]) if "more" in row else "",
                "trained on": " and ".join(f"{number:,}" for number in row["trained"]),
                "trainings": " and ".join(map(str, row["trainings"])),
            }
            for row in rows
        ]
    )


def _tell_size(row: dict) -> str:
    groups = f", {row['groups']} groups" if row["resampled"] == "group" else ""
    return f"{row['images']:,}{groups}"


def tell_p(p: float) -> str:
    """A p value to three digits; below them, that it is below."""
    return f"{p:.3f}" if p >= 0.001 else "below 0.001"


def signed(row: dict) -> str:
    """Difference and its 95 % interval in points, like `+3.0 (-0.3 to +6.2)`."""
    value = f"{100 * row['difference']:+.1f}"
    if row["low"] is None or row["low"] == row["high"]:
        return f"{value} (no interval)"
    return f"{value} ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
