"""Every kind of network camera opens within its limit, comes back after a failure, and keeps its password."""

from __future__ import annotations

import contextlib
import functools
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
from tests.network_camera import encoded, jpegs, paced, part, serving
from tests.rtsp_camera import PASSWORD, USER, access_units, serving_rtsp

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

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
KINDS: dict[str, tuple[Place, str | None]] = {
    "rtsp": (lambda _, units: rtsp(units, accepts=("tcp",)), None),
    "rtsp over udp": (lambda _, units: rtsp(units, accepts=("udp",)), None),
    "rtsp with a password": (lambda _, units: rtsp(units, protected=True), None),
    "mpeg-ts over udp": (lambda binaries, _: sending_udp(transport_stream(binaries)), None),
    "mpeg-ts over http": (
        lambda binaries, _: serving(functools.partial(paced, parts=transport_stream(binaries), fps=30), "video/mp2t"),
        None,
    ),
    "mjpeg over http": (
        lambda binaries, _: serving(functools.partial(paced, parts=[*map(part, jpegs(binaries, 200))], fps=30)),
        None,
    ),
    "mjpeg over tcp": (lambda binaries, _: sending_tcp(jpegs(binaries, 200)), "mjpeg"),
    "mjpeg over tcp without a format": (lambda binaries, _: sending_tcp(large_jpegs(binaries)), None),
}


@pytest.mark.parametrize("kind", KINDS)
def test_camera_opens_and_its_frames_are_in_order(kind: str, binaries: Binaries, units: list[list[bytes]]) -> None:
    place, form = KINDS[kind]
    with place(binaries, units) as url:
        began = time.monotonic()
        with CameraSource(LiveSource(source=url, format=form), binaries=binaries) as camera:
            assert time.monotonic() - began < OPENS_WITHIN_S
            seen = [frame_numbers.read(camera.read().frame) for _ in range(6)]
    assert frame_numbers.UNREADABLE not in seen
    assert all((after - before) % 150 in range(1, 20) for before, after in itertools.pairwise(seen))


def test_rtsp_prefers_tcp(binaries: Binaries, units: list[list[bytes]]) -> None:
    with serving_rtsp(units) as server:
        with CameraSource(LiveSource(source=server.url), binaries=binaries):
            assert server.transports == ["tcp"]
        udp = LiveSource(source=server.url, options={"rtsp_transport": "udp"})
        with CameraSource(udp, binaries=binaries):
            assert server.transports == ["tcp", "udp"]


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


@pytest.mark.parametrize("policy", ["continue", "stop"])
def test_camera_that_restarts_is_recorded_again(policy: str, tmp_path: Path, units: list[list[bytes]]) -> None:
    episodes, seconds = (1, 4.5) if policy == "continue" else (2, 1.5)
    words = [f"--on_stale={policy}", f"--dataset.num_episodes={episodes}", f"--dataset.episode_time_s={seconds}"]
    with serving_rtsp(units, protected=True) as server:
        process = recording(tmp_path / "set", server.url, *words, "--dataset.fps=30")
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
    lines = (tmp_path / "set/meta/ffenc/episodes.jsonl").read_text().splitlines()
    documents = [json.loads(line) for line in lines]
    frames = [document["frames"] for document in documents]
    assert len(frames) == episodes
    assert [len(document["captured_ms"]["observation.images.wrist"]) for document in documents] == frames
    if policy == "continue":
        assert frames == [135]
        times = documents[0]["captured_ms"]["observation.images.wrist"]
        pauses = [step for step in range(1, 135) if times[step] == times[step - 1]]
        assert pauses == [each["step"] for each in documents[0]["repeats"]]
        assert len(pauses) >= 20  # the server was gone for 0.5 s, and opening takes longer
        assert times[-1] > 4300, "the last rows are new again"
    else:
        assert frames[0] < 45
        assert frames[1] == 45
