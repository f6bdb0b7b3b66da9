"""Convolution and pooling of the lessons, held equal to Keras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alllib.backend import load_keras
from alllib.checks.transfer_layers import misprinted_rows
from alllib.layers import count_flops, receptive_field
from alllib.lessons.convolution import (
    change,
    convolve,
    convolve_loops,
    count_operations,
    count_weights,
    dense_kernel,
    field_size,
    follows,
    output_side,
    pad,
    pool,
    pool_loops,
    slide,
    turn_round,
)
from alllib.recipes import load_recipe

SIDES = st.integers(1, 9)
SEEDS = st.integers(0, 2**31)


def draw(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def keras_map(image, kernel, bias, stride, padding):
    ops = load_keras().ops
    found = ops.conv(image[None].astype("f4"), kernel.astype("f4"), strides=stride, padding=padding)
    return np.asarray(found)[0] + bias


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3),
       st.sampled_from(["valid", "same"]), SEEDS)  # fmt: skip
def test_a_convolution_is_that_of_keras(
    height, width, window, stride, channels, filters, padding, seed
):
    if padding == "valid" and min(height, width) < window:
        return
    image = draw(seed, height, width, channels)
    kernel, bias = draw(seed + 1, window, window, channels, filters), draw(seed + 2, filters)
    loops = convolve_loops(image, kernel, bias, stride=stride, padding=padding)
    assert np.allclose(loops, convolve(image, kernel, bias, stride=stride, padding=padding))
    assert np.allclose(loops, keras_map(image, kernel, bias, stride, padding), atol=1e-5)
    sides = [output_side(side, window, stride, padding) for side in (height, width)]
    assert loops.shape == (*sides, filters)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 4), st.integers(1, 4), st.integers(1, 3),
       st.sampled_from(["valid", "same"]), st.sampled_from(["max", "mean"]), SEEDS)  # fmt: skip
def test_a_pooling_is_that_of_keras(height, width, window, stride, channels, padding, kind, seed):
    if padding == "valid" and min(height, width) < window:
        return
    image = draw(seed, height, width, channels)
    loops = pool_loops(image, window, stride=stride, padding=padding, kind=kind)
    ops = load_keras().ops
    function = {"max": ops.max_pool, "mean": ops.average_pool}[kind]
    theirs = np.asarray(function(image[None].astype("f4"), window, stride, padding))[0]
    assert np.allclose(loops, pool(image, window, stride=stride, padding=padding, kind=kind))
    assert np.allclose(loops, theirs, atol=1e-5)


@pytest.mark.parametrize("kind", ["max", "mean"])
def test_a_pooling_steps_by_its_window_unless_told(kind):
    image = draw(1, 6, 7, 2)
    assert np.array_equal(pool(image, 3, kind=kind), pool(image, 3, stride=3, kind=kind))
    assert np.array_equal(
        pool_loops(image, 3, kind=kind), pool_loops(image, 3, stride=3, kind=kind)
    )


@given(st.integers(3, 9), st.integers(3, 9), st.integers(1, 3), SEEDS)
@settings(max_examples=30, deadline=None)
def test_sliding_is_correlation_and_turned_round_it_is_convolution(height, width, window, seed):
    from scipy import signal

    image, kernel = draw(seed, height, width), draw(seed + 1, window, window)
    assert np.allclose(slide(image, kernel), signal.correlate2d(image, kernel, "valid"))
    assert np.allclose(slide(image, turn_round(kernel)), signal.convolve2d(image, kernel, "valid"))


@given(st.integers(1, 20), st.integers(1, 5), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_padding_adds_what_the_windows_need_and_no_more(side, window, stride):
    padded = pad(np.ones((side, side, 1)), window, stride)
    assert padded.sum() == side * side
    assert output_side(len(padded), window, stride) == output_side(side, window, stride, "same")
    if stride == 1:
        assert len(padded) == side + window - 1


def test_weights_operations_and_fields_are_those_of_the_layers():
    keras = load_keras()
    steps = [(3, 1), (3, 2), (2, 2), (5, 1)]
    layers = [keras.Input((40, 40, 3))]
    layers += [
        keras.layers.MaxPooling2D(w, s) if w == 2 else keras.layers.Conv2D(4, w, s)
        for w, s in steps
    ]
    network = keras.Sequential(layers)
    first = network.layers[0]
    assert count_weights(3, 3, 4) == first.count_params()
    alone = keras.Sequential([keras.Input((40, 40, 3)), keras.layers.Conv2D(4, 3)])
    assert 2 * count_operations(3, 3, 4, 38 * 38) == count_flops(alone)
    assert [field_size(steps[:k]) for k in range(1, 5)] == [
        receptive_field(network)[layer.name] for layer in network.layers
    ]


def test_a_dense_layer_is_a_convolution_over_its_whole_input():
    keras = load_keras()
    image, weights, bias = draw(3, 4, 5, 2), draw(4, 40, 3), draw(5, 3)
    dense = keras.layers.Dense(3)
    dense.build((None, 40))
    dense.set_weights([weights, bias])
    theirs = np.asarray(dense(image.reshape(1, -1).astype("f4")))[0]
    kernel = dense_kernel(weights, image.shape)
    ours = np.einsum("hwx,hwxf->f", image, kernel) + bias
    assert np.allclose(ours, theirs, atol=1e-5)
    square = image[:, :4]  # the lesson's convolution has square windows
    kernel = dense_kernel(weights[:32], square.shape)
    assert np.allclose(
        convolve(square, kernel, bias), (square.ravel() @ weights[:32] + bias)[None, None]
    )


def test_the_count_of_a_table_finds_the_known_misprints():
    published = load_recipe("garg2021-vgg19").published
    channels, wrong = 3, []
    for name, shape, printed in published["layers"]:
        if "_conv" in name and count_weights(3, channels, shape[-1]) != printed:
            wrong.append(name)
        channels = shape[-1]
    assert wrong == list(published["misprints"]) == misprinted_rows()


@given(st.integers(0, 4), SEEDS)
@settings(max_examples=30, deadline=None)
def test_maps_follow_a_shift_exactly_where_the_stride_divides_it(shift, seed):
    whole = draw(seed, 12, 18, 2)
    kernel, bias = draw(seed + 1, 3, 3, 2, 3), draw(seed + 2, 3)
    for stride in (1, 2):
        maps = convolve(whole[:, :14], kernel, bias, stride=stride)
        moved = convolve(whole[:, shift : shift + 14], kernel, bias, stride=stride)
        apart = follows(maps, moved, shift, stride)
        assert (apart < 1e-12) == (shift % stride == 0)
    assert change(maps, maps) == 0 and np.isclose(change(maps, 0 * maps), 1)
