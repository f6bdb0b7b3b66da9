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
# # ResNet-50
#
# *How can a network of fifty layers be trained at all?* Each {term}`block` adds its result to what entered
# it, so that the way back has a lane without obstacles. We compute what that does to the slopes,
# rebuild the network, count its parameters against the literature, train it, and put its score
# beside the report's.
#
# :::{admonition} Before you start
# **You will learn** what a shortcut adds, why it needs a normalisation beside it, and which
# sentences of the report about residual networks hold.
# **You need** [the split](splitting.ipynb), [the augmentation](augmentation.ipynb) and
# [VGG16](vgg16.ipynb). With the values below no GPU is needed and nothing is
# downloaded, and the last line of the page says how long it ran; the report's own setting
# (`alllib run resnet50 --preset paper`) wants both. **Reading time**: about ten minutes.
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
# A block of a residual network {cite:p}`he2016resnet` computes $y = x + F(x)$: its few layers $F$
# learn only what is to be changed about $x$, and the shortcut carries $x$ past them. Training sends
# slopes backwards. Through a plain layer they are multiplied by $F'$, through a block by
# $1 + F'$. Fifty factors that are a little too small leave nothing; the 1 keeps a way open on which
# nothing is multiplied.
#
# We stack {term}`dense layers <dense layer>` with rectification and random weights, and ask how large the slope of the
# output is at the input: in plain stacks and in stacks with a shortcut around each layer; each
# without normalisation, and with one that brings the values inside a layer back to mean 0 and
# variance 1. (Here it works on the values of one example; the {term}`batch normalisation`
# {cite:p}`ioffe2015batch` of ResNet does it over the images of a {term}`batch`.)

# %%
import pandas as pd
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.backend import gradient, load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network, stage_table
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.images import read_image
from alllib.layers import receptive_field
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
keras, width, deepest = load_keras(), 64, 50
draw = keras.initializers.GlorotUniform
layers = [
    keras.layers.Dense(width, kernel_initializer=draw(seed=number))
    for number in range(deepest)
]
normalise = keras.layers.LayerNormalization()


# %%
def stack_layers(depth, shortcut, normalised):
    """Function that leads values through the first `depth` layers."""

    def pass_through(values):
        for layer in layers[:depth]:
            branch = layer(values)
            branch = normalise(branch) if normalised else branch
            branch = keras.ops.relu(branch)
            values = values + branch if shortcut else branch
        return values

    return pass_through


# %%
from itertools import product

import numpy as np

inputs = np.random.default_rng(1).normal(size=(64, width))
rows = []
for shortcut, normalised in product((False, True), repeat=2):
    name = "shortcuts" if shortcut else "plain"
    name += ", normalised" if normalised else ""
    for depth in range(0, deepest + 1, 10):
        stack = stack_layers(depth, shortcut, normalised)
        slopes = gradient(stack, inputs)
        rows.append((name, depth, np.sqrt((slopes**2).mean())))
found = pd.DataFrame(rows, columns=["stack", "layers", "slope"])
wide = found.pivot(index="layers", columns="stack", values="slope")

# %%
import seaborn as sns

lines = ["o-", "s--", "^-", "D--"]
axis = wide.plot(
    logy=True,
    style=lines,
    color=sns.color_palette("colorblind", len(lines)),
    figsize=(7, 3.6),
    ylabel="slope at the input",
)
axis.legend(frameon=False, fontsize=9)
ends = wide.loc[deepest]
told = "; ".join(f"{name}: {value:.1e}" for name, value in ends.items())

# %%
show(
    axis.figure,
    caption="Slope of the output at the input (root mean square) by depth; 1 with no layer.",
    alt=f"At {deepest} layers: {told}.",
)

