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
# # How sure is a number
#
# *By how much would a result differ with other people, another seed, another {term}`threshold`?* A result
# on two thousand cells sounds certain. They are cells of a few people, and that is what counts.
#
# :::{admonition} Before you start
# **You will learn** why intervals are drawn by {term}`subject group` and when even those are too narrow,
# how two systems are compared, what may be fitted on the {term}`validation part <part>`, and a rule for when two
# results count as the same.
# **You need** [what a handful of numbers achieves](without_cnn.ipynb), whose predictions serve as
# the example, and no GPU; the last line of the page says how long it ran.
# **Reading time**: about twenty minutes.
# :::

# %% tags=["parameters"]
data = "synthetic"  # synthetic, a name (cnmc2019), or a folder
images = 600  # number of synthetic cells
seed = 2019  # seed of the synthetic cells and of the splits
folds = 5  # equal parts; each is the test part once
studies = 200  # studies made up for the live simulation

# %%
import pandas as pd
from alllib.baseline_runs import (
    kept_baselines,
    kept_predictions,
    run_baselines,
)
from alllib.baselines import get_baseline, measure_numbers, predict_baseline
from alllib.charts import (
    plot_coverage,
    plot_reliability,
    plot_seeds,
    plot_subjects,
)
from alllib.coverage import METHODS, accuracy_interval, within_correlation
from alllib.datasets import load_cells
from alllib.downloads import official_cells, prepare_data
from alllib.evaluation import score_predictions
from alllib.features import FEATURES
from alllib.figures import say, set_style, show
from alllib.studies import read_study, tell_study
from alllib.tables import interval, style

# %% [markdown]
# ## The example
#
# The forest on nineteen numbers, each image scored once by a forest that has not seen its subject
# group: one person, or several {term}`subject` names that share cells (see [splitting](splitting.ipynb)), so
# that there are fewer groups than subjects. Its predictions on the real images are kept with the book;
# the same code runs here on the images at hand. The predictions of all {term}`folds <fold>` are put together, *pooled*,
# so that each image is scored once.

# %%
set_style()
cells = load_cells(prepare_data(data, images=images, seed=seed))
numbers = measure_numbers(cells)
systems = ("nineteen", "area")
live = run_baselines(
    cells, ("image", "group"), numbers=numbers, systems=systems, seed=seed
).predictions
recorded = read_study("baselines", "cnmc2019")
real = kept_predictions("cnmc2019") if recorded else live

# %%


def choose(table, system, protocol):
    """Pooled predictions of one system under one protocol."""
    asked = (table.system == system) & (table.protocol == protocol)
    return table[asked & (table.scheme == "pooled")].reset_index(drop=True)


example = choose(real, "nineteen", "group")
here = choose(live, "nineteen", "group")
origin = "real images" if recorded else "images of this page"

# %% tags=["hide-input"]
say(
    f"**Recorded.** {tell_study(recorded)}"
    if recorded
    else "No recorded predictions are here; the images of this page stand in for them."
)

# %% [markdown]
# ## By image or by subject
#
# A *95 % interval* is made by a procedure whose result contains the true value in that share of studies. One
# procedure is the *bootstrap*: draw as many of the scored images again, with replacement, so that some come twice
# and some not at all; compute the accuracy of this draw; repeat it a few thousand times. The
# *percentile* interval leaves out one fortieth of these accuracies at either end.
#
# If cells were independent, images could be drawn so. Cells of one person resemble each other: where the
# forest errs on one, it errs on the next. Then whole subject groups must be drawn. The third interval of
# the table, *corrected*, takes care of there being few groups as well; how, and why that is needed, is
# the matter of a section below.

# %%
from dataclasses import asdict


def three_intervals(table):
    """Interval of the accuracy by image, and by group in two ways."""
    alone = table.assign(group=pd.NA)
    return {
        "images are drawn": accuracy_interval(alone, method="percentile"),
        "groups are drawn": accuracy_interval(table, method="percentile"),
        "groups, corrected": accuracy_interval(table),
    }


