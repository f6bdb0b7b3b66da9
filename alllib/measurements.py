"""Smaller kept studies by topic, each measured and kept by one command.

The large ones have commands of their own: `alllib baselines`, `alllib laboratory` and
`alllib data duplicates`, each with `--record`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from .errors import ParameterError, suggest
from .studies import Study

__all__ = ["MEASUREMENTS", "Measurement", "get_measurement"]

MADE = 5000  # synthetic images that make the search one of over 10,000


@dataclass(frozen=True)
class Measurement:
    """What a study is of, and how it is measured and kept.

    Attributes
    ----------
    title : str
        For the help of the command.
    record : callable
        Takes a cell table, measures, writes the study, and returns it.
    """

    title: str
    record: Callable[[pd.DataFrame], Study]


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


def _calibration(cells: pd.DataFrame) -> Study:
    from .baselines import measure_numbers
    from .statistic_studies import record_calibration

    return record_calibration(cells, measure_numbers(cells))


def _coverage(cells: pd.DataFrame) -> Study:
    """Sizes of the official groups, answers as alike as those of the kept forest."""
    from .baseline_runs import kept_predictions
    from .downloads import official_cells
    from .statistic_studies import record_coverage

    kept = kept_predictions(cells.attrs["dataset"])
    chosen = (kept.system == "nineteen") & (kept.protocol == "group") & (kept.scheme == "pooled")
    return record_coverage(official_cells(), kept[chosen].reset_index(drop=True))


def _seeds(cells: pd.DataFrame) -> Study:
    """Forests trained now, and the recorded networks that differ in the seed alone."""
    from .baselines import measure_numbers
    from .records import list_records
    from .statistic_studies import forest_seeds, network_seeds, record_seeds

    numbers = measure_numbers(cells)
    rows = [forest_seeds(cells, numbers, protocol) for protocol in ("image", "group")]
    recorded = [record for record in list_records() if record.recorded]
    return record_seeds(cells, rows + network_seeds(recorded, cells.attrs["dataset"]))


def _crops(cells: pd.DataFrame) -> Study:
    from .clipping import record_clipping

    return record_clipping(cells)


def _outlines(cells: pd.DataFrame) -> Study:
    from .appearance import record_outlines

    return record_outlines(cells)


def _inputs(cells: pd.DataFrame) -> Study:
    from .appearance import record_inputs

    return record_inputs(cells)


def _cost(cells: pd.DataFrame) -> Study:
    from .datasets import load_cells
    from .downloads import prepare_data
    from .search_cost import record_cost

    return record_cost(cells, made=load_cells(prepare_data("synthetic", images=MADE)))


MEASUREMENTS = {
    "calibration": Measurement("calibration of a forest on a split by group", _calibration),
    "coverage": Measurement("how often an interval by group holds the truth", _coverage),
    "crops": Measurement("nuclei that the report's crop cuts, by class", _crops),
    "duplicate-cost": Measurement("time and memory of the search for duplicates", _cost),
    "inputs": Measurement("means and deviations of the scaled images", _inputs),
    "outlines": Measurement("how well roundness tells the classes apart", _outlines),
    "seeds": Measurement("accuracy by seed, of forests and of recorded networks", _seeds),
}
