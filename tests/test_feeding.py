"""Batches: any of any epoch follows from seed and number; features are computed once."""

from __future__ import annotations

import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as chosen
from hypothesis import strategies as st
from test_pictures import VARIED, FakeStore, pictures_of

from alllib import feeding
from alllib.augmentation import apply_symmetry
from alllib.errors import DiskError
from alllib.feeding import cache_features, compute_features, make_feed, predict_batches
from alllib.pictures import PLACES, Pictures, scale_images

# Batches ---------------------------------------------------------------------------


def feed_of(seed: int, *, outputs: int = 1):
    pictures = pictures_of()
    targets = np.eye(7, dtype=np.float32)[pictures.rows]
    return make_feed(pictures.take, targets, batch=4, seed=seed, outputs=outputs), pictures


def test_an_epoch_shows_each_picture_once_in_its_own_form():
    feed, pictures = feed_of(seed=1)
    batches = [feed[number] for number in range(len(feed))]
    assert [len(images) for images, _ in batches] == [4, 4, 2]
    images = np.concatenate([images for images, _ in batches])
    targets = np.concatenate([targets for _, targets in batches])
    assert images.dtype == np.float32 and 0 <= images.min() <= images.max() <= 1
    assert sorted(feed.order) == list(range(len(pictures)))
    for place, image, target in zip(feed.order, images, targets, strict=True):
        row = pictures.rows[place]
        wanted = apply_symmetry(FakeStore.images[row], int(pictures.symmetries[place]))
        np.testing.assert_array_equal(image, scale_images(wanted))
        assert target.argmax() == row


def test_the_order_depends_on_seed_and_epoch_alone():
    first, again, other = feed_of(1)[0], feed_of(1)[0], feed_of(2)[0]
    orders = []
    for epoch in range(3):
        for feed in (first, other):
            feed.shuffle(epoch)
        assert not np.array_equal(first.order, other.order)
        orders.append(tuple(first.order))
    assert len(set(orders)) == 3
    again.shuffle(2)  # as in a training that goes on from its third epoch
    assert tuple(again.order) == orders[2]


def test_inputs_are_asked_for_with_seed_and_epoch():
    asked = []

    def take(chosen, seed):
        asked.append((tuple(chosen), seed))
        return np.zeros((len(chosen), 2), np.float32)

    feed = make_feed(take, np.zeros((5, 2), np.float32), batch=3, seed=8)
    feed.shuffle(4)
    for number in range(len(feed)):
        feed[number]
    order = tuple(int(place) for place in feed.order)
    assert asked == [(order[:3], (8, 4)), (order[3:], (8, 4))]


def test_every_output_learns_the_same_targets():
    feed, _ = feed_of(1, outputs=2)
    images, targets = feed[0]
    assert isinstance(targets, tuple) and len(targets) == 2 and len(images) == 4
    np.testing.assert_array_equal(*targets)
    np.testing.assert_array_equal(targets[0], feed_of(1)[0][0][1])


# Prefetching -----------------------------------------------------------------------


def equal(first, second) -> bool:
    """Whether two batches hold the same bits in the same form."""
    if isinstance(first, dict):
        return set(first) == set(second) and all(equal(first[k], second[k]) for k in first)
    if isinstance(first, tuple):
        return len(first) == len(second) and all(map(equal, first, second))
    return first.dtype == second.dtype and np.array_equal(first, second)


def pair_of_feeds(*, ahead: int, batch: int = 3, **rest):
    """A plain feed and one that works ahead, of varied pictures."""
    pictures = pictures_of(varied=VARIED)
    targets = np.eye(7, dtype=np.float32)[pictures.rows]
    return [
        make_feed(pictures.take, targets, batch=batch, seed=4, ahead=number, **rest)
        for number in (0, ahead)
    ]


