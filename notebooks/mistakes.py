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
# # A laboratory of mistakes
#
# *How much does each mistake change the number that is reported?* We make eleven of them on
# purpose, one at a time, and measure what each does.
#
# :::{admonition} Before you start
# **You will learn** to know eleven mistakes by their code, what each does to a score, and which
# of them matter most.
# **You need** [the split](splitting.ipynb) and [the two-by-two network](two_by_two_cnn.ipynb). No
# GPU is needed, and the last line of the page says how long it ran. **Reading time**: about
# thirty minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic images
subtypes = "synthetic-subtypes"  # the same for smears of four classes
smears = 200  # number of synthetic smears
networks = 2  # small networks, each with a seed and a test fold of its own
repeats = 3  # cross-validations of the forest
passes = 4  # epochs of the networks
side = 32  # their input in pixels

# %% [markdown]
# Every experiment changes one thing: the same images are scored without the mistake and with it.
# (Two rows compare something else, and say so: the shares of two classes that a {term}`crop` clips, and
# the share of copies.) The difference gets a 95 % interval by drawing {term}`subject groups <subject group>` again and
# again; where a mistake acts through training, the repeats (seeds, or deals of the {term}`folds <fold>`) are drawn
# too, and what was chosen is chosen again. All intervals here are percentiles of what was drawn;
# [how sure a number is](uncertainty.ipynb) shows that with few groups these are too narrow, and
# with a handful of repeats they are rough besides. A difference whose interval holds zero is a
# result as well: here the mistake did not show. Under each table stands what exactly is compared.
#
# Most of these mistakes are easy to make and hard to see. Each is named by the work in which it
# can be found, or whose number it could explain, so that you can look it up.

# %%
import numpy as np
import pandas as pd
from alllib import laboratory
from alllib.datasets import load_cells
from alllib.downloads import official_files, prepare_data
from alllib.figures import plot_montage, say, set_style, show
from alllib.laboratory import (
    compare_effects,
    kept_effects,
    tell_effect,
    tell_notes,
)
from alllib.laboratory.figures import plot_effects, tell_effects
from alllib.recipes import load_recipe
from alllib.splits import require_subjects
from alllib.studies import read_study, tell_study
from alllib.tables import style

# %% [markdown]
# What all experiments share is prepared once: nineteen numbers per image, forests that were
# cross-validated by image and by subject group, and small networks of the poster's kind with
# their outputs after each {term}`epoch`. The smears name no patients, so {term}`blocks <block>` of neighbouring file
# numbers stand in for them.

# %%
set_style()
root = prepare_data(data, images=images, seed=seed)
cells = require_subjects(load_cells(root))
scene = laboratory.prepare_scene(
    cells,
    seeds=range(1, networks + 1),
    repeats=repeats,
    epochs=passes,
    size=side,
)
few = load_cells(prepare_data(subtypes, images=smears, seed=seed))
slides = laboratory.prepare_scene(few, repeats=repeats)

# %% [markdown]
# The real images do not come with this book. What the same code found on them is kept with it,
# and each table below shows that first.

# %%
kept = kept_effects("cnmc2019") + kept_effects("ball2021")
live = []


def measure(key, *scenes):
    """Table of one mistake, recorded rows first, and the effects to tell."""
    mistake = laboratory.get_mistake(key)
    found = [one for scene in scenes for one in mistake.measure(scene)]
    live.extend(found)
    recorded = [one for one in kept if one.key == key]
    return compare_effects(key, recorded, found), recorded or found


# %%
def pick(found, system, unit="accuracy"):
    """The effect on one number of one system."""
    for one in found:
        if (one.system, one.unit) == (system, unit):
            return one
    raise KeyError(f"nothing was measured of {system}, {unit}")


# %% tags=["hide-input"]
for name in ("cnmc2019", "ball2021"):
    study = read_study("laboratory", name)
    say(
        f"Recorded. {tell_study(study)}"
        if study
        else f"Nothing is kept for {name} yet."
    )

