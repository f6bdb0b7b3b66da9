"""Mistakes whose effect is known beforehand, and the laboratory that measures them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score, roc_auc_score
from tiny import write_cells

from alllib import laboratory
from alllib.datasets import load_cells
from alllib.downloads import official_files
from alllib.errors import DataError, ParameterError, SplitError
from alllib.laboratory import MISTAKES, Effect, counting, measure_effect
from alllib.laboratory.copies import copy_shares, count_copies, expected_copies
from alllib.laboratory.counting import (
    _rate_batches,
    average_batches,
    leave_dropout_on,
    praise_majority,
    score_batches,
)
from alllib.laboratory.effects import (
    draw_weights,
    rate_accuracy,
    rate_area,
    rate_areas,
    rate_choices,
)
from alllib.laboratory.figures import plot_effects, tell_effects
from alllib.laboratory.folds import cross_folds, deal_out, name_stretches, predict_folds
from alllib.laboratory.labels import join_by_listing, listing_order, official_labels
from alllib.laboratory.looks import (
    alter_pictures,
    crop_numbers,
    edge_contact,
    same_colour,
    same_size,
    to_grey,
    typical_look,
)
from alllib.laboratory.scene import Scene, Training, describe_repeats
from alllib.laboratory.selection import (
    best_epoch,
    choose_on_reported,
    deal_validation,
    report_validation,
)
from alllib.laboratory.sharing import REPEATS as SHARED_REPEATS
from alllib.laboratory.sharing import (
    _multiplied,
    explain_counts,
    multiply_images,
    nearest_neighbour,
    oversample_first,
    oversample_rows,
    split_by_image,
)
from alllib.laboratory.shortcuts import clip_one_class, lean_on_looks
from alllib.laboratory.study import SETTINGS

REPOSITORY = Path(__file__).resolve().parents[1]
SUBJECTS = {"ALL": 10, "HEM": 6}
EACH = 6  # images of a subject


def disc(radius: int, colour=(150, 60, 160), side: int = 150) -> np.ndarray:
    """Coloured disc on black."""
    place = np.arange(side) - (side - 1) / 2
    inside = place[:, None] ** 2 + place**2 <= radius**2
    return (inside[..., None] * np.array(colour)).astype(np.uint8)


def cell_table(dataset: str = "synthetic") -> pd.DataFrame:
    """Sixteen subjects of six images each."""
    rows = [
        {"image": f"{label}-{subject:02d}-{number}", "label": label, "group": f"{label}{subject}"}
        for label, subjects in SUBJECTS.items()
        for subject in range(subjects)
        for number in range(EACH)
    ]
    table = pd.DataFrame(rows)
    table = table.assign(subject=table.group, field=table.image, sha256=table.image, fold="fold_0",
                         path=table.image, width=450, height=450)  # fmt: skip
    table.attrs = {"dataset": dataset, "unit": "subject groups"}
    return table


def make_scene(*, seed: int = 0, trainings: tuple[Training, ...] = ()) -> Scene:
    """Images whose numbers tell the subject and nothing of the class."""
    cells = cell_table()
    generator = np.random.default_rng(seed)
    group = pd.factorize(cells.group)[0]
    own = generator.normal(size=(group.max() + 1, 4))
    numbers = own[group] + generator.normal(0, 0.05, (len(cells), 4))
    numbers = pd.DataFrame(numbers, columns=["area", "mean_r", "mean_g", "mean_b"])
    target = (cells.label == "HEM").to_numpy(int)
    folds = {
        "image": np.stack([np.random.default_rng(n).permutation(len(cells)) % 5 for n in (0, 1)]),
        "apart": np.stack([deal_out(cells, n) for n in (0, 1)]),
    }
    forest = {
        kind: np.stack([predict_folds(numbers, target, f, seed=1, trees=20) for f in found])
        for kind, found in folds.items()
    }
    pictures = np.stack([disc(60 if one else 20) for one in cells.label == "ALL"])
    reach = np.where(cells.label == "ALL", 360, 120)
    return Scene(cells, ("ALL", "HEM"), numbers, pd.DataFrame({"reach": reach}), pictures, folds,
                 forest, trainings)  # fmt: skip


@pytest.fixture(scope="module")
def scene() -> Scene:
    return make_scene()


def training(scene: Scene, **changes) -> Training:
    """A network that is right on all test images in epoch 1, and on none in epoch 0."""
    ill = scene.target == 0
    rows = np.arange(len(ill))
    validation, test = rows[rows % 2 == 0], rows[rows % 2 == 1]
    right = {name: np.where(ill[part], 0.9, 0.1).astype("f4")
             for name, part in (("validation", validation), ("test", test))}  # fmt: skip
    outputs = {
        # The validation part is best in epoch 0, the test part in epoch 1.
        "validation": np.stack([right["validation"], 1 - right["validation"]]),
        "test": np.stack([1 - right["test"], right["test"]]),
    }
    scored = np.arange(0, len(test), 2)
    given = {
        "seed": 1, "fold": 1, "validation": validation, "test": test, "scored": scored,
        "outputs": outputs, "twin": right["test"][scored],
        "dropped": np.stack([right["test"], 1 - right["test"]]),
        "altered": {kind: np.full(len(test), 0.5, "f4") for kind in
                    ("nuclei scaled to one area", "mean colour removed", "grey")},
        "refitted": 1 - right["test"],
    }  # fmt: skip
    return Training(**(given | changes))


@pytest.fixture(scope="module")
def learned(scene) -> Scene:
    return replace(scene, trainings=(training(scene), training(scene, seed=2)))


def effect_rows(honest, mistaken, group, label, repeat=0) -> pd.DataFrame:
    table = pd.DataFrame({"honest": honest, "mistaken": mistaken, "group": group, "label": label})
    table = table.assign(image=[f"i{n}" for n in range(len(table))], repeat=repeat)
    table.attrs["dataset"] = "synthetic"
    return table


# --- the size of an effect


def test_effect_of_a_known_table():
    table = effect_rows([1, 1, 0, 0] * 4, [1, 1, 1, 0] * 4,
                        np.repeat(list("abcd"), 4), np.repeat(["ALL", "HEM"], 8))  # fmt: skip
    effect = measure_effect("dropout", table, rate_accuracy, system="none")
    assert (effect.honest, effect.mistaken, effect.difference) == (0.5, 0.75, 0.25)
    # Each group says the same, so nothing is known of how groups differ.
    assert (effect.low, effect.high) == (None, None)
    assert (effect.images, effect.groups, effect.repeats) == (16, 4, 1)
    assert effect.resampled == "subject groups" and effect.dataset == "synthetic"


def test_interval_covers_what_groups_differ_by():
    changed = np.repeat([0.0, 0.0, 1.0, 1.0], 5)
    table = effect_rows(np.zeros(20), changed, np.repeat(list("abcd"), 5),
                        np.repeat(["ALL", "HEM", "ALL", "HEM"], 5))  # fmt: skip
    effect = measure_effect("dropout", table, rate_accuracy, system="none")
    assert effect.low == 0 and effect.high == 1 and effect.difference == 0.5
    again = measure_effect("dropout", table, rate_accuracy, system="none")
    assert again == effect
    repeats = measure_effect(
        "dropout", table.assign(repeat=[0, 1] * 10), rate_accuracy, system="none",
        draw_repeats=True,
    )  # fmt: skip
    assert repeats.resampled == "subject groups and repeats" and repeats.repeats == 2


def test_one_group_of_a_class_gives_no_interval():
    table = effect_rows([0, 1, 1, 0], [1, 1, 1, 0], list("aabc"), ["ALL", "ALL", "HEM", "HEM"])
    effect = measure_effect("dropout", table, rate_accuracy, system="none")
    assert effect.low is None and effect.high is None and effect.difference == 0.25


def test_effect_without_groups_is_refused():
    table = effect_rows([0, 1], [1, 1], [None, "a"], ["ALL", "HEM"])
    with pytest.raises(DataError, match="group of each") as caught:
        measure_effect("dropout", table, rate_accuracy, system="none")
    assert "B-ALL" in caught.value.remedy


def test_draws_keep_classes_and_whole_groups():
    table = effect_rows(np.zeros(12), np.zeros(12), np.repeat(list("abcdef"), 2),
                        np.repeat(["ALL", "HEM"], 6), repeat=[0, 1] * 6)  # fmt: skip
    for weights in draw_weights(table, resamples=20):
        assert weights[:6].sum() == weights[6:].sum() == 6
        assert (weights[::2] == weights[1::2]).all()
    sums = [weights.sum() for weights in draw_weights(table, repeats=True, resamples=20)]
    assert set(sums) == {12}
    drawn = next(draw_weights(table, repeats=True, resamples=1, seed=3))
    assert not (drawn[::2] == drawn[1::2]).all() or (drawn % 2 == 0).all()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.booleans(), st.integers(0, 3)), min_size=2),
)
def test_weighted_area_is_that_of_repeated_rows(rows):
    values, positive, weights = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(positive, weights)
    found = rate_area(values.astype(float), positive, weights)
    if len(set(repeated)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(repeated, np.repeat(values, weights)))


def test_scores_of_two_networks_are_never_ranked_against_each_other():
    # The second network says the same on a lower scale: each orders its own images rightly.
    outputs = [0.8, 0.9, 0.1, 0.2]
    table = effect_rows(outputs, outputs, list("abab"), ["HEM", "ALL", "HEM", "ALL"],
                        repeat=[0, 0, 1, 1])  # fmt: skip
    ill = (table.label == "ALL").to_numpy()
    assert roc_auc_score(ill, outputs) == 0.75  # what ranking all together would say
    assert rate_areas(table, ill)(table, np.ones(4, int)) == (1.0, 1.0)
    folds = table.assign(repeat=0, part=[0, 0, 1, 1])  # two forests of one cross-validation
    assert rate_areas(folds, ill)(folds, np.ones(4, int)) == (1.0, 1.0)


def test_area_of_folds_is_that_of_each_with_the_weight_of_its_pairs():
    generator = np.random.default_rng(3)
    table = effect_rows(generator.integers(0, 9, 60) / 9, generator.normal(size=60),
                        np.repeat(list("abcdef"), 10), np.tile(["ALL", "ALL", "HEM"], 20),
                        repeat=np.repeat([0, 1], 30))  # fmt: skip
    table["part"] = generator.integers(0, 2, 60)
    ill, weights = (table.label == "ALL").to_numpy(), generator.integers(0, 4, 60)
    for place, name in enumerate(("honest", "mistaken")):
        areas, pairs = [], []
        for rows in table.groupby(["repeat", "part"]).indices.values():
            areas.append(rate_area(table[name].to_numpy()[rows], ill[rows], weights[rows]))
            pairs.append((weights * ill)[rows].sum() * (weights * ~ill)[rows].sum())
        found = rate_areas(table, ill)(table, weights)[place]
        assert found == pytest.approx(np.average(np.nan_to_num(areas), weights=pairs))


def test_area_of_repeats_is_their_mean():
    table = effect_rows([0.1, 0.9, 0.2, 0.8], [0.9, 0.1, 0.2, 0.8], list("abab"),
                        ["HEM", "ALL", "HEM", "ALL"], repeat=[0, 0, 1, 1])  # fmt: skip
    rate = rate_areas(table, (table.label == "ALL").to_numpy())
    assert rate(table, np.ones(4, int)) == (1.0, 0.5)
    assert np.isnan(rate(table, np.array([1, 0, 1, 0]))).all()


# --- each mistake, where its effect is known


def test_remembering_subjects_pays_where_images_are_split_one_by_one(scene):
    accuracy, area = split_by_image(scene)
    assert accuracy.mistaken > 0.95 and accuracy.honest < 0.75 and accuracy.low > 0.15
    assert area.unit == "AUC" and area.difference > 0.2
    assert accuracy.repeats == 2 and accuracy.groups == sum(SUBJECTS.values())


def test_forests_of_other_folds_are_not_ranked_against_each_other(scene):
    # Each fold has its own scale, as forests of different prevalence have, and right order.
    ill = np.where(scene.target == 0, 0.05, 0.0)
    scaled = {kind: np.stack([np.stack([ill + f / 5, 1 - ill - f / 5], axis=1) for f in found])
              for kind, found in scene.folds.items()}  # fmt: skip
    area = split_by_image(replace(scene, forest=scaled))[1]
    assert (area.honest, area.mistaken) == (1.0, 1.0)
    assert cross_folds(np.array([0, 1, 1]), np.array([4, 0, 4])).tolist() == [4, 5, 9]


def test_network_and_its_twin_are_scored_on_the_same_half(learned):
    effect = split_by_image(learned)[2]
    assert effect.system == "small network" and effect.images == len(learned.trainings[0].scored)
    assert (effect.honest, effect.mistaken) == (1.0, 1.0) and effect.difference == 0
    wrong = replace(learned.trainings[0], twin=1 - learned.trainings[0].twin)
    effect = split_by_image(replace(learned, trainings=(wrong,)))[2]
    assert effect.difference == -1


def test_oversampling_evens_the_classes_with_copies_alone():
    target = np.array([0] * 7 + [1] * 3)
    rows = oversample_rows(target, 1)
    assert np.bincount(target[rows]).tolist() == [7, 7] and rows[:10].tolist() == list(range(10))
    assert (target[rows[10:]] == 1).all()
    assert np.array_equal(rows, oversample_rows(target, 1))
    assert np.bincount(multiply_images(5, 4)).tolist() == [4] * 5


def test_nearest_neighbour_knows_a_twin_in_another_fold_and_no_one_else():
    generator = np.random.default_rng(1)
    values, target = generator.normal(size=(200, 3)), generator.integers(0, 2, 200)
    rows = multiply_images(200, 2)
    apart = (np.arange(200) % 5)[rows]  # copies follow their image
    across = np.concatenate([np.arange(200) % 5, (np.arange(200) + 1) % 5])
    leaked = nearest_neighbour(values[rows], target[rows], across) == target[rows]
    honest = nearest_neighbour(values[rows], target[rows], apart) == target[rows]
    assert leaked.all() and 0.35 < honest.mean() < 0.65


@pytest.mark.slow
def test_multiplying_before_the_split_leaks(scene):
    assert SHARED_REPEATS >= 5
    noise = np.random.default_rng(5).normal(size=(len(scene.cells), 4))
    effects = oversample_first(replace(scene, numbers=pd.DataFrame(noise)))
    found = {one.system: one for one in effects}
    times = found["nearest neighbour, every image 4 times"]
    assert times.mistaken > 0.98 and 0.35 < times.honest < 0.7 and times.low > 0.25
    balanced = found["nearest neighbour, smaller class copied"]
    assert balanced.difference > 0.05 and balanced.mistaken < times.mistaken
    assert {one.images for one in effects} == {len(scene.cells)}


def test_multiplied_before_and_after_differ_in_the_deal_alone(scene):
    calls = []

    def classify(rows, dealt, seed, turned):
        calls.append((rows, dealt, seed, turned))
        return scene.target[rows]

    effect = _multiplied(scene, classify, lambda _: multiply_images(len(scene.cells), 4), "any")
    assert effect.repeats == SHARED_REPEATS and effect.difference == 0
    for after, before in zip(calls[::2], calls[1::2], strict=True):
        for place in (0, 2, 3):  # pictures, seed and turns
            assert np.array_equal(after[place], before[place])
        spread = pd.DataFrame({"image": after[0], "after": after[1], "before": before[1]})
        found = spread.groupby("image").nunique()
        assert (found.after == 1).all() and (found.before > 1).any()


def test_published_counts_are_halves_of_an_even_set():
    counts = explain_counts(official_files())
    assert counts["rows"] == counts["halves"] and counts["total"] == counts["sum"]
    assert counts["natural"] != counts["rows"] and counts["phases"] == [1867, 2586]


def test_checkpoint_chosen_on_the_reported_set(learned):
    ill = np.array([True, False])
    outputs = np.array([[0.9, 0.9], [0.9, 0.1], [0.8, 0.2]])
    assert best_epoch(outputs, ill) == 1  # the first of two
    (effect,) = choose_on_reported(learned)
    # The validation part chose epoch 0, in which every test image is wrong.
    assert (effect.honest, effect.mistaken, effect.difference) == (0, 1, 1)
    assert effect.repeats == 2 and effect.one_sided
    assert effect.images == len(learned.trainings[0].test)  # the validation part is not scored


def choices(right, tested, repeat=0) -> pd.DataFrame:
    count = len(tested)
    table = effect_rows(np.zeros(count), np.zeros(count), [f"g{n}" for n in range(count)],
                        np.resize(["ALL", "HEM"], count), repeat=repeat)  # fmt: skip
    return table.assign(tested=np.array(tested, bool))


def test_checkpoint_is_chosen_again_among_the_drawn_images():
    # Epoch 0 is right on the first validation image, epoch 1 on the others, and so in the test.
    right = np.array([[1, 0], [0, 1], [0, 1], [1, 0], [0, 1], [0, 1]], bool)
    table = choices(right, [0, 0, 0, 1, 1, 1])
    rate = rate_choices(table, right)
    assert rate(table, np.ones(6, int)) == pytest.approx((2 / 3, 2 / 3))
    # Drawn three times, the first validation image makes epoch 0 the best.
    assert rate(table, np.array([3, 1, 1, 1, 1, 1])) == pytest.approx((1 / 3, 2 / 3))
    # And where the first test image is drawn often, epoch 0 is the best of the test part.
    assert rate(table, np.array([1, 1, 1, 4, 1, 1])) == pytest.approx((1 / 3, 2 / 3))
    assert np.isnan(rate(table, np.array([1, 1, 1, 0, 0, 0]))).all()
    assert np.isnan(rate(table, np.array([0, 0, 0, 1, 1, 1]))).all()


def test_interval_of_the_checkpoint_holds_the_chance_of_choosing(scene):
    # Two epochs of noise: with the choice held fixed, half of the draws would fall below zero.
    generator = np.random.default_rng(4)
    noise = {name: generator.random((2, len(scene.cells) // 2)) for name in ("validation", "test")}
    networks = tuple(training(scene, seed=n, outputs=noise) for n in (1, 2))
    for key in ("checkpoint", "validation"):
        effect = MISTAKES[key].measure(replace(scene, trainings=networks))[0]
        assert 0 <= effect.low < effect.high and effect.one_sided
        assert "cannot change sign" in laboratory.tell_effect(effect)
        assert "chosen again in each draw" in effect.note


def test_roles_exchanged_leave_no_difference_between_two_sets_of_people():
    # The validation people are easy, the test people hard, and the epoch makes no difference.
    right = np.repeat([[True] * 2, [False] * 2], 4, axis=0)
    table = choices(right, [0] * 4 + [1] * 4)
    assert rate_choices(table, right, exchange=True)(table, np.ones(8, int)) == (0.5, 0.5)
    assert rate_choices(table, right)(table, np.ones(8, int)) == (0, 0)


def test_validation_told_as_test(learned):
    networks, forests = report_validation(learned)
    # Each part is all right after the epoch that it chose, and all wrong after the other's.
    assert (networks.honest, networks.mistaken) == (0, 1)
    assert networks.images == len(learned.cells)
    assert forests.mistaken > 0.9 > forests.honest  # persons are known, and nothing else
    assert forests.images == len(learned.cells) and forests.repeats == 2


@given(st.lists(st.integers(0, 4), min_size=1), st.integers(0, 99))
def test_no_image_validates_the_forest_that_it_tests(fold, seed):
    fold = np.array(fold)
    judge = deal_validation(fold, seed)
    assert (judge != fold).all() and set(judge) <= set(range(5))
    assert np.array_equal(judge, deal_validation(fold, seed))


def test_batches_by_hand():
    true = np.array([0, 0, 0, 1, 1, 1])
    called = np.array([0, 0, 1, 1, 1, 0])
    whole = score_batches(true, called, 6)
    assert whole == pytest.approx({"accuracy": 2 / 3, "recall": 2 / 3, "F1": 2 / 3})
    # Batches 000 and 111: recall 2/3 and, without any image of the class, 0.
    parts = score_batches(true, called, 3)
    assert parts == pytest.approx({"accuracy": 2 / 3, "recall": 1 / 3, "F1": 0.8 / 2})
    # A last batch of one image counts as much as one of four.
    assert score_batches(np.zeros(5, int), np.array([1, 1, 1, 1, 0]), 4)["accuracy"] == 0.5


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_one_batch_of_all_images_is_the_true_score(rows):
    true, called = (np.array(column) for column in zip(*rows, strict=True))
    found = score_batches(true, called, len(true), classes=4)
    options = {"labels": range(4), "average": "macro", "zero_division": 0}
    assert found["accuracy"] == pytest.approx((true == called).mean())
    assert found["recall"] == pytest.approx(recall_score(true, called, **options))
    assert found["F1"] == pytest.approx(f1_score(true, called, **options))


def test_batches_in_the_order_of_classes_halve_the_recall(learned):
    found = {(one.unit, one.system.partition(", ")[2]): one for one in average_batches(learned)}
    recall = found["recall", "class after class"]
    assert recall.honest == 1 and 0.5 < recall.mistaken < 0.75
    assert found["accuracy", "shuffled"].difference == 0  # all are right in each batch


def batch_rows(sizes, repeats: int = 1) -> pd.DataFrame:
    """Groups of these sizes in turn of either class; the first of each four images is missed."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    one = pd.DataFrame({"true": group % 2, "group": group, "image": np.arange(len(group))})
    one["called"] = np.where(one.image % 4 == 0, 1 - one.true, one.true)
    parts = [one.assign(repeat=n, label=one.true.map({0: "ALL", 1: "HEM"})) for n in range(repeats)]
    return pd.concat(parts, ignore_index=True)


