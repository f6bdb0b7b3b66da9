"""Recipes: strict reading, and every published number found in the source's own text."""

from __future__ import annotations

import inspect
import json
import math
import re
import tomllib
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib import recipes
from alllib.augmentation import plan_augmentation
from alllib.datasets import COLUMNS, DATASETS
from alllib.downloads import official_cells
from alllib.errors import RecipeError
from alllib.evaluation import METRICS
from alllib.files import hash_json
from alllib.parameters import load_preset, read_parameters
from alllib.recipes import (
    change_recipe,
    list_recipes,
    load_recipe,
    read_recipe,
    resolve_protocol,
    split_by_recipe,
)
from alllib.recipes.schema import AUGMENTATIONS, KNOWN, OPTIMIZERS, SCHEDULES, filled
from alllib.splits import Split, make_split, split_images

PROPOSED, POSTER, GARG = "mir2019-proposed", "unnithan2021-2x2", "garg2021-vgg19"
BALL = "ball2023-densenet201"
NAMES = list_recipes()
VARIANTS = [f"{name}.{entry.name}" for name in NAMES for entry in load_recipe(name).variant]
SOURCES = Path(__file__).resolve().parents[2] / "shared" / "sources"
DECIDING = ("images", "augmentation", "architecture", "training")


def text_of(name: str) -> str:
    return (files("alllib") / "recipes" / f"{name}.toml").read_text("utf-8")


TEXT = text_of(PROPOSED)


def source_text(pattern: str) -> str:
    """Text of a source without blanks and tabs, where it lies beside the checkout."""
    found = sorted(SOURCES.glob(pattern))
    if not found:
        pytest.skip("the text of the source is not here")
    return re.sub(r"[ \t]+", "", found[0].read_text("utf-8"))


@pytest.fixture(scope="module")
def report() -> str:
    return source_text("001*.txt")


def changed(old: str, new: str, text: str = TEXT) -> str:
    """A recipe's text with one place changed."""
    assert text.count(old) == 1, old
    return text.replace(old, new)


# Reading ------------------------------------------------------------------------------


