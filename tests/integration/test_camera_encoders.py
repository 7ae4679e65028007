"""``ffenc record`` encodes each camera with its own settings, stores them in its feature, and keeps them when it resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ffenc import Binaries, VideoEncoderConfig, encode_frames, verify_dataset
from ffenc.cli.main import main
from tests.footage import numbered_frames

pytest.importorskip("pyarrow")
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.provenance import load_provenance

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

TOP, WRIST = "observation.images.top", "observation.images.wrist"


def settings(root: Path) -> dict[str, tuple[Any, ...]]:
    """Return codec, quality and GOP size in the feature of each camera."""
    blocks = {name: feature.info or {} for name, feature in load_info(root).videos.items()}
    return {name: tuple(block[f"video.{key}"] for key in ("codec", "crf", "g")) for name, block in blocks.items()}


def test_each_camera_keeps_its_settings(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    h264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
    encode_frames(numbered_frames(30), "clip.mp4", fps=30, config=h264, binaries=binaries)

    def record(encoder: str, *flags: str) -> int:
        camera = "{type: ffmpeg, source: clip.mp4, loop: true"
        words = ["--dataset.repo_id=me/two", "--dataset.root=set", "--dataset.single_task=Look", "--display_data=false"]
        words += ["--dataset.num_episodes=1", "--dataset.episode_time_s=0.3", "--dataset.reset_time_s=0"]
        return main(["record", *words, f"--cameras={{top: {camera}{encoder}}}, wrist: {camera}}}}}", *flags])

    one, every = "--dataset.camera_encoder.wrist", "--dataset.camera_encoder"
    block = ", encoder: {crf: 28, g: 5}"
    flags = [f"{every}.vcodec=h264", f"{every}.preset=ultrafast", f"{one}.crf=35", f"{one}.g=3"]
    expected = {TOP: ("h264", 28, 5), WRIST: ("h264", 35, 3)}
    assert record(block, *flags) == 0
    assert settings(Path("set")) == expected
    # The settings are kept, given again or not; other ones are refused, and nothing is added.
    assert record("", "--resume=true") == 0
    assert record(block, *flags, "--resume=true") == 0
    capsys.readouterr()
    assert record("", *flags, f"{every}.top.crf=20", "--resume=true") == 1
    assert f"{TOP} of" in capsys.readouterr().err
    assert settings(Path("set")) == expected
    configs = [document["cameras"] for document in load_provenance(Path("set")).values()]
    assert [(each[TOP]["config"]["crf"], each[WRIST]["config"]["crf"]) for each in configs] == [(28, 35)] * 3
    assert verify_dataset(Path("set"), binaries=binaries).ok
