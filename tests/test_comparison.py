"""What a run did beside its recipe: tables and sentences that follow the record."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from alllib.comparison import (
    choice_table,
    deviation_table,
    setting_table,
    surest_errors,
    tell_confusion,
    tell_history,
    tell_result,
    tell_run,
)
from alllib.recipes import change_recipe, list_recipes, load_recipe
from alllib.records import Record

PREDICTIONS = pd.DataFrame(
    {
        "image": ["a", "b", "c", "d", "e"],
        "label": ["ALL", "ALL", "HEM", "HEM", "HEM"],
        "p_ALL": [0.9, 0.2, 0.6, 0.1, 0.95],
        "p_HEM": [0.1, 0.8, 0.4, 0.9, 0.05],
    }
)


# Images that the sources say they used, all parts together; B-ALL's code says nothing.
IMAGES = {"mir2019": 8479 + 2121, "unnithan2021": 7996 + 2665 + 1867, "garg2021": 10661 + 1867}


def record_of(recipe_name: str = "mir2019-alexnet", **changes) -> Record:
    """A run exactly as its recipe asks, save for `changes`."""
    recipe = load_recipe(recipe_name)
    stated = IMAGES.get(recipe_name.partition("-")[0], 3256)
    run = {
        "id": "one",
        "recipe": recipe.name,
        "recipe_text": recipe.as_dict(),
        "dataset": recipe.data.dataset,
        "protocol": recipe.data.published_protocol,
        "scored": "validation",
        "weights": recipe.architecture.weights,
        "backbone": recipe.architecture.backbone,
        "epochs": recipe.training.epochs,
        "pictures": 61,
        "images": {"train": stated - 5, "validation": 5},
        "parameters": {
            "input_size": recipe.images.input,
            "crop": recipe.images.crop,
            "batch": recipe.training.batch,
            "samples": recipe.augmentation.samples or None,
            "precision": "float32",
        },
        "metrics": {
            "metrics": {"accuracy": {"value": 0.4, "low": 0.3, "high": 0.5}},
            "confusion": [[1, 1], [2, 1]],
            "classes": ["ALL", "HEM"],
            "images": 5,
        },
        "device": {"device": "some processor", "kind": "cpu", "backend": "tensorflow"},
        "images_per_second": 12.3,
        "finished": "2026-11-21T00:00:00+00:00",
    } | changes
    history = pd.DataFrame(
        {"epoch": [1, 2], "loss": [0.7, 0.5], "accuracy": [0.5, 0.75], "val_loss": [0.8, 0.9],
         "val_accuracy": [0.4, 0.6]}
    )  # fmt: skip
    return Record(Path("runs/one"), run, PREDICTIONS, history)


@pytest.mark.parametrize("name", list_recipes())
def test_a_run_as_its_recipe_asks_deviates_in_nothing(name):
    table = deviation_table(record_of(name))
    known = table[table.setting != "images"]
    assert (known.same == "yes").all(), table
    stated = not name.startswith("ball2023")
    assert table.same[table.setting == "images"].item() == ("yes" if stated else "not known")
    assert ("that the source states" in tell_result(record_of(name))) != stated
    assert ("pictures in an epoch" in set(table.setting)) == name.startswith("mir2019")


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"dataset": "synthetic"}, "data set"),
        ({"protocol": "group"}, "split"),
        ({"epochs": 3}, "epochs"),
        ({"weights": "imagenet"}, "initial weights"),
        ({"backbone": "frozen"}, "backbone"),
        ({"images": {"train": 6000, "validation": 1569}}, "images"),
    ],
)
def test_each_deviation_shows_in_its_row_and_in_the_sentence(changes, setting):
    record = record_of(**changes)
    table = deviation_table(record)
    assert list(table.setting[table.same == "no"]) == [setting]
    assert "Every setting is that of the recipe" not in tell_result(record)


@pytest.mark.parametrize(
    ("train", "same"),
    [(10661, "yes"), (10706, "yes"), (10707, "no"), (10494, "yes"), (10490, "no")],
)
def test_images_within_one_percent_count_as_the_same(train, same):
    table = deviation_table(record_of(images={"train": train})).set_index("setting")
    assert table.same["images"] == same and table["this run"]["images"] == f"{train:,}"
    assert table.recipe["images"] == "10,600"  # the log's numbers, of the recipe of the same report


@pytest.mark.parametrize(
    ("changes", "setting", "told"),
    [
        ({"training.optimizer.learning_rate": 0.01}, "learning rate", ["0.0002", "0.01"]),
        ({"training.optimizer.momentum": 0.9}, "optimizer", ["SGD", "SGD, momentum 0.9"]),
        ({"training.patience": 3}, "patience", ["no early stop", "3 epochs"]),
    ],
)
def test_a_variant_differs_from_the_recipe_of_the_source(changes, setting, told):
    recipe = change_recipe(load_recipe("mir2019-alexnet"), "other", changes)
    record = record_of(recipe=recipe.name, recipe_text=recipe.as_dict())
    table = deviation_table(record)
    row = table[table.same == "no"]
    assert list(row.setting) == [setting]
    assert row[["recipe", "this run"]].to_numpy().tolist() == [told]


def test_a_recipe_that_no_file_names_is_its_own_source():
    recipe = load_recipe("mir2019-alexnet").as_dict() | {"name": "mine"}
    assert "no" not in set(deviation_table(record_of(recipe="mine", recipe_text=recipe)).same)


def test_the_sentence_on_the_result_compares_only_what_can_be_compared():
    assert "Every setting is that of the recipe" in tell_result(record_of())
    assert "0.400" in tell_result(record_of()) and "0.600" in tell_result(record_of())
    assert "0.8162" in tell_result(record_of())
    assert "cannot be compared" in tell_result(record_of(dataset="synthetic"))
    recipe = change_recipe(load_recipe("mir2019-alexnet"), "short", {"training.epochs": 2})
    told = tell_result(record_of(recipe_text=recipe.as_dict()))
    assert "No figure was published" in told and "0.8162" not in told


def test_the_sentence_on_the_run_counts_steps_and_names_its_start():
    told = tell_run(record_of(epochs=2))
    assert "6 steps of 30 images in 2 epochs" in told  # 61 pictures are three steps
    assert "not pretrained" in told and "frozen" not in told
    told = tell_run(record_of("garg2021-vgg19"))
    assert "ImageNet weights, its backbone frozen" in told


def test_alternative_texts_hold_the_numbers():
    assert "last of 2 epochs the training loss is 0.50" in tell_history(record_of())
    assert "validation accuracy 0.600" in tell_history(record_of())
    assert "of 3 HEM, called 2 ALL, 1 HEM" in tell_confusion(record_of())


def test_the_surest_errors_come_first_and_right_answers_never():
    cells = pd.DataFrame({"image": list("abcdef"), "path": [f"/{c}" for c in "abcdef"]})
    wrong = surest_errors(record_of(), cells)
    assert list(wrong.image) == ["e", "b", "c"]
    assert list(wrong.predicted) == ["ALL", "HEM", "ALL"] and list(wrong.path) == ["/e", "/b", "/c"]
    assert list(surest_errors(record_of(), cells, count=1).image) == ["e"]
    right = replace(record_of(), predictions=PREDICTIONS[PREDICTIONS.image.isin(["a", "d"])])
    assert surest_errors(right, cells).empty


@pytest.mark.parametrize("name", list_recipes())
def test_every_open_parameter_is_shown_with_its_value(name):
    recipe = load_recipe(name)
    table = choice_table(recipe)
    assert list(table.parameter) == [choice.parameter for choice in recipe.choice]
    values = dict(zip(table.parameter, table.value, strict=True))
    if "images.input" in values:
        assert values["images.input"] == str(recipe.images.input)
    assert table.reason.str.len().min() > 5


@pytest.mark.parametrize("name", list_recipes())
def test_what_a_source_states_is_no_choice_of_ours(name):
    recipe = load_recipe(name)
    stated = dict(setting_table(recipe).itertuples(index=False))
    chosen = {choice.parameter for choice in recipe.choice}
    assert stated and ("epochs" in stated) == ("training.epochs" not in chosen)
    if {"training.optimizer", "training.optimizer.learning_rate"} & chosen:
        assert "learning rate" not in stated
    else:
        assert float(stated["learning rate"]) == recipe.training.optimizer["learning_rate"]
    if recipe.images.crop:
        assert stated["side of the crop, pixels"] == str(recipe.images.crop)
    else:
        assert "side of the crop, pixels" not in stated
