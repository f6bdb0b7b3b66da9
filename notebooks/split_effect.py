# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the split does to each system
#
# *How much of a published number is the split?* Each network was trained twice with the same
# settings: on the {term}`split` of its source, and on one that keeps {term}`subjects <subject>` apart. On the images that
# both scored, all that differs is what was trained on.
#
# :::{admonition} Before you start
# **You will learn** to compare two results pair by pair, and what such a comparison can and cannot
# say. **You need** [how sure a number is](uncertainty.ipynb) and [the results](results.ipynb); no
# GPU. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
folder = ""  # folder of records; empty: those of the book
loose = 0.1  # a validation accuracy that moves by more late in a training is not settled

# %%
from alllib.figures import say, set_style, show
from alllib.gaps import (
    forest_gap,
    gap_table,
    signed,
    split_gaps,
    tell_p,
)
from alllib.records import list_records
from alllib.result_figures import plot_gaps
from alllib.tables import interval, span, style, tell_recorded

# %%
set_style()
rows = split_gaps(list_records(folder or None))
main = [row for row in rows if row["protocol"] != "folds"]
official = [row for row in rows if row["protocol"] == "folds"]
forests = [
    found for found in map(forest_gap, ("cnmc2019", "ball2021")) if found
]

# %% [markdown]
# ## Why pairs
#
# The two accuracies of a system come from different images: the source's part holds a few cells of
# nearly everybody, the honest part all cells of a few people. Their plain difference mixes two
# things, which images were scored and what was trained on. So we look at images that both
# trainings scored, and count how often each was right. The interval leaves {term}`subject groups <subject group>` out in
# turn; where a system was trained from several seeds, an image counts by the share of them that
# were right.
#
# The {term}`test part <part>` of one {term}`fold` holds few people, of the healthy class very few, and so its intervals
# are wide. The second pair of columns counts the images of the honest split's validation part as
# well. That part chose the {term}`epoch`, just as the scored part does on the source's split, so the
# comparison stays even; only the first column is free of any choice.
#
# An accuracy says nothing of a network that gives every image the same answer. Such a one may still
# order the images, and so the gap of the area under the curve ({term}`AUC`), in hundredths, stands beside
# that of the accuracy.

# %%
style(
    gap_table([*main, *forests]),
    "Accuracy on the source's split less that on the honest one, in points, on the same images."
    if main
    else "There are no recorded runs here; of the forest, all folds are kept.",
)

# %% tags=["hide-input"]
if main:
    say(tell_recorded(main))
flat = [row["title"] for row in main if row["one_answer"]]
if flat:
    say(
        f"Every image gets the same class, under both splits: {', '.join(flat)}. So their gap of the "
        "accuracy is zero, whatever was trained on, and does not speak for the split."
    )
for row in main:
    if row["swing"] > loose:
        say(
            f"{row['title']} keeps its last epoch, and in the second half of a training its accuracy on "
            f"the validation part still moved by {100 * row['swing']:.0f} points. Which of them came last "
            "is chance, so neither of its gaps speaks for the split."
        )

# %%
drawn = [
    {"name": f"{row['title']}, {row['dataset']}", **row}
    for row in [*main, *forests]
]
if drawn:
    told = [f"{row['name']}: {signed(row)} points" for row in drawn]
    show(
        plot_gaps(drawn),
        caption="What the source's split adds to each system, with 95 % intervals; those that "
        "leave the figure are cut.",
        alt="; ".join(told) + ".",
    )

# %% tags=["hide-input"]
for name, pairs in (
    ("test part", main),
    (
        "test and validation part",
        [row["more"] | {"title": row["title"]} for row in main],
    ),
):
    above = [
        r["title"] for r in pairs if r["low"] is not None and r["low"] > 0
    ]
    below = [
        r["title"] for r in pairs if r["high"] is not None and r["high"] < 0
    ]
    if pairs:
        say(
            f"Networks that score more on the source's split, the interval above zero, on the "
            f"images of the {name}: **{len(above)}** of {len(pairs)}"
            + (f" ({', '.join(above)})" if above else "")
            + f". Less, the interval below zero: {len(below)}"
            + (f" ({', '.join(below)})" if below else "")
            + f". For the other {len(pairs) - len(above) - len(below)} these images cannot tell."
        )

