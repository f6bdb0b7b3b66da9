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
# # Cropping
#
# *How much of the black border can be cut away before {term}`nuclei <nucleus>` are cut too?* The
# report {term}`crops <crop>` the centre of each image before it is resized, and says that no
# nucleus was clipped {cite:p}`mir2019report`. We count.
#
# :::{admonition} Before you start
# **You will learn** to measure a nucleus, and to check a preprocessing step for each class
# on its own.
# **You need** [the cell table](dataset.ipynb), and no GPU; the last line of the page says how
# long it ran. **Reading time**: about ten minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells
crop = 400  # side of the centred crop in pixels, the report's
narrow = 224  # side of a tempting narrower crop in pixels, the input of many networks

# %% [markdown]
# ## The crop
#
# A centred crop needs no detector: the same pixels are taken from every image.

# %%
from alllib.cropping import count_clipped, crop_center, measure_nuclei
from alllib.datasets import load_cells
from alllib.downloads import prepare_data
from alllib.figures import COLOURS, plot_montage, say, set_style, show
from alllib.images import read_image
from alllib.splits import require_subjects
from alllib.tables import style

set_style()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root)).dropna(subset=["label"])
nuclei = measure_nuclei(cells)

# %%
example = cells.path[nuclei.reach.idxmax()]
picture = read_image(example)
views = [picture, crop_center(picture, crop), crop_center(picture, narrow)]
side = picture.shape[0]
show(
    plot_montage(
        views,
        [f"whole, {side} px", f"crop {crop} px", f"crop {narrow} px"],
        columns=3,
    ),
    caption="The nucleus that reaches farthest from the centre, whole and cropped.",
    alt=f"One nucleus three times: whole at {side} pixels, cropped to {crop} and to {narrow} "
    f"pixels. Its smallest centred square has {nuclei.reach.max()} pixels.",
)

# %% [markdown]
# The nucleus is every pixel brighter than the black background. From its outermost pixels
# follows its *reach*: the smallest centred square that still holds it.

# %% [markdown]
# ## How large are the nuclei?
#
# If the classes differ in size, a crop that clips large nuclei clips one class more.

# %%
import matplotlib.pyplot as plt
import seaborn as sns

figure, axis = plt.subplots(figsize=(8, 3))
sns.histplot(
    nuclei, x="reach", hue="label", palette=COLOURS, element="step", stat="density",
    common_norm=False, ax=axis,
)  # fmt: skip
for size in (crop, narrow):
    axis.axvline(size, color="black", linestyle="--")
axis.set(xlabel="smallest centred square that holds the nucleus (pixels)")
figure.tight_layout()

# %%
medians = nuclei.groupby("label").area.median()
show(
    figure,
    caption="Reach of the nuclei by class; dashed lines mark the two crops.",
    alt="Two overlapping distributions; median nucleus area "
    + ", ".join(
        f"{label} {area:,.0f} square pixels"
        for label, area in medians.items()
    )
    + ".",
)

# %% [markdown]
# ## How many are clipped?
#
# The question is not only how many, but whether both classes are hit alike.

# %%
clipped = count_clipped(nuclei, [crop, narrow])
style(clipped, "Nuclei clipped by a centred crop, by class.")

# %% tags=["hide-input"]
share = clipped.set_index(["crop", "label"]).share
first, second = share.loc[crop], share.loc[narrow]
say(
    f"A crop of {crop} pixels clips {first['ALL']:.1%} of the ALL nuclei and "
    f"{first['HEM']:.1%} of the HEM nuclei, so the report's statement "
    f"{'holds on these images' if first.sum() == 0 else 'does not hold for every image'}. A crop "
    f"of {narrow} pixels clips **{second['ALL']:.0%} against {second['HEM']:.0%}**: a network "
    f"could then tell the classes apart by whether the cell touches the border."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: cropping-smallest
# Which is the smallest crop that clips no nucleus of these images? Use `nuclei`.
# ```
#
# ```{solution} cropping-smallest
# :class: dropdown
# `nuclei.reach.max()`, the reach of the farthest nucleus.
# ```
#
# ```{exercise}
# :label: cropping-allowed
# Somebody allows that one nucleus in a hundred is clipped, in either class. What is the narrowest
# crop that keeps to it? Check your answer with `count_clipped`.
# ```
#
# ```{solution-start} cropping-allowed
# :class: dropdown
# ```
#
# Of a class of $n$ nuclei the $\lfloor n / 100 \rfloor$ with the largest reach may be clipped, and
# the next one must fit. The class that needs more decides.


# %% tags=["solution"]
def must_fit(reach):
    """Largest reach that is left when one in a hundred may be clipped."""
    return reach.nlargest(len(reach) // 100 + 1).iloc[-1]


needs = nuclei.groupby("label", observed=True).reach.agg(must_fit)
least = int(needs.max())
assert (count_clipped(nuclei, [least]).share <= 0.01).all()
assert (count_clipped(nuclei, [least - 1]).share > 0.01).any()
say(f"A crop of {least} pixels; the class that decides is {needs.idxmax()}.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz
#
# Open an answer to see whether it is right, and why.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("cropping")

# %% [markdown]
# ## Summary
#
# - Cropping removes black border, not information, as long as no nucleus is clipped.
# - Check a preprocessing step for each class; one that treats them differently becomes a
#   {term}`feature`.
#
# **Next**: [augmentation](augmentation.ipynb), which makes more pictures out of the same cells.
