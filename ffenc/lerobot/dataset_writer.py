"""Wrap LeRobot's recorder: keep rows and frames in step, and save an episode while the next one is recorded.

``own`` is LeRobot's function; `ffenc.lerobot.installation` passes it first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from ffenc.dataset.format.provenance import append_provenance, recording_document
from ffenc.errors import LeRobotError
from ffenc.ffmpeg.binaries import find_binaries
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.frames import FrameFormat
from ffenc.lerobot.streaming import Finishing, StreamingVideoEncoder
from ffenc.streaming.camera import DepthFormat
from ffenc.threads import ThreadPool

logger = logging.getLogger(__name__)

_Own = Callable[..., Any]


class Saver:
    """A background thread that saves the episodes of one recorder in order.

    Attributes:
        next_index: number of the episode that is being recorded.
    """

    enabled = False
    """Whether recorders save in the background; see ``ffenc.lerobot.install``."""

    def __init__(self) -> None:
        self.next_index = 0
        self._jobs: list[Future[None]] = []
        self._failed: BaseException | None = None
        self._thread = ThreadPool(1, thread_name_prefix="save episode")

    def save(self, index: int, directory: Path, job: Callable[[], None]) -> None:
        """Queue a job; it runs after all earlier jobs, unless one of them failed."""
        self.next_index = index + 1
        self._jobs.append(self._thread.submit(self._run, index, directory, job))

    def raise_failed(self, *, wait: bool) -> None:
        """Raise the exception of a failed job, once for each.

        Args:
            wait: wait for all jobs; False checks only those that have ended.
        """
        while self._jobs and (wait or self._jobs[0].done()):
            self._jobs.pop(0).result()

    def _run(self, index: int, directory: Path, job: Callable[[], None]) -> None:
        if self._failed is not None:
            raise LeRobotError(
                f"episode {index} was not saved, because saving an earlier episode failed ({self._failed}); its videos are "
                f"in {directory}"
            ) from self._failed
        try:
            job()
        except BaseException as err:
            self._failed = err
            raise


_savers: WeakKeyDictionary[Any, Saver] = WeakKeyDictionary()


def saver_of(writer: Any) -> Saver | None:
    """Return the `Saver` of LeRobot's ``DatasetWriter``; None before its first save in the background."""
    return _savers.get(writer)


def construct(own: _Own, self: Any, meta: Any, *arguments: Any, **options: Any) -> None:
    """Check the encoders of all cameras before the first frame; wraps ``DatasetWriter.__init__``."""
    own(self, meta, *arguments, **options)
    encoder = self._streaming_encoder
    if isinstance(encoder, StreamingVideoEncoder):
        encoder.prepare({key: _format(meta.features[key], key in meta.depth_keys) for key in meta.video_keys})


def _format(feature: dict[str, Any], is_depth: bool) -> FrameFormat | DepthFormat:
    shape = list(feature["shape"])
    # The channels are the first or the last axis: the one of length 1 or 3.
    height, width = shape[1:] if shape[0] in (1, 3) and shape[2] not in (1, 3) else shape[:2]
    return DepthFormat(width=width, height=height) if is_depth else FrameFormat(width=width, height=height)


def add_frame(own: _Own, self: Any, frame: dict[str, Any]) -> None:
    """Add a row and its images together or not at all; wraps ``DatasetWriter.add_frame``.

    If an encoder does not keep up, the row is dropped with its images.  If LeRobot refuses a frame, the values and images
    that it had already added are removed.
    """
    encoder = self._streaming_encoder
    streams = isinstance(encoder, StreamingVideoEncoder)
    size = 0 if self.episode_buffer is None else self.episode_buffer["size"]
    # The first frame of an episode starts the encoders, so their queues have room for it.
    if streams and size and encoder.drop_if_full():
        return
    try:
        own(self, frame)
    except BaseException:
        _truncate(self.episode_buffer, size)
        if streams:
            encoder.discard_step()
        raise


def _truncate(buffer: dict[str, Any] | None, size: int) -> None:
    for values in (buffer or {}).values():
        if isinstance(values, list):
            del values[size:]


def save_episode(
    own: _Own, self: Any, episode_data: dict[str, Any] | None = None, parallel_encoding: bool = True
) -> None:
    """Complete the videos before LeRobot writes rows, then record provenance; wraps ``DatasetWriter.save_episode``.

    With `Saver.enabled` it returns at once, unless the episode has image features, is passed as ``episode_data``, or is
    encoded in a batch.
    """
    encoder, saver = self._streaming_encoder, saver_of(self)
    if not isinstance(encoder, StreamingVideoEncoder) or not encoder.is_active:
        if saver is not None:
            saver.raise_failed(wait=True)
        own(self, episode_data=episode_data, parallel_encoding=parallel_encoding)
        return
    in_background = (
        Saver.enabled and episode_data is None and not self._meta.image_keys and self._batch_encoding_size == 1
    )
    if saver is not None:
        saver.raise_failed(wait=False)
    begun = encoder.begin_finish()
    if not in_background:
        _save(own, self, encoder, begun, episode_data)
        return
    if saver is None:
        saver = _savers[self] = Saver()
    buffer = self.episode_buffer
    index = int(buffer["episode_index"])
    saver.save(index, begun.directory, lambda: _save(own, self, encoder, begun, buffer))
    self.episode_buffer = self._create_episode_buffer()


def _save(
    own: _Own, writer: Any, encoder: StreamingVideoEncoder, begun: Finishing, data: dict[str, Any] | None
) -> None:
    recording = encoder.complete(begun)
    rows = (writer.episode_buffer if data is None else data)["size"]
    if rows != recording.frames:
        raise LeRobotError(
            f"the episode has {rows} rows but {recording.frames} frames in each video, because add_frame was interrupted; it "
            f"was not saved, and its videos are in {begun.directory.parent}"
        )
    index = writer._meta.total_episodes  # noqa: SLF001  LeRobot's
    own(writer, episode_data=data)
    ffmpeg = probe_capabilities(find_binaries().ffmpeg).version.text
    document = recording_document(recording, episode_index=index, ffmpeg_version=ffmpeg)
    append_provenance(Path(writer._root), document)  # noqa: SLF001


def create_episode_buffer(own: _Own, self: Any, episode_index: int | None = None) -> dict[str, Any]:
    """Number the next episode after those still being saved; wraps ``DatasetWriter._create_episode_buffer``."""
    saver = saver_of(self)
    if episode_index is None and saver is not None:
        episode_index = saver.next_index
    buffer: dict[str, Any] = own(self, episode_index)
    return buffer


def finalize(own: _Own, self: Any) -> None:
    """Wait for all episodes that are being saved; wraps ``DatasetWriter.finalize``."""
    saver = saver_of(self)
    try:
        if saver is not None:
            saver.raise_failed(wait=True)
    finally:
        own(self)


def num_episodes(own: _Own, self: Any) -> int:
    """Include episodes that are being saved in the count; wraps ``LeRobotDataset.num_episodes``."""
    saver = saver_of(self.writer) if self.reader is None and self.writer is not None else None
    return int(own(self)) if saver is None else saver.next_index