def test_draws_have_as_many_images_as_the_table_in_batches_of_the_same_sizes(monkeypatch):
    table = batch_rows([30, 3, 9, 14, 2, 11], repeats=2)
    seen = []
    monkeypatch.setattr(counting, "score_batches", lambda true, *rest, **more: (
        seen.append(len(true)) or score_batches(true, *rest, **more)))  # fmt: skip
    rate = partial(_rate_batches, metric="accuracy", ordered=False, classes=2)
    for weights in draw_weights(table, repeats=True, resamples=30):
        rate(table, weights)
    assert set(seen) == {len(table) // 2}


def test_a_repeat_drawn_twice_counts_twice():
    table = batch_rows([16, 16, 16, 16], repeats=2)
    table.loc[table["repeat"] == 1, "called"] = table.true  # the second is always right
    rate = partial(_rate_batches, metric="accuracy", ordered=False, classes=2)
    both, half = np.repeat([1, 2], 64), np.ones(128, int)
    assert rate(table, half) == pytest.approx(((0.75 + 1) / 2,) * 2)
    assert rate(table, both) == pytest.approx(((0.75 + 2) / 3,) * 2)
    assert np.isnan(rate(table, 0 * half)).all()


def test_a_last_batch_of_one_image_is_one_in_each_draw_too():
    table = batch_rows([7, 18, 3, 11, 6, 2, 14, 5, 9, 12, 4, 8, 5, 10, 6, 9])
    assert len(table) == 8 * counting.BATCH + 1
    table["called"] = table.true  # all right: only a batch that lacks class 0 can cost recall
    rate = partial(_rate_batches, metric="recall", ordered=False, classes=2)
    lost = [np.subtract(*rate(table, weights)) for weights in draw_weights(table, resamples=200)]
    assert set(np.round(lost, 6)) == {0, round(1 / 9, 6)}
    # The last image is of class 1 in about half of the draws, as it may be in the table itself.
    assert 0.35 < np.mean(np.array(lost) > 0) < 0.65


def test_dropout_left_on(learned):
    (effect,) = leave_dropout_on(learned)
    assert (effect.honest, effect.mistaken) == (1.0, 0.5)  # one of two passes is all wrong


def test_accuracy_without_learning_is_the_majority_rate(scene):
    always, shuffled = praise_majority(scene)
    share = SUBJECTS["ALL"] / sum(SUBJECTS.values())
    assert always.honest == 0.5 and always.mistaken == pytest.approx(share)
    assert abs(shuffled.honest - 0.5) < 0.15 and shuffled.difference > 0


def test_listing_order_is_that_of_letters():
    assert (listing_order(11) + 1).tolist() == [1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert sorted(listing_order(1867)) == list(range(1867))


def test_official_order_agrees_for_the_known_share():
    table = official_labels()
    agree = table.label == table.joined
    assert len(table) == 1867 and int(agree.sum()) == 1045 and round(agree.mean(), 4) == 0.5597
    assert table.joined.value_counts().equals(table.label.value_counts())
    # Row 2 of the list is read for file 10.bmp, the second of the listing.
    assert table.joined[9] == table.label[1] and table.joined[0] == table.label[0]


def test_labels_joined_by_listing(scene):
    official, forest = join_by_listing(scene)
    assert official.honest == 1 and official.mistaken == pytest.approx(1045 / 1867)
    assert official.low < -0.44 < official.high < 0 and official.dataset == "cnmc2019"
    right = replace(scene, forest={"apart": np.eye(2)[scene.target][None]})
    perfect = join_by_listing(right)[1]
    share = SUBJECTS["ALL"] / sum(SUBJECTS.values())
    assert perfect.honest == 1
    stay = (listing_order(len(scene.cells)) == np.arange(len(scene.cells))).mean()
    by_chance = share**2 + (1 - share) ** 2
    assert perfect.mistaken == pytest.approx(stay + (1 - stay) * by_chance, abs=0.05)
    assert forest.dataset == "synthetic" and forest.repeats == 10


def test_a_crop_that_clips_one_class(scene):
    wide, narrow, edge, forest = clip_one_class(scene)
    assert (wide.honest, wide.mistaken) == (0, 0)
    assert (narrow.honest, narrow.mistaken, narrow.difference) == (0, 1, 1)
    assert (edge.honest, edge.mistaken) == (0.5, 1)  # discs of radius 60 in a crop of 75
    assert forest.honest == forest.mistaken == 1  # the radius still tells


def test_what_a_crop_shows():
    mask = np.ones((4, 4), bool)
    assert edge_contact(mask) == 12 and edge_contact(np.zeros((4, 4), bool)) == 0
    whole, cut = (crop_numbers(disc(60)[None], side).iloc[0] for side in (150, 75))
    assert whole.edge == 0 and whole.area == disc(60)[..., 0].astype(bool).sum()
    assert cut.edge > 0 and cut.area < whole.area and cut.mean_r == 150
    assert crop_numbers(np.zeros((1, 8, 8, 3), np.uint8), 4).iloc[0].area == 0


def test_changed_looks():
    picture = np.roll(disc(20), 30, axis=1)
    scaled = same_size(picture, area=np.pi * 40**2)
    mask = scaled.max(axis=2) > 20
    assert mask.sum() == pytest.approx(np.pi * 40**2, rel=0.08)  # a soft rim counts
    assert np.argwhere(mask).mean(axis=0) == pytest.approx([74.5, 74.5], abs=1)
    moved = same_colour(picture, np.array([100.0, 70.0, 120.0]))
    assert moved[picture.max(2) > 20].mean(axis=0) == pytest.approx([100, 70, 120])
    assert not moved[picture.max(2) == 0].any()
    assert (to_grey(picture) == to_grey(picture)[..., :1]).all() and to_grey(picture).max() == 98
    look = typical_look(np.stack([disc(20), disc(20), disc(60)]))
    assert look[0] == disc(20)[..., 0].astype(bool).sum() and look[1].tolist() == [150, 60, 160]
    assert {p.shape for p in alter_pictures(picture[None], look).values()} == {(1, 150, 150, 3)}


def test_area_that_tells_the_class_is_a_shortcut(learned):
    told = learned.numbers.assign(area=(learned.target == 0) * 1.0)
    area, colour, *networks = lean_on_looks(replace(learned, numbers=told))
    assert (area.honest, area.mistaken) == (0.5, 1.0)
    assert colour.mistaken < 0.8 and len(networks) == 4
    assert {(one.honest, one.mistaken) for one in networks[:3]} == {(0.5, 1.0)}
    assert (networks[3].honest, networks[3].mistaken) == (0.0, 1.0)


def test_copies_of_a_known_plan():
    plan = pd.DataFrame({"image": list("aabbb"), "symmetry": [0, 0, 1, 2, 1]})
    assert copy_shares(plan) == {"originals": 0.4, "repeated": 0.4}
    assert expected_copies(0.5) == pytest.approx({"nominal": 0.125, "true": 0.10226}, abs=1e-4)


def test_measured_copies_follow_the_true_probability(scene):
    originals, repeated = count_copies(scene, samples=1000, plans=12)
    expected = expected_copies(0.5)
    assert originals.low < expected["true"] < originals.high
    assert originals.mistaken == pytest.approx(expected["true"], abs=0.01)
    assert originals.mistaken < expected["nominal"] - 0.01
    # Of 96 images there are but 768 pictures.
    assert repeated.mistaken > 1 - 768 / 1000
    assert count_copies(scene, samples=1000, plans=12)[0] == originals


# --- what experiments refuse


def test_an_interval_without_width_is_none():
    table = effect_rows(np.zeros(8), [0.1] * 8, np.repeat(list("abcd"), 2),
                        np.repeat(["ALL", "HEM"], 4))  # fmt: skip
    effect = measure_effect("dropout", table, rate_accuracy, system="none")
    assert effect.low is None and "no interval" in laboratory.tell_effect(effect)
    (mark,) = (line for line in plot_effects({"some": [effect]}).axes[0].lines
               if line.get_marker() == "o" and len(line.get_xdata()))  # fmt: skip
    assert mark.get_markerfacecolor() == "none"


@pytest.fixture
def unread(monkeypatch):
    """Fails where an image is read."""

    def refuse(*args, **options):
        raise AssertionError("an image was read")

    for name in ("describe_images", "describe_colours", "measure_nuclei", "open_store"):
        monkeypatch.setattr(f"alllib.laboratory.scene.{name}", refuse)


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 1)], ids=["empty", "one class"])
def test_images_without_two_classes_are_refused(unread, rows):
    with pytest.raises(DataError) as caught:
        laboratory.run_laboratory(cell_table().iloc[rows])
    assert caught.value.remedy


