"""Prepare the standard streams of the process. This module imports no other package."""

from __future__ import annotations

import os
import sys


class StandardOutputError(Exception):
    """A result could not be written to standard output, for example because its disk is full."""


def prepare_standard_streams() -> None:
    """Open closed standard streams on the null device, and let any file name be printed.

    The next opened file would otherwise get the number of a closed stream, and results would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    if sys.stdin is None:
        sys.stdin = os.fdopen(0, encoding="utf-8")
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
