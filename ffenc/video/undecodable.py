"""After a failed decode, find the first frame that is missing or has another size or pixel format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ffenc.errors import FFencError, InputError, OutputError
from ffenc.ffmpeg.binaries import Binaries
from ffenc.ffmpeg.process.ffmpeg_process import run_tool
from ffenc.plan.clip_frames import MISSING_REFERENCE, ClipFrames
from ffenc.plan.decode import plan_frame_list
from ffenc.video.clip import MeasuredClip

MADE_UP = tuple(re.compile(re.escape(text)) for text in MISSING_REFERENCE)
"""Patterns of `MISSING_REFERENCE`: lines that report a concealed frame."""

_TIMEOUT_S = 3600.0
_SHOWN = re.compile(r"Parsed_showinfo.* pts: *(-?\d+) .* fmt: *(\w+) .* s: *(\d+x\d+) ")


def check_listed(listed: str, frames: Sequence[ClipFrames]) -> None:
    """Compare the ``showinfo`` lines of a decode with the frames that it was to decode.

    Raises:
        OutputError: a frame is missing, or the decoder concealed one.
    """
    wanted, shown = sum(part.count for part in frames), len(_SHOWN.findall(listed))
    said = next((line for line in listed.splitlines() for text in MISSING_REFERENCE if text in line), None)
    if said is not None or shown != wanted:
        raise OutputError(
            f"{shown} of {wanted} frames of {', '.join(str(part.path) for part in frames)} can be decoded"
            + (f"; FFmpeg says: {said}" if said else ""),
            path=frames[0].path,
            frames_expected=wanted,
        )


def why_undecodable(clip: MeasuredClip, *, binaries: Binaries) -> InputError | None:
    """Decode the complete clip and return an error that names its first faulty frame, or None if all frames decode."""
    try:
        argv = plan_frame_list(binaries.ffmpeg, clip.stream.path, demuxer=clip.demuxer)
        tool = run_tool(argv, timeout_s=_TIMEOUT_S, check=False)
    except FFencError:
        return None  # the caller's error is the better one
    if tool.returncode < 0:
        return None  # killed: the list is incomplete
    listed = tool.stderr
    shown = [(int(found[1]), found[2], found[3]) for found in _SHOWN.finditer(listed)]
    return _changed(clip, shown) or _missing(clip, shown)


def _changed(clip: MeasuredClip, shown: Sequence[tuple[int, str, str]]) -> InputError | None:
    for pts, *kind in shown:
        if kind != [*shown[0][1:]]:
            number = _number(clip, pts)
            return InputError(
                f"{clip.stream.path}: frame {number} has another size or pixel format ({' '.join(reversed(kind))}) than "
                f"the first ({shown[0][2]} {shown[0][1]}); cut the file there with ffmpeg, and use each part separately",
                path=clip.stream.path,
            )
    return None


def _missing(clip: MeasuredClip, shown: Sequence[tuple[int, str, str]]) -> InputError | None:
    seen = {_number(clip, pts) for pts, *_ in shown}
    missing = next((number for number in range(clip.packets.count) if number not in seen), None)
    if missing is None or not seen:
        return None
    return InputError(
        f"{clip.stream.path}: frame {missing} cannot be decoded; re-encode the file with ffmpeg, and check which frames it "
        "drops",
        path=clip.stream.path,
    )


def _number(clip: MeasuredClip, pts: int) -> int:
    clock = clip.clock
    return round((pts - clock.first_pts) / clock.ticks_per_frame)