def test_unlabelled_images_are_no_class(unread):
    cells = cell_table().assign(label=pd.NA)
    with pytest.raises(DataError, match="0 can be used here, of 0 classes") as caught:
        laboratory.prepare_scene(cells)
    assert "ALL and HEM" in caught.value.remedy
    tested = cell_table().assign(fold="preliminary")
    with pytest.raises(DataError, match="0 can be used"):
        laboratory.prepare_scene(tested)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        *(({name: value}, f"{name} must be whole and at least")
          for name in ("repeats", "epochs", "size") for value in (0, -1, 1.5, True, "many")),
        ({"size": 15}, "size must be whole and at least 16, not 15"),
        ({"seeds": ()}, "there is none"),
        ({"seeds": range(1, 1)}, "there is none"),
        ({"seeds": (1, 1)}, "stands twice"),
        ({"seeds": (-1,)}, "seeds must be whole and at least 0"),
    ],
)  # fmt: skip
def test_sizes_that_make_no_sense_are_refused(unread, options, said):
    with pytest.raises(ParameterError, match=said) as caught:
        laboratory.run_laboratory(cell_table(), **options)
    assert caught.value.where == next(iter(options)) and caught.value.remedy


def test_mistakes_that_smears_cannot_show_are_refused_before_an_image_is_read(unread):
    cells = cell_table().assign(subject=pd.NA, group=pd.NA)
    for key in (key for key, one in MISTAKES.items() if not one.smears):
        with pytest.raises(SplitError, match="know the subject of each image"):
            laboratory.run_laboratory(cells, keys=["image_split", key])
    with pytest.raises(ParameterError, match="repeats must be"):
        laboratory.run_laboratory(cells, repeats=0)