found = {
    (where, how): asdict(value)
    for where, table in ((origin, example), ("this page", here))
    for how, value in three_intervals(table).items()
}
rows = [(*key, interval(value)) for key, value in found.items()]
columns = ["images", "interval", "accuracy (95 % interval)"]
style(pd.DataFrame(rows, columns=columns), "One accuracy, three intervals.")

# %% [markdown]
# The *intraclass correlation* says how alike right and wrong answers are within a group: 0 if an error on
# one cell says nothing of the next cell of the same group, 1 if a group is all right or all wrong.

# %%
alike = within_correlation(example)
style(alike, f"How alike right answers within a group are, {origin}.")

# %% tags=["hide-input"]
width = {
    how: found[origin, how]["high"] - found[origin, how]["low"]
    for _, how in list(found)[:3]
}
people = alike.groups.sum()
wider = width["groups are drawn"] / width["images are drawn"]
say(
    f"The interval by group is **{wider:.0f} times** as wide as that by image. A width shrinks with the "
    f"square root of the number of images, so the {len(example):,} images say as much as about "
    f"{len(example) / wider**2:.0f} independent ones, because they come from {people} groups of subjects."
)

# %% [markdown]
# ## Accuracy per subject
#
# One accuracy hides who is served badly. Each mark is one subject; its interval says how well the
# accuracy on *this* subject is known, nothing of the next one. Subjects are counted here, not groups.

# %%
from alllib.uncertainty import subject_accuracy

table = subject_accuracy(example)
worst = table.sort_values("accuracy").groupby("label").head(1)
told = [
    f"{r.label}: lowest {r.accuracy:.0%} ({r.images} cells)"
    for r in worst.itertuples()
]
show(
    plot_subjects(table),
    caption=f"Accuracy on the cells of each subject, {origin}. Upright line: 95 % interval of one "
    "subject, as if its cells were independent; dashed: accuracy on all cells of the class.",
    alt="; ".join(told) + ".",
)

# %% tags=["hide-input"]
below = table[table.accuracy < 0.5]
say(
    f"On **{len(below)} of {len(table)} subjects** the forest is wrong more often than right; "
    + ", ".join(
        f"{n} of them {label}"
        for label, n in below.label.value_counts().items()
    )
    + ". Whether a forest is good for people is a question about these marks, not about cells."
    if len(below)
    else "On every subject the forest is right more often than wrong."
)

# %% [markdown]
# ## How few people there are
#
# The official list of the images says how many subjects stand behind each fold; no image is needed
# for that.

# %%
official = official_cells()
official = official[official.fold.str.startswith("fold_")]
people = official.groupby(["fold", "label"])
table = people.agg(
    images=("image", "size"),
    subjects=("subject", "nunique"),
    groups=("group", "nunique"),
)
largest = people.subject.agg(lambda names: names.value_counts().iloc[0])
table["share of the largest subject"] = largest / table.images
style(
    table.reset_index(), "Subjects behind the official folds of C-NMC 2019."
)

# %% tags=["hide-input"]
fewest = table.subjects.idxmin()
held = official[(official.fold == fewest[0]) & (official.label == fewest[1])]
names = held.subject.value_counts()
say(
    f"All {fewest[1]} images of **{fewest[0]}** come from **{len(names)} subjects**: "
    + ", ".join(f"{name} ({count} images)" for name, count in names.items())
    + f". A specificity, the share of right answers on healthy cells, that is measured there is a statement about {len(names)} people, however many cells "
    "they gave. No statistics turns that into more."
)

# %% [markdown]
# ## Do the intervals hold what they promise?
#
# A 95 % interval should contain the true value in that share of studies. That can be tried: make up
# studies with a known truth, with groups as uneven as the real ones and right answers as alike
# within a group as those above, and count. How often an interval holds the truth is its *coverage*. Four
# procedures are tried:
#
# - **percentiles of the group bootstrap**, as above;
# - **bootstrap, corrected for bias and acceleration**: the same draws, but the two limits are moved where
#   the draws lie to one side of the value, or scatter more on one side of it;
# - **t interval of the log odds**: the accuracy $a$ is turned into $\ln \frac{a}{1 - a}$, so that no limit
#   falls below 0 or above 1. From the differences between groups comes the spread, by a straight-line
#   approximation (*linearised*), and the interval reaches to both sides by a multiple of it. The multiple
#   is the quantile of *Student's t*, a bell curve with heavier tails the fewer groups there are; its
#   *degrees of freedom* say how few;
# - the same with **groups left out in turn** (the *jackknife*): the spread comes from how much the accuracy
#   changes when one group is missing.

