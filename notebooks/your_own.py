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
# # Your own images, your own network
#
# *Can the commands of this book judge images and networks that it has never seen?* Yes. One small
# Python file names your images and builds your network; a second file says how it is trained. The
# package itself is not changed, and your result is judged as strictly as the published ones.
#
# :::{admonition} Before you start
# **You will learn** to lay out images of your own, to register them and a network, to read what the
# split {term}`certificate` can and cannot say of them, and to plan how many people you need.
# **You need** [splitting](splitting.ipynb), [how sure a number is](uncertainty.ipynb) and Python
# functions; no GPU. **Reading time**: about twenty-five minutes.
# :::

# %% tags=["parameters"]
images = 600  # synthetic cells that stand in for your own
input_size = 32  # pixels; 0: as in the recipe of the page
epochs = 8  # 0: as in the recipe of the page
seed = 1  # of the trainings

# %%
import os

import pandas as pd
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.errors import AlllibError
from alllib.extensions import load_extension
from alllib.figures import (
    plot_history,
    plot_intervals,
    plot_montage,
    say,
    set_style,
    show,
)
from alllib.files import workspace
from alllib.images import read_image
from alllib.lessons import own_data, show_source
from alllib.tables import crossing_table, interval, metric_table, style

# %% [markdown]
# ## A place of its own
#
# Results go to the {term}`workspace`, the folder that the variable `ALLLIB_WORKSPACE` names. This
# page sets one below the book's, so that trials do not mix with the book's results.

# %%
set_style()
cells = load_cells(prepare_data("synthetic", images=images))
place = workspace() / "_build" / "your_own"
place.mkdir(parents=True, exist_ok=True)
os.environ["ALLLIB_WORKSPACE"] = str(place)

# %% [markdown]
# ## A folder for each class
#
# Your images may have any names. They lie in one folder per class, and nothing else is
# needed to train. Here synthetic cells stand in: they are copied as a camera would number them, so
# that no name tells whose cell it is.

# %%
show_source(own_data.lay_out)

# %%
mine = own_data.lay_out(
    cells, place / "images", {"ALL": "blast", "HEM": "normal"}
)
subjects = pd.read_csv(mine / "subjects.csv", dtype=str)
style(subjects.head(4), "The first lines of `subjects.csv`.")

# %% [markdown]
# The file `subjects.csv` is optional, and it decides what may be claimed in the end. It has a line
# for each image: the place of the image, and the {term}`subject` that it comes from. Where some
# subjects must stay together (siblings, or two names for one person) a third column `group` says
# so.

# %%
firsts = subjects.groupby("subject").head(1)
kind = firsts.image.str.partition("/")[0]
chosen = firsts.groupby(kind).head(3)
pictures = [read_image(mine / name) for name in chosen.image]
titles = [f"{r.image}\n{r.subject}" for r in chosen.itertuples()]
people = subjects.subject.nunique()
show(
    plot_montage(pictures, titles),
    caption="Images of the page: place above, subject below. The place says nothing of the person.",
    alt=f"{len(chosen)} cells on black, each of another subject: {', '.join(chosen.subject)}.",
)

# %% [markdown]
# ## One file of Python
#
# The file has two parts. The first registers the images under a name. `classes` is the order of
# the network's outputs; `positive` is the class that {term}`sensitivity` is of.

# %%
DATA = """\
from alllib.extensions import own_images, register_architecture, register_dataset

register_dataset(
    own_images(
        "cells",
        title="my cells",
        classes=("blast", "normal"),
        positive="blast",
        subjects="subjects.csv",
    )
)
"""

# %% [markdown]
# The second part registers a function that builds a network. It is given the side of the input and
# the number of classes, and by name whatever the {term}`recipe` sets. Keras is imported inside, because
# the file is also read where no network is built.

# %%
NETWORK = """
@register_architecture("tiny")
def build(input_size, classes, *, filters):
    import keras
    from keras import layers

    maps = image = keras.Input((input_size, input_size, 3))
    for width in (filters, 2 * filters):
        maps = layers.Conv2D(width, 3, activation="relu")(maps)
        maps = layers.MaxPooling2D()(maps)
    values = layers.GlobalAveragePooling2D()(maps)
    last = layers.Dense(classes, activation="softmax", dtype="float32")
    return keras.Model(image, last(values))
"""

