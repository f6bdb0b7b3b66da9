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
# # Data sets
#
# *Which images are there, of whom, and how were they named?* Every later page starts from
# the table that this page builds: one row per cell image.
#
# :::{admonition} Before you start
# **You will learn** how a medical image data set is described, why the {term}`subject` of an image
# matters as much as its class, how to check a download, and what belongs on a {term}`data card`.
# **You need** Python and some pandas, and no GPU; the last line of the page says how long it
# ran. **Reading time**: about twenty minutes.
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
# A loader reads the folder, checks every name, opens every file, and returns the
# *{term}`cell table`*. It refuses a folder that is not what it should be, and says which file is wrong.

# %%
import json

import pandas as pd
from alllib.data_cards import card_counts, card_markdown, croissant
from alllib.datasets import data_fingerprint, get_dataset, load_cells
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.figures import COLOURS, plot_montage, say, set_style, show
from alllib.images import read_image
from alllib.lessons.dataset_figures import plot_folds, plot_sets
from alllib.quiz import show_quiz
from alllib.splits import require_subjects
from alllib.tables import style
from IPython.display import Markdown, display

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
# `field` the {term}`field of view` of the microscope, `group` holds together subjects that are known
# to share cells. The {term}`checksum` of each file (not shown) finds identical images. The
# {term}`fingerprint` of a table is a checksum of names, classes and bytes together.

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
# A classifier sees one {term}`nucleus` at a time, cut out of its field on a black background. We
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
# In C-NMC, {term}`ALL` marks lymphoblasts of patients with acute lymphoblastic {term}`leukemia`, {term}`HEM` normal
# lymphoid {term}`precursors <precursor>` of people without it; each subject has cells of one class only. The poster
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
# The official {term}`folds <fold>` of C-NMC 2019 show how much that matters. The list of their files ships with
# this package, so the real people behind the folds can be counted without a single image.

# %%
official = official_cells()
folds = official.groupby(["fold", "label"]).subject
told = [
    f"{fold} {label}: {len(names)} images of {names.nunique()}"
    for (fold, label), names in folds
]
show(
    plot_folds(official),
    caption="Subjects behind the official folds of C-NMC 2019.",
    alt="Bars cut into subjects. " + "; ".join(told) + " subjects.",
)

