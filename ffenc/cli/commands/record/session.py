"""Record episodes from live cameras, controlled by the keyboard."""

from __future__ import annotations

import time
from dataclasses import dataclass
from fractions import Fraction

from ffenc.cli.commands.record.cameras import OpenCameras
from ffenc.cli.commands.record.interrupts import Interrupts
from ffenc.cli.commands.record.keys import Key, Keys
from ffenc.cli.commands.record.live_view import LiveView, episode_title
from ffenc.cli.output.results import count_text, frames_text
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.append_episode import EpisodeSummary
from ffenc.dataset.recording.live_recording import STALE_AFTER_S, LiveEpisode, OnStale, record_episode, wait_for
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import CameraError, CameraStalledError
from ffenc.streaming.pending_result import PendingResult
from ffenc.video.live_camera import LiveCamera

DISCARD_WINDOW_S = 2.0
"""Time after the Ctrl-C that ends the recording in which a second one discards the episode."""

REOPENING_S = 30.0
"""Longest time between two episodes for which a camera that failed is opened again."""

_EMPTY_EPISODES = 3  # most episodes in a row that may end before their first frame


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """The episodes to record.

    Attributes:
        episodes: number of episodes.
        episode_s: length of an episode, in seconds.
        reset_s: time between episodes, in seconds, to reset the scene.
        fps: frame rate of the dataset.
        task: description of the task.
        on_stale: what happens if a camera gives nothing new.
        stale_after_s: for how long, in seconds.
        keys: whether the keys of the terminal control the recording.
    """

    episodes: int
    episode_s: float
    reset_s: float
    fps: Fraction
    task: str
    on_stale: OnStale = "stop"
    stale_after_s: float = STALE_AFTER_S
    keys: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An episode that is in the dataset.

    Attributes:
        live: its steps, drops and late ticks.
        summary: the saved episode.
    """

    live: LiveEpisode
    summary: EpisodeSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """Outcome of a session.

    Attributes:
        episodes: the saved episodes, in order.
        discarded: whether the user discarded the last episode.
        failure: the camera error that ended the session.
        ended_by: the signal that ended the session, SIGTERM or SIGHUP.
    """

    episodes: tuple[Recorded, ...]
    discarded: bool
    failure: CameraError | None
    ended_by: int | None = None


def run_session(
    recorder: DatasetRecorder, cameras: OpenCameras, plan: SessionPlan, view: LiveView, screen: Screen
) -> SessionResult:
    """Record all episodes, or fewer if the user ends the recording or a camera fails.

    Right arrow ends an episode and saves it; left arrow discards it and records it again, also during the reset after it;
    Escape saves it and ends the recording.  Ctrl-C does too, and a second Ctrl-C soon after it discards the episode.  SIGTERM
    and SIGHUP save the episode and end the recording at once.

    Raises:
        FFencError: the recorder failed.
        KeyboardInterrupt: Ctrl-C was pressed a third time, during saving.
        SystemExit: SIGTERM or SIGHUP was received a second time.
    """
    with Interrupts() as interrupts, Keys(wanted=plan.keys) as keys:
        session = _Session(recorder, cameras, plan, view, screen, interrupts, keys)
        session.run()
        if interrupts.ended_by is None:  # after SIGHUP there may be no terminal
            view.show(f"saving {count_text(len(session.saved), 'episode')}")
        episodes = tuple(Recorded(live=live, summary=handle.wait()) for live, handle in session.saved)
    return SessionResult(
        episodes=episodes, discarded=session.discarded, failure=session.failure, ended_by=interrupts.ended_by
    )


class _Session:
    """The state of a recording between its episodes; see `run_session`."""

    def __init__(
        self,
        recorder: DatasetRecorder,
        cameras: OpenCameras,
        plan: SessionPlan,
        view: LiveView,
        screen: Screen,
        interrupts: Interrupts,
        keys: Keys,
    ) -> None:
        self._recorder = recorder
        self._cameras = cameras
        self._plan = plan
        self._view = view
        self._screen = screen
        self._interrupts = interrupts
        self._keys = keys
        self._key: Key | None = None
        self._empty = 0  # episodes in a row that have no frame
        self.saved: list[tuple[LiveEpisode, PendingResult[EpisodeSummary]]] = []
        self.discarded = False
        self.failure: CameraError | None = None

    def run(self) -> None:
        """Record episodes until all are saved, or the recording is ended."""
        goes_on, note = True, None
        while goes_on and len(self.saved) < self._plan.episodes:
            number = len(self.saved) + 1
            self._enter(self._title(number, self._new_episode()), note=note)
            note = None
            if self._key is Key.STOP:
                break
            live = self._record(number)
            is_kept = live.frames > 0 and self._key is not Key.AGAIN
            self.discarded = live.stopped and self._interrupts.came() and self._is_discarded(live)
            is_kept = is_kept and not self.discarded
            if live.failure is not None:
                is_kept = is_kept and self._plan.on_stale != "discard"
                self._tell_failure(number, live, live.failure, is_kept=is_kept)
            self._empty = 0 if live.frames else self._empty + 1
            goes_on = self._goes_on(live, is_kept=is_kept)
            if is_kept and self._key is not Key.AGAIN:
                self.saved.append((live, self._recorder.save_episode()))
            else:
                self._recorder.clear_episode()
                if live.failure is None:
                    note = f"episode {number} was discarded" if live.frames else f"episode {number} has no frames"
        if note is not None:
            self._enter("recording ended", note=note)

    def _enter(self, title: str, *, note: str | None = None) -> None:
        """Show a new state, then a note about its cause.

        Arrow keys that were pressed before it was shown belonged to the old state, and are dropped.  Escape means the same
        in every state.
        """
        self._key = self._keys.drop_arrows() or (self._key if self._key is Key.STOP else None)
        self._view.show(title)
        if note is not None:
            self._screen.note(note)

    def _record(self, number: int) -> LiveEpisode:
        has_begun = False

        def tick(episode: LiveEpisode) -> None:
            nonlocal has_begun
            has_begun = True
            if self._view.is_due:
                self._view.update(self._title(number, episode), self._recorder.status())

        return record_episode(
            self._recorder,
            self._cameras,
            task=self._plan.task,
            fps=self._plan.fps,
            duration_s=self._plan.episode_s,
            # A key that ends an episode leaves at least one step, so that there is something to save.
            stop=lambda: self._is_ended() if has_begun else self._interrupts.came(),
            on_tick=tick,
            on_stale=self._plan.on_stale,
            stale_after_s=self._plan.stale_after_s,
            reopen=self._cameras.reopen,
            with_capture_times=True,
        )

    def _new_episode(self) -> LiveEpisode:
        return LiveEpisode(steps_wanted=round(self._plan.episode_s * self._plan.fps), fps=self._plan.fps)

    def _title(self, number: int, episode: LiveEpisode) -> str:
        return episode_title(number, self._plan.episodes, episode, keys=self._keys.is_active)

    def _is_ended(self) -> bool:
        self._key = self._key or self._keys.pressed()
        return self._key is not None or self._interrupts.came()

    def _goes_on(self, live: LiveEpisode, *, is_kept: bool) -> bool:
        """Open a lost camera again and wait for the next episode; return False if the recording ends here."""
        next_number = len(self.saved) + 1 + is_kept
        if self._interrupts.came() or self._key is Key.STOP or next_number > self._plan.episodes:
            self.failure = live.failure
            return False
        return self._reopens_cameras(live.failure) and self._reset(next_number)

    def _lost_cameras(self) -> list[str]:
        """Return the cameras that failed or, unless ``on_stale`` is ``continue``, give nothing new.

        Raises:
            CameraError: one came back with another frame size.
        """
        return [name for name in self._cameras if self._cameras.is_lost(name) or self._is_silent(self._cameras[name])]

    def _is_silent(self, camera: LiveCamera) -> bool:
        try:
            age_s = time.monotonic() - camera.latest().time_s
        except CameraError:
            return True
        return self._plan.on_stale != "continue" and age_s > self._plan.stale_after_s

    def _reopens_cameras(self, failure: CameraError | None) -> bool:
        """Open lost cameras again and wait for them; return False if the recording ends here.

        Args:
            failure: the error that ended the episode, which was reported.
        """
        lost: list[str] = []
        deadline = time.monotonic() + REOPENING_S

        def is_over() -> bool:
            nonlocal lost
            lost = self._lost_cameras()
            for name in lost:
                error = self._error_of(name, failure)
                if not self._cameras.reopen(name, is_reported=error is failure):
                    raise error
            if lost and self._view.is_due:
                self._view.update(self._reopening_title(lost, deadline))
            self._key = self._keys.drop_arrows() or self._key
            return not lost or self._key is Key.STOP or self._interrupts.came()

        try:
            lost = self._lost_cameras()
            if lost and self._empty >= _EMPTY_EPISODES:
                raise self._error_of(lost[0], failure)
            if lost:
                self._enter(self._reopening_title(lost, deadline))
                wait_for(REOPENING_S, is_over)
            if lost:
                self.failure = self._cameras.why_lost(lost[0]) or self._error_of(lost[0], failure)
        except CameraError as err:
            self.failure = err
        return self.failure is None

    def _error_of(self, name: str, failure: CameraError | None) -> CameraError:
        camera = self._cameras[name]
        if failure is not None and failure.source == camera.name:
            return failure
        try:
            camera.latest()
        except CameraError as err:
            return err
        return CameraStalledError(f"camera {camera.name} gives nothing new", source=camera.name)

    def _reopening_title(self, lost: list[str], deadline: float) -> str:
        names = ", ".join(self._cameras[name].name for name in lost)
        stop = "Esc" if self._keys.is_active else "Ctrl-C"
        left_s = max(0.0, deadline - time.monotonic())
        return f"opening camera {names} again, for at most {left_s:.0f} s   ({stop}: stop)"

    def _reset(self, number: int) -> bool:
        """Wait before the next episode; return False if the user ends the recording."""
        keys = (
            "right arrow: start now, left arrow: record the last one again, Esc: stop" if self._keys.is_active else ""
        )

        def title() -> str:
            return f"episode {number} of {self._plan.episodes} starts in {left_s:.0f} s   ({keys or 'Ctrl-C: stop'})"

        left_s = self._plan.reset_s
        if left_s > 0:
            self._enter(title())
        while left_s > 0 and not self._interrupts.came():
            self._view.update(title())  # the rates of an ended episode would sink
            step_s = min(left_s, 0.25)
            if not wait_for(step_s, self._is_ended):
                break
            left_s -= step_s
        return not self._interrupts.came() and self._key is not Key.STOP

    def _is_discarded(self, live: LiveEpisode) -> bool:
        interrupts = self._interrupts
        if interrupts.ended_by is not None or not live.frames:
            return False
        text = (
            f"recording ended; {live.frames} frames of this episode are saved; "
            f"Ctrl-C once more within {DISCARD_WINDOW_S:g} s discards them"
        )
        self._enter(text, note=text)
        wait_for(DISCARD_WINDOW_S, lambda: interrupts.came_again() or interrupts.ended_by is not None)
        return interrupts.came_again()

    def _tell_failure(self, number: int, live: LiveEpisode, failure: CameraError, *, is_kept: bool) -> None:
        if is_kept:
            end = f"ends at the last step at which every camera was new, and {frames_text(live.frames)} of it are saved"
        else:
            end = "is discarded" if live.frames else "has no frames"
        title = f"episode {number} of {self._plan.episodes} ended"
        self._enter(title, note=f"{failure.message}; episode {number} {end}")
