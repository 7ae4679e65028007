"""``ffenc record --resume=true`` keeps the rate and the cameras of the dataset, or refuses flags that differ."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from ffenc.cli.main import main

pytestmark = [pytest.mark.integration, pytest.mark.one_build]
pytest.importorskip("pyarrow.parquet")

CAMERA = "type: ffmpeg, source: testsrc2, format: lavfi, height: 64, fps: 15"
FLAGS = ["record", "--dataset.repo_id=me/test", "--dataset.root=my data", "--dataset.single_task=Look"]
FAST = ["--dataset.num_episodes=1", "--dataset.episode_time_s=1"]
FAST += ["--dataset.camera_encoder.vcodec=h264", "--dataset.camera_encoder.preset=ultrafast"]


def cameras(name: str = "a", width: int = 64) -> str:
    return f"--cameras={{{name}: {{{CAMERA}, width: {width}}}}}"


def test_resumed_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*FLAGS, *FAST, cameras(), "--dataset.fps=15"]) == 0
    printed = " ".join(capsys.readouterr().out.split())  # the terminal may break lines
    for command in ("ffenc preview", "ffenc record --resume=true"):
        words = shlex.split(printed[printed.index(command) :])
        assert any(word.endswith("my data") for word in words[:6])

    for flags, says in (
        ([cameras(), "--dataset.fps=30"], "--dataset.fps=30: my data has 15 frames per second"),
        ([cameras("b")], "--cameras: my data has the cameras a, but the flag names b"),
        ([cameras(width=128)], "--cameras: a is 64x64 in my data, but the camera gives 128x64"),
        ([cameras(), "--dataset.video=false"], "--dataset.video=false: my data stores a as video"),
    ):
        assert main([*FLAGS, *FAST, "--resume=true", *flags]) == 2, flags
        assert says in capsys.readouterr().err.replace("\n", " ")

    assert main([*FLAGS, *FAST, "--resume=true", "--json", cameras()]) == 0
    report = json.loads(capsys.readouterr().out)
    (episode,) = report["episodes"]
    assert (report["fps"], episode["frames"] + episode["dropped"]) == ("15", 15)
