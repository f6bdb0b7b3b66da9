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
# # Convolution, pooling and dense layers
#
# *What does a convolutional network compute, and what does it cost?* It slides small {term}`filters <filter>` over
# the image and adds up products. The same few weights serve everywhere, so a shifted cell gives a
# shifted map. Everything else on this page is counting and measuring what follows from that.
#
# :::{admonition} Before you start
# **You will learn** to slide a filter by hand and in NumPy, what {term}`padding`, {term}`stride` and {term}`channels <channel>` do, to
# count weights and operations and to find misprints with that, and how far a network is really
# indifferent to a shift.
# **You need** [activations and losses](activations_losses.ipynb), and no GPU; the last line of the
# page says how long it ran.
# **Reading time**: about forty-five minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of all random filters
chosen = 3  # which of the cells with ALL is looked at
small_side = 48  # side in pixels of the small image that filters slide over
filters = 8  # random filters in the measurements of shifts
looked_at = 5  # cells that are shifted and turned
tried = 20  # random images that the receptive field is measured with

# %%
import time

import numpy as np
import pandas as pd
from alllib.backend import gradient, load_keras
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.figures import plot_grids, say, set_style, show
from alllib.images import read_square
from alllib.lessons import convolution, show_source
from alllib.lessons import convolution_figures as figures
from alllib.recipes import load_recipe
from alllib.tables import style

# %% [markdown]
# ## An image is numbers
#
# We take one cell, make it small, and keep its brightness only: the mean of red, green and blue,
# stretched so that the brightest pixel is white.

# %%
set_style()
rng = np.random.default_rng(seed)
cells = load_cells(prepare_data(data, images=images, seed=seed))
with_all = cells[cells.label == "ALL"].reset_index(drop=True)
path = with_all.path[chosen % len(with_all)]
colour = read_square(path, size=small_side).astype(float)
grey = colour.mean(axis=2)
grey = 255 * grey / grey.max()

# %%
top, left = np.argwhere(grey > 80).min(axis=0)  # where the cell begins
top, left = int(top), small_side // 2 - 4

# %% tags=["hide-input"]
show(
    figures.plot_numbers(grey, top, left, 9),
    caption=f"A cell with {small_side} pixels a side, and what the computer sees in the box.",
    alt=f"A grey nucleus on black; in the box at its upper edge the numbers go from "
    f"{grey[top : top + 9, left : left + 9].min():.0f} outside to "
    f"{grey[top : top + 9, left : left + 9].max():.0f} inside.",
)

# %% [markdown]
# ## Sliding a filter by hand
#
# A filter is a small square of weights. Lay it on a tile of the image, multiply entry by
# entry, add the products up, and write the sum into the map. Move on by one pixel:
#
# $$m_{r, c} = \sum_{i=0}^{k-1} \sum_{j=0}^{k-1} x_{r+i,\, c+j}\; w_{i, j}.$$ (eq-sliding)
#
# Here $x$ is the image, $w$ the filter of $k \times k$ weights, and $m_{r,c}$ the number in row $r$ and
# column $c$ of the map, both counted from 0; $i$ and $j$ run over the rows and columns of the filter.
# The result is a {term}`feature map`. The report describes this in words and rightly
# {cite:p}`mir2019report`, section 3.1.7; none of the sources prints the equation. As code:

# %%
show_source(convolution.slide)
patch = grey[top : top + 6, left : left + 6].round()
upwards = np.array([[-1.0, -1, -1], [0, 0, 0], [1, 1, 1]])
found = convolution.slide(patch, upwards)

# %% tags=["hide-input"]
place = (0, 1)
show(
    figures.plot_slide(patch, upwards, found, place),
    caption="One step: the tile in the box times the filter, added up, is one number of the map. "
    "In filter, products and map zero is white, red is above and blue below it.",
    alt=f"A six by six image, a filter with a row of minus ones above and of ones below, the nine "
    f"products, and the four by four map whose marked entry is {found[place]:.0f}.",
)

# %% [markdown]
# The filter has $-1$ above and $1$ below: it answers where the image gets brighter from top to
# bottom, and hardly where it is even: the rows of the map inside the {term}`nucleus` are near zero. Filters that blur, sharpen or find edges have been made by hand
# for decades; a convolutional network *learns* its filters {cite:p}`lecun1998gradient`.
#
# ## Try it
#
# Move the nine weights, or take one of the ready filters.

# %% tags=["hide-input"]
from alllib.interactive import show_interactive

