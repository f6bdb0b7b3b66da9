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
# # Cells that appear twice
#
# *How many images show a cell that another image shows too, and under whose name?* A cell that
# is trained on and scored on at once is no test, even where the two images belong to two
# subject names.
#
# :::{admonition} Before you start
# **You will learn** how copies of an image are found, byte by byte, pixel by pixel and when the
# cell was cropped or photographed again, and what they say of the subjects.
# **You need** [the split by group](splitting.ipynb), and no GPU; the last line of the page says
# how long it ran. **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the planted copies
planted = 40  # copies planted to see how many are found

# %% [markdown]
# ## Identical files
#
# The official list of C-NMC 2019 gives a checksum of every file. Two files with one checksum
# are the same, byte for byte, so this search needs no image.

# %%
import pandas as pd
from alllib.datasets import load_cells
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.duplicates import find_duplicates, identical_files, subject_table
from alllib.figures import say, set_style, show
from alllib.kinship import measure_duplicates
from alllib.layouts import subject_groups
from alllib.pair_figures import (
    choose_pairs,
    plot_likeness,
    plot_pairs,
    tell_pair,
)
from alllib.studies import read_study, tell_study
from alllib.tables import style

# %%
set_style()
official = official_cells()
listed = find_duplicates(official, near=False)
style(
    subject_table(listed)[["first_subject", "second_subject", "pairs"]],
    "Identical files of the official training list, by subject name.",
)

# %%
fold = official.set_index("image").fold
label = official.set_index("image").label
one, two = (listed.pairs[end] for end in ("first", "second"))
across = (one.map(fold) != two.map(fold)).sum()
classes = (one.map(label) != two.map(label)).sum()
final = official_files().query("phase == 'test_final'")
names = final.original_name.str.removesuffix(".bmp").tolist()
twice = [
    " and ".join(names[n] for n in pair)
    for pair in identical_files(final.sha256)
]

# %% tags=["hide-input"]
say(
    f"Of {len(official):,} training files, **{len(listed.pairs)} pairs** are identical, so "
    f"{official.sha256.nunique():,} files differ. {len(listed.cross_subject_pairs)} pairs stand "
    f"under two subject names, {across} in two official folds, {classes} in two classes. "
    f"The final test phase has {len(twice)} such pairs: {'; '.join(twice)}."
)

# %% [markdown]
# No subject name stands in two official folds {cite:p}`mourya2019cnmc`. A
# pair under two names in two folds means that this holds for the names and not for the cells.

# %% [markdown]
# ## Names and groups
#
# Two names that share a cell are put into one *group*, and so is a third that shares one with
# either. The package ships such a table for all training subjects; it was made from the complete
# training set and the preliminary test phase, not all of which can be had by everyone.

# %%
members = pd.Series(subject_groups()).rename_axis("subject").reset_index()
table = members.groupby(0).subject.agg(["size", ", ".join]).reset_index()
table.columns = ["group", "names", "subjects"]
style(table, "Subjects known to share cells before this page was run.")

# %% tags=["hide-input"]
outside = sorted(set(members.subject) - set(official.subject))
say(
    f"With it, the **{official.subject.nunique()} names** of the training set are "
    f"**{official.group.nunique()} groups**. Subject {', '.join(outside)} is of the preliminary "
    f"test phase: one of its images has the pixels of a training image of subject 51."
)

# %% [markdown]
# ## The same cell in other pixels
#
# A cell that was cropped again, moved, turned, or re-encoded has another checksum. The search has
# three steps.
#
# 1. *Candidates.* The low frequencies of an image (the size of its Fourier transform) stay the
#    same when it is moved, and turn with it. The nearest neighbours of each image, over all
#    eight symmetries of the square, are candidates.
# 2. *Screening.* Two small textures are laid over each other in every position.
# 3. *Comparison.* The pair is decoded again, turned, moved and compared pixel by pixel inside both
#    nuclei. What counts is the *likeness*: the correlation of structures between about
#    2 and 8 pixels, which is chromatin. Outline and shading are left out: all nuclei are round.
#
# The search tests itself. Of the pairs of C-NMC that are plainly the same cell, none is turned or
# mirrored. So a pair that fits best that way is a chance likeness, and chance hits seven of eight
# orientations: such pairs show how alike two *different* cells can be, and where to draw the line.

# %%
kept = {
    name: read_study("duplicates", name) for name in ("cnmc2019", "ball2021")
}
cost = read_study("duplicate-cost", "cnmc2019")
real = kept["cnmc2019"]
if real:
    show(
        plot_likeness(real.found["likeness"]),
        caption="Likeness of compared pairs, recorded on real images.",
        alt="Pairs that fit turned or mirrored end below the line; those that fit as they are "
        f"form a second hill above it, {real.found['near_pairs']:,} pairs.",
    )

