"""Kill a child when this process dies, even by SIGKILL."""

from __future__ import annotations

import logging
import select
import subprocess

from ffenc.ffmpeg.process.pipes import PipeEnd

logger = logging.getLogger(__name__)

_SCRIPT = 'read -r _; kill -s KILL -- "-$1"'


class Guard:
    """A shell that waits on a pipe of this process, and kills the process group of a child when the pipe closes.

    A child that reads its input from this process ends with it.  A child without input, such as a capture of a camera that
    sends nothing, does not notice.  Linux' ``PR_SET_PDEATHSIG`` is not an alternative: it fires when the starting *thread* ends.

    Args:
        group: process group of the child.
    """

    def __init__(self, group: int) -> None:
        self._shell: subprocess.Popen[bytes] | None = None
        try:
            self._shell = subprocess.Popen(
                ("/bin/sh", "-c", _SCRIPT, "sh", str(group)),
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as err:
            logger.warning("PID %d will not end if this process is killed: %s", group, err)
            return
        assert self._shell.stdin is not None
        self._pipe = PipeEnd(self._shell.stdin, select.POLLOUT)

    def end(self) -> None:
        """Stop guarding; a second call does nothing."""
        if self._shell is not None:
            self._shell.kill()  # before the pipe closes
            self._shell.wait()
            self._pipe.close()
            self._shell = None
