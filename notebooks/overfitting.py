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
# # Overfitting and how to hold it back
#
# *What do the usual remedies against {term}`overfitting` act on, and do they help?* We let the
# poster's network learn a few images by heart, then train it again with each remedy in turn, and
# look at what the remedy changed and at what it brought.
#
# :::{admonition} Before you start
# **You will learn** to see overfitting in two curves, what L1, L2, {term}`dropout`,
# {term}`batch normalisation`, {term}`augmentation` and early stopping each act on, and how to read
# the report's cost functions.
# **You need** [the augmentation](augmentation.ipynb) and
# [the two-by-two network](two_by_two_cnn.ipynb). No GPU is needed with the values below, and the
# last line of the page says how long it ran. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 300  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the split
input_size = 32  # side of the input in pixels; 0: the recipe's
epochs = 12  # passes over the training images; 0: the recipe's
batch = 0  # images in a step; 0: four
run_seed = 1  # seed of initial weights, dropout and order
train_share = 0.2  # share of the images that is trained on
l1 = 0.0003  # multiplier of the sum of absolute weights
l2 = 0.003  # multiplier of the sum of squared weights
dropout = 0.5  # share of values that dropout switches off
patience = 3  # epochs without a better one before it stops early

# %% [markdown]
# ## The problem
#
# A network with enough weights can learn its training images by heart. It then knows them and
# not what they have in common: on other images it gets worse while on its own it still improves.
# The report calls this the central problem, and fewer images make it worse
# {cite:p}`mir2019report`. So we train on few, in small steps, and without the dropout that is part
# of the {term}`recipe`. This setting was found by trial: with more training images, a split by
# {term}`subject group` and as many {term}`epochs <epoch>`, the same network hardly overfitted, with larger
# steps or small ones.

# %%
import numpy as np
import pandas as pd
from alllib import comparison, figures
from alllib.augmentation import firing_probability
from alllib.backend import load_keras
from alllib.baseline_runs import score_beside
from alllib.baselines import measure_numbers
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.figures import say, show
from alllib.fitting import class_probabilities
from alllib.pictures import scale_images
from alllib.prediction import load_run
from alllib.recipes import change_recipe, load_recipe
from alllib.splits import make_split, require_subjects
from alllib.store import open_store
from alllib.tables import interval, part_table, style
from alllib.training import RunSettings, train_recipe

# %%
figures.set_style()
keras = load_keras()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
shares = (train_share, 1 - train_share)
split = make_split(cells, "image", seed=seed, shares=shares)
few = split.part("train")
style(part_table(split.certificate), "Images by part and class.")

# %% [markdown]
# This split is by image, so cells of one person stand in both parts, and the two parts differ by
# chance alone. That suits the question of this page, which is what was learned by heart. It does
# not suit [any claim about new persons](splitting.ipynb), and no number below is one.
#
# ## The remedies as changes of one recipe
#
# Every run has the same network, images, order of images and initial weights (batch normalisation
# adds layers of its own), and differs in one entry.

# %%
plain = {"architecture.settings.dropout": 0.0, "training.batch": 4}
turned = {
    "augmentation.kind": "augmentor",
    "augmentation.samples": 4 * len(few),
    "augmentation.probability": 0.5,
    "augmentation.seed": 7,
}

# %%
stopped = {"training.checkpoint": "val_loss", "training.patience": patience}
remedies = {
    "none": {},
    "L1": {"training.l1": l1},
    "L2": {"training.l2": l2},
    "dropout": {"architecture.settings.dropout": dropout},
    "batch normalisation": {
        "architecture.settings.batch_normalization": True
    },
    "augmentation": turned,
    "early stopping": stopped,
}

# %% [markdown]
# Augmentation draws four pictures for each image, so its epochs are four times as long; it gets a
# quarter of them, and all runs take about the same number of steps.

