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
# # The disease and the question
#
# *What is acute lymphoblastic {term}`leukemia`, and what could a program that looks at single {term}`cells <cell>` say
# about it?* It could say how much a {term}`nucleus` resembles those that were labelled before. A diagnosis
# needs a whole sample, and tests that see more than shape.
#
# :::{admonition} Before you start
# **You will learn** where blood cells come from, what the four main leukemias are, how {term}`ALL` is
# diagnosed and why its old types were given up, why two sources print different shares of childhood
# cancer, and what a classifier of single cells can and cannot be asked.
# **You need** nothing but a little Python; no GPU.
# **Reading time**: about thirty minutes.
# :::
#
# This page is written for students of computing. It explains a disease so far as is needed to judge
# a program, and it is no medical advice. Nothing in this book is a medical device.

# %% tags=["parameters"]
sketch = 3  # seed of the three schematic cells
seed = 5  # seed of the synthetic nuclei without names
counted = 200  # cells that are counted in a smear of marrow

# %%
import pandas as pd
from alllib.figures import plot_montage, say, set_style, show
from alllib.lessons import facts, show_source
from alllib.lessons.blood_figures import (
    describe_lineage,
    plot_apparent,
    plot_cells,
    plot_four,
    plot_lineage,
    plot_shares,
    plot_tests,
)
from alllib.lessons.facts import fact_table
from alllib.tables import style

# %% [markdown]
# ## Blood is made in the bone marrow
#
# Blood cells live for days to months and are made anew all the time, most of them in the
# {term}`bone marrow`. All come from {term}`stem cells <stem cell>`. A stem cell divides into cells
# that are ever more settled on one line and can do ever more of one task. Two lines part early. The
# *lymphoid* line leads to {term}`lymphocytes <lymphocyte>`, which recognise what is foreign. The
# *myeloid* line leads to red cells, to platelets and to the other white cells. The cells on the way
# are called {term}`precursors <precursor>`, the youngest of them {term}`blasts <blast>`. The tree
# below leaves out some branches.

# %% tags=["hide-input"]
set_style()
show(
    plot_lineage(),
    caption="Family tree of the blood cells, simplified. Orange: where a leukemia arises. Filled "
    "blue: the healthy cells of C-NMC 2019 (class HEM).",
    alt=describe_lineage(),
)

# %% [markdown]
# In a healthy person nearly all precursors stay in the marrow, and few of the cells there are blasts.
# Most cells that reach the blood are finished.
#
# ## What leukemia is
#
# In leukemia one blood-forming cell has changed its genes so that its offspring multiply
# and no longer serve. They crowd out the others. Red cells lack, and the patient is pale and tired;
# platelets lack, and the patient bleeds; working white cells lack, and infections follow
# {cite:p}`hunger2015acute`.
#
# The transfer-learning paper says that a rise of the white cells *causes* leukemia
# {cite:p}`garg2021transfer`. It is the other way round: the rise is a consequence, and it may be
# absent. In many patients the number of white cells in the blood is normal or low at first.
#
# The same paper divides leukemias in two ways, and that division stands. It should only be worded
# otherwise than there. *Acute* and *chronic* are no levels of severity: in an {term}`acute leukemia`
# the cells stop ripening and blasts pile up within weeks; in a {term}`chronic leukemia` the cells
# still ripen more or less, and the disease takes years. And the cells are not infected: leukemia is
# no infection. The second division is by line, lymphoid or myeloid.

# %% tags=["hide-input"]
four = facts.load_leukemias()
show(
    plot_four(four),
    caption="The four main leukemias by speed and line; ALL, the one of this book, has a thick "
    "border.",
    alt="; ".join(
        f"{e.speed} and {e.line}: {e.name} ({e.short}), {e.multiplies}, {e.patients}"
        for e in four
    ),
)

# %% [markdown]
# The names in the paper's table are right. *Lymphocytic* and *lymphoblastic* are two words for one
# acute disease; *myelogenous* is an older word for myeloid. Who falls ill is from worldwide estimates
# {cite:p}`daltveit2025leukemia` and from the American Cancer Society {cite:p}`acs2025all`.

# %% tags=["hide-input"]
style(
    fact_table(
        four,
        {"printed": "name in the paper", "speed": "speed", "line": "line"},
    ),
    "Table 1 of the transfer-learning paper, as data.",
)

