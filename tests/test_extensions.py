"""A reader's own images, network and recipe, without a change of the package."""

from __future__ import annotations

import json
import logging
import re
import textwrap
from importlib.resources import files as package_files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alllib import extensions
from alllib.architectures import ARCHITECTURES, build_network
from alllib.cli import main
from alllib.comparison import deviation_table
from alllib.costs import cost_rows
from alllib.datasets import DATASETS, detect_dataset, load_cells
from alllib.errors import AlllibError, DataError, ExtensionError, RecipeError, SplitError
from alllib.extensions import load_extension
from alllib.pools import choose_pools
from alllib.prediction import load_run, predict_images
from alllib.recipes import load_recipe, split_by_recipe
from alllib.records import list_records, read_record
from alllib.result_rows import network_rows
from alllib.splits import make_split
from alllib.training import RunSettings, train_recipe

SIDE = 24
HEAD = "from alllib.extensions import own_images, register_architecture, register_dataset\n"
NAMED = """
register_dataset(own_images("marrow", title="my marrow", classes=("blast", "normal"),
                            positive="blast", subjects="subjects.csv"))
"""
UNNAMED = """
register_dataset(own_images("unnamed", title="no names", classes=("blast", "normal")))
"""
NETWORK = """
@register_architecture("tiny")
def build(input_size, classes, *, filters):
    import keras
    from keras import layers
    image = keras.Input((input_size, input_size, 3))
    maps = layers.Conv2D(filters, 3, strides=2, activation="relu", name="conv")(image)
    values = layers.GlobalAveragePooling2D()(maps)
    last = layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Model(image, last(values))
"""
RECIPE = """
name = "mine"
title = "My network"
extends = "unnithan2021-2x2"
data = { dataset = "marrow", shares = [0.6, 0.2, 0.2], order = "shuffled", official_test = false }
images = { input = 16 }

[architecture]
name = "tiny"
weights = "none"
backbone = "trained"
minimum_input = 8
settings = { filters = 4 }

[training]
loss = "categorical_crossentropy"
batch = 8
epochs = 1
"""


@pytest.fixture(autouse=True)
def clean(monkeypatch, tmp_path):
    """Nothing that a test registers is known to the next one."""
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "space"))
    (tmp_path / "space").mkdir()
    yield
    forget()


def forget() -> None:
    for entry in list(extensions._loaded.values()):
        extensions._withdraw(entry)


