"""Commands with closed, full or unread standard streams do their work and report it by exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, probe_packets

pytestmark = [pytest.mark.net, pytest.mark.integration, pytest.mark.one_build]

REENCODE = ("reencode", "clip.mp4", "out.mp4", "--camera_encoder.vcodec=h264", "--json")
INFO = ("info", "clip.mp4")
HELP = ("--help",)
VERSION = ("--version",)
UNKNOWN = ("info", "missing.mp4")


@pytest.fixture
def folder(tmp_path: Path, binaries: Binaries) -> Path:
    frames = np.zeros((4, 64, 96, 3), np.uint8)
    encode_frames(frames, tmp_path / "clip.mp4", fps=30, config=VideoEncoderConfig(vcodec="h264"), binaries=binaries)
    return tmp_path


def run_in_shell(redirection: str, words: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with a shell redirection, and with buffered output."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    script = f'exec "$0" -m ffenc "$@" {redirection}'
    return subprocess.run(
        ["/bin/sh", "-c", script, sys.executable, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "status"),
    [(REENCODE, 0), (INFO, 0), (HELP, 0), (VERSION, 0), (UNKNOWN, 1)],
    ids=["reencode", "info", "help", "version", "missing-file"],
)
def test_closed_stream_does_not_change_exit_status(
    redirection: str, words: tuple[str, ...], status: int, folder: Path, binaries: Binaries
) -> None:
    done = run_in_shell(redirection, words, folder)
    assert done.returncode == status, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if words is REENCODE:
        assert probe_packets(folder / "out.mp4", binaries=binaries).count == 4
        assert sorted(path.name for path in folder.iterdir()) == ["clip.mp4", "out.mp4"]


@pytest.mark.parametrize("words", [REENCODE, INFO, HELP, VERSION], ids=["reencode", "info", "help", "version"])
def test_full_disk_behind_standard_output_is_reported_once(words: tuple[str, ...], folder: Path) -> None:
    done = run_in_shell(">/dev/full", words, folder)
    assert done.returncode == 141
    assert done.stderr.count("could not be written to standard output: ") == 1
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    assert (folder / "out.mp4").exists() == (words is REENCODE)
