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
# # The poster
#
# *Why does a network that scores 83 % in validation score 61 % on new patients?* The public code of
# this poster puts the test images beside the labels of other images, and the printed row is just what
# that gives.
#
# :::{admonition} Before you start
# **You will learn** what the poster did, which of its statements hold, and how a table that was
# joined by position can be found out without a single image.
# **You need** [splits](splitting.ipynb) and what a confusion matrix is; no image and no GPU.
# **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
draws = 20000  # random orders of the test folder that are simulated

# %% [markdown]
# ## What the poster is
#
# A poster of one page from a university course {cite:p}`unnithan2021poster`. It asks whether a small
# network, built from nothing, can tell leukemic from normal cells well enough to assist a physician. Its
# code is public, so that more can be said here than the poster prints.
#
# - **Images**: C-NMC 2019, resized whole and scaled to the range 0 to 1; no {term}`crop`, no
#   {term}`augmentation`.
# - **Parts**: per class, the first quarter in the order in which folders were listed became the
#   {term}`validation part <part>` and the rest the training part. The official preliminary phase is the test
#   part. The final phase was not used.
# - **Network**: two {term}`blocks <block>` of two 3x3 {term}`convolutions <convolution>` with as many {term}`filters <filter>`, each block followed by a
#   {term}`pooling` and a {term}`dropout`; then one {term}`dense layer`, a dropout, and one output. [Its own
#   page](two_by_two_cnn.ipynb) builds it.
# - **Training**: {term}`RMSprop`, chosen over {term}`Adam`, for two numbers of {term}`epochs <epoch>`.
#
# ## What we checked
#
# Each checkable statement is a {term}`claim` of [the ledger](claims.ipynb). A check computes its own
# value, here nearly always from the official file list or from the poster's own tables.

# %%
from alllib.audits import find_claim, status_counts, status_table
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.tables import style

# %%
set_style()
rows = claim_rows("unnithan2021poster")
style(status_counts(rows), "Claims of the poster by kind and status.")

# %% [markdown]
# The settings in figures, as far as they are stated; they are read from the {term}`recipe` that rebuilds the system:

# %%
from alllib.comparison import setting_table
from alllib.recipes import load_recipe

style(
    setting_table(load_recipe("unnithan2021-2x2")),
    "What the poster and its code state of network and training.",
)

# %% [markdown]
# What does not hold, and what cannot stand beside another statement:

# %%
style(
    status_table(rows, "contradicted", "inconsistent"),
    "Claims of the poster that are contradicted or inconsistent.",
)

# %% [markdown]
# ## The labels of other images
#
# The test images are called `1.bmp` to `1867.bmp`. Their classes stand in a label file, whose rows
# are in the order of these numbers. The public code lists the folder and puts the list beside the
# rows. A list by *name* runs 1, 10, 100, 1000, 1001, ...: the second row of the label file is that
# of image 2 and meets image 10.
#
# The classes of that phase ship with the package, so the mistake can be made again.

# %%
from alllib.checks.poster_scores import joined_labels

joined = joined_labels()
style(joined.head(6), "First rows, as a join by position gives them.")

# %%
from alllib.audits import plot_listing

right = (joined.true == joined.joined).mean()
show(
    plot_listing(joined),
    caption="Rows of the label file and the images that a list by name puts beside them.",
    alt="Images lie on many lines away from the diagonal, where each row would "
    f"meet its own image. Of all images {right:.1%} get their own class, by chance.",
)

# %% [markdown]
# Nearly no image meets its own row. That many labels are right all the same has one reason: most
# rows say {term}`ALL`, and most images are ALL. If a share $p$ is ALL and the order says nothing, an image
# gets its own class with probability
#
# $$p^2 + (1 - p)^2 .$$

# %%
import numpy as np

rng = np.random.default_rng(0)
truth = (joined.true == "all").to_numpy()
agree = [(rng.permutation(truth) == truth).mean() for _ in range(draws)]

