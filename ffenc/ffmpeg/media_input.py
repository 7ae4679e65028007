"""Open untrusted media files safely with FFmpeg, and explain why one cannot be read."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import NoVideoError, ProbeError, describe_returncode
from ffenc.ffmpeg.other_media import describe_other_media, rescue_advice
from ffenc.regular_files import file_path

MEDIA_DEMUXERS = ("mov", "matroska", "avi", "mpegts", "mpeg", "flv", "ogg", "nut", "ivf", "asf")
"""Allowed demuxers: containers that hold their own data, never a playlist."""

_MP4_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp", b"moof", b"sidx", b"pnot"})
_READ_BYTES_PER_S = 10_000_000
_TAGGED_LINE = re.compile(r"^(?:\[[^\]]* @ (?:0x)?[0-9a-fA-F]+\] )?\[(error|fatal|panic|warning)\] (.*)$")
_COMPLAINTS_KEPT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaFile:
    """A regular, non-empty file.

    Attributes:
        path: absolute; symbolic links are kept.
        size_bytes: its size.
    """

    path: Path
    size_bytes: int

    @property
    def timeout_s(self) -> float:
        """Time to read the complete file even from a slow network disk."""
        return 30.0 + self.size_bytes / _READ_BYTES_PER_S


def media_file(path: str | os.PathLike[str]) -> MediaFile:
    """Check a path before a process is started for it.

    Raises:
        ProbeError: it does not exist, or is a directory, a device, a pipe (which could block forever) or an empty file.
    """
    absolute = file_path(path).absolute()
    try:
        status = absolute.stat()
    except OSError as err:
        raise ProbeError(f"{absolute} cannot be measured: {err.strerror}", path=absolute) from err
    if stat.S_ISDIR(status.st_mode):
        raise ProbeError(
            f"{absolute} is a directory; name a media file in it (ffenc images takes folders of images)", path=absolute
        )
    if not stat.S_ISREG(status.st_mode):
        raise ProbeError(f"{absolute} is not a regular file; only those can be measured", path=absolute)
    if status.st_size == 0:
        raise ProbeError(f"{absolute} is empty; make the file again", path=absolute)
    return MediaFile(path=absolute, size_bytes=status.st_size)


def input_arguments(path: Path) -> tuple[str, ...]:
    """Return the arguments, up to and including ``-i FILE``, for opening an untrusted file.

    With ``file:`` and an absolute path, a leading dash, a colon or a percent sign has no special meaning.  The list of
    demuxers keeps a playlist disguised as ``.mp4`` from opening other local files, which the list of protocols alone does
    not (measured with 4.2.2, 5.1, 7.0, 8.1 and 9.0).
    """
    return (
        *("-protocol_whitelist", "file"),
        *("-format_whitelist", ",".join(MEDIA_DEMUXERS)),
        *("-i", f"file:{path.absolute()}"),
    )


def complaints(stderr: str) -> str:
    """Return the errors that a tool wrote with ``-loglevel level+...``, one per line, without memory addresses.

    Warnings count only if they are about corrupt packets; intact files cause the others too.
    """
    lines: list[str] = []
    for line in stderr.splitlines():
        tagged = _TAGGED_LINE.match(line)
        if tagged is None:
            continue
        level, text = tagged[1], tagged[2].strip()
        if (level != "warning" or "corrupt" in text.lower()) and text not in lines[-1:]:
            lines.append(text)
    if len(lines) > _COMPLAINTS_KEPT:
        lines[_COMPLAINTS_KEPT:] = [f"... and {len(lines) - _COMPLAINTS_KEPT} more"]
    return "\n".join(lines)


def refusal(media: MediaFile, stderr: str) -> ProbeError:
    """Return the error for a file that FFmpeg did not open, from its messages and the first bytes of the file."""
    said = complaints(stderr)
    other = describe_other_media(media.path)
    if other is not None:
        why = f"is not a media file with timestamps: it is {other}"
    elif "not on whitelist" in said:
        why = (
            "is not a media file with timestamps: FFmpeg reads it as another format, which may have none or may name other "
            "files. " + rescue_advice(media.path)
        )
    elif not looks_like_mp4(media.path) and "moov atom not found" in said:
        why = "is not a media file, despite its name; give a video file"
    elif "moov atom not found" in said:
        why = (
            "has no index (moov atom not found): writing it was interrupted or never finished. "
            "Use a complete copy, or make it again"
        )
    else:
        why = f"cannot be read as a media file; FFmpeg says: {said or 'nothing'}"
    return ProbeError(f"{media.path} {why}", path=media.path)


def crashed(media: MediaFile, tool: Path, returncode: int) -> ProbeError:
    """Return the error for a tool that was killed by a signal, whose output cannot be trusted."""
    return ProbeError(
        f"{media.path} could not be measured: {tool} was {describe_returncode(returncode)} while reading it; "
        "try another FFmpeg build",
        path=media.path,
    )


def no_video(media: MediaFile, kinds: Iterable[str]) -> NoVideoError:
    """Return the error for a file without a video stream."""
    seen = ", ".join(sorted(set(kinds))) or "nothing"
    return NoVideoError(
        f"{media.path} has no video stream (only {seen}; a cover picture does not count); give a file with video",
        path=media.path,
    )


def undescribed(media: MediaFile, codec: str) -> ProbeError:
    """Return the error for a video stream without size, pixel format, time base or frame rate."""
    return ProbeError(
        f"{media.path}: size, pixel format, time base or frame rate of its {codec} stream are unknown; either the file was "
        "cut off too early, or this FFmpeg cannot decode the codec: try another build",
        path=media.path,
    )


def looks_like_mp4(path: Path) -> bool:
    """Return whether a file begins with a box of MP4 or MOV."""
    with path.open("rb") as file:
        return file.read(8)[4:] in _MP4_BOXES
