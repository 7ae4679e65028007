"""`VideoReader` returns the requested frame, by number or by time, in any order, from one process."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ffenc import Binaries, VideoEncoderConfig, VideoReader, encode_frames
from ffenc.errors import InputError, ProbeError
from tests.footage import number_of, numbered_frames, numbers_of

pytestmark = [pytest.mark.integration, pytest.mark.smoke]

COUNT = 100


@pytest.fixture(params=[2, 15, 1000], ids=["g2", "g15", "one-gop"])
def reader(request: pytest.FixtureRequest, tmp_path: Path, binaries: Binaries) -> VideoReader:
    config = VideoEncoderConfig(vcodec="h264", g=request.param)
    path = tmp_path / "a.mp4"
    encode_frames(numbered_frames(COUNT), path, fps="30000/1001", config=config, binaries=binaries)
    return VideoReader(path, binaries=binaries)


def test_length_rate_and_shape_without_decoding(reader: VideoReader) -> None:
    assert len(reader) == COUNT
    assert reader.fps == Fraction(30000, 1001)
    assert reader.format.shape == (96, 128, 3)


@pytest.mark.parametrize(
    "numbers",
    [
        pytest.param([0], id="first"),
        pytest.param([COUNT - 1], id="last"),
        pytest.param([50, 3, 3, 99, 0, 51, 52, 14, 15, 16], id="any-order-with-repeats"),
        pytest.param(list(range(0, COUNT, 7)), id="strided"),
        pytest.param([], id="none"),
    ],
)
def test_frames_by_number(reader: VideoReader, numbers: list[int]) -> None:
    frames = reader.frames(numbers)
    assert frames.shape == (len(numbers), 96, 128, 3)
    assert numbers_of(frames) == numbers


def test_frames_by_time_round_to_the_nearest(reader: VideoReader) -> None:
    numbers = [0, 1, 3, 29, 58, 99]
    exact = [number * Fraction(1001, 30000) for number in numbers]
    assert numbers_of(reader.frames_at(exact)) == numbers
    # float32, as dataset tables hold them
    assert numbers_of(reader.frames_at([float(np.float32(float(time_s))) for time_s in exact])) == numbers
    assert numbers_of(reader.frames_at([float(exact[3]) + 0.004], tolerance_s=0.005)) == [29]


@pytest.mark.parametrize("time_s", [0.01, -0.01, 3.5])
def test_time_without_frame(reader: VideoReader, time_s: float) -> None:
    with pytest.raises(InputError, match=r"no frame within 0\.0001 s"):
        reader.frames_at([0.0, time_s])


def test_same_frames_in_order_and_by_number(reader: VideoReader) -> None:
    in_order = list(reader)
    chosen = reader.frames([40, 77])
    assert np.array_equal(chosen, np.stack([in_order[40], in_order[77]]))
    assert numbers_of(in_order) == list(range(COUNT))


def test_range_and_early_exit(reader: VideoReader) -> None:
    assert numbers_of(reader.read_range(31, 47)) == list(range(31, 47))
    for frame in reader:
        assert number_of(frame) == 0
        break


@pytest.mark.parametrize("numbers", [[-1], [0, COUNT]])
def test_numbers_out_of_range(reader: VideoReader, numbers: list[int]) -> None:
    with pytest.raises(InputError, match="not all within"):
        reader.frames(numbers)


@pytest.mark.parametrize("number", [1.0, "1", None])
def test_number_that_is_not_an_integer(reader: VideoReader, number: Any) -> None:
    with pytest.raises(TypeError, match="cannot be interpreted as an integer"):
        reader.frames([0, number])


def test_not_a_video(tmp_path: Path, binaries: Binaries) -> None:
    path = tmp_path / "a.mp4"
    path.write_text("hello")
    with pytest.raises(ProbeError, match=r"a\.mp4"):
        VideoReader(path, binaries=binaries)
