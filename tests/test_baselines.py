"""A handful of numbers per image, and classifiers that never see the scored part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alllib.baselines import (
    BASELINES,
    FEATURES,
    Baseline,
    baselines_for,
    describe_images,
    get_baseline,
    measure_numbers,
    predict_baseline,
    predict_forest,
)
from alllib.datasets import DATASETS
from alllib.errors import DataError, SplitError
from alllib.features import COLOURS, CORNER
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


def test_every_data_set_has_its_baselines_and_the_commonest_class():
    for name in DATASETS:
        systems = [entry.name for entry in baselines_for(name)]
        assert "majority" in systems and len(systems) > 2
    assert [len(BASELINES[n].numbers) for n in ("nineteen", "area", "six", "mean")] == [19, 1, 6, 3]
    with pytest.raises(DataError, match="no baseline for"):
        baselines_for("cifar")
    with pytest.raises(DataError, match="Did you mean 'nineteen'|no baseline"):
        get_baseline("ninteen")


def test_every_baseline_sees_numbers_that_are_measured():
    known = {*FEATURES, *COLOURS, *CORNER}
    for entry in BASELINES.values():
        assert set(entry.numbers) <= known


def small(numbers: tuple[str, ...], classifier: str) -> Baseline:
    return Baseline("small", "small", ("cnmc2019",), numbers, classifier)


def test_baseline_sees_its_own_numbers_alone(split, features):
    noisy = features.assign(b=np.arange(len(features)))
    one = small(("a",), "forest")
    first, again = (predict_baseline(one, split, n) for n in (features, noisy))
    assert first.equals(again)
    assert first.equals(predict_forest(split, features[["a"]]))
    with pytest.raises(DataError, match="lack c"):
        predict_baseline(small(("a", "c"), "forest"), split, features)


def test_logistic_regression_keeps_the_order_of_one_number(split, features):
    found = predict_baseline(small(("a",), "logistic"), split, features)
    ordered = found.p_ALL.to_numpy()[np.argsort(features.a[found.image].to_numpy())]
    assert (np.diff(ordered) >= 0).all() and len(set(ordered)) > 10
    scaled = features.assign(a=features.a * 1e6 + 5)
    same = predict_baseline(small(("a",), "logistic"), split, scaled)
    assert np.allclose(same.p_ALL, found.p_ALL)


def test_commonest_class_has_the_shares_of_the_training_part(split, features):
    found = predict_baseline(small((), "majority"), split, features)
    share = (split.part("train").label == "ALL").mean()
    assert found.p_ALL.to_list() == pytest.approx([share] * len(found))


def test_baseline_may_learn_from_the_validation_part_and_never_from_the_scored_one(split, features):
    one = small(("a",), "forest")
    found = predict_baseline(one, split, features, learn=("train", "validation"))
    assert set(found.part) == {"test"}
    less = predict_baseline(one, split, features)
    assert not found.p_ALL.equals(less.p_ALL[less.part == "test"].reset_index(drop=True))
    with pytest.raises(SplitError, match="may not learn from the test part"):
        predict_baseline(one, split, features, learn=("train", "test"))


def test_image_without_numbers_is_named(split, features):
    with pytest.raises(DataError, match="1 images have no numbers") as caught:
        predict_forest(split, features.iloc[1:])
    assert features.index[0] in str(caught.value)


def test_numbers_follow_the_data_set(tmp_path):
    image = np.full((24, 24, 3), 90, np.uint8)
    cells = save(tmp_path, {"a": image, "b": image})
    for dataset, first in (("synthetic", "area"), ("ball2021", "mean_r")):
        cells.attrs["dataset"] = dataset
        found = measure_numbers(cells)
        assert list(found.index) == ["a", "b"] and list(found)[0] == first
    cells.attrs["dataset"] = ""
    with pytest.raises(DataError, match="no baseline"):
        measure_numbers(cells)