# %%
file = place / "mine.py"
file.write_text(DATA + NETWORK)
loaded = load_extension(file)

# %% tags=["hide-input"]
say(
    f"`{file.name}` has {len(file.read_text().splitlines())} lines. It registered the data set "
    f"{', '.join(loaded.datasets)} and the network {', '.join(loaded.architectures)}. On the command "
    f"line, `alllib --with {file.name} ...` does the same before any command."
)

# %% [markdown]
# ## What is checked
#
# The file is loaded whole or not at all, and a mistake is said with its place and a remedy. A few
# mistakes, the first two in the file, the third in the list of subjects:

# %%


def mistake(old, new, where=DATA + NETWORK):
    """What is said of the file with one text replaced by another."""
    assert old in where
    path = place / "wrong.py"
    path.write_text(where.replace(old, new).replace('"cells"', '"other"'))
    try:
        load_extension(path)
    except AlllibError as error:
        return error.what, error.remedy
    raise AssertionError("no mistake was found")


# %%
taken = mistake('"tiny"', '"vgg16"')
folder = mistake('positive="blast"', 'positive="blasts"')
lines = (mine / "subjects.csv").read_text().splitlines()
(mine / "short.csv").write_text("\n".join(lines[:-1]))
shorter = DATA.replace("subjects.csv", "short.csv").replace(
    '"cells"', '"short"'
)
(place / "short.py").write_text(shorter)
load_extension(place / "short.py")
try:
    load_cells(mine, "short")
except AlllibError as error:
    lacking = error.what, error.remedy
style(
    pd.DataFrame([taken, folder, lacking], columns=["what", "remedy"]),
    "What is said of a name that is taken, a misspelt class and a missing line.",
)

# %% [markdown]
# A network is checked when it is built, before the first image is read: is it a Keras model of the
# right input, has it an output for each class, and are its outputs probabilities? A last layer
# without {term}`softmax` would train without an error, and its "probabilities" would mean nothing.

# %% [markdown]
# ## What the certificate can say
#
# The certificate of a split counts what stands in two {term}`parts <part>`. It can only count
# what it knows. So the same images are registered once more, without the list of subjects, and
# both are split by image.

# %%
nameless = DATA.replace('"cells"', '"nameless"').replace(
    '        subjects="subjects.csv",\n', ""
)
(place / "nameless.py").write_text(nameless)
load_extension(place / "nameless.py")
with own_data.listen() as told:
    unnamed = load_cells(mine, "nameless")
named = load_cells(mine, "cells")

# %% tags=["hide-input"]
say(f"The package warns: *{told[0]}*")

# %%
from alllib.splits import make_split

shares = (0.6, 0.2, 0.2)
blind = make_split(unnamed, "image", shares=shares)
by_image = make_split(named, "image", shares=shares)
by_group = make_split(named, "group")
style(
    crossing_table(blind.certificate),
    "Split by image, subjects not named: what nobody can know stays open.",
)

# %%
splits = {
    "by image, no subjects named": blind,
    "by image": by_image,
    "by subject group": by_group,
}
crossing = {
    name: own_data.shared_subjects(split.certificate)
    for name, split in splits.items()
}
told = {
    name: "not known" if share is None else f"{share:.0%}"
    for name, share in crossing.items()
}
show(
    own_data.plot_shared(crossing),
    caption="Test images whose subject the network was trained on, under three splits.",
    alt="; ".join(f"{name}: {share}" for name, share in told.items()) + ".",
)

# %% [markdown]
# The first two bars are of the very same parts. Without the list the split by image looks clean,
# because nothing speaks against it. This is the commonest {term}`leak <leakage>` in published work
# {cite:p}`kapoor2023leakage`, and no program can find it afterwards. Note the subject when the
# image is taken.
#
# Without a list only the {term}`protocol` `image` is open to you. A recipe that asks for another one is
# refused, and a result must be reported with the words *patients may be shared*.

