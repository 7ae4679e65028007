"""Live sources through the real FFmpeg: their frames, sizes and order."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.errors import CameraEndedError, CameraFormatError
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource
from tests.footage import number_of, numbered_frames

pytestmark = pytest.mark.integration


@pytest.fixture
def clip(tmp_path: Path, binaries: Binaries) -> Path:
    """Return 20 numbered frames, 128x96, with B-frames."""
    config = VideoEncoderConfig(vcodec="h264", g=8, extra_options={"bf": 2})
    return encode_frames(numbered_frames(20), tmp_path / "clip.mp4", fps=30, config=config, binaries=binaries).path


def test_clip_is_played_frame_by_frame_and_ends(clip: Path, binaries: Binaries) -> None:
    seen: dict[int, int] = {}
    captured_frames = {}
    with CameraSource(LiveSource(source=str(clip), fps=Fraction(30)), binaries=binaries) as camera:
        with pytest.raises(CameraEndedError, match="after 20 frames; a file is played once, unless it has loop: true"):
            while True:
                captured = camera.read(timeout_s=10)
                seen[captured.number] = number_of(captured.frame)
                captured_frames[captured.number] = captured.frame
        assert len(seen) + camera.superseded in (19, 20)  # the last one may come with the end
    assert len(seen) > 1
    assert all(number == shown for number, shown in seen.items())
    for number, frame in zip(
        captured_frames, VideoReader(clip, binaries=binaries).frames(list(captured_frames)), strict=True
    ):
        assert np.array_equal(frame, captured_frames[number])


def test_looped_clip_restarts(clip: Path, binaries: Binaries) -> None:
    with CameraSource(LiveSource(source=str(clip), loop=True), binaries=binaries) as camera:
        captured = camera.read(timeout_s=10)
        while captured.number < 25:
            captured = camera.read(timeout_s=10)
        assert number_of(captured.frame) == captured.number - 20


def test_other_size_is_refused_or_converted_on_request(clip: Path, binaries: Binaries) -> None:
    with pytest.raises(CameraFormatError, match="asked for 64x48, but it gives 128x96") as caught:
        CameraSource(LiveSource(source=str(clip), width=64, height=48), binaries=binaries).start()
    assert (caught.value.asked, caught.value.came) == ("64x48", "128x96")
    with pytest.raises(CameraFormatError, match="asked for 25 frames per second, but it gives 30"):
        CameraSource(LiveSource(source=str(clip), fps=Fraction(25)), binaries=binaries).start()
    small = LiveSource(source=str(clip), width=64, height=48, convert=True)
    with CameraSource(small, binaries=binaries) as camera:
        captured = camera.latest()
        assert camera.format.shape == captured.frame.shape == (48, 64, 3)
        assert number_of(captured.frame) == captured.number


def test_depth_keeps_all_bits(binaries: Binaries) -> None:
    deep = LiveSource(source="color=gray:size=64x48,format=gray16le,geq=lum=1234", format="lavfi", depth=True)
    with CameraSource(deep, binaries=binaries) as camera:
        frame = camera.latest().frame
    assert (frame.shape, frame.dtype) == ((48, 64), np.dtype("<u2"))
    assert set(np.unique(frame)) == {1234}
    coloured = LiveSource(source="testsrc2=size=64x48", format="lavfi", depth=True)
    with pytest.raises(CameraFormatError, match="16-bit grey"):
        CameraSource(coloured, binaries=binaries).start()
