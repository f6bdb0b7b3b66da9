"""Measurements that are kept with the book."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest

from alllib.errors import DiskError, RecordError
from alllib.records import list_records
from alllib.studies import list_studies, read_study, save_study, study_folder, tell_study


@pytest.fixture
def cells(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    table = pd.DataFrame({"image": ["a", "b"], "label": ["ALL", "HEM"], "sha256": ["1", "2"]})
    table.attrs["dataset"] = "cnmc2019"
    return table


def test_a_study_is_read_back_as_it_was_written(cells):
    written = save_study("pairs", cells, {"pairs": 3}, settings={"seed": 1})
    assert read_study("pairs", "cnmc2019") == written
    assert written.images == 2 and written.found == {"pairs": 3} and written.settings["seed"] == 1
    assert list_studies() == [written]
    assert "2 images of C-NMC 2019" in tell_study(written)
    assert written.finished[:10] in tell_study(written)


@pytest.mark.parametrize(
    ("commit", "told"),
    [
        ("0123456789ab", "code 012345678."),
        ("0123456789ab+", "code 012345678 with uncommitted changes."),
        ("", "on 2000-01-00.\n"),
    ],
)
def test_uncommitted_changes_are_said(cells, commit, told):
    study = replace(
        save_study("pairs", cells, {}), commit=commit, machine="", finished="2000-01-00"
    )
    assert told in tell_study(study) + "\n"


def test_what_was_never_measured_is_none_and_no_error(cells):
    assert read_study("pairs", "cnmc2019") is None and list_studies() == []


@pytest.mark.parametrize("text", ["{", "[]", '{"topic": "pairs"}'])
def test_a_damaged_study_is_one_clear_error(cells, text):
    save_study("pairs", cells, {})
    path = study_folder() / "pairs-cnmc2019.json"
    path.write_text(text, "utf-8")
    with pytest.raises(RecordError, match="no readable study") as caught:
        read_study("pairs", "cnmc2019")
    assert str(path) in str(caught.value)


def test_a_study_with_an_unknown_key_is_refused(cells):
    save_study("pairs", cells, {})
    path = study_folder() / "pairs-cnmc2019.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"more": 1}), "utf-8")
    with pytest.raises(RecordError, match="more"):
        read_study("pairs", "cnmc2019")


def test_a_number_that_is_none_is_refused_and_the_older_study_stays(cells):
    first = save_study("pairs", cells, {"pairs": 3})
    with pytest.raises(ValueError):
        save_study("pairs", cells, {"pairs": float("nan")})
    assert read_study("pairs", "cnmc2019") == first


def test_a_full_disk_leaves_the_older_study(cells, monkeypatch):
    first = save_study("pairs", cells, {"pairs": 3})

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(DiskError):
        patched.setattr("os.replace", full)
        save_study("pairs", cells, {"pairs": 4})
    assert read_study("pairs", "cnmc2019") == first


def test_studies_are_no_runs(cells):
    save_study("pairs", cells, {})
    assert list_records() == []