def test_the_nine_systems_of_the_sources_have_a_recipe():
    assert sorted(NAMES) == NAMES and len(NAMES) == 9
    assert {name.partition("-")[0] for name in NAMES} == {
        "ball2023", "garg2021", "mir2019", "unnithan2021",
    }  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_can_be_read_and_is_complete(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title and recipe.place and recipe.published["accuracy"] > 0.5
    assert recipe.data.published_protocol == "image" != recipe.data.honest_protocol
    known = DATASETS[recipe.data.dataset].protocols
    assert {recipe.data.published_protocol, recipe.data.honest_protocol} <= set(known)
    optimizer = recipe.training.optimizer
    assert set(optimizer) == {"name", *OPTIMIZERS[optimizer["name"]]}
    assert recipe.images.input >= recipe.architecture.minimum_input
    assert recipe.source in (Path(__file__).parents[1] / "book" / "references.bib").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_choices_and_variants_give_reasons_and_name_each_thing_once(name):
    recipe = load_recipe(name)
    assert recipe.choice, "no source leaves nothing open"
    for entries, key in ((recipe.choice, "parameter"), (recipe.variant, "name")):
        names = [getattr(entry, key) for entry in entries]
        assert len(set(names)) == len(names), names
        assert all(len(entry.reason) > 5 and entry.reason[-1] == "." for entry in entries)
    assert all(entry.changes for entry in recipe.variant)


@pytest.mark.parametrize("name", VARIANTS)
def test_each_variant_changes_what_it_says_and_nothing_else(name):
    base, _, variant = name.partition(".")
    recipe, varied = load_recipe(base), load_recipe(name)
    (entry,) = [entry for entry in recipe.variant if entry.name == variant]
    assert varied.name == name and varied.title.endswith(f", {variant}")
    assert dict(varied.published) == {} == dict(varied.literature) and varied.variant == ()
    before, after = flat(recipe), flat(varied)
    told = {
        place for place in before.keys() | after.keys() if before.get(place) != after.get(place)
    }
    asked = entry.changes
    assert told and all(any(p == a or p.startswith(f"{a}.") for a in asked) for p in told)
    assert all(any(p == a or p.startswith(f"{a}.") for p in told) for a in asked), "no change"
    assert varied.digest() != recipe.digest()
    touched = [c.parameter for c in recipe.choice if c not in varied.choice]
    assert all(any(t.startswith(a) or a.startswith(t) for a in asked) for t in touched)


def flat(recipe) -> dict:
    """Dotted place to value of all that decides a training or a split."""

    def leaves(value, place):
        if not isinstance(value, dict):
            return {place: value}
        return {k: v for key, e in value.items() for k, v in leaves(e, f"{place}.{key}").items()}

    whole = recipe.as_dict()
    return {k: v for part in ("data", *DECIDING) for k, v in leaves(whole[part], part).items()}


def test_variants_that_the_issue_names():
    variants = {name: {v.name for v in load_recipe(name).variant} for name in NAMES}
    assert {"adam", "dropout-1", "dropout-2", "dropout-3", "dropout-4", "epochs-20", "small",
            "batch-normalization", "early-stopping", "balanced"} == variants[POSTER]  # fmt: skip
    assert [load_recipe(f"{POSTER}.dropout-{n}").architecture.settings["dropout"]
            for n in range(1, 5)] == [0.1, 0.2, 0.3, 0.4]  # fmt: skip
    assert load_recipe(POSTER).architecture.settings["dropout"] == 0.5
    assert load_recipe(POSTER).training.epochs == 100
    assert load_recipe(f"{POSTER}.epochs-20").training.epochs == 20
    # What the poster names as future work.
    assert load_recipe(f"{POSTER}.early-stopping").training.patience == 10
    assert load_recipe(f"{POSTER}.balanced").augmentation.kind == "balanced"
    assert load_recipe(f"{POSTER}.adam").training.optimizer["name"] == "Adam"
    assert load_recipe(f"{BALL}.code").architecture.settings["dense"] == [64, 64]
    # Pretrained networks: from random weights, frozen and fine-tuned, whichever is published.
    for name in NAMES:
        architecture = load_recipe(name).architecture
        if architecture.weights == "none":
            continue
        ways = {architecture.backbone}
        for variant in variants[name]:
            made = load_recipe(f"{name}.{variant}").architecture
            ways.add("none" if made.weights == "none" else made.backbone)
        assert ways == {"none", "frozen", "trained"}, name


def test_values_arrive_with_their_types():
    recipe = load_recipe(PROPOSED)
    assert dict(recipe.training.optimizer) == {
        "name": "SGD", "learning_rate": 2e-4, "momentum": 0.0, "nesterov": False,
    }  # fmt: skip
    assert (recipe.training.batch, recipe.training.epochs) == (30, 100)
    assert (recipe.images.crop, recipe.images.input) == (400, 150)
    assert (recipe.augmentation.samples, recipe.augmentation.seed) == (20_000, 7)
    assert recipe.architecture.settings["convolutions"] == [3, 2, 2, 2, 2, 2]
    assert recipe.data.shares == (0.8, 0.2)


def test_a_whole_number_is_read_as_a_float_where_one_is_wanted():
    recipe = read_recipe(changed("l1 = 0.0", "l1 = 0"))
    assert type(recipe.training.l1) is float


@pytest.mark.parametrize("name", [*NAMES, *VARIANTS])
def test_as_dict_is_plain_and_can_be_hashed(name):
    plain = load_recipe(name).as_dict()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert hash_json(plain) == hash_json(load_recipe(name).as_dict())


def test_a_recipe_cannot_be_changed():
    recipe = load_recipe(PROPOSED)
    with pytest.raises(AttributeError):
        recipe.name = "other"
    for table, key in (
        (recipe.published, "accuracy"),
        (recipe.architecture.settings, "dropout"),
        (recipe.training.optimizer, "momentum"),
        (load_recipe(BALL).literature, "parameters"),
        (load_recipe(POSTER).variant[0].changes, "training.epochs"),
    ):
        with pytest.raises(TypeError):
            table[key] = 1.0


# Wrong values -------------------------------------------------------------------------


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
        ("batch = 30", "batch = 0", "not a positive number", "training.batch"),
        ("epochs = 100", "epochs = -1", "not a positive number", "training.epochs"),
        ("crop = 400", "crop = -1", "not 0 or more", "images.crop"),
        ("input = 150", "input = 0", "not a positive number", "images.input"),
        ("l2 = 0.0", "l2 = -1e-9", "not 0 or more", "training.l2"),
        ("l1 = 0.0", "l1 = inf", "not a number", "training.l1"),
        ("patience = 0", "patience = -1", "not 0 or more", "training.patience"),
        ("samples = 20000", "samples = 0", "not a positive number", "augmentation.samples"),
        ("samples = 20000\n", "", "'samples' is missing", "augmentation"),
        ("samples = 20000", "sample = 20000", "Did you mean 'samples'?", "augmentation.sample"),
        ("samples = 20000", "flips = true", "'flips' has no effect", "augmentation"),
        ('kind = "augmentor"', 'kind = "none"', "'samples' has no effect", "augmentation"),
        ('kind = "augmentor"', 'kind = "online"', "'samples' has no effect", "augmentation"),
        ('kind = "augmentor"', 'kind = "augmenter"', "'augmentor'?", "augmentation.kind"),
        ("probability = 0.5", "probability = 1.5", "not 1 or less", "augmentation.probability"),
        ("probability = 0.5", "probability = 0.0", "not a positive number", "probability"),
        ("learning_rate = 2e-4", "learning_rate = nan", "not a number", "r.learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = inf", "not a number", "r.learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = false", "not a number", "r.learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = 0.0", "not a positive", "r.learning_rate"),
        ("learning_rate = 2e-4", "learning_rate = -1.0", "not 0 or more", "r.learning_rate"),
        ("momentum = 0.0\n", "", "'momentum' is missing", "training.optimizer"),
        ("momentum = 0.0", "momentun = 0.0", "Did you mean 'momentum'?", "training.optimizer"),
        ("momentum = 0.0", 'momentum = "0"', "not a number", "training.optimizer.momentum"),
        ("nesterov = false", "nesterov = 0", "not true or false", "training.optimizer.nesterov"),
        ("nesterov = false", "rho = 0.9", "'rho' has no effect", "training.optimizer"),
        ('name = "SGD"', "name = 1", "1 is not known", "training.optimizer.name"),
        ('name = "SGD"', 'name = "SDG"', "Did you mean 'SGD'?", "training.optimizer.name"),
        ('name = "SGD"', 'name = "Adam"', "'momentum' has no effect", "training.optimizer"),
        ('name = "SGD"\n', "", "'name' is missing", "training.optimizer.name"),
        ('checkpoint = "val_accuracy"', 'checkpoint = "val_acuracy"', "val_accuracy", "checkpoint"),
        ('scale = "unit"', 'scale = "units"', "Did you mean 'unit'?", "images.scale"),
        ('scale = "unit"', "scale = 255", "not text", "images.scale"),
        ('weights = "none"', 'weights = "imagnet"', "'imagenet'?", "architecture.weights"),
        ('backbone = "trained"', 'backbone = "frosen"', "'frozen'?", "architecture.backbone"),
        ('loss = "categorical_crossentropy"', 'loss = "mse"', "Known are", "training.loss"),
        ('dataset = "cnmc2019"', 'dataset = "cnmc2091"', "'cnmc2019'?", "data.dataset"),
        ('honest_protocol = "group"', 'honest_protocol = "grup"', "'group'?", "honest_protocol"),
        ('honest_protocol = "group"', 'honest_protocol = "blocks"', "cannot be split", "honest_"),
        ('published_protocol = "image"', 'published_protocol = "x"', "Known are: blocks", "data."),
        ("shares = [0.8, 0.2]", "shares = [0.8, 0.3]", "sum to 1", "data.shares"),
        ("shares = [0.8, 0.2]", "shares = [1.2, -0.2]", "positive shares", "data.shares"),
        ("shares = [0.8, 0.2]", "shares = [1.0]", "two or three", "data.shares"),
        ("shares = [0.8, 0.2]", "shares = []", "two or three", "data.shares"),
        ("shares = [0.8, 0.2]", "shares = 0.8", "not a list", "data.shares"),
        ("shares = [0.8, 0.2]", 'shares = ["0.8", 0.2]', "not a number", "data.shares"),
        ("split_seed = 120", "split_seed = -1", "not 0 or more", "data.split_seed"),
        ('order = "shuffled"', 'order = "shufled"', "'shuffled'?", "data.order"),
        ("split_seed = 120", "split_seed = 120\nofficial_test = 1", "true or false", "data.off"),
        ('parameter = "training.optimizer.momentum"', 'parameter = "training.mass"', "lacks",
         "choice"),
        ('parameter = "images.scale"', 'parameter = "images.scale.x"', "lacks", "choice"),
        ('reason = "Scaling', 'because = "Scaling', "Unknown parameter 'because'", "choice"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_place(old, new, said, place):
    with pytest.raises(RecipeError) as caught:
        read_recipe(changed(old, new), origin="some.toml")
    assert said in str(caught.value)
    assert caught.value.where.startswith("some.toml: ") and place in caught.value.where


@pytest.mark.parametrize(
    ("changes", "said", "place"),
    [
        ({'checkpoint = "val_accuracy"': 'checkpoint = "last"', "patience = 0": "patience = 3"},
         "'patience' has no effect", "training.patience"),
        ({"shares = [0.8, 0.2]": "shares = [0.6, 0.2, 0.2]",
          "split_seed = 120": "split_seed = 120\nofficial_test = true"},
         "two positive shares", "data.shares"),
    ],
)  # fmt: skip
def test_what_does_not_go_together_is_refused(changes, said, place):
    text = TEXT
    for old, new in changes.items():
        text = changed(old, new, text)
    with pytest.raises(RecipeError, match=said) as caught:
        read_recipe(text, origin="some.toml")
    assert caught.value.where == f"some.toml: {place}"


def test_what_should_be_a_table_and_is_not_is_refused():
    head = TEXT[: TEXT.index("[data]")]
    with pytest.raises(RecipeError, match="3 is not a table"):
        read_recipe(head + "data = 3")
    start, end = TEXT.index("[architecture.settings]"), TEXT.index("[training]")
    with pytest.raises(RecipeError, match="3 is not a table"):
        read_recipe(TEXT[:start] + "settings = 3\n" + TEXT[end:])
    choices = TEXT.index("# What the source leaves open")
    for wrong in ("choice = 3\n", 'choice = "images.scale"\n'):
        with pytest.raises(RecipeError, match="not a list"):
            read_recipe(wrong + TEXT[:choices])
    with pytest.raises(RecipeError, match="5 is not a table"):
        read_recipe("choice = [5]\n" + TEXT[:choices])


def test_a_recipe_without_a_choice_may_say_nothing_of_choices():
    assert read_recipe(TEXT[: TEXT.index("# What the source leaves open")]).choice == ()


def test_text_that_is_no_toml_is_refused_with_file_and_line():
    with pytest.raises(RecipeError, match=r"not valid TOML.*line \d+") as caught:
        read_recipe(changed("batch = 30", "batch = = 30"), origin="some.toml")
    assert caught.value.where == "some.toml"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mir2019-propsed", f"Did you mean '{PROPOSED}'"),
        ("", "Known are: ball2023"),
        ("../presets", "There is no recipe"),
        (f"{POSTER}.adma", "Did you mean 'adam'"),
        (f"{POSTER}.", "no variant ''.*\n.*Known are: adam"),
        (f"{PROPOSED}.adam", "no variant 'adam'.*\n.*Known are: none"),
    ],
)
def test_an_unknown_recipe_or_variant_suggests_the_nearest(name, said):
    with pytest.raises(RecipeError, match=said):
        load_recipe(name)


