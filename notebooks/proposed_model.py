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
# # The network that the report proposed
#
# *Can the report's own network be rebuilt from its layer table, and what does it score when
# people do not cross the split?* We rebuild it to the last parameter, train it under the
# report's split and under a split by {term}`subject group`, and put both beside the
# published number.
#
# :::{admonition} Before you start
# **You will learn** to read a layer table, to count parameters, to train a network with
# Keras, and to read its result with an interval.
# **You need** [the split](splitting.ipynb) and [the augmentation](augmentation.ipynb). With the
# values below no GPU is needed, and the last line of the page says how long it ran; the report's
# own setting (`alllib run proposed_model --preset paper`) wants one. **Reading time**: about
# twenty minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split by group
input_size = 32  # side of the input in pixels; 0: the recipe's
epochs = 3  # passes over the pictures; 0: the recipe's
samples = 700  # augmented pictures; 0: the recipe's
batch = 0  # images in a step; 0: the recipe's
precision = "float32"  # float32, mixed_float16, mixed_bfloat16, or auto: by the device
run_seed = 1  # seed of initial weights, dropout and order

# %% [markdown]
# ## The idea
#
# {term}`Blocks <block>` of small {term}`convolutions <convolution>`, as in VGG {cite:p}`simonyan2015vgg`, each convolution
# followed by {term}`batch normalisation` {cite:p}`ioffe2015batch`; {term}`dense layers <dense layer>` decide. The
# {term}`recipe` holds every setting, the published numbers, and what the source leaves open.

# %%
from alllib import comparison, figures
from alllib.architectures import build_network
from alllib.baseline_runs import score_beside
from alllib.baselines import measure_numbers
from alllib.datasets import load_cells
from alllib.diagrams import describe_network, plot_network
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.images import read_image
from alllib.layers import count_flops, layer_table
from alllib.pools import choose_pools
from alllib.recipes import load_recipe, split_by_recipe
from alllib.result_rows import network_rows
from alllib.splits import require_subjects
from alllib.systems import compare_layers, tell_cost
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
recipe = load_recipe("mir2019-proposed")
network = build_network(recipe, classes=2)
show(
    plot_network(network),
    caption="The proposed network, drawn from the network itself.",
    alt=describe_network(network),
)

# %%
style(
    comparison.choice_table(recipe),
    "What the report leaves open, and why it is set as it is here.",
)

# %% [markdown]
# ## Does it agree with the published layer table?
#
# The report prints the table from block 4 on. We compare output shape and parameters of each row
# with the network that was just built. The report's counter of normalisations is one ahead of its
# own parameter total, so those rows have other names here.

# %%
layers = compare_layers(network, recipe)
assert layers.agrees.all()
style(layers, "Layer table of the report beside the network built here.")

# %% tags=["hide-input"]
part = network.get_layer("model_1")
counts = recipe.architecture.settings["convolutions"]
fits = part.count_params() == recipe.published["convolutional_parameters"]
text = recipe.published["convolutions_text"]
say(
    f"All {len(layers)} rows agree. The network has **{network.count_params():,}** parameters, "
    f"the report says {recipe.published['parameters']:,}; its convolutional part has "
    f"{part.count_params():,}, {'as' if fits else 'unlike'} published. It has "
    f"{sum(counts)} convolutions, where the text says {text}."
)

# %% [markdown]
# The text counts five pools, the block diagram allows six. A table of maps cannot tell them apart:
# a network with a sixth pool and twice the input ends in the same maps. Both readings are recipes.

# %%
other = load_recipe("mir2019-proposed-300")
larger = build_network(other, classes=2)
agrees = compare_layers(larger, other).agrees.all()
cost, larger_cost = count_flops(network), count_flops(larger)

# %% tags=["hide-input"]
say(
    f"With {len(other.architecture.settings['pooled'])} pools and an input of "
    f"{other.images.input} pixels {'all' if agrees else 'not all'} rows agree too, and the "
    f"parameters are {larger.count_params():,}. One image then costs {larger_cost / 1e9:.1f} "
    f"instead of {cost / 1e9:.1f} billion operations. This page trains the network with "
    f"{len(recipe.architecture.settings['pooled'])} pools, which is what the text says."
)

# %% [markdown]
# Could the text be right about its convolutions, and the split over the blocks another one? We try
# every way to place that many, at least one in each block, and add up the parameters.

# %%
from itertools import product

filters = recipe.architecture.settings["filters"]


def count_parameters(placed):
    """Parameters of 3x3 convolutions with bias, each with a normalisation."""
    before, total = 3, 0
    for number, width in zip(placed, filters, strict=True):
        for _ in range(number):
            total += (9 * before + 1) * width + 4 * width
            before = width
    return total


# %%
assert count_parameters(counts) == part.count_params()
wanted = recipe.published["convolutional_parameters"]
ways = [
    way
    for way in product(range(1, text), repeat=len(filters))
    if sum(way) == text
]
hits = [way for way in ways if count_parameters(way) == wanted]

