"""Open a dataset with LeRobot, and compare every row and frame with its expected number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest


def numbers_of(root: Path) -> list[list[int]]:
    """Return the numbers of the rows of each episode, as the data table has them."""
    import pyarrow.parquet as pq

    episodes: dict[int, list[int]] = {}
    for path in sorted(root.glob("data/*/*.parquet")):
        table = pq.read_table(path, columns=["episode_index", "observation.state"])
        for episode, state in zip(
            table["episode_index"].to_pylist(), table["observation.state"].to_pylist(), strict=True
        ):
            episodes.setdefault(episode, []).append(round(state[0]))
    return [episodes[episode] for episode in sorted(episodes)]


def check_dataset(
    root: Path,
    expected: Sequence[Sequence[int]],
    *,
    backends: Sequence[str | None] = ("pyav", "torchcodec"),
    has_numbered_actions: bool = True,
) -> None:
    """Check that each reader of LeRobot returns the expected number in state, action and frames of every row."""
    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    from numbered_frames import number_in

    for backend in backends:
        dataset = LeRobotDataset("me/cubes", root=root, video_backend=backend)
        assert dataset.num_episodes == len(expected)
        assert [episode["length"] for episode in dataset.meta.episodes] == [len(numbers) for numbers in expected]
        wanted = [(e, k, n) for e, numbers in enumerate(expected) for k, n in enumerate(numbers)]
        assert len(dataset) == len(wanted)
        for index, (episode, frame, number) in enumerate(wanted):
            row = dataset[index]
            seen = {key: number_in(np.asarray(row[key])[0]) for key in dataset.meta.camera_keys}
            assert seen == dict.fromkeys(seen, number), (backend, index)
            for key in ("observation.state", "action") if has_numbered_actions else ("observation.state",):
                assert set(row[key].tolist()) == {float(number)}
            assert (row["episode_index"], row["frame_index"], row["index"]) == (episode, frame, index)
            assert row["timestamp"].item() == pytest.approx(frame / dataset.fps, abs=1e-5)
        for key in dataset.meta.video_keys:
            for episode in dataset.meta.episodes:
                length = episode[f"videos/{key}/to_timestamp"] - episode[f"videos/{key}/from_timestamp"]
                assert length * dataset.fps == pytest.approx(episode["length"], abs=1e-3)