# %%
base = load_recipe("unnithan2021-2x2")
passes = epochs or base.training.epochs
records, per_epoch = {}, {}
for name, changes in remedies.items():
    recipe = change_recipe(base, name.replace(" ", "-"), plain | changes)
    per_epoch[name] = 4 if name == "augmentation" else 1
    settings = RunSettings(
        input_size=input_size or None,
        epochs=-(-passes // per_epoch[name]),
        batch=batch or None,
        seed=run_seed,
    )
    records[name] = train_recipe(recipe, split, settings=settings)

# %% tags=["hide-input"]
run = records["none"].run
n = len(few)
say(f"Without a remedy: {comparison.tell_run(records['none'])}")

# %% [markdown]
# ## What overfitting looks like
#
# The training {term}`loss` is what the {term}`optimiser` lowers. For L1 and L2 it holds the penalty too, and for
# dropout it is measured with values switched off; the validation loss is the bare {term}`cross-entropy` of
# the whole network in each panel, so the solid lines can be compared with one another.

# %%
curves = {
    name: record.history.assign(epoch=record.history.epoch * per_epoch[name])
    for name, record in records.items()
}
before = curves["none"]
ends = {name: curve.iloc[-1] for name, curve in curves.items()}

# %%
show(
    figures.plot_losses(
        curves,
        label="passes over as many pictures as there are training images",
        highest=1.5 * max(before.val_loss.max(), before.loss.max()),
    ),
    caption="Training and validation loss with each remedy; curves that "
    "leave the panel are cut.",
    alt="; ".join(
        f"{name}: training loss ends at {end.loss:.2f}, validation loss at "
        f"{end.val_loss:.2f}, lowest {curves[name].val_loss.min():.2f}"
        for name, end in ends.items()
    )
    + ".",
)

# %% tags=["hide-input"]
best = before.loc[before.val_loss.idxmin()]
last = before.iloc[-1]
over = last.val_loss > 1.05 * best.val_loss and last.loss < best.loss

# %% tags=["hide-input"]
say(
    f"Without a remedy the validation loss is lowest after epoch {best.epoch:.0f} of "
    f"{last.epoch:.0f}, at {best.val_loss:.2f}, and ends at {last.val_loss:.2f}, while the training "
    f"loss goes from {best.loss:.2f} to {last.loss:.2f}. "
    + (
        "That is overfitting: the curves part. Validation accuracy goes from "
        f"{best.val_accuracy:.3f} to {last.val_accuracy:.3f}; the loss also counts how sure the "
        "network is of its errors."
        if over
        else "The curves do not part: this run is too short, or has too many images, to overfit, "
        "and there is nothing for a remedy to hold back."
    )
)

# %% [markdown]
# ## What came out
#
# Now every network is asked again, in the state that its run kept, about all its training images
# and all validation images, with dropout off and without penalties.

# %%
store = open_store(split.cells, size=run["parameters"]["input_size"])
shown = scale_images(store.images[store.rows(few.image)])
networks, chances = {}, {}
for name, record in records.items():
    networks[name] = load_run(record.path).model
    outputs = [
        keras.ops.convert_to_numpy(networks[name](some, training=False))
        for some in np.array_split(shown, -(-len(shown) // 32))
    ]
    chances[name, "training"] = class_probabilities(np.concatenate(outputs))
    columns = [f"p_{label}" for label in run["classes"]]
    scored = record.predictions[columns].to_numpy()
    chances[name, "validation"] = scored

# %%
classes = pd.Index(run["classes"])
labels = {
    "training": classes.get_indexer(few.label),
    "validation": classes.get_indexer(records["none"].predictions.label),
}
losses, rows = {}, []
for (name, part), found in chances.items():
    true = labels[part]
    right = found[np.arange(len(true)), true].clip(1e-7, 1)
    losses[name, part] = -np.log(right)
    rows.append((name, part, np.mean(found.argmax(axis=1) == true)))

# %%
accuracy = pd.DataFrame(rows, columns=["remedy", "part", "accuracy"]).pivot(
    index="remedy", columns="part", values="accuracy"
)
table = accuracy.loc[list(records)].add_suffix(" accuracy")
table["gap"] = table["training accuracy"] - table["validation accuracy"]
for part in ("training", "validation"):
    table[f"{part} loss"] = [losses[name, part].mean() for name in records]
table["epochs done"] = [record.run["epochs"] for record in records.values()]
style(table.reset_index(), "What each remedy brought in this run.")

# %% tags=["hide-input"]
numbers = measure_numbers(cells)
for record in records.values():
    beside = score_beside(split, record=record, numbers=numbers)
say(
    "Without a network, on the same validation images: "
    + "; ".join(
        f"{row['title']} {interval(row['metrics']['accuracy'])}"
        for row in beside
    )
    + "."
)

# %% [markdown]
# Which differences are more than chance? All networks judge the same validation images, so we
# compare image by image: the mean change of the loss, and $1.96$ standard errors of it. This counts
# the chance in the choice of images and not that in the training, which only further seeds show: run
# the page again with another `run_seed`, and some verdicts change.

# %%
changes = []
for name in list(records)[1:]:
    change = losses[name, "validation"] - losses["none", "validation"]
    spread = 1.96 * change.std(ddof=1) / len(change) ** 0.5
    mean = change.mean()
    verdict = "helped" if mean < 0 else "did harm"
    told = verdict if abs(mean) > spread else "not to be told"
    narrower = table.gap[name] < table.gap["none"]
    gap = "narrower" if narrower else "not narrower"
    changes.append((name, mean, spread, told, gap))
names = ["remedy", "change of validation loss", "plus or minus", "verdict"]
verdicts = pd.DataFrame(changes, columns=[*names, "gap of accuracies"])
style(verdicts, "Change of the validation loss against the run without.")

# %% tags=["hide-input"]
grouped = verdicts.groupby("verdict").remedy.apply(list).to_dict()
words = {
    "helped": "The validation loss became lower with",
    "did harm": "It became higher with",
    "not to be told": "No difference beyond chance was seen with",
}
told = [
    f"{words[key]} {', '.join(grouped[key])}."
    for key in words
    if key in grouped
]

# %% tags=["hide-input"]
fair = verdicts[verdicts.verdict != "did harm"]
wide = fair.remedy[fair["gap of accuracies"] == "not narrower"]
told.append(
    f"The gap between training and validation accuracy did not become narrower with "
    f"{', '.join(wide)}."
    if len(wide)
    else "The gap between training and validation accuracy became narrower with all that did no harm."
)

# %% tags=["hide-input"]
told += [
    f"A narrow gap is no merit by itself: that of {name} is {table.gap[name]:.3f}, with a training "
    f"accuracy of {table['training accuracy'][name]:.3f}."
    for name in grouped.get("did harm", [])
]

# %% tags=["hide-input"]
say(
    f"{' '.join(told)} This is **one seed and one small run** on {n} training images: it shows "
    "what a remedy does, and not which one is best. The setting was picked by trial so that the "
    "run without a remedy overfits, which favours the remedies; their strengths were picked in trial "
    "runs, not searched for the best score; and early stopping "
    "chose its epoch on the same validation images, which flatters it."
)

# %% [markdown]
# ## L1 and L2: a price on weights
#
# The report adds a term to the cost,
#
# $$\text{cost} = \text{loss} + \text{regularisation term},$$ (eq-cost)
#
# and prints two terms, $\frac{\lambda}{2N} * \sum \lVert W \rVert$ for L1 and the same with a square for
# L2 {cite:p}`mir2019report`. It does not say what $N$ is. Written out, with $w$ for each
# weight of a {term}`convolution` or a {term}`dense layer` and $N$ for the number of training images, over which the
# loss is a mean:
#
# $$C_1 = \frac{1}{N} \sum_{i=1}^{N} \mathrm{loss}_i + \frac{\lambda}{2N} \sum_w |w|,
# \qquad
# C_2 = \frac{1}{N} \sum_{i=1}^{N} \mathrm{loss}_i + \frac{\lambda}{2N} \sum_w w^2$$ (eq-penalties)
#
# The report's double bars would be the norm of a whole matrix; summed over weights, they are
# absolute values. {term}`Biases <bias>` have no price. Keras, and `training.l1` and `training.l2` of a recipe, take
# the factor before the sum: $\lambda / (2N)$. We check that on three weights.

# %%
weights = np.array([[1.0], [-2.0], [3.0]], "float32")
for name, factor, total in (("L1", l1, 1 + 2 + 3), ("L2", l2, 1 + 4 + 9)):
    strength = 2 * n * factor  # the report's lambda
    rule = getattr(keras.regularizers, name)(factor)
    assert np.isclose(float(rule(weights)), strength / (2 * n) * total)

# %% tags=["hide-input"]
say(
    f"With N = {n:,} images the multiplier {l1:g} of L1 is a lambda of {2 * n * l1:.3g}, and "
    f"{l2:g} of L2 one of {2 * n * l2:.3g}. The same lambda on ten times the images would be a "
    "tenth of the multiplier: more data, less need of a penalty."
)

# %% [markdown]
# Both pull each weight towards zero in each step. The pull is the slope of the price:
# $\frac{\lambda}{2N} \operatorname{sign}(w)$ for L1, as strong for a small weight as for a large
# one, so that a weight that earns nothing ends near zero; $\frac{\lambda}{N} w$ for L2, which fades
# with the weight. What did they do to the weights here?

# %%
near, rows = 0.001, []
for name, network in networks.items():
    kernels = [w.ravel() for w in network.get_weights() if w.ndim > 1]
    sizes = np.abs(np.concatenate(kernels))
    rows.append((name, sizes.sum(), (sizes**2).sum(), (sizes < near).mean()))
names = ["remedy", "sum of |w|", "sum of w²", f"share below {near}"]
norms = pd.DataFrame(rows, columns=names).set_index("remedy")
style(norms.reset_index(), "Weights at the end of each run, biases left out.")

# %% [markdown]
# In plain {term}`gradient descent` a faint pull moves a weight slowly. {term}`RMSprop`, which trains here, divides
# each slope by its own usual size, and so makes a faint pull as fast as a strong one. One weight with
# nothing but the price of L2 shows the difference, at the same {term}`learning rate`:

# %%
steps = min(200, run["epochs"] * -(-n // run["parameters"]["batch"]))
start, left = 0.05, {}
for kind in ("SGD", "RMSprop"):
    weight = keras.Variable(start)
    optimizer = getattr(keras.optimizers, kind)(learning_rate=0.001)
    for _ in range(steps):
        optimizer.apply([2 * l2 * weight.value], [weight])
    value = keras.ops.convert_to_numpy(weight.value)
    left[kind] = abs(float(value)) / start

# %% tags=["hide-input"]
size, square, share = norms.columns
ratio = norms / norms.loc["none"]
say(
    f"L1 leaves {ratio.loc['L1', size]:.0%} of the sum of absolute weights and puts "
    f"{norms.loc['L1', share]:.0%} of all weights within {near} of zero, against "
    f"{norms.loc['none', share]:.1%} without it. L2 leaves {ratio.loc['L2', square]:.0%} of the sum "
    f"of squares and puts {norms.loc['L2', share]:.0%} there. The single weight keeps "
    f"{left['SGD']:.1%} of its size after {steps} steps of gradient descent under L2, and "
    f"{left['RMSprop']:.1%} after as many of RMSprop."
)

# %% [markdown]
# ## Dropout: no value may be relied on
#
# In training, dropout sets a share $p$ of values to zero, at random, and multiplies the others by
# $1 / (1 - p)$, so that the sum stays the same on average; afterwards it does nothing
# {cite:p}`srivastava2014dropout`. For a value $h$ with its own draw,
#
# $$h' = \frac{r\, h}{1 - p}, \qquad P(r = 0) = p, \quad P(r = 1) = 1 - p.$$ (eq-dropout)

# %%
layer = keras.layers.Dropout(dropout, seed=run_seed)
ones = np.ones((1, 10_000), "float32")
training = keras.ops.convert_to_numpy(layer(ones, training=True))
afterwards = keras.ops.convert_to_numpy(layer(ones, training=False))
kept = training[training > 0]
assert np.allclose(kept, 1 / (1 - dropout))
assert (afterwards == 1).all()

# %% tags=["hide-input"]
end = ends["dropout"]
say(
    f"Of {ones.size:,} ones {1 - kept.size / ones.size:.1%} became 0 and the others "
    f"{kept[0]:.3g}; the mean is {training.mean():.3f}. With dropout the last epoch's training loss "
    f"was {end.loss:.2f} with values switched off; the whole network has "
    f"{losses['dropout', 'training'].mean():.2f} on the same images."
)

# %% [markdown]
# ## Batch normalisation: the same scale in every layer
#
# In training, each {term}`channel` is shifted and scaled to mean 0 and variance 1 over the images of the
# step {cite:p}`ioffe2015batch`. That was meant to make training faster; it
# {term}`regularises <regulariser>` on the side, because what an image becomes depends on the others
# of its step. Afterwards running averages take the place of the step's own numbers.

# %%
draws = np.random.default_rng(run_seed).normal(5, 3, (256, 8, 8, 2))
layer = keras.layers.BatchNormalization()
normal = layer(draws.astype("float32"), training=True)
normal = keras.ops.convert_to_numpy(normal)
assert np.allclose(normal.mean(axis=(0, 1, 2)), 0, atol=1e-2)
assert np.allclose(normal.var(axis=(0, 1, 2)), 1, atol=1e-2)

# %%
held = split.part("validation").head(128)
pictures = scale_images(store.images[store.rows(held.image)])
network = networks["batch normalisation"]
asked = {"averages": False, "own statistics": True}
found = {}
for kind, own in asked.items():
    outputs = keras.ops.convert_to_numpy(network(pictures, training=own))
    called = class_probabilities(outputs).argmax(axis=1)
    true = pd.Index(run["classes"]).get_indexer(held.label)
    found[kind] = np.mean(called == true)

# %% tags=["hide-input"]
normed = records["batch normalisation"].run
steps = normed["epochs"] * -(
    -normed["pictures"] // normed["parameters"]["batch"]
)
momentum = layer.momentum

# %% tags=["hide-input"]
say(
    f"Numbers of mean {draws.mean():.2f} and variance {draws.var():.2f} came out with mean "
    f"{abs(normal.mean()):.2f} and variance {normal.var():.2f}. The running averages keep "
    f"{momentum:.0%} of their value in each step, so after {steps:,} steps "
    f"{momentum**steps:.0%} of them is still the start value. On {len(held)} validation images "
    f"the network scores {found['averages']:.3f} with its averages and "
    f"{found['own statistics']:.3f} with the images' own statistics. "
    + (
        "The second number is a diagnosis and no result; it says that the averages, not the "
        "filters, spoil this run, and that batch normalisation wants more steps."
        if found["own statistics"] - found["averages"] > 0.05
        else "So the averages are not what decides here."
    )
)

# %% [markdown]
# ## Augmentation: more pictures of the same cells
#
# Augmentor draws turned and mirrored pictures {cite:p}`bloice2019augmentor`. It acts on the images
# alone: no weight and no loss is touched, and the network meets fewer exact repetitions.

# %% tags=["hide-input"]
done = {name: record.run for name, record in records.items()}
seen = {name: r["epochs"] * r["pictures"] for name, r in done.items()}
say(
    f"The run without a remedy saw {seen['none']:,} pictures, each image "
    f"{done['none']['epochs']} times in one form. With augmentation it saw "
    f"{seen['augmentation']:,}, drawn from up to {8 * n:,} (eight forms of {n} images); each of the "
    f"four operations, nominally at {turned['augmentation.probability']:.0%}, in truth "
    f"fires at {firing_probability(turned['augmentation.probability']):.0%}. "
    f"Its training accuracy is {table['training accuracy']['augmentation']:.3f} against "
    f"{table['training accuracy']['none']:.3f}."
)

# %% [markdown]
# ## Early stopping: the best epoch, not the last
#
# It acts on the number of steps: training ends when the validation loss has not improved for
# `patience` epochs, and the weights of the best epoch are kept.

# %% tags=["hide-input"]
early = records["early stopping"]
kept_epoch = int(early.history.epoch[early.history.val_loss.idxmin()])
ended = early.run["epochs"]
same = np.allclose(early.history.val_loss, before.val_loss[:ended], atol=1e-3)

# %% tags=["hide-input"]
say(
    f"It kept epoch {kept_epoch} and "
    + (
        f"ended after {ended} of {passes}, {ended - kept_epoch} later. "
        if ended < passes
        else f"was never stopped in {passes} epochs. "
    )
    + (
        "Up to there its curve is that of the run without a remedy: nothing else was changed."
        if same
        else "Its curve differs a little from that of the run without a remedy, as sums in another "
        "order do."
    )
)

# %% [markdown]
# The poster stopped after two lengths of training, and the report kept the epoch that was best on
# the images that it then reported. Whoever stops early needs a third part to score on.
#
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: overfitting-lambda
# A recipe sets `training.l2 = 1e-4` and trains on 8,000 images. Which $\lambda$ is that in the
# report's cost function, and which multiplier keeps it on 800 images?
# ```
#
# ```{solution} overfitting-lambda
# :class: dropdown
# $\lambda = 2 N \cdot 10^{-4} = 1.6$. On 800 images the same $\lambda$ is the multiplier
# $1.6 / 1600 = 10^{-3}$.
# ```
#
# ```{exercise}
# :label: overfitting-patience
# Write early stopping by hand: go through the validation losses of the run with early stopping
# (`early.history.val_loss`), keep the best epoch, and stop when `patience` epochs have brought no
# better one. Does the run follow your rule?
# ```
#
# ```{solution-start} overfitting-patience
# :class: dropdown
# ```
#
# It needs three things: the best loss so far, its epoch, and how many epochs have passed since.

# %% tags=["solution"]
lowest, chosen, waited = np.inf, 0, 0
for epoch, loss in enumerate(early.history.val_loss, start=1):
    if loss < lowest:
        lowest, chosen, waited = loss, epoch, 0
    else:
        waited += 1
    if patience and waited >= patience:
        break
assert chosen == kept_epoch and epoch == ended
say(f"The rule keeps epoch {chosen} and ends after {epoch}, as the run did.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("overfitting")

# %% [markdown]
# ## Summary
#
# - Overfitting shows where the two losses part, often before the accuracies tell.
# - L1 and L2 act on weights, dropout and batch normalisation on values, augmentation on images,
#   early stopping on time.
# - A remedy is judged on the validation loss without its own penalty, with dropout off.
# - One small run shows a mechanism and ranks nothing.
#
# **Next**: [what each layer shows](layer_activations.ipynb).