# %% [markdown]
# ## Lymphocyte, hematogone, blast
#
# ALL is the leukemia of young lymphoid cells. Under the microscope a stained cell shows a
# dark nucleus in a paler rim, the {term}`cytoplasm`. A pathologist looks at the size of both,
# at the outline, at the texture of the {term}`chromatin`, and for paler spots, the
# {term}`nucleoli <nucleolus>`. The cells below are drawn by rules, not photographed.

# %% tags=["hide-input"]
show(
    plot_cells(sketch),
    caption="Three lymphoid cells, schematic, on one scale.",
    alt="Three drawn cells. Mature lymphocyte: the smallest nucleus, dark, with coarse clumps. "
    "Hematogone: a little larger, dark and even, hardly any rim of cytoplasm. Blast: the largest, "
    "finely grained, two paler spots, uneven outline, a broader rim.",
)

# %% [markdown]
# The cell in the middle makes the task hard. A {term}`hematogone` is a *healthy* precursor of B
# lymphocytes: the very stage at which {term}`B-ALL` arises, without the disease. The class {term}`HEM` of
# C-NMC, normal B-lymphoid precursors, seems to be named after it. So the question of these images is not whether a cell is young, but
# whether a young cell is a leukemic one.
#
# Hematogones are no rarity. In a series of marrow specimens that were examined one after the other
# {cite:p}`mckenna2001hematogones` they were found as follows.

# %% tags=["hide-input"]
found = facts.load_findings()
table = pd.DataFrame([(f.what, f"{f.value:.0%}") for f in found])
style(
    table.set_axis(["of the specimens", "share"], axis=1),
    "Hematogones in bone marrow (McKenna and others, 2001).",
)

# %% [markdown]
# They are many in children, and often after chemotherapy, when the marrow recovers: exactly where one
# looks for leukemia that is left. The same study could consistently tell them from blasts by
# {term}`flow cytometry`, with well-chosen markers, not by shape.
#
# How hard it is by shape anyone may try. Three of the nuclei below are of class ALL and three of class
# HEM, matched in size. They are synthetic: they show what the task looks like, and prove nothing about
# real cells. The answer is in an exercise at the end.

# %% tags=["hide-input"]
from alllib.lessons.blood import draw_riddle

pictures, answers = draw_riddle(seed)
names = [chr(ord("a") + n) for n in range(len(pictures))]
show(
    plot_montage(pictures, names),
    caption="Which are blasts? Synthetic nuclei, cut out as in C-NMC 2019.",
    alt=f"{len(pictures)} violet nuclei on black, lettered {', '.join(names)}, of pairwise the same "
    "size; some are grained more coarsely, some have a dent. No class can be read off with "
    "certainty.",
)

# %% [markdown]
# ## Types L1 to L3, and what replaced them
#
# In the nineteen-seventies French, American and British haematologists agreed on types of acute
# leukemia by shape alone, the {term}`FAB classification` {cite:p}`bennett1976fab`. The report prints
# a table of the three types of ALL {cite:p}`mir2019report`. Here it stands beside what the types were
# defined by.

# %% tags=["hide-input"]
fab = facts.load_fab_types()
style(
    fact_table(
        fab,
        {
            "name": "type",
            "printed_cells": "cells, report",
            "cells": "cells, definition",
            "printed_lineage": "lineage, report",
            "lineage": "lineage, found",
            "correction": "so",
        },
    ),
    "FAB types of ALL: table 1 of the report, and the definition.",
)

# %% [markdown]
# Two things are to be corrected. Cells of L3 are alike, not varied. And the column of lineages reads
# as if shape told them: when the group compared, markers of L1 and L2 did not differ, while all L3
# had features of B cells {cite:p}`bennett1981concordance`. The report's entry for L1 and L2, T cell or pre-B cell,
# means no more than that the shape leaves it open.
#
# Nor do observers agree well on L1 and L2. The figures are of the group itself and of another study
# {cite:p}`bennett1981concordance,viana1980reproducibility`.

# %% tags=["hide-input"]
agreements = facts.load_agreements()
table = fact_table(
    agreements, {"study": "study", "observers": "observers", "rule": "rule"}
)
table["slides on which they do"] = [f"{a.share:.0%}" for a in agreements]
style(table, "Agreement on the FAB type of one slide.")

# %% tags=["hide-input"]
low, high = (a.share for a in agreements[:2])
say(
    f"With the same slides and the same definitions the experts who had made them agreed on "
    f"**{low:.0%}**; a score of four features brought that to {high:.0%}. On the "
    f"other {1 - high:.0%} at least two of the seven differed: no agreed truth that a classifier "
    f"could be held to."
)

