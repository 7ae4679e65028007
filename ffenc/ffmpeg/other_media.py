"""Describe files that are not clips, and give the command that converts them to one."""

from __future__ import annotations

import re
import shlex
from fractions import Fraction
from pathlib import Path

_LOOKED_AT = 512

_RAW = "a raw video stream, which has no timestamps"
_IMAGE = "a single image; ffenc images makes a video of a folder of images"
_AUDIO = "an audio file, which has no video"
_PLAYLIST = "a playlist, which names other files; it is not opened here, because it could name any file"

_KINDS: tuple[tuple[re.Pattern[bytes], str, bool], ...] = tuple(
    (re.compile(pattern, re.DOTALL), what, has_frames)
    for pattern, what, has_frames in (
        (rb"YUV4MPEG2 ", "a Y4M file (raw frames), which is not read here", True),
        (rb"GIF8", "a GIF, whose frames may have any duration", True),
        (rb"\x89PNG\r\n\x1a\n.*acTL", "an animated PNG, whose frames may have any duration", True),
        (rb"\x89PNG\r\n\x1a\n", _IMAGE, False),
        (rb"\xff\xd8\xff", f"a JPEG file: {_IMAGE}. If it holds many (raw MJPEG), it has no timestamps", True),
        (rb"(II\*\0|MM\0\*|BM|RIFF....WEBP)", _IMAGE, False),
        (rb"\x06\x0e\x2b\x34\x02\x05\x01\x01", "an MXF file, whose timestamps are not read here", True),
        (rb"\0{0,3}\0\0\x01[^\xba]", _RAW, True),
        (rb"\x12\0\x0a", _RAW, True),
        (rb"#EXTM3U|<\?xml.*<MPD|<MPD|\[playlist\]|ffconcat version", _PLAYLIST, True),
        (rb"fLaC|ID3|RIFF....WAVE|\xff[\xfb\xf3\xf2]|#!AMR|FORM....AIF", _AUDIO, False),
        (rb"[\t\n\r\x20-\x7e]+\Z", "a text file", False),
    )
)
"""First bytes, description of such a file, and whether FFmpeg can convert it to a clip."""


def describe_other_media(path: Path) -> str | None:
    """Describe a regular file that is not a media container, with the command that converts it; None if unknown."""
    with path.open("rb") as file:
        start = file.read(_LOOKED_AT)
    for pattern, what, has_frames in _KINDS:
        if pattern.match(start):
            return f"{what}. {rescue_advice(path)}" if has_frames else what
    return None


def rescue_advice(path: Path, rate: Fraction = Fraction(30)) -> str:
    """Return the command that makes a lossless clip of a file, with one frame for each of its images.

    The command numbers the frames, so the timestamps of the file do not matter (measured with 4.2 to 9.0).
    """
    pts = f"N/{rate}/TB" if rate.denominator == 1 else f"N*{rate.denominator}/{rate.numerator}/TB"
    source, output = shlex.quote(str(path)), shlex.quote(str(path.with_name(f"{path.stem}-frames.mkv")))
    return (
        f"Make a clip of it, with one frame for each image; replace {rate} by its frame rate:\n"
        f"  ffmpeg -i {source} -an -vf setpts={pts} -r {rate} -c:v ffv1 {output}"
    )
