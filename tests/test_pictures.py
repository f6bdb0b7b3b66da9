"""Pictures of an epoch: what is shown follows from seed, epoch and place alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alllib.architectures import ARCHITECTURES
from alllib.augmentation import apply_symmetry, draw_change, plan_augmentation, vary_image
from alllib.errors import DataError
from alllib.pictures import (
    PLACES,
    Pictures,
    one_hot,
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


# What is sent to the picture layer ----------------------------------------------------


def test_the_processor_sends_finished_pictures_without_their_scale():
    for varied in (None, VARIED):
        pictures, order = pictures_of(varied=varied, scale="caffe"), np.array([4, 9, 0])
        sent = pictures.inputs(order, (5, 2), place="host")
        assert set(sent) == {"images"} and sent["images"].dtype == np.uint8
        shown = pictures.take(order, (5, 2))
        np.testing.assert_array_equal(scale_images(sent["images"], "caffe"), shown)


@pytest.mark.parametrize("place", PLACES[1:])
def test_what_is_sent_to_the_device_are_small_numbers(place):
    pictures, order = pictures_of(varied=VARIED), np.array([4, 9, 0])
    sent = pictures.inputs(order, (5, 2), place=place)
    if place == "device":
        assert sent["images"].dtype == np.uint8
        np.testing.assert_array_equal(sent.pop("images"), FakeStore.images[pictures.rows[order]])
    else:
        assert sent["rows"].dtype == np.int32
        np.testing.assert_array_equal(sent.pop("rows"), pictures.rows[order])
    assert set(sent) == {"symmetries", "changes"}
    np.testing.assert_array_equal(sent["symmetries"], order % 8)
    assert sent["changes"].shape == (3, 5) and sent["changes"].dtype == np.float32
    for row, number in zip(sent["changes"], order, strict=True):
        wanted = draw_change(np.random.default_rng([5, 2, int(number)]), **VARIED)
        np.testing.assert_array_equal(row, wanted.astype(np.float32))


def test_changes_are_those_that_the_processor_makes():
    """One draw serves both: the first number of a row is the angle that was turned by."""
    pictures = pictures_of(varied=VARIED | {"brightness": 0.0, "contrast": 0.0, "rotation": 0.0})
    pictures = replace(pictures, symmetries=np.zeros(10, np.uint8))
    changes = pictures.inputs(np.arange(10), (5, 2), place="device")["changes"]
    shown = pictures.inputs(np.arange(10), (5, 2), place="host")["images"]
    assert len({tuple(row[3:]) for row in changes}) > 2
    for number, (row, image) in enumerate(zip(changes, shown, strict=True)):
        plain = FakeStore.images[pictures.rows[number]]
        wanted = plain[:: -1 if row[3] else 1, :: -1 if row[4] else 1]
        np.testing.assert_array_equal(image, wanted)


def test_nothing_is_sent_that_changes_nothing():
    still = still_pictures(CELLS, FakeStore(), scale="unit")
    for place, names in (("host", {"images"}), ("device", {"images"}), ("resident", {"rows"})):
        assert set(still.inputs(np.array([3, 1]), (0, 0), place=place)) == names
    turned = pictures_of()
    assert set(turned.inputs(np.array([0]), (0, 0), place="device")) == {"images", "symmetries"}


@pytest.mark.parametrize("place", PLACES)
def test_any_picture_can_be_had_without_those_before_it(place):
    pictures = pictures_of(varied=VARIED)
    every = pictures.inputs(np.arange(10), (5, 7), place=place)
    order = np.array([8, 1, 5])
    some = pictures.inputs(order, (5, 7), place=place)
    assert set(some) == set(every)
    for name, values in some.items():
        np.testing.assert_array_equal(values, every[name][order])
    other = pictures.inputs(order, (5, 8), place=place)
    assert not all(np.array_equal(other[name], some[name]) for name in some)


def test_the_draws_of_a_change_are_those_of_the_varied_image():
    image = FakeStore.images[0]
    first, second = (np.random.default_rng(4) for _ in range(2))
    change = draw_change(first, **VARIED)
    vary_image(image, second, **VARIED)
    assert first.bit_generator.state == second.bit_generator.state, "as many draws"
    assert change.shape == (5,) and abs(change[0]) <= 30 and set(change[3:]) <= {0, 1}
    assert all(0.7 <= factor <= 1.3 for factor in change[1:3])
