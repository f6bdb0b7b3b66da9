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
# # Activations and losses
#
# *What does a unit pass on, and how is a network told how wrong it is?* A unit bends its sum, or
# layers would gain nothing over one. The {term}`loss` of a classifier is the negative logarithm of the
# probability that it gave to the true labels, and the slope of that is the plain error.
#
# :::{admonition} Before you start
# **You will learn** the common activations and their slopes, why {term}`gradients <gradient>` vanish and units die,
# where {term}`cross-entropy` comes from, what other losses there are and when they are wrong, and what
# {term}`class weights <class weight>`, smoothed labels and a {term}`temperature` do to probabilities.
# **You need** [backpropagation](backpropagation.ipynb), and no GPU; the last line of the page says
# how long it ran.
# **Reading time**: about forty minutes.
# :::

# %% tags=["parameters"]
seed = 2019  # seed of all that is drawn at random
depth = 20  # layers of the deep networks whose gradients are measured
width = 50  # units in each of their layers
tries = 5  # networks of each kind
steps = 300  # steps of gradient descent in the trainings
fit_rate = 0.3  # a learning rate that suits the small network
large_rate = 5.0  # one that is too large for it

# %%
import numpy as np
import pandas as pd
from alllib.backend import load_keras
from alllib.figures import say, set_style, show
from alllib.lessons import activation_figures as figures
from alllib.lessons import activations, deep, losses, show_source
from alllib.tables import style

set_style()
rng = np.random.default_rng(seed)

# %% [markdown]
# ## Why a unit bends its sum
#
# A unit multiplies its inputs with its weights, adds them up with a {term}`bias`, and passes the sum
# through an {term}`activation function`:
#
# $$a = f(z), \qquad z = \sum_i w_i x_i + b.$$ (eq-neuron)
#
# The report applies $f$ to "X" and leaves the bias out {cite:p}`mir2019report`, section 3.1.5. What
# goes into $f$ is the sum $z$, and without a bias every unit would bend at the same place.
#
# Why bend at all? Two layers without an activation are
# $W_2^\top (W_1^\top x + b_1) + b_2 = (W_1 W_2)^\top x + (W_2^\top b_1 + b_2)$, which is one layer with other numbers.
# We try it.

# %%
x = rng.normal(size=(6, 3))
(w1, b1), (w2, b2) = deep.draw_layers((3, 8, 2), rng)
b1, b2 = rng.normal(size=8), rng.normal(size=2)
two = (x @ w1 + b1) @ w2 + b2
one = x @ (w1 @ w2) + (b1 @ w2 + b2)
bent = activations.relu(x @ w1 + b1) @ w2 + b2

# %% tags=["hide-input"]
say(
    f"Two straight layers and the one layer made of them differ by {np.abs(two - one).max():.0e}, "
    f"which is rounding. With a bend between them they differ by {np.abs(bent - one).max():.1f}: "
    "only then has the second layer something to add."
)

# %% [markdown]
# ## Four activations and their slopes
#
# {term}`Backpropagation <backpropagation>` multiplies the error that arrives at a unit with the slope $f'(z)$, so the slope
# matters as much as the function.
#
# | name | $f(z)$ | $f'(z)$ | range |
# |---|---|---|---|
# | {term}`ReLU` | $\max(0, z)$ | $1$ where $z > 0$, else $0$ | from $0$ up |
# | leaky ReLU | $z$ where $z > 0$, else $\alpha z$ | $1$ where $z > 0$, else $\alpha$ | all |
# | {term}`sigmoid` $\sigma$ | $1 / (1 + e^{-z})$ | $\sigma(z)\,(1 - \sigma(z))$ | $0$ to $1$ |
# | tanh | $(e^z - e^{-z}) / (e^z + e^{-z})$ | $1 - \tanh^2(z)$ | $-1$ to $1$ |
#
# The first row is the report's formula,
#
# $$R(x) = \max(0, x),$$ (eq-relu)
#
# and it is right. ReLU came into use
# with {cite:t}`nair2010relu`, the leaky form with {cite:t}`maas2013rectifier`. At $z = 0$ a ReLU has
# no slope; libraries take $0$ there. In NumPy:

# %% tags=["hide-input"]
show_source(
    activations.relu,
    activations.relu_slope,
    activations.leaky_relu,
    activations.sigmoid,
    activations.sigmoid_slope,
    activations.tanh,
)

# %% [markdown]
# The sigmoid is written in two halves on purpose. For $z = -1000$ the formula would need
# $e^{1000}$, which no computer holds; $e^{-|z|}$ is never above one.

# %% tags=["hide-input"]
at_zero = {name: float(slope(0.0)) for name, (_, slope) in deep.BENDS.items()}
large = 4.0  # a sum far from zero
far = activations.sigmoid_slope(large)
show(
    figures.plot_bends(deep.BENDS),
    caption="Four activation functions and their slopes.",
    alt="Left: sigmoid rises from zero to one, tanh from minus one to one, ReLU is zero and then "
    "a straight line, the leaky one has a small slope below zero. Right: the slope of the sigmoid "
    f"is a low hill of height {at_zero['sigmoid']:.2f}, that of tanh one of height "
    f"{at_zero['tanh']:.0f}; ReLU steps from zero to one.",
)