# %%
kept = read_study("coverage", "cnmc2019")
if kept:
    table = pd.DataFrame(kept.found["rows"])
    worst = table.loc[table.groupby("method").coverage.idxmin()]
    told = [f"{r.method} {r.coverage:.1%}" for r in worst.itertuples()]
    show(
        plot_coverage(table, METHODS),
        caption="Coverage of four intervals, from studies made up with a known truth. Below: number of "
        "groups of ALL + HEM. Upright lines: how far the count of studies may be off.",
        alt="Lowest coverage: " + ", ".join(told) + ".",
    )

# %% tags=["hide-input"]
if kept:
    of = table.set_index(["design", "method"]).coverage
    wide = table.set_index(["design", "method"]).width
    least, first, *_, last = (
        name for name in dict.fromkeys(table.design) if ":" not in name
    )
    worst = table[table.method == "jackknife"].coverage
    say(f"**Recorded.** Group sizes only, no pixels: {tell_study(kept)}")
    say(
        f"With groups {first}, the percentiles of the bootstrap contain the truth in only "
        f"**{of[first, 'percentile']:.1%}** of the studies, with {last} in "
        f"{of[last, 'percentile']:.1%}. Few groups vary too little when they are drawn again, the more "
        f"so where one of them holds most cells. A correction for bias and acceleration gives "
        f"{of[first, 'bca']:.1%} and {of[last, 'bca']:.1%}. Leaving each group out in turn, with "
        f"Student's t for the few groups, gives {of[first, 'jackknife']:.1%} and "
        f"{of[last, 'jackknife']:.1%}, and over all designs from {worst.min():.1%} to "
        f"{worst.max():.1%}. The price is an honest width: {wide[first, 'jackknife']:.2f} instead of "
        f"{wide[first, 'percentile']:.2f} with {first}; with {least} it is "
        f"{wide[least, 'jackknife']:.2f}, which is nearly no statement, and rightly so."
    )

# %% [markdown]
# The made-up studies were given the correlation within groups that was measured above. It was measured
# on few groups, and the true one may be larger. Does the t interval hold then, too?

# %% tags=["hide-input"]
from alllib.coverage import simulate_coverage

if kept:
    alike = pd.DataFrame(kept.found["setting"]).set_index("label")
    told = []
    six = 6  # groups of each class
    for factor in (2, 3):
        (row,) = simulate_coverage(
            kept.found["sizes"],
            accuracy=alike.accuracy.to_dict(),
            correlation=(factor * alike.correlation).to_dict(),
            groups=six,
            methods=("jackknife",),
            repeats=10 * studies,
        ).itertuples()
        told.append(
            f"{factor} times as alike, it contains the truth in {row.coverage:.1%} "
            f"of the studies (width {row.width:.2f})"
        )
    say(
        f"With groups {six} + {six} of the sizes of C-NMC, in {10 * studies:,} studies made up now: "
        + "; ".join(told)
        + "."
    )

# %% [markdown]
# The better interval is `alllib.coverage.accuracy_interval`. Tables of this book that give
# percentiles are to be read with this in mind, wherever few groups of a class were scored. A small
# simulation of the same kind, now, with the groups of the images at
# hand:

# %%
from alllib.statistic_studies import coverage_table, group_sizes

