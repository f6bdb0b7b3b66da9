"""What a run may set differently from its recipe."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .errors import ParameterError, suggest
from .recipes import Recipe

__all__ = ["PRECISIONS", "RunSettings"]

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class RunSettings:
    """What a run may set differently from its recipe; None means as in the recipe.

    Attributes
    ----------
    input_size : int
        Side of the network's input in pixels.
    epochs : int
    samples : int
        Augmented pictures, drawn once and used in every epoch; only for recipes that draw
        them, the others use each training image once an epoch.
    batch : int
        Images per step.
    weights : {"imagenet", "none"}
        Initial weights.
    backbone : {"trained", "frozen"}
    precision : {"auto", "float32", "mixed_float16", "mixed_bfloat16"}
        Keras's policy for the numbers of the network; "auto" suits the device, see
        `backend.best_precision`.
    patience : int
        Stop after so many epochs without a better value of what chooses the checkpoint (of the
        validation loss where that is the last epoch); 0 for never.
    seed : int
        Seed of initial weights, dropout, order and of what is varied from epoch to epoch.
    """

    input_size: int | None = None
    epochs: int | None = None
    samples: int | None = None
    batch: int | None = None
    weights: str | None = None
    backbone: str | None = None
    precision: str = "auto"
    patience: int | None = None
    seed: int = 1

    def filled(self, recipe: Recipe) -> RunSettings:
        """The same with the recipe's values in place of None.

        Raises
        ------
        ParameterError
            When a value is ill-typed, out of range or without effect.
        """
        drawn = recipe.augmentation.kind == "augmentor"
        if self.samples is not None and not drawn:
            raise ParameterError(
                f"samples = {self.samples!r} has no effect: {recipe.name} draws no pictures.",
                where="samples",
                remedy="Leave it out; an epoch shows each training image once.",
            )
        published = {
            "input_size": recipe.images.input,
            "epochs": recipe.training.epochs,
            "batch": recipe.training.batch,
            "weights": recipe.architecture.weights,
            "backbone": recipe.architecture.backbone,
            "patience": recipe.training.patience,
        } | ({"samples": recipe.augmentation.samples} if drawn else {})
        open_ones = {k: value for k, value in published.items() if getattr(self, k) is None}
        full = replace(self, **open_ones)
        least = {"input_size": 1, "epochs": 1, "batch": 1, "patience": 0, "seed": 0} | (
            {"samples": 1} if drawn else {}
        )
        for name, lowest in least.items():
            value = getattr(full, name)
            if type(value) is not int or not lowest <= value < 2**32:
                raise ParameterError(
                    f"{name} = {value!r} cannot be used.",
                    where=name,
                    remedy=f"Give a whole number, {lowest} or more.",
                )
        if full.precision not in PRECISIONS:
            raise ParameterError(
                f"precision = {full.precision!r} is not known.",
                where="precision",
                remedy=suggest(str(full.precision), PRECISIONS),
            )
        schedule = recipe.training.schedule
        if schedule["name"] == "cosine" and schedule["warmup"] >= full.epochs:
            raise ParameterError(
                f"The learning rate would rise for {schedule['warmup']} epochs, and there are "
                f"{full.epochs}.",
                where="training.schedule.warmup",
                remedy="Train for more epochs, or shorten the warmup.",
            )
        return full
