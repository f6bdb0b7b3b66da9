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
# # AlexNet
#
# *What did the network that started it all bring, and what does it score here?* We rebuild it
# layer by layer, count its parameters against the literature, train it under a {term}`split` by
# {term}`subject group`, and put its score beside the report's.
#
# :::{admonition} Before you start
# **You will learn** why a large window with a {term}`stride` comes first, what overlapping pools and
# local response normalisation do, and where AlexNet keeps its parameters.
# **You need** [the split](splitting.ipynb) and [the augmentation](augmentation.ipynb). With the
# values below no GPU is needed, and the last line of the page says how long it ran; the report's
# own setting (`alllib run alexnet --preset paper`) wants one. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
protocol = "honest"  # split: honest, published, or a name
input_size = 67  # side of the input in pixels; 0: the recipe's
epochs = 3  # passes over the pictures; 0: the recipe's
samples = 600  # augmented pictures; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# Five {term}`convolutions <convolution>` find patterns, three {term}`dense layers <dense layer>` decide {cite:p}`krizhevsky2012imagenet`. The
# first window is large and moves four pixels at a time, because the computers of its day could not
# afford more maps of full size. Its units are rectified, so that their slope does not vanish for
# large values; its pools overlap; after the first two convolutions each value is divided by the
# activity of its neighbours in the {term}`channel` direction; and {term}`dropout` keeps the dense layers
# from learning images by heart.

# %%
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.images import read_image
from alllib.layers import layer_table
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
recipe = load_recipe("mir2019-alexnet")
network = build_network(recipe, classes=2)
show(
    plot_network(network),
    caption="AlexNet in one tower, drawn from the network itself.",
    alt=describe_network(network),
)

# %% [markdown]
# The report names the network and cites its paper; the rest is our reading.

# %%
style(
    comparison.choice_table(recipe),
    "What the report leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Layer by layer
#
# The report prints no table for this network, so there is none to agree with; its number of
# parameters is known elsewhere {cite:p}`mallick2018parameters`. *Sees* is the
# {term}`receptive field`: the side of the square of input pixels that one value can depend on;
# *step* is how far apart the squares of two neighbouring values lie.

# %%
style(layer_table(network), "Layers of AlexNet at the recipe's input.")

# %% tags=["hide-input"]
system = describe_system(recipe)
classes = recipe.literature["classes"]
dense = sum(
    layer.count_params() for layer in network.layers if "dense" in layer.name
)
same = "the same" if system["literature_agrees"] else "another number"
say(
    f"With {classes:,} classes the literature counts **{system['literature_parameters']:,}** "
    f"parameters, and we count {same}; with two classes there are {system['parameters']:,}. The "
    f"two hidden dense layers hold {dense / system['parameters']:.0%} of them. One image costs "
    f"{system['flops'] / 1e9:.1f} billion operations, and a step of {system['batch']} images "
    f"needs about {system['memory'] / 2**30:.1f} GiB."
)

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
# ## Training
#
# The same data, {term}`crop`, {term}`augmentation` and {term}`optimiser` as for the report's own network. Cells of one
# subject group never stand in two parts, unless `protocol` asks for the report's split.

# %%
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
split = split_by_recipe(recipe, cells, protocol, seed=seed)
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    samples=samples or None,
    batch=batch or None,
    precision=precision,
    seed=run_seed,
)
record = train_recipe(recipe, split, settings=settings)

# %% tags=["hide-input"]
say(comparison.tell_run(record))

# %%
show(
    figures.plot_history({"AlexNet": record.history}),
    caption="Loss and accuracy by epoch.",
    alt=comparison.tell_history(record),
)

# %% [markdown]
# ## What it scores
#
# Metrics come with a 95 % interval from resampling subject groups, because cells of one
# {term}`subject` are not independent. {term}`ALL` is the positive class.
#
# Beside it stands what [a handful of numbers](without_cnn.ipynb) scores on the same images: no network
# says anything without it.

# %%
style(
    metric_table([record], beside=score_beside(split, record=record)),
    "Metrics of AlexNet on the scored part, beside classifiers without a network.",
)

# %%
scores = record.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the scored part.",
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
# :label: alexnet-window
# The first convolution has windows of 11 pixels every 4 pixels and no {term}`padding`. How large are its
# maps for an input of 227 pixels, and why does 224, which the paper prints, not fit?
# ```
#
# ```{solution} alexnet-window
# :class: dropdown
# $(227 - 11) / 4 + 1 = 55$. With 224 the division leaves a rest, and the 55 that the paper draws
# does not come out.
# ```
#
# ```{exercise}
# :label: alexnet-sides
# Write a function that gives the side of the maps behind a convolution or a pool, from the side
# before it, the window, the stride and the padding. Check it on every such layer of `network`.
# ```
#
# ```{solution-start} alexnet-sides
# :class: dropdown
# ```
#
# Without padding, a window of $k$ fits $\lfloor (n - k) / s \rfloor + 1$ times into a side of $n$;
# padded to the same size, only the stride $s$ counts.


# %% tags=["solution"]
def side_after(side, layer):
    """Side of the maps behind a convolution or a pool."""
    window = getattr(layer, "kernel_size", None) or layer.pool_size
    if layer.padding == "same":
        return -(-side // layer.strides[0])
    return (side - window[0]) // layer.strides[0] + 1


moving = [layer for layer in network.layers if hasattr(layer, "strides")]
for layer in moving:
    assert side_after(layer.input.shape[1], layer) == layer.output.shape[1]
sides = [str(layer.output.shape[1]) for layer in moving]
say(f"From {moving[0].input.shape[1]} pixels to {', '.join(sides)}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("alexnet")

# %% [markdown]
# ## Summary
#
# - A stride in the first layer buys speed with detail.
# - Nearly all parameters sit in two dense layers; later networks did away with them.
# - The report's number has no interval, and its split lets subjects cross.
#
# **Next**: [VGG16](vgg16.ipynb) replaces large windows by stacks of small ones.
