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
# # Splitting the images
#
# *Which images may a network learn from, and which is it judged on?* The report shuffles the
# images; then cells of the same person stand on both sides, and the score measures in part
# how well the network remembers people.
#
# :::{admonition} Before you start
# **You will learn** the report's split, what crosses it, how to split by
# {term}`subject group`, and how a {term}`certificate` proves which was done.
# **You need** [the cell table](dataset.ipynb), and no GPU; the last line of the page says how
# long it ran. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split by group
folds = 5  # equal parts: one becomes test, one validation

# %% [markdown]
# ## The report's split
#
# For each class, the report sorts the file names, shuffles them with the seed of its listing,
# and cuts at the ratio {cite:p}`mir2019report`. The function below is that rule and nothing
# else; the package holds the same one, and a test keeps the two equal.

# %%
import random
from dataclasses import asdict

from alllib.datasets import load_cells
from alllib.downloads import official_cells, prepare_data
from alllib.figures import plot_intervals, say, set_style, show
from alllib.splits import make_split, require_subjects
from alllib.tables import crossing_table, interval, part_table, style

# %%


def split_like_the_report(names, ratio=0.8, shuffle_seed=120):
    """First and second part of one class's file names."""
    names = sorted(names)
    random.seed(shuffle_seed)
    random.shuffle(names)
    cut = int(ratio * len(names))
    return names[:cut], names[cut:]


# %%
set_style()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
published = make_split(cells, "image")
train, rest = split_like_the_report(cells.image[cells.label == "ALL"])
assert set(published.part("train").query("label == 'ALL'").image) == set(
    train
)
style(
    part_table(published.certificate),
    "The report's split of the images of this page.",
)

# %% [markdown]
# There are two {term}`parts <part>` and no third: what the report calls its test set is also the
# set that chose the {term}`checkpoint`. We name it `validation`, because that is what it was used
# for.

# %% [markdown]
# ## What crosses it
#
# A split {term}`leaks <leakage>` when the same thing stands on both sides. Each split comes with a
# {term}`certificate`, a table of counts that is made together with it. It says what stands on both sides:
# *identical images*, *fields* of view (one photograph that several cells were cut from), *{term}`subjects <subject>`*, and
# *groups* of subjects. *Values in both* is how many different ones that are; the last column is the share
# of the images of the second part that belong to one of them.

# %%
crossing = crossing_table(published.certificate)
style(crossing, "What stands in both parts of the report's split.")

# %% tags=["hide-input"]
pair = published.certificate["crossing"]["train/validation"]
total = sum(published.certificate["parts"]["validation"].values())
say(
    f"Of {total:,} validation images, **{pair['subjects']['images'] / total:.0%}** show a cell "
    f"of a subject that is also trained on, **{pair['fields']['images'] / total:.0%}** a cell of "
    f"the *same field of view*. Exact copies of a training image: "
    f"{pair['identical images']['images']}."
)

# %% [markdown]
# This is no accident of the images at hand. The official list of C-NMC 2019 ships with the
# package: names of images, subjects and classes, and no picture. That is enough to make the report's
# split of all its training images and to count.

# %%
official = make_split(official_cells(), "image")
style(
    crossing_table(official.certificate),
    "The report's split of all C-NMC 2019 training images.",
)

# %% tags=["hide-input"]
pair = official.certificate["crossing"]["train/validation"]
parts = {
    name: sum(n.values()) for name, n in official.certificate["parts"].items()
}
say(
    f"Of {parts['validation']:,} images, all {pair['subjects']['images']:,} share a subject "
    f"with the training part, {pair['fields']['images'] / parts['validation']:.1%} a field of "
    f"view, and {pair['identical images']['images']} are exact copies."
)

# %% [markdown]
# ## A split by subject group
#
# Subjects are dealt out whole, so that class shares come out as equal as possible
# (`StratifiedGroupKFold` of scikit-learn). Subjects that share cells under different names
# count as one *group*. The people are dealt into as many equal {term}`folds <fold>` as `folds` says: one fold is the test
# part, one the validation part, which may choose, and the rest is trained on.

# %%
honest = make_split(cells, "group", seed=seed, folds=folds)
style(part_table(honest.certificate), "Split by subject group.")

# %%
crossing = crossing_table(honest.certificate)
assert (crossing["values in both"] == 0).all()
people = honest.cells.groupby(["part", "label"]).group.nunique().unstack()
style(people.reset_index(), "Subject groups by part and class.")

