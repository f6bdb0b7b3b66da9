"""The official list, the comparison of a download with it, and downloads that fail."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from conftest import draw_picture
from PIL import Image

from alllib import cli, downloads
from alllib.datasets import COLUMNS, load_cells
from alllib.downloads import (
    check_download,
    fetch_dataset,
    official_cells,
    official_files,
    prepare_data,
)
from alllib.errors import DataError, DependencyError, DiskError, FetchError, RecipeError
from alllib.layouts import FINAL, PRELIMINARY, PRELIMINARY_LABELS

pytestmark = pytest.mark.usefixtures("workspace")

# The official list --------------------------------------------------------------------


@pytest.fixture(scope="module")
def official() -> pd.DataFrame:
    return official_files()


@pytest.fixture(scope="module")
def training(official) -> pd.DataFrame:
    return official[official.phase == "train"]


def test_official_counts(official, training):
    assert len(official) == 15_114 and official.path.is_unique
    assert official.phase.value_counts().to_dict() == {
        "train": 10_661, "test_prelim": 1_867, "test_final": 2_586
    }  # fmt: skip
    counts = training.groupby(["class", "fold"]).size()
    assert counts["all"].to_list() == [2397, 2418, 2457]
    assert counts["hem"].to_list() == [1130, 1163, 1096]
    preliminary = official[official.phase == "test_prelim"]
    assert preliminary["class"].value_counts().to_dict() == {"all": 1219, "hem": 648}
    assert official["class"][official.phase == "test_final"].isna().all()
    assert official.sha256.str.fullmatch("[0-9a-f]{64}").all() and (official.bytes > 5e5).all()


def test_official_subjects(official, training):
    assert training.groupby("class").subject.nunique().to_dict() == {"all": 47, "hem": 26}
    counts = training.subject.value_counts()
    assert counts["h3"] == 36 and counts["51"] == 757
    hem = training[training["class"] == "hem"]
    uneven = hem.subject.value_counts().head(5).to_dict()
    assert uneven == {"H10": 405, "H24": 404, "H14": 385, "H22": 373, "H23": 327}
    assert set(hem.subject[hem.fold == "fold_1"]) == {"H10", "H14", "H22"}
    preliminary = official[official.phase == "test_prelim"]
    assert preliminary.groupby("class").subject.nunique().to_dict() == {"all": 13, "hem": 15}
    assert not set(preliminary.subject) & set(training.subject)


def test_identical_pairs_of_the_official_list(training):
    assert training.sha256.nunique() == 10_557
    twins = training[training.sha256.duplicated(keep=False)].groupby("sha256")
    assert (twins.size() == 2).all() and len(twins) == 104
    assert (twins.subject.nunique() == 2).sum() == 99
    assert (twins.fold.nunique() == 2).sum() == 94
    assert (twins["class"].nunique() == 1).all()
    pairs = twins.subject.agg(lambda names: "=".join(sorted(names))).value_counts().to_dict()
    assert pairs == {
        "20=21": 71, "51=78": 11, "51=75": 10, "H10=H10": 5,
        "H2=H4": 3, "H2=H5": 2, "H2=H6": 1, "H10=h3": 1,
    }  # fmt: skip


def test_official_cells_have_every_column_of_a_cell_table():
    cells = official_cells()
    assert list(cells.columns) == COLUMNS and len(cells) == 10_661
    assert cells.attrs["dataset"] == "cnmc2019" and not cells.isna().any(axis=None)
    assert cells.subject.nunique() == 73 and cells.group.nunique() == 65
    assert cells.field.nunique() == 2376
    assert (cells.field.str.rsplit("_", n=1).str[0] == cells.subject).all()
    shared = cells[cells.sha256.duplicated(keep=False)].groupby("sha256").group.nunique()
    assert (shared == 1).all(), "no identical pair crosses groups"


@pytest.mark.real
def test_official_list_agrees_with_the_source(official, real_root):
    source = pd.read_csv(real_root / "lists" / "cnmc_official_files.csv", dtype="string")
    ours = official.astype("string").sort_values("path").reset_index(drop=True)
    theirs = source.sort_values("path").reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, theirs[list(ours.columns)])


# The comparison -----------------------------------------------------------------------


LABELS = f"validation_data/{PRELIMINARY_LABELS}"


@pytest.fixture
def fake(tmp_path, monkeypatch) -> Path:
    """Complete download of a list of its own: four training images, one of each phase."""
    root = tmp_path / "download"
    names = [
        *(f"training_data/fold_0/all/UID_1_1_{n}_all.bmp" for n in (1, 2)),
        "training_data/fold_0/hem/UID_H1_1_1_hem.bmp",
        "training_data/fold_1/hem/UID_h3_1_1_hem.bmp",
        f"validation_data/{PRELIMINARY}/1.bmp",
        f"testing_data/{FINAL}/1.bmp",
    ]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_picture(name)).save(root / name)
    listed = pd.DataFrame({"path": names})
    listed["phase"] = ["train"] * 4 + ["test_prelim", "test_final"]
    listed["fold"] = ["fold_0", "fold_0", "fold_0", "fold_1", None, None]
    listed["class"] = ["all", "all", "hem", "hem", "all", None]
    listed["original_name"] = [name.rsplit("/", 1)[-1] for name in names]
    listed.loc[4, "original_name"] = "UID_9_1_1_all.bmp"
    (root / LABELS).write_text("Patient_ID,new_names,labels\nUID_9_1_1_all.bmp,1.bmp,1\n")
    listed["sha256"] = [hashlib.sha256((root / name).read_bytes()).hexdigest() for name in names]
    monkeypatch.setattr(downloads, "official_files", lambda: listed)
    return root


FIRST = "training_data/fold_0/all/UID_1_1_1_all.bmp"


def faults(root: Path) -> dict:
    """Lists of the report that are not empty, and the number of identical files."""
    report = check_download(root, progress=False)
    said = report.as_dict()
    for key in ("root", "expected", "counts"):
        said.pop(key)
    assert said.pop("complete") is report.complete
    for names in said.values():
        for name in names if isinstance(names, list) else []:
            assert name in report.as_text()
    return {key: value for key, value in said.items() if value}


def test_complete_download(fake):
    assert faults(fake) == {"identical": 6}
    report = check_download(fake, progress=False)
    assert report.complete and "6 of 6" in report.as_text() and "is complete" in report.as_text()


@pytest.mark.parametrize("move", ["no level", "one more level", "litter"])
def test_complete_download_in_other_layouts(fake, move):
    if move == "no level":
        for fold in (fake / "training_data").iterdir():
            fold.rename(fake / fold.name)
        (fake / "training_data").rmdir()
    elif move == "one more level":
        (fake / "training_data").rename(fake / "x")
        (fake / "C-NMC_Leukemia").mkdir()
        (fake / "x").rename(fake / "C-NMC_Leukemia" / "training_data")
    else:
        (fake / FIRST).with_name("._UID_1_1_1_all.bmp").write_bytes(b"litter")
        shutil.copytree(fake / "training_data", fake / "__MACOSX" / "training_data")
        (fake / "readme.txt").touch()
    assert faults(fake) == {"identical": 6}


def test_each_fault_is_named(fake):
    (fake / FIRST).unlink()
    assert faults(fake) == {"identical": 5, "missing": [FIRST]}
    (fake / FIRST).write_bytes(b"")
    assert faults(fake) == {"identical": 5, "unreadable": [FIRST]}
    Image.fromarray(draw_picture("other")).save(fake / FIRST)
    assert faults(fake) == {"identical": 5, "altered": [FIRST]}
    whole = (fake / FIRST).read_bytes()
    (fake / FIRST).write_bytes(whole[:-100])
    assert faults(fake) == {"identical": 5, "unreadable": [FIRST]}
    (fake / FIRST).unlink()
    Image.fromarray(draw_picture(FIRST)).save((fake / FIRST).with_suffix(".webp"))
    assert faults(fake) == {"identical": 5, "reformatted": [FIRST]}
    (fake / FIRST).with_suffix(".webp").unlink()
    Image.fromarray(draw_picture(FIRST)).save(fake / FIRST)
    assert faults(fake) == {"identical": 6}, "after the cause is gone"


@pytest.mark.parametrize(
    "name",
    [
        "training_data/fold_0/all/UID_7_1_1_all.bmp",
        "training_data/fold_0/other/picture.png",
        "training_data/fold_0/stray.bmp",
        f"testing_data/{FINAL}/2.bmp",
        "stray.bmp",
        "validation_data/1.bmp",
    ],
)
def test_extra_file_is_named(fake, name):
    (fake / name).parent.mkdir(exist_ok=True)
    Image.fromarray(draw_picture("extra")).save(fake / name)
    assert faults(fake) == {"identical": 6, "extra": [str(fake / name)]}


def test_second_copy_is_extra(fake):
    other = (fake / FIRST).with_suffix(".png")
    Image.fromarray(draw_picture("copy")).save(other)
    assert faults(fake) == {"identical": 6, "extra": [str(other)]}


@pytest.mark.parametrize("place", ["fold_1/all", "fold_0/hem"])
def test_misplaced_file_is_named_and_not_called_complete(fake, place):
    wrong = fake / "training_data" / place / "UID_1_1_1_all.bmp"
    wrong.parent.mkdir(exist_ok=True)
    (fake / FIRST).rename(wrong)
    said = f"training_data/{place}/UID_1_1_1_all.bmp (belongs to {FIRST})"
    assert faults(fake) == {"identical": 6, "misplaced": [said]}
    assert not check_download(fake, progress=False).complete


def test_counts_by_phase_fold_and_class_stand_before_the_summary(fake):
    (fake / FIRST).unlink()
    other = fake / "training_data/fold_0/all/UID_1_1_2_all.bmp"
    Image.fromarray(draw_picture("other")).save(other)
    report = check_download(fake, progress=False)
    assert [tuple(one.values()) for one in report.as_dict()["counts"]] == [
        ("train", "fold_0", "all", 2, 1, 0),
        ("train", "fold_0", "hem", 1, 1, 1),
        ("train", "fold_1", "hem", 1, 1, 1),
        ("test_prelim", None, "all", 1, 1, 1),
        ("test_final", None, None, 1, 1, 1),
    ]
    assert list(report.counts[0]) == ["phase", "fold", "class", "official", "found", "identical"]
    json.dumps(report.as_dict(), allow_nan=False)
    lines = report.as_text().splitlines()
    table = [line.split() for line in lines].index(list(report.counts[0]))
    assert lines[table + 1].split() == ["train", "fold_0", "all", "2", "1", "0"]
    assert lines[table + 5].split() == ["test_final", "-", "-", "1", "1", "1"]
    assert table > lines.index(f"  {FIRST}")
    assert lines[-1] == "The data set is not complete." and "4 of 6" in lines[-3]
    assert lines[-2] == "Download again what is missing, unreadable or altered."


def test_reencoded_images_are_usable_and_not_to_be_downloaded_again(fake):
    for path in [*fake.rglob("*.bmp")]:
        Image.open(path).save(path.with_suffix(".webp"), lossless=True)
        path.unlink()
    report = check_download(fake, progress=False)
    assert len(report.reformatted) == 6 and not report.missing and not report.complete
    assert "6 more were re-encoded: usable, but not the official bytes." in report.as_text()
    assert "again" not in report.as_text()
    assert all(one["found"] == one["official"] and not one["identical"] for one in report.counts)


HEAD = "Patient_ID,new_names,labels\n"
RIGHT = "UID_9_1_1_all.bmp,1.bmp,1\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is missing"),
        ("rubbish", "cannot be read"),
        (HEAD, "1.bmp should be UID_9_1_1_all.bmp, and has no row"),
        (HEAD + "UID_9_1_1_hem.bmp,1.bmp,0\n", "and is UID_9_1_1_hem.bmp"),
        (HEAD + "UID_8_1_1_all.bmp,1.bmp,1\n", "and is UID_8_1_1_all.bmp"),
        (HEAD + "UID_9_1_1_all.bmp,1.bmp,0\n", "two classes"),
        (HEAD + RIGHT + "UID_9_1_2_all.bmp,2.bmp,1\n", "2.bmp is on no list"),
    ],
)
def test_wrong_preliminary_labels_are_named_and_not_called_complete(fake, text, said):
    (fake / LABELS).unlink() if text is None else (fake / LABELS).write_text(text)
    found = faults(fake)
    (problem,) = found["labels"]
    assert said in problem and str(fake / LABELS) in problem
    assert found == {"identical": 6, "labels": [problem]}
    report = check_download(fake, progress=False)
    assert not report.complete and "label file of the preliminary phase again" in report.as_text()


def test_labels_count_only_where_the_preliminary_phase_is_there(fake):
    shutil.rmtree(fake / "validation_data")
    report = check_download(fake, progress=False)
    assert not report.labels and report.missing == [f"validation_data/{PRELIMINARY}/1.bmp"]
    (fake / "validation_data" / PRELIMINARY).mkdir(parents=True)
    assert not check_download(fake, progress=False).labels


def test_folder_that_is_no_download(tmp_path, fake):
    with pytest.raises(DataError, match="This is a file") as caught:
        check_download(fake / FIRST, progress=False)
    assert str(fake / FIRST) in str(caught.value)
    with pytest.raises(DataError, match="no such folder") as caught:
        check_download(tmp_path / "absent", progress=False)
    assert str(tmp_path / "absent") in str(caught.value)
    other = tmp_path / "B-ALL" / "Original" / "Pro"
    other.mkdir(parents=True)
    Image.fromarray(draw_picture("x")).save(other / "WBC-Malignant-Pro-001.jpg")
    with pytest.raises(DataError, match="Nothing of C-NMC 2019") as caught:
        check_download(tmp_path / "B-ALL", progress=False)
    assert str(tmp_path / "B-ALL") in str(caught.value)


def test_command_prints_json_and_fails_while_something_lacks(fake, capsys):
    assert cli.main(["data", "check", str(fake), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["complete"] is True
    (fake / FIRST).unlink()
    assert cli.main(["data", "check", str(fake), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["missing"] == [FIRST]
    assert cli.main(["data", "check", str(fake)]) == 1
    assert FIRST in capsys.readouterr().out
    assert cli.main(["data", "check", str(fake / "absent")]) == 1
    assert "absent" in capsys.readouterr().err


@pytest.mark.real
def test_real_bmp_files_are_identical(real_root):
    report = check_download(real_root / "C-NMC_bmp_sample", progress=False)
    assert report.identical == 24 and len(report.missing) == 15_114 - 24
    assert not (report.extra or report.unreadable or report.altered or report.misplaced)
    assert not report.complete


@pytest.mark.real
def test_real_cells_agree_with_the_list(real_root):
    cells, listed = load_cells(real_root / "C-NMC_bmp_sample"), official_cells()
    both = cells.merge(listed, on="image", suffixes=("", "_official"))
    assert len(both) == len(cells) == 24
    for column in set(COLUMNS) - {"image", "path"}:
        assert (both[column] == both[f"{column}_official"]).all(), column


# Downloads ----------------------------------------------------------------------------


def kaggle_raising(error: BaseException) -> SimpleNamespace:
    def dataset_download(_handle):
        raise error

    return SimpleNamespace(dataset_download=dataset_download)


def http_error(status: int) -> Exception:
    error = RuntimeError(f"{status} Client Error")
    error.response = SimpleNamespace(status_code=status)
    return error


class UnauthenticatedError(Exception):
    """As kagglehub's, whose message has no word of credentials."""


