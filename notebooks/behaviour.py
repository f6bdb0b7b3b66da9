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
# # How the systems learn and where they fail
#
# *What lies behind one number?* The course of a training, whom the errors hit, how much a
# probability is worth, and whether different networks fail on the same cells. All from the
# recorded runs on the real images; nothing is trained here.
#
# :::{admonition} Before you start
# **You will learn** to look behind an accuracy: curves, confusion, {term}`subjects <subject>`, {term}`calibration` and
# common errors. **You need** [the results](results.ipynb); no GPU.
# **Reading time**: about fifteen minutes.
# :::

# %% tags=["parameters"]
folder = ""  # folder of records; empty: those of the book
dataset = "cnmc2019"  # cnmc2019 or ball2021
protocol = "group"  # which split: group, or blocks for B-ALL

# %%
from alllib.baseline_runs import kept_baselines, kept_predictions
from alllib.calibration import reliability
from alllib.charts import plot_reliability
from alllib.failures import (
    calibrate_pools,
    common_errors,
    error_kappas,
    group_accuracies,
    pools_beside,
    right_table,
)
from alllib.figures import say, set_style, show
from alllib.pools import choose_pools
from alllib.records import list_records

# %%
from alllib.result_figures import (
    plot_confusions,
    plot_failures,
    plot_groups,
    plot_kappas,
    plot_learning,
)
from alllib.result_rows import answers_one_class
from alllib.tables import style

set_style()
records = list_records(folder or None)
pools = pools_beside(records, dataset, protocol)
titles = {pool.run["recipe_text"]["title"]: pool for pool in pools}

# %% tags=["hide-input"]
if pools:
    run = pools[0].run
    say(
        f"**{len(pools)}** systems were scored on the same {pools[0].images:,} test images of "
        f"{run['dataset']}, split by {run['protocol']}: "
        + "; ".join(
            f"{title} ({len(pool.seeds)} seed{'s' * (len(pool.seeds) > 1)}, "
            f"{pool.run['epochs']} epochs, {pool.run['parameters']['input_size']} px, "
            f"{pool.finished[:10]}, {pool.run['device']['device']}, "
            f"commit {pool.run['commit'][:7]})"
            for title, pool in titles.items()
        )
        + f". Pretrained: {sum(p.run['weights'] != 'none' for p in pools)} of {len(pools)}."
    )
else:
    say(
        "There is no recorded run here: they lie in the folder `results` of the book's "
        "repository. Give it as the parameter `folder`."
    )

# %% [markdown]
# ## Learning curves
#
# Both splits of each system, its first seed. The two validation curves are of different people: on
# the source's split of those who were trained on, on the honest one of others. A flat line at the
# share of the commonest class is a network that gives one answer.

# %%
sources = {
    pool.run["recipe"]: pool
    for pool in choose_pools(r for r in records if r.recorded)
    if not pool.folds
    and pool.run["protocol"]
    == pool.run["recipe_text"]["data"]["published_protocol"]
}
histories = {}
for title, pool in titles.items():
    histories[title] = {"honest split": pool.records[0].history}
    own = sources.get(pool.run["recipe"])
    if own is not None:
        histories[title]["split of the source"] = own.records[0].history

# %%
if histories:
    told = [
        f"{title}, {name}: {history.accuracy.iloc[-1]:.3f} in training and "
        f"{history.val_accuracy.iloc[-1]:.3f} in validation"
        for title, found in histories.items()
        for name, history in found.items()
    ]
    show(
        plot_learning(histories),
        caption="Accuracy by epoch of each system, under both splits.",
        alt="After the last epoch: " + "; ".join(told) + ".",
    )

# %% [markdown]
# ## What is taken for what
#
# An accuracy can hide that one class is never named. Shares are of the true class; several seeds
# are added up.

# %%
if pools:
    confusions = {
        title: (pool.scores.confusion, pool.scores.classes)
        for title, pool in titles.items()
    }
    recalls = [
        f"{title}: "
        + ", ".join(
            f"{row[k] / sum(row):.0%} of {label}"
            for k, (label, row) in enumerate(zip(labels, matrix, strict=True))
        )
        for title, (matrix, labels) in confusions.items()
    ]

# %%
if pools:
    show(
        plot_confusions(confusions),
        caption="Confusion matrices on the test part of the honest split.",
        alt="Classified rightly: " + "; ".join(recalls) + ".",
    )

# %% [markdown]
# ## Subject by subject
#
# The cells of one person resemble each other, so errors come in heaps. Each column is a
# {term}`subject group` of the {term}`test part <part>`; beside the networks stands the forest on
# [a handful of numbers](without_cnn.ipynb).

# %%
kept = [
    row
    for row in kept_baselines(dataset, protocol)
    if row["classifier"] == "forest"
]
compared = dict(titles)
if kept and pools:
    plain = kept_predictions(dataset)
    chosen = (plain.system == kept[0]["system"]) & (plain.scheme == "pooled")
    plain = plain[chosen & (plain.protocol == protocol)]
    compared[kept[0]["title"]] = plain
varied = [
    title
    for title in compared
    if title not in titles or not answers_one_class(titles[title])
]
named = bool(pools) and pools[0].scores.resampled == "group"

# %%
if pools:
    rights = right_table(compared)
if named:
    by_group = group_accuracies(rights, list(compared))
    spans = [
        f"{title} {values.min():.2f} to {values.max():.2f}"
        for title, values in by_group.items()
    ]
    show(
        plot_groups(by_group),
        caption="Accuracy on the cells of each subject group of the test part.",
        alt="Lowest and highest accuracy of any group: "
        + "; ".join(spans)
        + ".",
    )