# %% [markdown]
# ## Split by image
#
# The report shuffles the images of a class and cuts the list {cite:p}`mir2019report`; the poster
# cuts it unshuffled {cite:p}`unnithan2021poster`; the sheet's data set names no patients
# {cite:p}`ball2023densenet`. Each way cells of one person may stand on both sides. The mistake is
# one argument: which fold an image is put into.

# %%
from alllib.laboratory.folds import predict_folds

for name, kind in (("by image", "image"), ("by group", "apart")):
    fold = scene.folds[kind][0]
    found = predict_folds(scene.numbers, scene.target, fold, seed=0)
    right = found.argmax(axis=1) == scene.target
    say(f"Folds {name}: accuracy {right.mean():.3f}.")

# %% [markdown]
# The network is tested more sharply. Of each test {term}`subject` half of the images is scored. Its twin
# has the other half among its training images, in place of as many images of other people:
# nothing else differs.

# %%
table, found = measure("image_split", scene, slides)
style(table, "Split by image.")

# %% tags=["hide-input"]
chosen = [
    pick(found, "forest on 19 numbers"),
    pick(found, "forest on 19 numbers", "AUC"),
    pick(found, "small network"),
]
say(" ".join(tell_effect(effect) for effect in chosen))
say(tell_notes(found))

# %% [markdown]
# Forest and network need not agree. A small network at a small input, trained for few epochs, may
# have less room to remember anybody than a forest, which keeps images in its leaves. That would be
# one reason; it is not tested here. The number of a larger network may be another one.
#
# ## Multiplied before the split
#
# The transfer-learning paper shows a matrix of its test images {cite:p}`garg2021transfer`. Its
# rows cannot be the classes of the two official test phases, although its total is the sum of
# their sizes.

# %%
from alllib.laboratory.sharing import explain_counts, oversample_rows

counts = explain_counts(official_files())
style(
    pd.DataFrame([{k: str(v) for k, v in counts.items()}]),
    "The published counts, and two that they could be.",
)

# %% [markdown]
# `rows` are the published classes, `halves` those of a set that was made even, and `natural` those
# of as many images in their natural shares. The published rows are the halves. A set becomes even
# if the smaller class is multiplied by copies and turns. What the paper did cannot be known from
# it; a list of the file names of its three parts would settle it. If it multiplied first and split
# then, this would happen:

# %%
rows = oversample_rows(scene.target, seed)  # more pictures first,
order = np.random.default_rng(seed).permutation(len(rows))
train, test = np.split(order, [int(0.8 * len(rows))])  # then the split
twin = np.isin(rows[test], rows[train])
smaller = scene.target[rows[test]] == np.bincount(scene.target).argmin()

# %% tags=["hide-input"]
say(
    f"Of the {smaller.sum()} test pictures of the smaller class, **{twin[smaller].mean():.0%}** "
    f"have a copy in training; of the larger class, which was not copied, "
    f"{twin[~smaller].mean():.0%}."
)

# %% [markdown]
# We score every picture once in five folds: of pictures (the mistake), and of images, which all
# copies follow. The pictures are the same, and so are the classifier and its seed; which of the
# two steps comes first is all that differs. (With the copies comes a second gain: a {term}`training part <part>`
# of pictures shows nearly all of the images, one of images four fifths of them. Both follow from
# the order.) The forest and the {term}`nearest neighbour <nearest neighbours>` see nineteen numbers, and a copy has exactly
# those of its image; the thumbnail differs from its turned copies.
# The last two rows multiply every image by four, not the smaller class alone.

# %%
table, found = measure("oversampling", scene)
style(table, "Multiplied before the split.")

# %% tags=["hide-input"]
copied = pick(found, "forest, smaller class copied")
remembers = pick(found, "nearest neighbour, every image 4 times")
say(f"{tell_effect(copied)} {tell_notes(found)}")
published = load_recipe("garg2021-vgg19").published["accuracy"]
say(
    f"Where every image is there four times, a system that does no more than remember scores "
    f"{remembers.mistaken:.3f}; the paper reports {published}. Such a number can come about "
    f"without any knowledge of leukemia. That it did come about so, this does not show."
)

