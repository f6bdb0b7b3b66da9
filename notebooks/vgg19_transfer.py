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
# # VGG19 with borrowed features
#
# *Can a network that learned to tell dogs from cars tell {term}`blasts <blast>` from healthy cells,
# and can 99 % be true?* We freeze VGG19, train a small {term}`head` on its {term}`features <feature>`, and hold the
# paper's layer table and confusion matrix against themselves: the network agrees, three numbers of
# the table are misprints, and the matrix cannot come from the test sets that its total points to.
#
# :::{admonition} Before you start
# **You will learn** what {term}`transfer learning` is, why features of a frozen {term}`backbone`
# are computed once, and how to check a layer table and a confusion matrix by adding them up.
# **You need** [the split](splitting.ipynb) and [VGG16](vgg16.ipynb). With the values below no GPU
# is needed, and the last line of the page says how long it ran; the paper's own setting
# (`alllib run vgg19_transfer --preset paper`) wants one. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
protocol = "honest"  # split: honest, published, or a name
input_size = 64  # side of the input in pixels; 0: the recipe's
epochs = 20  # passes over the features; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
weights = "none"  # initial weights: none, or imagenet (Keras downloads them)
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# Training a deep network needs more images than a hospital has. *Transfer learning* takes one that
# was trained on other images, here the million photographs of {term}`ImageNet`, cuts off its last layers
# and puts a new *head* in their place. The {term}`convolutions <convolution>`, the *backbone*, are *frozen*: their
# weights stay as they are, and only the head learns. That helps as far as edges, spots and textures
# of photographs are also those of cells.
#
# The paper {cite:p}`garg2021transfer` takes VGG19, sixteen convolutions of 3x3 in five {term}`blocks <block>`
# {cite:p}`simonyan2015vgg`, and a head of one {term}`dense layer`, {term}`dropout` and two {term}`softmax` units.

# %%
import numpy as np
import pandas as pd
from alllib import comparison, figures
from alllib.architectures import build_network, feature_layer
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network
from alllib.downloads import official_files, prepare_data
from alllib.figures import say, show

# %%
from alllib.images import read_image
from alllib.layers import layer_rows
from alllib.pictures import scale_images
from alllib.pools import choose_pools
from alllib.prediction import load_run
from alllib.recipes import load_recipe, split_by_recipe
from alllib.result_rows import network_rows
from alllib.splits import require_subjects
from alllib.store import open_store
from alllib.systems import compare_layers, describe_system, tell_cost
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
recipe = load_recipe("garg2021-vgg19")
network = build_network(recipe, classes=2, weights="none")
show(
    plot_network(network),
    caption="VGG19 with a new head, drawn from the network itself.",
    alt=describe_network(network),
)

# %% [markdown]
# The paper gives the layers, and the count of what is trained tells what is frozen; the rest is our reading.

