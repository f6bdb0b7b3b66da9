"""The loop over epochs: order, checkpoint, schedules, weights, resources, and going on."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tiny import (
    digest,
    online_recipe,
    run_python,
    small_recipe,
    stand_in,
    tiny_recipe,
    weights_of,
    write_cells,
)

from alllib import checkpoints, fitting, training
from alllib.architectures import image_scale
from alllib.checkpoints import load_state, state_folder
from alllib.datasets import load_cells
from alllib.errors import (
    DependencyError,
    DiskError,
    ParameterError,
    RecordError,
    TrainingError,
)
from alllib.evaluation import METRICS
from alllib.files import workspace
from alllib.fitting import Resources, class_probabilities
from alllib.pictures import Pictures
from alllib.recipes import Recipe, load_recipe
from alllib.splits import make_split
from alllib.training import RunSettings, train_recipe

ADAM = {"name": "Adam", "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False}
SGD = {"name": "SGD", "learning_rate": 0.5, "momentum": 0.0, "nesterov": False}
SHORT = RunSettings(input_size=16, epochs=2, batch=20, precision="float32")
EIGHTS = replace(SHORT, epochs=3, batch=8)  # five steps an epoch
DRAWN = replace(SHORT, samples=40, batch=14)


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory):
    """Workspace of this module, so that stores are built once."""
    folder = tmp_path_factory.mktemp("fitting")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(folder))
        yield folder


@pytest.fixture(scope="module")
def cells(place):
    return load_cells(write_cells(place / "data"))


@pytest.fixture(scope="module")
def split(cells):
    return make_split(cells, "group")


def train(recipe: Recipe, split, run_id: str | None, *, settings=SHORT, resources=None, **changes):
    return train_recipe(
        recipe,
        split,
        settings=replace(settings, **changes),
        run_id=run_id,
        resources=resources,
        progress=False,
    )


# Order -----------------------------------------------------------------------------


def spy_on_feeds(monkeypatch, seen: Callable) -> None:
    """Show each feed that a training makes, with what it was made of, before it is used."""
    real = fitting.make_feed

    def spying(take, targets, **rest):
        feed = real(take, targets, **rest)
        seen(feed, take, targets)
        return feed

    monkeypatch.setattr(fitting, "make_feed", spying)


def test_each_epoch_takes_each_batch_of_its_own_order(split, monkeypatch):
    """Keras must not take a batch before the epoch's order is set, nor one from the next."""
    asked, orders = [], {}

    def seen(feed, *_):
        plain = type(feed).__getitem__

        def getitem(self, number):
            asked.append((self.order.tobytes(), number))
            return plain(self, number)

        monkeypatch.setattr(type(feed), "__getitem__", getitem)
        for epoch in (2, 1, 0):
            feed.shuffle(epoch)
            orders[epoch] = feed.order.tobytes()

    spy_on_feeds(monkeypatch, seen)
    train(tiny_recipe(), split, "asked", settings=EIGHTS)
    wanted = [(orders[epoch], number) for epoch in range(3) for number in range(5)]
    # Keras looks at two batches beforehand to learn their shape.
    assert asked[-len(wanted) :] == wanted and set(asked[: -len(wanted)]) <= set(wanted[:2])


def test_the_batch_of_the_settings_is_that_of_the_steps(split, monkeypatch):
    sizes = []

    def seen(feed, *_):
        plain = type(feed).__getitem__

        def getitem(self, number):
            batch = plain(self, number)
            sizes.append(len(batch[1]))
            return batch

        monkeypatch.setattr(type(feed), "__getitem__", getitem)

    spy_on_feeds(monkeypatch, seen)
    train(small_recipe(), split, "batch-15", settings=DRAWN, batch=15, epochs=1, seed=9)
    assert sizes[-3:] == [15, 15, 10]


class Rig:
    """What pictures a run was fed, by epoch, and for which targets."""

    def __init__(self, monkeypatch):
        self.shown = {}

        def seen(feed, take, targets):
            real, self.targets = feed.gather, targets

            def gather(chosen):
                batch = real(chosen)
                for number, image in zip(chosen, batch[0]["images"], strict=True):
                    key = hashlib.sha256(image.tobytes()).hexdigest()
                    self.shown.setdefault(feed.epoch, {})[int(number)] = key
                return batch

            feed.gather = gather

        spy_on_feeds(monkeypatch, seen)


def test_online_variation_differs_between_epochs_and_repeats_between_runs(split, monkeypatch):
    runs = []
    for number in range(2):
        with monkeypatch.context() as patch:
            rig = Rig(patch)
            record = train(online_recipe(), split, f"online-{number}", epochs=3)
        runs.append((rig.shown, record))
    (first, one), (second, two) = runs
    count = len(split.part("train"))
    assert first == second and [len(first[epoch]) for epoch in range(3)] == [count] * 3
    assert one.run["pictures"] == count and one.run["parameters"]["samples"] is None
    for epoch in (1, 2):
        assert not any(first[0][number] == first[epoch][number] for number in range(count))
    assert digest(one) == digest(two)


# The checkpoint --------------------------------------------------------------------

LOSSES, ACCURACIES = (0.3, 0.6, 0.5, 0.4), (0.5, 0.9, 0.7, 0.9)


def scripted(monkeypatch, losses=LOSSES, accuracies=ACCURACIES, **others):
    """Let the validation part score as written, epoch by epoch."""
    values = {"val_loss": losses, "val_accuracy": accuracies} | {
        f"val_{name}": others.get(name, (0.5,) * len(losses)) for name in METRICS[1:]
    }
    rows = iter([dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)])
    monkeypatch.setattr(fitting, "_validate", lambda *_: next(rows))


@pytest.fixture(scope="module")
def after(split):
    """Predictions after each of four epochs."""
    recipe = tiny_recipe(checkpoint="last")
    runs = [train(recipe, split, f"after-{epochs}", epochs=epochs) for epochs in (1, 2, 3, 4)]
    frames = [run.predictions for run in runs]
    assert not any(a.equals(b) for a, b in zip(frames, frames[1:], strict=False))
    return frames


def chosen_by(split, metric: str, **changes):
    recipe = tiny_recipe(checkpoint=metric)
    return train(recipe, split, f"chosen-by-{metric}", epochs=4, **changes)


@pytest.mark.parametrize(
    ("metric", "chosen"),
    # Of equals the first, as Keras's checkpoint with "max" does.
    [("val_loss", 1), ("val_accuracy", 2), ("last", 4)],
)
def test_the_checkpoint_is_the_epoch_that_the_rule_says(split, after, monkeypatch, metric, chosen):
    scripted(monkeypatch)
    record = chosen_by(split, metric)
    pd.testing.assert_frame_equal(record.predictions, after[chosen - 1], check_exact=True)
    assert list(record.history.val_loss) == list(LOSSES)
    assert list(record.history.val_accuracy) == list(ACCURACIES)
    assert record.run["chosen_epoch"] == chosen and record.run["epochs"] == 4


@pytest.mark.parametrize("name", METRICS[1:])
def test_every_metric_of_validation_can_choose(split, after, monkeypatch, name):
    scripted(monkeypatch, **{name: (0.1, 0.2, 0.9, 0.3)})
    record = chosen_by(split, f"val_{name}")
    pd.testing.assert_frame_equal(record.predictions, after[2], check_exact=True)
    assert record.run["chosen_epoch"] == 3


def test_a_metric_that_is_not_defined_cannot_choose(split, monkeypatch):
    scripted(monkeypatch, auroc=(None,) * 4)
    with pytest.raises(TrainingError, match="val_auroc is not defined") as caught:
        train(tiny_recipe(checkpoint="val_auroc"), split, "undefined", epochs=4)
    assert caught.value.where == "training.checkpoint"


def test_a_metric_that_is_not_defined_does_not_hinder_another_choice(split, monkeypatch):
    scripted(monkeypatch, auroc=(None,) * 4)
    record = train(tiny_recipe(checkpoint="val_loss"), split, "undefined-beside", epochs=4)
    assert record.history.val_auroc.isna().all() and record.run["chosen_epoch"] == 1


def test_training_stops_when_nothing_improves_and_keeps_the_best(split, after, monkeypatch):
    scripted(monkeypatch, losses=(0.5, 0.4, 0.41, 0.4, 0.1, 0.1), accuracies=(0.5,) * 6)
    record = train(tiny_recipe(checkpoint="val_loss", patience=2), split, "stopped", epochs=6)
    assert list(record.history.epoch) == [1, 2, 3, 4], "an equal loss is no improvement"
    assert record.run["epochs"] == 4 and record.run["parameters"]["epochs"] == 6
    pd.testing.assert_frame_equal(record.predictions, after[1], check_exact=True)
    expected = 4 * record.run["pictures"] / record.run["seconds"]
    assert record.run["images_per_second"] == pytest.approx(expected, rel=0.02)