# %% tags=["hide-input"]
from alllib.checks.poster_scores import chance_agreement

say(
    f"Listed by name, **{right:.2%}** of the images get their own class: a network "
    f"*without a single error* would score that. In {draws:,} random orders it is "
    f"{np.mean(agree):.2%} on average, from {min(agree):.2%} to {max(agree):.2%}; the formula "
    f"gives {chance_agreement():.2%}. Which order the machine of the poster listed cannot be "
    "known: the function that its code calls promises none. It hardly matters."
)

# %% [markdown]
# ## What the result row says by itself
#
# The mistake leaves traces in the poster's own table, so that one can find it without the code. The
# table gives accuracy and recall and does not say of which class the recall is. With $n$ images of
# a class among $N$ and a recall $r$, right answers number at least $r n$ and at most
# $r n + (N - n)$.

# %%
import pandas as pd

names = [
    "poster-train-recall",
    "poster-validation-recall",
    "poster-test-recall",
]
recalls = pd.DataFrame([find_claim(rows, name) for name in names])
style(
    recalls[["id", "published", "computed", "note"]],
    "The class that each printed recall can be of.",
)

# %% [markdown]
# It is always {term}`HEM`, the normal cells. That fixes the whole matrix of the test, up to rounding.

# %%
from alllib.checks.poster_scores import printed_confusion
from alllib.figures import plot_confusion

counts = printed_confusion()
show(
    plot_confusion(counts, ["ALL", "HEM"]),
    caption="The confusion matrix that the printed test row implies.",
    alt=f"Of {counts[0].sum():,} ALL images {counts[0, 1]} are called HEM; of "
    f"{counts[1].sum():,} HEM images {counts[1, 1]} are.",
)

# %% tags=["hide-input"]
called = counts[:, 1] / counts.sum(axis=1)
say(
    f"Of the images with an ALL label {called[0]:.1%} were called HEM, and of those with a HEM "
    f"label {called[1]:.1%}. The two shares are nearly the same: the answers look **unrelated to the "
    "labels** that they were scored against."
)

# %%
from alllib.audits import plot_scores

blind = find_claim(rows, "poster-unrelated")
majority = find_claim(rows, "poster-above-majority")["computed"]
scores = {
    "always ALL": majority,
    "as many HEM calls, dealt out blindly": blind["computed"],
    "printed": blind["published"],
    "a faultless network, so joined": right,
}
show(
    plot_scores(scores, printed=["printed"]),
    caption="Accuracies on the preliminary test phase: printed, and of three rules.",
    alt="; ".join(f"{name}: {value:.3f}" for name, value in scores.items())
    + ".",
)

# %% [markdown]
# The printed accuracy lies *below* that of always answering ALL, and just where blind calls lie. A
# faultless network would have scored less still. So the figure neither speaks for the network nor
# against it. What the network can do on unseen patients cannot be read from it.
#
# ## Two tables, two sets of parts
#
# The poster counts patients in one table and images in another, under the same three headings. They
# are not of the same parts.

# %%
patients = find_claim(rows, "poster-tables-agree")
parts = ["training", "validation", "test"]
style(
    pd.DataFrame(
        {
            "part": parts,
            "patients, printed": patients["published"],
            "patients, of the images as counted": patients["computed"],
        }
    ),
    "Patients by part: as printed, and as the image table implies.",
)

# %% tags=["hide-input"]
apart = find_claim(rows, "poster-patients-apart")
say(
    f"The printed row is that of the three official phases. {patients['note']}"
)
say(
    f"Patients in both training and validation: {apart['computed']}. {apart['note']}"
)

# %% [markdown]
# That is the surprising part. Cut in the order of names, the first quarter of each class is *nearly*
# a {term}`split` by patient, because the organisers' {term}`folds <fold>` are: the validation figure of the poster may
# come closer to an honest one than that of any other source here. Whether it does hangs on how a
# folder was listed, which nobody wrote down.
#
# Beside it, what [needs no network](without_cnn.ipynb) reaches. The kept measurement below splits the
# images at hand by the poster's rule.