# %% tags=["hide-input"]
if real:
    found = real.found
    chance, fields = found["chance"], found["fields"]
    kinds = "; ".join(f"{n:,} {kind}" for kind, n in found["kinds"].items())
    say(
        f"**Recorded.** {tell_study(real)} Pairs by kind: {kinds}. "
        f"**{found['images_in_pairs']:,} images** are in a pair. Of the near pairs, "
        f"{found['turned_pairs']} fit only turned or mirrored. Among plainly different pairs, "
        f"{chance['factor']:.2f} fit as they are for each that fits turned; so about "
        f"{chance['expected']:.1f} near pairs, and with 95 % confidence at most "
        f"{chance['at_most']:.1f}, are to be expected by chance. "
        f"{fields['one field']} pairs lie in one field of view, "
        f"{fields['two fields of a subject']:,} in two fields of one subject, "
        f"{fields['two subjects']} under two names, {found['classes']['across']} in two classes."
    )

# %% tags=["hide-input"]
if cost:
    spent = cost.found
    say(
        f"**Recorded.** {spent['images']:,} images (real and synthetic together) took "
        f"{spent['processor_seconds']:.0f} s of processor time, or "
        f"{spent['processor_seconds'] / spent['cores']:.0f} s for each of {spent['cores']} "
        f"cores, and {spent['peak_mib']:,} MiB of memory at most. "
        f"By the clock it was {spent['seconds']:.0f} s, since {spent['note']}."
    )

# %% [markdown]
# Just left of the line, pairs that fit as they are outnumber the turned ones: some of them show the
# same cell too. They are left out, because one wrong pair would join two people. Fields of B-ALL
# that overlap only in part, moved by much more than 20 pixels, are not looked for.
#
# *Same photograph* means that even the finest detail agrees, noise included; *same cell* that it
# does not: the cell was photographed again, at another focus, often with all its neighbours. (A
# pale cell that was only saved again as JPEG can lose that detail too.)

# %%
style(
    pd.DataFrame(real.found["shared"]).drop(columns="kinds"),
    "Recorded: images of a subject that show a cell of another one.",
) if real else None

# %% [markdown]
# Each couple stands twice, once from either side: the first row counts images of the first
# subject, `of` how many that has. `likeness` is that of the couple's best pair.

# %% tags=["hide-input"]
if real:
    joined = real.found["joined"]
    rows = [
        (
            ", ".join(row["subjects"]),
            row["state"],
            "; ".join(" = ".join(who) for who in row["joined"]),
            row["kinds"]["identical files"],
            sum(row["kinds"].values()) - row["kinds"]["identical files"],
        )
        for row in real.found["agreement"]
    ]

# %% tags=["hide-input"]
if real:
    say(
        f"With the table and these pairs together, the {joined['names']} names of the training "
        f"set are **{joined['groups']} groups**; with the table alone they are "
        f"{official.group.nunique()}. Images that were not at hand may join more."
    )

# %%
columns = ["group", "state", "joined by pairs", "identical", "near"]
style(
    pd.DataFrame(rows, columns=columns),
    "Recorded: groups of the table above, and groups that go beyond it.",
) if real else None

# %% [markdown]
# *Confirmed* groups of the table above are joined by pairs of the images that were at hand;
# of one *confirmed in part*, some members were not there or were seen with none of the others.
# *New* and *wider* groups are not in the table. Each rests on pairs that pass the same line; a
# group that rests on one pair is the one to doubt first.

# %% [markdown]
# ## The images at hand
#
# The same search, now live.

# %%
from alllib.synthetic import read_manifest

root = prepare_data(data, images=images, seed=seed)
made = read_manifest(root)  # of synthetic images alone
cells = load_cells(root)
duplicates = find_duplicates(cells)
found = measure_duplicates(cells, duplicates)
style(
    subject_table(duplicates).head(12),
    "Pairs found in the images of this page.",
)

# %%
if len(duplicates.pairs):
    chosen = choose_pairs(duplicates.pairs)
    show(
        plot_pairs(chosen, cells),
        caption="Pairs found in the images of this page.",
        alt="; ".join(tell_pair(row) for row in chosen.itertuples()),
    )

# %% tags=["hide-input"]
say(
    f"**Live.** {found['images']:,} images in {found['seconds']:.0f} s: "
    f"{found['exact_pairs']} pairs of identical files, {found['near_pairs']} near pairs."
    + (
        f" {found['subjects']} names become {found['subject_groups']} groups."
        if found["subjects"]
        else " No subjects are named, so there are no groups."
    )
    + (
        f" The maker of these images says that it wrote {len(made['duplicates'])} of them "
        f"twice, under two names."
        if made
        else ""
    )
)

