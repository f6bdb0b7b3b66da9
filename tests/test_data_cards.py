"""Data cards, and Croissant metadata that its own library accepts."""

from __future__ import annotations

import json
import re
import shutil
import warnings
from importlib.resources import files as package_files
from pathlib import Path

import pytest

from alllib.data_cards import LICENCES, LIST, card_counts, card_markdown, croissant, load_cards
from alllib.datasets import DATASETS, get_dataset, load_cells
from alllib.downloads import official_cells, official_files, prepare_data
from alllib.errors import ParameterError
from alllib.pages import toc_entries

REPOSITORY = Path(__file__).resolve().parents[1]
REFERENCES = (REPOSITORY / "book/references.bib").read_text("utf-8")
KEYS = set(re.findall(r"^@\w+\{(.+?),", REFERENCES, re.M))
NEW = {"notebooks/learning"}  # written beside this module
NAMES = ("cnmc2019", "ball2021", "synthetic")


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALLLIB_WORKSPACE", str(tmp_path_factory.mktemp("cards")))
        return load_cells(prepare_data("synthetic", images=40))


@pytest.fixture
def with_results(monkeypatch):
    """Measurements kept with the book are at hand."""
    monkeypatch.setenv("ALLLIB_WORKSPACE", str(REPOSITORY))


def accept(metadata: dict | Path):
    """The metadata as read by the library of the format, which refuses what is wrong."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own dependencies
        library = pytest.importorskip(
            "mlcroissant", reason="mlcroissant is not installed: pip install mlcroissant"
        )
        return library.Dataset(metadata if isinstance(metadata, dict) else str(metadata))


def test_cards_name_sources_licences_and_pages_that_exist():
    pages = set(toc_entries(REPOSITORY / "_toc.yml")) | NEW
    for card in load_cards():
        assert set(card["cite"]) <= KEYS and card["licence"] and card["url"].startswith("https://")
        assert card["problem"] and {problem["page"] for problem in card["problem"]} <= pages
        if "dataset" in card:
            entry = get_dataset(card["dataset"])
            assert card["title"] == entry.title and card["licence"] == entry.licence
            fetched = f"alllib data fetch {card['dataset']}" if entry.kaggle else "alllib data make"
            assert fetched in card["get"]
    doi = load_cards()[0]["url"].removeprefix("https://doi.org/")
    assert doi in REFERENCES.split("mourya2019cnmc", 1)[1].split("}\n\n")[0]


def test_counts_are_those_of_the_list_the_measurements_and_the_images(with_results, synthetic):
    training = official_cells()
    assert card_counts("cnmc2019") == training.label.value_counts()[["ALL", "HEM"]].to_dict()
    assert tuple(card_counts("ball2021")) == DATASETS["ball2021"].classes
    counted = synthetic.label.value_counts()
    assert card_counts("synthetic", synthetic) == {k: counted[k] for k in ("ALL", "HEM")}
    assert card_counts("synthetic") is None
    assert card_counts("synthetic-subtypes", synthetic) is None


def test_cards_are_tables_with_the_counts_and_links(with_results, synthetic):
    tables = card_markdown(synthetic)
    assert list(tables) == [card["title"] for card in load_cards()]
    total = sum(card_counts("cnmc2019").values())
    assert f"{total:,} images" in tables["C-NMC 2019"] and "(duplicates.ipynb)" in tables["B-ALL"]
    assert "How many" not in tables["ALL-IDB"]
    for table in tables.values():
        lines = table.splitlines()
        assert all(line.count("|") == 3 for line in lines) and len(lines) >= 8


@pytest.mark.parametrize("name", NAMES)
def test_metadata_say_whose_the_images_are_and_how_many(name, with_results, synthetic):
    metadata = croissant(name, synthetic)
    card = next(card for card in load_cards() if card.get("dataset") == name)
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["license"] == LICENCES.get(card["licence"], card["licence"])
    assert card["creator"] in metadata["citeAs"] and metadata["url"] == card["url"]
    for label, count in card_counts(name, synthetic).items():
        assert f"{count} {label}" in metadata["description"]


@pytest.mark.parametrize("name", NAMES)
def test_the_library_of_the_format_accepts_the_metadata(name, with_results, synthetic):
    read = accept(croissant(name, synthetic)).metadata
    assert read.name == name and not read.ctx.issues.errors
    assert not read.ctx.issues.warnings or all(
        "datePublished" in told for told in read.ctx.issues.warnings
    )
    kept = {s.id for s in read.record_sets}
    assert kept == {"cells", "classes"} | ({"files"} if name == "cnmc2019" else set())


def test_the_library_refuses_what_is_wrong(with_results):
    broken = croissant("cnmc2019")
    broken["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "nowhere"
    accept(croissant("cnmc2019"))  # skips where the library is missing
    import mlcroissant

    with pytest.raises(mlcroissant.ValidationError):
        accept(broken)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the library's own use of pandas
def test_the_library_reads_the_records(tmp_path, with_results):
    file = tmp_path / "cnmc2019.json"
    file.write_text(json.dumps(croissant("cnmc2019")), "utf-8")
    shutil.copy(str(package_files("alllib") / "data" / LIST), tmp_path / LIST)
    dataset = accept(file)
    classes = {row["classes/class"]: row["classes/images"] for row in dataset.records("classes")}
    plain = {key.decode() if isinstance(key, bytes) else key: n for key, n in classes.items()}
    assert plain == card_counts("cnmc2019")
    assert sum(1 for _ in dataset.records("files")) == len(official_files())


def test_an_unknown_set_is_named_with_the_nearest():
    with pytest.raises(ParameterError, match="cnmc2019"):
        croissant("cnmc")
