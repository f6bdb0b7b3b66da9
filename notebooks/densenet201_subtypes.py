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
# # DenseNet-201 and four subtypes
#
# *What does a network of two hundred layers see that six colour numbers do not?* We train
# DenseNet-201 on the four classes of {term}`B-ALL` under a split that keeps neighbouring images
# together, and put a classifier beside it that knows nothing but the colour of the whole image: it
# goes so far that a high score on this data says little about cells.
#
# :::{admonition} Before you start
# **You will learn** how dense connections work, how images are varied while training, what to do
# when a data set names no patients, and why every result needs a simple {term}`baseline`.
# **You need** [the split](splitting.ipynb) and [ResNet-50](resnet50.ipynb). With the values below
# no GPU is needed, and the last line of the page says how long it ran; the sheet's own setting
# (`alllib run densenet201_subtypes --preset paper`) wants one. **Reading time**: about fifteen
# minutes.
# :::

# %% tags=["parameters"]
subtypes = "synthetic-subtypes"  # synthetic-subtypes, ball2021, or a folder
images = 200  # number of synthetic images
seed = 2019  # seed of the synthetic images and of the split
protocol = "honest"  # split: honest (blocks), published (image)
input_size = 32  # side of the input in pixels; 0: the recipe's
epochs = 2  # passes over the images; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
weights = "none"  # initial weights: none, or imagenet (Keras downloads them)
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# The data set B-ALL {cite:p}`aria2021ball` holds fields of blood smears of four classes: benign
# cells, and the early, pre and pro stages of B-cell {term}`leukemia` {cite:p}`ghaderzadeh2022fast`. The
# project sheet {cite:p}`ball2023densenet` tells them apart with DenseNet-201, which
# {cite:t}`huang2017densenet` built on one thought: let every layer read the maps of *all* layers
# before it, not only of the last. Nothing has to be computed twice, so each layer may add very few
# maps of its own, and the {term}`gradient` reaches the first layers directly.

# %%
import numpy as np
import pandas as pd
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.augmentation import vary_image
from alllib.baseline_runs import score_beside
from alllib.baselines import predict_forest
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network, stage_table
from alllib.downloads import prepare_data

# %%
from alllib.evaluation import score_predictions
from alllib.figures import say, show
from alllib.images import read_image
from alllib.pools import choose_pools
from alllib.recipes import (
    load_recipe,
    resolve_protocol,
    split_by_recipe,
)
from alllib.result_rows import network_rows
from alllib.systems import describe_system, tell_cost
from alllib.tables import (
    OUTCOME,
    SCALE,
    crossing_table,
    interval,
    metric_table,
    pooled_table,
    style,
)
from alllib.training import RunSettings, train_recipe

# %%
figures.set_style()
recipe = load_recipe("ball2023-densenet201")
network = build_network(recipe, classes=4, weights="none")
show(
    plot_network(network),
    caption="DenseNet-201, drawn from the network itself.",
    alt=describe_network(network),
)

# %% [markdown]
# The sheet gives the {term}`backbone`, the sizes of the {term}`head`, rate, {term}`optimiser` and {term}`epochs <epoch>`;
# {term}`batch`, split and metrics are in the
# [public code](https://github.com/sanyuktaadap/leukemia-classification). The rest is our reading.

