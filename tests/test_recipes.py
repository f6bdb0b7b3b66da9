"""Recipes: strict reading, and every published number found in the source's own text."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from alllib.augmentation import plan_augmentation
from alllib.errors import RecipeError
from alllib.files import hash_json
from alllib.parameters import load_preset, read_parameters
from alllib.recipes import list_recipes, load_recipe, read_recipe, resolve_protocol
from alllib.splits import split_images

PROPOSED = "mir2019-proposed"
TEXT = (files("alllib") / "recipes" / f"{PROPOSED}.toml").read_text("utf-8")
SOURCES = Path(__file__).resolve().parents[2] / "shared" / "sources"


@pytest.fixture(scope="module")
def report() -> str:
    """Text of the report, where it lies beside the checkout."""
    found = sorted(SOURCES.glob("001*.txt"))
    if not found:
        pytest.skip("the report's text is not here")
    return found[0].read_text("utf-8")


def changed(old: str, new: str) -> str:
    """The recipe's text with one place changed."""
    assert TEXT.count(old) == 1, old
    return TEXT.replace(old, new)


def test_each_recipe_can_be_read_and_bears_the_name_of_its_file():
    names = list_recipes()
    assert PROPOSED in names and names == sorted(names)
    for name in names:
        assert load_recipe(name).name == name


def test_values_arrive_with_their_types():
    recipe = load_recipe(PROPOSED)
    assert (recipe.training.optimizer, recipe.training.learning_rate) == ("SGD", 2e-4)
    assert (recipe.training.batch, recipe.training.epochs) == (30, 100)
    assert (recipe.images.crop, recipe.images.input) == (400, 150)
    assert (recipe.augmentation.samples, recipe.augmentation.seed) == (20_000, 7)
    assert recipe.architecture.settings["convolutions"] == [3, 2, 2, 2, 2, 2]


def test_a_whole_number_is_read_as_a_float_where_one_is_wanted():
    recipe = read_recipe(changed("momentum = 0.0", "momentum = 0"))
    assert type(recipe.training.momentum) is float


def test_as_dict_is_plain_and_can_be_hashed():
    plain = load_recipe(PROPOSED).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert hash_json(plain) == hash_json(read_recipe(TEXT).as_dict())
    assert plain["architecture"]["settings"]["dense"] == [4096, 1000]


def test_a_recipe_cannot_be_changed():
    recipe = load_recipe(PROPOSED)
    with pytest.raises(AttributeError):
        recipe.name = "other"
    with pytest.raises(TypeError):
        recipe.published["accuracy"] = 1.0
    with pytest.raises(TypeError):
        recipe.architecture.settings["dropout"] = 0.1