@pytest.fixture
def nameless(scene) -> Scene:
    """The same without subjects, as B-ALL."""
    cells = scene.cells.assign(subject=pd.NA)
    cells.attrs = scene.cells.attrs
    return replace(scene, cells=cells)


@pytest.mark.parametrize(
    "key", [key for key, one in MISTAKES.items() if not one.smears and key != "copies"]
)
def test_experiments_on_subjects_refuse_data_without(nameless, key):
    with pytest.raises(SplitError, match="know the subject of each image"):
        MISTAKES[key].measure(nameless)
    with pytest.raises(SplitError, match="know the subject of each image"):
        laboratory.measure_mistakes(nameless, [key])


def test_experiments_on_networks_need_one(scene):
    for key in ("checkpoint", "validation", "dropout", "batch_metrics"):
        with pytest.raises(SplitError, match="none was trained"):
            MISTAKES[key].measure(scene)


def test_unknown_mistake_is_named():
    with pytest.raises(ParameterError, match="no mistake 'chekpoint'") as caught:
        laboratory.get_mistake("chekpoint")
    assert "checkpoint" in caught.value.remedy
    with pytest.raises(ParameterError):
        laboratory.run_laboratory(cell_table(), keys=["all of them"])


# --- the registry, the whole, and what is kept


