"""The one owner of child processes.

Everything that ffenc runs, it runs here: long encodes as `FFmpegProcess`, short questions by `run_tool`,
which is the same class underneath.  Whatever the ending, the pipes are closed, the child is waited for and no
thread is left.
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
from ffenc.ffmpeg.process.managed_child import ManagedChild, State
from ffenc.ffmpeg.process.pipes import PipeEnd, flat_view, start_lock
from ffenc.ffmpeg.process.priority import Priority, lower_child, lower_this_thread
from ffenc.ffmpeg.process.progress import Progress, ProgressReader
from ffenc.ffmpeg.process.stderr import StderrTail
from ffenc.ffmpeg.process.uninterrupted import make_uninterrupted

if TYPE_CHECKING:
    from ffenc.ffmpeg.process.pipes import Bytes

logger = logging.getLogger(__name__)

StdoutMode = Literal["discard", "progress", "data"]

STALL_TIMEOUT_S = 10.0
TOOL_STDERR_BYTES = 4 * 1024 * 1024
TOOL_STDOUT_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a child ended well."""

    returncode: int
    """Exit status: 0."""

    stderr_text: str
    """The last lines it wrote to standard error: at most 60 lines and 16 KiB."""

    stderr_matches: tuple[str, ...]
    """Lines of standard error in which one of ``stderr_errors`` was found, the first 100."""

    progress: Progress | None
    """The last report of ``-progress``, if it was read."""

    usage: Usage
    """CPU time and memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What a short tool printed before it ended."""

    argv: tuple[str, ...]

    returncode: int
    """Exit status, negative for a signal."""

    stdout: bytes

    stderr: str
    """Decoded, with U+FFFD for undecodable bytes and control characters; the newest 4 MiB if it is more."""