presets = {
    "nothing": ([0, 0, 0, 0, 1, 0, 0, 0, 0], 1),
    "blur": ([1] * 9, 9),
    "sharpen": ([0, -1, 0, -1, 5, -1, 0, -1, 0], 1),
    "edges": ([-1, -1, -1, -1, 8, -1, -1, -1, -1], 1),
    "upright edges": ([-1, 0, 1, -2, 0, 2, -1, 0, 1], 1),
    "level edges": ([-1, -2, -1, 0, 0, 0, 1, 2, 1], 1),
}
show_interactive(
    "filter",
    {
        "side": small_side,
        "grey": grey.round().astype(int).ravel().tolist(),
        "presets": {
            name: {"weights": weights, "divisor": by}
            for name, (weights, by) in presets.items()
        },
    },
    text="A filter of three by three weights slides over the small cell. Nine sliders move the "
    "weights, and the map beside the image follows at once. Weights that add up to one keep the "
    "brightness; weights that add up to zero answer only where something changes.",
)

# %% [markdown]
# The same ready filters beside each other. The one called *nothing* has a single 1 in its middle and
# hands the image on as it is:

# %%
maps = {
    name: convolution.slide(grey, np.reshape(weights, (3, 3)) / by)
    for name, (weights, by) in presets.items()
}
spread = {name: found.std() for name, found in maps.items()}

# %% tags=["hide-input"]
show(
    figures.plot_maps(grey, maps),
    caption="Maps of six filters; blue is negative, red positive, white zero. Each map has its own "
    "scale, so that shades cannot be compared between maps.",
    alt="Blurring and sharpening keep the cell; the edge filters leave its outline and its grain. "
    "Standard deviations: "
    + "; ".join(f"{name} {value:.0f}" for name, value in spread.items())
    + ".",
)

# %% [markdown]
# ## Cross-correlation and convolution
#
# In mathematics a {term}`convolution` turns the filter round by half a turn before it slides. What we
# did, and what every network library does, is a {term}`cross-correlation`. Which of the two is it in
# Keras? We compare its map with both of ours. Two maps are compared by *length*, the square root of the
# sum of their squared numbers: the *change* from one to the other is the length of their difference,
# divided by the length of the first. It is 0 for equal maps, and $\sqrt 2$ for two maps of one length that
# are nowhere bright at the same place.
#
# Keras wants an axis for the number of images and one for channels; `None` adds an axis of length one.

# %%
keras = load_keras()
kernel = rng.normal(size=(3, 3))
theirs = keras.ops.conv(
    grey[None, ..., None].astype("f4"), kernel[..., None, None].astype("f4")
)
theirs = np.asarray(theirs)[0, ..., 0]
as_it_is = convolution.slide(grey, kernel)
turned = convolution.slide(grey, convolution.turn_round(kernel))

# %% tags=["hide-input"]
say(
    f"The change from our map to that of Keras's `conv` is {convolution.change(as_it_is, theirs):.0e} "
    "with the filter as it stands, which is rounding, and "
    f"{convolution.change(turned, theirs):.1f} with the turned one. It is the "
    "cross-correlation. For what a network can learn it makes no difference: it would learn the "
    "turned filter instead."
)

# %% [markdown]
# ## Padding, stride and the size of a map
#
# A window of $k$ pixels fits on a row of $n$ pixels at $n - k + 1$ places, so a map is smaller than
# its image. Padding adds a frame of zeros; with $p$ pixels on both sides together,
# and with a stride $s$, by which the window moves on, the side of the map is
#
# $$o = \left\lfloor \frac{n + p - k}{s} \right\rfloor + 1.$$ (eq-output-side)
#
# where $\lfloor \cdot \rfloor$ rounds down and $\lceil \cdot \rceil$ up.
# *Valid* padding is $p = 0$. *Same* padding adds so much that $o = \lceil n / s \rceil$: with stride
# one the map is as large as the image, as the article says {cite:p}`mir2019article`. Where
# $p$ is odd, the odd pixel goes to the end {cite:p}`dumoulin2016guide`.

# %%
show_source(convolution.output_side, convolution.pad)

# %% tags=["hide-input"]
side, window = 10, 3
bands = {}
for padding in ("valid", "same"):
    for stride in (1, 2, 3):
        places = convolution.output_side(side, window, stride, padding)
        missing = max((places - 1) * stride + window - side, 0)
        before = missing // 2 if padding == "same" else 0
        bands[f"{padding}, stride {stride}"] = [
            k * stride - before for k in range(places)
        ]
show(
    figures.plot_places(side, bands, window),
    caption=f"Where a window of {window} pixels lies on a row of {side}; dotted: padding. Each "
    "coloured bar is one place of the window; colours and heights only keep neighbours apart. The "
    "number is the side of the map.",
    alt="Number of windows: "
    + "; ".join(f"{name}: {len(starts)}" for name, starts in bands.items())
    + ".",
)