# %% [markdown]
# A slope can be checked without any theory: take two inputs close together and divide the difference
# of the outputs by that of the inputs.

# %%
z, step = np.linspace(-5, 5, 1000), 1e-6  # no point falls on the bend at 0
gaps = {
    name: np.abs(
        (bend(z + step) - bend(z - step)) / (2 * step) - slope(z)
    ).max()
    for name, (bend, slope) in deep.BENDS.items()
}

# %% tags=["hide-input"]
say(
    f"The four slopes differ from such quotients by at most {max(gaps.values()):.0e}. The sigmoid's "
    f"is nowhere above **{at_zero['sigmoid']}**, and at a sum of {large:g} it is down to {far:.3f}. A unit "
    "whose sum is large in either direction is called *saturated*: it hardly learns."
)

# %% [markdown]
# Two statements of the report need a footnote. It says that ReLU was "proved" to converge several
# times as fast as tanh. The source {cite:p}`krizhevsky2012imagenet` does not prove it; it measured
# it once. And its sections 3.5 and 3.6 name ReLU for the {term}`hidden layers <hidden layer>`, while its conclusion names
# ReLU and sigmoid. The project builds the network with ReLU, because the layer list says so; the
# stored model would settle it.

# %% tags=["hide-input"]
from alllib.statements import load_claims

(faster,) = [c for c in load_claims() if c.id == "report-relu-faster"]
say(
    f"The factor that the report gives is **{faster.published}**. {faster.note} It is one network "
    "on one data set, and no constant of nature."
)

# %% [markdown]
# ## Softmax: scores become shares
#
# The last layer gives each class $j$ a {term}`score` $z_j = w_j^\top x + b_j$.
# {term}`Softmax <softmax>` turns the scores into positive numbers that add up to one
# {cite:p}`bridle1990probabilistic`:
#
# $$p(y = j \mid x) = \frac{e^{z_j}}{\sum_{k=1}^{K} e^{z_k}}.$$ (eq-softmax)
#
# The report prints this with $k = K$ below the sum, which would be a single term; the sum runs from
# $k = 1$ to $K$. The article {cite:p}`mir2019article` announces the same formula for "n different
# events". They are not separate events: they are the $K$ answers to one question, and exactly one
# of them is true.
#
# Written as it stands, the formula breaks.

# %%
scores = np.array([[1.0, 2.0, 4.0], [1001.0, 1002.0, 1004.0]])
with np.errstate(over="ignore", invalid="ignore"):
    naive = activations.naive_softmax(scores)
stable = activations.softmax(scores)
show_source(activations.softmax)

# %% tags=["hide-input"]
rows = [
    {"scores": str(z.tolist()), "as printed": str(a), "stable": str(b)}
    for z, a, b in zip(scores, naive.round(3), stable.round(3), strict=True)
]
style(pd.DataFrame(rows), "Two ways to compute the same softmax.")

# %% tags=["hide-input"]
most = {kind: np.log(np.finfo(kind).max) for kind in ("float64", "float32")}
half = np.log(float(np.finfo("float16").max))
say(
    f"The exponential overflows above {most['float64']:.0f} in double precision, above "
    f"{most['float32']:.0f} in single, and above {half:.0f} in half precision, in which large "
    "networks are trained. Infinity divided by infinity is not a number, and one such number spoils "
    "all weights in the next step."
)

# %% [markdown]
# The remedy costs one subtraction. For any constant $c$,
#
# $$\frac{e^{z_j - c}}{\sum_k e^{z_k - c}} = \frac{e^{-c} e^{z_j}}{e^{-c} \sum_k e^{z_k}}
#   = \frac{e^{z_j}}{\sum_k e^{z_k}},$$
#
# so softmax depends on differences of scores alone. With $c = \max_k z_k$ the largest exponential
# is $e^0 = 1$; the rest can only underflow to zero, which is harmless
# {cite:p}`blanchard2021softmax`.
#
# With two classes the same step with $c = z_1$ gives
#
# $$p_2 = \frac{1}{1 + e^{-(z_2 - z_1)}} = \sigma(z_2 - z_1):$$ (eq-two-classes)
#
# softmax of two scores is the sigmoid of their difference. In that sense, as the report says, it extends
# logistic regression to several classes.
#
# Its slopes form a square: raising score $k$ by a little changes share $j$ by
#
# $$\frac{\partial p_j}{\partial z_k} = p_j\,(\delta_{jk} - p_k), \qquad
#   \delta_{jk} = 1 \text{ if } j = k \text{, else } 0.$$

# %%
slopes = activations.softmax_slopes(scores[0])
style(
    pd.DataFrame(slopes, columns=["by score 1", "by score 2", "by score 3"]),
    "Slopes of the three shares (rows) by the three scores.",
)

