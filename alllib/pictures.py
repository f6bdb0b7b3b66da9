"""What a network is shown in an epoch: rows of a store, each in one form.

Every picture follows from (seed, epoch, place) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .augmentation import apply_symmetries, draw_change, plan_augmentation, plan_balance, vary_image
from .backend import load_keras
from .errors import DataError
from .recipes import Recipe
from .store import Store

__all__ = ["PLACES", "Pictures", "one_hot", "scale_images", "still_pictures", "training_pictures"]

# Where a picture is made: all of it by the processor; turned, varied and scaled on the device;
# or looked up there too, in a store that is kept on the device.
PLACES = ("host", "device", "resident")


def scale_images(images: np.ndarray, mode: str = "unit") -> np.ndarray:
    """Grey levels as a network expects them.

    Parameters
    ----------
    images : numpy.ndarray
        Shape (..., 3), uint8.
    mode : {"unit", "caffe", "tf", "torch"}
        "unit" gives 0..1; the others are those of Keras's `preprocess_input`.

    Returns
    -------
    numpy.ndarray
        Same shape, float32.
    """
    if mode == "unit":
        return images.astype(np.float32) / np.float32(255)
    scaled = load_keras().applications.imagenet_utils.preprocess_input(
        images.astype(np.float32), data_format="channels_last", mode=mode
    )
    return np.asarray(scaled, dtype=np.float32)


def one_hot(labels: pd.Series, classes: tuple[str, ...]) -> np.ndarray:
    """Targets of shape (n, classes), float32.

    Raises
    ------
    DataError
        When a label is none of the classes.
    """
    targets = pd.Index(classes).get_indexer(labels)
    if (targets < 0).any():
        raise DataError(
            f"Class {labels.iloc[int(np.argmax(targets < 0))]!r} is none of the data set's.",
            where=f"classes {', '.join(classes)}",
            remedy="Split the cell table of one data set, as `load_cells` gives it.",
        )
    return np.eye(len(classes), dtype=np.float32)[targets]


@dataclass(frozen=True)
class Pictures:
    """What is shown to a network in an epoch: rows of a store, each in one form.

    Attributes
    ----------
    store : Store
    rows : numpy.ndarray
        Shape (n,), row of each picture in the store.
    symmetries : numpy.ndarray
        Shape (n,), uint8, see `augmentation.SYMMETRIES`.
    labels : pandas.Series
        Shape (n,), class names.
    scale : str
        See `scale_images`.
    varied : dict or None
        Settings of `vary_image`, drawn anew in each epoch; None for still pictures.
    """

    store: Store
    rows: np.ndarray
    symmetries: np.ndarray
    labels: pd.Series
    scale: str
    varied: dict | None = None

    def take(self, chosen: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
        """Pictures of an epoch, shape (k, size, size, 3), float32; `seed` is (seed, epoch)."""
        return scale_images(self._shown(chosen, seed), self.scale)

    def inputs(
        self, chosen: np.ndarray, seed: tuple[int, int], *, place: str
    ) -> dict[str, np.ndarray]:
        """What `transforms.picture_layer` makes the same pictures of.

        Parameters
        ----------
        chosen : numpy.ndarray
            Shape (k,), positions.
        seed : tuple of int
            (seed, epoch).
        place : str
            One of `PLACES`.

        Returns
        -------
        dict of str to numpy.ndarray
            `images` (k, size, size, 3), uint8, or `rows` (k,), int32; and, where the pictures
            are not made by the processor, `symmetries` (k,), uint8, and `changes` (k, 5),
            float32, if there are such.
        """
        if place == "host":
            return {"images": self._shown(chosen, seed)}
        rows = self.rows[chosen]
        if place == "resident":
            sent = {"rows": rows.astype(np.int32)}
        else:
            sent = {"images": self.store.images[rows]}
        if self.symmetries.any():
            sent["symmetries"] = self.symmetries[chosen]
        if self.varied is not None:
            drawn = [draw_change(_generator(seed, row), **self.varied) for row in chosen]
            sent["changes"] = np.array(drawn, np.float32)
        return sent

    def _shown(self, chosen: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
        images = apply_symmetries(self.store.images[self.rows[chosen]], self.symmetries[chosen])
        if self.varied is None:
            return images
        return np.stack(
            [
                vary_image(image, _generator(seed, row), **self.varied)
                for image, row in zip(images, chosen, strict=True)
            ]
        )

    def __len__(self) -> int:
        return len(self.rows)


def training_pictures(
    recipe: Recipe, cells: pd.DataFrame, store: Store, *, samples: int, scale: str
) -> Pictures:
    """Pictures of the training part as the recipe's augmentation gives them.

    Parameters
    ----------
    recipe : Recipe
    cells : pandas.DataFrame
        Rows of the training part.
    store : Store
    samples : int
        Pictures that Augmentor draws; not used by other kinds of augmentation.
    scale : str
        See `scale_images`.

    Returns
    -------
    Pictures
    """
    chosen = recipe.augmentation
    if chosen.kind not in ("augmentor", "balanced"):
        varied = None
        if chosen.kind == "online":
            names = ("brightness", "contrast", "rotation", "flips")
            varied = {name: getattr(chosen, name) for name in names}
        return still_pictures(cells, store, scale=scale, varied=varied)
    if chosen.kind == "balanced":
        plan = plan_balance(cells, seed=chosen.seed)
    else:
        plan = plan_augmentation(
            cells, samples=samples, probability=chosen.probability, seed=chosen.seed
        )
    labels = cells.set_index("image").label[plan.image]
    return Pictures(store, store.rows(plan.image), plan.symmetry.to_numpy(), labels, scale)


def still_pictures(
    cells: pd.DataFrame, store: Store, *, scale: str, varied: dict | None = None
) -> Pictures:
    """Each image of a table once, as it is in the store."""
    symmetries = np.zeros(len(cells), np.uint8)
    return Pictures(store, store.rows(cells.image), symmetries, cells.label, scale, varied)


def _generator(seed: tuple[int, int], place: int) -> np.random.Generator:
    """Source of the draws for one picture of one epoch."""
    return np.random.default_rng([*seed, int(place)])
