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
# {term}`subject` names.
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
# The official list of C-NMC 2019 gives a {term}`checksum` of every file. Two files with one checksum
# are the same, byte for byte, so this search needs no image.

# %%
import pandas as pd
from alllib.datasets import load_cells
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.duplicates import find_duplicates, identical_files, subject_table
from alllib.figures import say, set_style, show
from alllib.kinship import measure_duplicates, phase_rows
from alllib.layouts import subject_groups
from alllib.merges import merge_table
from alllib.pair_figures import (
    choose_pairs,
    plot_likeness,
    plot_pairs,
    tell_pair,
)
from alllib.search_cost import tell_cost
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
# No subject name stands in two official {term}`folds <fold>` {cite:p}`mourya2019cnmc`. A
# pair under two names in two folds means that this holds for the names and not for the cells.

# %% [markdown]
# ## Names and groups
#
# Two names that share a cell are put into one *{term}`group <subject group>`*, and so is a third that shares one with
# either. The package ships such a table for all training subjects; it was made from the complete
# training set and the preliminary test phase, not all of which can be had by everyone.

# %%
members = pd.Series(subject_groups()).rename_axis("subject").reset_index()
table = members.groupby(0).subject.agg(["size", ", ".join]).reset_index()
table.columns = ["group", "names", "subjects"]
style(table, "Subjects known to share cells before this page was run.")

# %% tags=["hide-input"]
outside = sorted(set(members.subject) - set(official.subject))
phases = {row["protocol"]: row for row in phase_rows()}
test = phases["official training and preliminary test"]
say(
    f"With it, the **{official.subject.nunique()} names** of the training set are "
    f"**{official.group.nunique()} groups**. These groups, and no others, are what the protocol "
    f"`group` keeps together on C-NMC everywhere in this project, and what its intervals are "
    f"resampled by. Subject {', '.join(outside)} is of the "
    f"preliminary test phase: when the table was made, one of its images was found to have the "
    f"pixels of a training image of subject 51. By checksum it cannot be seen: {test['exact']} of "
    f"that phase's {test['images']:,} files are in the training set, and {test['same_length']} "
    f"have as many bytes as any training file, since the headers differ. Whoever has the "
    f"images of that phase can search them; they are not among those measured here."
)

# %% [markdown]
# ## The same cell in other pixels
#
# A cell that was cropped again, moved, turned, or re-encoded has another checksum. The search has
# three steps.
#
# 1. *Candidates.* The low frequencies of an image (the size of its Fourier transform) stay the
#    same when it is moved, and turn with it. The {term}`nearest neighbours` of each image, over all
#    eight symmetries of the square, are candidates.
# 2. *Screening.* Two small textures are laid over each other in every position.
# 3. *Comparison.* The pair is decoded again, turned, moved and compared pixel by pixel inside both
#    {term}`nuclei <nucleus>`. What counts is the *likeness*: the correlation of structures a few
#    pixels wide, which is {term}`chromatin`. Outline and shading are left out: all nuclei are round.
#
# Where does one cell end and a chance likeness begin? Had images of C-NMC been turned, pairs that
# fit turned would form a second hill in the figure below, as those do that fit as they are. There
# is none. So we take it that a pair that fits best turned or mirrored shows two different cells;
# chance hits seven of eight orientations. The line was drawn in this very set, at the next step of a twentieth above every
# such pair. That none of them lies above it therefore says nothing of how often the search is
# wrong; two other counts do.
#
# - *Halves.* The line is drawn anew, by that rule, on one half of the subjects, and judged on
#   the other half, by likeness alone: how many pairs fit above it only when turned? From their
#   number follows how many of the others are to be expected by chance.
# - *Classes.* A cell of one class is compared with cells of the other. No such pair can be right
#   unless an image is labelled wrongly. Two classes differ more than two cells of one class do,
#   so this is the milder count; but it does not depend on turning.

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
    fields = found["fields"]
    kinds = "; ".join(f"{n:,} {kind}" for kind, n in found["kinds"].items())
    say(
        f"**Recorded.** {tell_study(real)} Pairs by kind: {kinds}. "
        f"**{found['images_in_pairs']:,} images** are in a pair. "
        f"{fields['one field']} pairs lie in one field of view, "
        f"{fields['two fields of a subject']:,} in two fields of one subject, "
        f"{fields['two subjects']} under two names, {found['classes']['across']} in two classes."
    )

# %% tags=["hide-input"]
if real:
    half, other = (found["chance"][name] for name in ("halves", "classes"))
    chance = half["share"] * found["near_pairs"]
    say(
        f"*Halves*, {half['halvings']} halvings: the line fell between {half['line'][0]:.2f} and "
        f"{half['line'][2]:.2f} (here it is {real.settings['likeness']:.2f}). In the half that it "
        f"was not drawn on, {half['turned']:.1f} turned pairs lay above it beside "
        f"{half['pairs']:.0f} that fit as they are; with {half['factor']:.2f} of the latter by "
        f"chance for each turned one, that is {half['share']:.2%} of them, or about "
        f"**{chance:.1f} of the {found['near_pairs']:,} near pairs**. This is a mean and no "
        f"upper limit."
    )