# %% [markdown]
# The types were given up for another reason. In early studies children with L1 did somewhat better
# than those with L2 {cite:p}`viana1980reproducibility`, but markers and genes tell far more of how the
# disease will go, and what to treat with. Two classifications are in use, that of the World Health
# Organization {cite:p}`alaggio2022who` and the International Consensus Classification
# {cite:p}`duffield2023icc`; they agree in most. Both name a leukemia by its line, B or T, and by its
# genes. What was L3 is nearly always {term}`Burkitt lymphoma` that fills the marrow, a disease of
# mature B cells with a treatment of its own.

# %% tags=["hide-input"]
style(
    fact_table(
        fab, {"name": "FAB type", "became": "what it is counted as today"}
    ),
    "What became of the FAB types.",
)

# %% tags=["hide-input"]
style(
    fact_table(
        facts.load_entities(),
        {
            "name": "type today",
            "change": "what defines it",
            "meaning": "what it means",
        },
    ),
    "Some types of ALL as they are named today.",
)

# %% [markdown]
# None of these types is defined by the look of a cell. The names Early, Pre and Pro of the data set
# B-ALL are stages of B cells, told by flow cytometry {cite:p}`aria2021ball`; in the order of ripening
# they are pro-B, early pre-B, pre-B. A network that answers them from a picture answers something that
# pathologists do not read from pictures.
#
# ## How ALL is diagnosed
#
# The guideline of two American societies names the tests {cite:p}`arber2017workup`; the report has a
# list of its own, after a textbook. Shape is where the way starts, not where it ends.

# %% tags=["hide-input"]
tests = facts.load_tests()
show(
    plot_tests(tests),
    caption="The way to a diagnosis of ALL: what is looked at (slanted) and what it tells. Thick "
    "border: single cells by their shape. Dashes: not named in the report.",
    alt="; ".join(
        f"{n}. {t.name}: {t.looks_at}; tells {t.tells}"
        for n, t in enumerate(tests, start=1)
    ),
)

# %% tags=["hide-input"]
style(
    fact_table(
        tests,
        {
            "name": "test",
            "leaves_open": "what it leaves open",
            "report": "named in the report",
        },
    ),
    "What each test leaves open.",
)

# %% tags=["hide-input"]
missing = [t.name for t in tests if not t.report]
say(
    f"The report does not name **{' and '.join(missing)}**: the two that tell the line and the type "
    f"today. It adds the patient's history, the examination and images of the body, which come "
    f"first. It also says that the tests are subject to human bias; of the microscope that holds "
    f"most, of the others least."
)

# %% [markdown]
# {term}`Flow cytometry` sends cells one by one past a laser and measures which of some dozen stained
# proteins each carries. {term}`Cytogenetics` looks at the chromosomes. Molecular tests look for fused
# genes. Together they say what a picture cannot: B or T, healthy or leukemic, which type, what risk.
# They need costly machines and trained people, and many hospitals lack them
# {cite:p}`ghaderzadeh2021review`. That is the honest reason to ask what pictures can do.
#
# ## How common it is
#
# The report, the poster and the transfer-learning paper open with figures. The ledger of this book
# sets each beside the work that it can be traced to.

# %% tags=["hide-input"]
from alllib.audits import status_table
from alllib.claims import STATUSES, claim_rows, load_claims

asked = (
    "report-cancer-new-cases",
    "report-cancer-deaths",
    "report-all-cases-2015",
    "report-all-deaths-2015",
    "report-all-cases-2019",
    "report-2019-scope",
    "poster-commonest-cancer",
    "poster-commonest-death",
)

# %% tags=["hide-input"]
claims = [claim for claim in load_claims() if claim.id in asked]
table = status_table(claim_rows(claims=claims), *STATUSES)
works = {"mir2019report": "report", "unnithan2021poster": "poster"}
table.insert(0, "source", [works[claim.source] for claim in claims])
style(table, "Figures of the sources, and what they were set beside.")

# %% [markdown]
# The works behind the table are the Global Burden of Disease study {cite:p}`fitzmaurice2017cancer`,
# the yearly forecast of the American Cancer Society {cite:p}`siegel2019cancer`, and two works on
# childhood cancer in the United States {cite:p}`ward2014childhood,curtin2016declines`.

