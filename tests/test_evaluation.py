"""Metrics against scikit-learn and against brute force, and intervals that draw groups."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from alllib.errors import DataError
from alllib.evaluation import (
    METRICS,
    _Counts,
    _metrics,
    confusion_matrix,
    draw_groups,
    score_predictions,
    score_repeats,
    sort_alike,
)
from alllib.recipes import load_recipe

CLASSES = {2: ("ALL", "HEM"), 3: ("Benign", "Early", "Pre"), 4: ("Benign", "Early", "Pre", "Pro")}


def random_table(seed: int, rows: int, classes: int, groups: int, levels: int) -> pd.DataFrame:
    """Random predictions; few `levels` of probability make many ties."""
    generator = np.random.default_rng(seed)
    names = CLASSES[classes]
    raw = generator.integers(1, levels + 1, (rows, classes)).astype(float)
    table = pd.DataFrame(raw / raw.sum(axis=1, keepdims=True), columns=[f"p_{n}" for n in names])
    table["label"] = generator.choice(names, rows)
    table["group"] = [f"s{n}" for n in generator.integers(0, groups, rows)]
    return table


TABLES = st.builds(
    random_table,
    seed=st.integers(0, 10**6),
    rows=st.integers(2, 60),
    classes=st.sampled_from([2, 3, 4]),
    groups=st.integers(1, 8),
    levels=st.sampled_from([1, 2, 3, 50]),
)


def by_scikit_learn(table: pd.DataFrame, positive: str) -> dict[str, float]:
    """All metrics; NaN where one is not defined."""
    names = [column.removeprefix("p_") for column in table if column.startswith("p_")]
    probabilities = table[[f"p_{name}" for name in names]].to_numpy()
    said = np.array(names)[probabilities.argmax(axis=1)]
    chosen = [positive] if positive else names
    rest = dict(average="weighted", labels=names, zero_division=0)
    found = {
        "accuracy": sk.accuracy_score(table.label, said),
        "weighted_f1": sk.f1_score(table.label, said, **rest),
    }
    per_class = {"auroc": [], "sensitivity": [], "specificity": [], "precision": []}
    for name in chosen:
        case, called = (table.label == name).to_numpy(), said == name
        score = probabilities[:, names.index(name)]
        mixed = 0 < case.sum() < len(case)
        per_class["auroc"].append(sk.roc_auc_score(case, score) if mixed else np.nan)
        plain = dict(zero_division=np.nan)
        per_class["sensitivity"].append(sk.recall_score(case, called, **plain))
        per_class["specificity"].append(sk.recall_score(~case, ~called, **plain))
        per_class["precision"].append(sk.precision_score(case, called, **plain))
    return found | {name: float(np.mean(values)) for name, values in per_class.items()}


def agree(ours: float | None, theirs: float) -> bool:
    if ours is None or math.isnan(ours):
        return math.isnan(theirs)
    return math.isclose(ours, theirs, rel_tol=1e-9, abs_tol=1e-12)


@settings(max_examples=120, deadline=None)
@given(table=TABLES, with_positive=st.booleans())
def test_each_metric_is_scikit_learns(table, with_positive):
    positive = table.columns[0].removeprefix("p_") if with_positive else ""
    scores = score_predictions(table, positive=positive, resamples=3)
    theirs = by_scikit_learn(table, positive)
    wrong = {
        name: (scores.metrics[name].value, theirs[name])
        for name in METRICS
        if not agree(scores.metrics[name].value, theirs[name])
    }
    assert not wrong
    names = [column.removeprefix("p_") for column in table if column.startswith("p_")]
    said = table[[f"p_{name}" for name in names]].to_numpy().argmax(axis=1)
    known = sk.confusion_matrix(table.label, np.array(names)[said], labels=names)
    assert scores.confusion == known.tolist()


@settings(max_examples=25, deadline=None)
@given(table=TABLES, with_positive=st.booleans())
def test_each_resample_is_what_repeating_its_rows_gives(table, with_positive):
    """All metrics of a draw, the area under the curve too, from weights alone."""
    names = [column.removeprefix("p_") for column in table if column.startswith("p_")]
    probabilities = table[[f"p_{name}" for name in names]].to_numpy()
    true = pd.Index(names).get_indexer(table.label)
    group = pd.factorize(table.group, sort=True)[0]
    drawn = draw_groups(group, true, 6, seed=4, within=True)
    ours = _metrics(drawn, _Counts(group, true, probabilities), 0 if with_positive else None)
    for draw, weights in enumerate(drawn):
        repeated = table.loc[np.repeat(table.index, weights[group].astype(int))]
        if repeated.empty:
            continue
        theirs = by_scikit_learn(repeated, names[0] if with_positive else "")
        wrong = [name for name in METRICS if not agree(ours[name][draw], theirs[name])]
        assert not wrong


def pure_table(copies: int, seed: int = 3) -> pd.DataFrame:
    """Forty subjects of one class each; `copies` cells of each with one probability."""
    generator = np.random.default_rng(seed)
    label = np.repeat(["ALL", "HEM"], 20)
    score = np.clip(generator.normal(np.where(label == "ALL", 0.6, 0.4), 0.2), 0.01, 0.99)
    table = pd.DataFrame({"label": label, "group": [f"s{n}" for n in range(40)], "p_ALL": score})
    table["p_HEM"] = 1 - table.p_ALL
    return table.loc[np.repeat(table.index, copies)].reset_index(drop=True)


def width(estimate) -> float:
    return estimate.high - estimate.low


def test_copies_within_a_subject_do_not_narrow_the_interval():
    """Twenty cells that say the same are no more than one; resampling images believes so."""
    table = pure_table(copies=20)
    one = score_predictions(pure_table(copies=1), positive="ALL")
    by_group = score_predictions(table, positive="ALL")
    by_image = score_predictions(table.assign(group=None), positive="ALL")
    assert (by_group.resampled, by_image.resampled) == ("group", "image")
    for name in METRICS:
        assert by_group.metrics[name].value == pytest.approx(by_image.metrics[name].value)
        assert width(by_group.metrics[name]) == pytest.approx(width(one.metrics[name]))
        assert width(by_group.metrics[name]) > 3 * width(by_image.metrics[name])


def test_groups_are_drawn_within_classes_where_each_has_one():
    table = pure_table(copies=2)
    true = pd.Index(["ALL", "HEM"]).get_indexer(table.label)
    group = pd.factorize(table.group)[0]
    drawn = draw_groups(group, true, 50, seed=1, within=True)
    assert (drawn[:, :20].sum(axis=1) == 20).all() and (drawn[:, 20:].sum(axis=1) == 20).all()
    mixed = draw_groups(group, np.arange(len(table)) % 2, 50, seed=1, within=True)
    assert (mixed.sum(axis=1) == 40).all() and mixed[:, :20].sum(axis=1).std() > 0


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    """200 data sets of 40 subjects, all cells of a subject alike: 95 % must hold the truth."""
    generator = np.random.default_rng(11)
    held = 0
    for _ in range(200):
        right = generator.random(40) < 0.8
        label = np.repeat(["ALL", "HEM"], 20)
        p = np.where(right == (label == "ALL"), 0.9, 0.1)
        table = pd.DataFrame({"label": label, "group": range(40), "p_ALL": p, "p_HEM": 1 - p})
        table = table.loc[np.repeat(table.index, 5)]
        accuracy = score_predictions(table, positive="ALL", resamples=300).metrics["accuracy"]
        held += accuracy.low <= 0.8 <= accuracy.high
    assert 0.88 <= held / 200 <= 0.99


def test_the_same_seed_gives_the_same_interval():
    table = pure_table(copies=2)
    assert score_predictions(table, seed=1) == score_predictions(table, seed=1)
    first, other = (score_predictions(table, seed=s).metrics["auroc"] for s in (1, 2))
    assert first.value == other.value and (first.low, first.high) != (other.low, other.high)


def test_the_order_of_rows_plays_no_part():
    table = random_table(seed=8, rows=50, classes=2, groups=6, levels=9)
    turned = score_predictions(table.iloc[::-1], positive="ALL")
    assert turned.metrics == pytest.approx(score_predictions(table, positive="ALL").metrics)


def test_a_class_that_is_not_scored_gives_none_and_plain_json():
    table = random_table(seed=2, rows=30, classes=2, groups=5, levels=9)
    only = table[table.label == "ALL"]
    plain = score_predictions(only, positive="ALL").as_dict()
    text = json.dumps(plain, allow_nan=False)
    assert json.loads(text) == plain
    nothing = {"value": None, "low": None, "high": None}
    assert plain["metrics"]["auroc"] == plain["metrics"]["specificity"] == nothing
    assert plain["metrics"]["accuracy"]["value"] == plain["metrics"]["sensitivity"]["value"]
    assert plain["groups"] == {"ALL": only.group.nunique()}
    assert [sum(row) for row in plain["confusion"]] == [len(only), 0]


def test_a_class_that_is_never_called_has_no_precision():
    table = pd.DataFrame({"label": ["ALL", "HEM"], "group": ["a", "b"], "p_ALL": 0.1, "p_HEM": 0.9})
    scores = score_predictions(table, positive="ALL")
    assert scores.metrics["precision"].value is None
    assert scores.metrics["sensitivity"].value == 0.0
    json.dumps(scores.as_dict(), allow_nan=False)


def test_one_image_is_scored_without_warning():
    table = pd.DataFrame({"label": ["ALL"], "group": ["a"], "p_ALL": [0.8], "p_HEM": [0.2]})
    scores = score_predictions(table, positive="ALL")
    assert scores.metrics["accuracy"].value == 1.0 and scores.images == 1


def test_the_published_matrix_gives_the_published_numbers():
    """And shows that 0.89 is precision and recall of the normal cells, not of ALL."""
    published = load_recipe("mir2019-proposed").published
    assert published["confusion"] == [[1370, 77], [71, 603]]
    cells = [(t, p, n) for t, row in enumerate(published["confusion"]) for p, n in enumerate(row)]
    true = np.repeat([t for t, _, _ in cells], [n for _, _, n in cells])
    said = np.repeat([p for _, p, _ in cells], [n for _, _, n in cells])
    table = pd.DataFrame({"label": np.array(CLASSES[2])[true], "group": None})
    table["p_ALL"], table["p_HEM"] = 1.0 - said, said.astype(float)
    scores = {name: score_predictions(table, positive=name) for name in CLASSES[2]}
    assert scores["ALL"].confusion == published["confusion"]
    accuracy = scores["ALL"].metrics["accuracy"]
    assert f"{accuracy.value:.2%}" == "93.02%" and round(accuracy.value, 4) == published["accuracy"]
    assert (round(accuracy.low, 3), round(accuracy.high, 3)) == pytest.approx(
        (0.919, 0.940), abs=2e-3
    )
    for name, wanted in (("HEM", (0.89, 0.89)), ("ALL", (0.95, 0.95))):
        found = scores[name].metrics
        assert (round(found["precision"].value, 2), round(found["sensitivity"].value, 2)) == wanted
    assert (published["precision"], published["recall"]) == (0.89, 0.89)
    assert scores["ALL"].images == published["scored_images_log"]


def test_confusion_matrix_counts_rows_true_and_columns_predicted():
    counts = confusion_matrix(np.array([0, 0, 2]), np.array([1, 1, 0]), 3)
    assert counts.tolist() == [[0, 2, 0], [0, 0, 0], [1, 0, 0]]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.iloc[:0], "no prediction"),
        (lambda t: t.assign(label="AML"), "'AML' has no column"),
        (lambda t: t.assign(p_ALL=np.nan), "not a finite number"),
        (lambda t: t.assign(p_HEM=np.inf), "not a finite number"),
        (lambda t: t.drop(columns=["p_ALL", "p_HEM"]), "has no column"),
    ],
)
def test_predictions_that_cannot_be_scored_are_refused(change, said):
    with pytest.raises(DataError, match=said):
        score_predictions(change(random_table(1, 20, 2, 4, 9)))


def test_a_misspelt_positive_class_is_refused_and_not_averaged():
    with pytest.raises(DataError, match="'all' has no column"):
        score_predictions(random_table(1, 20, 2, 4, 9), positive="all")


def test_one_group_of_a_class_gives_values_without_intervals():
    """Drawn again and again, a single group would give an interval without width."""
    table = pure_table(copies=1)
    one = table.assign(group=table.group.where(table.label != "HEM", "only"))
    scores = score_predictions(one, positive="ALL")
    assert scores.groups["HEM"] == 1
    for estimate in scores.metrics.values():
        assert estimate.value is not None and estimate.low is None and estimate.high is None
    several = score_predictions(table, positive="ALL").metrics["accuracy"]
    assert several.low is not None and several.low < several.high


def test_a_constant_answer_has_no_interval_by_group_and_one_by_image():
    """By group every draw gives the same sensitivity; by image the shares of classes vary."""
    table = pure_table(copies=2).assign(p_ALL=0.9, p_HEM=0.1)
    by_group = score_predictions(table, positive="ALL").metrics["sensitivity"]
    assert (by_group.value, by_group.low) == (1.0, None)
    by_image = score_predictions(table.assign(group=None), positive="ALL").metrics["accuracy"]
    assert by_image.low < by_image.value < by_image.high


# Several trainings ---------------------------------------------------------------------


@st.composite
def repeats(draw):
    """Predictions of one to four trainings on the same images, in one order."""
    first = draw(TABLES).assign(image=lambda table: [f"i{n:03}" for n in range(len(table))])
    names = [name for name in first if name.startswith("p_")]
    found = []
    for seed in draw(st.lists(st.integers(0, 10**6), min_size=1, max_size=4)):
        raw = np.random.default_rng(seed).integers(1, 6, (len(first), len(names))).astype(float)
        shares = pd.DataFrame(raw / raw.sum(axis=1, keepdims=True), columns=names)
        found.append(first.assign(**shares))
    return found


@settings(max_examples=50, deadline=None)
@given(repeats())
def test_metrics_of_several_trainings_are_the_means_of_each(tables):
    found = score_repeats(tables, resamples=20)
    each = [score_predictions(table, resamples=20) for table in tables]
    for name in METRICS:
        values = [scores.metrics[name].value for scores in each]
        mean = math.nan if None in values else float(np.mean(values))
        assert agree(found.metrics[name].value, mean), name
    assert found.confusion == np.sum([scores.confusion for scores in each], axis=0).tolist()
    assert (found.images, found.groups) == (each[0].images, each[0].groups)
    assert found.resampled == each[0].resampled


@settings(max_examples=50, deadline=None)
@given(repeats(), st.randoms(use_true_random=False))
def test_the_order_of_trainings_and_of_rows_plays_no_part(tables, random):
    found = score_repeats(tables, resamples=50)
    mixed = [table.sample(frac=1, random_state=random.randrange(2**32)) for table in tables]
    random.shuffle(mixed)
    other = score_repeats(mixed, resamples=50)
    assert other.confusion == found.confusion and other.groups == found.groups
    for name in METRICS:
        for key in ("value", "low", "high"):
            ours, theirs = (getattr(s.metrics[name], key) for s in (found, other))
            assert agree(ours, math.nan if theirs is None else theirs), (name, key)


def test_one_training_and_copies_of_it_give_what_it_gave():
    table = random_table(5, 60, 2, 8, 50).assign(image=[f"i{n:03}" for n in range(60)])
    alone = score_predictions(table, positive="ALL", resamples=200)
    assert score_repeats([table], positive="ALL", resamples=200) == alone
    thrice = score_repeats([table] * 3, positive="ALL", resamples=200)
    assert thrice.confusion == (3 * np.array(alone.confusion)).tolist()
    for name in METRICS:
        assert vars(thrice.metrics[name]) == pytest.approx(vars(alone.metrics[name]))
    assert thrice.images == alone.images == 60


def test_the_interval_is_that_of_the_mean_and_no_mean_of_intervals():
    """Two trainings that err on different groups: their mean varies less than either."""
    rows = 40
    table = pd.DataFrame({"image": [f"i{n:02}" for n in range(rows)], "label": "ALL"})
    table["label"] = ["ALL", "HEM"] * (rows // 2)
    table["group"] = [f"{label}{n // 2 % 5}" for n, label in enumerate(table.label)]
    half = table.group.str[-1].isin(["0", "1"]).to_numpy()

    def answer(right):
        sure = np.where(right, 0.9, 0.1)
        ours = np.where(table.label == "ALL", sure, 1 - sure)
        return table.assign(p_ALL=ours, p_HEM=1 - ours)

    first, second = answer(half), answer(~half)
    both = score_repeats([first, second]).metrics["accuracy"]
    assert (both.value, both.low, both.high) == (0.5, None, None)  # the mean never moves
    alone = score_predictions(first).metrics["accuracy"]
    assert alone.high - alone.low > 0.3


def test_trainings_on_other_images_or_labels_are_refused():
    table = random_table(5, 20, 2, 4, 50).assign(image=[f"i{n:03}" for n in range(20)])
    other = table.assign(label=["HEM" if label == "ALL" else "ALL" for label in table.label])
    for wrong in (other, table.assign(image="j" + table.image), table.iloc[1:]):
        with pytest.raises(DataError, match="same images"):
            score_repeats([table, wrong])
        with pytest.raises(DataError, match="same images"):
            sort_alike([table, table, wrong])
    with pytest.raises(DataError, match="no training"):
        score_repeats([])


def test_tables_are_sorted_alike_and_one_alone_stays_as_it_is():
    table = random_table(5, 20, 2, 4, 50).assign(image=[f"i{19 - n:03}" for n in range(20)])
    assert sort_alike([table])[0] is table
    mixed = table.sample(frac=1, random_state=3)
    first, second = sort_alike([table, mixed])
    pd.testing.assert_frame_equal(first, second)
    assert first.image.is_monotonic_increasing and set(first.image) == set(table.image)
