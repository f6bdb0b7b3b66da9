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
# # What each layer shows
#
# *Can we see what a trained network looks at?* We draw the maps of its layers as the report did,
# measure how many of them are silent, and ask with {term}`Grad-CAM` where in a picture a score
# comes from. For each picture an untrained network is asked too.
#
# :::{admonition} Before you start
# **You will learn** to read maps and {term}`filters <filter>`, to measure a {term}`claim` about them, what Grad-CAM
# computes, and what it cannot tell.
# **You need** [the two-by-two network](two_by_two_cnn.ipynb). No GPU is needed with the values
# below, and the last line of the page says how long it ran. **Reading time**: about fifteen
# minutes.
# :::

# %% tags=["parameters"]
recipe_name = "unnithan2021-2x2"  # recipe of the network
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
input_size = 64  # side of the input in pixels; 0: the recipe's
epochs = 6  # passes over the images; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## A network to look into
#
# We train under the split by {term}`subject group` and load the network back from the
# {term}`record` of its run, in Keras's safe mode, which runs no code that a file might hold.

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

# %%
from alllib import activations, comparison, figures
from alllib.architectures import build_network, inference_model
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.layers import receptive_field
from alllib.pictures import scale_images
from alllib.prediction import load_run
from alllib.recipes import load_recipe, split_by_recipe
from alllib.splits import require_subjects
from alllib.store import open_store
from alllib.tables import style
from alllib.training import RunSettings, train_recipe

# %%
figures.set_style()
keras = load_keras()
recipe = load_recipe(recipe_name)
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
split = split_by_recipe(recipe, cells, seed=seed)
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    batch=batch or None,
    precision=precision,
    seed=run_seed,
)
record = train_recipe(recipe, split, settings=settings)
trained = load_run(record.path).model

# %% tags=["hide-input"]
plain = score_beside(split, record=record)[0]
say(
    f"{comparison.tell_run(record)} {comparison.tell_result(record)} Without a network, "
    f"{plain['title']}: {plain['metrics']['accuracy']['value']:.3f}."
)

# %% [markdown]
# Beside it we need the same network untrained. Built after the same seed, it has the very weights
# that the training started from.

# %%
run = record.run
size, scale = run["parameters"]["input_size"], run["parameters"]["scale"]
classes = run["classes"]
keras.utils.set_random_seed(run_seed)
untrained = inference_model(
    build_network(
        recipe,
        classes=len(classes),
        input_size=size,
        weights=run["weights"],
    )
)
store = open_store(
    split.cells, size=size, crop=run["parameters"]["crop"] or None
)

# %% [markdown]
# ## From pixels to maps
#
# One scored cell that the network is sure of and right about, and what each layer makes of it. Each
# map has its own contrast: of its values the mean is subtracted, the rest divided by the standard
# deviation.

# %%
columns = [f"p_{name}" for name in classes]
scored = record.predictions.copy()
scored["predicted"] = scored[columns].idxmax(axis=1).str.removeprefix("p_")
scored["certainty"] = scored[columns].max(axis=1)
scored = scored.sort_values("certainty", ascending=False)
right = scored[scored.predicted == scored.label]
chosen = (right if len(right) else scored).head(1)
raw = store.images[store.rows(chosen.image)]
maps = activations.layer_activations(trained, scale_images(raw, scale))

# %%
grids = {f"input: {chosen.label.iloc[0]}": raw[0]}
grids |= {
    f"{name}: {found.shape[3]} maps of {found.shape[1]} px": (
        activations.display_grid(found[0], columns=8)
    )
    for name, found in maps.items()
}
show(
    figures.plot_grids(grids, columns=4, side=2.1),
    caption=f"Image {chosen.image.iloc[0]} and the maps of each layer.",
    alt="One cell, then for each layer all its maps as grey tiles: "
    + "; ".join(list(grids)[1:])
    + ".",
)

# %% tags=["hide-input"]
still = {
    name: int((np.ptp(found[0], axis=(0, 1)) == 0).sum())
    for name, found in maps.items()
}
some = {name: count for name, count in still.items() if count}
say(
    "Early maps repeat the cell as a surface, a hole or a piece of its edge; later ones are coarser. "
    + (
        "Even grey tiles are maps that are constant on this image: "
        + ", ".join(f"{count} of `{name}`" for name, count in some.items())
        + "."
        if some
        else "On this image no map is constant."
    )
)

