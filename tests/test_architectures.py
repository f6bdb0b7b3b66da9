"""Every network against the sources' layer tables, the literature, and one training step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.error
from dataclasses import replace
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest

from alllib.architectures import (
    ARCHITECTURES,
    build_network,
    feature_layer,
    image_scale,
    inference_model,
)
from alllib.backend import load_keras
from alllib.datasets import DATASETS
from alllib.errors import FetchError, RecipeError
from alllib.recipes import change_recipe, list_recipes, load_recipe

NAMES = list_recipes()
VARIANTS = [f"{name}.{entry.name}" for name in NAMES for entry in load_recipe(name).variant]
PRINTED = ("mir2019-proposed", "mir2019-proposed-300", "unnithan2021-2x2", "garg2021-vgg19")
PRETRAINED = [name for name in NAMES if load_recipe(name).architecture.weights == "imagenet"]
RECIPE = load_recipe("mir2019-proposed")
SETTINGS = RECIPE.architecture.settings
FILTERS = (32, 64, 128, 256, 384, 512)
LONG = ("ball2023-densenet201", "mir2019-inception_v3")  # compiling their step takes long


def class_count(recipe) -> int:
    return len(DATASETS[recipe.data.dataset].classes)


def smallest(name: str, **settings):
    """A recipe's network at its smallest input, from random weights."""
    recipe = load_recipe(name)
    size = recipe.architecture.minimum_input
    settings = {"weights": "none", "classes": class_count(recipe), "input_size": size} | settings
    return build_network(recipe, **settings)


def layer_rows(network) -> list[list]:
    """Name, output shape and parameters of each layer, a nested network's before its own."""
    rows = []
    for layer in network.layers:
        rows += layer_rows(layer) if hasattr(layer, "layers") else []
        rows.append([layer.name, list(layer.output.shape[1:]), layer.count_params()])
    return rows


def weights_in(variables) -> int:
    return sum(int(np.prod(variable.shape)) for variable in variables)


@pytest.fixture(scope="module")
def network():
    """The proposed network at the recipe's input of 150 pixels."""
    return build_network(RECIPE, classes=2)


@pytest.fixture(scope="module")
def small():
    """The same with an input of 32 pixels."""
    return build_network(RECIPE, classes=2, input_size=32)


def with_settings(**changes):
    """The recipe with other settings of its architecture."""
    settings = {**SETTINGS, **changes}
    return replace(RECIPE, architecture=replace(RECIPE.architecture, settings=settings))


# What the sources printed ---------------------------------------------------------------


def printed_and_ours(name: str) -> tuple[list[list], list[list]]:
    """Printed rows under our names, and the rows of the network at the recipe's input."""
    recipe = load_recipe(name)
    renamed = recipe.published.get("renamed", {})
    printed = [[renamed.get(row[0], row[0]), *row[1:]] for row in recipe.published["layers"]]
    built = build_network(recipe, classes=class_count(recipe), weights="none")
    return printed, layer_rows(built)


@pytest.mark.parametrize("name", ["mir2019-proposed", "mir2019-proposed-300"])
def test_every_row_of_the_reports_table(name):
    """Names, order, shapes and parameters from block 4 on, where the printed table starts."""
    printed, ours = printed_and_ours(name)
    ours = [row for row in ours if row[0] != "image"]
    assert len(printed) == 22 and printed[0][0] == "block4_conv1"
    assert ours[-22:] == printed


def test_every_row_of_the_posters_table():
    printed, ours = printed_and_ours("unnithan2021-2x2")
    assert len(printed) == 12
    assert ours == [["image", [256, 256, 3], 0], *printed]