def test_a_recipe_bears_the_name_of_its_file(tmp_path, monkeypatch):
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "other.toml").write_text(TEXT)
    monkeypatch.setattr(recipes, "package_files", lambda _: tmp_path)
    with pytest.raises(RecipeError, match=f"calls itself '{PROPOSED}'") as caught:
        load_recipe("other")
    assert caught.value.where == "other.toml: name"


VARIANT = """
[[variant]]
name = "{name}"
reason = "A test."
changes = {{ "{place}" = {value} }}
"""


def test_two_variants_of_one_name_are_refused():
    twice = TEXT + VARIANT.format(name="a", place="training.batch", value=1)
    assert [entry.name for entry in read_recipe(twice).variant] == ["a"]
    twice += VARIANT.format(name="a", place="training.batch", value=2)
    with pytest.raises(RecipeError, match="Two variants have one name") as caught:
        read_recipe(twice, origin="some.toml")
    assert caught.value.where == "some.toml: variant"


@pytest.mark.parametrize("place", ["training.bach", "batch", "training.batch.size", ""])
def test_a_variant_of_an_unknown_parameter_is_refused(place):
    text = TEXT + VARIANT.format(name="a", place=place, value=1)
    with pytest.raises(RecipeError, match=f"variant names parameter '{place}'") as caught:
        read_recipe(text, origin="some.toml")
    assert caught.value.where == "some.toml: variant"


