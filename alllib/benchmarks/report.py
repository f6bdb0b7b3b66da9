"""Tables, sentences and a figure of recorded benchmarks; no number is typed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from ..figures import COLOURS
from .registry import BENCHMARKS, GPU_TARGETS, Benchmark, meets

__all__ = ["figure_table", "figure_text", "gpu_table", "plot_ratios", "short", "target_table",
           "tell_augmentation", "tell_machine", "tell_ratios", "tell_targets"]  # fmt: skip

GPU = "gpu_"  # what the keys of a GPU's figures start with; a recipe's name follows


def short(number: float | None) -> str:
    """Number with as many digits as are worth reading; "" for None.

    Not rounded so far that a value below its target looks like the target.
    """
    if number is None:
        return ""
    if not math.isfinite(number):
        return str(number)
    digits = 3 if abs(number) < 10 else 1 if abs(number) < 1000 else 0
    return f"{number:,.{digits}f}"


def target_table() -> pd.DataFrame:
    """What is measured, and what it should reach: `key`, `what is measured`, `target`."""
    rows = [(entry.key, entry.measured, _target(entry)) for entry in BENCHMARKS]
    return pd.DataFrame(rows, columns=["key", "what is measured", "target"])


def _target(entry: Benchmark) -> str:
    unit = "" if entry.unit_of_value == "times" else f" {entry.unit_of_value}"
    return f"{entry.sense} {entry.target:g}{unit}"


def figure_table(figures: dict[str, dict]) -> pd.DataFrame:
    """Figures beside their targets, in the order of the registry.

    Parameters
    ----------
    figures : dict of str to dict
        As `run_benchmarks` gives it, or `figures` of a recorded machine.

    Returns
    -------
    pandas.DataFrame
        `key`, `value`, `target`, `met` (yes, no, or why it was not measured), `ours`, `peer`,
        `unit`, as text.
    """
    rows = []
    for entry in _measured(figures):
        one = figures[entry.key]
        if one["value"] is None:
            met = f"needs {one['lacks']}" if "lacks" in one else "failed"
        else:
            met = "yes" if entry.met(one["value"]) else "no"
        value, ours, peer = (short(one[name]) for name in ("value", "ours", "peer"))
        rows.append((entry.key, value, _target(entry), met, ours, peer, one["unit"]))
    return pd.DataFrame(rows, columns=["key", "value", "target", "met", "ours", "peer", "unit"])


def _measured(figures: dict[str, dict]) -> list[Benchmark]:
    return [entry for entry in BENCHMARKS if entry.key in figures]


def gpu_table(figures: dict[str, dict]) -> pd.DataFrame:
    """A GPU's figures: one row per recipe; empty where none was measured.

    Returns
    -------
    pandas.DataFrame
        `recipe`, `input`, `batch`, `precision`, `images/s`, `float32 images/s`, `times`, `share of
        the matrix peak`, `input wait`, `targets` (met, or what was missed).
    """
    rows = []
    for key, one in figures.items():
        if not key.startswith(GPU):
            continue
        recipe = key.removeprefix(GPU)
        if "failed" in one:
            rows.append({"recipe": recipe, "targets": f"failed: {one['failed'].splitlines()[0]}"})
            continue
        missed = [
            f"{name} {sense} {target:g}"
            for name, sense, target, only in GPU_TARGETS
            if only in ("", recipe) and not meets(one[name], sense, target)
        ]
        rows.append(
            {
                "recipe": recipe,
                "input": f"{one['size']} px",
                "batch": one["batch"],
                "precision": one["precision"],
                "images/s": short(one["ours"]),
                "float32 images/s": short(one["peer"]),
                "times": short(one["value"]),
                "share of the matrix peak": f"{one['peak_share']:.1%}",
                "input wait": f"{one['input_wait']:.1%}",
                "targets": "missed: " + "; ".join(missed) if missed else "met",
            }
        )
    return pd.DataFrame(rows).fillna("")


def figure_text(figures: dict[str, dict]) -> str:
    """What `alllib bench` prints: a row for each figure."""
    tables = [figure_table(figures), gpu_table(figures)]
    return "\n\n".join(table.to_string(index=False) for table in tables if len(table))


def plot_ratios(figures: dict[str, dict]) -> Figure:
    """Ratios on a logarithmic scale, each with its target.

    Parameters
    ----------
    figures : dict of str to dict
        Of one machine; figures that are no ratios are left out.

    Returns
    -------
    matplotlib.figure.Figure
        A triangle marks the target and points to where it is met.
    """
    shown = [entry for entry in _ratios(figures)]
    figure, axis = plt.subplots(figsize=(7.2, 1.2 + 0.36 * len(shown)), layout="constrained")
    for place, entry in enumerate(reversed(shown)):
        value = figures[entry.key]["value"]
        met = entry.met(value)
        axis.plot([entry.target, value], [place, place], color="#999999", linewidth=1, zorder=1)
        axis.plot(
            entry.target, place, "<" if entry.sense == "at most" else ">", color=COLOURS["ALL"],
            markersize=8, label="target" if place == 0 else None,
        )  # fmt: skip
        axis.plot(
            value, place, "o", color=COLOURS["HEM"], markersize=8,
            markerfacecolor=COLOURS["HEM"] if met else "white",
        )  # fmt: skip
    axis.plot([], [], "o", color=COLOURS["HEM"], label="measured, target met")
    axis.plot([], [], "o", color=COLOURS["HEM"], markerfacecolor="white",
              label="measured, target missed")  # fmt: skip
    axis.axvline(1, color="black", linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(shown)), [entry.key for entry in reversed(shown)], fontsize=9)
    axis.set(xscale="log", xlabel="ours / the other way", ylim=(-0.6, len(shown) - 0.4))
    figure.legend(frameon=False, fontsize=9, loc="outside upper center", ncols=3)
    return figure


def _ratios(figures: dict[str, dict]) -> list[Benchmark]:
    return [
        entry
        for entry in _measured(figures)
        if entry.unit_of_value == "times" and figures[entry.key]["value"] is not None
    ]


def tell_ratios(figures: dict[str, dict]) -> str:
    """Alternative text of `plot_ratios`."""
    told = [
        f"{entry.key} {short(figures[entry.key]['value'])} (target {_target(entry)})"
        for entry in _ratios(figures)
    ]
    return "Ratio of our way to the other one: " + "; ".join(told) + "."


def tell_machine(machine: dict, figures: dict[str, dict]) -> str:
    """Sentence on the machine, and on when and with what its figures were measured."""
    dates = sorted(one["date"][:10] for one in figures.values())
    commits = sorted({one["commit"][:10] for one in figures.values() if one["commit"]})
    span = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    device = machine["accelerator"] or "no GPU"
    backend, memory = machine["backend"], machine["memory"] / 2**30
    version = _version(machine, backend)
    return (
        f"**{machine['processor']}**, {machine['cores']} cores, {memory:.0f} GiB of memory, "
        f"{device}, {machine['system']}; Python {machine['python']}, Keras "
        f"{machine['versions'].get('keras', 'unknown')} on {backend} {version}; measured {span}"
        + (f" at commit {', '.join(commits)}." if commits else ".")
    )


def _version(machine: dict, backend: str) -> str:
    names = (backend, f"{backend}-cpu")
    return next((machine["versions"][n] for n in names if n in machine["versions"]), "")


def tell_targets(figures: dict[str, dict]) -> str:
    """Sentences on how many targets are met, and by how much the others are missed; "" where
    none of these figures was measured."""
    known = [entry for entry in _measured(figures) if figures[entry.key]["value"] is not None]
    missed = [entry for entry in known if not entry.met(figures[entry.key]["value"])]
    if not known:
        return ""
    text = f"**{len(known) - len(missed)} of {len(known)}** targets are met on this machine."
    for entry in missed:
        text += f" `{entry.key}` is {short(figures[entry.key]['value'])}, and should be "
        text += f"{_target(entry)}."
    absent = _names(entry.key for entry in BENCHMARKS if entry not in known)
    return text + (f" Not measured here: {absent}." if absent else "")


def _names(keys: Iterable[str]) -> str:
    return ", ".join(f"`{key}`" for key in keys)


def tell_augmentation(figures: dict[str, dict]) -> str:
    """Sentences on the other readings of `augment_online_vs_augmentor`; "" without it."""
    one = figures.get("augment_online_vs_augmentor")
    if one is None or one["value"] is None:
        return ""
    return (
        f"Once its store is built, our way gives {short(one['steady'])} augmented images/s. The "
        "ratio is that of pictures drawn anew in each epoch. If the same pictures are shown in all "
        "epochs, as the report did, and their files decoded in each, it is "
        f"{short(one['same_ours'] / one['same_files'])}; where the decoded pictures are kept as "
        f"a float32 array in memory, {short(one['same_ours'] / one['same_array'])}."
    )
