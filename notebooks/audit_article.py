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
# # The article
#
# *What remains of a project when it is told in four pages?* The result remains, and what one would
# need to judge it does not.
#
# :::{admonition} Before you start
# **You will learn** what the article says, how far a table of five accuracies can be read, and which
# of its statements hold.
# **You need** [splits](splitting.ipynb); no image and no GPU. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
draws = 20000  # resamplings of the scored images for an interval

# %% [markdown]
# ## What the article is
#
# An article for a general reader {cite:p}`mir2019article`, on the project of the report
# {cite:p}`mir2019report` and in part in the same words. It explains what a convolutional network is
# and then tells what was done. This course follows its outline.
#
# - **Images**: the training phase of C-NMC 2019, cut in two at random within each class, cropped,
#   and augmented by rotations and flips.
# - **Networks**: four known ones and one of the authors' own, with {term}`convolutions <convolution>` in six {term}`blocks <block>`.
# - **Training**: SGD in {term}`batches <batch>`, for a fixed number of {term}`epochs <epoch>`; the weights of the best validation
#   accuracy were kept.
# - **Result**: a table of five accuracies.
#
# ## What we checked

# %%
from alllib.audits import find_claim, status_counts, status_table
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.tables import style

# %%
set_style()
rows = claim_rows("mir2019article")
style(status_counts(rows), "Claims of the article by kind and status.")

# %% [markdown]
# The settings in figures, as far as they are stated; they are read from the {term}`recipe` that rebuilds the system:

# %%
from alllib.comparison import setting_table
from alllib.recipes import load_recipe

style(
    setting_table(load_recipe("mir2019-proposed")),
    "What the article and its report state of their own network and its training.",
)

# %% [markdown]
# What does not hold, and what cannot stand beside another statement:

# %%
style(
    status_table(rows, "contradicted", "inconsistent"),
    "Claims of the article that are contradicted or inconsistent.",
)

# %% [markdown]
# ## Which images were counted?
#
# The article names the size of the set and the sizes of its two parts. The second should be the sum
# of the first.

# %% tags=["hide-input"]
whole = find_claim(rows, "article-dataset-size")
parts = find_claim(rows, "article-split-sum")
say(
    f"The set has **{whole['published']:,}** images, as the official list confirms, and the parts "
    f"add up to **{parts['computed']:,}**, the report's count: "
    f"{whole['published'] - parts['computed']} images are in neither."
)

# %% [markdown]
# Such a gap need not change a result. The report, which prints the program's output, has a third count.
# [Its audit](audit_report.ipynb) goes through them.
#
# ## A good split, "without any bias"
#
# The article picks images at random so that the {term}`split` be free of bias. That is right of many biases:
# of the order in a folder, or of a person's choice. It is wrong of the one that matters here, because
# the images are not independent. We make that split of the official list.

# %%
from alllib.downloads import official_cells
from alllib.splits import make_split
from alllib.tables import crossing_table

split = make_split(official_cells(), "image")
style(
    crossing_table(split.certificate),
    "What stands in both parts of the article's split.",
)

# %% tags=["hide-input"]
pair = split.certificate["crossing"]["train/validation"]
held = sum(split.certificate["parts"]["validation"].values())
say(
    f"**Every one** of the {held:,} held-out images shows a cell of a subject that was trained on "
    f"({pair['subjects']['images']:,} of {held:,}), and {pair['fields']['images'] / held:.0%} come "
    "from a microscope field that was. The score says how the network does on new cells of known "
    "patients, as in a follow-up; that is another question than the diagnosis of a new person."
)

# %% [markdown]
# ## Five accuracies in a table
#
# The table puts four known networks well below the authors' own. How sure are the gaps? If the
# scored images were independent, an accuracy $a$ on $n$ of them would stray by about
# $\sqrt{a(1-a)/n}$. We resample.

# %%
import numpy as np
import pandas as pd

table = find_claim(rows, "article-table-2")
names = ["AlexNet", "VGG16", "ResNet-50", "Inception-v3", "proposed"]
values = np.array(table["published"], float)
values = values / 100 if values.max() > 1 else values
rng = np.random.default_rng(0)
again = rng.binomial(held, values, (draws, len(values))) / held
low, high = np.quantile(again, [0.025, 0.975], axis=0)

# %%
from alllib.figures import plot_intervals

told = pd.DataFrame(
    {"name": names, "value": values, "low": low, "high": high}
)
show(
    plot_intervals(told),
    caption="The printed accuracies, with the interval that independent images would give.",
    alt="; ".join(
        f"{row.name}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f})"
        for row in told.itertuples(index=False)
    )
    + ".",
)

# %% tags=["hide-input"]
say(
    f"VGG16, ResNet-50 and Inception-v3 cannot be told apart "
    f"({values[1:4].min():.1%} to {values[1:4].max():.1%}); the gap to the proposed network, "
    f"{values[4] - values[1:4].max():.1%}, is larger than chance on these images. It need not be one "
    "between networks: how the four were trained, from which weights, at which rate and input, is not "
    "said. And these intervals are too narrow, because cells of one subject are not independent."
)

