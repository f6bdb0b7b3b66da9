"""Backpropagation from scratch: dense layers, their gradients, and ways to check these."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..backend import double_precision, load_keras
from .descent import batches

__all__ = ["SHAPES", "SLOPES", "backward", "count_products", "cross_entropy", "flatten",
           "forward", "keras_gradients", "numerical_gradient", "probabilities", "relu", "sigmoid",
           "softmax", "start_network", "train_network", "unflatten"]  # fmt: skip

Network = list[tuple[np.ndarray, np.ndarray]]  # weights (inputs, outputs) and biases (outputs,)


def relu(z):
    """Negative values become zero."""
    return np.maximum(z, 0.0)


def sigmoid(z):
    """Squeeze any number between 0 and 1; no number is too large for it."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1, small) / (1 + small)


def softmax(z):
    """Probabilities of the classes, one row each; the largest value is taken off first."""
    powers = np.exp(z - z.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


# The slope of each, from its own output h.
SHAPES: dict[str, Callable] = {"relu": relu, "sigmoid": sigmoid, "tanh": np.tanh}
SLOPES: dict[str, Callable] = {
    "relu": lambda h: h > 0,
    "sigmoid": lambda h: h * (1 - h),
    "tanh": lambda h: 1 - h**2,
}


def start_network(sizes: Sequence[int], rng: np.random.Generator) -> Network:
    """Random weights and zero biases for dense layers (He et al. 2015).

    Parameters
    ----------
    sizes : sequence of int
        Inputs, units of each hidden layer, outputs.
    rng : numpy.random.Generator

    Returns
    -------
    list of tuple of numpy.ndarray
        Weights, shape (inputs, outputs), and biases, shape (outputs,), of each layer, float64.
    """
    return [
        (rng.normal(scale=np.sqrt(2 / a), size=(a, b)), np.zeros(b))
        for a, b in zip(sizes[:-1], sizes[1:], strict=True)
    ]


def forward(network: Network, x: np.ndarray, shape: str = "relu") -> list[np.ndarray]:
    """Outputs of all layers for a batch: the input, each hidden layer, the last sums.

    Parameters
    ----------
    network : list of tuple of numpy.ndarray
    x : numpy.ndarray
        Shape (examples, inputs).
    shape : str
        Activation of the hidden layers, one of `SHAPES`.

    Returns
    -------
    list of numpy.ndarray
        One more than there are layers; the last are logits, before softmax or sigmoid.
    """
    outputs = [x]
    for number, (weights, biases) in enumerate(network, start=1):
        z = outputs[-1] @ weights + biases
        outputs.append(SHAPES[shape](z) if number < len(network) else z)
    return outputs


def probabilities(z: np.ndarray) -> np.ndarray:
    """Softmax of the logits; the sigmoid where there is one column."""
    return softmax(z) if z.shape[1] > 1 else sigmoid(z)


def cross_entropy(z: np.ndarray, y: np.ndarray) -> float:
    """Mean cross-entropy of a batch, from logits, so that no logarithm of zero is taken.

    Parameters
    ----------
    z : numpy.ndarray
        Logits, shape (examples, classes), or (examples, 1) for one probability.
    y : numpy.ndarray
        True classes in the same shape, one-hot, or 0 and 1.

    Returns
    -------
    float
        In nats.
    """
    if z.shape[1] == 1:
        return float(np.mean(np.logaddexp(0, z) - y * z))
    top = z.max(axis=1, keepdims=True)
    total = top[:, 0] + np.log(np.exp(z - top).sum(axis=1))
    return float(np.mean(total - (y * z).sum(axis=1)))


def backward(network: Network, outputs: list[np.ndarray], y: np.ndarray, shape: str = "relu"):
    """Gradients of the mean cross-entropy, layer by layer from the last to the first.

    Parameters
    ----------
    network : list of tuple of numpy.ndarray
    outputs : list of numpy.ndarray
        What `forward` returned for it.
    y : numpy.ndarray
        See `cross_entropy`.
    shape : str
        See `forward`.

    Returns
    -------
    list of tuple of numpy.ndarray
        Shaped like `network`.
    """
    gradients = []
    delta = (probabilities(outputs[-1]) - y) / len(y)
    for number in reversed(range(len(network))):
        h, (weights, _) = outputs[number], network[number]
        gradients.append((h.T @ delta, delta.sum(axis=0)))
        if number:  # nobody asks for the gradient of the input
            delta = (delta @ weights.T) * SLOPES[shape](h)
    return gradients[::-1]


def train_network(
    network: Network, x, y, *, learning_rate: float, size: int, epochs: int, rng, shape="relu"
):
    """Mini-batch descent with the gradients of `backward`.

    Parameters
    ----------
    network : list of tuple of numpy.ndarray
        The start; it is not changed.
    x, y : numpy.ndarray
        All examples.
    learning_rate : float
    size, epochs : int
        Examples in a batch, and passes through all of them.
    rng : numpy.random.Generator
        Shuffles.
    shape : str
        See `forward`.

    Returns
    -------
    tuple of list and list of float
        The trained network, and the loss on all examples before and after each epoch.
    """
    losses = [cross_entropy(forward(network, x, shape)[-1], y)]
    for _ in range(epochs):
        for rows in batches(len(x), size, rng):
            outputs = forward(network, x[rows], shape)
            slopes = backward(network, outputs, y[rows], shape)
            network = [
                (w - learning_rate * dw, b - learning_rate * db)
                for (w, b), (dw, db) in zip(network, slopes, strict=True)
            ]
        losses.append(cross_entropy(forward(network, x, shape)[-1], y))
    return network, losses


def flatten(network: Network) -> np.ndarray:
    """All weights and biases in one row, layer by layer."""
    return np.concatenate([array.ravel() for layer in network for array in layer])


def unflatten(row: np.ndarray, network: Network) -> Network:
    """The numbers of a row, shaped like a network; see `flatten`."""
    shaped, place = [], 0
    for weights, biases in network:
        middle, end = place + weights.size, place + weights.size + biases.size
        shaped.append((row[place:middle].reshape(weights.shape), row[middle:end]))
        place = end
    return shaped


def numerical_gradient(loss: Callable, w: np.ndarray, h: float, *, central: bool = True):
    """Gradient of a loss by small steps, one weight after the other.

    Parameters
    ----------
    loss : callable
        Takes an array of the shape of `w` and returns a number.
    w : numpy.ndarray
        Where; its dtype is the precision of the sums.
    h : float
        Step to either side, or to the right alone unless `central`.

    Returns
    -------
    numpy.ndarray
        Shape and dtype of `w`.
    """
    slopes = np.zeros_like(w)
    for place in np.ndindex(w.shape):
        right, left = w.copy(), w.copy()
        right[place] += h
        left[place] -= h if central else 0
        slopes[place] = (loss(right) - loss(left)) / (right[place] - left[place])
    return slopes


def count_products(sizes: Sequence[int], examples: int = 1) -> dict[str, list[int]]:
    """Multiplications of dense layers: of the forward pass, and of the two halves of the
    backward pass.

    Parameters
    ----------
    sizes : sequence of int
        See `start_network`.
    examples : int
        In a batch.

    Returns
    -------
    dict of str to list of int
        `forward`, `weights` (gradients of the weights) and `inputs` (gradients handed to the
        layer before; none for the first), one number for each layer.
    """
    products = [examples * a * b for a, b in zip(sizes[:-1], sizes[1:], strict=True)]
    return {"forward": products, "weights": products, "inputs": [0, *products[1:]]}


@double_precision()
def keras_gradients(network: Network, x, y, *, shape: str = "relu", dtype: str = "float64"):
    """Gradients of the same network as Keras finds them.

    Keras shows no gradients. One step of descent with learning rate 1 subtracts them from the
    weights, so they are the weights before less those after.

    Parameters
    ----------
    network, x, y, shape
        As in `forward` and `backward`.
    dtype : str
        Precision of the layers and of the loss.

    Returns
    -------
    tuple of float and list of tuple of numpy.ndarray
        The loss, and gradients shaped like `network`.
    """
    keras = load_keras()
    widths = [len(biases) for _, biases in network]
    shapes = [shape] * (len(network) - 1) + [None]  # the last are logits
    layers = [
        keras.layers.Dense(width, kind, dtype=dtype)
        for width, kind in zip(widths, shapes, strict=True)
    ]
    model = keras.Sequential(layers)
    model.build((None, x.shape[1]))
    before = [array for layer in network for array in layer]
    model.set_weights(before)
    kind = "Categorical" if widths[-1] > 1 else "Binary"
    loss = getattr(keras.losses, f"{kind}Crossentropy")
    loss = loss(from_logits=True, dtype=dtype)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    value = model.train_on_batch(x.astype(dtype), y.astype(dtype))
    after = model.get_weights()
    slopes = [old - new for old, new in zip(before, after, strict=True)]
    return float(value), list(zip(slopes[::2], slopes[1::2], strict=True))
