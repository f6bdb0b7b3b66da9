"""What each published system is and costs, computed from its network and held against print."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import TYPE_CHECKING

import pandas as pd

from .architectures import build_network, inference_model
from .datasets import DATASETS
from .errors import RecipeError
from .layers import (
    LayerRow,
    count_flops,
    layer_rows,
    layer_table,
    number_of,
    receptive_field,
    show_shape,
    state_slots,
    training_memory,
)
from .recipes import change_recipe, list_recipes, load_recipe

if TYPE_CHECKING:
    import keras

    from .recipes import Recipe

__all__ = ["LayerRow", "compare_layers", "count_flops", "describe_system", "layer_rows",
           "layer_table", "receptive_field", "system_rows", "system_table", "systems_agree",
           "tell_cost", "training_memory"]  # fmt: skip

COMPARED = ["published layer", "our layer", "output", "published parameters", "our parameters",
            "agrees", "misprint"]  # fmt: skip


def compare_layers(network: keras.Model, recipe: Recipe) -> pd.DataFrame:
    """The layer table that a source printed, beside the network built here.

    Parameters
    ----------
    network : keras.Model
        Built at the recipe's own input.
    recipe : Recipe
        `published["layers"]` are rows of name, output shape and parameters as printed;
        `published["renamed"]` (optional) maps a printed name to ours where they differ;
        `published["misprints"]` (optional) lists rows whose printed number of parameters is
        known to be wrong.

    Returns
    -------
    pandas.DataFrame
        `published layer`, `our layer` (None where there is none), `output` (as printed),
        `published parameters`, `our parameters` (None), `agrees` (output and parameters are
        the same), `misprint` (a row listed as such, and nothing but its parameters differs).

    Raises
    ------
    RecipeError
        When a row is listed as a misprint and is not in the table, or is right.
    """
    ours = {row.name: row for row in layer_rows(network, nested=True)}
    published = recipe.published
    renamed, misprints = published.get("renamed", {}), list(published.get("misprints", ()))
    rows = [
        _compare(name, tuple(shape), number, ours.get(renamed.get(name, name)))
        for name, shape, number in published.get("layers", ())
    ]
    table = pd.DataFrame(rows, columns=COMPARED)
    listed = table["published layer"].isin(misprints)
    table["misprint"] = listed & table["misprint"]
    wrong = {*misprints} - {*table["published layer"]} | {
        *table["published layer"][listed & table["agrees"]]
    }
    if wrong:
        raise RecipeError(
            f"Listed as misprints, but right or not printed: {', '.join(sorted(wrong))}.",
            where=f"{recipe.name}: published.misprints",
            remedy="List only printed rows whose number of parameters is wrong.",
        )
    return table


def _compare(name: str, shape: tuple, number: int, ours: LayerRow | None) -> tuple:
    """One row; whether its shape agrees and its parameters do not stands last."""
    if ours is None:
        return name, None, show_shape(shape), number, None, False, False
    same_shape, same_number = ours.output == shape, ours.parameters == number
    return (
        name, ours.name, show_shape(shape), number, ours.parameters,
        same_shape and same_number, same_shape and not same_number,
    )  # fmt: skip


def describe_system(recipe: Recipe) -> dict:
    """Size, cost and agreement of a published system, from its network.

    The network is built as the recipe trains it, with fresh weights, so that nothing is
    downloaded.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    dict
        `recipe`, `source`; `parameters`, `trainable`, `frozen` (numbers of weights, all, those
        that are trained, the others), `parameters_published`, `trainable_published`; `input`
        (pixels), `flops` (see `count_flops`; without an auxiliary classifier), `memory`
        (bytes, see `training_memory`) at `batch`; `layers_published`, `layers_agree`,
        `misprints` (rows of the source's layer table); `literature_parameters`,
        `literature_agrees` (the same network elsewhere, see the recipe); `match`
        (whether all that the source printed agrees, misprints apart). None stands where
        nothing is published.

    Raises
    ------
    RecipeError
        When the recipe's network cannot be built, or see `compare_layers`.
    """
    row = _measure(recipe)
    return row | _literature(recipe) | {"match": _match(row, recipe)}


def _measure(recipe: Recipe) -> dict:
    classes = len(DATASETS[recipe.data.dataset].classes)
    network = build_network(recipe, classes=classes, weights="none")
    table, training = compare_layers(network, recipe), recipe.training
    total, trained = network.count_params(), number_of(network.trainable_weights)
    slots = state_slots(training.optimizer)
    return {
        "recipe": recipe.name,
        "source": recipe.source,
        "parameters": total,
        "parameters_published": recipe.published.get("parameters"),
        "trainable": trained,
        "trainable_published": recipe.published.get("trainable"),
        "frozen": total - trained,
        "input": recipe.images.input,
        "flops": count_flops(inference_model(network)),
        "memory": training_memory(network, training.batch, slots),
        "batch": training.batch,
        "layers_published": len(table),
        "layers_agree": int(table["agrees"].sum()),
        "misprints": int(table["misprint"].sum()),
    }


def _match(row: dict, recipe: Recipe) -> bool | None:
    """Whether totals and layers agree; None where the source printed none."""
    printed = {"parameters": "parameters", "trainable": "trainable", "frozen": "not_trainable"}
    checks = [
        row[ours] == recipe.published[theirs]
        for ours, theirs in printed.items()
        if theirs in recipe.published
    ]
    if row["layers_published"]:
        checks.append(row["layers_agree"] + row["misprints"] == row["layers_published"])
    return all(checks) if checks else None


def _literature(recipe: Recipe) -> dict:
    """The count that the literature gives for this network, and whether ours is the same."""
    known = recipe.literature
    if not known:
        return {"literature_parameters": None, "literature_agrees": None}
    settings = known.get("settings", {})
    changes = {f"architecture.settings.{key}": value for key, value in settings.items()}
    network = build_network(
        change_recipe(recipe, "literature", changes), classes=known["classes"],
        input_size=known["input"], weights="none",
    )  # fmt: skip
    agrees = network.count_params() == known["parameters"]
    return {"literature_parameters": known["parameters"], "literature_agrees": agrees}


def system_rows(names: Iterable[str] | None = None) -> list[dict]:
    """One row per recipe, for `alllib systems`, see `describe_system`.

    Parameters
    ----------
    names : iterable of str, optional
        Recipes; all when not given.

    Returns
    -------
    list of dict

    Raises
    ------
    RecipeError
        When a recipe is unknown.
    """
    recipes = [load_recipe(name) for name in (list_recipes() if names is None else names)]
    rows = []
    for recipe in recipes:
        rows.append(describe_system(recipe))
        gc.collect()  # networks refer to themselves, and nine of them fill gigabytes
    return rows


def systems_agree(rows: Iterable[dict]) -> bool:
    """Whether nothing disagrees, with the sources or with the literature.

    Where nothing is published there is nothing to disagree with.
    """
    return all(row["match"] is not False and row["literature_agrees"] is not False for row in rows)


def tell_cost(recipe: Recipe, network: keras.Model, layer: str) -> str:
    """Sentence on what a network sees and costs, for a page.

    Parameters
    ----------
    recipe : Recipe
    network : keras.Model
        The recipe's network at its own input.
    layer : str
        The layer with the last maps, as `receptive_field` names it.
    """
    sees, step = receptive_field(network)[layer]
    chosen = recipe.training
    memory = training_memory(network, chosen.batch, state_slots(chosen.optimizer))
    side = network.inputs[0].shape[1]
    return (
        f"A value of the last maps sees a square of {sees} pixels of the {side} of the input, and "
        f"its neighbour one that lies {step} pixels further. One image costs "
        f"{count_flops(network) / 1e9:.1f} billion operations, and a training step of "
        f"{chosen.batch} images needs about {memory / 2**30:.1f} GiB."
    )


def system_table(rows: Iterable[dict]) -> pd.DataFrame:
    """Rows of `system_rows` for readers.

    Returns
    -------
    pandas.DataFrame
        `recipe`, `input`, `parameters`, `published`, `trained`, `published as trained`,
        `frozen` (not trained, statistics of normalisations included), `GFLOP`, `memory`, `layers`,
        `source agrees`, `literature agrees`.
    """
    said = {True: "yes", False: "no", None: "nothing published"}
    return pd.DataFrame(
        [
            {
                "recipe": row["recipe"],
                "input": f"{row['input']} px",
                "parameters": _millions(row["parameters"]),
                "published": _millions(row["parameters_published"]),
                "trained": _millions(row["trainable"]),
                "published as trained": _millions(row["trainable_published"]),
                "frozen": _millions(row["frozen"]),
                "GFLOP": f"{row['flops'] / 1e9:.2f}",
                "memory": f"{row['memory'] / 2**30:.1f} GiB at {row['batch']} images",
                "layers": _layers(row),
                "source agrees": said[row["match"]],
                "literature agrees": said[row["literature_agrees"]],
            }
            for row in rows
        ]
    )


def _millions(number: int | None) -> str:
    return "" if number is None else f"{number / 1e6:.3f} M"


def _layers(row: dict) -> str:
    """How many rows of the printed layer table agree."""
    if not row["layers_published"]:
        return ""
    text = f"{row['layers_agree']} of {row['layers_published']}"
    return text + (f", {row['misprints']} misprinted" if row["misprints"] else "")
