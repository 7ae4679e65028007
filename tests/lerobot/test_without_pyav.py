"""Test recording, editing, merging and reading with LeRobot through ffenc, without PyAV."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lerobot.test_commands import record_words

SCRIPT = """
import sys
from pathlib import Path
import pytest
from ffenc.cli.main import main
from ffenc.errors import DependencyError
from judge import check_dataset, numbers_of

root = Path(sys.argv[1])
assert main(sys.argv[2:]) == 0
import av
with pytest.raises(DependencyError, match="PyAV is not installed"):
    av.open("x.mp4")
numbers = numbers_of(root)
assert len(numbers) == 2
check_dataset(root, numbers, backends=("ffmpeg",))
edit = ["lerobot", "edit-dataset", "--push_to_hub=false"]
one = [*edit, "--repo_id=me/cubes", f"--root={root}", "--operation.type=delete_episodes"]
assert main([*one, "--operation.episode_indices=[0]", f"--new_root={root}-1", "--new_repo_id=me/one"]) == 0
merge = [*edit, "--new_repo_id=me/all", f"--new_root={root}-all", "--operation.type=merge"]
assert main([*merge, "--operation.repo_ids=['me/a','me/b']", f"--operation.roots=['{root}','{root}-1']"]) == 0
check_dataset(Path(f"{root}-all"), [*numbers, numbers[1]], backends=("ffmpeg", "pyav"))
print("all steps passed")
"""


def test_record_edit_merge_and_read(tmp_path: Path, plugins: Path) -> None:
    environment = dict(os.environ)
    if importlib.util.find_spec("av") is not None:  # replace it with a module that fails to import
        blocked = tmp_path / "blocked"
        blocked.mkdir()
        (blocked / "av.py").write_text("raise ModuleNotFoundError(\"No module named 'av'\", name='av')\n")
        environment["PYTHONPATH"] = os.pathsep.join((str(blocked), environment["PYTHONPATH"]))
    root = tmp_path / "dataset"
    words = record_words(root, "--dataset.num_episodes=2", "--dataset.streaming_encoding=true")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(root), "lerobot", *words],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-6000:]
    assert "all steps passed" in ran.stdout
    assert ", without PyAV" in ran.stderr


@pytest.fixture(autouse=True)
def only_plugins(plugins: Path) -> None:
    """Provide the plugins but do not install ffenc in this process: the test starts another one."""
