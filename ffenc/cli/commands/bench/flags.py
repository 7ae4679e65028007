"""Flags of the commands in this package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jsonargparse import SUPPRESS, ArgumentParser

from ffenc.cli.parsing.arguments import add_encoder_flags, add_flag, command
from ffenc.cli.parsing.values import count, executor_name, frame_rate, frame_size, names, positive
from ffenc.config import VideoEncoderConfig
from ffenc.encoders.preset_lists import PRESET_LISTS

_VARIED = (*VideoEncoderConfig.model_fields, "encoder_threads", "cameras")


@command("bench [options] RESULTS")
def bench(parser: ArgumentParser) -> None:
    """Compare encoder settings on footage.

    Encoding time, CPU, memory, size, quality, and the time of random reads are
    measured. Each result is appended to RESULTS; run the same command again to
    continue a stopped sweep. In a YAML file (--config), a varied value may also set
    several fields together:

      vary: {vcodec: [libsvtav1, {vcodec: libx264, preset: veryfast}]}

    With RESULTS alone nothing is measured; the reports show the existing results.
    """
    add_flag(parser, "results", Path, "file for the results, .jsonl; created or continued")
    source = parser.add_argument_group("sources")
    kinds = "clips, directories of images, LeRobot datasets, or test_pattern, moving_texture, sensor_noise, depth_ramp"
    add_flag(source, "--sources", Any, kinds, metavar="LIST")
    add_flag(source, "--frames", positive, "frames per source (default: all; 90 for synthetic sources)")
    size = "scale to this size (default: the size of the source; 640x480)"
    add_flag(source, "--size", str, size, metavar="WxH")
    add_flag(source, "--fps", Any, "frame rate (default: the rate of the source; 30)", metavar="RATE")
    varied = parser.add_argument_group("varied settings", "Values are separated by commas.")
    for name in _VARIED:
        add_flag(varied, f"--vary.{name}", Any, f"values of {name}", default=SUPPRESS, metavar="LIST")
    mode = "every combination, or the first values with one other value at a time"
    add_flag(varied, "--mode", ("grid", "one_at_a_time"), mode, default="grid")
    _add_measuring_flags(parser)
    made = parser.add_argument_group("reports")
    add_flag(made, "--report", Path, "HTML page that needs no network", metavar="FILE")
    add_flag(made, "--csv", Path, "table with the columns of LeRobot's former benchmark", metavar="FILE")
    add_encoder_flags(parser)


@command("recommend [options]")
def recommend(parser: ArgumentParser) -> None:
    """Recommend encoder settings for the given number of cameras.

    Settings are tried, the best first. The first that keeps up on this machine
    under its current load is named. This takes at most a minute. The exit status is
    1 if nothing keeps up.
    """
    add_flag(parser, "--cameras", positive, "number of cameras", default=1)
    add_flag(parser, "--size", frame_size, "frame size of each camera (default: 640x480)", default=(640, 480))
    add_flag(parser, "--fps", frame_rate, "frame rate of each camera", default=30)
    use = "random reads (training), smallest files (archive), or low latency (live)"
    add_flag(parser, "--use", tuple(PRESET_LISTS), use, default="training")
    add_flag(parser, "--input", Path, "footage to try on (default: a synthetic scene)", metavar="CLIP")
    add_flag(parser, "--confirm", positive, "then record for S seconds and count dropped frames", metavar="S")


def _add_measuring_flags(parser: ArgumentParser) -> None:
    measured = parser.add_argument_group("measurements")
    add_flag(measured, "--measure", names, "any of timing, quality, reading, latency (default: all)", metavar="LIST")
    add_flag(measured, "--repeats", positive, "rounds", default=3)
    add_flag(measured, "--reads", positive, "reads per pattern and round", default=10)
    add_flag(measured, "--windows", dict, "further read patterns: delta timestamps by name")
    add_flag(measured, "--jobs", positive, "parallel trials, if only quality is measured", default=1)
    executor = "executor for these, as in jobs run: processes, dask, or dask://host:port"
    add_flag(measured, "--executor", executor_name, executor)
    add_flag(measured, "--retry_failed", None, "repeat failed trials")
    patience = "before each step, wait up to S seconds for an idle machine"
    add_flag(measured, "--patience", count, patience, default=0, metavar="S")
    add_flag(measured, "--scratch", Path, "directory for temporary frames and videos", metavar="DIR")
    quality = "instead of the sweep, find the crf of each further vcodec that matches the quality of the first"
    add_flag(measured, "--equal_quality", ("ssim", "vmaf"), quality)