def test_patience_counts_from_the_last_improvement(split, monkeypatch):
    scripted(monkeypatch, losses=(0.5, 0.6, 0.4, 0.5, 0.3, 0.9), accuracies=(0.5,) * 6)
    recipe = tiny_recipe(checkpoint="val_loss", patience=2)
    record = train(recipe, split, "patient", epochs=6, batch=39)
    assert record.run["epochs"] == 6


def test_a_run_has_a_patience_of_its_own(split, monkeypatch):
    """Also where the last epoch is kept: then the validation loss tells when to stop."""
    losses = (0.5, 0.4, 0.45, 0.42, 0.1, 0.1)
    for checkpoint, chosen in (("last", 4), ("val_loss", 2)):
        scripted(monkeypatch, losses=losses, accuracies=(0.5,) * 6)
        recipe = tiny_recipe(checkpoint=checkpoint)
        record = train(recipe, split, f"own-{checkpoint}", epochs=6, patience=2)
        assert list(record.history.epoch) == [1, 2, 3, 4] and record.run["epochs"] == 4
        assert record.run["chosen_epoch"] == chosen
        assert record.run["parameters"]["patience"] == 2
        assert record.run["parameters"]["epochs"] == 6
    scripted(monkeypatch, losses=losses, accuracies=(0.5,) * 6)
    recipe = tiny_recipe(checkpoint="val_loss", patience=2)
    record = train(recipe, split, "own-none", epochs=6, patience=0, batch=20)
    assert record.run["epochs"] == 6 and record.run["parameters"]["patience"] == 0


def test_a_record_names_its_patience_only_where_it_is_not_the_recipes(split, monkeypatch):
    scripted(monkeypatch, losses=(0.5, 0.4), accuracies=(0.5,) * 2)
    plain, patient = (
        tiny_recipe(checkpoint="val_loss"),
        tiny_recipe(checkpoint="val_loss", patience=2),
    )
    for recipe, asked in ((plain, None), (plain, 0), (patient, None), (patient, 2)):
        found = training._parameters(recipe, split, replace(SHORT, patience=asked).filled(recipe))
        assert "patience" not in found
    for recipe, asked in ((plain, 2), (patient, 0), (patient, 3)):
        found = training._parameters(recipe, split, replace(SHORT, patience=asked).filled(recipe))
        assert found["patience"] == asked


def test_a_run_of_before_it_had_a_patience_goes_on(split, monkeypatch):
    """Records and states of then name none, and are those of the recipe's."""
    recipe = tiny_recipe()
    wanted = train(recipe, split, "before-whole", settings=EIGHTS)
    assert "patience" not in wanted.run["parameters"]
    assert train(recipe, split, "before-whole", settings=EIGHTS).run == wanted.run
    with pytest.MonkeyPatch.context() as patch:
        Stop(patch, epoch=2)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, split, "before", settings=EIGHTS)
    state = load_state(state_folder("before"))
    assert state.epoch > 0 and "patience" not in state.identity["parameters"]
    for asked in (1, 5):
        with pytest.raises(RecordError, match="other patience"):
            train(recipe, split, "before", settings=EIGHTS, patience=asked)
    found = train(recipe, split, "before", settings=EIGHTS, patience=recipe.training.patience)
    check_same(found, wanted)
    with pytest.raises(RecordError, match="other patience"):
        train(recipe, split, "before-whole", settings=EIGHTS, patience=5)


@pytest.mark.parametrize("wrong", [-1, 1.5, True])
def test_a_patience_that_cannot_be_used_is_refused(split, wrong):
    with pytest.raises(ParameterError, match="patience"):
        train(tiny_recipe(), split, "wrong-patience", patience=wrong)


def course_of(network, **changes) -> fitting._Course:
    """A plan around a network alone; 41 steps, so that a graph is built."""
    values = {
        "core": network, "trained": network, "asked": SimpleNamespace(), "feed": [None] * 41,
        "seen": None,
        "targets": None, "positive": "ALL", "classes": ("ALL", "HEM"), "devices": 1,
    }  # fmt: skip
    return fitting._Course(**(values | changes))


def validated(probabilities: list, targets: list) -> dict | None:
    stub = SimpleNamespace(predict_on_batch=lambda rows: np.array(probabilities)[rows])
    return fitting._validate(
        course_of(None, asked=stub, seen=lambda rows, seed: rows, targets=np.array(targets))
    )


def test_validation_scores_are_cross_entropy_and_all_metrics():
    found = validated([[0.8, 0.2], [0.4, 0.6], [1.0, 0.0]], [[1, 0], [1, 0], [0, 1]])
    assert list(found) == ["val_loss", *(f"val_{name}" for name in METRICS)]
    assert found["val_accuracy"] == pytest.approx(1 / 3)
    assert found["val_loss"] == pytest.approx(-np.log([0.8, 0.4, 1e-7]).mean())
    assert (found["val_sensitivity"], found["val_specificity"]) == (0.5, 0.0)
    assert found["val_precision"] == 0.5 and found["val_auroc"] == 0.0


def test_validation_of_one_class_lacks_what_needs_two():
    found = validated([[0.8, 0.2], [0.4, 0.6]], [[1, 0], [1, 0]])
    assert found["val_auroc"] is None and found["val_specificity"] is None
    assert found["val_sensitivity"] == 0.5 and json.dumps(found)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_validation_of_outputs_that_are_no_numbers_is_none(bad):
    assert validated([[0.8, 0.2], [bad, 0.6]], [[1, 0], [0, 1]]) is None


def test_the_recorded_scores_are_those_of_the_validation_part(cells):
    """The last epoch's validation row fits the recorded predictions of the same images."""
    split = make_split(cells, "image")
    record = train(tiny_recipe(checkpoint="last"), split, "scores")
    table, last = record.predictions, record.history.iloc[-1]
    right = np.where(table.label == "ALL", table.p_ALL, table.p_HEM)
    assert last.val_loss == pytest.approx(-np.log(right).mean(), rel=1e-5)
    assert last.val_accuracy == pytest.approx((right > 0.5).mean())
    stated = record.run["metrics"]["metrics"]
    for name in METRICS:
        if stated[name]["value"] is not None:
            assert last[f"val_{name}"] == pytest.approx(stated[name]["value"]), name


# Schedules -------------------------------------------------------------------------


def rates(split, run_id: str, schedule: dict, **changes) -> list[float]:
    recipe = tiny_recipe(learning_rate=0.01, schedule=schedule, **changes)
    record = train(recipe, split, run_id, epochs=6)
    assert len(record.history) == 6
    return list(record.history.learning_rate)


def test_a_constant_rate_stays(split):
    assert rates(split, "constant", {"name": "constant"}) == pytest.approx([0.01] * 6)


def test_a_rate_in_steps_falls_after_every_so_many_epochs(split):
    """The column is the rate at the epoch's end, and so that of the next one's first step."""
    found = rates(split, "steps", {"name": "step", "every": 2, "rate": 0.5})
    assert found == pytest.approx([0.01, 0.005, 0.005, 0.0025, 0.0025, 0.00125])


@pytest.mark.parametrize(("warmup", "floor"), [(0, 0.0), (2, 0.1), (1, 1.0), (5, 0.5)])
def test_a_cosine_rises_and_falls_as_computed_by_hand(split, warmup, floor):
    found = rates(split, f"cosine-{warmup}", {"name": "cosine", "warmup": warmup, "floor": floor})
    wanted = []
    for epoch in range(1, 7):
        done = (epoch - warmup) / (6 - warmup)
        share = floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
        wanted.append(0.01 * (epoch / warmup if epoch < warmup else share))
    assert found == pytest.approx(wanted, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_plateau_lowers_the_rate_when_nothing_improves(split, monkeypatch, precision):
    schedule = {"name": "plateau", "patience": 2, "rate": 0.1}
    scripted(monkeypatch, losses=(0.5, 0.6, 0.6, 0.6, 0.6, 0.4), accuracies=(0.5,) * 6)
    recipe = tiny_recipe(learning_rate=0.01, schedule=schedule, checkpoint="val_loss")
    record = train(recipe, split, f"plateau-{precision}", epochs=6, precision=precision)
    found = list(record.history.learning_rate)
    assert found == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-4], rel=1e-5)


def test_a_plateau_judges_by_the_loss_where_the_last_epoch_counts(split, monkeypatch):
    schedule = {"name": "plateau", "patience": 1, "rate": 0.5}
    scripted(monkeypatch, losses=(0.5, 0.4, 0.4, 0.3, 0.3, 0.3), accuracies=(0.5,) * 6)
    found = rates(split, "plateau-last", schedule, checkpoint="last")
    assert found == pytest.approx([0.01, 0.01, 0.01, 0.005, 0.005, 0.0025])