# %% tags=["hide-input"]
counts = facts.load_counts()
new, later = (
    next(c for c in counts if c.year == year and "new" in c.what)
    for year in ("2015", "2017")
)
reported = next(
    c for c in claims if c.id == "report-all-cases-2015"
).published
say(
    f"One figure of the report misleads most. It gives {reported:,} *cases* of ALL in 2015; the "
    f"study estimates {new.value:,} *new* ones. The larger number may be of people who live with the "
    f"disease."
)

# %% [markdown]
# New cases in a year are the {term}`incidence`, people who have the disease at one time its
# {term}`prevalence`. A figure that says neither is of little use.
#
# Newer figures {cite:p}`dong2020leukemia,liu2026burden,acs2025all` follow.

# %% tags=["hide-input"]
table = fact_table(
    counts,
    {
        "what": "what",
        "where": "where",
        "year": "year",
        "source": "source",
        "looked_up": "read in",
    },
)
table.insert(3, "people", [c.value for c in counts])
style(table, "How many people fall ill or die.")

# %% tags=["hide-input"]
say(
    f"World figures are estimates, and they move with the method. The same study has {new.value:,} "
    f"new cases for {new.year} and, in a later edition, {later.value:,} for {later.year}. The first is "
    f"**{new.value / later.value:.1f} times** the second. No disease changes so fast; the reckoning did. "
    f"A figure needs its edition as well as its year."
)

# %% [markdown]
# ### A quarter or a third?
#
# The poster writes that ALL makes a quarter of childhood cancers {cite:p}`unnithan2021poster`, the
# transfer-learning paper that leukemia makes a third {cite:p}`garg2021transfer`. Both leave out the
# age and the country. Three choices move such a share:
#
# - **Which disease** is counted: ALL alone or all leukemias.
# - **Which ages** are childhood: below fifteen or below twenty. Older teenagers have other cancers.
# - **Which cancers** stand below the line: some registries count benign tumours of the brain.
#
# Registries that say all of it {cite:p}`smith1999leukemia,steliarova2017incidence`, and figures of
# institutions {cite:p}`ncipdq,ward2014childhood,lls2019childhood`, show how far that goes.

# %% tags=["hide-input"]
shares = facts.load_shares()
show(
    plot_shares(shares),
    caption="Share of leukemia among the cancers of children. Dotted: the poster's and the "
    "transfer-learning paper's figures.",
    alt="; ".join(
        f"{s.source}, {s.disease}, ages {s.ages}, {s.where}: {s.value:.1%}"
        for s in shares
    ),
)


# %% tags=["hide-input"]
def values(disease, ages):
    """Shares of the sources that name an age, as text."""
    found = sorted(
        s.value for s in shares if (s.disease, s.ages) == (disease, ages)
    )
    low, high = f"{found[0]:.0%}", f"{found[-1]:.0%}"
    return low if low == high else f"{low} to {high}"


say(
    f"Below fifteen all leukemias are **{values('all leukemias', '0 to 14')}** and ALL alone is "
    f"{values('ALL', '0 to 14')}; below twenty all leukemias are "
    f"**{values('all leukemias', '0 to 19')}** and ALL alone {values('ALL', '0 to 19')}. So a third is "
    f"right for all leukemias below fifteen, and a quarter is right twice over: for ALL alone "
    f"below fifteen, and for all leukemias below twenty. The two sources do not contradict each "
    f"other. They count different things and do not say so."
)

# %% [markdown]
# ## From cells to a person
#
# A classifier of cells gives a share of cells. Let $p$ be the true share of blasts in a sample, $s$
# the {term}`sensitivity` for a cell and $c$ the {term}`specificity`. True blasts are called blasts
# with probability $s$, the others by mistake with $1 - c$. The share that is *called* blasts is
#
# $$a = s\,p + (1 - c)(1 - p), \qquad\text{so that}\qquad p = \frac{a + c - 1}{s + c - 1}$$
#
# {cite:p}`rogan1978prevalence`. The second formula corrects the share, if $s$ and $c$ are known for
# *this* sample. As code:

# %% tags=["hide-input"]
from alllib.lessons.blood import apparent_share, chance_of_calls, true_share

show_source(apparent_share, true_share)

# %% [markdown]
# The report's confusion matrix gives both rates {cite:p}`mir2019report`. They are of people that the
# network was trained on, so that they flatter it; suppose they held for others. Beside them stand two
# imaginary classifiers that err more rarely on healthy cells.

# %%
from alllib.recipes import load_recipe

