"""Maps of layers and Grad-CAM: networks small enough to work their maps out by hand.

They run on whichever of Keras's backends is active.
"""

from __future__ import annotations

import numpy as np
import pytest

from alllib.activations import display_grid, filters, grad_cam, layer_activations, overlay
from alllib.backend import load_keras
from alllib.errors import ParameterError

keras = load_keras()
layers = keras.layers


def set_weights(layer, kernel, bias=None) -> None:
    kernel = np.asarray(kernel, np.float32)
    layer.set_weights([kernel, np.zeros(kernel.shape[-1]) if bias is None else np.asarray(bias)])


def build_pooled(kernel, *, size=8, shrink=1, bias=None, activation="softmax") -> keras.Model:
    """Average pooling by `shrink`, convolution that copies its three channels, mean over
    positions, dense layer: the map of class c is ReLU(sum of w_kc A_k) / positions."""
    inputs = keras.Input((size, size, 3))
    maps = layers.AveragePooling2D(shrink, name="shrink")(inputs)
    maps = layers.Conv2D(3, 1, name="copy")(maps)
    means = layers.GlobalAveragePooling2D(name="means")(maps)
    outputs = layers.Dense(
        np.shape(kernel)[1], activation=activation, dtype="float32", name="last"
    )(means)
    model = keras.Model(inputs, outputs, name="pooled")
    set_weights(model.get_layer("copy"), np.eye(3).reshape(1, 1, 3, 3))
    set_weights(model.get_layer("last"), kernel, bias)
    return model


def build_deep(*, size=16, policy=None, nested=False) -> keras.Model:
    """Two convolutions with normalisation, pooling, two dense layers; weights of seed 0."""
    inputs = keras.Input((size, size, 3), name="image")
    maps = layers.Conv2D(4, 3, activation="relu", name="first", dtype=policy)(inputs)
    maps = layers.BatchNormalization(name="normal", dtype=policy)(maps)
    maps = layers.MaxPooling2D(2, name="pool", dtype=policy)(maps)
    maps = layers.Conv2D(5, 3, name="second", dtype=policy)(maps)
    maps = layers.ReLU(name="relu", dtype=policy)(maps)
    if nested:
        part = keras.Model(inputs, maps, name="model_1")
        inputs = keras.Input((size, size, 3), name="image")
        maps = part(inputs)
    values = layers.Flatten(name="flat", dtype=policy)(maps)
    values = layers.Dense(6, activation="tanh", name="hidden", dtype=policy)(values)
    values = layers.Dropout(0.5, name="dropout", dtype=policy)(values)
    outputs = layers.Dense(3, activation="softmax", name="last", dtype="float32")(values)
    model = keras.Model(inputs, outputs, name="deep")
    rng = np.random.default_rng(0)
    model.set_weights([
        np.abs(values) + 0.1 if name == "moving_variance" else values
        for name, values in (
            (weight.name, rng.normal(0, 0.3, weight.shape).astype(np.float32))
            for weight in model.weights
        )
    ])  # fmt: skip
    return model


def draw_images(count=2, size=16, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0, 1, (count, size, size, 3)).astype(np.float32)


KERNEL = np.array([[1, -2], [0.5, 3], [-1.5, 0.25]])


@pytest.mark.parametrize("scale", [1, 1000])
@pytest.mark.parametrize("classes", [[0, 0], [1, 1], [0, 1]])
def test_map_after_global_pooling_is_known(classes, scale):
    """Also where softmax is so sure that its own gradient is 0."""
    images = draw_images(size=8)
    model = build_pooled(scale * KERNEL)
    wanted = np.maximum(np.einsum("nhwk,kn->nhw", images, scale * KERNEL[:, classes]), 0) / 64
    cams = grad_cam(model, images, np.array(classes), raw=True)
    assert cams.dtype == np.float32 and cams.shape == (2, 8, 8)
    np.testing.assert_allclose(cams, wanted, rtol=1e-5, atol=scale * 1e-6)
    scaled = grad_cam(model, images, np.array(classes))
    np.testing.assert_allclose(scaled, wanted / wanted.max((1, 2))[:, None, None], atol=1e-5)


