"""Layers of a network: size, operations, memory and receptive field, computed from its graph."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from .backend import load_keras
from .errors import RecipeError

if TYPE_CHECKING:
    import keras

__all__ = ["Call", "LayerRow", "count_flops", "layer_rows", "layer_table", "network_calls",
           "number_of", "receptive_field", "show_shape", "state_slots",
           "training_memory"]  # fmt: skip

FLOAT_BYTES = 4  # of a float32, in which activations are kept
# Change the sides of the maps, but not which input pixels an output sees.
MARGINS = ("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D",
           "Cropping3D")  # fmt: skip
SLIDING = ("Conv", "DepthwiseConv", "SeparableConv", "MaxPooling", "AveragePooling")


@dataclass(frozen=True)
class LayerRow:
    """A layer of a network.

    `kind` is the class; `output` the shape without the batch (of the first output, and of
    the first call where a layer is called twice); `parameters` and `trainable` count
    weights; `flops` are those of all its calls for one image, see `count_flops`;
    `receptive_field` and `stride` are in input pixels, None where everything is seen;
    `inside` is the sub-model that holds the layer, "" at the top.
    """

    name: str
    kind: str
    output: tuple[int | None, ...]
    parameters: int
    trainable: int
    flops: int
    receptive_field: int | None
    stride: int | None
    inside: str = ""


@dataclass(frozen=True)
class Call:
    """One use of a layer or operation in a network: the tensors that enter and leave it.

    `inside` is the sub-model that holds it, "" at the top.
    """

    layer: Any
    inputs: tuple
    outputs: tuple
    inside: str


def _calls(network: keras.Model, inside: str) -> list[Call]:
    """Calls that lead from the inputs to the outputs, each after those that it depends on."""
    ordered, known = [], set()
    waiting = [(tensor, False) for tensor in reversed(network.outputs)]
    while waiting:
        tensor, ready = waiting.pop()
        operation, number, _ = tensor._keras_history
        node = operation._inbound_nodes[number]
        if id(node) in known:
            continue
        if ready:
            known.add(id(node))
            call = Call(operation, tuple(node.input_tensors), tuple(node.outputs), inside)
            ordered.append(call)
            continue
        waiting.append((tensor, True))
        waiting += [(before, False) for before in reversed(node.input_tensors)]
    return ordered


def _walk(
    network: keras.Model, rule: Callable[[Call, list], Any], start: Sequence, inside: str = ""
) -> tuple[list[tuple[Call, Any]], list]:
    """Carry a value along the graph, through sub-models too.

    `rule` gives the value of what leaves a call from the values of what enters it. Returned
    are all calls with their value, the inner ones of a sub-model before its own, and the
    values of the network's outputs.
    """
    values = {id(tensor): value for tensor, value in zip(network.inputs, start, strict=True)}
    found: list[tuple[Call, Any]] = []
    for call in _calls(network, inside):
        arriving = [values[id(tensor)] for tensor in call.inputs]
        if not call.inputs:
            leaving = [values[id(tensor)] for tensor in call.outputs]
        elif _is_model(call.layer):
            inner, leaving = _walk(call.layer, rule, arriving, call.layer.name)
            found += inner
        else:
            leaving = [rule(call, arriving)] * len(call.outputs)
        found.append((call, leaving[0]))
        values.update(
            {id(tensor): value for tensor, value in zip(call.outputs, leaving, strict=True)}
        )
    return found, [values[id(tensor)] for tensor in network.outputs]


def _inputs(network: keras.Model) -> list:
    """Input tensors of a network whose graph is known."""
    if not getattr(network, "inputs", None):
        raise RecipeError(
            f"The network {network.name!r} has no layers in known order.",
            remedy="Build it from layers called on keras.Input, or as Sequential with an Input.",
        )
    return network.inputs


def network_calls(network: keras.Model) -> list[Call]:
    """Calls of all layers and operations, each after those that it depends on.

    The inner calls of a sub-model stand before its own. A layer that is called twice is
    there twice.

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    found, _ = _walk(network, lambda call, arriving: None, [None] * len(_inputs(network)))
    return [call for call, _ in found]


def _is_model(layer: Any) -> bool:
    return isinstance(layer, load_keras().Model)


def _size(tensor: Any) -> int:
    """Numbers in a tensor for one image."""
    shape = tensor.shape[1:]
    if None in shape:
        raise RecipeError(
            f"The size of {tensor.name!r} is open: {tuple(shape)}.",
            remedy="Build the network with the input size that it is to be looked at with.",
        )
    return math.prod(shape)


def count_flops(network: keras.Model) -> int:
    """Floating-point operations of the forward pass for one image.

    Counted are the multiplications and additions of convolutions (with groups, depthwise,
    separable, transposed) and of dense layers, two operations for each multiply-accumulate.
    Biases, normalisation, activations and pooling are left out, as in the literature; layers
    of other kinds count as none. A layer that is called twice counts twice.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size; sub-models are looked into.

    Returns
    -------
    int

    Raises
    ------
    RecipeError
        When a size that counts is open, or the layers are in no known order.
    """
    return sum(_call_flops(call) for call in network_calls(network))


