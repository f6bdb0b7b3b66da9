"""Parameters, the strict runner, and the twins."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alllib.colab import Repository, install_cell, read_repository
from alllib.errors import DiskError, NotebookError, ParameterError
from alllib.notebooks import run_notebook, source_of
from alllib.parameters import (
    Parameter,
    load_presets,
    parse_override,
    read_parameters,
    resolve_parameters,
)
from alllib.twins import Surroundings, plain_markdown, twin, write_twins

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCES = sorted((REPOSITORY / "notebooks").glob("*.py"))
GOOD = """\
images = 600  # how many
rate = 0.5  # a rate
fast = False  # whether to hurry
data = ""  # folder"""
PRESETS = """\
[sample]
images = 600
input_size = 64
[smoke]
images = 7
[smoke.tiny]
rate = 1
[wrong_type.tiny]
images = "many"
[wrong_name.tiny]
imagez = 3
[wrong_kind]
fast = 1
"""


def write_notebook(
    folder: Path, parameters: str = GOOD, code: str = "", topic: str = "tiny"
) -> Path:
    path = folder / f"{topic}.py"
    code = code or "print(images, rate, fast, repr(data))"
    path.write_text(
        f'# %% [markdown]\n# # Tiny\n\n# %% tags=["parameters"]\n{parameters}\n\n# %%\n{code}\n'
    )
    return path


@pytest.fixture
def presets(tmp_path: Path) -> Path:
    path = tmp_path / "presets.toml"
    path.write_text(PRESETS)
    return path


@pytest.fixture
def space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path / "space"))
    return tmp_path / "space"


# --- the parameters cell -------------------------------------------------------------------


def test_parameters_are_read_with_value_and_comment(tmp_path):
    found = read_parameters(write_notebook(tmp_path))
    assert list(found) == ["images", "rate", "fast", "data"]
    assert found["rate"] == Parameter("rate", 0.5, "a rate")


def test_negative_and_magic_and_multiline_code_are_understood(tmp_path):
    path = write_notebook(tmp_path, "shift = -3  # left", "# %matplotlib inline\nprint(shift)")
    assert read_parameters(path)["shift"].value == -3


@pytest.mark.parametrize(
    ("parameters", "code", "message"),
    [
        ("images = 600", "print(images)", "no comment"),
        ("images = None  # none", "print(images)", "literal"),
        ("images: int = 600  # annotated", "print(images)", "literal"),
        ("images = 2 * 300  # computed", "print(images)", "literal"),
        ("images = [1]  # a list", "print(images)", "literal"),
        ("images = other = 1  # two", "print(images)", "literal"),
        ("import os  # no parameter", "print(os)", "literal"),
        ("images = 1  # one\nimages = 2  # two", "print(images)", "second time"),
        ("images = 600  # unused", "print(1)", "used by no other cell"),
        ("images = 600  # again", "print(images)\nimages = 3", "another value"),
        ("images = 600  # again", "print(images)\nimages += 3", "another value"),
        ("images = 600  # loop", "print(images)\nfor images in []: pass", "another value"),
        ("images = 600  # import", "print(images)\nimport os as images", "another value"),
        ("images = 600  # broken", "print(images", "syntax error"),
    ],
)
def test_a_bad_parameters_cell_is_refused(tmp_path, parameters, code, message):
    path = write_notebook(tmp_path, parameters, code)
    with pytest.raises(NotebookError, match=message) as caught:
        read_parameters(path)
    assert "tiny.py" in str(caught.value) and "remedy" in str(caught.value)


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_cell_is_tagged(tmp_path, count):
    path = tmp_path / "tiny.py"
    path.write_text('# %% tags=["parameters"]\nimages = 1  # one\n' * count + "# %%\nprint(1)\n")
    with pytest.raises(NotebookError, match=f"has {count}"):
        read_parameters(path)


# --- presets and overrides -----------------------------------------------------------------


def test_override_goes_before_own_table_before_general_before_default(tmp_path, presets):
    path = write_notebook(tmp_path)
    assert resolve_parameters(path, "smoke", presets=presets) == {
        "images": 7, "rate": 1.0, "fast": False, "data": ""
    }  # fmt: skip
    given_ = resolve_parameters(path, "smoke", {"images": 9, "data": "x"}, presets=presets)
    assert (given_["images"], given_["data"]) == (9, "x")


@pytest.mark.parametrize(
    ("preset", "overrides", "message"),
    [
        ("smok", {}, "Did you mean 'smoke'"),
        ("wrong_type", {}, "takes a value of type int"),
        ("wrong_name", {}, "Did you mean 'images'"),
        ("wrong_kind", {}, "takes a value of type bool"),
        ("sample", {"imagse": 3}, "Did you mean 'images'"),
        ("sample", {"images": True}, "takes a value of type int"),
        ("sample", {"images": 2.0}, "takes a value of type int"),
        ("sample", {"rate": float("nan")}, "takes a value of type float"),
        ("sample", {"data": 3}, "takes a value of type str"),
    ],
)
def test_bad_values_are_refused(tmp_path, presets, preset, overrides, message):
    with pytest.raises(ParameterError, match=message):
        resolve_parameters(write_notebook(tmp_path), preset, overrides, presets=presets)


