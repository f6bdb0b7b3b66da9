"""Why 61, 93 and 99: published numbers beside what explains them, from recipes and records."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib.resources import files

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from .agreement import wilson
from .baseline_runs import kept_baselines
from .checks.poster_scores import label_agreement, majority
from .comparison import newest_runs, pool_folds, recorded_runs
from .datasets import get_dataset
from .figures import COLOURS
from .laboratory.study import kept_effects
from .recipes import Recipe, load_recipe
from .tables import interval

__all__ = ["HEADLINES", "plot_verdict", "subject_results", "verdict_rows", "verdict_table"]

# One recipe for each work, in the order of the printed numbers.
HEADLINES = ("unnithan2021-2x2", "mir2019-proposed", "garg2021-vgg19", "ball2023-densenet201")
# What was compared with what, as far as the audits could establish it.
REASONS = {
    "unnithan2021-2x2": "Images were joined with the labels of other images.",
    "mir2019-proposed": "Cells of the same people on both sides; the scored images also chose "
    "the checkpoint.",
    "garg2021-vgg19": "The printed matrix fits no labelled test set; copies made before the split "
    "would explain it.",
    "ball2023-densenet201": "Neighbouring images on both sides; the colours alone tell nearly as "
    "much; a validation row reported as test.",
}
# The mistake that the laboratory measures for each of them.
MISTAKES = {
    "unnithan2021-2x2": "label_order",
    "mir2019-proposed": "image_split",
    "garg2021-vgg19": "oversampling",
    "ball2023-densenet201": "image_split",
}


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
        the scored images), `perfect` (what a faultless network would have scored, where the
        labels were joined wrongly), `plain_published` and `plain_honest` (accuracy of a handful
        of numbers under the source's split and under the honest protocol), `ours_published` and
        `ours_honest` (accuracy of a recorded cross-validation, else of the newest recorded run,
        that began from weights as the recipe's), each `{value, low, high}` or None, `mistake`
        (the highest accuracy that the laboratory reached with this work's mistake, and `system`,
        with which; or None),
        `protocols` (published, honest) and `reason`.
    """
    return [_row(load_recipe(name), epochs) for name in recipes]


def _row(recipe: Recipe, epochs: int) -> dict:
    printed, data = recipe.published, recipe.data
    images = printed.get("scored_images") or sum(map(sum, printed.get("confusion", ())))
    low, high = wilson(round(printed["accuracy"] * images), images) if images else (None, None)
    ours = _ours(recipe, epochs)
    return {
        "recipe": recipe.name,
        "title": recipe.title,
        "source": recipe.source,
        "dataset": data.dataset,
        "published": printed["accuracy"],
        "low": low,
        "high": high,
        "majority": _majority(recipe),
        "perfect": label_agreement().value if data.official_test else None,
        "plain_published": _plain(recipe, data.published_protocol, "published"),
        "plain_honest": _plain(recipe, data.honest_protocol, "pooled"),
        "ours_published": ours.get(data.published_protocol),
        "ours_honest": ours.get(data.honest_protocol),
        "mistake": _mistake(recipe),
        "protocols": [data.published_protocol, data.honest_protocol],
        "reason": REASONS[recipe.name],
    }


def _ours(recipe: Recipe, epochs: int) -> dict[str, dict]:
    """Accuracy of recorded runs by protocol: of a whole cross-validation where there is one,
    else of the newest run."""
    long = [
        record
        for record in recorded_runs(recipe.name)
        if record.run["epochs"] >= epochs
        and record.run["weights"] == recipe.architecture.weights
        and record.run["dataset"] == recipe.data.dataset
    ]
    found = {
        record.run["protocol"]: record.run["metrics"]["metrics"]["accuracy"]
        for record in newest_runs(long)
    }
    return found | {
        pool["protocol"]: vars(pool["scores"].metrics["accuracy"]) for pool in pool_folds(long)
    }


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
    """The laboratory's highest accuracy with the mistake of a work."""
    found = [
        effect
        for effect in kept_effects(recipe.data.dataset)
        if effect.key == MISTAKES[recipe.name] and effect.unit == "accuracy"
    ]
    if not found:
        return None
    most = max(found, key=lambda effect: effect.mistaken)
    return {"value": most.mistaken, "honest": most.honest, "system": most.system}


