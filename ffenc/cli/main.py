"""Where the program starts, and what becomes of an error.

Exit status: 0 it worked; 1 the work failed; 2 the command line or a setting in it is wrong; 130 interrupted; 141 nobody
reads standard output any more; 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ffenc.cli.endings import signals_as_exceptions
from ffenc.cli.screen import Screen, tolerate_any_name
from ffenc.errors import FFencError

FAILED, INTERRUPTED, BROKEN_PIPE = 1, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words behind ``ffenc``; None takes those of this process.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    tolerate_any_name()
    try:
        with signals_as_exceptions():
            status = _run(words)
            sys.stdout.flush()
    except SystemExit as err:  # from --help, --version, or a signal
        return err.code if isinstance(err.code, int) else 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes standard output once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    return status


def _said(err: FFencError | OSError) -> str:
    """The message of an error, without the number that an operating system gives it."""
    if isinstance(err, FFencError) or not err.strerror:
        return str(err)
    return err.strerror if err.filename is None else f"{err.filename}: {err.strerror}"


def _run(words: list[str]) -> int:
    try:
        # Not at the top: an import too can fail with an error for people, if a dependency is missing or shadowed.
        tree = import_module("ffenc.cli.tree")
        status: int = tree.dispatch(words)
    except BrokenPipeError:
        raise
    except (FFencError, OSError) as err:
        screen = Screen.of(as_json=False)
        screen.failure(" ".join(["ffenc", *words[:1], "failed"]), _said(err))
        return FAILED
    return status
