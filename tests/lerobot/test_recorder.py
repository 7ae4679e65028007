"""Test LeRobot's recorder on ffenc: rows and frames stay in step, and no process uses PyAV."""

from __future__ import annotations

import concurrent.futures
import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lerobot.judge import check_dataset, numbers_of

pytestmark = pytest.mark.usefixtures("installed")

CAMERA = "observation.images.a"


def features(height: int, width: int, *, channels_first: bool = False) -> dict[str, Any]:
    camera = {"dtype": "video", "shape": (height, width, 3), "names": ["height", "width", "channels"]}
    if channels_first:
        camera = {"dtype": "video", "shape": (3, height, width), "names": ["channels", "height", "width"]}
    vector = {"dtype": "float32", "shape": (2,), "names": ["x", "y"]}
    return {CAMERA: camera, "observation.state": vector, "action": vector}


def new_dataset(root: Path, height: int = 96, width: int = 128, *, channels_first: bool = False, **options: Any) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    form = features(height, width, channels_first=channels_first)
    return LeRobotDataset.create("me/cubes", 30, form, root=root, streaming_encoding=True, **options)


def frame(number: int, height: int = 96, width: int = 128) -> dict[str, Any]:
    from numbered_frames import draw

    image = np.repeat(draw(number, height, width)[:, :, None], 3, axis=2)
    value = np.full(2, number, np.float32)
    return {CAMERA: image, "observation.state": value, "action": value, "task": "count"}


def test_row_is_dropped_with_its_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a slow encoder and a queue of one frame, table and video have the same frames."""
    from lerobot.configs import RGBEncoderConfig

    monkeypatch.setattr("ffenc.lerobot.streaming.WAIT_S", 0.0)
    slow = RGBEncoderConfig(vcodec="h264", preset="placebo", g=30)
    dataset = new_dataset(tmp_path / "d", 720, 1280, rgb_encoder=slow, encoder_queue_maxsize=1, encoder_threads=1)
    fed = 40
    for number in range(fed):
        dataset.add_frame(frame(number, 720, 1280))
    dataset.save_episode()
    dataset.finalize()
    (numbers,) = numbers_of(tmp_path / "d")
    assert 0 < len(numbers) < fed
    check_dataset(tmp_path / "d", [numbers], backends=("pyav",))
    (line,) = (tmp_path / "d" / "meta" / "ffenc" / "episodes.jsonl").read_text().splitlines()
    document = json.loads(line)
    dropped = [drop["step"] for drop in document["drops"]]
    assert sorted(numbers + dropped) == list(range(fed))
    assert document["steps"] == fed


def test_long_wait_prevents_drops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ffenc.lerobot.streaming.WAIT_S", 60.0)
    dataset = new_dataset(tmp_path / "d", encoder_queue_maxsize=1)
    for number in range(60):
        dataset.add_frame(frame(number))
    dataset.save_episode()
    dataset.finalize()
    check_dataset(tmp_path / "d", [list(range(60))], backends=("torchcodec",))


@pytest.mark.parametrize("wrong", ["shape", "dtype", "name"])
def test_refused_frame_adds_nothing(tmp_path: Path, wrong: str) -> None:
    dataset = new_dataset(tmp_path / "d")
    for number in range(5):
        dataset.add_frame(frame(number))
    bad = frame(99)
    if wrong == "shape":
        bad[CAMERA] = bad[CAMERA][:50]
    elif wrong == "dtype":
        bad[CAMERA] = bad[CAMERA].astype(np.int32)
    else:
        bad["unknown"] = bad.pop(CAMERA)
    with pytest.raises(ValueError):
        dataset.add_frame(bad)
    for number in range(5, 10):
        dataset.add_frame(frame(number))
    dataset.save_episode()
    dataset.finalize()
    check_dataset(tmp_path / "d", [list(range(10))], backends=("torchcodec",))


@pytest.mark.parametrize("form", ["chw", "float", "chw float"])
def test_frame_layouts_and_types(tmp_path: Path, form: str) -> None:
    dataset = new_dataset(tmp_path / "d", channels_first="chw" in form)
    for number in range(6):
        row = frame(number)
        if "float" in form:
            row[CAMERA] = row[CAMERA].astype(np.float32) / 255
        if "chw" in form:
            row[CAMERA] = row[CAMERA].transpose(2, 0, 1)
        dataset.add_frame(row)
    dataset.save_episode()
    dataset.finalize()
    check_dataset(tmp_path / "d", [list(range(6))], backends=("torchcodec",))


def test_discarded_episode_and_episode_of_one_frame(tmp_path: Path) -> None:
    dataset = new_dataset(tmp_path / "d")
    for number in range(5):
        dataset.add_frame(frame(number + 50))
    dataset.clear_episode_buffer()
    dataset.add_frame(frame(7))
    dataset.save_episode()
    dataset.finalize()
    check_dataset(tmp_path / "d", [[7]], backends=("torchcodec",))
    assert not [path for path in (tmp_path / "d").iterdir() if path.name not in ("data", "meta", "videos")]


def test_encoder_records_again_after_close(tmp_path: Path) -> None:
    from lerobot.datasets.video_utils import StreamingVideoEncoder, get_video_duration_in_s

    encoder = StreamingVideoEncoder(30)
    for rows in (2, 3):
        encoder.start_episode([CAMERA], tmp_path)
        for number in range(rows):
            encoder.feed_frame(CAMERA, frame(number)[CAMERA])
        path, statistics = encoder.finish_episode()[CAMERA]
        assert get_video_duration_in_s(path) == pytest.approx(rows / 30)
        assert statistics["count"] == rows
        encoder.close()
        encoder.close()


@pytest.mark.smoke
@pytest.mark.parametrize("settings", [{"g": 2}, {"g": 12, "extra_options": {"bf": 2}}])
def test_episodes_that_are_too_short_for_b_frames(tmp_path: Path, settings: dict[str, Any]) -> None:
    from lerobot.configs import RGBEncoderConfig

    dataset = new_dataset(tmp_path / "d", rgb_encoder=RGBEncoderConfig(vcodec="h264", **settings))
    expected = [list(range(100 * episode, 100 * episode + rows)) for episode, rows in enumerate((1, 5, 2, 1, 4))]
    for numbers in expected:
        for number in numbers:
            dataset.add_frame(frame(number))
        dataset.save_episode()
    dataset.finalize()
    assert len(list((tmp_path / "d").rglob("*.mp4"))) == 1
    check_dataset(tmp_path / "d", expected, backends=("pyav", "torchcodec", "ffmpeg"))


def test_spawned_worker_encodes_with_ffenc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker fails because ffmpeg is missing, which only ffenc needs."""
    from lerobot.configs import RGBEncoderConfig
    from lerobot.datasets import dataset_writer

    monkeypatch.setenv("FFENC_FFMPEG", str(tmp_path / "no-ffmpeg"))
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        config = RGBEncoderConfig.__new__(RGBEncoderConfig)
        job = pool.submit(dataset_writer._encode_video_worker, CAMERA, 0, tmp_path, 30, config)
        with pytest.raises(Exception, match="no-ffmpeg"):
            job.result()


