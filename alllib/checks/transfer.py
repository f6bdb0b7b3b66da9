"""Checks of the transfer-learning paper: its layer table, its one result, its formulas."""

from __future__ import annotations

import math
import re

import numpy as np
from scipy import ndimage

from ..downloads import official_files
from ..recipes import load_recipe
from ..studies import read_study
from .finding import Finding

__all__ = [
    "accuracy_formula", "best_by_hand", "cheaper_systems", "class_sizes", "dense_instead",
    "even_matrix", "exact_rows", "exact_total", "final_classes", "free_symbols", "frozen_share",
    "head_numbers", "input_axes", "labelled_images", "matrix_total", "mean_for_expectation",
    "memorised", "misprinted_rows", "misprints", "more_than", "phase_size", "pooled_changes",
    "printed_total", "right_of_class", "same_for", "same_layers", "tested_parts", "types",
]  # fmt: skip

RECIPE = "garg2021-vgg19"
SEED = 2021
PHASES = ("train", "test_prelim", "test_final")


def printed_rows() -> list[list]:
    """Rows of the layer table as printed: name, output shape, parameters."""
    return load_recipe(RECIPE).published["layers"]


def exact_row(name: str) -> int:
    """Parameters of a layer of the table, from the shapes printed above and beside it.

    A convolution has a 3x3 window over all channels and a bias for each filter; a dense
    layer a weight for each input and a bias for each unit; other layers have none.
    """
    rows = printed_rows()
    place = [row[0] for row in rows].index(name)
    above, width = rows[place - 1][1][-1], rows[place][1][-1]
    if "_conv" in name:
        return (9 * above + 1) * width
    return (above + 1) * width if name.startswith("dense") else 0


def exact_rows(published: list) -> list:
    """The printed rows with exact parameters."""
    return [[name, list(shape), exact_row(name)] for name, shape, _ in published]


def misprinted_rows() -> list[str]:
    """Rows whose printed number is not the exact one."""
    return [name for name, _, number in printed_rows() if number != exact_row(name)]


def misprints(published: list) -> Finding:
    """Rows that a computation finds wrong, beside those listed as misprints."""
    rows = {name: number for name, _, number in printed_rows()}
    wrong = misprinted_rows()
    pairs = sorted({(rows[name], exact_row(name)) for name in wrong})
    told = "; ".join(f"{printed:,} for {exact:,}" for printed, exact in pairs)
    return Finding(
        wrong,
        note=f"{len(pairs)} numbers are misprinted, in {len(wrong)} rows: {told}.",
        agrees=wrong == list(published),
    )


def exact_total(which: str = "all") -> int:
    """Sum of the exact rows: `all`, those of the `backbone`, or those of the `head`."""
    names = [name for name, *_ in printed_rows()]
    head = names[names.index("flatten") :]
    chosen = {"all": names, "head": head, "backbone": [n for n in names if n not in head]}
    return sum(map(exact_row, chosen[which]))


def printed_total(which: str = "all") -> Finding:
    """Sum of the rows as printed, see `exact_total`."""
    names = [name for name, *_ in printed_rows()]
    first = names.index("flatten")
    rows = {"all": printed_rows(), "backbone": printed_rows()[:first]}[which]
    value = sum(number for *_, number in rows)
    exact = exact_total(which)
    return Finding(value, note=f"The printed rows exceed the exact ones by {value - exact:,}.")


def same_layers() -> Finding:
    """Whether the convolutions are those of VGG19, which was published in 2014.

    VGG19 has blocks of 2, 2, 4, 4 and 4 convolutions with 64, 128, 256, 512 and 512
    filters (`simonyan2015vgg`, table 1, column E).
    """
    literature = [width for width, repeats in zip((64, 128, 256, 512, 512), (2, 2, 4, 4, 4),
                                                  strict=True) for _ in range(repeats)]  # fmt: skip
    printed = [shape[-1] for name, shape, _ in printed_rows() if "_conv" in name]
    return Finding(
        "VGG19" if printed == literature else "another network",
        agrees=printed != literature,
        note=f"All {len(printed)} convolutions have the widths of VGG19, in its order and under "
        "the names that Keras gives them; new is the head of two dense layers.",
    )


def phase_sizes() -> list[int]:
    """Images of the three official phases, and of all."""
    counts = official_files().phase.value_counts()
    each = [int(counts[phase]) for phase in PHASES]
    return [*each, sum(each)]


def phase_size(phase: str) -> int:
    """Images of an official phase, or of `all`."""
    return dict(zip((*PHASES, "all"), phase_sizes(), strict=True))[phase]


def labelled_images(phase: str) -> int:
    """Images of a phase whose class was published."""
    files = official_files()
    return int(files["class"][files.phase == phase].notna().sum())


def matrix() -> list[list[int]]:
    """The printed confusion matrix; rows true, columns predicted, ALL first."""
    return [list(row) for row in load_recipe(RECIPE).published["confusion"]]


