"""The real commands in their own processes: written files, output, exit status and leftovers."""

from __future__ import annotations

import json
import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ffenc
from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, probe_video
from ffenc.cli.commands.demo.synthetic_frames import number_in
from ffenc.encoders.lerobot_names import DEFAULT_ENCODER
from ffenc.encoders.table import ENCODERS
from ffenc.ffmpeg.ffprobe import probe_packets
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.footage import numbered_frames, numbers_of

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

COUNT = 40
H264 = VideoEncoderConfig(vcodec="h264")
AS_H264 = "--camera_encoder.vcodec=h264"


def ffenc_words(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "ffenc", *map(str, words)]


def run(*words: str | Path, cwd: Path, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ffenc_words(*words),
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=200,
        check=False,
    )


def run_json(*words: str | Path, cwd: Path) -> Any:
    """Run a command that has to succeed, and parse its JSON document."""
    done = run(*words, "--json", cwd=cwd)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def numbers_in(video: Path, binaries: Binaries) -> list[int]:
    return numbers_of(VideoReader(video, binaries=binaries))


@pytest.fixture
def clip(tmp_path: Path, binaries: Binaries) -> Path:
    """Return 40 numbered frames, 128x96, with B-frames and long GOPs, as the only file of a folder."""
    config = VideoEncoderConfig(vcodec="h264", g=12, extra_options={"bf": 2})
    path = tmp_path / "clip.mp4"
    return encode_frames(numbered_frames(COUNT), path, fps="30000/1001", config=config, binaries=binaries).path


@pytest.fixture
def clip_with_audio(clip: Path, binaries: Binaries) -> Path:
    path = clip.with_name("tone.mp4")
    tone = ["-f", "s16le", "-ar", "48000", "-ac", "1", "-i", "/dev/zero"]
    maps = ["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac", "-t", "1.3"]
    run_tool([binaries.ffmpeg, "-v", "error", "-i", clip, *tone, *maps, path])
    return path


@pytest.fixture
def slow_clip(tmp_path: Path, binaries: Binaries) -> Path:
    """Return a clip of noise, which takes seconds to encode."""
    noise = np.random.default_rng(1).integers(0, 255, (60, 360, 640, 3), np.uint8)
    config = VideoEncoderConfig(vcodec="mpeg4", crf=10)
    return encode_frames(noise, tmp_path / "slow.mp4", fps=30, config=config, binaries=binaries).path


SLOWLY = (AS_H264, "--camera_encoder.preset=placebo", "--camera_encoder.crf=1", "--camera_encoder.g=250")


@pytest.mark.smoke
def test_reencode_range_with_documented_settings(clip: Path, binaries: Binaries) -> None:
    settings = [AS_H264, "--camera_encoder.preset=fast", "--start=7", "--end=31"]
    options = """--camera_encoder.extra_options={"tune": "film", "profile:v": "high", "bf": 2}"""
    done = run("reencode", clip, "out.mp4", *settings, options, "--json", cwd=clip.parent)
    assert done.returncode == 0
    assert done.stderr.startswith("warning: libx264 reduces bf=2 to 1: ")
    assert done.stderr.count("\n") == 1
    report = json.loads(done.stdout)

    output = clip.parent / "out.mp4"
    assert numbers_in(output, binaries) == list(range(7, 31))
    assert (report["frames"], report["fps"], report["size_bytes"]) == (24, "30000/1001", output.stat().st_size)
    assert report["config"]["preset"] == "fast"
    assert report["config"]["extra_options"] == {"tune": "film", "profile:v": "high", "bf": 1}
    assert {"tune": "film", "profile": "high", "bf": "2"}.items() <= report["encoder_options"].items()
    assert names_in(clip.parent) == {"clip.mp4", "out.mp4"}