# %%
style(
    comparison.choice_table(recipe),
    "What the sheet leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Stage by stage
#
# A table with a row for each layer would fill pages; this one has a row for each stage. The sheet
# prints no table to agree with.

# %%
style(stage_table(network), "Stages of DenseNet-201 at the recipe's input.")

# %% [markdown]
# ### Dense connections
#
# Each dense layer ends by putting its maps behind those that it read (*{term}`concatenation`*). We read the
# growth off the network.

# %%
rows = []
for block in (2, 3, 4, 5):
    joined = [
        layer
        for layer in network.layers
        if layer.name.startswith(f"conv{block}_block")
        and layer.name.endswith("_concat")
    ]
    entering, added = (tensor.shape[-1] for tensor in joined[0].input)
    leaving = joined[-1].output.shape[-1]
    rows.append((block - 1, len(joined), entering, added, leaving))
    assert leaving == entering + len(joined) * added
names = ["dense block", "layers", "maps that enter", "maps added by each"]
growth = pd.DataFrame(rows, columns=[*names, "maps that leave"])

# %%
style(growth, "Growth of the number of maps in the four dense blocks.")

# %%
system = describe_system(recipe)
known = "the same" if system["literature_agrees"] else "another number"

# %% tags=["hide-input"]
features = network.get_layer("avg_pool").output.shape[-1]
same = features == recipe.published["features"]
kinds = [type(layer).__name__ for layer in network.layers]
say(
    f"Each layer adds only {growth[names[3]].iloc[0]} maps, and the last of block "
    f"{len(growth)} reads {growth['maps that leave'].iloc[-1] - added:,}. Between blocks a "
    f"convolution halves their number. The mean of each map gives **{features:,} features**, "
    f"{'as' if same else 'unlike what'} the sheet says; two dense layers of {recipe.architecture.settings['dense'][0]} and a softmax follow "
    f"(the public code has {recipe.published['dense_in_code']}: variant `code`). "
    f"The {kinds.count('Conv2D')} convolutions, their normalisations and the head have "
    f"{system['parameters']:,} parameters. With its own "
    f"head of {recipe.literature['classes']:,} classes the literature counts "
    f"{system['literature_parameters']:,}, and we count {known}."
)

# %% [markdown]
# ## Varied images
#
# The sheet scales grey levels to the range from 0 to 1,
#
# $$x' = \frac{x}{255},$$ (eq-unit-scale)
#
# which is right for a network that starts from random weights; weights of {term}`ImageNet` expect the scaling
# that they were trained with. It changes brightness and contrast, turns and flips, without amounts; ours are in the table
# of choices. They are drawn anew for every image of every epoch.

# %%
root = prepare_data(subtypes, images=images, seed=seed)
cells = load_cells(root)
changes = ("brightness", "contrast", "rotation", "flips")
amounts = {name: getattr(recipe.augmentation, name) for name in changes}
original = read_image(cells.path.iloc[0])
varied = [
    vary_image(original, np.random.default_rng([run_seed, n]), **amounts)
    for n in range(5)
]

# %%
titles = ["original", *(f"varied, {n}" for n in range(1, 6))]
show(
    figures.plot_montage([original, *varied], titles),
    caption="One image, and five draws of its variation.",
    alt="A field of a smear, then the same field turned by a few degrees, "
    "mirrored, or changed in brightness and contrast.",
)

# %% [markdown]
# ## A split without patients
#
# B-ALL numbers its images and names no patient, so images of one patient cannot be kept together.
# But the files seem to be numbered patient by patient. The split by *{term}`blocks <block>`* cuts
# each class into contiguous runs of numbers: neighbours stay in one part, up to the edges of the
# runs. It is the nearest thing to a split by patient, and no more than that. The sheet drew image
# by image.

# %%
splits = {
    name: split_by_recipe(recipe, cells, name, seed=seed)
    for name in ("published", "honest")
}
crossing = crossing_table(splits["published"].certificate)
style(
    crossing[crossing.parts == "train and test"],
    "What stands in the training and the test part of the split by image.",
)

# %% tags=["hide-input"]
shared = {
    name: sum(
        kinds["identical images"]["images"]
        for kinds in one.certificate["crossing"].values()
    )
    for name, one in splits.items()
}
say(
    f"Images with a byte-identical twin in another part: {shared['published']} in the split by "
    f"image, {shared['honest']} in the split by blocks. The page trains on the split by "
    f"**{resolve_protocol(recipe, protocol)}**; whether patients cross it, nobody outside can say."
)

# %% [markdown]
# ## Six numbers
#
# Before a large network, a small question: how far does colour alone go? Of each image we take mean
# and deviation of red, green and blue, over the whole field, and give these six numbers to a
# {term}`random forest`. It sees no shape, no {term}`nucleus`, not even a cell.

# %%
decoded = (read_image(path) for path in cells.path)
numbers = pd.DataFrame(
    [np.r_[image.mean((0, 1)), image.std((0, 1))] for image in decoded],
    index=cells.image,
)
forests = {}
for name, one in splits.items():
    found = predict_forest(one, numbers, seed=run_seed)
    found = found[found.part == "test"].drop(columns="part")
    forest = score_predictions(found.reset_index(drop=True))
    forests[name] = forest.as_dict()["metrics"]

# %% tags=["hide-input"]
say(tell_cost(recipe, network, "relu"))

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
# The same split for the network.

# %%
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    batch=batch or None,
    weights=weights,
    precision=precision,
    seed=run_seed,
)
split = split_by_recipe(recipe, cells, protocol, seed=seed)
record = train_recipe(recipe, split, settings=settings)

# %% tags=["hide-input"]
say(comparison.tell_run(record))

# %%
show(
    figures.plot_history({"DenseNet-201": record.history}),
    caption="Loss and accuracy by epoch.",
    alt=comparison.tell_history(record),
)

# %% [markdown]
# ## What it scores
#
# {term}`Sensitivity <sensitivity>`, {term}`specificity` and {term}`precision` are means over the four classes, because none of them is
# *the* disease. The intervals resample images, for want of {term}`subjects <subject>`, and are therefore too narrow.
# A network with {term}`batch normalisation` that was trained for few steps may give one answer to
# everything: its running averages still belong to the untrained network, as
# [the proposed network](proposed_model.ipynb) shows.
#
# Beside it stands what [a handful of numbers](without_cnn.ipynb) scores on the same images: no network
# says anything without it.

# %%
style(
    metric_table([record], beside=score_beside(split, record=record)),
    "Metrics of DenseNet-201 on the scored part, beside classifiers without a network.",
)

# %%
scores = record.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the scored part: four classes.",
    alt=comparison.tell_confusion(record),
)