def test_every_row_of_the_paper_on_vgg19_but_its_misprints():
    printed, ours = printed_and_ours("garg2021-vgg19")
    published = load_recipe("garg2021-vgg19").published
    assert [row[:2] for row in ours] == [row[:2] for row in printed] and len(ours) == 26
    wrong = [
        (theirs, mine[2]) for theirs, mine in zip(printed, ours, strict=True) if theirs != mine
    ]
    assert [theirs[0] for theirs, _ in wrong] == published["misprints"] and len(wrong) == 11
    assert {(theirs[2], mine) for theirs, mine in wrong} == {
        (590880, 590080), (1188160, 1180160), (2359888, 2359808),
    }  # fmt: skip
    # The paper's own totals are those of the right rows.
    frozen = [row for row in printed if row[0].startswith("block")]
    assert sum(row[2] for row in frozen) == 20_035_344
    right = sum(row[2] for row in ours if row[0].startswith("block"))
    assert right == published["not_trainable"] == 20_024_384
    assert sum(row[2] for row in ours) == published["parameters"]


@pytest.mark.parametrize("name", PRINTED)
def test_the_published_totals(name):
    recipe = load_recipe(name)
    published = recipe.published
    built = build_network(recipe, classes=2, weights="none")
    assert built.count_params() == published["parameters"]
    assert weights_in(built.trainable_weights) == published["trainable"]
    if "not_trainable" in published:
        assert weights_in(built.non_trainable_weights) == published["not_trainable"]


def test_totals_are_those_that_were_read():
    """The numbers themselves, so that a change of recipe and network together is seen."""
    totals = {name: load_recipe(name).published["parameters"] for name in PRINTED}
    assert totals == {
        "mir2019-proposed": 64_066_938, "mir2019-proposed-300": 64_066_938,
        "unnithan2021-2x2": 30_595_265, "garg2021-vgg19": 26_447_682,
    }  # fmt: skip


def test_the_convolutional_part_has_its_published_totals(network):
    part, published = network.get_layer("model_1"), RECIPE.published
    assert weights_in(network.non_trainable_weights) == 5_568
    assert part.count_params() == published["convolutional_parameters"] == 7_535_040
    assert weights_in(part.trainable_weights) == published["convolutional_trainable"]


def test_alexnet_layer_by_layer():
    """The paper's sides 55, 27, 13 and 6, and the count of one tower with 1,000 classes."""
    recipe = load_recipe("mir2019-alexnet")
    built = build_network(recipe, classes=1000)
    assert layer_rows(built) == [
        ["image", [227, 227, 3], 0],
        ["conv1", [55, 55, 96], (11 * 11 * 3 + 1) * 96],
        ["norm1", [55, 55, 96], 0],
        ["pool1", [27, 27, 96], 0],
        ["conv2", [27, 27, 256], (5 * 5 * 96 + 1) * 256],
        ["norm2", [27, 27, 256], 0],
        ["pool2", [13, 13, 256], 0],
        ["conv3", [13, 13, 384], (3 * 3 * 256 + 1) * 384],
        ["conv4", [13, 13, 384], (3 * 3 * 384 + 1) * 384],
        ["conv5", [13, 13, 256], (3 * 3 * 384 + 1) * 256],
        ["pool5", [6, 6, 256], 0],
        ["flatten", [9216], 0],
        ["dense_1", [4096], (9216 + 1) * 4096],
        ["dropout_1", [4096], 0],
        ["dense_2", [4096], (4096 + 1) * 4096],
        ["dropout_2", [4096], 0],
        ["predictions", [1000], (4096 + 1) * 1000],
    ]
    assert built.count_params() == recipe.literature["parameters"] == 62_378_344
    assert {layer.rate for layer in built.layers if "dropout" in layer.name} == {0.5}
    plain = load_recipe("mir2019-alexnet.plain")
    names = [layer.name for layer in smallest("mir2019-alexnet").layers]
    assert [layer.name for layer in build_network(plain, classes=2, input_size=67).layers] == [
        name for name in names if not name.startswith("norm")
    ]