DECLARED = {
    "images": Parameter("images", 1, "an int"),
    "rate": Parameter("rate", 1.0, "a float"),
    "fast": Parameter("fast", True, "a bool"),
    "data": Parameter("data", "", "a str"),
}


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.text())
def test_what_is_typed_on_a_command_line_comes_back(number, rate, fast, text):
    for name, value in (("images", number), ("rate", rate), ("fast", fast), ("data", text)):
        parsed = parse_override(f"{name}={value}", DECLARED)
        assert parsed == (name, value) and type(parsed[1]) is type(value)


@pytest.mark.parametrize(
    "text", ["images", "images=", "images=1.5", "images=x", "rate=inf", "fast=maybe", "imags=3"]
)
def test_bad_command_line_values_are_refused(text):
    with pytest.raises(ParameterError):
        parse_override(text, DECLARED)


def test_every_value_of_a_preset_has_a_notebook_that_declares_it():
    if not SOURCES:
        pytest.skip("no notebooks yet")
    declared = {path.stem: read_parameters(path) for path in SOURCES}
    for name, preset in load_presets().items():
        for path in SOURCES:
            resolve_parameters(path, name)
        for key, value in preset.items():
            if isinstance(value, dict):
                assert key in declared, f"[{name}.{key}] names no notebook"
            else:
                assert any(key in own for own in declared.values()), f"{name}.{key} is unused"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_literal_defaults_are_those_of_sample(path):
    defaults = {name: found.value for name, found in read_parameters(path).items()}
    assert resolve_parameters(path, "sample") == defaults


# --- running -------------------------------------------------------------------------------


def test_a_run_leaves_outputs_values_and_a_stamp(tmp_path, presets, space):
    code = (
        "import os, sys\nprint(images, sys.executable, os.environ['PYTHONHASHSEED'], os.getcwd())"
    )
    path = write_notebook(tmp_path, "images = 600  # how many", code)
    out = run_notebook(path, preset="wrong_kind", overrides={"images": 5}, presets=presets)
    assert out == space / "_build" / "executed" / "tiny.ipynb"
    notebook = nbformat.read(out, as_version=4)
    assert notebook.cells[-1].outputs[0].text.split() == ["5", sys.executable, "0", str(space)]
    stamp = notebook.metadata["alllib"]
    assert stamp["parameters"] == {"images": 5} and stamp["preset"] == "wrong_kind"
    assert stamp["seconds"] > 0
    assert not list(out.parent.glob(".*partial*"))


def test_a_failure_names_notebook_cell_and_error_and_keeps_the_former_output(
    tmp_path, presets, space
):
    path = write_notebook(tmp_path, "images = 1  # one", "print(images)")
    good = run_notebook(path, presets=presets).read_bytes()
    path = write_notebook(
        tmp_path, "images = 1  # one", "print('before')\n\n# %%\n\ndivisor = 0\nimages / divisor"
    )
    with pytest.raises(NotebookError) as caught:
        run_notebook(path, presets=presets)
    report = str(caught.value)
    assert "code cell 3" in report and "`divisor = 0`" in report
    assert "ZeroDivisionError: division by zero" in report and "\x1b" not in report
    failed = space / "_build" / "failed" / "tiny.ipynb"
    assert str(failed) in report and "before" in failed.read_text()
    assert (space / "_build" / "executed" / "tiny.ipynb").read_bytes() == good


def test_an_error_of_the_package_is_told_without_a_traceback(tmp_path, presets, space):
    code = "from alllib.datasets import detect_dataset\ndetect_dataset(folder)"
    path = write_notebook(tmp_path, 'folder = "/no/such"  # a folder', code)
    with pytest.raises(NotebookError) as caught:
        run_notebook(path, presets=presets)
    report = str(caught.value)
    assert "`tiny` failed in code cell 2" in report and "There is no such folder." in report
    assert "where: /no/such" in report and "remedy: Check the spelling" in report
    assert "Traceback" not in report and "DataError" not in report and "---" not in report
    assert report.count("\n") == 5


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOENT])
def test_an_output_that_cannot_be_written_is_refused_first(
    tmp_path, presets, space, monkeypatch, number
):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    path = write_notebook(tmp_path, "images = 1  # one", "open('ran', 'w').write(str(images))")
    monkeypatch.setattr("alllib.notebooks.tempfile.TemporaryFile", refuse)
    with pytest.raises(DiskError) as caught:
        run_notebook(path, presets=presets, output=tmp_path / "new" / "out.ipynb")
    assert str(tmp_path / "new" / "out.ipynb") in str(caught.value)
    assert not space.exists() and not (tmp_path / "new").exists()


