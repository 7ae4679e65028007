"""Files of every kind give the right frame numbers in every function that returns or writes frames.

The outcome is exactly the right numbers or an `FFencError`, never another frame.  ``FFENC_FRAME_MATRIX=full`` takes every
input instead of a sample.  ``wide`` takes every input through some functions.  ``FFENC_FRAME_MATRIX_REPORT=FILE`` writes the
outcomes to a file.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from ffenc import (
    Binaries,
    FFencError,
    VideoEncoderConfig,
    VideoReader,
    concat_videos,
    cut_video,
    encode_frames,
    reencode_video,
)
from ffenc.bench.reading import measure_reading
from ffenc.errors import InputError
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.clip_frames import MOST_RUNS, ranges_of
from ffenc.plan.frame_stride import FrameStride
from ffenc.plan.sheet import GAP, plan_sheet
from ffenc.video.clip import measure_clip
from ffenc.video.salvage import salvage_video
from ffenc.video.undecodable import check_listed
from tests.frame_matrix import CONTAINERS, FRAMES, CannotMakeError, Maker, MatrixInput, full_matrix
from tests.frame_numbers import HEIGHT, UNREADABLE, WIDTH, draw, read, read_all

pytestmark = [pytest.mark.net, pytest.mark.integration]

MATRIX = os.environ.get("FFENC_FRAME_MATRIX", "sample")
REPORT = os.environ.get("FFENC_FRAME_MATRIX_REPORT")
CONFIG = VideoEncoderConfig(vcodec="libx264", crf=8, preset="ultrafast", g=4)

SUPPORTED = (
    *("h264-b mp4 plain 30", "h264-b mp4 audio-first 30", "h264 mkv audio-close 30", "h264-b mkv audio-first 30"),
    *("hevc-open mp4 plain 30", "hevc-open mkv plain 30", "h264-open mp4 plain 30", "av1 mp4 plain 30"),
    *("vp9-hidden mkv plain 30", "mpeg4 avi plain 30", "mjpeg avi plain 30", "h264-b mkv plain 240"),
    *("h264-b fragmented audio-first 30", "h264-b mov timecode 30", "h264-b mp4 second-earlier 30"),
    *("h264-b mkv subtitle-first 30", "h264-b mp4 cover-first 30", "h264-b mkv plain 30000:1001"),
    *("h264-b ts audio-first 30", "hevc-open ts plain 30", "h264-open ts plain 30", "mpeg2-b ts plain 30"),
)
"""Inputs that must be read: a refusal fails the test."""

SAMPLE = (
    *SUPPORTED,
    *(
        "h264-b mp4 trimmed 30",
        "h264-open mp4 trimmed-audio 30",
        "h264-b mp4 plain 30 other-size",
        "h264-b mkv plain 30 other-size",
    ),
    *(
        "h264-b mkv plain 30 hole",
        "h264-b ts plain 30 start-cut",
        "h264-b mp4 plain 30 variable",
        "h264-refresh mp4 plain 30",
    ),
    *(
        "h264-b avi plain 30",
        "h264-b mp4 milliseconds 30",
        "h264-b ts high 30",
        "hevc-open ts trimmed 30",
        "h264-b mp4 early 30",
    ),
)

CORE = ("read all", "frames", "one frame", "frames_at", "read_range", "reencode range", "reencode thinned")
"""Functions that need nothing but a clip of constant rate; the others have further conditions."""

LEAST = {"mp4": 7, "mkv": 7, "mov": 1, "fragmented": 1, "empty-moov": 0, "webm": 0, "ts": 4, "avi": 2}
"""Inputs of the sample in each container that go through all of `CORE`, on the build that can make and decode the fewest."""


DROP_FRAMES = ("early", "trimmed", "trimmed-audio", "trimmed-copyts", "shortened", "rotated", "variable")
"""Layouts and damages with which FFmpeg itself may leave out frames while it makes the file."""


@pytest.fixture(scope="module")
def maker(binaries: Binaries, tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(binaries.ffmpeg, tmp_path_factory.mktemp("inputs"))


class Checker:
    """Sends one input through every function."""

    def __init__(
        self, path: Path, truth: list[int] | None, directory: Path, maker: Maker, binaries: Binaries, *, turn: int
    ) -> None:
        self.path, self.truth, self.directory, self.maker, self.binaries = path, truth, directory, maker, binaries
        self.turn = turn
        self.outcomes: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """Return the outcome of each function: ``right``, ``refused ...`` or ``WRONG ...``."""
        always = {
            "read all": self.read_all,
            "frames": self.frames,
            "one frame": self.one_frame,
            "reencode range": self.reencode_range,
            "cut": self.cut,
            "concat": self.concat,
            "salvage": self.salvage,
            "sheet": self.sheet,
        }
        others = {
            "frames_at": self.frames_at,
            "read_range": self.read_range,
            "reencode thinned": self.reencode_thinned,
            "bench": self.bench,
        }
        if MATRIX == "wide":
            others = dict([list(others.items())[self.turn % len(others)]])
        elif MATRIX == "sample" and self.turn % 6:
            del others["bench"]
        for name, function in {**always, **others}.items():
            try:
                self.outcomes[name] = "right" if (wrong := next(function(), None)) is None else f"WRONG {wrong}"
            except FFencError as err:
                self.outcomes[name] = (
                    f"refused {type(err).__name__}: {str(err).splitlines()[0].replace(str(self.path), 'FILE')}"
                )
            except Exception as err:
                self.outcomes[name] = f"WRONG {type(err).__name__}: {err}"
        return self.outcomes

    @functools.cached_property
    def reader(self) -> VideoReader:
        return VideoReader(self.path, binaries=self.binaries)

    def shown(self, numbers: list[int]) -> list[int]:
        """Return the numbers shown by the frames with these numbers."""
        return [self.truth[number] if self.truth and number < len(self.truth) else number for number in numbers]

    def differ(self, seen: list[int], numbers: list[int]) -> Iterator[str]:
        if seen != self.shown(numbers):
            yield f"frames {numbers} show {seen} and not {self.shown(numbers)}"

    def places(self, count: int) -> list[int]:
        return sorted({number for number in (0, 7, 10, 11, 19, 20, 23, 31, 45, count - 1) if number < count})

    def read_all(self) -> Iterator[str]:
        reader = self.reader
        seen: list[int] = []
        try:
            seen.extend(map(read, reader))
        except FFencError:
            yield from self.differ(seen, list(range(len(seen))))
            raise
        yield from self.differ(seen, list(range(len(reader))))

    def frames(self) -> Iterator[str]:
        reader = self.reader
        numbers = self.places(len(reader))[::-1]
        yield from self.differ(read_all(reader.frames(numbers)), numbers)

    def one_frame(self) -> Iterator[str]:
        reader = self.reader
        number = self.places(len(reader))[3 + self.turn % 4]
        yield from self.differ(read_all(reader.frames([number])), [number])

    def frames_at(self) -> Iterator[str]:
        reader = self.reader
        numbers = self.places(len(reader))[1::3]
        times = [number / reader.fps for number in numbers]
        yield from self.differ(read_all(reader.frames_at(times, tolerance_s=0.001)), numbers)

    def read_range(self) -> Iterator[str]:
        reader = self.reader
        end = min(26, len(reader))
        yield from self.differ(read_all(reader.read_range(end - 5, end)), list(range(end - 5, end)))

    def bench(self) -> Iterator[str]:
        reads = measure_reading(self.path, binaries=self.binaries, requests=1)["ffmpeg"]
        yield from (f"{name}: {read.wrong} wrong" for name, read in reads.items() if read.wrong)

    def written(self, numbers: list[int], write: Callable[[Path], object]) -> Iterator[str]:
        output = self.directory / "out.mp4"
        output.unlink(missing_ok=True)
        write(output)
        yield from self.differ(self.seen(output), numbers)

    def seen(self, output: Path) -> list[int]:
        """Return the numbers shown by a written file; a copy that this FFmpeg cannot decode is not checked."""
        seen = self.maker.truth(output)
        if seen is None and self.maker.truth(self.path) is None:
            raise FFencError("copied, but this FFmpeg decodes neither the input nor the output")
        assert seen is not None
        return seen

    def reencode_range(self) -> Iterator[str]:
        def write(output: Path) -> None:
            reencode_video(
                self.path,
                output,
                start=22,
                end=29,
                config=CONFIG,
                audio=self.audio(),
                binaries=self.binaries,
                key_frames=[3],
            )

        yield from self.written(list(range(22, 29)), write)

    def reencode_thinned(self) -> Iterator[str]:
        stride = FrameStride(every=3, ranges=((2, 12), (19, 33)))

        def write(output: Path) -> None:
            reencode_video(
                *(self.path, output),
                thinning=stride,
                size=(256, 128),
                config=CONFIG,
                audio=self.audio(),
                binaries=self.binaries,
            )
            small = VideoReader(output, binaries=self.binaries)
            assert read_all(small) == self.shown([2, 5, 8, 11, 19, 22, 25, 28, 31])

        output = self.directory / "thin.mp4"
        output.unlink(missing_ok=True)
        write(output)
        yield from ()

    def cut(self) -> Iterator[str]:
        ranges = [(3, 9), (18, 33)]
        numbers = [number for first, stop in ranges for number in range(first, stop)]
        yield from self.written(
            numbers, lambda output: cut_video(self.path, output, ranges, config=CONFIG, binaries=self.binaries)
        )

    def concat(self) -> Iterator[str]:
        reader = self.reader
        numbers = list(range(len(reader))) * 2
        yield from self.written(numbers, lambda output: concat_videos([self.path] * 2, output, binaries=self.binaries))

    def salvage(self) -> Iterator[str]:
        output = self.directory / "salvaged.mp4"
        output.unlink(missing_ok=True)
        salvage_video(self.path, output, binaries=self.binaries)
        seen = self.seen(output)
        yield from self.differ(seen, list(range(len(seen))))

    def sheet(self) -> Iterator[str]:
        clip = measure_clip(self.path, binaries=self.binaries)
        chosen = [self.places(clip.packets.count)[first : first + 4] for first in (0, 2)]
        rows = [clip.select(ranges_of(numbers)) for numbers in chosen]
        output = self.directory / "sheet.png"
        listed = run_tool(plan_sheet(self.binaries.ffmpeg, rows, output, cell=(WIDTH, HEIGHT)), timeout_s=100).stderr
        check_listed(listed, rows)
        size = (GAP + 4 * (WIDTH + GAP), GAP + 2 * (HEIGHT + GAP))
        (image,) = self.maker.decoded(output, size) or (None,)
        if image is None:
            raise FFencError("drawn, but this FFmpeg has no decoder for PNG")
        for numbers, top in zip(chosen, (GAP, GAP + HEIGHT + GAP), strict=True):
            lefts = range(GAP, size[0], WIDTH + GAP)
            seen = read_all(image[top : top + HEIGHT, left : left + WIDTH] for left in lefts)
            yield from self.differ(seen, numbers)

    def audio(self) -> str | None:
        return None if self.reader.stream.audio is None else "drop"


def _chosen(container: str) -> list[MatrixInput]:
    return [one for one in full_matrix() if one.container == container and (MATRIX != "sample" or one.name in SAMPLE)]


@pytest.mark.timeout(300 if MATRIX == "sample" else 14400)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_function_returns_requested_frames_or_refuses(
    container: str, maker: Maker, binaries: Binaries, tmp_path: Path
) -> None:
    made = right = 0
    wrong: list[str] = []
    for wanted in _chosen(container):
        try:
            path = maker.make(wanted)
        except CannotMakeError as err:
            _report(binaries, wanted, {"make": f"cannot: {err}"})
            continue
        decoded = truth = maker.truth(path)
        if wanted.damage in ("other-size", "other-format") and UNREADABLE in (decoded or ()):
            # The muxers of FFmpeg 4.2 and 7.0 put the headers of the first part before every keyframe.
            _report(binaries, wanted, {"make": "cannot: the second part cannot be decoded by anything"})
            continue
        made += 1
        if wanted.layout not in DROP_FRAMES and wanted.damage not in DROP_FRAMES:
            truth = list(range(FRAMES))
        outcomes = Checker(path, truth, tmp_path, maker, binaries, turn=made).run()
        _report(binaries, wanted, outcomes)
        wrong += [
            f"{wanted.name}: {name}: {outcome}" for name, outcome in outcomes.items() if outcome.startswith("WRONG")
        ]
        # One build has no decoder for AV1.
        must_work = wanted.name in SUPPORTED and decoded is not None
        not_right = [
            f"{wanted.name}: {name}: {outcomes[name]}" for name in CORE if outcomes.get(name, "right") != "right"
        ]
        right += not not_right
        wrong += not_right if must_work else []
        path.unlink()
    assert not wrong, "\n".join(wrong)
    assert right >= LEAST[container]


def _report(binaries: Binaries, wanted: MatrixInput, outcomes: dict[str, str]) -> None:
    if REPORT:
        with Path(REPORT).open("a") as file:
            file.write(json.dumps({"ffmpeg": str(binaries.ffmpeg), "input": wanted.name, **outcomes}) + "\n")


def test_frame_without_number_is_not_decoded_as_number() -> None:
    assert read(np.full((64, 128, 3), 128, np.uint8)) == -1


@pytest.mark.one_build
def test_long_list_of_frames_uses_several_commands(maker: Maker, binaries: Binaries, tmp_path: Path) -> None:
    frames = (draw(number % 256)[::4, ::4] for number in range(2 * MOST_RUNS + 40))
    path = tmp_path / "long.mp4"
    encode_frames(frames, path, fps=30, config=CONFIG, binaries=binaries)
    numbers = list(range(0, 2 * MOST_RUNS + 40, 2))
    reader = VideoReader(path, binaries=binaries)
    assert read_all(reader.frames(numbers)) == [number % 256 for number in numbers]
    stride = FrameStride(every=3, ranges=tuple((number, number + 1) for number in numbers[: MOST_RUNS + 1]))
    with pytest.raises(InputError, match=f"at most {MOST_RUNS}"):
        reencode_video(path, tmp_path / "thin.mp4", thinning=stride, config=CONFIG, binaries=binaries)
    assert not (tmp_path / "thin.mp4").exists()
