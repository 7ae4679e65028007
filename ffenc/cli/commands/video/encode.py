"""``ffenc encode``: encode the frames of a clip, through numpy arrays."""

from __future__ import annotations

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    UsageError,
    binaries_of,
    encoder_config,
    is_same_file,
)
from ffenc.errors import InputError
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.plan.encode import RawFrames
from ffenc.video.encode import encode_frames
from ffenc.video.output import check_target
from ffenc.video.planning import plan_for
from ffenc.video.reader import VideoReader
from ffenc.video.run_context import RunContext


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and print the result."""
    config, binaries = encoder_config(arguments), binaries_of(arguments)
    source, output = arguments.input, arguments.output
    if is_same_file(source, output):
        raise UsageError(f"{output} is the input itself; write to another name and rename it")
    audio = probe_video(source, binaries=binaries).audio
    if audio is not None and arguments.audio is None:
        raise InputError(
            f"{source} has audio ({audio.codec}), which frames do not carry; give --audio=drop, or use ffenc reencode "
            "--audio=keep",
            path=source,
        )
    reader = VideoReader(source, binaries=binaries)
    if arguments.dry_run:
        check_target(output, overwrite=arguments.overwrite)
        frames = RawFrames(frames=reader.format, fps=reader.fps)
        plan = plan_for(
            config, frames, output, RunContext(binaries=binaries, encoder_threads=arguments.encoder_threads)
        )
        show_plan(screen, plan, note="Raw frames go to its standard input.")
        return
    with screen.progress("encoding", total=len(reader)) as progress:
        result = encode_frames(
            reader,
            output,
            fps=reader.fps,
            config=config,
            overwrite=arguments.overwrite,
            encoder_threads=arguments.encoder_threads,
            binaries=binaries,
            progress=progress,
        )
    screen.result(result.to_json(), encode_table(result))