def matrix_total() -> Finding:
    """Images of the confusion matrix, beside the sums of official phases."""
    total = sum(map(sum, matrix()))
    _, prelim, final, _ = phase_sizes()
    return Finding(
        total,
        agrees=total == prelim + final,
        note=f"It equals {prelim:,} + {final:,}, the sizes of both test phases together.",
    )


def class_sizes() -> Finding:
    """ALL and HEM images among those test images whose class is known."""
    files = official_files()
    known = files["class"][files.phase == "test_prelim"].value_counts()
    rows = [sum(row) for row in matrix()]
    value = [int(known["all"]), int(known["hem"])]
    lack = sum(rows) - sum(value)
    return Finding(
        value,
        agrees=rows == value,
        note=f"The matrix has {rows[0]:,} and {rows[1]:,}. Of its {sum(rows):,} images {lack:,} "
        "would be of the final phase, whose classes were never published.",
    )


def final_classes() -> Finding:
    """ALL and HEM images that the final phase would need to fill the matrix."""
    need = [sum(row) - known for row, known in zip(matrix(), class_sizes().value, strict=True)]
    return Finding(
        need,
        agrees=labelled_images("test_final") == sum(need),
        note=f"So many labels would be needed and {labelled_images('test_final')} are there. "
        "Two classes that differ by one image are what drawing equally many of each gives: "
        "images of the larger class left out, or of the smaller one copied before the split.",
    )


def right_of_class(label: str) -> list[int]:
    """Right answers and images of a class."""
    row = ("ALL", "HEM").index(label)
    return [matrix()[row][row], sum(matrix()[row])]


def same_for(published: float) -> Finding:
    """Metrics of the matrix that round to the printed one, among those in common use."""
    (hit, missed), (false, right) = matrix()
    ill, well = hit + missed, false + right
    values = {
        "accuracy": (hit + right) / (ill + well),
        "sensitivity": hit / ill,
        "specificity": right / well,
        "precision": hit / (hit + false),
        "F1": 2 * hit / (2 * hit + false + missed),
        "balanced accuracy": (hit / ill + right / well) / 2,
    }
    same = [name for name, value in values.items() if round(value, 4) == round(published, 4)]
    told = ", ".join(f"{name} {value:.4f}" for name, value in values.items())
    return Finding(
        ", ".join(same),
        agrees=len(same) > 1,
        note=f"One metric is reported. Computed from the matrix: {told}. Several agree because "
        "the two classes of the matrix are of one size.",
    )


def tested_parts(published: int) -> Finding:
    """Images that the paper names as testing data, beside those of its matrix."""
    named = load_recipe(RECIPE).published["test_images"]
    return Finding(
        named,
        agrees=named > published,
        note="The matrix can exceed that only by counting the validation images, which the paper "
        "says it judged the training by, as test images.",
    )


def more_than(published: int, key: str) -> Finding:
    """A published number of images, beside a round one that it is said to exceed."""
    number = load_recipe(RECIPE).published[key]
    return Finding(number, agrees=number > published)


def even_matrix() -> Finding:
    """Share of ALL in the matrix, beside that of all images with a published class."""
    ill, well = (sum(row) for row in matrix())
    known = official_files()["class"].dropna()
    share = float((known == "all").mean())
    total = ill + well
    spread = math.sqrt(share * (1 - share) / total)
    return Finding(
        round(ill / total, 4),
        agrees=abs(ill / total - share) < 3 * spread,
        note=f"Of the images with a published class {share:.1%} are ALL; a random part of "
        f"{total:,} would stray from that by {spread:.1%}.",
    )


def accuracy_formula() -> Finding:
    """The formula with the four printed counts, held against the share of the diagonal."""
    (hit, missed), (false, right) = matrix()
    value = (hit + right) / (hit + right + false + missed)
    share = (matrix()[0][0] + matrix()[1][1]) / sum(map(sum, matrix()))
    return Finding(round(value, 6), agrees=math.isclose(value, share))


def mean_for_expectation() -> Finding:
    """Error of a mean of n draws, for growing n: it falls with the root of n."""
    rng = np.random.default_rng(SEED)
    errors = [float(rng.exponential(size=(400, n)).mean(axis=1).std()) for n in (10, 100, 1000)]
    return Finding(
        [round(error, 3) for error in errors],
        agrees=errors[0] > 2 * errors[1] > 4 * errors[2],
        note="Spread of means of 10, 100 and 1,000 losses drawn at random. It holds for "
        "independent draws: cells of few subjects are not.",
    )


