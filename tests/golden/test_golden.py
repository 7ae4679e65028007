"""The command line of every row, as text that a person can review: ``pytest tests/golden --update-golden`` writes it again.

The listings are recorded ones.  Where no build at hand has an encoder (VideoToolbox, RKMPP, nvmpi, D3D12, Media Foundation),
an empty listing stands in, and the golden file says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc.config import VideoEncoderConfig
from ffenc.encoders.spec import EncoderSpec
from ffenc.encoders.table import ENCODERS
from ffenc.errors import CapabilityError
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.listing import EncoderHelp, EncoderListing
from ffenc.frames import FrameFormat
from ffenc.plan.encode import RawFrames, plan_encode
from tests.recordings import recorded, with_option

FOLDER = Path(__file__).parent
BUILDS = ("9.0.2", "8.0", "5.1.9-deb", "4.2.2")
SOURCE = RawFrames(frames=FrameFormat(width=640, height=480), fps=Fraction(30))

PRESETS: dict[str, int | str] = {
    "libx264": "veryfast", "libx265": "veryfast", "libsvtav1": 8, "libaom-av1": 6, "librav1e": 10, "libvpx-vp9": 5,
    "nvenc": "p5", "vaapi": 4, "qsv": "fast", "amf": "speed", "vulkan": 1,
}  # fmt: skip
EXTRAS: dict[str, dict[str, Any]] = {
    "libx264": {"tune": "film", "profile:v": "high", "bf": 2, "x264-params": {"aq-mode": 3}},
    "libx265": {"profile": "main", "x265-params": "aq-mode=3:no-sao=1"},
    "libsvtav1": {"svtav1-params": {"tune": 0, "film-grain": 8}},
    "libaom-av1": {"tile-columns": 1, "aom-params": {"enable-cdef": 0}},
    "librav1e": {"tiles": 2},
    "libvpx-vp9": {"deadline": "realtime", "tile-columns": 1},
    "libopenh264": {"profile": "constrained_baseline"},
    "ffv1": {"slicecrc": 1},
    "mpeg4": {"flags": "+mv4+aic", "trellis": 1},
    "mjpeg": {"huffman": "default"},
    "nvenc": {"tune": "ll", "spatial-aq": True},
    "vaapi": {"low_power": True},
    "qsv": {"async_depth": 1},
    "amf": {"usage": "lowlatency"},
    "v4l2m2m": {"b": "4M"},
    "rkmpp": {"b": "4M", "maxrate": "6M"},
    "nvmpi": {"b": "4M"},
    "d3d12va": {"b": "4M"},
    "mf": {"bf": 1},
    "vulkan": {"tune": "ll"},
}


def family(row: EncoderSpec) -> str:
    return row.device.name if row.device else row.name


def cases(row: EncoderSpec) -> Iterator[tuple[str, dict[str, Any], int | None]]:
    """(what, fields of the config, encoder_threads)."""
    base: dict[str, Any] = {"vcodec": row.name}
    if row.pixel_formats and "yuv420p" not in row.pixel_formats:
        base["pix_fmt"] = row.pixel_formats[0]
    yield "defaults", base, None
    yield "quality and GOP", {**base, "crf": 20, "g": 30}, None
    yield "every frame a keyframe", {**base, "g": 1}, None
    yield "fractional quality", {**base, "crf": 20.5}, None
    yield "everything left to the encoder", {**base, "crf": None, "g": None}, None
    if family(row) in PRESETS:
        yield "preset", {**base, "preset": PRESETS[family(row)]}, None
    yield (
        "fast decode",
        {**base, "fast_decode": 1} | ({"preset": 8} if row.fast_decode and row.fast_decode.value is None else {}),
        None,
    )
    yield "two threads", base, 2
    yield "ten bits", {**base, "pix_fmt": "yuv420p10le"}, None
    if row.device:
        yield "device", {**base, "device": "/dev/dri/renderD129" if row.device.takes_node else "1"}, None
    if family(row) in EXTRAS:
        yield "extra options", {**base, "extra_options": EXTRAS[family(row)]}, None


def capabilities_with(row: EncoderSpec) -> tuple[str, Capabilities]:
    """The newest recorded build that has the encoder; else that build with an empty listing put in."""
    for build in BUILDS:
        capabilities = recorded(build)
        if row.name in capabilities.encoders and row.name in capabilities.helps:
            return f"FFmpeg {build}", capabilities
    newest = recorded(BUILDS[0])
    listing = EncoderListing(
        name=row.name, codec=row.codec, media_type="video", experimental=False, description="not recorded"
    )
    empty = EncoderHelp(name=row.name, description="", pixel_formats=None, options={}, hardware_devices=())
    return "no listing recorded: options are not checked against one", replace(
        newest, encoders={**newest.encoders, row.name: listing}, helps={**newest.helps, row.name: empty}
    )


def render(row: EncoderSpec, source: str, capabilities: Capabilities) -> str:
    lines = [f"# {row.name}, {source}"]
    for what, fields, threads in cases(row):
        config = VideoEncoderConfig.model_validate(fields)
        lines += [
            "",
            f"## {what}: {config.model_dump(exclude_unset=True)}" + (f", {threads} threads" if threads else ""),
        ]
        try:
            plan = plan_encode(
                config,
                SOURCE,
                f"/out/video.{row.muxers[0]}",
                capabilities,
                encoder_threads=threads,
                device_node="/dev/dri/renderD128" if row.device else None,
            )
        except CapabilityError as err:
            lines.append(f"refused: {str(err).splitlines()[0]}")
        else:
            lines.append(shlex.join(plan.argv))
    return "\n".join(lines) + "\n"


def compare(path: Path, text: str, request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("row", ENCODERS.values(), ids=ENCODERS)
def test_row(row: EncoderSpec, request: pytest.FixtureRequest) -> None:
    source, capabilities = capabilities_with(row)
    compare(FOLDER / f"{row.name}.txt", render(row, source, capabilities), request)


@pytest.mark.parametrize(("name", "build"), [("libsvtav1", "5.1.9-deb"), ("libaom-av1", "4.2.2"), ("libx265", "4.4")])
def test_row_on_an_old_build(name: str, build: str, request: pytest.FixtureRequest) -> None:
    """SVT-AV1 1.4 knows less; libaom was experimental once; this libx265 is the one with 8 bits only."""
    text = render(ENCODERS[name], f"FFmpeg {build}", recorded(build))
    compare(FOLDER / f"{name}-{build}.txt", text, request)


@pytest.mark.parametrize("name", ["h264_rkmpp", "hevc_rkmpp"])
def test_row_of_a_fork(name: str, request: pytest.FixtureRequest) -> None:
    """No listing of the fork was recorded: an empty one with the option that only the fork lists stands in."""
    _, capabilities = capabilities_with(ENCODERS[name])
    capabilities = with_option(capabilities, name, "qp_init")
    text = render(ENCODERS[name], "fork, no listing recorded: only qp_init is taken for listed", capabilities)
    compare(FOLDER / f"{name}-fork.txt", text, request)


def test_no_file_is_left_over() -> None:
    names = {path.stem for path in FOLDER.glob("*.txt")}
    others = {"libsvtav1-5.1.9-deb", "libaom-av1-4.2.2", "libx265-4.4", "h264_rkmpp-fork", "hevc_rkmpp-fork"}
    assert names == {*ENCODERS, *others}
