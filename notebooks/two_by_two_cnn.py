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
# # The two-by-two network
#
# *What can four {term}`convolutions <convolution>` and one output unit do, and why did the poster's test score fall below
# guessing?* We rebuild the network row by row, train it with two {term}`optimisers <optimiser>`, and find that the
# published test accuracy says nothing about the network, because labels and images were paired in
# different orders.
#
# :::{admonition} Before you start
# **You will learn** to read {term}`strides <stride>` off a layer table, why one {term}`sigmoid` unit is as good as two
# {term}`softmax` units, and to check a published score with arithmetic alone.
# **You need** [the split](splitting.ipynb) and [the proposed network](proposed_model.ipynb). With
# the values below no GPU is needed, and the last line of the page says how long it ran; the
# poster's own setting (`alllib run two_by_two_cnn --preset paper`) wants one. **Reading time**:
# about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
protocol = "honest"  # split: honest, published, or a name
input_size = 64  # side of the input in pixels; 0: the recipe's
epochs = 6  # passes over the images; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# Two {term}`blocks <block>` of two convolutions and a pool, one {term}`dense layer`, one output unit
# {cite:p}`unnithan2021poster`: small enough to be read in a minute. Three {term}`dropout` layers
# switch off half of the values at random while it trains, so that none can rely on another
# {cite:p}`srivastava2014dropout`. Images are used whole, and are not augmented.

# %%
import numpy as np
import pandas as pd
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.figures import say, show
from alllib.images import read_image
from alllib.pools import choose_pools
from alllib.recipes import load_recipe, split_by_recipe
from alllib.result_rows import network_rows
from alllib.splits import require_subjects
from alllib.systems import compare_layers, tell_cost
from alllib.tables import (
    OUTCOME,
    SCALE,
    interval,
    metric_table,
    pooled_table,
    style,
)
from alllib.training import RunSettings, train_recipe

# %%
figures.set_style()
recipe = load_recipe("unnithan2021-2x2")
network = build_network(recipe, classes=2)
show(
    plot_network(network),
    caption="The two-by-two network, drawn from the network itself.",
    alt=describe_network(network),
)

# %% [markdown]
# The poster gives the layers; the optimiser's rate, the {term}`batch` and the split are in its
# [public code](https://github.com/ragiunnithan/DeepLearningFinalProject). The rest is our reading.