few = (3, 6, 13)  # groups of each class
simulated = coverage_table(
    group_sizes(cells), here, groups=few, repeats=studies
)
shown = simulated.pivot(index="design", columns="method", values="coverage")
shown = shown.loc[[f"{n} + {n}" for n in few], list(METHODS)]
sure = 0.95  # coverage that the intervals promise
off = 1.96 * (sure * (1 - sure) / studies) ** 0.5
style(
    shown.rename(columns=METHODS).reset_index(),
    f"Coverage in {studies} made-up studies, groups of this page. With so many studies a coverage of "
    f"{sure} is counted to about {off:.2f} either way.",
)

# %% [markdown]
# ## Two systems on the same images
#
# Two intervals that overlap do not show that two systems are alike: both were tried on the same
# people. The interval of the difference is again that of Student's t, groups left out in turn. A
# test changes the sign of some groups' differences at random, as if the two systems had changed places
# there: *p* is the share of such patterns of signs whose total difference is at least as large as the one
# found. The two answer different questions. The test asks whether the systems differ at all; it is sure
# where nearly all groups differ the same way. The interval asks by how much they would differ on other
# people; it is wide where some groups differ much and others little.

# %%
from alllib.uncertainty import compare_paired

pairs = {
    "nineteen numbers: by image less by group": (
        choose(real, "nineteen", "image"),
        example,
    ),
    "by group: nineteen numbers less area alone": (
        example,
        choose(real, "area", "group"),
    ),
}
compared = {name: compare_paired(*pair) for name, pair in pairs.items()}

# %%


def tell_p(p):
    """Three decimals; the patterns of signs that are tried cannot tell less."""
    least = 0.001
    return f"below {least}" if p < least else f"{p:.3f}"


rows = [
    {
        "difference": name,
        "in accuracy": interval(
            {"value": c.difference, "low": c.low, "high": c.high}
        ),
        "p": tell_p(c.p),
        "only the first right": c.first_only,
        "only the second right": c.second_only,
        "groups": c.groups,
    }
    for name, c in compared.items()
]
style(
    pd.DataFrame(rows),
    f"Paired comparisons, {origin}. Only the first, only the second right: numbers of images.",
)

# %% tags=["hide-input"]
leak, gain = compared.values()
fewest, few = example.groupby("label").group.nunique().agg(["idxmin", "min"])


def tell_pair(c):
    """What test and interval of a comparison say together."""
    told = f"The test has p {tell_p(c.p)}"
    if c.low is None:
        return told + "; one group of a class gives no interval."
    told += (
        f", the interval is {100 * c.low:.1f} to {100 * c.high:.1f} points"
    )
    if c.freedom is not None:
        told += f" (t with {c.freedom:.1f} degrees of freedom)"
    outside = c.low > 0 or c.high < 0
    if outside == (c.p < 0.05):
        return told + (
            ". The interval excludes zero."
            if outside
            else ". On so few people the difference is not settled."
        )
    if outside:
        return told + ". The test and the interval differ here."
    return told + (
        f". The test and the interval differ here: with so few {fewest} groups ({few}) the size is "
        "uncertain, its sign less so."
    )


say(
    f"Dealing out images instead of people changes the accuracy of the same forest on the same "
    f"{leak.images:,} images by **{100 * leak.difference:.1f} points**. {tell_pair(leak)}"
)
say(
    f"{len(FEATURES) - 1} more numbers than the area change it on unseen people by "
    f"{100 * gain.difference:.1f} points. {tell_pair(gain)}"
)

# %% [markdown]
# ## Calibration
#
# Does a probability of four fifths come true four times in five? The *confidence* of an answer is the probability
# of the class that was chosen. Images of like confidence are put into one bin, and the *reliability curve*
# shows the share of right answers in each bin by its mean confidence. Above the diagonal a system is
# right more often than it says, below it is too sure of itself. The *expected {term}`calibration` error* is
# the mean distance of the two, each bin counted by its images.
#
# One number, the *{term}`temperature`* $T$, makes all probabilities less sure ($T > 1$) or more sure
# ($T < 1$):
#
# $$p_c \;\rightarrow\; \frac{p_c^{1/T}}{\sum_d p_d^{1/T}}$$
#
# for each class $c$, with the sum over all classes $d$. The largest probability stays the largest, so no
# decision changes. $T$ is fitted on the validation part; the functions refuse any other.