# %% tags=["hide-input"]
if real:
    most = other["at_most"] * found["compared"]
    say(
        f"*Classes*: of {other['compared']:,} pairs of two classes that "
        f"were compared, {other['found']} pass as the same cell; the likest reaches "
        f"{other['highest']:.2f}. With 95 % confidence at most {other['at_most']:.2%} of such "
        f"comparisons pass; if it were as many of the {found['compared']:,} comparisons of "
        f"the search, that would be at most **{most:.0f} pairs**."
    )

# %% tags=["hide-input"]
if cost:
    say(
        f"**Recorded** on {cost.finished[:10]} ({cost.machine}). "
        f"{tell_cost(cost.found)}"
    )

# %% [markdown]
# In the figure, pairs that fit as they are outnumber the turned ones just left of the line too:
# some of them show the same cell. They are left out, because one wrong pair would join two people.
# Fields of {term}`B-ALL` that overlap only in part, moved far, are not looked for.
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
# Each couple stands twice, once from either side: a row counts the images of its `subject`, `of`
# says how many that has, and `fields` in how many of its fields they lie. `most` is the largest
# number of pairs between one field of either, and `likeness` that of the couple's best pair. One
# pair may be chance. Several cells of one field that come again in one other field are the same
# field photographed twice, which chance hardly does.

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

# %%
columns = ["group", "state", "joined by pairs", "identical", "near"]
style(
    pd.DataFrame(rows, columns=columns),
    "Recorded: groups of the table above, and groups that go beyond it.",
) if real else None

# %% [markdown]
# *Confirmed* groups of the table above are joined by pairs of the images that were at hand;
# of one *confirmed in part*, some members were not there or were seen with none of the others.
# *New* and *wider* groups are not in the table. Each of their links is listed next, with what it
# rests on; images that are one file count once.

# %%
merges = merge_table(joined["merges"]) if real else pd.DataFrame()
style(
    merges,
    "Recorded: merges beyond the table, and the near pairs that each rests on.",
) if real else None

# %% tags=["hide-input"]
if real:
    links = merges.names + " with " + merges.others
    single = links[merges.pairs == 1]
    whole = links[(merges.most > 1) & (merges.most == merges.of)]
    say(
        f"{len(single)} of these {len(merges)} links rest on a single pair "
        f"({'; '.join(single) or 'none'}): to be doubted first. In {len(whole)} "
        f"({'; '.join(whole) or 'none'}) every image at hand of one field comes again in one "
        f"other field (`most` pairs of `of` images). With the table and all "
        f"these pairs together, the {joined['names']} names of the training set are "
        f"**{joined['groups']} groups**, against {official.group.nunique()} by the table alone. "
        f"Images that were not at hand may join more."
    )

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
# We plant copies whose origin we know: moved by a few pixels, turned or mirrored, saved as JPEG,
# brighter or darker, and all of these at once. *Recall* is the share of
# planted copies that is found with its original; *{term}`precision`* the share of judged pairs that were
# planted. Images that show one cell without our doing would blur that count. So the originals are
# searched alone first; what is found there, and what follows from it, is not judged.

# %%
from alllib.files import workspace
from alllib.planting import (
    BRIGHTNESS,
    QUALITY,
    SHIFT,
    plant_duplicates,
    score_planted,
)

folder = workspace() / "_build" / "planted" / root.name
both, plan = plant_duplicates(cells, folder, count=planted, seed=seed)
search = find_duplicates(both)
live = score_planted(search, plan, known=duplicates.pairs)
say(
    f"The copies are moved by up to {SHIFT} pixels, saved at quality {QUALITY}, or brighter or "
    f"darker by {BRIGHTNESS:.0%}."
)

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
rows = [("this page", len(cells), vars(live))]
for name in ("cnmc2019", "synthetic", "ball2021"):
    study = read_study("planted", name)
    if study:
        among = study.settings["originals"]
        rows.append((f"recorded, {name}", among, study.found))

# %%
numbers = ["planted", "before", "pairs", "wrong"]
table = pd.DataFrame(
    [
        (name, size, *(r[n] for n in numbers), *r["recall"], *r["precision"])
        for name, size, r in rows
    ],
    columns=["images", "number", "copies", "found in the originals"]
    + ["pairs judged", "not planted", "recall", "from", "to"]
    + ["precision", "from ", "to "],
)
style(table, "Planted copies: recall and precision with 95 % intervals.")

