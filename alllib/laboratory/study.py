"""The whole laboratory on one data set, kept and told."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from ..datasets import get_dataset
from ..splits import require_subjects
from ..studies import Study, read_study, save_study
from .effects import RESAMPLES, Effect
from .inputs import usable_cells
from .registry import MISTAKES, get_mistake
from .scene import Scene, prepare_scene

__all__ = ["TOPIC", "compare_effects", "effect_table", "effect_text", "keep_laboratory",
           "kept_effects", "measure_mistakes", "run_laboratory", "tell_effect",
           "tell_notes"]  # fmt: skip

TOPIC = "laboratory"
# Of a kept measurement, where no others are given.
SETTINGS = {"seeds": (1, 2, 3, 4, 5), "repeats": 5, "epochs": 8, "size": 32}


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
        When there is no such mistake, or a size or the seeds make no sense.
    DataError
        When there are no labelled images of two classes.
    """
    chosen = None if keys is None else [get_mistake(key) for key in keys]
    if not all(one.smears for one in chosen or ()):
        require_subjects(usable_cells(cells))  # before an image is read
    scene = prepare_scene(cells, seeds=seeds, repeats=repeats, epochs=epochs, size=size)
    return measure_mistakes(scene, None if chosen is None else [one.key for one in chosen])


def measure_mistakes(scene: Scene, keys: Sequence[str] | None = None) -> list[Effect]:
    """Effects of some mistakes on a prepared scene; of all that it allows without `keys`."""
    if keys is None:
        keys = [key for key, one in MISTAKES.items() if scene.has_subjects or one.smears]
    elif not all(get_mistake(key).smears for key in keys):
        require_subjects(scene.cells)
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
        Seeds and sizes; those that `run_laboratory` takes by itself when not given, and where
        no subject is named only those that matter without networks.

    Returns
    -------
    Study

    Raises
    ------
    DiskError
        When the disk is full or read-only; an older file stays.
    """
    found = {"effects": [effect.as_dict() for effect in effects]}
    if settings is None:
        settings = SETTINGS if cells.subject.notna().any() else {"repeats": SETTINGS["repeats"]}
        settings = settings | {"resamples": RESAMPLES}
    return save_study(TOPIC, cells, found, settings=settings)


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
    """The same for a terminal, two lines an effect, and what is compared in a third."""
    lines, effects = [], list(effects)
    for one, row in zip(effects, effect_table(effects).to_dict("records"), strict=True):
        lines.append(
            f"{row['mistake']}: {row['system']}, {row['number']}\n"
            f"    {row['without']} -> {row['with']}  {row['difference']} "
            f"({row['95 % interval']}; {row['images']}; {row['drawn']})"
            + (f"\n    {one.note}" if one.note else "")
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
        sure = "no interval: groups are too few, or all draws say the same"
    elif effect.one_sided:
        sure = f"95 % interval {_interval(effect)}; by the way it is made it cannot change sign"
    elif effect.low <= 0 <= effect.high:
        sure = f"95 % interval {_interval(effect)}, which holds zero: no effect is shown"
    else:
        sure = f"95 % interval {_interval(effect)}"
    return (
        f"On {effect.images:,} images of {get_dataset(effect.dataset).title} ({effect.system}), "
        f"{effect.unit} goes from {effect.honest:.3f} to {effect.mistaken:.3f}: "
        f"**{effect.difference:+.3f}** ({sure})."
    )


def tell_notes(effects: Iterable[Effect]) -> str:
    """What is compared in some effects, one sentence or more for each different note."""
    notes: dict[str, list[str]] = {}
    for one in effects:
        systems = notes.setdefault(one.note, [])
        if one.system not in systems:
            systems.append(one.system)
    return " ".join(f"*{'; '.join(systems)}*: {note}" for note, systems in notes.items() if note)
