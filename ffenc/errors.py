"""Every exception ffenc raises, as one tree.

::

    FFencError
    ├── BinaryNotFoundError          no ffmpeg or ffprobe: every place searched, and what installs one
    ├── DependencyError              a Python package is missing or shadowed (also ImportError)
    ├── CapabilityError              this FFmpeg or this machine cannot do what was asked
    │   ├── EncoderUnavailableError  unknown, not built in, or its trial failed; every candidate's reason
    │   ├── PixelFormatError         also ValueError
    │   ├── EncoderOptionError       also ValueError
    │   └── FrameSizeError           also ValueError
    ├── FrameError                   also ValueError; a wrong array, refused before a byte is sent
    ├── InputError                   also ValueError; an input that cannot give what was asked of it
    │   └── ConcatError              inputs that a stream copy cannot join; each key with every input's value
    ├── CameraError                  a live source; its name, and frames that had come from it
    │   ├── CameraUnavailableError   it does not exist, or nothing comes from it
    │   ├── CameraFormatError        also ValueError; pictures of another size, rate or kind than asked for
    │   ├── CameraEndedError         it came to its end
    │   └── CameraStalledError       no more pictures, and no end either
    ├── ProcessError                 a child process went wrong: argv, status or signal, stderr tail
    │   ├── ProcessStartError
    │   ├── ProcessDiedError
    │   └── ProcessTimeoutError
    ├── OutputError                  exit status 0 and yet a wrong file
    │   └── OutputExistsError        also FileExistsError
    ├── ProbeError                   a media file that cannot be described
    ├── RecordingError               a camera of an episode failed; what it had recorded is kept
    ├── QueueFullError               a camera's encoder does not keep up, and waiting was not asked for
    ├── ThreadStartError             the system refuses another thread, or a library has replaced threads
    ├── NotOwnerError                a forked process used what belongs to its parent
    ├── UnsafePathError              a name or a path that would leave its directory
    └── DatasetError                 a dataset that cannot be read, or cannot take what it was given
        ├── PreviewError             videos that cannot be shown; the sheets of the others are there
        ├── DatasetLockedError       another process is writing into it
        ├── DatasetMovedError        its directory was moved, deleted or replaced while it was open
        ├── MergeError               datasets that cannot be one; each key with every source's value
        └── EpisodeError             a recorded episode that cannot join its dataset

Each message says what was tried, what happened and what to do.  Whatever a program may want to branch on is
an attribute as well.  All of them can be pickled, so they cross process and cluster borders whole.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "BinaryNotFoundError",
    "CameraEndedError",
    "CameraError",
    "CameraFormatError",
    "CameraStalledError",
    "CameraUnavailableError",
    "CapabilityError",
    "ConcatError",
    "DatasetError",
    "DatasetLockedError",
    "DatasetMovedError",
    "DependencyError",
    "EncoderOptionError",
    "EncoderUnavailableError",
    "EpisodeError",
    "FFencError",
    "FrameError",
    "FrameSizeError",
    "InputError",
    "MergeError",
    "NotOwnerError",
    "OutputError",
    "OutputExistsError",
    "PixelFormatError",
    "PreviewError",
    "ProbeError",
    "ProcessDiedError",
    "ProcessError",
    "ProcessStartError",
    "ProcessTimeoutError",
    "QueueFullError",
    "RecordingError",
    "ThreadStartError",
    "UnsafePathError",
]

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: object) -> bool:
    """Return whether an error, or one of its causes, means that a disk or a quota is full."""
    seen: set[int] = set()
    left = [error]
    while left:
        each = left.pop()
        if not isinstance(each, BaseException) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, OSError) and each.errno in _NO_ROOM:
            return True
        if isinstance(each, ProcessError) and os.strerror(errno.ENOSPC) in each.stderr_tail:
            return True
        left += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return False


def _restore(cls: type[FFencError], args: tuple[object, ...], state: dict[str, Any]) -> FFencError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(state)
    return error


class FFencError(Exception):
    """Base of every error that ffenc raises on purpose."""

    def __reduce__(
        self,
    ) -> tuple[Callable[..., FFencError], tuple[object, ...]]:
        # BaseException would call __init__ with the message alone, which our keyword-only signatures refuse.
        return _restore, (type(self), self.args, self.__dict__)


class BinaryNotFoundError(FFencError):
    """No usable executable was found.

    Attributes:
        tool: ``"ffmpeg"`` or ``"ffprobe"``.
        searched: (place, what was found there) pairs, in search order.
    """

    def __init__(self, tool: str, searched: Sequence[tuple[str, str]], *, remedy: str) -> None:
        self.tool = tool
        self.searched = tuple(searched)
        places = "\n".join(f"  {place}: {found}" for place, found in self.searched)
        super().__init__(f"no usable {tool}; searched in this order:\n{places}\n{remedy}")


class DependencyError(FFencError, ImportError):
    """A Python package that ffenc needs is missing, or another one took its import name."""


class CapabilityError(FFencError):
    """This FFmpeg, or this machine, cannot do what was asked."""


class EncoderUnavailableError(CapabilityError):
    """No encoder could be used.

    Attributes:
        requested: the ``vcodec`` that was asked for.
        refused: (candidate, reason) pairs, in the order they were considered.
        alternatives: names that would work or are spelt almost alike.
    """

    def __init__(
        self,
        message: str,
        *,
        requested: str,
        refused: Sequence[tuple[str, str]] = (),
        alternatives: Sequence[str] = (),
    ) -> None:
        self.requested = requested
        self.refused = tuple(refused)
        self.alternatives = tuple(alternatives)
        lines = [message, *(f"  {candidate}: {reason}" for candidate, reason in self.refused)]
        if self.alternatives:
            lines.append(f"available instead: {', '.join(self.alternatives)}")
        super().__init__("\n".join(lines))


class PixelFormatError(CapabilityError, ValueError):
    """The encoder does not take this pixel format; ffmpeg would have converted it without a word.

    Attributes:
        pix_fmt: the pixel format asked for.
        accepted: the pixel formats that would be taken.
        alternatives: encoders of this FFmpeg that would take this one, as far as it was asked.
    """

    def __init__(
        self, message: str, *, pix_fmt: str, accepted: Sequence[str] = (), alternatives: Sequence[str] = ()
    ) -> None:
        self.pix_fmt = pix_fmt
        self.accepted = tuple(accepted)
        self.alternatives = tuple(alternatives)
        super().__init__(message)


class EncoderOptionError(CapabilityError, ValueError):
    """An option would be ignored, clipped or misread by this encoder of this FFmpeg.

    Attributes:
        option: the config field or FFmpeg option concerned.
        value: the value given.
        encoder: the encoder it was meant for.
        accepted: a range or a list of choices, as text; empty when the option is not known at all.
        nearest: the known option or choice spelt most alike, if any.
    """

    def __init__(
        self,
        message: str,
        *,
        option: str,
        value: object,
        encoder: str,
        accepted: str = "",
        nearest: str | None = None,
    ) -> None:
        self.option = option
        self.value = value
        self.encoder = encoder
        self.accepted = accepted
        self.nearest = nearest
        super().__init__(message)


class FrameSizeError(CapabilityError, ValueError):
    """The encoder or the pixel format cannot take pictures of this size.

    Attributes:
        width, height: the size asked for, in pixels.
    """

    def __init__(self, message: str, *, width: int, height: int) -> None:
        self.width = width
        self.height = height
        super().__init__(message)


class FrameError(FFencError, ValueError):
    """An array is not the frame that was declared; nothing of it was sent.

    Attributes:
        expected: shape and dtype that were declared, as text.
        seen: shape and dtype of what came, as text.
    """

    def __init__(self, message: str, *, expected: str, seen: str) -> None:
        self.expected = expected
        self.seen = seen
        super().__init__(message)


class InputError(FFencError, ValueError):
    """An input file or directory cannot give what was asked of it.

    Attributes:
        path: the input.
    """

    def __init__(self, message: str, *, path: str | Path) -> None:
        self.path = Path(path)
        super().__init__(message)


class ConcatError(InputError):
    """Inputs that a stream copy cannot join into one right file.

    Attributes:
        disagreements: for each property that differs, the value of every input, in input order.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path,
        disagreements: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        self.disagreements = {key: tuple(values) for key, values in (disagreements or {}).items()}
        super().__init__(message, path=path)


