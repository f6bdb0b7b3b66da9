"""No number that comes from data or a source is typed into prose.

Digits and counted things in words are looked for in all typed prose of the book. What may stand is
either held here against what it is read from (`held`), or listed with a reason (`ALLOWED`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typed_numbers import (
    NUMBER,
    Prose,
    code_texts,
    plain,
    read_prose,
    typed_counts,
    typed_numbers,
)

import alllib
from alllib.augmentation import SYMMETRIES
from alllib.datasets import get_dataset
from alllib.downloads import official_files
from alllib.features import COLOURS, FEATURES
from alllib.laboratory import MISTAKES
from alllib.lessons.facts import load_works
from alllib.lessons.imagenet import imagenet_facts
from alllib.recipes import list_recipes, load_recipe
from alllib.statements import load_claims, published_value

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted(
    [
        *(REPOSITORY / "notebooks").glob("*.py"),
        *(REPOSITORY / "book").glob("*.md"),
        *(REPOSITORY / "alllib" / "quizzes").glob("*.toml"),
        REPOSITORY / "README.md",
    ]
)
WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
         "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen",
         "nineteen", "twenty")  # fmt: skip

# Page, phrase, and why it may stand though nothing computes it. A phrase that is not found fails.
ALLOWED = (
    ("README", "4 GB of memory and 5 GB of disk", "what a reader must have"),
    ("README", "some 2 GB to fetch", "what a reader must have"),
    ("README", "about 10 minutes; seconds where", "measured before a release"),
    ("README", "about 12 minutes |", "measured before a release"),
    ("glossary", "the three numbers of a pixel", "what RGB means"),
    ("audit_transfer", "Each time an 8 stands where a 0 belongs", "two digits as signs"),
    ("vgg19_transfer", "a digit 0 became an 8", "two digits as signs"),
    ("audit_report", "three sets of images", "how many the page tells apart in a table"),
    ("backpropagation", "three small networks", "how many the figure draws"),
    ("imagenet_networks", "three networks make copying", "those of the next three sections"),
    ("learning", "four systems learn", "how many the page compares"),
    ("mistakes", "six test images", "how many rows the table shows"),
    ("mistakes", "forest on ten numbers, crop 224", "name of a row of the table above it"),
    ("mistakes", "pixels on the edge alone, crop 224", "name of a row of the table above it"),
    ("mistakes", "crop 224", "name of a row of the table above it"),
    ("overfitting", "four pictures for each image", "as the parameters of the page say"),
    ("verdict", "the three numbers measure", "those of the question before it"),
)


def held() -> Iterable[tuple[str, str]]:
    """Page (`*`: any) and phrase; each number of a phrase is read from where it is kept."""
    recipes = {name: load_recipe(name) for name in list_recipes()}
    own, poster, paper, sheet = (
        recipes[name]
        for name in (
            "mir2019-proposed",
            "unnithan2021-2x2",
            "garg2021-vgg19",
            "ball2023-densenet201",
        )
    )
    sources = {claim.source for claim in load_claims()}
    works = {recipe.source for recipe in recipes.values()}
    networks = {one.architecture.name for one in recipes.values() if one.source == own.source}
    yield from (("*", f"{WORDS[len(recipes)]} systems"), ("*", f"{WORDS[len(sources)]} sources"))
    yield from (
        ("README", f"{WORDS[len(works)]} works"),
        ("mistakes", f"{WORDS[len(sources)]} works"),
    )
    yield "verdict", f"{WORDS[len(works)]} published accuracies"
    yield "claims", f"{WORDS[len(sources - {sheet.source})]} of the sources"
    yield "learning", f"{WORDS[len(load_works())]} works"
    for what in ("networks", "accuracies"):
        yield "*", f"{WORDS[len(networks)]} {what}"
    yield "*", f"{WORDS[len(networks) - 1]} known networks"
    yield "mistakes", f"{WORDS[len(MISTAKES)]} mistakes"
    yield "augmentation", f"{WORDS[len(SYMMETRIES)]} pictures"
    yield "*", f"{WORDS[len(get_dataset('ball2021').classes)]} subtypes"
    for what in ("official phases", "phases"):
        yield "audit_transfer", f"{WORDS[official_files().phase.nunique()]} {what}"
    yield "audit_poster", f"{WORDS[official_files().phase.nunique()]} official phases"
    for kind in ("", "measured "):
        yield "*", f"{WORDS[len(FEATURES)]} {kind}numbers"
    yield "*", f"{len(FEATURES)} numbers"
    colours = [name for name in FEATURES if name.rpartition("_")[2] in "rgb"]
    yield "mistakes", f"colour alone, {len(colours)} numbers"
    for kind in ("", "colour "):
        yield "*", f"{WORDS[len(COLOURS)]} {kind}numbers"
    yield from held_networks(own, poster, paper)
    yield from held_scores(own, poster, paper, sheet)


def held_networks(own: Any, poster: Any, paper: Any) -> Iterable[tuple[str, str]]:
    """Counts of layers, and of rows of layer tables."""
    alexnet = load_recipe("mir2019-alexnet").published["convolutions"]
    yield from (
        (page, f"{WORDS[alexnet]} convolutions") for page in ("alexnet", "imagenet_networks")
    )
    yield "audit_report", f"{WORDS[sum(own.architecture.settings['convolutions'])]} convolutions"
    blocks = poster.architecture.settings
    found = WORDS[blocks["blocks"] * blocks["convolutions"]]
    yield from ((page, f"{found} convolutions") for page in ("two_by_two_cnn", "convolution"))
    rows = {name: count for name, _, count in paper.published["layers"]}
    yield "vgg19_transfer", f"{WORDS[sum('conv' in name for name in rows)]} convolutions"
    wrong = paper.published["misprints"]
    told = WORDS[len({rows[name] for name in wrong})]
    yield from (("vgg19_transfer", f"{told} numbers"), ("audit_transfer", f"{told} numbers"))
    printed = [row for row in imagenet_facts()["result"] if "printed" in row]
    yield "imagenet_networks", f"{WORDS[len(printed)]} printed numbers"


def held_scores(own: Any, poster: Any, paper: Any, sheet: Any) -> Iterable[tuple[str, str]]:
    """Published accuracies in headlines, cut to whole per cent, and names in a computer's order."""
    low, middle, high = (int(100 * one.published["accuracy"]) for one in (poster, own, paper))
    yield "verdict", f"why {low}, {middle} and {high}"
    yield "verdict", f"report {low} %, {middle} % and {high} %"
    yield "verdict", f"- {low} % is what answers"
    yield "verdict", f"the labels; {middle} % is measured"
    yield "verdict", f"behind {high} % fits"
    yield "verdict", f"And {int(1000 * sheet.published['accuracy']) / 10:g} on the other"
    yield "claims", f"on {low}, {middle} and {high} %"
    seen = round(100 * poster.published["val_accuracy"])
    yield "audit_poster", f"scores {seen} % in validation score {low} % on new"
    yield "audit_transfer", f"Where does {100 * paper.published['accuracy']:.2f} % come from"
    yield "vgg19_transfer", f"can {high} % be true"
    files = official_files().query("phase == 'test_prelim'")
    names = sorted(map(str, range(1, len(files) + 1)))[:5]
    yield from ((page, ", ".join(names)) for page in ("audit_poster", "verdict"))
    yield "changelog", alllib.__version__


