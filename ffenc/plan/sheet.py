"""Plan a contact sheet: frames of several videos in one image, one row per video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ffenc.plan.clip_frames import ClipFrames
from ffenc.plan.graph import Filter, ffmpeg_argv, file_url

GAP = 4
"""Black pixels between two frames."""


def plan_sheet(ffmpeg: Path, rows: Sequence[ClipFrames], output: Path, *, cell: tuple[int, int]) -> tuple[str, ...]:
    """Plan one image.

    Args:
        rows: frames of one video each, the same number in every row.
        output: the image; always a PNG.
        cell: width and height into which every frame is fitted.
    """
    columns = rows[0].count
    return ffmpeg_argv(
        ffmpeg,
        inputs=[row.input(*_fitted(cell)) for row in rows],
        # ``tile`` leaves the place of a missing frame black; the listing lets the caller count them.
        video=[
            ("showinfo", {}),
            ("tile", {"layout": f"{columns}x{len(rows)}", "padding": str(GAP), "margin": str(GAP)}),
        ],
        output=file_url(output),
        output_options=[("frames:v", "1"), ("c:v", "png"), ("f", "image2"), ("update", "1")],
        loglevel="info",
        keep_timestamps=True,
    )


def _fitted(cell: tuple[int, int]) -> tuple[Filter, ...]:
    width, height = map(str, cell)
    return (
        ("scale", {"w": width, "h": height, "force_original_aspect_ratio": "decrease"}),
        ("format", {"pix_fmts": "rgb24"}),
        ("pad", {"w": width, "h": height, "x": "(ow-iw)/2", "y": "(oh-ih)/2"}),
        ("setsar", {"sar": "1"}),
        # Ascending timestamps, so that concatenated rows follow each other.
        ("setpts", {"expr": "N/(25*TB)"}),
    )
