"""The gap of the split: the same images, met by subject in training or not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fabricated import answers, subtypes, write_run
from scipy import stats

from alllib import gaps
from alllib.baseline_runs import kept_baselines
from alllib.cli import main
from alllib.gaps import forest_gap, gap_table, image_shares, signed, split_gaps
from alllib.pools import choose_pools, pool_seeds
from alllib.recipes import load_recipe
from alllib.records import list_records
from alllib.result_rows import network_rows
from alllib.settings import RunSettings

REPOSITORY = Path(__file__).resolve().parents[1]
IMAGE = {"shares": [0.75, 0.25]}
EARLY, LATE = "2026-11-01T00:00:00+00:00", "2026-11-30T00:00:00+00:00"


@pytest.fixture(autouse=True)
def place(workspace):
    return workspace


def published(table: pd.DataFrame, seed: int = 1, **options):
    """A recorded run on the poster's own split, which scores its validation part."""
    run = write_run(options.pop("name", f"pub{seed}"), table, protocol="image", split=IMAGE,
                    scored="validation", seed=seed, **options)  # fmt: skip
    return replace(run, recorded=True)


def honest(table: pd.DataFrame, seed: int = 1, fold: int = 2, folds: int = 5, **options):
    split = {"folds": folds, "seed": 2019, "fold": fold}
    name = options.pop("name", f"sub{seed}-{fold}")
    return replace(write_run(name, table, split=split, seed=seed, **options), recorded=True)


def right(table: pd.DataFrame) -> pd.Series:
    """Whether each image is classified rightly, by image."""
    said = np.where(table.p_ALL >= table.p_HEM, "ALL", "HEM")
    return pd.Series((said == table.label).to_numpy(float), index=table.image.to_numpy())


def by_hand(first: list[pd.DataFrame], second: list[pd.DataFrame]) -> pd.DataFrame:
    """Mean share right of each common image under both splits, and its group."""
    shares = [
        pd.concat([right(t) for t in side]).groupby(level=0).mean() for side in (first, second)
    ]
    group = pd.concat(first).drop_duplicates("image").set_index("image")[["group", "label"]]
    found = pd.concat(shares, axis=1, join="inner", keys=["first", "second"])
    return found.join(group).assign(gain=lambda t: t["first"] - t.second)


def jackknife(found: pd.DataFrame) -> float:
    """Variance of the mean gain: each group left out in turn, the others of its class count for
    it."""
    total = 0.0
    for label, members in found.groupby("label"):
        names = members.group.unique()
        left = []
        for name in names:
            weight = np.where(found.label == label, len(names) / (len(names) - 1), 1.0)
            weight = np.where(found.group == name, 0.0, weight)
            left.append(np.average(found.gain, weights=weight))
        total += (len(names) - 1) / len(names) * np.square(left - np.mean(left)).sum()
    return total


# Two splits ----------------------------------------------------------------------------


def test_the_difference_is_that_of_the_common_images_alone():
    first, second = answers(1, groups=4), answers(2, groups=4, first=1)
    (row,) = split_gaps([published(first), honest(second)])
    found = by_hand([first], [second])
    assert len(found) == row["images"] == 24 and row["groups"] == 6
    assert row["difference"] == pytest.approx(found.gain.mean())
    assert row["difference"] != pytest.approx(right(first).mean() - right(second).mean())
    assert row["published"]["value"] == pytest.approx(right(first).mean())
    assert row["other"]["value"] == pytest.approx(right(second).mean())
    assert (row["published_protocol"], row["protocol"]) == ("image", "group")
    assert row["trained"] == [10, 10] and row["resampled"] == "group" and row["pretrained"] is False


def test_the_interval_is_that_of_groups_left_out_in_turn():
    first, second = answers(3, groups=5, cells=6), answers(4, groups=5, cells=6)
    (row,) = split_gaps([published(first), honest(second)])
    found = by_hand([first], [second])
    half = (row["high"] - row["low"]) / 2
    assert row["difference"] == pytest.approx((row["high"] + row["low"]) / 2)
    deviation = np.sqrt(jackknife(found))
    # Student's t: between four and eight degrees of freedom, of five groups in each class.
    assert (
        deviation * stats.t.ppf(0.975, 8) - 1e-9 <= half <= deviation * stats.t.ppf(0.975, 4) + 1e-9
    )
    sums = found.groupby("group").gain.sum().to_numpy()
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(sums))).reshape(len(sums), -1)
    more = np.abs(sums @ signs) >= abs(sums.sum()) - 1e-9
    assert row["p"] == pytest.approx(more.mean())


def test_each_seed_counts_and_seeds_need_not_be_as_many():
    firsts = [answers(seed) for seed in (1, 2)]
    seconds = [answers(seed) for seed in (11, 12, 13)]
    runs = [published(t, n) for n, t in enumerate(firsts, 1)]
    runs += [honest(t, n) for n, t in enumerate(seconds, 1)]
    (row,) = split_gaps(runs)
    assert row["trainings"] == [2, 3]
    found = by_hand(firsts, seconds)
    assert row["difference"] == pytest.approx(found.gain.mean())
    assert row["published"]["value"] == pytest.approx(np.mean([right(t).mean() for t in firsts]))
    assert row["other"]["value"] == pytest.approx(np.mean([right(t).mean() for t in seconds]))
    single = {n: by_hand([first], [seconds[0]]).gain.mean() for n, first in enumerate(firsts)}
    assert row["difference"] not in (pytest.approx(single[0]), pytest.approx(single[1]))