# %% tags=["hide-input"]
say(
    f"Each row and each column adds up to zero (to within {np.abs(slopes.sum(axis=0)).max():.0e}): "
    "what one class gains, the others lose. That has a price: the shares add up to one for *any* "
    "picture, a blurred one or one without a cell included. A share is a probability only if the "
    "classes are all that can occur, and if it is calibrated, of which more below."
)

# %% [markdown]
# ## Gradients that vanish
#
# Going back through one layer, the error is multiplied with the weights and with the slope:
#
# $$\delta^{(l)} = f'(z^{(l)}) \odot \bigl(W^{(l+1)} \delta^{(l+1)}\bigr).$$
#
# Here $\odot$ multiplies entry by entry. For a sigmoid $f' \le 1/4$. Unless the weights make up for
# it, the error shrinks at least fourfold a layer, and the first layers of a deep network receive
# next to nothing: the {term}`vanishing gradient` {cite:p}`hochreiter1998vanishing`. We measure it
# on networks with random weights and random inputs. Nothing is trained.

# %% tags=["hide-input"]
show_source(deep.forward, deep.backward)

# %% [markdown]
# Weights are drawn with variance $g / n$, where $n$ is the number of inputs of a unit. With $g = 1$
# a linear layer keeps the size of its signal {cite:p}`glorot2010difficulty`. A ReLU throws half of
# the signal away, so it needs $g = 2$ {cite:p}`he2015delving`.

# %%
kinds = {
    "sigmoid, g = 1": ("sigmoid", 1.0),
    "tanh, g = 1": ("tanh", 1.0),
    "ReLU, g = 1": ("ReLU", 1.0),
    "ReLU, g = 2": ("ReLU", 2.0),
}
inputs = rng.normal(size=(100, width))
labels = (rng.random(100) < 0.5).astype(float)
norms = {name: [] for name in kinds}
for name, (bend, gain) in kinds.items():
    for _ in range(tries):
        layers = deep.draw_layers([width] * depth + [1], rng, gain)
        norms[name].append(deep.layer_norms(layers, inputs, labels, bend))

# %% tags=["hide-input"]
norms = {name: np.array(found) for name, found in norms.items()}
share = {
    name: float(np.median(found[:, 0] / found[:, -2]))
    for name, found in norms.items()
}
show(
    figures.plot_norms(norms),
    caption=f"Length of the gradient by the weights of each of {depth} layers, before any training; "
    f"median and range of {tries} networks.",
    alt="From the last layers to the first the gradient shrinks by many powers of ten for the "
    "sigmoid and stays of one size for tanh and for ReLU with the larger weights. First layer as a "
    "multiple of the last hidden one: "
    + "; ".join(f"{name}: {value:.0e}" for name, value in share.items())
    + ".",
)

# %% tags=["hide-input"]
wanted = 1 / share["sigmoid, g = 1"]
say(
    f"With sigmoids the first layer's gradient is **{share['sigmoid, g = 1']:.0e}** of that of the "
    f"last hidden layer. At one learning rate for all layers it would need {wanted:.0e} steps for "
    f"what the last one does in one. With ReLU and g = 2 the factor is "
    f"{share['ReLU, g = 2']:.1f}."
)

# %% [markdown]
# The report says that ReLU "avoids and rectifies" the problem. It removes one of the two factors: an
# active unit has slope one. The other factor, the weights, remains. The line for ReLU with $g = 1$
# is low in *all* layers, because a signal that halves its variance in every layer arrives at the
# output too small to tell images apart. Besides ReLU and well drawn weights, {term}`batch normalisation`
# {cite:p}`ioffe2015batch` and residual connections {cite:p}`he2016resnet` keep gradients of one size;
# [networks that won ImageNet](imagenet_networks.ipynb) shows the latter.

# %% [markdown]
# ## Units that die
#
# A ReLU unit whose sum is negative for every input passes on nothing, forwards and backwards. No
# gradient reaches its weights, so it stays so: a {term}`dead unit`. A {term}`learning rate` that is too
# large is the usual cause: one long step throws the bias far below zero
# {cite:p}`maas2013rectifier,lu2020dying`.
#
# We train a small network (two inputs, two hidden layers) to tell the inside of a circle from the
# outside, once with a fitting rate and once with one that is too large.

# %%
points = rng.normal(size=(200, 2))
inside = (np.hypot(*points.T) < 1.1).astype(float)
start = deep.draw_layers((2, 16, 16, 1), rng, gain=2.0)
trained = {
    f"ReLU, rate {rate:g}": deep.descend(
        start, points, inside, "ReLU", rates=[rate] * steps
    )
    for rate in (fit_rate, large_rate)
}
silent = {name: found for name, (_, _, found) in trained.items()}

# %% [markdown]
# And does a leaky ReLU bring dead units back? We start from a network whose first layer is dead: the
# bias of each unit is set so low that no point reaches it. We train it with either activation at the
# fitting rate.

# %%
weights, bias = start[0]
reach = (points @ weights + bias).max(axis=0)  # highest sum of each unit
dead = [(weights, bias - reach - 0.1), *start[1:]]
revived = {
    bend: deep.descend(dead, points, inside, bend, rates=[fit_rate] * steps)
    for bend in ("ReLU", "leaky ReLU")
}
p = inside.mean()
floor = -(p * np.log(p) + (1 - p) * np.log(1 - p))

