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
# # How fast, and against what
#
# *Is the training as fast as the machine?* Seconds alone cannot tell: they change with the machine
# and with what else runs on it. Each figure of this page is therefore a ratio of two ways to the
# same end, taken in turns in one run. The page measures nothing itself; it reads what was recorded.
#
# :::{admonition} Before you start
# **You will learn** what our ways of reading, augmenting and training are compared with, which
# targets they reach, and which they miss.
# **You need** to know what [augmentation](augmentation.ipynb) is, and no GPU. **Reading time**:
# about ten minutes.
# :::

# %% tags=["parameters"]
folder = ""  # folder of recorded figures; empty: those of this workspace

# %%
from alllib.benchmarks import report
from alllib.benchmarks.machines import list_machines
from alllib.figures import say, set_style, show
from alllib.tables import style
from IPython.display import display

# %%
set_style()
machines = list_machines(folder or None)

# %% tags=["hide-input"]
say(
    f"Figures of **{len(machines)}** "
    f"{'machine' if len(machines) == 1 else 'machines'} are kept here."
    if machines
    else "No figures are kept in this workspace. Measure your own machine with `alllib bench "
    "--record` (in a notebook: `!alllib bench --record`), and run this page again."
)

# %% [markdown]
# ## What is measured
#
# Both ways run in the same process, one after the other, several times; the figure is the ratio of
# their median speeds. Before the first round both run once unmeasured, so that neither pays for
# what the other finds ready, except where the start is what is measured. Peak memory and the cost
# of a {term}`batch` need processes of their own.

# %%
style(report.target_table(), "What is measured, and what it should reach.")

# %% [markdown]
# Why these targets: a network cannot be trained faster than on a batch that already lies in memory,
# so `fit_vs_resident_batch` is at most about one, and what it lacks is the price of feeding. A
# {term}`store` cannot be built faster than its images are decoded. Where there is no such limit, the way
# that a user would otherwise take is the measure: Keras's reader of folders, Augmentor's files, a
# loop over scikit-learn, or all images as one array in memory.

# %% [markdown]
# ## What was found

# %%
for one in machines:
    say(report.tell_machine(one["machine"], one["figures"]))
    table = report.figure_table(one["figures"])
    if len(table):
        display(style(table, f"Figures of {one['name']}."))
        say(report.tell_targets(one["figures"]))

# %% [markdown]
# The columns *ours* and *peer* are the two speeds behind a ratio. They hold for that machine on
# that day; the ratio is what should hold elsewhere too.

# %%
if machines:
    widest = max(machines, key=lambda one: len(one["figures"]))
    show(
        report.plot_ratios(widest["figures"]),
        caption=f"Ratios on {widest['name']}, and their targets. A triangle "
        "points to the side where its target is met.",
        alt=report.tell_ratios(widest["figures"]),
    )

# %% [markdown]
# ## How to read some of them
#
# **Reading** is measured without a network. Our feed gives shuffled batches of augmented pictures
# as a training takes them: whole grey levels, which the first layer of the network scales. Keras's
# reader decodes and resizes each file in each {term}`epoch`; ours did that once, when the store was built.
#
# **Training** compares a small network of {term}`convolutions <convolution>`, the same on both sides. On two cores
# its own arithmetic takes nearly all the time, so that even a slow feed would look good there; a
# GPU, which computes much faster, is the harder test.
#
# **Augmenting** has several fair readings.

# %% tags=["hide-input"]
for one in machines:
    say(
        report.tell_augmentation(one["figures"])
        or "Augmentation was not measured on this machine."
    )

# %% [markdown]
# ## GPUs
#
# `alllib bench --gpu` trains each published network at its own input and batch: in float32 without
# the shorter fractions of TF32, as its source did, and with our settings. The share of the matrix
# peak compares the operations of the training steps with the fastest product of two large matrices
# on the same device; the input wait is the share of the time in which the training waits for its
# next batch.

# %% tags=["hide-input"]
measured = {
    one["name"]: report.gpu_table(one["figures"])
    for one in machines
    if len(report.gpu_table(one["figures"]))
}
for name, table in measured.items():
    display(style(table, f"Networks on the GPU of {name}."))
if not measured:
    say(
        "No figures of a GPU are kept here. The measurement is ready for a "
        "machine that has one."
    )

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: benchmarks-own
# Run `alllib bench fit_vs_resident_batch_64 read_vs_keras_directory_64`. Why can the second figure
# be large, and the first still be close to one?
# ```
#
# ```{solution} benchmarks-own
# :class: dropdown
# Reading is a small part of a step of training. However much faster it becomes, a step lasts as
# long as the arithmetic of the network: once reading is hidden behind that, more speed in reading
# changes nothing.
# ```
#
# ```{exercise}
# :label: benchmarks-behind
# Reading can wait until a step is done, or go on behind it. How many images a second does either
# give, with Keras's reader and with ours? Take the speed of arithmetic alone from the peer of
# `fit_vs_resident_batch_64`, and the two speeds of reading from `read_vs_keras_directory_64`.
# ```
#
# ```{solution-start} benchmarks-behind
# :class: dropdown
# ```
#
# One after the other, the times of an image add up. Behind each other, the slower of the two sets the
# pace.

# %% tags=["solution"]
for one in machines:
    keys = ("fit_vs_resident_batch_64", "read_vs_keras_directory_64")
    pair = [one["figures"].get(key) or {} for key in keys]
    if any(figure.get("value") is None for figure in pair):
        continue  # not measured there
    arithmetic, told = pair[0]["peer"], []
    for who, reading in (
        ("Keras", pair[1]["peer"]),
        ("ours", pair[1]["ours"]),
    ):
        waiting = 1 / (1 / arithmetic + 1 / reading)
        behind = min(arithmetic, reading)
        assert 0.499 * behind <= waiting <= behind
        told.append(f"{who} {waiting:,.0f} and {behind:,.0f}")
    say(
        f"{one['name']}, waiting and behind, images a second: {'; '.join(told)}."
    )

# %% [markdown]
# Reading behind the arithmetic at most doubles the speed, and it gains most where both take equally
# long.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("benchmarks")

# %% [markdown]
# ## Summary
#
# - A speed says little; a ratio, measured in turns against a known way, says more.
# - A target that is missed stays on the page, with its figure.
# - What does not depend on the network, such as reading, is measured without one.
#
# **Next**: [how to report a result](reporting.ipynb).