class CameraError(FFencError):
    """A live source of frames went wrong.

    Attributes:
        source: the camera, as it was given.
        frames_read: whole frames that had come from it.
    """

    def __init__(self, message: str, *, source: str, frames_read: int = 0) -> None:
        self.source = source
        self.frames_read = frames_read
        super().__init__(message)


class CameraUnavailableError(CameraError):
    """It does not exist, cannot be opened, or not one frame came."""


class CameraFormatError(CameraError, ValueError):
    """It gives pictures of another size, rate or kind than was asked for.

    Attributes:
        asked, came: both as text.
    """

    def __init__(self, message: str, *, source: str, asked: str, came: str, frames_read: int = 0) -> None:
        self.asked = asked
        self.came = came
        super().__init__(message, source=source, frames_read=frames_read)


class CameraEndedError(CameraError):
    """It came to its end: a file is over, a device was unplugged, a connection was closed."""


class CameraStalledError(CameraError):
    """No new frame came in time, although it has not ended."""


class ProcessError(FFencError):
    """A child process did not do its work.

    Attributes:
        argv: the command, as given to the operating system.
        returncode: exit status; negative for a signal; None if it never started.
        stderr_tail: the last lines it wrote to standard error.
        frames_written: whole frames that had been handed to it, where frames were being written.
    """

    def __init__(
        self,
        what: str,
        *,
        argv: Sequence[str],
        returncode: int | None = None,
        stderr_tail: str = "",
        frames_written: int | None = None,
    ) -> None:
        self.what = what
        self.argv = tuple(argv)
        self.returncode = returncode
        self.stderr_tail = stderr_tail
        self.frames_written = frames_written
        super().__init__(what)

    def __str__(self) -> str:
        lines = [self.what]
        if self.returncode is not None:
            lines[0] += f" ({describe_returncode(self.returncode)})"
        if self.frames_written is not None:
            lines.append(f"frames written: {self.frames_written}")
        lines.append(f"command: {shlex.join(self.argv)}")
        if self.stderr_tail:
            lines.append("its last words:")
            lines.extend(f"  {line}" for line in self.stderr_tail.splitlines())
        else:
            lines.append("it wrote nothing to standard error")
        return "\n".join(lines)


