"""The project's own files agree with each other and name nothing of one machine."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
LOCKED_EXTRAS = set(EXTRAS) - {"gpu"}
PYTHONS = ("3.11", "3.12", "3.13")
TEXT_SUFFIXES = {".cff", ".cfg", ".css", ".html", ".ipynb", ".json", ".lock", ".md", ".py", ".sh"}
TEXT_SUFFIXES |= {"", ".bib", ".svg", ".toml", ".txt", ".yaml", ".yml"}


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def tracked() -> list[Path]:
    """Files that are, or would be, committed."""
    command = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others"]
    found = subprocess.run([*command, "--exclude-standard"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("not a git checkout")
    names = found.stdout.decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def locked() -> dict[str, list[tuple[Requirement, int]]]:
    """Name to (requirement, number of hashes) for each line of the lock."""
    requirements: dict[str, list[tuple[Requirement, int]]] = {}
    text = re.sub(r"^\s*#.*\n", "", text_of("requirements.lock"), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip():
            continue
        head, *hashes = re.split(r"\s+--hash=sha256:", line.strip())
        requirement = Requirement(head.strip())
        assert all(re.fullmatch("[0-9a-f]{64}", value) for value in hashes), head
        name = canonicalize_name(requirement.name)
        requirements.setdefault(name, []).append((requirement, len(hashes)))
    return requirements


def environments() -> list[dict[str, str]]:
    return [
        {
            "python_version": version,
            "python_full_version": f"{version}.0",
            "sys_platform": "linux",
            "platform_system": "Linux",
            "os_name": "posix",
            "platform_machine": machine,
            "implementation_name": "cpython",
            "platform_python_implementation": "CPython",
        }
        for version in PYTHONS
        for machine in ("x86_64", "aarch64")
    ]


def test_lock_pins_and_hashes_every_requirement():
    pinned = locked()
    assert len(pinned) > 50
    for name, lines in pinned.items():
        for requirement, hashes in lines:
            assert hashes, f"{name} has no hash"
            (version,) = requirement.specifier
            assert version.operator == "==" and "+" not in version.version, str(requirement)
            assert requirement.url is None


def test_lock_names_no_index():
    for line in text_of("requirements.lock").splitlines():
        assert not line.startswith("-"), line
        assert "://" not in line, line


@pytest.mark.parametrize("extra", ["", *sorted(LOCKED_EXTRAS)])
def test_lock_satisfies_every_dependency(extra):
    pinned = locked()
    for text in EXTRAS[extra] if extra else PROJECT["dependencies"]:
        wanted = Requirement(text)
        for environment in environments():
            if wanted.marker and not wanted.marker.evaluate(environment):
                continue
            chosen = [
                requirement
                for requirement, _ in pinned.get(canonicalize_name(wanted.name), [])
                if requirement.marker is None or requirement.marker.evaluate(environment)
            ]
            assert len(chosen) == 1, f"{text} in {environment}: {chosen}"
            (version,) = chosen[0].specifier
            assert wanted.specifier.contains(version.version), f"{text}: {version}"


def test_makefile_locks_every_extra_but_gpu():
    named = re.search(r"^LOCKED_EXTRAS := (.+)$", text_of("Makefile"), re.MULTILINE)
    assert named and set(named[1].split()) == LOCKED_EXTRAS


def test_only_justified_upper_bounds():
    bounded = set()
    for text in [*PROJECT["dependencies"], *sum(EXTRAS.values(), [])]:
        wanted = Requirement(text)
        operators = {each.operator for each in wanted.specifier}
        assert ">=" in operators, f"{text} has no lower bound"
        if operators != {">="}:
            bounded.add(wanted.name)
    assert bounded == {"jupyter-book", "sphinx-book-theme"}


def test_environment_installs_the_locked_extras():
    environment = yaml.safe_load(text_of("environment.yml"))
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    (install,) = [re.fullmatch(r"-e \.\[([a-z,]+)\]", line) for line in pip]
    assert set(install[1].split(",")) == LOCKED_EXTRAS
    (python,) = [e for e in environment["dependencies"] if str(e).startswith("python=")]
    assert python.removeprefix("python=") in PYTHONS


def targets() -> set[str]:
    names = re.findall(r"^\.PHONY:(.*)$", text_of("Makefile"), re.MULTILINE)
    return {name for line in names for name in line.split()}


def test_help_lists_every_target():
    shown = subprocess.run(
        ["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True
    ).stdout
    listed = set(re.findall(r"^  make ([a-z-]+) ", shown, re.MULTILINE))
    assert listed == targets() - {"FORCE", "render"}
    assert {"book", "test", "test-all", "notebooks", "lab", "lint", "bench", "clean"} <= listed


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", ".ci/run"])
def test_named_make_commands_exist(name):
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text_of(name), re.MULTILINE))
    assert named and named <= targets()


def test_links_of_documents_exist():
    for name in ("README.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)]+)\)", text_of(name)):
            assert link.startswith("https://doi.org/") or (ROOT / link).is_file(), link


def test_citation_can_be_read():
    citation = yaml.safe_load(text_of("CITATION.cff"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    namespace: dict[str, str] = {}
    line = re.search(r"^__version__ = .*$", text_of("alllib/__init__.py"), re.MULTILINE)
    exec(line[0], namespace)
    assert citation["version"] == namespace["__version__"]
    for author in citation["authors"]:
        assert author.get("name") or author.get("family-names")


@pytest.mark.parametrize("name", ["test.yml", "book.yml"])
def test_workflows_can_be_read(name):
    text = text_of(f".github/workflows/{name}")
    workflow = yaml.safe_load(text)
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job or "needs" in job for job in workflow["jobs"].values())
    assert ("bash .ci/run" if name == "test.yml" else "make book") in text


def test_no_file_names_this_machine_or_an_index():
    # In pieces, so that this file does not contain what it looks for.
    hosts = ["py" + "pi.org", "pythonhos" + "ted.org", "npmjs" + ".org", "deb.debian" + ".org"]
    paths = [f"/{top}/" for top in ("wo" + "rk", "ro" + "ot", "fa" + "rm")]
    edge = r"(?:^|[\s'\"(=:])"
    forbidden = re.compile("|".join([*map(re.escape, hosts), edge + f"(?:{'|'.join(paths)})"]))
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        if path.suffix in TEXT_SUFFIXES and path.relative_to(ROOT).parts[0] != "vendor"
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert not found


def test_no_image_of_a_data_set_is_tracked():
    assert not [path for path in tracked() if path.suffix in {".bmp", ".webp", ".jpg", ".jpeg"}]


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module or "")
    return names


def test_only_one_module_knows_colab():
    for path in (ROOT / "alllib").rglob("*.py"):
        if path != ROOT / "alllib" / "colab.py":
            assert not any(name.startswith("google") for name in imports(path)), path


def test_every_import_is_a_declared_dependency():
    declared = {Requirement(text).name for text in PROJECT["dependencies"]}
    declared |= {Requirement(text).name for text in sum(EXTRAS.values(), [])}
    modules = {canonicalize_name(name).replace("-", "_") for name in declared}
    modules |= {"PIL", "cv2", "sklearn", "yaml", "pynvml", "alllib", "google"}
    modules |= {name for name in declared if not name.islower()}
    # IPython comes with ipykernel; JAX and PyTorch are backends that a user may choose.
    modules |= {"IPython", "jax", "torch"}
    for path in (ROOT / "alllib").rglob("*.py"):
        tops = {name.split(".")[0] for name in imports(path)} - set(sys.stdlib_module_names)
        assert tops <= modules, f"{path.name}: {sorted(tops - modules)}"


def test_importing_the_package_loads_no_backend():
    heavy = "{'keras', 'tensorflow', 'torch', 'jax'}"
    code = f"import sys, alllib; sys.exit(' '.join({heavy} & set(sys.modules)) or 0)"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr


def test_data_files_are_in_the_package():
    patterns = tomllib.loads(text_of("pyproject.toml"))["tool"]["setuptools"]["package-data"]
    package = ROOT / "alllib"
    covered = {path for pattern in patterns["alllib"] for path in package.glob(pattern)}
    data = {p for p in tracked() if p.is_relative_to(package) and p.suffix != ".py"}
    assert data <= covered, sorted(data - covered)


@pytest.fixture
def small_project(tmp_path):
    """A copy whose lock is empty, so that its environment builds in seconds."""
    for name in ("Makefile", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "workflow").mkdir()
    shutil.copy(ROOT / "workflow" / "group.sh", tmp_path / "workflow")
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    (tmp_path / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    # A build backend that builds an empty package, so that nothing has to be fetched.
    (tmp_path / "backend.py").write_text(BACKEND)
    return tmp_path


BACKEND = """
import zipfile

