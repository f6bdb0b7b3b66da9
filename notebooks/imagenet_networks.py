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
# # Networks that won ImageNet
#
# *Which ideas stand behind the networks that the sources took from the shelf?* A few: small
# windows one behind the other, windows of several sizes side by side, and ways past a layer. Each
# is a few lines of Keras, and each can be tried by itself.
#
# :::{admonition} Before you start
# **You will learn** what AlexNet, VGG, Inception, {term}`highway networks <highway network>`, ResNet and DenseNet each
# added, what a {term}`top-5 error` is and which of the printed ones may be compared, what a network costs,
# and what {term}`transfer learning` takes from it.
# **You need** [convolution, pooling and dense layers](convolution.ipynb) and
# [backpropagation](backpropagation.ipynb); no GPU. **Reading time**: about thirty minutes.
# :::

# %% tags=["parameters"]
depth = 30  # layers of the stacks whose slopes are measured
seed = 1  # of the weights of these stacks
counted = "VGG16"  # network that is built and counted here

# %%
import pandas as pd
from alllib.backend import load_keras
from alllib.diagrams import describe_network, plot_network
from alllib.figures import say, set_style, show
from alllib.layers import count_flops
from alllib.lessons import blocks, show_source
from alllib.lessons.block_figures import (
    plot_costs,
    plot_errors,
    plot_inception,
    plot_skips,
    plot_slopes,
    plot_windows,
)
from alllib.lessons.imagenet import (
    SIDE,
    count_cost,
    imagenet_facts,
    kept_costs,
    slopes_by_depth,
    top_error,
)
from alllib.quiz import show_quiz
from alllib.tables import style

# %% [markdown]
# ## ImageNet and the top-5 error
#
# {term}`ImageNet` is a collection of photographs sorted by what they show. Its yearly challenge
# {cite:p}`russakovsky2015imagenet` gave a training set of more than a million of them in a
# thousand classes. Many show several things, so an entry was allowed five guesses for each. With
# $T_5(x)$ the five likeliest classes, the top-5 error of $n$ images is
#
# $$e_5 = 1 - \frac{1}{n} \sum_{i=1}^{n} \left[\, y_i \in T_5(x_i) \,\right].$$ (eq-top-five)

# %%
set_style()
keras, facts = load_keras(), imagenet_facts()
show_source(top_error)

# %% [markdown]
# Three examples with six classes: the right class is the likeliest, the second, the last.

# %%
import numpy as np

scores = np.array([[6, 5, 4, 3, 2, 1]] * 3) / 21
right = np.array([0, 1, 5])
errors = {k: top_error(scores, right, k) for k in (1, 2, 5, 6)}

# %% tags=["hide-input"]
say(
    "; ".join(f"top-{k} error {error:.2f}" for k, error in errors.items())
    + ". With as many guesses as classes nobody errs: a top-5 error means nothing for the two or "
    "four classes of this book."
)

# %%
winners, person = facts["winner"], facts["human"]
told = [f"{w['year']} {w['team']} {w['top5']:.3g} %" for w in winners]
show(
    plot_errors(winners, person["top5"]),
    caption="Top-5 error of the best entry of each year, on the challenge's test images.",
    alt="Falling bars: "
    + ", ".join(told)
    + f". A dashed line at {person['top5']} %, one person.",
)

# %% [markdown]
# Sources: up to the entry of GoogLeNet the organisers' report
# {cite:p}`russakovsky2015imagenet`, then the papers {cite:p}`he2016resnet,hu2018squeeze`; for one
# year no paper of the winner is cited here. Two of these bars stand for {term}`features <feature>` made by hand,
# all others for convolutional networks.

# %% tags=["hide-input"]
say(
    f"The dashed line is often read as what people achieve. It is **{'one person' if person['people'] == 1 else 'a few people'}**, "
    f"who practised first and then judged {person['images']:,} of the images. The report says that "
    "networks match or exceed people in some domains; this comparison is what stands behind it."
)