def test_registry_names_works_that_are_in_the_bibliography():
    known = re.findall(r"^@\w+\{(\w+),", (REPOSITORY / "book/references.bib").read_text(), re.M)
    for key, one in MISTAKES.items():
        assert one.key == key and set(one.sources) <= set(known)
        assert one.done.endswith(".") and one.does.endswith(".")
    assert len(MISTAKES) == 11


@pytest.mark.slow
def test_every_mistake_is_measured_under_its_key(learned):
    effects = laboratory.measure_mistakes(learned)
    assert list(dict.fromkeys(one.key for one in effects)) == list(MISTAKES)
    rows = [(one.key, one.system, one.unit) for one in effects]
    assert len(set(rows)) == len(rows)  # the figure has one row for each
    figure = plot_effects({"recorded": effects, "live": effects[:5]})
    labels = [text for text in figure.axes[0].get_yticklabels() if text.get_fontweight() == "bold"]
    assert [text.get_text() for text in labels] == [one.title for one in MISTAKES.values()]
    assert len(figure.axes[0].get_yticklabels()) == len(effects) + len(MISTAKES)
    assert "split by image" in tell_effects(effects)
    table = laboratory.effect_table(effects)
    assert len(table) == len(effects)
    other = [replace(one, dataset="cnmc2019") for one in effects]
    some = laboratory.compare_effects("dropout", other, effects, effects)
    assert len(some) == 2 and "mistake" not in some and "C-NMC" in some.images[0]
    assert laboratory.compare_effects("dropout", []).empty
    assert all(one.note for one in effects)  # each says what is compared
    assert laboratory.effect_text(effects).count("\n") == 3 * len(effects) - 1
    notes = laboratory.tell_notes(effects)
    assert all(notes.count(one.note) >= 1 and one.system in notes for one in effects)
    assert notes.count(effects[-1].note) == 1