# A recipe changed ---------------------------------------------------------------------


def test_a_changed_recipe_differs_in_that_alone():
    recipe = load_recipe(PROPOSED)
    changes = {"training.l2": 0.001, "architecture.settings.dense": (64,), "images.input": 32}
    made = change_recipe(recipe, "small", changes)
    assert made.name == f"{PROPOSED}.small" and dict(made.published) == {}
    before, after = flat(recipe), flat(made)
    differing = {place: after[place] for place in after if after[place] != before[place]}
    assert differing == {
        "training.l2": 0.001, "architecture.settings.dense": [64], "images.input": 32,
    }  # fmt: skip
    assert [c for c in recipe.choice if c not in made.choice] == [
        c for c in recipe.choice if c.parameter == "images.input"
    ]
    assert recipe == load_recipe(PROPOSED), "the original stays as it was"


def test_an_optimizer_or_an_augmentation_is_changed_as_a_whole():
    recipe = load_recipe(PROPOSED)
    adam = dict(load_recipe(BALL).training.optimizer)
    made = change_recipe(
        recipe, "a", {"training.optimizer": adam, "augmentation": {"kind": "none"}}
    )
    assert made.training.optimizer["name"] == "Adam" and made.augmentation.kind == "none"
    assert made.augmentation.samples == 0
    assert "training.optimizer.momentum" not in {c.parameter for c in made.choice}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"training.bach": 1}, "no parameter 'training.bach'"),
        ({"bach": 1}, "no parameter 'bach'"),
        ({"": 1}, "no parameter ''"),
        ({"training.batch.size": 1}, "no parameter 'training.batch.size'"),
        ({"architecture.settings.dens": []}, "no parameter 'architecture.settings.dens'"),
        ({"title": "Another"}, "no parameter 'title'"),
        ({"published.accuracy": 1.0}, "no parameter 'published.accuracy'"),
        ({"training.batch": 0}, "not a positive number"),
        ({"training.batch": "8"}, "not a whole number"),
        ({"training": 3}, "not a table"),
        ({"augmentation.flips": True}, "'flips' has no effect"),
        ({"augmentation.kind": "none"}, "'samples' has no effect"),
        ({"training.optimizer.name": "Adam"}, "'momentum' has no effect"),
        ({"training.optimizer": {"name": "Adam"}}, "'learning_rate' is missing"),
        ({"training.optimizer.nesterov": 1}, "not true or false"),
        ({"images.scale": "units"}, "Did you mean 'unit'"),
    ],
)
def test_a_bad_change_is_refused(changes, said):
    with pytest.raises(RecipeError, match=said) as caught:
        change_recipe(load_recipe(PROPOSED), "tried", changes)
    assert caught.value.where.startswith(f"{PROPOSED}.tried")


# What a recipe takes from the one that it extends --------------------------------------

CHILD = f'extends = "{PROPOSED}"\nname = "child"\ntitle = "Child"\n'


def test_a_child_that_says_nothing_is_its_parent():
    child, parent = read_recipe(CHILD), load_recipe(PROPOSED)
    assert replace(child, name=parent.name, title=parent.title) == parent
    assert child.digest() == parent.digest()


@pytest.mark.parametrize(
    ("table", "own"),
    [("published", {"accuracy": 0.7}), ("literature", {"parameters": 5})],
)
def test_figures_of_two_recipes_are_never_mixed(table, own):
    (key, value) = next(iter(own.items()))
    child = read_recipe(f"{CHILD}[{table}]\n{key} = {value}\n")
    assert dict(getattr(child, table)) == own
    child = read_recipe(f"{CHILD.replace(PROPOSED, BALL)}[{table}]\n{key} = {value}\n")
    assert dict(getattr(child, table)) == own


def test_published_figures_of_the_recipes_are_their_own():
    parent = load_recipe(PROPOSED).published
    for name in NAMES:
        if not name.startswith("mir2019") or name == PROPOSED:
            continue
        given = tomllib.loads(text_of(name)).get("published")
        assert load_recipe(name).published == (parent if given is None else given)
    assert "confusion" not in load_recipe("mir2019-alexnet").published


def test_architecture_is_taken_whole_and_the_rest_key_by_key():
    text = CHILD + (
        "[training]\nbatch = 8\n[training.optimizer]\nmomentum = 0.9\n"
        '[architecture]\nname = "alexnet"\nweights = "none"\nbackbone = "trained"\n'
        "minimum_input = 67\n[architecture.settings]\ndense = [5]\n"
    )
    child, parent = read_recipe(text), load_recipe(PROPOSED)
    assert dict(child.architecture.settings) == {"dense": [5]}
    assert child.training == replace(
        parent.training, batch=8, optimizer={**parent.training.optimizer, "momentum": 0.9}
    )
    gone = {"training.optimizer.momentum"} | {
        c.parameter for c in parent.choice if c.parameter.startswith("architecture.")
    }
    assert len(gone) == 4
    assert list(child.choice) == [c for c in parent.choice if c.parameter not in gone]


def test_an_optimizer_or_augmentation_named_anew_keeps_nothing_of_the_parents():
    text = CHILD + '[augmentation]\nkind = "none"\n[training.optimizer]\nname = "Adam"\n'
    with pytest.raises(RecipeError, match="'learning_rate' is missing"):
        read_recipe(text)
    text += "learning_rate = 1e-4\nbeta_1 = 0.9\nbeta_2 = 0.999\nepsilon = 1e-7\namsgrad = false\n"
    child = read_recipe(text)
    assert child.augmentation.kind == "none" and "momentum" not in child.training.optimizer
    assert "training.optimizer.momentum" not in {c.parameter for c in child.choice}


