"""A camera on the network: an HTTP server on this machine that sends encoded frames at chosen times."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ffenc import Binaries
from tests import frame_numbers

Send = Callable[[bytes], None]
"""Sends bytes of the response."""

GOP = 15
H264 = ("-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", str(GOP), "-pix_fmt", "yuv420p")
"""Options of ffmpeg for the H.264 of a camera."""

_BOUNDARY = "frame"

MJPEG = f"multipart/x-mixed-replace;boundary={_BOUNDARY}"
"""MIME type of MJPEG over HTTP."""


def encoded(binaries: Binaries, count: int, *options: str) -> bytes:
    """Return numbered frames 0 to ``count - 1``, encoded by ffmpeg."""
    return encoded_numbers(binaries, range(count), *options)


def encoded_numbers(binaries: Binaries, numbers: Iterable[int], *options: str) -> bytes:
    """Return frames that show these numbers, encoded by ffmpeg."""
    size = f"{frame_numbers.WIDTH}x{frame_numbers.HEIGHT}"
    raw = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "30", "-i", "-")
    command = (str(binaries.ffmpeg), "-v", "error", *raw, *options, "-")
    return subprocess.run(command, input=frame_numbers.draw_all(numbers), stdout=subprocess.PIPE, check=True).stdout


def jpegs(binaries: Binaries, count: int, *options: str) -> list[bytes]:
    """Return numbered frames as JPEG files.  ``options`` are further ones of ffmpeg's output."""
    coding = ("-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p", "-f", "mjpeg")
    stream = encoded(binaries, count, *options, *coding)
    parts = stream.split(b"\xff\xd8\xff")[1:]
    assert len(parts) == count
    return [b"\xff\xd8\xff" + part for part in parts]


def part(jpeg: bytes) -> bytes:
    """Return one part of an MJPEG response."""
    head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
    return head.encode() + jpeg + b"\r\n"


def paced(send: Send, stopped: threading.Event, *, parts: Sequence[bytes], fps: float) -> None:
    """Send one part after the other at a rate."""
    start = time.monotonic()
    for number, each in enumerate(parts):
        if stopped.wait(max(0.0, start + number / fps - time.monotonic())):
            return
        send(each)


@contextmanager
def serving(
    respond: Callable[[Send, threading.Event], None],
    kind: str = MJPEG,
    *,
    port: int = 0,
) -> Iterator[str]:
    """Serve one stream to every client; yield its URL.

    Args:
        respond: sends the stream of one client; the event is set when the server stops.
        kind: MIME type.
        port: number of the port; 0 chooses a free one.
    """
    stopped = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            try:
                respond(self.wfile.write, stopped)
                stopped.wait(30)  # a camera that is silent keeps its connection
            except OSError:
                pass  # the client has closed the connection

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/"
    finally:
        stopped.set()
        server.shutdown()
        server.server_close()
        thread.join()