def _call_flops(call: Call) -> int:
    layers = load_keras().layers
    layer = call.layer
    if isinstance(layer, layers.SeparableConv1D | layers.SeparableConv2D):
        kernels = (layer.depthwise_kernel, layer.pointwise_kernel)
        places = _size(call.outputs[0]) // layer.filters
    elif isinstance(layer, layers.DepthwiseConv1D | layers.DepthwiseConv2D):
        kernels = (layer.kernel,)
        places = _size(call.outputs[0]) // math.prod(layer.kernel.shape[-2:])
    elif isinstance(layer, layers.Conv1DTranspose | layers.Conv2DTranspose):
        kernels = (layer.kernel,)  # every input place meets the whole kernel once
        places = _size(call.inputs[0]) // layer.kernel.shape[-1]
    elif isinstance(layer, layers.Conv1D | layers.Conv2D | layers.Conv3D):
        kernels = (layer.kernel,)
        places = _size(call.outputs[0]) // layer.filters
    elif isinstance(layer, layers.Dense):
        kernels = (layer.kernel,)
        places = _size(call.outputs[0]) // layer.units
    else:
        return 0
    return 2 * places * sum(math.prod(kernel.shape) for kernel in kernels)


def training_memory(network: keras.Model, batch: int, optimizer_slots: int) -> int:
    """Estimate of the memory that a training step needs, in bytes.

    The sum of: all weights; one gradient, and `optimizer_slots` further numbers, for each
    trained weight; for each image of the batch, the output of every layer that lies on a way
    from a trained weight to the loss, which the backward pass needs, and, of the layers
    before (frozen ones and the input), the input and output of the largest. All as float32.
    Left out is what a library adds or saves: work space of its convolutions, gradients of
    activations, layers computed in place.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size.
    batch : int
        Images in a step.
    optimizer_slots : int
        Numbers that the optimiser keeps for each trained weight, see `state_slots`.

    Returns
    -------
    int

    Raises
    ------
    RecipeError
        When a size that counts is open, or the layers are in no known order.
    """
    stored = number_of(network.weights) + (1 + optimizer_slots) * number_of(
        network.trainable_weights
    )
    found, _ = _walk(network, _needs_gradient, [False] * len(_inputs(network)))
    kept = passing = 0
    for call, gradient in found:
        leaving = sum(_size(tensor) for tensor in call.outputs)
        if _is_model(call.layer):
            continue  # its last layer has been counted
        if gradient:
            kept += leaving
        else:
            passing = max(passing, leaving + sum(_size(tensor) for tensor in call.inputs))
    return FLOAT_BYTES * (stored + batch * (kept + passing))


def _needs_gradient(call: Call, arriving: list[bool]) -> bool:
    return any(arriving) or bool(getattr(call.layer, "trainable_weights", ()))


def number_of(weights: Iterable) -> int:
    return sum(math.prod(weight.shape) for weight in weights)


def state_slots(settings: Mapping[str, Any]) -> int:
    """Numbers that an optimiser keeps for each trained weight, asked of Keras.

    Parameters
    ----------
    settings : mapping
        Name of the optimiser as `name`, and its settings, as in a recipe.

    Returns
    -------
    int
        0 for plain gradient descent, 2 for Adam.
    """
    keras = load_keras()
    given = {key: value for key, value in settings.items() if key != "name"}
    kind = getattr(keras.optimizers, settings["name"])

    def state(weights: int) -> int:
        optimizer = kind(**given)
        optimizer.build([keras.Variable([0.0]) for _ in range(weights)])
        return len(optimizer.variables)

    return state(2) - state(1)


def receptive_field(network: keras.Model) -> dict[str, tuple[int | None, int | None]]:
    """Receptive field and stride of each layer, in pixels of the input.

    How many pixels, side by side, one value of the output depends on, and how many lie
    between neighbouring values: along the longest way through the network, of height and
    width the larger. It may exceed the image. After a flattening, a global pooling or a
    layer that mixes places in an unknown way everything is seen: None.

    Computed as in Araujo, Norris and Sim, "Computing receptive fields of convolutional
    neural networks" (doi 10.23915/distill.00021), by kernel, dilation and stride.

    Parameters
    ----------
    network : keras.Model
        Sub-models are looked into; their layers are named `<sub-model>/<layer>`.

    Returns
    -------
    dict of str to tuple
        Name of the layer to (receptive field, stride); for a layer called more than once,
        the largest.

    Raises
    ------
    RecipeError
        When the layers are in no known order.
    """
    start = [((1, 1),) * (len(tensor.shape) - 2) or None for tensor in _inputs(network)]
    fields: dict[str, tuple[int | None, int | None]] = {}
    for call, sides in _walk(network, _field_after, start)[0]:
        name = _place(call)
        new = (None, None)
        if sides is not None:
            new = (max(size for size, _ in sides), max(stride for _, stride in sides))
        fields[name] = _larger(fields.get(name, new), new)
    return fields