# %% tags=["hide-input"]
ends = {name: found[-1] for name, found in silent.items()}
final = {name: found[-1] for name, (_, found, _) in revived.items()}
show(
    figures.plot_descents(
        silent,
        {name: found for name, (_, found, _) in revived.items()},
        floor,
    ),
    caption="Left: share of hidden units that are silent for every input. Right: loss of a network "
    "that starts with a dead first layer; dotted: the best answer that is the same for all inputs.",
    alt="Left, silent units at the end: "
    + "; ".join(f"{name}: {value:.0%}" for name, value in ends.items())
    + ". Right, loss at the end: "
    + "; ".join(f"{name}: {value:.2f}" for name, value in final.items())
    + ".",
)

# %% tags=["hide-input"]
small, large = ends.values()
say(
    f"At rate {large_rate:g}, **{large:.0%}** of the units end silent, at rate {fit_rate:g} "
    f"{small:.0%}. From the dead start the network with ReLU ends at a loss of {final['ReLU']:.3f}; "
    f"the best constant answer costs {floor:.3f}, and no better one is in its reach. With the leak it "
    f"ends at **{final['leaky ReLU']:.3f}**."
)

# %% [markdown]
# So the report is right that leaky ReLU mends dead units. It does not mend a learning rate: where
# ReLU dies quietly, a network that cannot die may diverge instead. We try the same large rate.

# %%
with np.errstate(all="ignore"):  # the sums overflow: that is the point
    _, wild, _ = deep.descend(
        start, points, inside, "leaky ReLU", rates=[large_rate] * steps
    )

# %% tags=["hide-input"]
bad = np.flatnonzero(~np.isfinite(wild))
say(
    f"With leaky ReLU and rate {large_rate:g} "
    + (
        f"the loss is not a number any more after {bad[0]} steps."
        if len(bad)
        else f"the loss reached {wild.max():.0f} on its way and ended at {wild[-1]:.3f}."
    )
)

# %% [markdown]
# ## What a loss is for
#
# The report calls the loss a metric. The two have different jobs. A *metric*, such as
# accuracy, is what people want to know. A *loss* is what descent can lower: it must change when the
# weights change a little. Accuracy does not.

# %%
z = rng.normal(size=500)
y = (z + rng.normal(size=500) > 0).astype(float)
nudged = z + 1e-4
change = {
    "accuracy": np.mean((nudged > 0) == y) - np.mean((z > 0) == y),
    "loss": losses.binary_cross_entropy(y, nudged)
    - losses.binary_cross_entropy(y, z),
}

# %% tags=["hide-input"]
say(
    f"All {len(z)} scores raised by a ten-thousandth change the accuracy by "
    f"{change['accuracy']:g} and the loss by {change['loss']:.1e}. Where the accuracy has a slope at "
    "all, it is that of a step."
)

# %% [markdown]
# The report names three families. With $y$ the target, $v$ or $z$ the output, $p$ a probability and
# $s = \pm 1$ a class, their common members are, for one image:
#
# | family | loss | equation |
# |---|---|---|
# | regression: how much | {term}`squared error` | $(v - y)^2$ |
# | | absolute error | $\lvert v - y \rvert$ |
# | {term}`classification`: which | binary cross-entropy | $-\bigl(y \ln p + (1 - y) \ln(1 - p)\bigr)$ |
# | | categorical cross-entropy | $-\sum_k y_k \ln p_k$ |
# | | {term}`hinge loss` | $\max(0, 1 - s z)$ |
# | embedding: how alike | cosine | $-\,u \cdot v \,/\, (\lVert u \rVert\, \lVert v \rVert)$ |
# | | triplet | $\max\bigl(0, \lVert a - b \rVert^2 - \lVert a - c \rVert^2 + m\bigr)$ |
#
# Of these the report prints one for an image with a probability $p$ and a label $y$,
#
# $$L = -\bigl(y \ln p + (1 - y) \ln (1 - p)\bigr),$$ (eq-cross-entropy)
#
# and names two more, the squared error as a mean over images and the cosine of two vectors:
#
# $$\frac{1}{n} \sum_{i=1}^{n} (v_i - y_i)^2, \qquad
# \frac{u \cdot v}{\lVert u \rVert\, \lVert v \rVert}.$$ (eq-named-losses)
#
# Four corrections to the sources:
#
# - The report's "regressive" losses are losses of *regression*.
# - It gives cosine similarity as an example of a loss. The similarity is largest when two vectors
#   point the same way; what is lowered is its negative, or one less the similarity. The triplet loss
#   {cite:p}`schroff2015facenet` is the other well known member: $a$ and $b$ belong together, $c$
#   does not, and $m$ is a margin.
# - The report's formula for binary cross-entropy is right for one image. A training lowers its mean
#   over images. The logarithm is the natural one, and at $p = 0$ or $1$ the formula multiplies zero by
#   an infinite logarithm.
# - The article names "SVM/Softmax" as loss functions. A support vector machine has the hinge loss
#   {cite:p}`cortes1995support`. Softmax is no loss: it makes the probabilities, and cross-entropy
#   judges them.

