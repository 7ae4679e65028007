"""Compare the stream of a finished file with its plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

from ffenc.errors import OutputError
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.plan.encode import EncodePlan
from ffenc.plan.resolve import ExpectedStream
from ffenc.video.output import check_packets

_SHOWN = 8
"""Keyframes that a message lists."""


def check_stream(
    plan: EncodePlan, stream: VideoStreamInfo, packets: PacketIndex, *, frames: int, path: Path | None = None
) -> None:
    """Check the header and packets of a file; no frame is decoded.

    Args:
        plan: the plan that wrote the file.
        stream, packets: as measured.
        frames: number of frames that were sent.
        path: the final path, for messages; None takes the plan's.

    Raises:
        OutputError: the number of frames, a timestamp, the codec, size, pixel format, profile, a keyframe or the order of
            packets differs from the plan.
    """
    path = path or plan.output
    check_packets(packets, path=path, fps=plan.fps, frames=frames)
    expected = plan.encoder.expected
    faults = [*_header_faults(plan, stream, expected), *_packet_faults(packets, expected, plan.source.key_frames)]
    if faults:
        raise OutputError(
            f"{plan.encoder.name} did not write what the plan requires: {'; '.join(faults)}; {path} was not written",
            path=path,
            frames_expected=frames,
            packets_counted=packets.count,
        )


def _header_faults(plan: EncodePlan, stream: VideoStreamInfo, expected: ExpectedStream) -> Iterable[str]:
    (width, height), config = plan.source.size, plan.encoder.config
    if stream.codec != plan.encoder.codec:
        yield f"the codec is {stream.codec}, not {plan.encoder.codec}"
    if (stream.width, stream.height) != (width, height):
        yield f"the size is {stream.width}x{stream.height}, not {width}x{height}"
    if stream.pix_fmt not in expected.pix_fmts:
        yield f"the pixel format is {stream.pix_fmt}, not {config.pix_fmt}"
    if expected.profiles and stream.profile is not None and stream.profile not in expected.profiles:
        yield f"the profile is {stream.profile}, not {dict(plan.encoder.options)['profile']}"


def _packet_faults(packets: PacketIndex, expected: ExpectedStream, forced: Sequence[int]) -> Iterable[str]:
    if packets.is_reordered and not expected.reorders:
        yield "it has B-frames, which were not requested"
    key_frames, g = packets.keyframes, expected.g
    if not key_frames or key_frames[0] != 0:
        yield "frame 0 is not a keyframe"
    if g is None:
        return
    listed = ", ".join(map(str, key_frames[:_SHOWN])) + (", ..." if len(key_frames) > _SHOWN else "")
    if expected.exact and not any(forced):
        if key_frames != tuple(range(0, packets.count, g)):
            yield f"with g={g} keyframes are at {listed}, not at every multiple of {g}"
        return
    late = next((first for first, then in pairwise((*key_frames, packets.count)) if then - first > g), None)
    if late is not None:
        yield f"with g={g} keyframes are at {listed}: none is within {g} frames after frame {late}"


def missing_key_frames(plan: EncodePlan, packets: PacketIndex) -> list[int]:
    """Return the frames at which a keyframe was forced but the file cannot be cut."""
    return sorted(set(plan.source.key_frames) - set(packets.cut_points))
