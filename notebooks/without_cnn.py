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
# # What a handful of numbers achieves
#
# *How much of a network's accuracy needs a network?* Some of what tells the classes apart is so
# plain that a few numbers per image hold it. A network is worth what it adds to them.
#
# :::{admonition} Before you start
# **You will learn** what size and colour alone score on both data sets, under every {term}`split`, and how
# to read a network's result beside it.
# **You need** [the split by group](splitting.ipynb), and no GPU; the last line of the page says
# how long it ran. **Reading time**: about twelve minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
subtypes = "synthetic-subtypes"  # the same for the four classes of B-ALL
images = 600  # number of synthetic images of each set
seed = 2019  # seed of the synthetic images and of the splits
folds = 5  # equal parts; each is the test part once

# %% [markdown]
# ## The systems
#
# Each takes some numbers of an image and one plain classifier. The settings were fixed beforehand
# and never tuned: three hundred trees, at least two images in a leaf. {term}`Nucleus <nucleus>` area alone gets
# logistic regression, because one number needs no more than one {term}`threshold`; a forest would cut the
# same number into steps. The corner is the top left square of an image, described by mean and
# deviation of its three colours, as the whole image is.

# %%
import pandas as pd
from alllib.baseline_runs import (
    baseline_table,
    count_distribution,
    kept_baselines,
    kept_distribution,
    run_baselines,
)
from alllib.baselines import BASELINES, measure_numbers
from alllib.charts import plot_distribution, plot_protocols
from alllib.datasets import get_dataset, load_cells
from alllib.downloads import prepare_data
from alllib.figures import say, set_style, show
from alllib.studies import read_study, tell_study
from alllib.tables import PROTOCOL_TITLES, interval, style

# %%
set_style()
rows = [
    (entry.title, ", ".join(entry.datasets), len(entry.numbers))
    for entry in BASELINES.values()
]
names = ["system", "data sets", "numbers per image"]
style(pd.DataFrame(rows, columns=names), "Systems without a CNN.")

# %% [markdown]
# None of them chooses anything on a {term}`validation part <part>`, so in {term}`folds <fold>` each learns from all that is not
# scored. Every fold is the test part once; *pooled*, each image is scored once. Beside a network, on
# its own page, they learn from the training part alone, as the network does. Intervals of the
# accuracy leave {term}`subject groups <subject group>` out in turn; those of the {term}`AUC` are percentiles of drawn groups, which
# are [too narrow](uncertainty.ipynb) where the groups are few.

# %% [markdown]
# ## C-NMC 2019
#
# First what was measured on the real images and kept with the book, then the same code on the
# images at hand. In this data set the nuclei labelled {term}`ALL` are the larger ones, as the figure shows;
# {term}`blasts <blast>` are not large in every patient, and size alone is no diagnosis.

# %%
recorded = read_study("baselines", "cnmc2019")
shown = kept_distribution("cnmc2019")
if recorded:
    said = {k: f"{v:,.0f} px" for k, v in shown["median"].items()}
    show(
        plot_distribution(shown),
        caption="Nucleus area by class, real images of C-NMC 2019.",
        alt="Two outlines that overlap in part; medians: "
        + ", ".join(f"{k} {v}" for k, v in said.items()),
    )

# %%
kept = kept_baselines("cnmc2019")
style(baseline_table(kept), "Recorded: without a CNN on C-NMC 2019.")

# %% tags=["hide-input"]
if recorded:
    say(f"**Recorded.** {tell_study(recorded)}")

# %% [markdown]
# Two notes on the table. A pooled AUC ranks scores of different forests against each other, although
# each has its own idea of a probability; the mean of the folds' own AUCs is free of that. And the organisers'
# folds are used where they are whole.


# %% tags=["hide-input"]
def tell_ranks(rows, system):
    """Pooled AUC of a system beside the mean of its folds, by split."""
    value, alike = {}, {}
    for row in (r for r in rows if r["system"] == system):
        auc = row["metrics"]["auroc"]["value"]
        if row["scheme"] == "pooled":
            value[row["protocol"]] = auc
        elif row["scheme"] == "fold":
            alike.setdefault(row["protocol"], []).append(auc)
    return "; ".join(
        f"{PROTOCOL_TITLES[k]} {value[k]:.3f} pooled and {sum(v) / len(v):.3f} as the mean of "
        f"{len(v)} folds"
        for k, v in alike.items()
    )


if kept:
    say(f"AUC of nineteen numbers: {tell_ranks(kept, 'nineteen')}.")