# %%
target, value = np.array([1.0, 2.0]), np.array([1.5, 4.0])
first, second = np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
worked = {
    "squared error": losses.mean_squared_error(target, value),
    "binary cross-entropy": losses.binary_cross_entropy(
        np.array([1.0, 0.0]), np.array([2.0, -1.0])
    ),
    "hinge": losses.hinge(np.array([1.0, -1.0]), np.array([0.4, -3.0])),
    "cosine": losses.cosine_loss(first, second),
}

# %% tags=["hide-input"]
style(
    pd.DataFrame(worked.items(), columns=["loss", "mean"]),
    "One worked value of each: check them with pencil and paper.",
)

# %% [markdown]
# ## Where cross-entropy comes from
#
# Say a model gives each cell $i$ the probability $p_i$ to be {term}`ALL`. If cells are judged independently,
# the probability that it gives to all labels together, the {term}`likelihood`, is
#
# $$L = \prod_i p_i^{\,y_i} (1 - p_i)^{1 - y_i},$$
#
# since $y_i = 1$ picks $p_i$ and $y_i = 0$ picks $1 - p_i$. A good model is one under which what was
# seen is likely. A product of thousands of such factors underflows, and a sum is easier to
# differentiate, so one takes the logarithm, changes the sign, and divides by the number of cells:
#
# $$-\frac{1}{n} \ln L = -\frac{1}{n} \sum_i \bigl(y_i \ln p_i + (1 - y_i) \ln (1 - p_i)\bigr).$$ (eq-likelihood)
#
# That is the mean binary cross-entropy. Lowering it is the same as raising the likelihood. Its
# least value for a model that says the same $p$ of every cell is found by setting the slope to zero:
# $p$ is the share of ALL among the cells.

# %%
seen = np.array([1, 1, 0, 1])  # three cells with ALL, one healthy
tried = np.linspace(0.005, 0.995, 199)
curve = [losses.negative_log_likelihood(seen, p) / len(seen) for p in tried]
cheapest = tried[int(np.argmin(curve))]
one_cell = {
    "a cell with ALL": -np.log(tried),
    "a healthy cell": -np.log(1 - tried),
    "the mean of all four": np.array(curve),
}

# %% tags=["hide-input"]
show(
    figures.plot_likelihood(tried, one_cell, seen.mean()),
    caption="Negative log likelihood of one cell and of the four together; thin line: share of ALL.",
    alt="The loss of a cell with ALL falls with the probability and that of a healthy one rises. "
    f"Their mean over three and one is least at {cheapest:.2f}.",
)

# %% tags=["hide-input"]
(bad,) = [c for c in load_claims() if c.id == "report-log-loss-bad"]
low = bad.arguments["probability"]
say(
    f"The least mean lies at **{cheapest:.3f}**; the share of ALL is {seen.mean()}. The report's "
    f"example, a probability of {low} for what is true, costs {-np.log(low):.2f}; a toss-up costs "
    f"{-np.log(0.5):.2f}. The loss has no upper end: one cell that is called impossible and occurs "
    "outweighs all others."
)

# %% [markdown]
# The derivation also says when the loss is *not* the likelihood: when cells are not independent.
# Cells of one person are alike, and the product above counts them as if they were separate
# evidence. [Splitting](splitting.ipynb) and [uncertainty](uncertainty.ipynb) deal with that.

# %% [markdown]
# ## One output or two, and the slope
#
# For $K$ classes the target is a vector with a one at the true class, a {term}`one-hot` vector, and
# the categorical cross-entropy $-\sum_k y_k \ln p_k$ is minus the logarithm of the share of the true
# class. With softmax inside, it needs no share at all:
#
# $$-\ln p_j = \ln \sum_k e^{z_k} - z_j.$$
#
# This is the form to compute: it has neither a division nor the logarithm of a rounded zero. Keras
# takes it when a loss is told `from_logits=True`. *{term}`Logits <logit>`* are what we call scores.

# %% tags=["hide-input"]
show_source(
    losses.log_sum_exp, losses.cross_entropy, losses.binary_cross_entropy
)

# %% [markdown]
# With two classes, one sigmoid unit with binary cross-entropy and two softmax units with categorical
# cross-entropy are the same model: one score stands for the difference of two.

# %%
both = np.column_stack([np.zeros_like(z), z])  # the first class's score is 0
onehot = np.column_stack([1 - y, y])
gap = losses.cross_entropy(onehot, both) - losses.binary_cross_entropy(y, z)

# %% tags=["hide-input"]
say(
    f"On {len(z)} scores the two losses differ by {abs(gap):.0e}. What does *not* go together is one "
    "softmax unit: a share of one thing is always one, and the network learns nothing."
)

# %% [markdown]
# What do the networks of the sources use?

# %%
from alllib.recipes import list_recipes, load_recipe