# %% tags=["hide-input"]
for row in forests:
    say(
        f"The forest on {row['title'].split(',')[0]} ({row['dataset']}), which was scored on every "
        f"image under both protocols: {interval(row['published'])} by image, "
        f"{interval(row['other'])} by {row['protocol']}; {signed(row)} points on {row['images']:,} "
        f"images (p {tell_p(row['p'])})."
    )

# %% [markdown]
# ## What this does not say
#
# A network that has learned little has little that a split could leak. A gap near zero after a few
# epochs therefore does not acquit the split: what leaks is cells learned by heart, and that takes
# long trainings. And the two trainings did not see
# equally many images, which the table shows: part of a gap may be a larger training part. Where
# pictures are drawn, both saw as many pictures.

# %% tags=["hide-input"]
if main:
    more = [100 * (r["trained"][0] / r["trained"][1] - 1) for r in main]
    say(
        f"The source's split trained on {span(map(round, more))} per cent more images. Epochs of a "
        f"training: {span(r['epochs'] for r in main)}; pixels of the input: "
        f"{span(r['input'] for r in main)}; from ImageNet weights: "
        f"{sum(r['pretrained'] for r in main)} of {len(main)} networks."
    )

# %% tags=["hide-input"]
if main:
    plain = [
        (row["title"], row["published"]["value"] - row["other"]["value"])
        for row in main
    ]
    title, largest = max(plain, key=lambda pair: pair[1])
    same = next(r["difference"] for r in main if r["title"] == title)
    say(
        f"Why the same images matter: the plain difference of the two accuracies is largest for "
        f"{title}, {100 * largest:+.1f} points; on the same images it is {100 * same:+.1f}. What "
        "is left between the two is who was scored."
    )

# %% [markdown]
# ## The organisers' folds
#
# The organisers of the data set published their own folds. Trained on one of them and tested on the
# other, both ways, nearly every image is scored by a network that met none of its subject, save for
# [people with two names](duplicates.ipynb). It learns from about half of the images only.

# %%
style(
    gap_table(official),
    "The source's split against the organisers' folds, on the same images."
    if official
    else "There is no recorded run on the organisers' folds here.",
)

# %% [markdown]
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: gap-plain
# Why is the difference of the two columns *its split* and *other split* not the gap of the table?
# ```
#
# ```{solution} gap-plain
# :class: dropdown
# They are of different images. Some people's cells are harder than others', and the honest part
# holds all cells of a few people, so that its accuracy also depends on who was drawn.
# ```
#
# ```{exercise}
# :label: gap-whole
# Of the networks, the plain difference of the two accuracies is not the gap on the same images. Of the
# forest it is. Show that with `forests`, and say why.
# ```
#
# ```{solution-start} gap-whole
# :class: dropdown
# ```
#
# In folds every image is scored once under either {term}`protocol`. So both accuracies of the forest are of
# the same images, and nothing of their difference is who was scored.

# %% tags=["solution"]
for row in forests:
    plain = row["published"]["value"] - row["other"]["value"]
    assert abs(plain - row["difference"]) < 1e-9, row["title"]

# %% [markdown]
# The pairs are of use all the same: they say how often only one of the two was right, and so give an
# interval to the difference.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("split_effect")

# %% [markdown]
# ## Summary
#
# - Compare two splits on the same images, or the images compare themselves.
# - An interval by subject is wide where few subjects are in common; it is the honest one.
# - A system that has learned little leaks little.
#
# **Next**: [how the systems learn and where they fail](behaviour.ipynb).
