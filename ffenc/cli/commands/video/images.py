"""``ffenc images``: numbered image files into a video."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_document, encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    Command,
    add_encoder_flags,
    add_job_flags,
    add_order_flag,
    binaries_of,
    command_parser,
    encoder_config,
)
from ffenc.cli.parsing.values import frame_rate
from ffenc.video.encode import encode_images, plan_images
from ffenc.video.output import check_target

_DESCRIPTION = """\
Encode the images of a directory: PNG, JPEG or TIFF, all of one format, size
and orientation; an EXIF orientation is applied. By default they are numbered
without a gap (frame-000000.png, ...). With --order=name they may have any
names, such as timestamps, and image k in the order of names is frame k."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("images [options] DIR OUTPUT --fps=RATE", _DESCRIPTION)
    parser.add_argument("directory", type=Path, metavar="DIR", help="directory with the images")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument(
        "--fps", type=frame_rate, default="30", metavar="RATE", help="30 or 30000/1001 (default: %(default)s)"
    )
    add_order_flag(parser)
    add_job_flags(parser)
    add_encoder_flags(parser)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and say what was written."""
    config, binaries = encoder_config(arguments), binaries_of(arguments)
    if arguments.dry_run:
        check_target(arguments.output, overwrite=arguments.overwrite)
        plan = plan_images(
            arguments.directory,
            arguments.output,
            fps=arguments.fps,
            config=config,
            order=arguments.order,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
        )
        show_plan(screen, plan)
        return
    with screen.progress("encoding") as progress:
        result = encode_images(
            arguments.directory,
            arguments.output,
            fps=arguments.fps,
            config=config,
            order=arguments.order,
            overwrite=arguments.overwrite,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
            progress=progress,
        )
    screen.result(encode_document(result), encode_table(result))
