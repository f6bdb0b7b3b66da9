"""Checks against what was measured: kept studies, and kept runs of a recipe."""

from __future__ import annotations

from typing import Any

from ..baseline_runs import kept_baselines
from ..comparison import deviation_table, recorded_runs
from ..coverage import accuracy_interval
from ..pools import Pool
from ..recipes import load_recipe
from ..recipes.schema import parameter
from ..records import Record
from ..studies import read_study, tell_study
from ..uncertainty import kept_spread, same_result
from .finding import Finding

__all__ = ["clipped", "recorded", "study", "study_share"]

HONEST = ("precision",)  # settings of a run that may differ from the recipe's


def study(topic: str, dataset: str, place: str) -> Finding:
    """Value at a dotted place of a kept study."""
    kept = read_study(topic, dataset)
    if kept is None:
        return Finding(None, reason=f"There is no kept measurement `{topic}` on {dataset} yet.")
    try:
        value: Any = parameter(kept.found, place)
    except KeyError:
        return Finding(None, reason=f"The kept measurement `{topic}` has no {place!r}.")
    return Finding(value, tell_study(kept))


def study_share(topic: str, dataset: str, place: str, reason: str) -> Finding:
    """As `study`, for a statement that the value bears on and cannot settle."""
    found = study(topic, dataset, place)
    return found if found.reason else Finding(found.value, found.note, reason=reason)


def clipped(dataset: str) -> Finding:
    """Nuclei that the kept crop clips, and how much they lose."""
    found = study("crops", dataset, "clipped")
    if found.reason:
        return found
    kept = read_study("crops", dataset).found
    note = (
        f"{kept['clipped_share']:.2%} of the nuclei; half of these lose at most "
        f"{kept['median_loss']:.2%} of their area."
    )
    return Finding(found.value, f"{note} {found.note}")


def recorded(
    published: float, recipe: str, metric: str = "accuracy", protocol: str = "", scored: str = ""
) -> Finding:
    """A metric of the kept run that is nearest to what the source did, by the tolerance rule.

    Parameters
    ----------
    published : float
        The printed value, a share.
    recipe : str
    metric : str
        As in a record.
    protocol : str
        Of the run; the source's own when not given.
    scored : str
        Recipe that holds how many images the value was printed for, where it is another.

    Returns
    -------
    Finding
        With a verdict, where a run has every setting of the recipe; else with the reason why
        nothing can be said yet: what the nearest run differs in.
    """
    runs = real_runs(recipe)
    command = f"`alllib train {recipe} --protocol {protocol or 'published'}`"
    if not runs:
        return Finding(None, reason=f"No run on the real images is kept yet: {command}.")
    run = min(runs, key=lambda run: (len(_differs(run, protocol)), run.run["id"]))
    scores = _scores(run, metric)
    rule = same_result(
        published, scores, images=_scored_images(scored or recipe),
        spread=kept_spread(run.run["dataset"]), differences=_differs(run, protocol),
    )  # fmt: skip
    value = round(scores["value"], 4)
    note = (
        f"Kept run {run.run['id']}, split by {run.run['protocol']}, "
        f"on {sum(run.run['images'].values()):,} images: {value}"
        f"{f' ({beside(run)})' if metric == 'accuracy' else ''}."
    )
    if rule.verdict == "cannot tell":
        reason = (
            f"The nearest kept run says nothing of the figure. {rule.reason} A run with every "
            f"setting of the recipe could contradict it ({command}); the record of the source's "
            "own run, or its predictions, would settle it."
        )
        return Finding(None, note, reason)  # a value of another run would look like an answer
    return Finding(value, f"{note} {rule.reason}", agrees=rule.verdict == "same")


def beside(run: Record) -> str:
    """What a handful of numbers and the commonest class score where a network was scored."""
    usual = run.predictions.label.value_counts(normalize=True).max()
    rows = list(run.baselines) or kept_baselines(run.run["dataset"], run.run["protocol"])
    return _tell_beside(rows, run.run["certificate"]["hash"], usual)


def beside_folds(pool: Pool) -> str:
    """The same of a whole cross-validation, see `pools.pool_folds`."""
    usual = pool.repeats[0].label.value_counts(normalize=True).max()
    rows = kept_baselines(pool.run["dataset"], pool.run["protocol"])
    return _tell_beside(rows, pool.certificate, usual)


def _tell_beside(rows: list[dict], certificate: str, usual: float) -> str:
    forests = [row for row in rows if row["classifier"] == "forest"]
    same = [row for row in forests if row["certificate"] == certificate]
    chosen = same or [row for row in forests if row["scheme"] == "pooled"]
    told = f"the commonest class {usual:.3f}"
    if not chosen:
        return f"{told}; no forest was measured there"
    value = chosen[0]["metrics"]["accuracy"]["value"]  # the registry names the fullest one first
    where = "" if same else ", other draws"
    return f"{chosen[0]['numbers']} numbers and a forest {value:.3f}{where}; {told}"


def _scored_images(recipe: str) -> int | None:
    """How many images the source scored, where it says."""
    published = load_recipe(recipe).published
    return published.get("scored_images_log", published.get("scored_images"))


def real_runs(*recipes: str) -> list[Record]:
    """Kept runs of some recipes on the images that their sources used."""
    runs = recorded_runs(*recipes)
    return [r for r in runs if r.run["dataset"] == r.run["recipe_text"]["data"]["dataset"]]


def _scores(run: Record, metric: str) -> dict:
    """Value and interval of a metric; of the accuracy the interval that leaves groups out, as
    the percentiles of the record are too narrow with few groups."""
    if metric != "accuracy":
        return run.run["metrics"]["metrics"][metric]
    found = accuracy_interval(run.predictions)
    return {"value": found.value, "low": found.low, "high": found.high}


def _differs(run: Record, protocol: str) -> list[str]:
    """Settings in which a run is not the recipe's, the precision apart."""
    table = deviation_table(run)
    names = [name for name in table.setting[table.same == "no"] if name not in HONEST]
    if protocol and "split" in names:
        names.remove("split")
    return names + (["split"] if protocol and run.run["protocol"] != protocol else [])
