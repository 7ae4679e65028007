"""A dataset stays complete when its writer dies after any change of the file system."""

from __future__ import annotations

import dataclasses
import shutil
import sys

import pytest

from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.append_episode import EpisodeAppender
from ffenc.dataset.recording.commit import finish_commits
from ffenc.dataset.recording.episode_directory import EpisodeDirectory
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.recording.recover_episode import find_interrupted, restore
from ffenc.dataset.transform.in_place import locked_dataset
from ffenc.dataset.transform.pack import pack_dataset
from tests.crashes import dies_at
from tests.lerobot_reader import LeRobotView
from tests.recordings_of_robots import CAMERA, FPS, H264, TASKS, frame_of

pytestmark = [
    pytest.mark.net,
    pytest.mark.integration,
    pytest.mark.one_build,
    pytest.mark.skipif(sys.platform == "win32", reason="it forks"),
]

NAME = "observation.images.laptop"
LENGTHS = (3, 2, 4)


def _record(root, lengths, binaries):
    recorder = DatasetRecorder.create(root, "me/set", FPS, {NAME: CAMERA}, camera_encoder=H264, binaries=binaries)
    for episode, length in enumerate(lengths):
        for number in range(length):
            recorder.add_frame({NAME: frame_of(number)[NAME], "task": TASKS[episode % 2]})
        recorder.save_episode()
    recorder.finalize(pack=False)


@pytest.fixture(scope="module")
def episodes(tmp_path_factory, binaries):
    """Return a dataset of two episodes, and a third one that is about to be appended."""
    base = tmp_path_factory.mktemp("crashes")
    root = base / "set"
    caught = []
    append = EpisodeAppender.append

    def catch(appender, staging, rows, recording):
        if appender.info.total_episodes == 2:
            shutil.copytree(root, base / "before")
            caught.append((staging.path.relative_to(root), rows, recording))
        return append(appender, staging, rows, recording)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EpisodeAppender, "append", catch)
        _record(root, LENGTHS, binaries)
    return base / "before", caught[0]


def test_episode_is_appended_completely_or_not_at_all(episodes, tmp_path, binaries):
    before, (staging, rows, recording) = episodes
    seen, step, died = set(), 0, True
    while died:
        root = tmp_path / f"step-{step}"
        shutil.copytree(before, root)
        cameras = {
            name: dataclasses.replace(camera, path=root / staging / camera.path.name)
            for name, camera in recording.cameras.items()
        }
        here = dataclasses.replace(recording, directory=root / staging, cameras=cameras)
        directory = EpisodeDirectory(path=root / staging)
        died = dies_at(
            step, lambda r=root, d=directory, h=here: EpisodeAppender(r, ffmpeg_version="").append(d, rows, h)
        )
        view = LeRobotView(root)
        view.check()
        seen.add(view.info["total_episodes"])
        decided = directory.is_committing
        finish_commits(root)
        LeRobotView(root).check()
        interrupted = find_interrupted(root, load_info(root))
        assert load_info(root).total_episodes == (3 if decided or not interrupted else 2)
        if interrupted:
            assert [each.rows for each in interrupted] == [LENGTHS[2]]
        shutil.rmtree(root)
        step += 1
    assert seen == {2, 3}
    assert step > 30  # the hook works


def test_interrupted_episode_can_be_recovered(episodes, tmp_path, binaries):
    before, (_, _, recording) = episodes
    root = tmp_path / "set"
    shutil.copytree(before, root)
    (interrupted,) = find_interrupted(root, load_info(root))
    directory, rows, restored = restore(interrupted, load_info(root), configs={}, binaries=binaries)
    assert restored is not None
    assert restored.cameras[NAME].statistics.count == recording.cameras[NAME].statistics.count
    EpisodeAppender(root, ffmpeg_version="").append(directory, rows, restored)
    LeRobotView(root).check()
    assert len(LeRobotView(root)) == sum(LENGTHS)
    assert not interrupted.path.exists()  # the commit removes it, so that it cannot be appended twice


@pytest.mark.parametrize("can_exchange", [True, False])
def test_packing_leaves_one_complete_dataset(tmp_path, binaries, monkeypatch, can_exchange):
    if not can_exchange:
        monkeypatch.setattr("ffenc.dataset.storage.swap_directory._exchange_call", lambda: None)
    whole = tmp_path / "whole"
    _record(whole, LENGTHS[:2], binaries)
    files, step, died = set(), 0, True
    while died:
        root = tmp_path / "set"
        shutil.copytree(whole, root)
        died = dies_at(step, lambda r=root: pack_dataset(r, binaries=binaries))
        if can_exchange:
            LeRobotView(root).check()  # at once, for whoever reads now
        with locked_dataset(root):  # as the next operation does
            pass
        view = LeRobotView(root)
        view.check()
        assert len(view) == sum(LENGTHS[:2])
        files.add(len(DatasetLayout(root=root).data_files()))
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        shutil.rmtree(root)
        step += 1
    assert files == {1, 2}
    assert step > 20
