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
# # Backpropagation
#
# *Where does the {term}`gradient` of a network come from?* From the {term}`chain rule`, applied once from the {term}`loss`
# back to the input. That gives the slopes of millions of weights for about the price of two more
# passes through the network.
#
# :::{admonition} Before you start
# **You will learn** to find the gradient of a small network by hand, to write a network of
# {term}`dense layers <dense layer>` with its gradients in NumPy, to check gradients with small steps and against Keras, and what
# a framework does when it differentiates.
# **You need** [gradient descent](gradient_descent.ipynb), the chain rule and matrix products, and no
# GPU. **Reading time**: about thirty-five minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
nuclei = 160  # of these, how many are described for the small training
seed = 2019  # seed of the synthetic cells, of weights and of shuffles
hidden = 8  # units of the hidden layer
rate = 0.3  # learning rate of the small trainings
mini = 16  # examples in a mini-batch
passes = 60  # passes through the examples
depth = 20  # layers of the deep network at the end

# %%
import numpy as np
import pandas as pd
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.features import describe_images
from alllib.figures import say, set_style, show
from alllib.quiz import show_quiz
from alllib.recipes import load_recipe
from alllib.splits import make_split
from alllib.tables import style

set_style()

# %%
from alllib.lessons import backpropagation as net
from alllib.lessons import show_source
from alllib.lessons.backpropagation_figures import (
    plot_agreement,
    plot_graph,
    plot_regions,
)
from alllib.lessons.descent_figures import plot_lines
from alllib.lessons.tape import Number

# %% [markdown]
# ## The question
#
# [Training](learning.ipynb) looks for the weights with the least mean loss,
#
# $$\min_{w} \; J(w), \qquad J(w) = \frac{1}{n} \sum_{i=1}^{n} \ell\bigl(\theta(x_i; w), y_i\bigr) ,$$
#
# where $\theta$ is the network. The transfer-learning paper prints this with $\omega$ under the
# minimum and $m$ inside the network {cite:p}`garg2021transfer`; the two have to be the same letter,
# or there is nothing to minimise over. [Descent](gradient_descent.ipynb) then needs $\nabla J(w)$,
# one slope for each weight, and needs it in every step.
#
# The report describes {term}`backpropagation` in words and prints no equation
# {cite:p}`mir2019report`; its wording follows {cite:t}`lecun2015deep`, which it cites. In symbols
# it says this. A network is a chain of modules. A module takes $x$ and returns $y = f(x; w)$. Given
# the derivative of the objective by its output, the chain rule gives the derivatives by its
# input and by its weights:
#
# $$\frac{\partial J}{\partial x} = \Bigl(\frac{\partial y}{\partial x}\Bigr)^{\!\top}
# \frac{\partial J}{\partial y}, \qquad
# \frac{\partial J}{\partial w} = \Bigl(\frac{\partial y}{\partial w}\Bigr)^{\!\top}
# \frac{\partial J}{\partial y} .$$ (eq-chain-rule)
#
# The first goes to the module before and makes it possible to go on; the second is what descent is
# after. As for the history, the report speaks of several groups in the 1970s and 1980s. The
# general method, for any calculation and not for networks, is in Linnainmaa's thesis of 1970
# {cite:p}`linnainmaa1976taylor`; the paper of 1986 made it known for networks
# {cite:p}`rumelhart1986learning`.
#
# ## By hand
#
# Two inputs, two hidden units with {term}`ReLU`, one output with a {term}`sigmoid`:
#
# $$a_k = u_{1k} x_1 + u_{2k} x_2, \qquad h_k = \max(0, a_k), \qquad z = v_1 h_1 + v_2 h_2 + c,$$
#
# $$p = \frac{1}{1 + e^{-z}}, \qquad J = -\ln p ,$$
#
# with the true class 1, so that the {term}`cross-entropy` is $-\ln p$. Take $x = (2, 1)$, weights
# $u_{11} = 0.5$, $u_{21} = -0.5$ into the first unit, $u_{12} = -0.5$, $u_{22} = 0.5$ into the
# second, $v = (1, 2)$ and $c = -0.5$.
#
# **{term}`Forward pass <forward pass>`.** $a_1 = 1 - 0.5 = 0.5$ and $a_2 = -1 + 0.5 = -0.5$. ReLU
# lets the first through and stops the second: $h = (0.5, 0)$. Then $z = 0.5 + 0 - 0.5 = 0$,
# $p = 0.5$, $J = \ln 2$.
#
# **{term}`Backward pass <backward pass>`.** $\partial J/\partial p = -1/p = -2$. The slope of the
# sigmoid is $p(1-p) = 0.25$, so $\partial J/\partial z = -2 \cdot 0.25 = -0.5$, which is $p - y$.
# From there
#
# - to the weights: $\partial J/\partial v_1 = -0.5 \cdot h_1 = -0.25$,
#   $\partial J/\partial v_2 = -0.5 \cdot h_2 = 0$, $\partial J/\partial c = -0.5$;
# - to the units: $\partial J/\partial h_1 = -0.5 \cdot v_1 = -0.5$ and
#   $\partial J/\partial h_2 = -0.5 \cdot v_2 = -1$;
# - through ReLU, whose slope is 1 for the first unit and 0 for the second:
#   $\partial J/\partial a_1 = -0.5$, $\partial J/\partial a_2 = 0$;
# - to the first weights: $\partial J/\partial u_{11} = -0.5 \cdot x_1 = -1$,
#   $\partial J/\partial u_{21} = -0.5 \cdot x_2 = -0.5$; those into the second unit have slope 0.
#
# The same in code, line by line:

# %%
x1, x2, y = 2.0, 1.0, 1.0
u11, u21, u12, u22 = 0.5, -0.5, -0.5, 0.5
v1, v2, c = 1.0, 2.0, -0.5

a1, a2 = u11 * x1 + u21 * x2, u12 * x1 + u22 * x2
h1, h2 = max(0.0, a1), max(0.0, a2)
z = v1 * h1 + v2 * h2 + c
p = 1 / (1 + np.exp(-z))
J = -np.log(p)

# %%
dp = -1 / p
dz = dp * p * (1 - p)
dv1, dv2, dc = dz * h1, dz * h2, dz
dh1, dh2 = dz * v1, dz * v2
da1, da2 = dh1 * (a1 > 0), dh2 * (a2 > 0)
du11, du21, du12, du22 = da1 * x1, da1 * x2, da2 * x1, da2 * x2
dx1, dx2 = da1 * u11 + da2 * u12, da1 * u21 + da2 * u22

# %% tags=["hide-input"]
names = ["x1", "x2", "a1", "a2", "h1", "h2", "z", "p", "J"]
spots = [(0, 1), (0, 0), (1, 1), (1, 0), (2, 1), (2, 0)]
places = dict(zip(names, [*spots, (3, 0.5), (4, 0.5), (5, 0.5)], strict=True))
values = dict(zip(names, [x1, x2, a1, a2, h1, h2, z, p, J], strict=True))
slopes = dict(
    zip(names, [dx1, dx2, da1, da2, dh1, dh2, dz, dp, 1], strict=True)
)
slopes = {name: slope + 0.0 for name, slope in slopes.items()}  # no -0
edges = {("x1", "a1"): f"{u11:g}", ("x2", "a1"): f"{u21:g}"}
edges |= {("x1", "a2"): f"{u12:g}", ("x2", "a2"): f"{u22:g}"}
edges |= {("a1", "h1"): f"{a1 > 0:d}", ("a2", "h2"): f"{a2 > 0:d}"}
edges |= {("h1", "z"): f"{v1:g}", ("h2", "z"): f"{v2:g}"}
edges |= {("z", "p"): f"{p * (1 - p):g}", ("p", "J"): f"{-1 / p:g}"}