# %% [markdown]
# ## Four printed numbers, and what was scored
#
# The report gives one error for each network it lists {cite:p}`mir2019report`. The papers
# {cite:p}`krizhevsky2012imagenet,simonyan2015vgg,szegedy2015going,he2016resnet,huang2017densenet`
# print several, and they differ in what was scored: one network or the vote of several (an
# {term}`ensemble`), the {term}`validation <part>` images or the challenge's hidden test images,
# one {term}`crop` of each image or many.

# %%
rows = [
    {
        "network": r["network"],
        "top-5 error": f"{r['top5']:g} %",
        "networks voting": r["models"],
        "scored on": r["set"],
        "further images": "yes" if r["extra"] else "no",
        "in the report": f"{r['printed']:g} %" if "printed" in r else "",
        "place and note": f"{r['place']}; {r['note']}",
    }
    for r in facts["result"]
]
style(pd.DataFrame(rows), "Top-5 errors as their papers print them.")

# %% tags=["hide-input"]
printed = [r for r in facts["result"] if "printed" in r]
first, vgg, inception, residual = printed
alone = next(
    r
    for r in facts["result"]
    if r["network"] == "AlexNet" and r["set"] == "test" and not r["extra"]
)
gap = facts["runner_up"]["top5"] - first["top5"]
say(
    f"All {len(printed)} figures of the report are in the papers, and all are votes of "
    f"{min(r['models'] for r in printed)} or {max(r['models'] for r in printed)} networks on the "
    f"test images; none is the error of a single network. AlexNet's "
    f"{first['top5']} % also used further images; on those of the challenge alone it was "
    f"{alone['top5']} %. The runner-up was {gap:.1f} points behind, which agrees with the report."
)
say(
    f"The report calls each model a new best. VGG ({vgg['top5']} %) and GoogLeNet "
    f"({inception['top5']} %) entered in {vgg['year']} both: GoogLeNet won, VGG came second (and "
    f"first in the task of localisation). ResNet's {residual['top5']} % is rounded to "
    f"{residual['printed']} %."
)

# %% [markdown]
# DenseNet never entered, and highway networks were not tried on ImageNet in their paper
# {cite:p}`srivastava2015highway`. They belong here for what they connect. Who compares networks
# should compare single networks on the same images with the same crops; the last sections do.
#
# ## LeNet, the forerunner
#
# LeNet-5 {cite:p}`lecun1998gradient` reads handwritten digits: {term}`convolution`, {term}`pooling`,
# convolution, pooling, and three {term}`dense layers <dense layer>`. Everything that follows is this with more of it.

# %%
show_source(blocks.lenet5)

# %%
lenet = blocks.lenet5()
show(
    plot_network(lenet, title="LeNet-5"),
    caption="LeNet-5 as it is read today.",
    alt=describe_network(lenet),
)

# %% tags=["hide-input"]
old = facts["lenet"]
say(
    f"We count {lenet.count_params():,} parameters; the paper says {old['parameters']:,}. The "
    "difference is known: in the original, a map of the second convolution sees some of the maps "
    "before it and not all, and its poolings have a factor and a shift to learn. Its error on "
    f"handwritten digits was {old['error']} %."
)

# %% [markdown]
# ## AlexNet: the same, much larger
#
# AlexNet {cite:p}`krizhevsky2012imagenet` has five convolutions and three dense layers. Its paper
# names what made so large a network trainable: {term}`ReLU` instead of tanh, two graphics
# processors, {term}`dropout` in the dense layers, and {term}`augmentation`. Where are its
# weights?

# %%
from alllib.architectures import build_network
from alllib.recipes import load_recipe

recipe = load_recipe("mir2019-alexnet")
alexnet = build_network(
    recipe,
    classes=recipe.literature["classes"],
    input_size=recipe.images.input,
)
show(
    plot_network(alexnet, title="AlexNet"),
    caption="AlexNet in one tower, drawn from the network itself.",
    alt=describe_network(alexnet),
)

# %% tags=["hide-input"]
from alllib.layers import layer_rows

