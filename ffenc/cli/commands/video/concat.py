"""``ffenc concat``: concatenate clips without re-encoding."""

from __future__ import annotations

from pathlib import Path

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.output.results import frames_text, pairs_table, show_command
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of, call
from ffenc.plan.concat import plan_concat
from ffenc.plan.encode import muxer_for
from ffenc.video.clip import measure_clips
from ffenc.video.concat import ConcatResult, concat_videos
from ffenc.video.output import check_target


def run(arguments: Namespace, screen: Screen) -> None:
    """Concatenate, and print the result."""
    if arguments.dry_run:
        _dry_run(arguments, screen)
        return
    with screen.progress("concatenating") as progress:
        result = call(concat_videos, arguments, progress=progress)
    screen.result(result.to_json(), pairs_table(_rows(result), title=f"wrote {result.path}"))


def _rows(result: ConcatResult) -> list[tuple[str, object]]:
    stream = result.stream
    size = f"{stream.width}x{stream.height} at {result.fps} per second"
    return [
        ("clips", f"{result.clips}, starting at frames {_shortened(result.offsets)}"),
        ("video", f"{frames_text(result.frames)}, {size}, {float(result.duration_s):.3f} s"),
        ("stream", f"{stream.codec}, {stream.pix_fmt}, copied"),
        ("size", decimal(result.size_bytes)),
    ]


def _shortened(numbers: tuple[int, ...]) -> str:
    shown = [str(number) for number in numbers]
    return ", ".join(shown if len(shown) <= 12 else [*shown[:10], "...", shown[-1]])


def _dry_run(arguments: Namespace, screen: Screen) -> None:
    binaries, output = binaries_of(arguments), arguments.output
    muxer = muxer_for(output)
    check_target(output, overwrite=arguments.overwrite)
    measured = measure_clips(arguments.clips, binaries=binaries)
    plan = plan_concat(
        binaries.ffmpeg,
        [clip.stream for clip in measured],
        [clip.packets.count for clip in measured],
        output,
        list_path=Path("list.ffconcat"),
        paths=[clip.stream.path for clip in measured],
        muxer=muxer,
    )
    show_command(screen, plan.argv, output=output, note="list.ffconcat would hold:", list=plan.list_text)
    screen.note(plan.list_text.rstrip())
