"""``ffenc info``: print the header and the real contents of a media file, or a summary of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from jsonargparse import Namespace
from rich.filesize import decimal

from ffenc.cli.commands.dataset.summary import show_dataset
from ffenc.cli.output.results import pairs_table
from ffenc.cli.output.screen import Screen
from ffenc.cli.parsing.arguments import binaries_of
from ffenc.dataset.format.video_info import video_info
from ffenc.dataset.storage.local_root import check_local
from ffenc.ffmpeg.ffprobe import probe_video_and_packets
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.json_text import as_json
from ffenc.plan.audio import describe_audio


def run(arguments: Namespace, screen: Screen) -> None:
    """Measure the file, and print the result."""
    check_local(arguments.file)
    if arguments.file.is_dir():
        show_dataset(arguments.file, screen)
        return
    stream, packets = probe_video_and_packets(arguments.file, binaries=binaries_of(arguments))
    metadata = video_info(stream)
    document = {
        "stream": as_json(stream),
        "packets": {
            "frames": packets.count,
            "hidden": packets.hidden,
            "size_bytes": packets.size_bytes,
            "keyframes": list(packets.keyframes),
            "exact": _is_exact(stream, packets),
            "errors": packets.errors,
        },
        "info": metadata,
    }
    screen.result(
        document,
        pairs_table(_header(stream), title=str(arguments.file)),
        pairs_table(_contents(stream, packets), title="\ncontents"),
        pairs_table(((key, _value(value)) for key, value in metadata.items()), title="\nLeRobot's keys"),
    )


def _header(stream: VideoStreamInfo) -> Iterator[tuple[str, object]]:
    profile = f" ({stream.profile})" if stream.profile else ""
    tag = f", tag {stream.codec_tag}" if stream.codec_tag else ""
    yield "container", f"{stream.container}, {decimal(stream.size_bytes)}"
    yield "codec", f"{stream.codec}{profile}{tag}"
    rotation = f", rotated by {stream.rotation} degrees" if stream.rotation else ""
    yield "frame", f"{stream.width}x{stream.height} {stream.pix_fmt}{rotation}"
    constant = "constant" if stream.is_constant_rate else "variable"
    yield "rate", f"{stream.fps} per second, {constant}; time base {stream.time_base} s"
    yield "starts at", "unknown" if stream.start_s is None else f"{float(stream.start_s):.6f} s"
    yield "lasts", "unknown" if stream.duration_s is None else f"{float(stream.duration_s):.6f} s"
    yield "frames", "not declared" if stream.frames_declared is None else stream.frames_declared
    yield "B-frames", stream.has_b_frames or "none"
    colour = (stream.color_range, stream.color_space, stream.color_primaries, stream.color_transfer)
    yield "colour", ", ".join(part or "unspecified" for part in colour) + " (range, matrix, primaries, transfer)"
    yield from (("audio", describe_audio(track)) for track in stream.audio_tracks)
    if stream.audio is None:
        yield "audio", "none"
    yield from (("not read", other) for other in stream.other_streams)


def _contents(stream: VideoStreamInfo, packets: PacketIndex) -> Iterator[tuple[str, object]]:
    hidden = f", and {packets.hidden} hidden by an edit list" if packets.hidden else ""
    missing = (stream.frames_declared or 0) - packets.count - packets.hidden
    short = f"; {missing} of those declared are missing" if missing > 0 else ""
    yield "frames", f"{packets.count}{hidden}{short}"
    gaps = [after - before for before, after in pairwise(packets.keyframes)]
    spacing = f", at most {max(gaps)} frames apart" if gaps else ""
    yield "keyframes", f"{len(packets.keyframes)}{spacing}"
    off = packets.first_off_grid(stream.fps)
    yield "timestamps", "every frame k at exactly k/fps" if off is None else f"frame {off} is not at k/fps"
    yield "coded", decimal(packets.size_bytes)
    yield "damage", packets.errors or ("truncated" if missing > 0 else "none found")


def _is_exact(stream: VideoStreamInfo, packets: PacketIndex) -> bool:
    return packets.first_off_grid(stream.fps) is None and not packets.hidden


def _value(value: object) -> object:
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else value
