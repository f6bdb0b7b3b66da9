"""Activations, losses and the deep network of the lessons, held equal to Keras."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alllib.backend import gradient, load_keras
from alllib.lessons import activations, deep, losses

VALUES = arrays(
    np.float64, st.integers(1, 12), elements=st.floats(-30, 30, width=32, allow_subnormal=False)
)
SEEDS = st.integers(0, 2**31)
BENDS = ("relu", "leaky_relu", "sigmoid", "tanh")


def keras_bend(name):
    ops = load_keras().ops
    if name == "leaky_relu":
        return lambda x: ops.leaky_relu(x, negative_slope=activations.LEAK)
    return getattr(ops, name)


def same(ours, theirs, within=1e-5):
    return np.allclose(ours, np.asarray(theirs), rtol=within, atol=within)


@pytest.mark.parametrize("name", BENDS)
@settings(max_examples=30, deadline=None)
@given(values=VALUES)
def test_an_activation_and_its_slope_are_those_of_keras(name, values):
    function = keras_bend(name)
    assert same(getattr(activations, name)(values), function(values.astype("f4")))
    assert same(getattr(activations, f"{name}_slope")(values), gradient(function, values))


def test_the_leak_is_that_of_keras():
    values = np.array([-1.0, 1.0])
    assert same(activations.leaky_relu(values), load_keras().activations.leaky_relu(values))


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(2, 5), st.integers(1, 4), st.floats(0.1, 50))
def test_softmax_is_that_of_keras(seed, classes, rows, spread):
    ops = load_keras().ops
    scores = spread * np.random.default_rng(seed).normal(size=(rows, classes))
    shares = activations.softmax(scores)
    assert same(shares, ops.softmax(scores.astype("f4")), 1e-4)
    assert np.allclose(shares.sum(axis=1), 1)
    slopes = activations.softmax_slopes(scores)
    for place in range(classes):
        theirs = gradient(lambda x, k=place: ops.softmax(x)[:, k], scores)
        assert same(slopes[:, place], theirs, 1e-4)


def test_large_scores_break_the_naive_softmax_alone():
    scores = np.array([1000.0, 1001.0])
    with np.errstate(over="ignore", invalid="ignore"):
        assert np.isnan(activations.naive_softmax(scores)).all()
    assert np.allclose(activations.softmax(scores), activations.naive_softmax(scores - 1000))
    for x in (-1e4, 1e4):
        assert activations.sigmoid(x) in (0, 1) and np.isfinite(activations.sigmoid_slope(x))


def draw_case(seed, images, classes):
    rng = np.random.default_rng(seed)
    scores = 4 * rng.normal(size=(images, classes))
    return rng, scores, np.eye(classes)[rng.integers(0, classes, images)]


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 6), st.integers(2, 4), st.sampled_from([0.0, 0.1, 0.3]))
def test_categorical_cross_entropy_is_that_of_keras(seed, images, classes, amount):
    rng, scores, targets = draw_case(seed, images, classes)
    loss = load_keras().losses.CategoricalCrossentropy(from_logits=True, label_smoothing=amount)
    smooth = losses.smooth_labels(targets, amount)
    assert same(losses.cross_entropy(smooth, scores), loss(targets, scores))
    theirs = gradient(lambda x: loss(targets.astype("f4"), x), scores)
    assert same(losses.cross_entropy_gradient(smooth, scores), theirs)
    weights = rng.uniform(0.2, 3, classes)
    plain = load_keras().losses.CategoricalCrossentropy(from_logits=True)
    theirs = plain(targets, scores, sample_weight=targets @ weights)
    assert same(losses.weighted_cross_entropy(targets, scores, weights), theirs)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 8))
def test_losses_of_one_number_an_image_are_those_of_keras(seed, images):
    keras = load_keras()
    rng = np.random.default_rng(seed)
    scores, labels = 4 * rng.normal(size=images), rng.integers(0, 2, images).astype(float)
    pairs = {
        "binary_cross_entropy": keras.losses.BinaryCrossentropy(from_logits=True),
        "mean_squared_error": keras.losses.MeanSquaredError(),
        "hinge": keras.losses.Hinge(),
    }
    for name, loss in pairs.items():
        given_labels = 2 * labels - 1 if name == "hinge" else labels
        ours = getattr(losses, name)(given_labels, scores)
        assert same(ours, loss(given_labels, scores)), name
        theirs = gradient(lambda x, f=loss, y=given_labels: f(y.astype("f4"), x), scores)
        assert same(getattr(losses, f"{name}_gradient")(given_labels, scores), theirs), name


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 5), st.integers(2, 5))
def test_cosine_loss_is_that_of_keras(seed, rows, length):
    first, second = np.random.default_rng(seed).normal(size=(2, rows, length))
    loss = load_keras().losses.CosineSimilarity()
    assert same(losses.cosine_loss(first, second), loss(first, second))
    theirs = gradient(lambda x: loss(first.astype("f4"), x), second)
    assert same(losses.cosine_loss_gradient(first, second), theirs, 1e-4)


def test_two_scores_say_the_same_as_one():
    scores = np.random.default_rng(5).normal(size=20)
    labels = (np.arange(20) % 2).astype(float)
    both = np.column_stack([np.zeros(20), scores])
    targets = np.column_stack([1 - labels, labels])
    assert np.isclose(
        losses.cross_entropy(targets, both), losses.binary_cross_entropy(labels, scores)
    )
    assert np.allclose(activations.softmax(both)[:, 1], activations.sigmoid(scores))


def test_likelihood_is_highest_at_the_share_seen_and_is_n_times_the_cross_entropy():
    labels = np.array([1, 1, 0, 1])
    tried = np.linspace(0.01, 0.99, 99)
    found = [losses.negative_log_likelihood(labels, p) for p in tried]
    assert np.isclose(tried[np.argmin(found)], labels.mean())
    score = np.full(4, np.log(0.3 / 0.7))
    assert np.isclose(
        losses.negative_log_likelihood(labels, 0.3),
        4 * losses.binary_cross_entropy(labels, score),
    )


def test_balanced_classes_count_alike():
    counts = np.array([30, 10])
    weights = losses.balance_classes(counts)
    assert np.isclose(*(weights * counts)) and np.isclose((weights * counts).sum(), counts.sum())


PAIRS = {"sigmoid": "sigmoid", "tanh": "tanh", "ReLU": "relu", "leaky ReLU": "leaky_relu"}


@pytest.mark.parametrize(("bend", "name"), PAIRS.items())
def test_gradients_of_the_deep_network_are_those_of_keras(bend, name):
    keras = load_keras()
    rng = np.random.default_rng(11)
    layers = deep.draw_layers((3, 5, 4, 1), rng, gain=2.0)
    inputs, labels = rng.normal(size=(7, 3)), (rng.random(7) < 0.5).astype(float)
    sums, given_values = deep.forward(layers, inputs, bend)
    slopes = deep.backward(layers, sums, given_values, labels, bend)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)

    def run(place, weights):
        values = inputs.astype("f4")
        for number, (own, bias) in enumerate(layers):
            used = weights if number == place else own.astype("f4")
            values = keras.ops.matmul(values, used) + bias.astype("f4")
            if number < len(layers) - 1:
                values = keras_bend(name)(values)
        return loss(labels.astype("f4"), values[:, 0])

    for place, (weights, _) in enumerate(layers):
        theirs = gradient(lambda w, k=place: run(k, w), weights)
        assert same(slopes[place][0], theirs)
    norms = deep.layer_norms(layers, inputs, labels, bend)
    assert np.allclose(norms, [np.linalg.norm(w) for w, _ in slopes])


def test_descent_lowers_the_loss_and_biases_have_their_gradient():
    rng = np.random.default_rng(2)
    layers = deep.draw_layers((2, 6, 1), rng, gain=2.0)
    inputs = rng.normal(size=(30, 2))
    labels = (inputs[:, 0] > 0).astype(float)
    _, loss, silent = deep.descend(layers, inputs, labels, "ReLU", rates=[0.5] * 50)
    assert loss[-1] < 0.5 * loss[0] and silent.shape == loss.shape
    sums, given_values = deep.forward(layers, inputs, "ReLU")
    (_, bias), _ = deep.backward(layers, sums, given_values, labels, "ReLU")
    step, moved = 1e-6, [(w, b.copy()) for w, b in layers]
    moved[0][1][0] += step
    ahead = losses.binary_cross_entropy(labels, deep.forward(moved, inputs, "ReLU")[0][-1][:, 0])
    assert np.isclose((ahead - loss[0]) / step, bias[0], atol=1e-4)


def test_a_unit_is_silent_when_no_input_reaches_it():
    sums = [np.array([[-1.0, 2.0], [0.0, -3.0]]), np.array([[1.0], [1.0]])]
    assert deep.silent_share(sums) == 0.5