# %%
from alllib.splits import make_split
from alllib.statistic_studies import calibrate

split = make_split(cells, "group", seed=seed, folds=folds)
both = predict_baseline(get_baseline("nineteen"), split, numbers)
live_fit = calibrate(both, "ALL")
kept = read_study("calibration", "cnmc2019")
fitted = kept.found if kept else live_fit

# %%
curves = {
    "as predicted": pd.DataFrame(fitted["curves"]["before"]),
    f"temperature {fitted['temperature']:.2f}": pd.DataFrame(
        fitted["curves"]["after"]
    ),
}
errors = fitted["errors"]
show(
    plot_reliability(curves),
    caption=f"Reliability on the test part, {'real images' if kept else 'images of this page'}. Above the "
    "diagonal: right more often than said.",
    alt="Calibration error before and after: "
    + " and ".join(interval(errors[when]) for when in ("before", "after")),
)

# %% tags=["hide-input"]
for title, fit in (
    ("Recorded", kept and kept.found),
    ("This page", live_fit),
):
    if fit:
        held, test = fit["validation_errors"], fit["errors"]
        better = test["after"]["value"] < test["before"]["value"]
        say(
            f"**{title}.** Temperature {fit['temperature']:.2f}. Calibration error on the validation "
            f"part, which chose it: {held['before']['value']:.3f} before, "
            f"{held['after']['value']:.3f} after; on the test part {test['before']['value']:.3f} "
            f"before, **{test['after']['value']:.3f}** after: "
            + ("it carried over." if better else "it did not carry over.")
        )
before = curves["as predicted"]
gap = (
    (before.accuracy - before.confidence)
    @ before.images
    / before.images.sum()
)
say(
    f"On the test part of the figure the forest is right {100 * abs(gap):.1f} points "
    f"{'more' if gap > 0 else 'less'} often than it says, on average; the temperature makes it "
    f"{'less' if fitted['temperature'] > 1 else 'more'} sure, "
    + (
        "which is the wrong way here."
        if (gap > 0) == (fitted["temperature"] > 1)
        else "which is the right way."
    )
)
if kept:
    counts = kept.found["groups"]
    say(
        "On the real images the validation part holds "
        + " and ".join(
            f"{n} groups of {k}" for k, n in counts["validation"].items()
        )
        + ", the test part "
        + " and ".join(f"{n} of {k}" for k, n in counts["test"].items())
        + ": what is fitted on a few people is fitted to these people."
    )

# %% [markdown]
# The same with recorded networks: their runs keep the predictions of both parts. The name of a run ends
# with its fold and its seed. Where the test part holds a single group of a class, no interval can be
# drawn. A calibration error cannot be below zero, and images that are drawn again scatter about the
# curve, which adds to the distance: its intervals lie too high, and may even lie above the value itself.

# %% tags=["hide-input"]
from alllib.calibration import part_predictions
from alllib.records import list_records

trained = [
    record
    for record in list_records()
    if record.recorded
    and record.run["recipe"] == "unnithan2021-2x2"
    and record.run["scored"] == "test"
]
rows, helped, reached = [], 0, 0
for record in trained:
    fit = calibrate(part_predictions(record), "ALL")
    threshold = fit["thresholds"][-1]
    before, after = (
        fit["errors"][when]["value"] for when in ("before", "after")
    )
    helped += after < before
    on_test = threshold["test"]["sensitivity"]["value"]
    reached += on_test >= threshold["validation"]["sensitivity"]
    rows.append(
        {
            "run": record.run["id"],
            "temperature": fit["temperature"],
            "error before": interval(fit["errors"]["before"]),
            "error after": interval(fit["errors"]["after"]),
            "sensitivity on validation": threshold["validation"][
                "sensitivity"
            ],
            "on test": interval(threshold["test"]["sensitivity"]),
        }
    )
caption = "Calibration and the sensitivity of a chosen threshold, recorded networks."
style(pd.DataFrame(rows), caption if rows else "No recorded network.")

