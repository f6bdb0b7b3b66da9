"""The rendered book: whole, linked, offline, and readable."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from filelock import FileLock

from alllib.pages import toc_entries

REPOSITORY = Path(__file__).resolve().parents[1]
TOC = toc_entries(REPOSITORY / "_toc.yml")


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HTML of the whole book under the preset `smoke`, built once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent
    space = base / "book-space"
    with FileLock(base / "book-space.lock"):
        if not space.exists():
            space.mkdir()
            # What is recorded belongs to the pages; a link would not count as recorded.
            shutil.copytree(REPOSITORY / "results", space / "results")
            build(space)
    html = space / "_build" / "site" / "_build" / "html"
    if not (html / "whole").is_file():
        pytest.fail("the book could not be built:\n" + (space / "log").read_text()[-4000:])
    return html


def build(space: Path) -> None:
    command = [
        sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "workflow/Snakefile"),
        "--profile", str(REPOSITORY / "workflow/profiles/local"), "--directory", str(space),
        "--nolock", "--cores", "2", "--config", "preset='smoke'", "data=''",
    ]  # fmt: skip
    environment = {**os.environ, "ALLLIB_WORKSPACE": str(space)}
    with (space / "log").open("w") as log:
        subprocess.run(command, env=environment, stdout=log, stderr=log, check=False)


def soup(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def pages(html: Path) -> Iterator[tuple[str, BeautifulSoup]]:
    for path in sorted(html.rglob("*.html")):
        if "_static" not in path.parts:
            yield path.relative_to(html).as_posix(), soup(path)


def broken_references(html: Path) -> list[str]:
    """Links, anchors, images, scripts and styles of local pages that lead nowhere."""
    trees = dict(pages(html))
    ids = {
        name: {tag["id"] for tag in tree.find_all(id=True)}
        | {tag["name"] for tag in tree.find_all("a", attrs={"name": True})}
        for name, tree in trees.items()
    }
    broken = []
    for name, tree in trees.items():
        for tag in tree.find_all(["a", "img", "script", "link", "source", "object", "iframe"]):
            target = tag.get("href") or tag.get("src") or tag.get("data")
            if not target or target == "#":
                continue
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                if tag.name != "a" and parts.scheme != "data" and "canonical" not in str(tag):
                    broken.append(f"{name}: {target} is fetched from the network")
                continue
            path = (html / name).parent / unquote(parts.path) if parts.path else html / name
            if not path.is_file():
                broken.append(f"{name}: {target} does not exist")
                continue
            other = path.resolve().relative_to(html.resolve()).as_posix()
            if parts.fragment and other in ids and unquote(parts.fragment) not in ids[other]:
                broken.append(f"{name}: {target} has no such anchor")
    return broken


def test_the_checker_finds_what_is_broken(tmp_path):
    (tmp_path / "a.html").write_text(
        '<p id="here"></p><a href="#here"></a><a href="b.html#none"></a><img src="no.png">'
        '<a href="none.html"></a><script src="https://example.org/x.js"></script>'
    )
    (tmp_path / "b.html").write_text('<a href="a.html#here"></a>')
    assert len(broken_references(tmp_path)) == 4


def test_every_entry_of_the_contents_has_a_page_and_no_other_is_there(book):
    made = {name.removesuffix(".html") for name, _ in pages(book)}
    assert set(TOC) <= made
    assert made - set(TOC) <= {"index", "genindex", "search"}
    for entry in TOC:
        tree = soup(book / f"{entry}.html")
        assert tree.find("h1") and len(tree.find("article").get_text(strip=True)) > 200, entry


def test_no_link_anchor_or_picture_is_broken(book):
    assert broken_references(book) == []


def test_every_picture_has_a_text_of_its_own(book):
    for name, tree in pages(book):
        for picture in (tree.find("article") or tree).find_all("img"):
            text = picture.get("alt", "").strip()
            assert len(text) > 15, f"{name}: {str(picture)[:200]}"
            assert not text.endswith((".png", ".svg")), f"{name}: {text}"


def test_the_executed_pages_show_their_figures(book):
    shown = {
        entry: len(soup(book / f"{entry}.html").select("article figure img"))
        for entry in TOC
        if entry.startswith("notebooks/")
    }
    assert min(shown.values()) >= 1 and sum(shown.values()) >= 30, shown


def test_no_page_shows_an_error_or_a_path_of_the_machine(book):
    for name, tree in pages(book):
        text = (tree.find("article") or tree).get_text()
        assert "Traceback (most recent call last)" not in text, name
        for path in (str(REPOSITORY), str(book.parents[3]), sys.prefix):
            assert path not in text, f"{name} shows {path}"
        assert not tree.select(".output.stderr"), f"{name} shows what went to stderr"


def test_notebook_pages_have_their_buttons_and_stamp(book):
    url = yaml.safe_load((REPOSITORY / "_config.yml").read_text())["repository"]["url"]
    for entry in TOC:
        tree = soup(book / f"{entry}.html")
        links = [link.get("href", "") for link in tree.find_all("a")]
        assert url in links, f"{entry} has no link to the repository"
        if entry.startswith("notebooks/"):
            assert any(link.endswith(f"{entry}.ipynb") and "colab" in link for link in links)
            assert any("mybinder" in link for link in links)
            assert "with the preset smoke" in tree.find("article").get_text()


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_pages_load_offline_without_errors_and_fit_the_screen(book, chromium, scheme, width):
    playwright = pytest.importorskip("playwright.sync_api")
    faults: list[str] = []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(color_scheme=scheme, viewport={"width": width, "height": 900})
        page.on("request", lambda made: note_network(made.url, faults))
        page.on("requestfailed", lambda made: faults.append(f"failed: {made.url}"))
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.on(
            "console",
            lambda told: faults.append(f"console: {told.text}") if told.type == "error" else None,
        )
        for entry in TOC:
            page.goto((book / f"{entry}.html").as_uri())
            page.wait_for_load_state("load")
            assert page.evaluate("document.documentElement.dataset.theme") == scheme
            over = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert over <= 1, f"{entry} is {over} pixels wider than the screen"
            if page.locator("article .math").count():
                page.wait_for_selector("mjx-container", state="attached")
        browser.close()
    assert faults == []


def note_network(url: str, faults: list[str]) -> None:
    if urlsplit(url).scheme not in ("file", "data", "blob"):
        faults.append(f"network: {url}")


def test_the_contents_name_each_notebook_once():
    names = [entry for entry in TOC if entry.startswith("notebooks/")]
    sources = {f"notebooks/{path.stem}" for path in (REPOSITORY / "notebooks").glob("*.py")}
    assert sorted(names) == sorted(sources)


def test_mathjax_comes_with_its_fonts_and_licence():
    vendored = REPOSITORY / "vendor" / "mathjax"
    assert (vendored / "tex-mml-chtml.js").is_file() and (vendored / "LICENSE").is_file()
    assert len(list((vendored / "output/chtml/fonts/woff-v2").glob("*.woff"))) > 20
    assert shutil.which("git") is None or not (vendored / ".gitignore").exists()


def test_each_page_leads_to_the_one_that_follows_in_the_contents():
    pages = [entry for entry in TOC if entry.startswith("notebooks/")]
    for page, following in zip(pages, TOC[TOC.index(pages[0]) + 1 :], strict=False):
        text = (REPOSITORY / f"{page}.py").read_text("utf-8")
        (end,) = re.findall(r"^# \*\*Next\*\*: .*?\]\((.+?)\)", text, re.MULTILINE | re.DOTALL)
        leads = (REPOSITORY / "notebooks" / end).resolve().relative_to(REPOSITORY)
        assert leads.with_suffix("").as_posix() == following, page