rows = []
for name in list_recipes():
    recipe = load_recipe(name)
    ours = {one.parameter: one.reason for one in recipe.choice}
    loss = recipe.training.loss.replace("_", " ")
    rows.append((recipe.title, loss, ours.get("training.loss", "named")))
style(
    pd.DataFrame(rows, columns=["system", "loss here", "in its source"]),
    "Losses of the systems.",
)

# %% tags=["hide-input"]
open_ones = sum(note != "named" for *_, note in rows)
say(
    f"**{open_ones} of {len(rows)}** recipes had to choose the loss, because the source does not name "
    "it. The output layer that it prints leaves little doubt."
)

# %% [markdown]
# Now the reason why cross-entropy and softmax belong together. Insert the slopes of softmax into
# the {term}`chain rule`:
#
# $$\frac{\partial}{\partial z_k}\Bigl(-\sum_j y_j \ln p_j\Bigr)
#   = -\sum_j \frac{y_j}{p_j}\, p_j (\delta_{jk} - p_k) = p_k - y_k.$$
#
# The last step uses $\sum_j y_j = 1$. The shares in the denominator cancel, and what is left is the
# error itself: what was said less what is true. We check it with differences.

# %%
few, hot = rng.normal(size=(5, 3)), np.eye(3)[[0, 2, 1, 1, 0]]
found = np.zeros_like(few)
for place in np.ndindex(*few.shape):
    moved = few.copy()
    moved[place] += 1e-6
    rise = losses.cross_entropy(hot, moved) - losses.cross_entropy(hot, few)
    found[place] = rise / 1e-6
gap = np.abs(found - losses.cross_entropy_gradient(hot, few)).max()
assert gap < 1e-6

# %% [markdown]
# ## Why not the squared error
#
# One can also lower $(p - y)^2$ with $p = \sigma(z)$. It is a sound measure of probabilities, known
# as the Brier score. As a loss it has a flaw: its slope is
#
# $$\frac{\partial (p - y)^2}{\partial z} = 2\,(p - y)\; p\,(1 - p),$$
#
# and the factor $p (1 - p)$, the sigmoid's slope, is near zero where the network is surely wrong. The
# images that it has most to learn from teach it least.

# %%
z = np.linspace(-8, 8, 401)  # scores of an image of the positive class
p = activations.sigmoid(z)
curves = {
    "cross-entropy": np.log1p(np.exp(-z)),
    "squared error": (p - 1) ** 2,
    "hinge": np.maximum(0, 1 - z),
}
steep = {
    "cross-entropy": p - 1,
    "squared error": 2 * (p - 1) * p * (1 - p),
    "hinge": np.where(z < 1, -1.0, 0.0),
}

# %% tags=["hide-input"]
place = int(np.argmin(np.abs(z + 6)))
told = {name: found[place] for name, found in steep.items()}
show(
    figures.plot_loss_slopes(z, curves, steep),
    caption="Three losses of an image of the positive class by its score, and their slopes.",
    alt=f"At a score of {z[place]:.0f}, where the image is surely misjudged, the slopes are "
    + "; ".join(f"{name}: {value:.3f}" for name, value in told.items())
    + ". The squared error is flat there.",
)

# %% tags=["hide-input"]
say(
    f"At a score of {z[place]:.0f} cross-entropy pulls "
    f"**{told['cross-entropy'] / told['squared error']:.0f} times** as hard as the squared error."
)

# %% [markdown]
# In trials on speech and handwriting, networks from random weights did not reach a good state with
# the squared error, and did with cross-entropy {cite:p}`golik2013squared`. The hinge loss pulls
# steadily on all images inside the margin and not at all on the others. It needs no probabilities
# and gives none: a score of a support vector machine says which class, not how likely.

# %% [markdown]
# ## Class weights
#
# C-NMC has more cells with ALL than healthy ones. A network that calls everything ALL is right more
# often than not. Class weights let an image of the rarer class count more:
#
# $$\text{loss} = \frac{1}{n} \sum_i w_{y_i} \bigl(-\ln p_{i, y_i}\bigr), \qquad
#   w_c = \frac{n}{K\, n_c}.$$
#
# With these weights the classes count alike. Keras divides by the number of images, as here, and not
# by the sum of the weights.

# %%
from alllib.downloads import official_cells

cells = official_cells()
counts = cells[cells.fold.str.startswith("fold_")].label.value_counts()
weights = losses.balance_classes(counts)
table = pd.DataFrame({"images": counts, "weight": weights})
table["together"] = table.images * table.weight
style(table.reset_index(), "Classes of the C-NMC training images.")

# %% [markdown]
# Weights are not free. Say that among all images that look like a given one a share $\pi$ is ALL.
# With weights the loss $-\bigl(w_1 \pi \ln p + w_0 (1 - \pi) \ln (1 - p)\bigr)$ is least at
#
# $$p^* = \frac{w_1 \pi}{w_1 \pi + w_0 (1 - \pi)},$$
#
# which is $\pi$ only for equal weights. The network then answers for a world in which the classes are
# equally frequent. That can be what one wants; its probabilities no longer fit the images at hand.
# Weights, resampling and moving the decision {term}`threshold` afterwards shift the same balance
# {cite:p}`he2009imbalanced`.