# %% [markdown]
# Without padding and with a stride of two, the last pixel of this row lies under no window: what is
# left over at the end is not seen.
#
# The report says that a convolution is defined by two parameters, the size of its tiles and the
# number of its filters, and that it moves one pixel at a time, unlike {term}`pooling`. Stride and padding
# belong to a convolution just as much: the first layer of AlexNet has a stride above one
# {cite:p}`krizhevsky2012imagenet`.
#
# The poster {cite:p}`unnithan2021poster` says that all its convolutions have "3x3 stride". Its table
# prints the sides of the maps, so we can compute which stride it was.

# %%
poster = load_recipe("unnithan2021-2x2")
printed = {row[0]: row[1] for row in poster.published["layers"]}
side, rows = poster.images.input, []
for name, shape in printed.items():
    if name.startswith("conv2d"):
        one = convolution.output_side(side, 3)
        three = convolution.output_side(side, 3, 3)
        rows.append((name, side, shape[0], one, three))
    side = shape[0]
names = ["layer", "map before", "printed", "stride 1", "stride 3"]
style(
    pd.DataFrame(rows, columns=names),
    "Sides of the poster's maps in pixels: of the map before the layer, as printed behind it, and "
    "as computed for either stride.",
)

# %% tags=["hide-input"]
fits = [row[0] for row in rows if row[2] == row[3]]
say(
    f"**{len(fits)} of {len(rows)}** rows fit a stride of one and none a stride of three: the *window* is "
    "three by three, the stride is one."
    if len(fits) == len(rows)
    else f"{len(fits)} of {len(rows)} rows fit a stride of one."
)

# %% [markdown]
# ## Channels
#
# A colour image has three channels, its {term}`RGB` values. A filter of a network reaches through all of
# them: it has $k \times k \times C$ weights and gives *one* map. A layer has $F$ filters and a {term}`bias`
# $b_f$ for each:
#
# $$m_{r, c, f} = b_f + \sum_{i} \sum_{j} \sum_{d=1}^{C} x_{s r + i,\; s c + j,\; d}\;
#   w_{i, j, d, f}.$$ (eq-convolution)
#
# The number $d$ counts channels, $f$ filters; with a stride $s$ the window of row $r$ begins at pixel
# $s r$.
#
# The article calls a filter a matrix of width, height and depth. That is an array with three axes;
# with the number of filters the kernel of a layer has four. The report's product of filter and tile
# is right and leaves out the bias.

# %%
show_source(convolution.convolve_loops)

# %% [markdown]
# Four loops are easy to read and slow. The same without loops takes all tiles at once; NumPy's
# `sliding_window_view` copies nothing: it shows the same memory as an array of tiles. `einsum` multiplies
# and adds up; in its text each letter is an axis, and letters that do not stand behind the arrow are
# summed over. Both are held equal to Keras by tests, over many sizes, strides, paddings and channels.

# %%
show_source(convolution.convolve)
kernel = rng.normal(size=(3, 3, 3, filters))
bias = rng.normal(size=filters)
layer = keras.layers.Conv2D(filters, 3)
layer.build((None, small_side, small_side, 3))
layer.set_weights([kernel, bias])

# %%
timed, outputs = {}, {}
for name, run in {
    "loops": lambda: convolution.convolve_loops(colour, kernel, bias),
    "no loops": lambda: convolution.convolve(colour, kernel, bias),
    "Keras": lambda: np.asarray(layer(colour[None].astype("f4")))[0],
}.items():
    outputs[name] = run()  # once for warming up
    start = time.perf_counter()
    run()
    timed[name] = time.perf_counter() - start

# %% tags=["hide-input"]
apart = convolution.change(outputs["Keras"], outputs["no loops"])
say(
    f"{filters} filters on {small_side} x {small_side} pixels took the loops "
    f"{1e3 * timed['loops']:.0f} ms, NumPy without loops {1e3 * timed['no loops']:.1f} ms and Keras "
    f"{1e3 * timed['Keras']:.1f} ms, on this machine. The maps differ by {apart:.0e} of their length; "
    "Keras computes in single precision, and each call of it has a fixed cost, which shows on one "
    "small image."
)

# %% [markdown]
# ## Pooling
#
# Pooling cuts a map into tiles and keeps one number of each: the largest, or the
# mean. It has no weights, and each channel is pooled by itself.
#
# $$\text{max:}\quad q_{r, c} = \max_{i, j}\; m_{s r + i,\, s c + j}, \qquad
#   \text{mean:}\quad q_{r, c} = \frac{1}{k^2} \sum_{i, j} m_{s r + i,\, s c + j}.$$ (eq-pooling)
#
# The article says, after Wikipedia, that the tiles do not overlap. That is so when the stride equals
# the window, as in the networks of the report; AlexNet's windows overlap.