# %%
style(
    comparison.choice_table(recipe),
    "What the paper leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Layer by layer
#
# The paper prints its layer table. Rows whose number of parameters cannot be right are marked as
# misprints; nothing else of them differs.

# %%
layers = compare_layers(network, recipe)
assert (layers.agrees | layers.misprint).all()
marks = {True: "yes", False: "no"}
shown = layers.assign(
    agrees=layers.agrees.map(marks),
    misprint=layers.misprint.map({True: "misprint", False: ""}),
)
style(
    shown.drop(columns="our layer"),
    "Layer table of the paper beside the network built here.",
)

# %%
wrong = layers[layers.misprint]
pair = ["published parameters", "our parameters"]
slips = wrong.groupby(pair).size().rename("rows").reset_index()
for printed, ours, _ in slips.itertuples(index=False):
    digits = zip(str(ours), str(printed), strict=True)
    assert [both for both in digits if len({*both}) > 1] == [("0", "8")]
style(slips, "Numbers of the paper's table that are misprints.")

# %% tags=["hide-input"]
system = describe_system(recipe)
printed = layers["published parameters"].sum()
total = recipe.published["parameters"]
gap = (wrong[pair[0]] - wrong[pair[1]]).sum()
known = "the same" if system["literature_agrees"] else "another number"
say(
    f"{len(slips)} misprints fill {len(wrong)} of {len(layers)} rows; in each a digit 0 became "
    f"an 8. The printed rows add up to {printed:,}, which is {printed - total:,} more than the "
    f"printed total of {total:,}, and the misprints explain {gap:,} of these. Ours has "
    f"**{system['parameters']:,}** parameters, of which **{system['trainable']:,}** are trained; "
    f"the paper's totals are {recipe.published['parameters']:,} and "
    f"{recipe.published['trainable']:,}. With its own head of {recipe.literature['classes']:,} "
    f"classes VGG19 is known to have {system['literature_parameters']:,}, and we count {known}."
)

# %% [markdown]
# Keras adds the rows up itself, so they cannot have disagreed with their total on the screen; the
# digits changed on the way to the page. The network behind the table is the one above.
#
# ## Features, computed once
#
# A frozen backbone gives the same features for the same image in every {term}`epoch`. Without
# {term}`augmentation` they are computed once and kept, and the head trains on them.

# %% tags=["hide-input"]
flops = {
    name: sum(
        row.flops
        for row in layer_rows(network)
        if (row.name[:5] == "block") == inside
    )
    for name, inside in (("backbone", True), ("head", False))
}
asked = recipe.training.epochs
say(
    f"Of the operations for one image, {flops['backbone'] / sum(flops.values()):.2%} are the "
    f"backbone's. In {asked} epochs each image would pass it {asked} times; now it does once, which "
    f"saves **{asked - 1} of {asked} passes**."
)

# %% tags=["hide-input"]
say(tell_cost(recipe, network, "block5_pool"))

# %% [markdown]
# ## On the real images
#
# Runs that take longer than a build of this book are recorded beside it. Their scale stands in
# their row; one at a small input, for few epochs, from random weights says little of the source.

# %%
recorded = comparison.recorded_runs(recipe.name)
kept = "Recorded runs." if recorded else "There is no recorded run here."
rows = network_rows(choose_pools(recorded))
style(pooled_table(rows).reindex(columns=[*OUTCOME, *SCALE[3:]]), kept)

# %% [markdown]
# ## Training
#
# Only the head is trained. Cells of one {term}`subject group` never stand in two parts,
# unless `protocol` asks for the paper's split by image.

# %%
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
split = split_by_recipe(recipe, cells, protocol, seed=seed)
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    batch=batch or None,
    weights=weights,
    precision=precision,
    seed=run_seed,
)
record = train_recipe(recipe, split, settings=settings)

# %% tags=["hide-input"]
seen = len(split.part("train")) + len(split.part("validation"))
done = record.run["epochs"]
say(
    comparison.tell_run(record)
    + f" The {seen:,} images of the training and validation part passed the backbone {seen:,} "
    f"times instead of {seen * done:,}."
)

# %%
show(
    figures.plot_history({"VGG19": record.history}),
    caption="Loss and accuracy by epoch.",
    alt=comparison.tell_history(record),
)

# %% [markdown]
# How strong are the features that the head has to work with? We pass some images through the
# backbone and compare the spread of the values that enter with that of the values that leave.

# %%
keras = load_keras()
trained = load_run(record.path).model
end = trained.get_layer(feature_layer(recipe)).output
backbone = keras.Model(trained.inputs[0], end)
run = record.run["parameters"]
store = open_store(split.cells, size=run["input_size"])
some = split.part("train").image[:32]
entering = scale_images(store.images[store.rows(some)], run["scale"])
leaving = keras.ops.convert_to_numpy(backbone(entering))

# %% tags=["hide-input"]
ratio = float(leaving.std() / entering.std())
size = f"The spread of the features is {ratio:.1g} times that of the pixels. "
say(
    size
    + (
        "**Nothing was transferred in this run**: without ImageNet weights the frozen backbone "
        "holds random numbers. Random filters do respond to a cell, but each layer weakens the "
        "response, and on weak features a head that learns in small steps hardly moves. The scores "
        "below are those of random features, not of transfer learning."
        if weights == "none"
        else "The backbone holds ImageNet weights, so this is transfer learning."
    )
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
    "Metrics of VGG19 on the scored part, beside classifiers without a network.",
)

# %%
scores = record.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the scored part.",
    alt=comparison.tell_confusion(record),
)

# %% tags=["hide-input"]
area = scores["metrics"]["auroc"]["value"]
answers = np.sum(scores["confusion"], axis=0)
say(
    f"Every image is called {scores['classes'][answers.argmax()]}, and yet the AUC is {area:.3f}: the area asks only whether "
    f"images of the two classes are *ordered* rightly, and not on which side of one half their "
    f"probabilities lie. Even weak features can order cells."
    if np.count_nonzero(answers) == 1
    else f"Both classes are answered; the AUC, which asks only for the order, is {area:.3f}."
)

# %% [markdown]
# ## Where it is wrong
#
# The errors that it was surest of.

# %%
errors = comparison.surest_errors(record, cells)
titles = [
    f"{row.label} called {row.predicted}" for row in errors.itertuples()
]
if len(errors):
    show(
        figures.plot_montage(
            [read_image(path) for path in errors.path], titles
        ),
        caption=f"The {len(errors)} errors that it was surest of.",
        alt="Nuclei: " + "; ".join(titles) + ".",
    )

