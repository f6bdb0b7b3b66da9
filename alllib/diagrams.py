"""Block diagrams of networks, drawn from their layers, and the same in words."""

from __future__ import annotations

import math
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from .architectures import inference_model
from .figures import COLOURS
from .layers import network_calls, number_of, show_shape

if TYPE_CHECKING:
    import keras

__all__ = ["Stage", "describe_network", "network_stages", "plot_network", "stage_table"]

MOST_STAGES = 16  # boxes that a page can show
PER_ROW = 5
# In inches. A figure 7.5 inches wide is shown 720 pixels wide, and text of 8 points 10.7 high.
WIDTH, TALLEST, LINE, GAP, MARGIN = 7.5, 0.8, 0.14, 0.3, 0.35
FONT, LETTERS = 8, 24  # points; letters that fit beside each other below a box
PAINT = {
    "image": ("#BBBBBB", "input image"),
    "maps": (COLOURS["HEM"], "feature maps"),
    "values": (COLOURS["validation"], "vector"),
    "auxiliary": (COLOURS["test"], "auxiliary classifier, in training only"),
}
FROZEN = "////"
# Layers that no label names: what they do is part of the layer before or after.
UNNAMED = ("Activation", "Cropping2D", "InputLayer", "ReLU", "Softmax", "ZeroPadding2D")
# Class of a layer to its name in a label, of one and of several.
WORDS = {
    "Conv2D": ("conv", "conv"),
    "DepthwiseConv2D": ("depthwise conv", "depthwise conv"),
    "SeparableConv2D": ("separable conv", "separable conv"),
    "MaxPooling2D": ("max pool", "max pools"),
    "AveragePooling2D": ("mean pool", "mean pools"),
    "GlobalAveragePooling2D": ("mean of each map", "means of each map"),
    "GlobalMaxPooling2D": ("maximum of each map", "maxima of each map"),
    "BatchNormalization": ("batch norm", "batch norms"),
    "LocalResponseNormalization": ("local response norm", "local response norms"),
    "Add": ("residual sum", "residual sums"),
    "Concatenate": ("concatenation", "concatenations"),
}


@dataclass(frozen=True)
class Stage:
    """Consecutive layers whose outputs have one size: a box of the diagram.

    `kind` is image, maps, values or auxiliary; `holds` says what is in it, a line for each
    kind of layer; `output` is the shape that leaves, without the batch; `frozen` whether it
    has weights and trains none.
    """

    kind: str
    holds: tuple[str, ...]
    output: tuple[int, ...]
    parameters: int
    frozen: bool


@dataclass(frozen=True)
class _Step:
    """A layer with the shape that leaves it; `alone` where nothing else is passed on."""

    layer: Any
    output: tuple[int, ...]
    alone: bool

    @property
    def kind(self) -> str:
        return type(self.layer).__name__


def network_stages(network: keras.Model) -> list[Stage]:
    """Stages of a network from its input to its output, then those of auxiliary outputs.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size. The first output is the main one.

    Returns
    -------
    list of Stage
        At most 16, and those of auxiliary outputs. Where there were more, those neighbours
        are merged that have the fewest parameters together.

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    steps = _steps(network)
    main = _steps(inference_model(network))
    used = {id(step.layer) for step in main}
    aside = [step for step in steps if id(step.layer) not in used]
    stages = [_stage(group) for group in _merge(_group(main))]
    side = [replace(_stage(group), kind="auxiliary") for group in _group(aside)]
    if side:
        source = show_shape(aside[0].layer.input.shape[1:])
        side[0] = replace(side[0], holds=(f"from {source}", *side[0].holds))
    return stages + side


def _steps(network: keras.Model) -> list[_Step]:
    """Layers in Keras's order, in which branches end together; for a sub-model its own."""
    calls = [call for call in network_calls(network) if call.inside == ""]
    single, first = _single(network, calls), {}
    for call in calls:
        first.setdefault(id(call.layer), call)
    inputs = [call.layer for call in calls if not call.inputs]  # Sequential does not list its own
    steps = []
    for layer in dict.fromkeys([*inputs, *network.layers]):
        if hasattr(layer, "layers"):
            steps += [step for step in _steps(layer) if step.kind != "InputLayer"]
        elif id(layer) in first:
            output = tuple(first[id(layer)].outputs[0].shape[1:])
            steps.append(_Step(layer, output, id(layer) in single))
    return steps


