"""Descent from scratch against Keras's optimisers, training loop and schedules."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib.backend import double_precision, load_keras
from alllib.errors import ParameterError
from alllib.lessons import descent, rates
from alllib.lessons.descent_figures import plot_lines, plot_paths
from alllib.recipes import list_recipes, load_recipe

BOWL = rates.make_bowl((1.0, 20.0), 25)
START = np.array([-4.0, 2.5])


def slope(w):
    """Gradient on the bowl, of very different sizes, and zero at a minimum."""
    return BOWL @ w


def asked(**given):
    return {"name": "SGD", "learning_rate": 0.01, **given}


OPTIMISERS = {name: dict(load_recipe(name).training.optimizer) for name in list_recipes()} | {
    "plain": asked(),
    "momentum": asked(momentum=0.9),
    "little momentum": asked(momentum=0.3, learning_rate=0.05),
    "nesterov": asked(momentum=0.9, nesterov=True),
    "nesterov without momentum": asked(momentum=0.0, nesterov=True),
    "rmsprop": {"name": "RMSprop", "learning_rate": 0.1, "rho": 0.5, "epsilon": 1e-3},
    "adam": {"name": "Adam", "learning_rate": 0.3, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-2},
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_each_rule_is_that_of_keras_step_by_step(name):
    given = OPTIMISERS[name]
    ours = descent.descend(descent.step_of(given), slope, START, steps=15)
    theirs = descent.keras_path(given, slope, START, steps=15)
    assert ours.shape == theirs.shape == (16, 2)
    assert np.abs(np.diff(ours, axis=0)).max() > 1e-5  # it moves at all
    assert np.abs(ours - theirs).max() < 1e-6


@pytest.mark.parametrize(
    ("step", "keras_name", "settings"),
    [
        (descent.plain_step, "SGD", {}),
        (descent.rmsprop_step, "RMSprop", {}),
        (descent.adam_step, "Adam", {}),
    ],
)
def test_default_settings_are_those_of_keras(step, keras_name, settings):
    ours = descent.descend(partial(step, learning_rate=0.01), slope, START, steps=10)
    given = {"name": keras_name, "learning_rate": 0.01, **settings}
    assert np.abs(ours - descent.keras_path(given, slope, START, steps=10)).max() < 1e-6


def test_rules_that_are_not_taught_are_refused():
    with pytest.raises(ParameterError, match="'Adamx' is not taught"):
        descent.step_of({"name": "Adamx", "learning_rate": 0.1})
    with pytest.raises(ParameterError, match="without amsgrad"):
        descent.step_of({"name": "Adam", "learning_rate": 0.1, "amsgrad": True})
    with pytest.raises(ParameterError, match="RMSprop is taught without momentum"):
        descent.step_of({"name": "RMSprop", "learning_rate": 0.1, "momentum": 0.5})


def test_nesterov_in_keras_is_the_gradient_ahead():
    eta, m, w, v = 0.02, 0.8, START.copy(), np.zeros(2)
    rule = partial(descent.nesterov_step, learning_rate=eta, momentum=m)
    path = descent.descend(rule, slope, START, steps=12)
    for stored in path[1:]:  # the textbook's w, and the point ahead that Keras stores
        v = m * v - eta * slope(w + m * v)
        w = w + v
        assert np.allclose(stored, w + m * v, atol=1e-12)


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 9))
def test_batches_hold_each_example_once(count, size, seed):
    found = list(descent.batches(count, size, np.random.default_rng(seed)))
    assert sorted(np.concatenate(found)) == list(range(count))
    assert [len(rows) for rows in found[:-1]] == [size] * (len(found) - 1)
    assert len(found) == math.ceil(count / size)


@pytest.mark.parametrize("size", [12, 5, 1])
def test_batch_mini_batch_and_stochastic_descent_are_keras_fit(size):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=12), rng.normal(size=12)
    columns = np.column_stack([np.ones(12), x])

    def gradient(w, rows):
        return 2 * columns[rows].T @ (columns[rows] @ w - y[rows]) / len(rows)

    class Unshuffled:
        def permutation(self, count):
            return np.arange(count)

    step = partial(descent.plain_step, learning_rate=0.05)
    ours = descent.run_epochs(
        step, gradient, [0.3, -0.2], count=12, size=size, epochs=2, rng=Unshuffled()
    )
    with double_precision():
        kernel, bias = fit_line(x, y, size)
    assert len(ours) == 1 + 2 * math.ceil(12 / size)
    assert np.allclose(ours[-1], [bias[0], kernel[0, 0]], atol=1e-6)


def fit_line(x, y, size):
    """Kernel and bias after two epochs of Keras's own training."""
    keras = load_keras()
    dense = keras.layers.Dense(1, dtype="float64")
    model = keras.Sequential([keras.Input((1,), dtype="float64"), dense])
    model.set_weights([np.array([[-0.2]]), np.array([0.3])])
    model.compile(keras.optimizers.SGD(0.05), "mse", run_eagerly=True)
    model.fit(x[:, None], y[:, None], batch_size=size, epochs=2, shuffle=False, verbose=0)
    return model.get_weights()