# %% [markdown]
# Nothing crosses: the assertion above would have stopped the page. The price is that few people
# stand in each part, so one split is one draw.

# %% [markdown]
# ## Does it matter?
#
# No network is needed to see it. We describe each image by a few numbers (size and outline
# of the {term}`nucleus`, and its colours), train a {term}`random forest` on each split, and score it
# on images that it did not see.

# %%
from alllib.baselines import describe_images, predict_forest
from alllib.evaluation import score_predictions
from alllib.splits import scored_part, split_groups

features = describe_images(honest.cells).set_index(honest.cells.image)
splits = {"by image": published}
for fold in range(folds):
    part = split_groups(cells, folds=folds, seed=seed, fold=fold)
    splits[f"by group, fold {fold + 1}"] = part

# %% [markdown]
# Each fold serves as the test part once, so every image is scored once by a forest that has
# not seen its group.

# %%
import pandas as pd

found = {
    name: predict_forest(split, features).query(
        f"part == '{scored_part(split)}'"
    )
    for name, split in splits.items()
}
unseen = [table for name, table in found.items() if name != "by image"]
found["by group, all folds"] = pd.concat(unseen, ignore_index=True)
accuracy = {
    name: score_predictions(table.drop(columns="part")).metrics["accuracy"]
    for name, table in found.items()
}

# %%
rows = pd.DataFrame(
    [{"name": name, **asdict(value)} for name, value in accuracy.items()]
)
show(
    plot_intervals(rows),
    caption="Accuracy of the same random forest on different splits (dot) with its 95 % interval from "
    "drawing subject groups again (bar); no bar where a part holds a single group of a class. By image: "
    "the validation part of the report's split; all folds: every image once. Folds are counted from 1 "
    "here, from 0 in certificates.",
    alt="; ".join(
        f"{name}: {interval(asdict(value))}"
        for name, value in accuracy.items()
    ),
)

# %% tags=["hide-input"]
by_image = accuracy["by image"].value
by_group = accuracy["by group, all folds"].value
each = [v.value for name, v in accuracy.items() if "fold " in name]
say(
    f"Split by image, the forest scores **{by_image:.1%}**; on subject groups that it has not "
    f"seen, **{by_group:.1%}**. Between folds the score moves from {min(each):.1%} to "
    f"{max(each):.1%}: one fold is one draw of a few people, and a single split can look better "
    f"or worse than the truth by chance alone."
)

# %% [markdown]
# Few images settle little. On the real ones, all of them, the question is answered where
# [two systems are compared on the same images](uncertainty.ipynb).

# %% [markdown]
# ## The certificate
#
# Each split carries a certificate: what the parts hold, what crosses them, and a hash of who
# is where: a number that changes as soon as one image changes its part. Training refuses data
# without one, or with one that was made for other data.

# %%
signed = ("dataset", "protocol", "settings", "data", "hash")
pd.DataFrame(
    [(name, str(honest.certificate[name])) for name in signed],
    columns=["entry", "value"],
).pipe(style, "What the certificate signs, beside the counts above.")

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: splitting-subject
# Make a split by subject *name* with `make_split(cells, "subject")`. Which kinds of sharing
# does its certificate still report, and why?
# ```
#
# ```{solution} splitting-subject
# :class: dropdown
# Identical images and groups can still cross: some subjects stand in the data under two
# names, and a split by name may deal the two names to different parts.
# ```
#
# ```{exercise}
# :label: splitting-recount
# Trust no certificate that you did not check. Count yourself how many validation images of the
# report's split show a cell of a subject that is also trained on, and hold the count against the
# certificate.
# ```
#
# ```{solution-start} splitting-recount
# :class: dropdown
# ```
#
# A validation image counts when the name of its subject occurs in the training part.

# %% tags=["solution"]
trained_on = set(published.part("train").subject)
held = published.part("validation")
shared = held.subject.isin(trained_on)
signed = published.certificate["crossing"]["train/validation"]["subjects"]
assert shared.sum() == signed["images"]
assert held.subject[shared].nunique() == signed["values"]
say(f"{shared.sum():,} of {len(held):,} images, as the certificate says.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("splitting")

# %% [markdown]
# ## Summary
#
# - A random split of cells puts the same people, and the same photographs, on both sides.
# - Split by subject group, and keep a third part that chooses nothing.
# - Say which split a number is of; the certificate says it for you.
#
# **Next**: [cropping](cropping.ipynb), where a harmless step may treat the classes differently.
