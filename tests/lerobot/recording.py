"""Record datasets with LeRobot's command and a simulated robot."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

CAMERAS = (
    "{laptop: {type: simulated, width: 128, height: 96, fps: 30}, "
    "wrist: {type: simulated, width: 128, height: 64, fps: 30, use_depth: true}}"
)

EXAMPLE = """lerobot-record \\
--robot.type=simulated \\
--robot.port=/dev/tty.usbmodem58760431541 \\
--robot.cameras="CAMERAS" \\
--robot.id=black \\
--teleop.type=simulated \\
--teleop.port=/dev/tty.usbmodem58760431551 \\
--teleop.id=blue \\
--dataset.repo_id=me/cubes \\
--dataset.num_episodes=3 \\
--dataset.single_task="Grab the cube" \\
--dataset.streaming_encoding=true \\
--dataset.encoder_threads=2 \\
--dataset.camera_encoder.vcodec=h264 \\
--dataset.camera_encoder.preset=fast \\
--dataset.camera_encoder.extra_options={"tune": "film", "profile:v": "high", "bf": 2} \\
--display_data=false \\
--dataset.root=ROOT --dataset.episode_time_s=0.6 --dataset.reset_time_s=0.1 \\
--dataset.push_to_hub=false --play_sounds=false
"""
"""The documented example of a recording, with a simulated robot and a temporary directory."""


def record_words(root: Path, *more: str) -> list[str]:
    return [
        "record", "--robot.type=simulated", f"--robot.cameras={CAMERAS}", "--robot.id=black", "--teleop.type=simulated",
        "--teleop.id=blue", "--dataset.repo_id=me/cubes", "--dataset.single_task=Grab the cube", f"--dataset.root={root}",
        "--dataset.episode_time_s=0.6", "--dataset.reset_time_s=0.1", "--dataset.push_to_hub=false",
        "--play_sounds=false", *more,
    ]  # fmt: skip


def record_example(root: Path) -> str:
    """Run the documented example in a shell with ``ffenc`` in front; return standard error."""
    command = EXAMPLE.replace("lerobot-record", "lerobot record", 1)
    command = command.replace("CAMERAS", CAMERAS).replace("ROOT", shlex.quote(str(root)))
    ran = subprocess.run(
        ["bash", "-c", f"{shlex.quote(sys.executable)} -m ffenc {command}"],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return ran.stderr
