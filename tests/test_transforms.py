"""Changes of pictures on the device: those of the processor, bit for bit where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from test_pictures import FakeStore, pictures_of
from tiny import run_python

from alllib.augmentation import apply_symmetries, apply_symmetry, draw_change, vary_image
from alllib.pictures import PLACES, scale_images
from alllib.transforms import (
    picture_layer,
    picture_model,
    scale_levels,
    turn_images,
    vary_images,
)

LAST_BIT = {"unit": 1e-7, "caffe": 0.0, "tf": 2e-7, "torch": 8e-7}
STILL = {"brightness": 0.0, "contrast": 0.0, "rotation": 0.0, "flips": False}
VARIED = {"brightness": 0.3, "contrast": 0.3, "rotation": 30.0, "flips": True}
DTYPES = ("uint8", "float32", "float16", "int32")


def value(tensor) -> np.ndarray:
    import keras

    return keras.ops.convert_to_numpy(tensor)


def noise(side: int, *, count: int = 8, seed: int = 0, dtype: str = "uint8") -> np.ndarray:
    generator = np.random.default_rng([seed, side])
    return generator.integers(0, 256, (count, side, side, 3)).astype(dtype)


def smooth(side: int, *, count: int = 4) -> np.ndarray:
    """Pictures whose grey levels change slowly, as those of a microscope do."""
    place = np.arange(side) / side
    waves = [
        np.sin(3 * place[:, None] + number) + np.cos(4 * place[None] * (1 + number / 5))
        for number in range(3 * count)
    ]
    levels = 120 + 55 * np.array(waves).reshape(count, 3, side, side)
    return levels.transpose(0, 2, 3, 1).astype(np.uint8)


# The eight symmetries --------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", [1, 2, 3, 7, 8])
def test_all_eight_symmetries_are_those_of_the_processor(side, dtype):
    images, symmetries = noise(side, dtype=dtype), np.arange(8, dtype=np.uint8)
    found = value(turn_images(images, symmetries))
    assert found.dtype == images.dtype
    np.testing.assert_array_equal(found, apply_symmetries(images, symmetries))
    for image, symmetry, wanted in zip(images, symmetries, found, strict=True):
        np.testing.assert_array_equal(apply_symmetry(image, int(symmetry)), wanted)


@chosen(max_examples=60)
@given(st.data())
def test_any_batch_turns_as_on_the_processor(data):
    count, side = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 6))
    channels = data.draw(st.integers(1, 4))
    dtype = data.draw(st.sampled_from(DTYPES))
    form = st.integers(0, 255) if dtype != "float32" else st.floats(-1, 1, width=32)
    images = data.draw(arrays.arrays(dtype, (count, side, side, channels), elements=form))
    symmetries = np.array(data.draw(st.lists(st.integers(0, 7), min_size=count, max_size=count)))
    wanted = np.array([apply_symmetry(a, s) for a, s in zip(images, symmetries, strict=True)])
    np.testing.assert_array_equal(value(turn_images(images, symmetries)), wanted)
    np.testing.assert_array_equal(apply_symmetries(images, symmetries), wanted)


def test_images_that_lie_scattered_in_memory_turn_too():
    images, symmetries = noise(5), np.arange(8)
    wanted = apply_symmetries(images, symmetries)
    scattered = (
        np.asfortranarray(images),
        images.transpose(0, 2, 1, 3).copy().transpose(0, 2, 1, 3),
        np.repeat(images, 2, axis=1)[:, ::2],
    )
    for view in scattered:
        np.testing.assert_array_equal(view, images)
        np.testing.assert_array_equal(apply_symmetries(view, symmetries), wanted)


# Variation -------------------------------------------------------------------------


def both(images: np.ndarray, settings: dict, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """What processor and device make of images with the same draws, as whole numbers."""

    def source(number):
        return np.random.default_rng([seed, number])

    wanted = [vary_image(image, source(n), **settings) for n, image in enumerate(images)]
    changes = [draw_change(source(n), **settings) for n in range(len(images))]
    found = value(vary_images(images, np.array(changes, np.float32)))
    assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 255
    np.testing.assert_array_equal(found, np.rint(found))
    return np.array(wanted).astype(int), found.astype(int)


@pytest.mark.parametrize("side", [1, 2, 5, 16, 33])
@pytest.mark.parametrize("kind", [noise, smooth])
def test_a_turn_differs_by_at_most_a_level(kind, side):
    runs = [both(kind(side), STILL | {"rotation": 45.0}, seed=seed) for seed in range(4)]
    apart = np.array([np.abs(wanted - found) for wanted, found in runs])
    assert apart.max() <= 1
    assert (apart == 0).mean() >= 0.999 or side == 2, "12 numbers a picture are too few for a share"


@pytest.mark.parametrize("side", [1, 2, 5, 16, 33])
@pytest.mark.parametrize("kind", [noise, smooth])
def test_what_the_recipe_varies_differs_by_at_most_a_rounding(kind, side):
    runs = [both(kind(side), VARIED, seed=seed) for seed in range(4)]
    apart = np.array([np.abs(wanted - found) for wanted, found in runs])
    # A level of the turn, times brightness and contrast (1.3 * 1.3 at most), rounded.
    assert apart.max() <= 2
    assert (apart == 0).mean() >= 0.995 or side == 2


@chosen(max_examples=40)
@given(
    st.floats(0, 0.9), st.floats(0, 0.9), st.booleans(), st.integers(0, 9), st.sampled_from([4, 9])
)
def test_levels_and_mirrors_alone_differ_by_at_most_a_rounding(bright, contrast, flips, seed, side):
    settings = STILL | {"brightness": bright, "contrast": contrast, "flips": flips}
    wanted, found = both(noise(side, seed=seed), settings, seed=seed)
    assert np.abs(wanted - found).max() <= 1 and (wanted == found).mean() > 0.99


@pytest.mark.parametrize("level", [1, 100, 255])
def test_a_turn_leaves_an_even_picture_even(level):
    """No level falls to the one below by a rounding error."""
    even = np.full((8, 33, 33, 3), level, np.uint8)
    wanted, found = both(even, STILL | {"rotation": 45.0})
    np.testing.assert_array_equal(found, even)
    np.testing.assert_array_equal(wanted, even)


def test_nothing_drawn_changes_nothing():
    images = noise(9)
    wanted, found = both(images, STILL)
    np.testing.assert_array_equal(found, images)
    np.testing.assert_array_equal(wanted, images)


def test_each_change_is_told_apart():
    """A test that compares two pictures of the same code must see each of the changes."""
    images = smooth(16)
    for change in ({"rotation": 30.0}, {"brightness": 0.3}, {"contrast": 0.3}, {"flips": True}):
        wanted, found = both(images, STILL | change, seed=1)
        assert (found != images).mean() > 0.2 and np.abs(wanted - found).max() <= 1, change


# Grey levels -----------------------------------------------------------------------


@pytest.mark.parametrize("scale", LAST_BIT)
def test_grey_levels_are_scaled_as_on_the_processor(scale):
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    found = value(scale_levels(images, scale))
    assert found.dtype == np.float32
    # XLA multiplies by 1/255 instead of dividing, which moves the last bit.
    np.testing.assert_allclose(found, scale_images(images, scale), rtol=0, atol=LAST_BIT[scale])


# The layer and the model -----------------------------------------------------------


@pytest.mark.parametrize("scale", ["unit", "caffe"])
@pytest.mark.parametrize("varied", [None, VARIED])
def test_the_layer_makes_the_same_pictures_in_its_three_places(scale, varied):
    pictures, order = pictures_of(scale=scale, varied=varied), np.array([7, 0, 3, 3, 9])
    wanted = pictures.take(order, (5, 2))
    shown = {}
    for place in PLACES:
        layer = picture_layer(scale, FakeStore.images if place == "resident" else None)
        found = value(layer(pictures.inputs(order, (5, 2), place=place)))
        assert found.shape == (5, 6, 6, 3) and found.dtype == np.float32
        shown[place] = found
    np.testing.assert_allclose(shown["host"], wanted, rtol=0, atol=LAST_BIT[scale])
    np.testing.assert_array_equal(shown["device"], shown["resident"])
    if varied is None:
        np.testing.assert_array_equal(shown["device"], shown["host"])
    else:  # a rounding apart
        rounding = 2.0 / (255 if scale == "unit" else 1)
        assert np.abs(shown["device"] - shown["host"]).max() <= rounding * 1.0001


def test_a_resident_store_is_no_weight_that_is_learnt():
    layer = picture_layer("unit", FakeStore.images)
    (table,) = layer.variables
    assert table.dtype == "uint8" and layer.trainable_variables == []
    np.testing.assert_array_equal(value(table), FakeStore.images)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_a_picture_model_shares_its_variables_with_the_network(precision):
    import keras

    from alllib.fitting import policy

    with policy(precision):
        image = keras.Input((6, 6, 3))
        maps = keras.layers.Conv2D(2, 3)(image)
        features = keras.layers.GlobalAveragePooling2D()(maps)
        outputs = keras.layers.Dense(2, dtype="float32")(features)
        network = keras.Model(image, outputs, name="tiny")
    model = picture_model(picture_layer("unit"), network)
    sent = pictures_of().inputs(np.arange(4), (0, 0), place="device")
    direct = value(
        network(scale_images(pictures_of().inputs(np.arange(4), (0, 0), place="host")["images"]))
    )
    np.testing.assert_allclose(value(model(sent)), direct, rtol=1e-5)
    assert {v.path for v in model.variables} == {v.path for v in network.variables}
    network.set_weights([weights * 0 + 1 for weights in network.get_weights()])
    assert not np.allclose(value(model(sent)), direct)
    compiled = np.asarray(model.predict_on_batch(sent))
    np.testing.assert_allclose(compiled, value(model(sent)), rtol=1e-2)


def test_a_picture_model_tells_the_network_whether_it_is_trained():
    import keras

    image = keras.Input((6, 6, 3))
    network = keras.Model(image, keras.layers.Dropout(0.9, seed=1)(image))
    model = picture_model(picture_layer("unit"), network)
    sent = {"images": np.full((2, 6, 6, 3), 255, np.uint8)}
    assert (value(model(sent, training=False)) == 1).all()
    assert (value(model(sent, training=True)) == 0).any()


# JAX -------------------------------------------------------------------------------

ON_JAX = """
import numpy as np, keras, jax
import test_transforms as t
assert keras.backend.backend() == "jax"
for side in (1, 2, 7, 8):
    for dtype in t.DTYPES:
        images, symmetries = t.noise(side, dtype=dtype), np.arange(8, dtype=np.uint8)
        wanted = t.apply_symmetries(images, symmetries)
        for function in (t.turn_images, jax.jit(t.turn_images)):
            np.testing.assert_array_equal(t.value(function(images, symmetries)), wanted)
t.vary_images = jax.jit(t.vary_images)
for kind in (t.noise, t.smooth):
    for side in (2, 5, 16, 33):
        t.test_a_turn_differs_by_at_most_a_level(kind, side)
        t.test_what_the_recipe_varies_differs_by_at_most_a_rounding(kind, side)
for scale in t.LAST_BIT:
    t.test_grey_levels_are_scaled_as_on_the_processor(scale)
for scale in ("unit", "caffe"):
    for varied in (None, t.VARIED):
        t.test_the_layer_makes_the_same_pictures_in_its_three_places(scale, varied)
t.test_a_picture_model_shares_its_variables_with_the_network("float32")
t.test_a_picture_model_tells_the_network_whether_it_is_trained()
print("same")
"""


@pytest.mark.slow
def test_jax_makes_the_same_pictures():
    assert run_python(ON_JAX, KERAS_BACKEND="jax").endswith("same\n")
