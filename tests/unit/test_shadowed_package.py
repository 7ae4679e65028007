"""Other distributions take the import name of ffmpeg-python; the error says which one did."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_the_thief_is_named(tmp_path: Path) -> None:
    (tmp_path / "ffmpeg").mkdir()
    (tmp_path / "ffmpeg" / "__init__.py").write_text("def input(*args): ...\n")
    info = tmp_path / "typed_ffmpeg-3.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: typed-ffmpeg\nVersion: 3.0\n")
    (info / "RECORD").write_text("ffmpeg/__init__.py,,\n")
    (info / "top_level.txt").write_text("ffmpeg\n")

    run = subprocess.run(
        [sys.executable, "-c", "import ffenc.plan.graph"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ffenc.errors.DependencyError")
    assert "typed-ffmpeg" in last
    assert "pip install --force-reinstall ffmpeg-python" in last