def _single(network: keras.Model, calls: Sequence) -> set[int]:
    """Layers after which everything hangs on their output alone: where branches have met."""
    uses = Counter(id(tensor) for call in calls for tensor in call.inputs)
    uses.update(id(tensor) for tensor in network.outputs)
    found, live = set(), set()
    for call in calls:
        uses.subtract(id(tensor) for tensor in call.inputs)
        live |= {id(tensor) for tensor in call.outputs}
        live = {tensor for tensor in live if uses[tensor] > 0}
        if len(live) == 1:
            found.add(id(call.layer))
    return found


def _group(steps: Sequence[_Step]) -> list[list[_Step]]:
    """Part the layers where the sides of the maps change; each dense layer stands alone."""
    groups: list[list[_Step]] = []
    sides, waiting = None, []
    for step in steps:
        if step.kind in UNNAMED and step.kind != "InputLayer":
            waiting.append(step)  # a margin belongs to the layer that needs it
            continue
        vector = len(step.output) == 1
        here = ("vector",) if vector else step.output[:-1]
        opens = here != sides or (vector and step.kind == "Dense")
        if opens or groups[-1][0].kind == "InputLayer":
            groups.append([])
        groups[-1] += [*waiting, step]
        sides, waiting = here, []
    if waiting and groups:
        groups[-1] += waiting
    return groups


def _merge(groups: list[list[_Step]]) -> list[list[_Step]]:
    """Join neighbours until a page can show them; input and output stay by themselves."""
    groups = list(groups)
    while len(groups) > MOST_STAGES:
        sizes = [sum(step.layer.count_params() for step in group) for group in groups]
        at = min(range(1, len(groups) - 2), key=lambda i: sizes[i] + sizes[i + 1])
        groups[at : at + 2] = [groups[at] + groups[at + 1]]
    return groups


def _stage(group: Sequence[_Step]) -> Stage:
    weights = [step.layer for step in group if step.layer.weights]
    leaving = [step for step in group if step.alone and step.kind not in UNNAMED] or [group[-1]]
    kind = "maps" if len(leaving[-1].output) > 1 else "values"
    return Stage(
        kind="image" if group[0].kind == "InputLayer" else kind,
        holds=tuple(_holds(group)),
        output=leaving[-1].output,
        parameters=sum(layer.count_params() for layer in weights),
        frozen=bool(weights) and not any(layer.trainable_weights for layer in weights),
    )


def _holds(group: Sequence[_Step]) -> list[str]:
    """What a stage holds, in the order of first appearance, like `2 conv 3x3, 64`."""
    kinds = dict.fromkeys(step.kind for step in group if step.kind not in UNNAMED)
    return [_name([step.layer for step in group if step.kind == kind]) for kind in kinds]


def _name(layers: Sequence) -> str:
    """Layers of one class in a few words."""
    kind, count = type(layers[0]).__name__, len(layers)
    if kind == "Dense":
        activations = (getattr(layer.activation, "__name__", "") for layer in layers)
        return "; ".join(
            f"dense {layer.units:,}" + ("" if name == "linear" else f", {name}")
            for layer, name in zip(layers, activations, strict=True)
        )
    if kind == "Dropout":
        return "dropout " + ", ".join(str(rate) for rate in _different(x.rate for x in layers))
    spoken = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind).removesuffix("2D").lower()
    word = WORDS.get(kind, (spoken, spoken))[count > 1]
    text = word if count == 1 else f"{count} {word}"
    return text + _window(layers)


def _window(layers: Sequence) -> str:
    """Windows of convolutions or poolings; maps too where there is one window, and the step
    where all have the same."""
    windows = [getattr(x, "kernel_size", None) or getattr(x, "pool_size", None) for x in layers]
    if windows[0] is None:
        return ""
    shown = _different("x".join(str(side) for side in window) for window in windows)
    text = " " + (", ".join(shown) if len(shown) < 5 else f"{shown[0]} to {shown[-1]}")
    maps = _different(layer.filters for layer in layers if hasattr(layer, "filters"))
    if len(shown) == 1 and maps:
        text += f", {maps[0]}" + (f" to {maps[-1]}" if len(maps) > 1 else "")
    steps = {max(layer.strides) for layer in layers}
    pools = not hasattr(layers[0], "kernel_size") and windows[0][0] in steps
    if len(steps) == 1 and steps != {1} and not pools:
        text += f", step {steps.pop()}"
    return text


