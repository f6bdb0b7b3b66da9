"""Why 61, 93 and 99: published numbers beside what explains them, from recipes and records."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files

import pandas as pd

from .agreement import wilson
from .baseline_runs import kept_baselines
from .checks.poster_scores import label_agreement, majority, unrelated_accuracy
from .comparison import recorded_runs
from .datasets import get_dataset
from .gaps import signed, split_gaps
from .laboratory.study import kept_effects
from .pools import Pool, choose_pools, pool_folds
from .recipes import Recipe, load_recipe
from .tables import interval

__all__ = ["HEADLINES", "subject_results", "verdict_rows", "verdict_table"]

# One recipe for each work, in the order of the printed numbers.
HEADLINES = ("unnithan2021-2x2", "mir2019-proposed", "garg2021-vgg19", "ball2023-densenet201")
# What was compared with what, as far as the audits could establish it, and the claims of the
# ledger that say so.
REASONS = {
    "unnithan2021-2x2": (
        "Images were joined with the labels of other images; answers that have nothing to do with "
        "the labels score as much.",
        ("poster-label-order", "poster-unrelated"),
    ),
    "mir2019-proposed": (
        "Cells from the same microscope fields on both sides; the scored images also chose the "
        "checkpoint.",
        ("report-split-fields", "report-matrix-test"),
    ),
    "garg2021-vgg19": (
        "The printed matrix fits no labelled test set; copies made before the split could explain "
        "that its classes are even.",
        ("transfer-test-labels", "transfer-confusion", "transfer-matrix-even"),
    ),
    "ball2023-densenet201": (
        "Neighbouring files on both sides, maybe of one smear; a validation row reported as test.",
        ("sheet-neighbours", "sheet-scored", "sheet-accuracy-part"),
    ),
}
# The experiment of the laboratory that stands for each of them: mistake, system, and the system
# of a stronger form of the same mistake, which no source describes. The poster's needs none: what
# a faultless network would have scored there is counted.
MISTAKES = {
    "unnithan2021-2x2": None,
    "mir2019-proposed": ("image_split", "forest on 19 numbers", None),
    "garg2021-vgg19": (
        "oversampling", "forest, smaller class copied", "forest, every image 4 times",
    ),
    "ball2023-densenet201": ("image_split", "forest on six colour numbers", None),
}  # fmt: skip
# In place of a score where the source's split does not hold the images that it scored.
OTHER_IMAGES = "scored elsewhere"


def subject_results() -> pd.DataFrame:
    """What other works report on subjects that were not trained on.

    Returns
    -------
    pandas.DataFrame
        `work, cite, metric, value, scored, split`, one row per printed figure.
    """
    text = (files("alllib") / "data" / "subject_results.toml").read_text("utf-8")
    return pd.DataFrame(tomllib.loads(text)["result"])


def verdict_rows(recipes: Iterable[str] = HEADLINES, *, epochs: int = 8) -> list[dict]:
    """One row per work: the printed accuracy, and the numbers that explain it.

    Parameters
    ----------
    recipes : iterable of str
    epochs : int
        Recorded runs of fewer epochs are left out: what has not learned explains nothing.

    Returns
    -------
    list of dict
        `recipe, title, source, dataset, published` (share), `low, high` (95 %, Wilson; None
        where the scored images are not stated), `majority` (share of the commonest class among
        the scored images), `perfect` and `blind` (what a faultless network would have scored,
        where the labels were joined wrongly, and as many answers of each class dealt out
        blindly), `plain_published` and `plain_honest` (accuracy of a handful of numbers under
        the source's split and under the honest protocol), `plain_f1` (weighted F1 under the
        honest protocol), `ours_published` and `ours_honest` (accuracy of a recorded
        cross-validation, else of the newest recorded run, that began from weights as the
        recipe's), each `{value, low, high}` or None, `validation` (where the source scored the
        official test images, which its split does not hold: printed accuracy of the validation
        part, and `plain` and `ours` there; else None), `mistake` (accuracy of the laboratory's
        experiment on this work's mistake: `honest, value, upper` with a stronger form of it,
        `system`; or None), `protocols` (published, honest), `reason`, and `claims` (ids of
        the ledger that the reason rests on). Intervals are those of
        `coverage.accuracy_interval`; our runs have a `scale` too. `gap`: what the source's split
        adds to our network on the same images, a row of `gaps.split_gaps` with `scale`, from any
        initial weights; or None.
    """
    return [_row(load_recipe(name), epochs) for name in recipes]


def _row(recipe: Recipe, epochs: int) -> dict:
    printed, data = recipe.published, recipe.data
    images = printed.get("scored_images") or sum(map(sum, printed.get("confusion", ())))
    low, high = wilson(round(printed["accuracy"] * images), images) if images else (None, None)
    ours = _ours(recipe, epochs)
    # A score on the source's validation part is none on the test images of its headline.
    plain, run = (
        _plain(recipe, data.published_protocol, "published"),
        ours.get(data.published_protocol),
    )
    apart = {"published": printed.get("val_accuracy"), "plain": plain, "ours": run}
    official = data.official_test
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "source": recipe.source,
        "dataset": data.dataset,
        "published": printed["accuracy"],
        "low": low,
        "high": high,
        "majority": _majority(recipe),
        "perfect": label_agreement().value if official else None,
        "blind": unrelated_accuracy(printed["accuracy"]).value if official else None,
        "validation": apart if official else None,
        "plain_published": None if official else plain,
        "plain_honest": _plain(recipe, data.honest_protocol, "pooled"),
        "plain_f1": _plain(recipe, data.honest_protocol, "pooled", metric="weighted_f1"),
        "ours_published": None if official else run,
        "ours_honest": ours.get(data.honest_protocol),
        "gap": _gap(recipe, epochs),
        "mistake": _mistake(recipe),
        "protocols": [data.published_protocol, data.honest_protocol],
        "reason": REASONS[recipe.name][0],
        "claims": list(REASONS[recipe.name][1]),
    }


def _ours(recipe: Recipe, epochs: int) -> dict[str, dict]:
    """Mean accuracy of recorded runs by protocol: of a whole cross-validation where there is
    one, else of the seeds on one split."""
    long = [
        record
        for record in recorded_runs(recipe.name)
        if record.run["epochs"] >= epochs
        and record.run["weights"] == recipe.architecture.weights
        and record.run["dataset"] == recipe.data.dataset
    ]
    return {
        pool.run["protocol"]: pool.accuracy | {"scale": _scale(pool)}
        for pool in [*choose_pools(long), *pool_folds(long)]
    }


def _gap(recipe: Recipe, epochs: int) -> dict | None:
    """What the source's split adds to our network, beside the honest protocol."""
    long = [record for record in recorded_runs(recipe.name) if record.run["epochs"] >= epochs]
    for row in split_gaps(long):
        if row["protocol"] == recipe.data.honest_protocol:
            start = "" if row["pretrained"] else ", not pretrained"
            trained = " and ".join(map(str, row["trainings"]))
            scale = f"{row['input']} px, {row['epochs']} epochs{start}, {trained} trainings"
            flat = ", one answer for every image" if row["one_answer"] else ""
            return row | {"scale": f"{scale}, {row['images']:,} images in common{flat}"}
    return None


