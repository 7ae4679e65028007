"""Encode the frames of many cameras while they are captured, without slowing down the control loop."""

from __future__ import annotations

import atexit
import logging
import os
import time
import warnings
import weakref
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from ffenc.config import DepthEncoderConfig, PerCamera, VideoEncoderConfig
from ffenc.errors import FFencError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.ffmpeg.process.priority import Priority
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.frames import FrameFormat
from ffenc.owner import Owner
from ffenc.streaming.camera import DepthFormat
from ffenc.streaming.drop_log import Drop, EpisodeRecording, RecordingStatus
from ffenc.streaming.episode import Episode, StepRecord
from ffenc.streaming.opening import CameraOpener, CameraPlan
from ffenc.streaming.pending_result import PendingResult, one_error
from ffenc.streaming.queueing import POLICIES, QueuePolicy
from ffenc.streaming.reports import StatusReports
from ffenc.video.clip import MeasuredClip
from ffenc.video.names import check_path_part
from ffenc.video.run_context import RunContext

if TYPE_CHECKING:
    from typing_extensions import Self

logger = logging.getLogger(__name__)

ENCODER_PRIORITY = Priority(nice=10)
"""Below the control loop, above idle work."""

_EXIT_WAIT_S = 10.0
_MOST_WAITING = 2  # episodes that ended before their encoders could start; each has its own queues in memory