# %% [markdown]
# ## Checkpoint chosen on the reported set
#
# The report keeps the epoch that was best on a set and reports the score on that set
# {cite:p}`mir2019report`. The better way chooses on a validation part and reports a test part.
#
# An accuracy says little alone. So beside those of the small network stands what needs no
# network: the forest on nineteen numbers, each image scored by trees that saw nobody of its
# subject group, and the share of the commonest class.


# %%
def beside(rows):
    """What needs no network on some images of this page."""
    true = scene.target[rows]
    called = scene.forest["apart"][:, rows].argmax(axis=2)
    most = np.bincount(true).max() / len(rows)
    return (
        f"Without a network, on the same {len(rows):,} images of this page: the forest on "
        f"nineteen numbers by subject group {(called == true).mean():.3f}, always the commonest "
        f"class {most:.3f}."
    )


tested = np.concatenate([one.test for one in scene.trainings])

# %% tags=["hide-input"]
parts = {"image_split": [], "majority": []}
for effect in kept:
    parts.get(effect.key, []).append(effect)
compared = beside(tested)
if all(parts.values()):
    plain = pick(parts["image_split"], "forest on 19 numbers")
    same = pick(parts["majority"], "always the commoner class")
    recorded = (
        f"Without a network, recorded on {plain.images:,} images of C-NMC 2019: the forest on "
        f"nineteen numbers by subject group {plain.honest:.3f}, always the commonest class "
        f"{same.mistaken:.3f}."
    )
    compared = f"{recorded} {compared}"
    say(recorded)

# %%
one = scene.trainings[0]
score = {
    part: ((outputs > 0.5) == (scene.target[rows] == 0)).mean(axis=1)
    for part, outputs, rows in (
        ("validation", one.outputs["validation"], one.validation),
        ("test", one.outputs["test"], one.test),
    )
}
honest = score["test"][score["validation"].argmax()]
mistaken = score["test"].max()  # the mistake: the test set chose
style(
    pd.DataFrame(score).rename_axis("epoch").reset_index(),
    "Accuracy after each epoch of the first network.",
)

# %% tags=["hide-input"]
say(f"Validation part. {beside(one.validation)}")
say(f"Test part. {beside(one.test)}")

# %%
table, found = measure("checkpoint", scene)
style(table, "Checkpoint chosen on the reported set.")

# %% tags=["hide-input"]
say(
    f"For the first network of this page the report's way gives {mistaken:.3f} and the better "
    f"one {honest:.3f}. {tell_effect(pick(found, 'small network'))} The best epoch of a set "
    f"cannot be worse on it than another epoch: the question is not whether this flatters but "
    f"how much."
)
say(compared)
say(tell_notes(found))

# %% [markdown]
# ## Labels joined by listing order
#
# The preliminary test images are files with numbers for names. A folder lists them letter by
# letter; the label file counts. The poster's code paired the two line by line
# {cite:p}`unnithan2021poster`.

# %%
from alllib.laboratory.labels import listing_order, official_labels

official = official_labels()
listed = [f"{place + 1}.bmp" for place in listing_order(len(official))]
agree = (official.label == official.joined).mean()
pairs = pd.DataFrame(
    {
        "file": listed[:6],
        "gets the label of": [f"{n}.bmp" for n in range(1, 7)],
    }
)
style(pairs, "The first files of the listing, and the rows they meet.")

# %% tags=["hide-input"]
ill = (official.label == "ALL").mean()
say(
    f"By the official label file alone, **{agree:.2%}** of {len(official):,} images keep their "
    f"label. Two lists without any connection would agree in {ill**2 + (1 - ill) ** 2:.2%}, because "
    f"{ill:.1%} of the images are ALL. A perfect network would have scored {agree:.2%}."
)

# %%
table, found = measure("label_order", scene)
style(table, "Labels joined by listing order.")

# %% tags=["hide-input"]
reached = load_recipe("unnithan2021-2x2").published["accuracy"]
say(tell_notes(found))
say(
    f"{tell_effect(pick(found, 'forest on 19 numbers'))} The poster's {reached} cannot tell how good its network was. Scoring "
    f"the same network again with labels joined by name would settle it."
)