KNOWN = {
    "ball2023-densenet201": 20_242_984, "garg2021-vgg19": 143_667_240,
    "mir2019-alexnet": 62_378_344, "mir2019-inception_v3": 23_851_784,
    "mir2019-resnet50": 25_636_712, "mir2019-vgg16": 138_357_544,
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_the_count_of_the_literature(name):
    recipe = load_recipe(name)
    known = recipe.literature
    settings = {f"architecture.settings.{k}": v for k, v in known.get("settings", {}).items()}
    recipe = change_recipe(recipe, "literature", settings)
    built = build_network(
        recipe, classes=known["classes"], input_size=known["input"], weights="none"
    )
    assert built.count_params() == known["parameters"] == KNOWN[name]


def test_only_networks_of_the_sources_own_have_no_count_in_the_literature():
    assert {name for name in NAMES if load_recipe(name).literature} == set(KNOWN)


def test_densenet_gives_1920_features_to_two_layers_of_128():
    built = build_network(load_recipe("ball2023-densenet201"), classes=4, weights="none")
    assert layer_rows(built)[-6:] == [
        ["avg_pool", [1920], 0],
        ["dense_1", [128], 1921 * 128],
        ["dropout_1", [128], 0],
        ["dense_2", [128], 129 * 128],
        ["dropout_2", [128], 0],
        ["predictions", [4], 129 * 4],
    ]


# The proposed network ---------------------------------------------------------------------


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


# AlexNet's normalisation -------------------------------------------------------------------


def normalized_by_loop(maps: np.ndarray, depth: int, bias: float, alpha: float, beta: float):
    """Section 3.3 of the paper, value by value."""
    found = np.empty_like(maps)
    channels = maps.shape[-1]
    for place in np.ndindex(maps.shape):
        i = place[-1]
        near = range(max(0, i - depth // 2), min(channels - 1, i + depth // 2) + 1)
        total = sum(maps[*place[:-1], j] ** 2 for j in near)
        found[place] = maps[place] / (bias + alpha * total) ** beta
    return found


def normalization(**settings):
    load_keras()
    from alllib.architectures.alexnet import LocalResponseNormalization

    return LocalResponseNormalization(**settings)


@pytest.mark.parametrize(
    ("channels", "constants"),
    [
        (8, (5, 2.0, 1e-4, 0.75)),
        (8, (3, 1.0, 0.5, 0.5)),
        (7, (1, 1.5, 0.1, 2.0)),
        (2, (5, 2.0, 1e-2, 0.75)),
    ],
)
def test_local_response_normalization_is_that_of_the_paper(channels, constants):
    maps = np.random.default_rng(1).normal(0, 30, (2, 3, 4, channels)).astype("float32")
    layer = normalization(**dict(zip(("depth", "bias", "alpha", "beta"), constants, strict=True)))
    found = np.asarray(layer(maps))
    assert found.shape == maps.shape == layer.compute_output_shape(maps.shape)
    np.testing.assert_allclose(
        found, normalized_by_loop(maps.astype(float), *constants), rtol=1e-4, atol=1e-6
    )
    assert not np.allclose(found, maps)


def test_local_response_normalization_has_the_constants_of_the_paper():
    config = normalization().get_config()
    assert [config[key] for key in ("depth", "bias", "alpha", "beta")] == [5, 2.0, 1e-4, 0.75]


@pytest.mark.parametrize("dtype", ["float16", "mixed_float16", "bfloat16"])
def test_local_response_normalization_in_few_bits(dtype):
    """Values whose squares are infinite in 16 bits are not lost."""
    maps = np.random.default_rng(1).normal(0, 400, (2, 3, 3, 6)).astype("float16")
    layer = normalization(dtype=dtype)
    found = layer(maps)
    kept = load_keras().backend.standardize_dtype(found.dtype)
    assert kept == dtype.removeprefix("mixed_")
    wanted = normalized_by_loop(maps.astype(float), 5, 2.0, 1e-4, 0.75)
    found = np.asarray(load_keras().ops.cast(found, "float32"))
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.01)


def test_a_network_with_it_is_saved_and_loaded_in_safe_mode(tmp_path):
    import keras

    recipe = change_recipe(
        load_recipe("mir2019-alexnet"), "thin",
        {"architecture.settings.filters": [4] * 5, "architecture.settings.dense": [8]},
    )  # fmt: skip
    built = build_network(recipe, classes=2, input_size=67)
    built.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    assert again.get_layer("norm1").get_config() == built.get_layer("norm1").get_config()
    images = np.random.default_rng(1).random((2, 67, 67, 3), dtype=np.float32)
    np.testing.assert_array_equal(built.predict_on_batch(images), again.predict_on_batch(images))


# The auxiliary classifier of Inception-v3 -------------------------------------------------------


def test_the_side_classifier_at_the_recipes_input():
    recipe = load_recipe("mir2019-inception_v3")
    built = build_network(recipe, classes=2, weights="none")
    rows = {name: rest for name, *rest in layer_rows(built)}
    assert rows["mixed7"][0] == [17, 17, 768]
    side = [name for name in rows if name.startswith("auxiliary")]
    assert [[name, *rows[name]] for name in side] == [
        ["auxiliary_pool", [5, 5, 768], 0],
        ["auxiliary_conv", [5, 5, 128], 769 * 128],
        ["auxiliary_flatten", [3200], 0],
        ["auxiliary_dense", [1024], 3201 * 1024],
        ["auxiliary_dropout", [1024], 0],
        ["auxiliary", [2], 1025 * 2],
    ]
    pool = built.get_layer("auxiliary_pool")
    assert (pool.pool_size, pool.strides) == ((5, 5), (3, 3))
    assert built.get_layer("auxiliary_dropout").rate == 0.7
    assert [output.shape for output in built.outputs] == [(None, 2), (None, 2)]
    final = inference_model(built)
    assert final.count_params() == 21_806_882
    assert built.count_params() - final.count_params() == 769 * 128 + 3201 * 1024 + 1025 * 2
    assert not [layer.name for layer in final.layers if layer.name.startswith("auxiliary")]


def test_the_model_for_inference_shares_its_weights():
    built = smallest("mir2019-inception_v3")
    final = inference_model(built)
    images = np.random.default_rng(1).random((2, 107, 107, 3), dtype=np.float32)
    main, _ = built.predict_on_batch(images)
    np.testing.assert_allclose(final.predict_on_batch(images), main, rtol=1e-5)
    built.get_layer("predictions").set_weights([np.zeros((2048, 2)), np.array([0.0, 50.0])])
    np.testing.assert_allclose(final.predict_on_batch(images), [[0, 1], [0, 1]], atol=1e-6)
    assert inference_model(final) is final


def test_it_fits_from_107_pixels_and_the_plain_network_from_75():
    recipe = load_recipe("mir2019-inception_v3")
    assert smallest(recipe.name).get_layer("auxiliary_pool").output.shape[1:3] == (1, 1)
    with pytest.raises(RecipeError, match="at least 107 pixels, not 106"):
        build_network(recipe, classes=2, input_size=106, weights="none")
    plain = load_recipe("mir2019-inception_v3.without-auxiliary")
    built = build_network(plain, classes=2, input_size=75, weights="none")
    assert len(built.outputs) == 1 and built.count_params() == 21_806_882
    with pytest.raises(RecipeError, match="at least 75"):
        build_network(plain, classes=2, input_size=74, weights="none")


# Inputs, settings, classes ------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_input_below_the_minimum_is_refused(name):
    recipe = load_recipe(name)
    minimum = recipe.architecture.minimum_input
    for size in (0, -1, minimum - 1):
        with pytest.raises(RecipeError, match=f"at least {minimum} pixels, not {size}"):
            build_network(recipe, classes=class_count(recipe), input_size=size, weights="none")


@pytest.mark.parametrize("name", ["mir2019-alexnet", "unnithan2021-2x2", "mir2019-inception_v3"])
def test_one_pixel_less_than_the_minimum_would_not_fit(name):
    recipe = load_recipe(name)
    minimum = recipe.architecture.minimum_input
    free = replace(recipe, architecture=replace(recipe.architecture, minimum_input=1))
    assert build_network(free, classes=2, input_size=minimum, weights="none")
    with pytest.raises(RecipeError, match="cannot be built") as caught:
        build_network(free, classes=2, input_size=minimum - 1, weights="none")
    assert name in caught.value.where and len(str(caught.value).splitlines()) == 3


@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_every_recipe_and_variant_builds_at_its_smallest_input(name):
    recipe = load_recipe(name)
    classes, size = class_count(recipe), recipe.architecture.minimum_input
    built = build_network(recipe, classes=classes, input_size=size, weights="none")
    assert built.inputs[0].shape == (None, size, size, 3)
    units = 1 if recipe.architecture.name == "two_by_two" else classes
    assert {output.shape for output in built.outputs} == {(None, units)}
    assert {output.dtype for output in built.outputs} == {"float32"}
    ends = [layer for layer in built.layers if layer.output is built.outputs[0]]
    assert ends[0].activation.__name__ == ("sigmoid" if units == 1 else "softmax")
    # One input, not a list of one, or each call would warn.
    assert built.input.shape == built.inputs[0].shape
    if feature_layer(recipe) is not None:
        frozen = not built.get_layer(feature_layer(recipe)).trainable
        assert frozen == (recipe.architecture.backbone == "frozen")


def test_variants_of_the_poster_change_the_network_as_they_say():
    plain = layer_rows(smallest("unnithan2021-2x2"))
    built = smallest("unnithan2021-2x2.batch-normalization")
    kinds = [type(layer).__name__ for layer in built.layers]
    assert kinds.count("BatchNormalization") == kinds.count("Conv2D") == 4
    assert [row for row in layer_rows(built) if "norm" not in row[0]] == plain
    for tenth in range(1, 5):
        built = smallest(f"unnithan2021-2x2.dropout-{tenth}")
        rates = {layer.rate for layer in built.layers if "dropout" in layer.name}
        assert rates == {tenth / 10}
        assert layer_rows(built) == plain


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("unnithan2021-2x2", *LONG)])
def test_number_of_classes_is_free(name):
    assert smallest(name, classes=5).outputs[0].shape == (None, 5)


