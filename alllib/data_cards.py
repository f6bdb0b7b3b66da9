"""Data cards for readers, and the same as Croissant metadata for machines.

Croissant (Akhtar and others, 2024, doi 10.1145/3650203.3663326) describes a data set in JSON-LD:
what it is, whose, its files, and the records in them. Counts come from the list of official
files, from measurements kept with the book, or from the images at hand.
"""

from __future__ import annotations

import hashlib
import os
import tomllib
from collections.abc import Mapping
from importlib.resources import files as package_files
from typing import Any

import pandas as pd

from .datasets import get_dataset
from .downloads import official_cells, official_files
from .errors import ParameterError, suggest
from .studies import read_study

__all__ = ["LICENCES", "card_counts", "card_markdown", "croissant", "load_cards"]

LIST = "cnmc2019_files.parquet"
LICENCES = {
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
}
# Where the images of a set lie, and how a path tells the class.
_LAYOUT = {
    "cnmc2019": ("C-NMC_Leukemia/**/*.bmp", "image/bmp", r"_(all|hem)\.bmp$"),
    "ball2021": ("Original/*/*.jpg", "image/jpeg", r"Original/(\w+)/"),
    "synthetic": ("C-NMC_Leukemia/**/*.bmp", "image/bmp", r"_(all|hem)\.bmp$"),
}
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def load_cards() -> list[dict[str, Any]]:
    """Cards of all sets, from `data/data_cards.toml`, in its order.

    Returns
    -------
    list of dict
        `title, url, creator, what, who, collected, get, cite, problem` (`text`, `page`);
        `licence`; `dataset` where this project can load it.
    """
    text = (package_files("alllib") / "data" / "data_cards.toml").read_text("utf-8")
    cards = tomllib.loads(text)["card"]
    for card in cards:
        if "dataset" in card:
            card["licence"] = get_dataset(card["dataset"]).licence
    return cards


def card_counts(name: str, cells: pd.DataFrame | None = None) -> dict[str, int] | None:
    """Images of each class of a set.

    Parameters
    ----------
    name : str
        Of the registry.
    cells : pandas.DataFrame, optional
        Cell table of the images at hand, for a set that no list or measurement counts.

    Returns
    -------
    dict of str to int or None
        Of the training phase for C-NMC; None where nothing is known.
    """
    if name == "cnmc2019":
        return _ordered(official_cells().label.value_counts(), name)
    kept = read_study("inputs", name)
    if kept is not None:
        return dict(kept.found["classes"])
    if cells is not None and cells.attrs.get("dataset") == name:
        return _ordered(cells.label.value_counts(), name)
    return None


def _ordered(counts: pd.Series, name: str) -> dict[str, int]:
    return {label: int(counts[label]) for label in get_dataset(name).classes}


def card_markdown(
    cells: pd.DataFrame | None = None, *, source: str = "notebooks/dataset"
) -> dict[str, str]:
    """Each card as a table of two columns in Markdown, with links from a page of this book.

    Parameters
    ----------
    cells : pandas.DataFrame, optional
        See `card_counts`.
    source : str
        Page that shows the cards.

    Returns
    -------
    dict of str to str
        Title to table.
    """
    return {card["title"]: _table(card, cells, source) for card in load_cards()}


def _table(card: Mapping, cells: pd.DataFrame | None, source: str) -> str:
    counts = card_counts(card["dataset"], cells) if "dataset" in card else None
    told = ", ".join(f"{label} {count:,}" for label, count in (counts or {}).items())
    problems = "; ".join(
        f"[{problem['text']}]({_place(problem['page'], source)})" for problem in card["problem"]
    )
    rows = [
        ("What", card["what"]),
        ("How many", f"{sum(counts.values()):,} images: {told}" if counts else ""),
        ("Who", card["who"]),
        ("How collected", card["collected"]),
        ("Licence", card["licence"]),
        ("How to get it", f"{card['get']}; <{card['url']}>"),
        ("Known problems", problems),
    ]
    lines = [f"| {question} | {answer} |" for question, answer in rows if answer]
    return "\n".join([f"| {card['title']} | |", "| :-- | :-- |", *lines])


def _place(page: str, source: str) -> str:
    return os.path.relpath(page + ".ipynb", os.path.dirname(source)).replace(os.sep, "/")