# %% [markdown]
# ### Two faults of the report's listing
#
# The report prints the code that drew its pictures (its figure 21) {cite:p}`mir2019report`. It
# takes the outputs from the second layer on, `encoded.layers[1:]`, but the names from the first,
# `encoded.layers`, and joins the two by `zip`. So each picture bears the name of the layer before.
# On our network that would be:

# %%
outputs = trained.layers[1:]
names = [layer.name for layer in trained.layers]
pairs = list(zip(names, outputs, strict=False))
wrong_titles = pd.DataFrame(
    [(layer.name, title) for title, layer in pairs],
    columns=["maps made by", "title in the listing"],
)
assert (wrong_titles.iloc[:, 0] != wrong_titles.iloc[:, 1]).all()
drawn = [len(layer.output.shape) == 4 for _, layer in pairs]
style(wrong_titles[drawn], "Titles that the report's code gives.")

# %% [markdown]
# It makes grey levels of a map $a$ with mean $\bar a$ and standard deviation $s_a$ by
#
# $$g = \min\Bigl(255,\; \max\Bigl(0,\; 64\, \frac{a - \bar a}{s_a} + 128\Bigr)\Bigr).$$ (eq-grey-levels)
#
# The deviation is 0 for a constant map, such as a silent one. The quotient is not a number, and what its pixels become is left to the machine. Our
# `display_grid` shows such a map in even grey.

# %% [markdown]
# ## The first filters
#
# The filters of the first {term}`convolution` can be looked at directly, as each has a weight for red, green
# and blue. How far did training move them?

# %%
kinds = keras.layers.Conv2D
found = [layer.name for layer in trained.layers if isinstance(layer, kinds)]
first, last = found[0], found[-1]
kernels = {
    "before training": activations.filters(untrained, first),
    "after training": activations.filters(trained, first),
}

# %%
before, after = kernels.values()
moved = np.linalg.norm(after - before) / np.linalg.norm(before)
alike = np.corrcoef(before.ravel(), after.ravel())[0, 1]
show(
    figures.plot_filters(kernels),
    caption=f"Filters of {first}, each on its own scale.",
    alt=f"{after.shape[3]} filters of {after.shape[0]} by {after.shape[1]} "
    f"pixels twice; correlation of their weights {alike:.2f}.",
)

# %% tags=["hide-input"]
say(
    f"Training moved the weights by {moved:.0%} of their length; before and after correlate with "
    f"{alike:.3f}. "
    + (
        "What the picture shows is mostly the dice of the start. A pattern seen in such filters is "
        "no proof that the network learned it."
        if alike > 0.7
        else "The filters are no longer those of the start."
    )
)

# %% [markdown]
# ## Silent maps
#
# According to the report, ever fewer of the {term}`features <feature>` respond further down, and most values are zero
# there. That can be counted. On some scored images: the share of all values that are
# zero; of maps that are zero all over an image; and of maps that are so on every image.

# %%
few = scored.sample(min(16, len(scored)), random_state=run_seed)
pictures = scale_images(store.images[store.rows(few.image)], scale)
rows = []
for state, network in (("trained", trained), ("untrained", untrained)):
    for name, found in activations.layer_activations(
        network, pictures
    ).items():
        silent = (found == 0).all(axis=(1, 2))
        rows.append((state, name, (found == 0).mean(), silent.mean()))
        rows[-1] += (silent.all(axis=0).mean(),)

# %% [markdown]
# The hidden {term}`dense layers <dense layer>` have no maps but single values; a value that is zero is a silent unit.

# %%
for state, network in (("trained", trained), ("untrained", untrained)):
    dense = [x for x in network.layers if isinstance(x, keras.layers.Dense)]
    for layer in dense[:-1]:
        part = keras.Model(network.input, layer.output)
        found = keras.ops.convert_to_numpy(part(pictures, training=False))
        zero = found == 0
        never = zero.all(axis=0).mean()
        rows.append((state, layer.name, zero.mean(), zero.mean(), never))

# %%
names = ["network", "layer", "zeros", "silent", "silent on all"]
silence = pd.DataFrame(rows, columns=names)
beside = silence.pivot(index="layer", columns="network")
beside = beside.loc[silence.layer.unique()]
beside.columns = [f"{what}, {state}" for what, state in beside.columns]
style(
    beside.reset_index(),
    f"Share of zeros, and of silent maps or units, on {len(few)} images.",
)