layers = layer_rows(alexnet)
dense = [row for row in layers if row.kind == "Dense"]
share = sum(row.parameters for row in dense) / alexnet.count_params()
work = sum(row.flops for row in dense) / count_flops(alexnet)
say(
    f"The dense layers hold **{share:.0%} of the parameters and do {work:.0%} of the work**; the "
    "convolutions, whose weights serve at every place, do the rest. Later networks drop the large "
    "dense layers first."
)

# %% [markdown]
# The page of [AlexNet](alexnet.ipynb) trains it.
#
# ## VGG: small windows, one behind the other
#
# VGG {cite:p}`simonyan2015vgg` uses windows of 3x3 only. Two of them in a row see 5x5 pixels, three
# see 7x7, with fewer weights and a ReLU after each.

# %%
show(
    plot_windows(),
    caption="Two windows of three see five pixels; one line of pixels is drawn.",
    alt="One pixel after the second convolution depends on three after the first, and these "
    "on five pixels of the input.",
)

# %% [markdown]
# For $C$ {term}`channels <channel>` in and out, $m$ windows of side $k$ in a row have $m\,k^2 C^2$ weights (without
# {term}`biases <bias>`): two of side $3$ have $18\,C^2$, one of side $5$ has $25\,C^2$; three of side $3$ have
# $27\,C^2$, one of side $7$ has $49\,C^2$. A {term}`block` of Keras layers counts the same:

# %%
show_source(blocks.conv_stack)


def block_model(block, shape, **given):
    """Model of one block, to be counted and run."""
    start = keras.Input(shape)
    return keras.Model(start, block(start, **given))


channels = 64
small = block_model(blocks.conv_stack, (32, 32, channels), filters=channels)
large = block_model(
    blocks.conv_stack, (32, 32, channels), filters=channels, kernel=5, count=1
)

# %% tags=["hide-input"]
say(
    f"With {channels} channels: {small.count_params():,} parameters for two small windows, "
    f"{large.count_params():,} for a large one, **{1 - small.count_params() / large.count_params():.0%} "
    "fewer**, biases included."
)

# %% [markdown]
# The pages of [VGG16](vgg16.ipynb) and [VGG19](vgg19_transfer.ipynb) show whole networks of this
# kind.
#
# ## Inception: several windows side by side
#
# How large should a window be? GoogLeNet {cite:p}`szegedy2015going` takes several at once and puts
# their maps side by side ({term}`concatenation`). Large windows on many maps are dear, so a
# {term}`1x1 convolution <pointwise convolution>` {cite:p}`lin2013network` first makes few maps of
# many: at each place, a small dense layer over the channels.

# %%
show(
    plot_inception(),
    caption="An Inception module.",
    alt="Four branches from the same maps: a 1x1 window; 1x1 then 3x3; 1x1 then 5x5; pooling "
    "then 1x1. Their maps are put side by side.",
)

# %%
show_source(blocks.convolve, blocks.inception_module)

# %% [markdown]
# The first module of GoogLeNet, and the same without the {term}`1x1 convolutions <1x1 convolution>` before the windows:

# %%
narrow = (((64, 1),), ((96, 1), (128, 3)), ((16, 1), (32, 5)))
wide = tuple(branch[-1:] for branch in narrow)
settings = {"pooled": 32, "pool": "max", "normalised": False}
shape = (28, 28, 192)
with_few = block_model(
    blocks.inception_module, shape, branches=narrow, **settings
)
without = block_model(
    blocks.inception_module, shape, branches=wide, **settings
)

# %% tags=["hide-input"]
saved = count_flops(without) / count_flops(with_few)
say(
    f"Both give {with_few.output.shape[-1]} maps. With the narrow places {count_flops(with_few) / 1e6:,.0f} "
    f"million operations and {with_few.count_params():,} parameters, without them "
    f"{count_flops(without) / 1e6:,.0f} million and {without.count_params():,}: **{saved:.1f} times** "
    "the work for maps of the same shape."
)

