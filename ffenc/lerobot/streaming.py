"""Replace LeRobot's streaming encoder with ffenc's."""

from __future__ import annotations

import dataclasses
import logging
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.errors import FFencError, FrameError
from ffenc.frames import FrameFormat
from ffenc.lerobot.settings import ffenc_config
from ffenc.statistics import FeatureStatistics
from ffenc.streaming.camera import DepthFormat
from ffenc.streaming.drop_log import EpisodeRecording
from ffenc.streaming.encoder import StreamingVideoEncoder as Encoder
from ffenc.streaming.pending_result import PendingResult

logger = logging.getLogger(__name__)

WAIT_S = 0.1
"""Longest wait for room in a queue before a frame is dropped; LeRobot's own value."""

_LEVELS = 255

Result = tuple[Path, dict[str, npt.NDArray[Any]] | None]


class StreamingError(FFencError, RuntimeError):
    """An episode cannot be encoded; a RuntimeError, which LeRobot's own encoder raises."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CameraSettings:
    """How a camera of the open episode is encoded; LeRobot has these attributes on the camera's thread."""

    fps: int
    video_encoder: Any
    encoder_threads: int | None
    is_depth: bool

    def is_alive(self) -> bool:
        """Return True: `StreamingVideoEncoder` lists only cameras of an open episode."""
        return True


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Finishing:
    """An episode that is being completed.

    Attributes:
        directory: temporary directory of its files.
        names: ffenc's name of each camera, by LeRobot's key.
        depth: keys of depth cameras.
        pending: the future recording.
    """

    directory: Path
    names: Mapping[str, str]
    depth: frozenset[str]
    pending: PendingResult[EpisodeRecording]

    def results(self, recording: EpisodeRecording) -> dict[str, Result]:
        """Move every video into a separate directory, which LeRobot removes with the video."""
        results: dict[str, Result] = {}
        for key, name in self.names.items():
            camera = recording.cameras[name]
            own = Path(tempfile.mkdtemp(dir=self.directory.parent))
            path = camera.path.replace(own / f"{name}_streaming{camera.path.suffix}")
            results[key] = (path, plain_statistics(camera.statistics, is_depth=key in self.depth))
        self.directory.rmdir()
        return results


