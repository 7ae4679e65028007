"""Recovery warns about invalid settings and unusable parts of an interrupted episode; without FFmpeg."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.format.schema import DatasetInfo
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.recover_episode import InterruptedEpisode, restore
from ffenc.dataset.recording.rows import Row, RowLog, row_line
from ffenc.errors import EpisodeError, OutputError

CAMERA = "observation.images.laptop"
INFO = DatasetInfo.create(
    30, {CAMERA: {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]}}
)
OWN, OF_DATASET = VideoEncoderConfig(vcodec="h264", crf=20), VideoEncoderConfig(vcodec="h264", crf=30)
NOT_RUN = Binaries(ffmpeg=Path("/not/run"), ffprobe=None, ffmpeg_origin="test", ffprobe_origin="test")


@pytest.fixture
def directory(tmp_path: Path) -> EpisodeDirectory:
    """An interrupted episode with one row."""
    (tmp_path / "meta").mkdir()
    directory = EpisodeDirectory.create(tmp_path, 0, {CAMERA: OWN})
    log = RowLog(directory.rows)
    log.close(at=log.write(row_line(0, Row(task="t", values={})), at=0))
    return directory


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[VideoEncoderConfig]:
    """The settings with which raw frames are encoded.  Each encode fails."""
    used: list[VideoEncoderConfig] = []

    def encode(_frames: Any, output: Path, *, config: VideoEncoderConfig, **_: Any) -> None:
        used.append(config)
        raise OutputError("the encoder failed", path=output)

    monkeypatch.setattr("ffenc.dataset.recording.recover_episode.encode_frames", encode)
    return used


def raw_frames(directory: EpisodeDirectory) -> Path:
    path = directory.path / f".{CAMERA}.0123abcd.recording.npy"
    np.save(path, np.zeros((1, 48, 64, 3), np.uint8))
    return path


def warnings_of_restore(directory: EpisodeDirectory, caplog: pytest.LogCaptureFixture) -> list[str]:
    """Recover an episode none of whose parts can be used, and return the warnings."""
    interrupted = InterruptedEpisode(path=directory.path, rows=1, reason="its recorder was killed")
    with pytest.raises(EpisodeError, match="no frame that all cameras have"):
        restore(interrupted, INFO, configs={CAMERA: OF_DATASET}, binaries=NOT_RUN)
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "settings", [{"vcodec": "h264", "crf": "high"}, {"vcodec": "h264", "speed": 3}, None, "h264"], ids=str
)
def test_invalid_settings_are_replaced_with_a_warning(
    directory: EpisodeDirectory, used: list[VideoEncoderConfig], caplog: pytest.LogCaptureFixture, settings: object
) -> None:
    (directory.path / "recording.json").write_text(json.dumps({"cameras": {CAMERA: settings}}))
    raw_frames(directory)
    first, *_ = warnings_of_restore(directory, caplog)
    assert used == [OF_DATASET]
    assert first.startswith(
        f"the settings of {CAMERA} in {directory.path} are invalid, so those of the dataset are used: "
    )
    assert "\n" not in first


def test_valid_settings_of_the_episode_are_used_without_a_warning(
    directory: EpisodeDirectory, used: list[VideoEncoderConfig], caplog: pytest.LogCaptureFixture
) -> None:
    raw_frames(directory)
    assert not any("are invalid" in warning for warning in warnings_of_restore(directory, caplog))
    assert used == [OWN]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        (f".{CAMERA}.0123abcd.recording.npy", b"damaged", "is not a spool of frames"),
        (f".{CAMERA}.0123abcd.recording.mp4", b"damaged", "no complete frame"),
    ],
    ids=["raw frames", "video"],
)
def test_unusable_part_is_reported_at_warning_level(
    directory: EpisodeDirectory, caplog: pytest.LogCaptureFixture, name: str, content: bytes, reason: str
) -> None:
    part = directory.path / name
    part.write_bytes(content)
    (warning,) = warnings_of_restore(directory, caplog)
    assert warning.startswith(f"{part} cannot be used: ")
    assert reason in warning
    assert part.read_bytes() == content


def test_empty_part_is_not_reported(directory: EpisodeDirectory, caplog: pytest.LogCaptureFixture) -> None:
    (directory.path / f".{CAMERA}.0123abcd.recording.npy").touch()
    assert warnings_of_restore(directory, caplog) == []