# %% [markdown]
# ### The auxiliary heads
#
# In the middle of GoogLeNet two {term}`auxiliary classifiers <auxiliary classifier>` learn the same
# classes, each with its own {term}`loss` $L_1$, $L_2$ beside the main $L_0$; they are left out
# afterwards:
#
# $$L = L_0 + 0.3\,(L_1 + L_2).$$ (eq-auxiliary-loss)

# %%
show_source(blocks.auxiliary_head)
side = block_model(blocks.auxiliary_head, (14, 14, 512), classes=1000)
rows = [
    (row.name.split("_")[0], row.kind, str(row.output), row.parameters)
    for row in layer_rows(side)
]
style(
    pd.DataFrame(rows, columns=["layer", "kind", "output", "parameters"]),
    "The auxiliary head of GoogLeNet.",
)

# %% [markdown]
# This is the {term}`head` that the report lists in its section 3.4.4, down to the $4\times4\times512$ maps
# {cite:p}`mir2019report`; the paper's sum of losses is missing there. Two remarks. The report
# trained Inception-v3, whose maps at that place have another size, so that its list describes
# the predecessor; [our page](inception_v3.ipynb) says what we made of it. And it says that such
# heads regularise. GoogLeNet's authors put them in to bring slopes to the lower layers, and named
# regularising beside it; a year later they found that the heads do not help early in training, and
# argued that they act as a {term}`regulariser` only {cite:p}`szegedy2016rethinking`.
#
# ## Ways past a layer
#
# More layers should never be worse: the added ones could copy their input. Trained by
# {term}`gradient descent` they were worse, even on the *training* images: the {term}`degradation` of plain
# networks {cite:p}`he2016resnet`. A plain layer has to learn to copy. The next three networks make
# copying the easy case.

# %%
show(
    plot_skips(),
    caption="Four ways to connect two layers.",
    alt="Plain: x through two layers to y. Residual: x is added to their result. Highway: a gate "
    "mixes the result with x. Dense: each layer gets all earlier maps side by side.",
)

# %% [markdown]
# ### Highway: a gate decides
#
# A highway layer {cite:p}`srivastava2015highway` computes a new value
# $H(x)$ and a {term}`gate` $T(x)$ between 0 and 1, both from the input:
#
# $$y = T(x)\,H(x) + (1 - T(x))\,x, \qquad T(x) = \sigma(W_T^\top x + b_T).$$ (eq-highway)
#
# With a gate's bias $b_T$ far below zero, the layer copies; so a deep stack starts as a short one.

# %%
show_source(blocks.highway_layer)
values = np.random.default_rng(seed).normal(size=(256, 8)).astype("float32")


def changed(bias):
    """How far a highway layer of this bias moves its input."""
    layer = block_model(blocks.highway_layer, (8,), gate_bias=bias)
    new = keras.ops.convert_to_numpy(layer(values))
    return np.sqrt(((new - values) ** 2).mean())


keras.utils.set_random_seed(seed)
moved = {bias: changed(bias) for bias in (0, -2, -5, -50)}

# %% tags=["hide-input"]
say(
    "Mean change of the input: "
    + "; ".join(
        f"{value:.3f} with bias {bias}" for bias, value in moved.items()
    )
    + ". Where the gate is shut, the layer is a wire."
)

# %% [markdown]
# ### ResNet: add
#
# A {term}`residual block` {cite:p}`he2016resnet` leaves the gate out:
#
# $$y = \mathrm{ReLU}\left(x + F(x)\right).$$ (eq-residual)
#
# If the last layer of $F$ gives nothing, the block passes on what is not negative, unchanged; behind
# a ReLU that is everything. (Without the last ReLU it is a plain copy, and still deeper stacks
# train {cite:p}`he2016identity`.)

# %%
show_source(blocks.residual_block)
block = block_model(blocks.residual_block, (6, 6, 4), filters=4)
norms = [
    layer
    for layer in block.layers
    if isinstance(layer, keras.layers.BatchNormalization)
]
norms[-1].gamma.assign(np.zeros(4))
maps = np.abs(np.random.default_rng(seed).normal(size=(2, 6, 6, 4)))
left = np.abs(keras.ops.convert_to_numpy(block(maps)) - maps).max()

