"""Statistics of episodes in one video are those of the frames of each, however the episodes follow each other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ffenc import Binaries, VideoReader, encode_frames
from ffenc.statistics import FrameSampler
from tests.footage import numbered_frames

pytest.importorskip("pyarrow")
from ffenc.dataset.format.camera_frames import span_statistics
from ffenc.dataset.format.episode_columns import VideoSpan
from ffenc.dataset.format.layout import FileId
from ffenc.dataset.format.schema import Feature

pytestmark = [pytest.mark.integration, pytest.mark.one_build]

FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory, binaries: Binaries) -> Path:
    path = tmp_path_factory.mktemp("video") / "numbered.mp4"
    encode_frames(numbered_frames(FRAMES), path, fps=30, binaries=binaries)
    return path


@pytest.mark.parametrize(
    ("spans", "runs"),
    [
        ([(0, 3), (3, 4), (4, 12)], [(0, 12)]),
        ([(0, 3), (5, 8), (8, 9)], [(0, 3), (5, 9)]),
        ([(6, 12), (0, 6)], [(6, 12), (0, 6)]),
        ([(2, 5), (2, 5)], [(2, 5), (2, 5)]),
        ([], []),
    ],
)
def test_spans_without_a_gap_are_decoded_together(
    spans: Sequence[tuple[int, int]],
    runs: Sequence[tuple[int, int]],
    video: Path,
    binaries: Binaries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = list(VideoReader(video, binaries=binaries))
    decoded: list[tuple[int, int]] = []
    read_range = VideoReader.read_range

    def counted(reader: VideoReader, start: int, end: int) -> object:
        decoded.append((start, end))
        return read_range(reader, start, end)

    monkeypatch.setattr(VideoReader, "read_range", counted)
    places = [VideoSpan(file=FileId(), from_frame=first, to_frame=stop) for first, stop in spans]
    camera = Feature(dtype="video", shape=(96, 128, 3))
    found = list(span_statistics(video, camera, places, binaries=binaries))
    assert decoded == runs
    for (first, stop), statistics in zip(spans, found, strict=True):
        sampler = FrameSampler()
        for frame in frames[first:stop]:
            sampler.add(frame)
        expected = sampler.statistics()
        assert statistics.count[0] == expected.count[0]
        for name in ("min", "max", "mean", "std", "q01", "q50", "q99"):
            np.testing.assert_array_equal(getattr(statistics, name), getattr(expected, name))