def test_a_childs_reason_takes_the_place_of_its_parents():
    child = read_recipe(
        f'{CHILD}[[choice]]\nparameter = "images.scale"\nreason = "Ours."\n'
        '[[choice]]\nparameter = "training.batch"\nreason = "More."\n'
    )
    kept = [c for c in load_recipe(PROPOSED).choice if c.parameter != "images.scale"]
    assert list(child.choice[:-2]) == kept
    assert [(c.parameter, c.reason) for c in child.choice[-2:]] == [
        ("images.scale", "Ours."), ("training.batch", "More."),
    ]  # fmt: skip


def test_no_recipe_keeps_a_reason_for_a_value_that_it_changes():
    for name in NAMES:
        tables = tomllib.loads(text_of(name))
        if "extends" not in tables:
            continue
        parent, child = load_recipe(tables["extends"]), load_recipe(name)
        before, after = flat(parent), flat(child)
        own = {entry["parameter"] for entry in tables.get("choice", [])}
        for entry in child.choice:
            if entry.parameter not in own:
                assert after[entry.parameter] == before[entry.parameter], (name, entry.parameter)


def test_a_variant_can_be_extended():
    child = read_recipe(CHILD.replace(PROPOSED, f"{POSTER}.adam"))
    assert child.training.optimizer["name"] == "Adam" and dict(child.published) == {}


@pytest.mark.parametrize(
    ("text", "said", "place"),
    [
        (CHILD.replace(PROPOSED, "mir2019-propsed"), f"Did you mean '{PROPOSED}'", ": extends"),
        (CHILD.replace(f'"{PROPOSED}"', "5"), "no recipe '5' to extend", ": extends"),
        (CHILD.replace('"child"', f'"{PROPOSED}"'), "cannot extend itself", ": extends"),
        (CHILD + "choice = 3\n", "3 is not a list", ": choice"),
        (CHILD + 'choice = "x"\n', "'x' is not a list", ": choice"),
        (CHILD + "choice = [5]\n", "5 is not a table", ": choice"),
        (CHILD + "[[choice]]\nparameter = [1]\nreason = 'x'\n", "not text", ": choice.parameter"),
        (CHILD + "data = 3\n", "3 is not a table", ": data"),
        (CHILD + "[training]\nbach = 3\n", "Did you mean 'batch'", ": training.bach"),
        (CHILD + "[augmentation]\nflips = true\n", "has no effect", ": augmentation"),
    ],
)
def test_a_wrong_child_is_refused_with_its_place(text, said, place):
    with pytest.raises(RecipeError, match=said) as caught:
        read_recipe(text, origin="child.toml")
    assert caught.value.where == f"child.toml{place}"


# What a training is known by ------------------------------------------------------------


def altered(value, other: int):
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x" * other
    if isinstance(value, list):
        return [*value, other]
    return value + other


def places(tables: dict, place: tuple = ()) -> list[tuple]:
    """Keys of every leaf of plain tables; of other kinds of augmentation, none."""
    found = []
    for key, value in tables.items():
        if place == ("augmentation",) and key not in ("kind", *AUGMENTATIONS[tables["kind"]]):
            continue
        found += places(value, (*place, key)) if isinstance(value, dict) else [(*place, key)]
    return found


@given(st.sampled_from(NAMES), st.integers(1, 5), st.data())
def test_digest_changes_with_what_decides_a_training_and_with_nothing_else(name, other, data):
    recipe = load_recipe(name)
    tables = recipe.as_dict()
    place = data.draw(st.sampled_from(places(tables)))
    inner = tables
    for key in place[:-1]:
        inner = inner[key]
    if place == ("choice",) or place == ("variant",):
        inner[place[0]] = []
    else:
        inner[place[-1]] = altered(inner[place[-1]], other)
    made = filled(type(recipe), tables, "")
    decides = place[0] in DECIDING and place != ("architecture", "minimum_input")
    assert (made.digest() != recipe.digest()) == decides, place


@pytest.mark.parametrize("name", NAMES)
def test_digest_does_not_depend_on_order_or_on_how_a_number_is_written(name):
    recipe = load_recipe(name)

    def rewritten(value):
        if isinstance(value, dict):
            return {key: rewritten(value[key]) for key in reversed(value)}
        whole = isinstance(value, float) and value.is_integer()
        return int(value) if whole else value

    tables = recipe.as_dict()
    made = filled(type(recipe), {**tables, "training": rewritten(tables["training"])}, "")
    assert made.digest() == recipe.digest()


def test_all_recipes_and_variants_train_differently():
    digests = [load_recipe(name).digest() for name in [*NAMES, *VARIANTS]]
    assert len(set(digests)) == len(digests)


# Splits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_protocol_aliases_are_resolved_by_the_recipe(name):
    recipe = load_recipe(name)
    assert resolve_protocol(recipe, "published") == "image"
    assert resolve_protocol(recipe, "honest") == ("blocks" if name == BALL else "group")
    assert resolve_protocol(recipe, "field") == "field"
    with pytest.raises(RecipeError, match="Did you mean 'published'"):
        resolve_protocol(recipe, "publishd")
    with pytest.raises(RecipeError, match="Did you mean 'published'"):
        split_by_recipe(recipe, official_cells(), "publishd")


@pytest.fixture(scope="module")
def official() -> pd.DataFrame:
    return official_cells()


@pytest.fixture(scope="module")
def subtypes() -> pd.DataFrame:
    """A table of the size of B-ALL: its images are numbered, and nobody is named."""
    sizes = {"Benign": 504, "Early": 985, "Pre": 963, "Pro": 804}
    names = [(label, f"WBC-{label}-{n:03d}") for label, size in sizes.items() for n in range(size)]
    table = pd.DataFrame(names, columns=["label", "image"])
    table = table.assign(path=table.image, sha256=table.image).reindex(columns=COLUMNS)
    table = table.astype({name: "string" for name in COLUMNS if name not in ("width", "height")})
    table = table.assign(width=224, height=224)
    table.attrs["dataset"] = "ball2021"
    return table


