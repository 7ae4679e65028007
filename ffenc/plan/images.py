"""Plan the writing of raw frames to numbered image files, and the reading of such files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames
from ffenc.plan.graph import Input, ffmpeg_argv

SUFFIXES = {"rgb": ".png", "bgr": ".png", "gray": ".png", "gray16": ".tiff", "gray12": ".tiff"}
"""Lossless formats by layout, as LeRobot chooses them: PNG for colour, TIFF for depth."""

_ENCODERS = {
    ".png": (("c:v", "png"), ("compression_level", "1")),
    ".tiff": (("c:v", "tiff"), ("compression_algo", "raw")),
}


def image_encoder(layout: str) -> str:
    """Return FFmpeg's encoder for images of this layout."""
    (_, name), *_ = _ENCODERS[SUFFIXES[layout]]
    return name


def image_name(number: int, suffix: str) -> str:
    """Return the file name of an image as LeRobot writes it: ``frame-000012.png``."""
    return f"frame-{number:06d}{suffix}"


def plan_image_files(ffmpeg: Path, frames: FrameFormat, directory: Path) -> tuple[str, ...]:
    """Return the command that reads raw frames from standard input and writes image k as ``frame-{k:06d}``."""
    suffix = SUFFIXES[frames.layout]
    raw = RawFrames(frames=frames, fps=Fraction(30)).input_options()  # any rate: images have none
    pattern = str(directory.absolute()).replace("%", "%%")
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url="pipe:0", options=raw)],
        output=f"file:{pattern}/frame-%06d{suffix}",
        output_options=[*_ENCODERS[suffix], ("start_number", "0"), ("f", "image2")],
    )


def plan_image_reading(
    ffmpeg: Path, frames: FrameFormat, directory: Path, suffix: str, *, count: int
) -> tuple[str, ...]:
    """Return the command that decodes the images ``frame-000000`` and following to raw frames on standard output."""
    pattern = str(directory.absolute()).replace("%", "%%")
    series = (("f", "image2"), ("pattern_type", "sequence"), ("start_number", "0"), ("protocol_whitelist", "file"))
    return ffmpeg_argv(
        ffmpeg,
        inputs=[Input(url=f"file:{pattern}/frame-%06d{suffix}", options=series)],
        output="pipe:1",
        output_options=[("c:v", "rawvideo"), ("pix_fmt", frames.pix_fmt), ("frames:v", str(count)), ("f", "rawvideo")],
    )
