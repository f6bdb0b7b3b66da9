"""Checks that count images: on the official list, or by arithmetic of what was printed."""

from __future__ import annotations

import functools
from math import isqrt

from ..downloads import official_cells, official_files
from ..recipes import load_recipe, split_by_recipe
from ..recipes.schema import parameter
from .finding import Finding

__all__ = ["class_names", "image_side", "lacking", "official_images", "part_size",
           "recipe_sum", "shared", "sizes_that_fit", "train_share"]  # fmt: skip

BMP_HEADER = 54  # bytes


@functools.cache
def _files():
    return official_files()


@functools.cache
def _split(recipe: str):
    return split_by_recipe(load_recipe(recipe), official_cells(), "published")


def official_images(phase: str, label: str = "") -> int:
    """Images of a phase of C-NMC 2019, of one class (`all`, `hem`) or of both."""
    files = _files()
    files = files[files.phase == phase]
    return len(files if not label else files[files["class"].str.lower() == label])


def class_names(phase: str) -> list[str]:
    """Names of the class folders of a phase."""
    files = _files()
    return sorted(files[files.phase == phase]["class"].dropna().str.lower().unique())


def image_side(phase: str) -> Finding:
    """Side of the square images of a phase, from the bytes of their uncompressed files."""
    sizes = _files()
    found = set()
    for size in sizes[sizes.phase == phase].bytes.unique():
        side = isqrt((int(size) - BMP_HEADER) // 3)
        row = (3 * side + 3) // 4 * 4  # rows are filled up to four bytes
        found.add(side if row * side + BMP_HEADER == size else None)
    value = found.pop() if len(found) == 1 else None
    return Finding(value, "From the number of bytes of each official file.")


def lacking(published: int, phase: str) -> Finding:
    """Images of a phase, and by how many a printed number falls short of it."""
    number = official_images(phase)
    return Finding(number, f"The printed number is {number - published:,} short of the list.")


def part_size(recipe: str, part: str) -> int:
    """Images of a part when the recipe's own split is made of the official list."""
    return sum(_split(recipe).certificate["parts"][part].values())


def listed_classes(recipe: str, part: str) -> list[int]:
    """Images of each class in a part of the recipe's own split of the official list."""
    counts = _split(recipe).certificate["parts"][part]
    return [counts[label] for label in sorted(counts)]


def recipe_sum(recipe: str, keys: list[str]) -> int:
    """Sum of numbers that a recipe holds, by their dotted places."""
    whole = load_recipe(recipe).as_dict()
    return sum(parameter(whole, key) for key in keys)


def sizes_that_fit(recipe: str) -> Finding:
    """Class sizes for which int(share * n) per class leaves the printed validation counts."""
    known = load_recipe(recipe)
    share, published = known.data.shares[0], known.published
    rows = [sum(row) for row in published["confusion"]]
    total = published["train_images_log"] + published["scored_images_log"]
    every = {
        left: [n for n in range(left, 10 * left) if n - int(share * n) == left] for left in rows
    }
    fits = [(a, total - a) for a in every[rows[0]] if total - a in every[rows[1]]]
    if not fits:
        return Finding("none", agrees=False)
    (low, high), (least, most) = (min(a for a, _ in fits), max(a for a, _ in fits)), (
        min(h for _, h in fits), max(h for _, h in fits),
    )  # fmt: skip
    return Finding(
        f"{low:,} to {high:,} ALL and {least:,} to {most:,} HEM",
        f"Of the {official_images('train', 'all'):,} ALL and {official_images('train', 'hem'):,} "
        "HEM images of the list.",
        agrees=True,
    )


def shared(recipe: str, kind: str) -> Finding:
    """Share of held-out images of which the certificate's `kind` is in training too."""
    certificate = _split(recipe).certificate
    pair = certificate["crossing"]["train/validation"]
    total = sum(certificate["parts"]["validation"].values())
    told = ", ".join(
        f"{name}: {found['images'] / total:.1%}" for name, found in pair.items() if found
    )
    value = pair[kind]["images"] / total
    return Finding(round(value, 4), f"Held-out images with the same in training: {told}.")


def train_share(recipe: str) -> float:
    """Share of the training images among those that the source names in its text."""
    published = load_recipe(recipe).published
    train = published["train_images"]
    return round(train / (train + published["scored_images"]), 6)
