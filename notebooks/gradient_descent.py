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
# # Gradient descent
#
# *How does a network find its weights?* By small {term}`steps <step>` downhill on its {term}`loss`. How large the steps
# are, how many examples each of them sees and what is kept from the steps before decide whether
# the bottom is reached soon, late or never.
#
# :::{admonition} Before you start
# **You will learn** to write {term}`batch`, stochastic and {term}`mini-batch` descent and the rules {term}`momentum`,
# Nesterov, {term}`RMSprop` and {term}`Adam` in a few lines each, to tell from the {term}`curvature` of a loss which
# {term}`learning rates <learning rate>` work, and to say why the report's rate is slow.
# **You need** [learning from examples](learning.ipynb), derivatives, and no GPU.
# **Reading time**: about thirty-five minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
nuclei = 120  # of these, how many the line is fitted to
seed = 2019  # seed of the synthetic cells, of the draws and of the shuffles
rate = 0.02  # learning rate of the first race
mini = 16  # examples in a mini-batch
passes = 10  # passes through all examples
momentum = 0.9  # share of the last step that is kept
share = 0.01  # a direction counts as learned when this is left of the way

# %%
import numpy as np
import pandas as pd
from alllib.comparison import recorded_runs
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.features import describe_images
from alllib.figures import say, set_style, show
from alllib.interactive import show_interactive
from alllib.quiz import show_quiz
from alllib.recipes import list_recipes, load_recipe
from alllib.tables import style

set_style()

# %%
from alllib.lessons import descent, rates, show_source
from alllib.lessons.descent_figures import (
    plot_fit,
    plot_lines,
    plot_parabolas,
    plot_paths,
    plot_threshold,
)

# %% [markdown]
# ## A loss is a surface
#
# Take the smallest model that can learn something of a cell: a straight line that guesses the
# perimeter $y$ of a {term}`nucleus` from its area $x$. It has two {term}`weights <weight>`, the intercept
# $w_0$ and the slope $w_1$. Its loss on $n$ nuclei is the mean {term}`squared error`,
#
# $$J(w) = \frac{1}{n} \sum_{i=1}^{n} \bigl(w_0 + w_1 x_i - y_i\bigr)^2 .$$ (eq-objective)
#
# This is the {term}`empirical risk` of [the last chapter](learning.ipynb) for one loss and one model. The
# report writes the parameters $\theta \in R$ {cite:p}`mir2019report`; they are as many numbers as
# there are weights, so it should read $\theta \in \mathbb{R}^d$, here with $d = 2$.

# %%
cells = load_cells(prepare_data(data, images=images, seed=seed))
few = cells.sample(min(nuclei, len(cells)), random_state=seed)
numbers = describe_images(few)
x = numbers.area.to_numpy() / 10_000  # in ten thousand pixels
y = numbers.perimeter.to_numpy() / 100  # in hundred pixels
X = np.column_stack([np.ones_like(x), x])  # so that X @ w is w_0 + w_1 x
n = len(x)

# %% [markdown]
# Two weights make a surface over a plane: one height, the loss, for each line that could be drawn.
# For a straight line and a squared error the lowest point can be computed at once, which tells us
# where descent has to arrive. The start is put to one side of it, so that there is a way to go.


# %%
def loss(w):
    """Mean squared error of a line on all nuclei."""
    return float(np.mean((X @ w - y) ** 2))


best = np.linalg.lstsq(X, y, rcond=None)[0]
start = np.array([best[0] + 1.6, best[1] + 0.4])
# What the figures show: least and largest intercept, least and largest slope.
window = (best[0] - 2, best[0] + 2, best[1] - 0.6, best[1] + 0.6)

# %% tags=["hide-input"]
show(
    plot_fit(
        x,
        y,
        loss,
        best,
        window=window,
        names=("area (ten thousand pixels)", "perimeter (hundred pixels)"),
    ),
    caption="Left: nuclei of this page and the line that fits them best. Right: the loss of each "
    "line, as on a map: each grey curve joins points of equal height, the star is the lowest point.",
    alt=f"{n} dots close to a rising line with intercept {best[0]:.2f} and slope {best[1]:.2f}; "
    "beside it a long, narrow, tilted valley with a star in its middle.",
)

# %% [markdown]
# The valley is long and narrow: a larger intercept can nearly be made up for by a smaller slope.
# Such valleys are what makes descent slow, in two dimensions as in millions.
#
# ## Downhill is against the gradient
#
# The {term}`gradient` $\nabla J(w)$ holds one slope per weight and points uphill. {term}`Gradient
# descent` goes the other way. The {term}`step` is the gradient times the {term}`learning rate`
# $\eta$, so it is long where the slope is steep. The slopes of our loss follow from the {term}`chain rule`:
# the square brings down the factor $2$ and the bracket, and the bracket's own slope is 1 by $w_0$ and
# $x_i$ by $w_1$.
#
# $$w \leftarrow w - \eta \, \nabla J(w), \qquad
# \nabla J(w) = \frac{2}{n} \sum_{i=1}^{n} \bigl(w_0 + w_1 x_i - y_i\bigr)
# \begin{pmatrix} 1 \\ x_i \end{pmatrix} .$$ (eq-descent)
#
# The method is Cauchy's, of 1847 {cite:p}`lemarechal2012cauchy`. The mean may be taken over all
# examples or over some of them; `rows` says which.