def test_map_before_flattening_worked_out_by_hand():
    inputs = keras.Input((2, 2, 3))
    maps = layers.Conv2D(2, 1, name="two")(inputs)
    outputs = layers.Dense(2, activation="softmax", name="last")(layers.Flatten()(maps))
    model = keras.Model(inputs, outputs)
    # Channel 0 is red, channel 1 is green; blue is not seen.
    set_weights(model.get_layer("two"), [[[[1, 0], [0, 1], [0, 0]]]])
    # Weights of class 1 in the order (row, column, channel): channel 0 has 1, 2, 3, 6 with
    # mean 3; channel 1 has -4, 0, -1, 1 with mean -1. Class 0 has others.
    kernel = np.stack([np.arange(8), [1, -4, 2, 0, 3, -1, 6, 1]], axis=1)
    set_weights(model.get_layer("last"), kernel)
    red, green = [[1, 0], [2, 5]], [[1, 4], [6, 20]]
    image = np.stack([red, green, np.full((2, 2), 9)], axis=-1)[None]
    # 3 * red - green = 2, -4, 0, -5
    np.testing.assert_allclose(grad_cam(model, image, 1, raw=True)[0], [[2, 0], [0, 0]], atol=1e-5)
    np.testing.assert_allclose(grad_cam(model, image, 1)[0], [[1, 0], [0, 0]], atol=1e-6)


def test_map_agrees_with_finite_differences():
    """Of the last but one block, so that pooling and two dense layers lie above it."""
    model, images = build_deep(), draw_images(1)
    maps = layer_activations(model, images, "normal")["normal"].astype(np.float64)
    above = [model.get_layer(name) for name in ("pool", "second", "relu", "flat", "hidden")]
    kernel, _ = model.get_layer("last").get_weights()

    def score(values):
        for layer in above:
            values = layer(values)
        return keras.ops.convert_to_numpy(values).astype(np.float64) @ kernel[:, 2]

    # One channel at a time: its mean slope is that of the score along the channel.
    slopes, step = [], 1e-3
    for channel in range(maps.shape[-1]):
        shift = np.zeros_like(maps)
        shift[..., channel] = step
        high, low = (score((maps + sign * shift).astype(np.float32)) for sign in (1, -1))
        slopes.append(float((high - low)[0]) / (2 * step) / maps[0, ..., 0].size)
    wanted = np.maximum(maps[0] @ slopes, 0)
    cam = grad_cam(model, images, 2, "normal", raw=True)[0]
    assert wanted.max() > 0
    np.testing.assert_allclose(cam, wanted, atol=0.02 * wanted.max())


def test_images_do_not_influence_each_other():
    model, images = build_deep(), draw_images(3)
    together = grad_cam(model, images, np.array([0, 1, 2]))
    for index in range(3):
        alone = grad_cam(model, images[index : index + 1], index)
        np.testing.assert_allclose(together[index], alone[0], atol=1e-5)
    assert not np.allclose(together[0], together[1])


def test_a_shift_of_the_bias_changes_nothing():
    images, classes = draw_images(size=8), np.array([0, 1])
    plain = grad_cam(build_pooled(KERNEL), images, classes, raw=True)
    shifted = grad_cam(build_pooled(KERNEL, bias=[5, -70]), images, classes, raw=True)
    np.testing.assert_array_equal(plain, shifted)


def test_the_predicted_class_is_the_default():
    model, images = build_deep(), draw_images(6, seed=5)
    predicted = np.argmax(model.predict(images, verbose=0), axis=1)
    assert len(set(predicted)) > 1
    np.testing.assert_array_equal(grad_cam(model, images), grad_cam(model, images, predicted))


