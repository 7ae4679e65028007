"""Read datasets with LeRobot and print the results as JSON; a Python that has LeRobot runs this, and no test imports it.

Usage: ``python -P lerobot_judge.py ROOT...`` or ``python -P lerobot_judge.py merge OUTPUT ROOT...``.  (``-P`` is necessary
because the ``datasets.py`` in this directory is not the library of that name.)  It prints one object: for each root its
frames, or the error that LeRobot raised.  Like a training, it reads single frames, a window of two rows and one episode.
"""

import hashlib
import json
import sys

from lerobot.datasets.dataset_tools import merge_datasets
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def described(value):
    """Convert a value of an item for JSON; frames and other large arrays become digests."""
    if hasattr(value, "numpy"):
        array = value.numpy()
        return hashlib.sha256(array.tobytes()).hexdigest()[:16] if array.size > 64 else array.tolist()
    return value


def judge(root):
    try:
        dataset = LeRobotDataset("test/judged", root=root, video_backend="pyav")
        frames = sorted({0, len(dataset) // 3, len(dataset) - 1})
        items = [{key: described(value) for key, value in dataset[frame].items()} for frame in frames]
        times = {"action": [0.0, 1 / dataset.fps]}
        window = LeRobotDataset("test/judged", root=root, video_backend="pyav", delta_timestamps=times)
        items.append({"action": described(window[frames[-1]]["action"])})
        last = dataset.num_episodes - 1
        chosen = LeRobotDataset("test/judged", root=root, video_backend="pyav", episodes=[last])
        items.append({key: described(value) for key, value in chosen[0].items()})
    except Exception as err:
        return {"error": f"{type(err).__name__}: {str(err)[:200]}"}
    return {"frames": len(dataset), "episodes": dataset.num_episodes, "items": items}


def merge(output, roots):
    """Merge datasets with LeRobot, and return what LeRobot reads from the result."""
    sources = [LeRobotDataset(f"test/source{number}", root=root) for number, root in enumerate(roots)]
    try:
        merge_datasets(sources, output_repo_id="test/merged", output_dir=output)
    except Exception as err:
        return {"error": f"{type(err).__name__}: {str(err)[:200]}"}
    return judge(output)


if __name__ == "__main__":
    if sys.argv[1] == "merge":
        print(json.dumps(merge(sys.argv[2], sys.argv[3:])))
    else:
        print(json.dumps({root: judge(root) for root in sys.argv[1:]}))