class StreamingVideoEncoder:
    """Encodes the cameras of LeRobot's recorder live; replaces LeRobot's class of this name.

    If a queue is still full after `WAIT_S`, the time step is dropped for all cameras.  `ffenc.lerobot.dataset_writer` drops
    the row of the table with it.

    Attributes:
        fps: frames per second.
        queue_maxsize: most waiting frames per camera.
        encoder_threads: threads of each encoder; None uses the encoder's default.
    """

    def __init__(
        self,
        fps: int,
        rgb_encoder: Any = None,
        depth_encoder: Any = None,
        queue_maxsize: int = 30,
        encoder_threads: int | None = None,
    ) -> None:
        self.fps = fps
        self.queue_maxsize = queue_maxsize
        self.encoder_threads = self._encoder_threads = encoder_threads
        defaults = import_module("lerobot.configs.video")
        self._rgb_encoder = rgb_encoder or defaults.rgb_encoder_defaults()
        self._depth_encoder = depth_encoder or defaults.depth_encoder_defaults()
        self._encoder = self._new_encoder()
        self._closed = False
        self._names: dict[str, str] = {}  # ffenc's name of each camera, by LeRobot's key
        self._depth: frozenset[str] = frozenset()
        self._directory: Path | None = None
        self._dropped_frames: Counter[str] = Counter()
        self._in_thread = threading.local()

    def _new_encoder(self) -> Encoder:
        return Encoder(
            self.fps,
            camera_encoder=ffenc_config(self._rgb_encoder),
            depth_encoder=ffenc_config(self._depth_encoder),  # type: ignore[arg-type]
            queue_maxsize=self.queue_maxsize,
            encoder_threads=self.encoder_threads,
            policy="drop",
            wait_s=WAIT_S,
        )

    def prepare(self, cameras: Mapping[str, FrameFormat | DepthFormat]) -> None:
        """Check the encoder settings of all cameras before the first episode."""
        self._encoder.prepare({key.replace("/", "_"): form for key, form in cameras.items()})

    @property
    def is_active(self) -> bool:
        """Whether an episode is open."""
        return self._encoder.is_recording

    def start_episode(
        self, video_keys: Sequence[str], temp_dir: str | Path, depth_video_keys: Sequence[str] | None = None
    ) -> None:
        """Begin an episode, also after `close`; cancel an open one.

        Args:
            video_keys: keys of the video features.
            temp_dir: parent of the temporary directory of the episode.
            depth_video_keys: keys of depth features; those that are not in ``video_keys`` are ignored.
        """
        self.cancel_episode()
        if self._closed:
            self._encoder, self._closed = self._new_encoder(), False
        self._dropped_frames.clear()
        self._names = {key: key.replace("/", "_") for key in video_keys}
        self._depth = frozenset(depth_video_keys or ()) & self._names.keys()
        self._directory = Path(tempfile.mkdtemp(dir=temp_dir))
        self._encoder.start_episode(
            list(self._names.values()), self._directory, depth_cameras=[self._names[key] for key in self._depth]
        )

    def feed_frame(self, video_key: str, image: npt.NDArray[Any]) -> None:
        """Copy and queue one camera's frame of the current time step.

        Args:
            video_key: key of the video feature.
            image: ``(H, W, C)`` or ``(C, H, W)``, uint8 or floats from 0 to 1; depth as integer millimetres or float metres.

        Raises:
            RuntimeError: no episode is open, or its encoder failed.
            FrameError: the array is not a valid frame of this camera; a ValueError.
        """
        if not self.is_active:
            raise RuntimeError("No active episode. Call start_episode() first.")
        if video_key not in self._names:
            raise FrameError(
                f"this episode has no camera {video_key!r}; it has {', '.join(self._names)}",
                expected=", ".join(self._names),
                seen=video_key,
            )
        frame = depth_frame(image, video_key) if video_key in self._depth else rgb_frame(image, video_key)
        try:
            self._encoder.feed_frame(self._names[video_key], frame)
        except FrameError:
            raise
        except FFencError as err:
            raise StreamingError(str(err)) from err
        self._count_drops()

    def drop_if_full(self) -> bool:
        """Drop the next time step if a queue is still full after the wait; return True if it was dropped.

        Raises:
            RuntimeError: an encoder failed.
        """
        try:
            return self.is_active and self._encoder.drop_if_full()
        except FrameError:
            raise
        except FFencError as err:
            raise StreamingError(str(err)) from err
        finally:
            self._count_drops()

    def discard_step(self) -> None:
        """Discard the frames of an incomplete time step."""
        if self.is_active:
            self._encoder.discard_step()

    def begin_finish(self) -> Finishing:
        """End the episode and complete its videos in the background; another episode can begin.

        Raises:
            RuntimeError: no episode is open.
        """
        if not self.is_active or self._directory is None:
            raise RuntimeError("No active episode to finish.")
        self._count_drops()
        begun = Finishing(
            directory=self._directory,
            names=dict(self._names),
            depth=self._depth,
            pending=self._encoder.finish_episode(),
        )
        self._directory = None
        return begun

    def complete(self, begun: Finishing) -> EpisodeRecording:
        """Wait for the videos of an episode; the next `finish_episode` in this thread returns them.

        Raises:
            RuntimeError: an encoder failed.  The recorded files are kept, and the message names them.
        """
        try:
            recording = begun.pending.wait()
        except FFencError as err:
            raise StreamingError(str(err)) from err
        if recording.drop_log.drops:
            logger.warning(
                "%d of %d time steps were dropped together with their rows",
                len(recording.drop_log.drops),
                recording.drop_log.steps,
            )
        self._in_thread.results = begun.results(recording)
        return recording

    def finish_episode(self) -> dict[str, Result]:
        """Complete the videos of the episode.

        Returns:
            For each video feature, a file in a separate directory, and statistics of shape (channels,): levels from 0 to
            255, or depth in its own unit.

        Raises:
            RuntimeError: no episode is open, or an encoder failed.  In that case the recorded files are kept, and the
                message names them.
        """
        if getattr(self._in_thread, "results", None) is None:
            self.complete(self.begin_finish())
        results: dict[str, Result] = self._in_thread.results
        self._in_thread.results = None
        return results

    def cancel_episode(self) -> None:
        """Discard the open episode; does nothing if none is open."""
        self._encoder.cancel_episode()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def close(self) -> None:
        """Discard an open episode and end the encoders; a second call does nothing."""
        self.cancel_episode()
        self._closed = True
        self._encoder.close()

    @property
    def _episode_active(self) -> bool:  # this and the next one are attributes of LeRobot's class, which code may read
        return self.is_active

    @property
    def _threads(self) -> dict[str, CameraSettings]:
        return {
            key: CameraSettings(
                fps=self.fps,
                video_encoder=self._depth_encoder if key in self._depth else self._rgb_encoder,
                encoder_threads=self.encoder_threads,
                is_depth=key in self._depth,
            )
            for key in (self._names if self.is_active else ())
        }

    def _count_drops(self) -> None:
        drops = self._encoder.drops
        if len(drops) != self._dropped_frames.total():
            self._dropped_frames = Counter(
                key for drop in drops for key, name in self._names.items() if name in drop.cameras
            )


