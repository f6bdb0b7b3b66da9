"""Colours of an image and of its corner; the nineteen numbers are tested with the baselines."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.errors import ImageError
from alllib.features import COLOURS, CORNER, CORNER_SIDE, describe_colours


def save(folder, image: np.ndarray) -> pd.DataFrame:
    Image.fromarray(image).save(folder / "a.png")
    return pd.DataFrame({"image": ["a"], "path": [f"{folder}/a.png"]}, index=[7])


def test_colours_of_a_known_picture(tmp_path):
    image = np.zeros((30, 40, 3), np.uint8)
    image[:CORNER_SIDE, :CORNER_SIDE] = (10, 20, 30)
    image[0, 0] = (90, 20, 30)
    found = describe_colours(save(tmp_path, image))
    assert list(found) == [*COLOURS, *CORNER] and list(found.index) == [7]
    row, corner = found.iloc[0], image[:CORNER_SIDE, :CORNER_SIDE]
    for number, channel in enumerate("rgb"):
        whole = image[..., number]
        assert row[f"mean_{channel}"] == pytest.approx(whole.mean())
        assert row[f"deviation_{channel}"] == pytest.approx(whole.std())
        assert row[f"corner_mean_{channel}"] == pytest.approx(corner[..., number].mean())
        assert row[f"corner_deviation_{channel}"] == pytest.approx(corner[..., number].std())


def test_corner_is_the_top_left_one_and_nothing_else(tmp_path):
    image = np.zeros((40, 40, 3), np.uint8)
    before = describe_colours(save(tmp_path, image))[list(CORNER)]
    image[CORNER_SIDE:] = 200
    image[:, CORNER_SIDE:] = 200
    assert describe_colours(save(tmp_path, image))[list(CORNER)].equals(before)


def test_image_without_room_for_a_corner_is_named(tmp_path):
    cells = save(tmp_path, np.zeros((CORNER_SIDE - 1, 40, 3), np.uint8))
    with pytest.raises(ImageError, match="smaller than a corner") as caught:
        describe_colours(cells)
    assert cells.path[7] in str(caught.value)