@given(st.floats(0.05, 0.99), st.floats(0.1, 50))
def test_a_rate_below_two_over_the_curvature_converges_and_one_above_does_not(part, curvature):
    for share, converges in ((2 * part, True), (2 + part, False)):
        rule = partial(descent.plain_step, learning_rate=share / curvature)
        path = descent.descend(rule, lambda w: curvature * w, np.ones(1), steps=30)[:, 0]
        assert (abs(path[-1]) < 1) == converges
        assert np.isclose(
            abs(path[-1]), rates.remaining(share / curvature, curvature, 30), rtol=1e-6, atol=1e-12
        )


def test_steps_needed_are_those_counted():
    needed = rates.steps_to_shrink(0.02, 3.0, 0.01)
    rule = partial(descent.plain_step, learning_rate=0.02)
    path = np.abs(descent.descend(rule, lambda w: 3 * w, np.ones(1), steps=100)[:, 0])
    assert np.flatnonzero(path <= 0.01)[0] == math.ceil(needed)
    assert rates.steps_to_shrink(1.0, 3.0, 0.01) == math.inf
    assert rates.steps_to_shrink(0.5, 2.0, 0.01) == 1
    flat = rates.least_curvature(0.02, 500, 0.01)
    assert np.isclose(rates.remaining(0.02, flat, 500), 0.01)


def test_schedules_are_those_of_keras():
    plans = load_keras().optimizers.schedules
    at = [0, 1, 7, 50, 99, 100, 130]
    pairs = [
        (
            partial(rates.cosine_rate, start=0.2, steps=100, floor=0.1),
            plans.CosineDecay(0.2, 100, 0.1),
        ),
        (
            partial(rates.exponential_rate, start=0.2, rate=0.5, every=20),
            plans.ExponentialDecay(0.2, 20, 0.5),
        ),
        (
            partial(rates.stair_rate, start=0.2, rate=0.5, every=20),
            plans.ExponentialDecay(0.2, 20, 0.5, staircase=True),
        ),
        (
            partial(rates.warmup_rate, target=0.2, warmup=10, steps=100),
            plans.CosineDecay(0.0, 90, 0.0, warmup_target=0.2, warmup_steps=10),
        ),
    ]
    for ours, theirs in pairs:
        assert np.allclose(ours(np.array(at)), [float(theirs(t)) for t in at], atol=1e-7)


@given(st.floats(0.1, 5), st.floats(5.1, 50), st.floats(-180, 180))
def test_a_bowl_has_the_curvatures_asked_for(low, high, angle):
    bowl = rates.make_bowl((low, high), angle)
    assert np.allclose(np.linalg.eigvalsh(bowl), [low, high])
    assert np.allclose(bowl, bowl.T)


def test_figures_show_a_line_for_each_entry():
    path = descent.descend(partial(descent.plain_step, learning_rate=0.05), slope, START, steps=5)
    paths = dict.fromkeys("abcd", path)
    figure = plot_paths(paths, lambda w: w @ BOWL @ w, window=(-5, 5, -3, 3))
    assert [axis.get_title() for axis in figure.axes if axis.get_title()] == list("abcd")
    figure = plot_lines(
        {"a": ([1, 2], [3, 4]), "b": ([1, 200], [3, 4])},
        labels=("x", "y"),
        scales=("log", "linear"),
        marks={"level": 3.5},
    )
    (axis,) = figure.axes
    assert len(axis.lines) == 3 and axis.get_xlabel() == "x"
    styles = {(line.get_color(), line.get_linestyle(), line.get_marker()) for line in axis.lines}
    assert len(styles) == 3
