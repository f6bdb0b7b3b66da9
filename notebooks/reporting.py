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
# # Reporting
#
# *What must be said of a classifier, so that somebody else can judge it?* How often it is right on
# each class, what its answers mean where the disease is rare, how sure all that is, and everything
# that a reader cannot find out alone.
#
# :::{admonition} Before you start
# **You will learn** which numbers a physician asks for and how to compute them, why an accuracy
# and an F1 hide what matters, and how model cards and two guidelines order a report.
# **You need** [how sure a number is](uncertainty.ipynb) and [the results](results.ipynb); no GPU.
# **Reading time**: about thirty minutes.
# :::

# %% tags=["parameters"]
recipe = (
    "unnithan2021-2x2"  # recorded run to report; empty: the demonstration
)
threshold = 0.5  # probability from which on a cell is called positive
resamples = 2000  # of the intervals
seed = 1  # of the intervals

# %%
import numpy as np
import pandas as pd
from alllib.calibration import choose_threshold, part_predictions
from alllib.datasets import get_dataset
from alllib.evaluation import score_predictions
from alllib.figures import plot_confusion, say, set_style, show
from alllib.interactive import show_interactive
from alllib.lessons import medicine, show_source
from alllib.lessons.checklists import checklist_markdown, count_items
from alllib.lessons.model_card import model_card
from alllib.lessons.reporting_figures import (
    benefit_curves,
    plot_benefit,
    plot_curves,
    plot_f_scores,
    plot_predictive,
)
from alllib.quiz import show_quiz
from alllib.tables import interval, style
from IPython.display import Markdown, display
from sklearn.metrics import auc

# %% [markdown]
# ## The example
#
# A run that was recorded on real images, scored on people whom the network had not seen. Where none
# is kept, the demonstration network stands in, which knows synthetic cells only. Neither is a medical
# device; they serve to show how numbers are read.

# %%
set_style()
record = medicine.example_record(recipe)
run = record.run
dataset = get_dataset(run["dataset"])
positive, negative = (
    dataset.positive,
    *(label for label in dataset.classes if label != dataset.positive),
)
scores, truth = medicine.scores_of(record.predictions, positive)

# %% tags=["hide-input"]
people = run["metrics"]["groups"]
say(
    f"**{run['recipe_text']['title']}** on {dataset.title}, run `{run['id']}` of "
    f"{run['finished'][:10]}: {len(scores):,} cells of {people[positive]} subject groups with "
    f"{positive} and {people[negative]} with {negative}. Positive is {positive}."
)

# %% [markdown]
# ## Four counts
#
# At a {term}`threshold`, every cell is one of four: a hit (true positive, $TP$), a miss (false
# negative, $FN$), a false alarm (false positive, $FP$), or clear (true negative, $TN$).

# %%
show_source(medicine.count_decisions)

# %%
counts = medicine.count_decisions(scores, truth, threshold)
matrix = [[counts.hits, counts.misses], [counts.alarms, counts.clear]]
names = [positive, negative]
show(
    plot_confusion(matrix, names),
    caption=f"Decisions at a threshold of {threshold}.",
    alt=f"{counts.hits} hits, {counts.misses} misses, {counts.alarms} false alarms, "
    f"{counts.clear} clear.",
)

# %% [markdown]
# The rates that describe the *classifier* divide by the row, that is by the truth:
#
# $$\text{sensitivity} = \frac{TP}{TP + FN}, \qquad
#   \text{specificity} = \frac{TN}{TN + FP}, \qquad
#   \text{accuracy} = \frac{TP + TN}{TP + TN + FP + FN}.$$ (eq-rates)
#
# The report defines the accuracy in words, as right predictions by all predictions
# {cite:p}`mir2019report`, which is the same. The transfer-learning paper prints the fraction
# {cite:p}`garg2021transfer`; one entry of its denominator is misprinted, $(-\!-\,+)$ for $(-\,-)$. Its
# numbers are put in correctly:

# %%
from alllib.recipes import load_recipe

printed = load_recipe("garg2021-vgg19").published
(tp, fn), (fp, tn) = printed["confusion"]
garg = medicine.Counts(tp, fn, fp, tn)

