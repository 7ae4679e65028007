"""Plan a stream copy that keeps ranges of a video: which packets can be copied, and the list that copies them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.plan.concat import ConcatPlan, concat_argv, excerpt_list, microseconds_text

Range = tuple[int, int]
"""(first, stop): frames from ``first`` to ``stop - 1``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Frames ``[first, stop)`` of a video, all of them copied or all re-encoded.

    Attributes:
        first, stop: numbers of frames.
        copied: their packets can be copied; otherwise the frames are re-encoded.
    """

    first: int
    stop: int
    copied: bool

    @property
    def count(self) -> int:
        """Number of frames."""
        return self.stop - self.first


def join_ranges(ranges: Sequence[Range]) -> list[Range]:
    """Merge ranges that touch each other."""
    joined: list[Range] = []
    for first, stop in ranges:
        begin = joined.pop()[0] if joined and joined[-1][1] == first else first
        joined.append((begin, stop))
    return joined


def cut_pieces(packets: PacketIndex, ranges: Sequence[Range], *, delay: int) -> list[Piece]:
    """Divide ranges of frames into pieces that can be copied and pieces that cannot.

    A copy begins at a cut point and ends at one.  If frames are stored in presentation order, no frame needs a later one,
    and a copy can end anywhere.  Encoders delay the first frame of a piece only if it has more frames than ``delay``, and
    FFmpeg joins only pieces with equal delays, so a shorter piece takes the next frames up to a cut point.

    Args:
        ranges: ascending ranges ``[first, stop)`` that do not overlap.
        delay: frames between decoding and presentation of the first frame; 0 if they are stored in presentation order.
    """
    points = [*packets.cut_points, packets.count]
    pieces: list[Piece] = []
    for first, stop in join_ranges(ranges):
        begin, end = points[bisect.bisect_left(points, first)], stop
        if begin != first:
            begin = points[bisect.bisect_left(points, min(first + delay + 1, packets.count))]
        if delay and points[bisect.bisect_left(points, stop)] != stop:
            end = points[max(0, bisect.bisect_right(points, stop - delay - 1) - 1)]
        if end - begin <= delay:  # too few frames to copy
            pieces.append(Piece(first=first, stop=stop, copied=False))
            continue
        parts = ((first, begin, False), (begin, end, True), (end, stop, False))
        pieces += [Piece(first=a, stop=b, copied=copied) for a, b, copied in parts if a < b]
    return pieces


def plan_cut(
    ffmpeg: Path,
    clip: VideoStreamInfo,
    pieces: Sequence[tuple[Path, Piece]],
    output: Path,
    *,
    delay: int,
    list_path: Path,
    muxer: str,
) -> ConcatPlan:
    """Plan the copy of pieces of one video, or of parts of it, into one file.

    FFmpeg's concat demuxer seeks to ``inpoint`` by presentation time and leaves out packets decoded after ``outpoint``.
    Both are in microseconds: ``inpoint`` is rounded up, so that the keyframe at that time is found; ``outpoint`` is halfway
    between two frames.  Exact with FFmpeg 4.2 to 9.0, also with B-frames.

    Args:
        clip: what was measured of the video; its frame k is shown at k/fps.
        pieces: pieces that can be copied, each with the name of its file in the list; see `concat_list`.
        delay: frames between decoding and presentation of its first frame.
    """
    excerpts = [(path, piece.count, _bounds(piece, clip.fps, delay)) for path, piece in pieces]
    return ConcatPlan(
        argv=concat_argv(ffmpeg, list_path, output, muxer=muxer, tag=clip.codec_tag),
        list_path=list_path,
        list_text=excerpt_list(excerpts, clip.fps),
        output=output,
        frames=sum(piece.count for _, piece in pieces),
        fps=clip.fps,
    )


def _bounds(piece: Piece, fps: Fraction, delay: int) -> list[str]:
    end_us = int((piece.stop - delay - Fraction(1, 2)) / fps * 1_000_000)
    bounds = [f"outpoint {microseconds_text(end_us)}"]
    if piece.first:
        bounds.insert(0, f"inpoint {microseconds_text(math.ceil(piece.first / fps * 1_000_000))}")
    return bounds
