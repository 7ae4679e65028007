"""A few frames of a clip side by side in one image, for a first look."""

from __future__ import annotations

from pathlib import Path

from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.graph import VIDEO, Input, ffmpeg_argv, file_url
from ffenc.video.output import PendingFile

COLUMNS, ROWS = 3, 2
_TIMEOUT_S = 60.0


def save_contact_sheet(video: Path, image: Path, *, binaries: Binaries, overwrite: bool) -> None:
    """Write a sheet of `COLUMNS` by `ROWS` frames, evenly spaced over a clip.

    Args:
        video: the clip; if it has fewer frames than the sheet has places, the rest of the sheet stays black.
        image: file to write; its suffix names the image format.
        binaries: the executables.
        overwrite: replace an existing file.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is False.
        ProbeError: not a video.
        ProcessError: ffmpeg failed or took longer than a minute.
    """
    stream, packets = probe_video_and_packets(video, binaries=binaries)
    step = max(1, packets.count // (COLUMNS * ROWS))
    demuxer = stream.container.split(",")[0]
    with PendingFile(image, overwrite=overwrite) as pending:
        argv = ffmpeg_argv(
            binaries.ffmpeg,
            inputs=[Input(url=file_url(video), options=(("f", demuxer),), stream=VIDEO)],
            video=[
                ("select", {"expr": f"not(mod(n,{step}))"}),
                ("scale", {"w": "320", "h": "-2"}),
                ("tile", {"layout": f"{COLUMNS}x{ROWS}", "padding": "4"}),
            ],
            output=file_url(pending.path),
            output_options=[("frames:v", "1"), ("f", "image2"), ("update", "1")],
        )
        run_tool(argv, timeout_s=_TIMEOUT_S)
        pending.commit()
