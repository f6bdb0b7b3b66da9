"""Systems beside their sources: rows, misprints, what counts as agreement, and the tables."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from alllib import systems
from alllib.architectures import build_network
from alllib.backend import load_keras
from alllib.errors import RecipeError
from alllib.recipes import list_recipes, load_recipe
from alllib.systems import (
    compare_layers,
    describe_system,
    system_rows,
    system_table,
    systems_agree,
    tell_cost,
)

keras = load_keras()

# Printed table of the network below.
LAYERS = (["first", [6, 6, 4], 112], ["flat", [144], 0], ["last", [2], 290])
KEYS = {"recipe", "source", "parameters", "parameters_published", "trainable",
        "trainable_published", "input", "match"}  # fmt: skip


def build(frozen: bool = False):
    """8x8 images, 3x3 convolution of 4, dense 2: 112 + 290 parameters."""
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            layers.Conv2D(4, 3, name="first", trainable=not frozen),
            layers.Flatten(name="flat"),
            layers.Dense(2, name="last"),
        ]
    )


def recipe_with(literature=None, **published):
    """A stand-in for a recipe with these published figures."""
    return SimpleNamespace(
        name="fake",
        source="somebody2020",
        published=published,
        literature=literature or {},
        data=SimpleNamespace(dataset="cnmc2019"),
        images=SimpleNamespace(input=8),
        training=SimpleNamespace(batch=5, optimizer={"name": "SGD", "momentum": 0.0}),
    )


@pytest.fixture
def asked(monkeypatch):
    """`build_network` gives the small network; what it was asked for is kept."""
    calls = []

    def give(recipe, **settings):
        calls.append((recipe.name, settings))
        return build(frozen=recipe.published.get("frozen_part", False))

    monkeypatch.setattr(systems, "build_network", give)
    return calls


def changed(position, row):
    rows = [list(entry) for entry in LAYERS]
    rows[position] = row
    return rows


def test_every_printed_row_is_compared():
    table = compare_layers(build(), recipe_with(layers=LAYERS))
    assert list(table.columns) == [
        *("published layer", "our layer", "output", "published parameters", "our parameters"),
        *("agrees", "misprint"),
    ]
    assert list(table["published layer"]) == list(table["our layer"]) == ["first", "flat", "last"]
    assert list(table["output"]) == ["6 x 6 x 4", "144", "2"]
    assert table["agrees"].all() and not table["misprint"].any()


@pytest.mark.parametrize(
    "row", [["first", [6, 6, 4], 113], ["first", [6, 6, 5], 112], ["frist", [6, 6, 4], 112]]
)
def test_a_wrong_number_shape_or_name_is_a_disagreement(row):
    table = compare_layers(build(), recipe_with(layers=changed(0, row)))
    assert list(table["agrees"]) == [False, True, True]
    assert not table["misprint"].any()


def test_printed_names_can_stand_for_ours():
    rows = changed(2, ["dense_7", [2], 290])
    table = compare_layers(build(), recipe_with(layers=rows, renamed={"dense_7": "last"}))
    assert table["agrees"].all()
    assert (table["published layer"][2], table["our layer"][2]) == ("dense_7", "last")


def test_a_misprint_disagrees_in_parameters_alone():
    rows = changed(0, ["first", [6, 6, 4], 121])
    table = compare_layers(build(), recipe_with(layers=rows, misprints=["first"]))
    assert list(table["misprint"]) == [True, False, False]
    assert list(table["agrees"]) == [False, True, True]
    assert (table["published parameters"][0], table["our parameters"][0]) == (121, 112)
    shape = changed(0, ["first", [6, 6, 5], 121])
    table = compare_layers(build(), recipe_with(layers=shape, misprints=["first"]))
    assert not table["misprint"].any()


@pytest.mark.parametrize("named", ["first", "unprinted"])
def test_a_misprint_that_is_none_is_an_error(named):
    with pytest.raises(RecipeError, match=f"right or not printed: {named}"):
        compare_layers(build(), recipe_with(layers=LAYERS, misprints=[named]))


def test_nothing_printed_gives_an_empty_table():
    table = compare_layers(build(), recipe_with())
    assert len(table) == 0
    assert {"agrees", "misprint"} <= set(table.columns)


def test_a_system_is_described_from_its_network(asked):
    row = describe_system(recipe_with(parameters=402, trainable=402, layers=LAYERS))
    assert asked == [("fake", {"classes": 2, "weights": "none"})]
    # Memory: weights and gradients; for 5 images the image, maps, the same flat, and 2 outputs.
    assert row == {
        **{"recipe": "fake", "source": "somebody2020", "input": 8, "batch": 5, "match": True},
        **{"parameters": 402, "parameters_published": 402, "trainable": 402},
        **{"trainable_published": 402, "frozen": 0},
        "flops": 2 * (36 * 4 * 27 + 144 * 2),
        "memory": 4 * (2 * 402 + 5 * (192 + 144 + 144 + 2)),
        **{"layers_published": 3, "layers_agree": 3, "misprints": 0},
        **{"literature_parameters": None, "literature_agrees": None},
    }


def test_frozen_weights_are_not_trained(asked):
    published = {"frozen_part": True, "parameters": 402, "trainable": 290, "not_trainable": 112}
    row = describe_system(recipe_with(**published))
    assert (row["trainable"], row["frozen"], row["match"]) == (290, 112, True)
    assert describe_system(recipe_with(**published | {"not_trainable": 111}))["match"] is False


@pytest.mark.parametrize(
    ("published", "match"),
    [
        ({}, None),
        ({"accuracy": 0.93}, None),
        ({"parameters": 402}, True),
        ({"parameters": 403}, False),
        ({"trainable": 401}, False),
        ({"parameters": 402, "trainable": 401}, False),
        ({"layers": LAYERS}, True),
        ({"parameters": 402, "layers": changed(1, ["flat", [145], 0])}, False),
        ({"layers": changed(0, ["first", [6, 6, 4], 121]), "misprints": ["first"]}, True),
        ({"layers": changed(0, ["first", [6, 6, 4], 121])}, False),
        ({"layers": changed(0, ["first", [6, 6, 5], 121]), "misprints": ["first"]}, False),
    ],
)
def test_what_counts_as_agreement(asked, published, match):
    row = describe_system(recipe_with(**published))
    assert row["match"] is match
    assert systems_agree([row]) is (match is not False)


@pytest.mark.parametrize("parameters", [402, 403])
def test_the_literature_counts_without_being_the_source(asked, monkeypatch, parameters):
    known = {"classes": 1000, "input": 224, "parameters": parameters, "settings": {"dense": [7]}}
    changes = []

    def change(recipe, variant, values):
        changes.append(values)
        return SimpleNamespace(name=variant, published={})

    monkeypatch.setattr(systems, "change_recipe", change)
    row = describe_system(recipe_with(literature=known))
    assert changes == [{"architecture.settings.dense": [7]}]
    assert asked[1] == ("literature", {"classes": 1000, "input_size": 224, "weights": "none"})
    assert row["match"] is None
    assert row["literature_agrees"] is systems_agree([row]) is (parameters == 402)


def test_one_disagreement_fails_all():
    rows = [{"match": match, "literature_agrees": None} for match in (True, None, True)]
    assert systems_agree(rows)
    assert systems_agree([])
    assert not systems_agree([*rows, {"match": False, "literature_agrees": True}])
    assert not systems_agree([*rows, {"match": None, "literature_agrees": False}])


@pytest.fixture(scope="module")
def rows():
    """Rows of all recipes."""
    return system_rows()


def test_every_published_system_agrees(rows):
    assert [row["recipe"] for row in rows] == list_recipes()
    assert systems_agree(rows)
    assert {row["match"] for row in rows} == {True, None}


def test_rows_hold_what_the_sources_say(rows):
    """Against numbers typed here once more, from the sources."""
    known = {row["recipe"]: row for row in rows}
    garg = known["garg2021-vgg19"]
    assert (garg["parameters"], garg["trainable"], garg["misprints"]) == (26447682, 6423298, 11)
    assert known["unnithan2021-2x2"]["parameters"] == 30595265
    assert known["mir2019-proposed"]["parameters"] == 64066938
    for name, row in known.items():
        layers = load_recipe(name).published.get("layers", ())
        assert row["layers_published"] == len(layers)
        assert row["layers_agree"] + row["misprints"] == len(layers)
        assert row["parameters"] == row["trainable"] + row["frozen"]


def test_rows_can_be_written_as_json(rows):
    read = json.loads(json.dumps(rows))
    assert read == rows
    assert all(set(row) >= KEYS for row in read)


def test_an_unknown_recipe_is_an_error_before_anything_is_built(asked):
    with pytest.raises(RecipeError, match="mir2019-vgg16"):
        system_rows(["mir2019-vgg16", "mir2019-vgg61"])
    assert not asked


def test_table_for_readers():
    row = {
        **{"recipe": "one", "input": 224, "parameters": 26447682, "batch": 32},
        **{"parameters_published": 26447682, "trainable": 6423298, "flops": 39_029_703_680},
        **{"memory": 3 * 2**29, "layers_published": 26, "layers_agree": 15, "misprints": 11},
        **{"match": True, "literature_agrees": None, "trainable_published": 6423298},
        "frozen": 20024384,
    }
    other = row | {"parameters_published": None, "layers_published": 0, "layers_agree": 0,
                   "misprints": 0, "match": None, "literature_agrees": False}  # fmt: skip
    table = system_table([row, other])
    assert table.iloc[0].to_dict() == {
        **{"recipe": "one", "input": "224 px", "parameters": "26.448 M", "published": "26.448 M"},
        **{"published as trained": "6.423 M", "frozen": "20.024 M"},
        **{"trained": "6.423 M", "GFLOP": "39.03", "memory": "1.5 GiB at 32 images"},
        **{"layers": "15 of 26, 11 misprinted", "source agrees": "yes"},
        "literature agrees": "nothing published",
    }
    said = ["published", "layers", "source agrees", "literature agrees"]
    assert table.iloc[1][said].tolist() == ["", "", "nothing published", "no"]


def test_the_sentence_on_cost_holds_what_was_computed():
    recipe = load_recipe("unnithan2021-2x2")
    network = build_network(recipe, classes=2)
    told = tell_cost(recipe, network, "block2_pool")
    # Two 3x3, pool, two 3x3 twice as far apart, pool: 1 + 2 + 2 + 1 + 4 + 4 + 2.
    assert "a square of 16 pixels of the 256 of the input" in told and "lies 4 pixels" in told
    row = describe_system(recipe)
    assert f"{row['flops'] / 1e9:.1f} billion" in told
    assert f"{row['memory'] / 2**30:.1f} GiB" in told and "32 images" in told
