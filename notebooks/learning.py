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
# # Learning from examples
#
# *How does a program learn a rule from labelled cells, and how would one know that the rule holds
# for cells that it has not seen?* It chooses the rule that errs least on the examples. That this says
# something about others has conditions, and most of this book is about them.
#
# :::{admonition} Before you start
# **You will learn** what is asked of a picture, what {term}`risk` and {term}`empirical risk` are, why a rule can fit
# too well, what three parts are for and how a test part is used up, what a learned {term}`feature` is, and
# what is missing to trust the works that the report surveys.
# **You need** [the disease and the question](disease.ipynb), Python with NumPy; no GPU.
# **Reading time**: about thirty-five minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells, of the splits and of all draws
folds = 5  # equal parts; each is the test part once
side = 16  # pixels a side, where a rule sees the picture itself
repeats = 60  # how often guessing is repeated

# %%
import numpy as np
import pandas as pd
from alllib.figures import plot_filters, say, set_style, show
from alllib.lessons import facts, learning, show_source
from alllib.lessons import learning_figures as figures
from alllib.lessons.facts import fact_table
from alllib.recipes import load_recipe
from alllib.tables import style

# %% [markdown]
# ## What is asked of a picture
#
# The report opens its survey with three words, {term}`detection`, {term}`localisation` and {term}`classification`, and one
# figure for all. They are different questions, with answers and labels of different kinds. The usage
# here is that of the {term}`ImageNet` challenge {cite:p}`russakovsky2015imagenet`: classification,
# localisation, detection; and, added to them, {term}`segmentation`.

# %% tags=["hide-input"]
set_style()
style(
    fact_table(
        facts.load_tasks(),
        {
            "name": "task",
            "question": "question",
            "answer": "answer",
            "label": "what a label is",
        },
    ),
    "Four tasks on one picture.",
)

# %% [markdown]
# To see them on one picture, a synthetic smear is drawn, and a rule of a few lines finds its stained
# {term}`nuclei <nucleus>`: where red is well above green, joined pixels are one thing.

# %% tags=["hide-input"]
show_source(learning.find_cells)

# %%
from alllib.smears import draw_person, draw_smear

rng = np.random.default_rng([7, 3])
smear = draw_smear(rng, "Early", draw_person(rng, "Early"), size=448)
cells_found, mask = learning.find_cells(smear)
show(
    figures.plot_tasks(smear, cells_found, mask, "Early"),
    caption="One synthetic smear of class Early: classified, localised, detected, segmented.",
    alt=f"The same smear four times. First: no mark, one word. Second: one box around the largest "
    f"stained thing. Third: {len(cells_found)} boxes. Fourth: {len(cells_found)} outlines. The "
    "largest thing is two nuclei that touch, in one box.",
)

# %% tags=["hide-input"]
top = cells_found[0]
say(
    f"The rule finds **{len(cells_found)}** things. Count them yourself: the largest, of "
    f"{top.area:,} pixels, is two nuclei that touch. Whether two touching nuclei are one or two "
    f"cells is a question of detection, and no classifier of single cells is ever asked it."
)

