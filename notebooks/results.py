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
# **You need** a finished run, such as the one of [the proposed network](proposed_model.ipynb).
# **Reading time**: about five minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells

# %%
from alllib.datasets import get_dataset, load_cells
from alllib.downloads import prepare_data
from alllib.figures import plot_intervals, say, set_style, show
from alllib.records import list_records
from alllib.splits import make_split, require_subjects
from alllib.tables import interval, result_rows, result_table, style

# %%
set_style()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
fingerprint = make_split(cells, "image").certificate["data"]
records = list_records()
here = [record for record in records if record.run["data"] == fingerprint]
title = get_dataset(cells.attrs["dataset"]).title

# %% tags=["hide-input"]
say(
    f"There are **{len(here)}** finished runs on the images of this page ({title}, fingerprint "
    f"`{fingerprint[:12]}`), the last of "
    f"{max(record.run['finished'] for record in here)[:10]}."
    if here
    else f"There is no finished run on the images of this page ({title}) yet: run the notebook "
    "`proposed_model` first, or `alllib train mir2019-proposed`."
)

# %% [markdown]
# ## The table
#
# One row per run. *Published* is the number of the source; it stands beside runs on the data set
# of the source only. *Ours* is that of the run, with a 95 % interval from resampling subject
# groups where a part holds several of each class. The scale of the run stands in its row.

# %%
style(result_table(here), "Runs on the images of this page.")

# %%
import pandas as pd

rows = pd.DataFrame(
    [
        {
            "name": f"{row['recipe']}, by {row['protocol']}",
            **row["metrics"]["accuracy"],
            "published": row["published"],
        }
        for row in result_rows(here)
    ]
)

# %%
if len(rows):
    told = [
        f"{row['name']}: {interval(row)}" for row in rows.to_dict("records")
    ]
    show(
        plot_intervals(rows),
        caption="Accuracy of each run on the images of this page.",
        alt="; ".join(told) + ".",
    )

# %% [markdown]
# ## Recorded runs
#
# Runs that took longer than a build are kept with the book, each with its date, device and
# commit.

# %% tags=["hide-input"]
recorded = [record for record in records if record.recorded]
caption = "Recorded runs." if recorded else "There are no recorded runs yet."
style(result_table(recorded), caption)

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
# **Next**: [run the study yourself](../book/running.md).
