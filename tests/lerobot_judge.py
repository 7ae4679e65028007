"""Open datasets with LeRobot and print what it reads, as JSON; run by a Python that has LeRobot, never imported by a test.

Usage: ``python lerobot_judge.py ROOT...``.  Prints one object: for each root its frames, or the error that LeRobot raised.
"""

import hashlib
import json
import sys
import warnings

warnings.simplefilter("ignore")

from lerobot.datasets.lerobot_dataset import LeRobotDataset


def described(value):
    """A value of an item as JSON: pictures and other large arrays by their digest."""
    if hasattr(value, "numpy"):
        array = value.numpy()
        return hashlib.sha256(array.tobytes()).hexdigest()[:16] if array.size > 64 else array.tolist()
    return value


def judge(root):
    try:
        dataset = LeRobotDataset("test/judged", root=root, video_backend="pyav")
        frames = sorted({0, len(dataset) // 3, len(dataset) - 1})
        items = [{key: described(value) for key, value in dataset[frame].items()} for frame in frames]
    except Exception as err:
        return {"error": f"{type(err).__name__}: {str(err)[:200]}"}
    return {"frames": len(dataset), "episodes": dataset.num_episodes, "items": items}


if __name__ == "__main__":
    print(json.dumps({root: judge(root) for root in sys.argv[1:]}))
