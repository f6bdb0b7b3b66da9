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
# # The project sheet
#
# *Of which images are the metrics of the sheet, and what do they average?* The digits of one figure
# answer both: of the {term}`validation part <part>`, and of {term}`batches <batch>`.
#
# :::{admonition} Before you start
# **You will learn** what the sheet did, why a faultless network can have a recall below 1, and how
# five digits can exclude a test set.
# **You need** [the page of the network](densenet201_subtypes.ipynb); no image and no GPU.
# **Reading time**: about twelve minutes.
# :::

# %% tags=["parameters"]
draws = 20000  # shuffles of the validation part that are simulated

# %% [markdown]
# ## What the sheet is
#
# A project sheet of one page {cite:p}`ball2023densenet` that follows a published system
# {cite:p}`ghaderzadeh2022fast`. It is the only source here on other images, {term}`B-ALL`
# {cite:p}`aria2021ball`: four classes of B-cell {term}`precursors <precursor>`, one of them benign.
#
# - **Images**: made smaller, scaled to the range 0 to 1; brightness, contrast, rotation and
#   flips are varied.
# - **Network**: DenseNet-201 with {term}`ImageNet` weights, two {term}`dense layers <dense layer>`, four outputs.
# - **Training**: {term}`Adam` for a fixed number of {term}`epochs <epoch>`, L2 and {term}`dropout`.
# - **Result**: pictures. The figures below are those of the public code, whose log shows every epoch;
#   another version of the sheet beside that code prints them rounded.
#
# The code cuts each class at random into three parts, rounded down, and feeds batches.
#
# ## What we checked

# %%
from alllib.audits import find_claim, status_counts, status_table
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.tables import style

# %%
set_style()
rows = claim_rows("ball2023densenet")
style(status_counts(rows), "Claims of the sheet by kind and status.")

# %% [markdown]
# The settings in figures, as far as they are stated; they are read from the {term}`recipe` that rebuilds the system:

# %%
from alllib.comparison import setting_table
from alllib.recipes import load_recipe

style(
    setting_table(load_recipe("ball2023-densenet201")),
    "What the sheet and its code state of network and training.",
)

# %% [markdown]
# What does not hold, and what cannot stand beside another statement:

# %%
style(
    status_table(rows, "contradicted", "inconsistent"),
    "Claims of the sheet that are contradicted or inconsistent.",
)

# %% [markdown]
# ## A faultless network with a recall below 1
#
# The public code computes each metric *for a batch* and then takes the mean over batches and classes.
# For a class $k$ and a batch $b$ recall is
#
# $$R_{kb} = \frac{\text{images of class } k \text{ in } b \text{ that are called } k}
# {\text{images of class } k \text{ in } b}.$$ (eq-batch-recall)
#
# Where a batch holds no image of the class this is $0/0$, and the program puts 0. So a network that
# makes no mistake loses one entry each time that a class lacks in a batch. The smallest class
# lacks often. How much is that? We deal the validation part into batches many times and score a
# network that is always right.

# %%
import numpy as np
from alllib.checks.sheet import part_sizes
from alllib.checks.sheet_batches import batches

sizes = part_sizes()["validation"]
classes = np.repeat(np.arange(len(sizes)), list(sizes.values()))
edges = np.cumsum(batches(len(classes)))[:-1]
rng = np.random.default_rng(0)


def faultless_recall(order):
    """Recall of answers that are all right, mean over classes and batches."""
    parts = np.split(order, edges)
    held = [len(set(part.tolist())) / len(sizes) for part in parts]
    return np.mean(held)


