"""A really full disk gives a typed error, unchanged sources, no half-written files and recoverable recordings."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoWriter
from ffenc.errors import FFencError, RecordingError, is_disk_full

pytest.importorskip("pyarrow")
from ffenc.cli.main import main
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.verify.verify import verify_dataset
from tests.dataset_operations import OPERATIONS, check_whole, copy_tree, prepare, signature

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

SIZE_MIB = 8
ROOMS_BYTES = (0, 20_000, 60_000)
"""Free bytes for an operation on a dataset of about 100 kB."""

LARGE = VideoEncoderConfig(vcodec="h264", preset="ultrafast", crf=1)
CAMERA = "observation.images.top"
FEATURES: dict[str, Any] = {
    "action": {"dtype": "float32", "shape": (1,), "names": None},
    CAMERA: {"dtype": "video", "shape": (480, 640, 3), "names": ["height", "width", "channels"]},
}
NOISE = [np.random.default_rng(seed).integers(0, 255, (480, 640, 3), dtype=np.uint8) for seed in range(4)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of a few MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("file systems are mounted on Linux only")
    options = ["-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs"]
    done = subprocess.run(["mount", *options, place], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def leave_room(disk: Path, size_bytes: int) -> Path:
    """Fill the disk except for this number of bytes."""
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - size_bytes)))
    return ballast


def test_full_disk_leaves_no_video(small_disk: Path, binaries: Binaries) -> None:
    with (
        pytest.raises(FFencError, match="No space left") as caught,
        VideoWriter(small_disk / "clip.mp4", fps=30, config=LARGE, binaries=binaries) as writer,
    ):
        for number in range(200):
            writer.write(NOISE[number % 4])
    assert is_disk_full(caught.value)
    assert list(small_disk.iterdir()) == []


def test_full_disk_keeps_recorded_steps(
    small_disk: Path, tmp_path: Path, binaries: Binaries, caplog: pytest.LogCaptureFixture, capsys: Any
) -> None:
    root = small_disk / "set"
    frame = {"action": np.zeros(1, np.float32), "task": "t"}

    def record() -> None:
        with DatasetRecorder.create(root, "me/set", 30, FEATURES, camera_encoder=LARGE, binaries=binaries) as recorder:
            for number in range(200):
                if number == 3:
                    recorder.save_episode(wait=True)
                recorder.add_frame({**frame, CAMERA: NOISE[number % 4]})

    with pytest.raises(FFencError) as caught:
        record()
    assert is_disk_full(caught.value)
    assert isinstance(caught.value, RecordingError)
    assert caught.value.kept is not None
    assert caught.value.kept.exists()
    assert str(caught.value.kept) in str(caught.value)
    (said,) = [each.getMessage() for each in caplog.records if "was not appended" in each.getMessage()]
    assert "make room on the disk, then run `ffenc salvage" in said
    assert verify_dataset(root, "packets", binaries=binaries).severities["error"] == 0
    before = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    assert main(["salvage", str(root)]) == 1
    assert "No space left" in capsys.readouterr().err
    assert {path: path.stat().st_size for path in root.rglob("*") if path.is_file()} == before
    roomy = copy_tree(root, tmp_path / "roomy")
    assert main(["salvage", str(roomy)]) == 0
    report = verify_dataset(roomy, "packets", binaries=binaries)
    assert (report.severities["error"], report.episodes) == (0, 2), report.findings
    assert report.frames > 3


@pytest.mark.parametrize("name", [name for name, each in OPERATIONS.items() if each.kind != "view"])
def test_operation_on_full_disk_changes_all_or_nothing(
    name: str, recorded: Path, small_disk: Path, binaries: Binaries
) -> None:
    whole = copy_tree(recorded, small_disk.with_name("whole") / "set")
    prepare(name, whole)
    before = signature(whole)
    OPERATIONS[name].run(whole, whole.with_name("out"), binaries, False)
    after = signature(whole)
    failures = 0
    for room in ROOMS_BYTES:
        root = copy_tree(recorded, small_disk / "set")
        prepare(name, root)
        ballast = leave_room(small_disk, room)
        try:
            OPERATIONS[name].run(root, small_disk / "out", binaries, False)
        except FFencError as err:
            failures += 1
            assert is_disk_full(err) or "o space left" in str(err), err
            assert not (small_disk / "out").exists()
            assert signature(root) == before
        else:
            assert signature(root) == after
        ballast.unlink()
        assert {path.name for path in small_disk.iterdir()} <= {"set", "out"}
        if not name.startswith("repair"):
            report = verify_dataset(root, "packets", binaries=binaries)
            assert report.severities["error"] == 0, report.findings
        for made in small_disk.glob("out"):
            for dataset in (made / "a", made / "b") if (made / "a").exists() else (made,):
                check_whole(dataset, binaries)
        for path in small_disk.iterdir():
            shutil.rmtree(path)
    assert failures
