"""Cameras on the network open at their newest frame, and their frames are in order."""

from __future__ import annotations

import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pytest

from ffenc import Binaries, CameraSource, LiveSource
from ffenc.cli.commands.record.cameras import FFmpegCamera, OpenCameras, parse_cameras
from ffenc.errors import CameraFormatError, CameraStalledError, CameraUnavailableError
from ffenc.plan.capture import plan_capture
from tests import frame_numbers
from tests.camera_process import PERIOD, CameraProcess, Kind
from tests.network_camera import Send, encoded, jpegs, paced, part, serving

pytestmark = [pytest.mark.net, pytest.mark.integration]


def camera(url: str, binaries: Binaries, *, stall_timeout_s: float = 5.0, **settings: object) -> CameraSource:
    source = LiveSource(source=url, **settings)  # type: ignore[arg-type]
    return CameraSource(source, binaries=binaries, stall_timeout_s=stall_timeout_s)


@pytest.mark.one_build
def test_camera_opens_behind_its_backlog(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 200)]

    def respond(send: Send, stopped: threading.Event) -> None:
        send(b"".join(frames[:60]))  # two seconds that the server has kept
        paced(send, stopped, parts=frames[60:], fps=30)

    with serving(respond) as url, camera(url, binaries) as source:
        first = source.latest()
        assert frame_numbers.read(first.frame) >= 60
        following = [frame_numbers.read(source.read().frame) for _ in range(10)]
        assert following == sorted(set(following))


@pytest.mark.one_build
@pytest.mark.parametrize(("asked", "is_accepted"), [(15, True), (25, False), (30, False), (None, True)])
def test_measured_rate_decides_where_ffmpeg_guesses(asked: int | None, is_accepted: bool, binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 100)]  # FFmpeg says 25 frames per second for all of them
    fps = None if asked is None else Fraction(asked)
    with serving(functools.partial(paced, parts=frames, fps=15)) as url:
        if is_accepted:
            with camera(url, binaries, fps=fps) as source:
                time.sleep(1)
                assert source.rate == pytest.approx(15, rel=0.1)
        else:
            with pytest.raises(CameraFormatError, match=f"asked for {asked} frames per second, but it gives 1[456]"):
                camera(url, binaries, fps=fps).start()


@pytest.mark.one_build
def test_conversion_of_the_rate_follows_arrival(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 120)]
    respond = functools.partial(paced, parts=frames, fps=15)
    with serving(respond) as url, camera(url, binaries, fps=Fraction(30), convert=True) as source:
        time.sleep(2)
        assert source.rate == pytest.approx(30, rel=0.1)  # by FFmpeg's 25 it would be 18


@pytest.mark.one_build
def test_slow_start_has_the_longer_limit(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 100)]

    def respond(send: Send, stopped: threading.Event) -> None:
        stopped.wait(1.0)
        paced(send, stopped, parts=frames, fps=30)

    with serving(respond) as url, camera(url, binaries, stall_timeout_s=0.4) as source:
        assert frame_numbers.read(source.latest().frame) >= 0


@pytest.mark.one_build
def test_silent_camera_is_an_error_with_its_frame_count(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 30)]
    respond = functools.partial(paced, parts=frames, fps=30)
    with serving(respond) as url, camera(url, binaries, stall_timeout_s=0.5) as source:
        with pytest.raises(CameraStalledError, match=r"sent nothing for 0.5 s after \d+ frames"):
            while True:
                source.latest()
                time.sleep(0.02)
        assert 25 <= source.frames_read <= 30  # a part ends where the next one begins


@pytest.mark.one_build
def test_camera_that_never_sends_is_refused(binaries: Binaries) -> None:
    with serving(lambda send, stopped: None) as url:
        source = CameraSource(LiveSource(source=url), binaries=binaries, first_frame_timeout_s=1.0)
        with pytest.raises(CameraUnavailableError, match="sent no frame within 1 s"):
            source.start()


@pytest.mark.one_build
def test_cameras_open_side_by_side(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 100)]
    both = threading.Barrier(2)

    def respond(send: Send, stopped: threading.Event) -> None:
        both.wait(10)  # neither camera sends before both are connected
        paced(send, stopped, parts=frames, fps=30)

    with serving(respond) as first, serving(respond) as second:
        settings = {name: {"type": "ffmpeg", "source": url} for name, url in (("a", first), ("b", second))}
        with OpenCameras(parse_cameras(settings), binaries) as live:
            assert [each.frames_read > 0 for each in live.values()] == [True, True]


