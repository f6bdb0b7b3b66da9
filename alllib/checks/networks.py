"""Checks that build a network and read what it is and costs."""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass
from typing import Any

from ..recipes import load_recipe
from .finding import Finding

__all__ = ["auxiliary", "convolutional", "counted_layers", "hidden_activations", "kernels",
           "layer_table", "output_activations", "outputs", "parameters", "pooled_convolutions",
           "pools", "ranked", "readings", "renumbered", "residual_depth", "residual_skip",
           "sides_kept", "strides", "units"]  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What checks need of a network, so that it need not stay in memory."""

    parameters: int
    trainable: int
    flops: int
    layers: tuple[dict, ...]
    rows: dict[str, tuple]
    compared: dict[str, tuple[str, list, int]]
    outputs: tuple[int, int]  # in training, and for new images

    def of_kind(self, kind: str) -> list[dict]:
        """Layers of a class, in the order of the network."""
        return [layer for layer in self.layers if layer["kind"] == kind]


SETTINGS = ("filters", "kernel_size", "strides", "padding", "pool_size", "units", "rate")


@functools.cache
def describe(recipe: str) -> Facts:
    """Facts of a recipe's network, built once in a process with fresh weights."""
    from ..architectures import build_network, inference_model
    from ..datasets import DATASETS
    from ..layers import count_flops, layer_rows, number_of
    from ..systems import compare_layers

    known = load_recipe(recipe)
    classes = len(DATASETS[known.data.dataset].classes)
    network = build_network(known, classes=classes, weights="none")
    rows = {row.name: row for row in layer_rows(network, nested=True)}
    table = compare_layers(network, known)
    compared = {}
    for printed, ours in zip(table["published layer"], table["our layer"], strict=True):
        if ours is not None:
            compared[printed] = (ours, list(rows[ours].output), rows[ours].parameters)
    answering = inference_model(network)
    facts = Facts(
        parameters=network.count_params(),
        trainable=number_of(network.trainable_weights),
        flops=count_flops(answering),
        layers=tuple(_plain_layers(network)),
        rows={name: (row.output, row.parameters) for name, row in rows.items()},
        compared=compared,
        outputs=(len(network.outputs), len(answering.outputs)),
    )
    del network, answering
    gc.collect()  # networks refer to themselves, and nine of them fill gigabytes
    return facts


def _plain_layers(network: Any) -> list[dict]:
    """Class and settings of each layer, those of models inside it too."""
    found = []
    for layer in network.layers:
        if hasattr(layer, "layers"):
            found += _plain_layers(layer)
            continue
        row = {"name": layer.name, "kind": type(layer).__name__}
        row |= {key: getattr(layer, key) for key in SETTINGS if hasattr(layer, key)}
        activation = getattr(layer, "activation", None)
        found.append(row | {"activation": getattr(activation, "__name__", "")})
    return found


def parameters(recipe: str, which: str = "parameters") -> int:
    """Number of weights of a recipe's network: `parameters`, `trainable` or `frozen`."""
    facts = describe(recipe)
    if which == "frozen":
        return facts.parameters - facts.trainable
    return getattr(facts, which)


def convolutional(recipe: str, which: str = "parameters") -> int:
    """Number of weights below the head of the report's network, `parameters` or `trainable`."""
    settings = load_recipe(recipe).architecture.settings
    total = describe(recipe).rows["model_1"][1]
    moving = 2 * sum(
        repeats * filters
        for repeats, filters in zip(settings["convolutions"], settings["filters"], strict=True)
    )
    return total if which == "parameters" else total - moving


def layer_table(published: list, recipe: str) -> list:
    """The printed rows (name, shape, parameters) as our network has them; None where none is."""
    compared = describe(recipe).compared
    return [
        [name, *compared[name][1:]] if name in compared else [name, None, None]
        for name, *_ in published
    ]


def renumbered(recipe: str, block: str = "block4") -> int:
    """Number of the first normalisation after a block's start, counted from the first layer."""
    names = [layer["name"] for layer in describe(recipe).layers]
    start = next(place for place, name in enumerate(names) if name.startswith(block))
    return 1 + sum(name.startswith("batch_normalization") for name in names[:start])


def counted_layers(recipe: str, kind: str) -> int:
    """How many layers of a Keras class, like `Conv2D`, a recipe's network has."""
    return len(describe(recipe).of_kind(kind))


def kernels(recipe: str) -> list[int]:
    """Sides of the convolution windows that a network uses, without repetition."""
    return sorted({layer["kernel_size"][0] for layer in describe(recipe).of_kind("Conv2D")})


def pools(recipe: str) -> list[list[int]]:
    """Window and step of the max poolings that a network uses, without repetition."""
    layers = describe(recipe).of_kind("MaxPooling2D")
    return [list(pair) for pair in sorted({(p["pool_size"][0], p["strides"][0]) for p in layers})]


def units(recipe: str) -> list[int]:
    """Units of the dense layers below the last one."""
    return [layer["units"] for layer in describe(recipe).of_kind("Dense")][:-1]