# %%
share_all = counts["ALL"] / counts.sum()
heavy = dict(zip(counts.index, weights, strict=True))
p = np.linspace(0.001, 0.999, 999)
cost = -(
    heavy["ALL"] * share_all * np.log(p)
    + heavy["HEM"] * (1 - share_all) * np.log(1 - p)
)
answer = p[int(np.argmin(cost))]

# %% tags=["hide-input"]
say(
    f"Of a cell about which the image says nothing, a network without weights would say ALL with "
    f"{share_all:.3f}, the share of ALL; with balanced weights it says **{answer:.3f}**."
)

# %% [markdown]
# ## Smoothed labels
#
# A one-hot target asks for a share of exactly one, which no finite score gives; so scores grow
# without end. {term}`Label smoothing` asks for less: $y'_k = (1 - \varepsilon)\, y_k + \varepsilon / K$
# {cite:p}`szegedy2016rethinking`. The loss is then least at a finite lead of the true class.

# %%
lead = np.linspace(-2, 10, 601)
pairs = np.column_stack([lead, np.zeros_like(lead)])
priced = {}
for amount in (0.0, 0.1, 0.3):
    soft = losses.smooth_labels(np.array([[1.0, 0.0]]), amount)
    each = losses.log_sum_exp(pairs) - (soft * pairs).sum(axis=1)
    priced[f"smoothed by {amount:g}" if amount else "one-hot"] = each
best = {name: lead[int(np.argmin(found))] for name, found in priced.items()}

# %% tags=["hide-input"]
name = list(best)[1]
show(
    figures.plot_prices(lead, priced),
    caption="Loss by the lead of the true class over the other, two classes; marks: least points.",
    alt="The curve of one-hot labels falls for ever; those of smoothed labels turn up again, "
    + " and ".join(f"{k} at a lead of {best[k]:.1f}" for k in list(best)[1:])
    + ".",
)

# %% tags=["hide-input"]
say(
    f"Labels {name} are content with a lead of {best[name]:.1f}, which is a probability of "
    f"{activations.sigmoid(best[name]):.2f}. Some labels of real data are wrong, and a network that "
    "was told so by such targets insists less on them."
)

# %% [markdown]
# ## Temperature and calibration
#
# {term}`Calibration <calibration>` says whether probabilities come true: of the cells called ALL
# with a probability of four fifths, are four in five? Trained to a low loss, large networks tend to be too sure. One number
# repairs much of that: divide all scores by a temperature $T$ before softmax,
# $p_j = e^{z_j / T} / \sum_k e^{z_k / T}$, and choose the $T$ with the lowest cross-entropy on the
# *validation* part {cite:p}`guo2017calibration`. The order of the classes stays, so accuracy does not
# change; $T > 1$ makes all answers less sure, $T < 1$ surer. The chapter on
# [uncertainty](uncertainty.ipynb) measures it.

# %%
from alllib.studies import read_study, tell_study

lean = np.linspace(-6, 6, 241)
warm = {f"T = {t:g}": activations.sigmoid(lean / t) for t in (0.5, 1.0, 2.0)}
kept = read_study("calibration", "cnmc2019")
measured = {}
if kept:
    fit = kept.found
    hot = f"T = {fit['temperature']:.2f}, fitted"
    measured["as predicted"] = pd.DataFrame(fit["curves"]["before"])
    measured[hot] = pd.DataFrame(fit["curves"]["after"])

# %% tags=["hide-input"]
told = {name: found[160] for name, found in warm.items()}
show(
    figures.plot_temperatures(lean, warm, measured),
    caption="Left: probability by score at three temperatures. Right: confidence and accuracy of a "
    "forest on unseen people, recorded.",
    alt=f"Left, at a score of {lean[160]:.0f}: "
    + "; ".join(f"{name} gives {value:.2f}" for name, value in told.items())
    + ". Right: "
    + (
        "; ".join(
            f"{name}, in the surest bin {curve.confidence.iloc[-1]:.2f} promised and "
            f"{curve.accuracy.iloc[-1]:.2f} kept"
            for name, curve in measured.items()
        )
        or "nothing is recorded"
    )
    + ".",
)

# %% tags=["hide-input"]
if kept:
    before, after = (
        fit["errors"][when]["value"] for when in ("before", "after")
    )
    people = fit["groups"]["validation"]
    say(
        f"**Recorded.** {tell_study(kept)} A forest on nineteen numbers; its temperature was fitted on "
        + " and ".join(
            f"{n} groups of {label}" for label, n in people.items()
        )
        + f". On the test part the calibration error went from {before:.3f} to **{after:.3f}**: "
        + (
            "it became smaller there, too."
            if after < before
            else "what was fitted on few people did not hold for others."
        )
    )

# %% [markdown]
# ## Held equal to Keras
#
# All functions of this page are compared with Keras in the project's tests, gradients included.
# Here are some of them, on random numbers.