# %% tags=["hide-input"]
if rows:
    say(
        f"The temperature lowered the calibration error of the test part in **{helped} of {len(rows)}** "
        f"runs, and the sensitivity of the validation part was reached on the test part in "
        f"**{reached} of {len(rows)}**."
    )

# %% [markdown]
# ## A threshold is chosen, too
#
# One half is no law. A {term}`threshold` for the largest balanced accuracy, which is the mean of
# {term}`sensitivity` and {term}`specificity`, or for a wanted sensitivity, is chosen on the validation part and then tried on the test part, once.

# %%
rows = [
    {
        "rule": row["rule"],
        "threshold": row["value"],
        "validation: sensitivity": row["validation"]["sensitivity"],
        "validation: specificity": row["validation"]["specificity"],
        "test: sensitivity": interval(row["test"]["sensitivity"]),
        "test: specificity": interval(row["test"]["specificity"]),
    }
    for row in fitted["thresholds"]
]
style(
    pd.DataFrame(rows),
    f"Thresholds, {'real images' if kept else 'images of this page'}.",
)

# %% tags=["hide-input"]
wanted = fitted["thresholds"][-1]
reached = wanted["test"]["sensitivity"]["value"]
say(
    f"The threshold that reached a sensitivity of {wanted['validation']['sensitivity']:.1%} on the "
    f"validation part reaches **{reached:.1%}** on other people. A choice that was made on the test "
    "part would have hidden this difference."
)

# %% [markdown]
# ## Another seed
#
# The same run with another seed is another draw. How far such draws lie apart is told by the standard
# deviation of their accuracies, and this, too, is known only as well as the number of seeds allows: it
# has an interval of its own.

# %%
from alllib.agreement import kept_spread

spread = kept_spread("cnmc2019")
kept = read_study("seeds", "cnmc2019")
rows = kept.found["rows"] if kept else []
table = [
    {
        "system": row["title"],
        "scale": row["scale"],
        "split": row["protocol"],
        "seeds": row["spread"]["seeds"],
        "mean accuracy": row["spread"]["mean"],
        "deviation": f"{row['spread']['deviation']:.4f}",
        "its interval": "{low:.4f} to {high:.4f}".format(**row["spread"]),
    }
    for row in rows
]
style(
    pd.DataFrame(table),
    "Recorded: standard deviation of the accuracy between seeds, with its 95 % interval, real images.",
)

# %%
if rows:
    found = {
        f"{row['title']}\nby {row['protocol']}": row["values"] for row in rows
    }
    show(
        plot_seeds(found),
        caption="Accuracy of each seed; everything else is the same. Black bar: mean of a row.",
        alt="; ".join(
            f"{row['title']}, {row['protocol']}: deviation {row['spread']['deviation']:.4f}"
            for row in rows
        ),
    )

# %% [markdown]
# ## When do two results count as the same?
#
# The rule, written before it is used:
#
# 1. A run that was done otherwise than published (data, split, input, {term}`epochs <epoch>`, pictures, initial
#    weights) confirms nothing and contradicts nothing.
# 2. The tolerance has three parts, for people, images and seeds:
#
#    $$\text{tolerance} = \sqrt{h_{\text{ours}}^2 + h_{\text{published}}^2 + 2\, t^2 s^2} .$$
#
#    $h_{\text{ours}}$ is half of our interval by subject group, on the side of the published value;
#    $h_{\text{published}}$ half of the interval that the published value would have if its scored images
#    were independent (the binomial one), as no source gives an interval; $s$ the deviation between seeds,
#    and $t$ the quantile of Student's $t$ for the number of seeds. The last part counts twice: both results
#    are one seed each.
# 3. A larger difference is *different*; one within the tolerance is *the same*, unless the tolerance
#    is wider than a limit: then the honest answer is *cannot tell*, as it is without an interval of
#    ours, without the number of scored images, or without a deviation between seeds.
#
# Why so: the squares add up because people, images and seeds err independently. Twice the seed
# deviation alone would call two runs different that merely saw other people; the interval alone
# would forget the seed. The limit is there so that what a split by image adds, which this book is about,
# is never small enough to count as nothing. $h_{\text{published}}$ is as small as it can be, since the
# images of the source were not independent either: the rule calls two results *different* too soon rather
# than too late. Where both results were scored on the very same images, who was scored plays no part, and
# the seeds alone make the tolerance.
# `alllib.uncertainty.same_result` is this rule.

