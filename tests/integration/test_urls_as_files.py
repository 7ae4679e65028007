"""A URL is refused wherever a command reads or writes a file, and nothing is created."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.cli.main import main
from tests.lerobot_data import LEROBOT

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

A = LEROBOT / "A"
CLIP = Path(__file__).parents[1] / "data" / "media" / "late.mp4"
URL = "https://example.org/runs/a.mp4"

COMMANDS = {
    "info": f"info {URL}",
    "encode": f"encode {URL} out.mp4",
    "encode into": f"encode {CLIP} {URL}",
    "images": f"images {URL} out.mp4 --fps=30",
    "re-encode": f"reencode {URL} out.mp4",
    "re-encode into": f"reencode {CLIP} {URL}",
    "concat": f"concat {CLIP} {URL} --output=out.mp4",
    "concat into": f"concat {CLIP} --output={URL}",
    "convert": f"convert out {URL} --task=x",
    "convert a dataset": "convert out hf://datasets/me/cubes --task=x",
    "convert pattern": f"convert out --cameras='{{a: \"{URL}\"}}' --task=x",
    "convert tables": f"convert out {CLIP} --tables={URL} --task=x",
    "salvage": f"salvage {URL}",
    "demo": f"demo --input={URL} --output_dir=out",
    "bench": f"bench {URL} --sources={CLIP}",
    "bench rows": f"bench {URL}",
    "bench source": f"bench out.jsonl --sources={URL}",
    "recommend": f"recommend --input={URL}",
    "jobs": f"jobs run {URL}",
    "jobs status": f"jobs status {URL}",
    "jobs plan": f"jobs plan {A} --work={URL} --camera_encoder.crf=40",
    "jobs commit": f"jobs commit {URL}",
    "card into": f"card {A} --output={URL}",
    "preview into": f"preview {A} --output={URL}",
    "features": f"add-features {A} --from={URL} --output=out",
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_command_refuses_a_url(
    words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, binaries: Binaries
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")
    assert main(shlex.split(words)) in (1, 2)
    said = capsys.readouterr().err
    assert "is a URL" in said
    assert "local path" in said or "local files only" in said or "download the file first" in said
    assert list(tmp_path.iterdir()) == []