def _scale(pool: Pool) -> str:
    settings, seeds = pool.run["parameters"], len(pool.seeds)
    drawn = f"{seeds} seeds, " if seeds > 1 else ""
    return (
        f"{settings['input_size']} px, {settings['epochs']} epochs, {drawn}{pool.images:,} scored"
    )


def _majority(recipe: Recipe) -> float | None:
    """Share of the commonest class among the images that the source scored."""
    if recipe.data.official_test:
        return majority()
    if "confusion" in recipe.published:
        rows = [sum(row) for row in recipe.published["confusion"]]
        return max(rows) / sum(rows)
    kept = kept_baselines(recipe.data.dataset, recipe.data.published_protocol)
    rows = [row for row in kept if row["classifier"] == "majority" and row["scheme"] == "pooled"]
    return rows[0]["metrics"]["accuracy"]["value"] if rows else None


def _mistake(recipe: Recipe) -> dict | None:
    """The laboratory's experiment on the mistake of a work."""
    if MISTAKES[recipe.name] is None:
        return None
    key, system, stronger = MISTAKES[recipe.name]
    found = {
        effect.system: effect
        for effect in kept_effects(recipe.data.dataset)
        if effect.key == key and effect.unit == "accuracy"
    }
    if system not in found:
        return None
    one, upper = found[system], found.get(stronger)
    return {
        "system": system,
        "honest": one.honest,
        "value": one.mistaken,
        "upper": upper.mistaken if upper else None,
    }


def _plain(recipe: Recipe, protocol: str, scheme: str, *, metric: str = "accuracy") -> dict | None:
    """A metric of the fullest baseline under a protocol."""
    for row in kept_baselines(recipe.data.dataset, protocol):
        own = scheme != "published" or recipe.name in row["recipes"]
        if row["classifier"] == "forest" and row["scheme"] == scheme and own:
            return row["by_groups"] if metric == "accuracy" else row["metrics"][metric]
    return None


def verdict_table(rows: Iterable[dict]) -> pd.DataFrame:
    """The same for readers: one line per work; what was measured for none is left out."""
    table = pd.DataFrame(
        [
            {
                "system": f"{row['title']}, {get_dataset(row['dataset']).title}",
                "published": f"{row['published']:.2%}",
                "what explains it": row["reason"],
                "always the commonest class": _share(row["majority"]),
                "a faultless network there": _share(row["perfect"]) or "100 %",
                "a handful of numbers, its split": _told(row, "plain_published"),
                "a handful of numbers, honest split": _told(row, "plain_honest"),
                "our run, its split": _told(row, "ours_published"),
                "our run, honest split": _told(row, "ours_honest"),
                "its split adds, same images": _tell_gap(row["gap"]),
            }
            for row in rows
        ]
    )
    measured = ~table.isin(["not measured", OTHER_IMAGES]).all()
    return table.loc[:, measured]


def _tell_gap(gap: dict | None) -> str:
    return "not measured" if gap is None else f"{signed(gap)} points; {gap['scale']}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _told(row: dict, key: str) -> str:
    if row[key] is not None:
        scale = row[key].get("scale")
        return interval(row[key]) + (f"; {scale}" if scale else "")
    held = row["validation"] is not None and key.endswith("_published")
    return OTHER_IMAGES if held else "not measured"
