"""What a network sees: the maps of its layers, and where the evidence for a class lies.

Layers are watched while the network runs, so that the layers of a nested network show too
and any of them can be asked for. Under mixed precision everything here is computed in
float32: gradients of 16 bits lose their small values.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from PIL import Image

from .backend import gradient, load_keras
from .errors import ParameterError, RecipeError
from .layers import receptive_field

if TYPE_CHECKING:
    import keras

__all__ = ["display_grid", "filters", "grad_cam", "layer_activations", "overlay"]

# Layers that show by themselves, by the names of Keras's classes.
SHOWN = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "MaxPooling2D", "AveragePooling2D",
         "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU")  # fmt: skip


def layer_activations(
    model: keras.Model, images: np.ndarray, layers: Iterable[str] | str | None = None
) -> dict[str, np.ndarray]:
    """Maps that layers of a network make of images.

    Parameters
    ----------
    model : keras.Model
    images : numpy.ndarray
        Shape (n, height, width, 3), float, scaled as the network expects it. The maps of all
        layers are many times larger than the images: give few.
    layers : str or iterable of str, optional
        Names of layers, also of a nested network and of the layers in it; all convolutions,
        poolings and activations when not given. Where an inner layer bears the name of an
        outer one, it is called `network/layer`.

    Returns
    -------
    dict of str to numpy.ndarray
        Shape (n, height, width, channels) float32 each; in the order asked for, else in that
        of computation. A layer that is used several times shows its last use.

    Raises
    ------
    ParameterError
        When a layer is unknown or has no maps, or the images do not fit the network.
    """
    network = _Network(model)
    if layers is None:
        wanted = network.names_of(*SHOWN)
    else:
        wanted = [layers] if isinstance(layers, str) else list(layers)
        network.check_names(wanted)
    found = {}

    def keep(name, inputs, outputs):
        if _has_maps(outputs):
            found[name] = _to_numpy(outputs)
        return outputs

    network.run(network.checked(images), wanted, keep)
    if layers is None:
        return found
    for name in wanted:
        if name not in found:
            raise network.no_maps(name)
    return {name: found[name] for name in wanted}


def filters(model: keras.Model, layer: str) -> np.ndarray:
    """Kernel of a convolution.

    Parameters
    ----------
    model : keras.Model
    layer : str
        Name as in `layer_activations`.

    Returns
    -------
    numpy.ndarray
        Shape (height, width, channels in, filters), float32. A depthwise convolution has its
        number of filters per channel last.

    Raises
    ------
    ParameterError
        When the layer is unknown or no convolution.
    """
    network = _Network(model)
    network.check_names([layer])
    found = network.layers[layer]
    kernel = getattr(found, "kernel", None)
    if kernel is None or len(kernel.shape) != 4:
        raise ParameterError(
            f"Layer {layer!r} is no convolution with one kernel, but {type(found).__name__}.",
            where=model.name,
            remedy="Choose a layer Conv2D or DepthwiseConv2D; `model.summary()` shows the kinds.",
        )
    return _to_numpy(kernel)


def grad_cam(
    model: keras.Model,
    images: np.ndarray,
    classes: np.ndarray | int | None = None,
    layer: str | None = None,
    *,
    raw: bool = False,
) -> np.ndarray:
    """Gradient-weighted class activation maps: where in an image the evidence for a class is.

    A map is ReLU(sum over k of a_k A_k), with A_k channel k of the layer and a_k the mean over
    positions of the gradient of the class's score with respect to A_k. The score is taken
    before softmax or sigmoid, which would flatten the gradient of a sure network. With one
    output unit of score z, class 1 has score z and class 0 has -z.

    Parameters
    ----------
    model : keras.Model
        Network that ends in a dense layer. Of several outputs the first one counts.
    images : numpy.ndarray
        Shape (n, height, width, 3), float, scaled as the network expects it.
    classes : numpy.ndarray or int, optional
        Index of the class per image, or one for all; the predicted class when not given.
    layer : str, optional
        Name as in `layer_activations`; the last one with maps when not given. A nested
        network comes after the layers in it, so that it counts where its output is maps.
    raw : bool
        Return the maps unscaled, in the layer's size.

    Returns
    -------
    numpy.ndarray
        Shape (n, height, width) float32, each map scaled to a maximum of 1; a map without
        any evidence stays zero.

    Raises
    ------
    ParameterError
        When the layer is unknown or has no maps, the images do not fit the network, a class
        does not exist, or the network does not end in a dense layer.

    References
    ----------
    Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
    Localization, ICCV 2017, equations 1 and 2, doi 10.1109/ICCV.2017.74.
    """
    network = _Network(_with_first_output(model))
    if layer is not None:
        network.check_names([layer])
    images = network.checked(images)
    target, maps, head, logits = _look(network, images, layer)
    signs = _class_signs(logits, classes)

    def scores(shift):
        logits = _shifted_logits(network, images, head, {target: shift})
        return load_keras().ops.multiply(logits, signs)

    # The gradient with respect to a shift of the maps is that with respect to the maps,
    # whatever else the layers above them read.
    slopes = gradient(scores, np.zeros_like(maps))
    weights = slopes.mean(axis=(1, 2), dtype=np.float64)
    cams = np.maximum(np.einsum("nhwk,nk->nhw", maps, weights), 0).astype(np.float32)
    return cams if raw else _fit_to_images(cams, images.shape[1:3], _step(model, target))


def overlay(
    image: np.ndarray, cam: np.ndarray, *, alpha: float = 0.5, colours: str = "cividis"
) -> np.ndarray:
    """Image with a heat map over it.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width, 3), uint8, or float from 0 to 1.
    cam : numpy.ndarray
        Shape (height, width), from 0 to 1.
    alpha : float
        Share of the heat map's colour, from 0 (image alone) to 1 (map alone).
    colours : str
        Matplotlib's name of a colour map. `cividis` was made to look alike to readers with
        and without colour blindness (Nunez et al. 2018, doi 10.1371/journal.pone.0199239).

    Returns
    -------
    numpy.ndarray
        Shape (height, width, 3), uint8.

    Raises
    ------
    ParameterError
        When shapes, `alpha` or the name of the colour map do not fit.
    """
    image, cam = np.asarray(image), np.asarray(cam)
    if image.ndim != 3 or image.shape[2] != 3 or cam.shape != image.shape[:2]:
        raise ParameterError(
            f"A map of shape {cam.shape} does not lie over an image of shape {image.shape}.",
            remedy="Give one RGB image and its map of `grad_cam`, made without `raw`.",
        )
    if not 0 <= alpha <= 1:
        raise ParameterError(
            f"alpha is a share from 0 to 1, not {alpha}.", remedy="Choose one of these."
        )
    if colours not in colormaps:
        raise ParameterError(
            f"There is no colour map {colours!r}.", remedy=_nearest(colours, list(colormaps))
        )
    below = image.astype(np.float64) / (255 if image.dtype == np.uint8 else 1)
    above = colormaps[colours](np.clip(cam.astype(np.float64), 0, 1))[..., :3]
    mixed = (1 - alpha) * np.clip(below, 0, 1) + alpha * above
    return np.rint(255 * mixed).astype(np.uint8)


def display_grid(activations: np.ndarray, *, columns: int | None = None) -> np.ndarray:
    """Channels of one layer, side by side, each with its own contrast.

    As in figure 21 of Mir and Un Nissa's report: of each channel the mean is subtracted, the
    rest divided by the standard deviation, times 64, plus 128, cut to 0..255. A channel that
    is constant has no deviation to divide by and is shown in even grey, 128.

    Parameters
    ----------
    activations : numpy.ndarray
        Shape (height, width, channels): one image's maps from `layer_activations`.
    columns : int, optional
        Tiles in a row; all channels in one row, as in the report, when not given.

    Returns
    -------
    numpy.ndarray
        Shape (rows * height, columns * width), uint8; tiles without a channel are black.

    Raises
    ------
    ParameterError
        When the shape is not that of one image's maps, or `columns` is below 1.
    """
    maps = np.asarray(activations, np.float64)
    if maps.ndim != 3 or not maps.size:
        raise ParameterError(
            f"One image's maps have shape (height, width, channels), not {maps.shape}.",
            remedy="Take one image's: `display_grid(activations[0])`.",
        )
    height, width, channels = maps.shape
    columns = channels if columns is None else columns
    if columns < 1:
        raise ParameterError(f"columns is {columns}.", remedy="Choose 1 or more.")
    rows = -(-channels // columns)
    tiles = np.zeros((rows * columns, height, width), np.uint8)
    tiles[:channels] = _standardise(maps).transpose(2, 0, 1)
    return (
        tiles.reshape(rows, columns, height, width)
        .swapaxes(1, 2)
        .reshape(rows * height, columns * width)
    )


def _standardise(maps: np.ndarray) -> np.ndarray:
    """Channels of mean 128 and deviation 64, uint8."""
    # By its range: the deviation of equal numbers is not always exactly 0, as their mean is
    # rounded.
    constant = maps.max(axis=(0, 1)) == maps.min(axis=(0, 1))
    deviation = np.where(constant, 1, maps.std(axis=(0, 1)))
    values = np.where(constant, 0, maps - maps.mean(axis=(0, 1))) / deviation
    return np.clip(64 * values + 128, 0, 255).astype(np.uint8)


def _with_first_output(model: keras.Model) -> keras.Model:
    if len(model.outputs) == 1:
        return model
    return load_keras().Model(model.input, model.outputs[0], name=model.name)


def _look(
    network: _Network, images: np.ndarray, layer: str | None
) -> tuple[str, np.ndarray, str, np.ndarray]:
    """Name and maps of the layer that is asked about, name and logits of the last dense one."""
    heads = network.names_of("Dense")
    candidates = list(network.layers) if layer is None else [layer]
    last = {}

    def keep(name, inputs, outputs):
        if name in heads:
            last["head"], last["features"], last["shape"] = name, inputs, tuple(outputs.shape)
        if name in candidates and _has_maps(outputs):
            last["target"], last["maps"] = name, outputs
        return outputs

    network.run(images, [*heads, *candidates], keep)
    if last.get("shape") != (len(images), *network.model.output_shape[1:]):
        raise ParameterError(
            "The network does not end in a dense layer, of which a class's score is taken.",
            where=network.model.name,
            remedy="Give a classifier whose outputs are the units of a dense layer.",
        )
    if "maps" not in last:
        raise network.no_maps(layer)
    logits = _logits(network.layers[last["head"]], last["features"])
    return last["target"], _to_numpy(last["maps"]), last["head"], _to_numpy(logits)


def _logits(head: keras.layers.Dense, features: keras.KerasTensor) -> keras.KerasTensor:
    """A dense layer's values before its activation, float32."""
    ops = load_keras().ops
    values = ops.matmul(ops.cast(features, "float32"), ops.cast(head.kernel, "float32"))
    return values if head.bias is None else values + ops.cast(head.bias, "float32")