def memorised() -> Finding:
    """Accuracy of a nearest neighbour on random labels: on what it learnt, and on new draws."""
    rng = np.random.default_rng(SEED)
    inputs, labels = rng.normal(size=(2, 300, 5)), rng.integers(0, 2, (2, 300))
    distance = ((inputs[1][:, None] - inputs[0][None]) ** 2).sum(axis=2)
    held = float((labels[0][distance.argmin(axis=1)] == labels[1]).mean())
    return Finding(
        [1.0, round(held, 3)],
        agrees=held < 0.6,
        note="Labels without any rule: what is learnt by heart scores 1 on the images learnt, and "
        "chance on others.",
    )


def pooled_changes() -> Finding:
    """Relative change of pooled feature maps when a picture is shifted by a pixel, or turned.

    Random 3x3 filters and a pooling by two, on a smooth random picture of 64 pixels.
    """
    rng = np.random.default_rng(SEED)
    picture = ndimage.gaussian_filter(rng.normal(size=(64, 64)), 2, mode="wrap")
    picture /= picture.std()
    filters = rng.normal(size=(8, 3, 3))
    plain = _pooled(picture, filters)
    changes = [
        float(np.linalg.norm(_pooled(other, filters) - plain) / np.linalg.norm(plain))
        for other in (np.roll(picture, 1, axis=1), np.rot90(picture))
    ]
    return Finding(
        [round(change, 2) for change in changes],
        agrees=max(changes) < 0.1,
        note="Change after a shift by one pixel, and after a quarter turn. Pooling softens a small "
        "shift and does nothing for a turn; that is learnt, from turned images if from any.",
    )


def _pooled(picture: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Maps of some filters, without negative values, pooled by two."""
    maps = [np.maximum(ndimage.convolve(picture, kernel, mode="wrap"), 0) for kernel in filters]
    side = picture.shape[0] // 2
    return np.stack(maps).reshape(len(filters), side, 2, side, 2).max(axis=(2, 4))


def head_numbers() -> Finding:
    """Numbers of the head's layers: where a session begins, the first has none."""
    names = [name for name, *_ in printed_rows() if name.startswith(("dense", "dropout"))]
    return Finding(
        names,
        agrees=not any(name in ("dense", "dropout") for name in names),
        note="At least one network with two dense layers and one dropout was built before this "
        "one. How many were tried, and which was reported, cannot be known.",
    )


def free_symbols(published: str, minimised: str) -> Finding:
    """Whether the symbol that is minimised over stands in the printed function."""
    symbols = set(re.findall(r"[^\W\d_]+", published))
    return Finding(
        ", ".join(sorted(symbols)),
        agrees=minimised in symbols,
        note=f"The function depends on m and not on {minimised}; one letter for the weights in "
        "both places makes it right.",
    )


def dense_instead() -> Finding:
    """Weights of a dense layer with the input and output of the first convolution."""
    before, after = (printed_rows()[place][1] for place in (0, 1))
    inputs, outputs = (side * other * depth for side, other, depth in (before, after))
    value = (inputs + 1) * outputs
    return Finding(
        value,
        agrees=exact_row("block1_conv1") < value,
        note=f"The convolution has {exact_row('block1_conv1'):,}: shared weights save a factor of "
        f"{value / exact_row('block1_conv1'):.1g}. The network as a whole is not small.",
    )


def input_axes() -> Finding:
    """Axes of the input in the layer table."""
    shape = printed_rows()[0][1]
    return Finding(
        ["height", "width", "colour"][: len(shape)],
        agrees=False,
        note="One image has no axis of time, so nothing temporal can be kept; local, or spatial, "
        "features are.",
    )


def cheaper_systems(others: list[str]) -> Finding:
    """How many other systems of this study need fewer operations for an image."""
    from .networks import describe

    own = describe(RECIPE).flops
    cheaper = [name for name in others if describe(name).flops < own]
    return Finding(
        f"{len(cheaper)} of {len(others)} others need less",
        reason="No time and no other process is given to compare with. A time for each image, "
        "for this network and for the process meant, would settle it.",
        note=f"One image takes {own / 1e9:.0f} billion operations.",
    )


def types() -> list[str]:
    """Types that two speeds and two cell lines make."""
    speeds, lines = ("acute", "chronic"), ("lymphocytic", "myelogenous")
    return [f"{speed} {line}" for line in lines for speed in speeds]


def best_by_hand() -> Finding:
    """What numbers computed by hand and a forest score, where that is kept."""
    study = read_study("baselines", "cnmc2019")
    kept = "" if study is None else f" It was measured here on {study.images:,} images."
    return Finding(
        0,
        agrees=False,
        note="The paper announces the comparison and shows none: it has one result, of one "
        f"network.{kept}",
    )


def frozen_share() -> Finding:
    """Share of the parameters that are not trained, and whether these are the convolutions."""
    published = load_recipe(RECIPE).published
    share = published["not_trainable"] / published["parameters"]
    return Finding(
        round(share, 4),
        agrees=published["not_trainable"] == exact_total("backbone"),
        note="The frozen ones are exactly the convolutions. From which images their weights come "
        "is not said; Keras offers ImageNet's.",
    )
