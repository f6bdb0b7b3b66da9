"""The whole laboratory on one data set, kept and told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ..datasets import get_dataset
from ..studies import Study, read_study, save_study
from .effects import Effect
from .registry import MISTAKES, get_mistake
from .scene import Scene, prepare_scene

__all__ = ["TOPIC", "compare_effects", "effect_table", "effect_text", "keep_laboratory",
           "kept_effects", "measure_mistakes", "run_laboratory", "tell_effect"]  # fmt: skip

TOPIC = "laboratory"
# Of a kept measurement, where no others are given.
SETTINGS = {"seeds": (1, 2, 3), "repeats": 5, "epochs": 8, "size": 32}


def run_laboratory(
    cells: pd.DataFrame,
    *,
    seeds: Sequence[int] = SETTINGS["seeds"],
    repeats: int = SETTINGS["repeats"],
    epochs: int = SETTINGS["epochs"],
    size: int = SETTINGS["size"],
    keys: Iterable[str] | None = None,
) -> list[Effect]:
    """Make each mistake on some images, and measure what it does.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table of C-NMC 2019, synthetic cells, or a set of subtypes; on the last only
        those mistakes that need no subjects.
    seeds, repeats, epochs, size : optional
        See `prepare_scene`.
    keys : iterable of str, optional
        Some mistakes; all that the data set allows when not given.

    Returns
    -------
    list of Effect

    Raises
    ------
    SplitError
        When a mistake was asked for that needs subjects, and the data set names none.
    ParameterError
        When there is no such mistake.
    """
    chosen = None if keys is None else [get_mistake(key).key for key in keys]
    scene = prepare_scene(cells, seeds=seeds, repeats=repeats, epochs=epochs, size=size)
    return measure_mistakes(scene, chosen)


def measure_mistakes(scene: Scene, keys: Iterable[str] | None = None) -> list[Effect]:
    """Effects of some mistakes on a prepared scene; of all that it allows without `keys`."""
    if keys is None:
        keys = [key for key, one in MISTAKES.items() if scene.has_subjects or one.smears]
    return [effect for key in keys for effect in get_mistake(key).measure(scene)]


def keep_laboratory(
    cells: pd.DataFrame, effects: Sequence[Effect], *, settings: dict | None = None
) -> Study:
    """Write `results/study/laboratory-<dataset>.json`.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table that was measured.
    effects : sequence of Effect
    settings : dict, optional
        Seeds and sizes; those that `run_laboratory` takes by itself when not given.

    Returns
    -------
    Study

    Raises
    ------
    DiskError
        When the disk is full or read-only; an older file stays.
    """
    found = {"effects": [effect.as_dict() for effect in effects]}
    return save_study(TOPIC, cells, found, settings=settings or SETTINGS)


def kept_effects(dataset: str) -> list[Effect]:
    """Effects of the kept measurement on a data set; empty where none is kept.

    Raises
    ------
    RecordError
        When its file is damaged.
    """
    study = read_study(TOPIC, dataset)
    return [] if study is None else [Effect(**one) for one in study.found["effects"]]


def effect_table(effects: Iterable[Effect]) -> pd.DataFrame:
    """One row per effect, for readers."""
    rows = [
        {
            "mistake": get_mistake(one.key).title,
            "images": f"{one.images:,}, {get_dataset(one.dataset).title}",
            "system": one.system,
            "number": one.unit,
            "without": f"{one.honest:.3f}",
            "with": f"{one.mistaken:.3f}",
            "difference": f"{one.difference:+.3f}",
            "95 % interval": _interval(one),
            "drawn": _drawn(one),
        }
        for one in effects
    ]
    return pd.DataFrame(rows)


def _drawn(effect: Effect) -> str:
    return f"{effect.groups} {effect.resampled}".replace(
        " and repeats", f", {effect.repeats} repeats"
    )


def _interval(effect: Effect) -> str:
    return "none" if effect.low is None else f"{effect.low:+.3f} to {effect.high:+.3f}"


def effect_text(effects: Iterable[Effect]) -> str:
    """The same for a terminal, two lines an effect."""
    lines = []
    for row in effect_table(effects).to_dict("records"):
        lines.append(
            f"{row['mistake']}: {row['system']}, {row['number']}\n"
            f"    {row['without']} -> {row['with']}  {row['difference']} "
            f"({row['95 % interval']}; {row['images']}; {row['drawn']})"
        )
    return "\n".join(lines)


def compare_effects(key: str, *sets: Iterable[Effect]) -> pd.DataFrame:
    """Effects of one mistake on several sets of images, the first set first.

    Parameters
    ----------
    key : str
        Of the mistake.
    *sets : iterable of Effect
        Recorded effects, then those of the images at hand; other mistakes are left out.

    Returns
    -------
    pandas.DataFrame
        As `effect_table`, without the column `mistake`.
    """
    title = get_mistake(key).title
    table = effect_table(one for effects in sets for one in effects)
    chosen = table[table["mistake"] == title] if len(table) else table
    # What needs no image is the same in all sets, and stands once.
    chosen = chosen.drop(columns="mistake", errors="ignore").drop_duplicates()
    return chosen.reset_index(drop=True)


def tell_effect(effect: Effect) -> str:
    """One sentence: the two values, their difference and what its interval says."""
    if effect.low is None:
        sure = "there is no interval, because a class has a single group"
    elif effect.low <= 0 <= effect.high:
        sure = f"95 % interval {_interval(effect)}, which holds zero: no effect is shown"
    else:
        sure = f"95 % interval {_interval(effect)}"
    return (
        f"On {effect.images:,} images of {get_dataset(effect.dataset).title} ({effect.system}), "
        f"{effect.unit} goes from {effect.honest:.3f} to {effect.mistaken:.3f}: "
        f"**{effect.difference:+.3f}** ({sure})."
    )
