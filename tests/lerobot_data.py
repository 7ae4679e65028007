"""Small datasets that LeRobot itself recorded: two cameras (A, B: other encoder settings), and one of them with depth (D)."""

from __future__ import annotations

from pathlib import Path

import pytest

LEROBOT = Path(__file__).parent / "data" / "lerobot"
NAMES = ("A", "B", "D")
DATASETS = pytest.mark.parametrize("root", [LEROBOT / name for name in NAMES], ids=NAMES)