# %% tags=["hide-input"]
say(
    f"With the factors of the last normalisation at zero the largest change is {left:.1g}: the "
    "block copies. Some implementations start all blocks like this."
)

# %% [markdown]
# Now the slopes. We stack convolutions with Keras's usual random start and measure how large the
# slope of a loss is behind each layer, relative to the end: plain or with shortcuts, each without
# and with a normalisation.

# %%
stacks = {
    "plain": (False, False),
    "plain, normalised": (False, True),
    "shortcuts": (True, False),
    "shortcuts, normalised": (True, True),
}
slopes = {
    name: slopes_by_depth(
        depth,
        shortcut=shortcut,
        normalised=normalised,
        every=6,
        seed=seed,
    )
    for name, (shortcut, normalised) in stacks.items()
}

# %%
show(
    plot_slopes(slopes),
    caption=f"Slope by depth in stacks of {depth} convolutions, before training.",
    alt="At the input, relative to the end: "
    + "; ".join(f"{name} {found[0]:.1e}" for name, found in slopes.items()),
)

# %% tags=["hide-input"]
start = {name: found[0] for name, found in slopes.items()}
say(
    f"In the plain stack **{start['plain']:.0e}** of the slope reaches the first layer: it hardly "
    f"learns. Shortcuts alone let it grow {start['shortcuts']:,.0f} times. With a normalisation the "
    f"plain stack keeps it ({start['plain, normalised']:.1f} times), and so do shortcuts with one "
    f"({start['shortcuts, normalised']:.1f} times)."
)

# %% [markdown]
# So the normalisation alone mends the vanishing slope. ResNet's authors say the same: their plain
# networks had healthy slopes, and degraded all the same {cite:p}`he2016resnet`. This corrects the
# report's section 3.4.3 {cite:p}`mir2019report` in several places:
#
# - It gives vanishing slopes as the motive. The paper gives degradation.
# - It says that in the limit a ResNet skips a single layer. The paper skips two or three, and says
#   that it saw no gain from skipping one.
# - It calls a residual network with weights on the skip a highway network. The gate of a highway
#   layer depends on the input, and it came first.
# - It calls several parallel skips a DenseNet. A DenseNet does not add, it puts side by side.
# - It says that the network begins with fewer layers and restores the others. That describes a
#   highway network with shut gates, not a ResNet, whose blocks all act from the start.
#
# [Our page on ResNet-50](resnet50.ipynb) trains one.
#
# ### DenseNet: put side by side
#
# In a {term}`dense block` {cite:p}`huang2017densenet`, layer $l$ gets the maps of all layers before
# it and adds $k$ of its own, the {term}`growth rate`:
#
# $$x_l = H_l([x_0, x_1, \ldots, x_{l-1}]), \qquad
#   \text{channels after } L \text{ layers} = C_0 + L\,k.$$ (eq-dense-block)

# %%
show_source(blocks.dense_block)
start, count, growth = 64, 6, 32
dense = block_model(
    blocks.dense_block, (56, 56, start), count=count, growth=growth
)

# %% tags=["hide-input"]
say(
    f"The first block of DenseNet-121: {start} + {count} x {growth} = "
    f"**{dense.output.shape[-1]} maps**, {dense.count_params():,} parameters, and "
    f"{count * (count + 1) // 2} connections between {count} layers, where a plain stack has {count}."
)

# %% [markdown]
# Each layer is narrow, since it need not carry on what is already there. Between blocks a 1x1
# convolution halves the maps. [Our page on DenseNet-201](densenet201_subtypes.ipynb) trains one.
#
# ## Cost against quality
#
# What does a network ask for its accuracy? Parameters fill the memory, operations take the time.
# Both are counted by our own code. Building all networks takes minutes, so the counts are kept
# with the book; one is built here, to see that it comes out again.

# %%
kept = kept_costs()
again = count_cost(counted)
same = again["operations"] == kept[counted]["operations"]

