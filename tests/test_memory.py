"""Short memory: told apart from other errors, and the largest batch that fits is named."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib import memory
from alllib.errors import DataError, TrainingError
from alllib.memory import check_memory, clear_shortage, is_shortage, largest_batch


class ResourceExhaustedError(Exception):
    """Stands for the one that a backend raises."""


SHORT = [
    MemoryError(),
    ResourceExhaustedError("Graph execution error"),
    ValueError("OOM when allocating tensor with shape[30,64,254,254]"),
    RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 12884901888 bytes."),
    RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]
OTHER = [ValueError("shapes do not fit"), RuntimeError("room"), KeyError("memory"), OSError(12)]


# What is a shortage ------------------------------------------------------------------


@pytest.mark.parametrize("error", SHORT, ids=str)
def test_a_shortage_is_known_by_its_words(error):
    assert is_shortage(error)


@pytest.mark.parametrize("error", OTHER, ids=repr)
def test_other_errors_are_none(error):
    assert not is_shortage(error)


@pytest.mark.parametrize("link", ["__cause__", "__context__"])
def test_a_shortage_behind_another_error_is_found(link):
    error, middle = ValueError("the step failed"), RuntimeError("in a thread")
    setattr(error, link, middle)
    setattr(middle, link, MemoryError())
    assert is_shortage(error)
    middle.__cause__ = middle.__context__ = None
    assert not is_shortage(error)


def test_an_error_of_ours_is_none_whatever_it_came_from():
    ours = TrainingError("It is said already.", remedy="None.")
    ours.__cause__ = MemoryError()
    assert not is_shortage(ours)
    outer = ValueError("around it")
    outer.__context__ = ours
    assert not is_shortage(outer)


def test_an_error_that_was_being_handled_says_nothing_of_the_next():
    """In a `with` block's end, every error has the one before as its context."""
    before, later = MemoryError(), ValueError("shapes do not fit")
    later.__context__ = before
    assert is_shortage(later) and not is_shortage(later, after=before)
    again = MemoryError()
    again.__context__ = before
    assert is_shortage(again, after=before)


# The largest batch -------------------------------------------------------------------


@given(st.integers(1, 600), st.data())
def test_the_largest_batch_is_that_of_trying_all(batch, data):
    most = data.draw(st.integers(0, batch - 1))
    tried = []

    def fits(number):
        assert 0 < number < batch
        tried.append(number)
        return number <= most

    assert largest_batch(fits, batch) == max(
        (number for number in range(1, batch) if number <= most), default=0
    )
    assert len(tried) == len(set(tried)) <= 2 * batch.bit_length(), "each trial is a step"


# The clear error -----------------------------------------------------------------------


def short_of(batch: int, most: int, *, tried: list | None = None, error=None):
    """Step that fits up to `most` images."""

    def step(number):
        if tried is not None:
            tried.append(number)
        if number > most:
            raise error or RuntimeError("RESOURCE_EXHAUSTED: Out of memory")

    with clear_shortage(batch, step=step):
        step(batch)


@given(st.integers(1, 300), st.data())
def test_the_error_names_the_largest_batch_that_fits(batch, data):
    most = data.draw(st.integers(0, batch - 1))
    with pytest.raises(TrainingError, match=f"a batch of {batch}") as caught:
        short_of(batch, most)
    if most:
        assert f"largest that fits is a batch of {most} (`--batch {most}`)" in caught.value.remedy
    else:
        assert "Not even one image" in caught.value.remedy and "--batch" not in caught.value.remedy
    assert caught.value.where == "batch"
    assert "RESOURCE_EXHAUSTED" in str(caught.value.__cause__)


@pytest.mark.parametrize("error", SHORT, ids=str)
def test_the_first_error_is_the_cause_and_without_a_step_half_is_named(error):
    with pytest.raises(TrainingError, match="a batch of 9") as caught, clear_shortage(9):
        raise error
    assert caught.value.__cause__ is error and error.__traceback__ is None
    assert "Try a batch of 4 (`--batch 4`)" in caught.value.remedy


def test_what_fails_for_another_reason_is_not_taken_for_a_batch_too_large():
    def step(number):
        raise ValueError("the device is in disorder")

    with pytest.raises(TrainingError) as caught, clear_shortage(8, step=step):
        raise MemoryError
    assert "Try a batch of 4" in caught.value.remedy and "fits" not in caught.value.remedy


@pytest.mark.parametrize("error", [*OTHER, KeyboardInterrupt(), DataError("No.", remedy="None.")])
def test_other_errors_stay_what_they_are(error):
    def step(number):
        pytest.fail("nothing is searched")

    with pytest.raises(type(error)) as caught, clear_shortage(8, step=step):
        raise error
    assert caught.value is error


def test_a_shortage_inside_is_said_once():
    with pytest.raises(TrainingError, match="batch of 4") as caught, clear_shortage(16):
        short_of(4, 3)
    assert "--batch 3" in caught.value.remedy


def test_without_an_error_nothing_happens():
    with clear_shortage(8, step=lambda number: pytest.fail("searched")):
        pass


def test_a_batch_of_one_that_does_not_fit_has_another_remedy():
    with pytest.raises(TrainingError, match="a batch of 1") as caught, clear_shortage(1):
        raise MemoryError
    assert "--batch" not in caught.value.remedy and "--input-size" in caught.value.remedy


# The estimate --------------------------------------------------------------------------


@pytest.fixture
def free(monkeypatch):
    """Set how many bytes are free."""

    def become(number):
        told = SimpleNamespace(available=number)
        monkeypatch.setattr(memory.psutil, "virtual_memory", lambda: told)

    return become


def test_an_estimate_beyond_what_is_free_is_refused(free):
    free(10 * 2**30)
    check_memory(lambda images: images * 2**30, 10)
    with pytest.raises(
        TrainingError, match="batch of 11 needs about 11.0 GiB.* 10.0 GiB"
    ) as caught:
        check_memory(lambda images: images * 2**30, 11)
    assert "--batch 10" in caught.value.remedy and caught.value.where == "batch"


def test_an_estimate_that_nothing_satisfies_says_so(free):
    free(2**20)
    with pytest.raises(TrainingError, match="needs about 5.0 GiB") as caught:
        check_memory(lambda images: images * 2**30 + 2**30, 4)
    assert "Not even one image" in caught.value.remedy
