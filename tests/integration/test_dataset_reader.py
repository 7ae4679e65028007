"""Test that `DatasetReader` reads the numbers, task and frames of rows, time windows and batches, as LeRobot does."""

from __future__ import annotations

import multiprocessing
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, DatasetReader, VideoEncoderConfig, VideoReader, rename_features
from ffenc.errors import DatasetError, InputError
from ffenc.video.decoder_pool import DECODERS
from tests.datasets import change_info, copy_of, rows_of
from tests.lerobot_data import LEROBOT, needs_av1_decoder

pytest.importorskip("pyarrow")

from ffenc import DatasetRecorder
from ffenc.dataset.format.dataset_tables import load_episodes

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FPS = 30
LENGTHS = (5, 7, 4)
CAMERA = "observation.images.top"


def frame_of(episode: int, step: int) -> Any:
    frame = np.zeros((64, 96, 3), np.uint8)
    frame[:, : 8 * (step + 1)] = (60 * episode + 40, 200, 90)
    return frame


@pytest.fixture(scope="module", params=[True, False], ids=["video", "images"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "d"
    kind = "video" if request.param else "image"
    features = {
        CAMERA: {"dtype": kind, "shape": (64, 96, 3), "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": (2,), "names": None},
        "score": {"dtype": "int64", "shape": (1,), "names": None},
        "note": {"dtype": "string", "shape": (1,), "names": None},
    }
    config = VideoEncoderConfig(vcodec="libx264", crf=8)
    with DatasetRecorder.create(root, "a/b", FPS, features, camera_encoder=config, binaries=binaries) as recorder:
        for episode, length in enumerate(LENGTHS):
            for step in range(length):
                recorder.add_frame(
                    {
                        CAMERA: frame_of(episode, step),
                        "action": np.array([episode, step], np.float32),
                        "score": np.array([10 * episode + step]),
                        "note": f"{episode}/{step}",
                        "task": f"task {episode % 2}",
                    }
                )
            recorder.save_episode()
    return root


def step_of(frame: Any) -> int:
    """Return the step that is drawn in a frame of ``frame_of``."""
    return int((frame[1, 32] > 100).sum()) // 8 - 1


def test_items_match_the_rows(recorded: Path) -> None:
    reader = DatasetReader(recorded)
    assert (len(reader), reader.fps, reader.cameras) == (sum(LENGTHS), FPS, (CAMERA,))
    places = [(episode, step) for episode, length in enumerate(LENGTHS) for step in range(length)]
    for item, (episode, step) in zip(reader, places, strict=True):
        assert item[CAMERA].shape == (3, 64, 96)
        assert item[CAMERA].dtype == np.uint8
        assert step_of(item[CAMERA]) == step
        assert item["action"].tolist() == [episode, step]
        assert (item["score"].shape, int(item["score"])) == ((), 10 * episode + step)
        assert (item["note"], item["task"]) == (f"{episode}/{step}", f"task {episode % 2}")
        assert (int(item["episode_index"]), int(item["frame_index"])) == (episode, step)
    assert int(reader[-1]["index"]) == sum(LENGTHS) - 1
    with pytest.raises(IndexError, match=r"no item 16; it has 16"):
        _ = reader[16]


def test_time_windows_are_padded_at_episode_bounds(recorded: Path) -> None:
    deltas = {CAMERA: [-2 / FPS, 0.0, 3 / FPS], "action": [0.0, 1 / FPS]}
    reader = DatasetReader(recorded, delta_timestamps=deltas)
    for index in (0, 4, 5, 6, 11, 12, 15):
        item = reader[index]
        episode, step = int(item["episode_index"]), int(item["frame_index"])
        last = LENGTHS[episode] - 1
        assert [step_of(frame) for frame in item[CAMERA]] == [max(0, step - 2), step, min(last, step + 3)]
        assert item[f"{CAMERA}_is_pad"].tolist() == [step - 2 < 0, False, step + 3 > last]
        assert item["action"][:, 1].tolist() == [step, min(last, step + 1)]
        assert item["action_is_pad"].tolist() == [False, step + 1 > last]


def test_batches_of_selected_episodes(recorded: Path) -> None:
    reader = DatasetReader(recorded, episodes=[2, 0], layout="rgb")
    assert len(reader) == LENGTHS[2] + LENGTHS[0]
    batch = reader.batch([1, 4, 1, 8])
    assert batch[CAMERA].shape == (4, 64, 96, 3)
    assert batch["action"].tolist() == [[2, 1], [0, 0], [2, 1], [0, 4]]
    assert batch["task"] == ["task 0"] * 4
    for place, index in enumerate([1, 4, 1, 8]):
        assert np.array_equal(batch[CAMERA][place], reader[index][CAMERA])
    assert CAMERA not in DatasetReader(recorded, cameras=[])[0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"cameras": ["front"]}, DatasetError, "no camera 'front'; it has observation.images.top"),
        ({"episodes": [0, 9]}, DatasetError, "no episode 9; it has 0, 1, 2"),
        ({"episodes": []}, DatasetError, "give at least one"),
        (
            {"delta_timestamps": {"acton": [0]}},
            DatasetError,
            "'acton', which the reader does not read; it reads .*action",
        ),
        (
            {"delta_timestamps": {"action": [0.01]}},
            ValueError,
            r"0\.01, which is not a multiple of 1/30 s; the nearest",
        ),
        ({"delta_timestamps": {"action": []}}, ValueError, "is empty"),
        ({"layout": "chw"}, ValueError, "expected rgb_chw or rgb"),
        ({"depth_unit": "cm"}, ValueError, "expected 'mm' or 'm'"),
    ],
)
def test_invalid_arguments_are_refused(
    recorded: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        DatasetReader(recorded, **options)


def test_size_scales_videos_only(recorded: Path) -> None:
    if DatasetReader(recorded).info.features[CAMERA].is_video:
        assert DatasetReader(recorded, size=(32, 48))[3][CAMERA].shape == (3, 32, 48)
    else:
        with pytest.raises(ValueError, match="is stored as images"):
            DatasetReader(recorded, size=(32, 48))


def _item(reader: DatasetReader, results: Any) -> None:
    results.put(reader[6])
    DECODERS.close()


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_workers_use_a_pickled_reader(recorded: Path, method: str) -> None:
    reader: DatasetReader = pickle.loads(pickle.dumps(DatasetReader(recorded)))
    wanted = reader[6]
    context = multiprocessing.get_context(method)
    results = context.Queue()
    worker = context.Process(target=_item, args=(reader, results))
    worker.start()
    item = results.get(timeout=60)
    worker.join()
    assert item.keys() == wanted.keys()
    assert np.array_equal(item[CAMERA], wanted[CAMERA])
    DECODERS.close()


def test_torch_is_not_imported(recorded: Path) -> None:
    assert DatasetReader(recorded)[0] is not None
    assert "torch" not in sys.modules


def test_depth_recorded_by_lerobot(binaries: Binaries) -> None:
    """Both units give the same depth."""
    needs_av1_decoder(binaries)
    key = "observation.images.laptop_depth"
    millimetres, metres = (DatasetReader(LEROBOT / "D", depth_unit=unit)[5][key] for unit in ("mm", "m"))
    assert (millimetres.shape, millimetres.dtype) == ((1, 96, 128), np.uint16)
    assert (metres.shape, metres.dtype) == ((1, 96, 128), np.float32)
    assert np.abs(metres * 1000 - millimetres).max() <= 0.51


@pytest.mark.parametrize("name", ["A", "B"])
def test_frames_recorded_by_lerobot(name: str, binaries: Binaries) -> None:
    needs_av1_decoder(binaries)
    reader = DatasetReader(LEROBOT / name, layout="rgb")
    rows = rows_of(LEROBOT / name)
    episodes = load_episodes(LEROBOT / name, reader.info)
    for index in (0, len(reader) // 2, len(reader) - 1):
        item, row = reader[index], rows[index]
        assert item["action"].tolist() == row["action"]
        for key, span in episodes[row["episode_index"]].videos.items():
            path = LEROBOT / name / f"videos/{key}/chunk-{span.file.chunk:03}/file-{span.file.file:03}.mp4"
            number = span.from_frame + row["frame_index"]
            assert np.array_equal(item[key], list(VideoReader(path, method="process"))[number])


def test_wrong_frame_rate_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    change_info(root, fps=29)
    with pytest.raises((DatasetError, InputError)):
        _ = DatasetReader(root)[7]


def test_dataset_changed_in_place_is_refused(tmp_path: Path, binaries: Binaries) -> None:
    """No file was open before the change, so the names alone would lead to the frames of another camera."""
    needs_av1_decoder(binaries)
    root = copy_of("A", tmp_path)
    reader = DatasetReader(root)
    laptop, phone = reader.cameras
    rename_features(root, {laptop: phone, phone: laptop})
    with pytest.raises(DatasetError, match="was changed in place after it was opened; open it again"):
        _ = reader[30]
    assert DatasetReader(root)[30]["index"] == 30


@pytest.mark.parametrize("index", [1.0, 1.7, "3", None])
def test_index_that_is_not_an_integer_is_refused(index: Any) -> None:
    reader = DatasetReader(LEROBOT / "A")
    for read in (reader.__getitem__, lambda index: reader.batch([index])):
        with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
            read(index)
