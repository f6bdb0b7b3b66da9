"""What a run did and found, beside its recipe: tables and sentences for pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .datasets import get_dataset
from .errors import RecipeError
from .files import workspace
from .recipes import list_recipes, load_recipe
from .records import Record, list_records

__all__ = [
    "choice_table",
    "deviation_table",
    "recorded_runs",
    "setting_table",
    "surest_errors",
    "tell_confusion",
    "tell_history",
    "tell_result",
    "tell_run",
]


def choice_table(recipe) -> pd.DataFrame:
    """What a source leaves open: `parameter`, `value` and `reason`, one row each."""
    return pd.DataFrame(
        [
            {
                "parameter": choice.parameter,
                "value": _show(_look_up(recipe, choice.parameter)),
                "reason": choice.reason,
            }
            for choice in recipe.choice
        ]
    )


def _look_up(recipe, dotted: str) -> Any:
    """A value of a recipe; None where it has none of that name."""
    here = recipe.as_dict()
    for key in dotted.split("."):
        here = here.get(key, {})
    return None if here == {} else here


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} = {entry}" for key, entry in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# Settings that a source can state in figures, in words.
STATED = {
    "data.shares": "share of images per part",
    "images.crop": "side of the crop, pixels",
    "images.input": "side of the input, pixels",
    "augmentation.samples": "pictures after augmentation",
    "architecture.settings.filters": "filters per block",
    "architecture.settings.dense": "units of dense layers",
    "training.optimizer.name": "optimiser",
    "training.optimizer.learning_rate": "learning rate",
    "training.batch": "images in a batch",
    "training.epochs": "epochs",
}


def setting_table(recipe) -> pd.DataFrame:
    """What a source, or its public code, states in figures: `setting` and `value`, one row each.

    A parameter that the recipe lists among its choices is not stated and has no row.
    """
    chosen = {choice.parameter for choice in recipe.choice}
    rows = [
        {"setting": words, "value": _show(value)}
        for dotted, words in STATED.items()
        if (value := _look_up(recipe, dotted))  # a crop of 0 is none
        and not any(f"{dotted}.".startswith(f"{one}.") for one in chosen)
    ]
    return pd.DataFrame(rows)


def deviation_table(record: Record) -> pd.DataFrame:
    """Settings of the recipe beside those of the run.

    Parameters
    ----------
    record : Record

    Returns
    -------
    pandas.DataFrame
        `setting`, `recipe`, `this run` and `same`: yes, no, or `not known` where the source
        does not state the number of its images. The recipe is that of the source: a run of one
        of its variants differs from it. Numbers of images within 1 % count as the same.
    """
    run = record.run
    asked, done = _source_recipe(run), run["parameters"]
    epochs, trained = str(run["epochs"]), dict(run["recipe_text"]["training"])
    trained["patience"] = done.get("patience", trained["patience"])
    rows = [
        (
            "data set",
            get_dataset(asked["data"]["dataset"]).title,
            get_dataset(run["dataset"]).title,
        ),
        _image_row(asked, run["images"]),
        ("split", asked["data"]["published_protocol"], run["protocol"]),
        ("crop", _pixels(asked["images"]["crop"]), _pixels(done["crop"])),
        ("input", f"{asked['images']['input']} px", f"{done['input_size']} px"),
        ("epochs", str(asked["training"]["epochs"]), epochs),
        ("images in a step", str(asked["training"]["batch"]), str(done["batch"])),
        *((name, told(asked["training"]), told(trained)) for name, told in TRAINING.items()),
        ("initial weights", _start(asked["architecture"]["weights"]), _start(run["weights"])),
        ("backbone", asked["architecture"]["backbone"], run["backbone"]),
        ("precision", "float32", run.get("precision", done["precision"])),
    ]
    if done["samples"] is not None:
        pictures = f"{asked['augmentation']['samples']:,}"
        rows.insert(6, ("pictures in an epoch", pictures, f"{done['samples']:,}"))
    return pd.DataFrame(
        [row if len(row) == 4 else (*row, "yes" if row[1] == row[2] else "no") for row in rows],
        columns=["setting", "recipe", "this run", "same"],
    )


def _source_recipe(run: Mapping) -> dict:
    """The recipe of the source, also for a run of one of its variants; of a recipe that no file
    names, the one that was trained."""
    try:
        return load_recipe(run["recipe"].partition(".")[0]).as_dict()
    except RecipeError:
        return run["recipe_text"]


def _image_row(asked: Mapping, held: Mapping[str, int]) -> tuple[str, str, str, str]:
    wanted, ours = _stated_images(asked), sum(held.values())
    if wanted is None:
        return "images", "not stated", f"{ours:,}", "not known"
    same = abs(ours - wanted) <= SLACK * wanted
    return "images", f"{wanted:,}", f"{ours:,}", "yes" if same else "no"


def _stated_images(asked: Mapping) -> int | None:
    """Images that a source trained with, chose by and scored, all together; where a recipe does
    not state them, those of the same source's recipe that splits the same data alike."""
    others = map(load_recipe, list_recipes())
    alike = [
        recipe.published
        for recipe in others
        if recipe.source == asked["source"] and recipe.as_dict()["data"] == asked["data"]
    ]
    for published in (asked["published"], *alike):
        # A log counts what was read; a text may round.
        parts = [
            published.get(f"{part}_images_log", published.get(f"{part}_images"))
            for part in ("train", "validation", "scored")
        ]
        if parts[0] is not None:
            return sum(part for part in parts if part is not None)
    return None


