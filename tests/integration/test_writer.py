"""`VideoWriter` and `encode_frames` write every frame in order at exactly k/fps, or no file."""

from __future__ import annotations

import gc
import os
import pickle
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, VideoWriter, encode_frames, probe_packets, probe_video
from ffenc.errors import FFencError, FrameError, OutputError, OutputExistsError, ProcessError
from tests.footage import numbered_frame, numbered_frames, numbers_of

pytestmark = [pytest.mark.integration, pytest.mark.smoke]

H264 = VideoEncoderConfig(vcodec="h264")


def left_behind(directory: Path) -> list[str]:
    return sorted(entry.name for entry in directory.iterdir())


@pytest.mark.parametrize("fps", ["30", "30000/1001", "24000/1001", "7/3", "1", "120"])
def test_every_frame_at_its_time(tmp_path: Path, binaries: Binaries, fps: str) -> None:
    result = encode_frames(numbered_frames(25), tmp_path / "a.mp4", fps=fps, config=H264, binaries=binaries)

    packets = probe_packets(result.path, binaries=binaries)
    assert [packets.pts_s(k) for k in range(25)] == [k / Fraction(fps) for k in range(25)]
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == list(range(25))
    assert result.frames == 25
    assert result.duration_s == 25 / Fraction(fps)
    assert left_behind(tmp_path) == ["a.mp4"]


def test_result_has_measured_values(tmp_path: Path, binaries: Binaries) -> None:
    result = encode_frames(numbered_frames(6), tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)

    assert result.size_bytes == result.path.stat().st_size
    assert result.stream == probe_video(result.path, binaries=binaries)
    assert (result.stream.width, result.stream.height, result.stream.fps) == (128, 96, 30)
    assert (result.encoder.name, result.encoder.config.vcodec) == ("libx264", "libx264")
    assert pickle.loads(pickle.dumps(result)) == result


def test_one_frame(tmp_path: Path, binaries: Binaries) -> None:
    result = encode_frames([numbered_frame(9)], tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [9]


def test_no_frame_is_an_error_and_no_file(tmp_path: Path, binaries: Binaries) -> None:
    with pytest.raises(OutputError, match="no frame was written"):
        encode_frames([], tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert left_behind(tmp_path) == []


def test_no_frame_after_a_start_is_an_error_too(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, size=(128, 96), binaries=binaries)
    with pytest.raises(OutputError, match="no frame was written"), writer:
        pass
    assert left_behind(tmp_path) == []


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(np.zeros((128, 96, 3), np.uint8), id="transposed"),
        pytest.param(np.zeros((3, 96, 128), np.uint8), id="channels-first"),
        pytest.param(np.zeros((96, 128), np.uint8), id="gray"),
        pytest.param(np.zeros((96, 128, 4), np.uint8), id="rgba"),
        pytest.param(np.zeros((96, 128, 3), np.float32), id="float"),
        pytest.param(np.zeros((96, 128, 3), np.uint16), id="uint16"),
        pytest.param(np.zeros((96, 126, 3), np.uint8), id="narrower"),
    ],
)
def test_wrong_frame_is_refused_and_writer_continues(tmp_path: Path, binaries: Binaries, wrong: np.ndarray) -> None:
    with VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries) as writer:
        writer.write(numbered_frame(1))
        with pytest.raises(FrameError) as caught:
            writer.write(wrong)
        writer.write(numbered_frame(2))
    assert caught.value.expected.startswith("(96, 128, 3) uint8")
    assert str(wrong.shape) in caught.value.seen
    assert numbers_of(VideoReader(writer.path, binaries=binaries)) == [1, 2]


def test_exception_in_the_block_leaves_nothing(tmp_path: Path, binaries: Binaries) -> None:
    with pytest.raises(KeyError), VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries) as writer:
        writer.write(numbered_frame(0))
        raise KeyError("camera unplugged")
    assert left_behind(tmp_path) == []
    with pytest.raises(FFencError, match="was aborted"):
        writer.write(numbered_frame(1))


def test_existing_file_is_kept_by_default(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError, match="overwrite"):
        VideoWriter(path, fps=30, config=H264, binaries=binaries)
    assert path.read_bytes() == b"precious"
    encode_frames(numbered_frames(3), path, fps=30, config=H264, overwrite=True, binaries=binaries)
    assert numbers_of(VideoReader(path, binaries=binaries)) == [0, 1, 2]


