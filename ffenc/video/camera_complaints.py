"""Turn what ffmpeg prints about a camera into a reason and advice."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LINES_SHOWN = 4
_COMPLAINT = re.compile(r"^(?:\[(?P<part>[^\]]*?) @ 0x[0-9a-f]+\] )?\[(?:warning|error|fatal|panic)\] (?P<text>.*)$")
# After every failure ffmpeg reports that it failed. Newer versions give the reason only there if no other line has it.
_HOLLOW = re.compile(r"^Error opening input(?: files?)?\b|^Conversion failed|^Nothing was written|^Terminating thread")
_NOISE = re.compile(r"deprecated pixel format used|detected only with low score|^EOI missing|^Did you mean file:")

_ADVICE = (
    (r"Connection refused", "check the address and the port, and whether the camera is on"),
    (r"\b401\b|authorization failed", "check the user and the password in the URL"),
    (r"\b403\b|Forbidden", "the camera does not allow it; check the user and the path in the URL"),
    (r"\b404\b|Not Found", "check the path in the URL"),
    (r"resolve hostname|Name or service not known", "check the name of the host in the URL"),
    (r"timed out|No route to host|unreachable", "check the address, and whether the camera is on this network"),
    (r"resource busy", "another program uses the camera; close it"),
    (r"Permission denied|not permitted", "add your user to the group of the device (usually video), and log in again"),
    (r"No such device|No such file|not a video capture", "ffenc cameras lists the connected cameras"),
    (r"[Uu]nknown input format", "set format to one that ffmpeg -demuxers lists"),
    (r"Protocol not found", "this FFmpeg lacks the protocol of the URL; ffmpeg -protocols lists those it has"),
    (r"Option \S+ not found|Unrecognized option", "remove the setting from the options of the camera"),
    (
        r"no decoder found|[Dd]ecoder .*not found|Unknown decoder",
        "this FFmpeg cannot decode the stream; choose another codec on the camera",
    ),
    (r"codec parameters|unspecified size", "give FFmpeg more time with options: {analyzeduration: 5000000}"),
    (r"proper format|time per frame|VIDIOC|ioctl", "ffenc cameras lists the sizes and formats of the camera"),
    (r"Invalid data found", "FFmpeg does not recognize the stream; set format, or check the URL"),
)


def complaints(lines: Iterable[str]) -> str:
    """Return the last warnings and errors among the lines of ``-loglevel level+info``, without prefixes."""
    told: dict[str, None] = {}
    hollow: dict[str, None] = {}
    for line in lines:
        complaint = _COMPLAINT.match(line)
        if complaint is None:
            continue
        part, text = complaint["part"], complaint["text"].strip()
        if text and not _NOISE.search(text):
            kind = hollow if _HOLLOW.match(text) else told
            kind.setdefault(f"{part}: {text}" if part and "#" not in part else text)
    return "\n".join([*(told or hollow)][-_LINES_SHOWN:])


def advice(text: str) -> str:
    """Return what to do about ffmpeg's complaints; empty if unknown."""
    return next((remedy for pattern, remedy in _ADVICE if re.search(pattern, text)), "")
