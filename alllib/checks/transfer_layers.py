"""Checks of the transfer-learning paper's layer table: exact rows beside printed ones."""

from __future__ import annotations

from ..recipes import load_recipe
from .finding import Finding
from .transfer import RECIPE

__all__ = [
    "dense_instead", "exact_row", "exact_rows", "exact_total", "frozen_share", "head_numbers",
    "input_axes", "misprinted_rows", "printed_rows", "printed_total", "same_layers",
    "shared_over", "wrong_rows",
]  # fmt: skip


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


def wrong_rows() -> Finding:
    """Number of rows whose printed number is not the exact one."""
    rows = {name: number for name, _, number in printed_rows()}
    wrong = misprinted_rows()
    pairs = sorted({(rows[name], exact_row(name)) for name in wrong})
    told = "; ".join(f"{printed:,} for {exact:,}" for printed, exact in pairs)
    note = f"{len(pairs)} numbers are misprinted, in {len(wrong)} rows: {told}." if wrong else ""
    return Finding(len(wrong), note)


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
        ["height", "width", "colour", "time"][: len(shape)],
        agrees=len(shape) > 3,
        note="One image has no axis of time, so nothing temporal can be kept; local, or spatial, "
        "features are.",
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


def head_numbers() -> Finding:
    """Numbers of the head's layers: where a session begins, the first has none."""
    names = [name for name, *_ in printed_rows() if name.startswith(("dense", "dropout"))]
    return Finding(
        names,
        agrees=not any(name in ("dense", "dropout") for name in names),
        note="At least one network with two dense layers and one dropout was built before this "
        "one. How many were tried, and which was reported, cannot be known.",
    )


def shared_over(name: str = "block1_conv2") -> Finding:
    """What a convolution's weights are shared over, by the printed parameters of a row.

    With its own weights for each of c channels a 3x3 convolution with f filters has
    (9 c + 1) f parameters; with weights shared by all channels it would have (9 + 1) f.
    """
    rows = printed_rows()
    place = [row[0] for row in rows].index(name)
    (_, above, _), (_, shape, number) = rows[place - 1], rows[place]
    channels, filters = above[-1], shape[-1]
    own, shared = (9 * channels + 1) * filters, (9 + 1) * filters
    value = {own: "positions", shared: "depth"}.get(number, "neither")
    return Finding(
        value,
        f"Row {name} prints {number:,}: (9 x {channels} + 1) x {filters}, weights of its own for "
        f"each channel, used at every position. Shared in the depth they would be {shared:,}.",
    )