# %% [markdown]
# ## Validation reported as test
#
# What the report calls its test set accompanied the training {cite:p}`mir2019report`; in the
# public code behind the sheet, the row called test equals a validation row
# {cite:p}`ball2023densenet`. To set a validation score beside a test score is no fair comparison:
# the two parts show different people, and one part may hold the easier ones. So the two
# parts of a network change places.

# %%
roles = pd.DataFrame(
    {
        "people of": ["validation part", "test part"],
        "as validation": [score[part].max() for part in score],
        "as test": [
            score["validation"][score["test"].argmax()],
            score["test"][score["validation"].argmax()],
        ],
    }
)
style(
    roles,
    "The first network: each part chooses for itself, or for the other.",
)

# %% [markdown]
# Along a row stand the same people: in the first column they chose the epoch that they are scored
# with, in the second the others chose. A reader of a paper sees the first number of the first row
# in place of the second of the second row, and in that difference is also who the people are.
#
# That is the mild case, in which no part shares a person with another. Where validation images
# were dealt from those that are learned, they show persons who are known. There each image is
# scored twice, as test of a forest that has not seen its person and as validation of one that has:
# the {term}`split` by image once more, seen from the validation part.

# %%
table, found = measure("validation", scene)
style(table, "Validation reported as test.")

# %% tags=["hide-input"]
say(" ".join(tell_effect(one) for one in found))
say(tell_notes(found))

# %% [markdown]
# ## Metrics averaged over batches
#
# Recall and {term}`F1 <F1 score>` are ratios. The public code behind the sheet computes them in each {term}`batch`
# and averages {cite:p}`ball2023densenet`. Here a batch that lacks a class gives it a zero, as most
# programs do that must not divide by zero.

# %%
from alllib.laboratory.counting import score_batches

true = scene.target[one.test]
called = (one.outputs["test"][-1] <= 0.5).astype(int)
mixed = np.random.default_rng(seed).permutation(len(true))
order = np.argsort(true, kind="stable")  # as a folder per class lists them
ways = {
    "all at once": score_batches(true, called, len(true)),
    "batches, shuffled": score_batches(true[mixed], called[mixed], 16),
    "batches, by class": score_batches(true[order], called[order], 16),
}
ways = pd.DataFrame(ways).T.rename_axis("counted").reset_index()
style(ways, "The same predictions, counted in three ways.")

# %%
table, found = measure("batch_metrics", scene, slides)
style(table, "Metrics averaged over batches.")

# %% tags=["hide-input"]
say(
    f"{tell_effect(pick(found, 'small network, shuffled', 'F1'))} In the order of the classes "
    f"it is another matter: "
    f"{tell_effect(pick(found, 'small network, class after class', 'recall'))}"
)
say(compared)
say(tell_notes(found))

# %% [markdown]
# ## Dropout left on
#
# A network has two modes. In the one for training, {term}`dropout` switches units off at random; the
# public code behind the sheet scores in it {cite:p}`ball2023densenet`. In Keras the mistake is one word,
# `network(images, training=True)`.

# %%
rows = pd.DataFrame(one.dropped[:, :6].T).add_prefix("pass ")
rows.insert(0, "dropout off", one.outputs["test"][-1][:6])
style(
    rows.rename_axis("image").reset_index(),
    "Probability of ALL of six test images; with dropout it changes.",
)

# %%
table, found = measure("dropout", scene)
style(table, "Dropout left on.")

# %% tags=["hide-input"]
say(f"{tell_effect(pick(found, 'small network'))} {tell_notes(found)}")
say(compared)

# %% [markdown]
# What this does depends on where dropout stands, how large its share is and how sure the
# network is; the number of another network may be another one.

# %% [markdown]
# ## Accuracy below the majority rate read as learning
#
# The poster gives an accuracy as what its network reached for unseen patients
# {cite:p}`unnithan2021poster`. Before an accuracy means anything, it must be held against a rule
# that looks at no image.

# %%
recipe = load_recipe("unnithan2021-2x2")
always = max(ill, 1 - ill)  # the commoner class for every image
reached = recipe.published["accuracy"]
say(
    f"Published: {reached:.3f}. Always the commoner class: {always:.3f} "
    f"({reached - always:+.3f})."
)

