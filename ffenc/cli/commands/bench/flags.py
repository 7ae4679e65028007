"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import SUPPRESS, ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, command_parser
from ffenc.cli.parsing.values import count, executor_name, frame_rate, names, picture_size, positive
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.preset_lists import PRESET_LISTS

_VARIED = (*VideoEncoderConfig.model_fields, "encoder_threads", "cameras")

_BENCH = """\
Try encoder settings on footage and measure what recording and training feel:
time, CPU, memory, size, likeness, and the time to read frames anywhere.
Every result is a line of RESULTS as soon as it is there; run the same command
again to go on where it stopped. Flags may stand in a YAML file (--config), in
which a value to vary may also set several fields together:

  vary: {vcodec: [libsvtav1, {vcodec: libx264, preset: veryfast}]}

With RESULTS alone nothing is measured; reports are made of what is there."""


def bench() -> ArgumentParser:
    """Make the parser of ``ffenc bench``."""
    parser = command_parser("bench [options] RESULTS", _BENCH)
    parser.add_argument("results", type=Path, metavar="RESULTS", help="file of results, .jsonl; created or continued")
    source = parser.add_argument_group("sources")
    source.add_argument(
        "--sources",
        type=Any,
        metavar="LIST",
        help="clips, directories of images, LeRobot datasets, or test_pattern, moving_texture, sensor_noise, depth_ramp",
    )
    source.add_argument(
        "--frames", type=positive, metavar="N", help="frames of each (default: all; 90 of synthetic ones)"
    )
    source.add_argument("--size", type=str, metavar="WxH", help="scale to this size (default: as they are; 640x480)")
    source.add_argument("--fps", type=Any, metavar="RATE", help="rate at which frames come (default: the source's; 30)")
    varied = parser.add_argument_group("what is tried", "Values with commas between them.")
    for name in _VARIED:
        varied.add_argument(f"--vary.{name}", type=Any, default=SUPPRESS, metavar="LIST", help=f"values of {name}")
    varied.add_argument(
        "--mode",
        choices=("grid", "one_at_a_time"),
        default="grid",
        help="every combination, or the first values and each other value by itself (default: grid)",
    )
    _add_measuring_flags(parser)
    made = parser.add_argument_group("what is made of it")
    made.add_argument("--report", type=Path, metavar="FILE", help="one HTML page that needs no network")
    made.add_argument("--csv", type=Path, metavar="FILE", help="a table with the columns of LeRobot's old benchmark")
    add_encoder_flags(parser)
    return parser


_RECOMMEND = """\
Try what may be used, the best first, with as many cameras as there will be, and
name the first that keeps up on this machine as it is loaded now. It takes at
most a minute. The exit status is 1 when nothing keeps up."""


def recommend() -> ArgumentParser:
    """Make the parser of ``ffenc recommend``."""
    parser = command_parser("recommend [options]", _RECOMMEND)
    parser.add_argument("--cameras", type=positive, default=1, metavar="N", help="that record at once (default: 1)")
    parser.add_argument(
        "--size", type=picture_size, default=(640, 480), metavar="WxH", help="of each (default: 640x480)"
    )
    parser.add_argument("--fps", type=frame_rate, default=30, metavar="RATE", help="of each (default: 30)")
    parser.add_argument(
        "--use",
        choices=tuple(PRESET_LISTS),
        default="training",
        help="read anywhere (training), as small as can be (archive), or watched at once (live) (default: training)",
    )
    parser.add_argument("--input", type=Path, metavar="CLIP", help="footage to try on (default: a synthetic scene)")
    parser.add_argument(
        "--confirm",
        type=positive,
        metavar="S",
        help="then record for S seconds as a robot would, and count what is dropped",
    )
    return parser


def _add_measuring_flags(parser: ArgumentParser) -> None:
    measured = parser.add_argument_group("what is measured")
    measured.add_argument(
        "--measure", type=names, metavar="LIST", help="some of timing, quality, reading, latency (default: all)"
    )
    measured.add_argument("--repeats", type=positive, default=3, metavar="N", help="rounds (default: 3)")
    measured.add_argument("--reads", type=positive, default=10, metavar="N", help="reads of a pattern in a round (10)")
    measured.add_argument("--windows", type=dict, metavar="DICT", help="further patterns: name to delta timestamps")
    measured.add_argument("--jobs", type=positive, default=1, metavar="N", help="at once, if only quality is measured")
    measured.add_argument(
        "--executor",
        type=executor_name,
        metavar="NAME",
        help="likewise, as in jobs run: processes or dask, also with a number, or dask://host:port",
    )
    measured.add_argument("--retry_failed", action="store_true", help="try again what failed before")
    measured.add_argument(
        "--patience",
        type=count,
        default=0,
        metavar="S",
        help="before each step, wait up to S seconds until nothing else is running (default: 0)",
    )
    measured.add_argument("--scratch", type=Path, metavar="DIR", help="where frames and videos are written meanwhile")
    measured.add_argument(
        "--equal_quality",
        choices=("ssim", "vmaf"),
        help="instead of the sweep: which crf of each further vcodec is as good as those of the first one",
    )
