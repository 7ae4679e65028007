"""Test the reader of LeRobot's datasets: ffenc's, unless another one is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.lerobot.recording import record_words

pytestmark = pytest.mark.usefixtures("installed")


def dataset(root: Path, **options: Any) -> Any:
    from lerobot.datasets.lerobot_dataset import LeRobotDataset

    return LeRobotDataset("me/cubes", root=root, **options)


@pytest.fixture
def own_readers_used(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of LeRobot's own readers as they are called."""
    from lerobot.datasets import video_utils

    used: list[str] = []
    for name in ("pyav", "torchcodec"):
        own = getattr(video_utils, f"decode_video_frames_{name}")

        def read(*arguments: Any, _name: str = name, _own: Any = own, **options: Any) -> Any:
            used.append(_name)
            return _own(*arguments, **options)

        monkeypatch.setattr(video_utils, f"decode_video_frames_{name}", read)
    return used


@pytest.mark.parametrize(
    ("backend", "used"),
    [(None, set()), ("ffmpeg", set()), ("pyav", {"pyav"}), ("torchcodec", {"pyav", "torchcodec"})],
)
def test_named_reader_is_used(
    recorded: tuple[Path, str], own_readers_used: list[str], backend: str | None, used: set[str]
) -> None:
    """LeRobot reads depth with PyAV, whichever of its own readers is named."""
    expected = dataset(recorded[0], video_backend="pyav")[3]
    own_readers_used.clear()
    row = dataset(recorded[0], video_backend=backend)[3]
    assert set(own_readers_used) == used
    for key in ("laptop", "wrist", "wrist_depth"):
        mine, theirs = (np.asarray(each[f"observation.images.{key}"]) for each in (row, expected))
        assert (mine.shape, mine.dtype) == (theirs.shape, theirs.dtype)
        assert np.abs(mine - theirs).max() <= (0 if "depth" in key else 0.02)


@pytest.mark.parametrize(("given", "backend"), [({}, "ffmpeg"), ({"video_backend": "torchcodec"}, "torchcodec")])
def test_default_of_the_training_settings(given: dict[str, str], backend: str) -> None:
    from lerobot.configs.default import DatasetConfig

    assert DatasetConfig("me/cubes", **given).video_backend == backend


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_read_with_ffenc(recorded: tuple[Path, str], context: str) -> None:
    """The parent has read before, and a spawned worker imports LeRobot without ffenc in it."""
    from torch.utils.data import DataLoader

    rows = dataset(recorded[0])
    assert rows[0]["index"] == 0
    loader = DataLoader(rows, batch_size=4, num_workers=1, multiprocessing_context=context)
    batch = next(iter(loader))
    assert batch["index"].tolist() == [0, 1, 2, 3]
    key = "observation.images.wrist_depth"
    assert np.array_equal(batch[key][3], rows[3][key])


def test_training_and_rollout_of_an_untrained_policy(tmp_path: Path) -> None:
    """One step of training reads through ffenc; the policy then moves the robot in two recorded episodes."""
    import torch

    from ffenc.cli.main import main
    from tests.lerobot.judge import check_dataset, numbers_of

    torch.manual_seed(0)
    pytest.importorskip("accelerate")
    source, trained, root = (tmp_path / name for name in ("source", "trained", "rollout"))
    cameras = "--robot.cameras={laptop: {type: simulated, width: 128, height: 64, fps: 30}}"

    def words(root: Path, *more: str) -> list[str]:
        given = record_words(root, "--dataset.num_episodes=2", "--dataset.streaming_encoding=true", *more)
        return [cameras if word.startswith("--robot.cameras=") else word for word in given[1:]]

    assert main(["lerobot", "record", *words(source)]) == 0
    assert main([
        "lerobot", "train", "--dataset.repo_id=me/cubes", f"--dataset.root={source}", "--policy.type=act",
        "--policy.pretrained_backbone_weights=null", "--policy.push_to_hub=false", "--policy.device=cpu",
        "--policy.dim_model=16", "--policy.n_heads=2", "--policy.dim_feedforward=16", "--policy.n_encoder_layers=1",
        "--policy.use_vae=false", "--batch_size=1", "--num_workers=0", "--prefetch_factor=2", "--steps=1",
        f"--output_dir={trained}", "--wandb.enable=false",
    ]) == 0  # fmt: skip
    policy = trained / "checkpoints" / "last" / "pretrained_model"
    assert '"video_backend": "ffmpeg"' in (policy / "train_config.json").read_text()
    assert main([
        "lerobot", "rollout", "--strategy.type=episodic", f"--policy.path={policy}", "--device=cpu",
        *(word.replace("me/cubes", "me/rollout_cubes") for word in words(root)),
    ]) == 0  # fmt: skip
    numbers = numbers_of(root)
    assert len(numbers) == 2
    check_dataset(root, numbers, backends=("pyav", None), has_numbered_actions=False)