def equal(split: Split, other: Split) -> bool:
    pd.testing.assert_frame_equal(split.cells, other.cells)
    return split.certificate == other.certificate


def test_the_reports_split_is_that_of_its_listing(official):
    split = split_by_recipe(load_recipe(PROPOSED), official, "published")
    assert equal(split, split_images(official, seed=120, shares=(0.8, 0.2)))
    assert split.certificate["settings"]["seed"] == 120


def test_the_posters_split_has_the_posters_counts(official):
    recipe = load_recipe(POSTER)
    split = split_by_recipe(recipe, official, "published")
    assert len(split.part("train")) == recipe.published["train_images"] == 7996
    assert len(split.part("validation")) == recipe.published["validation_images"] == 2665
    assert split.part("train").label.value_counts().to_dict() == {"ALL": 5454, "HEM": 2542}
    assert split.part("validation").label.value_counts().to_dict() == {"ALL": 1818, "HEM": 847}
    # The list of training images holds no test phase, and the certificate says so.
    assert split.part("test").empty and not split.certificate["settings"]["official_test"]
    held = official.groupby("label").head(100)
    phase = held.assign(fold="preliminary", image=held.image + "_p")
    both = pd.concat([official.drop(held.index), phase], ignore_index=True)
    both.attrs = official.attrs
    tested = split_by_recipe(recipe, both, "published")
    assert tested.certificate["settings"]["official_test"] is True
    assert set(tested.part("test").image) == set(phase.image)


def test_the_subtypes_are_split_into_three(subtypes):
    recipe = load_recipe(BALL)
    split = split_by_recipe(recipe, subtypes, "published")
    assert equal(split, split_images(subtypes, seed=2023, shares=(0.64, 0.16, 0.2)))
    for _, cells in split.cells.groupby("label"):
        share = cells.part.value_counts(normalize=True)
        assert share["train"] == pytest.approx(0.64, abs=0.003)
        assert share["validation"] == pytest.approx(0.16, abs=0.003)
        assert share["test"] == pytest.approx(0.2, abs=0.003)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_splits_both_ways(name, official, subtypes):
    recipe = load_recipe(name)
    cells = subtypes if name == BALL else official
    published = split_by_recipe(recipe, cells, "published")
    assert published.certificate["protocol"] == "image"
    assert equal(published, split_by_recipe(recipe, cells, "published", seed=5)), "part of it"
    honest = split_by_recipe(recipe, cells)
    assert equal(honest, make_split(cells, recipe.data.honest_protocol))
    assert set(honest.cells.part) == {"train", "validation", "test"}


def test_a_seed_moves_the_honest_split(official):
    recipe = load_recipe(GARG)
    split = split_by_recipe(recipe, official, "honest", seed=7)
    assert equal(split, make_split(official, "group", seed=7))
    assert split.certificate["settings"]["seed"] == 7
    assert not split.cells.part.equals(split_by_recipe(recipe, official).cells.part)


# Numbers of the sources -----------------------------------------------------------------


def printed_rows(rows: list) -> list[str]:
    """What a row of a printed layer table looks like, for each row."""
    return [
        rf"{name}\(\w*\)?\(None,{','.join(map(str, shape))}\){parameters}\n"
        for name, shape, parameters in rows
    ]


def published_patterns(published: dict) -> dict[str, list[str]]:
    """Per key of `published`: what must stand in the report without blanks and tabs."""
    numbers = {
        key: [f"{published[key]:,}"]
        for key in ("train_images", "scored_images", "parameters", "trainable")
        + ("convolutional_parameters", "convolutional_trainable")
    }
    first, second = published["confusion"]
    return numbers | {
        "accuracy": [rf"Accuracy:{published['accuracy']:.2%}", r"ProposedModel93\.02\n"],
        "precision": [f"Precisionscore:{published['precision']}"],
        "recall": [f"Recallscore:{published['recall']}"],
        "renamed": [],  # ours beside theirs
        "confusion": [rf"\[\[{first[0]}\s*{first[1]}\]\s*{second[0]}{second[1]}\]\]"],
        "scored": ["monitorthevalidationaccuracyandsavethemodel"],
        "train_images_log": [rf"Initialisedwith{published['train_images_log']}image"],
        "scored_images_log": [rf"validateon{published['scored_images_log']}samples"],
        "val_accuracy_log": [
            f"from-infto{published['val_accuracy_log'][0]}",
            "from{}to{}".format(*published["val_accuracy_log"]),
        ],
        "convolutions_text": [f"{published['convolutions_text']}{{convolution"],
        "layers": printed_rows(published["layers"]),
    }


def poster_patterns(published: dict) -> dict[str, list[str]]:
    """The same for the poster."""
    keys = [f"{part}{key}" for part in ("train_", "val_", "")
            for key in ("accuracy", "recall", "loss")]  # fmt: skip
    line = "RMSprop" + "".join(str(published[key]) for key in keys) + r"\n"
    found = dict.fromkeys(keys, [line])
    words = {"train_": "Training", "val_": "Validation", "": "Testing"}
    found |= {
        f"{part}accuracy_100_epochs": [
            f"{word}accuracy–{published[f'{part}accuracy_100_epochs']:.0%}"
        ]
        for part, word in words.items()
    }
    return found | {
        "scored": [r"TrainingValidationTest\n.*\n2X2C1D"],
        "train_images": [rf"\nTraining{published['train_images']}2542"],
        "validation_images": [rf"\nValidation{published['validation_images']}847"],
        "scored_images": [rf"\nTest{published['scored_images']}1219"],
        "parameters": [f"Totalparams:{published['parameters']:,}"],
        "trainable": [f"Trainableparams:{published['trainable']:,}"],
        "layers": printed_rows(published["layers"]),
        "renamed": [],
    }


