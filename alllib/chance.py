"""How many pairs would be found by chance, judged on other pairs than those it is said of.

The line between one cell and two was drawn on C-NMC 2019, above every pair that fits only
turned or mirrored. To count such pairs above that line would say nothing: there is none because
the line lies there. Two estimates do not depend on it.

*Halves*: the line is drawn anew on one half of the subjects and the turned pairs are counted
above it in the other half. *Classes*: an image of one class is compared with images of the
other classes, which show no cell twice where no image is labelled wrongly. (Cells of two
classes differ more than two of one class, so this is the milder test.)
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy.stats import chi2

from .duplicates import Duplicates, compare_images, is_same

__all__ = ["expect_chance", "halve_pairs", "search_across"]

DIFFERENT = 0.6  # likeness below which a pair surely shows two cells
STEP = 0.05  # the line is drawn at the next such step above every turned pair
LEAST = 30  # turned pairs without which a half says nothing


def expect_chance(cells: pd.DataFrame, duplicates: Duplicates) -> dict:
    """Both estimates of chance pairs.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    duplicates : Duplicates
        Found in it.

    Returns
    -------
    dict
        `halves` (see `halve_pairs`) and `classes` (see `search_across`), each None where it
        cannot be had.

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    return {"halves": halve_pairs(cells, duplicates), "classes": search_across(cells)}


def halve_pairs(
    cells: pd.DataFrame, duplicates: Duplicates, *, halvings: int = 100, seed: int = 2019
) -> dict | None:
    """Draw the line on one half of the subjects, and count chance pairs in the other half.

    Different cells fit best in any of eight orientations. Where nobody turned an image, pairs
    that fit only turned or mirrored are chance likenesses, and the plainly different pairs of
    the first half tell how many fit as they are for each that is turned. The turned pairs above
    the line in the second half, times that, are the chance ones to be expected there.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table; without subjects, images are halved.
    duplicates : Duplicates
        Found in it.
    halvings : int
        Random halvings; each half judges the other.
    seed : int
        Of the halvings.

    Returns
    -------
    dict or None
        `halvings`; `line` (lowest, mean and highest line drawn); over all halvings the mean
        numbers of `pairs` that fit as they are and lie above the line, and of `turned`
        pairs there; `factor` (pairs that fit as they are for each turned one);
        `share` (chance pairs among the former; a mean, not a limit). None where a half has
        fewer than 30 turned pairs.
    """
    compared = duplicates.compared
    unit = cells.subject.where(cells.subject.notna(), cells.image).astype(str)
    names = np.array(sorted(unit.unique()))
    place = pd.Series(pd.Index(names).get_indexer(unit), index=cells.image.to_numpy())
    ends = [compared[end].map(place).to_numpy() for end in ("first", "second")]
    turned = compared.symmetry.to_numpy() != 0
    likeness = compared.likeness.to_numpy()
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(halvings):
        side = rng.permutation(len(names)) < len(names) // 2
        for chosen in (side, ~side):
            draws, judged = (half[ends[0]] & half[ends[1]] for half in (chosen, ~chosen))
            if (turned & draws).sum() < LEAST or (turned & judged).sum() < LEAST:
                return None
            rows.append(_judge(likeness, turned, draws, judged))
    line, factor, pairs, wrong = np.array(rows).T
    expected = (factor * wrong).mean()
    return {
        "halvings": halvings,
        "line": [round(float(v), 2) for v in (line.min(), line.mean(), line.max())],
        "pairs": round(float(pairs.mean()), 1),
        "turned": round(float(wrong.mean()), 3),
        "factor": round(float(factor.mean()), 3),
        "share": round(float(expected / max(pairs.mean(), 1)), 6),
    }


def _judge(
    likeness: np.ndarray, turned: np.ndarray, draws: np.ndarray, judged: np.ndarray
) -> tuple[float, float, int, int]:
    """Line and factor of one half; pairs as they are and turned above it in the other."""
    line = STEP * math.ceil(float(likeness[turned & draws].max()) / STEP + 1e-9)
    plain = draws & (likeness < DIFFERENT)
    factor = (plain & ~turned).sum() / max((plain & turned).sum(), 1)
    above = judged & (likeness >= line)
    return line, float(factor), int((above & ~turned).sum()), int((above & turned).sum())


def search_across(cells: pd.DataFrame) -> dict | None:
    """Search as always, but only for pairs of two classes, none of which can be right.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with labels.

    Returns
    -------
    dict or None
        `candidates` and `compared` (pairs), `highest` (likeness), `found` (pairs that pass
        as the same cell), `share` (of the compared ones) and `at_most`, the upper end of its
        one-sided 95 % interval (Poisson). None where fewer than two classes are named.

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    named = cells[cells.label.notna()].reset_index(drop=True)
    if named.label.nunique() < 2:
        return None
    candidates, matches = compare_images(named, apart=pd.factorize(named.label)[0])
    found = sum(map(is_same, matches))
    highest = float(chi2.ppf(0.95, 2 * (found + 1)) / 2)
    count = len(matches)
    return {
        "candidates": candidates,
        "compared": count,
        "highest": round(max((m.likeness for m in matches), default=0.0), 3),
        "found": found,
        "share": round(found / max(count, 1), 6),
        "at_most": round(highest / count, 6) if count else None,
    }
