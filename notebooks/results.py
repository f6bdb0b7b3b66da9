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
# **Time**: five minutes to read, seconds to run.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder

# %%
from alllib.datasets import DATASETS, detect_dataset
from alllib.figures import plot_intervals, say, set_style, show
from alllib.records import list_records
from alllib.tables import interval, result_rows, result_table, style

set_style()
dataset = data if data in DATASETS else detect_dataset(data)
records = [
    record for record in list_records() if record.run["dataset"] == dataset
]

# %% tags=["hide-input"]
dates = sorted(record.run["finished"][:10] for record in records)
say(
    f"There are **{len(records)}** finished runs on {DATASETS[dataset].title}, "
    f"from {dates[0]} to {dates[-1]}."
    if records
    else f"There is no finished run on {DATASETS[dataset].title} yet: run the notebook "
    "`proposed_model` first, or `alllib train mir2019-proposed`."
)

# %% [markdown]
# ## The table
#
# One row per run. *Published* is the number of the source, *ours* that of the run, with a
# 95 % interval from resampling subject groups. The scale of the run stands in its row: where
# input, epochs or images are fewer than the source's, the two numbers are not comparable.

# %%
style(result_table(records), "All runs, with what their numbers are of.")

# %%
import pandas as pd

rows = pd.DataFrame(
    [
        {
            "name": f"{row['recipe']}, by {row['protocol']}",
            **row["metrics"]["accuracy"],
            "published": row["published"],
        }
        for row in result_rows(records)
    ]
)

# %%
if len(rows):
    told = [
        f"{row['name']}: {interval(row)}, published {row['published']}"
        for row in rows.to_dict("records")
    ]
    show(
        plot_intervals(rows),
        caption="Accuracy of each run beside the published number.",
        alt="; ".join(told) + ".",
    )

# %% [markdown]
# ## What these numbers are not
#
# The runs of this build start from random weights and are small: they show that the way from
# images to table works. A run at the source's scale is one command away (`alllib train`), and
# its record appears here by itself.
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
