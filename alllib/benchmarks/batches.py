"""What running a notebook in a batch costs beside its cells."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import nbformat

from ..errors import NotebookError
from ..notebooks import PACKAGE_PARENT
from .scene import Scene

__all__ = ["bench_batch_overhead"]

NOTEBOOK = """\
# %% [markdown]
# # A tiny notebook

# %% tags=["parameters"]
images = 3  # how many

# %%
numbers = list(range(images))

# %%
sum(numbers)
"""


def bench_batch_overhead(scene: Scene) -> dict:
    """Seconds of `alllib run` beyond the cells' own time, as the batch calls it.

    Counted are the start of the process, its imports, the start of the kernel, papermill and
    the runner's checks.

    Returns
    -------
    dict
        `value` and `ours` are seconds for a notebook, `peer` the seconds of its cells.
    """
    folder = scene.folder / "overhead"
    folder.mkdir()
    source, output = folder / "tiny.py", folder / "done.ipynb"
    source.write_text(NOTEBOOK, encoding="utf-8")
    own: list[float] = []

    def run() -> None:
        command = [sys.executable, "-m", "alllib.cli", "run", str(source), "--output", str(output)]
        path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": path}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
        if done.returncode:
            raise NotebookError(
                "The notebook of the benchmark failed: " + done.stderr.strip()[-300:],
                remedy="Run any page with `alllib run` and mend what it says.",
            )
        own.append(cell_seconds(output))

    times = scene.measure_times({"ours": run})["ours"]
    beyond = statistics.median(whole - cells for whole, cells in zip(times, own, strict=True))
    return {"value": beyond, "ours": beyond, "peer": statistics.median(own), "unit": "s"}


def cell_seconds(executed: Path) -> float:
    """Seconds that the cells of an executed notebook took, as papermill noted them."""
    notebook = nbformat.read(executed, as_version=4)
    noted = [cell.metadata.get("papermill", {}) for cell in notebook.cells]
    spans = [
        datetime.fromisoformat(cell["end_time"]) - datetime.fromisoformat(cell["start_time"])
        for cell in noted
        if cell.get("start_time") and cell.get("end_time")
    ]
    return sum(span.total_seconds() for span in spans)
