"""``ffenc record`` with test patterns and clips writes complete datasets, also when interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.cli.main import main
from ffenc.ffmpeg.capabilities import Capabilities
from ffenc.ffmpeg.ffprobe import probe_packets
from tests.footage import numbered_frames, numbers_of

pytestmark = pytest.mark.integration
pq = pytest.importorskip("pyarrow.parquet")

LAPTOP, WRIST = "observation.images.laptop", "observation.images.wrist"
FAST = ["--dataset.camera_encoder.vcodec=h264", "--dataset.camera_encoder.preset=ultrafast"]
TEST_PICTURE = "{type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 64, fps: 30}"


@pytest.fixture
def clip(tmp_path: Path, binaries: Binaries) -> Path:
    """Return 50 numbered frames, 128x96, at 25 per second, as the only file of a folder."""
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
    return encode_frames(numbered_frames(50), tmp_path / "clip.mp4", fps=25, config=config, binaries=binaries).path


@pytest.fixture
def deep_x265(capabilities_here: Capabilities) -> None:
    listing = capabilities_here.helps.get("libx265")
    if listing is None or "gray12le" not in (listing.pixel_formats or ()):
        pytest.skip("this FFmpeg has no x265 with 12 bits")


def words(clip: Path, *more: str) -> list[str]:
    cameras = f"{{laptop: {TEST_PICTURE}, wrist: {{type: ffmpeg, source: {clip}, loop: true}}}}"
    return [
        *(sys.executable, "-m", "ffenc", "record", "--dataset.repo_id=me/test", "--dataset.root=dataset"),
        *("--dataset.single_task=Look around", "--dataset.reset_time_s=0", f"--cameras={cameras}", *FAST, *more),
    ]


def record(clip: Path, *more: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    command = words(clip, *more)
    done = subprocess.run(command, cwd=clip.parent, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == status, done.stderr
    return done


def check_dataset(root: Path, lengths: list[int], binaries: Binaries, *, size: tuple[int, int] = (64, 64)) -> Any:
    """Check that tables and videos have equal numbers of frames, at k/fps, with the clip's frames in order."""
    info = json.loads((root / "meta" / "info.json").read_text())
    assert (info["total_episodes"], info["total_frames"]) == (len(lengths), sum(lengths))
    (episodes,) = [pq.read_table(path) for path in (root / "meta" / "episodes").rglob("*.parquet")]
    assert episodes["length"].to_pylist() == lengths
    (data,) = [pq.read_table(path) for path in (root / "data").rglob("*.parquet")]
    assert data["index"].to_pylist() == list(range(sum(lengths)))
    assert [time for length in lengths for time in range(length)] == data["frame_index"].to_pylist()
    for camera in (LAPTOP, WRIST):
        (video,) = (root / "videos" / camera).rglob("*.mp4")
        packets = probe_packets(video, binaries=binaries)
        assert (packets.count, packets.first_off_grid(30)) == (sum(lengths), None)
    assert info["features"][LAPTOP]["shape"] == [*size[::-1], 3]
    assert info["features"][WRIST]["shape"] == [96, 128, 3]
    return info


def shown_by(root: Path, binaries: Binaries) -> list[int]:
    (video,) = (root / "videos" / WRIST).rglob("*.mp4")
    return numbers_of(VideoReader(video, binaries=binaries))


