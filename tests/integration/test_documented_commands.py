"""The commands and examples of README and docs run from top to bottom, in one directory per page.

A comment before a block controls it: ``<!-- not run by the tests: REASON -->`` skips it, and ``<!-- setup: PYTHON -->``
runs code first, which creates the files that the block needs.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ffenc import Binaries

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(
    r"(?:<!-- (?P<kind>not run by the tests|setup): (?P<note>.*?)-->\n)?```(?P<language>bash|python)\n(?P<code>.*?)```",
    re.DOTALL,
)


def blocks(page: Path) -> Iterator[tuple[str, str, str]]:
    """Yield language, hidden setup and code of every block that is run."""
    for match in BLOCK.finditer(page.read_text(encoding="utf-8")):
        if match["kind"] != "not run by the tests":
            yield match["language"], match["note"] or "", match["code"]


@pytest.fixture
def environment(tmp_path: Path, binaries: Binaries) -> dict[str, str]:
    """Return an environment with ``ffenc`` and ``python`` added to the system's commands, and no ffmpeg on PATH."""
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "python").symlink_to(sys.executable)
    ffenc = commands / "ffenc"
    ffenc.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ffenc "$@"\n', encoding="utf-8")
    ffenc.chmod(0o755)
    return {
        "PATH": f"{commands}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT),  # for hidden code that uses modules of the tests
        "FFENC_FFMPEG": str(binaries.ffmpeg),
        "FFENC_FFPROBE": os.environ.get("FFENC_FFPROBE", "none"),
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_runs_from_top_to_bottom(page: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    for language, setup, code in blocks(page):
        words = ["bash", "-euo", "pipefail", "-c", code] if language == "bash" else [sys.executable, "-c", setup + code]
        if language == "bash" and setup:
            subprocess.run([sys.executable, "-c", setup], cwd=folder, env=environment, check=True, timeout=200)
        done = subprocess.run(
            words, cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
        )
        assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr


def test_links_between_pages_resolve() -> None:
    missing = [
        (page.name, link)
        for page in (*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md")
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / link).exists()
    ]
    assert missing == []