# %% tags=["hide-input"]
show(
    plot_graph(places, edges, values=values, slopes=slopes),
    caption="The calculation as a graph. Blue, pointing right: values of the forward pass. Orange, "
    "pointing left: derivatives of J, backward pass. On each arrow the local derivative.",
    alt="; ".join(
        f"{name}: value {values[name]:.3g}, derivative {slopes[name]:.3g}"
        for name in names
    ),
)

# %% [markdown]
# This is the {term}`computational graph`. Each orange number is the sum, over the arrows that leave
# its box, of the number at the arrow's end times the number on the arrow. Every box is visited
# once. The second unit passes nothing back: its ReLU is closed for this example, and its weights
# learn nothing from it. If that happens for every example the unit is dead, which
# [the next chapter](activations_losses.ipynb) shows.
#
# ## Layers and batches
#
# Nobody writes single units. A dense layer takes the outputs of a whole {term}`batch`, one row for
# each example, and all products are one matrix product:
#
# $$Z^{(l)} = H^{(l-1)} W^{(l)} + b^{(l)}, \qquad H^{(l)} = f\bigl(Z^{(l)}\bigr), \qquad H^{(0)} = X .$$
#
# The last $Z$ are the {term}`logits <logit>`. {term}`Softmax <softmax>` turns each row into
# probabilities, and the loss is the mean cross-entropy with the true classes $Y$, {term}`one-hot`:
#
# $$P_{ij} = \frac{e^{Z_{ij}}}{\sum_{k=1}^{K} e^{Z_{ik}}}, \qquad
# J = -\frac{1}{n} \sum_{i=1}^{n} \sum_{j=1}^{K} Y_{ij} \ln P_{ij} .$$
#
# The sum in softmax runs over all classes; the report writes $\sum_{k=K}$, a sum of one term
# {cite:p}`mir2019report`. The backward pass starts with one subtraction and then repeats two
# products and a {term}`gate`, from the last layer to the first, where $\odot$ multiplies number by number:
#
# $$\Delta^{(L)} = \frac{P - Y}{n}, \qquad
# \frac{\partial J}{\partial W^{(l)}} = H^{(l-1)\top} \Delta^{(l)}, \qquad
# \frac{\partial J}{\partial b^{(l)}} = \sum_{i} \Delta^{(l)}_{i\cdot},$$
#
# $$\Delta^{(l-1)} = \bigl(\Delta^{(l)} W^{(l)\top}\bigr) \odot f'\bigl(Z^{(l-1)}\bigr) .$$
#
# $\Delta^{(l)}$ holds $\partial J / \partial Z^{(l)}$. The shapes leave no choice: the slope of a
# matrix has the matrix's shape, and there is one way to multiply what is at hand into it.

# %% tags=["hide-input"]
show_source(
    net.relu,
    net.sigmoid,
    net.softmax,
    net.cross_entropy,
    net.forward,
    net.backward,
)

# %% [markdown]
# The slope $f'$ is written in terms of the output, so that the sums $Z$ need not be kept: 1 where
# $h > 0$ for ReLU, $h(1-h)$ for the sigmoid, $1 - h^2$ for tanh. ReLU has no derivative at 0; like
# every framework we take 0 there.
#
# First the network that we did by hand, as arrays:

# %%
small = [
    (np.array([[u11, u12], [u21, u22]]), np.zeros(2)),
    (np.array([[v1], [v2]]), np.array([c])),
]
outputs = net.forward(small, np.array([[x1, x2]]))
first, second = net.backward(small, outputs, np.array([[y]]))
assert np.allclose(first[0], [[du11, du12], [du21, du22]])
assert np.allclose(second[0].ravel(), [dv1, dv2]) and np.isclose(
    second[1][0], dc
)
first[0]