def _shifted_logits(
    network: _Network, images: np.ndarray, head: str, shifts: dict[str, keras.KerasTensor]
) -> keras.KerasTensor:
    """Logits of the dense layer `head` when `shifts` are added to the maps of layers."""
    keras = load_keras()
    features = None

    def react(name, inputs, outputs):
        nonlocal features
        if name == head:
            features = inputs
        if name not in shifts:
            return outputs
        return outputs + keras.ops.cast(
            shifts[name], keras.backend.standardize_dtype(outputs.dtype)
        )

    network.run(images, [*shifts, head], react)
    return _logits(network.layers[head], features)


def _class_signs(logits: np.ndarray, classes: np.ndarray | int | None) -> np.ndarray:
    """What each logit counts in its image's score: shape of `logits`, float32, 0, 1 or -1."""
    units = logits.shape[1]
    count = max(units, 2)
    if classes is None:
        classes = logits.argmax(axis=1) if units > 1 else (logits[:, 0] > 0).astype(int)
    classes = np.asarray(classes)
    whole = np.issubdtype(classes.dtype, np.integer)
    if not whole or classes.shape not in ((), (len(logits),)):
        raise ParameterError(
            f"Classes are one integer or one per image ({len(logits)}), not {classes.dtype} of "
            f"shape {classes.shape}.",
            where="classes",
            remedy="Give indices of classes, not names.",
        )
    if classes.size and not 0 <= classes.min() <= classes.max() < count:
        raise ParameterError(
            f"The network has the classes 0 to {count - 1}, not {classes.min()} to "
            f"{classes.max()}.",
            where="classes",
            remedy="Count classes from 0.",
        )
    classes = np.broadcast_to(classes, len(logits))
    if units == 1:
        return np.where(classes == 1, 1, -1)[:, None].astype(np.float32)
    return np.eye(units, dtype=np.float32)[classes]


