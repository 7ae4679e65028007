"""Cost of recording in a control loop: ``python benchmarks/record.py [--quick] [--only SECTION]``; see `command`."""

import argparse
from pathlib import Path

ABOUT = """Measure a control loop with ffenc, with LeRobot's threads on PyAV, and without recording.

Every run has a fresh process of its own.  Nobody gets real-time priority.
"""

SECTIONS = {
    "loop": "looping.run",
    "full": "waiting.full",
    "starts": "episode_starts.run",
    "save": "saving.run",
    "memory": "encoder_memory.run",
    "spawn": "waiting.spawn",
    "kills": "kills.run",
    "episodes": "many_episodes.run",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of these sections."""
    parser.add_argument("--seconds", type=float, help="length of a loop (default 20, quick 4; save: 60, quick 4)")
    parser.add_argument("--patience", type=float, default=0, help="wait so long for others to be quiet before a loop")
    parser.add_argument("--count", type=int, help="kills (default 300, quick 12), episodes (default 10000, quick 60)")
    parser.add_argument("--keep", type=Path, help="leave episodes here and go on from there the next time")


if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main

    main(ABOUT, SECTIONS, add_arguments=add_arguments)
