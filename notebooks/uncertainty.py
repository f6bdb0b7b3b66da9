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
# group. Its predictions on the real images are kept with the book; the same code runs here on the
# images at hand.

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
# If cells were independent, the interval could be drawn from images. Cells of one person resemble
# each other: where the forest errs on one, it errs on the next. The *intraclass correlation* says
# how much.

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

# %%
alike = within_correlation(example)
style(alike, f"How alike right answers within a group are, {origin}.")

# %% tags=["hide-input"]
width = {
    how: found[origin, how]["high"] - found[origin, how]["low"]
    for _, how in list(found)[:3]
}
people = alike.groups.sum()
say(
    f"The interval by group is **{width['groups are drawn'] / width['images are drawn']:.0f} times** "
    f"as wide as that by image: {len(example):,} images say as much as a far smaller number of "
    f"independent ones, because they come from {people} groups of subjects."
)

# %% [markdown]
# ## Accuracy per subject
#
# One accuracy hides who is served badly. Each mark is one {term}`subject`; its interval says how well the
# accuracy on *this* subject is known, nothing of the next one.

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
    caption=f"Accuracy on the cells of each subject, {origin}.",
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
# The official list says how many subjects stand behind each {term}`fold`, without a single image.

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
    + f". A specificity measured there is a statement about {len(names)} people, however many cells "
    "they gave. No statistics turns that into more."
)

# %% [markdown]
# ## Do the intervals hold what they promise?
#
# A 95 % interval should contain the true value in that share of studies. That can be tried: make up
# studies with a known truth, with groups as uneven as the real ones and right answers as alike
# within a group as those above, and count.

# %%
kept = read_study("coverage", "cnmc2019")
if kept:
    table = pd.DataFrame(kept.found["rows"])
    worst = table.loc[table.groupby("method").coverage.idxmin()]
    told = [f"{r.method} {r.coverage:.1%}" for r in worst.itertuples()]
    show(
        plot_coverage(table, METHODS),
        caption="Coverage of four intervals; numbers are groups of ALL + HEM.",
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
# How alike answers within a group are was estimated from few groups, so it may well be more. Does
# the t interval still hold?

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
style(
    shown.loc[[f"{n} + {n}" for n in few], list(METHODS)].reset_index(),
    f"Coverage in {studies} made-up studies, groups of this page.",
)

# %% [markdown]
# ## Two systems on the same images
#
# Two intervals that overlap do not show that two systems are alike: both were tried on the same
# people. The interval of the difference is again that of Student's t, groups left out in turn. A
# test changes the sign of each group's difference, as if the two systems had changed places there.

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
    """Three decimals; less is more than so many patterns of signs can tell."""
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
style(pd.DataFrame(rows), f"Paired comparisons, {origin}.")

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
# Does a probability of four fifths come true four times in five? The *reliability curve* compares the two,
# the *expected {term}`calibration` error* is their mean distance. One number, the *{term}`temperature`*, makes all
# probabilities less or more sure without changing any decision. It is fitted on the validation part;
# the functions refuse any other.

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
    caption=f"Reliability on the test part, {'real images' if kept else 'images of this page'}.",
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
# The same with recorded networks: their runs keep the predictions of both parts.

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
rows = []
for record in trained:
    fit = calibrate(part_predictions(record), "ALL")
    threshold = fit["thresholds"][-1]
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

# %% [markdown]
# ## A threshold is chosen, too
#
# One half is no law. A threshold for the largest balanced accuracy, or for a wanted {term}`sensitivity`, is
# chosen on the validation part and then tried on the test part, once.

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
# The same run with another seed is another draw. Its deviation, too, is known only as well as the
# number of seeds allows.

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
        "deviation": row["spread"]["deviation"],
        "its interval": f"{row['spread']['low']:.4f} to {row['spread']['high']:.4f}",
    }
    for row in rows
]
style(pd.DataFrame(table), "Recorded: deviation between seeds, real images.")

# %%
if rows:
    found = {
        f"{row['title']}\nby {row['protocol']}": row["values"] for row in rows
    }
    show(
        plot_seeds(found),
        caption="Accuracy of each seed; everything else is the same.",
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
# 2. The tolerance is the root of the sum of three squares: half of our interval by subject group,
#    on the side of the published value; half of the binomial interval of the published value on its
#    scored images, as no source gives one; and $\sqrt{2}\,t\,s$, where $s$ is the deviation between
#    seeds, $t$ the quantile of Student's $t$ for the number of seeds, and $\sqrt 2$ stands there
#    because both results are one seed each.
# 3. A larger difference is *different*; one within the tolerance is *the same*, unless the tolerance
#    is wider than a limit: then the honest answer is *cannot tell*, as it is without an interval of
#    ours, without the number of scored images, or without a deviation between seeds.
#
# Why so: the squares add up because people, images and seeds err independently. Twice the seed
# deviation alone would call two runs different that merely saw other people; the interval alone
# would forget the seed. The limit is there so that the very difference that this book is about never
# counts as none. The published interval is the least possible one, since its images were not
# independent either: the rule is strict rather than kind. Where both results were scored on the very
# same images, who was scored plays no part, and the seeds alone make the tolerance.
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
        f"{100 * spread.half:.1f} points. No other network was repeated, so it stands for all, also "
        "for larger ones that were trained for longer."
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

judged = []
for record in (r for r in list_records() if r.recorded):
    run, published = record.run, record.run["recipe_text"]["published"]
    if "accuracy" not in published:
        continue  # a variant: nothing was published for it
    other = deviation_table(record).query("same == 'no'").setting.tolist()
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
# `coverage_table` with other numbers of groups.
# ```
#
# ```{solution} statistics-groups
# :class: dropdown
# About four times as many if the interval were that of many groups; fewer here, since the quantile
# of Student's t shrinks as well. `coverage_table(group_sizes(cells), here, groups=(6, 12, 24))`
# gives the widths.
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