def test_the_rate_of_a_schedule_is_the_one_that_is_used(split):
    """After the first epoch it is zero: nothing is learnt any more."""
    stopped = {"name": "step", "every": 1, "rate": 0.0}
    recipe = replace(tiny_recipe(), training=replace(tiny_recipe().training, optimizer=SGD))
    one = train(recipe, split, "one-epoch", epochs=1)
    recipe = replace(recipe, training=replace(recipe.training, schedule=stopped))
    three = train(recipe, split, "three-epochs", epochs=3)
    for a, b in zip(weights_of(one), weights_of(three), strict=True):
        np.testing.assert_array_equal(a, b)


# Class weights ---------------------------------------------------------------------


@pytest.mark.parametrize("counts", [(5, 5), (9, 1), (1, 2, 30, 7), (4, 0, 6), (3, 0)])
def test_balanced_weights_give_every_class_the_same_sum(counts):
    targets = np.repeat(np.eye(len(counts), dtype=np.float32), counts, axis=0)
    weights = fitting._balance(targets)
    assert weights.dtype == np.float32 and weights.mean() == pytest.approx(1)
    sums = [weights[targets[:, number] == 1].sum() for number in range(len(counts))]
    present = [total for total, count in zip(sums, counts, strict=True) if count]
    assert present == pytest.approx([present[0]] * len(present))


@pytest.fixture(scope="module")
def uneven(cells):
    """Three times as many images of one class."""
    few = cells[(cells.label == "ALL") | cells.image.str.contains("_1_1_")]
    few.attrs = cells.attrs
    return make_split(few.reset_index(drop=True), "image")


