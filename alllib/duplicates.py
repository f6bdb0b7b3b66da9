"""Images that show the same cell: identical files, identical pixels, and cells met again."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import combinations

import numpy as np
import pandas as pd

from .alignment import Match, confirm_pairs, screen_pairs
from .pairs import (
    COMPARED,
    KINDS,
    PAIR_COLUMNS,
    Duplicates,
    describe_duplicates,
    duplicate_table,
    merge_subjects,
    subject_table,
)
from .perceptual import Sketches, find_candidates, sketch_images

__all__ = ["KINDS", "LIMITS", "SAME", "Duplicates", "compare_images", "describe_duplicates",
           "duplicate_table", "find_duplicates", "identical_files", "is_same", "merge_subjects",
           "subject_table"]  # fmt: skip

# Measured on C-NMC 2019: of its cells that are plainly the same none is turned, so pairs that
# fit best when turned show how alike different cells can be; the line lies above them all.
SAME = 0.80  # least correlation of the chromatin's structure
SAME_DETAIL = 0.50  # least correlation with the finest detail
PHOTOGRAPH = 0.93  # of the finest detail: noise and focus agree too
OVERLAP = 0.60  # least share of the smaller nucleus that must lie on the other
# What the pairs depend on, to be kept beside them.
LIMITS = {"likeness": SAME, "detail": SAME_DETAIL, "photograph": PHOTOGRAPH, "overlap": OVERLAP}


def find_duplicates(cells: pd.DataFrame, *, near: bool = True) -> Duplicates:
    """Find images that show the same cell.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table.
    near : bool
        Read the images and find identical pixels and cells shown again too: moved, turned,
        mirrored, brighter or darker, re-encoded, or photographed again. Without it, only
        the checksums of the table are compared, and no image is needed.

    Returns
    -------
    Duplicates

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    began, worked = time.monotonic(), time.process_time()
    exact = identical_files(cells.sha256)
    rows = [_row(one, two, KINDS[0]) for one, two in exact]
    counts = {}
    if near and len(cells):
        more, counts = _near_rows(cells, set(exact))
        rows += more
    pairs = _pair_table(rows, cells)
    return Duplicates(
        pairs=pairs, groups=merge_subjects(cells, pairs), images=len(cells), **counts,
        seconds=round(time.monotonic() - began, 1),
        processor_seconds=round(time.process_time() - worked, 1),
    )  # fmt: skip


def identical_files(digests: Iterable[str]) -> list[tuple[int, int]]:
    """Pairs of places that hold the same digest, each pair once.

    Of three copies there are three pairs.
    """
    places = pd.Series(list(digests), dtype="object")
    same = places[places.notna() & places.duplicated(keep=False)]
    found = same.groupby(same).groups.values()
    return sorted(pair for rows in found for pair in combinations(sorted(map(int, rows)), 2))


def _near_rows(cells: pd.DataFrame, exact: set[tuple[int, int]]) -> tuple[list[dict], dict]:
    """Rows of pairs that are no identical files, and how many pairs were looked at."""
    sketches = sketch_images(cells)
    same = [pair for pair in identical_files(sketches.pixels) if pair not in exact]
    rows = [_row(one, two, KINDS[1]) for one, two in same]
    known = exact | set(same)
    candidates, compared = _compare(cells, sketches)
    copies = pd.Series(range(len(cells))).groupby(pd.Series(sketches.pixels)).groups
    for match in filter(is_same, compared):
        for one in copies[sketches.pixels[match.first]]:
            for two in copies[sketches.pixels[match.second]]:
                if (min(one, two), max(one, two)) not in known:
                    rows.append(_row(int(one), int(two), _kind(match), match))
    counts = {"blank": int((sketches.areas == 0).sum()), "candidates": candidates,
              "compared": _compared(compared, cells)}  # fmt: skip
    return rows, counts


def compare_images(
    cells: pd.DataFrame, *, apart: np.ndarray | None = None
) -> tuple[int, list[Match]]:
    """Pairs of images that are alike, compared pixel by pixel.

    Parameters
    ----------
    cells : pandas.DataFrame
        Cell table with at least one row.
    apart : numpy.ndarray, optional
        Shape (n,): only images with two different values here are compared.

    Returns
    -------
    int
        Candidates, of which those with like textures were compared.
    list of Match
        The compared ones, the same cell or not.

    Raises
    ------
    ImageError
        When an image cannot be read.
    """
    return _compare(cells, sketch_images(cells), apart)


def _compare(
    cells: pd.DataFrame, sketches: Sketches, apart: np.ndarray | None = None
) -> tuple[int, list[Match]]:
    # Of identical images one stands for all: else the copies of a cell crowd out its
    # neighbours, and one cell is compared several times.
    last = pd.Series(sketches.pixels).duplicated().to_numpy()
    spectra = np.where(last[:, None, None], 0, sketches.spectra)
    candidates = find_candidates(spectra, apart=apart)
    fits = screen_pairs(sketches, candidates)
    return len(candidates), confirm_pairs(list(cells.path), sketches, fits)


def _compared(matches: Iterable[Match], cells: pd.DataFrame) -> pd.DataFrame:
    rows = [[getattr(match, name) for name in COMPARED] for match in matches]
    table = pd.DataFrame(rows, columns=list(COMPARED))
    for name in ("first", "second"):
        table[name] = cells.image.to_numpy()[table[name].to_numpy(int)]
    return table


def is_same(match: Match) -> bool:
    """Whether a compared pair counts as one cell, by `LIMITS`."""
    return match.likeness >= SAME and match.detail >= SAME_DETAIL and match.overlap >= OVERLAP


def _kind(match: Match) -> str:
    return KINDS[2] if match.detail >= PHOTOGRAPH else KINDS[3]


def _row(one: int, two: int, kind: str, match: Match | None = None) -> dict:
    seen = vars(match) if match else dict(
        symmetry=0, down=0, right=0, likeness=1.0, detail=1.0, gain=1.0, difference=0.0,
        overlap=1.0,
    )  # fmt: skip
    return {**seen, "first": one, "second": two, "kind": kind}


def _pair_table(rows: list[dict], cells: pd.DataFrame) -> pd.DataFrame:
    """Rows with names for row numbers, in the order of the cell table."""
    table = pd.DataFrame(
        rows, columns=[c for c in PAIR_COLUMNS if not c.endswith(("subject", "field"))]
    )
    table = table.sort_values(["first", "second"], kind="stable", ignore_index=True)
    ends = {name: table[name].astype(int).to_numpy() for name in ("first", "second")}
    for name, places in ends.items():
        table[name] = cells.image.to_numpy()[places]
        table[f"{name}_subject"] = cells.subject.to_numpy()[places]
        table[f"{name}_field"] = cells.field.to_numpy()[places]
    return table[list(PAIR_COLUMNS)]
