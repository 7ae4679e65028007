"""Test that `DatasetReader` has LeRobot's items, and each of them once in PyTorch's DataLoader, whatever the workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, DatasetReader, DatasetRecorder, VideoEncoderConfig
from ffenc.video.decoder_pool import DECODERS
from tests.lerobot_data import LEROBOT

FPS, LENGTH, EPISODES = 30, 6, 3
CAMERA = "observation.images.top"


@pytest.fixture(scope="module")
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "d"
    features = {
        CAMERA: {"dtype": request.param, "shape": (64, 96, 3), "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": (1,), "names": None},
    }
    config = VideoEncoderConfig(vcodec="libx264", crf=8)
    with DatasetRecorder.create(root, "a/b", FPS, features, camera_encoder=config, binaries=binaries) as recorder:
        for episode in range(EPISODES):
            for step in range(LENGTH):
                frame = np.zeros((64, 96, 3), np.uint8)
                frame[:, : 4 * (LENGTH * episode + step + 1)] = 200
                recorder.add_frame({CAMERA: frame, "action": np.array([step], np.float32), "task": f"task {episode}"})
            recorder.save_episode()
    return root


@pytest.mark.parametrize(
    ("recorded", "workers", "context"),
    [
        *(("video", *loading) for loading in ((0, None), (2, "fork"), (2, "spawn"), (8, "fork"), (8, "spawn"))),
        *(("image", *loading) for loading in ((0, None), (2, "spawn"), (8, "fork"))),
    ],
    indirect=["recorded"],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_every_item_arrives_once(recorded: Path, workers: int, context: str | None) -> None:
    from torch.utils.data import DataLoader

    reader = DatasetReader(recorded, delta_timestamps={CAMERA: [-1 / FPS, 0.0]})
    assert reader[0] is not None  # the parent has a decoder of its own
    loader: Any = DataLoader(reader, batch_size=4, shuffle=True, num_workers=workers, multiprocessing_context=context)
    seen = []
    for batch in loader:
        assert batch[CAMERA].shape[1:] == (2, 3, 64, 96)
        for index, frames, padded, task in zip(
            batch["index"].tolist(), batch[CAMERA], batch[f"{CAMERA}_is_pad"], batch["task"], strict=True
        ):
            shown = [int((frame[0, 32] > 100).sum()) // 4 - 1 for frame in frames]
            assert shown == [index - (index % LENGTH > 0), index]
            assert padded.tolist() == [index % LENGTH == 0, False]
            assert task == f"task {index // LENGTH}"
            seen.append(index)
    assert sorted(seen) == list(range(EPISODES * LENGTH))
    DECODERS.close()


@pytest.mark.parametrize("name", ["A", "D"])
def test_items_equal_those_of_lerobot(name: str) -> None:
    import torch
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    keys = ["observation.images.laptop", "action"]
    deltas: dict[str, list[float]] = {key: [-1 / 30, 0.0] for key in keys}
    theirs = LeRobotDataset("test/test", root=LEROBOT / name, delta_timestamps=deltas)
    ours = DatasetReader(LEROBOT / name, delta_timestamps=deltas)
    assert len(theirs) == len(ours)
    for index in range(0, len(ours), 5):
        item, expected = ours[index], theirs[index]
        assert item.keys() == expected.keys()
        for key, value in expected.items():
            if not isinstance(value, torch.Tensor):
                assert item[key] == value
                continue
            array = value.numpy()
            assert item[key].shape == array.shape, key
            if key in ours.cameras and ours.info.features[key].is_depth:
                # torch and numpy round some logarithms differently.
                assert np.abs(item[key] - array).max() <= 1, key
            elif key in ours.cameras:
                assert np.abs(item[key] / 255 - array).mean() < 0.02, key
            else:
                assert np.array_equal(item[key], array.astype(item[key].dtype)), key
