"""What is kept of a run, and whether records, predictions and manifest agree."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import answers, subtypes, write_run

from alllib import keeping
from alllib.cli import main
from alllib.errors import DiskError, RecordError
from alllib.files import hash_json
from alllib.keeping import LARGEST, check_results, keep_runs, seal_results
from alllib.records import list_records, read_record

REPOSITORY = Path(__file__).resolve().parents[1]


def shown(folder: Path) -> list[str]:
    """Files below a folder but locks, which say nothing."""
    names = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()]
    return sorted(name for name in names if not name.endswith(".lock"))


@pytest.fixture
def kept(workspace) -> Path:
    """`results/` with one run of C-NMC and one of B-ALL."""
    write_run("mine", answers(1))
    write_run("theirs", subtypes(1), recipe="ball2023-densenet201", protocol="blocks",
              validation=subtypes(2, first=50))  # fmt: skip
    assert keep_runs(["mine", "theirs"]) == [workspace / "results" / n for n in ("mine", "theirs")]
    return workspace / "results"


def edit_run(kept: Path, change, run: str = "mine") -> None:
    """Change a run's `run.json`, and write the manifest so that only the change is wrong."""
    path = kept / run / "run.json"
    whole = json.loads(path.read_text())
    change(whole)
    path.write_text(json.dumps(whole))
    seal_results()


def edit_table(kept: Path, change, name: str = "predictions", run: str = "mine") -> None:
    path = kept / run / f"{name}.parquet"
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    seal_results()


# The repository ------------------------------------------------------------------------


def test_the_recorded_results_of_the_book_agree_with_each_other():
    assert check_results(REPOSITORY / "results") == []
    assert len(list((REPOSITORY / "results").glob("*/run.json"))) >= 12
    sizes = [path.stat().st_size for path in (REPOSITORY / "results").rglob("*") if path.is_file()]
    assert sum(sizes) <= LARGEST == 25 * 1024 * 1024


# Keeping -------------------------------------------------------------------------------


def test_all_but_the_model_is_kept_and_sealed(kept):
    run = ["history.csv", "predictions.parquet", "run.json", "validation.parquet"]
    assert shown(kept) == sorted(
        ["manifest.json", *(f"{name}/{file}" for name in ("mine", "theirs") for file in run)]
    )
    for name in run:
        source = kept.parent / "runs" / "mine" / name
        assert (kept / "mine" / name).read_bytes() == source.read_bytes()
    assert (kept.parent / "runs" / "mine" / "model.keras").is_file()
    assert check_results() == check_results(kept) == []
    assert [record.recorded for record in list_records()] == [True, True]