# %% [markdown]
# Two classifiers that have learned nothing show what accuracy forgives: one always says the
# commoner class, and one is a forest trained on shuffled labels. Without the mistake, the mean of
# the two class recalls is reported.

# %%
table, found = measure("majority", scene)
style(table, "Accuracy of classifiers that have learned nothing.")

# %% tags=["hide-input"]
effect = pick(found, "always the commoner class")
say(f"{tell_effect(effect)} {tell_notes(found)}")

# %% [markdown]
# The reverse holds too: a network below the majority rate may order images well, and its area
# under the curve then says so.

# %% [markdown]
# ## A crop that clips one class more
#
# The report crops its images and says that no {term}`nucleus` is cut
# {cite:p}`mir2019report,mir2019article`. [The page on cropping](cropping.ipynb) counts. A crop to
# the input of many networks was made by none of the five works; it shows where a
# harmless step turns into a leak.

# %%
from alllib.cropping import count_clipped

clipped = count_clipped(scene.nuclei, [400, 224])
style(clipped, "Nuclei that a centred crop clips, by class.")

# %% [markdown]
# In the rows of clipped shares, `without` is the share of the second class and `with` that of the
# first. The other rows ask what the edge of the crop alone tells, and what a forest on area, box,
# edge and colours gains or loses.

# %%
table, found = measure("crop", scene)
style(table, "A crop that clips one class more.")

# %% tags=["hide-input"]
chosen = [
    pick(found, "crop 224", "share clipped"),
    pick(found, "pixels on the edge alone, crop 224", "AUC"),
    pick(found, "forest on ten numbers, crop 224"),
]
say(" ".join(tell_effect(effect) for effect in chosen))
say(tell_notes(found))

# %% [markdown]
# Where the edge alone has an area above one half, it tells the classes apart, because a large
# nucleus touches more of it. Whether the score of a classifier rises or falls is another question:
# the edge can give back some of the size that the crop takes away.

# %% [markdown]
# ## Size and colour as shortcuts
#
# None of the five works shows what plain numbers reach. So one cannot tell whether its network
# sees morphology, or the size of the nucleus and the {term}`stain` of the slide. We score our networks
# again on test images without the one or the other, and train them again without size.

# %%
from alllib.laboratory.looks import CHANGES, typical_look

look = typical_look(scene.pictures)
place = int(scene.numbers.area.argmax())
shown = {"as it is": scene.pictures[place]}
for kind, change in CHANGES.items():
    shown[kind] = change(scene.pictures[place], look)
show(
    plot_montage(list(shown.values()), list(shown), columns=4),
    caption="The largest nucleus as it is, and changed in three ways.",
    alt="One nucleus four times: " + ", ".join(shown) + ".",
)

# %%
table, found = measure("shortcuts", scene, slides)
style(table, "Size and colour as shortcuts.")

# %% tags=["hide-input"]
systems = (
    "forest, area alone",
    "forest, colour alone, 15 numbers",
    "small network, nuclei scaled to one area",
    "small network, trained and tested at one area",
)
chosen = [pick(found, system, "AUC") for system in systems]
chosen.append(pick(found, "forest on six colour numbers"))
say(" ".join(tell_effect(effect) for effect in chosen))
say(tell_notes(found))

# %% [markdown]
# A network that was never shown nuclei of one area may fail because they are unfamiliar. The row
# of the network that was trained on them too is the fairer one: what it lacks is size, and what
# scaling does to a picture besides.

# %% [markdown]
# ## Copies in augmented data
#
# The report draws pictures by two turns and two mirrors and says that none is seen twice
# {cite:p}`mir2019report`. [All four may stay away](augmentation.ipynb), and then the picture is
# the image itself.

# %%
from alllib.augmentation import plan_augmentation
from alllib.laboratory.copies import copy_shares, expected_copies

chance = load_recipe("mir2019-proposed").augmentation.probability
plan = plan_augmentation(scene.cells, samples=2000, probability=chance)
shares = expected_copies(chance) | copy_shares(plan)
style(
    pd.DataFrame([shares]),
    "Shares of exact copies: expected, and in one plan of pictures.",
)