# %%
single = next(
    r
    for r in facts["result"]
    if r["network"] == "AlexNet" and r["models"] == 1
)
paper = {"network": "AlexNet", "top1": 100 - single["top1"]}
paper |= {"top5": 100 - single["top5"], "year": single["year"]}

# %%
rows = [
    entry
    | {
        "parameters": kept[entry["network"]]["parameters"],
        "operations": kept[entry["network"]]["operations_there"],
        "alike": kept[entry["network"]]["operations"],
        "side": kept[entry["network"]]["side"],
    }
    for entry in [paper, *facts["weights"]]
]
table = pd.DataFrame(rows)

# %%
shown = pd.DataFrame(
    {
        "network": table.network,
        "year": table.year.astype(str),
        "million parameters": (table.parameters / 1e6).map("{:.1f}".format),
        f"GFLOP at {SIDE} px": (table.alike / 1e9).map("{:.1f}".format),
        "side of its accuracy": table.side.map("{} px".format),
        "GFLOP there": (table.operations / 1e9).map("{:.1f}".format),
        "top-1 accuracy": table.top1.map("{:.1f} %".format),
        "top-5 accuracy": table.top5.map("{:.1f} %".format),
    }
)
style(shown, "Cost counted here, accuracy as printed.")

# %% [markdown]
# Accuracies: single networks on the validation images; AlexNet's from its paper, a mean over ten
# crops {cite:p}`krizhevsky2012imagenet`, the others those of the weights that Keras offers, one
# crop {cite:p}`kerasapplications`. A multiplication with its addition counts as two operations.

# %%
told = [
    f"{r['network']} {r['operations'] / 1e9:.1f} and {r['top1']:.1f} %"
    for r in rows
]
show(
    plot_costs(rows),
    caption="Accuracy against work for one image; a larger mark has more parameters.",
    alt="Thousand millions of operations and top-1 accuracy: "
    + "; ".join(told)
    + ".",
)

# %% tags=["hide-input"]
by = table.set_index("network")
dear, cheap = by.loc["VGG19"], by.loc["DenseNet201"]
say(
    f"{counted}, built again: {again['operations'] / 1e9:.2f} thousand million operations, "
    + ("as kept. " if same else "not as kept. ")
    + f"VGG19 does **{dear.operations / cheap.operations:.1f} times** the work of DenseNet201 with "
    f"{dear.parameters / cheap.parameters:.1f} times the parameters, and is "
    f"{cheap.top1 - dear.top1:.1f} points less accurate. From VGG16 to VGG19 the work rises by "
    f"{by.loc['VGG19'].operations / by.loc['VGG16'].operations - 1:.0%} and the accuracy by "
    f"{by.loc['VGG19'].top1 - by.loc['VGG16'].top1:.1f} points."
)

# %% [markdown]
# Operations are not seconds: memory, narrow layers and the machine count too;
# [our measurements](cost.ipynb) are of trainings. And the report's conclusion that its own network
# is efficient beside these should be read with its parameters in mind, which
# [its page](proposed_model.ipynb) counts.
#
# ## What transfer learning takes
#
# Early layers of such a network see edges, colours and textures, which serve elsewhere; later ones
# become special {cite:p}`yosinski2014transferable`. So one keeps the {term}`backbone` with its
# weights and puts a new head on it. Then one trains the head alone or, in {term}`fine-tuning`,
# all layers. Better ImageNet networks tend to transfer better among
# photographs {cite:p}`kornblith2019better`; on large sets of medical images random weights came
# close, and small networks did as well {cite:p}`raghu2019transfusion`. The systems of this book:

# %%
names = ("mir2019-vgg16", "mir2019-resnet50", "mir2019-inception_v3")
names += ("garg2021-vgg19", "ball2023-densenet201")
rows = []
for name in names:
    taken = load_recipe(name)
    wanted, whole = taken.architecture, taken.literature.get("parameters")
    rows.append((taken.title, wanted.weights, wanted.backbone, whole))
columns = ["system", "start", "backbone", "parameters, whole network"]
style(
    pd.DataFrame(rows, columns=columns).fillna("not given"),
    "What the recipes of this book take from ImageNet.",
)

