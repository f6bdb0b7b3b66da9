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
# # The data set
#
# *Which images are there, of whom, and how were they named?* Every later page starts from
# the table that this page builds: one row per cell image.
#
# :::{admonition} Before you start
# **You will learn** how a medical image data set is described, why the subject of an image
# matters as much as its class, and how to check a download.
# **You need** Python and some pandas, and no GPU; the last line of the page says how long it
# ran. **Reading time**: about ten minutes.
# :::
#
# The course works on two public sets of microscope images of white blood cells and on a
# synthetic twin of the first, which is made on the spot and needs no account. Which one this
# page shows is a parameter.

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells

# %% [markdown]
# ## One table
#
# A loader reads the folder, checks every name, opens every file, and returns the *cell
# table*. It refuses a folder that is not what it should be, and says which file is wrong.

# %%
from alllib.datasets import data_fingerprint, get_dataset, load_cells
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.figures import COLOURS, plot_montage, say, set_style, show
from alllib.images import read_image
from alllib.splits import require_subjects
from alllib.tables import style

# %%
set_style()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
dataset = get_dataset(cells.attrs["dataset"])
style(
    cells.drop(columns=["path", "sha256"]).head(6),
    "First rows of the cell table.",
)

# %% [markdown]
# `image` is the key that joins every later table. `subject` is the person whose cell it is,
# `field` the field of view of the microscope, `group` holds together subjects that are known
# to share cells. The hash of each file (not shown) finds identical images.

# %% tags=["hide-input"]
say(
    f"This page shows **{dataset.title}**: {len(cells):,} images of "
    f"{cells.subject.nunique()} subjects in {cells.field.nunique():,} fields of view. "
    f"Their fingerprint is `{data_fingerprint(cells)[:12]}`; a result made from other images "
    f"carries another one."
)

# %% [markdown]
# ## What the cells look like
#
# A classifier sees one nucleus at a time, cut out of its field on a black background. We
# draw the same number of each class, by a fixed rule, so that nobody picks the pretty ones.

# %%
shown = cells.groupby("label").sample(4, random_state=1)
montage = plot_montage(
    [read_image(path) for path in shown.path],
    [f"{row.label}, subject {row.subject}" for row in shown.itertuples()],
    columns=4,
)
told = [
    f"{label}: subjects {', '.join(rows.subject)}"
    for label, rows in shown.groupby("label")
]

# %%
show(
    montage,
    caption=f"Cells of {dataset.title}, drawn at random.",
    alt=f"{len(shown)} nuclei on black. " + "; ".join(told) + ".",
)

# %% [markdown]
# In C-NMC, ALL marks lymphoblasts of patients with acute lymphoblastic leukemia, HEM normal
# lymphoid precursors of people without it; each subject has cells of one class only. The poster
# describes normal nuclei as round and without clefts, leukemic ones as neither
# {cite:p}`unnithan2021poster`, and the synthetic cells follow it. Look again: many cells could
# be either, and no single cell is a diagnosis.

# %% [markdown]
# ## Who the cells come from
#
# Cells of one person were stained, lit and photographed together. How evenly do people
# contribute?

# %%
import matplotlib.pyplot as plt
import seaborn as sns

labelled = cells.dropna(subset=["label", "subject"])
per_subject = (
    labelled.groupby(["label", "subject"])
    .size()
    .rename("cells")
    .reset_index()
)
per_subject = per_subject.sort_values("cells", ascending=False)
figure, axis = plt.subplots(figsize=(7, 3))
per_subject["rank"] = range(1, len(per_subject) + 1)
sns.barplot(
    per_subject, x="rank", y="cells", hue="label", palette=COLOURS, ax=axis
)
axis.set(xlabel="subjects, from most to fewest cells", xticks=[])
figure.tight_layout()

# %%
largest = per_subject.iloc[0]
show(
    figure,
    caption="Cells per subject, largest first.",
    alt=f"Bar chart of {len(per_subject)} subjects; subject {largest.subject} has the most "
    f"cells, {largest.cells}, and the smallest has {per_subject.cells.min()}.",
)

# %% tags=["hide-input"]
share = per_subject.cells.nlargest(5).sum() / per_subject.cells.sum()
say(
    f"The five largest of {len(per_subject)} subjects hold **{share:.0%}** of the cells. So "
    f"{len(labelled):,} cells are far fewer than {len(labelled):,} independent observations."
)

# %% [markdown]
# ## The same image twice
#
# A name does not make an image new. Files with the same hash are the same image; where they
# carry different subject names, splitting by name does not keep them apart.


# %%
def count_copies(table):
    """Pairs of byte-identical files, and those under two subject names."""
    twins = table[table.sha256.duplicated(keep=False)]
    pairs = twins.merge(twins, on="sha256").query("image_x < image_y")
    return len(pairs), int((pairs.subject_x != pairs.subject_y).sum())


here, here_crossing = count_copies(labelled)
official = official_cells()
known, known_crossing = count_copies(official)

# %% tags=["hide-input"]
say(
    f"In the images of this page there are {here} such pairs, {here_crossing} of them under two "
    f"subject names. In the official list of the {len(official):,} training images of C-NMC "
    f"2019, which ships with this package, there are **{known} pairs, {known_crossing} of them "
    f"under two subject names**; {official.subject.nunique()} names become "
    f"{official.group.nunique()} groups once names that share cells are merged."
)

# %% [markdown]
# ## Is a download complete?
#
# The package ships name and SHA-256 of every official file. `alllib data check FOLDER`
# compares a download with them, opens each image and names what is missing, extra,
# unreadable or altered. The list itself is already a data set worth a look.

# %%
files = official_files()
overview = files.groupby(["phase", "fold"], dropna=False, observed=True).agg(
    files=("path", "size"),
    subjects=("subject", "nunique"),
    megabytes=("bytes", "sum"),
)
overview["megabytes"] = (overview.megabytes / 1e6).round().astype(int)
style(
    overview.reset_index().fillna(""),
    "Official files of C-NMC 2019 by phase and fold.",
)

# %% tags=["hide-input"]
say(
    f"The list names {len(files):,} files. No subject names were published for the final test "
    f"phase, nor its labels: nobody outside can score on it."
)

# %% [markdown]
# :::{admonition} Not a medical device
# :class: warning
# These images and everything trained on them serve teaching and research. Nothing here may
# be used to diagnose anybody.
# :::
#
# ## Summary
#
# - The cell table has one row per image; its key is the official name.
# - Few people contribute most cells, and some people stand there under two names.
# - A fingerprint of names, classes and bytes says which images a result is of.
#
# ```{exercise}
# :label: dataset-fields
# How many cells does a field of view hold on average, by class? Use `cells` and one line of
# pandas.
# ```
#
# ```{solution} dataset-fields
# :class: dropdown
# `cells.groupby(["label", "field"]).size().groupby("label").mean()`
# ```
#
# **Next**: [how to split the images](splitting.ipynb), which decides more about the reported
# accuracy than the network does.