# %% [markdown]
# ## The recipe
#
# A recipe of your own is a TOML file. `extends` takes every setting that you do not give from
# a recipe of the book, but nothing that its source published. `published` and `honest` are
# the two protocols of that recipe, here by image and by {term}`subject group`.

# %%
RECIPE = """\
name = "mine"
title = "My tiny network"
extends = "unnithan2021-2x2"
images = { input = 32 }

[data]
dataset = "cells"
shares = [0.6, 0.2, 0.2]
order = "shuffled"
official_test = false
"""

# %%
RECIPE += """
[architecture]
name = "tiny"
weights = "none"
backbone = "trained"
minimum_input = 16
settings = { filters = 8 }

[training]
loss = "categorical_crossentropy"
batch = 16
epochs = 20
checkpoint = "val_loss"
optimizer = { learning_rate = 5e-3 }
"""

# %%
from alllib.recipes import load_recipe, split_by_recipe
from alllib.training import RunSettings, train_recipe

(place / "mine.toml").write_text(RECIPE)
recipe = load_recipe(place / "mine.toml")

# %% tags=["hide-input"]
optimizer = recipe.training.optimizer
say(
    f"Taken over from the book: {optimizer['name']} with a learning rate of "
    f"{optimizer['learning_rate']:g}, no augmentation (`{recipe.augmentation.kind}`). Published "
    f"figures taken over: {len(recipe.published)}."
)

# %% [markdown]
# To train a network of the book on your images, leave the table `architecture` out: it then stays
# that of the recipe that you extend.
#
# ## Trained under both splits
#
# In a notebook the three steps are functions; in a terminal they are one command each, which the
# next section lists.

# %%
settings = RunSettings(
    input_size=input_size or None, epochs=epochs or None, seed=seed,
    precision="float32",
)  # fmt: skip
records = {}
for protocol in ("published", "honest"):
    split = split_by_recipe(recipe, named, protocol)
    records[protocol] = train_recipe(
        recipe, split, settings=settings, progress=False
    )

# %%
titles = {"published": "by image", "honest": "by subject group"}
histories = {titles[name]: r.history for name, r in records.items()}
ends = [
    f"{name}: training {h.loss.iloc[-1]:.2f}, validation {h.val_loss.iloc[-1]:.2f}"
    for name, h in histories.items()
]
show(
    plot_history(histories),
    caption="How the tiny network learned under the two splits.",
    alt=f"Loss in the last epoch, {'; '.join(ends)}.",
)

# %% [markdown]
# Beside the network stand classifiers that see a handful of colour numbers only
# ([why](without_cnn.ipynb)). Nothing is known of what your images show, so nothing but colours is
# measured.

# %%
from alllib.baseline_runs import score_beside

beside = score_beside(
    split_by_recipe(recipe, named, "honest"), record=records["honest"]
)
style(
    metric_table(records.values(), beside=beside),
    "The tiny network under both splits, and what colours alone score by subject group.",
)

# %%
(colours, *_) = (row for row in beside if row["classifier"] == "forest")
drawn = pd.DataFrame(
    [
        {"name": titles[name], **record.run["metrics"]["metrics"]["accuracy"]}
        for name, record in records.items()
    ]
)
level = colours["metrics"]["accuracy"]["value"]
drawn["baseline"] = [float("nan"), level]
told = [f"{row['name']} {interval(row)}" for row in drawn.to_dict("records")]
show(
    plot_intervals(drawn),
    caption="Accuracy under both splits with 95 % intervals, and of colours alone by subject group.",
    alt="; ".join(told) + f"; colours alone {level:.3f}.",
)

# %% tags=["hide-input"]
high, low = drawn.value
wide = (drawn.high - drawn.low).round(2).tolist()
say(
    f"By image {high:.3f}, by subject group {low:.3f}: a difference of {100 * (high - low):+.1f} "
    f"points. The intervals are {wide[0]:.2f} and {wide[1]:.2f} wide, so that "
    + (
        "these two numbers alone do not show it"
        if min(wide) > abs(high - low)
        else "it stands out"
    )
    + ". The two parts hold other people, and few of them"
    + (
        ", so that the honest number may even be the higher one"
        if low > high
        else ""
    )
    + "."
)