# %% [markdown]
# ## Is it right? Small steps
#
# A derivative is a limit of quotients, so it can be checked by trying: move one weight by a small
# $h$ to either side and look at the loss,
#
# $$\frac{\partial J}{\partial w_k} \approx \frac{J(w + h e_k) - J(w - h e_k)}{2h} .$$
#
# This {term}`gradient check` needs two forward passes for *each* weight, and is for tests alone.
# How small is small? The formula errs by about $h^2$, the quotient $(J(w+h e_k) - J(w))/h$ by about
# $h$; and the difference of two nearly equal losses has lost digits, an error of about
# $\varepsilon/h$, where $\varepsilon$ is the precision of a number. Both together are least near
# $h = \varepsilon^{1/3}$ for the two-sided and $h = \varepsilon^{1/2}$ for the one-sided quotient.

# %%
rng = np.random.default_rng(seed)
net_sizes = (3, 5, 4, 2)
network = net.start_network(net_sizes, rng)
x = rng.normal(size=(12, net_sizes[0]))
y = np.eye(2)[rng.integers(2, size=12)]


def errors(dtype, h, central=True):
    """Largest error of small steps of size h in a given precision."""
    row = net.flatten(network).astype(dtype)
    found = net.numerical_gradient(
        lambda w: loss_at(w, dtype), row, h, central=central
    )
    return np.abs(found - exact).max()


# %%
def loss_at(row, dtype):
    """Loss of the network with its weights in one row; tanh has no kink."""
    shaped = net.unflatten(row, network)
    out = net.forward(shaped, x.astype(dtype), "tanh")[-1]
    return net.cross_entropy(out, y.astype(dtype))


outputs = net.forward(network, x, "tanh")
exact = net.flatten(net.backward(network, outputs, y, "tanh"))

# %%
steps = np.logspace(-12, 0, 37)
lines = {
    "two-sided, double": (steps, [errors("float64", h) for h in steps]),
    "one-sided, double": (
        steps,
        [errors("float64", h, False) for h in steps],
    ),
}
wide = steps[steps > 1e-6]
lines["two-sided, single"] = (wide, [errors("float32", h) for h in wide])

# %%
best = {name: h[np.argmin(e)] for name, (h, e) in lines.items()}

# %% tags=["hide-input"]
show(
    plot_lines(
        lines,
        labels=("step h", "largest error of a slope"),
        scales=("log", "log"),
        every=4,
    ),
    caption="Error of the gradient by small steps against backpropagation.",
    alt="Three curves that fall and rise again; least error "
    + "; ".join(
        f"{name}: {min(lines[name][1]):.1e} at h = {h:.0e}"
        for name, h in best.items()
    ),
)

# %% tags=["hide-input"]
eps, eps32 = np.finfo("float64").eps, np.finfo("float32").eps
say(
    f"The best step here is {best['two-sided, double']:.0e} (rule: {eps ** (1 / 3):.0e}) two-sided, with an "
    f"error of {min(lines['two-sided, double'][1]):.0e}; one-sided {best['one-sided, double']:.0e} (rule: "
    f"{eps**0.5:.0e}), with {min(lines['one-sided, double'][1]):.0e}. In single precision the best that "
    f"small steps give is {min(lines['two-sided, single'][1]):.0e}, at {best['two-sided, single']:.0e} (rule: "
    f"{eps32 ** (1 / 3):.0e}). Smaller steps are worse, not better."
)

# %% [markdown]
# With ReLU a step may cross a kink, and the check fails there although the gradient is right. Check
# in double precision, with a smooth activation or with a step so small that no unit switches.
#
# ## Is it right? Keras
#
# Keras shows no gradients, but one step of [plain descent](gradient_descent.ipynb) with
# {term}`learning rate` 1 subtracts them from the weights. So the weights before less those after are Keras's
# gradients, with whatever backend it runs on. Layers and loss are told to use double precision
# (`dtype="float64"`); single precision is what networks are usually trained in.

# %% tags=["hide-input"]
show_source(net.keras_gradients)

