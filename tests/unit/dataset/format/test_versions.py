"""Every operation recognises datasets of other format versions and names the command to run, in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ffenc import Binaries, DatasetReader, upgrade_dataset, verify_dataset
from ffenc.cli.main import main
from ffenc.dataset.format.documents import load_info
from ffenc.dataset.format.versions import version_message
from ffenc.errors import DatasetError
from tests.dataset_operations import OPERATIONS

FFMPEG = Binaries(ffmpeg=Path("/nothing/ffmpeg"), ffprobe=None, ffmpeg_origin="argument", ffprobe_origin="none")
"""Never started: the version is read first."""

FROM_1, FROM_2 = "datasets.v2.convert_dataset_v1_to_v2", "datasets.v21.convert_dataset_v20_to_v21"
VERSIONS = {
    "v1.0": ("meta_data", [FROM_1, FROM_2, "ffenc upgrade"]),
    "v1.6": ("meta_data", [FROM_1, FROM_2, "ffenc upgrade"]),
    "v2.0": ("meta", [FROM_2, "ffenc upgrade"]),
    "2.0": ("meta", [FROM_2, "ffenc upgrade"]),
    "v2.1": ("meta", ["ffenc upgrade"]),
    "v3.1": ("meta", ["pip install --upgrade ffenc-video"]),
    "v4.0": ("meta", ["pip install --upgrade ffenc-video"]),
    "v10": ("meta", ["pip install --upgrade ffenc-video"]),
}
COMMANDS = {
    "info": ["info", "set"],
    "preview": ["preview", "set"],
    "repair": ["repair", "set"],
    "merge": ["merge", "set", "set", "--output=out"],
    "delete-episodes": ["delete-episodes", "set", "--episodes=0", "--output=out"],
    "split": ["split", "set", "--splits={a: 0.5, b: 0.5}", "--output=out"],
    "reencode-dataset": ["reencode-dataset", "set", "--output=out", "--camera_encoder.crf=30"],
    "images-to-video": ["images-to-video", "set"],
    "salvage": ["salvage", "set"],
    "modify-tasks": ["modify-tasks", "set", "--task=Lift"],
    "remove-features": ["remove-features", "set", "--features=action"],
    "rename-features": ["rename-features", "set", "--names={action: effort}"],
    "recompute-stats": ["recompute-stats", "set"],
    "card": ["card", "set"],
    "record": [
        *("record", "--resume=true", "--dataset.repo_id=me/set", "--dataset.root=set", "--dataset.single_task=Lift"),
        "--cameras={top: {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 64, fps: 30}}",
    ],
    "jobs plan": ["jobs", "plan", "set", "--work=out", "--camera_encoder.crf=30"],
    "verify": ["verify", "set", "--level=metadata"],
}


@pytest.fixture(params=VERSIONS)
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, list[str]]:
    """Return a dataset of another version, and what the message must name."""
    folder, named = VERSIONS[request.param]
    (tmp_path / "set" / folder).mkdir(parents=True)
    (tmp_path / "set" / folder / "info.json").write_text(json.dumps({"codebase_version": request.param, "fps": 30}))
    return tmp_path / "set", [request.param, *named]


def check(message: str, named: list[str]) -> None:
    assert all(part in message for part in named), message
    assert message.count(". ") == message.count("\n") == 0, message


def test_every_operation_names_the_command_to_run(dataset: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, named = dataset
    for name, operation in OPERATIONS.items():
        if name == "verify":
            continue
        with pytest.raises(DatasetError) as caught:
            operation.run(root, tmp_path / "out", FFMPEG, False)
        check(str(caught.value), named)
    for call in (load_info, DatasetReader):
        with pytest.raises(DatasetError) as caught:
            call(root)
        check(str(caught.value), named)
    (finding,) = verify_dataset(root, "metadata").findings
    assert finding.code == "dataset-version"
    check(finding.message, named)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("version", ["v1.6", "v2.1"])
def test_every_command_prints_it(
    command: str, version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, named = VERSIONS[version]
    (tmp_path / "set" / folder).mkdir(parents=True)
    (tmp_path / "set" / folder / "info.json").write_text(json.dumps({"codebase_version": version, "fps": 30}))
    monkeypatch.chdir(tmp_path)
    assert main([*COMMANDS[command], "--ffmpeg=/bin/true"]) == 1
    printed = capsys.readouterr()
    text = " ".join((printed.out + printed.err).split())
    assert all(part in text for part in [version, *named]), text


def test_only_version_2_1_is_upgraded(dataset: tuple[Path, list[str]], tmp_path: Path) -> None:
    root, named = dataset
    if "v2.1" in named:
        named = ["data_path"]  # the version is right, and the document is not
    with pytest.raises(DatasetError) as caught:
        upgrade_dataset(root, tmp_path / "out", binaries=FFMPEG)
    check(str(caught.value), named)
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_command_is_quoted_for_the_shell() -> None:
    assert "`ffenc upgrade 'my set'`" in version_message("v2.1", "my set/meta/info.json", "my set")


@pytest.mark.parametrize("version", [None, 3, "three", "v3.x", ""])
def test_what_is_not_a_version_is_shown(version: object) -> None:
    assert f"codebase_version {version!r}; expected 'v3.0'" in version_message(version, "info.json", "set")