@pytest.fixture(scope="module")
def allowed() -> list[tuple[str, str, re.Pattern]]:
    """Page, phrase and its pattern, of all phrases that may stand; longer ones first."""
    phrases = {*held(), *(entry[:2] for entry in ALLOWED)}
    return [
        (page, phrase, re.compile(rf"(?<![\w.]){re.escape(phrase)}(?!\w)", re.IGNORECASE))
        for page, phrase in sorted(phrases, key=lambda entry: -len(entry[1]))
    ]


@cache
def texts_of(path: Path) -> tuple[Prose, ...]:
    return tuple(read_prose(path))


def cross_out(text: str, page: str, allowed: Iterable) -> tuple[str, set]:
    """The text without the phrases that may stand on its page, and those that were found."""
    found = set()
    for where, phrase, pattern in allowed:
        if where in ("*", page) and pattern.search(text):
            found.add((where, phrase))
            text = pattern.sub("·", text)
    return text, found


def printed_by_sources() -> set[str]:
    """Published numbers that are no round ones, as a text may print them."""
    values = [load_recipe(name).published for name in list_recipes()]
    values += [published_value(claim) for claim in load_claims()]
    return {text for value in values for text in _printed(value)}


def _printed(value: Any) -> Iterable[str]:
    if isinstance(value, dict | list | tuple):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _printed(part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        digits = re.sub(r"e.*|[.]", "", f"{value:g}" if isinstance(value, float) else str(value))
        if len(digits.strip("0")) < 3:
            return  # a round number proves nothing
        if isinstance(value, float):
            yield from (f"{value:g}", f"{value:g}".lstrip("0"), f"{100 * value:g}")
        elif value >= 1000:
            yield from (str(value), f"{value:,}")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_prose_types_no_number_of_data(path, allowed):
    for prose in texts_of(path):
        if not prose.given:
            text, _ = cross_out(plain(prose.text), prose.page, allowed)
            left = typed_numbers(text) + typed_counts(text)
            assert not left, f"typed, and neither computed nor allowed: {left} in {text!r}"


def test_no_number_that_a_source_printed_is_typed_even_in_an_exercise_or_a_formula(allowed):
    printed = printed_by_sources()
    assert {"93.02", "7,535,040", "99.19", ".617"} <= printed
    for prose in (prose for path in PAGES for prose in texts_of(path)):
        text, _ = cross_out(plain(prose.text, mathematics=True), prose.page, allowed)
        left = [hit for hit in NUMBER.findall(text) if hit.lstrip("+-").rstrip(" %") in printed]
        assert not left, f"{prose.page} types what a source printed: {left} in {text!r}"


def test_nothing_is_allowed_in_vain(allowed):
    """The reviewed list is short, gives reasons, and each of its phrases stands in the book."""
    found = set()
    for prose in (prose for path in PAGES for prose in texts_of(path)):
        found |= cross_out(plain(prose.text), prose.page, allowed)[1]
    unused = {(page, phrase) for page, phrase, _ in allowed} - found
    assert not unused, f"allowed, but not there any more: {unused}"
    assert len(ALLOWED) < 40 and all(len(reason) > 10 for _, _, reason in ALLOWED)


@pytest.mark.parametrize(
    "text",
    [
        "VGG16, ResNet-50 and 2x2 on C-NMC 2019",
        "section 3.4.3, figures 11 and 20, table 1, block 4 of image 10",
        "from 0 to 1, with 95 % intervals",
        "with $g = 2$ and $$93.02$$, `epochs=40`, {cite:p}`mir2019report` and [a page](a1.ipynb)",
        "the paper of 1986, in the 1970s",
        "1. first\n2. second",
        "```python\nx = 17\n```",
        "Two networks, a million weights",
    ],
)
def test_names_places_dates_and_formulas_are_no_data(text):
    assert not typed_numbers(plain(text)) + typed_counts(plain(text))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("accuracy 93 %, or .617, or 0.5", ["93 %", ".617", "0.5"]),
        ("of 10,661 images", ["10,661"]),
        ("block 4 has 38 maps", ["38"]),
        ("a rate of 2e-4, 100 epochs", ["2e-4", "100"]),
        ("in 2121 of them; 1,867 of 2019 images", ["2121", "1,867", "2019"]),
        ("1 %", ["1 %"]),
        ("a score 0.83 of group 120", ["0.83", "120"]),
        ("nine systems of thirty-five subjects", ["nine systems", "thirty-five subjects"]),
    ],
)
def test_numbers_of_data_are_seen(text, wanted):
    assert typed_numbers(plain(text)) + typed_counts(plain(text)) == wanted


