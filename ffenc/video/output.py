"""Write a file under a temporary name, check it, and give it its final name in one atomic step."""

from __future__ import annotations

import errno
import logging
import os
import re
import weakref
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from ffenc.errors import OutputError, OutputExistsError
from ffenc.ffmpeg.stream_info import PacketIndex, VideoStreamInfo
from ffenc.json_text import as_json
from ffenc.owner import Owner
from ffenc.plan.audio import AudioPlan
from ffenc.regular_files import file_path
from ffenc.video.names import sibling

logger = logging.getLogger(__name__)

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.ENOSYS, errno.EINVAL)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class WrittenVideo:
    """A video file that was written and verified; the base of every result.

    Attributes:
        path: the file.
        frames: frames in it.
        fps: frames per second.
        size_bytes: size of the file.
        stream: what was measured from the file.
    """

    path: Path
    frames: int
    fps: Fraction
    size_bytes: int
    stream: VideoStreamInfo

    @property
    def duration_s(self) -> Fraction:
        """Length of the video in seconds."""
        return self.frames / self.fps

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values, as ``--json`` prints it and job records store it."""
        return {**as_json(self), "duration_s": float(self.duration_s)}

    def __repr__(self) -> str:
        frames = f"{self.frames} frame{'' if self.frames == 1 else 's'} at {self.fps}/s"
        stream = f"{self.stream.codec} {self.stream.width}x{self.stream.height}"
        return f"<{type(self).__name__} {self.path}: {frames}, {stream}, {self.size_bytes} bytes>"


def check_target(path: Path, *, overwrite: bool) -> None:
    """Refuse an output that exists already, or whose directory does not.

    Raises:
        OutputExistsError: it exists and ``overwrite`` is False, or it is a directory.
        OutputError: the directory is missing.
        InputError: it is a URL.
    """
    if file_path(path, written=True).is_dir():
        raise OutputError(f"{path} is a directory; name the file to write", path=path)
    if path.exists() and not overwrite:
        raise OutputExistsError(path)
    if not path.parent.is_dir():
        raise OutputError(f"the directory of {path} does not exist; create it first", path=path)


def _unfinished(final: Path, token: str, *, keep_suffix: bool = True) -> Path:
    stem, suffix = (final.stem, final.suffix) if keep_suffix else (final.name, "")
    return sibling(final, stem=stem, end=f".{token}.part{suffix}")


def unfinished_siblings(final: Path, *, keep_suffix: bool = True) -> list[Path]:
    """Return the temporary files that killed writers of a file left beside it."""
    before, digits, after = _unfinished(final, "0" * 8, keep_suffix=keep_suffix).name.rpartition("0" * 8)
    pattern = re.compile(f"{re.escape(before)}[0-9a-f]{{{len(digits)}}}{re.escape(after)}")
    return [path for path in final.parent.iterdir() if pattern.fullmatch(path.name)]


class PendingFile:
    """A temporary sibling that becomes the final file in one step.

    The sibling is created exclusively, so that two writers never share one, and in the same directory, so that the rename
    is atomic.  It keeps the final suffix unless ``keep_suffix`` is False, for programs that take every file with that suffix
    for a finished one.  As a context manager it removes a file that was not committed.

    Attributes:
        final: final path of the file.
        path: the temporary sibling, which the caller writes.
    """

    def __init__(self, final: Path, *, overwrite: bool, keep_suffix: bool = True) -> None:
        check_target(final, overwrite=overwrite)
        self.final = final
        self.overwrite = overwrite
        self.path = _unfinished(final, os.urandom(4).hex(), keep_suffix=keep_suffix)
        # Before the file exists, so that no interrupt comes between.  Also runs at garbage collection and interpreter exit.
        self._removal = weakref.finalize(self, _remove_ours, self.path, Owner())
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        except OSError as err:
            self._removal.detach()
            raise OutputError(f"cannot write into {final.parent}: {err.strerror}", path=final) from err

    def commit(self) -> None:
        """Sync the content, give the file its final name, and sync the directory.

        Without the first sync, a power loss leaves an empty file under the final name; without the second, only the
        temporary name.

        Raises:
            OutputExistsError: another writer was faster and ``overwrite`` is False; the temporary file is removed.
            OutputError: the file system refused.
        """
        try:
            sync(self.path)
            if self.overwrite:
                self.path.replace(self.final)
            else:
                self._link_exclusively()
            sync(self.final.parent)
        except FileExistsError as err:
            self.discard()
            raise OutputExistsError(self.final) from err
        except OSError as err:
            self.discard()
            raise OutputError(f"cannot finish {self.final}: {err.strerror}", path=self.final) from err

    def discard(self) -> None:
        """Remove the temporary file; safe to call again, and after `commit`."""
        self._removal()

    def __enter__(self) -> PendingFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def _link_exclusively(self) -> None:
        # A hard link fails if the name exists; a rename would replace it silently.
        try:
            os.link(self.path, self.final)
        except OSError as err:
            if err.errno not in _NO_HARD_LINKS:
                raise
            if self.final.exists():
                raise FileExistsError(self.final) from err
            self.path.replace(self.final)
        else:
            self.path.unlink()


def _remove_ours(path: Path, owner: Owner) -> None:
    """Remove a file unless this process is a fork of the one that writes it."""
    if owner.is_here:
        path.unlink(missing_ok=True)


def check_packets(packets: PacketIndex, *, path: Path, fps: Fraction, frames: int) -> None:
    """Check that every frame is in the file, at exactly k/fps.

    Args:
        packets: of the finished file.
        path: the final path, for messages.
        fps: expected frame rate.
        frames: number of frames that were sent.

    Raises:
        OutputError: another number of frames, a damaged file, or a timestamp that is not k/fps.
    """
    if packets.errors:
        raise OutputError(f"{path} was written, but reading it back gives errors: {packets.errors}", path=path)
    if packets.count != frames or packets.hidden:
        raise OutputError(
            f"{frames} frames were sent, but the file has {packets.count} ({packets.hidden} hidden); {path} was not written",
            path=path,
            frames_expected=frames,
            packets_counted=packets.count,
        )
    off = packets.first_off_grid(fps)
    if off is not None:
        raise OutputError(
            f"frame {off} is shown at {float(packets.pts_s(off)):.9f} s instead of {float(off / fps):.9f} s "
            f"({fps} frames per second); {path} was not written",
            path=path,
            frames_expected=frames,
            packets_counted=packets.count,
        )


def check_audio(stream: VideoStreamInfo, plan: AudioPlan | None, *, path: Path) -> None:
    """Check that every planned audio track is in the file, and no other.

    Args:
        stream: what was measured from the finished file.
        path: the final path, for messages.

    Raises:
        OutputError: a track is missing, too many, or has another codec, rate or number of channels.
    """
    tracks = () if plan is None else plan.tracks
    wanted = [(track.encoder, track.sample_rate, track.source.channels) for track in tracks]
    seen = [(track.codec, track.sample_rate, track.channels) for track in stream.audio_tracks]
    if seen != wanted:
        raise OutputError(
            f"the audio tracks of the file (codec, sample rate, channels) are {seen}, but {wanted} were planned; {path} was "
            "not written",
            path=path,
        )


def sync(path: Path) -> None:
    """Wait until a file or directory is on the disk; no effect if the file system cannot sync it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as err:
        if err.errno != errno.EINVAL:  # some file systems cannot sync a directory
            raise
        logger.debug("%s cannot be synced: %s", path, err)
    finally:
        os.close(descriptor)