# %% tags=["hide-input"]
say(
    f"({garg.hits:,} + {garg.clear:,}) / ({garg.hits:,} + {garg.clear:,} + {garg.alarms} + "
    f"{garg.misses}) = {garg.accuracy:.4f}, printed as {printed['accuracy']:.4f}. Both classes are "
    f"equally frequent there ({garg.prevalence:.1%} positive), which is not so in any published "
    f"part of {dataset.title}."
)

# %% [markdown]
# What stands behind that matrix is asked [elsewhere](audit_transfer.ipynb).
#
# ## Intervals first
#
# A rate without an interval is half a report. People are drawn, not cells
# ([why](uncertainty.ipynb)).

# %%
found = score_predictions(
    record.predictions, positive=positive, resamples=resamples, seed=seed
).metrics
from alllib.coverage import accuracy_interval

better = accuracy_interval(record.predictions)
rows = [
    (name, interval(vars(found[name])))
    for name in ("sensitivity", "specificity", "precision", "accuracy")
]
rows.append(("accuracy, Student's t by groups", interval(vars(better))))
style(
    pd.DataFrame(rows, columns=["metric", "value (95 % interval)"]),
    "Rates of the example.",
)

# %% tags=["hide-input"]
rare = min(people, key=people.get)
say(
    f"The {'specificity' if rare == negative else 'sensitivity'} comes from **{people[rare]} groups "
    f"of {rare}**. The bootstrap draws from these few again and again, so its interval is too narrow; "
    "the t interval says so for the accuracy. None of this can be mended by more cells of the same "
    "people."
)

# %% [markdown]
# ## What a positive answer means
#
# Somebody who gets an answer asks the other way round: this cell was called positive, is it? That
# is the {term}`positive predictive value` ($PPV$), and the {term}`negative predictive value`
# ($NPV$) for the other answer. Both depend on the {term}`prevalence` $\pi$, the share of the
# disease among those examined {cite:p}`altman1994predictive`. With sensitivity $s$ and specificity
# $c$:
#
# $$PPV = \frac{s\,\pi}{s\,\pi + (1 - c)(1 - \pi)}, \qquad
#   NPV = \frac{c\,(1 - \pi)}{c\,(1 - \pi) + (1 - s)\,\pi}.$$ (eq-predictive-values)
#
# Precision is the PPV at the prevalence of the images scored, and at no other. Which prevalence is
# real? The images were chosen; a marrow is not. Two shares of leukemic cells on which decisions
# depend {cite:p}`sandlund2002persistence,borowitz2008mrd`, beside that of the images:

# %%
show_source(medicine.predictive_values)

# %%
settings = {"images scored": counts.prevalence}
settings |= {
    fact["name"]: fact["share"] for fact in medicine.prevalence_facts()
}
sure = counts.sensitivity, counts.specificity
rows = []
for name, share in settings.items():
    ppv, npv = medicine.predictive_values(*sure, share)
    called = share * sure[0] + (1 - share) * (1 - sure[1])
    rows.append((name, f"{share:.2%}", f"{ppv:.2%}", f"{npv:.2%}", called))
table = pd.DataFrame(
    rows, columns=["cells of", "share", "PPV", "NPV", "called positive"]
)
table["called positive"] = table["called positive"].map("{:.1%}".format)
style(table, "Predictive values at three shares of leukemic cells.")

# %%
told = "; ".join(f"{row[0]}: PPV {row[2]}, NPV {row[3]}" for row in rows)
show(
    plot_predictive(*sure, settings),
    caption="Predictive values by the share of leukemic cells, logarithmic.",
    alt=f"The positive value falls with the share, the negative one rises. {told}.",
)

# %% tags=["hide-input"]
lowest = min(settings, key=settings.get)
ppv, _ = medicine.predictive_values(*sure, settings[lowest])
say(
    f"On the images {rows[0][2]} of the positive answers are right. Where one cell in "
    f"{1 / settings[lowest]:,.0f} is leukemic, {ppv:.2%} are: about **{(1 - ppv) / ppv:,.0f} false "
    f"alarms for each hit**, and {rows[-1][4]:.0%} of all cells called positive, nearly the same as with "
    "no leukemic cell at all. The network did not get worse; the question got harder."
)

