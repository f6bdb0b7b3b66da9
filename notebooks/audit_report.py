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
# # The report
#
# *How much of a project can be checked from its report alone?* Nearly all of its network, much of its
# data, and of its results what they are *of*: known patients, and mostly the smaller class.
#
# :::{admonition} Before you start
# **You will learn** to count layers from parameter totals, to find which class a {term}`precision` belongs to,
# and to tell three sets of images apart by their sizes.
# **You need** [splits](splitting.ipynb), [augmentation](augmentation.ipynb) and [the page of the
# network](proposed_model.ipynb); no image and no GPU. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
draws = 20000  # resamplings of the confusion matrix for intervals

# %% [markdown]
# ## What the report is
#
# The report of a final-year project {cite:p}`mir2019report`: chapters on the theory, the work step by
# step with its listings and logs, layer tables, results. It is by far the most open of the five
# sources, and so it has the most rows in the ledger. More to check is more to find, and no reproach.
#
# - **Images**: C-NMC 2019, training phase; shuffled within each class and cut in two; cropped;
#   augmented with Augmentor {cite:p}`bloice2019augmentor`.
# - **Networks**: AlexNet, VGG16, ResNet-50, Inception-v3, and one of their own: six {term}`blocks <block>` of 3x3
#   {term}`convolutions <convolution>` with {term}`batch normalisation`, two {term}`dense layers <dense layer>` with {term}`dropout`, two outputs.
# - **Training**: SGD for a fixed number of {term}`epochs <epoch>`, the weights of the best validation accuracy.
# - **Result**: accuracies of five networks, and of their own also a confusion matrix, precision and
#   recall.
#
# ## What we checked

# %%
from alllib.audits import find_claim, status_counts, status_table
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.tables import style

# %%
set_style()
rows = claim_rows("mir2019report")
style(status_counts(rows), "Claims of the report by kind and status.")

# %% [markdown]
# The settings in figures, as far as they are stated; they are read from the {term}`recipe` that rebuilds the system:

# %%
from alllib.comparison import setting_table
from alllib.recipes import load_recipe

style(
    setting_table(load_recipe("mir2019-proposed")),
    "What the report states of its own network and its training.",
)

# %% [markdown]
# What does not hold, and what cannot stand beside another statement:

# %%
style(
    status_table(rows, "contradicted", "inconsistent"),
    "Claims of the report that are contradicted or inconsistent.",
)

# %% [markdown]
# ## Thirteen convolutions
#
# The text counts the convolutions in six blocks and does not say which block has how many; the layer
# table starts at block 4. But it prints two totals of the convolutional part. With {term}`bias` and batch
# normalisation a 3x3 convolution from $c$ {term}`channels <channel>` to $f$ {term}`filters <filter>` has
#
# $$\underbrace{(9c + 1)f}_{\text{convolution}} + \underbrace{4f}_{\text{normalisation}}$$ (eq-placements)
#
# parameters, of which $2f$, the running mean and variance, are not trained. We try every way to place
# as many convolutions as the text counts, one less and two less.


# %%
def weights(repeats, filters):
    """All parameters of the convolutions, and those that are not trained."""
    total, unmoved, depth = 0, 0, 3
    for number, width in zip(repeats, filters, strict=True):
        for _ in range(number):
            total += (9 * depth + 1) * width + 4 * width
            unmoved += 2 * width
            depth = width
    return total, unmoved


# %%
from itertools import product

import pandas as pd
from alllib.recipes import load_recipe

recipe = load_recipe("mir2019-proposed")
filters = recipe.architecture.settings["filters"]
said = recipe.published["convolutions_text"]
ways = [
    (sum(way), ", ".join(map(str, way)), *weights(way, filters))
    for way in product(range(1, 10), repeat=len(filters))
    if said - 2 <= sum(way) <= said
]
names = ["convolutions", "in blocks 1 to 6", "parameters", "unmoved"]
found = pd.DataFrame(ways, columns=names)

# %%
from alllib.audits import plot_placements

total = find_claim(rows, "report-convolutional-parameters")["published"]
trained = find_claim(rows, "report-convolutional-trainable")["published"]
fits = found[(found.parameters == total) & (found.unmoved == total - trained)]
show(
    plot_placements(found, (total, total - trained)),
    caption=f"Ways to place {said - 2} to {said} convolutions, near the two printed totals.",
    alt=f"Of {len(found):,} ways {len(fits)} meet the printed totals, with "
    f"{list(fits.convolutions)} convolutions.",
)

# %%
style(fits, "Ways that give both printed totals.")

