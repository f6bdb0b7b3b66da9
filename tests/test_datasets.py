"""The cell table: layouts, names, classes, and every way in which a download can be broken."""

from __future__ import annotations

import errno
import os
import random
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CNMC_CELLS, draw_picture
from PIL import Image

from alllib import datasets
from alllib.datasets import (
    COLUMNS,
    DATASETS,
    data_fingerprint,
    detect_dataset,
    get_dataset,
    load_cells,
)
from alllib.errors import DataError, DiskError, ImageError, RecipeError
from alllib.images import read_image
from alllib.layouts import (
    FINAL,
    PRELIMINARY,
    PRELIMINARY_LABELS,
    image_number,
    subject_groups,
)
from alllib.smears import SmearDesign, make_smears
from alllib.synthetic import SyntheticDesign, make_dataset

pytestmark = pytest.mark.usefixtures("workspace")
FIRST = "training_data/fold_0/all/UID_1_1_1_all.bmp"
LABELS = {"1": "UID_9_1_1_all", "2": "UID_H9_1_1_hem", "10": "UID_9_2_1_all"}


def write_preliminary(root: Path, labels: dict[str, str], *, beside: bool = True) -> Path:
    """Preliminary phase: numbered files, and a label file in shuffled order; its path."""
    folder = root / "validation_data" / PRELIMINARY
    folder.mkdir(parents=True)
    for number, name in labels.items():
        Image.fromarray(draw_picture(name)).save(folder / f"{number}.bmp")
    rows = [f"{name}.bmp,{n}.bmp,{int(name.endswith('all'))}" for n, name in labels.items()]
    random.Random(1).shuffle(rows)
    table = (folder.parent if beside else folder) / PRELIMINARY_LABELS
    table.write_text("\r\n".join(["Patient_ID,new_names,labels", *rows, ""]))
    return table


def write_final(root: Path, numbers=(1, 2, 10)) -> None:
    folder = root / "testing_data" / FINAL
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(draw_picture(f"final {number}", 600)).save(folder / f"{number}.bmp")


def write_ball(root: Path) -> Path:
    for label in DATASETS["ball2021"].classes:
        name = "WBC-Benign" if label == "Benign" else f"WBC-Malignant-{label}"
        for top in ("Original", "Segmented"):
            folder = root / top / label
            folder.mkdir(parents=True)
            for number in (1, 2):
                picture = Image.fromarray(draw_picture(f"{label}{number}"))
                picture.save(folder / f"{name}-{number:03d}.jpg")
    return root


def assert_names(error: DataError, *words: object) -> None:
    """The message names each word and ends in a remedy."""
    for word in words:
        assert str(word) in str(error)
    assert len(error.remedy) > 10


# Layouts ------------------------------------------------------------------------------


@pytest.mark.parametrize("top", ["training_data", "", "C-NMC_Leukemia/training_data"])
@pytest.mark.parametrize("suffix", [".bmp", ".png", ".jpg", ".webp", ".BMP"])
def test_both_archives_in_each_format(tmp_path, write_cnmc, top, suffix):
    root = write_cnmc(tmp_path / "data", top=top, suffix=suffix)
    cells = load_cells(root)
    assert list(cells.columns) == COLUMNS and cells.attrs["dataset"] == "cnmc2019"
    assert sorted(cells.image) == sorted(name for _, _, name in CNMC_CELLS)
    assert set(cells.label) == {"ALL", "HEM"} and set(cells.fold) == {"fold_0", "fold_1", "fold_2"}
    assert (cells[["width", "height"]] == 24).all(axis=None)
    assert not cells.isna().any(axis=None)


def test_columns_of_one_cell(tmp_path, write_cnmc):
    cells = load_cells(write_cnmc(tmp_path / "data")).set_index("image")
    row = cells.loc["UID_h3_2_1_hem"]
    assert row.label == "HEM" and row.fold == "fold_2" and row.field == "h3_2"
    assert row.subject == "h3", "the lower-case name of the official list stays"
    assert row.group == "H10", "h3 shares cells with H10"
    assert cells.loc["UID_H2_1_1_hem"].group == "H2" and cells.loc["UID_1_1_1_all"].group == "1"
    assert np.array_equal(read_image(row.path), draw_picture("UID_h3_2_1_hem"))


