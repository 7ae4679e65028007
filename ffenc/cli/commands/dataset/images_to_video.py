"""``ffenc images-to-video``: turn image features of a dataset into video."""

from __future__ import annotations

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.commands.dataset.flags import DEPTH_GROUPS
from ffenc.cli.output.results import frames_text, pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    ENCODER_GROUPS,
    binaries_of,
    given_config,
)
from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.dataset.transform.images_to_video import convert_images_to_video
from ffenc.json_text import as_json


def run(arguments: Namespace, screen: Screen) -> None:
    """Convert, and print the result."""
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
    screen.result(as_json(result), pairs_table(rows, title=f"wrote {result.root}"))
