"""What the test modules share: where real images lie, and the browser to look at pages with."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


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
