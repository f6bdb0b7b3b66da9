"""Crops about the centre, and the nuclei that they clip."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from PIL import Image

from alllib.cropping import count_clipped, crop_center, find_nucleus, measure_nuclei
from alllib.datasets import load_cells
from alllib.errors import DataError, ImageError


def save(folder: Path, images: dict[str, np.ndarray], label: str = "ALL") -> pd.DataFrame:
    """Cell table of the columns that cropping reads."""
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    paths = [str(folder / f"{name}.png") for name in images]
    return pd.DataFrame({"image": list(images), "label": label, "path": paths})


def blob(shape: tuple[int, int], box: tuple[int, int, int, int]) -> np.ndarray:
    """Black picture with a bright box (left, top, right, bottom), the last two exclusive."""
    image = np.zeros((*shape, 3), np.uint8)
    left, top, right, bottom = box
    image[top:bottom, left:right, 1] = 200
    return image


def test_crop_of_even_and_odd_margins():
    image = np.arange(7 * 9 * 3, dtype=np.uint8).reshape(7, 9, 3)
    assert np.array_equal(crop_center(image, 3), image[2:5, 3:6])
    assert np.array_equal(crop_center(image, 4), image[1:5, 2:6]), "the odd pixel goes below"
    assert np.array_equal(crop_center(image, 7), image[:, 1:8])
    assert np.shares_memory(crop_center(image, 4), image)
    assert crop_center(np.zeros((450, 450, 3), np.uint8), 400).shape == (400, 400, 3)


@pytest.mark.parametrize("size", [8, 9, 0, -1])
def test_crop_that_does_not_fit(size):
    with pytest.raises(DataError, match=f"9x7 image has no centred crop of {size} ") as caught:
        crop_center(np.zeros((7, 9, 3), np.uint8), size)
    assert "no larger" in caught.value.remedy


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 60))
def test_crop_is_centred(height, width, size):
    assume(size <= min(height, width))
    rows, columns = np.mgrid[:height, :width]
    cut = crop_center(np.dstack([rows, columns]), size)
    assert cut.shape[:2] == (size, size)
    top, left = cut[0, 0]
    assert 0 <= (height - size - top) - top <= 1 and 0 <= (width - size - left) - left <= 1


def test_nucleus_is_what_is_brighter_than_the_background():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0] = (20, 20, 20)
    image[0, 1] = (0, 0, 21)
    assert find_nucleus(image).tolist() == [[False, True], [False, False]]
    assert find_nucleus(image, threshold=19).sum() == 2


def test_measures_of_a_box(tmp_path):
    cells = save(tmp_path, {"a": blob((40, 50), (10, 5, 22, 35))}).set_index(pd.Index([7]))
    measured = measure_nuclei(cells)
    assert list(measured.index) == [7] and measured.image[7] == "a" and measured.label[7] == "ALL"
    numbers = measured.loc[7, ["area", "left", "top", "right", "bottom", "box"]].to_list()
    assert numbers == [12 * 30, 10, 5, 22, 35, 30]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("boxes")


@given(st.tuples(*[st.integers(1, 14)] * 2), st.data())
def test_reach_is_the_smallest_crop_that_holds_the_nucleus(folder, shape, data):
    """Against every crop in turn, also with odd margins and pictures that are no square."""
    height, width = shape
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    right = data.draw(st.integers(left + 1, width))
    bottom = data.draw(st.integers(top + 1, height))
    image = blob(shape, (left, top, right, bottom))
    measured = measure_nuclei(save(folder, {"a": image})).iloc[0]
    holding = [
        size
        for size in range(1, min(shape) + 1)
        if find_nucleus(crop_center(image, size)).sum() == measured.area
    ]
    if holding:
        assert measured.reach == min(holding)
    else:
        assert measured.reach > min(shape)
    for size in range(1, min(shape) + 1):
        clipped = count_clipped(pd.DataFrame([measured]), [size]).clipped[0]
        assert clipped == int(size not in holding)


def test_clipped_nuclei_are_counted_by_class():
    nuclei = pd.DataFrame({"label": ["ALL", "ALL", "HEM", pd.NA], "reach": [401, 400, 200, 500]})
    table = count_clipped(nuclei, [400, 199])
    rows = table.to_dict("records")
    assert rows[0] == dict(crop=400, label="ALL", images=2, clipped=1, share=0.5)
    assert rows[1] == dict(crop=400, label="HEM", images=1, clipped=0, share=0.0)
    assert [row["clipped"] for row in rows[2:]] == [2, 1]


def test_picture_without_a_nucleus_or_unreadable_is_named(tmp_path):
    cells = save(tmp_path, {"a": blob((9, 9), (2, 2, 5, 5)), "b": np.zeros((9, 9, 3), np.uint8)})
    with pytest.raises(DataError, match="nothing but background") as caught:
        measure_nuclei(cells)
    assert cells.path[1] in str(caught.value) and caught.value.remedy
    Path(cells.path[1]).write_bytes(Path(cells.path[0]).read_bytes()[:-30])
    with pytest.raises(ImageError, match="cannot be read") as caught:
        measure_nuclei(cells)
    assert cells.path[1] in str(caught.value)
    Image.fromarray(blob((9, 9), (1, 1, 5, 5))).save(cells.path[1])
    assert measure_nuclei(cells).area.to_list() == [9, 16]


def test_error_of_a_worker_process_names_its_file(tmp_path):
    cells = save(tmp_path, {f"c{n:03d}": blob((9, 9), (2, 2, 5, 5)) for n in range(80)})
    assert (measure_nuclei(cells).area == 9).all()
    Path(cells.path[70]).write_bytes(b"")
    with pytest.raises(ImageError, match="cannot be read") as caught:
        measure_nuclei(cells)
    assert cells.path[70] in str(caught.value)


@pytest.mark.real
def test_real_nuclei_are_clipped_by_class(real_root, workspace):
    cells = load_cells(real_root / "C-NMC_Leukemia")
    chosen = pd.concat([cells[cells.label == x].iloc[::20] for x in ("ALL", "HEM")])
    nuclei = measure_nuclei(chosen)
    share = count_clipped(nuclei, [224, 400]).set_index(["crop", "label"]).share
    assert share[224, "ALL"] > 0.4 and share[224, "HEM"] < 0.3
    assert share[400].max() < 0.04
    areas = nuclei.groupby("label").area.median()
    assert areas["ALL"] > 1.2 * areas["HEM"]
