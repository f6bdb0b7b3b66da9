"""Synthetic cells in the layout of C-NMC 2019: the data set that needs no download.

Each *person* has a stain and a microscope of their own, each field of view its own light,
each nucleus its own shape (`nuclei`). A few persons appear under two subject names, and
some images under both, as in the real set; `group` names the person.

Mean sizes and colours follow what was measured on C-NMC 2019 (Gupta & Gupta, TCIA, doi
10.7937/tcia.2019.dc64i46r); the morphology of the classes follows Mir and Un Nissa's
report. Persons differ more in stain and magnification than there, so that a few hundred
images show what a split by person changes; their numbers of images are less uneven, so
that each of five folds holds several persons of a class. No pixel is from a real image.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from scipy.special import ndtri

from .errors import DataError, ParameterError
from .files import clear_errors, locked, whole_folder, write_json
from .nuclei import draw_light, draw_nucleus, draw_stain
from .parallel import progress_bar

__all__ = [
    "SyntheticDesign",
    "holds_design",
    "make_dataset",
    "open_stream",
    "read_manifest",
    "write_manifest",
]

GENERATOR = 3  # raise it when the same design no longer gives the same bytes
_MANIFEST = "synthetic.json"
_DATASETS = ("synthetic", "synthetic-subtypes")
_LAYOUT = PurePosixPath("C-NMC_Leukemia", "training_data")
_FOLDS = 3
_UNEVEN = 0.55  # spread of the logarithm of a subject's number of images
_BATCH = 16  # images of one task
_SERIAL_BELOW = 96  # a pool of processes starts slower than this many images are drawn
_PLAN, _STAIN, _LIGHT, _CELL = range(4)  # first spawn key of each stream of chance


@dataclass(frozen=True)
class SyntheticDesign:
    """What a synthetic data set is made of; the same design gives the same bytes.

    Attributes
    ----------
    images : int
        Number of files, planted duplicates included; at least two for each subject.
    subjects : int
        Number of subject names, at least 8. When not given, one for every 5 images, 44 at
        most: enough that each of five folds holds several persons of each class.
    seed : int
        Start of every stream of chance, 0 or more.
    size : int
        Side of an image in pixels, 32 to 1024.
    format : {"bmp", "png"}
        Kind of file; both keep the background exactly black.

    Raises
    ------
    ParameterError
        When a value is of the wrong type or out of its range.
    """

    images: int = 1000
    subjects: int = 0
    seed: int = 2019
    size: int = 450
    format: str = "bmp"

    def __post_init__(self):
        if self.subjects == 0:
            images = self.images if type(self.images) is int else 0  # refused below
            # The only way to fill in a value in a frozen class.
            object.__setattr__(self, "subjects", min(44, max(8, images // 5)))
        self._check_whole("subjects", 8, 1000, "A third of the subjects are HEM, one a fold.")
        least = 2 * self.subjects
        self._check_whole("images", least, 10**6, "Each subject needs at least two images.")
        self._check_whole("seed", 0, 2**63 - 1, "A seed is a whole number.")
        self._check_whole("size", 32, 1024, "The real images have 450 pixels a side.")
        if self.format not in ("bmp", "png"):
            raise ParameterError(
                f"Synthetic cells cannot be written as {self.format!r}.",
                where="format",
                remedy="Choose 'bmp' (as the official set) or 'png'.",
            )

    def _check_whole(self, name: str, least: int, most: int, why: str) -> None:
        value = getattr(self, name)
        if type(value) is not int or not least <= value <= most:
            raise ParameterError(
                f"Synthetic cells cannot be made with {name}={value!r}.",
                where=name,
                remedy=f"Give a whole number from {least} to {most}. {why}",
            )


@dataclass(frozen=True)
class _Subject:
    """A subject name, and the person (by number) behind it."""

    name: str
    label: str
    group: str
    person: int
    fold: int
    images: int


@dataclass(frozen=True)
class _Task:
    """One nucleus to draw, and the files that show it."""

    paths: tuple[str, ...]
    label: str
    person: int
    field: tuple[int, int]  # number of the subject, number of its field
    cell: int
    seed: int
    size: int


def read_manifest(root: str | Path) -> dict | None:
    """Manifest of a finished synthetic data set, or None where there is none.

    Parameters
    ----------
    root : path-like
        What was given to `make_dataset` or `alllib.smears.make_smears`.

    Returns
    -------
    dict or None
        Keys `dataset` (its name in the registry), `design`, `generator`, `duplicates`
        (pairs of paths relative to `root`) and `files`; for `synthetic` also `subjects`
        (one dictionary each: subject, label, group, fold, images).

    Raises
    ------
    DataError
        When the manifest is there and cannot be read.
    """
    path = Path(root) / _MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError:
        manifest = None
    wanted = {"design", "generator", "duplicates", "files"}
    if isinstance(manifest, dict):
        manifest.setdefault("dataset", "synthetic")  # generators 1 to 3 did not say
        wanted |= {"subjects"} if manifest["dataset"] == "synthetic" else set()
        if wanted <= manifest.keys() and manifest["dataset"] in _DATASETS:
            return manifest
    raise DataError(
        "This manifest of synthetic images is damaged.",
        where=path,
        remedy=f"Delete the folder {root} and make the data set again.",
    )


def write_manifest(root: str | Path, manifest: dict) -> None:
    """Write the manifest of a synthetic data set, as `read_manifest` gives it."""
    write_json(Path(root) / _MANIFEST, manifest)


def make_dataset(
    root: str | Path,
    design: SyntheticDesign | None = None,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> Path:
    """Write a synthetic data set in the official layout, whole or not at all.

    The bytes depend on the design alone, not on the number of workers (on one machine
    with one set of package versions). A second process waits for the first. Where the
    same design stands already, nothing is written.

    Parameters
    ----------
    root : path-like
        Folder to make; absent, empty, or holding the same design.
    design : SyntheticDesign, optional
        What to make; 1,000 images of 44 subjects when not given.
    workers : int, optional
        Processes; when not given, one for each core, or none for a small set.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    pathlib.Path
        `root`, which holds `C-NMC_Leukemia/training_data/fold_*/{all,hem}/` and
        `synthetic.json`.

    Raises
    ------
    DataError
        When `root` holds something else, lacks files, or a worker process died.
    DiskError
        When the disk is full or `root` cannot be written.
    ParameterError
        When `workers` is not a positive number.
    """
    root, design = Path(root), design or SyntheticDesign()
    if workers is not None and (type(workers) is not int or workers < 1):
        raise ParameterError(
            f"Images cannot be drawn by workers={workers!r}.",
            where="workers",
            remedy="Give a whole number from 1 up.",
        )
    with locked(root):
        pattern = f"{_LAYOUT}/fold_*/*/UID_*.{design.format}"
        if not holds_design(root, "synthetic", asdict(design), GENERATOR, pattern=pattern):
            subjects, tasks, duplicates = _plan(design)
            with whole_folder(root) as partial:
                _draw_all(partial, tasks, workers=workers, progress=progress)
                write_manifest(partial, _describe(design, subjects, duplicates))
    return root


def _describe(
    design: SyntheticDesign, subjects: list[_Subject], duplicates: list[tuple[str, str]]
) -> dict:
    """Value of the manifest."""
    rows = [
        {"subject": one.name, "label": one.label, "group": one.group, "fold": one.fold,
         "images": one.images}
        for one in subjects
    ]  # fmt: skip
    return {
        "dataset": "synthetic",
        "design": asdict(design),
        "generator": GENERATOR,
        "subjects": rows,
        "duplicates": [list(pair) for pair in duplicates],
        "files": design.images,
    }


def holds_design(
    root: str | Path, dataset: str, design: dict, generator: int, *, pattern: str
) -> bool:
    """Whether this very synthetic data set stands at `root`, whole.

    Parameters
    ----------
    root : path-like
        Where it would be.
    dataset : str
        Name in the registry.
    design : dict
        Values of its design.
    generator : int
        Number of the code that draws it.
    pattern : str
        What its images below `root` are called.

    Returns
    -------
    bool
        False where nothing is there yet.

    Raises
    ------
    DataError
        When something else is there, or images lack.
    """
    root = Path(root)
    with clear_errors(root):
        if not root.exists() or (root.is_dir() and not any(root.iterdir())):
            return False
        manifest = read_manifest(root)
    if manifest is None:
        raise DataError(
            "Synthetic images cannot be made here: the place holds something else.",
            where=root,
            remedy="Name a folder that does not exist yet; nothing was deleted.",
        )
    here = [manifest[key] for key in ("dataset", "design", "generator")]
    if here != [dataset, design, generator]:
        raise DataError(
            f"This folder holds synthetic images of another design: {here[0]}, {here[1]}, "
            f"generator {here[2]}.",
            where=root,
            remedy="Name another folder, or delete this one; nothing was deleted.",
        )
    found = sum(1 for _ in root.glob(pattern))
    if found != manifest["files"]:
        raise DataError(
            f"This synthetic data set has {found} images and should have {manifest['files']}.",
            where=root,
            remedy="Delete the folder and make the data set again.",
        )
    return True


# The plan: who is there, and which file shows which nucleus ---------------------------


def open_stream(seed: int, *key: int) -> np.random.Generator:
    """Stream of chance of its own for each key, whoever draws from it and when."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def _plan(
    design: SyntheticDesign,
) -> tuple[list[_Subject], list[_Task], list[tuple[str, str]]]:
    """Subjects, drawing tasks and the pairs of paths that show the same nucleus."""
    rng = open_stream(design.seed, _PLAN)
    few = max(_FOLDS, round(0.4 * design.subjects))
    many = design.subjects - few
    normal = int(np.clip(round(design.images / 3), 2 * few, design.images - 2 * many))
    subjects = _plan_subjects(rng, "ALL", many, design.images - normal)
    subjects += _plan_subjects(rng, "HEM", few, normal)
    places = [_plan_places(rng, one, design.format) for one in subjects]
    twins = _plan_twins(rng, subjects, max(4, round(0.01 * design.images)))
    names = {
        (number, row): path
        for number, rows in enumerate(places)
        for row, (_, path) in enumerate(rows)
    }
    copies = {copy for _, copy in twins}
    shown = {original: names[copy] for original, copy in twins}
    tasks = []
    for number, (one, rows) in enumerate(zip(subjects, places, strict=True)):
        for row, (field, path) in enumerate(rows):
            if (number, row) in copies:
                continue
            paths = (path, shown[number, row]) if (number, row) in shown else (path,)
            tasks.append(_Task(paths, one.label, one.person, (number, field), len(tasks),
                               design.seed, design.size))  # fmt: skip
    return subjects, tasks, [(names[original], names[copy]) for original, copy in twins]


