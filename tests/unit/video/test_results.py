"""Results print in one line, and an open file in place of a path is a clear error."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ffenc
from ffenc.errors import InputError
from ffenc.video.output import WrittenVideo

STREAM: Any = SimpleNamespace(codec="av1", width=640, height=480)


@pytest.mark.parametrize(
    ("result", "more"),
    [
        (ffenc.EncodeResult, {"encoder": None, "argv": ("ffmpeg",) * 50, "usage": None}),
        (ffenc.ConcatResult, {"clips": 1000, "offsets": tuple(range(1000))}),
        (ffenc.SalvageResult, {"lost_bytes": 7, "source": Path(".a.mp4")}),
    ],
)
def test_repr_of_a_result_is_one_short_line(result: type[WrittenVideo], more: dict[str, Any]) -> None:
    shown = repr(
        result(path=Path("a.mp4"), frames=90, fps=Fraction(30000, 1001), size_bytes=1234, stream=STREAM, **more)
    )
    assert shown == f"<{result.__name__} a.mp4: 90 frames at 30000/1001/s, av1 640x480, 1234 bytes>"


CALLS: dict[str, Callable[[Any], object]] = {
    "VideoReader": ffenc.VideoReader,
    "VideoWriter": lambda file: ffenc.VideoWriter(file, fps=30),
    "encode_frames": lambda file: ffenc.encode_frames([], file, fps=30),
    "encode_images": lambda file: ffenc.encode_images("/", file, fps=30),
    "encode_images of": lambda file: ffenc.encode_images(file, "a.mp4", fps=30),
    "ImageReader": lambda file: ffenc.ImageReader(file, fps=30),
    "reencode_video": lambda file: ffenc.reencode_video(file, "a.mp4"),
    "reencode_video to": lambda file: ffenc.reencode_video("a.mp4", file),
    "concat_videos": lambda file: ffenc.concat_videos([file], "a.mp4"),
    "concat_videos to": lambda file: ffenc.concat_videos(["a.mp4"], file),
    "cut_video": lambda file: ffenc.cut_video(file, "a.mp4", [(0, 1)]),
    "salvage_video": ffenc.salvage_video,
    "probe_video": ffenc.probe_video,
    "read_depth": ffenc.read_depth,
}


@pytest.mark.parametrize("name", CALLS)
def test_open_file_in_place_of_a_path_is_refused_by_name(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    given = io.BytesIO(b"ftyp")
    with pytest.raises(InputError, match="expected the path of a file, got BytesIO"):
        CALLS[name](given)
    assert list(tmp_path.iterdir()) == []