def _step(model: keras.Model, target: str) -> int:
    """Pixels between neighbouring values of a layer; of a sub-model, of its last layer. 0 where
    nobody knows."""
    try:
        fields = receptive_field(model)
    except RecipeError:
        return 0
    inner = [name for name in fields if name == target or name.endswith(f"/{target}")]
    inner = inner or [name for name in fields if name.startswith(f"{target}/")]
    return (fields[inner[-1]][1] if inner else None) or 0


def _fit_to_images(cams: np.ndarray, size: tuple[int, int], step: int) -> np.ndarray:
    """Maps in the images' size, each with a maximum of 1 unless it is zero.

    Values lie `step` pixels apart around the middle: without padding the outermost windows
    end inside the image, and a map stretched over all of it would point too far out.
    """
    height, width = size
    spans = [
        min(whole, step * side) if step else whole
        for whole, side in zip(size, cams.shape[1:], strict=True)
    ]
    cams = [
        np.asarray(Image.fromarray(cam).resize(tuple(spans[::-1]), Image.Resampling.BILINEAR))
        for cam in cams
    ]
    cams = np.stack(cams) if cams else np.zeros((0, *spans), np.float32)
    free = [(whole - span) for whole, span in zip(size, spans, strict=True)]
    cams = np.pad(cams, ((0, 0), *((rest // 2, rest - rest // 2) for rest in free)))
    highest = cams.max(axis=(1, 2), keepdims=True)
    return np.divide(cams, highest, out=np.zeros_like(cams), where=highest > 0)


class _Network:
    """A network whose layers can be watched while it runs.

    `layers` holds those that compute, by name, and those of nested networks after the outer
    ones.
    """

    def __init__(self, model: keras.Model):
        self.model, self.layers = model, {}
        keras = load_keras()
        waiting = [("", model)]
        while waiting:
            path, part = waiting.pop(0)
            for layer in part.layers:
                twice = any(layer is other for other in self.layers.values())
                if twice or isinstance(layer, keras.layers.InputLayer):
                    continue
                name = path + layer.name if layer.name in self.layers else layer.name
                self.layers[name] = layer
                if isinstance(layer, keras.Model):
                    waiting.append((f"{path}{layer.name}/", layer))

    def names_of(self, *kinds: str) -> list[str]:
        """Layers of Keras's classes of these names."""
        classes = tuple(getattr(load_keras().layers, kind) for kind in kinds)
        return [name for name, layer in self.layers.items() if isinstance(layer, classes)]

    def checked(self, images: np.ndarray) -> np.ndarray:
        """The images as float32, if the network takes their shape."""
        images = np.asarray(images, np.float32)
        wanted = tuple(self.model.inputs[0].shape)
        fits = images.ndim == len(wanted) and all(
            side in (None, given) for side, given in zip(wanted[1:], images.shape[1:], strict=True)
        )
        if not fits:
            raise ParameterError(
                f"The network takes images of shape {wanted}, not {images.shape}.",
                where=self.model.name,
                remedy="Resize the images; give a single one as `images[None]`.",
            )
        return images

    def check_names(self, names: Iterable[str]) -> None:
        """Raise the error of the first name that no layer has."""
        for name in names:
            if name not in self.layers:
                raise ParameterError(
                    f"The network has no layer {name!r}.",
                    where=self.model.name,
                    remedy=_nearest(name, self.layers),
                )

    def no_maps(self, name: str | None) -> ParameterError:
        """The error of a layer, or of all layers, without maps."""
        return ParameterError(
            f"Layer {name!r} has no maps." if name else "No layer has maps.",
            where=self.model.name,
            remedy="Choose a layer whose output is (n, height, width, channels), such as a "
            "convolution; `model.summary(expand_nested=True)` lists all.",
        )

    def run(self, images: np.ndarray, watched: Iterable[str], react: Callable) -> None:
        """Run in inference and float32, and let `react(name, inputs, outputs)` see, and
        replace, what the watched layers return."""
        parts = [self.model, *self.layers.values()]
        with _in_full_precision(parts), contextlib.ExitStack() as stack:
            for name in dict.fromkeys(watched):
                stack.enter_context(_watched(name, self.layers[name], react))
            self.model(images, training=False)


@contextlib.contextmanager
def _watched(name: str, layer: keras.Layer, react: Callable) -> Iterator[None]:
    """Show to `react` what a layer takes and returns, and let it return something else."""
    own = vars(layer).get("call")
    call = layer.call

    def show(*args, **kwargs):
        outputs = call(*args, **kwargs)
        return react(name, args[0] if args else next(iter(kwargs.values())), outputs)

    layer.call = show
    try:
        yield
    finally:
        del layer.call
        if own is not None:
            layer.call = own


@contextlib.contextmanager
def _in_full_precision(layers: Iterable[keras.Layer]) -> Iterator[None]:
    """Let layers of mixed precision compute in the precision of their weights."""
    mixed = [layer for layer in layers if layer.compute_dtype != layer.variable_dtype]
    policies = [layer.dtype_policy for layer in mixed]
    try:
        for layer in mixed:
            layer.dtype_policy = layer.variable_dtype
        yield
    finally:
        for layer, policy in zip(mixed, policies, strict=True):
            layer.dtype_policy = policy


def _has_maps(outputs: object) -> bool:
    return len(getattr(outputs, "shape", ())) == 4


def _to_numpy(values: keras.KerasTensor) -> np.ndarray:
    return np.array(load_keras().ops.convert_to_numpy(values), np.float32)


def _nearest(name: str, known: Iterable[str]) -> str:
    # Not the whole list, as large networks have hundreds of layers.
    near = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0)
    return f"The nearest name is {near[0]!r}." if near else "There is none to choose."