# %%
cases = {
    "ReLU, softmax": (net_sizes, "relu"),
    "tanh, softmax": (net_sizes, "tanh"),
    "sigmoid, one output": ((3, 6, 1), "sigmoid"),
}

# %%
rows, pairs = [], {}
for name, (widths, shape) in cases.items():
    start = net.start_network(widths, rng)
    truth = y if widths[-1] > 1 else y[:, 1:]
    own = net.backward(start, net.forward(start, x, shape), truth, shape)
    for dtype in ("float64", "float32"):
        _, theirs = net.keras_gradients(
            start, x, truth, shape=shape, dtype=dtype
        )
        pairs[name] = (net.flatten(own), net.flatten(theirs))
        gap = np.abs(np.subtract(*pairs[name])).max()
        rows.append((name, dtype, len(pairs[name][0]), f"{gap:.1e}"))
        assert gap < 1e-6

# %% tags=["hide-input"]
show(
    plot_agreement(pairs),
    caption="Slope of every weight and bias, ours against Keras's in single precision.",
    alt="In each of three panels all points lie on the diagonal.",
)

# %%
columns = ["network", "precision of Keras", "slopes", "largest difference"]
style(
    pd.DataFrame(rows, columns=columns), "Our gradients and those of Keras."
)

# %% [markdown]
# In double precision the two agree to the last digits.
#
# ## Does it learn?
#
# The gradient of `backward` and the step of descent are a training. First *XOR*: the class is 1
# where exactly one of two inputs is 1. No straight line parts the classes, so no network without a
# {term}`hidden layer` can learn it {cite:p}`minsky1969perceptrons`. Then our cells: area and spread
# of red of a {term}`nucleus`, scaled to mean 0 and deviation 1, the class from the label, split
# [by subject group](splitting.ipynb).

# %% tags=["hide-input"]
show_source(net.train_network)

# %%
corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], float)
odd = np.eye(2)[[0, 1, 1, 0]]
shapes = {"XOR, hidden layer": (2, hidden, 2), "XOR, none": (2, 2)}
trained, losses = {}, {}
for name, widths in shapes.items():
    trained[name], losses[name] = net.train_network(
        net.start_network(widths, np.random.default_rng(seed)),
        corners,
        odd,
        learning_rate=rate,
        size=4,
        epochs=10 * passes,
        rng=np.random.default_rng(seed),
    )

# %%
cells = load_cells(prepare_data(data, images=images, seed=seed))
split = make_split(cells, "group", seed=seed)
few = split.cells.sample(min(nuclei, len(cells)), random_state=seed)
numbers = describe_images(few)[["area", "deviation_r"]].to_numpy()
train = (few.part == "train").to_numpy()
held = (few.part == "test").to_numpy()
scaled = (numbers - numbers[train].mean(0)) / numbers[train].std(0)
blast = (few.label == "ALL").to_numpy().astype(int)

# %%
trained["cells"], losses["cells"] = net.train_network(
    net.start_network((2, hidden, 2), np.random.default_rng(seed)),
    scaled[train],
    np.eye(2)[blast[train]],
    learning_rate=rate,
    size=mini,
    epochs=passes,
    rng=np.random.default_rng(seed),
)


# %%
def chance(name):
    """Function from points to the probability of the second class."""
    return lambda x: net.softmax(net.forward(trained[name], x)[-1])[:, 1]


right = {
    part: np.mean((chance("cells")(scaled[rows]) > 0.5) == blast[rows])
    for part, rows in (("training", train), ("test", held))
}

# %% tags=["hide-input"]
show(
    plot_lines(
        {
            name: (np.linspace(0, 1, len(value)), value)
            for name, value in losses.items()
        },
        labels=("share of the training", "training loss"),
        marks={"two classes, nothing known": np.log(2)},
    ),
    caption="Training loss of three small networks, trained by our own gradients.",
    alt="; ".join(
        f"{name}: from {value[0]:.2f} to {value[-1]:.2f}"
        for name, value in losses.items()
    ),
)