def test_settings_from_file_and_from_flags_after_it(clip: Path, binaries: Binaries) -> None:
    (clip.parent / "settings.yaml").write_text(
        "camera_encoder:\n  vcodec: h264\n  g: 5\n  crf: null\n  extra_options: {deblock: 1:1}\nend: 10\n"
    )
    flags = ["--config=settings.yaml", "--rgb_encoder.preset=veryfast", "--end=11"]
    report = run_json("reencode", clip, "out.mp4", *flags, cwd=clip.parent)
    assert report["config"]["crf"] is None
    assert report["encoder_options"].items() >= {"g": "5", "preset": "veryfast", "deblock": "1:1"}.items()
    assert "crf" not in report["encoder_options"]
    assert numbers_in(clip.parent / "out.mp4", binaries) == list(range(11))
    assert probe_packets(clip.parent / "out.mp4", binaries=binaries).keyframes == (0, 5, 10)


def test_explicit_default_without_effect_is_refused(clip: Path) -> None:
    """An encoder without crf ignores the default, but refuses an explicit value."""
    lossless = "--camera_encoder.vcodec=ffv1"
    assert run("reencode", clip, "a.mov", lossless, cwd=clip.parent).returncode == 0
    refused = run("reencode", clip, "b.mov", lossless, "--camera_encoder.crf=30", cwd=clip.parent)
    assert refused.returncode == 1
    assert "crf" in refused.stderr
    assert names_in(clip.parent) == {"clip.mp4", "a.mov"}


@pytest.mark.smoke
def test_encode_carries_every_frame_through_numpy(clip: Path, binaries: Binaries) -> None:
    done = run("encode", clip, "out.mp4", AS_H264, "--encoder_threads=1", cwd=clip.parent)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "wrote out.mp4" in done.stdout
    assert f"{COUNT} frames, 128x96 at 30000/1001 per second" in done.stdout
    assert numbers_in(clip.parent / "out.mp4", binaries) == list(range(COUNT))
    assert probe_video(clip.parent / "out.mp4", binaries=binaries).fps == Fraction(30000, 1001)


@pytest.mark.parametrize("command", ["encode", "reencode"])
def test_audio_is_dropped_only_on_request(command: str, clip_with_audio: Path, binaries: Binaries) -> None:
    folder = clip_with_audio.parent
    before = names_in(folder)
    refused = run(command, clip_with_audio, "out.mp4", AS_H264, cwd=folder)
    assert refused.returncode == 1
    assert "--audio=drop" in refused.stderr
    assert names_in(folder) == before

    report = run_json(command, clip_with_audio, "out.mp4", AS_H264, "--audio=drop", cwd=folder)
    assert report["stream"]["audio"] is None
    assert numbers_in(folder / "out.mp4", binaries) == list(range(report["frames"]))


def test_reencode_can_keep_audio(clip_with_audio: Path) -> None:
    report = run_json("reencode", clip_with_audio, "out.mp4", AS_H264, "--audio=keep", cwd=clip_with_audio.parent)
    assert report["stream"]["audio"]["codec"] == "aac"


