"""Run LeRobot's own dataset tools, one job per line of standard input; needs LeRobot and nothing of ffenc.

A job is a JSON object with ``work``, ``sources`` and ``output``.  Its answer is a line with the elapsed seconds.  Loading
LeRobot and opening the datasets is not measured.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"


def merge(sources: Sequence[Path], output: Path) -> Callable[[], object]:
    """Merge all sources."""
    from lerobot.datasets import LeRobotDataset, merge_datasets  # noqa: PLC0415

    datasets = [LeRobotDataset(f"bench/{root.name}", root=root) for root in sources]
    return lambda: merge_datasets(datasets, output_repo_id="bench/merged", output_dir=output)


def delete(sources: Sequence[Path], output: Path) -> Callable[[], object]:
    """Delete the second episode."""
    from lerobot.datasets import LeRobotDataset, delete_episodes  # noqa: PLC0415

    dataset = LeRobotDataset("bench/all", root=sources[0])
    return lambda: delete_episodes(dataset, [1], output_dir=output, repo_id="bench/kept")


def split(sources: Sequence[Path], output: Path) -> Callable[[], object]:
    """Split into halves."""
    from lerobot.datasets import LeRobotDataset, split_dataset  # noqa: PLC0415

    dataset = LeRobotDataset("bench/all", root=sources[0])
    return lambda: split_dataset(dataset, {"train": 0.5, "val": 0.5}, output_dir=output)


def statistics(sources: Sequence[Path], output: Path) -> Callable[[], object]:
    """Compute the statistics of numbers again, in place."""
    from lerobot.datasets import LeRobotDataset, recompute_stats  # noqa: PLC0415

    del output
    dataset = LeRobotDataset("bench/all", root=sources[0])
    return lambda: recompute_stats(dataset)


def upgrade(sources: Sequence[Path], output: Path) -> Callable[[], object]:
    """Convert from format 2.1 in place."""
    from lerobot.scripts.convert_dataset_v21_to_v30 import convert_dataset  # noqa: PLC0415

    del output
    return lambda: convert_dataset("bench/old", root=sources[0], push_to_hub=False)


WORKS = {"merge": merge, "delete": delete, "split": split, "upgrade": upgrade, "recompute-stats": statistics}


def main() -> None:
    """Answer each job on what was standard output; everything that LeRobot prints goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        ready = WORKS[job["work"]]([Path(each) for each in job["sources"]], Path(job["output"]))
        started = time.perf_counter()
        ready()
        print(time.perf_counter() - started, file=answers, flush=True)


if __name__ == "__main__":
    main()
