"""What Google Colab needs and no other place does."""

from __future__ import annotations

import os
from pathlib import Path

import yaml

from .errors import DependencyError, NotebookError

__all__ = ["install_cell", "mount_drive", "repository_address"]


def repository_address(config: str | Path) -> str:
    """Address of the repository, which `_config.yml` alone holds.

    Raises
    ------
    NotebookError
        If the file names none.
    """
    settings = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
    address = (settings.get("repository") or {}).get("url", "")
    if not address:
        raise NotebookError(
            "The book's settings name no repository.",
            where=config,
            remedy="Set `url` below `repository`.",
        )
    return address


def install_cell(repository: str) -> str:
    """Code of a twin's first cell: on Colab it installs the package, elsewhere nothing.

    Parameters
    ----------
    repository : str
        Address that git can clone.
    """
    return (
        "# On Colab, this installs the package `alllib`; anywhere else it does nothing.\n"
        "import importlib.util\n"
        "import os\n"
        "\n"
        'if "COLAB_RELEASE_TAG" in os.environ and importlib.util.find_spec("alllib") is None:\n'
        f'    %pip install -q "alllib @ git+{repository}"'
    )


def mount_drive(folder: str = "alllib") -> Path:
    """Mount the user's Google Drive and make a folder of it the workspace.

    What runs write then outlives the Colab session.

    Raises
    ------
    DependencyError
        Outside Colab.
    """
    try:
        from google.colab import drive
    except ImportError as error:
        raise DependencyError(
            "Google Drive can be mounted on Colab only.",
            remedy="Set ALLLIB_WORKSPACE to a folder of your own instead.",
        ) from error
    drive.mount("/content/drive")
    chosen = Path("/content/drive/MyDrive") / folder
    chosen.mkdir(parents=True, exist_ok=True)
    os.environ["ALLLIB_WORKSPACE"] = str(chosen)
    return chosen
