"""Run the program and return its exit status.

0 success; 1 the work failed; 2 the command line is wrong; 130 interrupted; 141 the result could not be written to standard
output; 128 + n ended by signal n.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from ffenc.cli.output.standard_streams import StandardOutputError, prepare_standard_streams
from ffenc.cli.signals import signals_as_exceptions
from ffenc.errors import FFencError

FAILED, INTERRUPTED, NO_OUTPUT = 1, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after ``ffenc``; None means those of this process.

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
    """Report why writing failed, unless the reader closed the pipe, and keep the interpreter from flushing again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if not isinstance(err, BrokenPipeError):
        reason = err.strerror if isinstance(err, OSError) else err
        sys.stderr.write(f"the result could not be written to standard output: {reason}\n")


def _run(words: list[str]) -> int:
    try:
        # Not at the top: the import fails with an FFencError if a dependency is missing or shadowed.
        from ffenc.cli.dispatch import dispatch

        return dispatch(words)
    except (BrokenPipeError, StandardOutputError):
        raise
    except (FFencError, OSError) as err:
        return _fail(words, _message(err))
    except RuntimeError as err:
        if "can't start new thread" not in str(err):
            raise
        return _fail(words, "the system refuses another thread; raise this user's limit of processes (ulimit -u)")


def _message(err: FFencError | OSError) -> str:
    """Return the message of an error, without the operating system's error number."""
    if isinstance(err, FFencError) or not err.strerror:
        return str(err)
    return err.strerror if err.filename is None else f"{err.filename}: {err.strerror}"


def _fail(words: list[str], message: str) -> int:
    from ffenc.cli.output.screen import Screen

    Screen.of(as_json=False).failure(" ".join(["ffenc", *words[:1], "failed"]), message)
    return FAILED
