"""Getting a data set: downloads, synthetic cells, and the comparison with the official list."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.resources import as_file
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pandas as pd

from . import smears, synthetic
from .datasets import COLUMNS, DATASETS, get_dataset, is_own
from .errors import DataError, DependencyError, DiskError, FetchError, ImageError
from .files import clear_errors, hash_json, workspace
from .images import read_image
from .layouts import (
    FINAL,
    PRELIMINARY,
    find_labels,
    folders_named,
    images_in,
    preliminary_names,
    require_folder,
    subject_groups,
)
from .parallel import progress_bar

__all__ = [
    "DownloadReport",
    "check_download",
    "fetch_dataset",
    "official_cells",
    "official_files",
    "prepare_data",
]


_FAULTS = ("missing", "extra", "unreadable", "altered", "reformatted", "misplaced", "labels")


@dataclass(frozen=True)
class DownloadReport:
    """How a download compares with the official list of files.

    Each list names files by their official path, `extra` by where they lie; `altered` are
    readable images whose bytes differ from the official ones, `reformatted` are readable
    under another file format, `misplaced` under another fold or class than the official
    one. `labels` says what is wrong with the label file of the preliminary phase. `counts`
    has one entry per phase, fold and class: `official` files, those `found` (whatever their
    bytes), and those `identical`; fold and class are None where there is none.
    """

    root: str
    expected: int
    identical: int
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    altered: list[str] = field(default_factory=list)
    reformatted: list[str] = field(default_factory=list)
    misplaced: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    counts: list[dict] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """True when every official file is in its place, byte for byte, and nothing else."""
        return self.identical == self.expected and not (self.extra or self.misplaced or self.labels)

    def as_dict(self) -> dict:
        """Fields and `complete` as a plain dictionary."""
        return asdict(self) | {"complete": self.complete}

    def as_text(self) -> str:
        """Report for a terminal: every fault by name, then the counts, the summary last."""
        lines = []
        for kind in _FAULTS:
            names = getattr(self, kind)
            lines += [f"{kind}: {len(names)}", *(f"  {name}" for name in names)]
        return "\n".join([*lines, "", *self._table(), "", *self._summary()])

    def _table(self) -> list[str]:
        head = ("phase", "fold", "class", "official", "found", "identical")
        rows = [["-" if row[key] is None else f"{row[key]}" for key in head] for row in self.counts]
        return [
            "".join(f"{cell:<12}" for cell in row[:3]) + "".join(f"{cell:>10}" for cell in row[3:])
            for row in (head, *rows)
        ]

    def _summary(self) -> list[str]:
        """What is there, what to do about it, and whether it is all."""
        lines = [f"{self.identical} of {self.expected} official files are there, byte for byte."]
        if self.complete:
            return [*lines, "The data set is complete."]
        if self.reformatted:
            lines.append(
                f"{len(self.reformatted)} more were re-encoded: usable, but not the official bytes."
            )
        if self.missing or self.unreadable or self.altered:
            lines.append("Download again what is missing, unreadable or altered.")
        if self.labels:
            lines.append("Download the label file of the preliminary phase again.")
        if self.extra or self.misplaced:
            lines.append("Remove what is extra, and move what is misplaced.")
        return [*lines, "The data set is not complete."]


def official_files() -> pd.DataFrame:
    """The official C-NMC 2019 files.

    Returns
    -------
    pandas.DataFrame
        One row per file (15,114): `path` below the root of the download, `phase`
        (`train`, `test_prelim`, `test_final`), `fold`, `class`, `subject`,
        `original_name`, `sha256` (hexadecimal), `bytes`. Labels of the final phase were
        never published.
    """
    source = package_files("alllib") / "data" / "cnmc2019_files.parquet"
    with as_file(source) as path:
        table = pd.read_parquet(path)
    named = ["phase", "fold", "class", "subject"]
    table[named] = table[named].astype("string")  # stored as categories
    table["sha256"] = [digest.hex() for digest in table.sha256]
    return table


def official_cells() -> pd.DataFrame:
    """Cell table of the official training images, made from the list alone.

    It has every column that a split needs, without any image at hand: `path` is the
    official path, `width` and `height` are those of the training images (450 pixels).

    Returns
    -------
    pandas.DataFrame
        10,661 rows, columns as `alllib.datasets.load_cells` gives them.
    """
    files = official_files().query("phase == 'train'")
    names = files.original_name.str.removesuffix(".bmp")
    merged = subject_groups()
    table = pd.DataFrame(
        {
            "image": names,
            "path": files.path,
            "label": files["class"].astype("string").str.upper(),
            "subject": files.subject,
            "group": [merged.get(name, name) for name in files.subject],
            "field": names.str.extract(r"UID_(\w+_\d+)_\d+_\w+", expand=False),
            "fold": files.fold,
            "width": 450,
            "height": 450,
            "sha256": files.sha256,
        }
    )
    text = {name: "string" for name in COLUMNS if name not in ("width", "height")}
    table = table.astype(text).sort_values(["fold", "label", "image"], kind="stable")
    table = table.reset_index(drop=True)
    table.attrs["dataset"] = "cnmc2019"
    return table


def check_download(root: str | Path, *, progress: bool = True) -> DownloadReport:
    """Compare a C-NMC 2019 folder with the official list, and open every image.

    Parameters
    ----------
    root : path-like
        Folder of the download.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DownloadReport

    Raises
    ------
    DataError
        When the folder does not exist or holds nothing of the data set.
    """
    root = Path(root).expanduser()
    require_folder(root)
    official = official_files().set_index("path")
    found, extra = _found(root)
    if not found:
        raise DataError(
            "Nothing of C-NMC 2019 is in this folder.",
            where=root,
            remedy="Give the folder that the download was unpacked to.",
        )
    found, misplaced = _straighten(found, official)
    extra += [path for name, path in found.items() if name not in official.index]
    states = _states(found, official.sha256, progress)
    named = {
        kind: [name for name, state in states.items() if state == kind]
        for kind in ("unreadable", "altered", "reformatted")
    }
    return DownloadReport(
        root=str(root),
        expected=len(official),
        identical=sum(state == "identical" for state in states.values()),
        missing=sorted(set(official.index) - set(found)),
        extra=sorted(map(str, extra)),
        misplaced=misplaced,
        labels=_label_problems(root, official),
        counts=_count(official, states),
        **named,
    )


def _states(found: dict[str, Path], digests: pd.Series, progress: bool) -> dict[str, str]:
    """What each file is, by its official path, once it was opened."""
    with ThreadPoolExecutor() as pool:
        states = pool.map(_state, found.items(), [digests] * len(found))
        bar = progress_bar(states, total=len(found), desc="checking", shown=progress)
        return dict(zip(found, bar, strict=True))


def _count(official: pd.DataFrame, states: dict[str, str]) -> list[dict]:
    """Files of each phase, fold and class: official, found, identical."""
    keys = ["phase", "fold", "class"]
    table = official[keys].astype(object)
    table = table.where(table.notna(), None).assign(
        official=1,
        found=official.index.isin(list(states)),
        identical=official.index.map(states.get) == "identical",
    )
    counts = table.groupby(keys, dropna=False, sort=False).sum()
    return [
        {
            key: None if pd.isna(value) else str(value)
            for key, value in zip(keys, place, strict=True)
        }
        | {name: int(number) for name, number in numbers.items()}
        for place, numbers in zip(counts.index, counts.to_dict("records"), strict=True)
    ]


def _label_problems(root: Path, official: pd.DataFrame) -> list[str]:
    """What is wrong with the preliminary labels; nothing where that phase is not there."""
    folders = [root] if root.name == PRELIMINARY else folders_named(root, PRELIMINARY, depth=5)
    said = [line for one in folders if any(images_in(one)) for line in _check_labels(one, official)]
    return list(dict.fromkeys(said))


def _check_labels(folder: Path, official: pd.DataFrame) -> list[str]:
    """Compare the label file that belongs to a folder with the official list."""
    try:
        labels_file = find_labels(folder)
        names = preliminary_names(labels_file)
    except DataError as error:
        return [f"{error.where}: {error.what}"]
    listed = official[official.phase == "test_prelim"].original_name
    wanted = {path.rsplit("/", 1)[-1]: name for path, name in listed.items()}
    said = [
        f"{labels_file}: {key} should be {name}, and "
        + (f"is {names[key]}" if key in names else "has no row")
        for key, name in wanted.items()
        if names.get(key) != name
    ]
    return said + [f"{labels_file}: {key} is on no list" for key in names if key not in wanted]


def _found(root: Path) -> tuple[dict[str, Path], list[Path]]:
    """Files by official path (always `.bmp`), whatever archive they came in; the others."""
    found, others = {}, []
    for folder in (root, *folders_named(root, r".*", depth=5)):
        place = _official_place(folder)
        for path in images_in(folder):
            name = f"{place}/{path.stem}.bmp"
            if place is None or name in found:  # stray, or a second copy
                others.append(path)
            else:
                found[name] = path
    return found, others


def _official_place(folder: Path) -> str | None:
    """Official folder that a folder stands for; None where it stands for none."""
    if re.fullmatch(r"fold_\d+", folder.parent.name):
        return f"training_data/{folder.parent.name}/{folder.name}"
    return {
        PRELIMINARY: f"validation_data/{PRELIMINARY}",
        FINAL: f"testing_data/{FINAL}",
    }.get(folder.name)


def _straighten(
    found: dict[str, Path], official: pd.DataFrame
) -> tuple[dict[str, Path], list[str]]:
    """Recognise training images that lie in the folder of another class or fold."""
    by_name = {name.rsplit("/", 1)[-1]: name for name in official.index if "UID_" in name}
    straight, misplaced = {}, []
    for name, path in found.items():
        right = by_name.get(name.rsplit("/", 1)[-1], name)
        if right != name and right not in found and right not in straight:
            misplaced.append(f"{name} (belongs to {right})")
            name = right
        straight[name] = path
    return straight, misplaced


def _state(item: tuple[str, Path], digests: pd.Series) -> str:
    name, path = item
    try:
        read_image(path)
    except ImageError:
        return "unreadable"
    if name not in digests.index:
        return "extra"
    if hashlib.sha256(path.read_bytes()).hexdigest() == digests[name]:
        return "identical"
    return "altered" if path.suffix.lower() == ".bmp" else "reformatted"


def fetch_dataset(name: str) -> Path:
    """Download a data set from Kaggle, once; kagglehub keeps it in its own cache.

    Parameters
    ----------
    name : str
        `cnmc2019` (about 10 GB) or `ball2021`.

    Returns
    -------
    pathlib.Path
        Folder of the download, for `load_cells`.

    Raises
    ------
    DependencyError
        When kagglehub is not installed.
    FetchError
        When the data set is not on Kaggle, credentials are missing or the network fails.
    DiskError
        When the disk is full or kagglehub's folder cannot be written.
    """
    entry = get_dataset(name)
    if entry.kaggle is None:
        raise FetchError(
            f"{entry.title!r} is not downloaded but made here.",
            remedy="Run `alllib data make`."
            if name == "synthetic"
            else f"Give {name!r} as the data of a notebook or a training, and it is made.",
        )
    try:
        import kagglehub
    except ImportError as error:
        raise DependencyError(
            "The package kagglehub is needed for downloads and not installed.",
            remedy="Run `pip install kagglehub` and try again.",
        ) from error
    try:
        with clear_errors("the download folder of kagglehub"):
            return Path(kagglehub.dataset_download(entry.kaggle))
    except DiskError:
        raise
    except Exception as error:  # kagglehub raises many kinds, of its own and of requests
        raise _fetch_error(entry.kaggle, error) from error


def _fetch_error(handle: str, error: Exception) -> FetchError:
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f"{type(error).__name__} {error}".lower()
    if status in (401, 403) or "credential" in said or "authenticated" in said:
        return FetchError(
            "Kaggle wants to know who you are: credentials are missing or refused.",
            where=f"Kaggle data set {handle}",
            remedy="On kaggle.com, open Settings, create an API token, save it as "
            "~/.kaggle/kaggle.json (or set KAGGLE_USERNAME and KAGGLE_KEY), accept the data "
            "set's terms on its page, and run the same command again.",
        )
    return FetchError(
        f"The download failed ({type(error).__name__}: {_last_reason(error)}).",
        where=f"Kaggle data set {handle}",
        remedy="Check the network and run the same command again (it goes on where it "
        "stopped), or download the archive in a browser and give its folder as DATA.",
    )


def _last_reason(error: Exception) -> str:
    """Innermost reason of an error, in a line of at most 120 characters.

    The network's errors are nested in one another, and each prints all that it holds.
    """
    seen = set()
    while id(error) not in seen:
        seen.add(id(error))
        inner = [getattr(error, "reason", None), error.__cause__, *error.args]
        error = next((one for one in inner if isinstance(one, Exception)), error)
    lines: Iterable[str] = str(error).strip().splitlines() or ["no details"]
    # urllib3 puts its objects first: <...HTTPSConnection object at 0x7f>: Failed to ...
    line = re.sub(r"^(<[^>]*>|\w+\([^)]*\)): ", "", next(iter(lines)))
    return line if len(line) <= 120 else f"{line[:117]}..."


def prepare_data(data: str = "synthetic", *, images: int = 1000, seed: int = 2019) -> Path:
    """Folder to read images from.

    Parameters
    ----------
    data : str
        `synthetic` for cells and `synthetic-subtypes` for smears made on the spot, the
        name of a data set to download, or a folder that holds one.
    images : int
        Number of synthetic images.
    seed : int
        Seed of the synthetic images.

    Returns
    -------
    pathlib.Path
        For `alllib.datasets.load_cells`.
    """
    if data == "synthetic":
        design = synthetic.SyntheticDesign(images=images, seed=seed)
        return synthetic.make_dataset(_made_folder(data, design, synthetic.GENERATOR), design)
    if data == "synthetic-subtypes":
        design = smears.SmearDesign(images=images, seed=seed)
        return smears.make_smears(_made_folder(data, design, smears.GENERATOR), design)
    known = data in DATASETS and not is_own(data)
    return fetch_dataset(data) if known else Path(data).expanduser()


def _made_folder(data: str, design: Any, generator: int) -> Path:
    """Folder of a synthetic data set; what an older generator drew is another set."""
    drawn = hash_json([asdict(design), generator])[:8]
    name = f"{data}-{design.images}-{design.seed}-{drawn}"
    return workspace() / "_build" / "data" / name
