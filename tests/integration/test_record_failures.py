"""A failed recording names the camera, quotes ffmpeg around the failure only, and says what was kept and what to run next."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.cli.main import main
from tests.network_camera import Send, jpegs, paced, part, serving
from tests.record_terminal import FLAGS, Terminal
from tests.rtsp_camera import PASSWORD, access_units, serving_rtsp

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]
pytest.importorskip("pyarrow")

NOISE = ("Stream mapping", "Input #0", "Output #0", "command:", "configuration:", "Press [q]")


def failed(capsys: pytest.CaptureFixture[str], settings: str, *flags: str) -> str:
    """Record from a camera that fails, and return what is printed."""
    assert main(["record", *FLAGS, f"--cameras={{wrist: {settings}}}", "--dataset.num_episodes=1", *flags]) == 1
    printed = capsys.readouterr()
    assert printed.out == "", "a result before the error"
    assert not [text for text in NOISE if text in printed.err], printed.err
    return printed.err


@pytest.mark.parametrize(
    ("settings", "says", "quotes"),
    [
        ("{type: ffmpeg, source: 'rtsp://127.0.0.1:9/a'}", "check the address and the port", "Connection refused"),
        (
            "{type: ffmpeg, source: 'rtsp://no-such-host.invalid/a'}",
            "check the name of the host",
            "no-such-host.invalid",
        ),
        ("{type: ffmpeg, source: 'foo://a/b'}", "this FFmpeg lacks the protocol", "foo://a/b"),
        ("{type: ffmpeg, source: 'http://127.0.0.1:9/', format: cinema}", "set format to one that", "cinema"),
        (
            "{type: ffmpeg, source: testsrc2, format: lavfi, options: {frob: 3}}",
            "remove the setting from the options",
            "frob",
        ),
        (
            "{type: ffmpeg, source: 'testsrc2=size=96x64,null', format: lavfi, width: 64, height: 48}",
            "ask for width: 96, height: 64, or add convert: true",
            "",
        ),
        ("{type: ffmpeg, source: /dev/video99}", "ffenc cameras lists the connected cameras", ""),
    ],
)
def test_camera_that_cannot_be_opened(
    settings: str,
    says: str,
    quotes: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = failed(capsys, settings)
    assert "camera wrist " in printed
    assert says in printed
    assert quotes in printed.partition("ffmpeg printed:")[2]
    assert list(tmp_path.iterdir()) == []


def test_wrong_password(
    binaries: Binaries, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with serving_rtsp(access_units(binaries, 30), protected=True) as server:
        url = server.url.replace(PASSWORD, "wrong-one")
        printed = failed(capsys, f"{{type: ffmpeg, source: '{url}'}}")
    assert "check the user and the password in the URL" in printed
    assert "wrong-one" not in printed


def test_lost_camera(
    binaries: Binaries, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    frames = [part(jpeg) for jpeg in jpegs(binaries, 75)]

    def respond(send: Send, stopped: threading.Event) -> None:
        paced(send, stopped, parts=frames, fps=30)
        raise OSError

    with serving(respond) as url:
        printed = failed(
            capsys, f"{{type: ffmpeg, source: '{url}'}}", "--dataset.episode_time_s=20", "--dataset.fps=30"
        )
    saved = r"camera wrist (ended|failed) after 75 frames.*; 1 episode of \d+ frames is saved in dataset, the last one up to"
    assert re.search(saved, printed), printed
    assert printed.rstrip().endswith(
        "next: ffenc record --resume=true --dataset.repo_id=me/test --dataset.root=dataset ..."
    )


def test_killed_encoder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(tmp_path, "--dataset.num_episodes=2", "--dataset.episode_time_s=20", "--keys=false")
    try:
        terminal.read_until("recording 2 episodes")
        recording = _growing_recording(tmp_path)
        os.kill(_writer_of(recording), signal.SIGKILL)
        assert terminal.end() == 1, terminal.text
    finally:
        terminal.close()
    text = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", terminal.text)
    assert "episodes saved" not in text, "the summary of a success"
    error = text[text.index("ffenc record failed") :]
    assert re.search(r"the encoder of camera a failed after \d+ frames: ffmpeg was killed by SIGKILL", error), error
    assert re.search(r"kept: the frames of this episode that were encoded, in\s+dataset/meta/ffenc/kept/", error), error
    assert "next: ffenc salvage dataset\n" in error
    assert not [each for each in NOISE if each in error], error
    assert main(["salvage", str(tmp_path / "dataset")]) == 0
    assert "are now episode 0" in capsys.readouterr().out


def _growing_recording(folder: Path) -> Path:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for path in folder.rglob(".*.recording.mp4"):
            if path.stat().st_size > 3000:
                return path
        time.sleep(0.05)
    raise AssertionError("nothing is recorded")


def _writer_of(recording: Path) -> int:
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and recording.name.encode() in (process / "cmdline").read_bytes():
                return int(process.name)
        except OSError:
            continue
    raise AssertionError("no process writes it")
