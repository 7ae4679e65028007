"""SIGTERM, SIGHUP and Ctrl-C in the middle of a command: the exit status says so, and nothing half-written stays."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ffenc import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool

pytest.importorskip("pyarrow")
from tests.dataset_operations import check_whole, copy_tree, make_dataset

pytestmark = [pytest.mark.integration, pytest.mark.one_build, pytest.mark.net]

H264 = "--camera_encoder.vcodec=h264"
COMMANDS = {
    "merge": ["merge", "set", "set", "--output=out"],
    "split": ["split", "set", "--splits={a: 0.5, b: 0.5}", "--output=out"],
    "delete-episodes": ["delete-episodes", "set", "--episodes=0", "--output=out"],
    "trim": ["trim", "set", "--episodes={1: [1, 3]}"],
    "reencode-dataset": ["reencode-dataset", "set", "--output=out", H264],
    "images-to-video": ["images-to-video", "set", "--output=out", H264],
    "convert": ["convert", "out", "clip.mp4", "--task=move", H264],
    "images": ["images", "frames", "out.mp4", "--fps=30", H264],
    "concat": ["concat", "clip.mp4", "clip.mp4", "--output=out.mp4"],
    "salvage": ["salvage", "cut.mp4", "--output=out.mp4"],
    "jobs run": ["jobs", "run", "jobs.jsonl"],
    "bench": ["bench", "out.jsonl", "--sources=clip.mp4", "--vary.vcodec=h264", "--vary.crf=20,30"],
    "verify": ["verify", "set", "--level=decode"],
    "repair": ["repair", "set"],
    "demo": ["demo", "--output_dir=out"],
}
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
MOMENTS_S = {"first change": 0.0, "later": 0.15}
UNFINISHED = re.compile(r"\.part\b|\.work$|\.ffenc-|^ffenc-|/lock$|\.lock$")


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    folder = tmp_path_factory.mktemp("material")
    make_dataset(folder / "set", binaries)
    (folder / "frames").mkdir()
    ffmpeg = [str(binaries.ffmpeg), "-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240:rate=30:duration=4"]
    h264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    run_tool([*ffmpeg, "-c:v", "mjpeg", str(folder / "frames" / "%04d.jpg")], check=True)
    run_tool([*ffmpeg, *h264, str(folder / "clip.mp4")], check=True)
    run_tool([*ffmpeg, *h264, "-g", "10", "-movflags", "frag_keyframe+empty_moov", str(folder / "cut.mp4")], check=True)
    os.truncate(folder / "cut.mp4", (folder / "cut.mp4").stat().st_size * 3 // 4)
    return folder


@pytest.mark.parametrize("moment", MOMENTS_S)
@pytest.mark.parametrize("name", COMMANDS)
def test_ended_command(name: str, moment: str, material: Path, tmp_path: Path, binaries: Binaries) -> None:
    number = SIGNALS[(list(COMMANDS).index(name) + list(MOMENTS_S).index(moment)) % len(SIGNALS)]
    folder = tmp_path / "folder"
    copy_tree(material, folder)
    (tmp_path / "tmp").mkdir()
    if name == "jobs run":
        plan = [sys.executable, "-m", "ffenc", "jobs", "plan", "set", "--work=out", H264]
        (folder / "jobs.jsonl").write_bytes(subprocess.run(plan, cwd=folder, check=True, stdout=subprocess.PIPE).stdout)
    before = _names(tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-m", "ffenc", *COMMANDS[name]],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + (1 if name in ("verify", "repair") else 20)
    while child.poll() is None and _names(tmp_path) == before and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(MOMENTS_S[moment])
    child.send_signal(number)
    said = child.communicate(timeout=60)[1]
    # A signal before the first or after the last step ends the process as if there were no handler; a shell shows 128 + n too.
    # verify may have finished, and the frames of one colour are findings.
    finished = 1 if name == "verify" else 0
    assert child.returncode in (128 + number, -number, finished), said
    left = _names(tmp_path) - before
    assert not [path for path in left if UNFINISHED.search(path)], said
    if child.returncode and name not in ("jobs run", "bench"):  # they keep what is done
        assert not left or any(path.endswith(("info.json", "out.mp4")) for path in left), said  # it had finished
    check_whole(folder / "set", binaries)


def _names(folder: Path) -> set[str]:
    return {str(Path(directory, name)) for directory, folders, files in os.walk(folder) for name in (*folders, *files)}
