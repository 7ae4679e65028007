"""Durable recordings have the guarantees of other videos, and are an exact prefix wherever writing ends."""

from __future__ import annotations

import gc
import os
import signal
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, VideoWriter, encode_frames, probe_packets, probe_video
from ffenc.errors import InputError, OutputError, OutputExistsError, ProcessError
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.recording import find_recordings, is_held
from ffenc.video.recording_copy import copy_recording
from ffenc.video.run_context import RunContext
from ffenc.video.salvage import salvage_video, shorten_video
from tests.footage import numbered_frame, numbered_frames, numbers_of

pytestmark = pytest.mark.integration

SETTINGS: dict[str, dict[str, object]] = {
    "g2": {"vcodec": "h264", "g": 2},
    "g30": {"vcodec": "h264", "g": 30},
    "b-frames": {"vcodec": "h264", "g": 30, "extra_options": {"bf": 3, "b_strategy": 0}},
    "hevc": {"vcodec": "hevc", "g": 10, "extra_options": {"x265-params": "bframes=3"}},
}


def config(name: str) -> VideoEncoderConfig:
    return VideoEncoderConfig.model_validate(SETTINGS[name])


def left_behind(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


def record(path: Path, binaries: Binaries, name: str, count: int, *, fps: str = "30") -> Path:
    """Make a recording whose ffmpeg completed while its program did not."""
    writer = VideoWriter(path, fps=fps, config=config(name), size=(128, 96), durable=True, binaries=binaries)
    writer.start()
    for frame in numbered_frames(count):
        writer.write(frame)
    assert writer._process is not None
    writer._process.finish()
    assert writer.recording is not None
    writer.recording.release()
    return writer.recording.path


def check_prefix(path: Path, binaries: Binaries, *, fps: str = "30") -> int:
    """Check that frame k shows number k at exactly k/fps; return the number of frames."""
    packets = probe_packets(path, binaries=binaries)
    assert [packets.pts_s(k) for k in range(packets.count)] == [k / Fraction(fps) for k in range(packets.count)]
    assert numbers_of(VideoReader(path, binaries=binaries)) == list(range(packets.count))
    return packets.count


@pytest.mark.parametrize(
    ("name", "suffix"),
    [("g2", ".mp4"), ("g30", ".mov"), ("b-frames", ".mp4"), ("b-frames", ".mov"), ("hevc", ".mp4"), ("hevc", ".mov")],
)
def test_durable_video_equals_normal_video(tmp_path: Path, binaries: Binaries, name: str, suffix: str) -> None:
    fps = "30000/1001"
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, fps=fps, config=config(name), durable=True, binaries=binaries) as writer:
        for frame in numbered_frames(20):
            writer.write(frame)
            assert writer.recording is not None
            assert is_held(writer.recording.path)
            assert not path.exists()
    assert left_behind(tmp_path) == [path.name]
    assert check_prefix(path, binaries, fps=fps) == 20
    stream = probe_video(path, binaries=binaries)
    assert stream == writer.result.stream
    assert (writer.result.frames, stream.fps, stream.frames_declared) == (20, Fraction(fps), 20)
    plain = encode_frames(
        numbered_frames(20), tmp_path / f"plain{suffix}", fps=fps, config=config(name), binaries=binaries
    )
    assert stream.codec_tag == plain.stream.codec_tag
    assert stream.extradata_hash == plain.stream.extradata_hash
    assert probe_packets(path, binaries=binaries) == probe_packets(plain.path, binaries=binaries)


def test_hevc_has_tag_hvc1(tmp_path: Path, binaries: Binaries) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=30, config=config("hevc"), durable=True, binaries=binaries) as writer:
        for frame in numbered_frames(3):
            writer.write(frame)
    assert probe_video(writer.path, binaries=binaries).codec_tag == "hvc1"