def test_folds_and_seeds_meet_all_images_that_any_of_them_scored():
    first = answers(1, groups=9)
    folds = {f: answers(20 + f, first=3 * f) for f in range(3)}
    runs = [honest(t, 1, f, 3, total=72) for f, t in folds.items()]
    again = answers(40, first=6)
    runs.append(honest(again, 2, 2, 3, total=72))
    (row,) = split_gaps([published(first), *runs])
    assert row["images"] == 72 and row["folds"] == [0, 1, 2]
    found = by_hand([first], [*folds.values(), again])
    assert row["difference"] == pytest.approx(found.gain.mean())
    whole = np.mean([right(t).mean() for t in folds.values()])
    assert row["other"]["value"] == pytest.approx(whole)  # the cross-validation is shown
    assert row["trainings"] == [1, 4]


@pytest.mark.parametrize(
    "settings", [{"epochs": 4}, {"input_size": 20}, {"patience": 3}, {"batch": 5}]
)
def test_runs_of_other_settings_are_not_mixed(settings):
    plain = {"input_size": 16, "epochs": 3, "weights": "none", "precision": "float32"}
    other = RunSettings(**(plain | settings))
    first, second, third = answers(1), answers(2), answers(3)
    runs = [published(first), honest(second, 1), honest(third, 2, settings=other)]
    (row,) = split_gaps(runs)
    assert row["trainings"] == [1, 1]
    assert row["difference"] == pytest.approx(by_hand([first], [second]).gain.mean())
    assert split_gaps([runs[0], runs[2]]) == []


def test_another_recipe_and_runs_that_are_not_recorded_are_not_mixed():
    first, second = answers(1), answers(2)
    variant = honest(second, recipe="unnithan2021-2x2.balanced", name="variant")
    own = replace(honest(second), recorded=False)
    assert split_gaps([published(first), variant, own]) == []
    assert split_gaps([replace(published(first), recorded=False), honest(second)]) == []
    assert split_gaps([honest(second)]) == split_gaps([published(first)]) == split_gaps([]) == []


def test_of_two_published_runs_the_pool_of_the_table_counts():
    old, new = answers(1), answers(2)
    runs = [published(old, name="old", finished=EARLY), published(new, name="new", finished=LATE)]
    (row,) = split_gaps([*runs, honest(answers(3))])
    assert row["published"]["value"] == pytest.approx(right(new).mean())


def test_each_other_split_has_its_row():
    # Of fewer images than the others, as folds that are held in part are left out.
    official = write_run(
        "off", answers(4), protocol="folds", split={"fold": 0, "used": ["fold_0"]}, data="e" * 64
    )
    runs = [published(answers(1)), honest(answers(2)), replace(official, recorded=True)]
    assert {row["protocol"] for row in split_gaps(runs)} == {"group", "folds"}


def test_without_subjects_images_stand_for_groups():
    recipe = load_recipe("ball2023-densenet201")
    settings = dict(recipe=recipe.name, split=IMAGE)
    first = write_run("pub", subtypes(1), protocol=recipe.data.published_protocol, **settings)
    second = write_run("blocks", subtypes(2, first=4), protocol="blocks", recipe=recipe.name)
    (row,) = split_gaps([replace(first, recorded=True), replace(second, recorded=True)])
    assert row["resampled"] == "image" and row["images"] == row["groups"] == 20
    assert row["low"] < row["difference"] < row["high"]
    assert gap_table([row]).loc[0, "groups"] == "not known"


def test_shares_are_means_over_all_trainings_of_an_image():
    tables = [answers(1), answers(2), answers(3, first=1)]
    runs = [honest(tables[0], 1, 0), honest(tables[1], 2, 0), honest(tables[2], 1, 1)]
    found = image_shares(pool_seeds(runs)).set_index("image")
    expected = pd.concat([right(table) for table in tables]).groupby(level=0).mean()
    pd.testing.assert_series_equal(found.right, expected, check_names=False)
    assert found.index.is_unique and set(found) == {"group", "label", "right"}


# Classifiers without a network ---------------------------------------------------------


def forest_rows(tables: dict[str, pd.DataFrame]) -> list[dict]:
    return [
        {
            "classifier": "forest", "scheme": "pooled", "system": "forest-19", "protocol": name,
            "title": "nineteen numbers", "images": 100,
            "by_groups": {"value": float(right(table).mean()), "low": 0.1, "high": 0.9},
        }
        for name, table in tables.items()
    ]  # fmt: skip


