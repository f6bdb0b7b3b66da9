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
# # Results
#
# *What did each system score, on which split, and how sure is that?* This page reads the
# {term}`records <record>` that training runs leave behind. It trains nothing and types no number.
#
# :::{admonition} Before you start
# **You will learn** to read a result with its {term}`split`, scale and interval.
# **You need** [how sure a number is](uncertainty.ipynb); no GPU.
# **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
folder = (
    ""  # folder of records; empty: those of the book and of this workspace
)

# %%
import pandas as pd
from alllib.figures import plot_intervals, say, set_style, show
from alllib.pools import choose_pools
from alllib.recipes import list_recipes, load_recipe
from alllib.records import list_records
from alllib.result_rows import baseline_rows, fold_rows, network_rows
from alllib.tables import (
    OUTCOME,
    SCALE,
    interval,
    pooled_table,
    span,
    style,
)

# %%
set_style()
records = list_records(folder or None)
recorded = [record for record in records if record.recorded]
rows = network_rows(choose_pools(recorded))
recipes = list_recipes()
missing = sorted(set(recipes) - {row["recipe"] for row in rows})

# %% tags=["hide-input"]
published = [row for row in rows if row["published_split"]]
say(
    f"Recorded are **{len(recorded)}** runs on real images, which make **{len(rows)}** results of "
    f"{len(recipes) - len(missing)} of the {len(recipes)} systems: {len(published)} on the split "
    f"of the source, {len(rows) - len(published)} on another one."
    if rows
    else "There is no recorded run here: they lie in the folder `results` of the book's "
    "repository. Give it as the parameter `folder`, or train: `alllib train mir2019-proposed`."
)
if rows and missing:
    say(f"No recorded run yet of: {', '.join(missing)}.")

# %% [markdown]
# ## What the sources report
#
# One number each, without an interval, and the part that it was scored on, by what was done with
# it: a part that chose the {term}`checkpoint` is a {term}`validation part <part>` here, whatever its source calls it. The
# figure for {term}`B-ALL` is that of the public code, because the sheet shows its own as pictures.

# %%
reported = pd.DataFrame(
    [
        {
            "system": recipe.title,
            "source": recipe.source,
            "published accuracy": f"{recipe.published['accuracy']:.4f}",
            "scored part": recipe.published["scored"],
            "split": recipe.data.published_protocol,
        }
        for recipe in map(load_recipe, recipes)
    ]
)
style(reported, "What the sources report.")

# %% [markdown]
# ## What we measured
#
# One row for each system, data set and split; where there are several seeds, their mean. The
# interval of the accuracy leaves {term}`subject groups <subject group>` out in turn, that of the area under the curve ({term}`AUC`)
# draws groups anew; both are of the mean over the seeds. Where a class has a single group in the
# scored part there is none; with two it may reach over nearly the whole scale, which says that
# two people are too few. Where no {term}`subject` is known (B-ALL) each image counts as its own,
# which makes the interval too narrow. *Without a {term}`CNN`* is a forest on
# [a handful of numbers](without_cnn.ipynb) on the very same split, or, marked so, on other draws by
# the same {term}`protocol`.
#
# The *verdict* keeps to [the rule](uncertainty.ipynb): *reproduced* and *not reproduced* are
# words for runs with every setting of the source. With other settings it only says where the
# published number lies: above, within or below our interval. *One answer only*: every image got
# the same class, so that the accuracy is the share of that class.

# %%
table = pooled_table(rows).reindex(columns=OUTCOME)
style(
    table,
    "Recorded results on the real images."
    if rows
    else "There are no recorded runs here.",
)

# %%
drawn = pd.DataFrame(
    [
        {
            "name": f"{row['title']}, {row['dataset']}, {row['protocol']}",
            **row["metrics"]["accuracy"],
            "published": row["published"],
            "baseline": row["baseline"]["accuracy"]["value"]
            if row["baseline"] and row["baseline"]["same_split"]
            else None,
        }
        for row in rows
    ]
)

# %%
if rows:
    told = [
        f"{row['title']} by {row['protocol']}: {interval(row['metrics']['accuracy'])}"
        for row in rows
    ]
    show(
        plot_intervals(drawn),
        caption="Accuracy of each system and split on the real images.",
        alt="; ".join(told) + ".",
    )

# %% tags=["hide-input"]
beside = [r for r in rows if r["baseline"] and r["baseline"]["same_split"]]
better = [
    row["title"]
    for row in beside
    if row["metrics"]["accuracy"]["value"]
    > row["baseline"]["accuracy"]["value"]
]
if beside:
    say(
        f"Of {len(beside)} results that have a forest on the same split beside them, "
        f"**{len(better)}** are higher than it"
        + (f": {', '.join(dict.fromkeys(better))}." if better else ".")
    )

# %% [markdown]
# ## Of what scale that is
#
# The same rows: how many trainings, on what, and when. A network from random weights at a small
# input, after a few {term}`epochs <epoch>`, says how it fares *there*, and nothing of the source's own run.
# Pixels in the name of a system are those of its source, *input* those of our run.