# %% [markdown]
# Beside them, what [needs no network](without_cnn.ipynb). The kept measurement makes the same split
# of the images at hand.

# %%
from alllib.studies import read_study, tell_study

study = read_study("baselines", "cnmc2019")
kept = [
    (row["title"], row["protocol"], row["metrics"]["accuracy"]["value"])
    for row in (study.found["rows"] if study else [])
    if (row["scheme"] == "published" and "mir2019-vgg16" in row["recipes"])
    or (row["scheme"] == "pooled" and row["protocol"] == "group")
]
kept += [
    (name, "image", value) for name, value in zip(names, values, strict=True)
]
style(
    pd.DataFrame(kept, columns=["system", "split by", "accuracy"]),
    "Without a network, beside the printed table.",
)

# %% tags=["hide-input"]
say(
    "Recorded. " + tell_study(study)
    if study
    else "No baseline is kept in this workspace."
)

# %% [markdown]
# Which of the known networks score above the best of the systems that need none, on the same kind of
# split?

# %% tags=["hide-input"]
plain = [
    (value, name)
    for name, split_by, value in kept[: -len(names)]
    if split_by != "group"
]
if plain:
    best, title = max(plain)
    above = [
        name
        for name, value in zip(names[:4], values[:4], strict=True)
        if value > best
    ]
    say(
        f"The best without a network, *{title}*, scores {best:.3f}. "
        f"Above it: {', '.join(above) or 'none of the four'}. The two stand on different images of "
        "one data set, so that the comparison is a rough one."
    )

# %% [markdown]
# A known network that stays below a few numbers says little of the network until it is told how it was
# trained.
#
# ## Simple, and how many weights
#
# The article puts the result down to a simple architecture.

# %% tags=["hide-input"]
simple = find_claim(rows, "article-simplicity")
layers = find_claim(rows, "article-layers")
say(f"By size: {simple['computed']}. {simple['note']}")
say(
    f"Its text counts {layers['published']} convolutions; the parameter totals of the report leave "
    f"room for **{layers['computed']}**. {layers['note']}"
)

# %% [markdown]
# ## What is good about it
#
# The explanations are short and mostly right, and they are in the order in which a beginner needs
# them, which is why this course has the same. The steps are told in full: where the images are from,
# how they were cut, which library augmented them with which operations. That the weights of the best
# *validation* accuracy were kept is said openly; it is what lets a reader see that the scored part
# chose them.
#
# ## What stays open

# %%
style(
    status_table(rows, "cannot be known"),
    "Claims of the article that cannot be known.",
)

# %% [markdown]
# And what holds:

# %%
style(
    status_table(rows, "confirmed", "reproduced"),
    "Claims of the article that hold.",
)

# %% [markdown]
# :::{admonition} Verdict
# :class: tip
# As an outline of a course the article is sound; as evidence its table shows that one network fitted
# cells of known patients better than four others that were trained in unstated ways. How any of them
# does on new patients it does not say.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: audit-article-gap
# How many held-out images would be needed to tell VGG16 from ResNet-50 by their printed accuracies, if
# images were independent?
# ```
#
# ```{solution} audit-article-gap
# :class: dropdown
# The difference of two independent accuracies strays by about $\sqrt{2a(1-a)/n}$. For a gap $d$ of
# two such spreads, $n = 8a(1-a)/d^2$; with `a = values[1]` and `d = values[1] - values[2]` that is
# more than ten million images: the two are the same.
# ```
#
# ```{exercise}
# :label: audit-article-closed-form
# The intervals of the table were drawn. Compute them by the formula $a \pm 1.96\sqrt{a(1-a)/n}$ instead,
# from `values` and `held`, and check that the two agree. Which pairs of networks have intervals that do
# not meet?
# ```
#
# ```{solution-start} audit-article-closed-form
# :class: dropdown
# ```
#
# The formula takes the accuracies of many samples for normal, which they nearly are with so many
# images.

# %% tags=["solution"]
spread = np.sqrt(values * (1 - values) / held)
assert (np.abs(values - 1.96 * spread - low) < spread / 2).all()
assert (np.abs(values + 1.96 * spread - high) < spread / 2).all()
apart = [
    f"{names[a]} and {names[b]}"
    for a in range(len(names))
    for b in range(a)
    if abs(values[a] - values[b]) > 1.96 * (spread[a] + spread[b])
]
say(f"Intervals that do not meet: {'; '.join(apart)}.")

# %% [markdown]
# Both ways take images for independent, so that both intervals are too narrow.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("audit_article")

# %% [markdown]
# ## Summary
#
# - "At random" is unbiased for independent things only; cells of a patient are not.
# - A table of accuracies needs the number of images, an interval, and how each row was trained.
# - Put something without a network into every table of networks.
#
# **Next**: [the report](audit_report.ipynb) behind the article.
