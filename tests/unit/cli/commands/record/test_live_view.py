"""What somebody who watches a recording sees."""

from __future__ import annotations

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
