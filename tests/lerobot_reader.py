"""A dataset as LeRobot's reader sees it, faults included, in a few lines and without torch.

LeRobot (``dataset_reader.py``, ``io_utils.py``, ``dataset_metadata.py``): files are taken in the order of their paths and
joined; a frame is the row at its place, an episode the row at its number; how many there are, ``info.json`` says; a task is the
row at its number.  The real LeRobot was run by hand on the states that the crash tests make.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TOLERANCE_S = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What ``dataset[i]`` is made of."""

    index: int
    episode: int
    frame: int
    task: str
    row: dict[str, Any]
    videos: dict[str, tuple[Path, float]]


class LeRobotView:
    """Opens a dataset; raises where LeRobot would not open it, or would look for it on the network."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.info = json.loads((root / "meta/info.json").read_text(encoding="utf-8"))
        self.rows = _series(root / "data")
        self.episodes = _series(root / "meta/episodes").to_pylist()
        self.tasks = pq.read_table(root / "meta/tasks.parquet")["task"].to_pylist()
        missing = set(range(self.info["total_episodes"])) - set(self.rows["episode_index"].to_pylist())
        if missing:
            raise FileNotFoundError(f"episodes {missing} have no rows")
        for episode in range(self.info["total_episodes"]):
            for key in self.cameras:
                if not self.video(key, episode).exists():
                    raise FileNotFoundError(self.video(key, episode))

    @property
    def cameras(self) -> list[str]:
        return [name for name, feature in self.info["features"].items() if feature["dtype"] == "video"]

    def __len__(self) -> int:
        return int(self.info["total_frames"])

    def video(self, key: str, episode: int) -> Path:
        row = self.episodes[episode]
        return self.root / self.info["video_path"].format(
            video_key=key, chunk_index=row[f"videos/{key}/chunk_index"], file_index=row[f"videos/{key}/file_index"]
        )

    def __iter__(self) -> Iterator[Item]:
        columns = self.rows.slice(0, len(self)).to_pylist()
        for place, row in enumerate(columns):
            episode = row["episode_index"]
            start = {key: self.episodes[episode][f"videos/{key}/from_timestamp"] for key in self.cameras}
            yield Item(
                index=place,
                episode=episode,
                frame=row["frame_index"],
                task=self.tasks[row["task_index"]],
                row=row,
                videos={key: (self.video(key, episode), start[key] + row["timestamp"]) for key in self.cameras},
            )

    def check(self) -> None:
        """What a whole dataset is: every count agrees, and every place holds its own number."""
        episodes = self.episodes[: self.info["total_episodes"]]
        assert [row["episode_index"] for row in episodes] == list(range(self.info["total_episodes"]))
        assert sum(row["length"] for row in episodes) == len(self)
        assert self.info["splits"] == {"train": f"0:{self.info['total_episodes']}"}
        place = 0
        for row in episodes:
            assert row["dataset_from_index"] == place
            place = row["dataset_to_index"]
            rows = self.rows.slice(row["dataset_from_index"], row["length"]).to_pylist()
            assert [each["frame_index"] for each in rows] == list(range(row["length"]))
            assert {each["episode_index"] for each in rows} == {row["episode_index"]}
            assert [each["index"] for each in rows] == list(range(row["dataset_from_index"], place))
            assert {self.tasks[each["task_index"]] for each in rows} == set(row["tasks"])


def _series(folder: Path) -> pa.Table:
    paths = sorted(folder.glob("*/*.parquet"))
    return pa.concat_tables([pq.read_table(path) for path in paths], promote_options="default")
