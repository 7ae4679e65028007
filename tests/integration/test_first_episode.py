"""The first episode is prepared when the recorder is made, so that its first frame costs no more than others."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffenc import Binaries

pytest.importorskip("pyarrow")
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.errors import OutputError
from tests.recordings_of_robots import FEATURES, FPS, H264, frame_of

pytestmark = [pytest.mark.integration, pytest.mark.one_build]


def create(root: Path, binaries: Binaries) -> DatasetRecorder:
    return DatasetRecorder.create(root, "me/set", FPS, FEATURES, camera_encoder=H264, binaries=binaries)


def directories(root: Path) -> list[Path]:
    return [each.path for each in EpisodeDirectory.uncommitted_in(root)]


def test_first_frame_finds_its_episode_started(tmp_path: Path, binaries: Binaries) -> None:
    root = tmp_path / "set"
    with create(root, binaries) as recorder:
        (prepared,) = directories(root)
        assert not [camera for camera in recorder.status().cameras.values() if camera.encoder_pid is not None]
        recorder.add_frame(frame_of(0))
        assert directories(root) == [prepared]
        recorder.save_episode()
    assert directories(root) == []


def test_unused_first_episode_leaves_nothing(tmp_path: Path, binaries: Binaries) -> None:
    root = tmp_path / "set"
    create(root, binaries).finalize()
    assert directories(root) == []
    with pytest.raises(KeyError), DatasetRecorder.resume(root, camera_encoder=H264, binaries=binaries):
        raise KeyError
    assert directories(root) == []


def test_error_of_the_first_start_is_raised_by_the_first_frame(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> EpisodeDirectory:
        raise OutputError("cannot write: no space left", path=tmp_path)

    with monkeypatch.context() as patch:
        patch.setattr(EpisodeDirectory, "create", refused)
        recorder = create(tmp_path / "set", binaries)
        with pytest.raises(OutputError, match="no space left"):
            recorder.add_frame(frame_of(0))
    with recorder:
        assert recorder.add_frame(frame_of(0))
        recorder.save_episode()
    assert recorder.num_frames == 1
