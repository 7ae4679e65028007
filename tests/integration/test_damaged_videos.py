"""`verify` finds damaged headers without decoding everything, and `preview` shows the other videos."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, preview_dataset, verify_dataset
from ffenc.cli.main import main
from ffenc.errors import PreviewError
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.dataset_faults import LAPTOP, OTHER_VIDEO, PHONE, VIDEO, copy_of, episode
from tests.footage import numbered_frames
from tests.lerobot_data import needs_png_encoder

pytestmark = pytest.mark.integration

FRAMES = 60
CODECS = {
    "h264": {"vcodec": "h264", "g": 6, "extra_options": {"bf": 2}},
    "hevc": {"vcodec": "hevc", "g": 6},
    "av1": {"vcodec": "libsvtav1", "g": 6, "preset": 12},
    "mpeg4": {"vcodec": "mpeg4", "g": 6},
}


@pytest.fixture(scope="module")
def videos(
    tmp_path_factory: pytest.TempPathFactory, binaries: Binaries, encoders_here: tuple[str, ...]
) -> Callable[[str], Path]:
    """Return a video as long as those of the dataset, by codec."""
    directory = tmp_path_factory.mktemp("videos")

    def video(codec: str) -> Path:
        path = directory / f"{codec}.mp4"
        if not path.exists():
            config = VideoEncoderConfig.model_validate(CODECS[codec])
            if codec == "av1" and config.vcodec not in encoders_here:
                pytest.skip(f"this build has no {config.vcodec}")
            encode_frames(numbered_frames(FRAMES), path, fps=30, config=config, binaries=binaries)
        return path

    return video


def dataset_with(directory: Path, video: Path) -> Path:
    root = copy_of("A", directory)
    for name in (VIDEO, OTHER_VIDEO):
        shutil.copy(video, root / name)
    return root


def at(content: bytearray, kind: bytes, offset: int, new: bytes) -> None:
    """Return a change that writes bytes at this offset behind the type of the last box of a type."""
    start = content.rindex(kind) + offset
    content[start : start + len(new)] = new


def number(content: bytearray, kind: bytes, offset: int) -> int:
    return int(struct.unpack_from(">I", content, content.rindex(kind) + offset)[0])


def add(content: bytearray, kind: bytes, offset: int, more: int) -> None:
    at(content, kind, offset, struct.pack(">I", number(content, kind, offset) + more))


Change = Callable[[bytearray], None]
TABLES: dict[str, Change] = {
    "first chunk of stsc": lambda b: at(b, b"stsc", 12, b"\xbd"),
    "count of stsc": lambda b: at(b, b"stsc", 11, b"\0"),
    "samples per chunk": lambda b: add(b, b"stsc", 16, -1),
    "description of stsc": lambda b: add(b, b"stsc", 20, 1),
    "count of stco": lambda b: add(b, b"stco", 8, 1),
    "stco before the media": lambda b: add(b, b"stco", 12, -64),
    "stco into the media": lambda b: add(b, b"stco", 12, 3),
    "count of dref": lambda b: at(b, b"dref", 8, b"\5"),
    "size of url": lambda b: at(b, b"url ", -4, b"\0\0\0\1"),
    "data elsewhere": lambda b: at(b, b"url ", 4, b"\0\0\0\0"),
    "count of stts": lambda b: at(b, b"stts", 7, b"\2"),
    "run of stts": lambda b: add(b, b"stts", 12, 7),
    "count of stsz": lambda b: add(b, b"stsz", 12, -5),
    "all samples of one size": lambda b: at(b, b"stsz", 8, struct.pack(">I", 100)),
    "size of the first sample": lambda b: add(b, b"stsz", 16, -40),
    "size of a sample in the middle": lambda b: add(b, b"stsz", 16 + 4 * 30, 9),
    "count of stsd": lambda b: add(b, b"stsd", 8, 1),
    "timescale": lambda b: at(b, b"mdhd", 16, b"\0\0\0\0"),
}
HEADERS: dict[str, tuple[str, Change]] = {
    "avc1 renamed": ("h264", lambda b: at(b, b"avc1", 0, b"xxxx")),
    "avcC empty": ("h264", lambda b: at(b, b"avcC", 4, b"\0\0\0\0")),
    "avcC with other parameters": ("h264", lambda b: at(b, b"avcC", 14, b"\xff\xff\xff\xff")),
    "avcC renamed": ("h264", lambda b: at(b, b"avcC", 0, b"xxxx")),
    "first frame": ("h264", lambda b: at(b, b"mdat", 4, b"\xff" * 300)),
    "hvcC empty": ("hevc", lambda b: at(b, b"hvcC", 4, bytes(40))),
    "hvcC renamed": ("hevc", lambda b: at(b, b"hvcC", 0, b"xxxx")),
    "av1C empty": ("av1", lambda b: at(b, b"av1C", 4, bytes(12))),
    "first frame of av1": ("av1", lambda b: at(b, b"mdat", 4, b"\xff" * 300)),
    "esds empty": ("mpeg4", lambda b: at(b, b"esds", 4, bytes(60))),
    "first frame of mpeg4": ("mpeg4", lambda b: at(b, b"mdat", 4, b"\xff" * 300)),
}
DAMAGE = [
    *(pytest.param("h264", change, id=name, marks=pytest.mark.one_build) for name, change in TABLES.items()),
    *(pytest.param(codec, change, id=name) for name, (codec, change) in HEADERS.items()),
]
ABOUT_HEADERS = {"video-unreadable", "video-damaged", "video-torn", "video-frames-missing", "video-clock-wrong"}


def decoded(video: Path, binaries: Binaries) -> int:
    argv = [binaries.ffmpeg, "-v", "error", "-i", video, "-map", "0:v:0", "-f", "framecrc", "-"]
    printed = run_tool(argv, timeout_s=60, check=False).stdout.decode()
    return sum(line.startswith("0,") for line in printed.splitlines())


@pytest.mark.parametrize(("codec", "change"), DAMAGE)
def test_video_that_ffmpeg_cannot_read_completely_is_found(tmp_path, binaries, videos, codec, change):
    whole = videos(codec)
    if not decoded(whole, binaries):
        pytest.skip(f"this build cannot decode {codec}")
    root = dataset_with(tmp_path, whole)
    assert not ABOUT_HEADERS & set(verify_dataset(root, "packets", binaries=binaries).counts)
    content = bytearray(whole.read_bytes())
    change(content)
    (root / VIDEO).write_bytes(content)
    report = verify_dataset(root, "packets", binaries=binaries)
    found = [finding for finding in report.findings if finding.code in ABOUT_HEADERS]
    assert found or decoded(root / VIDEO, binaries) == FRAMES, report.findings
    assert {finding.path for finding in found} <= {Path(VIDEO)}


def test_damage_after_first_frame_of_unusual_file_is_found(tmp_path, binaries, videos):
    """A file with sound has no plain tables, so all of its frames are decoded."""
    root = dataset_with(tmp_path, videos("h264"))
    sound = tmp_path / "sound.mp4"
    source = ["-f", "lavfi", "-i", "sine=duration=2"]
    run_tool(
        [binaries.ffmpeg, "-v", "error", "-i", root / VIDEO, *source, "-c:v", "copy", "-c:a", "aac", sound],
        timeout_s=60,
    )
    assert read_mp4_index(sound) is None
    content = bytearray(sound.read_bytes())
    start = content.index(b"vide")
    sizes = content.index(b"stsz", start)
    content[sizes + 16 + 4 * 30 + 3] ^= 0x18
    (root / VIDEO).write_bytes(content)
    report = verify_dataset(root, "packets", binaries=binaries)
    assert ABOUT_HEADERS & set(report.counts), report.findings


def unreadable(root: Path, change: Change) -> None:
    content = bytearray((root / VIDEO).read_bytes())
    change(content)
    (root / VIDEO).write_bytes(content)


BROKEN: dict[str, Callable[[Path], object]] = {
    "missing": lambda root: (root / VIDEO).unlink(),
    "text": lambda root: (root / VIDEO).write_text("no video" * 100),
    "cut off": lambda root: os.truncate(root / VIDEO, 3000),
    "no coded header": lambda root: unreadable(root, HEADERS["avcC empty"][1]),
    "first frame": lambda root: unreadable(root, HEADERS["first frame"][1]),
    "a pipe": lambda root: ((root / VIDEO).unlink(), os.mkfifo(root / VIDEO)),
}


@pytest.mark.parametrize("damage", BROKEN.values(), ids=BROKEN)
def test_preview_shows_the_other_cameras(tmp_path, binaries, videos, damage):
    needs_png_encoder(binaries)
    root = dataset_with(tmp_path, videos("h264"))
    damage(root)
    with pytest.raises(PreviewError) as caught:
        preview_dataset(root, tmp_path / "sheets", columns=3, binaries=binaries)
    error = caught.value
    # The first frame belongs to the first episode alone, but a decoder may not get over it.
    episodes = {row.episode_index for row in error.failures}
    assert episodes == {0, 1, 2} or (damage is BROKEN["first frame"] and episodes == {0})
    assert {(row.camera, row.path) for row in error.failures} == {(LAPTOP, root / VIDEO)}
    assert all(row.reason for row in error.failures)
    assert VIDEO in str(error)
    for sheet in error.sheets:
        assert sheet.cameras == ((PHONE,) if sheet.episode_index in episodes else (LAPTOP, PHONE))
    names = [f"episode-00000{number}.png" for number in range(3)]
    assert sorted(path.name for path in (tmp_path / "sheets").iterdir()) == names


def test_preview_command_skips_episode_without_readable_camera(tmp_path, binaries, videos, capsys, monkeypatch):
    needs_png_encoder(binaries)
    monkeypatch.chdir(tmp_path)
    root = dataset_with(tmp_path, videos("h264"))
    for camera, video in ((LAPTOP, VIDEO), (PHONE, OTHER_VIDEO)):
        episode(f"videos/{camera}/file_index", 2, 1)(root)
        (root / video).with_name("file-001.mp4").write_text("no video")
    assert main(["preview", str(root), "--columns=2", "--json", f"--ffmpeg={binaries.ffmpeg}"]) == 1
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert [sheet["episode_index"] for sheet in document["sheets"]] == [0, 1]
    assert {(row["episode_index"], row["camera"]) for row in document["missing"]} == {(2, LAPTOP), (2, PHONE)}
    assert "file-001.mp4" in printed.err
    assert len(list(Path("A-preview").iterdir())) == 2