(hit, missed), (alarm, calm) = load_recipe("mir2019-proposed").published[
    "confusion"
]
rates = (hit / (hit + missed), calm / (alarm + calm))
imagined = {
    "rates of the report": rates,
    **{f"specificity {rate}": (0.99, rate) for rate in (0.99, 0.999)},
}
limits, many = (
    facts.load_thresholds(),
    0.2,
)  # a share of blasts to compare with
remission, left = limits

# %% tags=["hide-input"]
show(
    plot_apparent(imagined, {remission.name: remission.share}),
    caption="Cells called blasts against cells that are blasts.",
    alt="; ".join(
        f"{name}: without any blast {apparent_share(0, *r):.1%} are called blasts, with "
        f"{many:.0%} blasts {apparent_share(many, *r):.1%}"
        for name, r in imagined.items()
    )
    + f". A line marks {remission.share:.0%}, the traditional limit of remission.",
)

# %% tags=["hide-input"]
calls = counted * remission.share
chance = chance_of_calls(counted, rates[1], int(calls))
say(
    f"With the report's rates (sensitivity {rates[0]:.1%}, specificity {rates[1]:.1%}) a sample "
    f"*without a single blast* would show **{apparent_share(0, *rates):.1%}** of them. Of {counted} "
    f"healthy cells at least {calls:.0f} would be called blasts with probability {chance:.1%}; that "
    f"share, {remission.share:.0%}, has long been the limit of remission under the microscope. "
    f"Flow cytometry finds {left.share:.2%}. A network with these rates is far from both."
)

# %% [markdown]
# {term}`Remission` is the state in which the disease can no longer be seen; that flow cytometry sees
# it longer, and that this matters, was shown in children with ALL {cite:p}`coustansmith2002clearance`.
# The sum above even helps the network, since it takes cells as independent. Cells of one person
# resemble each other, so that one person gets hardly a false alarm and the next gets hundreds.
#
# ## What such a classifier could be asked
#
# The word for what a system is made for, on whom and by whom, is its {term}`intended use`. Without one
# no accuracy can be judged. For the classifiers of this book:

# %% tags=["hide-input"]
style(
    fact_table(
        facts.load_uses(),
        {
            "question": "question",
            "answer": "answer",
            "needs": "what it would need",
        },
    ),
    "What could be asked of a classifier of single cells.",
)

# %% [markdown]
# Two of the rows need a word. A test is tried on a *{term}`spectrum`* of people {cite:p}`ransohoff1978spectrum`.
# Where the ill are plainly ill and the others healthy, any test shines; in a clinic there are children
# with infections, with other leukemias, and after chemotherapy. The images here hold two kinds of
# people and cells that somebody chose. And a network with two answers gives one of the two: shown a
# myeloblast it says ALL or HEM, often with a high probability.
#
# What would be evidence? In this order, each step only after the one before:
#
# 1. people that were not trained on, {term}`split` by person, with intervals by person;
# 2. other laboratories, {term}`stains <stain>` and microscopes, scored once;
# 3. samples as they come, one after another, with flow cytometry as the truth, and everybody counted
#    whose sample could not be used;
# 4. a trial in which decisions are made with and without the system, and patients are followed.
#
# The works that this book looks at end at step one or before. A review of machine learning for
# leukemia found, when it was written, no study that had tried a system forward in time in a clinic
# {cite:p}`salah2019machine`. This book is about step one, and about how rarely it was taken.
#
# ## Who may be harmed

# %% tags=["hide-input"]
style(
    fact_table(
        facts.load_harms(),
        {"matter": "matter", "danger": "danger", "here": "in this project"},
    ),
    "What may go wrong, and what is done about it here.",
)

# %% [markdown]
# That a network learns the laboratory is no fancy. In a large collection of tissue images a network
# could tell which hospital had sent a slide, even after the colours had been normalised, and {term}`scores <score>`
# were too good where one hospital stood on both sides of the split {cite:p}`howard2021site`. In C-NMC
# each person belongs to one class, so that whatever marks a person marks the class.
#
# Overselling has a cause too: a figure on a public set is quick to raise and hard to turn into help
# {cite:p}`varoquaux2022failures`. The transfer-learning paper calls its network commendable for use in
# healthcare {cite:p}`garg2021transfer`; nothing in it shows that.
#
# :::{admonition} Not a medical device
# :class: warning
# In the European Union software that is meant to give information on a disease from a sample of a
# person is an in vitro diagnostic device and needs proof of safety and performance
# {cite:p}`ivdr2017`; other countries have rules of the same kind. Nothing of this project has such a
# proof or seeks it. It is made to teach and to check published results. No decision about a person may
# rest on it.
# :::
#
# ## Exercises
#
# ```{exercise}
# :label: disease-share
# The Leukemia & Lymphoma Society gives ALL and all leukemias for the same ages and years. Which share
# of the leukemias is ALL? Apply it to the share of all leukemias below fifteen in the international
# registries. Do you get the poster's figure?
# ```
#
# ```{solution-start} disease-share
# :class: dropdown
# ```
#
# Shares of one whole may be divided, and multiplied by another. (Worldwide ALL is a somewhat smaller
# part of the leukemias below twenty {cite:p}`daltveit2025leukemia`.)

