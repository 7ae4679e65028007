"""A robot and a teleoperator that exist in memory: every frame and every joint says which one it is.

LeRobot imports every distribution whose name begins with ``lerobot_robot_``; this module is installed as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from lerobot.cameras import CameraConfig
from lerobot.robots import Robot, RobotConfig
from lerobot.teleoperators import Teleoperator, TeleoperatorConfig

JOINTS = ("shoulder.pos", "elbow.pos")
BITS = 16


def draw(number: int, height: int, width: int) -> np.ndarray:
    """A grey picture whose left to right blocks are the bits of a number, bright for 1."""
    levels = np.array([200 if number >> bit & 1 else 40 for bit in range(BITS)], np.uint8)
    row = levels[np.arange(width) * BITS // width]
    return np.broadcast_to(row, (height, width)).copy()


def number_in(picture: np.ndarray) -> int:
    """The number that was drawn in a picture of one channel, of any scale."""
    width = picture.shape[1]
    blocks = [picture[:, width * bit // BITS : width * (bit + 1) // BITS] for bit in range(BITS)]
    levels = np.array([float(block.mean()) for block in blocks])
    bright = levels > 2 * levels[-1]  # the last bit is never set
    return int(sum(1 << bit for bit in range(BITS) if bright[bit]))


@CameraConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedCameraConfig(CameraConfig):
    """A camera of the simulated robot.

    Attributes:
        use_depth: give depth beside colour.
    """

    use_depth: bool = False


@RobotConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedRobotConfig(RobotConfig):
    """The simulated robot.

    Attributes:
        port: not looked at.
        cameras: by name.
    """

    port: str = ""
    cameras: dict[str, CameraConfig] = field(default_factory=dict)


class SimulatedRobot(Robot):
    """Observation n has n in every joint and every picture; depth is n millimetres plus a slope."""

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
            if camera.use_depth:
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
            picture = draw(number, camera.height, camera.width)
            seen[name] = np.repeat(picture[:, :, None], 3, axis=2)
            if camera.use_depth:
                seen[f"{name}_depth"] = (picture.astype(np.uint16) * 10)[:, :, None]
        return seen

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        return action

    def disconnect(self) -> None:
        self._connected = False


@TeleoperatorConfig.register_subclass("simulated")
@dataclass(kw_only=True)
class SimulatedLeaderConfig(TeleoperatorConfig):
    """The leader of the simulated robot.

    Attributes:
        port: not looked at.
    """

    port: str = ""


class SimulatedLeader(Teleoperator):
    """Action n has n in every joint."""

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
    """Let PyAV read only."""
    try:
        import av
    except ImportError:
        return
    if getattr(av.open, "reads_only", False):
        return
    own = av.open

    def open_to_read(file: Any, mode: str | None = None, *arguments: Any, **options: Any) -> Any:
        if mode not in (None, "r"):
            raise AssertionError(f"PyAV was to write {file}")
        return own(file, mode, *arguments, **options)

    open_to_read.reads_only = True
    av.open = open_to_read


forbid_pyav_writing()