# %% tags=["hide-input"]
counter = find_claim(rows, "report-counter")
say(
    f"Of {len(found):,} ways, **{len(fits)}** fits, and it has **{fits.convolutions.iloc[0]}** "
    f"convolutions. A second trace agrees: the table's first normalisation carries number "
    f"{counter['published']}; counted from the input it is number {counter['computed']}. One layer "
    "more in the naming, and in the text, than in the network whose weights were counted."
)

# %% [markdown]
# ## Three sets of images
#
# The report counts its images in its section on data, and its logs count them twice again. Its
# split function cuts each class by itself and rounds down; with $s$ for the share and $n_k$ for the
# images of class $k$, the training part gets
#
# $$n_{\text{train}} = \sum_k \lfloor s\, n_k \rfloor .$$ (eq-part-size)

# %%

published = recipe.published
again = [
    find_claim(rows, f"report-{name}-images-log")["computed"]
    for name in ("train", "scored")
]
stated = [published["train_images"], published["scored_images"]]
logged = [published["train_images_log"], published["scored_images_log"]]
counts = pd.DataFrame(
    [stated, logged, again], columns=["training", "held out"]
)
places = ["section 3.3", "logs, figures 11 and 20", "its split, all images"]
counts.insert(0, "where", places)
counts["together"] = counts.training + counts["held out"]
style(counts, "Images of the two parts, by place.")

# %% tags=["hide-input"]
sizes = find_claim(rows, "report-split-function-counts")
matrix = find_claim(rows, "report-matrix")
say(
    f"The logs and the rows of the confusion matrix, {matrix['published']}, fit the split function if "
    f"the set held {sizes['computed']}. On the released list, which has more of both, the rows would "
    f"be {matrix['computed']}. So the images were a few less than those released; which ones were "
    "not there cannot be known. A list of the files would settle it."
)

# %% [markdown]
# ## The precision of which class?
#
# The report defines precision and recall with cancer cells as the positive class and prints one
# value for both, with a sign of per cent that makes it a hundred times too small. Its matrix lets us
# compute them for either class: with $c_{jk}$ for the images of class $j$ that are called $k$,
#
# $$\text{precision}_k = \frac{c_{kk}}{\sum_j c_{jk}}, \qquad
# \text{recall}_k = \frac{c_{kk}}{\sum_j c_{kj}}.$$ (eq-precision)

# %%
from alllib.figures import plot_confusion

matrix = published["confusion"]
show(
    plot_confusion(matrix, ["ALL", "HEM"]),
    caption="The report's confusion matrix; rows are true classes.",
    alt=f"Of {sum(matrix[0]):,} ALL images {matrix[0][0]:,} are called ALL; of "
    f"{sum(matrix[1]):,} HEM images {matrix[1][1]:,} are called HEM.",
)

# %%
import numpy as np

cells = np.array(matrix)
rng = np.random.default_rng(0)
shares = (cells / cells.sum()).ravel()
again = rng.multinomial(cells.sum(), shares, draws).reshape(draws, 2, 2)
scores = {"accuracy": np.trace(again, axis1=1, axis2=2) / cells.sum()}
for k, name in enumerate(("ALL", "HEM")):
    scores[f"precision of {name}"] = again[:, k, k] / again[:, :, k].sum(1)
    scores[f"recall of {name}"] = again[:, k, k] / again[:, k, :].sum(1)

# %%
exact = {"accuracy": np.trace(cells) / cells.sum()}
for k, name in enumerate(("ALL", "HEM")):
    exact[f"precision of {name}"] = cells[k, k] / cells[:, k].sum()
    exact[f"recall of {name}"] = cells[k, k] / cells[k].sum()
told = pd.DataFrame(
    [
        (name, exact[name], *np.quantile(drawn, [0.025, 0.975]))
        for name, drawn in scores.items()
    ],
    columns=["name", "value", "low", "high"],
)

# %%
from alllib.figures import plot_intervals

figure = plot_intervals(told)
figure.axes[0].set_xlabel("score")
values = [f"{row.name}: {row.value:.3f}" for row in told.itertuples(False)]
show(
    figure,
    caption="Metrics of the matrix by class, with the interval that independent images would give.",
    alt="; ".join(values) + ".",
)

# %% tags=["hide-input"]
precision = find_claim(rows, "report-precision")
say(
    f"The printed {precision['published']} is that of **HEM**, the normal cells, in both cases. For "
    f"ALL, as the text defines it, precision is {exact['precision of ALL']:.3f} and recall "
    f"{exact['recall of ALL']:.3f}: the report prints its lower figures. Accuracy is "
    f"{exact['accuracy']:.4f}, as printed, {told.low[0]:.3f} to {told.high[0]:.3f} if images were "
    "independent."
)

# %% [markdown]
# They are not. By their number the images of this matrix are those that chose the {term}`checkpoint`, and in a
# split like the printed one each shows a cell of a patient that was trained on:

