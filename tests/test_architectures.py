"""The proposed network against the report's layer tables (figures 18 and 19)."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from alllib.architectures import build_network
from alllib.errors import RecipeError
from alllib.recipes import load_recipe

RECIPE = load_recipe("mir2019-proposed")
SETTINGS = RECIPE.architecture.settings
FILTERS = (32, 64, 128, 256, 384, 512)


@pytest.fixture(scope="module")
def network():
    """The network at the recipe's input of 150 pixels."""
    return build_network(RECIPE, classes=2)


@pytest.fixture(scope="module")
def small():
    """The same with an input of 32 pixels."""
    return build_network(RECIPE, classes=2, input_size=32)


def with_settings(**changes):
    """The recipe with other settings of its architecture."""
    settings = {**SETTINGS, **changes}
    return replace(RECIPE, architecture=replace(RECIPE.architecture, settings=settings))


def count_by_hand(repeats: tuple[int, ...]) -> tuple[int, int]:
    """Parameters of the convolutional part, and how many of them are not trained."""
    total = still = 0
    channels = 3
    for count, filters in zip(repeats, FILTERS, strict=True):
        for _ in range(count):
            total += (9 * channels + 1) * filters + 4 * filters
            still += 2 * filters
            channels = filters
    return total, still


def weights_in(variables) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


def test_the_published_totals(network):
    part = network.get_layer("model_1")
    published = RECIPE.published
    assert network.count_params() == published["parameters"] == 64_066_938
    assert weights_in(network.trainable_weights) == published["trainable"] == 64_061_370
    assert weights_in(network.non_trainable_weights) == 5_568
    assert part.count_params() == published["convolutional_parameters"] == 7_535_040
    assert weights_in(part.trainable_weights) == published["convolutional_trainable"]


def test_the_whole_published_layer_table(network):
    """Names, order, shapes and parameters; only the counter of normalisations differs."""
    rows = [*RECIPE.published["layers"]]
    split = next(i for i, row in enumerate(rows) if row[0] == "model_1")
    built = [
        [[layer.name, list(layer.output.shape[1:]), layer.count_params()] for layer in layers]
        for layers in (network.get_layer("model_1").layers, network.layers)
    ]

    def renumbered(row):
        name, *rest = row
        if name.startswith("batch_normalization_"):
            name = f"batch_normalization_{int(name.rsplit('_', 1)[1]) - 1}"
        return [name, *rest]

    assert len(rows) == 22
    assert built[0][-split:] == [renumbered(row) for row in rows[:split]]
    assert built[1][1:] == rows[split:]


def test_the_first_three_blocks_carry_what_the_table_leaves_for_them(network):
    """The printed rows start with block 4; the rest of the total must lie before them."""
    names = [row[0] for row in RECIPE.published["layers"]]
    printed = sum(row[2] for row in RECIPE.published["layers"][: names.index("model_1")])
    part = network.get_layer("model_1")
    before = [
        layer for layer in part.layers if layer.name.startswith(("block1", "block2", "block3"))
    ]
    normalised = [f"batch_normalization_{number}" for number in range(1, 8)]
    before += [part.get_layer(name) for name in normalised]
    rest = RECIPE.published["convolutional_parameters"] - printed
    assert sum(layer.count_params() for layer in before) == rest


def test_only_one_way_to_place_the_convolutions_reaches_the_total():
    """Thirteen in 3, 2, 2, 2, 2, 2; none of the ways to place the 14 of the text."""
    wanted = (RECIPE.published["convolutional_parameters"], 5_568)
    ways = [way for way in product(range(1, 10), repeat=6) if sum(way) == 14]
    assert len(ways) == 1287  # 13 choose 5: all of them
    assert not [way for way in ways if count_by_hand(way)[0] == wanted[0]]
    every = product(range(1, 6), repeat=6)
    assert [way for way in every if count_by_hand(way) == wanted] == [(3, 2, 2, 2, 2, 2)]
    assert tuple(SETTINGS["convolutions"]) == (3, 2, 2, 2, 2, 2)


def test_the_network_has_as_many_parameters_as_counted_by_hand(network):
    part = network.get_layer("model_1")
    assert (part.count_params(), weights_in(part.non_trainable_weights)) == count_by_hand(
        tuple(SETTINGS["convolutions"])
    )


def test_six_pools_need_about_300_pixels():
    """The other reading of the table: a pool in every block, and twice the input."""
    recipe = with_settings(pooled=[1, 2, 3, 4, 5, 6])
    other = build_network(recipe, classes=2, input_size=300)
    part = other.get_layer("model_1")
    assert part.get_layer("block4_conv1").output.shape[1:3] == (38, 38)
    assert other.count_params() == RECIPE.published["parameters"]


def test_each_convolution_is_normalised_and_two_layers_drop(network):
    part = network.get_layer("model_1")
    kinds = [type(layer).__name__ for layer in part.layers]
    assert kinds.count("Conv2D") == kinds.count("BatchNormalization") == 13
    assert kinds.count("MaxPooling2D") == 5
    assert all(
        after == "BatchNormalization"
        for before, after in zip(kinds, kinds[1:], strict=False)
        if before == "Conv2D"
    )
    assert [type(layer).__name__ for layer in network.layers].count("Dropout") == 2
    assert {layer.rate for layer in network.layers if "dropout" in layer.name} == {0.5}


def test_outputs_are_probabilities(small):
    images = np.random.default_rng(1).random((4, 32, 32, 3), dtype=np.float32)
    found = small.predict_on_batch(images)
    assert found.shape == (4, 2) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)


def test_one_step_changes_every_kind_of_weight():
    import keras

    small = build_network(RECIPE, classes=2, input_size=32)
    generator = np.random.default_rng(1)
    images = generator.random((6, 32, 32, 3), dtype=np.float32)
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0, 1]]
    before = small.get_weights()
    small.compile(keras.optimizers.SGD(0.01), loss="categorical_crossentropy", jit_compile=False)
    assert np.isfinite(small.train_on_batch(images, targets))
    after = small.get_weights()
    names = [weight.path for weight in small.weights]
    still = [n for n, a, b in zip(names, before, after, strict=True) if np.array_equal(a, b)]
    assert not still


def test_number_of_classes_is_free():
    assert build_network(RECIPE, classes=4, input_size=16).output.shape == (None, 4)


@pytest.mark.parametrize("size", [0, -1, RECIPE.architecture.minimum_input - 1])
def test_an_input_below_the_minimum_is_refused(size):
    with pytest.raises(RecipeError, match=f"at least {RECIPE.architecture.minimum_input}"):
        build_network(RECIPE, classes=2, input_size=size)


def test_the_smallest_input_works():
    size = RECIPE.architecture.minimum_input
    assert build_network(RECIPE, classes=2, input_size=size).input.shape[1] == size


def test_an_unknown_architecture_suggests_the_nearest():
    recipe = replace(RECIPE, architecture=replace(RECIPE.architecture, name="propsed"))
    with pytest.raises(RecipeError, match="Did you mean 'proposed'"):
        build_network(recipe, classes=2)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="dropuot"):
        build_network(with_settings(dropuot=0.5), classes=2, input_size=32)
    lacking = {key: value for key, value in SETTINGS.items() if key != "dense"}
    recipe = replace(RECIPE, architecture=replace(RECIPE.architecture, settings=lacking))
    with pytest.raises(RecipeError, match="dense"):
        build_network(recipe, classes=2, input_size=32)
