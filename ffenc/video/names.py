"""Check names that become parts of a path, and name hidden files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ffenc.errors import UnsafePathError

_LONGEST_BYTES = 200  # file systems take 255, and temporary names are longer


def check_path_part(name: str, what: str) -> None:
    """Refuse a name that would leave its directory, hide a file, or not be read back unchanged.

    Args:
        name: one part of a path.
        what: what it names, for messages.

    Raises:
        UnsafePathError: it is empty, contains a slash, a backslash or a control character, begins or ends with a dot or a
            space, or is too long.
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
    """Return the path of a hidden file beside another, ``.<stem><end>``.

    If the name is too long, part of the hash of ``stem`` replaces its end, so that the same file has the same sibling.

    Args:
        final: the other file.
        stem: its name, or a part of it.
        end: end of the sibling's name, at most 100 bytes.
    """
    data = os.fsencode(stem)
    room = _longest_name(final.parent) - len(os.fsencode(end)) - 1
    if len(data) > room:
        digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
        kept = data[: room - _DIGEST - 1]
        # Not within a character: some file systems refuse incomplete ones.
        while kept and len(data) > len(kept) and data[len(kept)] & 0xC0 == 0x80:
            kept = kept[:-1]
        stem = f"{os.fsdecode(kept)}~{digest}"
    return final.with_name(f".{stem}{end}")


_DIGEST = 8


def _longest_name(directory: Path) -> int:
    """Return the most bytes of a file name in a directory."""
    try:
        return os.pathconf(directory, "PC_NAME_MAX")
    except OSError:
        return 255