# %%
def gradient(w, rows=slice(None)):
    """Gradient of the mean squared error on some of the nuclei."""
    return 2 * X[rows].T @ (X[rows] @ w - y[rows]) / len(y[rows])


# %% [markdown]
# ## Three sizes of a batch
#
# The report, which follows Ruder's overview here {cite:p}`ruder2016overview`, tells three kinds
# apart by how many examples a step sees. With $B$ for the examples of one step, $|B|$ for how many
# they are, and $J_i$ for the loss on example $i$ alone,
#
# $$w \leftarrow w - \eta \, \frac{1}{|B|} \sum_{i \in B} \nabla J_i(w) ,$$ (eq-mini-batch)
#
# *batch* descent takes all of them ($|B| = n$), *stochastic* descent a single one
# ($|B| = 1$), and *mini-batch* descent something between. One pass through all examples is
# an {term}`epoch`; they are shuffled before each
# {cite:p}`robbins1951stochastic,bottou2018optimization`.
#
# All three are one function, in which only `size` differs. (`memory` is what a rule keeps from step
# to step. The plain rule keeps nothing; momentum, further down, will.)

# %% tags=["hide-input"]
show_source(descent.plain_step, descent.batches, descent.run_epochs)

# %% [markdown]
# Now the race: the same start, the same learning rate, the same number of passes.

# %%
from functools import partial

step = partial(descent.plain_step, learning_rate=rate)
sizes = {"batch": n, "mini-batch": mini, "stochastic": 1}
paths = {
    name: descent.run_epochs(
        step,
        gradient,
        start,
        count=n,
        size=size,
        epochs=passes,
        rng=np.random.default_rng(seed),
    )
    for name, size in sizes.items()
}

# %% tags=["hide-input"]
show(
    plot_paths(
        {f"{k}: {len(p) - 1:,} steps": p for k, p in paths.items()},
        loss,
        window=window,
        best=best,
    ),
    caption=f"The same {passes} passes in batches of three sizes. Black dot: start; star: minimum; "
    "each coloured dot is a step.",
    alt="; ".join(
        f"{name}: {len(path) - 1:,} steps, the loss ends at {loss(path[-1]):.4f}"
        for name, path in paths.items()
    )
    + ". The batch path is smooth and short, the stochastic path jagged and long.",
)

# %% [markdown]
# All three fall to the floor of the valley at once and then creep along it, where the slope is
# small. In the same number of passes small batches make more steps, and so get further. How far, in
# numbers:

# %%
least = loss(best)
lines = {}
for name, path in paths.items():
    seen = np.arange(len(path)) * passes / (len(path) - 1)
    lines[name] = (seen, [loss(w) - least for w in path])

# %% tags=["hide-input"]
show(
    plot_lines(
        lines,
        labels=("passes through the examples", "loss above the least"),
        scales=("linear", "log"),
    ),
    caption="The same race by the work done: one pass is one gradient per example. Each step of a "
    "line is drawn; markers are there to tell the lines apart.",
    alt="; ".join(
        f"{name} ends {value[-1]:.2g} above the least loss"
        for name, (_, value) in lines.items()
    ),
)

# %% tags=["hide-input"]
end = {name: value[-1] for name, (_, value) in lines.items()}
tail = np.array(lines["stochastic"][1][-n:])
noise = np.mean(tail)
say(
    f"For the same work batch descent took {len(paths['batch']) - 1} steps and ends "
    f"**{end['batch']:.2g}** above the least loss; mini-batches of {mini} took "
    f"{len(paths['mini-batch']) - 1} and end **{end['mini-batch']:.2g}** above. Single examples took "
    f"{len(paths['stochastic']) - 1:,}, "
    + (
        "come nearest on average, and do not settle: "
        if noise < min(end["batch"], end["mini-batch"])
        else "and do not settle: "
    )
    + f"in their last pass the excess wanders between {tail.min():.2g} and {tail.max():.2g}, "
    f"{noise:.2g} on average."
)

# %% [markdown]
# A step on few examples is cheap and noisy. It is right on average: drawn at random, the mean of a
# batch has the whole gradient as its expectation. Its scatter shrinks with the square root of the
# batch's size, so four times the work per step halves the noise and no more. We draw batches of each
# size at the start and measure how far their gradients are from the whole one.

# %%
rng = np.random.default_rng(seed)
whole = gradient(start)
spread = {}
for size in (1, 2, 4, 8, 16, 32, 64):
    drawn = [gradient(start, rng.integers(n, size=size)) for _ in range(400)]
    errors = np.linalg.norm(np.array(drawn) - whole, axis=1)
    spread[size] = np.sqrt(np.mean(errors**2))

# %%
sizes_drawn = np.array(list(spread))
lines = {
    "measured": (sizes_drawn, list(spread.values())),
    "one over the square root": (
        sizes_drawn,
        spread[1] / np.sqrt(sizes_drawn),
    ),
}