def test_file_created_meanwhile_is_kept(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "a.mp4"
    writer = VideoWriter(path, fps=30, config=H264, binaries=binaries)
    writer.write(numbered_frame(0))
    path.write_bytes(b"precious")
    with pytest.raises(OutputExistsError):
        writer.close()
    assert path.read_bytes() == b"precious"
    assert left_behind(tmp_path) == ["a.mp4"]


def test_two_writers_of_one_name_do_not_interfere(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "a.mp4"
    first, second = (VideoWriter(path, fps=30, config=H264, binaries=binaries) for _ in range(2))
    first.write(numbered_frame(1))
    second.write(numbered_frame(2))
    first.close()
    with pytest.raises(OutputExistsError):
        second.close()
    assert numbers_of(VideoReader(path, binaries=binaries)) == [1]
    assert left_behind(tmp_path) == ["a.mp4"]


def test_killed_encoder_is_an_error_with_the_count(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    writer.write(numbered_frame(0))
    assert writer._process is not None
    os.kill(writer._process.pid, 9)
    with pytest.raises(ProcessError, match="SIGKILL") as caught:
        for number in range(1, 1000):
            writer.write(numbered_frame(number % 256))
        writer.close()
    assert caught.value.frames_written == writer.frames_written
    assert left_behind(tmp_path) == []


def test_abort_from_another_thread(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    writer.write(numbered_frame(0))
    thread = threading.Thread(target=writer.abort)
    thread.start()
    thread.join()
    with pytest.raises(FFencError):
        writer.write(numbered_frame(1))
    writer.abort()
    assert left_behind(tmp_path) == []


def test_unclosed_writer_leaves_nothing(tmp_path: Path, binaries: Binaries) -> None:
    def forget() -> None:
        VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries).write(numbered_frame(0))
        gc.collect()

    with pytest.warns(ResourceWarning):
        forget()
    assert left_behind(tmp_path) == []


def test_closing_twice_returns_same_result(tmp_path: Path, binaries: Binaries) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    writer.write(numbered_frame(0))
    assert writer.close() is writer.close() is writer.result


def test_views_and_read_only_arrays_are_frames(tmp_path: Path, binaries: Binaries) -> None:
    mirrored = numbered_frame(1)[:, ::-1]
    frozen = numbered_frame(2)
    frozen.flags.writeable = False
    result = encode_frames([mirrored, frozen], tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [128, 2]


@pytest.mark.parametrize("layout", ["rgb", "bgr", "rgba", "bgra", "gray"])
def test_layouts_are_interpreted_correctly(tmp_path: Path, binaries: Binaries, layout: str) -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[...] = (200, 40, 90)
    alpha = np.full((64, 64, 1), 255, np.uint8)
    frame = {
        "rgb": red,
        "bgr": red[..., ::-1],
        "rgba": np.concatenate([red, alpha], axis=-1),
        "bgra": np.concatenate([red[..., ::-1], alpha], axis=-1),
        "gray": red[..., 0],
    }[layout]
    config = VideoEncoderConfig(vcodec="h264", crf=5)
    result = encode_frames([frame] * 3, tmp_path / "a.mp4", fps=30, config=config, layout=layout, binaries=binaries)

    decoded = next(iter(VideoReader(result.path, binaries=binaries)))
    expected = (200, 200, 200) if layout == "gray" else (200, 40, 90)
    assert np.abs(decoded.reshape(-1, 3).mean(0) - expected).max() < 3


def test_layouts_can_be_read(tmp_path: Path, binaries: Binaries) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[...] = (200, 40, 90)
    result = encode_frames([frame], tmp_path / "a.mp4", fps=30, config=H264, binaries=binaries)
    rgb = next(iter(VideoReader(result.path, binaries=binaries)))
    bgr = next(iter(VideoReader(result.path, layout="bgr", binaries=binaries)))
    assert np.array_equal(rgb, bgr[..., ::-1])


@pytest.mark.parametrize(
    "name", ["-dash.mp4", "100%d.mp4", "a b'c\"d.mp4", "naïve:日本.mp4", "new\nline.mp4", "#;[0:v].mp4"]
)
def test_special_file_names(tmp_path: Path, binaries: Binaries, name: str) -> None:
    result = encode_frames(numbered_frames(3), tmp_path / name, fps=30, config=H264, binaries=binaries)
    assert left_behind(tmp_path) == [name]
    assert numbers_of(VideoReader(result.path, binaries=binaries)) == [0, 1, 2]


def test_relative_path_in_the_working_directory(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = encode_frames(numbered_frames(2), "a.mp4", fps=30, config=H264, binaries=binaries)
    assert result.path == Path("a.mp4")
    assert left_behind(tmp_path) == ["a.mp4"]


def test_progress_reaches_the_number_of_frames(tmp_path: Path, binaries: Binaries) -> None:
    seen: list[tuple[int, int | None]] = []
    encode_frames(
        numbered_frames(30),
        tmp_path / "a.mp4",
        fps=30,
        config=H264,
        binaries=binaries,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (30, None)