@pytest.mark.one_build
def test_rates_are_known_before_the_first_episode(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 200)]
    with serving(functools.partial(paced, parts=frames, fps=12)) as url:
        settings = {
            "a": {"type": "ffmpeg", "source": url},
            "b": {"type": "ffmpeg", "source": "testsrc2=rate=7", "format": "lavfi"},
        }
        with OpenCameras(parse_cameras(settings), binaries) as live:
            rates = live.rates()
    assert rates == {
        "observation.images.a": pytest.approx(12, rel=0.15),
        "observation.images.b": 7.0,
    }


def first_numbers(source: CameraSource, count: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Open a camera, and return the numbers of at least its first ``count`` frames, also of those that it supersedes."""
    seen: list[int] = []
    take = source._next

    def noted() -> npt.NDArray[Any]:
        frame = take()
        seen.append(frame_numbers.read(frame))
        return frame

    monkeypatch.setattr(source, "_next", noted)
    source.begin()
    deadline = time.monotonic() + 20
    while len(seen) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    source.close()
    assert len(seen) >= count
    return seen


@pytest.mark.parametrize(
    "options",
    [
        ("-c:v", "mpeg2video", "-bf", "2", "-q:v", "3", "-g", "15"),
        ("-c:v", "mpeg4", "-bf", "2", "-q:v", "3", "-g", "15"),
        ("-c:v", "libx264", "-bf", "3", "-g", "15", "-pix_fmt", "yuv420p"),
        ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p"),
    ],
    ids=["mpeg2 b-frames", "mpeg4 b-frames", "h264 b-frames", "h264"],
)
def test_frames_never_go_back(options: tuple[str, ...], binaries: Binaries, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = encoded(binaries, 150, *options, "-f", "matroska")
    pieces = [stream[start : start + 400] for start in range(0, len(stream), 400)]
    with serving(functools.partial(paced, parts=pieces, fps=len(pieces) / 5), "video/x-matroska") as url:
        source = camera(url, binaries)
        seen = first_numbers(source, 30, monkeypatch)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize(
    ("kind", "options"),
    [("ts", {"fflags": "noparse+nofillin"}), ("rtsp", {"fflags": "noparse", "flags2": "chunks"})],
)
def test_stream_that_is_not_parsed_has_every_frame(
    kind: Kind, options: dict[str, str], binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CameraProcess(kind, binaries) as server:
        parsed = parse_cameras({"wrist": {"type": "ffmpeg", "source": server.url, "options": options}})["wrist"]
        assert isinstance(parsed, FFmpegCamera)
        command = plan_capture(binaries.ffmpeg, parsed.live_source())
        assert {(f"-{name}", value) for name, value in options.items()} <= set(itertools.pairwise(command))
        source = CameraSource(parsed.live_source(), binaries=binaries)
        seen = first_numbers(source, 45, monkeypatch)
    assert {(after - before) % PERIOD for before, after in itertools.pairwise(seen)} == {1}


@pytest.mark.one_build
def test_capture_of_a_silent_camera_ends_when_this_process_is_killed(binaries: Binaries) -> None:
    frames = [part(jpeg) for jpeg in jpegs(binaries, 30)]
    with serving(functools.partial(paced, parts=frames, fps=30)) as url:
        code = (
            "import sys, time\n"
            "from ffenc import CameraSource, LiveSource, find_binaries\n"
            "with CameraSource(LiveSource(source=sys.argv[1]), binaries=find_binaries()) as camera:\n"
            "    print(camera._process.pid, flush=True)\n"
            "    time.sleep(30)\n"
        )
        environment = {**os.environ, "FFENC_FFMPEG": str(binaries.ffmpeg)}
        recorder = subprocess.Popen([sys.executable, "-c", code, url], stdout=subprocess.PIPE, env=environment)
        assert recorder.stdout is not None
        capture = int(recorder.stdout.readline())
        time.sleep(1.2)  # the stream is silent by now
        recorder.send_signal(signal.SIGKILL)
        recorder.wait()
        recorder.stdout.close()
        deadline = time.monotonic() + 10
        while _is_running(capture):
            assert time.monotonic() < deadline, "the capture outlives the process that started it"
            time.sleep(0.02)


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