def test_camera_encoder_thread(tmp_path: Path) -> None:
    import queue

    from lerobot.configs import RGBEncoderConfig
    from lerobot.datasets.video_utils import _CameraEncoderThread, get_video_duration_in_s

    frames: queue.Queue[Any] = queue.Queue()
    results: queue.Queue[Any] = queue.Queue(1)
    path = tmp_path / "new" / "camera.mp4"
    thread = _CameraEncoderThread(path, 30, RGBEncoderConfig(vcodec="h264"), frames, results, threading.Event())
    thread.start()
    for number in range(9):
        frames.put(frame(number)[CAMERA])
    frames.put(None)
    thread.join(60)
    state, statistics = results.get(timeout=1)
    assert state == "ok"
    assert statistics["max"].shape == (3,)
    assert 190 < statistics["max"][0] <= 200
    assert get_video_duration_in_s(path) == 9 / 30


@pytest.fixture
def background() -> Iterator[None]:
    import ffenc.lerobot

    ffenc.lerobot.install(save_in_background=True)
    yield
    ffenc.lerobot.install(save_in_background=False)


@pytest.mark.usefixtures("background")
def test_episodes_are_saved_in_the_background(tmp_path: Path) -> None:
    dataset = new_dataset(tmp_path / "d")
    for episode in range(4):
        assert dataset.num_episodes == episode
        for number in range(20):
            dataset.add_frame(frame(100 * episode + number))
        if episode == 2:
            dataset.clear_episode_buffer()
            for number in range(5):
                dataset.add_frame(frame(900 + number))
        began = time.perf_counter()
        dataset.save_episode()
        assert time.perf_counter() - began < 0.1
    dataset.finalize()
    assert dataset.meta.total_episodes == 4
    numbers = [list(range(20)), list(range(100, 120)), list(range(900, 905)), list(range(300, 320))]
    check_dataset(tmp_path / "d", numbers, backends=("torchcodec",))
    lines = (tmp_path / "d" / "meta" / "ffenc" / "episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["episode_index"] for line in lines] == [0, 1, 2, 3]


@pytest.mark.usefixtures("background")
def test_failed_background_save_is_raised_by_the_next_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Earlier episodes are saved, and later ones are not."""
    from lerobot.datasets import dataset_writer

    from ffenc.errors import LeRobotError
    from ffenc.lerobot.dataset_writer import saver_of

    dataset = new_dataset(tmp_path / "d")
    for episode in range(3):
        if episode == 1:

            def fail(*_: Any) -> None:
                raise OSError("the disk is full")

            saver_of(dataset.writer).raise_failed(wait=True)
            monkeypatch.setattr(dataset_writer, "get_video_duration_in_s", fail)
        for number in range(10):
            dataset.add_frame(frame(100 * episode + number))
        try:
            dataset.save_episode()
        except OSError:
            assert episode == 2
            dataset.save_episode()
    with pytest.raises((OSError, LeRobotError), match="the disk is full"):
        dataset.finalize()
    check_dataset(tmp_path / "d", [list(range(10))], backends=())
    assert dataset.meta.total_episodes == 1


def test_unsupported_frame_size_creates_no_dataset(tmp_path: Path) -> None:
    from ffenc.errors import FrameSizeError

    with pytest.raises(FrameSizeError):
        new_dataset(tmp_path / "d", 95, 127)
    assert not (tmp_path / "d").exists()
