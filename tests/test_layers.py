"""Cost and receptive field of networks: small ones by hand, known ones by the literature."""

from __future__ import annotations

import pytest

from alllib.backend import load_keras
from alllib.errors import RecipeError
from alllib.layers import (
    count_flops,
    layer_rows,
    layer_table,
    network_calls,
    number_of,
    receptive_field,
    show_shape,
    state_slots,
    training_memory,
)

keras = load_keras()
layers = keras.layers


def chain(*parts, size=8, channels=3, name=None):
    """Sequential network on square images."""
    return keras.Sequential([keras.Input((size, size, channels)), *parts], name=name)


@pytest.fixture(scope="module")
def known():
    """Networks of keras.applications at 224 (InceptionV3: 299) pixels, random weights."""
    built = {}

    def build(name):
        if name not in built:
            built[name] = getattr(keras.applications, name)(weights=None)
        return built[name]

    return build


@pytest.mark.parametrize(
    ("layer", "operations"),
    [
        (layers.Conv2D(4, 3), 2 * 6 * 6 * 4 * 9 * 3),
        (layers.Conv2D(4, 3, padding="same"), 2 * 8 * 8 * 4 * 9 * 3),
        (layers.Conv2D(4, (1, 5), strides=2, padding="same"), 2 * 4 * 4 * 4 * 5 * 3),
        (layers.Conv2D(6, 3, groups=3, padding="same"), 2 * 8 * 8 * 6 * 9 * 1),
        (layers.Conv2D(4, 3, dilation_rate=2), 2 * 4 * 4 * 4 * 9 * 3),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 2 * 6 * 6 * 9 * 3 * 2),
        (layers.SeparableConv2D(5, 3), 2 * 6 * 6 * (9 * 3 + 3 * 5)),
        (layers.Conv2DTranspose(4, 2, strides=2), 2 * 8 * 8 * 3 * 4 * 4),
        (layers.Dense(7), 2 * 8 * 8 * 3 * 7),
        (layers.MaxPooling2D(2), 0),
        (layers.BatchNormalization(), 0),
    ],
)
def test_operations_of_a_layer_by_hand(layer, operations):
    assert count_flops(chain(layer)) == operations


def test_a_shared_layer_counts_for_each_call():
    inputs = keras.Input((8, 8, 3))
    shared = layers.Conv2D(3, 3, padding="same", name="shared")
    network = keras.Model(inputs, shared(shared(inputs)))
    once = 2 * 64 * 9 * 3 * 3
    assert count_flops(network) == 2 * once
    (row,) = [row for row in layer_rows(network) if row.name == "shared"]
    assert (row.flops, row.parameters, row.receptive_field) == (2 * once, 9 * 9 + 3, 5)


def test_a_sub_model_counts_for_each_call():
    inner = chain(layers.Conv2D(3, 3, padding="same", name="inner"), name="part")
    inputs = keras.Input((8, 8, 3))
    network = keras.Model(inputs, layers.Add(name="sum")([inner(inputs), inner(inner(inputs))]))
    once = 2 * 64 * 9 * 3 * 3
    assert count_flops(network) == 3 * once
    rows = {row.name: row for row in layer_rows(network, nested=True)}
    assert rows["part"].flops == rows["inner"].flops == 3 * once
    assert rows["inner"].inside == "part"
    assert [name for name in rows if name in ("inner", "part", "sum")] == ["inner", "part", "sum"]
    assert "inner" not in {row.name for row in layer_rows(network)}
    fields = receptive_field(network)
    assert fields["part/inner"] == fields["part"] == fields["sum"] == (5, 1)


# Multiply-accumulates in units of 10^9. He and others (arXiv 1512.03385) state 19.6 for VGG-19
# and, in table 1, 3.8 for ResNet-50; Szegedy and others (arXiv 1512.00567) "5 billion" for
# Inception-v3, which implementations exceed: 5.7.
@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("VGG19", 19.6, 19.7), ("ResNet50", 3.8, 3.9), ("InceptionV3", 5, 5.8)],
)
def test_operations_of_known_networks(known, name, least, most):
    assert least <= count_flops(known(name)) / 2 / 1e9 <= most


def test_operations_of_vgg16_from_its_table(known):
    """Simonyan and Zisserman (arXiv 1409.1556), table 1, column D."""
    convolutions = [(224, 3, 64), (224, 64, 64), (112, 64, 128), (112, 128, 128), (56, 128, 256),
                    (56, 256, 256), (56, 256, 256), (28, 256, 512), (28, 512, 512),
                    (28, 512, 512), *[(14, 512, 512)] * 3]  # fmt: skip
    dense = [(7 * 7 * 512, 4096), (4096, 4096), (4096, 1000)]
    steps = sum(side**2 * 9 * before * after for side, before, after in convolutions)
    assert count_flops(known("VGG16")) == 2 * (steps + sum(a * b for a, b in dense))


# Araujo, Norris and Sim (doi 10.23915/distill.00021), table of receptive fields.
@pytest.mark.parametrize(
    ("name", "layer", "field", "stride"),
    [
        ("VGG16", "block5_pool", 212, 32),
        ("ResNet50", "conv5_block3_out", 483, 32),
        ("InceptionV3", "mixed10", 1311, 32),
    ],
)
def test_receptive_fields_of_known_networks(known, name, layer, field, stride):
    fields = receptive_field(known(name))
    assert fields[layer] == (field, stride)
    assert fields["predictions"] == (None, None)