# %%
figure, axes = plt.subplots(
    1, 2, figsize=(8.5, 3), sharey=True, layout="constrained"
)
axes[0].set(ylim=(0, 1), ylabel="share")
titles = {"zeros": "zero values", "silent": "silent maps (last: units)"}
for axis, (what, title) in zip(axes, titles.items(), strict=True):
    for state, mark in (("trained", "o-"), ("untrained", "s--")):
        share = beside[f"{what}, {state}"]
        axis.plot(share.index, share, mark, label=state)
    axis.tick_params(axis="x", rotation=40)
    axis.set_title(title)
    axis.legend(frameon=False)

# %%
told = [
    f"{name} {row['zeros, trained']:.2f} and {row['silent, trained']:.2f}"
    for name, row in beside.iterrows()
]
show(
    figure,
    caption="Share of zero values, and of silent maps, by depth.",
    alt="Zeros and silent maps of the trained network: "
    + ", ".join(told)
    + ".",
)

# %% tags=["hide-input"]
deep = beside.loc[[name for name in beside.index if "conv" in name]]
share, start = deep["silent, trained"], deep["silent, untrained"]
black = 1 - (pictures > pictures.min()).any(axis=3).mean()
say(
    f"From `{share.index[0]}` to `{share.index[-1]}` the share of silent maps goes from "
    f"{share.iloc[0]:.0%} to {share.iloc[-1]:.0%} in the trained network, and from {start.iloc[0]:.0%} "
    f"to {start.iloc[-1]:.0%} in the untrained one; that of zero values goes from "
    f"{deep['zeros, trained'].iloc[0]:.0%} to {deep['zeros, trained'].iloc[-1]:.0%} and from "
    f"{deep['zeros, untrained'].iloc[0]:.0%} to {deep['zeros, untrained'].iloc[-1]:.0%}. "
    + (
        "So fewer maps are active further down, as the report says. "
        if share.iloc[-1] > share.iloc[0] + 0.02
        else "So the report's sentence does not hold for the maps of this network. "
    )
)

# %% tags=["hide-input"]
say(
    (
        "Training silenced maps: before it there were fewer silent ones in each convolution. "
        if (share > start).all()
        else ""
    )
    + f"Shares of zeros are mostly a matter of the border: {black:.0%} of the pixels are black, and "
    "there an untrained convolution gives exactly zero, because its bias starts at zero."
)

# %% [markdown]
# Pools must be left out of such a comparison, as a pooled value is zero only where all four values
# below it are, and dense units too, as one value is sooner zero than a whole map. The report looked
# at another network, which is deeper and normalises its {term}`batches <batch>`: what holds here need not hold there.

# %% [markdown]
# ## Grad-CAM: where a score comes from
#
# Maps show what a layer computes and not what matters for the answer. Grad-CAM
# {cite:p}`selvaraju2017gradcam` weighs each map $A_k$ of a layer by the mean slope $a_k$ of the
# score $s$ of a class, adds up, and keeps what speaks for the class:
#
# $$a_k = \frac{1}{HW} \sum_{ij} \frac{\partial s}{\partial A_{k,ij}}, \qquad
# M = \max\Bigl(0, \sum_k a_k A_k\Bigr)$$
#
# ### A case that is known by hand
#
# Take a convolution of 1x1 pixels, the mean of each map, and a dense layer with weights $w_{kc}$. The
# score is $s_c = b_c + \sum_k w_{kc} \bar A_k$, each slope is $w_{kc} / HW$, and the map of class
# $c$ is $\max(0, \sum_k w_{kc} A_k) / HW$. Here one map is the red and one the blue of a picture;
# red speaks for the first class and blue for the second.

# %%
inputs = keras.Input((8, 8, 3))
convolution = keras.layers.Conv2D(2, 1, activation="relu", name="colours")
means = keras.layers.GlobalAveragePooling2D()(convolution(inputs))
head = keras.layers.Dense(2, activation="softmax")
small = keras.Model(inputs, head(means))
weights = np.array([[2.0, -1.0], [-0.5, 1.0]], "float32")
bias = np.array([0.1, -0.2], "float32")
pick = np.array([[1, 0], [0, 0], [0, 1]], "float32")
convolution.set_weights([pick[None, None], np.zeros(2, "float32")])
head.set_weights([weights, bias])

# %%
flag = np.zeros((8, 8, 3), "float32")
flag[1:5, 1:4, 0] = 1  # red
flag[3:7, 5:7, 2] = 1  # blue
both = flag[..., [0, 2]]  # the two maps, by hand
by_hand = np.maximum(0, np.moveaxis(both @ weights, -1, 0)) / 64
for kind in (0, 1):
    found = activations.grad_cam(small, flag[None], kind, raw=True)
    np.testing.assert_allclose(found[0], by_hand[kind], atol=1e-6)
