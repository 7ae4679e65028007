"""ffenc parses every listing of a real FFmpeg completely and correctly."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from ffenc.ffmpeg import capability_probe
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.process.ffmpeg_process import ToolOutput, run_tool

pytestmark = pytest.mark.integration

VERSION_PATTERNS = {"libsvtav1": r"SVT-AV1 Encoder Lib v(\S+)", "libx265": r"x265 \[info\]: HEVC encoder version (\S+)"}
# For encoding, maybe for decoding too, and for video.
VIDEO_FLAGS = re.compile(r"E[D.][F.]V[A-Z.]{5,7}")
ONE_FRAME = (
    "-f",
    "rawvideo",
    "-pix_fmt",
    "yuv420p",
    "-s",
    "64x64",
    "-framerate",
    "25",
    "-i",
    "/dev/zero",
    "-frames:v",
    "1",
)


@pytest.fixture(scope="module")
def ffmpeg() -> str:
    found = os.environ.get("FFENC_FFMPEG") or shutil.which("ffmpeg")
    if found is None:
        pytest.skip("no ffmpeg")
    return found


@pytest.fixture(scope="module")
def found(ffmpeg: str) -> Capabilities:
    """Return the capabilities of the build, with every video encoder."""
    names = list(probe_capabilities(ffmpeg, use_cache=False).encoders)
    return probe_capabilities(ffmpeg, encoders=names, library_versions=VERSION_PATTERNS, use_cache=False)


def lines_of(ffmpeg: str, *question: str) -> list[str]:
    return run_tool([ffmpeg, "-hide_banner", *question], check=False).stdout.decode().splitlines()


def encode(ffmpeg: str, encoder: str, *options: str) -> ToolOutput:
    argv = [ffmpeg, "-hide_banner", "-nostdin", *ONE_FRAME, "-c:v", encoder, *options, "-f", "null", "-"]
    return run_tool(argv, check=False)


def test_version_equals_printed_version(ffmpeg, found):
    first, *_ = lines_of(ffmpeg, "-version")
    assert first.startswith(f"ffmpeg version {found.version.text} ")
    assert found.version.release is not None
    assert found.version.release >= (4, 0)


def test_every_video_encoder_and_pixel_format_is_listed(ffmpeg, found):
    rows = [line.split() for line in lines_of(ffmpeg, "-encoders") if line.startswith(" V") and " = " not in line]
    assert list(found.encoders) == [row[1] for row in rows]
    rows = [line.split() for line in lines_of(ffmpeg, "-pix_fmts") if line[:1] in set("I.") and " = " not in line]
    assert list(found.pixel_formats) == [row[1] for row in rows]


def test_every_option_line_of_every_video_encoder_is_parsed(ffmpeg, found):
    assert list(found.helps) == list(found.encoders)
    read = 0
    for name, encoder_help in found.helps.items():
        lines = [line.split() for line in lines_of(ffmpeg, "-h", f"encoder={name}") if line.startswith("  -")]
        expected = [words[0][1:] for words in lines if any(VIDEO_FLAGS.fullmatch(word) for word in words[1:4])]
        assert list(encoder_help.options) == expected, name
        read += len(expected)
    assert read > 50


def test_every_pixel_format_of_every_encoder_is_known(found):
    for name, encoder_help in found.helps.items():
        unknown = set(encoder_help.pixel_formats or ()) - set(found.pixel_formats)
        assert not unknown, name


def test_listed_range_equals_range_that_ffmpeg_accepts(ffmpeg, found):
    context = found.help("ffv1").options["context"]
    assert context.maximum is not None
    assert encode(ffmpeg, "ffv1", "-context", f"{context.maximum:g}").returncode == 0
    beyond = encode(ffmpeg, "ffv1", "-context", f"{context.maximum + 1:g}")
    assert beyond.returncode != 0
    assert "out of range" in beyond.stderr


def test_ffmpeg_accepts_listed_choices_and_refuses_others(ffmpeg, found):
    """A word that is not a listed choice is refused."""
    choices = found.help("ffv1").options["coder"].choices
    assert len(choices) >= 3
    for choice in choices:
        assert encode(ffmpeg, "ffv1", "-coder", choice.name).returncode == 0, choice
    assert encode(ffmpeg, "ffv1", "-coder", "nosuchword").returncode != 0


def test_audio_encoder_has_no_video_option(ffmpeg):
    aac = probe_capabilities(ffmpeg, encoders=["aac"], use_cache=False).help("aac")
    assert aac.description.startswith("AAC")
    assert aac.options == {}


def test_codec_name_and_unknown_name_are_not_encoders(ffmpeg):
    assert not probe_capabilities(ffmpeg, encoders=["h264", "av1", "doesnotexist"], use_cache=False).helps


def test_library_versions_are_read_from_one_encoded_frame(ffmpeg, found):
    expected = {name for name in VERSION_PATTERNS if name in found.encoders}
    assert set(found.library_versions) == expected
    for name, version in found.library_versions.items():
        printed = encode(ffmpeg, name).stderr
        assert ".".join(map(str, version)) in printed
        assert len(version) in (2, 3)


def test_cached_capabilities_are_equal(ffmpeg, found, tmp_path, monkeypatch):
    monkeypatch.setenv("FFENC_CACHE_DIR", str(tmp_path))
    names = list(found.encoders)
    for _ in range(2):
        monkeypatch.setattr(capability_probe, "_memo", {})
        again = probe_capabilities(ffmpeg, encoders=names, library_versions=VERSION_PATTERNS)
        assert again.helps == found.helps
        assert again.library_versions == found.library_versions
        assert again.ffmpeg == Path(ffmpeg).absolute()
    assert len(list(tmp_path.iterdir())) == 1
