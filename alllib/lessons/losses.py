"""Losses and their gradients in NumPy, as the chapter on them teaches.

Each loss is a mean over images. Tests hold them and their gradients equal to Keras's.
"""

from __future__ import annotations

import numpy as np

from .activations import sigmoid, softmax

__all__ = ["balance_classes", "binary_cross_entropy", "binary_cross_entropy_gradient",
           "cosine_loss", "cosine_loss_gradient", "cross_entropy", "cross_entropy_gradient",
           "hinge", "hinge_gradient", "log_sum_exp", "mean_squared_error",
           "mean_squared_error_gradient", "negative_log_likelihood",
           "smooth_labels", "weighted_cross_entropy"]  # fmt: skip


def log_sum_exp(scores):
    """log of the sum of exp(scores) along the last axis, without overflow."""
    top = np.max(scores, axis=-1, keepdims=True)
    return top[..., 0] + np.log(np.exp(scores - top).sum(axis=-1))


def negative_log_likelihood(labels, probability):
    """-log of the probability of seeing these labels of 0 and 1."""
    seen = np.where(labels == 1, probability, 1 - probability)
    return -np.sum(np.log(seen))


def binary_cross_entropy(labels, scores):
    """Mean binary cross-entropy; a sigmoid makes scores probabilities.

    log(1 + exp(z)) - y z, written so that no exponential is large.
    """
    bend = np.log1p(np.exp(-np.abs(scores))) + np.maximum(scores, 0)
    return np.mean(bend - labels * scores)


def binary_cross_entropy_gradient(labels, scores):
    """Slope of the mean by each score: (p - y) / n."""
    return (sigmoid(scores) - labels) / np.size(scores)


def cross_entropy(targets, scores):
    """Mean categorical cross-entropy; softmax makes scores shares.

    targets: a probability of each class, shape (images, classes); mostly one 1 among 0s.
    """
    mass = targets.sum(axis=-1)
    true = (targets * scores).sum(axis=-1)
    return np.mean(mass * log_sum_exp(scores) - true)


def cross_entropy_gradient(targets, scores):
    """Slope of the mean by each score: (p - y) / images, for targets that add up to 1."""
    return (softmax(scores) - targets) / len(scores)


def mean_squared_error(targets, values):
    """Mean of the squared differences."""
    return np.mean((values - targets) ** 2)


def mean_squared_error_gradient(targets, values):
    """Slope of the mean by each value: 2 (v - y) / n."""
    return 2 * (values - targets) / np.size(values)


def hinge(signs, scores):
    """Mean of max(0, 1 - s z), for signs of -1 and 1."""
    return np.mean(np.maximum(0, 1 - signs * scores))


def hinge_gradient(signs, scores):
    """Slope of the mean by each score: -s / n inside the margin, else 0."""
    return np.where(signs * scores < 1, -signs, 0) / np.size(scores)


def cosine_loss(first, second):
    """Mean of -cos of the angle between vectors (rows): -1 for one direction, 1 for opposite."""
    return -np.mean(np.sum(_unit(first) * _unit(second), axis=-1))


def cosine_loss_gradient(first, second):
    """Slope of the mean by each entry of the second vectors."""
    one, other = _unit(first), _unit(second)
    along = np.sum(one * other, axis=-1, keepdims=True)
    length = np.linalg.norm(second, axis=-1, keepdims=True)
    return -(one - along * other) / (length * len(second))


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def smooth_labels(targets, amount):
    """Take a share from the true class and spread it evenly over all (Szegedy and others 2016)."""
    return (1 - amount) * targets + amount / targets.shape[-1]


def balance_classes(counts):
    """Weight of each class with which all classes count alike, with a mean of 1 over images."""
    counts = np.asarray(counts, float)
    return counts.sum() / (len(counts) * counts)


def weighted_cross_entropy(targets, scores, weights):
    """Cross-entropy in which an image counts by the weight of its class; divided by the images."""
    each = log_sum_exp(scores) - (targets * scores).sum(axis=-1)
    return np.mean(targets @ np.asarray(weights) * each)
