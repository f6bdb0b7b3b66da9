"""Which code a result comes from: the modules behind it, their hash, the commit."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from alllib import provenance
from alllib.provenance import PACKAGE, code_digest, git_commit, import_closure

# The modules behind a text -----------------------------------------------------------


def names(*cells: str) -> set[str]:
    return {str(path.relative_to(PACKAGE)) for path in import_closure(cells)}


def test_the_closure_follows_imports_downwards_only():
    found = names("import alllib.files")
    assert {"__init__.py", "files.py", "errors.py"} <= found
    assert "pages.py" not in found and "parameters.py" not in found
    assert names("from alllib import files") == found
    assert names("def late():\n    from alllib.files import workspace") == found
    assert {"pages.py", "parameters.py", "files.py"} <= names("from alllib.pages import merge")
    assert names("import numpy") == set()


def test_a_package_counts_with_all_files_below_it():
    assert {"recipes/__init__.py"} <= names("from alllib.recipes import load_recipe")


def test_modules_that_are_named_relatively_are_followed():
    """`alllib.training` names its own modules with a leading dot."""
    found = names("import alllib.training")
    assert {"fitting.py", "feeding.py", "store.py", "architectures/vgg16.py", "errors.py"} <= found
    assert not {"cli.py", "pages.py", "notebooks.py", "tables.py"} & found


def test_a_magic_that_is_the_whole_body_of_a_block_stands_for_everything():
    found = names("import alllib\nif True:\n    %matplotlib inline\n")
    assert {"cli.py", "training.py"} <= found
    assert names("if True:\n    !ls\n") == set()


# Their hash -----------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch) -> Path:
    """A package of three modules; `digest` forgets what it found before."""
    folder = tmp_path / "small"
    (folder / "recipes").mkdir(parents=True)
    texts = {
        "__init__.py": '"""Small."""\n',
        "training.py": '"""Trains."""\nfrom .fitting import fit\nfrom .errors import Wrong\n',
        "fitting.py": 'def fit(a):\n    """Fit."""\n    return a + 1  # one more\n',
        "errors.py": "class Wrong(Exception):\n    pass\n",
        "tables.py": "x = 1\n",
        "recipes/one.toml": "batch = 3\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    monkeypatch.setattr(provenance, "PACKAGE", folder)
    return folder


def digest(module: str = "small.training") -> str:
    code_digest.cache_clear()
    found = code_digest(module)
    code_digest.cache_clear()
    return found


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fitting.py", "# one more", "# another word"),
        ("fitting.py", '"""Fit."""', '"""Fit better."""'),
        ("fitting.py", "a + 1", "(a   +  1)"),
        ("fitting.py", "def fit", "\n\n\ndef fit"),
        ("training.py", '"""Trains."""', '"""Other."""'),
        ("errors.py", "pass", "what = 3"),
        ("tables.py", "x = 1", "x = 2"),
        ("recipes/one.toml", "3", "4"),
    ],
)
def test_what_changes_no_result_changes_no_digest(package, name, old, new):
    before = digest()
    change(package / name, old, new)
    assert digest() == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("fitting.py", "a + 1", "a + 2"),
        ("fitting.py", "fit(a)", "fit(a, b=0)"),
        ("fitting.py", "    return", '    """Not the docstring."""\n    return'),
        ("training.py", "from .errors", "from .tables"),
    ],
)
def test_what_may_change_a_result_changes_the_digest(package, name, old, new):
    before = digest()
    change(package / name, old, new)
    assert digest() != before


def test_a_function_that_holds_a_docstring_alone_is_no_error(package):
    change(package / "tables.py", "x = 1", 'def late():\n    """To be written."""\n')
    change(package / "training.py", "from .errors import Wrong", "from .tables import late")
    before = digest()
    change(package / "tables.py", "To be written", "Written later")
    assert digest() == before


def test_the_digest_is_sixteen_digits_and_does_not_depend_on_the_folder(package, tmp_path):
    found = digest()
    assert len(found) == 16 and int(found, 16) >= 0
    moved = tmp_path / "elsewhere" / "small"
    moved.parent.mkdir()
    package.rename(moved)
    provenance.PACKAGE = moved
    assert digest() == found


def test_modules_that_are_set_aside_exist():
    """A renamed one would count from then on, in silence."""
    for name in provenance.ASIDE:
        assert (PACKAGE / f"{name}.py").is_file() or (PACKAGE / name / "__init__.py").is_file()


def test_what_decides_a_training_is_not_set_aside():
    counted = {path.name for path in import_closure(["import alllib.training"])}
    for name in ("fitting", "training", "feeding", "transforms", "pictures", "store", "layers"):
        assert f"{name}.py" in counted and name not in provenance.ASIDE


# Commit ----------------------------------------------------------------------------


def git(folder: Path, *words: str) -> str:
    name = ["-c", "user.name=a", "-c", "user.email=a@b.invalid", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_commit_is_that_of_the_package_and_says_when_files_differ(tmp_path, monkeypatch):
    module = tmp_path / "checkout" / "alllib" / "provenance.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n")
    monkeypatch.setattr(provenance, "__file__", str(module))
    assert git_commit() is None
    git(module.parents[1], "init", "-q")
    assert git_commit() is None
    git(module.parents[1], "commit", "-q", "--allow-empty", "-m", "somebody else's")
    assert git_commit() is None, "the package is no part of this checkout"
    git(module.parents[1], "add", ".")
    git(module.parents[1], "commit", "-q", "-m", "ours")
    head = git(module.parents[1], "rev-parse", "HEAD")
    assert git_commit() == head and len(head) == 40
    module.write_text("x = 2\n")
    assert git_commit() == head + "+"


def test_no_git_is_no_error(monkeypatch):
    def lacking(*_, **__):
        raise FileNotFoundError("git")

    monkeypatch.setattr(provenance.subprocess, "run", lacking)
    assert git_commit() is None
