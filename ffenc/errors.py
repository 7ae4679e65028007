"""Every exception ffenc raises, as one tree.

::

    FFencError
    ├── BinaryNotFoundError          no ffmpeg or ffprobe: every place searched, and what installs one
    ├── DependencyError              also ImportError; a Python package is missing or shadowed
    ├── LeRobotError                 LeRobot is missing, or is not a version that ffenc can run
    ├── CapabilityError              this FFmpeg or this machine cannot do what was asked
    │   ├── EncoderUnavailableError  unknown, not built in, or its trial failed; every candidate's reason
    │   ├── PixelFormatError         also ValueError
    │   ├── EncoderOptionError       also ValueError
    │   └── FrameSizeError           also ValueError
    ├── FrameError                   also ValueError; an array of the wrong shape or dtype, refused before encoding
    ├── InputError                   also ValueError; an input is missing, damaged or unsuitable
    │   └── ConcatError              a stream copy cannot join the inputs; every input's value of each property
    ├── CameraError                  a live source failed; its name and the frames read from it
    │   ├── CameraUnavailableError   the camera does not exist or sends no frame
    │   ├── CameraFormatError        also ValueError; another frame size, rate or pixel format than requested
    │   ├── CameraEndedError         the stream ended
    │   └── CameraStalledError       no new frame arrived in time
    ├── ProcessError                 a child process failed: argv, status or signal, stderr tail
    │   ├── ProcessStartError
    │   ├── ProcessDiedError
    │   └── ProcessTimeoutError
    ├── OutputError                  the output cannot be written, or is not what was requested
    │   └── OutputExistsError        also FileExistsError
    ├── ProbeError                   a media file cannot be probed
    │   └── NoVideoError             the file has no video stream
    ├── RecordingError               a camera of an episode failed; its partial recording is kept
    ├── ErrorGroup                   also ExceptionGroup; several cameras or episodes failed
    ├── QueueFullError               an encoder does not keep up, and the queue policy is to raise
    ├── ThreadStartError             no new thread can be started, or a library has replaced threads
    ├── NotOwnerError                a forked process used an object of its parent
    ├── UnsafePathError              a name or path would leave its directory
    └── DatasetError                 a dataset cannot be read or changed
        ├── PreviewError             some videos cannot be shown; the other sheets were written
        ├── DatasetLockedError       another process is writing into the dataset
        ├── DatasetMovedError        the directory was moved, deleted or replaced while it was open
        ├── MergeError               the datasets are incompatible; every source's value of each property
        └── EpisodeError             a recorded episode cannot be added to its dataset

Each message says what was tried, what happened and what to do.  Values that a program may branch on are also attributes.
All errors can be pickled, so they pass between processes and across a cluster.  Passwords in their texts are hidden, see
`ffenc.redaction`.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ffenc.redaction import redacted, redacted_words

if sys.version_info < (3, 11):
    from exceptiongroup import ExceptionGroup

if TYPE_CHECKING:
    from typing_extensions import Self

Disagreements: TypeAlias = Mapping[str, Sequence[object]]
"""For each property that differs, the value of every source, in the order of the sources."""

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_disk_full(error: object) -> bool:
    """Return True if an error or one of its causes means that a disk or a quota is full."""
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


@dataclass(eq=False, repr=False)
class FFencError(Exception):
    """Base of every error that ffenc raises on purpose.

    Attributes:
        message: the text of the error.
    """

    message: str

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if isinstance(value, str):
                setattr(self, each.name, redacted(value))
            elif isinstance(value, tuple) and all(isinstance(part, str) for part in value):
                setattr(self, each.name, redacted_words(value))
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Callable[..., FFencError], tuple[object, ...]]:
        # BaseException would call __init__ with the message alone, but keyword arguments are required.
        return _restore, (type(self), self.args, self.__dict__)


class ErrorGroup(FFencError, ExceptionGroup[Exception]):  # noqa: N818  # named as ExceptionGroup
    """Several cameras or episodes failed.

    Both ``except FFencError`` and ``except*`` catch it.

    Attributes:
        exceptions: the error of each.
    """

    def __new__(cls, message: str, exceptions: Sequence[Exception]) -> Self:
        """Make the group; `ExceptionGroup` sets its message here."""
        return ExceptionGroup.__new__(cls, redacted(message), exceptions)

    def __init__(self, message: str, exceptions: Sequence[Exception]) -> None:
        ExceptionGroup.__init__(self, redacted(message), exceptions)  # FFencError would set `message` again

    def derive(self, excs: Sequence[Exception]) -> ErrorGroup:  # type: ignore[override]  # generic in Exception
        """Return a group of some of the errors, for ``except*``."""
        return ErrorGroup(self.message, excs)


class BinaryNotFoundError(FFencError):
    """No usable executable was found.

    Attributes:
        tool: ``"ffmpeg"`` or ``"ffprobe"``.
        searched: (place, result) pairs, in search order.
    """

    def __init__(self, tool: str, searched: Sequence[tuple[str, str]], *, remedy: str) -> None:
        self.tool = tool
        self.searched = tuple(searched)
        places = "\n".join(f"  {place}: {found}" for place, found in self.searched)
        super().__init__(f"no usable {tool}; searched in this order:\n{places}\n{remedy}")


class DependencyError(FFencError, ImportError):
    """A required Python package is missing, or another package has taken its import name."""


class LeRobotError(FFencError):
    """LeRobot is missing, or is not a version whose functions ffenc knows; none of them was replaced."""


class CapabilityError(FFencError):
    """This FFmpeg build or this machine lacks a requested capability."""


@dataclass(eq=False, repr=False, kw_only=True)
class EncoderUnavailableError(CapabilityError):
    """No encoder could be used.

    Attributes:
        requested: the requested ``vcodec``.
        refused: (candidate, reason) pairs, in the order in which they were tried.
        alternatives: names that work, or are spelled similarly.
    """

    requested: str
    refused: tuple[tuple[str, str], ...] = ()
    alternatives: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [self.message, *(f"  {candidate}: {reason}" for candidate, reason in self.refused)]
        if self.alternatives:
            lines.append(f"available instead: {', '.join(self.alternatives)}")
        return "\n".join(lines)


@dataclass(eq=False, repr=False, kw_only=True)
class PixelFormatError(CapabilityError, ValueError):
    """The encoder does not accept this pixel format; ffmpeg would convert it silently.

    Attributes:
        pix_fmt: the requested pixel format.
        accepted: the pixel formats that the encoder accepts.
        alternatives: encoders of this FFmpeg that accept ``pix_fmt``; empty if they were not searched.
    """

    pix_fmt: str
    accepted: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass(eq=False, repr=False, kw_only=True)
class EncoderOptionError(CapabilityError, ValueError):
    """This encoder of this FFmpeg would ignore, clip or misread an option.

    Attributes:
        option: the config field or FFmpeg option.
        value: the value that was given.
        encoder: the encoder's name.
        accepted: a range or a list of choices, as text; empty for an unknown option.
        nearest: the known option or choice with the most similar spelling, if any.
    """

    option: str
    value: object
    encoder: str
    accepted: str = ""
    nearest: str | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class FrameSizeError(CapabilityError, ValueError):
    """The encoder or the pixel format does not support this frame size.

    Attributes:
        width, height: the requested size, in pixels.
    """

    width: int
    height: int


@dataclass(eq=False, repr=False, kw_only=True)
class FrameError(FFencError, ValueError):
    """An array does not have the declared shape, dtype or range; none of it was encoded.

    Attributes:
        expected: declared shape and dtype, as text.
        seen: shape and dtype of the array, as text.
    """

    expected: str
    seen: str


@dataclass(eq=False, repr=False, kw_only=True)
class InputError(FFencError, ValueError):
    """An input file or directory is missing, damaged or unsuitable.

    Attributes:
        path: the input.
    """

    path: Path


@dataclass(eq=False, repr=False, kw_only=True)
class ConcatError(InputError):
    """A stream copy cannot join the inputs into one correct file.

    Attributes:
        disagreements: for each property that differs, the value of every input, in input order.
    """

    disagreements: Disagreements = field(default_factory=dict)


@dataclass(eq=False, repr=False, kw_only=True)
class CameraError(FFencError):
    """A live source of frames failed.

    Attributes:
        source: the camera, as the caller named it.
        frames_read: complete frames read from it.
        printed: what FFmpeg printed around the failure; empty if nothing.
    """

    source: str
    frames_read: int = 0
    printed: str = ""

    def __str__(self) -> str:
        lines = [f"  {line}" for line in self.printed.splitlines()]
        return "\n".join([self.message, *(["ffmpeg printed:", *lines] if lines else [])])


class CameraUnavailableError(CameraError):
    """The camera does not exist, cannot be opened, or sends no frame."""


@dataclass(eq=False, repr=False, kw_only=True)
class CameraFormatError(CameraError, ValueError):
    """The camera sends another frame size, rate or pixel format than requested.

    Attributes:
        asked, came: the requested and the actual format, as text.
    """

    asked: str
    came: str


class CameraEndedError(CameraError):
    """The stream ended: end of file, an unplugged device or a closed connection."""


class CameraStalledError(CameraError):
    """No new frame arrived in time, although the stream has not ended."""


@dataclass(eq=False, repr=False, kw_only=True)
class ProcessError(FFencError):
    """A child process failed.

    Attributes:
        argv: the command.
        returncode: exit status; negative for a signal; None if it never started.
        stderr_tail: the last lines of its standard error.
        frames_written: complete frames written to its input; None if it reads no frames.
    """

    argv: tuple[str, ...]
    returncode: int | None = None
    stderr_tail: str = ""
    frames_written: int | None = None

    def __str__(self) -> str:
        lines = [self.message]
        if self.returncode is not None:
            lines[0] += f" ({describe_returncode(self.returncode)})"
        if self.frames_written is not None:
            lines.append(f"frames written: {self.frames_written}")
        lines.append(f"command: {shlex.join(self.argv)}")
        if self.stderr_tail:
            lines.append("last lines of standard error:")
            lines.extend(f"  {line}" for line in self.stderr_tail.splitlines())
        else:
            lines.append("standard error is empty")
        return "\n".join(lines)


def describe_returncode(returncode: int) -> str:
    """Return ``"exit status 1"`` or ``"killed by SIGKILL"``."""
    if returncode >= 0:
        return f"exit status {returncode}"
    try:
        return f"killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"killed by signal {-returncode}"


class ProcessStartError(ProcessError):
    """The executable could not be started."""


class ProcessDiedError(ProcessError):
    """The child process exited with an error or too early."""


class ProcessTimeoutError(ProcessError):
    """The child process made no progress within the timeout and was killed."""


@dataclass(eq=False, repr=False, kw_only=True)
class OutputError(FFencError):
    """An output cannot be written, or is not what was requested although ffmpeg reported success; it was removed.

    Attributes:
        path: the output.
        frames_expected: expected number of frames; None if the error is not about a count.
        packets_counted: number of packets in the file; None if the error is not about a count.
    """

    path: Path
    frames_expected: int | None = None
    packets_counted: int | None = None


class OutputExistsError(OutputError, FileExistsError):
    """The output exists and ``overwrite`` is False; it was not changed."""

    def __init__(self, path: str | Path, remedy: str = "pass overwrite=True (--overwrite) to replace it") -> None:
        super().__init__(f"{path} exists already; {remedy}", path=Path(path))


@dataclass(eq=False, repr=False, kw_only=True)
class ProbeError(FFencError):
    """A media file cannot be probed.

    Attributes:
        path: the file.
    """

    path: Path


@dataclass(eq=False, repr=False, kw_only=True)
class NoVideoError(ProbeError):
    """A media file without a video stream."""


@dataclass(eq=False, repr=False, kw_only=True)
class RecordingError(FFencError):
    """A camera of an episode failed, or the cameras of an episode are inconsistent.

    Attributes:
        camera: the camera.
        frames: number of frames that it accepted.
        kept: its partial recording, for ``ffenc salvage``; None if nothing was kept.
    """

    camera: str
    frames: int
    kept: Path | None = None

    def follow(self, old: Path, new: Path) -> None:
        """Replace a directory that was moved, in the message and in `kept`."""
        self.message = self.message.replace(str(old), str(new))
        self.args = (self.message,)
        if self.kept is not None and self.kept.is_relative_to(old):
            self.kept = new / self.kept.relative_to(old)


@dataclass(eq=False, repr=False, kw_only=True)
class QueueFullError(FFencError):
    """A queue is full; no camera accepted this time step.

    Attributes:
        cameras: the cameras whose queues are full.
        depth: number of frames in each of these queues.
    """

    cameras: tuple[str, ...]
    depth: int


class ThreadStartError(FFencError):
    """No new thread can be started, or a library has replaced threads by cooperative ones."""


@dataclass(eq=False, repr=False, kw_only=True)
class NotOwnerError(FFencError):
    """An object was used in a process that was forked from its owner.

    Attributes:
        owner_pid: the process that created the object.
    """

    owner_pid: int


@dataclass(eq=False, repr=False, kw_only=True)
class UnsafePathError(FFencError):
    """A name or path would leave its directory, or cannot be a file name.

    Attributes:
        text: the name or path.
    """

    text: str


@dataclass(eq=False, repr=False, kw_only=True)
class DatasetError(FFencError):
    """A dataset cannot be read or changed as requested.

    Attributes:
        path: the dataset, or a file in it; None if it does not exist yet.
    """

    path: Path | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class PreviewError(DatasetError):
    """Some videos of a dataset cannot be shown; the sheets of the others were written.

    Attributes:
        sheets: the written sheets, as `ffenc.preview_dataset` returns them.
        failures: a `ffenc.dataset.preview.MissingRow` for each video that cannot be shown.
    """

    sheets: tuple[Any, ...] = ()
    failures: tuple[Any, ...] = ()


@dataclass(eq=False, repr=False, kw_only=True)
class DatasetLockedError(DatasetError):
    """Another process is writing into the dataset.

    Attributes:
        holder: ``pid``, ``host`` and ``since`` of the other writer; empty if unknown.
    """

    holder: Mapping[str, object] = field(default_factory=dict)


@dataclass(eq=False, repr=False, kw_only=True)
class DatasetMovedError(DatasetError):
    """The directory of an open dataset was moved, deleted or replaced; the replacement was not changed.

    Attributes:
        now: its new path; None if unknown.
        kept: the path of the unfinished episode; None if nothing was kept or its path is unknown.
    """

    now: Path | None = None
    kept: Path | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class EpisodeError(DatasetError):
    """A recorded episode cannot be added to its dataset; the dataset is unchanged.

    Attributes:
        episode_index: the number that the episode would have had.
        kept: the directory with the recording; None if nothing was kept.
    """

    episode_index: int
    kept: Path | None = None


@dataclass(eq=False, repr=False, kw_only=True)
class MergeError(DatasetError):
    """Datasets, or tasks of a dataset, cannot be merged; nothing was written.

    Attributes:
        disagreements: for each property that differs, the value of every source, in the order of the sources.
    """

    disagreements: Disagreements = field(default_factory=dict)