# %% [markdown]
# ## What the paper says, and how this run differs

# %%
style(
    comparison.deviation_table(record),
    "Settings of the recipe and of this run.",
)

# %% tags=["hide-input"]
say(comparison.tell_result(record))

# %% [markdown]
# ## Where can the published matrix come from?
#
# The paper names three parts and does not say which of them its confusion matrix is of. The
# official list of files says how many images of each class there are.

# %%
official = official_files().fillna({"class": "not published"})
phases = {"train": "training", "test_prelim": "preliminary test"}
phases["test_final"] = "final test"
held = pd.crosstab(official.phase.map(phases), official["class"])
held = held.loc[list(phases.values())].rename(columns=str.upper)
matrix = recipe.published["confusion"]
held.loc["published matrix"] = [*map(sum, matrix), 0]
held["all images"] = held.sum(axis=1)
style(
    held.rename_axis("images").reset_index(),
    "Images by class: official list, and rows of the published matrix.",
)

# %% tags=["hide-input"]
sizes = held["all images"]
both = sizes["preliminary test"] + sizes["final test"]
n = sizes["published matrix"]
right = sum(matrix[k][k] for k in range(2)) / n
labelled = held.loc["preliminary test"]
say(
    f"The matrix gives an accuracy of {right:.2%}, as printed. It holds **{n:,}** images, "
    f"{'exactly' if n == both else 'not'} the {sizes['preliminary test']:,} and "
    f"{sizes['final test']:,} of the two official test sets together. But the first holds "
    f"{labelled['ALL']:,} ALL and {labelled['HEM']:,} HEM, and the labels of the second were never "
    f"published, so nobody outside could have counted who was right there. Nor are "
    f"{held.loc['published matrix', 'ALL']:,} and {held.loc['published matrix', 'HEM']:,} the "
    f"shares of any part: in training {held.loc['training', 'HEM'] / sizes['training']:.0%} are HEM."
)

# %% [markdown]
# Two classes that are equal to one image are what a balanced copy of the data gives, in which the
# smaller class is filled up by repeating its images. If that is done *before* the split, copies of
# one image stand on both sides, and recognising them counts as success. The paper does not describe
# it, so this is a guess at how the numbers came about; what is certain is that they are not those
# of unseen patients with known labels. The paper is the work of a school student, who printed
# enough to be checked.
#
# ## Variants

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
# *Fine-tuned* starts from ImageNet and trains the backbone too; *scratch* starts from random
# numbers. The three side by side, on the same split, tell what the borrowed features are worth.
#
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: vgg19-head
# How many parameters does the head have at the paper's input, and how many at an input of 64
# pixels?
# ```
#
# ```{solution} vgg19-head
# :class: dropdown
# Five pools divide the side by 32: 7 pixels, or 2. The dense layer has $(7 \cdot 7 \cdot 512 + 1)
# \cdot 256$ parameters, those of the layer table, or $(2 \cdot 2 \cdot 512 + 1) \cdot 256 = 524544$ parameters, the output
# $(256 + 1) \cdot 2 = 514$.
# ```
#
# ```{exercise}
# :label: vgg19-kept
# Show on a few images that nothing is lost when features are kept: feed `leaving`, the features
# that the backbone gave above, to the layers of the head, and compare with what the whole network
# `trained` answers to the images themselves.
# ```
#
# ```{solution-start} vgg19-kept
# :class: dropdown
# ```
#
# The head is every layer behind the feature layer.

# %% tags=["solution"]
names = [layer.name for layer in trained.layers]
values = leaving[:4]
for layer in trained.layers[names.index(feature_layer(recipe)) + 1 :]:
    values = layer(values)  # dropout is off outside training
by_parts = keras.ops.convert_to_numpy(values)
at_once = keras.ops.convert_to_numpy(trained(entering[:4], training=False))
limit = 1e-3 if precision == "float32" else 1e-2
assert np.allclose(by_parts, at_once, atol=limit)
say(f"They differ by at most {np.abs(by_parts - at_once).max():.0e}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("vgg19_transfer")

# %% [markdown]
# ## Summary
#
# - Transfer learning keeps a trained backbone and learns a head; without trained weights there is
#   nothing to transfer.
# - Features of a frozen backbone are computed once.
# - Adding up a printed table finds misprints; adding up a confusion matrix tells which images it
#   can and cannot be of.
#
# **Next**: [DenseNet-201](densenet201_subtypes.ipynb) tells four classes apart.