def _larger(first: tuple, second: tuple) -> tuple:
    if None in first or None in second:
        return (None, None)
    return (max(first[0], second[0]), max(first[1], second[1]))


def _field_after(call: Call, arriving: list) -> tuple | None:
    """Field and stride along each side after a call, from those of what enters it."""
    if any(sides is None for sides in arriving):
        return None
    before = tuple(
        (max(size for size, _ in side), max(stride for _, stride in side))
        for side in zip(*arriving, strict=True)
    )
    layer, kind = call.layer, type(call.layer).__name__
    if kind in MARGINS:
        return before
    if any(isinstance(layer, found) for found in _sliding_layers()):
        return tuple(
            (size + (kernel - 1) * dilation * stride, stride * step)
            for (size, stride), kernel, dilation, step in zip(before, *_window(layer), strict=True)
        )
    return before if _same_sides(call) else None


def _sliding_layers() -> list[type]:
    layers = load_keras().layers
    names = [f"{kind}{sides}D" for kind in SLIDING for sides in (1, 2, 3)]
    return [getattr(layers, name) for name in names if hasattr(layers, name)]


def _window(layer: Any) -> tuple[tuple, tuple, tuple]:
    """Kernel, dilation and step along each side."""
    if hasattr(layer, "pool_size"):
        return layer.pool_size, (1,) * len(layer.pool_size), layer.strides
    return layer.kernel_size, layer.dilation_rate, layer.strides


def _same_sides(call: Call) -> bool:
    """Whether the maps that leave have the sides of those that enter."""
    last = load_keras().config.image_data_format() == "channels_last"
    part = slice(1, -1) if last else slice(2, None)
    leaving = call.outputs[0].shape
    entering = [tensor.shape for tensor in call.inputs]
    return all(len(s) == len(leaving) and s[part] == leaving[part] for s in entering)


def layer_rows(network: keras.Model, *, nested: bool = False) -> list[LayerRow]:
    """Layers in the order in which Keras prints them.

    Parameters
    ----------
    network : keras.Model
        With a fixed input size.
    nested : bool
        Put the layers of each sub-model before its own row. The sub-model's numbers are then
        sums of theirs.

    Returns
    -------
    list of LayerRow

    Raises
    ------
    RecipeError
        When a size that counts is open, or the layers are in no known order.
    """
    calls, fields = network_calls(network), receptive_field(network)
    return _rows_inside(network, "", calls, fields, nested)


def _rows_inside(
    network: keras.Model, inside: str, calls: list[Call], fields: dict, nested: bool
) -> list[LayerRow]:
    rows = []
    for layer in network.layers:
        uses = [call for call in calls if call.layer is layer and call.inside == inside]
        if not uses:
            continue  # an input that leads nowhere
        if nested and _is_model(layer):
            rows += _rows_inside(layer, layer.name, calls, fields, nested)
        rows.append(_row_of(layer, uses, fields))
    return rows


def _row_of(layer: Any, uses: list[Call], fields: dict) -> LayerRow:
    first = uses[0]
    flops = sum(_call_flops(call) for call in uses)
    if _is_model(layer):
        flops = len(uses) * count_flops(layer)
    field, stride = fields[_place(first)]
    return LayerRow(
        name=layer.name, kind=type(layer).__name__, output=tuple(first.outputs[0].shape[1:]),
        parameters=layer.count_params(), trainable=number_of(layer.trainable_weights),
        flops=flops, receptive_field=field, stride=stride, inside=first.inside,
    )  # fmt: skip


def _place(call: Call) -> str:
    return f"{call.inside}/{call.layer.name}" if call.inside else call.layer.name


def layer_table(network: keras.Model) -> pd.DataFrame:
    """Layers for a page, those of sub-models too: one row each, in Keras's order.

    Returns
    -------
    pandas.DataFrame
        `layer`, `kind`, `output`, `parameters`, `trained`, `MFLOP`, `sees` and `step`
        (receptive field and stride in pixels, "all" where everything is seen).
    """
    rows = [
        {
            "layer": row.name,
            "kind": row.kind,
            "output": show_shape(row.output),
            "parameters": row.parameters,
            "trained": row.trainable,
            "MFLOP": f"{row.flops / 1e6:,.1f}",
            "sees": "all" if row.receptive_field is None else f"{row.receptive_field} px",
            "step": "" if row.stride is None else f"{row.stride} px",
        }
        for row in layer_rows(network, nested=True)
    ]
    return pd.DataFrame(rows)


def show_shape(shape: Sequence[int | None]) -> str:
    """Shape of a layer's output for a reader, like `38 x 38 x 256`."""
    return " x ".join("any" if side is None else str(side) for side in shape)