@pytest.mark.parametrize("classes", [1, 3, 4])
def test_one_unit_tells_two_classes_apart(classes):
    with pytest.raises(RecipeError, match=f"two classes apart, not {classes}"):
        smallest("unnithan2021-2x2", classes=classes)


def test_an_unknown_architecture_suggests_the_nearest():
    for wrong, meant in (
        ("propsed", "proposed"),
        ("vgg-19", "vgg19"),
        ("inception", "inception_v3"),
    ):
        recipe = replace(RECIPE, architecture=replace(RECIPE.architecture, name=wrong))
        with pytest.raises(RecipeError, match=f"Did you mean '{meant}'"):
            build_network(recipe, classes=2)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(RecipeError, match="dropuot"):
        build_network(with_settings(dropuot=0.5), classes=2, input_size=32)
    lacking = {key: value for key, value in SETTINGS.items() if key != "dense"}
    recipe = replace(RECIPE, architecture=replace(RECIPE.architecture, settings=lacking))
    with pytest.raises(RecipeError, match="dense") as caught:
        build_network(recipe, classes=2, input_size=32)
    assert "convolutions, filters, pooled, dense, dropout" in caught.value.remedy


@pytest.mark.parametrize(
    "changes",
    [{"filters": [32, 64]}, {"dropout": 1.5}, {"dense": 64}, {"dense": [-1]}, {"dense": ["x"]}],
)
def test_settings_of_a_wrong_value_are_refused(changes):
    with pytest.raises(RecipeError, match="cannot be built") as caught:
        build_network(with_settings(**changes), classes=2, input_size=32)
    assert "architecture.settings" in caught.value.where


