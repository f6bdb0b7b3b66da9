"""Convolution, pooling and what follows from them, in NumPy, as the chapter on them teaches.

Images have shape (height, width, channels), kernels (height, width, channels, filters). The
package trains with Keras's own layers; tests hold these here equal to them.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["change", "convolve", "convolve_loops", "count_operations", "count_weights",
           "dense_kernel", "field_size", "follows", "output_side", "pad", "pool", "pool_loops",
           "slide", "turn_round"]  # fmt: skip


def slide(image, kernel):
    """Sum of tile times kernel at each place where the kernel fits."""
    high, wide = kernel.shape
    rows, columns = image.shape[0] - high + 1, image.shape[1] - wide + 1
    found = np.zeros((rows, columns))
    for row in range(rows):
        for column in range(columns):
            tile = image[row : row + high, column : column + wide]
            found[row, column] = np.sum(tile * kernel)
    return found


def turn_round(kernel):
    """The kernel turned by half a turn in its first two axes."""
    return kernel[::-1, ::-1]


def output_side(side, window, stride=1, padding="valid"):
    """Places of a window along a side."""
    if padding == "same":
        return -(-side // stride)  # rounded up
    return (side - window) // stride + 1


def pad(image, window, stride=1, value=0.0):
    """Add what padding `same` adds, the odd row or column at the end."""
    edges = []
    for side in image.shape[:2]:
        places = output_side(side, window, stride, "same")
        missing = max((places - 1) * stride + window - side, 0)
        edges.append((missing // 2, missing - missing // 2))
    return np.pad(image, [*edges, (0, 0)], constant_values=value)


def convolve_loops(image, kernel, bias, *, stride=1, padding="valid"):
    """A convolution as networks have it, place by place."""
    window, filters = kernel.shape[0], kernel.shape[3]
    if padding == "same":
        image = pad(image, window, stride)
    rows = output_side(image.shape[0], window, stride)
    columns = output_side(image.shape[1], window, stride)
    maps = np.zeros((rows, columns, filters))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            tile = image[top : top + window, left : left + window]
            for number in range(filters):
                total = np.sum(tile * kernel[..., number])
                maps[row, column, number] = total + bias[number]
    return maps


def convolve(image, kernel, bias, *, stride=1, padding="valid"):
    """The same without loops: all tiles at once, times all filters."""
    window = kernel.shape[0]
    if padding == "same":
        image = pad(image, window, stride)
    tiles = sliding_window_view(image, (window, window), axis=(0, 1))
    tiles = tiles[::stride, ::stride]  # (row, column, channel, down, across)
    return np.einsum("rcxhw,hwxf->rcf", tiles, kernel, optimize=True) + bias


def pool_loops(image, window, *, stride=None, padding="valid", kind="max"):
    """Maximum or mean of each tile and channel; stride None: the window."""
    stride = stride or window
    if padding == "same":  # what was added counts for nothing
        image = pad(image, window, stride, value=np.nan)
    rows, columns = (output_side(side, window, stride) for side in image.shape[:2])
    summary = {"max": np.nanmax, "mean": np.nanmean}[kind]
    maps = np.zeros((rows, columns, image.shape[2]))
    for row in range(rows):
        for column in range(columns):
            top, left = row * stride, column * stride
            tile = image[top : top + window, left : left + window]
            maps[row, column] = summary(tile, axis=(0, 1))
    return maps


def pool(image, window, *, stride=None, padding="valid", kind="max"):
    """Maximum or mean of each tile and channel; stride None: the window."""
    stride = stride or window
    if padding == "same":  # nanmax and nanmean pass over what was added
        image = pad(image, window, stride, value=np.nan)
    tiles = sliding_window_view(image, (window, window), axis=(0, 1))
    tiles = tiles[::stride, ::stride]  # (row, column, channel, down, across)
    return {"max": np.nanmax, "mean": np.nanmean}[kind](tiles, axis=(3, 4))


def count_weights(window, channels, filters):
    """Weights of a convolution: a window over all channels and a bias for each filter."""
    return (window * window * channels + 1) * filters


def count_operations(window, channels, filters, places):
    """Multiply-accumulates of a convolution: one per weight of the window at each place."""
    return window * window * channels * filters * places


def field_size(steps):
    """Receptive field and stride after layers given as (window, stride)."""
    field, apart = 1, 1
    for window, stride in steps:
        field += (window - 1) * apart
        apart *= stride
    return field, apart


def dense_kernel(weights, shape):
    """Weights of a dense layer behind a flattening, as the kernel of a convolution.

    weights: (height * width * channels, units); shape: (height, width, channels).
    """
    return weights.reshape(*shape, -1)


def change(one, other):
    """Length of the difference, as a share of the length of the first."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(one))


def follows(maps, moved, shift, stride=1):
    """How far maps of an image moved left by `shift` are from the same maps, moved along.

    With a stride the maps can move by whole places only; the best such move counts.
    """
    steps = {shift // stride, -(-shift // stride)}
    return min(change(maps[:, step:], moved[:, : moved.shape[1] - step]) for step in steps)
