"""A model card, written from a run's record: every figure in it is read, none is typed."""

from __future__ import annotations

from collections.abc import Mapping

from ..datasets import get_dataset
from ..records import Record
from ..tables import METRIC_TITLES, interval

__all__ = ["model_card"]


def model_card(record: Record, *, level: int = 2) -> str:
    """Model card in Markdown, with the sections of Mitchell and others.

    Mitchell and others, 2019 (doi 10.1145/3287560.3287596), section 4.

    Parameters
    ----------
    record : Record
    level : int
        Of its headings; 0 sets them in bold, for use within a page.

    Returns
    -------
    str
    """
    run = record.run
    parts = {
        f"Model card: {run['recipe_text']['title']}": [],
        "Model details": _details(run),
        "Intended use": _use(run),
        "Factors": _factors(run),
        "Metrics": _metrics(run),
        "Training and evaluation data": _data(run),
        "Results": _results(run, record.baselines),
        "Caveats": _caveats(run),
    }
    lines = []
    for number, (title, entries) in enumerate(parts.items()):
        depth = level + (number > 0)
        lines += [f"{'#' * depth} {title}" if level else f"**{title}**", ""]
        lines += [f"- {entry}" for entry in entries]
        lines += [""] if entries else []
    return "\n".join(lines).rstrip() + "\n"


def _details(run: Mapping) -> list[str]:
    recipe, versions = run["recipe_text"], run["versions"]
    backend = run["device"]["backend"]
    given = {name: version for name, version in versions.items() if name.startswith(backend)}
    software = {"keras": versions.get("keras", "unknown")} | given
    named = ", ".join(f"{name} {version}" for name, version in software.items() if version)
    return [
        f"Run `{run['id']}` of recipe `{run['recipe']}`, finished {run['finished'][:10]}, code "
        f"{(run['commit'] or 'unknown')[:9]}.",
        f"Architecture {recipe['architecture']['name']}, {run.get('model_parameters', 0):,} "
        f"parameters, start {_start(run['weights'])}."
        if run.get("model_parameters")
        else f"Architecture {recipe['architecture']['name']}, start {_start(run['weights'])}.",
        f"Input: one cell in RGB, {run['parameters']['input_size']} pixels a side. Output: a "
        f"probability of each of {', '.join(run['classes'])}.",
        f"Trained for {run['epochs']} epochs with {recipe['training']['optimizer']['name']}, seed "
        f"{run['seed']}, on {run['device']['device']}; {named}.",
    ]


def _start(weights: str) -> str:
    return "from random weights" if weights == "none" else f"from weights of {weights}"


def _use(run: Mapping) -> list[str]:
    return [
        "For teaching and research: to try out predictions, and to study how results depend on "
        "the split.",
        "Not for use on patients. It is no medical device, and no single cell is a diagnosis.",
        f"It knows {len(run['classes'])} classes and names one of them for any picture, also for "
        "one without a cell.",
    ]


def _factors(run: Mapping) -> list[str]:
    return [
        "Stain, microscope, magnification and camera differ between places; what they change is "
        "not measured here.",
        "Age, sex and origin of the people are not in the data, so that no group of people can be "
        "compared.",
        f"Cells of one person are alike: results are given with intervals by "
        f"{run['metrics']['resampled']}.",
    ]


def _metrics(run: Mapping) -> list[str]:
    positive = get_dataset(run["dataset"]).positive
    told = f"Positive is {positive}." if positive else "Sensitivity and the like are means."
    return [
        f"{', '.join(METRIC_TITLES[name] for name in run['metrics']['metrics'])}. {told}",
        "An image counts for its likeliest class; no threshold was tuned.",
        f"Intervals of 95 %, {run['metrics']['resamples']:,} resamples by "
        f"{run['metrics']['resampled']}.",
    ]


def _data(run: Mapping) -> list[str]:
    dataset = get_dataset(run["dataset"])
    parts = run["certificate"]["parts"]
    held = "; ".join(
        f"{part} {sum(classes.values()):,} ("
        + ", ".join(f"{label} {count:,}" for label, count in classes.items())
        + ")"
        for part, classes in parts.items()
    )
    return [
        f"{dataset.title}, licence: {dataset.licence}; fingerprint `{run['data'][:12]}`.",
        f"Split `{run['protocol']}`: {held}. Certificate `{run['certificate']['hash'][:12]}`.",
        _crossing(run),
    ]


def _crossing(run: Mapping) -> str:
    """What the scored part shares with the training part."""
    pair = run["certificate"]["crossing"].get(f"train/{run['scored']}", {})
    shared = [
        f"{found['values']:,} {kind}" for kind, found in pair.items() if found and found["values"]
    ]
    known = [kind for kind, found in pair.items() if found is not None]
    if shared:
        return f"Training and {run['scored']} part share {', '.join(shared)}."
    return f"Training and {run['scored']} part share no {', no '.join(known)}."


def _results(run: Mapping, baselines: tuple[dict, ...]) -> list[str]:
    scores = run["metrics"]
    people = ", ".join(f"{label} {count}" for label, count in scores["groups"].items())
    lines = [
        f"Scored on the {run['scored']} part: {scores['images']:,} images; groups: {people}.",
        *(
            f"{METRIC_TITLES[name]}: {interval(estimate)}"
            for name, estimate in scores["metrics"].items()
        ),
    ]
    lines += [
        f"Without a network, on the same part, accuracy of {row['title']}: "
        f"{interval(row['metrics']['accuracy'])}"
        for row in baselines
    ]
    return lines


def _caveats(run: Mapping) -> list[str]:
    few = min(run["metrics"]["groups"].values())
    rarest = min(run["metrics"]["groups"], key=run["metrics"]["groups"].get)
    lines = [
        f"{few} {'group' if few == 1 else 'groups'} of {rarest} cannot stand for all people; the "
        "intervals are wide, and with so few groups still too narrow.",
        "Predictive values depend on how common the disease is among the cells; those of this "
        "part do not hold elsewhere.",
    ]
    if run["dataset"].startswith("synthetic"):
        lines.insert(0, "All cells were drawn by a program. Nothing follows for real cells.")
    return lines
