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
DATASET = "hf://datasets/me/cubes"
FETCH = {
    URL: f"reads local files only; download it with `curl -fLO {URL}`, and give the path of the copy",
    DATASET: "reads local files only; download it with `pip install huggingface_hub && hf download me/cubes "
    "--repo-type=dataset --local-dir=cubes`, and give the path of the copy",
}
UPLOAD = "writes local files only; give a local path, and upload from there"

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
    "convert a dataset": f"convert out {DATASET} --task=x",
    "convert pattern": f"convert out --cameras='{{a: \"{URL}\"}}' --task=x",
    "convert tables": f"convert out {CLIP} --tables={URL} --task=x",
    "salvage": f"salvage {URL}",
    "salvage into": f"salvage {CLIP} --output={URL}",
    "demo": f"demo --input={URL} --output_dir=out",
    "bench into": f"bench {URL} --sources={CLIP}",
    "bench report into": f"bench out.jsonl --sources={CLIP} --report={URL}",
    "bench csv into": f"bench out.jsonl --sources={CLIP} --csv={URL}",
    "bench scratch into": f"bench out.jsonl --sources={CLIP} --scratch={URL}",
    "proof into": f"probe libx264 --prove --output={URL}",
    "re-encode dataset work into": f"reencode-dataset {A} --output=out --camera_encoder.crf=40 --work={URL}",
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


WRITES = {"jobs plan", *(use for use in COMMANDS if use.endswith("into"))}


@pytest.mark.parametrize("use", COMMANDS)
def test_command_refuses_a_url(
    use: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, binaries: Binaries
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    assert main(shlex.split(COMMANDS[use])) in (1, 2)
    said = capsys.readouterr().err
    url = DATASET if DATASET in COMMANDS[use] else URL
    assert f"{url} is a URL, but ffenc {UPLOAD if use in WRITES else FETCH[url]}" in said
    assert list(tmp_path.iterdir()) == []
