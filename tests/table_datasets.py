"""Write datasets without videos, from the states of their episodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ffenc.dataset.format.dataset_tables import data_writer, save_episodes, save_tasks
from ffenc.dataset.format.documents import save_info, save_stats
from ffenc.dataset.format.episode_columns import EpisodeRow
from ffenc.dataset.format.frame_columns import data_table
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.statistics import aggregate_statistics, vector_statistics


def write_dataset(root: Path, states: Sequence[npt.NDArray[np.float32]], *, fps: int = 30) -> None:
    """Write an episode for each array of shape (frames, components)."""
    features: dict[str, Any] = {"observation.state": {"dtype": "float32", "shape": states[0].shape[1:], "names": None}}
    info = DatasetInfo.create(fps, features)
    parts = []

    def rows() -> Iterator[EpisodeRow]:
        first = 0
        for episode, values in enumerate(states):
            number = np.arange(len(values))
            columns = {
                "observation.state": values,
                "timestamp": (number / fps).astype(np.float32),
                "frame_index": number,
                "episode_index": np.full(len(values), episode),
                "index": first + number,
                "task_index": np.zeros(len(values), np.int64),
            }
            parts.append({name: vector_statistics(each) for name, each in columns.items()})
            yield EpisodeRow(
                episode_index=episode,
                tasks=("move",),
                length=len(values),
                data=writer.write(data_table(info, columns)),
                dataset_from_index=first,
                statistics=parts[-1],
            )
            first += len(values)

    with data_writer(root, info) as writer:
        save_episodes(root, info, rows())
    save_tasks(root, ["move"])
    save_stats(root, aggregate_statistics(parts))
    frames = sum(map(len, states))
    save_info(root, info.with_totals(episodes=len(states), frames=frames, tasks=1))
