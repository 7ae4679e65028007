"""`convert_images_to_video` makes the images of every row the frames of that row; depth keeps its codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames, probe_capabilities
from ffenc.config import DepthEncoderConfig
from ffenc.errors import DatasetError
from tests.datasets import rows_of, tree_of
from tests.footage import numbered_frame, numbers_of
from tests.lerobot_data import LEROBOT

pytest.importorskip("pyarrow")
from ffenc.dataset.format.dataset_tables import load_episodes
from ffenc.dataset.format.documents import load_info, load_stats
from ffenc.dataset.format.layout import DatasetLayout
from ffenc.dataset.recording.recorder import DatasetRecorder
from ffenc.dataset.transform.images_to_video import convert_images_to_video

pytestmark = pytest.mark.integration

LENGTHS = (7, 5)
RGB, DEPTH = "observation.images.front", "observation.images.depth"
FEATURES = {
    "action": {"dtype": "float32", "shape": (2,), "names": ["a", "b"]},
    RGB: {"dtype": "video", "shape": (64, 64, 3), "names": ["height", "width", "channels"]},
    DEPTH: {
        "dtype": "video",
        "shape": (64, 64, 1),
        "names": ["height", "width", "channels"],
        "info": {"is_depth_map": True},
    },
}
H264 = VideoEncoderConfig(vcodec="h264", crf=10)


def depth_of(number: int) -> np.ndarray:
    return (np.arange(64 * 64, dtype=np.uint16).reshape(64, 64, 1) * 2 + 300 + 10 * number).astype(np.uint16)


@pytest.fixture
def images(tmp_path: Path, binaries: Binaries) -> Path:
    """Return a dataset of images recorded by ffenc; frame k of all cameras shows the number k."""
    if not {"png", "tiff"} <= probe_capabilities(binaries.ffmpeg).encoders.keys():
        pytest.skip("this build writes no images")
    root = tmp_path / "images"
    with DatasetRecorder.create(root, "me/images", 10, FEATURES, use_videos=False, binaries=binaries) as recorder:
        number = 0
        for length in LENGTHS:
            for _ in range(length):
                action = np.array([number, -number], np.float32)
                image = numbered_frame(number, width=64, height=64)
                recorder.add_frame({"action": action, RGB: image, DEPTH: depth_of(number), "task": "count"})
                number += 1
            recorder.save_episode(wait=True)
        recorder.finalize()
    return root


@pytest.mark.parametrize("in_place", [False, True])
def test_images_become_frames_of_their_rows(images: Path, tmp_path: Path, binaries: Binaries, in_place: bool) -> None:
    if not lossless_depth(tmp_path, binaries):
        pytest.skip("this build has no x265 with 12 bits")
    before, rows, stats = tree_of(images), rows_of(images), load_stats(images)
    result = convert_images_to_video(
        images, camera_encoder=H264, output=None if in_place else tmp_path / "out", binaries=binaries
    )
    root, info = result.root, load_info(result.root)
    assert (result.cameras, result.episodes, result.frames, result.videos) == ((RGB, DEPTH), 2, 12, 2)
    if not in_place:
        assert tree_of(images) == before
    assert [feature.dtype for feature in (info.features[RGB], info.features[DEPTH])] == ["video", "video"]
    assert rows_of(root) == [{k: v for k, v in row.items() if k not in (RGB, DEPTH)} for row in rows]
    assert load_stats(root).keys() == stats.keys()  # type: ignore[union-attr]
    layout = DatasetLayout.of(root, info)
    config = DepthEncoderConfig.from_video_info(info.features[DEPTH].info or {})
    for row in load_episodes(root, info):
        expected = range(row.dataset_from_index, row.dataset_to_index)
        span = row.videos[RGB]
        reader = VideoReader(layout.video(RGB, span.file), binaries=binaries)
        assert numbers_of(reader.read_range(span.from_frame, span.to_frame)) == list(expected)
        span = row.videos[DEPTH]
        codes = VideoReader(layout.video(DEPTH, span.file), layout=config.layout, binaries=binaries)
        for number, frame in zip(expected, codes.read_range(span.from_frame, span.to_frame), strict=True):
            assert np.array_equal(frame, config.quantizer.quantize(depth_of(number)))


def lossless_depth(directory: Path, binaries: Binaries) -> bool:
    config, frame = DepthEncoderConfig(), np.zeros((64, 64), np.uint16)
    try:
        encode_frames([frame] * 2, directory / "d.mp4", fps=10, config=config, layout="gray12", binaries=binaries)
    except ValueError:
        return False
    return True


def test_unconvertible_datasets_are_refused(images: Path, tmp_path: Path, binaries: Binaries) -> None:
    before = tree_of(tmp_path)
    for wrong in ({"cameras": ["action"]}, {"camera_encoder": {RGB: DepthEncoderConfig()}, "cameras": [RGB]}):
        with pytest.raises(DatasetError):
            convert_images_to_video(images, output=tmp_path / "out", binaries=binaries, **wrong)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="no image feature"):
        convert_images_to_video(LEROBOT / "A", output=tmp_path / "out", binaries=binaries)
    assert tree_of(tmp_path) == before
