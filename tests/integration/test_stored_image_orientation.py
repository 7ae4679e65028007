"""The orientation of images is applied in folders for ``convert`` and in the rows of a dataset."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageOps

from ffenc import Binaries, VideoEncoderConfig, VideoReader, probe_capabilities
from ffenc.bench.sources import SourceSpec, materialise
from ffenc.cli.main import main
from ffenc.errors import DatasetError
from tests import exif_images

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.images_to_video import convert_images_to_video

pytestmark = pytest.mark.integration

CAMERA = "observation.images.front"
COUNT = 3


def stored(number: int, orientation: int, kind: str = "JPEG", **size: int) -> bytes:
    file = io.BytesIO()
    how: dict[str, Any] = {"quality": 98, "subsampling": 0} if kind == "JPEG" else {}
    image = Image.fromarray(exif_images.asymmetric(number, **size))
    image.save(file, kind, exif=b"Exif\0\0" + exif_images.exif(orientation), **how)
    return file.getvalue()


def check(frames: list[npt.NDArray[Any]], images: list[bytes]) -> None:
    assert len(frames) == len(images)
    for frame, data in zip(frames, images, strict=True):
        wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
        assert frame.shape == wanted.shape
        assert np.abs(frame.astype(int) - wanted.astype(int)).mean() < 5


@pytest.mark.parametrize("orientation", [3, 6, 7])
def test_oriented_images_in_folders(
    tmp_path: Path, binaries: Binaries, monkeypatch: pytest.MonkeyPatch, orientation: int
) -> None:
    monkeypatch.chdir(tmp_path)
    images = [stored(number, orientation) for number in range(COUNT)]
    Path("in").mkdir()
    for number, data in enumerate(images):
        Path("in", f"f-{number}.jpg").write_bytes(data)
    fast = ["--camera_encoder.vcodec=h264", "--camera_encoder.preset=ultrafast", "--camera_encoder.crf=4"]
    assert main(["convert", "out", "in", "--task=t", "--fps=15.0", *fast]) == 0
    (video,) = Path("out").rglob("*.mp4")
    check(list(VideoReader(video, binaries=binaries)), images)
    check(list(materialise(SourceSpec(images=Path("in")), tmp_path, binaries=binaries).frames), images)


def dataset_of(root: Path, images: list[bytes], shape: tuple[int, ...], binaries: Binaries) -> Path:
    """Return a dataset with these images in its rows."""
    if "png" not in probe_capabilities(binaries.ffmpeg).encoders:
        pytest.skip("this build writes no images")
    features = {CAMERA: {"dtype": "image", "shape": shape, "names": ["height", "width", "channels"]}}
    with DatasetRecorder.create(root, "me/x", 10.0, features, binaries=binaries) as recorder:
        for _ in images:
            recorder.add_frame({CAMERA: np.zeros(shape, np.uint8), "task": "t"})
        recorder.save_episode(wait=True)
        recorder.finalize()
    (path,) = root.rglob("data/**/*.parquet")
    table = pq.read_table(path)
    rows = [row | {"bytes": data} for row, data in zip(table[CAMERA].to_pylist(), images, strict=True)]
    place = table.schema.get_field_index(CAMERA)
    column = pa.array(rows, table.schema.field(place).type)
    pq.write_table(table.set_column(place, table.schema.field(place), column), path)
    return root


H264 = VideoEncoderConfig(vcodec="h264", preset="ultrafast", crf=4)


def test_oriented_images_in_dataset_rows(tmp_path: Path, binaries: Binaries) -> None:
    images = [stored(number, 6) for number in range(COUNT)]
    root = dataset_of(tmp_path / "a", images, (64, 48, 3), binaries)
    convert_images_to_video(root, camera_encoder=H264, output=tmp_path / "out", binaries=binaries)
    (video,) = (tmp_path / "out").rglob("*.mp4")
    check(list(VideoReader(video, binaries=binaries)), images)


@pytest.mark.parametrize(
    ("images", "shape", "says"),
    [
        ([stored(0, 6), stored(1, 1)], (64, 48, 3), r"episode 0: frame-000001\.jpg differs .* EXIF orientation is 1"),
        (
            [stored(0, 6), stored(1, 6)],
            (48, 64, 3),
            r"are 48x64 with their EXIF orientation applied, but the shape in info.json is \(48, 64, 3\)",
        ),
        (
            [stored(0, 1), stored(1, 1, "PNG")],
            (48, 64, 3),
            r"frame 1 of episode 0 has a .png image of .*another format",
        ),
        ([stored(0, 1), stored(1, 1, width=32)], (48, 64, 3), r"frame-000001\.jpg differs .* size is 32x48"),
    ],
)
def test_rows_with_different_orientations(
    tmp_path: Path, binaries: Binaries, images: list[bytes], shape: tuple[int, ...], says: str
) -> None:
    root = dataset_of(tmp_path / "a", images, shape, binaries)
    with pytest.raises(DatasetError, match=says):
        convert_images_to_video(root, camera_encoder=H264, output=tmp_path / "out", binaries=binaries)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