def strides(recipes: list[str]) -> list[int]:
    """Steps of the convolutions of some networks, without repetition."""
    layers = [layer for recipe in recipes for layer in describe(recipe).of_kind("Conv2D")]
    return sorted({layer["strides"][0] for layer in layers})


def pooled_convolutions(recipe: str) -> Finding:
    """How many convolutions are followed by a max pooling before the next convolution."""
    kinds = [layer["kind"] for layer in describe(recipe).layers]
    kinds = [kind for kind in kinds if kind in ("Conv2D", "MaxPooling2D")]
    number = kinds.count("Conv2D")
    pooled = sum(
        one == "Conv2D" and other == "MaxPooling2D"
        for one, other in zip(kinds, kinds[1:], strict=False)
    )
    return Finding(f"{pooled} of {number}", agrees=0 < pooled < number)


def sides_kept(recipe: str) -> Finding:
    """Sides of the maps before and after each convolution, without repetition."""
    facts = describe(recipe)
    names = [layer["name"] for layer in facts.layers if len(facts.rows[layer["name"]][0]) == 3]
    kinds = {layer["name"]: layer["kind"] for layer in facts.layers}
    pairs = {
        (facts.rows[one][0][0], facts.rows[other][0][0])
        for one, other in zip(names, names[1:], strict=False)
        if kinds[other] == "Conv2D"
    }
    value = [list(pair) for pair in sorted(pairs, reverse=True)]
    return Finding(value, agrees=bool(value) and all(one == other for one, other in value))


def hidden_activations(recipe: str) -> list[str]:
    """Activations of convolutions and of dense layers below the last, without repetition."""
    facts = describe(recipe)
    layers = facts.of_kind("Conv2D") + facts.of_kind("Dense")[:-1]
    return sorted({layer["activation"] for layer in layers})


def output_activations(recipes: list[str]) -> list[str]:
    """Activations of the last dense layers of some networks, without repetition."""
    return sorted({describe(recipe).of_kind("Dense")[-1]["activation"] for recipe in recipes})


def outputs(recipe: str) -> Finding:
    """Answers of a network in training, and for a new image."""
    training, answering = describe(recipe).outputs
    return Finding([training, answering], agrees=training > answering == 1)


def ranked(recipe: str, others: list[str], quantity: str, undefined: str = "") -> Finding:
    """Whether a network needs less than each of the others.

    `quantity` is `parameters` or `flops`, each network at its own input and for two classes;
    `undefined` says why that need not be what the source means.
    """
    own = getattr(describe(recipe), quantity)
    rest = {name: getattr(describe(name), quantity) for name in others}
    less = sorted(name for name, value in rest.items() if value < own)
    unit, scale = ("million", 1e6) if quantity == "parameters" else ("billion", 1e9)
    told = ", ".join(f"{name} {value / scale:.1f}" for name, value in rest.items())
    note = f"In {unit}: {recipe} {own / scale:.1f}; {told}."
    value = f"{len(less)} of {len(rest)} need less"
    return Finding(value, note, undefined, agrees=not less)


def readings(recipes: list[str], others: list[str], undefined: str) -> Finding:
    """Whether a network needs less than each of the others, by weights and, of each reading of
    it, by operations: nothing can be known where the source names no measure."""
    found = {"parameters": ranked(recipes[0], others, "parameters")}
    found |= {f"operations of {name}": ranked(name, others, "flops") for name in recipes}
    value = "; ".join(f"{name}: {finding.value}" for name, finding in found.items())
    note = " ".join(finding.note for finding in found.values())
    return Finding(value, note, undefined)


def residual_depth(recipe: str) -> int:
    """Layers with weights on the longest way: convolutions that are no shortcut, and the last."""
    facts = describe(recipe)
    shortcut = [layer for layer in facts.of_kind("Conv2D") if layer["name"].endswith("_0_conv")]
    return len(facts.of_kind("Conv2D")) - len(shortcut) + len(facts.of_kind("Dense"))


def residual_skip(recipe: str) -> int:
    """Convolutions that a shortcut of a residual network jumps over."""
    names = [layer["name"] for layer in describe(recipe).of_kind("Conv2D")]
    blocks: dict[str, int] = {}
    for name in names:
        block, _, rest = name.rpartition("_block")
        number, _, part = rest.partition("_")
        if block and not part.startswith("0"):
            blocks[f"{block}_{number}"] = blocks.get(f"{block}_{number}", 0) + 1
    (found,) = set(blocks.values())
    return found


def auxiliary(recipe: str, part: str) -> str:
    """A line of the side classifier as our network has it, in the words of the recipe."""
    facts = describe(recipe)
    layer = next(layer for layer in facts.layers if layer["name"] == part)
    side, _, width = (facts.rows[part][0] + (0, 0, 0))[:3]
    if part == "auxiliary_pool":
        window, step = layer["pool_size"][0], layer["strides"][0]
        return f"{window}x{window}, step {step}: {side}x{side}x{width}"
    if part == "auxiliary_conv":
        return f"{layer['kernel_size'][0]}x{layer['kernel_size'][1]}, {width} filters, ReLU"
    if part == "auxiliary_dense":
        return f"{layer['units']:,} units, ReLU"
    return f"{layer['rate']:.0%}".replace("%", " % dropped")
