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
# # The ledger
#
# *Which statements of the five sources hold?* Every count, formula, layer, setting and result that
# can be checked stands here as a row of its own, with what was printed, what a check computed or set
# beside it, and what follows.
#
# :::{admonition} Before you start
# **You will learn** what a {term}`claim` is, how it is checked, and what its status does and does not say.
# **You need** no image and no GPU: a check computes from the official file list, from a network
# that it builds, or from measurements that are kept with the book. **Reading time**: about five minutes,
# and as long as you like in the table.
# :::

# %% tags=["parameters"]
source = ""  # key of one source, like mir2019report; empty: all five

# %% [markdown]
# ## From a statement to a status
#
# A claim is one statement of one source: its place, its value as printed, and a **check**. A check
# computes its own value, or sets the printed one beside another print: a cited work, another page of
# the source. The row names its check, and checks of the second kind begin with `elsewhere`. The
# comparison of the two values gives the status.
#
# | status | what it says |
# |---|---|
# | confirmed | the check's value is the printed one, within the rounding or tolerance that the row names |
# | contradicted | data, arithmetic, code or the literature say otherwise |
# | inconsistent | it cannot stand beside another claim of the same or another source; where it can be told, the row says which of the two holds |
# | reproduced | a {term}`run` with every setting of the source gives the same result, by [a written rule](uncertainty.ipynb) |
# | not reproduced | such a run gives another result |
# | cannot be known | the check lacks something, and the row says what would settle it |
#
# On the images of four of the sources few people can be scored, and what that adds to the tolerance
# of the rule is by itself more than the widest that lets two results be called the same. A single
# run can contradict a published accuracy there, and can hardly reproduce it; the source's own
# record or predictions would settle it.
#
# Some rows begin with *implied*: the source does not say it, but its numbers, code or tables imply
# it, or the name that it gives to a thing does. A part that is called a test, for instance, stands
# apart from the training. Such rows are counted by themselves.
#
# *Confirmed* means that a statement holds, and not that a method is sound: a confusion matrix may
# add up and still have been scored on images that chose the network. *Contradicted* is said of a
# statement and never of its authors.

# %%
from alllib.claims import claim_rows
from alllib.figures import say, set_style, show
from alllib.ledger import count_statuses, ledger_html, plot_statuses
from alllib.tables import style
from IPython.display import HTML

# %%
set_style()
rows = claim_rows(source or None)
stated = [row for row in rows if not row["implied"]]
implied = [row for row in rows if row["implied"]]
counts = count_statuses(stated)

# %% [markdown]
# ## How many of each
#
# The five sources differ in length, so the bars compare what was found within a source, and say
# little about one source against another.

# %%
told = [
    f"{row['source']}: "
    + ", ".join(
        f"{row[name]} {name}" for name in counts.columns[1:-1] if row[name]
    )
    for row in counts.to_dict("records")
    if row["all"]
]
show(
    plot_statuses(stated),
    caption="What the sources state, by source and status.",
    alt="; ".join(told) + ".",
)

# %%
style(counts, "What the sources state, by source and status.")

# %% [markdown]
# And apart from these, what they do not say themselves:

# %%
style(count_statuses(implied), "What they imply, by source and status.")


# %% tags=["hide-input"]
def decided(some):
    """Rows that have a verdict, and those of them that hold."""
    found = [row for row in some if row["status"] != "cannot be known"]
    good = ("confirmed", "reproduced")
    return found, [row for row in found if row["status"] in good]


checked, holding = decided(stated)
others, right = decided(implied)
say(
    f"Of **{len(stated)}** statements, {len(checked)} could be decided, and **{len(holding)}** of "
    f"these hold. {len(stated) - len(checked)} cannot be known yet, or at all; each says why. Of "
    f"{len(implied)} things that are implied, {len(others)} could be decided and {len(right)} hold: "
    "they were written down because something follows from them, often from their failing."
)