# %% tags=["hide-input"]
show(
    plot_lines(
        lines,
        labels=("examples in a batch", "typical error of the gradient"),
        scales=("log", "log"),
        every=1,
    ),
    caption="Noise of the gradient at the start, by the size of the batch (drawn with replacement).",
    alt=f"A falling straight line on logarithmic axes: from {spread[1]:.2f} with one example to "
    f"{spread[sizes_drawn[-1]]:.2f} with {sizes_drawn[-1]}, beside the line of one over the root of the size.",
)

# %% [markdown]
# Noise is the price, and it keeps plain stochastic descent from settling; the cure is a learning
# rate that falls, as the end of this page shows. On a GPU a mini-batch costs hardly more
# than one example, as its examples are computed side by side, until the device is full.
#
# :::{admonition} Two corrections to the report
# :class: note
# Its section 3.1.3 calls batch descent *intractable* for data that do not fit into memory. It is
# slow, and tractable: the gradient is a mean, and a mean can be added up piece by piece.
#
# In its listing of mini-batch descent the loop over batches stands *beside* the loop over epochs
# instead of inside it. As printed, the data are shuffled once per epoch, nothing is learned from
# them, and one single pass follows at the end. An exercise below counts the steps.
# :::

# %% [markdown]
# The first correction as code: the gradients of some parts, each weighted by its size, add up to the
# gradient of the whole.

# %%
parts = np.array_split(np.arange(n), 7)
pieces = sum(len(p) * gradient(start, p) for p in parts) / n
assert np.allclose(pieces, gradient(start), atol=1e-12)

# %% [markdown]
# ## The learning rate
#
# One weight and a parabola $J(w) = \tfrac{1}{2} \lambda w^2$ show all that can happen. The second
# derivative $\lambda$ is the curvature. The gradient is $\lambda w$, so a step multiplies
# the distance to the minimum by one number:
#
# $$w \leftarrow w - \eta \lambda w = (1 - \eta \lambda) \, w .$$
#
# If $|1 - \eta\lambda| < 1$ the distance shrinks, which means $0 < \eta < 2/\lambda$. At
# $\eta = 1/\lambda$ one step is enough. Beyond $2/\lambda$ each step lands higher up on the other
# side than it began: descent diverges.

# %%
curvature = 4.0
choices = {"too small": 0.05, "right": 0.8, "large": 1.85, "too large": 2.1}
tried = {
    f"{name}:\n{part:g} / curvature": descent.descend(
        partial(descent.plain_step, learning_rate=part / curvature),
        lambda w: curvature * w,
        np.array([1.0]),
        steps=10,
    )[:, 0]
    for name, part in choices.items()
}

# %% tags=["hide-input"]
show(
    plot_parabolas(tried, curvature=curvature),
    caption="Ten steps on a parabola with four learning rates; the start is at weight 1.",
    alt="; ".join(
        f"{' '.join(k.split())}: ends at {p[-1]:.3g}"
        for k, p in tried.items()
    ),
)

# %% [markdown]
# With several weights the bowl has as many main directions, at right angles: in our valley one
# across and one along it. Along each of them the loss is a parabola with a curvature of its own. In
# algebra the second derivatives form a matrix $H$, the main directions are its eigenvectors, the
# curvatures its eigenvalues, and `eigvalsh` computes these. For the squared error of our line
# $H = \tfrac{2}{n} X^\top X$ is the same everywhere, where $X$ has a column of ones and a column of
# areas.
#
# The steepest direction, with curvature $L$, sets the limit $\eta < 2/L$; the flattest, with $\mu$,
# sets the time. A larger rate makes the flat direction faster and, past $1/L$, the steep one slower.
# The best compromise is where both shrink alike, $1 - \eta\mu = -(1 - \eta L)$, so $\eta = 2/(L+\mu)$.
# What is left after a step is then
#
# $$1 - \frac{2\mu}{L + \mu} = \frac{L - \mu}{L + \mu} = \frac{\kappa - 1}{\kappa + 1}, \qquad
# \kappa = \frac{L}{\mu},$$
#
# and $\kappa$ is the {term}`condition number` {cite:p}`bottou2018optimization`. We try many rates,
# from far below the limit to just above it.

# %%
H = 2 * X.T @ X / n
mu, L = np.linalg.eigvalsh(H)
low, high = np.geomspace(2e-4, 1.8 / L, 30), np.linspace(1.84, 2.3, 14) / L
many, after = np.concatenate([low, high]), 50
ends = []
for tried_rate in many:
    step = partial(descent.plain_step, learning_rate=tried_rate)
    path = descent.descend(step, gradient, start, steps=after)
    ends.append(loss(path[-1]) - least)

# %% tags=["hide-input"]
diverged = [
    r for r, e in zip(many, ends, strict=True) if e > loss(start) - least
]

# %% tags=["hide-input"]
show(
    plot_threshold(many, ends, threshold=2 / L, start=loss(start) - least),
    caption=f"Loss above the least after {after} steps of batch descent, by learning rate. On the "
    "slope at the left the steep direction is being learned; on the shelf it is done and the flat "
    "one has hardly begun.",
    alt=f"The loss falls as the learning rate grows, and shoots up beyond {2 / L:.4f}.",
)