# %% [markdown]
# C-NMC 2019 is a task of classification {cite:p}`mourya2019cnmc`. Finding the cells, choosing among
# them and cutting them out was done before, by a program and people; a clinic would need that part
# too. {term}`B-ALL` is classification of whole fields {cite:p}`aria2021ball`. Of ALL-IDB the first set comes
# with positions and so allows detection {cite:p}`labati2011allidb`.
#
# ## Learning as choosing
#
# In {term}`supervised learning` somebody gives pictures $x$ with labels $y$. A *rule* $f$ turns a
# picture into an answer. A {term}`loss` $\ell(f(x), y)$ says how wrong an answer is; the simplest is 0
# for a right and 1 for a wrong one. The rules among which one chooses are the
# {term}`hypothesis class`: all {term}`thresholds <threshold>` on one number, or all settings $\omega$ of the weights of a
# network.
#
# What one wants is a small loss on pictures yet to come. The transfer-learning paper prints this as
# two equations {cite:p}`garg2021transfer`. First what one wants:
#
# $$\min_{\omega} E_{(X,Y)}[l(\theta(x; m), y)] \qquad\text{(as printed)}$$
#
# then what one can do with $n$ examples:
#
# $$\min_{\omega} \frac{1}{n} \sum_{i=1}^n l(\theta(x_i; m), y_i) \qquad\text{(as printed)}$$
#
# Neither can be right as it stands. The minimum is over $\omega$, and there is no $\omega$ in what is
# minimised: the weights are called $m$ there. In the first, the expectation is over a random pair
# $(X, Y)$, and inside stand the fixed $x$ and $y$, so that nothing is averaged. And the smallest value
# of the loss is not what is sought, but the weights that reach it. With $f$ for the rule, since others
# use $\theta$ for the weights:
#
# $$\omega^\ast = \arg\min_{\omega} R(\omega), \qquad
# R(\omega) = E_{(X,Y)}\left[\,\ell(f(X; \omega), Y)\,\right]$$ (eq-risk)
#
# $$\hat\omega = \arg\min_{\omega} \hat R_n(\omega), \qquad
# \hat R_n(\omega) = \frac{1}{n} \sum_{i=1}^n \ell(f(x_i; \omega), y_i)$$ (eq-empirical-risk)
#
# $R$ is the risk and $\hat R_n$ the empirical risk; that one minimises the second for
# want of the first is the principle behind most of machine learning {cite:p}`vapnik1999overview`. The
# ledger of this book has both equations, and that of the accuracy:

# %% tags=["hide-input"]
from alllib.audits import status_table
from alllib.claims import STATUSES, claim_rows, load_claims

asked = ("objective", "empirical", "mean-loss", "formula")
claims = [
    claim
    for claim in load_claims("garg2021transfer")
    if claim.id.removeprefix("transfer-") in asked
]
style(
    status_table(claim_rows(claims=claims), *STATUSES),
    "Equations of the transfer-learning paper, checked.",
)

# %% [markdown]
# ### Accuracy is one minus an empirical risk
#
# The report prints {cite:p}`mir2019report`
#
# $$\text{Accuracy} = \frac{\text{No. of correct predictions}}{\text{Total no. of predictions}},$$ (eq-accuracy)
#
# and the transfer-learning paper the same in counts. It writes the predicted sign before the true one:
#
# $$\text{Accuracy} = \frac{(++) + (--)}{(++) + (--+) + (+-) + (-+)} \qquad\text{(as printed)}$$
#
# The second term below the line has a sign too many. It is $(--)$, the healthy cells called healthy:
#
# $$\text{Accuracy} = \frac{(++) + (--)}{(++) + (--) + (+-) + (-+)}$$ (eq-accuracy-counts)
#
# With the loss of zero or one the sum over the examples counts the wrong answers, so that accuracy is
# $1 - \hat R_n$ on the images that were counted. In code:

# %% tags=["hide-input"]
show_source(
    learning.zero_one_loss,
    learning.empirical_risk,
    learning.classification_error,
)

# %%
published = {
    name: load_recipe(key).published
    for name, key in (
        ("report", "mir2019-proposed"),
        ("transfer-learning paper", "garg2021-vgg19"),
    )
}
error = {
    name: learning.classification_error(values["confusion"])
    for name, values in published.items()
}
for name, values in published.items():
    assert abs(1 - error[name] - values["accuracy"]) < 1e-4

# %% tags=["hide-input"]
told = ", ".join(
    f"{value:.4f} for the {name}" for name, value in error.items()
)
say(
    f"The printed matrices give empirical risks of {told}: with the accuracies that are printed "
    f"beside them they add up to one. Empirical risks of *which* images they are is another question."
)

# %% [markdown]
# ## How far empirical risk may lie from risk
#
# Of real cells nobody knows the risk. So let us make a world in which it is known: each cell has one
# number, from one normal distribution if healthy and from another if a {term}`blast`, and a rule calls a cell
# a blast where the number is above a threshold.

