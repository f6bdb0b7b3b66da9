"""Smaller studies by topic, each measured by one command and kept where that is asked.

The large ones have commands of their own: `alllib baselines`, `alllib laboratory` and
`alllib data duplicates`, each with `--record` too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .errors import DataError, ParameterError, suggest

if TYPE_CHECKING:  # the help lists the topics, and must not wait for tables
    import pandas as pd

__all__ = ["MEASUREMENTS", "Measured", "Measurement", "get_measurement", "measured_text",
           "run_measurement"]  # fmt: skip

MADE = 5000  # synthetic images that make the search one of over 10,000
FIGURES = 4  # of a number that is shown


@dataclass(frozen=True)
class Measured:
    """What a study found; `studies.save_study` keeps it.

    Attributes
    ----------
    cells : pandas.DataFrame
        Cell table of the images that it is of.
    found : dict
        The figures.
    settings : dict
        Seeds and sizes that they depend on.
    """

    cells: pd.DataFrame
    found: dict[str, Any]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Measurement:
    """What a study is of, and how it is measured.

    Attributes
    ----------
    title : str
        For the help of the command.
    measure : callable
        Takes a cell table, and returns `Measured`.
    subjects : bool
        Whether it needs the subject of each image.
    """

    title: str
    measure: Callable[[pd.DataFrame], Measured]
    subjects: bool = True


def get_measurement(topic: str) -> Measurement:
    """Measurement of a topic.

    Raises
    ------
    ParameterError
        When there is no such topic.
    """
    if topic not in MEASUREMENTS:
        raise ParameterError(
            f"There is no study {topic!r}.", where="topic", remedy=suggest(topic, MEASUREMENTS)
        )
    return MEASUREMENTS[topic]


def run_measurement(topic: str, cells: pd.DataFrame) -> Measured:
    """Measure a topic on some images; nothing is written.

    Parameters
    ----------
    topic : str
        Of `MEASUREMENTS`.
    cells : pandas.DataFrame
        Cell table.

    Returns
    -------
    Measured

    Raises
    ------
    ParameterError
        When there is no such topic.
    DataError
        When the topic needs subjects, and the data set names none. And what the measurement
        itself raises.
    """
    from .datasets import get_dataset

    study, entry = get_measurement(topic), get_dataset(cells.attrs["dataset"])
    if study.subjects and "subject" not in entry.protocols:
        raise DataError(
            f"The study {topic!r} needs the subject of each image; {entry.title!r} names none.",
            where=cells.path.iloc[0],
            remedy="Use C-NMC 2019 or synthetic cells.",
        )
    return study.measure(cells)


def measured_text(found: Any, *, indent: int = 0) -> str:
    """Figures of a study for a terminal, a name to a line and rows as a table.

    Parameters
    ----------
    found : dict, list or plain value
        As a study holds it.
    indent : int
        Spaces before each line.

    Returns
    -------
    str
    """
    lines = []
    for name, value in found.items():
        if isinstance(value, dict):
            lines += [f"{name}:", measured_text(value, indent=2)]
        elif isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
            lines += [f"{name}:", *(f"  {line}" for line in _row_lines(value))]
        else:
            lines.append(f"{name}: {_plain(value)}")
    return "\n".join(" " * indent + line for text in lines for line in text.split("\n"))


def _row_lines(rows: list[dict]) -> list[str]:
    """Rows as a table; what a row holds in a dictionary has columns of its own."""
    import pandas as pd

    table = pd.json_normalize(rows).map(_plain)
    return table.to_string(index=False).split("\n")


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(_plain(one) for one in value)}]"
    return f"{value:.{FIGURES}g}" if isinstance(value, float) else str(value)


def _calibration(cells: pd.DataFrame) -> Measured:
    from .baselines import measure_numbers
    from .statistic_studies import calibrate_forest

    settings = {"seed": 1}
    return Measured(cells, calibrate_forest(cells, measure_numbers(cells), **settings), settings)


def _coverage(cells: pd.DataFrame) -> Measured:
    """Sizes of the official groups, answers as alike as those of the kept forest."""
    from .baseline_runs import kept_predictions
    from .downloads import official_cells
    from .statistic_studies import measure_coverage, training_cells

    name = cells.attrs["dataset"]
    kept = kept_predictions(name)
    chosen = (kept.system == "nineteen") & (kept.protocol == "group") & (kept.scheme == "pooled")
    # The official list knows the training images that a smaller copy of the data set lacks.
    table = training_cells(official_cells() if name == "cnmc2019" else cells)
    settings = {"repeats": 4000, "resamples": 500, "seed": 1}
    found = measure_coverage(table, kept[chosen].reset_index(drop=True), **settings)
    return Measured(table, found, settings)


def _seeds(cells: pd.DataFrame) -> Measured:
    """Forests trained now, and the recorded networks that differ in the seed alone."""
    from .baselines import measure_numbers
    from .records import list_records
    from .statistic_studies import forest_seeds, network_seeds

    numbers = measure_numbers(cells)
    rows = [forest_seeds(cells, numbers, protocol) for protocol in ("image", "group")]
    recorded = [record for record in list_records() if record.recorded]
    return Measured(cells, {"rows": rows + network_seeds(recorded, cells.attrs["dataset"])}, {})


def _crops(cells: pd.DataFrame) -> Measured:
    from .clipping import measure_clipping

    settings = {"crop": 400}
    return Measured(cells, measure_clipping(cells, **settings), settings)


def _outlines(cells: pd.DataFrame) -> Measured:
    from .appearance import rate_outlines

    table = cells[cells.label.notna()].reset_index(drop=True)
    settings = {"seed": 2019, "resamples": 1000}
    return Measured(table, rate_outlines(table, **settings), settings | {"by": "group"})


def _inputs(cells: pd.DataFrame) -> Measured:
    from .appearance import measure_inputs

    return Measured(cells, measure_inputs(cells), {})


def _cost(cells: pd.DataFrame) -> Measured:
    """Search of the images with synthetic ones beside them; of these alone if they are that."""
    from .datasets import load_cells
    from .downloads import prepare_data
    from .duplicates import LIMITS
    from .search_cost import join_tables, measure_cost

    name = cells.attrs["dataset"]
    of, both = {name: len(cells)}, cells
    if name != "synthetic":  # other synthetic images would have the same names
        made = load_cells(prepare_data("synthetic", images=MADE))
        of["synthetic"], both = len(made), join_tables(cells, made)
    return Measured(both, {**measure_cost(both), "of": of}, LIMITS)


MEASUREMENTS = {
    "calibration": Measurement("calibration of a forest on a split by group", _calibration),
    "coverage": Measurement("how often an interval by group holds the truth", _coverage),
    "crops": Measurement("nuclei that the report's crop cuts, by class", _crops),
    "duplicate-cost": Measurement(
        "time and memory of the search for duplicates", _cost, subjects=False
    ),
    "inputs": Measurement("means and deviations of the scaled images", _inputs, subjects=False),
    "outlines": Measurement("how well roundness tells the classes apart", _outlines),
    "seeds": Measurement("accuracy by seed, of forests and of recorded networks", _seeds),
}