class CredentialError(Exception):
    pass


CREDENTIALS = "credentials are missing or refused"
FAILURES = {
    "401": (http_error(401), CREDENTIALS),
    "403": (http_error(403), CREDENTIALS),
    "404": (http_error(404), "404 Client Error"),
    "no login": (UnauthenticatedError("User is not authenticated"), CREDENTIALS),
    "no key": (CredentialError(), CREDENTIALS),
    "network": (ConnectionError("Name or service not known\nmore"), "Name or service not known"),
    "timeout": (TimeoutError(), "no details"),
}


@pytest.mark.parametrize("kind", FAILURES)
def test_failed_download_says_why_and_what_to_do(monkeypatch, kind):
    error, said = FAILURES[kind]
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle_raising(error))
    with pytest.raises(FetchError, match=said) as caught:
        fetch_dataset("cnmc2019")
    assert "andrewmvd/leukemia-classification" in str(caught.value)
    assert "same command again" in caught.value.remedy
    assert caught.value.__cause__ is error


def test_failed_connection_is_told_in_one_short_reason(monkeypatch):
    """As requests nests them: each prints all that it holds, address and query included."""
    innermost = OSError(-3, "Temporary failure in name resolution")
    retry = RuntimeError(f"HTTPSConnectionPool(host='x', port=443): {'url' * 200} {innermost!r}")
    retry.reason = RuntimeError("<urllib3.connection.HTTPSConnection object at 0x7f>: Failed")
    retry.reason.__cause__ = innermost
    for error in (ConnectionError(retry), ConnectionError("x" * 900)):
        monkeypatch.setitem(sys.modules, "kagglehub", kaggle_raising(error))
        with pytest.raises(FetchError, match=r"\(ConnectionError: ") as caught:
            fetch_dataset("cnmc2019")
        assert len(caught.value.what) < 200
    error = ConnectionError(retry)
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle_raising(error))
    with pytest.raises(FetchError, match="Temporary failure in name resolution") as caught:
        fetch_dataset("cnmc2019")
    assert "HTTPSConnection" not in caught.value.what
    retry.reason.__cause__ = None
    with pytest.raises(FetchError, match=r"\(ConnectionError: Failed\)"):
        fetch_dataset("cnmc2019")


