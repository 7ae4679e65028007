"""Own a child with its pipes and threads: send and receive data, end all of it together, and make the error."""

from __future__ import annotations

import logging
import math
import time
import warnings
from pathlib import Path
from typing import Literal

from ffenc.errors import ProcessDiedError, ProcessError, ProcessTimeoutError, ThreadStartError
from ffenc.ffmpeg.process.child import Child
from ffenc.ffmpeg.process.guard import Guard
from ffenc.ffmpeg.process.pipes import Drain, PipeEnd, wait_for_either
from ffenc.ffmpeg.process.progress import Progress, ProgressReader
from ffenc.ffmpeg.process.stall import SLICE_S, StallWatch
from ffenc.ffmpeg.process.stderr import StderrTail
from ffenc.threads import start_thread

logger = logging.getLogger(__name__)

State = Literal["running", "finishing", "exited"]

# SIGKILL takes effect at once, except on a process that the kernel holds (a dead network file system).
_KILL_WAIT_S = 10.0
# The child's pipes end with it, unless a process that it started still holds them.
_LINGER_S = 1.0
_SHORTEST_PAUSE_S = 0.0005


class ManagedChild:
    """The implementation of `FFmpegProcess` and `run_tool`, which document its behaviour.

    It has no reference to the `FFmpegProcess`, and its threads have none to it, so that an unused `FFmpegProcess` can be
    garbage-collected; `discard` then cleans up.

    Args:
        argv: the command that was started.
        pid: the child; this object takes ownership of it and of the pipe ends.
        stdin, stdout: our ends of its standard input and output, or None.
        stderr: our end of its standard error.
        tail: receives standard error.
        reports: receives standard output; without it the user reads that.
        stall_timeout_s: longest time without progress, in seconds.
        wall_s: seconds from now after which it is killed in any case.
        guard: kills the child if this process dies; ended with the child.

    Attributes:
        name: the executable's file name, for messages.
        state: ``running``, ``finishing`` or ``exited``, in this order.
        bytes_written: bytes written to standard input.
        bytes_read: bytes that the user read from standard output.
    """

    def __init__(
        self,
        argv: tuple[str, ...],
        *,
        pid: int,
        stdin: PipeEnd | None,
        stdout: PipeEnd | None,
        stderr: PipeEnd,
        tail: StderrTail,
        reports: ProgressReader | None,
        stall_timeout_s: float,
        wall_s: float,
        guard: Guard | None = None,
    ) -> None:
        self.argv = argv
        self.name = Path(argv[0]).name
        self.child = Child(pid)
        self.tail = tail
        self._reports = reports
        self.state: State = "running"
        self.bytes_written = 0
        self.bytes_read = 0
        self._stdin = stdin
        self._stdout = stdout if reports is None else None
        self._drains = [Drain(stderr, tail, name=f"stderr of {pid}", on_error=self.child.kill)]
        if stdout is not None and reports is not None:
            drain = Drain(stdout, reports, name=f"progress of {pid}", on_error=self.child.kill)
            self._drains.append(drain)
        self._stall_timeout_s = stall_timeout_s
        self._wall_s = wall_s
        self._guard = guard
        self._started = time.monotonic()
        self._sending = False
        self._exchange_watch: StallWatch | None = None
        self._failure: tuple[type[ProcessError], str] | None = None

    def start_threads(self) -> None:
        """Start reading standard error and progress reports.

        Raises:
            ThreadStartError: no thread could be started; the child was killed.
        """
        try:
            for drain in self._drains:
                start_thread(drain)
        except ThreadStartError:
            self.abort()
            raise

    def send(self, rest: memoryview) -> None:
        """Write all of it to standard input; errors as ``FFmpegProcess.write``."""
        pipe = self._require(self._stdin, "write to", "stdin=True")
        if pipe.closed:
            raise ProcessError(f"cannot write to {self.name}: its input was ended", argv=self.argv)
        if self._sending:
            what = f"an earlier write to {self.name} was interrupted; data after an incomplete frame would be misread"
            raise ProcessError(what, argv=self.argv)
        self._sending = True
        watch = self._watch()
        wait_s = 0.0
        while rest:
            try:
                count = pipe.write_some(rest, wait_s)
            except BrokenPipeError as err:
                raise self._ended_early() from err
            if count:
                self.bytes_written += count
                rest = rest[count:]
            elif wait_s and (why := watch.complaint()):
                raise self.fail(ProcessTimeoutError, f"{self.name} took no more input: {why}; killed it")
            wait_s = SLICE_S
        self._sending = False

    def end_input(self) -> None:
        """Close standard input; errors as ``FFmpegProcess.write``."""
        self._require(self._stdin, "end the input of", "stdin=True").close()

    def receive(self, rest: memoryview) -> int:
        """Fill a buffer from standard output, short only at end of file; errors as ``read_into``."""
        pipe = self._require(self._stdout, "read from", "stdout='data'")
        watch = self._watch()
        wanted = len(rest)
        while rest and (count := self._receive_some(pipe, rest, watch)):
            rest = rest[count:]
        if rest and self._has_failed:
            raise self.fail(ProcessDiedError, f"{self.name} failed")
        return wanted - len(rest)

    def exchange(self, out: memoryview, into: memoryview, wait_s: float) -> tuple[int, int]:
        """Move some bytes in either direction; errors as ``FFmpegProcess.exchange``."""
        stdin = self._require(self._stdin, "write to", "stdin=True")
        stdout = self._require(self._stdout, "read from", "stdout='data'")
        moved = self._move(stdin, stdout, out, into)
        if moved == (0, 0):
            wait_for_either(stdin if out else None, stdout, wait_s)
            moved = self._move(stdin, stdout, out, into)
        if moved != (0, 0):
            self._exchange_watch = None
        elif self._exchange_watch is None:
            self._exchange_watch = self._watch()
        elif why := self._exchange_watch.complaint():
            raise self.fail(ProcessTimeoutError, f"{self.name} neither took input nor gave output: {why}; killed it")
        return moved

    def _move(self, stdin: PipeEnd, stdout: PipeEnd, out: memoryview, into: memoryview) -> tuple[int, int]:
        try:
            sent = (stdin.write_some(out, 0) or 0) if out else 0
        except BrokenPipeError as err:
            raise self._ended_early() from err
        try:
            received = stdout.read_some(into, 0)
        except BrokenPipeError as err:
            raise self.fail(ProcessDiedError, f"{self.name} was closed while it was read") from err
        if received == 0:
            raise self.fail_after_exit(f"the output of {self.name} ended")
        self.bytes_written += sent
        self.bytes_read += received or 0
        return sent, received or 0

    def receive_all(self, limit_bytes: int) -> bytes:
        """Read standard output to end of file; more than ``limit_bytes`` is an error."""
        printed = bytearray()
        block = memoryview(bytearray(64 * 1024))
        while count := self.receive(block):
            printed += block[:count]
            if len(printed) > limit_bytes:
                raise self.fail(ProcessError, f"{self.name} printed more than {limit_bytes} bytes; killed it")
        return bytes(printed)

    def end(self, timeout_s: float = math.inf) -> int:
        """Close standard input, wait until the child and its threads have ended, and return any exit status."""
        self._require_ours()
        if self.state == "running":
            self.state = "finishing"
            self.child.sample_memory()
        watch = self._watch(timeout_s)
        if self._stdin is not None:
            self._stdin.close()
        if self._stdout is not None and self.state == "finishing":
            beyond = memoryview(bytearray(1))
            if self._receive_some(self._stdout, beyond, watch):
                raise self.fail(ProcessError, f"{self.name} had more output than was read; killed it")
        if why := self._await_exit(watch):
            raise self.fail(ProcessTimeoutError, f"{self.name} did not end: {why}; killed it")
        self._clear_away()
        if self._has_failed:
            raise self._error()
        if self.child.returncode is None:
            what = f"the exit status of {self.name} was taken by other code (SIGCHLD ignored, waitpid(-1))"
            raise self.fail(ProcessDiedError, what)
        return self.child.returncode

    def abort(self) -> None:
        """Kill and clean up; a call in progress in another thread raises the error that is noted here."""
        if self.child.is_foreign or self.state == "exited":
            return
        self._note(ProcessDiedError, f"{self.name} was aborted")
        self.child.kill()
        self._clear_away()

    def fail(self, kind: type[ProcessError], what: str) -> BaseException:
        """Kill and clean up; return the error to raise: this one, unless an earlier one was noted."""
        self._note(kind, what)
        self.child.kill()
        self._clear_away()
        return self._error()

    def fail_after_exit(self, what: str) -> BaseException:
        """Wait for a child that is about to end, so that the error has its exit status, and return that error."""
        self._await_exit(self._watch())
        return self.fail(ProcessDiedError, what)

    def discard(self) -> None:
        """Kill and clean up with a warning; the finalizer of a garbage-collected `FFmpegProcess`."""
        if self.child.is_foreign or self.state == "exited":
            return
        self.child.kill()
        self._clear_away()
        what = f"{self.name} with PID {self.child.pid} was neither finished nor aborted; killed it"
        warnings.warn(what, ResourceWarning, stacklevel=2)

    @property
    def stderr_matches(self) -> tuple[str, ...]:
        """Matching lines of everything that the child has written to standard error before the call."""
        self._drains[0].catch_up()
        return self.tail.matches

    def stderr_since(self, time_s: float) -> list[str]:
        """Lines of standard error from this time of ``time.monotonic`` on."""
        self._drains[0].catch_up()
        return self.tail.lines_since(time_s)

    @property
    def progress(self) -> Progress | None:
        """The latest report of ``-progress``, or None."""
        return None if self._reports is None else self._reports.latest

    @property
    def _has_failed(self) -> bool:
        return self._failure is not None or any(drain.error for drain in self._drains)

    def _require(self, pipe: PipeEnd | None, verb: str, needs: str) -> PipeEnd:
        self._require_ours()
        if self._has_failed:
            raise self.fail(ProcessDiedError, f"{self.name} failed")
        if self.state != "running":
            raise ProcessError(f"cannot {verb} {self.name}: it is {self.state}", argv=self.argv)
        if pipe is None:
            raise ProcessError(f"cannot {verb} {self.name}: it was started without {needs}", argv=self.argv)
        return pipe

    def _require_ours(self) -> None:
        if self.child.is_foreign:
            raise ProcessError(f"{self.name} belongs to the process that forked this one", argv=self.argv)

    def _watch(self, timeout_s: float = math.inf) -> StallWatch:
        """Return a watch for one blocking call, limited to ``timeout_s`` and the rest of ``wall_s``."""
        left_s = self._started + self._wall_s - time.monotonic()
        return StallWatch(
            activity=self._activity,
            cpu_s=self.child.cpu_s,
            stall_s=self._stall_timeout_s,
            wall_s=min(timeout_s, self._wall_s),
            left_s=min(timeout_s, left_s),
        )

    def _activity(self) -> object:
        return self.bytes_written, self.bytes_read, self._reports and self._reports.work_done

    def _receive_some(self, pipe: PipeEnd, view: memoryview, watch: StallWatch) -> int:
        """Wait for output; return the bytes read, 0 at end of file."""
        wait_s = 0.0
        while True:
            try:
                count = pipe.read_some(view, wait_s)
            except BrokenPipeError as err:  # closed by an abort in another thread
                raise self.fail(ProcessDiedError, f"{self.name} was closed while it was read") from err
            if count is not None:
                self.bytes_read += count
                return count
            if wait_s and (why := watch.complaint()):
                raise self.fail(ProcessTimeoutError, f"{self.name} gave no more output: {why}; killed it")
            wait_s = SLICE_S

    def _ended_early(self) -> BaseException:
        """Wait for a child that no longer reads its input, and return the error to raise."""
        if why := self._await_exit(self._watch()):
            what = f"{self.name} closed its input but did not end: {why}; killed it"
            return self.fail(ProcessTimeoutError, what)
        return self.fail(ProcessDiedError, f"{self.name} ended before it had taken all its input")

    def _await_exit(self, watch: StallWatch) -> str | None:
        """Wait until the child has ended, or return the complaint of the watch."""
        pause_s = _SHORTEST_PAUSE_S
        stderr = self._drains[0]
        while not self.child.poll():
            self.child.sample_memory()
            # Standard error ends with the child, which wakes this thread at once.
            if stderr.wait(SLICE_S):
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, SLICE_S)
            if not self.child.poll() and (why := watch.complaint()):
                return why
        return None

    def _clear_away(self) -> None:
        """Wait for a child that has ended or was killed, close the pipes, and join the threads."""
        ended = self.child.wait(_KILL_WAIT_S)
        if self._guard is not None:
            self._guard.end()
        for pipe in (self._stdin, self._stdout):
            if pipe is not None:
                pipe.close()
        for drain in self._drains:
            drain.settle(_LINGER_S)
        if self.state == "exited":
            return
        self.state = "exited"
        if ended:
            seconds = time.monotonic() - self._started
            logger.debug("PID %d ended with %s after %.3f s", self.child.pid, self.child.returncode, seconds)
        else:
            logger.error("PID %d (%s) survives SIGKILL: it is blocked in the kernel", self.child.pid, self.name)

    def _note(self, kind: type[ProcessError], what: str) -> None:
        if self._failure is None:
            self._failure = (kind, what)

    def _error(self) -> BaseException:
        """Return the final error; complete only after `_clear_away`."""
        for drain in self._drains:
            if drain.error is not None:
                return drain.error
        assert self._failure is not None
        kind, what = self._failure
        tail = self.tail.last_words
        return kind(what, argv=self.argv, returncode=self.child.returncode, stderr_tail=tail)
