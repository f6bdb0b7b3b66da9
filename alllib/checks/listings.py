"""Checks that run a printed listing, as far as it can be run, on names and empty folders."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from ..recipes import load_recipe
from .finding import Finding

__all__ = ["existing_folder", "named_maps"]


def named_maps(recipe: str, skipped: int = 1) -> Finding:
    """How many maps of figure 21 stand under the name of the layer that made them.

    The listing takes the outputs of `layers[1:]`, the names of all layers, and pairs the two.

    Parameters
    ----------
    recipe : str
        Whose printed layers give the names.
    skipped : int
        Layers left out of the outputs.
    """
    rows = load_recipe(recipe).published["layers"]
    layers = [name for name, *_ in rows if name.startswith(("block", "batch_normalization"))]
    pairs = list(zip(layers, layers[skipped:], strict=False))
    right = sum(name == maker for name, maker in pairs)
    note = f"Tried on the {len(layers)} layers that figure 18 prints"
    if right < len(pairs):
        note += f": the maps of {pairs[0][1]} stand under the name {pairs[0][0]}, and so on"
    return Finding(right, f"{note}.", agrees=right == len(pairs))


def existing_folder(kept: bool = True) -> Finding:
    """What the first lines of figure 9 do where the folder is there already.

    The indentation is lost in the text at hand, so both readings are run: the folder is made
    after the question, or within it.

    Parameters
    ----------
    kept : bool
        Whether the folder is there; else it is not.
    """
    told = []
    for within in (False, True):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place) / "split"
            if kept:
                folder.mkdir()
            told.append(_made(str(folder), within))
    return Finding(
        " and ".join(dict.fromkeys(told)),
        "In both readings of its lines, with `os.makedirs` after the question or within it.",
        agrees="made" in told,
    )


def _made(folder: str, within: bool) -> str:
    """The listing's lines on folders; name of the error, or `made`."""
    try:
        exists = os.path.exists(folder)
        if not within or exists:
            os.makedirs(folder)
        os.mkdir(folder + "/train")
        os.mkdir(folder + "/validation")
    except OSError as error:
        return type(error).__name__
    return "made"