def garg_patterns(published: dict) -> dict[str, list[str]]:
    """The same for the paper on VGG19."""
    first, second = published["confusion"]
    numbers = {
        key: [f"{words}{published[key]:,}"]
        for key, words in (
            ("images", "consistsof"), ("train_images", "Trainingdata="),
            ("validation_images", "Validationdata="), ("test_images", "Testingdata="),
            ("parameters", "Totalparams:"), ("trainable", "Trainableparams:"),
            ("not_trainable", "Non-trainableparams:"),
        )
    }  # fmt: skip
    return numbers | {
        "accuracy": [rf"Accuracy\\approx{published['accuracy']:.2%}".replace("%", r"\\?%")],
        "confusion": [rf"\(\+\){first[0]}\(\+\+\){first[1]}", rf"{second[0]}\(\+-\){second[1]}"],
        "scored": ["validationaccuracyhasbeenchosen"],
        "layers": printed_rows(published["layers"]),
        "misprints": printed_rows(
            [row for row in published["layers"] if row[0] in published["misprints"]]
        ),
        "renamed": [],
    }


def compared_patterns(row: str):
    """The same for a network that the report only compared: one row of its table 2."""

    def patterns(published: dict) -> dict[str, list[str]]:
        found = {
            "accuracy": [rf"\n{row}{100 * published['accuracy']:.4g}\n"],
            "scored": ["monitorthevalidationaccuracyandsavethemodel"],
        }
        if "convolutions" in published:
            assert (published["convolutions"], published["dense_layers"]) == (5, 3)
            found["convolutions"] = ["thefirstfiveareconvolutionallayers"]
            found["dense_layers"] = ["thelastthreearefullyconnected"]
        return found

    return patterns


def inception_patterns(published) -> dict[str, list[str]]:
    """The row of the result table, and the lines that spell the auxiliary classifier out."""
    found = compared_patterns("InceptionV3")(published)
    found["auxiliary"] = [
        r"5×5filtersizeandstride3,resultingina\$4\\times4\\times512",
        r"1×1convolutionwith128filters", r"1024unitsandrectifiedlinearactivation",
        r"70%ratioofdroppedoutputs", r"softmaxlossastheclassifier\(predictingthesame1000",
    ]  # fmt: skip
    return found


PATTERNS = {
    PROPOSED: ("001*.txt", published_patterns),
    "mir2019-proposed-300": ("001*.txt", published_patterns),
    "mir2019-alexnet": ("001*.txt", compared_patterns("AlexNet")),
    "mir2019-vgg16": ("001*.txt", compared_patterns("VGG_16")),
    "mir2019-resnet50": ("001*.txt", compared_patterns("ResNet50")),
    "mir2019-inception_v3": ("001*.txt", inception_patterns),
    POSTER: ("002*.txt", poster_patterns),
    GARG: ("003*.txt", garg_patterns),
}


def test_only_the_sheet_prints_its_figures_as_pictures():
    assert {BALL} == set(NAMES) - set(PATTERNS)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_published_number_stands_in_its_source(name):
    published = load_recipe(name).published
    file, patterns = PATTERNS[name][0], PATTERNS[name][1](published)
    text = source_text(file)
    assert set(patterns) == set(published), "a published number is not looked up"
    lacking = [p for found in patterns.values() for p in found if not re.search(p, text)]
    assert not lacking


def settable(recipe) -> set[str]:
    """Dotted places of all that a recipe sets, each kind of augmentation its own."""
    kind = recipe.augmentation.kind
    found = {place for place in flat(recipe) if not place.startswith(("data.", "augmentation."))}
    found |= {f"augmentation.{key}" for key in ("kind", *AUGMENTATIONS[kind])}
    return found | {"data.shares", "data.order", "data.split_seed"}


# Settings that are no reading of the source but the switches of this package: a network by
# name, no weights where none exist, and no penalty, early stop, schedule or class weights where
# none are mentioned.
OURS = {
    "architecture.minimum_input", "architecture.name", "architecture.weights",
    "architecture.backbone", "augmentation.kind", "training.l1", "training.l2",
    "training.patience", "training.optimizer.nesterov", "training.schedule.name",
    "training.class_weights",
}  # fmt: skip


def test_the_settings_that_are_no_choice_stand_in_the_report(report):
    recipe = load_recipe(PROPOSED)
    text = re.sub(r"\s+", "", report)
    chosen = {entry.parameter for entry in recipe.choice}
    train, rest = (10 * share for share in recipe.data.shares)
    stated = {
        "data.shares": f"splitratioof{train:.0f}:{rest:.0f}",
        "data.order": "random.shuffle",
        "data.split_seed": rf"split_ratio,seed={recipe.data.split_seed}\)",
        "images.crop": rf"newsizeof{recipe.images.crop}\*{recipe.images.crop}",
        "augmentation.samples": rf"p\.sample\({recipe.augmentation.samples}\)",
        "augmentation.probability": r"rotate90\(probability=\.5\)",
        "augmentation.seed": rf"p\.set_seed\({recipe.augmentation.seed}\)",
        "architecture.settings.filters": "32filters.*64filters.*128filters.*256filters"
        ".*384filters.*512filters",
        "architecture.settings.dense": r"dense_1\(Dense\)\(None,4096\).*"
        r"dense_2\(Dense\)\(None,1000\)",
        "training.optimizer.name": rf'"{recipe.training.optimizer["name"]}"gavethebest',
        "training.optimizer.learning_rate": "learningrateof"
        f"{recipe.training.optimizer['learning_rate']:.4f}",
        "training.batch": f"batchsizeof{recipe.training.batch}",
        "training.epochs": f"ranfor{recipe.training.epochs}epochs",
        "training.checkpoint": "monitorthevalidationaccuracy",
    }
    assert not chosen & set(stated)
    assert not [place for place, pattern in stated.items() if not re.search(pattern, text)]
    # Each number of the recipe is either stated by the report or marked as our choice.
    assert settable(recipe) == chosen | set(stated) | OURS


