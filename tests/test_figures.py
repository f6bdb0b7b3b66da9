"""Figures: pictures with caption and alternative text, the same in each build."""

from __future__ import annotations

import io

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from alllib import figures
from alllib.figures import (
    COLOURS,
    plot_confusion,
    plot_filters,
    plot_grids,
    plot_history,
    plot_intervals,
    plot_losses,
    plot_montage,
    say,
    set_style,
    show,
)


@pytest.fixture(autouse=True)
def closed():
    with plt.rc_context():
        yield
    plt.close("all")


@pytest.fixture
def displayed(monkeypatch):
    """What was displayed: (data, keyword arguments) in order."""
    found = []
    monkeypatch.setattr(figures, "display", lambda data, **rest: found.append((data, rest)))
    return found


def figure_of() -> plt.Figure:
    figure, axis = plt.subplots(figsize=(2, 1))
    axis.plot([0, 1], [1, 0])
    return figure


def test_a_figure_is_shown_with_caption_and_alternative_text(displayed):
    figure = figure_of()
    show(figure, caption="A line.", alt="It falls from 1 to 0.")
    (picture, rest), (caption, _) = displayed
    assert rest["raw"] is True
    assert rest["metadata"]["image/png"] == {
        "alt": "It falls from 1 to 0.",
        "caption": "A line.",
        "width": round(96 * figure.get_figwidth()),
    }
    assert picture["text/plain"] == "It falls from 1 to 0."
    with Image.open(io.BytesIO(picture["image/png"])) as image:
        assert image.format == "PNG" and image.width > 100
    assert caption.data == "*A line.*"


def test_a_shown_figure_is_closed(displayed):
    figure = figure_of()
    show(figure, caption="c", alt="a")
    assert not plt.fignum_exists(figure.number)


def test_the_same_figure_has_the_same_bytes(displayed):
    for _ in range(2):
        show(figure_of(), caption="c", alt="a")
    assert displayed[0][0]["image/png"] == displayed[2][0]["image/png"]


