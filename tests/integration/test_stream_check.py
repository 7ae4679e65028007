"""The check after every encode refuses nothing that is right: every software encoder, every g, cuts in the scene."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, probe_packets, reencode_video
from ffenc.encoders.software import SOFTWARE
from ffenc.encoders.spec import EncoderSpec
from ffenc.errors import EncoderOptionError, ProcessDiedError
from tests.scenes import moving_scene

pytestmark = [pytest.mark.net, pytest.mark.integration]

FAST: dict[str, int | str] = {
    "libx264": "veryfast",
    "libx265": "veryfast",
    "libaom-av1": 8,
    "librav1e": 10,
    "libvpx-vp9": 8,
}
ROWS = pytest.mark.parametrize("row", SOFTWARE, ids=lambda row: row.name)


def scenes(count: int) -> list[npt.NDArray[np.uint8]]:
    """A cut every 7 frames, where many encoders add a keyframe."""
    return [
        frame
        for start in range(0, count, 7)
        for frame in moving_scene(min(7, count - start), width=64, height=64, seed=start + 1)
    ]


def config_of(row: EncoderSpec, g: int | None) -> VideoEncoderConfig:
    fields: dict[str, Any] = {"vcodec": row.name, "g": g}
    if row.name in FAST:
        fields["preset"] = FAST[row.name]
    if row.pixel_formats and "yuv420p" not in row.pixel_formats:
        fields["pix_fmt"] = row.pixel_formats[0]
    return VideoEncoderConfig(**fields)


@ROWS
def test_key_frames_come_at_least_every_g_frames(
    row: EncoderSpec, binaries: Binaries, encoders_here: tuple[str, ...], tmp_path: Path
) -> None:
    if row.name not in encoders_here:
        pytest.skip("not in this build")
    for g in (1, 2, 10, None):
        for count in (1, 23) if g == 2 or row.intra_only else (23,):
            path = tmp_path / f"{g}-{count}.{row.muxers[0]}"
            try:
                encode_frames(scenes(count), path, fps=30, config=config_of(row, g), binaries=binaries)
            except EncoderOptionError:
                # SVT-AV1 of FFmpeg 5.1 cannot do g=1, and MJPEG has no other g: both are refused before anything runs.
                assert (g == 1 and row.gop and row.gop.one_since_libavcodec) or row.intra_only
                continue
            key_frames = probe_packets(path, binaries=binaries).keyframes
            assert key_frames[0] == 0
            steps = [later - earlier for earlier, later in zip(key_frames, (*key_frames[1:], count), strict=True)]
            assert max(steps) <= (g or count)


@ROWS
def test_forced_key_frames_are_there_or_a_warning_says_so(
    row: EncoderSpec,
    binaries: Binaries,
    encoders_here: tuple[str, ...],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if row.name not in encoders_here:
        pytest.skip("not in this build")
    # MPEG-4 of FFmpeg itself can be decoded by every build.
    clip = encode_frames(
        scenes(24), tmp_path / "clip.mp4", fps=30, config=VideoEncoderConfig(vcodec="mpeg4"), binaries=binaries
    )
    config = config_of(row, None if row.intra_only else 10)
    output = tmp_path / f"out.{row.muxers[0]}"
    try:
        made = reencode_video(clip.path, output, config=config, key_frames=[5, 13], binaries=binaries)
    except ProcessDiedError as err:
        # Seen with libaom of FFmpeg 4.2.2.
        assert not output.exists()
        assert "SIGSEGV" in str(err)
        pytest.skip(f"{row.name} of this build crashes")
    if {5, 13} <= set(probe_packets(made.path, binaries=binaries).cut_points):
        assert "wrote no keyframe" not in caplog.text
    else:
        assert not made.encoder.expected.follows_forced
        assert "wrote no keyframe" in caplog.text


@pytest.mark.parametrize(
    ("vcodec", "pix_fmt", "suffix"),
    [
        ("libx264", "nv12", "mp4"),
        ("libx264", "gray", "mp4"),
        ("libx264", "yuvj420p", "mp4"),
        ("libx264", "yuv444p", "mp4"),
        ("libx265", "yuv420p", "mp4"),
        ("ffv1", "rgb48le", "mov"),
        ("mjpeg", "yuvj444p", "mp4"),
    ],
)
def test_a_pixel_format_that_is_stored_under_another_name_is_no_loss(
    vcodec: str, pix_fmt: str, suffix: str, binaries: Binaries, encoders_here: tuple[str, ...], tmp_path: Path
) -> None:
    if vcodec not in encoders_here:
        pytest.skip("not in this build")
    config = VideoEncoderConfig(vcodec=vcodec, pix_fmt=pix_fmt)
    result = encode_frames(scenes(3), tmp_path / f"out.{suffix}", fps=30, config=config, binaries=binaries)
    assert result.stream.pix_fmt in result.encoder.expected.pix_fmts


@pytest.mark.parametrize(
    ("profile", "preset"),
    # What ultrafast makes has the baseline profile whatever is asked for, so main and high are refused beside it.
    [("baseline", "ultrafast"), ("baseline", "veryfast"), ("main", "veryfast"), ("high", "veryfast")],
)
def test_an_h264_profile_is_an_upper_limit(
    profile: str, preset: str, binaries: Binaries, encoders_here: tuple[str, ...], tmp_path: Path
) -> None:
    if "libx264" not in encoders_here:
        pytest.skip("not in this build")
    config = VideoEncoderConfig(vcodec="libx264", preset=preset, g=10, extra_options={"profile:v": profile})
    result = encode_frames(scenes(3), tmp_path / "out.mp4", fps=30, config=config, binaries=binaries)
    assert result.stream.profile in result.encoder.expected.profiles
