"""Rows and frames of LeRobot's recorder stay together: a time step is recorded as a whole or not at all."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ffenc.dataset.format.provenance import append_provenance, recording_document
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.lerobot.streaming import StreamingVideoEncoder

logger = logging.getLogger(__name__)


def add_frame(own: Callable[..., None]) -> Callable[..., None]:
    """Take a frame's row and its images together; wraps ``DatasetWriter.add_frame``.

    Where an encoder does not keep up, the row is left out with the images.  Where LeRobot refuses a frame in the middle,
    what it had already taken is taken back.
    """

    @functools.wraps(own)
    def replaced(self: Any, frame: dict[str, Any]) -> None:
        encoder = self._streaming_encoder
        streams = isinstance(encoder, StreamingVideoEncoder)
        size = 0 if self.episode_buffer is None else self.episode_buffer["size"]
        # The first frame of an episode starts the encoders, so there is room for it.
        if streams and size and encoder.drop_if_full():
            return
        try:
            own(self, frame)
        except BaseException:
            _take_back(self.episode_buffer, size)
            if streams:
                encoder.discard_step()
            raise

    return replaced


def _take_back(buffer: dict[str, Any] | None, size: int) -> None:
    for values in (buffer or {}).values():
        if isinstance(values, list):
            del values[size:]


def save_episode(own: Callable[..., None]) -> Callable[..., None]:
    """Write how the episode was recorded, with its drops, beside the dataset; wraps ``DatasetWriter.save_episode``."""

    @functools.wraps(own)
    def replaced(self: Any, episode_data: dict[str, Any] | None = None, parallel_encoding: bool = True) -> None:
        encoder, index = self._streaming_encoder, self._meta.total_episodes
        own(self, episode_data=episode_data, parallel_encoding=parallel_encoding)
        if isinstance(encoder, StreamingVideoEncoder) and encoder.recording is not None:
            ffmpeg = probe_capabilities(find_binaries().ffmpeg).version.text
            document = recording_document(encoder.recording, episode_index=index, ffmpeg_version=ffmpeg)
            append_provenance(Path(self._root), document)
            encoder.recording = None

    return replaced