# %%
show_source(convolution.pool)
edge = np.reshape(presets["edges"][0], (3, 3))
found = np.maximum(convolution.slide(grey, edge), 0)[..., None]  # ReLU
pooled = {"map after ReLU": found[..., 0]}
for window in (2, 4):
    for kind in ("max", "mean"):
        small = convolution.pool(found, window, kind=kind)
        pooled[f"{kind} of {window}x{window}"] = small[..., 0]

# %% tags=["hide-input"]
scaled = {
    f"{name}: {m.shape[0]} px": (255 * m / found.max()).astype("u1")
    for name, m in pooled.items()
}
means = {name: m.mean() for name, m in pooled.items()}
show(
    plot_grids(scaled, columns=3, side=2.3),
    caption="A map of the edge filter, pooled by maximum and by mean, all on one scale from black, 0, "
    "to white, the largest value of the map. The maximum keeps it, the mean thins it out.",
    alt="The outline stays while the maps get coarser. Mean values: "
    + "; ".join(f"{name} {value:.0f}" for name, value in means.items())
    + ".",
)

# %% tags=["hide-input"]
say(
    f"The mean keeps the mean value ({means['map after ReLU']:.1f}, then "
    f"{means['mean of 2x2']:.1f} and {means['mean of 4x4']:.1f}, apart from a border that is cut "
    f"off); the maximum raises it, to {means['max of 2x2']:.1f} and {means['max of 4x4']:.1f}: it "
    "says that something was there, not how much of it."
)

# %% [markdown]
# Three statements of the report on pooling. It does not reduce "the number of dimensions" of a map:
# height and width shrink, the three axes stay. That it preserves "the most critical information" is
# a hope, not a property; what is kept is the largest value of each tile. That it saves computation is
# true. Which kind is better is a matter of trial {cite:p}`scherer2010pooling`.

# %% [markdown]
# ## Dense layers
#
# In a {term}`dense layer` every unit weighs every input:
#
# $$a = f(W^\top x + b),$$ (eq-dense)
#
# a matrix product and a bias, as the article says. It knows no neighbours: shuffle the pixels of all
# images alike, and it learns the same. Behind a map that was *flattened*, written as one long list, of
# $h \times w \times C$ numbers it is a convolution whose window is the whole map {cite:p}`long2015fully`.

# %%
last = rng.normal(size=(5, 5, 4))  # maps at the end of some network
weights, bias = rng.normal(size=(last.size, 3)), rng.normal(size=3)
dense = last.ravel() @ weights + bias
kernel = convolution.dense_kernel(weights, last.shape)
as_convolution = convolution.convolve(last, kernel, bias)
assert as_convolution.shape == (1, 1, 3)
assert np.allclose(dense, as_convolution[0, 0])

# %% [markdown]
# The article says that regular networks cannot deal with images. They can; they are wasteful. Count
# the weights of a first layer that makes as many maps, each as large as the image: once as a
# convolution, once as a dense layer, where each number of each map weighs every number of the image.

# %%
proposed = load_recipe("mir2019-proposed")
side = proposed.images.input
first = proposed.architecture.settings["filters"][0]
shared = convolution.count_weights(3, 3, first)
full = (side * side * 3 + 1) * side * side * first

# %% tags=["hide-input"]
say(
    f"With {side} x {side} pixels and {first} filters the convolution has **{shared:,}** weights and "
    f"the dense layer {full:,}: "
    f"{full / shared / 1e6:,.0f} million times as many."
)

# %% [markdown]
# ## Counting weights
#
# Each filter has $k^2 C$ weights and a bias, each dense unit one weight per input and a bias:
#
# $$P_{\text{conv}} = (k^2\, C_{\text{in}} + 1)\, C_{\text{out}}, \qquad
#   P_{\text{dense}} = (n_{\text{in}} + 1)\, n_{\text{out}}.$$ (eq-parameters)
#
# The transfer-learning paper {cite:p}`garg2021transfer` prints the layer table of its network. Every
# row can be computed from the shapes in the row itself and the row above. We count.

# %%
published = load_recipe("garg2021-vgg19").published
above, rows = 0, []
for name, shape, number in published["layers"]:
    exact = 0
    if "_conv" in name:
        exact = convolution.count_weights(3, above, shape[-1])
    elif name.startswith("dense"):
        exact = (above + 1) * shape[-1]
    rows.append((name, shape, number, exact))
    above = shape[-1]
