"""What turns stored pixels into a network's input, computed where the network is.

The same changes as in `augmentation`, written in Keras's operations: on an accelerator they
cost next to nothing, and only rows, symmetries and a few drawn numbers travel to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .backend import load_keras

if TYPE_CHECKING:
    import keras

__all__ = ["picture_layer", "picture_model", "scale_levels", "turn_images", "vary_images"]


def turn_images(images, symmetries):
    """Apply to each image of a batch its own symmetry; equal to `apply_symmetries`.

    Parameters
    ----------
    images : tensor
        Shape (n, side, side, channels), any dtype.
    symmetries : tensor
        Shape (n,), integers 0 to 7, see `augmentation.SYMMETRIES`.

    Returns
    -------
    tensor
        Shape and dtype of `images`.
    """
    ops = load_keras().ops
    number = ops.reshape(ops.cast(symmetries, "int32"), (-1, 1, 1, 1))
    quarters = number % 4
    # A turn by a quarter is a swap of the axes and a mirror; so every symmetry is a mirror, a
    # swap and two mirrors, each done or not.
    images = ops.where(number >= 4, ops.flip(images, axis=2), images)
    images = ops.where(quarters % 2 == 1, ops.swapaxes(images, 1, 2), images)
    images = ops.where((quarters == 1) | (quarters == 2), ops.flip(images, axis=1), images)
    return ops.where(quarters >= 2, ops.flip(images, axis=2), images)


def vary_images(images, changes):
    """Turn, mirror, and change brightness and contrast as `augmentation.vary_image` does.

    Parameters
    ----------
    images : tensor
        Shape (n, side, side, 3), uint8.
    changes : tensor
        Shape (n, 5), float32, rows as `augmentation.draw_change` gives them.

    Returns
    -------
    tensor
        Shape of `images`, float32, whole grey levels from 0 to 255. They differ from those
        of `vary_image` by at most a rounding.
    """
    ops = load_keras().ops
    angle, bright, contrasting, top, left = (
        ops.reshape(changes[:, column], (-1, 1, 1, 1)) for column in range(5)
    )
    levels = _rotated(images, angle)
    levels = ops.where(top > 0.5, ops.flip(levels, axis=1), levels)
    levels = ops.where(left > 0.5, ops.flip(levels, axis=2), levels) * bright
    mean = ops.mean(levels, axis=(1, 2, 3), keepdims=True)
    levels = mean + (levels - mean) * contrasting
    return ops.clip(ops.round(levels), 0, 255)


def _rotated(images, degrees):
    """Bilinear turn about the centre, what it uncovers mirrored at the edge; whole levels."""
    ops = load_keras().ops
    side = images.shape[1]
    centre = (side - 1) / 2
    angle = ops.reshape(degrees, (-1, 1, 1)) * np.float32(np.pi / 180)
    cosine, sine = ops.cos(angle), ops.sin(angle)
    across = np.arange(side, dtype=np.float32)[None, None, :] - np.float32(centre)
    down = np.arange(side, dtype=np.float32)[None, :, None] - np.float32(centre)
    # Where each pixel comes from.
    column = cosine * across - sine * down + centre
    row = sine * across + cosine * down + centre
    left, top = ops.floor(column), ops.floor(row)
    x, y = ops.expand_dims(column - left, -1), ops.expand_dims(row - top, -1)
    pixels = ops.reshape(ops.cast(images, "float32"), (-1, side * side, 3))

    def at(rows, columns):
        place = _mirrored(rows, side) * side + _mirrored(columns, side)
        place = ops.reshape(place, (-1, side * side, 1))
        found = ops.take_along_axis(pixels, place, axis=1)
        return ops.reshape(found, (-1, side, side, 3))

    upper = at(top, left) * (1 - x) + at(top, left + 1) * x
    lower = at(top + 1, left) * (1 - x) + at(top + 1, left + 1) * x
    # Pillow cuts fractions off; a whole level must not fall below itself by a rounding error.
    return ops.floor(upper * (1 - y) + lower * y + np.float32(1e-4))


def _mirrored(place, side: int):
    """Whole places beyond an edge mirrored into the image; the edge itself is not repeated."""
    ops = load_keras().ops
    place = ops.abs(ops.cast(place, "int32"))
    return ops.clip(ops.minimum(place, 2 * (side - 1) - place), 0, side - 1)


def scale_levels(images, mode: str):
    """Grey levels as a network expects them; equal to `pictures.scale_images` up to the last bit,
    because a compiler multiplies by 1/255.

    Parameters
    ----------
    images : tensor
        Shape (n, side, side, 3), grey levels 0 to 255.
    mode : {"unit", "caffe", "tf", "torch"}

    Returns
    -------
    tensor
        Same shape, float32.
    """
    keras = load_keras()
    levels = keras.ops.cast(images, "float32")
    if mode == "unit":
        return levels / 255
    return keras.applications.imagenet_utils.preprocess_input(
        levels, data_format="channels_last", mode=mode
    )


def picture_layer(scale: str, images: np.ndarray | None = None) -> keras.Layer:
    """Layer from what a feed sends to scaled pictures.

    Parameters
    ----------
    scale : str
        See `scale_levels`.
    images : numpy.ndarray, optional
        Shape (n, side, side, 3), uint8: a whole store, which is then kept on the device.

    Returns
    -------
    keras.Layer
        Takes a dictionary with `images` (uint8) or, where it keeps the store, `rows`; and
        `symmetries` and `changes` where the pictures are still to be turned and varied.
        Gives shape (k, side, side, 3), float32.
    """
    keras = load_keras()

    class PictureLayer(keras.Layer):
        def __init__(self):
            # Half precision starts inside the network.
            super().__init__(name="pictures", dtype="float32", autocast=False, trainable=False)
            if images is not None:
                self.table = self.add_weight(
                    shape=images.shape, dtype="uint8", trainable=False, name="store",
                    initializer=lambda *_, **__: keras.ops.convert_to_tensor(images),
                )  # fmt: skip

        def build(self, shapes):
            self.built = True

        def call(self, inputs):
            rows = inputs.get("rows")
            found = inputs["images"] if rows is None else keras.ops.take(self.table, rows, axis=0)
            if "symmetries" in inputs:
                found = turn_images(found, inputs["symmetries"])
            if "changes" in inputs:
                found = vary_images(found, inputs["changes"])
            return scale_levels(found, scale)

    return PictureLayer()


def picture_model(layer: keras.Layer, network: keras.Model) -> keras.Model:
    """Model that takes what a feed sends: a picture layer, and the network behind it.

    Parameters
    ----------
    layer : keras.Layer
        As `picture_layer` gives it; several models may share one.
    network : keras.Model

    Returns
    -------
    keras.Model
        Shares its variables with both.
    """
    keras = load_keras()

    class PictureModel(keras.Model):
        def __init__(self):
            super().__init__(name=f"seeing_{network.name}", dtype="float32")
            self.autocast = False
            self.pictures, self.network = layer, network

        def build(self, shapes):
            self.built = True

        def call(self, inputs, training=None):
            return self.network(self.pictures(inputs), training=training)

    return PictureModel()
