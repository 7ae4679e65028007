"""Start child processes: `FFmpegProcess` for long runs, `run_tool` for short ones.

No other module of ffenc starts a process.  However a child ends, its pipes are closed, it is waited for, and no thread is
left.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import re
import select
import shlex
import subprocess
import sys
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from ffenc.errors import ProcessDiedError, ProcessStartError, describe_returncode
from ffenc.ffmpeg.process.child import Usage, child_environment, start_error
from ffenc.ffmpeg.process.guard import Guard
from ffenc.ffmpeg.process.managed_child import ManagedChild, State
from ffenc.ffmpeg.process.pipes import PipeEnd, flat_view, start_lock
from ffenc.ffmpeg.process.priority import Priority, lower_child, lower_this_thread
from ffenc.ffmpeg.process.progress import Progress, ProgressReader
from ffenc.ffmpeg.process.stderr import StderrTail
from ffenc.ffmpeg.process.uninterrupted import make_uninterrupted
from ffenc.redaction import redacted_words

if TYPE_CHECKING:
    from ffenc.ffmpeg.process.pipes import Bytes

logger = logging.getLogger(__name__)

StdoutMode = Literal["discard", "progress", "data"]

STALL_TIMEOUT_S = 10.0
TOOL_STDERR_BYTES = 4 * 1024 * 1024
TOOL_STDOUT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The outcome of a child that exited with status 0."""

    returncode: int
    """Exit status: 0."""

    stderr_text: str
    """The last lines of its standard error: at most 60 lines and 16 KiB."""

    stderr_matches: tuple[str, ...]
    """The first 100 lines of standard error that match one of ``stderr_errors``."""

    progress: Progress | None
    """The last report of ``-progress``, or None."""

    usage: Usage
    """CPU time and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """The output of a short tool."""

    argv: tuple[str, ...]

    returncode: int
    """Exit status, negative for a signal."""

    stdout: bytes

    stderr: str
    """Decoded, with U+FFFD for undecodable bytes and control characters; the last 4 MiB."""


class FFmpegProcess:
    """A running child, made by `start` and ended by `finish` or `abort`; the constructor starts nothing.

    Differs from ``subprocess.Popen`` on purpose:

    - The child has its own session: Ctrl-C, SIGHUP and SIGQUIT of the terminal do not reach it.
    - Standard error is read from the start into a bounded tail, so that its pipe never fills up.
    - Time limits are about progress, see `StallWatch`: a slow encoder is not killed, a hung one is.
    - An error is made after the wait, so that it has the exit status or signal and the last lines of standard error.
    - A garbage-collected one is killed, with a `ResourceWarning`.  A fork of this process inherits none of its pipes.
    - It never gets real-time priority, not even as root, and can get a lower priority than this process.

    As a context manager it finishes when the block ends normally and aborts when the block raises.  One thread uses it at
    a time, but `abort` may be called from any, and one thread may write while another reads.
    """

    def __init__(self, managed: ManagedChild) -> None:
        self._managed = managed
        self._finished: Finished | None = None
        self._finalizer = weakref.finalize(self, managed.discard)

    @classmethod
    def start(
        cls,
        argv: Sequence[str],
        *,
        stdin: bool = False,
        stdout: StdoutMode = "discard",
        stall_timeout_s: float = STALL_TIMEOUT_S,
        on_progress: Callable[[Progress], None] | None = None,
        stderr_errors: Sequence[re.Pattern[str]] = (),
        priority: Priority = Priority(),  # noqa: B008  it is immutable
        kept_open: Sequence[int] = (),
        ends_with_us: bool = False,
    ) -> FFmpegProcess:
        """Start a child process.

        Args:
            stdin: whether `write` will be used; otherwise its standard input is ``/dev/null``.
            stdout: ``"discard"``; ``"progress"`` to read the reports of ``-progress pipe:1`` (which ``argv`` must contain)
                into `progress`; or ``"data"`` for `read_into` and `read_exactly`.
            stall_timeout_s: longest time without progress, in seconds.
            on_progress: called with every report, in the thread that reads them.  If it raises, the child is killed, and
                the next `write` or `finish` raises its exception.  It is kept alive while the child runs.
            stderr_errors: lines of standard error that match one of these are kept in `stderr_matches`.  ffmpeg reports
                some errors only there and exits with status 0.
            priority: of the child, see `Priority`.
            kept_open: descriptors that the child inherits, so that a lock on them lasts as long as it lives.
            ends_with_us: kill the child when this process is killed; a child with ``stdin=True`` ends anyway.

        Raises:
            ProcessStartError: it could not be started.
            ThreadStartError: the system refuses the threads for it.
        """
        if on_progress is not None and stdout != "progress":
            raise ProcessStartError("on_progress needs stdout='progress'", argv=tuple(argv))
        launch = functools.partial(
            _launch,
            tuple(argv),
            stdin=stdin,
            stdout=stdout,
            stall_timeout_s=stall_timeout_s,
            tail=StderrTail(patterns=stderr_errors),
            on_progress=on_progress,
            priority=priority,
            kept_open=tuple(kept_open),
            ends_with_us=ends_with_us,
        )
        # Constructed inside, so that its finalizer runs if an interrupt keeps it from being returned.
        return make_uninterrupted(lambda: cls(launch()), cls.abort)

    @property
    def pid(self) -> int:
        """Its process ID, which the system may reuse once `state` is ``exited``."""
        return self._managed.child.pid

    @property
    def state(self) -> State:
        """``running`` until `finish` begins, then ``finishing``, and ``exited`` once it was waited for."""
        return self._managed.state

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None before it was waited for."""
        return self._managed.child.returncode

    @property
    def bytes_written(self) -> int:
        """Bytes written to its standard input; an interrupted `write` may have written more."""
        return self._managed.bytes_written

    @property
    def progress(self) -> Progress | None:
        """The latest report of ``-progress``; None before the first, or if reports are not read."""
        return self._managed.progress

    @property
    def stderr_matches(self) -> tuple[str, ...]:
        """The first 100 lines that match one of ``stderr_errors``, of all that it wrote before the call."""
        return self._managed.stderr_matches

    def stderr_since(self, time_s: float) -> list[str]:
        """Return the last lines of standard error that were written at this time of ``time.monotonic`` or later."""
        return self._managed.stderr_since(time_s)

    def __repr__(self) -> str:
        status = ""
        if self.state == "exited" and self.returncode is not None:
            status = f", {describe_returncode(self.returncode)}"
        return f"<{type(self).__name__} {self._managed.name}: {self.state}, PID {self.pid}{status}>"

    def __enter__(self) -> FFmpegProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.finish()
        except BaseException:
            self.abort()  # an interrupted finish leaves it running
            raise

    def write(self, buffer: Bytes) -> None:
        """Write all of a buffer to its standard input.

        Args:
            buffer: C-contiguous, of any shape and item type, such as a numpy frame.  It is not copied, and may be reused as
                soon as this returns.

        Raises:
            FrameError: not a C-contiguous buffer; nothing was written.
            ProcessDiedError: the child closed its input, ended or was aborted before it took everything.
            ProcessTimeoutError: no progress for ``stall_timeout_s``; it was killed.
            ProcessError: it is not running, has no standard input, or belongs to another process; or an earlier write was
                interrupted within a frame, so that everything after it would be misread.  Then only `finish` (ffmpeg drops
                an incomplete frame) and `abort` are possible.
        """
        self._managed.send(flat_view(buffer))

    def end_input(self) -> None:
        """Close its standard input, so that it ends while its output can still be read; `finish` does so too.

        Only for ``stdin=True`` with ``stdout="data"``.  A second call does nothing.

        Raises:
            ProcessError: as `write`.
        """
        self._managed.end_input()

    def read_into(self, buffer: Bytes) -> int:
        """Fill a buffer from its standard output.

        Args:
            buffer: writable and C-contiguous.

        Returns:
            Bytes read: as many as fit, fewer only at end of file.  `finish` raises if it ended with an error.

        Raises:
            ProcessTimeoutError: no progress for ``stall_timeout_s``; it was killed.
            ProcessError: it is not in ``"data"`` mode, is not running, or was aborted.
        """
        return self._managed.receive(flat_view(buffer))

    def read_exactly(self, n_bytes: int) -> bytearray:
        """Read the next ``n_bytes`` of its standard output; empty at end of file.

        Raises:
            ProcessDiedError: the output ended within the block.
            ProcessTimeoutError, ProcessError: as `read_into`.
        """
        block = bytearray(n_bytes)
        count = self.read_into(block)
        if count in (0, n_bytes):
            return block[:count]
        raise self._managed.fail_after_exit(
            f"the output of {self._managed.name} ended after {count} of {n_bytes} bytes"
        )

    def exchange(self, out: memoryview, into: memoryview, *, wait_s: float) -> tuple[int, int]:
        """Write and read what is possible now, so that neither side waits for the other.

        Args:
            out: bytes for its standard input, possibly none.
            into: where bytes of its standard output go; not empty.
            wait_s: longest wait for something to move, in seconds.

        Returns:
            (bytes written, bytes read); both are 0 if nothing moved in that time.

        Raises:
            ProcessDiedError: it ended.
            ProcessTimeoutError: no progress over calls that together took ``stall_timeout_s``; it was killed.
            ProcessError: as `write` and `read_into`.
        """
        return self._managed.exchange(out, into, wait_s)

    @property
    def is_asleep(self) -> bool | None:
        """Whether all of its threads are waiting for something at this moment; None without /proc."""
        return self._managed.child.is_asleep

    def finish(self, timeout_s: float | None = None) -> Finished:
        """Close its standard input, wait for its end, and require exit status 0.

        A second call returns or raises the same.  After a `KeyboardInterrupt` it can be called again.

        Args:
            timeout_s: most seconds of wall time for this call, besides the limit on progress; None: no limit.

        Raises:
            ProcessDiedError: it exited with another status than 0 or by a signal, or was aborted.
            ProcessTimeoutError: no progress for ``stall_timeout_s``, or ``timeout_s`` passed; it was killed.
            ProcessError: in ``"data"`` mode, some of its output was not read; it was killed.
        """
        if self._finished is not None:
            return self._finished
        managed = self._managed
        try:
            returncode = managed.end(math.inf if timeout_s is None else timeout_s)
        finally:
            self._detach_finalizer()
        if returncode != 0:
            raise managed.fail(ProcessDiedError, f"{managed.name} failed")
        assert managed.child.usage is not None
        self._finished = Finished(
            returncode=returncode,
            stderr_text=managed.tail.last_words,
            stderr_matches=managed.tail.matches,
            progress=managed.progress,
            usage=managed.child.usage,
        )
        return self._finished

    def abort(self) -> None:
        """Kill it and wait for it; safe at any time, repeatedly, and from any thread.

        A call in progress in another thread then raises a ProcessDiedError.

        SIGKILL to its process group, before the pipes are closed: after SIGTERM or at end of file ffmpeg would complete
        its output as if nothing was wrong.
        """
        self._managed.abort()
        self._detach_finalizer()

    def _detach_finalizer(self) -> None:
        """Drop the finalizer of an exited child.

        It would keep alive everything that a callback refers to.
        """
        if self._managed.state == "exited":
            self._finalizer.detach()