def rgb_frame(image: npt.NDArray[Any], key: str) -> npt.NDArray[np.uint8]:
    """Convert an RGB frame of any type and axis order that LeRobot accepts to ``(H, W, C)`` uint8.

    Raises:
        FrameError: the type or shape is wrong, the shape fits both CHW and HWC, or floats are outside 0 to 1.
    """
    image = _channels_last(image, key)
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind != "f":
        raise _frame_error(key, image, "uint8, or floats from 0 to 1")
    low, high = float(image.min(initial=0)), float(image.max(initial=0))
    if not (low >= 0 and high <= 1):
        raise _frame_error(key, image, "floats from 0 to 1", f" with values from {low:g} to {high:g}")
    levels: npt.NDArray[np.uint8] = np.rint(image * _LEVELS).astype(np.uint8)
    return levels


def depth_frame(image: npt.NDArray[Any], key: str) -> npt.NDArray[Any]:
    """Convert a depth frame to ``(H, W)`` uint16 millimetres or float32 metres.

    Raises:
        FrameError: the array has more than one channel, is not numeric, or has millimetres that exceed uint16.
    """
    plane = image
    if isinstance(image, np.ndarray) and image.ndim == 3 and 1 in (image.shape[0], image.shape[2]):
        plane = image[:, :, 0] if image.shape[2] == 1 else image[0]
    if not isinstance(plane, np.ndarray) or plane.ndim != 2 or plane.dtype.kind not in "uif":
        raise _frame_error(key, image, "one plane of depth: integer millimetres or float metres")
    if plane.dtype.kind == "f":
        return np.asarray(plane, np.float32)
    if plane.dtype != np.uint16 and plane.size and not 0 <= plane.min() <= plane.max() <= np.iinfo(np.uint16).max:
        raise _frame_error(key, image, "millimetres from 0 to 65535")
    return np.asarray(plane, np.uint16)


def _channels_last(image: npt.NDArray[Any], key: str) -> npt.NDArray[Any]:
    if not isinstance(image, np.ndarray) or image.ndim != 3:
        raise _frame_error(key, image, "(H, W, C) or (C, H, W)")
    # LeRobot recognizes CHW by a first axis of length 1 or 3.
    if image.shape[0] not in (1, 3):
        return image
    if image.shape[2] in (1, 3):
        raise _frame_error(key, image, "(H, W, C) or (C, H, W); this shape fits both")
    transposed: npt.NDArray[Any] = image.transpose(1, 2, 0)
    return transposed


def _frame_error(key: str, image: object, expected: str, detail: str = "") -> FrameError:
    seen = f"{image.shape} {image.dtype.name}" if isinstance(image, np.ndarray) else f"a {type(image).__name__}"
    return FrameError(f"camera {key!r} got {seen}{detail}; expected {expected}", expected=expected, seen=seen + detail)


def plain_statistics(statistics: FeatureStatistics, *, is_depth: bool) -> dict[str, npt.NDArray[Any]]:
    """Return a camera's statistics in the form of LeRobot's encoder: shape (channels,), levels from 0 to 255."""
    scale = 1 if is_depth else _LEVELS
    values = {field.name: getattr(statistics, field.name) for field in dataclasses.fields(statistics)}
    return {
        name: value if name == "count" else value.reshape(-1) * scale
        for name, value in values.items()
        if value is not None
    }
