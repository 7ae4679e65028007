"""Test LeRobot's commands through ``ffenc lerobot``, and read the datasets back with LeRobot, frame by frame."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from ffenc.cli.main import main
from tests.lerobot.judge import check_dataset, numbers_of
from tests.lerobot.recording import record_words


def lerobot(*words: object) -> None:
    """Run ``ffenc lerobot`` in this process."""
    assert main(["lerobot", *map(str, words)]) == 0


def edit(root: Path, operation: str, *words: object) -> None:
    lerobot(
        "edit-dataset", "--repo_id=me/cubes", f"--root={root}", "--push_to_hub=false", f"--operation.type={operation}",
        *words,
    )  # fmt: skip


@pytest.fixture
def copied(recorded: tuple[Path, str], tmp_path: Path, installed: None) -> Path:
    root = tmp_path / "dataset"
    shutil.copytree(recorded[0], root)
    return root


def info_of(root: Path) -> dict[str, dict[str, object]]:
    features = json.loads((root / "meta" / "info.json").read_text())["features"]
    return {key: value["info"] for key, value in features.items() if value["dtype"] == "video"}


@pytest.mark.smoke
def test_documented_example_records(recorded: tuple[Path, str], installed: None) -> None:
    root, stderr = recorded
    numbers = numbers_of(root)
    assert len(numbers) == 3
    assert all(len(episode) > 2 for episode in numbers)
    check_dataset(root, numbers, backends=("pyav", "torchcodec", "ffmpeg"))
    line = next(line for line in stderr.splitlines() if line.startswith("LeRobot 0.6"))
    assert "encodes through ffenc" in line
    assert "laptop: libx264, wrist: libx264 (depth: libx265)" in line
    assert "a dictionary without quotes, read as:" in stderr
    laptop = info_of(root)["observation.images.laptop"]
    assert laptop["video.codec"] == "h264"
    assert laptop["video.extra_options"] == {"tune": "film", "profile:v": "high", "bf": 2}
    assert info_of(root)["observation.images.wrist_depth"]["is_depth_map"] is True
    lines = (root / "meta" / "ffenc" / "episodes.jsonl").read_text().splitlines()
    assert [json.loads(line)["episode_index"] for line in lines] == [0, 1, 2]
    assert main(["verify", "--level=decode", str(root)]) == 0


def test_resume_appends_an_episode(copied: Path) -> None:
    before = numbers_of(copied)
    lerobot(
        *record_words(copied, "--resume=true", "--dataset.num_episodes=1", "--dataset.streaming_encoding=true"),
        "--dataset.rgb_encoder.vcodec=h264",
    )
    numbers = numbers_of(copied)
    assert numbers[:3] == before
    assert len(numbers) == 4
    check_dataset(copied, numbers)


@pytest.mark.smoke
def test_delete_copies_the_streams(copied: Path, tmp_path: Path) -> None:
    numbers = numbers_of(copied)
    new = tmp_path / "deleted"
    edit(copied, "delete_episodes", "--operation.episode_indices=[1]", f"--new_root={new}", "--new_repo_id=me/new")
    check_dataset(new, [numbers[0], numbers[2]])


@pytest.mark.smoke
def test_split_and_merge(copied: Path, tmp_path: Path) -> None:
    numbers = numbers_of(copied)
    edit(copied, "split", '--operation.splits={"a": [0, 2], "b": [1]}', f"--new_root={tmp_path / 'parts'}")
    parts = sorted(path.parent.parent for path in tmp_path.rglob("meta/info.json") if path.parent.parent != copied)
    assert len(parts) == 2
    check_dataset(parts[0], [numbers[0], numbers[2]])
    check_dataset(parts[1], [numbers[1]])
    merged = tmp_path / "merged"
    lerobot(
        "edit-dataset", "--new_repo_id=me/merged", f"--new_root={merged}", "--push_to_hub=false",
        "--operation.type=merge", "--operation.repo_ids=['me/a', 'me/b']",
        f"--operation.roots=['{parts[0]}', '{parts[1]}']",
    )  # fmt: skip
    check_dataset(merged, [numbers[0], numbers[2], numbers[1]])


@pytest.mark.parametrize("workers", [0, 2])
def test_reencode_in_place(copied: Path, workers: int) -> None:
    numbers = numbers_of(copied)
    edit(
        copied, "reencode_videos", "--operation.camera_encoder.vcodec=libsvtav1", "--operation.camera_encoder.g=4",
        f"--operation.num_workers={workers}", "--operation.overwrite=true", f"--new_root={copied}",
        "--new_repo_id=me/cubes",
    )  # fmt: skip
    check_dataset(copied, numbers, backends=("pyav",))
    infos = info_of(copied)
    assert {key: info["video.codec"] for key, info in infos.items()} == {
        "observation.images.laptop": "av1",
        "observation.images.wrist": "av1",
        "observation.images.wrist_depth": "hevc",
    }
    assert infos["observation.images.laptop"]["video.g"] == 4
    assert infos["observation.images.wrist_depth"]["is_depth_map"] is True


def test_encoding_after_each_episode_and_images_to_video(tmp_path: Path, installed: None) -> None:
    """LeRobot's worker processes use ffenc; in this test, PyAV raises an error if it writes."""
    root = tmp_path / "after"
    lerobot(*record_words(root, "--dataset.num_episodes=1", "--dataset.no_stamp=true"))
    check_dataset(root, numbers_of(root))

    images = tmp_path / "images"
    lerobot(*record_words(images, "--dataset.num_episodes=2", "--dataset.video=false"))
    numbers = numbers_of(images)
    videos = tmp_path / "videos"
    edit(images, "convert_image_to_video", f"--operation.output_dir={videos}", f"--new_root={videos}")
    check_dataset(videos, numbers)


@pytest.mark.smoke
def test_unknown_command_is_refused(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lerobot", "recrod"]) == 1
    assert "LeRobot 0.6.1 has no command 'recrod'; it has" in capsys.readouterr().err


@pytest.mark.smoke
def test_invalid_option_is_refused_before_files_are_created(
    tmp_path: Path, installed: None, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "dataset"
    words = record_words(root, "--dataset.rgb_encoder.vcodec=h264", "--dataset.rgb_encoder.extra_options={tun: film}")
    assert main(["lerobot", *words]) == 1
    *_, last = capsys.readouterr().err.splitlines()
    assert last.startswith("ffenc lerobot failed: ")
    assert "has no option 'tun'; did you mean 'tune'" in last
    assert not root.exists()


@pytest.mark.parametrize("flag", ["encoder_queue_maxsize=0", "encoder_threads=0"])
def test_encoder_that_cannot_start_leaves_no_dataset(tmp_path: Path, installed: None, flag: str) -> None:
    root = tmp_path / "dataset"
    words = record_words(root, "--dataset.streaming_encoding=true", f"--dataset.{flag}")
    with contextlib.suppress(ValueError):
        assert main(["lerobot", *words]) == 1
    assert not root.exists()