def _different(values: Iterable) -> list:
    return sorted(set(values))


def describe_network(network: keras.Model) -> str:
    """A network's stages in words: the text for readers who cannot see its diagram.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size.

    Returns
    -------
    str

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    stages = network_stages(network)
    main = [stage for stage in stages if stage.kind != "auxiliary"]
    side = [_tell(stage) for stage in stages if stage.kind == "auxiliary"]
    told = [
        f"An input of {_size(main[0])} goes through {len(main) - 1} stages: "
        f"{', '.join(_tell(stage) for stage in main[1:])}."
    ]
    if side:
        told.append(f"An auxiliary classifier, in training only: {', '.join(side)}.")
    trained, total = number_of(network.trainable_weights), network.count_params()
    told.append(f"{total:,} parameters, of which {trained:,} are trained.")
    return " ".join(told)


def _tell(stage: Stage) -> str:
    held = (*stage.holds, "frozen") if stage.frozen else stage.holds
    return f"{_size(stage)} ({'; '.join(held)})"


def stage_table(network: keras.Model) -> pd.DataFrame:
    """Stages for a page, where one row for each layer would be hundreds.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size.

    Returns
    -------
    pandas.DataFrame
        `stage holds` (what is in it), `output`, `parameters`; one row for each of
        `network_stages`, so those of auxiliary outputs stand last and are said to be.

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    rows = []
    for stage in network_stages(network):
        held = "; ".join(stage.holds) or PAINT[stage.kind][1]
        held = f"auxiliary classifier: {held}" if stage.kind == "auxiliary" else held
        held += "; frozen" if stage.frozen else ""
        rows.append((held, _size(stage), stage.parameters))
    return pd.DataFrame(rows, columns=["stage holds", "output", "parameters"])


def plot_network(network: keras.Model, *, title: str = "") -> Figure:
    """Block diagram of a network, from left to right and row by row.

    A box is a stage, see `network_stages`: its height grows with the side of the maps (or
    the length of the vector), its width with their number. Below stand the size of the
    output, what the stage holds, and its parameters.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size.
    title : str
        Name for the reader; the network's own when not given.

    Returns
    -------
    matplotlib.figure.Figure
        7.5 inches wide.

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    stages = network_stages(network)
    rows = _rows(stages)
    rooms = [TALLEST + 0.1 + LINE * max(len(_lines(s)) for s in row) + GAP for row in rows]
    height = sum(rooms) + 2 * MARGIN - GAP
    figure = plt.figure(figsize=(WIDTH, height), facecolor="white")
    axis = figure.add_axes((0, 0, 1, 1), xlim=(0, WIDTH), ylim=(0, height))
    axis.axis("off")
    heading = f"{title or network.name}: {network.count_params():,} parameters"
    axis.text(0.1, height - 0.18, heading, fontsize=FONT + 2, weight="bold", va="center")
    _draw_rows(axis, rows, rooms, _Scale.of(stages))
    _draw_legend(figure, stages)
    return figure


def _draw_rows(axis: Axes, rows: list[list[Stage]], rooms: list[float], scale: _Scale) -> None:
    top = axis.get_ylim()[1] - MARGIN
    cell = WIDTH / max(len(row) for row in rows)
    last = None  # right edge and middle of the last box of the row before
    for row, room in zip(rows, rooms, strict=True):
        middle = top - TALLEST / 2
        first, end = _draw_row(axis, row, scale, cell=cell, middle=middle)
        if last is not None and row[0].kind != "auxiliary":
            _draw_turn(axis, last, top + GAP / 2, (first, middle))
        last, top = (end, middle), top - room


def _rows(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Rows of boxes as even as possible; auxiliary ones in rows of their own."""
    rows = []
    for aside in (False, True):
        part = [stage for stage in stages if (stage.kind == "auxiliary") == aside]
        count = math.ceil(len(part) / PER_ROW)
        length = math.ceil(len(part) / count) if count else 1
        rows += [part[at : at + length] for at in range(0, len(part), length)]
    return rows