@pytest.mark.parametrize("units", [1, 2])
def test_class_weights_weigh_loss_and_gradient(uneven, monkeypatch, units):
    """One step on all pictures, and the same one by Keras's own sample weights."""
    recipe = tiny_recipe() if units == 1 else stand_in(monkeypatch, norm=False)
    part = uneven.part("train")
    change = {"optimizer": SGD, "checkpoint": "last"}
    settings = replace(SHORT, epochs=1, batch=len(part))
    runs = {}
    for kind in ("none", "balanced"):
        weighted = replace(recipe, training=replace(recipe.training, class_weights=kind, **change))
        runs[kind] = train(weighted, uneven, f"weights-{units}-{kind}", settings=settings)
    settings = settings.filled(weighted)
    network = training._build(weighted, settings, 2)
    store = training.open_store(uneven.cells, size=16, crop=None)
    scale = image_scale(weighted, settings.weights)
    pictures = fitting.still_pictures(part, store, scale=scale)
    targets = fitting.one_hot(part.label, ("ALL", "HEM"))
    fitting._compile(course_of(network, feed=[None]), weighted, settings)
    counts = targets.sum(axis=0)
    assert counts[0] > 2 * counts[1], "else there is nothing to balance"
    weights = (len(part) / 2 / counts)[targets.argmax(axis=1)].astype(np.float32)
    images = pictures.take(np.arange(len(part)), (1, 0))
    loss, accuracy = network.train_on_batch(images, targets[:, -units:], sample_weight=weights)
    history = runs["balanced"].history
    assert history.loss[0] == pytest.approx(loss, rel=1e-5)
    assert history.accuracy[0] == pytest.approx(accuracy, rel=1e-6)
    assert history.loss[0] != pytest.approx(runs["none"].history.loss[0], rel=1e-3)
    assert history.accuracy[0] == runs["none"].history.accuracy[0], "it is weighed by nothing"
    plain = weights_of(runs["none"])
    for a, b, c in zip(weights_of(runs["balanced"]), network.get_weights(), plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
        assert np.abs(a - b).max() < 0.1 * np.abs(a - c).max() or np.array_equal(a, c)
    assert not np.allclose(weights_of(runs["balanced"])[-1], plain[-1])


# Penalties -------------------------------------------------------------------------


def one_step(penalties: dict) -> tuple[list, list, float]:
    """Variables before and after one step on all of a fixed batch, and its loss."""
    recipe = load_recipe("unnithan2021-2x2")
    recipe = replace(
        recipe,
        architecture=replace(
            recipe.architecture,
            settings={**recipe.architecture.settings, "filters": 4, "dense": 6, "dropout": 0.0},
        ),
        training=replace(recipe.training, optimizer=SGD | {"learning_rate": 0.1}, **penalties),
    )
    settings = RunSettings(input_size=16, precision="float32").filled(recipe)
    network = training._build(recipe, settings, 2)
    fitting._compile(course_of(network), recipe, settings)
    before = [(v.path, v.numpy().astype(np.float64)) for v in network.trainable_variables]
    generator = np.random.default_rng(0)
    images = generator.random((8, 16, 16, 3)).astype(np.float32)
    targets = np.array([[0.0], [1.0]] * 4, np.float32)
    loss = network.fit(images, targets, batch_size=8, verbose=0).history["loss"][0]
    after = [v.numpy().astype(np.float64) for v in network.trainable_variables]
    return before, after, loss


@pytest.mark.parametrize("penalties", [{"l1": 0.01}, {"l2": 0.02}, {"l1": 0.003, "l2": 0.05}])
def test_penalties_add_exactly_their_terms_and_move_kernels_alone(penalties):
    before, plain, loss = one_step({})
    again, penalised, larger = one_step(penalties)
    l1, l2 = penalties.get("l1", 0.0), penalties.get("l2", 0.0)
    kernels = [values for path, values in before if path.endswith("kernel")]
    assert len(kernels) == 6 and len(before) == 12
    added = sum(l1 * np.abs(w).sum() + l2 * (w**2).sum() for w in kernels)
    assert added > 0.1 and larger - loss == pytest.approx(added, rel=1e-4)
    for (path, start), (_, same), one, two in zip(before, again, plain, penalised, strict=True):
        np.testing.assert_array_equal(start, same)
        drift = -0.1 * (2 * l2 * start + l1 * np.sign(start))
        wanted = drift if path.endswith("kernel") else 0.0 * start
        np.testing.assert_allclose(two - one, wanted, atol=2e-7, err_msg=path)


def test_penalties_reach_the_training(split):
    """Through the model that stands before the network, too."""
    one, two = (
        train(tiny_recipe(l2=amount), split, f"penalty-{amount}", epochs=1) for amount in (0.0, 1.0)
    )
    assert two.history.loss[0] > one.history.loss[0] + 1


# One output unit -------------------------------------------------------------------


def test_one_unit_is_the_second_class(split, monkeypatch):
    rig = Rig(monkeypatch)
    recipe = tiny_recipe(optimizer=ADAM | {"learning_rate": 0.01})
    record = train(recipe, split, "one-unit", epochs=15, seed=2)
    labels = split.part("train").label
    assert rig.targets.shape == (len(labels), 1)
    assert list(rig.targets[:, 0]) == list((labels == "HEM").astype(float))
    table = record.predictions
    np.testing.assert_allclose(table.p_ALL + table.p_HEM, 1, rtol=1e-6)
    # The shades of the two classes are far apart: a swapped column would be all wrong.
    assert table.p_HEM[table.label == "HEM"].mean() > table.p_HEM[table.label == "ALL"].mean() + 0.2
    assert record.history.val_accuracy.iloc[-1] > 0.8


def test_outputs_become_probabilities_of_each_class():
    several = np.array([[0.2, 0.8], [0.5, 0.5]], np.float32)
    assert class_probabilities(several) is several
    single = class_probabilities(np.array([[0.25], [1.0]], np.float32))
    assert single.tolist() == [[0.75, 0.25], [0.0, 1.0]] and single.dtype == np.float32


@pytest.mark.parametrize("units", [1, 4])
def test_accuracy_counts_pictures_and_not_their_weights(units):
    import keras

    generator = np.random.default_rng(units)
    if units == 1:
        true = generator.integers(0, 2, (12, 1)).astype(np.float32)
        given = generator.random((12, 1)).astype(np.float32)
        right = (true > 0.5) == (given > 0.5)
    else:
        true = np.eye(4, dtype=np.float32)[generator.integers(0, 4, 12)]
        given = generator.random((12, 4)).astype(np.float32)
        right = true.argmax(axis=1) == given.argmax(axis=1)
    right = right.reshape(-1)
    assert 0 < right.mean() < 1
    metric = fitting._accuracy(units)
    assert isinstance(metric, keras.metrics.Metric) and metric.name == "accuracy"
    metric.update_state(true, given)
    assert float(metric.result()) == pytest.approx(right.mean())
    counts = np.array([3, 0.1, 0, 2] * 3, np.float32)
    metric.reset_state()
    metric.update_state(true, given, sample_weight=counts)
    assert float(metric.result()) == pytest.approx(right[counts > 0].mean())


# A side classifier -----------------------------------------------------------------


def spy_on_compile(monkeypatch, seen: Callable) -> None:
    """Show each plan after it was compiled."""
    real = fitting._compile

    def spying(course, recipe, settings):
        real(course, recipe, settings)
        seen(course)

    monkeypatch.setattr(fitting, "_compile", spying)


def test_a_side_classifier_teaches_and_is_gone_afterwards(split, monkeypatch):
    import keras

    compiled = []
    recipe = stand_in(monkeypatch, side=True)

    def seen(course):
        side = course.core.get_layer("auxiliary").trainable_variables
        compiled.append((course.core, [v.numpy() for v in side]))

    spy_on_compile(monkeypatch, seen)
    record = train(recipe, split, "side", epochs=3)
    ((network, before),) = compiled
    side = network.get_layer("auxiliary").trainable_variables
    moved = [not np.array_equal(a, b.numpy()) for a, b in zip(before, side, strict=True)]
    assert all(moved), "the auxiliary classifier was trained"
    assert list(record.history)[:3] == ["epoch", "accuracy", "loss"]
    saved = keras.models.load_model(record.path / "model.keras")
    assert len(saved.outputs) == 1 and not [x for x in saved.layers if "auxiliary" in x.name]
    assert record.run["model_parameters"] == saved.count_params()
    assert saved.count_params() == 3 * 9 * 4 + 4 + 16 + 10


def test_the_accuracy_of_the_history_is_that_of_the_main_output(split, monkeypatch):
    """Learning nothing, in one batch: what the network says before it is trained."""
    recipe = stand_in(monkeypatch, side=True)
    optimizer = SGD | {"learning_rate": 1e-12}
    recipe = replace(recipe, training=replace(recipe.training, optimizer=optimizer))
    record = train(recipe, split, "side-accuracy", epochs=1, batch=1000)
    network = training._build(recipe, SHORT.filled(recipe), 2)
    part = split.part("train")
    store = training.open_store(split.cells, size=16, crop=None)
    images = fitting.still_pictures(part, store, scale="unit").take(np.arange(len(part)), (1, 0))
    main, side = (np.asarray(outputs) for outputs in network(images, training=True))
    true = fitting.one_hot(part.label, ("ALL", "HEM")).argmax(axis=1)
    right, wrong = ((outputs.argmax(axis=1) == true).mean() for outputs in (main, side))
    assert right != wrong, "else the test could not tell them apart"
    assert record.history.accuracy[0] == pytest.approx(right)


def test_the_side_loss_counts_with_its_weight(monkeypatch):
    recipe = stand_in(monkeypatch, side=True)
    settings = RunSettings(input_size=16, precision="float32").filled(recipe)
    network = training._build(recipe, settings, 2)
    fitting._compile(course_of(network), recipe, settings)
    images = np.random.default_rng(0).random((8, 16, 16, 3)).astype(np.float32)
    targets = np.eye(2, dtype=np.float32)[[0, 1] * 4]
    logs = network.test_on_batch(images, (targets, targets), return_dict=True)
    main, side = (
        -np.log((outputs * targets).sum(axis=1)).mean()
        for outputs in network.predict_on_batch(images)
    )
    assert logs["loss"] == pytest.approx(main + 0.25 * side, rel=1e-4)


# Frozen backbones ------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["stand-in", pytest.param("vgg19", marks=pytest.mark.slow)])
def test_a_head_on_cached_features_learns_what_the_frozen_network_would(split, monkeypatch, kind):
    """Same weights and history, though the backbone runs once for each image."""
    if kind == "vgg19":
        recipe, size = load_recipe("garg2021-vgg19"), 32
        settings = {"dense": [16], "dropout": 0.0}
        recipe = replace(recipe, architecture=replace(recipe.architecture, settings=settings))
    else:
        recipe, size = stand_in(monkeypatch), 16
    recipe = replace(recipe, training=replace(recipe.training, batch=8, optimizer=SGD))
    settings = replace(SHORT, input_size=size, epochs=3, weights="none", backbone="frozen")
    calls, real = [], fitting.compute_features

    def counted(*arguments, **rest):
        calls.append(1)
        return real(*arguments, **rest)

    monkeypatch.setattr(fitting, "compute_features", counted)
    cached = train(recipe, split, f"cached-{kind}", settings=settings)
    assert len(calls) == 2, "of the training and of the validation part"
    left = {p.name for p in (workspace() / "_build").iterdir()}
    assert left <= {"cells", "stores"}
    monkeypatch.setattr(fitting, "_fixed_part", lambda *_: None)
    full = train(recipe, split, f"full-{kind}", settings=settings)
    assert len(calls) == 2
    start = training._build(recipe, settings.filled(recipe), 2).get_weights()
    one, two = weights_of(cached), weights_of(full)
    head = 4 if kind == "vgg19" else 2
    for a, b in zip(one[:-head] + two[:-head], 2 * start[:-head], strict=True):
        np.testing.assert_array_equal(a, b, "the backbone stays as it was")
    moved = max(np.abs(a - b).max() for a, b in zip(one[-head:], start[-head:], strict=True))
    for a, b in zip(one[-head:], two[-head:], strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 * moved)
    np.testing.assert_allclose(cached.history, full.history, rtol=1e-4)
    probabilities = [run.predictions[["p_ALL", "p_HEM"]] for run in (cached, full)]
    np.testing.assert_allclose(*probabilities, atol=1e-5)


def test_drawn_pictures_reuse_the_features_of_their_form(split, monkeypatch):
    """400 pictures of few images hold copies, and each is computed once."""
    recipe = replace(stand_in(monkeypatch), augmentation=small_recipe().augmentation)
    seen, real = [], Pictures.take

    def take(self, chosen, seed):
        seen.append(len(chosen))
        return real(self, chosen, seed)

    monkeypatch.setattr(Pictures, "take", take)
    settings = RunSettings(input_size=16, epochs=5, samples=400, backbone="frozen")
    record = train(recipe, split, "forms", settings=settings)
    images = {part: len(split.part(part)) for part in ("train", "validation", "test")}
    steps = -(-images["validation"] // 32) + -(-images["test"] // 32)
    distinct = sum(seen) - 32 * steps
    assert images["train"] < distinct <= 8 * images["train"] + 32 and distinct < 400
    assert record.run["pictures"] == 400 and record.run["backbone"] == "frozen"


def test_a_frozen_backbone_under_online_variation_is_run_in_each_epoch(split, monkeypatch):
    recipe = replace(stand_in(monkeypatch), augmentation=online_recipe().augmentation)
    monkeypatch.setattr(fitting, "compute_features", lambda *_, **__: pytest.fail("cached"))
    settings = replace(SHORT, epochs=1, backbone="frozen")
    start = training._build(recipe, settings.filled(recipe), 2).get_weights()
    found = weights_of(train(recipe, split, "frozen-online", settings=settings))
    for a, b in zip(found[:-2], start[:-2], strict=True):
        np.testing.assert_array_equal(a, b, "statistics of the normalisation included")
    assert not np.array_equal(found[-2], start[-2])


# Precision -------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_gives_full_probabilities(split, monkeypatch, precision):
    import keras

    optimizers = []
    spy_on_compile(monkeypatch, lambda course: optimizers.append(course.trained.optimizer))
    record = train(tiny_recipe(), split, precision, epochs=1, precision=precision)
    saved = keras.models.load_model(record.path / "model.keras")
    assert saved.get_layer("block1_conv1").compute_dtype == precision.removeprefix("mixed_")
    assert saved.output.dtype == "float32" and record.run["precision"] == precision
    assert record.predictions[["p_ALL", "p_HEM"]].dtypes.unique() == [np.float32]
    assert keras.config.dtype_policy().name == "float32", "given back"
    scaled = isinstance(optimizers[0], keras.optimizers.LossScaleOptimizer)
    assert scaled == (precision == "mixed_float16"), "small gradients vanish in 16 bits"


def test_a_head_on_cached_features_keeps_its_loss_scaled(split, monkeypatch):
    import keras

    optimizers = []
    recipe = stand_in(monkeypatch)
    spy_on_compile(monkeypatch, lambda course: optimizers.append(course.trained.optimizer))
    settings = RunSettings(input_size=16, epochs=1, backbone="frozen", precision="mixed_float16")
    record = train(recipe, split, "cached-float16", settings=settings)
    assert isinstance(optimizers[0], keras.optimizers.LossScaleOptimizer)
    assert record.predictions[["p_ALL", "p_HEM"]].dtypes.unique() == [np.float32]
    assert keras.config.dtype_policy().name == "float32"


# Where pictures are made, and with what ----------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "remedy"),
    [
        ({"feed": "hoste"}, "Did you mean 'host'?"),
        ({"feed": None}, "Known are"),
        ({"devices": 0}, "1 or more"),
        ({"devices": 1.0}, "whole number"),
        ({"devices": True}, "whole number"),
    ],
)
def test_resources_out_of_range_are_refused_before_anything_is_done(split, wrong, remedy):
    with pytest.raises(ParameterError) as caught:
        train(tiny_recipe(), split, "refused", resources=Resources(**wrong))
    assert caught.value.where in wrong and remedy in caught.value.remedy
    assert not list((workspace() / "runs").glob("*refused*"))


def test_symmetries_give_the_same_bits_wherever_they_are_made(split):
    recipe = replace(tiny_recipe(), augmentation=small_recipe().augmentation)
    runs = [
        train(recipe, split, f"turned-{feed}", settings=DRAWN, resources=Resources(feed=feed))
        for feed in ("auto", "host", "device", "resident")
    ]
    assert len({digest(run) for run in runs}) == 1


def close(one, two, *, share: float = 1e-3) -> None:
    """Runs whose weights lie within a share of the largest, and whose losses agree."""
    first, second = weights_of(one), weights_of(two)
    most = max(np.abs(weights).max() for weights in first)
    for a, b in zip(first, second, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=share * most)
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(one.history[name], two.history[name], rtol=share)


def test_varied_pictures_give_the_same_training_wherever_they_are_made(split):
    recipe = online_recipe(optimizer=SGD | {"learning_rate": 0.05})
    host, device, resident = (
        train(recipe, split, f"varied-{feed}", resources=Resources(feed=feed))
        for feed in ("host", "device", "resident")
    )
    close(host, device, share=5e-3)
    assert digest(host) != digest(device), "they are a rounding apart"
    assert digest(device) == digest(resident)


@pytest.mark.parametrize(
    ("kind", "memory", "wanted"),
    [("cpu", None, "host"), ("gpu", None, "device"), ("gpu", 10**12, "resident"),
     ("gpu", 10**4, "device")],
)  # fmt: skip
def test_the_place_follows_the_device_and_its_memory(monkeypatch, kind, memory, wanted):
    monkeypatch.setattr(fitting, "describe_device", lambda: {"kind": kind})
    monkeypatch.setattr(fitting, "device_memory", lambda: memory)
    images = np.zeros((10, 10, 10, 3), np.uint8)
    pictures = SimpleNamespace(store=SimpleNamespace(images=images))
    assert fitting._place(Resources(), pictures) == wanted
    for asked in ("host", "device", "resident"):
        assert fitting._place(Resources(feed=asked), pictures) == asked


@pytest.fixture
def accelerator(monkeypatch):
    """A processor that passes for an accelerator: Keras's callbacks need not wait then."""
    real = fitting.describe_device
    monkeypatch.setattr(fitting, "describe_device", lambda: real() | {"kind": "gpu"})
    monkeypatch.setattr(fitting, "device_memory", lambda: 10**12)


def test_callbacks_that_do_not_wait_change_nothing(split, accelerator, monkeypatch):
    found = train(tiny_recipe(dropout=0.5), split, "on-accelerator")
    monkeypatch.undo()
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(found.path.parents[1]))
    wanted = train(tiny_recipe(dropout=0.5), split, "on-processor")
    assert digest(found) == digest(wanted)


