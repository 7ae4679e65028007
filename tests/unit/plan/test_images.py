"""The commands that write and read numbered images."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.frames import FrameFormat
from ffenc.plan.images import SUFFIXES, image_encoder, image_name, plan_image_files, plan_image_reading


def after(argv: tuple[str, ...], option: str) -> str:
    return argv[argv.index(option) + 1]


@pytest.mark.parametrize(
    ("number", "name"), [(0, "frame-000000.png"), (12, "frame-000012.png"), (1234567, "frame-1234567.png")]
)
def test_images_are_named_as_lerobot_names_them(number: int, name: str) -> None:
    assert image_name(number, ".png") == name


@pytest.mark.parametrize(
    ("layout", "suffix", "encoder"), [("rgb", ".png", "png"), ("gray", ".png", "png"), ("gray16", ".tiff", "tiff")]
)
def test_writing(layout: str, suffix: str, encoder: str) -> None:
    form = FrameFormat(width=8, height=6, layout=layout)
    argv = plan_image_files(Path("ffmpeg"), form, Path("/data/50%/cam"))
    assert SUFFIXES[layout] == suffix
    assert image_encoder(layout) == encoder
    assert after(argv, "-i") == "pipe:0"
    assert after(argv, "-pix_fmt") == form.pix_fmt
    assert after(argv, "-s") == "8x6"
    assert after(argv, "-c:v") == encoder
    assert after(argv, "-start_number") == "0"
    assert f"file:/data/50%%/cam/frame-%06d{suffix}" in argv


def test_reading() -> None:
    form = FrameFormat(width=8, height=6, layout="gray16")
    argv = plan_image_reading(Path("ffmpeg"), form, Path("/data/50%/cam"), ".tiff", count=7)
    assert after(argv, "-i") == "file:/data/50%%/cam/frame-%06d.tiff"
    assert after(argv, "-start_number") == "0"
    assert after(argv, "-frames:v") == "7"
    assert after(argv, "-pix_fmt") == "gray16le"
    assert "pipe:1" in argv
    assert after(argv, "-protocol_whitelist") == "file"


def test_a_relative_directory_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    argv = plan_image_files(Path("ffmpeg"), FrameFormat(width=8, height=6), Path("-cam"))
    assert f"file:{tmp_path}/-cam/frame-%06d.png" in argv