@chosen(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12), st.integers(1, 6))
def test_a_feed_that_works_ahead_gives_the_same_batches_in_any_order(asked, ahead):
    plain, early = pair_of_feeds(ahead=ahead)
    try:
        for epoch, number in asked:
            if epoch != plain.epoch:
                for feed in (plain, early):
                    feed.shuffle(epoch)
            assert equal(early[number], plain[number])
    finally:
        early.close()


def test_any_batch_of_any_epoch_can_be_had_without_those_before_it():
    every = {}
    walked, _ = pair_of_feeds(ahead=1)
    for epoch in range(4):
        walked.shuffle(epoch)
        every |= {(epoch, number): walked[number] for number in range(len(walked))}
    for (epoch, number), wanted in every.items():
        for feed in pair_of_feeds(ahead=2):
            feed.shuffle(epoch)
            assert equal(feed[number], wanted)
            feed.close()
    first = [every[epoch, 0] for epoch in range(4)]
    assert not any(equal(a, b) for a, b in zip(first, first[1:], strict=False))


@pytest.mark.parametrize("place", PLACES)
def test_inputs_of_every_place_travel_in_batches(place):
    pictures = pictures_of(varied=VARIED)
    targets = np.eye(7, dtype=np.float32)[pictures.rows]

    def take(chosen, seed):
        return pictures.inputs(chosen, seed, place=place)

    feed = make_feed(take, targets, batch=4, seed=1, ahead=2)
    feed.shuffle(3)
    for number in range(len(feed)):
        inputs, wanted = feed[number]
        assert equal(inputs, take(feed.chosen(number), (1, 3)))
        np.testing.assert_array_equal(wanted, targets[feed.chosen(number)])
    feed.close()


class Slow:
    """Pictures that take a while, and a note of who asked for them and when."""

    def __init__(self, seconds: float = 0.02):
        self.seconds, self.asked, self.running = seconds, [], 0

    def __call__(self, chosen, seed):
        self.asked.append((seed, tuple(chosen)))
        self.running += 1
        time.sleep(self.seconds)
        self.running -= 1
        return np.zeros((len(chosen), 1), np.float32)


def test_batches_are_made_beforehand_each_once_and_none_of_the_next_epoch():
    slow = Slow()
    feed = make_feed(slow, np.zeros((12, 2), np.float32), batch=2, seed=1, ahead=2)
    feed[0]
    deadline = time.monotonic() + 5
    while len(slow.asked) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert len(slow.asked) == 3, "two more than were asked for"
    for number in range(1, 6):
        feed[number]
    assert sorted(slow.asked) == sorted(((1, 0), tuple(feed.chosen(n))) for n in range(6))
    feed.close()


def test_what_was_made_for_an_epoch_is_not_shown_in_another():
    slow = Slow()
    targets = np.arange(24, dtype=np.float32).reshape(12, 2)
    feed = make_feed(slow, targets, batch=2, seed=1, ahead=4)
    feed[0]
    feed.shuffle(1)  # while the next batches of epoch 0 are being made
    for number in range(6):
        _, wanted = feed[number]
        np.testing.assert_array_equal(wanted, targets[feed.chosen(number)])
    feed.close()


def test_a_closed_feed_drops_what_waits_and_leaves_no_thread_behind():
    # Its own threads: those of earlier tests may end meanwhile.
    makers, gate, asked = set(), threading.Event(), []

    def take(chosen, seed):
        makers.add(threading.current_thread())
        asked.append(tuple(chosen))
        if asked[-1] != tuple(feed.chosen(0)):
            gate.wait(20)
        return np.zeros((len(chosen), 1), np.float32)

    feed = make_feed(take, np.zeros((40, 2), np.float32), batch=2, seed=1, ahead=4)
    feed[0]
    assert makers and threading.current_thread() not in makers
    feed.close()
    gate.set()
    deadline = time.monotonic() + 20
    while any(maker.is_alive() for maker in makers) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(maker.is_alive() for maker in makers)
    assert len(asked) <= 1 + feeding.THREADS, "two were being made, two waited"


