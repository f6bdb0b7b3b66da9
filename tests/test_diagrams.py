"""Block diagrams: what the boxes hold, and that all of it can be read."""

from __future__ import annotations

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from alllib.backend import load_keras
from alllib.diagrams import PAINT, describe_network, network_stages, plot_network, stage_table
from alllib.errors import RecipeError

keras = load_keras()
layers = keras.layers


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def small(**settings):
    """Two stages of maps, a vector, a hidden and a last dense layer."""
    first = layers.Conv2D(4, 3, padding="same", **settings)
    second = layers.Conv2D(4, 3, padding="same", **settings)
    return keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *(first, layers.BatchNormalization(**settings), layers.ReLU(), second),
            *(layers.MaxPooling2D(2), layers.ZeroPadding2D(1), layers.Conv2D(6, 5, strides=1)),
            *(layers.Flatten(), layers.Dense(5, activation="relu"), layers.Dropout(0.25)),
            layers.Dense(2, activation="softmax"),
        ],
        name="small",
    )


@pytest.fixture(scope="module")
def branched():
    """Two branches that meet, and a second output from the middle."""
    inputs = keras.Input((8, 8, 3))
    maps = layers.Conv2D(4, 1)(inputs)
    maps = layers.Add()([maps, layers.Conv2D(4, 3, padding="same")(maps)])
    narrow = layers.Conv2D(2, 1)(maps)  # on the way to a smaller map, beside the main line
    joined = layers.Concatenate()(
        [layers.Conv2D(3, 2, strides=2)(narrow), layers.AveragePooling2D(2)(maps)]
    )
    main = layers.Dense(3)(layers.GlobalAveragePooling2D()(joined))
    side = layers.Dense(3)(layers.Flatten()(layers.Conv2D(1, 1)(joined)))
    return keras.Model(inputs, [main, side], name="branched")


@pytest.fixture(scope="module")
def densenet():
    return keras.applications.DenseNet201(weights=None, classes=4)


def test_layers_of_one_size_are_one_stage():
    stages = network_stages(small())
    assert [(stage.kind, stage.output, stage.holds) for stage in stages] == [
        ("image", (8, 8, 3), ()),
        ("maps", (8, 8, 4), ("2 conv 3x3, 4", "batch norm")),
        ("maps", (4, 4, 4), ("max pool 2x2",)),
        ("maps", (2, 2, 6), ("conv 5x5, 6",)),
        ("values", (24,), ("flatten",)),
        ("values", (5,), ("dense 5, relu", "dropout 0.25")),
        ("values", (2,), ("dense 2, softmax",)),
    ]
    assert [stage.parameters for stage in stages] == [0, 112 + 16 + 148, 0, 606, 0, 125, 12]
    assert not any(stage.frozen for stage in stages)


def test_a_frozen_stage_is_said_so():
    assert [stage.frozen for stage in network_stages(small(trainable=False))] == [
        *(False, True, False, False, False, False, False)
    ]
    assert "; frozen)" in describe_network(small(trainable=False))
    assert "frozen" not in describe_network(small())


def test_branches_and_auxiliary_outputs(branched):
    stages = network_stages(branched)
    assert [(stage.kind, stage.output) for stage in stages] == [
        *(("image", (8, 8, 3)), ("maps", (8, 8, 4)), ("maps", (4, 4, 7))),
        *(("values", (7,)), ("values", (3,))),
        *(("auxiliary", (4, 4, 1)), ("auxiliary", (16,)), ("auxiliary", (3,))),
    ]
    assert "residual sum" in stages[1].holds
    assert "concatenation" in stages[2].holds
    assert stages[5].holds == ("from 4 x 4 x 7", "conv 1x1, 1")
    assert sum(stage.parameters for stage in stages) == branched.count_params()


def test_a_sub_model_is_drawn_by_its_layers():
    part = small()
    inputs = keras.Input((8, 8, 3))
    whole = keras.Model(inputs, part(inputs))
    assert network_stages(whole) == network_stages(part)


def test_seven_hundred_layers_stay_readable(densenet):
    stages = network_stages(densenet)
    assert len(stages) <= 10
    assert [stage.output[0] for stage in stages[:6]] == [224, 112, 56, 28, 14, 7]
    joins = [text for stage in stages for text in stage.holds if "concatenation" in text]
    assert [int(text.split()[0]) for text in joins] == [6, 12, 48, 32]
    assert sum(stage.parameters for stage in stages) == densenet.count_params()