# %%
table = pooled_table(rows).reindex(columns=SCALE)
style(table, "Scale, device, date and commit of the recorded results.")

# %% tags=["hide-input"]
if rows:
    start = sum(row["pretrained"] for row in rows)
    asking = {
        r["title"]
        for r in rows
        if load_recipe(r["recipe"]).architecture.weights != "none"
    }
    groups = {
        label: [
            r["groups"][label] for r in rows if label in (r["groups"] or {})
        ]
        for label in ("ALL", "HEM")
    }
    say(
        f"Limits, in plain words. Pixels of the input: {span(r['input'] for r in rows)}; epochs: "
        f"{span(r['epochs'] for r in rows)}. From ImageNet weights: {start} of {len(rows)} results, "
        f"and {len(asking)} of the systems ask for them. "
        + (
            f"Subject groups in a scored part: {span(groups['ALL'])} with ALL, "
            f"{span(groups['HEM'])} healthy (HEM). What a few people say of others is little: the "
            "interval shows it, and where a class has a single group there is none. "
            if groups["HEM"]
            else ""
        )
        + "Images: "
        + ", ".join(
            f"{count:,} of {name}"
            for name, count in sorted(
                # Of the organisers' folds some images are left out.
                {
                    r["dataset"]: max(
                        o["images"]
                        for o in rows
                        if o["dataset"] == r["dataset"]
                    )
                    for r in rows
                }.items()
            )
        )
        + "."
    )

# %% [markdown]
# ## All folds together
#
# One {term}`fold` is one draw of a few subjects. Where every fold of a split was the test part once, all
# images are scored together, each by a network that was not trained on its group. Of the
# organisers' folds only those are tested that are here as a whole; the row names them.

# %%
whole = fold_rows(recorded)
table = pooled_table(whole).reindex(columns=OUTCOME)
style(
    table,
    "Recorded cross-validations."
    if whole
    else "There is no recorded cross-validation here.",
)

# %% [markdown]
# ## Without a network
#
# What [a handful of numbers](without_cnn.ipynb) scores under the same protocols: the yardstick for
# every row above.

# %%
plain = baseline_rows()
columns = ["system", "data", "split", "our accuracy", "our AUC", "scored on"]
table = pooled_table(plain).reindex(columns=[*columns, "trained on"])
style(
    table,
    "Classifiers without a network, all kept draws."
    if plain
    else "No baseline of the real images is kept here.",
)

# %% [markdown]
# ## Runs of this build
#
# The newest run of each system, data set and split that this {term}`workspace` trained itself. A published
# number stands beside runs on the data set of its source only: synthetic cells say nothing of it.

# %%
own = network_rows(choose_pools(r for r in records if not r.recorded))
systems = [row for row in own if "." not in row["recipe"]]
variants = [row for row in own if "." in row["recipe"]]
columns = [name for name in (*OUTCOME, *SCALE[3:]) if name != "verdict"]
table = pooled_table(systems).reindex(columns=columns)
style(
    table,
    "The newest run of each system and split."
    if systems
    else "This workspace has no run: run a notebook of a system first.",
)

# %% [markdown]
# {term}`Variants <variant>` are {term}`recipes <recipe>` with one thing changed, such as those of [the page on
# overfitting](overfitting.ipynb).

# %%
table = pooled_table(variants).reindex(columns=columns)
style(
    table,
    "Runs of variants." if variants else "There is no run of a variant.",
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
# :label: results-json
# Print the same rows in a form that a program can read, and find those whose interval does not
# contain the published number.
# ```
#
# ```{solution} results-json
# :class: dropdown
# `alllib results --json`; rows whose `verdict` is `published above` or `published below`.
# ```
#
# ```{exercise}
# :label: results-confusion
# The records keep the confusion matrix of every result. Compute each accuracy of `rows` from its
# matrix, and hold it against the accuracy of the table. Which recall does a system have of a class
# that it never names?
# ```
#
# ```{solution-start} results-confusion
# :class: dropdown
# ```
#
# The right answers stand on the diagonal. A row holds the images of one true class, so that a
# recall is its diagonal entry by the sum of the row: a class that is never named has none.

# %% tags=["solution"]
import numpy as np

for row in rows:
    matrix = np.array(row["confusion"])
    own = np.trace(matrix) / matrix.sum()
    kept = row["metrics"]["accuracy"]["value"]
    assert np.isclose(own, kept), row["title"]
    recall = np.diag(matrix) / matrix.sum(axis=1)
    never = matrix.sum(axis=0) == 0
    assert (recall[never] == 0).all()

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("results")

# %% [markdown]
# ## Summary
#
# - A number without split, scale and interval cannot be compared.
# - Nothing here is a run at a source's own scale unless its row says so: the words *reproduced* and
#   *not reproduced* are kept for those.
# - Records, not memory, fill the tables; `alllib results --check` computes every metric again from
#   the predictions.
#
# **Next**: [what the split alone does to each system](split_effect.ipynb).