def test_of_code_its_prose_is_read_and_its_values_are_not(tmp_path):
    path = tmp_path / "page.py"
    path.write_text(
        "# %% tags=[\"parameters\"]\nname = 'all 17 of them'\n\n"
        "# %% [markdown]\n# About 83 %.\n#\n# ```{exercise}\n# Of 55 cells?\n# ```\n\n"
        "# %%\nsay(f\"{x:.3f} of 7 images in {row['top 5']}, {pick('at 9')}\" + 'and 8 more')\n\n"
        "# %% [markdown]\n# ```{solution-start} a\n# ```\n# Of 66.\n\n"
        "# %% tags=[\"solution\"]\nsay('all 77 here')\n\n"
        "# %% [markdown]\n# 88 are left.\n# ```{solution-end}\n# ```\n# Then 99.\n"
    )
    texts = list(read_prose(path))
    seen = [hit for prose in texts if not prose.given for hit in typed_numbers(plain(prose.text))]
    given = [hit for prose in texts if prose.given for hit in typed_numbers(plain(prose.text))]
    assert sorted(seen) == ["7", "8", "83 %", "99"]
    assert sorted(given) == ["55", "66", "77", "88"]
    assert list(code_texts("f'{x:>10} {y}'")) == ["{} {}"]
    assert not list(code_texts("write('[data]\\nshares = [0.6, 0.4]')"))
