"""The chapter on images of one's own: layout, what is shared, and what more images tell."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib.lessons import own_data

COUNTS = st.integers(1, 500)


@given(COUNTS, COUNTS, st.floats(0, 1))
def test_the_effective_number_lies_between_subjects_and_images(subjects, each, alike):
    found = own_data.effective_images(subjects, each, alike)
    assert subjects * (1 - 1e-9) <= found <= subjects * each * (1 + 1e-9)
    assert found <= own_data.effective_images(subjects, each + 1, alike) * (1 + 1e-9)
    if alike:
        assert found <= subjects / alike * (1 + 1e-9)


def test_its_inverse_is_the_variance_of_a_mean_of_alike_answers():
    generator, subjects, each, alike = np.random.default_rng(1), 12, 8, 0.3
    a = b = (1 / alike - 1) / 2  # a beta distribution with this intraclass correlation
    chances = generator.beta(a, b, (20_000, subjects))
    means = generator.binomial(each, chances).sum(axis=1) / (subjects * each)
    expected = 0.25 / own_data.effective_images(subjects, each, alike)
    assert means.var() == pytest.approx(expected, rel=0.05)
    assert means.var() != pytest.approx(0.25 / (subjects * each), rel=0.5)


def test_images_are_laid_out_by_class_under_names_that_tell_nothing(tmp_path):
    rows = []
    for number, label in enumerate(["ALL", "HEM", "ALL"]):
        path = tmp_path / f"UID_{number}_{label}.bmp"
        path.write_bytes(bytes([number]))
        rows.append({"image": path.stem, "path": path, "label": label, "subject": f"s{number}"})
    for _ in range(2):  # what is there is replaced
        root = own_data.lay_out(
            pd.DataFrame(rows), tmp_path / "own", {"ALL": "blast", "HEM": "normal"}
        )
    names = {path.relative_to(root).as_posix() for path in root.rglob("*.bmp")}
    assert names == {"blast/0001.bmp", "blast/0002.bmp", "normal/0001.bmp"}
    listed = pd.read_csv(root / "subjects.csv").set_index("image").subject
    for name in names:
        number = (root / name).read_bytes()[0]
        assert listed[name] == f"s{number}"


def test_what_nobody_can_know_is_no_number():
    parts = {"train": {"a": 3}, "test": {"a": 3, "b": 1}}
    known = {"train/test": {"subjects": {"values": 1, "images": 3}}}
    assert own_data.shared_subjects({"parts": parts, "crossing": known}) == 0.75
    unknown = {"train/test": {"subjects": None}}
    assert own_data.shared_subjects({"parts": parts, "crossing": unknown}) is None
    figure = own_data.plot_shared({"one": 0.75, "two": None, "three": 0.0})
    told = [text.get_text() for text in figure.axes[0].texts]
    assert told == ["75%", "not known: from none to all", "0%"]


def test_curves_end_at_the_effective_number_of_their_correlation():
    figure = own_data.plot_effective(20, 50, (0.1, 1.0))
    ends = [line.get_ydata()[-1] for line in figure.axes[0].lines]
    assert ends == [own_data.effective_images(20, 50, alike) for alike in (0.1, 1.0)]


def test_warnings_are_heard_only_within_the_block():
    log = logging.getLogger("alllib.somewhere")
    with own_data.listen() as told:
        log.warning("one")
    log.warning("two")
    assert told == ["one"]
