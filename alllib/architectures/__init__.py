"""Networks by name. A network's module is imported, and Keras with it, when it is built."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ..backend import load_keras
from ..errors import OWN_FILE, RecipeError, suggest

if TYPE_CHECKING:
    import keras

    from ..recipes import Recipe

__all__ = ["ARCHITECTURES", "Architecture", "build_network", "feature_layer", "image_scale",
           "inference_model"]  # fmt: skip


@dataclass(frozen=True)
class Architecture:
    """A network: module of this package with `build(input_size, classes, **settings)`.

    `features` is the layer that ends the backbone, where ImageNet weights exist for one,
    and `scale` how its images were scaled, in the words of
    `keras.applications.imagenet_utils.preprocess_input`. A network of a reader's own has no
    module here but its `build` itself (`alllib.extensions`).
    """

    module: str
    features: str | None = None
    scale: str = "unit"
    build: Callable[..., keras.Model] | None = None


ARCHITECTURES = {
    "alexnet": Architecture("alexnet"),
    "proposed": Architecture("proposed"),
    "two_by_two": Architecture("two_by_two"),
    "vgg16": Architecture("vgg16", "block5_pool", "caffe"),
    "vgg19": Architecture("vgg19", "block5_pool", "caffe"),
    "resnet50": Architecture("resnet50", "avg_pool", "caffe"),
    "inception_v3": Architecture("inception_v3", "avg_pool", "tf"),
    "densenet201": Architecture("densenet201", "avg_pool", "torch"),
}


def build_network(
    recipe: Recipe,
    *,
    classes: int,
    input_size: int | None = None,
    weights: str | None = None,
    backbone: str | None = None,
) -> keras.Model:
    """Network of a recipe, not compiled.

    Parameters
    ----------
    recipe : Recipe
        Recipe that names the architecture and its settings.
    classes : int
        Number of classes.
    input_size : int, optional
        Side of the input in pixels; the recipe's when not given.
    weights : {"imagenet", "none"}, optional
        Initial weights of the backbone; the recipe's when not given. Keras downloads those
        of ImageNet once, into `~/.keras/models`.
    backbone : {"trained", "frozen"}, optional
        Whether the backbone is trained too; as the recipe says when not given.

    Returns
    -------
    keras.Model
        Input (n, input_size, input_size, 3) float, output (n, classes) probabilities, or
        (n, 1) that of the second class. With an auxiliary classifier a second output
        like the first, for training only (see `inference_model`).

    Raises
    ------
    RecipeError
        When the architecture is unknown, its settings, weights or number of classes do not
        fit it, or the input is below its minimum.
    FetchError
        When the weights cannot be downloaded or do not fit.
    DependencyError
        When Keras or its backend is not installed.
    """
    wanted = recipe.architecture
    size = recipe.images.input if input_size is None else input_size
    if size < wanted.minimum_input:
        raise RecipeError(
            f"{recipe.name} needs an input of at least {wanted.minimum_input} pixels, not {size}.",
            where="input_size",
            remedy=f"Choose {wanted.minimum_input} or more.",
        )
    entry = _entry(recipe)
    load_keras()  # before the network's module does, so that a lacking backend is said clearly
    build = entry.build or import_module(f"{__name__}.{entry.module}").build
    settings = dict(wanted.settings) | _start(recipe, entry, weights, backbone)
    try:
        inspect.signature(build).bind(size, classes, **settings)
    except TypeError as error:
        raise RecipeError(
            f"The settings do not fit the architecture {wanted.name!r}: {error}.",
            where=f"{recipe.name}: architecture.settings",
            remedy=f"It takes {', '.join(list(inspect.signature(build).parameters)[2:])}.",
        ) from error
    try:
        return build(size, classes, **settings)
    except (TypeError, ValueError) as error:  # as Keras and `zip` say it
        raise RecipeError(
            f"The network cannot be built: {str(error).splitlines()[0]}",
            where=f"{recipe.name}: architecture.settings, input {size}",
            remedy="Check the settings of the architecture, or use a larger input.",
        ) from error


def _entry(recipe: Recipe) -> Architecture:
    name = recipe.architecture.name
    if name not in ARCHITECTURES:
        raise RecipeError(
            f"There is no architecture {name!r}.",
            where=recipe.name,
            remedy=f"{suggest(name, ARCHITECTURES)} {OWN_FILE}",
        )
    return ARCHITECTURES[name]


def _start(
    recipe: Recipe, entry: Architecture, weights: str | None, backbone: str | None
) -> dict[str, object]:
    """Initial weights and frozen part as arguments of a backbone's `build`."""
    weights = weights or recipe.architecture.weights
    backbone = backbone or recipe.architecture.backbone
    for key, value, known in (
        ("weights", weights, ("imagenet", "none")),
        ("backbone", backbone, ("trained", "frozen")),
    ):
        if value not in known:
            raise RecipeError(
                f"{key} = {value!r} is not known.", where=recipe.name, remedy=suggest(value, known)
            )
    if entry.features is not None:
        return {"weights": weights, "frozen": backbone == "frozen"}
    if weights != "none" or backbone != "trained":
        raise RecipeError(
            f"{recipe.name} has no pretrained backbone: no ImageNet weights exist for it.",
            where=recipe.name,
            remedy="Use weights = none and backbone = trained.",
        )
    return {}


def image_scale(recipe: Recipe, weights: str) -> str:
    """How images are scaled for a recipe's network that starts from `weights`.

    Returns
    -------
    {"unit", "caffe", "tf", "torch"}
        "unit" is 0..1; the others as in Keras's `preprocess_input`.
    """
    pretrained = recipe.images.scale == "pretrained" and weights == "imagenet"
    return _entry(recipe).scale if pretrained else "unit"


def feature_layer(recipe: Recipe) -> str | None:
    """Name of the layer that ends the backbone; None for a network without one."""
    return _entry(recipe).features


def inference_model(network: keras.Model) -> keras.Model:
    """The network without its auxiliary classifier: the first output alone, same weights."""
    if len(network.outputs) == 1:
        return network
    keras = load_keras()
    return keras.Model(network.input, network.outputs[0], name=network.name)