@dataclass(frozen=True)
class _Scale:
    """Largest side, number of maps and length of a vector among the boxes."""

    side: int
    maps: int
    values: int

    @classmethod
    def of(cls, stages: Sequence[Stage]) -> _Scale:
        shapes = [stage.output for stage in stages]
        images = [shape for shape in shapes if len(shape) > 1]
        return cls(
            side=max((shape[0] for shape in images), default=1),
            maps=max((shape[-1] for shape in images), default=1),
            values=max((shape[0] for shape in shapes if len(shape) == 1), default=1),
        )

    def box(self, stage: Stage) -> tuple[float, float]:
        """Width and height in inches; roots, so that small ones stay visible."""
        if len(stage.output) == 1:
            return 0.12, TALLEST * (0.15 + 0.85 * math.sqrt(stage.output[0] / self.values))
        tall = 0.15 + 0.85 * math.sqrt(stage.output[0] / self.side)
        return 0.1 + 0.75 * math.sqrt(stage.output[-1] / self.maps), TALLEST * tall


def _lines(stage: Stage) -> list[str]:
    """Text below a box: size, contents, parameters."""
    held = [line for text in stage.holds for line in textwrap.wrap(text, LETTERS)]
    count = [f"{stage.parameters:,} param."] if stage.parameters else []
    return [_size(stage), *held, *count]


def _size(stage: Stage) -> str:
    """Size of the output; a vector's length with separators."""
    return show_shape(stage.output) if len(stage.output) > 1 else f"{stage.output[0]:,}"


def _draw_row(
    axis: Axes, row: Sequence[Stage], scale: _Scale, *, cell: float, middle: float
) -> tuple[float, float]:
    """Boxes, texts and the arrows between; gives the left edge of the first, right of the last."""
    edges = []
    for place, stage in enumerate(row):
        centre = cell * (place + 0.5)
        wide, tall = scale.box(stage)
        box = Rectangle((centre - wide / 2, middle - tall / 2), wide, tall, **_paint(stage))
        axis.add_patch(box)
        if edges:
            _draw_arrow(axis, edges[-1], centre - wide / 2, middle)
        edges += [centre - wide / 2, centre + wide / 2]
        for number, line in enumerate(_lines(stage)):
            axis.text(
                centre, middle - TALLEST / 2 - 0.08 - LINE * number, line, fontsize=FONT,
                ha="center", va="top", weight="normal" if number else "bold",
            )  # fmt: skip
    return edges[0], edges[-1]


def _paint(stage: Stage) -> dict:
    hatch = FROZEN if stage.frozen else None
    return {"facecolor": PAINT[stage.kind][0], "edgecolor": "black", "hatch": hatch, "lw": 0.8}


def _draw_arrow(axis: Axes, start: float, end: float, height: float) -> None:
    axis.annotate(
        "", xy=(end - 0.04, height), xytext=(start + 0.04, height),
        arrowprops={"arrowstyle": "-|>", "color": "black", "lw": 0.9, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def _draw_turn(
    axis: Axes, start: tuple[float, float], between: float, end: tuple[float, float]
) -> None:
    """Line from the end of a row, between the rows, to the start of the next."""
    left, right = 0.08, WIDTH - 0.08
    across = [start[0] + 0.04, right, right, left, left]
    axis.plot(across, [start[1], start[1], between, between, end[1]], color="black", lw=0.9)
    _draw_arrow(axis, left - 0.04, *end)


def _draw_legend(figure: Figure, stages: Sequence[Stage]) -> None:
    kinds = dict.fromkeys(stage.kind for stage in stages)
    entries = [Patch(facecolor=PAINT[k][0], edgecolor="black", label=PAINT[k][1]) for k in kinds]
    if any(stage.frozen for stage in stages):
        entries.append(
            Patch(facecolor="white", edgecolor="black", hatch=FROZEN, label="frozen: not trained")
        )
    figure.legend(
        handles=entries, loc="lower center", ncols=len(entries), frameon=False, fontsize=FONT,
        borderaxespad=0.2, handlelength=1.4, columnspacing=1.4,
    )  # fmt: skip
