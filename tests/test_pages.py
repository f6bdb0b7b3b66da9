"""What a page depends on, and how it is put together."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest

from alllib.errors import NotebookError
from alllib.pages import (
    folder_fingerprint,
    merge,
    page_key,
    records_fingerprint,
    toc_entries,
    write_if_changed,
)

SOURCE = """\
# %% [markdown]
# # Old title

# %% tags=["parameters"]
images = 600  # how many
data = ""  # größe und mehr

# %%
from alllib.files import hash_json
print(images, data)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(SOURCE)
    return path


def test_prose_is_not_in_the_key_and_code_parameters_and_data_are(source, tmp_path):
    key = page_key(source, preset="sample")
    source.write_text(SOURCE.replace("Old title", "New title"))
    assert page_key(source, preset="sample") == key
    source.write_text(SOURCE.replace("print(images, data)", "print(data, images)"))
    assert page_key(source, preset="sample")["code"] != key["code"]
    source.write_text(SOURCE)
    assert page_key(source, preset="smoke")["parameters"] != key["parameters"]
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.bmp").write_bytes(b"a")
    with_data = page_key(source, preset="sample", data=str(tmp_path / "images"))
    assert with_data["parameters"]["data"] == str(tmp_path / "images") and with_data["data"]


def test_the_fingerprint_sees_a_new_a_changed_and_a_missing_file(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.bmp").write_bytes(b"one")
    seen = [folder_fingerprint(tmp_path)]
    assert folder_fingerprint(tmp_path) == seen[0]
    os.utime(tmp_path / "a" / "1.bmp", ns=(1, 1))
    seen.append(folder_fingerprint(tmp_path))
    (tmp_path / "a" / "2.bmp").write_bytes(b"two")
    seen.append(folder_fingerprint(tmp_path))
    (tmp_path / "a" / "1.bmp").unlink()
    seen.append(folder_fingerprint(tmp_path))
    assert len(set(seen)) == 4
    with pytest.raises(NotebookError, match="does not exist"):
        folder_fingerprint(tmp_path / "none")


def test_an_unchanged_text_is_not_written_again(tmp_path):
    path = tmp_path / "key.json"
    assert write_if_changed(path, "a")
    os.utime(path, ns=(1, 1))
    assert not write_if_changed(path, "a")
    assert path.stat().st_mtime_ns == 1
    assert write_if_changed(path, "b")


def executed(source: Path, values: dict[str, object]) -> Path:
    notebook = nbformat.v4.new_notebook()
    code = nbformat.v4.new_code_cell
    declare, compute = SOURCE.split("# %%")[2:]
    output = nbformat.v4.new_output("stream", name="stdout", text="as executed")
    notebook.cells = [
        code(declare.split("\n", 1)[1].strip(), metadata={"tags": ["parameters"]}),
        code("images = 7", metadata={"tags": ["injected-parameters"]}),
        code(compute.strip(), outputs=[output], execution_count=3),
    ]
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    notebook.metadata["language_info"] = {"name": "python"}
    notebook.metadata["alllib"] = {
        "parameters": values, "preset": "smoke", "date": "2026-11-21T00:00:00", "seconds": 2.0,
        "alllib": "0", "python": "3", "commit": "",
    }  # fmt: skip
    path = source.with_suffix(".executed.ipynb")
    nbformat.write(notebook, path)
    return path


def test_merging_joins_new_prose_old_outputs_and_the_values_used(source, tmp_path):
    done = executed(source, {"images": 7, "data": "/ä b"})
    source.write_text(SOURCE.replace("Old title", "New title"))
    merge(done, source, tmp_path / "out" / "tiny.ipynb")
    page = nbformat.read(tmp_path / "out" / "tiny.ipynb", as_version=4)
    nbformat.validate(page)
    assert page.cells[0].source == "# New title"
    assert page.cells[1].source == "images = 7  # how many\ndata = 'ä b'  # größe und mehr"
    assert page.cells[2].outputs[0].text == "as executed"
    assert "preset `smoke`" in page.cells[3].source and len(page.cells) == 4


def test_a_page_shows_the_name_of_a_folder_and_not_its_place(source, tmp_path):
    done = executed(source, {"images": 7, "data": "/home/me/a&b"})
    notebook = nbformat.read(done, as_version=4)
    seen = {
        "text/plain": "'/home/me/a&b/fold_0' and /home/me/a&b2 and /mnt/home/me/a&b",
        "text/html": "<td>/home/me/a&amp;b</td>",
        "image/png": "xx/home/me/a&b",
    }
    display = nbformat.v4.new_output("display_data", data=seen)
    told = nbformat.v4.new_output("stream", name="stdout", text="read /home/me/a&b.\n")
    notebook.cells[2].outputs = [told, display]
    nbformat.write(notebook, done)
    merge(done, source, tmp_path / "out" / "tiny.ipynb")
    page = nbformat.read(tmp_path / "out" / "tiny.ipynb", as_version=4)
    assert "data = 'a&b'" in page.cells[1].source
    text, shown = page.cells[2].outputs
    assert text.text == "read a&b.\n"
    assert shown.data["text/plain"] == "'a&b/fold_0' and /home/me/a&b2 and /mnt/home/me/a&b"
    assert shown.data["text/html"] == "<td>a&amp;b</td>"
    assert shown.data["image/png"] == seen["image/png"]
    assert page.metadata["alllib"]["parameters"] == {"images": 7, "data": "a&b"}
    assert "/home/me" not in page.cells[3].source


def test_records_without_a_preset_and_recorded_ones_count(tmp_path):
    def record(name: str, preset: str | None, seconds: int = 1) -> str:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text(json.dumps({"preset": preset, "seconds": seconds}))
        return records_fingerprint(tmp_path)

    none = records_fingerprint(tmp_path)
    assert record("runs/of-a-page", "sample") == none
    assert record("runs/.half.partial", None) == none
    (tmp_path / "runs" / "broken").mkdir()
    assert records_fingerprint(tmp_path) == none
    trained = record("runs/trained", None)
    assert trained != none and record("runs/trained", None) == trained
    recorded = record("results/cited", "paper")
    assert len({none, trained, recorded, record("runs/trained", None, 2)}) == 4


def test_only_a_page_that_lists_records_depends_on_them(source, tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    lists = tmp_path / "lists.py"
    lists.write_text(
        SOURCE.replace("alllib.files import hash_json", "alllib.records import Record")
    )
    knows = tmp_path / "knows.py"
    knows.write_text(SOURCE.replace("alllib.files import hash_json", "alllib.tables import style"))
    keys = [page_key(path, preset="sample") for path in (lists, knows)]
    (tmp_path / "runs" / "new").mkdir(parents=True)
    (tmp_path / "runs" / "new" / "run.json").write_text('{"preset": null}')
    assert page_key(lists, preset="sample") != keys[0]
    assert page_key(knows, preset="sample") == keys[1]


def test_other_code_than_was_executed_is_refused(source, tmp_path):
    done = executed(source, {"images": 7})
    source.write_text(SOURCE.replace("print(images, data)", "print(data)"))
    with pytest.raises(NotebookError, match="not the code that was executed"):
        merge(done, source, tmp_path / "tiny.ipynb")
    assert not (tmp_path / "tiny.ipynb").exists()


def test_entries_of_parts_sections_and_root_are_found(tmp_path):
    toc = tmp_path / "_toc.yml"
    toc.write_text(
        "format: jb-book\nroot: a/index\nparts:\n- caption: One\n  chapters:\n  - file: b\n"
        "    sections:\n    - file: c/d\n  - url: https://example.org\n"
    )
    assert toc_entries(toc) == ["a/index", "b", "c/d"]


def test_a_page_that_cites_recorded_runs_is_made_anew_when_these_change(tmp_path, monkeypatch):
    space = tmp_path / "space"
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(space))
    source = Path(__file__).resolve().parents[1] / "notebooks" / "alexnet.py"
    before = page_key(source, preset="sample")
    own = space / "runs" / "by-hand"
    own.mkdir(parents=True)
    (own / "run.json").write_text('{"preset": null}')
    assert page_key(source, preset="sample") == before, "a run of one's own is not cited there"
    kept = space / "results" / "kept"
    kept.mkdir(parents=True)
    (kept / "run.json").write_text("{}")
    assert page_key(source, preset="sample") != before


def test_pages_of_the_study_are_made_anew_when_a_kept_measurement_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    notebooks = Path(__file__).resolve().parents[1] / "notebooks"
    study = tmp_path / "results" / "study"
    study.mkdir(parents=True)
    names = ("verdict", "claims", "mistakes", "duplicates", "uncertainty", "without_cnn", "vgg16",
             "audit_sheet", "results", "cropping")  # fmt: skip

    def keys() -> dict:
        return {name: page_key(notebooks / f"{name}.py", preset="sample") for name in names}

    before = keys()
    (study / "baselines-cnmc2019.json").write_text("{}")
    after = keys()
    assert [name for name in names if after[name] == before[name]] == ["cropping"]


def test_the_page_on_speed_is_made_anew_when_figures_change_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(tmp_path))
    notebooks = Path(__file__).resolve().parents[1] / "notebooks"

    def keys() -> dict:
        names = ("benchmarks", "alexnet", "results")
        return {name: page_key(notebooks / f"{name}.py", preset="sample") for name in names}

    before = keys()
    (tmp_path / "results" / "benchmarks").mkdir(parents=True)
    (tmp_path / "results" / "benchmarks" / "a.json").write_text("{}")
    after = keys()
    assert {name for name in before if after[name] != before[name]} == {"benchmarks"}