def test_groups_of_the_official_names():
    groups = subject_groups()
    assert len(groups) == 13 and len(set(groups.values())) == 4
    assert groups["21"] == groups["20"] and groups["78"] == groups["75"] == groups["55"] == "51"
    assert {groups[name] for name in ("H2", "H4", "H5", "H6", "H7")} == {"H2"}


def test_litter_is_left_out(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    clean = load_cells(root)
    folder = root / "training_data/fold_0/all"
    for name in ("._UID_1_1_1_all.bmp", ".DS_Store", "Thumbs.db", "notes.txt", ".hidden.png"):
        (folder / name).write_bytes(b"litter")
    write_cnmc(root / "__MACOSX")
    (root / "training_data/fold_0/__MACOSX").mkdir()
    (root / "training_data/fold_0/notes").mkdir()
    pd.testing.assert_frame_equal(load_cells(root), clean)


def test_table_does_not_depend_on_the_order_of_the_folder(tmp_path, write_cnmc, monkeypatch):
    root = write_cnmc(tmp_path / "data")
    forward, iterdir = load_cells(root), Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda self: reversed(sorted(iterdir(self))))
    pd.testing.assert_frame_equal(load_cells(root), forward)


@pytest.mark.parametrize("beside", [True, False])
def test_preliminary_labels_are_joined_by_new_names(tmp_path, write_cnmc, beside):
    root = write_cnmc(tmp_path / "data")
    write_preliminary(root, LABELS, beside=beside)
    cells = load_cells(root)
    preliminary = cells[cells.fold == "preliminary"].set_index("image")
    assert sorted(preliminary.index) == sorted(LABELS.values())
    for number, name in LABELS.items():
        row = preliminary.loc[name]
        assert Path(row.path).name == f"{number}.bmp"
        assert row.label == name.rsplit("_", 1)[-1].upper() and row.subject == name.split("_")[1]
        assert np.array_equal(read_image(row.path), draw_picture(name))