# %% [markdown]
# *Found in the originals* counts the pairs that were there before anything was planted; *not
# planted* those that appear only with the copies, and are counted as wrong. One of these may
# show one cell all the same, which the first search missed. So the precision says how seldom
# planting brings up a pair that is not planted; how many pairs *among the originals* are
# chance is the question of the halves and the classes above. The recall is that of these changes:
# a cell photographed again at another focus may be missed, and nobody knows how often.

# %% [markdown]
# ## What it does to a split
#
# An image that is scored and shows a cell that was trained on is a *twin*. How many there are
# depends on the {term}`protocol`.

# %%
rows = [{"images are": "live", **row} for row in found["leaks"]]
if real:
    rows = [
        {"images are": "recorded", **row} for row in real.found["leaks"]
    ] + rows
rows += [
    {"images are": "the official list", **row} for row in phases.values()
]
leaks = pd.DataFrame(rows).drop(columns="same_length")
for column, form in (("with_twin", "{:,.0f}"), ("share", "{:.1%}")):
    leaks[column] = leaks[column].map(form.format, na_action="ignore")
style(
    leaks.fillna("not known").rename(
        columns={"images": "not trained on", "with_twin": "twins"}
    ),
    "Images that are scored and show a cell that was trained on.",
)

# %% [markdown]
# `exact` counts those whose very file was trained on. A split by subject name still leaks, because
# names share cells. A split by group leaks as far as the table of groups is incomplete;
# `group found here` uses the groups found here instead. The last two rows are the organisers' own
# split: checksums say nothing of copies in other bytes, so their twins are not known here, save
# the one of subject 55 that is told above with the table of groups.

# %% [markdown]
# ## Does it matter which groups?
#
# The protocol `group` uses the table that ships with the package, so that everyone splits alike,
# with few of the images or all. The pairs found on the images at hand join more names than the
# table does. What would change if the protocol used them? The forest on nineteen numbers
# ([without a CNN](without_cnn.ipynb)) is scored in five folds by each table of groups. Every image
# is scored once.

# %%
from alllib.group_sensitivity import grouping_table

groups = read_study("groups", "cnmc2019")
style(
    grouping_table(groups.found),
    "Recorded: the same forest, the same images, three tables of groups.",
) if groups else None

# %% tags=["hide-input"]
if groups:
    gap = groups.found["difference"]
    seeds = groups.settings["seeds"]
    within = gap["low"] <= 0 <= gap["high"]
    say(
        f"**Recorded.** {tell_study(groups)} `least` and `most` are the accuracies when the "
        f"groups are dealt to the folds with {len(seeds)} seeds, which hardly differ, since the "
        f"largest groups are dealt first; they say nothing of other people. `groups` counts those "
        f"of the images that were at hand. Splitting by the joined groups instead of the table changes the "
        f"accuracy by {gap['difference']:+.3f} (95 % interval {gap['low']:+.3f} to "
        f"{gap['high']:+.3f}, by group): "
        + (
            "no difference can be told from that of another draw of people. "
            if within
            else "more than another draw of people would. "
        )
        + "A network that learns single cells by heart could gain more from a twin than 19 "
        "numbers do; that is not measured here."
    )

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
# look the same here. Only the organisers' records could tell. For a {term}`split` it makes no
# difference: the cells are the same.

# %% [markdown]
# ## Exercises
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
# ```{exercise}
# :label: duplicates-groups
# Join the subject names of the official list by hand, from `listed.cross_subject_pairs` alone: names
# that share a file become one group, and so does a third that shares one with either. Are names that you
# join ever apart in the table that ships?
# ```
#
# ```{solution-start} duplicates-groups
# :class: dropdown
# ```
#
# Each name starts in a set of its own. A pair unites two sets, and every member gets the united one,
# so that chains are followed without any further step.

# %% tags=["solution"]
found_by_hand = {name: {name} for name in official.subject.unique()}
for pair in listed.cross_subject_pairs.itertuples():
    united = (
        found_by_hand[pair.first_subject] | found_by_hand[pair.second_subject]
    )
    for name in united:
        found_by_hand[name] = united
own = {frozenset(members) for members in found_by_hand.values()}
shipped = dict(zip(official.subject, official.group, strict=True))
assert sum(map(len, own)) == len(found_by_hand)
assert all(len({shipped[name] for name in names}) == 1 for names in own)
say(
    f"Identical files alone join {len(found_by_hand)} names to {len(own)} groups; "
    f"the table that ships has {official.group.nunique()}."
)

# %% [markdown]
# They are not. The table may join more than identical files do, because it was also made from cells
# that were found in other pixels.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("duplicates")

# %% [markdown]
# ## Summary
#
# - Identical files are found from a list of checksums; a cell shown again needs the pixels.
# - Names that share cells are one group, and a group stays in one part of a split. The protocol
#   `group` keeps to the table that ships; the images at hand join more names.
# - A search for duplicates is a measurement: its recall is measured on planted copies, its
#   errors on pairs that were not used to draw its line.
#
# **Next**: [how sure a number is](uncertainty.ipynb).
