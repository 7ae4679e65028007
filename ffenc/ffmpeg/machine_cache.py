"""Small JSON documents that are remembered about this machine: listings of FFmpeg builds, and proofs of encoders.

The folder is the user's cache folder (``$XDG_CACHE_HOME/ffenc``), or ``FFENC_CACHE_DIR``.  An unreadable file counts as
absent, and an unwritable folder means that nothing is remembered.  Two processes may overwrite each other's file.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

import platformdirs

from ffenc.json_text import dump_json, load_json

logger = logging.getLogger(__name__)


def cache_file(name: str) -> Path:
    """Return the path of a document; it is not absolute if the user has no home folder."""
    given = os.path.expanduser(os.environ.get("FFENC_CACHE_DIR", ""))  # noqa: PTH111  leaves ~ if the user has no home folder
    if not given:
        return platformdirs.user_cache_path("ffenc", appauthor=False) / name
    return (Path(given) if given.startswith("~") else Path(given).absolute()) / name


def load_document(name: str, identity: list[Any]) -> dict[str, Any]:
    """Return a document that was saved for the same identity; empty without one."""
    file = cache_file(name)
    try:
        document = load_json(file.read_bytes())
    except (OSError, ValueError) as err:
        logger.debug("nothing is remembered in %s: %s", file, err)
        return {}
    if not isinstance(document, dict) or document.get("identity") != identity:
        logger.debug("nothing is remembered in %s: it is for another identity", file)
        return {}
    return document


def save_document(name: str, identity: list[Any], values: dict[str, Any]) -> None:
    """Save a document in one step; a failure is only logged."""
    file = cache_file(name)
    if not file.is_absolute():
        logger.debug("%s is not cached: this user has no home folder", file)
        return
    temporary = file.with_name(f"{file.name}.{os.urandom(8).hex()}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(dump_json({"identity": identity, **values}))
        temporary.replace(file)
    except OSError as err:
        logger.debug("%s is not cached: %s", file, err)
        with contextlib.suppress(OSError):  # most likely it was never created
            temporary.unlink()