def test_final_images_have_no_label_and_keep_their_size(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    write_final(root)
    cells = load_cells(root)
    final = cells[cells.fold == "final"]
    assert list(final.image) == ["final_1", "final_10", "final_2"]
    assert (final[["width", "height"]] == 600).all(axis=None)
    assert final[["label", "subject", "group", "field"]].isna().all(axis=None)
    assert len(cells) == len(CNMC_CELLS) + 3


def test_ball_layout(tmp_path):
    cells = load_cells(write_ball(tmp_path / "B-ALL"))
    assert cells.attrs["dataset"] == "ball2021" and len(cells) == 8
    assert cells.label.value_counts().to_dict() == dict(Benign=2, Early=2, Pre=2, Pro=2)
    assert cells[["subject", "group", "field", "fold"]].isna().all(axis=None)
    assert all("Original" in path for path in cells.path)


def test_synthetic_folder_takes_the_groups_of_its_manifest(tmp_path):
    root = make_dataset(
        tmp_path / "cells", SyntheticDesign(images=32, subjects=8, size=32), progress=False
    )
    cells = load_cells(root)
    assert cells.attrs["dataset"] == "synthetic" and len(cells) == 32
    assert cells.group.notna().all() and cells.group.nunique() < cells.subject.nunique()
    Path(cells.path[0]).unlink()
    with pytest.raises(DataError, match="promises 32 images, 31 are here") as caught:
        load_cells(root)
    assert_names(caught.value, root)


def test_synthetic_smears_are_told_from_ball_by_their_manifest(tmp_path):
    root = make_smears(tmp_path / "smears", SmearDesign(images=20, size=32))
    assert detect_dataset(root) == "synthetic-subtypes"
    cells, twin = load_cells(root), get_dataset("ball2021")
    assert cells.attrs["dataset"] == "synthetic-subtypes" and len(cells) == 20
    assert cells[["subject", "group", "field", "fold"]].isna().all(axis=None)
    entry = get_dataset("synthetic-subtypes")
    assert (entry.classes, entry.positive) == (twin.classes, "")
    assert entry.protocols == twin.protocols == ("image", "blocks") and entry.kaggle is None
    with pytest.raises(DataError, match="no finished data set 'synthetic'") as caught:
        load_cells(root, "synthetic")
    assert_names(caught.value, root)
    Path(cells.path[0]).unlink()
    with pytest.raises(DataError, match="promises 20 images, 19 are here") as caught:
        load_cells(root)
    assert_names(caught.value, root)
    (root / "synthetic.json").unlink()
    assert detect_dataset(root) == "ball2021"
    with pytest.raises(DataError, match="no finished data set 'synthetic-subtypes'"):
        load_cells(root, "synthetic-subtypes")


def test_numbers_are_those_of_the_names():
    assert image_number("WBC-Malignant-Early-012") == 12 and image_number("WBC-Pro-1004") == 1004
    assert image_number("WBC-Benign-001") == 1
    for name in ("UID_1_2_3_all", "WBC-Other-001", "WBC-Pro", ""):
        assert image_number(name) is None


def test_fingerprint_follows_the_bytes_and_not_the_place(tmp_path, write_cnmc):
    one = load_cells(write_cnmc(tmp_path / "one"))
    two = load_cells(write_cnmc(tmp_path / "two", top=""))
    assert data_fingerprint(one) == data_fingerprint(two.sample(frac=1, random_state=1))
    other = two.assign(label=two.label.where(two.index != 0, "HEM"))
    assert data_fingerprint(other) != data_fingerprint(one)
    other = two.assign(sha256=two.sha256.where(two.index != 0, "0" * 64))
    assert data_fingerprint(other) != data_fingerprint(one)


# The cache of sizes and hashes --------------------------------------------------------


def test_hashes_are_read_once_and_again_when_a_file_changes(tmp_path, write_cnmc, monkeypatch):
    root = write_cnmc(tmp_path / "data")
    measured, measure = [], datasets._measure

    def counted(path):
        measured.append(path)
        return measure(path)

    monkeypatch.setattr(datasets, "_measure", counted)
    before = load_cells(root)
    assert len(measured) == len(before)
    pd.testing.assert_frame_equal(load_cells(root), before)
    assert len(measured) == len(before), "the second time comes from the cache"
    path = root / FIRST
    stat = path.stat()
    Image.fromarray(draw_picture("another")).save(path)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))  # same size, later by 1 ns
    after = load_cells(root)
    changed = before.image[before.sha256 != after.sha256]
    assert list(changed) == ["UID_1_1_1_all"]


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"rubbish" * 50])
def test_damaged_cache_is_measured_anew(tmp_path, write_cnmc, workspace, damage):
    root = write_cnmc(tmp_path / "data")
    before = load_cells(root)
    (cache,) = (workspace / "_build" / "cells").glob("*.parquet")
    whole = cache.read_bytes()
    cache.write_bytes(damage)
    pd.testing.assert_frame_equal(load_cells(root), before)
    assert cache.read_bytes() == whole


def test_full_disk_while_the_cache_is_written(tmp_path, write_cnmc, workspace, monkeypatch):
    root = write_cnmc(tmp_path / "data")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        with pytest.raises(DiskError, match="disk is full") as caught:
            load_cells(root)
    assert str(workspace) in str(caught.value)
    assert not any((workspace / "_build" / "cells").iterdir())
    assert len(load_cells(root)) == len(CNMC_CELLS)


# Bad input: folders -------------------------------------------------------------------


def test_unknown_data_set_and_folder(tmp_path):
    with pytest.raises(RecipeError, match="Did you mean 'cnmc2019'"):
        get_dataset("cnmc2018")
    for dataset in (None, "cnmc2019", "ball2021"):
        with pytest.raises(DataError, match="no such folder") as caught:
            load_cells(tmp_path / "absent", dataset)
        assert_names(caught.value, tmp_path / "absent")
    (tmp_path / "file").touch()
    for dataset in (None, "cnmc2019", "ball2021", "synthetic"):
        with pytest.raises(DataError, match="This is a file") as caught:
            load_cells(tmp_path / "file", dataset)
        assert_names(caught.value, tmp_path / "file")


@pytest.mark.parametrize("dataset", [None, *DATASETS])
def test_folder_that_is_no_data_set(tmp_path, dataset):
    (tmp_path / "pictures").mkdir()
    Image.fromarray(draw_picture("x")).save(tmp_path / "pictures" / "holiday.bmp")
    with pytest.raises(DataError) as caught:
        load_cells(tmp_path, dataset)
    assert_names(caught.value, tmp_path)