# %% tags=["hide-input"]
used = {
    f"fold_{row['fold']}": row["scored_images"]
    for row in kept
    if (row["system"], row["protocol"], row["scheme"])
    == ("nineteen", "folds", "fold")
}
rest = {
    k: n for k, n in get_dataset("cnmc2019").folds.items() if k not in used
}
if used and rest:
    held = recorded.images - sum(used.values())
    say(
        f"Of the official folds {' and '.join(used)} are whole and score {sum(used.values()):,} "
        f"images. Of {' and '.join(rest)} only {held:,} of {sum(rest.values()):,} images are at hand, "
        "and it is left out."
    )

# %%
if kept:
    pooled = [
        f"{row['title']}, {row['protocol']}: "
        + interval(row["metrics"]["accuracy"])
        for row in kept
        if row["scheme"] == "pooled"
    ]
    show(
        plot_protocols(kept, PROTOCOL_TITLES),
        caption="Accuracy without a CNN on C-NMC 2019, by split.",
        alt="; ".join(pooled) + ".",
    )

# %% tags=["hide-input"]
if kept:
    of = {
        (row["system"], row["protocol"]): row
        for row in kept
        if row["scheme"] == "pooled"
    }
    value = {k: row["metrics"]["accuracy"]["value"] for k, row in of.items()}
    each = [
        row["metrics"]["accuracy"]["value"]
        for row in kept
        if (row["system"], row["protocol"], row["scheme"])
        == ("nineteen", "group", "fold")
    ]
    say(
        f"Nineteen numbers score **{value['nineteen', 'image']:.1%}** where images are dealt out one "
        f"by one and **{value['nineteen', 'group']:.1%}** on subject groups that were not learned "
        f"from; single folds by group lie between {min(each):.1%} and {max(each):.1%}. A split by "
        f"*field of view* changes little ({value['nineteen', 'field']:.1%}): what the forest "
        "remembers is less the photograph than the person, or what all slides of one person share "
        f"(stain, day), which these images cannot separate. Nucleus area alone scores {value['area', 'image']:.1%} and "
        f"{value['area', 'group']:.1%}: one threshold on one number has nobody to remember, and its "
        f"two values nearly agree. The commonest class has {value['majority', 'image']:.1%}."
    )

# %% [markdown]
# ## The same on the images at hand
#
# By image and by group only; `run_baselines` without a second argument takes all {term}`protocols <protocol>`.

# %%
cells = load_cells(prepare_data(data, images=images, seed=seed))
numbers = measure_numbers(cells)
live = run_baselines(
    cells, ("image", "group"), numbers=numbers, folds=folds, seed=seed
)
style(baseline_table(live.rows), "Without a CNN on the images of this page.")

# %%
shown = count_distribution(cells, numbers)
said = {k: f"{v:,.0f} px" for k, v in shown["median"].items()}
show(
    plot_distribution(shown),
    caption="Nucleus area by class, images of this page.",
    alt="Medians: " + ", ".join(f"{k} {v}" for k, v in said.items()) + ".",
)

# %% tags=["hide-input"]
value = {
    (row["system"], row["protocol"]): row["metrics"]["accuracy"]["value"]
    for row in live.rows
    if row["scheme"] == "pooled"
}
say(
    f"Here nineteen numbers score {value['nineteen', 'image']:.1%} by image and "
    f"{value['nineteen', 'group']:.1%} by group, and the area alone "
    f"{value['area', 'image']:.1%} and {value['area', 'group']:.1%}."
)

# %% [markdown]
# ## B-ALL
#
# These images show the whole field, stained and lit as it was, and no {term}`subject` is named. A split by
# {term}`blocks <block>` of neighbouring file numbers is the only stand-in for patients. Six numbers describe an
# image: mean and deviation of red, green and blue. They know no cell, no nucleus and no shape.

# %%
recorded = read_study("baselines", "ball2021")
kept = kept_baselines("ball2021")
style(baseline_table(kept), "Recorded: without a CNN on B-ALL.")

# %% tags=["hide-input"]
if recorded:
    say(f"**Recorded.** {tell_study(recorded)}")

# %%
if kept:
    pooled = [
        f"{row['title']}, {row['protocol']}: "
        + interval(row["metrics"]["accuracy"])
        for row in kept
        if row["scheme"] == "pooled"
    ]
    show(
        plot_protocols(kept, PROTOCOL_TITLES),
        caption="Accuracy without a CNN on B-ALL, by split.",
        alt="; ".join(pooled) + ".",
    )

