"""One episode: distribute the frames of every time step to its cameras, all or none."""

from __future__ import annotations

import _thread
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from ffenc.errors import FFencError, FrameError, QueueFullError, RecordingError
from ffenc.ffmpeg.process.uninterrupted import is_interruptible, make_uninterrupted
from ffenc.streaming.camera import CameraEncoder, CameraRecording
from ffenc.streaming.drop_log import CameraStatus, Drop, DropLog, EpisodeRecording
from ffenc.streaming.pending_result import PendingResult, one_error
from ffenc.streaming.queueing import QueuePolicy
from ffenc.streaming.spool import SUFFIX as SPOOL_SUFFIX

logger = logging.getLogger(__name__)

_PAUSE_S = 0.0005

OpenCamera = Callable[[str, Any, Callable[[CameraEncoder], None]], CameraEncoder]
"""Makes a camera from (name, first frame or format, callback for its end)."""


class StepRecord(Protocol):
    """Another record of every time step, such as the row of a table.

    An interrupt may cut any call short.  The call is then repeated, or another step or drop is written in its place.
    """

    def write(self, number: int) -> None:
        """Write the step of frame ``number``, before any camera has it; if this raises, the step is not taken."""

    def write_drop(self, drop: Drop) -> None:
        """Write a dropped step."""

    def take(self) -> None:
        """Count what was written last; until the next write, further calls do nothing."""


