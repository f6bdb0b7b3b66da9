"""Batches: what is shown follows from seed, epoch and row; features are computed once."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from alllib import feeding
from alllib.architectures import ARCHITECTURES
from alllib.augmentation import apply_symmetry, plan_augmentation
from alllib.errors import DataError, DiskError
from alllib.feeding import (
    Pictures,
    cache_features,
    compute_features,
    make_feed,
    one_hot,
    predict_batches,
    scale_images,
    still_pictures,
    training_pictures,
)
from alllib.recipes import load_recipe

VARIED = {"brightness": 0.3, "contrast": 0.3, "rotation": 30.0, "flips": True}
NAMES = [f"i{number}" for number in range(7)]


class FakeStore:
    """Seven noisy images of 6x6 pixels."""

    images = np.random.default_rng(3).integers(0, 256, (7, 6, 6, 3)).astype(np.uint8)

    @staticmethod
    def rows(names):
        return np.array([NAMES.index(name) for name in names])


CELLS = pd.DataFrame({"image": NAMES, "label": ["ALL", "HEM"] * 3 + ["ALL"], "part": "train"})


def pictures_of(rows=(0, 3, 3, 6, 2, 5, 1, 4, 0, 2), *, varied=None, scale="unit") -> Pictures:
    rows = np.array(rows)
    symmetries = (np.arange(len(rows)) % 8).astype(np.uint8)
    labels = pd.Series(["ALL", "HEM"]).iloc[rows % 2]
    return Pictures(FakeStore(), rows, symmetries, labels, scale, varied)


# Grey levels -----------------------------------------------------------------------


def test_grey_levels_are_scaled_exactly():
    levels = np.arange(256, dtype=np.uint8)
    scaled = scale_images(levels)
    assert scaled.dtype == np.float32 and scaled[0] == 0 and scaled[-1] == 1
    assert np.array_equal(np.rint(scaled * 255).astype(np.uint8), levels)


@pytest.mark.parametrize(
    ("network", "module"),
    [("vgg16", "vgg16"), ("vgg19", "vgg19"), ("resnet50", "resnet"),
     ("inception_v3", "inception_v3"), ("densenet201", "densenet")],
)  # fmt: skip
def test_the_scale_of_a_network_is_that_of_its_imagenet_weights(network, module):
    import keras

    images = FakeStore.images
    before = images.copy()
    wanted = getattr(keras.applications, module).preprocess_input(images.astype(np.float32))
    scaled = scale_images(images, ARCHITECTURES[network].scale)
    assert scaled.dtype == np.float32 and scaled.shape == images.shape
    np.testing.assert_array_equal(scaled, np.asarray(wanted))
    assert np.array_equal(images, before), "the store is not written to"
    assert not np.allclose(scaled, scale_images(images))


def test_targets_have_the_order_of_the_classes():
    classes = ("Benign", "Early", "Pre", "Pro")
    targets = one_hot(pd.Series(["Pre", "Benign", "Pro"], index=[9, 9, 2]), classes)
    assert targets.dtype == np.float32
    assert targets.tolist() == [[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


def test_a_class_that_the_data_set_does_not_have_is_refused():
    with pytest.raises(DataError, match="'AML'"):
        one_hot(pd.Series(["ALL", "AML"]), ("ALL", "HEM"))


# Pictures --------------------------------------------------------------------------


def test_pictures_are_the_images_in_their_forms():
    pictures = pictures_of()
    shown = pictures.take(np.array([3, 1, 7]), (1, 0))
    assert shown.shape == (3, 6, 6, 3) and shown.dtype == np.float32 and len(pictures) == 10
    for place, image in zip((3, 1, 7), shown, strict=True):
        wanted = apply_symmetry(FakeStore.images[pictures.rows[place]], place % 8)
        np.testing.assert_array_equal(image, scale_images(wanted))


def test_a_varied_picture_depends_on_seed_epoch_and_row_alone():
    pictures = pictures_of(varied=VARIED)
    every = pictures.take(np.arange(10), (5, 2))
    np.testing.assert_array_equal(pictures.take(np.arange(10), (5, 2)), every)
    np.testing.assert_array_equal(pictures.take(np.array([7, 2, 9]), (5, 2)), every[[7, 2, 9]])
    np.testing.assert_array_equal(pictures.take(np.array([4]), (5, 2))[0], every[4])
    for other in ((5, 3), (6, 2), (2, 5)):
        found = pictures.take(np.arange(10), other)
        assert all(not np.array_equal(a, b) for a, b in zip(found, every, strict=True)), other
    # Rows 1 and 2 hold one image in two places: each place has a draw of its own.
    twice = replace(pictures, symmetries=np.zeros(10, np.uint8)).take(np.arange(10), (5, 2))
    assert not np.array_equal(twice[1], twice[2])


def test_still_pictures_are_the_same_in_every_epoch():
    pictures = still_pictures(CELLS, FakeStore(), scale="unit")
    first, second = (pictures.take(np.arange(7), (1, epoch)) for epoch in (0, 1))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first, scale_images(FakeStore.images))
    assert list(pictures.labels) == list(CELLS.label)


def test_each_kind_of_augmentation_gives_its_pictures():
    report, poster, sheet = (
        load_recipe(name)
        for name in ("mir2019-proposed", "unnithan2021-2x2", "ball2023-densenet201")
    )

    def of(recipe):
        return training_pictures(recipe, CELLS, FakeStore(), samples=50, scale="tf")

    drawn = of(report)
    plan = plan_augmentation(CELLS, samples=50, probability=0.5, seed=7)
    assert [NAMES[row] for row in drawn.rows] == list(plan.image) and drawn.varied is None
    assert list(drawn.symmetries) == list(plan.symmetry) and drawn.scale == "tf"
    labels = dict(zip(CELLS.image, CELLS.label, strict=True))
    assert list(drawn.labels) == [labels[name] for name in plan.image]
    still, online = of(poster), of(sheet)
    assert list(still.rows) == list(online.rows) == list(range(7)) and still.varied is None
    settings = sheet.augmentation
    assert online.varied == {name: getattr(settings, name) for name in VARIED}


# Batches ---------------------------------------------------------------------------


def feed_of(seed: int, *, outputs: int = 1):
    pictures = pictures_of()
    targets = np.eye(7, dtype=np.float32)[pictures.rows]
    return make_feed(pictures.take, targets, batch=4, seed=seed, outputs=outputs), pictures


def test_an_epoch_shows_each_picture_once_in_its_own_form():
    feed, pictures = feed_of(seed=1)
    batches = [feed[number] for number in range(len(feed))]
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    images = np.concatenate([images for images, _ in batches])
    targets = np.concatenate([targets for _, targets in batches])
    assert images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 1
    assert sorted(feed.order) == list(range(len(pictures)))
    for place, image, target in zip(feed.order, images, targets, strict=True):
        row = pictures.rows[place]
        wanted = apply_symmetry(FakeStore.images[row], int(pictures.symmetries[place]))
        np.testing.assert_array_equal(image, scale_images(wanted))
        assert target.argmax() == row


def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = feed_of(1)[0], feed_of(1)[0], feed_of(2)[0]
    orders = []
    for epoch in range(3):
        for feed in (first, other):
            feed.shuffle(epoch)
        assert not np.array_equal(first.order, other.order)
        orders.append(tuple(first.order))
    assert len(set(orders)) == 3
    again.shuffle(2)  # as in a training that goes on from its third epoch
    assert tuple(again.order) == orders[2]


def test_inputs_are_asked_for_with_seed_and_epoch():
    asked = []

    def take(chosen, seed):
        asked.append((tuple(chosen), seed))
        return np.zeros((len(chosen), 2), np.float32)

    feed = make_feed(take, np.zeros((5, 2), np.float32), batch=3, seed=8)
    feed.shuffle(4)
    for number in range(len(feed)):
        feed[number]
    order = tuple(int(place) for place in feed.order)
    assert asked == [(order[:3], (8, 4)), (order[3:], (8, 4))]


def test_every_output_learns_the_same_targets():
    feed, _ = feed_of(1, outputs=2)
    images, targets = feed[0]
    assert isinstance(targets, tuple) and len(targets) == 2 and len(images) == 4
    np.testing.assert_array_equal(*targets)
    np.testing.assert_array_equal(targets[0], feed_of(1)[0][0][1])


# Prediction ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    """Small network whose output depends on every pixel."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 3))
    values = keras.layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(values)))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 10])