# %%
style(
    comparison.choice_table(recipe),
    "What the poster leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Layer by layer
#
# The poster prints its layer table. Keras numbers layers through a session, so that only order,
# shape and parameters can be compared.

# %%
layers = compare_layers(network, recipe)
assert layers.agrees.all()
style(
    layers.drop(columns=["agrees", "misprint"]),
    "Layer table of the poster beside the network built here.",
)

# %% tags=["hide-input"]
total = network.count_params()
dense = network.get_layer("dense_1").count_params()
same = "the same" if total == recipe.published["parameters"] else "another"
say(
    f"All {len(layers)} rows agree, and the total of {total:,} parameters is {same}. One dense "
    f"layer holds **{dense / total:.1%}** of them; the four convolutions, which do the seeing, "
    f"hold {(total - dense) / total:.1%} together with the output unit."
)

# %% [markdown]
# ### Which stride?
#
# The poster's text says that convolutions use a stride of 3x3. A 3x3 convolution without
# {term}`padding` turns a side $n$ into $\lfloor (n - 3) / s \rfloor + 1$ at stride $s$; a pool halves it.

# %%
rows = [
    (name, shape[0])
    for name, shape, _ in recipe.published["layers"]
    if name.startswith(("conv", "max"))
]
sides = pd.DataFrame(rows, columns=["layer", "printed"])
for stride in (1, 3):
    side, found = recipe.images.input, []
    for name in sides.layer:
        pool = name.startswith("max")
        side = side // 2 if pool else max((side - 3) // stride + 1, 0)
        found.append(side)
    sides[f"stride {stride}"] = found

# %%
style(sides, "Side of the maps as printed, and computed with two strides.")

# %% tags=["hide-input"]
fits = [
    name for name in sides.columns[2:] if (sides[name] == sides.printed).all()
]
say(
    f"Only **{' and '.join(fits)}** gives the printed sizes; with stride 3 the last pool would "
    f"leave {sides['stride 3'].iloc[-1]} pixels. The window measures 3x3, and moves by one."
)

# %% [markdown]
# ## One unit or two?
#
# The output is one unit $z$ with a sigmoid, and the {term}`loss` is binary {term}`cross-entropy`; most other
# networks of this book have two units with a softmax. They are the same function: a softmax over
# the scores $0$ and $z$ gives $e^z / (1 + e^z)$, which is the sigmoid of $z$. We check it.

# %%
keras = load_keras()
scores = np.linspace(-6, 6, 101, dtype="float32")[:, None]
target = (np.arange(len(scores)) % 2).astype("float32")[:, None]
one = keras.ops.sigmoid(scores)
two = keras.ops.softmax(np.hstack([np.zeros_like(scores), scores]))
losses = [
    keras.losses.binary_crossentropy(target, one),
    keras.losses.categorical_crossentropy(
        np.hstack([1 - target, target]), two
    ),
]
plain = keras.ops.convert_to_numpy
gap = np.abs(plain(one)[:, 0] - plain(two)[:, 1]).max()
loss_gap = np.abs(plain(losses[0]) - plain(losses[1])).max()
assert max(gap, loss_gap) < 1e-4

# %% tags=["hide-input"]
say(
    f"At {len(scores)} scores the two probabilities differ by at most {gap:.0e} and the two losses "
    f"by at most {loss_gap:.0e}, the rounding of single precision. Two units have twice the weights "
    f"({2 * network.layers[-1].count_params()} instead of {network.layers[-1].count_params()}) and "
    f"learn nothing more."
)

# %% tags=["hide-input"]
say(tell_cost(recipe, network, "block2_pool"))

# %% [markdown]
# ## On the real images
#
# Runs that take longer than a build of this book are recorded beside it. Their scale stands in
# their row; one at a small input, for few {term}`epochs <epoch>`, from random weights says little of the source.

# %%
recorded = comparison.recorded_runs(recipe.name)
kept = "Recorded runs." if recorded else "There is no recorded run here."
rows = network_rows(choose_pools(recorded))
style(pooled_table(rows).reindex(columns=[*OUTCOME, *SCALE[3:]]), kept)

# %% [markdown]
# ## Training, with two optimisers
#
# The poster compares {term}`RMSprop` with {term}`Adam` and prefers RMSprop. Both divide a step by the recent size
# of the {term}`gradient`; Adam also averages its direction. Same split, same initial weights:

# %%
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
split = split_by_recipe(recipe, cells, protocol, seed=seed)
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    batch=batch or None,
    precision=precision,
    seed=run_seed,
)
record = train_recipe(recipe, split, settings=settings)
adam = train_recipe(
    load_recipe("unnithan2021-2x2.adam"), split, settings=settings
)

# %% tags=["hide-input"]
say(comparison.tell_run(record))

# %%
show(
    figures.plot_history({"RMSprop": record.history, "Adam": adam.history}),
    caption="Loss and accuracy by epoch with two optimisers.",
    alt=f"RMSprop: {comparison.tell_history(record)} "
    f"Adam: {comparison.tell_history(adam)}",
)

# %% [markdown]
# ## What it scores
#
# Metrics come with a 95 % interval from resampling {term}`subject groups <subject group>`, because cells of
# one {term}`subject` are not independent. {term}`ALL` is the positive class.
#
# Beside it stands what [a handful of numbers](without_cnn.ipynb) scores on the same images: no network
# says anything without it.

# %%
style(
    metric_table([record], beside=score_beside(split, record=record)),
    "Metrics of the two-by-two network (RMSprop) on the scored part, beside classifiers without "
    "a network.",
)

