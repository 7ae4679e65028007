"""Names that become parts of a path."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ffenc.errors import UnsafePathError

_LONGEST_BYTES = 200  # file systems take 255, and temporary names are longer


def check_path_part(name: str, what: str) -> None:
    """Refuse a name that would leave its directory, hide a file, or not be readable back.

    Args:
        name: what is to become one part of a path.
        what: what it is, for the message.

    Raises:
        UnsafePathError: it is empty, holds a slash, a backslash or a control character, begins or ends with a dot or a blank,
            or is too long.
    """
    why = None
    if not isinstance(name, str) or not name:
        why = "it is empty" if name == "" else "it is not text"
    elif "/" in name or "\\" in name:
        why = "it contains a slash"
    elif not name.isprintable():
        why = "it contains a control character"
    elif name[0] in ". " or name[-1] in ". ":
        why = "it begins or ends with a dot or a space"
    elif len(name.encode("utf-8", "surrogateescape")) > _LONGEST_BYTES:
        why = f"it is longer than {_LONGEST_BYTES} bytes"
    if why is not None:
        raise UnsafePathError(f"{name!r} cannot be {what}: {why}", text=str(name))


def sibling(final: Path, *, stem: str, end: str) -> Path:
    """Name a hidden file beside another, ``.<stem><end>``; a name that would be too long is shortened.

    A stem that is too long is cut, and a part of its hash replaces the rest.  The same file always has the same sibling.

    Args:
        final: the other file.
        stem: its name, or a part of it.
        end: what the name of the sibling ends in, at most 100 bytes.
    """
    data = os.fsencode(stem)
    room = _longest_name(final.parent) - len(os.fsencode(end)) - 1
    if len(data) > room:
        digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
        kept = data[: room - _DIGEST - 1]
        # Not within a character: some file systems take only whole ones.
        while kept and len(data) > len(kept) and data[len(kept)] & 0xC0 == 0x80:
            kept = kept[:-1]
        stem = f"{os.fsdecode(kept)}~{digest}"
    return final.with_name(f".{stem}{end}")


_DIGEST = 8


def _longest_name(directory: Path) -> int:
    """Return how many bytes a name may have in a directory."""
    try:
        return os.pathconf(directory, "PC_NAME_MAX")
    except OSError:
        return 255
