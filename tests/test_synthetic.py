"""Synthetic cells: bytes, layout, what the classes and the subjects show, and bad endings."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from alllib import synthetic
from alllib.baselines import describe_images, predict_forest
from alllib.datasets import load_cells
from alllib.errors import DataError, DiskError, ParameterError
from alllib.nuclei import draw_light, draw_nucleus, draw_piece, draw_stain
from alllib.splits import Split, make_split, scored_part, split_groups
from alllib.synthetic import SyntheticDesign, make_dataset, read_manifest

pytestmark = pytest.mark.usefixtures("workspace")
TINY = SyntheticDesign(images=16, subjects=8, seed=7, size=64)
NAME = re.compile(r"UID_(H?\d+)_(\d+)_(\d+)_(all|hem)\.bmp")


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.parent.iterdir() if "partial" in path.name]


def describe(picture: np.ndarray) -> list[float]:
    """Area, box and colour of a nucleus: what needs no network."""
    mask = picture.any(2)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    colours = picture[mask].astype(float)
    box = [np.ptp(rows) + 1, np.ptp(columns) + 1]
    return [mask.sum(), *box, *colours.mean(0), *colours.std(0)]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The default design at a smaller size, as (root, manifest, features, ALL)."""
    root = tmp_path_factory.mktemp("synthetic") / "cells"
    make_dataset(root, SyntheticDesign(size=160), progress=False)
    manifest = read_manifest(root)
    paths = sorted(root.rglob("*.bmp"))
    features = np.array([describe(np.asarray(Image.open(path))) for path in paths])
    blast = np.array([path.parent.name == "all" for path in paths])
    return root, manifest, features, blast


def test_same_seed_gives_the_same_bytes_for_any_number_of_workers(tmp_path):
    design = SyntheticDesign(images=40, subjects=8, seed=3, size=64)
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        make_dataset(tmp_path / name, design, workers=workers, progress=False)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "again") == hashes(tmp_path / "two")
    other = SyntheticDesign(images=40, subjects=8, seed=4, size=64)
    make_dataset(tmp_path / "other", other, progress=False)
    shared = set(hashes(tmp_path / "one").values()) & set(hashes(tmp_path / "other").values())
    assert not shared


def test_layout_is_the_official_one(full):
    root, manifest, *_ = full
    folds, fields, count = defaultdict(set), defaultdict(set), 0
    for path in root.rglob("*.bmp"):
        parts = path.relative_to(root).parts
        subject, field, _, kind = NAME.fullmatch(path.name).groups()
        assert parts[:2] == ("C-NMC_Leukemia", "training_data")
        assert parts[2] in ("fold_0", "fold_1", "fold_2") and parts[3] == kind
        assert subject.startswith("H") == (kind == "hem")
        folds[subject].add(parts[2])
        fields[subject].add(field)
        count += 1
    assert count == manifest["files"] == 1000
    assert len(folds) == 44 and all(len(found) == 1 for found in folds.values())
    assert sum(len(found) > 1 for found in fields.values()) > 22
    for fold in range(3):
        labels = {one["label"] for one in manifest["subjects"] if one["fold"] == fold}
        assert labels == {"ALL", "HEM"}
    sizes = [one["images"] for one in manifest["subjects"]]
    assert sum(sizes) == 1000 and min(sizes) >= 2 and max(sizes) > 2.5 * np.median(sizes)
    blasts = sum(one["images"] for one in manifest["subjects"] if one["label"] == "ALL")
    assert 0.62 < blasts / 1000 < 0.71


def test_planted_duplicates_are_identical_under_two_names_of_one_group(full):
    root, manifest, *_ = full
    subjects = {one["subject"]: one for one in manifest["subjects"]}
    by_hash = defaultdict(set)
    for path, digest in hashes(root).items():
        by_hash[digest].add(path)
    found = {frozenset(paths) for paths in by_hash.values() if len(paths) > 1}
    assert found == {frozenset(pair) for pair in manifest["duplicates"]}
    assert len(found) == 10
    for pair in manifest["duplicates"]:
        one, two = (subjects[NAME.fullmatch(Path(path).name)[1]] for path in pair)
        assert one["subject"] != two["subject"]
        assert one["label"] == two["label"] and one["group"] == two["group"]
    members = defaultdict(list)
    for one in manifest["subjects"]:
        members[one["group"]].append(one["subject"])
    assert all(group == min(names) for group, names in members.items())


