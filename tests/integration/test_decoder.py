"""Test that a persistent decoder returns the exact frames of a sequential decode, and raises an error if it cannot."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, DepthEncoderConfig, VideoReader, find_binaries, read_depth
from ffenc.depth import DepthUnit
from ffenc.errors import FrameError, InputError, OutputError, ProcessDiedError, ProcessTimeoutError
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import FFmpegProcess, ToolOutput
from ffenc.video import decoder_pool, undecodable
from ffenc.video.decoder_pool import DECODERS, DecoderPool, SampleTables
from tests.children import run_python
from tests.frame_matrix import FRAMES, STREAMS, CannotMakeError, Maker, MatrixInput
from tests.frame_numbers import HEIGHT, WIDTH, read

pytestmark = [pytest.mark.integration]

Frames = npt.NDArray[Any]

DECODER_CODECS = ("h264", "hevc", "vp9", "av1")
"""Codecs that a persistent decoder supports."""


@pytest.fixture(scope="module")
def maker(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(binaries.ffmpeg, tmp_path_factory.mktemp("clips"))


@pytest.fixture(autouse=True)
def _no_processes_left() -> Iterator[None]:
    DECODERS.close()  # of other test modules
    yield
    DECODERS.close()


def make(maker: Maker, stream: str, container: str = "mp4", layout: str = "plain", damage: str | None = None) -> Path:
    try:
        return maker.make(MatrixInput(stream=stream, container=container, layout=layout, damage=damage))
    except CannotMakeError as err:
        pytest.skip(f"this FFmpeg cannot write it: {err}")


def in_order(path: Path, **options: Any) -> Frames:
    try:
        return np.stack(list(VideoReader(path, method="process", **options)))
    except ProcessDiedError as err:
        if "Function not implemented" in str(err) or "Decoder (codec" in str(err):
            pytest.skip("this FFmpeg cannot decode it")
        raise


def requests() -> list[list[int]]:
    """Return requests for one frame, for consecutive frames and for distant frames, in any order and with repeats."""
    rng = np.random.default_rng(7)
    single = [[int(number)] for number in (0, FRAMES - 1, *rng.integers(FRAMES, size=6))]
    return [*single, [20, 21, 22, 23], [47, 3, 3, 30, 0], [int(number) for number in rng.integers(FRAMES, size=12)]]


@pytest.mark.parametrize("stream", STREAMS)
def test_frames_equal_those_of_a_sequential_decode(maker: Maker, stream: str) -> None:
    path = make(maker, stream)
    wanted = in_order(path)
    reader = VideoReader(path)
    assert reader.method == ("decoder" if stream.partition("-")[0] in DECODER_CODECS else "process")
    for numbers in requests():
        assert np.array_equal(reader.frames(numbers), wanted[numbers]), numbers
    if stream.partition("-")[0] in DECODER_CODECS and stream != "h264-refresh":
        assert reader.method == "decoder"
        assert len(DECODERS) == 1


@pytest.mark.parametrize(
    ("container", "layout"),
    [("mkv", "plain"), ("ts", "plain"), ("fragmented", "plain"), ("mp4", "audio-first"), ("mp4", "trimmed")],
)
def test_files_without_a_plain_index_start_a_process_per_request(maker: Maker, container: str, layout: str) -> None:
    reader = VideoReader(make(maker, "h264-b", container, layout))
    wanted = np.stack(list(reader))
    assert np.array_equal(reader.frames([30, 2, 31]), wanted[[30, 2, 31]])
    assert reader.method == "process"
    assert len(DECODERS) == 0


def with_hole(path: Path, target: Path) -> Path:
    """Copy a file with the middle of a coded frame overwritten."""
    index = read_mp4_index(path)
    assert index is not None
    content = bytearray(path.read_bytes())
    offsets = index.table.offsets
    largest = 20 + int(np.diff(offsets)[20:30].argmax())
    middle = int(offsets[largest] + offsets[largest + 1]) // 2
    content[middle - 20 : middle + 20] = b"\xff" * 40
    target.write_bytes(content)
    return target


@pytest.mark.parametrize("stream", ["h264", "hevc-open"])
@pytest.mark.parametrize("damage", ["hole", "no-key-table", "other-size"])
def test_damaged_files_give_correct_frames_or_an_error(maker: Maker, tmp_path: Path, stream: str, damage: str) -> None:
    intact = make(maker, stream)
    wanted = in_order(intact)
    path = with_hole(intact, tmp_path / "a.mp4") if damage == "hole" else make(maker, stream, damage=damage)
    reader = VideoReader(path)
    decoded = []
    for number in range(0, FRAMES, 3):
        try:
            frame = reader[number]
        except (InputError, OutputError, ProcessDiedError):
            continue
        decoded.append(number)
        assert read(frame) == number
        assert damage == "other-size" or np.array_equal(frame, wanted[number])
    assert decoded or damage == "other-size"


def test_files_with_equal_parameters_share_a_decoder(maker: Maker, tmp_path: Path) -> None:
    first = make(maker, "h264-b")
    paths = [first]
    for number in range(3):
        paths.append(tmp_path / f"{number}.mp4")
        paths[-1].write_bytes(first.read_bytes())
    wanted = in_order(first)
    for path in paths * 2:
        assert np.array_equal(VideoReader(path)[17], wanted[17])
    assert len(DECODERS) == 1


def test_indices_slices_and_ranges(maker: Maker) -> None:
    path = make(maker, "h264-g2")
    wanted = in_order(path)
    with VideoReader(path) as reader:
        assert (len(reader), reader.width, reader.height) == (FRAMES, WIDTH, HEIGHT)
        assert reader.shape == (HEIGHT, WIDTH, 3)
        assert np.array_equal(reader[-1], wanted[-1])
        assert np.array_equal(reader[np.int64(5)], wanted[5])
        assert np.array_equal(reader[40:10:-7], wanted[40:10:-7])
        assert reader[5:5].shape == (0, HEIGHT, WIDTH, 3)
        assert np.array_equal(np.stack(list(reader.read_range(8, 20))), wanted[8:20])
        assert np.array_equal(reader.frames_at([1.5, 0.1]), wanted[[45, 3]])
        with pytest.raises(IndexError, match=f"no frame {FRAMES}; it has {FRAMES}"):
            _ = reader[FRAMES]
        with pytest.raises(IndexError):
            _ = reader[-FRAMES - 1]


def test_frames_are_written_into_a_buffer(maker: Maker) -> None:
    path = make(maker, "h264-g2")
    wanted = in_order(path)
    reader = VideoReader(path)
    buffer = np.zeros((3, *reader.shape), np.uint8)
    assert reader.frames([4, 40, 4], out=buffer) is buffer
    assert np.array_equal(buffer, wanted[[4, 40, 4]])
    for wrong in (buffer[:2], buffer.astype(np.int16), buffer[:, ::-1]):
        with pytest.raises(FrameError, match="out: expected"):
            reader.frames([4, 40, 4], out=wrong)


@pytest.mark.parametrize("layout", ["rgb", "bgr", "gray", "rgba", "rgb_chw"])
@pytest.mark.parametrize("size", [None, (48, 80)])
def test_layouts_and_sizes(maker: Maker, layout: str, size: tuple[int, int] | None) -> None:
    path = make(maker, "h264-g2")
    height, width = size or (HEIGHT, WIDTH)
    reader = VideoReader(path, layout=layout, size=size)
    assert (reader.height, reader.width) == (height, width)
    frames = reader.frames([3, 30])
    assert reader.method == "decoder"
    assert np.array_equal(frames, in_order(path, layout=layout, size=size)[[3, 30]])
    rgb = VideoReader(path, size=size).frames([3, 30])
    if layout == "rgb_chw":
        assert frames.shape == (2, 3, height, width)
        assert np.array_equal(frames.transpose(0, 2, 3, 1), rgb)
    if layout == "bgr":
        assert np.array_equal(frames[..., ::-1], rgb)


LEROBOT_DEPTH = Path(__file__).parents[1] / "data/depth/lerobot-0.6.1.mp4"


@pytest.mark.parametrize("unit", ["mm", "m"])
def test_depth_in_a_unit(unit: DepthUnit) -> None:
    reader = VideoReader(LEROBOT_DEPTH, layout=f"depth_{unit}")
    wanted = np.stack(list(read_depth(LEROBOT_DEPTH, unit=unit)))
    numbers = [len(reader) - 1, 0, 1]
    depth = reader.frames(numbers)
    assert reader.method == "decoder"
    assert depth.dtype == reader.dtype == (np.uint16 if unit == "mm" else np.float32)
    assert np.array_equal(depth, wanted[numbers])
    assert np.array_equal(
        VideoReader(LEROBOT_DEPTH, layout="gray12").frames(numbers), in_order(LEROBOT_DEPTH, layout="gray12")[numbers]
    )


def test_scaled_depth_is_not_interpolated() -> None:
    height, width = VideoReader(LEROBOT_DEPTH).shape[:2]
    whole = VideoReader(LEROBOT_DEPTH, layout="depth_mm")[0]
    small = VideoReader(LEROBOT_DEPTH, layout="depth_mm", size=(height // 3, width // 3))[0]
    assert set(small.ravel()) <= set(whole.ravel())


def test_depth_layout_of_a_colour_video_is_refused(maker: Maker) -> None:
    path = make(maker, "h264")
    with pytest.raises(InputError, match="has pixel format yuv420p, but the depth config has gray12le"):
        VideoReader(path, layout="depth_mm")
    with pytest.raises(ValueError, match="depth= has no effect with layout 'rgb'; use depth_mm or depth_m"):
        VideoReader(path, depth=DepthEncoderConfig())


def test_unknown_layout_is_refused(maker: Maker) -> None:
    with pytest.raises(ValueError, match=r"unknown layout 'chw'; expected one of rgb, .*rgb_chw, depth_mm"):
        VideoReader(make(maker, "h264"), layout="chw")


def test_changed_file_is_detected(maker: Maker, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(make(maker, "h264-g2").read_bytes())
    reader = VideoReader(path)
    assert reader[3] is not None
    path.write_bytes(make(maker, "h264-b").read_bytes())
    with pytest.raises(InputError, match=r"a\.mp4 was changed after it was opened"):
        _ = reader[3]
    wanted = in_order(path)
    assert np.array_equal(VideoReader(path)[3], wanted[3])
    path.unlink()
    with pytest.raises(InputError, match="can no longer be read: No such file"):
        _ = reader[3]


def test_killed_decoder_is_replaced(maker: Maker) -> None:
    path = make(maker, "h264-b")
    wanted = in_order(path)
    reader = VideoReader(path)
    for number in (5, 25, 44):
        assert np.array_equal(reader[number], wanted[number])
        (pid,) = DECODERS.pids
        os.kill(pid, signal.SIGKILL)
    assert reader.method == "decoder"
    assert len(DECODERS) == 1


def test_second_crash_raises_an_error(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = VideoReader(make(maker, "h264-b"))

    def start_dead(pool: DecoderPool, key: Any) -> decoder_pool.Decoder:
        decoder = decoder_pool.Decoder(key)
        os.kill(decoder.pid, signal.SIGKILL)
        return decoder

    monkeypatch.setattr(DecoderPool, "_start", start_dead)
    with pytest.raises(ProcessDiedError, match=r"the decoder did not output frame 9 of .*h264-b.*SIGKILL"):
        _ = reader[9]
    assert len(DECODERS) == 0
    monkeypatch.undo()
    assert reader[9] is not None


def test_killed_command_says_nothing_about_the_file(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = VideoReader(make(maker, "h264-b"), method="process")
    wanted = reader[40]
    start = FFmpegProcess.start

    def start_killed(*arguments: Any, **options: Any) -> FFmpegProcess:
        process = start(*arguments, **options)
        os.kill(process.pid, signal.SIGKILL)
        return process

    monkeypatch.setattr(FFmpegProcess, "start", start_killed)
    with pytest.raises(ProcessDiedError, match="SIGKILL"):
        _ = reader[40]
    monkeypatch.undo()
    assert np.array_equal(reader[40], wanted)
    assert reader._clip.is_seekable
    listed = ToolOutput(argv=(), returncode=-9, stdout=b"", stderr="")
    monkeypatch.setattr(undecodable, "run_tool", lambda *_, **__: listed)
    assert undecodable.why_undecodable(reader._clip, binaries=find_binaries()) is None


def test_stalled_decoder_raises_an_error(maker: Maker) -> None:
    reader = VideoReader(make(maker, "h264-b"), stall_timeout_s=0.5)
    assert reader[0] is not None
    (pid,) = DECODERS.pids
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(ProcessTimeoutError, match=r"frame 9 of .*h264-b.* no progress for 0\.5 s"):
        _ = reader[9]
    assert len(DECODERS) == 0
    assert reader[9] is not None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an interrupt while /proc is read
def test_interrupted_request_leaves_no_decoder(maker: Maker) -> None:
    reader = VideoReader(make(maker, "h264-b"))
    wanted = reader[9]
    (pid,) = DECODERS.pids
    os.kill(pid, signal.SIGSTOP)
    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        _ = reader[9]
    timer.join()
    assert len(DECODERS) == 0
    assert np.array_equal(reader[9], wanted)


def test_threads_share_a_reader_within_the_process_limit(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DECODERS, "limit", 2)
    clips = {stream: make(maker, stream) for stream in ("h264", "h264-b", "h264-g2")}
    wanted = {stream: in_order(path) for stream, path in clips.items()}
    readers = {stream: VideoReader(path) for stream, path in clips.items()}
    most = 0

    def read(number: int) -> bool:
        nonlocal most
        stream = list(clips)[number % 3]
        frame = readers[stream][number % FRAMES]
        most = max(most, len(DECODERS))
        return np.array_equal(frame, wanted[stream][number % FRAMES])

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(read, range(120)))
    assert most <= 2


def test_least_recently_used_decoder_is_replaced(maker: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DECODERS, "limit", 2)
    first, second, third = (VideoReader(make(maker, stream)) for stream in ("h264", "h264-b", "h264-g2"))
    assert first[0] is not None
    (kept,) = DECODERS.pids
    assert second[0] is not None
    assert first[0] is not None
    assert third[0] is not None
    assert len(DECODERS) == 2
    assert kept in DECODERS.pids


def test_reader_can_be_pickled(maker: Maker) -> None:
    reader = VideoReader(make(maker, "h264-b"))
    other: VideoReader = pickle.loads(pickle.dumps(reader))
    assert other.method == "decoder"
    assert np.array_equal(other[31], reader[31])


def _frame_of(reader: VideoReader, number: int, results: Any) -> None:
    results.put((reader[number], DECODERS.pids))
    DECODERS.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_start_their_own_decoders(maker: Maker, method: str) -> None:
    reader = VideoReader(make(maker, "h264-b"))
    wanted = reader[31]
    (ours,) = DECODERS.pids
    context = multiprocessing.get_context(method)
    results = context.Queue()
    workers = [context.Process(target=_frame_of, args=(reader, 31, results)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for _ in workers:
        frame, pids = results.get(timeout=60)
        assert np.array_equal(frame, wanted)
        assert ours not in pids
    for worker in workers:
        worker.join()
    assert np.array_equal(reader[31], wanted)
    assert DECODERS.pids == [ours]


def print_pid(path: str) -> None:
    frame = VideoReader(path)[2]
    assert frame.any()
    print(*DECODERS.pids)


def print_pid_and_die(path: str) -> None:
    print_pid(path)
    sys.stdout.flush()
    os._exit(0)


@pytest.mark.parametrize("function", [print_pid, print_pid_and_die])
def test_no_process_survives_the_interpreter(maker: Maker, function: Any) -> None:
    pid = int(run_python(function, str(make(maker, "h264-b")), timeout_s=60))
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline, f"process {pid} still exists"
        time.sleep(0.02)


def test_table_cache_is_bounded_and_refreshed(maker: Maker, tmp_path: Path) -> None:
    tables = SampleTables(most_frames=2 * FRAMES)
    content = make(maker, "h264-b").read_bytes()
    paths = [tmp_path / f"{number}.mp4" for number in range(5)]
    for path in paths:
        path.write_bytes(content)
        _, table = tables.get(path)
        assert table is not None
        assert len(table) == FRAMES
    assert len(tables) == 2
    version, table = tables.get(paths[-1])
    assert tables.get(paths[-1])[1] is table
    os.utime(paths[-1], ns=(1, 1))
    assert tables.get(paths[-1])[0] != version


def test_second_file_with_equal_parameters_is_measured_without_a_process(
    maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = make(maker, "h264-b")
    wanted = VideoReader(first)
    other = tmp_path / "b.mp4"
    other.write_bytes(first.read_bytes())
    found = find_binaries()
    monkeypatch.setattr("ffenc.video.clip.measure_clip", None)
    reader = VideoReader(other, binaries=found)
    assert reader.stream.path == other
    assert (reader.fps, len(reader), reader.keyframes) == (wanted.fps, len(wanted), wanted.keyframes)


def test_request_larger_than_the_pipes(maker: Maker) -> None:
    """Input is written and output is read in turn, so neither side waits for the other."""
    path = make(maker, "h264-g2")
    wanted = in_order(path, size=(480, 640))
    numbers = list(range(FRAMES - 1, -1, -1))
    assert np.array_equal(VideoReader(path, size=(480, 640)).frames(numbers), wanted[numbers])


def test_sample_table_covers_the_file(maker: Maker) -> None:
    index = read_mp4_index(make(maker, "h264-b"))
    assert index is not None
    assert sorted(index.table.frames) == list(range(FRAMES))
    assert np.array_equal(index.table.samples[index.table.frames], np.arange(FRAMES))
    assert index.table.offsets[-1] - index.table.offsets[0] == index.packets.size_bytes
    assert index.table.delay > 0