# %% [markdown]
# Three things come along with the weights and are easily forgotten: the scaling of the images, the
# size of the cells in pixels, and what the photographs never showed. A {term}`nucleus` on black is no
# photograph. Whether the start from ImageNet helps is a question for an experiment with the same
# {term}`split`, and [the results](results.ipynb) have what we could train.
#
# ## Exercises
#
# ```{exercise}
# :label: imagenet_networks-bottleneck
# ResNet-50 uses blocks with three convolutions, 1x1, 3x3, 1x1, on maps with four times as many
# channels. How many parameters has one such block on 256 maps, and how many would two 3x3
# convolutions on 256 maps have? Count by hand, then with `blocks.bottleneck_block` and
# `blocks.residual_block`.
# ```
#
# ```{solution-start} imagenet_networks-bottleneck
# :class: dropdown
# ```
#
# Convolutions with biases and four numbers a map for each normalisation, against two convolutions
# without biases.

# %% tags=["solution"]
narrow, full = 64, 256
by_hand = (full + 1) * narrow + (9 * narrow + 1) * narrow
by_hand += (narrow + 1) * full + 4 * (narrow + narrow + full)
bottle = block_model(blocks.bottleneck_block, (8, 8, full), narrow=narrow)
plain = block_model(blocks.residual_block, (8, 8, full), filters=full)
assert bottle.count_params() == by_hand
assert plain.count_params() == 2 * 9 * full**2 + 2 * 4 * full
print(f"{by_hand:,} against {plain.count_params():,}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: imagenet_networks-dense
# A dense block starts with $C_0$ maps and has $L$ layers of growth rate $k$. How many weights have
# its 3x3 convolutions if each sees all maps before it directly, without the 1x1 convolutions? Is it
# linear in $L$? Check your sum with a block of your own.
# ```
#
# ```{solution-start} imagenet_networks-dense
# :class: dropdown
# ```
#
# Layer $l$ has $9\,(C_0 + (l-1)k)\,k$ weights; the sum is $9k\,(L C_0 + k L(L-1)/2)$, so it grows
# with the square of $L$. The 1x1 convolutions bound the dear part: each 3x3 then sees $4k$ maps.

# %% tags=["solution"]
first, many, rate = 16, 5, 12
x = begin = keras.Input((8, 8, first))
for _ in range(many):
    new = keras.layers.Conv2D(rate, 3, padding="same", use_bias=False)(x)
    x = keras.layers.Concatenate()([x, new])
found = keras.Model(begin, x).count_params()
assert found == 9 * rate * (many * first + rate * many * (many - 1) // 2)
print(f"{found:,} weights, {x.shape[-1]} maps")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: imagenet_networks-gate
# Show that a highway layer whose gate is one half everywhere and whose bias does not matter gives
# half of what a residual sum $x + H(x)$ gives. What does that do to the slopes of a deep stack?
# ```
#
# ```{solution} imagenet_networks-gate
# :class: dropdown
# $y = \tfrac12 H(x) + \tfrac12 x = \tfrac12 (x + H(x))$. Each layer halves what comes back along the
# shortcut: after $n$ layers $2^{-n}$ is left. This is why gates start shut ($T$ near 0), so that
# the factor $1 - T$ on the way back is near 1; a residual block has the factor 1 always.
# ```
#
# ## Quiz

# %% tags=["hide-input"]
show_quiz("imagenet_networks")

# %% [markdown]
# ## Summary
#
# - The printed top-5 errors are votes of several networks on hidden test images; single networks
#   err more.
# - Small windows in a row, and 1x1 convolutions before dear ones, give more layers for less.
# - Shortcuts make copying the easy case: a highway gates, ResNet adds, DenseNet puts side by
#   side. Normalisation, not the shortcut, keeps the slopes.
# - Later networks are more accurate with less work and fewer parameters.
# - Transfer learning takes weights, and with them a scaling and a habit of photographs.
#
# **Next**: [data sets](dataset.ipynb).