def test_detect_dataset(tmp_path, write_cnmc):
    assert detect_dataset(write_cnmc(tmp_path / "a")) == "cnmc2019"
    assert detect_dataset(write_ball(tmp_path / "b")) == "ball2021"
    shutil.rmtree(tmp_path / "b" / "Original" / "Pro")
    shutil.rmtree(tmp_path / "b" / "Segmented" / "Pro")
    with pytest.raises(DataError, match="none of the known"):
        detect_dataset(tmp_path / "b")


def test_empty_class_folder(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    folder = root / "training_data/fold_1/hem"
    kept = tmp_path / "kept"
    folder.rename(kept)
    folder.mkdir()
    (folder / "._UID_H2_1_1_hem.bmp").write_bytes(b"litter")
    with pytest.raises(DataError, match="no image") as caught:
        load_cells(root)
    assert_names(caught.value, folder)
    shutil.rmtree(folder)
    kept.rename(folder)
    assert len(load_cells(root)) == len(CNMC_CELLS)


@pytest.mark.parametrize("label", ["all", "hem"])
def test_class_that_lacks_everywhere(tmp_path, write_cnmc, label):
    cells = [cell for cell in CNMC_CELLS if cell[1] != label]
    with pytest.raises(DataError, match=f"no image of class {label.upper()}") as caught:
        load_cells(write_cnmc(tmp_path / "data", cells=cells))
    assert_names(caught.value, tmp_path / "data")


@pytest.mark.parametrize("name", ["ALL", "hem2", "other"])
def test_folder_of_images_that_is_no_class(tmp_path, write_cnmc, name):
    root = write_cnmc(tmp_path / "data")
    unknown = root / "training_data/fold_0" / name
    (root / "training_data/fold_0/all").rename(unknown)
    with pytest.raises(DataError, match="none of the classes") as caught:
        load_cells(root)
    assert_names(caught.value, unknown)
    unknown.rename(unknown.with_name("all"))
    assert len(load_cells(root)) == len(CNMC_CELLS)


@pytest.mark.parametrize("lister", ["iterdir", "walk"])
def test_folder_that_cannot_be_listed_is_not_taken_for_an_empty_one(
    tmp_path, write_cnmc, monkeypatch, lister
):
    root = write_cnmc(tmp_path / "data")
    write_final(root)
    closed = root / ("training_data/fold_1/all" if lister == "iterdir" else "testing_data")
    real = {"iterdir": Path.iterdir, "walk": os.scandir}[lister]

    def refuse(path, *rest):
        if Path(path) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *rest)

    with monkeypatch.context() as patch:
        if lister == "iterdir":
            patch.setattr(Path, "iterdir", refuse)
        else:
            patch.setattr(os, "scandir", refuse)
        with pytest.raises(DataError, match="cannot be listed") as caught:
            load_cells(root)
    assert_names(caught.value, closed)
    assert len(load_cells(root)) == len(CNMC_CELLS) + 3


# Bad input: names and classes ---------------------------------------------------------


WRONG = ("UID_1_1_all", "UID_X1_1_1_all", "uid_1_1_1_all", "UID_1_1_1_ALL", "cell",
         "UID_1_1_1_all (1)")  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_wrong_file_name(tmp_path, write_cnmc, name):
    root = write_cnmc(tmp_path / "data")
    path = (root / FIRST).rename((root / FIRST).with_name(f"{name}.bmp"))
    with pytest.raises(DataError, match="does not have the form UID_") as caught:
        load_cells(root)
    assert_names(caught.value, path)
    path.rename(root / FIRST)
    assert len(load_cells(root)) == len(CNMC_CELLS)