# %% tags=["hide-input"]
say(
    f"Behind {deepest} plain layers one part in {1 / ends['plain'] / 1e6:,.0f} million of the "
    f"slope is left. With shortcuts alone it does not vanish but grows "
    f"{ends['shortcuts'] / 1e6:,.0f} million times, which is no better. With shortcuts and "
    f"normalisation it is {ends['shortcuts, normalised']:.1f} times what it was; with "
    f"normalisation alone {ends['plain, normalised']:.1f} times."
)

# %% [markdown]
# So a shortcut keeps the slope alive, and the normalisation keeps it in bounds. The last curve
# agrees with the paper: its authors found healthy slopes in plain networks with batch
# normalisation too, and yet the deeper plain network had the larger *training* error
# {cite:p}`he2016resnet`. Their argument for the shortcut is this error: a block that has nothing to
# add need only learn zero, while a plain layer would have to learn to copy.
#
# The network is drawn and counted with random weights; what it holds does not depend on them.

# %%
recipe = load_recipe("mir2019-resnet50")
network = build_network(recipe, classes=2, weights="none")
show(
    plot_network(network),
    caption="ResNet-50, drawn from the network itself.",
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
# ## Stage by stage
#
# A row for each layer would fill pages; a stage holds all layers whose maps have one size.

# %%
style(stage_table(network), "Stages of ResNet-50 at the recipe's input.")

# %% tags=["hide-input"]
system = describe_system(recipe)
classes = recipe.literature["classes"]
same = "the same" if system["literature_agrees"] else "another number"
sees, step = receptive_field(network)["conv5_block3_out"]
say(
    f"With {classes:,} classes the literature counts **{system['literature_parameters']:,}** "
    f"parameters, and we count {same}; with two classes there are {system['parameters']:,}, of "
    f"which {system['frozen']:,} are running averages that no slope moves. A value of the last "
    f"maps can depend on a square of {sees} pixels, more than the {system['input']} of the image, "
    f"and the next one lies {step} further. One image costs {system['flops'] / 1e9:.1f} billion "
    f"operations, and a step of {system['batch']} images needs about "
    f"{system['memory'] / 2**30:.1f} GiB."
)

# %% [markdown]
# The count of the literature is that of Keras {cite:p}`chollet2015keras`. In place of large dense
# layers stands the mean of each map.
#
# ## What the report says about residual networks

# %% tags=["hide-input"]
kinds = keras.layers
convolutions = [x for x in network.layers if isinstance(x, kinds.Conv2D)]
sums = [x for x in network.layers if isinstance(x, kinds.Add)]
# Keras names the convolution on a shortcut `..._0_conv`.
crossing = [x for x in convolutions if x.name.endswith("_0_conv")]
inside = (len(convolutions) - len(crossing) - 1) // len(sums)
say(
    f"Its network has {len(convolutions)} convolutions. {len(crossing)} of them lie on shortcuts, "
    f"where the number of maps changes; the other {len(convolutions) - len(crossing)} and the "
    f"dense layer make {len(convolutions) - len(crossing) + 1}, hence the name. There are "
    f"{len(sums)} sums, and each shortcut passes {inside} convolutions."
)

# %% [markdown]
# | The report | What holds |
# | --- | --- |
# | Shortcuts keep {term}`gradients <gradient>` from vanishing. | They do, see above; but normalisation does so too, and the paper gives another reason. |
# | The extreme case is a shortcut past one layer only. | Not this one, see the count. The paper saw no advantage of a shortcut past a single layer. |
# | Learning how much passes through the shortcut, by a matrix, makes a {term}`highway network`. | Half. There a {term}`gate`, computed anew from each input, weighs the two ways against each other; a matrix on the shortcut alone, as ResNet-50 has where maps change, makes no highway. |
# | A DenseNet is a ResNet with more than one shortcut side by side. | No. A DenseNet does not add: it lays the maps of all earlier layers of a block side by side {cite:p}`huang2017densenet`, see [DenseNet-201](densenet201_subtypes.ipynb). |
# | The idea comes from pyramidal cells of the brain. | The sentence still carries the mark "citation needed"; the paper does not argue so. |
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
# The same data, {term}`crop`, {term}`augmentation` and {term}`optimiser` as for the report's own network. Cells of one
# {term}`subject group` never stand in two parts, unless `protocol` asks for the report's
# split.

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
    figures.plot_history({"ResNet-50": record.history}),
    caption="Loss and accuracy by epoch.",
    alt=comparison.tell_history(record),
)