def test_the_manifest_lists_size_and_checksum_of_each_file(kept):
    manifest = json.loads((kept / "manifest.json").read_text())
    assert set(manifest["files"]) == set(shown(kept)) - {"manifest.json"}
    for name, said in manifest["files"].items():
        whole = (kept / name).read_bytes()
        assert said == {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    assert manifest["bytes"] == sum(file["bytes"] for file in manifest["files"].values())


def test_a_run_that_scored_its_validation_part_has_no_second_table(workspace):
    write_run("short", answers(3), protocol="image", split={"shares": [0.8, 0.2]},
              scored="validation")  # fmt: skip
    (folder,) = keep_runs(["short"])
    assert not (folder / "validation.parquet").exists() and check_results() == []


def test_a_run_that_is_kept_again_replaces_the_older_one(kept):
    write_run("mine", answers(9), finished="2026-11-22T00:00:00+00:00")
    keep_runs(["mine"])
    assert read_record(kept / "mine").run["finished"].startswith("2026-11-22")
    assert check_results() == []


def test_a_record_that_does_not_agree_is_refused_and_nothing_is_kept(kept, workspace):
    before = {name: (kept / name).read_bytes() for name in shown(kept)}
    write_run("good", answers(5))
    write_run("bad", answers(6))
    path = workspace / "runs" / "bad" / "run.json"
    whole = json.loads(path.read_text())
    whole["metrics"]["metrics"]["accuracy"]["value"] += 0.01
    path.write_text(json.dumps(whole))
    with pytest.raises(RecordError, match="accuracy") as error:
        keep_runs(["good", "bad"])
    assert str(workspace / "runs" / "bad") in str(error.value) and "remedy" in str(error.value)
    assert {name: (kept / name).read_bytes() for name in shown(kept)} == before
    with pytest.raises(RecordError, match="no readable run record"):
        keep_runs(["good", "nothing"])
    with pytest.raises(RecordError, match="cannot be the id"):
        keep_runs(["../good"])
    assert {name: (kept / name).read_bytes() for name in shown(kept)} == before


def test_a_full_disk_leaves_no_half_a_run_and_the_old_one(kept, monkeypatch):
    before = {name: (kept / name).read_bytes() for name in shown(kept)}
    write_run("mine", answers(9), finished="2026-11-22T00:00:00+00:00")
    write_run("new", answers(8))
    copy = shutil.copyfile

    def full(source, target):
        if Path(source).name == "predictions.parquet":
            raise OSError(28, "No space left on device")
        return copy(source, target)

    monkeypatch.setattr(keeping.shutil, "copyfile", full)
    for run in ("mine", "new"):
        with pytest.raises(DiskError, match="full"):
            keep_runs([run])
    assert {name: (kept / name).read_bytes() for name in shown(kept)} == before
    assert check_results() == []


def test_locks_are_no_results(kept):
    assert list(kept.glob(".*.lock"))
    assert check_results() == []


# Checking ------------------------------------------------------------------------------


def test_a_changed_byte_is_reported(kept):
    path = kept / "mine" / "history.csv"
    path.write_text(path.read_text().replace("0.75", "0.76", 1))
    assert check_results() == ["mine/history.csv: not the file that the manifest lists"]


def test_a_missing_and_an_extra_file_are_reported(kept):
    (kept / "mine" / "validation.parquet").unlink()
    (kept / "study").mkdir()
    (kept / "study" / "new.json").write_text("{}")
    assert check_results() == [
        "mine/validation.parquet: listed in the manifest, not there",
        "study/new.json: not listed in the manifest",
    ]
    seal_results()
    assert check_results() == []


def test_a_run_that_is_gone_is_reported(kept):
    shutil.rmtree(kept / "mine")
    assert len(check_results()) == 4 and "run.json" in "".join(check_results())


@pytest.mark.parametrize("name", ["model.keras", "cell.png", "notes"])
def test_what_is_no_part_of_a_record_is_reported_even_when_sealed(kept, name):
    (kept / "mine" / name).write_bytes(b"x")
    assert f"mine/{name}: not listed in the manifest" in check_results()
    seal_results()
    assert check_results() == [f"mine: {name} does not belong to a recorded run"]


def test_a_folder_that_is_too_large_is_reported(kept, monkeypatch):
    (kept / "study").mkdir()
    with (kept / "study" / "huge.json").open("wb") as file:
        file.truncate(LARGEST - 2000)
    seal_results()
    (wrong,) = check_results()
    assert "more than 26,214,400" in wrong


@pytest.mark.parametrize("name", ["accuracy", "weighted_f1", "auroc", "precision"])
@pytest.mark.parametrize("key", ["value", "low", "high"])
def test_a_changed_metric_is_reported(kept, name, key):
    def change(run):
        run["metrics"]["metrics"][name][key] += 1e-6

    edit_run(kept, change)
    (wrong,) = check_results()
    assert wrong.startswith(f"mine: {name} ({key}) is ")


def test_a_metric_that_is_left_out_is_reported(kept):
    edit_run(kept, lambda run: run["metrics"]["metrics"]["auroc"].update(low=None))
    (wrong,) = check_results()
    assert wrong.startswith("mine: auroc (low) is None, and 0.")


def test_a_changed_confusion_matrix_is_reported(kept):
    def change(run):
        run["metrics"]["confusion"][0][0] -= 1
        run["metrics"]["confusion"][0][1] += 1

    edit_run(kept, change, "theirs")
    assert check_results() == ["theirs: the confusion matrix is not that of the predictions"]


def test_changed_predictions_are_reported(kept):
    def exchange(table):
        shares = table[["p_ALL", "p_HEM"]].to_numpy()
        return table.assign(p_ALL=shares[:, 1], p_HEM=shares[:, 0])

    edit_table(kept, exchange)
    assert any("confusion" in wrong for wrong in check_results())


def test_shuffled_labels_are_reported(kept):
    """The numbers of each class stay, so only what is computed again tells."""

    def shuffle(table):
        return table.assign(label=np.random.default_rng(3).permutation(table.label))

    edit_table(kept, shuffle)
    wrong = check_results()
    assert wrong and all(text.startswith("mine: ") for text in wrong)
    assert any("by the predictions" in text for text in wrong)


def test_one_changed_label_and_a_lost_image_are_reported(kept):
    path = kept / "mine" / "predictions.parquet"
    good = path.read_bytes()
    said = ["mine: the predictions are not of the test part of the certificate"]
    edit_table(kept, lambda table: table.assign(label=["HEM", *table.label[1:]]))
    assert check_results() == said
    path.write_bytes(good)
    edit_table(kept, lambda table: table.iloc[1:])
    assert check_results() == said


@pytest.mark.parametrize(("name", "part"), [("predictions", "test"), ("validation", "validation")])
def test_an_image_that_stands_twice_is_reported(kept, name, part):
    def double(table):
        return table.assign(image=[table.image[1], *table.image[1:]])

    edit_table(kept, double, name)
    assert check_results() == [
        f"mine: an image stands twice among the predictions of the {part} part"
    ]


def test_probabilities_that_do_not_add_up_are_reported(kept):
    edit_table(kept, lambda table: table.assign(p_HEM=table.p_HEM + 0.1))
    assert check_results() == ["mine: the probabilities of the test part do not add up to 1"]


def test_an_altered_certificate_is_reported(kept):
    edit_run(kept, lambda run: run["certificate"]["settings"].update(fold=3))
    assert check_results() == ["mine: the split certificate was altered"]


@pytest.mark.parametrize("place", ["certificate", "data", "run"])
def test_the_certificate_of_another_run_is_reported(kept, place):
    def change(run):
        if place == "run":
            run["data"] = "e" * 64
        elif place == "data":
            run["parameters"]["data"] = "e" * 64
        else:
            certificate = run["certificate"]
            certificate["settings"]["fold"] = 3
            del certificate["hash"]
            certificate["hash"] = hash_json(certificate)

    edit_run(kept, change)
    assert check_results() == ["mine: the split certificate is that of another run"]


def test_a_shortened_history_is_reported(kept):
    path = kept / "mine" / "history.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    seal_results()
    assert check_results() == ["mine: the history does not hold the 3 epochs of the run"]


def test_validation_predictions_of_another_epoch_are_reported(kept):
    path = kept / "mine" / "history.csv"
    table = pd.read_csv(path)
    border = 3 / 24
    for moved, known in ((border - 0.01, True), (border + 0.01, False)):
        sign = -1 if table.val_accuracy[2] > 0.5 else 1
        other = table.assign(
            val_accuracy=[*table.val_accuracy[:2], table.val_accuracy[2] + sign * moved]
        )
        other.to_csv(path, index=False)
        seal_results()
        found = check_results()
        assert (found == []) == known, found
    assert "validation accuracy" in found[0]


def test_a_record_under_another_name_or_that_cannot_be_read_is_reported(kept):
    (kept / "mine").rename(kept / "yours")
    (kept / "theirs" / "history.csv").unlink()
    seal_results()
    unreadable, other = check_results()
    assert other == "yours: the run calls itself mine"
    assert unreadable.startswith("theirs: ") and "no readable run record" in unreadable


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_without_a_manifest_there_is_nothing_to_check(kept, text):
    path = kept / "manifest.json"
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(RecordError, match=r"--seal"):
        check_results()


# The command ---------------------------------------------------------------------------


def test_the_command_keeps_seals_and_checks(workspace, capsys):
    write_run("mine", answers(1))
    assert main(["results", "--keep", "mine"]) == 0
    assert capsys.readouterr().out.strip() == str(workspace / "results" / "mine")
    assert main(["results", "--check"]) == 0
    assert "agree" in capsys.readouterr().out
    (workspace / "results" / "mine" / "model.keras").write_bytes(b"x")
    assert main(["results", "--check"]) == 1
    assert "model.keras" in capsys.readouterr().out
    assert main(["results", str(workspace / "results"), "--check"]) == 1
    capsys.readouterr()
    assert main(["results", "--seal"]) == 0
    assert capsys.readouterr().out.strip() == str(workspace / "results" / "manifest.json")
    assert main(["results", "--keep", "none"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize("verbs", [["--check", "--seal"], ["--gaps", "--runs"],
                                   ["--check", "--keep", "a"]])  # fmt: skip
def test_the_command_does_one_thing_at_a_time(verbs, workspace, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["results", *verbs])
    assert stop.value.code == 2 and "not allowed with" in capsys.readouterr().err
