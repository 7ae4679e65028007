"""Cameras that are missing, end, hang or change raise typed errors and leave nothing (see conftest)."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ffenc.errors import (
    CameraEndedError,
    CameraError,
    CameraFormatError,
    CameraStalledError,
    CameraUnavailableError,
)
from ffenc.ffmpeg.binaries import Binaries
from ffenc.plan.capture import LiveSource
from ffenc.video.capture import CameraSource
from tests.faults.conftest import FAKE_FFMPEG

FAKE = Binaries(ffmpeg=FAKE_FFMPEG, ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")
FRAME_BYTES = 8 * 4 * 3
SAYS_ITS_STREAMS = (
    r"'say:  Stream #0:0: Video: rawvideo (YUY2 / 0x32595559), yuyv422, 8x4, 30 fps, 30 tbr, 1000k tbn\n"
    r"Stream mapping:\n  Stream #0:0 -> #0:0 (rawvideo (native) -> rawvideo (native))\n"
    r"Output #0, rawvideo, to \x27pipe:1\x27:\n"
    r"  Stream #0:0: Video: rawvideo (RGB[24] / 0x18424752), rgb24, 8x4 [SAR 1:1 DAR 2:1], q=2-31, 23 kb/s, 30 fps\n'"
)


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a camera whose ffmpeg runs these steps."""

    def camera(
        steps: str, *, fps: int | None = None, size: tuple[int, int] | None = None, **times: float
    ) -> CameraSource:
        monkeypatch.setenv("FAKE_STEPS", steps)
        width, height = size or (None, None)
        source = LiveSource(
            source="graph", format="lavfi", width=width, height=height, fps=None if fps is None else Fraction(fps)
        )
        return CameraSource(source, binaries=FAKE, **times)

    return camera


def read_until_it_fails(camera: CameraSource) -> CameraError:
    with pytest.raises(CameraError) as caught:
        for _ in range(1000):
            camera.read(timeout_s=10)
    return caught.value


def test_frames_are_complete_ordered_and_only_newest_is_kept(faked: Any) -> None:
    steps = f"{SAYS_ITS_STREAMS} out:{FRAME_BYTES} sleep:0.5 out:{3 * FRAME_BYTES} hang"
    with faked(steps) as camera:
        assert camera.format.shape == (4, 8, 3)
        first = camera.read()
        assert (first.number, first.frame.tobytes()) == (0, bytes(range(FRAME_BYTES)))
        assert camera.latest().number == 0
        before = time.monotonic()
        while camera.frames_read < 4:
            time.sleep(0.01)
        newest = camera.read()
        assert newest.number == 3
        assert newest.frame.tobytes() == bytes((2 * FRAME_BYTES + place) % 251 for place in range(FRAME_BYTES))
        assert before <= newest.time_s <= time.monotonic()
        assert camera.superseded == 2


def test_hanging_camera(faked: Any) -> None:
    with faked(f"{SAYS_ITS_STREAMS} out:{FRAME_BYTES} hang", stall_timeout_s=0.5) as camera:
        error = read_until_it_fails(camera)
        assert isinstance(error, CameraStalledError)
        assert error.frames_read == 1
        assert "after 1 frames" in str(error)
        with pytest.raises(CameraStalledError):
            camera.latest()


def test_camera_slower_than_requested_timeout(faked: Any) -> None:
    with faked(f"{SAYS_ITS_STREAMS} out:{FRAME_BYTES} hang") as camera:
        camera.read()
        with pytest.raises(CameraStalledError, match=r"within 0\.1 s"):
            camera.read(timeout_s=0.1)
        assert camera.latest().number == 0  # it may still come to itself


def test_camera_without_a_frame(faked: Any, within: Any) -> None:
    with within(5), pytest.raises(CameraUnavailableError, match=r"within 0\.3 s"):
        faked(f"{SAYS_ITS_STREAMS} hang", first_frame_timeout_s=0.3).start()


@pytest.mark.parametrize(
    ("ending", "kind", "says"),
    [
        ("", CameraEndedError, "ended after 1 frames"),
        ("'say:[error] device is gone\\n' exit:1", CameraEndedError, "device is gone"),
        ("signal:SIGKILL", CameraEndedError, "SIGKILL"),
        (f"out:{FRAME_BYTES // 2}", CameraEndedError, "ended after 1 frames"),
        (r"'say:Changing video frame properties on the fly is not supported\n' sleep:0.3 out:9999 hang", CameraFormatError, "changed its size"),
    ],
)  # fmt: skip
def test_camera_that_ends_within_a_frame(faked: Any, ending: str, kind: type[CameraError], says: str) -> None:
    with faked(f"{SAYS_ITS_STREAMS} out:{FRAME_BYTES} sleep:0.3 {ending}") as camera:
        error = read_until_it_fails(camera)
        assert isinstance(error, kind)
        assert says in str(error)
        assert error.frames_read == 1


@pytest.mark.parametrize("steps", ["'say:cannot open it\\n' exit:1", SAYS_ITS_STREAMS])
def test_camera_that_ends_before_first_frame(faked: Any, steps: str) -> None:
    with pytest.raises(CameraUnavailableError):
        faked(steps).start()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"size": (640, 480)}, "asked for 640x480, but it gives 8x4; ask for width: 8, height: 4"),
        ({"fps": 25}, "asked for 25 frames per second, but it gives 30; leave out fps"),
    ],
)
def test_camera_with_unexpected_output(faked: Any, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(CameraFormatError, match=says):
        faked(f"{SAYS_ITS_STREAMS} out:{9 * FRAME_BYTES} hang", **asked).start()


def test_missing_device(tmp_path: Path) -> None:
    nowhere = LiveSource(source=str(tmp_path / "video9"), format="v4l2")
    with pytest.raises(CameraUnavailableError, match=r"video9 does not exist"):
        CameraSource(nowhere, binaries=FAKE).start()


def test_closed_camera_raises_and_can_be_closed_twice(faked: Any) -> None:
    camera = faked(f"{SAYS_ITS_STREAMS} out:{FRAME_BYTES} hang").start()
    camera.close()
    camera.close()
    with pytest.raises(CameraUnavailableError, match="is closed"):
        camera.latest()
    with pytest.raises(CameraUnavailableError, match="make a new one"):
        camera.start()


@pytest.mark.integration
def test_real_ffmpeg_leaves_nothing(binaries: Binaries) -> None:
    source = LiveSource(source="testsrc2", format="lavfi", width=64, height=48, fps=Fraction(30))
    with CameraSource(source, binaries=binaries) as camera:
        numbers = [camera.read(timeout_s=10).number for _ in range(5)]
    assert numbers == sorted(set(numbers))


@pytest.mark.integration
def test_real_ffmpeg_cannot_open_source(binaries: Binaries, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    for source in (
        LiveSource(source=str(tmp_path / "text.mp4")),
        LiveSource(source="no_such_filter", format="lavfi"),
        LiveSource(source="rtsp://127.0.0.1:9/nobody"),
    ):
        with pytest.raises(CameraUnavailableError, match="cannot be opened"):
            CameraSource(source, binaries=binaries).start()