def test_name_and_folder_that_disagree(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    path = (root / FIRST).rename(root / "training_data/fold_0/hem/UID_1_1_1_all.bmp")
    with pytest.raises(DataError, match="name says class 'all', the folder says 'hem'") as caught:
        load_cells(root)
    assert_names(caught.value, path)


def test_ball_name_and_folder(tmp_path):
    root = write_ball(tmp_path / "B-ALL")
    path = root / "Original/Pre/WBC-Malignant-Pre-001.jpg"
    wrong = path.rename(root / "Original/Pro/WBC-Malignant-Pre-001.jpg")
    with pytest.raises(DataError, match="name says class 'Pre', the folder says 'Pro'") as caught:
        load_cells(root)
    assert_names(caught.value, wrong)
    other = wrong.rename(root / "Original/Pro/blast.jpg")
    with pytest.raises(DataError, match="does not have the form WBC-") as caught:
        load_cells(root)
    assert_names(caught.value, other)


@pytest.mark.parametrize("second", ["fold_1/all/UID_1_1_1_all.bmp", "fold_0/all/UID_1_1_1_all.png"])
def test_name_that_is_there_twice(tmp_path, write_cnmc, second):
    root = write_cnmc(tmp_path / "data")
    copy = root / "training_data" / second
    Image.fromarray(draw_picture("copy")).save(copy)
    with pytest.raises(DataError, match=r"'UID_1_1_1_all' is there twice \(1 such") as caught:
        load_cells(root)
    assert_names(caught.value, root / FIRST, copy)
    copy.unlink()
    assert len(load_cells(root)) == len(CNMC_CELLS)


def test_same_bytes_in_two_classes(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    other = root / "training_data/fold_2/hem/UID_h3_1_1_hem.bmp"
    shutil.copyfile(root / FIRST, other)
    with pytest.raises(DataError, match="One image has two classes, ALL and HEM") as caught:
        load_cells(root)
    assert_names(caught.value, root / FIRST, other)


def test_same_bytes_in_one_class_are_kept(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    shutil.copyfile(root / FIRST, root / "training_data/fold_2/all/UID_11_1_1_all.bmp")
    assert load_cells(root).sha256.duplicated().sum() == 1


def test_preliminary_name_that_is_in_training_under_another_class(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    write_preliminary(root, {"1": "UID_1_1_1_all"})
    with pytest.raises(DataError, match="is there twice") as caught:
        load_cells(root)
    assert_names(caught.value, root / FIRST, "1.bmp")


# Bad input: the label file ------------------------------------------------------------


def test_label_file_that_lacks_or_lacks_a_row(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    table = write_preliminary(root, LABELS)
    whole = table.read_bytes()
    table.unlink()
    with pytest.raises(DataError, match="label file .* is missing") as caught:
        load_cells(root)
    assert_names(caught.value, table)
    table.write_bytes(b"".join(x for x in whole.splitlines(True) if b"10.bmp" not in x))
    with pytest.raises(DataError, match=r"no row for '10\.bmp'") as caught:
        load_cells(root)
    assert_names(caught.value, "10.bmp", table)
    table.write_bytes(whole)
    assert len(load_cells(root)) == len(CNMC_CELLS) + 3


HEAD = "Patient_ID,new_names,labels\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be read"),
        ("name,number\nUID_9_1_1_all.bmp,1.bmp\n", "cannot be read"),
        ("\x00\x01\xff", "cannot be read"),
        (HEAD + "UID_9_1_1_all.bmp,1.bmp,1\nUID_9_2_1_all.bmp,1.bmp,1\n", "twice"),
        (HEAD + "UID_9_1_1_all.bmp,1.bmp,0\n", "two classes"),
        (HEAD + "UID_9_1_1_all.bmp,1.bmp,\n", "two classes"),
        (HEAD + ",1.bmp,1\n", "two classes"),
        (HEAD + "UID_9_1_all.bmp,1.bmp,1\n", "does not have the form"),
    ],
)
def test_damaged_label_file(tmp_path, write_cnmc, text, said):
    root = write_cnmc(tmp_path / "data")
    table = write_preliminary(root, {"1": "UID_9_1_1_all"})
    table.write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=said) as caught:
        load_cells(root)
    assert_names(caught.value, table)


# Bad input: images --------------------------------------------------------------------


def grey(path: Path) -> None:
    Image.fromarray(draw_picture("x")[..., 0]).save(path)


def palette(path: Path) -> None:
    Image.fromarray(draw_picture("x")).quantize(16).save(path)


def zero(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("<html>not found</html>")


def bomb(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[18:26] = (200_000).to_bytes(4, "little") * 2  # width and height of a BMP
    path.write_bytes(data)


def header_only(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (zero, "empty"),
        (grey, "not RGB"),
        (palette, "not RGB"),
        (text, "cannot be read"),
        (bomb, "cannot be read"),
        (header_only, "cannot be read"),
    ],
)
def test_image_that_cannot_be_used(tmp_path, write_cnmc, workspace, spoil, said):
    root = write_cnmc(tmp_path / "data")
    spoil(root / FIRST)
    with pytest.raises(ImageError, match=said) as caught:
        load_cells(root)
    assert_names(caught.value, root / FIRST)
    assert not list(workspace.rglob("*.parquet")), "nothing is remembered of a broken download"
    write_cnmc(root)
    assert len(load_cells(root)) == len(CNMC_CELLS)


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".jpg", ".webp"])
def test_truncated_image_is_refused_by_name_though_its_header_is_whole(
    tmp_path, write_cnmc, workspace, suffix
):
    root = write_cnmc(tmp_path / "data", suffix=suffix)
    path = (root / FIRST).with_suffix(suffix)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(ImageError, match="cannot be read") as caught:
        load_cells(root)
    assert_names(caught.value, path)
    assert not list(workspace.rglob("*.parquet"))
    path.write_bytes(whole)
    assert len(load_cells(root)) == len(CNMC_CELLS)