@pytest.mark.parametrize("name", [name for name in NAMES if name not in PRETRAINED])
def test_a_network_without_backbone_has_nothing_to_load_or_freeze(name):
    recipe = load_recipe(name)
    assert feature_layer(recipe) is None
    for wrong in ({"weights": "imagenet"}, {"backbone": "frozen"}):
        with pytest.raises(RecipeError, match="no ImageNet weights exist") as caught:
            build_network(recipe, classes=2, **wrong)
        assert "weights = none" in caught.value.remedy


def test_unknown_weights_and_backbones_suggest_the_nearest():
    recipe = load_recipe("mir2019-resnet50")
    with pytest.raises(RecipeError, match="Did you mean 'imagenet'"):
        build_network(recipe, classes=2, weights="imagnet")
    with pytest.raises(RecipeError, match="Did you mean 'frozen'"):
        build_network(recipe, classes=2, weights="none", backbone="frosen")


# Backbones -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PRETRAINED)
def test_a_frozen_backbone_leaves_only_the_head_to_train(name):
    built = smallest(name, backbone="frozen")
    end = built.get_layer(feature_layer(load_recipe(name)))
    head = built.layers[built.layers.index(end) + 1 :]
    side = [layer for layer in built.layers if layer.name.startswith("auxiliary")]
    heads = {id(w) for layer in [*head, *side] for w in layer.trainable_weights}
    assert heads and {id(weight) for weight in built.trainable_weights} == heads
    trained = smallest(name, backbone="trained")
    still = weights_in(trained.non_trainable_weights)
    norms = [layer for layer in trained.layers if type(layer).__name__ == "BatchNormalization"]
    assert still == sum(2 * layer.moving_mean.shape[0] for layer in norms)