def test_of_two_classes_the_likelier_is_the_default():
    """Though the scores of both are above 0, or below."""
    images = draw_images(size=8)
    for bias in ([20, 30], [-20, -10], [30, 20]):
        model, likelier = build_pooled(KERNEL, bias=bias), int(bias[1] > bias[0])
        np.testing.assert_array_equal(grad_cam(model, images), grad_cam(model, images, likelier))
        assert not np.allclose(grad_cam(model, images), grad_cam(model, images, 1 - likelier))


def test_one_unit_counts_for_class_1_and_against_class_0():
    images, kernel = draw_images(size=8), KERNEL[:, :1] * 10
    kernel[2] = -17
    model = build_pooled(kernel, activation="sigmoid")
    evidence = images @ kernel[:, 0] / 64
    for index, sign in enumerate((-1, 1)):
        cams = grad_cam(model, images, index, raw=True)
        assert cams.max() > 0
        np.testing.assert_allclose(cams, np.maximum(sign * evidence, 0), atol=1e-5)
    bright = np.zeros((2, 8, 8, 3), np.float32)
    bright[0, ..., 0] = bright[1, ..., 2] = 1  # scores 10 and -17
    np.testing.assert_allclose(grad_cam(model, bright, raw=True)[:, 0, 0] * 64, [10, 17], rtol=1e-5)


def test_a_map_without_evidence_stays_zero():
    cams = grad_cam(build_pooled(-np.abs(KERNEL)), draw_images(size=8), 0)
    assert cams.shape == (2, 8, 8) and not cams.any()


def test_maps_are_enlarged_linearly():
    """Left half dark, right half bright, seen as 2x2 maps: centres of pixels 1.5 and 5.5."""
    image = np.zeros((1, 8, 8, 3), np.float32)
    image[:, :, 4:] = 1
    model = build_pooled([[1, 0], [1, 0], [1, 0]], shrink=4)
    np.testing.assert_allclose(grad_cam(model, image, 0, raw=True)[0], [[0, 0.75]] * 2, rtol=1e-5)
    row = [0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]
    np.testing.assert_allclose(grad_cam(model, image, 0)[0], [row] * 8, atol=1e-6)


def test_maps_fit_images_that_are_not_square():
    inputs = keras.Input((12, 20, 3))
    maps = layers.AveragePooling2D(2)(inputs)
    outputs = layers.Dense(2, name="last")(layers.GlobalAveragePooling2D()(maps))
    model = keras.Model(inputs, outputs)
    set_weights(model.get_layer("last"), np.abs(KERNEL))
    image = np.zeros((1, 12, 20, 3), np.float32)
    image[0, 2:4, 16:18] = 1
    assert grad_cam(model, image, 0, raw=True).shape == (1, 6, 10)
    cam = grad_cam(model, image, 0)[0]
    assert cam.shape == (12, 20) and cam.max() == 1 and cam.min() == 0
    assert sorted(zip(*np.nonzero(cam == 1), strict=True)) == [(2, 16), (2, 17), (3, 16), (3, 17)]


def test_a_layer_beside_a_shortcut():
    """Its maps are not all that the layers above it read."""
    inputs = keras.Input((8, 8, 3))
    branch = layers.Conv2D(3, 1, name="branch")(inputs)
    total = layers.Add(name="total")([branch, inputs])
    outputs = layers.Dense(2, name="last")(layers.GlobalAveragePooling2D()(total))
    model, images = keras.Model(inputs, outputs), draw_images(size=8)
    set_weights(model.get_layer("branch"), -2 * np.eye(3).reshape(1, 1, 3, 3))
    set_weights(model.get_layer("last"), KERNEL)
    for name, factor in (("branch", -2), ("total", -1), (None, -1)):
        cams = grad_cam(model, images, 1, name, raw=True)
        wanted = np.maximum(factor * images @ KERNEL[:, 1], 0) / 64
        np.testing.assert_allclose(cams, wanted, atol=1e-6)


