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
# # Inception-v3
#
# *Which size should a window have?* Several, side by side, answers Inception, and makes that
# affordable by cutting {term}`channels <channel>` first and by splitting large windows. We compute the saving,
# rebuild the network with the {term}`auxiliary classifier` that the report spells out, count its
# parameters against the literature, train it, and put its score beside the report's.
#
# :::{admonition} Before you start
# **You will learn** what {term}`1x1 convolutions <1x1 convolution>` save, how an auxiliary classifier is attached, trained and
# taken off, and how to find that a description belongs to another network.
# **You need** [the split](splitting.ipynb), [the augmentation](augmentation.ipynb) and
# [ResNet-50](resnet50.ipynb). With the values below no GPU is needed and nothing is
# downloaded, and the last line of the page says how long it ran; the report's own setting
# (`alllib run inception_v3 --preset paper`) wants both. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
protocol = "honest"  # split: honest, published, or a name
input_size = 107  # side of the input in pixels; 0: the recipe's
epochs = 1  # passes over the pictures; 0: the recipe's
samples = 120  # augmented pictures; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
weights = "none"  # initial weights: none, or imagenet (Keras downloads them)
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# A {term}`block` of GoogLeNet {cite:p}`szegedy2015going` looks at the same maps through windows of several
# sizes and lays the results side by side. Wide windows on many channels cost much, so a 1x1
# convolution, which mixes channels and sees one pixel, first cuts their number. Inception-v3
# {cite:p}`szegedy2016rethinking` also splits the windows: a 5x5 into two 3x3, and a 7x7 into a row
# and a column.
#
# What is that worth? We take the widths from the network itself. It is built, drawn and counted
# with random weights; what it holds does not depend on them.

# %%
from alllib import comparison, figures
from alllib.architectures import build_network, inference_model
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network, stage_table
from alllib.downloads import prepare_data
from alllib.errors import RecipeError
from alllib.figures import say, show
from alllib.images import read_image
from alllib.layers import count_flops, layer_rows, receptive_field, show_shape
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
keras = load_keras()
recipe = load_recipe("mir2019-inception_v3")
network = build_network(recipe, classes=2, weights="none")
convolutions = [
    layer for layer in network.layers if hasattr(layer, "kernel_size")
]
wide = next(x for x in convolutions if x.kernel_size == (5, 5))
cut = next(x for x in convolutions if x.filters == wide.kernel.shape[2])
side, maps = cut.input.shape[1], cut.input.shape[3]
row = next(x for x in convolutions if x.kernel_size == (1, 7))
small, through = row.input.shape[1], row.kernel.shape[2]

# %%
import pandas as pd

few, many = cut.filters, wide.filters
stacks = {
    "5x5": ((side, maps), [(many, 5)]),
    "1x1, then 5x5": ((side, maps), [(few, 1), (many, 5)]),
    "7x7": ((small, through), [(through, 7)]),
    "1x7, then 7x1": (
        (small, through),
        [(through, (1, 7)), (through, (7, 1))],
    ),
}

# %%
rows = []
for name, ((sides, channels), stack) in stacks.items():
    model = keras.Sequential([keras.Input((sides, sides, channels))])
    for width, window in stack:
        model.add(keras.layers.Conv2D(width, window, padding="same"))
    widths = " to ".join(str(n) for n in (channels, *(w for w, _ in stack)))
    cost = round(count_flops(model) / 1e6)
    rows.append((name, widths, model.count_params(), cost))
names = ["windows", "channels", "parameters", "MFLOP"]
saving = pd.DataFrame(rows, columns=names).set_index("windows")
style(saving.reset_index(), "What cutting channels and splitting saves.")

# %% tags=["hide-input"]
flops = saving.MFLOP
say(
    f"Cutting {maps} channels to {few} before the 5x5 window saves "
    f"{1 - flops['1x1, then 5x5'] / flops['5x5']:.0%} of the operations; splitting the 7x7 window "
    f"into a row and a column saves {1 - flops['1x7, then 7x1'] / flops['7x7']:.0%}."
)