# %% tags=["hide-input"]
say(
    f"Of {len(ways):,} ways to place {text} convolutions, {len(hits)} give the published "
    f"{wanted:,} parameters; {', '.join(map(str, counts))} with its {sum(counts)} does."
)

# %% [markdown]
# ## What each layer sees
#
# *Sees* is the {term}`receptive field`: the side of the square of input pixels that one value can
# depend on; *step* is how far apart the squares of two neighbouring values lie.

# %%
table = layer_table(network)
convolutions = table[table.kind.isin(["Conv2D", "MaxPooling2D", "Dense"])]
style(convolutions, "Convolutions, pools and dense layers of the network.")

# %% [markdown]
# ## Where do the parameters sit?
#
# A convolution of $k \times k$ pixels from $c$ to $f$ {term}`channels <channel>` has $(k^2 c + 1) f$ parameters;
# a dense layer from $n$ to $m$ values has $(n + 1) m$.

# %%
dense = [layer for layer in network.layers if layer.name.startswith("dense")]
shares = {
    layer.name: layer.count_params() / network.count_params()
    for layer in dense
}
channels, kernel = 3, 3
first = (kernel**2 * channels + 1) * filters[0]
assert part.get_layer("block1_conv1").count_params() == first
values, units = network.get_layer("flatten_1").output.shape[1], dense[0].units
assert dense[0].count_params() == (values + 1) * units

# %% tags=["hide-input"]
say(
    f"The first dense layer alone holds **{shares['dense_1']:.0%}** of all parameters; the "
    f"{sum(counts)} convolutions hold {part.count_params() / network.count_params():.0%}. The "
    f"report calls the network computationally efficient; in memory it is not."
)

# %% tags=["hide-input"]
say(tell_cost(recipe, network, "model_1/block6_pool1"))

# %% [markdown]
# ## On the real images
#
# Runs that take longer than a build of this book are recorded beside it. Their scale stands in
# their row; one at a small input, for few {term}`epochs <epoch>`, from random weights says little of the source.

# %%
recorded = comparison.recorded_runs(recipe.name, other.name)
kept = "Recorded runs." if recorded else "There is no recorded run here."
rows = network_rows(choose_pools(recorded))
style(pooled_table(rows).reindex(columns=[*OUTCOME, *SCALE[3:]]), kept)

# %% [markdown]
# ## Training, three times
#
# Same network, same settings, two splits. Under the report's split the {term}`checkpoint` is chosen
# on the very images that are then reported; under the split by subject group a third part
# waits untouched. The reading with six pools is trained under that split too.

# %%
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
settings = RunSettings(
    input_size=input_size or None,
    epochs=epochs or None,
    samples=samples or None,
    batch=batch or None,
    precision=precision,
    seed=run_seed,
)
records, splits = {}, {}
for protocol in (recipe.data.published_protocol, recipe.data.honest_protocol):
    splits[protocol] = split = split_by_recipe(
        recipe, cells, protocol, seed=seed
    )
    records[protocol] = train_recipe(recipe, split, settings=settings)

# %%
honest = records[recipe.data.honest_protocol]
records["group, six pools"] = train_recipe(other, split, settings=settings)

# %% tags=["hide-input"]
size = honest.run["parameters"]["input_size"]
steps = honest.run["epochs"] * -(
    -honest.run["pictures"] // honest.run["parameters"]["batch"]
)
full = recipe.training.epochs * -(
    -recipe.augmentation.samples // recipe.training.batch
)
say(
    f"{comparison.tell_run(honest)} The recipe asks for {full:,} steps at {recipe.images.input} "
    "pixels. The other runs took as many."
)

# %%
show(
    figures.plot_history(
        {f"split by {name}": r.history for name, r in records.items()}
    ),
    caption="Loss and accuracy by epoch.",
    alt=" ".join(
        f"Split by {name}: {comparison.tell_history(record)}"
        for name, record in records.items()
    ),
)

# %% [markdown]
# ## What it scores
#
# Metrics come with a 95 % interval from resampling subject groups, because cells of one
# {term}`subject` are not independent. Where a part holds a single group of a class, or all draws agree,
# there is none. {term}`ALL` is the positive class.
#
# Beside it stands what [a handful of numbers](without_cnn.ipynb) scores on the same images: no network
# says anything without it.

# %%
by_image, *by_group = records.values()
numbers = measure_numbers(cells)
beside = score_beside(
    splits[by_image.run["protocol"]], record=by_image, numbers=numbers
)
style(
    metric_table([by_image], beside=beside),
    "Metrics under the report's split, beside classifiers without a network on the same images.",
)

# %%
for record in by_group:
    beside = score_beside(split, record=record, numbers=numbers)
style(
    metric_table(by_group, beside=beside),
    "Metrics under the split by group, beside classifiers without a network on the same images.",
)

