"""LeRobot's defaults for the range of depth codes. This module imports nothing, so that a config does not need numpy."""

from __future__ import annotations

DEPTH_MIN_M = 0.01
"""LeRobot's default depth of code 0, in metres."""
DEPTH_MAX_M = 10.0
"""LeRobot's default depth of code 4095, in metres."""
SHIFT_M = 3.5
"""LeRobot's default offset that is added to a depth before the logarithm, in metres."""