# %%
world = learning.World()
threshold = world.apart / 2
rng = np.random.default_rng(seed)
paths = []
for _ in range(8):
    numbers, blasts = world.draw(5000, rng)
    paths.append(learning.zero_one_loss(numbers > threshold, blasts))
few = world.draw(30, rng)

# %%
from alllib.lessons.learning_figures import plot_risk

risk = world.risk(threshold)
ends = [path.mean() for path in paths]
show(
    plot_risk(world, threshold, np.array(paths), few=few),
    caption="Risk and empirical risk. Left: one rule, as images are added. Right: every threshold on "
    "one small sample; marks: where each curve is lowest.",
    alt=f"Left: {len(paths)} jagged curves, far apart at first, run together to between "
    f"{min(ends):.3f} and {max(ends):.3f} around the risk of {risk:.3f}, inside a band that narrows. "
    "Right: a smooth dashed curve with one valley, and a staircase around it whose lowest step lies "
    "lower and at another threshold.",
)

# %% [markdown]
# The left panel is the good news. For *one rule, fixed before* the examples were seen, and examples
# that are independent, empirical risk comes close to risk. Hoeffding's inequality says how soon, for
# any loss from 0 to 1 and any world {cite:p}`hoeffding1963probability`:
#
# $$P\left(\left|\hat R_n - R\right| > \varepsilon\right) \le 2\,e^{-2 n \varepsilon^2}.$$
#
# The right panel is the trouble. The threshold is *chosen* by the sample, and the chosen point is the
# one where the sample flatters most. For $M$ rules the bound has a factor $M$ before it, since any of
# them may be the lucky one.

# %%
numbers, blasts = few
grid = np.linspace(-1.5, 3.5, 251)
seen = [np.mean((numbers > t) != blasts) for t in grid]
best = grid[int(np.argmin(seen))]
scored = sum(map(sum, published["report"]["confusion"]))
one_rule = learning.hoeffding_margin(scored)

# %% tags=["hide-input"]
say(
    f"On {len(blasts)} images the best threshold seems to err on **{min(seen):.0%}**; its risk is "
    f"**{world.risk(best):.0%}**, and the best possible {risk:.0%}. For one rule and "
    f"{scored:,} independent images, as many as the report scored, the margin is {one_rule:.1%}, and "
    f"for a thousand rules {learning.hoeffding_margin(scored, rules=1000):.1%}. Neither holds for the "
    f"report: its images are cells of people who share their cells with the training part, and are "
    f"not independent."
)

# %% [markdown]
# [How sure is a number](uncertainty.ipynb) goes on from here.

# %% [markdown]
# ## Fitting too well
#
# Now cells with a picture. Each of the features below is one number, measured by a
# rule: nineteen describe size, outline and colour of a nucleus. We take two, the area and the mean of
# green, so that they can be drawn. People are dealt into parts whole, see
# [splitting](splitting.ipynb).

# %%
from alllib.baselines import measure_numbers
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.splits import require_subjects, split_groups

cells = require_subjects(
    load_cells(prepare_data(data, images=images, seed=seed))
)
measured = measure_numbers(cells).loc[cells.image]
blast = (cells.label == "ALL").to_numpy()
parts = []
for fold in range(folds):
    dealt = split_groups(cells, folds=folds, seed=seed, fold=fold).cells
    parts.append(dealt.set_index("image").part.loc[cells.image].to_numpy())

# %% [markdown]
# The rule is as simple as rules come: call a cell what most of its $k$ {term}`nearest neighbours` in
# the training part are {cite:p}`cover1967nearest`. Near means near in the two numbers, each divided by
# its spread.

# %% tags=["hide-input"]
show_source(learning.nearest_vote)

# %%
two = ["area", "mean_g"]


def scaled(names, part):
    """Numbers of all cells, centred and scaled by the training part."""
    values = measured[names].to_numpy()
    train = values[part == "train"]
    return (values - train.mean(axis=0)) / train.std(axis=0)


