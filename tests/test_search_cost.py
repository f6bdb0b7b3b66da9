"""What a search costs, and how it is told."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from test_duplicates import nucleus, write_table

from alllib import search_cost
from alllib.errors import ImageError
from alllib.search_cost import join_tables, measure_cost, tell_cost


@pytest.fixture
def cells(tmp_path) -> pd.DataFrame:
    table = write_table(tmp_path / "cells", {f"cell{n}": nucleus(n, 64) for n in range(4)})
    table.attrs["dataset"] = "cnmc2019"
    return table


def test_cost_is_measured(cells):
    found = measure_cost(cells)
    assert json.loads(json.dumps(found)) == found
    assert (found["images"], found["pairs"]) == (4, 0)
    assert found["seconds"] > 0
    assert found["cores"] >= 1
    assert found["peak_mib"] > 20
    assert found["other_cores"] >= 0


def test_work_of_others_is_what_the_search_did_not_spend(cells, monkeypatch):
    busy, clock, spent = iter([100.0, 130.0]), iter([0.0, 10.0]), iter([0.0, 12.0])
    monkeypatch.setattr(search_cost, "_busy", lambda: next(busy))
    monkeypatch.setattr(search_cost, "find_duplicates", lambda cells: _Nothing)
    monkeypatch.setattr(search_cost.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(search_cost.time, "process_time", lambda: next(spent))
    found = measure_cost(cells)
    assert (found["seconds"], found["processor_seconds"], found["other_cores"]) == (10, 12, 1.8)


class _Nothing:
    pairs = ()


def test_two_tables_are_searched_as_one(cells, tmp_path):
    made = write_table(tmp_path / "made", {f"made{n}": nucleus(n + 50, 64) for n in range(3)})
    made.attrs["dataset"] = "synthetic"
    both = join_tables(cells, made)
    assert both.attrs == {"dataset": "cnmc2019"} and both.index.is_unique
    assert measure_cost(both)["images"] == 7


def test_sentence_has_every_figure():
    found = {"images": 12000, "of": {"cnmc2019": 7000, "synthetic": 5000}, "seconds": 96.4,
             "processor_seconds": 94.0, "cores": 2, "other_cores": 1.04,
             "peak_mib": 1326}  # fmt: skip
    text = tell_cost(found)
    for part in (
        "12,000 images",
        "7,000 of cnmc2019",
        "96 s by the clock",
        "2 cores",
        "94 s of processor time",
        "47 s for each",
        "1.0 cores were busy",
        "1,326 MiB",
    ):
        assert part in text  # fmt: skip
    assert "nothing else was at work" in tell_cost(found | {"other_cores": 0.01})


def test_unreadable_image_is_named(cells, tmp_path):
    (tmp_path / "cells" / "cell1.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"cell1\.png"):
        measure_cost(cells)
