"""``ffenc reencode``: a clip, or an exact range of its frames, re-encoded."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_document, encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    Command,
    add_encoder_flags,
    add_job_flags,
    binaries_of,
    command_parser,
    encoder_config,
)
from ffenc.cli.parsing.values import frame_number
from ffenc.video.output import check_target
from ffenc.video.reencode import plan_reencode, reencode_video

_DESCRIPTION = """\
Decode a clip and re-encode it: all of it, or frames START to END - 1.
Frames are counted from 0, and the result starts at time 0. FFmpeg does both;
no picture passes through Python."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("reencode [options] INPUT OUTPUT", _DESCRIPTION)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--start", type=frame_number, metavar="FRAME", help="first frame (default: 0)")
    parser.add_argument("--end", type=frame_number, metavar="FRAME", help="frame behind the last one (default: all)")
    parser.add_argument("--audio", choices=("keep", "drop"), help="keep or drop audio; needed if there is any")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Re-encode, and say what was written."""
    config, binaries = encoder_config(arguments), binaries_of(arguments)
    if arguments.dry_run:
        check_target(arguments.output, overwrite=arguments.overwrite)
        plan = plan_reencode(
            arguments.input,
            arguments.output,
            config=config,
            start=arguments.start,
            end=arguments.end,
            audio=arguments.audio,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
        )
        show_plan(screen, plan)
        return
    with screen.progress("encoding") as progress:
        result = reencode_video(
            arguments.input,
            arguments.output,
            config=config,
            start=arguments.start,
            end=arguments.end,
            audio=arguments.audio,
            overwrite=arguments.overwrite,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
            progress=progress,
        )
    screen.result(encode_document(result), encode_table(result))