# %%
scores = honest.run["metrics"]
show(
    figures.plot_confusion(scores["confusion"], scores["classes"]),
    caption="Confusion matrix of the test part, split by subject group.",
    alt=comparison.tell_confusion(honest),
)

# %% tags=["hide-input"]
accuracy = scores["metrics"]["accuracy"]["value"]
majority = max(map(sum, scores["confusion"])) / scores["images"]
last = honest.history.iloc[-1]
place = "above" if accuracy > majority else "not above"
say(
    f"Always answering with the commoner class would score {majority:.3f} on this part; the "
    f"network scores {accuracy:.3f}, {place} that. In the last epoch its accuracy was "
    f"{last.accuracy:.3f} on the pictures it trained on and {last.val_accuracy:.3f} on the "
    f"validation part, after {steps:,} steps of {full:,}."
)

# %% [markdown]
# ## Learning that does not show
#
# While it trains, batch normalisation centres each map on the images of the {term}`batch`; afterwards it
# uses a running average, which follows slowly. After few steps that average still belongs to the
# untrained network. We load the trained network and score the same images with their own
# statistics. This is a diagnosis and no result: a network must not look at the other images that
# it is judged on.

# %%
import numpy as np
from alllib.backend import load_keras
from alllib.pictures import scale_images
from alllib.prediction import load_run
from alllib.store import open_store

keras = load_keras()
trained = load_run(honest.path).model
found = honest.predictions
few = found.sample(min(len(found), 128), random_state=1)
crop = honest.run["parameters"]["crop"]
store = open_store(split.cells, size=size, crop=crop)
pictures = scale_images(store.images[store.rows(few.image)])

# %%
values = trained.get_layer("model_1")(pictures, training=True)
for layer in trained.layers[2:]:
    values = layer(values)  # dropout is off outside training
names = np.asarray(scores["classes"])
values = keras.ops.convert_to_numpy(values)
own = (names[values.argmax(axis=1)] == few.label).mean()
columns = [f"p_{name}" for name in names]
usual = (names[few[columns].to_numpy().argmax(axis=1)] == few.label).mean()

# %% tags=["hide-input"]
say(
    f"On {len(few)} images of the test part the accuracy is {usual:.3f} with running averages "
    f"and {own:.3f} with the images' own statistics. "
    + (
        "The averages, not the filters, hold this run back; more steps let them catch up."
        if own - usual > 0.05
        else "The averages are not what holds this run back."
    )
)

# %% [markdown]
# ## Where it is wrong
#
# Numbers hide what a cell looks like. These are the errors it was surest of.

# %%
wrong = comparison.surest_errors(honest, cells)
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
# ## Beside the published number
#
# The report gives one number, without an interval, on the images that chose the checkpoint.

# %%
style(
    comparison.deviation_table(honest),
    "Settings of the recipe and of the run split by subject group.",
)

# %% tags=["hide-input"]
confusion = recipe.published["confusion"]
n = sum(map(sum, confusion))
right = confusion[0][0] + confusion[1][1]
by_image = records["image"].run["metrics"]["metrics"]["accuracy"]["value"]
say(
    f"The report's own confusion matrix gives {right / n:.2%} of {n:,} images. Here the same "
    f"network scores {by_image:.1%} under the report's split. {comparison.tell_result(honest)}"
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
# :label: proposed-count
# Compute the parameters of `block5_conv1` by hand and check them against the table.
# ```
#
# ```{solution} proposed-count
# :class: dropdown
# $(3 \cdot 3 \cdot 256 + 1) \cdot 384$, as its row in the table says.
# ```
#
# ```{exercise}
# :label: proposed-confusion
# Compute accuracy, {term}`sensitivity` and {term}`specificity` of the network under the split by group from its
# confusion matrix, `scores["confusion"]`, whose rows are the true classes in the order of
# `scores["classes"]`.
# ```
#
# ```{solution-start} proposed-confusion
# :class: dropdown
# ```
#
# Right answers stand on the diagonal. Sensitivity looks at the row of ALL, specificity at the other
# one.

# %% tags=["solution"]
matrix = np.array(scores["confusion"])
ill = scores["classes"].index("ALL")
healthy = 1 - ill
by_hand = {
    "accuracy": matrix.trace() / matrix.sum(),
    "sensitivity": matrix[ill, ill] / matrix[ill].sum(),
    "specificity": matrix[healthy, healthy] / matrix[healthy].sum(),
}
for name, value in by_hand.items():
    assert np.isclose(value, scores["metrics"][name]["value"])
say("; ".join(f"{name} {value:.3f}" for name, value in by_hand.items()))

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("proposed_model")

# %% [markdown]
# ## Summary
#
# - The published table, not the published sentence, defines the network.
# - Most parameters sit in one dense layer.
# - A result needs its split, its scale and its interval beside it; the {term}`record` of each run
#   keeps them.
#
# **Next**: [the poster's network](two_by_two_cnn.ipynb) is smaller, and scored far lower.