def croissant(name: str, cells: pd.DataFrame | None = None) -> dict[str, Any]:
    """Croissant metadata of a set, ready for `json.dumps`.

    Parameters
    ----------
    name : {"cnmc2019", "ball2021", "synthetic"}
    cells : pandas.DataFrame, optional
        See `card_counts`.

    Returns
    -------
    dict
        JSON-LD by version 1.0 of the format. Of C-NMC 2019 it holds the list of official files,
        with a checksum each, as records; of the others the images with their class.

    Raises
    ------
    ParameterError
        When the set has no card.
    """
    cards = {card["dataset"]: card for card in load_cards() if "dataset" in card}
    if name not in cards:
        raise ParameterError(
            f"There is no data card of {name!r}.", where="name", remedy=suggest(name, cards)
        )
    card, dataset = cards[name], get_dataset(name)
    counts = card_counts(name, cells)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "alternateName": dataset.title,
        "description": _description(card, counts),
        "url": card["url"],
        "license": LICENCES.get(card["licence"], card["licence"]),
        "creator": {"@type": "sc:Organization", "name": card["creator"]},
        "citeAs": ", ".join([card["creator"], dataset.title, card["url"]]),
        "version": "1.0.0",
        "isLiveDataset": False,
        "rai:dataCollection": card["collected"],
        "rai:dataLimitations": [problem["text"] for problem in card["problem"]],
        "distribution": _distribution(name),
        "recordSet": _record_sets(name, counts),
    }


def _description(card: Mapping, counts: Mapping[str, int] | None) -> str:
    told = ", ".join(f"{count} {label}" for label, count in (counts or {}).items())
    return f"{card['what']}. {card['who']}." + (f" Images by class: {told}." if told else "")


def _distribution(name: str) -> list[dict]:
    includes, kind, _ = _LAYOUT[name]
    images = {
        "@type": "cr:FileSet", "@id": "images", "name": "images",
        "description": "Images below the folder of the download.",
        "encodingFormat": kind, "includes": includes,
    }  # fmt: skip
    if name != "cnmc2019":
        return [images]
    data = (package_files("alllib") / "data" / LIST).read_bytes()
    listed = {
        "@type": "cr:FileObject", "@id": "list", "name": LIST,
        "description": "List of the official files, shipped with this package.",
        "contentUrl": LIST, "contentSize": f"{len(data)} B",
        "encodingFormat": "application/x-parquet", "sha256": hashlib.sha256(data).hexdigest(),
    }  # fmt: skip
    return [listed, images]


def _record_sets(name: str, counts: Mapping[str, int] | None) -> list[dict]:
    sets = [_image_records(name)]
    if name == "cnmc2019":
        sets.insert(0, _file_records())
    if counts:
        sets.append(_class_records(counts))
    return sets


def _file_records() -> dict:
    """Columns of the list of official files."""
    whole = {"bytes"}
    fields = [
        {
            "@type": "cr:Field", "@id": f"files/{column}", "name": column,
            "dataType": "sc:Integer" if column in whole else "sc:Text",
            "source": {"fileObject": {"@id": "list"}, "extract": {"column": column}},
        }
        for column in official_files().columns
    ]  # fmt: skip
    return {
        "@type": "cr:RecordSet", "@id": "files", "name": "files", "field": fields,
        "description": "One record for each official file.",
    }  # fmt: skip


def _image_records(name: str) -> dict:
    """Picture and class of each image, the class by its path."""
    _, _, pattern = _LAYOUT[name]
    source = {"fileSet": {"@id": "images"}}
    fields = [
        {
            "@type": "cr:Field", "@id": "cells/picture", "name": "picture",
            "dataType": "sc:ImageObject",
            "source": source | {"extract": {"fileProperty": "content"}},
        },
        {
            "@type": "cr:Field", "@id": "cells/label", "name": "label", "dataType": "sc:Text",
            "source": source
            | {"extract": {"fileProperty": "fullpath"}, "transform": {"regex": pattern}},
        },
    ]  # fmt: skip
    return {
        "@type": "cr:RecordSet", "@id": "cells", "name": "cells", "field": fields,
        "description": "One record for each image.",
    }  # fmt: skip


def _class_records(counts: Mapping[str, int]) -> dict:
    """The classes with their images, as records that need no file."""
    kinds = {"class": "sc:Text", "images": "sc:Integer"}
    fields = [
        {"@type": "cr:Field", "@id": f"classes/{name}", "name": name, "dataType": kind}
        for name, kind in kinds.items()
    ]
    return {
        "@type": "cr:RecordSet", "@id": "classes", "name": "classes",
        "key": {"@id": "classes/class"}, "field": fields,
        "description": "Images of each class.",
        "data": [
            {"classes/class": label, "classes/images": count} for label, count in counts.items()
        ],
    }  # fmt: skip