def test_an_error_while_a_batch_is_made_reaches_who_asks_for_it():
    def take(chosen, seed):
        if 5 in chosen:
            raise MemoryError("no room for five")
        return np.zeros((len(chosen), 1), np.float32)

    feed = make_feed(take, np.zeros((12, 2), np.float32), batch=2, seed=1, ahead=3)
    bad = next(number for number in range(6) if 5 in feed.chosen(number))
    for number in range(6):
        if number == bad:
            with pytest.raises(MemoryError, match="five"):
                feed[number]
        else:
            feed[number]
    feed.close()


def test_batches_asked_for_by_several_threads_are_the_right_ones():
    """Keras may ask from a thread of its own."""
    plain, early = pair_of_feeds(ahead=3, batch=1)
    with ThreadPoolExecutor(1) as pool:
        found = list(pool.map(early.__getitem__, range(10)))
    assert all(equal(a, plain[number]) for number, a in enumerate(found))
    early.close()


# Weights and devices ---------------------------------------------------------------


def test_weights_travel_with_their_pictures():
    weights = np.arange(1, 11, dtype=np.float32)
    plain, early = pair_of_feeds(ahead=2, weights=weights)
    for feed in (plain, early):
        for number in range(len(feed)):
            images, _, counts = feed[number]
            assert counts.dtype == np.float32 and len(counts) == len(images)
            np.testing.assert_array_equal(counts, weights[feed.chosen(number)])
    early.close()
    two = make_feed(
        pictures_of().take, np.zeros((10, 2), np.float32), batch=3, seed=4, outputs=2,
        weights=weights,
    )  # fmt: skip
    _, targets, counts = two[0]
    assert isinstance(counts, tuple) and len(counts) == len(targets) == 2
    np.testing.assert_array_equal(*counts)


@chosen(max_examples=40)
@given(
    st.integers(1, 12), st.integers(1, 5), st.integers(2, 5), st.booleans(), st.integers(0, 2**16)
)
def test_filling_up_for_devices_leaves_the_mean_loss_as_it_is(count, batch, devices, class_, seed):
    generator = np.random.default_rng(seed)
    losses = generator.random(count).astype(np.float32)
    weights = generator.random(count).astype(np.float32) if class_ else None
    asked = []

    def take(chosen, seed):
        asked.append(chosen)
        return losses[chosen]

    feed = make_feed(
        take, np.zeros((count, 1), np.float32), batch=batch, seed=1, weights=weights,
        devices=devices,
    )  # fmt: skip
    for number in range(len(feed)):
        shown, targets, counts = feed[number]
        assert len(shown) == len(targets) == len(counts) and len(shown) % devices == 0
        real = feed.chosen(number)
        np.testing.assert_array_equal(shown[: len(real)], losses[real])
        assert (counts[len(real) :] == 0).all() and set(asked[-1]) == set(real)
        assert len(shown) - len(real) < devices, "no more than is needed"
        wanted = losses[real] * (1 if weights is None else weights[real])
        assert (shown * counts).mean() == pytest.approx(wanted.mean(), rel=1e-5)


def test_batches_for_devices_are_all_of_one_form():
    """Keras lays out the batches of an epoch by the first of them."""
    feed = make_feed(pictures_of().take, np.zeros((10, 2), np.float32), batch=4, seed=1, devices=4)
    assert [len(feed[number]) for number in range(3)] == [3, 3, 3]
    assert [len(feed[number][0]) for number in range(3)] == [4, 4, 4]
    plain = make_feed(pictures_of().take, np.zeros((10, 2), np.float32), batch=4, seed=1)
    assert [len(plain[number]) for number in range(3)] == [2, 2, 2], "no weights without need"


def test_a_batch_of_any_pictures_can_be_gathered():
    feed, pictures = feed_of(seed=1)
    chosen = np.array([3, 3, 0, 9, 9, 9, 1])
    images, targets = feed.gather(chosen)
    np.testing.assert_array_equal(images, pictures.take(chosen, (1, 0)))
    np.testing.assert_array_equal(targets.argmax(axis=1), pictures.rows[chosen])


