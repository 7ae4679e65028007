"""Network cameras that run as processes of their own, so that a test can kill, freeze and restart them.

Frames show their number modulo `PERIOD`.  Numbers follow the system's monotonic clock, so they continue when a camera restarts.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from ffenc import Binaries
from tests import network_camera, rtsp_camera

if TYPE_CHECKING:
    from typing_extensions import Self

Kind: TypeAlias = Literal["rtsp", "mjpeg", "ts", "udp"]

FPS, PERIOD = 30, 240

_SPAWN = multiprocessing.get_context("spawn")
_LENGTH_S = 75  # timestamps of MPEG-TS must increase, so the stream cannot be sent in a loop
_TS_PACKET, _TS_VIDEO = 188, 0x100


class CameraProcess:
    """A camera at one address; as a context manager, it runs until the end of the block.

    Args:
        kind: its protocol: RTSP, MJPEG over HTTP, or MPEG-TS over HTTP or UDP.
        binaries: encode its frames.
    """

    def __init__(self, kind: Kind, binaries: Binaries) -> None:
        self._frames = _frames(kind, binaries)
        self._kind = kind
        self._port = _free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
        self._process: Any = None
        self._listens: Any = None

    @property
    def url(self) -> str:
        """Its address, once it listens there."""
        assert self._listens.wait(30)
        scheme = {"rtsp": "rtsp", "udp": "udp"}.get(self._kind, "http")
        return f"{scheme}://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it, also after `kill`."""
        self._listens = _SPAWN.Event()
        target = (self._kind, self._port, self._frames, self._listens)
        self._process = _SPAWN.Process(target=_serve, args=target, daemon=True)
        self._process.start()

    def kill(self) -> None:
        """Kill it; the system closes its connections."""
        self._process.kill()
        self._process.join()

    def freeze(self) -> None:
        """Stop its process, which keeps its connections."""
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Continue a frozen process; it sends at once what has become due."""
        os.kill(self._process.pid, signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


class _FromNow(Sequence[Any]):
    """Frames that start, for each client, with the last keyframe before the time at which the client takes item 0."""

    def __init__(self, frames: Sequence[Any], begun: int) -> None:
        self._frames = frames
        self._begun = begun
        self._local = threading.local()

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: Any) -> Any:
        if number == 0:
            self._local.first = _last_keyframe() - self._begun
        return self._frames[(self._local.first + number) % len(self._frames)]


def _last_keyframe() -> int:
    return int(time.monotonic() * FPS) // network_camera.GOP * network_camera.GOP


@functools.cache
def _frames(kind: Kind, binaries: Binaries) -> Sequence[Any]:
    """Return the encoded frames of a camera."""
    if kind == "mjpeg":
        return [network_camera.part(jpeg) for jpeg in network_camera.jpegs(binaries, PERIOD)]
    if kind == "rtsp":
        return rtsp_camera.access_units(binaries, PERIOD)
    numbers = [number % PERIOD for number in range(_LENGTH_S * FPS)]
    return transport_stream(network_camera.encoded_numbers(binaries, numbers, *network_camera.H264, "-f", "mpegts"))


def transport_stream(stream: bytes) -> list[bytes]:
    """Split MPEG-TS with one video into its frames; return the packets of each frame, joined."""
    frames: list[list[bytes]] = [[]]
    has_begun = False
    for start in range(0, len(stream), _TS_PACKET):
        packet = stream[start : start + _TS_PACKET]
        is_start, pid = packet[1] & 0x40, (packet[1] & 0x1F) << 8 | packet[2]
        if is_start and pid == _TS_VIDEO:
            if has_begun:
                frames.append([])
            has_begun = True
        frames[-1].append(packet)
    return [b"".join(packets) for packets in frames]


def _serve(kind: Kind, port: int, frames: Sequence[Any], listens: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    begun = int(time.monotonic() * FPS) // PERIOD * PERIOD
    shown = _FromNow(frames, begun)
    if kind == "rtsp":
        with rtsp_camera.serving_rtsp(shown, fps=FPS, port=port):
            listens.set()
            signal.pause()
    elif kind == "udp":
        listens.set()
        _send_datagrams(shown, port)
    else:
        mime = network_camera.MJPEG if kind == "mjpeg" else "video/mp2t"
        with network_camera.serving(functools.partial(_respond, frames=shown), mime, port=port):
            listens.set()
            signal.pause()


def _respond(send: network_camera.Send, stopped: threading.Event, *, frames: Sequence[bytes]) -> None:
    network_camera.paced(send, stopped, parts=frames, fps=FPS)


def _send_datagrams(frames: Sequence[bytes], port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(frame: bytes) -> None:
            size = 7 * _TS_PACKET
            for start in range(0, len(frame), size):
                with suppress(ConnectionRefusedError):  # no client listens
                    sender.sendto(frame[start : start + size], ("127.0.0.1", port))

        network_camera.paced(send, threading.Event(), parts=frames, fps=FPS)


def _free_port(kind: int) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
