"""Hidden files are assigned to cameras by their exact names, whatever characters these have."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.streaming.parts import VideoPart, find_parts, part_path
from ffenc.video.recording import RecordingFile, final_of

NAMES = (
    "cam",
    "cam[0]",
    "cam[1]",
    "cam*",
    "camera",
    "c?m",
    "[!a]",
    "a",
    "a.part",
    "a.part1",
    "a.from3",
    "a.recording",
    "a.1a2b3c4d.recording",
    "a.mp4",
    "{0}",
    "%03d",
    "-x",
    "a b",
    "'q'",
    "é",
    "e\u0301",
    "NUL",
    "x" * 200,
)


def test_find_parts_returns_only_parts_of_the_camera(tmp_path: Path) -> None:
    wanted: dict[str, list[VideoPart]] = {}
    for name in NAMES:
        video = tmp_path / f"{name}.mp4"
        first = RecordingFile(video)
        continued = RecordingFile(part_path(video, 120))
        part = part_path(video, 7)
        part.touch()
        video.touch()
        first.release()
        continued.release()
        wanted[name] = [
            VideoPart(path=first.path, first_frame=0, is_recording=True),
            VideoPart(path=part, first_frame=7, is_recording=False),
            VideoPart(path=continued.path, first_frame=120, is_recording=True),
        ]
    (tmp_path / "rows.jsonl").touch()
    (tmp_path / ".cam.0123abcd.part.mp4").touch()
    assert {name: find_parts(tmp_path, name) for name in NAMES} == wanted


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_video_is_found_again(tmp_path: Path, name: str) -> None:
    video = tmp_path / f"{name}.mp4"
    recording = RecordingFile(video)
    recording.release()
    assert final_of(recording.path) == video
    assert final_of(video) == video