@pytest.mark.parametrize(
    ("old", "new", "said", "place"),
    [
        ("batch = 30", "bach = 30", "Did you mean 'batch'?", "training.bach"),
        ("batch = 30\n", "", "'batch' is missing", "training.batch"),
        ('name = "proposed"\n', "", "'name' is missing", "architecture.name"),
        ('title = "Proposed', 'titel = "Proposed', "Did you mean 'title'?", "titel"),
        ("batch = 30", "batch = 30.5", "not a whole number", "training.batch"),
        ("batch = 30", 'batch = "30"', "not a whole number", "training.batch"),
        ("batch = 30", "batch = true", "not a whole number", "training.batch"),
        ("batch = 30", "batch = 0", "not positive", "training.batch"),
        ("epochs = 100", "epochs = -1", "not positive", "training.epochs"),
        ("learning_rate = 2e-4", "learning_rate = nan", "not a number", "learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = false", "not a number", "learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = 0.0", "not positive", "learning_rate"),
        ('optimizer = "SGD"', "optimizer = 1", "not text", "training.optimizer"),
        ('optimizer = "SGD"', 'optimizer = "SDG"', "Did you mean 'SGD'?", "training.optimizer"),
        ('checkpoint = "val_accuracy"', 'checkpoint = "val_acc"', "val_accuracy", "checkpoint"),
        ('scale = "unit"', 'scale = "units"', "Did you mean 'unit'?", "images.scale"),
        ('weights = "none"', 'weights = "imagenet"', "Known are: none", "architecture.weights"),
        ('dataset = "cnmc2019"', 'dataset = "cnmc2091"', "'cnmc2019'?", "data.dataset"),
        ('honest_protocol = "group"', 'honest_protocol = "grup"', "'group'?", "honest_protocol"),
        ('published_protocol = "image"', 'published_protocol = "x"', "Known are: field", "data."),
        ('parameter = "training.momentum"', 'parameter = "training.mass"', "lacks", "choice"),
        ('parameter = "images.scale"', 'parameter = "images.scale.x"', "lacks", "choice"),
        ('reason = "Scaling', 'because = "Scaling', "Unknown parameter 'because'", "choice"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(old, new, said, place):
    with pytest.raises(RecipeError) as caught:
        read_recipe(changed(old, new), origin="some.toml")
    assert said in str(caught.value)
    assert caught.value.where.startswith("some.toml") and place in caught.value.where


def test_what_should_be_a_table_and_is_not_is_refused():
    head = TEXT[: TEXT.index("[data]")]
    with pytest.raises(RecipeError, match="3 is not a table"):
        read_recipe(head + "data = 3")
    start, end = TEXT.index("[architecture.settings]"), TEXT.index("[training]")
    with pytest.raises(RecipeError, match="3 is not a table"):
        read_recipe(TEXT[:start] + "settings = 3\n" + TEXT[end:])
    choices = TEXT.index("# What the source leaves open")
    for wrong in ("choice = 3\n", 'choice = "training.momentum"\n'):
        with pytest.raises(RecipeError, match="not a list of tables"):
            read_recipe(wrong + TEXT[:choices])
    with pytest.raises(RecipeError, match="5 is not a table"):
        read_recipe("choice = [5]\n" + TEXT[:choices])


def test_a_recipe_without_a_choice_may_say_nothing_of_choices():
    assert read_recipe(TEXT[: TEXT.index("# What the source leaves open")]).choice == ()


def test_text_that_is_no_toml_is_refused_with_file_and_line():
    with pytest.raises(RecipeError, match=r"not valid TOML.*line \d+") as caught:
        read_recipe(changed("batch = 30", "batch = = 30"), origin="some.toml")
    assert caught.value.where == "some.toml"


def test_an_unknown_recipe_suggests_the_nearest():
    with pytest.raises(RecipeError, match=f"Did you mean '{PROPOSED}'"):
        load_recipe("mir2019-propsed")


def test_protocol_aliases_are_resolved_by_the_recipe():
    recipe = load_recipe(PROPOSED)
    assert resolve_protocol(recipe, "published") == "image"
    assert resolve_protocol(recipe, "honest") == "group"
    assert resolve_protocol(recipe, "field") == "field"
    with pytest.raises(RecipeError, match="Did you mean 'published'"):
        resolve_protocol(recipe, "publishd")


def _tenths(share: float) -> tuple[float, float]:
    return 10 * share, 10 * (1 - share)


def published_patterns(published: dict) -> dict[str, list[str]]:
    """Per key of `published`: what must stand in the report without blanks and tabs."""
    numbers = {
        key: [f"{published[key]:,}"]
        for key in ("train_images", "scored_images", "parameters", "trainable")
        + ("convolutional_parameters", "convolutional_trainable")
    }
    first, second = published["confusion"]
    layers = [
        rf"{name}\(\w*\)?\(None,{','.join(map(str, shape))}\){parameters}\n"
        for name, shape, parameters in published["layers"]
    ]
    return numbers | {
        "accuracy": [rf"Accuracy:{published['accuracy']:.2%}", r"ProposedModel93\.02\n"],
        "precision": [f"Precisionscore:{published['precision']}"],
        "recall": [f"Recallscore:{published['recall']}"],
        "confusion": [rf"\[\[{first[0]}\s*{first[1]}\]\s*{second[0]}{second[1]}\]\]"],
        "scored": ["monitorthevalidationaccuracyandsavethemodel"],
        "train_images_log": [rf"Initialisedwith{published['train_images_log']}image"],
        "scored_images_log": [rf"validateon{published['scored_images_log']}samples"],
        "val_accuracy_log": [
            f"from-infto{published['val_accuracy_log'][0]}",
            "from{}to{}".format(*published["val_accuracy_log"]),
        ],
        "split_ratio": ["splitratioof{:.0f}:{:.0f}".format(*_tenths(published["split_ratio"]))],
        "split_seed": [rf"split_ratio,seed={published['split_seed']}\)"],
        "convolutions_text": [f"{published['convolutions_text']}{{convolution"],
        "layers": layers,
    }


def test_every_published_number_stands_in_the_report(report):
    published = load_recipe(PROPOSED).published
    text = re.sub(r"[ \t]+", "", report)
    patterns = published_patterns(published)
    assert set(patterns) == set(published), "a published number is not looked up"
    lacking = [p for found in patterns.values() for p in found if not re.search(p, text)]
    assert not lacking


def test_the_settings_that_are_no_choice_stand_in_the_report(report):
    recipe = load_recipe(PROPOSED)
    text = re.sub(r"\s+", "", report)
    chosen = {entry.parameter for entry in recipe.choice}
    stated = {
        "images.crop": rf"newsizeof{recipe.images.crop}\*{recipe.images.crop}",
        "augmentation.samples": rf"p\.sample\({recipe.augmentation.samples}\)",
        "augmentation.probability": r"rotate90\(probability=\.5\)",
        "augmentation.seed": rf"p\.set_seed\({recipe.augmentation.seed}\)",
        "architecture.settings.filters": "32filters.*64filters.*128filters.*256filters"
        ".*384filters.*512filters",
        "architecture.settings.dense": r"dense_1\(Dense\)\(None,4096\).*"
        r"dense_2\(Dense\)\(None,1000\)",
        "training.optimizer": rf'"{recipe.training.optimizer}"gavethebest',
        "training.learning_rate": f"learningrateof{recipe.training.learning_rate:.4f}",
        "training.batch": f"batchsizeof{recipe.training.batch}",
        "training.epochs": f"ranfor{recipe.training.epochs}epochs",
        "training.checkpoint": "monitorthevalidationaccuracy",
    }
    assert not chosen & set(stated)
    assert not [place for place, pattern in stated.items() if not re.search(pattern, text)]
    # Each number of the recipe is either stated by the report or marked as our choice.
    plain = recipe.as_dict()
    ours = {"architecture.minimum_input", "architecture.name", "architecture.weights"}
    settable = {
        f"{table}.{key}"
        for table in ("images", "augmentation", "training", "architecture")
        for key in plain[table]
        if key != "settings"
    } | {f"architecture.settings.{key}" for key in plain["architecture"]["settings"]}
    assert settable == chosen | set(stated) | ours


def test_a_number_of_the_report_that_stands_elsewhere_is_the_recipes():
    """Defaults of functions, the preset `paper` and the cropping page repeat some."""
    recipe, published = load_recipe("mir2019-proposed"), load_recipe("mir2019-proposed").published
    image = inspect.signature(split_images).parameters
    assert (image["ratio"].default, image["seed"].default) == (
        published["split_ratio"],
        published["split_seed"],
    )
    plan = inspect.signature(plan_augmentation).parameters
    drawn = {name: plan[name].default for name in ("samples", "probability", "seed")}
    assert drawn == dataclasses.asdict(recipe.augmentation)
    paper = load_preset("paper")
    assert (paper["input_size"], paper["epochs"], paper["samples"]) == (
        recipe.images.input,
        recipe.training.epochs,
        recipe.augmentation.samples,
    )
    cropping = Path(__file__).parents[1] / "notebooks" / "cropping.py"
    assert read_parameters(cropping)["crop"].value == recipe.images.crop