# %% tags=["hide-input"]
first_bad = f"{min(diverged):.4f}" if diverged else "none of those tried"
say(
    f"The curvatures of this loss are {L:.1f} and {mu:.3f}: a condition number of "
    f"**{L / mu:.0f}**. The limit 2/L is **{2 / L:.4f}**; just beyond it descent climbs slowly, and the "
    f"least rate tried that ended higher than it began is {first_bad}. With the rate 2/(L+µ) = {2 / (L + mu):.4f} it takes "
    f"{rates.steps_to_shrink(2 / (L + mu), mu, share):,.0f} steps until {share:.0%} of the distance is "
    "left in the flattest direction."
)

# %% [markdown]
# ## Scale the inputs first
#
# Curvature depends on units. Each area multiplies the slope's gradient, so areas in raw pixels give
# one direction an enormous curvature and leave the other flat. Taking off the mean and dividing by
# the deviation makes the bowl round. The same reason stands behind scaled grey levels, and is a
# part of why {term}`batch normalisation` helps {cite:p}`lecun1998efficient`.

# %%
units = {
    "pixels": numbers.area.to_numpy(float),
    "ten thousand pixels": x,
    "mean 0, deviation 1": (x - x.mean()) / x.std(),
}

# %%
rows = []
for name, values in units.items():
    columns = np.column_stack([np.ones(n), values])
    low, high = np.linalg.eigvalsh(2 * columns.T @ columns / n)
    steps = rates.steps_to_shrink(2 / (high + low), low, share)
    needed = max(1, float(f"{steps:.3g}"))  # three digits tell enough
    rows.append(
        (name, f"{2 / high:.2g}", f"{high / low:.3g}", f"{needed:,.0f}")
    )
names = ["area in", "limit 2/L", "condition number", "steps needed"]
style(
    pd.DataFrame(rows, columns=names),
    "The same line, with its input in three units. Steps needed: at the best rate, until "
    f"{share:.0%} of the way is left in the flattest direction.",
)

# %% [markdown]
# Units are free for the inputs of a network. Inside it every layer hands on values of its own
# scale, which changes as the weights do: normalising layers helps, and does not make every bowl
# round. That is what the better rules are for.
#
# ## Momentum
#
# *{term}`Momentum`* {cite:p}`polyak1964some` keeps a share $m$ of the last step, which is called
# $v$ and is zero at the start:
#
# $$v \leftarrow m v - \eta \nabla J(w), \qquad w \leftarrow w + v .$$
#
# Across the valley the gradients change sign and cancel; along it they add up. Where the gradient
# stays the same, the steps grow to $\eta / (1 - m)$ times the gradient, with $m = 0.9$ ten times as
# long: a sum $1 + m + m^2 + \dots = 1/(1-m)$. The limit grows too, to $2(1+m)/L$, since a step that
# shoots across the valley is held back by the one before, which went the other way. An exercise
# finds this limit by trying.
#
# *Nesterov's* form {cite:p}`nesterov1983method,sutskever2013importance` takes the gradient not at
# the weights, but at the point to which the kept step is about to lead:
#
# $$v \leftarrow m v - \eta \nabla J(w + m v), \qquad w \leftarrow w + v .$$
#
# Keras stores the point ahead, $w + mv$, and calls it the weights. From one such point to the next
# the way is a gradient step, $-\eta \nabla J$, and then $m$ times the new $v$. So the rule needs the
# gradient at the stored weights alone:
#
# $$v \leftarrow m v - \eta \nabla J(w), \qquad w \leftarrow w + m v - \eta \nabla J(w) .$$

# %% tags=["hide-input"]
show_source(descent.momentum_step, descent.nesterov_step)

# %% [markdown]
# ## A rate for each weight: RMSprop and Adam
#
# *{term}`RMSprop`* {cite:p}`tieleman2012rmsprop` keeps a running mean of the squared gradient of
# each weight and divides by its root. Squares, roots and quotients are taken weight by weight. The
# share $\rho$ of the old mean is kept, and a tiny $\varepsilon$ keeps the division from failing where
# the gradient is zero (their values stand in the code below):
#
# $$s \leftarrow \rho s + (1-\rho) \, g^2, \qquad
# w \leftarrow w - \eta \, \frac{g}{\sqrt{s + \varepsilon}}, \qquad g = \nabla J(w) .$$ (eq-rmsprop)
#
# *{term}`Adam`* {cite:p}`kingma2015adam` takes a running mean of the gradient as well, which acts as
# momentum; the letter $m$ is this mean from here on, and no longer the share. $\beta_1$ and $\beta_2$
# are the shares that the two means keep:
#
# $$m \leftarrow \beta_1 m + (1-\beta_1) g, \quad
# s \leftarrow \beta_2 s + (1-\beta_2) g^2,$$
#
# $$w \leftarrow w - \eta \, \frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t} \,
# \frac{m}{\sqrt{s} + \varepsilon} ,$$ (eq-adam)
#
# where $t$ counts the steps. The fraction with the $\beta$ corrects for both means having started at
# zero: after $t$ steps the gradients in a mean have weights that add up to $1 - \beta^t$ only, so the
# mean is too small by that factor. This is the form of Keras. The main listing of the paper divides by
# $\sqrt{s / (1-\beta_2^t)} + \varepsilon$; there $\varepsilon$ is not scaled with the rest, so that
# the same $\varepsilon$ is a smaller one in the first steps. It matters where gradients are as
# small as $\varepsilon$, and hardly elsewhere.