# %%
found = {
    "six numbers, split by image": forests["published"],
    "six numbers, split by blocks": forests["honest"],
    f"DenseNet-201, split by {record.run['protocol']}": scores["metrics"],
}
rows = [
    (name, interval(one["accuracy"]), interval(one["sensitivity"]))
    for name, one in found.items()
]
names = ["classifier", "accuracy", "mean sensitivity"]
table = pd.DataFrame(rows, columns=names)

# %%
style(table, "Six colour numbers and a forest, beside the network.")

# %% tags=["hide-input"]
by_image = record.run["protocol"] == "image"
fair = forests["published" if by_image else "honest"]["accuracy"]["value"]
ours = scores["metrics"]["accuracy"]["value"]
say(
    f"Six numbers without any shape reach **{fair:.3f}** under the split that the network was "
    f"trained on; the network reaches {ours:.3f}, "
    f"{'more' if ours > fair else 'not more'} than they. "
    + (
        "It started from random weights and saw few images for a few epochs, so it cannot stand "
        "for the method; the six numbers can stand for the data."
        if weights == "none"
        else "What counts is the distance between the two."
    )
)

# %% [markdown]
# {term}`Stain`, light and thickness of a smear differ from slide to slide, and a class that was
# prepared together shares them. The synthetic images copy this on purpose, because it was measured
# on the real ones. A score on such data shows that classes can be told apart, not that cells can.
#
# ## Where it is wrong
#
# The errors that it was surest of.

# %%
wrong = comparison.surest_errors(record, cells)
called = [f"{row.label} called {row.predicted}" for row in wrong.itertuples()]
if len(wrong):
    show(
        figures.plot_montage(
            [read_image(path) for path in wrong.path], called
        ),
        caption=f"The {len(wrong)} errors that it was surest of.",
        alt="Fields of smears: " + "; ".join(called) + ".",
    )

# %% [markdown]
# ## What the sheet says, and how this run differs

# %%
style(
    comparison.deviation_table(record),
    "Settings of the recipe and of this run.",
)

# %% tags=["hide-input"]
say(comparison.tell_result(record))

# %% [markdown]
# The sheet shows its figures as pictures; the
# [public code](https://github.com/sanyuktaadap/leukemia-classification) prints them. There the row
# called test is, digit by digit, the last row of *validation* in the log, so no score on unseen
# images is known. And they are means over *batches*: recall of each class is computed in each
# batch, where a class that the batch lacks counts as zero, and then averaged.

# %%
names = ("accuracy", "specificity", "precision", "recall", "f1")
style(
    pd.DataFrame(
        [(name, recipe.published[name]) for name in names],
        columns=["metric", "public code"],
    ).round(3),
    "Figures of the public code, means over classes and batches.",
)

# %% tags=["hide-input"]
share = cells.label.value_counts(normalize=True)
lacking = ((1 - share) ** recipe.training.batch).mean()
say(
    f"With the class shares of the images here, a class is missing from a batch of "
    f"{recipe.training.batch} with probability {lacking:.3f} on average. Counted so, a network "
    f"**without any error** would have a mean recall of about {1 - lacking:.3f}; the public code "
    f"reports {recipe.published['recall']:.3f}. The gap between its accuracy and its recall may "
    f"thus be one of counting. Metrics belong to the whole part, not to a batch; ours are."
)

# %% [markdown]
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
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: densenet-growth
# The second {term}`dense block` reads 128 maps and has 12 layers that add 32 each. How many maps leave it,
# and how many enter the third block?
# ```
#
# ```{solution} densenet-growth
# :class: dropdown
# $128 + 12 \cdot 32 = 512$ leave; the transition halves them, so 256 enter the third block.
# ```
#
# ```{exercise}
# :label: densenet-batches
# Check by drawing what a network without any error scores, when its recall is computed in each
# batch and a class that the batch lacks counts as zero. Draw many batches of
# `recipe.training.batch` labels from `cells.label`, and compare with `1 - lacking`.
# ```
#
# ```{solution-start} densenet-batches
# :class: dropdown
# ```
#
# A network without error has a recall of one for each class that the batch holds, so its mean
# recall in a batch is the share of classes that occur in it.

# %% tags=["solution"]
generator = np.random.default_rng(run_seed)
every = cells.label.unique()
recalls = []
for _ in range(5000):
    some = generator.choice(cells.label.to_numpy(), recipe.training.batch)
    recalls.append(np.isin(every, some).mean())
assert abs(np.mean(recalls) - (1 - lacking)) < 0.02
say(f"By drawing {np.mean(recalls):.3f}, by the formula {1 - lacking:.3f}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("densenet201_subtypes")

# %% [markdown]
# ## Summary
#
# - In a dense block every layer reads all earlier ones and adds a few maps.
# - Where no patients are named, blocks of neighbouring numbers are the only stand-in.
# - A baseline that cannot see shapes tells how much of a score is colour.
# - Metrics averaged over batches are not metrics of the test set.
#
# **Next**: [overfitting](overfitting.ipynb), and what can be done against it.
