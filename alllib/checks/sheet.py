"""Checks of the project sheet: its network, its inputs, and what its figures can be of.

The sheet shows its results as pictures. The figures are those of the public code beside it,
which averages each metric over batches; that leaves traces in the digits.
"""

from __future__ import annotations

import math

from ..architectures import ARCHITECTURES
from ..datasets import DATASETS
from ..recipes import load_recipe
from ..studies import read_study, tell_study
from .finding import Finding

__all__ = [
    "backbone", "classes", "code_setting", "error_ratio", "features", "head", "held_images",
    "part_sizes", "pretrained_share", "repeatable", "scale_wanted", "sides", "subtypes",
    "unit_range", "units_in_code",
]  # fmt: skip

RECIPE = "ball2023-densenet201"
# Images of each class, Benign, Early, Pre and Pro, as the data set was released.
RELEASED = {"Benign": 504, "Early": 985, "Pre": 963, "Pro": 804}
# Settings of the public code, as read in its training script and its model.
CODE = {
    "learning_rate": 1e-4, "optimizer": "Adam", "epochs": 40, "framework": "PyTorch", "units": 64,
}  # fmt: skip
# DenseNet-201: convolutions in a block, channels that each adds (huang2017densenet, table 1).
BLOCKS, GROWTH, WIDE = (6, 12, 48, 32), 32, 4
# Mean and deviation that torch's ImageNet weights were trained with, channels R, G, B.
TORCH = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def classes() -> int:
    """Classes of the data set."""
    return len(DATASETS[load_recipe(RECIPE).data.dataset].classes)


def held_images() -> Finding | int:
    """Images of the data set as the kept measurements found them."""
    for topic in ("inputs", "baselines", "duplicates"):
        study = read_study(topic, "ball2021")
        if study is not None:
            return study.images
    return Finding(None, reason="No measurement of the B-ALL images is kept.")


def walk() -> tuple[int, int]:
    """Channels after the last block of DenseNet-201, and parameters of all before the head."""
    width = 64
    total = 7 * 7 * 3 * width + 4 * width
    for number, repeats in enumerate(BLOCKS):
        for _ in range(repeats):
            inner = WIDE * GROWTH
            total += 4 * width + width * inner + 4 * inner + 9 * inner * GROWTH
            width += GROWTH
        if number < len(BLOCKS) - 1:
            total += 4 * width + width * (width // 2)
            width //= 2
    return width, total + 4 * width


def features() -> Finding:
    """Length of the feature vector, from the blocks of the network."""
    width, below = walk()
    return Finding(width, f"By its blocks DenseNet-201 has {below:,} parameters below its head.")


def head(units: list[int]) -> int:
    """Parameters of dense layers on the features, the output layer of four included."""
    widths = [walk()[0], *units, classes()]
    return sum((one + 1) * other for one, other in zip(widths, widths[1:], strict=False))


def pretrained_share(units: list[int]) -> Finding:
    """Share of the parameters that start from ImageNet weights."""
    backbone = walk()[1]
    share = backbone / (backbone + head(units))
    return Finding(
        round(share, 4),
        agrees=share == 0,
        note=f"{backbone:,} parameters come from ImageNet and {head(units):,} are new.",
    )


def units_in_code() -> list[int]:
    """Units of the two dense layers in the public code."""
    return [load_recipe(RECIPE).published["dense_in_code"]] * 2


def scale_wanted() -> Finding:
    """How images were scaled for the ImageNet weights, and how the sheet scales them."""
    recipe = load_recipe(RECIPE)
    wanted = ARCHITECTURES[recipe.architecture.name].scale
    means = weights_means()
    same = wanted == recipe.images.scale
    return Finding(
        wanted,
        agrees=same,
        reason=""
        if same
        else "The weights were trained on images scaled otherwise, and whether that costs anything "
        "is not reported: trained further, a network can adapt. Runs with both scalings, with the "
        "same seeds and on the same split, would settle it.",
        note="The weights were trained on images whose mean is 0 and deviation 1 in each colour; "
        "`unit` is the sheet's range 0 to 1."
        + (f" In the scaling of the weights these images have means of {means}." if means else ""),
    )


def weights_means() -> list[float] | None:
    """Mean of each colour in the scaling that the weights expect; None where none is kept."""
    study = read_study("inputs", "ball2021")
    if study is None:
        return None
    return [round((m - a) / b, 2) for m, a, b in zip(study.found["mean"], *TORCH, strict=True)]


def unit_range() -> Finding:
    """Means of the colours as they are read here, which lie in the range 0 to 1."""
    study = read_study("inputs", "ball2021")
    if study is None:
        return Finding(None, reason="No measurement of the B-ALL images is kept.")
    means = study.found["mean"]
    return Finding(
        means,
        agrees=all(0 <= mean <= 1 for mean in means),
        note=f"Means of red, green and blue after the division by 255. {tell_study(study)}",
    )


def sides() -> Finding | list[list[int]]:
    """Width and height of the images, without repetition."""
    study = read_study("inputs", "ball2021")
    if study is None:
        return Finding(None, reason="No measurement of the B-ALL images is kept.")
    return study.found["sides"]


def part_sizes() -> dict[str, dict[str, int]]:
    """Images of each part and class as the public code cuts them: per class, train and
    validation rounded down, the rest to the test part."""
    train, validation, _ = load_recipe(RECIPE).data.shares
    cut = {"train": {}, "validation": {}, "test": {}}
    for name, number in RELEASED.items():
        first, second = math.floor(train * number), math.floor(validation * number)
        for part, size in zip(cut, (first, second, number - first - second), strict=True):
            cut[part][name] = size
    return cut


def subtypes() -> Finding:
    """Classes that are subtypes of leukemia, and all classes."""
    names = DATASETS[load_recipe(RECIPE).data.dataset].classes
    ill = [name for name in names if name != "Benign"]
    return Finding(
        [len(ill), len(names)],
        agrees=len(ill) == len(names),
        note="Benign images show no leukemia; the others are stages of B-cell precursors.",
    )


def repeatable() -> Finding:
    """Share of the test images of one shuffle that another shuffle puts into training."""
    sizes = part_sizes()
    share = sum(sizes["train"].values()) / sum(RELEASED.values())
    seeded = "data.split_seed" not in {entry.parameter for entry in load_recipe(RECIPE).choice}
    return Finding(
        round(0.0 if seeded else share, 3),
        agrees=seeded,
        note="The public code shuffles without a seed: of the test images of one call so many "
        "would be trained on after another. Which images were scored is not recorded.",
    )


def error_ratio(system: str = "six") -> float | None:
    """How many times as many errors a kept baseline makes, split by image, as the printed
    accuracy leaves; None where none is kept."""
    kept = kept_scores().get(system)
    printed = load_recipe(RECIPE).published["accuracy"]
    return None if kept is None else (1 - kept) / (1 - printed)


def kept_scores(protocol: str = "image") -> dict[str, float]:
    """Accuracies of the kept baselines over all folds; empty where none are kept."""
    study = read_study("baselines", "ball2021")
    rows = [] if study is None else study.found["rows"]
    return {
        row["system"]: row["metrics"]["accuracy"]["value"]
        for row in rows
        if row["protocol"] == protocol and row["scheme"] == "pooled"
    }


def backbone() -> int:
    """Parameters of DenseNet-201 below its head, from its blocks."""
    return walk()[1]


def code_setting(name: str) -> float | int | str:
    """A setting of the public code."""
    return CODE[name]