def run_tool(argv: Sequence[str | os.PathLike[str]], *, timeout_s: float = 10.0, check: bool = True) -> ToolOutput:
    """Run a short tool with standard input ``/dev/null``, and return its output.

    Args:
        timeout_s: most seconds of wall time.
        check: whether another exit status than 0 is an error.

    Raises:
        ProcessStartError: it could not be started.
        ProcessDiedError: it failed or was killed, and ``check`` is True.
        ProcessTimeoutError: it did not end in time; it was killed.
        ProcessError: it printed more than 256 MiB; it was killed.
    """
    launch = functools.partial(
        _launch,
        tuple(os.fspath(part) for part in argv),
        stdin=False,
        stdout="data",
        stall_timeout_s=math.inf,
        tail=StderrTail(max_lines=TOOL_STDERR_BYTES, max_bytes=TOOL_STDERR_BYTES),
        wall_s=timeout_s,
    )
    managed = make_uninterrupted(launch, ManagedChild.abort)
    try:
        stdout = managed.receive_all(TOOL_STDOUT_BYTES)
        returncode = managed.end()
    except BaseException:
        managed.abort()
        raise
    if check and returncode != 0:
        raise managed.fail(ProcessDiedError, f"{managed.name} failed")
    return ToolOutput(argv=managed.argv, returncode=returncode, stdout=stdout, stderr=managed.tail.text)


