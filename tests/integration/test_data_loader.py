"""Test that `DatasetReader` is a map-style dataset for PyTorch's DataLoader: each item once, whatever the workers.

Runs where torch is installed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, DatasetReader, VideoEncoderConfig
from ffenc.video.decoder_pool import DECODERS

pytest.importorskip("pyarrow")

from ffenc import DatasetRecorder

torch_data = pytest.importorskip("torch.utils.data")

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FPS, LENGTH, EPISODES = 30, 6, 3
CAMERA = "observation.images.top"


@pytest.fixture(scope="module", params=["video", "image"])
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
    ("workers", "context"), [(0, None), (2, "fork"), (2, "spawn"), (8, "fork"), (8, "spawn")], ids=str
)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.filterwarnings("ignore:This DataLoader will create:UserWarning")
def test_every_item_arrives_once(recorded: Path, workers: int, context: str | None) -> None:
    reader = DatasetReader(recorded, delta_timestamps={CAMERA: [-1 / FPS, 0.0]})
    assert reader[0] is not None  # the parent has a decoder of its own
    loader: Any = torch_data.DataLoader(
        reader, batch_size=4, shuffle=True, num_workers=workers, multiprocessing_context=context
    )
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