def test_a_nested_network_gives_the_maps_of_a_flat_one():
    images = draw_images()
    flat, nested = build_deep(), build_deep(nested=True)
    np.testing.assert_allclose(
        flat.predict(images, verbose=0), nested.predict(images, verbose=0), atol=1e-5
    )
    wanted, found = layer_activations(flat, images), layer_activations(nested, images)
    assert list(wanted) == list(found) == ["first", "pool", "second", "relu"]
    for name, maps in wanted.items():
        np.testing.assert_allclose(maps, found[name], atol=1e-5)
    for layer in (None, "first", "relu"):
        np.testing.assert_allclose(
            grad_cam(flat, images, 1, layer), grad_cam(nested, images, 1, layer), atol=1e-4
        )
    np.testing.assert_array_equal(
        grad_cam(nested, images, 1), grad_cam(nested, images, 1, "model_1")
    )
    np.testing.assert_array_equal(filters(flat, "second"), filters(nested, "second"))


def test_an_inner_layer_with_an_outer_name_is_called_by_its_network():
    inputs = keras.Input((8, 8, 3))
    part = keras.Model(inputs, layers.Conv2D(2, 1, name="maps")(inputs), name="part")
    outer = keras.Input((8, 8, 3))
    outputs = layers.Conv2D(4, 1, name="maps")(part(outer))
    found = layer_activations(keras.Model(outer, outputs), draw_images(size=8))
    assert {name: maps.shape[-1] for name, maps in found.items()} == {"part/maps": 2, "maps": 4}


def test_a_shared_layer_shows_once_and_its_last_use():
    shared = layers.ReLU(name="shared")
    inputs = keras.Input((8, 8, 3))
    part = keras.Model(inputs, shared(layers.Conv2D(2, 1)(inputs)), name="part")
    outer = keras.Input((8, 8, 3))
    outputs = shared(layers.AveragePooling2D(2, name="pool")(part(outer)))
    found = layer_activations(keras.Model(outer, outputs), draw_images(size=8))
    assert found["shared"].shape == (2, 4, 4, 2) and "part/shared" not in found
    np.testing.assert_array_equal(found["shared"], found["pool"])


def test_a_nested_network_that_pools_is_looked_into():
    """The maps before it are no more than the image."""
    part = build_pooled(KERNEL, shrink=2)
    part = keras.Model(part.input, part.get_layer("means").output, name="part")
    inputs = keras.Input((8, 8, 3))
    scaled = layers.Rescaling(2, name="scaled")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="last")(part(scaled)))
    set_weights(part.get_layer("copy"), -np.eye(3).reshape(1, 1, 3, 3))
    set_weights(model.get_layer("last"), KERNEL)
    images = draw_images(size=8)
    np.testing.assert_array_equal(grad_cam(model, images, 0), grad_cam(model, images, 0, "copy"))
    halves = images.reshape(2, 4, 2, 4, 2, 3).mean(axis=(2, 4))
    wanted = np.maximum(-2 * halves @ KERNEL[:, 0], 0) / 16
    np.testing.assert_allclose(grad_cam(model, images, 0, raw=True), wanted, atol=1e-6)


def test_the_proposed_network_is_walked_into():
    from alllib.architectures.proposed import build

    model = build(16, 2, convolutions=[2, 1], filters=[3, 4], pooled=[1, 2], dense=[5], dropout=0.5)
    found = layer_activations(model, draw_images())
    assert [(name, maps.shape) for name, maps in found.items()] == [
        ("block1_conv1", (2, 16, 16, 3)),
        ("block1_conv2", (2, 16, 16, 3)),
        ("block1_pool1", (2, 8, 8, 3)),
        ("block2_conv1", (2, 8, 8, 4)),
        ("block2_pool1", (2, 4, 4, 4)),
    ]
    assert grad_cam(model, draw_images(), raw=True).shape == (2, 4, 4)
    assert filters(model, "block2_conv1").shape == (3, 3, 3, 4)


def test_activations_are_what_the_layers_return():
    model, images = build_deep(), draw_images()
    maps = layer_activations(model, images, ["relu", "first"])
    assert list(maps) == ["relu", "first"]
    for name, values in maps.items():
        wanted = keras.Model(model.input, model.get_layer(name).output).predict(images, verbose=0)
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, wanted, atol=1e-5)
    assert set(layer_activations(model, images, "normal")) == {"normal"}