def test_a_kernel_that_dies_is_reported(tmp_path, presets, space):
    path = write_notebook(tmp_path, "code = 9  # signal", "import os\nos.kill(os.getpid(), code)")
    with pytest.raises(NotebookError, match="memory"):
        run_notebook(path, presets=presets)
    assert not (space / "_build" / "executed").exists()


def test_nothing_runs_when_a_parameter_is_wrong(tmp_path, presets, space):
    path = write_notebook(tmp_path, "images = 1  # one", "open('ran', 'w').write(str(images))")
    with pytest.raises(ParameterError):
        run_notebook(path, overrides={"image": 2}, presets=presets)
    assert not space.exists()


def test_a_misspelt_topic_is_answered_with_the_nearest(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    write_notebook(tmp_path / "notebooks", topic="splitting")
    monkeypatch.chdir(tmp_path)
    assert source_of("splitting") == tmp_path / "notebooks" / "splitting.py"
    assert source_of("notebooks/splitting.ipynb") == tmp_path / "notebooks" / "splitting.py"
    with pytest.raises(NotebookError, match="Did you mean 'splitting'"):
        source_of("spliting")


SLEEPER = """\
import os, subprocess, sys, time
from pathlib import Path
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
Path("pids.partial").write_text(f"{os.getpid()} {child.pid}")
os.rename("pids.partial", "pids")
time.sleep(seconds)"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_an_ended_runner_leaves_no_process(tmp_path, presets, space, number):
    path = write_notebook(tmp_path, "seconds = 300  # to sleep", SLEEPER)
    code = f"from alllib.notebooks import run_notebook; run_notebook({str(path)!r})"
    runner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True
    )
    pids = wait_for_pids(space / "pids")
    runner.send_signal(number)
    error = runner.communicate(timeout=30)[1]
    assert runner.returncode != 0
    assert number == signal.SIGKILL or "KeyboardInterrupt" in error
    assert_gone(pids)
    assert not (space / "_build" / "executed").exists()


@pytest.mark.slow
def test_a_runner_ends_with_its_batch(tmp_path, presets, space):
    path = write_notebook(tmp_path, "seconds = 300  # to sleep", SLEEPER)
    code = f"from alllib.notebooks import run_notebook; run_notebook({str(path)!r})"
    batch = subprocess.Popen(
        [
            sys.executable, "-c",
            "import os, subprocess, sys; os.environ['ALLLIB_BATCH'] = str(os.getpid());"
            "subprocess.run([sys.executable, '-c', sys.argv[1]], stderr=subprocess.DEVNULL)",
            code,
        ],
        cwd=REPOSITORY,
    )  # fmt: skip
    pids = wait_for_pids(space / "pids")
    pids += [process.pid for process in psutil.Process(batch.pid).children()]
    batch.kill()
    batch.wait()
    assert_gone(pids)


def wait_for_pids(path: Path) -> list[int]:
    end = time.monotonic() + 60
    while not path.is_file():
        assert time.monotonic() < end, "the notebook did not start"
        time.sleep(0.1)
    return [int(pid) for pid in path.read_text().split()]


def assert_gone(pids: list[int]) -> None:
    end = time.monotonic() + 20
    while alive := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < end, f"still running: {alive}"
        time.sleep(0.1)


def _alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# --- twins ---------------------------------------------------------------------------------

MYST = """\
(label)=
# Title

See {cite:p}`mir2019report`, {term}`blasts <blast>`, {doc}`../book/running`, [](splitting.md),
{numref}`fig-a` and {math}`x^2`. % not a comment

:::{admonition} What you need
:class: tip
Some {term}`RGB` images.
:::

::::{note}
:::{dropdown} More
Hidden.
:::
::::

:::{exercise} Try it
:label: ex-a
Do this.
:::

:::{solution} ex-a
:class: dropdown
Done.
:::

```{math}
a = b
```

```python
x = "{term}`kept`"
```
"""


REPOSITORY_ADDRESS = "https://github.com/some/book"
AROUND = Surroundings(
    Repository(REPOSITORY_ADDRESS, "trunk"), (REPOSITORY / "book" / "references.bib",)
)
ON_COLAB = "https://colab.research.google.com/github/some/book/blob/trunk/notebooks"


@pytest.mark.parametrize(
    ("myst", "plain"),
    [
        ("[a](splitting.ipynb)", f"[a]({ON_COLAB}/splitting.ipynb)"),
        ("See [a\nb](splitting.ipynb).", f"See [a\nb]({ON_COLAB}/splitting.ipynb)."),
        ("$$\na\n$$ (eq-a)\nb", "$$\na\n$$\nb"),
        ("[](splitting.md)", f"[splitting]({ON_COLAB}/splitting.ipynb)"),
        ("[a](../book/running.md)", f"[a]({REPOSITORY_ADDRESS}/blob/trunk/book/running.md)"),
        ("[a](../book/running.md#x)", f"[a]({REPOSITORY_ADDRESS}/blob/trunk/book/running.md#x)"),
        ("{doc}`../book/running`", f"[running]({REPOSITORY_ADDRESS}/blob/trunk/book/running.md)"),
        ("{doc}`a <splitting>`", f"[a]({ON_COLAB}/splitting.ipynb)"),
        ("[a](../LICENSE.txt)", f"[a]({REPOSITORY_ADDRESS}/blob/trunk/LICENSE.txt)"),
        ("[a](https://example.org/x.md)", "[a](https://example.org/x.md)"),
        ("[a](#label)", "a"),
        ("{cite:t}`mir2019report`", "Mir and Un Nissa (2019)"),
        ("{cite:p}`ioffe2015batch,bloice2019augmentor`",
         "(Ioffe and Szegedy, 2015; Bloice et al., 2019)"),
        ("{cite:t}`chollet2015keras`", "Chollet et al. (2015)"),
        ("{cite:t}`papermill`", "nteract contributors (2017)"),
    ],
)  # fmt: skip
def test_links_and_citations_of_a_twin_lead_somewhere_from_anywhere(myst, plain):
    assert plain_markdown(myst, AROUND) == plain


def test_a_source_that_the_bibliography_lacks_is_named():
    with pytest.raises(NotebookError, match="Did you mean 'mir2019report'"):
        plain_markdown("{cite:p}`mir2019reprot`", AROUND)


def test_plain_markdown_has_no_directive_and_no_role_and_loses_no_sentence():
    text = plain_markdown(MYST, AROUND)
    code = text.index("```python")
    assert ":::" not in text and "{cite" not in text and "{term}" not in text[:code]
    assert "{term}`kept`" in text[code:]
    for kept in (
        "(Mir and Un Nissa, 2019)", "blasts", "running", "splitting", "$x^2$",
        "> **What you need**",
        "> Some RGB images.", "Hidden.", "### Exercise: Try it", "Do this.",
        "<summary>Solution</summary>", "Done.", "$$\na = b\n$$",
    ):  # fmt: skip
        assert kept in text, kept
    assert "label" not in text and ":class:" not in text


def test_twins_are_repeatable_without_outputs_and_start_with_the_install_cell(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "_config.yml").write_text("repository:\n  url: https://example.org/x\n")
    source = write_notebook(tmp_path / "notebooks")
    written = write_twins(tmp_path / "notebooks")
    assert written == [source.with_suffix(".ipynb")]
    assert write_twins(tmp_path / "notebooks") == []
    notebook = nbformat.read(written[0], as_version=4)
    nbformat.validate(notebook)
    first = notebook.cells[0]
    assert first.metadata.tags == ["remove-cell", "colab"]
    assert '"alllib @ git+https://example.org/x"' in first.source
    codes = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in codes)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def test_the_install_cell_does_nothing_outside_colab(monkeypatch):
    from IPython.core.inputtransformer2 import TransformerManager

    code = TransformerManager().transform_cell(install_cell("https://example.org/x"))
    ran: list[str] = []

    class Shell:
        def run_line_magic(self, name: str, line: str) -> None:
            ran.append(f"{name} {line}")

    monkeypatch.delenv("COLAB_RELEASE_TAG", raising=False)
    exec(code, {"get_ipython": Shell})
    assert ran == []
    monkeypatch.setenv("COLAB_RELEASE_TAG", "x")
    exec(code, {"get_ipython": Shell})
    assert ran == []  # alllib is installed here
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    exec(code, {"get_ipython": Shell})
    assert ran == ['pip install -q "alllib @ git+https://example.org/x"']


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_the_committed_twin_is_the_one_that_its_source_gives(path):
    config = REPOSITORY / "_config.yml"
    address = read_repository(config).url
    made = twin(path, Surroundings.read(config))
    assert path.with_suffix(".ipynb").read_text(encoding="utf-8") == made, "run `make notebooks`"
    assert address not in path.read_text(encoding="utf-8")
    prose = [
        cell["source"] for cell in json.loads(made)["cells"] if cell["cell_type"] == "markdown"
    ]
    text = "".join("".join(lines) for lines in prose)
    assert ":::" not in text
    assert re.findall(r"\]\((?!https://)[^)]*\)", text) == [], "links that lead nowhere on Colab"


def test_no_twin_is_without_a_source():
    for path in (REPOSITORY / "notebooks").glob("*.ipynb"):
        assert path.with_suffix(".py").is_file(), f"{os.path.relpath(path)} has no source"
