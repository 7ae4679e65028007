"""The documentation names what exists, and everything public is in it."""

from __future__ import annotations

import re
from pathlib import Path

import ffenc

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def test_every_public_name_has_an_entry_in_the_reference():
    entries = {
        name
        for page in (DOCS / "api").glob("*.md")
        for name in re.findall(r"^::: ffenc\.([\w.]+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    others = {f"{module}.{name}" for name, module in ffenc._MODULES.items() if module != "errors"}
    assert entries == others


def test_every_page_is_in_the_navigation():
    navigation = set(re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    excluded = {DOCS / "hardware" / "README.md"}  # read on the platform, not on the site
    assert navigation == {str(page.relative_to(DOCS)) for page in {*DOCS.rglob("*.md")} - excluded}


def test_the_map_names_only_what_exists():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    paths = re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", text)
    missing = [
        path
        for path in paths
        if not path.startswith("meta/") and not any((root / path).exists() for root in (ROOT, ROOT / "ffenc"))
    ]
    assert paths
    assert missing == []


def test_the_map_shows_every_package():
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^ {2,4}(\w+)/", text, re.MULTILINE)) | set(re.findall(r"  (\w+)/", text))
    packages = {path.parent.name for path in (ROOT / "ffenc").glob("*/**/__init__.py")}
    hidden = {"video", "dataset", "record", "jobs", "bench", "demo", "shell", "checks", "repairs"}  # shown as a group
    assert packages - hidden <= shown


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130
