"""Test recording, editing, merging and reading with LeRobot through ffenc, without PyAV and torchcodec."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lerobot.recording import record_words

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
check_dataset(root, numbers, backends=(None,))
edit = ["lerobot", "edit-dataset", "--push_to_hub=false"]
one = [*edit, "--repo_id=me/cubes", f"--root={root}", "--operation.type=delete_episodes"]
assert main([*one, "--operation.episode_indices=[0]", f"--new_root={root}-1", "--new_repo_id=me/one"]) == 0
merge = [*edit, "--new_repo_id=me/all", f"--new_root={root}-all", "--operation.type=merge"]
assert main([*merge, "--operation.repo_ids=['me/a','me/b']", f"--operation.roots=['{root}','{root}-1']"]) == 0
check_dataset(Path(f"{root}-all"), [*numbers, numbers[1]], backends=(None, "pyav"))
print("all steps passed")
"""


def test_record_edit_merge_and_read(tmp_path: Path, plugins: Path) -> None:
    blocked = tmp_path / "blocked"  # modules that fail to import, even where the packages are installed
    blocked.mkdir()
    for name in ("av", "torchcodec"):
        (blocked / f"{name}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{name}'\", name='{name}')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(blocked), os.environ["PYTHONPATH"]))}
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