# %% tags=["hide-input"]
show_source(descent.rmsprop_step, descent.adam_step)

# %% [markdown]
# While a gradient keeps its size and sign, a step of RMSprop or Adam is about $\eta$ long in each
# weight, whatever the loss is multiplied by: $g/\sqrt{s}$ is near one in size. So a learning rate of one rule says nothing about another: with
# Adam it is a length in weights, with plain descent a factor for the gradient.
#
# ### Are these the rules of Keras?
#
# Each rule against Keras's own, from the same start with the same gradients, first with the
# settings of every {term}`recipe` in this book, then with momentum.

# %%
settings = {
    name: dict(load_recipe(name).training.optimizer)
    for name in list_recipes()
}
kept = {"name": "SGD", "learning_rate": 0.01, "momentum": momentum}
settings["momentum"] = kept
settings["Nesterov"] = {**kept, "nesterov": True}
differences = {}
for name, given in settings.items():
    ours = descent.descend(descent.step_of(given), gradient, start, steps=20)
    theirs = descent.keras_path(given, gradient, start, steps=20)
    differences[name] = np.abs(ours - theirs).max()
assert max(differences.values()) < 1e-6

# %%
table = pd.DataFrame(
    {
        "settings of": list(settings),
        "optimiser": [given["name"] for given in settings.values()],
        "learning rate": [
            f"{given['learning_rate']:g}" for given in settings.values()
        ],
        "largest difference": [f"{d:.1e}" for d in differences.values()],
    }
)
style(table, "Our rules and those of Keras: weights after each step.")

# %% [markdown]
# What is left comes from Keras, which holds the learning rate in single precision.
#
# ## The race
#
# A bowl with one flat and one steep direction, turned against the axes so that no weight has a
# direction for itself, and a start that lies up the valley. Each rule gets the best learning rate
# of a grid, chosen by how soon the loss stays below a small share of where it began. The first cell
# makes the bowl and the list of rules, the second tries every rule at every rate of the grid.

# %%
flattest, steepest = 1.0, 50.0
bowl = rates.make_bowl((flattest, steepest), 25)  # turned by 25 degrees
top = np.array([-4.4, -1.2])


def height(w):
    """Loss on the bowl; its minimum is at zero."""
    return float(w @ bowl @ w) / 2


rules = {
    "plain": descent.plain_step,
    "momentum": partial(descent.momentum_step, momentum=momentum),
    "Nesterov": partial(descent.nesterov_step, momentum=momentum),
    "RMSprop": descent.rmsprop_step,
    "Adam": descent.adam_step,
}

# %%
found = {}
for name, rule in rules.items():
    for tried_rate in np.geomspace(1e-3, 3, 60):
        step = partial(rule, learning_rate=tried_rate)
        with np.errstate(over="ignore", invalid="ignore"):
            path = descent.descend(step, lambda w: bowl @ w, top, steps=200)
            losses = np.sum((path @ bowl) * path, axis=1) / 2  # all heights
        bad = ~(losses <= share * losses[0])  # nan counts as bad
        needed = np.flatnonzero(bad)[-1] + 1  # below it from then on
        fewest = found[name][0] if name in found else np.inf
        if not bad[-1] and needed < fewest:
            found[name] = (needed, tried_rate, path)

# %%
limits = (-5.2, 5.2, -3.4, 3.4)

# %% tags=["hide-input"]
show(
    plot_paths(
        {
            f"{k}, rate {r:.3f}:\n{s} steps": p[: s + 1]
            for k, (s, r, p) in found.items()
        },
        height,
        window=limits,
        names=("first weight", "second weight"),
        best=(0, 0),
    ),
    caption="Each rule at the best learning rate of a grid, until the loss stays below "
    f"{share:.0%} of its start. The steep direction is {steepest / flattest:.0f} times as curved.",
    alt="; ".join(
        f"{name} needs {s} steps at rate {r:.3f}"
        for name, (s, r, _) in found.items()
    ),
)

# %% tags=["hide-input"]
order = sorted(found, key=lambda name: found[name][0])
say(
    f"Steps until the loss stays below {share:.0%} of its start: "
    + ", ".join(f"{name} {found[name][0]}" for name in order)
    + f". The best rates differ by a factor of {max(r for _, r, _ in found.values()) / min(r for _, r, _ in found.values()):.0f}: "
    "a comparison of optimisers at one common rate compares nothing."
)

# %% [markdown]
# Which rule wins depends on the bowl, on the start and on the search for the rate. On networks,
# too: with well searched rates plain descent with momentum often ends as well as Adam, and at times
# better on new data {cite:p}`wilson2017marginal`. The strength of the adaptive rules is that they
# start fairly well without much search.
#
# Try it. The bowl is the same, the three sliders are yours.