def move(built, loss: str) -> list[str]:
    """Names of the weights that one training step changes."""
    keras = load_keras()
    size = built.inputs[0].shape[1]
    images = np.random.default_rng(1).random((4, size, size, 3), dtype=np.float32)
    before = built.get_weights()
    built.compile(keras.optimizers.SGD(0.1), loss=loss, jit_compile=jit())
    built.train_on_batch(images, np.eye(2, dtype=np.float32)[[0, 1, 0, 1]])
    return [
        weight.path
        for weight, old in zip(built.weights, before, strict=True)
        if not np.array_equal(np.asarray(weight), old)
    ]


def jit() -> bool | str:
    """Not on TensorFlow, whose compiler takes longer than such a step on a processor."""
    return False if load_keras().backend.backend() == "tensorflow" else "auto"


def test_batch_normalization_of_a_frozen_backbone_does_not_move():
    moved = move(smallest("mir2019-resnet50", backbone="frozen"), "categorical_crossentropy")
    assert sorted(path.rsplit("/", 2)[-2:] for path in moved) == [
        ["predictions", "bias"], ["predictions", "kernel"],
    ]  # fmt: skip
    moved = move(smallest("mir2019-resnet50", backbone="trained"), "categorical_crossentropy")
    assert [path for path in moved if path.endswith("moving_mean")]
    assert [path for path in moved if path.endswith("conv1_conv/kernel")]


def test_images_are_scaled_as_the_weights_expect():
    expected = {
        "vgg16": "caffe", "vgg19": "caffe", "resnet50": "caffe", "inception_v3": "tf",
        "densenet201": "torch",
    }  # fmt: skip
    assert {n: a.scale for n, a in ARCHITECTURES.items() if a.features} == expected
    for name in NAMES:
        recipe = load_recipe(name)
        pretrained = recipe.images.scale == "pretrained"
        wanted = expected[recipe.architecture.name] if pretrained else "unit"
        assert image_scale(recipe, "imagenet") == wanted
        assert image_scale(recipe, "none") == "unit"