def test_repeats_are_five_at_least():
    assert len(SETTINGS["seeds"]) == len({seed % 5 for seed in SETTINGS["seeds"]}) == 5
    assert SETTINGS["repeats"] >= 5


def test_shortcuts_and_crops_take_all_repeats(scene):
    more = {kind: np.concatenate([found, found]) for kind, found in scene.folds.items()}
    repeated = replace(scene, folds=more)
    assert lean_on_looks(repeated)[0].repeats == clip_one_class(repeated)[3].repeats == 4


def test_sentence_says_when_nothing_is_shown():
    one = Effect("dropout", "synthetic", "a", "accuracy", 0.5, 0.6, 0.1, -0.1, 0.3, 9, 3, 1, "x")
    assert "holds zero" in laboratory.tell_effect(one)
    assert "holds zero" not in laboratory.tell_effect(replace(one, low=0.05))
    assert "no interval" in laboratory.tell_effect(replace(one, low=None, high=None))


def test_effects_are_kept(workspace, scene):
    assert laboratory.kept_effects("synthetic") == []
    effects = split_by_image(scene)
    study = laboratory.keep_laboratory(scene.cells, effects, settings={"repeats": 2})
    assert study.settings == {"repeats": 2}
    assert laboratory.kept_effects("synthetic") == effects
    assert laboratory.keep_laboratory(scene.cells, effects).settings["epochs"] == 8
    smears = scene.cells.assign(subject=pd.NA)
    smears.attrs = scene.cells.attrs
    # No network is trained on smears, and none of its settings is kept.
    assert set(laboratory.keep_laboratory(smears, effects).settings) == {"repeats", "resamples"}