# %%
recalls = [
    faultless_recall(rng.permutation(classes)) for _ in range(draws // 10)
]
recall = find_claim(rows, "sheet-recall")

# %%
from alllib.audits import plot_spread

marks = {"expected": recall["computed"], "printed": recall["published"]}
show(
    plot_spread(
        recalls,
        marks=marks,
        label="recall of a network without a mistake",
    ),
    caption="Recall, averaged over batches, of a faultless network on the validation part.",
    alt=f"Simulated values run from {min(recalls):.3f} to {max(recalls):.3f}; "
    + "; ".join(f"{name} {value}" for name, value in marks.items())
    + ".",
)

# %% tags=["hide-input"]
below = np.mean(np.array(recalls) <= recall["published"])
log = find_claim(rows, "sheet-log")
say(
    f"The exact expectation is **{recall['computed']}**, the printed recall {recall['published']}: "
    f"{below:.0%} of faultless shuffles score no more. The public log shows it as well: its "
    f"first validation has accuracy {log['published'][0]:.0f} and recall {log['published'][1]}. "
    + log["note"]
)

# %% [markdown]
# The averaging does the work no favour: its network was *better* than its recall, {term}`precision` and F1
# say.
#
# ## Five digits that exclude a test set
#
# Accuracy suffers less from batches, but it keeps a trace. With $B$ batches of $b$ images, the last one
# of $m$, $a$ mistakes in full batches and $c$ in the last give
#
# $$A = 1 - \frac{1}{B}\left(\frac{a}{b} + \frac{c}{m}\right).$$
#
# Only some values are possible, and others for a part of another size.

# %%
import pandas as pd
from alllib.checks.sheet_batches import attainable

published = find_claim(rows, "sheet-accuracy")["published"]
fits = []
for part in ("validation", "test"):
    images = sum(part_sizes()[part].values())
    ways = "; ".join(attainable(published, images)) or "impossible"
    fits.append((part, images, len(batches(images)), ways))
style(
    pd.DataFrame(fits, columns=["part", "images", "batches", "how"]),
    "Ways in which the printed accuracy can come about.",
)

# %%
from alllib.audits import plot_possible
from alllib.checks.sheet_batches import batch_means

most = 4  # mistakes in full batches
possible = {
    f"{part}, {images} images": sorted(
        batch_means(images, mistakes=most), reverse=True
    )
    for part, images, _, _ in fits
}
show(
    plot_possible(possible, published),
    caption=f"Accuracies that up to {most} mistakes in full batches, and some in the last, can give.",
    alt=f"The printed {published} is one of the values of the validation part "
    "and falls between two of the test part.",
)

# %% tags=["hide-input"]
two = find_claim(rows, "sheet-specificity")
say(
    f"**{published}** is what two mistakes on the validation part give, and nothing on the test "
    f"part does. The specificity agrees: two mistakes in batches with "
    f"{two['computed'][0][0]} and {two['computed'][0][1]} images of other classes give its five "
    "digits, and no other pair does. "
    + find_claim(rows, "sheet-scored")["note"]
)

# %% [markdown]
# So the figures that are called those of a test are those of the validation part after the last
# epoch. The part did not choose the epoch, which is to the good. But settings are said to be the best
# of those tried, and if this part judged them it is no test. How far validation and test differ is
# shown in [the laboratory](mistakes.ipynb).
#
# ## Pretrained, from scratch
#
# The sheet says that the model was built from scratch, and that it starts from ImageNet weights. The
# second is a statement about weights, and of these the first does not hold. How many are new?

# %%
from alllib.checks.sheet import backbone, head, units_in_code

heads = pd.DataFrame(
    [
        ("DenseNet-201, from ImageNet", backbone()),
        ("new head of the sheet", head([128, 128])),
        ("new head of the public code", head(units_in_code())),
    ],
    columns=["part of the network", "parameters"],
)
style(heads, "Weights that were learnt before, and new ones.")

# %% tags=["hide-input"]
scaling = find_claim(rows, "sheet-scaling")
say(
    f"The sheet feeds its images in the range 0 to 1. {scaling['reason']} "
    f"{scaling['note']}"
)

# %% [markdown]
# ## What colour alone scores
#
# No name or list tells which image is of which patient, so no split by patient can be made, and the
# score of any network includes what it knows of a patient's {term}`stain`. How much is there to know? Mean
# and deviation of the three colours of the whole image, six numbers, and a {term}`random forest`:

# %%
from alllib.checks.sheet import error_ratio, kept_scores
from alllib.studies import read_study, tell_study

study = read_study("baselines", "ball2021")
kept = [
    (row["title"], row["protocol"], row["metrics"]["accuracy"]["value"])
    for row in (study.found["rows"] if study else [])
    if row["scheme"] == "pooled"
]
kept.append(("network of the sheet, printed", "image", published))
style(
    pd.DataFrame(kept, columns=["system", "split by", "accuracy"]),
    "Without a network, on B-ALL.",
)

# %% tags=["hide-input"]
colours, ratio = kept_scores(), error_ratio()
say(
    f"Recorded. {tell_study(study)} **{colours['six']:.1%}** without seeing a single shape. Errors "
    f"are **{ratio:.0f} times** as many as the printed {published:.2%} leaves, so a network may see "
    "more than colour; whether that is the shape of the cells an accuracy does not say, and images "
    "with colours made alike would."
    if study
    else "No baseline is kept in this workspace."
)

# %% [markdown]
# And the parts are drawn image by image. The files are numbered, and images with neighbouring numbers
# resemble each other.

# %% tags=["hide-input"]
beside = find_claim(rows, "sheet-neighbours")
say(
    beside["reason"]
    or f"**{beside['computed']:.0%}** of the test images have a neighbour by file number in the "
    f"training part. {beside['note']}"
)

# %% [markdown]
# ## What is good about it
#
# The sheet starts from a published system and names it. {term}`Augmentation <augmentation>` is named, and regularisation.
# Its code is public *with the log of every epoch*: without that, neither the averaging nor the part
# could have been found. And the last epoch is reported, not the best one.
#
# ## What stays open
#
# One run of the public code's test on its test part, scored over all images at once, would settle
# what the network does on images like these; a list of patients would settle the rest.

# %%
style(
    status_table(rows, "cannot be known"),
    "Claims of the sheet that cannot be known.",
)

# %% [markdown]
# And what holds:

# %%
style(
    status_table(rows, "confirmed", "reproduced"),
    "Claims of the sheet that hold.",
)

# %% [markdown]
# :::{admonition} Verdict
# :class: tip
# The metrics are those of the validation part, averaged over batches; recall, precision and F1 are
# too low for that reason and the accuracy is right to within a mistake. Six colour numbers get
# most images right and make several times as many errors, so the accuracy does not tell what the
# network sees. Its parts are drawn from neighbouring images, so it does not tell of new patients.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: audit-sheet-batch
# How large must a batch be for a faultless network to have a recall of at least .999 in this way?
# ```
#
# ```{solution} audit-sheet-batch
# :class: dropdown
# Change the edges: `edges = np.arange(size, len(classes), size)` for several sizes, and take the
# mean of `faultless_recall` over shuffles. With batches of 64 hardly a class lacks in a full batch;
# what is left comes from a small last one. With a single batch the recall is 1.
# ```
#
# ```{exercise}
# :label: audit-sheet-expected
# The mean recall of a faultless network was simulated. Compute it exactly: a class with $n$ of $N$
# images lacks in a random batch of $m$ with probability $\binom{N-n}{m} / \binom{N}{m}$. Average over
# classes and batches, and compare with `expected_recall()`.
# ```
#
# ```{solution-start} audit-sheet-expected
# :class: dropdown
# ```
#
# Each batch, taken by itself, is a random draw of its size. An entry is 1 where the class is there,
# and 0 where it lacks.

# %% tags=["solution"]
from math import comb

from alllib.checks.sheet_batches import expected_recall

total = len(classes)
entries = [
    1 - comb(total - count, batch) / comb(total, batch)
    for batch in batches(total)
    for count in sizes.values()
]
assert np.isclose(np.mean(entries), expected_recall())
assert abs(np.mean(entries) - np.mean(recalls)) < 0.02

# %% [markdown]
# The simulation is not needed, then. It is a check of the formula, and the formula one of it.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("audit_sheet")

# %% [markdown]
# ## Summary
#
# - Collect answers over a whole part, and compute a metric once.
# - A class that lacks in a batch has no recall there, not a recall of 0.
# - The digits of a score carry the number of images that it is of.
#
# **Next**: [the ledger](claims.ipynb), with the {term}`claims <claim>` of all five sources.
