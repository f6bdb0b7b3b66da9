"""A strict runner of notebooks around papermill: it checks first and leaves nothing behind."""

from __future__ import annotations

import contextlib
import datetime
import errno
import logging
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat
import papermill
import psutil
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError

from . import __version__
from .errors import AlllibError, DiskError, NotebookError
from .files import clear_errors, whole_file, workspace
from .parameters import (
    PRESETS,
    Parameter,
    Value,
    code_cells,
    load_preset,
    parse_override,
    read_notebook,
    read_parameters,
    resolve_parameters,
)
from .twins import write_twins

__all__ = [
    "Parameter",
    "load_preset",
    "parse_override",
    "read_parameters",
    "resolve_parameters",
    "run_notebook",
    "source_of",
    "write_twins",
]

PACKAGE_PARENT = Path(__file__).resolve().parents[1]
KERNELSPEC = {"name": "python3", "display_name": "Python 3", "language": "python"}
_log = logging.getLogger(__name__)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Ends the kernel's whole group as soon as the runner is gone, however it went.
_WATCHER = (
    "import os, signal, sys\n"
    "sys.stdin.buffer.read()\n"
    "try: os.killpg(int(sys.argv[1]), signal.SIGKILL)\n"
    "except ProcessLookupError: pass\n"
)


def source_of(topic: str | Path) -> Path:
    """Path of a notebook's source from its topic or its path (`.py` or its twin).

    Raises
    ------
    NotebookError
        If there is none; the nearest topic is suggested.
    """
    path = Path(topic)
    if path.suffix == ".ipynb":
        path = path.with_suffix(".py")
    if path.suffix == ".py":
        read_notebook(path)
        return path.resolve()
    folders = [Path.cwd() / "notebooks", workspace() / "notebooks", PACKAGE_PARENT / "notebooks"]
    for folder in folders:
        if (folder / f"{topic}.py").is_file():
            return (folder / f"{topic}.py").resolve()
    read_notebook(next((f for f in folders if f.is_dir()), folders[0]) / f"{topic}.py")
    raise AssertionError("unreachable: a missing notebook is an error above")


def run_notebook(
    topic: str | Path,
    *,
    preset: str = "sample",
    overrides: Mapping[str, Value] | None = None,
    output: str | Path | None = None,
    presets: str | Path = PRESETS,
) -> Path:
    """Execute a notebook in a kernel of this interpreter and keep the result.

    Parameters
    ----------
    topic : str or path-like
        Topic (`splitting`) or path of the source.
    preset : str
        Name of a preset.
    overrides : mapping of str to value, optional
        Values that go before those of the preset.
    output : path-like, optional
        Where the executed notebook goes; `_build/executed/<topic>.ipynb` of the
        workspace if not given.
    presets : path-like
        File of the presets.

    Returns
    -------
    pathlib.Path
        The executed notebook. It appears whole or not at all.

    Raises
    ------
    ParameterError, NotebookError
        Before anything runs, for what is unknown, unused or ill-typed, and for an output
        that is a folder; and `NotebookError` when a cell fails. The failed notebook is kept in
        `_build/failed/`, and an earlier good one stays as it was.
    DiskError
        Before anything runs, when the output cannot be written there.
    KeyboardInterrupt
        On Ctrl-C and on SIGTERM; the kernel and its children are ended first.
    """
    source = source_of(topic)
    values = resolve_parameters(source, preset, overrides, presets=presets)
    build = workspace() / "_build"
    output = Path(output).resolve() if output else build / "executed" / f"{source.stem}.ipynb"
    _check_output(output)
    started = time.time()
    _log.info("%s: running with preset %s", source.stem, preset)
    with tempfile.TemporaryDirectory(prefix="alllib-") as folder:
        done = Path(folder) / "executed.ipynb"
        try:
            _execute(source, values, preset, folder=Path(folder))
        except papermill.PapermillExecutionError as error:
            raise _report(source, error, done, build / "failed" / f"{source.stem}.ipynb") from None
        except DeadKernelError:
            raise _dead(source, done, build / "failed" / f"{source.stem}.ipynb") from None
        notebook = nbformat.read(done, as_version=4)
    notebook.metadata["alllib"] = _stamp(source, values, preset, started=started)
    with whole_file(output) as partial:
        nbformat.write(notebook, partial)
    _log.info("%s: done in %.0f s", source.stem, time.time() - started)
    return output


def _check_output(output: Path) -> None:
    """Refuse a place that the executed notebook cannot be written to; nothing is left there."""
    if output.is_dir():
        raise NotebookError(
            "The executed notebook would stand where a folder is.",
            where=output,
            remedy=f"Give the name of a file, such as {output / 'executed.ipynb'}.",
        )
    folder = next(folder for folder in output.parents if folder.exists())
    try:
        with clear_errors(output):
            if not folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise DiskError(
            f"No file can be made there ({error.strerror}).",
            where=output,
            remedy="Choose another place for the executed notebook.",
        ) from error


def _execute(source: Path, values: Mapping[str, Value], preset: str, *, folder: Path) -> None:
    prepared, done = folder / "source.ipynb", folder / "executed.ipynb"
    notebook = read_notebook(source)
    notebook.metadata["kernelspec"] = dict(KERNELSPEC)
    nbformat.write(notebook, prepared)
    bar = {"desc": source.stem, "file": sys.stderr} if sys.stderr.isatty() else False
    with clear_errors(workspace()):
        workspace().mkdir(parents=True, exist_ok=True)
    with _kernel_class(preset) as kernel, _silent(logging.getLogger("papermill")):
        papermill.execute_notebook(
            str(prepared),
            str(done),
            parameters=dict(values),
            kernel_name="python3",
            language="python",
            progress_bar=bar,
            cwd=str(workspace()),
            kernel_manager_class=kernel,
        )


