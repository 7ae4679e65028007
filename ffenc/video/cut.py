"""Keep ranges of a video, by stream copy as far as possible."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ffenc.config import VideoEncoderConfig
from ffenc.errors import ConcatError, InputError, OutputError, ProcessError
from ffenc.ffmpeg.binaries import Binaries, find_binaries
from ffenc.ffmpeg.mp4.sample_tables import read_mp4_index
from ffenc.ffmpeg.process.ffmpeg_process import STALL_TIMEOUT_S
from ffenc.plan.cut import Piece, Range, cut_pieces, join_ranges, plan_cut
from ffenc.plan.encode import muxer_for
from ffenc.plan.frame_stride import FrameStride
from ffenc.regular_files import file_path
from ffenc.video.clip import MeasuredClip, measure_clips, measure_plain, read_back
from ffenc.video.concat import concat_videos, nameable, run_copy
from ffenc.video.frame_comparison import check_copy, check_frames
from ffenc.video.join import IN_BAND
from ffenc.video.output import PendingFile, WrittenVideo, check_packets, check_target
from ffenc.video.reencode import reencode_video
from ffenc.video.run_context import ProgressCallback, RunContext

logger = logging.getLogger(__name__)

_PIECES_PER_FILE = 100


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CutResult(WrittenVideo):
    """A video file with the kept frames of another.

    Attributes:
        path, frames, fps, size_bytes, stream: see `WrittenVideo`.
        reencoded: ranges of the source whose frames were re-encoded; all other frames were copied bit by bit.
    """

    reencoded: tuple[Range, ...]


def cut_video(
    source: str | Path,
    output: str | Path,
    ranges: Sequence[Range],
    *,
    config: VideoEncoderConfig | None = None,
    overwrite: bool = False,
    binaries: Binaries | None = None,
    stall_timeout_s: float = STALL_TIMEOUT_S,
    progress: ProgressCallback | None = None,
) -> CutResult:
    """Keep ranges of frames; ranges that begin at a keyframe are copied bit by bit.

    Of other ranges only the frames up to the next keyframe are re-encoded, and joined with the copied rest.  If a decoder
    fails at that join, all kept frames are re-encoded, with a warning.

    Args:
        source: a clip with constant frame rate whose frame k is shown at k/fps, without audio.
        output: ends in ``.mp4`` or ``.mov``.
        ranges: ascending (first, stop) pairs that do not overlap.  Where frames are re-encoded, each range begins at a
            keyframe, also if it continues the one before it.
        config: encoder settings for frames that cannot be copied; None refuses to encode.
        overwrite: replace an existing file.
        binaries: the executables; found by `find_binaries` if None.
        stall_timeout_s: longest time without progress.
        progress: called with (frames copied, frames in all) while copying, from another thread.

    Raises:
        InputError: ranges outside of the clip, a clip with audio or irregular timestamps, or frames that cannot be copied
            and no ``config``.
        FFencError: encoding or copying failed.  After any error the output does not exist.
    """
    binaries, output = binaries or find_binaries(), file_path(output, written=True)
    muxer_for(output)
    check_target(output, overwrite=overwrite)
    clip = measure_plain(file_path(source), binaries=binaries)
    delay, pieces = _pieces(clip, ranges)
    fresh = [piece for piece in pieces if not piece.copied]
    if fresh and config is None:
        raise InputError(
            f"frames {_ranges_text(fresh)} of {source} do not begin at a keyframe, or are too few between B-frames, so they "
            "cannot be copied; give a config to re-encode them",
            path=Path(source),
        )
    job = _Cut(
        clip=clip,
        ranges=ranges,
        delay=delay,
        context=RunContext(binaries=binaries, stall_timeout_s=stall_timeout_s, progress=progress),
    )
    with (
        tempfile.TemporaryDirectory(prefix=".ffenc-cut-", dir=output.parent) as directory,
        PendingFile(output, overwrite=overwrite) as pending,
    ):
        made, reencoded = _make(job, pieces, pending.path, Path(directory), config)
        pending.commit()
    return CutResult(
        path=output,
        frames=made.packets.count,
        reencoded=tuple((piece.first, piece.stop) for piece in reencoded),
        fps=clip.stream.fps,
        size_bytes=output.stat().st_size,
        stream=replace(made.stream, path=output.absolute()),
    )


def cut_pieces_of(source: Path, ranges: Sequence[Range], *, binaries: Binaries) -> list[Piece]:
    """Return what `cut_video` would copy and re-encode; nothing is written.

    Raises:
        InputError: see `cut_video`.
    """
    return _pieces(measure_plain(source, binaries=binaries), ranges)[1]


def _pieces(clip: MeasuredClip, ranges: Sequence[Range]) -> tuple[int, list[Piece]]:
    """Return the number of frames between decoding and presentation, and the pieces."""
    _check_ranges(ranges, clip)
    index = read_mp4_index(clip.stream.path)
    delay = clip.stream.has_b_frames if index is None else index.delay
    return delay, cut_pieces(clip.packets, ranges, delay=delay)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cut:
    """The parameters and steps of one cut."""

    clip: MeasuredClip
    ranges: Sequence[Range]
    delay: int
    context: RunContext

    def copy(self, pieces: Sequence[Piece], output: Path) -> MeasuredClip:
        """Copy the packets of pieces, and check that the file decodes to their frames."""
        stream = self.clip.stream
        # The name of the output folder may not be allowed in an ffconcat list.
        with (
            tempfile.TemporaryDirectory(prefix="ffenc-cut-") as lists,
            tempfile.TemporaryDirectory(prefix=".ffenc-cut-", dir=output.parent) as parts,
        ):
            named = self._in_parts(pieces, Path(parts), output.suffix, Path(lists))
            self._run_copy(named, output, Path(lists), self.context)
        made = read_back(output, stream, binaries=self.context.binaries)
        check_packets(made.packets, path=output, fps=stream.fps, frames=sum(p.count for p in pieces))
        check_copy(made, [(self.clip, (p.first, p.stop)) for p in pieces], binaries=self.context.binaries)
        return made

    def _in_parts(self, pieces: Sequence[Piece], parts: Path, suffix: str, lists: Path) -> list[tuple[Path, Piece]]:
        """Return each piece with its file: the source, or a copy of a part of the source if there are many pieces.

        FFmpeg opens the file again for each piece, and reads the tables of all its frames.
        """
        source = nameable(self.clip.stream.path, lists, 0)
        if len(pieces) <= _PIECES_PER_FILE:
            return [(source, piece) for piece in pieces]
        found, silent = [], replace(self.context, progress=None)
        for number in range(0, len(pieces), _PIECES_PER_FILE):
            some = pieces[number : number + _PIECES_PER_FILE]
            first, part = some[0].first, parts / f"{number}{suffix}"
            self._run_copy([(source, Piece(first=first, stop=some[-1].stop, copied=True))], part, lists, silent)
            name = nameable(part, lists, number + 1)
            found += [(name, replace(each, first=each.first - first, stop=each.stop - first)) for each in some]
        return found

    def _run_copy(self, pieces: Sequence[tuple[Path, Piece]], output: Path, lists: Path, context: RunContext) -> None:
        plan = plan_cut(
            context.binaries.ffmpeg,
            self.clip.stream,
            pieces,
            output,
            delay=self.delay,
            list_path=lists / "list.ffconcat",
            muxer=muxer_for(output),
        )
        run_copy(plan, self.clip.stream, context)

    def encode(self, piece: Piece, output: Path, config: VideoEncoderConfig) -> MeasuredClip:
        """Encode the kept frames of a piece; each range begins at a keyframe."""
        inside = [(max(first, piece.first), min(stop, piece.stop)) for first, stop in self.ranges]
        kept = FrameStride(every=1, ranges=tuple((first, stop) for first, stop in inside if first < stop))
        reencode_video(
            self.clip.stream.path,
            output,
            config=config,
            thinning=kept,
            key_frames=kept.starts[1:],
            overwrite=True,
            binaries=self.context.binaries,
            stall_timeout_s=self.context.stall_timeout_s,
        )
        (made,) = measure_clips([output], binaries=self.context.binaries)
        return made

    def join(self, parts: Sequence[Path], output: Path) -> MeasuredClip:
        """Join parts into an existing temporary file."""
        concat_videos(
            parts,
            output,
            overwrite=True,
            may_differ=IN_BAND,
            binaries=self.context.binaries,
            stall_timeout_s=self.context.stall_timeout_s,
        )
        (made,) = measure_clips([output], binaries=self.context.binaries)
        return made


def _make(
    job: _Cut,
    pieces: Sequence[Piece],
    output: Path,
    directory: Path,
    config: VideoEncoderConfig | None,
) -> tuple[MeasuredClip, list[Piece]]:
    """Write the output with as little re-encoding as possible; return it with the re-encoded pieces."""
    fresh = [piece for piece in pieces if not piece.copied]
    try:
        if not fresh:
            return job.copy(pieces, output), []
        if len(fresh) < len(pieces) and config is not None:
            return _mend(job, pieces, output, directory, config), fresh
    except (ConcatError, OutputError, ProcessError) as err:
        if config is None:
            raise
        logger.warning(
            "the kept frames of %s cannot be copied (%s); re-encoding all of them",
            job.clip.stream.path,
            str(err).splitlines()[0],
        )
    assert config is not None
    everything = Piece(first=0, stop=job.clip.packets.count, copied=False)
    kept = [Piece(first=first, stop=stop, copied=False) for first, stop in join_ranges(job.ranges)]
    return job.encode(everything, output, config), kept


def _mend(
    job: _Cut, pieces: Sequence[Piece], output: Path, directory: Path, config: VideoEncoderConfig
) -> MeasuredClip:
    """Join copied and encoded pieces."""
    parts = []
    for number, piece in enumerate(pieces):
        part = directory / f"part-{number}{output.suffix}"
        parts.append(job.copy([piece], part) if piece.copied else job.encode(piece, part, config))
    made = job.join([part.stream.path for part in parts], output)
    check_frames(made, [(part, (0, part.packets.count)) for part in parts], binaries=job.context.binaries)
    return made


def _check_ranges(ranges: Sequence[Range], clip: MeasuredClip) -> None:
    path, count = clip.stream.path, clip.packets.count
    before = 0
    for first, stop in ranges:
        if not before <= first < stop <= count:
            raise InputError(
                f"cannot keep frames [{first}, {stop}) of {path}: ranges must ascend within [0, {count})",
                path=path,
            )
        before = stop
    if not ranges:
        raise InputError(f"no ranges of {path} were given; name at least one", path=path)


def _ranges_text(pieces: Sequence[Piece]) -> str:
    shown = [f"[{piece.first}, {piece.stop})" for piece in pieces[:3]]
    return ", ".join(shown) + (" and others" if len(pieces) > 3 else "")