# %% tags=["hide-input"]
mine, other = (
    r.run["metrics"]["metrics"]["accuracy"] for r in (record, adam)
)
bounds = [mine["low"], mine["high"], other["low"], other["high"]]
apart = None not in bounds and (
    mine["low"] > other["high"] or other["low"] > mine["high"]
)
say(
    f"Accuracy is {interval(mine)} with RMSprop and {interval(other)} with Adam. "
    + (
        "The intervals do not overlap; another seed of the weights could still turn the order."
        if apart
        else "With intervals so wide, or none at all, one run of each cannot say which is better."
    )
)

# %%
measured = record.run["metrics"]
show(
    figures.plot_confusion(measured["confusion"], measured["classes"]),
    caption="Confusion matrix of the scored part, RMSprop.",
    alt=comparison.tell_confusion(record),
)

# %% [markdown]
# ## Where it is wrong
#
# The errors that it was surest of.

# %%
wrong = comparison.surest_errors(record, cells)
titles = [f"{row.label} called {row.predicted}" for row in wrong.itertuples()]
if len(wrong):
    show(
        figures.plot_montage(
            [read_image(path) for path in wrong.path], titles
        ),
        caption=f"The {len(wrong)} errors that it was surest of.",
        alt="Nuclei: " + "; ".join(titles) + ".",
    )

# %% [markdown]
# ## What the poster says, and how this run differs

# %%
style(
    comparison.deviation_table(record),
    "Settings of the recipe and of this run.",
)

# %% tags=["hide-input"]
say(comparison.tell_result(record))

# %% [markdown]
# ## Reading the published test score
#
# The poster gives accuracy and recall for three parts. The official list of files ships with the
# package, so the size of each class in each part is known, and with it two questions can be
# answered without an image. First: of which class is the recall? Whatever is right and not of that
# class must be of the other one.

# %%
official = official_files()
prelim = official[official.phase == "test_prelim"]
published = split_by_recipe(recipe, official_cells(), "published")
parts = dict(published.certificate["parts"])
parts["test"] = prelim["class"].str.upper().value_counts().to_dict()

# %%
keys = {"train": "train_", "validation": "val_", "test": ""}
rows = []
for part, key in keys.items():
    all_, hem = parts[part]["ALL"], parts[part]["HEM"]
    right = recipe.published[f"{key}accuracy"] * (all_ + hem)
    recall = recipe.published[f"{key}recall"]
    rows.append(
        (part, all_, hem, right - recall * all_, right - recall * hem)
    )

# %%
names = ["part", "ALL", "HEM", "HEM right, if recall is of ALL"]
names.append("ALL right, if recall is of HEM")
counts = (
    pd.DataFrame(rows, columns=names)
    .round()
    .astype(dict.fromkeys(names[1:], int))
)
style(counts, "Images of each part, and what the printed figures imply.")

# %% tags=["hide-input"]
impossible = (counts[names[3]] > counts.HEM).all()
possible = (counts[names[4]] <= counts.ALL).all()
test = parts["test"]
size = sum(test.values())
majority = max(test.values()) / size
scored = recipe.published["accuracy"]
say(
    f"In {'every' if impossible else 'not every'} part more HEM images would have to be right than "
    f"there are, so the recall is that of **{'HEM' if possible else 'neither'}**: the network found "
    f"{recipe.published['recall']:.1%} of the healthy cells. The test set holds {test['ALL']:,} ALL "
    f"and {test['HEM']:,} HEM images (the poster prints the two counts exchanged). Always "
    f"answering with the commoner class scores {majority:.3f} there; the poster reports "
    f"**{scored:.3f}**, below that."
)

# %% [markdown]
# Second: how can a network that does well in validation fall below guessing on the test set? The
# [public code](https://github.com/ragiunnithan/DeepLearningFinalProject) takes the images of the
# test folder in the order in which the system lists them, and the labels in the order of the rows
# of the label file. Nothing joins the two by name. Listed as text, `10.bmp` comes before `2.bmp`;
# the rows are in order of number. (A system may list in another order; the second half of the
# argument needs none in particular.)

