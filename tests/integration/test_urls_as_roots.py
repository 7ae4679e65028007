"""A URL is refused wherever a dataset is read or written, and the message says how to fetch the dataset."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from ffenc import (
    Binaries,
    DatasetReader,
    DatasetRecorder,
    VideoEncoderConfig,
    convert_images_to_video,
    dataset_card,
    delete_episodes,
    merge_datasets,
    preview_dataset,
    reencode_dataset,
    repair_dataset,
    split_dataset,
    upgrade_dataset,
    verify_dataset,
)
from ffenc.cli.main import main
from ffenc.dataset.storage.lock import DatasetLock
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.errors import DatasetError
from tests.lerobot_data import LEROBOT

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

A = LEROBOT / "A"
URL = "hf://datasets/me/cubes"
DOWNLOAD = "hf download me/cubes --repo-type=dataset --revision={} --local-dir=cubes"
UPLOAD = "hf upload me/cubes cubes . --repo-type=dataset"
FEATURES = {"action": {"dtype": "float32", "shape": [1], "names": None}}

FUNCTIONS: dict[str, Callable[[str], object]] = {
    "read": DatasetReader,
    "lock": DatasetLock,
    "record": lambda url: DatasetRecorder.create(url, "me/cubes", fps=30, features=FEATURES),
    "resume": DatasetRecorder.resume,
    "verify": verify_dataset,
    "verify frames": lambda url: verify_dataset(url, "decode"),
    "repair": repair_dataset,
    "preview": lambda url: preview_dataset(url, "sheets"),
    "card": dataset_card,
    "pack": pack_dataset,
    "merge": lambda url: merge_datasets([A, url], "out"),
    "merge into": lambda url: merge_datasets([A, A], url),
    "delete": lambda url: delete_episodes(url, [0], "out"),
    "delete into": lambda url: delete_episodes(A, [0], url),
    "split": lambda url: split_dataset(url, {"a": [0]}, "out"),
    "split into": lambda url: split_dataset(A, {"a": [0], "b": [1, 2]}, url),
    "re-encode": reencode_dataset,
    "re-encode into": lambda url: reencode_dataset(A, output=url, camera_encoder=VideoEncoderConfig(crf=40)),
    "images to video": convert_images_to_video,
    "images to video into": lambda url: convert_images_to_video(A, output=url),
    "upgrade": upgrade_dataset,
    "upgrade into": lambda url: upgrade_dataset(A, output=url),
}

COMMANDS = {
    "info": f"info {URL}",
    "verify": f"verify {URL}",
    "repair": f"repair {URL}",
    "repair dry": f"repair {URL} --dry-run",
    "preview": f"preview {URL}",
    "card": f"card {URL}",
    "merge": f"merge {A} {URL} --output=out",
    "merge into": f"merge {A} {A} --output={URL}",
    "delete": f"delete-episodes {URL} --episodes=0 --output=out",
    "split": f"split {URL} --splits='{{a: [0]}}' --output=out",
    "re-encode": f"reencode-dataset {URL} --camera_encoder.crf=40",
    "re-encode dry": f"reencode-dataset {URL} --camera_encoder.crf=40 --dry-run",
    "images to video": f"images-to-video {URL}",
    "convert into": f"convert {URL} clip.mp4 --task=x",
    "salvage": f"salvage {URL}",
    "demo into": f"demo --output_dir={URL} --frames=2",
    "jobs plan": f"jobs plan {URL} --work=work --camera_encoder.crf=40",
    "upgrade": f"upgrade {URL}",
    "upgrade dry": f"upgrade {URL} --output=out --dry-run",
    "modify tasks": f"modify-tasks {URL} --task=x",
    "add features": f"add-features {URL} --from=x.parquet",
    "remove features": f"remove-features {URL} --features=x",
    "rename features": f"rename-features {URL} --names='{{a: b}}'",
    "statistics": f"recompute-stats {URL}",
    "trim": f"trim {URL} --episodes='{{0: [0, 1]}}' --output=out",
    "record": f"record --dataset.repo_id=me/cubes --dataset.root={URL} --dataset.single_task=x "
    f"--cameras='{{a: {{type: ffmpeg, source: testsrc, format: lavfi, fps: 30}}}}'",
}


WRITES = (
    "record", "convert into", "demo into", "merge into", "delete into", "split into", "re-encode into",
    "images to video into", "upgrade into",
)  # fmt: skip


def advice(use: str) -> str:
    """The command that the message has: to upload what is written, or to fetch what is read, with the tag of its version."""
    return UPLOAD if use in WRITES else DOWNLOAD.format("v2.1" if use.startswith("upgrade") else "v3.0")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")


@pytest.mark.parametrize("use", FUNCTIONS)
@pytest.mark.parametrize("form", [str, Path])
def test_function_refuses_a_url(tmp_path, use, form, binaries: Binaries):
    with pytest.raises(DatasetError) as caught:
        FUNCTIONS[use](form(URL))
    assert f"{URL} is a URL" in str(caught.value)
    assert "pip install huggingface_hub" in str(caught.value)
    assert advice(use) in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", COMMANDS)
def test_command_refuses_a_url(tmp_path, use, capsys, binaries: Binaries):
    assert main(shlex.split(COMMANDS[use])) == 1
    assert advice(use) in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
