"""Check of the sheet's random parts: neighbours by file number that stand in both of two parts.

B-ALL names no patients. Its files are numbered, and images with neighbouring numbers are alike,
as if they were numbered patient by patient.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..baseline_runs import kept_predictions
from ..errors import RecordError
from ..layouts import image_number
from .finding import Finding
from .sheet import kept_scores, part_sizes

__all__ = ["beside_training", "expected_share"]


def beside_training() -> Finding:
    """Share of the test images to be expected that have a neighbour in the training part."""
    try:
        table = kept_predictions("ball2021")
    except RecordError:
        return Finding(
            None, reason="No list of the B-ALL files is kept, so that their numbers are not known: "
            "`alllib baselines ball2021 --record` would settle it."
        )  # fmt: skip
    names = table[["image", "label"]].drop_duplicates("image")
    sizes = part_sizes()
    found = {
        label: expected_share(map(image_number, part.image), sizes["train"][label])
        for label, part in names.groupby("label")
    }
    value = sum(share * sizes["test"][label] for label, share in found.items())
    value /= sum(sizes["test"].values())
    image, blocks = kept_scores("image")["six"], kept_scores("blocks")["six"]
    return Finding(
        round(value, 3),
        note=f"Share of the test images to be expected, by the numbers of the {len(names):,} files "
        "that have one. That neighbours resemble each other shows in six colour numbers and a "
        f"forest: accuracy {image:.3f} when images are drawn one by one, {blocks:.3f} when blocks "
        "of neighbouring numbers stay together. Whose cells they are no list says.",
    )


def expected_share(numbers: Iterable[int], trained: int) -> float:
    """Probability that an image that is held back has a neighbour in training.

    Parameters
    ----------
    numbers : iterable of int
        Of the images of one class; neighbours differ by one.
    trained : int
        How many of them are drawn for training.

    Returns
    -------
    float
        Mean over the images, each with the others dealt out at random.
    """
    known = set(numbers)
    others, spared = len(known) - 1, len(known) - 1 - trained
    total = 0.0
    for number in known:
        alone = 1.0
        for used in range((number - 1 in known) + (number + 1 in known)):
            alone *= (spared - used) / (others - used)
        total += 1 - alone
    return total / len(known)