def test_of_several_outputs_the_first_counts():
    """Though the other one's convolution is the last layer with maps."""
    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(3, 1, name="copy")(inputs)
    side = layers.Conv2D(3, 1, name="side2")(layers.Conv2D(3, 1, name="side1")(maps))
    outputs = [
        layers.Dense(2, activation="softmax", name=name)(layers.GlobalAveragePooling2D()(values))
        for name, values in (("main", maps), ("auxiliary", side))
    ]
    model = keras.Model(inputs, outputs)
    set_weights(model.get_layer("copy"), np.eye(3).reshape(1, 1, 3, 3))
    set_weights(model.get_layer("main"), KERNEL)
    images = draw_images(size=8)
    wanted = np.maximum(images @ KERNEL[:, 1], 0) / 64
    np.testing.assert_allclose(grad_cam(model, images, 1, raw=True), wanted, atol=1e-6)
    assert {"side1", "side2"} <= set(layer_activations(model, images))


def test_a_sequential_network():
    model = keras.Sequential([
        keras.Input((8, 8, 3)), layers.Conv2D(3, 1, name="copy"),
        layers.GlobalAveragePooling2D(), layers.Dense(2, name="last"), layers.Softmax(),
    ])  # fmt: skip
    set_weights(model.get_layer("copy"), np.eye(3).reshape(1, 1, 3, 3))
    set_weights(model.get_layer("last"), KERNEL)
    images = draw_images(size=8)
    wanted = np.maximum(images @ KERNEL[:, 0], 0) / 64
    np.testing.assert_allclose(grad_cam(model, images, 0, raw=True), wanted, atol=1e-6)


def test_mixed_precision_gives_the_maps_of_full_precision():
    images = draw_images()
    full, mixed = build_deep(), build_deep(policy="mixed_float16")
    before = [layer.dtype_policy.name for layer in mixed.layers]
    assert "mixed_float16" in before
    for layer in (None, "first"):
        cams = grad_cam(mixed, images, 1, layer, raw=True)
        assert cams.max() > 0
        np.testing.assert_allclose(cams, grad_cam(full, images, 1, layer, raw=True), rtol=1e-4)
    found, wanted = layer_activations(mixed, images), layer_activations(full, images)
    for name, maps in found.items():
        assert maps.dtype == np.float32
        np.testing.assert_allclose(maps, wanted[name], atol=1e-5)
    assert [layer.dtype_policy.name for layer in mixed.layers] == before


def test_a_gradient_too_small_for_16_bits_is_kept():
    """1e-5 / 64 is below the smallest number of float16."""
    with_policy = keras.dtype_policies.DTypePolicy("mixed_float16")
    model, images = build_pooled(KERNEL * 1e-5), draw_images(size=8)
    for layer in model.layers[:-1]:
        layer.dtype_policy = with_policy
    wanted = np.maximum(images @ KERNEL[:, 0], 0) / 64 * 1e-5
    np.testing.assert_allclose(grad_cam(model, images, 0, raw=True), wanted, rtol=1e-3, atol=1e-10)


def test_the_network_is_left_as_it_was():
    model, images = build_deep(policy="mixed_float16", nested=True), draw_images()
    parts = [model, *model.layers, *model.get_layer("model_1").layers]
    predicted, weights = model.predict(images, verbose=0), model.get_weights()
    before = [(sorted(vars(layer)), layer.dtype_policy.name) for layer in parts]
    grad_cam(model, images)
    layer_activations(model, images)
    with pytest.raises(ParameterError, match="no maps"):  # found out after the network has run
        grad_cam(model, images, layer="hidden")
    assert [(sorted(vars(layer)), layer.dtype_policy.name) for layer in parts] == before
    np.testing.assert_array_equal(model.predict(images, verbose=0), predicted)
    for now, then in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(now, then)


