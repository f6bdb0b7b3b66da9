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
# # The transfer-learning paper
#
# *Where does 99.19 % come from?* From a matrix that cannot be of the images that the paper names; of
# which images it is cannot be known from the paper.
#
# :::{admonition} Before you start
# **You will learn** what the paper did, how to check a layer table with one line of arithmetic, and
# how the margins of a confusion matrix can say more than its diagonal.
# **You need** [splits](splitting.ipynb) and [the page of the network](vgg19_transfer.ipynb); no
# image and no GPU. **Reading time**: about twelve minutes.
# :::

# %% tags=["parameters"]
draws = 20000  # random test parts of the labelled images that are simulated

# %% [markdown]
# ## What the paper is
#
# A short paper {cite:p}`garg2021transfer`. It argues that a deep network makes the {term}`features <feature>` itself
# that earlier methods needed a person for, and applies one to C-NMC 2019.
#
# - **Images**: the three official phases, called training, validation and testing data.
# - **Network**: VGG19 with frozen {term}`convolutions <convolution>`; a {term}`dense layer`, a {term}`dropout` and two
#   outputs on top, which alone were trained.
# - **Training**: judged by validation accuracy. {term}`Optimiser <optimiser>`, {term}`loss`, {term}`batch`, {term}`epochs <epoch>`, scaling and the {term}`split`
#   are not stated.
# - **Result**: one confusion matrix and its accuracy, the highest of the five sources.
#
# ## What we checked

# %%
from alllib.audits import find_claim, status_counts, status_table
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.tables import style

# %%
set_style()
rows = claim_rows("garg2021transfer")
style(status_counts(rows), "Claims of the paper by kind and status.")

# %% [markdown]
# The settings in figures, as far as they are stated; they are read from the {term}`recipe` that rebuilds the system:

# %%
from alllib.comparison import setting_table
from alllib.recipes import load_recipe

style(
    setting_table(load_recipe("garg2021-vgg19")),
    "What the paper states of network and training.",
)

# %% [markdown]
# What does not hold, and what cannot stand beside another statement:

# %%
style(
    status_table(rows, "contradicted", "inconsistent"),
    "Claims of the paper that are contradicted or inconsistent.",
)

# %% [markdown]
# ## A matrix of which images?
#
# Each row of a confusion matrix adds up to the images of a class. So before looking at what is right
# in it, one can ask which images it is of. The paper's matrix has these sums, beside the official
# phases:

# %%
from alllib.checks.transfer import labelled_images, matrix, phase_size

margins = [sum(row) for row in matrix()]
known = find_claim(rows, "transfer-confusion")["computed"]
silent = phase_size("test_final") - labelled_images("test_final")
bars = {
    "confusion matrix": dict(zip(("ALL", "HEM"), margins, strict=True)),
    "preliminary phase": dict(zip(("ALL", "HEM"), known, strict=True)),
    "final phase": {"no class published": silent},
}

# %%
from alllib.audits import plot_counts

show(
    plot_counts(bars),
    caption="Images of the printed matrix, and of the two official test phases.",
    alt="; ".join(
        f"{name}: "
        + ", ".join(f"{n:,} {label}" for label, n in counts.items())
        for name, counts in bars.items()
    )
    + ".",
)

# %% tags=["hide-input"]
total = find_claim(rows, "transfer-matrix-total")
say(f"The matrix holds **{total['computed']:,}** images. {total['note']}")
say(find_claim(rows, "transfer-confusion")["note"])

# %% [markdown]
# That the sums agree suggests both test phases. But the classes of the final phase were never published, so that
# nobody outside can fill such a matrix with them. And the images of the matrix are half {term}`ALL`, half
# {term}`HEM`, to a single image. How likely is that, if they were drawn from images with a known class?

# %%
import numpy as np
from alllib.downloads import official_files

even = find_claim(rows, "transfer-matrix-even")
classes = official_files()["class"].dropna()
ill = int((classes == "all").sum())
rng = np.random.default_rng(0)
size = total["computed"]
drawn = rng.hypergeometric(ill, len(classes) - ill, size, draws)

# %%
from alllib.audits import plot_spread

shares = drawn / size
show(
    plot_spread(
        shares,
        marks={"matrix": even["computed"]},
        label="share of ALL in a random part of the same size",
    ),
    caption="Share of ALL in random parts of the labelled images, and in the matrix.",
    alt=f"Random parts have shares from {shares.min():.3f} to {shares.max():.3f}; "
    f"the matrix has {even['computed']}.",
)

# %% tags=["hide-input"]
say(find_claim(rows, "transfer-matrix-labels")["note"])

# %% [markdown]
# Two ways lead to classes of one size. One can leave images of the larger class out, or fill up
# the smaller one with copies. If the copies are made *before* the split, one image stands both in the
# {term}`training part <part>` and in the part that is scored; a network then needs to remember and not to recognise.
# That would explain the even margins and the accuracy at once. It is *an* explanation; the paper
# names none. [The laboratory](mistakes.ipynb) measures what this mistake is worth.
#
# ## Three numbers, eleven rows
#
# A convolution with a 3x3 window, $c$ {term}`channels <channel>` in and $f$ {term}`filters <filter>` has
#
# $$(3 \cdot 3 \cdot c + 1)\, f$$ (eq-table-row)
#
# parameters, one of them a {term}`bias` for each filter. The paper's table prints the channels, so that each
# row can be checked against its neighbour.

# %%
from alllib.checks.transfer_layers import exact_row, printed_rows

wrong = {}
for name, _, number in printed_rows():
    if number != exact_row(name):
        wrong.setdefault(number, (name, number, exact_row(name)))

# %%
from alllib.audits import plot_digits