# %% [markdown]
# What a statement is about matters more than who made it: networks can be built again and counted,
# images can be counted, and a training result needs a training.

# %% tags=["hide-input"]
about = {
    "networks": ("architecture", "parameters"),
    "images and how they were treated": ("count", "ratio", "procedure"),
    "results": ("result",),
}
for name, kinds in about.items():
    mine = [row for row in checked if row["kind"] in kinds]
    right = sum(row in holding for row in mine)
    say(f"- Of {len(mine)} decided statements about {name}, {right} hold.")

# %% [markdown]
# ## Every claim
#
# Type a word, or choose a source, a kind or a status. The filters run in your browser and need no
# kernel; without JavaScript the table shows everything. Numbers that come from the real images
# were measured once and are kept with the book: their rows name the images, the day and the
# machine.

# %%
HTML(ledger_html(rows, bibliography="../book/bibliography.html"))

# %% [markdown]
# ## Every equation
#
# The sources print few equations and say many in words, in listings, or by the numbers of a table.
# Whoever builds what they built has to write each of them down. The book has them all, right where
# they were wrong and whole where they were not; the last column leads there.

# %%
from alllib.lessons.equations import (
    equation_counts,
    equation_table,
    load_equations,
)

equations = load_equations()
style(
    equation_counts(equations),
    "Equations of the sources, by how they are given.",
)

# %%
style(equation_table(equations), "Every equation of the five sources.")

# %% tags=["hide-input"]
formulas = [row for row in equations if row.form == "formula"]
faulty = [row for row in formulas if row.holds == "corrected"]
say(
    f"Of **{len(equations)}** rows {len(formulas)} are printed as formulas; {len(faulty)} of these "
    "had to be corrected, most of them for an index, a letter or a sign."
)

# %% [markdown]
# ## What a row cannot tell
#
# A row is about one statement. How statements hang together, and what it means for a reader who
# wants to build on a source, is told in the audit of that source. What was neither stated nor
# implied has no row: a source that says less has fewer claims that can fail.

# %% [markdown]
# ## Exercises
#
# ```{exercise}
# :label: claims-json
# Print all claims of the report that are inconsistent with another one, in a form that a program
# can read.
# ```
#
# ```{solution} claims-json
# :class: dropdown
# `alllib claims --source mir2019report --json` gives every row of the report; keep those whose
# `status` is `inconsistent`.
# ```
#
# ```{exercise}
# :label: claims-kinds
# Of the statements that could be decided, which kind holds most often, and which least? Count with
# `checked` and `holding`, and say why a share by kind has to be read with its number.
# ```
#
# ```{solution-start} claims-kinds
# :class: dropdown
# ```
#
# Each row names its kind, so two counters are enough; a kind of which nothing holds counts zero.

# %% tags=["solution"]
from collections import Counter

decided_of = Counter(row["kind"] for row in checked)
held_of = Counter(row["kind"] for row in holding)
shares = {kind: held_of[kind] / n for kind, n in decided_of.items()}
assert sum(decided_of.values()) == len(checked)
assert all(0 <= share <= 1 for share in shares.values())
say(
    "; ".join(
        f"{kind}: {held_of[kind]} of {decided_of[kind]}"
        for kind in sorted(shares, key=shares.get, reverse=True)
    )
)

# %% [markdown]
# Some kinds have a handful of rows, and one row more would change their share a great deal.
#
# ```{solution-end}
# ```
#
# ## Quiz
#
# An answer unfolds when you choose it, and says why it is right or not.

# %% tags=["hide-input"]
from alllib.quiz import show_quiz

show_quiz("claims")

# %% [markdown]
# ## Summary
#
# - A claim has a place, a printed value, a check and a status.
# - What is implied and not stated is marked so, and counted apart.
# - A check computes, or names the other print it was compared with.
# - *Cannot be known* is a result, and it comes with what would settle it.
#
# **Next**: [the verdict](verdict.ipynb) on 61, 93 and 99 %.
