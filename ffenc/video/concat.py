"""Join clips without re-encoding."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from ffenc.errors import ConcatError, InputError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.ffprobe import probe_video, probe_video_and_packets
from ffenc.ffmpeg.mp4_index import Mp4Index, read_mp4_index
from ffenc.ffmpeg.process import FFmpegProcess
from ffenc.ffmpeg.progress import Progress
from ffenc.ffmpeg.stream_info import VideoStreamInfo
from ffenc.plan.concat import ConcatPlan, plan_concat
from ffenc.plan.encode import muxer_for
from ffenc.video.output import PendingFile, check_packets, check_target
from ffenc.video.reencode import MeasuredClip, measure_clip
from ffenc.video.run import ProgressCallback
from ffenc.video.writer import STALL_TIMEOUT_S

_PROBES_AT_ONCE = 4  # a probe mostly waits for its process to start
_MEASURED_AT_ONCE = 64  # clips in memory


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcatResult:
    """A joined file that was read back and found right.

    Attributes:
        path: the file.
        clips: clips in it.
        frames: frames in it, the sum over the clips.
        offsets: number of each clip's first frame in the file.
        fps: frames per second.
        size_bytes: size of the file.
        stream: what was measured from the file.
    """

    path: Path
    clips: int
    frames: int
    offsets: tuple[int, ...]
    fps: Fraction
    size_bytes: int
    stream: VideoStreamInfo

    @property
    def duration_s(self) -> Fraction:
        """Length of the video in seconds."""
        return self.frames / self.fps


def concat_videos(
    clips: Sequence[str | Path],
    output: str | Path,
    *,
    overwrite: bool = False,
    may_differ: Collection[str] = (),
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> ConcatResult:
    """Join clips by stream copy: every bit stays as it was encoded, every frame lands at exactly k/fps.

    Everything that a stream copy cannot mend is checked in all clips before a byte is written: codec, profile, pixel
    format, size, frame rate, time base, extradata, colour, B-frames.  Packet count and time stamps are checked after.

    Args:
        clips: files in order; only their video is taken, so clips with audio are refused.
        output: ends in ``.mp4`` or ``.mov``.
        overwrite: replace an existing file.
        may_differ: properties, keys of `ffenc.plan.concat.AGREEMENT`, that are allowed to differ.  Then only decoding the
            joined file proves it right, which is left to the caller.
        binaries: the executables; found by `find_binaries` if None.
        stall_timeout_s: longest time without progress.
        progress: called with (frames copied, frames in all), from another thread.

    Raises:
        ConcatError: the clips differ; it has each one's values.
        InputError: a clip is damaged, of variable frame rate, does not start at 0, or has audio; or no clips.
        OutputError: the joined file is not right; it was removed.
    """
    binaries = binaries or find_binaries()
    output = Path(output)
    muxer_for(output)
    check_target(output, overwrite=overwrite)
    measured = [(clip.stream, clip.packets.count) for clip in measure_clips(clips, binaries=binaries)]
    return join_measured(
        measured,
        output,
        overwrite=overwrite,
        may_differ=may_differ,
        binaries=binaries,
        stall_timeout_s=stall_timeout_s,
        progress=progress,
    )


def join_measured(
    clips: Sequence[tuple[VideoStreamInfo, int]],
    output: Path,
    *,
    overwrite: bool = False,
    may_differ: Collection[str] = (),
    binaries: Binaries,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> ConcatResult:
    """As `concat_videos`, for clips that `iterate_clips` has measured: what each stream is, and how many frames it has."""
    counts = [count for _, count in clips]
    with (
        tempfile.TemporaryDirectory(prefix="ffenc-concat-") as directory,
        PendingFile(output, overwrite=overwrite) as pending,
    ):
        plan = _plan(clips, Path(directory), pending.path, binaries, may_differ)
        run_copy(plan, stall_timeout_s=stall_timeout_s, progress=progress)
        joined = read_back(pending.path, clips[0][0], binaries=binaries)
        check_packets(joined.packets, path=output, fps=plan.fps, frames=plan.frames)
        pending.commit()
    return ConcatResult(
        path=output,
        clips=len(counts),
        frames=plan.frames,
        offsets=tuple(accumulate(counts[:-1], initial=0)),
        fps=plan.fps,
        size_bytes=output.stat().st_size,
        stream=replace(joined.stream, path=output.absolute()),
    )


def measure_clips(clips: Sequence[str | Path], *, binaries: Binaries) -> list[MeasuredClip]:
    """Measure all clips and refuse those that cannot be part of any exact join.

    Raises:
        InputError: see `concat_videos`.
    """
    return list(iterate_clips(clips, binaries=binaries))


def iterate_clips(clips: Sequence[str | Path], *, binaries: Binaries, check: bool = True) -> Iterator[MeasuredClip]:
    """As `measure_clips`, with few clips in memory at a time.

    Args:
        clips: files.
        binaries: the executables.
        check: False leaves it to the caller to look for an `obstacle`.

    Raises:
        InputError: see `concat_videos`.
    """
    if not clips:
        raise InputError("there are no clips to join", path=".")
    paths = [Path(clip) for clip in clips]
    first = measure_clip(paths[0], binaries=binaries)
    if check:
        _check_clip(first)
    yield first
    index = read_mp4_index(paths[0])
    # Trust the tables only if FFmpeg reads the same from them.
    known = index if index is not None and index.packets == first.packets else None
    for start in range(1, len(paths), _MEASURED_AT_ONCE):
        some = paths[start : start + _MEASURED_AT_ONCE]
        indices = [read_mp4_index(path) if known is not None else None for path in some]
        alike = [index if known and index and _is_alike(index, known) else None for index in indices]
        with ThreadPoolExecutor(max_workers=_PROBES_AT_ONCE) as pool:
            others = {
                path: pool.submit(measure_clip, path, binaries=binaries)
                for path, index in zip(some, alike, strict=True)
                if index is None
            }
        for path, index in zip(some, alike, strict=True):
            clip = others[path].result() if index is None else _like(first.stream, path, index)
            if check:
                _check_clip(clip)
            yield clip


def _is_alike(index: Mp4Index, known: Mp4Index) -> bool:
    # Without the box, the shape of a pixel is what the codec's headers say.
    return index.likeness == known.likeness and (index.has_square_pixels or not known.has_square_pixels)


def _like(first: VideoStreamInfo, path: Path, index: Mp4Index) -> MeasuredClip:
    """A clip whose stream cannot be told apart from that of the first; no process is needed to measure it."""
    stream = replace(
        first,
        path=path.absolute(),
        size_bytes=path.stat().st_size,
        duration_s=index.packets.count / first.fps,
        frames_declared=index.packets.count,
        sample_aspect_ratio=Fraction(1) if index.has_square_pixels else first.sample_aspect_ratio,
    )
    return MeasuredClip(stream=stream, packets=index.packets)


def obstacle(clip: MeasuredClip) -> str | None:
    """Why a clip cannot be part of any exact join; None if it can."""
    path = clip.stream.path
    if clip.stream.audio is not None:
        return (
            f"{path} has audio, whose frames do not end where the video's do; joining copies video only, so drop the audio "
            "first (ffenc reencode --audio=drop)"
        )
    off = clip.packets.first_off_grid(clip.stream.fps)
    if off is not None or clip.packets.hidden:
        return (
            f"{path} does not show frame k at exactly k/{clip.stream.fps} s "
            f"({f'first at frame {off}' if off is not None else 'an edit list hides frames'}); re-encode it first"
        )
    return None


def _check_clip(clip: MeasuredClip) -> None:
    found = obstacle(clip)
    if found is not None:
        raise ConcatError(found, path=clip.stream.path)


def nameable(path: Path, directory: Path, number: int) -> Path:
    """A name of the file that can stand in a list, where a line break cannot: itself, or a link in ``directory``."""
    absolute = path.absolute()
    if str(absolute).isprintable():
        return absolute
    link = directory / f"{number:06d}.clip"
    link.symlink_to(absolute)
    return link


def _plan(
    clips: Sequence[tuple[VideoStreamInfo, int]],
    directory: Path,
    output: Path,
    binaries: Binaries,
    may_differ: Collection[str],
) -> ConcatPlan:
    return plan_concat(
        binaries.ffmpeg,
        [stream for stream, _ in clips],
        [count for _, count in clips],
        output,
        list_path=directory / "list.ffconcat",
        paths=[nameable(stream.path, directory, number) for number, (stream, _) in enumerate(clips)],
        muxer=muxer_for(output),
        may_differ=may_differ,
    )


def measure_plain(path: Path, *, binaries: Binaries) -> MeasuredClip:
    """As `measure_clips` for one clip, by its tables where they are plain; for one whose copy is read back anyway.

    Raises:
        InputError: see `concat_videos`.
    """
    index = read_mp4_index(path)
    if index is None:
        return measure_clips([path], binaries=binaries)[0]
    clip = MeasuredClip(stream=probe_video(path, binaries=binaries), packets=index.packets)
    _check_clip(clip)
    return clip


def read_back(path: Path, first: VideoStreamInfo, *, binaries: Binaries) -> MeasuredClip:
    """Measure a file that was copied from others, by its tables where they are plain: listing every packet takes as long.

    Args:
        path: the file.
        first: the one from which its beginning was copied.
        binaries: the executables.
    """
    index, known = read_mp4_index(path), read_mp4_index(first.path)
    if index is None:
        stream, packets = probe_video_and_packets(path, binaries=binaries)
        return MeasuredClip(stream=stream, packets=packets)
    if known is not None and _is_alike(index, known):
        return _like(first, path, index)
    return MeasuredClip(stream=probe_video(path, binaries=binaries), packets=index.packets)


def run_copy(
    plan: ConcatPlan, *, stall_timeout_s: float = STALL_TIMEOUT_S, progress: ProgressCallback | None = None
) -> None:
    """Write the list and run the command.

    Raises:
        ProcessError: ffmpeg failed, died or hung.
    """

    def report(update: Progress) -> None:
        if progress is not None:
            progress(update.frame, plan.frames)

    plan.list_path.write_text(plan.list_text, encoding="utf-8")
    with FFmpegProcess.start(
        plan.argv, stdout="progress", stall_timeout_s=stall_timeout_s, on_progress=report
    ) as process:
        process.finish()
    if progress is not None:  # FFmpeg 7.0 counts no frames while it copies
        progress(plan.frames, plan.frames)