# %% tags=["hide-input"]
show(
    plot_regions(
        {
            "XOR with a hidden layer": (
                chance("XOR, hidden layer"),
                corners,
                odd[:, 1].astype(int),
            ),
            "cells of the test part": (
                chance("cells"),
                scaled[held],
                blast[held],
            ),
        },
        names=[("first input", "second input"), ("area", "spread of red")],
        classes=[("0", "1"), ("HEM", "ALL")],
    ),
    caption="What the two networks learned. Grey: probability; black line: one half.",
    alt="Left, two opposite corners lie in dark regions and the other two in light ones. Right, "
    f"cells of two classes overlap; the border leaves {right['test']:.0%} of them on their side.",
)

# %% tags=["hide-input"]
common = max(blast[held].mean(), 1 - blast[held].mean())
say(
    f"XOR: with a hidden layer the loss falls to **{losses['XOR, hidden layer'][-1]:.3f}**; without one "
    f"it stays at {losses['XOR, none'][-1]:.3f}, next to ln 2 = {np.log(2):.3f}. The cells: "
    f"{right['training']:.1%} of {train.sum()} in the training part and **{right['test']:.1%}** of "
    f"{held.sum()} in the test part are classified rightly; always naming the commoner class there "
    f"would score {common:.1%}. The network has two inputs and "
    f"{len(net.flatten(trained['cells']))} weights and biases."
)

# %% [markdown]
# What two numbers of a nucleus are worth on the real images is told on
# [a page of its own](without_cnn.ipynb).
#
# ## What it costs
#
# A dense layer of $a$ inputs and $b$ outputs multiplies $n\,a\,b$ times in the forward pass of $n$
# examples. The backward pass needs as many for the gradient of the weights and as many again to
# hand $\Delta$ to the layer before, which the first layer is spared. So a backward pass costs about
# two forward passes, whatever the network, and {term}`convolutions <convolution>` keep the rule: for any calculation, the
# gradient costs a small multiple of the calculation itself {cite:p}`griewank2008evaluating`. We
# count it for the {term}`head` of the report's network.

# %%
report = load_recipe("mir2019-proposed")
layers = {name: shape for name, shape, _ in report.published["layers"]}
widths = (
    *layers["flatten_1"],
    *report.architecture.settings["dense"],
    *layers["dense_3"],
)

# %%
counted = net.count_products(widths, examples=report.training.batch)
table = pd.DataFrame(counted)
table.insert(
    0,
    "layer",
    [f"{a:,} to {b:,}" for a, b in zip(widths[:-1], widths[1:], strict=True)],
)
table.columns = ["layer", "forward", "weights' gradient", "handed back"]
style(table, "Multiplications of one step, head of the report's network.")

# %% tags=["hide-input"]
ahead = sum(counted["forward"])
back = sum(counted["weights"]) + sum(counted["inputs"])
weights = report.published["parameters"]
say(
    f"Counted, the backward pass costs **{back / ahead:.2f}** forward passes in this head; there the "
    "first layer has nearly all the weights and hands nothing back. In the whole network it does, since "
    "convolutions lie before it, and the quotient is close to two. Small steps would need "
    f"{2 * weights:,} forward passes for the {weights:,} parameters of the report's network, instead "
    "of about three."
)

# %% [markdown]
# The other price is memory: the outputs of all layers are kept until the backward pass has used
# them. That, and not the weights, is what fills a GPU when images are large or batches are.
#
# ## What a framework does
#
# Keras never saw a formula for the slope of our loss. Its backend records every operation of the
# forward pass, each with its local derivatives, and walks the record backwards:
# {term}`automatic differentiation` in *reverse mode* {cite:p}`baydin2018automatic`. It
# differentiates no formula and takes no small steps. For single numbers, all of it
# fits into this class.

