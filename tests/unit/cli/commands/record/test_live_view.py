"""What somebody who watches a recording sees."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from io import StringIO
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from ffenc.cli.commands.record import live_view
from ffenc.cli.commands.record.live_view import LiveView, Rate, episode_title
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode
from ffenc.streaming.drop_log import CameraStatus, RecordingStatus
from tests.terminal_screen import TerminalScreen


def screen(*, terminal: bool, as_json: bool = False) -> Screen:
    console = Console(file=StringIO(), force_terminal=terminal, width=100)
    return Screen(out=console, err=console, as_json=as_json)


def status() -> RecordingStatus:
    camera = CameraStatus(
        frames_in=90,
        queue_depth=7,
        queue_maxsize=30,
        dropped=2,
        frames_encoded=80,
        encoded_fps=24.5,
        realtime_factor=0.82,
        size_bytes=1_500_000,
        encoder="x",
    )
    return RecordingStatus(elapsed_s=3, steps=90, dropped=2, finishing=0, cameras={"observation.images.laptop": camera})


def test_every_camera_has_a_row_with_all_that_can_go_wrong() -> None:
    cameras = cast("Any", {"observation.images.laptop": SimpleNamespace(frames_read=0)})
    view = LiveView(screen(terminal=True), cameras)
    view.update("episode 1", status())
    printed = Console(file=StringIO(), width=100, record=True)
    printed.print(view.render())
    text = printed.export_text()
    assert "episode 1" in text
    (row,) = (line.split() for line in text.splitlines() if "laptop" in line)
    assert [row[0], *row[2:]] == ["laptop", "7/30", "2", "24.5", "0.82x", "1.5", "MB"]


@pytest.mark.parametrize(
    ("terminal", "as_json", "wanted", "drawn"),
    [(True, False, True, True), (False, False, True, False), (True, True, True, False), (True, False, False, False)],
)
def test_nothing_is_drawn_where_nobody_watches(terminal: bool, as_json: bool, wanted: bool, drawn: bool) -> None:
    place = screen(terminal=terminal, as_json=as_json)
    with LiveView(place, {}, wanted=wanted) as view:
        assert view.is_due is drawn
        view.show("some title")
        assert not view.is_due
    assert bool(cast("StringIO", place.err.file).getvalue()) is drawn


def test_a_rate_is_that_of_the_last_two_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(live_view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    rate = Rate()
    assert rate.per_second(100) is None
    now[0] = 11.0
    assert rate.per_second(130) == 30
    now[0] = 12.5
    assert rate.per_second(145) == 10  # (145 - 130) in 1.5 s


def test_a_count_that_begins_again_has_no_negative_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [10.0]
    monkeypatch.setattr(live_view, "time", SimpleNamespace(monotonic=lambda: now[0]))
    rate = Rate()
    rates = []
    for count in (100, 130, 3, 33):
        rates.append(rate.per_second(count))
        now[0] += 1.0
    assert rates == [None, 30.0, None, 30.0]


def test_the_title_says_what_went_wrong() -> None:
    episode = LiveEpisode(steps_wanted=90, fps=Fraction(30), steps=30)
    assert episode_title(2, 5, episode) == "episode 2 of 5: 2 s left, 30 frames   (Ctrl-C: stop)"
    episode.dropped, episode.late, episode.latest_s = 3, 4, 0.125
    assert "27 frames, 3 dropped, 4 late, by up to 0.12 s" in episode_title(2, 5, episode)


def test_a_note_does_not_bring_back_the_state_before_it() -> None:
    place = screen(terminal=True)
    with LiveView(place, {}) as view:
        view.show("episode 2 starts")
        view.show("episode 1: 60 s left")
        place.note("discarded")
        drawn = cast("StringIO", place.err.file).getvalue()
    assert "episode 2 starts" in drawn
    assert "episode 1: 60 s left" in drawn[drawn.index("discarded") :]
    assert "episode 2 starts" not in drawn[drawn.index("discarded") :]


def view_of(names: list[str], console: Console) -> LiveView:
    cameras = {f"observation.images.{name}": SimpleNamespace(frames_read=0) for name in names}
    view = LiveView(Screen(out=console, err=console, as_json=False), cast("Any", cameras))
    of_camera = status().cameras["observation.images.laptop"]
    view.update(
        episode_title(2, 5, LiveEpisode(steps_wanted=90, fps=Fraction(30), steps=30), keys=True),
        replace(status(), cameras=dict.fromkeys(cameras, of_camera)),
    )
    return view


@pytest.mark.parametrize("height", [10, 30])
@pytest.mark.parametrize("cameras", [1, 4, 8])
@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_view_fits_the_terminal(width: int, cameras: int, height: int) -> None:
    names = [f"gripper_left_wide_angle_{number}" for number in range(cameras)]
    printed = Console(file=StringIO(), force_terminal=True, width=width, height=height, color_system=None)
    printed.print(view_of(names, printed).render())
    lines = [line.rstrip() for line in cast("StringIO", printed.file).getvalue().splitlines()]
    assert len(lines) < height
    assert all(len(line) <= width for line in lines)
    rows = [line.split() for line in lines if line.startswith("gripp")]
    # A camera has one line, and names can be told apart; what is left out is counted.
    assert len({row[0] for row in rows}) == len(rows)
    assert all(row[2:4] == ["7/30", "2"] for row in rows)
    hidden = [int(line.split()[1]) for line in lines if line.startswith("and ")]
    assert len(rows) + sum(hidden) == cameras
    assert bool(hidden) is (height == 10 and cameras == 8)
    assert "Esc: stop" in " ".join(" ".join(lines).split())


@pytest.mark.parametrize("widths", [(120, 40, 80), (80, 60, 40, 120), (40, 120, 41), (100, 99, 98)])
@pytest.mark.parametrize("cameras", [1, 8])
def test_resized_terminal_has_no_stale_lines(cameras: int, widths: tuple[int, ...]) -> None:
    console = Console(file=StringIO(), force_terminal=True, width=widths[0], height=30, color_system=None)
    shown = TerminalScreen(widths[0])
    view = view_of([f"gripper_left_wide_angle_{number}" for number in range(cameras)], console)

    def drain() -> None:
        file = cast("StringIO", console.file)
        shown.feed(file.getvalue().replace("\n", "\r\n"))  # as a terminal does
        file.seek(0)
        file.truncate()

    with view:
        console.print("before")
        drain()
        for number, width in enumerate(widths):
            shown.resize(width)
            console.width = width
            view.show(
                f"episode {number} of 5: 12 s left, 30 frames   (right arrow: next, left arrow: again, Esc: stop)"
            )
            drain()
            expected = Console(file=StringIO(), width=width, height=30)
            with expected.capture() as captured:
                expected.print(view.render())
            assert shown.lines == ["before", *(line.rstrip() for line in captured.get().rstrip().split("\n"))]
    drain()
    assert shown.lines == ["before"]