# %% tags=["solution"]
by_key = {(s.source.split()[0], s.disease, s.ages): s.value for s in shares}
among = (
    by_key["Leukemia", "ALL", "0 to 19"]
    / by_key["Leukemia", "all leukemias", "0 to 19"]
)
young = by_key["International", "all leukemias", "0 to 14"]
poster = by_key["the", "ALL", "childhood"]
say(f"{among:.0%} of {young:.0%} is {among * young:.1%}.")
assert abs(among * young - poster) < 0.01

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: disease-specificity
# Which specificity must a classifier have at least, so that of the healthy cells fewer are called
# blasts than the limit of remission, and fewer than flow cytometry finds? How many mistakes in a
# million healthy cells are that?
# ```
#
# ```{solution-start} disease-specificity
# :class: dropdown
# ```
#
# Without blasts the share of calls is one minus the specificity, so that it must stay below the limit.

# %% tags=["solution"]
for limit in limits:
    needed = 1 - limit.share
    assert apparent_share(0, 1.0, needed) <= limit.share + 1e-12
    assert apparent_share(0, 1.0, needed - 0.001) > limit.share
    say(
        f"{limit.name}: a specificity of {needed:.4f}, or {limit.share * 1e6:,.0f} mistakes in a "
        f"million cells."
    )
assert rates[1] < 1 - remission.share

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: disease-riddle
# Which of the six nuclei above are blasts? Write down your answer first. Then measure each nucleus's
# area and the deviation of its green value, and see whether either would have told you.
# ```
#
# ```{solution-start} disease-riddle
# :class: dropdown
# ```
#
# The areas were matched, so that they cannot help; the grain helps a little, and is no proof.

# %% tags=["solution"]
from alllib.cropping import find_nucleus

rows = []
for name, picture, label in zip(names, pictures, answers, strict=True):
    inside = picture[find_nucleus(picture)]
    rows.append((name, label, len(inside), inside[:, 1].std()))
table = pd.DataFrame(
    rows, columns=["nucleus", "class", "area", "deviation of green"]
)
area = table.groupby("class").area.mean()
assert abs(area["ALL"] / area["HEM"] - 1) < 0.05
style(table, "The answer, and two numbers of each nucleus.")

# %% [markdown]
# ```{solution-end}
# ```
#
# ```{exercise}
# :label: disease-spectrum
# A group reports a sensitivity and a specificity of its network, tried on cells of children with ALL
# at diagnosis and of healthy donors. Name three kinds of people whose cells lack, and say for each
# which of the two rates may fall.
# ```
#
# ```{solution} disease-spectrum
# :class: dropdown
# Children after chemotherapy, whose marrow is full of hematogones: the specificity. Patients with
# acute *myeloid* leukemia, whose blasts are no lymphoblasts: what is right there has to be said first,
# and any answer of two is wrong. Children with a viral infection, whose lymphocytes are large and
# uneven: the specificity. Patients with few blasts at an early stage or in relapse: the sensitivity,
# because their cells may differ from the typical ones.
# ```
#
# ## Quiz

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("disease")

# %% [markdown]
# ## Summary
#
# - In ALL young lymphoid cells multiply in the marrow. Their healthy doubles, the hematogones, look
#   alike; flow cytometry tells them apart.
# - The FAB types of the report are history. Types are named by line and genes, which the shape of a
#   cell does not settle.
# - A quarter and a third of childhood cancers are both right, of different diseases and ages.
# - A few per cent of false alarms on cells make a result on a person impossible.
# - An accuracy means something only with an intended use, a spectrum of people and a split by person.
#
# **Next**: [learning from examples](learning.ipynb), where a program is taught with labelled cells.