# %% tags=["hide-input"]
show_source(Number)

# %%
inputs = {"x1": 2.0, "x2": 1.0, "u11": 0.5, "u21": -0.5}
inputs |= {"u12": -0.5, "u22": 0.5, "v1": 1.0, "v2": 2.0, "c": -0.5}
q = {name: Number(value) for name, value in inputs.items()}
unit1 = (q["u11"] * q["x1"] + q["u21"] * q["x2"]).relu()
unit2 = (q["u12"] * q["x1"] + q["u22"] * q["x2"]).relu()
result = (q["v1"] * unit1 + q["v2"] * unit2 + q["c"]).sigmoid()
cost = result.log() * -1.0
cost.backward()
by_hand = {"u11": du11, "u21": du21, "u12": du12, "u22": du22}
by_hand |= {"v1": dv1, "v2": dv2, "c": dc, "x1": dx1, "x2": dx2}
assert all(np.isclose(q[name].slope, by_hand[name]) for name in by_hand)

# %%
table = pd.DataFrame(
    [(name, by_hand[name] + 0.0, q[name].slope) for name in by_hand],
    columns=["number", "by hand", "by the tape"],
)
style(table, "Derivatives of the loss of the small network.")

# %% [markdown]
# Two things in it deserve a second look. Slopes are *added*, because a number may be used more than
# once, as $x_1$ is here. And a number is visited only after everything that was made from it; the
# order of the forward pass, turned round, sees to that.
#
# There is a *forward mode*, too, which carries derivatives along with the values. It costs one pass
# for each input, reverse mode one for each output. A loss is one output of millions of weights, so
# networks are differentiated in reverse.
#
# ## Many layers: a product of slopes
#
# Through each layer $\Delta$ is multiplied by the weights and by the slopes of the activation.
# After many layers it is a product of many factors, and such a product rarely stays near one: it
# vanishes or it explodes {cite:p}`bengio1994learning`. We look at the size of $\Delta$ in a deep
# network with random weights, drawn so that ReLU keeps the size of its values
# {cite:p}`he2015delving`.

# %%
deep = net.start_network((32,) * depth + (2,), rng)
x, y = rng.normal(size=(64, 32)), np.eye(2)[rng.integers(2, size=64)]
lines = {}
for shape in net.SHAPES:
    back = net.backward(deep, net.forward(deep, x, shape), y, shape)
    sizes = [np.linalg.norm(weights) for weights, _ in back]
    lines[shape] = (np.arange(1, depth + 1), np.array(sizes) / sizes[-1])

# %% tags=["hide-input"]
show(
    plot_lines(
        lines,
        labels=("layer, counted from the input", "gradient, last layer = 1"),
        scales=("linear", "log"),
        every=2,
    ),
    caption=f"Size of the weights' gradient in each of {depth} layers, by activation.",
    alt="; ".join(
        f"{shape}: the first layer has {value[0]:.1e} of the last"
        for shape, (_, value) in lines.items()
    ),
)

# %% tags=["hide-input"]
say(
    "The first layer's gradient, as a share of the last layer's: "
    + ", ".join(
        f"{shape} {value[0]:.1e}" for shape, (_, value) in lines.items()
    )
    + f". The slope of the sigmoid is at most one quarter; to the power of {depth - 1} that is "
    f"{0.25 ** (depth - 1):.0e}. One learning rate cannot serve both ends of such a network."
)

# %% [markdown]
# What helps, which activation, which start, and what the report means by *avoids and rectifies*, is
# the matter of [the next chapter](activations_losses.ipynb).
#
# ## Exercises
#
# ```{exercise}
# :label: backpropagation-penalty
# The report adds $\frac{\lambda}{2N} \sum w^2$ to the loss ([L2](overfitting.ipynb)). Which
# term does that add to $\partial J/\partial W$? Check it on the network of the gradient check with
# $\lambda / N = 0.1$, {term}`biases <bias>` left out of the penalty.
# ```
#
# ```{solution-start} backpropagation-penalty
# :class: dropdown
# ```
#
# The square's derivative is $2w$, so the term is $\frac{\lambda}{N} W$, and nothing for the biases.