# Prediction ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    """Small network whose output depends on every pixel."""
    import keras

    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 3))
    values = keras.layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(values)))


@pytest.mark.parametrize("count", [1, 3, 4, 5, 8, 10])
def test_filled_batches_give_what_single_ones_give(network, monkeypatch, count):
    pictures = pictures_of()
    monkeypatch.setattr(feeding, "STEP", 4)
    shapes, real = set(), network.predict_on_batch

    def spy(inputs):
        shapes.add(inputs.shape)
        return real(inputs)

    monkeypatch.setattr(network, "predict_on_batch", spy)
    found = list(predict_batches(network, pictures.take, count))
    assert shapes == {(4, 6, 6, 3)}, "one shape is compiled"
    chosen = np.concatenate([chosen for chosen, _ in found])
    outputs = np.concatenate([outputs for _, outputs in found])
    assert list(chosen) == list(range(count)) and outputs.dtype == np.float32
    alone = [real(pictures.take(np.array([place]), (0, 0))) for place in range(count)]
    np.testing.assert_allclose(outputs, np.concatenate(alone), rtol=1e-5, atol=1e-6)


class Short:
    """Network that has memory for steps of so many pictures."""

    def __init__(self, most: int, error: Exception | None = None):
        self.most, self.sizes = most, []
        self.error = error or RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    def predict_on_batch(self, inputs):
        values = inputs["values"]
        self.sizes.append(len(values))
        if len(values) > self.most:
            raise self.error
        return values * 2