@pytest.mark.parametrize("seed", range(5))
def test_a_small_set_has_at_least_four_duplicates(seed):
    design = SyntheticDesign(images=150, subjects=12, seed=seed)
    assert len(synthetic._plan(design)[2]) >= 4


@pytest.mark.parametrize("images, subjects", [(16, 8), (17, 8), (48, 24), (200, 9), (3000, 73)])
def test_every_possible_design_can_be_planned(images, subjects):
    design = SyntheticDesign(images=images, subjects=subjects)
    people, tasks, _ = synthetic._plan(design)
    paths = [path for task in tasks for path in task.paths]
    assert len(paths) == len(set(paths)) == images and len(people) == subjects
    for label in ("ALL", "HEM"):
        assert {one.fold for one in people if one.label == label} == {0, 1, 2}


def test_areas_of_the_classes_are_ordered_and_overlap(full):
    _, _, features, blast = full
    area = features[:, 0] * (450 / 160) ** 2
    assert 33_000 < np.median(area[blast]) < 39_500
    assert 22_000 < np.median(area[~blast]) < 27_500
    assert np.quantile(area[~blast], 0.95) > np.median(area[blast])
    assert 0.80 < roc_auc_score(blast, area) < 0.885


def test_pictures_are_purple_nuclei_in_the_middle_of_exact_black(tmp_path):
    design = SyntheticDesign(images=24, subjects=8, seed=1)
    make_dataset(tmp_path / "cells", design, progress=False)
    aside = []
    for path in (tmp_path / "cells").rglob("*.bmp"):
        with Image.open(path) as opened:
            assert opened.mode == "RGB" and opened.size == (450, 450)
            picture = np.asarray(opened)
        mask = picture.any(2)
        assert not mask[:8, :8].any() and not mask[-8:, -8:].any()
        assert 0.03 < mask.mean() < 0.35
        assert picture[mask].min() >= 1  # so that the mask can be found again
        middles = [np.flatnonzero(mask.any(axis)).take([0, -1]).mean() for axis in (0, 1)]
        aside.append(np.abs(np.array(middles) - 224.5).max())
        red, green, blue = picture[mask].mean(0)
        assert green < 0.65 * red and blue > 0.85 * red
        assert picture[mask].std(0).min() > 1.5  # texture, not a flat disc
    assert np.median(aside) < 6 and np.mean(np.array(aside) < 6) > 0.8  # few lie off the middle


def cell_table(design: SyntheticDesign) -> pd.DataFrame:
    """What a split needs of a design's cell table, from the plan alone."""
    people, tasks, _ = synthetic._plan(design)
    by_name = {one.name: one for one in people}
    rows = []
    for number, path in (
        (number, path) for number, task in enumerate(tasks) for path in task.paths
    ):
        subject, field, *_ = NAME.fullmatch(Path(path).name).groups()
        one = by_name[subject]
        rows.append(
            dict(image=Path(path).stem, label=one.label, subject=subject, group=one.group,
                 field=f"{subject}_{field}", fold=f"fold_{one.fold}", sha256=str(number))
        )  # fmt: skip
    return pd.DataFrame(rows)


@pytest.mark.parametrize("images, least", [(160, 2), (600, 3), (1000, 3)])
@pytest.mark.parametrize("seed", [2019, 1, 2])
def test_every_fold_holds_several_groups_of_each_class(images, least, seed):
    cells = cell_table(SyntheticDesign(images=images, seed=seed))
    for fold in range(5):
        groups = split_groups(cells, fold=fold).part("test").groupby("label").group.nunique()
        assert set(groups.index) == {"ALL", "HEM"} and groups.min() >= least, (fold, groups)
    shares = cells.subject.value_counts(normalize=True)
    assert 0.05 < shares.iloc[0] < 0.08 and shares.iloc[0] > 2.5 * shares.iloc[-1]


@pytest.mark.parametrize("images, subjects", [(16, 8), (60, 12), (160, 32), (220, 44), (9000, 44)])
def test_small_sets_have_fewer_subjects(images, subjects):
    assert SyntheticDesign(images=images).subjects == subjects


