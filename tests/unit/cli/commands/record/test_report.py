"""What the result of a recording says about cameras, at any width."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import pytest

from ffenc.cli.commands.record.report import longest_pause, show_session
from ffenc.cli.commands.record.session import Recorded, SessionPlan, SessionResult
from ffenc.cli.output.screen import Screen
from ffenc.dataset.recording.live_recording import LiveEpisode
from ffenc.errors import CameraEndedError

CAMERA = "observation.images.wrist"


def episode(repeats: list[int], *, steps: int = 300) -> LiveEpisode:
    live = LiveEpisode(steps_wanted=steps, fps=Fraction(30), steps=steps, repeated={CAMERA: len(repeats)})
    live.repeats = [(step, [CAMERA]) for step in repeats]
    return live


@pytest.mark.parametrize(
    ("steps", "pause_s"),
    [([], 0.0), ([5], 1 / 30), ([0, 1, 2, 9, 10], 0.1), ([1, 3, 4, 5, 6, 299], 4 / 30), (list(range(30, 90)), 2.0)],
)
def test_longest_pause_of_a_camera(steps: list[int], pause_s: float) -> None:
    assert longest_pause(episode(steps), CAMERA) == pytest.approx(pause_s)
    assert longest_pause(episode(steps), "another") == 0


@pytest.mark.parametrize("width", [40, 80, 120])
def test_result_is_readable_at_any_width(
    width: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    live = episode(list(range(120, 300)))
    live.failure = CameraEndedError("camera wrist ended", source="wrist")
    summary = SimpleNamespace(episode_index=0, frames=300, dropped=7, size_bytes=9000)
    recorded = Recorded(live=live, summary=summary)  # type: ignore[arg-type]
    result = SessionResult(episodes=(recorded,), discarded=False, failure=None)
    plan = SessionPlan(episodes=2, episode_s=10, reset_s=0, fps=Fraction(30), task="Look")
    show_session(Screen.of(as_json=False), tmp_path, "me/test", plan, result)
    out, err = capsys.readouterr()
    assert max(map(len, out.splitlines())) <= width
    for heading in ("episode", "frames", "dropped", "repeated"):
        assert f" {heading}" in out
    assert "1 of 2 episodes saved" in out
    assert "episode 0 ended when camera wrist failed" in " ".join(out.split())
    assert "180 of 300 recorded frames repeat the one before, without a new frame for up to 6.0 s" in err