def test_a_notebook_keeps_both_texts(tmp_path, monkeypatch):
    """Through a real kernel: what the book's merger reads must arrive in the file."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    source = (
        "import matplotlib.pyplot as plt\nfrom alllib.figures import show\n"
        "figure, axis = plt.subplots()\nshow(figure, caption='The caption.', alt='The text.')"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
    NotebookClient(notebook, kernel_name="python3", timeout=120).execute()
    outputs = notebook.cells[0].outputs
    assert len(outputs) == 2, "the open figure must not be drawn a second time"
    told = outputs[0].metadata["image/png"]
    assert (told["alt"], told["caption"]) == ("The text.", "The caption.")
    assert outputs[0].data["image/png"] and outputs[1].data["text/markdown"] == "*The caption.*"


def test_say_displays_markdown(displayed):
    say("It is **3**.")
    assert displayed[0][0].data == "It is **3**."


def test_a_montage_has_a_place_for_each_image():
    images = [np.full((5, 5, 3), 40 * n, np.uint8) for n in range(5)]
    figure = plot_montage(images, [f"n{n}" for n in range(5)], columns=3)
    assert len(figure.axes) == 6
    assert [axis.get_title() for axis in figure.axes] == ["n0", "n1", "n2", "n3", "n4", ""]
    assert not any(axis.axison for axis in figure.axes)
    shown = figure.axes[4].images[0].get_array()
    np.testing.assert_array_equal(shown, images[4])


def test_a_confusion_matrix_shows_counts_and_row_shares():
    figure = plot_confusion([[30, 10], [0, 0]], ["ALL", "HEM"])
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert texts == ["30\n75 %", "10\n25 %", "0\n0 %", "0\n0 %"]
    assert figure.axes[0].get_xlabel() == "predicted class"
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["ALL", "HEM"]


def test_a_history_draws_training_and_validation_of_each_run():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.5], "val_loss": [1.1, 0.7]})
    history = history.assign(accuracy=[0.5, 0.6], val_accuracy=[0.4, 0.7])
    figure = plot_history({"by image": history, "by group": history})
    loss, accuracy = figure.axes
    assert len(loss.lines) == len(accuracy.lines) == 4
    assert [line.get_linestyle() for line in loss.lines] == ["--", "-", "--", "-"]
    np.testing.assert_array_equal(accuracy.lines[1].get_ydata(), [0.4, 0.7])
    named = [text.get_text() for text in accuracy.get_legend().get_texts()]
    assert named == ["by image", "by group"]
    assert (loss.get_ylabel(), accuracy.get_ylabel()) == ("loss", "accuracy")


def test_one_epoch_is_drawn_as_a_mark():
    history = pd.DataFrame({"epoch": [1], "loss": [1.0], "val_loss": [1.1]})
    figure = plot_history({"one": history.assign(accuracy=[0.5], val_accuracy=[0.4])})
    assert all(line.get_marker() not in ("", "None") for line in figure.axes[0].lines)


def rows_of(**changes) -> pd.DataFrame:
    rows = {"name": ["a", "b"], "value": [0.8, 0.7], "low": [0.7, 0.6], "high": [0.9, 0.75]}
    return pd.DataFrame(rows | {"published": [0.93, None]} | changes)


def marks(axis, marker: str) -> np.ndarray:
    """Horizontal places of the marks of one kind."""
    (line,) = [line for line in axis.lines if line.get_marker() == marker]
    return np.asarray(line.get_xdata(orig=False), dtype=float)


def test_without_published_values_only_ours_are_drawn():
    figure = plot_intervals(rows_of().drop(columns="published"))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["value, 95 % interval"]


def test_intervals_stand_beside_published_values():
    figure = plot_intervals(rows_of())
    axis = figure.axes[0]
    np.testing.assert_allclose(marks(axis, "o"), [0.8, 0.7])
    np.testing.assert_allclose(marks(axis, "D"), [0.93, np.nan])
    segments = axis.collections[0].get_segments()
    assert [list(segment[:, 0]) for segment in segments] == [[0.7, 0.9], [0.6, 0.75]]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["a", "b"]


def test_a_classifier_without_a_cnn_stands_below_the_network():
    axis = plot_intervals(rows_of(baseline=[0.6, None])).axes[0]
    np.testing.assert_allclose(marks(axis, "s"), [0.6, np.nan])
    without = plot_intervals(rows_of()).axes[0]
    assert "s" not in [line.get_marker() for line in without.lines]


def test_what_is_not_defined_is_left_out_without_an_error():
    nothing = [None, None]
    figure = plot_intervals(rows_of(value=nothing, low=nothing, high=nothing, published=nothing))
    figure.canvas.draw()
    assert np.isnan(marks(figure.axes[0], "o")).all()


def test_colours_can_be_told_apart_without_hue():
    """Neighbours of one plot differ in lightness too, for print and colour-blind readers."""
    weights = np.array([0.2126, 0.7152, 0.0722])
    luminance = {name: float(weights @ np.array(to_rgb(c))) for name, c in COLOURS.items()}
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert abs(luminance["ALL"] - luminance["HEM"]) > 0.05


def test_the_style_is_light_so_that_figures_read_on_both_themes():
    set_style()
    assert plt.rcParams["figure.facecolor"] == "white"
    assert plt.rcParams["axes.spines.top"] is False


def test_losses_are_drawn_in_a_panel_each_beside_the_first_run():
    plain = pd.DataFrame({"epoch": [1, 2], "loss": [1.0, 0.2], "val_loss": [0.9, 1.4]})
    other = plain.assign(epoch=[4, 8], val_loss=[0.8, 0.7])
    figure = plot_losses({"plain": plain, "other": other}, label="passes", highest=1.2, columns=2)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["plain", "other", "", ""]
    grey, training, validation = figure.axes[1].lines
    np.testing.assert_array_equal(grey.get_ydata(), [0.9, 1.4])
    np.testing.assert_array_equal(training.get_ydata(), [1.0, 0.2])
    np.testing.assert_array_equal(validation.get_ydata(), [0.8, 0.7])
    np.testing.assert_array_equal(validation.get_xdata(), [4, 8])
    assert training.get_linestyle() == "--"
    assert figure.axes[1].get_ylim() == (0, 1.2)
    assert len(figure.axes[3].get_legend().get_texts()) == 3
    assert figure.get_supxlabel() == "passes"


def test_grids_are_grey_or_coloured_and_keep_their_values():
    grey = np.full((4, 6), 130, np.uint8)
    colour = np.zeros((4, 6, 3))
    figure = plot_grids({"maps": grey, "filters": colour}, columns=3)
    assert [axis.get_title() for axis in figure.axes] == ["maps", "filters", ""]
    image = figure.axes[0].images[0]
    # By its own range a constant grid would be black, and 128 could not be told from 0.
    assert image.get_clim() == (0, 255) and image.get_cmap().name == "gray"
    np.testing.assert_array_equal(figure.axes[1].images[0].get_array(), colour)
    assert not figure.axes[2].images


def test_filters_are_tiled_in_order_each_on_its_own_scale():
    kernel = np.zeros((2, 2, 3, 3))
    kernel[0, 1, 2, 0] = 5.0
    kernel[..., 1] = 7.0  # constant
    kernel[1, 0, :, 2] = -1.0
    figure = plot_filters({"trained": kernel}, columns=2)
    (shown,) = [axis.images[0].get_array() for axis in figure.axes]
    assert shown.shape == (6, 6, 3)
    first, second, third = shown[:2, :2], shown[:2, 3:5], shown[3:5, :2]
    assert first[0, 1, 2] == 1 and first.sum() == 1
    assert (second == 0).all()
    np.testing.assert_array_equal(third[1, 0], [0, 0, 0])
    assert third.sum() == 9
    assert (shown[2] == 1).all() and (shown[:, 2] == 1).all() and (shown[3:, 3:] == 1).all()
