"""``ffenc encode``, ``images`` and ``reencode``: encode a video from the frames of a clip, from images, or from a clip."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from jsonargparse import Namespace

from ffenc.cli.output.results import encode_table, show_plan
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import UsageError, binaries_of, call, is_same_file
from ffenc.errors import InputError
from ffenc.ffmpeg.ffprobe import probe_video
from ffenc.plan.encode import EncodePlan, RawFrames
from ffenc.video.encode import encode_frames, encode_images, plan_images
from ffenc.video.output import check_target
from ffenc.video.planning import plan_for
from ffenc.video.reader import VideoReader
from ffenc.video.reencode import plan_reencode, reencode_video
from ffenc.video.run import EncodeResult
from ffenc.video.run_context import RunContext


def encode(arguments: Namespace, screen: Screen) -> None:
    """Encode the frames of a clip through numpy arrays, and print the result."""
    binaries, source, output = binaries_of(arguments), arguments.input, arguments.output
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
    frames = RawFrames(frames=reader.format, fps=reader.fps)
    context = RunContext(binaries=binaries, encoder_threads=arguments.encoder_threads)
    _run(
        arguments,
        screen,
        partial(call, plan_for, arguments, source=frames, context=context),
        partial(call, encode_frames, arguments, frames=reader, path=output, fps=reader.fps),
        total=len(reader),
        note="Raw frames go to its standard input.",
    )


def images(arguments: Namespace, screen: Screen) -> None:
    """Encode image files, and print the result."""
    run = partial(call, encode_images, arguments, path=arguments.output)
    _run(arguments, screen, partial(call, plan_images, arguments), run)


def reencode(arguments: Namespace, screen: Screen) -> None:
    """Re-encode a clip or a range of its frames, and print the result."""
    plan = partial(call, plan_reencode, arguments, source=arguments.input)
    _run(arguments, screen, plan, partial(call, reencode_video, arguments, source=arguments.input))


def _run(
    arguments: Namespace,
    screen: Screen,
    plan: Callable[[], EncodePlan],
    run: Callable[..., EncodeResult],
    *,
    total: int | None = None,
    note: str = "",
) -> None:
    """Print the command if ``--dry_run`` is given; otherwise encode and print the result.

    Args:
        arguments: the flags.
        screen: the output.
        plan: makes the command.
        run: encodes; gets ``progress``.
        total: number of frames, if known.
        note: printed below the command.
    """
    if arguments.dry_run:
        check_target(arguments.output, overwrite=arguments.overwrite)
        show_plan(screen, plan(), note=note)
        return
    with screen.progress("encoding", total=total) as progress:
        result = run(progress=progress)
    screen.result(result.to_json(), encode_table(result))
