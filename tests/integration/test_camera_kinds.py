"""Every kind of network camera opens within its limit, comes back after a failure, and keeps its password."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, CameraSource, LiveSource
from ffenc.errors import CameraUnavailableError
from tests import frame_numbers
from tests.network_camera import encoded, paced, serving
from tests.rtsp_camera import PASSWORD, USER, access_units, serving_rtsp

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "15", "-pix_fmt", "yuv420p")
OPENS_WITHIN_S = 8  # of the 20 s that a camera has; FFmpeg's own analysis of MPEG-TS would take 10 s


@pytest.fixture
def units(binaries: Binaries) -> list[list[bytes]]:
    return access_units(binaries, 150)


def transport_stream(binaries: Binaries) -> list[bytes]:
    """Return ten seconds of video as MPEG-TS, in pieces of about a frame."""
    stream = encoded(binaries, 250, *H264, "-f", "mpegts")
    size = max(1, len(stream) // 250 // 188) * 188
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def large_jpegs(binaries: Binaries) -> list[bytes]:
    """Return frames of which FFmpeg recognizes the format within a second."""
    coding = (
        "-vf",
        "scale=640:320:flags=neighbor",
        "-c:v",
        "mjpeg",
        "-q:v",
        "2",
        "-pix_fmt",
        "yuvj420p",
        "-f",
        "mjpeg",
    )
    return [b"\xff\xd8\xff" + each for each in encoded(binaries, 200, *coding).split(b"\xff\xd8\xff")[1:]]


@contextlib.contextmanager
def sending_udp(parts: Sequence[bytes]) -> Iterator[str]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    stopped = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:

        def send(data: bytes) -> None:
            for start in range(0, len(data), 1316):
                out.sendto(data[start : start + 1316], ("127.0.0.1", port))

        sender = threading.Thread(target=paced, args=(send, stopped), kwargs={"parts": parts, "fps": 30}, daemon=True)
        sender.start()
        yield f"udp://127.0.0.1:{port}"
        stopped.set()
        sender.join()


@contextlib.contextmanager
def sending_tcp(parts: Sequence[bytes]) -> Iterator[str]:
    stopped = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def send() -> None:
            with contextlib.suppress(OSError):
                client, _ = server.accept()
                with client:
                    paced(client.sendall, stopped, parts=parts, fps=30)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}"
        stopped.set()
        sender.join()


@contextlib.contextmanager
def rtsp(units: list[list[bytes]], **settings: Any) -> Iterator[str]:
    with serving_rtsp(units, **settings) as camera:
        yield camera.url


Place = Callable[[Binaries, list[list[bytes]]], AbstractContextManager[str]]
# MJPEG over HTTP is in test_network_cameras.py.
KINDS: dict[str, Place] = {
    "rtsp over tcp, with a password": lambda _, units: rtsp(units, accepts=("tcp",), protected=True),
    "rtsp over udp": lambda _, units: rtsp(units, accepts=("udp",)),
    "mpeg-ts over udp": lambda binaries, _: sending_udp(transport_stream(binaries)),
    "mjpeg over tcp": lambda binaries, _: sending_tcp(large_jpegs(binaries)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_camera_opens_and_its_frames_are_in_order(kind: str, binaries: Binaries, units: list[list[bytes]]) -> None:
    with KINDS[kind](binaries, units) as url:
        began = time.monotonic()
        with CameraSource(LiveSource(source=url), binaries=binaries) as camera:
            assert time.monotonic() - began < OPENS_WITHIN_S
            seen = [frame_numbers.read(camera.read().frame) for _ in range(6)]
    assert frame_numbers.UNREADABLE not in seen
    assert all((after - before) % 150 in range(1, 20) for before, after in itertools.pairwise(seen))


def test_what_a_camera_waits_for(binaries: Binaries) -> None:
    awaited: list[str] = []
    with serving(lambda send, stopped: None) as url:
        camera = CameraSource(LiveSource(source=url), binaries=binaries, first_frame_timeout_s=2.5).begin()
        with pytest.raises(CameraUnavailableError, match=r"no frame within 2.5 s: it waited for a connection"):
            camera.wait_until_open(on_wait=awaited.append)
    assert awaited == ["a connection, or a stream that FFmpeg recognizes"]


def recording(root: Path, url: str, *words: str) -> subprocess.Popen[str]:
    settings = json.dumps({"wrist": {"type": "ffmpeg", "source": url}})
    flags = [
        "--dataset.repo_id=me/set",
        f"--dataset.root={root}",
        "--dataset.single_task=look",
        "--dataset.reset_time_s=0",
    ]
    flags += [
        "--dataset.camera_encoder.vcodec=h264",
        "--dataset.camera_encoder.preset=ultrafast",
        f"--cameras={settings}",
    ]
    command = [sys.executable, "-m", "ffenc", "record", "--verbose", *flags, *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=dict(os.environ))


def wait_for_recording(process: subprocess.Popen[str]) -> str:
    """Return the output up to the start of the first episode."""
    assert process.stdout is not None
    printed = ""
    while "recording " not in printed.rpartition("\n")[0]:
        line = process.stdout.readline()
        assert line, printed
        printed += line
    return printed


def test_camera_that_restarts_is_recorded_again_within_the_episode(tmp_path: Path, units: list[list[bytes]]) -> None:
    words = ["--on_stale=continue", "--dataset.num_episodes=1", "--dataset.episode_time_s=4.5", "--dataset.fps=30"]
    with serving_rtsp(units, protected=True) as server:
        process = recording(tmp_path / "set", server.url, *words)
        printed = wait_for_recording(process)
        time.sleep(0.7)
    time.sleep(0.5)
    port = int(re.findall(r":(\d+)/", server.url)[0])
    with serving_rtsp(units, protected=True, port=port):
        printed += process.communicate(timeout=60)[0]
    assert process.returncode == 0, printed
    assert re.search(r"camera wrist (ended|failed) after \d+ frames.*; opening it again", printed), printed
    assert re.search(r"camera wrist delivers frames again, after \d", printed), printed
    kept = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in (printed.encode(), *kept) if PASSWORD.encode() in text]
    assert f"rtsp://{USER}:***@127.0.0.1" in printed  # the debug log has the command
    (line,) = (tmp_path / "set/meta/ffenc/episodes.jsonl").read_text().splitlines()
    document = json.loads(line)
    assert document["frames"] == 135
    times = document["captured_ms"]["observation.images.wrist"]
    assert len(times) == 135
    pauses = [step for step in range(1, 135) if times[step] == times[step - 1]]
    assert pauses == [each["step"] for each in document["repeats"]]
    assert len(pauses) >= 20  # the server was gone for 0.5 s, and opening takes longer
    assert times[-1] > 4300, "the last rows are new again"
