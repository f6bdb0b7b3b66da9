"""Nineteen numbers per image, and a forest that sees only the training part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.baselines import FEATURES, describe_images, predict_forest
from alllib.errors import DataError, SplitError
from alllib.splits import make_split


def save(folder: Path, images: dict[str, np.ndarray]) -> pd.DataFrame:
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name}.png")
    return pd.DataFrame({"image": list(images), "path": [f"{folder}/{n}.png" for n in images]})


def test_numbers_of_a_known_picture(tmp_path):
    image = np.zeros((20, 30, 3), np.uint8)
    image[4:10, 3:13] = (100, 50, 200)  # 6 high, 10 wide
    image[4, 3:13, 0] = 160
    numbers = describe_images(save(tmp_path, {"a": image})).iloc[0]
    assert len(FEATURES) == len(numbers) == 19 and list(numbers.index) == list(FEATURES)
    said = numbers[["area", "box_width", "box_height", "perimeter"]].to_list()
    assert said == [60, 10, 6, 2 * 10 + 2 * 6 - 4]
    assert numbers.mean_r == pytest.approx(110) and numbers.deviation_r == pytest.approx(
        np.std([160] * 10 + [100] * 50)
    )
    assert (numbers.mean_g, numbers.deviation_g, numbers.mean_b) == (50, 0, 200)
    assert (numbers.q50_r, numbers.q90_b, numbers.q10_g) == (100, 200, 50)


def test_picture_without_a_nucleus_is_named(tmp_path):
    cells = save(tmp_path, {"a": np.zeros((9, 9, 3), np.uint8)})
    with pytest.raises(DataError, match="nothing but background") as caught:
        describe_images(cells)
    assert cells.path[0] in str(caught.value) and caught.value.remedy


@pytest.fixture(scope="module")
def split():
    """Ten subjects a class, whose first number tells the class, whose second is noise."""
    rows = [(c, f"{c[0]}{s}", n) for c in ("ALL", "HEM") for s in range(10) for n in range(8)]
    cells = pd.DataFrame(rows, columns=["label", "subject", "n"])
    cells["image"] = [f"UID_{s}_{n}_1_{c.lower()}" for c, s, n in rows]
    cells = cells.assign(group=cells.subject, field=cells.image, sha256=cells.image)
    return make_split(cells.assign(path=cells.image, fold="fold_0", width=9, height=9), "group")


@pytest.fixture(scope="module")
def features(split) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    told = (split.cells.label == "ALL") + rng.normal(0, 0.4, len(split.cells))
    noise = rng.normal(size=len(split.cells))
    return pd.DataFrame({"a": told, "b": noise}).set_index(split.cells.image)


def test_forest_predicts_every_image_that_it_was_not_trained_on(split, features):
    found = predict_forest(split, features)
    rest = split.cells[split.cells.part != "train"]
    assert found.image.to_list() == rest.image.to_list()
    assert list(found) == ["image", "subject", "group", "label", "part", "p_ALL", "p_HEM"]
    assert np.allclose(found.p_ALL + found.p_HEM, 1)
    assert ((found.p_ALL > 0.5) == (found.label == "ALL")).mean() > 0.7


def test_forest_is_the_same_twice_to_the_last_bit(split, features):
    first = predict_forest(split, features)
    for _ in range(3):
        again = predict_forest(split, features.sample(frac=1, random_state=3))
        pd.testing.assert_frame_equal(again, first, check_exact=True)
    assert not predict_forest(split, features, seed=2).p_ALL.equals(first.p_ALL)


def test_forest_does_not_look_at_labels_of_other_parts(split, features):
    first = predict_forest(split, features)
    wrong = features.copy()
    wrong.loc[split.part("test").image, "a"] = 99.0
    assert (
        predict_forest(split, wrong)
        .p_ALL[first.part == "validation"]
        .equals(first.p_ALL[first.part == "validation"])
    )


def test_forest_refuses_a_split_without_its_certificate(split, features):
    with pytest.raises(SplitError, match="no split certificate"):
        predict_forest(replace(split, certificate={}), features)
    moved = split.cells.assign(part=split.cells.part.replace({"test": "train", "train": "test"}))
    with pytest.raises(SplitError, match="other data"):
        predict_forest(replace(split, cells=moved), features)