# %%
show(
    plot_network(network),
    caption="Inception-v3 with the auxiliary classifier, drawn from the network itself.",
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
style(stage_table(network), "Stages of Inception-v3 at the recipe's input.")

# %% tags=["hide-input"]
system = describe_system(recipe)
classes = recipe.literature["classes"]
same = "the same" if system["literature_agrees"] else "another number"
sees, step = receptive_field(network)["mixed10"]
say(
    f"With {classes:,} classes and no auxiliary classifier the literature counts "
    f"**{system['literature_parameters']:,}** parameters, and we count {same}; with two classes "
    f"and the auxiliary classifier there are {system['parameters']:,}. Along its widest windows a "
    f"value of the last maps can depend on a square of {sees:,} pixels, far more than the "
    f"{system['input']} of the image, and the next one lies {step} further. One image costs "
    f"{system['flops'] / 1e9:.1f} billion operations, and a step of {system['batch']} images "
    f"needs about {system['memory'] / 2**30:.1f} GiB."
)

# %% [markdown]
# The count of the literature is that of Keras {cite:p}`chollet2015keras`, which ships the network
# without an auxiliary classifier.
#
# ## The auxiliary classifier of the report
#
# The report spells it out line by line. We attach it where Inception-v3 has its own, before the
# maps are halved for the last time, and put its lines beside what comes out.

# %%
said = recipe.published["auxiliary"]
beside = [
    (row.name, said[row.name], show_shape(row.output), row.parameters)
    for row in layer_rows(network)
    if row.name in said
]
names = ["layer", "in the report", "output here", "parameters"]
style(pd.DataFrame(beside, columns=names), "The auxiliary classifier.")

# %% [markdown]
# One number differs, the size behind the pool. A 5x5 window with {term}`stride` 3 over maps of side $n$
# and no {term}`padding` gives maps of side
#
# $$o = \left\lfloor \frac{n - 5}{3} \right\rfloor + 1,$$ (eq-auxiliary-side)
#
# and a pool leaves the number of maps alone. GoogLeNet's auxiliary classifier sits on maps of 14x14x512 {cite:p}`szegedy2015going`.

# %% tags=["hide-input"]
source = network.get_layer("auxiliary_pool").input.shape[1:]
side = recipe.literature["googlenet_side"]
ours, theirs = ((n - 5) // 3 + 1 for n in (source[0], side))
say(
    f"That gives {theirs}x{theirs}x512, the report's number. The maps of Inception-v3 at this "
    f"place are {show_shape(source)}, which gives {ours}x{ours}x{source[2]}. The text describes "
    f"the auxiliary classifier of GoogLeNet, under the name of Inception-v3."
)

# %% [markdown]
# A window that is larger than its map fits nowhere, so the auxiliary classifier also sets the smallest
# input. We measure the maps below it, without it, at the {term}`recipe`'s minimum and one pixel below.

# %%
bare = load_recipe(f"{recipe.name}.without-auxiliary")
least = recipe.architecture.minimum_input
for pixels in (least, least - 1):
    plain = build_network(bare, classes=2, input_size=pixels, weights="none")
    found = show_shape(plain.get_layer("mixed7").output.shape[1:])
    print(f"An input of {pixels} px gives maps of {found}.")
try:
    build_network(recipe, classes=2, input_size=least - 1, weights="none")
except RecipeError as error:
    print(error)

# %% [markdown]
# While the network learns, the auxiliary classifier's {term}`loss` is added with a small weight, so that the
# middle layers get slopes from nearby. For new images it is taken off, here as in the report.

# %% tags=["hide-input"]
kept = inference_model(network)
off = network.count_params() - kept.count_params()
weight = recipe.architecture.settings["auxiliary_weight"]
say(
    f"The side loss is multiplied by {weight}. In training the network has {len(network.outputs)} "
    f"outputs and {network.count_params():,} parameters, afterwards {len(kept.outputs)} output and "
    f"{kept.count_params():,}: {off:,} of them, {off / network.count_params():.0%}, only helped "
    f"to learn."
)

# %% [markdown]
# The report says that the side output regularises, and so avoids {term}`overfitting`. The paper of
# Inception-v3 argues for a {term}`regulariser` too, and found no faster start from it
# {cite:p}`szegedy2016rethinking`; *avoids* is too strong. Whether it helps on these images,
# `alllib train mir2019-inception_v3.without-auxiliary --data cnmc2019` would show beside the run
# with it.
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
# The same data, {term}`crop`, {term}`augmentation` and {term}`optimiser` as for the report's own network, and the side
# loss. Curves and scores are those of the main output. Cells of one {term}`subject group`
# never stand in two parts, unless `protocol` asks for the report's split.

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
    figures.plot_history({"Inception-v3": record.history}),
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
    "Metrics of Inception-v3 on the scored part, beside classifiers without a network.",
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
# :label: inception-split
# The last stage splits 3x3 windows into 1x3 and 3x1. What share of the parameters does that save,
# with equal channels throughout and {term}`biases <bias>` apart, and what does it save for $n \times n$?
# ```
#
# ```{solution} inception-split
# :class: dropdown
# $2n$ in place of $n^2$ weights saves $1 - 2/n$: a third for $n = 3$, and five sevenths for
# $n = 7$. (Inception-v3 lays the row and the column side by side there, not one behind the other;
# the count is the same.)
# ```
#
# ```{exercise}
# :label: inception-cut
# Up to how many channels may the 1x1 convolution before the 5x5 window keep, so that the two
# together still have fewer parameters than the 5x5 window alone? Use `maps`, `few` and `many`.
# ```
#
# ```{solution-start} inception-cut
# :class: dropdown
# ```
#
# Count both with their biases, check the counts against the table above, and try every number of
# channels.


# %% tags=["solution"]
def count_cut(kept):
    """Parameters of a 1x1 convolution to `kept` channels and a 5x5 one."""
    return (maps + 1) * kept + (5 * 5 * kept + 1) * many


direct = (5 * 5 * maps + 1) * many
assert direct == saving.parameters["5x5"]
assert count_cut(few) == saving.parameters["1x1, then 5x5"]
most = max(kept for kept in range(1, maps + 1) if count_cut(kept) < direct)
assert few <= most and count_cut(most + 1) >= direct
say(f"Up to {most} of {maps} channels it saves; the network keeps {few}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("inception_v3")

# %% [markdown]
# ## Summary
#
# - Several windows side by side spare the choice of one; 1x1 convolutions pay for them.
# - The report's auxiliary classifier is GoogLeNet's; on Inception-v3 its sizes are others.
# - An auxiliary classifier sets the smallest input while training, and is gone afterwards.
#
# **Next**: [the network that the report proposed](proposed_model.ipynb).