def box_ends(data: bytes) -> list[int]:
    """Return the offset after every top-level box."""
    ends, position = [0], 0
    while position + 8 <= len(data):
        (size,) = struct.unpack_from(">I", data, position)
        position += size
        ends.append(position)
    assert position == len(data)
    return ends


@pytest.mark.parametrize("name", ["g2", "b-frames"])
def test_truncated_recording_is_exact_prefix(tmp_path: Path, binaries: Binaries, name: str) -> None:
    recording = record(tmp_path / "a.mp4", binaries, name, 5)
    data = recording.read_bytes()
    somewhere = np.random.default_rng(4).integers(0, len(data), 3)
    cuts = sorted({*box_ends(data), *somewhere.tolist()})
    torn, output = tmp_path / ".b.00000000.recording.mp4", tmp_path / "b.mp4"
    seen: dict[bytes, int] = {}
    for cut in cuts:
        torn.write_bytes(data[:cut])
        whole = FragmentIndex(torn).update().count
        if not whole:
            with pytest.raises(InputError, match="has no complete frame"):
                salvage_video(torn, fps=30, binaries=binaries)
            assert not output.exists()
            continue
        result = salvage_video(torn, fps=30, binaries=binaries)
        assert result.path == output
        content = output.read_bytes()
        frames = seen[content] = seen.get(content) or check_prefix(output, binaries)
        assert result.frames == frames
        assert whole - (4 if name != "g2" else 0) <= frames <= whole
        assert 0 <= result.lost_bytes < cut
        assert torn.read_bytes() == data[:cut]  # left as it was
        output.unlink()
    assert list(seen.values()) == sorted(seen.values())
    assert max(seen.values()) == 5
    assert left_behind(tmp_path) == [recording.name, torn.name]


@pytest.mark.parametrize(("name", "suffix"), [("g2", ".mp4"), ("b-frames", ".mov")])
def test_rate_is_stored_in_recording(tmp_path: Path, binaries: Binaries, name: str, suffix: str) -> None:
    for count in (1, 7):
        recording = record(tmp_path / f"a{suffix}", binaries, name, count, fps="24000/1001")
        result = salvage_video(recording, binaries=binaries)
        assert (result.frames, result.fps) == (count, Fraction(24000, 1001))
        assert check_prefix(result.path, binaries, fps="24000/1001") == count
        assert result.stream == probe_video(result.path, binaries=binaries)
        assert result.source == recording
        result.path.unlink()
        recording.unlink()


def test_other_rate_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    recording = record(tmp_path / "a.mp4", binaries, "g2", 3)
    for fps in (25, 60):  # half of the second grid is filled
        with pytest.raises(OutputError, match=f"has 30 frames per second, not {fps}"):
            salvage_video(recording, fps=fps, binaries=binaries)
    assert left_behind(tmp_path) == [recording.name]


@pytest.mark.parametrize("name", ["g2", "b-frames"])
def test_salvage_respects_frame_limit(tmp_path: Path, binaries: Binaries, name: str) -> None:
    recording = record(tmp_path / "a.mp4", binaries, name, 9)
    plain = tmp_path / "plain.mp4"
    copy_recording(recording, plain, RunContext(binaries=binaries), fps=Fraction(30))
    for most in (1, 6):
        few = 0 if name == "g2" else 4
        salvaged = salvage_video(recording, tmp_path / "s.mp4", most_frames=most, overwrite=True, binaries=binaries)
        assert min(9, most) - few <= check_prefix(salvaged.path, binaries) == salvaged.frames <= most
        shorter = tmp_path / f"shorter{most}.mp4"
        assert shorten_video(plain, shorter, frames=most, binaries=binaries) == salvaged.frames
        assert check_prefix(shorter, binaries) == salvaged.frames
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == []


def test_shortening_keeps_encoded_bits(tmp_path: Path, binaries: Binaries) -> None:
    path = encode_frames(numbered_frames(8), tmp_path / "a.mp4", fps=30, config=config("g2"), binaries=binaries).path
    assert shorten_video(path, tmp_path / "b.mp4", frames=5, binaries=binaries) == 5
    assert frame_bytes(tmp_path / "b.mp4", binaries) == frame_bytes(path, binaries)[:5]


def frame_bytes(path: Path, binaries: Binaries) -> list[bytes]:
    return [frame.tobytes() for frame in VideoReader(path, binaries=binaries)]


def test_fragment_of_many_frames_cannot_be_cut(tmp_path: Path, binaries: Binaries) -> None:
    path = encode_frames(numbered_frames(8), tmp_path / "a.mp4", fps=30, config=config("g30"), binaries=binaries).path
    foreign = tmp_path / "foreign.mp4"
    run_tool(
        [binaries.ffmpeg, "-v", "error", "-i", path, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", foreign]
    )
    with pytest.raises(InputError, match="holds several frames"):
        salvage_video(foreign, tmp_path / "b.mp4", most_frames=3, binaries=binaries)
    assert not (tmp_path / "b.mp4").exists()
    assert salvage_video(foreign, tmp_path / "b.mp4", binaries=binaries).frames == 8
    assert shorten_video(foreign, tmp_path / "c.mp4", frames=3, binaries=binaries) in (1, 2, 3)


@pytest.mark.parametrize("most", [0, -1])
def test_zero_frames_are_refused(tmp_path: Path, binaries: Binaries, most: int) -> None:
    recording = record(tmp_path / "a.mp4", binaries, "g2", 2)
    with pytest.raises(ValueError, match="most_frames must be at least 1"):
        salvage_video(recording, most_frames=most, binaries=binaries)
    assert left_behind(tmp_path) == [recording.name]


def test_non_recording_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    path = encode_frames(numbered_frames(2), tmp_path / "a.mp4", fps=30, config=config("g2"), binaries=binaries).path
    before = path.read_bytes()
    with pytest.raises(InputError, match="is not a fragmented MP4"):
        salvage_video(path, tmp_path / "b.mp4", binaries=binaries)
    with pytest.raises(InputError, match="is not a file"):
        salvage_video(tmp_path / "missing.mp4", binaries=binaries)
    fragmented = tmp_path / "b.mp4"
    copy_recording(path, fragmented, RunContext(binaries=binaries), fps=Fraction(30), fragmented=True)
    content = fragmented.read_bytes()
    for output in (None, fragmented):
        with pytest.raises(InputError, match="is not a hidden recording whose name"):
            salvage_video(fragmented, output, overwrite=True, binaries=binaries)
    assert fragmented.read_bytes() == content
    assert path.read_bytes() == before
    assert left_behind(tmp_path) == ["a.mp4", "b.mp4"]


def test_existing_file_is_kept_by_default(tmp_path: Path, binaries: Binaries) -> None:
    recording = record(tmp_path / "a.mp4", binaries, "g2", 3)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        salvage_video(recording, binaries=binaries)
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    salvage_video(recording, overwrite=True, binaries=binaries)
    assert check_prefix(tmp_path / "a.mp4", binaries) == 3


def test_recording_path_is_refused_as_output(tmp_path: Path, binaries: Binaries) -> None:
    recording = record(tmp_path / "a.mp4", binaries, "g2", 3)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    tmp_path.chmod(0o555)  # means nothing to root, so the time of the directory is looked at too
    before = tmp_path.stat().st_mtime_ns
    salvage_video(recording, elsewhere / "b.mp4", binaries=binaries)
    assert tmp_path.stat().st_mtime_ns == before
    tmp_path.chmod(0o755)
    assert left_behind(elsewhere) == ["b.mp4"]


def test_active_recording_is_left_alone(tmp_path: Path, binaries: Binaries) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=30, config=config("g2"), durable=True, binaries=binaries) as writer:
        writer.write(numbered_frame(0))
        assert writer.recording is not None
        with pytest.raises(InputError, match="is still being recorded"):
            salvage_video(writer.recording.path, binaries=binaries)
        assert find_recordings(tmp_path) == []
        writer.write(numbered_frame(1))
    assert left_behind(tmp_path) == ["a.mp4"]