# %% tags=["hide-input"]
from alllib.agreement import WIDEST

score = {
    row["protocol"]: row["metrics"]["accuracy"]["value"]
    for row in kept_baselines("cnmc2019")
    if (row["system"], row["scheme"]) == ("nineteen", "pooled")
}
limit = f"The limit is **{100 * WIDEST:.1f} points**"
say(
    f"**Recorded.** {limit}: less than the {100 * (score['image'] - score['group']):.1f} points that "
    "the split by image adds to the forest on the real images."
    if score
    else f"{limit}; what the split by image adds was not kept here."
)
if spread:
    say(
        f"The deviation between seeds is {spread.deviation:.4f} ({spread.origin}): with "
        f"{spread.seeds} seeds its part of the tolerance is "
        f"{100 * spread.half:.1f} points. Of the rows above it is the one with the widest part, and it "
        "stands for all networks, also for larger ones that were trained for longer."
    )

# %% [markdown]
# Can the rule ever say *the same* on this data? Even if two results were equal, the people who were
# scored leave a tolerance of their own:

# %% tags=["hide-input"]
if score:
    halves = {
        row["protocol"]: (row["by_groups"]["high"] - row["by_groups"]["low"])
        / 2
        for row in kept_baselines("cnmc2019")
        if (row["system"], row["scheme"]) == ("nineteen", "pooled")
    }
    least = min(halves.values())
    say(
        f"Half of the interval by subject group is {100 * least:.1f} points at the least, for all "
        f"{len(kept_predictions('cnmc2019').image.unique()):,} images at hand and whatever the split. "
        + (
            f"That is more than {100 * WIDEST:.1f}. On other images than the source's a result can "
            "therefore be contradicted, and cannot be confirmed; on the very same images it can, if "
            "the seeds agree well enough."
            if least > WIDEST
            else "Two results can be told to be the same."
        )
    )

# %%
from alllib.agreement import same_result
from alllib.comparison import deviation_table

judged, otherwise = [], 0
for record in (r for r in list_records() if r.recorded):
    run, published = record.run, record.run["recipe_text"]["published"]
    if "accuracy" not in published:
        continue  # a variant: nothing was published for it
    other = deviation_table(record).query("same == 'no'").setting.tolist()
    otherwise += bool(other)
    ours = accuracy_interval(record.predictions)
    verdict = same_result(
        published["accuracy"],
        ours,
        images=published.get(
            "scored_images_log", published.get("scored_images")
        ),
        spread=spread if run["dataset"] == "cnmc2019" else None,
        differences=other,
    )
    judged.append((record, published["accuracy"], ours, verdict))

# %%
rows = [
    {
        "run": record.run["id"],
        "published": said,
        "ours (95 % interval)": interval(asdict(ours)),
        "without a CNN": interval(record.baselines[0]["metrics"]["accuracy"])
        if record.baselines
        else "not measured",
        "interval by": record.run["metrics"]["resampled"],
        "verdict": verdict.verdict,
        "reason": verdict.reason,
    }
    for record, said, ours, verdict in judged
]
caption = "The rule, applied to the recorded runs."
style(pd.DataFrame(rows), caption if rows else "There is no recorded run.")

# %% tags=["hide-input"]
flat = [
    record.run["id"]
    for record, *_ in judged
    if record.predictions.filter(like="p_").idxmax(axis=1).nunique() == 1
]
if judged:
    untold = sum(verdict.verdict == "cannot tell" for *_, verdict in judged)
    say(
        f"Of {len(judged)} runs the rule cannot tell **{untold}**; {otherwise} were done otherwise than "
        "published, so that their numbers, near or far, say nothing for or against the source. What each "
        "run shows for itself stands in the chapter of its system."
        + (
            f" {len(flat)} give the same answer to every image: their accuracy is the share of that class, "
            f"and their intervals tell how that share varies between groups ({', '.join(flat)})."
            if flat
            else ""
        )
    )
