"""Test the camera plugin: it adds cameras to LeRobot's own commands, and installs ffenc only on request."""

from __future__ import annotations

import dataclasses
import os
import pprint
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import ffenc.lerobot
from tests.lerobot.conftest import CAMERA
from tests.lerobot.judge import check_dataset, numbers_of
from tests.lerobot.recording import record_words

TEST_CAMERA = {"source": "testsrc2", "format": "lavfi", "width": 64, "height": 48, "fps": 30}


@pytest.fixture
def uninstalled() -> Iterator[None]:
    """Uninstall ffenc for the test."""
    was_installed = ffenc.lerobot.status().installed
    ffenc.lerobot.uninstall()
    yield
    if was_installed:
        ffenc.lerobot.install()


@pytest.fixture
def plugin(uninstalled: None, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the plugin without its variable."""
    monkeypatch.delenv("FFENC_LEROBOT", raising=False)
    return pytest.importorskip(CAMERA)


def test_import_does_not_install_ffenc_and_a_setting_does(plugin: Any) -> None:
    assert not ffenc.lerobot.status().installed
    plugin.FFmpegCameraConfig(**TEST_CAMERA)
    assert not ffenc.lerobot.status().installed
    plugin.FFmpegCameraConfig(**TEST_CAMERA, install_ffenc=True)
    assert ffenc.lerobot.status().installed


def test_password_is_not_logged_with_the_settings(plugin: Any) -> None:
    config = plugin.FFmpegCameraConfig(source="rtsp://admin:hunter2@10.0.0.7/live")
    assert "hunter2" not in pprint.pformat(dataclasses.asdict(config)) + repr(config)
    assert config.source == "rtsp://admin:hunter2@10.0.0.7/live"


def test_camera_returns_frames(plugin: Any) -> None:
    from lerobot.cameras.utils import make_cameras_from_configs

    camera = make_cameras_from_configs({"a": plugin.FFmpegCameraConfig(**TEST_CAMERA)})["a"]
    camera.connect()
    frames = [camera.read(), camera.async_read(), camera.read_latest()]
    camera.disconnect()
    assert [(frame.shape, frame.dtype.name) for frame in frames] == [((48, 64, 3), "uint8")] * 3
    assert not camera.is_connected


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"FFENC_LEROBOT": "yes"}, "unknown FFENC_LEROBOT='yes'; expected 1"),
        ({"FFENC_LEROBOT": "1", "FFENC_FFMPEG": "/nowhere/ffmpeg"}, "ffenc cannot encode for LeRobot"),
    ],
)
def test_failed_installation_exits(
    uninstalled: None, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delitem(sys.modules, CAMERA, raising=False)
    with pytest.raises(SystemExit, match=message):
        __import__(CAMERA)


def test_lerobots_own_command_finds_the_plugin_and_records_with_ffenc(plugins: Path, tmp_path: Path) -> None:
    """The robot draws the frames itself, but LeRobot has to know the type of the camera to read its settings."""
    root = tmp_path / "dataset"
    words = record_words(root, "--dataset.num_episodes=1", "--dataset.streaming_encoding=true")
    cameras = "{laptop: {type: ffmpeg, source: testsrc2, format: lavfi, width: 128, height: 96, fps: 30}}"
    words = [f"--robot.cameras={cameras}" if word.startswith("--robot.cameras=") else word for word in words]
    ran = subprocess.run(
        [sys.executable, "-c", "from lerobot.scripts.lerobot_record import main; main()", *words[1:]],
        env={**os.environ, "FFENC_LEROBOT": "1"},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert (root / "meta" / "ffenc" / "episodes.jsonl").is_file()
    check_dataset(root, numbers_of(root), backends=("pyav",))