scores = (both @ weights).sum(axis=(0, 1)) / 64 + bias
by_network = head(both.mean(axis=(0, 1))[None])
np.testing.assert_allclose(
    keras.ops.softmax(scores), by_network[0], atol=1e-6
)

# %%
heats = [activations.grad_cam(small, flag[None], kind)[0] for kind in (0, 1)]
show(
    figures.plot_montage(
        [flag, *(activations.overlay(flag, heat, alpha=1) for heat in heats)],
        ["picture", "for class 1", "for class 2"],
        columns=3,
    ),
    caption="A picture with a red and a blue patch, and the maps of a "
    "network that reads red as class 1 and blue as class 2.",
    alt="The map of class 1 lights up on the red patch alone, that of "
    "class 2 on the blue one.",
)

# %% [markdown]
# Map and calculation are equal, and here the parts add up: before the cut at zero, the sum of a
# map plus $b_c$ is the score. In a network that ends in a flattened layer, as ours does, each place
# has weights of its own, and their mean $a_k$ is a summary. There the map is a hint.
#
# ### Where does a map lie?
#
# A small map is usually stretched over the whole picture. That is right where convolutions are
# padded. Those of this network are not: its outermost positions look at places well inside the
# picture, and a stretched map lies too far out. `grad_cam` puts each value where its window is.

# %%
_, step = receptive_field(trained)[last]

# %% tags=["hide-input"]
positions = trained.get_layer(last).output.shape[1]
say(
    f"The {positions} positions of `{last}` are {step} pixels apart and span {positions * step} of "
    f"{size} pixels; stretched over all of them, each spot would lie "
    f"{size / (positions * step):.2f} times as far from the centre as it should."
)

# %% [markdown]
# ### Right and wrong cases
#
# The three cells that the network was surest of and right about, and the three that it was surest of
# and wrong about. Each map is that of the class which the network chose, at the last convolution.

# %%
wrong = comparison.surest_errors(record, cells, count=3)
cases = pd.concat([right.head(3), wrong])
raw = store.images[store.rows(cases.image)]
inputs = scale_images(raw, scale)
heats = activations.grad_cam(trained, inputs, layer=last)
titles = [f"{c.label} called {c.predicted}" for c in cases.itertuples()]
covered = [
    activations.overlay(*pair) for pair in zip(raw, heats, strict=True)
]

# %%
show(
    figures.plot_montage(
        [*raw, *covered],
        titles + [f"{sure:.2f}" for sure in cases.certainty],
        columns=len(cases),
    ),
    caption="Cells, and below each what spoke for the predicted class "
    "(bright: most), with its probability.",
    alt="Cells with heat maps: " + "; ".join(titles) + ".",
)

# %%
many = scored.sample(min(64, len(scored)), random_state=run_seed)
raw = store.images[store.rows(many.image)]
shown = scale_images(raw, scale)
heats = activations.grad_cam(trained, shown, layer=last)
nucleus = raw.any(axis=3)  # around it the images are black
blank = heats.max(axis=(1, 2)) == 0
heat = (heats * nucleus).sum() / max(heats.sum(), 1e-12)
area = nucleus[~blank].mean() if (~blank).any() else 0.0

# %% tags=["hide-input"]
ratio = heat / area if area else 0
say(
    f"On {len(many)} scored images {heat:.0%} of the heat lies where the image is not black; "
    f"that is {area:.0%} of the area. "
    + (
        "The maps point at the cell more than a blind map would. "
        if ratio > 1.2
        else "The maps point at the cell less than a blind map would. "
        if ratio < 0.8
        else "The maps point at the cell no more than a blind map would. "
    )
)

# %% tags=["hide-input"]
say(
    f"{blank.sum()} of the maps are empty: nothing at the last convolution spoke for the class "
    "that was chosen, by this measure, and the answer came about all the same."
    if blank.any()
    else "None of the maps is empty."
)

# %% [markdown]
# ### Would an untrained network show the same?
#
# A picture that looks reasonable may come from the image alone. So we ask networks with random
# weights about the same images and the same class.

