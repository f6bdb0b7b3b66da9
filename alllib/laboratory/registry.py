"""The mistakes of the laboratory: what was done, by which work, and what it does to a number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ParameterError, suggest
from .copies import count_copies
from .counting import average_batches, leave_dropout_on, praise_majority
from .effects import Effect
from .labels import join_by_listing
from .scene import Scene
from .selection import choose_on_reported, report_validation
from .sharing import oversample_first, split_by_image
from .shortcuts import clip_one_class, lean_on_looks

__all__ = ["MISTAKES", "Mistake", "get_mistake"]


@dataclass(frozen=True)
class Mistake:
    """One experiment of the laboratory.

    Attributes
    ----------
    key, title : str
    sources : tuple of str
        Keys of the works that did it; empty where none of the five did.
    done : str
        What was done.
    does : str
        What that does to the number.
    smears : bool
        Whether it is made on the smears of the subtypes too, where no subject is named.
    measure : callable
        Effects of it on a prepared `Scene`.
    """

    key: str
    title: str
    sources: tuple[str, ...]
    done: str
    does: str
    smears: bool
    measure: Callable[[Scene], list[Effect]]


MISTAKES = {
    entry.key: entry
    for entry in (
        Mistake(
            "image_split", "Split by image",
            ("mir2019report", "unnithan2021poster", "ball2023densenet"),
            "Images were dealt to the parts without regard to persons, so that cells of one "
            "person may stand in several parts.",
            "What is remembered of a person counts as what is known of the disease.",
            True, split_by_image,
        ),
        Mistake(
            "oversampling", "Multiplied before the split", ("garg2021transfer",),
            "The counts of the published matrix are those of a balanced set; that would be so if "
            "the smaller class was multiplied first and the pictures were split afterwards. The "
            "paper does not say.",
            "A picture that is scored may stand in training as a copy of itself.",
            False, oversample_first,
        ),
        Mistake(
            "checkpoint", "Checkpoint chosen on the reported set", ("mir2019report",),
            "The epoch that was best on a set was kept, and its score on that set reported.",
            "The luckiest of many epochs is reported as the typical one.",
            False, choose_on_reported,
        ),
        Mistake(
            "label_order", "Labels joined by listing order", ("unnithan2021poster",),
            "Image files in the order of a listing were paired with label rows in the order of "
            "numbers.",
            "Most images get the label of another one; the score says nothing of the network.",
            False, join_by_listing,
        ),
        Mistake(
            "validation", "Validation reported as test", ("mir2019report", "ball2023densenet"),
            "The score on the set that accompanied the training stands in the place of a test.",
            "The set was looked at in each epoch, and may hold persons that were learned.",
            False, report_validation,
        ),
        Mistake(
            "batch_metrics", "Metrics averaged over batches", ("ball2023densenet",),
            "The public code behind the sheet computes recall and F1 in each batch and averages.",
            "The mean of ratios is not the ratio of sums; a batch may lack a class.",
            True, average_batches,
        ),
        Mistake(
            "dropout", "Dropout left on", ("ball2023densenet",),
            "The public code behind the sheet scores the network in its training mode, so that "
            "dropout still acts.",
            "A part of the network is missing at random while it is scored.",
            False, leave_dropout_on,
        ),
        Mistake(
            "majority", "Accuracy below the majority rate read as learning",
            ("unnithan2021poster",),
            "An accuracy was given as a result that is below the share of the commoner class.",
            "Accuracy rewards a classifier that has learned the class shares and nothing else.",
            False, praise_majority,
        ),
        Mistake(
            "crop", "A crop that clips one class more", ("mir2019report", "mir2019article"),
            "Images were cropped about the centre, which is said to cut no nucleus. Beside that "
            "crop stands a narrower one, to the input of many networks, that no source made.",
            "Large nuclei are cut: where one class has larger ones, the cut tells the class.",
            False, clip_one_class,
        ),
        Mistake(
            "shortcuts", "Size and colour as shortcuts",
            ("mir2019report", "unnithan2021poster", "garg2021transfer", "ball2023densenet"),
            "A score was given without that of a few plain numbers beside it.",
            "What size or stain tells is credited to the network's view of morphology.",
            True, lean_on_looks,
        ),
        Mistake(
            "copies", "Copies in augmented data", ("mir2019report",),
            "Pictures were drawn by turns and mirrors that may all stay away, and counted as new.",
            "The augmented set holds fewer different pictures than its size says.",
            False, count_copies,
        ),
    )
}  # fmt: skip


def get_mistake(key: str) -> Mistake:
    """Entry of the registry.

    Raises
    ------
    ParameterError
        When there is no such mistake.
    """
    if key not in MISTAKES:
        raise ParameterError(
            f"There is no mistake {key!r} in the laboratory.",
            where="key",
            remedy=suggest(key, MISTAKES),
        )
    return MISTAKES[key]