def predict_short(network, count: int, **rest) -> tuple[list[int], list[float]]:
    found = list(
        predict_batches(
            network, lambda chosen, seed: {"values": chosen[:, None].astype(float)}, count, **rest
        )
    )
    chosen = np.concatenate([chosen for chosen, _ in found])
    return list(chosen), list(np.concatenate([outputs for _, outputs in found])[:, 0])


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 20])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 8, 100])
def test_a_step_that_does_not_fit_is_halved_and_the_rest_with_it(monkeypatch, most, count):
    monkeypatch.setattr(feeding, "STEP", 8)
    network = Short(most)
    chosen, outputs = predict_short(network, count)
    assert chosen == list(range(count)) and outputs == [2.0 * n for n in range(count)]
    fitting = max(size for size in (1, 2, 4, 8) if size <= most)
    tried = [size for size in (8, 4, 2, 1) if size > fitting]
    assert network.sizes == tried + [fitting] * -(-count // fitting)


@pytest.mark.parametrize(("most", "wanted"), [(100, 9), (8, 3), (3, 3)])
def test_a_halved_step_can_still_be_dealt_out_to_all_devices(monkeypatch, most, wanted):
    monkeypatch.setattr(feeding, "STEP", 8)
    network = Short(most)
    chosen, outputs = predict_short(network, 10, devices=3)
    assert chosen == list(range(10)) and outputs == [2.0 * n for n in range(10)]
    assert network.sizes[-1] == wanted and all(size % 3 == 0 for size in network.sizes)


def test_the_smallest_step_that_does_not_fit_is_an_error(monkeypatch):
    monkeypatch.setattr(feeding, "STEP", 8)
    for devices, smallest in ((1, 1), (2, 2)):
        network = Short(0)
        with pytest.raises(RuntimeError, match="RESOURCE_EXHAUSTED"):
            predict_short(network, 5, devices=devices)
        assert network.sizes[-1] == smallest and len(network.sizes) < 5


def test_another_error_of_a_step_is_not_taken_for_a_shortage():
    network = Short(0, ValueError("shapes do not fit"))
    with pytest.raises(ValueError, match="shapes"):
        predict_short(network, 5)
    assert len(network.sizes) == 1


# Features --------------------------------------------------------------------------


def counting(network, monkeypatch) -> list[bytes]:
    """Pictures that the network is asked for, in order."""
    seen, real = [], network.predict_on_batch

    def spy(inputs):
        seen.extend(image.tobytes() for image in inputs)
        return real(inputs)

    monkeypatch.setattr(network, "predict_on_batch", spy)
    return seen


def test_each_distinct_picture_is_computed_once(network, monkeypatch, workspace):
    rows, symmetries = np.array([5, 0, 5, 2, 5, 0, 2, 2]), np.array([1, 0, 1, 7, 0, 0, 7, 3])
    labels = pd.Series(["ALL"] * 8)
    pictures = Pictures(FakeStore(), rows, symmetries.astype(np.uint8), labels, "caffe")
    monkeypatch.setattr(feeding, "STEP", 5)  # the five distinct ones fill a step exactly
    seen = counting(network, monkeypatch)
    features = compute_features(network, pictures, progress=False)
    assert features.shape == (5, 3) and features.dtype == np.float32
    assert len(seen) == len(set(seen)) == 5
    assert set(seen) == {image.tobytes() for image in pictures.take(np.arange(8), (1, 1))}
    found = cache_features(features, pictures)(np.array([7, 0, 2, 2, 4]), (1, 9))
    direct = network.predict_on_batch(pictures.take(np.array([7, 0, 2, 2, 4]), (1, 9)))
    np.testing.assert_allclose(found, direct, rtol=1e-5, atol=1e-4)


def test_features_of_all_pictures_are_looked_up_in_any_order(network, workspace):
    pictures = pictures_of()
    take = cache_features(compute_features(network, pictures, progress=False), pictures)
    order = np.random.default_rng(0).permutation(10)
    direct = network.predict_on_batch(pictures.take(order, (0, 0)))
    np.testing.assert_allclose(take(order, (3, 4)), direct, rtol=1e-5, atol=1e-6)


def test_features_leave_nothing_on_the_disk(network, workspace):
    features = compute_features(network, pictures_of(), progress=False)
    assert isinstance(features, np.memmap), "they take no memory of the process"
    assert list((workspace / "_build").iterdir()) == []
    assert np.isfinite(features).all() and features.any(), "and can be read all the same"


@pytest.mark.parametrize(
    ("number", "said"), [(errno.ENOSPC, "disk is full"), (errno.EDQUOT, "disk is full")]
)
def test_a_full_disk_is_said_before_features_are_computed(
    network, workspace, monkeypatch, number, said
):
    def refuse(file, size):
        assert size == 4 * 9 * 3, "all nine distinct ones are asked for"
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(feeding, "reserve_space", refuse)
    seen = counting(network, monkeypatch)
    with pytest.raises(DiskError, match=said) as caught:
        compute_features(network, pictures_of(), progress=False)
    assert str(workspace / "_build") in str(caught.value) and seen == []
    assert list((workspace / "_build").iterdir()) == []


def test_a_place_that_cannot_be_written_to_is_said(network, workspace):
    workspace.mkdir()
    (workspace / "_build").write_text("a file stands here")
    with pytest.raises(DiskError, match="file stands where a folder is needed"):
        compute_features(network, pictures_of(), progress=False)


def test_features_come_in_full_precision(workspace, monkeypatch):
    half = SimpleNamespace(
        output=SimpleNamespace(shape=(None, 2)),
        predict_on_batch=lambda inputs: np.full((len(inputs), 2), 0.5, np.float16),
    )
    features = compute_features(half, pictures_of(), progress=False)
    assert features.dtype == np.float32 and (features == 0.5).all()


def test_features_are_computed_in_steps_that_all_devices_share(network, workspace, monkeypatch):
    sizes, real = [], network.predict_on_batch

    def spy(inputs):
        sizes.append(len(inputs))
        return real(inputs)

    monkeypatch.setattr(network, "predict_on_batch", spy)
    alone = compute_features(network, pictures_of(), progress=False)
    shared = compute_features(network, pictures_of(), progress=False, devices=3)
    assert [size % 3 for size in sizes] == [2, 0]
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-6)