def test_image_split_looks_better_than_group_split(full):
    root, *_ = full
    cells = load_cells(root)
    features = describe_images(cells).set_index(cells.image)

    def right(split: Split) -> np.ndarray:
        found = predict_forest(split, features)
        found = found[found.part == scored_part(split)]
        return ((found.p_ALL > found.p_HEM) == (found.label == "ALL")).to_numpy()

    image = np.mean([right(make_split(cells, "image", seed=seed)).mean() for seed in range(3)])
    group = np.concatenate([right(split_groups(cells, fold=fold)) for fold in range(5)]).mean()
    assert image > group + 0.04
    assert 0.86 < image < 0.94 and 0.77 < group < 0.86


@pytest.mark.parametrize(
    "values, where",
    [
        ({"subjects": 7}, "subjects"),
        ({"subjects": None}, "subjects"),
        ({"images": 47, "subjects": 24}, "images"),
        ({"images": 15}, "images"),
        ({"images": 1000.0}, "images"),
        ({"images": True}, "images"),
        ({"seed": -1}, "seed"),
        ({"size": 31}, "size"),
        ({"format": "jpg"}, "format"),
    ],
)
def test_impossible_design_is_refused(values, where):
    with pytest.raises(ParameterError) as caught:
        SyntheticDesign(**values)
    assert caught.value.where == where


def test_workers_must_be_positive(tmp_path):
    with pytest.raises(ParameterError):
        make_dataset(tmp_path / "cells", TINY, workers=0)
    assert not (tmp_path / "cells").exists()


def test_finished_set_is_left_as_it_is(tmp_path, monkeypatch):
    root = make_dataset(tmp_path / "cells", TINY, progress=False)
    monkeypatch.setattr(synthetic, "_draw_all", None)  # would fail if called
    assert make_dataset(root, TINY, progress=False) == root


def test_png_holds_the_same_pixels(tmp_path):
    design = SyntheticDesign(images=16, subjects=8, seed=7, size=64, format="png")
    first = make_dataset(tmp_path / "bmp", TINY, progress=False)
    second = make_dataset(tmp_path / "png", design, progress=False)
    for path in first.rglob("*.bmp"):
        twin = second / path.relative_to(first).with_suffix(".png")
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(twin)))


def test_other_design_in_place_is_refused_and_kept(tmp_path):
    root = make_dataset(tmp_path / "cells", TINY, progress=False)
    before = hashes(root)
    with pytest.raises(DataError, match="another design"):
        make_dataset(root, SyntheticDesign(images=17, subjects=8, seed=7, size=64))
    assert hashes(root) == before


def test_foreign_folder_and_file_are_refused_and_kept(tmp_path):
    folder, file = tmp_path / "mine", tmp_path / "note.txt"
    folder.mkdir()
    (folder / "thesis.txt").write_text("precious")
    file.write_text("precious")
    for place in (folder, file):
        with pytest.raises(DataError, match="something else"):
            make_dataset(place, TINY)
    assert (folder / "thesis.txt").read_text() == file.read_text() == "precious"


def test_empty_folder_is_filled(tmp_path):
    (tmp_path / "cells").mkdir()
    assert read_manifest(make_dataset(tmp_path / "cells", TINY, progress=False))["files"] == 16


def test_lost_image_and_damaged_manifest_are_named(tmp_path):
    root = make_dataset(tmp_path / "cells", TINY, progress=False)
    next(root.rglob("*.bmp")).unlink()
    with pytest.raises(DataError, match="15 images and should have 16"):
        make_dataset(root, TINY)
    (root / "synthetic.json").write_text('{"design":')
    with pytest.raises(DataError, match="damaged"):
        read_manifest(root)
    assert read_manifest(tmp_path / "nowhere") is None


def test_set_whose_manifest_does_not_say_what_it_is_stands_as_before(tmp_path):
    root = make_dataset(tmp_path / "cells", TINY, progress=False)
    manifest = read_manifest(root)
    manifest.pop("dataset")  # as it was written before there were smears
    (root / "synthetic.json").write_text(json.dumps(manifest))
    assert make_dataset(root, TINY, progress=False) == root
    assert read_manifest(root)["dataset"] == "synthetic"
    (root / "synthetic.json").write_text(json.dumps(manifest | {"dataset": "other"}))
    with pytest.raises(DataError, match="damaged"):
        read_manifest(root)