# %% tags=["hide-input"]
if named and varied:
    best = by_group[varied].mean(axis=1)
    label, group, images = best.idxmin()
    say(
        f"Over the systems that give more than one answer the hardest group is {group} ({label}, {images} cells): on average "
        f"{best.min():.2f} of its cells are classified rightly; the easiest has {best.max():.2f}."
    )

# %% [markdown]
# ## Is a probability a probability?
#
# Among images that a network calls {term}`ALL` with one probability, that share should be. The expected calibration
# error is the mean distance from that. One number, the {term}`temperature`, is fitted on the *validation*
# part, and tried on the test part; people differ, so it need not carry over. Of a system that gives
# one answer it only says how common that class is. There the raw probabilities
# may lie near a half, and the fitted temperature runs to the low end of the search.

# %%
calibrated = calibrate_pools(
    pool for pool in pools if pool.records[0].validation is not None
)
table = [
    {
        "system": row["title"],
        "error before": f"{row['before']:.3f}",
        "temperature": f"{row['temperature']:.2f}",
        "error after": f"{row['after']:.3f}",
        "more than one answer": "yes" if row["varied"] else "no",
    }
    for row in calibrated
]

# %%
import pandas as pd

style(
    pd.DataFrame(table),
    "Expected calibration error on the test part, first seed of each system."
    if table
    else "There are no recorded runs here.",
)

# %%
most = [row["title"] for row in calibrated if row["varied"]][:5]
if most:
    curves = {
        title: reliability(titles[title].records[0].predictions)
        for title in most
    }
    show(
        plot_reliability(curves),
        caption="Accuracy by confidence on the test part.",
        alt="In the bin of the highest confidence: "
        + "; ".join(
            f"{title}: confidence {curve.confidence.iloc[-1]:.2f}, accuracy "
            f"{curve.accuracy.iloc[-1]:.2f}"
            for title, curve in curves.items()
        )
        + ".",
    )

# %% tags=["hide-input"]
several = [row for row in calibrated if row["varied"]]
if several:
    helped = [row for row in several if row["after"] < row["before"]]
    say(
        f"The temperature of the validation part lowers the error on the test part for "
        f"{len(helped)} of {len(several)} systems that give more than one answer."
    )

# %% [markdown]
# ## Do they fail on the same cells?
#
# Cohen's kappa of the errors is 1 where two systems fail on the same images, and 0 where their
# errors meet as often as by chance. Systems that fail together have the same weakness, or the
# images have: wrong labels, poor {term}`stain`, an unusual person. A system that only ever names one class
# is left out: it fails on every image of the other.

# %%
if pools and len(varied) > 1:
    kappas = error_kappas(rights, varied)
    pairs = kappas.where(
        [[i > j for j in range(len(kappas))] for i in range(len(kappas))]
    )
    pairs = pairs.stack().dropna()
    show(
        plot_kappas(kappas),
        caption="Cohen's kappa of the errors of each two systems.",
        alt="Kappa of the errors: "
        + "; ".join(
            f"{a} and {b} {value:.2f}" for (a, b), value in pairs.items()
        )
        + ".",
    )

# %%
if pools and varied:
    failed = common_errors(rights, varied)
    show(
        plot_failures(failed),
        caption="Test images by the number of systems that fail on them.",
        alt="; ".join(
            f"{number} systems: "
            + ", ".join(f"{count} {label}" for label, count in row.items())
            for number, row in failed.iterrows()
        )
        + ".",
    )

# %% tags=["hide-input"]
if pools and varied:
    total = int(failed.to_numpy().sum())
    none, everyone = failed.iloc[0].sum(), failed.iloc[-1]
    flat = [title for title in titles if title not in varied]
    say(
        f"{none / total:.1%} of {total:,} images are right in all {len(varied)} systems, the "
        f"forest included, and {everyone.sum() / total:.1%} in none ("
        + ", ".join(f"{count} {label}" for label, count in everyone.items())
        + ")."
        + (
            f" Left out, with one answer only: {', '.join(flat)}."
            if flat
            else ""
        )
    )

# %% [markdown]
# :::{admonition} Not a medical device
# :class: warning
# No number on this page says how well a patient would be diagnosed.
# :::

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: behaviour-kappa
# Two systems have 90 % accuracy each. How many images can both fail on, at least and at most?
# ```
#
# ```{solution} behaviour-kappa
# :class: dropdown
# Between none and 10 %. By chance 1 % would be expected, where kappa is 0.
# ```
#
# ```{exercise}
# :label: behaviour-by-hand
# Compute Cohen's kappa of the errors of two systems by hand, and compare it with `kappas`. It is the
# agreement beyond chance as a share of what is possible beyond chance, $(a - e) / (1 - e)$, with the
# observed agreement $a$ and the expected one $e$.
# ```
#
# ```{solution-start} behaviour-by-hand
# :class: dropdown
# ```
#
# Two systems agree on an image when both fail on it or neither does. By chance, both happen with
# the product of the two shares.

# %% tags=["solution"]
if pools and len(varied) > 1:
    one, two = (rights[title].lt(0.5) for title in varied[:2])
    agreed = (one == two).mean()
    first, second = one.mean(), two.mean()
    chance = first * second + (1 - first) * (1 - second)
    known = kappas.loc[varied[0], varied[1]]
    if pd.notna(known):
        assert abs((agreed - chance) / (1 - chance) - known) < 1e-9

# %% [markdown]
# Where a system makes no error, there is nothing to agree on, and the table has no value.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("behaviour")

# %% [markdown]
# ## Summary
#
# - Errors come by person: a mean over cells hides whom a system fails.
# - A confident answer is not a calibrated one.
# - Systems that fail on the same cells do not check each other.
#
# **Next**: [what it costs](cost.ipynb).
