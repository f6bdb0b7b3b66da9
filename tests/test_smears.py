"""Synthetic smears: bytes, layout, what the classes show, and bad endings."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from alllib import smears
from alllib.datasets import DATASETS, load_cells
from alllib.errors import DataError, DiskError, ParameterError
from alllib.layouts import image_number
from alllib.smears import SmearDesign, draw_person, draw_smear, make_smears
from alllib.splits import split_blocks
from alllib.synthetic import SyntheticDesign, make_dataset, read_manifest

pytestmark = pytest.mark.usefixtures("workspace")
CLASSES = DATASETS["ball2021"].classes
TINY = SmearDesign(images=20, seed=7, size=48)
REAL = {"Benign": 504, "Early": 985, "Pre": 963, "Pro": 804}


def hashes(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def leftovers(root: Path) -> list[str]:
    return [path.name for path in root.parent.iterdir() if "partial" in path.name]


def describe(path: str) -> np.ndarray:
    """Six numbers of a picture: mean and deviation of red, green and blue."""
    pixels = np.asarray(Image.open(path)).reshape(-1, 3).astype(float)
    return np.concatenate([pixels.mean(0), pixels.std(0)])


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """Five hundred smears at half the size, as (root, cells, features)."""
    folder = tmp_path_factory.mktemp("smears")
    root = make_smears(folder / "set", SmearDesign(images=500, size=112))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(folder / "workspace"))
        cells = load_cells(root)
    return root, cells, np.array([describe(path) for path in cells.path])


def test_same_seed_gives_the_same_bytes_for_any_number_of_workers(tmp_path):
    design = SmearDesign(images=70, seed=3, size=48)  # enough that processes are started
    for name, workers in (("one", 1), ("again", 1), ("two", 2)):
        make_smears(tmp_path / name, design, workers=workers)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "again") == hashes(tmp_path / "two")
    make_smears(tmp_path / "other", SmearDesign(images=70, seed=4, size=48), workers=1)
    shared = set(hashes(tmp_path / "one").values()) & set(hashes(tmp_path / "other").values())
    assert not shared


def test_small_set_is_the_start_of_a_large_one(tmp_path):
    small = hashes(make_smears(tmp_path / "small", TINY))
    large = hashes(make_smears(tmp_path / "large", SmearDesign(images=47, seed=7, size=48)))
    small.pop("synthetic.json")
    assert len(small) == 20 and small.items() < large.items()


def test_layout_is_that_of_ball(full):
    root, cells, _ = full
    manifest = read_manifest(root)
    assert manifest["dataset"] == "synthetic-subtypes" and manifest["files"] == 500
    assert SmearDesign(**manifest["design"]) == SmearDesign(images=500, size=112)
    assert manifest["generator"] == smears.GENERATOR
    assert sorted(path.name for path in root.iterdir() if path.is_dir()) == list(CLASSES)
    for label in CLASSES:
        names = sorted(path.name for path in (root / label).iterdir())
        assert names == [f"WBC-{label}-{n:03d}.jpg" for n in range(1, len(names) + 1)]
    with Image.open(cells.path[0]) as picture:
        assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (112, 112))
    assert SmearDesign().size == 224


def test_shares_of_the_whole_set_are_those_of_ball():
    names = np.array(list(REAL))
    assert dict(zip(*np.unique(names[smears._deal_classes(3256)], return_counts=True), strict=True)
                ) == REAL  # fmt: skip


@given(st.integers(20, 5000))
def test_shares_hold_at_every_size(images):
    counts = np.bincount(smears._deal_classes(images), minlength=4)
    wanted = images * np.array(list(REAL.values())) / 3256
    assert counts.sum() == images and np.abs(counts - wanted).max() < 1.5 and counts.min() >= 3


def test_planted_copies_are_identical_neighbours_of_class_pro(full):
    root, *_ = full
    by_hash = defaultdict(set)
    for path, digest in hashes(root).items():
        by_hash[digest].add(path)
    found = {frozenset(paths) for paths in by_hash.values() if len(paths) > 1}
    assert found == {frozenset(pair) for pair in read_manifest(root)["duplicates"]}
    assert 1 <= len(found) < 15
    for pair in found:
        numbers = sorted(image_number(Path(path).stem) for path in pair)
        assert numbers[1] - numbers[0] == 1 and all(path.startswith("Pro/") for path in pair)


def test_runs_of_numbers_are_of_one_person():
    tasks, _ = smears._plan(SmearDesign(images=1000))
    for label in CLASSES:
        people = np.array([task.person for task in tasks if task.label == label])
        lengths = np.bincount(people)
        assert (np.diff(people) >= 0).all() and set(np.unique(np.diff(people))) <= {0, 1}
        # 4 to 12, one more or less where a copy stands at the end of a run.
        assert lengths[:-1].min() >= 3 and lengths.max() <= 13 and len(lengths) > 12


def test_picture_is_a_pale_ground_with_darker_cells():
    for label in CLASSES:
        rng = np.random.default_rng(5)
        picture = draw_smear(rng, label, draw_person(rng, label))
        assert picture.shape == (224, 224, 3) and picture.dtype == np.uint8
        red, green, blue = np.moveaxis(picture.astype(int), 2, 0)
        assert np.median(green) > 200
        stained = (green < 160) & (blue > green + 30) & (red > green)  # violet
        assert 0.01 < stained.mean() < 0.4
        cells = (red < np.median(red) - 15) & ~stained  # red cells look grey-blue in the light
        assert cells.mean() > 0.05


def test_field_is_the_same_at_every_size():
    small, large = (
        draw_smear(np.random.default_rng(4), "Pre", draw_person(np.random.default_rng(3), "Pre"),
                   size=size).astype(float)
        for size in (112, 224)
    )  # fmt: skip
    assert np.abs(small.mean((0, 1)) - large.mean((0, 1))).max() < 6


def test_classes_differ_in_nuclei():
    """Class Pre has most stained nuclei, class Pro the fewest and the pinkest."""
    stained, pink = {}, {}
    for label in CLASSES:
        shares, tones = [], []
        for seed in range(12):
            rng = np.random.default_rng(seed)
            picture = draw_smear(rng, label, draw_person(rng, label), size=112).astype(float)
            mask = picture[..., 1] < 165
            shares.append(mask.mean())
            tones.append((picture[mask][:, 0] - picture[mask][:, 2]).mean())
        stained[label], pink[label] = np.mean(shares), np.mean(tones)
    assert max(stained, key=stained.get) == "Pre" and min(stained, key=stained.get) == "Pro"
    assert max(pink, key=pink.get) == "Pro" and max(stained.values()) < 0.4


def test_six_colour_numbers_tell_the_classes_well_and_not_perfectly(full):
    _, cells, features = full
    forest = RandomForestClassifier(100, random_state=0)
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    image = cross_val_score(forest, features, cells.label, cv=folds).mean()
    majority = cells.label.value_counts(normalize=True).max()
    assert majority < 0.33 and 0.70 < image < 0.95
    right = []
    for fold in range(5):
        tested = cells.image.isin(split_blocks(cells, fold=fold).part("test").image).to_numpy()
        forest.fit(features[~tested], cells.label[~tested])
        right.append(forest.score(features[tested], cells.label[tested]))
    assert majority + 0.2 < np.mean(right) < image


@pytest.mark.real
def test_colours_are_near_the_real_ones(real_root, full):
    _, cells, features = full
    for label in CLASSES:
        paths = sorted((real_root / "B-ALL" / "Original" / label).iterdir())[::12]
        real = np.mean([describe(str(path)) for path in paths], axis=0)
        assert np.abs(features[(cells.label == label).to_numpy()].mean(0) - real).max() < 12


@pytest.mark.parametrize(
    "values, where",
    [
        ({"images": 19}, "images"),
        ({"images": 1000.0}, "images"),
        ({"images": True}, "images"),
        ({"images": None}, "images"),
        ({"images": 10**6 + 1}, "images"),
        ({"seed": -1}, "seed"),
        ({"seed": "1"}, "seed"),
        ({"size": 31}, "size"),
        ({"size": 2000}, "size"),
    ],
)
def test_impossible_design_is_refused(values, where):
    with pytest.raises(ParameterError) as caught:
        SmearDesign(**values)
    assert caught.value.where == where and re.search(r"from \d+ to \d+", caught.value.remedy)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_workers_must_be_positive(tmp_path, workers):
    with pytest.raises(ParameterError):
        make_smears(tmp_path / "set", TINY, workers=workers)
    assert not (tmp_path / "set").exists()


def test_finished_set_is_left_as_it_is(tmp_path, monkeypatch):
    root = make_smears(tmp_path / "set", TINY)
    monkeypatch.setattr(smears, "_write_smear", None)  # would fail if called
    assert make_smears(root, TINY) == root


def test_what_is_in_the_way_is_refused_and_kept(tmp_path):
    root = make_smears(tmp_path / "set", TINY)
    cells = SyntheticDesign(images=16, subjects=8, seed=7, size=64)
    other = make_dataset(tmp_path / "cells", cells, progress=False)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    before = [hashes(folder) for folder in (root, other, tmp_path / "mine")]
    with pytest.raises(DataError, match="another design"):
        make_smears(root, SmearDesign(images=21, seed=7, size=48))
    with pytest.raises(DataError, match="another design"):
        make_smears(other, TINY)
    with pytest.raises(DataError, match="another design"):
        make_dataset(root, cells, progress=False)
    with pytest.raises(DataError, match="something else"):
        make_smears(tmp_path / "mine", TINY)
    assert before == [hashes(folder) for folder in (root, other, tmp_path / "mine")]


def test_lost_image_and_damaged_manifest_are_named(tmp_path):
    root = make_smears(tmp_path / "set", TINY)
    next(root.rglob("*.jpg")).unlink()
    with pytest.raises(DataError, match="19 images and should have 20"):
        make_smears(root, TINY)
    (root / "synthetic.json").write_text('{"dataset": "synthetic-subtypes"}')
    with pytest.raises(DataError, match="damaged"):
        make_smears(root, TINY)


@pytest.mark.parametrize(
    "number, error", [(errno.ENOSPC, DiskError), (errno.EROFS, DiskError), (errno.EIO, OSError)]
)
def test_failed_writing_leaves_nothing_and_a_repeat_succeeds(tmp_path, monkeypatch, number, error):
    root, saved, left = tmp_path / "set", Image.Image.save, [9]

    def save(self, *arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(number, os.strerror(number), str(arguments[0]))
        return saved(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", save)
        with pytest.raises(error):
            make_smears(root, TINY, workers=1)
    assert left[0] < 0 and not root.exists() and not leftovers(root)
    make_smears(root, TINY)
    assert len(list(root.rglob("*.jpg"))) == 20


def test_second_process_waits_and_finds_the_work_done(tmp_path):
    root = tmp_path / "set"
    code = (
        "import sys; from alllib.smears import *\n"
        "make_smears(sys.argv[1], SmearDesign(images=90, size=96), workers=1)"
    )
    source = Path(smears.__file__).parents[1]
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [sys.executable, "-c", code, str(root)]
    both = [subprocess.Popen(command, env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    assert len(list(root.rglob("*.jpg"))) == 90 and not leftovers(root)