# %% tags=["hide-input"]
for name in (
    "report-matrix-test",
    "report-split-unbiased",
    "report-split-fields",
    "report-split-twins",
):
    row = find_claim(rows, name)
    say(f"- {row['statement']} *{row['status']}*. {row['note']}")

# %% [markdown]
# What that is worth on these images is measured in [the laboratory](mistakes.ipynb). And beside the
# printed accuracies, what [needs no network](without_cnn.ipynb):

# %%
from alllib.studies import read_study, tell_study

study = read_study("baselines", "cnmc2019")
kept = [
    (row["title"], row["protocol"], row["metrics"]["accuracy"]["value"])
    for row in (study.found["rows"] if study else [])
    if (row["scheme"] == "published" and recipe.name in row["recipes"])
    or (row["scheme"] == "pooled" and row["protocol"] == "group")
]
kept.append(("the report's network, printed", "image", published["accuracy"]))
style(
    pd.DataFrame(kept, columns=["system", "split by", "accuracy"]),
    "Without a network, by image and by subject group.",
)

# %% tags=["hide-input"]
say(
    "Recorded. " + tell_study(study)
    if study
    else "No baseline is kept in this workspace."
)

# %% [markdown]
# ## Pictures that are copies
#
# {term}`Augmentation <augmentation>` is there so that the network never sees the same picture twice. The listing turns by one
# and by three quarters and mirrors both ways, each with probability one half. Whatever is drawn, the result
# is one of the eight symmetries of the square, and one of the eight is the picture itself.

# %% tags=["hide-input"]
for name in (
    "report-copies-nominal",
    "report-copies-true",
    "report-pictures-distinct",
    "report-never-twice",
):
    row = find_claim(rows, name)
    value = row["computed"]
    text = f"{value:.1%}" if isinstance(value, float) else f"{value:,}"
    say(f"- {row['statement']} Computed: **{text}**. {row['note']}")

# %% [markdown]
# ## What is good about it
#
# Code, seeds, logs and layer tables are printed, and that is the only reason why so much could be
# checked. The parameter totals are right to the last digit. Four known
# networks were trained beside the new one. The confusion matrix is there, and the class-wise metrics
# that are printed are the less flattering ones. The section on future work is modest.
#
# ## What stays open
#
# The stored network and the list of its held-out files would settle nearly all of it; a run of the
# whole recipe, split by {term}`subject group`, what its accuracy is on new patients.

# %%
style(
    status_table(rows, "cannot be known", "not reproduced"),
    "Claims of the report that cannot be known or were not reproduced.",
)

# %% [markdown]
# And what holds:

# %%
style(
    status_table(rows, "confirmed", "reproduced"),
    "Claims of the report that hold.",
)

# %% [markdown]
# :::{admonition} Verdict
# :class: tip
# The network of the report can be built again to the last parameter, and its numbers follow from its
# matrix. By all that is printed they are numbers of cells of known patients that chose the checkpoint,
# and not of a test.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: audit-report-majority
# What would always answering {term}`ALL` score on the images of the matrix, in accuracy, and in precision and
# recall of either class?
# ```
#
# ```{solution} audit-report-majority
# :class: dropdown
# `cells[0].sum() / cells.sum()` is the accuracy and the precision of ALL; its recall is 1. The recall
# of {term}`HEM` is 0, and its precision is not defined: nothing was called HEM.
# ```
#
# ```{exercise}
# :label: audit-report-fourteen
# The text of the report counts one convolution more than fit its totals. How near does any way to
# place that many come? Use `found`, `fits` and `total`.
# ```
#
# ```{solution-start} audit-report-fourteen
# :class: dropdown
# ```
#
# Of the ways with one convolution more than the fitting one, the one with the least difference from
# the printed total is looked for.

# %% tags=["solution"]
more = found[found.convolutions == fits.convolutions.iloc[0] + 1]
miss = (more.parameters - total).abs()
nearest = more.loc[miss.idxmin()]
assert len(fits) == 1
assert miss.min() > 0
say(
    f"The nearest way with {nearest.convolutions} convolutions "
    f"({nearest['in blocks 1 to 6']}) has {nearest.parameters:,} parameters and "
    f"misses the printed total by {miss.min():,}."
)

# %% [markdown]
# A total of so many digits is hardly met by chance: that is why it can decide between texts.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("audit_report")

# %% [markdown]
# ## Summary
#
# - Totals of parameters determine a network more surely than a text does.
# - Say of which class a precision and a recall are.
# - What chose the checkpoint is a validation part, whatever its folder is called.
#
# **Next**: [the poster](audit_poster.ipynb), whose test score is the lowest of all.