points = scaled(two, parts[0])
train = parts[0] == "train"
choices = [k for k in (1, 3, 9, 25, 51, 101, 201) if k < train.sum()]


# %% [markdown]
# With few neighbours the rule can draw any border. With many it can draw only plain ones: the
# hypothesis class shrinks. Three of them, of the first {term}`fold`:

# %%
from functools import partial

vote = partial(learning.nearest_vote, points[train], blast[train])
drawn = (choices[0], choices[len(choices) // 2], choices[-1])
rules = {
    f"{k} vote" + "s" * (k > 1): partial(vote, neighbours=k) for k in drawn
}
seen_wrong = {
    name: np.mean((rule(points[train]) > 0.5) != blast[train])
    for name, rule in rules.items()
}

# %%
show(
    figures.plot_regions(
        points[train],
        blast[train],
        rules,
        names=("area (scaled)", "mean green (scaled)"),
    ),
    caption="Training cells by two numbers, and what the vote calls a point (orange: ALL).",
    alt="Three panels with the same cells; the border between the classes is ragged with islands on "
    "the left, smooth in the middle, and plain on the right. Training cells on the wrong side: "
    + ", ".join(f"{name}: {value:.0%}" for name, value in seen_wrong.items()),
)

# %% [markdown]
# For each fold and each $k$ we count wrong answers on the cells that vote and on the validation part,
# people who do not vote.


# %%
def count_errors(fold, neighbours):
    """Share of wrong answers on the training and the validation part."""
    values, part = scaled(two, parts[fold]), parts[fold]
    inside = part == "train"
    wrong = {}
    for name in ("train", "validation"):
        votes = learning.nearest_vote(
            values[inside], blast[inside], values[part == name], neighbours
        )
        wrong[name] = np.mean((votes > 0.5) != blast[part == name])
    return neighbours, fold, wrong["train"], wrong["validation"]


# %%
rows = [count_errors(fold, k) for fold in range(folds) for k in choices]
errors = pd.DataFrame(
    rows, columns=["neighbours", "fold", "training", "validation"]
)

# %%
means = errors.groupby("neighbours")[["training", "validation"]].mean()
show(
    figures.plot_complexity(errors),
    caption="Training and validation error by the number of neighbours.",
    alt="From left to right, with fewer neighbours: "
    + "; ".join(
        f"{k}: training {row.training:.0%}, validation {row.validation:.0%}"
        for k, row in means[::-1].iterrows()
    ),
)

# %% tags=["hide-input"]
lowest, plain = means.validation.idxmin(), choices[-1]
rises = means.validation[plain] > means.validation[lowest]
say(
    f"With one neighbour the training error is **{means.training[choices[0]]:.0%}**, because each cell "
    f"is its own nearest neighbour; on new people the same rule errs on "
    f"**{means.validation[choices[0]]:.0%}**. The validation error is lowest at {lowest} neighbours "
    f"({means.validation[lowest]:.0%})"
    + (
        f" and at {plain} it is {means.validation[plain]:.0%}: there the rule is too plain to tell "
        f"what can be told."
        if rises
        else "."
    )
    + " The thin lines warn: between folds, that is between a few people and a few others, the error "
    "may differ more than between values of $k$."
)

# %% [markdown]
# The left end of such a figure is called *underfitting*, the right end {term}`overfitting`. Doing as
# well on new cells as on those learned from is {term}`generalisation`. The training error says nothing
# of it; it only falls.
#
# ## Three parts, three questions
#
# So one needs cells that took no part in the fit. And since the validation part has chosen $k$, its
# error flatters $k$ as the training error flatters the fit. For a last word a third part is kept, which
# has decided nothing.

# %%
counts = pd.DataFrame(
    {
        part: (
            (parts[0] == part).sum(),
            cells.group[parts[0] == part].nunique(),
        )
        for part in ("train", "validation", "test")
    },
    index=["images", "people"],
).T
show(
    figures.plot_parts(counts),
    caption="The three parts of the first fold, and what each is for.",
    alt="; ".join(
        f"{part}: {row.images} images of {row.people} people, {figures.ROLES[part]}"
        for part, row in counts.iterrows()
    ),
)

# %%
values, part = scaled(two, parts[0]), parts[0]
chosen = errors[errors.fold == 0].set_index("neighbours").validation.idxmin()
votes = learning.nearest_vote(
    values[train], blast[train], values[part == "test"], chosen
)
final = np.mean((votes > 0.5) != blast[part == "test"])

# %% tags=["hide-input"]
validation = errors[errors.fold == 0].validation.min()
say(
    f"In the first fold the validation part ({counts.people['validation']} people) chooses "
    f"{chosen} neighbours with an error of {validation:.0%}; the test part "
    f"({counts.people['test']} others) gives **{final:.0%}**. The test part is asked once, and what "
    f"it says is reported, better or worse."
)

# %% [markdown]
# The report has two parts {cite:p}`mir2019report`: what it calls its test set is the part on which the
# best {term}`epoch` was kept. That is a validation part with the name of a test part.
#
# ## How a test part is used up
#
# Does it matter if one looks often? Let a classifier toss a coin for every image. Its accuracy is a
# half. Now try many such classifiers on one test part and keep the best.

# %% tags=["hide-input"]
show_source(learning.choose_best_guess, learning.expected_best)

# %%
size = int(counts.images["test"])
rng = np.random.default_rng(seed)
rows = [
    (tries, *learning.choose_best_guess(size, tries, rng))
    for tries in (1, 10, 100, 1000)
    for _ in range(repeats)
]
guesses = pd.DataFrame(rows, columns=["tries", "chosen", "fresh"])
expected = {
    tries: learning.expected_best(size, tries)
    for tries in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
}

# %%
middle = guesses.groupby("tries")[["chosen", "fresh"]].median()
show(
    figures.plot_chosen(guesses, expected),
    caption=f"The best of many coin-tossing classifiers on a part of {size} images, and the same one "
    "on fresh images (medians, and the middle four fifths).",
    alt="; ".join(
        f"best of {tries}: {row.chosen:.1%} where it was chosen, {row.fresh:.1%} on fresh images"
        for tries, row in middle.iterrows()
    ),
)

# %% tags=["hide-input"]
training = load_recipe("mir2019-proposed").training
accuracy = published["report"]["accuracy"]
gain = (
    learning.expected_best(scored, training.epochs, accuracy=accuracy)
    - accuracy
)
say(
    f"Among a thousand coins the best reaches **{middle.chosen[1000]:.0%}** on the part that chose "
    f"it, and {middle.fresh[1000]:.0%} elsewhere. Nothing was learned. The effect is smaller on large "
    f"parts and for good classifiers: if all {training.epochs} epochs of the report were equally good "
    f"and independent, picking the best on {scored:,} images would add {gain:.1%}. They are not "
    f"independent, which makes it less, and the images share people, which it does not count."
)

# %% [markdown]
# What shared people add is [measured on its own page](split_effect.ipynb).
#
# The same happens without a computer: when a group tries a second network because the first did badly
# on the test part, or when a field compares its papers on one public test part for years. There are
# ways to ask a part often and stay honest {cite:p}`dwork2015reusable`; the plain one is to ask once.
#
# ## No free lunch
#
# Is there a way of learning that is best? Averaged over *all* worlds that one could imagine, with every
# labelling of the unseen cells as likely as any other, no rule is better on unseen cells than tossing a
# coin: this is the theorem called {term}`no free lunch` {cite:p}`wolpert1996lack`. So whatever works
# does so because it fits the world it is used in. Nearest neighbours believe that like cells have like
# labels; convolutional networks believe that what matters in one corner of a picture matters in
# another. Such a belief is called an *inductive bias*. It is no flaw. But it has to be checked on the
# cells at hand, by simple rules beside the costly one.
#
# ## Features measured and features learned
#
# Before deep networks came into use, works on {term}`leukemia` measured features first and then learned a rule
# on them, as most of those below. A network learns both from pixels: its first layers become the features
# {cite:p}`lecun2015deep`. To compare, four systems learn from the same people: a
# {term}`random forest` {cite:p}`breiman2001forests` on nineteen measured numbers, a threshold on the
# area alone, a forest on the raw pixels of a small picture, and a small network on the same pixels.

# %%
import warnings

from alllib.images import read_square
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore", ConvergenceWarning)
pictures = np.stack([read_square(path, size=side) for path in cells.path])
pixels = pictures.reshape(len(cells), -1) / 255 - 0.1


# %%
def forest():
    """A hundred trees, two images in a leaf at least."""
    return RandomForestClassifier(100, min_samples_leaf=2, random_state=1)


def line():
    """Logistic regression: of one number, a threshold."""
    return make_pipeline(StandardScaler(), LogisticRegression())


def network():
    """One hidden layer of eight units on the pixels."""
    return MLPClassifier(
        (8,), solver="lbfgs", alpha=5, max_iter=40, random_state=1
    )


# %%
systems = {
    "nineteen numbers, forest": (forest, measured.to_numpy()),
    "area, threshold": (line, measured[["area"]].to_numpy()),
    "pixels, forest": (forest, pixels),
    "pixels, small network": (network, pixels),
}

# %%
rows, fitted = [], {}
for fold, part in enumerate(parts):
    test = part == "test"
    common = max(blast[test].mean(), 1 - blast[test].mean())
    for name, (make, values) in systems.items():
        fitted[name] = make().fit(values[~test], blast[~test])
        score = fitted[name].score(values[test], blast[test])
        rows.append((name, fold, score, common))
scores = pd.DataFrame(
    rows, columns=["system", "fold", "accuracy", "majority"]
)

# %%
by_system = scores.groupby("system").accuracy.agg(["mean", "min", "max"])
show(
    figures.plot_fold_scores(scores),
    caption="Accuracy on people not trained on, by system and fold.",
    alt="; ".join(
        f"{name}: mean {row['mean']:.1%}, folds from {row['min']:.1%} to {row['max']:.1%}"
        for name, row in by_system.loc[list(systems)].iterrows()
    ),
)

# %% tags=["hide-input"]
width = (by_system["max"] - by_system["min"]).max()
spread = by_system["mean"].max() - by_system["mean"].min()
say(
    f"Between the systems the means differ by {spread:.1%}, between folds one system differs by up to "
    f"{width:.0%}. A ranking of these four by one split would be a draw of people. The highest mean has "
    f"the system *{by_system['mean'].idxmax()}*. On so few people that does not make it the best; but "
    f"seeing the whole picture is no advantage by itself."
)

# %% [markdown]
# What did the small network learn? Each of its eight units has one weight for every pixel and colour,
# and so is a picture itself.

# %%
weights = fitted["pixels, small network"].coefs_[0]
ring = weights.reshape(side, side, 3, -1)
show(
    plot_filters({"": ring}, columns=4),
    caption="The eight features that the small network learned, as weights of each pixel, each scaled "
    "by itself.",
    alt=f"{ring.shape[3]} squares of {side} by {side} pixels. Some show a disc or a ring around the "
    "middle; the others are coloured noise, as they were drawn at the start.",
)

# %% [markdown]
# Nobody told it about size, and it found size: a unit with a ring of weights adds up how far the
# nucleus reaches. Units that are still noise never got a signal; [later](activations_losses.ipynb) they
# are called dead. A learned feature can be an old acquaintance. It can also be the laboratory: whatever
# separates the training cells is learned, see
# [what a handful of numbers achieves](without_cnn.ipynb).

# %% tags=["hide-input"]
from alllib.baseline_runs import kept_baselines

kept = {
    row["protocol"]: row["metrics"]["accuracy"]["value"]
    for row in kept_baselines("cnmc2019")
    if row["system"] == "nineteen" and row["scheme"] == "pooled"
}
if {"image", "group"} <= kept.keys():
    say(
        f"**Recorded.** On the real images of C-NMC 2019 the nineteen numbers reach "
        f"{kept['image']:.1%} where images were shuffled and {kept['group']:.1%} where people were "
        f"kept apart."
    )

# %% [markdown]
# Networks on the same images stand in [the results](results.ipynb).
#
# The transfer-learning paper writes that a network extracts features far better than measured ones, as
# it will show {cite:p}`garg2021transfer`. It shows no comparison. The report says that use of deep
# learning for {term}`ALL` was scarce, and that a network of its own was needed {cite:p}`mir2019report`; it does
# not compare with measured features either.
#
# ## What came before
#
# The report surveys six works {cite:p}`vogado2016unsupervised,laosai2016markers,laosai2014svm`
# {cite:p}`fatma2014identification,asadi2017backpropagation,sahlol2017elephant`. The table is from its
# text alone; the works were not at hand here, so that what the report leaves out may well be in them.

# %% tags=["hide-input"]
works = facts.load_works()
table = fact_table(
    works,
    {
        "name": "work",
        "task": "task",
        "method": "method",
        "missing": "what is missing to trust it",
    },
)
shares = ["none" if w.score is None else f"{w.score:.2%}" for w in works]
table.insert(3, "score printed", shares)
style(table, "Works surveyed by the report.")

# %%
told = {w.name: [k for k in figures.STATED if getattr(w, k)] for w in works}
show(
    figures.plot_stated(works),
    caption="What the report's text tells of each work (filled).",
    alt="; ".join(
        f"{name}: {', '.join(given).replace('_', ' ') or 'nothing'}"
        for name, given in told.items()
    ),
)

# %% tags=["hide-input"]
with_score = [w for w in works if w.score]
low, high = min(w.score for w in with_score), max(w.score for w in with_score)
nowhere = [
    title.replace("\n", " ")
    for key, title in figures.STATED.items()
    if not any(getattr(w, key) for w in works)
]
say(
    f"{len(with_score)} of {len(works)} have a score, from {low:.0%} to {high:.0%}. Told of none: "
    f"{', '.join(nowhere)}. So the scores cannot be compared, with each other or with the report's: "
    f"they are of different tasks, on images that are not named, under splits that are not told. "
    f"Before the survey the report says that earlier works mostly used ALL-IDB, and later that it is "
    f"small and old."
)

# %% [markdown]
# For one of the works the report prints the share of each class that was recognised.

# %% tags=["hide-input"]
(claim,) = [
    c for c in load_claims("mir2019report") if c.id == "report-asadi-mean"
]
by_class = [f"{value:g}" for value in claim.arguments["values"]]
say(
    f"Asadi and others, as the report tells: {by_class[0]} % of ALL and {by_class[1]} % of AML, "
    f"{claim.published:g} % on average."
)

# %% [markdown]
# A survey that is to carry weight asks the same of every work: which images, of how many people, split
# how, chosen on what, scored once or often, with what interval, beside which simple rule. Reviews that
# asked such questions found {cite:p}`salah2019machine,ghaderzadeh2021review,roberts2021pitfalls`:

# %% tags=["hide-input"]
style(
    fact_table(
        facts.load_reviews(),
        {
            "name": "review",
            "field": "field",
            "works": "works",
            "asked": "what was asked",
            "found": "found",
        },
    ),
    "What reviews found.",
)

# %% [markdown]
# The middle row shows why the question matters. An average of what works report of themselves says how
# works are reported.
#
# ## Exercises
#
# ```{exercise}
# :label: learning-trees
# Replace the vote of neighbours by one decision tree
# (`sklearn.tree.DecisionTreeClassifier(max_depth=d, random_state=1)`) on the same two numbers. How do
# training and validation error move with the depth?
# ```
#
# ```{solution-start} learning-trees
# :class: dropdown
# ```
#
# The depth plays the part of $k$, the other way round: deeper trees draw finer borders.

# %% tags=["solution"]
from sklearn.tree import DecisionTreeClassifier

rows = []
for depth in (1, 2, 4, 8, 16):
    for part in parts:
        values = scaled(two, part)
        tree = DecisionTreeClassifier(max_depth=depth, random_state=1)
        tree.fit(values[part == "train"], blast[part == "train"])
        for name in ("train", "validation"):
            inside = part == name
            wrong = 1 - tree.score(values[inside], blast[inside])
            rows.append((depth, name, wrong))
grown = pd.DataFrame(rows, columns=["depth", "part", "wrong"])
grown = grown.pivot_table(index="depth", columns="part", values="wrong")
assert grown.train.is_monotonic_decreasing
assert grown.train[16] < grown.validation[16]
style(grown.reset_index(), "Share wrong by the depth of the tree.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: learning-cases
# How few cases of each class would do to print the two shares of Asadi and others, as the report tells
# them? What margin does one share have then? (`learning.fitting_counts` and
# `learning.hoeffding_margin` help.)
# ```
#
# ```{solution-start} learning-cases
# :class: dropdown
# ```
#
# A share of whole cases prints as a given per cent only for some numbers of cases.

# %% tags=["solution"]
fitting = [set(learning.fitting_counts(share)) for share in by_class]
both = sorted(fitting[0] & fitting[1])
margin = learning.hoeffding_margin(both[0])
assert both[0] == 15 and margin > 0.3
say(
    f"{both[0]} cases of each class would do ({', '.join(map(str, both[:4]))}, ... fit). With so few, "
    f"a share is known to plus or minus {margin:.0%} at best. Whether there were so few the work would "
    f"have to say."
)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: learning-images
# How many independent images are needed so that, for one rule fixed before, empirical risk and risk
# differ by at most one percentage point with 95 % probability? And for a thousand rules? Solve
# Hoeffding's inequality for $n$, then check.
# ```
#
# ```{solution-start} learning-images
# :class: dropdown
# ```
#
# From $2 M e^{-2 n \varepsilon^2} = 0.05$ follows $n = \ln(40 M) / (2 \varepsilon^2)$.

# %% tags=["solution"]
needed = {
    rules: int(np.ceil(np.log(40 * rules) / (2 * 0.01**2)))
    for rules in (1, 1000)
}
for rules, n in needed.items():
    assert learning.hoeffding_margin(n, rules=rules) <= 0.01
    assert learning.hoeffding_margin(n - 1, rules=rules) > 0.01
say(
    f"{needed[1]:,} images for one rule, {needed[1000]:,} for a thousand: three times as many, not a "
    f"thousand times, because the logarithm grows slowly."
)
assert 2 < needed[1000] / needed[1] < 4

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: learning-honest
# A colleague has tried forty settings, each scored on the test part, and wants to report the best. The
# training and validation parts are intact. What can be saved, and what should the report say?
# ```
#
# ```{solution} learning-honest
# :class: dropdown
# The test part has become a validation part. If people can be found who are in none of the parts, they
# make a new test part: choose the setting on the old parts, score it there once. If not, choose on the
# validation part alone and report the test score of that setting, and say that forty settings were
# scored on it before; or report all forty scores. A cross-validation in which each fold repeats the
# whole choice is the way for next time.
# ```
#
# ## Quiz

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("learning")

# %% [markdown]
# ## Summary
#
# - Classification names a picture, localisation and detection find things in it; C-NMC asks only the
#   first.
# - Learning minimises empirical risk. It stands for risk if the examples are independent and the rule
#   was not chosen on them.
# - A rule that may draw any border fits its training cells and fails on others; a validation part
#   chooses, a test part is asked once.
# - Features can be measured or learned; which is better is an empirical question, and a few people can
#   answer it either way.
# - A score without images, people, split and interval cannot be compared with another.
#
# **Next**: [gradient descent](gradient_descent.ipynb), how a network finds weights with a small
# empirical risk.