def _launch(
    argv: tuple[str, ...],
    *,
    stdin: bool,
    stdout: StdoutMode,
    stall_timeout_s: float,
    tail: StderrTail,
    on_progress: Callable[[Progress], None] | None = None,
    wall_s: float = math.inf,
    priority: Priority = Priority(),  # noqa: B008  it is immutable
    kept_open: tuple[int, ...] = (),
    ends_with_us: bool = False,
) -> ManagedChild:
    # Runs in its own thread, see `make_uninterrupted`.
    lower_this_thread(priority)
    with start_lock:
        popen = _spawn(argv, stdin=stdin, stdout=stdout != "discard", kept_open=kept_open)
        lower_child(popen.pid, priority)
        # ManagedChild waits for the child; with a returncode set, Popen neither waits nor warns.
        popen.returncode = 0
        assert popen.stderr is not None
        managed = ManagedChild(
            argv,
            pid=popen.pid,
            stdin=None if popen.stdin is None else PipeEnd(popen.stdin, select.POLLOUT, large=True),
            stdout=None if popen.stdout is None else PipeEnd(popen.stdout, select.POLLIN, large=True),
            stderr=PipeEnd(popen.stderr, select.POLLIN),
            tail=tail,
            reports=ProgressReader(on_progress) if stdout == "progress" else None,
            stall_timeout_s=stall_timeout_s,
            wall_s=wall_s,
            guard=Guard(popen.pid) if ends_with_us else None,
        )
    managed.start_threads()
    logger.debug("started PID %d: %s", popen.pid, shlex.join(redacted_words(argv)))
    return managed


def _spawn(argv: tuple[str, ...], *, stdin: bool, stdout: bool, kept_open: tuple[int, ...]) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        raise ProcessStartError("ffenc runs FFmpeg on Linux and macOS only; on Windows, use WSL", argv=argv)
    if not argv:
        raise ProcessStartError("the command is empty", argv=argv)
    try:
        return subprocess.Popen(
            argv,
            bufsize=0,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=child_environment(),
            start_new_session=True,
            pass_fds=kept_open,
        )
    except (OSError, ValueError) as err:
        raise start_error(argv, err) from err
