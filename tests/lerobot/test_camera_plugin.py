"""Test the camera plugin: it adds cameras to LeRobot's own commands, and installs ffenc only on request."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

INTEGRATION = Path(__file__).parents[2] / "integrations" / "lerobot_camera_ffenc"

SCRIPT = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import lerobot_camera_ffenc
import ffenc.lerobot
from lerobot.cameras.utils import make_cameras_from_configs
config = lerobot_camera_ffenc.FFmpegCameraConfig(
    source="testsrc2", format="lavfi", width=64, height=48, fps=30, **json.loads(sys.argv[2])
)
print("installed", ffenc.lerobot.status().installed)
camera = make_cameras_from_configs({"a": config})["a"]
camera.connect()
frames = [camera.read(), camera.async_read(), camera.read_latest()]
print([(frame.shape, frame.dtype.name) for frame in frames])
camera.disconnect()
assert not camera.is_connected
if len(sys.argv) > 3:
    lerobot_camera_ffenc.FFmpegCameraConfig(source="x", install_ffenc=True)
    print("installed by a config", ffenc.lerobot.status().installed)
"""


def run(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(INTEGRATION), *words],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "variables", "installed"),
    [
        (("{}", "then install"), {}, False),
        (("{}",), {"FFENC_LEROBOT": "1"}, True),
    ],
)
def test_cameras_read_and_ffenc_is_installed_on_request(
    plugins: Path, words: tuple[str, ...], variables: dict[str, str], installed: bool
) -> None:
    ran = run(*words, **variables)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert f"installed {installed}" in ran.stdout
    assert ("installed by a config True" in ran.stdout) is (len(words) > 1)
    assert "[((48, 64, 3), 'uint8'), ((48, 64, 3), 'uint8'), ((48, 64, 3), 'uint8')]" in ran.stdout


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FFENC_LEROBOT": "yes"}, "unknown FFENC_LEROBOT='yes'; expected 1"),
        ({"FFENC_LEROBOT": "1", "FFENC_FFMPEG": "/nowhere/ffmpeg"}, "ffenc cannot encode for LeRobot"),
    ],
)
def test_failed_installation_exits(plugins: Path, variables: dict[str, str], message: str) -> None:
    ran = run("{}", **variables)
    assert ran.returncode == 1
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
