"""LeRobot's dataset format on disk."""