# %%
from alllib.studies import read_study, tell_study

study = read_study("baselines", "cnmc2019")
kept = [
    (row["title"], row["metrics"]["accuracy"]["value"])
    for row in (study.found["rows"] if study else [])
    if row["scheme"] == "published" and "unnithan2021-2x2" in row["recipes"]
]
own = find_claim(rows, "poster-validation-accuracy")["published"]
kept.append(("the poster's network, printed validation accuracy", own))
style(
    pd.DataFrame(kept, columns=["system", "accuracy"]),
    "Without a network, on the poster's split.",
)

# %% tags=["hide-input"]
say(
    "Recorded. " + tell_study(study)
    if study
    else "No baseline is kept in this workspace."
)

# %% [markdown]
# ## What is good about it
#
# The poster prints its low test result. It tests on patients apart from those trained on, which none of
# the higher figures here is known to do. Its layer table is right to the last parameter,
# it prints recall beside accuracy, and its code lies open: only so could the cause be found. Its
# list of future work is the right one: early stopping, validation across folds, filling up the
# smaller class within training, pretrained networks. All four are built in, and the tables below say
# of which a run is kept.
#
# ## What stays open
#
# A later test with labels joined by file name would settle what the network can do; the
# [recipe](two_by_two_cnn.ipynb) does that where the preliminary phase is at hand. What cannot be
# known from here:

# %%
style(
    status_table(rows, "cannot be known"),
    "Claims of the poster that cannot be known.",
)

# %% [markdown]
# And what holds:

# %%
style(
    status_table(rows, "confirmed", "reproduced"),
    "Claims of the poster that hold.",
)

# %% [markdown]
# :::{admonition} Verdict
# :class: tip
# With the labels joined as in the public code, the low test score says nothing of the network, in
# either direction; the printed row bears every trace of that join. Its network, its counts of images and its care to test on other patients are
# sound.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: audit-poster-order
# Suppose that the true accuracy of the network were 83 % in both classes. Which accuracy would the
# join by name have shown? Use `joined_labels()`.
# ```
#
# ```{solution} audit-poster-order
# :class: dropdown
# An answer is right by the joined label if label and answer are both right or both wrong. With the
# share $a$ of right labels that is $0.83 a + 0.17 (1 - a)$; with
# `a = (joined.true == joined.joined).mean()` it comes to a little over one half.
# ```
#
# ```{exercise}
# :label: audit-poster-key
# Do the join of the test labels in both ways, by position and by the number in the file name. Each row
# of `joined` is a file as a list by name gives it; `true` is its class, `joined` the class of the row that
# it meets.
# ```
#
# ```{solution-start} audit-poster-key
# :class: dropdown
# ```
#
# The label file is in the order of the numbers. By position its rows are taken as they come; by key
# each file asks for the row of its own number.

# %% tags=["solution"]
label_file = joined.set_index("image").true.sort_index()
by_position = label_file.to_numpy()
by_key = label_file.loc[joined.image].to_numpy()
assert (by_position == joined.joined.to_numpy()).all()
assert (by_key == joined.true.to_numpy()).all()
say(
    f"Right labels by position: {(by_position == joined.true).mean():.1%}, "
    f"by key: {(by_key == joined.true).mean():.0%}."
)

# %% [markdown]
# A join by key also fails aloud where a file has no row, and a join by position never does.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("audit_poster")

# %% [markdown]
# ## Summary
#
# - Join tables by a key, never by position, and check the join on a case that you know.
# - Hold every accuracy against the commonest class, and say of which class a recall is.
# - Equal shares of calls in both classes mean that answers and labels are unrelated.
#
# **Next**: [the transfer-learning paper](audit_transfer.ipynb), whose result is the highest of all.