class FFmpegProcess:
    """A running child, made by `start` and ended by `finish` or `abort`; the constructor starts nothing.

    Differs from ``subprocess.Popen`` on purpose:

    - The child has its own session: Ctrl-C, SIGHUP and SIGQUIT of the terminal do not reach it.
    - Standard error is read from the first instant into a bounded tail, so it can never fill up.
    - Time limits are about progress, see `StallWatch`: a slow encoder is not killed, a hung one is.
    - An error is made after the wait, so it has the exit status or signal and the last words.
    - A forgotten one is killed, with a `ResourceWarning`; a fork of this process holds none of its pipes.
    - It never gets real-time priority, not even as root, and may be given less priority than we have.

    As a context manager it finishes when the block ends normally and aborts when the block raises.  One thread
    uses it at a time, except that `abort` may come from any, and one may write while another reads.
    """

    def __init__(self, lifetime: ManagedChild) -> None:
        self._life = lifetime
        self._in_write = False
        self._finished: Finished | None = None
        self._finalizer = weakref.finalize(self, lifetime.discard)

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
    ) -> FFmpegProcess:
        """Start a child process.

        Args:
            argv: the executable and its arguments.
            stdin: whether `write` will be used; otherwise its standard input is ``/dev/null``.
            stdout: ``"discard"`` it; read it as the reports of ``-progress pipe:1`` (which ``argv`` must
                contain) into `progress`; or leave it as ``"data"`` to `read_into` and `read_exactly`.
            stall_timeout_s: longest time without progress, in seconds.
            on_progress: called with every report, in the thread that reads them.  If it raises, the child is
                killed and the exception comes out of the next `write` or `finish`.  While the child runs, the
                callback is kept alive, and so is all that it refers to.
            stderr_errors: lines of standard error in which one of these is found are kept as
                `stderr_matches`: some mistakes ffmpeg reports nowhere else, and then exits with status 0.
            priority: of the child, see `Priority`.
            kept_open: descriptors that the child inherits, so that a lock on them lasts as long as it lives.

        Raises:
            ProcessStartError: it could not be started.
            ThreadStartError: the system refuses the threads for it.
        """
        if on_progress is not None and stdout != "progress":
            raise ProcessStartError("on_progress is of no use without stdout='progress'", argv=tuple(argv))
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
        )
        # Made whole in there, so that one which an interrupt keeps from being returned is cleared away by its finalizer.
        return make_uninterrupted(lambda: cls(launch()), cls.abort)

    @property
    def pid(self) -> int:
        """Its process ID, which may be somebody else's once `state` is ``exited``."""
        return self._life.child.pid

    @property
    def state(self) -> State:
        """``running`` until `finish` begins, ``exited`` once it was waited for; never back."""
        return self._life.state

    @property
    def returncode(self) -> int | None:
        """Exit status once it was waited for, negative for a signal."""
        return self._life.child.returncode

    @property
    def bytes_written(self) -> int:
        """Bytes that went into its standard input; an interrupted `write` may have put in more."""
        return self._life.bytes_written

    @property
    def progress(self) -> Progress | None:
        """The latest report of ``-progress``; None before the first, or if it is not read."""
        return self._life.progress

    @property
    def stderr_matches(self) -> tuple[str, ...]:
        """Lines so far in which one of ``stderr_errors`` was found, the first 100; complete when it exited."""
        return self._life.tail.matches

    def __repr__(self) -> str:
        status = ""
        if self.state == "exited" and self.returncode is not None:
            status = f", {describe_returncode(self.returncode)}"
        return f"<{type(self).__name__} {self._life.name}: {self.state}, PID {self.pid}{status}>"

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
            buffer: C-contiguous, of any shape and item type, such as a numpy frame.  Its bytes go as they lie in
                memory and are not copied; it may be reused as soon as this returns.

        Raises:
            FrameError: not a C-contiguous buffer; nothing was written.
            ProcessDiedError: the child closed its input, ended or was aborted before it took everything.
            ProcessTimeoutError: no progress for ``stall_timeout_s``; it was killed.
            ProcessError: it is not running any more, has no standard input, belongs to another process, or an
                earlier write was interrupted: a part of a frame was sent, so that all that followed would be
                misread.  Then only `finish` (ffmpeg drops an incomplete frame) and `abort` remain.
        """
        self._life.send(flat_view(buffer))

    def end_input(self) -> None:
        """Close its standard input, so that it comes to its end while its output can still be read.

        Only for ``stdin=True`` together with ``stdout="data"``; `finish` does it by itself.  A second call does
        nothing.

        Raises:
            ProcessError: as `write`.
        """
        self._life.end_input()

    def read_into(self, buffer: Bytes) -> int:
        """Fill a buffer from its standard output.

        Args:
            buffer: writable and C-contiguous.

        Returns:
            Bytes read: all that fit, fewer only at end of file.  Whether that was a good end, `finish` says.

        Raises:
            ProcessTimeoutError: no progress for ``stall_timeout_s``; it was killed.
            ProcessError: it is not in ``"data"`` mode, is not running any more, or was aborted.
        """
        return self._life.receive(flat_view(buffer))

    def read_exactly(self, n_bytes: int) -> bytearray:
        """Read the next ``n_bytes`` of its standard output; an empty result at a clean end of file.

        Raises:
            ProcessDiedError: the output ended inside the block.
            ProcessTimeoutError, ProcessError: as `read_into`.
        """
        block = bytearray(n_bytes)
        count = self.read_into(block)
        if count == n_bytes:
            return block
        if count == 0:
            return bytearray()
        what = f"the output of {self._life.name} ended after {count} of {n_bytes} bytes"
        raise self._life.fail_after_exit(what)

    def finish(self, timeout_s: float | None = None) -> Finished:
        """Close its standard input, wait for its end and require that it was a good one.

        A second call returns or raises the same.  After a `KeyboardInterrupt` it can be called again.

        Args:
            timeout_s: most seconds of wall time for this, on top of the rule about progress; None: no limit.

        Raises:
            ProcessDiedError: it ended with another exit status than 0 or by a signal, or was aborted.
            ProcessTimeoutError: no progress for ``stall_timeout_s``, or ``timeout_s`` is over; it was killed.
            ProcessError: in ``"data"`` mode, some of its output was left unread; it was killed.
        """
        if self._finished is not None:
            return self._finished
        life = self._life
        try:
            returncode = life.end(math.inf if timeout_s is None else timeout_s)
        finally:
            self._let_go()
        if returncode != 0:
            raise life.fail(ProcessDiedError, f"{life.name} failed")
        assert life.child.usage is not None
        self._finished = Finished(
            returncode=returncode,
            stderr_text=life.tail.last_words,
            stderr_matches=life.tail.matches,
            progress=life.progress,
            usage=life.child.usage,
        )
        return self._finished

    def abort(self) -> None:
        """Kill it and wait for it; safe at any time, twice, and from any thread.

        A call that another thread has in progress then raises a ProcessDiedError that says so.

        SIGKILL, and to its whole group: a polite stop makes ffmpeg flush its encoder and write the end of a
        file that is thrown away.  For the same reason the kill comes before the pipes are closed: at an end
        of file ffmpeg would complete its output as if all had been well.
        """
        self._life.abort()
        self._let_go()

    def _let_go(self) -> None:
        """Once it has ended nothing is left to clear away; the finalizer would keep alive what a callback refers to."""
        if self._life.state == "exited":
            self._finalizer.detach()


def run_tool(argv: Sequence[str | os.PathLike[str]], *, timeout_s: float = 10.0, check: bool = True) -> ToolOutput:
    """Run a short tool to its end, its standard input ``/dev/null``, and return what it printed.

    Args:
        argv: the executable and its arguments.
        timeout_s: most seconds of wall time, whatever it is doing.
        check: whether any other exit status than 0 is an error.

    Raises:
        ProcessStartError: it could not be started.
        ProcessDiedError: ``check``, and it failed or was killed.
        ProcessTimeoutError: it had not ended in time; it was killed.
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
    life = make_uninterrupted(launch, ManagedChild.abort)
    try:
        stdout = life.receive_all(TOOL_STDOUT_BYTES)
        returncode = life.end()
    except BaseException:
        life.abort()
        raise
    if check and returncode != 0:
        raise life.fail(ProcessDiedError, f"{life.name} failed")
    return ToolOutput(argv=life.argv, returncode=returncode, stdout=stdout, stderr=life.tail.text)


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
) -> ManagedChild:
    # This runs in a thread of its own, see `make_uninterrupted`.
    lower_this_thread(priority)
    with start_lock:
        popen = _spawn(argv, stdin=stdin, stdout=stdout != "discard", kept_open=kept_open)
        lower_child(popen.pid, priority)
        # ManagedChild does the waiting; a Popen that believes in its end neither reaps nor complains.
        popen.returncode = 0
        assert popen.stderr is not None
        lifetime = ManagedChild(
            argv,
            pid=popen.pid,
            stdin=None if popen.stdin is None else PipeEnd(popen.stdin, select.POLLOUT, large=True),
            stdout=None if popen.stdout is None else PipeEnd(popen.stdout, select.POLLIN, large=True),
            stderr=PipeEnd(popen.stderr, select.POLLIN),
            tail=tail,
            reports=ProgressReader(on_progress) if stdout == "progress" else None,
            stall_timeout_s=stall_timeout_s,
            wall_s=wall_s,
        )
    lifetime.start_threads()
    logger.debug("started PID %d: %s", popen.pid, shlex.join(argv))
    return lifetime


def _spawn(argv: tuple[str, ...], *, stdin: bool, stdout: bool, kept_open: tuple[int, ...]) -> subprocess.Popen[bytes]:
    if sys.platform == "win32":
        raise ProcessStartError("ffenc runs FFmpeg on Linux and macOS only; on Windows, use WSL", argv=argv)
    if not argv:
        raise ProcessStartError("there is no command to start", argv=argv)
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
