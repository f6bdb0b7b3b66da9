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
# # VGG16
#
# *Why stack small windows where one large one would do?* The stack sees as much, has fewer
# parameters and bends the signal more often. We compute this, rebuild the network, count its
# parameters against the literature, train it, and put its score beside the report's.
#
# :::{admonition} Before you start
# **You will learn** what a stack of 3x3 windows sees and costs, how a network of this kind is
# laid out, and how one would test whether pretrained weights help.
# **You need** [the split](splitting.ipynb), [the augmentation](augmentation.ipynb) and
# [AlexNet](alexnet.ipynb). With the values below no GPU is needed and nothing is
# downloaded, and the last line of the page says how long it ran; the report's own setting
# (`alllib run vgg16 --preset paper`) wants both. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
protocol = "honest"  # split: honest, published, or a name
input_size = 32  # side of the input in pixels; 0: the recipe's
epochs = 2  # passes over the pictures; 0: the recipe's
samples = 300  # augmented pictures; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
weights = "none"  # initial weights: none, or imagenet (Keras downloads them)
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# VGG knows one {term}`convolution`, 3x3 pixels with step 1, and one {term}`pooling`, 2x2 with step 2
# {cite:p}`simonyan2015vgg`. What AlexNet did with one large window, VGG does with several small
# ones in a row, with a rectification after each. We give both the same maps, as many out as in,
# and let the package count.

# %%
import pandas as pd
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.images import read_image
from alllib.layers import layer_table, receptive_field
from alllib.pools import choose_pools
from alllib.recipes import load_recipe, split_by_recipe
from alllib.result_rows import network_rows
from alllib.splits import require_subjects
from alllib.systems import describe_system
from alllib.tables import (
    OUTCOME,
    SCALE,
    metric_table,
    pooled_table,
    style,
)
from alllib.training import RunSettings, train_recipe

# %%
figures.set_style()
recipe = load_recipe("mir2019-vgg16")
keras, maps = load_keras(), 64
stacks = {"5x5": [5], "3x3, twice": [3, 3]}
stacks |= {"7x7": [7], "3x3, three times": [3, 3, 3]}
rows = []
for name, sides in stacks.items():
    stack = keras.Sequential([keras.Input((32, 32, maps))])
    for side in sides:
        stack.add(keras.layers.Conv2D(maps, side, padding="same"))
    sees = max(field for field, _ in receptive_field(stack).values())
    rows.append((name, f"{sees} px", stack.count_params()))

# %%
compared = pd.DataFrame(rows, columns=["windows", "sees", "parameters"])
style(
    compared, f"Large windows beside stacks of small ones, for {maps} maps."
)

# %% tags=["hide-input"]
counts = dict(zip(compared.windows, compared.parameters, strict=True))
say(
    f"Two small windows see what a 5x5 window sees with "
    f"{1 - counts['3x3, twice'] / counts['5x5']:.0%} fewer parameters; three see what a 7x7 "
    f"window sees with {1 - counts['3x3, three times'] / counts['7x7']:.0%} fewer."
)

# %% [markdown]
# The network is drawn and counted with random weights; what it holds does not depend on them.

# %%
network = build_network(recipe, classes=2, weights="none")
show(
    plot_network(network),
    caption="VGG16, drawn from the network itself.",
    alt=describe_network(network),
)

# %% [markdown]
# What the report leaves open, we had to choose.

