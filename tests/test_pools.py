"""Which runs belong together, and what all of them say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from fabricated import answers, subtypes, write_run
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from alllib.errors import DataError
from alllib.pools import choose_pools, pool_folds, pool_seeds
from alllib.settings import RunSettings


@pytest.fixture(autouse=True)
def place(workspace):
    return workspace


def seed_run(seed: int, *, fold: int = 2, folds: int = 5, name: str = "", **options):
    """A run on a fold by subject group; its images are those of the fold."""
    table = answers(100 * fold + seed, first=3 * fold)
    split = {"folds": folds, "seed": 2019, "fold": fold}
    return write_run(
        f"s{seed}-f{fold}{name}", table, seed=seed, split=split, total=24 * folds, **options
    )


def ids(pool) -> list[str]:
    return [record.run["id"] for record in pool.records]


# Seeds ---------------------------------------------------------------------------------


def test_seeds_of_one_split_are_one_pool():
    (pool,) = pool_seeds([seed_run(3), seed_run(1), seed_run(2)])
    assert pool.seeds == (1, 2, 3) and pool.folds == (2,) and pool.images == 24
    assert ids(pool) == ["s1-f2", "s2-f2", "s3-f2"]
    assert pool.certificate == pool.run["certificate"]["hash"]


def test_values_are_means_over_the_seeds():
    (pool,) = pool_seeds([seed_run(seed) for seed in (1, 2, 3)])
    accuracy, auroc, confusion = [], [], np.zeros((2, 2), int)
    for seed in (1, 2, 3):
        table = answers(200 + seed, first=6)
        said = np.where(table.p_ALL >= table.p_HEM, "ALL", "HEM")
        accuracy.append(sk.accuracy_score(table.label, said))
        auroc.append(sk.roc_auc_score(table.label == "ALL", table.p_ALL))
        confusion += sk.confusion_matrix(table.label, said, labels=["ALL", "HEM"])
    assert len(set(accuracy)) > 1
    assert pool.accuracies == pytest.approx(accuracy)
    assert pool.accuracy["value"] == pytest.approx(np.mean(accuracy))
    assert pool.scores.metrics["accuracy"].value == pytest.approx(np.mean(accuracy))
    assert pool.scores.metrics["auroc"].value == pytest.approx(np.mean(auroc))
    assert pool.scores.confusion == confusion.tolist()
    assert pool.accuracy["low"] < pool.accuracy["value"] < pool.accuracy["high"]


def test_of_two_runs_from_one_seed_the_newer_counts():
    old = seed_run(1, name="-old", finished="2026-11-01T00:00:00+00:00")
    new = seed_run(1, name="-new", finished="2026-11-02T00:00:00+00:00")
    for records in ([old, new], [new, old]):
        (pool,) = pool_seeds(records)
        assert ids(pool) == ["s1-f2-new"] and pool.seeds == (1,)


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 4},
        {"input_size": 20},
        {"patience": 5},
        {"batch": 7},
        {"precision": "mixed_bfloat16"},
    ],
)
def test_runs_of_other_settings_are_not_pooled(settings):
    plain = {"input_size": 16, "epochs": 3, "weights": "none", "precision": "float32"}
    other = RunSettings(**(plain | settings))
    pools = pool_seeds([seed_run(1), seed_run(2, settings=other)])
    assert sorted(pool.seeds for pool in pools) == [(1,), (2,)]


def test_the_precision_that_was_used_decides_not_the_word_that_was_given():
    auto = seed_run(2, settings=RunSettings(input_size=16, epochs=3, weights="none"),
                    precision="float32")  # fmt: skip
    (pool,) = pool_seeds([seed_run(1), auto])
    assert pool.seeds == (1, 2)


def test_other_splits_data_recipes_and_own_runs_are_not_pooled():
    plain = seed_run(1)
    others = [
        seed_run(2, fold=1),
        seed_run(2, name="-code", parameters={"recipe": "other"}),
        seed_run(2, name="-data", parameters={"data": "e" * 64}),
        write_run("variant", answers(7, first=6), recipe="unnithan2021-2x2.balanced", seed=2),
        replace(seed_run(2), recorded=True),
    ]
    for other in others:
        assert len(pool_seeds([plain, other])) == 2, other.run["id"]
    assert pool_seeds([]) == []


def test_when_the_last_one_ended_is_when_the_pool_ended():
    days = {1: "2026-11-03", 2: "2026-11-09", 3: "2026-11-05"}
    (pool,) = pool_seeds([seed_run(s, finished=f"{day}T00:00:00") for s, day in days.items()])
    assert pool.finished == "2026-11-09T00:00:00"


def test_seeds_that_scored_other_images_cannot_be_one_number():
    other = write_run("other", answers(3, first=30), seed=2, total=120)
    first = seed_run(1)
    other.run["certificate"]["hash"] = first.run["certificate"]["hash"]
    (pool,) = pool_seeds([first, other])
    with pytest.raises(DataError, match="same images"):
        _ = pool.scores


# Folds ---------------------------------------------------------------------------------


def test_folds_are_pooled_when_each_was_tested_once():
    (pool,) = pool_folds([seed_run(1, fold=f, folds=3) for f in (2, 0, 1)])
    assert ids(pool) == ["s1-f0", "s1-f1", "s1-f2"]
    assert (pool.seeds, pool.folds, pool.images) == ((1,), (0, 1, 2), 72)
    tables = [answers(100 * fold + 1, first=3 * fold) for fold in range(3)]
    right = sum(((t.p_ALL > 0.5) == (t.label == "ALL")).sum() for t in tables)
    assert pool.accuracy["value"] == pytest.approx(right / 72)
    assert pool.scores.groups == {"ALL": 9, "HEM": 9}
    hashes = [record.run["certificate"]["hash"] for record in pool.records]
    assert len(set(hashes)) == 3 and pool.certificate not in hashes


def test_folds_of_several_seeds_are_one_pool_and_a_seed_that_lacks_one_is_left_out():
    runs = [seed_run(seed, fold=fold, folds=3) for seed in (1, 2) for fold in range(3)]
    (pool,) = pool_folds([*runs, seed_run(3, fold=0, folds=3)])
    assert pool.seeds == (1, 2) and len(pool.records) == 6 and pool.images == 72
    assert ids(pool)[:4] == ["s1-f0", "s1-f1", "s1-f2", "s2-f0"]
    each = [np.mean(pool.accuracies[:3]), np.mean(pool.accuracies[3:])]
    assert pool.accuracy["value"] == pytest.approx(np.mean(each))  # folds are of equal size


def test_a_fold_that_lacks_or_differs_is_no_cross_validation():
    longer = RunSettings(input_size=16, epochs=4, weights="none", precision="float32")
    two = [seed_run(1, fold=fold, folds=3) for fold in (0, 1)]
    assert pool_folds(two) == []
    assert pool_folds([*two, seed_run(1, fold=2, folds=3, settings=longer)]) == []
    assert pool_folds([*two, seed_run(1, fold=2, folds=4)]) == []
    assert pool_folds([*two, seed_run(2, fold=2, folds=3)]) == []
    assert len(pool_folds([*two, seed_run(1, fold=2, folds=3)])) == 1


def test_folds_that_share_an_image_are_no_cross_validation():
    runs = [seed_run(1, fold=fold, folds=3) for fold in range(3)]
    double = runs[2].predictions.assign(image=runs[1].predictions.image)
    assert pool_folds([*runs[:2], replace(runs[2], predictions=double)]) == []


def test_the_newest_run_of_a_fold_counts():
    runs = [seed_run(1, fold=fold, folds=3) for fold in range(3)]
    newer = seed_run(1, fold=1, folds=3, name="-again", finished="2026-11-22T00:00:00+00:00")
    for records in ([*runs, newer], [newer, *runs]):
        assert ids(pool_folds(records)[0]) == ["s1-f0", "s1-f1-again", "s1-f2"]


def official(fold: int, *, seed: int = 1, total: int = 100):
    split = {"fold": fold, "used": ["fold_0", "fold_1"], "parts": 5}
    table = answers(50 * fold + seed, first=3 * fold)
    return write_run(
        f"o{fold}-{seed}", table, protocol="folds", split=split, seed=seed, total=total
    )


def test_official_folds_that_are_whole_are_pooled_where_one_is_there_in_part():
    (pool,) = pool_folds([official(1), official(0)])
    assert pool.folds == (0, 1) and pool.images == 48
    assert pool_folds([official(0)]) == [] and pool_folds([official(0), official(0, seed=2)]) == []


def test_published_splits_are_no_cross_validation():
    split = {"shares": [0.75, 0.25], "seed": 120}
    runs = [write_run(f"p{n}", answers(n), protocol="image", split=split) for n in range(2)]
    assert pool_folds(runs) == []
    part = [seed_run(1, fold=fold, folds=2, scored="validation") for fold in range(2)]
    assert pool_folds(part) == []


# One pool for each row of a table ------------------------------------------------------


def recorded(*records):
    return [replace(record, recorded=True) for record in records]


def test_of_recorded_runs_the_pool_with_the_most_seeds_is_chosen():
    many = recorded(*(seed_run(s, finished="2026-11-01T00:00:00+00:00") for s in (1, 2, 3)))
    one = recorded(seed_run(1, fold=1, finished="2026-11-30T00:00:00+00:00"))
    (pool,) = choose_pools([*one, *many])
    assert pool.seeds == (1, 2, 3) and pool.folds == (2,)


def test_with_as_many_seeds_the_pool_with_the_most_images_is_chosen():
    folds = recorded(*(seed_run(1, fold=f, folds=3) for f in range(3)))
    (pool,) = choose_pools(folds)
    assert pool.folds == (0, 1, 2) and pool.images == 72
    again = recorded(seed_run(1, fold=1, folds=4, finished="2026-11-30T00:00:00+00:00"))
    assert choose_pools([*folds, *again])[0].images == 72


def test_of_own_runs_the_newest_is_chosen():
    old = [seed_run(s, finished="2026-11-01T00:00:00+00:00") for s in (1, 2)]
    new = seed_run(1, fold=1, finished="2026-11-30T00:00:00+00:00")
    (pool,) = choose_pools([*old, new])
    assert ids(pool) == ["s1-f1"]


def test_own_runs_and_recorded_ones_stand_apart_the_recorded_first():
    own, kept = seed_run(1), recorded(seed_run(2))[0]
    assert [pool.records[0].recorded for pool in choose_pools([own, kept])] == [True, False]


def test_each_recipe_data_set_and_protocol_has_a_pool():
    blocks = {"folds": 5, "seed": 2019, "fold": 1, "validation": 4}
    image = {"shares": [0.75, 0.25]}
    runs = [
        seed_run(1),
        write_run("pub", answers(4), protocol="image", split=image, scored="validation"),
        write_run("ball", subtypes(1), recipe="ball2023-densenet201", protocol="blocks",
                  split=blocks),
        official(0),
    ]  # fmt: skip
    found = [(p.run["recipe"], p.run["dataset"], p.run["protocol"]) for p in choose_pools(runs)]
    assert found == sorted(set(found)) and len(found) == 4


def test_the_order_of_the_records_does_not_matter():
    runs = [seed_run(s, fold=f, folds=3) for s in (1, 2) for f in range(3)]
    wanted = [ids(pool) for pool in choose_pools(runs)]

    @given(st.permutations(runs))
    def same(shuffled):
        assert [ids(pool) for pool in choose_pools(shuffled)] == wanted
        assert [ids(pool) for pool in pool_folds(shuffled)] == [ids(p) for p in pool_folds(runs)]

    same()
