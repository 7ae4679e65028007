"""Prove that a file joined from others decodes to their frames."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ffenc.errors import InputError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.frames import LAYOUTS
from ffenc.plan.cut import Range
from ffenc.threads import ThreadPool
from ffenc.video.clip import MeasuredClip
from ffenc.video.reader import VideoReader

logger = logging.getLogger(__name__)

_PARTS_AT_ONCE = 40  # an input of one command each
_DECODED_AT_ONCE = 2


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
    place = 0
    for start in range(0, len(shown), _PARTS_AT_ONCE):
        some = shown[start : start + _PARTS_AT_ONCE]
        places: list[int] = []
        wanted: dict[Path, tuple[MeasuredClip, list[int]]] = {}
        for clip, (first, stop) in some:
            places += [place, place + stop - first - 1]
            wanted.setdefault(clip.stream.path, (clip, []))[1].extend((first, stop - 1))
            place += stop - first
        with ThreadPool(max_workers=_DECODED_AT_ONCE) as pool:
            shows = pool.submit(_reader(made, binaries).frames, places)
            showed = {p: pool.submit(_reader(clip, binaries).frames, numbers) for p, (clip, numbers) in wanted.items()}
        try:
            seen = shows.result()
        except InputError as err:  # the file is an output here
            raise OutputError(str(err), path=made.stream.path) from err
        expected = {path: iter(future.result()) for path, future in showed.items()}
        for number, (clip, _) in enumerate(part for part in some for _ in range(2)):
            if not np.array_equal(seen[number], next(expected[clip.stream.path])):
                raise OutputError(
                    f"frame {places[number]} differs from its original in {clip.stream.path}",
                    path=made.stream.path,
                )


def _reader(clip: MeasuredClip, binaries: Binaries) -> VideoReader:
    # Samples of depth are compared as they are stored: a conversion would depend on the colour range.
    stored = (name for name, each in LAYOUTS.items() if each.channels == 1 and each.pix_fmt == clip.stream.pix_fmt)
    layout = next(stored, "gray16") if clip.stream.channels == 1 else "rgb"
    return VideoReader(clip.stream.path, layout=layout, method="process", clip=clip, binaries=binaries)
