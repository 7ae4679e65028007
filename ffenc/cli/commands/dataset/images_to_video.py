"""``ffenc images-to-video``: the single images of a dataset become video."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.commands.dataset.reencode_dataset import DEPTH_GROUPS
from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen, plain
from ffenc.cli.parsing.arguments import (
    ENCODER_GROUPS,
    Command,
    add_config_flags,
    add_encoder_flags,
    add_follow_links_flag,
    add_layout_flag,
    add_output_flag,
    binaries_of,
    command_parser,
    given_config,
)
from ffenc.cli.parsing.values import names
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig

_DESCRIPTION = """\
Make video of the features of a LeRobot dataset that hold single images, into a
new dataset or, without --output, in place: all or nothing. Each episode begins
at a keyframe. Depth images of 16-bit millimetres become depth video."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("images-to-video [options] ROOT [--output=OUTPUT]", _DESCRIPTION)
    parser.add_argument("root", type=Path, metavar="ROOT", help="directory of a dataset")
    add_output_flag(
        parser, required=False, help_text="directory of the new dataset; without it the dataset is changed in place"
    )
    parser.add_argument("--cameras", type=names, metavar="NAMES", help="only these features (default: all)")
    add_layout_flag(parser, "info_layout", "dataset.info_layout")
    add_follow_links_flag(parser)
    add_encoder_flags(parser)
    add_config_flags(parser, DEPTH_GROUPS, title="depth encoder", model=DepthEncoderConfig)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Convert, and say what was made."""
    from ffenc.dataset.transform.images_to_video import convert_images_to_video

    with screen.progress("encoding") as progress:
        result = convert_images_to_video(
            arguments.root,
            camera_encoder=given_config(arguments, ENCODER_GROUPS, VideoEncoderConfig),
            depth_encoder=given_config(arguments, DEPTH_GROUPS, DepthEncoderConfig),
            cameras=arguments.cameras,
            output=arguments.output,
            info_layout=arguments.info_layout,
            encoder_threads=arguments.encoder_threads,
            follow_links=arguments.follow_links,
            binaries=binaries_of(arguments),
            progress=progress,
        )
    rows = [
        ("cameras", ", ".join(result.cameras)),
        ("videos", f"{result.videos} files, {decimal(result.size_bytes)}"),
        ("episodes", f"{result.episodes} of {frames_text(result.frames)}"),
    ]
    screen.result(plain(result), pairs_table(rows, title=f"wrote {result.root}"))