def describe_returncode(returncode: int) -> str:
    """``"exit status 1"`` or ``"killed by SIGKILL"``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


class ProcessStartError(ProcessError):
    """The executable could not be started at all."""


class ProcessDiedError(ProcessError):
    """The child ended with an error, or before its work was done."""


class ProcessTimeoutError(ProcessError):
    """The child made no progress for too long and was killed."""


class OutputError(FFencError):
    """ffmpeg said success, but the file is not what was asked for; it was removed.

    Attributes:
        path: where the output would have been.
        frames_expected: frames that had to be in it, if that was the question.
        packets_counted: packets found in it, if that was the question.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path,
        frames_expected: int | None = None,
        packets_counted: int | None = None,
    ) -> None:
        self.path = Path(path)
        self.frames_expected = frames_expected
        self.packets_counted = packets_counted
        super().__init__(message)


class OutputExistsError(OutputError, FileExistsError):
    """The output exists already and overwriting was not asked for; it was left as it is."""

    def __init__(self, path: str | Path, remedy: str = "pass overwrite=True (--overwrite) to replace it") -> None:
        self.text = f"{path} exists already; {remedy}"
        super().__init__(self.text, path=path)

    def __str__(self) -> str:
        # OSError.__str__ formats errno and file name, of which there are none here.
        return self.text


class ProbeError(FFencError):
    """A media file could not be described.

    Attributes:
        path: the file.
    """

    def __init__(self, message: str, *, path: str | Path) -> None:
        self.path = Path(path)
        super().__init__(message)


