"""``ffenc images``: encode image files into a video."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    binaries_of,
    encoder_config,
)
from ffenc.video.encode import encode_images, plan_images
from ffenc.video.output import check_target


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and print the result."""
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
    screen.result(result.to_json(), encode_table(result))