# %% [markdown]
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
    "Metrics of ResNet-50 on the scored part, beside classifiers without a network.",
)

# %%
scores = record.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the scored part.",
    alt=comparison.tell_confusion(record),
)

# %% tags=["hide-input"]
guesses = record.predictions.filter(regex="^p_").idxmax(axis=1)
called = guesses.str.removeprefix("p_").unique()
normal = keras.layers.BatchNormalization
momentum = next(x.momentum for x in network.layers if isinstance(x, normal))
run = record.run
steps = run["epochs"] * -(-run["pictures"] // run["parameters"]["batch"])

# %% tags=["hide-input"]
say(
    (
        f"It calls every image {called[0]}. "
        if len(called) == 1
        else "Both classes occur among its answers. "
    )
    + f"In training, batch normalisation uses the statistics of the batch; afterwards, running "
    f"averages, which keep {momentum:.0%} of their value at each step. After {steps:,} steps "
    f"{momentum**steps:.0%} of what they started with is left. "
    + (
        "So the network is scored with averages that are not yet its own."
        if momentum**steps > 0.1
        else "They have become its own."
    )
)

# %% [markdown]
# How to tell the two apart is shown with [the report's own network](proposed_model.ipynb). An
# {term}`AUC` far from one half, while all answers are the same, is explained with
# [VGG16](vgg16.ipynb).
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
# :label: resnet50-ways
# Three blocks in a row multiply a slope by $(1 + a)(1 + b)(1 + c)$. Multiply it out. How many ways
# through the blocks are there, and which of them meets no layer?
# ```
#
# ```{solution} resnet50-ways
# :class: dropdown
# $1 + a + b + c + ab + ac + bc + abc$: eight, one for each choice of shortcut or layers in each
# block. The 1 is the way along all shortcuts, however small $a$, $b$ and $c$ are.
# ```
#
# ```{exercise}
# :label: resnet50-gate
# Multiply what each layer adds by a gate $g$, so that a block computes $x + g F(x)$. What is the
# slope behind all layers for $g = 0$, and how does it grow with $g$? Use `layers`, `gradient` and
# `inputs`.
# ```
#
# ```{solution-start} resnet50-gate
# :class: dropdown
# ```
#
# With the gate closed every block hands on what it got: the stack starts as the identity, however
# deep it is.


# %% tags=["solution"]
def stack_gated(gate):
    """All layers with shortcuts, what they add multiplied by `gate`."""

    def pass_through(values):
        for layer in layers:
            values = values + gate * keras.ops.relu(layer(values))
        return values

    return pass_through


gated = {}
for gate in (0.0, 0.1, 1.0):
    slopes = gradient(stack_gated(gate), inputs)
    gated[gate] = np.sqrt((slopes**2).mean())
assert np.isclose(gated[0.0], 1) and gated[0.0] < gated[0.1] < gated[1.0]
assert np.isclose(gated[1.0], ends["shortcuts"], rtol=0.01)
say("; ".join(f"gate {g}: slope {slope:.3g}" for g, slope in gated.items()))

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("resnet50")

# %% [markdown]
# ## Summary
#
# - A sum in each block leaves a way open on which slopes are not multiplied.
# - Shortcuts need a normalisation beside them, or values and slopes grow.
# - A mean of each map replaces the dense layers that filled AlexNet and VGG16.
#
# **Next**: [Inception-v3](inception_v3.ipynb) looks through windows of several sizes at once.