table = pd.DataFrame(rows, columns=["layer", "output", "printed", "counted"])
table["difference"] = table.printed - table.counted

# %%
wrong = table[table.difference != 0]
assert list(wrong.layer) == published["misprints"]
shown = wrong.assign(
    output=[" x ".join(map(str, shape)) for shape in wrong.output]
)
style(shown, "Rows of the paper's table that do not add up.")

# %% tags=["hide-input"]
pairs = wrong[["printed", "counted"]].drop_duplicates()
total = published["parameters"]
say(
    f"**{len(wrong)} of {len(table)}** rows are misprinted, and they hold only {len(pairs)} different "
    "wrong numbers: "
    + "; ".join(
        f"{r.printed:,} for {r.counted:,}" for r in pairs.itertuples()
    )
    + f". The printed rows add up to {table.printed.sum():,}, the counted ones to "
    f"{table.counted.sum():,}, and the total below the table is {total:,}: the "
    + (
        "total is right, so it is the rows that are wrong."
        if table.counted.sum() == total
        else "total fits neither."
    )
)

# %% [markdown]
# The same count answers another statement of the paper, that weights are "shared in the depth of the
# input". A filter with one set of weights for all channels would have $k^2 + 1$ of them. They are
# shared between the *places* of a map, and each channel has its own.

# %%
row = table.set_index("layer").loc["block1_conv2"]
channels = table.set_index("layer").output["block1_conv1"][-1]
own = convolution.count_weights(3, channels, row.output[-1])
if_shared = convolution.count_weights(3, 1, row.output[-1])

# %% tags=["hide-input"]
say(
    f"The row prints {row.printed:,}. Weights of its own for each channel make {own:,}; shared in the "
    f"depth they would be {if_shared:,}."
)

# %% [markdown]
# ## Counting operations
#
# A weight of a convolution is used at every place of its map. The number of
# {term}`multiply-accumulates <multiply-accumulate>`, a product and a sum each, leaving out the biases, is
#
# $$M_{\text{conv}} = k^2\, C_{\text{in}}\, C_{\text{out}}\; h_{\text{out}}\, w_{\text{out}}, \qquad
#   M_{\text{dense}} = n_{\text{in}}\, n_{\text{out}}.$$
#
# We count them for the network of the same paper: VGG19, on top of which it puts dense layers of its
# own, the {term}`head`.

# %%
weighted = table[table.counted > 0].copy()
biases = [shape[-1] for shape in weighted.output]
places = [int(np.prod(shape[:-1])) for shape in weighted.output]
weighted["operations"] = (weighted.counted - biases) * places
show(
    figures.plot_costs(
        list(weighted.layer), weighted.counted, weighted.operations
    ),
    caption="VGG19 with the paper's head: share of each layer in the weights and in the operations. "
    "Shares too small for a bar are not zero.",
    alt=f"Most weights are in {weighted.layer[weighted.counted.idxmax()]}. The most operations are "
    f"in {(weighted.operations == weighted.operations.max()).sum()} convolutions, with "
    f"{weighted.operations.max() / weighted.operations.sum():.1%} each.",
)

# %% tags=["hide-input"]
head = weighted[weighted.layer.str.startswith("dense")]
say(
    f"One image takes {weighted.operations.sum() / 1e9:.1f} billion multiply-accumulates. The dense "
    f"layers hold {head.counted.sum() / weighted.counted.sum():.0%} of the weights and do "
    f"{head.operations.sum() / weighted.operations.sum():.2%} of the work. Weights fill the memory, "
    "large maps take the time: a small file is not a fast network."
)

# %% [markdown]
# This is also what the article means by pooling reducing parameters. Pooling changes no convolution's
# count, since no $h$ or $w$ is in it. It reduces the inputs of the first dense layer, and the
# operations of everything behind it.

# %% [markdown]
# ## Shifts: what follows, and what stays
#
# The article says that sharing weights gives a network "translation {term}`invariance`". Two words are
# needed here. A map is {term}`equivariant <equivariance>` to shifts if it moves along with the image.
# It is {term}`invariant <invariance>` if it stays the same. A convolution is equivariant.
#
# We cut two windows out of the middle of one cell, the second some pixels further to the right, so
# that new content enters, as it would under a microscope. Then we ask how far the maps of the second
# are from the maps of the first, moved along. Behind a stride of two a map can move by whole places
# only, each of which is two pixels; the best such move counts. The measure is the change of above.

# %%
middle = read_square(path, size=225).astype(float).mean(axis=2)
middle = middle[80:144, 76:148, None]  # 64 pixels high, 72 wide
middle = (middle - middle.mean()) / middle.std()
kernel, bias = rng.normal(size=(3, 3, 1, filters)), np.zeros(filters)


