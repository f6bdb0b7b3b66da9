"""Blocks of the ImageNet networks: held equal to those inside Keras's own networks."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alllib.lessons import blocks


def block_model(block, shape, **settings_of_block):
    start = keras.Input(shape)
    return keras.Model(start, block(start, **settings_of_block))


def draw(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def run(model, values):
    return keras.ops.convert_to_numpy(model(values, training=False))


def copy_weights(source, target):
    """Weights of layers of the same kind, in order of their calls."""
    kept = [layer for layer in source if layer.weights]
    own = [layer for layer in target.layers if layer.weights]
    assert [type(a) for a in kept] == [type(b) for b in own]
    for old, new in zip(kept, own, strict=True):
        new.set_weights([draw(*w.shape, seed=3) ** 2 * 0.05 + 0.1 for w in old.get_weights()])
        old.set_weights(new.get_weights())


def inner_model(network, names, shape):
    """The layers with these names, called again on an input of their own, in order."""
    start = x = keras.Input(shape)
    outputs = {}
    for name in names:
        layer = network.get_layer(name)
        if name.endswith("_add"):
            x = layer([start, x])
        elif name.endswith("_concat"):
            x = layer([outputs.get("last", start), x])
            outputs["last"] = x
        else:
            x = layer(x)
    return keras.Model(start, x)


@pytest.fixture(scope="module")
def resnet():
    return keras.applications.ResNet50(weights=None, include_top=False, input_shape=(32, 32, 3))


def test_a_bottleneck_block_is_that_of_keras(resnet):
    names = [layer.name for layer in resnet.layers if layer.name.startswith("conv2_block2_")]
    theirs = inner_model(resnet, names, (8, 8, 256))
    ours = block_model(blocks.bottleneck_block, (8, 8, 256), narrow=64)
    assert ours.count_params() == sum(resnet.get_layer(name).count_params() for name in names)
    copy_weights([resnet.get_layer(name) for name in names], ours)
    values = draw(2, 8, 8, 256)
    np.testing.assert_allclose(run(ours, values), run(theirs, values), rtol=1e-4, atol=1e-4)


def test_a_residual_block_whose_last_layer_gives_nothing_copies_what_is_not_negative():
    model = block_model(blocks.residual_block, (6, 6, 4), filters=4)
    last = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    values = draw(3, 6, 6, 4)
    assert not np.allclose(run(model, values), np.maximum(values, 0), atol=1e-3)
    last[-1].gamma.assign(np.zeros(4))
    np.testing.assert_allclose(run(model, abs(values)), abs(values), atol=1e-6)
    np.testing.assert_allclose(run(model, values), np.maximum(values, 0), atol=1e-6)


@pytest.mark.parametrize(("channels", "filters"), [(4, 4), (3, 5)])
def test_a_residual_block_has_the_parameters_of_its_two_convolutions(channels, filters):
    model = block_model(blocks.residual_block, (6, 6, channels), filters=filters)
    count = 9 * channels * filters + 9 * filters**2 + 2 * 4 * filters
    if channels != filters:
        count += channels * filters
    assert model.count_params() == count and model.output.shape[1:] == (6, 6, filters)


@settings(max_examples=5)
@given(units=st.integers(1, 6), seed=st.integers(0, 99))
def test_a_shut_gate_copies_and_an_open_one_replaces(units, seed):
    values = draw(4, units, seed=seed)
    for bias, copies in ((-1e4, True), (1e4, False)):
        model = block_model(blocks.highway_layer, (units,), gate_bias=bias)
        (new,) = (
            layer for layer in model.layers
            if isinstance(layer, keras.layers.Dense) and layer.activation is keras.activations.relu
        )  # fmt: skip
        wanted = values if copies else keras.ops.convert_to_numpy(new(values))
        np.testing.assert_allclose(run(model, values), wanted, atol=1e-6)


@settings(max_examples=6)
@given(channels=st.integers(1, 5), count=st.integers(1, 3), growth=st.integers(1, 4))
def test_a_dense_block_adds_growth_maps_a_layer_and_passes_its_input_on(channels, count, growth):
    model = block_model(blocks.dense_block, (5, 5, channels), count=count, growth=growth)
    assert model.output.shape[1:] == (5, 5, channels + count * growth)
    values = draw(2, 5, 5, channels)
    np.testing.assert_allclose(run(model, values)[..., :channels], values)


@pytest.mark.slow
def test_a_dense_block_counts_and_computes_as_that_of_keras():
    network = keras.applications.DenseNet121(
        weights=None, include_top=False, input_shape=(32, 32, 3)
    )
    names = [layer.name for layer in network.layers if layer.name.startswith("conv2_block")]
    ours = block_model(blocks.dense_block, (8, 8, 64), count=6, growth=32)
    assert ours.count_params() == sum(network.get_layer(name).count_params() for name in names)
    two = [name for name in names if name.startswith(("conv2_block1_", "conv2_block2_"))]
    theirs = inner_model(network, two, (8, 8, 64))
    ours = block_model(blocks.dense_block, (8, 8, 64), count=2, growth=32)
    copy_weights([network.get_layer(name) for name in two], ours)
    values = draw(1, 8, 8, 64)
    np.testing.assert_allclose(run(ours, values), run(theirs, values), rtol=1e-4, atol=1e-4)


# The first module of Inception-v3 and the first of GoogLeNet (its table 1, row 3a).
V3 = (((64, 1),), ((48, 1), (64, 5)), ((64, 1), (96, 3), (96, 3)))
GOING_DEEPER = (((64, 1),), ((96, 1), (128, 3)), ((16, 1), (32, 5)))


@pytest.mark.slow
def test_an_inception_module_counts_as_that_of_keras():
    network = keras.applications.InceptionV3(
        weights=None, include_top=False, input_shape=(75, 75, 3)
    )
    names = [layer.name for layer in network.layers]
    before = max(k for k in range(names.index("mixed0")) if "max_pool" in names[k])
    inside = network.layers[before + 1 : names.index("mixed0") + 1]
    ours = block_model(blocks.inception_module, (9, 9, 192), branches=V3, pooled=32)
    assert ours.count_params() == sum(layer.count_params() for layer in inside)
    assert ours.output.shape[-1] == network.get_layer("mixed0").output.shape[-1]


def test_an_inception_module_is_its_branches_side_by_side():
    plain = {"pool": "max", "normalised": False}
    ours = block_model(
        blocks.inception_module, (9, 9, 192), branches=GOING_DEEPER, pooled=32, **plain
    )
    assert ours.output.shape[-1] == 64 + 128 + 32 + 32
    convolutions = [(192, 64, 1), (192, 96, 1), (96, 128, 3), (192, 16, 1), (16, 32, 5),
                    (192, 32, 1)]  # fmt: skip
    assert ours.count_params() == sum((k * k * a + 1) * b for a, b, k in convolutions)
    model = block_model(blocks.inception_module, (4, 4, 3), branches=(), pooled=0, pool="average")
    constant = np.ones((1, 4, 4, 3), "float32")
    np.testing.assert_allclose(run(model, constant), constant, rtol=1e-6)


def test_the_auxiliary_head_has_the_layers_that_the_report_lists():
    model = block_model(blocks.auxiliary_head, (14, 14, 512), classes=1000)
    assert tuple(model.layers[1].output.shape[1:]) == (4, 4, 512)
    dense = 4 * 4 * 128 * 1024 + 1024
    assert model.count_params() == 512 * 128 + 128 + dense + 1025 * 1000
    assert np.allclose(run(model, draw(2, 14, 14, 512)).sum(axis=1), 1, atol=1e-5)


def test_two_small_windows_cost_less_than_one_large_and_see_as_much():
    small = block_model(blocks.conv_stack, (9, 9, 8), filters=8, count=2)
    large = block_model(blocks.conv_stack, (9, 9, 8), filters=8, kernel=5, count=1)
    assert (small.count_params(), large.count_params()) == (2 * (72 + 1) * 8, (200 + 1) * 8)
    values = np.zeros((1, 9, 9, 8), "float32")
    values[0, 4, 4] = 5
    for model in (small, large):
        changed = abs(run(model, values) - run(model, 0 * values)).sum(axis=(0, 3)) > 0
        assert changed.any(axis=0).sum() <= 5 and not changed[:2].any()


def test_lenet_has_the_layers_of_1998_without_its_sparse_table():
    model = blocks.lenet5()
    counts = [layer.count_params() for layer in model.layers if layer.weights]
    assert counts == [156, 2416, 48120, 10164, 850]
    assert run(model, draw(1, 32, 32, 1)).shape == (1, 10)
