"""What the test modules share: where real images lie, and the browser to look at pages with."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[1]

# A shell that starts the tests in the background lets them ignore Ctrl-C, and so all processes
# that they start; the tests of interrupts need it heard.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is no failure.
settings.register_profile("alllib", deadline=None)
settings.load_profile("alllib")


# Cells of the small C-NMC folder: three subjects a class, two fields each, three folds, the
# lower-case h3, and the five-part names of the official files.
CNMC_CELLS = tuple(
    (f"fold_{fold}", label, f"UID_{subject}_{field}_{cell}_{label}")
    for fold, subjects in enumerate((("1", "H1"), ("2", "H2"), ("11", "h3")))
    for subject, label in zip(subjects, ("all", "hem"), strict=True)
    for field in (1, 2)
    for cell in (1, 2)
)


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    """Folder that the package writes below in this test, never the checkout."""
    folder = tmp_path / "workspace"
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(folder))
    return folder


def draw_picture(name: str, size: int = 24) -> np.ndarray:
    """Uneven bright blob on black, shape (size, size, 3); the name seeds it."""
    rng = np.random.default_rng(list(name.encode()))
    image = np.zeros((size, size, 3), np.uint8)
    edge = size // 6
    shape = image[edge:-edge, edge:-edge].shape
    image[edge:-edge, edge:-edge] = rng.integers(60, 250, shape, dtype=np.uint8)
    image[edge : edge + 2, edge : edge + 3] = 0  # a notch: no symmetry maps it on itself
    return image


@pytest.fixture(scope="session")
def write_cnmc() -> Callable[..., Path]:
    """`write_cnmc(root, top=..., suffix=..., cells=..., size=...)`, see `write_layout`."""
    return write_layout


def write_layout(
    root: Path,
    *,
    top: str = "training_data",
    suffix: str = ".bmp",
    cells: Iterable[tuple[str, str, str]] = CNMC_CELLS,
    size: int = 24,
) -> Path:
    """Write a small C-NMC folder: `top` is the level above the folds ("" for none)."""
    for fold, label, name in cells:
        path = root / top / fold / label / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_picture(name, size)).save(path)
    return root


@pytest.fixture(scope="session")
def real_root() -> Path:
    """Folder of real images: $ALLLIB_REAL_DATA, else `../shared/data` beside the checkout."""
    chosen = os.environ.get("ALLLIB_REAL_DATA")
    root = Path(chosen) if chosen else REPOSITORY.parent / "shared" / "data"
    if not root.is_dir():
        if chosen:
            pytest.fail(f"ALLLIB_REAL_DATA is not a folder: {root}")
        pytest.skip("no real images here; set ALLLIB_REAL_DATA to the folder that holds them")
    return root


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of the browser: $CHROMIUM, else the first one on PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found is None:
        reason = f"no browser: none of {', '.join(names)} on PATH, and CHROMIUM is not set"
        if os.environ.get("ALLLIB_REQUIRE_BROWSER") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return found