@pytest.mark.smoke
def test_two_episodes_then_two_more_by_resume(clip: Path, binaries: Binaries) -> None:
    flags = ["--dataset.num_episodes=2", "--dataset.episode_time_s=1", "--display_data=true", "--json"]
    done = record(clip, *flags)
    report = json.loads(done.stdout)
    root = clip.parent / "dataset"
    frames = [episode["frames"] for episode in report["episodes"]]
    # Steps that an encoder was too slow for are dropped, in all files alike, and said.
    assert [frames + episode["dropped"] for frames, episode in zip(frames, report["episodes"], strict=True)] == [30, 30]
    check_dataset(root, frames, binaries)
    assert {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()} == report["files"].keys()

    shown = shown_by(root, binaries)
    for first, length in ((0, frames[0]), (frames[0], frames[1])):
        steps = [(after - before) % 50 for before, after in pairwise(shown[first : first + length])]
        assert all(step < 25 for step in steps), "the clip went backwards"
        assert 0 < sum(steps) <= 60  # a second of a clip of 25 frames a second, give or take what this machine takes
    assert report["episodes"][0]["repeated"][WRIST] >= 1  # 25 frames a second cannot fill 30 ticks

    again = record(clip, "--resume=true", "--dataset.num_episodes=1", "--dataset.episode_time_s=0.5", "--json")
    (third,) = json.loads(again.stdout)["episodes"]
    assert third["episode_index"] == 2
    info = json.loads((root / "meta" / "info.json").read_text())
    assert (info["total_episodes"], info["total_frames"]) == (3, sum(frames) + third["frames"])
    names = {"clip.mp4", "dataset"}
    assert {path.name for path in clip.parent.iterdir()} == names


def test_terminal_output(clip: Path) -> None:
    done = record(clip, "--dataset.num_episodes=1", "--dataset.episode_time_s=0.5")
    for text in (
        "1 episode saved",
        "dropped",
        "late",
        "repeated",
        "ffenc record --resume=true",
        'LeRobotDataset("me/test"',
    ):
        assert text in done.stdout
    assert "opening 2 cameras: laptop, wrist" in done.stderr


