"""Record episodes from live cameras, controlled by the keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ffenc.cli.commands.record.interrupts import Interrupts
from ffenc.cli.commands.record.live_view import LiveView, episode_title
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.append_episode import EpisodeSummary
from ffenc.dataset.recording.live_recording import LiveEpisode, record_episode, wait_for
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import CameraError
from ffenc.streaming.pending_result import PendingResult
from ffenc.video.live_camera import LiveCamera

DISCARD_WINDOW_S = 2.0
"""Time after the Ctrl-C that ends an episode in which a second one discards it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """The episodes to record.

    Attributes:
        episodes: number of episodes.
        episode_s: length of an episode, in seconds.
        reset_s: time between episodes, in seconds, to reset the scene.
        fps: frame rate of the dataset.
        task: description of the task.
    """

    episodes: int
    episode_s: float
    reset_s: float
    fps: Fraction
    task: str


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
    recorder: DatasetRecorder, cameras: Mapping[str, LiveCamera], plan: SessionPlan, view: LiveView, screen: Screen
) -> SessionResult:
    """Record all episodes, or fewer after Ctrl-C or a camera failure.

    Ctrl-C ends the session and saves the episode; a second Ctrl-C soon after it discards the episode.  SIGTERM and SIGHUP end
    the session and save the episode at once.

    Raises:
        FFencError: the recorder failed.
        KeyboardInterrupt: Ctrl-C was pressed a third time, during saving.
        SystemExit: SIGTERM or SIGHUP was received a second time.
    """
    saved: list[tuple[LiveEpisode, PendingResult[EpisodeSummary]]] = []
    discarded, failure = False, None
    with Interrupts() as interrupts:
        for number in range(1, plan.episodes + 1):
            if number > 1 and not _reset(number, plan, recorder, view, interrupts):
                break
            live = _episode(number, recorder, cameras, plan, view, interrupts)
            failure = live.failure
            discarded = live.stopped and _is_discarded(live, screen, view, interrupts)
            if discarded or live.frames == 0:
                recorder.clear_episode()
                screen.note(f"episode {number} was discarded" if discarded else f"episode {number} has no frames")
                break
            saved.append((live, recorder.save_episode()))
            if live.stopped or failure is not None:
                break
        if interrupts.ended_by is None:  # after SIGHUP there may be no terminal
            view.show(f"saving {len(saved)} episodes")
        episodes = tuple(Recorded(live=live, summary=handle.wait()) for live, handle in saved)
    return SessionResult(episodes=episodes, discarded=discarded, failure=failure, ended_by=interrupts.ended_by)


def _episode(
    number: int,
    recorder: DatasetRecorder,
    cameras: Mapping[str, LiveCamera],
    plan: SessionPlan,
    view: LiveView,
    interrupts: Interrupts,
) -> LiveEpisode:
    def tick(episode: LiveEpisode) -> None:
        if view.is_due:
            view.show(episode_title(number, plan.episodes, episode), recorder.status())

    return record_episode(
        recorder,
        cameras,
        task=plan.task,
        fps=plan.fps,
        duration_s=plan.episode_s,
        stop=interrupts.came,
        on_tick=tick,
    )


def _reset(number: int, plan: SessionPlan, recorder: DatasetRecorder, view: LiveView, interrupts: Interrupts) -> bool:
    """Wait between two episodes; return False if the user ends the session."""
    left_s = plan.reset_s
    while left_s > 0:
        view.show(
            f"episode {number} of {plan.episodes} starts in {left_s:.0f} s   (Ctrl-C ends here)", recorder.status()
        )
        step_s = min(left_s, 0.25)
        if not wait_for(step_s, interrupts.came):
            return False
        left_s -= step_s
    return not interrupts.came()


def _is_discarded(live: LiveEpisode, screen: Screen, view: LiveView, interrupts: Interrupts) -> bool:
    if interrupts.ended_by is not None:
        return False
    text = f"ended early, {live.frames} frames are saved; Ctrl-C once more within {DISCARD_WINDOW_S:g} s discards them"
    screen.note(text)
    view.show(text)
    wait_for(DISCARD_WINDOW_S, lambda: interrupts.came_again() or interrupts.ended_by is not None)
    return interrupts.came_again()
