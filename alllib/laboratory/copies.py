"""Augmented pictures that are no new pictures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..augmentation import copy_probability, firing_probability, plan_augmentation
from ..recipes import load_recipe
from .effects import Effect
from .scene import Scene

__all__ = ["copy_shares", "count_copies", "expected_copies"]

PLANS = 40


def copy_shares(plan: pd.DataFrame) -> dict[str, float]:
    """How many pictures of a plan are not new.

    Parameters
    ----------
    plan : pandas.DataFrame
        As `alllib.augmentation.plan_augmentation` gives.

    Returns
    -------
    dict of str to float
        `originals`: share of pictures that are an image as it was; `repeated`: share that
        stand in the plan before.
    """
    return {
        "originals": float((plan.symmetry == 0).mean()),
        "repeated": float(plan.duplicated(["image", "symmetry"]).mean()),
    }


def expected_copies(probability: float) -> dict[str, float]:
    """Shares of exact copies with the nominal and the true probability of an operation."""
    return {
        "nominal": copy_probability(probability),
        "true": copy_probability(firing_probability(probability)),
    }


def count_copies(scene: Scene, *, samples: int | None = None, plans: int = PLANS) -> list[Effect]:
    """Shares of copies in plans of the report's augmentation, each of another seed.

    Parameters
    ----------
    scene : Scene
    samples : int, optional
        Pictures of a plan; as many for each image as the report drew when not given.
    plans : int
        The interval is that of the shares among them.

    Returns
    -------
    list of Effect
        Exact copies of an original, and pictures that repeat one of the same plan.
    """
    recipe = load_recipe("mir2019-proposed")
    settings = recipe.augmentation
    if samples is None:
        samples = round(settings.samples / recipe.published["train_images"] * len(scene.cells))
    found = [
        copy_shares(
            plan_augmentation(
                scene.cells, samples=samples, probability=settings.probability, seed=seed
            )
        )
        for seed in range(settings.seed, settings.seed + plans)
    ]
    expected = expected_copies(settings.probability)
    notes = {
        "originals": f"The probability as written gives {expected['nominal']:.4f}, as Augmentor "
        f"applies it {expected['true']:.4f}.",
        "repeated": "Depends on how many pictures are drawn of how many images.",
    }
    systems = {"originals": "pictures that are an original", "repeated": "pictures drawn before"}
    return [
        _effect(scene, np.array([one[name] for one in found]), samples, systems[name], notes[name])
        for name in systems
    ]


def _effect(scene: Scene, shares: np.ndarray, samples: int, system: str, note: str) -> Effect:
    low, high = np.quantile(shares, [0.025, 0.975])
    value, several = float(shares.mean()), high > low
    return Effect(
        key="copies", dataset=scene.dataset, system=f"Augmentor, {system}",
        unit="share of pictures", honest=0.0, mistaken=value, difference=value,
        low=float(low) if several else None, high=float(high) if several else None,
        images=len(scene.cells), groups=len(shares), repeats=len(shares),
        resampled=f"plans of {samples:,} pictures", one_sided=True,
        note=f"{note} The interval holds 95 % of single plans.",
    )  # fmt: skip
