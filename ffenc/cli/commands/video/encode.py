"""``ffenc encode``: the frames of a clip through numpy arrays into a new file."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_document, encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import (
    Command,
    UsageError,
    add_encoder_flags,
    add_job_flags,
    binaries_of,
    command_parser,
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

_DESCRIPTION = """\
Decode every frame of a clip into a numpy array, and encode the arrays at the
clip's rate: the path that camera frames take. Audio is not carried, so a clip
that has some needs --audio=drop. ffenc reencode is faster and can keep it."""


def command() -> Command:
    """The sub-command."""
    parser = command_parser("encode [options] INPUT OUTPUT", _DESCRIPTION)
    parser.add_argument("input", type=Path, metavar="INPUT", help="a clip with constant frame rate")
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="file to write, .mp4 or .mov")
    parser.add_argument("--audio", choices=("drop",), help="needed where the clip has audio, which is not carried")
    add_job_flags(parser)
    add_encoder_flags(parser)
    return Command(parser=parser, run=run)


def run(arguments: Namespace, screen: Screen) -> None:
    """Encode, and say what was written."""
    config, binaries = encoder_config(arguments), binaries_of(arguments)
    source, output = arguments.input, arguments.output
    if is_same_file(source, output):
        raise UsageError(f"{output} is the input itself; write to another name and rename it")
    audio = probe_video(source, binaries=binaries).audio
    if audio is not None and arguments.audio is None:
        raise InputError(
            f"{source} has audio ({audio.codec}), which frames do not carry; say --audio=drop, or use ffenc reencode "
            "--audio=keep",
            path=source,
        )
    reader = VideoReader(source, binaries=binaries)
    if arguments.dry_run:
        check_target(output, overwrite=arguments.overwrite)
        frames = RawFrames(frames=reader.format, fps=reader.fps)
        plan = plan_for(config, frames, output, binaries=binaries, encoder_threads=arguments.encoder_threads)
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
    screen.result(encode_document(result), encode_table(result))
