"""An output that exists or would be in a dataset is refused by every command, with and without --dry-run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ffenc.cli.main import main
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

COMMANDS = {
    "trim": ["trim", "set", "--episodes={0: [2, 9]}"],
    "trim --idle": ["trim", "set", "--idle"],
    "delete-episodes": ["delete-episodes", "set", "--episodes=0"],
    "split": ["split", "set", "--splits={a: [0]}"],
    "merge": ["merge", "set", "set"],
    "reencode-dataset": ["reencode-dataset", "set", "--camera_encoder.vcodec=h264"],
    "remove-features": ["remove-features", "set", "--features=action"],
    "recompute-stats": ["recompute-stats", "set"],
    "modify-tasks": ["modify-tasks", "set", "--task=x"],
}
DRY = {"trim", "trim --idle", "merge", "reencode-dataset", "remove-features", "recompute-stats", "modify-tasks"}
PLACES = {"there": "exists already", "set/new": "would be in the dataset", "set/videos/new": "would be in the dataset"}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", COMMANDS)
def test_output_place_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, place: str
) -> None:
    shutil.copytree(LEROBOT / "A", tmp_path / "set")
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for more in [[], ["--dry-run"]] if command in DRY else [[]]:
        assert main([*COMMANDS[command], f"--output={place}", *more]) == 1, more
        assert PLACES[place] in " ".join(capsys.readouterr().err.split()), more
    assert sorted(tmp_path.rglob("*")) == before