# %% tags=["hide-input"]
if kept:
    value = {
        (row["system"], row["protocol"]): row["metrics"]["accuracy"]["value"]
        for row in kept
        if row["scheme"] == "pooled"
    }
    blocks = [
        row["metrics"]["accuracy"]["value"]
        for row in kept
        if (row["system"], row["protocol"], row["scheme"])
        == ("six", "blocks", "fold")
    ]
    say(
        f"Six numbers tell four classes apart in **{value['six', 'image']:.1%}** of the images, mean "
        f"colour alone in {value['mean', 'image']:.1%}, and a small corner, whatever it shows, in "
        f"{value['corner', 'image']:.1%}; the commonest class has {value['majority', 'image']:.1%}. "
        f"In blocks of neighbouring numbers the six still reach {value['six', 'blocks']:.1%}, with "
        f"single blocks from {min(blocks):.1%} to {max(blocks):.1%}. Intervals resample images here, "
        "as nobody is named, and are therefore too narrow."
    )

# %%
shown = kept_distribution("ball2021")
if recorded:
    said = {k: f"{v:.0f}" for k, v in shown["median"].items()}
    show(
        plot_distribution(shown),
        caption="Mean green of the whole image by class, B-ALL.",
        alt="Medians in grey levels: "
        + ", ".join(f"{k} {v}" for k, v in said.items()),
    )

# %% [markdown]
# A class whose images differ in colour down to their background was stained, lit or photographed
# otherwise. Whether the disease has a part in it, these images cannot tell.

# %%
others = load_cells(prepare_data(subtypes, images=images, seed=seed))
live = run_baselines(others, folds=folds, seed=seed)
style(
    baseline_table(live.rows), "Without a CNN on the subtypes of this page."
)

# %% tags=["hide-input"]
value = {
    (row["system"], row["protocol"]): row["metrics"]["accuracy"]["value"]
    for row in live.rows
    if row["scheme"] == "pooled"
}
say(
    f"On the images of this page six numbers score {value['six', 'image']:.1%} by image and "
    f"{value['six', 'blocks']:.1%} by blocks."
)

# %% [markdown]
# ## What follows
#
# An accuracy says how well classes were told apart, not by what. Where a corner of background or
# one area goes most of the way, a high score is no evidence that a network has learned morphology;
# only what it scores *above these rows, on the same split*, can be. So no network stands in this
# book without its row beside it: see [the results](results.ipynb).

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: without-cnn-corner
# Which of the four corners did the corner system see, and how would you find out whether it was
# the corner or the colour of the whole slide that helped?
# ```
#
# ```{solution} without-cnn-corner
# :class: dropdown
# The top left one. Give the forest the numbers of the whole image less those of the corner: what
# is then left does not come from a colour that both share.
# ```
#
# ```{exercise}
# :label: without-cnn-threshold
# Find the best threshold on the nucleus area by hand: cells above it are called ALL. Use `numbers.area`
# and `cells.label` of this page, and compare the accuracy with the share of the commonest class. Is it an
# estimate for new people?
# ```
#
# ```{solution-start} without-cnn-threshold
# :class: dropdown
# ```
#
# Every area that occurs is tried as a threshold. The least one calls every cell ALL, and one above
# the largest calls none so: therefore the best can never be below the commonest class.

# %% tags=["solution"]
import numpy as np

area = numbers.area.to_numpy()
ill = (cells.label == "ALL").to_numpy()
cuts = np.append(np.unique(area), area.max() + 1)
scores = [((area >= cut) == ill).mean() for cut in cuts]
commonest = max(ill.mean(), 1 - ill.mean())
assert max(scores) >= commonest
say(
    f"Best threshold: {cuts[np.argmax(scores)]:,.0f} pixels, accuracy "
    f"{max(scores):.1%}; the commonest class has {commonest:.1%}."
)

# %% [markdown]
# It is no estimate for new people: the threshold was chosen on the very cells that it is scored on.
# With one number that flatters little; with many thresholds on many numbers it would flatter much.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("without_cnn")

# %% [markdown]
# ## Summary
#
# - Size and colour alone reach most of the way; on {term}`B-ALL` six numbers nearly all of it.
# - The more a system can remember, the more a split by image flatters it.
# - A network is compared with the best handful of numbers on its own split, and with the
#   commonest class.
#
# **Next**: [cells that appear twice](duplicates.ipynb).
