"""Merge and edit datasets, compared with remuxing and re-encoding: ``python benchmarks/datasets.py [--quick]``; see `command`."""

from __future__ import annotations

import argparse
from pathlib import Path

ABOUT = """Datasets merged, cut, re-encoded and verified, measured against PyAV's remux, LeRobot's tools and full re-encoding.
"""

SECTIONS = {
    "merge": "merging.files",
    "episodes": "merging.episodes",
    "delete": "deleting.run",
    "tools": "editing.tools",
    "growth": "editing.growth",
    "jobs": "jobs.run",
    "verify": "verifying.run",
    "metadata": "verifying.metadata",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of these sections."""
    parser.add_argument("--lerobot", type=Path, help="a Python with LeRobot, to compare with (tools)")
    parser.add_argument("--count", type=int, help="episodes (growth: at most; default 10000, quick 200)")


if __name__ == "__main__":
    # Not at the top: the fresh interpreters of a run read this file again and are to load no more than they measure.
    from command import main

    main(ABOUT, SECTIONS, add_arguments=add_arguments)
