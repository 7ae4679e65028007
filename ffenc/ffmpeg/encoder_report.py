"""Read the settings that x264 and x265 write into their streams, as text in an SEI message."""

from __future__ import annotations

import re
from pathlib import Path

_CHUNK_BYTES = 1024 * 1024
_LONGEST_REPORT_BYTES = 16 * 1024


def find_report(path: Path, pattern: str) -> dict[str, str] | None:
    """Return the settings in a file by the library's names, or None.

    x264 writes them before its first frame, which may follow seconds of audio, x265 into the header of the stream.

    Args:
        pattern: regular expression for the text; its first group is the settings.
    """
    wanted, data = re.compile(pattern.encode()), b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            data = data[-_LONGEST_REPORT_BYTES:] + chunk
            found = wanted.search(data)
            if found is not None and found.end() < len(data):  # else the rest is in the next chunk
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