def convolved(image, weights=kernel, **how):
    return np.maximum(convolution.convolve(image, weights, bias, **how), 0)


def pooled_after(image):
    return convolution.pool(convolved(image), 2)


# %%
settings = {
    "stride 1, valid": (convolved, 1),
    "stride 1, same": (lambda x: convolved(x, padding="same"), 1),
    "stride 2, valid": (lambda x: convolved(x, stride=2), 2),
    "stride 1, max pool 2": (pooled_after, 2),
}
shifts, followed = range(9), {}
for name, (run, stride) in settings.items():
    maps = run(middle[:, :64])
    moved = [run(middle[:, d : 64 + d]) for d in shifts]
    followed[name] = [
        convolution.follows(maps, m, d, stride)
        for d, m in zip(shifts, moved, strict=True)
    ]

# %% [markdown]
# Now invariance: whole cells are shifted on their black ground, so that nothing leaves the image, and
# the map is *not* moved along. We pool with growing windows, up to the whole map. The filters are of
# two kinds: random ones, and the same with their mean taken off, so that their weights add up to zero
# and they answer to change and not to brightness.

# %%
shown = [
    np.pad(read_square(one, size=64).astype(float).mean(axis=2) / 255, 8)
    for one in with_all.path[:looked_at]
]
contrast = kernel - kernel.mean(axis=(0, 1))


def change_in_place(weights, window, move):
    """Mean change over the cells when each is moved."""
    found = []
    for cell in shown:
        first, second = (
            convolution.pool(convolved(x[..., None], weights), window)
            for x in (cell, move(cell))
        )
        found.append(convolution.change(first, second))
    return np.mean(found)


# %%
whole = shown[0].shape[0] - 2  # side of the maps
windows = {
    "no pooling": 1,
    "pool 2": 2,
    "pool 4": 4,
    "pool 8": 8,
    "whole map": whole,
}
stayed = {
    name: [
        change_in_place(contrast, window, lambda x, d=d: np.roll(x, d, 1))
        for d in shifts
    ]
    for name, window in windows.items()
}

# %% tags=["hide-input"]
show(
    figures.plot_shifts(
        followed, stayed, ("maps moved along", "maps left in place")
    ),
    caption="Change of the maps when the image is shifted. Left: against the first map moved along, "
    "one cell; 0 is equivariant. Right: against the first map left where it is, mean of "
    f"{looked_at} cells, filters that answer to change; 0 is invariant. Mind the two scales.",
    alt="Left, at a shift by one and by two pixels: "
    + "; ".join(f"{k} {v[1]:.2f} and {v[2]:.2f}" for k, v in followed.items())
    + ". Right, at a shift by two pixels: "
    + "; ".join(f"{k} {v[2]:.2f}" for k, v in stayed.items())
    + ".",
)

# %% tags=["hide-input"]
exact, border, strided, after_pool = followed.values()
say(
    f"Left: with stride one and no padding the map follows **exactly** (largest change "
    f"{max(exact):.2g}). The frame of zeros breaks that at the border ({border[1]:.2f} at one pixel), "
    "since a zero beside a cell is an edge. With stride two a shift by one pixel meets other pixels, and "
    f"no move of the map makes up for it: a change of **{strided[1]:.2f}**, and {strided[2]:.2g} at two "
    f"pixels. Behind a max pooling of two it is {after_pool[1]:.2f} at one pixel."
)
raw = [
    change_in_place(kernel, window, lambda x: np.roll(x, 1, 1))
    for window in (1, 8)
]
say(
    f"Right: a shift by one pixel changes the map in place by {stayed['no pooling'][1]:.2f} without "
    f"pooling, by {stayed['pool 2'][1]:.2f} with a pooling of two, by {stayed['pool 8'][1]:.2f} with one "
    f"of eight, and by {stayed['whole map'][1]:.2f} over the whole map. With random filters, which answer "
    f"to brightness too, it is {raw[0]:.2f} without pooling and {raw[1]:.2f} with one of eight: how much "
    "pooling softens a shift depends on the map. Only pooling over the whole map undoes it, as long "
    "as the cell stays inside the image."
)

# %% [markdown]
# So "translation invariance" is too much said of the networks of the sources. Strides and poolings
# sample the maps, and a shift by one pixel can change what a network answers
# {cite:p}`azulay2019shifts,zhang2019shift`. The proposed network, VGG and the poster's flatten
# their last maps, and their dense layers see *where* something is; ResNet and DenseNet pool over the
# whole maps, behind several strides. What any of them knows of shifts beyond that, it learnt from
# images. To be unaffected by shifts was the aim from the start {cite:p}`fukushima1980neocognitron`.
#
# The transfer-learning paper goes further: {term}`receptive fields <receptive field>` ("local receipts" there) would make a
# network "very robust for the distortion", and sub-sampling would avoid sensitivity under rotation.
# (It also says that a {term}`CNN` stores "temporal {term}`features <feature>`". An image has no time; its features are *local*.)
# Rotation can be measured at once.