def test_several_devices_are_refused_on_tensorflow(split):
    with pytest.raises(DependencyError, match="with JAX, not with tensorflow") as caught:
        train(tiny_recipe(), split, "devices", resources=Resources(devices=2))
    assert caught.value.where == "devices"
    assert not (workspace() / "runs" / "devices").exists()


def test_the_mean_loss_leaves_out_what_fills_batches_up():
    sizes, losses = np.array([3, 3, 2]), np.array([0.5, 1.5, 4.0])
    feed = SimpleNamespace(chosen=lambda number: np.zeros(sizes[number]))
    for devices in (1, 2, 3, 4):
        sent = sizes + -sizes % devices
        means = dict(enumerate((losses * sent).cumsum() / sent.cumsum()))
        shuffled = {number: means[number] for number in (2, 0, 1)}  # as threads report them
        found = fitting._mean_loss(course_of(None, feed=feed, devices=devices), shuffled)
        assert found == pytest.approx((losses * sizes).sum() / 8)


PARALLEL = """
import json
import pytest
from dataclasses import replace
import test_fitting as t
from alllib.errors import DependencyError
from alllib.fitting import Resources

split = t.make_split(t.load_cells({data!r}), "group")
recipe = t.tiny_recipe(dropout=0.3)
balanced = t.tiny_recipe(class_weights="balanced", l2=0.01)
patch = pytest.MonkeyPatch()
frozen = t.stand_in(patch)
rows = {{}}
for name, kind, changes, feed in (
    ("even", recipe, {{"batch": 13}}, "host"),
    ("uneven", t.tiny_recipe(), {{"batch": 7}}, "host"),
    ("resident", t.tiny_recipe(), {{"batch": 7}}, "resident"),
    ("varied", t.online_recipe(), {{"batch": 7}}, "device"),
    ("weighted", balanced, {{"batch": 7}}, "host"),
    ("features", frozen, {{"batch": 7, "backbone": "frozen"}}, "auto"),
):
    runs = []
    for devices in (1, 2, 3):
        resources = Resources(devices=devices, feed=feed)
        run_id = f"{{name}}-{{devices}}"
        run = t.train(kind, split, run_id, epochs=3, resources=resources, **changes)
        assert run.run["resources"]["devices"] == devices
        runs.append(run.history.to_dict("list") | {{"p": run.predictions.p_ALL.tolist()}})
    rows[name] = runs
try:
    t.train(recipe, split, "too-many", resources=Resources(devices=4))
except DependencyError as error:
    rows["refused"] = str(error)
print(json.dumps(rows))
"""


@pytest.mark.slow
def test_several_devices_give_the_losses_of_one(cells, place):
    """13 and 7 pictures a batch, of 39: both kinds are filled up for two or three devices."""
    printed = run_python(
        PARALLEL.format(data=str(place / "data")),
        KERAS_BACKEND="jax",
        XLA_FLAGS="--xla_force_host_platform_device_count=3",
    )
    rows = json.loads(printed.splitlines()[-1])
    assert "4 devices are wanted, and there are 3" in rows.pop("refused")
    assert set(rows) == {"even", "uneven", "resident", "varied", "weighted", "features"}
    rows["even"] = rows["even"][::2]  # with dropout, where three devices need no filling up
    for name, (alone, *shared) in rows.items():
        for found in shared:
            for key in ("loss", "val_loss", "accuracy", "val_accuracy", "learning_rate", "p"):
                np.testing.assert_allclose(
                    found[key], alone[key], rtol=1e-4, err_msg=f"{name}, {key}"
                )


# Short memory ----------------------------------------------------------------------


def shorten(monkeypatch, most: int, error: Exception, *, from_step: int = 0) -> list[int]:
    """Let steps with more than `most` pictures fail; return the sizes that are tried."""
    import keras

    on_jax, tried = keras.backend.backend() == "jax", []

    def seen(course):
        make = course.trained.make_train_function

        def making(force=False):
            make(force)
            step = course.trained.train_function
            if hasattr(step, "real"):
                return

            def short(*given):
                batch = next(given[-1])
                size = len(batch[1][0] if isinstance(batch[1], tuple) else batch[1])
                tried.append(size)
                if size > most and len(tried) > from_step:
                    raise type(error)(*error.args)
                rest = itertools.chain([batch], given[-1])
                return step(given[0], rest) if on_jax else step(rest)

            short.real = step
            course.trained.train_function = short

        course.trained.make_train_function = making

    spy_on_compile(monkeypatch, seen)
    return tried


class ResourceExhaustedError(Exception):
    """Stands for the one that a backend raises."""


