"""Faults that only the packets or the frames of a video show."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, VideoStreamInfo, concat_videos, encode_frames, probe_video
from ffenc.dataset.verify.checks.packets import Measurer
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.ffmpeg.mp4.boxes import boxes, descend, movie_box
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from tests.dataset_faults import LAPTOP, OTHER_VIDEO, PHONE, VIDEO, block, copy_of, cut, exchange, write
from tests.lerobot_data import DATASETS, needs_av1_decoder

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", g=1, crf=18)
Damage = Callable[[Path, Binaries], object]


@DATASETS
def test_lerobot_recording_has_no_findings(root, binaries):
    needs_av1_decoder(binaries)
    report = verify_dataset(root, "decode", binaries=binaries)
    assert report.findings == ()
    assert report.videos == (3 if root.name == "D" else 2)


def plain(damage: Callable[[Path], object]) -> Damage:
    return lambda root, _: damage(root)


def remuxed(before: Sequence[str] = (), after: Sequence[str] = ()) -> Damage:
    """Return the video copied with other options of ffmpeg."""

    def damage(root: Path, binaries: Binaries) -> None:
        other = root.parent / "other.mp4"
        options = ["-v", "error", *before, "-i", root / VIDEO, "-c", "copy", *after, "-y", other]
        run_tool([binaries.ffmpeg, *options], timeout_s=60)
        shutil.move(other, root / VIDEO)

    return damage


def encoded(*, half: bool = False, **config: object) -> Damage:
    """Return the frames re-encoded in H.264 instead of AV1."""

    def damage(root: Path, binaries: Binaries) -> None:
        needs_av1_decoder(binaries)
        frames = [frame[::2, ::2] if half else frame for frame in VideoReader(root / VIDEO, binaries=binaries)]
        settings = VideoEncoderConfig.model_validate(H264.model_dump() | config)
        encode_frames(frames, root / VIDEO, fps=30, config=settings, overwrite=True, binaries=binaries)

    return damage


def longer(root: Path, binaries: Binaries) -> None:
    parts = [root.parent / "one.mp4", root.parent / "two.mp4"]
    for part in parts:
        shutil.copy(root / VIDEO, part)
    concat_videos(parts, root / VIDEO, overwrite=True, binaries=binaries)


def all_of(*damages: Damage) -> Damage:
    def damage(root: Path, binaries: Binaries) -> None:
        for each in damages:
            each(root, binaries)

    return damage


PACKETS: dict[str, tuple[Damage, set[str]]] = {
    "no video at all": (plain(write(VIDEO, b"no video" * 100)), {"video-unreadable"}),
    "torn in its header": (plain(cut(VIDEO, 0.02)), {"video-unreadable"}),
    "torn in the middle": (plain(cut(VIDEO, 0.7)), {"video-torn"}),
    "a frame too few": (remuxed(after=["-frames:v", "59"]), {"video-frames-missing"}),
    "frames too many": (longer, {"video-frames-extra"}),
    "frames behind an edit list": (remuxed(before=["-ss", "0.0334"]), {"video-frames-hidden"}),
    "another clock": (remuxed(before=["-itsscale", "1.01"]), {"video-clock-wrong"}),
    "another codec": (encoded(), {"video-codec-foreign"}),
    "another pixel format": (
        all_of(encoded(pix_fmt="yuv444p"), plain(block(LAPTOP, **{"video.codec": "h264"}))),
        {"video-format-foreign"},
    ),
    "frames of half the size": (encoded(half=True), {"video-size-foreign", "video-codec-foreign"}),
    "few keyframes": (encoded(g=60), {"video-codec-foreign", "video-key-frame-missing"}),
    "sound that is not there": (plain(block(PHONE, has_audio=True)), {"video-info-wrong"}),
}


@pytest.mark.parametrize(("damage", "codes"), PACKETS.values(), ids=PACKETS)
def test_packet_faults_are_found(tmp_path, binaries, damage, codes):
    root = copy_of("A", tmp_path)
    damage(root, binaries)
    report = verify_dataset(root, "packets", binaries=binaries)
    assert set(report.counts) == codes, report.findings
    assert all(finding.camera in (LAPTOP, PHONE) for finding in report.findings)


def test_truncated_video_names_the_frame(tmp_path, binaries):
    root = copy_of("A", tmp_path)
    cut(VIDEO, 0.7)(root)
    _, packets = Measurer(binaries).measure(root / VIDEO)
    (finding,) = verify_dataset(root, "packets", binaries=binaries).findings
    assert (finding.code, finding.frame) == ("video-torn", packets.count)
    assert 30 < packets.count < 50


def test_exchanged_cameras_are_found_by_frame_statistics(tmp_path, binaries):
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    exchange(VIDEO, OTHER_VIDEO)(root)
    assert verify_dataset(root, "packets", binaries=binaries).findings == ()
    report = verify_dataset(root, "decode", binaries=binaries)
    found = {(finding.code, finding.camera, finding.episode) for finding in report.findings}
    assert found == {("pictures-foreign", camera, number) for camera in (LAPTOP, PHONE) for number in range(3)}
    for finding in report.findings:
        other = PHONE if finding.camera == LAPTOP else LAPTOP
        assert f"{other} in episode {finding.episode}" in finding.message


def test_episode_with_frames_of_another_camera_is_named(tmp_path, binaries):
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    own, other = (list(VideoReader(root / name, binaries=binaries)) for name in (VIDEO, OTHER_VIDEO))
    mixed = [*own[:20], *other[20:45], *own[45:]]
    encode_frames(mixed, root / VIDEO, fps=30, config=H264, overwrite=True, binaries=binaries)
    block(LAPTOP, **{"video.codec": "h264"})(root)
    (finding,) = verify_dataset(root, "decode", binaries=binaries).findings
    assert (finding.code, finding.camera, finding.episode) == ("pictures-foreign", LAPTOP, 1)
    assert f"{PHONE} in episode 1" in finding.message


def sample(path: Path, number: int) -> tuple[int, int]:
    """Return the offset and size of a frame in a plain MP4 without reordering."""
    with path.open("rb") as file:
        moov = movie_box(file)
    (track,) = [contents for kind, contents in boxes(moov) if kind == b"trak"]
    tables = dict(boxes(descend(track, b"mdia", b"minf", b"stbl")))
    sizes = struct.unpack(f">{len(tables[b'stsz'][12:]) // 4}I", tables[b"stsz"][12:])
    start = struct.unpack_from(">I", tables[b"stco"], 8)[0]
    assert start + sum(sizes) <= path.stat().st_size
    return start + sum(sizes[:number]), sizes[number]


@pytest.mark.parametrize("content", [b"\0", b"\xff"], ids=["zeros", "ones"])
def test_unreadable_frame_is_named(tmp_path, binaries, content):
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    start, size = sample(root / VIDEO, 31)
    video = bytearray((root / VIDEO).read_bytes())
    video[start : start + size] = content * size
    (root / VIDEO).write_bytes(video)
    assert verify_dataset(root, "packets", binaries=binaries).findings == ()
    report = verify_dataset(root, "decode", binaries=binaries)
    (finding,) = [finding for finding in report.findings if finding.code == "frame-unreadable"]
    assert (finding.episode, finding.camera, finding.frame) == (1, LAPTOP, 31 - 20)


def test_undecodable_video_is_one_finding(tmp_path, binaries):
    root = copy_of("A", tmp_path)
    video = bytearray((root / VIDEO).read_bytes())
    start, end = sample(root / VIDEO, 0)[0], sum(sample(root / VIDEO, 59))
    video[start:end] = bytes(end - start)
    (root / VIDEO).write_bytes(video)
    report = verify_dataset(root, "decode", binaries=binaries)
    (finding,) = [finding for finding in report.findings if finding.camera == LAPTOP]
    if finding.code != "video-unreadable":  # FFmpeg 4.2 decodes the first frame to describe a stream
        assert (finding.code, finding.severity) == ("video-undecodable", "error")
        assert "none of its 60 frames" in finding.message


def test_files_of_equal_settings_start_ffmpeg_once(tmp_path, binaries, monkeypatch):
    root, asked = copy_of("A", tmp_path), []

    def ask(path: Path, *, binaries: Binaries) -> VideoStreamInfo:
        asked.append(path)
        return probe_video(path, binaries=binaries)

    monkeypatch.setattr("ffenc.dataset.verify.checks.packets.probe_video", ask)
    assert verify_dataset(root, "packets", binaries=binaries).videos == 2
    assert len(asked) == 1