# ImageNet weights ----------------------------------------------------------------------------


def file_utils():
    """Where `keras.applications` looks its downloads up."""
    load_keras()
    from keras.src.utils import file_utils

    return file_utils


def backbone_of(name: str):
    """Keras's own network without head, and the layers of it that have weights."""
    keras = load_keras()
    title = {"vgg16": "VGG16", "vgg19": "VGG19", "resnet50": "ResNet50",
             "inception_v3": "InceptionV3", "densenet201": "DenseNet201"}  # fmt: skip
    plain = getattr(keras.applications, title[load_recipe(name).architecture.name])(
        weights=None, include_top=False
    )
    return [layer for layer in plain.layers if layer.weights]


def write_weights(path: Path, layers, *, left_out: int = 0, cut: bool = False) -> dict:
    """A file as `keras.applications` downloads it: HDF5, one group a layer, drawn values.

    Written by hand, so that nothing of Keras's own writing is trusted.
    """
    rng = np.random.default_rng(5)
    values = {}
    with h5py.File(path, "w") as file:
        layers = layers[left_out:]
        file.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.2.4"
        for layer in layers:
            group = file.create_group(layer.name)
            arrays = {
                f"{layer.name}/{weight.name}:0": rng.random(
                    [n - cut for n in weight.shape], dtype=np.float32
                )
                for weight in [*layer.trainable_weights, *layer.non_trainable_weights]
            }
            group.attrs["weight_names"] = [key.encode() for key in arrays]
            for key, array in arrays.items():
                group.create_dataset(key, data=array)
            values[layer.name] = list(arrays.values())
    return values


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """Folder in the place of `~/.keras/models`; what is not there cannot be fetched."""
    used = file_utils()
    monkeypatch.setattr(used.config, "keras_home", lambda: str(tmp_path))

    def no_network(*_):
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr(used, "urlretrieve", no_network)
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.mark.parametrize(
    "name",
    ["mir2019-vgg16", "mir2019-resnet50", *(pytest.param(n, marks=pytest.mark.slow) for n in LONG)],
)
def test_imagenet_weights_come_from_the_file_that_keras_fetches(name, tmp_path, monkeypatch):
    path = tmp_path / "weights.h5"
    layers = backbone_of(name)
    values = write_weights(path, layers)
    asked = []
    monkeypatch.setattr(
        file_utils(), "get_file", lambda *args, **_: asked.append(args) or str(path)
    )
    built = smallest(name, weights="imagenet")
    (call,) = asked
    assert call[0].endswith("_notop.h5") and call[1].endswith(call[0])
    ours_with_weights = [layer for layer in built.layers if layer.weights][: len(layers)]
    for layer, ours in zip(layers, ours_with_weights, strict=True):
        for given, found in zip(values[layer.name], ours.get_weights(), strict=True):
            np.testing.assert_array_equal(given, found)
    head = built.get_layer("predictions").get_weights()
    assert np.ptp(head[0]) > 0 and not head[1].any(), "the head starts from random weights"


def test_imagenet_weights_are_taken_from_the_folder_of_keras(cache, monkeypatch):
    """By the name that the message gives; only the digest of Keras stands in the way."""
    values = write_weights(
        cache / "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5",
        backbone_of("mir2019-resnet50"),
    )
    monkeypatch.setattr(file_utils(), "validate_file", lambda *_, **__: True)
    built = smallest("mir2019-resnet50", weights="imagenet", backbone="frozen")
    np.testing.assert_array_equal(
        built.get_layer("conv1_conv").get_weights()[0], values["conv1_conv"][0]
    )


