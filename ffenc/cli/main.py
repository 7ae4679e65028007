"""Start the program and turn its outcome into an exit status.

Exit status: 0 success; 1 the work failed; 2 the command line or a setting in it is wrong; 130 interrupted; 141 the result
could not be written to standard output; 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from ffenc.cli.output.screen import Screen, StandardOutputError, prepare_standard_streams
from ffenc.cli.signals import signals_as_exceptions
from ffenc.errors import FFencError

FAILED, INTERRUPTED, NO_OUTPUT = 1, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words behind ``ffenc``; None takes those of this process.

    Returns:
        The exit status.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    prepare_standard_streams()
    try:
        with signals_as_exceptions():
            status = _run(words)
    except SystemExit as err:  # from --help, --version, or a signal
        status = err.code if isinstance(err.code, int) else 0
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        status = INTERRUPTED
    except (BrokenPipeError, StandardOutputError) as err:
        _discard_standard_output(err)
        return NO_OUTPUT
    try:
        sys.stdout.flush()
    except OSError as err:
        _discard_standard_output(err)
        return status or NO_OUTPUT
    return status


def _discard_standard_output(err: Exception) -> None:
    """Report what prevents writing, unless the reader left, and keep the interpreter from flushing again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(err, BrokenPipeError):
        reason = err.strerror if isinstance(err, OSError) else err
        sys.stderr.write(f"the result could not be written to standard output: {reason}\n")


def _said(err: FFencError | OSError) -> str:
    """The message of an error, without the number that an operating system gives it."""
    if isinstance(err, FFencError) or not err.strerror:
        return str(err)
    return err.strerror if err.filename is None else f"{err.filename}: {err.strerror}"


def _run(words: list[str]) -> int:
    try:
        # Not at the top: an import too can fail with an error for people, if a dependency is missing or shadowed.
        tree = import_module("ffenc.cli.command_tree")
        status: int = tree.dispatch(words)
    except (BrokenPipeError, StandardOutputError):
        raise
    except (FFencError, OSError) as err:
        screen = Screen.of(as_json=False)
        screen.failure(" ".join(["ffenc", *words[:1], "failed"]), _said(err))
        return FAILED
    except RuntimeError as err:
        if "can't start new thread" not in str(err):
            raise
        remedy = "the system refuses another thread; raise the limit of processes of this user (ulimit -u)"
        Screen.of(as_json=False).failure(" ".join(["ffenc", *words[:1], "failed"]), remedy)
        return FAILED
    return status