# %% [markdown]
# ## How good is the search?
#
# We plant copies whose origin we know: moved by up to 10 pixels, turned or mirrored, saved as JPEG
# of quality 80, brighter or darker by 5 %, and all of these at once. *Recall* is the share of
# planted copies that is found with its original; *precision* the share of found pairs that were
# planted.

# %%
from alllib.files import workspace
from alllib.planting import plant_duplicates, score_planted

folder = workspace() / "_build" / "planted" / root.name
alone = cells.drop_duplicates("sha256")
both, plan = plant_duplicates(alone, folder, count=planted, seed=seed)
search = find_duplicates(both)
live = score_planted(search, plan, known=duplicates.pairs)

# %%
ends = plan.tail(5).rename(columns={"image": "first", "copy": "second"})
copies = search.pairs.merge(ends[["first", "second"]])
if len(copies):
    show(
        plot_pairs(copies, both),
        caption="Five planted copies (below) that were found.",
        alt="; ".join(tell_pair(row) for row in copies.itertuples()),
    )

# %%
rows = [("this page", len(alone), vars(live))]
for name in ("cnmc2019", "synthetic", "ball2021"):
    study = read_study("planted", name)
    if study:
        among = study.settings.get("originals", study.images)
        rows.append((f"recorded, {name}", among, study.found))

# %%
table = pd.DataFrame(
    [
        (name, size, r["planted"], *r["recall"], *r["precision"])
        for name, size, r in rows
    ],
    columns=["images", "number", "copies", "recall", "from", "to"]
    + ["precision", "from ", "to "],
)
style(table, "Planted copies: recall and precision with 95 % intervals.")

# %% [markdown]
# A recorded pair counts as right only if it was planted: the images were chosen so that none of
# them was in a pair before. Cells that share a photograph or a stain are the hard case, and they
# are in the sets as they come.

# %% [markdown]
# ## What it does to a split
#
# An image that is scored and shows a cell that was trained on is a *twin*. How many there are
# depends on the protocol.

# %%
rows = [{"images are": "live", **row} for row in found["leaks"]]
if real:
    rows = [
        {"images are": "recorded", **row} for row in real.found["leaks"]
    ] + rows
leaks = pd.DataFrame(rows).rename(
    columns={"images": "not trained on", "with_twin": "twins"}
)
leaks["share"] = [f"{share:.1%}" for share in leaks.share]
style(leaks, "Images that are scored and show a cell that was trained on.")

# %% [markdown]
# A split by subject name still leaks, because names share cells. A split by group leaks as far as
# the table of groups is incomplete; the last row of each block uses the groups found here.

# %% [markdown]
# ## B-ALL
#
# The second data set names no subjects {cite:p}`aria2021ball`, so pairs are all that can be found.

# %% tags=["hide-input"]
if kept["ball2021"]:
    found = kept["ball2021"].found
    leak = {row["protocol"]: row for row in found["leaks"]}
    say(
        f"**Recorded.** {tell_study(kept['ball2021'])} "
        f"**{found['exact_pairs']} pairs** of identical files, {found['pixel_pairs']} of "
        f"identical pixels, {found['near_pairs']} near pairs. Classes of the pairs: "
        f"{found['classes']['within']} within one, {found['classes']['across']} across. "
        f"In a random split {leak['image']['with_twin']} of {leak['image']['images']:,} scored "
        f"images have a twin in the training part, in a split by blocks of file numbers "
        f"{leak['blocks']['with_twin']} of {leak['blocks']['images']:,}: not all pairs stand "
        f"near each other in the numbering."
    )

# %% [markdown]
# ## What cannot be known
#
# The files do not say *why* two names share cells. One person may have been recorded at two
# visits, a slide may have been labelled twice, or files may have been sorted wrongly; each would
# look the same here. Only the organisers' records could tell. For a split it makes no
# difference: the cells are the same.
#
# ## Summary
#
# - Identical files are found from a list of checksums; a cell shown again needs the pixels.
# - Names that share cells are one group, and a group stays in one part of a split.
# - A search for duplicates is a measurement: it has a recall and a precision, and both were
#   measured.
#
# ```{exercise}
# :label: duplicates-threshold
# Count the pairs of `duplicates.compared` with a likeness above .5 that fit as they are
# (`symmetry` 0) and those that fit turned or mirrored. How many of the first are there by chance?
# ```
#
# ```{solution} duplicates-threshold
# :class: dropdown
# `duplicates.compared.query("likeness > .5").symmetry.ne(0).value_counts()`. By chance, each of
# the eight orientations is equally likely, so a seventh of the turned ones.
# ```
#
# **Next**: [how sure a number is](uncertainty.ipynb).