def test_a_failure_inside_leaves_the_network_as_it_was(monkeypatch):
    model, images = build_deep(), draw_images()
    before = [sorted(vars(layer)) for layer in model.layers]

    def fail(values):
        raise RuntimeError("on purpose")

    with monkeypatch.context() as patch:
        patch.setattr("alllib.activations._to_numpy", fail)
        with pytest.raises(RuntimeError, match="on purpose"):
            layer_activations(model, images)
    assert [sorted(vars(layer)) for layer in model.layers] == before
    assert layer_activations(model, images)


CALLS = {
    "activations": lambda model, name: layer_activations(model, draw_images(), [name]),
    "filters": filters,
    "cam": lambda model, name: grad_cam(model, draw_images(), layer=name),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_wrong_layer_name_is_answered_with_the_nearest(call):
    with pytest.raises(ParameterError, match="no layer 'frist'") as caught:
        call(build_deep(nested=True), "frist")
    assert "'first'" in str(caught.value) and "deep" in str(caught.value)


@pytest.mark.parametrize("call", [CALLS["activations"], CALLS["cam"]], ids=["activations", "cam"])
@pytest.mark.parametrize("name", ["hidden", "flat", "last"])
def test_a_layer_without_maps_is_refused(call, name):
    with pytest.raises(ParameterError, match=f"'{name}' has no maps"):
        call(build_deep(), name)


@pytest.mark.parametrize("name", ["hidden", "pool", "normal"])
def test_filters_are_those_of_a_convolution(name):
    model = build_deep()
    with pytest.raises(ParameterError, match="no convolution"):
        filters(model, name)
    kernel = filters(model, "second")
    assert kernel.shape == (3, 3, 4, 5) and kernel.dtype == np.float32
    np.testing.assert_array_equal(kernel, model.get_layer("second").get_weights()[0])


@pytest.mark.parametrize("shape", [(16, 16, 3), (1, 8, 16, 3), (1, 16, 16, 1)])
def test_images_that_do_not_fit_are_refused(shape):
    for call in (grad_cam, layer_activations):
        with pytest.raises(ParameterError, match="takes images of shape"):
            call(build_deep(), np.zeros(shape, np.float32))


@pytest.mark.parametrize("classes", [3, -1, [0, 3], [0, 1, 2], [0.0, 1.0], ["ALL", "HEM"]])
def test_classes_that_do_not_fit_are_refused(classes):
    with pytest.raises(ParameterError, match="(?i)classes"):
        grad_cam(build_deep(), draw_images(2), classes)


def test_class_2_of_one_unit_is_refused():
    model = build_pooled(KERNEL[:, :1], activation="sigmoid")
    with pytest.raises(ParameterError, match="0 to 1"):
        grad_cam(model, draw_images(size=8), 2)


def test_a_network_without_dense_end_or_without_maps_is_refused():
    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(2, 1)(inputs)
    gate = layers.Dense(3, name="gate")(layers.GlobalAveragePooling2D()(maps))
    gated = layers.Conv2D(2, 1)(layers.Multiply()([inputs, layers.Reshape((1, 1, 3))(gate)]))
    open_end = keras.Model(inputs, layers.GlobalAveragePooling2D()(gated))
    with pytest.raises(ParameterError, match="does not end in a dense layer"):
        grad_cam(open_end, draw_images(size=8))
    flat = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs)))
    with pytest.raises(ParameterError, match="No layer has maps"):
        grad_cam(flat, draw_images(size=8))


def test_the_grid_standardises_each_channel():
    ramp = np.array([[-1.0, 1.0], [1.0, -1.0]])  # mean 0, deviation 1
    maps = np.stack([ramp, 1000 * ramp + 7, np.full((2, 2), 0.1)], axis=-1).astype(np.float32)
    grid = display_grid(maps)
    assert grid.dtype == np.uint8
    tile = [[64, 192], [192, 64]]
    np.testing.assert_array_equal(grid, np.hstack([tile, tile, np.full((2, 2), 128)]))
    in_rows = display_grid(maps, columns=2)
    np.testing.assert_array_equal(in_rows[:2], grid[:, :4])
    np.testing.assert_array_equal(in_rows[2:], np.hstack([grid[:, 4:], np.zeros((2, 2))]))