def wait_for_rows(clip: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until the first tick of an episode is on disk."""
    recording = clip.parent / "dataset" / "meta" / "ffenc" / "recording"
    deadline = time.monotonic() + 60
    while not any(path.stat().st_size for path in recording.glob("*/rows.jsonl")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupted(
    clip: Path, presses: list[float], *more: str, number: signal.Signals = signal.SIGINT
) -> tuple[int, str, str]:
    """Send Ctrl-C or another signal after these seconds of the first episode, each counted from the previous one."""
    command = words(clip, "--dataset.num_episodes=3", "--dataset.episode_time_s=30", *more)
    process = subprocess.Popen(
        command, cwd=clip.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        wait_for_rows(clip, process)
        for pause_s in presses:
            time.sleep(pause_s)
            os.killpg(process.pid, number)  # as a terminal does: to everybody in its group
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, out, err


def test_ctrl_c_saves_the_episode(clip: Path, binaries: Binaries) -> None:
    status, out, err = interrupted(clip, [0.7], "--json")
    assert status == 0, err
    report = json.loads(out)
    (episode,) = report["episodes"]
    assert episode["stopped"] is True
    assert 0 < episode["frames"] < 900
    check_dataset(clip.parent / "dataset", [episode["frames"]], binaries)


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_sighup_save_the_episode(
    clip: Path, binaries: Binaries, number: signal.Signals, expected: int
) -> None:
    status, out, err = interrupted(clip, [0.7], "--json", number=number)
    assert status == expected, err
    (episode,) = json.loads(out)["episodes"]
    assert 0 < episode["frames"] < 900
    check_dataset(clip.parent / "dataset", [episode["frames"]], binaries)
    left = [str(path) for name in ("recording", "kept") for path in clip.parent.glob(f"dataset/meta/ffenc/{name}/*")]
    assert left == []


def test_second_ctrl_c_discards_the_episode(clip: Path) -> None:
    status, out, err = interrupted(clip, [0.5, 0.3])
    assert status == 130
    assert "discards" in err
    assert "episode 1 was discarded" in err
    assert out.strip() == "0 of 3 episodes saved"  # without empty tables
    assert {path.name for path in clip.parent.iterdir()} == {"clip.mp4"}


def test_ended_camera_ends_recording_with_complete_steps(clip: Path, binaries: Binaries) -> None:
    once = f"--cameras={{laptop: {TEST_PICTURE}, wrist: {{type: ffmpeg, source: {clip}}}}}"
    done = record(clip, once, "--dataset.num_episodes=2", "--dataset.episode_time_s=20", "--json", status=1)
    assert "camera wrist ended after 50 frames; a file is played once" in done.stderr
    assert "1 episode of" in done.stderr
    (episode,) = json.loads(done.stdout)["episodes"]
    assert episode["complete"] is False
    check_dataset(clip.parent / "dataset", [episode["frames"]], binaries)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (
            ["--cameras={a: {type: ffmpeg, source: /dev/no-such-camera}}"],
            "camera a cannot be opened: /dev/no-such-camera does not exist",
        ),
        (
            [f"--cameras={{a: {TEST_PICTURE}, b: {{type: ffmpeg, source: none.mp4}}}}"],
            "camera b cannot be opened: none.mp4 does not exist",
        ),
        (["--dataset.camera_encoder.vcodec=libx246"], "did you mean 'libx26"),
        (["--dataset.camera_encoder.pix_fmt=yuv421p"], "yuv421p"),
        (["--dataset.root=clip.mp4"], "exists already; add episodes to it with --resume=true"),
        (["--resume=true"], "dataset"),
    ],
)
def test_failure_leaves_nothing(
    clip: Path, flags: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clip.parent)
    status = main([*words(clip)[3:], *flags])
    assert (status, says in (err := capsys.readouterr().err)) == (1, True), err
    assert {path.name for path in clip.parent.iterdir()} == {"clip.mp4"}


def test_encoder_that_cannot_start_leaves_no_dataset(
    clip: Path, deep_x265: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clip.parent)
    small = "{type: ffmpeg, source: 'color=gray:size=64x48,format=gray16le', format: lavfi, depth: true}"
    assert main([*words(clip)[3:], f"--cameras={{phone: {small}}}"]) == 1
    assert "does not take 64x48" in capsys.readouterr().err
    assert {path.name for path in clip.parent.iterdir()} == {"clip.mp4"}


def test_depth_is_recorded_in_millimetres(
    clip: Path, deep_x265: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(clip.parent)
    deep = "{type: ffmpeg, source: 'color=gray:size=64x64,format=gray16le,geq=lum=1234', format: lavfi, depth: true}"
    flags = ["--dataset.num_episodes=1", "--dataset.episode_time_s=0.2", "--json"]
    assert main([*words(clip)[3:], f"--cameras={{phone: {deep}}}", *flags]) == 0, capsys.readouterr().err
    info = json.loads((clip.parent / "dataset" / "meta" / "info.json").read_text())
    feature = info["features"]["observation.images.phone"]
    assert feature["shape"] == [64, 64, 1]
    assert feature["info"]["is_depth_map"] is True
    stats = json.loads((clip.parent / "dataset" / "meta" / "stats.json").read_text())["observation.images.phone"]
    assert stats["min"] == stats["max"] == [[[1234.0]]]


def test_killed_recording_is_salvaged(
    clip: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = words(clip, "--dataset.num_episodes=1", "--dataset.episode_time_s=60")
    process = subprocess.Popen(command, cwd=clip.parent, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for_rows(clip, process)
        time.sleep(1.5)
    finally:
        process.kill()
        process.wait()
    monkeypatch.chdir(clip.parent)
    assert main(["salvage", "dataset", "--dry_run", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["episodes"], len(listed["found"])) == (0, 1)
    assert main(["salvage", "dataset", "--output=a.mp4"]) == 2
    assert "omit --output" in capsys.readouterr().err
    assert main(["salvage", "dataset", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["found"]
    assert 0 < found["frames"] <= found["rows"] == listed["found"][0]["rows"]
    check_dataset(clip.parent / "dataset", [found["frames"]], binaries)
    assert main(["salvage", "dataset"]) == 0
    assert "no interrupted episode was found" in capsys.readouterr().out
