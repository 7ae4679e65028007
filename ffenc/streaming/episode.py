"""One episode: the frames of all its cameras, in time steps that stay together."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ffenc.errors import FrameError, QueueFullError, RecordingError
from ffenc.streaming.camera import CameraEncoder, CameraRecording
from ffenc.streaming.handle import Handle, one_error
from ffenc.streaming.ledger import CameraStatus, Drop, EpisodeRecording, Ledger
from ffenc.streaming.queueing import QueuePolicy
from ffenc.streaming.spool import SUFFIX as SPOOL_SUFFIX

logger = logging.getLogger(__name__)

_PAUSE_S = 0.0005

OpenCamera = Callable[[str, Any, Callable[[CameraEncoder], None]], CameraEncoder]
"""Makes a camera for (name, first frame, what to call at its end)."""


class Episode:
    """Takes frames from one thread and hands each to its camera's thread.

    A time step is one frame of every camera.  Under ``block`` each frame is handed over at once, so that cameras may also be
    fed one after the other; otherwise a step is handed over when all of it is there, or left out as a whole.

    Args:
        names: of the cameras.
        directory: where the files are.
        fps: frames per second.
        policy: what a full queue does.
        open_camera: makes a camera when its first frame is there.
    """

    def __init__(
        self, names: tuple[str, ...], directory: Path, *, fps: float, policy: QueuePolicy, open_camera: OpenCamera
    ) -> None:
        self.directory = directory
        self.cameras: dict[str, CameraEncoder] = {}
        self.steps = 0
        self.drops: list[Drop] = []
        self.handle: Handle[EpisodeRecording] = Handle(f"episode in {directory}")
        self._names = names
        self._fps = fps
        self._policy = policy
        self._open_camera = open_camera
        self._started_s = time.monotonic()
        self._staged: dict[str, float] = {}  # cameras whose frame of this step is there, and when it was captured
        self._drops_here = False  # this step is being left out
        self._cancelled = self._ending = False
        self._told: set[str] = set()  # cameras whose failure was raised while frames were fed
        self._running = 0
        self._lock = threading.Lock()

    def open(self, name: str, first: Any) -> None:
        """Start a camera; ``first`` is its format or its first frame."""
        camera = self._open_camera(name, first, self._camera_ended)
        with self._lock:
            self._running += 1
        self.cameras[name] = camera
        camera.start()

    def feed(self, frames: Mapping[str, Any], time_s: float | None) -> bool:
        """Take a whole time step; False if it was dropped."""
        if self._staged:
            raise self._out_of_step(next(iter(frames), ""))
        if frames.keys() != set(self._names):
            missing, extra = set(self._names) - frames.keys(), frames.keys() - set(self._names)
            said = [f"no frame of {', '.join(sorted(missing))}"] * bool(missing)
            said += [f"unknown cameras {', '.join(sorted(extra))}"] * bool(extra)
            raise FrameError(
                f"a time step needs one frame of every camera: {'; '.join(said)}; nothing of it was taken",
                expected=", ".join(self._names),
                seen=", ".join(frames),
            )
        checked = [(self._camera(name, frame), frame) for name, frame in frames.items()]
        arrays = [
            (camera, camera.format.check(camera.name, frame, number=camera.counts.frames_in))
            for camera, frame in checked
        ]
        full = [camera for camera, _ in arrays if camera.queue.is_full]
        if full and self._policy != "block":
            return self._leave_out(full, time_s)
        for camera, array in arrays:
            self._wait_for_room(camera, array)
        for camera, _ in arrays:
            camera.publish()
        self.steps += 1
        return True

    def feed_one(self, name: str, frame: Any, time_s: float | None) -> bool:
        """Take one camera's frame of the current time step; False if the step is dropped."""
        if name not in self._names:
            raise FrameError(
                f"there is no camera {name!r} in this episode; it has {', '.join(self._names)}",
                expected=", ".join(self._names),
                seen=name,
            )
        camera = self._camera(name, frame)
        array = camera.format.check(name, frame, number=camera.counts.frames_in)
        if self._policy == "block":
            self._wait_for_room(camera, array)
            camera.publish()
            self.steps = max(self.steps, camera.counts.frames_in)
            return True
        if name in self._staged:
            raise self._out_of_step(name)
        captured_s = time.time() if time_s is None else time_s
        if not self._drops_here and not camera.queue.stage(array):
            self._withdraw()
            if self._policy == "raise":
                self._staged.clear()  # the whole step may be fed once more
            self._leave_out([camera], captured_s, counts=False)
            self._drops_here = True
        kept = not self._drops_here
        self._staged[name] = captured_s
        if len(self._staged) == len(self._names):
            if kept:
                for each in self.cameras.values():
                    each.publish()
            self._next_step()
        return kept

    def finish(self) -> Handle[EpisodeRecording]:
        """End all cameras; what remains to be done is done in the background."""
        if self._staged and not self._drops_here:
            missing = tuple(name for name in self._names if name not in self._staged)
            self._withdraw()
            self._note(Drop(step=self.steps, time_s=min(self._staged.values()), cameras=missing, reason="incomplete"))
        if self._staged:
            self._next_step()
        self._withdraw()  # of a step that an interrupt cut short
        with self._lock:
            self._ending = True
            nothing_runs = self._running == 0
        for camera in self.cameras.values():
            camera.finish()
        if nothing_runs:
            self._complete()
        return self.handle

    def cancel(self) -> None:
        """Throw everything away."""
        self._cancelled = True
        for camera in self.cameras.values():
            camera.cancel()

    @property
    def is_over(self) -> bool:
        """Whether it was finished or cancelled."""
        return self._ending or self._cancelled

    def error(self) -> BaseException | None:
        """What went wrong so far."""
        failed = [camera for camera in self.cameras.values() if camera.error is not None]
        if not failed:
            return None
        return one_error(f"{len(failed)} cameras failed in {self.directory}", [_camera_error(each) for each in failed])

    def elapsed_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self._started_s

    def status(self) -> dict[str, CameraStatus]:
        """Every camera at this moment; from any thread."""
        blamed = [name for drop in list(self.drops) for name in drop.cameras]
        return {name: self._status_of(camera, blamed.count(name)) for name, camera in list(self.cameras.items())}

    def _status_of(self, camera: CameraEncoder, dropped: int) -> CameraStatus:
        encoded = camera.target.frames_encoded
        encoded_fps = encoded / max(time.monotonic() - camera.counts.started_s, 1e-6)
        return CameraStatus(
            frames_in=camera.counts.frames_in,
            queue_depth=camera.queue.depth,
            queue_maxsize=camera.queue.maxsize,
            dropped=dropped,
            frames_encoded=encoded,
            encoded_fps=encoded_fps,
            realtime_factor=encoded_fps / self._fps,
            size_bytes=camera.target.size_bytes(),
            encoder=camera.target.encoder,
        )

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
            self._told = self._failed()
            raise error

    def _failed(self) -> set[str]:
        return {camera.name for camera in self.cameras.values() if camera.error is not None}

    def _wait_for_room(self, camera: CameraEncoder, array: Any) -> None:
        while not camera.queue.stage(array):
            if camera.error is not None:
                self._withdraw()
                self._raise_failed()
            # Not a lock's wait: that of the main thread must be free to be interrupted.  30 frames are waiting.
            time.sleep(_PAUSE_S)

    def _leave_out(self, full: list[CameraEncoder], time_s: float | None, *, counts: bool = True) -> bool:
        names = tuple(camera.name for camera in full)
        if self._policy == "raise":
            raise QueueFullError(
                f"the encoder of {', '.join(names)} does not keep up: {full[0].queue.depth} frames wait; no camera took time "
                f"step {self.steps}. Use fewer or smaller cameras, a faster preset, or a larger queue",
                cameras=names,
                depth=full[0].queue.depth,
            )
        self._note(Drop(step=self.steps, time_s=time.time() if time_s is None else time_s, cameras=names))
        self.steps += counts
        return False

    def _note(self, drop: Drop) -> None:
        for name in drop.cameras:
            if drop.reason == "full" and not any(name in before.cameras for before in self.drops):
                logger.warning(
                    "the encoder of camera %s does not keep up: time step %d is left out for all cameras (see the ledger)",
                    name,
                    drop.step,
                )
        self.drops.append(drop)

    def _withdraw(self) -> None:
        for camera in self.cameras.values():
            camera.queue.withdraw()

    def _next_step(self) -> None:
        self._staged.clear()
        self._drops_here = False
        self.steps += 1

    def _out_of_step(self, name: str) -> FrameError:
        waiting = ", ".join(each for each in self._names if each not in self._staged)
        return FrameError(
            f"camera {name!r} was fed again before time step {self.steps} was complete; still to come: {waiting}. With "
            f"policy={self._policy!r} a step is one frame of every camera",
            expected=waiting,
            seen=name,
        )

    def _camera_ended(self, _: CameraEncoder) -> None:
        with self._lock:
            self._running -= 1
            is_last = self._ending and self._running == 0
        if is_last and not self._cancelled:
            self._complete()

    def _complete(self) -> None:
        """In the thread of the camera that ended last."""
        self.handle.run(self._outcome, is_seen=bool(self._told) and self._told == self._failed())

    def _outcome(self) -> EpisodeRecording:
        error = self.error()
        if error is not None:
            raise error
        done: dict[str, CameraRecording] = {}
        for name in self._names:
            camera = self.cameras.get(name)
            recording = None if camera is None else camera.recording
            if recording is None:
                raise RecordingError(f"camera {name!r} was given no frame", camera=name, frames=0)
            done[name] = recording
        ledger = Ledger(steps=self.steps, drops=tuple(self.drops))
        for name, recording in done.items():
            if recording.frames != ledger.recorded:
                raise RecordingError(
                    f"camera {name!r} has {recording.frames} frames where the episode has {ledger.recorded} time steps: the "
                    f"cameras were not fed alike; its video is {recording.path}",
                    camera=name,
                    frames=recording.frames,
                    kept=recording.path,
                )
        return EpisodeRecording(directory=self.directory, frames=ledger.recorded, cameras=done, ledger=ledger)


def _camera_error(camera: CameraEncoder) -> BaseException:
    cause = camera.error
    assert cause is not None
    if not isinstance(cause, Exception):
        return cause
    kept = camera.target.kept
    left = "nothing of it is left" if kept is None else f"what it recorded is kept in {kept} ({_how_to_use(kept)})"
    error = RecordingError(
        f"camera {camera.name!r} failed after {camera.counts.frames_in} frames; {left}. {cause}",
        camera=camera.name,
        frames=camera.counts.frames_in,
        kept=kept,
    )
    error.__cause__ = cause
    return error


def _how_to_use(kept: Path) -> str:
    if kept.is_dir():
        return "its images"
    if kept.suffix == SPOOL_SUFFIX:
        return "raw frames, which ffenc.streaming.spool.read_spool reads"
    return "ffenc salvage makes a video of it"