# %%
turn = {
    name: change_in_place(contrast, windows[name], np.rot90)
    for name in ("no pooling", "pool 2", "pool 8", "whole map")
}

# %% tags=["hide-input"]
say(
    "After a quarter turn of the cells the maps in place change by "
    + ", ".join(f"{value:.2f} ({name})" for name, value in turn.items())
    + ". Even pooled over the whole map something remains: a filter for upright edges meets level "
    "ones."
)

# %% [markdown]
# Turned images in the training are the usual remedy: see [augmentation](augmentation.ipynb).

# %% [markdown]
# ## How much of the image a value sees
#
# The receptive field of a value is the square of input pixels that it can depend on. Each
# layer with window $k$ widens it by $k - 1$ steps of its own grid, and each stride makes that grid
# coarser {cite:p}`araujo2019receptive`:
#
# $$F_l = F_{l-1} + (k_l - 1)\, j_{l-1}, \qquad j_l = j_{l-1}\, s_l, \qquad F_0 = j_0 = 1.$$
#
# Here $F_l$ is the side of the field of a value behind layer $l$, $k_l$ and $s_l$ are window and stride
# of that layer, and $j_l$ is how many pixels of the image lie from one place of the map to the next (the
# column *step* below).

# %%
show_source(convolution.field_size)
steps, rows = [], []
for name, _, _ in published["layers"]:
    if "_conv" in name or name.endswith("_pool"):
        steps.append((2, 2) if name.endswith("_pool") else (3, 1))
        rows.append((name, *convolution.field_size(steps)))
fields = pd.DataFrame(rows, columns=["layer", "sees (px)", "step (px)"])
style(
    fields[fields.layer.str.endswith("_pool")],
    "Receptive fields of VGG19 at the end of each block.",
)

# %% tags=["hide-input"]
side = published["layers"][0][1][0]
last = fields.iloc[-1]
say(
    f"A value of the last maps can see {last['sees (px)']} pixels of an image of {side}: more than "
    "there is."
    if last["sees (px)"] > side
    else f"A value of the last maps sees {last['sees (px)']} of {side} pixels."
)

# %% [markdown]
# The formula can be tried: a pixel is in the field if the value changes with it, that is, if the
# derivative of the value by this pixel is not zero. We build the four
# convolutions and two poolings of the poster's network with random weights, take one value in the
# middle of the last maps, and ask for its {term}`gradient` by the pixels of random images.

# %%
steps = [(3, 1), (3, 1), (2, 2), (3, 1), (3, 1), (2, 2)]
keras.utils.set_random_seed(seed)
network = keras.Sequential([keras.Input((40, 40, 1))])
for window, stride in steps:
    network.add(
        keras.layers.MaxPooling2D(window, stride)
        if stride > 1
        else keras.layers.Conv2D(filters, window, activation="relu")
    )
noise = rng.normal(size=(tried, 40, 40, 1))
slopes = gradient(lambda x: network(x)[:, 3, 3], noise)
size = np.abs(slopes).sum(axis=(0, 3))