# %% tags=["hide-input"]
fewest = folds.nunique().idxmin()
names = folds.get_group(fewest).value_counts()
say(
    f"All {names.sum():,} {fewest[1]} images of {fewest[0]} come from **{len(names)} subjects**, "
    f"the largest of whom gave {names.max():,}."
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
# ## Four sets, four cards
#
# Before anybody trains on images, they should know what the images are, of whom, how they were
# made and named, under which {term}`licence`, and what is wrong with them. A datasheet
# {cite:p}`gebru2021datasheets` or {term}`data card` {cite:p}`pushkarna2022datacards` says it in one
# place. Four sets matter here: C-NMC 2019 {cite:p}`mourya2019cnmc`, {term}`B-ALL`
# {cite:p}`aria2021ball,ghaderzadeh2022fast`, ALL-IDB {cite:p}`labati2011allidb`, and the synthetic
# twin. What stands there of the collection is what the publishers say; the problems are what the
# pages of this book found.

# %%
sets = ("cnmc2019", "ball2021", cells.attrs["dataset"])
counts = {
    get_dataset(name).title: found
    for name in dict.fromkeys(sets)
    if (found := card_counts(name, cells))
}
told = "; ".join(
    f"{title}: "
    + ", ".join(f"{label} {count:,}" for label, count in classes.items())
    for title, classes in counts.items()
)

# %%
show(
    plot_sets(counts),
    caption="Classes of the sets that this book uses.",
    alt=told + ".",
)

# %% tags=["hide-input"] mystnb={"markdown_format": "myst"}
for card in card_markdown(cells).values():
    display(Markdown(card))

# %% [markdown]
# The report chose against ALL-IDB because it is older and has a few hundred images
# {cite:p}`mir2019report`. Age is no fault of an image. The number is a reason, though not the one
# that weighs most: nobody outside knows how many people stand behind it, so that no split can keep
# them apart. The same is true of B-ALL. The report also counts fewer images in C-NMC than the
# official list has, which [its audit](audit_report.ipynb) takes up.
#
# ### What a licence decides
#
# A licence says what may be done with the images, and by whom. CC BY allows all use, also
# commercial, if the source is named; so C-NMC may be passed on, changed, and shown in a book. The
# page of B-ALL and its paper do not settle the matter, so this project passes on none of its images
# and tells where to get them. A licence is not consent: whether those pictured agreed to a use is a
# question for the ethics committee that approved the collection.
#
# ## The same for machines
#
# {term}`Croissant` {cite:p}`akhtar2024croissant` writes a card as {term}`metadata` in JSON-LD, which
# catalogues and training code can read: name, licence, how to cite, the files with their checksums,
# and the records in them. `alllib.data_cards.croissant` makes it; nothing in it is typed that can be
# counted. A test gives it to the format's own library.

# %%
metadata = croissant("cnmc2019")
short = {
    key: value
    for key, value in metadata.items()
    if key in ("@type", "conformsTo", "name", "license", "citeAs", "version")
}
short["distribution"] = metadata["distribution"][:1]
print(json.dumps(short, indent=2))

# %%
rows = [
    (kept["name"], kept["description"], len(kept["field"]))
    for kept in metadata["recordSet"]
]
style(
    pd.DataFrame(rows, columns=["records", "what", "fields"]),
    "What the metadata of C-NMC 2019 describe.",
)

# %% tags=["hide-input"]
classes = {
    row["classes/class"]: row["classes/images"]
    for row in metadata["recordSet"][-1]["data"]
}
whole = len(json.dumps(metadata)) / 1000
say(
    f"The whole has {whole:.0f} kB and names "
    + " and ".join(f"{count:,} {label}" for label, count in classes.items())
    + f" images. The list of files in it has the checksum `{short['distribution'][0]['sha256'][:12]}`: "
    "who reads other bytes will notice."
)

# %% [markdown]
# :::{admonition} Not a medical device
# :class: warning
# These images and everything trained on them serve teaching and research. Nothing here may
# be used to diagnose anybody.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: dataset-fields
# How many cells does a field of view hold on average, by class? Use `cells` and one line of
# pandas.
# ```
#
# ```{solution-start} dataset-fields
# :class: dropdown
# ```
#
# Count the rows of each field, then take the mean over the fields of a class.

# %% tags=["solution"]
by_field = labelled.groupby(["label", "field"], observed=True).size()
mean = by_field.groupby("label", observed=True).mean()
assert (
    abs((mean * by_field.groupby("label").size()).sum() - len(labelled))
    < 1e-6
)
print(mean.round(2).to_dict())

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: dataset-effective
# How many equally large subjects would be as unevenly spread as the official ones? Kish's
# effective number of shares $p_i$ is $1 / \sum_i p_i^2$. Compute it for each class of the official
# list, and compare with the number of subject names.
# ```
#
# ```{solution-start} dataset-effective
# :class: dropdown
# ```
#
# With equal shares $1/n$ it is $n$; one subject with everything gives 1.

# %% tags=["solution"]


def effective(names):
    """Effective number of different names."""
    share = names.value_counts(normalize=True)
    return 1 / (share**2).sum()


for label, rows in official.groupby("label"):
    number, people = effective(rows.subject), rows.subject.nunique()
    assert 1 <= number <= people
    print(f"{label}: {people} names, effective {number:.1f}")
assert abs(effective(pd.Series(["a", "b", "c"])) - 3) < 1e-9

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: dataset-checksum
# Change one bit of an image file in memory. By how much does its checksum change? What does that say
# of finding *nearly* identical images?
# ```
#
# ```{solution-start} dataset-checksum
# :class: dropdown
# ```
#
# About half of the bits change: a checksum finds what is the same in every byte, and nothing else.
# Images that were cut again need [other means](duplicates.ipynb).

# %% tags=["solution"]
import hashlib
from pathlib import Path

bytes_of_one = bytearray(Path(cells.path.iloc[0]).read_bytes())
before = hashlib.sha256(bytes_of_one).digest()
assert before.hex() == cells.sha256.iloc[0]
bytes_of_one[-1] ^= 1
after = hashlib.sha256(bytes_of_one).digest()
changed = sum((a ^ b).bit_count() for a, b in zip(before, after, strict=True))
assert changed > 60
print(f"{changed} of {8 * len(before)} bits")

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz

# %% tags=["hide-input"]
show_quiz("dataset")

# %% [markdown]
# ## Summary
#
# - The cell table has one row per image; its key is the official name.
# - Few people contribute most cells, and some people stand there under two names.
# - A fingerprint of names, classes and bytes says which images a result is of.
# - A data card says what the images are, of whom, under which licence, and what is wrong with
#   them; Croissant says it to machines.
#
# **Next**: [how to split the images](splitting.ipynb), which decides more about the reported
# accuracy than the network does.