def write_images(root: Path, *, subjects: int = 6, each: int = 3) -> Path:
    """A folder per class, each subject's images of one class; and `subjects.csv`."""
    generator, lines = np.random.default_rng(3), ["image,subject"]
    for label, level in (("blast", 90), ("normal", 170)):
        (root / label).mkdir(parents=True)
        for number in range(subjects * each):
            pixels = generator.integers(level - 60, level + 60, (SIDE, SIDE, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{number:03}.png")
            lines.append(f"{label}/{number:03}.png,{label[0]}{number // each}")
    (root / "subjects.csv").write_text("\n".join(lines) + "\n")
    return root


def write_file(folder: Path, *parts: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(HEAD + "".join(parts))
    return path


def write_recipe(folder: Path, text: str = RECIPE, name: str = "mine.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def train(folder: Path, *, protocol: str = "group", **settings):
    recipe = load_recipe(write_recipe(folder))
    images = folder / "images"
    cells = load_cells(images if images.is_dir() else write_images(images), "marrow")
    split = split_by_recipe(recipe, cells, protocol)
    return train_recipe(recipe, split, settings=RunSettings(**settings), progress=False)


# --- end to end ----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["honest", "published"])
def test_own_images_and_network_are_trained_judged_and_asked_by_the_usual_commands(
    tmp_path, capsys, protocol
):
    plug, recipe = write_file(tmp_path, NAMED, NETWORK), write_recipe(tmp_path)
    images = write_images(tmp_path / "images")
    own = ["--with", str(plug)]
    given = [*own, "train", str(recipe), "--data", str(images), "--protocol", protocol]
    assert main(given) == 0
    folder = Path(capsys.readouterr().out.splitlines()[0])
    run = json.loads((folder / "run.json").read_text())
    assert (run["recipe"], run["dataset"], run["scored"]) == ("mine", "marrow", "test")
    assert run["extensions"][0]["file"] == "mine.py"
    shared = run["certificate"]["crossing"]["train/test"]["subjects"]["values"]
    assert (shared == 0) is (protocol == "honest")

    assert main([*own, "results", "--json"]) == 0
    (row,) = [r for r in json.loads(capsys.readouterr().out) if r["recipe"] == "mine"]
    assert row["published"] is None and row["verdict"] == "nothing published"
    assert not row["published_split"], "an own recipe has no source"
    assert row["baseline"]["same_split"], "six colour numbers stand beside it"

    cell = str(images / "blast" / "000.png")
    assert main([*own, "predict", cell, "--run", run["id"], "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["predictions"]
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    if protocol == "honest":
        for words in (["results", "--runs"], ["results", "--gaps"], ["systems", str(recipe)]):
            assert main([*own, *words]) == 0, words


def test_a_published_network_is_trained_on_own_images_by_a_recipe_that_extends_it(tmp_path):
    load_extension(write_file(tmp_path, NAMED))
    text = """
    name = "poster-on-mine"
    title = "2x2 on my images"
    extends = "unnithan2021-2x2"
    data = { dataset = "marrow", official_test = false }
    architecture = { name = "two_by_two", weights = "none", backbone = "trained",
      minimum_input = 16, settings = { blocks = 1, convolutions = 1, filters = 2, dense = 2,
      dropout = 0.5, batch_normalization = false } }
    """.replace("\n      ", " ")
    recipe = load_recipe(write_recipe(tmp_path, textwrap.dedent(text), "poster-on-mine.toml"))
    assert recipe.published == {} and recipe.source == "" and recipe.choice == ()
    assert recipe.training == load_recipe("unnithan2021-2x2").training
    split = split_by_recipe(recipe, load_cells(write_images(tmp_path / "images"), "marrow"))
    record = train_recipe(
        recipe, split, settings=RunSettings(input_size=16, epochs=1), progress=False
    )
    assert record.run["recipe_text"]["published"] == {}


def test_an_edited_builder_is_another_code_and_its_run_is_trained_anew(tmp_path, caplog):
    plug = write_file(tmp_path, NAMED, NETWORK)
    load_extension(plug)
    first = train(tmp_path)
    plug.write_text(plug.read_text() + "\n# a remark changes nothing\n")
    load_extension(plug)
    assert train(tmp_path).run["finished"] == first.run["finished"]
    plug.write_text(plug.read_text().replace('"relu"', '"tanh"'))
    load_extension(plug)
    with caplog.at_level(logging.WARNING):
        again = train(tmp_path)
    assert again.run["id"] == first.run["id"] and "other code" in caplog.text
    assert again.run["code"] != first.run["code"]


# --- later, without the file ---------------------------------------------------------------


def test_records_of_own_images_are_left_out_with_a_message_where_the_file_lacks(tmp_path, caplog):
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    record = train(tmp_path)
    assert [found.run["id"] for found in list_records()] == [record.run["id"]]
    forget()
    with caplog.at_level(logging.WARNING):
        assert list_records() == []
    assert "alllib --with mine.py" in caplog.text and "'marrow'" in caplog.text
    with pytest.raises(RecipeError, match="--with"):
        deviation_table(read_record(record.path))


def test_a_run_of_own_keras_layers_predicts_without_the_file(tmp_path):
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    record = train(tmp_path)
    image = next((tmp_path / "images").glob("blast/*.png"))
    with_file = predict_images(load_run(record.path), [image], progress=False)
    forget()
    without = predict_images(load_run(record.path), [image], progress=False)
    assert with_file == without


LAYER = """
import keras

@keras.saving.register_keras_serializable("mine")
class Halve(keras.layers.Layer):
    def call(self, values):
        return values / 2
"""


def test_a_layer_of_ones_own_is_loaded_with_the_file_and_refused_without(tmp_path):
    inner = NETWORK.replace("(maps)", "(Halve()(maps))")
    load_extension(write_file(tmp_path, NAMED, LAYER, inner))
    record = train(tmp_path)
    assert load_run(record.path).model.count_params() == record.run["model_parameters"]
    forget()
    with pytest.raises(AlllibError, match="(?s)code of its own.*--with FILE.py"):
        load_run(record.path)


def test_a_known_data_set_with_an_own_network_is_listed_and_costed_with_the_file(tmp_path):
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    record = train(tmp_path)
    (pool,) = choose_pools([record])
    (row,) = network_rows([pool])
    (cost,) = cost_rows([pool])
    assert row["title"] == cost["title"] == "My network"
    assert cost["parameters"] == record.run["model_parameters"]


# --- registering ---------------------------------------------------------------------------


def test_a_file_is_loaded_once_and_anew_when_it_changed(tmp_path):
    plug = write_file(tmp_path, NAMED)
    first = load_extension(plug)
    assert load_extension(plug) is first and first.datasets == ["marrow"]
    plug.write_text(HEAD + NAMED.replace('"marrow"', '"other"'))
    assert load_extension(plug).datasets == ["other"]
    assert "marrow" not in DATASETS and "other" in DATASETS


BROKEN = {
    "a data set of that name": (NAMED.replace('"marrow"', '"synthetic"'), "already"),
    "a network of that name": (NETWORK.replace('"tiny"', '"vgg16"'), "already"),
    "one name twice": (NAMED + NAMED, "already"),
    "a name with a slash": (NAMED.replace('"marrow"', '"my/marrow"'), "cannot be the name"),
    "one class": (NAMED.replace('"blast", "normal"', '"blast",'), "not two or more classes"),
    "a class as text": (NAMED.replace('("blast", "normal")', '"blast"'), "not two or more"),
    "a class that is a path": (NAMED.replace('"normal"', '"a/b"'), "not the name of a folder"),
    "no such positive": (NAMED.replace('positive="blast"', 'positive="blst"'), "'blst' is no"),
    "no data set": ("register_dataset('marrow')\n", "is no data set"),
    "no name": (NETWORK.replace('("tiny")', ""), "name of the architecture lacks"),
    "no function": ("register_architecture('tiny')(3)\n", "is no function"),
    "an error": (NAMED + "1 / 0\n", "ZeroDivisionError: division by zero"),
    "an exit": ("raise SystemExit\n", "SystemExit"),
    "no Python": ("def :\n", "no valid Python"),
    "nothing": ("", "registers nothing"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_used_registers_nothing_and_says_where(tmp_path, case):
    text, words = BROKEN[case]
    datasets, networks = set(DATASETS), set(ARCHITECTURES)
    path = write_file(tmp_path, text)
    with pytest.raises(AlllibError, match=words) as caught:
        load_extension(path)
    assert str(path) in str(caught.value) and caught.value.remedy
    assert (set(DATASETS), set(ARCHITECTURES)) == (datasets, networks)


def test_an_error_names_the_line(tmp_path):
    path = write_file(tmp_path, NAMED, "1 / 0\n")
    with pytest.raises(ExtensionError, match="division by zero") as caught:
        load_extension(path)
    assert caught.value.where == f"{path}, line 5"


def test_nothing_is_registered_outside_a_file_and_a_missing_file_is_said(tmp_path, capsys):
    with pytest.raises(ExtensionError, match="only while its file is loaded"):
        extensions.register_architecture("tiny")
    assert main(["--with", str(tmp_path / "no.py"), "results"]) == 1
    assert "cannot be read" in capsys.readouterr().err
    plug = write_file(tmp_path, NAMED)
    assert main(["--with", str(plug), "run", "splitting"]) == 1
    assert "no effect" in capsys.readouterr().err


NETWORKS = {
    "nothing": ("return keras.Model(image, last(values))", "", "returned NoneType"),
    "other classes": ("Dense(classes", "Dense(classes + 1", r"its outputs are \[\(3,\)\]"),
    "maps": ("last(values)", "last(maps)", "its outputs are"),
    "no softmax": ('activation="softmax", ', "", "are no probabilities"),
    "a fixed input": ("(input_size, input_size, 3)", "(20, 20, 3)", "its inputs are"),
    "half precision": ('dtype="float32"', 'dtype="float16"', "too coarse"),
    "a mistake": ("image = ", "image = images = unknown_name", "NameError"),
    "a Lambda": ("(maps)\n", "(layers.Lambda(abs)(maps))\n", "is a Lambda"),
}


@pytest.mark.parametrize("case", NETWORKS)
def test_a_network_that_cannot_be_used_is_refused_when_it_is_built(tmp_path, case):
    old, new, words = NETWORKS[case]
    assert old in NETWORK
    plug = write_file(tmp_path, NAMED, NETWORK.replace(old, new))
    load_extension(plug)
    recipe = load_recipe(write_recipe(tmp_path))
    with pytest.raises(AlllibError, match=words) as caught:
        build_network(recipe, classes=2)
    assert f"{plug}, line" in str(caught.value) and caught.value.remedy


def test_a_layer_that_is_not_registered_is_refused_before_the_training(tmp_path):
    bare = LAYER.replace('@keras.saving.register_keras_serializable("mine")', "")
    load_extension(write_file(tmp_path, NAMED, bare, NETWORK.replace("(maps)", "(Halve()(maps))")))
    with pytest.raises(RecipeError, match="Halve is not registered"):
        build_network(load_recipe(write_recipe(tmp_path)), classes=2)


def test_settings_that_the_builder_does_not_take_are_refused(tmp_path):
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    text = RECIPE.replace("filters = 4", "filter = 4")
    with pytest.raises(RecipeError, match="It takes filters"):
        build_network(load_recipe(write_recipe(tmp_path, text)), classes=2)


# --- images --------------------------------------------------------------------------------


def test_own_images_are_read_with_their_subjects(tmp_path):
    load_extension(write_file(tmp_path, NAMED))
    cells = load_cells(write_images(tmp_path / "images"))
    assert cells.attrs["dataset"] == "marrow" and len(cells) == 36
    one = cells[cells.image == "normal/004"].iloc[0]
    assert (one.label, one.subject, one.group, one.width) == ("normal", "n1", "n1", SIDE)
    split = make_split(cells, "group")
    assert split.certificate["crossing"]["train/test"]["subjects"]["values"] == 0


def test_a_column_of_groups_joins_subjects(tmp_path):
    root = write_images(tmp_path / "images")
    lines = (root / "subjects.csv").read_text().splitlines()
    joined = [f"{line},{'g' if line.endswith(('b0', 'b1')) else line[-2:]}" for line in lines[1:]]
    (root / "subjects.csv").write_text("\n".join(["image,subject,group", *joined]))
    load_extension(write_file(tmp_path, NAMED))
    cells = load_cells(root)
    assert set(cells.subject[cells.group == "g"]) == {"b0", "b1"}


def test_without_subjects_only_a_split_by_image_is_possible_and_a_warning_says_why(
    tmp_path, caplog
):
    load_extension(write_file(tmp_path, UNNAMED))
    with caplog.at_level(logging.WARNING):
        cells = load_cells(write_images(tmp_path / "images"))
    assert "cannot be known" in caplog.text
    with pytest.raises(SplitError, match="cannot be split by 'group'"):
        make_split(cells, "group")
    crossing = make_split(cells, "image").certificate["crossing"]["train/validation"]
    assert crossing["subjects"] is None and crossing["identical images"] is not None
    with pytest.raises(RecipeError, match="unnamed cannot be split by 'group'"):
        load_recipe(write_recipe(tmp_path, RECIPE.replace('"marrow"', '"unnamed"')))


def test_a_folder_that_fits_two_own_data_sets_is_no_guess(tmp_path):
    load_extension(write_file(tmp_path, NAMED, UNNAMED))
    root = write_images(tmp_path / "images")
    with pytest.raises(DataError, match="several data sets: marrow, unnamed"):
        detect_dataset(root)
    assert load_cells(root, "unnamed").subject.isna().all()
    (root / "subjects.csv").unlink()
    assert detect_dataset(root) == "unnamed"


def _empty(root):
    for path in (root / "normal").iterdir():
        path.unlink()


def _move(root):
    (root / "normal" / "patient1").mkdir()
    (root / "normal" / "000.png").rename(root / "normal" / "patient1" / "000.png")


def _third(root):
    (root / "other").mkdir()
    (root / "normal" / "000.png").rename(root / "other" / "000.png")


def _edit(old, new, count=1):
    def edit(root):
        file = root / "subjects.csv"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new, count))

    return edit


IMAGES = {
    "an empty class": (_empty, "holds no image"),
    "a folder within a class": (_move, "none of the classes"),
    "a folder that is no class": (_third, "none of the classes"),
    "a class that lacks": (
        lambda root: (root / "normal").rename(root / "Normal"),
        "no such folder",
    ),
    "no file": (lambda root: (root / "subjects.csv").unlink(), "cannot be read"),
    "no header": (_edit("image,subject\n", ""), "lacks the columns"),
    "no line": (_edit("blast/003.png,b1\n", ""), "has no line for 'blast/003.png'"),
    "an unknown image": (_edit("blast/003.png", "blast/303.png"), "blast/303.png|blast/003.png"),
    "one more": (_edit("image,subject\n", "image,subject\nblast/x.png,b1\n"), "'blast/x.png'"),
    "an image twice": (_edit("blast/003.png", "blast/002.png"), "second time"),
    "no subject": (_edit("blast/003.png,b1", "blast/003.png,"), "Line 5 has an empty entry"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_images_or_subjects_that_cannot_be_right_are_refused(tmp_path, case):
    spoil, words = IMAGES[case]
    load_extension(write_file(tmp_path, NAMED))
    root = write_images(tmp_path / "images")
    spoil(root)
    with pytest.raises(DataError, match=words) as caught:
        load_cells(root, "marrow")
    assert str(root) in str(caught.value) and caught.value.remedy


def test_files_that_are_no_images_are_named(tmp_path, caplog):
    load_extension(write_file(tmp_path, NAMED))
    root = write_images(tmp_path / "images")
    (root / "blast" / "scan.tif").write_bytes(b"II*")
    with caplog.at_level(logging.WARNING):
        load_cells(root)
    assert "scan.tif" in caplog.text


# --- recipes -------------------------------------------------------------------------------


RECIPES = {
    "a name of the package": ("unnithan2021-2x2.toml", RECIPE, "comes with the package"),
    "another name than its file": ("yours.toml", RECIPE, "calls itself 'mine'"),
    "a name with a space": ("my net.toml", RECIPE, "cannot be the name"),
    "an unknown data set": ("mine.toml", RECIPE.replace("marrow", "marow"), "(?s)'marow'.*--with"),
    "a word of no meaning": ("mine.toml", RECIPE + "speed = 3\n", "Unknown parameter 'speed'"),
}  # fmt: skip


@pytest.mark.parametrize("case", RECIPES)
def test_a_recipe_that_cannot_be_used_is_refused(tmp_path, case):
    name, text, words = RECIPES[case]
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    path = write_recipe(tmp_path, text, name)
    with pytest.raises(RecipeError, match=words) as caught:
        load_recipe(path)
    assert name in str(caught.value)


def test_a_recipe_file_that_is_not_there_and_a_folder_that_is_not_said(tmp_path, capsys):
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
    plug, recipe = write_file(tmp_path, NAMED, NETWORK), write_recipe(tmp_path)
    assert main(["--with", str(plug), "train", str(recipe)]) == 1
    assert "--data FOLDER" in capsys.readouterr().err
    text = RECIPE.replace('"tiny"', '"tinny"')
    with pytest.raises(RecipeError, match="(?s)no architecture 'tinny'.*--with"):
        build_network(load_recipe(write_recipe(tmp_path, text)), classes=2)


def test_an_own_recipe_may_have_variants(tmp_path):
    load_extension(write_file(tmp_path, NAMED, NETWORK))
    variant = '\n[[variant]]\nname = "wide"\nreason = "x"\nchanges = { "training.batch" = 4 }\n'
    path = write_recipe(tmp_path, RECIPE + variant)
    assert load_recipe(f"{path}.wide").training.batch == 4
    with pytest.raises(RecipeError, match="no variant 'wider'"):
        load_recipe(f"{path}.wider")


def test_an_own_recipe_may_stand_alone_and_name_a_source_and_its_figures(tmp_path):
    shipped = package_files("alllib") / "recipes" / "unnithan2021-2x2.toml"
    whole = shipped.read_text("utf-8").replace('name = "unnithan2021-2x2"', 'name = "mine"', 1)
    plain = re.sub(r"(?m)^(source|place) = .*\n", "", whole.partition("[published]")[0])
    alone = load_recipe(write_recipe(tmp_path, plain))
    assert (alone.source, alone.published) == ("", {})
    told = load_recipe(write_recipe(tmp_path, whole))
    assert told.published["accuracy"] == load_recipe("unnithan2021-2x2").published["accuracy"]