def test_filled_batches_give_what_single_ones_give(network, monkeypatch, count):
    pictures = pictures_of()
    monkeypatch.setattr(feeding, "STEP", 4)
    shapes, real = set(), network.predict_on_batch

    def spy(inputs):
        shapes.add(inputs.shape)
        return real(inputs)

    monkeypatch.setattr(network, "predict_on_batch", spy)
    found = list(predict_batches(network, pictures.take, count))
    assert shapes == {(4, 6, 6, 3)}, "one shape is compiled"
    chosen = np.concatenate([chosen for chosen, _ in found])
    outputs = np.concatenate([outputs for _, outputs in found])
    assert list(chosen) == list(range(count)) and outputs.dtype == np.float32
    alone = [real(pictures.take(np.array([place]), (0, 0))) for place in range(count)]
    np.testing.assert_allclose(outputs, np.concatenate(alone), rtol=1e-5, atol=1e-6)


# Features --------------------------------------------------------------------------


def counting(network, monkeypatch) -> list[bytes]:
    """Pictures that the network is asked for, in order."""
    seen, real = [], network.predict_on_batch

    def spy(inputs):
        seen.extend(image.tobytes() for image in inputs)
        return real(inputs)

    monkeypatch.setattr(network, "predict_on_batch", spy)
    return seen