held = [
    (count, label, ours)
    for record, _, ours, _ in judged
    if record.run["metrics"]["resampled"] == "group"
    for label, count in record.run["metrics"]["groups"].items()
]
single = {label for count, label, _ in held if count == 1}
if single:
    say(
        f"Some scored parts hold **a single subject group** of {' or '.join(sorted(single))}: there "
        "is no interval then."
    )
if any(count > 1 for count, *_ in held):
    few = min(count for count, *_ in held if count > 1)
    widths = [
        o.high - o.low for n, _, o in held if n == few and o.low is not None
    ]
    classes = " or ".join(sorted({label for n, label, _ in held if n == few}))
    say(
        f"Others hold as few as **{few} subject groups** of {classes}, and Student's t has at most as "
        "many degrees of freedom there, less one"
        + (
            f". Their intervals are {min(widths):.2f} to {max(widths):.2f} wide. Such a part can be "
            "looked at, and settles nothing."
            if widths
            else "."
        )
    )

# %% [markdown]
# A run at another scale than its source's is judged by the first clause alone. What the others
# say, where nothing but the {term}`split` differs:

# %%
first = score_predictions(choose(real, "nineteen", "image")).metrics
by_group = accuracy_interval(example)
verdict = same_result(
    first["accuracy"].value,
    by_group,
    images=len(example),
    spread=kept_spread("cnmc2019", "forest"),
)
say(
    f"By image against by group: {verdict.verdict}; {verdict.reason} The *paired* comparison above, "
    "which knows that both were tried on the same people, is the sharper tool wherever both sets of "
    "predictions are at hand; a published number comes without them."
)

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: statistics-groups
# How many groups of each class would you need for an interval half as wide as that of six? Use
# `coverage_table` with other numbers of groups and `methods=("jackknife",)`.
# ```
#
# ```{solution-start} statistics-groups
# :class: dropdown
# ```
#
# About four times as many if the spread alone counted, as it shrinks with the square root of the number
# of groups; fewer here, since the quantile of Student's t shrinks as well. In the column `width` look for
# half of what six groups have.

# %% tags=["solution"]
tried = coverage_table(
    group_sizes(cells),
    here,
    groups=(6, 12, 18, 24),
    methods=("jackknife",),
    repeats=studies,
)
assert tried.width.iloc[-1] < tried.width.iloc[0] / 2
style(tried[["design", "width"]], "Mean width of the interval.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: statistics-effective
# Groups of different size say less than as many groups of one size. Kish's effective number is
# $(\sum_g n_g)^2 / \sum_g n_g^2$ for groups of $n_g$ images. Compute it for each class of `example`, and
# say when it equals the number of groups.
# ```
#
# ```{solution-start} statistics-effective
# :class: dropdown
# ```
#
# Count the images of each group, class by class, and put the counts into the formula.

# %% tags=["solution"]
counts = example.groupby(["label", "group"]).size()
for name, sizes in counts.groupby(level="label"):
    effective = sizes.sum() ** 2 / (sizes**2).sum()
    assert 1 - 1e-9 <= effective <= len(sizes) + 1e-9
    say(
        f"{name}: {len(sizes)} groups, which say as much as "
        f"{effective:.1f} groups of one size."
    )

# %% [markdown]
# It equals the number of groups where all are equally large, and it nears 1 where one group holds
# nearly all images. The degrees of freedom of `accuracy_interval` follow it.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("uncertainty")

# %% [markdown]
# ## Summary
#
# - People are what is sampled: intervals are drawn by subject group, and with few groups the t
#   interval of `accuracy_interval` is the one that holds.
# - Two systems are compared on the same images, by group.
# - Temperature and threshold are fitted on the validation part, and tried once.
# - Two results are the same only by a rule that was written before.
#
# **Next**: [a laboratory of mistakes](mistakes.ipynb).