def test_link_that_leads_nowhere_is_named(tmp_path, write_cnmc):
    root = write_cnmc(tmp_path / "data")
    target = (root / FIRST).rename(tmp_path / "elsewhere.bmp")
    (root / FIRST).symlink_to(target)
    assert len(load_cells(root)) == len(CNMC_CELLS)
    target.unlink()
    with pytest.raises(ImageError, match="no such image file") as caught:
        load_cells(root)
    assert_names(caught.value, root / FIRST)


@pytest.mark.parametrize("mode", ["RGBA", "L", "I;16", "CMYK", "1", "P", "LA"])
def test_read_image_wants_rgb(tmp_path, mode):
    path = tmp_path / ("a.jpg" if mode == "CMYK" else "a.png")
    Image.new(mode, (8, 8)).save(path)
    with pytest.raises(ImageError, match="not RGB") as caught:
        read_image(path)
    assert_names(caught.value, path, repr(mode), "convert('RGB')")


@pytest.mark.parametrize("suffix", [".bmp", ".png", ".jpg", ".webp"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.9])
def test_read_image_refuses_truncated_files(tmp_path, suffix, share):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(draw_picture("a", 64)).save(path)
    whole = path.read_bytes()
    assert read_image(path).shape == (64, 64, 3)
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ImageError, match="cannot be read") as caught:
        read_image(path)
    assert_names(caught.value, path)
    path.write_bytes(whole)
    assert read_image(path).dtype == np.uint8


@pytest.mark.filterwarnings("ignore")  # Pillow warns of odd headers; the errors matter here
@pytest.mark.parametrize("suffix", [".bmp", ".png", ".jpg", ".webp"])
def test_damaged_bytes_give_an_image_or_an_image_error(tmp_path, suffix):
    path, rng = tmp_path / f"a{suffix}", random.Random(3)
    Image.fromarray(draw_picture("a")).save(path)
    whole, refused = path.read_bytes(), 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.randrange(min(len(whole), 60))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            assert read_image(path).shape[2] == 3
        except ImageError:
            refused += 1
    assert refused > 10


def test_read_image_of_a_missing_file_or_a_folder(tmp_path):
    for path, said in ((tmp_path / "a.bmp", "no such image file"), (tmp_path, "cannot be read")):
        with pytest.raises(ImageError, match=said) as caught:
            read_image(path)
        assert_names(caught.value, path)


# Real images --------------------------------------------------------------------------


@pytest.mark.real
def test_real_images(real_root):
    cells = load_cells(real_root / "C-NMC_Leukemia")
    assert len(cells) == 7569 and cells.subject.nunique() == 48
    assert cells.label.value_counts().to_dict() == {"ALL": 5203, "HEM": 2366}
    assert (cells[["width", "height"]] == 450).all(axis=None)
    assert "h3" in set(cells.subject) and (cells.subject == "h3").sum() == 36
    assert cells.group.nunique() < cells.subject.nunique()


@pytest.mark.real
def test_real_ball(real_root):
    cells = load_cells(real_root / "B-ALL")
    assert cells.label.value_counts().to_dict() == dict(Benign=504, Early=985, Pre=963, Pro=804)
    assert cells.sha256.nunique() == 3216 and (cells.width == 224).all()
    twice = cells[cells.sha256.duplicated(keep=False)]
    assert set(twice.label) == {"Pro"} and len(twice) == 80