def test_stretches_of_numbers():
    cells = pd.DataFrame({"image": [f"WBC-Pro-{n:03d}" for n in range(1, 41)], "label": "Pro"})
    names = name_stretches(cells)
    assert names.nunique() == 20 and names[0] == names[1] != names[2]


def test_repeats_of_some_rows(scene):
    table = describe_repeats(scene, [{"rows": np.array([3, 1]), "honest": [1, 0]}, {"honest": 1}])
    assert table.image[:2].to_list() == scene.cells.image[[3, 1]].to_list()
    assert table["repeat"].value_counts().to_dict() == {1: len(scene.cells), 0: 2}


@pytest.mark.slow
def test_whole_laboratory_on_small_images_is_the_same_twice(tmp_path, workspace):
    cells = load_cells(write_cells(tmp_path / "cells"))
    options = {"seeds": (1,), "repeats": 1, "epochs": 1, "size": 16}
    first = laboratory.run_laboratory(cells, **options)
    assert {one.key for one in first} == set(MISTAKES)
    assert all(one.low is None or one.low <= one.high for one in first)
    assert laboratory.run_laboratory(cells, **options, keys=["dropout", "image_split"]) == [
        one for key in ("dropout", "image_split") for one in first if one.key == key
    ]


@pytest.mark.parametrize("dataset", ["cnmc2019", "ball2021"])
def test_each_mistake_has_an_effect_with_an_interval_on_real_images(dataset):
    path = REPOSITORY / "results" / "study" / f"laboratory-{dataset}.json"
    study = json.loads(path.read_text())
    found = study["found"]["effects"]
    with_interval = {one["key"] for one in found if one["low"] is not None}
    wanted = [key for key, one in MISTAKES.items() if dataset == "cnmc2019" or one.smears]
    assert with_interval == set(wanted)
    for one in found:
        assert one["low"] is None or one["low"] < one["high"]
        assert one["low"] is None or one["low"] <= one["difference"] + 0.05
        assert one["difference"] == pytest.approx(one["mistaken"] - one["honest"])
        assert one["note"]
        learned = "forest" in one["system"] or "nearest" in one["system"]
        if learned or "network" in one["system"]:
            assert one["repeats"] >= 5
    assert not re.search(r'"[^"]*(/work|/home|/tmp|/root|\\\\)', path.read_text())