# %%
style(
    comparison.choice_table(recipe),
    "What the report leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Layer by layer
#
# The report describes the network in words and prints no table. *Sees* is the
# {term}`receptive field`, the side of the square of input pixels that one value can depend on;
# *step* is how far apart the squares of two neighbouring values lie.

# %%
style(layer_table(network), "Layers of VGG16 at the recipe's input.")

# %% [markdown]
# We hold the words of the report against these layers.

# %% tags=["hide-input"]
classes = recipe.literature["classes"]
kinds = keras.layers
convolutions = [x for x in network.layers if isinstance(x, kinds.Conv2D)]
pools = [x for x in network.layers if isinstance(x, kinds.MaxPooling2D)]
dense = [x for x in network.layers if isinstance(x, kinds.Dense)]
windows = {f"{x.kernel_size[0]}x{x.kernel_size[1]}" for x in convolutions}
units = " and ".join(f"{layer.units:,}" for layer in dense[:-1])
assert (len(pools), len(dense), windows) == (5, 3, {"3x3"})
say(
    f"There are {len(convolutions)} convolutions, all of 3x3, {len(pools)} pools and {len(dense)} "
    f"dense layers, the hidden ones with {units} units, all as the report says; "
    f"{len(convolutions) + len(dense)} layers have weights, hence the name. The 1x1 windows that "
    f"it mentions belong to another network of the same paper. Its last layer had "
    f"{classes:,} units; ours has {dense[-1].units}."
)

# %% tags=["hide-input"]
system = describe_system(recipe)
same = "the same" if system["literature_agrees"] else "another number"
hidden = sum(layer.count_params() for layer in dense[:-1])
sees, step = receptive_field(network)["block5_pool"]
say(
    f"With {classes:,} classes the literature counts **{system['literature_parameters']:,}** "
    f"parameters, and we count {same}; with two classes there are {system['parameters']:,}. The "
    f"first dense layer holds {dense[0].count_params() / system['parameters']:.0%} of them, both "
    f"hidden ones {hidden / system['parameters']:.0%}. A value of the last maps sees {sees} "
    f"pixels of {system['input']}, every {step}. One image costs "
    f"{system['flops'] / 1e9:.1f} billion operations, and a step of {system['batch']} images "
    f"needs about {system['memory'] / 2**30:.1f} GiB."
)

# %% [markdown]
# The count of the literature is that of Keras {cite:p}`chollet2015keras`. So the saving of the
# small windows, real as it is, concerns a small part of the network.
#
# ## Is transfer learning ineffective?
#
# The report says so of this data, and shows no comparison. Three runs would be one: the same
# network, images and steps, from {term}`ImageNet` weights with all layers trained, from random weights,
# and from ImageNet weights with only the new {term}`head` trained. This page makes a single run,
# and one alone cannot tell.

# %%
rows = [("", "As this page's recipe: ImageNet weights, all layers trained.")]
rows += [(f".{v.name}", v.reason) for v in recipe.variant]
wanted = ("", ".scratch", ".frozen")
command = f"alllib train {recipe.name}{{}} --data {recipe.data.dataset}"
claim = pd.DataFrame(
    [(command.format(name), why) for name, why in rows if name in wanted],
    columns=["command", "what it is"],
)
style(claim, "Commands that put the claim to the test, by subject group.")

# %% [markdown]
# With `--protocol published` behind it a command takes the report's split instead. Each says what
# it scored, with an interval; [the result table](results.ipynb) gathers them.
#
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
# ## Training
#
# The same data, {term}`crop`, {term}`augmentation` and {term}`optimiser` as for the report's own network. With
# {term}`dropout` {cite:p}`srivastava2014dropout` behind each hidden {term}`dense layer`, and without any
# normalisation. Cells of one {term}`subject group` never stand in two parts, unless
# `protocol` asks for the report's split.

# %%
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
split = split_by_recipe(recipe, cells, protocol, seed=seed)
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    samples=samples or None,
    batch=batch or None,
    weights=weights,
    precision=precision,
    seed=run_seed,
)
record = train_recipe(recipe, split, settings=settings)

# %% tags=["hide-input"]
say(comparison.tell_run(record))

# %%
show(
    figures.plot_history({"VGG16": record.history}),
    caption="Loss and accuracy by epoch.",
    alt=comparison.tell_history(record),
)

# %% tags=["hide-input"]
import math

last = record.history.iloc[-1]
say(
    f"A network that gives both classes the same probability has a loss of ln 2 = "
    f"{math.log(2):.3f}. After {record.run['epochs']} epochs the training loss is "
    f"{last.loss:.3f}."
)

