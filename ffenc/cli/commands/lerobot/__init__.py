"""LeRobot's own commands, with ffenc as their encoder."""