# %% [markdown]
# [Pairs](split_effect.ipynb) of images that both trainings scored compare better.
#
# ## The record
#
# Each training leaves a {term}`record`. It names your file with a digest of its code, so that a network
# that was changed counts as another one and is trained anew.

# %%
run = records["honest"].run
kept = {
    "data set": run["dataset"],
    "protocol": run["protocol"],
    "images": ", ".join(f"{part} {n}" for part, n in run["images"].items()),
    "fingerprint of the data": run["data"][:12],
    "certificate": run["certificate"]["hash"][:12],
    "your file": run["extensions"][0]["file"],
    "its code": run["extensions"][0]["code"],
    "weights of the network": f"{run['model_parameters']:,}",
    "published": run["recipe_text"]["published"].get("accuracy", "nothing"),
}
style(
    pd.DataFrame(kept.items(), columns=["entry", "value"]), "From the record."
)

# %% [markdown]
# Read later without the file, a record of your images is left out of the tables, with a message that
# names the file; which class is positive is not known then. `predict` needs no file, as long as
# the network is made of Keras's own layers.

# %%
from alllib.prediction import load_run, predict_images

trained = load_run(records["honest"].path)
some = [mine / name for name in subjects.image.iloc[[0, -1]]]
answers = [
    {"image": name, "predicted": found["predicted"], **found["probabilities"]}
    for name, found in zip(
        subjects.image.iloc[[0, -1]],
        predict_images(trained, some, progress=False),
        strict=True,
    )
]
style(pd.DataFrame(answers), "Class probabilities of two images.")

# %% [markdown]
# ## The same in a terminal
#
# ```bash
# alllib --with mine.py train mine.toml --data images                        # by subject group
# alllib --with mine.py train mine.toml --data images --protocol published   # by image
# alllib --with mine.py results                                              # the table of results
# alllib --with mine.py results --runs                                       # run by run
# alllib --with mine.py baselines images                                     # colours alone, all folds
# alllib --with mine.py data duplicates images                               # does a cell appear twice?
# alllib predict images/blast/0001.png --run ID                              # ask a trained run
# ```
#
# All options of `alllib train` hold ([list](../book/running.md)): input size, {term}`epochs <epoch>`, feed, a GPU.
#
# ## One more person, or ten more cells?
#
# Cells of a person resemble each other. If right answers within a person correlate by $\rho$, then
# $m$ cells of each of $s$ people say as much as
#
# $$ n_\text{eff} = \frac{s\,m}{1 + (m - 1)\,\rho} $$
#
# independent ones {cite:p}`donner1981cluster`. For $\rho = 0$ every cell counts; for $\rho = 1$ only
# people do. Whatever $\rho > 0$ is, more cells of the same people lead to at most $s / \rho$.

# %%
show_source(own_data.effective_images)

# %%
from alllib.coverage import within_correlation

alike = within_correlation(records["honest"].predictions)
style(
    alike,
    "How alike right answers within a subject group are, in the test part.",
)

# %%
ladder = (0.02, 0.1, 0.3, 1.0)
few, many = 20, 200
show(
    own_data.plot_effective(few, many, ladder),
    caption="What more images of the same people add, for four intraclass correlations.",
    alt=f"With {many} images of each of {few} subjects the effective number is "
    + "; ".join(
        f"{own_data.effective_images(few, many, rho):,.0f} at a correlation of {rho:g}"
        for rho in ladder
    )
    + ". Each curve but the first flattens early.",
)

# %% tags=["hide-input"]
rho = ladder[2]
now = own_data.effective_images(few, 10, rho)
say(
    f"At a correlation of {rho:g}, ten cells of each of {few} people count as {now:.0f}. Ten times "
    f"as many cells of them count as {own_data.effective_images(few, 100, rho):.0f}; ten cells of "
    f"twice as many people as {own_data.effective_images(2 * few, 10, rho):.0f}."
)

