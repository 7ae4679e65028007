"""Run ``ffenc record`` on a pseudo-terminal, press keys, and look at the screen."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.terminal_screen import TerminalScreen

CAMERA = "{a: {type: ffmpeg, source: testsrc2, format: lavfi, width: 64, height: 64, fps: 30}}"
FLAGS = (
    "--dataset.repo_id=me/test",
    "--dataset.root=dataset",
    "--dataset.single_task=Look",
    "--dataset.camera_encoder.vcodec=h264",
    "--dataset.camera_encoder.preset=ultrafast",
)

_SEQUENCE = re.compile(r"\x1b\[[?0-9;]*[A-Za-z]")


class Terminal:
    """``ffenc record`` on a terminal of its own.

    Args:
        directory: working directory.
        flags: further flags.
        cameras: value of ``--cameras``.
        width: columns of the terminal.

    Attributes:
        text: all that was printed.
        screen: what the terminal shows.
    """

    def __init__(self, directory: Path, *flags: str, cameras: str = CAMERA, width: int = 100) -> None:
        command = (sys.executable, "-m", "ffenc", "record", *FLAGS, f"--cameras={cameras}", *flags)
        self._ours, theirs = pty.openpty()
        _set_width(theirs, width)
        self._before = termios.tcgetattr(theirs)
        environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
        environment["TERM"] = "xterm"
        self.process = subprocess.Popen(
            command,
            cwd=directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=environment,
            preexec_fn=_take_terminal,  # noqa: PLW1509  no other thread runs here
        )
        self._theirs = theirs
        self.text = ""
        self.screen = TerminalScreen(width)
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._unfed = ""
        self._seen = 0  # characters up to the end of the last text that was waited for

    def press(self, key: bytes) -> None:
        os.write(self._ours, key)

    def read_until(self, text: str) -> str:
        """Read until the text was printed after the last one; return what was printed between them."""
        start = self._seen
        deadline = time.monotonic() + 60
        while (found := self.text.find(text, start)) < 0:
            assert time.monotonic() < deadline, f"{text!r} is not in {self.text[start:]!r}"
            self._read(0.1)
        self._seen = found + len(text)
        return self.text[start:found]

    def end(self) -> int:
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline
            self._read(0.05)
        assert termios.tcgetattr(self._theirs)[:4] == self._before[:4]  # the terminal is as it was
        while self._read(0):
            pass
        return self.process.returncode

    def read_for(self, seconds: float) -> None:
        """Read what is printed during this time."""
        deadline = time.monotonic() + seconds
        while (left_s := deadline - time.monotonic()) > 0:
            self._read(left_s)

    def resize(self, width: int) -> None:
        """Change the width; the terminal sends SIGWINCH to the program."""
        self.screen.resize(width)
        _set_width(self._ours, width)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)

    def _read(self, timeout_s: float) -> bool:
        """Read what is printed within this time, and return whether there is something."""
        if not select.select([self._ours], [], [], timeout_s)[0]:
            return False
        printed = self._decoder.decode(os.read(self._ours, 65536))
        self.text += printed
        self._unfed += printed
        # A control sequence may arrive in two pieces.
        complete = self._unfed.rfind("\x1b")
        whole = len(self._unfed) if complete < 0 or _SEQUENCE.match(self._unfed, complete) else complete
        self.screen.feed(self._unfed[:whole])
        self._unfed = self._unfed[whole:]
        return True


def _take_terminal() -> None:
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _set_width(terminal: int, width: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, width, 0, 0))
