"""Checks of the report's augmentation: what Augmentor draws, and how often a copy."""

from __future__ import annotations

import functools

import pandas as pd

from ..augmentation import (
    SYMMETRIES,
    copy_probability,
    firing_probability,
    measure_firing,
    plan_augmentation,
)
from ..recipes import load_recipe
from .finding import Finding

__all__ = ["copy_share", "distinct_pictures", "drawn_copies", "fires", "forms", "times_seen"]


@functools.cache
def _plan(recipe: str) -> pd.DataFrame:
    """The pictures that the recipe's augmentation draws from as many images as the log found."""
    known = load_recipe(recipe)
    images = known.published["train_images_log"]
    # Which images they are has no bearing on the shares; numbers stand for them.
    cells = pd.DataFrame({"image": [f"{number:05d}" for number in range(images)]})
    chosen = known.augmentation
    return plan_augmentation(
        cells, samples=chosen.samples, probability=chosen.probability, seed=chosen.seed
    )


def forms(recipe: str) -> Finding:
    """In how many forms the plan shows images; one would be no augmentation."""
    number = int(_plan(recipe).symmetry.nunique())
    return Finding(number, agrees=number > 1)


def copy_share(recipe: str, true: bool) -> float:
    """Probability that a drawn picture is an exact copy of its image.

    With the nominal probability of each operation, or with that with which Augmentor truly
    applies it.
    """
    nominal = load_recipe(recipe).augmentation.probability
    return round(copy_probability(firing_probability(nominal) if true else nominal), 6)


def drawn_copies(recipe: str) -> Finding:
    """Share of exact copies among the pictures drawn by Augmentor itself with the seed."""
    plan = _plan(recipe)
    copies = int((plan.symmetry == SYMMETRIES.index("identity")).sum())
    nominal = copy_share(recipe, true=False)
    true = copy_share(recipe, true=True)
    return Finding(
        round(copies / len(plan), 4),
        f"{copies:,} of {len(plan):,} drawn pictures are exact copies of a training image. By "
        f"probability it would be {nominal:.1%} if each operation fired as often as asked for, "
        f"and is {true:.1%} as Augmentor draws.",
    )


def distinct_pictures(recipe: str) -> Finding:
    """Different pictures among those drawn: Augmentor draws with replacement."""
    plan = _plan(recipe)
    distinct, images = len(plan.drop_duplicates()), plan.image.nunique()
    of = load_recipe(recipe).published["train_images_log"]
    note = (
        f"{len(plan) - distinct:,} pictures were there already; {of - images:,} of {of:,} images "
        "are never drawn."
    )
    return Finding(distinct, note, agrees=distinct == len(plan))


def times_seen(recipe: str) -> int:
    """How often the network is shown each stored picture: once in each epoch."""
    return load_recipe(recipe).training.epochs


def fires(published: float) -> Finding:
    """Probability with which Augmentor applies an operation, computed and drawn."""
    drawn = measure_firing(published)
    return Finding(
        round(firing_probability(published), 3),
        f"Augmentor rounds its random number to one decimal first; of 20,000 draws, {drawn:.1%} "
        "fired.",
    )
