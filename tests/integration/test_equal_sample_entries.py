"""Files whose sample entries compare equal share a decoder and measurements: their frames are right, in any order of reading.

Some streams change their coded headers after the sample entry was written, and some sample entries hold none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ffenc import Binaries, VideoReader, probe_video
from ffenc.errors import FFencError, ProcessDiedError
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.video.decoder_pool import DECODERS

pytestmark = pytest.mark.integration

H264 = ("-c:v", "libx264", "-g", "5", "-bf", "0", "-threads", "1")
HEVC = ("-c:v", "libx265", "-x265-params", "log-level=none:keyint=5:bframes=0:repeat-headers=1")
AV1 = ("-c:v", "libsvtav1", "-g", "5", "-preset", "12")
MPEG4 = ("-c:v", "mpeg4", "-g", "5", "-q:v", "3")
COUNT = 15


@pytest.fixture(autouse=True)
def _no_processes_left() -> Iterator[None]:
    DECODERS.close()
    yield
    DECODERS.close()


class Maker:
    """Makes files in a directory."""

    def __init__(self, ffmpeg: Path, directory: Path) -> None:
        self._ffmpeg = ffmpeg
        self._directory = directory

    def encode(self, name: str, *options: str, source: str = "testsrc") -> Path:
        """Encode a test picture."""
        picture = f"{source}=s=96x64:r=30:d={COUNT / 30}"
        return self.run(name, "-f", "lavfi", "-i", picture, "-pix_fmt", "yuv420p", *options)

    def copy(self, name: str, path: Path, *options: str) -> Path:
        """Copy the stream of a file."""
        raw = ("-framerate", "30") if path.suffix in (".h264", ".hevc") else ()
        return self.run(name, *raw, "-i", str(path), "-c", "copy", *options)

    def joined(self, name: str, *paths: Path) -> Path:
        """Write streams one after the other."""
        path = self._directory / name
        path.write_bytes(b"".join(part.read_bytes() for part in paths))
        return path

    def run(self, name: str, *arguments: str) -> Path:
        path = self._directory / name
        try:
            run_tool([self._ffmpeg, "-v", "error", "-y", *arguments, path], timeout_s=60)
        except ProcessDiedError as err:
            pytest.skip(f"this FFmpeg cannot write it: {err}")
        return path


def h264_picture_parameters(make: Maker) -> list[Path]:
    """The second half of one file has its own chroma offset, as after joining two recordings."""
    first = make.encode("1.h264", *H264)
    other = make.encode("2.h264", *H264, "-x264-params", "chroma-qp-offset=8")
    joined = make.copy("joined.mp4", make.joined("12.h264", first, other))
    return [joined, make.copy("first.mp4", first, "-bsf:v", "filter_units=remove_types=7-8")]


def hevc_parameters(make: Maker) -> list[Path]:
    first = make.encode("1.hevc", *HEVC)
    params = HEVC[-1] + ":cbqpoffs=8:crqpoffs=8"
    other = make.encode("2.hevc", *HEVC[:-1], params)
    tag = ("-tag:v", "hev1")
    joined = make.copy("joined.mp4", make.joined("12.hevc", first, other), *tag)
    return [joined, make.copy("first.mp4", first, *tag, "-bsf:v", "filter_units=remove_types=32-34")]


def without_sequence_header(path: Path) -> Path:
    """Replace the sequence header in the `av1C` box by padding of the same size."""
    content = bytearray(path.read_bytes())
    start = content.index(b"av1C")
    size = int.from_bytes(content[start - 4 : start], "big") - 8 - 4
    assert size > 2
    content[start + 8 : start + 8 + size] = bytes([15 << 3 | 2, size - 2]) + bytes(size - 2)
    path.write_bytes(content)
    return path


def av1_sequence_headers(make: Maker) -> list[Path]:
    """Only the coded frames tell the colours apart."""
    first = make.encode("a.mp4", *AV1, source="testsrc2")
    colours = "av1_metadata=color_primaries=1:transfer_characteristics=1:matrix_coefficients="
    paths = [make.copy(f"{code}.mp4", first, "-bsf:v", f"{colours}{code}") for code in (1, 6)]
    return [without_sequence_header(path) for path in paths]


def mpeg4_headers(make: Maker) -> list[Path]:
    return [make.encode("a.mp4", *MPEG4), make.encode("b.mp4", *MPEG4, "-mpeg_quant", "1", "-flags", "+aic")]


def containers(make: Maker) -> list[Path]:
    """The same stream as other muxers mark it."""
    first = make.encode("a.mp4", *H264)
    return [
        first,
        make.copy("b.mp4", first, "-brand", "mp42"),
        make.copy("c.mov", first),
        make.copy("d.mp4", first, "-movflags", "+faststart", "-video_track_timescale", "90000"),
        make.copy("e.mp4", first, "-color_range", "pc"),
    ]


def in_order(path: Path) -> npt.NDArray[Any] | None:
    """Return the frames as one command decodes them; None if it cannot."""
    try:
        return np.stack(list(VideoReader(path, method="process")))
    except FFencError:
        return None


@pytest.mark.parametrize(
    "make_files", [h264_picture_parameters, hevc_parameters, av1_sequence_headers, mpeg4_headers, containers]
)
def test_every_file_gives_its_own_frames(
    tmp_path: Path, binaries: Binaries, make_files: Callable[[Maker], list[Path]]
) -> None:
    paths = make_files(Maker(binaries.ffmpeg, tmp_path))
    wanted = {path: in_order(path) for path in paths}
    if not any(frames is not None for frames in wanted.values()):
        pytest.skip("this FFmpeg cannot decode it")
    for order in (paths, paths[::-1], paths):
        for path in order:
            frames, reader = wanted[path], VideoReader(path)
            for numbers in ([0], [7, 8], [3, 12], [len(reader) - 1]):
                if frames is not None:
                    assert np.array_equal(reader.frames(numbers), frames[numbers]), (path.name, numbers)


@pytest.mark.parametrize("make_files", [av1_sequence_headers, mpeg4_headers, containers])
def test_equal_keys_mean_equal_headers(
    tmp_path: Path, binaries: Binaries, make_files: Callable[[Maker], list[Path]]
) -> None:
    found: dict[object, object] = {}
    for path in make_files(Maker(binaries.ffmpeg, tmp_path)):
        index, stream = read_mp4_index(path), probe_video(path, binaries=binaries)
        if index is not None:
            header = (stream.pix_fmt, stream.width, stream.height, stream.color_space, stream.color_range)
            assert found.setdefault(index.stream_key, header) == header, path.name
