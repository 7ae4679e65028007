"""The command around the encoder's options: sources, colour, containers, audio."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc.config import DepthEncoderConfig, VideoEncoderConfig
from ffenc.errors import EncoderOptionError, InputError, PixelFormatError
from ffenc.frames import FrameFormat
from ffenc.plan.clip_frames import ClipFrames, FrameClock
from ffenc.plan.encode import (
    EncodePlan,
    ImageSequence,
    RawFrames,
    Source,
    VideoClip,
    color_filters,
    muxer_for,
    plan_encode,
)
from tests.recordings import recorded

FRAMES = RawFrames(frames=FrameFormat(width=640, height=480), fps=Fraction(30000, 1001))
IMAGES = ImageSequence(
    pattern="/in/100%% sure/frame-%06d.png", start_number=7, count=12, size=(640, 480), fps=Fraction(10)
)
CLIP = VideoClip(
    frames=ClipFrames(
        path=Path("/in/clip.mp4"),
        demuxer="mov",
        size=(640, 480),
        clock=FrameClock(first_pts=0, ticks_per_frame=Fraction(512), time_base=Fraction(1, 15360)),
        runs=((0, 5),),
    ),
    size=(640, 480),
    fps=Fraction(30),
)


def plan(source: Source = FRAMES, output: str = "/out/a.mp4", **settings: Any) -> EncodePlan:
    return plan_encode(VideoEncoderConfig(vcodec="libx264", **settings), source, output, recorded("9.0.2"))


def value_of(argv: tuple[str, ...], option: str) -> str:
    assert argv.count(option) == 1
    return argv[argv.index(option) + 1]


@pytest.mark.parametrize("layout", ["rgb", "bgr", "rgba", "gray", "gray16"])
def test_raw_frames_are_described_exactly(layout):
    form = FrameFormat(width=64, height=48, layout=layout)
    argv = plan(RawFrames(frames=form, fps=Fraction(30000, 1001))).argv
    before = argv[: argv.index("-i")]
    assert value_of(before, "-f") == "rawvideo"
    assert value_of(before, "-pix_fmt") == form.pix_fmt
    assert value_of(before, "-s") == "64x48"
    assert value_of(before, "-framerate") == "30000/1001"
    assert value_of(argv, "-i") == "pipe:0"


def test_images_are_read_by_a_named_demuxer_from_the_first_number():
    argv = plan(IMAGES).argv
    before = argv[: argv.index("-i")]
    assert value_of(before, "-f") == "image2"
    assert value_of(before, "-start_number") == "7"
    assert value_of(before, "-framerate") == "10"
    assert value_of(argv, "-i") == "file:/in/100%% sure/frame-%06d.png"


@pytest.mark.parametrize("source", [IMAGES, CLIP], ids=["images", "clip"])
def test_image_files_use_only_the_file_protocol_and_damage_is_an_error(source):
    argv = plan(source).argv
    before = argv[: argv.index("-i")]
    assert value_of(before, "-protocol_whitelist") == "file"
    assert value_of(before, "-err_detect") == "explode"
    assert "-xerror" in argv
    assert value_of(argv, "-i").startswith("file:/")


@pytest.mark.parametrize(
    ("pix_fmt", "filters"),
    [
        ("yuv420p", ["out_color_matrix=bt601", "out_range=tv", "colorspace=smpte170m", "range=tv"]),
        ("yuvj420p", ["out_color_matrix=bt601", "out_range=pc", "colorspace=smpte170m", "range=pc"]),
        ("gray", ["out_range=pc", "range=pc"]),
        ("gbrp", ["out_range=pc", "range=pc"]),
    ],
)
def test_conversion_and_tag_have_the_same_colour(pix_fmt, filters):
    graph = [f"{name}={value}" for _, arguments in color_filters(pix_fmt) for name, value in arguments.items()]
    assert set(filters) <= set(graph)
    assert ("colorspace=smpte170m" in graph) == ("out_color_matrix=bt601" in graph)


def test_pixel_format_is_never_converted_silently():
    assert value_of(plan().argv[plan().argv.index("-i") :], "-pix_fmt") == "+yuv420p"


@pytest.mark.parametrize(
    ("name", "muxer"), [("a.mp4", "mp4"), ("a.MP4", "mp4"), ("a.m4v", "mp4"), ("a.mov", "mov"), ("a.b.mp4", "mp4")]
)
def test_the_suffix_names_the_container(name, muxer):
    assert muxer_for(name) == muxer
    assert plan(output=f"/out/{name}").muxer == muxer


@pytest.mark.parametrize("name", ["a.mkv", "a.avi", "a.webm", "a", ".mp4", "a.mp4.part"])
def test_container_that_rounds_timestamps_is_refused(name):
    with pytest.raises(InputError, match=r"\.mp4"):
        muxer_for(name)


def test_the_muxer_is_always_named():
    argv = plan(output="/out/a.mov").argv
    assert value_of(argv[argv.index("-i") :], "-f") == "mov"


def test_a_name_cannot_become_an_option_or_a_protocol():
    assert plan(output="-y.mp4").argv[-1] == f"file:{Path.cwd()}/-y.mp4"
    assert plan(output="http:x.mp4").argv[-1] == f"file:{Path.cwd()}/http:x.mp4"


def test_plan_can_write_to_another_file():
    moved = plan().writing_to(Path("/tmp/.a.part.mp4"))
    assert moved.argv[:-1] == plan().argv[:-1]
    assert moved.argv[-1] == "file:/tmp/.a.part.mp4"
    assert moved.output == Path("/tmp/.a.part.mp4")
    assert moved.encoder == plan().encoder


@pytest.mark.parametrize(("source", "count"), [(FRAMES, None), (IMAGES, 12), (CLIP, 5)])
def test_source_knows_its_number_of_frames(source, count):
    assert source.count == count


def test_plan_prints_as_a_shell_command():
    text = str(plan())
    assert text.startswith("ffmpeg -hide_banner -nostdin")
    assert "'[" in text


def test_a_refusal_comes_before_any_command():
    with pytest.raises(EncoderOptionError):
        plan(extra_options={"nonsense": 1})


@pytest.mark.parametrize("layout", ["rgb", "gray", "gray16"])
def test_depth_is_never_converted(layout: str) -> None:
    frames = RawFrames(frames=FrameFormat(width=64, height=64, layout=layout), fps=Fraction(30))
    with pytest.raises(PixelFormatError, match=f"layout '{layout}'.*would change every depth"):
        plan_encode(DepthEncoderConfig(), frames, "/out/a.mp4", recorded("9.0.2"))


def test_image_files_hold_no_codes() -> None:
    with pytest.raises(PixelFormatError, match="image files"):
        plan_encode(DepthEncoderConfig(), IMAGES, "/out/a.mp4", recorded("9.0.2"))
    assert plan_encode(DepthEncoderConfig.lossless16(), IMAGES, "/out/a.mov", recorded("9.0.2")).muxer == "mov"


@pytest.mark.parametrize(
    ("config", "layout", "suffix"),
    [(DepthEncoderConfig(), "gray12", "mp4"), (DepthEncoderConfig.lossless16(), "gray16", "mov")],
)
def test_depth_is_encoded_without_conversion(config: DepthEncoderConfig, layout: str, suffix: str) -> None:
    assert config.layout == layout
    frames = RawFrames(frames=FrameFormat(width=64, height=64, layout=layout), fps=Fraction(30))
    planned = plan_encode(config, frames, f"/out/a.{suffix}", recorded("9.0.2"))
    assert planned.encoder.feed_pix_fmt == frames.frames.pix_fmt
    assert isinstance(planned.encoder.config, DepthEncoderConfig)