def _plain(recipe: Recipe, protocol: str, scheme: str) -> dict | None:
    """Accuracy of the fullest baseline under a protocol."""
    for row in kept_baselines(recipe.data.dataset, protocol):
        own = scheme != "published" or recipe.name in row["recipes"]
        if row["classifier"] == "forest" and row["scheme"] == scheme and own:
            return row["metrics"]["accuracy"]
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
                "a handful of numbers, its split": _told(row["plain_published"]),
                "a handful of numbers, honest split": _told(row["plain_honest"]),
                "our run, its split": _told(row["ours_published"]),
                "our run, honest split": _told(row["ours_honest"]),
            }
            for row in rows
        ]
    )
    return table.loc[:, ~(table == "not measured").all()]


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"


def _told(estimate: dict | None) -> str:
    return "not measured" if estimate is None else interval(estimate)


def plot_verdict(rows: list[dict], others: pd.DataFrame) -> Figure:
    """All headline numbers and what explains them, on one axis.

    Parameters
    ----------
    rows : list of dict
        Of `verdict_rows`.
    others : pandas.DataFrame
        Of `subject_results`; those in weighted F1 are drawn in a line of their own.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axis = plt.subplots(figsize=(8.4, 1.6 + 1.15 * len(rows)), layout="constrained")
    places = [1.25 * number for number in range(len(rows), 0, -1)]
    for place, row in zip(places, rows, strict=True):
        _draw_row(axis, place, row)
    scored = others[others.metric == "weighted F1"]
    axis.plot(scored.value, [0] * len(scored), "P", color="#555555", markersize=8,
              label="other works, unseen subjects (weighted F1)")  # fmt: skip
    names = [f"{row['title']}\n{get_dataset(row['dataset']).title}" for row in rows]
    axis.set_yticks([*places, 0], [*names, "other works\nC-NMC 2019"])
    axis.set(xlim=(0.25, 1.01), ylim=(-0.6, places[0] + 0.75), xlabel="accuracy")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axis.grid(axis="x", alpha=0.3)
    handles, labels = axis.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), frameon=False, fontsize=8.5, ncols=2,
                  loc="outside upper center")  # fmt: skip
    return figure


def _draw_row(axis, place: float, row: dict) -> None:
    """Marks of one work; what has an interval gets its line."""
    marks = (
        ("plain_published", 0.0, "o", COLOURS["validation"], "a handful of numbers, its split"),
        ("plain_honest", -0.16, "s", COLOURS["train"], "a handful of numbers, honest split"),
        ("ours_published", 0.16, "^", COLOURS["test"], "our run of the network, its split"),
        ("ours_honest", -0.32, "v", COLOURS["HEM"], "our run of the network, honest split"),
    )
    for key, shift, mark, colour, title in marks:
        estimate = row[key]
        if estimate is None:
            continue
        low, high = (estimate["value"] if estimate[k] is None else estimate[k]
                     for k in ("low", "high"))  # fmt: skip
        axis.plot([low, high], [place + shift] * 2, color=colour, linewidth=1.4)
        axis.plot(estimate["value"], place + shift, mark, color=colour, label=title)
    if row["majority"] is not None:
        axis.plot([row["majority"]] * 2, [place - 0.4, place + 0.4], color="black",
                  linestyle=":", label="always the commonest class")  # fmt: skip
    if row["mistake"] is not None:
        axis.plot(row["mistake"]["value"], place - 0.4, "*", color="#56B4E9", markersize=11,
                  label="laboratory: highest score with this work's mistake")  # fmt: skip
    if row["perfect"] is not None:
        axis.plot(row["perfect"], place + 0.3, "X", color="black", markersize=8,
                  label="a faultless network, labels joined as there")  # fmt: skip
    axis.plot(row["published"], place + 0.3, "D", color=COLOURS["ALL"], markersize=8,
              label="published")  # fmt: skip
    axis.annotate(f"{row['published']:.2%}", (row["published"], place + 0.3), fontsize=9,
                  xytext=(0, 7), textcoords="offset points", ha="center")  # fmt: skip