def test_images(tmp_path: Path, binaries: Binaries) -> None:
    (tmp_path / "frames").mkdir()
    for number, frame in enumerate(numbered_frames(12, start=3)):
        Image.fromarray(frame).save(tmp_path / "frames" / f"f-{number:05d}.jpg")
    report = run_json("images", "frames", "out.mp4", "--fps=25", AS_H264, cwd=tmp_path)
    assert report["fps"] == "25"
    assert numbers_in(tmp_path / "out.mp4", binaries) == list(range(3, 15))

    (tmp_path / "frames" / "f-00004.jpg").unlink()
    refused = run("images", "frames", "gap.mp4", AS_H264, cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert names_in(tmp_path) == {"frames", "out.mp4"}


@pytest.mark.smoke
def test_concat(tmp_path: Path, binaries: Binaries) -> None:
    for name, start, count in (("a.mp4", 0, 7), ("b.mp4", 100, 5), ("c.mp4", 50, 9)):
        encode_frames(numbered_frames(count, start=start), tmp_path / name, fps=30, config=H264, binaries=binaries)
    report = run_json("concat", "a.mp4", "b.mp4", "c.mp4", "--output=all.mp4", cwd=tmp_path)
    assert (report["clips"], report["frames"], report["offsets"]) == (3, 21, [0, 7, 12])
    expected = [*range(7), *range(100, 105), *range(50, 59)]
    assert numbers_in(tmp_path / "all.mp4", binaries) == expected

    other = VideoEncoderConfig(vcodec="h264", pix_fmt="yuv444p")
    encode_frames(numbered_frames(3), tmp_path / "d.mp4", fps=30, config=other, binaries=binaries)
    refused = run("concat", "a.mp4", "d.mp4", "-o", "no.mp4", cwd=tmp_path)
    assert refused.returncode == 1
    assert "yuv444p in d.mp4" in refused.stderr
    assert names_in(tmp_path) == {"a.mp4", "b.mp4", "c.mp4", "d.mp4", "all.mp4"}


def test_info(clip: Path) -> None:
    document = run_json("info", clip, cwd=clip.parent)
    assert document["stream"]["fps"] == "30000/1001"
    assert document["packets"]["frames"] == COUNT
    assert document["packets"]["keyframes"] == [0, 12, 24, 36]
    assert document["packets"]["exact"] is True
    assert document["info"]["video.codec"] == "h264"
    assert document["info"]["video.fps"] == 30
    assert document["info"]["has_audio"] is False

    shown = run("info", clip, cwd=clip.parent)
    assert shown.returncode == 0
    for text in ("128x96 yuv420p", "30000/1001 per second", "video.codec", "4, at most 12 frames apart", "none found"):
        assert text in shown.stdout


def test_info_counts_packets_instead_of_trusting_header(clip: Path) -> None:
    data = clip.read_bytes()
    torn = clip.with_name("torn.mp4")
    torn.write_bytes(data[: len(data) * 3 // 4])
    document = run_json("info", torn, cwd=clip.parent)
    assert document["stream"]["frames_declared"] == COUNT
    assert 0 < document["packets"]["frames"] < COUNT
    shown = run("info", torn, cwd=clip.parent).stdout
    assert f"{COUNT - document['packets']['frames']} of those declared are missing" in shown


LAPTOP, WRIST = "observation.images.laptop", "observation.images.wrist"


def test_demo(tmp_path: Path, binaries: Binaries) -> None:
    document = run_json("demo", "--output_dir=some/where", "--frames=6", AS_H264, cwd=tmp_path)
    folder = tmp_path / "some" / "where"
    assert {"dataset"} <= names_in(folder) <= {"dataset", "preview"}
    for camera, size in ((LAPTOP, (640, 480)), (WRIST, (320, 240))):
        (video,) = (folder / "dataset" / "videos" / camera).rglob("*.mp4")
        numbers = [number_in(frame) for frame in VideoReader(video, binaries=binaries)]
        assert numbers == list(range(12))
        assert probe_video(video, binaries=binaries).width == size[0]
    for camera in (LAPTOP, WRIST):
        samples = [sample for sample in document["samples"] if sample["camera"] == camera]
        assert [sample["number"] for sample in samples] == [0, 3, 6, 8, 11]
        assert [sample["number_seen"] for sample in samples] == [0, 3, 6, 8, 11]
        assert [sample["episode"] for sample in samples] == [0, 0, 1, 1, 1]
        assert all(25 < sample["psnr_db"] < 60 for sample in samples)
    assert (document["info"]["total_episodes"], document["info"]["total_frames"]) == (2, 12)
    assert document["info"]["features"][LAPTOP]["info"]["video.codec"] == "h264"

    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    again = run("demo", "--output_dir=some/where", AS_H264, cwd=tmp_path)
    assert again.returncode == 1
    assert "--overwrite" in again.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    anew = run_json("demo", "--output_dir=some/where", "--frames=3", AS_H264, "--overwrite", cwd=tmp_path)
    assert anew["info"]["total_frames"] == 6


def test_demo_with_clip(clip: Path, binaries: Binaries) -> None:
    done = run("demo", f"--input={clip}", "--output_dir=demo", AS_H264, cwd=clip.parent)
    assert done.returncode == 0, done.stderr
    assert "PSNR" in done.stdout
    (video,) = (clip.parent / "demo" / "dataset" / "videos" / LAPTOP).rglob("*.mp4")
    assert numbers_in(video, binaries) == list(range(COUNT))


def test_demo_uses_auto_if_default_encoder_is_missing(tmp_path: Path, encoders_here: tuple[str, ...]) -> None:
    if DEFAULT_ENCODER in encoders_here:
        pytest.skip(f"this FFmpeg has {DEFAULT_ENCODER}")
    done = run("demo", "--frames=4", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"this FFmpeg has no {DEFAULT_ENCODER}" in done.stderr
    assert (tmp_path / "demo" / "dataset" / "meta" / "info.json").exists()


def test_failed_demo_leaves_no_folder(tmp_path: Path) -> None:
    done = run("demo", "--camera_encoder.vcodec=no_such_encoder", cwd=tmp_path)
    assert done.returncode == 1
    assert names_in(tmp_path) == set()


def test_demo_replaces_only_a_dataset(tmp_path: Path) -> None:
    (tmp_path / "demo" / "dataset").mkdir(parents=True)
    (tmp_path / "demo" / "dataset" / "diary.txt").write_text("mine")
    done = run("demo", "--overwrite", AS_H264, cwd=tmp_path)
    assert done.returncode == 1
    assert "is not a dataset" in done.stderr
    assert (tmp_path / "demo" / "dataset" / "diary.txt").read_text() == "mine"


def test_probe_distinguishes_working_from_listed(
    tmp_path: Path, binaries: Binaries, encoders_here: tuple[str, ...]
) -> None:
    document = run_json("probe", "--size=128x96", cwd=tmp_path)
    found = {row["name"]: row for row in document["encoders"]}
    assert document["tools"]["ffmpeg"]["path"] == str(binaries.ffmpeg)
    assert (document["tools"]["ffprobe"]["path"] is None) == (binaries.ffprobe is None)
    software = {name for name, row in ENCODERS.items() if row.device is None}
    assert software <= found.keys()
    assert {name for name in software if found[name]["listed"]} == set(encoders_here)
    for row in found.values():
        assert row["listed"] or not row["works"]
        assert row["reason"]
        assert row["never_run"] == (row["device"] is not None)
    assert found[document["auto"]]["works"]
    assert names_in(tmp_path) == set()


def test_probe_predicts_whether_encode_works(clip: Path, encoders_here: tuple[str, ...]) -> None:
    fast = [name for name in encoders_here if not name.startswith(("librav1e", "libaom"))]
    document = run_json("probe", f"--encoders={','.join(fast)}", "--size=128x96", "--fps=30000/1001", cwd=clip.parent)
    assert any(row["works"] for row in document["encoders"])
    for row in document["encoders"]:
        output = f"{row['name']}.{ENCODERS[row['name']].muxers[0]}"
        done = run("encode", clip, output, f"--camera_encoder.vcodec={row['name']}", cwd=clip.parent)
        assert done.returncode == (0 if row["works"] else 1), f"{row}\n{done.stderr}"


def test_probe_prints_table_and_old_name_works(tmp_path: Path) -> None:
    words = ("--encoders=mpeg4,h264_nvenc", "--size=256x128", "--fps=30000/1001", "--cameras=2")
    done = run("doctor", *words, cwd=tmp_path, environment={"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert "trials at 256x128 yuv420p, 30000/1001 per second, 2 at the same time" in done.stdout
    assert "developers of ffenc have never run hardware encoders" in " ".join(done.stdout.split())
    assert max(map(len, done.stdout.splitlines()[3:])) <= 80
    (mpeg4,) = (line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["mpeg4"])
    assert mpeg4[:4] == ["mpeg4", "software", "yes", "yes"]


def test_probe_reports_missing_ffprobe(tmp_path: Path) -> None:
    done = run("probe", "--encoders=mpeg4", "--ffprobe=none", "--size=64x64", cwd=tmp_path)
    assert done.returncode == 0
    assert "none (ffmpeg is used instead)" in done.stdout


def test_dry_run_of_reencode_prints_exact_command(clip: Path, binaries: Binaries) -> None:
    words = ("reencode", clip, "out.mp4", AS_H264, "--start=5", "--end=25")
    dry = run(*words, "--dry-run", cwd=clip.parent)
    assert dry.returncode == 0
    assert "nothing was written" in dry.stderr
    assert names_in(clip.parent) == {"clip.mp4"}

    run_tool(shlex.split(dry.stdout))
    by_hand = clip.parent / "out.mp4"
    assert numbers_in(by_hand, binaries) == list(range(5, 25))
    decoded = np.stack(list(VideoReader(by_hand, binaries=binaries)))
    by_hand.unlink()
    assert run(*words, cwd=clip.parent).returncode == 0
    assert np.array_equal(decoded, np.stack(list(VideoReader(by_hand, binaries=binaries))))


def test_dry_run_of_encode_prints_exact_command(clip: Path, binaries: Binaries) -> None:
    plan = run_json("encode", clip, "out.mp4", AS_H264, "--dry_run", cwd=clip.parent)
    assert names_in(clip.parent) == {"clip.mp4"}
    raw = b"".join(frame.tobytes() for frame in VideoReader(clip, binaries=binaries))
    subprocess.run(plan["argv"], input=raw, stdout=subprocess.DEVNULL, check=True)
    assert numbers_in(clip.parent / "out.mp4", binaries) == list(range(COUNT))


def test_dry_run_of_concat_prints_command_and_list(tmp_path: Path, binaries: Binaries) -> None:
    for name, start in (("it's a.mp4", 0), ("b.mp4", 100)):
        encode_frames(numbered_frames(5, start=start), tmp_path / name, fps=30, config=H264, binaries=binaries)
    plan = run_json("concat", "it's a.mp4", "b.mp4", "-o", "all.mp4", "--dry-run", cwd=tmp_path)
    assert names_in(tmp_path) == {"it's a.mp4", "b.mp4"}
    (tmp_path / "list.ffconcat").write_text(plan["list"])
    run_tool(plan["argv"])
    assert numbers_in(tmp_path / "all.mp4", binaries) == [*range(5), *range(100, 105)]


def test_dry_runs_of_images_and_demo_write_nothing(tmp_path: Path) -> None:
    for number, frame in enumerate(numbered_frames(3)):
        Image.fromarray(frame).save(tmp_path / f"{number}.jpg")
    before = names_in(tmp_path)
    for words in (("images", ".", "out.mp4"), ("demo", "--output_dir=made")):
        plan = run_json(*words, AS_H264, "--dry-run", cwd=tmp_path)
        assert plan["dry_run"] is True
        assert plan["argv"][-1].endswith(plan["output"])
        assert names_in(tmp_path) == before


FAILURES: dict[str, tuple[list[str], int, str]] = {
    "missing input": (["reencode", "no.mp4", "out.mp4"], 1, "no.mp4"),
    "not a video": (["info", "text.mp4"], 1, "text.mp4"),
    "output exists": (["reencode", "clip.mp4", "text.mp4", AS_H264], 1, "--overwrite"),
    "suffix": (["encode", "clip.mp4", "out.mkv"], 1, ".mp4"),
    "no such folder": (["encode", "clip.mp4", "no/out.mp4"], 1, "does not exist"),
    "unknown encoder": (["encode", "clip.mp4", "out.mp4", "--camera_encoder.vcodec=libx246"], 1, "mean 'libx26"),
    "option this FFmpeg lacks": (
        ["reencode", "clip.mp4", "out.mp4", AS_H264, "--camera_encoder.extra_options.tune=flim"],
        1,
        "did you mean 'film'",
    ),
    "pixel format": (
        ["reencode", "clip.mp4", "out.mp4", AS_H264, "--camera_encoder.pix_fmt=rgb48le"],
        1,
        "rgb48le",
    ),
    "range": (["reencode", "clip.mp4", "out.mp4", "--start=30", "--end=99"], 1, "[0, 40)"),
    "no ffmpeg": (["info", "clip.mp4", "--ffmpeg=no-such-ffmpeg"], 1, "no-such-ffmpeg"),
    "input is output of frames": (["encode", "clip.mp4", "clip.mp4", "--overwrite"], 2, "is the input itself"),
    "invalid config": (["encode", "clip.mp4", "out.mp4", "--camera_encoder.g=0"], 2, "greater than or equal to 1"),
    "misspelt flag": (["encode", "clip.mp4", "out.mp4", "--camera_encoder.crg=1"], 2, "did you mean --camera_encoder.crf"),
    "unquoted dictionary": (
        ["encode", "clip.mp4", "out.mp4", "--camera_encoder.extra_options={tune:", "film,", "bf:", "2}"],
        2,
        """--camera_encoder.extra_options='{"tune": "film", "bf": 2}'""",
    ),
    "one clip name short": (["concat", "--output=out.mp4"], 2, "CLIPS"),
    "unknown encoder to probe": (["probe", "--encoders=h264_nvnec"], 2, "did you mean h264_nvenc"),
    "pixel format to probe": (["probe", "--encoders=mpeg4", "--pix_fmt=YUV"], 2, "--pix_fmt was given YUV"),
    "folder is a file": (["demo", "--output_dir=text.mp4", AS_H264], 1, "text.mp4: File exists"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "more"),
    [*((case, []) for case in FAILURES), ("missing input", ["--json"]), ("invalid config", ["--json"])],
    ids=lambda value: value if isinstance(value, str) else "".join(value),
)
def test_failure_prints_one_block_and_sets_status(case: str, more: list[str], clip: Path) -> None:
    words, status, says = FAILURES[case]
    (clip.parent / "text.mp4").write_text("no video\n")
    before = {path.name: path.read_bytes() for path in clip.parent.iterdir()}
    done = run(*words, *more, cwd=clip.parent)
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert says in done.stderr
    assert done.stderr.startswith("ffenc ")
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in clip.parent.iterdir()} == before


def test_shadowed_dependency_is_reported_as_error(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").mkdir()
    (tmp_path / "ffmpeg" / "__init__.py").touch()
    done = run("info", "x.mp4", cwd=tmp_path)  # "python -m" searches the working directory first
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not ffmpeg-python's" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems refuse such names")
def test_any_file_name_is_accepted_and_printed(clip: Path, binaries: Binaries) -> None:
    name = os.fsdecode(b"a [bold]\x1b[31m \xc3\xa9\n%d'.mp4")
    done = run("reencode", clip, name, AS_H264, "--end=3", cwd=clip.parent, environment={"LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    assert numbers_in(clip.parent / name, binaries) == [0, 1, 2]
    assert "a [bold]\\x1b[31m" in done.stdout
    clip.rename(clip.parent / os.fsdecode(b"\xff.mp4"))
    document = run_json("info", os.fsdecode(b"\xff.mp4"), cwd=clip.parent)
    assert document["stream"]["path"] == str(clip.parent / os.fsdecode(b"\xff.mp4"))


def test_unread_standard_output(clip: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    for words in (("info", clip), ("info", clip, "--json"), ("reencode", clip, "o.mp4", AS_H264, "--dry-run")):
        with os.fdopen(os.dup(writer), "w") as stdout:
            done = subprocess.run(
                ffenc_words(*words), stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=clip.parent, check=False
            )
        assert done.returncode == 141
        assert done.stderr == ""
    os.close(writer)


@pytest.mark.parametrize("command", ["encode", "reencode"])
@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["int", "term", "hup"],
)
def test_signals_leave_no_files_or_processes(
    command: str, number: signal.Signals, status: int, slow_clip: Path
) -> None:
    folder = slow_clip.parent
    process = subprocess.Popen(
        ffenc_words(command, slow_clip, "out.mp4", *SLOWLY), cwd=folder, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_for_part_file(folder, process)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == status
    assert names_in(folder) == {"slow.mp4"}
    assert "Traceback" not in err
    assert commands_that_name(folder) == []


def wait_for_part_file(folder: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not any(".part" in name for name in names_in(folder)):
        assert process.poll() is None, "it ended before it began to write"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.2)  # the file is there a moment before its owner knows it


def commands_that_name(folder: Path) -> list[str]:
    """Return running processes with the folder in their command line, if the system lists them as files."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


def in_a_terminal(words: Iterable[str | Path], cwd: Path) -> tuple[int, str, str]:
    """Run with standard error on a terminal; return status, standard output and terminal output."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        ffenc_words(*words), cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=theirs, text=True
    )
    os.close(theirs)
    seen = bytearray()
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:
        pass  # how Linux says that the other end is closed
    finally:
        os.close(ours)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out, seen.decode(errors="replace")


def test_progress_bar_on_a_terminal(slow_clip: Path) -> None:
    status, out, seen = in_a_terminal(("encode", slow_clip, "out.mp4", AS_H264), slow_clip.parent)
    assert status == 0
    assert "wrote out.mp4" in out
    assert "encoding" in seen
    assert "/60" in seen


def test_json_has_no_progress_bar_even_on_a_terminal(slow_clip: Path) -> None:
    status, out, seen = in_a_terminal(("encode", slow_clip, "out.mp4", AS_H264, "--json"), slow_clip.parent)
    assert (status, seen) == (0, "")
    assert json.loads(out)["frames"] == 60


def test_error_on_terminal_is_framed_and_keeps_command_on_one_line(clip: Path) -> None:
    words = ["encode", clip, "out.mp4", "--camera_encoder.extra_options={tune:", "film,", "bf:", "2}"]
    status, out, seen = in_a_terminal(words, clip.parent)
    assert (status, out) == (2, "")
    assert "\u2500\u2500\u2500" in seen
    command = f"""ffenc encode {clip} out.mp4 --camera_encoder.extra_options='{{"tune": "film", "bf": 2}}'"""
    assert command in seen


def test_verbose_logs_every_command(clip: Path) -> None:
    done = run("reencode", clip, "out.mp4", AS_H264, "--verbose", "--json", cwd=clip.parent)
    assert done.returncode == 0
    assert json.loads(done.stdout)["frames"] == COUNT
    assert any(line.startswith("debug: ffenc.") and "-c:v libx264" in line for line in done.stderr.splitlines())


def test_library_warning_is_one_line(clip: Path) -> None:
    done = run("reencode", clip, "out.mp4", "--camera_encoder.vcodec=auto", "--end=4", cwd=clip.parent)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) <= 1
    assert all(line.startswith("warning: ") for line in lines)


def test_version_and_help(tmp_path: Path) -> None:
    assert run("--version", cwd=tmp_path).stdout == f"ffenc {ffenc.__version__}\n"
    for command in ("probe", "record", "convert", "encode", "images", "reencode", "concat", "salvage", "info", "demo"):
        described = run(command, "--help", cwd=tmp_path, environment={"COLUMNS": "80"})
        assert described.returncode == 0
        assert described.stdout.startswith(f"usage: ffenc {command} ")
        assert max(map(len, described.stdout.splitlines())) <= 80
    nothing = run(cwd=tmp_path)
    assert (nothing.returncode, nothing.stdout) == (2, "")
    assert nothing.stderr.startswith("usage: ffenc ")
