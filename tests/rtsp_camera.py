"""An RTSP camera: a server on this machine that sends H.264 in real time, over TCP or UDP."""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from ffenc import Binaries
from tests.network_camera import H264, encoded

USER, PASSWORD = "admin", "hunter2"

_CLOCK_HZ = 90_000
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


def access_units(binaries: Binaries, count: int, *options: str) -> list[list[bytes]]:
    """Return numbered frames as H.264: the NAL units of each frame.  ``options`` are further ones of ffmpeg's output."""
    stream = encoded(binaries, count, *options, *H264, "-x264-params", "slices=1:sliced-threads=0:aud=1", "-f", "h264")
    units: list[list[bytes]] = []
    for unit in re.split(rb"\x00?\x00\x00\x01", stream)[1:]:
        if unit[0] & 31 == 9:  # an access unit delimiter
            units.append([])
        else:
            units[-1].append(unit)
    assert len(units) == count
    return units


@dataclass(kw_only=True)
class RtspCamera:
    """A running camera.

    Attributes:
        url: its address, with the password if it asks for one.
        transports: requested transports, in order.
    """

    url: str
    transports: list[str] = field(default_factory=list)


@contextmanager
def serving_rtsp(
    units: Sequence[Sequence[bytes]],
    *,
    fps: float = 30,
    accepts: Collection[str] = ("tcp", "udp"),
    protected: bool = False,
    port: int = 0,
) -> Iterator[RtspCamera]:
    """Serve the frames to every client, from the first one on, in a loop.

    Args:
        units: NAL units of each frame.
        fps: frame rate.
        accepts: transports that are not refused.
        protected: whether the camera asks for `USER` and `PASSWORD`.
        port: number of the port; 0 chooses a free one.
    """
    server = _Server(("127.0.0.1", port), _Handler)
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    server.login = f"Basic {login}" if protected else None
    server.units, server.fps, server.accepts = units, fps, accepts
    server.transports, server.stopped = [], threading.Event()
    place = f"{USER}:{PASSWORD}@" if protected else ""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield RtspCamera(url=f"rtsp://{place}127.0.0.1:{server.server_address[1]}/live", transports=server.transports)
    finally:
        server.stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    login: str | None
    accepts: Collection[str]
    units: Sequence[Sequence[bytes]]
    fps: float
    transports: list[str]
    stopped: threading.Event


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        target: tuple[str, int] | None = None
        try:
            while request := self._request():
                method, headers = request
                reply = {"CSeq": headers.get("cseq", "0"), "Session": "1"}
                if self.server.login not in (None, headers.get("authorization")):
                    self._reply("401 Unauthorized", {**reply, "WWW-Authenticate": 'Basic realm="camera"'})
                elif method == "DESCRIBE":
                    self._reply("200 OK", {**reply, "Content-Type": "application/sdp"}, _SDP)
                elif method == "SETUP":
                    transport = headers["transport"]
                    kind = "tcp" if "RTP/AVP/TCP" in transport else "udp"
                    self.server.transports.append(kind)
                    if kind not in self.server.accepts:
                        self._reply("461 Unsupported Transport", reply)
                        continue
                    if kind == "udp":
                        ports = re.search(r"client_port=(\d+)", transport)
                        assert ports is not None
                        target = self.client_address[0], int(ports[1])
                        transport += ";server_port=6970-6971"
                    self._reply("200 OK", {**reply, "Transport": transport})
                elif method == "PLAY":
                    self._reply("200 OK", reply)
                    self._send(target)
                    return
                else:
                    self._reply("200 OK", {**reply, "Public": "DESCRIBE, SETUP, PLAY"})
        except OSError:
            pass  # the client has closed the connection

    def _request(self) -> tuple[str, dict[str, str]] | None:
        lines = []
        while line := self.rfile.readline().decode().strip():
            lines.append(line)
        pairs = [line.partition(":") for line in lines[1:]]
        return (lines[0].split()[0], {name.lower(): value.strip() for name, _, value in pairs}) if lines else None

    def _reply(self, status: str, headers: dict[str, str], body: str = "") -> None:
        sized = {**headers, "Content-Length": str(len(body))} if body else headers
        head = "".join(f"{name}: {value}\r\n" for name, value in sized.items())
        self.wfile.write(f"RTSP/1.0 {status}\r\n{head}\r\n{body}".encode())

    def _send(self, target: tuple[str, int] | None) -> None:
        units, fps, stopped = self.server.units, self.server.fps, self.server.stopped
        start, sequence = time.monotonic(), 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            number = 0
            while not stopped.wait(max(0.0, start + number / fps - time.monotonic())):
                unit = units[number % len(units)]
                for place, nal in enumerate(unit):
                    marker = 0x80 if place == len(unit) - 1 else 0
                    clock = int(number * _CLOCK_HZ / fps) & 0xFFFFFFFF
                    packet = struct.pack(">BBHII", 0x80, 96 | marker, sequence & 0xFFFF, clock, 7) + nal
                    sequence += 1
                    if target is None:
                        self.wfile.write(struct.pack(">cBH", b"$", 0, len(packet)) + packet)
                    else:
                        datagrams.sendto(packet, target)
                number += 1
