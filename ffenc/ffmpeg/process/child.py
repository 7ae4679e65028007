"""Wait for one child process and kill it, by its PID; read its CPU time and memory."""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from ffenc.errors import ProcessStartError

_LONGEST_PAUSE_S = 0.05

# FFREPORT makes ffmpeg write a log file; SVT_LOG can hide the lines in which SVT-AV1 prints its version and ignored
# options; the others add escape sequences to stderr.
_ENVIRONMENT_REMOVED = ("FFREPORT", "SVT_LOG", "AV_LOG_FORCE_COLOR", "AV_LOG_FORCE_256COLOR")
# A library or driver that calls setlocale() must not turn 1.5x into 1,5x or translate the errors we match.  File names are
# bytes to ffmpeg, so the C locale does no harm.  A static build that reads a service name in MPEG-TS loads the character
# sets of this system's C library and crashes (4.2.2, 7.0.2); an empty GCONV_PATH prevents it.
_ENVIRONMENT_SET = {"LC_ALL": "C", "AV_LOG_FORCE_NOCOLOR": "1", "GCONV_PATH": ""}

_START_HINTS = {
    errno.ENOENT: "; check the path, or install it",
    errno.EAGAIN: "; a limit of processes was reached (ulimit -u): raise it, or use fewer cameras or workers",
    errno.EACCES: "; check that it is a file and executable (chmod +x)",
    errno.ENOEXEC: "; it is not a program for this machine (a text file, or another architecture?)",
}


def child_environment() -> dict[str, str]:
    """Return this process's environment without the variables that change where or how ffmpeg writes."""
    kept = {name: value for name, value in os.environ.items() if name not in _ENVIRONMENT_REMOVED}
    return kept | _ENVIRONMENT_SET


def start_error(argv: tuple[str, ...], error: OSError | ValueError) -> ProcessStartError:
    """Return the error for a command that could not be started; a ValueError is a NUL byte or a lone surrogate."""
    why, hint = str(error), ""
    if isinstance(error, OSError) and error.errno is not None:
        why, hint = os.strerror(error.errno), _START_HINTS.get(error.errno, "")
    return ProcessStartError(f"could not start {argv[0]}: {why}{hint}", argv=argv)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU time and memory of a child that was waited for."""

    cpu_user_s: float
    """CPU seconds in user mode, of the child and its children."""

    cpu_system_s: float
    """CPU seconds in the kernel, of the child and its children."""

    max_rss_bytes: int | None
    """Largest resident size.  On Linux the last ``VmHWM`` sampled before the end, because ``ru_maxrss`` starts from the
    *parent's* peak (measured: 610 MiB for /bin/true).  None if there was no sample."""


class Child:
    """A started process, the leader of its own group and session.  Thread-safe.

    No signal is sent after the wait, because the system may have reused the PID.

    Attributes:
        pid: process ID, and ID of its group.
        returncode: exit status, negative for a signal, as in ``subprocess``; None before the wait, and also after it if
            other code took the status (SIGCHLD ignored, a ``waitpid(-1)``).
        usage: known after the wait.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.usage: Usage | None = None
        self._ended = False
        self._peak_rss_bytes: int | None = None
        self._owner_pid = os.getpid()
        # Reentrant: a signal handler may abort while the main thread holds it.
        self._lock = threading.RLock()

    @property
    def is_foreign(self) -> bool:
        """Whether this process is a fork of the one that started it, and must neither wait for it nor kill it."""
        return os.getpid() != self._owner_pid

    def poll(self) -> bool:
        """Return whether it has ended; the first time, take its exit status."""
        with self._lock:
            if not self._ended:
                self._try_wait()
            return self._ended

    def wait(self, timeout_s: float) -> bool:
        """Wait at most ``timeout_s`` seconds of wall time for its end, and return whether it has ended."""
        deadline = time.monotonic() + timeout_s
        pause_s = 0.0005
        while not self.poll():
            if time.monotonic() >= deadline:
                return False
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
        return True

    def kill(self) -> None:
        """Send SIGKILL to its process group, which includes children of a wrapper script; safe at any time."""
        with self._lock:
            if self._ended:
                return
            try:
                os.killpg(self.pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                # It is already a zombie (EPERM on macOS), which the wait will find.
                return

    def cpu_s(self) -> float | None:
        """Return the CPU seconds used so far, user and system; None without /proc.

        Running children of the child do not count, so a wrapper script has to ``exec``.
        """
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_bytes()
        except OSError:
            return None
        # Fields 14 and 15 of proc(5).
        fields = _fields(stat)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def is_asleep(self) -> bool | None:
        """Whether all of its threads are waiting for something; None without /proc, or if it has ended."""
        try:
            states = [_state(task) for task in Path(f"/proc/{self.pid}/task").iterdir()]
        except OSError:
            return None
        return all(state == b"S" for state in states)

    def sample_memory(self) -> None:
        """Note its peak resident size so far from /proc, where it is lost once the child has ended."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_bytes()
        except OSError:
            return
        for line in status.splitlines():
            if line.startswith(b"VmHWM:"):
                self._peak_rss_bytes = int(line.split()[1]) * 1024

    def _try_wait(self) -> None:
        try:
            pid, status, resources = os.wait4(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._ended = True
            return
        if pid == 0:
            return
        peak = resources.ru_maxrss if sys.platform == "darwin" else self._peak_rss_bytes
        self.returncode = os.waitstatus_to_exitcode(status)
        self.usage = Usage(cpu_user_s=resources.ru_utime, cpu_system_s=resources.ru_stime, max_rss_bytes=peak)
        self._ended = True


def _fields(stat: bytes) -> list[bytes]:
    """The fields of a ``stat`` file of proc(5) from the third on, the state; the name before it may contain anything."""
    return stat[stat.rindex(b")") + 2 :].split()


def _state(task: Path) -> bytes:
    return _fields((task / "stat").read_bytes())[0]
