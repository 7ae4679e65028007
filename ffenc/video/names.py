"""Names that become parts of a path."""

from __future__ import annotations

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
        why = "it is empty" if name == "" else "it is no text"
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