@pytest.mark.parametrize("how", ["killed", "raised"])
def test_recording_is_kept_after_an_error(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    def fail() -> None:
        with VideoWriter(tmp_path / "a.mp4", fps=30, config=config("g2"), durable=True, binaries=binaries) as writer:
            for number in range(40):
                writer.write(numbered_frame(number))
            if how == "raised":
                raise KeyError("unplugged")
            assert writer._process is not None
            os.kill(writer._process.pid, signal.SIGKILL)

    with pytest.raises(KeyError if how == "raised" else ProcessError):
        fail()
    (recording,) = find_recordings(tmp_path)
    assert [f"kept in {recording};" in record.getMessage() for record in caplog.records] == [True]
    assert not (tmp_path / "a.mp4").exists()
    if FragmentIndex(recording).update().count:
        assert check_prefix(salvage_video(recording, binaries=binaries).path, binaries) <= 40
    recording.unlink()


def test_abort_leaves_nothing(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=config("g2"), durable=True, binaries=binaries)
    writer.write(numbered_frame(0))
    writer.abort()
    assert left_behind(tmp_path) == []


def test_unclosed_writer_leaves_its_recording(tmp_path: Path, binaries: Binaries) -> None:
    def forget() -> None:
        VideoWriter(tmp_path / "a.mp4", fps=30, config=config("g2"), durable=True, binaries=binaries).write(
            numbered_frame(0)
        )
        gc.collect()

    with pytest.warns(ResourceWarning):
        forget()
    assert len(find_recordings(tmp_path)) == 1


def test_file_created_meanwhile_and_recording_are_kept(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=config("g2"), durable=True, binaries=binaries)
    for frame in numbered_frames(4):
        writer.write(frame)
    (tmp_path / "a.mp4").write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        writer.close()
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"
    (recording,) = find_recordings(tmp_path)
    assert check_prefix(salvage_video(recording, tmp_path / "b.mp4", binaries=binaries).path, binaries) == 4


@pytest.mark.parametrize("vcodec", ["libvpx-vp9", "libaom-av1", "libsvtav1", "mjpeg", "mpeg4", "ffv1"])
@pytest.mark.parametrize(("count", "fps"), [(1, "30000/1001"), (16, "25")])
def test_last_frame_has_full_duration(
    tmp_path: Path, binaries: Binaries, encoders_here: tuple[str, ...], vcodec: str, count: int, fps: str
) -> None:
    """FFmpeg 4.2 omits it, and readers then find another frame rate or one frame less."""
    if vcodec not in encoders_here:
        pytest.skip(f"this ffmpeg has no {vcodec}")
    more = {"mjpeg": {"pix_fmt": "yuvj420p"}, "ffv1": {"crf": None, "g": 1}, "libaom-av1": {"preset": 8}}
    settings = VideoEncoderConfig.model_validate({"vcodec": vcodec, **more.get(vcodec, {})})
    path = tmp_path / ("a.mov" if vcodec == "ffv1" else "a.mp4")
    with VideoWriter(path, fps=fps, config=settings, durable=True, binaries=binaries) as writer:
        for frame in numbered_frames(count):
            writer.write(frame)
    # Frames are compared in other tests: not every FFmpeg that writes AV1 can read it.
    packets = probe_packets(path, binaries=binaries)
    assert [packets.pts_s(k) for k in range(packets.count)] == [k / Fraction(fps) for k in range(count)]
    stream = VideoReader(path, binaries=binaries).stream
    assert (stream.fps, stream.is_constant_rate) == (Fraction(fps), True)
    if count > 1:
        assert stream.duration_s == count / Fraction(fps)