# %% [markdown]
# A split into five {term}`folds <fold>` needs at least five people in *each* class; fewer are refused with an
# error that says how many there are. For an interval worth reading plan for far more: the rarer
# class decides.
#
# ## Exercises
#
# ```{exercise}
# :label: own-second
# Register a second network, `deeper`, with three {term}`convolutions <convolution>`, in a file of its own. Build it by a
# recipe and show that it has more weights than the first one.
# ```
#
# ```{solution-start} own-second
# :class: dropdown
# ```
#
# The file needs no data set; the recipe stays, save for two lines.

# %% tags=["solution"]
from alllib.architectures import build_network

header = DATA.splitlines()[0] + "\n"
deeper = NETWORK.replace('"tiny"', '"deeper"').replace(
    "(filters, 2 * filters)", "(filters, 2 * filters, 4 * filters)"
)
(place / "deeper.py").write_text(header + deeper)
load_extension(place / "deeper.py")
text = RECIPE.replace('"tiny"', '"deeper"').replace('"mine"', '"second"')
(place / "second.toml").write_text(text)
second = load_recipe(place / "second.toml")
sizes = [build_network(r, classes=2).count_params() for r in (recipe, second)]
assert sizes[1] > sizes[0]

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: own-groups
# You learn that two of your subjects are twins. Write a list with a column `group` that keeps them
# together, and show that a split by subject *name* may part them while one by *group* does not.
# ```
#
# ```{solution-start} own-groups
# :class: dropdown
# ```
#
# The column `group` names the subject itself, save for the twins.

# %% tags=["solution"]
twins = sorted(
    subjects.subject[subjects.image.str.startswith("blast")].unique()
)[:2]
joined = subjects.subject.where(~subjects.subject.isin(twins), "twins")
subjects.assign(group=joined).to_csv(mine / "joined.csv", index=False)
(place / "joined.py").write_text(
    DATA.replace('"cells"', '"joined"').replace("subjects.csv", "joined.csv")
)
load_extension(place / "joined.py")
family = load_cells(mine, "joined")


def parts_of(split):
    """Number of parts that the twins stand in."""
    held = split.cells[split.cells.subject.isin(twins)]
    return held.part.nunique()


assert parts_of(make_split(family, "group")) == 1
seeds = range(50)
assert any(parts_of(make_split(family, "subject", seed=s)) > 1 for s in seeds)

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: own-softmax
# Remove the softmax of the network and build it. What is said? Why is that better than a training
# that runs?
# ```
#
# ```{solution-start} own-softmax
# :class: dropdown
# ```
#
# The outputs of two random images are shown, and they are no probabilities.

# %% tags=["solution"]
bare = NETWORK.replace('"tiny"', '"bare"').replace(
    'activation="softmax", ', ""
)
(place / "bare.py").write_text(header + bare)
load_extension(place / "bare.py")
text = RECIPE.replace('"tiny"', '"bare"').replace('"mine"', '"third"')
(place / "third.toml").write_text(text)
try:
    build_network(load_recipe(place / "third.toml"), classes=2)
except AlllibError as error:
    said = error
assert "no probabilities" in said.what and "softmax" in said.remedy

# %% [markdown]
# The {term}`loss` takes the logarithm of a probability. Of other numbers it computes something too, and the
# training would end with a network whose numbers look like a result.
#
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: own-claim
# A colleague has thousands of cells from an archive, and nobody knows from whom. What may be claimed
# of a network that was trained on some and tested on others of them?
# ```
#
# ```{solution} own-claim
# :class: dropdown
# That it classifies further images of *this archive*. Whether it classifies cells of new people is
# open, because the same people may stand on both sides. A few images of people whose names are known,
# and of whom none is in the archive, would say more than the whole archive.
# ```

# %% [markdown]
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("your_own")

# %% [markdown]
# ## Summary
#
# - One file of Python registers images and a network; a recipe says how it is trained; the commands
#   stay the same.
# - A list of subjects is what makes an honest split possible. Without it nobody can know what leaks.
# - A recipe of your own takes settings from the book's, and no published figure.
# - Records name your file and its code. A changed network is another network.
# - Plan in people, not in cells.
#
# **Next**: [where to run all this](../book/running.md), and what to do when it does not work.
