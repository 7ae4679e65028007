"""Test that NUT streams of raw video give the timestamps and bytes of their frames, and that other streams are refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries
from ffenc.errors import OutputError
from ffenc.ffmpeg.nut import NutReader
from ffenc.ffmpeg.process.ffmpeg_process import run_tool


def nut_stream(ffmpeg: Path, size: str, *options: str, frames: int = 5) -> bytes:
    source = ("-f", "lavfi", "-i", f"testsrc=s={size}:r=30", "-frames:v", str(frames))
    output = ("-c:v", "rawvideo", "-pix_fmt", "rgb24", "-enc_time_base", "1:90000", "-f", "nut", "pipe:1")
    return run_tool([ffmpeg, "-v", "error", *source, *options, *output]).stdout


@pytest.mark.integration
@pytest.mark.parametrize("size", ["640x480", "64x48", "16x16"])
def test_timestamps_and_frames_are_read(binaries: Binaries, size: str) -> None:
    stream = io.BytesIO(nut_stream(binaries.ffmpeg, size))
    command = ["-v", "error", "-f", "lavfi", "-i", f"testsrc=s={size}:r=30", "-frames:v", "5"]
    raw = run_tool([binaries.ffmpeg, *command, "-pix_fmt", "rgb24", "-f", "rawvideo", "pipe:1"]).stdout
    reader = NutReader(stream.read, timescale=90_000)
    frames = []
    for number in range(5):
        frame = reader.next_frame()
        assert frame.pts == 3000 * number
        frames.append(frame.prefix + stream.read(frame.size_bytes))
    assert np.array_equal(np.frombuffer(b"".join(frames), np.uint8), np.frombuffer(raw, np.uint8))


@pytest.mark.integration
def test_wrong_time_base_is_refused(binaries: Binaries) -> None:
    stream = io.BytesIO(nut_stream(binaries.ffmpeg, "64x48"))
    with pytest.raises(OutputError, match=r"time bases are \[\(1, 90000\)\], not 1/1000"):
        NutReader(stream.read, timescale=1000).next_frame()


def test_stream_of_another_format_is_refused() -> None:
    stream = io.BytesIO(b"RIFF" + bytes(100))
    with pytest.raises(OutputError, match="does not begin with"):
        NutReader(stream.read, timescale=90_000).next_frame()
