"""Backpropagation from scratch against Keras, against small steps and against the tape."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alllib.backend import double_precision, load_keras
from alllib.lessons import backpropagation as net
from alllib.lessons.backpropagation_figures import plot_agreement, plot_graph, plot_regions
from alllib.lessons.tape import Number


def example(sizes, seed=0, examples=7):
    rng = np.random.default_rng(seed)
    network = net.start_network(sizes, rng)
    network = [(w, rng.normal(scale=0.3, size=b.shape)) for w, b in network]
    classes = sizes[-1]
    label = rng.integers(max(2, classes), size=examples)
    y = np.eye(classes)[label] if classes > 1 else label[:, None].astype(float)
    return network, rng.normal(size=(examples, sizes[0])), y


SIZES = [(3, 2), (2, 1), (3, 5, 4, 2), (4, 6, 3), (2, 3, 3, 1)]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", list(net.SHAPES))
@pytest.mark.parametrize("sizes", SIZES)
def test_gradients_and_loss_are_those_of_keras(sizes, shape, dtype):
    network, x, y = example(sizes)
    outputs = net.forward(network, x, shape)
    ours = net.backward(network, outputs, y, shape)
    loss, theirs = net.keras_gradients(network, x, y, shape=shape, dtype=dtype)
    for (w, _), mine, other in zip(network, ours, theirs, strict=True):
        assert mine[0].shape == w.shape == other[0].shape
    gap = np.abs(net.flatten(ours) - net.flatten(theirs)).max()
    exact = dtype == "float64" and load_keras().backend.backend() == "tensorflow"
    assert gap < (1e-12 if exact else 1e-6)
    assert abs(loss - net.cross_entropy(outputs[-1], y)) < 1e-6


@double_precision()
def test_outputs_are_those_of_keras():
    keras = load_keras()
    network, x, _ = example((3, 5, 4, 2))
    layers = [
        keras.layers.Dense(len(b), activation=kind, dtype="float64")
        for (_, b), kind in zip(network, ("relu", "relu", "softmax"), strict=True)
    ]
    model = keras.Sequential([keras.Input((3,), dtype="float64"), *layers])
    model.set_weights([array for layer in network for array in layer])
    theirs = keras.ops.convert_to_numpy(model(x))
    assert np.allclose(net.probabilities(net.forward(network, x)[-1]), theirs, atol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 1000), st.sampled_from(SIZES), st.sampled_from(["sigmoid", "tanh"]))
def test_gradients_are_those_of_small_steps(seed, sizes, shape):
    network, x, y = example(sizes, seed)

    def loss(row):
        return net.cross_entropy(net.forward(net.unflatten(row, network), x, shape)[-1], y)

    slopes = net.backward(network, net.forward(network, x, shape), y, shape)
    found = net.numerical_gradient(loss, net.flatten(network), 1e-5)
    assert np.abs(found - net.flatten(slopes)).max() < 1e-8
    one_sided = net.numerical_gradient(loss, net.flatten(network), 1e-8, central=False)
    assert np.abs(one_sided - net.flatten(slopes)).max() < 1e-5


def test_a_wrong_gradient_is_found_by_small_steps():
    network, x, y = example((3, 4, 2))

    def loss(row):
        return net.cross_entropy(net.forward(net.unflatten(row, network), x, "tanh")[-1], y)

    wrong = net.backward(network, net.forward(network, x, "tanh"), y, "sigmoid")
    found = net.numerical_gradient(loss, net.flatten(network), 1e-5)
    assert np.abs(found - net.flatten(wrong)).max() > 1e-3


@given(st.lists(st.floats(-800, 800), min_size=2, max_size=5), st.integers(0, 4))
def test_softmax_and_cross_entropy_bear_large_numbers(values, place):
    z = np.array([values])
    p = net.softmax(z)
    y = np.eye(len(values))[[place % len(values)]]
    assert np.isclose(p.sum(), 1) and (p >= 0).all()
    loss = net.cross_entropy(z, y)
    assert np.isfinite(loss) and loss >= -1e-9
    assert np.allclose(net.softmax(z + 5), p)
    if p[y == 1] > 1e-300:
        assert np.isclose(loss, -np.log(p[y == 1][0]), atol=1e-9)


@given(st.floats(-800, 800), st.sampled_from([0.0, 1.0]))
def test_one_output_is_a_softmax_of_two(z, label):
    single, two = np.array([[z]]), np.array([[0.0, z]])
    assert np.isclose(net.sigmoid(single)[0, 0], net.softmax(two)[0, 1])
    both = np.array([[1 - label, label]])
    assert np.isclose(
        net.cross_entropy(single, np.array([[label]])), net.cross_entropy(two, both), atol=1e-9
    )


def test_flat_rows_and_back():
    network, *_ = example((3, 5, 2))
    back = net.unflatten(net.flatten(network), network)
    assert all(
        (a == b).all() for one, two in zip(network, back, strict=True)
        for a, b in zip(one, two, strict=True)
    )  # fmt: skip


def test_training_lowers_the_loss_and_leaves_the_start_alone():
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
    y = np.eye(2)[[0, 1, 1, 0]]
    start = net.start_network((2, 8, 2), np.random.default_rng(1))
    before = net.flatten(start).copy()
    end, losses = net.train_network(
        start, corners, y, learning_rate=0.3, size=4, epochs=600, rng=np.random.default_rng(1)
    )
    assert (net.flatten(start) == before).all()
    assert len(losses) == 601 and losses[-1] < 0.05 < losses[0]
    assert (net.forward(end, corners)[-1].argmax(axis=1) == y.argmax(axis=1)).all()


def test_one_step_of_training_is_one_of_keras():
    network, x, y = example((3, 5, 2))
    ours, _ = net.train_network(
        network, x, y, learning_rate=1.0, size=7, epochs=1, rng=np.random.default_rng(0)
    )
    _, slopes = net.keras_gradients(network, x, y)
    expected = net.flatten(network) - net.flatten(slopes)
    assert np.abs(net.flatten(ours) - expected).max() < 1e-6


def test_products_are_counted_as_the_matrices_are_shaped():
    counted = net.count_products((5, 4, 3), examples=10)
    assert counted == {"forward": [200, 120], "weights": [200, 120], "inputs": [0, 120]}


@given(st.lists(st.floats(-3, 3), min_size=5, max_size=5))
def test_the_tape_finds_the_slopes_of_the_network(values):
    a, b, c, d, e = values
    network = [(np.array([[a, b]]), np.zeros(2)), (np.array([[c], [d]]), np.array([e]))]
    outputs = net.forward(network, np.array([[1.5]]))
    slopes = net.flatten(net.backward(network, outputs, np.array([[1.0]])))
    numbers = [Number(value) for value in values]
    x = Number(1.5)
    units = [(numbers[k] * x).relu() for k in (0, 1)]
    z = numbers[2] * units[0] + numbers[3] * units[1] + numbers[4]
    loss = z.sigmoid().log() * -1.0
    for _ in range(2):  # a second walk starts from zero
        loss.backward()
    found = [number.slope for number in numbers]
    assert np.allclose(found, slopes[[0, 1, 4, 5, 6]], atol=1e-9)


def test_the_tape_adds_up_what_is_used_twice():
    w = Number(3.0)
    (w * w + w * 2.0 + 1.0).backward()
    assert w.slope == 8.0


def test_figures_hold_what_they_are_given():
    figure = plot_graph(
        {"x": (0, 0), "y": (1, 0)}, {("x", "y"): "2"},
        values={"x": 1.0, "y": 2.0}, slopes={"x": 2.0, "y": 1.0},
    )  # fmt: skip
    told = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert told.count("2") == 3 and "x" in told
    ours = np.array([1.0, 2.0])
    figure = plot_agreement({"one": (ours, ours), "two": (ours, ours)})
    assert [axis.get_title() for axis in figure.axes] == ["one", "two"]
    x = np.array([[0.0, 0.0], [1.0, 1.0]])
    figure = plot_regions(
        {"plane": (lambda points: points[:, 0].clip(0, 1), x, np.array([0, 1]))},
        names=[("a", "b")],
        classes=[("no", "yes")],
    )
    assert figure.axes[0].get_xlabel() == "a"
