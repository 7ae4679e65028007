"""The peer: one thread per camera that encodes with PyAV in this process, as LeRobot 0.6.1 records.

It is less work than LeRobot's own: no statistics are made of the frames.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from control import FPS, Cameras
from PIL import Image

QUEUE_MAXSIZE = 30
PATIENCE_S = 0.1
"""How long LeRobot's ``feed_frame`` waits for room before it drops the frame."""


class PyAVCameras:
    """Cameras with the interface of ffenc's.

    Attributes:
        dropped: frames that found no room.
    """

    def __init__(
        self,
        names: Sequence[str],
        directory: Path,
        *,
        encoder: str,
        options: Mapping[str, str],
        width: int,
        height: int,
    ) -> None:
        os.environ["SVT_LOG"] = "1"  # errors only; this process encodes nothing else
        logging.getLogger("libav").setLevel(logging.ERROR)
        self.dropped = 0
        self._queues: dict[str, queue.Queue[npt.NDArray[np.uint8] | None]] = {}
        self._threads: list[threading.Thread] = []
        self._errors: list[Exception] = []
        for name in names:
            frames: queue.Queue[npt.NDArray[np.uint8] | None] = queue.Queue(QUEUE_MAXSIZE)
            work = (frames, directory / f"{name}.mp4", encoder, dict(options), width, height)
            self._queues[name] = frames
            self._threads.append(threading.Thread(target=self._encode, args=work, daemon=True))
        for thread in self._threads:
            thread.start()

    def feed_frames(self, frames: Cameras) -> None:
        """Copy each frame into the queue of its camera, or drop it."""
        for name, frame in frames.items():
            try:
                self._queues[name].put(frame.copy(), timeout=PATIENCE_S)
            except queue.Full:
                self.dropped += 1

    def finish_episode(self) -> None:
        """Wait for the last frame to be encoded and the files to be closed, as LeRobot does on the control thread."""
        for frames in self._queues.values():
            frames.put(None)
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def _encode(
        self, frames: queue.Queue[Any], path: Path, encoder: str, options: dict[str, str], width: int, height: int
    ) -> None:
        try:
            with av.open(str(path), "w") as container:
                stream = container.add_stream(encoder, FPS, options=options)
                stream.pix_fmt, stream.width, stream.height = "yuv420p", width, height
                stream.time_base = Fraction(1, FPS)
                number = 0
                while (frame := frames.get()) is not None:
                    picture = av.VideoFrame.from_image(Image.fromarray(frame))
                    picture.pts, picture.time_base = number, Fraction(1, FPS)
                    container.mux(stream.encode(picture))
                    number += 1
                container.mux(stream.encode())
        except Exception as err:  # it crosses to the thread that waits
            self._errors.append(err)