def _tell_optimizer(training: Mapping) -> str:
    """Name of the optimizer, and what it was given beside the learning rate."""
    given = training["optimizer"]
    rest = [
        f"{name} {value:g}"
        for name, value in sorted(given.items())
        if name not in ("name", "learning_rate") and value
    ]
    return ", ".join([given["name"], *rest])


def _tell_patience(training: Mapping) -> str:
    return f"{training['patience']} epochs" if training["patience"] else "no early stop"


TRAINING = {
    "optimizer": _tell_optimizer,
    "learning rate": lambda training: f"{training['optimizer']['learning_rate']:g}",
    "patience": _tell_patience,
}
SLACK = 0.01  # share by which two numbers of images may differ and count as the same


def _pixels(crop: int) -> str:
    return f"{crop} px" if crop else "none"


def _start(weights: str) -> str:
    return "random" if weights == "none" else "ImageNet"


def recorded_runs(*recipes: str) -> list[Record]:
    """Runs of some recipes that are kept with the book, in `results/`; none elsewhere."""
    folder = workspace() / "results"
    records = list_records(folder) if folder.is_dir() else []
    return [record for record in records if record.run["recipe"] in recipes]


def tell_run(record: Record) -> str:
    """Sentence on what was trained, how long and on what machine."""
    run = record.run
    start = "random weights (not pretrained)" if run["weights"] == "none" else "ImageNet weights"
    frozen = ", its backbone frozen" if run["backbone"] == "frozen" else ""
    if frozen and run["weights"] == "none":
        frozen += ", so that its features are random"
    steps = run["epochs"] * -(-run["pictures"] // run["parameters"]["batch"])
    epochs = "one epoch" if run["epochs"] == 1 else f"{run['epochs']} epochs"
    return (
        f"The run took {steps:,} steps of {run['parameters']['batch']} images in {epochs}, at "
        f"{run['parameters']['input_size']} pixels, from {start}{frozen}, on "
        f"{run['device']['device']} ({run['device']['kind']}) with {run['device']['backend']}: "
        f"{run['images_per_second']:.0f} images per second, the building of the network included."
    )


def tell_result(record: Record) -> str:
    """Sentences on the score, the majority rule, and what can be compared with the source."""
    run = record.run
    scores = run["metrics"]
    accuracy = scores["metrics"]["accuracy"]["value"]
    majority = max(map(sum, scores["confusion"])) / scores["images"]
    own = run["dataset"] == run["recipe_text"]["data"]["dataset"]
    published = run["recipe_text"]["published"].get("accuracy")
    text = (
        f"On the {run['scored']} part, split by {run['protocol']}, the network scores "
        f"{accuracy:.3f}; always answering with the commonest class would score {majority:.3f}. "
    )
    if published is None:
        return text + "No figure was published for this variant."
    origin = run["recipe_text"]["published"].get("origin", "source")
    text += f"The {origin} reports {published:.4f}. "
    if not own:
        return text + (
            "These images are not those of the source, so the two numbers cannot be compared."
        )
    same = set(deviation_table(record).same)
    stated = " that the source states" if "not known" in same else ""
    return text + (
        f"Every setting{stated} is that of the recipe."
        if "no" not in same
        else "The table of settings above says in what the two differ."
    )


def tell_history(record: Record) -> str:
    """Alternative text of a learning curve."""
    last = record.history.iloc[-1]
    return (
        f"In the last of {len(record.history)} epochs the training loss is {last.loss:.2f} and the "
        f"training accuracy {last.accuracy:.3f}; the validation loss is {last.val_loss:.2f} and "
        f"the validation accuracy {last.val_accuracy:.3f}."
    )


def tell_confusion(record: Record) -> str:
    """Alternative text of a confusion matrix."""
    scores = record.run["metrics"]
    rows = []
    for label, row in zip(scores["classes"], scores["confusion"], strict=True):
        called = ", ".join(f"{n} {name}" for n, name in zip(row, scores["classes"], strict=True))
        rows.append(f"of {sum(row)} {label}, called {called}")
    return "Counts of true against predicted class: " + "; ".join(rows) + "."


def surest_errors(record: Record, cells: pd.DataFrame, *, count: int = 6) -> pd.DataFrame:
    """Wrongly classified images with the highest predicted probability.

    Parameters
    ----------
    record : Record
    cells : pandas.DataFrame
        Cell table of the images that were scored.
    count : int
        At most so many rows.

    Returns
    -------
    pandas.DataFrame
        `image, path, label, predicted, certainty`, surest first; empty where all is right.
    """
    columns = [name for name in record.predictions if name.startswith("p_")]
    found = record.predictions.merge(cells[["image", "path"]], on="image")
    found["predicted"] = found[columns].idxmax(axis=1).str.removeprefix("p_")
    found["certainty"] = found[columns].max(axis=1)
    wrong = found[found.predicted != found.label].nlargest(count, "certainty")
    return wrong[["image", "path", "label", "predicted", "certainty"]].reset_index(drop=True)
