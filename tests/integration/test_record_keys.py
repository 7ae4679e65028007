"""Keys control a recording on a terminal, and a camera that falls silent ends its episode where it was last new."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from pathlib import Path

import pytest

from ffenc import Binaries, VideoReader
from ffenc.cli.main import main
from tests import frame_numbers
from tests.network_camera import Send, jpegs, paced, part, serving
from tests.record_terminal import CAMERA, FLAGS, Terminal

pytestmark = [pytest.mark.integration, pytest.mark.one_build]
pq = pytest.importorskip("pyarrow.parquet")

RIGHT, LEFT, ESCAPE, UP = b"\x1b[C", b"\x1b[D", b"\x1b", b"\x1b[A"


def lengths(root: Path) -> list[int]:
    (episodes,) = [pq.read_table(path) for path in (root / "meta" / "episodes").rglob("*.parquet")]
    return [int(length) for length in episodes["length"].to_pylist()]


def test_arrows_save_and_repeat_and_escape_stops(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--dataset.num_episodes=4", "--dataset.episode_time_s=40", "--dataset.reset_time_s=0")
    try:
        terminal.read_until("right arrow: next, left arrow: again, Esc: stop")
        terminal.press(UP + b"x")  # other keys do nothing
        terminal.press(RIGHT)
        terminal.read_until("episode 2 of 4:")
        terminal.press(LEFT)
        terminal.read_until("episode 2 was discarded")
        terminal.read_until("episode 2 of 4:")
        terminal.press(RIGHT)
        terminal.read_until("episode 3 of 4:")
        terminal.press(ESCAPE)
        assert terminal.end() == 0, terminal.text
    finally:
        terminal.close()
    assert "3 of 4 episodes saved" in terminal.text
    assert len(lengths(tmp_path / "dataset")) == 3
    assert all(0 < length < 1200 for length in lengths(tmp_path / "dataset"))


def test_left_arrow_during_the_reset_repeats_the_last_episode(tmp_path: Path) -> None:
    terminal = Terminal(
        tmp_path, "--dataset.num_episodes=2", "--dataset.episode_time_s=0.5", "--dataset.reset_time_s=60"
    )
    try:
        terminal.read_until("episode 2 of 2 starts in")
        terminal.press(LEFT + RIGHT)  # the second key belongs to the reset, and must not end the episode that follows
        terminal.read_until("episode 1 was discarded")
        assert "starts in" not in terminal.read_until("episode 1 of 2:")  # the note must not bring back the old state
        terminal.read_until("episode 2 of 2 starts in")
        terminal.press(RIGHT)
        assert terminal.end() == 0, terminal.text
    finally:
        terminal.close()
    assert "2 of 2 episodes saved" in terminal.text
    assert lengths(tmp_path / "dataset") == [15, 15]


def test_keys_can_be_disabled(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, "--dataset.num_episodes=1", "--dataset.episode_time_s=1.5", "--keys=false")
    try:
        terminal.read_until("(Ctrl-C: stop)")
        terminal.press(ESCAPE)
        assert terminal.end() == 0, terminal.text
    finally:
        terminal.close()
    assert lengths(tmp_path / "dataset") == [45]


@pytest.mark.parametrize("on_stale", ["stop", "discard"])
def test_silent_camera_ends_its_episode_and_is_opened_again(
    on_stale: str,
    tmp_path: Path,
    binaries: Binaries,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = [part(jpeg) for jpeg in jpegs(binaries, 240)]
    connections = iter(range(100))

    def respond(send: Send, stopped: threading.Event) -> None:
        # The first connection falls silent after two seconds; the next ones do not.
        count = 60 if next(connections) == 0 else len(frames)
        paced(send, stopped, parts=frames[:count], fps=30)

    with serving(respond) as url:
        flags = (
            *("--dataset.num_episodes=2", "--dataset.episode_time_s=3", "--dataset.reset_time_s=0"),
            *(f"--on_stale={on_stale}", "--stale_after_s=0.4", f"--ffmpeg={binaries.ffmpeg}", "--ffprobe=none"),
        )
        cameras = f"--cameras={{a: {{type: ffmpeg, source: '{url}'}}}}"
        assert main(["record", *FLAGS, cameras, *flags]) == 0
    said = capsys.readouterr()
    assert "camera a sent nothing new for 0.4 s" in said.err
    assert "opening camera a again" in said.err
    assert "2 of 2 episodes saved" in said.out
    root = tmp_path / "dataset"
    found = lengths(root)
    assert len(found) == 2
    (video,) = (root / "videos").rglob("*.mp4")
    numbers = [frame_numbers.read(frame) for frame in VideoReader(video, binaries=binaries)]
    assert len(numbers) == sum(found)
    if on_stale == "stop":
        assert found[0] < 60  # nothing was recorded after the camera's last frame
        assert numbers[: found[0]].count(numbers[found[0] - 1]) <= 2
        assert 57 <= numbers[found[0] - 1] <= 59
    assert found[-1] == 90


def test_slow_camera_is_reported_with_its_rate(
    tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    slow = "b: {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 64, fps: 10}"
    flags = ("--dataset.num_episodes=1", "--dataset.episode_time_s=2", f"--ffmpeg={binaries.ffmpeg}", "--ffprobe=none")
    assert main(["record", *FLAGS, f"--cameras={CAMERA[:-1]}, {slow}}}", *flags]) == 0
    said = capsys.readouterr()
    expected = (
        "warning: camera b sends 10.0 frames per second, and the dataset has 30; 67% of its frames will be repeated"
    )
    assert expected in " ".join(said.err.split())
    reported = {
        name: (float(rate), int(repeated), int(steps))
        for name, rate, repeated, steps in re.findall(
            r"camera (\w) gave ([0-9.]+) new frames per second;\s+(\d+) of (\d+)", said.err
        )
    }
    assert reported["b"] == (pytest.approx(10, rel=0.3), pytest.approx(40, abs=8), 60)
    (line,) = Path("dataset/meta/ffenc/episodes.jsonl").read_text().splitlines()
    repeated = Counter(name[-1] for each in json.loads(line)["repeats"] for name in each["cameras"])
    # On a busy machine camera a has repeats as well; it is reported above a tenth of the steps.
    assert {name: count for name, (_, count, _) in reported.items()} == {n: c for n, c in repeated.items() if c > 6}
    (spread,) = re.findall(r"(\d+) ms", said.out)
    assert int(spread) <= 200
