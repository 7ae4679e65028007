"""Pixel formats and sizes: accepted unchanged or refused, never converted silently."""

from __future__ import annotations

from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.table import encoder_row
from ffenc.errors import EncoderOptionError, FrameSizeError, PixelFormatError
from ffenc.plan.frame_checks import accepted_pixel_formats, chroma_steps, color_range, has_matrix
from ffenc.plan.resolve import ResolvedEncoder, resolve_encoder
from tests.recordings import BUILDS, recorded


def resolve(
    vcodec: str,
    pix_fmt: str = "yuv420p",
    *,
    build: str = "9.0.2",
    width: int = 640,
    height: int = 480,
    muxer: str = "mp4",
) -> ResolvedEncoder:
    config = VideoEncoderConfig(vcodec=vcodec, pix_fmt=pix_fmt)
    return resolve_encoder(
        config, recorded(build), width=width, height=height, muxer=muxer, device_node="/dev/dri/renderD128"
    )


@pytest.mark.parametrize(
    ("vcodec", "pix_fmt", "feed"),
    [
        ("libx264", "yuv444p", "yuv444p"),
        ("libx265", "gray12le", "gray12le"),
        ("libsvtav1", "yuv420p10le", "yuv420p10le"),
        ("mjpeg", "yuvj422p", "yuvj422p"),
        ("h264_nvenc", "yuv420p", "yuv420p"),
        ("hevc_nvenc", "yuv420p10le", "p010le"),
        ("h264_vaapi", "yuv420p", "nv12"),
        ("hevc_vaapi", "yuv420p10le", "p010le"),
        ("h264_qsv", "yuv420p", "nv12"),
        ("hevc_qsv", "yuv420p10le", "p010le"),
        ("h264_v4l2m2m", "yuv420p", "yuv420p"),
        ("h264_v4l2m2m", "nv12", "nv12"),
        ("libx264rgb", "rgb24", "rgb24"),
    ],
)
def test_encoder_is_fed_with_the_format_for_the_requested_stream(vcodec, pix_fmt, feed):
    assert resolve(vcodec, pix_fmt).feed_pix_fmt == feed


@pytest.mark.parametrize(
    ("vcodec", "pix_fmt", "build", "said"),
    [
        ("libsvtav1", "yuv444p", "9.0.2", "it takes yuv420p, yuv420p10le"),
        ("libx264", "rgb24", "9.0.2", "does not take"),
        ("libx264", "yuv420", "9.0.2", "did you mean 'yuv420p'"),
        ("libx264", "zzz", "9.0.2", "has no pixel format 'zzz'"),
        # LeRobot's depth format: ffmpeg would convert it to 8 bits on this build and end with status 0.
        ("libx265", "gray12le", "4.4", "does not take"),
        ("mjpeg", "yuv420p", "9.0.2", "it takes yuvj420p"),
        ("h264_vaapi", "yuv420p10le", "9.0.2", "it takes yuv420p, nv12"),
        ("h264_vaapi", "vaapi", "9.0.2", "does not take"),
        ("h264_nvenc", "cuda", "9.0.2", "does not take"),
        ("h264_v4l2m2m", "yuv444p", "9.0.2", "it takes yuv420p, nv12"),
        ("libx264rgb", "yuv420p", "9.0.2", "does not take"),
    ],
)
def test_a_pixel_format_that_would_be_converted_is_refused(vcodec, pix_fmt, build, said):
    with pytest.raises(PixelFormatError) as caught:
        resolve(vcodec, pix_fmt, build=build)
    assert said in str(caught.value)
    assert caught.value.pix_fmt == pix_fmt
    assert pix_fmt not in caught.value.accepted


def test_refusal_names_encoders_that_take_the_pixel_format():
    with pytest.raises(
        PixelFormatError, match=r"vcodecs that take gray12le here: libaom-av1, ffv1 \(into \.mov\)"
    ) as caught:
        resolve("libx265", "gray12le", build="4.4")
    assert caught.value.alternatives == ("libaom-av1", "ffv1")
    with pytest.raises(PixelFormatError) as caught:
        resolve("libsvtav1", "rgb24", build="9.0.2")
    assert caught.value.alternatives == ()


def test_narrow_frame_gets_smaller_coding_units():
    def ctu(width: int) -> str | None:
        (text,) = (text for name, text in resolve("libx265", width=width).options if name == "x265-params")
        return dict(pair.split("=") for pair in text.split(":")).get("ctu")

    assert (ctu(64), ctu(66)) == ("32", None)
    config = VideoEncoderConfig(vcodec="libx265", extra_options={"x265-params": {"ctu": 64}})
    with pytest.raises(EncoderOptionError, match=r"needs x265-params:ctu=32: larger coding units damage"):
        resolve_encoder(config, recorded("9.0.2"), width=64, height=64)


@pytest.mark.parametrize("build", BUILDS)
def test_hardware_surfaces_are_never_offered_as_pixel_formats(build):
    capabilities = recorded(build)
    for name, listing in capabilities.helps.items():
        accepted = accepted_pixel_formats(capabilities, listing, encoder_row(name)) or ()
        assert not [pix_fmt for pix_fmt in accepted if capabilities.pixel_formats[pix_fmt].hardware]
        if listing.pixel_formats:
            assert accepted, name


