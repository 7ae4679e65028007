"""Make a video of a recording that a crash cut off: the longest exact prefix, frame k at exactly k/fps."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from ffenc.errors import InputError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.ffprobe import probe_video, probe_video_and_packets
from ffenc.ffmpeg.mp4_fragments import FragmentIndex
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.frames import FrameRate, parse_frame_rate
from ffenc.video.output import PendingFile, check_packets, check_target
from ffenc.video.recording import copy_recording, final_of, is_held

MOST_REORDERED = 33
"""Fragments at the end that may have to go too: a frame that was stored before others that are shown before it.  H.264
and HEVC hold back at most 16 frames, AV1 hides at most 32."""

_RATE_TOLERANCE = Fraction(1, 200)  # without ffprobe a rate is known to two decimals


@dataclass(frozen=True, slots=True, kw_only=True)
class SalvageResult:
    """A video that was made of a recording, read back and found right.

    Attributes:
        path: the video.
        frames: frames in it.
        fps: frames per second.
        lost_bytes: bytes at the end of the recording that belong to no whole frame.
        source: the recording, which is left as it was.
        stream: what was measured from the video.
    """

    path: Path
    frames: int
    fps: Fraction
    lost_bytes: int
    source: Path
    stream: VideoStreamInfo


def salvage_video(
    path: str | Path,
    output: str | Path | None = None,
    *,
    fps: FrameRate | None = None,
    most_frames: int | None = None,
    overwrite: bool = False,
    binaries: Binaries | None = None,
) -> SalvageResult:
    """Copy all whole frames of a recording, without gaps, into a plain video.

    Args:
        path: a hidden ``.NAME.XXXXXXXX.recording.mp4`` that a crash left, or any fragmented MP4 or MOV.
        output: the video; None takes the name that it was to have had.
        fps: its frame rate; None takes it from the recording.
        most_frames: take no more than so many; with B-frames it can be a few less, where a frame is stored before others
            that are shown before it.
        overwrite: replace an existing file.
        binaries: the executables; found by `find_binaries` if None.

    Raises:
        InputError: it is still being recorded, or there is no whole frame in it; or ``most_frames`` was given for a file
            whose fragments hold several frames (`shorten_video` cuts any).
        OutputError: its frames do not lie on the grid of ``fps``, or the file system refused; there is no output then.
        ValueError: ``most_frames`` is less than 1.
    """
    if most_frames is not None and most_frames < 1:
        raise ValueError(f"most_frames must be at least 1, got {most_frames!r}")
    source = Path(path)
    final = final_of(source) if output is None else Path(output)
    ends = _whole_fragments(source)[:most_frames]
    if final == source:
        raise InputError(
            f"{source} is no hidden recording that knows its name; name another file to write", path=source
        )
    check_target(final, overwrite=overwrite)
    binaries = binaries or find_binaries()
    rate: Fraction | None = None
    with _cut(source, ends, final.parent) as cuts, PendingFile(final, overwrite=overwrite) as pending:
        for cut, end in cuts:
            rate = rate or _rate(cut, fps, binaries)
            copy_recording(cut, pending.path, fps=rate, binaries=binaries)
            stream, packets = probe_video_and_packets(pending.path, binaries=binaries)
            try:
                check_packets(packets, path=final, fps=rate, frames=packets.count)
            except OutputError:
                # A frame that is shown earlier is missing: it would have come after this one.
                if end == ends[max(0, len(ends) - MOST_REORDERED)]:
                    raise
                continue
            if most_frames is not None and packets.count > most_frames:
                raise InputError(f"a fragment of {source} holds several frames; most_frames cannot cut it", path=source)
            pending.commit()
            return SalvageResult(
                path=final,
                frames=packets.count,
                fps=rate,
                lost_bytes=source.stat().st_size - end,
                source=source,
                stream=replace(stream, path=final.absolute(), size_bytes=final.stat().st_size),
            )
    raise AssertionError("the last cut returns or raises")


def _whole_fragments(source: Path) -> list[int]:
    if not source.is_file():
        raise InputError(f"{source} is no file; name a recording (.NAME.XXXXXXXX.recording.mp4)", path=source)
    if is_held(source):
        raise InputError(f"{source} is still being recorded; end its ffmpeg or its program first", path=source)
    ends = FragmentIndex(source).update().ends
    if not ends:
        raise InputError(
            f"{source} holds no whole frame that could be recovered: it is no fragmented MP4, or ended before its first "
            "frame was written",
            path=source,
        )
    return ends


def _rate(recording: Path, given: FrameRate | None, binaries: Binaries) -> Fraction:
    """The frame rate; one that is wrong must not pass because a single frame lies on any grid."""
    found = probe_video(recording, binaries=binaries).fps
    rate = found if given is None else parse_frame_rate(given)
    if abs(found / rate - 1) > _RATE_TOLERANCE:
        raise OutputError(f"the recording has {found} frames per second and not {rate}", path=recording)
    return rate


@contextmanager
def _cut(source: Path, ends: list[int], beside: Path) -> Iterator[Iterator[tuple[Path, int]]]:
    """Copies of the recording that end behind its last, its last but one, ... whole fragment; one file cut shorter."""
    with tempfile.TemporaryDirectory(prefix=".ffenc-salvage-", dir=beside) as directory:
        cut = Path(directory) / f"cut{source.suffix}"

        def cuts() -> Iterator[tuple[Path, int]]:
            try:
                shutil.copyfile(source, cut)
            except OSError as err:
                raise OutputError(f"cannot copy {source} into {directory}: {err.strerror}", path=cut) from err
            for end in reversed(ends[-MOST_REORDERED:]):
                with cut.open("r+b") as file:
                    file.truncate(end)
                yield cut, end

        yield cuts()


def shorten_video(path: Path, output: Path, *, frames: int, binaries: Binaries) -> int:
    """Copy the first frames of a video without touching a bit of them.

    Args:
        path: an MP4 or MOV file of constant rate.
        output: the file to write.
        frames: how many are wanted.
        binaries: the executables.

    Returns:
        How many there are: with B-frames it can be a few less, see `salvage_video`.
    """
    with tempfile.TemporaryDirectory(prefix=".ffenc-shorten-", dir=output.parent) as directory:
        fragments = Path(directory) / f"fragments{path.suffix}"
        fps = probe_video(path, binaries=binaries).fps
        copy_recording(path, fragments, fps=fps, binaries=binaries, fragmented=True)
        return salvage_video(fragments, output, most_frames=frames, binaries=binaries).frames