def test_the_grid_cuts_what_stands_out():
    maps = np.zeros((10, 10, 1))
    maps[0, 0] = 1  # (1 - 0.01) / 0.0995 is 9.95 deviations
    grid = display_grid(maps)
    assert grid[0, 0] == 255 and set(grid.flat) == {255, 121}  # 128 - 64 * 0.1005


@pytest.mark.parametrize("value", [0, 0.1, -3e7, 1e-30])
def test_a_constant_channel_is_even_grey(value):
    for kind in (np.float16, np.float32, np.float64):
        with np.errstate(over="ignore"):
            maps = np.full((7, 7, 3), np.clip(value, -6e4, None)).astype(kind)
        assert set(display_grid(maps).flat) == {128}


def test_the_grid_wants_one_image():
    with pytest.raises(ParameterError, match="not \\(1, 4, 4, 2\\)"):
        display_grid(np.zeros((1, 4, 4, 2)))
    with pytest.raises(ParameterError, match="columns"):
        display_grid(np.zeros((4, 4, 2)), columns=0)


def test_overlay_mixes_image_and_heat():
    image = np.full((4, 6, 3), 200, np.uint8)
    cam = np.zeros((4, 6), np.float32)
    cam[1, 2] = 1
    mixed = overlay(image, cam)
    assert mixed.shape == image.shape and mixed.dtype == np.uint8
    # Cividis runs from (0, 34, 78) to (254, 232, 56).
    np.testing.assert_allclose(mixed[0, 0], [100, 117, 139], atol=1)
    np.testing.assert_allclose(mixed[1, 2], [227, 216, 128], atol=1)
    np.testing.assert_array_equal(overlay(image, cam, alpha=0), image)
    np.testing.assert_array_equal(overlay(image / 255, cam), mixed)
    assert (image == 200).all()
    np.testing.assert_allclose(overlay(image, cam, alpha=1, colours="inferno")[0, 0], [0, 0, 4])


@pytest.mark.parametrize("arguments, words", [
    ({"cam": np.zeros((2, 2))}, "does not lie over"),
    ({"image": np.zeros((4, 4))}, "does not lie over"),
    ({"alpha": 1.5}, "alpha"),
    ({"colours": "cividus"}, "'cividis'"),
])  # fmt: skip
def test_overlay_refuses_what_does_not_fit(arguments, words):
    fitting = {"image": np.zeros((4, 4, 3), np.uint8), "cam": np.zeros((4, 4))}
    with pytest.raises(ParameterError, match=words):
        overlay(**fitting | arguments)


def test_without_padding_the_map_still_lies_over_what_it_saw():
    """A bright dot near a corner: stretched over the image, the map would point elsewhere."""
    import keras

    inputs = keras.Input((33, 33, 3))
    maps = keras.layers.Conv2D(1, 9, use_bias=False, name="wide")(inputs)
    maps = keras.layers.MaxPooling2D(2, name="pool")(maps)
    outputs = keras.layers.Dense(2, activation="softmax")(
        keras.layers.GlobalAveragePooling2D()(maps)
    )
    network = keras.Model(inputs, outputs)
    kernel = np.zeros((9, 9, 3, 1), np.float32)
    kernel[4, 4] = 1  # looks at the middle of its window
    network.get_layer("wide").set_weights([kernel])
    network.layers[-1].set_weights([np.array([[1.0, -1.0]], np.float32), np.zeros(2, np.float32)])
    image = np.zeros((1, 33, 33, 3), np.float32)
    image[0, 6, 25] = 1
    cam = grad_cam(network, image, 0)[0]
    row, column = np.unravel_index(cam.argmax(), cam.shape)
    assert abs(row - 6) <= 2 and abs(column - 25) <= 2
    assert not cam[:4].any() and not cam[:, -4:].any(), "no window looks that far out"