# %% [markdown]
# `nominal` follows from the probabilities as they are written, `true` from those that Augmentor
# applies. `originals` and `repeated` are counted in the plan.

# %%
table, found = measure("copies", scene)
style(table, "Copies in augmented data.")

# %% tags=["hide-input"]
say(" ".join(tell_effect(one) for one in found))
say(tell_notes(found))

# %% [markdown]
# ## All of them
#
# The figure puts the effects side by side. For a score, right of zero the mistake flatters; left of
# it the work was better than its number. A hollow mark has no interval: groups are too few, or all draws
# say the same.

# %%
from alllib.laboratory import effect_table

sets = {"real images (recorded)": kept, "images of this page": live}
sets = {title: found for title, found in sets.items() if found}
show(
    plot_effects(sets),
    caption="What each mistake does, with 95 % intervals.",
    alt=tell_effects(kept or live),
)

# %%
style(effect_table(kept or live), "What each mistake does, in numbers.")

# %% tags=["hide-input"]
every = kept or live
open_ended = [
    one for one in every if not one.one_sided and one.low is not None
]
clear = [one for one in open_ended if one.low * one.high > 0]
say(
    f"Of {len(every)} measured effects, {sum(one.one_sided for one in every)} cannot change sign "
    f"by the way they are made, so that their intervals tell a size and nothing else. Of the "
    f"{len(open_ended)} others with an interval, {len(clear)} are clear of zero. The rest are no "
    f"proof that the mistake is harmless: they say that it did not show with these systems, at "
    f"this scale."
)

# %% tags=["hide-input"]
unlearned = ("majority", "shortcuts")  # there one side is no classifier
ways = [one for one in every if one.unit == "accuracy"]
ways = [one for one in ways if one.key not in unlearned]
ways = sorted(ways, key=lambda one: one.difference)
told = [
    f"{one.difference:+.3f} ({laboratory.get_mistake(one.key).title}: {one.system})"
    for one in (ways[-1], ways[0])
]
say(
    f"The most that an accuracy gains by a mistake is {told[0]}, the most that "
    f"it loses {told[1]}."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: mistakes-epochs
# Raise `passes` and look again at the {term}`checkpoint` chosen on the reported set. In which direction
# must the difference of a single network go, and why?
# ```
#
# ```{solution} mistakes-epochs
# :class: dropdown
# It can only grow or stay while the epoch chosen on the validation part stays the same: the best
# of more epochs on the reported set is at least as good as the best of fewer.
# ```
#
# ```{exercise}
# :label: mistakes-copies
# Every image stands four times in a set of pictures, and a fifth of the pictures, dealt at random,
# is scored. Which share of the scored pictures has a copy in training? Work it out, and then count it
# for as many images as this page has.
# ```
#
# ```{solution-start} mistakes-copies
# :class: dropdown
# ```
#
# The three other copies of a scored picture are all scored too with a chance of about $0.2^3$; else
# one of them is trained on. The count below deals pictures of the images at hand.

# %% tags=["solution"]
rng = np.random.default_rng(seed)
dealt = rng.permutation(np.repeat(np.arange(len(scene.target)), 4))
trained_on, scored = np.split(dealt, [int(0.8 * len(dealt))])
share = np.isin(scored, trained_on).mean()
worked_out = 1 - 0.2**3
assert abs(share - worked_out) < 0.06
say(
    f"Worked out: {worked_out:.1%}; counted in {len(scored):,} scored pictures: "
    f"{share:.1%}."
)

# %% [markdown]
# A larger scored part or fewer copies lower the share, and dealing images instead of pictures makes
# it zero.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("mistakes")

# %% [markdown]
# ## Summary
#
# - A mistake is measured by making it, alone, on the same images.
# - What was chosen on a set flatters that set. To see how much, let the two sets change places, and
#   choose again in each draw.
# - Labels joined in a wrong order leave a perfect network little more than chance would.
# - Beside an accuracy belong the majority rate, and what size and colour reach alone.
#
# **Next**: the audits, [the article](audit_article.ipynb) first.