# %%
field, step = convolution.field_size(steps)
touched = np.argwhere(size > 0)
begin, end = touched.min(axis=0), touched.max(axis=0)
measured = end - begin + 1
middle_half = slice(3 * step + field // 4, 3 * step + 3 * field // 4)
core = size[middle_half, middle_half].sum() / size.sum()

# %% tags=["hide-input"]
show(
    figures.plot_field(size, (3 * step, 3 * step), field),
    caption=f"Size of the gradient by each pixel, summed over {tried} images, and the computed field "
    "(box). Right: the same, by column.",
    alt=f"The pixels with a gradient fill a square of {measured[0]} by {measured[1]} pixels; the "
    f"computed field has {field}. The gradient is largest in the middle: {core:.0%} of it lies in the "
    "middle quarter of the area.",
)

# %% tags=["hide-input"]
say(
    f"Computed: **{field}** pixels a side. Measured: **{measured[0]} by {measured[1]}**. No pixel "
    f"outside has any gradient. Inside, the middle quarter of the area has {core:.0%} of it; "
    "spread evenly it would be a quarter."
)

# %% [markdown]
# The border of a field counts little, because few ways lead from there to the value: the *effective*
# receptive field is smaller than the computed one {cite:p}`luo2016effective`. A field that covers the
# nucleus on paper may not do so in effect. [What each layer shows](layer_activations.ipynb) looks at
# a trained network.

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: convolution-separable
# The filter for level edges has the rows $(-1, -2, -1)$, $(0, 0, 0)$ and $(1, 2, 1)$. It is the product
# of a column and a row. Find both, and show that two
# passes, with three weights each, give the same map. How many products does that save for a window
# of side $k$?
# ```
#
# ```{solution-start} convolution-separable
# :class: dropdown
# ```
#
# The column is $(-1, 0, 1)$ and the row $(1, 2, 1)$. Two passes take $2k$ products at each place
# instead of $k^2$. Not every filter can be split so: it must be a matrix of rank one.

# %% tags=["solution"]
level = np.reshape(presets["level edges"][0], (3, 3))
column, row = np.array([[-1.0], [0], [1]]), np.array([[1.0, 2, 1]])
assert np.array_equal(column @ row, level)
twice = convolution.slide(convolution.slide(grey, column), row)
assert np.allclose(twice, convolution.slide(grey, level))
assert np.linalg.matrix_rank(level) == 1
assert np.linalg.matrix_rank(edge) == 2  # cannot be split

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: convolution-poster
# Count the poster's layer table as we counted that of the transfer-learning paper. Is any row
# misprinted? Which layer holds nearly all weights, and which change would shrink it most?
# ```
#
# ```{solution-start} convolution-poster
# :class: dropdown
# ```
#
# No row is wrong. The first dense layer holds nearly all, because the maps before it are still large.
# A third pooling would leave about a quarter of it. The mean of each map instead of the flattening
# shrinks it most: it leaves one input for each map, whatever its size.

# %% tags=["solution"]
above, counted = 3, 0
for name, shape, number in poster.published["layers"]:
    exact = 0
    if name.startswith("conv2d"):
        exact = convolution.count_weights(3, above, shape[-1])
    elif name.startswith("dense"):
        exact = (above + 1) * shape[-1]
    assert exact == number
    above, counted = shape[-1], counted + exact
assert counted == poster.published["parameters"]
most = max(poster.published["layers"], key=lambda row: row[2])
print(f"{most[0]}: {most[2] / counted:.1%} of {counted:,} weights")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: convolution-field
# How many 3 x 3 convolutions with stride one does it take to see 100 pixels? How many if a 2 x 2
# pooling follows each second one? What does that say about depth without pooling?
# ```
#
# ```{solution-start} convolution-field
# :class: dropdown
# ```
#
# Without pooling each layer adds two pixels. With pooling the field grows about as fast as the powers of
# two. The price is that the maps get coarser.

# %% tags=["solution"]


def layers_to_see(pixels, pooled):
    steps, count = [], 0
    while convolution.field_size(steps)[0] < pixels:
        steps.append((3, 1))
        count += 1
        if pooled and count % 2 == 0:
            steps.append((2, 2))
    return count


assert layers_to_see(100, False) == 50
print(layers_to_see(100, False), "without,", layers_to_see(100, True), "with")
assert layers_to_see(100, True) < 12

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: convolution-turn
# A convolution follows shifts. Does it follow a quarter turn? Show that it does if the filter is
# turned too, and find a filter that need not be turned.
# ```
#
# ```{solution-start} convolution-turn
# :class: dropdown
# ```
#
# The map of the turned image is the turned map of the image only for the turned filter. A filter that
# looks the same from four sides, such as the one for edges, need not be turned.

# %% tags=["solution"]
plain = np.rot90(convolution.slide(grey, level))
turned_image = np.rot90(grey)
assert not np.allclose(convolution.slide(turned_image, level), plain)
both = convolution.slide(turned_image, np.rot90(level))
assert np.allclose(both, plain)
same = np.rot90(convolution.slide(grey, edge))
assert np.allclose(convolution.slide(turned_image, edge), same)

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Quiz

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("convolution")

# %% [markdown]
# ## Summary
#
# - A convolution is a filter that slides: products, a sum, a bias, the same weights everywhere. What
#   libraries call convolution is cross-correlation.
# - Window, stride and padding give the side of a map; window, channels and filters give the weights;
#   both together give the operations. That is enough to find misprints in a printed table.
# - A dense layer is a convolution whose window is the whole map. It holds most weights, the
#   convolutions do most work.
# - Maps follow a shift exactly only with stride one and away from the border. Pooling softens shifts
#   and does not remove them.
# - A value sees its receptive field, and mostly the middle of it.
#
# **Next**: [networks that won ImageNet](imagenet_networks.ipynb).