SHORTAGES = [
    MemoryError(),
    ResourceExhaustedError("Graph execution error"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12884901888 bytes."),
]


@pytest.mark.parametrize("error", SHORTAGES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("most", [0, 1, 5, 12])
def test_short_memory_names_exactly_the_largest_batch_that_fits(split, monkeypatch, most, error):
    tried = shorten(monkeypatch, most, error)
    with pytest.raises(TrainingError, match="a batch of 13") as caught:
        train(tiny_recipe(), split, "short", batch=13)
    if most:
        assert f"largest that fits is a batch of {most} (`--batch {most}`)" in caught.value.remedy
    else:
        assert "Not even one image" in caught.value.remedy
    cause = caught.value.__cause__
    assert type(cause) is type(error) and cause.args == error.args
    assert tried[0] == 13 and len(tried) < 10
    assert not (workspace() / "runs" / "short").exists()


@pytest.mark.parametrize("kind", ["drawn", "side", "frozen", "resident", "half"])
def test_the_largest_batch_is_found_for_every_kind_of_training(split, monkeypatch, kind):
    recipe, changes, resources = small_recipe(), {"settings": DRAWN}, None
    if kind in ("side", "frozen"):
        recipe, changes = stand_in(monkeypatch, side=kind == "side"), {}
    if kind == "frozen":
        changes = {"backbone": "frozen"}
    if kind == "resident":
        resources = Resources(feed="resident")
    if kind == "half":
        changes["precision"] = "mixed_float16"
    shorten(monkeypatch, 3, MemoryError())
    with pytest.raises(TrainingError, match="a batch of 11") as caught:
        train(recipe, split, f"short-{kind}", batch=11, resources=resources, **changes)
    assert "--batch 3`" in caught.value.remedy


def test_short_memory_in_a_later_epoch_leaves_the_state_of_the_one_before(split, monkeypatch):
    """Such things happen, when another program takes the memory of a device."""
    whole = train(tiny_recipe(), split, "short-never", settings=EIGHTS)
    with monkeypatch.context() as patch:
        shorten(patch, 4, MemoryError(), from_step=7)
        with pytest.raises(TrainingError, match="--batch 4"):
            train(tiny_recipe(), split, "short-later", settings=EIGHTS)
    assert load_state(state_folder("short-later")).epoch == 1, "five steps are an epoch"
    assert digest(train(tiny_recipe(), split, "short-later", settings=EIGHTS)) == digest(whole)


def test_short_memory_in_the_feed_is_said_too(split, monkeypatch):
    """The error comes through Keras, which runs the feed in a thread of its own."""
    real = Pictures.inputs

    def inputs(self, chosen, seed, *, place):
        if seed == (1, 1):  # the second epoch
            raise MemoryError
        return real(self, chosen, seed, place=place)

    monkeypatch.setattr(Pictures, "inputs", inputs)
    with pytest.raises(TrainingError, match="a batch of 20"):
        train(tiny_recipe(), split, "short-feed", epochs=3)
    assert not (workspace() / "runs" / "short-feed").exists()


def test_a_training_far_beyond_the_memory_is_refused_before_it_begins(split, monkeypatch):
    from alllib import memory

    free = SimpleNamespace(available=2**20)
    monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: free)
    shorten(monkeypatch, 0, KeyError("a step was tried"))
    with pytest.raises(TrainingError, match="needs about .* GiB of memory") as caught:
        train(tiny_recipe(), split, "beyond", batch=39, input_size=64)
    assert "--batch" in caught.value.remedy or "Not even one" in caught.value.remedy


def test_other_errors_of_a_step_stay_what_they_are(split, monkeypatch):
    for error in (ValueError("shapes do not fit"), KeyboardInterrupt()):
        with monkeypatch.context() as patch:
            shorten(patch, 0, error)
            with pytest.raises(type(error)) as caught:
                train(tiny_recipe(), split, "failed", epochs=1)
            assert caught.value.args == error.args


SHORT_ON_JAX = """
import pytest
import test_fitting as t
split = t.make_split(t.load_cells({data!r}), "group")
for most, kind in ((0, "tiny"), (1, "tiny"), (5, "tiny"), (7, "resident"), (3, "frozen")):
    with pytest.MonkeyPatch.context() as patch:
        recipe = t.stand_in(patch) if kind == "frozen" else t.tiny_recipe()
        changes = {{"backbone": "frozen"}} if kind == "frozen" else {{}}
        feed = "resident" if kind == "resident" else "auto"
        t.shorten(patch, most, RuntimeError("RESOURCE_EXHAUSTED: Out of memory"))
        try:
            t.train(recipe, split, "short", batch=13, resources=t.Resources(feed=feed), **changes)
        except t.TrainingError as error:
            print(most, kind, error.remedy)
"""


@pytest.mark.slow
def test_short_memory_on_jax_names_the_largest_batch_too(cells, place):
    """A step that fails there takes the values of the network with it."""
    said = run_python(SHORT_ON_JAX.format(data=str(place / "data")), KERAS_BACKEND="jax")
    none, *others = [line for line in said.splitlines() if line[:1].isdigit()]
    assert "Not even one image" in none and len(others) == 4
    for line in others:
        assert f"largest that fits is a batch of {line[0]} (`--batch {line[0]}`)" in line


# A loss that is no number ------------------------------------------------------------


def spoil(monkeypatch, picture: int, epoch: int) -> None:
    """Give one picture a target that is no number in one epoch."""

    def seen(feed, *_):
        real = feed.gather

        def gather(chosen):
            inputs, targets = real(chosen)
            if feed.epoch == epoch and picture in chosen:
                targets = targets.copy()
                targets[list(chosen).index(picture)] = np.nan
            return inputs, targets

        feed.gather = gather

    spy_on_feeds(monkeypatch, seen)


def batch_with(picture: int, *, count: int, seed: int, epoch: int) -> tuple[int, list[int]]:
    order = np.arange(count)
    np.random.default_rng([seed, epoch]).shuffle(order)
    number = list(order).index(picture) // 8
    return number, list(order[8 * number : 8 * number + 8])


@pytest.mark.parametrize("waiting", [True, False], ids=["waits", "does not wait"])
@pytest.mark.parametrize(("picture", "epoch"), [(0, 0), (17, 1), (38, 2)])
def test_a_loss_that_is_no_number_names_the_batch_and_its_images(
    split, monkeypatch, request, picture, epoch, waiting
):
    run_id, part = f"nan-{picture}-{waiting}", split.part("train")
    if not waiting:
        request.getfixturevalue("accelerator")
    moves, bar = [], fitting.progress_bar

    def moving(**given):
        shown = bar(**given)
        shown.update = moves.append
        return shown

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "progress_bar", moving)
        spoil(patch, picture, epoch)
        with pytest.raises(TrainingError) as caught:
            train(tiny_recipe(), split, run_id, settings=EIGHTS)
    number, places = batch_with(picture, count=len(part), seed=1, epoch=epoch)
    assert f"after batch {number + 1} of 5 in epoch {epoch + 1}" in str(caught.value)
    assert len(moves) == 5 * epoch + number + 1 or not waiting, "it stops there"
    assert "learning rate of 0.01" in str(caught.value)
    names = list(part.image.iloc[places])
    assert caught.value.where == f"images {', '.join(names[:3])} ..."
    assert "Lower the learning rate" in caught.value.remedy
    state = load_state(state_folder(run_id))
    assert (state is None) if epoch == 0 else (state.epoch == epoch)
    assert not (workspace() / "runs" / run_id).exists()


def test_after_a_loss_that_was_no_number_the_run_goes_on_and_a_smaller_rate_works(
    split, monkeypatch
):
    whole = train(tiny_recipe(), split, "nan-never", settings=EIGHTS)
    with monkeypatch.context() as patch:
        spoil(patch, 17, 1)
        with pytest.raises(TrainingError, match="epoch 2"):
            train(tiny_recipe(), split, "nan-once", settings=EIGHTS)
    assert digest(train(tiny_recipe(), split, "nan-once", settings=EIGHTS)) == digest(whole)
    with pytest.raises(TrainingError, match="learning rate of 1e\\+30"):
        train(tiny_recipe(learning_rate=1e30), split, "steep", settings=EIGHTS)
    with pytest.raises(RecordError, match="unfinished run steep|with other recipe") as caught:
        # Its first epoch was not reached, so nothing holds the name.
        train(tiny_recipe(learning_rate=1e-3), split, "nan-once", settings=EIGHTS)
    assert "Choose another run id" in caught.value.remedy
    flat = train(tiny_recipe(learning_rate=1e-3), split, "steep", settings=EIGHTS)
    assert np.isfinite(flat.history.loss).all()


@pytest.mark.parametrize("waiting", [True, False], ids=["waits", "does not wait"])
def test_weights_that_the_last_step_of_an_epoch_spoils_are_not_saved(
    split, monkeypatch, request, waiting
):
    """Its own loss was a number still."""
    if not waiting:
        request.getfixturevalue("accelerator")
    with pytest.raises(TrainingError, match="after batch 1 of 1 in epoch 1") as caught:
        train(tiny_recipe(learning_rate=1e30), split, "spoilt", batch=100)
    assert "UID_" in caught.value.where and load_state(state_folder("spoilt")) is None


NAN_ON_JAX = """
import pytest
import test_fitting as t
split = t.make_split(t.load_cells({data!r}), "group")
cosine = {{"name": "cosine", "warmup": 0, "floor": 0.0}}
for precision in ("float32", "mixed_float16"):
    for schedule in ({{"name": "constant"}}, cosine):
        with pytest.MonkeyPatch.context() as patch:
            t.spoil(patch, 17, 1)
            recipe = t.tiny_recipe(schedule=schedule)
            try:
                t.train(recipe, split, None, settings=t.EIGHTS, precision=precision)
            except t.TrainingError as error:
                print("said", error.what)
"""