@contextlib.contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Warnings only: the runner says itself what runs."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextlib.contextmanager
def _kernel_class(preset: str) -> Iterator[type[AsyncKernelManager]]:
    """Kernel manager that starts this interpreter and whose kernels end with the block."""
    watchers: list[subprocess.Popen] = []
    kernels: list[int] = []

    class Kernel(AsyncKernelManager):
        """Starts `sys.executable`, whatever kernels are registered on this machine."""

        @property
        def kernel_spec(self) -> KernelSpec:
            command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            # Its warning about a connection that stays on this machine is of no use here.
            command.append("--IPKernelApp.log_level=ERROR")
            return KernelSpec(argv=command, display_name="Python 3", language="python")

        async def _async_start_kernel(self, **options: Any) -> None:
            options["env"] = _environment(preset)
            await super()._async_start_kernel(**options)
            kernels.append(self.provisioner.process.pid)
            command = [sys.executable, "-ISc", _WATCHER, str(kernels[-1])]
            watchers.append(
                subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
            )

        start_kernel = _async_start_kernel

    def stop(*_: object) -> None:
        for group in kernels:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        raise KeyboardInterrupt

    with _handled(stop), _bound_to_batch():
        try:
            yield Kernel
        finally:
            for watcher in watchers:
                watcher.communicate()


def _environment(preset: str) -> dict[str, str]:
    """Variables of a kernel: repeatable hashes, quiet logs, and this very package."""
    environment = dict(os.environ)
    environment["PYTHONHASHSEED"] = "0"
    environment["ALLLIB_PRESET"] = preset  # for the records of its runs
    environment.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    environment.setdefault("TQDM_DISABLE", "1")
    # Pools of workers end with the kernel; what their trackers then clear is no news.
    environment.setdefault("PYTHONWARNINGS", "ignore:resource_tracker")
    environment.pop("MPLBACKEND", None)
    if PACKAGE_PARENT.name not in ("site-packages", "dist-packages"):
        paths = [str(PACKAGE_PARENT), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


@contextlib.contextmanager
def _handled(stop: Any) -> Iterator[None]:
    """Call `stop` on the signals that ask a process to end (in the main thread only)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    former = {number: signal.signal(number, stop) for number in signals}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _bound_to_batch() -> Iterator[None]:
    """End this process when the batch that started it (`$ALLLIB_BATCH`) is killed."""
    wanted = os.environ.get("ALLLIB_BATCH", "")
    batch = next((p for p in psutil.Process().parents() if str(p.pid) == wanted), None)
    finished = threading.Event()

    def watch() -> None:
        while not finished.wait(1.0):
            if not batch.is_running() or batch.status() == psutil.STATUS_ZOMBIE:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if batch is not None:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        finished.set()


def _report(
    source: Path, error: papermill.PapermillExecutionError, done: Path, kept: Path
) -> NotebookError:
    """Keep the failed notebook and say which cell failed, and how."""
    notebook = nbformat.read(done, as_version=4)
    number = next(
        (
            number
            for number, cell in enumerate(code_cells(notebook), start=1)
            if any(output.output_type == "error" for output in cell.outputs)
        ),
        "?",
    )
    with whole_file(kept) as partial:
        nbformat.write(notebook, partial)
    first = next((line for line in error.source.splitlines() if line.strip()), "")
    lines, means = _told(error)
    return NotebookError(
        f"The notebook `{source.stem}` failed in code cell {number}, which starts with "
        f"`{first.strip()}`:\n" + "\n".join("    " + line for line in lines),
        where=source,
        remedy=f"{means} and run it again. "
        f"The failed notebook, with all outputs up to there, is {kept}.",
    )


def _told(error: papermill.PapermillExecutionError) -> tuple[list[str], str]:
    """What an error in a cell says, and how to go on: an error of this package names its
    remedy, and a traceback would hide it."""
    if error.ename in _error_names(AlllibError):
        return _COLOUR.sub("", error.evalue).splitlines(), "Do what the remedy above says"
    lines = _COLOUR.sub("", "\n".join(error.traceback)).rstrip().splitlines()[-15:]
    return lines, "Mend what the last line says"


def _error_names(kind: type[AlllibError]) -> set[str]:
    return {kind.__name__}.union(*map(_error_names, kind.__subclasses__()))


def _dead(source: Path, done: Path, kept: Path) -> NotebookError:
    if done.is_file():
        with whole_file(kept) as partial:
            partial.write_bytes(done.read_bytes())
    return NotebookError(
        f"The kernel of the notebook `{source.stem}` was ended from outside or crashed.",
        where=source,
        remedy="Most often memory ran out: give fewer `images` or a smaller `input_size`, "
        f"and run it again. What was done up to there is {kept}.",
    )


def _stamp(
    source: Path, values: Mapping[str, Value], preset: str, *, started: float
) -> dict[str, Any]:
    """Where the outputs come from."""
    return {
        "notebook": source.stem,
        "preset": preset,
        "parameters": dict(values),
        "date": datetime.datetime.fromtimestamp(started, datetime.UTC).isoformat("T", "seconds"),
        "seconds": round(time.time() - started, 1),
        "python": platform.python_version(),
        "alllib": __version__,
        "commit": _commit(source.parent),
    }


def _commit(folder: Path) -> str:
    """Commit that a folder is checked out at; empty without git or a commit."""
    if shutil.which("git") is None:
        return ""
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
