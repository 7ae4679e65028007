"""Episode after episode from live cameras, with somebody at the keyboard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from ffenc.cli.commands.record.interrupts import Interrupts
from ffenc.cli.commands.record.live_view import LiveView, episode_title
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode, record_episode, wait_for
from ffenc.errors import CameraError
from ffenc.video.live_camera import LiveCamera

if TYPE_CHECKING:
    from ffenc.dataset.recording.append_episode import EpisodeSummary  # which needs pyarrow, as the next
    from ffenc.dataset.recording.recorder import DatasetRecorder
    from ffenc.streaming.pending_result import PendingResult

DISCARD_WINDOW_S = 2.0
"""How long after the Ctrl-C that ends an episode a second one discards it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionPlan:
    """How many episodes of what.

    Attributes:
        episodes: how many.
        episode_s: length of each, in seconds.
        reset_s: time between two, to put everything back.
        fps: frame rate of the dataset.
        task: what is being done.
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
        live: how its recording went.
        summary: what was saved.
    """

    live: LiveEpisode
    summary: EpisodeSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResult:
    """What became of a session.

    Attributes:
        episodes: that were saved, in order.
        discarded: whether the last one was thrown away on request.
        failure: the camera that ended it.
        ended_by: the signal that ended it, SIGTERM or SIGHUP.
    """

    episodes: tuple[Recorded, ...]
    discarded: bool
    failure: CameraError | None
    ended_by: int | None = None


def run_session(
    recorder: DatasetRecorder, cameras: Mapping[str, LiveCamera], plan: SessionPlan, view: LiveView, screen: Screen
) -> SessionResult:
    """Record all episodes, or fewer if somebody presses Ctrl-C or a camera fails.

    One Ctrl-C ends the episode, which is saved, and the session; a second one soon after it discards that episode.  SIGTERM
    and SIGHUP end both as well, and the episode is saved at once.

    Raises:
        FFencError: the recorder failed.
        KeyboardInterrupt: Ctrl-C came a third time while saving went on.
        SystemExit: SIGTERM or SIGHUP came a second time.
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
        if interrupts.ended_by is None:  # after SIGHUP there may be nothing to show it on
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
    """The time between two episodes; False if somebody ends the session in it."""
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
    what = f"ended early, {live.frames} frames are saved; Ctrl-C once more within {DISCARD_WINDOW_S:g} s discards them"
    screen.note(what)
    view.show(what)
    wait_for(DISCARD_WINDOW_S, lambda: interrupts.came_again() or interrupts.ended_by is not None)
    return interrupts.came_again()
