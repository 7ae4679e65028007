"""Options, encoders and depth without a frame at hand; a clip that is re-encoded onto itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc import (
    DepthEncoderConfig,
    VideoEncoderConfig,
    VideoReader,
    VideoWriter,
    available_encoders,
    encoder_options,
    pixel_format_channels,
    reencode_video,
)
from ffenc.errors import EncoderOptionError, FrameError, FrameSizeError, PixelFormatError
from ffenc.ffmpeg.binaries import Binaries

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


def test_options_are_typed_values(binaries: Binaries) -> None:
    config = VideoEncoderConfig(vcodec="h264", crf=23, preset="fast", extra_options={"tune": "film"})
    options = encoder_options(config, encoder_threads=2, binaries=binaries)
    assert {"g": 2, "crf": 23, "preset": "fast", "tune": "film", "threads": 2}.items() <= options.items()
    assert all(type(value) in (int, float, str) for value in options.values())


def test_the_size_is_checked_if_it_is_known(binaries: Binaries) -> None:
    encoder_options(VideoEncoderConfig(), binaries=binaries)
    with pytest.raises(FrameSizeError):
        encoder_options(VideoEncoderConfig(), (641, 480), binaries=binaries)


def test_without_a_size_no_setting_is_refused_for_the_size(binaries: Binaries) -> None:
    """SVT-AV1 from 2.0 on ignores fast_decode for frames of 640x480 and less, which is refused if the size is known."""
    config = VideoEncoderConfig(fast_decode=1, preset=8)
    assert "fast-decode=1" in str(encoder_options(config, binaries=binaries)["svtav1-params"])


def test_a_text_where_a_number_belongs(binaries: Binaries) -> None:
    with pytest.raises(EncoderOptionError, match="qp='medium' for libsvtav1 is not accepted"):
        encoder_options(VideoEncoderConfig(extra_options={"qp": "medium"}), binaries=binaries)


def test_what_this_ffmpeg_has(binaries: Binaries) -> None:
    assert available_encoders(["h264", "no_such", "libsvtav1"], binaries=binaries) == ("h264", "libsvtav1")
    assert "libsvtav1" in available_encoders(binaries=binaries)
    channels = {name: pixel_format_channels(name, binaries=binaries) for name in ("gray12le", "yuv420p", "yuva420p")}
    assert channels == {"gray12le": 1, "yuv420p": 3, "yuva420p": 4}
    with pytest.raises(PixelFormatError, match="did you mean 'yuv420p'"):
        pixel_format_channels("yuv420", binaries=binaries)


def test_depth_in_metres_is_a_layout(tmp_path: Path, binaries: Binaries) -> None:
    config = DepthEncoderConfig()
    metres = np.linspace(0.1, 9, 96 * 64, dtype=np.float32).reshape(64, 96)
    path = tmp_path / "depth.mp4"
    with VideoWriter(path, fps=30, config=config, layout="depth", binaries=binaries) as writer:
        for _ in range(3):
            writer.write(metres)
        with pytest.raises(FrameError, match="depth changed from float32 to uint16"):
            writer.write((metres * 1000).astype(np.uint16))
    seen = list(VideoReader(path, layout=config.layout, binaries=binaries))
    assert len(seen) == 3
    assert np.array_equal(seen[2], config.quantizer.quantize(metres))
    with pytest.raises(ValueError, match="needs a DepthEncoderConfig"):
        VideoWriter(tmp_path / "x.mp4", fps=30, layout="depth", binaries=binaries)


def test_a_clip_is_reencoded_onto_itself(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, fps=30, config=VideoEncoderConfig(vcodec="h264"), binaries=binaries) as writer:
        for number in range(6):
            writer.write(np.full((48, 64, 3), number * 40, np.uint8))
    result = reencode_video(
        path, path, config=VideoEncoderConfig(vcodec="h264", g=6), start=1, overwrite=True, binaries=binaries
    )
    assert (result.path, result.frames) == (path, 5)
    levels = [round(float(frame.mean()) / 40) for frame in VideoReader(path, binaries=binaries)]
    assert levels == [1, 2, 3, 4, 5]
    assert [file.name for file in tmp_path.iterdir()] == ["clip.mp4"]