# %% tags=["hide-input"]
show_interactive(
    "race",
    {
        "hessian": bowl.tolist(),
        "start": top.tolist(),
        "window": list(limits),
        "steps": 100,
        "rates": [-3, 0, -1.5],
        "momentum": momentum,
        "rho": 0.9,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-7,
    },
    text="Four optimisers start from the dot; the cross is the minimum. A letter, the first of "
    "the optimiser's name, marks where each path ends; the table has their colours, and counts a "
    "hundredth of the loss at the start. Nesterov's rule is left out, to keep the paths apart. "
    "Move the learning rate "
    "up until plain descent diverges, then set the momentum to zero and to its highest value. The "
    "momentum slider moves the rule of that name only. "
    f"Plain descent diverges on this bowl above {2 / steepest:g}.",
)

# %% [markdown]
# Three things to find: with momentum 0 the first two paths are one. With momentum near one the path
# swings around the minimum. RMSprop never quite arrives: its steps keep the length of the
# learning rate, so it ends by jumping to and fro about the minimum.
#
# ## Why the report's rate is slow
#
# The report says of its {term}`optimiser` that stochastic descent performed best, at one learning
# rate, and names neither the rules it was compared with nor a momentum {cite:p}`mir2019report`. We
# take the rate from the recipe, where it was written down once. (`-(-a // b)` is a quotient rounded
# up: a last batch that is not full is a step, too.)