# %%
keras = load_keras()
ops, given = keras.ops, 3 * rng.normal(size=(50, 4))
truth = np.eye(4)[rng.integers(0, 4, 50)]
crossed = keras.losses.CategoricalCrossentropy(from_logits=True)
pairs = {
    "ReLU": (activations.relu(given), ops.relu(given)),
    "sigmoid": (activations.sigmoid(given), ops.sigmoid(given)),
    "softmax": (activations.softmax(given), ops.softmax(given)),
    "cross-entropy": (
        losses.cross_entropy(truth, given),
        crossed(truth, given),
    ),
}
gaps = {k: np.abs(a - np.asarray(b)).max() for k, (a, b) in pairs.items()}
assert max(gaps.values()) < 1e-5

# %% tags=["hide-input"]
say(
    "Largest differences: "
    + "; ".join(f"{name} {gap:.0e}" for name, gap in gaps.items())
    + ". Keras's losses compute in single precision."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: activations_losses-softplus
# *Softplus* is $f(z) = \ln(1 + e^z)$. Derive its slope. Write both in NumPy so that $z = 1000$ is no
# problem, and check the slope with differences. What has softplus to do with binary cross-entropy?
# ```
#
# ```{solution-start} activations_losses-softplus
# :class: dropdown
# ```
#
# The slope is $e^z / (1 + e^z) = \sigma(z)$. Binary cross-entropy of a cell with $y = 0$ is
# $-\ln(1 - \sigma(z)) = \ln(1 + e^z)$, which is softplus of the score; with $y = 1$ it is softplus
# of $-z$. So its slopes are $\sigma(z)$ and $\sigma(z) - 1$, which is $p - y$ both times.


# %% tags=["solution"]
def softplus(z):
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


z = np.linspace(-6, 6, 101)
quotient = (softplus(z + 1e-6) - softplus(z - 1e-6)) / 2e-6
assert np.allclose(quotient, activations.sigmoid(z), atol=1e-8)
assert softplus(1000.0) == 1000.0
assert np.isclose(
    losses.binary_cross_entropy(np.zeros(101), z), softplus(z).mean()
)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: activations_losses-start
# What cross-entropy should a network with $K$ classes have before its first step, if its scores are
# near zero? Compute it for two classes, for the four of the {term}`B-ALL` images and for the thousand of
# {term}`ImageNet`. What would a first loss of 30 tell you?
# ```
#
# ```{solution-start} activations_losses-start
# :class: dropdown
# ```
#
# All shares are $1 / K$, and the loss is $\ln K$. A much larger first loss says that the scores are
# large from the start: inputs that were not scaled, or weights drawn too large.

# %% tags=["solution"]
for classes in (2, 4, 1000):
    hot = np.eye(classes)
    first_loss = losses.cross_entropy(hot, np.zeros_like(hot))
    assert np.isclose(first_loss, np.log(classes))
    print(f"{classes} classes: {first_loss:.3f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: activations_losses-threshold
# A network was trained with class weights $w_1$ for ALL and $w_0$ for {term}`HEM`, and says $p^*$. Solve the
# formula above for $\pi$, the probability without weights. At which $p^*$ is a cell as likely ALL as
# not? Check both for the weights of C-NMC.
# ```
#
# ```{solution-start} activations_losses-threshold
# :class: dropdown
# ```
#
# Dividing the formula by its complement gives $p^* / (1 - p^*) = (w_1 / w_0)\, \pi / (1 - \pi)$, so
# $\pi = w_0 p^* / (w_0 p^* + w_1 (1 - p^*))$. It is one half at $p^* = w_1 / (w_0 + w_1)$.

# %% tags=["solution"]
w1, w0 = heavy["ALL"], heavy["HEM"]


def without_weights(p):
    return w0 * p / (w0 * p + w1 * (1 - p))


assert np.isclose(without_weights(answer), share_all, atol=2e-3)
border = w1 / (w0 + w1)
assert np.isclose(without_weights(border), 0.5)
print(f"as likely as not where the network says {border:.3f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: activations_losses-several
# A smear can show several things at once, say {term}`blasts <blast>` *and* smudge cells. Which output layer and which
# loss fit, and why not softmax?
# ```
#
# ```{solution} activations_losses-several
# :class: dropdown
# One sigmoid unit with binary cross-entropy for each finding: each is a question of its own. Softmax
# makes the shares add up to one, so that one finding would speak against the other.
# ```

# %% [markdown]
# ## Quiz

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("activations_losses")

# %% [markdown]
# ## Summary
#
# - Without a bend, layers collapse into one. ReLU passes on what is positive and has slope one there;
#   sigmoid and tanh saturate.
# - Gradients of deep networks keep their size if slopes *and* weights allow it. A unit whose sum is
#   negative for all inputs is dead; a leak brings it back, a smaller learning rate prevents it.
# - Cross-entropy is the negative log likelihood, and its slope by the scores is $p - y$. The squared
#   error of probabilities goes flat where the network is surely wrong.
# - Softmax and the losses are computed from scores, with the largest one subtracted.
# - Class weights, smoothed labels and a temperature change what the probabilities mean: know which
#   were used before you read one as a risk.
#
# **Next**: [convolution, pooling and dense layers](convolution.ipynb).
