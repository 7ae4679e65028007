"""Show during a recording how each camera and its encoder keep up, and the time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from types import TracebackType

from rich.console import Group, RenderableType
from rich.filesize import decimal
from rich.live import Live
from rich.text import Text

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX
from ffenc.cli.output.results import columns_table, frames_text
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode
from ffenc.streaming.drop_log import RecordingStatus
from ffenc.video.live_camera import LiveCamera

_UPDATES_PER_S = 4
_RATE_OVER_S = 2.0


class LiveView:
    """A table below the log that is redrawn a few times a second; disabled without a terminal.

    Args:
        screen: the output. The table needs a terminal on standard error, and is disabled in JSON mode.
        cameras: cameras by feature name.
        wanted: False disables the table.
    """

    def __init__(self, screen: Screen, cameras: Mapping[str, LiveCamera], *, wanted: bool = True) -> None:
        self._cameras = cameras
        self._rates = {name: Rate() for name in cameras}
        self._title = Text()
        self._status: RecordingStatus | None = None
        self._due = 0.0
        self._live: Live | None = None
        if wanted and not screen.as_json and screen.err.is_terminal:
            # Drawn in its own thread: the loop of an episode must not wait for a terminal.
            self._live = Live(
                console=screen.err, get_renderable=self.render, refresh_per_second=_UPDATES_PER_S, transient=True
            )

    @property
    def is_due(self) -> bool:
        """Whether it is time to update; never if the view is disabled."""
        return self._live is not None and time.monotonic() >= self._due

    def show(self, title: str) -> None:
        """Show a new state of the recording, and return when it is on the terminal.

        Print a note about what led to it after this: printing draws the view again as it was last drawn.
        """
        self.update(title)
        if self._live is not None and self._live.is_started:
            self._live.refresh()

    def update(self, title: str, status: RecordingStatus | None = None) -> None:
        """Change what is shown the next time that the view is drawn.

        Args:
            title: one line.
            status: status of the recorder; None keeps the previous one.
        """
        self._due = time.monotonic() + 1 / _UPDATES_PER_S
        self._title = Text(title)
        self._status = status or self._status

    def render(self) -> RenderableType:
        """Return the table to draw."""
        headings = (">frames/s", ">waiting", ">dropped", ">encoded/s", ">real time", ">size")
        table = columns_table("camera", *headings)
        cameras = {} if self._status is None else self._status.cameras
        for name, camera in self._cameras.items():
            short = name.removeprefix(FEATURE_PREFIX)
            rate = self._rates[name].per_second(camera.frames_read)
            source = f"{rate:.1f}" if rate is not None else "-"
            status = cameras.get(name)
            if status is None:
                table.add_row(short, source, *["-"] * 5)
                continue
            table.add_row(
                short,
                source,
                f"{status.queue_depth}/{status.queue_maxsize}",
                Text(str(status.dropped), style="red" if status.dropped else ""),
                f"{status.encoded_fps:.1f}",
                f"{status.realtime_factor:.2f}x",
                decimal(status.size_bytes),
            )
        return Group(self._title, table)

    def __enter__(self) -> LiveView:
        if self._live is not None:
            self._live.start(refresh=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


class Rate:
    """Growth rate of a count over the last two seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def per_second(self, count: int) -> float | None:
        """Add a count and return the rate; None for the first count."""
        now = time.monotonic()
        if self._seen and count < self._seen[-1][1]:
            self._seen.clear()  # a camera that was opened again counts from 0
        self._seen.append((now, count))
        while now - self._seen[0][0] > _RATE_OVER_S:
            self._seen.popleft()
        since, before = self._seen[0]
        return None if now == since else (count - before) / (now - since)


def episode_title(number: int, of: int, episode: LiveEpisode, *, keys: bool = False) -> str:
    """Return ``episode 2 of 5: 12 s left, 510 frames``, with drops and delays so far, and the keys that work."""
    parts = [f"{episode.left_s:.0f} s left", frames_text(episode.frames)]
    if episode.dropped:
        parts.append(f"{episode.dropped} dropped")
    if episode.late:
        parts.append(f"{episode.late} late, by up to {episode.latest_s:.2f} s")
    help_text = "right arrow: next, left arrow: again, Esc: stop" if keys else "Ctrl-C: stop"
    return f"episode {number} of {of}: {', '.join(parts)}   ({help_text})"