# %% [markdown]
# Two cautions. This carries sensitivity and specificity over to other cells, which a rule of
# arithmetic cannot justify: in a marrow that recovers from treatment
# {term}`hematogones <hematogone>` are many, and they look like blasts. And a cell is not a person: a verdict on a person needs many
# cells, whose errors are alike.
#
# ### Likelihood ratios
#
# The same in odds, where it is a product {cite:p}`deeks2004likelihood`: odds after = odds before
# $\times$ {term}`likelihood ratio`, with
#
# $$LR^{+} = \frac{s}{1 - c}, \qquad LR^{-} = \frac{1 - s}{c}.$$

# %%
up, down = medicine.likelihood_ratios(*sure)
before = settings[lowest] / (1 - settings[lowest])
after = before * up

# %% tags=["hide-input"]
say(
    f"A positive answer multiplies the odds by **{up:.1f}**, a negative one by **{down:.2f}**. "
    f"Odds of {before:.1e} become {after:.1e}, a probability of {after / (1 + after):.2%}, as above."
)

# %% [markdown]
# ## F1, and what it hides
#
# The {term}`F1 score` is the harmonic mean of precision and sensitivity,
#
# $$F_1 = \frac{2\,TP}{2\,TP + FP + FN}.$$ (eq-f1)
#
# It does not know $TN$, it depends on the prevalence, and it changes when the classes change names
# {cite:p}`chicco2020advantages`.

# %%
swapped = medicine.Counts(
    counts.clear, counts.alarms, counts.misses, counts.hits
)
share = counts.prevalence
all_positive = 2 * share / (1 + share)
rows = [
    (f"F1 of {positive}", medicine.f_score(counts)),
    (f"F1 of {negative}", medicine.f_score(swapped)),
    (f"F1 of {positive}, every cell called {positive}", all_positive),
    ("weighted F1", found["weighted_f1"].value),
    ("Matthews correlation", medicine.matthews(counts)),
]
style(pd.DataFrame(rows, columns=["score", "value"]), "Five scores.")

# %%
show(
    plot_f_scores(*sure, share),
    caption="F1 of the positive class by prevalence.",
    alt=f"Both curves rise with the share. At {share:.0%}: this classifier "
    f"{rows[0][1]:.2f}, calling all positive {all_positive:.2f}.",
)

# %% tags=["hide-input"]
say(
    f"Calling every cell {positive} has an F1 of **{all_positive:.2f}** without looking at one; the "
    f"classifier's {rows[0][1]:.2f} should be read above that. The {positive} class "
    f"gets {rows[0][1]:.2f}, the other {rows[1][1]:.2f}, from the same four counts. The "
    f"correlation {rows[4][1]:.2f} uses all four and would be zero for calling all alike."
)

# %% [markdown]
# The challenge of C-NMC ranked by {term}`weighted F1`. Where a report gives it alone, ask for the four
# counts; nothing is lost in them.
#
# ## All thresholds at once
#
# The {term}`ROC` curve draws sensitivity against false alarms for every threshold; its area, the
# {term}`AUC`, is how often a positive cell scores above a negative one. It does not depend on the
# prevalence. Precision against sensitivity does, and where positives are rare it shows what the ROC
# curve does not {cite:p}`saito2015precision`.

# %%
show_source(medicine.roc_points, medicine.precision_recall)

# %%
alarms, hits = medicine.roc_points(scores, truth)
area = auc(alarms, hits)
show(
    plot_curves(scores, truth, threshold),
    caption=f"ROC and precision-recall curve; the dot is the threshold {threshold}.",
    alt=f"Area under the ROC curve {area:.3f}. The dot lies at sensitivity {sure[0]:.2f} and "
    f"false alarms {1 - sure[1]:.2f}, precision {found['precision'].value:.2f}.",
)

# %% [markdown]
# ### Choosing a threshold
#
# A threshold is fitted, so it is chosen on the validation part and tried once on the test part. We
# ask for a sensitivity on the validation part:

# %%
wanted = 0.95
both = part_predictions(record)
chosen = choose_threshold(both, positive, sensitivity=wanted)
tried = medicine.count_decisions(scores, truth, chosen.value)

# %% tags=["hide-input"]
say(
    f"From **{chosen.value:.2f}** on, the validation part has a sensitivity of "
    f"{chosen.sensitivity:.3f} and a specificity of {chosen.specificity:.3f}. On the test part the same "
    f"threshold has {tried.sensitivity:.3f} and {tried.specificity:.3f}: "
    + (
        "the promise was kept."
        if tried.sensitivity >= wanted
        else "the promise was not kept. Other people, other cells."
    )
)

# %% [markdown]
# Move the threshold and the share of the disease yourself:

# %% tags=["hide-input"]
data = {
    "positive": positive,
    "negative": negative,
    "scores": {
        "positive": np.round(scores[truth], 3).tolist(),
        "negative": np.round(scores[~truth], 3).tolist(),
    },
}
show_interactive(
    "threshold",
    data,
    text="Two sliders, the threshold and the share of the disease, with the four counts, "
    "sensitivity, specificity and both predictive values.",
)

# %% [markdown]
# ## Is it worth acting on?
#
# A {term}`decision curve` {cite:p}`vickers2006decision` puts a price on an error. Who acts from a
# probability $t$ on accepts $(1 - t)/t$ false alarms for a hit. The {term}`net benefit` of $n$ cells
# counts hits, less alarms at that price:
#
# $$NB(t) = \frac{TP}{n} - \frac{FP}{n} \cdot \frac{t}{1 - t}.$$

# %%
show_source(medicine.net_benefit)

# %%
cuts = np.linspace(0.02, 0.95, 94)
curves = benefit_curves(scores, truth, cuts)
gain = curves["by the classifier"] - np.maximum(
    curves["on every cell"], curves["on none"]
)
worth = cuts[gain > 0]
span = f"{worth.min():.2f} to {worth.max():.2f}" if len(worth) else "nowhere"
show(
    plot_benefit(curves, cuts),
    caption="Net benefit of acting by the classifier, on every cell, and on none.",
    alt=f"The classifier lies above both simple policies for thresholds {span}.",
)

# %% tags=["hide-input"]
say(
    f"For thresholds **{span}** the classifier is better than acting on every cell or on none "
    "(between them it may fall below for single values). Below, one had better examine every cell. This "
    "takes the prevalence of the images; at another share the curve must be drawn again, and it "
    "needs probabilities that mean what they say."
)

# %% [markdown]
# That last condition is {term}`calibration`, measured in [how sure a number is](uncertainty.ipynb).
# Which metric fits which question is a subject of its own {cite:p}`maierhein2024metrics`.
#
# ## A model card
#
# A {term}`model card` {cite:p}`mitchell2019model` says in one page what a model is, for what, and how
# good for whom. This is that of the network which comes with the package, written by
# `alllib.lessons.model_card` from its record; every figure is read from there.

# %% tags=["hide-input"]
from alllib.demonstration import demonstration_folder
from alllib.records import read_record

card = model_card(read_record(demonstration_folder()), level=0)
display(Markdown(card))

# %% [markdown]
# ## Two guidelines
#
# {term}`CLAIM` {cite:p}`tejani2024claim` lists what a paper on artificial intelligence in medical
# imaging should say, {term}`TRIPOD+AI` {cite:p}`collins2024tripodai` what one on a prediction model
# should. The items are put here in our own short words; the originals explain each. "Answered" says
# that a page exists, and not that the answer is good: many answers are that the publishers of the
# images do not say.

# %% tags=["hide-input"]
claim, tripod = count_items("claim2024"), count_items("tripodai")
say(
    f"CLAIM has {claim['main']} items, of which a page of this book answers {claim['answered']}; "
    f"TRIPOD+AI has {tripod['main']} with {tripod['rows']} parts, of which {tripod['answered']}. "
    f"{claim['apart'] + tripod['apart']} do not apply here, and **{claim['open'] + tripod['open']} are "
    "open**: they apply, and nobody here can answer them. The tables say why."
)

