"""The settings that x264 and x265 write into their streams, as text in an SEI message."""

from __future__ import annotations

import re
from pathlib import Path

from ffenc.ffmpeg.mp4.boxes import top_level_boxes

_READ_BYTES = 64 * 1024


def find_report(path: Path, pattern: str) -> dict[str, str] | None:
    """Return the settings in an MP4 file, by the library's names; None if there are none.

    x264 writes them before its first frame, x265 into the header of the stream; both are at the start of a box.

    Args:
        path: the file.
        pattern: finds the text; its first group is the settings.
    """
    with path.open("rb") as file:
        for position, kind, _ in top_level_boxes(file):
            if kind in (b"moov", b"mdat"):
                file.seek(position)
                found = re.search(pattern.encode(), file.read(_READ_BYTES))
                if found is not None:
                    return parse_report(found[1].decode("ascii"))
    return None


def parse_report(text: str) -> dict[str, str]:
    """Parse ``cabac=1 no-sao wpp`` into ``{"cabac": "1", "sao": "0", "wpp": "1"}``."""
    settings: dict[str, str] = {}
    for word in text.split():
        name, equals, value = word.partition("=")
        if equals:
            settings[name] = value
        else:
            settings[name.removeprefix("no-")] = "0" if name.startswith("no-") else "1"
    return settings
