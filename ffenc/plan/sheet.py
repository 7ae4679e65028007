"""The plan of a contact sheet: frames of several videos in one image, a row for each video."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ffenc.plan.decode import DecodeRange, selection
from ffenc.plan.graph import VIDEO, Filter, Input, Option, ffmpeg_argv, file_url

GAP = 4
"""Black pixels between two pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetRow:
    """The pictures of one row.

    Attributes:
        path: the video.
        demuxer: its container, by FFmpeg's name.
        frames: which ones.
    """

    path: Path
    demuxer: str
    frames: DecodeRange


def plan_sheet(ffmpeg: Path, rows: Sequence[SheetRow], output: Path, *, cell: tuple[int, int]) -> tuple[str, ...]:
    """Plan one image.

    Args:
        ffmpeg: the executable.
        rows: with as many frames each.
        output: the image, a PNG whatever its name.
        cell: width and height into which every picture is fitted.
    """
    inputs = []
    for row in rows:
        options: list[Option] = [("protocol_whitelist", "file"), ("f", row.demuxer)]
        if row.frames.seek_s is not None:
            options.append(("ss", f"{float(row.frames.seek_s):.6f}"))
        filters = (*selection(row.frames.offsets), *_fitted(cell))
        inputs.append(Input(url=file_url(row.path), options=tuple(options), stream=VIDEO, filters=filters))
    columns = len(rows[0].frames.offsets)
    return ffmpeg_argv(
        ffmpeg,
        inputs=inputs,
        video=[("tile", {"layout": f"{columns}x{len(rows)}", "padding": str(GAP), "margin": str(GAP)})],
        output=file_url(output),
        output_options=[("frames:v", "1"), ("c:v", "png"), ("f", "image2"), ("update", "1")],
    )


def _fitted(cell: tuple[int, int]) -> tuple[Filter, ...]:
    width, height = map(str, cell)
    return (
        ("scale", {"w": width, "h": height, "force_original_aspect_ratio": "decrease"}),
        ("format", {"pix_fmts": "rgb24"}),
        ("pad", {"w": width, "h": height, "x": "(ow-iw)/2", "y": "(oh-ih)/2"}),
        ("setsar", {"sar": "1"}),
        # One after the other on the time line, or the rows would not follow each other.
        ("setpts", {"expr": "N/(25*TB)"}),
    )