def test_drawing_is_that_of_its_generator():
    """The pieces that smears are made of are those of the cells: same stream, same pixels."""
    stain, light = draw_stain(np.random.default_rng(1)), draw_light(np.random.default_rng(2))
    whole = draw_nucleus(np.random.default_rng(3), "ALL", stain, light, size=160)
    piece = draw_piece(np.random.default_rng(3), "ALL", stain, light, scale=160 / 450)
    rows, columns = (np.flatnonzero(whole.any((axis, 2))) for axis in (1, 0))
    box = whole[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert np.array_equal(box, piece)


@pytest.mark.parametrize(
    "number, error", [(errno.ENOSPC, DiskError), (errno.EROFS, DiskError), (errno.EIO, OSError)]
)
def test_failed_writing_leaves_nothing_and_a_repeat_succeeds(tmp_path, monkeypatch, number, error):
    root, saved, left = tmp_path / "cells", Image.Image.save, [9]

    def save(self, *arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number), str(arguments[0]))
        return saved(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save)
        with pytest.raises(error):
            make_dataset(root, TINY, workers=1, progress=False)
    assert left[0] < 0 and not root.exists() and not leftovers(root)
    make_dataset(root, TINY, progress=False)
    assert len(list(root.rglob("*.bmp"))) == 16


def _full_disk(root, batch):
    """Stands in for the drawing; at module level, so that a worker process finds it."""
    raise OSError(errno.ENOSPC, "No space left on device", root)


def _die(root, batch):
    os._exit(9)


@pytest.mark.parametrize("drawing, error", [(_full_disk, DiskError), (_die, DataError)])
def test_failed_worker_leaves_nothing_and_a_repeat_succeeds(tmp_path, monkeypatch, drawing, error):
    root = tmp_path / "cells"
    with monkeypatch.context() as patch:
        patch.setattr(synthetic, "_draw_batch", drawing)
        with pytest.raises(error):
            make_dataset(root, TINY, workers=2, progress=False)
    assert not root.exists() and not leftovers(root)
    make_dataset(root, TINY, progress=False)
    assert read_manifest(root)["files"] == 16


def test_killed_generation_counts_for_nothing_and_its_workers_end(tmp_path):
    root = tmp_path / "cells"
    script = tmp_path / "make.py"
    script.write_text(
        "import sys\n"
        "from alllib.synthetic import SyntheticDesign, make_dataset\n"
        "if __name__ == '__main__':\n"
        "    design = SyntheticDesign(images=3000, subjects=8, seed=7, size=128)\n"
        "    make_dataset(sys.argv[1], design, workers=2, progress=False)\n"
    )
    source = Path(synthetic.__file__).parents[1]
    process = subprocess.Popen(
        [sys.executable, str(script), str(root)], env={**os.environ, "PYTHONPATH": str(source)}
    )
    partial = root.with_name(".cells.partial")
    until = time.monotonic() + 60
    while len(list(partial.rglob("*.bmp"))) < 20 and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    written = len(list(partial.rglob("*.bmp")))
    time.sleep(0.5)
    assert 20 <= written == len(list(partial.rglob("*.bmp"))) < 3000
    assert not root.exists()
    make_dataset(root, TINY, progress=False)
    assert len(list(root.rglob("*.bmp"))) == 16 and not leftovers(root)


def test_second_process_waits_and_finds_the_work_done(tmp_path):
    root = tmp_path / "cells"
    code = (
        "import sys; from alllib.synthetic import *\n"
        "make_dataset(sys.argv[1], SyntheticDesign(images=90, subjects=8, size=200),"
        " workers=1, progress=False)"
    )
    source = Path(synthetic.__file__).parents[1]
    both = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(root)], env={**os.environ, "PYTHONPATH": str(source)}
        )
        for _ in range(2)
    ]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(list(root.rglob("*.bmp"))) == 90 and not leftovers(root)


def test_manifest_states_the_design(full):
    root, manifest, *_ = full
    assert json.loads((root / "synthetic.json").read_text()) == manifest
    assert SyntheticDesign(**manifest["design"]) == SyntheticDesign(size=160)
    assert manifest["generator"] == synthetic.GENERATOR and manifest["dataset"] == "synthetic"
    assert set(manifest["subjects"][0]) == {"subject", "label", "group", "fold", "images"}