def test_full_disk_during_a_download(monkeypatch):
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle_raising(full))
    with pytest.raises(DiskError, match="disk is full"):
        fetch_dataset("cnmc2019")


def test_missing_kagglehub(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DependencyError, match="kagglehub") as caught:
        fetch_dataset("ball2021")
    assert "pip install kagglehub" in caught.value.remedy


def test_interrupted_download_is_an_interrupt(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "kagglehub", kaggle_raising(KeyboardInterrupt()))
    assert cli.main(["data", "fetch", "cnmc2019"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_download_gives_its_folder(monkeypatch, tmp_path):
    asked = []
    module = SimpleNamespace(dataset_download=lambda handle: asked.append(handle) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "kagglehub", module)
    assert fetch_dataset("cnmc2019") == prepare_data("cnmc2019") == tmp_path
    assert fetch_dataset("ball2021") == tmp_path
    assert asked == ["andrewmvd/leukemia-classification"] * 2 + ["mehradaria/leukemia"]


def test_unknown_and_synthetic_names():
    with pytest.raises(RecipeError, match="Did you mean 'cnmc2019'"):
        fetch_dataset("cnmc2918")
    with pytest.raises(FetchError, match="made here") as caught:
        fetch_dataset("synthetic")
    assert "alllib data make" in caught.value.remedy
    with pytest.raises(FetchError, match="made here") as caught:
        fetch_dataset("synthetic-subtypes")
    assert "'synthetic-subtypes'" in caught.value.remedy


def test_prepare_smears(workspace):
    made = prepare_data("synthetic-subtypes", images=20, seed=5)
    assert made.is_relative_to(workspace / "_build" / "data")
    cells = load_cells(made)
    assert cells.attrs["dataset"] == "synthetic-subtypes" and len(cells) == 20
    before = sorted(path.stat().st_mtime_ns for path in made.rglob("*.jpg"))
    assert prepare_data("synthetic-subtypes", images=20, seed=5) == made
    assert sorted(path.stat().st_mtime_ns for path in made.rglob("*.jpg")) == before
    assert prepare_data("synthetic-subtypes", images=20, seed=6) != made
    assert prepare_data("synthetic-subtypes", images=21, seed=5) != made


def test_prepare_data(workspace, tmp_path):
    assert prepare_data(str(tmp_path)) == tmp_path
    made = prepare_data("synthetic", images=100, seed=5)
    assert made.is_relative_to(workspace) and len(load_cells(made)) == 100
    before = sorted(path.stat().st_mtime_ns for path in made.rglob("*.bmp"))
    assert prepare_data("synthetic", images=100, seed=5) == made
    assert sorted(path.stat().st_mtime_ns for path in made.rglob("*.bmp")) == before
    assert prepare_data("synthetic", images=100, seed=6) != made
