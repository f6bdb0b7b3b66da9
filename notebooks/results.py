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
# records that training runs leave behind. It trains nothing and types no number.
#
# :::{admonition} Before you start
# **You will learn** to read a result with its split, scale and interval.
# **You need** finished runs, such as those of the pages of the systems, [AlexNet](alexnet.ipynb)
# first. **Reading time**: about five minutes.
# :::

# %% tags=["parameters"]
folder = ""  # folder of records; empty: the runs of this workspace

# %%
from alllib.comparison import newest_runs, pool_folds
from alllib.figures import plot_intervals, say, set_style, show
from alllib.recipes import list_recipes, load_recipe
from alllib.records import list_records
from alllib.tables import (
    fold_table,
    interval,
    result_rows,
    result_table,
    style,
)

# %%
set_style()
records = list_records(folder or None)
newest = newest_runs(r for r in records if not r.recorded)
systems = [r for r in newest if "." not in r.run["recipe"]]
variants = [r for r in newest if "." in r.run["recipe"]]
recipes = list_recipes()
missing = sorted(set(recipes) - {r.run["recipe"] for r in systems})

# %% tags=["hide-input"]
say(
    f"There are **{len(systems)}** newest runs of {len(recipes) - len(missing)} of the "
    f"{len(recipes)} systems, one for each data set and split, the last of "
    f"{max(r.run['finished'] for r in systems)[:10]}."
    if systems
    else "There is no finished run yet: run a notebook of a system first, or `alllib train "
    "mir2019-proposed`."
)
say(
    "No run yet of: " + ", ".join(missing) + "."
    if missing
    else "No system is missing."
)

# %% [markdown]
# ## What the sources report
#
# One number each, without an interval, and the part that it was scored on, by what was done with
# it: a part that chose the checkpoint is a validation part here, whatever its source calls it. The
# figure for B-ALL is that of the public code, because the sheet shows its own as pictures.

# %%
import pandas as pd

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
# ## Recorded runs on the real images
#
# Runs that took longer than a build are kept with the book, each with its date, device and
# commit. One row per run: the number of the source beside ours, with a 95 % interval from
# resampling subject groups where a part holds several of each class, and images where no subject
# is known. With as few groups as some parts have, such intervals are too narrow; [how sure a number
# is](uncertainty.ipynb) measures by how much. The scale of a run stands in its row: one at a small input, for few epochs, from random
# weights says nothing of its source. Where it scores below the commonest class, look at the area
# under the curve too: after few steps the running averages of batch normalisation still lag, as
# [the page of the proposed network](proposed_model.ipynb) shows. *Accuracy without a CNN* is that
# of [a handful of numbers](without_cnn.ipynb) on the very split of the run; *other draws* marks
# one that is pooled over the folds of the same protocol instead.

# %%
recorded = [record for record in records if record.recorded]
kept = "Recorded runs." if recorded else "There are no recorded runs yet."
style(result_table(recorded), kept)

# %% [markdown]
# One fold is one draw of a few subjects. Where every fold of a split was the test part once, all
# images are scored together, each by a network that was not trained on its group.

# %%
pools = pool_folds(recorded)
caption = (
    "Recorded cross-validations."
    if pools
    else "There is no recorded cross-validation yet."
)
style(fold_table(pools), caption)

# %% [markdown]
# ## Runs of this build
#
# The newest run of each system, data set and split. A published number stands beside runs on the
# data set of its source only: synthetic cells say nothing of it.

# %%
style(result_table(systems), "The newest run of each system and split.")


# %%
def value_without(row):
    """Accuracy without a CNN on the very split of a run, or None."""
    found = row["baseline"]
    same = found is not None and found["same_split"]
    return found["accuracy"]["value"] if same else None


rows = pd.DataFrame(
    [
        {
            "name": f"{row['recipe']}, by {row['protocol']}",
            **row["metrics"]["accuracy"],
            "published": row["published"],
            "baseline": value_without(row),
        }
        for row in result_rows(systems)
    ]
)

# %%
if len(rows):
    told = [
        f"{row['name']}: {interval(row)}"
        + (
            f", without a CNN {row['baseline']:.3f}"
            if row["baseline"] > 0
            else ""
        )
        for row in rows.astype({"baseline": float}).to_dict("records")
    ]
    show(
        plot_intervals(rows),
        caption="Accuracy of the newest run of each system and split.",
        alt="; ".join(told) + ".",
    )

# %% [markdown]
# Variants are recipes with one thing changed, such as those of [the page on
# overfitting](overfitting.ipynb).

# %%
caption = "Runs of variants." if variants else "There is no run of a variant."
style(result_table(variants), caption)

# %% [markdown]
# ## What these numbers are not
#
# A run on other images, at a smaller input, or of fewer steps than its source says nothing of
# the source; its row tells. A run of your own (`alllib train`) appears here at the next build.
#
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Summary
#
# - A number without split, scale and interval cannot be compared.
# - Records, not memory, fill the table.
#
# ```{exercise}
# :label: results-json
# Print the same rows in a form that a program can read.
# ```
#
# ```{solution} results-json
# :class: dropdown
# `alllib results --json`
# ```
#
# **Next**: [how fast, and against what](benchmarks.ipynb).