# %% tags=["solution"]
ratio = 0.1  # lambda over N
x, y = rng.normal(size=(12, 3)), np.eye(2)[rng.integers(2, size=12)]
plain = net.backward(network, net.forward(network, x, "tanh"), y, "tanh")
ours = [
    (dw + ratio * w, db)
    for (dw, db), (w, _) in zip(plain, network, strict=True)
]


def penalised(row):
    """Loss with the penalty, for weights in one row."""
    shaped = net.unflatten(row, network)
    price = ratio / 2 * sum((w**2).sum() for w, _ in shaped)
    return loss_at(row, "float64") + price


small_steps = net.numerical_gradient(penalised, net.flatten(network), 1e-5)
assert np.abs(small_steps - net.flatten(ours)).max() < 1e-8

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: backpropagation-shared
# A convolution uses one weight at many places. Let $J = (w x_1 - 1) (w x_2 - 2)$ with
# $x = (3, 5)$ and $w = 2$. Find $\partial J/\partial w$ by hand, then with the tape.
# ```
#
# ```{solution-start} backpropagation-shared
# :class: dropdown
# ```
#
# Both uses add their part: $3 \cdot (10 - 2) + 5 \cdot (6 - 1) = 49$.

# %% tags=["solution"]
w = Number(2.0)
product = (w * 3.0 + -1.0) * (w * 5.0 + -2.0)
product.backward()
assert product.value == 40 and w.slope == 49

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: backpropagation-zeros
# Why are weights drawn at random? Train the XOR network from a start where all weights of a layer are
# equal, and compare the hidden units afterwards.
# ```
#
# ```{solution-start} backpropagation-zeros
# :class: dropdown
# ```
#
# Equal units get equal gradients, in every step, and stay equal: the layer is one unit, copied.
# From zero, nothing but the last biases moves, as every product has a factor zero.

# %% tags=["solution"]
equal = [
    (np.full((2, 4), 0.5), np.zeros(4)),
    (np.full((4, 2), 0.5), np.zeros(2)),
]
after, course = net.train_network(
    equal,
    corners,
    odd,
    learning_rate=rate,
    size=4,
    epochs=200,
    rng=np.random.default_rng(seed),
)
assert np.allclose(after[0][0], after[0][0][:, :1])  # one unit, four times
assert course[-1] > losses["XOR, hidden layer"][-1]

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: backpropagation-delta
# Show that the derivative of the cross-entropy by the logits of one example is $p - y$.
# ```
#
# ```{solution} backpropagation-delta
# :class: dropdown
# With the true class $t$, $J = -\ln p_t = -z_t + \ln \sum_k e^{z_k}$. The derivative of the sum's
# logarithm by $z_j$ is $e^{z_j} / \sum_k e^{z_k} = p_j$. The derivative of $-z_t$ is $-1$ for $j = t$ and 0
# otherwise, which is $-y_j$. Together $p_j - y_j$. For the sigmoid, take two classes with logits $z$ and 0.
# ```
#
# ## Quiz

# %% tags=["hide-input"]
show_quiz("backpropagation")

# %% [markdown]
# ## Summary
#
# - The chain rule, applied from the loss backwards, visits every number once and gives all slopes.
# - For dense layers that is one subtraction, $P - Y$, and then two matrix products and a gate a
#   layer. A backward pass costs about two forward passes, and the memory of all outputs.
# - Gradients are checked by small steps of the right size, in double precision; ours agree with
#   Keras's.
# - A framework records operations and walks the record backwards; no formula is needed.
# - Through many layers slopes multiply, and the product vanishes or explodes.
#
# **Next**: [activations and losses](activations_losses.ipynb).
