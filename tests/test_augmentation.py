"""The plan of the report's augmentation, held against Augmentor itself."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import draw_picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from alllib import augmentation
from alllib.augmentation import (
    OPERATIONS,
    SYMMETRIES,
    apply_symmetries,
    apply_symmetry,
    copy_probability,
    firing_probability,
    measure_firing,
    plan_augmentation,
    plan_balance,
    vary_image,
    write_augmented,
)
from alllib.datasets import DATASETS, load_cells
from alllib.errors import AugmentationError, DiskError, ImageError
from alllib.images import read_bmp_rows, read_image
from alllib.splits import make_split

PICTURE = draw_picture("picture", 6)


@pytest.fixture
def cells(tmp_path, write_cnmc, workspace) -> pd.DataFrame:
    return load_cells(write_cnmc(tmp_path / "data"))


def hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# Symmetries ---------------------------------------------------------------------------


def test_symmetries_form_the_group_of_eight():
    forms = [apply_symmetry(PICTURE, number).tobytes() for number in range(8)]
    assert len(set(forms)) == len(SYMMETRIES) == 8 and forms[0] == PICTURE.tobytes()
    table = [
        [forms.index(apply_symmetry(apply_symmetry(PICTURE, a), b).tobytes()) for b in range(8)]
        for a in range(8)
    ]
    for line in (*table, *zip(*table, strict=True)):
        assert sorted(line) == list(range(8)), "closed, and each element has an inverse"
    assert sum(table[a][a] == 0 for a in range(8)) == 6, "mirrors, half turn, identity"


def test_symmetries_do_what_their_names_say():
    image = Image.fromarray(PICTURE)
    said = {
        "identity": image,
        "rotate 90": image.transpose(Image.Transpose.ROTATE_90),
        "rotate 180": image.transpose(Image.Transpose.ROTATE_180),
        "rotate 270": image.transpose(Image.Transpose.ROTATE_270),
    }
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    said["mirror"] = mirrored
    for angle in (90, 180, 270):
        said[f"mirror, rotate {angle}"] = mirrored.rotate(angle)
    assert list(said) == list(SYMMETRIES)
    for number, expected in enumerate(said.values()):
        assert np.array_equal(apply_symmetry(PICTURE, number), np.asarray(expected))


@given(st.lists(st.integers(0, 7), min_size=1, max_size=20))
def test_batch_equals_one_by_one(symmetries):
    images = np.random.default_rng(1).integers(0, 255, (len(symmetries), 5, 5, 3), dtype=np.uint8)
    turned = apply_symmetries(images, np.array(symmetries, np.uint8))
    for image, symmetry, result in zip(images, symmetries, turned, strict=True):
        assert np.array_equal(result, apply_symmetry(image, symmetry))
    assert turned.dtype == np.uint8 and not np.shares_memory(turned, images)


# The plan -----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore")  # Augmentor leaves its files and its bar open
@pytest.mark.parametrize(("probability", "seed"), [(0.5, 7), (0.3, 11), (1.0, 7)])
def test_plan_is_what_augmentor_writes(tmp_path, cells, monkeypatch, probability, seed):
    """Augmentor runs disk to disk in one thread, on a sorted list, with counted names."""
    import Augmentor
    from Augmentor import Pipeline as module

    source = tmp_path / "train"
    for row in cells.itertuples():
        path = source / row.label.lower() / f"{row.image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(read_image(row.path)).save(path)
    pipeline = Augmentor.Pipeline(str(source), save_format="PNG")
    pipeline.augmentor_images.sort(key=lambda image: image.image_path)
    counted = iter(range(10**6))
    uuid4 = SimpleNamespace(uuid4=lambda: f"number{next(counted):06d}")
    monkeypatch.setattr(sys.modules[module.__module__], "uuid", uuid4)
    state = random.getstate()
    pipeline.set_seed(seed)
    for operation in OPERATIONS:
        getattr(pipeline, operation)(probability=probability)
    pipeline.sample(150, multi_threaded=False)
    random.setstate(state)

    plan = plan_augmentation(cells, samples=150, probability=probability, seed=seed)
    written = sorted((source / "output").rglob("*.PNG"), key=lambda p: p.stem[-6:])
    assert len(written) == len(plan) == 150
    paths = cells.set_index("image").path
    for path, row in zip(written, plan.itertuples(), strict=True):
        assert f"original_{row.image}.png" in path.name
        expected = apply_symmetry(read_image(paths[row.image]), row.symmetry)
        assert np.array_equal(read_image(path), expected)


def test_plan_is_repeatable_and_leaves_the_random_state_alone(cells):
    random.seed(99)
    state = random.getstate()
    plan = plan_augmentation(cells, samples=300)
    assert random.getstate() == state
    random.seed(1)
    shuffled = plan_augmentation(cells.sample(frac=1, random_state=2), samples=300)
    pd.testing.assert_frame_equal(plan, shuffled)
    assert not plan.equals(plan_augmentation(cells, samples=300, seed=8))
    assert plan.symmetry.dtype == np.uint8 and set(plan.image) <= set(cells.image)


COMMAND = """
import hashlib, sys
from alllib.augmentation import plan_augmentation
from alllib.datasets import DATASETS, load_cells
from alllib.splits import make_split
protocols = DATASETS["cnmc2019"].protocols
splits = [make_split(load_cells(sys.argv[1]), protocol, folds=3) for protocol in protocols]
plan = plan_augmentation(splits[0].part("train"), samples=200)
print(*[split.certificate["hash"] for split in splits])
print(hashlib.sha256(plan.to_csv().encode()).hexdigest())
"""


def test_same_command_twice_gives_the_same_split_and_plan(tmp_path, cells):
    said = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", COMMAND, str(tmp_path / "data")]
        environment = os.environ | {"PYTHONHASHSEED": seed}
        said.add(subprocess.run(command, env=environment, capture_output=True, check=True).stdout)
    assert len(said) == 1 and len(said.pop().split()) == len(DATASETS["cnmc2019"].protocols) + 1


def test_random_state_is_given_back_when_drawing_fails(cells, monkeypatch):
    def fail(_):
        raise RuntimeError

    monkeypatch.setattr(random, "choice", fail)
    state = random.getstate()
    with pytest.raises(RuntimeError):
        plan_augmentation(cells, samples=3)
    assert random.getstate() == state


def exact_shares(fired: float) -> np.ndarray:
    """Probability of each symmetry, by going through the sixteen outcomes."""
    steps = (lambda x: np.rot90(x, 1), lambda x: np.rot90(x, 3), np.fliplr, np.flipud)
    forms = [apply_symmetry(PICTURE, number).tobytes() for number in range(8)]
    shares = np.zeros(8)
    for outcome in product((False, True), repeat=4):
        picture = PICTURE
        for step, done in zip(steps, outcome, strict=True):
            picture = step(picture) if done else picture
        weight = np.prod([fired if done else 1 - fired for done in outcome])
        shares[forms.index(np.ascontiguousarray(picture).tobytes())] += weight
    return shares


def test_shares_of_the_symmetries_are_those_of_the_true_probability(cells):
    plan = plan_augmentation(cells, samples=20_000)
    counts = np.bincount(plan.symmetry, minlength=8)
    expected = exact_shares(firing_probability(0.5)) * len(plan)
    assert (np.abs(counts - expected) < 4.5 * np.sqrt(expected)).all()
    assert exact_shares(0.5)[0] == pytest.approx(0.125), "the nominal share of exact copies"
    images = Counter(plan.image)
    assert len(images) == len(cells) and max(images.values()) < 1.3 * 20_000 / len(cells)


@pytest.mark.parametrize(
    ("nominal", "true"), [(0.5, 0.55), (0.25, 0.25), (0.05, 0.05), (0.7, 0.75), (1.0, 1.0)]
)
def test_firing_probability_is_that_of_rounding(nominal, true):
    assert firing_probability(nominal) == pytest.approx(true)
    grid = np.round((np.arange(100_000) + 0.5) / 100_000, 1)
    assert (grid <= nominal).mean() == pytest.approx(true, abs=1e-3)
    state = random.getstate()
    draws = 4000
    tolerance = 4.5 * np.sqrt(true * (1 - true) / draws) + 1e-9
    assert measure_firing(nominal, draws=draws) == pytest.approx(true, abs=tolerance)
    assert random.getstate() == state


def test_firing_probability_of_zero():
    assert firing_probability(0) == pytest.approx(0.05)


def test_impossible_plans_are_refused(cells):
    split = make_split(cells, "image")
    with pytest.raises(AugmentationError, match="outside the training part") as caught:
        plan_augmentation(split.cells, samples=3)
    assert caught.value.where in set(split.part("validation").image)
    assert "part('train')" in caught.value.remedy
    assert set(plan_augmentation(split.part("train"), samples=9).image) <= set(
        split.part("train").image
    )
    for samples, rows in ((0, cells), (-1, cells), (5, cells.iloc[:0])):
        with pytest.raises(AugmentationError, match="cannot be drawn"):
            plan_augmentation(rows, samples=samples)
    for probability in (0, -0.1, 1.1, float("nan")):
        with pytest.raises(AugmentationError, match="no probability"):
            plan_augmentation(cells, samples=3, probability=probability)


# Variation from epoch to epoch ----------------------------------------------------------

STILL = {"brightness": 0.0, "contrast": 0.0, "rotation": 0.0, "flips": False}
NOISE = np.random.default_rng(2).integers(0, 256, (9, 9, 3), dtype=np.uint8)


def varied(image=NOISE, seed=1, **amounts) -> np.ndarray:
    return vary_image(image, np.random.default_rng(seed), **(STILL | amounts))


AMOUNTS = st.fixed_dictionaries(
    {
        "brightness": st.floats(0, 0.9),
        "contrast": st.floats(0, 0.9),
        "rotation": st.floats(0, 180),
        "flips": st.booleans(),
    }
)


@given(st.integers(1, 12), st.integers(0, 2**32), AMOUNTS)
def test_any_variation_keeps_shape_dtype_and_source_and_repeats(side, seed, amounts):
    image = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    before = image.copy()
    first = varied(image, seed, **amounts)
    assert first.shape == image.shape and first.dtype == np.uint8
    assert np.array_equal(image, before) and not np.shares_memory(first, image)
    assert np.array_equal(first, varied(image, seed, **amounts))
    assert np.array_equal(varied(image, seed), image), "amounts of zero change nothing"


@given(st.integers(0, 2**32), st.floats(0, 180), st.integers(0, 255), st.integers(2, 40))
def test_turns_and_mirrors_leave_one_colour_alone(seed, rotation, level, side):
    """What a turn uncovers is filled from the image: no black corner tells of it."""
    image = np.full((side, side, 3), level, np.uint8)
    assert (varied(image, seed, rotation=rotation, flips=True) == level).all()


def test_variations_differ_from_draw_to_draw():
    every = [varied(seed=seed, brightness=0.5, contrast=0.5, rotation=20.0) for seed in range(20)]
    assert len({image.tobytes() for image in every}) == 20


def test_the_mean_is_multiplied_within_the_share():
    image = np.full((8, 8, 3), 100, np.uint8)
    means = np.array([varied(image, seed, brightness=0.3).mean() for seed in range(400)])
    assert 70 <= means.min() < 74 and 126 < means.max() <= 130
    assert abs(means.mean() - 100) < 3 and len(set(means)) > 50


def test_contrast_multiplies_the_distance_from_the_mean_and_keeps_it():
    image = np.zeros((8, 8, 3), np.uint8) + np.array([60, 140, 100], np.uint8)
    image[::2] += 20
    factors = []
    for seed in range(300):
        changed = varied(image, seed, contrast=0.5).astype(float)
        assert changed.mean() == pytest.approx(image.mean(), abs=0.6)
        factors.append(np.ptp(changed) / np.ptp(image.astype(float)))
    assert 0.5 - 0.02 <= min(factors) < 0.55 and 1.45 < max(factors) <= 1.5 + 0.02


def test_levels_stay_between_black_and_white():
    image = np.array([[[0, 128, 255]]], np.uint8)
    bright = [varied(image, seed, brightness=0.9)[0, 0] for seed in range(50)]
    assert any(levels[2] == 255 and levels[1] > 200 for levels in bright), "clipped, not wrapped"
    assert all(levels[0] == 0 and levels[0] <= levels[1] <= levels[2] for levels in bright)


def test_both_mirrors_are_reached_about_equally_often():
    forms = {
        name: form.tobytes()
        for name, form in {
            "none": NOISE, "left-right": NOISE[:, ::-1],
            "top-bottom": NOISE[::-1], "both": NOISE[::-1, ::-1],
        }.items()
    }  # fmt: skip
    seen = Counter(varied(seed=seed, flips=True).tobytes() for seed in range(400))
    assert set(seen) == set(forms.values())
    assert all(60 < count < 140 for count in seen.values())


def test_a_turn_is_that_of_the_drawn_angle():
    """A bright dot right of the centre moves to where its angle says."""
    image = np.zeros((101, 101, 3), np.uint8)
    image[48:53, 78:83] = 255  # 30 pixels right of the centre
    angles = []
    for seed in range(60):
        rows, columns = np.nonzero(varied(image, seed, rotation=40.0)[..., 0] > 128)
        angles.append(np.degrees(np.arctan2(50 - rows.mean(), columns.mean() - 50)))
        assert np.hypot(rows.mean() - 50, columns.mean() - 50) == pytest.approx(30, abs=0.7)
    assert -40.5 < min(angles) < -30 and 30 < max(angles) < 40.5


def test_the_largest_needed_edge_is_at_hand():
    """A turn by 45 degrees reaches furthest outside; nothing of it is black."""
    image = np.full((64, 64, 3), 200, np.uint8)
    generator = SimpleNamespace(uniform=lambda *_: (1.0, 0.0, 0.0))
    turned = vary_image(image, generator, **(STILL | {"rotation": 45.0}))
    assert (turned == 200).all()


# Files --------------------------------------------------------------------------------


def test_files_are_the_pictures_of_the_plan(tmp_path, cells):
    plan = plan_augmentation(cells, samples=40)
    folder = write_augmented(cells, plan, tmp_path / "out")
    paths, classes = cells.set_index("image").path, cells.set_index("image").label
    assert len(hashes(folder)) == 40
    for number, row in enumerate(plan.itertuples()):
        name = f"{number:06d}_{row.image}_s{row.symmetry}.bmp"
        picture = read_image(folder / classes[row.image].lower() / name)
        assert np.array_equal(picture, apply_symmetry(read_image(paths[row.image]), row.symmetry))


@pytest.mark.parametrize("suffix", [".bmp", ".png"])
@pytest.mark.parametrize("shape", [(24, 24), (7, 7), (5, 9), (9, 6), (1, 1), (3, 450)])
def test_files_have_the_bytes_that_pillow_writes(tmp_path, shape, suffix):
    picture = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / f"a{suffix}")
    cells = pd.DataFrame(
        {"image": ["a"], "path": [str(tmp_path / f"a{suffix}")], "label": ["ALL"],
         "height": shape[0], "width": shape[1]}
    )  # fmt: skip
    plan = pd.DataFrame({"image": ["a"] * 16, "symmetry": [*range(8), *range(7, -1, -1)]})
    folder = write_augmented(cells, plan, tmp_path / "out")
    assert len(hashes(folder)) == 16
    for number, symmetry in enumerate(plan.symmetry):
        turned = np.ascontiguousarray(apply_symmetry(picture, symmetry))
        Image.fromarray(turned).save(tmp_path / "expected.bmp")
        found = folder / f"all/{number:06d}_a_s{symmetry}.bmp"
        assert found.read_bytes() == (tmp_path / "expected.bmp").read_bytes()


def test_rare_kinds_of_bmp_files_are_read_too(tmp_path):
    """Rows from the top down, four bytes a pixel, a long header, bytes after the pixels."""
    picture = draw_picture("rare", 10)
    Image.fromarray(picture).save(tmp_path / "usual.bmp")
    usual = (tmp_path / "usual.bmp").read_bytes()
    rows = picture[::-1, :, ::-1]
    padded = [row.tobytes() + bytes(2) for row in rows]
    down = usual[:22] + (-10).to_bytes(4, "little", signed=True) + usual[26:54]
    wide = np.concatenate([rows, np.zeros((10, 10, 1), np.uint8)], axis=2)
    long = usual[:10] + (60).to_bytes(4, "little") + usual[14:54] + bytes(6)
    kinds = {
        "usual": usual,
        "down": down + b"".join(padded[::-1]),
        "wide": usual[:28] + (32).to_bytes(2, "little") + usual[30:54] + wide.tobytes(),
        "long": long + b"".join(padded),
        "more": usual + b"more",
    }
    for kind, data in kinds.items():
        (tmp_path / "a.bmp").write_bytes(data)
        assert np.array_equal(read_image(tmp_path / "a.bmp"), picture), kind
        assert np.array_equal(read_bmp_rows(tmp_path / "a.bmp"), rows), kind
    for data in (usual[:-3], usual[:60], usual[:20], b""):
        (tmp_path / "a.bmp").write_bytes(data)
        with pytest.raises(ImageError, match="cannot be read"):
            read_bmp_rows(tmp_path / "a.bmp")


def test_twice_gives_the_same_bytes_in_one_thread_or_many(tmp_path, cells, monkeypatch):
    plan = plan_augmentation(cells, samples=90)
    one = write_augmented(cells, plan, tmp_path / "one")
    two = write_augmented(cells.iloc[::-1], plan_augmentation(cells, samples=90), tmp_path / "two")
    assert hashes(one) == hashes(two) and len(hashes(one)) == 90
    monkeypatch.setattr(
        augmentation, "map_images", lambda function, items, **_: map(function, items)
    )
    assert hashes(write_augmented(cells, plan, tmp_path / "serial")) == hashes(one)


def test_existing_folder_and_unknown_images_are_refused(tmp_path, cells):
    plan = plan_augmentation(cells, samples=5)
    (tmp_path / "out").mkdir()
    with pytest.raises(AugmentationError, match="exists already") as caught:
        write_augmented(cells, plan, tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    lacking = cells[cells.image != plan.image[0]]
    unlabelled = cells.assign(label=cells.label.where(cells.image != plan.image[0]))
    for table in (lacking, unlabelled):
        with pytest.raises(AugmentationError, match="names an image") as caught:
            write_augmented(table, plan, tmp_path / "new")
        assert plan.image[0] in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_disk_that_is_too_small_is_refused_before_anything_is_written(tmp_path, cells, monkeypatch):
    plan = plan_augmentation(cells, samples=50)
    folder = tmp_path / "deep" / "out"
    asked = []

    def usage(place):
        asked.append(Path(place))
        return SimpleNamespace(free=free)

    monkeypatch.setattr(augmentation.shutil, "disk_usage", usage)
    free = 50 * (24 * 24 * 3 + 54) - 1
    with pytest.raises(DiskError, match="pictures need") as caught:
        write_augmented(cells, plan, folder)
    assert str(folder) in str(caught.value) and "fewer pictures" in caught.value.remedy
    assert [path.suffix for path in (tmp_path / "deep").iterdir()] == [".lock"]
    free += 1
    written = write_augmented(cells, plan, folder)
    assert sum(path.stat().st_size for path in written.rglob("*.bmp")) == free


def test_needed_space_counts_the_filling_of_rows(tmp_path):
    Image.new("RGB", (5, 3)).save(tmp_path / "a.bmp")
    table = pd.DataFrame({"width": [5, 450], "height": [3, 450]})
    official = 608_454  # bytes of an official file
    expected = (tmp_path / "a.bmp").stat().st_size + official
    assert augmentation._bytes_as_bmp(table) == expected


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_full_disk_half_way_leaves_nothing_and_a_repeat_works(tmp_path, cells, monkeypatch, code):
    plan, real = plan_augmentation(cells, samples=30), Path.open

    def fails(path, mode="r", **rest):
        if "000020" in path.name:
            raise OSError(code, os.strerror(code))
        return real(path, mode, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", fails)
        with pytest.raises(DiskError, match="disk is full|cannot be written") as caught:
            write_augmented(cells, plan, tmp_path / "out")
    assert str(tmp_path / "out") in str(caught.value)
    assert not [path for path in tmp_path.glob("*out*") if path.suffix != ".lock"]
    assert not (tmp_path / "out").exists()
    assert len(hashes(write_augmented(cells, plan, tmp_path / "out"))) == 30


def test_truncated_image_leaves_nothing_and_a_repeat_works(tmp_path, cells):
    plan = plan_augmentation(cells, samples=30)
    path = Path(cells.set_index("image").path[plan.image[20]])
    whole = path.read_bytes()
    path.write_bytes(whole[:-500])
    with pytest.raises(ImageError, match="cannot be read") as caught:
        write_augmented(cells, plan, tmp_path / "out")
    assert str(path) in str(caught.value) and not (tmp_path / "out").exists()
    path.write_bytes(whole)
    assert len(hashes(write_augmented(cells, plan, tmp_path / "out"))) == 30


WRITER = """
import sys
from alllib.augmentation import plan_augmentation, write_augmented
from alllib.datasets import DATASETS, load_cells
cells = load_cells(sys.argv[1])
write_augmented(cells, plan_augmentation(cells, samples=8000), sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_killed_writer_leaves_no_folder_and_a_repeat_works(tmp_path, cells, sent):
    folder = tmp_path / "out"
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data"), str(folder)]
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    partial = folder.with_name(".out.partial")
    deadline = time.monotonic() + 60
    while not any(partial.rglob("*.bmp")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, sent) if sent == signal.SIGKILL else process.send_signal(sent)
    assert process.wait(timeout=60) != 0, "the writer was too fast to be killed"
    assert not folder.exists()
    plan = plan_augmentation(cells, samples=20)
    assert len(hashes(write_augmented(cells, plan, folder))) == 20
    assert not partial.exists()


@pytest.mark.parametrize("nominal", [0.25, 0.5])
def test_share_of_copies_is_what_the_plan_draws(nominal):
    cells = pd.DataFrame({"image": [f"i{n}" for n in range(50)]})
    plan = plan_augmentation(cells, samples=20_000, probability=nominal)
    expected = copy_probability(firing_probability(nominal))
    assert abs((plan.symmetry == 0).mean() - expected) < 0.01


# Filling up the smaller class -----------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_balance_gives_each_class_as_many_pictures_and_each_image_once_unturned(many, few, seed):
    names = [f"a{n}" for n in range(many)] + [f"h{n}" for n in range(few)]
    cells = pd.DataFrame({"image": names, "label": ["ALL"] * many + ["HEM"] * few})
    plan = plan_balance(cells, seed=seed)
    assert plan.equals(plan_balance(cells.sample(frac=1, random_state=3), seed=seed))
    label = cells.set_index("image").label[plan.image]
    assert set(label.value_counts()) == {max(many, few)}
    assert sorted(plan.image[plan.symmetry == 0]) == sorted(names)
    # No picture twice while a class has fewer than eight times its images.
    if max(many, few) <= 8 * min(many, few):
        assert not plan.duplicated().any()


def test_balance_refuses_images_outside_the_training_part():
    cells = pd.DataFrame(
        {"image": ["a", "b"], "label": ["ALL", "HEM"], "part": ["train", "validation"]}
    )
    with pytest.raises(AugmentationError, match="outside the training part"):
        plan_balance(cells)
