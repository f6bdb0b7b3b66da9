"""Images and folders that the benchmarks share, in a workspace that goes when they end."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from PIL import Image

from ..datasets import load_cells
from ..files import clear_errors, workspace
from ..synthetic import SyntheticDesign, make_dataset
from .timing import measure, measure_times

__all__ = ["Scene"]

PREFIX = "benchmarks-"  # of temporary workspaces; the number of the process follows
SOURCES = 16  # files behind the noise images


class Scene:
    """Temporary workspace with what is measured on; made as it is asked for.

    Within the block, `ALLLIB_WORKSPACE` is a folder below `_build/` of the workspace, so that
    stores of the benchmarks are always built anew and none is left.

    Parameters
    ----------
    rounds : int, optional
        Rounds of every measurement; its own number when not given.
    images : int
        450x450 BMP images of `cells`.
    told : callable, optional
        Called with a sentence as the work goes on.
    """

    def __init__(
        self,
        *,
        rounds: int | None = None,
        images: int = 2000,
        told: Callable[[str], object] | None = None,
    ):
        self.rounds, self.images, self.told = rounds, images, told or (lambda _: None)
        self.folder = Path()

    def __enter__(self) -> Scene:
        build = workspace() / "_build"
        with clear_errors(build):
            build.mkdir(parents=True, exist_ok=True)
            _sweep(build)
            prefix = f"{PREFIX}{os.getpid()}-"
            self.folder = Path(tempfile.mkdtemp(prefix=prefix, dir=build))
        self._before, self._cells = os.environ.get("ALLLIB_WORKSPACE"), None
        os.environ["ALLLIB_WORKSPACE"] = str(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is None:
            del os.environ["ALLLIB_WORKSPACE"]
        else:
            os.environ["ALLLIB_WORKSPACE"] = self._before
        shutil.rmtree(self.folder, ignore_errors=True)

    def measure(self, ours: Callable, peer: Callable, amount: float, **options) -> dict:
        """`timing.measure`, with the rounds of this scene and a word on each."""
        ways = self._telling({"ours": ours, "peer": peer})
        options["rounds"] = self.rounds or options.get("rounds", 5)
        return measure(ways["ours"], ways["peer"], amount, **options)

    def measure_times(self, ways: dict[str, Callable], **options) -> dict[str, list[float]]:
        """`timing.measure_times`, with the rounds of this scene and a word on each."""
        options["rounds"] = self.rounds or options.get("rounds", 5)
        return measure_times(self._telling(ways), **options)

    def _telling(self, ways: dict[str, Callable]) -> dict[str, Callable]:
        def telling(name: str, way: Callable) -> Callable:
            done = iter(range(1, 1_000_000))

            def told() -> None:
                self.told(f"{name}, run {next(done)}")
                way()

            return told

        return {name: telling(name, way) for name, way in ways.items()}

    def cells(self, count: int | None = None) -> pd.DataFrame:
        """Cell table of synthetic 450x450 BMP files, the first `count` of a fixed shuffle."""
        if self._cells is None:
            self.told(f"drawing {self.images} images")
            design = SyntheticDesign(images=self.images)
            root = make_dataset(self.folder / "cells", design, progress=False)
            self._cells = load_cells(root)
        chosen = np.random.default_rng(1).permutation(len(self._cells))[:count]
        return self._cells.iloc[np.sort(chosen)].reset_index(drop=True)

    def linked(self, cells: pd.DataFrame) -> Path:
        """Folder with the files of a cell table in a folder per class, as Keras reads them."""
        root = Path(tempfile.mkdtemp(prefix="linked-", dir=self.folder))
        for row in cells.itertuples():
            target = root / row.label.lower() / Path(row.path).name
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(row.path)
        return root

    def noise(
        self, images: int, size: int, classes: tuple[str, ...] = ("ALL", "HEM")
    ) -> pd.DataFrame:
        """Cell table of many images behind which stand few files of random grey levels, for
        what depends on their number alone."""
        folder = self.folder / f"noise-{size}"
        folder.mkdir(exist_ok=True)
        draw = np.random.default_rng(1)
        paths = [folder / f"{number}.bmp" for number in range(SOURCES)]
        for path in paths:
            Image.fromarray(draw.integers(0, 256, (size, size, 3), np.uint8)).save(path)
        names = [f"noise_{number}" for number in range(images)]
        cells = pd.DataFrame(
            {
                "image": names,
                "path": [str(paths[number % SOURCES]) for number in range(images)],
                "label": [classes[number % len(classes)] for number in range(images)],
                "subject": [str(number % 40) for number in range(images)],
                "group": [str(number % 40) for number in range(images)],
                "width": size,
                "height": size,
                "sha256": [hashlib.sha256(name.encode()).hexdigest() for name in names],
            }
        )
        cells.attrs["dataset"] = "synthetic"
        return cells


def _sweep(build: Path) -> None:
    """Remove the workspaces of benchmarks that were killed."""
    for left in build.glob(f"{PREFIX}*"):
        process = left.name.removeprefix(PREFIX).split("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(left, ignore_errors=True)
