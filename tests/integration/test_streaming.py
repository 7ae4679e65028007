"""StreamingVideoEncoder with the real FFmpeg: what the cameras saw, frame by frame, whatever happens on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, probe_packets
from ffenc.config import DepthEncoderConfig
from ffenc.errors import (
    CapabilityError,
    EncoderOptionError,
    EncoderUnavailableError,
    OutputExistsError,
    ProcessTimeoutError,
    RecordingError,
)
from ffenc.ffmpeg.capability_probe import probe_capabilities
from ffenc.ffmpeg.process.priority import Priority
from ffenc.frames import FrameFormat
from ffenc.statistics import FrameSampler
from ffenc.streaming.camera import CameraEncoder, DepthFormat
from ffenc.streaming.encoder import StreamingVideoEncoder
from ffenc.streaming.images import ImageFolder, read_images
from ffenc.streaming.spool import read_spool
from ffenc.streaming.target import VideoTarget
from ffenc.video.depth import read_depth
from ffenc.video.join import frame_hashes
from ffenc.video.recording import find_recordings
from tests.footage import numbered_frame, numbered_frames, numbers_of

pytestmark = pytest.mark.integration

H264 = VideoEncoderConfig(vcodec="h264", g=2)
CODES = DepthEncoderConfig(vcodec="ffv1", extra_options={})  # lossless in every build
LONG_S = 60.0


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def camera_of(encoder: StreamingVideoEncoder, name: str) -> CameraEncoder:
    assert encoder._episode is not None
    return encoder._episode.cameras[name]


def pid_of(encoder: StreamingVideoEncoder, name: str) -> int:
    """The ffmpeg of a camera, once it runs."""
    target: Any = camera_of(encoder, name).target
    deadline = time.monotonic() + LONG_S
    while target._writer._process is None and time.monotonic() < deadline:
        time.sleep(0.005)
    return int(target._writer._process.pid)


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG_S
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.smoke
@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "spooled"])
def test_every_camera_has_every_frame_at_its_time(tmp_path: Path, binaries: Binaries, streaming: bool) -> None:
    fps = Fraction(30000, 1001)
    with StreamingVideoEncoder(fps, camera_encoder=H264, streaming_encoding=streaming, binaries=binaries) as encoder:
        encoder.start_episode(["left", "right"], tmp_path / "e")
        for number in range(12):
            small, large = numbered_frame(number, width=64, height=48), numbered_frame(100 + number)
            assert encoder.feed_frames({"left": small, "right": large})
            small[...] = large[...] = 0  # they were copied
        if not streaming:
            while len(files(tmp_path / "e")) < 2:  # each is made by its camera's thread
                time.sleep(0.01)
            assert all(name.endswith(".recording.npy") for name in files(tmp_path / "e"))
        recording = encoder.finish_episode().wait(LONG_S)
    assert files(tmp_path) == ["e/left.mp4", "e/right.mp4"]
    assert (recording.frames, recording.ledger.steps, recording.ledger.drops) == (12, 12, ())
    for name, first, size in (("left", 0, (64, 48)), ("right", 100, (128, 96))):
        camera = recording.cameras[name]
        assert camera.path == tmp_path / "e" / f"{name}.mp4"
        assert numbers_of(VideoReader(camera.path, binaries=binaries)) == list(range(first, first + 12))
        packets = probe_packets(camera.path, binaries=binaries)
        assert [packets.pts_s(k) for k in range(packets.count)] == [k / fps for k in range(12)]
        assert (camera.frames, camera.dtype, camera.fallbacks) == (12, "uint8", ())
        sampler = FrameSampler()
        for frame in numbered_frames(12, start=first, width=size[0], height=size[1]):
            sampler.add(frame)
        assert camera.statistics.to_json() == sampler.statistics().to_json()
        assert not isinstance(camera.result, ImageFolder)
        assert camera.result.frames == 12
        assert camera.result.encoder.name == "libx264"


def test_streamed_and_spooled_are_the_same_video(tmp_path: Path, binaries: Binaries) -> None:
    hashes = []
    for streaming in (True, False):
        with StreamingVideoEncoder(
            30, camera_encoder=H264, streaming_encoding=streaming, encoder_threads=1, binaries=binaries
        ) as encoder:
            encoder.start_episode(["a"], tmp_path / str(streaming))
            for frame in numbered_frames(6):
                encoder.feed_frame("a", frame)
            hashes.append(frame_hashes(encoder.finish_episode().wait(LONG_S).cameras["a"].path, binaries=binaries))
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 6


def depth_frame(number: int, dtype: str) -> np.ndarray:
    rng = np.random.default_rng(number)
    frame = rng.integers(0, 65536, (48, 64), dtype=np.uint16)
    if dtype == "uint16":
        return frame
    metres = frame.astype(np.float32) / 1000
    metres[0, 0] = np.nan
    return metres


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "spooled"])
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_depth_comes_back_within_its_codes(tmp_path: Path, binaries: Binaries, dtype: str, streaming: bool) -> None:
    frames = [depth_frame(number, dtype) for number in range(4)]
    with StreamingVideoEncoder(
        30, camera_encoder=H264, depth_encoder=CODES, streaming_encoding=streaming, binaries=binaries
    ) as encoder:
        encoder.start_episode(
            {"depth": DepthFormat(width=64, height=48, in_metres=dtype == "float32"), "rgb": None},
            tmp_path,
            depth_cameras=["depth"],
        )
        for number, frame in enumerate(frames):
            shaped = frame if number % 2 else frame[:, :, None]
            encoder.feed_frames({"depth": shaped, "rgb": numbered_frame(number)})
        recording = encoder.finish_episode().wait(LONG_S)
    camera = recording.cameras["depth"]
    assert (camera.path.name, camera.dtype, camera.frames) == ("depth.mov", dtype, 4)
    unit = "mm" if dtype == "uint16" else "m"
    read = list(read_depth(camera.path, CODES, unit=unit, binaries=binaries))
    for frame, back in zip(frames, read, strict=True):
        assert np.array_equal(back, CODES.quantizer.dequantize(CODES.quantizer.quantize(frame), unit))
    sampler = FrameSampler()
    for frame in frames:
        sampler.add(frame)
    assert camera.statistics.count.tolist() == [4]
    np.testing.assert_equal(camera.statistics.to_json(), sampler.statistics().to_json())


def test_millimetres_keep_every_bit(tmp_path: Path, binaries: Binaries) -> None:
    config = DepthEncoderConfig.lossless16()
    with StreamingVideoEncoder(30, depth_encoder=config, binaries=binaries) as encoder:
        encoder.start_episode(["depth"], tmp_path, depth_cameras=["depth"])
        for number in range(3):
            encoder.feed_frame("depth", depth_frame(number, "uint16"))
        recording = encoder.finish_episode().wait(LONG_S)
    read = VideoReader(recording.cameras["depth"].path, layout="gray16", binaries=binaries)
    assert [frame.tobytes() for frame in read] == [depth_frame(number, "uint16").tobytes() for number in range(3)]


@pytest.fixture
def with_images(binaries: Binaries) -> Binaries:
    """The executables, if they can write images of every kind."""
    if not {"png", "tiff"} <= probe_capabilities(binaries.ffmpeg).encoders.keys():
        pytest.skip("this ffmpeg cannot write images")
    return binaries


def test_images_that_this_ffmpeg_cannot_write_are_refused_at_once(tmp_path: Path, binaries: Binaries) -> None:
    if "png" in probe_capabilities(binaries.ffmpeg).encoders:
        pytest.skip("this ffmpeg writes PNG")
    encoder = StreamingVideoEncoder(30, binaries=binaries)
    with pytest.raises(EncoderUnavailableError, match=r"camera 'cam': .* has no encoder 'png'"):
        encoder.start_episode({"cam": FrameFormat(width=64, height=48)}, tmp_path / "e", image_cameras=["cam"])
    assert not (tmp_path / "e").exists()


def test_images_keep_every_bit(tmp_path: Path, with_images: Binaries) -> None:
    binaries = with_images
    directory = tmp_path / "50%d"
    frames = {
        "rgb": [np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8) for number in range(5)],
        "depth": [depth_frame(number, "uint16") for number in range(5)],
    }
    with StreamingVideoEncoder(30, binaries=binaries) as encoder:
        encoder.start_episode(list(frames), directory, depth_cameras=["depth"], image_cameras=list(frames))
        for number in range(5):
            encoder.feed_frames({name: series[number] for name, series in frames.items()})
        recording = encoder.finish_episode().wait(LONG_S)
    assert files(directory) == [
        *(f"depth/frame-{number:06d}.tiff" for number in range(5)),
        *(f"rgb/frame-{number:06d}.png" for number in range(5)),
    ]
    for name, layout in (("rgb", "rgb"), ("depth", "gray16")):
        folder = recording.cameras[name].result
        assert isinstance(folder, ImageFolder)
        assert (folder.frames, folder.files()[4].is_file()) == (5, True)
        form = FrameFormat(width=64, height=48, layout=layout)
        back = [frame.tobytes() for frame in read_images(folder, form, binaries=binaries)]
        assert back == [frame.tobytes() for frame in frames[name]]


@pytest.mark.parametrize("leave", ["close", "cancel"])
def test_images_that_were_there_before_stay(tmp_path: Path, with_images: Binaries, leave: str) -> None:
    binaries = with_images
    (tmp_path / "cam").mkdir()
    (tmp_path / "cam" / "frame-000000.png").write_bytes(b"precious")
    encoder = StreamingVideoEncoder(30, binaries=binaries)
    encoder.start_episode(["cam"], tmp_path, image_cameras=["cam"])
    with pytest.raises(RecordingError, match=r"nothing was kept.*exists already") as caught:
        while True:
            encoder.feed_frame("cam", numbered_frame(1))
    assert isinstance(caught.value.__cause__, OutputExistsError)
    assert caught.value.kept is None
    if leave == "cancel":
        encoder.cancel_episode()
    encoder.close()
    assert (tmp_path / "cam" / "frame-000000.png").read_bytes() == b"precious"
    assert files(tmp_path) == ["cam/frame-000000.png"]


def test_a_video_that_was_there_before_stays(tmp_path: Path, binaries: Binaries) -> None:
    (tmp_path / "b.mp4").write_bytes(b"precious")
    form = FrameFormat(width=128, height=96)
    with StreamingVideoEncoder(30, camera_encoder=H264, binaries=binaries) as encoder:
        with pytest.raises(OutputExistsError):
            encoder.start_episode({"a": form, "b": form}, tmp_path)
        assert files(tmp_path) == ["b.mp4"]
        encoder.start_episode(["a"], tmp_path)  # nothing is open
    assert (tmp_path / "b.mp4").read_bytes() == b"precious"


def test_what_this_ffmpeg_cannot_do_is_found_before_the_first_frame(tmp_path: Path, binaries: Binaries) -> None:
    wrong = VideoEncoderConfig(vcodec="h264", extra_options={"bogus": 1})
    with StreamingVideoEncoder(30, camera_encoder={"a": H264, "b": wrong}, binaries=binaries) as encoder:
        form = FrameFormat(width=64, height=48)
        with pytest.raises(EncoderOptionError, match="bogus"):
            encoder.start_episode({"a": form, "b": form}, tmp_path / "e")
        assert not (tmp_path / "e").exists()
        encoder.start_episode(["a", "b"], tmp_path / "e")
        with pytest.raises(CapabilityError, match="bogus"):
            encoder.feed_frames({"a": numbered_frame(0), "b": numbered_frame(0)})
        encoder.cancel_episode()
    assert files(tmp_path) == []


def kill_in_the_middle(
    encoder: StreamingVideoEncoder, directory: Path, *, count: int, at: int, encoded: int
) -> dict[str, Any]:
    """Record numbered frames of one camera and kill its ffmpeg on the way, when some of them are in its file."""
    encoder.start_episode(["a"], directory)
    for number in range(count):
        if number == at:
            wait_for(lambda: camera_of(encoder, "a").target._recorded() >= encoded)  # type: ignore[attr-defined]
            os.kill(pid_of(encoder, "a"), signal.SIGKILL)
        encoder.feed_frame("a", numbered_frame(number))
    return dict(encoder.finish_episode().wait(LONG_S).cameras)


@pytest.mark.parametrize(("at", "encoded"), [(0, 0), (150, 4)])
def test_a_fallback_goes_on_without_losing_a_frame(
    tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture, at: int, encoded: int
) -> None:
    with StreamingVideoEncoder(30, camera_encoder=H264, fallback=H264, encoder_threads=1, binaries=binaries) as encoder:
        if at == 0:
            encoder.start_episode({"a": FrameFormat(width=128, height=96)}, tmp_path)
            os.kill(pid_of(encoder, "a"), signal.SIGKILL)
            for number in range(180):
                encoder.feed_frame("a", numbered_frame(number))
            camera = encoder.finish_episode().wait(LONG_S).cameras["a"]
        else:
            camera = kill_in_the_middle(encoder, tmp_path, count=180, at=at, encoded=encoded)["a"]
    assert files(tmp_path) == ["a.mp4"]
    assert "is kept in" not in caplog.text
    assert numbers_of(VideoReader(camera.path, binaries=binaries)) == list(range(180))
    (fallback,) = camera.fallbacks
    assert (fallback.encoder, fallback.same_bits) == ("libx264", True)
    assert "SIGKILL" in fallback.reason
    assert encoded <= fallback.frame <= at
    assert (camera.frames, camera.result.frames, camera.result.size_bytes) == (180, 180, camera.path.stat().st_size)
    if at:  # what was in the file is there bit by bit
        plain = encode_frames(
            numbered_frames(180), tmp_path / "plain.mp4", fps=30, config=H264, encoder_threads=1, binaries=binaries
        ).path
        kept = frame_hashes(camera.path, binaries=binaries)[: fallback.frame]
        assert kept == frame_hashes(plain, binaries=binaries)[: fallback.frame]


def test_a_fallback_to_another_codec_encodes_what_there_is_anew(tmp_path: Path, binaries: Binaries) -> None:
    other = VideoEncoderConfig(vcodec="mpeg4", crf=2)
    with StreamingVideoEncoder(30, camera_encoder=H264, fallback=other, binaries=binaries) as encoder:
        camera = kill_in_the_middle(encoder, tmp_path, count=160, at=150, encoded=4)["a"]
    assert files(tmp_path) == ["a.mp4"]
    assert numbers_of(VideoReader(camera.path, binaries=binaries)) == list(range(160))
    (fallback,) = camera.fallbacks
    assert fallback.same_bits is False
    assert camera.result.stream.codec == "mpeg4"


def test_a_fallback_ends_an_encoder_that_still_runs(tmp_path: Path, binaries: Binaries) -> None:
    """It takes frames and gives none back: its file is looked at only when nobody writes it any more."""
    encoder = StreamingVideoEncoder(30, camera_encoder=H264, fallback=H264, binaries=binaries)
    encoder.start_episode({"a": FrameFormat(width=128, height=96)}, tmp_path)
    job = camera_of(encoder, "a").target.job  # type: ignore[attr-defined]
    encoder.close()
    target = VideoTarget(tmp_path / "b.mp4", job)
    for frame in numbered_frames(60):
        target.write(frame)
    wait_for(lambda: target._recorded() > 5)
    done = target.fall_back(ProcessTimeoutError("nothing comes back", argv=["ffmpeg"]))
    assert 5 < done <= 60
    for frame in numbered_frames(70 - done, start=done):
        target.write(frame)
    assert target.finish().frames == 70
    assert numbers_of(VideoReader(target.path, binaries=binaries)) == list(range(70))
    assert files(tmp_path) == ["b.mp4"]


def test_a_fallback_that_cannot_work_is_found_before_it_is_needed(tmp_path: Path, binaries: Binaries) -> None:
    wrong = VideoEncoderConfig(vcodec="ffv1", g=1)  # not into the .mp4 of the camera
    encoder = StreamingVideoEncoder(30, camera_encoder=H264, fallback=wrong, binaries=binaries)
    with pytest.raises(CapabilityError, match="ffv1"):
        encoder.start_episode({"a": FrameFormat(width=64, height=48)}, tmp_path)
    assert files(tmp_path) == []


def test_status_tells_how_far_every_camera_is(tmp_path: Path, with_images: Binaries) -> None:
    binaries = with_images
    seen = []
    with StreamingVideoEncoder(
        30, camera_encoder=H264, binaries=binaries, on_status=seen.append, status_interval_s=0.01, queue_maxsize=100
    ) as encoder:
        encoder.start_episode(["a", "b"], tmp_path, image_cameras=["b"])
        steps = 0
        while not steps or not all(
            camera.frames_encoded and camera.size_bytes for camera in encoder.status().cameras.values()
        ):
            encoder.feed_frames({"a": numbered_frame(steps % 256), "b": numbered_frame(steps % 256)})
            steps += 1
            time.sleep(0.005)  # FFmpeg 4.2 reports only while frames come
        status = encoder.status()
        assert (status.steps, status.dropped, status.finishing) == (steps, 0, 0)
        assert status.elapsed_s > 0
        camera = status.cameras["a"]
        assert (camera.frames_in, camera.queue_maxsize, camera.dropped) == (steps, 100, 0)
        assert 0 < camera.frames_encoded <= steps
        assert camera.realtime_factor == pytest.approx(camera.encoded_fps / 30)
        assert camera.encoder == "libx264"
        assert status.cameras["b"].encoder == "images"
        encoder.finish_episode().wait(LONG_S)
    assert any(each.cameras for each in seen)


@pytest.mark.parametrize("streaming", [True, False], ids=["streamed", "spooled"])
def test_cancel_leaves_nothing(tmp_path: Path, with_images: Binaries, streaming: bool) -> None:
    binaries = with_images
    with StreamingVideoEncoder(
        30, camera_encoder=H264, depth_encoder=CODES, streaming_encoding=streaming, binaries=binaries
    ) as encoder:
        for count in (0, 1, 8):
            encoder.start_episode(["a", "d", "i"], tmp_path / "e", depth_cameras=["d"], image_cameras=["i"])
            for number in range(count):
                encoder.feed_frames(
                    {"a": numbered_frame(number), "d": depth_frame(number, "uint16"), "i": numbered_frame(number)}
                )
            encoder.cancel_episode()
            assert list((tmp_path / "e").iterdir()) == []
        encoder.start_episode(["a"], tmp_path / "e")
        encoder.feed_frame("a", numbered_frame(7))
    assert list((tmp_path / "e").iterdir()) == []


def test_two_episodes_overlap(tmp_path: Path, binaries: Binaries) -> None:
    with StreamingVideoEncoder(30, camera_encoder=H264, max_finishing=2, binaries=binaries) as encoder:
        handles = []
        for episode in range(3):
            encoder.start_episode(["a", "b"], tmp_path / str(episode))
            for number in range(10):
                encoder.feed_frames({name: numbered_frame(50 * episode + number) for name in "ab"})
            handles.append(encoder.finish_episode())
        recordings = [handle.wait(LONG_S) for handle in handles]
    for episode, recording in enumerate(recordings):
        for camera in recording.cameras.values():
            shown = numbers_of(VideoReader(camera.path, binaries=binaries))
            assert shown == list(range(50 * episode, 50 * episode + 10))
    assert files(tmp_path) == [f"{episode}/{name}.mp4" for episode in range(3) for name in "ab"]


def test_a_spool_that_cannot_be_encoded_is_kept(tmp_path: Path, binaries: Binaries) -> None:
    encoder = StreamingVideoEncoder(30, camera_encoder=H264, streaming_encoding=False, binaries=binaries)
    encoder.start_episode(["a"], tmp_path)
    for frame in numbered_frames(5):
        encoder.feed_frame("a", frame)
    (tmp_path / "a.mp4").write_bytes(b"precious")  # meanwhile
    with pytest.raises(
        RecordingError, match=r"is kept in .* \(raw frames; read them with ffenc.streaming.spool.read_spool\)"
    ) as caught:
        encoder.finish_episode().wait(LONG_S)
    encoder.close()
    assert caught.value.kept is not None
    assert find_recordings(tmp_path) == [caught.value.kept]
    assert numbers_of(read_spool(caught.value.kept)) == list(range(5))
    assert (tmp_path / "a.mp4").read_bytes() == b"precious"


def priorities_of(pid: int) -> list[tuple[int, int]]:
    """(scheduling policy, nice value) of every thread of a process."""
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # it has just ended
            found.append((os.sched_getscheduler(int(thread.name)), os.getpriority(os.PRIO_PROCESS, int(thread.name))))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and scheduling policies")
def test_an_encoder_has_less_priority_than_we_and_no_real_time_thread(
    tmp_path: Path, binaries: Binaries, encoders_here: tuple[str, ...]
) -> None:
    # As root SVT-AV1 would take SCHED_FIFO 99.
    vcodec = "libsvtav1" if "libsvtav1" in encoders_here else "libx264"
    config = VideoEncoderConfig(vcodec=vcodec)
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    with StreamingVideoEncoder(30, camera_encoder=config, priority=Priority(nice=5), binaries=binaries) as encoder:
        encoder.start_episode({"a": FrameFormat(width=128, height=96)}, tmp_path)
        pid = pid_of(encoder, "a")
        for frame in numbered_frames(40):
            encoder.feed_frame("a", frame)
        wait_for(lambda: len(priorities_of(pid)) > 3)
        assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, ours + 5)
        for scheduler, nice in priorities_of(pid):
            assert scheduler == os.SCHED_OTHER
            assert nice >= min(19, ours + 5)  # x264 lowers a thread of its own
        encoder.finish_episode().wait(LONG_S)
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours


@pytest.mark.skipif(sys.platform != "linux", reason="priority is handed on by threads only there")
def test_the_copy_at_the_end_has_less_priority_too(tmp_path: Path, binaries: Binaries) -> None:
    log, wrapper, out = tmp_path / "log", tmp_path / "ffmpeg", tmp_path / "out"
    wrapper.write_text(f'#!/bin/sh\necho "$(nice) $*" >> {log}\nexec {binaries.ffmpeg} "$@"\n')
    wrapper.chmod(0o755)
    out.mkdir()
    wrapped = dataclasses.replace(binaries, ffmpeg=wrapper)
    with StreamingVideoEncoder(30, camera_encoder=H264, priority=Priority(nice=5), binaries=wrapped) as encoder:
        encoder.start_episode(["a"], out)
        for frame in numbered_frames(5):
            encoder.feed_frame("a", frame)
        encoder.finish_episode().wait(LONG_S)
    calls = [line.split(" ", 1) for line in log.read_text(encoding="utf-8").splitlines()]
    (copying,) = [int(nice) for nice, command in calls if "-c:v copy" in command and str(out) in command]
    assert copying == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 5)
