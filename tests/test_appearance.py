"""Outlines of nuclei and images as they are fed."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.appearance import OUTLINES, measure_inputs, measure_outlines, rate_outlines
from alllib.errors import DataError, SplitError
from alllib.studies import read_study


def blob(shape: str, side: int = 120) -> np.ndarray:
    """A disc, or a disc with a cleft, on black."""
    down, across = np.mgrid[:side, :side] - side / 2
    mask = down**2 + across**2 < (0.4 * side) ** 2
    if shape == "cleft":
        mask &= ~((np.abs(across) < 0.05 * side) & (down < 0))
    return (mask[..., None] * np.array([180, 120, 200])).astype(np.uint8)


@pytest.fixture
def cells(tmp_path) -> pd.DataFrame:
    rows = []
    for k in range(8):
        label = "HEM" if k % 2 else "ALL"
        path = tmp_path / f"{k}.png"
        Image.fromarray(blob("disc" if k % 2 else "cleft", 120 + k)).save(path)
        rows.append({"image": str(k), "path": str(path), "label": label, "group": f"{label}{k}"})
    table = pd.DataFrame(rows).assign(sha256="0", subject=[row["group"] for row in rows])
    table.attrs["dataset"] = "synthetic"
    return table


def test_a_disc_is_rounder_than_a_disc_with_a_cleft(cells):
    found = measure_outlines(cells)
    discs, clefts = found[cells.label == "HEM"], found[cells.label == "ALL"]
    assert (discs.min() > clefts.max()).all()
    assert discs.solidity.min() > 0.97
    assert 0.8 < discs.circularity.min() <= 1


def test_an_image_without_a_nucleus_is_refused(cells, tmp_path):
    Image.fromarray(np.zeros((60, 60, 3), np.uint8)).save(tmp_path / "0.png")
    with pytest.raises(DataError):
        measure_outlines(cells)


def test_outlines_without_subjects_are_refused_before_an_image_is_read(cells):
    nobody = cells.assign(subject=pd.NA, group=pd.NA, path="nowhere.png")
    with pytest.raises(SplitError, match="8 name none"):
        rate_outlines(nobody, resamples=2)
    unlabelled = cells.assign(label=cells.label.where(cells.index > 1))  # no class, no subject
    unlabelled.loc[:1, ["subject", "group", "path"]] = [pd.NA, pd.NA, "nowhere.png"]
    assert rate_outlines(unlabelled, resamples=2) == rate_outlines(cells[2:], resamples=2)


def test_the_area_under_the_curve_has_an_interval(cells):
    found = rate_outlines(cells, resamples=20)
    assert found == rate_outlines(cells, resamples=20)
    assert set(found) == set(OUTLINES)
    for value in found.values():
        assert value["low"] <= value["auc"] == 1 <= value["high"]
        assert value["ALL"] == sorted(value["ALL"])


def test_inputs_are_averaged_over_pixels(tmp_path):
    for name, level in (("a", 0), ("b", 255)):
        Image.fromarray(np.full((10, 20, 3), level, np.uint8)).save(tmp_path / f"{name}.png")
    table = pd.DataFrame(
        {"path": [str(tmp_path / f"{n}.png") for n in "ab"], "label": ["x", "y"],
         "image": ["a", "b"], "sha256": "0"}
    )  # fmt: skip
    table.attrs["dataset"] = "synthetic"
    found = measure_inputs(table)
    assert found["mean"] == [0.5] * 3
    assert found["deviation"] == [0.5] * 3
    assert found["sides"] == [[20, 10]]
    assert found["classes"] == {"x": 1, "y": 1}


@pytest.mark.slow
def test_the_kept_outlines_are_measured_again(real_root, monkeypatch):
    from alllib.datasets import load_cells

    kept = read_study("outlines", "cnmc2019")
    cells = load_cells(real_root / "C-NMC_Leukemia").groupby("label").head(60)
    found = measure_outlines(cells)
    for name in OUTLINES:
        median = found[name][cells.label == "HEM"].median()
        low, _, high = kept.found[name]["HEM"]
        assert low - 0.03 < median < high + 0.03
