"""``ffenc reencode``: re-encode a clip, or a range of its frames."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    binaries_of,
    encoder_config,
)
from ffenc.video.output import check_target
from ffenc.video.reencode import plan_reencode, reencode_video


def run(arguments: Namespace, screen: Screen) -> None:
    """Re-encode, and print the result."""
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
    screen.result(result.to_json(), encode_table(result))
