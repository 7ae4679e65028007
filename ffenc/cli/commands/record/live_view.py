"""Show during a recording how each camera and its encoder keep up, and the time left."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.control import Control
from rich.filesize import decimal
from rich.live import Live
from rich.live_render import LiveRender, VerticalOverflowMethod
from rich.segment import Segment
from rich.text import Text

from ffenc.cli.commands.record.cameras import FEATURE_PREFIX
from ffenc.cli.output.results import frames_text
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode
from ffenc.streaming.drop_log import RecordingStatus
from ffenc.video.live_camera import LiveCamera

_UPDATES_PER_S = 4
_RATE_OVER_S = 2.0
_HEADINGS = ("camera", "frames/s", "waiting", "dropped", "encoded/s", "real time", "size")
"""Columns, the most important first: a narrow terminal shows the first ones."""
_DROPPED = _HEADINGS.index("dropped")
_SHORTEST_NAME = 12  # columns are left out before a name is shortened further


class LiveView:
    """A table below the log that is redrawn a few times a second; disabled without a terminal.

    Args:
        screen: the output. The table needs a terminal on standard error, and is disabled in JSON mode.
        cameras: cameras by feature name.
        wanted: False disables the table.
    """

    def __init__(self, screen: Screen, cameras: Mapping[str, LiveCamera], *, wanted: bool = True) -> None:
        self._console = screen.err
        self._cameras = cameras
        self._rates = {name: Rate() for name in cameras}
        self._title = Text()
        self._status: RecordingStatus | None = None
        self._due = 0.0
        self._live: Live | None = None
        if wanted and not screen.as_json and screen.err.is_terminal:
            # Drawn in its own thread: the loop of an episode must not wait for a terminal.
            self._live = _ResizableLive(screen.err, self.render)

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
        """Return the title, and a line for each camera that fits the height of the terminal."""
        width, height = self._console.width, self._console.height
        title = self._title.wrap(self._console, width)
        rows = [_HEADINGS, *(self._row(name, camera) for name, camera in self._cameras.items())]
        room = max(1, height - len(title) - 2)  # a line for the headings, and one for what was printed above
        hidden = len(rows) - 1 - room
        if hidden > 0:
            rows = rows[:room]
        lines = _aligned(rows, width)
        if hidden > 0:
            lines.append(Text(f"and {hidden + 1} more cameras"))
        return Group(*title, *lines)

    def _row(self, name: str, camera: LiveCamera) -> tuple[str, ...]:
        status = None if self._status is None else self._status.cameras.get(name)
        rate = self._rates[name].per_second(camera.frames_read)
        first = (name.removeprefix(FEATURE_PREFIX), "-" if rate is None else f"{rate:.1f}")
        if status is None:
            return (*first, *["-"] * (len(_HEADINGS) - len(first)))
        return (
            *first,
            f"{status.queue_depth}/{status.queue_maxsize}",
            str(status.dropped),
            f"{status.encoded_fps:.1f}",
            f"{status.realtime_factor:.2f}x",
            decimal(status.size_bytes),
        )

    def __enter__(self) -> LiveView:
        if self._live is not None:
            self._live.start(refresh=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()


class _ResizableLive(Live):
    """A live display that also erases lines that a narrower terminal has wrapped."""

    def __init__(self, console: Console, get_renderable: Callable[[], RenderableType]) -> None:
        super().__init__(
            console=console, get_renderable=get_renderable, refresh_per_second=_UPDATES_PER_S, transient=True
        )
        self._live_render = _Drawn(console, vertical_overflow=self.vertical_overflow)


class _Drawn(LiveRender):
    """What is drawn, with the width of each line."""

    def __init__(self, console: Console, *, vertical_overflow: VerticalOverflowMethod) -> None:
        super().__init__("", vertical_overflow=vertical_overflow)
        self._console = console
        self._widths: list[int] = []

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = [part for part in super().__rich_console__(console, options) if isinstance(part, Segment)]
        self._widths = [Segment.get_line_length(line) for line in Segment.split_lines(segments)]
        yield from segments

    def position_cursor(self) -> Control:
        self._count_rows()
        return super().position_cursor()

    def restore_cursor(self) -> Control:
        self._count_rows()
        return super().restore_cursor()

    def _count_rows(self) -> None:
        """Count the rows that the drawn lines take at the current width, which may have changed since."""
        if self._shape is not None:
            width = self._console.width
            self._shape = (width, sum(max(1, -(-each // width)) for each in self._widths))


def _aligned(rows: Sequence[tuple[str, ...]], width: int) -> list[Text]:
    """Return a line for each row, with as many columns as fit; a name that is too long loses its middle."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    count = len(widths)
    while count > 1 and width - _taken(widths[1:count]) < min(widths[0], _SHORTEST_NAME):
        count -= 1
    name_width = min(widths[0], max(1, width - _taken(widths[1:count])))
    lines = []
    for row in rows:
        line = Text(_shortened(row[0], name_width).ljust(name_width), no_wrap=True, overflow="crop")
        for column in range(1, count):
            is_loss = column == _DROPPED and row[column] not in ("0", "-", _HEADINGS[_DROPPED])
            line.append("  ").append(row[column].rjust(widths[column]), style="red" if is_loss else "")
        lines.append(line)
    lines[0].stylize("bold")
    return lines


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * len(widths)


def _shortened(name: str, width: int) -> str:
    """Shorten a name in its middle: names of cameras often differ at their end."""
    if len(name) <= width:
        return name
    end = width // 2
    return name[: width - end - 1] + "\N{HORIZONTAL ELLIPSIS}" + name[len(name) - end :]


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
