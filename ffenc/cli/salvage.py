"""``ffenc salvage``: a video of a recording that a crash cut off."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.arguments import Command, binaries_of, command_parser
from ffenc.cli.results import frames_text, pairs_table
from ffenc.cli.screen import Screen, plain
from ffenc.cli.values import frame_rate
from ffenc.video.salvage import salvage_video

_DESCRIPTION = """\
Make a plain video of a recording that was cut off: every whole frame, frame k
at exactly k/fps. The recording (.NAME.XXXXXXXX.recording.mp4) is left as it
was, and nothing is encoded again."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("salvage [options] RECORDING", _DESCRIPTION)
    parser.add_argument("path", type=Path, metavar="RECORDING", help="what the crash left; also any fragmented MP4")
    parser.add_argument(
        "--output", "-o", type=Path, metavar="FILE", help="the video (default: the name it was to have)"
    )
    parser.add_argument(
        "--fps", type=frame_rate, metavar="RATE", help="30 or 30000/1001 (default: as the recording says)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the video if it exists")
    return Command(name="salvage", summary="a video of a recording that was cut off", parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Salvage, and say what was saved and what was not."""
    result = salvage_video(
        arguments.path,
        arguments.output,
        fps=arguments.fps,
        overwrite=arguments.overwrite,
        binaries=binaries_of(arguments),
    )
    stream = result.stream
    rows = [
        ("video", f"{frames_text(result.frames)}, {stream.width}x{stream.height} at {result.fps} per second"),
        ("stream", f"{stream.codec}, {stream.pix_fmt}, copied"),
        ("lost", f"{decimal(result.lost_bytes)} behind the last whole frame"),
        ("kept", f"{result.source}; delete it when you are content with the video"),
    ]
    screen.result(plain(result), pairs_table(rows, title=f"wrote {result.path}"))