@pytest.mark.slow
def test_a_loss_that_is_no_number_is_said_on_jax_too(cells, place):
    """There the values of optimiser and network are out of reach while an epoch runs."""
    said = run_python(NAN_ON_JAX.format(data=str(place / "data")), KERAS_BACKEND="jax")
    lines = [line for line in said.splitlines() if line.startswith("said")]
    number, _ = batch_with(17, count=39, seed=1, epoch=1)
    assert len(lines) == 4
    for line, rate in zip(lines, ("0.01", "0.0075", "0.01", "0.0075"), strict=True):
        assert f"batch {number + 1} of 5 in epoch 2" in line and line.endswith(f"rate of {rate}.")


# TensorBoard -----------------------------------------------------------------------


def scalars_below(folder) -> dict[str, dict[int, float]]:
    """Name of each scalar in TensorBoard's logs, to its value by step."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
    from tensorboard.util.tensor_util import make_ndarray

    found = {}
    for path in sorted(folder.glob("events*")):
        for event in EventFileLoader(str(path)).Load():
            for value in event.summary.value:
                found.setdefault(value.tag, {})[event.step] = float(make_ndarray(value.tensor))
    return found


def test_tensorboard_reads_what_the_history_says(split, tmp_path):
    pytest.importorskip("tensorboard")
    recipe = tiny_recipe(schedule={"name": "step", "every": 1, "rate": 0.5})
    folder = tmp_path / "new" / "logs"
    record = train(recipe, split, "logged", epochs=3, resources=Resources(tensorboard=folder))
    found = scalars_below(folder)
    columns = [name for name in record.history if name != "epoch"]
    written = record.history[columns].dropna(axis=1, how="all")
    assert set(found) == set(written) and {"loss", "val_auroc", "learning_rate"} <= set(found)
    for name in written:
        defined = record.history[["epoch", name]].dropna()
        assert list(found[name]) == list(defined.epoch)
        assert list(found[name].values()) == pytest.approx(list(defined[name]), rel=1e-6)


def test_without_tensorboard_there_is_one_clear_error(split, tmp_path, monkeypatch):
    for name in ("tensorboard", "tensorboard.summary"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(DependencyError, match="not installed") as caught:
        train(tiny_recipe(), split, "no-board", resources=Resources(tensorboard=tmp_path / "x"))
    assert "pip install tensorboard" in caught.value.remedy
    record = train(tiny_recipe(), split, "no-board")
    assert len(record.history) == 2, "and nobody needs it who does not ask for it"


def test_a_place_for_logs_that_cannot_be_written_to_is_said(split, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DiskError, match="file stands"):
        train(tiny_recipe(), split, "log-in-the-way",
              resources=Resources(tensorboard=tmp_path / "file" / "logs"))  # fmt: skip


# Going on --------------------------------------------------------------------------


LONG = replace(SHORT, epochs=4, batch=13)
STEPS = 3  # of an epoch of 39 or 40 pictures


class Stop:
    """Ends a training, as Ctrl-C does, at one moment."""

    def __init__(self, monkeypatch, *, epoch: int, batch: int | None = None, writing: bool = False):
        """After an epoch was saved; or after a batch of the next one; or while it is saved."""
        save, write, bar = fitting.save_state, checkpoints.write_json, fitting.progress_bar
        batches = itertools.count(1)

        def saving(folder, state, variables):
            save(folder, state, variables)
            if batch is None and not writing and state.epoch == epoch:
                raise KeyboardInterrupt

        def writing_json(path, value):
            if writing and value["epoch"] == epoch:
                raise KeyboardInterrupt
            write(path, value)

        def moving(**given):
            shown = bar(**given)
            done = given.get("initial", 0) / given["total"]
            first = round(done * self.epochs) * STEPS
            update = shown.update

            def updating(count):
                update(count)
                if batch is not None and first + next(batches) == STEPS * epoch + batch:
                    raise KeyboardInterrupt

            shown.update = updating
            return shown

        monkeypatch.setattr(fitting, "save_state", saving)
        monkeypatch.setattr(checkpoints, "write_json", writing_json)
        monkeypatch.setattr(fitting, "progress_bar", moving)
        self.epochs = LONG.epochs


MOMENTS = (
    {"epoch": 1},
    {"epoch": 1, "batch": 2},
    {"epoch": 2, "writing": True},
    {"epoch": 2},
    {"epoch": 3, "batch": 3},
    {"epoch": 4, "writing": True},
    {"epoch": 4},
)


def stopped_again_and_again(recipe: Recipe, split, run_id: str, moments, **changes):
    """Train under one run id, ended at each of the moments, until it is finished."""
    sessions, before = 0, 0
    for moment in moments:
        with pytest.MonkeyPatch.context() as patch:
            Stop(patch, **moment)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, split, run_id, **{"settings": LONG} | changes)
        state = load_state(state_folder(run_id))
        reached = moment["epoch"] - moment.get("writing", False)
        assert state.epoch == reached and len(state.history) == reached
        sessions, before = sessions + (reached > before), reached
        files = list(state_folder(run_id).glob("epoch-*.npz"))
        assert len(files) <= 2 + moment.get("writing", False)
        assert not (workspace() / "runs" / run_id).exists()
    record = train(recipe, split, run_id, **{"settings": LONG} | changes)
    assert record.run["sessions"] == sessions + (before < 4), "those that finished an epoch"
    return record


def check_same(found, wanted) -> None:
    for a, b in zip(weights_of(found), weights_of(wanted), strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found.path / "history.csv").read_bytes() == (wanted.path / "history.csv").read_bytes()
    pd.testing.assert_frame_equal(found.predictions, wanted.predictions, check_exact=True)
    for key in ("metrics", "epochs", "chosen_epoch", "precision", "parameters", "pictures"):
        assert found.run[key] == wanted.run[key], key
    assert len(found.run["epoch_seconds"]) == found.run["epochs"]
    names = [sorted(path.name for path in run.path.iterdir()) for run in (found, wanted)]
    assert names[0] == names[1]


def kinds(patch) -> dict[str, tuple[Recipe, dict]]:
    """Trainings that carry every kind of state over the end of an epoch."""
    cosine = {"name": "cosine", "warmup": 1, "floor": 0.1}
    plateau = {"name": "plateau", "patience": 1, "rate": 0.5}
    drawn = {"settings": replace(DRAWN, epochs=4)}
    momentum = SGD | {"momentum": 0.9, "learning_rate": 0.01}
    return {
        "dropout and normalisation": (small_recipe(learning_rate=0.01), drawn),
        "adam, cosine, weights": (
            tiny_recipe(
                dropout=0.5, schedule=cosine, class_weights="balanced",
                optimizer=ADAM | {"learning_rate": 0.01}, l2=0.01,
            ),
            {},
        ),
        "plateau": (
            tiny_recipe(schedule=plateau, checkpoint="val_accuracy", optimizer=momentum), {},
        ),
        "patience": (tiny_recipe(learning_rate=0.1, checkpoint="val_loss", patience=3), {}),
        "val_auroc": (small_recipe(learning_rate=0.05, checkpoint="val_auroc"), drawn),
        "frozen": (stand_in(patch), {"backbone": "frozen"}),
        "online": (online_recipe(dropout=0.3), {}),
        "mixed_float16": (tiny_recipe(dropout=0.3), {"precision": "mixed_float16"}),
        "side": (stand_in(patch, side=True), {}),
    }  # fmt: skip


QUICK = ("dropout and normalisation", "adam, cosine, weights", "frozen", "mixed_float16")
KINDS = (*QUICK, "plateau", "patience", "val_auroc", "online", "side")


@pytest.mark.parametrize(
    "kind", [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[len(QUICK) :])]
)
def test_a_training_that_is_stopped_ends_with_the_same_bits(split, monkeypatch, kind):
    found = kinds(monkeypatch)
    assert set(found) == set(KINDS)
    recipe, changes = found[kind]
    if kind in ("frozen", "side"):  # both stand in for one network
        recipe = stand_in(monkeypatch, side=kind == "side")
    name = f"kind-{kind}".replace(" ", "-").replace(",", "")
    wanted = train(recipe, split, f"{name}-whole", **{"settings": LONG} | changes)
    assert wanted.run["sessions"] == 1
    moments = ({"epoch": 1}, {"epoch": 2, "batch": 2}, {"epoch": 3})
    check_same(stopped_again_and_again(recipe, split, name, moments, **changes), wanted)


def test_progress_counts_images_and_goes_on_where_it_was(split, monkeypatch):
    shown, words, real = [], [], fitting.progress_bar

    def watched(**given):
        bar = real(**given)
        bar.update = lambda count: given.setdefault("moves", []).append(count)
        bar.set_description = words.append
        shown.append(given)
        return bar

    with monkeypatch.context() as patch:
        Stop(patch, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe(), split, "progress", settings=LONG)
    monkeypatch.setattr(fitting, "progress_bar", watched)
    record = train(tiny_recipe(), split, "progress", settings=LONG)
    (given,) = shown
    assert (given["shown"], given["total"], given["initial"]) == (False, 4 * 39, 39)
    assert given["moves"] == [13] * 9, "images, of three epochs"
    accuracy = record.history.val_accuracy[1]
    assert words[0] == f"epoch 2/4, validation accuracy {accuracy:.3f}" and len(words) == 3


def test_wherever_a_training_is_stopped_it_ends_with_the_same_bits(split):
    recipe = tiny_recipe(dropout=0.5, optimizer=ADAM | {"learning_rate": 0.01})
    wanted = train(recipe, split, "moments-whole", settings=LONG)
    check_same(stopped_again_and_again(recipe, split, "moments", MOMENTS), wanted)


@pytest.mark.slow
@pytest.mark.parametrize("moment", MOMENTS, ids=str)
def test_it_does_when_stopped_once(split, moment):
    """Not by chance because it was stopped elsewhere too."""
    recipe = small_recipe(learning_rate=0.05, checkpoint="val_loss")
    changes = {"settings": replace(DRAWN, epochs=4)}
    wanted = train(recipe, split, "once-whole", **changes)
    run_id = "once-" + "-".join(map(str, moment.values()))
    check_same(stopped_again_and_again(recipe, split, run_id, (moment,), **changes), wanted)


@pytest.mark.slow
def test_in_compiled_steps_too(split, monkeypatch):
    """Few steps run without a graph, and the others here are few."""
    monkeypatch.setattr(fitting, "FEW_STEPS", 0)
    recipe = tiny_recipe(dropout=0.5, optimizer=ADAM | {"learning_rate": 0.01})
    wanted = train(recipe, split, "graph-whole", settings=LONG)
    moments = ({"epoch": 1}, {"epoch": 3, "batch": 2})
    check_same(stopped_again_and_again(recipe, split, "graph", moments), wanted)


def test_patience_that_ran_out_is_remembered(split, monkeypatch):
    """Stopped after the epoch that ended it: no further epoch is trained."""
    losses = (0.5, 0.6, 0.7, 0.1)
    recipe = tiny_recipe(checkpoint="val_loss", patience=2)
    scripted(monkeypatch, losses=losses)
    wanted = train(recipe, split, "ran-out-whole", settings=LONG)
    assert wanted.run["epochs"] == 3 and wanted.run["chosen_epoch"] == 1
    scripted(monkeypatch, losses=losses)
    with pytest.MonkeyPatch.context() as patch:
        Stop(patch, epoch=3)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, split, "ran-out", settings=LONG)
    assert load_state(state_folder("ran-out")).stopped
    scripted(monkeypatch, losses=losses)
    check_same(train(recipe, split, "ran-out", settings=LONG), wanted)


def test_epochs_without_improvement_are_counted_on(split, monkeypatch):
    """Two of them lower the rate, three end the training; it is stopped after the first two."""
    losses = (0.5, 0.6, 0.7, 0.8, 0.1)
    plateau = {"name": "plateau", "patience": 2, "rate": 0.1}
    recipe = tiny_recipe(checkpoint="val_loss", patience=3, schedule=plateau)
    settings = replace(LONG, epochs=5)
    scripted(monkeypatch, losses=losses, accuracies=(0.5,) * 5)
    wanted = train(recipe, split, "counted-whole", settings=settings)
    assert list(wanted.history.learning_rate) == pytest.approx([0.01, 0.01, 0.01, 0.001])
    scripted(monkeypatch, losses=losses, accuracies=(0.5,) * 5)
    for epoch in (2, 3):
        with pytest.MonkeyPatch.context() as patch:
            Stop(patch, epoch=epoch)
            with pytest.raises(KeyboardInterrupt):
                train(recipe, split, "counted", settings=settings)
    check_same(train(recipe, split, "counted", settings=settings), wanted)


def test_the_loss_scale_of_half_precision_is_part_of_the_state(split, monkeypatch):
    """A scale that grew must not fall back, or other gradients would vanish."""
    import keras

    seen = []
    monkeypatch.setattr(
        keras.optimizers,
        "LossScaleOptimizer",
        lambda inner, real=keras.optimizers.LossScaleOptimizer: real(
            inner, initial_scale=2.0, dynamic_growth_steps=3
        ),
    )
    spy_on_compile(monkeypatch, lambda course: seen.append(course.trained.optimizer))
    recipe, half = tiny_recipe(), {"precision": "mixed_float16"}
    wanted = train(recipe, split, "scale-whole", settings=LONG, **half)
    found = stopped_again_and_again(recipe, split, "scale", ({"epoch": 2},), **half)
    check_same(found, wanted)
    whole, first, second = (float(optimizer.dynamic_scale) for optimizer in seen)
    assert whole == second == 2.0**5 and first == 2.0**3, "12 steps and 6, in threes"


@pytest.mark.parametrize("change", ["fewer", "another shape"])
def test_a_state_that_does_not_fit_its_network_is_refused(split, monkeypatch, change):
    run_id = f"misfit-{change[:5]}"
    with monkeypatch.context() as patch:
        Stop(patch, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train(tiny_recipe(), split, run_id, settings=LONG)
    folder = state_folder(run_id)
    saved = checkpoints.load_variables(folder, 1)
    saved = saved[:-1] if change == "fewer" else [saved[0][1:], *saved[1:]]
    np.savez(folder / "epoch-00001.npz", *saved)
    with pytest.raises(RecordError, match="does not fit its network") as caught:
        train(tiny_recipe(), split, run_id, settings=LONG)
    assert caught.value.where == folder and "remove the folder" in caught.value.remedy


def test_a_full_disk_ends_the_training_and_leaves_the_epoch_before(split, monkeypatch):
    wanted = train(tiny_recipe(), split, "disk-whole", settings=LONG)
    real = np.savez

    def full(path, *variables):
        if "00003" in path.name:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(path, *variables)

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(DiskError, match="disk is full") as caught:
            train(tiny_recipe(), split, "disk", settings=LONG)
    assert "run the same command again" in caught.value.remedy
    folder = state_folder("disk")
    assert load_state(folder).epoch == 2
    assert sorted(path.name for path in folder.iterdir()) == ["epoch-00002.npz", "state.json"]
    check_same(train(tiny_recipe(), split, "disk", settings=LONG), wanted)


@pytest.mark.slow
def test_inception_with_its_side_classifier_goes_on_with_the_same_bits(split):
    recipe = load_recipe("mir2019-inception_v3")
    settings = RunSettings(input_size=107, epochs=2, samples=8, batch=4, weights="none")
    wanted = train(recipe, split, "inception-whole", settings=settings)
    with pytest.MonkeyPatch.context() as patch:
        Stop(patch, epoch=1)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, split, "inception", settings=settings)
    found = train(recipe, split, "inception", settings=settings)
    assert found.run["sessions"] == 2
    check_same(found, wanted)


ON_JAX = (*QUICK, "plateau", "side")
RESUMED_ON_JAX = """
import pytest
import test_fitting as t
split = t.make_split(t.load_cells({data!r}), "group")
with pytest.MonkeyPatch.context() as patch:
    for kind in t.ON_JAX:
        recipe, changes = t.kinds(patch)[kind]
        if kind in ("frozen", "side"):
            recipe = t.stand_in(patch, side=kind == "side")
        name = kind.replace(" ", "-").replace(",", "")
        changes.setdefault("settings", t.LONG)
        wanted = t.train(recipe, split, f"{{name}}-whole", **changes)
        moments = ({{"epoch": 2, "batch": 2}},)
        t.check_same(t.stopped_again_and_again(recipe, split, name, moments, **changes), wanted)
        print("same", kind)
for feed in ("host", "device", "resident"):
    resources = t.Resources(feed=feed)
    settings = t.replace(t.DRAWN, batch=20)
    turned = t.train(t.tiny_recipe(), split, f"turned-{{feed}}", resources=resources)
    drawn = t.replace(t.tiny_recipe(), augmentation=t.small_recipe().augmentation)
    drawn = t.train(drawn, split, f"drawn-{{feed}}", settings=settings, resources=resources)
    varied = t.online_recipe(optimizer=t.SGD | {{"learning_rate": 0.05}})
    varied = t.train(varied, split, f"varied-{{feed}}", resources=resources)
    if feed == "host":
        first = (turned, drawn, varied)
    assert t.digest(turned) == t.digest(first[0]) and t.digest(drawn) == t.digest(first[1])
    t.close(first[2], varied, share=5e-3)
print("same places")
"""


@pytest.mark.slow
def test_jax_goes_on_with_the_same_bits_and_makes_pictures_anywhere(cells, place):
    said = run_python(RESUMED_ON_JAX.format(data=str(place / "data")), KERAS_BACKEND="jax")
    assert said.splitlines()[-1] == "same places" and said.count("same ") == len(ON_JAX) + 1
