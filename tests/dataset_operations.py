"""A table of all operations on datasets, and a small dataset to run them on."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ffenc import Binaries, VideoEncoderConfig
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.preview import preview_dataset
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.edit import delete_episodes, split_dataset
from ffenc.dataset.transform.features import rename_features
from ffenc.dataset.transform.images_to_video import convert_images_to_video
from ffenc.dataset.transform.merge import merge_datasets
from ffenc.dataset.transform.pack import pack_dataset
from ffenc.dataset.transform.reencode import reencode_dataset
from ffenc.dataset.transform.trim import trim_episodes
from ffenc.dataset.verify.repair import repair_dataset
from ffenc.dataset.verify.verify import verify_dataset
from ffenc.errors import DatasetError

LAPTOP, WRIST, TOP = "observation.images.laptop", "observation.images.wrist", "observation.images.top"
EPISODES, LENGTH = 3, 3
CRF = 40
"""Quality of a re-encoded dataset."""

H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast")
_NAMES = ["height", "width", "channels"]
_FEATURES: dict[str, Any] = {
    "observation.state": {"dtype": "float32", "shape": (2,), "names": None},
    LAPTOP: {"dtype": "video", "shape": (48, 64, 3), "names": _NAMES},
    WRIST: {"dtype": "image", "shape": (16, 32, 3), "names": _NAMES},
}

Run = Callable[[Path, Path, Binaries, bool], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """An operation on a dataset.

    Attributes:
        run: takes the dataset, a path for an output, the executables, and whether links may be followed.
        kind: ``"view"`` only reads, ``"new"`` writes another dataset, ``"in place"`` changes the dataset.
        adds_files: whether it adds files to directories of the dataset, which therefore must not be links.
    """

    run: Run
    kind: str
    adds_files: bool = False


def make_dataset(root: Path, binaries: Binaries) -> None:
    """Record three episodes of a video camera and an image camera, each in files of its own."""
    recorder = DatasetRecorder.create(root, "me/set", 30, _FEATURES, camera_encoder=H264, binaries=binaries)
    for episode in range(EPISODES):
        _record_episode(recorder, episode)
    recorder.finalize(pack=False)
    (root / "extra").mkdir()
    (root / "extra" / "notes.txt").write_text("notes")


def frame_of(episode: int, number: int) -> dict[str, Any]:
    """Return a frame with a unique colour."""
    return {
        "observation.state": np.full(2, episode + number / 10, np.float32),
        LAPTOP: np.full((48, 64, 3), 40 * episode + number, np.uint8),
        WRIST: np.full((16, 32, 3), 40 * episode + number, np.uint8),
        "task": "move",
    }


def _record_episode(recorder: DatasetRecorder, episode: int) -> None:
    for number in range(LENGTH):
        recorder.add_frame(frame_of(episode, number))
    recorder.save_episode(wait=True)


def _resume(root: Path, binaries: Binaries, *, follow_links: bool) -> None:
    with DatasetRecorder.resume(root, follow_links=follow_links, binaries=binaries) as recorder:
        _record_episode(recorder, recorder.num_episodes)
        recorder.finalize(pack=False)


def _reencode(root: Path, output: Path | None, binaries: Binaries, *, follow_links: bool) -> None:
    config = VideoEncoderConfig(vcodec="h264", preset="ultrafast", crf=CRF)
    reencode_dataset(root, camera_encoder=config, output=output, follow_links=follow_links, binaries=binaries)


def _split(root: Path, output: Path, binaries: Binaries, *, follow_links: bool) -> None:
    split_dataset(root, {"a": [0], "b": [1, 2]}, output, follow_links=follow_links, binaries=binaries)


def _repair(root: Path, binaries: Binaries, *, follow_links: bool, dry_run: bool = False) -> None:
    report = repair_dataset(root, level="metadata", dry_run=dry_run, follow_links=follow_links, binaries=binaries)
    if not report.after.ok:
        raise DatasetError(f"{report.after.findings}", path=root)


def _summary(root: Path) -> None:
    info = load_info(root)
    load_episodes(root, info)
    load_stats(root)


OPERATIONS: dict[str, Operation] = {
    "verify": Operation(run=lambda root, out, b, f: verify_dataset(root, "packets", binaries=b), kind="view"),
    "info": Operation(run=lambda root, out, b, f: _summary(root), kind="view"),
    "preview": Operation(run=lambda root, out, b, f: preview_dataset(root, out, episodes=[0], binaries=b), kind="view"),
    "repair dry run": Operation(
        run=lambda root, out, b, f: _repair(root, b, follow_links=f, dry_run=True), kind="view", adds_files=True
    ),
    "merge": Operation(
        run=lambda root, out, b, f: merge_datasets([root, root], out, follow_links=f, binaries=b), kind="new"
    ),
    "delete": Operation(
        run=lambda root, out, b, f: delete_episodes(root, [0], out, follow_links=f, binaries=b), kind="new"
    ),
    "trim": Operation(
        run=lambda root, out, b, f: trim_episodes(root, {1: (1, 3)}, out, follow_links=f, binaries=b), kind="new"
    ),
    "trim in place": Operation(
        run=lambda root, out, b, f: trim_episodes(root, {1: (1, 3)}, follow_links=f, binaries=b), kind="in place"
    ),
    "split": Operation(run=lambda root, out, b, f: _split(root, out, b, follow_links=f), kind="new"),
    "reencode": Operation(run=lambda root, out, b, f: _reencode(root, out, b, follow_links=f), kind="new"),
    "reencode in place": Operation(
        run=lambda root, out, b, f: _reencode(root, None, b, follow_links=f), kind="in place"
    ),
    "images to video": Operation(
        run=lambda root, out, b, f: convert_images_to_video(root, camera_encoder=H264, follow_links=f, binaries=b),
        kind="in place",
    ),
    "rename features": Operation(
        run=lambda root, out, b, f: rename_features(root, {LAPTOP: TOP}, follow_links=f), kind="in place"
    ),
    "pack": Operation(run=lambda root, out, b, f: pack_dataset(root, follow_links=f, binaries=b), kind="in place"),
    "repair": Operation(run=lambda root, out, b, f: _repair(root, b, follow_links=f), kind="in place", adds_files=True),
    "resume": Operation(run=lambda root, out, b, f: _resume(root, b, follow_links=f), kind="in place", adds_files=True),
}


def prepare(name: str, root: Path) -> None:
    """Damage a dataset for the operations that repair it."""
    if name.startswith("repair"):
        path = root / "meta" / "info.json"
        path.write_text(path.read_text().replace('"0:3"', '"0:2"'))


def listing(directory: Path) -> dict[str, str]:
    """Return every entry below a directory: its kind, mode, and content or link target; links are not followed."""
    found = {}
    for here, folders, names in os.walk(directory):
        for name in (*folders, *names):
            path = Path(here, name)
            status = path.lstat()
            content = ""
            if path.is_symlink():
                content = str(path.readlink())
            elif stat.S_ISREG(status.st_mode):
                content = hashlib.sha256(path.read_bytes()).hexdigest()
            found[str(path.relative_to(directory))] = f"{stat.filemode(status.st_mode)} {content}"
    return found


def signature(root: Path) -> tuple[object, ...]:
    """Return the values that operations in place change: episodes, files, crf and type of the cameras, splits."""
    info = load_info(root)
    layout = DatasetLayout.of(root, info)
    camera, laptop = next(iter(info.videos.items()))
    files, crf = len(layout.data_files()), (laptop.info or {}).get("video.crf")
    return info.total_episodes, files, (camera, crf), info.features[WRIST].dtype, info.splits["train"]


def check_whole(root: Path, binaries: Binaries) -> None:
    """Fail if the tables of a dataset or the packets of its videos have a finding."""
    report = verify_dataset(root, "packets", binaries=binaries)
    assert report.ok, report.findings
    assert not report.counts.keys() & {"dataset-in-use"}, report.findings


def copy_tree(source: Path, target: Path) -> Path:
    """Copy a dataset with its links."""
    shutil.copytree(source, target, symlinks=True)
    return target
