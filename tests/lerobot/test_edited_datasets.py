"""LeRobot opens, reads and merges what each operation of ffenc writes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import (
    DatasetRecorder,
    VideoEncoderConfig,
    add_features,
    convert_images_to_video,
    delete_episodes,
    find_binaries,
    merge_datasets,
    modify_tasks,
    recompute_stats,
    reencode_dataset,
    remove_features,
    rename_features,
    split_dataset,
    trim_episodes,
    upgrade_dataset,
)
from ffenc.dataset.transform.pack import pack_dataset
from tests.lerobot.judge import check_dataset
from tests.version21 import version_21_of

LEFT, RIGHT, STILL = (f"observation.images.{name}" for name in ("left", "right", "still"))
EPISODES = [[0, 1, 2, 3, 4, 5, 6], [10, 11, 12, 13], [20, 21, 22, 23, 24, 25], [30, 31, 32]]
H264 = VideoEncoderConfig(vcodec="h264", preset="veryfast", g=6, crf=20)
_NUMBERS = np.array([number for numbers in EPISODES for number in numbers], np.int64)


def _record(root: Path, *, stills: bool) -> Path:
    camera = {"shape": (96, 128, 3), "names": ["height", "width", "channels"]}
    vector = {"dtype": "float32", "shape": (2,), "names": ["x", "y"]}
    features: dict[str, Any] = {"observation.state": vector, "action": vector}
    features |= {LEFT: {"dtype": "video", **camera}, RIGHT: {"dtype": "video", **camera}}
    if stills:
        features[STILL] = {"dtype": "image", **camera}
    with DatasetRecorder.create(root, "me/cubes", 30, features, camera_encoder=H264) as recorder:
        for numbers in EPISODES:
            _add_episode(recorder, numbers, [name for name in features if name in (LEFT, RIGHT, STILL)])
    return root


def _add_episode(recorder: DatasetRecorder, numbers: list[int], cameras: list[str]) -> None:
    from numbered_frames import draw

    for number in numbers:
        image = np.repeat(draw(number, 96, 128)[:, :, None], 3, axis=2)
        value = np.full(2, number, np.float32)
        recorder.add_frame(
            {"observation.state": value, "action": value, "task": "count", **dict.fromkeys(cameras, image)}
        )
    recorder.save_episode()


def _add_column(root: Path, output: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = output.with_suffix(".parquet")
    pq.write_table(pa.table({"index": np.arange(len(_NUMBERS)), "number": _NUMBERS}), table)
    add_features(root, table, output=output)


def _resume(root: Path, _: Path) -> None:
    with DatasetRecorder.resume(root) as recorder:
        _add_episode(recorder, [40, 41], [LEFT, RIGHT, STILL])


FEWER = [EPISODES[0], *EPISODES[2:]]
TRIMMED = [EPISODES[0][2:5], EPISODES[1], EPISODES[2][1:], EPISODES[3]]

OPERATIONS: dict[str, tuple[Callable[[Path, Path], object], list[list[int]]]] = {
    "merge": (lambda root, output: merge_datasets([root, root], output), EPISODES * 2),
    "delete-episodes": (lambda root, output: delete_episodes(root, [1], output), FEWER),
    "split": (lambda root, output: split_dataset(root, {"late": [2, 3], "early": [0, 1]}, output), EPISODES[2:]),
    "trim": (lambda root, output: trim_episodes(root, {0: (2, 5), 2: (1, 6)}, output), TRIMMED),
    "trim in place": (lambda root, _: trim_episodes(root, {0: (2, 5), 2: (1, 6)}), TRIMMED),
    "pack": (lambda root, _: pack_dataset(root), EPISODES),
    "upgrade": (
        lambda root, output: upgrade_dataset(version_21_of(root, output.with_name("old"), find_binaries()), output),
        EPISODES,
    ),
    "reencode": (
        lambda root, output: reencode_dataset(root, output=output, camera_encoder=H264, cameras=[LEFT]),
        EPISODES,
    ),
    "modify-tasks": (lambda root, output: modify_tasks(root, "another", output=output), EPISODES),
    "add-features": (_add_column, EPISODES),
    "remove-features": (lambda root, output: remove_features(root, [RIGHT], output=output), EPISODES),
    "rename-features": (
        lambda root, output: rename_features(root, {RIGHT: "observation.images.other"}, output=output),
        EPISODES,
    ),
    "recompute-stats": (
        lambda root, output: recompute_stats(root, relative_action=True, chunk_size=3, output=output),
        EPISODES,
    ),
    "images to video": (
        lambda root, output: convert_images_to_video(root, output=output, camera_encoder=H264),
        EPISODES,
    ),
    "resume": (_resume, [*EPISODES, [40, 41]]),
}
"""Operations on a dataset, which write ``output`` or change it in place, and the numbers of the frames after it."""


@pytest.mark.parametrize("name", OPERATIONS)
def test_lerobot_reads_and_merges_the_result(name: str, tmp_path: Path) -> None:
    from lerobot.datasets import aggregate_datasets

    operation, expected = OPERATIONS[name]
    has_stills = name in ("images to video", "merge", "trim", "resume")
    root, output = _record(tmp_path / "set", stills=has_stills), tmp_path / "out"
    operation(root, output)
    result = output / "late" if name == "split" else output if output.exists() else root
    check_dataset(result, expected)
    twice = tmp_path / "twice"
    aggregate_datasets(["me/a", "me/b"], "me/both", [result, result], twice)
    check_dataset(twice, expected * 2, backends=("torchcodec",))