told = [f"{name}: {n:,} for {exact:,}" for name, n, exact in wrong.values()]
show(
    plot_digits(list(wrong.values())),
    caption="The misprinted numbers above the exact ones, at their first rows.",
    alt="; ".join(told) + ".",
)

# %% tags=["hide-input"]
say(find_claim(rows, "transfer-misprints")["note"])
sums = find_claim(rows, "transfer-rows-sum")
say(
    f"The printed rows add up to {sums['computed']:,}, and the table says {sums['published']:,}, "
    "which is what the exact rows add up to. Each time an 8 stands where a 0 belongs. How the rows "
    "came to differ from the totals cannot be known."
)

# %% [markdown]
# A misprint does no harm to a result. It is worth the minute because the same arithmetic shows that
# everything else in the table is right, and that nothing in it is new: the convolutions are those of
# VGG19 {cite:p}`simonyan2015vgg`.
#
# ## One metric, of which several agree
#
# The conclusion says that the accuracy holds for several metrics. One is printed. The matrix gives
# the others.

# %% tags=["hide-input"]
say(find_claim(rows, "transfer-various-metrics")["note"])
arithmetic = find_claim(rows, "transfer-accuracy-arithmetic")
say(f"Of the accuracy itself: {arithmetic['note']}")

# %% [markdown]
# So that statement holds, and says less than it seems to: with two classes of one size, accuracy,
# balanced accuracy and F1 nearly are one number.
#
# Beside it, what [needs no network](without_cnn.ipynb). The kept measurement splits the images at
# hand image by image, with the shares of our recipe.

# %%
import pandas as pd
from alllib.studies import read_study, tell_study

study = read_study("baselines", "cnmc2019")
kept = [
    (row["title"], row["protocol"], row["metrics"]["accuracy"]["value"])
    for row in (study.found["rows"] if study else [])
    if (row["scheme"] == "published" and "garg2021-vgg19" in row["recipes"])
    or (row["scheme"] == "pooled" and row["protocol"] == "group")
]
accuracy = find_claim(rows, "transfer-accuracy")["published"]
kept.append(("the paper's network, printed", "not stated", accuracy))
style(
    pd.DataFrame(kept, columns=["system", "split by", "accuracy"]),
    "Without a network, on a split by image and by subject group.",
)

# %% tags=["hide-input"]
say(
    "Recorded. " + tell_study(study)
    if study
    else "No baseline is kept in this workspace."
)

# %% [markdown]
# ## Formulas with two letters for one thing
#
# Two figures state what training minimises. Both minimise over one letter a loss that depends on
# another; read literally, there is nothing to choose. With $\omega$ for the weights in both places
# they are the usual ones:
#
# $$\min_\omega \; \mathbb{E}\,\ell(\theta(x; \omega), y) \;\approx\;
# \min_\omega \; \frac{1}{n} \sum_{i=1}^{n} \ell(\theta(x_i; \omega), y_i).$$
#
# The step from left to right needs independent draws. Cells of one patient are not: with $n$ cells
# of few patients the right side is far less certain than $n$ suggests, and this is what a split by
# image hides.
#
# ## What is good about it
#
# The paper states the sizes of all three phases rightly, where others do not; it prints the whole
# confusion matrix and not the accuracy alone, without which nothing of the above could be said; and
# its idea is sound: a frozen pretrained network with a new {term}`head` is a usual and cheap start.
#
# ## What stays open
#
# The program, or a list of the images behind the matrix, would settle where it comes from. What
# cannot be known:

# %%
style(
    status_table(rows, "cannot be known"),
    "Claims of the paper that cannot be known.",
)

# %% [markdown]
# And what holds:

# %%
style(
    status_table(rows, "confirmed", "reproduced"),
    "Claims of the paper that hold.",
)

# %% [markdown]
# :::{admonition} Verdict
# :class: tip
# The network can be built again and is described rightly, misprints apart; its result cannot be traced
# to images whose classes are known. Until they are named, nobody can say what the figure estimates.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: audit-transfer-margins
# Which part of the training phase, split by image with any ratio, would have equally many images of
# both classes? Use the class counts of [the cell table](dataset.ipynb).
# ```
#
# ```{solution} audit-transfer-margins
# :class: dropdown
# None that is drawn at random or with the shares of the classes: about two thirds of each are ALL.
# Only drawing the same number from each class gives equal margins: then images of ALL are left out,
# or images of HEM are copied.
# ```
#
# ```{exercise}
# :label: audit-transfer-spread
# How far from an even share do random parts of the labelled images lie, in standard deviations? Draws
# without replacement have the variance $n p (1-p) (N-n)/(N-1)$ of the number of ALL images. Check the
# formula on `drawn`.
# ```
#
# ```{solution-start} audit-transfer-spread
# :class: dropdown
# ```
#
# Here $N$ is the number of labelled images, $n$ that of the matrix and $p$ the share of ALL.

# %% tags=["solution"]
whole = len(classes)
share = ill / whole
variance = size * share * (1 - share) * (whole - size) / (whole - 1)
spread = np.sqrt(variance)
assert abs(drawn.std() / spread - 1) < 0.2
away = (share - 0.5) * size / spread
say(
    f"An even matrix lies {away:.0f} standard deviations from the mean of them."
)

# %% [markdown]
# So an even matrix does not come about by chance; somebody or something made the classes even.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("audit_transfer")

# %% [markdown]
# ## Summary
#
# - Add up the rows of a confusion matrix before you read its diagonal.
# - A layer table can be checked by hand, row by row, and by its totals.
# - Classes of exactly one size call for the question of where they were made so.
#
# **Next**: [the project sheet](audit_sheet.ipynb), on other images.
