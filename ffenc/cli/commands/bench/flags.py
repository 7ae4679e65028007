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
Try encoder settings on footage and measure encoding time, CPU, memory, size,
quality, and the time of random reads. Each result is appended to RESULTS; run
the same command again to continue a stopped sweep. In a YAML file (--config),
a varied value may also set several fields together:

  vary: {vcodec: [libsvtav1, {vcodec: libx264, preset: veryfast}]}

With RESULTS alone nothing is measured; the reports show the existing results."""


def bench() -> ArgumentParser:
    """Make the parser of ``ffenc bench``."""
    parser = command_parser("bench [options] RESULTS", _BENCH)
    parser.add_argument(
        "results", type=Path, metavar="RESULTS", help="file for the results, .jsonl; created or continued"
    )
    source = parser.add_argument_group("sources")
    source.add_argument(
        "--sources",
        type=Any,
        metavar="LIST",
        help="clips, directories of images, LeRobot datasets, or test_pattern, moving_texture, sensor_noise, depth_ramp",
    )
    source.add_argument(
        "--frames", type=positive, metavar="N", help="frames per source (default: all; 90 for synthetic sources)"
    )
    source.add_argument(
        "--size", type=str, metavar="WxH", help="scale to this size (default: the size of the source; 640x480)"
    )
    source.add_argument("--fps", type=Any, metavar="RATE", help="frame rate (default: the rate of the source; 30)")
    varied = parser.add_argument_group("varied settings", "Values are separated by commas.")
    for name in _VARIED:
        varied.add_argument(f"--vary.{name}", type=Any, default=SUPPRESS, metavar="LIST", help=f"values of {name}")
    varied.add_argument(
        "--mode",
        choices=("grid", "one_at_a_time"),
        default="grid",
        help="every combination, or the first values with one other value at a time (default: grid)",
    )
    _add_measuring_flags(parser)
    made = parser.add_argument_group("reports")
    made.add_argument("--report", type=Path, metavar="FILE", help="HTML page that needs no network")
    made.add_argument("--csv", type=Path, metavar="FILE", help="table with the columns of LeRobot's former benchmark")
    add_encoder_flags(parser)
    return parser


_RECOMMEND = """\
Try encoder settings, the best first, with the given number of cameras, and name
the first that keeps up on this machine under its current load. This takes at
most a minute. The exit status is 1 if nothing keeps up."""


def recommend() -> ArgumentParser:
    """Make the parser of ``ffenc recommend``."""
    parser = command_parser("recommend [options]", _RECOMMEND)
    parser.add_argument("--cameras", type=positive, default=1, metavar="N", help="number of cameras (default: 1)")
    parser.add_argument(
        "--size",
        type=picture_size,
        default=(640, 480),
        metavar="WxH",
        help="frame size of each camera (default: 640x480)",
    )
    parser.add_argument(
        "--fps", type=frame_rate, default=30, metavar="RATE", help="frame rate of each camera (default: 30)"
    )
    parser.add_argument(
        "--use",
        choices=tuple(PRESET_LISTS),
        default="training",
        help="random reads (training), smallest files (archive), or low latency (live) (default: training)",
    )
    parser.add_argument("--input", type=Path, metavar="CLIP", help="footage to try on (default: a synthetic scene)")
    parser.add_argument(
        "--confirm",
        type=positive,
        metavar="S",
        help="then record for S seconds and count dropped frames",
    )
    return parser


def _add_measuring_flags(parser: ArgumentParser) -> None:
    measured = parser.add_argument_group("measurements")
    measured.add_argument(
        "--measure", type=names, metavar="LIST", help="any of timing, quality, reading, latency (default: all)"
    )
    measured.add_argument("--repeats", type=positive, default=3, metavar="N", help="rounds (default: 3)")
    measured.add_argument(
        "--reads", type=positive, default=10, metavar="N", help="reads per pattern and round (default: 10)"
    )
    measured.add_argument(
        "--windows", type=dict, metavar="DICT", help="further read patterns: delta timestamps by name"
    )
    measured.add_argument(
        "--jobs", type=positive, default=1, metavar="N", help="parallel trials, if only quality is measured"
    )
    measured.add_argument(
        "--executor",
        type=executor_name,
        metavar="NAME",
        help="executor for these, as in jobs run: processes, dask, or dask://host:port",
    )
    measured.add_argument("--retry_failed", action="store_true", help="repeat failed trials")
    measured.add_argument(
        "--patience",
        type=count,
        default=0,
        metavar="S",
        help="before each step, wait up to S seconds for an idle machine (default: 0)",
    )
    measured.add_argument("--scratch", type=Path, metavar="DIR", help="directory for temporary frames and videos")
    measured.add_argument(
        "--equal_quality",
        choices=("ssim", "vmaf"),
        help="instead of the sweep, find the crf of each further vcodec that matches the quality of the first",
    )