def test_too_many_stages_are_merged():
    shrinking = [layers.Conv2D(2, 3, name=f"conv{number}") for number in range(24)]
    network = keras.Sequential([keras.Input((64, 64, 3)), *shrinking, layers.Flatten()])
    stages = network_stages(network)
    assert len(stages) == 16
    assert stages[0].kind == "image" and stages[-1].holds == ("flatten",)
    assert sum(stage.parameters for stage in stages) == network.count_params()


def test_description_names_every_stage(branched):
    text = describe_network(branched)
    assert text.startswith("An input of 8 x 8 x 3 goes through 4 stages: 8 x 8 x 4 (")
    assert "An auxiliary classifier, in training only: 4 x 4 x 1 (from 4 x 4 x 7;" in text
    total = branched.count_params()
    assert text.endswith(f"{total:,} parameters, of which {total:,} are trained.")


def test_a_table_has_a_row_for_each_stage_and_all_parameters(branched):
    table = stage_table(branched)
    assert list(table.columns) == ["stage holds", "output", "parameters"]
    assert list(table.output) == [
        *("8 x 8 x 3", "8 x 8 x 4", "4 x 4 x 7", "7", "3", "4 x 4 x 1", "16", "3"),
    ]
    held = list(table["stage holds"])
    assert held[0] == "input image" and "residual sum" in held[1]
    assert held[5] == "auxiliary classifier: from 4 x 4 x 7; conv 1x1, 1"
    assert [text.startswith("auxiliary classifier: ") for text in held] == [False] * 5 + [True] * 3
    assert table.parameters.sum() == branched.count_params()
    frozen = stage_table(small(trainable=False))["stage holds"]
    assert [text.endswith("; frozen") for text in frozen] == [False, True, *[False] * 5]


def drawn(figure):
    """Boxes and texts of a diagram in pixels."""
    figure.canvas.draw()
    (axis,) = figure.axes
    boxes = [patch for patch in axis.patches if isinstance(patch, Rectangle)]
    legend = [*figure.legends[0].get_texts(), figure.legends[0]]
    return boxes, [text for text in axis.texts if text.get_text()], legend


@pytest.mark.parametrize("name", ["small", "frozen", "branched", "densenet"])
def test_every_text_can_be_read(name, request):
    makers = {"small": small, "frozen": lambda: small(trainable=False)}
    network = makers[name]() if name in makers else request.getfixturevalue(name)
    figure = plot_network(network, title="Title")
    boxes, texts, legend = drawn(figure)
    assert figure.get_figwidth() * 96 == 720
    assert len(boxes) == len(network_stages(network))
    assert all(text.get_fontsize() >= 8 for text in texts + legend[:-1])
    page = figure.bbox
    places = [entry.get_window_extent() for entry in [*texts, *boxes, legend[-1]]]
    for number, place in enumerate(places):
        assert page.x0 <= place.x0 and place.x1 <= page.x1
        assert page.y0 <= place.y0 and place.y1 <= page.y1
        assert not any(place.overlaps(other) for other in places[number + 1 :])


def test_boxes_follow_maps_and_their_number():
    boxes, texts, _ = drawn(plot_network(small()))
    assert boxes[1].get_width() > boxes[0].get_width()  # 4 maps, 3 channels
    assert boxes[2].get_height() < boxes[1].get_height()  # side 4, side 8
    assert boxes[4].get_height() > boxes[5].get_height() > boxes[6].get_height()
    assert to_hex(boxes[1].get_facecolor()) == PAINT["maps"][0].lower()
    assert texts[0].get_text() == f"small: {small().count_params():,} parameters"


def test_frozen_boxes_are_hatched_and_explained():
    boxes, _, legend = drawn(plot_network(small(trainable=False)))
    assert [bool(box.get_hatch()) for box in boxes] == [False, True, *[False] * 5]
    assert legend[-2].get_text() == "frozen: not trained"
    assert "frozen" not in " ".join(t.get_text() for t in drawn(plot_network(small()))[2][:-1])


def test_an_unordered_network_is_an_error():
    with pytest.raises(RecipeError, match="no layers in known order"):
        plot_network(keras.Sequential([layers.Dense(2)]))