class RecordingError(FFencError):
    """A camera of an episode failed, or its cameras do not fit together.

    Attributes:
        camera: the camera.
        frames: frames that it had accepted.
        kept: what is left of its recording, for ``ffenc salvage``; None if there is nothing.
    """

    def __init__(self, message: str, *, camera: str, frames: int, kept: Path | None = None) -> None:
        self.camera = camera
        self.frames = frames
        self.kept = kept
        super().__init__(message)


class QueueFullError(FFencError):
    """A queue is full; no camera took this time step.

    Attributes:
        cameras: whose queues were full.
        depth: frames that wait there.
    """

    def __init__(self, message: str, *, cameras: Sequence[str], depth: int) -> None:
        self.cameras = tuple(cameras)
        self.depth = depth
        super().__init__(message)


class ThreadStartError(FFencError):
    """The system refuses another thread, or a library has replaced threads by cooperative ones."""


class NotOwnerError(FFencError):
    """Something was used in a process that was forked from its owner.

    Attributes:
        owner_pid: the process that may use it.
    """

    def __init__(self, message: str, *, owner_pid: int) -> None:
        self.owner_pid = owner_pid
        super().__init__(message)


class UnsafePathError(FFencError):
    """A name or a path, from a person or from a file, that would leave its directory or cannot be a file name.

    Attributes:
        text: the name or path as it was given.
    """

    def __init__(self, message: str, *, text: str) -> None:
        self.text = text
        super().__init__(message)


class DatasetError(FFencError):
    """A dataset cannot be read, or cannot take what it was given.

    Attributes:
        path: the dataset, or the file in it that is concerned; None if there is none yet.
    """

    def __init__(self, message: str, *, path: str | Path | None = None) -> None:
        self.path = None if path is None else Path(path)
        super().__init__(message)


class PreviewError(DatasetError):
    """Videos of a dataset cannot be shown; the sheets of everything else have been written.

    Attributes:
        sheets: the sheets that were written, as `ffenc.preview_dataset` returns them.
        failures: what is missing from them: `ffenc.dataset.preview.MissingRow`.
    """

    def __init__(
        self, message: str, *, path: str | Path, sheets: Sequence[Any] = (), failures: Sequence[Any] = ()
    ) -> None:
        self.sheets = tuple(sheets)
        self.failures = tuple(failures)
        super().__init__(message, path=path)


class DatasetLockedError(DatasetError):
    """Another process is writing into the dataset.

    Attributes:
        holder: what the other writer said of itself (``pid``, ``host``, ``since``), empty if it said nothing.
    """

    def __init__(self, message: str, *, path: str | Path, holder: Mapping[str, object] | None = None) -> None:
        self.holder = dict(holder or {})
        super().__init__(message, path=path)


class DatasetMovedError(DatasetError):
    """The directory of an open dataset was moved, deleted or replaced; nothing was written to what is there now.

    Attributes:
        now: where it is now; None if that is not known.
        kept: where the unfinished episode is now; None if there is none, or that is not known.
    """

    def __init__(
        self, message: str, *, path: str | Path, now: str | Path | None = None, kept: str | Path | None = None
    ) -> None:
        self.now = None if now is None else Path(now)
        self.kept = None if kept is None else Path(kept)
        super().__init__(message, path=path)


class EpisodeError(DatasetError):
    """A recorded episode cannot join its dataset; the dataset is as it was before.

    Attributes:
        episode_index: the number it would have had.
        kept: the directory in which what was recorded lies; None if nothing could be kept.
    """

    def __init__(
        self, message: str, *, episode_index: int, path: str | Path | None = None, kept: str | Path | None = None
    ) -> None:
        self.episode_index = episode_index
        self.kept = None if kept is None else Path(kept)
        super().__init__(message, path=path)


class MergeError(DatasetError):
    """Datasets that cannot be merged; nothing was written.

    Attributes:
        disagreements: for each property that differs, the value of every source, in the order of the sources.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        disagreements: Mapping[str, Sequence[object]] | None = None,
    ) -> None:
        self.disagreements = {key: tuple(values) for key, values in (disagreements or {}).items()}
        super().__init__(message, path=path)