WHEEL = "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"


def build_editable(folder, config_settings=None, metadata_directory=None):
    name, info = "empty-1-py3-none-any.whl", "empty-1.dist-info"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: empty\\nVersion: 1\\n")
        wheel.writestr(f"{info}/WHEEL", WHEEL)
        wheel.writestr(f"{info}/RECORD", "")
    return name
"""


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_environment_is_built_once_and_again_when_the_lock_changes(small_project):
    # pip alone, not pytest or Snakemake: only the rules of the environment are at stake.
    python = f"PYTHON={sys.executable}"
    built = make(small_project, "venv", python)
    assert built.returncode == 0, built.stderr
    assert "Building .venv" in built.stdout
    assert "Building" not in make(small_project, "venv", python).stdout
    (small_project / "Makefile").touch()
    (small_project / "requirements.lock").touch()
    assert "Building" not in make(small_project, "venv", python).stdout
    (small_project / "requirements.lock").write_text("# a comment\n")
    assert "Building" not in make(small_project, "venv", python).stdout
    (small_project / "requirements.lock").write_text("--no-binary=none\n")
    assert "Building" in make(small_project, "venv", python).stdout
    (small_project / ".venv" / "bin" / "python").unlink()
    assert "Building" in make(small_project, "venv", python).stdout


def test_half_built_environment_does_not_count(small_project):
    python = f"PYTHON={sys.executable}"
    lock = small_project / "requirements.lock"
    lock.write_text("./missing-1-py3-none-any.whl --hash=sha256:" + 64 * "0" + "\n")
    failed = make(small_project, "venv", python)
    assert failed.returncode and "remedy:" in failed.stderr
    assert (small_project / ".venv").exists()
    assert not (small_project / ".venv" / ".lock-sha").exists()
    assert "Building" in make(small_project, "venv", python).stdout
    lock.write_text("# mended\n")
    assert make(small_project, "venv", python).returncode == 0


def test_unfit_python_is_a_clear_error(small_project):
    failed = make(small_project, "venv", "PYTHON=/bin/false")
    assert failed.returncode and "no Python 3.11, 3.12 or 3.13" in failed.stderr
    assert "remedy:" in failed.stderr


def test_book_refuses_a_missing_folder(small_project):
    failed = make(small_project, "book", f"PYTHON={sys.executable}", "DATA=no such folder")
    assert failed.returncode
    assert "error: DATA is not a folder: no such folder" in failed.stderr


def test_clean_keeps_runs(small_project):
    (small_project / "runs" / "a").mkdir(parents=True)
    (small_project / "_build").mkdir()
    assert "Kept runs" in make(small_project, "clean").stdout
    assert (small_project / "runs" / "a").is_dir()
    assert not (small_project / "_build").exists()


def alive(pid: int) -> bool:
    state = Path(f"/proc/{pid}/stat")
    try:
        return state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(condition, seconds: float = 15) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_child_outlives_make(tmp_path, sent):
    # A grandchild that ignores the polite signals, under make as `make book` starts it.
    script = "trap '' INT TERM; echo $$ > pid; while :; do sleep 0.2; done"
    (tmp_path / "child.sh").write_text(script)
    (tmp_path / "Makefile").write_text(
        f"book:\n\t@exec bash {ROOT}/workflow/group.sh bash -c 'bash child.sh; :'\n"
    )
    started = subprocess.Popen(["make"], cwd=tmp_path, start_new_session=True)
    pid = tmp_path / "pid"
    assert wait_until(lambda: pid.exists() and pid.read_text().strip())
    child = int(pid.read_text())
    if sent == signal.SIGINT:  # as a terminal does: to the whole foreground group
        os.killpg(started.pid, sent)
    else:
        started.send_signal(sent)
    started.wait(timeout=20)
    assert wait_until(lambda: not alive(child))


def test_group_passes_the_exit_status_on():
    command = ["bash", str(ROOT / "workflow" / "group.sh"), "bash", "-c", "exit 7"]
    assert subprocess.run(command, check=False).returncode == 7
