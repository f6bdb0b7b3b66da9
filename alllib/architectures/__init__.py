"""Networks by name. A network's module is imported, and Keras with it, when it is built."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING

from ..backend import load_keras
from ..errors import RecipeError, suggest

if TYPE_CHECKING:
    import keras

    from ..recipes import Recipe

__all__ = ["ARCHITECTURES", "build_network"]

# Name in recipes: module of this package. Each has `build(input_size, classes, **settings)`.
ARCHITECTURES = {"proposed": "proposed"}


def build_network(recipe: Recipe, *, classes: int, input_size: int | None = None) -> keras.Model:
    """Network of a recipe with fresh weights, not compiled.

    Parameters
    ----------
    recipe : Recipe
        Recipe that names the architecture and its settings.
    classes : int
        Number of outputs.
    input_size : int, optional
        Side of the input in pixels; the recipe's when not given.

    Returns
    -------
    keras.Model
        Input (n, input_size, input_size, 3) float, output (n, classes) probabilities.

    Raises
    ------
    RecipeError
        When the architecture is unknown, its settings do not fit it, or the input is below
        its minimum.
    DependencyError
        When Keras or its backend is not installed.
    """
    wanted = recipe.architecture
    size = recipe.images.input if input_size is None else input_size
    if wanted.name not in ARCHITECTURES:
        raise RecipeError(
            f"There is no architecture {wanted.name!r}.",
            where=recipe.name,
            remedy=suggest(wanted.name, ARCHITECTURES),
        )
    if size < wanted.minimum_input:
        raise RecipeError(
            f"{recipe.name} needs an input of at least {wanted.minimum_input} pixels, not {size}.",
            where="input_size",
            remedy=f"Choose {wanted.minimum_input} or more.",
        )
    load_keras()  # before the network's module does, so that a lacking backend is said clearly
    build = import_module(f"{__name__}.{ARCHITECTURES[wanted.name]}").build
    try:
        inspect.signature(build).bind(size, classes, **wanted.settings)
    except TypeError as error:
        raise RecipeError(
            f"The settings do not fit the architecture {wanted.name!r}: {error}.",
            where=f"{recipe.name}: architecture.settings",
            remedy=f"It takes {', '.join(list(inspect.signature(build).parameters)[2:])}.",
        ) from error
    return build(size, classes, **wanted.settings)