def test_each_distinct_picture_is_computed_once(network, monkeypatch, workspace):
    rows, symmetries = np.array([5, 0, 5, 2, 5, 0, 2, 2]), np.array([1, 0, 1, 7, 0, 0, 7, 3])
    labels = pd.Series(["ALL"] * 8)
    pictures = Pictures(FakeStore(), rows, symmetries.astype(np.uint8), labels, "caffe")
    monkeypatch.setattr(feeding, "STEP", 5)  # the five distinct ones fill a step exactly
    seen = counting(network, monkeypatch)
    features = compute_features(network, pictures, progress=False)
    assert features.shape == (5, 3) and features.dtype == np.float32
    assert len(seen) == len(set(seen)) == 5
    assert set(seen) == {image.tobytes() for image in pictures.take(np.arange(8), (1, 1))}
    found = cache_features(features, pictures)(np.array([7, 0, 2, 2, 4]), (1, 9))
    direct = network.predict_on_batch(pictures.take(np.array([7, 0, 2, 2, 4]), (1, 9)))
    np.testing.assert_allclose(found, direct, rtol=1e-5, atol=1e-4)


def test_features_of_all_pictures_are_looked_up_in_any_order(network, workspace):
    pictures = pictures_of()
    take = cache_features(compute_features(network, pictures, progress=False), pictures)
    order = np.random.default_rng(0).permutation(10)
    direct = network.predict_on_batch(pictures.take(order, (0, 0)))
    np.testing.assert_allclose(take(order, (3, 4)), direct, rtol=1e-5, atol=1e-6)


def test_features_leave_nothing_on_the_disk(network, workspace):
    features = compute_features(network, pictures_of(), progress=False)
    assert isinstance(features, np.memmap), "they take no memory of the process"
    assert list((workspace / "_build").iterdir()) == []
    assert np.isfinite(features).all() and features.any(), "and can be read all the same"


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full")]
)
def test_a_full_disk_is_said_before_features_are_computed(
    network, workspace, monkeypatch, number, said
):
    def refuse(file, size):
        assert size == 4 * 9 * 3, "all nine distinct ones are asked for"
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(feeding, "reserve_space", refuse)
    seen = counting(network, monkeypatch)
    with pytest.raises(DiskError, match=said) as caught:
        compute_features(network, pictures_of(), progress=False)
    assert str(workspace / "_build") in str(caught.value) and seen == []
    assert list((workspace / "_build").iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_said(network, workspace):
    workspace.mkdir()
    (workspace / "_build").write_text("a file stands here")
    with pytest.raises(DiskError, match="file stands where a folder is needed"):
        compute_features(network, pictures_of(), progress=False)


def test_features_come_in_full_precision(workspace, monkeypatch):
    half = SimpleNamespace(
        output=SimpleNamespace(shape=(None, 2)),
        predict_on_batch=lambda inputs: np.full((len(inputs), 2), 0.5, np.float16),
    )
    features = compute_features(half, pictures_of(), progress=False)
    assert features.dtype == np.float32 and (features == 0.5).all()
