"""Network cameras that are killed or frozen during a recording on a terminal, and come back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from ffenc import Binaries, VideoReader
from ffenc.cli.main import main
from tests import frame_numbers
from tests.camera_process import PERIOD, CameraProcess
from tests.record_terminal import Terminal

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]
pytest.importorskip("pyarrow")

ESCAPE = b"\x1b"


def terminal_of(folder: Path, cameras: Mapping[str, CameraProcess], binaries: Binaries, *flags: str) -> Terminal:
    """Record from cameras on a terminal, and return it when the first episode has begun."""
    settings = ", ".join(f"{name}: {{type: ffmpeg, source: '{camera.url}'}}" for name, camera in cameras.items())
    used = (f"--ffmpeg={binaries.ffmpeg}", "--ffprobe=none", "--dataset.reset_time_s=0")
    terminal = Terminal(folder, *used, *flags, cameras=f"{{{settings}}}")
    terminal.read_until("s left,")
    return terminal


def shown_numbers(root: Path, binaries: Binaries) -> dict[str, list[list[int]]]:
    """Return the numbers that the frames of each camera and episode show; each row has one."""
    lines = (root / "meta/ffenc/episodes.jsonl").read_text().splitlines()
    lengths = [json.loads(line)["frames"] for line in lines]
    shown = {}
    for folder in sorted((root / "videos").iterdir()):
        (video,) = folder.rglob("*.mp4")
        numbers = iter([frame_numbers.read(frame) for frame in VideoReader(video, binaries=binaries)])
        shown[folder.name.rpartition(".")[2]] = [list(itertools.islice(numbers, length)) for length in lengths]
        assert next(numbers, None) is None
    return shown


def repeats_in(numbers: list[int]) -> int:
    """Return the number of repeated frames, after checking that no frame is older than the one before it."""
    steps = [(after - before) % PERIOD for before, after in itertools.pairwise(numbers)]
    assert max(steps) < PERIOD * 0.75, steps
    return steps.count(0)


def test_ended_camera_is_discarded_with_its_episode(tmp_path: Path, binaries: Binaries) -> None:
    with CameraProcess("rtsp", binaries) as camera:
        flags = ("--dataset.num_episodes=1", "--dataset.episode_time_s=1.5", "--on_stale=discard")
        terminal = terminal_of(tmp_path, {"wrist": camera}, binaries, *flags)
        try:
            terminal.read_for(0.5)
            camera.kill()
            terminal.read_until("episode 1 is discarded")
            terminal.read_until("opening camera wrist again, for at most")
            camera.start()
            terminal.read_until("camera wrist delivers frames again")
            assert terminal.end() == 0, terminal.text
        finally:
            terminal.close()
    ((numbers,),) = shown_numbers(tmp_path / "dataset", binaries).values()
    assert len(numbers) == 45
    assert repeats_in(numbers) < 22
    assert any("1 of 1 episode saved" in line for line in terminal.screen.lines)


def test_cameras_that_are_lost_together_are_opened_together(
    tmp_path: Path, binaries: Binaries, capsys: pytest.CaptureFixture[str]
) -> None:
    with ExitStack() as running:
        cameras = {kind: running.enter_context(CameraProcess(kind, binaries)) for kind in ("ts", "udp")}
        flags = ("--dataset.num_episodes=2", "--dataset.episode_time_s=2", "--on_stale=stop")
        terminal = terminal_of(tmp_path, cameras, binaries, *flags)
        try:
            terminal.read_for(0.7)
            for camera in cameras.values():
                camera.kill()
            terminal.read_until("episode 1 ends at the last step at which every camera was new")
            terminal.read_until("opening camera ts, udp again, for at most")
            for camera in cameras.values():
                camera.start()
            terminal.read_until("episode 2 of 2: 1 s left")
            assert terminal.end() == 0, terminal.text
        finally:
            terminal.close()
    assert "has no frames" not in terminal.text
    assert "camera ts ended" in terminal.text
    for first, second in shown_numbers(tmp_path / "dataset", binaries).values():
        assert 20 <= len(first) < 60
        assert len(second) == 60
        assert repeats_in(first) < len(first) / 2
        assert repeats_in(second) < 30
    capsys.readouterr()
    assert main(["verify", str(tmp_path / "dataset"), "--level=decode", f"--ffmpeg={binaries.ffmpeg}"]) in (0, 1)
    assert "camera-repeated" not in capsys.readouterr().out


def test_frozen_camera_is_repeated_and_awaited_before_the_next_episode(tmp_path: Path, binaries: Binaries) -> None:
    with ExitStack() as running:
        cameras = {name: running.enter_context(CameraProcess("mjpeg", binaries)) for name in ("wrist", "top")}
        flags = ("--dataset.num_episodes=2", "--dataset.episode_time_s=5.8", "--on_stale=continue")
        terminal = terminal_of(tmp_path, cameras, binaries, *flags)
        try:
            cameras["wrist"].freeze()
            terminal.read_until("camera wrist sent nothing for 5 s")
            terminal.read_until("opening camera wrist again, for at most")
            cameras["wrist"].thaw()
            terminal.read_until("camera wrist delivers frames again")
            terminal.read_until("episode 2 of 2: 5 s left")
            terminal.press(ESCAPE)
            assert terminal.end() == 0, terminal.text
        finally:
            terminal.close()
    assert "has no frames" not in terminal.text
    shown = shown_numbers(tmp_path / "dataset", binaries)
    assert [len(numbers[0]) for numbers in shown.values()] == [174, 174]
    assert repeats_in(shown["wrist"][0]) > 130
    assert repeats_in(shown["top"][0]) < 70
    assert repeats_in(shown["wrist"][1]) < len(shown["wrist"][1]) / 2