# %%
report = load_recipe("mir2019-proposed")
chosen = report.training.optimizer
steps_per_epoch = -(-report.augmentation.samples // report.training.batch)
published_steps = report.training.epochs * steps_per_epoch
flat = rates.least_curvature(chosen["learning_rate"], published_steps, share)

# %% tags=["hide-input"]
slow = chosen["learning_rate"]
say(
    f"The recipe has {chosen['name']} with learning rate **{slow:g}** and momentum "
    f"{chosen['momentum']:g}, batches of {report.training.batch} from "
    f"{report.augmentation.samples:,} pictures and {report.training.epochs} epochs: "
    f"{published_steps:,} steps. On a quadratic, a direction of curvature one needs "
    f"{rates.steps_to_shrink(slow, 1, share):,.0f} steps, "
    f"{rates.steps_to_shrink(slow, 1, share) / steps_per_epoch:.0f} epochs, until {share:.0%} of the "
    f"way is left; one of a tenth of it ten times as many. After the whole training only directions "
    f"with a curvature above **{flat:.2f}** are learned to {share:.0%}. In exchange nothing diverges "
    f"below a curvature of {2 / slow:,.0f}: the rate is safe and slow. Our line above would need "
    f"{rates.steps_to_shrink(slow, mu, share):,.0f} steps with it, and "
    f"{rates.steps_to_shrink(2 / (L + mu), mu, share):,.0f} with the best rate."
)

# %% [markdown]
# A network is no quadratic. Near any point it looks like one, with very many flat and a few steep
# directions, so the picture says what kind of thing is learned in how many steps: after $T$ steps
# the way left in a direction is $|1 - \eta\lambda|^T \approx e^{-\eta\lambda T}$. Only the product
# $\eta T$ counts, the learning rate added up over all steps.

# %%
runs = recorded_runs("mir2019-proposed")
grid = np.geomspace(1e-3, 1e3, 200)
lines = {
    f"{published_steps:,} steps": (slow, published_steps),
    f"{published_steps:,} steps, momentum {momentum:g}": (
        slow / (1 - momentum),
        published_steps,
    ),
    f"{published_steps:,} steps, rate a hundred times": (
        100 * slow,
        published_steps,
    ),
}

# %%
if runs:
    run = runs[0].run
    took = run["epochs"] * -(-run["pictures"] // run["parameters"]["batch"])
    lines[f"our recorded run: {took:,} steps"] = (slow, took)

# %%
curves = {
    name: (grid[grid < 2 / r], rates.remaining(r, grid[grid < 2 / r], t))
    for name, (r, t) in lines.items()
}
learned = {
    name: rates.least_curvature(r, t, share) for name, (r, t) in lines.items()
}

# %% tags=["hide-input"]
show(
    plot_lines(
        curves,
        labels=("curvature of a direction", "share of the way left"),
        scales=("log", "linear"),
    ),
    caption="How much of the way is left in a direction, by its curvature: at the top nothing is learned, at "
    "the bottom all. Plain descent at the report's rate, with momentum counted as the longer "
    "step that it comes to. Lines end where descent diverges.",
    alt="; ".join(
        f"{name}: {share:.0%} is left at a curvature of {value:.3g}"
        for name, value in learned.items()
    ),
)

# %% [markdown]
# Beside it, what was seen: the training loss of the recorded runs of this book that used the split
# of their source. Their loss is the {term}`cross-entropy`, the mean of $-\ln p$ over the images, where $p$
# is the probability that the network gave the right class. The level line is
# the loss of a network that knows nothing but how common the classes are: it gives each class its
# share $q$ as probability, and so has the loss $-\sum q \ln q$. Networks, input sizes and numbers of steps differ, so this is no test of optimisers;
# it shows whether a training had got anywhere when it ended.

# %%
curves, told, level = {}, [], {}
for record in recorded_runs(*(r for r in settings if r in list_recipes())):
    run, history = record.run, record.history
    if run["dataset"] != "cnmc2019" or run["protocol"] != "image":
        continue
    each = -(-run["pictures"] // run["parameters"]["batch"])
    used = run["recipe_text"]["training"]["optimizer"]
    name = run["recipe_text"]["title"]
    name = f"{name}\n{used['name']} {used['learning_rate']:g}"
    if name in curves:
        continue  # another seed of the same system; one line each is enough
    curves[name] = (history.epoch * each, history.loss)
    told.append(
        (name.replace("\n", ", "), history.loss.iloc[-1], used["name"])
    )
    held = record.predictions.label.value_counts(normalize=True)
    level["only the class shares known"] = -(held * np.log(held)).sum()

# %% tags=["hide-input"]
if curves:
    show(
        plot_lines(
            curves,
            labels=("steps (recorded)", "training loss"),
            scales=("log", "linear"),
            marks=level,
            every=1,
        ),
        caption="Recorded: training loss by steps, real images of C-NMC 2019, split of the source; "
        "a marker at the end of each epoch. Of a system with several seeds the first is drawn.",
        alt="; ".join(
            f"{name} ends at {value:.2f}" for name, value, _ in told
        ),
    )

# %% tags=["hide-input"]
from itertools import combinations

if curves:
    known = level["only the class shares known"]
    above = [name for name, value, _ in told if value > known]
    small = [name for name, value, used in told if used == "SGD"]
    alike = [
        f"{told[a][0]} and {told[b][0]}"
        for (a, (_, one)), (b, (_, other)) in combinations(
            enumerate(curves.values()), 2
        )
        if len(one) == len(other) and np.abs(one - other).max() < 0.005
    ]
    if alike:
        say(f"These lines lie on each other: {'; '.join(alike)}.")
    say(
        f"Knowing the shares alone is worth a loss of {known:.2f}. Of the {len(told)} runs drawn "
        f"**{len(above)}** ended above that"
        + (f" ({'; '.join(above)})" if above else "")
        + f". {len(small)} of all use plain descent at the report's rate, and for far fewer steps than "
        f"the {published_steps:,} of the report: what such a run does not reach says nothing about what "
        "the full training reaches."
    )
else:
    say("There is no recorded run here.")

# %% [markdown]
# ## Learning-rate schedules
#
# A large rate is needed to get far, a small one to settle: so let it fall. *Stairs* multiply it
# after every so many steps, *exponential* decay does so evenly, the *cosine*
# {cite:p}`loshchilov2017sgdr` falls slowly, then fast, then slowly. *Warm-up* climbs from zero
# first, because the first gradients of a fresh network, above all in large batches, point anywhere
# {cite:p}`goyal2017accurate`. With $\eta_0$ for the first rate, $t$ for the step, $r$ for the factor
# and $k$ for the number of steps between two stairs, and $T$ for all steps, the three are
#
# $$\eta_t = \eta_0 r^{\lfloor t/k \rfloor}, \qquad \eta_t = \eta_0 r^{t/k}, \qquad
# \eta_t = \eta_0 \, \frac{1 + \cos(\pi t / T)}{2} ,$$
#
# where $\lfloor \cdot \rfloor$ rounds down. Robbins and Monro showed that descent arrives if the rates
# add up to infinity, so that no way is too long, while their squares do not, so that the noise dies
# out {cite:p}`robbins1951stochastic`. That is said of descent without an end; the {term}`schedules
# <learning-rate schedule>` in use stop after $T$ steps.

# %%
total = published_steps
at = np.arange(0, total + 1, max(1, total // 400))
plans = {
    "constant (report)": np.full(len(at), slow),
    "stairs": rates.stair_rate(at, start=slow, rate=0.5, every=total // 5),
    "exponential": rates.exponential_rate(
        at, start=slow, rate=0.5, every=total // 5
    ),
    "cosine": rates.cosine_rate(at, start=slow, steps=total),
    "warm-up, then cosine": rates.warmup_rate(
        at, target=slow, warmup=total // 20, steps=total
    ),
}

# %% tags=["hide-input"]
show(
    plot_lines(
        {name: (at, plan) for name, plan in plans.items()},
        labels=("step", "learning rate"),
    ),
    caption="Four schedules beside the report's constant rate, over the report's number of steps.",
    alt="; ".join(
        f"{name}: from {plan[0]:.2g} to {plan[-1]:.2g}"
        for name, plan in plans.items()
    ),
)

# %% [markdown]
# Does it help? The noise of single examples kept stochastic descent from settling. With more
# passes, so that both arrive, once at a constant and once at a falling rate:

# %%
longer = 8 * passes
plans = {
    "constant": np.full(longer * n, rate),
    "cosine": rates.cosine_rate(
        np.arange(longer * n), start=rate, steps=longer * n
    ),
}
excess = {}
for name, plan in plans.items():
    rng, w, values = np.random.default_rng(seed), start, []
    drawn = (b for _ in range(longer) for b in descent.batches(n, 1, rng))
    for now, chosen_rows in zip(plan, drawn, strict=True):
        w = w - now * gradient(w, chosen_rows)
        values.append(loss(w) - least)
    excess[name] = np.array(values)

# %% tags=["hide-input"]
settled = {name: values[-n:].mean() for name, values in excess.items()}
say(
    f"Single examples, {longer} passes: in the last pass the constant rate lies {settled['constant']:.2g} "
    f"above the least loss on average, the cosine **{settled['cosine']:.2g}**."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: gradient_descent-listing
# The report's listing of mini-batch descent, with its indentation, shuffles the data `nb_epochs`
# times and then runs through the batches once. For 1,000 pictures, batches of 50 and 10 epochs: how
# many steps does it take, and how many did it mean? Count both by running the loops.
# ```
#
# ```{solution-start} gradient_descent-listing
# :class: dropdown
# ```
#
# Both loops with a counter in place of the update.

# %% tags=["solution"]
pictures, size, epochs = 1000, 50, 10
printed = meant = 0
shuffler = np.random.default_rng(seed)
for _ in range(epochs):
    shuffler.permutation(pictures)
for _ in descent.batches(pictures, size, shuffler):  # beside the loop
    printed += 1
for _ in range(epochs):
    for _ in descent.batches(pictures, size, shuffler):  # inside it
        meant += 1
assert meant == epochs * printed == 200

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: gradient_descent-limit
# Show by trying that momentum $m$ raises the limit of the learning rate from $2/L$ to $2(1+m)/L$:
# on a parabola of curvature 4 with $m = 0.5$, find the largest stable rate to three digits. Call a rate
# stable if a few thousand steps end nearer to the minimum than they began.
# ```
#
# ```{solution-start} gradient_descent-limit
# :class: dropdown
# ```
#
# The lower end of an interval is stable, the upper one is not; the middle tells which half holds the
# border, and halving again and again closes in on it.


# %% tags=["solution"]
def stable(tried, m=0.5, lam=4.0):
    """Whether 4,000 steps at this rate end nearer than they began."""
    rule = partial(descent.momentum_step, learning_rate=tried, momentum=m)
    with np.errstate(over="ignore", invalid="ignore"):
        w = descent.descend(
            rule, lambda w: lam * w, np.array([1.0]), steps=4000
        )
    return abs(w[-1, 0]) < 1


low, high = 0.1, 2.0
while high - low > 1e-4:
    middle = (low + high) / 2
    low, high = (middle, high) if stable(middle) else (low, middle)
assert abs(low - 2 * (1 + 0.5) / 4.0) < 1e-3

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: gradient_descent-first
# How long is the very first step of Adam in each weight, and how long would it be without the
# correction $\sqrt{1-\beta_2^t}/(1-\beta_1^t)$? Multiply the loss by a million and look again.
# ```
#
# ```{solution-start} gradient_descent-first
# :class: dropdown
# ```
#
# In the first step $m = (1-\beta_1) g$ and $s = (1-\beta_2) g^2$. With the correction the quotient
# is $g/|g|$, so the step is $\eta$ long. Without it, it is $(1-\beta_1)/\sqrt{1-\beta_2}$ times as
# long, about three times too long. The loss's factor cancels.

# %% tags=["solution"]
for factor in (1.0, 1e6):
    g = factor * np.array([0.3, -2.0])
    moved, memory = descent.adam_step(np.zeros(2), g, {}, learning_rate=0.1)
    assert np.allclose(np.abs(moved), 0.1, rtol=1e-4)
    raw = 0.1 * memory["m"] / np.sqrt(memory["s"])
    assert np.allclose(np.abs(raw), 0.1 * 0.1 / np.sqrt(0.001))

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: gradient_descent-batch
# A colleague moves from batches of 32 to batches of 320 and keeps rate and number of epochs. How
# does the sum of the learning rate over all steps change, and what is usually done about it?
# ```
#
# ```{solution} gradient_descent-batch
# :class: dropdown
# There are a tenth as many steps, so the sum is a tenth, and flat directions are learned as after a
# tenth of the epochs. The noise of a step falls by the root of ten, which leaves room: the rate is
# multiplied along with the batch, after a warm-up, as long as it stays below the limit that the
# curvature sets {cite:p}`goyal2017accurate`.
# ```
#
# ## Quiz

# %% tags=["hide-input"]
show_quiz("gradient_descent")

# %% [markdown]
# ## Summary
#
# - A step goes against the gradient. Batch, mini-batch and stochastic descent differ in how many
#   examples the gradient is a mean of; noise falls with the square root of that number.
# - The steepest direction limits the rate to $2/L$, the flattest sets the time, and their quotient
#   says how hard a loss is. Scaled inputs are the cheapest cure.
# - Momentum adds up what stays the same; RMSprop and Adam divide by the size of past gradients. A
#   learning rate means something different in each rule.
# - What a training can have learned depends on the sum of its rates over all steps. The report's is
#   small for plain descent.
#
# **Next**: [backpropagation](backpropagation.ipynb), which computes the gradient of a network.
