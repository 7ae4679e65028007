"""Recognise the format version of a dataset, and name the command that converts another version."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

CODEBASE_VERSION = "v3.0"

_CURRENT = re.compile(r"v?3(\.0)*")  # spellings of v3.0 that LeRobot's reader accepts
_UPGRADABLE = re.compile(r"v?2\.1(\.0)*")
_NUMBERED = re.compile(r"v?(\d{1,9})(\.\d+)*")

# LeRobot 0.3.3 is the last release with the converters of these formats.
_FROM_1 = "`python -m lerobot.datasets.v2.convert_dataset_v1_to_v2`"
_FROM_2_0 = "`python -m lerobot.datasets.v21.convert_dataset_v20_to_v21`"


def is_known_version(version: object) -> bool:
    """Return True if a ``codebase_version`` is v3.0 in any spelling that LeRobot reads."""
    return isinstance(version, str) and _CURRENT.fullmatch(version) is not None


def is_upgradable(version: object) -> bool:
    """Return True if a ``codebase_version`` is v2.1, which `ffenc.upgrade_dataset` converts."""
    return isinstance(version, str) and _UPGRADABLE.fullmatch(version) is not None


def format_1_info(root: Path) -> Path | None:
    """Return the ``info.json`` of a dataset of format 1, which is in another directory; None for all others."""
    path = root / "meta_data" / "info.json"
    return path if path.is_file() else None


def version_message(version: object, where: Path | str, root: Path | str) -> str:
    """Return one sentence about a version that ffenc does not read, with the command to run.

    Args:
        version: ``codebase_version`` of the dataset; None if it has none.
        where: the file that has it.
        root: the dataset, for the command.
    """
    numbered = _NUMBERED.fullmatch(version) if isinstance(version, str) else None
    if numbered is None:
        return f"{where} has codebase_version {version!r}; expected {CODEBASE_VERSION!r}"
    has = f"{where} has LeRobot's {'older' if int(numbered[1]) < 3 else 'newer'} format {version}"
    upgrade = f"`ffenc upgrade {shlex.quote(str(root))}`"
    if is_upgradable(version):
        return f"{has}; run {upgrade} first"
    if int(numbered[1]) == 2:
        return f"{has}; run {_FROM_2_0} of LeRobot 0.3.3, and then {upgrade}"
    if int(numbered[1]) < 2:
        return f"{has}; run {_FROM_1} and {_FROM_2_0} of LeRobot 0.3.3, and then {upgrade}"
    return f"{has}; run `pip install --upgrade ffenc-video`, because this version reads up to {CODEBASE_VERSION}"
