"""Prove that a file joined from others decodes to their frames."""

from __future__ import annotations

import logging
from collections.abc import Generator, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ffenc.errors import InputError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import LAYOUTS
from ffenc.plan.cut import Range
from ffenc.video.clip import MeasuredClip
from ffenc.video.reader import VideoReader

logger = logging.getLogger(__name__)

Frame: TypeAlias = npt.NDArray[Any]


def check_copy(made: MeasuredClip, shown: Sequence[tuple[MeasuredClip, Range]], *, binaries: Binaries) -> None:
    """Check a copy of packets between cut points as `check_frames` does.

    Such a copy is right by construction.  If this FFmpeg has no decoder for it, there is a warning and no error.

    Raises:
        OutputError: a frame differs.
    """
    clip, (first, _) = shown[0]
    try:
        _reader(clip, binaries).frames([first])
    except ProcessError as err:
        logger.warning(
            "%s cannot be decoded here, so only the packets of its copy were checked: %s",
            clip.stream.path,
            (err.stderr_tail or str(err)).splitlines()[0],
        )
        return
    check_frames(made, shown, binaries=binaries)


def check_frames(made: MeasuredClip, shown: Sequence[tuple[MeasuredClip, Range]], *, binaries: Binaries) -> None:
    """Decode the first and the last frame of each part in both files.

    The first one is decoded after the part before it, as in playback; the last one from its own keyframe, as after a seek.

    Args:
        shown: the parts in order: a file, and the range of its frames.

    Raises:
        OutputError: a frame differs.
        ProcessError: a file cannot be decoded.
    """
    places = accumulate((stop - first for _, (first, stop) in shown), initial=0)
    numbers = [
        n for place, (_, (first, stop)) in zip(places, shown, strict=False) for n in _ends(place, place + stop - first)
    ]
    with closing(_originals(shown, binaries)) as originals, closing(_decoded(made, numbers, binaries)) as decoded:
        for number, frame, (path, original) in zip(numbers, decoded, originals, strict=True):
            if not np.array_equal(frame, original):
                raise OutputError(f"frame {number} differs from its original in {path}", path=made.stream.path)


def _ends(first: int, stop: int) -> list[int]:
    """Return the first and the last frame of a range."""
    return [first] if stop - first == 1 else [first, stop - 1]


def _decoded(made: MeasuredClip, numbers: Sequence[int], binaries: Binaries) -> Generator[Frame, None, None]:
    try:
        yield from _reader(made, binaries).iterate(numbers)
    except InputError as err:  # the file is an output here
        raise OutputError(str(err), path=made.stream.path) from err


def _originals(
    shown: Sequence[tuple[MeasuredClip, Range]], binaries: Binaries
) -> Generator[tuple[Path, Frame], None, None]:
    """Yield the frames to compare with; ascending parts of one file are decoded together."""
    waiting = list(reversed(shown))
    while waiting:
        clip, (first, stop) = waiting.pop()
        numbers = _ends(first, stop)
        while waiting and waiting[-1][0] is clip and waiting[-1][1][0] >= stop:
            _, (first, stop) = waiting.pop()
            numbers += _ends(first, stop)
        for frame in _reader(clip, binaries).iterate(numbers):
            yield clip.stream.path, frame


def _reader(clip: MeasuredClip, binaries: Binaries) -> VideoReader:
    # Samples of depth are compared as they are stored: a conversion would depend on the colour range.
    stored = (name for name, each in LAYOUTS.items() if each.channels == 1 and each.pix_fmt == clip.stream.pix_fmt)
    layout = next(stored, "gray16") if clip.stream.channels == 1 else "rgb"
    return VideoReader(clip.stream.path, layout=layout, method="process", clip=clip, binaries=binaries)