@pytest.mark.parametrize(
    ("vcodec", "muxer", "said"),
    [
        ("ffv1", "mp4", ".mov"),
        ("libsvtav1", "mov", ".mp4"),
        ("libvpx-vp9", "mov", ".mp4"),
        ("av1_nvenc", "mov", ".mp4"),
    ],
)
def test_a_container_that_cannot_hold_the_stream_is_refused(vcodec, muxer, said):
    with pytest.raises(PixelFormatError, match="cannot be stored") as caught:
        resolve(vcodec, muxer=muxer)
    assert said in str(caught.value)


ODD = [
    ("libx264", "yuv420p", 641, 480), ("libx264", "yuv420p", 640, 481), ("libx264", "yuv422p", 641, 480),
    ("libx264", "nv12", 641, 480), ("libsvtav1", "yuv420p10le", 640, 481), ("mjpeg", "yuvj420p", 641, 480),
    ("h264_vaapi", "yuv420p", 641, 480), ("ffv1", "yuv410p", 642, 480), ("ffv1", "yuv411p", 642, 480),
]  # fmt: skip


@pytest.mark.parametrize(("vcodec", "pix_fmt", "width", "height"), ODD)
def test_an_odd_side_is_refused_where_pixels_share_chroma(vcodec, pix_fmt, width, height):
    with pytest.raises(FrameSizeError, match="multiple of") as caught:
        resolve(vcodec, pix_fmt, width=width, height=height, muxer="mov" if vcodec == "ffv1" else "mp4")
    assert (caught.value.width, caught.value.height) == (width, height)


@pytest.mark.parametrize(
    ("vcodec", "pix_fmt", "width", "height"),
    [("libx264", "yuv444p", 641, 481), ("libx264", "yuv422p", 640, 481), ("libx264", "gray", 641, 481)],
)
def test_an_odd_side_is_fine_elsewhere(vcodec, pix_fmt, width, height):
    assert resolve(vcodec, pix_fmt, width=width, height=height).feed_pix_fmt == pix_fmt


@pytest.mark.parametrize(
    ("vcodec", "build", "side", "fits"),
    [
        ("libsvtav1", "5.1.9-deb", 62, False),
        ("libsvtav1", "5.1.9-deb", 64, True),
        ("libsvtav1", "9.0.2", 2, False),
        ("libsvtav1", "9.0.2", 4, True),
        ("libx264", "9.0.2", 2, True),
        ("libx265", "9.0.2", 62, False),
        ("libx265", "9.0.2", 64, True),
        ("libaom-av1", "9.0.2", 14, False),
        ("h264_nvenc", "9.0.2", 30, False),
        ("libx264", "9.0.2", 16382, True),
        ("libx264", "9.0.2", 16384, False),
    ],
)
@pytest.mark.parametrize("which", ["width", "height"])
def test_a_side_is_within_what_the_encoder_takes(vcodec, build, side, fits, which):
    size: dict[str, Any] = {"width": 640, "height": 480} | {which: side}
    if fits:
        resolve(vcodec, build=build, **size)
    else:
        with pytest.raises(FrameSizeError, match="does not take"):
            resolve(vcodec, build=build, **size)


@pytest.mark.parametrize(
    ("pix_fmt", "steps", "range_", "matrix"),
    [
        ("yuv420p", (2, 2), "tv", True),
        ("yuv420p10le", (2, 2), "tv", True),
        ("yuvj420p", (2, 2), "pc", True),
        ("yuv422p", (2, 1), "tv", True),
        ("yuv440p", (1, 2), "tv", True),
        ("yuv444p12le", (1, 1), "tv", True),
        ("yuv411p", (4, 1), "tv", True),
        ("yuv410p", (4, 4), "tv", True),
        ("nv12", (2, 2), "tv", True),
        ("p010le", (2, 2), "tv", True),
        ("nv16", (2, 1), "tv", True),
        ("gray", (1, 1), "pc", False),
        ("gray16le", (1, 1), "pc", False),
        ("ya8", (1, 1), "pc", False),
        ("gbrp", (1, 1), "pc", False),
        ("rgb24", (1, 1), "pc", False),
        ("bgr0", (1, 1), "pc", False),
        ("0rgb", (1, 1), "pc", False),
        ("argb", (1, 1), "pc", False),
        ("yuva420p", (2, 2), "tv", True),
    ],
)
def test_what_a_format_is_follows_from_its_name(pix_fmt, steps, range_, matrix):
    assert (chroma_steps(pix_fmt), color_range(pix_fmt), has_matrix(pix_fmt)) == (steps, range_, matrix)


@pytest.mark.parametrize("build", BUILDS)
def test_the_names_agree_with_what_builds_list(build):
    """A shared chroma sample shows in the bits per pixel: 12 for 4:2:0 of 8 bits, 16 for 4:2:2, 24 for 4:4:4."""
    for pix_fmt in recorded(build).pixel_formats.values():
        if pix_fmt.name.startswith("yuv") and pix_fmt.components == 3 and not pix_fmt.hardware:
            across, down = chroma_steps(pix_fmt.name)
            depth = next((bits for bits in (9, 10, 12, 14, 16) if f"p{bits}" in pix_fmt.name), 8)
            if pix_fmt.name not in ("yuv444p10msbbe", "yuv444p10msble", "yuv444p12msbbe", "yuv444p12msble", "yuvyuv"):
                assert pix_fmt.bits_per_pixel == int(depth * (1 + 2 / (across * down))), pix_fmt
