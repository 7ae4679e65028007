"""Simulate a robot and a teleoperator whose frames and joints contain the number of the observation.

LeRobot imports every distribution whose name begins with ``lerobot_robot_``; the tests install this module as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lerobot.cameras import CameraConfig
from lerobot.robots import Robot, RobotConfig
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig
from numbered_frames import draw

JOINTS = ("shoulder.pos", "elbow.pos")


@CameraConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedCameraConfig(CameraConfig):
    """Settings of a camera of the simulated robot.

    Attributes:
        use_depth: also return depth.
    """

    use_depth: bool = False


@RobotConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedRobotConfig(RobotConfig):
    """Settings of the simulated robot.

    Attributes:
        port: ignored.
        cameras: cameras by name.
    """

    port: str = ""
    cameras: dict[str, CameraConfig] = field(default_factory=dict)


class SimulatedRobot(Robot):
    """A robot whose observation n contains n in every joint, frame and depth frame."""

    config_class = SimulatedRobotConfig
    name = "simulated"

    def __init__(self, config: SimulatedRobotConfig) -> None:
        super().__init__(config)
        self.config = config
        self.cameras = config.cameras
        self._number = 0
        self._connected = False

    @property
    def observation_features(self) -> dict[str, Any]:
        features: dict[str, Any] = dict.fromkeys(JOINTS, float)
        for name, camera in self.config.cameras.items():
            features[name] = (camera.height, camera.width, 3)
            if getattr(camera, "use_depth", False):
                features[f"{name}_depth"] = (camera.height, camera.width, 1)
        return features

    @property
    def action_features(self) -> dict[str, Any]:
        return dict.fromkeys(JOINTS, float)

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        return True

    def connect(self, calibrate: bool = True) -> None:
        self._connected = True

    def calibrate(self) -> None: ...

    def configure(self) -> None: ...

    def get_observation(self) -> dict[str, Any]:
        number, self._number = self._number, self._number + 1
        seen: dict[str, Any] = dict.fromkeys(JOINTS, float(number))
        for name, camera in self.config.cameras.items():
            frame = draw(number, camera.height, camera.width)
            seen[name] = np.repeat(frame[:, :, None], 3, axis=2)
            if getattr(camera, "use_depth", False):
                seen[f"{name}_depth"] = (frame.astype(np.uint16) * 10)[:, :, None]
        return seen

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        return action

    def disconnect(self) -> None:
        self._connected = False


@TeleoperatorConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedLeaderConfig(TeleoperatorConfig):
    """Settings of the simulated teleoperator.

    Attributes:
        port: ignored.
    """

    port: str = ""


class SimulatedLeader(Teleoperator):
    """A teleoperator whose action n contains n in every joint."""

    config_class = SimulatedLeaderConfig
    name = "simulated"

    def __init__(self, config: SimulatedLeaderConfig) -> None:
        super().__init__(config)
        self._number = 0
        self._connected = False

    @property
    def action_features(self) -> dict[str, Any]:
        return dict.fromkeys(JOINTS, float)

    @property
    def feedback_features(self) -> dict[str, Any]:
        return {}

    @property
    def is_connected(self) -> bool:
        return self._connected

    @property
    def is_calibrated(self) -> bool:
        return True

    def connect(self, calibrate: bool = True) -> None:
        self._connected = True

    def calibrate(self) -> None: ...

    def configure(self) -> None: ...

    def get_action(self) -> dict[str, Any]:
        number, self._number = self._number, self._number + 1
        return dict.fromkeys(JOINTS, float(number))

    def send_feedback(self, feedback: dict[str, Any]) -> None: ...

    def disconnect(self) -> None:
        self._connected = False


def forbid_pyav_writing() -> None:
    """Make PyAV raise an error if it opens a file for writing."""
    try:
        import av
    except ImportError:
        return
    if getattr(av.open, "reads_only", False):
        return
    own = av.open

    def open_to_read(file: Any, mode: str | None = None, *arguments: Any, **options: Any) -> Any:
        if mode not in (None, "r"):
            raise AssertionError(f"PyAV tried to write {file}")
        return own(file, mode, *arguments, **options)

    open_to_read.reads_only = True
    av.open = open_to_read


forbid_pyav_writing()
