"""Checks of the poster's future work: what was carried out here, by the runs that are kept."""

from __future__ import annotations

from collections.abc import Iterable

from ..pools import pool_folds
from ..recipes import load_recipe
from ..records import Record
from .finding import Finding
from .kept import beside, beside_folds, real_runs
from .poster import RECIPE

__all__ = ["carried_out", "cross_validated", "systems_tried"]

# Parameters of two runs that should be equal where only a variant is compared.
SETTINGS = ("input_size", "epochs", "batch", "weights", "crop", "scale", "seed")


def carried_out(variant: str) -> Finding:
    """Whether a variant of the recipe was trained, and its accuracy beside the recipe's."""
    name = f"{RECIPE}.{variant}"
    command = f"`alllib train {name} --protocol group`"
    runs = real_runs(name)
    if not runs:
        return Finding(
            variant, reason=f"It is built in and no run of it is kept: {command} would settle it."
        )
    note = " ".join(_beside_base(run) for run in runs)
    idle = [run for run in runs if not _could_act(run)]
    if len(idle) == len(runs):
        patience = _patience(idle[0])
        return Finding(
            variant, note,
            f"No kept run could stop early: the patience is {patience} epochs, and no run was to "
            f"have more than {max(run.run['parameters']['epochs'] for run in runs)}. A longer run, "
            f"or a shorter patience (`--set training.patience=2`), would settle it: {command}.",
        )  # fmt: skip
    return Finding(variant, note, agrees=True)


def _patience(run: Record) -> int:
    return run.run["recipe_text"]["training"]["patience"]


def _could_act(run: Record) -> bool:
    """Whether early stopping, where it is set, could end the run before its last epoch."""
    return _patience(run) == 0 or _patience(run) + 1 < run.run["parameters"]["epochs"]


def accuracy(run: Record) -> float:
    """Accuracy of a kept run."""
    return run.run["metrics"]["metrics"]["accuracy"]["value"]


def _beside_base(run: Record) -> str:
    """Accuracy of a variant, and that of the recipe itself on the same images."""
    told = (
        f"Kept run {run.run['id']}: accuracy {accuracy(run):.3f} on the {run.run['scored']} part "
        f"after {len(run.history)} of {run.run['parameters']['epochs']} epochs ({beside(run)})"
    )
    same = [
        base
        for base in real_runs(RECIPE)
        if base.run["certificate"]["hash"] == run.run["certificate"]["hash"]
    ]
    if not same:
        return f"{told}; no run of the unchanged recipe on the same fold is kept."
    base = min(same, key=lambda base: (len(_unlike(run, base)), base.run["id"]))
    other = ", ".join(_unlike(run, base))
    return (
        f"{told}; run {base.run['id']} of the unchanged recipe on the same images: "
        f"{accuracy(base):.3f}{f' (with other {other})' if other else ''}. One fold is one draw "
        "of few subjects, and tells little of whether it helps."
    )


def _unlike(run: Record, base: Record) -> list[str]:
    ours, theirs = run.run["parameters"], base.run["parameters"]
    return [name for name in SETTINGS if ours.get(name) != theirs.get(name)]


def cross_validated(protocols: Iterable[str]) -> Finding:
    """Folds that were trained and scored, by protocol: of baselines, and of the network."""
    from ..baseline_runs import kept_baselines

    dataset = load_recipe(RECIPE).data.dataset
    rows = [row for row in kept_baselines(dataset) if row["scheme"] == "fold"]
    found, told = {}, []
    for protocol in protocols:
        runs = [run for run in real_runs(RECIPE) if run.run["protocol"] == protocol]
        runs = [run for run in runs if run.run["certificate"]["settings"].get("fold") is not None]
        folds = {row["fold"] for row in rows if row["protocol"] == protocol}
        if folds or runs:
            found[protocol] = len(folds) or len(runs)
            told.append(_tell_folds(protocol, len(folds), runs))
    if not found:
        return Finding(
            None,
            reason="No run and no baseline by folds is kept: "
            f"`alllib baselines {dataset} --record`, or `alllib train {RECIPE} --protocol group "
            "--fold 0` and so on, would settle it.",
        )
    value = ", ".join(f"{number} folds by {name}" for name, number in found.items())
    return Finding(value, " ".join(told), agrees=max(found.values()) > 1)


def _tell_folds(protocol: str, folds: int, runs: list[Record]) -> str:
    text = f"By {protocol}: {folds} folds of the baselines are kept"
    whole = pool_folds(runs)
    for pooled in whole:
        settings = pooled.run["parameters"]
        each = ", ".join(f"{one:.3f}" for one in pooled.accuracies)
        text += (
            f"; of the network all {len(pooled.folds)} (accuracy {each}; pooled "
            f"{pooled.accuracy['value']:.3f}, where {beside_folds(pooled)}, on "
            f"{pooled.images:,} images, at {settings['input_size']} pixels and "
            f"{settings['epochs']} epochs)"
        )
    if not whole and runs:
        number = len({run.run["certificate"]["settings"]["fold"] for run in runs})
        text += f"; of the network {number}, which is no whole cross-validation yet"
    return text + "."


def systems_tried(recipes: Iterable[str]) -> Finding:
    """Which recipes were trained on the poster's images, from the weights that they ask for."""
    own = load_recipe(RECIPE).data.dataset
    told, lacking = [], []
    for name in recipes:
        asked = load_recipe(name).architecture.weights
        runs = [run for run in real_runs(name) if run.run["dataset"] == own]
        told += [
            f"{run.run['id']} (weights at the start: {run.run['weights']}): {accuracy(run):.3f}, "
            f"where {beside(run)}"
            for run in runs
        ]
        if not any(run.run["weights"] == asked for run in runs):
            lacking.append(f"`alllib train {name} --protocol group --weights {asked}`")
    note = f"Accuracies of kept runs: {'; '.join(told)}." if told else ""
    value = ", ".join(recipes)
    if lacking:
        return Finding(
            value, note, "They are built in, and not every one has a kept run from the weights "
            f"that it needs: {', '.join(lacking)} would settle it.",
        )  # fmt: skip
    return Finding(value, note, agrees=True)
