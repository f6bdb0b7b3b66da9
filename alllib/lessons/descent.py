"""Gradient descent from scratch: batches, the update rules of Keras, and where they lead."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from ..backend import double_precision, load_keras
from ..errors import ParameterError, suggest

__all__ = ["STEPS", "adam_step", "batches", "descend", "keras_path", "momentum_step",
           "nesterov_step", "plain_step", "rmsprop_step", "run_epochs", "step_of"]  # fmt: skip

Memory = dict[str, Any]
Step = Callable[[np.ndarray, np.ndarray, Memory], tuple[np.ndarray, Memory]]


def plain_step(w: np.ndarray, g: np.ndarray, memory: Memory, *, learning_rate: float):
    """One step of gradient descent.

    Parameters
    ----------
    w, g : numpy.ndarray
        Weights and gradient of the loss at them, of one shape.
    memory : dict
        What the rule keeps from step to step; empty before the first.
    learning_rate : float

    Returns
    -------
    tuple of numpy.ndarray and dict
        New weights and new memory; what was given is not changed.
    """
    return w - learning_rate * g, memory


def momentum_step(w, g, memory: Memory, *, learning_rate: float, momentum: float):
    """One step with momentum (Polyak 1964), as `keras.optimizers.SGD` does it.

    Parameters and result as in `plain_step`; `momentum` lies in [0, 1).
    """
    v = momentum * memory.get("v", 0.0) - learning_rate * g
    return w + v, {"v": v}


def nesterov_step(w, g, memory: Memory, *, learning_rate: float, momentum: float):
    """One step with Nesterov's momentum, as `keras.optimizers.SGD(nesterov=True)` does it.

    Parameters and result as in `plain_step`; `momentum` lies in [0, 1). The weights that are
    kept are those at which the gradient is taken (Sutskever et al. 2013, rewritten).
    """
    v = momentum * memory.get("v", 0.0) - learning_rate * g
    return w + momentum * v - learning_rate * g, {"v": v}


def rmsprop_step(w, g, memory: Memory, *, learning_rate: float, rho=0.9, epsilon=1e-7):
    """One step of RMSprop (Tieleman and Hinton 2012), as Keras does it: epsilon under the root.

    Parameters and result as in `plain_step`; `rho` is the share of the old mean square.
    """
    s = rho * memory.get("s", 0.0) + (1 - rho) * g**2
    return w - learning_rate * g / np.sqrt(s + epsilon), {"s": s}


def adam_step(
    w, g, memory: Memory, *, learning_rate: float, beta_1=0.9, beta_2=0.999, epsilon=1e-7
):
    """One step of Adam (Kingma and Ba 2015), as Keras does it: epsilon beside the raw root.

    Parameters and result as in `plain_step`; `beta_1` and `beta_2` are the shares of the old
    mean and of the old mean square.
    """
    t = memory.get("t", 0) + 1
    m = beta_1 * memory.get("m", 0.0) + (1 - beta_1) * g
    s = beta_2 * memory.get("s", 0.0) + (1 - beta_2) * g**2
    rate = learning_rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)
    return w - rate * m / (np.sqrt(s) + epsilon), {"t": t, "m": m, "s": s}


STEPS = {"SGD": plain_step, "RMSprop": rmsprop_step, "Adam": adam_step}
_LEFT_OUT = ("centered", "amsgrad")  # switches of Keras that no recipe turns on


def step_of(optimizer: Mapping[str, Any]) -> Step:
    """Update rule of a recipe's optimiser.

    Parameters
    ----------
    optimizer : mapping
        `name` (SGD, RMSprop or Adam) and the arguments that Keras takes.

    Returns
    -------
    callable
        Takes weights, gradient and memory, as `plain_step` does.

    Raises
    ------
    ParameterError
        When the rule, or a setting of it, is not taught here.
    """
    given = {key: value for key, value in optimizer.items() if value is not False}
    name = given.pop("name")
    if name not in STEPS:
        raise ParameterError(
            f"The optimiser {name!r} is not taught.", where="name", remedy=suggest(name, STEPS)
        )
    if not given.get("momentum", 1):
        del given["momentum"]  # zero: a rule without it
    unknown = [key for key in _LEFT_OUT if key in given]
    if unknown or (name != "SGD" and "momentum" in given):
        raise ParameterError(
            f"{name} is taught without {', '.join(unknown) or 'momentum'}.",
            where="optimizer",
            remedy="Leave it out, or use Keras.",
        )
    ahead = given.pop("nesterov", False)
    if "momentum" in given:
        return partial(nesterov_step if ahead else momentum_step, **given)
    return partial(STEPS[name], **given)


def descend(step: Step, gradient: Callable, start: np.ndarray, *, steps: int) -> np.ndarray:
    """Weights on the way down: the start, and those after each step.

    Parameters
    ----------
    step : callable
        An update rule, its settings filled in.
    gradient : callable
        Gradient of the loss at given weights.
    start : numpy.ndarray
        Weights, any shape.
    steps : int

    Returns
    -------
    numpy.ndarray
        Shape (steps + 1, *start.shape).
    """
    path, memory = [np.asarray(start, float)], {}
    for _ in range(steps):
        w, memory = step(path[-1], gradient(path[-1]), memory)
        path.append(w)
    return np.array(path)


def batches(count: int, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Numbers of the examples of one epoch, shuffled, `size` at a time; the last may be fewer."""
    order = rng.permutation(count)
    for first in range(0, count, size):
        yield order[first : first + size]


def run_epochs(step: Step, gradient: Callable, start, *, count: int, size: int, epochs: int, rng):
    """Mini-batch descent: one step for each batch of each epoch.

    With `size=count` it is batch descent, with `size=1` stochastic descent.

    Parameters
    ----------
    step : callable
        An update rule, its settings filled in.
    gradient : callable
        Gradient of the mean loss of some examples: takes weights and their numbers.
    start : numpy.ndarray
    count, size, epochs : int
        Number of examples, of those in a batch, and of passes through all of them.
    rng : numpy.random.Generator
        Shuffles.

    Returns
    -------
    numpy.ndarray
        Weights at the start and after each step.
    """
    path, memory = [np.asarray(start, float)], {}
    for _ in range(epochs):
        for rows in batches(count, size, rng):
            w, memory = step(path[-1], gradient(path[-1], rows), memory)
            path.append(w)
    return np.array(path)


@double_precision()
def keras_path(optimizer: Mapping[str, Any], gradient: Callable, start, *, steps: int):
    """The same as `descend`, by the optimiser of Keras and in double precision.

    Parameters
    ----------
    optimizer : mapping
        See `step_of`.
    gradient, start, steps
        See `descend`.

    Returns
    -------
    numpy.ndarray
        Shape (steps + 1, *start.shape), float64.
    """
    keras = load_keras()
    given = {key: value for key, value in optimizer.items() if key != "name"}
    rule = getattr(keras.optimizers, optimizer["name"])(**given)
    weights = keras.Variable(np.asarray(start, float), dtype="float64")
    path = [np.asarray(start, float)]
    for _ in range(steps):
        rule.apply([keras.ops.convert_to_tensor(gradient(path[-1]), "float64")], [weights])
        path.append(np.array(keras.ops.convert_to_numpy(weights), float))
    return np.array(path)
