"""Replace LeRobot's encoder thread of one camera, for code that uses it without `StreamingVideoEncoder`."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any

from ffenc.lerobot.settings import ffenc_config
from ffenc.lerobot.streaming import depth_frame, plain_statistics, rgb_frame
from ffenc.statistics import FrameSampler
from ffenc.video.writer import DEPTH_LAYOUT, VideoWriter

_STOP_CHECK_S = 0.5


class CameraEncoderThread(threading.Thread):
    """A thread that encodes frames from a queue into one file until it reads None; replaces ``_CameraEncoderThread``.

    It puts ``("ok", statistics)`` or ``("error", text)`` into ``result_queue``.
    """

    def __init__(
        self,
        video_path: Path,
        fps: int,
        video_encoder: Any,
        frame_queue: queue.Queue[Any],
        result_queue: queue.Queue[Any],
        stop_event: threading.Event,
        encoder_threads: int | None = None,
    ) -> None:
        super().__init__(daemon=True)
        self.video_path = video_path
        self.fps = fps
        self.video_encoder = video_encoder
        self.is_depth = hasattr(video_encoder, "depth_min")
        self.frame_queue = frame_queue
        self.result_queue = result_queue
        self.stop_event = stop_event
        self.encoder_threads = encoder_threads

    def run(self) -> None:
        """Encode until the queue gives None or ``stop_event`` is set."""
        try:
            self.result_queue.put(("ok", self._encode()))
        except Exception as err:  # LeRobot's protocol: the queue carries the text of the error
            self.result_queue.put(("error", str(err)))

    def _encode(self) -> dict[str, Any] | None:
        config = ffenc_config(self.video_encoder)
        sampler = FrameSampler()
        Path(self.video_path).parent.mkdir(parents=True, exist_ok=True)
        writer = VideoWriter(
            self.video_path,
            fps=self.fps,
            config=config,
            layout=DEPTH_LAYOUT if self.is_depth else "rgb",
            overwrite=True,
            encoder_threads=self.encoder_threads,
        )
        try:
            while (frame := self._next()) is not None:
                image = (depth_frame if self.is_depth else rgb_frame)(frame, str(self.video_path))
                writer.write(image)
                sampler.add(image)
            if not sampler.frames:
                return None
            writer.close()
        finally:
            writer.abort()  # no effect after close
        return plain_statistics(sampler.statistics(), is_depth=self.is_depth)

    def _next(self) -> Any:
        while True:
            try:
                return self.frame_queue.get(timeout=_STOP_CHECK_S)
            except queue.Empty:
                if self.stop_event.is_set():
                    return None