def test_the_side_classifier_is_that_of_the_report(report):
    settings = load_recipe("mir2019-inception_v3").architecture.settings
    text = re.sub(r"\s+", "", report)
    for stated in (
        "5×5filtersizeandstride3",
        f"1×1convolutionwith{settings['auxiliary_filters']}filters",
        f"fullyconnectedlayerwith{settings['auxiliary_dense']}units",
        f"dropoutlayerwith{settings['auxiliary_dropout']:.0%}ratio",
    ):
        assert stated in text, stated


def test_a_number_of_the_report_that_stands_elsewhere_is_the_recipes():
    """Defaults of functions, the preset `paper` and the cropping page repeat some."""
    recipe = load_recipe(PROPOSED)
    image = inspect.signature(split_images).parameters
    said = [image[name].default for name in ("shares", "order", "seed", "official_test")]
    data = recipe.data
    assert said == [data.shares, data.order, data.split_seed, data.official_test]
    plan = inspect.signature(plan_augmentation).parameters
    drawn = {name: plan[name].default for name in ("samples", "probability", "seed")}
    given = asdict(recipe.augmentation)
    assert drawn == {name: given[name] for name in AUGMENTATIONS["augmentor"]}
    paper = load_preset("paper")  # 0: as in the recipe
    assert {paper[name] for name in ("input_size", "epochs", "samples", "batch")} == {0}
    cropping = Path(__file__).parents[1] / "notebooks" / "cropping.py"
    assert read_parameters(cropping)["crop"].value == recipe.images.crop


def test_a_checkpoint_may_be_chosen_by_every_metric_of_validation():
    wanted = {"val_loss", "last", *(f"val_{name}" for name in METRICS)}
    assert set(KNOWN["training.checkpoint"]) == wanted


# Schedules and class weights -----------------------------------------------------------


SCHEDULED = {
    "cosine": {"warmup": 2, "floor": 0.0},
    "step": {"every": 10, "rate": 0.5},
    "plateau": {"patience": 3, "rate": 0.1},
}


def scheduled(name: str, **changes) -> dict:
    return {"name": name} | SCHEDULED.get(name, {}) | changes


@pytest.mark.parametrize("name", ["constant", *SCHEDULED])
def test_a_recipe_may_state_a_schedule(name):
    recipe = change_recipe(load_recipe(PROPOSED), "other", {"training.schedule": scheduled(name)})
    assert recipe.training.schedule["name"] == name
    assert set(SCHEDULES) == {"constant", *SCHEDULED}, "each has its test"


@pytest.mark.parametrize(
    ("schedule", "said", "where"),
    [
        ({"name": "cosin"}, "Did you mean 'cosine'?", "training.schedule.name"),
        ({"warmup": 1, "floor": 0.0}, "'name' is missing", "training.schedule"),
        ({"name": "cosine", "warmup": 1}, "'floor' is missing", "training.schedule"),
        ({"name": "step", "every": 2, "rat": 0.5}, "Did you mean 'rate'?", "training.schedule"),
        ({"name": "constant", "rate": 0.5}, "'rate'", "training.schedule"),
        (scheduled("step", every=0), "1 or more", "training.schedule.every"),
        (scheduled("step", every=1.5), "whole number", "training.schedule.every"),
        (scheduled("step", every=True), "whole number", "training.schedule.every"),
        (scheduled("step", rate=1.01), "0 to 1", "training.schedule.rate"),
        (scheduled("step", rate=-0.1), "0 to 1", "training.schedule.rate"),
        (scheduled("step", rate="half"), "number", "training.schedule.rate"),
        (scheduled("plateau", patience=0), "1 or more", "training.schedule.patience"),
        (scheduled("plateau", rate=math.nan), "0 to 1", "training.schedule.rate"),
        (scheduled("cosine", warmup=-1), "0 or more", "training.schedule.warmup"),
        (scheduled("cosine", floor=2), "0 to 1", "training.schedule.floor"),
    ],
)
def test_a_wrong_schedule_is_refused_with_its_place(schedule, said, where):
    with pytest.raises(RecipeError) as caught:
        change_recipe(load_recipe(PROPOSED), "other", {"training.schedule": schedule})
    assert said in str(caught.value) and where in str(caught.value)


def test_unknown_class_weights_are_refused():
    with pytest.raises(RecipeError, match="'balenced'") as caught:
        change_recipe(load_recipe(PROPOSED), "other", {"training.class_weights": "balenced"})
    assert caught.value.remedy == "Did you mean 'balanced'?"


def test_what_a_recipe_leaves_out_does_not_change_which_it_is():
    """Records of before there were schedules are of the same recipe; each of them counts."""
    plain = load_recipe(PROPOSED)
    stated = change_recipe(
        plain,
        "other",
        {"training.schedule": {"name": "constant"}, "training.class_weights": "none"},
    )
    assert stated.digest() == plain.digest()
    others = [{"training.class_weights": "balanced"}]
    others += [{"training.schedule": scheduled(name)} for name in SCHEDULED]
    others += [{"training.schedule": scheduled("cosine", floor=0.1)}]
    digests = {change_recipe(plain, "other", change).digest() for change in others}
    assert len(digests) == len(others) and plain.digest() not in digests


def test_recorded_runs_still_name_the_recipes_of_today():
    """The digests that records hold were taken before schedules and class weights."""
    root = Path(__file__).parents[1] / "results"
    runs = [json.loads(path.read_text()) for path in root.glob("*/run.json")]
    assert len(runs) >= 9
    for run in runs:
        today = load_recipe(run["recipe"])
        assert run["parameters"]["recipe"] == today.digest(), run["id"]
