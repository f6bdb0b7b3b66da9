"""What a centred crop cuts off nuclei: planted squares at known places."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.clipping import measure_clipping
from alllib.errors import DataError

SIDE, CROP = 60, 40  # the crop keeps rows and columns 10 to 49


@pytest.fixture
def cells(tmp_path) -> pd.DataFrame:
    """Five cells: (top, left, side) of a bright square; two reach out of the crop."""
    squares = [
        ("ALL", 15, 15, 30),
        ("ALL", 5, 15, 20),  # five rows of twenty pixels are lost
        ("ALL", 12, 12, 25),
        ("HEM", 20, 20, 10),
        ("HEM", 30, 41, 10),  # one column of ten pixels is lost
    ]
    rows = []
    for number, (label, top, left, side) in enumerate(squares):
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        image[top : top + side, left : left + side] = 200
        path = tmp_path / f"{number}.png"
        Image.fromarray(image).save(path)
        rows.append({"image": str(number), "path": str(path), "label": label, "sha256": "a" * 64})
    table = pd.DataFrame(rows)
    table.attrs["dataset"] = "cnmc2019"
    return table


def test_clipped_nuclei_are_counted_by_class(cells):
    found = measure_clipping(cells, CROP)
    assert (found["images"], found["clipped"], found["clipped_more"]) == (5, 2, 1)
    assert found["clipped_share"] == 0.4
    assert found["classes"]["ALL"] == {
        "images": 3, "clipped": 1, "share": round(1 / 3, 5), "median_area": 625.0,
    }  # fmt: skip
    assert found["classes"]["HEM"]["clipped"] == 1
    assert found["median_loss"] == pytest.approx((100 / 400 + 10 / 100) / 2)


def test_the_largest_reach_is_the_smallest_crop_that_clips_none(cells):
    reach = measure_clipping(cells, CROP)["largest_reach"]
    assert measure_clipping(cells, reach)["clipped"] == 0
    assert measure_clipping(cells, reach - 1)["clipped"] > 0
    assert measure_clipping(cells, reach)["median_loss"] == 0


def test_the_area_tells_the_classes_apart(cells):
    """All three ALL nuclei are larger than both HEM nuclei."""
    assert measure_clipping(cells, CROP)["area_auc"] == 1
    swapped = cells.assign(label=["HEM", "HEM", "HEM", "ALL", "ALL"])
    assert measure_clipping(swapped, CROP)["area_auc"] == 0
    even = cells.assign(label=["ALL", "HEM", "HEM", "ALL", "HEM"])  # 3.5 of 6 pairs
    assert measure_clipping(even, CROP)["area_auc"] == round(3.5 / 6, 4)


def test_a_black_image_is_an_error(cells, tmp_path):
    Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8)).save(tmp_path / "0.png")
    with pytest.raises(DataError, match="background"):
        measure_clipping(cells, CROP)