# %% [markdown]
# A deep network without normalisation is slow to leave that value: its signals shrink from layer
# to layer, and its slopes with them. The authors themselves started their deeper networks from
# the layers of a shallower trained one {cite:p}`simonyan2015vgg`. [ResNet-50](resnet50.ipynb)
# shows what was found against it.
#
# ## What it scores
#
# Metrics come with a 95 % interval from resampling subject groups, because cells of one
# {term}`subject` are not independent; where all draws agree, there is none. {term}`ALL` is the positive
# class.
#
# Beside it stands what [a handful of numbers](without_cnn.ipynb) scores on the same images: no network
# says anything without it.

# %%
style(
    metric_table([record], beside=score_beside(split, record=record)),
    "Metrics of VGG16 on the scored part, beside classifiers without a network.",
)

# %%
scores = record.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the scored part.",
    alt=comparison.tell_confusion(record),
)

# %% tags=["hide-input"]
from sklearn.metrics import roc_auc_score

guesses = record.predictions.filter(regex="^p_").idxmax(axis=1)
called = guesses.str.removeprefix("p_").unique()
ranked = record.predictions.merge(cells[["image", "path"]], on="image")
bright = pd.Series([read_image(path).mean() for path in ranked.path])
order = ranked.p_ALL.corr(bright, method="spearman")
alone = roc_auc_score(ranked.label == "ALL", bright)

# %% tags=["hide-input"]
one = len(called) == 1
say(
    (
        f"It calls every image {called[0]}. "
        if one
        else "It uses both classes. "
    )
    + f"Its probabilities of ALL lie between {ranked.p_ALL.min():.5f} and "
    f"{ranked.p_ALL.max():.5f}. The AUC, here {scores['metrics']['auroc']['value']:.2f}, looks at "
    f"their order only, however close they lie. Ordered by mean brightness, with no network at "
    f"all, the same images reach an AUC of {alone:.2f}; the rank correlation of the two orders "
    f"is {order:.2f}."
)

# %% [markdown]
# Random weights already answer to how bright an image is, upwards or downwards as it happens. An
# {term}`AUC` far from one half, on either side, is therefore no sign of learning by itself.
#
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
        caption=f"The {len(wrong)} errors with the highest predicted probability.",
        alt="Nuclei: " + "; ".join(titles) + ".",
    )

# %% [markdown]
# ## What the report says, and how this run differs

# %%
style(
    comparison.deviation_table(record),
    "Settings of the recipe and of this run.",
)

# %% tags=["hide-input"]
say(comparison.tell_result(record))

# %% [markdown]
# The report chose its {term}`checkpoint` on the images that it then reported, and cells of one
# subject stand on both sides of its split.
#
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: vgg16-stack
# How many 3x3 windows with step 1 see what one window of 11x11 sees, and what share of its
# parameters do they have, {term}`biases <bias>` apart?
# ```
#
# ```{solution} vgg16-stack
# :class: dropdown
# Each adds 2 pixels to the 1 at the start: $1 + 2 \cdot 5 = 11$, so five. They have
# $5 \cdot 9 / 11^2 = 45/121$ of the parameters, about 37 %.
# ```
#
# ```{exercise}
# :label: vgg16-sees
# Compute by hand what a value of the last maps sees. Start with one pixel and a step of one; a
# layer with window $k$ adds $k - 1$ steps to what is seen, and its {term}`stride` multiplies the step.
# Compare with `receptive_field`.
# ```
#
# ```{solution-start} vgg16-sees
# :class: dropdown
# ```
#
# The rule is applied to the convolutions and pools in their order.

# %% tags=["solution"]
field, jump = 1, 1
for layer in network.layers:
    if isinstance(layer, (kinds.Conv2D, kinds.MaxPooling2D)):
        window = getattr(layer, "kernel_size", None) or layer.pool_size
        field += (window[0] - 1) * jump
        jump *= layer.strides[0]
assert (field, jump) == receptive_field(network)["block5_pool"]
say(f"A value of the last maps sees {field} pixels, and the step is {jump}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("vgg16")

# %% [markdown]
# ## Summary
#
# - Small windows in a row see as much as a large one and cost fewer parameters.
# - The dense layers hold nearly all parameters all the same.
# - Whether pretrained weights help is a comparison of runs; one run cannot tell.
#
# **Next**: [ResNet-50](resnet50.ipynb) goes three times as deep, and can.
