"""Test that older versions of LeRobot read what ffenc records through LeRobot 0.6.1."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

VARIABLE = "FFENC_OLD_LEROBOTS"
"""A directory with one directory for each version, in which its package lies."""

SCRIPT = """
import sys
from pathlib import Path
import lerobot
assert sys.argv[2] in lerobot.__file__, lerobot.__file__
from judge import check_dataset, numbers_of
root = Path(sys.argv[1])
check_dataset(root, numbers_of(root), backends=("torchcodec",))
print("all rows are right")
"""


@pytest.mark.parametrize("version", ["0.5.1", "0.4.4"])
def test_older_version_reads_every_row(recorded: tuple[Path, str], tmp_path: Path, version: str) -> None:
    """Their reader of name pyav is torchvision's, which current versions of torchvision no longer have."""
    package = Path(os.environ.get(VARIABLE, "")) / version
    if VARIABLE not in os.environ or not package.is_dir():
        pytest.skip(f"{VARIABLE} names no directory with LeRobot {version}")
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(recorded[0]), str(package)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(package), os.environ["PYTHONPATH"]))},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "all rows are right" in ran.stdout
