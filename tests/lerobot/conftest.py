"""Provide LeRobot with a simulated robot; these tests need LeRobot, and only ``make test-lerobot`` runs them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lerobot.recording import record_example

HERE = Path(__file__).parent
ROBOT = "lerobot_robot_simulated"
CAMERA = "lerobot_camera_ffenc"

if importlib.util.find_spec("lerobot") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the plugins as distributions for this process and its children; return their directory."""
    folder = tmp_path_factory.mktemp("plugins")
    camera = HERE.parents[1] / "integrations" / CAMERA / f"{CAMERA}.py"
    for module in (camera, *(HERE / "plugin").glob("*.py")):
        shutil.copy(module, folder)
    for name in (ROBOT, CAMERA):
        metadata = folder / f"{name}-1.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    with pytest.MonkeyPatch.context() as patch:
        path = [str(folder), str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, path)))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("HF_LEROBOT_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(sys, "path", [str(folder), *sys.path])
        yield folder


@pytest.fixture(scope="session")
def installed(plugins: Path) -> Iterator[None]:
    """Install ffenc into LeRobot, and make PyAV raise an error if it writes."""
    import ffenc.lerobot

    ffenc.lerobot.install()
    import lerobot_robot_simulated

    lerobot_robot_simulated.forbid_pyav_writing()
    yield
    ffenc.lerobot.uninstall()


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory, plugins: Path) -> tuple[Path, str]:
    """Return the dataset and standard error of the documented example; copy the dataset before you change it."""
    root = tmp_path_factory.mktemp("recorded") / "dataset"
    return root, record_example(root)