class Episode:
    """Takes frames from one thread and passes each to the thread of its camera.

    A time step is one frame of every camera.  It is checked and copied first, for all cameras.  Then one assignment decides
    that it counts (`_decided`), and everything after the decision can be repeated.  An interrupt therefore leaves a step
    completely taken or not at all, and the next call completes a decided step.

    Args:
        names: names of the cameras.
        directory: directory of the files.
        fps: frames per second.
        policy: what happens when a queue is full.
        wait_s: longest wait for room in the queues, per time step, before the policies ``drop`` and ``raise`` apply.
        open_camera: makes a camera at its first frame.
        after: earlier episodes that must be complete before encoders start; frames wait in the queues until then.
        starts_at_once: whether encoders start when their cameras are opened, or with the first frame.
        record: another record of every step.

    Attributes:
        recorded: number of time steps that were taken; the next one becomes frame ``recorded`` of every camera.
        drops: dropped time steps.
        result: result of the episode.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        directory: Path,
        *,
        fps: float,
        policy: QueuePolicy,
        open_camera: OpenCamera,
        wait_s: float = 0.0,
        record: StepRecord | None = None,
        after: Sequence[PendingResult[EpisodeRecording]] = (),
        starts_at_once: bool = True,
    ) -> None:
        self.directory = directory
        self.cameras: dict[str, CameraEncoder] = {}
        self.recorded = 0
        self.drops: list[Drop] = []
        self.result: PendingResult[EpisodeRecording] = PendingResult(f"episode in {directory}")
        self._names = names
        self._fps = fps
        self._policy = policy
        self._wait_s = wait_s
        self._give_up_s: float | None = None  # when the wait of this time step ends, once it has begun
        self._open_camera = open_camera
        self._record = record
        self._after = after
        self._starts = starts_at_once
        self._started_s = time.monotonic()
        self._opening: set[str] = set()
        self._staged: dict[str, float] = {}  # cameras that have their frame of this step, and its capture time
        self._dropping: Drop | None = None  # the drop of this step, if it is being dropped
        self._decided: int | Drop | None = None  # the step that counts, as a frame or as a drop
        self._is_ambiguous = False  # it is unknown which cameras have this step
        self._cancelled = self._ending = self._completed = False
        self._raised: set[str] = set()  # cameras whose errors were raised while frames were fed
        self._over: set[str] = set()  # cameras that have ended
        self._lock = threading.Lock()  # never taken by the feeding thread: an interrupt could leave it taken

    @property
    def steps(self) -> int:
        """Number of time steps that were fed, including drops."""
        return self.recorded + len(self.drops)

    def open(self, name: str, first: Any) -> None:
        """Start a camera; ``first`` is its format or its first frame.

        Raises:
            RecordingError: an earlier, interrupted call is still opening it.
            FFencError: see ``CameraOpener.open``.
        """
        if is_interruptible():
            make_uninterrupted(lambda: self._start(name, first), lambda _: None)
        else:
            self._start(name, first)
        if name not in self.cameras:
            raise RecordingError(
                f"camera {name!r} is still being opened by a call that was interrupted; try again, or cancel the episode",
                camera=name,
                frames=0,
            )

    def feed(self, frames: Mapping[str, Any], time_s: float | None) -> bool:
        """Take a complete time step; return False if it was dropped."""
        self._begin_feed()
        if self._staged:
            raise self._out_of_step(next(iter(frames), ""))
        if frames.keys() != set(self._names):
            missing, extra = set(self._names) - frames.keys(), frames.keys() - set(self._names)
            problems = [f"no frame of {', '.join(sorted(missing))}"] * bool(missing)
            problems += [f"unknown cameras {', '.join(sorted(extra))}"] * bool(extra)
            raise FrameError(
                f"a time step needs one frame of every camera: {'; '.join(problems)}; nothing of it was taken",
                expected=", ".join(self._names),
                seen=", ".join(frames),
            )
        checked = [(self._camera(name, frame), frame) for name, frame in frames.items()]
        arrays = [(camera, camera.format.check(camera.name, frame, number=self.recorded)) for camera, frame in checked]
        if self._policy != "block" and (full := self._still_full([camera for camera, _ in arrays])):
            self._leave_out(self._drop_or_raise(full, time_s))
            return False
        for camera, array in arrays:
            self._wait_for_room(camera, array)
        self._take_step()
        return True

    def feed_one(self, name: str, frame: Any, time_s: float | None) -> bool:
        """Take one camera's frame of the current time step; return False if the step is dropped."""
        self._begin_feed()
        if name not in self._names:
            raise FrameError(
                f"unknown camera {name!r}; this episode has {', '.join(self._names)}",
                expected=", ".join(self._names),
                seen=name,
            )
        camera = self._camera(name, frame)
        array = camera.format.check(name, frame, number=self.recorded)
        if name in self._staged:
            raise self._out_of_step(name)
        self._is_ambiguous = True  # stays set if an interrupt ends this call
        try:
            kept = self._feed_checked(camera, array, time.time() if time_s is None else time_s)
        except FFencError:
            self._is_ambiguous = False  # nothing was taken
            raise
        self._is_ambiguous = False
        return kept

    def drop_if_full(self, time_s: float | None) -> bool:
        """Leave the next time step out if the queues have no room for it; True if it was left out."""
        self._begin_feed()
        if self._staged:
            raise self._out_of_step(next(iter(self._staged)))
        full = self._still_full(list(self.cameras.values()))
        if full:
            self._leave_out(self._drop_or_raise(full, time_s))
        return bool(full)

    def complete_step(self) -> None:
        """Carry out the decision about a step; an interrupted call may have done any part of it before."""
        decided = self._decided
        if decided is None:
            return
        if isinstance(decided, Drop):
            if not self.drops or self.drops[-1] is not decided:
                self.drops.append(decided)
        else:
            for camera in self.cameras.values():
                camera.publish(decided)
            self.recorded = decided + 1
        if self._record is not None:
            self._record.take()
        self._staged.clear()
        self._dropping = self._give_up_s = None
        self._decided = None

    def discard_step(self) -> None:
        """Forget the frames of a time step that is not complete, so that it can be fed again."""
        self.complete_step()
        self._staged.clear()
        self._dropping = self._give_up_s = None

    def finish(self) -> PendingResult[EpisodeRecording]:
        """End all cameras, and complete the episode in the background.  A second call changes nothing."""
        self.complete_step()
        if not self._ending and self._staged:
            missing = tuple(name for name in self._names if name not in self._staged)
            first_s = min(self._staged.values())
            self._leave_out(
                self._dropping or Drop(step=self.steps, time_s=first_s, cameras=missing, reason="incomplete")
            )
        self._ending = True
        self._start_cameras()
        for camera in self.cameras.values():
            camera.finish()
        try:
            # Not in this thread: it takes a lock, which an interrupt could leave taken.
            _thread.start_new_thread(self._complete_if_over, ())
        except RuntimeError:  # no thread is available, or the interpreter is ending
            self._complete_if_over()
        return self.result

    def cancel(self) -> None:
        """Discard everything; a second call does nothing."""
        self._cancelled = True
        for camera in list(self.cameras.values()):
            camera.cancel()

    @property
    def is_over(self) -> bool:
        """Whether it was finished or cancelled."""
        return self._ending or self._cancelled

    def error(self) -> BaseException | None:
        """Return the error of the cameras that failed, or None."""
        failed = [camera for camera in self.cameras.values() if camera.error is not None]
        if not failed:
            return None
        return one_error(f"{len(failed)} cameras failed in {self.directory}", [_camera_error(each) for each in failed])

    def elapsed_s(self) -> float:
        """Return the seconds since the start."""
        return time.monotonic() - self._started_s

    def status(self) -> dict[str, CameraStatus]:
        """Return the progress of every camera; call it from any thread."""
        dropped = Counter(name for drop in list(self.drops) for name in drop.cameras)
        return {name: self._status_of(camera, dropped[name]) for name, camera in list(self.cameras.items())}

    def _status_of(self, camera: CameraEncoder, dropped: int) -> CameraStatus:
        encoded = camera.target.frames_encoded
        encoded_fps = encoded / max(time.monotonic() - camera.started_s, 1e-6)
        return CameraStatus(
            frames_in=camera.frames_in,
            queue_depth=camera.queue.depth,
            queue_maxsize=camera.queue.maxsize,
            dropped=dropped,
            frames_encoded=encoded,
            encoded_fps=encoded_fps,
            realtime_factor=encoded_fps / self._fps,
            size_bytes=camera.target.size_bytes(),
            encoder=camera.target.encoder,
            encoder_pid=camera.target.encoder_pid,
        )

    def _start(self, name: str, first: Any) -> None:
        """Open one camera, in a thread of its own; of several concurrent calls, only one opens it."""
        with self._lock:
            if name in self._opening or name in self.cameras:
                return
            self._opening.add(name)
        try:
            camera = self._open_camera(name, first, self._camera_ended)
            with self._lock:
                if self.is_over:
                    raise self._ended()
                if self._starts:
                    camera.start(after=self._after)
                self.cameras[name] = camera
            if self._cancelled:
                camera.cancel()
            elif self._ending:
                camera.finish()
        finally:
            self._opening.discard(name)

    def _start_cameras(self) -> None:
        """Start the encoders of cameras that were opened before; a second call does nothing."""
        if not self._starts:
            for camera in self.cameras.values():
                camera.start(after=self._after)
            self._starts = True

    def _begin_feed(self) -> None:
        """Complete a decided step after an interrupt, and refuse frames if the current step is ambiguous."""
        self.complete_step()
        if self.is_over:
            raise self._ended()
        self._start_cameras()
        if self._is_ambiguous:
            self._raise_failed()
            raise RecordingError(
                f"feed_frame was interrupted in the middle of a time step, so it is unknown which cameras have it; "
                f"finish_episode() completes the {self.recorded} time steps before it, cancel_episode() discards them",
                camera="",
                frames=self.recorded,
            )

    def _ended(self) -> RecordingError:
        return RecordingError(f"the episode in {self.directory} was ended", camera="", frames=self.recorded)

    def _take_step(self) -> None:
        """Take the staged frames of all cameras as a time step."""
        number = self.recorded
        if self._record is not None:
            self._record.write(number)
        self._decided = number
        self.complete_step()

    def _leave_out(self, drop: Drop) -> None:
        for name in drop.cameras:
            if drop.reason == "full" and not any(name in before.cameras for before in self.drops):
                logger.warning(
                    "the encoder of camera %s does not keep up: time step %d is dropped for all cameras (see the drop log)",
                    name,
                    drop.step,
                )
        if self._record is not None:
            self._record.write_drop(drop)
        self._decided = drop
        self.complete_step()

    def _feed_checked(self, camera: CameraEncoder, array: Any, captured_s: float) -> bool:
        if self._policy == "block":
            self._wait_for_room(camera, array)
        elif self._dropping is None:
            if self._still_full([camera]):
                if self._policy == "raise":
                    self._staged.clear()  # the step may be fed again
                self._dropping = self._drop_or_raise([camera], captured_s)
            else:
                camera.queue.stage(array)
        kept = self._dropping is None
        self._staged[camera.name] = captured_s
        if len(self._staged) == len(self._names):
            if self._dropping is None:
                self._take_step()
            else:
                self._leave_out(self._dropping)
        return kept

    def _camera(self, name: str, frame: Any) -> CameraEncoder:
        if name not in self.cameras:
            self.open(name, frame)
        camera = self.cameras[name]
        if camera.error is not None:
            self._raise_failed()
        return camera

    def _raise_failed(self) -> None:
        error = self.error()
        if error is not None:
            self._raised = self._failed()
            raise error

    def _failed(self) -> set[str]:
        return {camera.name for camera in self.cameras.values() if camera.error is not None}

    def _wait_for_room(self, camera: CameraEncoder, array: Any) -> None:
        while not camera.queue.stage(array):
            if camera.error is not None:
                self._raise_failed()
            # Sleep instead of waiting for a lock, so that an interrupt of the main thread is never delayed.
            time.sleep(_PAUSE_S)

    def _still_full(self, cameras: list[CameraEncoder]) -> list[CameraEncoder]:
        """The cameras without room for a frame after the wait of this time step."""
        while full := [camera for camera in cameras if camera.queue.is_full]:
            if any(camera.error is not None for camera in cameras):
                self._raise_failed()
            now = time.monotonic()
            if self._give_up_s is None:
                self._give_up_s = now + self._wait_s
            if now >= self._give_up_s:
                return full
            time.sleep(_PAUSE_S)  # see `_wait_for_room`
        return []

    def _drop_or_raise(self, full: list[CameraEncoder], time_s: float | None) -> Drop:
        names = tuple(camera.name for camera in full)
        if self._policy == "raise":
            self._give_up_s = None
            raise QueueFullError(
                f"the encoder of {', '.join(names)} does not keep up: {full[0].queue.depth} frames wait; no camera took time "
                f"step {self.steps}. Use fewer or smaller cameras, a faster preset, or a larger queue",
                cameras=names,
                depth=full[0].queue.depth,
            )
        return Drop(step=self.steps, time_s=time.time() if time_s is None else time_s, cameras=names)

    def _out_of_step(self, name: str) -> FrameError:
        waiting = ", ".join(each for each in self._names if each not in self._staged)
        return FrameError(
            f"camera {name!r} was fed again before time step {self.steps} was complete; missing: {waiting}. A time step is one "
            "frame of every camera",
            expected=waiting,
            seen=name,
        )

    def _camera_ended(self, camera: CameraEncoder) -> None:
        with self._lock:
            self._over.add(camera.name)
        self._complete_if_over()

    def _complete_if_over(self) -> None:
        """Complete the episode once every camera has ended; runs in the last camera's thread, or in one of its own."""
        with self._lock:
            due = self._ending and not self._cancelled and not self._completed and self._over >= self.cameras.keys()
            self._completed |= due
        if due:
            self.result.run(self._outcome, is_seen=bool(self._raised) and self._raised == self._failed())

    def _outcome(self) -> EpisodeRecording:
        error = self.error()
        if error is not None:
            raise error
        done: dict[str, CameraRecording] = {}
        for name in sorted(self._names, key=lambda each: each in self.cameras):  # cameras that were never fed first
            camera = self.cameras.get(name)
            recording = None if camera is None else camera.recording
            if recording is None:
                raise RecordingError(f"camera {name!r} got no frame", camera=name, frames=0)
            done[name] = recording
        drop_log = DropLog(steps=self.steps, drops=tuple(self.drops))
        for name, recording in done.items():
            if recording.frames != drop_log.recorded:
                raise RecordingError(
                    f"camera {name!r} has {recording.frames} frames, but the episode has {drop_log.recorded} time steps; its "
                    f"video is {recording.path}",
                    camera=name,
                    frames=recording.frames,
                    kept=recording.path,
                )
        cameras = {name: done[name] for name in self._names}
        return EpisodeRecording(directory=self.directory, frames=drop_log.recorded, cameras=cameras, drop_log=drop_log)


def _camera_error(camera: CameraEncoder) -> BaseException:
    cause = camera.error
    assert cause is not None
    if not isinstance(cause, Exception):
        return cause
    kept = camera.target.kept
    left = "nothing was kept" if kept is None else f"its recording is kept in {kept} ({_how_to_use(kept)})"
    error = RecordingError(
        f"camera {camera.name!r} failed after {camera.frames_in} frames; {left}. {cause}",
        camera=camera.name,
        frames=camera.frames_in,
        kept=kept,
    )
    error.__cause__ = cause
    return error


def _how_to_use(kept: Path) -> str:
    if kept.is_dir():
        return "images"
    if kept.suffix == SPOOL_SUFFIX:
        return "raw frames; read them with ffenc.streaming.spool.read_spool"
    return "`ffenc salvage` makes a video of it"
