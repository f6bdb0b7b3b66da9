"""The pages on running and troubleshooting name only what exists."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest
import yaml

from alllib.cli import _parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("running", "cluster", "troubleshooting")
# What other programs say.
FOREIGN = {"Killed", "numpy.dtype size changed", "Directory cannot be locked", "cpu"}


def page(name: str) -> str:
    return (ROOT / "book" / f"{name}.md").read_text("utf-8")


def commands(text: str) -> set[str]:
    """Calls of `alllib` in blocks and within lines, without comments."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [line.split("  #")[0] for block in blocks for line in block.splitlines()]
    lines += re.findall(r"`!?([^`\n]*alllib [^`]+)`", text)
    found = {m[1] for line in lines if (m := re.search(r"\balllib ((?:--|[a-z]).*)", line))}
    return {re.sub(r"\s+", " ", words).strip() for words in found}


def said() -> str:
    """All texts in the code of the package, what is computed written as three dots."""
    found = []
    for path in (ROOT / "alllib").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (v.value if isinstance(v, ast.Constant) else "..." for v in node.values)
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found) + (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_every_command_of_a_page_is_understood(name):
    found = commands(page(name))
    assert len(found) >= 4
    for words in found:
        given = shlex.split(re.sub(r"\$\w+", "1", words))
        given += ["--help"] * (len(given) == 1)  # a command that is only mentioned
        if given[0] == "--with" and given[2:] in ([], ["..."]):
            continue  # any command may follow
        try:
            _parser().parse_args(given)
        except SystemExit as end:
            assert end.code == 0, f"{name}: alllib {words}"  # --help ends well


def test_a_command_that_does_not_exist_is_seen():
    assert commands("```bash\nalllib train x --feedd y  # why\n```\nor `!alllib stores`") == {
        "train x --feedd y", "stores",
    }  # fmt: skip
    with pytest.raises(SystemExit):
        _parser().parse_args(["train", "x", "--feedd", "y"])


@pytest.mark.parametrize("name", PAGES)
def test_every_make_target_and_file_of_a_page_exists(name):
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", page(name), re.MULTILINE):
        assert target in targets, target
    for path in re.findall(r"(?:alllib|workflow)/[\w/.-]*\.\w+|workflow/profiles/\w+", page(name)):
        assert (ROOT / path).exists(), path


def test_every_message_of_the_troubleshooting_page_is_one_of_the_package():
    text, known = page("troubleshooting"), said()
    heads = re.findall(r"^(\S.*)\n: ", text, re.MULTILINE)
    assert len(heads) >= 25
    assert (
        len(heads) == text.count("**Cause.**") == len(re.findall(r"\*\*What\s+to\s+do\.\*\*", text))
    )
    messages = [m for head in heads for m in re.findall(r"``(.+?)``|(?<!`)`([^`]+)`", head)]
    told = {one or other for one, other in messages} - FOREIGN
    assert len(told) >= 15
    for message in told - {"reading images"}:
        parts = [re.escape(part) for part in message.split("...")]
        assert re.search(".*?".join(parts), known), message
    assert "reading images" in known


def test_the_lines_of_the_profiles_that_a_page_shows_are_there():
    text = page("cluster")
    for name in ("slurm", "kubernetes"):
        profile = (ROOT / "workflow" / "profiles" / name / "config.yaml").read_text()
        section = re.split(r"^## ", text, flags=re.MULTILINE)
        (own,) = [part for part in section if part.lower().startswith(f"{name}, a worked")]
        cells = re.findall(r"^\| (`.+?`(?:, `.+?`)*) \|", own, re.MULTILINE)
        lines = [line for cell in cells for line in re.findall(r"`(.+?)`", cell)]
        assert len(lines) >= 4
        for line in lines:
            assert line in profile, f"{name}: {line}"
    shown = yaml.safe_load(re.search(r"```yaml\n(.*?)```", text, re.DOTALL)[1])
    rules = (ROOT / "workflow" / "Snakefile").read_text()
    assert all(f"rule {rule}:" in rules for rule in shown["set-resources"])