# %% [markdown]
# ### CLAIM

# %% tags=["hide-input"] mystnb={"markdown_format": "myst"}
display(Markdown(checklist_markdown("claim2024")))

# %% [markdown]
# ### TRIPOD+AI

# %% tags=["hide-input"] mystnb={"markdown_format": "myst"}
display(Markdown(checklist_markdown("tripodai")))

# %% [markdown]
# The gaps are the same in both: no age, no sex, no place, no second hospital, no agreement of those
# who named the cells. No metric makes up for them.
#
# ## Exercises
#
# ```{exercise}
# :label: reporting-specificity
# What specificity would be needed so that, with the sensitivity of the example, half of the positive
# answers are right where one cell in ten thousand is leukemic? Solve the formula of the PPV for
# $c$.
# ```
#
# ```{solution-start} reporting-specificity
# :class: dropdown
# ```
#
# Half are right when hits and alarms are equally many: $s\,\pi = (1 - c)(1 - \pi)$, so
# $c = 1 - s\,\pi / (1 - \pi)$.

# %% tags=["solution"]
small = 1e-4
needed = 1 - counts.sensitivity * small / (1 - small)
ppv, _ = medicine.predictive_values(counts.sensitivity, needed, small)
assert abs(ppv - 0.5) < 1e-9
print(f"{needed:.6f} instead of {counts.specificity:.3f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: reporting-recompute
# Compute sensitivity, specificity and F1 of HEM from the confusion matrix that the report prints, and
# compare with the precision and recall that it prints beside it. Whose are they?
# ```
#
# ```{solution-start} reporting-recompute
# :class: dropdown
# ```
#
# The recipe has the matrix; its first row is ALL, its second HEM.

# %% tags=["solution"]
table = load_recipe("mir2019-proposed").published
(tp, fn), (fp, tn) = table["confusion"]
blast, healthy = (
    medicine.Counts(tp, fn, fp, tn),
    medicine.Counts(tn, fp, fn, tp),
)
precision = healthy.hits / (healthy.hits + healthy.alarms)
assert round(healthy.sensitivity, 2) == table["recall"]
assert round(precision, 2) == table["precision"]
print(f"of HEM: precision {precision:.3f}, recall {healthy.sensitivity:.3f}")
print(f"sensitivity for ALL {blast.sensitivity:.3f}, F1 of HEM", end=" ")
print(f"{medicine.f_score(healthy):.3f}")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: reporting-benefit
# Draw the decision curve of the example at a prevalence of one in a hundred, with the same
# sensitivity and specificity at each threshold. From which threshold on is acting by the classifier
# better than acting on none? What does that say?
# ```
#
# ```{solution-start} reporting-benefit
# :class: dropdown
# ```
#
# `net_benefit` takes the prevalence; sensitivity and specificity are counted at each threshold.

# %% tags=["solution"]
each = [medicine.count_decisions(scores, truth, cut) for cut in cuts]
rates = np.array([(one.sensitivity, one.specificity) for one in each]).T
rarely = medicine.net_benefit(*rates, prevalence=0.01, threshold=cuts)
usual = medicine.net_benefit(*rates, prevalence=share, threshold=cuts)
assert (rarely <= usual + 1e-12).all()
helps = cuts[rarely > 0]
print(
    f"better than none at {len(helps)} of {len(cuts)} thresholds, at most "
    f"{rarely.max():.4f} hits a cell"
)

# %% [markdown]
# ```{solution-end}
# ```
#
# ## Quiz

# %% tags=["hide-input"]
show_quiz("reporting")

# %% [markdown]
# ## Summary
#
# - Sensitivity and specificity describe the classifier; predictive values describe an answer, and
#   change with the prevalence.
# - An accuracy or an F1 alone hides the four counts, and the counts hide how few people there are.
# - A threshold belongs to the validation part and to a purpose; a decision curve shows for which
#   purposes the classifier helps.
# - A model card and a guideline make a report complete. They do not make it good.
#
# **Next**: [your own images, your own network](your_own.ipynb).