def test_receptive_field_by_hand():
    network = chain(
        layers.Conv2D(2, 3, name="a"),  # 3
        layers.ZeroPadding2D(2, name="margin"),
        layers.MaxPooling2D(2, name="pool"),  # 3 + 1
        layers.BatchNormalization(name="norm"),
        layers.Conv2D(2, (1, 3), dilation_rate=(1, 2), padding="same", name="b"),  # 4 + 2 * 2 * 2
        layers.DepthwiseConv2D(3, strides=2, padding="same", name="c"),  # 12 + 2 * 2
        layers.Dense(4, name="places"),
        layers.GlobalAveragePooling2D(keepdims=True, name="mean"),
        layers.Flatten(name="flat"),
        size=16,
    )
    assert receptive_field(network) == {
        **{network.inputs[0]._keras_history[0].name: (1, 1)},
        **{"a": (3, 1), "margin": (3, 1), "pool": (4, 2), "norm": (4, 2), "b": (12, 2)},
        **{"c": (16, 4), "places": (16, 4), "mean": (None, None), "flat": (None, None)},
    }


def test_the_longest_branch_decides():
    inputs = keras.Input((8, 8, 3))
    short = layers.Conv2D(2, 1, padding="same")(inputs)
    long = layers.Conv2D(2, 5, padding="same")(layers.Conv2D(2, 3, padding="same")(inputs))
    joined = layers.Concatenate(name="joined")([long, short])
    scaled = joined * 2 + joined  # operations, not layers
    network = keras.Model(inputs, layers.ReLU(name="end")(scaled))
    fields = receptive_field(network)
    assert fields["joined"] == fields["end"] == (7, 1)


def test_a_layer_that_mixes_places_sees_everything():
    inputs = keras.Input((4, 4, 3))
    weights = layers.GlobalAveragePooling2D(keepdims=True)(inputs)
    network = keras.Model(inputs, layers.Multiply(name="weighed")([inputs, weights]))
    assert receptive_field(network)["weighed"] == (None, None)


def test_memory_by_hand():
    network = chain(layers.Conv2D(4, 3, name="a"), layers.Flatten(), layers.Dense(2), size=4)
    weights = (27 + 1) * 4 + (16 + 1) * 2
    # Kept: maps 2x2x4, the same flat, 2 outputs; before them the image, which enters no layer.
    each = 16 + 16 + 2 + 48
    assert training_memory(network, 5, 0) == 4 * (2 * weights + 5 * each)
    assert training_memory(network, 5, 2) == 4 * (4 * weights + 5 * each)


def test_memory_of_a_frozen_part():
    first = layers.Conv2D(4, 3, padding="same", trainable=False)
    second = layers.Conv2D(8, 3, padding="same", trainable=False)
    network = chain(first, second, layers.GlobalAveragePooling2D(), layers.Dense(2), size=4)
    frozen, trained = 28 * 4 + (36 + 1) * 8, (8 + 1) * 2
    largest = 16 * 4 + 16 * 8
    expected = 4 * (frozen + trained * 4 + 3 * (2 + largest))
    assert training_memory(network, 3, 2) == expected


def test_memory_counts_the_layers_of_a_sub_model_once():
    parts = [layers.Conv2D(4, 3, padding="same", name=name) for name in ("a", "b")]
    flat = chain(*parts)
    assert training_memory(chain(flat), 7, 1) == training_memory(flat, 7, 1)


@pytest.mark.parametrize(
    ("settings", "slots"),
    [
        ({"name": "SGD", "learning_rate": 0.1, "momentum": 0.0}, 0),
        ({"name": "SGD", "learning_rate": 0.1, "momentum": 0.9}, 1),
        ({"name": "RMSprop", "centered": False}, 1),
        ({"name": "RMSprop", "centered": True, "momentum": 0.5}, 3),
        ({"name": "Adam"}, 2),
        ({"name": "Adam", "amsgrad": True}, 3),
    ],
)
def test_state_of_an_optimiser(settings, slots):
    assert state_slots(settings) == slots


def test_rows_are_those_that_keras_prints(known):
    network = known("ResNet50")
    rows = layer_rows(network)
    assert [row.name for row in rows] == [layer.name for layer in network.layers]
    assert sum(row.parameters for row in rows) == network.count_params()
    assert sum(row.trainable for row in rows) == number_of(network.trainable_weights)
    assert sum(row.flops for row in rows) == count_flops(network)
    norm = next(row for row in rows if row.kind == "BatchNormalization")
    assert (norm.parameters, norm.trainable) == (4 * 64, 2 * 64)


def test_calls_stand_after_those_that_they_depend_on(known):
    seen = set()
    for call in network_calls(known("InceptionV3")):
        assert {id(tensor) for tensor in call.inputs} <= seen
        seen |= {id(tensor) for tensor in call.outputs}


def test_table_for_a_page():
    network = chain(layers.Conv2D(4, 3, name="a"), layers.Flatten(name="b"), layers.Dense(2))
    table = layer_table(network)
    assert list(table["layer"][:2]) == ["a", "b"]
    assert list(table["output"]) == ["6 x 6 x 4", "144", "2"]
    assert list(table["sees"]) == ["3 px", "all", "all"]
    assert list(table["step"]) == ["1 px", "", ""]
    assert table["parameters"].sum() == table["trained"].sum() == network.count_params()


def test_an_open_size_is_an_error():
    network = chain(layers.Conv2D(4, 3), size=None)
    with pytest.raises(RecipeError, match="open"):
        count_flops(network)
    assert show_shape((None, None, 4)) == "any x any x 4"
    assert receptive_field(network)[network.layers[0].name] == (3, 1)


class Loose(keras.Model):
    def call(self, values):
        return values


@pytest.mark.parametrize("make", [Loose, lambda: keras.Sequential([layers.Dense(2)])])
def test_a_network_without_order_is_an_error(make):
    for ask in (count_flops, receptive_field, lambda network: training_memory(network, 1, 0)):
        with pytest.raises(RecipeError, match="no layers in known order"):
            ask(make())
