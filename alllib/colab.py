"""What Google Colab needs and no other place does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from .errors import DependencyError, NotebookError

__all__ = ["Repository", "install_cell", "mount_drive", "read_repository"]

COLAB = "https://colab.research.google.com/github"


@dataclass(frozen=True)
class Repository:
    """Where the project lies: an address that git can clone, and the branch of the book."""

    url: str
    branch: str

    def page(self, path: str) -> str:
        """Address of a file: a notebook's in Colab, any other's in the repository.

        Colab opens notebooks of GitHub only; elsewhere a notebook counts as any other file.
        """
        parts = urlsplit(self.url.removesuffix(".git").rstrip("/"))
        if path.endswith(".ipynb") and parts.netloc == "github.com":
            return f"{COLAB}{parts.path}/blob/{self.branch}/{path}"
        return f"{parts.geturl()}/blob/{self.branch}/{path}"


def read_repository(config: str | Path) -> Repository:
    """Address and branch of the repository, which `_config.yml` alone holds.

    Raises
    ------
    NotebookError
        If the file names none.
    """
    settings = yaml.safe_load(Path(config).read_text(encoding="utf-8")) or {}
    repository = settings.get("repository") or {}
    if not repository.get("url"):
        raise NotebookError(
            "The book's settings name no repository.",
            where=config,
            remedy="Set `url` below `repository`.",
        )
    return Repository(repository["url"], repository.get("branch") or "main")


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
