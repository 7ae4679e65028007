"""Provide LeRobot with a simulated robot; these tests need LeRobot, and only ``make test-lerobot`` runs them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLUGIN = "lerobot_robot_simulated"

if importlib.util.find_spec("lerobot") is None:
    collect_ignore_glob = ["test_*.py"]


@pytest.fixture(scope="session", autouse=True)
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Install the simulated robot as a distribution for this process and its children; return its directory."""
    folder = tmp_path_factory.mktemp("plugins")
    for module in (HERE / "plugin").glob("*.py"):
        shutil.copy(module, folder)
    metadata = folder / f"{PLUGIN}-1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: {PLUGIN}\nVersion: 1\n")
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
