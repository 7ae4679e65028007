"""Recover a video from a recording that a crash cut off: its longest prefix with frame k at exactly k/fps."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from ffenc.encoders.software import LIBX264
from ffenc.errors import InputError, OutputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.ffprobe import probe_video, probe_video_and_packets
from ffenc.ffmpeg.media_input import looks_like_mp4
from ffenc.ffmpeg.mp4.fragments import FragmentIndex
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.frame_rate import FrameRate, parse_frame_rate
from ffenc.plan.audio import AudioChoice, describe_streams, plan_audio
from ffenc.plan.encode import muxer_for
from ffenc.regular_files import file_path
from ffenc.video.output import PendingFile, WrittenVideo, check_audio, check_packets, check_target
from ffenc.video.recording import final_of, is_held
from ffenc.video.recording_copy import copy_recording
from ffenc.video.run_context import RunContext

MOST_REORDERED = 33
"""Most fragments to drop at the end because frames that are shown earlier are missing.

H.264 and HEVC reorder at most 16 frames; AV1 hides at most 32.
"""

_BOX_HEADER_BYTES = 8
_TELLING_FRAMES = 10
_RATE_TOLERANCE = Fraction(1, 200)  # without ffprobe a rate is known to two decimals


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SalvageResult(WrittenVideo):
    """A video file that was recovered from a recording.

    Attributes:
        path, frames, fps, size_bytes, stream: see `WrittenVideo`.
        lost_bytes: bytes at the end of the recording that belong to no complete frame.
        source: the recording, which is left as it was.
        other_streams: outcome for each stream of the recording that is not the video; see `EncodeResult`.
    """

    lost_bytes: int
    source: Path
    other_streams: tuple[str, ...] = ()


def salvage_video(
    path: str | Path,
    output: str | Path | None = None,
    *,
    fps: FrameRate | None = None,
    audio: AudioChoice | None = None,
    most_frames: int | None = None,
    overwrite: bool = False,
    binaries: Binaries | None = None,
) -> SalvageResult:
    """Copy all complete frames of a recording, without gaps, into a regular video.

    The first frame is shown at 0, also if its time in the recording differs.

    Args:
        path: a hidden ``.NAME.XXXXXXXX.recording.mp4`` that a crash left, or any fragmented MP4 or MOV.
        output: the video; None takes the intended name of the recording.
        fps: frame rate; None takes it from the recording.
        audio: ``"keep"`` encodes it, as `reencode_video` does; or ``"drop"``.  A recording with audio needs a choice.
        most_frames: most frames to copy.  With B-frames it can be a few less, because frames that are shown earlier can be
            stored later.
        overwrite: replace an existing file.
        binaries: the executables; found by `find_binaries` if None.

    Raises:
        InputError: the file is still being recorded or has no complete frame; audio without a choice or that cannot be
            kept; or ``most_frames`` for fragments of several frames, which only `shorten_video` cuts.
        OutputError: frames are not at k/fps, or the file system refused; the output then does not exist.
        ValueError: ``most_frames`` is less than 1.
    """
    if most_frames is not None and most_frames < 1:
        raise ValueError(f"most_frames must be at least 1, got {most_frames!r}")
    source = file_path(path)
    final = final_of(source) if output is None else file_path(output, written=True)
    ends = _whole_fragments(source)[:most_frames]
    if final == source:
        raise InputError(
            f"{source} is not a hidden recording whose name contains its output's; name the file to write", path=source
        )
    check_target(final, overwrite=overwrite)
    binaries = binaries or find_binaries()
    with _cut(source, ends, final.parent) as cuts, PendingFile(final, overwrite=overwrite) as pending:
        cut, end, recording = _longest_exact(cuts, source, fps, binaries)
        count, rate = recording.packets.count, recording.rate
        if most_frames is not None and count > most_frames:
            raise InputError(f"a fragment of {source} holds several frames; most_frames cannot cut it", path=source)
        start_s = recording.packets.pts_s(0)
        sound = plan_audio(
            recording.stream,
            audio,
            muxer=muxer_for(final),
            first_s=start_s,
            start_s=start_s,
            duration_s=count / rate,
        )
        copy_recording(cut, pending.path, RunContext(binaries=binaries), fps=rate, start_s=start_s, audio=sound)
        stream, packets = probe_video_and_packets(pending.path, binaries=binaries)
        check_packets(packets, path=final, fps=rate, frames=count)
        check_audio(stream, sound, path=final)
        pending.commit()
    return SalvageResult(
        path=final,
        frames=count,
        fps=rate,
        size_bytes=final.stat().st_size,
        lost_bytes=source.stat().st_size - end,
        source=source,
        stream=replace(stream, path=final.absolute(), size_bytes=final.stat().st_size),
        other_streams=describe_streams(recording.stream, sound),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Recording:
    """What was measured of a recording that was cut after a complete fragment."""

    stream: VideoStreamInfo
    packets: PacketIndex
    rate: Fraction


def _longest_exact(
    cuts: Iterator[tuple[Path, int]], source: Path, fps: FrameRate | None, binaries: Binaries
) -> tuple[Path, int, _Recording]:
    """Return the longest cut whose frames are exactly 1/rate apart.

    Raises:
        OutputError: no cut is; the message describes the longest cut.
    """
    first: _Recording | None = None
    for cut, end in cuts:
        stream, packets = probe_video_and_packets(cut, binaries=binaries)
        rate = _rate(stream, packets, fps) if first is None else first.rate
        recording = _Recording(stream=replace(stream, path=source), packets=packets, rate=rate)
        first = first or recording
        # Otherwise a frame that is shown earlier, but stored after this cut, is missing.
        if packets.count and not packets.hidden and _off_grid(packets, rate) is None:
            return cut, end, recording
    assert first is not None
    raise _not_exact(source, first)


def _off_grid(packets: PacketIndex, rate: Fraction) -> int | None:
    """Return the first frame that is not exactly k/rate after frame 0, or None."""
    shifted = replace(packets, pts=tuple(pts - packets.pts[0] for pts in packets.pts))
    return shifted.first_off_grid(rate)


def _not_exact(source: Path, recording: _Recording) -> OutputError:
    packets, rate = recording.packets, recording.rate
    off = _off_grid(packets, rate) or 0
    late_s = packets.pts_s(off) - packets.pts_s(0) - off / rate
    # FFmpeg 9.0 would repeat the last frame.
    placed = ("-map", "0:V:0", "-vf", f"setpts=N/({rate}*TB)", "-r", str(rate), "-frames:v", str(packets.count))
    command = shlex.join(
        ["ffmpeg", "-i", str(source), *placed, "-c:v", LIBX264.name, "-crf", "18", f"{source.stem}-regular.mp4"]
    )
    return OutputError(
        f"{source} does not show its frames at a constant {rate} per second: frame {off} is shown "
        f"{abs(float(late_s)) * 1000:.1f} ms {'late' if late_s > 0 else 'early'}, so a copy would not be exact. To show each "
        f"frame for 1/{rate} s, without audio, run: {command}",
        path=source,
    )


def _whole_fragments(source: Path) -> list[int]:
    if not source.is_file():
        raise InputError(f"{source} is not a file; name a recording (.NAME.XXXXXXXX.recording.mp4)", path=source)
    if is_held(source):
        raise InputError(f"{source} is still being recorded; end its ffmpeg or its program first", path=source)
    index = FragmentIndex(source).update()
    if not index.ends:
        raise InputError(f"{source} {_why_nothing(source, index)}", path=source)
    return index.ends


def _why_nothing(source: Path, index: FragmentIndex) -> str:
    """Describe a file without a complete fragment."""
    rest = shlex.join(["ffmpeg", "-i", str(source), "-map", "0:V:0", "-c", "copy", f"{source.stem}-rest.mp4"])
    if source.stat().st_size >= _BOX_HEADER_BYTES and not looks_like_mp4(source):
        return (
            f"is not an MP4 or MOV file, and only those can be salvaged; FFmpeg may read the remaining frames: {rest}"
        )
    if index.is_fragmented:
        return "has no complete frame to recover: it ended before its first fragment was written"
    if index.has_header:
        return (
            "is not a fragmented MP4 but a regular one with its index, and needs no salvage.  If it was cut off after its "
            f"index, this copies the remaining frames: {rest}"
        )
    return (
        "has no complete frame to recover: it is not a fragmented MP4 but a regular one, and ended before its index (moov) "
        "was written.  Without the index FFmpeg and ffenc cannot find its frames; try a tool that rebuilds the index from "
        "an intact file of the same camera"
    )


def _rate(stream: VideoStreamInfo, packets: PacketIndex, given: FrameRate | None) -> Fraction:
    """Return the frame rate; a wrong one is refused here, because a single frame fits any rate."""
    found = stream.fps
    steps = Counter(later - earlier for earlier, later in pairwise(packets.pts))
    if not stream.is_constant_rate and packets.count >= _TELLING_FRAMES:
        # A single irregular frame changes the average.
        step, times = steps.most_common(1)[0]
        found = 1 / (step * packets.time_base) if step and times > packets.count // 2 else found
    rate = found if given is None else parse_frame_rate(given)
    if abs(found / rate - 1) > _RATE_TOLERANCE:
        raise OutputError(f"the recording has {found} frames per second, not {rate}", path=stream.path)
    return rate


@contextmanager
def _cut(source: Path, ends: list[int], beside: Path) -> Iterator[Iterator[tuple[Path, int]]]:
    """Copy the recording; yield it cut after its last, its second to last, ... complete fragment, and where that ends."""
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
    """Copy the first frames of a video bit by bit.

    Args:
        path: an MP4 or MOV file of constant rate.
        frames: number of frames wanted.

    Returns:
        Number of frames copied: with B-frames it can be a few less, see `salvage_video`.
    """
    with tempfile.TemporaryDirectory(prefix=".ffenc-shorten-", dir=output.parent) as directory:
        fragments = Path(directory) / f"fragments{path.suffix}"
        fps = probe_video(path, binaries=binaries).fps
        copy_recording(path, fragments, RunContext(binaries=binaries), fps=fps, fragmented=True)
        return salvage_video(fragments, output, most_frames=frames, binaries=binaries).frames
