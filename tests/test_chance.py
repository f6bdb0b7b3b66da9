"""How many pairs are found by chance, judged on pairs that the line was not drawn on."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from test_duplicates import nucleus, write_table

from alllib.chance import expect_chance, halve_pairs, search_across
from alllib.duplicates import Duplicates, find_duplicates
from alllib.errors import ImageError
from alllib.pairs import PAIR_COLUMNS

SUBJECTS = 20
SIZE = 10  # images of a subject


def compared(likeness: np.ndarray, symmetry: np.ndarray) -> tuple[pd.DataFrame, Duplicates]:
    """Cells of twenty subjects, and pairs within each, the subjects in turn."""
    images = [f"{s}-{n}" for s in range(SUBJECTS) for n in range(SIZE)]
    cells = pd.DataFrame({"image": images, "subject": [name.split("-")[0] for name in images]})
    subject = subject_of(len(likeness))
    table = pd.DataFrame({"first": [f"{s}-0" for s in subject],
                          "second": [f"{s}-1" for s in subject],
                          "symmetry": symmetry, "likeness": likeness})  # fmt: skip
    pairs = pd.DataFrame(columns=list(PAIR_COLUMNS))
    return cells, Duplicates(pairs, {}, len(cells), compared=table)


def subject_of(count: int) -> np.ndarray:
    """Number of the subject of each pair; each has pairs of all eight symmetries."""
    return np.arange(count) // 8 % SUBJECTS


def drawn(count: int = 4000, same: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Different cells, an eighth of which fit as they are, and true pairs."""
    rng = np.random.default_rng(1)
    likeness = np.append(rng.normal(0.4, 0.05, count), np.full(same, 0.95))
    symmetry = np.append(np.arange(count) % 8, np.zeros(same, int))
    return likeness, symmetry


def test_true_pairs_are_no_chance_pairs():
    found = halve_pairs(*compared(*drawn()), halvings=20)
    assert found["factor"] == pytest.approx(1 / 7, abs=0.02)
    assert found["pairs"] == pytest.approx(200, abs=5)
    assert found["share"] < 0.01
    assert found["line"][0] >= 0.5


def test_chance_pairs_as_like_as_the_true_ones_are_seen():
    likeness, symmetry = drawn()
    # In one subject different cells come out alike, turned or not: the line of a half without
    # it is too low, and says so in the other half.
    odd = subject_of(len(likeness)) == 7
    likeness[odd] = 0.97
    found = halve_pairs(*compared(likeness, symmetry), halvings=20)
    assert found["turned"] > 10
    assert found["share"] > 0.02


def test_the_line_is_not_drawn_on_what_it_judges():
    likeness, symmetry = drawn(count=800)
    cells, found = compared(likeness, symmetry)
    # Likeness of turned pairs rises with the number of the subject: no half is like the other.
    turned = found.compared.symmetry != 0
    number = found.compared["first"].str.split("-").str[0].astype(int)
    found.compared.loc[turned, "likeness"] = 0.3 + number / 100
    halves = halve_pairs(cells, found, halvings=20)
    assert halves["line"][0] < halves["line"][2] == pytest.approx(0.5)
    assert halves["turned"] > 0  # on its own pairs, none could lie above the line


def test_same_seed_same_halves():
    likeness, symmetry = drawn()
    likeness[subject_of(len(likeness)) == 7] = 0.97
    found = compared(likeness, symmetry)
    one, two = (halve_pairs(*found, halvings=5, seed=3) for _ in range(2))
    assert one == two
    assert one != halve_pairs(*found, halvings=5, seed=4)


def test_too_few_turned_pairs_say_nothing():
    likeness, symmetry = drawn(count=40)
    assert halve_pairs(*compared(likeness, symmetry)) is None
    cells, found = compared(likeness[:0], symmetry[:0])
    assert halve_pairs(cells, found) is None


def test_pairs_of_two_classes_are_compared_and_no_others(tmp_path):
    cells = write_table(tmp_path, {f"cell{n}": nucleus(n) for n in range(12)})
    assert search_across(cells) is None  # one class
    cells["label"] = ["ALL", "HEM"] * 6
    found = search_across(cells)
    assert found["candidates"] >= 36 - 6  # each pair of two classes, once or for two turns
    assert found["found"] == 0
    # An image under both classes is the one thing that this search must find.
    copy = write_table(tmp_path / "again", {"copy": nucleus(3)[:, ::-1].copy()})
    both = pd.concat([cells, copy.assign(label="ALL")], ignore_index=True)
    wrong = search_across(both)
    assert wrong["found"] == 1
    assert wrong["share"] < wrong["at_most"] < 1.001 * 4.75 / wrong["compared"]
    assert wrong["highest"] > 0.95


def test_estimates_are_plain_data_and_name_a_bad_image(tmp_path):
    cells = write_table(tmp_path, {f"cell{n}": nucleus(n, 64) for n in range(4)})
    cells["label"] = ["ALL", "HEM"] * 2
    found = find_duplicates(cells)
    chance = expect_chance(cells, found)
    assert json.loads(json.dumps(chance)) == chance
    assert chance["halves"] is None
    (tmp_path / "cell2.png").write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"cell2\.png"):
        expect_chance(cells, found)