@pytest.mark.parametrize("name", ["garg2021-vgg19", "mir2019-resnet50"])
def test_a_missing_network_is_one_clear_error_with_a_way_on(name, cache, capsys):
    with pytest.raises(FetchError, match="Name or service not known") as caught:
        smallest(name, weights="imagenet")
    assert "--weights none" in caught.value.remedy
    assert len(str(caught.value).splitlines()) == 3
    assert not list(cache.iterdir()), "no half a file is left"
    assert smallest(name, weights="none")


def test_a_file_of_other_bytes_is_refused(cache, monkeypatch, capsys):
    """As a broken download: Keras compares its digest."""
    text = b"not what was wanted"
    monkeypatch.setattr(file_utils(), "urlretrieve", lambda _, to, *__: Path(to).write_bytes(text))
    with pytest.raises(FetchError, match="[Ii]ncomplete or corrupted"):
        smallest("mir2019-vgg16", weights="imagenet")


@pytest.mark.parametrize("wrong", [{"cut": True}, {"left_out": 1}, None])
def test_a_file_that_does_not_fit_is_refused(wrong, tmp_path, monkeypatch):
    path = tmp_path / "weights.h5"
    if wrong is None:
        path.write_bytes(b"no HDF5 at all")
    else:
        write_weights(path, backbone_of("mir2019-vgg16"), **wrong)
    monkeypatch.setattr(file_utils(), "get_file", lambda *_, **__: str(path))
    with pytest.raises(FetchError, match="weights of VGG16 could not be loaded") as caught:
        smallest("mir2019-vgg16", weights="imagenet")
    assert "--weights none" in caught.value.remedy


# One step on every backend --------------------------------------------------------------------

STEPS = "test_each_network_takes_a_training_step"


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in NAMES]
)
def test_each_network_takes_a_training_step(name):
    keras, recipe = load_keras(), load_recipe(name)
    assert keras.backend.backend() == os.environ.get("KERAS_BACKEND", "tensorflow")
    built = smallest(name)
    outputs, units = len(built.outputs), built.outputs[0].shape[-1]
    settings = dict(recipe.training.optimizer)
    optimizer = getattr(keras.optimizers, settings.pop("name"))(**settings)
    built.compile(optimizer, loss=[recipe.training.loss] * outputs, jit_compile=jit())
    size = built.inputs[0].shape[1]
    images = np.random.default_rng(1).random((2, size, size, 3), dtype=np.float32)
    labels = np.eye(class_count(recipe), dtype=np.float32)[:2, -units:]
    found = np.asarray(inference_model(built).predict_on_batch(images))
    assert found.shape == (2, units) and ((found >= 0) & (found <= 1)).all()
    if units > 1:
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-5)
    trained = {weight.path for weight in built.trainable_weights}
    before = [np.array(weight) for weight in built.weights]
    losses = built.train_on_batch(images, [labels] * outputs if outputs > 1 else labels)
    assert np.isfinite(losses).all() and np.min(losses) > 0
    moved = {
        weight.path
        for weight, old in zip(built.weights, before, strict=True)
        if not np.array_equal(np.asarray(weight), old)
    }
    last = built.get_layer("dense_3" if recipe.architecture.name == "proposed" else "predictions")
    assert {weight.path for weight in last.weights} <= moved
    still = [path for path in moved - trained if "moving" not in path and "seed" not in path]
    assert not still, "frozen weights moved"
    assert all(np.isfinite(np.asarray(weight)).all() for weight in built.weights)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_each_network_takes_a_training_step_on_another_backend(backend):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # Without its optimisation, which costs minutes, JAX compiles the same computation.
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_backend_optimization_level=0"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", f"{STEPS}["]
    done = subprocess.run(
        [*command, __file__], cwd=Path(__file__).parents[1], capture_output=True, text=True,
        env=os.environ | {"KERAS_BACKEND": backend, "XLA_FLAGS": flags},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]
    assert re.search(rf"^{len(NAMES)} passed", done.stdout, re.MULTILINE), done.stdout[-500:]