def test_the_gap_of_the_forest_is_the_difference_of_its_accuracies(monkeypatch):
    tables = {"image": answers(1, groups=5), "group": answers(2, groups=5)}
    study = type("Study", (), {"found": {"rows": forest_rows(tables)},
                               "settings": {"forest_seed": 7, "folds": 5}})  # fmt: skip
    extra = answers(3).assign(protocol="image", scheme="fold", system="forest-19")
    other = answers(4).assign(protocol="image", scheme="pooled", system="forest-6")
    kept = [t.assign(protocol=n, scheme="pooled", system="forest-19") for n, t in tables.items()]
    monkeypatch.setattr(gaps, "read_study", lambda *_: study)
    monkeypatch.setattr(gaps, "kept_predictions", lambda _: pd.concat([*kept, extra, other]))
    row = forest_gap("cnmc2019")
    assert row["images"] == 40 and row["trainings"] == [5, 5]
    assert row["difference"] == pytest.approx(
        right(tables["image"]).mean() - right(tables["group"]).mean()
    )
    assert row["difference"] == pytest.approx(row["published"]["value"] - row["other"]["value"])
    monkeypatch.setattr(gaps, "read_study", lambda *_: None)
    assert forest_gap("cnmc2019") is None


@pytest.mark.parametrize(("dataset", "images"), [("cnmc2019", 7569), ("ball2021", 3256)])
def test_the_kept_forests_meet_all_images_on_both_splits(dataset, images, monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(REPOSITORY))
    row = forest_gap(dataset)
    assert row["images"] == images
    pooled = [r for r in kept_baselines(dataset)
              if (r["system"], r["scheme"]) == (row["recipe"], "pooled")]  # fmt: skip
    value = {r["protocol"]: r["metrics"]["accuracy"]["value"] for r in pooled}
    assert row["difference"] == pytest.approx(value["image"] - value[row["protocol"]])
    assert row["low"] < row["difference"] < row["high"]
    assert row["resampled"] == ("group" if dataset == "cnmc2019" else "image")


# The command, the table, the book ------------------------------------------------------


def test_a_line_of_the_table_follows_its_row(workspace, capsys):
    published(answers(1))
    honest(answers(2))
    shown = [workspace / "results" / name for name in ("pub1", "sub1-2")]
    assert main(["results", "--keep", *(path.name for path in shown)]) == 0
    capsys.readouterr()
    assert main(["results", "--gaps", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row == split_gaps(list_records())[0]
    line = gap_table([row]).loc[0]
    assert line["gap, test images"] == signed(row) and line["images"] == "24"
    assert (
        line["other split"].startswith(f"{row['other']['value']:.3f}")
        and line["trainings"] == "1 and 1"
    )
    assert main(["results", "--gaps"]) == 0
    assert signed(row) in capsys.readouterr().out
    assert gap_table([]).empty


def test_differences_are_told_in_points_with_their_sign():
    assert signed({"difference": 0.03, "low": -0.0032, "high": 0.0619}) == "+3.0 (-0.3 to +6.2)"
    assert signed({"difference": -0.1, "low": None, "high": None}) == "-10.0 (no interval)"
    assert signed({"difference": 0.1, "low": 0.1, "high": 0.1}) == "+10.0 (no interval)"


def test_recorded_gaps_are_those_of_the_recorded_predictions(monkeypatch):
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(REPOSITORY))
    records = list_records(REPOSITORY / "results")
    rows = split_gaps(records)
    assert "unnithan2021-2x2" in {row["recipe"] for row in rows}
    shown = {(r["recipe"], r["protocol"]): r for r in network_rows(choose_pools(records))}
    for row in rows:
        assert row["images"] > 0 and -1 <= row["difference"] <= 1
        assert (
            row["published"]
            == shown[row["recipe"], row["published_protocol"]]["metrics"]["accuracy"]
        )
        if row["low"] is not None:
            assert row["low"] <= row["difference"] <= row["high"]


def test_the_validation_part_adds_its_images_to_the_second_gap():
    first = answers(1, groups=9)
    second, chosen = answers(2, groups=4), answers(3, first=4, groups=3)
    (row,) = split_gaps([published(first), honest(second, validation=chosen)])
    assert row["images"] == len(second) and row["more"]["images"] == len(second) + len(chosen)
    found = by_hand([first], [second, chosen])
    assert row["more"]["difference"] == pytest.approx(found.gain.mean())
    assert row["more"]["difference"] != pytest.approx(row["difference"])


def test_a_small_p_is_said_to_be_small():
    assert [gaps.tell_p(p) for p in (0.0001, 0.001, 0.41)] == ["below 0.001", "0.001", "0.410"]


def test_a_network_that_keeps_its_last_epoch_tells_how_far_it_still_moved():
    def moving(run, values):
        return replace(run, history=run.history.assign(val_accuracy=values))

    first, other = published(answers(1)), honest(answers(2))
    # Of three epochs the last two are the second half.
    runs = [moving(first, [0.1, 0.75, 0.7]), moving(other, [0.9, 0.5, 0.8])]
    (row,) = split_gaps(runs)
    assert load_recipe(first.run["recipe"]).training.checkpoint == "last"
    assert row["swing"] == pytest.approx(0.3)
    for run in runs:
        run.run["recipe_text"]["training"]["checkpoint"] = "val_accuracy"
    (row,) = split_gaps(runs)
    assert row["swing"] == 0.0
