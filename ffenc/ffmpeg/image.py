"""Measure one still picture."""

from __future__ import annotations

import re
from pathlib import Path

from ffenc.errors import InputError, ProcessError
from ffenc.ffmpeg.process import run_tool

_DIMENSIONS = re.compile(rb"^#dimensions 0: (\d+)x(\d+)$", re.MULTILINE)


def probe_image_size(path: Path, *, ffmpeg: Path) -> tuple[int, int]:
    """Width and height of a picture in pixels, as ffmpeg sees it.

    Args:
        path: a PNG, JPEG or TIFF file.
        ffmpeg: the executable; its framecrc muxer prints the size without encoding anything (4.2 to 9.0).

    Raises:
        InputError: not a picture, torn, or of a kind this FFmpeg has no decoder for.
    """
    argv = [
        *(str(ffmpeg), "-hide_banner", "-nostdin", "-loglevel", "error", "-protocol_whitelist", "file"),
        *("-f", "image2", "-pattern_type", "none", "-i", f"file:{path.absolute()}"),
        *("-map", "0:v:0", "-frames:v", "1", "-c", "copy", "-f", "framecrc", "pipe:1"),
    ]
    try:
        output = run_tool(argv)
    except ProcessError as err:
        raise InputError(f"{path} cannot be read as an image. {err}", path=path) from err
    match = _DIMENSIONS.search(output.stdout)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    if not width or not height:
        raise InputError(
            f"{path} cannot be read as an image: it is torn, or this FFmpeg ({ffmpeg}) has no decoder for its kind. "
            f"{output.stderr.strip()}",
            path=path,
        )
    return width, height
