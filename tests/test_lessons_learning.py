"""From scratch: risk, neighbours, guessing, finding cells; and the cells of the first chapter."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import accuracy_score, confusion_matrix, zero_one_loss
from sklearn.neighbors import KNeighborsClassifier

from alllib.backend import load_keras
from alllib.cropping import find_nucleus
from alllib.lessons import blood, blood_figures, learning, learning_figures
from alllib.lessons.facts import load_leukemias, load_shares, load_tests, load_works
from alllib.smears import draw_person, draw_smear

ANSWERS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


# --- loss and risk


@given(ANSWERS)
def test_empirical_risk_under_zero_one_loss_is_one_minus_accuracy(pairs):
    answers, labels = map(np.array, zip(*pairs, strict=True))
    risk = learning.empirical_risk(lambda _: answers, np.zeros(len(labels)), labels)
    assert risk == pytest.approx(zero_one_loss(labels, answers))
    matrix = confusion_matrix(labels, answers, labels=[True, False])
    assert learning.classification_error(matrix) == pytest.approx(risk)
    assert 1 - risk == pytest.approx(accuracy_score(labels, answers))


def test_zero_one_loss_is_one_minus_keras_accuracy():
    keras = load_keras()
    rng = np.random.default_rng(3)
    probabilities, labels = rng.random(200).astype("f4"), rng.integers(0, 2, 200)
    told = keras.metrics.BinaryAccuracy(threshold=0.5)
    told.update_state(labels, probabilities)
    wrong = learning.zero_one_loss(probabilities > 0.5, labels == 1).mean()
    assert wrong == pytest.approx(1 - float(told.result()), abs=1e-6)


def test_empirical_risk_takes_any_loss():
    def squared(answers, labels):
        return (answers - labels) ** 2

    risk = learning.empirical_risk(
        lambda x: 2 * x, np.array([1.0, 2.0]), np.array([1.0, 4.0]), squared
    )
    assert risk == 0.5


@pytest.mark.parametrize("threshold", [-0.5, 0.3, 0.75, 2.0])
def test_the_risk_of_the_world_is_what_many_cells_give(threshold):
    world = learning.World(apart=1.2, blasts=0.3)
    numbers, blasts = world.draw(200_000, np.random.default_rng(1))
    wrong = learning.zero_one_loss(numbers > threshold, blasts).mean()
    assert wrong == pytest.approx(world.risk(threshold), abs=0.005)


def test_the_best_threshold_of_even_classes_lies_in_the_middle():
    world = learning.World()
    grid = np.linspace(-2, 4, 601)
    best = grid[np.argmin([world.risk(t) for t in grid])]
    assert best == pytest.approx(world.apart / 2, abs=0.01)


def test_hoeffdings_margin_is_the_printed_inequality_and_covers():
    margin = learning.hoeffding_margin(50)
    assert 2 * np.exp(-2 * 50 * margin**2) == pytest.approx(0.05)
    assert learning.hoeffding_margin(50, rules=10) > margin > learning.hoeffding_margin(200)
    draws = np.random.default_rng(2).binomial(50, 0.3, 5000) / 50
    assert np.mean(np.abs(draws - 0.3) > margin) <= 0.05


# --- neighbours


@given(st.integers(2, 20), st.integers(1, 8), st.integers(0, 2**32 - 1), st.sampled_from([1, 3, 5]))
@settings(max_examples=40, deadline=None)
def test_the_vote_is_that_of_scikit_learn(train, points, seed, neighbours):
    neighbours = min(neighbours, train if train % 2 else train - 1)
    rng = np.random.default_rng(seed)
    x, y, at = rng.normal(size=(train, 2)), rng.random(train) < 0.5, rng.normal(size=(points, 2))
    y[0], y[-1] = True, False  # both classes
    votes = learning.nearest_vote(x, y, at, neighbours)
    other = KNeighborsClassifier(neighbours).fit(x, y).predict_proba(at)[:, 1]
    np.testing.assert_allclose(votes, other)


def test_one_neighbour_has_no_training_error_whatever_the_labels():
    rng = np.random.default_rng(4)
    points, labels = rng.normal(size=(40, 2)), rng.random(40) < 0.5
    np.testing.assert_array_equal(learning.nearest_vote(points, labels, points, 1), labels)


# --- guessing


@pytest.mark.parametrize("tries", [1, 10, 200])
def test_the_best_guess_is_as_good_as_expected_where_chosen_and_a_half_elsewhere(tries):
    rng = np.random.default_rng(tries)
    found = np.array([learning.choose_best_guess(60, tries, rng) for _ in range(400)])
    chosen, fresh = found.mean(axis=0)
    assert chosen == pytest.approx(learning.expected_best(60, tries), abs=0.012)
    assert fresh == pytest.approx(0.5, abs=0.012)


def test_the_best_of_one_is_its_own_accuracy():
    assert learning.expected_best(37, 1, accuracy=0.9) == pytest.approx(0.9)


def test_the_smallest_numbers_that_print_a_per_cent():
    assert learning.fitting_counts("93.3", 20) == [15]
    assert learning.fitting_counts("80", 12) == [5, 10]
    assert learning.fitting_counts("50.0", 5) == [2, 4]


# --- finding cells


def test_discs_on_pale_ground_are_found_and_specks_are_not():
    picture = np.full((120, 160, 3), (240, 242, 250), "u1")
    y, x = np.mgrid[:120, :160]
    for row, column, radius in ((30, 40, 14), (80, 110, 18), (100, 20, 3)):
        picture[np.hypot(y - row, x - column) < radius] = (120, 60, 170)
    cells, mask = learning.find_cells(picture)
    # The blur before the threshold widens them a little.
    assert [np.sqrt(cell.area / np.pi) for cell in cells] == pytest.approx([18, 14], abs=1.2)
    assert abs(cells[0].top - 62) <= 2 and abs(cells[0].bottom - 99) <= 2
    assert mask.max() == 2 and (mask == 1).sum() == cells[0].area
    assert learning.find_cells(np.full((50, 50, 3), 240, "u1"))[0] == []


def test_red_cells_are_not_taken_for_nuclei():
    rng = np.random.default_rng([7, 3])
    cells, _ = learning.find_cells(draw_smear(rng, "Early", draw_person(rng, "Early"), size=448))
    assert 5 <= len(cells) <= 12  # dozens of red cells are in it


# --- the cells of the first chapter


@given(st.floats(0, 1), st.floats(0.6, 1), st.floats(0.6, 1))
def test_the_true_share_comes_back_from_the_apparent_one(share, sensitivity, specificity):
    apparent = blood.apparent_share(share, sensitivity, specificity)
    assert 0 <= apparent <= 1
    assert blood.true_share(apparent, sensitivity, specificity) == pytest.approx(share, abs=1e-9)


def test_the_chance_of_calls_is_binomial():
    assert blood.chance_of_calls(3, 0.9, 1) == pytest.approx(1 - 0.9**3)
    assert blood.chance_of_calls(200, 0.9, 0) == 1
    assert blood.chance_of_calls(50, 0.8, 12) == pytest.approx(stats.binom.sf(11, 50, 0.2))


def test_drawn_cells_differ_as_they_are_said_to():
    dark = {kind: blood.draw_cell(kind)[..., 1] < 150 for kind in blood.CELLS}
    areas = {kind: mask.sum() for kind, mask in dark.items()}
    assert areas["lymphocyte"] < areas["hematogone"] < areas["blast"]
    grain = {kind: blood.draw_cell(kind)[..., 1][mask].std() for kind, mask in dark.items()}
    assert grain["hematogone"] < min(grain["lymphocyte"], grain["blast"])
    assert (blood.draw_cell("blast") == blood.draw_cell("blast")).all()


def test_the_riddle_has_pairs_of_one_size():
    pictures, labels = blood.draw_riddle(5, pairs=2, drawn=12)
    assert sorted(labels) == ["ALL", "ALL", "HEM", "HEM"]
    area = np.array([find_nucleus(picture).sum() for picture in pictures])
    is_all = np.array(labels) == "ALL"
    np.testing.assert_allclose(sorted(area[is_all]), sorted(area[~is_all]), rtol=0.15)
    again, _ = blood.draw_riddle(5, pairs=2, drawn=12)
    assert all((a == b).all() for a, b in zip(pictures, again, strict=True))


# --- figures


def test_figures_of_the_disease_show_every_row():
    leukemias = load_leukemias()
    four = blood_figures.plot_four(leukemias)
    written = " ".join(text.get_text() for text in four.axes[0].texts)
    assert all(entry.short in written and entry.name in written for entry in leukemias)
    tests = blood_figures.plot_tests(load_tests())
    written = " ".join(text.get_text() for text in tests.axes[0].texts)
    assert all(f"{n}. {test.name}" in written for n, test in enumerate(load_tests(), start=1))
    shares = blood_figures.plot_shares(load_shares())
    assert len(shares.axes[0].get_yticklabels()) == len(load_shares())
    plt.close("all")


def test_the_tree_names_each_parent_and_each_leukemia():
    names = {node.name for node in blood_figures.LINEAGE}
    assert all(node.parent in names for node in blood_figures.LINEAGE if node.parent)
    told = blood_figures.describe_lineage()
    assert all(short in told for short in ("ALL (B)", "ALL (T)", "AML", "CLL", "CML"))
    blood_figures.plot_lineage()
    blood_figures.plot_cells()
    figure = blood_figures.plot_apparent({"one": (0.9, 0.95)}, {"limit": 0.05})
    line = figure.axes[0].lines[1]
    assert line.get_ydata()[0] == pytest.approx(5)  # per cent of a sample without blasts
    plt.close("all")


def test_figures_of_learning_show_what_they_are_given():
    picture = np.full((60, 60, 3), 230, "u1")
    cells = [learning.Found(5, 6, 20, 22, 200), learning.Found(30, 30, 50, 50, 150)]
    mask = np.zeros((60, 60), "i4")
    mask[30:50, 30:50] = 1
    figure = learning_figures.plot_tasks(picture, cells, mask, "Early")
    assert [len(axis.patches) for axis in figure.axes] == [0, 1, 2, 0]
    works = load_works()
    figure = learning_figures.plot_stated(works)
    filled = [line for line in figure.axes[0].lines if line.get_color() != "white"]
    assert len(filled) == sum(
        getattr(work, name) not in (None, False)
        for work in works
        for name in learning_figures.STATED
    )
    counts = pd.DataFrame(
        {"images": [6, 2, 2], "people": [3, 1, 1]}, index=list(learning_figures.ROLES)
    )
    figure = learning_figures.plot_parts(counts)
    assert [bar.get_width() for bar in figure.axes[0].patches[:3]] == [6, 2, 2]
    plt.close("all")
