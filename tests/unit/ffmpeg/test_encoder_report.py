"""Settings that an encoder wrote into its stream are found anywhere in the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc.encoders.table import ENCODERS
from ffenc.ffmpeg import encoder_report
from ffenc.ffmpeg.encoder_report import find_report

X264 = b"\x80x264 - core 165 r3222 - H.264/MPEG-4 AVC codec - options: cabac=1 ref=3 qcomp=0.60 aq=1:1.00\x00\x00\x01"
SETTINGS = {"cabac": "1", "ref": "3", "qcomp": "0.60", "aq": "1:1.00"}
CHUNK = encoder_report._CHUNK_BYTES


@pytest.mark.parametrize("before", [0, 70_000, *range(CHUNK - len(X264), CHUNK + 1), 3 * CHUNK - 50])
def test_settings_are_found_behind_any_number_of_bytes(tmp_path: Path, before: int) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(before) + X264 + b"frames")
    assert find_report(path, ENCODERS["libx264"].report or "") == SETTINGS


def test_file_without_settings_has_no_report(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(2 * CHUNK))
    assert find_report(path, ENCODERS["libx264"].report or "") is None