def _plan_subjects(rng: np.random.Generator, label: str, count: int, images: int) -> list[_Subject]:
    """Subjects of one class: uneven sizes, folds filled evenly, some persons twice."""
    prefix = "H" if label == "HEM" else ""
    shares = _draw_shares(rng, count)
    ends = np.rint(np.cumsum(shares) * (images - 2 * count)).astype(int)
    sizes = 2 + np.diff(ends, prepend=0)
    folds, filled = np.zeros(count, int), np.zeros(_FOLDS)
    for number in np.argsort(-sizes, kind="stable"):
        folds[number] = np.argmin(filled)
        filled[folds[number]] += sizes[number]
    persons = np.arange(count)
    # Those of middle size are met twice: they have cells to share, and no person becomes
    # so large as to fill a fold of a cross-validation alone.
    twice = min(count // 5, 4)
    start = max(0, count // 2 - twice)
    met = rng.permutation(np.argsort(-sizes, kind="stable")[start : start + 2 * twice])
    persons[met[1::2]] = met[::2]
    names = [f"{prefix}{number + 1}" for number in range(count)]
    groups = [min(np.array(names)[persons == person].tolist()) for person in persons]
    first = 0 if label == "ALL" else 10**6  # keeps the persons of the two classes apart
    return [
        _Subject(names[n], label, groups[n], int(first + persons[n]), int(folds[n]), int(sizes[n]))
        for n in range(count)
    ]


def _draw_shares(rng: np.random.Generator, count: int) -> np.ndarray:
    """Uneven shares in random order, sum 1.

    They are the middles of equal slices of a log-normal distribution: drawn freely, one
    of a few dozen subjects would now and then be as large as a whole fold.
    """
    middles = (np.arange(count) + 0.5) / count
    shares = np.exp(_UNEVEN * ndtri(middles) + rng.normal(0, 0.05, count))
    return rng.permutation(shares / shares.sum())


def _plan_places(rng: np.random.Generator, subject: _Subject, suffix: str) -> list[tuple[int, str]]:
    """Field number and path of each image of a subject; about 4.5 cells a field."""
    fields = max(1, min(subject.images, round(subject.images / 4.5)))
    numbers = np.sort(rng.choice(2 * fields + 3, fields, replace=False)) + 1
    chosen = np.concatenate([np.arange(fields), rng.integers(fields, size=subject.images - fields)])
    kind, seen, rows = subject.label.lower(), {}, []
    for field in np.sort(numbers[chosen]).tolist():
        seen[field] = cell = seen.get(field, 0) + 1
        name = f"UID_{subject.name}_{field}_{cell}_{kind}.{suffix}"
        rows.append((field, str(_LAYOUT / f"fold_{subject.fold}" / kind / name)))
    return rows


def _plan_twins(
    rng: np.random.Generator, subjects: list[_Subject], wanted: int
) -> list[tuple[tuple[int, int], tuple[int, int]]]:
    """Pairs of (subject, row) that show one nucleus under two names of one person.

    There are `wanted`, or as many as leave each of the two subjects an image of its own.
    """
    pairs = [
        (a, b)
        for a, one in enumerate(subjects)
        for b, two in enumerate(subjects[:a])
        if one.person == two.person
    ]
    free = {n: rng.permutation(subjects[n].images).tolist() for pair in pairs for n in pair}
    twins = []
    while len(twins) < wanted:
        pairs = [pair for pair in pairs if min(len(free[n]) for n in pair) > 1]
        if not pairs:
            break
        a, b = pairs[rng.integers(len(pairs))]
        twins.append(((a, free[a].pop()), (b, free[b].pop())))
    return twins


# The drawing, in one process or several ----------------------------------------------


def _draw_all(root: Path, tasks: list[_Task], *, workers: int | None, progress: bool) -> None:
    """Draw every task below `root`."""
    for folder in sorted({str(PurePosixPath(path).parent) for one in tasks for path in one.paths}):
        (root / folder).mkdir(parents=True, exist_ok=True)
    if workers is None:
        workers = 1 if len(tasks) < _SERIAL_BELOW else _count_cores()
    batches = [tasks[at : at + _BATCH] for at in range(0, len(tasks), _BATCH)]
    with progress_bar(total=len(tasks), desc="synthetic cells", shown=progress) as bar:
        done = _draw_parallel(root, batches, workers) if workers > 1 else (
            _draw_batch(str(root), batch) for batch in batches
        )  # fmt: skip
        for count in done:
            bar.update(count)


def _count_cores() -> int:
    with contextlib.suppress(AttributeError):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _draw_parallel(root: Path, batches: list[list[_Task]], workers: int) -> Iterator[int]:
    """Draw batches in fresh processes; fork would copy the threads of a notebook's kernel."""
    pool = ProcessPoolExecutor(
        min(workers, len(batches)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_follow_parent,
    )
    try:
        pending = {pool.submit(_draw_batch, str(root), batch) for batch in batches}
        while pending:
            done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)
            yield from (one.result() for one in done)
    except BrokenProcessPool as error:
        raise DataError(
            "A process that drew synthetic cells died.",
            where=root,
            remedy="Run the same command again, with workers=1 if memory is short; in a "
            'script, call it below `if __name__ == "__main__":`.',
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _follow_parent() -> None:
    """Let this worker process end with its parent, and not write on into a repeat."""
    parent = multiprocessing.parent_process()

    def leave():
        parent.join()
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()


def _draw_batch(root: str, batch: Iterable[_Task]) -> int:
    """Draw and write some images; returns how many."""
    count = 0
    for task in batch:
        seed, person = task.seed, task.person
        stain = draw_stain(open_stream(seed, _STAIN, person))
        light = draw_light(open_stream(seed, _LIGHT, *task.field))
        rng = open_stream(seed, _CELL, task.cell)
        picture = Image.fromarray(draw_nucleus(rng, task.label, stain, light, size=task.size))
        for path in task.paths:
            picture.save(Path(root, path))
        count += 1
    return count
