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
# # Augmentation
#
# *What is in a training set that was made larger by turning its images?* The report turns and
# mirrors its training images with the library Augmentor
# {cite:p}`mir2019report,bloice2019augmentor`, so that the network never sees the same
# picture twice. We draw the same pictures and count.
#
# :::{admonition} Before you start
# **You will learn** the eight symmetries of the square, how to make a random step repeatable,
# and how to measure what a library really does.
# **You need** [the split](splitting.ipynb), and no GPU; the last line of the page says how long
# it ran. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells
draws = 20000  # draws for measuring the true probability of an operation

# %% [markdown]
# ## Four operations, eight pictures
#
# The report's pipeline turns by a quarter, turns by three quarters, mirrors left to right and
# mirrors top to bottom, each by chance. Whatever happens, the result is one of the eight
# symmetries of a square.

# %%
from alllib.augmentation import (
    OPERATIONS,
    SYMMETRIES,
    apply_symmetry,
    copy_probability,
    firing_probability,
    measure_firing,
    plan_augmentation,
)
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.figures import COLOURS, plot_montage, say, set_style, show
from alllib.images import read_image
from alllib.recipes import load_recipe
from alllib.splits import make_split, require_subjects
from alllib.tables import style

# %%
set_style()
recipe = load_recipe("mir2019-proposed")
root = prepare_data(data, images=images, seed=seed)
split = make_split(require_subjects(load_cells(root)), "image")
train = split.part("train")
picture = read_image(train.path.iloc[0])
show(
    plot_montage(
        [apply_symmetry(picture, s) for s in range(8)], SYMMETRIES, columns=4
    ),
    caption=f"One training image ({train.image.iloc[0]}) in its eight forms.",
    alt="The same nucleus eight times: " + ", ".join(SYMMETRIES) + ".",
)

# %% [markdown]
# A {term}`cell` has no up and no left, so each form is as plausible as the original. That makes
# these {term}`augmentations <augmentation>` safe here, and the only ones that the report used.

# %% [markdown]
# ## A plan instead of files
#
# The report wrote every picture to disk. But a picture is fully described by the image and
# the symmetry. So we let Augmentor draw on a tiny probe image, once, from a fixed seed, and
# keep the list: the *plan*. Run twice, it is the same plan.

# %%
settings = recipe.augmentation
wanted = {
    "samples": settings.samples,
    "probability": settings.probability,
    "seed": settings.seed,
}
plan = plan_augmentation(train, **wanted)
assert plan.equals(plan_augmentation(train, **wanted))
style(
    plan.head(),
    f"First pictures of the plan; a symmetry is a number below {len(SYMMETRIES)}.",
)

# %%
share = (
    plan.symmetry.value_counts(normalize=True)
    .sort_index()
    .reindex(range(8), fill_value=0)
)
table = share.rename("share").reset_index().assign(form=list(SYMMETRIES))
style(table[["symmetry", "form", "share"]], "How often each form was drawn.")

# %% [markdown]
# The forms are not equally frequent. Two rotations that cancel leave the image as it was, and
# the library rounds a random number before it decides, as the next section measures.

# %% [markdown]
# ## What probability is it really?
#
# Augmentor compares the nominal probability with a random number *rounded to one decimal*.
# We measure how often an operation fires.

# %%
rows = [
    (
        nominal,
        firing_probability(nominal),
        measure_firing(nominal, draws=draws),
    )
    for nominal in (0.1, 0.25, 0.5, 0.75, 1.0)
]
import pandas as pd

firing = pd.DataFrame(rows, columns=["nominal", "by the rule", "measured"])
style(
    firing,
    f"How often an operation of Augmentor fires, measured on {draws:,} draws.",
)

# %%
import matplotlib.pyplot as plt

figure, axis = plt.subplots(figsize=(4.2, 3.4))
axis.plot([0, 1], [0, 1], "--", color="grey", label="as written")
axis.plot(
    firing.nominal,
    firing.measured,
    "o",
    color=COLOURS["ALL"],
    label="measured",
)
axis.set(
    xlabel="nominal probability", ylabel="share of draws in which it fired"
)
axis.legend(frameon=False)
figure.tight_layout()

# %%
half = firing.iloc[firing.nominal.sub(settings.probability).abs().argmin()]
show(
    figure,
    caption="Nominal and true probability of an operation of Augmentor.",
    alt=f"Points lie near the diagonal, most above it; at nominal "
    f"{half.nominal:g} it is {half.measured:.3f}.",
)

# %% tags=["hide-input"]
fired = firing_probability(settings.probability)
copies = (plan.symmetry == 0).mean()
# The same picture may come from two files with the same bytes.
source = plan.image.map(train.set_index("image").sha256)
distinct = len(plan.assign(image=source).drop_duplicates()) / len(plan)
say(
    f"With the {len(OPERATIONS)} operations written at {settings.probability}, "
    f"{copy_probability(settings.probability):.1%} of the pictures would be exact copies of "
    f"their original; with the true probability of {fired:.2f} it is "
    f"{copy_probability(fired):.1%}. In this plan **{copies:.1%}** are copies, and of "
    f"{len(plan):,} pictures at most {distinct:.0%} are distinct. The statement that no picture "
    f"is seen twice does not hold."
)

# %% [markdown]
# ## Augment after the split, never before
#
# A turned copy of a validation image in the {term}`training part <part>` is the validation image.
# The planner therefore refuses any image outside the training part.

# %%
from alllib.errors import AugmentationError

try:
    plan_augmentation(split.cells, samples=10)
except AugmentationError as error:
    print(error)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: augmentation-count
# How many distinct pictures can at most be made of the training part in this way?
# ```
#
# ```{solution} augmentation-count
# :class: dropdown
# Eight for each distinct image: `8 * train.sha256.nunique()`.
# ```
#
# ```{exercise}
# :label: augmentation-copies
# The four operations fire or stay, which makes sixteen cases. Go through them on a small square
# whose values are all different, add up the probability of those that change nothing, and compare
# it with `copy_probability(fired)`.
# ```
#
# ```{solution-start} augmentation-copies
# :class: dropdown
# ```
#
# Each operation is one line of NumPy. A case has the product of its four probabilities.

# %% tags=["solution"]
from itertools import product

import numpy as np

square = np.arange(9).reshape(3, 3)
turns = (np.rot90, lambda a: np.rot90(a, 3), np.fliplr, np.flipud)
unchanged = 0.0
for fires in product((True, False), repeat=len(OPERATIONS)):
    result, chance = square, 1.0
    for turn, fire in zip(turns, fires, strict=True):
        result = turn(result) if fire else result
        chance *= fired if fire else 1 - fired
    unchanged += chance * np.array_equal(result, square)
assert np.isclose(unchanged, copy_probability(fired))
say(f"By hand too, {unchanged:.1%} of the pictures are exact copies.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("augmentation")

# %% [markdown]
# ## Summary
#
# - Two rotations and two flips give eight forms of an image and no new cell.
# - Measure a library before you describe what it did.
# - A plan is the augmented set without the gigabytes; `write_augmented` writes the files
#   where somebody wants them.
#
# **Next**: [AlexNet](alexnet.ipynb), the first of the networks that are trained on this plan.
