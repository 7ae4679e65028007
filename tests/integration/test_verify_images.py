"""Images in the rows of a dataset: each must be readable, have the size of its feature, and belong to its row and camera."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, DatasetRecorder, VideoEncoderConfig, verify_dataset
from ffenc.errors import ProcessError
from tests.scenes import moving_scene

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

TOP, WRIST, FRONT = "observation.images.top", "observation.images.wrist", "observation.images.front"
STATE = "observation.state"
WIDTH, HEIGHT, LENGTH = 96, 64, 12
AXES = ["height", "width", "channels"]
FEATURES: dict[str, Any] = {
    TOP: {"dtype": "image", "shape": (HEIGHT, WIDTH, 3), "names": AXES},
    WRIST: {"dtype": "image", "shape": (HEIGHT, WIDTH, 3), "names": AXES},
    FRONT: {"dtype": "video", "shape": (HEIGHT, WIDTH, 3), "names": AXES},
    STATE: {"dtype": "float32", "shape": (1,), "names": None},
}

Images = list[dict[str, Any]]
Change = Callable[[Images, Images], None]
"""Changes the images of two cameras; episode k has the rows from k * LENGTH on."""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    root = tmp_path_factory.mktemp("recorded") / "set"
    encoder = VideoEncoderConfig(vcodec="libx264", preset="ultrafast", crf=18)
    scenes = {
        name: moving_scene(2 * LENGTH, seed=seed, width=WIDTH, height=HEIGHT)
        for seed, name in enumerate((TOP, WRIST, FRONT))
    }
    with DatasetRecorder.create(root, "me/x", 10, FEATURES, camera_encoder=encoder, binaries=binaries) as recorder:
        for row in range(2 * LENGTH):
            bright = 0.5 if row < LENGTH else 1
            frames = {name: (scene[row] * bright).astype(np.uint8) for name, scene in scenes.items()}
            frames[WRIST] = frames[WRIST] // 2 + 100
            recorder.add_frame({**frames, STATE: np.array([np.sin(row)], np.float32), "task": "move"})
            if row % LENGTH == LENGTH - 1:
                recorder.save_episode(wait=True)
    return root


def changed(recorded: Path, root: Path, change: Change) -> Path:
    shutil.copytree(recorded, root)
    (path,) = root.glob("data/*/*.parquet")
    table = pq.read_table(path)
    top, wrist = (table[name].to_pylist() for name in (TOP, WRIST))
    change(top, wrist)
    for name, images in ((TOP, top), (WRIST, wrist)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), pa.array(images, table.schema.field(place).type))
    pq.write_table(table, path, row_group_size=LENGTH)
    return root


def encoded(image: dict[str, Any], kind: str, *, mode: str = "RGB", size: tuple[int, int] | None = None) -> bytes:
    """Return an image in another format, mode or size."""
    file = io.BytesIO()
    picture = Image.open(io.BytesIO(image["bytes"])).convert(mode)
    (picture if size is None else picture.resize(size)).save(file, kind, quality=100)
    return file.getvalue()


def set_bytes(row: int, change: Callable[[dict[str, Any]], bytes | None]) -> Change:
    def fault(top: Images, wrist: Images) -> None:
        top[row]["bytes"] = change(top[row])

    return fault


def both(*changes: Change) -> Change:
    def fault(top: Images, wrist: Images) -> None:
        for change in changes:
            change(top, wrist)

    return fault


def exchanged_cameras(top: Images, wrist: Images) -> None:
    top[:LENGTH], wrist[:LENGTH] = wrist[:LENGTH], top[:LENGTH]


def exchanged_episodes(top: Images, wrist: Images) -> None:
    top[:] = top[LENGTH:] + top[:LENGTH]


def late(top: Images, wrist: Images) -> None:
    top[4:LENGTH] = top[: LENGTH - 4]


def damaged(image: dict[str, Any]) -> bytes:
    """Return an image whose header is intact."""
    data = bytes(image["bytes"])
    return data[: len(data) // 2] + b"\0" * 40 + data[len(data) // 2 + 40 :]


ERROR = "error"
FAULTS: dict[str, tuple[Change, set[tuple[Any, ...]]]] = {
    "exchanged cameras": (exchanged_cameras, {("pictures-foreign", ERROR, name, 0, None) for name in (TOP, WRIST)}),
    "exchanged episodes": (exchanged_episodes, {("pictures-foreign", ERROR, TOP, k, None) for k in (0, 1)}),
    "images four rows late": (late, {("pictures-misaligned", ERROR, TOP, 0, 4)}),
    "no bytes": (set_bytes(15, lambda image: None), {("frame-unreadable", ERROR, TOP, 1, 3)}),
    "empty bytes": (set_bytes(2, lambda image: b""), {("frame-unreadable", ERROR, TOP, 0, 2)}),
    "only the start of a PNG header": (
        set_bytes(2, lambda image: image["bytes"][:6]),
        {("frame-unreadable", ERROR, TOP, 0, 2)},
    ),
    "text": (set_bytes(2, lambda image: b"no image"), {("frame-unreadable", ERROR, TOP, 0, 2)}),
    "a cut image": (set_bytes(23, lambda image: image["bytes"][:40]), {("frame-unreadable", ERROR, TOP, 1, 11)}),
    "a damaged image": (set_bytes(7, damaged), {("frame-unreadable", ERROR, TOP, 0, 7)}),
    "two images": (
        both(set_bytes(4, lambda image: b""), set_bytes(5, lambda image: None)),
        {("frame-unreadable", ERROR, TOP, 0, 4)},
    ),
    "another size": (
        set_bytes(3, lambda image: encoded(image, "PNG", size=(48, 32))),
        {("image-size-foreign", ERROR, TOP, 0, 3)},
    ),
    "another format": (set_bytes(3, lambda image: encoded(image, "JPEG")), set()),
    **{
        f"mode {mode}": (  # LeRobot gives these frames another number of channels
            set_bytes(3, lambda image, mode=mode: encoded(image, "PNG", mode=mode)),  # type: ignore[misc]
            {("image-size-foreign", ERROR, TOP, 0, 3)},
        )
        for mode in ("P", "L", "LA", "RGBA")
    },
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_stored_images_is_found(fault: str, recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    change, expected = FAULTS[fault]
    root = changed(recorded, tmp_path / "set", change)
    report = verify_dataset(root, "decode", binaries=binaries)
    assert {(each.code, each.severity, each.camera, each.episode, each.frame) for each in report.findings} == expected
    assert all(str(each.path) == "data/chunk-000/file-000.parquet" for each in report.findings), report.findings
    assert all("/tmp" not in each.message and "suffix" not in each.message for each in report.findings), report.findings


def test_path_without_an_image_is_named(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    def only_path(top: Images, wrist: Images) -> None:
        top[3] = {"bytes": None, "path": "images/frame-000003.png"}

    (found,) = verify_dataset(changed(recorded, tmp_path / "set", only_path), "decode", binaries=binaries).findings
    assert "images/frame-000003.png" in found.message


def test_one_black_frame_is_described_as_one(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    def black(top: Images, wrist: Images) -> None:
        file = io.BytesIO()
        Image.new("RGB", (WIDTH, HEIGHT)).save(file, "PNG")
        top[5]["bytes"] = file.getvalue()

    report = verify_dataset(changed(recorded, tmp_path / "set", black), "decode", binaries=binaries)
    assert "frame 5 is black" in [found.message for found in report.findings if found.code == "camera-blank"]


def test_unchanged_images_have_no_findings(recorded: Path, tmp_path: Path, binaries: Binaries) -> None:
    root = changed(recorded, tmp_path / "set", lambda top, wrist: None)
    assert verify_dataset(root, "decode", binaries=binaries).findings == ()


def test_images_without_a_decoder_are_not_checked(
    recorded: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reader(*_: object, **__: object) -> None:
        raise ProcessError("ffmpeg failed: Decoder (codec png) not found for input stream #0:0", argv=("ffmpeg",))

    monkeypatch.setattr("ffenc.dataset.verify.checks.stored_images.ImageReader", reader)
    report = verify_dataset(recorded, "decode", binaries=binaries)
    assert {(each.code, each.severity, each.camera) for each in report.findings} == {
        ("images-undecodable", "note", name) for name in (TOP, WRIST)
    }