# %%
number = prelim.path.str.extract(r"(\d+)\.bmp$", expand=False)
listed = prelim.assign(key=number).sort_values("key")
numbered = prelim.assign(key=number.astype(int)).sort_values("key")
given, true = numbered["class"].to_numpy(), listed["class"].to_numpy()
agree = (given == true).mean()

# %% [markdown]
# If labels have nothing to do with images, a network that calls a share $r$ of the images {term}`HEM` does
# so among "HEM" and among "ALL" labels alike: its recall is $r$, and its accuracy is the share of
# ALL times $1 - r$ plus the share of HEM times $r$.

# %% tags=["hide-input"]
share = {name: found / size for name, found in test.items()}
called = recipe.published["recall"]
expected = (1 - called) * share["ALL"] + called * share["HEM"]
chance = share["ALL"] ** 2 + share["HEM"] ** 2
say(
    f"Paired so, {agree:.2%} of the images get their own class, where {chance:.1%} would by pure "
    f"chance: a network without a fault would have scored {agree:.0%}. And with the poster's "
    f"recall of {called} labels that are unrelated to the images give an accuracy of "
    f"**{expected:.3f}**; the poster reports {scored:.3f}."
)

# %% [markdown]
# So the published test accuracy tells hardly more than how often the network answers ALL. It
# does not show that the network fails on new patients, nor that it works. The
# slip is easily made and hard to see, for training and validation are untouched by it; it could be
# found because our colleagues published their code, and that deserves thanks. A later chapter
# repeats the check for all sources. A join by name, as `alllib` does it, cannot go wrong this way.
#
# ## Variants
#
# The poster tried more than it tabulates, and names what it would try next. Each has a
# {term}`recipe`, and one is ours; of them, only Adam was run above.

# %%
variants = [
    (v.name, v.reason, f"alllib train {recipe.name}.{v.name}")
    for v in recipe.variant
]
style(
    pd.DataFrame(variants, columns=["variant", "why", "command"]),
    "Variants of the recipe, and the command that trains each.",
)

# %% [markdown]
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: two-by-two-flatten
# At an input of 64 pixels, how many values reach the dense layer, and how many parameters has it?
# ```
#
# ```{solution} two-by-two-flatten
# :class: dropdown
# $64 \to 62 \to 60 \to 30 \to 28 \to 26 \to 13$, so $13 \cdot 13 \cdot 64 = 10816$ values, and
# $(10816 + 1) \cdot 128 = 1384576$ parameters.
# ```
#
# ```{exercise}
# :label: two-by-two-unrelated
# Check the formula for labels that have nothing to do with the images by drawing. Let a network
# call each test image HEM with probability `called`, whatever it shows, and average its accuracy
# over many draws. Compare with `expected`.
# ```
#
# ```{solution-start} two-by-two-unrelated
# :class: dropdown
# ```
#
# The labels stay as they are; only the answers are drawn, blindly.

# %% tags=["solution"]
generator = np.random.default_rng(run_seed)
labels = np.repeat(list(test), list(test.values()))
drawn = []
for _ in range(500):
    blind = np.where(generator.random(size) < called, "HEM", "ALL")
    drawn.append((blind == labels).mean())
assert abs(np.mean(drawn) - expected) < 0.005
say(
    f"By drawing {np.mean(drawn):.3f}, by the formula {expected:.3f}; single draws lie between "
    f"{min(drawn):.3f} and {max(drawn):.3f}."
)

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("two_by_two_cnn")

# %% [markdown]
# ## Summary
#
# - The printed table, with stride 1, defines the network; the sentence about stride does not.
# - Nearly all parameters sit in one dense layer.
# - One sigmoid unit and two softmax units are the same classifier.
# - A score below the majority rule is a sign to check the labels before the network.
#
# **Next**: [VGG19 with borrowed features](vgg19_transfer.ipynb).