# %%
probabilities = scored.loc[many.index, columns].to_numpy()
answers = probabilities.argmax(axis=1)
likeness, random_heats = [], []
for shift in range(1, 6):
    keras.utils.set_random_seed(run_seed + shift)
    fresh = build_network(
        recipe, classes=len(classes), input_size=size, weights="none"
    )
    fresh = inference_model(fresh)
    other = activations.grad_cam(fresh, shown, answers, last)
    random_heats.append(other)
    for ours, theirs in zip(heats, other, strict=True):
        if ours.std() and theirs.std():
            likeness.append(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])

# %%
clear = [k for k in np.flatnonzero(~blank) if random_heats[0][k].any()][:4]
layers = [raw[clear]]
for some in (heats, random_heats[0]):
    layers.append([activations.overlay(raw[k], some[k]) for k in clear])

# %%
if clear:
    show(
        figures.plot_montage(
            [picture for row in layers for picture in row],
            ["image"] * len(clear)
            + ["trained"] * len(clear)
            + ["random weights"] * len(clear),
            columns=len(clear),
        ),
        caption="Cells, the heat maps of the trained network, and those of "
        "one with random weights.",
        alt=f"{len(clear)} cells, each with two heat maps; see the text.",
    )

# %% tags=["hide-input"]
mean = float(np.mean(likeness)) if likeness else 0.0
much = 0.5  # a correlation that looks alike
high = np.mean(np.array(likeness) > much) if likeness else 0.0
say(
    f"Over {len(random_heats)} networks with random weights and {len(many)} images, a map of the "
    f"trained network and one of a random network correlate by {mean:.2f} on average "
    + (
        f"({len(likeness)} pairs in which neither is empty); in {high:.0%} of the pairs by more than "
        f"{much}. "
        if likeness
        else "(there are none in which neither is empty). "
    )
)

# %% tags=["hide-input"]
say(
    "On average a map of the trained network is like one of a random network: image and layout "
    "draw it more than training does."
    if mean > much
    else "So a map that looks reasonable can often be had without any training, and seeing one "
    "proves nothing."
    if high > 0.1
    else "So what these maps show is for the most part not to be had without training."
)

# %% [markdown]
# ## What such pictures cannot tell
#
# Grad-CAM shows *where* in a picture a score depends on what a layer found, and not *why*: not which
# property of the place counted, nor whether a pathologist would agree. It is coarse, since the maps
# of the layer are; it leaves out what spoke against the class; and a warm spot on the
# {term}`nucleus` is no sign that the answer is right, as the wrong cases show.
#
# :::{admonition} Not a medical device
# :class: warning
# No picture on this page explains a diagnosis, and no number says how well a patient would be
# diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: layer-activations-half
# In the small network, double all weights of the dense layer. How does the map change, raw and
# scaled to 1, and how do the probabilities?
# ```
#
# ```{solution} layer-activations-half
# :class: dropdown
# The raw map doubles and the scaled one stays, but the {term}`softmax` becomes surer. A scaled map does not
# say how strong the evidence is.
# ```
#
# ```{exercise}
# :label: layer-activations-hide
# Hide the red patch of `flag` behind black and ask the small network again. By how much does the
# logarithm of the ratio of its two probabilities fall? Show that the class maps before the cut at
# zero, added up over the patch, say the same.
# ```
#
# ```{solution-start} layer-activations-hide
# :class: dropdown
# ```
#
# The logarithm of the ratio is the difference of the two scores, and in this network a score is a
# sum over places.

# %% tags=["solution"]
hidden = flag.copy()
hidden[1:5, 1:4] = 0
answers = small(np.stack([flag, hidden]), training=False)
answers = keras.ops.convert_to_numpy(answers)
evidence = np.log(answers[:, 0] / answers[:, 1])
uncut = both @ weights / 64  # the maps of both classes
patch = (uncut[..., 0] - uncut[..., 1])[1:5, 1:4].sum()
assert np.isclose(evidence[0] - evidence[1], patch, atol=1e-4)
say(
    f"Hiding the patch takes {evidence[0] - evidence[1]:.3f}; the maps say {patch:.3f}."
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

show_quiz("layer_activations")

# %% [markdown]
# ## Summary
#
# - Names and maps must be taken from the same layers; the report's listing takes them one apart.
# - That layers fall silent with depth can be counted, beside an untrained network.
# - Grad-CAM equals a calculation by hand where the network ends in a mean, and is a hint elsewhere.
# - A heat map is worth what it shows beyond that of a network with random weights.
#
# **Next**: [what a handful of numbers scores](without_cnn.ipynb) without any network.
