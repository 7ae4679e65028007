"""Parse the settings that encoders report."""

from __future__ import annotations

import re

from ffenc.ffmpeg.encoder_report import parse_report

_X26X = re.compile(rb"options: ([ -~]+)")
_SVT = re.compile(r"^Svt\[info\]: SVT \[config\]: (.+?)\s*$", re.MULTILINE)


def x26x_settings(stream: bytes) -> dict[str, str]:
    """Read the settings that x264 and x265 write into their streams; empty if there are none.

    A switch has the value ``"1"``. x265 writes a disabled switch as ``no-NAME``, which becomes NAME with the value ``"0"``.
    """
    written = _X26X.search(stream)
    return {} if written is None else parse_report(written[1].decode("ascii"))


def svt_settings(stderr: str) -> dict[str, str]:
    """Read the configuration that SVT-AV1 prints, with several settings per line."""
    settings = {}
    for line in _SVT.findall(stderr):
        names, colon, values = (part.strip() for part in line.partition(":"))
        if not colon:
            settings["profile"] = " ".join(line.split())
            continue
        for name, value in zip(names.split(" / "), values.split(" / "), strict=False):
            settings[name.strip()] = value.strip()
    return settings
