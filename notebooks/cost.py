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
# # Cost against quality
#
# *What does a point of accuracy cost?* Parameters, operations, time and memory of each recorded
# training, beside what came out.
#
# :::{admonition} Before you start
# **You will learn** which costs follow from a network and which from the machine.
# **You need** [the results](results.ipynb); no GPU. **Reading time**: about five minutes.
# :::

# %% tags=["parameters"]
folder = ""  # folder of records; empty: those of the book
dataset = "cnmc2019"  # cnmc2019 or ball2021
protocol = "group"  # which split: group, or blocks for B-ALL

# %%
from alllib.costs import cost_rows, cost_table
from alllib.failures import pools_beside
from alllib.figures import say, set_style, show
from alllib.records import list_records
from alllib.result_figures import plot_cost
from alllib.tables import interval, style

# %%
set_style()
pools = pools_beside(list_records(folder or None), dataset, protocol)
rows = sorted(cost_rows(pools), key=lambda row: row["seconds"])

# %% [markdown]
# ## One training of each system
#
# All on the {term}`split` that keeps {term}`subjects <subject>` apart. *Operations* are counted from the layers, forwards, at
# the input of the run; a training {term}`step` costs about three times as many. *Images a second* are those
# shown in training, with the validation after each {term}`epoch`; the rest is what the machine made of it,
# and another one would give other seconds.

# %%
style(
    cost_table(rows),
    "Cost of one training, and what it scored on the test part."
    if rows
    else "There are no recorded runs here.",
)

# %%
if rows:
    drawn = [{"name": r["title"], "plain": False, **r} for r in rows]
    told = [
        f"{r['title']}: {r['seconds'] / 60:.1f} minutes, accuracy {interval(r)}"
        for r in rows
    ]
    show(
        plot_cost(drawn),
        caption="Accuracy on the test part by the time of one training.",
        alt="; ".join(told) + ".",
    )

# %% tags=["hide-input"]
if rows:
    measured = sum(row["energy"] is not None for row in rows)
    most = max(rows, key=lambda row: row["operations"])
    least = min(rows, key=lambda row: row["operations"])
    best = max(rows, key=lambda row: row["value"])
    say(
        f"{most['title']} needs {most['operations'] / least['operations']:.0f} times the operations "
        f"of {least['title']} for an image of its size. The highest accuracy, {best['value']:.3f}, "
        f"is that of {best['title']}, which is number {rows.index(best) + 1} of {len(rows)} by "
        f"time. Energy was measured for {measured} of {len(rows)} systems: a machine has to offer a "
        "counter for it, which a virtual one rarely does."
    )

# %% [markdown]
# The frozen network of {term}`transfer learning` is a case of its own: its layers are computed once for
# each image, and its epochs only train the {term}`head`. So its images a second are those of the head.
#
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: cost-input
# By what factor do the operations of the {term}`convolutions <convolution>` grow from 64 to 224 pixels?
# ```
#
# ```{solution} cost-input
# :class: dropdown
# By the ratio of the areas: $(224 / 64)^2 = 12.25$, as the maps grow with the image.
# ```
#
# ```{exercise}
# :label: cost-front
# A system is worth a look if no other one is both faster and more accurate. Find those systems in
# `rows`. Which two are always among them?
# ```
#
# ```{solution-start} cost-front
# :class: dropdown
# ```
#
# Nobody is faster than the fastest, and nobody more accurate than the most accurate; so these two
# always stay. The rows are sorted by time.

# %% tags=["solution"]
if rows:
    front = [
        one["title"]
        for one in rows
        if not any(
            other["seconds"] < one["seconds"]
            and other["value"] > one["value"]
            for other in rows
        )
    ]
    assert rows[0]["title"] in front
    assert max(rows, key=lambda row: row["value"])["title"] in front

# %% [markdown]
# Systems that are left out cost more and score less than some other one, on this machine and this
# split. The intervals are not looked at here: a small lead in accuracy may be chance.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("cost")

# %% [markdown]
# ## Summary
#
# - Operations belong to a network and its input, seconds to a machine.
# - More operations need not buy more accuracy, least of all after a few epochs from random weights.
#
# **Next**: [how fast, and against what](benchmarks.ipynb).