class StreamingVideoEncoder:
    """Records many cameras in time steps, with a queue, a thread and an ffmpeg process for each camera.

    Example::

        with StreamingVideoEncoder(30, policy="drop") as encoder:
            encoder.start_episode(["laptop", "wrist"], "episode-000")
            for laptop, wrist in steps:  # (480, 640, 3) uint8 RGB each
                encoder.feed_frames({"laptop": laptop, "wrist": wrist})
            recording = encoder.finish_episode().wait()
        print(recording.cameras["wrist"].path, recording.drop_log.drops)

    A frame is copied once, into a slot that is already allocated, and may be reused as soon as the call returns.  Feed from
    one thread; `status` may be called from any.  If the ``with`` block raises, the open episode is completed with the time
    steps it has.

    Attributes:
        fps: exact frame rate.
        policy: what happens when a queue is full.
        wait_s: longest wait for room before the policies ``drop`` and ``raise`` apply.
    """

    def __init__(
        self,
        fps: FrameRate,
        *,
        camera_encoder: PerCamera[VideoEncoderConfig] | None = None,
        depth_encoder: PerCamera[DepthEncoderConfig] | None = None,
        queue_maxsize: int = 30,
        encoder_threads: int | None = None,
        policy: QueuePolicy = "block",
        wait_s: float = 0.0,
        streaming_encoding: bool = True,
        priority: Priority = ENCODER_PRIORITY,
        fallback: VideoEncoderConfig | None = None,
        max_finishing: int = 2,
        on_status: Callable[[RecordingStatus], None] | None = None,
        status_interval_s: float = 1.0,
        binaries: Binaries | None = None,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """Set the options of all episodes; nothing is started yet.

        Args:
            fps: whole number (also as a float), Fraction or ``"30000/1001"``.
            camera_encoder: settings for all cameras, or by camera (for each of them); LeRobot's defaults if None.
            depth_encoder: settings for depth cameras, as ``camera_encoder``.
            queue_maxsize: most frames per camera that wait for the encoder.
            encoder_threads: threads of each encoder (for SVT-AV1 its ``lp``); None leaves it to the encoder.
            policy: ``"block"``, ``"drop"`` or ``"raise"``, see `ffenc.streaming.queueing.QueuePolicy`.
            wait_s: longest wait for room in the queues, per time step, before ``drop`` or ``raise`` applies; ``block`` waits
                without a limit, and refuses one.
            streaming_encoding: encode while frames come; False writes raw frames to disk and encodes them after the episode,
                in the background.
            priority: priority of the encoder processes.
            fallback: settings to continue with if an encoder fails.  None: a hardware encoder falls back to software for the
                same codec, a software encoder does not fall back.
            max_finishing: most episodes that are completed in the background at the same time.  The encoders of the next
                ones start when there are fewer, and their frames wait in the queues.  `start_episode` waits while two more
                are unfinished.
            on_status: called with a `RecordingStatus` every ``status_interval_s`` seconds from the first episode on, from
                another thread.
            status_interval_s: seconds between two calls of ``on_status``.
            binaries: the executables; found by `find_binaries` if None.
            stall_timeout_s: longest time without progress before an encoder is killed.

        Raises:
            ValueError: an invalid frame rate, policy or number.
            BinaryNotFoundError: ffmpeg was not found.
        """
        if policy not in POLICIES:
            raise ValueError(f"unknown policy {policy!r}; expected one of {', '.join(POLICIES)}")
        for name, value in (("queue_maxsize", queue_maxsize), ("max_finishing", max_finishing)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")
        if isinstance(wait_s, bool) or not isinstance(wait_s, int | float) or not 0 <= wait_s < float("inf"):
            raise ValueError(f"wait_s must be a number of seconds from 0 on, got {wait_s!r}")
        if wait_s and policy == "block":
            raise ValueError(
                f"wait_s={wait_s!r} has no effect with the policy 'block', which waits without a limit; choose 'drop' or 'raise'"
            )
        if not status_interval_s > 0:
            raise ValueError(f"status_interval_s must be above 0, got {status_interval_s!r}")
        self.fps = parse_frame_rate(fps)
        self.policy: QueuePolicy = policy
        self.wait_s = wait_s
        self._max_finishing = max_finishing
        self._plan = CameraPlan(
            fps=self.fps,
            camera_encoder=camera_encoder or VideoEncoderConfig(),
            depth_encoder=depth_encoder or DepthEncoderConfig(),
            queue_maxsize=queue_maxsize,
            context=RunContext(
                binaries=binaries or find_binaries(),
                encoder_threads=encoder_threads,
                priority=priority,
                stall_timeout_s=stall_timeout_s,
            ),
            streaming_encoding=streaming_encoding,
            fallback=fallback,
        )
        self._episode: Episode | None = None
        self._background: deque[Episode] = deque()
        self._owner = Owner()
        self._closed = False
        self._started: list[Episode] = []
        self._forgotten = weakref.finalize(self, _finish_forgotten, self._started, self._background, os.getpid())
        # At exit, the finalizers of our processes would run first and kill them.  This runs earlier.
        atexit.register(self._forgotten)
        self._reports = None if on_status is None else StatusReports(self.status, on_status, status_interval_s)

    def prepare(self, cameras: Mapping[str, FrameFormat | DepthFormat]) -> None:
        """Check the settings of cameras and allocate their queues before an episode, so that its first frame costs little.

        Args:
            cameras: the format of each video camera; a `DepthFormat` for depth.

        Raises:
            CapabilityError: this FFmpeg cannot do it.
        """
        depth = [name for name, form in cameras.items() if isinstance(form, DepthFormat)]
        opener = CameraOpener(self._plan, Path(), tuple(cameras), depth=depth)
        for name, form in cameras.items():
            opener.prepare(name, form)

    def start_episode(
        self,
        cameras: Sequence[str] | Mapping[str, FrameFormat | DepthFormat | None],
        directory: str | Path,
        *,
        depth_cameras: Collection[str] = (),
        image_cameras: Collection[str] = (),
        copies: Mapping[str, MeasuredClip] = MappingProxyType({}),
        record: StepRecord | None = None,
        warm: bool = True,
    ) -> PendingResult[EpisodeRecording]:
        """Begin an episode.

        Args:
            cameras: names of all cameras.  If a name has a format, its encoder starts and is checked now, before the first
                frame.
            directory: created if it is missing; camera ``laptop`` is written to ``laptop.mp4`` in it.
            depth_cameras: cameras whose frames are depth: uint16 millimetres or float32 metres, ``(H, W)``.
            image_cameras: cameras that are stored as images, ``laptop/frame-000000.png``.
            copies: clips of cameras whose video is copied instead of encoded.  Their frames must be given too, for the
                statistics.
            record: another record of every time step, taken or dropped together with its frames.
            warm: start the encoders of cameras with a format now; False starts them with the first frame.

        Returns:
            The pending result that `finish_episode` also returns.

        Raises:
            FFencError: this FFmpeg cannot encode a camera, or an earlier episode failed and its error was not raised yet.
            UnsafePathError: the name of a camera would leave the directory.
        """
        self._owner.check(self)
        if self._closed:
            raise FFencError("this StreamingVideoEncoder is closed")
        if self._episode is not None:
            raise FFencError(f"the episode in {self._episode.directory} is still open; finish or cancel it first")
        self._raise_unseen()
        self._wait_for_background()
        background = list(self._background)
        names = tuple(cameras)
        unknown = [name for name in (*depth_cameras, *image_cameras, *copies) if name not in names]
        if isinstance(cameras, str) or len(set(names)) < len(names):
            raise FFencError(f"cameras must be a list of different names, got {cameras!r}")
        if not names or unknown:
            raise FFencError(f"these are not cameras of the episode: {', '.join(unknown)}" if unknown else "no cameras")
        directory = Path(directory)
        for name in names:
            check_path_part(name, "the name of a camera")
        opener = CameraOpener(self._plan, directory, names, depth=depth_cameras, images=image_cameras, copies=copies)
        given = cameras if isinstance(cameras, Mapping) else {}
        formats = {name: form for name, form in given.items() if form is not None}
        for name, form in formats.items():
            opener.check(name, form)
        directory.mkdir(parents=True, exist_ok=True)
        self._episode = episode = Episode(
            names,
            directory,
            fps=float(self.fps),
            policy=self.policy,
            wait_s=self.wait_s,
            open_camera=opener.open,
            record=record,
            starts_at_once=warm,
            after=[earlier.result for earlier in background[: max(0, len(background) + 1 - self._max_finishing)]],
        )
        self._started[:] = [episode]
        if self._reports is not None:
            self._reports.start()
        try:
            for name, form in formats.items():
                episode.open(name, form)
        except BaseException:
            self.cancel_episode()
            raise
        return episode.result

    def feed_frame(self, camera: str, frame: Any, *, time_s: float | None = None) -> bool:
        """Take one camera's frame of the current time step; the step counts once every camera has its frame.

        Args:
            camera: name of the camera.
            frame: an array in the format of the camera; it is copied.
            time_s: capture time, for the drop log; None: now.

        Returns:
            False if this time step is being dropped (policy ``drop``), for all cameras, even those that were fed before.

        Raises:
            FrameError: the frame does not fit the camera, or the camera was fed twice in one step; nothing was taken.
            QueueFullError: policy ``raise``; no camera took the step.
            RecordingError: a camera failed (its error is chained).  Or an interrupt (KeyboardInterrupt) hit an earlier call, so
                it is unknown which cameras have this step; `finish_episode` then completes the steps before it.
        """
        return self._open_episode().feed_one(camera, frame, time_s)

    def feed_frames(self, frames: Mapping[str, Any], *, time_s: float | None = None) -> bool:
        """Take a complete time step: one frame of every camera.

        The step is taken or not, even if an interrupt hits the call, and the episode continues.  See `feed_frame`.
        """
        return self._open_episode().feed(frames, time_s)

    def drop_if_full(self, *, time_s: float | None = None) -> bool:
        """Leave the next time step out if the queues have no room for it after ``wait_s``, before any frame of it is fed.

        A caller that also stores other data of a step can ask first, and store nothing for a step that is left out.  If the
        step is not left out, feeding it does not drop it.

        Args:
            time_s: capture time, for the drop log; None: now.

        Returns:
            True if the step was left out for all cameras.

        Raises:
            FrameError: frames of the current step were fed already.
            QueueFullError: policy ``raise``, and the queues have no room.
            RecordingError: see `feed_frame`.
        """
        return self._open_episode().drop_if_full(time_s)

    def discard_step(self) -> None:
        """Forget the frames of the current time step, if it is not complete; it may be fed again.  Nothing is recorded."""
        self._open_episode().discard_step()

    def complete_step(self) -> None:
        """Complete a time step that is decided, if an interrupt cut its call short; else do nothing."""
        if self._episode is not None:
            self._episode.complete_step()

    def finish_episode(self) -> PendingResult[EpisodeRecording]:
        """End the episode; it is completed and checked in the background.

        Returns:
            The pending result, at once.  Its ``wait()`` returns the `EpisodeRecording` or raises the error.  If ``wait()`` is not
            called, the next `start_episode` or `close` raises the error.
        """
        episode = self._open_episode()
        episode.finish()
        if episode not in self._background:
            self._background.append(episode)
        self._episode = None  # last, so that after an interrupt the episode can be finished again
        return episode.result

    def cancel_episode(self) -> None:
        """Discard the open episode and its files.  Does nothing between episodes."""
        self._owner.check(self)
        if self._episode is not None:
            self._episode.cancel()
            self._episode = None

    def close(self) -> None:
        """Discard an open episode, and wait for the episodes that are being completed.  A second call does nothing.

        If a camera of the open episode failed, its recording is kept, and the error says where.

        Raises:
            FFencError: an error that was not raised yet; an `ErrorGroup` if there are several.
        """
        self._owner.check(self)
        self._closed = True
        if self._episode is not None and self._episode.error() is not None:
            self.finish_episode()
        self.cancel_episode()
        if self._reports is not None:
            self._reports.stop()
        for episode in self._background:
            episode.result.settle()
        self._forgotten.detach()
        atexit.unregister(self._forgotten)
        unseen = [error for episode in self._background if (error := episode.result.unseen_error()) is not None]
        self._background.clear()
        if unseen:
            raise one_error(f"{len(unseen)} episodes failed", unseen)

    @property
    def is_recording(self) -> bool:
        """Whether an episode is open."""
        return self._episode is not None

    @property
    def drops(self) -> Sequence[Drop]:
        """Dropped time steps of the open episode."""
        return () if self._episode is None else self._episode.drops

    def status(self) -> RecordingStatus:
        """Return the progress of the open episode; call it from any thread."""
        episode = self._episode
        finishing = sum(not each.result.done() for each in list(self._background))
        if episode is None:
            return RecordingStatus(elapsed_s=0, steps=0, dropped=0, finishing=finishing, cameras={})
        return RecordingStatus(
            elapsed_s=episode.elapsed_s(),
            steps=episode.steps,
            dropped=len(episode.drops),
            finishing=finishing,
            cameras=episode.status(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._owner.is_here:
            return  # a forked child leaves the block; the encoder belongs to its parent
        if exc_type is None:
            self.close()
            return
        if self._episode is not None and self._episode.steps:
            self.finish_episode()
        try:
            self.close()
        except Exception:  # the block's own exception is raised
            logger.exception("an episode could not be completed")

    def __repr__(self) -> str:
        return f"<StreamingVideoEncoder at {self.fps} frames per second>"

    def _open_episode(self) -> Episode:
        self._owner.check(self)
        if self._episode is None:
            raise FFencError("no episode is open; call start_episode first")
        return self._episode

    def _raise_unseen(self) -> None:
        while self._background and self._background[0].result.done():
            error = self._background.popleft().result.unseen_error()
            if error is not None:
                raise error

    def _wait_for_background(self) -> None:
        while len(self._background) >= self._max_finishing + _MOST_WAITING:
            self._background[0].result.settle()
            self._raise_unseen()


def _finish_forgotten(started: list[Episode], background: deque[Episode], owner_pid: int) -> None:
    """Complete the episodes of an encoder that was not closed, so that their recordings are kept."""
    if os.getpid() != owner_pid:  # a fork has none of our threads
        return
    left_open = [episode for episode in started if not episode.is_over]
    deadline = time.monotonic() + _EXIT_WAIT_S
    for episode in left_open:
        episode.finish()
    for episode in (*background, *left_open):
        episode.result.settle(max(0, deadline - time.monotonic()))
    for episode in left_open:
        warnings.warn(f"a StreamingVideoEncoder was not closed: {episode.directory}", ResourceWarning, stacklevel=2)
